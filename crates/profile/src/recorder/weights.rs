//! How much CPU time each sample of a thread stands for.
//!
//! Samples of user code come by a clock of their own, so each stands for that clock's period: their number is the
//! best estimate of user time that there is (the system's own division into user and kernel time is
//! counted at its ticks, half as often, and goes wrong where many threads want a CPU). Samples of the kernel come at
//! ticks, more or less often. With each sample comes the thread's CPU time up to then, exactly. So in
//! a stretch of time the samples of the kernel share what those of user code leave.

/// A sample of a thread.
#[derive(Clone, Copy, Debug)]
pub struct Tick {
    /// The thread's CPU time, in nanoseconds.
    pub total: u64,
    /// What a sample of user code stands for, in nanoseconds; none of the kernel.
    pub user: Option<u64>,
}

/// CPU time of a stretch, in nanoseconds: long enough for some ticks of the system.
const STRETCH: u64 = 200_000_000;
/// User samples stand for so much more than their clock says, at most, where the kernel was never seen.
const MOST: f64 = 1.25;

/// For each sample, user time and kernel time in microseconds, of a thread that was sampled from `start` to `end`
/// of its CPU time, in nanoseconds. Where there are samples of the kernel, the sum is all that time.
pub fn weights(ticks: &[Tick], start: u64, end: u64) -> Vec<(u32, u32)> {
    let mut given: Vec<f64> = ticks.iter().map(|t| t.user.unwrap_or(0) as f64).collect();
    let is_kernel = |i: &usize| ticks[*i].user.is_none();
    // What was left over, or given too much, in the stretches so far.
    let mut carry = 0.0;
    let (mut first, mut before) = (0, start);
    while first < ticks.len() {
        let limit = before.saturating_add(STRETCH);
        let within = ticks[first..]
            .iter()
            .take_while(|t| t.total < limit)
            .count();
        let last = (first + within.max(1)).min(ticks.len());
        let now = match last == ticks.len() {
            true => end.max(before),
            false => ticks[last - 1].total.max(before),
        };
        let user: f64 = given[first..last].iter().sum();
        let left = (now - before) as f64 - user + carry;
        let kernel: Vec<usize> = (first..last).filter(is_kernel).collect();
        carry = left;
        if !kernel.is_empty() && left > 0.0 {
            let share = left / kernel.len() as f64;
            kernel.iter().for_each(|&i| given[i] = share);
            carry = 0.0;
        }
        (first, before) = (last, now);
    }
    settle(&mut given, ticks, carry);
    let mut micros = Micros::default();
    let pair = |(tick, given): (&Tick, f64)| match tick.user {
        Some(_) => (micros.next(given), 0),
        None => (0, micros.next(given)),
    };
    ticks.iter().zip(given).map(pair).collect()
}

/// Deals with what is left at the end.
fn settle(given: &mut [f64], ticks: &[Tick], carry: f64) {
    let sum: f64 = given.iter().sum();
    if carry < 0.0 && sum > 0.0 {
        let factor = (sum + carry).max(0.0) / sum;
        given.iter_mut().for_each(|g| *g *= factor);
        return;
    }
    let kernel = ticks.iter().filter(|t| t.user.is_none()).count();
    if kernel > 0 {
        let share = carry / kernel as f64;
        for (given, _) in given
            .iter_mut()
            .zip(ticks)
            .filter(|(_, t)| t.user.is_none())
        {
            *given += share;
        }
    } else if sum > 0.0 {
        let factor = ((sum + carry) / sum).min(MOST);
        given.iter_mut().for_each(|g| *g *= factor);
    }
}

/// Whole microseconds whose sum is right.
#[derive(Default)]
struct Micros {
    /// Nanoseconds so far, and microseconds that were given out.
    seen: f64,
    given: u64,
}

impl Micros {
    fn next(&mut self, nanoseconds: f64) -> u32 {
        self.seen += nanoseconds;
        let all = (self.seen / 1000.0).round() as u64;
        let part = all.saturating_sub(self.given);
        self.given += part;
        part.min(u64::from(u32::MAX)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(weights: &[(u32, u32)]) -> (u64, u64) {
        let sum = |f: fn(&(u32, u32)) -> u32| weights.iter().map(|w| u64::from(f(w))).sum();
        (sum(|w| w.0), sum(|w| w.1))
    }

    #[test]
    fn the_kernel_has_what_user_code_leaves() {
        // 4 ms a round: one sample of user code that stands for 2 ms, one of the kernel.
        let ticks: Vec<Tick> = (1..=2500u64)
            .flat_map(|i| {
                let sample = |at, user| Tick {
                    total: i * 4_000_000 - at,
                    user,
                };
                [sample(2_000_000, Some(2_000_000)), sample(0, None)]
            })
            .collect();
        let given = weights(&ticks, 0, 10_000_000_000);
        assert_eq!(sums(&given), (5_000_000, 5_000_000));
        assert!(given.iter().all(|w| w.0 + w.1 == 2000));
    }

    #[test]
    fn user_code_alone_has_all() {
        let ticks: Vec<Tick> = (1..=999u64)
            .map(|i| Tick {
                total: i * 2_020_000,
                user: Some(2_000_000),
            })
            .collect();
        assert_eq!(sums(&weights(&ticks, 0, 2_020_000_000)), (2_020_000, 0));
        // As far as that is likely.
        let one = Tick {
            total: 5_000_000,
            user: Some(2_000_000),
        };
        assert_eq!(weights(&[one], 0, 40_000_000), [(2500, 0)]);
        assert!(weights(&[], 0, 40_000_000).is_empty());
    }

    #[test]
    fn too_much_is_taken_back() {
        let ticks = [1u64, 2, 3].map(|i| Tick {
            total: i * 500_000,
            user: Some(2_000_000),
        });
        assert_eq!(sums(&weights(&ticks, 0, 1_500_000)), (1500, 0));
    }
}
