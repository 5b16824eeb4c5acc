//! The structures of TIR and the meaning of its instructions.
//!
//! # Functions and errors
//!
//! A function takes `params` and gives `results`; with `may_raise` it also gives an error. Calls yield
//! the callee's results and then, if it may raise, one value of type [`Type::Err`], null when nothing
//! was raised (the other results are then valid; otherwise they are undefined and must not be used or
//! released). An error is passed on with [`Term::Throw`]. So every error path is ordinary control flow.
//!
//! # Calls by address
//!
//! [`Op::CallIndirect`] calls a function of which only the address is known: one convention for code of
//! this program, code that was compiled earlier, and Python's dispatchers. It is that of direct calls,
//! in registers, and every function that is called so gives an error ([`Program::pointers`]); slots
//! would be simpler, but a float that goes through memory twice costs four times the call. Caller and
//! callee agree on the types of arguments and results because a function value has a function type.
//! Ownership is that of direct calls: arguments are borrowed, results are owned.
//!
//! [`Op::CallC`] calls a C function with C's own convention; it raises nothing and manages nothing.
//!
//! # Ownership
//!
//! Values of managed types ([`Type::is_managed`]) follow the rules in ARCHITECTURE.md. Lowering writes
//! no retains and releases; `pass::count` places them. Instructions either give an owned value
//! (calls, runtime calls, [`Op::MakeArray`] whose owner operand it consumes, loads of [`Mem::Items`],
//! [`Op::Exchange`]) or a borrowed one.
//!
//! # Locations
//!
//! Every instruction and terminator has a [`LocId`] into [`Function::locs`]; a location knows the
//! function it is in, and where that function was inlined.

use std::sync::Arc;

use ferdelance_abi::rtfn::RtFn;
use ferdelance_abi::settings::Options;
use smallvec::SmallVec;

use super::foreign::{CEntry, CSignature};
use super::nest::{Axis, Nest, Subview};
use crate::hir::id;
use crate::source::Source;
use crate::types::{PyRef, Ty};

id!(
    /// An SSA value.
    Value,
    "v"
);
id!(
    /// A basic block.
    BlockId,
    "b"
);
id!(
    /// A source location of a function.
    #[derive(Default)]
    LocId,
    "@"
);
id!(
    /// An entry of a function's constant pool.
    PoolId,
    "c"
);
id!(
    /// A function of a program.
    FuncId,
    "fn"
);

/// A machine type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Type {
    I1,
    I8,
    I16,
    I32,
    I64,
    /// Only in memory: loaded, stored, and converted from and to F32.
    F16,
    F32,
    F64,
    /// An address that is not managed.
    Ptr,
    /// A reference-counted runtime object (`abi::layout::Str`, ...).
    Obj,
    /// An owner word of an array, see `abi::layout`.
    Owner,
    /// An error object or null. Not managed: it is passed on exactly once.
    Err,
    /// An array descriptor of this rank: owner, data, shape, strides (in bytes).
    Array(u8),
}

impl Type {
    pub fn is_managed(self) -> bool {
        matches!(self, Type::Obj | Type::Owner | Type::Array(_))
    }
    pub fn is_int(self) -> bool {
        matches!(
            self,
            Type::I1 | Type::I8 | Type::I16 | Type::I32 | Type::I64
        )
    }
    pub fn is_float(self) -> bool {
        matches!(self, Type::F32 | Type::F64)
    }
    pub fn is_pointer(self) -> bool {
        matches!(self, Type::Ptr | Type::Obj | Type::Owner | Type::Err)
    }
    pub fn bits(self) -> u32 {
        match self {
            Type::I1 => 1,
            Type::I8 => 8,
            Type::I16 | Type::F16 => 16,
            Type::I32 | Type::F32 => 32,
            _ => 64,
        }
    }
    /// Bytes in memory (an `I1` is stored as a byte).
    pub fn bytes(self) -> u32 {
        self.bits().div_ceil(8)
    }
    pub fn int(bits: u32) -> Type {
        match bits {
            1 => Type::I1,
            8 => Type::I8,
            16 => Type::I16,
            32 => Type::I32,
            _ => Type::I64,
        }
    }
}

