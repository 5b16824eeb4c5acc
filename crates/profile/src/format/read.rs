//! From bytes of any kind to a recording and what is missing in it.

use std::collections::HashMap;

use super::check::{UNKNOWN, check};
use super::chunk::{Chunks, Found, LARGEST, inflate, shown};
use super::column::Columns;
use super::{Error, MAGIC, MAJOR, Warning, types};
use crate::model::*;

/// The bytes before the first chunk.
const START: usize = MAGIC.len() + 4;

/// What a file may claim: so many rows and so many inflated bytes, and some more for each byte it has.
/// Samples take some bytes each, and texts inflate to ten times their size at most; a file that claims
/// more was made to do harm.
const ROWS: (u64, u64) = (1 << 20, 1);
const BYTES: (u64, u64) = (1 << 26, 100);

/// Reads a recording, as far as it can be read.
pub fn read(bytes: &[u8]) -> Result<(Recording, Vec<Warning>), Error> {
    let start = bytes.get(..START).ok_or(Error::NotARecording)?;
    if start[..MAGIC.len()] != MAGIC {
        return Err(Error::NotARecording);
    }
    let half = |at: usize| u16::from_le_bytes([start[at], start[at + 1]]);
    let (major, minor) = (half(MAGIC.len()), half(MAGIC.len() + 2));
    if major > MAJOR {
        return Err(Error::TooNew(major, minor));
    }
    let size = bytes.len() as u64;
    let mut reader = Reader {
        rows_left: ROWS.0 + ROWS.1 * size,
        bytes_left: BYTES.0 + BYTES.1 * size,
        ..Reader::default()
    };
    for found in Chunks::new(&bytes[START..]) {
        reader.found(found);
    }
    Ok(reader.finish())
}

#[derive(Default)]
struct Reader {
    recording: Recording,
    /// As the file numbers them.
    texts: Vec<String>,
    /// Samples that were written so far, read or not.
    samples: u64,
    rows_left: u64,
    bytes_left: u64,
    /// Rows by table, as the end of the file says.
    counts: Option<HashMap<String, u64>>,
    warnings: Vec<Warning>,
}

impl Reader {
    /// Files with a thousand damaged places are not told from files with more.
    fn warn(&mut self, text: impl Into<String>) {
        if self.warnings.len() < 100 {
            self.warnings.push(Warning(text.into()));
        }
    }

    fn found(&mut self, found: Found) {
        match found {
            Found::Chunk(kind, payload) => self.chunk(kind, payload),
            Found::Damaged(kind) => {
                self.warn(format!("a part of table {} is damaged", shown(kind)));
            }
            Found::Junk(bytes) => self.warn(format!("{bytes} bytes are damaged")),
            Found::Truncated(Some(kind)) => self.warn(format!(
                "the file is cut off within a part of table {}",
                shown(kind)
            )),
            Found::Truncated(None) => self.warn("the file is cut off"),
        }
    }

    fn chunk(&mut self, kind: [u8; 4], payload: &[u8]) {
        let known = [
            types::META,
            types::TEXTS,
            types::PROCESSES,
            types::THREADS,
            types::FUNCTIONS,
            types::FRAMES,
            types::STACKS,
            types::SIGNATURES,
            types::SAMPLES,
            types::CALLS,
            types::CALLERS,
            types::LINES,
            types::SOURCES,
            types::LOG,
            types::END,
        ];
        if !known.contains(&kind) {
            return;
        }
        let name = shown(kind);
        let Some(bytes) = inflate(payload, self.bytes_left.min(LARGEST as u64)) else {
            self.warn(format!("a part of table {name} cannot be decompressed"));
            return;
        };
        self.bytes_left -= bytes.len() as u64;
        let Some(mut columns) = Columns::parse(&bytes) else {
            self.warn(format!("a part of table {name} is no table"));
            return;
        };
        if !self.afford(columns.rows as u64) {
            self.warn(format!("a part of table {name} claims too many rows"));
            return;
        }
        self.table(kind, &mut columns);
        for column in columns.bad {
            self.warn(format!(
                "column {column} of a part of table {name} is not as it should be"
            ));
        }
    }

