//! What the rest of the code relies on is made true here: every index is valid, callers come before what
//! they call, no process is its own ancestor, samples of a thread are in order, numbers are in bounds.

use super::read::{lost_frame, lost_function, lost_process};
use super::texts::all_references;
use super::{LAST, MOST_CPU};
use crate::model::*;

/// An index that no table has: stands in rows that could not be read.
pub const UNKNOWN: u32 = u32::MAX;

/// What stands for a function that is not known.
const LOST: &str = "[lost]";

/// Puts right what can be, and says what was wrong.
pub fn check(recording: &mut Recording, texts: Vec<String>) -> Vec<String> {
    let mut wrong = Wrong::default();
    check_texts(recording, texts, &mut wrong);
    check_stacks(recording, &mut wrong);
    check_processes(recording, &mut wrong);
    check_samples(recording, &mut wrong);
    check_counted(recording, &mut wrong);
    let r = recording;
    let processes = r.processes.len();
    for line in &mut r.log {
        line.time = line.time.min(LAST);
        optional(
            &mut line.process,
            |p| p.index() < processes,
            &mut wrong.references,
        );
    }
    let meta = &mut r.meta;
    meta.elapsed = meta.elapsed.min(LAST);
    for number in [&mut meta.rate, &mut meta.target_cpus] {
        // The negation is false for what is no number.
        if !(*number >= 0.0 && *number <= 1e6) {
            *number = 0.0;
        }
    }
    wrong.told()
}

#[derive(Default)]
struct Wrong {
    references: u64,
    samples: u64,
}

impl Wrong {
    fn told(&self) -> Vec<String> {
        let mut told = vec![];
        if self.references > 0 {
            let n = self.references;
            told.push(format!(
                "{n} references lead nowhere: what they meant is shown as {LOST}"
            ));
        }
        if self.samples > 0 {
            let n = self.samples;
            told.push(format!(
                "{n} samples are of threads that are not known, and left out"
            ));
        }
        told
    }
}

/// Removes what is not valid.
fn optional<T: Copy>(id: &mut Option<T>, valid: impl Fn(T) -> bool, wrong: &mut u64) {
    if id.is_some_and(|id| !valid(id)) {
        *id = None;
        *wrong += 1;
    }
}

/// Texts are numbered as the file has them; the recording keeps each once.
fn check_texts(r: &mut Recording, texts: Vec<String>, wrong: &mut Wrong) {
    let ids: Vec<TextId> = texts.iter().map(|text| r.texts.add(text)).collect();
    all_references(r, |id| {
        *id = ids.get(id.index()).copied().unwrap_or_else(|| {
            // In a file without texts, the empty one is not missed.
            wrong.references += u64::from(*id != TextId::EMPTY);
            TextId::EMPTY
        });
    });
}

fn check_stacks(r: &mut Recording, wrong: &mut Wrong) {
    let (functions, frames) = (r.functions.len(), r.frames.len());
    let lost_functions = r
        .frames
        .iter()
        .filter(|f| f.function.index() >= functions)
        .count();
    let lost_frames = r
        .stacks
        .iter()
        .filter(|s| s.frame.index() >= frames)
        .count();
    wrong.references += (lost_functions + lost_frames) as u64;
    if lost_functions + lost_frames > 0 {
        let name = r.texts.add(LOST);
        r.functions.push(Function {
            name,
            ..lost_function()
        });
        for frame in &mut r.frames {
            if frame.function.index() >= functions {
                frame.function = FunctionId(functions as u32);
            }
        }
        r.frames.push(Frame {
            function: FunctionId(functions as u32),
            ..lost_frame()
        });
    }
    for (i, stack) in r.stacks.iter_mut().enumerate() {
        optional(&mut stack.parent, |p| p.index() < i, &mut wrong.references);
        if stack.frame.index() >= frames {
            stack.frame = FrameId(frames as u32);
        }
    }
}