/// Operations on two operands of one type. Integer `Add`, `Sub`, `Mul` wrap around unless [`Op::Binary`]
/// says otherwise; division by zero and INT_MIN / -1 are undefined (lowering guards them); shift
/// amounts are below the width (lowering guards them).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Bin {
    Add,
    Sub,
    Mul,
    SDiv,
    UDiv,
    SRem,
    URem,
    And,
    Or,
    Xor,
    Shl,
    AShr,
    LShr,
    SMin,
    SMax,
    UMin,
    UMax,
    /// What two sizes that fit are broadcast to: they are equal, or one of them is 1. Of sizes that do not
    /// fit it is either.
    Fit,
    FAdd,
    /// Addition and multiplication as steps of a reduction whose order is free.
    FAddAnyOrder,
    FMulAnyOrder,
    /// As IEEE has them, whatever fastmath says.
    FAddExact,
    FSubExact,
    FMulExact,
    FDivExact,
    FSub,
    FMul,
    FDiv,
    /// C's fmod.
    FRem,
    CopySign,
    /// `a * 2**b`, rounded once, for an integral b within twice the range of exponents.
    Scale,
    /// IEEE minNum/maxNum (a NaN loses), and the NaN-propagating minimum/maximum.
    FMinNum,
    FMaxNum,
    FMinimum,
    FMaximum,
}

/// Comparisons; the result is an I1. Float comparisons are ordered (false with a NaN), except `Ne`.
/// Pointers compare with `Eq` and `Ne` only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cmp {
    Eq,
    Ne,
    SLt,
    SLe,
    SGt,
    SGe,
    ULt,
    ULe,
    UGt,
    UGe,
    /// Two sizes cannot be broadcast: they differ, and neither is 1.
    Unfit,
    FEq,
    FNe,
    FLt,
    FLe,
    FGt,
    FGe,
}

/// Operations on one operand, which give its type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Un {
    /// Integer negation, complement (`I1`: logical not).
    Neg,
    Not,
    /// Integer absolute value (wraps at the minimum).
    IAbs,
    PopCount,
    FNeg,
    FAbs,
    Sqrt,
    Floor,
    Ceil,
    Trunc,
    /// Round half to even.
    RoundEven,
    /// The integral e and the m from 3/4 to 3/2 with `x = m * 2**e`, for positive numbers. The exponent of
    /// zero is negative infinity, of infinity and NaN themselves, of negative numbers a NaN; their mantissa
    /// is finite where the exponent is no NaN.
    Exponent,
    Mantissa,
    /// `1 / x`, or within 2**-14 of it; of a very large number it may be 0.
    Reciprocal,
}

/// Conversions; the target type is the result's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cast {
    /// To a narrower integer (to I1: the lowest bit).
    Trunc,
    ZExt,
    SExt,
    SIToFP,
    UIToFP,
    /// Towards zero, as the hardware does on x86: out of range gives the integer minimum (signed) and
    /// an unspecified value (unsigned); never undefined behaviour.
    FPToSI,
    FPToUI,
    FPTrunc,
    FPExt,
    /// Same size, same bits.
    Bits,
    PtrToInt,
    IntToPtr,
}

/// A part of an array descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Part {
    Owner,
    Data,
    Shape(u8),
    /// In bytes.
    Stride(u8),
}

/// What memory an access touches, for alias analysis.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mem {
    /// Elements of arrays. Accesses of different machine types may still overlap (views).
    Elements,
    /// The same in the innermost loop of a nest: what one round writes, no other round reads or writes.
    Independent,
    /// Length, room and address of the items of a list.
    Header,
    /// Items of lists. A managed value that is read from here is a reference of its own; one that is
    /// written here gives its reference away.
    Items,
    /// Stack slots of this function.
    Stack,
    /// Never written while the function runs (constants, headers of immutable objects).
    Constant,
    /// Anything.
    Any,
}

