//! Which arrays may share memory.

use ferdelance_abi::rtfn::RtFn;

use crate::tir::{Function, Inst, Op, Part, Type, Value};

/// Where an array's memory comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Root {
    /// Made by the instruction that defines this value: nothing that was there before shares it.
    Fresh(Value),
    /// A parameter of the function.
    Param(Value),
    /// An object of the constant pool, which is no array's memory.
    Constant,
    /// Anything: an argument of a block, the result of a call, what was read from memory.
    Unknown(Value),
}

/// The roots of a function's arrays and addresses.
pub struct Roots {
    root: Vec<Root>,
    /// The order of definitions: a value that is defined earlier in dominance has a smaller one.
    order: Vec<u32>,
}

impl Roots {
    pub fn new(f: &Function) -> Roots {
        let n = f.values.len();
        let mut roots = Roots {
            root: (0..n as u32).map(|v| Root::Unknown(Value(v))).collect(),
            order: vec![u32::MAX; n],
        };
        for &param in &f.blocks[0].params {
            roots.root[param.index()] = Root::Param(param);
        }
        let mut at = 0;
        // In this order, definitions come before uses; what dominates comes first.
        for block in f.reverse_postorder() {
            let block = f.block(block);
            at += 1;
            for &param in &block.params {
                roots.order[param.index()] = at;
            }
            for inst in &block.insts {
                at += 1;
                roots.define(f, inst);
                for result in &inst.results {
                    roots.order[result.index()] = at;
                }
            }
        }
        roots
    }

    fn define(&mut self, f: &Function, inst: &Inst) {
        let same_as = match inst.op {
            Op::View { base, .. }
            | Op::ArrayPart(base, Part::Data | Part::Owner)
            | Op::Offset { base, .. }
            | Op::Element { base, .. } => Some(base),
            Op::MakeArray { data, .. } => Some(data),
            Op::Subview(ref view) => Some(view.base),
            _ => None,
        };
        if let (Some(base), Some(result)) = (same_as, inst.results.first()) {
            self.root[result.index()] = self.root[base.index()];
            return;
        }
        if let (Op::Pool(_), Some(result)) = (&inst.op, inst.results.first()) {
            self.root[result.index()] = Root::Constant;
            return;
        }
        let fresh = matches!(
            inst.op,
            Op::Nest(_)
                | Op::StackSlot { .. }
                | Op::Rt {
                    func: RtFn::buffer_alloc | RtFn::buffer_zeroed,
                    ..
                }
        );
        for &result in &inst.results {
            if fresh && (f.ty(result) == Type::Ptr || matches!(f.ty(result), Type::Array(_))) {
                self.root[result.index()] = Root::Fresh(result);
            }
        }
    }

    pub fn of(&self, v: Value) -> Root {
        self.root[v.index()]
    }

    /// Whether two arrays certainly share no memory.
    pub fn disjoint(&self, a: Value, b: Value) -> bool {
        match (self.of(a), self.of(b)) {
            (Root::Constant, _) | (_, Root::Constant) => true,
            (x, y) if x == y => false,
            (Root::Fresh(_), Root::Fresh(_) | Root::Param(_))
            | (Root::Param(_), Root::Fresh(_)) => true,
            // What was there before a fresh array is no part of it.
            (Root::Fresh(new), Root::Unknown(old)) | (Root::Unknown(old), Root::Fresh(new)) => {
                self.order[old.index()] < self.order[new.index()]
            }
            _ => false,
        }
    }
}
