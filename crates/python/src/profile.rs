//! Recordings as Python has them: files read and written, tables, exports.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use ferdelance_profile::calls;
use ferdelance_profile::diff::{self, diff};
use ferdelance_profile::export::{self, Format, Unit};
use ferdelance_profile::focus::{self, Focus};
use ferdelance_profile::model::{self, FunctionId, TextId};
use ferdelance_profile::report::view::{Row, View};
use ferdelance_profile::report::{self, Asked, Parts, Selection, lines, report};
use ferdelance_profile::tree::{Keys, Sums, Totals, Tree};
use ferdelance_profile::{format, labels};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

/// A recording.
#[pyclass(module = "ferdelance._core", frozen)]
pub struct Recording {
    pub inner: model::Recording,
}

/// Writes a recording to a file.
pub fn write(recording: &model::Recording, path: &Path) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    format::write(recording, &mut file)?;
    file.flush()
}

/// Columns of a table, for NumPy: numbers as bytes with their type, texts as lists.
struct Columns<'py> {
    py: Python<'py>,
    dict: Bound<'py, PyDict>,
}

impl<'py> Columns<'py> {
    fn new(py: Python<'py>) -> Columns<'py> {
        Columns {
            py,
            dict: PyDict::new(py),
        }
    }

    fn bytes(&self, name: &str, dtype: &str, bytes: &[u8]) -> PyResult<()> {
        self.dict
            .set_item(name, (dtype, PyBytes::new(self.py, bytes)))
    }

    fn floats(&self, name: &str, values: impl Iterator<Item = f64>) -> PyResult<()> {
        let bytes: Vec<u8> = values.flat_map(f64::to_le_bytes).collect();
        self.bytes(name, "<f8", &bytes)
    }

    fn integers(&self, name: &str, values: impl Iterator<Item = i64>) -> PyResult<()> {
        let bytes: Vec<u8> = values.flat_map(i64::to_le_bytes).collect();
        self.bytes(name, "<i8", &bytes)
    }

    fn texts(&self, name: &str, values: impl Iterator<Item = impl AsRef<str>>) -> PyResult<()> {
        let texts: Vec<String> = values.map(|t| t.as_ref().to_owned()).collect();
        self.dict.set_item(name, PyList::new(self.py, texts)?)
    }
}

fn export_options(format: &str, unit: &str) -> PyResult<(Format, export::Options)> {
    let no = |what: &str, name: &str| PyValueError::new_err(format!("no {what} {name:?}"));
    let format = Format::of_name(format).ok_or_else(|| no("format", format))?;
    let unit = Unit::of_name(unit).ok_or_else(|| no("unit", unit))?;
    Ok((format, export::Options { unit }))
}

/// An index, or -1 for none.
fn index(id: Option<u32>) -> i64 {
    id.map_or(-1, i64::from)
}

fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

fn of_micros(microseconds: u64) -> f64 {
    microseconds as f64 / 1e6
}

fn counted(to: &Columns<'_>, rows: impl Iterator<Item = model::Counted> + Clone) -> PyResult<()> {
    to.integers("calls", rows.clone().map(|c| c.calls.cast_signed()))?;
    to.integers("primitive", rows.clone().map(|c| c.primitive.cast_signed()))?;
    to.floats("own", rows.clone().map(|c| seconds(c.own)))?;
    to.floats("total", rows.map(|c| seconds(c.total)))
}

#[pymethods]
impl Recording {
    /// The recording in a file, and what is missing in it, as sentences.
    ///
    /// Raises OSError, or ValueError if it is no recording.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<(Recording, Vec<String>)> {
        let read = py.detach(|| fs::read(path).map(|bytes| format::read(&bytes)))?;
        let (inner, warnings) = read.map_err(|e| PyValueError::new_err(e.to_string()))?;
        let warnings = warnings.into_iter().map(|w| w.to_string()).collect();
        Ok((Recording { inner }, warnings))
    }