/// Sixteen numbers, for doubles and for singles.
#[derive(PartialEq, Debug)]
pub struct Table {
    /// Like no other's.
    pub name: &'static str,
    pub double: [f64; 16],
    pub single: [f64; 16],
}

impl Table {
    pub fn values(&self, ty: Type) -> &[f64; 16] {
        if ty == Type::F32 {
            &self.single
        } else {
            &self.double
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
pub enum Op {
    /// An integer constant of the result's type (sign-extended to i64 here).
    Int(i64),
    /// A float constant: the bits of a double; for F32 results, of the double that the value is.
    Float(u64),
    /// A null pointer, error or owner.
    Null,
    /// Any value; reading it is not undefined behaviour (emitted as zero).
    Undef,
    /// The address of a constant-pool entry's object.
    Pool(PoolId),
    /// `nsw`: signed overflow does not happen (index arithmetic).
    Binary {
        op: Bin,
        a: Value,
        b: Value,
        nsw: bool,
    },
    Unary(Un, Value),
    Compare(Cmp, Value, Value),
    Cast(Cast, Value),
    Select {
        cond: Value,
        then: Value,
        other: Value,
    },
    /// `a * b + c` of floats, rounded once, whatever fastmath says.
    Fma {
        a: Value,
        b: Value,
        c: Value,
    },
    /// The number at the place that the lowest four bits of an integer of the same size say.
    Lookup {
        table: &'static Table,
        index: Value,
    },
    /// `cond ? func(args) : fast`, where the condition rarely holds and the function, which is pure and
    /// gives one value, takes long. Expansion keeps it out of the way of what vectorises; there is none
    /// afterwards.
    Rare {
        cond: Value,
        fast: Value,
        func: RtFn,
        args: SmallVec<[Value; 2]>,
    },
    /// `base + offset` bytes, inside one object.
    Offset {
        base: Value,
        offset: Value,
    },
    /// `base + index * size` bytes, inside one object.
    Element {
        base: Value,
        index: Value,
        size: u32,
    },
    /// Reads a value of the result's type; `align` in bytes. An I1 is read from a byte (nonzero: true).
    Load {
        ptr: Value,
        align: u8,
        mem: Mem,
    },
    /// No result. An I1 is written as a byte.
    Store {
        ptr: Value,
        value: Value,
        align: u8,
        mem: Mem,
    },
    /// Writes a managed value in place of another of its type, which is the result: both references
    /// change hands.
    Exchange {
        ptr: Value,
        value: Value,
        mem: Mem,
    },
    /// Address of a fresh stack slot of `size` bytes, one for the whole activation (hoisted to the entry).
    StackSlot {
        size: u32,
        align: u8,
    },
    /// An array from its parts; consumes the owner.
    MakeArray {
        owner: Value,
        data: Value,
        shape: SmallVec<[Value; 4]>,
        strides: SmallVec<[Value; 4]>,
    },
    /// A view: an array over the memory of `base` (keeps it alive) with its own data, shape, strides.
    View {
        base: Value,
        data: Value,
        shape: SmallVec<[Value; 4]>,
        strides: SmallVec<[Value; 4]>,
    },
    /// A view by indices.
    Subview(Box<Subview>),
    /// A part of a descriptor.
    ArrayPart(Value, Part),
    /// A computation over whole arrays.
    Nest(Box<Nest>),
    /// Calls a compiled function of the program.
    Call {
        func: FuncId,
        args: SmallVec<[Value; 4]>,
    },
    /// Calls a function by its address. The last result is the error.
    CallIndirect {
        pointer: Value,
        args: SmallVec<[Value; 4]>,
    },
    /// Calls a C function.
    CallC {
        pointer: Value,
        args: SmallVec<[Value; 4]>,
        signature: Box<CSignature>,
    },
    /// Runs the rounds of a loop in chunks, on several threads if `work` (what all of them cost, in
    /// hundredths of a nanosecond) is worth it: `func` is one of [`Program::regions`], which takes the number of the
    /// first round of a chunk, that behind the last one, and `args`. The address of the chunks' results,
    /// slot after slot, the number of chunks, and an error, that of the lowest chunk that raised one.
    Parallel {
        func: FuncId,
        rounds: Value,
        work: Value,
        args: SmallVec<[Value; 4]>,
    },
    /// Makes a generator of a generator function and its arguments: an owned object, and an error. The
    /// operations on generators are gone after inlining.
    NewGenerator {
        func: FuncId,
        args: SmallVec<[Value; 4]>,
    },
    /// Runs a generator to its next yield: whether there was one, what it yields, what it returns, and an
    /// error. The arguments are what [`Op::Received`] gives.
    Resume {
        object: Value,
        args: SmallVec<[Value; 4]>,
    },
    /// In a generator function: where it stops and gives these values.
    Yield {
        values: SmallVec<[Value; 4]>,
    },
    /// In a generator function: whether it is to be closed, and what was sent to it.
    Received,
    /// The address of a function that [`Program::generators`] lists, or of its trampoline.
    FunctionAddress {
        func: FuncId,
        entry: bool,
    },
    /// Calls a runtime function. Results as in its row; an `Err` last if it `raises`.
    Rt {
        func: RtFn,
        args: SmallVec<[Value; 4]>,
    },
    /// Inserted by `pass::count` only.
    Retain(Value),
    Release(Value),
    /// Tells the optimiser that `cond` holds.
    Assume(Value),
}

#[derive(Clone, PartialEq, Debug)]
pub struct Inst {
    pub op: Op,
    pub results: SmallVec<[Value; 2]>,
    pub loc: LocId,
}

/// A jump's destination with arguments for its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    pub block: BlockId,
    pub args: SmallVec<[Value; 4]>,
}

/// How often a branch goes to its first target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Hint {
    #[default]
    None,
    /// The first target is cold (error paths).
    Unlikely,
    Likely,
}

#[derive(Clone, Debug, Default)]
pub enum Term {
    /// Not set yet; never in a finished function.
    #[default]
    Missing,
    Jump(Target),
    Branch {
        cond: Value,
        then: Target,
        other: Target,
        hint: Hint,
    },
    /// `value` is an integer; cases are distinct.
    Switch {
        value: Value,
        cases: Vec<(i64, Target)>,
        default: Target,
    },
    Return(SmallVec<[Value; 4]>),
    Throw(Value),
    Unreachable,
}

/// What is known of a loop.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Rounds {
    #[default]
    Unknown,
    /// Accesses of [`Mem::Independent`] in one round have nothing to do with those in another.
    Independent,
    /// The same, and one round is a long chain of operations that wait for each other: it pays to run two
    /// at a time.
    Chained,
    /// Not worth much code.
    Rare,
}

