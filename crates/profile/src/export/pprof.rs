//! The profile of pprof: a Protocol Buffers message `perftools.profiles.Profile`, compressed.
//!
//! Lines that were inlined belong to the location of what they were put into, the innermost first.

use std::collections::HashMap;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Options, Unit, is_counted};
use crate::labels;
use crate::model::{Frame, FrameId, FunctionId, Kind, Recording, Sample, SignatureId, StackId};
use crate::tree::Weight;

pub fn write(recording: &Recording, options: &Options, out: &mut impl Write) -> io::Result<()> {
    let mut out = GzEncoder::new(out, Compression::fast());
    Profile {
        recording,
        strings: Strings::new(),
        locations: Locations::new(recording),
        mappings: HashMap::new(),
        functions: vec![None; recording.functions.len() + 1],
        message: Message::default(),
    }
    .write(options, &mut out)?;
    out.finish()?;
    Ok(())
}

struct Profile<'r> {
    recording: &'r Recording,
    strings: Strings,
    locations: Locations,
    /// By name.
    mappings: HashMap<String, u64>,
    /// By function; the last is what stands for stacks that are not known.
    functions: Vec<Option<u64>>,
    /// What is being put together.
    message: Message,
}

/// Numbers of fields.
mod field {
    pub const SAMPLE_TYPE: u32 = 1;
    pub const SAMPLE: u32 = 2;
    pub const MAPPING: u32 = 3;
    pub const LOCATION: u32 = 4;
    pub const FUNCTION: u32 = 5;
    pub const STRING_TABLE: u32 = 6;
    pub const TIME_NANOS: u32 = 9;
    pub const DURATION_NANOS: u32 = 10;
    pub const PERIOD_TYPE: u32 = 11;
    pub const PERIOD: u32 = 12;
    pub const COMMENT: u32 = 13;
    pub const DEFAULT_SAMPLE_TYPE: u32 = 14;
}

/// What makes samples the same.
type Same = (u32, Option<StackId>, u8, Option<SignatureId>);

