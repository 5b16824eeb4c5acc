//! Operations on the parts of floating-point numbers: exponent, mantissa, scaling, and an estimate of the
//! reciprocal.
//!
//! AVX-512 has instructions for them, which LLVM knows as intrinsics of vectors only. So they are functions,
//! with variants on vectors that the loop vectoriser finds by an attribute, and are put in the place
//! of their calls after it has run (`optimise`). For other machines they are a few instructions on
//! integers, in place before it runs.
//!
//! The functions are text: a module with them is parsed, and emission adds the program to it.

use std::fmt::Write;

use ferdelance_compiler::tir::{Bin, Op, Program, Type, Un};
use inkwell::context::Context;
use inkwell::memory_buffer::MemoryBuffer;
use inkwell::module::Module;

/// A format, and its layout.
struct Format {
    ty: Type,
    name: &'static str,
    suffix: &'static str,
    /// As intrinsics are named.
    packed: &'static str,
    bits: u32,
    fraction: u32,
    bias: u64,
}

const FORMATS: [Format; 2] = [
    Format {
        ty: Type::F64,
        name: "double",
        suffix: "f64",
        packed: "pd",
        bits: 64,
        fraction: 52,
        bias: 1023,
    },
    Format {
        ty: Type::F32,
        name: "float",
        suffix: "f32",
        packed: "ps",
        bits: 32,
        fraction: 23,
        bias: 127,
    },
];

/// Mantissas are between 3/4 and 3/2, without sign; those of negative numbers are NaNs.
const MANTISSA: u32 = 0b1111;

/// The name of a function.
pub(super) fn symbol(name: &str, double: bool) -> String {
    format!("fd.{name}.{}", if double { "f64" } else { "f32" })
}

/// Whether a program has such operations.
pub(crate) fn used(program: &Program) -> bool {
    FORMATS.iter().any(|f| uses(program, f))
}

fn uses(program: &Program, format: &Format) -> bool {
    let ours = |op: &Op| match op {
        Op::Unary(op, _) => matches!(op, Un::Exponent | Un::Mantissa | Un::Reciprocal),
        Op::Binary { op, .. } => *op == Bin::Scale,
        _ => false,
    };
    program.functions.iter().any(|f| {
        let mut insts = f.blocks.iter().flat_map(|b| &b.insts);
        insts.any(|inst| ours(&inst.op) && f.ty(inst.results[0]) == format.ty)
    })
}

/// A module with the functions that a program needs.
pub(super) fn module<'c>(context: &'c Context, program: &Program, avx512: bool) -> Module<'c> {
    let mut text = String::new();
    for format in FORMATS.iter().filter(|f| uses(program, f)) {
        if avx512 {
            format.instructions(&mut text);
        } else {
            format.integers(&mut text);
        }
    }
    text.push_str("attributes #0 = { alwaysinline nounwind willreturn memory(none) }\n");
    text.push('\0');
    let buffer = MemoryBuffer::create_from_memory_range_copy(text.as_bytes(), "floats");
    context
        .create_module_from_ir(buffer)
        .unwrap_or_else(|error| panic!("functions of floats: {error}"))
}

/// A number as LLVM reads it exactly.
fn literal(x: f64) -> String {
    format!("0x{:016X}", x.to_bits())
}

impl Format {
    fn pattern(&self, x: f64) -> u64 {
        if self.ty == Type::F64 {
            x.to_bits()
        } else {
            u64::from((x as f32).to_bits())
        }
    }

    // ---- on integers ----