/// Whether the rounds of a loop may run on several threads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Spread {
    #[default]
    No,
    /// The user says so.
    Asked,
    /// Its rounds have nothing to do with each other, but for reductions.
    Offered,
}

#[derive(Clone, Debug, Default)]
pub struct Block {
    pub params: Vec<Value>,
    pub insts: Vec<Inst>,
    pub term: Term,
    pub term_loc: LocId,
    /// Of the loop that the terminator, a jump, closes.
    pub rounds: Rounds,
    /// Of the loop that begins with this block. Nothing is left of it after `pass::parallel`.
    pub spread: Spread,
}

/// A place in the user's source (or in the prelude).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loc {
    pub source: Arc<Source>,
    /// Name of the function whose code this is, and the line of its definition.
    pub function: Arc<str>,
    pub function_line: u32,
    pub line: u32,
    pub column: u32,
    /// Where the function was inlined.
    pub inlined_at: Option<LocId>,
}

/// What the constant pool holds at an index. Pools are rebuilt when code is loaded, so every entry
/// must be describable without an address.
#[derive(Clone, Debug, PartialEq)]
pub enum PoolEntry {
    /// A `abi::layout::Location`.
    Location {
        file: Arc<str>,
        function: Arc<str>,
        line: u32,
        column: u32,
    },
    /// An immortal `abi::layout::Str`.
    Str(Arc<str>),
    /// The slots of a `bytes` literal, as of a frozen array.
    Bytes(Arc<[u8]>),
    /// A Python object (an exception class, for instance).
    Object(PyRef),
    /// The slots of a frozen array (`abi::layout`: owner 0, data, shape, strides).
    Array(PyRef),
    /// The address of a function as a value of a function type: a jitted function or a C function.
    Function { function: PyRef, ty: Ty },
    /// The address of the C function that a Python object stands for.
    Foreign(PyRef),
}

