//! System calls that the C library does not have, or that must not go through it.

use std::mem::{MaybeUninit, size_of};

/// Attributes of `perf_event_open`, as of its first version: what is needed is all in there.
#[repr(C)]
#[derive(Default)]
struct PerfAttributes {
    kind: u32,
    size: u32,
    config: u64,
    period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    config1: u64,
}

const PERF_TYPE_SOFTWARE: u32 = 1;
const PERF_COUNT_SW_CPU_CLOCK: u64 = 0;
const PERF_DISABLED: u64 = 1;
const PERF_EXCLUDE_KERNEL: u64 = 1 << 5;
const PERF_EXCLUDE_HV: u64 = 1 << 6;
const PERF_FLAG_FD_CLOEXEC: u64 = 8;
pub const PERF_IOC_ENABLE: u64 = 0x2400;
pub const PERF_IOC_DISABLE: u64 = 0x2401;
pub const PERF_IOC_PERIOD: u64 = 0x4008_2404;
pub const PERF_IOC_ID: u64 = 0x8008_2407;

/// A clock of a thread's CPU time in user mode, not running yet.
pub fn perf_clock(tid: i32, period: u64) -> Option<i32> {
    let attributes = PerfAttributes {
        kind: PERF_TYPE_SOFTWARE,
        size: size_of::<PerfAttributes>() as u32,
        config: PERF_COUNT_SW_CPU_CLOCK,
        period,
        flags: PERF_DISABLED | PERF_EXCLUDE_KERNEL | PERF_EXCLUDE_HV,
        wakeup_events: 1,
        ..PerfAttributes::default()
    };
    // SAFETY: the attributes are alive for the call and say their size.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attributes,
            tid,
            -1,
            -1,
            PERF_FLAG_FD_CLOEXEC,
        )
    };
    (fd >= 0).then_some(fd as i32)
}

pub fn perf_ioctl(fd: i32, request: u64, argument: u64) -> bool {
    // SAFETY: the requests in use take a number, or nothing.
    unsafe { libc::syscall(libc::SYS_ioctl, fd, request, &raw const argument) == 0 }
}

/// What perf calls a clock; none if the descriptor is none of its.
pub fn perf_id(fd: i32) -> Option<u64> {
    let mut id = 0u64;
    // SAFETY: the request writes a number of eight bytes.
    (unsafe { libc::syscall(libc::SYS_ioctl, fd, PERF_IOC_ID, &raw mut id) } == 0).then_some(id)
}

pub fn getpid() -> u32 {
    // SAFETY: takes nothing. Not the function of the C library, which might keep what it was before a fork.
    unsafe { libc::syscall(libc::SYS_getpid) as u32 }
}

pub fn gettid() -> i32 {
    // SAFETY: takes nothing.
    unsafe { libc::syscall(libc::SYS_gettid) as i32 }
}

/// A number of a clock, in nanoseconds.
pub fn clock(id: libc::clockid_t) -> u64 {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the kernel fills the structure in, or leaves it zero.
    let time = unsafe {
        libc::clock_gettime(id, time.as_mut_ptr());
        time.assume_init()
    };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

pub fn now() -> u64 {
    clock(libc::CLOCK_MONOTONIC)
}

/// The clock of another thread's CPU time.
pub fn thread_clock(tid: i32) -> libc::clockid_t {
    (!tid << 3) | 6
}

/// What of the CPU time of the calling thread was the kernel's, in microseconds.
pub fn kernel_time() -> u64 {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the kernel fills the structure in, or leaves it zero.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr());
        usage.assume_init()
    };
    usage.ru_stime.tv_sec as u64 * 1_000_000 + usage.ru_stime.tv_usec as u64
}

/// A timer on a thread's CPU time that sends SIGPROF, with a value, to that thread.
pub fn timer(tid: i32, value: usize) -> Option<i32> {
    // SAFETY: all zero is a valid value.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    event.sigev_value.sival_ptr = std::ptr::without_provenance_mut(value);
    event.sigev_signo = libc::SIGPROF;
    event.sigev_notify = libc::SIGEV_THREAD_ID;
    event.sigev_notify_thread_id = tid;
    let mut id = 0i32;
    // SAFETY: both structures are alive for the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_timer_create,
            thread_clock(tid),
            &raw mut event,
            &raw mut id,
        )
    };
    (result == 0).then_some(id)
}

/// Starts a timer, or stops it (0).
pub fn set_timer(id: i32, interval: u64) {
    let spec = libc::timespec {
        tv_sec: (interval / 1_000_000_000) as i64,
        tv_nsec: (interval % 1_000_000_000) as i64,
    };
    let value = libc::itimerspec {
        it_interval: spec,
        it_value: spec,
    };
    // SAFETY: the structure is alive for the call.
    unsafe {
        libc::syscall(
            libc::SYS_timer_settime,
            id,
            0,
            &raw const value,
            std::ptr::null_mut::<libc::itimerspec>(),
        );
    }
}

pub fn delete_timer(id: i32) {
    // SAFETY: takes a number.
    unsafe { libc::syscall(libc::SYS_timer_delete, id) };
}

pub fn close(fd: i32) {
    // SAFETY: takes a number.
    unsafe { libc::syscall(libc::SYS_close, fd) };
}

/// Fresh memory, all zero.
pub fn map(size: usize, protection: i32) -> Option<*mut u8> {
    // SAFETY: a new mapping at an address that the kernel chooses.
    let address = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            size,
            protection,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    (address != libc::MAP_FAILED).then_some(address.cast())
}

/// Puts fresh memory in the place of a mapping, whose own goes.
///
/// # Safety
///
/// All that is there may become zero.
pub unsafe fn empty(at: *mut u8, size: usize) {
    // SAFETY: replaces a mapping of the caller's.
    unsafe {
        libc::mmap(
            at.cast(),
            size,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED,
            -1,
            0,
        );
    }
}
