//! A Python in another process: what its threads are at, read from outside.
//!
//! The process runs on meanwhile. What a waiting thread is at stays as it is while it waits; of a running one a
//! stack may be read that it never had, so who reads asks whether it has run since.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use ferdelance_interpreter::{Item, Layout, Memory, Threads, Walk, attributes, objects};

use crate::lines::{self, Place};

/// The most frames of a stack, threads of a process, and bytes of a line table.
const FRAMES: u32 = 1024;
const THREADS: u32 = 1 << 16;
const TABLE: u64 = 1 << 20;

/// Where glibc has a thread's number, from what `pthread_self` returns.
const PTHREAD_TID: u64 = 720;
/// How far a waiting thread's stack pointer is from its innermost Python frame, at most.
const NEAR: u64 = 128 << 10;

const PAGE: usize = 4096;

/// Memory of a process, as the system lets one read it who might attach a debugger.
pub struct Foreign {
    file: File,
    /// What was read since the last [`Foreign::forget`], by number of the page.
    pages: HashMap<u64, Option<Box<[u8; PAGE]>>>,
}

impl Foreign {
    /// # Errors
    ///
    /// If there is no such process, or its memory may not be read.
    pub fn of(pid: u32) -> io::Result<Foreign> {
        Ok(Foreign {
            file: File::open(format!("/proc/{pid}/mem"))?,
            pages: HashMap::new(),
        })
    }

    /// So many bytes at an address, as they are now; none if they cannot be read.
    pub fn read(&self, address: u64, size: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; size];
        self.file.read_exact_at(&mut bytes, address).ok()?;
        Some(bytes)
    }

    /// What is read from now on is read anew.
    pub fn forget(&mut self) {
        self.pages.clear();
    }
}

impl Memory for Foreign {
    fn word(&mut self, address: u64) -> Option<u64> {
        if address & 7 != 0 {
            return None;
        }
        let (number, offset) = (address / PAGE as u64, address as usize % PAGE);
        let file = &self.file;
        let page = self.pages.entry(number).or_insert_with(|| {
            let mut page = Box::new([0; PAGE]);
            let start = number.checked_mul(PAGE as u64)?;
            file.read_exact_at(&mut *page, start).ok().map(|()| page)
        });
        let bytes = page.as_ref()?.get(offset..offset + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }
}

/// What is kept of a code object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    pub name: String,
    pub file: String,
    pub first_line: u32,
    lines: Vec<u8>,
    /// The object as it was read: an address may come to be another function's.
    read: objects::Code,
}

/// A Python frame: the code, by number, and where it is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    pub code: u32,
    pub offset: u32,
}

/// A Python, by the addresses of two of its variables.
pub struct Python {
    layout: Layout,
    version: u32,
    runtime: u64,
    code_type: u64,
    pub memory: Foreign,
    pub codes: Vec<Code>,
    /// The numbers of code objects, by address.
    numbers: HashMap<u64, u32>,
}

impl Python {
    /// None if its version is not known here.
    pub fn new(mut memory: Foreign, version: u32, runtime: u64, code_type: u64) -> Option<Python> {
        let layout = Layout::of(version)?.corrected(runtime, &mut memory);
        Some(Python {
            layout,
            version,
            runtime,
            code_type,
            memory,
            codes: vec![],
            numbers: HashMap::new(),
        })
    }

    /// The state of the thread with this number, whose stack pointer is `sp`; none if it is not Python's.
    pub fn find(&mut self, tid: u32, sp: u64) -> Option<(u64, u64)> {
        let memory = &mut self.memory;
        let mut threads = Threads::new(&self.layout, self.runtime, THREADS, memory)?;
        // Where the number is not known: whose frames lie next to the stack pointer.
        let mut nearest: Option<(u64, (u64, u64))> = None;
        while let Some(thread) = threads.next(memory) {
            let native_id = thread.native_id.or_else(|| {
                memory
                    .u32(thread.id.checked_add(PTHREAD_TID)?)
                    .map(u64::from)
            });
            match native_id {
                Some(id) if id == u64::from(tid) => return Some((thread.at, thread.gil)),
                _ if thread.native_id.is_some() => {}
                _ => {
                    let distance = self
                        .layout
                        .frames_at(thread.at, memory)
                        .and_then(|frames| frames.checked_sub(sp));
                    if let Some(distance) = distance.filter(|&d| d < NEAR)
                        && nearest.is_none_or(|(least, _)| distance < least)
                    {
                        nearest = Some((distance, (thread.at, thread.gil)));
                    }
                }
            }
        }
        nearest.map(|(_, found)| found)
    }

    /// Whether a thread has the interpreter's lock, which is at `gil`.
    pub fn holds_gil(&mut self, thread: u64, gil: u64) -> bool {
        let (holder, is_locked) = (self.memory.word(gil + 8), self.memory.u32(gil + 16));
        gil != 0 && holder == Some(thread) && is_locked == Some(1)
    }

    /// Python's name of a thread, if `threading` has started it.
    pub fn name(&mut self, thread: u64) -> Option<String> {
        let memory = &mut self.memory;
        let mut walk = Walk::new(&self.layout, self.code_type, thread, FRAMES, memory)?;
        let mut outermost = None;
        while let Some(item) = walk.next(memory) {
            if let Item::Frame { at, code, .. } = item {
                outermost = Some((at, code));
            }
        }
        let (at, code) = outermost?;
        let name = attributes::thread_name(&self.layout, at, code, memory)?;
        self.text(name)
    }

    /// The frames of a thread, innermost first.
    pub fn frames(&mut self, thread: u64) -> Vec<Frame> {
        let mut frames = vec![];
        let memory = &mut self.memory;
        let Some(mut walk) = Walk::new(&self.layout, self.code_type, thread, FRAMES, memory) else {
            return frames;
        };
        let mut found = vec![];
        while let Some(item) = walk.next(memory) {
            if let Item::Frame { code, offset, .. } = item {
                found.push((code, offset));
            }
        }
        for (code, offset) in found {
            if let Some(code) = self.code(code) {
                frames.push(Frame { code, offset });
            }
        }
        frames
    }

    fn code(&mut self, at: u64) -> Option<u32> {
        let read = objects::Code::read(&self.layout, at, &mut self.memory)?;
        if let Some(&number) = self.numbers.get(&at)
            && self.codes[number as usize].read == read
        {
            return Some(number);
        }
        let code = Code {
            name: self.text(read.name)?,
            file: self.text(read.file)?,
            first_line: read.first_line,
            lines: self.contents(read.lines)?,
            read,
        };
        let number = self.codes.len() as u32;
        self.codes.push(code);
        self.numbers.insert(at, number);
        Some(number)
    }

    fn text(&mut self, object: u64) -> Option<String> {
        let mut bytes = vec![];
        objects::string(&self.layout, object, PAGE, &mut self.memory, |b| {
            bytes.push(b);
        })?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn contents(&mut self, object: u64) -> Option<Vec<u8>> {
        let (start, length) =
            objects::bytes(object, &mut self.memory).filter(|&(_, n)| n <= TABLE)?;
        let mut bytes = Vec::with_capacity(length as usize);
        if length > 0 {
            self.memory.bytes(start, |b| {
                bytes.push(b);
                (bytes.len() as u64) < length
            })?;
        }
        Some(bytes)
    }

    /// Where a frame is in its file.
    pub fn place(&self, frame: Frame) -> Place {
        let code = &self.codes[frame.code as usize];
        lines::place(&code.lines, code.first_line, frame.offset, self.version)
    }
}
