//! What Callgrind writes: costs by function and line, and calls with what they cost in all.
//!
//! Readers add up the calls of a function to what it has in all, so a call from a function to itself costs
//! nothing more: the call from outside has it already.
//!
//! Readers tell functions apart by their names, some by nothing else, so a name that several functions have
//! gets the place of each.

use std::collections::HashMap;
use std::io::{self, Write};

use super::{Options, Unit, counted};
use crate::labels;
use crate::model::{FunctionId, Recording};
use crate::tree::{Keys, Totals, Tree, Weight};

/// A function as readers know it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Named {
    module: String,
    file: String,
    name: String,
    line: u32,
}

/// What is not known.
const NONE: &str = "???";

pub fn write(recording: &Recording, options: &Options, out: &mut impl Write) -> io::Result<()> {
    let (functions, numbers) = functions(recording);
    // A place is a function and a line in it; the last function stands for stacks that are not known.
    let unknown = (functions.len() as u32 - 1, 0);
    let places = Keys::of_frames(recording, unknown, |frame| {
        (numbers[frame.function.index()], frame.line)
    });
    let tree = Tree::new(recording, &places, counted(recording));
    let groups: Vec<u32> = places.all.iter().map(|&(function, _)| function).collect();
    let totals = Totals::by_group(&tree, &groups);

    let mut own = vec![Weight::default(); places.all.len()];
    for node in &tree.nodes {
        own[node.key.index()] += node.own;
    }
    // By function, then by line.
    let mut order: Vec<usize> = (0..own.len()).collect();
    order.sort_by_key(|&place| places.all[place]);
    let mut edges: Vec<_> = totals.edges.iter().collect();
    edges.sort_by_key(|edge| (places.all[edge.caller.index()], edge.callee));
    let mut edges = &edges[..];

    let cost = |weight: Weight| match options.unit {
        Unit::Us => format!("{} {}", weight.cpu, weight.samples),
        Unit::Samples => format!("{} {}", weight.samples, weight.cpu),
    };
    head(recording, options, &cost(tree.total), out)?;
    let mut names = Names::default();
    let mut last = None;
    for place in order {
        let (number, line) = places.all[place];
        let mine = edges.partition_point(|e| places.all[e.caller.index()] <= (number, line));
        let (calls, rest) = edges.split_at(mine);
        edges = rest;
        if own[place] == Weight::default() && calls.is_empty() {
            continue;
        }
        let function = &functions[number as usize];
        if last != Some(number) {
            last = Some(number);
            writeln!(out)?;
            names.write(out, "", function)?;
        }
        if own[place] != Weight::default() {
            writeln!(out, "{line} {}", cost(own[place]))?;
        }
        for edge in calls.iter().filter(|e| e.sums.total != Weight::default()) {
            let callee = &functions[edge.callee as usize];
            names.write(out, "c", callee)?;
            let total = match edge.callee == number {
                true => Weight::default(),
                false => edge.sums.total,
            };
            writeln!(out, "calls={} {}", edge.sums.total.samples, callee.line)?;
            writeln!(out, "{line} {}", cost(total))?;
        }
    }
    Ok(())
}

fn head(
    recording: &Recording,
    options: &Options,
    total: &str,
    out: &mut impl Write,
) -> io::Result<()> {
    let events = match options.unit {
        Unit::Us => "CPU_us Samples",
        Unit::Samples => "Samples CPU_us",
    };
    writeln!(out, "# callgrind format")?;
    writeln!(out, "version: 1")?;
    writeln!(out, "creator: ferdelance")?;
    writeln!(out, "cmd: {}", plain(&recording.meta.command.join(" ")))?;
    writeln!(out, "positions: line")?;
    writeln!(out, "event: CPU_us : CPU time in microseconds")?;
    writeln!(out, "event: Samples : Samples")?;
    writeln!(out, "events: {events}")?;
    writeln!(out, "summary: {total}")
}

/// The functions as they are named, unknown stacks last, and which of them each function of the recording is.
fn functions(recording: &Recording) -> (Vec<Named>, Vec<u32>) {
    let text = |id| plain(recording.texts.get(id));
    let or_none = |text: String| {
        if text.is_empty() {
            NONE.to_owned()
        } else {
            text
        }
    };
    let mut all: Vec<Named> = vec![];
    let mut index = HashMap::new();
    let mut numbers = vec![];
    let mut of_name: HashMap<String, u32> = HashMap::new();
    for function in &recording.functions {
        let named = Named {
            module: or_none(text(function.module)),
            file: or_none(text(function.file)),
            name: plain(labels::name(recording, function)),
            line: function.line,
        };
        let number = *index.entry(named.clone()).or_insert_with(|| {
            *of_name.entry(named.name.clone()).or_default() += 1;
            all.push(named);
            all.len() as u32 - 1
        });
        numbers.push(number);
    }
    for (function, &number) in (0..).map(FunctionId).zip(&numbers) {
        let named = &mut all[number as usize];
        if of_name.get(&named.name).is_some_and(|&count| count > 1) {
            let function = &recording.functions[function.index()];
            named.name = plain(&labels::function(recording, function));
        }
    }
    all.push(Named {
        module: NONE.to_owned(),
        file: NONE.to_owned(),
        name: labels::NO_STACK.to_owned(),
        line: 0,
    });
    (all, numbers)
}

/// Text on one line.
fn plain(text: &str) -> String {
    let text = text.replace(char::is_control, " ");
    text.trim().to_owned()
}

/// Names that were written before are numbers.
#[derive(Default)]
struct Names {
    objects: HashMap<String, usize>,
    files: HashMap<String, usize>,
    functions: HashMap<String, usize>,
}

impl Names {
    /// Says which function costs belong to; with prefix `c`, which one is called.
    fn write(&mut self, out: &mut impl Write, prefix: &str, function: &Named) -> io::Result<()> {
        let lines = [
            ("ob", &mut self.objects, &function.module),
            ("fl", &mut self.files, &function.file),
            ("fn", &mut self.functions, &function.name),
        ];
        for (what, known, name) in lines {
            let next = known.len() + 1;
            match known.get(name) {
                Some(number) => writeln!(out, "{prefix}{what}=({number})")?,
                None => {
                    writeln!(out, "{prefix}{what}=({next}) {name}")?;
                    known.insert(name.clone(), next);
                }
            }
        }
        Ok(())
    }
}
