//! Programs that run already, read from outside: their Python frames alone.
//!
//! Nothing is stopped and nothing is written: memory is read as it is at some moment. Of a thread that runs, a
//! stack may come out that it never had; one that changes while it is read is read again. CPU time is what
//! the system says of each thread, so that only the shares of its functions are estimates.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;

use object::{Object, ObjectSegment, ObjectSymbol, ReadCache};

use crate::intern::Interner;
use crate::labels;
use crate::machine;
use crate::model::{
    Counts, LogLine, Meta, Process, ProcessId, Recording, Sample, Stack, StackId, State, TextId,
    Thread, ThreadId,
};
use crate::proc;
use crate::remote::{Foreign, Frame, Python};
use crate::tree::{Keys, Totals, Tree};

/// How often a stack that changes is read again.
const ATTEMPTS: u32 = 3;

/// A thread as it is at some moment.
#[derive(Clone, Debug)]
pub struct Now {
    pub tid: u32,
    pub name: String,
    pub state: State,
    /// Innermost first: function, file, line.
    pub frames: Vec<(String, String, u32)>,
    /// What it waits in, if it waits.
    pub call: Option<String>,
}

/// What a process did in an interval.
#[derive(Clone, Debug, Default)]
pub struct Interval {
    /// Its length, and for how long of it somebody had the interpreter's lock, in seconds.
    pub elapsed: f64,
    pub gil: f64,
    /// By function (file, name, line of definition) or by line (file, name, line), in seconds of CPU time:
    /// in it alone, and with what it called.
    pub rows: Vec<(Place, f64, f64)>,
    /// Number, name, seconds of CPU time, what it did last.
    pub threads: Vec<(u32, String, f64, &'static str)>,
}

/// Name, file, line.
pub type Place = (String, String, u32);

/// A Python process that is looked at.
pub struct Attached {
    pid: u32,
    command: String,
    version: u32,
    python: Python,
    start: u64,
    started: u64,
    threads: Vec<Watched>,
    numbers: HashMap<u32, usize>,
    samples: Vec<(usize, Taken)>,
    stacks: Vec<Vec<Frame>>,
    stack_numbers: HashMap<Vec<Frame>, u32>,
    /// Stacks that changed whenever they were read.
    torn: u64,
}

struct Watched {
    tid: u32,
    name: Option<String>,
    first: u64,
    last: u64,
    time: u64,
    ran: u64,
    queued: u64,
    owed_run: u64,
    owed_wait: u64,
    /// CPU time when it was seen first and last, in microseconds.
    before: (u64, u64),
    now: (u64, u64),
}

struct Taken {
    time: u64,
    stack: u32,
    state: State,
    /// How long it ran, or waited, in nanoseconds.
    amount: u64,
}

impl Attached {
    /// # Errors
    ///
    /// If there is no such process, it may not be looked at, or it runs no Python that is known here; the text
    /// says what to do about it.
    pub fn new(pid: u32) -> io::Result<Attached> {
        let other = |text: String| io::Error::other(text);
        if !Path::new(&format!("/proc/{pid}")).exists() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("there is no process {pid}"),
            ));
        }
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"));
        let maps = maps.map_err(|e| denied(pid, e))?;
        let found = Interpreter::find(pid, &maps)
            .ok_or_else(|| other(format!("process {pid} runs no Python")))?;
        let mut memory = Foreign::of(pid).map_err(|e| denied(pid, e))?;
        let version = found
            .version(&mut memory)
            .ok_or_else(|| denied(pid, io::Error::from(io::ErrorKind::PermissionDenied)))?;
        let python = Python::new(memory, version, found.runtime, found.code_type);
        let python = python.ok_or_else(|| {
            let (major, minor) = (version >> 24, version >> 16 & 255);
            other(format!(
                "process {pid} runs Python {major}.{minor}, whose memory is not understood here \
                 (3.10 to 3.14 are)"
            ))
        })?;
        Ok(Attached {
            pid,
            command: proc::command(pid),
            version,
            python,
            start: proc::now(),
            started: proc::now_of_day(),
            threads: vec![],
            numbers: HashMap::new(),
            samples: vec![],
            stacks: vec![],
            stack_numbers: HashMap::new(),
            torn: 0,
        })
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn command(&self) -> &str {
        &self.command
    }

    /// As in "3.12.1", or in "3.10" if that is all that is known.
    pub fn version(&self) -> String {
        let text = proc::python_version(self.version);
        match self.version & 0xffff {
            0 => text.trim_end_matches(".0").to_owned(),
            _ => text,
        }
    }

    /// All threads as they are now.
    pub fn dump(&mut self) -> Vec<Now> {
        self.python.memory.forget();
        let tids = proc::threads(self.pid);
        let mut all = vec![];
        for tid in tids {
            let Some((state, frames, call)) = self.look(tid) else {
                continue;
            };
            let frames = frames
                .iter()
                .map(|&frame| {
                    let code = &self.python.codes[frame.code as usize];
                    let line = self.python.place(frame).line;
                    (code.name.clone(), code.file.clone(), line)
                })
                .collect();
            all.push(Now {
                tid,
                name: self.name(tid).unwrap_or_else(|| proc::name(self.pid, tid)),
                state,
                frames,
                call: call.map(proc::call_name),
            });
        }
        all
    }

    /// What a thread does: the state, its Python frames, the system call that it waits in.
    fn look(&mut self, tid: u32) -> Option<(State, Vec<Frame>, Option<u64>)> {
        let file = File::open(format!("/proc/{}/task/{tid}/syscall", self.pid)).ok()?;
        let waiting = proc::call(&file);
        let sp = waiting.map_or(0, |w| w.sp);
        let Some((thread, gil)) = self.python.find(tid, sp) else {
            let state = if waiting.is_some() {
                State::Waiting
            } else {
                State::Running
            };
            return Some((state, vec![], waiting.and_then(|w| w.number)));
        };
        let mut frames = self.python.frames(thread);
        for attempt in 0..ATTEMPTS {
            if waiting.is_some() {
                break;
            }
            self.python.memory.forget();
            let again = self.python.frames(thread);
            let is_same = again.len() == frames.len();
            frames = again;
            if is_same {
                break;
            }
            self.torn += u64::from(attempt + 1 == ATTEMPTS);
        }
        let state = match waiting {
            Some(w) if w.is_for_lock_in(gil) => State::WaitingForGil,
            Some(_) => State::Waiting,
            None if self.python.holds_gil(thread, gil) => State::RunningWithGil,
            None => State::Running,
        };
        Some((state, frames, waiting.and_then(|w| w.number)))
    }

    fn name(&mut self, tid: u32) -> Option<String> {
        let (thread, _) = self.python.find(tid, 0)?;
        let name = self.python.name(thread);
        name.or_else(|| (tid == self.pid).then(|| "MainThread".to_owned()))
    }

    /// Takes a sample of each thread; whether the process is still there.
    pub fn sample(&mut self) -> bool {
        self.python.memory.forget();
        let tids = proc::threads(self.pid);
        for &tid in &tids {
            self.sample_of(tid);
        }
        !tids.is_empty()
    }

    fn sample_of(&mut self, tid: u32) {
        let now = proc::now();
        let path = format!("/proc/{}/task/{tid}/schedstat", self.pid);
        let Some((ran, queued)) = File::open(path).ok().and_then(|f| proc::times(&f)) else {
            return;
        };
        let Some(&number) = self.numbers.get(&tid) else {
            self.numbers.insert(tid, self.threads.len());
            let cpu = proc::cpu_time(&format!("{}/task/{tid}", self.pid)).unwrap_or_default();
            self.threads.push(Watched {
                tid,
                name: None,
                first: now,
                last: now,
                time: now,
                ran,
                queued,
                owed_run: 0,
                owed_wait: 0,
                before: cpu,
                now: cpu,
            });
            return;
        };
        let Some((state, frames, _)) = self.look(tid) else {
            return;
        };
        if self.threads[number].name.is_none() && !frames.is_empty() {
            self.threads[number].name = Some(self.name(tid).unwrap_or_default());
        }
        let thread = &mut self.threads[number];
        let has_run = ran.saturating_sub(thread.ran);
        let elapsed = now.saturating_sub(thread.time);
        // What it did at other moments than those that are seen is given to the next one of its kind.
        thread.owed_run += has_run;
        thread.owed_wait += elapsed
            .saturating_sub(has_run)
            .saturating_sub(queued.saturating_sub(thread.queued));
        let amount = match state.is_running() {
            true => std::mem::take(&mut thread.owed_run),
            false => std::mem::take(&mut thread.owed_wait),
        };
        (thread.time, thread.last, thread.ran, thread.queued) = (now, now, ran, queued);
        if let Some(cpu) = proc::cpu_time(&format!("{}/task/{tid}", self.pid)) {
            thread.now = cpu;
        }
        let next = self.stacks.len() as u32;
        let stack = *self.stack_numbers.entry(frames).or_insert_with_key(|key| {
            self.stacks.push(key.clone());
            next
        });
        let taken = Taken {
            time: now,
            stack,
            state,
            amount,
        };
        self.samples.push((number, taken));
    }

    /// What was seen since the last time, as a recording of its own.
    pub fn take(&mut self, mut meta: Meta, with_sources: bool) -> Recording {
        let end = proc::now();
        meta.elapsed = end - self.start;
        meta.started = self.started;
        machine::describe(&mut meta);
        let mut tables = Interner::new(meta);
        let process = ProcessId(0);
        let time = |at: u64| at.saturating_sub(self.start);
        let mut sums = (0, 0);
        for thread in &self.threads {
            let user = thread.now.0.saturating_sub(thread.before.0);
            let kernel = thread.now.1.saturating_sub(thread.before.1);
            sums = (sums.0 + user, sums.1 + kernel);
            let system = || proc::name(self.pid, thread.tid);
            let name = thread
                .name
                .clone()
                .filter(|n| !n.is_empty())
                .unwrap_or_else(system);
            tables.out.threads.push(Thread {
                process,
                tid: thread.tid,
                name: tables.out.texts.add(&name),
                start: time(thread.first),
                end: time(thread.last),
                user,
                kernel,
            });
        }
        let stacks: Vec<Option<StackId>> = self
            .stacks
            .iter()
            .map(|frames| stack(&mut tables, &self.python, frames))
            .collect();
        for (number, taken) in &self.samples {
            let amount = (taken.amount / 1000) as u32;
            let (ran, waited) = match taken.state.is_running() {
                true => (amount, 0),
                false => (0, amount),
            };
            tables.out.samples.push(Sample {
                time: time(taken.time),
                thread: ThreadId(*number as u32),
                stack: stacks[taken.stack as usize],
                state: taken.state,
                user: ran,
                kernel: 0,
                wait: waited,
                signature: None,
            });
        }
        let running = tables.out.samples.iter().filter(|s| s.state.is_running());
        let count = running.count() as u64;
        tables.out.processes.push(Process {
            pid: self.pid,
            parent: None,
            command: tables.out.texts.add(&self.command),
            python: tables.out.texts.add(&self.version()),
            start: 0,
            end: end - self.start,
            user: sums.0,
            kernel: sums.1,
            reason: TextId::EMPTY,
            counts: Counts {
                taken: count,
                abandoned: self.torn,
                ..Counts::default()
            },
        });
        let text = "attached from outside: Python frames only, kernel time is not told apart";
        let text = tables.out.texts.add(text);
        tables.out.log.push(LogLine {
            time: 0,
            process: Some(process),
            text,
        });
        tables.out.samples.sort_by_key(|s| (s.thread, s.time));
        if with_sources {
            tables.sources();
        }
        self.begin();
        tables.out
    }

    /// What was seen since the last time, by function or by line.
    pub fn interval(&mut self, by_line: bool) -> Interval {
        let recording = self.take(Meta::default(), false);
        let mut gil = 0;
        let mut threads: Vec<(u32, String, f64, &'static str)> = recording
            .threads
            .iter()
            .map(|t| (t.tid, recording.texts.get(t.name).to_owned(), 0.0, ""))
            .collect();
        for sample in &recording.samples {
            let seconds = sample.cpu() as f64 / 1e6;
            if sample.state == State::RunningWithGil {
                gil += sample.cpu();
            }
            let thread = &mut threads[sample.thread.index()];
            thread.2 += seconds;
            thread.3 = labels::state(sample.state);
        }
        let text = |id| recording.texts.get(id).to_owned();
        let keys = Keys::of_frames(&recording, None, |frame| {
            let function = &recording.functions[frame.function.index()];
            let line = if by_line { frame.line } else { function.line };
            Some((text(function.name), text(function.file), line))
        });
        let totals = Totals::by_key(&Tree::new(&recording, &keys, &recording.samples), &keys);
        let seconds = |micros: u64| micros as f64 / 1e6;
        let rows = keys.all.iter().zip(&totals.groups);
        Interval {
            elapsed: recording.meta.elapsed as f64 / 1e9,
            gil: gil as f64 / 1e6,
            rows: rows
                .filter_map(|(place, sums)| {
                    let (own, total) = (seconds(sums.own.cpu), seconds(sums.total.cpu));
                    Some((place.clone()?, own, total))
                })
                .collect(),
            threads,
        }
    }

    /// Forgets what was seen: what is seen from now on counts.
    pub fn begin(&mut self) {
        self.samples.clear();
        self.stacks.clear();
        self.stack_numbers.clear();
        self.torn = 0;
        self.start = proc::now();
        self.started = proc::now_of_day();
        self.threads
            .retain(|t| Path::new(&format!("/proc/{}/task/{}", self.pid, t.tid)).exists());
        self.numbers = self
            .threads
            .iter()
            .enumerate()
            .map(|(i, t)| (t.tid, i))
            .collect();
        for thread in &mut self.threads {
            thread.first = self.start;
            thread.before = thread.now;
        }
    }
}

