//! CPU time by function, line and operation, of some of a recording's samples.
//!
//! Each sample belongs to its innermost Python or compiled function, its *owner*; native code within says what
//! the owner spent the time on.

use std::collections::HashMap;

use super::native;
use crate::labels;
use crate::model::{
    FrameId, FunctionId, Kind, Recording, Sample, SignatureId, StackId, State, TextId,
};

/// Which samples count.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub process: Option<u32>,
    pub thread: Option<String>,
    /// A part of the name of a function that is on the stack.
    pub function: Option<String>,
}

/// CPU time in seconds, the sum of squares, which says how uncertain it is, and samples.
#[derive(Clone, Copy, Debug, Default)]
pub struct Time {
    pub seconds: f64,
    pub squares: f64,
    pub samples: u64,
}

impl Time {
    fn add(&mut self, seconds: f64) {
        self.seconds += seconds;
        self.squares += seconds * seconds;
        self.samples += 1;
    }

    /// Half of the interval that has the true value in 95 of 100 cases, in seconds.
    pub fn error(self) -> f64 {
        1.96 * self.squares.sqrt()
    }
}

/// A place in a function: what PEP 657 says of an expression.
pub type Span = (u32, u32, u32, u32);

#[derive(Clone, Debug, Default)]
pub struct OfFunction {
    pub own: Time,
    pub total: Time,
    /// What its own time was spent on, by name.
    pub operations: HashMap<String, f64>,
    pub signatures: HashMap<SignatureId, f64>,
}

#[derive(Debug, Default)]
pub struct Sums {
    pub all: Time,
    pub functions: HashMap<FunctionId, OfFunction>,
    /// Own time by line of a function, and by expression in it.
    pub lines: HashMap<(FunctionId, u32), (f64, HashMap<Span, f64>)>,
    /// Time of threads that wait: by owner, and what for.
    pub waits: HashMap<(Option<FunctionId>, String), f64>,
    pub tree: Vec<Node>,
}

/// A node of the tree of calls among Python and compiled functions, callers first; none is a thread's root.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    pub parent: Option<usize>,
    pub function: FunctionId,
    pub own: f64,
    pub total: f64,
}

/// What is known of each stack.
struct Known<'r> {
    r: &'r Recording,
    /// The innermost frame of a Python or compiled function.
    owner: Vec<Option<FrameId>>,
    operation: Vec<Operation>,
    node: Vec<Option<usize>>,
    is_wanted: Vec<bool>,
}

#[derive(Clone, Debug, PartialEq)]
enum Operation {
    /// Not within native code.
    None,
    Interpreter,
    /// A native function that is not known further.
    Other(FunctionId),
    Named(String),
}

impl Sums {
    pub fn new(r: &Recording, filter: &Filter, all_frames: bool) -> Sums {
        let mut sums = Sums::default();
        let known = Known::new(r, filter, all_frames, &mut sums.tree);
        let is_wanted = |s: &&Sample| {
            let thread = &r.threads[s.thread.index()];
            let pid = r.processes[thread.process.index()].pid;
            let name = r.texts.get(thread.name);
            filter.process.is_none_or(|p| p == pid)
                && filter.thread.as_ref().is_none_or(|t| t == name)
                && match s.stack {
                    Some(stack) => known.is_wanted[stack.index()],
                    None => filter.function.is_none(),
                }
        };
        let mut of_stack: HashMap<StackId, Time> = HashMap::new();
        for sample in r.samples.iter().filter(is_wanted) {
            if sample.state.is_running() {
                let seconds = sample.cpu() as f64 / 1e6;
                sums.all.add(seconds);
                let Some(stack) = sample.stack else {
                    continue;
                };
                of_stack.entry(stack).or_default().add(seconds);
                let owner = known.owner[stack.index()].map(|f| r.frames[f.index()].function);
                if let (Some(owner), Some(signature)) = (owner, sample.signature) {
                    let function = sums.functions.entry(owner).or_default();
                    *function.signatures.entry(signature).or_default() += seconds;
                }
            } else if sample.wait > 0 {
                sums.add_wait(r, &known, sample);
            }
        }
        // Stacks in order, so that the same recording gives the same report.
        let mut stacks: Vec<(StackId, Time)> = of_stack.into_iter().collect();
        stacks.sort_by_key(|(stack, _)| *stack);
        for (stack, time) in stacks {
            sums.add_stack(r, &known, stack, time);
        }
        sums.add_totals(r);
        sums
    }

    fn add_wait(&mut self, r: &Recording, known: &Known<'_>, sample: &Sample) {
        let what = match (sample.state, sample.stack) {
            (State::WaitingForGil, _) => "the GIL".to_owned(),
            (State::Queued, _) => "a CPU".to_owned(),
            (_, Some(stack)) => {
                let frame = &r.frames[r.stacks[stack.index()].frame.index()];
                labels::name(r, &r.functions[frame.function.index()]).to_owned()
            }
            (_, None) => "?".to_owned(),
        };
        let owner = sample.stack.and_then(|s| known.owner[s.index()]);
        let owner = owner.map(|f| r.frames[f.index()].function);
        *self.waits.entry((owner, what)).or_default() += f64::from(sample.wait) / 1e6;
    }

