//! What became of operations on arrays, in words for the user.
//!
//! Nothing is recorded while the passes run: the program before fusion and the program after it are
//! compared. Instructions keep their locations when they move, so the operation of a line is found in
//! the nest that computes it now.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use ferdelance_abi::rtfn::RtFn;
use rustc_hash::{FxHashMap, FxHashSet};

use super::analysis::Place;
use super::bands;
use super::block::{Plan, plans};
use super::expand::turn;
use super::fuse::{Refusal, refusals};
use super::raise;
use crate::source::Source;
use crate::tir::nest::{Nest, Output, OutputKind, Reduction};
use crate::tir::{Bin, Function, Inst, LocId, Op, Part, Program, Term, Value};

/// What a remark is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Topic {
    /// An array that is not made: its items are computed where they are needed.
    Fused,
    /// A loop over the items of arrays.
    Loop,
    /// Memory that is asked for.
    Memory,
    /// A library does it.
    Library,
}

impl Topic {
    pub fn name(self) -> &'static str {
        match self {
            Topic::Fused => "fused",
            Topic::Loop => "loop",
            Topic::Memory => "memory",
            Topic::Library => "library",
        }
    }
}

/// A sentence about a line.
#[derive(Clone, PartialEq, Debug)]
pub struct Remark {
    pub source: Arc<Source>,
    pub function: Arc<str>,
    pub line: u32,
    pub topic: Topic,
    pub text: String,
}

/// The names of the entry's parameters (of those that are one value), and the names that variables of its
/// source have, by line and column of what is bound to them.
#[derive(Clone, Debug)]
pub struct Names {
    pub source: Arc<Source>,
    pub params: Vec<Option<Arc<str>>>,
    pub variables: FxHashMap<(u32, u32), Arc<str>>,
}

/// Functions with operations on arrays, before fusion and after it.
#[derive(Clone, Debug, Default)]
pub struct Stages {
    entry: Option<Arc<str>>,
    before: Vec<Function>,
    after: Vec<Function>,
}

impl Stages {
    /// Takes down the functions before fusion.
    pub fn before(program: &Program) -> Stages {
        let entry = program.entries.first();
        let of_interest = program.functions.iter().filter(|f| is_of_interest(f));
        Stages {
            entry: entry.map(|id| program.functions[id.index()].symbol.clone()),
            before: of_interest.cloned().collect(),
            after: vec![],
        }
    }

    /// Takes down the same functions after fusion.
    pub fn after(&mut self, program: &Program) {
        let of_interest = |f: &&Function| self.before.iter().any(|g| g.symbol == f.symbol);
        self.after = program
            .functions
            .iter()
            .filter(of_interest)
            .cloned()
            .collect();
    }

    /// Remarks in the order of lines.
    pub fn remarks(&self, names: &Names) -> Vec<Remark> {
        let mut remarks = vec![];
        for (before, after) in self.before.iter().zip(&self.after) {
            let mut comparison = Comparison::new(before, after, names);
            if Some(&before.symbol) == self.entry.as_ref() {
                let named = after.blocks[0].params.iter().zip(&names.params);
                let named = named.filter_map(|(&v, name)| Some((v, name.clone()?)));
                comparison.params = named.collect();
            }
            comparison.fused(&mut remarks);
            comparison.left(&mut remarks);
            for raised in raise::plans(after) {
                let text = "all rounds of the loop run side by side, column beside column, if their arrays are apart";
                remarks.push(comparison.remark(raised.loc, Topic::Loop, text.to_owned()));
            }
            let plans = plans(after);
            comparison.blocked(&plans, &mut remarks);
            comparison.refused(&mut remarks);
            comparison.together(&plans, &mut remarks);
        }
        remarks.sort_by(|a, b| (&a.source.file, a.line).cmp(&(&b.source.file, b.line)));
        let mut said = FxHashSet::default();
        remarks.retain(|r| said.insert((r.source.file.clone(), r.line, r.text.clone())));
        remarks
    }
}

fn is_of_interest(f: &Function) -> bool {
    let mut insts = f.blocks.iter().flat_map(|b| &b.insts);
    insts.any(|i| {
        matches!(i.op, Op::Nest(_))
            || matches!(i.op, Op::Rt { func, .. } if allocates(func) || library(func).is_some())
    })
}

