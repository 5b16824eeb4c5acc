//! The graph under construction, in SSA form from the first instruction on.
//!
//! After Braun et al., *Simple and Efficient Construction of Static Single Assignment Form* (2013):
//! a variable's value is looked up backwards from its use; where paths meet, a block parameter is
//! made. A block is *sealed* when all its predecessors are known; parameters of unsealed blocks get
//! their arguments when it is sealed. Superfluous parameters are removed in `finish`, in one go.
//!
//! Nothing here knows Python's syntax.

use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::scopes::Var;
use crate::hir::{BlockId, Inst, Name, Op, Target, Terminator, Value};
use crate::source::Span;

/// Which way an edge leaves its block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// A jump, or a branch whose condition holds.
    Then,
    Other,
    /// An exception.
    Handler,
}

/// A block parameter that stands for a variable, with an argument for each predecessor.
pub(super) struct Phi {
    pub(super) value: Value,
    pub(super) var: Var,
    pub(super) args: Vec<Value>,
}

#[derive(Default)]
pub(super) struct Node {
    /// Parameters that do not stand for variables: the function's own, a handler's exception.
    pub(super) fixed: Vec<Value>,
    pub(super) phis: Vec<Phi>,
    pub(super) insts: Vec<Inst>,
    /// Targets have no arguments yet.
    pub(super) term: Terminator,
    pub(super) term_span: Span,
    pub(super) handler: Option<BlockId>,
    pub(super) preds: Vec<(BlockId, Way)>,
    sealed: bool,
    /// Has an instruction that may raise.
    pub(super) raises: bool,
}

/// Whether a value stands for something, or for a variable that has none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Bound {
    Always,
    Never,
    /// Where this truth value holds: a captured variable.
    If(Value),
    /// The parameter of this number; its arguments say.
    Phi(BlockId, u32),
}

pub(super) struct GraphValue {
    pub(super) name: Option<Name>,
    pub(super) bound: Bound,
    /// The value that stands for this one: itself, unless it is a superfluous parameter.
    pub(super) same_as: Value,
}

pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    pub(super) values: Vec<GraphValue>,
    /// Instructions that go before all others of the entry block.
    pub(super) prologue: Vec<Inst>,
    /// What a variable's value is at the end of a block (or so far).
    defs: FxHashMap<(BlockId, Var), Value>,
    /// Parameters without arguments, of sealed blocks: block, index.
    pending: Vec<(BlockId, u32)>,
    names: Rc<[Name]>,
    vars: u32,
    /// Whether there is anything for [`bound`](super::bound) to do.
    pub(super) asks_bound: bool,
    /// For what the graph makes itself: the function's head.
    pub(super) span: Span,
}

pub(super) const ENTRY: BlockId = BlockId(0);

impl Graph {
    /// A graph with an entry block. `names` are the names of the variables; more can be made.
    pub(super) fn new(names: Rc<[Name]>, span: Span) -> Graph {
        let vars = names.len() as u32;
        let mut graph = Graph {
            nodes: Vec::new(),
            values: Vec::new(),
            prologue: Vec::new(),
            defs: FxHashMap::default(),
            pending: Vec::new(),
            names,
            vars,
            asks_bound: false,
            span,
        };
        let entry = graph.block();
        graph.seal(entry);
        graph
    }

    /// A variable without a name: something that paths must bring together.
    pub(super) fn temp(&mut self) -> Var {
        self.vars += 1;
        Var(self.vars - 1)
    }

    pub(super) fn block(&mut self) -> BlockId {
        self.nodes.push(Node::default());
        BlockId(self.nodes.len() as u32 - 1)
    }

    pub(super) fn value(&mut self, name: Option<Name>) -> Value {
        let value = Value(self.values.len() as u32);
        self.values.push(GraphValue {
            name,
            bound: Bound::Always,
            same_as: value,
        });
        value
    }

    /// A parameter that stands for no variable.
    pub(super) fn param(&mut self, block: BlockId, name: Option<Name>) -> Value {
        let value = self.value(name);
        self.nodes[block.index()].fixed.push(value);
        value
    }

