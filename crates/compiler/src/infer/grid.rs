//! Typing of `np.mgrid[...]` and the other objects of NumPy that one indexes to make something.

use super::call::Bound;
use super::op::ty_of;
use super::sites::arg_ref;
use super::solve::Frame;
use super::{AbsVal, Session};
use crate::diag::Result;
use crate::hir::{Inst, Op};
use crate::types::Kind;

/// Them, and the functions of the prelude that do it.
const OBJECTS: &[(&str, &str)] = &[
    ("numpy.mgrid", "numpy_mgrid"),
    ("numpy.ogrid", "numpy_ogrid"),
    ("numpy.r_", "numpy_r_"),
    ("numpy.c_", "numpy_c_"),
    ("numpy.s_", "numpy_s_"),
    ("numpy.index_exp", "numpy_index_exp"),
];

impl Session<'_> {
    /// `np.mgrid[index]`, a call of the prelude; `None` for other instructions.
    pub(super) fn grid_inst(&mut self, frame: &mut Frame, inst: &Inst) -> Result<Option<AbsVal>> {
        let Op::GetItem(object, index) = inst.op else {
            return Ok(None);
        };
        let Kind::Builtin(name) = ty_of(frame.val(object)).kind() else {
            return Ok(None);
        };
        let Some(&(_, function)) = OBJECTS.iter().find(|(object, _)| *object == &**name) else {
            return Ok(None);
        };
        let index = arg_ref(frame, index);
        let types = vec![index.ty()];
        let (value, resolution) =
            self.call_bound(frame, function, vec![Bound::Arg(index)], types)?;
        frame.typing.calls.insert(inst.result, resolution);
        Ok(Some(value))
    }
}
