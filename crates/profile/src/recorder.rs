//! Collects what agents write, and makes a recording of it.
//!
//! The recorder is a process of its own. Agents connect to its socket and hand over their spools; it empties
//! them while programs run, and reads the rest of what they say when the program is over, however that came.

mod build;
mod others;
mod spool;
mod strangers;
mod waits;
mod weights;

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ferdelance_abi::spool::kind;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketAddrUnix,
    SocketFlags, SocketType, accept_with, bind, listen, recvmsg, socket_with,
};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::machine;
use crate::model::{Meta, Recording};
use crate::proc::{self, now};
use crate::secrets::hidden;
use others::{Descriptors, Others};
use spool::{Raw, SpoolFile, Tables};
use strangers::Strangers;
use waits::Waits;

/// Agents that may wait to be heard.
const WAITING: i32 = 4096;
/// How often threads that wait are looked at, in nanoseconds, and how much of the time that may take at most.
const LOOK: u64 = 20_000_000;
const SHARE_OF_LOOKING: u64 = 50;
/// What a sample takes in the file, with all that it refers to, in bytes; and how often the rate is halved at
/// most.
const BYTES_OF_SAMPLE: u64 = 12;
const SLOWEST: usize = 10;
/// How often processes without an agent are looked for.
const SEARCH: u64 = 100_000_000;

pub struct Recorder {
    socket: PathBuf,
    listener: OwnedFd,
    /// `CLOCK_MONOTONIC`, in nanoseconds.
    start: u64,
    /// Nanoseconds since 1970.
    started: u64,
    processes: Vec<Recorded>,
    /// When threads that wait are looked at again.
    next_look: u64,
    strangers: Strangers,
    descriptors: Descriptors,
    /// The process whose children are the program, and when they are looked at again.
    root: u32,
    next_search: u64,
    /// How large the file may become, in bytes, and nanoseconds between samples at first.
    most: Option<(u64, u64)>,
    /// When the rate was halved.
    slowed: Vec<u64>,
}

/// A process that an agent is in, or was.
struct Recorded {
    spool: SpoolFile,
    pid: u32,
    parent: u32,
    command: String,
    /// Becomes readable when the process is over; none if it is.
    alive: Option<OwnedFd>,
    raw: Vec<Raw>,
    waits: Waits,
    others: Others,
    tables: Option<Tables>,
    /// When it was seen to be over.
    end: u64,
}

impl Recorder {
    /// Listens in a directory, which is to be the user's alone.
    ///
    /// # Errors
    ///
    /// If there can be no socket in it: its path may have about 100 bytes.
    pub fn new(directory: &Path) -> io::Result<Recorder> {
        let socket = directory.join("agents");
        let listener = socket_with(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )?;
        bind(&listener, &SocketAddrUnix::new(&socket)?)?;
        listen(&listener, WAITING)?;
        Ok(Recorder {
            socket,
            listener,
            start: now(),
            started: proc::now_of_day(),
            processes: vec![],
            next_look: 0,
            strangers: Strangers::default(),
            descriptors: Descriptors::default(),
            root: std::process::id(),
            next_search: 0,
            most: None,
            slowed: vec![],
        })
    }

    /// Keeps the file about as small as this, in bytes: the rate is halved when half of that is reached, again
    /// at half of the rest, and so on. At first it is `rate`, in Hz.
    pub fn set_most(&mut self, most: u64, rate: f64) {
        self.most = Some((most, (1e9 / rate) as u64));
    }

    /// Where agents find it.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Whether there are processes that run and are recorded.
    pub fn is_busy(&self) -> bool {
        self.processes.iter().any(|p| p.alive.is_some())
    }

    /// How often the rate was halved, see [`Recorder::set_most`].
    pub fn slowed(&self) -> usize {
        self.slowed.len()
    }

    /// What is recorded begins now, not when this was made: a program that runs already was waited for.
    pub fn begin(&mut self) {
        self.start = now();
        self.started = proc::now_of_day();
    }

    /// Waits for something to happen, up to `most`, and takes what there is.
    pub fn step(&mut self, most: Duration) {
        let most = match self.is_busy() {
            true => most.min(Duration::from_nanos(self.next_look.saturating_sub(now()))),
            false => most,
        };
        let timeout = Timespec {
            tv_sec: most.as_secs() as i64,
            tv_nsec: i64::from(most.subsec_nanos()),
        };
        let mut fds = vec![PollFd::new(&self.listener, PollFlags::IN)];
        fds.extend(
            self.processes
                .iter()
                .filter_map(|p| p.alive.as_ref())
                .map(|fd| PollFd::new(fd, PollFlags::IN)),
        );
        // Interrupted or not: what there is is taken.
        let _ = poll(&mut fds, Some(&timeout));
        let over: Vec<bool> = fds[1..].iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        let mut over = over.into_iter();
        for process in &mut self.processes {
            if process.alive.is_some() {
                process.take(over.next() == Some(true));
            }
        }
        while let Ok(connection) = accept_with(&self.listener, SocketFlags::CLOEXEC) {
            self.hear(&connection);
        }
        self.keep_small();
        self.look();
    }

