//! A report for programs: the same data as the text has, all of its rows, as JSON.
//!
//! What is in it is documented in docs/report-json.md, and stays: keys are added, not renamed, or the version
//! changes. Functions are one table, to which all others refer by row; rows are numbered as they come up, so
//! that what refers to them is written first, into a buffer.

use std::collections::HashMap;
use std::io::{self, Write};

use super::amounts::{self, Amounts};
use super::calls::callers_of;
use super::counted::is_asked;
use super::lines::{Line, Sources, lines};
use super::sections::{arguments, types};
use super::usage::{Usage, elapsed, usage};
use super::view::{Row, View};
use super::{Options, Selection};
use crate::json::{list, number, scaled, string};
use crate::labels;
use crate::model::*;
use crate::tree::{Key, NodeId, Weight};

/// Of what the keys mean.
const VERSION: u64 = 1;

/// Writes the report of a recording.
pub fn write(recording: &Recording, options: &Options, out: &mut impl Write) -> io::Result<()> {
    let selection = Selection::new(recording, &options.selection);
    let amounts = Amounts::new(recording, &selection);
    let view = View::new(recording, &selection, options.native);
    let mut functions = Functions::new(&view);
    let mut rest = vec![];
    let mut object = Object {
        out: &mut rest,
        is_empty: false,
    };
    let parts = Parts {
        recording,
        selection: &selection,
        options,
        view: &view,
    };
    parts.write(&mut functions, &mut object)?;
    let mut object = Object::begin(out)?;
    object.text("format", "ferdelance report")?;
    object.number("version", VERSION)?;
    if options.parts.summary {
        object.with("summary", |out| {
            summary(out, recording, &selection, &amounts)
        })?;
        object.with("usage", |out| cpu_use(out, &usage(recording, &selection)))?;
        object.with("processes", |out| processes(out, recording))?;
        object.with("threads", |out| threads(out, recording))?;
    }
    object.with("functions", |out| functions.write(out, recording))?;
    object.out.write_all(&rest)?;
    object.end()?;
    out.write_all(b"\n")
}

/// An object that is being written.
struct Object<'w, W: Write> {
    out: &'w mut W,
    is_empty: bool,
}

impl<W: Write> Object<'_, W> {
    fn begin(out: &mut W) -> io::Result<Object<'_, W>> {
        out.write_all(b"{")?;
        Ok(Object {
            out,
            is_empty: true,
        })
    }

    fn end(self) -> io::Result<()> {
        self.out.write_all(b"}")
    }

    fn with(&mut self, key: &str, value: impl FnOnce(&mut W) -> io::Result<()>) -> io::Result<()> {
        if !self.is_empty {
            self.out.write_all(b",")?;
        }
        self.is_empty = false;
        string(self.out, key)?;
        self.out.write_all(b":")?;
        value(self.out)
    }

    fn number(&mut self, key: &str, value: u64) -> io::Result<()> {
        self.with(key, |out| number(out, value))
    }

    /// A number that may not be known.
    fn index(&mut self, key: &str, value: Option<usize>) -> io::Result<()> {
        self.with(key, |out| index(out, value))
    }

    fn micros(&mut self, key: &str, microseconds: u64) -> io::Result<()> {
        self.with(key, |out| scaled(out, microseconds, 6))
    }

    fn nanos(&mut self, key: &str, nanoseconds: u64) -> io::Result<()> {
        self.with(key, |out| scaled(out, nanoseconds, 9))
    }

    fn float(&mut self, key: &str, value: f64) -> io::Result<()> {
        self.with(key, |out| float(out, value))
    }

    fn text(&mut self, key: &str, text: &str) -> io::Result<()> {
        self.with(key, |out| string(out, text))
    }

    /// A text that may not be known.
    fn known(&mut self, key: &str, text: Option<&str>) -> io::Result<()> {
        self.with(key, |out| match text {
            Some(text) => string(out, text),
            None => out.write_all(b"null"),
        })
    }

    fn weight(&mut self, weight: Weight) -> io::Result<()> {
        self.micros("cpu", weight.cpu)?;
        self.number("samples", weight.samples)
    }
}

fn index(out: &mut impl Write, value: Option<usize>) -> io::Result<()> {
    match value {
        Some(value) => number(out, value as u64),
        None => out.write_all(b"null"),
    }
}

