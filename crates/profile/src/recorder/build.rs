//! From what agents wrote to the tables of a recording.

use std::collections::HashMap;
use std::rc::Rc;

use ferdelance_abi::codemap::{Entry, LineRow, Scope};
use ferdelance_abi::spool::{Bytes, Frame as Word, Head, clock, cost_limit, flag, kind};

use super::others::{Others, numba_name};
use super::spool::{ModuleEntry, Raw, Tables};
use super::strangers::Stranger;
use super::waits::{Place, Waits, What};
use super::weights::{Tick, weights};
use super::{Recorded, Recorder};
use crate::debug::{DebugInfo, Part};
use crate::intern::{Interner, module_of};
use crate::lines;
use crate::model::{
    Counts, Frame, FrameId, Function, Kind, LogLine, Meta, Process, ProcessId, Recording, Sample,
    Signature, SignatureId, Stack, StackId, State, TextId, Thread, ThreadId,
};
use crate::proc;
use crate::report::operation::is_interpreter;
use crate::symbols::{Symbols, demangled};

/// Files of ours, whose frames nobody wants to see.
const AGENT: &str = "_agent.so";
/// Stands for code that was compiled while the program ran, of which no more is known.
const COMPILED: &str = "(compiled code)";

pub fn recording(recorder: Recorder, meta: Meta, with_sources: bool) -> Recording {
    let mut build = Build {
        tables: Interner::new(meta),
        start: recorder.start,
        symbols: Symbols::default(),
        debug: DebugInfo::default(),
        native: HashMap::new(),
    };
    for process in &recorder.processes {
        build.process(process, &recorder.processes);
    }
    for &time in &recorder.slowed {
        build.log(
            time,
            None,
            "the recording grew large: from here on at half the rate",
        );
    }
    let is_known = |pid| recorder.processes.iter().any(|p| p.pid == pid);
    for stranger in recorder.strangers.finish(is_known) {
        build.stranger(&stranger);
    }
    if build.debug.is_exhausted() {
        let end = build.tables.out.meta.elapsed;
        let text = "debug information is large: not all lines of native code are known";
        build.tables.log(end, None, text);
    }
    if with_sources {
        build.tables.sources();
    }
    build.tables.out
}

struct Build {
    tables: Interner,
    start: u64,
    symbols: Symbols,
    debug: DebugInfo,
    /// By file and address in it: a function, and those that were put into it there.
    native: HashMap<(TextId, u64), Rc<[FrameId]>>,
}

/// CPU time as the system says, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    user: u64,
    kernel: u64,
}

/// A thread while its records are read.
struct Running {
    id: ThreadId,
    start: Times,
    /// All CPU time at the beginning and at last, in nanoseconds.
    first_total: u64,
    last_total: u64,
    ticks: Vec<Tick>,
    /// The samples, in the order of ticks: indices of `samples`.
    samples: Vec<usize>,
    last: Times,
}

impl Build {
    /// Nanoseconds since the recording began.
    fn time(&self, monotonic: u64) -> u64 {
        monotonic.saturating_sub(self.start)
    }

    fn log(&mut self, time: u64, process: Option<ProcessId>, text: &str) {
        let line = LogLine {
            time: self.time(time),
            process,
            text: self.tables.out.texts.add(text),
        };
        self.tables.out.log.push(line);
    }

