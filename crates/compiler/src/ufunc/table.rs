//! The rows.

use ferdelance_abi::rtfn::RtFn as F;

use super::{Row, Scalar};
use crate::hir::{BinaryOp, CompareOp, UnaryOp};
use crate::infer::intrinsic::{Class, RealFn};
use crate::tir::Un;
use RealFn::Rt;

// Groups of loops; the number says how many operands there are, `TO_BOOL` that they are asked.
const BOOL1: &str = "?->?";
const INT1: &str = "b->b B->B h->h H->H i->i I->I l->l L->L";
const FLOAT1: &str = "e->e f->f d->d";
const COMPLEX1: &str = "F->F D->D";
const TO_BOOL1: &str = "?->? b->? B->? h->? H->? i->? I->? l->? L->? e->? f->? d->? F->? D->?";
const BOOL2: &str = "??->?";
const INT2: &str = "bb->b BB->B hh->h HH->H ii->i II->I ll->l LL->L";
const FLOAT2: &str = "ee->e ff->f dd->d";
const COMPLEX2: &str = "FF->F DD->D";
/// Comparisons of signed with unsigned integers are exact.
const TO_BOOL2: &str = "??->? bb->? BB->? hh->? HH->? ii->? II->? ll->? LL->? lL->? Ll->? ee->? ff->? dd->? FF->? DD->?";
const LOGICAL2: &str =
    "??->? bb->? BB->? hh->? HH->? ii->? II->? ll->? LL->? ee->? ff->? dd->? FF->? DD->?";

/// Operations that NumPy refuses for bools, which could be cast to integers.
const NO_BOOL1: &str = "?->";
const NO_BOOL2: &str = "??->";

/// Functions of real numbers, and of real and complex numbers.
const REAL1: &[&str] = &[FLOAT1];
const INEXACT1: &[&str] = &[FLOAT1, COMPLEX1];
const REAL2: &[&str] = &[FLOAT2];
const ROUNDING: &[&str] = &[BOOL1, INT1, FLOAT1];
const NUMBER1: &[&str] = &[INT1, FLOAT1, COMPLEX1];
const NUMBER2: &[&str] = &[INT2, FLOAT2, COMPLEX2];
const DIVISION2: &[&str] = &[INT2, FLOAT2];
/// Dates and durations.
const TIMES2: &str = "MM->M mm->m";
const TIMES_TO_BOOL2: &str = "MM->? mm->?";
const TIMES_TO_BOOL1: &str = "M->? m->?";
const DURATION1: &str = "m->m";
const EXTREME2: &[&str] = &[BOOL2, INT2, FLOAT2, COMPLEX2, TIMES2];
const BITS2: &[&str] = &[BOOL2, INT2];
/// Integers of any size make a double.
const QUOTIENT: &[&str] = &[
    "bb->d BB->d hh->d HH->d ii->d II->d ll->d LL->d",
    FLOAT2,
    COMPLEX2,
    "ml->m md->m mm->d",
];

macro_rules! rows {
    ($($($name:literal)+, $loops:expr, $scalar:expr;)*) => {
        &[$(Row { names: &[$($name),+], loops: $loops, scalar: $scalar }),*]
    };
}

/// A real function by its implementations for doubles and singles.
const fn real(double: F, single: F) -> Scalar {
    Scalar::Function(Rt(double, Some(single)), None)
}

/// A function of real and complex numbers.
const fn inexact(double: F, single: F, complex: F) -> Scalar {
    Scalar::Function(Rt(double, Some(single)), Some(complex))
}

const fn extremum(max: bool, keeps_nan: bool) -> Scalar {
    Scalar::Extremum { max, keeps_nan }
}

const RADIANS: Scalar = Scalar::Scale(std::f64::consts::PI / 180.0);
const DEGREES: Scalar = Scalar::Scale(180.0 / std::f64::consts::PI);