impl Profile<'_> {
    fn write(mut self, options: &Options, out: &mut impl Write) -> io::Result<()> {
        let with_wait = self.recording.samples.iter().any(|s| s.wait > 0);
        let types = [
            ("samples", "count"),
            ("cpu", "nanoseconds"),
            ("wall", "nanoseconds"),
        ];
        let count = if with_wait { 3 } else { 2 };
        for (kind, unit) in &types[..count] {
            let value = self.value_type(kind, unit);
            value.write(field::SAMPLE_TYPE, out)?;
        }
        self.samples(count, out)?;
        self.locations(out)?;

        let meta = &self.recording.meta;
        let mut end = Message::default();
        end.number(field::TIME_NANOS, meta.started);
        end.number(field::DURATION_NANOS, meta.elapsed);
        if meta.rate > 0.0 {
            let cpu = self.value_type("cpu", "nanoseconds");
            end.bytes(field::PERIOD_TYPE, &cpu.0);
            end.number(field::PERIOD, (1e9 / meta.rate) as u64);
        }
        let comment = self.strings.add(&meta.command.join(" "));
        end.number(field::COMMENT, comment);
        let default = match options.unit {
            Unit::Us => "cpu",
            Unit::Samples => "samples",
        };
        end.number(field::DEFAULT_SAMPLE_TYPE, self.strings.add(default));
        for text in &self.strings.all {
            end.bytes(field::STRING_TABLE, text.as_bytes());
        }
        out.write_all(&end.0)
    }

    fn value_type(&mut self, kind: &str, unit: &str) -> Message {
        let mut value = Message::default();
        value.number(1, self.strings.add(kind));
        value.number(2, self.strings.add(unit));
        value
    }

    /// Writes the samples, those that are the same as one.
    fn samples(&mut self, values: usize, out: &mut impl Write) -> io::Result<()> {
        let same = |s: &Sample| -> Same { (s.thread.0, s.stack, s.state as u8, s.signature) };
        let mut samples: Vec<&Sample> = self.recording.samples.iter().collect();
        samples.sort_by_key(|s| same(s));
        let mut locations = Message::default();
        let mut numbers = Message::default();
        for alike in samples.chunk_by(|a, b| same(a) == same(b)) {
            let mut weight = Weight::default();
            alike.iter().for_each(|s| weight += Weight::of(s));
            locations.0.clear();
            match alike[0].stack {
                None => locations.varint(self.locations.unknown()),
                Some(stack) => {
                    let mut next = Some(stack);
                    while let Some(stack) = next {
                        let (location, above) = self.locations.of(stack);
                        locations.varint(location);
                        next = above;
                    }
                }
            }
            let cpu = weight.cpu.saturating_mul(1000);
            let wall = cpu.saturating_add(weight.wait.saturating_mul(1000));
            numbers.0.clear();
            let samples = alike.iter().filter(|s| is_counted(s)).count() as u64;
            for value in &[samples, cpu, wall][..values] {
                numbers.varint(*value);
            }
            self.message.0.clear();
            self.message.bytes(1, &locations.0);
            self.message.bytes(2, &numbers.0);
            self.labels(alike[0]);
            self.message.write(field::SAMPLE, out)?;
        }
        Ok(())
    }

    fn labels(&mut self, sample: &Sample) {
        let recording = self.recording;
        let thread = &recording.threads[sample.thread.index()];
        let process = &recording.processes[thread.process.index()];
        for (key, number) in [("pid", process.pid), ("tid", thread.tid)] {
            let mut label = Message::default();
            label.number(1, self.strings.add(key));
            label.number(3, u64::from(number));
            self.message.bytes(3, &label.0);
        }
        let state = labels::state(sample.state);
        let arguments = sample.signature.map(|signature| {
            let texts = &recording.texts;
            let arguments = &recording.signatures[signature.index()].arguments;
            let shown = arguments.iter().map(|&(name, kind)| match texts.get(name) {
                "" => texts.get(kind).to_owned(),
                name => format!("{name}: {}", texts.get(kind)),
            });
            shown.collect::<Vec<_>>().join(", ")
        });
        let thread = labels::thread(recording, sample.thread);
        let texts = [("thread", Some(&*thread)), ("state", Some(state))];
        for (key, text) in texts
            .into_iter()
            .chain([("arguments", arguments.as_deref())])
        {
            let Some(text) = text else { continue };
            let mut label = Message::default();
            label.number(1, self.strings.add(key));
            label.number(2, self.strings.add(text));
            self.message.bytes(3, &label.0);
        }
    }

    /// Writes the locations that samples refer to, with functions and modules.
    fn locations(&mut self, out: &mut impl Write) -> io::Result<()> {
        let recording = self.recording;
        self.mapping(None, out)?;
        for id in 1..=self.locations.all.len() as u64 {
            if !self.locations.is_used(id) {
                continue;
            }
            let mut location = Message::default();
            location.number(1, id);
            let mut next = Some(id);
            let mut lines = Message::default();
            while let Some(part) = next {
                let (frame, outer) = self.locations.all[part as usize - 1];
                let frame: Option<&Frame> = frame.map(|f| &recording.frames[f.index()]);
                let function = frame.map(|f| f.function);
                if part == id {
                    location.number(2, self.mapping(function, out)?);
                    location.number(3, frame.map_or(0, |f| f.address));
                }
                let mut line = Message::default();
                line.number(1, self.function(function, out)?);
                line.number(2, frame.map_or(0, |f| u64::from(f.line)));
                line.number(3, frame.map_or(0, |f| u64::from(f.column)));
                lines.bytes(4, &line.0);
                next = outer;
            }
            location.0.extend(lines.0);
            location.write(field::LOCATION, out)?;
        }
        Ok(())
    }

    /// The number of a function; writes it if it is new.
    fn function(&mut self, id: Option<FunctionId>, out: &mut impl Write) -> io::Result<u64> {
        let recording = self.recording;
        let slot = id.map_or(recording.functions.len(), FunctionId::index);
        if let Some(number) = self.functions[slot] {
            return Ok(number);
        }
        let number = slot as u64 + 1;
        self.functions[slot] = Some(number);
        let mut message = Message::default();
        message.number(1, number);
        match id {
            None => message.number(2, self.strings.add(labels::NO_STACK)),
            Some(id) => {
                let function = &recording.functions[id.index()];
                let name = self.strings.add(labels::name(recording, function));
                message.number(2, name);
                // No system name: readers would shorten what is in angle brackets.
                message.number(4, self.strings.add(recording.texts.get(function.file)));
                message.number(5, u64::from(function.line));
            }
        }
        message.write(field::FUNCTION, out)?;
        Ok(number)
    }

    /// The number of a function's module; writes it if it is new. The first one is the program, which has
    /// all that is not in a library.
    fn mapping(&mut self, function: Option<FunctionId>, out: &mut impl Write) -> io::Result<u64> {
        let function = function.map(|id| &self.recording.functions[id.index()]);
        let native = function.filter(|f| matches!(f.kind, Kind::Native | Kind::Kernel));
        let module = match native {
            Some(native) => self.recording.texts.get(native.module),
            None => "",
        };
        if let Some(&number) = self.mappings.get(module) {
            return Ok(number);
        }
        let number = self.mappings.len() as u64 + 1;
        self.mappings.insert(module.to_owned(), number);
        let program = self.recording.meta.command.first();
        let name = match module {
            "" => program.map_or("python", |path| labels::base(path)),
            module => module,
        };
        let mut message = Message::default();
        message.number(1, number);
        message.number(5, self.strings.add(name));
        // It has functions, file names, lines and inlined frames: nobody needs to look for them.
        (7..=10).for_each(|has| message.number(has, 1));
        message.write(field::MAPPING, out)?;
        Ok(number)
    }
}

