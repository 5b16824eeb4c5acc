//! Operations on the parts of floating-point numbers: exponent, mantissa, scaling, an estimate of the
//! reciprocal, and numbers that are looked up.
//!
//! AVX-512 has instructions for them, which LLVM knows as intrinsics of vectors only. So they are functions,
//! with variants on vectors that the loop vectoriser finds by an attribute, and are put in the place
//! of their calls after it has run (`optimise`). For other machines they are a few instructions on
//! integers, in place before it runs.
//!
//! The functions are text: a module with them is parsed, and emission adds the program to it.

use std::fmt::Write;

use ferdelance_compiler::tir::{Bin, Op, Program, Table, Type, Un};
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
    operations(program, format).next().is_some()
}

/// The operations of a program on numbers of a format.
fn operations<'p>(program: &'p Program, format: &Format) -> impl Iterator<Item = &'p Op> {
    let ours = |op: &Op| match op {
        Op::Lookup { .. } => true,
        Op::Unary(op, _) => matches!(op, Un::Exponent | Un::Mantissa | Un::Reciprocal),
        Op::Binary { op, .. } => *op == Bin::Scale,
        _ => false,
    };
    let ty = format.ty;
    program.functions.iter().flat_map(move |f| {
        let insts = f.blocks.iter().flat_map(|b| &b.insts);
        let found = insts.filter(move |inst| ours(&inst.op) && f.ty(inst.results[0]) == ty);
        found.map(|inst| &inst.op)
    })
}

