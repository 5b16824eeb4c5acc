//! From a recording to its file.

use std::io::{self, Write};

use super::column::Table;
use super::{MAGIC, MAJOR, MINOR, chunk, types};
use crate::model::*;

/// Rows of a chunk, so that damage costs little, and a reader can work on one while the next arrives.
const ROWS: usize = 1 << 16;
/// Bytes of the texts of a chunk.
const TEXT_BYTES: usize = 1 << 20;

/// Writes a recording.
pub fn write(recording: &Recording, out: impl Write) -> io::Result<()> {
    let mut writer = Writer::new(out)?;
    writer.tables(recording)?;
    writer.samples(&recording.samples)?;
    writer.finish(recording)
}

/// A file to which a recording is written while it is being made.
///
/// [`tables`](Writer::tables) comes before the samples that refer to what is new in them; what was written
/// is then of use even if nothing follows.
pub struct Writer<W> {
    out: W,
    texts: usize,
    functions: usize,
    frames: usize,
    stacks: usize,
    signatures: usize,
    sources: usize,
    log: usize,
    samples: usize,
}

impl<W: Write> Writer<W> {
    pub fn new(mut out: W) -> io::Result<Self> {
        out.write_all(&MAGIC)?;
        out.write_all(&MAJOR.to_le_bytes())?;
        out.write_all(&MINOR.to_le_bytes())?;
        Ok(Writer {
            out,
            texts: 0,
            functions: 0,
            frames: 0,
            stacks: 0,
            signatures: 0,
            sources: 0,
            log: 0,
            samples: 0,
        })
    }

    /// Writes what the tables have gained since the last call; of what changes as a run goes on (processes,
    /// threads, what is true of the whole), all.
    pub fn tables(&mut self, recording: &Recording) -> io::Result<()> {
        self.texts(&recording.texts)?;
        let out = &mut self.out;
        meta(out, &recording.meta)?;
        let mut changing = 0;
        rows(out, types::PROCESSES, &mut changing, &recording.processes, processes)?;
        changing = 0;
        rows(out, types::THREADS, &mut changing, &recording.threads, threads)?;
        rows(out, types::FUNCTIONS, &mut self.functions, &recording.functions, functions)?;
        rows(out, types::FRAMES, &mut self.frames, &recording.frames, frames)?;
        rows(out, types::STACKS, &mut self.stacks, &recording.stacks, stacks)?;
        rows(out, types::SIGNATURES, &mut self.signatures, &recording.signatures, signatures)?;
        rows(out, types::SOURCES, &mut self.sources, &recording.sources, sources)?;
        rows(out, types::LOG, &mut self.log, &recording.log, log)
    }

    /// Writes samples behind those that were written.
    pub fn samples(&mut self, new: &[Sample]) -> io::Result<()> {
        for part in new.chunks(ROWS) {
            let mut table = Table::new(self.samples, part.len());
            samples(&mut table, part);
            chunk::write(&mut self.out, types::SAMPLES, &table.finish())?;
            self.samples += part.len();
        }
        Ok(())
    }

    /// Writes the end. The samples of the recording are not looked at: they were written by
    /// [`samples`](Writer::samples).
    pub fn finish(mut self, recording: &Recording) -> io::Result<()> {
        self.tables(recording)?;
        let counts = [
            (types::TEXTS, self.texts),
            (types::PROCESSES, recording.processes.len()),
            (types::THREADS, recording.threads.len()),
            (types::FUNCTIONS, self.functions),
            (types::FRAMES, self.frames),
            (types::STACKS, self.stacks),
            (types::SIGNATURES, self.signatures),
            (types::SAMPLES, self.samples),
            (types::SOURCES, self.sources),
            (types::LOG, self.log),
        ];
        let names = counts.map(|(kind, _)| chunk::shown(kind));
        let mut table = Table::new(0, counts.len());
        table.text("table", names.iter().map(String::as_str));
        table.unsigned("rows", counts.iter().map(|(_, rows)| *rows as u64));
        chunk::write(&mut self.out, types::END, &table.finish())?;
        self.out.flush()
    }

    fn texts(&mut self, texts: &Texts) -> io::Result<()> {
        let mut part = vec![];
        let mut bytes = 0;
        for text in texts.iter().skip(self.texts) {
            part.push(text);
            bytes += text.len();
            if bytes > TEXT_BYTES {
                self.some_texts(&part)?;
                part.clear();
                bytes = 0;
            }
        }
        self.some_texts(&part)
    }

    fn some_texts(&mut self, part: &[&str]) -> io::Result<()> {
        if part.is_empty() {
            return Ok(());
        }
        let mut table = Table::new(self.texts, part.len());
        table.text("text", part.iter().copied());
        self.texts += part.len();
        chunk::write(&mut self.out, types::TEXTS, &table.finish())
    }
}

/// Writes the rows after the first `done`.
fn rows<T>(
    out: &mut impl Write,
    kind: [u8; 4],
    done: &mut usize,
    all: &[T],
    columns: impl Fn(&mut Table, &[T]),
) -> io::Result<()> {
    for part in all[*done..].chunks(ROWS) {
        let mut table = Table::new(*done, part.len());
        columns(&mut table, part);
        chunk::write(out, kind, &table.finish())?;
        *done += part.len();
    }
    Ok(())
}

