//! How many CPUs were busy, and for how long.
//!
//! A sample says how much CPU time its thread got since its sample before. So in the time between the two
//! the thread used so much of a CPU; what all threads used is added up over time. Counting samples in
//! intervals of equal length would tell less: how many fall into one is a matter of chance.

use super::Selection;
use crate::model::{Process, Recording, Thread};

/// What is between two samples is taken together up to this length, in nanoseconds: the weights of single
/// samples are shares of what was measured over some milliseconds.
const LENGTH: u64 = 10_000_000;

/// The use of CPUs by the selected threads.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    /// In seconds.
    pub elapsed: f64,
    /// By number of CPUs that were busy, rounded: for how long, in seconds.
    pub by_cpus: Vec<f64>,
    /// CPU time over elapsed time.
    pub average: f64,
    pub target: f64,
}

/// A change of the number of CPUs that are busy.
type Change = (u64, f64);

pub fn usage(recording: &Recording, selection: &Selection) -> Usage {
    let elapsed = elapsed(recording);
    let mut changes: Vec<Change> = vec![];
    let mut cpu = 0;
    let mut threads: Vec<_> = recording
        .threads
        .iter()
        .map(|thread| Use::new(thread, elapsed))
        .collect();
    for sample in recording.samples.iter().filter(|s| s.cpu() > 0) {
        if selection.threads[sample.thread.index()] {
            let thread = &mut threads[sample.thread.index()];
            thread.add(sample.time.min(elapsed), sample.cpu(), &mut changes);
        }
    }
    let mut of_process = vec![0; recording.processes.len()];
    for (i, (mut used, thread)) in threads.into_iter().zip(&recording.threads).enumerate() {
        of_process[thread.process.index()] += thread.user + thread.kernel;
        if selection.threads[i] {
            used.finish(thread, elapsed, &mut changes);
            cpu += thread.user + thread.kernel;
        }
    }
    for (process, of_threads) in recording.processes.iter().zip(of_process) {
        // A process without an agent has no threads here.
        if selection.is_all() {
            cpu += without_threads(process, of_threads, elapsed, &mut changes);
        }
    }
    let seconds = elapsed as f64 / 1e9;
    Usage {
        elapsed: seconds,
        by_cpus: swept(changes, elapsed),
        average: if elapsed == 0 {
            0.0
        } else {
            cpu as f64 / 1e6 / seconds
        },
        target: recording.meta.target_cpus,
    }
}

/// How long the recording took, in nanoseconds; as far as is known where it was not finished.
pub fn elapsed(recording: &Recording) -> u64 {
    let last = recording.samples.iter().map(|s| s.time).max();
    match recording.meta.elapsed {
        0 => last.unwrap_or(0),
        elapsed => elapsed,
    }
}

/// What a thread uses, while its samples are gone through.
struct Use {
    /// From when on samples are collected.
    since: u64,
    last: u64,
    /// CPU time since then, in microseconds.
    collected: u64,
    sampled: u64,
}

impl Use {
    fn new(thread: &Thread, elapsed: u64) -> Use {
        Use {
            since: thread.start.min(elapsed),
            last: thread.start.min(elapsed),
            collected: 0,
            sampled: 0,
        }
    }

    fn add(&mut self, time: u64, cpu: u64, changes: &mut Vec<Change>) {
        let time = time.max(self.last);
        // A long time between samples is a rest, which is not to be mixed with what was before.
        if time - self.last > LENGTH {
            self.flush(self.last, changes);
        }
        self.collected += cpu;
        self.sampled += cpu;
        self.last = time;
        if time - self.since >= LENGTH {
            self.flush(time, changes);
        }
    }

    fn flush(&mut self, until: u64, changes: &mut Vec<Change>) {
        let length = until.saturating_sub(self.since);
        // In no time there can be no use; it counts with what follows.
        if length > 0 {
            let most = length / 1000;
            let cpu = self.collected.min(most.max(1));
            if cpu > 0 {
                let share = (cpu as f64 * 1000.0 / length as f64).min(1.0);
                changes.push((self.since, share));
                changes.push((until, -share));
            }
            self.collected -= cpu;
            self.since = until;
        }
    }

    /// The rest of the thread's CPU time is of the time after its last sample.
    fn finish(&mut self, thread: &Thread, elapsed: u64, changes: &mut Vec<Change>) {
        self.flush(self.last, changes);
        self.collected += (thread.user + thread.kernel).saturating_sub(self.sampled);
        self.flush(thread.end.min(elapsed), changes);
    }
}

fn without_threads(
    process: &Process,
    of_threads: u64,
    elapsed: u64,
    changes: &mut Vec<Change>,
) -> u64 {
    let cpu = (process.user + process.kernel).saturating_sub(of_threads);
    let (start, end) = (process.start.min(elapsed), process.end.min(elapsed));
    if cpu > 0 && end > start {
        let cpus = cpu as f64 * 1000.0 / (end - start) as f64;
        changes.push((start, cpus));
        changes.push((end, -cpus));
    }
    cpu
}

/// For how long each number of CPUs was busy, in seconds.
fn swept(mut changes: Vec<Change>, elapsed: u64) -> Vec<f64> {
    /// More CPUs than any machine has: what a spoilt file says is not to cost memory.
    const MOST: usize = 1 << 14;
    changes.sort_by_key(|&(time, _)| time);
    changes.push((elapsed, 0.0));
    let mut by_cpus = vec![];
    let (mut busy, mut at) = (0.0, 0);
    for (time, change) in changes {
        if time > at {
            let seconds = (time - at) as f64 / 1e9;
            // A CPU that is busy for a part of the time counts for that part, so that the rows add up to the
            // CPU time. (Rounding errors of sums are no CPUs.)
            let level = f64::max(busy, 0.0).min(MOST as f64);
            let whole = (level + 1e-9).floor();
            let part = f64::max(level - whole, 0.0);
            let cpus = whole as usize;
            let rows = if part > 1e-9 { cpus + 2 } else { cpus + 1 };
            if by_cpus.len() < rows {
                by_cpus.resize(rows, 0.0);
            }
            by_cpus[cpus] += seconds * (1.0 - part);
            if part > 1e-9 {
                by_cpus[cpus + 1] += seconds * part;
            }
            at = time;
        }
        busy += change;
    }
    by_cpus
}

#[cfg(test)]
mod tests {
    #[test]
    fn parts_of_a_cpu_add_up_to_the_cpu_time() {
        let second = 1_000_000_000;
        let changes = vec![
            (0, 0.25),
            (second, -0.25),
            (second, 1.5),
            (2 * second, -1.5),
        ];
        let found = super::swept(changes, 3 * second);
        for (found, wanted) in found.iter().zip([1.75, 0.75, 0.5]) {
            assert!((found - wanted).abs() < 1e-6, "{found} {wanted}");
        }
        assert_eq!(found.len(), 3);
    }
}
