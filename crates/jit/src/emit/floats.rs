//! Operations on the parts of floating-point numbers: exponent, mantissa, scaling, an estimate of the
//! reciprocal, and numbers that are looked up.
//!
//! AVX-512 has instructions for them, which LLVM knows as intrinsics of vectors only. So they are functions,
//! with variants on vectors that the loop vectoriser finds by an attribute, and are put in the place
//! of their calls after it has run (`optimise`). For other machines they are a few instructions on
//! integers, in place before it runs.
//!
//! The functions are text: a module with them is parsed, and emission adds the program to it.

use std::collections::BTreeSet;
use std::fmt::Write;

use ferdelance_compiler::tir::{Bin, Op, Program, Table, Type, Un};
use inkwell::context::Context;
use inkwell::memory_buffer::MemoryBuffer;
use inkwell::module::Module;

use crate::error::Error;

/// A format, and its layout.
struct Format {
    ty: Type,
    name: &'static str,
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
        packed: "pd",
        bits: 64,
        fraction: 52,
        bias: 1023,
    },
    Format {
        ty: Type::F32,
        name: "float",
        packed: "ps",
        bits: 32,
        fraction: 23,
        bias: 127,
    },
];

/// Mantissas are between 3/4 and 3/2, without sign; those of negative numbers are NaNs.
const MANTISSA: u32 = 0b1111;

/// One of the operations.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum FloatOp {
    Exponent,
    Mantissa,
    Reciprocal,
    Scale,
    Lookup(&'static Table),
}

impl FloatOp {
    fn of(op: &Op) -> Option<FloatOp> {
        Some(match op {
            Op::Unary(Un::Exponent, _) => FloatOp::Exponent,
            Op::Unary(Un::Mantissa, _) => FloatOp::Mantissa,
            Op::Unary(Un::Reciprocal, _) => FloatOp::Reciprocal,
            Op::Binary { op: Bin::Scale, .. } => FloatOp::Scale,
            Op::Lookup { table, .. } => FloatOp::Lookup(table),
            _ => return None,
        })
    }

    /// The name of its function.
    pub fn symbol(self, double: bool) -> String {
        let name = match self {
            FloatOp::Exponent => "exponent",
            FloatOp::Mantissa => "mantissa",
            FloatOp::Reciprocal => "reciprocal",
            FloatOp::Scale => "scale",
            FloatOp::Lookup(table) => table.name,
        };
        format!("fd.{name}.{}", if double { "f64" } else { "f32" })
    }
}

/// Whether a program has such operations.
pub(crate) fn used(program: &Program) -> bool {
    FORMATS
        .iter()
        .any(|format| !used_of(program, format).is_empty())
}

/// The operations on numbers of a format that a program has.
fn used_of(program: &Program, format: &Format) -> Vec<FloatOp> {
    let mut found = vec![];
    for f in &program.functions {
        for inst in f.blocks.iter().flat_map(|b| &b.insts) {
            if let Some(op) = FloatOp::of(&inst.op)
                && f.ty(inst.results[0]) == format.ty
                && !found.contains(&op)
            {
                found.push(op);
            }
        }
    }
    found
}

/// A module with the functions that a program needs.
pub(super) fn module<'c>(
    context: &'c Context,
    program: &Program,
    avx512: bool,
) -> Result<Module<'c>, Error> {
    let mut text = String::new();
    for format in &FORMATS {
        let mut declared = BTreeSet::new();
        for op in used_of(program, format) {
            if avx512 {
                format.instructions(op, &mut text, &mut declared);
            } else {
                format.integers(op, &mut text);
            }
        }
        text.extend(declared);
    }
    text.push_str("attributes #0 = { alwaysinline nounwind willreturn memory(none) }\n\0");
    let buffer = MemoryBuffer::create_from_memory_range_copy(text.as_bytes(), "floats");
    context.create_module_from_ir(buffer).map_err(Error::llvm)
}

/// A number as LLVM reads it exactly.
fn literal(x: f64) -> String {
    format!("0x{:016X}", x.to_bits())
}

/// Lanes of a vector in a shuffle.
fn lanes(lanes: impl Iterator<Item = u32>) -> String {
    let all: Vec<String> = lanes.map(|i| format!("i32 {i}")).collect();
    format!("<{} x i32> <{}>", all.len(), all.join(", "))
}

impl Format {
    fn double(&self) -> bool {
        self.ty == Type::F64
    }

    fn pattern(&self, x: f64) -> u64 {
        if self.double() {
            x.to_bits()
        } else {
            u64::from((x as f32).to_bits())
        }
    }

    /// A table's numbers, with their type.
    fn literals(&self, table: &Table) -> Vec<String> {
        let values = table.values(self.ty).iter();
        values
            .map(|&v| format!("{} {}", self.name, literal(v)))
            .collect()
    }

    // ---- on integers ----

