//! One sample, in a signal handler.

use std::sync::atomic::Ordering;

use ferdelance_abi::spool::{Frame, Head, clock, cost_class, flag, kind};
use ferdelance_interpreter::attributes;

use crate::agent::Agent;
use crate::clocks::Source;
use crate::slots::Slot;
use crate::{clocks, intern, memory, signature, spool, sys};

/// The instruction that calls the kernel: what runs after one has just come back.
const SYSCALL: [u8; 2] = [0x0f, 0x05];

pub fn take(
    agent: &Agent,
    slot: &'static Slot,
    index: usize,
    source: Source,
    context: &libc::ucontext_t,
) {
    let start = sys::now();
    let header = &agent.spool().header;
    let total = sys::clock(libc::CLOCK_THREAD_CPUTIME_ID);
    let Some(mode) = mode(agent, slot, source, total, context) else {
        return;
    };
    let Some(room) = spool::record(agent.spool()) else {
        return;
    };
    let thread = agent.python().and_then(|p| p.thread());
    let mut flags = mode.flags;
    if thread.is_some_and(|(_, holds_lock)| holds_lock) {
        flags |= flag::GIL;
    }
    // SAFETY: set when the slot was taken and never freed; one signal is handled at a time (`is_inside`),
    // so nobody else uses it.
    let Some(scratch) = (unsafe { slot.scratch.load(Ordering::Relaxed).as_mut() }) else {
        return;
    };
    let (frames, facts) = scratch.read(agent, context, thread.map(|(state, _)| state));
    let mut node = 0;
    for word in frames.iter().rev() {
        let Some(frame) = Frame::from_word(*word) else {
            continue;
        };
        match agent.interned.node(agent.spool(), node, frame) {
            Some(next) => node = next,
            None => {
                header.lost.fetch_add(1, Ordering::Relaxed);
                break;
            }
        }
    }
    let signature = facts
        .python
        .and_then(|(frame, code)| signature::read(agent, frame, code))
        .map_or(0, |s| s + 1);
    if !slot.is_named.load(Ordering::Relaxed) && facts.outermost.is_some() {
        write_name(agent, slot, index, start, facts.outermost);
    }
    for (is_so, counter) in [
        (facts.is_cut, &header.cut),
        (facts.is_unplaced, &header.unplaced),
    ] {
        counter.fetch_add(u64::from(is_so), Ordering::Relaxed);
    }
    if facts.is_cut {
        flags |= flag::CUT;
    }
    let head = Head {
        kind: kind::SAMPLE,
        flags,
        slot: index as u16,
        signature,
    };
    room.write(head, start, u64::from(node) | mode.amount << 32, total);
    // Not the time that passed, in which others may have had the CPU.
    let cost = sys::clock(libc::CLOCK_THREAD_CPUTIME_ID).saturating_sub(total);
    header.cost.fetch_add(cost, Ordering::Relaxed);
    header.costs[cost_class(cost)].fetch_add(1, Ordering::Relaxed);
}

/// Writes down what Python calls the thread whose outermost frame this is.
fn write_name(agent: &Agent, slot: &Slot, index: usize, time: u64, frame: Option<(u64, u64)>) {
    slot.is_named.store(true, Ordering::Relaxed);
    let name = agent.python().zip(frame).and_then(|(python, (at, code))| {
        let name = attributes::thread_name(python.layout, at, code, &mut memory::Own)?;
        Some(intern::text(agent.spool(), python.layout, name)).filter(|&n| n != 0)
    });
    if let Some(name) = name
        && let Some(room) = spool::record(agent.spool())
    {
        let head = Head {
            kind: kind::PYTHON_NAME,
            flags: 0,
            slot: index as u16,
            signature: 0,
        };
        room.write(head, time, name, 0);
    }
}

/// What a sample is of.
struct Mode {
    flags: u8,
    /// What goes with it, see `kind::SAMPLE`.
    amount: u64,
}

impl Mode {
    /// Of user code, for an amount of CPU time in nanoseconds.
    fn user(time: u64) -> Mode {
        Mode {
            flags: 0,
            amount: (time / 100).min(u64::from(u32::MAX)),
        }
    }
}

/// Whether a signal means a sample, and of what: of user code, or of what called the kernel.
fn mode(
    agent: &Agent,
    slot: &Slot,
    source: Source,
    total: u64,
    context: &libc::ucontext_t,
) -> Option<Mode> {
    let has_perf = agent.spool().header.clock.load(Ordering::Relaxed) == clock::PERF
        && slot.perf.load(Ordering::Relaxed) >= 0;
    let period = clocks::period(agent.spool());
    if source == Source::Perf {
        slot.sampled.store(total, Ordering::Relaxed);
        return Some(Mode::user(period));
    }
    let kernel = sys::kernel_time();
    let elapsed = total.saturating_sub(slot.ticked.swap(total, Ordering::Relaxed));
    let in_kernel =
        kernel.saturating_sub(slot.ticked_kernel.swap(kernel, Ordering::Relaxed)) * 1000;
    // The tick that made the signal counted for the kernel, or for the program.
    let is_kernel = in_kernel * 2 > elapsed || in_kernel > 0 && is_after_call(context);
    // perf's clock is gone if a program closes descriptors that are not its own.
    let is_stalled = total.saturating_sub(slot.sampled.load(Ordering::Relaxed))
        > elapsed
            .saturating_mul(4)
            .max(clocks::period(agent.spool()) * 16);
    if !is_kernel && has_perf && !is_stalled {
        return None;
    }
    // Ticks come as the system likes; at low rates some of them are enough.
    if elapsed < period && slot.random(period) >= elapsed {
        return None;
    }
    Some(match is_kernel {
        true => Mode {
            flags: flag::KERNEL,
            amount: kernel / 10,
        },
        false => Mode::user(elapsed.max(period)),
    })
}

fn is_after_call(context: &libc::ucontext_t) -> bool {
    use ferdelance_interpreter::Memory;
    let ip = context.uc_mcontext.gregs[libc::REG_RIP as usize] as u64;
    let byte = |back: u64| memory::Own.u8(ip.wrapping_sub(back));
    [byte(2), byte(1)] == SYSCALL.map(Some)
}
