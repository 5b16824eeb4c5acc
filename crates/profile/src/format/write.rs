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
    let r = recording;
    let mut file = File {
        out,
        counts: vec![],
    };
    file.out.write_all(&MAGIC)?;
    file.out.write_all(&MAJOR.to_le_bytes())?;
    file.out.write_all(&MINOR.to_le_bytes())?;
    meta(&mut file.out, &r.meta)?;
    file.texts(&r.texts)?;
    file.rows(types::PROCESSES, &r.processes, processes)?;
    file.rows(types::THREADS, &r.threads, threads)?;
    file.rows(types::FUNCTIONS, &r.functions, functions)?;
    file.rows(types::FRAMES, &r.frames, frames)?;
    file.rows(types::STACKS, &r.stacks, stacks)?;
    file.rows(types::SIGNATURES, &r.signatures, signatures)?;
    file.rows(types::CALLS, &r.calls, calls)?;
    file.rows(types::CALLERS, &r.callers, callers)?;
    file.rows(types::LINES, &r.lines, lines)?;
    file.rows(types::LOG, &r.log, log)?;
    file.rows(types::SAMPLES, &r.samples, samples)?;
    file.rows(types::SOURCES, &r.sources, sources)?;
    file.end()
}

struct File<W> {
    out: W,
    /// Rows by table.
    counts: Vec<([u8; 4], usize)>,
}

impl<W: Write> File<W> {
    fn rows<T>(
        &mut self,
        kind: [u8; 4],
        all: &[T],
        columns: impl Fn(&mut Table, &[T]),
    ) -> io::Result<()> {
        for (i, part) in all.chunks(ROWS).enumerate() {
            let mut table = Table::new(i * ROWS, part.len());
            columns(&mut table, part);
            chunk::write(&mut self.out, kind, &table.finish())?;
        }
        self.counts.push((kind, all.len()));
        Ok(())
    }

    fn texts(&mut self, texts: &Texts) -> io::Result<()> {
        let all: Vec<&str> = texts.iter().collect();
        let mut first = 0;
        while first < all.len() {
            let mut bytes = 0;
            let rows = all[first..].iter().take_while(|text| {
                let has_room = bytes < TEXT_BYTES;
                bytes += text.len();
                has_room
            });
            let end = first + rows.count();
            let mut table = Table::new(first, end - first);
            table.text("text", all[first..end].iter().copied());
            chunk::write(&mut self.out, types::TEXTS, &table.finish())?;
            first = end;
        }
        self.counts.push((types::TEXTS, all.len()));
        Ok(())
    }

    fn end(mut self) -> io::Result<()> {
        let counts = self.counts;
        let names: Vec<String> = counts.iter().map(|(kind, _)| chunk::shown(*kind)).collect();
        let mut table = Table::new(0, counts.len());
        table.text("table", names.iter().map(String::as_str));
        table.unsigned("rows", counts.iter().map(|(_, rows)| *rows as u64));
        chunk::write(&mut self.out, types::END, &table.finish())?;
        self.out.flush()
    }
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
    table.unsigneds(
        "names",
        lists().map(|(n, list)| (n, list.map(|(name, _)| name.0))),
    );
    table.unsigneds(
        "types",
        lists().map(|(n, list)| (n, list.map(|(_, ty)| ty.0))),
    );
}

fn calls(table: &mut Table, rows: &[Call]) {
    table.unsigned("function", rows.iter().map(|c| c.function.0));
    table.optional("signature", rows.iter().map(|c| c.signature.map(|s| s.0)));
    counted(table, rows.iter().map(|c| c.counted));
}

fn callers(table: &mut Table, rows: &[Caller]) {
    table.unsigned("caller", rows.iter().map(|c| c.caller.0));
    table.unsigned("callee", rows.iter().map(|c| c.callee.0));
    counted(table, rows.iter().map(|c| c.counted));
}

fn counted(table: &mut Table, rows: impl Iterator<Item = Counted> + Clone) {
    table.unsigned("calls", rows.clone().map(|c| c.calls));
    table.unsigned("primitive", rows.clone().map(|c| c.primitive));
    table.unsigned("own", rows.clone().map(|c| c.own));
    table.unsigned("total", rows.map(|c| c.total));
}

fn lines(table: &mut Table, rows: &[LineHits]) {
    table.unsigned("function", rows.iter().map(|l| l.function.0));
    table.delta("line", rows.iter().map(|l| l.line));
    table.unsigned("hits", rows.iter().map(|l| l.hits));
    table.unsigned("time", rows.iter().map(|l| l.time));
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
