//! What the system says of processes and threads, in `/proc`; and clocks.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use ferdelance_interpreter::layout::GIL_SIZE;
use rustix::time::{ClockId, clock_gettime};

use crate::secrets::hidden;

const FUTEX: u64 = 202;

/// `CLOCK_MONOTONIC`, in nanoseconds.
pub fn now() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

/// Nanoseconds since 1970.
pub fn now_of_day() -> u64 {
    nanoseconds(ClockId::Realtime)
}

fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The fields of `stat`, of a process or a thread, after its name.
fn stat(process: &str) -> Option<Vec<u64>> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name may contain anything, and ends with the last parenthesis.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields = rest.split_whitespace().skip(1);
    Some(fields.map(|f| f.parse().unwrap_or(0)).collect())
}

pub fn parent(pid: u32) -> Option<u32> {
    Some(*stat(&pid.to_string())?.first()? as u32)
}

/// User and kernel time of a process, or of a thread (`PID/task/TID`), in microseconds: in the system's ticks.
pub fn cpu_time(process: &str) -> Option<(u64, u64)> {
    let fields = stat(process)?;
    let ticks =
        |i: usize| Some(fields.get(i)? * 1_000_000 / rustix::param::clock_ticks_per_second());
    Some((ticks(10)?, ticks(11)?))
}

/// The words of the command that a process runs, without secrets.
pub fn command(pid: u32) -> String {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = words.split(|&b| b == 0).filter(|w| !w.is_empty());
    let words: Vec<_> = words.map(String::from_utf8_lossy).collect();
    hidden(words.iter().map(|w| &**w)).join(" ")
}

/// The system's name of a thread.
pub fn name(pid: u32, tid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/task/{tid}/comm")).unwrap_or_default();
    name.trim_end().to_owned()
}

/// The threads of a process; none if it is gone.
pub fn threads(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir(format!("/proc/{pid}/task"));
    let entries = entries.into_iter().flatten().flatten();
    let mut tids: Vec<u32> = entries
        .filter_map(|e| e.file_name().to_str()?.parse().ok())
        .collect();
    tids.sort_unstable();
    tids
}

/// "3.12.1", of `PY_VERSION_HEX`.
pub fn python_version(hex: u32) -> String {
    let (major, minor, micro) = (hex >> 24, hex >> 16 & 255, hex >> 8 & 255);
    format!("{major}.{minor}.{micro}")
}

/// How long a thread ran, and stood in the queue for a CPU, in nanoseconds, of its `schedstat`.
pub fn times(schedstat: &File) -> Option<(u64, u64)> {
    let mut text = [0; 64];
    let length = schedstat.read_at(&mut text, 0).ok()?;
    let mut numbers = str::from_utf8(&text[..length]).ok()?.split_whitespace();
    let mut next = || numbers.next()?.parse().ok();
    Some((next()?, next()?))
}

/// What a thread waits in.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    /// The number of a system call; none if it waits for something else.
    pub number: Option<u64>,
    /// The first argument.
    pub argument: u64,
    /// The stack pointer, and the address of the next instruction.
    pub sp: u64,
    pub address: u64,
}

impl Waiting {
    /// Whether it waits for the interpreter's lock, which is at `gil`.
    pub fn is_for_lock_in(&self, gil: u64) -> bool {
        let is_within = (gil..gil.saturating_add(GIL_SIZE)).contains(&self.argument);
        self.number == Some(FUTEX) && gil != 0 && is_within
    }
}

/// What a thread waits in, of its `syscall`; none if it runs.
pub fn call(file: &File) -> Option<Waiting> {
    let mut text = [0; 256];
    let length = file.read_at(&mut text, 0).ok()?;
    let mut words = str::from_utf8(&text[..length]).ok()?.split_whitespace();
    let number: i64 = words.next()?.parse().ok()?;
    let numbers = words.map(|w| u64::from_str_radix(w.trim_start_matches("0x"), 16));
    let numbers: Vec<u64> = numbers.collect::<Result<_, _>>().ok()?;
    let [.., sp, address] = numbers[..] else {
        return None;
    };
    Some(Waiting {
        number: u64::try_from(number).ok(),
        argument: if number >= 0 { numbers[0] } else { 0 },
        sp,
        address,
    })
}

/// The name of a system call of this machine, of those that threads wait in.
pub fn call_name(number: u64) -> String {
    let names: [(u64, &str); 44] = [
        (0, "read"),
        (1, "write"),
        (7, "poll"),
        (16, "ioctl"),
        (17, "pread64"),
        (18, "pwrite64"),
        (19, "readv"),
        (20, "writev"),
        (23, "select"),
        (34, "pause"),
        (35, "nanosleep"),
        (40, "sendfile"),
        (42, "connect"),
        (43, "accept"),
        (44, "sendto"),
        (45, "recvfrom"),
        (46, "sendmsg"),
        (47, "recvmsg"),
        (56, "clone"),
        (57, "fork"),
        (58, "vfork"),
        (59, "execve"),
        (61, "wait4"),
        (65, "semop"),
        (70, "msgrcv"),
        (72, "fcntl"),
        (73, "flock"),
        (74, "fsync"),
        (75, "fdatasync"),
        (128, "rt_sigtimedwait"),
        (130, "rt_sigsuspend"),
        (202, "futex"),
        (208, "io_getevents"),
        (230, "clock_nanosleep"),
        (232, "epoll_wait"),
        (247, "waitid"),
        (257, "openat"),
        (270, "pselect6"),
        (271, "ppoll"),
        (281, "epoll_pwait"),
        (288, "accept4"),
        (435, "clone3"),
        (441, "epoll_pwait2"),
        (449, "futex_waitv"),
    ];
    match names.binary_search_by_key(&number, |&(n, _)| n) {
        Ok(i) => names[i].1.to_owned(),
        Err(_) => format!("system call {number}"),
    }
}