#[derive(Clone, Debug)]
pub struct Function {
    /// The linker symbol; unique in the process.
    pub symbol: Arc<str>,
    /// The Python name.
    pub name: Arc<str>,
    pub params: Vec<Type>,
    pub results: Vec<Type>,
    pub may_raise: bool,
    /// Calls itself, directly or not: takes part in the stack check, is not inlined.
    pub recursive: bool,
    pub options: Options,
    /// It is the body of a generator; `params` and `results` are as written until [`Generator::state`] is
    /// there.
    pub generator: Option<Generator>,
    /// Entry: block 0, its parameters are the function's.
    pub blocks: Vec<Block>,
    /// The type of each value.
    pub values: Vec<Type>,
    pub locs: Vec<Loc>,
}

/// A generator function.
///
/// As it is written, it takes its arguments, yields, and returns a result. As a state machine, it takes
/// where it stopped (an I64, [`Generator::STARTS`] at first, [`Generator::FINISHED`] in the end), its state,
/// and what it is resumed with (see [`Op::Received`]); it gives whether it has yielded, where it stopped,
/// its state, what it yields, and what it returns.
#[derive(Clone, Debug, Default)]
pub struct Generator {
    pub yields: Vec<Type>,
    pub sent: Vec<Type>,
    /// What it keeps from one yield to the next; none while it is not a state machine. What is managed
    /// comes first.
    pub state: Option<Vec<Type>>,
    /// Where the arguments are in the state of a generator that has not begun.
    pub arguments: Vec<usize>,
}

impl Generator {
    pub const STARTS: i64 = 0;
    pub const FINISHED: i64 = -1;
}

/// What is emitted together: functions that call each other, and their constant pool.
#[derive(Clone, Debug, Default)]
pub struct Program {
    pub functions: Vec<Function>,
    pub pool: Vec<PoolEntry>,
    /// The functions that Python enters: each gets a trampoline.
    pub entries: Vec<FuncId>,
    /// The functions whose address can be a value: they may raise, so that all are called in one way.
    pub pointers: Vec<FuncId>,
    /// The functions that run generator objects on: code finds them by the object.
    pub generators: Vec<FuncId>,
    /// The functions that C code can call: each gets a wrapper with C's convention.
    pub c_entries: Vec<CEntry>,
    /// The functions that run chunks of loops: the runtime enters them through their trampolines.
    pub regions: Vec<FuncId>,
    /// What became of loops that may run on several threads.
    pub parallel: Vec<ParallelLoop>,
    /// It is for a machine whose vectors are as long as the lines of its caches.
    pub wide: bool,
}

/// A loop that was to run on several threads.
#[derive(Clone, Debug)]
pub struct ParallelLoop {
    pub loc: Loc,
    /// The user has asked for it.
    pub asked: bool,
    /// Why it runs in order; none if it runs in parallel.
    pub refused: Option<Arc<str>>,
}

impl Function {
    /// Stands in for a function that is being worked on.
    pub fn empty() -> Function {
        Function {
            symbol: "".into(),
            name: "".into(),
            params: vec![],
            results: vec![],
            may_raise: false,
            recursive: true,
            options: Options::default(),
            generator: None,
            blocks: vec![],
            values: vec![],
            locs: vec![],
        }
    }
    pub fn ty(&self, v: Value) -> Type {
        self.values[v.index()]
    }
    pub fn block(&self, id: BlockId) -> &Block {
        &self.blocks[id.index()]
    }