    /// A recording of only what ran below the bodies of some files, and in some threads; with other names of files,
    /// and more sources.
    fn focus(
        &self,
        title: String,
        files: Vec<String>,
        threads: Vec<u32>,
        names: Vec<(String, String)>,
        sources: Vec<(String, String)>,
    ) -> Recording {
        let mut inner = self.inner.clone();
        let focus = Focus {
            title,
            files,
            threads,
            names,
            sources,
        };
        focus::focus(&mut inner, &focus);
        Recording { inner }
    }

    /// A recording without what ran below functions of files whose names end so.
    fn leave_out(&self, files: Vec<String>) -> Recording {
        let mut inner = self.inner.clone();
        focus::leave_out(&mut inner, &files);
        Recording { inner }
    }

    /// Writes it to a file. Raises OSError.
    #[pyo3(signature = (path, sources = true))]
    fn save(&self, py: Python<'_>, path: PathBuf, sources: bool) -> PyResult<()> {
        Ok(py.detach(|| {
            if sources {
                return write(&self.inner, &path);
            }
            let mut without = self.inner.clone();
            format::remove_sources(&mut without);
            write(&without, &path)
        })?)
    }

    /// What it tells, as text or as JSON; `functions` are rows of the table.
    #[pyo3(signature = (*, top, process, thread, functions, hot, lines, callers, tree, native, color, json))]
    #[allow(clippy::too_many_arguments, reason = "Python passes them by name")]
    fn report(
        &self,
        py: Python<'_>,
        top: usize,
        process: Option<u32>,
        thread: Option<String>,
        functions: Option<Vec<u32>>,
        hot: bool,
        lines: bool,
        callers: bool,
        tree: bool,
        native: bool,
        color: bool,
        json: bool,
    ) -> PyResult<String> {
        let all = !hot && !lines && !callers && !tree;
        let options = report::Options {
            top,
            parts: Parts {
                summary: all,
                functions: all || hot,
                lines: all || lines,
                callers: all || callers,
                tree: all || tree,
            },
            selection: Asked {
                pid: process,
                thread,
                functions: functions.map(|f| f.into_iter().map(FunctionId).collect()),
            },
            native,
            color,
        };
        if !json {
            return Ok(py.detach(|| report(&self.inner, &options)));
        }
        let mut out = vec![];
        py.detach(|| report::write_json(&self.inner, &options, &mut out))?;
        Ok(String::from_utf8(out)?)
    }

    /// What changed from this recording to another, as text.
    #[pyo3(signature = (other, *, top, lines, color))]
    fn diff(
        &self,
        py: Python<'_>,
        other: &Recording,
        top: usize,
        lines: bool,
        color: bool,
    ) -> String {
        let options = diff::Options { top, lines, color };
        py.detach(|| diff(&self.inner, &other.inner, &options))
    }

    /// Writes it as a file of another tool's format, by name. Raises ValueError and OSError.
    fn export(&self, py: Python<'_>, path: PathBuf, format: &str, unit: &str) -> PyResult<()> {
        let (format, options) = export_options(format, unit)?;
        py.detach(|| export::export(&self.inner, format, &options, &mut File::create(path)?))?;
        Ok(())
    }

    /// The names of formats and what they are for.
    #[staticmethod]
    fn formats() -> Vec<(&'static str, &'static str, &'static str)> {
        let rows = export::FORMATS.iter();
        rows.map(|row| (row.name, row.ending, row.about)).collect()
    }

