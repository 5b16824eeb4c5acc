//! Calls and lines that were counted one by one: recordings of them put together, named, and drawn.

use std::collections::HashMap;

use crate::intern::Interner;
use crate::labels;
use crate::model::*;
use crate::sources;

/// A recording that is being made of what profilers of calls and lines have counted, in one process or in
/// several: what is the same becomes one row.
pub struct Merge {
    interner: Interner,
    calls: HashMap<(FunctionId, Option<SignatureId>), CallId>,
    callers: HashMap<(CallId, CallId), usize>,
    lines: HashMap<(FunctionId, u32), usize>,
}

/// A function, as profilers name it.
#[derive(Clone, Debug, Default)]
pub struct Named<'a> {
    pub name: &'a str,
    pub file: &'a str,
    pub line: u32,
    pub is_native: bool,
}

impl Merge {
    pub fn new(meta: Meta) -> Merge {
        Merge {
            interner: Interner::new(meta),
            calls: HashMap::new(),
            callers: HashMap::new(),
            lines: HashMap::new(),
        }
    }

    pub fn function(&mut self, named: &Named<'_>) -> FunctionId {
        if !named.is_native {
            return self
                .interner
                .python_function(named.name, named.file, named.line);
        }
        let function = Function {
            kind: Kind::Native,
            name: self.interner.out.texts.add(named.name),
            file: TextId::EMPTY,
            line: 0,
            module: TextId::EMPTY,
        };
        self.interner.function(function)
    }

    pub fn signature<'a>(
        &mut self,
        arguments: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> SignatureId {
        let texts = &mut self.interner.out.texts;
        let arguments = arguments
            .map(|(name, what)| (texts.add(name), texts.add(what)))
            .collect();
        self.interner.signature(Signature { arguments })
    }

    pub fn call(
        &mut self,
        function: FunctionId,
        signature: Option<SignatureId>,
        counted: Counted,
    ) -> CallId {
        let all = &mut self.interner.out.calls;
        let id = *self.calls.entry((function, signature)).or_insert_with(|| {
            all.push(Call {
                function,
                signature,
                counted: Counted::default(),
            });
            CallId(all.len() as u32 - 1)
        });
        all[id.index()].counted.add(counted);
        id
    }

    pub fn caller(&mut self, caller: CallId, callee: CallId, counted: Counted) {
        let all = &mut self.interner.out.callers;
        let at = *self.callers.entry((caller, callee)).or_insert_with(|| {
            all.push(Caller {
                caller,
                callee,
                counted: Counted::default(),
            });
            all.len() - 1
        });
        all[at].counted.add(counted);
    }

    pub fn line(&mut self, function: FunctionId, line: u32, hits: u64, time: u64) {
        let all = &mut self.interner.out.lines;
        let at = *self.lines.entry((function, line)).or_insert_with(|| {
            all.push(LineHits {
                function,
                line,
                hits: 0,
                time: 0,
            });
            all.len() - 1
        });
        all[at].hits = all[at].hits.saturating_add(hits);
        all[at].time = all[at].time.saturating_add(time);
    }

    /// A process that was recorded, or was not for a reason.
    pub fn process(&mut self, mut process: Process, from: &Texts) {
        let texts = &mut self.interner.out.texts;
        for text in [
            &mut process.command,
            &mut process.python,
            &mut process.reason,
        ] {
            *text = texts.add(from.get(*text));
        }
        process.parent = None;
        self.interner.out.processes.push(process);
    }

    /// What there is to be said of how it was counted.
    pub fn log(&mut self, text: &str) {
        self.interner.log(0, None, text);
    }

    /// Adds all that another recording has counted.
    pub fn add(&mut self, from: &Recording) {
        let text = |id: TextId| from.texts.get(id);
        let functions: Vec<FunctionId> = from
            .functions
            .iter()
            .map(|f| {
                let texts = &mut self.interner.out.texts;
                let function = Function {
                    kind: f.kind,
                    name: texts.add(text(f.name)),
                    file: texts.add(text(f.file)),
                    line: f.line,
                    module: texts.add(text(f.module)),
                };
                self.interner.function(function)
            })
            .collect();
        let signatures: Vec<SignatureId> = from
            .signatures
            .iter()
            .map(|s| self.signature(s.arguments.iter().map(|&(a, t)| (text(a), text(t)))))
            .collect();
        let calls: Vec<CallId> = from
            .calls
            .iter()
            .map(|call| {
                let signature = call.signature.map(|s| signatures[s.index()]);
                self.call(functions[call.function.index()], signature, call.counted)
            })
            .collect();
        for caller in &from.callers {
            let (from, to) = (calls[caller.caller.index()], calls[caller.callee.index()]);
            self.caller(from, to, caller.counted);
        }
        for line in &from.lines {
            self.line(
                functions[line.function.index()],
                line.line,
                line.hits,
                line.time,
            );
        }
        let begun = self.interner.out.meta.started;
        let later = from.meta.started.saturating_sub(begun);
        for process in &from.processes {
            let mut process = process.clone();
            process.start = process.start.saturating_add(later);
            process.end = process.end.saturating_add(later);
            self.process(process, &from.texts);
        }
        for line in &from.log {
            let said = text(line.text).to_owned();
            self.interner.log(0, None, &said);
        }
        let meta = &mut self.interner.out.meta;
        meta.elapsed = meta.elapsed.max(from.meta.elapsed);
    }

