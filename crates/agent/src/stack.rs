//! A thread's stack: Python frames and native ones, merged.
//!
//! Each run of CPython's evaluation loop has something on the C stack that its Python frames lead to: a
//! *boundary* (see `ferdelance_interpreter::layout`). It lies within exactly one native frame, the loop's. So
//! frames are put together by address, whatever functions are inlined or have no symbols:
//!
//! ```text
//!  native          stack                     merged, innermost first
//!  ------          -----                     ------
//!  cos             [..........]              cos
//!  builtin_call    [..........]              builtin_call
//!  eval            [..B2......]              h, g    (frames up to boundary B2), eval
//!  list_sort       [..........]              list_sort
//!  eval            [..B1......]              f       (frames up to boundary B1), eval
//!  main            [..........]              main
//! ```
//!
//! Where code has no tables for unwinding, one goes on at the next boundary: the end of the loop's C frame
//! lies at a fixed distance from it.

use std::mem::MaybeUninit;
use std::sync::atomic::Ordering;

use ferdelance_abi::spool::Frame;
use ferdelance_interpreter::{Item, Walk};

use crate::agent::Agent;
use crate::compiled;
use crate::memory::Own;
use crate::modules::Loaded;
use crate::sys;
use crate::unwind::{Cache, Native, Position, Step};

/// The most frames of a kind: more than recursion usually gets to.
pub const NATIVE: usize = 2048;
pub const PYTHON: usize = 2048;
const MERGED: usize = NATIVE + PYTHON + 64;

/// Memory in which a stack is put together: too much for a signal handler's stack. Most of it is hardly ever
/// touched, so it is not set to anything before.
pub struct Scratch {
    cache: Cache,
    python: [MaybeUninit<Item>; PYTHON],
    frames: [u64; MERGED],
}

/// What is known of a stack besides its frames.
#[derive(Clone, Copy, Default)]
pub struct Facts {
    /// It ends before its root.
    pub is_cut: bool,
    /// Python frames are not among the native ones that they belong to.
    pub is_unplaced: bool,
    /// The innermost Python frame and the outermost one: their addresses and their code objects.
    pub python: Option<(u64, u64)>,
    pub outermost: Option<(u64, u64)>,
}

impl Scratch {
    /// New scratch memory, for good. All zero is a cache without rules, too.
    pub fn new() -> Option<&'static mut Scratch> {
        let at = sys::map(size_of::<Scratch>(), libc::PROT_READ | libc::PROT_WRITE)?;
        // SAFETY: a fresh mapping of that size, page-aligned and never unmapped; zeros are valid for all of it.
        Some(unsafe { &mut *at.cast() })
    }

    /// Reads the stack of this thread, whose registers were as `context` says and whose Python state is
    /// `thread`. The frames are innermost first.
    pub fn read(
        &mut self,
        agent: &Agent,
        context: &libc::ucontext_t,
        thread: Option<u64>,
    ) -> (&[u64], Facts) {
        let mut facts = Facts::default();
        let count = self.read_python(agent, thread, &mut facts);
        // SAFETY: as many were written.
        let python = unsafe { self.python[..count].assume_init_ref() };
        let mut merge = Merge {
            agent,
            python,
            next: 0,
            frames: &mut self.frames,
            count: 0,
            facts: &mut facts,
        };
        if let Some(loaded) = agent.modules.loaded() {
            merge.native(loaded, &mut self.cache, Position::of(context));
        }
        merge.rest();
        let count = merge.count;
        (&self.frames[..count], facts)
    }

    fn read_python(&mut self, agent: &Agent, thread: Option<u64>, facts: &mut Facts) -> usize {
        let (Some(python), Some(thread)) = (agent.python(), thread) else {
            return 0;
        };
        let walk = Walk::new(
            python.layout,
            python.code_type,
            thread,
            PYTHON as u32,
            &mut Own,
        );
        let Some(mut walk) = walk else {
            return 0;
        };
        let mut count = 0;
        while let Some(item) = walk.next(&mut Own) {
            if let Item::Frame { at, code, .. } = item {
                facts.python = facts.python.or(Some((at, code)));
                facts.outermost = Some((at, code));
            }
            let Some(room) = self.python.get_mut(count) else {
                facts.is_cut = true;
                break;
            };
            room.write(item);
            count += 1;
        }
        facts.is_cut |= walk.is_at_limit();
        count
    }
}

