//! How much CPU time each sample of a thread stands for.
//!
//! Samples of user code come at some rate of user time, samples of the kernel at the system's ticks. With
//! each comes the thread's CPU time up to then, with those of the kernel also what of it was the kernel's.
//! So in a stretch of time with some samples of both, each kind shares what is known to be its own.

/// A sample of a thread.
#[derive(Clone, Copy, Debug)]
pub struct Tick {
    /// The thread's CPU time, in nanoseconds.
    pub total: u64,
    /// What of it was the kernel's, in microseconds, if the sample is of the kernel.
    pub kernel: Option<u64>,
}

/// CPU time of a stretch, in nanoseconds: long enough for some ticks of the system.
const STRETCH: u64 = 200_000_000;

/// For each sample, in microseconds: user time, kernel time. The rest is what no sample stands for.
pub fn weights(ticks: &[Tick], start: Times, end: Times) -> (Vec<(u32, u32)>, Times) {
    let mut weights = vec![(0, 0); ticks.len()];
    let (mut before, mut rest) = (start, Times::default());
    let mut first = 0;
    while first < ticks.len() {
        let limit = before.total() * 1000 + STRETCH;
        let mut last = first;
        while last + 1 < ticks.len() && ticks[last].total < limit {
            last += 1;
        }
        let is_last = last + 1 == ticks.len();
        let kernel = ticks[first..=last]
            .iter()
            .filter_map(|t| t.kernel)
            .next_back();
        let now = if is_last {
            end
        } else {
            let kernel = kernel.unwrap_or(before.kernel).max(before.kernel);
            Times {
                user: (ticks[last].total / 1000)
                    .saturating_sub(kernel)
                    .max(before.user),
                kernel,
            }
        };
        rest.user += now.user.saturating_sub(before.user);
        rest.kernel += now.kernel.saturating_sub(before.kernel);
        let stretch = first..=last;
        let of_kernel = ticks[stretch.clone()]
            .iter()
            .filter(|t| t.kernel.is_some())
            .count();
        let of_user = last + 1 - first - of_kernel;
        let (mut user, mut kernel) = (
            Share::new(&mut rest.user, of_user),
            Share::new(&mut rest.kernel, of_kernel),
        );
        for i in stretch {
            match ticks[i].kernel {
                Some(_) => weights[i].1 = kernel.next(),
                None => weights[i].0 = user.next(),
            }
        }
        before = now;
        first = last + 1;
    }
    if ticks.is_empty() {
        rest = Times {
            user: end.user.saturating_sub(start.user),
            kernel: end.kernel.saturating_sub(start.kernel),
        };
    }
    (weights, rest)
}

/// CPU time, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    pub user: u64,
    pub kernel: u64,
}

impl Times {
    pub fn total(self) -> u64 {
        self.user + self.kernel
    }
}

/// An amount in equal parts, without a remainder. If there are no parts, it stays where it is.
struct Share {
    amount: u64,
    parts: u64,
    given: u64,
}

impl Share {
    fn new(amount: &mut u64, parts: usize) -> Share {
        Share {
            amount: if parts > 0 { std::mem::take(amount) } else { 0 },
            parts: parts as u64,
            given: 0,
        }
    }

    fn next(&mut self) -> u32 {
        let part = (self.amount - self.given) / self.parts.max(1);
        self.given += part;
        self.parts = self.parts.saturating_sub(1);
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
    fn all_time_is_given_to_samples() {
        // 2 ms a sample of user code, each third one of the kernel; 10 s in all, 4 s of them the kernel's.
        let ticks: Vec<Tick> = (1..=5000u64)
            .map(|i| Tick {
                total: i * 2_000_000,
                kernel: (i % 3 == 0).then_some(i * 800),
            })
            .collect();
        let end = Times {
            user: 6_000_000,
            kernel: 4_000_000,
        };
        let (weights, rest) = weights(&ticks, Times::default(), end);
        assert_eq!(rest, Times::default());
        assert_eq!(sums(&weights), (6_000_000, 4_000_000));
    }

    #[test]
    fn kernel_time_without_a_sample_is_left() {
        let ticks = [Tick {
            total: 5_000_000,
            kernel: None,
        }];
        let end = Times {
            user: 4_000,
            kernel: 1_000,
        };
        let (given, rest) = weights(&ticks, Times::default(), end);
        assert_eq!(given, [(4_000, 0)]);
        assert_eq!((rest.user, rest.kernel), (0, 1_000));
        let (none, rest) = weights(&[], Times::default(), end);
        assert!(none.is_empty() && rest == end);
    }
}