    /// Whether control never reaches a block, as far as is known.
    pub(super) fn is_dead(&self, block: BlockId) -> bool {
        block != ENTRY && self.nodes[block.index()].preds.is_empty()
    }

    pub(super) fn raises(&self, block: BlockId) -> bool {
        self.nodes[block.index()].raises
    }

    pub(super) fn inst(&mut self, block: BlockId, op: Op, span: Span) -> Value {
        let result = self.value(None);
        match op {
            Op::Unbound(_) => self.values[result.index()].bound = Bound::Never,
            Op::CheckBound(..) | Op::CheckFree(..) | Op::IsBound(_) => self.asks_bound = true,
            _ => {}
        }
        let node = &mut self.nodes[block.index()];
        node.raises |= op.may_raise();
        node.insts.push(Inst { result, op, span });
        result
    }

    /// An instruction at the start of the function.
    pub(super) fn first(&mut self, op: Op, span: Span) -> Value {
        let result = self.value(None);
        self.prologue.push(Inst { result, op, span });
        result
    }

    fn edge(&mut self, from: BlockId, to: BlockId, way: Way) {
        // An edge out of a dead block would make dead code look alive.
        if !self.is_dead(from) {
            debug_assert!(
                !self.nodes[to.index()].sealed,
                "an edge to the sealed block {to}"
            );
            self.nodes[to.index()].preds.push((from, way));
        }
    }

    pub(super) fn handler(&mut self, block: BlockId, handler: BlockId) {
        self.nodes[block.index()].handler = Some(handler);
        self.edge(block, handler, Way::Handler);
    }

    pub(super) fn jump(&mut self, from: BlockId, to: BlockId, span: Span) {
        self.terminate(
            from,
            Terminator::Jump(Target {
                block: to,
                args: Vec::new(),
            }),
            span,
        );
    }

    pub(super) fn branch(
        &mut self,
        from: BlockId,
        cond: Value,
        then: BlockId,
        other: BlockId,
        span: Span,
    ) {
        let target = |block| Target {
            block,
            args: Vec::new(),
        };
        let term = Terminator::Branch {
            cond,
            then: target(then),
            other: target(other),
        };
        self.terminate(from, term, span);
    }

    pub(super) fn terminate(&mut self, block: BlockId, term: Terminator, span: Span) {
        match &term {
            Terminator::Jump(to) => self.edge(block, to.block, Way::Then),
            Terminator::Branch { then, other, .. } => {
                self.edge(block, then.block, Way::Then);
                self.edge(block, other.block, Way::Other);
            }
            _ => {}
        }
        let node = &mut self.nodes[block.index()];
        debug_assert!(
            matches!(node.term, Terminator::Missing),
            "{block} ends twice"
        );
        node.term = term;
        node.term_span = span;
    }

    /// No more predecessors will come.
    pub(super) fn seal(&mut self, block: BlockId) {
        let node = &mut self.nodes[block.index()];
        node.sealed = true;
        self.pending
            .extend((0..node.phis.len() as u32).map(|i| (block, i)));
        self.fill();
    }

    /// What was captured stands for something where `known` holds.
    pub(super) fn bound_if(&mut self, value: Value, known: Value) {
        self.values[value.index()].bound = Bound::If(known);
    }

    /// Names a value that has no name yet.
    pub(super) fn name(&mut self, value: Value, name: Name) {
        self.values[value.index()].name.get_or_insert(name);
    }

    pub(super) fn write(&mut self, block: BlockId, var: Var, value: Value) {
        let slot = &mut self.values[value.index()].name;
        if slot.is_none() {
            *slot = self.names.get(var.0 as usize).cloned();
        }
        self.defs.insert((block, var), value);
    }

    /// The value of a variable at the end of a block, as it is now.
    pub(super) fn read(&mut self, block: BlockId, var: Var) -> Value {
        let value = self.lookup(block, var);
        self.fill();
        self.resolve(value)
    }