    fn afford(&mut self, rows: u64) -> bool {
        let left = self.rows_left.checked_sub(rows);
        self.rows_left = left.unwrap_or(self.rows_left);
        left.is_some()
    }

    fn table(&mut self, kind: [u8; 4], columns: &mut Columns) {
        let text = |id: u32| TextId(id);
        match kind {
            types::META => self.meta(columns),
            types::END => {
                let names = columns.text("table");
                let rows = columns.numbers("rows");
                self.counts = Some(names.into_iter().zip(rows).collect());
            }
            types::TEXTS => {
                let rows = columns.text("text");
                place(self, |r| &mut r.texts, columns, kind, rows, String::new());
            }
            types::PROCESSES => {
                let rows = processes(columns);
                let lost = lost_process();
                place(
                    self,
                    |r| &mut r.recording.processes,
                    columns,
                    kind,
                    rows,
                    lost,
                );
            }
            types::THREADS => {
                let rows = threads(columns);
                let lost = lost_thread();
                place(
                    self,
                    |r| &mut r.recording.threads,
                    columns,
                    kind,
                    rows,
                    lost,
                );
            }
            types::FUNCTIONS => {
                let rows = functions(columns);
                let lost = lost_function();
                place(
                    self,
                    |r| &mut r.recording.functions,
                    columns,
                    kind,
                    rows,
                    lost,
                );
            }
            types::FRAMES => {
                let rows = frames(columns);
                let lost = lost_frame();
                place(self, |r| &mut r.recording.frames, columns, kind, rows, lost);
            }
            types::STACKS => {
                let parents = columns.optional("parent").into_iter();
                let rows = parents
                    .zip(columns.words("frame"))
                    .map(|(parent, frame)| Stack {
                        parent: parent.map(StackId),
                        frame: FrameId(frame),
                    });
                let rows = rows.collect();
                let lost = Stack {
                    parent: None,
                    frame: FrameId(UNKNOWN),
                };
                place(self, |r| &mut r.recording.stacks, columns, kind, rows, lost);
            }
            types::SIGNATURES => {
                let names = columns.unsigneds("names").into_iter();
                let rows = names.zip(columns.unsigneds("types")).map(|(names, types)| {
                    let arguments = names.into_iter().map(text).zip(types.into_iter().map(text));
                    Signature {
                        arguments: arguments.collect(),
                    }
                });
                let rows = rows.collect();
                let lost = Signature { arguments: vec![] };
                place(
                    self,
                    |r| &mut r.recording.signatures,
                    columns,
                    kind,
                    rows,
                    lost,
                );
            }
            types::CALLS => {
                let lost = lost_call();
                let rows = calls(columns);
                place(self, |r| &mut r.recording.calls, columns, kind, rows, lost);
            }
            types::CALLERS => {
                let lost = lost_caller();
                let rows = callers(columns);
                place(
                    self,
                    |r| &mut r.recording.callers,
                    columns,
                    kind,
                    rows,
                    lost,
                );
            }
            types::LINES => {
                let lost = lost_line();
                let rows = line_hits(columns);
                place(self, |r| &mut r.recording.lines, columns, kind, rows, lost);
            }
            types::SOURCES => {
                let files = columns.words("file").into_iter();
                let rows = files
                    .zip(columns.words("text"))
                    .map(|(file, source)| Source {
                        file: TextId(file),
                        text: TextId(source),
                    });
                let rows = rows.collect();
                let lost = Source {
                    file: TextId::EMPTY,
                    text: TextId::EMPTY,
                };
                place(
                    self,
                    |r| &mut r.recording.sources,
                    columns,
                    kind,
                    rows,
                    lost,
                );
            }
            types::LOG => {
                let rows = log(columns);
                let lost = LogLine {
                    time: 0,
                    process: None,
                    text: TextId::EMPTY,
                };
                place(self, |r| &mut r.recording.log, columns, kind, rows, lost);
            }
            _ => {
                if columns.first > self.samples {
                    let missing = columns.first - self.samples;
                    self.warn(format!("{missing} samples are missing"));
                }
                self.samples = columns.first.saturating_add(columns.rows as u64);
                samples(columns, &mut self.recording.samples);
            }
        }
    }