    /// What is true of the recording as a whole.
    fn meta<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let meta = &self.inner.meta;
        let dict = PyDict::new(py);
        dict.set_item("command", &meta.command)?;
        dict.set_item("directory", &meta.directory)?;
        dict.set_item("started", seconds(meta.started))?;
        dict.set_item("elapsed", seconds(meta.elapsed))?;
        dict.set_item("rate", meta.rate)?;
        dict.set_item("target_cpus", meta.target_cpus)?;
        dict.set_item("host", &meta.host)?;
        dict.set_item("system", &meta.system)?;
        dict.set_item("cpu", &meta.cpu)?;
        dict.set_item("exit_status", meta.exit_status)?;
        Ok(dict)
    }

    /// The columns of a table, by its name. Raises ValueError.
    fn table<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyDict>> {
        let columns = Columns::new(py);
        match name {
            "samples" => self.samples(&columns)?,
            "functions" => self.functions(&columns)?,
            "frames" => self.frames(&columns)?,
            "stacks" => self.stacks(&columns)?,
            "threads" => self.threads(&columns)?,
            "processes" => self.processes(&columns)?,
            "signatures" => self.signatures(&columns)?,
            "calls" => self.calls(&columns)?,
            "callers" => self.callers(&columns)?,
            "lines" => self.lines(&columns)?,
            "sources" => self.sources(&columns)?,
            "log" => self.log(&columns)?,
            "hot" => self.hot(&columns)?,
            "operations" => self.operations(&columns)?,
            "types" => self.types(&columns)?,
            "hot_lines" => self.hot_lines(&columns)?,
            _ => return Err(PyValueError::new_err(format!("no table {name:?}"))),
        }
        Ok(columns.dict)
    }
}

impl Recording {
    fn text(&self, id: TextId) -> &str {
        self.inner.texts.get(id)
    }

    fn samples(&self, to: &Columns<'_>) -> PyResult<()> {
        let samples = || self.inner.samples.iter();
        to.floats("time", samples().map(|s| seconds(s.time)))?;
        to.integers("thread", samples().map(|s| i64::from(s.thread.0)))?;
        to.integers("stack", samples().map(|s| index(s.stack.map(|i| i.0))))?;
        to.texts("state", samples().map(|s| labels::state(s.state)))?;
        to.floats("user", samples().map(|s| of_micros(s.user.into())))?;
        to.floats("kernel", samples().map(|s| of_micros(s.kernel.into())))?;
        to.floats("wait", samples().map(|s| of_micros(s.wait.into())))?;
        to.integers(
            "signature",
            samples().map(|s| index(s.signature.map(|i| i.0))),
        )
    }

    fn functions(&self, to: &Columns<'_>) -> PyResult<()> {
        let functions = || self.inner.functions.iter();
        to.texts("name", functions().map(|f| self.text(f.name)))?;
        to.texts("file", functions().map(|f| self.text(f.file)))?;
        to.integers("line", functions().map(|f| f.line.into()))?;
        to.texts("module", functions().map(|f| self.text(f.module)))?;
        to.texts("kind", functions().map(|f| labels::kind_key(f.kind)))?;
        let times = self.function_times();
        to.floats("own", times.iter().map(|t| of_micros(t.own.cpu)))?;
        to.floats("total", times.iter().map(|t| of_micros(t.total.cpu)))?;
        to.integers("samples", times.iter().map(|t| t.own.samples as i64))
    }

    /// Functions with the native code that they call, as reports have them.
    fn hot(&self, to: &Columns<'_>) -> PyResult<()> {
        let r = &self.inner;
        let hot = View::new(r, &Selection::all(r), false).hot();
        let hot: Vec<_> = hot
            .iter()
            .filter_map(|h| match h.row {
                Row::Function(id) => Some((id, h)),
                Row::Operation(_) => None,
            })
            .collect();
        to.integers("function", hot.iter().map(|(id, _)| id.0.into()))?;
        to.floats("own", hot.iter().map(|(_, h)| of_micros(h.own.cpu)))?;
        to.floats("total", hot.iter().map(|(_, h)| of_micros(h.total.cpu)))?;
        to.integers("samples", hot.iter().map(|(_, h)| h.own.samples as i64))
    }