/// A damaged recording may say anything.
fn float(out: &mut impl Write, value: f64) -> io::Result<()> {
    match value.is_finite() {
        true => write!(out, "{value}"),
        false => out.write_all(b"null"),
    }
}

fn objects<T, W: Write>(
    out: &mut W,
    items: impl IntoIterator<Item = T>,
    mut fill: impl FnMut(&mut Object<'_, W>, T) -> io::Result<()>,
) -> io::Result<()> {
    list(out, items, |out, item| {
        let mut object = Object::begin(out)?;
        fill(&mut object, item)?;
        object.end()
    })
}

/// The text of an id; none if it is empty.
fn text(recording: &Recording, id: TextId) -> Option<&str> {
    (id != TextId::EMPTY).then(|| recording.texts.get(id))
}

fn summary(
    out: &mut impl Write,
    recording: &Recording,
    selection: &Selection,
    amounts: &Amounts,
) -> io::Result<()> {
    let meta = &recording.meta;
    let counts = amounts::counts(recording);
    let mut object = Object::begin(out)?;
    object.with("command", |out| {
        list(out, &meta.command, |out, word| string(out, word))
    })?;
    object.text("directory", &meta.directory)?;
    object.nanos("started", meta.started)?;
    object.nanos("elapsed", elapsed(recording))?;
    object.with("exit_status", |out| match meta.exit_status {
        Some(status) => write!(out, "{status}"),
        None => out.write_all(b"null"),
    })?;
    object.micros("cpu", amounts.cpu())?;
    object.micros("user", amounts.user)?;
    object.micros("kernel", amounts.kernel)?;
    object.micros("shown", amounts.shown)?;
    object.with("not_sampled", |out| match amounts.not_sampled(selection) {
        Some(left) => scaled(out, left, 6),
        None => out.write_all(b"null"),
    })?;
    object.micros("gil_held", amounts.held)?;
    object.micros("gil_waited", amounts.waited_for_gil)?;
    object.micros("queued", amounts.queued)?;
    object.float("rate", meta.rate)?;
    object.float(
        "effective_rate",
        match amounts.cpu() {
            0 => 0.0,
            cpu => counts.taken as f64 * 1e6 / cpu as f64,
        },
    )?;
    object.number("samples", counts.taken)?;
    object.number("lost", counts.lost)?;
    object.number("abandoned", counts.abandoned)?;
    object.number("unplaced", counts.unplaced)?;
    object.number("cut", counts.cut)?;
    object.nanos("cost", counts.cost)?;
    object.text("host", &meta.host)?;
    object.text("cpu_model", &meta.cpu)?;
    object.text("system", &meta.system)?;
    object.with("pythons", |out| {
        list(out, amounts::pythons(recording), |out, version| {
            string(out, version)
        })
    })?;
    object.with("log", |out| {
        list(out, &recording.log, |out, line| {
            string(out, recording.texts.get(line.text))
        })
    })?;
    object.end()
}

fn cpu_use(out: &mut impl Write, usage: &Usage) -> io::Result<()> {
    let mut object = Object::begin(out)?;
    object.float("average", usage.average)?;
    object.float("target", usage.target)?;
    object.with("seconds_by_cpus", |out| {
        list(out, &usage.by_cpus, |out, &seconds| float(out, seconds))
    })?;
    object.end()
}

fn processes(out: &mut impl Write, recording: &Recording) -> io::Result<()> {
    objects(out, &recording.processes, |object, process| {
        object.number("pid", process.pid.into())?;
        object.index("parent", process.parent.map(ProcessId::index))?;
        object.text("command", recording.texts.get(process.command))?;
        object.known("python", text(recording, process.python))?;
        object.nanos("start", process.start)?;
        object.nanos("end", process.end)?;
        object.micros("user", process.user)?;
        object.micros("kernel", process.kernel)?;
        object.number("samples", process.counts.taken)?;
        object.known("not_recorded", text(recording, process.reason))
    })
}

fn threads(out: &mut impl Write, recording: &Recording) -> io::Result<()> {
    objects(out, &recording.threads, |object, thread| {
        object.number("process", thread.process.0.into())?;
        object.number("tid", thread.tid.into())?;
        object.known("name", text(recording, thread.name))?;
        object.nanos("start", thread.start)?;
        object.nanos("end", thread.end)?;
        object.micros("user", thread.user)?;
        object.micros("kernel", thread.kernel)
    })
}

/// The table of functions.
struct Functions {
    /// With their own weight and that of all they call.
    rows: Vec<(FunctionId, Weight, Weight)>,
    numbers: HashMap<FunctionId, usize>,
}

impl Functions {
    /// The hot ones, hottest first.
    fn new(view: &View) -> Functions {
        let mut functions = Functions {
            rows: vec![],
            numbers: HashMap::new(),
        };
        for hot in view.hot() {
            if let Row::Function(id) = hot.row {
                functions.numbers.insert(id, functions.rows.len());
                functions.rows.push((id, hot.own, hot.total));
            }
        }
        functions
    }

    fn number(&mut self, id: FunctionId) -> usize {
        *self.numbers.entry(id).or_insert_with(|| {
            self.rows.push((id, Weight::default(), Weight::default()));
            self.rows.len() - 1
        })
    }

    fn of_row(&mut self, row: Row) -> Option<usize> {
        match row {
            Row::Function(id) => Some(self.number(id)),
            Row::Operation(_) => None,
        }
    }

    fn write(&self, out: &mut impl Write, recording: &Recording) -> io::Result<()> {
        objects(out, &self.rows, |object, &(id, own, total)| {
            let function = &recording.functions[id.index()];
            object.text("name", labels::name(recording, function))?;
            object.known("module", text(recording, function.module))?;
            object.known("file", text(recording, function.file))?;
            let line = (function.line > 0).then_some(function.line as usize);
            object.index("line", line)?;
            object.text("kind", labels::kind_key(function.kind))?;
            object.micros("self", own.cpu)?;
            object.micros("total", total.cpu)?;
            object.number("samples", own.samples)
        })
    }
}

/// What refers to functions.
struct Parts<'a> {
    recording: &'a Recording,
    selection: &'a Selection,
    options: &'a Options,
    view: &'a View,
}

