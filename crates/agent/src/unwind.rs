//! Frames of native code, from registers and the stack.

use ferdelance_interpreter::Memory;

use crate::cfi::{IP, RBP, RSP, Registers, Row, Rule};
use crate::memory::Own;
use crate::modules::Loaded;

/// A frame: where it is in its code, and the part of the stack that is its own.
#[derive(Clone, Copy, Default)]
pub struct Native {
    /// The instruction that runs, or the last byte of the one that called.
    pub ip: u64,
    pub start: u64,
    pub end: u64,
}

/// The registers of a frame.
pub struct Position {
    registers: Registers,
    /// Whether the address is that of an instruction that runs, not of one to return to.
    is_exact: bool,
}

/// What came of going one frame out.
pub enum Step {
    Frame(Native),
    /// The frame, which is the outermost one.
    Last(Native),
    /// The frame, whose caller is not to be found.
    Lost(Native),
}

/// Rules by address. Places are few, and shared by all addresses with the same lowest bits.
pub struct Cache([Entry; CACHED]);

const CACHED: usize = 1024;

#[derive(Clone, Copy)]
struct Entry {
    address: u64,
    /// Of the list of files for which it holds; 0: of none.
    generation: u64,
    rule: Rule,
}

/// How far from the stack pointer the address to return to may be, in words, of code without a table.
const SEARCHED: u64 = 64;

impl Position {
    pub fn of(context: &libc::ucontext_t) -> Position {
        let mut registers = Registers::default();
        let from = [
            libc::REG_RAX,
            libc::REG_RDX,
            libc::REG_RCX,
            libc::REG_RBX,
            libc::REG_RSI,
            libc::REG_RDI,
            libc::REG_RBP,
            libc::REG_RSP,
            libc::REG_R8,
            libc::REG_R9,
            libc::REG_R10,
            libc::REG_R11,
            libc::REG_R12,
            libc::REG_R13,
            libc::REG_R14,
            libc::REG_R15,
            libc::REG_RIP,
        ];
        for (number, from) in from.into_iter().enumerate() {
            registers.set(number, context.uc_mcontext.gregs[from as usize] as u64);
        }
        Position {
            registers,
            is_exact: true,
        }
    }

    pub fn ip(&self) -> u64 {
        self.registers.ip()
    }

    pub fn sp(&self) -> u64 {
        self.registers.sp()
    }

    /// In the code that a frame returns to, whose end is known; it is a frame that begins with a call, so its
    /// caller's frame pointer is what it saved first.
    pub fn after_frame(end: u64) -> Option<Position> {
        let mut registers = Registers::default();
        registers.set(IP, Own.pointer(end.checked_sub(8)?)?);
        registers.set(RBP, Own.word(end.checked_sub(16)?)?);
        registers.set(RSP, end);
        Some(Position {
            registers,
            is_exact: false,
        })
    }

    /// Goes from a frame to its caller. `by_pointers`: the code keeps frame pointers, and has no tables.
    pub fn step(&mut self, loaded: &Loaded, cache: &mut Cache, by_pointers: bool) -> Step {
        let start = self.sp();
        let address = match self.is_exact {
            true => self.ip(),
            false => self.ip().wrapping_sub(1),
        };
        let mut frame = Native {
            ip: address,
            start,
            end: start,
        };
        let caller = if by_pointers {
            self.by_pointers().map(|registers| Some((registers, false)))
        } else {
            self.by_tables(address, loaded, cache)
        };
        match caller {
            Some(Some((registers, is_exact))) if registers.sp() > start || is_exact => {
                frame.end = registers.sp();
                self.registers = registers;
                self.is_exact = is_exact;
                Step::Frame(frame)
            }
            Some(None) => {
                frame.end = u64::MAX;
                Step::Last(frame)
            }
            _ => Step::Lost(frame),
        }
    }

    /// The caller's registers, and whether it was interrupted; none in `Some` if there is no caller.
    fn by_tables(
        &self,
        address: u64,
        loaded: &Loaded,
        cache: &mut Cache,
    ) -> Option<Option<(Registers, bool)>> {
        let entry = &mut cache.0[(address ^ address >> 10) as usize % CACHED];
        if entry.address == address && entry.generation == loaded.generation {
            return Some(Some((entry.rule.apply(&self.registers)?, false)));
        }
        let tables = loaded.tables(address)?;
        let Some((row, is_signal)) = tables
            .as_ref()
            .and_then(|t| t.row(address, &self.registers))
        else {
            return self.by_search(loaded).map(|caller| Some((caller, false)));
        };
        match row {
            Row::Root => Some(None),
            Row::Done(caller) => Some(Some((caller, is_signal))),
            Row::Rule(rule) => {
                if !is_signal {
                    *entry = Entry {
                        address,
                        generation: loaded.generation,
                        rule,
                    };
                }
                Some(Some((rule.apply(&self.registers)?, is_signal)))
            }
        }
    }

    fn by_pointers(&self) -> Option<Registers> {
        let bp = self.registers.get(RBP).filter(|&bp| bp >= self.sp())?;
        let mut caller = Registers::default();
        caller.set(RBP, Own.word(bp)?);
        caller.set(IP, Own.word(bp + 8)?);
        caller.set(RSP, bp + 16);
        Some(caller)
    }

    /// The caller of code without a table, such as kernels in assembly: the first word on the stack that is an
    /// address just behind a call.
    fn by_search(&self, loaded: &Loaded) -> Option<Registers> {
        for i in 0..SEARCHED {
            let at = self.sp().checked_add(i * 8)?;
            let word = Own.word(at)?;
            if loaded.contains(word) && is_behind_call(word) {
                let mut caller = Registers::default();
                caller.set(IP, word);
                caller.set(RSP, at + 8);
                return Some(caller);
            }
        }
        None
    }
}

/// Whether the instruction before an address is a call: to an address, or through a register or memory.
fn is_behind_call(address: u64) -> bool {
    let byte = |back: u64| Own.u8(address.wrapping_sub(back)).unwrap_or(0);
    // FF /2, with or without a displacement.
    let is_indirect = |opcode: u64| {
        let kind = byte(opcode - 1);
        byte(opcode) == 0xff && kind & 0x38 == 0x10
    };
    byte(5) == 0xe8 || [2, 3, 4, 6, 7].into_iter().any(is_indirect)
}