    fn process(&mut self, recorded: &Recorded, all: &[Recorded]) {
        let Some(tables) = &recorded.tables else {
            return;
        };
        let id = ProcessId(self.tables.out.processes.len() as u32);
        // A process that runs one program after the other is several here, the last of which is meant.
        let started = recorded.spool.start;
        let parent = all
            .iter()
            .take(self.tables.out.processes.len())
            .rposition(|p| p.pid == recorded.parent && p.spool.start <= started)
            .map(|i| ProcessId(i as u32));
        let version = tables.python;
        let python = match version {
            0 => String::new(),
            v => proc::python_version(v),
        };
        let process = Process {
            pid: recorded.pid,
            parent,
            command: self.tables.out.texts.add(&recorded.command),
            python: self.tables.out.texts.add(&python),
            start: self.time(started),
            end: self.time(recorded.end),
            user: 0,
            kernel: 0,
            reason: TextId::EMPTY,
            counts: tables.counts,
        };
        self.tables.out.processes.push(process);
        self.log_process(id, recorded, tables);
        let stacks = self.stacks(tables, &recorded.others);
        let signatures = self.process_signatures(tables);
        let (first_thread, first_sample) =
            (self.tables.out.threads.len(), self.tables.out.samples.len());
        let (user, kernel, taken) = self.threads(id, recorded, &stacks, &signatures);
        self.waits(recorded, tables, first_thread);
        self.names(recorded, tables, first_thread);
        self.tables.out.samples[first_sample..].sort_by_key(|s| (s.thread, s.time));
        let process = &mut self.tables.out.processes[id.index()];
        (process.user, process.kernel) = (user, kernel);
        process.counts = Counts {
            taken,
            ..process.counts
        };
    }

    /// A process that could not be recorded.
    fn stranger(&mut self, stranger: &Stranger) {
        let parent = self
            .tables
            .out
            .processes
            .iter()
            .rposition(|p| p.pid == stranger.parent);
        let process = Process {
            pid: stranger.pid,
            parent: parent.map(|i| ProcessId(i as u32)),
            command: self.tables.out.texts.add(&stranger.command),
            python: TextId::EMPTY,
            start: self.time(stranger.start),
            end: self.time(stranger.end),
            user: stranger.user,
            kernel: stranger.kernel,
            reason: self.tables.out.texts.add(stranger.reason),
            counts: Counts::default(),
        };
        self.tables.out.processes.push(process);
    }

    fn log_process(&mut self, id: ProcessId, recorded: &Recorded, tables: &Tables) {
        let time = recorded.spool.start;
        let clocks = match tables.clock {
            clock::PERF => "clocks: perf for user code, timers for the kernel",
            clock::TIMER => "clocks: timers only (perf_event_open is not allowed here)",
            _ => "no clock could be started: nothing is sampled",
        };
        self.log(time, Some(id), clocks);
        if let (Some(half), Some(most)) = (percentile(tables, 500), percentile(tables, 999)) {
            let micros = |ns: u64| ns as f64 / 1000.0;
            let text = format!(
                "taking a sample: half of them below {:.1} µs, all but 0.1 % below {:.0} µs",
                micros(half),
                micros(most)
            );
            self.log(time, Some(id), &text);
        }
        if tables.refused > 0 {
            let text = format!(
                "{} threads were not sampled, as there were no clocks or memory for them",
                tables.refused
            );
            self.log(time, Some(id), &text);
        }
    }

