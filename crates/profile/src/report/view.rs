//! Samples as people want to see them: a tree of Python functions, with what native code did below them.
//!
//! ```text
//! stack  _start, Py_RunMain, <module>, _PyEval_Vector, solve, ufunc_generic_fastcall, DOUBLE_add, kernel
//! rows                       <module> ───────────────▶ solve ──────────────────────▶ page faults
//! ```
//!
//! The frames of the interpreter and of libraries are left out. What of a function's time was native code
//! is below it as an [`operation`].

use std::collections::HashMap;

use super::operation::{self, Rank};
use super::{Selection, clean};
use crate::labels;
use crate::model::*;
use crate::tree::{Key, NodeId, Nodes, Sums, Totals, Tree, Weight};

/// Python itself, before and after it runs code.
const OUTSIDE: &str = "Python outside of functions: its start, its end";

/// What a row of a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Row {
    Function(FunctionId),
    /// Of [`View::operations`].
    Operation(usize),
}

/// A tree of rows.
pub struct View {
    /// What the keys of the tree mean.
    pub rows: Vec<Row>,
    pub operations: Vec<String>,
    pub tree: Tree,
    /// By key.
    pub totals: Vec<Sums>,
    /// All frames are rows.
    native: bool,
}

/// What is hot.
#[derive(Clone, Debug)]
pub struct Hot {
    pub row: Row,
    /// In the function itself, and in native code that it calls.
    pub own: Weight,
    pub total: Weight,
    /// What of its own time native code did, most first.
    pub operations: Vec<(usize, Weight)>,
}

/// What of a stack is shown.
#[derive(Clone, Copy)]
struct Shown {
    node: Option<NodeId>,
    operation: Option<(Rank, usize)>,
    /// The innermost frame that is not the kernel's.
    last: Option<FunctionId>,
}

struct Growing<'r> {
    recording: &'r Recording,
    rows: Vec<Row>,
    keys: HashMap<Row, Key>,
    operations: Vec<String>,
    numbers: HashMap<String, usize>,
    nodes: Nodes,
}

impl View {
    /// Of the selected samples that ran. With `native` all frames are shown, as functions.
    pub fn new(recording: &Recording, selection: &Selection, native: bool) -> View {
        let mut growing = Growing {
            recording,
            rows: vec![],
            keys: HashMap::new(),
            operations: vec![],
            numbers: HashMap::new(),
            nodes: Nodes::default(),
        };
        let mut weights = vec![Weight::default(); recording.stacks.len()];
        let mut no_stack = Weight::default();
        for sample in selection.running(recording) {
            let weight = match sample.stack {
                Some(stack) => &mut weights[stack.index()],
                None => &mut no_stack,
            };
            *weight += Weight::of(sample);
        }
        // Stacks without samples are not shown, unless there are samples further in.
        let mut is_needed: Vec<bool> = weights.iter().map(|w| w.samples > 0).collect();
        for (i, stack) in recording.stacks.iter().enumerate().rev() {
            if let Some(parent) = stack.parent
                && is_needed[i]
            {
                is_needed[parent.index()] = true;
            }
        }
        let what: Vec<_> = recording
            .functions
            .iter()
            .map(|f| operation::operation(recording, f))
            .map(|o| o.map(|o| (o.rank, growing.operation(&o.text))))
            .collect();
        let mut shown: Vec<Shown> = Vec::with_capacity(recording.stacks.len());
        for (i, stack) in recording.stacks.iter().enumerate() {
            let mut at = stack.parent.map_or(
                Shown {
                    node: None,
                    operation: None,
                    last: None,
                },
                |p| shown[p.index()],
            );
            if is_needed[i] {
                let frame = &recording.frames[stack.frame.index()];
                let id = frame.function;
                // What native code is called by users goes by the names that can be linked to.
                let is_part = frame.inlined && recording.functions[id.index()].kind == Kind::Native;
                if native || !is_part {
                    at = growing.step(at, id, what[id.index()], native);
                }
                if weights[i].samples > 0 {
                    growing.add(at, weights[i]);
                }
            }
            shown.push(at);
        }
        if no_stack.samples > 0 {
            let unknown = growing.operation(labels::NO_STACK);
            let node = growing.child(None, Row::Operation(unknown));
            growing.nodes.all[node.index()].own += no_stack;
        }
        growing.finish(native)
    }