/// All rows. The first name of a row is the one that NumPy shows.
pub static TABLE: &[Row] = {
    use Scalar as S;
    rows! {
        // ---- arithmetic ----
        "add", &[BOOL2, INT2, FLOAT2, COMPLEX2, "Mm->M mm->m mM->M"], S::Binary(BinaryOp::Add);
        "subtract", &[NO_BOOL2, INT2, FLOAT2, COMPLEX2, "Mm->M mm->m MM->m"], S::Binary(BinaryOp::Sub);
        "multiply", &[BOOL2, INT2, FLOAT2, COMPLEX2, "ml->m lm->m md->m dm->m"], S::Binary(BinaryOp::Mul);
        "divide" "true_divide", QUOTIENT, S::Binary(BinaryOp::TrueDiv);
        "floor_divide", &[INT2, FLOAT2, "ml->m md->m mm->l"], S::Binary(BinaryOp::FloorDiv);
        "remainder" "mod", &[INT2, FLOAT2, "mm->m"], S::Binary(BinaryOp::Mod);
        "power" "pow", NUMBER2, S::Binary(BinaryOp::Pow);
        "float_power", &["dd->d DD->D"], S::Binary(BinaryOp::Pow);
        "fmod", DIVISION2, S::Fmod;
        "divmod", &["bb->bb BB->BB hh->hh HH->HH ii->ii II->II ll->ll LL->LL ee->ee ff->ff dd->dd mm->lm"], S::DivMod;
        "negative", &[NO_BOOL1, INT1, FLOAT1, COMPLEX1, DURATION1], S::Unary(UnaryOp::Neg);
        "positive", &[NO_BOOL1, INT1, FLOAT1, COMPLEX1, DURATION1], S::Unary(UnaryOp::Pos);
        "absolute" "abs", &[BOOL1, INT1, FLOAT1, "F->f D->d", DURATION1], S::Absolute;
        "fabs", REAL1, S::Function(RealFn::Un(Un::FAbs), None);
        "sign", &[NO_BOOL1, INT1, FLOAT1, COMPLEX1, DURATION1], S::Sign;
        "square", NUMBER1, S::Square;
        "reciprocal", NUMBER1, S::Reciprocal;
        "conjugate" "conj", NUMBER1, S::Conjugate;
        "sqrt", INEXACT1, S::Function(RealFn::Un(Un::Sqrt), Some(F::csqrt));
        "cbrt", REAL1, real(F::cbrt, F::cbrtf);
        "gcd", &[NO_BOOL2, INT2], S::Gcd;
        "lcm", &[NO_BOOL2, INT2], S::Lcm;
        "heaviside", REAL2, S::Heaviside;
        // ---- comparisons and logic ----
        "equal", &[TO_BOOL2, TIMES_TO_BOOL2], S::Compare(CompareOp::Eq);
        "not_equal", &[TO_BOOL2, TIMES_TO_BOOL2], S::Compare(CompareOp::Ne);
        "less", &[TO_BOOL2, TIMES_TO_BOOL2], S::Compare(CompareOp::Lt);
        "less_equal", &[TO_BOOL2, TIMES_TO_BOOL2], S::Compare(CompareOp::Le);
        "greater", &[TO_BOOL2, TIMES_TO_BOOL2], S::Compare(CompareOp::Gt);
        "greater_equal", &[TO_BOOL2, TIMES_TO_BOOL2], S::Compare(CompareOp::Ge);
        "logical_and", &[LOGICAL2], S::Logical(BinaryOp::And);
        "logical_or", &[LOGICAL2], S::Logical(BinaryOp::Or);
        "logical_xor", &[LOGICAL2], S::Logical(BinaryOp::Xor);
        "logical_not", &[TO_BOOL1], S::LogicalNot;
        "maximum", EXTREME2, extremum(true, true);
        "minimum", EXTREME2, extremum(false, true);
        "fmax", EXTREME2, extremum(true, false);
        "fmin", EXTREME2, extremum(false, false);
        // ---- bits ----
        "bitwise_and", BITS2, S::Binary(BinaryOp::And);
        "bitwise_or", BITS2, S::Binary(BinaryOp::Or);
        "bitwise_xor", BITS2, S::Binary(BinaryOp::Xor);
        "invert" "bitwise_not" "bitwise_invert", &[BOOL1, INT1], S::Unary(UnaryOp::Invert);
        "left_shift" "bitwise_left_shift", &[INT2], S::Binary(BinaryOp::LShift);
        "right_shift" "bitwise_right_shift", &[INT2], S::Binary(BinaryOp::RShift);
        "bitwise_count", &["b->B B->B h->B H->B i->B I->B l->B L->B"], S::BitCount;
        // ---- exponentials and logarithms ----
        "exp", INEXACT1, inexact(F::exp, F::expf, F::cexp);
        "exp2", INEXACT1, inexact(F::exp2, F::exp2f, F::cexp2);
        "expm1", INEXACT1, inexact(F::expm1, F::expm1f, F::cexpm1);
        "log", INEXACT1, inexact(F::log, F::logf, F::clog);
        "log2", INEXACT1, inexact(F::log2, F::log2f, F::clog2);
        "log10", INEXACT1, inexact(F::log10, F::log10f, F::clog10);
        "log1p", INEXACT1, inexact(F::log1p, F::log1pf, F::clog1p);
        "logaddexp", REAL2, S::LogAddExp { binary: false };
        "logaddexp2", REAL2, S::LogAddExp { binary: true };
        "i0", &["l->d L->d f->f d->d"], S::Function(Rt(F::i0, None), None);
        // ---- trigonometry ----
        "sin", INEXACT1, inexact(F::sin, F::sinf, F::csin);
        "cos", INEXACT1, inexact(F::cos, F::cosf, F::ccos);
        "tan", INEXACT1, inexact(F::tan, F::tanf, F::ctan);
        "arcsin" "asin", INEXACT1, inexact(F::asin, F::asinf, F::casin);
        "arccos" "acos", INEXACT1, inexact(F::acos, F::acosf, F::cacos);
        "arctan" "atan", INEXACT1, inexact(F::atan, F::atanf, F::catan);
        "sinh", INEXACT1, inexact(F::sinh, F::sinhf, F::csinh);
        "cosh", INEXACT1, inexact(F::cosh, F::coshf, F::ccosh);
        "tanh", INEXACT1, inexact(F::tanh, F::tanhf, F::ctanh);
        "arcsinh" "asinh", INEXACT1, inexact(F::asinh, F::asinhf, F::casinh);
        "arccosh" "acosh", INEXACT1, inexact(F::acosh, F::acoshf, F::cacosh);
        "arctanh" "atanh", INEXACT1, inexact(F::atanh, F::atanhf, F::catanh);
        "arctan2" "atan2", REAL2, real(F::atan2, F::atan2f);
        "hypot", REAL2, real(F::hypot, F::hypotf);
        "deg2rad", REAL1, RADIANS;
        "radians", REAL1, RADIANS;
        "rad2deg", REAL1, DEGREES;
        "degrees", REAL1, DEGREES;
        // ---- rounding ----
        "floor", ROUNDING, S::Rounding(Un::Floor);
        "ceil", ROUNDING, S::Rounding(Un::Ceil);
        "trunc" "fix", ROUNDING, S::Rounding(Un::Trunc);
        "rint", INEXACT1, S::Rounding(Un::RoundEven);
        // ---- floating point ----
        "isfinite", &[TO_BOOL1, TIMES_TO_BOOL1], S::Classify(Class::Finite);
        "isinf", &[TO_BOOL1, TIMES_TO_BOOL1], S::Classify(Class::Inf);
        "isnan", &[TO_BOOL1, TIMES_TO_BOOL1], S::Classify(Class::Nan);
        "isnat", &[TIMES_TO_BOOL1], S::IsNat;
        "signbit", &["e->? f->? d->?"], S::SignBit;
        "copysign", REAL2, S::Function(RealFn::CopySign, None);
        "nextafter", &["ee->e ff->f dd->d"], S::NextAfter;
        "spacing", &["e->e f->f d->d"], S::Spacing;
        "modf", &["e->ee f->ff d->dd"], S::Modf;
        "frexp", &["e->ei f->fi d->di"], S::Frexp;
        "ldexp", &["ei->e fi->f el->e fl->f di->d dl->d"], S::Ldexp;
        // ---- functions that NumPy has no ufunc for, or none of that name ----
        "where" "_where", &["???->? ?bb->b ?BB->B ?hh->h ?HH->H ?ii->i ?II->I ?ll->l ?LL->L ?ee->e ?ff->f ?dd->d ?FF->F ?DD->D ?MM->M ?mm->m"], S::Select;
        "_copy", &[BOOL1, INT1, "e->e f->f d->d", COMPLEX1, "M->M", DURATION1], S::Identity;
        "_clip", &["???->? bbb->b BBB->B hhh->h HHH->H iii->i III->I lll->l LLL->L eee->e fff->f ddd->d FFF->F DDD->D MMM->M mmm->m"], S::Clip;
        "_round", &["bl->b Bl->B hl->h Hl->H il->i Il->I ll->l Ll->L el->e fl->f dl->d Fl->F Dl->D"], S::Round;
    }
};