/// Frames with what they were inlined into, numbered from 1.
struct Locations {
    /// The frame (none stands for stacks that are not known), and the location that it was put into.
    all: Vec<(Option<FrameId>, Option<u64>)>,
    is_used: Vec<bool>,
    /// By stack: its location, and the stack that called that.
    of_stack: Vec<(u64, Option<StackId>)>,
}

/// Frames that one location may have. More are no inlining, but a damaged recording.
const MOST_INLINED: u32 = 100;

impl Locations {
    fn new(recording: &Recording) -> Locations {
        let mut all = vec![(None, None)];
        let mut depths = vec![0];
        let mut index = HashMap::new();
        let mut of_stack: Vec<(u64, Option<StackId>)> = Vec::with_capacity(recording.stacks.len());
        for stack in &recording.stacks {
            let is_inlined = recording.frames[stack.frame.index()].inlined;
            let outer = stack
                .parent
                .filter(|_| is_inlined)
                .map(|p| of_stack[p.index()]);
            let outer = outer.filter(|&(o, _)| depths[o as usize - 1] < MOST_INLINED);
            let (outer, above) = match outer {
                Some((outer, above)) => (Some(outer), above),
                None => (None, stack.parent),
            };
            let location = *index.entry((stack.frame, outer)).or_insert_with(|| {
                all.push((Some(stack.frame), outer));
                depths.push(outer.map_or(0, |o| depths[o as usize - 1] + 1));
                all.len() as u64
            });
            of_stack.push((location, above));
        }
        Locations {
            is_used: vec![false; all.len()],
            all,
            of_stack,
        }
    }

    /// The innermost location of a stack, and what called it.
    fn of(&mut self, stack: StackId) -> (u64, Option<StackId>) {
        let (location, above) = self.of_stack[stack.index()];
        self.is_used[location as usize - 1] = true;
        (location, above)
    }

    fn unknown(&mut self) -> u64 {
        self.is_used[0] = true;
        1
    }

    fn is_used(&self, location: u64) -> bool {
        self.is_used[location as usize - 1]
    }
}

/// The string table; the first string is empty.
struct Strings {
    all: Vec<String>,
    index: HashMap<String, u64>,
}

impl Strings {
    fn new() -> Strings {
        let mut strings = Strings {
            all: vec![],
            index: HashMap::new(),
        };
        strings.add("");
        strings
    }

    fn add(&mut self, text: &str) -> u64 {
        if let Some(&number) = self.index.get(text) {
            return number;
        }
        let number = self.all.len() as u64;
        self.all.push(text.to_owned());
        self.index.insert(text.to_owned(), number);
        number
    }
}

/// A Protocol Buffers message.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// A number; 0 needs not be said.
    fn number(&mut self, field: u32, number: u64) {
        if number > 0 {
            self.varint(u64::from(field << 3));
            self.varint(number);
        }
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.varint(u64::from(field << 3 | 2));
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// Writes it as a field of the message around it.
    fn write(&self, field: u32, out: &mut impl Write) -> io::Result<()> {
        let mut head = Message::default();
        head.varint(u64::from(field << 3 | 2));
        head.varint(self.0.len() as u64);
        out.write_all(&head.0)?;
        out.write_all(&self.0)
    }
}
