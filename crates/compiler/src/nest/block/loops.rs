//! Natural loops: a header, and the blocks from which a jump back to it comes without passing it.

use crate::tir::dominators::Dominators;
use crate::tir::{BlockId, Function};

pub(super) struct Loop {
    pub header: BlockId,
    /// With the header, each before its successors but for jumps back.
    pub blocks: Vec<BlockId>,
    /// The headers of loops in it.
    pub inner: Vec<BlockId>,
}

/// The loops of a function; outer ones before those in them.
pub(super) fn find(f: &Function, tree: &Dominators) -> Vec<Loop> {
    let order = f.reverse_postorder();
    let mut before: Vec<Vec<usize>> = vec![vec![]; f.blocks.len()];
    for &b in &order {
        for target in f.block(b).term.targets() {
            before[target.block.index()].push(b.index());
        }
    }
    let mut loops: Vec<Loop> = vec![];
    for &header in &order {
        let h = header.index();
        let jumps_back = before[h].iter().filter(|&&b| tree.dominates(h, b));
        let mut open: Vec<usize> = jumps_back.copied().collect();
        if open.is_empty() {
            continue;
        }
        let mut inside = vec![false; f.blocks.len()];
        inside[h] = true;
        while let Some(b) = open.pop() {
            if !std::mem::replace(&mut inside[b], true) {
                open.extend(&before[b]);
            }
        }
        let blocks: Vec<BlockId> = order
            .iter()
            .copied()
            .filter(|b| inside[b.index()])
            .collect();
        for outer in loops.iter_mut().filter(|l| l.blocks.contains(&header)) {
            outer.inner.push(header);
        }
        loops.push(Loop {
            header,
            blocks,
            inner: vec![],
        });
    }
    loops
}
