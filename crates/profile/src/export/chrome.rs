//! The Trace Event Format of Chrome: what each thread ran, as it went on.
//!
//! A sample stands for the time since the one before, as far as the thread ran then. Frames that samples one
//! after the other have in common go on; a thread that does not run has none.

use std::io::{self, Write};

use super::by_thread;
use super::json::{scaled, string};
use crate::labels;
use crate::model::{Kind, ProcessId, Recording, Thread, ThreadId};
use crate::tree::{Keys, PathId, Paths};

pub fn write(recording: &Recording, out: &mut impl Write) -> io::Result<()> {
    let unknown = (labels::NO_STACK.to_owned(), Kind::Marker);
    let keys = Keys::of_functions(recording, unknown, |f| {
        (labels::short_function(recording, f), f.kind)
    });
    let paths = Paths::new(recording, &keys);
    // Names as JSON, once.
    let mut heads = vec![];
    for (name, kind) in &keys.all {
        let mut head = Vec::from(b"{\"name\":");
        string(&mut head, name)?;
        write!(head, ",\"cat\":\"{}\",\"ph\":\"B\"", labels::kind(*kind))?;
        heads.push(head);
    }
    out.write_all(b"{\"displayTimeUnit\":\"ms\",\"traceEvents\":[")?;
    names(recording, out)?;
    let period = match recording.meta.rate {
        rate if rate > 0.0 => (1e9 / rate) as u64,
        _ => 0,
    };
    let mut way = vec![];
    for (thread, samples) in recording.threads.iter().zip(by_thread(recording)) {
        let mut lane = Lane::new(recording, thread);
        let mut last = thread.start;
        for sample in samples {
            let ran = sample.cpu().saturating_mul(1000);
            let since = sample.time.saturating_sub(last);
            let is_gap = since > ran.saturating_mul(2).saturating_add(period);
            if is_gap {
                lane.go_to(&[], last, out, |_| &[])?;
                last = sample.time.saturating_sub(ran);
            }
            paths.way(paths.of(sample), &mut way);
            lane.go_to(&way, last, out, |path| {
                &heads[paths.all[path.index()].1.index()]
            })?;
            last = last.max(sample.time);
        }
        lane.go_to(&[], last, out, |_| &[])?;
    }
    out.write_all(b"\n]}\n")
}

/// Writes what processes and threads are called. It begins the list of events.
fn names(recording: &Recording, out: &mut impl Write) -> io::Result<()> {
    let texts = &recording.texts;
    let mut separator = "\n";
    for (id, process) in (0..).map(ProcessId).zip(&recording.processes) {
        let pid = process.pid;
        write!(
            out,
            "{separator}{{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":{pid},\"tid\":0,\"args\":{{\"name\":"
        )?;
        match texts.get(process.command) {
            "" => string(out, &labels::process(recording, id))?,
            command => string(out, command)?,
        }
        out.write_all(b"}}")?;
        separator = ",\n";
    }
    for (id, thread) in (0..).map(ThreadId).zip(&recording.threads) {
        let pid = recording.processes[thread.process.index()].pid;
        let tid = thread.tid;
        write!(
            out,
            "{separator}{{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":{pid},\"tid\":{tid},\"args\":{{\"name\":"
        )?;
        string(out, &labels::thread(recording, id))?;
        out.write_all(b"}}")?;
    }
    Ok(())
}

/// A thread while its events are written.
struct Lane {
    /// What has begun and not ended.
    open: Vec<PathId>,
    /// Process and thread, as JSON.
    whose: String,
}

impl Lane {
    fn new(recording: &Recording, thread: &Thread) -> Lane {
        let pid = recording.processes[thread.process.index()].pid;
        Lane {
            open: vec![],
            whose: format!(",\"pid\":{pid},\"tid\":{},\"ts\":", thread.tid),
        }
    }

    /// Ends what `way` does not have, and begins what it has besides.
    fn go_to<'h>(
        &mut self,
        way: &[PathId],
        time: u64,
        out: &mut impl Write,
        head: impl Fn(PathId) -> &'h [u8],
    ) -> io::Result<()> {
        let same = self
            .open
            .iter()
            .zip(way)
            .take_while(|(a, b)| a == b)
            .count();
        for _ in same..self.open.len() {
            write!(out, ",\n{{\"ph\":\"E\"{}", self.whose)?;
            scaled(out, time, 3)?;
            out.write_all(b"}")?;
        }
        for &path in &way[same..] {
            out.write_all(b",\n")?;
            out.write_all(head(path))?;
            out.write_all(self.whose.as_bytes())?;
            scaled(out, time, 3)?;
            out.write_all(b"}")?;
        }
        self.open.clear();
        self.open.extend_from_slice(way);
        Ok(())
    }
}
