//! What the compiler itself can do: every function that is neither compiled from source nor in the
//! prelude. Inference decides on an [`Intrinsic`] (types included), lowering writes it.

use std::sync::Arc;

use ferdelance_abi::rtfn::RtFn;

use super::dict::DictOp;
use super::einsum::Einsum;
use super::joining::Join;
use super::list::ListOp;
use super::reduce::Reduce;
use crate::hir::{BinaryOp, CompareOp, UnaryOp};
use crate::tir::Un;
use crate::types::{Layout, NamedTuple, Ty};
use crate::ufunc::{Loop, Row};

/// A known operation on the arguments of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Intrinsic {
    /// The result is known by type or constant; arguments have been evaluated and are dropped.
    Known,
    /// The first argument itself.
    Identity,
    /// The receiver of a method call, which has no arguments.
    Receiver,
    /// Converts a number (or bool) to this type, as the type's constructor does.
    Convert(Ty),
    /// `x.view(dtype)` of a number of this type: its bits as a number of another type.
    Bits(Ty),
    /// `complex(a, b)`, of this type.
    ComplexParts(Ty),
    Truth,
    Len,
    Abs,
    /// Smallest or largest of the arguments, or of the items of the only argument, a tuple.
    MinMax {
        max: bool,
    },
    /// `round(x)`: to an integer, half to even.
    RoundInt,
    RoundDigits,
    DivMod,
    Hash,
    Str,
    Repr,
    Print,
    /// `range(...)`; the type says whether the step is known.
    Range,
    Enumerate,
    Zip,
    Reversed,
    NdIndex,
    NdEnumerate,
    /// The operands of `np.nditer`, brought to one shape.
    NdIter {
        in_c_order: bool,
        /// Whether there may be nothing to visit.
        empty: bool,
    },
    /// `slice(...)`
    Slice,
    /// `next(generator)`, `next(generator, default)`.
    Next,
    /// `generator.send(value)`.
    Send,
    /// `generator.close()`.
    Close,
    Unary(UnaryOp),
    Binary(BinaryOp),
    Compare(CompareOp),
    GetItem,
    SetItem,
    /// A function of reals, computed in the result's type.
    Real(RealFn),
    /// `isnan`, `isinf`, `isfinite` of a real or complex number.
    Classify(Class),
    /// `floor`, `ceil`, `trunc` to an integer.
    FloatToInt(Un),
    Frexp,
    Ldexp,
    Gcd,
    /// A setting of the calling thread, or its number: a runtime function of integers.
    Thread(RtFn),
    /// degrees, radians: times this factor.
    Scale(f64),
    /// A function of complex numbers.
    Complex(RtFn),
    /// `cmath.log(z, base)`.
    ComplexLogBase,
    Phase,
    Polar,
    Rect,
    Conjugate,
    /// `tuple(x)` of a tuple; `*args` and displays.
    Tuple,
    NamedTuple(NamedTuple),
    /// An instance of an exception class with the arguments.
    Exception,
    /// np.empty, zeros, ones, full and their `_like` forms.
    NewArray {
        fill: Fill,
        dtype: Ty,
        shape: ShapeFrom,
    },
    Arange {
        dtype: Ty,
    },
    /// A new array of the elements of the argument, converted to the result's type: of a number, a tuple, a
    /// list or an array.
    NewFrom,
    /// The argument as an array: itself if it is one.
    AsArray,
    /// The same, but of the result's layout: a copy if it must be.
    Contiguous,
    /// A view by axes.
    Axes(Box<[AxisOf]>),
    /// A view by axes that are the second argument, a tuple, a list or an array.
    Permute,
    /// The arguments after the array are the shape.
    Reshape {
        order: Layout,
    },
    /// All elements one after the other.
    Flatten {
        order: Layout,
        copy: bool,
    },
    BroadcastTo,
    /// The argument after the array, if there is one, is the offset.
    Diagonal {
        dims: (u8, u8),
    },
    /// The same memory as elements of the result's type.
    Reinterpret,
    Join(Box<Join>),
    /// A view of the memory of an array: its shape and its strides follow the array where they are given.
    Strided {
        shape: bool,
        strides: bool,
    },
    /// The indices of elements that are not zero: an array for each dimension.
    Nonzero,
    /// `a @ b` of arrays; a third argument is written to. Errors are those of `np.dot` or `np.matmul`.
    Product {
        is_dot: bool,
    },
    Einsum(Box<Einsum>),
    /// A loop of [`ferdelance_abi::gufunc`], by number; its results are among the arguments.
    Gufunc(usize),
    /// A reduction of the first argument, or of the receiver, an array.
    Reduce(Box<Reduce>),
    /// `x in tuple`, `tuple.index(x)`, `tuple.count(x)`.
    TupleIndex,
    TupleCount,
    /// The fields of the receiver, or of the first argument, a record.
    RecordItems,
    /// The receiver, a record, in memory of its own.
    RecordCopy,
    /// A function of the runtime on rows, arrays of one dimension, and integers. It is told the type of the
    /// elements of the first.
    Rows(RtFn),
    /// An operation on the receiver, or on the first argument, a list.
    List(ListOp),
    /// An operation on the receiver, or on the first argument, a dict or a set.
    Dict(DictOp),
    /// An element-wise function of NumPy.
    Ufunc(Box<UfuncCall>),
    /// Its method `outer`.
    UfuncOuter(Box<UfuncCall>),
    /// `np.shape(a)` and the like: the attribute of the first argument.
    Attribute(Arc<str>),
}