fn check_processes(r: &mut Recording, wrong: &mut Wrong) {
    let count = r.processes.len();
    for p in &mut r.processes {
        optional(&mut p.parent, |p| p.index() < count, &mut wrong.references);
        p.end = p.end.min(LAST);
        p.start = p.start.min(p.end);
        let c = &mut p.counts;
        for number in [
            &mut p.user,
            &mut p.kernel,
            &mut c.taken,
            &mut c.lost,
            &mut c.abandoned,
            &mut c.unplaced,
            &mut c.cut,
        ] {
            *number = (*number).min(MOST_CPU);
        }
        c.cost = c.cost.min(LAST);
    }
    cut_cycles(&mut r.processes, wrong);
    let lost = r
        .threads
        .iter()
        .filter(|t| t.process.index() >= count)
        .count();
    wrong.references += lost as u64;
    if lost > 0 {
        r.processes.push(Process {
            command: r.texts.add(LOST),
            ..lost_process()
        });
    }
    for t in &mut r.threads {
        if t.process.index() >= count {
            t.process = ProcessId(count as u32);
        }
        t.end = t.end.min(LAST);
        t.start = t.start.min(t.end);
        t.user = t.user.min(MOST_CPU);
        t.kernel = t.kernel.min(MOST_CPU);
    }
}

/// A process that would be its own ancestor has no parent.
fn cut_cycles(processes: &mut [Process], wrong: &mut Wrong) {
    /// The walk on which a process was first met.
    const NEVER: usize = usize::MAX;
    let mut met = vec![NEVER; processes.len()];
    for walk in 0..processes.len() {
        let mut at = walk;
        while met[at] == NEVER {
            met[at] = walk;
            let Some(parent) = processes[at].parent else {
                break;
            };
            if met[parent.index()] == walk {
                processes[at].parent = None;
                wrong.references += 1;
                break;
            }
            at = parent.index();
        }
    }
}

/// Of calls and lines of functions that are not known, nothing can be said.
fn check_counted(r: &mut Recording, wrong: &mut Wrong) {
    let (functions, signatures) = (r.functions.len(), r.signatures.len());
    let before = r.lines.len() + r.callers.len();
    r.lines.retain(|l| l.function.index() < functions);
    for line in &mut r.lines {
        line.hits = line.hits.min(LAST);
        line.time = line.time.min(LAST);
    }
    let calls = r.calls.len();
    r.callers
        .retain(|c| c.caller.index() < calls && c.callee.index() < calls);
    wrong.references += (before - r.lines.len() - r.callers.len()) as u64;
    if r.calls.iter().any(|c| c.function.index() >= functions) {
        let name = r.texts.add(LOST);
        r.functions.push(Function {
            name,
            ..lost_function()
        });
    }
    for call in &mut r.calls {
        if call.function.index() >= functions {
            call.function = FunctionId(functions as u32);
            wrong.references += 1;
        }
        optional(
            &mut call.signature,
            |id| id.index() < signatures,
            &mut wrong.references,
        );
    }
    let counted = r.calls.iter_mut().map(|c| &mut c.counted);
    for counted in counted.chain(r.callers.iter_mut().map(|c| &mut c.counted)) {
        for number in [&mut counted.calls, &mut counted.own, &mut counted.total] {
            *number = (*number).min(LAST);
        }
        counted.primitive = counted.primitive.min(counted.calls);
    }
}

fn check_samples(r: &mut Recording, wrong: &mut Wrong) {
    let (threads, stacks) = (r.threads.len(), r.stacks.len());
    let signatures = r.signatures.len();
    let before = r.samples.len();
    r.samples.retain(|s| s.thread.index() < threads);
    wrong.samples += (before - r.samples.len()) as u64;
    let mut last = vec![0; threads];
    let mut ordered = true;
    for s in &mut r.samples {
        s.time = s.time.min(LAST);
        optional(
            &mut s.stack,
            |id| id.index() < stacks,
            &mut wrong.references,
        );
        optional(
            &mut s.signature,
            |id| id.index() < signatures,
            &mut wrong.references,
        );
        let last = &mut last[s.thread.index()];
        ordered &= *last <= s.time;
        *last = s.time;
    }
    if !ordered {
        r.samples.sort_by_key(|s| s.time);
    }
}