    /// The functions, and operations outside of functions, most of their own time first.
    pub fn hot(&self) -> Vec<Hot> {
        let mut hot: Vec<Hot> = self
            .rows
            .iter()
            .zip(&self.totals)
            .map(|(&row, sums)| Hot {
                row,
                own: Weight::default(),
                total: sums.total,
                operations: vec![],
            })
            .collect();
        let mut below: HashMap<(Key, usize), Weight> = HashMap::new();
        for node in &self.tree.nodes {
            let owner = node.parent.filter(|_| !self.native);
            let owner = owner.map(|p| self.tree.nodes[p.index()].key);
            match (self.rows[node.key.index()], owner) {
                (Row::Operation(operation), Some(owner)) => {
                    hot[owner.index()].own += node.own;
                    *below.entry((owner, operation)).or_default() += node.own;
                }
                _ => hot[node.key.index()].own += node.own,
            }
        }
        for ((key, operation), weight) in below {
            hot[key.index()].operations.push((operation, weight));
        }
        for hot in &mut hot {
            hot.operations
                .sort_by_key(|&(operation, weight)| (std::cmp::Reverse(weight.cpu), operation));
            if matches!(hot.row, Row::Operation(_)) && !self.native {
                // Below functions it is theirs.
                hot.total = hot.own;
            }
        }
        hot.retain(|h| h.total.cpu > 0);
        hot.sort_by_key(|h| std::cmp::Reverse((h.own.cpu, h.total.cpu)));
        hot
    }

    /// What native code did, wherever it was called, most first.
    pub fn hot_operations(&self) -> Vec<(usize, Weight)> {
        let rows = self.rows.iter().zip(&self.totals);
        let mut all: Vec<_> = rows
            .filter_map(|(row, sums)| match row {
                Row::Operation(operation) => Some((*operation, sums.own)),
                Row::Function(_) => None,
            })
            .filter(|(o, weight)| weight.cpu > 0 && !self.is_unknown(*o))
            .collect();
        all.sort_by_key(|(_, weight)| std::cmp::Reverse(weight.cpu));
        all
    }

    /// Whether it stands for what is not known, or not native.
    fn is_unknown(&self, operation: usize) -> bool {
        matches!(&*self.operations[operation], labels::NO_STACK | OUTSIDE)
    }

    /// Whether all frames are rows.
    pub fn is_native(&self) -> bool {
        self.native
    }

    pub fn label(&self, recording: &Recording, row: Row) -> String {
        match row {
            Row::Function(id) => label(recording, id),
            Row::Operation(operation) => self.operations[operation].clone(),
        }
    }
}

/// A function, with as much of its file's path as tells it from others.
pub fn label(recording: &Recording, id: FunctionId) -> String {
    let function = &recording.functions[id.index()];
    let file = recording.texts.get(function.file);
    let label = match file.rsplit_once('/') {
        Some((folder, base @ "__init__.py")) => {
            let name = labels::name(recording, function);
            let place = format!("{}/{base}:{}", labels::base(folder), function.line);
            format!("{name} ({place})")
        }
        _ => labels::short_function(recording, function),
    };
    clean(&label).into_owned()
}

/// The innermost function of each stack that is shown.
pub fn owners(recording: &Recording) -> Vec<Option<FunctionId>> {
    let mut owners: Vec<Option<FunctionId>> = Vec::with_capacity(recording.stacks.len());
    for stack in &recording.stacks {
        let id = recording.frames[stack.frame.index()].function;
        let is_own = is_own_code(recording, &recording.functions[id.index()]);
        let parent = stack.parent.and_then(|p| owners[p.index()]);
        owners.push(if is_own { Some(id) } else { parent });
    }
    owners
}

/// Whether a function is shown when libraries and the interpreter are not.
pub fn is_own_code(recording: &Recording, function: &Function) -> bool {
    matches!(function.kind, Kind::Python | Kind::Compiled)
        && !operation::is_import(recording.texts.get(function.file))
}

