//! Calls of the runtime's functions on rows of arrays.

use ferdelance_abi::layout::Order;
use ferdelance_abi::rtfn::RtFn;

use super::{Body, Typed, Vals};
use crate::diag::Result;
use crate::tir::Part;
use crate::types::{Kind, Ty};

/// How elements are compared.
fn order(dtype: Ty) -> Order {
    match dtype.kind() {
        Kind::Int { signed: true, .. } => Order::Signed,
        Kind::Float { .. } => Order::Float,
        Kind::Complex { .. } => Order::Complex,
        Kind::Time { .. } => Order::Time,
        Kind::Chars { unicode: true, .. } => Order::Text,
        Kind::Chars { .. } => Order::Bytes,
        _ => Order::Unsigned,
    }
}

impl Body<'_, '_, '_> {
    pub(super) fn call_on_rows(&mut self, func: RtFn, args: &[Typed]) -> Result<Vals> {
        let mut words = Vals::new();
        for arg in args {
            let arg = self.unwrap(arg)?;
            let Kind::Array(a) = *arg.ty.kind() else {
                words.push(self.index_value(&arg)?);
                continue;
            };
            if words.is_empty() {
                let code = order(a.dtype) as i64 | i64::from(a.dtype.itemsize()) << 8;
                words.push(self.b.i64(code));
            }
            words.push(self.b.part(arg.vals[0], Part::Data));
            words.push(self.b.part(arg.vals[0], Part::Shape(0)));
            words.push(self.stride(arg.vals[0], a, 0));
        }
        self.b.rt(func, &words);
        Ok(Vals::new())
    }
}
