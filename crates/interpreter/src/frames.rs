//! A thread's Python frames, innermost first.

use crate::layout::{Chain, Layout};
use crate::memory::Memory;

/// What a walk meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// A frame: its address, its code object, and where it is, in bytes of code (from the one that runs).
    Frame { at: u64, code: u64, offset: u32 },
    /// All frames since the last one of these are run by the evaluation loop whose C frame this address lies in.
    Boundary(u64),
}

/// Goes through the frames of a thread.
///
/// It looks at them as they are at some moment, which may be between two steps of the interpreter: a list
/// that has a new entry without contents is followed from the entry before.
pub struct Walk<'l> {
    layout: &'l Layout,
    /// The class of code objects, by which frames are told from anything else.
    code_type: u64,
    frame: u64,
    /// The structure on the C stack, where there is a list of them.
    cframe: u64,
    /// A boundary that comes next.
    boundary: Option<u64>,
    /// Frames end somewhere, even if what is read goes in a circle.
    left: u32,
    /// Whether a new entry without contents was passed over.
    pub is_repaired: bool,
}

impl<'l> Walk<'l> {
    /// Of the thread with this state, up to `most` frames.
    pub fn new(
        layout: &'l Layout,
        code_type: u64,
        thread: u64,
        most: u32,
        memory: &mut impl Memory,
    ) -> Option<Walk<'l>> {
        let mut walk = Walk {
            layout,
            code_type,
            frame: 0,
            cframe: 0,
            boundary: None,
            left: most,
            is_repaired: false,
        };
        match layout.chain {
            Chain::Each { frame, cframe, .. } => {
                walk.frame = memory.word(thread + frame)?;
                walk.cframe = memory.word(thread + cframe)?;
            }
            Chain::Direct { frame } => walk.frame = memory.word(thread + frame)?,
            Chain::Entry {
                cframe,
                current,
                outer,
                ..
            } => walk.start(thread + cframe, current, outer, memory)?,
            Chain::Shim { cframe, current } => {
                walk.start(thread + cframe, current, current + 8, memory)?;
            }
        }
        Some(walk)
    }

    /// Finds the innermost frame in a list of structures, of which the first one may have no contents yet.
    fn start(
        &mut self,
        list: u64,
        current: u64,
        outer: u64,
        memory: &mut impl Memory,
    ) -> Option<()> {
        self.cframe = memory.pointer(list)?;
        let frame = memory.word(self.cframe + current)?;
        if frame == 0 || self.is_frame(frame, memory) {
            self.frame = frame;
            return Some(());
        }
        self.is_repaired = true;
        self.cframe = memory.pointer(self.cframe + outer)?;
        self.frame = memory.word(self.cframe + current)?;
        Some(())
    }

    /// Whether it ended because there were more frames than asked for.
    pub fn is_at_limit(&self) -> bool {
        self.left == 0 && self.frame != 0
    }

    fn is_frame(&self, frame: u64, memory: &mut impl Memory) -> bool {
        let layout = self.layout.frame;
        frame & 7 == 0
            && (self.is_shim(frame, memory)
                || memory
                    .reference(frame + layout.code)
                    .is_some_and(|code| self.is_code(code, memory)))
    }

    fn is_shim(&self, frame: u64, memory: &mut impl Memory) -> bool {
        let layout = self.layout.frame;
        layout.shim != u8::MAX && memory.u8(frame + layout.owner) == Some(layout.shim)
    }

    fn is_code(&self, object: u64, memory: &mut impl Memory) -> bool {
        object & 7 == 0 && memory.word(object + 8) == Some(self.code_type)
    }

    /// The next frame or boundary; none at the end, or where memory makes no sense.
    pub fn next(&mut self, memory: &mut impl Memory) -> Option<Item> {
        if let Some(address) = self.boundary.take() {
            return Some(Item::Boundary(address));
        }
        let frame = self.frame;
        if frame == 0 || frame & 7 != 0 || self.left == 0 {
            return None;
        }
        self.left -= 1;
        let layout = &self.layout.frame;
        let previous = memory.word(frame + layout.previous)?;
        if self.is_shim(frame, memory) {
            self.frame = previous;
            return Some(Item::Boundary(frame));
        }
        let code = memory.reference(frame + layout.code)?;
        if !self.is_code(code, memory) {
            return None;
        }
        let offset = self.offset(frame, code, memory)?;
        match self.layout.chain {
            Chain::Each { outer, .. } => {
                self.boundary = Some(self.cframe);
                self.cframe = memory.word(self.cframe + outer)?;
            }
            Chain::Entry {
                outer, is_entry, ..
            } => {
                if memory.u8(frame + is_entry)? != 0 {
                    self.boundary = Some(self.cframe);
                    self.cframe = memory.word(self.cframe + outer)?;
                }
            }
            Chain::Shim { .. } | Chain::Direct { .. } => {}
        }
        self.frame = previous;
        Some(Item::Frame {
            at: frame,
            code,
            offset,
        })
    }

    /// Where a frame is in its code, in bytes.
    fn offset(&self, frame: u64, code: u64, memory: &mut impl Memory) -> Option<u32> {
        let at = frame + self.layout.frame.instruction;
        if !self.layout.code.are_inside {
            // The number of the instruction; before the first one it is negative.
            return Some((memory.u32(at)? as i32).max(0) as u32 * 2);
        }
        let instruction = memory.word(at)?;
        let offset = instruction.wrapping_sub(code + self.layout.code.instructions) as i64;
        Some(offset.clamp(0, i64::from(u32::MAX)) as u32)
    }
}
