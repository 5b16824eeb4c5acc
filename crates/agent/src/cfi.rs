//! The tables by which a file's functions are unwound: `.eh_frame_hdr`, which is searched, and `.eh_frame`.
//!
//! DWARF 5, section 6.4, and the Linux Standard Base. Reading them takes no memory but the stack's. Functions that
//! align their stack (as code for wide vectors does) say in a small program where their caller's frame is,
//! which may read memory: so these programs are run here, with all registers that are known.

use ferdelance_interpreter::Memory;
use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, EndianSlice, Evaluation, EvaluationResult,
    EvaluationStorage, LittleEndian, Location, ParsedEhFrameHdr, Piece, ReaderOffset, Register,
    RegisterRule, UnwindContext, UnwindContextStorage, UnwindExpression, UnwindSection,
    UnwindTableRow, Value, X86_64,
};

use crate::memory::Own;

type Slice = EndianSlice<'static, LittleEndian>;

/// Registers by their DWARF numbers: those that keep their values over calls, the stack pointer, the address.
pub const REGISTERS: usize = 17;
pub const RBX: usize = 3;
pub const RBP: usize = 6;
pub const RSP: usize = 7;
pub const IP: usize = 16;
pub const SAVED: [usize; 6] = [RBX, RBP, 12, 13, 14, 15];

/// The registers of a frame, as far as they are known.
#[derive(Clone, Copy, Default)]
pub struct Registers {
    values: [u64; REGISTERS],
    known: u32,
}

impl Registers {
    pub fn get(&self, number: usize) -> Option<u64> {
        let is_known = number < REGISTERS && self.known >> number & 1 == 1;
        is_known.then(|| self.values[number])
    }

    pub fn set(&mut self, number: usize, value: u64) {
        self.values[number] = value;
        self.known |= 1 << number;
    }

    pub fn ip(&self) -> u64 {
        self.values[IP]
    }

    pub fn sp(&self) -> u64 {
        self.values[RSP]
    }
}

/// How a caller's registers are found, in the usual case: by offsets.
#[derive(Clone, Copy)]
pub struct Rule {
    /// The register from which the frame's end is known, and how far it is.
    base: u8,
    offset: i32,
    /// Where the [`SAVED`] registers are, from the frame's end, in words; 0: they are as they were.
    saved: [i8; SAVED.len()],
}

/// What a function's table says of an instruction.
pub enum Row {
    /// There is no caller.
    Root,
    Rule(Rule),
    /// It was computed: the caller's registers.
    Done(Registers),
}

/// The tables of a file.
#[derive(Clone)]
pub struct Tables {
    header: ParsedEhFrameHdr<Slice>,
    frames: EhFrame<Slice>,
    bases: BaseAddresses,
}