    /// Reads a process's records; returns its CPU time in microseconds, and the number of samples.
    fn threads(
        &mut self,
        process: ProcessId,
        recorded: &Recorded,
        stacks: &[Option<StackId>],
        signatures: &[SignatureId],
    ) -> (u64, u64, u64) {
        let Some(tables) = &recorded.tables else {
            return (0, 0, 0);
        };
        let mut slots: HashMap<u16, Running> = HashMap::new();
        let mut sums = (0, 0, 0);
        for raw in &recorded.raw {
            let Head { kind, slot, .. } = raw.head;
            let said = {
                let kernel = (raw.a >> 32) * 10;
                Times {
                    user: (raw.b / 1000).saturating_sub(kernel),
                    kernel,
                }
            };
            match kind {
                kind::THREAD => {
                    let id = ThreadId(self.tables.out.threads.len() as u32);
                    self.tables.out.threads.push(Thread {
                        process,
                        tid: raw.a as u32,
                        name: TextId::EMPTY,
                        start: self.time(raw.time),
                        end: self.time(recorded.end),
                        user: 0,
                        kernel: 0,
                    });
                    let running = Running {
                        id,
                        start: said,
                        first_total: raw.b,
                        last_total: raw.b,
                        ticks: vec![],
                        samples: vec![],
                        last: said,
                    };
                    if let Some(before) = slots.insert(slot, running) {
                        self.thread_is_over(before, &mut sums);
                    }
                }
                kind::NAME => {
                    if let Some(running) = slots.get(&slot) {
                        self.tables.out.threads[running.id.index()].name = self.name(raw);
                    }
                }
                kind::PYTHON_NAME => {
                    if let Some(running) = slots.get(&slot) {
                        let name = tables.text(Bytes::from_word(raw.a));
                        let name = self.tables.out.texts.add(&name);
                        self.tables.out.threads[running.id.index()].name = name;
                    }
                }
                kind::END => {
                    if let Some(mut running) = slots.remove(&slot) {
                        running.last_total = running.last_total.max(raw.b);
                        running.last = Times {
                            user: said.user.max(running.start.user),
                            kernel: said.kernel.max(running.last.kernel),
                        };
                        self.tables.out.threads[running.id.index()].end = self.time(raw.time);
                        self.thread_is_over(running, &mut sums);
                    }
                }
                kind::SAMPLE => {
                    if let Some(running) = slots.get_mut(&slot) {
                        self.sample(raw, running, stacks, signatures);
                    }
                }
                _ => {}
            }
        }
        let mut left: Vec<Running> = slots.into_values().collect();
        left.sort_by_key(|r| r.id);
        for running in left {
            self.thread_is_over(running, &mut sums);
        }
        sums
    }

    fn name(&mut self, raw: &Raw) -> TextId {
        let bytes = [raw.a.to_le_bytes(), raw.b.to_le_bytes()].concat();
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
        self.tables
            .out
            .texts
            .add(&String::from_utf8_lossy(&bytes[..end]))
    }

    fn sample(
        &mut self,
        raw: &Raw,
        running: &mut Running,
        stacks: &[Option<StackId>],
        signatures: &[SignatureId],
    ) {
        let is_kernel = raw.head.flags & flag::KERNEL != 0;
        let mut stack = stacks.get(raw.a as u32 as usize).copied().flatten();
        if is_kernel {
            stack = Some(self.tables.in_kernel(stack, "kernel"));
            running.last.kernel = running.last.kernel.max((raw.a >> 32) * 10);
        }
        running.last.user = (raw.b / 1000).saturating_sub(running.last.kernel);
        running.last_total = running.last_total.max(raw.b);
        running.ticks.push(Tick {
            total: raw.b,
            user: (!is_kernel).then_some((raw.a >> 32) * 100),
        });
        running.samples.push(self.tables.out.samples.len());
        let signature = raw.head.signature.checked_sub(1);
        self.tables.out.samples.push(Sample {
            time: self.time(raw.time),
            thread: running.id,
            stack,
            state: if raw.head.flags & flag::GIL != 0 {
                State::RunningWithGil
            } else {
                State::Running
            },
            user: 0,
            kernel: 0,
            wait: 0,
            signature: signature.and_then(|s| signatures.get(s as usize).copied()),
        });
    }

    /// Adds what threads did while they did not run.
    fn waits(&mut self, recorded: &Recorded, tables: &Tables, first_thread: usize) {
        let places = recorded.waits.places.iter();
        let stacks: Vec<Option<StackId>> = places
            .map(|place| self.waiting_at(&recorded.waits, tables, place))
            .collect();
        for wait in &recorded.waits.waits {
            let (state, place) = match wait.what {
                What::Waits(place) => (State::Waiting, Some(place)),
                What::WaitsForGil(place) => (State::WaitingForGil, Some(place)),
                What::Queued => (State::Queued, None),
            };
            let thread = first_thread + wait.thread as usize;
            if thread >= self.tables.out.threads.len() {
                continue;
            }
            self.tables.out.samples.push(Sample {
                time: self.time(wait.time),
                thread: ThreadId(thread as u32),
                stack: place.and_then(|p| stacks[p as usize]),
                state,
                user: 0,
                kernel: 0,
                wait: (wait.length / 1000) as u32,
                signature: None,
            });
        }
    }