    /// The recording, the costliest calls first, with the sources that it is of.
    pub fn finish(mut self, with_sources: bool) -> Recording {
        sort(&mut self.interner.out);
        if with_sources {
            let out = &self.interner.out;
            let of_lines = out.lines.iter().map(|l| l.function);
            let functions = of_lines.chain(out.calls.iter().map(|c| c.function));
            let mut files: Vec<TextId> = functions
                .map(|f| out.functions[f.index()].file)
                .filter(|&file| file != TextId::EMPTY)
                .collect();
            let mut seen = std::collections::HashSet::new();
            files.retain(|&file| seen.insert(file));
            files.sort_by_key(|&file| sources::is_library(out.texts.get(file)));
            self.interner.add_sources(&files);
        }
        self.interner.out
    }
}

/// Sorts calls by their own time, and lines by place.
fn sort(r: &mut Recording) {
    let mut order: Vec<usize> = (0..r.calls.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse((r.calls[i].counted.own, r.calls[i].counted.calls)));
    let mut place = vec![CallId(0); order.len()];
    for (to, &from) in order.iter().enumerate() {
        place[from] = CallId(to as u32);
    }
    r.calls = order.iter().map(|&i| r.calls[i]).collect();
    for caller in &mut r.callers {
        caller.caller = place[caller.caller.index()];
        caller.callee = place[caller.callee.index()];
    }
    r.callers
        .sort_by_key(|c| (c.callee, std::cmp::Reverse(c.counted.total), c.caller));
    let functions = &r.functions;
    r.lines.sort_by_key(|l| {
        let function = &functions[l.function.index()];
        (function.file, function.line, l.function, l.line)
    });
}

impl Counted {
    pub fn add(&mut self, other: Counted) {
        self.calls = self.calls.saturating_add(other.calls);
        self.primitive = self.primitive.saturating_add(other.primitive);
        self.own = self.own.saturating_add(other.own);
        self.total = self.total.saturating_add(other.total);
    }
}

/// The name of a call, as `dot(a:ndarray(dtype=float32, shape=(16,)), n:int)`; a method's begins with its class
/// instead of `self`.
pub fn name(r: &Recording, call: &Call) -> String {
    let function = &r.functions[call.function.index()];
    let full = labels::name(r, function);
    if function.kind == Kind::Native {
        return full.to_owned();
    }
    // The code's own name, without what it is in.
    let short = full.rsplit('.').next().unwrap_or(full);
    let Some(signature) = call.signature else {
        return short.to_owned();
    };
    let mut arguments = &r.signatures[signature.index()].arguments[..];
    let mut name = short.to_owned();
    if let Some((&(first, owner), rest)) = arguments.split_first()
        && r.texts.get(first) == "self"
    {
        let owner = r.texts.get(owner);
        let owner = owner.split(['(', '[']).next().unwrap_or(owner);
        name = match short {
            "__init__" => owner.to_owned(),
            _ => format!("{owner}.{short}"),
        };
        arguments = rest;
    }
    let arguments = arguments.iter().map(|&(name, what)| {
        let what = r.texts.get(what);
        match r.texts.get(name) {
            "" => what.to_owned(),
            name => format!("{name}:{what}"),
        }
    });
    format!("{name}({})", arguments.collect::<Vec<_>>().join(", "))
}