/// The row of an operator on arrays; `None` for `@`.
pub fn of_binary(op: BinaryOp) -> Option<&'static Row> {
    row(match op {
        BinaryOp::Add => "add",
        BinaryOp::Sub => "subtract",
        BinaryOp::Mul => "multiply",
        BinaryOp::TrueDiv => "divide",
        BinaryOp::FloorDiv => "floor_divide",
        BinaryOp::Mod => "remainder",
        BinaryOp::Pow => "power",
        BinaryOp::LShift => "left_shift",
        BinaryOp::RShift => "right_shift",
        BinaryOp::And => "bitwise_and",
        BinaryOp::Or => "bitwise_or",
        BinaryOp::Xor => "bitwise_xor",
        BinaryOp::MatMul => return None,
    })
}

/// The row of a comparison of arrays; `None` for identity and membership.
pub fn of_compare(op: CompareOp) -> Option<&'static Row> {
    row(match op {
        CompareOp::Eq => "equal",
        CompareOp::Ne => "not_equal",
        CompareOp::Lt => "less",
        CompareOp::Le => "less_equal",
        CompareOp::Gt => "greater",
        CompareOp::Ge => "greater_equal",
        CompareOp::Is | CompareOp::IsNot | CompareOp::In | CompareOp::NotIn => return None,
    })
}

/// The row of an operator on one array; `None` for `not`.
pub fn of_unary(op: UnaryOp) -> Option<&'static Row> {
    row(match op {
        UnaryOp::Neg => "negative",
        UnaryOp::Pos => "positive",
        UnaryOp::Invert => "invert",
        UnaryOp::Not => return None,
    })
}

fn row(name: &str) -> Option<&'static Row> {
    super::by_name(name)
}
