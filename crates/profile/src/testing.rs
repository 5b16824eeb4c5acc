//! Recordings for tests, put together by hand.

use crate::model::{
    Counts, Frame, FrameId, Function, FunctionId, Kind, Meta, Process, ProcessId, Recording,
    Sample, Signature, SignatureId, Stack, StackId, State, TextId, Thread, ThreadId,
};

/// A frame: kind, name, file or module, line of the definition, line.
pub type Place<'a> = (Kind, &'a str, &'a str, u32, u32);

pub fn python<'a>(name: &'a str, defined: u32, line: u32) -> Place<'a> {
    (Kind::Python, name, "/app/main.py", defined, line)
}

pub fn native<'a>(name: &'a str, module: &'a str) -> Place<'a> {
    (Kind::Native, name, module, 0, 0)
}

/// A recording that grows. Each thread runs without a break from where it began.
#[derive(Default)]
pub struct Build {
    pub recording: Recording,
}

impl Build {
    pub fn new() -> Build {
        let mut build = Build::default();
        build.recording.meta = Meta {
            command: vec!["python".into(), "main.py".into()],
            started: 1_700_000_000_000_000_000,
            elapsed: 1_000_000_000,
            rate: 500.0,
            ..Meta::default()
        };
        build
    }

    pub fn process(&mut self, pid: u32, command: &str) -> ProcessId {
        let command = self.recording.texts.add(command);
        self.recording.processes.push(Process {
            pid,
            parent: None,
            command,
            python: TextId::EMPTY,
            start: 0,
            end: 1_000_000_000,
            user: 0,
            kernel: 0,
            reason: TextId::EMPTY,
            counts: Counts::default(),
        });
        ProcessId(self.recording.processes.len() as u32 - 1)
    }

    pub fn thread(&mut self, process: ProcessId, tid: u32, name: &str) -> ThreadId {
        let name = self.recording.texts.add(name);
        self.recording.threads.push(Thread {
            process,
            tid,
            name,
            start: 0,
            end: 1_000_000_000,
            user: 0,
            kernel: 0,
        });
        ThreadId(self.recording.threads.len() as u32 - 1)
    }

    /// The stack of these frames, the root first; inlined ones are `inlined` of the innermost.
    pub fn stack(&mut self, places: &[Place], inlined: usize) -> Option<StackId> {
        let mut parent = None;
        for (i, &(kind, name, place, line_of_definition, line)) in places.iter().enumerate() {
            let texts = &mut self.recording.texts;
            let place = texts.add(place);
            let is_native = matches!(kind, Kind::Native | Kind::Kernel | Kind::Marker);
            let function = Function {
                kind,
                name: texts.add(name),
                file: if is_native { TextId::EMPTY } else { place },
                line: line_of_definition,
                module: if is_native { place } else { texts.add("main") },
            };
            let function = FunctionId(number(&mut self.recording.functions, function));
            let frame = Frame {
                function,
                line,
                column: 0,
                end_line: 0,
                end_column: 0,
                address: u64::from(is_native) * 0x10,
                inlined: i + inlined >= places.len(),
            };
            let frame = FrameId(number(&mut self.recording.frames, frame));
            let stack = Stack { parent, frame };
            parent = Some(StackId(number(&mut self.recording.stacks, stack)));
        }
        parent
    }

    /// A sample of a running thread; one without frames has no stack.
    pub fn sample(&mut self, thread: ThreadId, places: &[Place], user: u32) -> &mut Sample {
        let stack = self.stack(places, 0);
        let mine = self.recording.samples.iter().rfind(|s| s.thread == thread);
        let last = mine.map_or(0, |s| s.time);
        self.recording.samples.push(Sample {
            time: last + u64::from(user) * 1000,
            thread,
            stack,
            state: State::Running,
            user,
            kernel: 0,
            wait: 0,
            signature: None,
        });
        self.recording.samples.last_mut().expect("one was added")
    }

    pub fn signature(&mut self, arguments: &[(&str, &str)]) -> SignatureId {
        let texts = &mut self.recording.texts;
        let arguments = arguments
            .iter()
            .map(|(name, kind)| (texts.add(name), texts.add(kind)));
        let signature = Signature {
            arguments: arguments.collect(),
        };
        SignatureId(number(&mut self.recording.signatures, signature))
    }
}

/// Where something is in a table; it is added if it is not there.
fn number<T: PartialEq>(table: &mut Vec<T>, item: T) -> u32 {
    let at = table.iter().position(|known| *known == item);
    at.unwrap_or_else(|| {
        table.push(item);
        table.len() - 1
    }) as u32
}
