//! The processed profile of the Firefox Profiler, version 55; newer viewers bring it up to date as they
//! read it.
//!
//! Each thread has tables of its own, with what its samples refer to.

use std::collections::HashMap;
use std::io::{self, Write};

use super::{Options, Unit, by_thread, counted};
use crate::json::{list, number, scaled, string};
use crate::labels;
use crate::model::{
    FrameId, Function, FunctionId, Kind, ProcessId, Recording, Sample, StackId, ThreadId,
};

/// The name and colour of each category; [`category`] has their order.
const CATEGORIES: [(&str, &str); 5] = [
    ("Other", "grey"),
    ("Python", "yellow"),
    ("Native", "blue"),
    ("Compiled", "green"),
    ("Kernel", "orange"),
];

fn category(kind: Kind) -> u64 {
    match kind {
        Kind::Marker => 0,
        Kind::Python => 1,
        Kind::Native => 2,
        Kind::Compiled => 3,
        Kind::Kernel => 4,
    }
}

pub fn write(recording: &Recording, options: &Options, out: &mut impl Write) -> io::Result<()> {
    let libraries = Libraries::new(recording);
    meta(recording, out)?;
    out.write_all(b",\n\"libs\":")?;
    list(out, &libraries.names, |out, name| {
        let fields = ["name", "path", "debugName", "debugPath"];
        out.write_all(b"{")?;
        for field in fields {
            write!(out, "\"{field}\":")?;
            string(out, name)?;
            out.write_all(b",")?;
        }
        write!(
            out,
            "\"breakpadId\":\"{:0>33}\",\"codeId\":null,\"arch\":null}}",
            0
        )
    })?;
    out.write_all(b",\"pages\":[],\"profilerOverhead\":[],\"counters\":[],\n\"threads\":")?;
    let threads: Vec<_> = (0..)
        .map(ThreadId)
        .zip(by_thread(recording, counted(recording)))
        .collect();
    // A process's first thread is its main one.
    let mut has_main = vec![false; recording.processes.len()];
    list(out, threads, |out, (id, samples)| {
        let process = recording.threads[id.index()].process;
        let is_main = !std::mem::replace(&mut has_main[process.index()], true);
        Tables::new(recording, &libraries, &samples).write(id, is_main, &samples, options, out)
    })?;
    out.write_all(b"}\n")
}

fn meta(recording: &Recording, out: &mut impl Write) -> io::Result<()> {
    let meta = &recording.meta;
    out.write_all(b"{\"meta\":{\"categories\":")?;
    list(out, CATEGORIES, |out, (name, color)| {
        write!(
            out,
            "{{\"name\":\"{name}\",\"color\":\"{color}\",\"subcategories\":[\"Other\"]}}"
        )
    })?;
    out.write_all(b",\"product\":")?;
    match &*meta.command.join(" ") {
        "" => string(out, "ferdelance")?,
        command => string(out, command)?,
    }
    out.write_all(b",\"oscpu\":")?;
    string(out, &meta.system)?;
    let interval = match meta.rate {
        rate if rate > 0.0 && rate.is_finite() => 1000.0 / rate,
        _ => 1.0,
    };
    write!(out, ",\"interval\":{interval},\"startTime\":")?;
    scaled(out, meta.started, 6)?;
    out.write_all(
        b",\"debug\":false,\"extensions\":{\"length\":0,\"baseURL\":[],\"id\":[],\"name\":[]},\
          \"preprocessedProfileVersion\":55,\"version\":24,\"processType\":0,\"symbolicated\":true,\
          \"sampleUnits\":{\"time\":\"ms\",\"eventDelay\":\"ms\",\"threadCPUDelta\":\"\xc2\xb5s\"},\
          \"pausedRanges\":[],\"usesOnlyOneStackType\":true,\"sourceCodeIsNotOnSearchfox\":true,\
          \"markerSchema\":[]}",
    )
}

/// The modules of native code.
struct Libraries<'r> {
    names: Vec<&'r str>,
    of_function: Vec<Option<u32>>,
}

impl<'r> Libraries<'r> {
    fn new(recording: &'r Recording) -> Libraries<'r> {
        let mut names = vec![];
        let mut index = HashMap::new();
        let of_function = recording.functions.iter().map(|function| {
            let module = recording.texts.get(function.module);
            let has_one = matches!(function.kind, Kind::Native) && !module.is_empty();
            has_one.then(|| {
                *index.entry(module).or_insert_with(|| {
                    names.push(module);
                    names.len() as u32 - 1
                })
            })
        });
        let of_function = of_function.collect();
        Libraries { names, of_function }
    }
}

/// What the samples of a thread refer to. Functions, frames and stacks are in the order in which they are
/// met; stacks that are not known are frame 0 and stack 0.
struct Tables<'r> {
    recording: &'r Recording,
    libraries: &'r Libraries<'r>,
    functions: Vec<Option<FunctionId>>,
    /// Its function there, and what it is.
    frames: Vec<(u32, Option<FrameId>)>,
    /// What calls it, and its frame there.
    stacks: Vec<(Option<u32>, u32)>,
    of_sample: Vec<u32>,
}