    fn integers(&self, op: FloatOp, out: &mut String) {
        let (t, i, fraction) = (self.name, format!("i{}", self.bits), self.fraction);
        let symbol = op.symbol(self.double());
        let unit = (1u64 << fraction) as f64;
        let (params, body) = match op {
            FloatOp::Reciprocal => (format!("{t} %x"), format!("  %r = fdiv {t} 1.0, %x\n")),
            FloatOp::Scale => {
                // Adding to it rounds to an integer, which its lowest bits then show.
                let magic = unit * 1.5;
                let most = u64::MAX >> (64 - self.bits);
                let doubled = (2 * self.bias).wrapping_sub(self.pattern(magic)) & most;
                let body = format!(
                    "  %moved = fadd {t} %k, {magic}
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
",
                    magic = literal(magic),
                );
                (format!("{t} %x, {t} %k"), body)
            }
            FloatOp::Exponent => {
                let offset = self.offset() as f64;
                let body = format!(
                    "{relative}  %raw = lshr {i} %relative, {fraction}
  %raised = or {i} %raw, {raise}
  %float = bitcast {i} %raised to {t}
  %base = select i1 %small, {t} {small_base}, {t} {base}
  %e = fsub {t} %float, %base
  %finite = fcmp olt {t} %x, {infinity}
  %e1 = select i1 %finite, {t} %e, {t} %x
  %negative = fcmp olt {t} %x, 0.0
  %e2 = select i1 %negative, {t} {nan}, {t} %e1
  %zero = fcmp oeq {t} %x, 0.0
  %r = select i1 %zero, {t} {lowest}, {t} %e2
",
                    relative = self.relative(),
                    raise = self.pattern(unit),
                    small_base = literal(unit + offset + f64::from(fraction + 2)),
                    base = literal(unit + offset),
                    infinity = literal(f64::INFINITY),
                    lowest = literal(f64::NEG_INFINITY),
                    nan = literal(f64::NAN),
                );
                (format!("{t} %x"), body)
            }
            FloatOp::Mantissa => {
                let body = format!(
                    "{relative}  %low = and {i} %relative, {mask}
  %m = add {i} %low, {least}
  %r = bitcast {i} %m to {t}
",
                    relative = self.relative(),
                    mask = (1u64 << fraction) - 1,
                    least = self.pattern(0.75),
                );
                (format!("{t} %x"), body)
            }
            FloatOp::Lookup(table) => {
                let values = self.literals(table).join(", ");
                let _ = writeln!(
                    out,
                    "@{symbol}.values = internal unnamed_addr constant [16 x {t}] [{values}]"
                );
                let body = format!(
                    "  %i = and {i} %x, 15
  %at = getelementptr [16 x {t}], ptr @{symbol}.values, {i} 0, {i} %i
  %r = load {t}, ptr %at
"
                );
                (format!("{i} %x"), body)
            }
        };
        let _ = writeln!(
            out,
            "define internal {t} @{symbol}({params}) #0 {{\n{body}  ret {t} %r\n}}"
        );
    }

    /// Keeps exponents positive.
    fn offset(&self) -> u64 {
        1u64 << (self.bits - self.fraction - 1)
    }

    /// The bits of a number, scaled if it is subnormal, relative to those of 3/4.
    fn relative(&self) -> String {
        let (t, i) = (self.name, format!("i{}", self.bits));
        format!(
            "  %small = fcmp olt {t} %x, {least}
  %up = fmul {t} %x, {up}
  %normal = select i1 %small, {t} %up, {t} %x
  %bits = bitcast {t} %normal to {i}
  %relative = add {i} %bits, {to_relative}
",
            least = literal(2f64.powi(1 - self.bias as i32)),
            up = literal((1u64 << (self.fraction + 2)) as f64),
            to_relative = (self.offset() << self.fraction).wrapping_sub(self.pattern(0.75)),
        )
    }

    // ---- AVX-512 ----

    /// A function for one number, and variants for vectors of all sizes that loops may have: those of doubles
    /// fill two registers where a loop has singles, too.
    fn instructions(&self, op: FloatOp, out: &mut String, declared: &mut BTreeSet<String>) {
        let symbol = op.symbol(self.double());
        let operand = match op {
            FloatOp::Lookup(_) => format!("i{}", self.bits),
            _ => self.name.to_owned(),
        };
        let names: &[&str] = if op == FloatOp::Scale {
            &["%x", "%k"]
        } else {
            &["%x"]
        };
        let list = |ty: &str, suffix: &str| {
            let typed: Vec<String> = names.iter().map(|n| format!("{ty} {n}{suffix}")).collect();
            typed.join(", ")
        };
        let of = |size: u32| format!("<{} x {operand}>", size / self.bits);
        let mut variants = vec![];
        for size in [128, 256, 512, 1024] {
            let (ty, params) = (self.vector(size), list(&of(size), ""));
            let body = if size > 512 {
                self.halves(&symbol, names, &of)
            } else {
                self.vector_body(op, size, declared)
            };
            let _ = writeln!(
                out,
                "define internal {ty} @{symbol}.{size}({params}) #0 {{\n{body}  ret {ty} %r\n}}"
            );
            variants.push(format!(
                "_ZGV_LLVM_N{}{}_{symbol}({symbol}.{size})",
                size / self.bits,
                "v".repeat(names.len()),
            ));
        }
        // Of one number, in a vector of zeros.
        let (t, v, params) = (self.name, self.vector(128), list(&operand, ""));
        let variants = variants.join(",");
        let _ = writeln!(
            out,
            "define internal {t} @{symbol}({params}) #0 \"vector-function-abi-variant\"=\"{variants}\" {{"
        );
        for name in names {
            let _ = writeln!(
                out,
                "  {name}.v = insertelement {} zeroinitializer, {operand} {name}, i32 0",
                of(128)
            );
        }
        let args = list(&of(128), ".v");
        let _ = writeln!(
            out,
            "  %v = call {v} @{symbol}.128({args})\n  %r = extractelement {v} %v, i32 0\n  ret {t} %r\n}}"
        );
    }

