//! How many CPUs were busy, and for how long.
//!
//! Of each thread, the time between two samples on a CPU and the CPU time that the later one stands for say how
//! busy it was in between; where it is known to have waited, it was not. So what is counted is time, not
//! samples, and a pause between two bursts is a pause.

use crate::model::{Recording, Sample, State};

/// Seconds by the number of CPUs that were busy, from none on; all of them together are the time that the
/// recording took.
pub fn histogram(recording: &Recording) -> Vec<f64> {
    let mut changes: Vec<(u64, f64)> = vec![];
    let mut by_thread: Vec<Vec<&Sample>> = vec![vec![]; recording.threads.len()];
    for sample in &recording.samples {
        by_thread[sample.thread.index()].push(sample);
    }
    for (thread, own) in recording.threads.iter().zip(by_thread) {
        of_thread(&own, thread.start, &mut changes);
    }
    sweep(changes, recording.meta.elapsed)
}

/// Adds when a thread becomes more or less busy.
fn of_thread(samples: &[&Sample], start: u64, changes: &mut Vec<(u64, f64)>) {
    let waits: Vec<(u64, u64)> = samples
        .iter()
        .filter(|s| !s.state.is_running() && s.wait > 0)
        .map(|s| (s.time.saturating_sub(u64::from(s.wait) * 1000), s.time))
        .collect();
    let mut before = start;
    let mut next_wait = 0;
    for sample in samples.iter().filter(|s| s.state.is_running()) {
        let (from, to) = (before, sample.time.max(before));
        before = to;
        while next_wait < waits.len() && waits[next_wait].1 <= from {
            next_wait += 1;
        }
        // The parts of the interval in which it did not wait.
        let mut parts = vec![];
        let mut at = from;
        for &(begin, end) in waits[next_wait..].iter().take_while(|w| w.0 < to) {
            if begin > at {
                parts.push((at, begin));
            }
            at = at.max(end);
        }
        if at < to {
            parts.push((at, to));
        }
        let used = sample.cpu() as f64 * 1000.0;
        let available: u64 = parts.iter().map(|(a, b)| b - a).sum();
        // Waits are looked at now and then only: what was used was not waited.
        let parts = if (available as f64) < used {
            vec![(from, to)]
        } else {
            parts
        };
        let available: u64 = parts.iter().map(|(a, b)| b - a).sum();
        if available == 0 {
            continue;
        }
        let share = used / available as f64;
        for (a, b) in parts {
            changes.push((a, share.min(1.0)));
            changes.push((b, -share.min(1.0)));
        }
    }
}

fn sweep(mut changes: Vec<(u64, f64)>, elapsed: u64) -> Vec<f64> {
    changes.sort_by_key(|c| c.0);
    let mut seconds = vec![0.0];
    let (mut level, mut at) = (0.0f64, 0u64);
    let mut add = |level: f64, length: u64| {
        let busy = level.round().max(0.0) as usize;
        if seconds.len() <= busy {
            seconds.resize(busy + 1, 0.0);
        }
        seconds[busy] += length as f64 / 1e9;
    };
    for (time, change) in changes {
        let time = time.min(elapsed);
        add(level, time - at.min(time));
        at = time.max(at);
        level += change;
    }
    add(0.0, elapsed.saturating_sub(at));
    seconds
}

/// The mean number of CPUs that were busy.
pub fn average(recording: &Recording) -> f64 {
    let used: u64 = recording.processes.iter().map(|p| p.user + p.kernel).sum();
    used as f64 * 1000.0 / recording.meta.elapsed.max(1) as f64
}

/// Seconds of samples of a state, that is, of waiting.
pub fn waited(recording: &Recording, state: State) -> f64 {
    let samples = recording.samples.iter().filter(|s| s.state == state);
    samples.map(|s| f64::from(s.wait) / 1e6).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Meta, ProcessId, TextId, Thread, ThreadId};

    /// Threads that are busy in these intervals, in seconds, with samples of 2 ms, in a recording of `elapsed`.
    fn busy(threads: &[&[(f64, f64)]], elapsed: f64) -> Vec<f64> {
        let mut r = Recording {
            meta: Meta {
                elapsed: (elapsed * 1e9) as u64,
                ..Meta::default()
            },
            ..Recording::default()
        };
        for (i, intervals) in threads.iter().enumerate() {
            r.threads.push(Thread {
                process: ProcessId(0),
                tid: i as u32,
                name: TextId::EMPTY,
                start: 0,
                end: r.meta.elapsed,
                user: 0,
                kernel: 0,
            });
            let mut sample = |time: u64, state: State, user: u32, wait: u32| {
                r.samples.push(Sample {
                    time,
                    thread: ThreadId(i as u32),
                    stack: None,
                    state,
                    user,
                    kernel: 0,
                    wait,
                    signature: None,
                });
            };
            let mut at = 0;
            for &(from, to) in *intervals {
                let (from, to) = ((from * 1e9) as u64, (to * 1e9) as u64);
                if from > at {
                    sample(from, State::Waiting, 0, ((from - at) / 1000) as u32);
                }
                at = from;
                while at + 2_000_000 <= to {
                    at += 2_000_000;
                    sample(at, State::Running, 2000, 0);
                }
            }
        }
        histogram(&r)
    }

    #[test]
    fn phases_of_one_two_and_eight_threads() {
        let one: &[(f64, f64)] = &[(1.0, 6.0)];
        let two: &[(f64, f64)] = &[(3.0, 6.0)];
        let eight: &[(f64, f64)] = &[(5.0, 6.0)];
        let found = busy(&[one, two, eight, eight, eight, eight, eight, eight], 7.0);
        let wanted = [2.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        assert_eq!(found.len(), wanted.len());
        for (found, wanted) in found.iter().zip(wanted) {
            assert!((found - wanted).abs() < 0.02, "{found} {wanted}");
        }
        let sum: f64 = found.iter().sum();
        assert!((sum - 7.0).abs() < 1e-6);
        assert_eq!(busy(&[], 1.0), [1.0]);
    }
}