    /// The last is right: the first is written when a recording begins.
    fn meta(&mut self, columns: &mut Columns) {
        if columns.rows != 1 {
            self.warn("what is true of the whole recording cannot be read");
            return;
        }
        let mut text = |name| columns.text(name).pop().unwrap_or_default();
        let (directory, host) = (text("directory"), text("host"));
        let (system, cpu) = (text("system"), text("cpu"));
        let mut number = |name| columns.numbers(name).pop().unwrap_or_default();
        let (started, elapsed) = (number("started"), number("elapsed"));
        let mut float = |name| columns.floats(name).pop().unwrap_or_default();
        let (rate, target_cpus) = (float("rate"), float("target_cpus"));
        self.recording.meta = Meta {
            command: columns.texts("command").pop().unwrap_or_default(),
            directory,
            started,
            elapsed,
            rate,
            target_cpus,
            host,
            system,
            cpu,
            exit_status: columns
                .optional("exit_status")
                .pop()
                .flatten()
                .map(u32::cast_signed),
        };
    }

    fn finish(mut self) -> (Recording, Vec<Warning>) {
        match self.counts.take() {
            None => self.warn("the recording was not finished: its end is missing"),
            Some(counts) => {
                let r = &self.recording;
                let have = [
                    (types::TEXTS, self.texts.len() as u64),
                    (types::PROCESSES, r.processes.len() as u64),
                    (types::THREADS, r.threads.len() as u64),
                    (types::FUNCTIONS, r.functions.len() as u64),
                    (types::FRAMES, r.frames.len() as u64),
                    (types::STACKS, r.stacks.len() as u64),
                    (types::SIGNATURES, r.signatures.len() as u64),
                    (types::SAMPLES, self.samples),
                    (types::CALLS, r.calls.len() as u64),
                    (types::CALLERS, r.callers.len() as u64),
                    (types::LINES, r.lines.len() as u64),
                    (types::SOURCES, r.sources.len() as u64),
                    (types::LOG, r.log.len() as u64),
                ];
                for (kind, have) in have {
                    let name = shown(kind);
                    let written = counts.get(&name).copied().unwrap_or(have);
                    if written > have {
                        let missing = written - have;
                        self.warn(format!(
                            "the last {missing} rows of table {name} are missing"
                        ));
                    }
                }
            }
        }
        let texts = std::mem::take(&mut self.texts);
        let wrong = check(&mut self.recording, texts);
        wrong.into_iter().for_each(|text| self.warn(text));
        (self.recording, self.warnings)
    }
}

/// Puts rows where their chunk says: over those that are there, or behind them. In place of rows that were
/// never read stands `lost`.
fn place<T: Clone>(
    reader: &mut Reader,
    table: impl Fn(&mut Reader) -> &mut Vec<T>,
    columns: &Columns,
    kind: [u8; 4],
    rows: Vec<T>,
    lost: T,
) {
    let have = table(reader).len() as u64;
    if columns.first > have {
        let missing = columns.first - have;
        let name = shown(kind);
        if !reader.afford(missing) {
            reader.warn(format!("a part of table {name} claims too many rows"));
            return;
        }
        reader.warn(format!("{missing} rows of table {name} are missing"));
        table(reader).resize(columns.first as usize, lost);
    }
    let table = table(reader);
    let mut rows = rows.into_iter();
    let over = table.iter_mut().skip(columns.first as usize);
    over.zip(rows.by_ref()).for_each(|(old, new)| *old = new);
    table.extend(rows);
}

