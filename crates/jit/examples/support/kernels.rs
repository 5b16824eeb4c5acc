//! Loop kernels as TIR, the way lowering writes them: rows by stride, negative indices wrapped around.

#[path = "kernels/loops.rs"]
mod loops;
#[path = "kernels/matrix.rs"]
mod matrix;
#[path = "kernels/scalar.rs"]
mod scalar;

pub use loops::*;
pub use matrix::*;
pub use scalar::*;

use ferdelance_abi::rtfn::RtFn;
use ferdelance_compiler::tir::*;

use crate::common::*;

pub const F64_ARRAY: Type = Type::Array(1);

/// A C-ordered array of doubles: its data, shape, and the bytes of a row.
#[derive(Clone, Copy)]
pub struct Matrix {
    pub data: Value,
    pub shape: [Value; 2],
    pub row: Value,
}

pub fn matrix(b: &mut Build, v: Value) -> Matrix {
    Matrix {
        data: b.part(v, Part::Data),
        shape: [b.part(v, Part::Shape(0)), b.part(v, Part::Shape(1))],
        row: b.part(v, Part::Stride(0)),
    }
}

/// A vector: its data and length.
#[derive(Clone, Copy)]
pub struct Vector {
    pub data: Value,
    pub len: Value,
}

pub fn vector(b: &mut Build, v: Value) -> Vector {
    Vector {
        data: b.part(v, Part::Data),
        len: b.part(v, Part::Shape(0)),
    }
}

/// A negative index counts from the end.
pub fn wrapped(b: &mut Build, index: Value, len: Value) -> Value {
    let zero = b.i64(0);
    let negative = b.cmp(Cmp::SLt, index, zero);
    let from_end = b.nsw(Bin::Add, index, len);
    b.op(
        Op::Select {
            cond: negative,
            then: from_end,
            other: index,
        },
        Type::I64,
    )
}

pub fn address(b: &mut Build, m: Matrix, i: Value, j: Value) -> Value {
    let i = wrapped(b, i, m.shape[0]);
    let offset = b.nsw(Bin::Mul, i, m.row);
    let base = b.op(
        Op::Offset {
            base: m.data,
            offset,
        },
        Type::Ptr,
    );
    let j = wrapped(b, j, m.shape[1]);
    b.element(base, j, 8)
}

pub fn get2(b: &mut Build, m: Matrix, i: Value, j: Value) -> Value {
    let at = address(b, m, i, j);
    b.load(at, Type::F64)
}

pub fn set2(b: &mut Build, m: Matrix, i: Value, j: Value, x: Value) {
    let at = address(b, m, i, j);
    b.store(at, x);
}

/// The address of an item of `size` bytes.
pub fn item(b: &mut Build, v: Vector, i: Value, size: u32) -> Value {
    let i = wrapped(b, i, v.len);
    b.element(v.data, i, size)
}

pub fn get1(b: &mut Build, v: Vector, i: Value) -> Value {
    let at = item(b, v, i, 8);
    b.load(at, Type::F64)
}

pub fn set1(b: &mut Build, v: Vector, i: Value, x: Value) {
    let at = item(b, v, i, 8);
    b.store(at, x);
}