    /// What native code did, by the function that called it.
    fn operations(&self, to: &Columns<'_>) -> PyResult<()> {
        let r = &self.inner;
        let view = View::new(r, &Selection::all(r), false);
        let mut rows = vec![];
        for hot in view.hot() {
            match hot.row {
                Row::Function(id) => {
                    let of_it = hot.operations.iter();
                    rows.extend(of_it.map(|&(o, w)| (i64::from(id.0), o, w.cpu)));
                }
                Row::Operation(o) if hot.own.cpu > 0 => rows.push((-1, o, hot.own.cpu)),
                Row::Operation(_) => {}
            }
        }
        to.integers("function", rows.iter().map(|row| row.0))?;
        to.texts("operation", rows.iter().map(|row| &view.operations[row.1]))?;
        to.floats("time", rows.iter().map(|row| of_micros(row.2)))
    }

    /// The types of arguments with which functions spent their time.
    fn types(&self, to: &Columns<'_>) -> PyResult<()> {
        let r = &self.inner;
        let times: Vec<_> = report::types(r, &Selection::all(r)).into_iter().collect();
        let times = || times.iter();
        to.integers("function", times().map(|((f, _), _)| f.0.into()))?;
        to.integers("signature", times().map(|((_, s), _)| s.0.into()))?;
        to.floats("time", times().map(|(_, w)| of_micros(w.cpu)))
    }

    /// Lines with the library code that they call.
    fn hot_lines(&self, to: &Columns<'_>) -> PyResult<()> {
        let r = &self.inner;
        let lines = lines::lines(r, &Selection::all(r), false);
        let lines = || lines.iter();
        to.integers("function", lines().map(|l| l.function.0.into()))?;
        to.texts("file", lines().map(|l| self.text(l.file)))?;
        to.integers("line", lines().map(|l| l.line.into()))?;
        to.floats("own", lines().map(|l| of_micros(l.own.cpu)))?;
        to.floats("total", lines().map(|l| of_micros(l.total.cpu)))
    }

    /// What each function was seen at on CPUs: alone, and with what it called.
    fn function_times(&self) -> Vec<Sums> {
        let r = &self.inner;
        let keys = Keys::of_frames(r, None, |frame| Some(frame.function));
        let running = r.samples.iter().filter(|s| s.state.is_running());
        let totals = Totals::by_key(&Tree::new(r, &keys, running), &keys);
        let mut times = vec![Sums::default(); r.functions.len()];
        for (key, sums) in keys.all.iter().zip(totals.groups) {
            if let Some(function) = key {
                times[function.index()] = sums;
            }
        }
        times
    }

    fn frames(&self, to: &Columns<'_>) -> PyResult<()> {
        let frames = || self.inner.frames.iter();
        to.integers("function", frames().map(|f| f.function.0.into()))?;
        to.integers("line", frames().map(|f| f.line.into()))?;
        to.integers("column", frames().map(|f| f.column.into()))?;
        to.integers("end_line", frames().map(|f| f.end_line.into()))?;
        to.integers("end_column", frames().map(|f| f.end_column.into()))?;
        to.integers("address", frames().map(|f| f.address as i64))
    }

    fn stacks(&self, to: &Columns<'_>) -> PyResult<()> {
        let stacks = || self.inner.stacks.iter();
        to.integers("parent", stacks().map(|s| index(s.parent.map(|p| p.0))))?;
        to.integers("frame", stacks().map(|s| s.frame.0.into()))
    }

    fn threads(&self, to: &Columns<'_>) -> PyResult<()> {
        let threads = || self.inner.threads.iter();
        to.integers("process", threads().map(|t| t.process.0.into()))?;
        to.integers("tid", threads().map(|t| t.tid.into()))?;
        to.texts("name", threads().map(|t| self.text(t.name)))?;
        to.floats("start", threads().map(|t| seconds(t.start)))?;
        to.floats("end", threads().map(|t| seconds(t.end)))?;
        to.floats("user", threads().map(|t| of_micros(t.user)))?;
        to.floats("kernel", threads().map(|t| of_micros(t.kernel)))
    }

