//! Recordings for tests: made by hand, and at random.

#![allow(dead_code, reason = "not every suite uses all of it")]

use ferdelance_profile::model::*;

/// Random numbers, the same for the same seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Less than `end`.
    pub fn below(&mut self, end: usize) -> usize {
        ((self.next() >> 33) as usize) % end.max(1)
    }

    pub fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    /// Numbers of all sizes, up to `bits`.
    pub fn number(&mut self, bits: u32) -> u64 {
        let shift = 64 - 1 - self.below(bits as usize) as u32;
        self.next() >> shift
    }
}

/// A recording in the making.
#[derive(Default)]
pub struct Builder {
    pub recording: Recording,
}

impl Builder {
    pub fn text(&mut self, text: &str) -> TextId {
        self.recording.texts.add(text)
    }

    pub fn process(&mut self, pid: u32, command: &str) -> ProcessId {
        let process = Process {
            pid,
            parent: (pid > 1)
                .then(|| self.recording.processes.len().checked_sub(1))
                .flatten()
                .map(|_| ProcessId(0)),
            command: self.text(command),
            python: self.text("3.12.1"),
            start: 0,
            end: 0,
            user: 0,
            kernel: 0,
            reason: TextId::EMPTY,
            counts: Counts::default(),
        };
        self.recording.processes.push(process);
        ProcessId(self.recording.processes.len() as u32 - 1)
    }

    /// A thread that exists for some time, in milliseconds.
    pub fn thread(&mut self, process: ProcessId, name: &str, start: u64, end: u64) -> ThreadId {
        let name = self.text(name);
        self.recording.threads.push(Thread {
            process,
            tid: 1000 + self.recording.threads.len() as u32,
            name,
            start: start * 1_000_000,
            end: end * 1_000_000,
            user: 0,
            kernel: 0,
        });
        ThreadId(self.recording.threads.len() as u32 - 1)
    }

    pub fn function(&mut self, kind: Kind, name: &str, file: &str, line: u32) -> FunctionId {
        let (place, module) = match kind {
            Kind::Python | Kind::Compiled => (file, file.trim_end_matches(".py")),
            _ => ("", file),
        };
        let function = Function {
            kind,
            name: self.text(name),
            file: self.text(place),
            line,
            module: self.text(module.rsplit('/').next().unwrap_or(module)),
        };
        let all = &mut self.recording.functions;
        let at = all.iter().position(|f| *f == function).unwrap_or(all.len());
        if at == all.len() {
            all.push(function);
        }
        FunctionId(at as u32)
    }

    /// A place in a function; the span is columns from 1 and the line in which it ends.
    pub fn frame(&mut self, function: FunctionId, line: u32, span: (u32, u32, u32)) -> FrameId {
        let frame = Frame {
            function,
            line,
            column: span.0,
            end_line: span.1,
            end_column: span.2,
            address: 0,
            inlined: false,
        };
        let all = &mut self.recording.frames;
        let at = all.iter().position(|f| *f == frame).unwrap_or(all.len());
        if at == all.len() {
            all.push(frame);
        }
        FrameId(at as u32)
    }

    /// Frames from the outermost.
    pub fn stack(&mut self, frames: &[FrameId]) -> StackId {
        let mut parent = None;
        for &frame in frames {
            let stack = Stack { parent, frame };
            let all = &mut self.recording.stacks;
            let at = all.iter().position(|s| *s == stack).unwrap_or(all.len());
            if at == all.len() {
                all.push(stack);
            }
            parent = Some(StackId(at as u32));
        }
        parent.expect("a stack has a frame")
    }

    /// A sample that stands for some microseconds of user and kernel time; `time` in microseconds.
    pub fn sample(&mut self, thread: ThreadId, time: u64, stack: StackId, user: u32, kernel: u32) {
        self.recording.samples.push(Sample {
            time: time * 1000,
            thread,
            stack: Some(stack),
            state: State::RunningWithGil,
            user,
            kernel,
            wait: 0,
            signature: None,
        });
        let t = &mut self.recording.threads[thread.index()];
        t.user += u64::from(user);
        t.kernel += u64::from(kernel);
        let p = &mut self.recording.processes[t.process.index()];
        p.user += u64::from(user);
        p.kernel += u64::from(kernel);
        p.counts.taken += 1;
    }

    /// A thread that is busy for a while, in milliseconds: samples about each 2 ms of its CPU time, of
    /// which it gets `share`.
    pub fn busy(
        &mut self,
        random: &mut Random,
        thread: ThreadId,
        stack: StackId,
        from: u64,
        to: u64,
        share: f64,
    ) {
        let (mut at, end) = (from * 1000, to * 1000);
        loop {
            let cpu = 1500 + random.below(1000) as u64;
            let wall = (cpu as f64 / share) as u64;
            if at + wall > end {
                // What is left of it is in no sample.
                self.recording.threads[thread.index()].user += ((end - at) as f64 * share) as u64;
                return;
            }
            at += wall;
            self.sample(thread, at, stack, cpu as u32, 0);
        }
    }
}

