//! The Trace Event Format of Chrome: what each thread ran, as it went on.
//!
//! A sample stands for the time since the one before, as far as the thread ran or waited then. Frames that
//! samples one after the other have in common go on; where it is not known what a thread did, it has none.
//! What is not running has a last frame that says so.

use std::io::{self, Write};

use super::{by_thread, is_counted};
use crate::json::{scaled, string};
use crate::labels;
use crate::model::{Kind, ProcessId, Recording, State, Thread, ThreadId};
use crate::tree::{Keys, PathId, Paths};

pub fn write(recording: &Recording, out: &mut impl Write) -> io::Result<()> {
    let unknown = (labels::NO_STACK.to_owned(), Kind::Marker);
    let keys = Keys::of_functions(recording, unknown, |f| {
        (labels::short_function(recording, f), f.kind)
    });
    let paths = Paths::new(recording, &keys);
    let mut heads = vec![];
    for (name, kind) in &keys.all {
        let mut head = Vec::from(b"{\"name\":");
        string(&mut head, name)?;
        write!(head, ",\"cat\":\"{}\"", labels::kind(*kind))?;
        heads.push(head);
    }
    out.write_all(b"{\"displayTimeUnit\":\"ms\",\"traceEvents\":[")?;
    names(recording, out)?;
    let period = match recording.meta.rate {
        rate if rate > 0.0 => (1e9 / rate) as u64,
        _ => 0,
    };
    let mut path = vec![];
    let mut way = vec![];
    let samples = by_thread(recording, &recording.samples);
    for (thread, samples) in recording.threads.iter().zip(samples) {
        let mut lane = Lane::new(recording, thread, &paths, &heads);
        let mut last = thread.start;
        for sample in samples {
            let length = (sample.cpu() + u64::from(sample.wait)).saturating_mul(1000);
            // A thread that runs may be off its CPU for a while, and its clock is coarse.
            let slack = if is_counted(sample) { length } else { 0 };
            let since = sample.time.saturating_sub(last);
            if since > length.saturating_add(slack).saturating_add(period) {
                lane.go_to(&[], last, out)?;
                last = sample.time.saturating_sub(length);
            }
            paths.way(paths.of(sample), &mut path);
            way.clear();
            way.extend(path.iter().map(|&path| Open::Frame(path)));
            if !is_counted(sample) {
                way.push(Open::State(sample.state));
            }
            lane.go_to(&way, last, out)?;
            last = last.max(sample.time);
        }
        lane.go_to(&[], last, out)?;
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

/// What has begun and not ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Frame(PathId),
    State(State),
}

/// A thread while its events are written.
struct Lane<'a> {
    open: Vec<Open>,
    paths: &'a Paths,
    /// By key: how an event begins, as JSON.
    heads: &'a [Vec<u8>],
    /// What follows the phase: process and thread, as JSON.
    whose: String,
}

impl<'a> Lane<'a> {
    fn new(
        recording: &Recording,
        thread: &Thread,
        paths: &'a Paths,
        heads: &'a [Vec<u8>],
    ) -> Lane<'a> {
        let pid = recording.processes[thread.process.index()].pid;
        Lane {
            open: vec![],
            paths,
            heads,
            whose: format!("\",\"pid\":{pid},\"tid\":{},\"ts\":", thread.tid),
        }
    }

    /// Ends what `way` does not have, and begins what it has besides.
    fn go_to(&mut self, way: &[Open], time: u64, out: &mut impl Write) -> io::Result<()> {
        let same = self
            .open
            .iter()
            .zip(way)
            .take_while(|(a, b)| a == b)
            .count();
        for &ends in self.open[same..].iter().rev() {
            self.event(ends, b'E', time, out)?;
        }
        for &begins in &way[same..] {
            self.event(begins, b'B', time, out)?;
        }
        self.open.clear();
        self.open.extend_from_slice(way);
        Ok(())
    }

    fn event(&self, what: Open, phase: u8, time: u64, out: &mut impl Write) -> io::Result<()> {
        out.write_all(b",\n")?;
        match what {
            Open::Frame(path) => {
                let (_, key) = self.paths.all[path.index()];
                out.write_all(&self.heads[key.index()])?;
            }
            Open::State(state) => {
                let state = labels::state(state);
                write!(out, "{{\"name\":\"{state}\",\"cat\":\"State\"")?;
            }
        }
        out.write_all(b",\"ph\":\"")?;
        out.write_all(&[phase])?;
        out.write_all(self.whose.as_bytes())?;
        scaled(out, time, 3)?;
        out.write_all(b"}")
    }
}