    /// Names threads as Python does, where their samples did not.
    fn names(&mut self, recorded: &Recorded, tables: &Tables, first_thread: usize) {
        for i in first_thread..self.tables.out.threads.len() {
            let number = (i - first_thread) as u32;
            let known = recorded.waits.names.get(&number).filter(|n| !n.is_empty());
            let is_main = self.tables.out.threads[i].tid == recorded.pid && tables.python != 0;
            if let Some(name) = known
                .map(String::as_str)
                .or(is_main.then_some("MainThread"))
            {
                self.tables.out.threads[i].name = self.tables.out.texts.add(name);
            }
        }
    }

    fn waiting_at(&mut self, waits: &Waits, tables: &Tables, place: &Place) -> Option<StackId> {
        let mut stack = None;
        if let Some(python) = &waits.python {
            for &frame in place.python.iter().rev() {
                let code = &python.codes[frame.code as usize];
                let function = self
                    .tables
                    .python_function(&code.name, &code.file, code.first_line);
                let frame = self.tables.frame_at(function, python.place(frame));
                stack = Some(self.tables.stack(Stack {
                    parent: stack,
                    frame,
                }));
            }
        }
        for &frame in &*self.native(tables, place.address.saturating_sub(1)) {
            stack = Some(self.tables.stack(Stack {
                parent: stack,
                frame,
            }));
        }
        let name = match place.call {
            None => "(waits)".to_owned(),
            Some(call) => proc::call_name(call),
        };
        Some(self.tables.in_kernel(stack, &name))
    }

    fn thread_is_over(&mut self, running: Running, sums: &mut (u64, u64, u64)) {
        let given = weights(&running.ticks, running.first_total, running.last_total);
        for (&at, (user, kernel)) in running.samples.iter().zip(given) {
            (
                self.tables.out.samples[at].user,
                self.tables.out.samples[at].kernel,
            ) = (user, kernel);
        }
        let thread = &mut self.tables.out.threads[running.id.index()];
        thread.user = running.last.user.saturating_sub(running.start.user);
        thread.kernel = running.last.kernel.saturating_sub(running.start.kernel);
        sums.0 += thread.user;
        sums.1 += thread.kernel;
        sums.2 += running.samples.len() as u64;
    }

    /// The stack of each node.
    fn stacks(&mut self, tables: &Tables, others: &Others) -> Vec<Option<StackId>> {
        let units: Vec<_> = tables
            .units
            .iter()
            .map(|bytes| Entry::decode(tables.bytes((*bytes)?)))
            .collect();
        let mut stacks: Vec<Option<StackId>> = Vec::with_capacity(tables.nodes.len());
        for &(word, parent) in &tables.nodes {
            let parent = stacks.get(parent as usize).copied().flatten();
            let stack = match Word::from_word(word) {
                None => parent,
                Some(Word::Compiled { unit, offset }) => {
                    let unit = units.get(unit as usize).and_then(Option::as_ref);
                    self.compiled(parent, unit, offset)
                }
                Some(Word::Native(address)) if let Some(frame) = self.others(others, address) => {
                    // What is not known outside of it are ways into such code.
                    let gap = self.tables.marker(COMPILED);
                    let above = parent.map(|p| self.tables.out.stacks[p.index()]);
                    let above = above.filter(|s| s.frame == gap);
                    let parent = above.map_or(parent, |s| s.parent);
                    Some(self.tables.stack(Stack { parent, frame }))
                }
                Some(word) => {
                    let frames = self.frames_of(tables, word);
                    frames.iter().fold(parent, |parent, &frame| {
                        Some(self.tables.stack(Stack { parent, frame }))
                    })
                }
            };
            stacks.push(stack);
        }
        stacks
    }

    /// The frames that a word of an agent's means, outermost first; none if it is the agent's own.
    fn frames_of(&mut self, tables: &Tables, word: Word) -> Rc<[FrameId]> {
        match word {
            Word::Python { code, offset } => Rc::from([self.python(tables, code, offset)]),
            Word::Native(address) => self.native(tables, address),
            Word::Compiled { .. } | Word::Gap => Rc::from([self.tables.marker(COMPILED)]),
        }
    }