impl Growing<'_> {
    /// One frame further in.
    fn step(
        &mut self,
        from: Shown,
        id: FunctionId,
        what: Option<(Rank, usize)>,
        native: bool,
    ) -> Shown {
        let recording = self.recording;
        let function = &recording.functions[id.index()];
        if native {
            let is_nameless = function.kind == Kind::Native
                && operation::is_nameless(recording.texts.get(function.name));
            let row = match what {
                Some((_, operation)) if is_nameless => Row::Operation(operation),
                _ => Row::Function(id),
            };
            // Calls between functions without names are no calls that anyone could follow.
            let same = from
                .node
                .filter(|n| is_nameless && self.rows[self.nodes.all[n.index()].key.index()] == row);
            return Shown {
                node: Some(same.unwrap_or_else(|| self.child(from.node, row))),
                ..from
            };
        }
        if is_own_code(recording, function) {
            // A function that calls itself is one row, however deep it goes.
            let row = Row::Function(id);
            let same = from
                .node
                .filter(|n| self.rows[self.nodes.all[n.index()].key.index()] == row);
            return Shown {
                node: Some(same.unwrap_or_else(|| self.child(from.node, row))),
                operation: None,
                last: None,
            };
        }
        if function.kind == Kind::Kernel {
            let text = self.in_kernel(from.last);
            let operation = self.operation(&text);
            return Shown {
                operation: Some((Rank::Algebra, operation)),
                ..from
            };
        }
        let is_better = |(rank, _): &(Rank, usize)| from.operation.is_none_or(|(r, _)| r < *rank);
        Shown {
            operation: what.filter(is_better).or(from.operation),
            last: Some(id),
            ..from
        }
    }

    /// What the kernel did: a call of the system, if a function of the C library with its name led there;
    /// elsewhere memory that was touched for the first time.
    fn in_kernel(&self, caller: Option<FunctionId>) -> String {
        let Some(caller) = caller.map(|id| &self.recording.functions[id.index()]) else {
            return "kernel".to_owned();
        };
        let texts = &self.recording.texts;
        let (module, name) = (texts.get(caller.module), texts.get(caller.name));
        if module.contains("vdso") {
            return "kernel: clocks".to_owned();
        }
        let is_libc = module.starts_with("libc.") || module.starts_with("libpthread");
        let short = name.trim_start_matches('_');
        let allocates = ["malloc", "calloc", "realloc", "free", "mem", "int_"];
        match () {
            () if is_libc && operation::is_nameless(name) => "kernel".to_owned(),
            () if is_libc && !allocates.iter().any(|a| short.starts_with(a)) => {
                format!("kernel: {}", clean(short))
            }
            () => "kernel: page faults".to_owned(),
        }
    }

    fn add(&mut self, at: Shown, weight: Weight) {
        let node = match (at.node, at.operation) {
            (node, Some((_, operation))) => self.child(node, Row::Operation(operation)),
            (Some(node), None) => node,
            (None, None) => {
                let outside = self.operation(OUTSIDE);
                self.child(None, Row::Operation(outside))
            }
        };
        self.nodes.all[node.index()].own += weight;
    }

    fn operation(&mut self, text: &str) -> usize {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        self.operations.push(text.to_owned());
        self.numbers
            .insert(text.to_owned(), self.operations.len() - 1);
        self.operations.len() - 1
    }

    fn child(&mut self, parent: Option<NodeId>, row: Row) -> NodeId {
        let key = *self.keys.entry(row).or_insert_with(|| {
            self.rows.push(row);
            Key(self.rows.len() as u32 - 1)
        });
        self.nodes.child(parent, key)
    }

    fn finish(self, native: bool) -> View {
        let tree = Tree::of_nodes(self.nodes.all);
        let groups: Vec<u32> = (0..self.rows.len() as u32).collect();
        let mut totals = Totals::by_group(&tree, &groups).groups;
        totals.resize(self.rows.len(), Sums::default());
        View {
            rows: self.rows,
            operations: self.operations,
            tree,
            totals,
            native,
        }
    }
}
