//! Recordings as files of other tools.
//!
//! A format is a file of `export/` and a row of [`FORMATS`]. All count the same samples: those that have CPU
//! time, or were taken on a CPU. Those of threads that wait are in pprof's file alone, as wall time, and in
//! Chrome's, which shows all of a thread's life. Calls and lines that were counted one by one are in files for
//! pstats and for line_profiler.

mod callgrind;
mod chrome;
mod collapsed;
mod dot;
mod firefox;
mod lprof;
mod pprof;
mod pstats;
mod speedscope;
mod svg;

use std::io::{self, BufWriter, Write};

use crate::calls;
use crate::model::{Recording, Sample};
use crate::tree::Weight;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Pstats,
    Callgrind,
    Pprof,
    Speedscope,
    Firefox,
    Chrome,
    Collapsed,
    Svg,
    Dot,
    Lprof,
}

/// What its samples count as, where a format can say only one thing, or says one first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// Microseconds of CPU time.
    #[default]
    Us,
    /// One each.
    Samples,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub unit: Unit,
}

/// A format: its name, the usual ending of its files, and what it is.
pub struct Row {
    pub format: Format,
    pub name: &'static str,
    pub ending: &'static str,
    pub about: &'static str,
}

/// All formats, by name.
#[rustfmt::skip]
pub const FORMATS: [Row; 10] = [
    row(Format::Callgrind, "callgrind", "callgrind.out", "KCachegrind, callgrind_annotate"),
    row(Format::Chrome, "chrome", "json", "Perfetto, chrome://tracing"),
    row(Format::Collapsed, "collapsed", "txt", "a line a stack, for flamegraph.pl and inferno"),
    row(Format::Dot, "dot", "dot", "a call graph, for Graphviz"),
    row(Format::Firefox, "firefox", "json", "profiler.firefox.com"),
    row(Format::Lprof, "lprof", "lprof", "line_profiler; of counted lines"),
    row(Format::Pprof, "pprof", "pb.gz", "go tool pprof"),
    row(Format::Pstats, "pstats", "pstats", "the standard library's pstats, snakeviz, gprof2dot"),
    row(Format::Speedscope, "speedscope", "speedscope.json", "speedscope.app"),
    row(Format::Svg, "svg", "svg", "a flame graph, for any browser"),
];

const fn row(format: Format, name: &'static str, ending: &'static str, about: &'static str) -> Row {
    Row {
        format,
        name,
        ending,
        about,
    }
}

impl Format {
    pub fn of_name(name: &str) -> Option<Format> {
        let row = FORMATS.iter().find(|row| row.name == name)?;
        Some(row.format)
    }
}

impl Unit {
    /// Of all units, by name.
    pub const NAMES: [(&'static str, Unit); 2] = [("us", Unit::Us), ("samples", Unit::Samples)];

    pub fn of_name(name: &str) -> Option<Unit> {
        let (_, unit) = Unit::NAMES.iter().find(|(n, _)| *n == name)?;
        Some(*unit)
    }

    fn of(self, weight: Weight) -> u64 {
        match self {
            Unit::Us => weight.cpu,
            Unit::Samples => weight.samples,
        }
    }

    fn of_sample(self, sample: &Sample) -> u64 {
        self.of(Weight::of(sample))
    }
}

/// Writes a recording in a format.
pub fn export(
    recording: &Recording,
    format: Format,
    options: &Options,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut buffered = BufWriter::with_capacity(1 << 16, out);
    let out = &mut buffered;
    // What was counted call by call has no samples; formats of samples show the tree that calls make.
    let drawn = (recording.samples.is_empty() && !recording.calls.is_empty())
        .then(|| calls::as_samples(recording));
    let counted = recording;
    let recording = drawn.as_ref().unwrap_or(recording);
    match format {
        Format::Pstats if drawn.is_some() => pstats::write_calls(counted, out),
        Format::Lprof => lprof::write(counted, out),
        Format::Pstats => pstats::write(recording, out),
        Format::Callgrind => callgrind::write(recording, options, out),
        Format::Pprof => pprof::write(recording, options, out),
        Format::Speedscope => speedscope::write(recording, options, out),
        Format::Firefox => firefox::write(recording, options, out),
        Format::Chrome => chrome::write(recording, out),
        Format::Collapsed => collapsed::write(recording, options, out),
        Format::Svg => svg::write(recording, options, out),
        Format::Dot => dot::write(recording, options, out),
    }?;
    buffered.flush()
}

/// Whether a sample is counted: waiting is not, but whatever took CPU time is.
fn is_counted(sample: &Sample) -> bool {
    sample.state.is_running() || sample.cpu() > 0
}

fn counted(recording: &Recording) -> impl Iterator<Item = &Sample> {
    recording.samples.iter().filter(|s| is_counted(s))
}

/// Samples of each thread, by time.
fn by_thread<'a>(
    recording: &Recording,
    samples: impl IntoIterator<Item = &'a Sample>,
) -> Vec<Vec<&'a Sample>> {
    let mut threads = vec![vec![]; recording.threads.len()];
    for sample in samples {
        threads[sample.thread.index()].push(sample);
    }
    threads
}

#[cfg(test)]
mod tests;