/// Stands for a process that is not in the file.
pub(super) fn lost_process() -> Process {
    Process {
        pid: 0,
        parent: None,
        command: TextId::EMPTY,
        python: TextId::EMPTY,
        start: 0,
        end: 0,
        user: 0,
        kernel: 0,
        reason: TextId::EMPTY,
        counts: Counts::default(),
    }
}

fn lost_thread() -> Thread {
    Thread {
        process: ProcessId(UNKNOWN),
        tid: 0,
        name: TextId::EMPTY,
        start: 0,
        end: 0,
        user: 0,
        kernel: 0,
    }
}

pub fn lost_function() -> Function {
    Function {
        kind: Kind::Marker,
        name: TextId::EMPTY,
        file: TextId::EMPTY,
        line: 0,
        module: TextId::EMPTY,
    }
}

pub fn lost_frame() -> Frame {
    Frame {
        function: FunctionId(UNKNOWN),
        line: 0,
        column: 0,
        end_line: 0,
        end_column: 0,
        address: 0,
        inlined: false,
    }
}

fn processes(columns: &mut Columns) -> Vec<Process> {
    let (pid, parent) = (columns.words("pid"), columns.optional("parent"));
    let (command, python) = (columns.words("command"), columns.words("python"));
    let (start, end) = (columns.numbers("start"), columns.numbers("end"));
    let (user, kernel) = (columns.numbers("user"), columns.numbers("kernel"));
    let reason = columns.words("reason");
    let (taken, lost) = (columns.numbers("taken"), columns.numbers("lost"));
    let abandoned = columns.numbers("abandoned");
    let (unplaced, cut) = (columns.numbers("unplaced"), columns.numbers("cut"));
    let cost = columns.numbers("cost");
    let row = |i: usize| Process {
        pid: pid[i],
        parent: parent[i].map(ProcessId),
        command: TextId(command[i]),
        python: TextId(python[i]),
        start: start[i],
        end: end[i],
        user: user[i],
        kernel: kernel[i],
        reason: TextId(reason[i]),
        counts: Counts {
            taken: taken[i],
            lost: lost[i],
            abandoned: abandoned[i],
            unplaced: unplaced[i],
            cut: cut[i],
            cost: cost[i],
        },
    };
    (0..columns.rows).map(row).collect()
}

fn threads(columns: &mut Columns) -> Vec<Thread> {
    let (process, tid) = (columns.words("process"), columns.words("tid"));
    let name = columns.words("name");
    let (start, end) = (columns.numbers("start"), columns.numbers("end"));
    let (user, kernel) = (columns.numbers("user"), columns.numbers("kernel"));
    let row = |i: usize| Thread {
        process: ProcessId(process[i]),
        tid: tid[i],
        name: TextId(name[i]),
        start: start[i],
        end: end[i],
        user: user[i],
        kernel: kernel[i],
    };
    (0..columns.rows).map(row).collect()
}

fn functions(columns: &mut Columns) -> Vec<Function> {
    let (kind, name) = (columns.words("kind"), columns.words("name"));
    let (file, line) = (columns.words("file"), columns.words("line"));
    let module = columns.words("module");
    let row = |i: usize| Function {
        kind: match kind[i] {
            0 => Kind::Python,
            1 => Kind::Native,
            2 => Kind::Compiled,
            3 => Kind::Kernel,
            _ => Kind::Marker,
        },
        name: TextId(name[i]),
        file: TextId(file[i]),
        line: line[i],
        module: TextId(module[i]),
    };
    (0..columns.rows).map(row).collect()
}