/// A recording of any form that is valid.
pub fn random(seed: u64) -> Recording {
    let mut r = Random::new(seed);
    let mut texts = Texts::default();
    let mut text = |r: &mut Random| {
        let words = [
            "",
            "solve",
            "/home/ada/model.py",
            "naïve.ψ",
            "a\nb",
            "<module>",
        ];
        match r.below(3) {
            0 => texts.add(words[r.below(words.len())]),
            1 => texts.add(&format!("name_{}", r.below(50))),
            _ => {
                let length = r.below(40);
                let any =
                    (0..length).map(|_| char::from_u32(r.below(0xd7ff) as u32).unwrap_or(' '));
                texts.add(&any.collect::<String>())
            }
        }
    };
    let mut out = Recording::default();
    let kinds = [
        Kind::Python,
        Kind::Native,
        Kind::Compiled,
        Kind::Kernel,
        Kind::Marker,
    ];
    let states = [
        State::Running,
        State::RunningWithGil,
        State::Waiting,
        State::WaitingForGil,
        State::Queued,
    ];
    let size = [0, 1, 5, 300][r.below(4)];
    let some = |r: &mut Random| if size == 0 { 0 } else { 1 + r.below(size) };
    for i in 0..some(&mut r) {
        let start = r.number(40);
        out.processes.push(Process {
            pid: r.number(32) as u32,
            parent: (i > 0 && r.chance(2)).then(|| ProcessId(r.below(i) as u32)),
            command: text(&mut r),
            python: text(&mut r),
            start,
            end: start + r.number(40),
            user: r.number(40),
            kernel: r.number(40),
            reason: text(&mut r),
            counts: Counts {
                taken: r.number(30),
                lost: r.number(30),
                abandoned: r.number(30),
                unplaced: r.number(30),
                cut: r.number(30),
                cost: r.number(40),
            },
        });
    }
    if !out.processes.is_empty() {
        for _ in 0..some(&mut r) {
            let start = r.number(40);
            out.threads.push(Thread {
                process: ProcessId(r.below(out.processes.len()) as u32),
                tid: r.number(32) as u32,
                name: text(&mut r),
                start,
                end: start + r.number(40),
                user: r.number(40),
                kernel: r.number(40),
            });
        }
    }
    for _ in 0..some(&mut r) {
        out.functions.push(Function {
            kind: kinds[r.below(5)],
            name: text(&mut r),
            file: text(&mut r),
            line: r.number(20) as u32,
            module: text(&mut r),
        });
    }
    if !out.functions.is_empty() {
        for _ in 0..some(&mut r) {
            out.frames.push(Frame {
                function: FunctionId(r.below(out.functions.len()) as u32),
                line: r.number(20) as u32,
                column: r.number(8) as u32,
                end_line: r.number(20) as u32,
                end_column: r.number(8) as u32,
                address: r.number(64),
                inlined: r.chance(2),
            });
        }
        for i in 0..some(&mut r) {
            out.stacks.push(Stack {
                parent: (i > 0 && !r.chance(4)).then(|| StackId(r.below(i) as u32)),
                frame: FrameId(r.below(out.frames.len()) as u32),
            });
        }
    }
    for _ in 0..some(&mut r) {
        let count = r.below(4);
        out.signatures.push(Signature {
            arguments: (0..count).map(|_| (text(&mut r), text(&mut r))).collect(),
        });
    }
    if !out.threads.is_empty() {
        let mut time = 0;
        for _ in 0..10 * size {
            time += r.number(24);
            out.samples.push(Sample {
                time,
                thread: ThreadId(r.below(out.threads.len()) as u32),
                stack: (!out.stacks.is_empty() && !r.chance(9))
                    .then(|| StackId(r.below(out.stacks.len()) as u32)),
                state: states[r.below(5)],
                user: r.number(32) as u32,
                kernel: r.number(12) as u32,
                wait: r.number(12) as u32,
                signature: (!out.signatures.is_empty() && r.chance(3))
                    .then(|| SignatureId(r.below(out.signatures.len()) as u32)),
            });
        }
    }
    let counted = |r: &mut Random| Counted {
        calls: 300 + r.number(30),
        primitive: r.number(8),
        own: r.number(50),
        total: r.number(50),
    };
    if !out.functions.is_empty() {
        for _ in 0..some(&mut r) {
            out.calls.push(Call {
                function: FunctionId(r.below(out.functions.len()) as u32),
                signature: (!out.signatures.is_empty() && r.chance(2))
                    .then(|| SignatureId(r.below(out.signatures.len()) as u32)),
                counted: counted(&mut r),
            });
        }
        for _ in 0..some(&mut r) {
            out.callers.push(Caller {
                caller: CallId(r.below(out.calls.len()) as u32),
                callee: CallId(r.below(out.calls.len()) as u32),
                counted: counted(&mut r),
            });
        }
        for _ in 0..some(&mut r) {
            out.lines.push(LineHits {
                function: FunctionId(r.below(out.functions.len()) as u32),
                line: r.number(20) as u32,
                hits: r.number(40),
                time: r.number(50),
            });
        }
    }
    for _ in 0..r.below(3) {
        let (file, text) = (text(&mut r), text(&mut r));
        out.sources.push(Source { file, text });
    }
    for _ in 0..r.below(4) {
        out.log.push(LogLine {
            time: r.number(40),
            process: (!out.processes.is_empty() && r.chance(2))
                .then(|| ProcessId(r.below(out.processes.len()) as u32)),
            text: text(&mut r),
        });
    }
    out.meta = Meta {
        command: (0..r.below(4)).map(|i| format!("word {i}")).collect(),
        directory: "/home/ada".to_owned(),
        started: r.number(62),
        elapsed: r.number(50),
        rate: r.below(1000) as f64 / 3.0,
        target_cpus: r.below(64) as f64,
        host: "computer".to_owned(),
        system: "Linux 6.1".to_owned(),
        cpu: "a fast one".to_owned(),
        exit_status: r.chance(2).then(|| r.number(31) as i32 - 128),
    };
    out.texts = texts;
    out
}