/// A call of an element-wise function. Its arguments are the operands, then `out` for each result if
/// they are given, then `where`.
#[derive(Clone, Debug, PartialEq)]
pub struct UfuncCall {
    pub row: &'static Row,
    pub types: Loop,
    /// How many arguments `out` there are: none, or one for each result.
    pub outs: usize,
    /// Whether there is an argument `where`.
    pub masked: bool,
}

/// A dimension of a view in terms of those of the array. Those that do not occur have one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AxisOf {
    New,
    Whole(u8),
    Flipped(u8),
}

/// What a new array is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    Nothing,
    Zero,
    One,
    /// The second argument.
    Value,
}

/// Where a new array's shape comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShapeFrom {
    /// The first argument: an int or a tuple of ints.
    Argument,
    /// The shape of the first argument.
    Like,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Nan,
    Inf,
    Finite,
}

/// How a function of real numbers is computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RealFn {
    Un(Un),
    /// Runtime functions for float64 and float32; without the latter, float32 goes through float64.
    Rt(RtFn, Option<RtFn>),
    CopySign,
    /// C's fmod, as an instruction: what LLVM knows of the function of that name is wrong for NaN.
    Remainder,
    /// Python's `**` on floats.
    Pow,
}

/// A row of the table of real functions.
#[derive(Debug)]
pub struct RealRow {
    /// The canonical name: `math.sin`.
    pub name: &'static str,
    pub arity: usize,
    pub func: RealFn,
}

macro_rules! real {
    ($($arity:literal $func:expr, $name:literal;)*) => {
        &[$(RealRow { name: $name, arity: $arity, func: $func }),*]
    };
}

/// Functions of `math` that take real numbers and give one: float32 for float32, otherwise float64.
pub static REAL_FUNCTIONS: &[RealRow] = {
    use RealFn::{CopySign, Pow, Remainder, Rt};
    use RtFn as F;
    real! {
        1 RealFn::Un(Un::Sqrt), "math.sqrt";
        1 RealFn::Un(Un::FAbs), "math.fabs";
        1 Rt(F::sin, Some(F::sinf)), "math.sin";
        1 Rt(F::cos, Some(F::cosf)), "math.cos";
        1 Rt(F::tan, Some(F::tanf)), "math.tan";
        1 Rt(F::asin, Some(F::asinf)), "math.asin";
        1 Rt(F::acos, Some(F::acosf)), "math.acos";
        1 Rt(F::atan, Some(F::atanf)), "math.atan";
        2 Rt(F::atan2, Some(F::atan2f)), "math.atan2";
        1 Rt(F::sinh, Some(F::sinhf)), "math.sinh";
        1 Rt(F::cosh, Some(F::coshf)), "math.cosh";
        1 Rt(F::tanh, Some(F::tanhf)), "math.tanh";
        1 Rt(F::asinh, Some(F::asinhf)), "math.asinh";
        1 Rt(F::acosh, Some(F::acoshf)), "math.acosh";
        1 Rt(F::atanh, Some(F::atanhf)), "math.atanh";
        1 Rt(F::exp, Some(F::expf)), "math.exp";
        1 Rt(F::exp2, Some(F::exp2f)), "math.exp2";
        1 Rt(F::expm1, Some(F::expm1f)), "math.expm1";
        1 Rt(F::log, Some(F::logf)), "math.log";
        1 Rt(F::log2, Some(F::log2f)), "math.log2";
        1 Rt(F::log10, Some(F::log10f)), "math.log10";
        1 Rt(F::log1p, Some(F::log1pf)), "math.log1p";
        1 Rt(F::cbrt, Some(F::cbrtf)), "math.cbrt";
        2 Rt(F::hypot, Some(F::hypotf)), "math.hypot";
        2 Remainder, "math.fmod";
        1 Rt(F::erf, Some(F::erff)), "math.erf";
        1 Rt(F::erfc, Some(F::erfcf)), "math.erfc";
        1 Rt(F::gamma, None), "math.gamma";
        1 Rt(F::lgamma, None), "math.lgamma";
        2 Rt(F::nextafter, Some(F::nextafterf)), "math.nextafter";
        2 CopySign, "math.copysign";
        2 Pow, "math.pow";
    }
};

