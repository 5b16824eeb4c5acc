//! Natural loops: a header, and the blocks from which a jump back to it comes without passing it.

use crate::tir::dominators::Dominators;
use crate::tir::{BlockId, Function};

pub(in crate::nest) struct Loop {
    pub header: BlockId,
    /// With the header, each before its successors but for jumps back.
    pub blocks: Vec<BlockId>,
    /// The headers of loops in it.
    pub inner: Vec<BlockId>,
}

/// The loops of a function; outer ones before those in them.
pub(in crate::nest) fn find(f: &Function, tree: &Dominators) -> Vec<Loop> {
    let order = f.reverse_postorder();
    let mut loops: Vec<Loop> = vec![];
    for &header in &order {
        let inside = tree.natural_loop(header.index());
        if !inside[header.index()] {
            continue;
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

/// Leads the ways into a loop to a block before it.
pub(in crate::nest) fn enter_through(
    f: &mut Function,
    header: BlockId,
    inside: &[BlockId],
    entry: BlockId,
) {
    for (number, block) in f.blocks.iter_mut().enumerate() {
        let number = BlockId(number as u32);
        if number == entry || inside.contains(&number) {
            continue;
        }
        for target in block.term.targets_mut() {
            if target.block == header {
                target.block = entry;
            }
        }
    }
}
