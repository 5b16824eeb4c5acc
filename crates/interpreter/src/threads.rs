//! The threads of a Python, as its runtime knows them.

use crate::layout::{Gil, Layout};
use crate::memory::Memory;

/// A thread's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Where it is.
    pub at: u64,
    /// `pthread_self()` of the thread.
    pub id: u64,
    /// The system's number of the thread, if the Python keeps it.
    pub native_id: Option<u64>,
    /// Where the lock is that the thread needs to run Python.
    pub gil: u64,
}

/// Goes through the threads of all interpreters.
pub struct Threads<'l> {
    layout: &'l Layout,
    runtime: u64,
    interpreter: u64,
    next: u64,
    /// Lists end, even if what is read goes in a circle.
    left: u32,
}

impl<'l> Threads<'l> {
    /// Of the Python whose `_PyRuntime` is at `runtime`; at most so many threads.
    pub fn new(
        layout: &'l Layout,
        runtime: u64,
        most: u32,
        memory: &mut impl Memory,
    ) -> Option<Threads<'l>> {
        let interpreter = memory.pointer(runtime + layout.runtime_interpreters)?;
        Some(Threads {
            layout,
            runtime,
            interpreter,
            next: memory.word(interpreter + layout.interpreter_threads)?,
            left: most,
        })
    }

    pub fn next(&mut self, memory: &mut impl Memory) -> Option<Thread> {
        while self.next == 0 {
            self.left = self.left.checked_sub(1)?;
            self.interpreter = memory.pointer(self.interpreter + self.layout.interpreter_next)?;
            self.next = memory.word(self.interpreter + self.layout.interpreter_threads)?;
        }
        self.left = self.left.checked_sub(1)?;
        let at = self.next;
        let thread = Thread {
            at,
            id: memory.word(at + self.layout.thread_id)?,
            native_id: match self.layout.thread_native_id {
                Some(offset) => Some(memory.word(at + offset)?),
                None => None,
            },
            gil: match self.layout.gil {
                Gil::Runtime(offset) => self.runtime + offset,
                Gil::Interpreter(offset) => memory.word(self.interpreter + offset)?,
            },
        };
        self.next = memory.word(at + self.layout.thread_next)?;
        Some(thread)
    }
}