    fn processes(&self, to: &Columns<'_>) -> PyResult<()> {
        let processes = || self.inner.processes.iter();
        to.integers("pid", processes().map(|p| p.pid.into()))?;
        to.integers("parent", processes().map(|p| index(p.parent.map(|i| i.0))))?;
        to.texts("command", processes().map(|p| self.text(p.command)))?;
        to.texts("python", processes().map(|p| self.text(p.python)))?;
        to.floats("start", processes().map(|p| seconds(p.start)))?;
        to.floats("end", processes().map(|p| seconds(p.end)))?;
        to.floats("user", processes().map(|p| of_micros(p.user)))?;
        to.floats("kernel", processes().map(|p| of_micros(p.kernel)))?;
        to.texts("reason", processes().map(|p| self.text(p.reason)))?;
        to.integers("taken", processes().map(|p| p.counts.taken as i64))?;
        to.integers("lost", processes().map(|p| p.counts.lost as i64))?;
        to.integers("abandoned", processes().map(|p| p.counts.abandoned as i64))?;
        to.integers("unplaced", processes().map(|p| p.counts.unplaced as i64))?;
        to.integers("cut", processes().map(|p| p.counts.cut as i64))?;
        to.floats("cost", processes().map(|p| seconds(p.counts.cost)))
    }

    fn signatures(&self, to: &Columns<'_>) -> PyResult<()> {
        let text = |signature: &model::Signature| {
            let arguments = signature.arguments.iter().map(|&(name, ty)| {
                let (name, ty) = (self.text(name), self.text(ty));
                match name {
                    "" => ty.to_owned(),
                    name => format!("{name}: {ty}"),
                }
            });
            arguments.collect::<Vec<_>>().join(", ")
        };
        to.texts("arguments", self.inner.signatures.iter().map(text))
    }

    fn calls(&self, to: &Columns<'_>) -> PyResult<()> {
        let r = &self.inner;
        let calls = || r.calls.iter();
        to.texts("name", calls().map(|c| calls::name(r, c)))?;
        to.integers("function", calls().map(|c| c.function.0.into()))?;
        to.integers(
            "signature",
            calls().map(|c| index(c.signature.map(|s| s.0))),
        )?;
        counted(to, calls().map(|c| c.counted))
    }

    fn callers(&self, to: &Columns<'_>) -> PyResult<()> {
        let callers = || self.inner.callers.iter();
        to.integers("caller", callers().map(|c| c.caller.0.into()))?;
        to.integers("callee", callers().map(|c| c.callee.0.into()))?;
        counted(to, callers().map(|c| c.counted))
    }

    fn lines(&self, to: &Columns<'_>) -> PyResult<()> {
        let r = &self.inner;
        let lines = || r.lines.iter();
        let function = |l: &model::LineHits| &r.functions[l.function.index()];
        to.integers("function", lines().map(|l| l.function.0.into()))?;
        to.texts("name", lines().map(|l| self.text(function(l).name)))?;
        to.texts("file", lines().map(|l| self.text(function(l).file)))?;
        to.integers("line", lines().map(|l| l.line.into()))?;
        to.integers("hits", lines().map(|l| l.hits.cast_signed()))?;
        to.floats("time", lines().map(|l| seconds(l.time)))
    }

    fn sources(&self, to: &Columns<'_>) -> PyResult<()> {
        let sources = || self.inner.sources.iter();
        to.texts("file", sources().map(|s| self.text(s.file)))?;
        to.texts("text", sources().map(|s| self.text(s.text)))
    }

    fn log(&self, to: &Columns<'_>) -> PyResult<()> {
        let lines = || self.inner.log.iter();
        to.floats("time", lines().map(|l| seconds(l.time)))?;
        to.integers("process", lines().map(|l| index(l.process.map(|p| p.0))))?;
        to.texts("text", lines().map(|l| self.text(l.text)))
    }
}
