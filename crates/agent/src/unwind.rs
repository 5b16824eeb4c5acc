//! Frames of native code, from registers and the stack.

use ferdelance_interpreter::Memory;
use framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};
use framehop::{FrameAddress, MustNotAllocateDuringUnwind, Unwinder as _};

use crate::memory::Own;
use crate::modules::Loaded;

pub type Unwinder = UnwinderX86_64<&'static [u8], MustNotAllocateDuringUnwind>;
pub type Cache = CacheX86_64<MustNotAllocateDuringUnwind>;

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
    pub registers: UnwindRegsX86_64,
    is_innermost: bool,
}

/// What came of going one frame out.
pub enum Step {
    Frame(Native),
    /// The frame, which is the outermost one.
    Last(Native),
    /// The frame, whose caller is not to be found.
    Lost(Native),
}

impl Position {
    pub fn of(context: &libc::ucontext_t) -> Position {
        use framehop::x86_64::Reg;
        let value = |r: i32| context.uc_mcontext.gregs[r as usize] as u64;
        let (ip, sp, bp) = (
            value(libc::REG_RIP),
            value(libc::REG_RSP),
            value(libc::REG_RBP),
        );
        let mut registers = UnwindRegsX86_64::new(ip, sp, bp);
        let others = [
            (Reg::RAX, libc::REG_RAX),
            (Reg::RDX, libc::REG_RDX),
            (Reg::RCX, libc::REG_RCX),
            (Reg::RBX, libc::REG_RBX),
            (Reg::RSI, libc::REG_RSI),
            (Reg::RDI, libc::REG_RDI),
            (Reg::R8, libc::REG_R8),
            (Reg::R9, libc::REG_R9),
            (Reg::R10, libc::REG_R10),
            (Reg::R11, libc::REG_R11),
            (Reg::R12, libc::REG_R12),
            (Reg::R13, libc::REG_R13),
            (Reg::R14, libc::REG_R14),
            (Reg::R15, libc::REG_R15),
        ];
        for (to, from) in others {
            registers.set(to, value(from));
        }
        Position {
            registers,
            is_innermost: true,
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
        let ip = Own.pointer(end.checked_sub(8)?)?;
        let bp = Own.word(end.checked_sub(16)?)?;
        Some(Position {
            registers: UnwindRegsX86_64::new(ip, end, bp),
            is_innermost: false,
        })
    }

    /// Goes from a frame to its caller. `by_pointers`: the code keeps frame pointers, and has no tables.
    pub fn step(&mut self, loaded: &Loaded, cache: &mut Cache, by_pointers: bool) -> Step {
        let (ip, start) = (self.registers.ip(), self.registers.sp());
        let address = if self.is_innermost {
            Some(FrameAddress::from_instruction_pointer(ip))
        } else {
            FrameAddress::from_return_address(ip)
        };
        let mut frame = Native {
            ip: if self.is_innermost {
                ip
            } else {
                ip.wrapping_sub(1)
            },
            start,
            end: start,
        };
        self.is_innermost = false;
        let Some(address) = address else {
            return Step::Last(frame);
        };
        let caller = if by_pointers {
            self.by_pointers()
        } else {
            let mut read = |at| Own.word(at).ok_or(());
            loaded
                .unwinder
                .unwind_frame(address, &mut self.registers, cache, &mut read)
                .map_err(|_| ())
        };
        match caller {
            Ok(Some(caller)) => {
                self.registers.set_ip(caller);
                frame.end = self.registers.sp();
                if frame.end <= start {
                    return Step::Lost(frame);
                }
                Step::Frame(frame)
            }
            Ok(None) => {
                frame.end = u64::MAX;
                Step::Last(frame)
            }
            Err(()) => Step::Lost(frame),
        }
    }

    fn by_pointers(&mut self) -> Result<Option<u64>, ()> {
        let bp = self.registers.bp();
        if bp < self.registers.sp() {
            return Err(());
        }
        let (outer, caller) = (Own.word(bp).ok_or(())?, Own.word(bp + 8).ok_or(())?);
        self.registers.set_bp(outer);
        self.registers.set_sp(bp + 16);
        Ok(Some(caller))
    }
}