struct Merge<'a> {
    agent: &'a Agent,
    python: &'a [Item],
    /// The first of these that is not among the merged frames.
    next: usize,
    frames: &'a mut [u64; MERGED],
    count: usize,
    facts: &'a mut Facts,
}

impl Merge<'_> {
    fn native(&mut self, loaded: &Loaded, cache: &mut Cache, mut position: Position) {
        for _ in 0..NATIVE {
            let unit = if loaded.contains(position.ip()) {
                None
            } else {
                compiled::find(self.agent, position.ip())
            };
            let is_known = unit.is_some() || loaded.contains(position.ip());
            let step = if is_known {
                position.step(loaded, cache, unit.is_some())
            } else {
                // Compiled by somebody else: there are no tables, and there may be no frame pointers.
                Step::Lost(Native {
                    ip: position.ip(),
                    start: position.sp(),
                    end: position.sp(),
                })
            };
            let (Step::Frame(frame) | Step::Last(frame) | Step::Lost(frame)) = step;
            self.runs_within(&frame);
            self.push(match unit {
                Some((unit, offset)) => Frame::Compiled { unit, offset },
                None => Frame::Native(frame.ip),
            });
            match step {
                Step::Frame(_) => {}
                Step::Last(_) => return,
                Step::Lost(frame) => match self.resume(frame.start) {
                    Some(next) => position = next,
                    None => {
                        self.facts.is_cut = true;
                        return;
                    }
                },
            }
        }
        self.facts.is_cut = true;
    }

    /// Puts the Python frames in whose boundary lies within a native frame, or (left over) further in.
    fn runs_within(&mut self, frame: &Native) {
        while let Some(boundary) = self.boundary().filter(|&b| b < frame.end) {
            if boundary < frame.start {
                self.facts.is_unplaced = true;
            } else if frame.end != u64::MAX
                && let Some(python) = self.agent.python()
            {
                python
                    .to_frame_end
                    .store(frame.end - boundary, Ordering::Relaxed);
            }
            self.run();
        }
    }

    fn boundary(&self) -> Option<u64> {
        self.python[self.next..].iter().find_map(|item| match item {
            Item::Boundary(address) => Some(*address),
            Item::Frame { .. } => None,
        })
    }

    /// Puts the next run of Python frames in.
    fn run(&mut self) {
        while let Some(item) = self.python.get(self.next) {
            self.next += 1;
            match *item {
                Item::Boundary(_) => return,
                Item::Frame { code, offset, .. } => self.python_frame(code, offset),
            }
        }
    }

    fn python_frame(&mut self, code: u64, offset: u32) {
        let agent = self.agent;
        if let Some(python) = agent.python()
            && let Some(code) = agent.interned.code(agent.spool(), python.layout, code)
        {
            self.push(Frame::Python { code, offset });
        }
    }

    /// The frame outside of the next run of Python frames, whose own native frames are not found.
    fn resume(&mut self, sp: u64) -> Option<Position> {
        let python = self.agent.python()?;
        let distance = python.to_frame_end.load(Ordering::Relaxed);
        let boundary = self.boundary().filter(|&b| b >= sp && distance != 0)?;
        let next = Position::after_frame(boundary + distance)?;
        self.push(Frame::Gap);
        self.run();
        Some(next)
    }

    /// Python frames for which no native ones were found.
    fn rest(&mut self) {
        if self.next < self.python.len() && !self.facts.is_cut {
            self.facts.is_unplaced = true;
        }
        while self.next < self.python.len() {
            self.run();
        }
    }

    fn push(&mut self, frame: Frame) {
        match self.frames.get_mut(self.count) {
            Some(room) => {
                *room = frame.to_word();
                self.count += 1;
            }
            None => self.facts.is_cut = true,
        }
    }
}