    fn keep_small(&mut self) {
        let Some((most, period)) = self.most else {
            return;
        };
        let samples: usize = self
            .processes
            .iter()
            .map(|p| p.raw.len() + p.waits.waits.len())
            .sum();
        let left = most >> (self.slowed.len() + 1).min(63);
        if samples as u64 * BYTES_OF_SAMPLE > most - left && self.slowed.len() < SLOWEST {
            self.slowed.push(now());
            for process in self.processes.iter().filter(|p| p.alive.is_some()) {
                process.spool.slow_to(period << self.slowed.len());
            }
        }
    }

    /// Looks at the threads that wait, if it is time to.
    fn look(&mut self) {
        let start = now();
        if start < self.next_look {
            return;
        }
        for process in self.processes.iter_mut().filter(|p| p.alive.is_some()) {
            process.waits.look(&process.spool, now());
        }
        if start >= self.next_search {
            let began = now();
            self.search(began);
            let took = now() - began;
            self.next_search = began + SEARCH.max(took * SHARE_OF_LOOKING);
        }
        let end = now();
        self.next_look = start + LOOK.max((end - start) * SHARE_OF_LOOKING);
        // This takes time only when there is something new, which may be gone when it is over.
        for process in self.processes.iter_mut().filter(|p| p.alive.is_some()) {
            if let Some(python) = &process.waits.python {
                let (memory, known) = (&python.memory, &mut self.descriptors);
                process.others.look(&process.spool, memory, known);
            }
        }
    }

    /// Looks for processes without an agent.
    fn search(&mut self, now: u64) {
        let processes = &self.processes;
        let mut parents: Vec<u32> = processes
            .iter()
            .filter(|p| p.alive.is_some())
            .map(|p| p.pid)
            .collect();
        parents.push(self.root);
        let is_known = |pid| processes.iter().any(|p| p.pid == pid);
        self.strangers.look(&parents, is_known, now);
    }

    /// Takes in an agent's spool.
    fn hear(&mut self, connection: &OwnedFd) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut payload = [0; 8];
        let mut parts = [io::IoSliceMut::new(&mut payload)];
        if recvmsg(
            connection,
            &mut parts,
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )
        .is_err()
        {
            return;
        }
        let files = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        for spool in files.filter_map(|fd| SpoolFile::new(File::from(fd))) {
            let pid = spool.pid;
            // The same process with another program.
            let before = self.processes.iter_mut().filter(|p| p.pid == pid);
            before
                .filter(|p| p.alive.is_some())
                .for_each(|p| p.take(true));
            if let Some((_, period)) = self.most {
                spool.slow_to(period << self.slowed.len());
            }
            self.processes.push(Recorded::new(spool));
        }
    }

    /// Stops all that still runs, and puts everything together. `meta` says what the caller knows: what was run,
    /// and how; times and the machine are filled in.
    pub fn finish(mut self, mut meta: Meta, with_sources: bool) -> Recording {
        self.step(Duration::ZERO);
        for process in &mut self.processes {
            if process.alive.is_some() {
                process.spool.stop();
                process.take(true);
            }
        }
        let _ = std::fs::remove_file(&self.socket);
        meta.elapsed = now() - self.start;
        meta.started = self.started;
        meta.command = hidden(meta.command.iter().map(String::as_str));
        machine::describe(&mut meta);
        build::recording(self, meta, with_sources)
    }
}

impl Recorded {
    fn new(spool: SpoolFile) -> Recorded {
        let pid = spool.pid;
        let alive =
            Pid::from_raw(pid as i32).and_then(|pid| pidfd_open(pid, PidfdFlags::NONBLOCK).ok());
        let mut process = Recorded {
            spool,
            pid,
            parent: proc::parent(pid).unwrap_or(0),
            command: proc::command(pid),
            raw: vec![],
            waits: Waits::default(),
            others: Others::default(),
            tables: None,
            end: 0,
            alive,
        };
        if process.alive.is_none() {
            process.take(true);
        }
        process
    }

    /// Takes its records; when it is over, the rest.
    fn take(&mut self, is_over: bool) {
        let known = self.raw.len();
        if is_over {
            self.spool.drain_all(&mut self.raw);
        } else {
            self.spool.drain(&mut self.raw);
        }
        for raw in &self.raw[known..] {
            match raw.head.kind {
                kind::THREAD => self
                    .waits
                    .begin(self.pid, raw.head.slot, raw.a as u32, now()),
                kind::END => self.waits.end(raw.head.slot),
                _ => {}
            }
        }
        if !is_over {
            return;
        }
        self.tables = Some(self.spool.tables());
        self.others.read_map(self.pid);
        self.others.finish();
        self.alive = None;
        self.end = now();
    }
}
