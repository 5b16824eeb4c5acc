//! Which locals have a value at run time.
//!
//! While the graph is built, what reads a local that may have no value asks for it: `CheckBound(x)` is `x`
//! if there is one, so that what follows need not ask again. When all of the graph is known, a question is
//! answered by a truth value: `true` for what was assigned, `false` for [`Op::Unbound`], and where paths
//! meet, a parameter beside the local's. Only locals that are asked for get such parameters.

use rustc_hash::FxHashMap;

use super::ssa::{Bound, ENTRY, Graph, Phi};
use crate::hir::{BlockId, Inst, Literal, Op, Value};

impl Graph {
    /// What was checked is the local's value again: a check makes no new one for paths to bring together.
    pub(super) fn merge_checked(&mut self, order: &[BlockId]) {
        if !self.asks_bound {
            return;
        }
        for &block in order {
            for i in 0..self.nodes[block.index()].insts.len() {
                if let Op::CheckBound(value, _) | Op::CheckFree(value, _) =
                    self.nodes[block.index()].insts[i].op
                {
                    let result = self.value(None);
                    let checked =
                        std::mem::replace(&mut self.nodes[block.index()].insts[i].result, result);
                    self.values[checked.index()].same_as = value;
                }
            }
        }
    }

    /// Answers the questions. All operands and arguments are resolved.
    pub(super) fn answer_bound(&mut self, order: &[BlockId]) {
        if !self.asks_bound {
            return;
        }
        let mut asked = Vec::new();
        for &block in order {
            let node = &self.nodes[block.index()];
            for (i, phi) in node.phis.iter().enumerate() {
                self.values[phi.value.index()].bound = Bound::Phi(block, i as u32);
            }
            let insts = node.insts.iter();
            asked.extend(insts.filter_map(|inst| match inst.op {
                Op::CheckBound(value, _) | Op::CheckFree(value, _) | Op::IsBound(value) => {
                    Some(value)
                }
                _ => None,
            }));
        }
        let mut phis = self.phis_behind(asked);
        self.settle(&mut phis);
        let answers = self.answers(&phis);
        for &block in order {
            for i in 0..self.nodes[block.index()].insts.len() {
                let op = &self.nodes[block.index()].insts[i].op;
                let new = match *op {
                    Op::CheckBound(value, ref name) => {
                        // Never: the message is for the user, at compile time.
                        let is_never = self.values[value.index()].bound == Bound::Never;
                        let answer = if is_never {
                            value
                        } else {
                            answers.of(self, value)
                        };
                        Op::CheckBound(answer, name.clone())
                    }
                    Op::CheckFree(value, ref name) => {
                        Op::CheckFree(answers.of(self, value), name.clone())
                    }
                    Op::IsBound(value) => Op::Truth(answers.of(self, value)),
                    _ => continue,
                };
                self.nodes[block.index()].insts[i].op = new;
            }
        }
    }

    /// The parameters that values come from.
    fn phis_behind(&self, mut work: Vec<Value>) -> Vec<(Value, BlockId, u32)> {
        let mut seen = vec![false; self.values.len()];
        let mut phis = Vec::new();
        while let Some(value) = work.pop() {
            if let Bound::Phi(block, i) = self.values[value.index()].bound
                && !std::mem::replace(&mut seen[value.index()], true)
            {
                phis.push((value, block, i));
                work.extend_from_slice(&self.nodes[block.index()].phis[i as usize].args);
            }
        }
        phis
    }

    /// Sorts out the parameters that always stand for something.
    fn settle(&mut self, phis: &mut Vec<(Value, BlockId, u32)>) {
        let mut unsure = vec![false; self.values.len()];
        loop {
            let mut changed = false;
            for &(value, block, i) in phis.iter() {
                let is_unsure = |arg: &Value| match self.values[arg.index()].bound {
                    Bound::Always => false,
                    Bound::Never | Bound::If(_) => true,
                    Bound::Phi(..) => unsure[arg.index()],
                };
                let args = &self.nodes[block.index()].phis[i as usize].args;
                if !unsure[value.index()] && args.iter().any(is_unsure) {
                    unsure[value.index()] = true;
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
        phis.retain(|(value, ..)| {
            if !unsure[value.index()] {
                self.values[value.index()].bound = Bound::Always;
            }
            unsure[value.index()]
        });
    }

    /// Makes the truth values, and parameters for them.
    fn answers(&mut self, phis: &[(Value, BlockId, u32)]) -> Answers {
        let [yes, no] = [true, false].map(|known| {
            let (result, op) = (self.value(None), Op::Literal(Literal::Bool(known)));
            let span = self.span;
            self.nodes[ENTRY.index()]
                .insts
                .insert(0, Inst { result, op, span });
            result
        });
        let mut answers = Answers {
            yes,
            no,
            phis: FxHashMap::default(),
        };
        for &(value, ..) in phis {
            let answer = self.value(None);
            answers.phis.insert(value, answer);
        }
        for &(value, block, i) in phis {
            let args = &self.nodes[block.index()].phis[i as usize].args;
            let args = args.iter().map(|arg| answers.of(self, *arg)).collect();
            let (value, var) = (answers.phis[&value], self.temp());
            self.nodes[block.index()]
                .phis
                .push(Phi { value, var, args });
        }
        answers
    }
}

struct Answers {
    yes: Value,
    no: Value,
    phis: FxHashMap<Value, Value>,
}

impl Answers {
    fn of(&self, graph: &Graph, value: Value) -> Value {
        match graph.values[value.index()].bound {
            Bound::Always => self.yes,
            Bound::Never => self.no,
            Bound::If(known) => known,
            Bound::Phi(..) => self.phis[&value],
        }
    }
}