fn meta(out: &mut impl Write, meta: &Meta) -> io::Result<()> {
    let mut table = Table::new(0, 1);
    table.texts("command", [&meta.command[..]].into_iter());
    for (name, text) in [
        ("directory", &meta.directory),
        ("host", &meta.host),
        ("system", &meta.system),
        ("cpu", &meta.cpu),
    ] {
        table.text(name, [&text[..]].into_iter());
    }
    table.unsigned("started", [meta.started].into_iter());
    table.unsigned("elapsed", [meta.elapsed].into_iter());
    table.float("rate", [meta.rate].into_iter());
    table.float("target_cpus", [meta.target_cpus].into_iter());
    table.optional(
        "exit_status",
        [meta.exit_status.map(i32::cast_unsigned)].into_iter(),
    );
    chunk::write(out, types::META, &table.finish())
}

fn processes(table: &mut Table, rows: &[Process]) {
    let all = || rows.iter();
    table.unsigned("pid", all().map(|p| p.pid));
    table.optional("parent", all().map(|p| p.parent.map(|p| p.0)));
    table.unsigned("command", all().map(|p| p.command.0));
    table.unsigned("python", all().map(|p| p.python.0));
    table.delta("start", all().map(|p| p.start));
    table.delta("end", all().map(|p| p.end));
    table.unsigned("user", all().map(|p| p.user));
    table.unsigned("kernel", all().map(|p| p.kernel));
    table.unsigned("reason", all().map(|p| p.reason.0));
    table.unsigned("taken", all().map(|p| p.counts.taken));
    table.unsigned("lost", all().map(|p| p.counts.lost));
    table.unsigned("abandoned", all().map(|p| p.counts.abandoned));
    table.unsigned("unplaced", all().map(|p| p.counts.unplaced));
    table.unsigned("cut", all().map(|p| p.counts.cut));
    table.unsigned("cost", all().map(|p| p.counts.cost));
}

fn threads(table: &mut Table, rows: &[Thread]) {
    let all = || rows.iter();
    table.unsigned("process", all().map(|t| t.process.0));
    table.unsigned("tid", all().map(|t| t.tid));
    table.unsigned("name", all().map(|t| t.name.0));
    table.delta("start", all().map(|t| t.start));
    table.delta("end", all().map(|t| t.end));
    table.unsigned("user", all().map(|t| t.user));
    table.unsigned("kernel", all().map(|t| t.kernel));
}

fn functions(table: &mut Table, rows: &[Function]) {
    let all = || rows.iter();
    table.unsigned("kind", all().map(|f| kind_code(f.kind)));
    table.unsigned("name", all().map(|f| f.name.0));
    table.unsigned("file", all().map(|f| f.file.0));
    table.unsigned("line", all().map(|f| f.line));
    table.unsigned("module", all().map(|f| f.module.0));
}

fn frames(table: &mut Table, rows: &[Frame]) {
    let all = || rows.iter();
    table.delta("function", all().map(|f| f.function.0));
    table.unsigned("line", all().map(|f| f.line));
    table.unsigned("column", all().map(|f| f.column));
    table.unsigned("end_line", all().map(|f| f.end_line));
    table.unsigned("end_column", all().map(|f| f.end_column));
    table.delta("address", all().map(|f| f.address));
    table.unsigned("inlined", all().map(|f| f.inlined));
}

fn stacks(table: &mut Table, rows: &[Stack]) {
    table.optional("parent", rows.iter().map(|s| s.parent.map(|p| p.0)));
    table.unsigned("frame", rows.iter().map(|s| s.frame.0));
}

fn signatures(table: &mut Table, rows: &[Signature]) {
    let lists = || rows.iter().map(|s| (s.arguments.len(), s.arguments.iter()));
    table.unsigneds("names", lists().map(|(n, list)| (n, list.map(|(name, _)| name.0))));
    table.unsigneds("types", lists().map(|(n, list)| (n, list.map(|(_, ty)| ty.0))));
}

fn samples(table: &mut Table, rows: &[Sample]) {
    let all = || rows.iter();
    table.delta("time", all().map(|s| s.time));
    table.unsigned("thread", all().map(|s| s.thread.0));
    table.optional("stack", all().map(|s| s.stack.map(|s| s.0)));
    table.unsigned("state", all().map(|s| state_code(s.state)));
    table.unsigned("user", all().map(|s| s.user));
    table.unsigned("kernel", all().map(|s| s.kernel));
    table.unsigned("wait", all().map(|s| s.wait));
    table.optional("signature", all().map(|s| s.signature.map(|s| s.0)));
}

fn sources(table: &mut Table, rows: &[Source]) {
    table.unsigned("file", rows.iter().map(|s| s.file.0));
    table.unsigned("text", rows.iter().map(|s| s.text.0));
}

fn log(table: &mut Table, rows: &[LogLine]) {
    table.delta("time", rows.iter().map(|l| l.time));
    table.optional("process", rows.iter().map(|l| l.process.map(|p| p.0)));
    table.unsigned("text", rows.iter().map(|l| l.text.0));
}

fn kind_code(kind: Kind) -> u8 {
    match kind {
        Kind::Python => 0,
        Kind::Native => 1,
        Kind::Compiled => 2,
        Kind::Kernel => 3,
        Kind::Marker => 4,
    }
}

fn state_code(state: State) -> u8 {
    match state {
        State::Running => 0,
        State::RunningWithGil => 1,
        State::Waiting => 2,
        State::WaitingForGil => 3,
        State::Queued => 4,
    }
}