impl<'r> Tables<'r> {
    fn new(
        recording: &'r Recording,
        libraries: &'r Libraries<'r>,
        samples: &[&Sample],
    ) -> Tables<'r> {
        let mut tables = Tables {
            recording,
            libraries,
            functions: vec![None],
            frames: vec![(0, None)],
            stacks: vec![(None, 0)],
            of_sample: vec![],
        };
        let mut functions: HashMap<FunctionId, u32> = HashMap::new();
        let mut frames: HashMap<FrameId, u32> = HashMap::new();
        let mut stacks: HashMap<StackId, u32> = HashMap::new();
        let mut missing = vec![];
        for sample in samples {
            let mut at = None;
            let mut next = sample.stack;
            while let Some(stack) = next {
                if let Some(&known) = stacks.get(&stack) {
                    at = Some(known);
                    break;
                }
                missing.push(stack);
                next = recording.stacks[stack.index()].parent;
            }
            while let Some(stack) = missing.pop() {
                let frame = recording.stacks[stack.index()].frame;
                let function = recording.frames[frame.index()].function;
                let function = *functions.entry(function).or_insert_with(|| {
                    tables.functions.push(Some(function));
                    tables.functions.len() as u32 - 1
                });
                let frame = *frames.entry(frame).or_insert_with(|| {
                    tables.frames.push((function, Some(frame)));
                    tables.frames.len() as u32 - 1
                });
                tables.stacks.push((at, frame));
                let number = tables.stacks.len() as u32 - 1;
                stacks.insert(stack, number);
                at = Some(number);
            }
            tables.of_sample.push(at.unwrap_or(0));
        }
        tables
    }

    fn write(
        &self,
        id: ThreadId,
        is_main: bool,
        samples: &[&Sample],
        options: &Options,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let mut strings = Strings::default();
        out.write_all(b"\n{\"frameTable\":")?;
        self.frames(out)?;
        out.write_all(b",\"funcTable\":")?;
        self.functions(&mut strings, out)?;
        out.write_all(b",\"resourceTable\":")?;
        self.resources(&mut strings, out)?;
        out.write_all(b",\"stackTable\":")?;
        let mut table = Table::new(out, self.stacks.len())?;
        table.column("prefix", &self.stacks, |out, &(parent, _)| {
            or_null(out, parent)
        })?;
        table.column("frame", &self.stacks, |out, &(_, frame)| {
            number(out, frame.into())
        })?;
        table.end()?;
        out.write_all(b",\"samples\":")?;
        self.samples(samples, options, out)?;
        out.write_all(
            b",\"nativeSymbols\":{\"length\":0,\"address\":[],\"functionSize\":[],\"libIndex\":[],\"name\":[]},\
              \"markers\":{\"length\":0,\"category\":[],\"data\":[],\"endTime\":[],\"name\":[],\"phase\":[],\"startTime\":[]},\
              \"stringArray\":",
        )?;
        list(out, &strings.all, |out, text| string(out, text))?;
        self.about(id, is_main, out)
    }

    /// Writes what the thread is.
    fn about(&self, id: ThreadId, is_main: bool, out: &mut impl Write) -> io::Result<()> {
        let recording = self.recording;
        let thread = &recording.threads[id.index()];
        let process = &recording.processes[thread.process.index()];
        out.write_all(b",\"name\":")?;
        string(out, &labels::thread(recording, id))?;
        out.write_all(b",\"processName\":")?;
        string(out, &process_name(recording, thread.process))?;
        write!(
            out,
            ",\"isMainThread\":{is_main},\"processType\":\"default\",\"pid\":\"{}\",\"tid\":\"{}\"",
            process.pid, thread.tid
        )?;
        let times = [
            ("processStartupTime", process.start),
            ("processShutdownTime", process.end),
            ("registerTime", thread.start),
            ("unregisterTime", thread.end),
        ];
        for (name, time) in times {
            write!(out, ",\"{name}\":")?;
            scaled(out, time, 6)?;
        }
        out.write_all(b",\"pausedRanges\":[],\"showMarkersInTimeline\":false}")
    }

    fn function(&self, id: Option<FunctionId>) -> Option<&'r Function> {
        Some(&self.recording.functions[id?.index()])
    }

    fn frames(&self, out: &mut impl Write) -> io::Result<()> {
        let recording = self.recording;
        let all: Vec<_> = self
            .frames
            .iter()
            .map(|&(function, frame)| {
                let kind = self
                    .function(self.functions[function as usize])
                    .map(|f| f.kind);
                (
                    function,
                    kind.unwrap_or(Kind::Marker),
                    frame.map(|f| &recording.frames[f.index()]),
                )
            })
            .collect();
        let some = |number: u32| Some(number).filter(|&n| n > 0);
        let mut table = Table::new(out, all.len())?;
        table.column("func", &all, |out, &(function, ..)| {
            number(out, function.into())
        })?;
        table.column("category", &all, |out, &(_, kind, _)| {
            number(out, category(kind))
        })?;
        table.column("address", &all, |out, &(_, kind, frame)| match frame {
            Some(frame) if kind == Kind::Native => number(out, frame.address),
            _ => out.write_all(b"-1"),
        })?;
        table.column("line", &all, |out, &(.., f)| {
            or_null(out, f.and_then(|f| some(f.line)))
        })?;
        table.column("column", &all, |out, &(.., f)| {
            or_null(out, f.and_then(|f| some(f.column)))
        })?;
        for zeros in ["subcategory", "inlineDepth", "innerWindowID"] {
            table.column(zeros, &all, |out, _| out.write_all(b"0"))?;
        }
        table.column("nativeSymbol", &all, |out, _| out.write_all(b"null"))?;
        table.end()
    }

    fn functions<'s>(&'s self, strings: &mut Strings<'s>, out: &mut impl Write) -> io::Result<()> {
        let texts = &self.recording.texts;
        let all: Vec<_> = self
            .functions
            .iter()
            .map(|&id| (id, self.function(id)))
            .collect();
        let mut table = Table::new(out, all.len())?;
        table.column("name", &all, |out, (_, function)| {
            let name = function.map_or(labels::NO_STACK, |f| labels::name(self.recording, f));
            number(out, strings.add(name))
        })?;
        table.column("resource", &all, |out, (id, _)| {
            match id.and_then(|id| self.libraries.of_function[id.index()]) {
                Some(library) => number(out, library.into()),
                None => out.write_all(b"-1"),
            }
        })?;
        table.column("fileName", &all, |out, (_, function)| {
            match function
                .map(|f| texts.get(f.file))
                .filter(|file| !file.is_empty())
            {
                Some(file) => number(out, strings.add(file)),
                None => out.write_all(b"null"),
            }
        })?;
        table.column("lineNumber", &all, |out, (_, function)| {
            or_null(out, function.map(|f| f.line).filter(|&line| line > 0))
        })?;
        table.column("columnNumber", &all, |out, _| out.write_all(b"null"))?;
        for no in ["isJS", "relevantForJS"] {
            table.column(no, &all, |out, _| out.write_all(b"false"))?;
        }
        table.end()
    }

    /// Writes the libraries, under the numbers that they have everywhere.
    fn resources<'s>(&'s self, strings: &mut Strings<'s>, out: &mut impl Write) -> io::Result<()> {
        const LIBRARY: &[u8] = b"1";
        let all = &self.libraries.names;
        let mut table = Table::new(out, all.len())?;
        let numbers: Vec<u64> = (0..all.len() as u64).collect();
        table.column("lib", &numbers, |out, &library| number(out, library))?;
        table.column("name", all, |out, name| number(out, strings.add(name)))?;
        table.column("host", all, |out, _| out.write_all(b"null"))?;
        table.column("type", all, |out, _| out.write_all(LIBRARY))?;
        table.end()
    }

    fn samples(
        &self,
        samples: &[&Sample],
        options: &Options,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let kind = match options.unit {
            Unit::Us => "tracing-ms",
            Unit::Samples => "samples",
        };
        let mut table = Table::new(out, samples.len())?;
        table.column("stack", &self.of_sample, |out, &stack| {
            number(out, stack.into())
        })?;
        table.column("time", samples, |out, sample| scaled(out, sample.time, 6))?;
        table.column("threadCPUDelta", samples, |out, sample| {
            number(out, sample.cpu())
        })?;
        table.column("weight", samples, |out, sample| match options.unit {
            Unit::Us => scaled(out, options.unit.of_sample(sample), 3),
            Unit::Samples => number(out, options.unit.of_sample(sample)),
        })?;
        write!(table.out, ",\"weightType\":\"{kind}\"")?;
        table.end()
    }
}

