//! A line for each stack: its frames from the root on, and what it weighs.
//!
//! `process <pid>;thread <name>;frame;...;frame <value>`

use std::io::{self, Write};

use super::{Options, counted};
use crate::labels;
use crate::model::Recording;
use crate::tree::{Keys, Step, Tree};

pub fn write(recording: &Recording, options: &Options, out: &mut impl Write) -> io::Result<()> {
    let unknown = labels::NO_STACK.to_owned();
    let keys = Keys::of_functions(recording, unknown, |f| {
        word(&labels::function(recording, f))
    });
    let keys = keys.above(recording, |thread| {
        let process = recording.threads[thread.index()].process;
        let name = labels::thread(recording, thread);
        [
            word(&labels::process(recording, process)),
            word(&format!("thread {name}")),
        ]
    });
    let tree = Tree::new(recording, &keys, counted(recording));
    let mut children = tree.children();
    children.sort_by_key(|node| &keys.all[tree.nodes[node.index()].key.index()]);
    let mut line = String::new();
    let mut lengths = vec![];
    for step in children.walk() {
        let Step::Enter(id) = step else {
            line.truncate(lengths.pop().unwrap_or(0));
            continue;
        };
        let node = tree.nodes[id.index()];
        lengths.push(line.len());
        if !line.is_empty() {
            line.push(';');
        }
        line.push_str(&keys.all[node.key.index()]);
        match options.unit.of(node.own) {
            0 => {}
            value => writeln!(out, "{line} {value}")?,
        }
    }
    Ok(())
}

/// Text that can stand between semicolons on one line.
fn word(text: &str) -> String {
    let plain = |c: char| match c {
        ';' => ',',
        c if c.is_control() => ' ',
        c => c,
    };
    text.chars().map(plain).collect()
}
