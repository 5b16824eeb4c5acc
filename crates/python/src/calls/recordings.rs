//! Recordings of what was counted.

use ferdelance_profile::calls::{Merge, Named};
use ferdelance_profile::model::{Counted, Counts, Meta, Process, TextId, Texts};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::profile::Recording;

type FunctionRow = (String, u32, String, String, bool);
type CallRow = (
    usize,
    Option<Vec<(String, String)>>,
    u64,
    u64,
    f64,
    f64,
    u64,
);
type CallerRow = (usize, usize, u64, u64, f64, f64);
/// File, first line, name; line, hits and seconds each.
type LinesRow = (String, u32, String, Vec<(u32, u64, f64)>);

fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9).round().max(0.0) as u64
}

fn counted(calls: u64, recursive: u64, own: f64, total: f64) -> Counted {
    Counted {
        calls,
        primitive: calls.saturating_sub(recursive),
        own: nanoseconds(own),
        total: nanoseconds(total),
    }
}

fn meta(of: &Bound<'_, PyDict>) -> PyResult<Meta> {
    let get = |name: &str| {
        of.get_item(name)?
            .ok_or_else(|| PyKeyError::new_err(name.to_owned()))
    };
    Ok(Meta {
        command: get("command")?.extract()?,
        directory: get("directory")?.extract()?,
        started: nanoseconds(get("started")?.extract()?),
        elapsed: nanoseconds(get("elapsed")?.extract()?),
        exit_status: get("exit_status")?.extract()?,
        ..Meta::default()
    })
}

/// A process: its number, command, version of Python, and why it is missing.
fn process(texts: &mut Texts, pid: u32, command: &str, python: &str, reason: &str) -> Process {
    Process {
        pid,
        parent: None,
        command: texts.add(command),
        python: texts.add(python),
        start: 0,
        end: 0,
        user: 0,
        kernel: 0,
        reason: if reason.is_empty() {
            TextId::EMPTY
        } else {
            texts.add(reason)
        },
        counts: Counts::default(),
    }
}

fn add_calls(merge: &mut Merge, counts: &Bound<'_, PyDict>) -> PyResult<()> {
    let get = |name: &str| {
        counts
            .get_item(name)?
            .ok_or_else(|| PyKeyError::new_err(name.to_owned()))
    };
    let functions: Vec<FunctionRow> = get("functions")?.extract()?;
    let functions: Vec<_> = functions
        .iter()
        .map(|(file, line, _, name, is_native, ..)| {
            merge.function(&Named {
                name,
                file,
                line: *line,
                is_native: *is_native,
            })
        })
        .collect();
    let missing = || PyKeyError::new_err("a row that is not there");
    let mut calls = vec![];
    for (function, signature, n, recursive, own, total, _) in
        get("calls")?.extract::<Vec<CallRow>>()?
    {
        let function = *functions.get(function).ok_or_else(missing)?;
        let signature = signature.map(|arguments| {
            merge.signature(arguments.iter().map(|(a, t)| (a.as_str(), t.as_str())))
        });
        calls.push(if n == 0 {
            None
        } else {
            Some(merge.call(function, signature, counted(n, recursive, own, total)))
        });
    }
    for (caller, callee, n, recursive, own, total) in get("callers")?.extract::<Vec<CallerRow>>()? {
        let known = |i: usize| calls.get(i).copied().ok_or_else(missing);
        if let (Some(caller), Some(callee), true) = (known(caller)?, known(callee)?, n > 0) {
            merge.caller(caller, callee, counted(n, recursive, own, total));
        }
    }
    Ok(())
}

/// A recording of what this process has counted: a dict as `CallProfiler.counts` has it or None, and lines
/// of functions. A process has a number and CPU times in microseconds. Raises KeyError and TypeError if these are not as they should be.
#[pyfunction]
pub fn _recording_of_counts(
    meta_of: &Bound<'_, PyDict>,
    process_of: (u32, u64, u64),
    python: &str,
    counts: Option<&Bound<'_, PyDict>>,
    lines: Vec<LinesRow>,
    log: Vec<String>,
    sources: bool,
) -> PyResult<Recording> {
    let meta = meta(meta_of)?;
    let (pid, user, kernel) = process_of;
    let mut texts = Texts::default();
    let mut own = process(&mut texts, pid, &meta.command.join(" "), python, "");
    (own.user, own.kernel, own.end) = (user, kernel, meta.elapsed);
    let mut merge = Merge::new(meta);
    merge.process(own, &texts);
    if let Some(counts) = counts {
        add_calls(&mut merge, counts)?;
    }
    for (file, line, name, rows) in &lines {
        let function = merge.function(&Named {
            name,
            file,
            line: *line,
            is_native: false,
        });
        for &(number, hits, time) in rows {
            merge.line(function, number, hits, nanoseconds(time));
        }
    }
    log.iter().for_each(|text| merge.log(text));
    Ok(Recording {
        inner: merge.finish(sources),
    })
}

/// What several processes have counted, as one recording; processes of which nothing is known are given
/// with the reason.
#[pyfunction]
pub fn _merge_recordings(
    py: Python<'_>,
    meta_of: &Bound<'_, PyDict>,
    recordings: Vec<PyRef<'_, Recording>>,
    missing: Vec<(u32, String, String)>,
    sources: bool,
) -> PyResult<Recording> {
    let mut merge = Merge::new(meta(meta_of)?);
    let all: Vec<&Recording> = recordings.iter().map(|r| &**r).collect();
    let inner = py.detach(|| {
        all.iter().for_each(|r| merge.add(&r.inner));
        let mut texts = Texts::default();
        for (pid, command, reason) in &missing {
            let lost = process(&mut texts, *pid, command, "", reason);
            merge.process(lost, &texts);
        }
        merge.finish(sources)
    });
    Ok(Recording { inner })
}