/// A recording of samples that shows counted calls: a tree, of which only the edges are known. What a call costs
/// is shared among its callers, and theirs, in proportion to the time of their calls. Roots are calls that
/// nothing calls; recursion ends where it begins; parts of less than a thousandth are left out.
pub fn as_samples(r: &Recording) -> Recording {
    const LEAST: f64 = 0.001;
    const DEPTH: usize = 100;
    let mut made = Interner::new(r.meta.clone());
    let process = made.out.texts.add("");
    made.out.processes.push(Process {
        pid: r.processes.first().map_or(0, |p| p.pid),
        parent: None,
        command: process,
        python: TextId::EMPTY,
        start: 0,
        end: r.meta.elapsed,
        user: 0,
        kernel: 0,
        reason: TextId::EMPTY,
        counts: Counts::default(),
    });
    let thread = made.out.texts.add("all calls");
    made.out.threads.push(Thread {
        process: ProcessId(0),
        tid: 0,
        name: thread,
        start: 0,
        end: r.meta.elapsed,
        user: 0,
        kernel: 0,
    });
    let frames: Vec<FrameId> = r
        .calls
        .iter()
        .map(|call| {
            let function = &r.functions[call.function.index()];
            let texts = &mut made.out.texts;
            let function = Function {
                name: texts.add(&name(r, call)),
                file: texts.add(r.texts.get(function.file)),
                module: texts.add(r.texts.get(function.module)),
                ..function.clone()
            };
            let function = made.function(function);
            made.frame(Frame::of(function))
        })
        .collect();
    let mut callees: Vec<Vec<&Caller>> = vec![vec![]; r.calls.len()];
    let mut has_caller = vec![false; r.calls.len()];
    for caller in &r.callers {
        callees[caller.caller.index()].push(caller);
        has_caller[caller.callee.index()] |= caller.caller != caller.callee;
    }
    let roots = (0..r.calls.len()).filter(|&i| !has_caller[i]);
    // What is left to be drawn: a call, its stack so far, its time there.
    let mut left: Vec<(usize, Vec<usize>, Option<StackId>, f64)> = roots
        .map(|i| (i, vec![], None, r.calls[i].counted.total as f64))
        .collect();
    let all: f64 = left.iter().map(|l| l.3).sum::<f64>().max(1.0);
    let mut shown = 0;
    while let Some((call, mut path, parent, time)) = left.pop() {
        shown += 1;
        if shown > 100_000 {
            break;
        }
        let stack = made.stack(Stack {
            parent,
            frame: frames[call],
        });
        let total = r.calls[call].counted.total.max(1) as f64;
        let share = (time / total).min(1.0);
        path.push(call);
        let mut rest = time;
        for edge in &callees[call] {
            let callee = edge.callee.index();
            let part = (edge.counted.total as f64 * share).min(rest);
            if path.contains(&callee) || path.len() > DEPTH || part < all * LEAST {
                continue;
            }
            rest -= part;
            left.push((callee, path.clone(), Some(stack), part));
        }
        let micros = (rest / 1e3).round();
        if micros >= 1.0 {
            made.out.samples.push(Sample {
                time: 0,
                thread: ThreadId(0),
                stack: Some(stack),
                state: State::Running,
                user: micros.min(f64::from(u32::MAX)) as u32,
                kernel: 0,
                wait: 0,
                signature: None,
            });
        }
    }
    made.out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(calls: u64, own: u64, total: u64) -> Counted {
        Counted {
            calls,
            primitive: calls,
            own,
            total,
        }
    }

    fn example() -> Recording {
        let mut merge = Merge::new(Meta::default());
        let named = |name, line| Named {
            name,
            file: "/app/main.py",
            line,
            is_native: false,
        };
        let main = merge.function(&named("<module>", 1));
        let step = merge.function(&named("Solver.step", 3));
        let signature = [("self", "Solver"), ("n", "int")];
        let signature = merge.signature(signature.into_iter());
        let main = merge.call(main, None, counted(1, 10_000, 90_000));
        let step = merge.call(step, Some(signature), counted(8, 80_000, 80_000));
        merge.caller(main, step, counted(8, 80_000, 80_000));
        merge.line(FunctionId(1), 4, 8, 70_000);
        merge.finish(false)
    }

    #[test]
    fn what_several_processes_counted_is_added_up() {
        let one = example();
        let mut merge = Merge::new(Meta::default());
        merge.add(&one);
        merge.add(&one);
        let both = merge.finish(false);
        assert_eq!(both.calls.len(), 2);
        assert_eq!(both.calls[0].counted, counted(16, 160_000, 160_000));
        assert_eq!(both.callers[0].counted.calls, 16);
        assert_eq!((both.lines[0].hits, both.lines[0].time), (16, 140_000));
    }

    #[test]
    fn a_method_is_named_after_its_class() {
        let r = example();
        let names: Vec<String> = r.calls.iter().map(|c| name(&r, c)).collect();
        assert_eq!(names, ["Solver.step(n:int)", "<module>"]);
    }

    #[test]
    fn calls_are_drawn_as_a_tree() {
        let drawn = as_samples(&example());
        let cpu: u64 = drawn.samples.iter().map(Sample::cpu).sum();
        assert_eq!((drawn.stacks.len(), cpu), (2, 90));
    }
}
