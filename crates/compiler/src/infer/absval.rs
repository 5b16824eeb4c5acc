//! The lattice of inference: a type and, where it is known, the constant value.

use crate::host::Const;
use crate::types::{Ty, join};

/// What is known of a value. Bottom (no type): nothing flows here yet.
#[derive(Clone, Debug, Default)]
pub struct AbsVal {
    pub ty: Option<Ty>,
    pub constant: Option<Const>,
}

impl AbsVal {
    pub const BOTTOM: AbsVal = AbsVal {
        ty: None,
        constant: None,
    };

    pub fn of(ty: Ty) -> AbsVal {
        AbsVal {
            ty: Some(ty),
            constant: None,
        }
    }

    pub fn constant(ty: Ty, constant: Const) -> AbsVal {
        AbsVal {
            ty: Some(ty),
            constant: Some(constant),
        }
    }

    /// A Python literal's value.
    pub fn literal(constant: Const) -> AbsVal {
        let ty = match &constant {
            Const::None => Ty::none(),
            Const::Bool(_) => Ty::bool(),
            Const::Int(i) if i64::try_from(*i).is_ok() => Ty::py_int(),
            Const::Int(_) => Ty::int(64, false).weak(),
            Const::Float(_) => Ty::py_float(),
            Const::Complex(..) => Ty::py_complex(),
            Const::Str(_) => Ty::str(),
            Const::Bytes(_) => Ty::bytes(),
            Const::Tuple(items) => {
                let types: Option<Vec<Ty>> = items
                    .iter()
                    .map(|c| AbsVal::literal(c.clone()).ty)
                    .collect();
                return AbsVal {
                    ty: types.map(|t| Ty::tuple(&t)),
                    constant: Some(constant),
                };
            }
            Const::Array(_) | Const::Object(_) => {
                return AbsVal {
                    ty: None,
                    constant: Some(constant),
                };
            }
        };
        AbsVal {
            ty: Some(ty),
            constant: Some(constant),
        }
    }

    pub fn bool(value: bool) -> AbsVal {
        AbsVal::constant(Ty::bool(), Const::Bool(value))
    }

    pub fn is_bottom(&self) -> bool {
        self.ty.is_none()
    }

    /// The constant as an integer.
    pub fn as_int(&self) -> Option<i64> {
        match self.constant {
            Some(Const::Int(i)) => i64::try_from(i).ok(),
            Some(Const::Bool(b)) => Some(i64::from(b)),
            _ => None,
        }
    }

    /// The constant as a condition.
    pub fn as_bool(&self) -> Option<bool> {
        Some(match self.constant.as_ref()? {
            Const::None => false,
            Const::Bool(b) => *b,
            Const::Int(i) => *i != 0,
            Const::Float(x) => *x != 0.0,
            Const::Complex(a, b) => *a != 0.0 || *b != 0.0,
            Const::Str(s) => !s.is_empty(),
            Const::Bytes(b) => !b.is_empty(),
            Const::Tuple(items) => !items.is_empty(),
            Const::Array(_) | Const::Object(_) => return None,
        })
    }

    pub fn same(&self, other: &AbsVal) -> bool {
        self.ty == other.ty
            && match (&self.constant, &other.constant) {
                (None, None) => true,
                (Some(a), Some(b)) => a.same(b),
                _ => false,
            }
    }

    /// The join; `Err` with both types when they have nothing in common.
    pub fn join(&self, other: &AbsVal) -> Result<AbsVal, (Ty, Ty)> {
        let (Some(a), Some(b)) = (self.ty, other.ty) else {
            return Ok(if self.ty.is_none() {
                other.clone()
            } else {
                self.clone()
            });
        };
        let ty = join::join(a, b).ok_or((a, b))?;
        let constant = match (&self.constant, &other.constant) {
            (Some(x), Some(y)) if x.same(y) && a.strong() == b.strong() => Some(x.clone()),
            _ => None,
        };
        Ok(AbsVal {
            ty: Some(ty),
            constant,
        })
    }
}