fn allocates(func: RtFn) -> bool {
    matches!(func, RtFn::buffer_alloc | RtFn::buffer_zeroed)
}

/// What a library does in place of loops.
fn library(func: RtFn) -> Option<&'static str> {
    match func {
        RtFn::matmul | RtFn::matmul_into => Some(
            "product of matrices: the loops of np.matmul itself, or code without them for small ones",
        ),
        RtFn::gufunc => Some("the loops of numpy.linalg itself"),
        _ => None,
    }
}

/// A function before and after fusion.
struct Comparison<'f> {
    before: &'f Function,
    after: &'f Function,
    /// Where values are defined, after.
    defined: FxHashMap<Value, &'f Inst>,
    params: FxHashMap<Value, Arc<str>>,
    /// Names of arrays that nests made before.
    made: FxHashMap<Value, Arc<str>>,
    names: &'f Names,
}

impl<'f> Comparison<'f> {
    fn new(before: &'f Function, after: &'f Function, names: &'f Names) -> Comparison<'f> {
        let insts = after.blocks.iter().flat_map(|b| &b.insts);
        let results = insts.flat_map(|i| i.results.iter().map(move |&v| (v, i)));
        let mut comparison = Comparison {
            before,
            after,
            defined: results.collect(),
            params: FxHashMap::default(),
            made: FxHashMap::default(),
            names,
        };
        for inst in before.blocks.iter().flat_map(|b| &b.insts) {
            if let (Op::Nest(_), Some(&array)) = (&inst.op, inst.results.first())
                && let Some(name) = comparison.name(before, inst.loc)
            {
                comparison.made.insert(array, name);
            }
        }
        comparison
    }

    fn remark(&self, at: LocId, topic: Topic, text: String) -> Remark {
        let loc = self.after.outermost(at);
        Remark {
            source: loc.source.clone(),
            function: loc.function.clone(),
            line: loc.line,
            topic,
            text,
        }
    }

    /// What is not made any more.
    fn fused(&self, out: &mut Vec<Remark>) {
        let mut computed_at: BTreeMap<LocId, Vec<u32>> = BTreeMap::new();
        let mut still: FxHashSet<LocId> = FxHashSet::default();
        for inst in self.after.blocks.iter().flat_map(|b| &b.insts) {
            let Op::Nest(nest) = &inst.op else { continue };
            still.insert(inst.loc);
            for part in &nest.insts {
                let lines = computed_at.entry(part.loc).or_default();
                let line = self.after.outermost(inst.loc).line;
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
        }
        // Of several operations that begin at one place, the last one's result is the variable's.
        let mut last: FxHashMap<(u32, u32), &Inst> = FxHashMap::default();
        let before = self.before.blocks.iter().flat_map(|b| &b.insts);
        for inst in before.clone().filter(|i| matches!(i.op, Op::Nest(_))) {
            let loc = self.before.outermost(inst.loc);
            last.insert((loc.line, loc.column), inst);
        }
        let is_last = |inst: &Inst| {
            let loc = self.before.outermost(inst.loc);
            last.get(&(loc.line, loc.column))
                .is_some_and(|i| i.results == inst.results)
        };
        for inst in before {
            let Op::Nest(nest) = &inst.op else { continue };
            let kept = inst
                .results
                .first()
                .and_then(|array| self.defined.get(array));
            if let Some(now) = kept {
                let (here, there) = (
                    self.before.outermost(inst.loc).line,
                    self.after.outermost(now.loc).line,
                );
                if here != there {
                    let text = format!(
                        "{} is made in the loop of line {there}",
                        self.array(inst.results[0])
                    );
                    out.push(self.remark(inst.loc, Topic::Fused, text));
                }
                continue;
            }
            if still.contains(&inst.loc) {
                continue;
            }
            // What has no operations, a copy, leaves no trace.
            let lines = computed_at.get(&inst.loc).map_or(&[][..], |lines| lines);
            let what = match &self.name(self.before, inst.loc) {
                Some(name) if is_last(inst) => format!("`{name}` is not made"),
                _ if nest.insts.is_empty() => "no copy is made".to_owned(),
                _ => "no array is made for a result in between".to_owned(),
            };
            let here = self.before.outermost(inst.loc).line;
            let text = match lines {
                [] => what,
                [line] if *line == here => {
                    format!("{what}: its items are computed where they are used")
                }
                lines => format!(
                    "{what}: its items are computed in the loop of {}",
                    listed(lines)
                ),
            };
            out.push(self.remark(inst.loc, Topic::Fused, text));
        }
    }

    /// What is left after fusion.
    fn left(&self, out: &mut Vec<Remark>) {
        let repeated = repeated(self.after);
        for (block, body) in self.after.blocks.iter().enumerate() {
            for inst in &body.insts {
                match &inst.op {
                    Op::Nest(nest) => self.nest(inst, nest, repeated[block], out),
                    Op::Rt { func, args } if allocates(*func) => {
                        let bytes = args.first().and_then(|&v| self.value(v, 0));
                        let bytes = bytes.map_or("an array".to_owned(), |n| format!("{n} bytes"));
                        let text = format!("{bytes}{}", each(repeated[block]));
                        out.push(self.remark(inst.loc, Topic::Memory, text));
                    }
                    Op::Rt { func, .. } => {
                        if let Some(text) = library(*func) {
                            out.push(self.remark(inst.loc, Topic::Library, text.to_owned()));
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    /// Loops that run block by block.
    fn blocked(&self, plans: &[Plan], out: &mut Vec<Remark>) {
        for plan in plans {
            let early = if plan.retires() {
                "; a block in which nothing will change any more is left early"
            } else {
                ""
            };
            let text = format!(
                "all rounds of the loop for {} items, then for the next ones, so that they stay in the cache{early}",
                plan.items
            );
            out.push(self.remark(plan.loc, Topic::Loop, text));
        }
    }

    /// Why arrays are made that might not have to be.
    fn refused(&self, out: &mut Vec<Remark>) {
        for (array, at, refusal) in refusals(self.after) {
            let what = self.array(array);
            let line = |at: Place| {
                let body = &self.after.blocks[at.block];
                let loc = body
                    .insts
                    .get(at.inst)
                    .map_or(body.term_loc, |inst| inst.loc);
                self.after.outermost(loc).line
            };
            let why = match refusal {
                Refusal::Needed(at) => {
                    let body = &self.after.blocks[at.block];
                    let how = match body.insts.get(at.inst).map(|inst| &inst.op) {
                        None if matches!(body.term, Term::Return(_)) => "returns it".to_owned(),
                        None => "keeps it for what follows".to_owned(),
                        Some(Op::Nest(_)) => "writes to it".to_owned(),
                        Some(Op::Call { .. } | Op::CallIndirect { .. }) => {
                            "passes it to a function that is not inlined".to_owned()
                        }
                        Some(Op::Rt { func, .. }) if library(*func).is_some() => {
                            "passes it to a library".to_owned()
                        }
                        Some(_) => "needs it in memory".to_owned(),
                    };
                    format!("line {} {how}", line(at))
                }
                Refusal::Unclear(at) => {
                    format!(
                        "line {} looks at it in a way that is not seen through",
                        line(at)
                    )
                }
                Refusal::Costly => {
                    "computing its items again for each of its readers would take longer".to_owned()
                }
                Refusal::NotAlways(at) => {
                    format!("line {} may read it several times, or not at all", line(at))
                }
                Refusal::Changed(at) => format!(
                    "what it is computed from may be changed before line {} reads it",
                    line(at)
                ),
                Refusal::Overlaps(at) => {
                    format!("line {} stores to what it is computed from", line(at))
                }
            };
            let loc = self.after.blocks[at.block].insts[at.inst].loc;
            out.push(self.remark(loc, Topic::Memory, format!("{what} is made: {why}")));
        }
    }

    /// What runs in bands.
    fn together(&self, plans: &[Plan], out: &mut Vec<Remark>) {
        let blocked = plans.iter().flat_map(Plan::covers).collect();
        for group in bands::groups(self.after, blocked) {
            let line = |at: LocId| self.after.outermost(at).line;
            let mut lines: Vec<u32> = group.nests.iter().map(|at| line(*at)).collect();
            lines.sort_unstable();
            lines.dedup();
            for &at in &group.nests {
                let others: Vec<u32> = lines.iter().copied().filter(|l| *l != line(at)).collect();
                let text = match &others[..] {
                    [] => "the passes of this line run together, some rows at a time, when the \
                           arrays are larger than the cache"
                        .to_owned(),
                    others => format!(
                        "runs together with {}, some rows at a time, when the arrays are larger \
                         than the cache",
                        listed(others)
                    ),
                };
                out.push(self.remark(at, Topic::Loop, text));
            }
            for (array, at) in group.kept {
                let text = format!("then {} is never more than these rows", self.array(array));
                out.push(self.remark(at, Topic::Memory, text));
            }
        }
    }

    fn nest(&self, inst: &Inst, nest: &Nest, repeated: bool, out: &mut Vec<Remark>) {
        let mut text = match (
            nest.extents.len(),
            self.product(nest.extents.iter().copied()),
        ) {
            (0, _) => "a single item".to_owned(),
            (_, Some(count)) => format!("one pass over {count} items"),
            (1, None) => "one pass".to_owned(),
            (rank, None) => format!("one pass over {rank} dimensions"),
        };
        let mut read: Vec<String> = vec![];
        for input in &nest.inputs {
            let name = self.array(input.access.array);
            if !read.contains(&name) {
                read.push(name);
            }
        }
        if !read.is_empty() {
            let _ = write!(text, ", reads {}", read.join(", "));
        }
        let mut results = inst.results.iter().copied();
        for output in &nest.outputs {
            let _ = match &output.kind {
                OutputKind::New(_) => write!(
                    text,
                    ", makes {}",
                    self.array(results.next().unwrap_or(Value(0)))
                ),
                OutputKind::Store(access) => {
                    write!(text, ", stores into {}", self.array(access.array))
                }
                OutputKind::Scatter(scatter) => {
                    write!(text, ", stores into items of {}", self.array(scatter.array))
                }
                OutputKind::Select(_) => {
                    let name = self.array(results.next().unwrap_or(Value(0)));
                    write!(text, ", makes {name} of those that are chosen")
                }
                OutputKind::Reduce(Reduction {
                    target: Some(access),
                    ..
                }) => write!(text, ", reduces into {}", self.array(access.array)),
                OutputKind::Reduce(r) if r.item.is_some() => {
                    let name = self.array(results.next().unwrap_or(Value(0)));
                    write!(text, ", reduces to {name}")
                }
                OutputKind::Reduce(_) => {
                    results.by_ref().take(output.values.len()).for_each(|_| {});
                    write!(text, ", reduces to a number")
                }
            };
        }
        out.push(self.remark(inst.loc, Topic::Loop, text));
        let why = if nest.stores() {
            "the loop stores to what it is part of"
        } else {
            "its items lie apart, and the loop reads them again in each round"
        };
        for input in nest.inputs.iter().filter(|i| i.copied) {
            let text = format!("{} is copied first: {why}", self.array(input.access.array));
            out.push(self.remark(inst.loc, Topic::Memory, text));
        }
        let as_int = |v: Value| match self.defined.get(&v)?.op {
            Op::Int(n) => Some(n),
            _ => None,
        };
        if turn::may_turn(&self.after.options, nest, as_int) {
            let text = format!(
                "up to {} items of the last dimension are turned around, {} columns at a time: vectors go \
                 along the results",
                turn::SHORT,
                turn::COLUMNS
            );
            out.push(self.remark(inst.loc, Topic::Loop, text));
        }
        for output in &nest.outputs {
            if let Some(bytes) = self.bytes(nest, output) {
                let text = format!("a new array, {bytes}{}", each(repeated));
                out.push(self.remark(inst.loc, Topic::Memory, text));
            }
        }
        let sources = nest.sources.iter().map(|s| (s.array, s.output));
        let inputs = nest.guards.iter();
        let inputs = inputs.map(|&(i, o)| (nest.inputs[i as usize].access.array, o));
        for (array, output) in inputs.chain(sources) {
            let read = self.array(array);
            let Some(stored) = nest.outputs[output as usize].target() else {
                continue;
            };
            let text = format!(
                "stores directly if {} and {read} share no memory, which is looked at when it runs; \
                 otherwise the results are kept aside first",
                self.array(stored)
            );
            out.push(self.remark(inst.loc, Topic::Memory, text));
        }
    }

    /// What a new array takes.
    fn bytes(&self, nest: &Nest, output: &Output) -> Option<String> {
        let (item, kept) = match &output.kind {
            OutputKind::New(item) => (item, (0..nest.extents.len()).collect::<Vec<_>>()),
            OutputKind::Reduce(r) if r.makes_array() => {
                (r.item.as_ref()?, r.kept(nest.extents.len()).collect())
            }
            _ => return None,
        };
        let size = item.size;
        let count = self.product(kept.into_iter().map(|d| nest.extents[d]));
        Some(match count.as_deref() {
            Some("") => format!("{size} bytes"),
            Some(count) => format!("{size} * {count} bytes"),
            None => format!("{size} bytes for each item"),
        })
    }

    /// The variable that what is made here is bound to.
    fn name(&self, f: &Function, at: LocId) -> Option<Arc<str>> {
        let loc = f.outermost(at);
        let own = Arc::ptr_eq(&loc.source, &self.names.source);
        let name = self.names.variables.get(&(loc.line, loc.column));
        name.filter(|_| own).cloned()
    }

    /// An array, in words.
    fn array(&self, v: Value) -> String {
        if let Some(name) = self.params.get(&v).or_else(|| self.made.get(&v)) {
            return format!("`{name}`");
        }
        let Some(inst) = self.defined.get(&v) else {
            return "an array".to_owned();
        };
        match &inst.op {
            Op::Subview(_) | Op::View { .. } => {
                let base = match &inst.op {
                    Op::Subview(view) => view.base,
                    Op::View { base, .. } => *base,
                    _ => v,
                };
                let base = self.array(base);
                if base.starts_with("part of") {
                    base
                } else {
                    format!("part of {base}")
                }
            }
            op => match self.name(self.after, inst.loc) {
                Some(name) => format!("`{name}`"),
                None if matches!(op, Op::Nest(_) | Op::MakeArray { .. }) => {
                    "a new array".to_owned()
                }
                None => "an array".to_owned(),
            },
        }
    }

    /// A number in terms of the function's arguments and variables.
    fn value(&self, v: Value, depth: u32) -> Option<String> {
        if let Some(name) = self.params.get(&v) {
            return Some(name.to_string());
        }
        match &self.defined.get(&v)?.op {
            Op::Int(n) => Some(n.to_string()),
            Op::ArrayPart(array, Part::Shape(k)) => {
                let array = self.array(*array);
                let name = array.strip_prefix('`')?.strip_suffix('`')?;
                Some(format!("{name}.shape[{k}]"))
            }
            Op::Binary { op, a, b, .. } if depth < 3 => {
                let sign = match op {
                    Bin::Add => '+',
                    Bin::Sub => '-',
                    Bin::Mul => '*',
                    _ => return None,
                };
                let (a, b) = (self.value(*a, depth + 1)?, self.value(*b, depth + 1)?);
                Some(match sign {
                    '*' => format!("{a} * {b}"),
                    _ if depth == 0 => format!("{a} {sign} {b}"),
                    _ => format!("({a} {sign} {b})"),
                })
            }
            _ => None,
        }
    }

    /// Numbers multiplied, if all are known.
    fn product(&self, factors: impl Iterator<Item = Value>) -> Option<String> {
        let factors: Option<Vec<String>> = factors.map(|v| self.value(v, 0)).collect();
        Some(factors?.join(" * "))
    }
}

fn each(repeated: bool) -> &'static str {
    if repeated {
        ", in each round of a loop"
    } else {
        ""
    }
}

fn listed(lines: &[u32]) -> String {
    let numbers: Vec<String> = lines.iter().map(u32::to_string).collect();
    let s = if lines.len() == 1 { "" } else { "s" };
    format!("line{s} {}", numbers.join(", "))
}

/// The blocks that a loop goes through.
fn repeated(f: &Function) -> Vec<bool> {
    let reaches_itself = |start: usize| {
        let mut seen = vec![false; f.blocks.len()];
        let mut open = vec![start];
        while let Some(block) = open.pop() {
            for target in f.blocks[block].term.targets() {
                let next = target.block.index();
                if next == start {
                    return true;
                }
                if !std::mem::replace(&mut seen[next], true) {
                    open.push(next);
                }
            }
        }
        false
    };
    (0..f.blocks.len()).map(reaches_itself).collect()
}