    fn add_stack(&mut self, r: &Recording, known: &Known<'_>, stack: StackId, time: Time) {
        if let Some(node) = known.node[stack.index()] {
            self.tree[node].own += time.seconds;
        }
        let Some(owner) = known.owner[stack.index()] else {
            return;
        };
        let frame = &r.frames[owner.index()];
        let function = self.functions.entry(frame.function).or_default();
        function.own.seconds += time.seconds;
        function.own.squares += time.squares;
        function.own.samples += time.samples;
        let name = match &known.operation[stack.index()] {
            Operation::Named(name) => name.clone(),
            Operation::Other(f) => labels::short_function(r, &r.functions[f.index()]),
            Operation::Interpreter => "interpreter".to_owned(),
            Operation::None => match r.functions[frame.function.index()].kind {
                Kind::Python => "interpreter".to_owned(),
                _ => String::new(),
            },
        };
        *function.operations.entry(name).or_default() += time.seconds;
        if frame.line > 0 {
            let line = self.lines.entry((frame.function, frame.line)).or_default();
            line.0 += time.seconds;
            if frame.end_column > 0 {
                let span = (frame.line, frame.column, frame.end_line, frame.end_column);
                *line.1.entry(span).or_default() += time.seconds;
            }
        }
    }

    /// Totals of the tree and of functions: what is on a stack several times counts once.
    fn add_totals(&mut self, r: &Recording) {
        for node in &mut self.tree {
            node.total = node.own;
        }
        for i in (0..self.tree.len()).rev() {
            if let Some(parent) = self.tree[i].parent {
                self.tree[parent].total += self.tree[i].total;
            }
        }
        // How often each function is on the way to the node at hand, in the order of a walk.
        let mut children: Vec<Vec<usize>> = vec![vec![]; self.tree.len()];
        let mut roots = vec![];
        for (i, node) in self.tree.iter().enumerate() {
            match node.parent {
                Some(parent) => children[parent].push(i),
                None => roots.push(i),
            }
        }
        let mut depth = vec![0u32; r.functions.len()];
        let mut walk: Vec<(usize, bool)> = roots.into_iter().map(|n| (n, false)).collect();
        while let Some((i, is_left)) = walk.pop() {
            let node = self.tree[i];
            let on_way = &mut depth[node.function.index()];
            if is_left {
                *on_way -= 1;
                continue;
            }
            if *on_way == 0 {
                let function = self.functions.entry(node.function).or_default();
                function.total.seconds += node.total;
            }
            *on_way += 1;
            walk.push((i, true));
            walk.extend(children[i].iter().map(|&c| (c, false)));
        }
    }
}

impl<'r> Known<'r> {
    fn new(r: &'r Recording, filter: &Filter, all_frames: bool, tree: &mut Vec<Node>) -> Known<'r> {
        let mut known = Known {
            r,
            owner: Vec::with_capacity(r.stacks.len()),
            operation: Vec::with_capacity(r.stacks.len()),
            node: Vec::with_capacity(r.stacks.len()),
            is_wanted: Vec::with_capacity(r.stacks.len()),
        };
        let mut named: HashMap<FunctionId, Option<String>> = HashMap::new();
        let mut nodes: HashMap<(Option<usize>, FunctionId), usize> = HashMap::new();
        for stack in &r.stacks {
            let up = stack.parent.map(StackId::index);
            let id = r.frames[stack.frame.index()].function;
            let function = &r.functions[id.index()];
            let is_own = all_frames || matches!(function.kind, Kind::Python | Kind::Compiled);
            let above = up.and_then(|u| known.node[u]);
            let node = if is_own {
                // Direct recursion is one node.
                match above.filter(|&n| tree[n].function == id) {
                    Some(same) => Some(same),
                    None => Some(*nodes.entry((above, id)).or_insert_with(|| {
                        tree.push(Node {
                            parent: above,
                            function: id,
                            own: 0.0,
                            total: 0.0,
                        });
                        tree.len() - 1
                    })),
                }
            } else {
                above
            };
            let operation = if is_own {
                Operation::None
            } else {
                let own = named
                    .entry(id)
                    .or_insert_with(|| native::operation(r, function))
                    .clone();
                let outer = up.map_or(Operation::None, |u| known.operation[u].clone());
                known.within(own, id, outer)
            };
            let is_named = |name: &String| r.texts.get(function.name).contains(name.as_str());
            known.is_wanted.push(
                filter.function.as_ref().is_none_or(is_named)
                    || up.is_some_and(|u| known.is_wanted[u]),
            );
            let owner = up.and_then(|u| known.owner[u]);
            known
                .owner
                .push(if is_own { Some(stack.frame) } else { owner });
            known.operation.push(operation);
            known.node.push(node);
        }
        known
    }

    /// What a native function is part of: the innermost one that is known by name.
    fn within(&self, own: Option<String>, id: FunctionId, outer: Operation) -> Operation {
        let function = &self.r.functions[id.index()];
        match (own, outer) {
            (Some(name), _) => Operation::Named(name),
            (None, Operation::Named(name)) => Operation::Named(name),
            (None, outer) if native::is_interpreter(self.r, function) => match outer {
                Operation::None => Operation::Interpreter,
                outer => outer,
            },
            (None, _) if function.kind == Kind::Native => Operation::Other(id),
            (None, outer) => outer,
        }
    }
}

/// The text of a file, if the recording has it.
pub fn source(r: &Recording, file: TextId) -> Option<&str> {
    let source = r.sources.iter().find(|s| s.file == file)?;
    Some(r.texts.get(source.text))
}
