//! What well-formed means for a HIR function: the rules of [`data`](super::data), checked.

use super::{Block, BlockId, Function, Op, Target, Terminator, Value};

/// Checks a function; `Err` says what is wrong.
pub fn verify(function: &Function) -> Result<(), String> {
    Verifier {
        function,
        definitions: vec![None; function.values.len()],
    }
    .run()
}

/// Where a value is defined: the block, and how many instructions of it come before its uses.
type Definition = (BlockId, usize);

struct Verifier<'f> {
    function: &'f Function,
    definitions: Vec<Option<Definition>>,
}

/// A use after all instructions of a block, and one before its last.
#[derive(Clone, Copy)]
enum At {
    Inst(usize),
    End,
    /// Where an exception leaves the block, without the result of the instruction that raised it.
    Raise,
}

impl Verifier<'_> {
    fn run(mut self) -> Result<(), String> {
        let function = self.function;
        let entry = function.blocks.first().ok_or("there is no entry block")?;
        // The captures of a top-level function are constants and have no parameters.
        let (few, all) = (
            function.params.len(),
            function.params.len() + function.captures.len(),
        );
        if entry.params.len() != few && entry.params.len() != all {
            let count = entry.params.len();
            return Err(format!(
                "the entry block has {count} parameters, not {few} or {all}"
            ));
        }
        self.define_values()?;
        let order = self.postorder()?;
        let idom = self.immediate_dominators(&order);
        for (id, block) in self.blocks() {
            self.check_block(id, block)?;
            self.check_uses(id, block, &idom)?;
        }
        Ok(())
    }

    fn blocks(&self) -> impl Iterator<Item = (BlockId, &Block)> {
        (0u32..).map(BlockId).zip(&self.function.blocks)
    }

    fn define_values(&mut self) -> Result<(), String> {
        let mut define =
            |value: Value, at: Definition| match self.definitions.get_mut(value.index()) {
                None => Err(format!("{value} is not among the function's values")),
                Some(Some(_)) => Err(format!("{value} is defined twice")),
                Some(slot) => {
                    *slot = Some(at);
                    Ok(())
                }
            };
        for (id, block) in (0u32..).map(BlockId).zip(&self.function.blocks) {
            for &param in &block.params {
                define(param, (id, 0))?;
            }
            for (i, inst) in block.insts.iter().enumerate() {
                define(inst.result, (id, i + 1))?;
            }
        }
        match self.definitions.iter().position(Option::is_none) {
            Some(i) => Err(format!("{} is defined nowhere", Value(i as u32))),
            None => Ok(()),
        }
    }

    fn edges(&self, id: BlockId) -> impl Iterator<Item = &Target> {
        let block = self.function.block(id);
        self.function.successors(id).chain(&block.handler)
    }

    /// Every block, in postorder of a walk from the entry.
    fn postorder(&self) -> Result<Vec<BlockId>, String> {
        let count = self.function.blocks.len();
        for (id, _) in self.blocks() {
            if let Some(target) = self.edges(id).find(|t| t.block.index() >= count) {
                return Err(format!(
                    "{id} goes to {}, which does not exist",
                    target.block
                ));
            }
        }
        let mut order = Vec::with_capacity(count);
        let mut visited = vec![false; count];
        visited[0] = true;
        let mut stack = vec![(BlockId(0), 0)];
        while let Some((id, next)) = stack.last_mut() {
            let id = *id;
            let target = self.edges(id).nth(*next).map(|t| t.block);
            *next += 1;
            match target {
                Some(to) if !visited[to.index()] => {
                    visited[to.index()] = true;
                    stack.push((to, 0));
                }
                Some(_) => {}
                None => {
                    order.push(id);
                    stack.pop();
                }
            }
        }
        match visited.iter().position(|v| !v) {
            Some(i) => Err(format!("{} cannot be reached", BlockId(i as u32))),
            None => Ok(order),
        }
    }

    /// After Cooper, Harvey and Kennedy, *A Simple, Fast Dominance Algorithm*.
    fn immediate_dominators(&self, postorder: &[BlockId]) -> Vec<BlockId> {
        const ENTRY: BlockId = BlockId(0);
        let mut number = vec![0; postorder.len()];
        let mut preds = vec![Vec::new(); postorder.len()];
        for (i, &id) in postorder.iter().enumerate() {
            number[id.index()] = i;
            for target in self.edges(id) {
                preds[target.block.index()].push(id);
            }
        }
        let mut idom: Vec<Option<BlockId>> = vec![None; postorder.len()];
        idom[0] = Some(ENTRY);
        let mut changed = true;
        while changed {
            changed = false;
            for &id in postorder.iter().rev().filter(|&&id| id != ENTRY) {
                let mut new: Option<BlockId> = None;
                for &pred in preds[id.index()]
                    .iter()
                    .filter(|p| idom[p.index()].is_some())
                {
                    let Some(mut a) = new else {
                        new = Some(pred);
                        continue;
                    };
                    let mut b = pred;
                    while a != b {
                        while number[a.index()] < number[b.index()] {
                            a = idom[a.index()].unwrap_or(ENTRY);
                        }
                        while number[b.index()] < number[a.index()] {
                            b = idom[b.index()].unwrap_or(ENTRY);
                        }
                    }
                    new = Some(a);
                }
                if idom[id.index()] != new {
                    idom[id.index()] = new;
                    changed = true;
                }
            }
        }
        idom.into_iter().map(|d| d.unwrap_or(ENTRY)).collect()
    }

    fn check_block(&self, id: BlockId, block: &Block) -> Result<(), String> {
        if matches!(block.term, Terminator::Missing) {
            return Err(format!("{id} has no terminator"));
        }
        for target in self.function.successors(id) {
            self.check_target(id, target, 0)?;
        }
        if let Terminator::Branch { cond, .. } = block.term {
            let op = self.op(cond);
            if !matches!(op, Some(Op::Truth(_) | Op::IterMore(_))) {
                return Err(format!("{id} branches on {cond}, which is no truth value"));
            }
        }
        let Some(handler) = &block.handler else {
            return Ok(());
        };
        self.check_target(id, handler, 1)?;
        let raising = block.insts.iter().position(|inst| inst.op.may_raise());
        if let Some(i) = raising.filter(|i| i + 1 < block.insts.len()) {
            return Err(format!(
                "in {id}, which has a handler, {} may raise and is not the last instruction",
                block.insts[i].result
            ));
        }
        let raises = matches!(block.term, Terminator::Raise(_) | Terminator::Reraise(_));
        if raising.is_none() && !raises {
            return Err(format!("{id} has a handler, but nothing in it raises"));
        }
        Ok(())
    }

    fn op(&self, value: Value) -> Option<&Op> {
        let &(block, position) = self.definitions.get(value.index())?.as_ref()?;
        let inst = self
            .function
            .block(block)
            .insts
            .get(position.checked_sub(1)?)?;
        Some(&inst.op)
    }

    /// `implicit`: parameters that the edge itself provides (a handler's exception).
    fn check_target(&self, from: BlockId, target: &Target, implicit: usize) -> Result<(), String> {
        let params = self.function.block(target.block).params.len();
        if target.block == BlockId(0) {
            return Err(format!("{from} goes to the entry block"));
        }
        if target.args.len() + implicit != params {
            return Err(format!(
                "{from} passes {} arguments to {}, which has {params} parameters",
                target.args.len(),
                target.block
            ));
        }
        Ok(())
    }

    fn check_uses(&self, id: BlockId, block: &Block, idom: &[BlockId]) -> Result<(), String> {
        let mut result = Ok(());
        let mut used = |value: Value, at: At| {
            if result.is_ok() && !self.is_defined(value, id, block, at, idom) {
                result = Err(format!("{value} is used in {id}, where it is not defined"));
            }
        };
        for (i, inst) in block.insts.iter().enumerate() {
            inst.op.for_each_operand(|value| used(value, At::Inst(i)));
        }
        match &block.term {
            Terminator::Branch { cond: value, .. }
            | Terminator::Return(value)
            | Terminator::Raise(value)
            | Terminator::Reraise(value) => used(*value, At::End),
            _ => {}
        }
        for target in self.function.successors(id) {
            target.args.iter().for_each(|&value| used(value, At::End));
        }
        if let Some(handler) = &block.handler {
            handler
                .args
                .iter()
                .for_each(|&value| used(value, At::Raise));
        }
        result
    }

    fn is_defined(
        &self,
        value: Value,
        id: BlockId,
        block: &Block,
        at: At,
        idom: &[BlockId],
    ) -> bool {
        let Some(&Some((definer, position))) = self.definitions.get(value.index()) else {
            return false;
        };
        if definer == id {
            let raising = block.insts.last().is_some_and(|inst| inst.op.may_raise());
            let reached = match at {
                At::Inst(i) => i,
                At::End => block.insts.len(),
                At::Raise => block.insts.len() - usize::from(raising),
            };
            return position <= reached;
        }
        let mut dominator = id;
        while dominator != BlockId(0) {
            dominator = idom[dominator.index()];
            if dominator == definer {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Inst, Literal, ValueData};
    use super::*;
    use crate::source::Span;

    fn function(blocks: Vec<Block>, values: usize) -> Function {
        Function {
            name: "f".into(),
            qualname: "f".into(),
            span: Span::default(),
            params: Vec::new(),
            captures: Vec::new(),
            blocks,
            values: vec![ValueData::default(); values],
            is_generator: false,
        }
    }

    fn literal(result: u32) -> Inst {
        inst(result, Op::Literal(Literal::None))
    }

    fn inst(result: u32, op: Op) -> Inst {
        Inst {
            result: Value(result),
            op,
            span: Span::default(),
        }
    }

    fn block(params: &[u32], insts: Vec<Inst>, term: Terminator) -> Block {
        let params = params.iter().map(|&v| Value(v)).collect();
        Block {
            params,
            insts,
            term,
            ..Block::default()
        }
    }

    fn to(block: u32, args: &[u32]) -> Target {
        Target {
            block: BlockId(block),
            args: args.iter().map(|&v| Value(v)).collect(),
        }
    }

    fn branch(cond: u32, then: Target, other: Target) -> Terminator {
        Terminator::Branch {
            cond: Value(cond),
            then,
            other,
        }
    }

    #[test]
    fn accepts_a_diamond() {
        let insts = vec![literal(0), inst(1, Op::Truth(Value(0)))];
        let blocks = vec![
            block(&[], insts, branch(1, to(1, &[]), to(2, &[0]))),
            block(&[], vec![literal(2)], Terminator::Jump(to(2, &[2]))),
            block(&[3], vec![], Terminator::Return(Value(3))),
        ];
        assert_eq!(verify(&function(blocks, 4)), Ok(()));
    }

    fn refused(blocks: Vec<Block>, values: usize) -> String {
        verify(&function(blocks, values)).expect_err("it was accepted")
    }

    #[test]
    fn refuses_what_is_malformed() {
        let truth = || vec![literal(0), inst(1, Op::Truth(Value(0)))];
        let ret = |v| Terminator::Return(Value(v));
        let diamond = |last| {
            vec![
                block(&[], truth(), branch(1, to(1, &[]), to(2, &[]))),
                block(&[], vec![literal(2)], Terminator::Jump(to(2, &[]))),
                last,
            ]
        };
        let problem = refused(diamond(block(&[], vec![], ret(2))), 3);
        assert_eq!(problem, "%2 is used in b2, where it is not defined");
        let problem = refused(diamond(block(&[3], vec![], ret(3))), 4);
        assert_eq!(
            problem,
            "b0 passes 0 arguments to b2, which has 1 parameters"
        );
        let problem = refused(vec![block(&[], vec![literal(0), literal(0)], ret(0))], 1);
        assert_eq!(problem, "%0 is defined twice");
        let problem = refused(vec![block(&[], vec![literal(0)], ret(0))], 2);
        assert_eq!(problem, "%1 is defined nowhere");
        let problem = refused(vec![block(&[], vec![literal(0)], Terminator::Missing)], 1);
        assert_eq!(problem, "b0 has no terminator");
        let pos = Op::Unary(super::super::UnaryOp::Pos, Value(0));
        let problem = refused(vec![block(&[], vec![inst(0, pos)], ret(0))], 1);
        assert_eq!(problem, "%0 is used in b0, where it is not defined");
        let dead = vec![
            block(&[], vec![literal(0)], ret(0)),
            block(&[], vec![], ret(0)),
        ];
        assert_eq!(refused(dead, 1), "b1 cannot be reached");
        let plain = vec![literal(0)];
        let blocks = vec![
            block(&[], plain, branch(0, to(1, &[]), to(1, &[]))),
            block(&[], vec![], ret(0)),
        ];
        assert_eq!(
            refused(blocks, 1),
            "b0 branches on %0, which is no truth value"
        );
    }

    #[test]
    fn only_the_last_instruction_before_a_handler_may_raise() {
        let raising = |result| inst(result, Op::Iter(Value(0)));
        let with_handler = |insts, handler: Target| {
            let first = block(&[], insts, Terminator::Return(Value(0)));
            let last = block(&[3], vec![], Terminator::Reraise(Value(3)));
            vec![
                Block {
                    handler: Some(handler),
                    ..first
                },
                last,
            ]
        };
        let blocks = with_handler(vec![literal(0), literal(1), raising(2)], to(1, &[]));
        assert_eq!(verify(&function(blocks, 4)), Ok(()));
        let blocks = with_handler(vec![literal(0), raising(1), raising(2)], to(1, &[]));
        assert!(refused(blocks, 4).contains("%1 may raise and is not the last instruction"));
        let blocks = with_handler(vec![literal(0), literal(1), literal(2)], to(1, &[]));
        assert_eq!(
            refused(blocks, 4),
            "b0 has a handler, but nothing in it raises"
        );
        let mut blocks = with_handler(vec![literal(0), literal(1), raising(2)], to(1, &[2]));
        blocks[1].params.push(Value(4));
        assert_eq!(
            refused(blocks, 5),
            "%2 is used in b0, where it is not defined"
        );
    }
}
