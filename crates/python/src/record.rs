//! Recording programs: the recorder as Python has it, and what agents ask of compiled code.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ferdelance_abi::codemap::{CODE_MAP, Described};
use ferdelance_profile::model::{Meta, Recording};
use ferdelance_profile::{attach, labels, recorder};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::profile;

/// Collects what agents write.
#[pyclass(module = "ferdelance._core", frozen)]
pub struct Recorder {
    /// None once it is finished.
    inner: Mutex<Option<recorder::Recorder>>,
}

impl Recorder {
    fn with<T>(&self, f: impl FnOnce(&mut recorder::Recorder) -> T) -> PyResult<T> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = inner.as_mut();
        inner
            .map(f)
            .ok_or_else(|| PyValueError::new_err("the recorder is finished"))
    }
}

#[pymethods]
impl Recorder {
    /// Listens in a directory, for agents that take `rate` samples a second; the recording is to have at most
    /// about `most` bytes. Raises OSError.
    #[new]
    #[pyo3(signature = (directory, rate, most = None))]
    fn new(directory: PathBuf, rate: f64, most: Option<u64>) -> PyResult<Recorder> {
        let mut inner = recorder::Recorder::new(&directory).map_err(PyOSError::new_err)?;
        if let Some(most) = most {
            inner.set_most(most, rate);
        }
        Ok(Recorder {
            inner: Mutex::new(Some(inner)),
        })
    }

    /// The path of the socket that agents connect to.
    #[getter]
    fn socket(&self) -> PyResult<PathBuf> {
        self.with(|r| r.socket().to_owned())
    }

    /// What is recorded begins now, not when this was made.
    fn begin(&self) -> PyResult<()> {
        self.with(recorder::Recorder::begin)
    }

    /// Whether there are processes that run and are recorded.
    #[getter]
    fn is_busy(&self) -> PyResult<bool> {
        self.with(|r| r.is_busy())
    }

    /// Waits up to so many seconds for something to happen, and takes what there is.
    fn step(&self, py: Python<'_>, seconds: f64) -> PyResult<()> {
        let most = Duration::try_from_secs_f64(seconds)
            .map_err(|e| PyValueError::new_err(e.to_string()))?;
        py.detach(|| self.with(|r| r.step(most)))
    }

    /// Stops what still runs, and writes what was seen to a file; what there is to be said of it, as a dict.
    ///
    /// Raises OSError.
    #[allow(clippy::too_many_arguments, reason = "Python passes them by name")]
    fn finish<'py>(
        &self,
        py: Python<'py>,
        path: PathBuf,
        command: Vec<String>,
        directory: String,
        rate: f64,
        exit_status: Option<i32>,
        with_sources: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        let taken = self
            .inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let inner = taken.ok_or_else(|| PyValueError::new_err("the recorder is finished"))?;
        let meta = Meta {
            command,
            directory,
            rate,
            exit_status,
            ..Meta::default()
        };
        let slowed = inner.slowed();
        let recording = py.detach(|| -> io::Result<Recording> {
            let recording = inner.finish(meta, with_sources);
            profile::write(&recording, &path)?;
            Ok(recording)
        })?;
        said(py, &recording, slowed)
    }
}

/// A running Python that is looked at from outside.
#[pyclass(module = "ferdelance._core", frozen)]
pub struct Attached {
    inner: Mutex<attach::Attached>,
}