    fn halves(&self, symbol: &str, names: &[&str], of: &dyn Fn(u32) -> String) -> String {
        let (whole, half, n) = (of(1024), of(512), 512 / self.bits);
        let ty = self.vector(512);
        let mut out = String::new();
        for part in 0..2 {
            for name in names {
                let _ = writeln!(
                    out,
                    "  {name}.{part} = shufflevector {whole} {name}, {whole} poison, {}",
                    lanes(part * n..part * n + n)
                );
            }
            let args: Vec<String> = names.iter().map(|n| format!("{half} {n}.{part}")).collect();
            let args = args.join(", ");
            let _ = writeln!(out, "  %r.{part} = call {ty} @{symbol}.512({args})");
        }
        let all = lanes(0..2 * n);
        let _ = writeln!(out, "  %r = shufflevector {ty} %r.0, {ty} %r.1, {all}");
        out
    }

    fn vector_body(&self, op: FloatOp, size: u32, declared: &mut BTreeSet<String>) -> String {
        let mut out = String::new();
        let v = self.vector(size);
        let mut call = |result: &str, name: &str, operands: &[&str], immediate: Option<u32>| {
            let mut args: Vec<String> = operands.iter().map(|op| format!("{v} {op}")).collect();
            args.extend(immediate.map(|i| format!("i32 {i}")));
            args.push(format!("{v} zeroinitializer"));
            args.push(format!("i{} -1", (size / self.bits).max(8)));
            if size == 512 && name != "rcp14" {
                // Rounding as the processor is set.
                args.push("i32 4".to_owned());
            }
            let mask = if name == "rcp14" { "" } else { "mask." };
            let intrinsic = format!("llvm.x86.avx512.{mask}{name}.{}.{size}", self.packed);
            let types = args.iter().map(|arg| match arg.rsplit_once(' ') {
                Some(("i32", _)) => "i32 immarg",
                Some((ty, _)) => ty,
                None => arg,
            });
            let types: Vec<&str> = types.collect();
            declared.insert(format!("declare {v} @{intrinsic}({})\n", types.join(", ")));
            let _ = writeln!(
                out,
                "  {result} = call {v} @{intrinsic}({})",
                args.join(", ")
            );
        };
        match op {
            FloatOp::Lookup(table) => return self.permutation(table, size, declared),
            FloatOp::Exponent => {
                call("%m", "getmant", &["%x"], Some(MANTISSA));
                call("%e", "getexp", &["%x"], None);
                call("%less", "getexp", &["%m"], None);
                let _ = writeln!(out, "  %r = fsub {v} %e, %less");
            }
            FloatOp::Mantissa => call("%r", "getmant", &["%x"], Some(MANTISSA)),
            FloatOp::Scale => call("%r", "scalef", &["%x", "%k"], None),
            FloatOp::Reciprocal => call("%r", "rcp14", &["%x"], None),
        }
        out
    }

    /// Looks up in full registers: two of doubles, one of singles.
    fn permutation(&self, table: &Table, size: u32, declared: &mut BTreeSet<String>) -> String {
        let (n, all) = (size / self.bits, 512 / self.bits);
        let (full, ints) = (self.vector(512), format!("<{all} x i{}>", self.bits));
        let from = format!("<{n} x i{}>", self.bits);
        let values: Vec<String> = self.literals(table);
        let registers = values
            .chunks(all as usize)
            .map(|part| format!("{full} <{}>", part.join(", ")));
        let registers: Vec<String> = registers.collect();
        let (intrinsic, types, args) = match &*registers {
            [low, high] => (
                "llvm.x86.avx512.vpermi2var.pd.512",
                format!("{full}, {ints}, {full}"),
                format!("{low}, {ints} %i, {high}"),
            ),
            _ => (
                "llvm.x86.avx512.permvar.sf.512",
                format!("{full}, {ints}"),
                format!("{}, {ints} %i", registers.join(", ")),
            ),
        };
        declared.insert(format!("declare {full} @{intrinsic}({types})\n"));
        let widen = lanes((0..all).map(|i| i.min(n)));
        let narrow = lanes(0..n);
        format!(
            "  %i = shufflevector {from} %x, {from} zeroinitializer, {widen}
  %f = call {full} @{intrinsic}({args})
  %r = shufflevector {full} %f, {full} poison, {narrow}
"
        )
    }

    fn vector(&self, size: u32) -> String {
        format!("<{} x {}>", size / self.bits, self.name)
    }
}
