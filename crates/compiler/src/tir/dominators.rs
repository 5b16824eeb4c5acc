//! Which blocks every path to a block goes through.

use super::Function;

/// The dominator tree (Cooper, Harvey, Kennedy: "A simple, fast dominance algorithm").
pub struct Dominators {
    /// Position in reverse postorder, of blocks that can be reached.
    order: Vec<Option<u32>>,
    /// Immediate dominator by block; the entry's is itself.
    idom: Vec<u32>,
    /// Predecessors of each block, of blocks that can be reached.
    preds: Vec<Vec<usize>>,
}

impl Dominators {
    pub fn new(f: &Function) -> Dominators {
        let n = f.blocks.len();
        let reverse_postorder = f.reverse_postorder();
        let mut order = vec![None; n];
        for (i, block) in reverse_postorder.iter().enumerate() {
            order[block.index()] = Some(i as u32);
        }
        let mut preds = vec![Vec::new(); n];
        for block in reverse_postorder.iter().map(|b| b.index()) {
            for target in f.blocks[block].term.targets() {
                preds[target.block.index()].push(block);
            }
        }
        let mut tree = Dominators {
            order,
            idom: vec![u32::MAX; n],
            preds,
        };
        tree.idom[0] = 0;
        loop {
            let mut changed = false;
            for block in reverse_postorder.iter().skip(1).map(|b| b.index()) {
                let mut new = u32::MAX;
                for &pred in tree.preds[block]
                    .iter()
                    .filter(|&&p| tree.idom[p] != u32::MAX)
                {
                    new = if new == u32::MAX {
                        pred as u32
                    } else {
                        tree.common(new, pred as u32)
                    };
                }
                changed |= tree.idom[block] != new;
                tree.idom[block] = new;
            }
            if !changed {
                return tree;
            }
        }
    }

    fn common(&self, mut a: u32, mut b: u32) -> u32 {
        while a != b {
            while self.order[a as usize] > self.order[b as usize] {
                a = self.idom[a as usize];
            }
            while self.order[b as usize] > self.order[a as usize] {
                b = self.idom[b as usize];
            }
        }
        a
    }

    /// The natural loop that begins with a block: with it, those from which a jump back comes without passing
    /// it. None if there is no jump back.
    pub fn natural_loop(&self, head: usize) -> Vec<bool> {
        let mut inside = vec![false; self.preds.len()];
        let latches = self.preds[head].iter().copied();
        let mut work: Vec<usize> = latches.filter(|&p| self.dominates(head, p)).collect();
        inside[head] = !work.is_empty();
        while let Some(b) = work.pop() {
            if !std::mem::replace(&mut inside[b], true) {
                work.extend(&self.preds[b]);
            }
        }
        inside
    }

    pub fn reachable(&self, block: usize) -> bool {
        self.order[block].is_some()
    }

    pub fn dominates(&self, a: usize, mut b: usize) -> bool {
        if !self.reachable(a) {
            return false;
        }
        loop {
            if a == b {
                return true;
            }
            if b == 0 {
                return false;
            }
            b = self.idom[b] as usize;
        }
    }
}