    fn python(&mut self, tables: &Tables, code: u32, offset: u32) -> FrameId {
        let Some(code) = tables.codes.get(code as usize).filter(|c| c.is_ready) else {
            return self.tables.marker("(unknown Python function)");
        };
        let (name, file) = (tables.text(code.name), tables.text(code.file));
        let function = self.tables.python_function(&name, &file, code.first_line);
        let table = tables.bytes(code.lines);
        let place = lines::place(table, code.first_line, offset, tables.python);
        self.tables.frame_at(function, place)
    }

    fn native(&mut self, tables: &Tables, address: u64) -> Rc<[FrameId]> {
        let holds = |m: &&ModuleEntry| (m.start..m.end).contains(&address);
        let Some(module) = tables.modules.iter().rev().find(holds) else {
            return Rc::from([self.tables.marker("(unknown code)")]);
        };
        let path = tables.text(module.path);
        if path.ends_with(AGENT) {
            return Rc::from([]);
        }
        let relative = address - module.bias;
        let key = (self.tables.out.texts.add(&path), relative);
        if let Some(frames) = self.native.get(&key) {
            return Rc::clone(frames);
        }
        let symbol = self.symbols.find(&path, relative);
        let (start, name) = (symbol.map(|s| s.start), symbol.map(|s| demangled(&s.name)));
        let mut places = self.debug.find(&path, relative, start);
        let base = path.rsplit('/').next().unwrap_or(&path).to_owned();
        if is_interpreter(&base) {
            // Which parts of it the loop over bytecode has in place differs from call to call, and tells nothing.
            places.truncate(1);
        }
        if places.is_empty() {
            places.push(Part::default());
        }
        // Symbols are what tools know a function by; where there is none, its name in the source.
        let outer = &mut places[0].name;
        *outer = name.or(outer.take());
        let module = self.tables.out.texts.add(&base);
        let mut frames = vec![];
        for (i, place) in places.into_iter().enumerate() {
            let name = place.name.unwrap_or_else(|| format!("{relative:#x}"));
            let function = Function {
                kind: Kind::Native,
                name: self.tables.out.texts.add(&name),
                file: self.tables.out.texts.add(&place.defined_in),
                line: place.defined,
                module,
            };
            let function = self.tables.function(function);
            frames.push(self.tables.frame(Frame {
                address: relative,
                line: place.line,
                inlined: i > 0,
                ..Frame::of(function)
            }));
        }
        let frames: Rc<[FrameId]> = frames.into();
        self.native.insert(key, Rc::clone(&frames));
        frames
    }

    /// The frame of a function that others have compiled.
    fn others(&mut self, others: &Others, address: u64) -> Option<FrameId> {
        let found = others.find(address)?;
        let (kind, module, name) = match numba_name(&found.name) {
            Some((module, name)) => (Kind::Compiled, module, name),
            None => (Kind::Native, String::new(), demangled(&found.name)),
        };
        let function = Function {
            kind,
            name: self.tables.out.texts.add(&name),
            file: TextId::EMPTY,
            line: 0,
            module: self.tables.out.texts.add(&module),
        };
        let function = self.tables.function(function);
        let frame = Frame {
            address: address - found.start,
            ..Frame::of(function)
        };
        Some(self.tables.frame(frame))
    }