    fn integers(&self, out: &mut String) {
        let (t, s, i) = (self.name, self.suffix, format!("i{}", self.bits));
        let (fraction, bias) = (self.fraction, self.bias);
        let unit = (1u64 << fraction) as f64;
        // Larger than the exponents of subnormal numbers are small.
        let offset = 1u64 << (self.bits - fraction - 1);
        let up = fraction + 2;
        let least = literal(2f64.powi(1 - bias as i32));
        let base = unit + offset as f64;
        let start = format!(
            "  %small = fcmp olt {t} %x, {least}
  %up = fmul {t} %x, {up}
  %normal = select i1 %small, {t} %up, {t} %x
  %bits = bitcast {t} %normal to {i}
  %relative = add {i} %bits, {to_relative}
",
            up = literal((1u64 << up) as f64),
            to_relative = (offset << fraction).wrapping_sub(self.pattern(0.75)),
        );
        // Adding to it rounds to an integer, which its lowest bits then show.
        let magic = unit * 1.5;
        let most = if self.ty == Type::F64 {
            u64::MAX
        } else {
            u64::from(u32::MAX)
        };
        let doubled = (2 * bias).wrapping_sub(self.pattern(magic)) & most;
        let _ = write!(
            out,
            "define internal {t} @fd.exponent.{s}({t} %x) #0 {{
{start}  %raw = lshr {i} %relative, {fraction}
  %raised = or {i} %raw, {raise}
  %float = bitcast {i} %raised to {t}
  %base = select i1 %small, {t} {small_base}, {t} {base}
  %e = fsub {t} %float, %base
  %finite = fcmp olt {t} %x, {infinity}
  %e1 = select i1 %finite, {t} %e, {t} %x
  %negative = fcmp olt {t} %x, 0.0
  %e2 = select i1 %negative, {t} {nan}, {t} %e1
  %zero = fcmp oeq {t} %x, 0.0
  %e3 = select i1 %zero, {t} {lowest}, {t} %e2
  ret {t} %e3
}}
define internal {t} @fd.mantissa.{s}({t} %x) #0 {{
{start}  %low = and {i} %relative, {mask}
  %m = add {i} %low, {root}
  %r = bitcast {i} %m to {t}
  ret {t} %r
}}
define internal {t} @fd.scale.{s}({t} %x, {t} %k) #0 {{
  %moved = fadd {t} %k, {magic}
  %bits = bitcast {t} %moved to {i}
  %sum = add {i} %bits, {doubled}
  %first = lshr {i} %sum, 1
  %second = sub {i} %sum, %first
  %b1 = shl {i} %first, {fraction}
  %b2 = shl {i} %second, {fraction}
  %f1 = bitcast {i} %b1 to {t}
  %f2 = bitcast {i} %b2 to {t}
  %once = fmul {t} %x, %f1
  %r = fmul {t} %once, %f2
  ret {t} %r
}}
define internal {t} @fd.reciprocal.{s}({t} %x) #0 {{
  %r = fdiv {t} 1.0, %x
  ret {t} %r
}}
",
            raise = self.pattern(unit),
            small_base = literal(base + f64::from(up)),
            base = literal(base),
            infinity = literal(f64::INFINITY),
            lowest = literal(f64::NEG_INFINITY),
            nan = literal(f64::NAN),
            mask = (1u64 << fraction) - 1,
            root = self.pattern(0.75),
            magic = literal(magic),
        );
    }

    // ---- AVX-512 ----

    /// Each function for one number, and for vectors of all sizes that loops of this format may have: those
    /// of doubles are as long as those of singles where a loop has both.
    fn instructions(&self, out: &mut String) {
        let widest = if self.ty == Type::F64 { 1024 } else { 512 };
        let sizes: Vec<u32> = [128, 256, 512, 1024]
            .into_iter()
            .filter(|&b| b <= widest)
            .collect();
        for name in ["exponent", "mantissa", "scale", "reciprocal"] {
            let symbol = format!("@fd.{name}.{}", self.suffix);
            let operands: &[&str] = if name == "scale" {
                &["%x", "%k"]
            } else {
                &["%x"]
            };
            let of = |ty: &str, ops: &[&str]| {
                let typed: Vec<String> = ops.iter().map(|op| format!("{ty} {op}")).collect();
                typed.join(", ")
            };
            let mut variants = vec![];
            for &size in &sizes {
                let lanes = size / self.bits;
                let ty = self.vector(size);
                let params = of(&ty, operands);
                let _ = writeln!(out, "define internal {ty} {symbol}.{size}({params}) #0 {{");
                if size <= 512 {
                    self.vector_body(out, name, size);
                } else {
                    self.halves(out, &symbol, operands);
                }
                let _ = writeln!(out, "  ret {ty} %r\n}}");
                variants.push(format!(
                    "_ZGV_LLVM_N{lanes}{}_{}({}.{size})",
                    "v".repeat(operands.len()),
                    &symbol[1..],
                    &symbol[1..]
                ));
            }
            // Of one number, in a vector of zeros.
            let (t, v) = (self.name, self.vector(128));
            let _ = writeln!(
                out,
                "define internal {t} {symbol}({}) #0 \"vector-function-abi-variant\"=\"{}\" {{",
                of(t, operands),
                variants.join(",")
            );
            let mut vectors = vec![];
            for operand in operands {
                let _ = writeln!(
                    out,
                    "  {operand}.v = insertelement {v} zeroinitializer, {t} {operand}, i32 0"
                );
                vectors.push(format!("{operand}.v"));
            }
            let vectors: Vec<&str> = vectors.iter().map(String::as_str).collect();
            let _ = writeln!(
                out,
                "  %v = call {v} {symbol}.128({})
  %r = extractelement {v} %v, i32 0
  ret {t} %r
}}",
                of(&v, &vectors)
            );
        }
        for (name, count) in [
            ("mask.getexp", 1),
            ("mask.getmant", 1),
            ("mask.scalef", 2),
            ("rcp14", 1),
        ] {
            for &size in sizes.iter().filter(|&&size| size <= 512) {
                let v = self.vector(size);
                let mut params = vec![v.as_str(); count];
                if name == "mask.getmant" {
                    params.push("i32 immarg");
                }
                let mask = format!("i{}", self.mask_bits(size));
                params.extend([v.as_str(), &mask]);
                if size == 512 && name != "rcp14" {
                    params.push("i32 immarg");
                }
                let _ = writeln!(
                    out,
                    "declare {v} @{}({})",
                    self.intrinsic(name, size),
                    params.join(", ")
                );
            }
        }
    }

    fn vector_body(&self, out: &mut String, name: &str, size: u32) {
        let mut call = |result: &str, name: &str, operands: &[&str]| {
            let v = self.vector(size);
            let mut args: Vec<String> = operands.iter().map(|op| format!("{v} {op}")).collect();
            if name == "mask.getmant" {
                args.push(format!("i32 {MANTISSA}"));
            }
            args.push(format!("{v} zeroinitializer, i{} -1", self.mask_bits(size)));
            if size == 512 && name != "rcp14" {
                // As the processor is set.
                args.push("i32 4".into());
            }
            let intrinsic = self.intrinsic(name, size);
            let _ = writeln!(
                out,
                "  {result} = call {v} @{intrinsic}({})",
                args.join(", ")
            );
        };
        match name {
            "exponent" => {
                call("%m", "mask.getmant", &["%x"]);
                call("%e", "mask.getexp", &["%x"]);
                call("%less", "mask.getexp", &["%m"]);
                let _ = writeln!(out, "  %r = fsub {} %e, %less", self.vector(size));
            }
            "mantissa" => call("%r", "mask.getmant", &["%x"]),
            "scale" => call("%r", "mask.scalef", &["%x", "%k"]),
            _ => call("%r", "rcp14", &["%x"]),
        }
    }

    /// Of the longest vectors, which have two registers.
    fn halves(&self, out: &mut String, symbol: &str, operands: &[&str]) {
        let (whole, half) = (self.vector(1024), self.vector(512));
        let lanes = 512 / self.bits;
        let indices = |from: u32, count: u32| {
            let all: Vec<String> = (from..from + count).map(|i| format!("i32 {i}")).collect();
            format!("<{count} x i32> <{}>", all.join(", "))
        };
        for part in 0..2 {
            let mut args = vec![];
            for op in operands {
                let _ = writeln!(
                    out,
                    "  {op}.{part} = shufflevector {whole} {op}, {whole} poison, {}",
                    indices(part * lanes, lanes)
                );
                args.push(format!("{half} {op}.{part}"));
            }
            let _ = writeln!(
                out,
                "  %r.{part} = call {half} {symbol}.512({})",
                args.join(", ")
            );
        }
        let _ = writeln!(
            out,
            "  %r = shufflevector {half} %r.0, {half} %r.1, {}",
            indices(0, 2 * lanes)
        );
    }

    fn vector(&self, size: u32) -> String {
        format!("<{} x {}>", size / self.bits, self.name)
    }

    fn mask_bits(&self, size: u32) -> u32 {
        (size / self.bits).max(8)
    }

    fn intrinsic(&self, name: &str, size: u32) -> String {
        format!("llvm.x86.avx512.{name}.{}.{size}", self.packed)
    }
}