impl Tables {
    /// Of sections at these addresses; the frames go at most up to the end of the header's memory.
    pub fn new(
        header: (u64, &'static [u8]),
        frames: (u64, &'static [u8]),
        text: u64,
    ) -> Option<Tables> {
        let bases = BaseAddresses::default()
            .set_eh_frame_hdr(header.0)
            .set_eh_frame(frames.0)
            .set_text(text);
        let parsed = EhFrameHdr::new(header.1, LittleEndian)
            .parse(&bases, 8)
            .ok()?;
        parsed.table()?;
        Some(Tables {
            header: parsed,
            frames: EhFrame::new(frames.1, LittleEndian),
            bases,
        })
    }

    /// What holds at an address; none if the table says nothing of it. Also whether the frame is one that the
    /// system has put there to call a signal handler: its caller was interrupted, it did not call.
    pub fn row(&self, address: u64, registers: &Registers) -> Option<(Row, bool)> {
        let table = self.header.table()?;
        let fde = table
            .fde_for_address(&self.frames, &self.bases, address, EhFrame::cie_from_offset)
            .ok()?;
        let mut context: UnwindContext<usize, OnStack> = UnwindContext::new_in();
        let row = fde
            .unwind_info_for_address(&self.frames, &self.bases, &mut context, address)
            .ok()?;
        let is_signal = fde.is_signal_trampoline();
        if row.register(X86_64::RA) == RegisterRule::Undefined {
            return Some((Row::Root, is_signal));
        }
        let row = match Rule::of(row) {
            Some(rule) => Row::Rule(rule),
            None => Row::Done(self.compute(row, fde.cie().encoding(), registers)?),
        };
        Some((row, is_signal))
    }

    fn compute(
        &self,
        row: &UnwindTableRow<usize, OnStack>,
        encoding: gimli::Encoding,
        registers: &Registers,
    ) -> Option<Registers> {
        let run = |expression: &UnwindExpression<usize>| {
            let code = expression.get(&self.frames).ok()?;
            evaluate(code.0, encoding, registers)
        };
        let cfa = match row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => registers
                .get(usize::from(register.0))?
                .checked_add_signed(*offset)?,
            CfaRule::Expression(expression) => run(expression)?,
        };
        let mut caller = Registers::default();
        caller.set(RSP, cfa);
        for number in SAVED.into_iter().chain([IP]) {
            // Of what a table does not mention, functions leave the values as they are.
            let value = match row.register(Register(number as u16)) {
                RegisterRule::Undefined | RegisterRule::SameValue => registers.get(number),
                RegisterRule::Offset(offset) => Own.word(cfa.checked_add_signed(offset)?),
                RegisterRule::ValOffset(offset) => cfa.checked_add_signed(offset),
                RegisterRule::Register(other) => registers.get(usize::from(other.0)),
                RegisterRule::Expression(expression) => {
                    run(&expression).and_then(|at| Own.word(at))
                }
                RegisterRule::ValExpression(expression) => run(&expression),
                _ => None,
            };
            if let Some(value) = value {
                caller.set(number, value);
            }
        }
        // Of a signal's frame the stack pointer is among what was saved.
        if let RegisterRule::Expression(expression) = row.register(X86_64::RSP) {
            caller.set(RSP, run(&expression).and_then(|at| Own.word(at))?);
        }
        caller.get(IP).map(|_| caller)
    }
}

impl Rule {
    /// None if it is not that simple.
    fn of(row: &UnwindTableRow<usize, OnStack>) -> Option<Rule> {
        let CfaRule::RegisterAndOffset { register, offset } = row.cfa() else {
            return None;
        };
        if row.register(X86_64::RA) != RegisterRule::Offset(-8)
            || row.register(X86_64::RSP) != RegisterRule::Undefined
        {
            return None;
        }
        let mut saved = [0; SAVED.len()];
        for (place, number) in saved.iter_mut().zip(SAVED) {
            *place = match row.register(Register(number as u16)) {
                RegisterRule::Undefined | RegisterRule::SameValue => 0,
                RegisterRule::Offset(offset) if offset % 8 == 0 && offset != 0 => {
                    i8::try_from(offset / 8).ok()?
                }
                _ => return None,
            };
        }
        Some(Rule {
            base: u8::try_from(register.0)
                .ok()
                .filter(|&r| usize::from(r) < REGISTERS)?,
            offset: i32::try_from(*offset).ok()?,
            saved,
        })
    }

    /// The caller's registers.
    pub fn apply(&self, registers: &Registers) -> Option<Registers> {
        let base = registers.get(usize::from(self.base))?;
        let cfa = base.checked_add_signed(i64::from(self.offset))?;
        let mut caller = Registers::default();
        caller.set(RSP, cfa);
        caller.set(IP, Own.word(cfa.checked_sub(8)?)?);
        for (&place, number) in self.saved.iter().zip(SAVED) {
            let value = match place {
                0 => registers.get(number),
                words => Own.word(cfa.checked_add_signed(i64::from(words) * 8)?),
            };
            if let Some(value) = value {
                caller.set(number, value);
            }
        }
        Some(caller)
    }
}

/// Runs a program of a table.
fn evaluate(code: Slice, encoding: gimli::Encoding, registers: &Registers) -> Option<u64> {
    let mut evaluation = Evaluation::<Slice, OnStack>::new_in(code, encoding);
    evaluation.set_max_iterations(1000);
    let mut result = evaluation.evaluate().ok()?;
    loop {
        result = match result {
            EvaluationResult::Complete => break,
            EvaluationResult::RequiresRegister { register, .. } => {
                let value = registers.get(usize::from(register.0))?;
                evaluation
                    .resume_with_register(Value::Generic(value))
                    .ok()?
            }
            EvaluationResult::RequiresMemory {
                address, size: 8, ..
            } => {
                let value = Own.word(address)?;
                evaluation.resume_with_memory(Value::Generic(value)).ok()?
            }
            _ => return None,
        };
    }
    match evaluation.as_result().last()?.location {
        Location::Address { address } => Some(address),
        _ => None,
    }
}

/// Memory for what is read, of fixed size.
struct OnStack;

impl<T: ReaderOffset> UnwindContextStorage<T> for OnStack {
    type Rules = [(Register, RegisterRule<T>); 32];
    type Stack = [UnwindTableRow<T, Self>; 4];
}

impl EvaluationStorage<Slice> for OnStack {
    type Stack = [Value; 32];
    type ExpressionStack = [(Slice, Slice); 4];
    type Result = [Piece<Slice>; 1];
}