impl Parts<'_> {
    fn write<W: Write>(
        &self,
        functions: &mut Functions,
        object: &mut Object<'_, W>,
    ) -> io::Result<()> {
        let parts = self.options.parts;
        if parts.functions {
            object.with("operations", |out| self.operations(functions, out))?;
            object.with("types", |out| self.types(functions, out))?;
            object.with("calls", |out| self.calls(functions, out))?;
        }
        if parts.lines {
            object.with("lines", |out| self.lines(functions, out))?;
            object.with("counted_lines", |out| self.counted_lines(functions, out))?;
        }
        if parts.callers {
            object.with("callers", |out| self.callers(functions, out))?;
        }
        if parts.tree {
            object.with("tree", |out| self.tree(functions, out))?;
        }
        if parts.summary {
            object.with("waiting", |out| self.waiting(functions, out))?;
        }
        Ok(())
    }

    /// What native code did, by the function that called it: none outside of functions.
    fn operations(&self, functions: &mut Functions, out: &mut impl Write) -> io::Result<()> {
        let mut rows = vec![];
        for hot in self.view.hot() {
            match hot.row {
                Row::Function(id) => {
                    let function = Some(functions.number(id));
                    let of_it = hot.operations.into_iter();
                    rows.extend(of_it.map(|(operation, weight)| (function, operation, weight)));
                }
                Row::Operation(operation) => rows.push((None, operation, hot.own)),
            }
        }
        objects(out, rows, |object, (function, operation, weight)| {
            object.index("function", function)?;
            object.text("operation", &self.view.operations[operation])?;
            object.weight(weight)
        })
    }

    fn types(&self, functions: &mut Functions, out: &mut impl Write) -> io::Result<()> {
        let types = types(self.recording, self.selection);
        objects(out, types, |object, ((function, signature), weight)| {
            object.index("function", Some(functions.number(function)))?;
            object.text("arguments", &arguments(self.recording, signature))?;
            object.weight(weight)
        })
    }

    fn calls(&self, functions: &mut Functions, out: &mut impl Write) -> io::Result<()> {
        let asked = self.options.selection.functions.as_deref();
        let calls = self.recording.calls.iter();
        let calls = calls.filter(|c| c.counted.calls > 0 && is_asked(asked, c.function));
        objects(out, calls, |object, call| {
            object.index("function", Some(functions.number(call.function)))?;
            let arguments = call.signature.map(|s| arguments(self.recording, s));
            object.known("arguments", arguments.as_deref())?;
            object.number("calls", call.counted.calls)?;
            object.number("primitive", call.counted.primitive)?;
            object.nanos("self", call.counted.own)?;
            object.nanos("total", call.counted.total)
        })
    }

    fn lines(&self, functions: &mut Functions, out: &mut impl Write) -> io::Result<()> {
        let r = self.recording;
        let sources = Sources::new(r);
        let lines = lines(r, self.selection, self.options.native);
        objects(out, &lines, |object, line: &Line| {
            object.index("function", Some(functions.number(line.function)))?;
            object.text("file", r.texts.get(line.file))?;
            object.number("line", line.line.into())?;
            object.known("text", sources.line(line.file, line.line))?;
            object.micros("self", line.own.cpu)?;
            object.micros("total", line.total.cpu)?;
            object.number("samples", line.own.samples)?;
            let known = line.spans.iter();
            let known = known.filter(|(span, _)| span.column > 0 && span.end_column > 0);
            object.with("expressions", |out| {
                objects(out, known, |object, &(span, weight)| {
                    object.number("column", span.column.into())?;
                    object.number("end_line", span.end_line.into())?;
                    object.number("end_column", span.end_column.into())?;
                    let text = sources.expression(line, span, &[]);
                    object.known("text", text.as_deref())?;
                    object.weight(weight)
                })
            })
        })
    }

    fn counted_lines(&self, functions: &mut Functions, out: &mut impl Write) -> io::Result<()> {
        let r = self.recording;
        let sources = Sources::new(r);
        let asked = self.options.selection.functions.as_deref();
        let lines = r.lines.iter().filter(|l| is_asked(asked, l.function));
        objects(out, lines, |object, line| {
            let file = r.functions[line.function.index()].file;
            object.index("function", Some(functions.number(line.function)))?;
            object.number("line", line.line.into())?;
            object.known("text", sources.line(file, line.line))?;
            object.number("hits", line.hits)?;
            object.nanos("time", line.time)
        })
    }

    /// Of each function's own time, by who called it, and who called that.
    fn callers(&self, functions: &mut Functions, out: &mut impl Write) -> io::Result<()> {
        let keys: Vec<Key> = (0..self.view.rows.len() as u32).map(Key).collect();
        let mut of_rows: Vec<_> = callers_of(self.view, &keys).into_iter().collect();
        of_rows.sort_by_key(|(key, _)| *key);
        let mut rows = vec![];
        for (key, callers) in of_rows {
            if let Some(function) = functions.of_row(self.view.rows[key.index()]) {
                rows.extend(callers.into_iter().map(|callers| (function, callers)));
            }
        }
        objects(out, rows, |object, (function, callers)| {
            object.index("function", Some(function))?;
            object.with("callers", |out| {
                list(out, callers.chain, |out, key| {
                    index(out, functions.of_row(self.view.rows[key.index()]))
                })
            })?;
            object.weight(callers.weight)
        })
    }

    /// Callers come before what they call.
    fn tree(&self, functions: &mut Functions, out: &mut impl Write) -> io::Result<()> {
        objects(out, &self.view.tree.nodes, |object, node| {
            object.index("parent", node.parent.map(NodeId::index))?;
            let row = self.view.rows[node.key.index()];
            object.index("function", functions.of_row(row))?;
            let operation = match row {
                Row::Operation(operation) => Some(&*self.view.operations[operation]),
                Row::Function(_) => None,
            };
            object.known("operation", operation)?;
            object.micros("self", node.own.cpu)?;
            object.micros("total", node.total.cpu)?;
            object.number("samples", node.total.samples)
        })
    }

    fn waiting(&self, functions: &mut Functions, out: &mut impl Write) -> io::Result<()> {
        let waits = amounts::waits(self.recording, self.selection);
        objects(out, waits, |object, wait| {
            object.index("function", wait.function.map(|id| functions.number(id)))?;
            object.number("thread", wait.thread.0.into())?;
            object.text("for", if wait.for_gil { "gil" } else { "other" })?;
            object.micros("time", wait.time)
        })
    }
}