fn frames(columns: &mut Columns) -> Vec<Frame> {
    let (function, line) = (columns.words("function"), columns.words("line"));
    let (column, end_line) = (columns.words("column"), columns.words("end_line"));
    let end_column = columns.words("end_column");
    let (address, inlined) = (columns.numbers("address"), columns.numbers("inlined"));
    let row = |i: usize| Frame {
        function: FunctionId(function[i]),
        line: line[i],
        column: column[i],
        end_line: end_line[i],
        end_column: end_column[i],
        address: address[i],
        inlined: inlined[i] != 0,
    };
    (0..columns.rows).map(row).collect()
}

fn samples(columns: &mut Columns, out: &mut Vec<Sample>) {
    let (time, thread) = (columns.numbers("time"), columns.words("thread"));
    let (stack, state) = (columns.optional("stack"), columns.words("state"));
    let (user, kernel) = (columns.words("user"), columns.words("kernel"));
    let (wait, signature) = (columns.words("wait"), columns.optional("signature"));
    out.extend((0..columns.rows).map(|i| Sample {
        time: time[i],
        thread: ThreadId(thread[i]),
        stack: stack[i].map(StackId),
        state: match state[i] {
            0 => State::Running,
            1 => State::RunningWithGil,
            3 => State::WaitingForGil,
            4 => State::Queued,
            _ => State::Waiting,
        },
        user: user[i],
        kernel: kernel[i],
        wait: wait[i],
        signature: signature[i].map(SignatureId),
    }));
}

fn lost_call() -> Call {
    Call {
        function: FunctionId(UNKNOWN),
        signature: None,
        counted: Counted::default(),
    }
}

fn lost_caller() -> Caller {
    Caller {
        caller: CallId(UNKNOWN),
        callee: CallId(UNKNOWN),
        counted: Counted::default(),
    }
}

fn lost_line() -> LineHits {
    LineHits {
        function: FunctionId(UNKNOWN),
        line: 0,
        hits: 0,
        time: 0,
    }
}

fn counted(columns: &mut Columns) -> Vec<Counted> {
    let (calls, primitive) = (columns.numbers("calls"), columns.numbers("primitive"));
    let (own, total) = (columns.numbers("own"), columns.numbers("total"));
    let row = |i: usize| Counted {
        calls: calls[i],
        primitive: primitive[i],
        own: own[i],
        total: total[i],
    };
    (0..columns.rows).map(row).collect()
}

fn calls(columns: &mut Columns) -> Vec<Call> {
    let (function, signature) = (columns.words("function"), columns.optional("signature"));
    let rows = counted(columns).into_iter().zip(function).zip(signature);
    rows.map(|((counted, function), signature)| Call {
        function: FunctionId(function),
        signature: signature.map(SignatureId),
        counted,
    })
    .collect()
}

fn callers(columns: &mut Columns) -> Vec<Caller> {
    let (caller, callee) = (columns.words("caller"), columns.words("callee"));
    let rows = counted(columns).into_iter().zip(caller).zip(callee);
    rows.map(|((counted, caller), callee)| Caller {
        caller: CallId(caller),
        callee: CallId(callee),
        counted,
    })
    .collect()
}

fn line_hits(columns: &mut Columns) -> Vec<LineHits> {
    let (function, line) = (columns.words("function"), columns.words("line"));
    let (hits, time) = (columns.numbers("hits"), columns.numbers("time"));
    let row = |i: usize| LineHits {
        function: FunctionId(function[i]),
        line: line[i],
        hits: hits[i],
        time: time[i],
    };
    (0..columns.rows).map(row).collect()
}

fn log(columns: &mut Columns) -> Vec<LogLine> {
    let (time, process) = (columns.numbers("time"), columns.optional("process"));
    let text = columns.words("text");
    let row = |i: usize| LogLine {
        time: time[i],
        process: process[i].map(ProcessId),
        text: TextId(text[i]),
    };
    (0..columns.rows).map(row).collect()
}