    /// The place in the user's own code: where what is inlined was called.
    pub fn outermost(&self, mut at: LocId) -> &Loc {
        while let Some(outer) = self.locs[at.index()].inlined_at {
            at = outer;
        }
        &self.locs[at.index()]
    }

    pub fn new_value(&mut self, ty: Type) -> Value {
        self.values.push(ty);
        Value(self.values.len() as u32 - 1)
    }
    /// The blocks that the entry reaches, each before its successors where there is no loop.
    pub fn reverse_postorder(&self) -> Vec<BlockId> {
        let mut seen = vec![false; self.blocks.len()];
        let mut order = vec![];
        let mut stack = vec![(0, 0)];
        seen[0] = true;
        while let Some((block, next)) = stack.last_mut() {
            match self.blocks[*block].term.targets().get(*next) {
                Some(target) => {
                    *next += 1;
                    let to = target.block.index();
                    if !std::mem::replace(&mut seen[to], true) {
                        stack.push((to, 0));
                    }
                }
                None => {
                    order.push(BlockId(*block as u32));
                    stack.pop();
                }
            }
        }
        order.reverse();
        order
    }
    /// Number of instructions, for size models.
    pub fn size(&self) -> usize {
        self.blocks.iter().map(|b| b.insts.len() + 1).sum()
    }
}

impl Program {
    /// The pool's index of `entry`, added if new.
    pub fn pool_id(&mut self, entry: PoolEntry) -> PoolId {
        let found = self.pool.iter().position(|e| *e == entry);
        PoolId(found.unwrap_or_else(|| {
            self.pool.push(entry);
            self.pool.len() - 1
        }) as u32)
    }
}

impl Term {
    /// The targets of the terminator, in order.
    pub fn targets(&self) -> SmallVec<[&Target; 2]> {
        match self {
            Term::Jump(t) => smallvec::smallvec![t],
            Term::Branch { then, other, .. } => smallvec::smallvec![then, other],
            Term::Switch { cases, default, .. } => {
                cases.iter().map(|(_, t)| t).chain([default]).collect()
            }
            _ => SmallVec::new(),
        }
    }
    /// The same, mutable.
    pub fn targets_mut(&mut self) -> SmallVec<[&mut Target; 2]> {
        match self {
            Term::Jump(t) => smallvec::smallvec![t],
            Term::Branch { then, other, .. } => smallvec::smallvec![then, other],
            Term::Switch { cases, default, .. } => {
                cases.iter_mut().map(|(_, t)| t).chain([default]).collect()
            }
            _ => SmallVec::new(),
        }
    }
    /// The value that says which of several targets is taken.
    pub fn decided_by(&self) -> Option<Value> {
        match *self {
            Term::Branch { cond: v, .. } | Term::Switch { value: v, .. } => Some(v),
            _ => None,
        }
    }
    /// The target that is taken if that value is a constant.
    pub fn decide(self, constant: i64) -> Option<Target> {
        match self {
            Term::Branch { then, other, .. } => Some(if constant & 1 == 1 { then } else { other }),
            Term::Switch { cases, default, .. } => {
                let case = cases.into_iter().find(|(case, _)| *case == constant);
                Some(case.map_or(default, |(_, target)| target))
            }
            _ => None,
        }
    }
    /// Calls `f` with each operand that is not a target's argument.
    pub fn for_each_operand(&self, mut f: impl FnMut(Value)) {
        match self {
            Term::Branch { cond: v, .. } | Term::Switch { value: v, .. } | Term::Throw(v) => f(*v),
            Term::Return(vs) => vs.iter().for_each(|v| f(*v)),
            _ => {}
        }
    }
}

