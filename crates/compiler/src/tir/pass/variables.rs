//! Variables: what has several definitions, brought into SSA form by parameters of blocks.
//!
//! Rewrites that copy blocks, or move what was a memory location into values, say what a variable is at
//! the end of some blocks and ask what it is at the start of others. Parameters are added wherever a
//! block is asked; those that turn out to get one value only are left to `simplify`.

use rustc_hash::FxHashMap;
use smallvec::smallvec;

use crate::tir::{Function, Inst, LocId, Op, Type, Value};

pub(super) struct Variables<'f> {
    pub f: &'f mut Function,
    /// For each block, the edges that lead to it: from which block, and which of its targets.
    predecessors: Vec<Vec<(usize, usize)>>,
    types: Vec<Type>,
    ends: FxHashMap<(usize, usize), Value>,
    starts: FxHashMap<(usize, usize), Value>,
    /// Parameters whose arguments are due, in the order in which they were made.
    due: Vec<(usize, usize)>,
}

impl Variables<'_> {
    /// The edges between blocks stay as they are from here on.
    pub fn new(f: &mut Function) -> Variables<'_> {
        let mut predecessors = vec![vec![]; f.blocks.len()];
        for (b, block) in f.blocks.iter().enumerate() {
            for (t, target) in block.term.targets().iter().enumerate() {
                predecessors[target.block.index()].push((b, t));
            }
        }
        Variables {
            f,
            predecessors,
            types: vec![],
            ends: FxHashMap::default(),
            starts: FxHashMap::default(),
            due: vec![],
        }
    }

    pub fn add(&mut self, ty: Type) -> usize {
        self.types.push(ty);
        self.types.len() - 1
    }

    /// What a variable is at the end of a block.
    pub fn define(&mut self, block: usize, variable: usize, value: Value) {
        self.ends.insert((block, variable), value);
    }

    /// What a variable is at the start of a block; where nothing was defined, any value.
    pub fn at_start(&mut self, block: usize, variable: usize) -> Value {
        if let Some(&value) = self.starts.get(&(block, variable)) {
            return value;
        }
        let value = self.f.new_value(self.types[variable]);
        self.starts.insert((block, variable), value);
        if block == 0 || self.predecessors[block].is_empty() {
            let undef = Inst {
                op: Op::Undef,
                results: smallvec![value],
                loc: LocId(0),
            };
            self.f.blocks[block].insts.insert(0, undef);
        } else {
            self.f.blocks[block].params.push(value);
            self.due.push((block, variable));
        }
        value
    }

    pub fn at_end(&mut self, block: usize, variable: usize) -> Value {
        match self.ends.get(&(block, variable)) {
            Some(&value) => value,
            None => self.at_start(block, variable),
        }
    }

    /// Passes variables on along all edges to the blocks that were asked.
    pub fn finish(mut self) {
        let mut next = 0;
        while let Some(&(block, variable)) = self.due.get(next) {
            next += 1;
            for (from, t) in self.predecessors[block].clone() {
                let value = self.at_end(from, variable);
                self.f.blocks[from].term.targets_mut()[t].args.push(value);
            }
        }
    }
}
