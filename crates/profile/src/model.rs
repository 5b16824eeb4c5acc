//! A recording: tables that refer to each other by index.
//!
//! ```text
//! Sample ─▶ Thread ─▶ Process
//!    └────▶ Stack ─▶ parent Stack
//!              └──▶ Frame ─▶ Function ─▶ names, file, module (texts)
//! Caller ─▶ Call ─────────────┘  └── LineHits
//! ```
//!
//! Samples say where time goes; calls and lines were counted one by one, by the deterministic profilers. A
//! recording has the one or the other, or both.
//!
//! Times are nanoseconds since the recording began, amounts of CPU time are microseconds, as kernels count
//! them. Indices are checked once, when a recording is read; all code after that may rely on them.

use std::collections::HashMap;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

ids! {
    /// Of [`Recording::texts`]. Text 0 is the empty one.
    TextId
    /// Of [`Recording::processes`].
    ProcessId
    /// Of [`Recording::threads`].
    ThreadId
    /// Of [`Recording::functions`].
    FunctionId
    /// Of [`Recording::frames`].
    FrameId
    /// Of [`Recording::stacks`].
    StackId
    /// Of [`Recording::signatures`].
    SignatureId
    /// Of [`Recording::calls`].
    CallId
}

impl TextId {
    pub const EMPTY: TextId = TextId(0);
}

/// Everything that was recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    pub meta: Meta,
    pub texts: Texts,
    /// In the order in which they were first seen.
    pub processes: Vec<Process>,
    pub threads: Vec<Thread>,
    pub functions: Vec<Function>,
    pub frames: Vec<Frame>,
    /// Callers come before what they call.
    pub stacks: Vec<Stack>,
    pub signatures: Vec<Signature>,
    /// By time within a thread.
    pub samples: Vec<Sample>,
    pub calls: Vec<Call>,
    pub callers: Vec<Caller>,
    pub lines: Vec<LineHits>,
    pub sources: Vec<Source>,
    /// What happened to the recording itself, in words: clocks chosen, rates got, processes that could not
    /// be recorded and why.
    pub log: Vec<LogLine>,
}

/// What is true of the recording as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meta {
    /// What was run, as words; secrets are replaced.
    pub command: Vec<String>,
    pub directory: String,
    /// When it began, in nanoseconds since 1970.
    pub started: u64,
    /// How long it took, in nanoseconds.
    pub elapsed: u64,
    /// Samples for each second of CPU time that were asked for.
    pub rate: f64,
    /// CPUs that the program might have used: its affinity, or what its cgroup allows.
    pub target_cpus: f64,
    pub host: String,
    pub system: String,
    pub cpu: String,
    /// The exit status of the command, as shells give it; none if it is not known.
    pub exit_status: Option<i32>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    pub pid: u32,
    /// Who started it, if that one was recorded too.
    pub parent: Option<ProcessId>,
    pub command: TextId,
    /// For instance "3.12.1"; empty if it is no Python.
    pub python: TextId,
    pub start: u64,
    pub end: u64,
    /// CPU time of all its threads, in microseconds.
    pub user: u64,
    pub kernel: u64,
    /// Why it could not be recorded; empty if it was.
    pub reason: TextId,
    pub counts: Counts,
}