    /// A place in a compiled function: the function, and what was inlined there.
    fn compiled(
        &mut self,
        mut parent: Option<StackId>,
        unit: Option<&(Vec<Scope>, Vec<LineRow>)>,
        offset: u32,
    ) -> Option<StackId> {
        let unknown = |build: &mut Build, parent| {
            let frame = build.tables.marker(COMPILED);
            Some(build.tables.stack(Stack { parent, frame }))
        };
        let Some((scopes, rows)) = unit else {
            return unknown(self, parent);
        };
        let after = rows.partition_point(|row| row.offset <= offset);
        let row = after.checked_sub(1).map(|i| rows[i]);
        // From the innermost scope out; a chain that goes in a circle ends, as scopes come once each.
        let mut chain = vec![];
        let mut next = row.map(|r| (r.scope, r.line)).or(Some((0, 0)));
        while let Some((scope, line)) = next.filter(|_| chain.len() < scopes.len()) {
            let Some(scope) = scopes.get(scope as usize) else {
                break;
            };
            chain.push((scope, line));
            next = scope.inlined_at;
        }
        if chain.is_empty() {
            return unknown(self, parent);
        }
        for (i, (scope, line)) in chain.into_iter().rev().enumerate() {
            let function = Function {
                kind: Kind::Compiled,
                name: self.tables.out.texts.add(&scope.name),
                line: scope.line,
                module: self.tables.out.texts.add(&module_of(&scope.file)),
                file: self.tables.out.texts.add(&scope.file),
            };
            let function = self.tables.function(function);
            let frame = self.tables.frame(Frame {
                line,
                address: u64::from(offset),
                inlined: i > 0,
                ..Frame::of(function)
            });
            parent = Some(self.tables.stack(Stack { parent, frame }));
        }
        parent
    }

    fn process_signatures(&mut self, tables: &Tables) -> Vec<SignatureId> {
        let mut ids = vec![];
        for &(words, code) in &tables.signatures {
            let code = tables.codes.get(code as usize);
            let names = code.map_or(Bytes::default(), |c| c.parameters);
            let mut names = tables.bytes(names).split(|&b| b == 0);
            let words = tables.bytes(words).chunks_exact(8);
            let mut words = words.map(|w| u64::from_le_bytes(std::array::from_fn(|i| w[i])));
            let mut arguments = vec![];
            while let Some(word) = words.next() {
                let name = String::from_utf8_lossy(names.next().unwrap_or_default()).into_owned();
                let text = argument(tables, word, &mut words);
                arguments.push((
                    self.tables.out.texts.add(&name),
                    self.tables.out.texts.add(&text),
                ));
            }
            ids.push(self.tables.signature(Signature { arguments }));
        }
        ids
    }
}

/// An argument's type in words: see the agent's `signature`.
/// What so many of 1000 samples cost at most, in nanoseconds.
fn percentile(tables: &Tables, of_1000: u64) -> Option<u64> {
    let total: u64 = tables.costs.iter().sum();
    let mut seen = 0;
    let class = tables.costs.iter().position(|n| {
        seen += n;
        total > 0 && seen * 1000 >= total * of_1000
    })?;
    Some(cost_limit(class))
}

fn argument(tables: &Tables, word: u64, rest: &mut impl Iterator<Item = u64>) -> String {
    const DTYPES: [&str; 24] = [
        "bool",
        "int8",
        "uint8",
        "int16",
        "uint16",
        "int32",
        "uint32",
        "int64",
        "uint64",
        "int64",
        "uint64",
        "float32",
        "float64",
        "longdouble",
        "complex64",
        "complex128",
        "clongdouble",
        "object",
        "bytes",
        "str",
        "void",
        "datetime64",
        "timedelta64",
        "float16",
    ];
    const DIMENSIONS: u64 = 6;
    let class = tables.classes.get(word as u32 as usize);
    let class = class.map_or_else(|| "?".to_owned(), |&name| tables.text(name));
    let (rank, dtype, order) = (
        word >> 32 & 255,
        (word >> 40 & 255) as usize,
        word >> 48 & 3,
    );
    match word >> 56 {
        1 => "?".to_owned(),
        3 => {
            let mut shape: Vec<String> = (0..rank.min(DIMENSIONS))
                .filter_map(|_| rest.next())
                .map(|n| n.to_string())
                .collect();
            if rank > DIMENSIONS {
                shape.push("...".to_owned());
            }
            let comma = if rank == 1 { "," } else { "" };
            let dtype = DTYPES.get(dtype).unwrap_or(&"?");
            let order = match order {
                0 => "strided",
                2 => "F",
                _ => "C",
            };
            format!("ndarray({dtype}, ({}{comma}), {order})", shape.join(", "))
        }
        _ => class,
    }
}