fn process_name(recording: &Recording, process: ProcessId) -> String {
    match recording
        .texts
        .get(recording.processes[process.index()].command)
    {
        "" => labels::process(recording, process),
        command => command.to_owned(),
    }
}

fn or_null(out: &mut impl Write, value: Option<u32>) -> io::Result<()> {
    match value {
        Some(value) => number(out, value.into()),
        None => out.write_all(b"null"),
    }
}

/// A table: its length, and a list for each column.
struct Table<'o, W> {
    out: &'o mut W,
}

impl<'o, W: Write> Table<'o, W> {
    fn new(out: &'o mut W, length: usize) -> io::Result<Table<'o, W>> {
        write!(out, "{{\"length\":{length}")?;
        Ok(Table { out })
    }

    fn column<'t, T>(
        &mut self,
        name: &str,
        items: &'t [T],
        item: impl FnMut(&mut W, &'t T) -> io::Result<()>,
    ) -> io::Result<()> {
        write!(self.out, ",\"{name}\":")?;
        list(self.out, items, item)
    }

    fn end(self) -> io::Result<()> {
        self.out.write_all(b"}")
    }
}

#[derive(Default)]
struct Strings<'r> {
    all: Vec<&'r str>,
    index: HashMap<&'r str, u64>,
}

impl<'r> Strings<'r> {
    fn add(&mut self, text: &'r str) -> u64 {
        *self.index.entry(text).or_insert_with(|| {
            self.all.push(text);
            self.all.len() as u64 - 1
        })
    }
}