    /// Gives the pending parameters their arguments, which may need further parameters.
    fn fill(&mut self) {
        while let Some((block, index)) = self.pending.pop() {
            let phi = &self.nodes[block.index()].phis[index as usize];
            let (value, var) = (phi.value, phi.var);
            let count = self.nodes[block.index()].preds.len();
            let mut args = Vec::with_capacity(count);
            let mut only = None;
            let mut differ = false;
            for i in 0..count {
                let pred = self.nodes[block.index()].preds[i].0;
                let found = self.lookup(pred, var);
                let arg = self.resolve(found);
                args.push(arg);
                if arg != value {
                    differ |= only.is_some_and(|o| o != arg);
                    only = Some(arg);
                }
            }
            if let (Some(only), false) = (only, differ) {
                self.values[value.index()].same_as = only;
            }
            self.nodes[block.index()].phis[index as usize].args = args;
        }
    }

    fn lookup(&mut self, start: BlockId, var: Var) -> Value {
        let mut block = start;
        // Chains of blocks with one predecessor are followed in a loop: a `try` makes long ones.
        let value = loop {
            if let Some(&value) = self.defs.get(&(block, var)) {
                break value;
            }
            let node = &self.nodes[block.index()];
            match node.preds.as_slice() {
                [(pred, _)] if node.sealed => block = *pred,
                [] if node.sealed => break self.unbound(block, var),
                _ => break self.phi(block, var),
            }
        };
        if block != start {
            self.defs.insert((start, var), value);
        }
        value
    }

    fn phi(&mut self, block: BlockId, var: Var) -> Value {
        let value = self.value(self.names.get(var.0 as usize).cloned());
        let node = &mut self.nodes[block.index()];
        self.values[value.index()].bound = Bound::Phi(block, node.phis.len() as u32);
        if node.sealed {
            self.pending.push((block, node.phis.len() as u32));
        }
        node.phis.push(Phi {
            value,
            var,
            args: Vec::new(),
        });
        self.defs.insert((block, var), value);
        value
    }

    /// The variable is read, and nothing was assigned on the way from `block`, the entry.
    fn unbound(&mut self, block: BlockId, var: Var) -> Value {
        let name = self.names.get(var.0 as usize).cloned();
        let op = Op::Unbound(name.clone().unwrap_or_else(|| "".into()));
        let value = if block == ENTRY {
            self.first(op, self.span)
        } else {
            self.inst(block, op, self.span)
        };
        self.values[value.index()].name = name;
        self.values[value.index()].bound = Bound::Never;
        self.defs.insert((block, var), value);
        value
    }

    /// Whether what was read may stand for a variable without a value.
    ///
    /// While a loop is being built, its header knows what the variable was before the loop. From inside
    /// of the loop comes that or something else that was assigned, unless the variable `is_deleted`.
    pub(super) fn may_be_unbound(&mut self, value: Value, is_deleted: bool) -> bool {
        if self.values[value.index()].bound == Bound::Always {
            return false;
        }
        let mut seen = FxHashSet::default();
        let mut work = vec![value];
        while let Some(value) = work.pop() {
            let value = self.resolve(value);
            let (block, index) = match self.values[value.index()].bound {
                Bound::Always => continue,
                Bound::Never | Bound::If(_) => return true,
                Bound::Phi(block, index) => (block, index as usize),
            };
            if !seen.insert(value) {
                continue;
            }
            let node = &self.nodes[block.index()];
            if node.sealed {
                work.extend_from_slice(&node.phis[index].args);
            } else if is_deleted {
                return true;
            } else if let Some(&(before, _)) = node.preds.first() {
                let var = node.phis[index].var;
                let value = self.lookup(before, var);
                self.fill();
                work.push(value);
            }
        }
        for value in seen {
            self.values[value.index()].bound = Bound::Always;
        }
        false
    }

    /// The value that stands for a value.
    pub(super) fn resolve(&mut self, value: Value) -> Value {
        let mut root = value;
        while self.values[root.index()].same_as != root {
            root = self.values[root.index()].same_as;
        }
        let mut at = value;
        while at != root {
            at = std::mem::replace(&mut self.values[at.index()].same_as, root);
        }
        root
    }
}
