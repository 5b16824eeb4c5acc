//! The clock of calls: the processor's counter where it runs at a constant rate, the system's elsewhere.

use std::time::Instant;

/// A clock, its reading when counting began, and what it stood still since.
pub struct Clock {
    is_counter: bool,
    start: Instant,
    first: u64,
    skipped: u64,
}

impl Clock {
    pub fn new() -> Clock {
        let is_counter = counter_is_constant();
        let mut clock = Clock {
            is_counter,
            start: Instant::now(),
            first: 0,
            skipped: 0,
        };
        clock.first = clock.raw();
        clock
    }

    /// The number of ticks, but for what was skipped.
    #[inline(always)]
    pub fn now(&self) -> u64 {
        self.raw().wrapping_sub(self.skipped)
    }

    /// As if no time had passed since [`Clock::raw`] said so much: what was done since was the profiler's own.
    pub fn skip_since(&mut self, raw: u64) {
        self.skipped = self.skipped.wrapping_add(self.raw().wrapping_sub(raw));
    }

    /// The number of ticks.
    #[inline(always)]
    pub fn raw(&self) -> u64 {
        #[cfg(target_arch = "x86_64")]
        if self.is_counter {
            // SAFETY: every x86-64 processor has the counter, and Linux lets programs read it.
            return unsafe { core::arch::x86_64::_rdtsc() };
        }
        self.start.elapsed().as_nanos() as u64
    }

    /// How many seconds a tick is. Of the counter, from what it has counted since it was looked at first; the
    /// longer that is ago, the more exact.
    pub fn seconds(&self) -> f64 {
        if !self.is_counter {
            return 1e-9;
        }
        while self.start.elapsed().as_micros() < 2000 {
            std::hint::spin_loop();
        }
        let (ticks, elapsed) = (self.raw(), self.start.elapsed());
        elapsed.as_secs_f64() / ticks.wrapping_sub(self.first).max(1) as f64
    }
}

/// Whether the counter runs at the same rate always and everywhere: the processor says so, or the system
/// itself tells the time by it.
fn counter_is_constant() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::__cpuid;
        const POWER: u32 = 0x8000_0007;
        let says = __cpuid(0x8000_0000).eax >= POWER && __cpuid(POWER).edx >> 8 & 1 == 1;
        let source = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
        let used = || std::fs::read_to_string(source).is_ok_and(|name| name.trim() == "tsc");
        says || used()
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}