fn stack(tables: &mut Interner, python: &Python, frames: &[Frame]) -> Option<StackId> {
    let mut stack = None;
    for &frame in frames.iter().rev() {
        let frame = tables.remote_frame(python, frame);
        stack = Some(tables.stack(Stack {
            parent: stack,
            frame,
        }));
    }
    stack
}

/// What to do where looking at a process is not allowed.
fn denied(pid: u32, error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return error;
    }
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    let cure = match scope.trim() {
        "" | "0" => "it is another user's: run this as that user, or as root (sudo)",
        "1" => {
            "only a parent may look: run this as root (sudo), set kernel.yama.ptrace_scope to 0 \
             (sudo sysctl kernel.yama.ptrace_scope=0), or start the program with `fdl record`"
        }
        _ => "run this as root (sudo), or start the program with `fdl record`",
    };
    let text = format!(
        "process {pid} may not be looked at: {cure}; in a container, it needs --cap-add=SYS_PTRACE"
    );
    io::Error::new(io::ErrorKind::PermissionDenied, text)
}

/// Where a process has what one needs of its Python.
struct Interpreter {
    runtime: u64,
    code_type: u64,
    /// `PY_VERSION_HEX`, or where it is.
    version: Result<u32, u64>,
}

impl Interpreter {
    fn find(pid: u32, maps: &str) -> Option<Interpreter> {
        let mut seen = vec![];
        let mut files = vec![];
        for line in maps.lines() {
            let mut words = line.splitn(6, ' ').map(str::trim);
            let (Some(range), _, Some(offset)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            let Some(path) = words.nth(2).filter(|p| p.starts_with('/')) else {
                continue;
            };
            let name = path.rsplit('/').next().unwrap_or(path);
            let is_first = !seen.contains(&path) && offset.bytes().all(|b| b == b'0');
            if is_first && (name.starts_with("libpython") || name.contains("python")) {
                seen.push(path);
                let start = u64::from_str_radix(range.split('-').next()?, 16).ok()?;
                files.push((path, start));
            }
        }
        // The library comes before the program that is linked with it.
        files.sort_by_key(|(path, _)| !path.contains("libpython"));
        files
            .iter()
            .find_map(|(path, start)| Interpreter::in_file(pid, path, *start))
    }

    fn in_file(pid: u32, path: &str, start: u64) -> Option<Interpreter> {
        // As the process sees it, which may be in a container.
        let file = File::open(format!("/proc/{pid}/root{path}")).or_else(|_| File::open(path));
        let cache = ReadCache::new(file.ok()?);
        let object = object::File::parse(&cache).ok()?;
        let first = object.segments().map(|s| s.address()).min()? & !0xfff;
        let bias = start.wrapping_sub(first);
        let mut found = HashMap::new();
        for symbol in object.dynamic_symbols().chain(object.symbols()) {
            if symbol.is_definition()
                && let Ok(name @ ("_PyRuntime" | "PyCode_Type" | "Py_Version")) = symbol.name()
            {
                found.insert(name.to_owned(), symbol.address().wrapping_add(bias));
            }
        }
        let version = match found.get("Py_Version") {
            Some(&at) => Err(at),
            None => Ok(version_of(path)?),
        };
        Some(Interpreter {
            runtime: *found.get("_PyRuntime")?,
            code_type: *found.get("PyCode_Type")?,
            version,
        })
    }

    fn version(&self, memory: &mut Foreign) -> Option<u32> {
        use ferdelance_interpreter::Memory;
        match self.version {
            Ok(version) => Some(version),
            Err(at) => memory.word(at).map(|v| v as u32),
        }
    }
}

/// As the name of a file tells.
fn version_of(path: &str) -> Option<u32> {
    let (_, rest) = path.rsplit_once("python3.")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    Some(3 << 24 | rest[..digits].parse::<u32>().ok()? << 16)
}