/// A module with the functions that a program needs.
pub(super) fn module<'c>(context: &'c Context, program: &Program, avx512: bool) -> Module<'c> {
    let mut text = String::new();
    for format in FORMATS.iter().filter(|f| uses(program, f)) {
        let mut tables: Vec<&Table> = vec![];
        for op in operations(program, format) {
            if let Op::Lookup { table, .. } = op
                && !tables.iter().any(|t| t.name == table.name)
            {
                tables.push(table);
            }
        }
        if avx512 {
            format.instructions(&tables, &mut text);
        } else {
            format.integers(&tables, &mut text);
        }
    }
    text.push_str("attributes #0 = { alwaysinline nounwind willreturn memory(none) }\n\0");
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

    fn integers(&self, tables: &[&Table], out: &mut String) {
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
        for table in tables {
            let (name, values) = (table.name, self.literals(table));
            let _ = write!(
                out,
                "@fd.{name}.{s}.values = internal unnamed_addr constant [16 x {t}] [{values}]
define internal {t} @fd.{name}.{s}({i} %x) #0 {{
  %i = and {i} %x, 15
  %at = getelementptr [16 x {t}], ptr @fd.{name}.{s}.values, {i} 0, {i} %i
  %r = load {t}, ptr %at
  ret {t} %r
}}
"
            );
        }
    }

    /// A table's numbers, with their type.
    fn literals(&self, table: &Table) -> String {
        let values = table.values(self.ty).iter();
        let all: Vec<String> = values
            .map(|&v| format!("{} {}", self.name, literal(v)))
            .collect();
        all.join(", ")
    }

    // ---- AVX-512 ----

    /// Each function for one number, and for vectors of all sizes that loops of this format may have: those
    /// of doubles are as long as those of singles where a loop has both.
    fn instructions(&self, tables: &[&Table], out: &mut String) {
        for (name, count) in [
            ("exponent", 1),
            ("mantissa", 1),
            ("scale", 2),
            ("reciprocal", 1),
        ] {
            let body = |size| self.vector_body(name, size);
            self.function(name, &vec![self.name; count], &body, out);
        }
        let int = format!("i{}", self.bits);
        for table in tables {
            self.function(table.name, &[&int], &|size| self.lookup(table, size), out);
        }
        for (name, count) in [
            ("mask.getexp", 1),
            ("mask.getmant", 1),
            ("mask.scalef", 2),
            ("rcp14", 1),
        ] {
            for size in [128, 256, 512] {
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
                let (intrinsic, params) = (self.intrinsic(name, size), params.join(", "));
                let _ = writeln!(out, "declare {v} @{intrinsic}({params})");
            }
        }
        let (doubles, ints) = (self.vector(512), self.ints(512));
        let _ = if self.bits == 64 {
            writeln!(
                out,
                "declare {doubles} @llvm.x86.avx512.vpermi2var.pd.512({doubles}, {ints}, {doubles})"
            )
        } else {
            writeln!(
                out,
                "declare {doubles} @llvm.x86.avx512.permvar.sf.512({doubles}, {ints})"
            )
        };
    }

    /// A function and its variants, of operands that are called `%x` and `%k`. A body ends with `%r`.
    fn function(
        &self,
        name: &str,
        operands: &[&str],
        body: &dyn Fn(u32) -> String,
        out: &mut String,
    ) {
        let symbol = format!("@fd.{name}.{}", self.suffix);
        let names = ["%x", "%k"];
        let list = |size: u32, suffix: &str| {
            let typed = operands.iter().zip(names).map(|(ty, name)| match size {
                0 => format!("{ty} {name}{suffix}"),
                _ => format!("<{} x {ty}> {name}{suffix}", size / self.bits),
            });
            typed.collect::<Vec<String>>().join(", ")
        };
        let mut variants = vec![];
        for size in [128, 256, 512, 1024] {
            let ty = self.vector(size);
            let params = list(size, "");
            let _ = writeln!(out, "define internal {ty} {symbol}.{size}({params}) #0 {{");
            if size <= 512 {
                out.push_str(&body(size));
            } else {
                // Two registers.
                let (whole, half) = (size / self.bits, 512 / self.bits);
                let indices = |from: u32, count: u32| {
                    let all: Vec<String> =
                        (from..from + count).map(|i| format!("i32 {i}")).collect();
                    format!("<{count} x i32> <{}>", all.join(", "))
                };
                for part in 0..2 {
                    for (ty, name) in operands.iter().zip(names) {
                        let lanes = indices(part * half, half);
                        let _ = writeln!(
                            out,
                            "  {name}.{part} = shufflevector <{whole} x {ty}> {name}, <{whole} x {ty}> poison, {lanes}"
                        );
                    }
                    let args = list(512, &format!(".{part}"));
                    let ty = self.vector(512);
                    let _ = writeln!(out, "  %r.{part} = call {ty} {symbol}.512({args})");
                }
                let (ty, lanes) = (self.vector(512), indices(0, whole));
                let _ = writeln!(out, "  %r = shufflevector {ty} %r.0, {ty} %r.1, {lanes}");
            }
            let _ = writeln!(out, "  ret {ty} %r\n}}");
            variants.push(format!(
                "_ZGV_LLVM_N{}{}_{}({}.{size})",
                size / self.bits,
                "v".repeat(operands.len()),
                &symbol[1..],
                &symbol[1..]
            ));
        }
        // Of one number, in a vector of zeros.
        let (t, v, params) = (self.name, self.vector(128), list(0, ""));
        let variants = variants.join(",");
        let _ = writeln!(
            out,
            "define internal {t} {symbol}({params}) #0 \"vector-function-abi-variant\"=\"{variants}\" {{"
        );
        let lanes = 128 / self.bits;
        for (ty, name) in operands.iter().zip(names) {
            let _ = writeln!(
                out,
                "  {name}.v = insertelement <{lanes} x {ty}> zeroinitializer, {ty} {name}, i32 0"
            );
        }
        let args = list(128, ".v");
        let _ = writeln!(
            out,
            "  %v = call {v} {symbol}.128({args})\n  %r = extractelement {v} %v, i32 0\n  ret {t} %r\n}}"
        );
    }

    fn vector_body(&self, name: &str, size: u32) -> String {
        let mut out = String::new();
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
            let (intrinsic, args) = (self.intrinsic(name, size), args.join(", "));
            let _ = writeln!(out, "  {result} = call {v} @{intrinsic}({args})");
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
        out
    }

    /// A permutation of full registers: two of doubles, one of singles.
    fn lookup(&self, table: &Table, size: u32) -> String {
        let mut out = String::new();
        let (full, ints) = (self.vector(512), self.ints(512));
        let (lanes, all) = (size / self.bits, 512 / self.bits);
        let places = |count: u32, most: u32| {
            let all: Vec<String> = (0..count).map(|i| format!("i32 {}", i.min(most))).collect();
            format!("<{count} x i32> <{}>", all.join(", "))
        };
        let _ = writeln!(
            out,
            "  %i = shufflevector {from} %x, {from} zeroinitializer, {}",
            places(all, lanes),
            from = self.ints(size),
        );
        let values = self.literals(table);
        let _ = if self.bits == 64 {
            let values: Vec<&str> = values.split(", ").collect();
            let (low, high) = (values[..8].join(", "), values[8..].join(", "));
            writeln!(
                out,
                "  %f = call {full} @llvm.x86.avx512.vpermi2var.pd.512({full} <{low}>, {ints} %i, {full} <{high}>)"
            )
        } else {
            writeln!(
                out,
                "  %f = call {full} @llvm.x86.avx512.permvar.sf.512({full} <{values}>, {ints} %i)"
            )
        };
        let _ = writeln!(
            out,
            "  %r = shufflevector {full} %f, {full} poison, {}",
            places(lanes, all)
        );
        out
    }

    fn vector(&self, size: u32) -> String {
        format!("<{} x {}>", size / self.bits, self.name)
    }

    fn ints(&self, size: u32) -> String {
        format!("<{} x i{}>", size / self.bits, self.bits)
    }

    fn mask_bits(&self, size: u32) -> u32 {
        (size / self.bits).max(8)
    }

    fn intrinsic(&self, name: &str, size: u32) -> String {
        format!("llvm.x86.avx512.{name}.{}.{size}", self.packed)
    }
}