impl Attached {
    fn with<T>(&self, py: Python<'_>, f: impl FnOnce(&mut attach::Attached) -> T + Send) -> T
    where
        T: Send,
    {
        py.detach(|| f(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

#[pymethods]
impl Attached {
    /// Raises OSError, which says what to do.
    #[new]
    fn new(pid: u32) -> PyResult<Attached> {
        let inner = attach::Attached::new(pid)?;
        Ok(Attached {
            inner: Mutex::new(inner),
        })
    }

    #[getter]
    fn pid(&self, py: Python<'_>) -> u32 {
        self.with(py, |a| a.pid())
    }

    #[getter]
    fn command(&self, py: Python<'_>) -> String {
        self.with(py, |a| a.command().to_owned())
    }

    #[getter]
    fn version(&self, py: Python<'_>) -> String {
        self.with(py, |a| a.version())
    }

    /// Forgets what was seen: what is seen from now on counts.
    fn begin(&self, py: Python<'_>) {
        self.with(py, attach::Attached::begin);
    }

    /// Takes a sample of each thread; whether the process is still there.
    fn sample(&self, py: Python<'_>) -> bool {
        self.with(py, attach::Attached::sample)
    }

    /// The threads as they are now, as dicts.
    fn dump<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let threads = self.with(py, attach::Attached::dump);
        let described = threads.into_iter().map(|thread| {
            let dict = PyDict::new(py);
            dict.set_item("tid", thread.tid)?;
            dict.set_item("name", thread.name)?;
            dict.set_item("state", labels::state(thread.state))?;
            dict.set_item("call", thread.call)?;
            dict.set_item("frames", thread.frames)?;
            Ok(dict)
        });
        described.collect()
    }

    /// What was seen since the last time, by function or by line, as a dict.
    fn interval<'py>(&self, py: Python<'py>, by_line: bool) -> PyResult<Bound<'py, PyDict>> {
        let interval = self.with(py, |a| a.interval(by_line));
        let dict = PyDict::new(py);
        dict.set_item("elapsed", interval.elapsed)?;
        dict.set_item("gil", interval.gil)?;
        dict.set_item("rows", interval.rows)?;
        dict.set_item("threads", interval.threads)?;
        Ok(dict)
    }

    /// Writes what was seen since the last time to a file; what there is to be said of it, as a dict.
    ///
    /// Raises OSError.
    fn save<'py>(
        &self,
        py: Python<'py>,
        path: PathBuf,
        command: Vec<String>,
        rate: f64,
        with_sources: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        let meta = Meta {
            command,
            rate,
            ..Meta::default()
        };
        let recording = self.with(py, |a| a.take(meta, with_sources));
        py.detach(|| profile::write(&recording, &path))?;
        said(py, &recording, 0)
    }
}

/// What there is to be said of a recording whose rate was halved so often, as a dict.
fn said<'py>(
    py: Python<'py>,
    recording: &Recording,
    slowed: usize,
) -> PyResult<Bound<'py, PyDict>> {
    let said = Said::of(recording, slowed);
    let dict = PyDict::new(py);
    dict.set_item("samples", said.samples)?;
    dict.set_item("processes", recording.processes.len())?;
    dict.set_item("cpu", said.cpu)?;
    dict.set_item("elapsed", recording.meta.elapsed as f64 / 1e9)?;
    dict.set_item("rate", said.rate)?;
    dict.set_item("warnings", said.warnings)?;
    Ok(dict)
}

/// What is worth saying when a recording is made.
struct Said {
    /// Of running threads.
    samples: usize,
    /// CPU time, in seconds.
    cpu: f64,
    /// Samples for each second of it.
    rate: f64,
    warnings: Vec<String>,
}

impl Said {
    fn of(recording: &Recording, slowed: usize) -> Said {
        let samples = recording.samples.iter().filter(|s| s.state.is_running());
        let samples = samples.count();
        let cpu: u64 = recording.processes.iter().map(|p| p.user + p.kernel).sum();
        let cpu = cpu as f64 / 1e6;
        let lost: u64 = recording.processes.iter().map(|p| p.counts.lost).sum();
        let mut warnings = vec![];
        if samples == 0 {
            warnings.push("nothing was sampled: the program used next to no CPU time".to_owned());
        }
        if slowed > 0 {
            warnings.push(format!(
                "the rate was halved {slowed} time{}, to keep the file small",
                if slowed == 1 { "" } else { "s" }
            ));
        }
        if lost > 0 {
            warnings.push(format!(
                "{lost} samples were lost: there was no room for them"
            ));
        }
        let left_out = recording.processes.iter().filter(|p| p.reason.0 != 0);
        for process in left_out {
            warnings.push(format!(
                "process {} ({}) was not recorded: {}",
                process.pid,
                recording.texts.get(process.command),
                recording.texts.get(process.reason)
            ));
        }
        Said {
            samples,
            cpu,
            rate: samples as f64 / cpu.max(1e-9),
            warnings,
        }
    }
}

/// Tells agents of compiled functions, see [`ferdelance_abi::codemap::Describe`].
///
/// # Safety
///
/// `into` has `room` bytes, or `room` is 0; `found` is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferdelance_describe_code_1(
    address: usize,
    into: *mut u8,
    room: usize,
    found: *mut Described,
) -> bool {
    // SAFETY: as the caller promises.
    unsafe { CODE_MAP.describe(address, into, room, &mut *found) }
}
