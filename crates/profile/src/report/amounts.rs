//! What a report says of a recording as a whole: amounts of time, and what became of its samples.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::Selection;
use super::view::owners;
use crate::model::*;

/// Amounts of time, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// CPU time of all processes, sampled or not.
    pub user: u64,
    pub kernel: u64,
    /// What the selected samples stand for: all that tables are about.
    pub shown: u64,
    /// CPU time of the selected samples that held the interpreter's lock.
    pub held: u64,
    /// Time that selected threads waited for that lock, and for a CPU.
    pub waited_for_gil: u64,
    pub queued: u64,
}

impl Amounts {
    pub fn new(recording: &Recording, selection: &Selection) -> Amounts {
        let sum = |f: fn(&Process) -> u64| recording.processes.iter().map(f).sum();
        let mut amounts = Amounts {
            user: sum(|p| p.user),
            kernel: sum(|p| p.kernel),
            ..Amounts::default()
        };
        for sample in recording.samples.iter().filter(|s| selection.has(s)) {
            match sample.state {
                State::Running => amounts.shown += sample.cpu(),
                State::RunningWithGil => {
                    amounts.shown += sample.cpu();
                    amounts.held += sample.cpu();
                }
                State::WaitingForGil => amounts.waited_for_gil += u64::from(sample.wait),
                State::Queued => amounts.queued += u64::from(sample.wait),
                State::Waiting => {}
            }
        }
        amounts
    }

    pub fn cpu(&self) -> u64 {
        self.user + self.kernel
    }

    /// CPU time that no sample stands for. It can be told only if all samples are selected.
    pub fn not_sampled(&self, selection: &Selection) -> Option<u64> {
        selection
            .is_all()
            .then(|| self.cpu().saturating_sub(self.shown))
    }
}

/// What became of the samples of all processes.
pub fn counts(recording: &Recording) -> Counts {
    let mut all = Counts::default();
    for process in &recording.processes {
        let counts = process.counts;
        all.taken += counts.taken;
        all.lost += counts.lost;
        all.abandoned += counts.abandoned;
        all.unplaced += counts.unplaced;
        all.cut += counts.cut;
        all.cost += counts.cost;
    }
    all
}

/// The Pythons that processes ran, by version.
pub fn pythons(recording: &Recording) -> Vec<&str> {
    let pythons = recording.processes.iter();
    let mut pythons: Vec<&str> = pythons
        .map(|p| recording.texts.get(p.python))
        .filter(|version| !version.is_empty())
        .collect();
    pythons.sort_unstable();
    pythons.dedup();
    pythons
}

/// Time that a thread waited in a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// For the interpreter's lock, not for something else.
    pub for_gil: bool,
    /// The innermost function that is shown.
    pub function: Option<FunctionId>,
    pub thread: ThreadId,
    /// In microseconds.
    pub time: u64,
}

/// Where threads waited, longest first.
pub fn waits(recording: &Recording, selection: &Selection) -> Vec<Wait> {
    let r = recording;
    let owners = owners(r);
    let mut waits: HashMap<(bool, Option<FunctionId>, ThreadId), u64> = HashMap::new();
    for sample in r.samples.iter().filter(|s| s.wait > 0 && selection.has(s)) {
        let for_gil = match sample.state {
            State::Waiting => false,
            State::WaitingForGil => true,
            _ => continue,
        };
        let function = sample.stack.and_then(|s| owners[s.index()]);
        *waits.entry((for_gil, function, sample.thread)).or_default() += u64::from(sample.wait);
    }
    let waits = waits.into_iter();
    let mut waits: Vec<Wait> = waits
        .map(|((for_gil, function, thread), time)| Wait {
            for_gil,
            function,
            thread,
            time,
        })
        .collect();
    waits.sort_by_key(|w| (Reverse(w.time), w.for_gil, w.function, w.thread));
    waits
}