/// What became of the samples of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Samples that were kept.
    pub taken: u64,
    /// Samples for which there was no room.
    pub lost: u64,
    /// Samples that were given up because memory changed while it was read.
    pub abandoned: u64,
    /// Samples with Python frames that could not be placed among the native ones.
    pub unplaced: u64,
    /// Stacks that are not known down to their root.
    pub cut: u64,
    /// Time spent on taking samples, in nanoseconds.
    pub cost: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Thread {
    pub process: ProcessId,
    pub tid: u32,
    /// Python's name of it, or the system's.
    pub name: TextId,
    pub start: u64,
    pub end: u64,
    /// CPU time, in microseconds: all of it, sampled or not.
    pub user: u64,
    pub kernel: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A Python function, run by the interpreter.
    Python,
    /// A function of a shared library or of the executable.
    Native,
    /// A function that was compiled while the program ran: by ferdelance, by Numba.
    Compiled,
    /// What the system did for the program.
    Kernel,
    /// Stands for frames that are not known.
    Marker,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Function {
    pub kind: Kind,
    /// Python's qualified name; the demangled symbol of a native function, or its address in its module.
    pub name: TextId,
    /// The source file; of a native function, if it is known.
    pub file: TextId,
    /// Where the function is defined; 0 if that is not known.
    pub line: u32,
    /// Python's module, as far as the file tells; the file name of a shared library.
    pub module: TextId,
}

/// A place in a function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    pub function: FunctionId,
    /// Where in the file; 0 if that is not known.
    pub line: u32,
    /// The expression, if it is known: columns in bytes from 1 (0: not known), and the line in which it ends.
    pub column: u32,
    pub end_line: u32,
    pub end_column: u32,
    /// Of native and compiled code: relative to the module, or to the start of the compiled function.
    pub address: u64,
    /// The compiler put the function into its caller.
    pub inlined: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stack {
    /// What called it.
    pub parent: Option<StackId>,
    pub frame: FrameId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// On a CPU; weighs its CPU time.
    Running,
    /// On a CPU, and holding the interpreter's lock.
    RunningWithGil,
    /// Waiting for something; weighs its wall time.
    Waiting,
    /// Waiting for the interpreter's lock.
    WaitingForGil,
    /// Ready to run, but there was no CPU.
    Queued,
}

impl State {
    pub fn is_running(self) -> bool {
        matches!(self, State::Running | State::RunningWithGil)
    }
}

/// What a thread was doing, and how much time that stands for: all since the thread's sample before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When it was taken.
    pub time: u64,
    pub thread: ThreadId,
    /// None if there was no stack to be read.
    pub stack: Option<StackId>,
    pub state: State,
    /// CPU time, in microseconds.
    pub user: u32,
    pub kernel: u32,
    /// Time that it waited, in microseconds; 0 if it runs.
    pub wait: u32,
    /// The arguments of the innermost Python function.
    pub signature: Option<SignatureId>,
}

impl Sample {
    /// CPU time, in microseconds.
    pub fn cpu(&self) -> u64 {
        u64::from(self.user) + u64::from(self.kernel)
    }
}

/// The types of a function's arguments.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Signature {
    /// By parameter: name (empty if it is not known) and type, as `x` and `ndarray(float64, (1000, 3), C)`.
    pub arguments: Vec<(TextId, TextId)>,
}

/// What was counted of calls: times are in nanoseconds, those of all threads and processes together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub calls: u64,
    /// Calls that are not within another one of the same function and signature (for callers: of both).
    pub primitive: u64,
    pub own: u64,
    /// With all that is called; of primitive calls.
    pub total: u64,
}

/// Every call of a function with arguments of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    pub function: FunctionId,
    /// None if signatures were not asked for, or there are none.
    pub signature: Option<SignatureId>,
    pub counted: Counted,
}

/// Every such call from another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    pub caller: CallId,
    pub callee: CallId,
    pub counted: Counted,
}

/// How often a line of a function ran, and for how long, in nanoseconds, with all that it calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineHits {
    pub function: FunctionId,
    pub line: u32,
    pub hits: u64,
    pub time: u64,
}

/// The text of a source file, as it was when the recording ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub file: TextId,
    pub text: TextId,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub time: u64,
    pub process: Option<ProcessId>,
    pub text: TextId,
}

/// Texts, each kept once.
#[derive(Clone, Debug, PartialEq)]
pub struct Texts {
    all: Vec<Box<str>>,
    index: HashMap<Box<str>, TextId>,
}

impl Default for Texts {
    fn default() -> Self {
        let mut texts = Texts {
            all: vec![],
            index: HashMap::new(),
        };
        texts.add("");
        texts
    }
}

impl Texts {
    pub fn add(&mut self, text: &str) -> TextId {
        if let Some(&id) = self.index.get(text) {
            return id;
        }
        let id = TextId(self.all.len() as u32);
        self.all.push(text.into());
        self.index.insert(text.into(), id);
        id
    }

    /// # Panics
    ///
    /// If the text is another recording's.
    pub fn get(&self, id: TextId) -> &str {
        &self.all[id.index()]
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|t| &**t)
    }
}
