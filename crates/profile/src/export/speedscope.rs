//! The file of speedscope: a sampled profile for each thread, with frames that all share.

use std::io::{self, Write};

use super::{Options, Unit, by_thread, counted};
use crate::json::{list, number, string};
use crate::labels;
use crate::model::{Function, Kind, Recording, ThreadId};
use crate::tree::{Keys, PathId, Paths};

const SCHEMA: &str = "https://www.speedscope.app/file-format-schema.json";

#[derive(Clone, PartialEq, Eq, Hash)]
struct Frame {
    name: String,
    file: String,
    line: u32,
}

pub fn write(recording: &Recording, options: &Options, out: &mut impl Write) -> io::Result<()> {
    let unknown = Frame {
        name: labels::NO_STACK.to_owned(),
        file: String::new(),
        line: 0,
    };
    let keys = Keys::of_functions(recording, unknown, |f| frame(recording, f));
    let paths = Paths::new(recording, &keys);
    write!(
        out,
        "{{\"$schema\":\"{SCHEMA}\",\"exporter\":\"ferdelance\",\"name\":"
    )?;
    string(out, &recording.meta.command.join(" "))?;
    out.write_all(b",\"shared\":{\"frames\":")?;
    list(out, &keys.all, |out, frame| {
        out.write_all(b"{\"name\":")?;
        string(out, &frame.name)?;
        if !frame.file.is_empty() {
            out.write_all(b",\"file\":")?;
            string(out, &frame.file)?;
        }
        match frame.line {
            0 => out.write_all(b"}"),
            line => write!(out, ",\"line\":{line}}}"),
        }
    })?;
    out.write_all(b"},\"profiles\":")?;
    let threads = (0..)
        .map(ThreadId)
        .zip(by_thread(recording, counted(recording)));
    let threads = threads.filter(|(_, samples)| !samples.is_empty());
    let mut way = vec![];
    list(out, threads, |out, (id, samples)| {
        let thread = &recording.threads[id.index()];
        let process = labels::process(recording, thread.process);
        let name = labels::thread(recording, id);
        // Samples in the same place that follow each other are one.
        let mut runs: Vec<(PathId, u64)> = vec![];
        for sample in samples {
            let (path, value) = (paths.of(sample), options.unit.of_sample(sample));
            match runs.last_mut() {
                Some((last, sum)) if *last == path => *sum += value,
                _ => runs.push((path, value)),
            }
        }
        out.write_all(b"{\"type\":\"sampled\",\"name\":")?;
        string(out, &format!("{process} thread {name} ({})", thread.tid))?;
        let unit = match options.unit {
            Unit::Us => "microseconds",
            Unit::Samples => "none",
        };
        let end: u64 = runs.iter().map(|(_, value)| value).sum();
        write!(
            out,
            ",\"unit\":\"{unit}\",\"startValue\":0,\"endValue\":{end},\"samples\":"
        )?;
        list(out, &runs, |out, &(path, _)| {
            paths.way(path, &mut way);
            list(out, &way, |out, path| {
                number(out, u64::from(paths.all[path.index()].1.0))
            })
        })?;
        out.write_all(b",\"weights\":")?;
        list(out, &runs, |out, &(_, value)| number(out, value))?;
        out.write_all(b"}")
    })?;
    out.write_all(b"}\n")
}

fn frame(recording: &Recording, function: &Function) -> Frame {
    let texts = &recording.texts;
    match function.kind {
        Kind::Python | Kind::Compiled => Frame {
            name: labels::name(recording, function).to_owned(),
            file: texts.get(function.file).to_owned(),
            line: function.line,
        },
        _ => Frame {
            name: labels::function(recording, function),
            file: texts.get(function.file).to_owned(),
            line: function.line,
        },
    }
}