impl Op {
    /// Calls `f` with a reference to each operand; for a nest, with each use in its body, too.
    pub fn for_each_operand_mut(&mut self, f: &mut dyn FnMut(&mut Value)) {
        match self {
            Op::Int(_)
            | Op::Float(_)
            | Op::Null
            | Op::Undef
            | Op::Pool(_)
            | Op::Received
            | Op::FunctionAddress { .. }
            | Op::StackSlot { .. } => {}
            Op::Unary(_, a)
            | Op::Cast(_, a)
            | Op::ArrayPart(a, _)
            | Op::Retain(a)
            | Op::Release(a)
            | Op::Assume(a) => f(a),
            Op::Load { ptr, .. } => f(ptr),
            Op::Binary { a, b, .. } | Op::Compare(_, a, b) => {
                f(a);
                f(b);
            }
            Op::Offset { base, offset } => {
                f(base);
                f(offset);
            }
            Op::Lookup { index, .. } => f(index),
            Op::Element { base, index, .. } => {
                f(base);
                f(index);
            }
            Op::Store { ptr, value, .. } | Op::Exchange { ptr, value, .. } => {
                f(ptr);
                f(value);
            }
            Op::Select {
                cond: a,
                then: b,
                other: c,
            }
            | Op::Fma { a, b, c } => {
                f(a);
                f(b);
                f(c);
            }
            Op::Rare {
                cond, fast, args, ..
            } => {
                f(cond);
                f(fast);
                args.iter_mut().for_each(f);
            }
            Op::MakeArray {
                owner: base,
                data,
                shape,
                strides,
            }
            | Op::View {
                base,
                data,
                shape,
                strides,
            } => {
                f(base);
                f(data);
                shape.iter_mut().chain(strides).for_each(f);
            }
            Op::Subview(view) => {
                f(&mut view.base);
                view.at.iter_mut().for_each(|(_, index)| f(index));
                for axis in &mut view.axes {
                    if let Axis::Part {
                        start, count, step, ..
                    } = axis
                    {
                        f(start);
                        f(count);
                        f(step);
                    }
                }
            }
            Op::Nest(nest) => nest.for_each_use_mut(f),
            Op::Parallel {
                rounds, work, args, ..
            } => {
                f(rounds);
                f(work);
                args.iter_mut().for_each(f);
            }
            Op::Call { args, .. }
            | Op::Rt { args, .. }
            | Op::NewGenerator { args, .. }
            | Op::Yield { values: args } => args.iter_mut().for_each(f),
            Op::CallIndirect { pointer, args }
            | Op::Resume {
                object: pointer,
                args,
            }
            | Op::CallC { pointer, args, .. } => {
                f(pointer);
                args.iter_mut().for_each(f);
            }
        }
    }

    /// Calls `f` with each operand.
    pub fn for_each_operand(&self, mut f: impl FnMut(Value)) {
        if let Op::Nest(nest) = self {
            return nest.for_each_operand(&mut f as &mut dyn FnMut(Value));
        }
        // The clone is of the operand lists only; ops are small.
        let mut copy = self.clone();
        copy.for_each_operand_mut(&mut |v| f(*v));
    }

    /// Has no operands, and gives the same wherever it stands.
    pub fn is_constant(&self) -> bool {
        matches!(
            self,
            Op::Int(_)
                | Op::Float(_)
                | Op::Null
                | Op::Undef
                | Op::Pool(_)
                | Op::FunctionAddress { .. }
        )
    }

    /// No effect besides its results: may be removed when they are unused, and moved.
    pub fn is_pure(&self) -> bool {
        use ferdelance_abi::rtfn::Effect;
        match self {
            Op::Store { .. }
            | Op::Exchange { .. }
            | Op::Call { .. }
            | Op::CallIndirect { .. }
            | Op::CallC { .. }
            | Op::Parallel { .. }
            | Op::NewGenerator { .. }
            | Op::Resume { .. }
            | Op::Yield { .. }
            | Op::Received
            | Op::Retain(_)
            | Op::Release(_)
            | Op::Assume(_)
            | Op::MakeArray { .. } => false,
            Op::Rt { func, .. } => matches!(func.info().effect, Effect::Pure | Effect::Read),
            Op::Nest(nest) => !nest.stores() && !nest.allocates(),
            _ => true,
        }
    }
}