/// Functions of one complex number that give a complex number.
pub static COMPLEX_FUNCTIONS: &[(&str, RtFn)] = &[
    ("cmath.exp", RtFn::cexp),
    ("cmath.log", RtFn::clog),
    ("cmath.log10", RtFn::clog10),
    ("cmath.sqrt", RtFn::csqrt),
    ("cmath.sin", RtFn::csin),
    ("cmath.cos", RtFn::ccos),
    ("cmath.tan", RtFn::ctan),
    ("cmath.sinh", RtFn::csinh),
    ("cmath.cosh", RtFn::ccosh),
    ("cmath.tanh", RtFn::ctanh),
    ("cmath.asin", RtFn::casin),
    ("cmath.acos", RtFn::cacos),
    ("cmath.atan", RtFn::catan),
    ("cmath.asinh", RtFn::casinh),
    ("cmath.acosh", RtFn::cacosh),
    ("cmath.atanh", RtFn::catanh),
];

/// The row of a real function by its canonical name.
pub fn real_function(name: &str) -> Option<&'static RealRow> {
    REAL_FUNCTIONS.iter().find(|row| row.name == name)
}

/// The function behind a `cmath` name.
pub fn complex_function(name: &str) -> Option<RtFn> {
    COMPLEX_FUNCTIONS
        .iter()
        .find(|(n, _)| *n == name)
        .map(|&(_, f)| f)
}

/// Name of an operator as Python's `operator` module has it, and its sign.
pub fn binary_names(op: BinaryOp) -> (&'static str, &'static str) {
    match op {
        BinaryOp::Add => ("add", "+"),
        BinaryOp::Sub => ("sub", "-"),
        BinaryOp::Mul => ("mul", "*"),
        BinaryOp::TrueDiv => ("truediv", "/"),
        BinaryOp::FloorDiv => ("floordiv", "//"),
        BinaryOp::Mod => ("mod", "%"),
        BinaryOp::Pow => ("pow", "**"),
        BinaryOp::LShift => ("lshift", "<<"),
        BinaryOp::RShift => ("rshift", ">>"),
        BinaryOp::And => ("and_", "&"),
        BinaryOp::Or => ("or_", "|"),
        BinaryOp::Xor => ("xor", "^"),
        BinaryOp::MatMul => ("matmul", "@"),
    }
}

/// Likewise for comparisons.
pub fn compare_names(op: CompareOp) -> (&'static str, &'static str) {
    match op {
        CompareOp::Eq => ("eq", "=="),
        CompareOp::Ne => ("ne", "!="),
        CompareOp::Lt => ("lt", "<"),
        CompareOp::Le => ("le", "<="),
        CompareOp::Gt => ("gt", ">"),
        CompareOp::Ge => ("ge", ">="),
        CompareOp::Is => ("is_", "is"),
        CompareOp::IsNot => ("is_not", "is not"),
        CompareOp::In => ("contains", "in"),
        CompareOp::NotIn => ("contains", "not in"),
    }
}

/// Likewise for operators on one operand.
pub fn unary_names(op: UnaryOp) -> (&'static str, &'static str) {
    match op {
        UnaryOp::Neg => ("neg", "-"),
        UnaryOp::Pos => ("pos", "+"),
        UnaryOp::Invert => ("invert", "~"),
        UnaryOp::Not => ("not_", "not"),
    }
}

/// The operator function called `name` in Python's `operator` module.
pub fn operator_function(name: &str) -> Option<Intrinsic> {
    const BINARY: [BinaryOp; 13] = [
        BinaryOp::Add,
        BinaryOp::Sub,
        BinaryOp::Mul,
        BinaryOp::TrueDiv,
        BinaryOp::FloorDiv,
        BinaryOp::Mod,
        BinaryOp::Pow,
        BinaryOp::LShift,
        BinaryOp::RShift,
        BinaryOp::And,
        BinaryOp::Or,
        BinaryOp::Xor,
        BinaryOp::MatMul,
    ];
    const COMPARE: [CompareOp; 8] = [
        CompareOp::Eq,
        CompareOp::Ne,
        CompareOp::Lt,
        CompareOp::Le,
        CompareOp::Gt,
        CompareOp::Ge,
        CompareOp::Is,
        CompareOp::IsNot,
    ];
    const UNARY: [UnaryOp; 4] = [UnaryOp::Neg, UnaryOp::Pos, UnaryOp::Invert, UnaryOp::Not];
    let in_place = name.strip_prefix('i').filter(|n| {
        BINARY
            .iter()
            .any(|&op| binary_names(op).0.trim_end_matches('_') == *n)
    });
    let name = in_place.unwrap_or(name);
    let binary = BINARY.iter().find(|&&op| {
        binary_names(op).0 == name
            || in_place.is_some() && binary_names(op).0.trim_end_matches('_') == name
    });
    if let Some(&op) = binary {
        return Some(Intrinsic::Binary(op));
    }
    if let Some(&op) = COMPARE.iter().find(|&&op| compare_names(op).0 == name) {
        return Some(Intrinsic::Compare(op));
    }
    if let Some(&op) = UNARY.iter().find(|&&op| unary_names(op).0 == name) {
        return Some(Intrinsic::Unary(op));
    }
    match name {
        "getitem" => Some(Intrinsic::GetItem),
        "setitem" => Some(Intrinsic::SetItem),
        "truth" => Some(Intrinsic::Truth),
        "abs" => Some(Intrinsic::Abs),
        _ => None,
    }
}
