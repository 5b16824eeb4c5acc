//! The structures of HIR.
//!
//! A [`Module`] holds the functions that one jitted Python function consists of: itself (index 0) and
//! every inner function and lambda in it (comprehensions are part of the function they stand in). A [`Function`] is a CFG of basic blocks with
//! parameters in SSA form. Values are untyped; types are a side table of inference, per instance.
//!
//! # Rules
//!
//! * The entry block is block 0; its parameters are the function's parameters, in order, followed by
//!   the captures (see [`Function::captures`]).
//! * A value is defined once and its definition dominates its uses.
//! * In a block with a `handler`, only the last instruction may raise; the handler's first parameter
//!   is the exception, the others are passed from [`Block::handler`].
//! * A local without a value is [`Op::Unbound`]; joined with other definitions it does not count for the
//!   type. Where a local may be unbound, an [`Op::CheckBound`] dominates its use.

use std::sync::Arc;

use crate::source::{Source, Span};
use crate::types::PyRef;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);
        impl $name {
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}
pub(crate) use id;

id!(
    /// An SSA value.
    Value,
    "%"
);
id!(
    /// A basic block.
    BlockId,
    "b"
);
id!(
    /// A function of a module.
    FuncId,
    "f"
);

/// A name in the source.
pub type Name = Arc<str>;

/// What one jitted function (or one file of the prelude) consists of.
#[derive(Debug)]
pub struct Module {
    pub source: Arc<Source>,
    pub functions: Vec<Function>,
    pub scope: Scope,
}

/// Where the global names of a module are looked up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// In the globals, builtins and closure of this Python function.
    Python(PyRef),
    /// Among the functions of this module itself, the known modules and the builtins: the prelude.
    Prelude,
}

/// How a parameter takes its argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParamKind {
    PositionalOnly,
    Positional,
    /// `*args`: a tuple.
    Star,
    KeywordOnly,
}

#[derive(Clone, Debug)]
pub struct Param {
    pub name: Name,
    pub kind: ParamKind,
    pub has_default: bool,
    /// The default, where it is written as a literal: all that functions of the prelude have.
    pub literal: Option<Literal>,
    /// Annotated with `literal`, in the prelude: a function is made for each constant that it is called with.
    pub fixed: bool,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct Function {
    pub name: Name,
    /// `outer.<locals>.inner` as Python says.
    pub qualname: Name,
    /// Of the whole definition, and of its head (name and parameters).
    pub span: Span,
    pub params: Vec<Param>,
    /// Variables of enclosing functions that it uses. For function 0: names of free variables, which
    /// are constants ([`Op::Free`]) and not parameters of the entry block.
    pub captures: Vec<Capture>,
    pub blocks: Vec<Block>,
    pub values: Vec<ValueData>,
    /// A call makes a generator object, which runs the body up to the next [`Op::Yield`] when asked.
    pub is_generator: bool,
}

/// A variable of an enclosing function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    pub name: Name,
    pub kind: CaptureKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureKind {
    Value,
    /// A mutable cell: someone assigns the variable after the inner function was made.
    Cell,
    /// Whether the variable has a value; after all others.
    Bound,
}

#[derive(Clone, Debug, Default)]
pub struct Block {
    pub params: Vec<Value>,
    pub insts: Vec<Inst>,
    pub term: Terminator,
    pub term_span: Span,
    /// Where an exception in this block goes; `None`: out of the function.
    pub handler: Option<Target>,
    /// The iterations of unrolled loops that this block belongs to, the outermost loop first.
    pub iterations: Vec<Iteration>,
}

/// One iteration of a loop that was unrolled, for messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Iteration {
    pub index: u32,
    /// What the loop's target was assigned.
    pub item: Value,
}

#[derive(Clone, Debug, Default)]
pub struct ValueData {
    /// The variable that the value was assigned to, for messages.
    pub name: Option<Name>,
}

#[derive(Clone, Debug)]
pub struct Inst {
    pub result: Value,
    pub op: Op,
    pub span: Span,
}

/// A jump's destination with arguments for its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub block: BlockId,
    pub args: Vec<Value>,
}

#[derive(Clone, Debug, Default)]
pub enum Terminator {
    /// Not set yet; never in a finished function.
    #[default]
    Missing,
    Jump(Target),
    /// `cond` is the result of [`Op::Truth`] or [`Op::IterMore`].
    Branch {
        cond: Value,
        then: Target,
        other: Target,
    },
    Return(Value),
    /// `raise exc` (an instance or a class).
    Raise(Value),
    /// Raise the exception being handled again.
    Reraise(Value),
    Unreachable,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum UnaryOp {
    Neg,
    Pos,
    Invert,
    Not,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    TrueDiv,
    FloorDiv,
    Mod,
    Pow,
    LShift,
    RShift,
    And,
    Or,
    Xor,
    MatMul,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CompareOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Is,
    IsNot,
    In,
    NotIn,
}

/// A literal.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    None,
    Bool(bool),
    /// Any integer that fits 64 bits, signed or unsigned (larger ones are refused with a diagnostic).
    Int(i128),
    Float(f64),
    /// The imaginary part of an imaginary literal.
    Imaginary(f64),
    Str(Arc<str>),
    Bytes(Arc<[u8]>),
    Ellipsis,
}

/// An argument of a call or an item of a display.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arg {
    Plain(Value),
    /// `*value`.
    Star(Value),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    Literal(Literal),
    /// A local variable without a value on this path.
    Unbound(Name),
    /// Raises `UnboundLocalError` unless the local has a value. The operand says so: `true` or `false`, or
    /// a parameter that goes through the same blocks as the local's; an [`Op::Unbound`] itself where the
    /// local has no value on any path, which is no matter for the run time.
    CheckBound(Value, Name),
    /// The same for a variable of an enclosing function, with `NameError`.
    CheckFree(Value, Name),
    /// Whether a local has a value; only while a function is being built.
    IsBound(Value),
    /// A global or builtin name; a constant of the compile.
    Global(Name),
    /// A free variable of function 0 (a closure cell of the Python function); a constant of the compile.
    Free(Name),

    Unary(UnaryOp, Value),
    Binary(BinaryOp, Value, Value),
    /// `a += b`: in place where the type has it.
    InPlace(BinaryOp, Value, Value),
    Compare(CompareOp, Value, Value),
    /// `bool(x)` as a condition. Never raises.
    Truth(Value),

    Tuple(Vec<Arg>),
    List(Vec<Arg>),
    /// An empty set, to which what is in it is added.
    Set,
    /// The same of a dict; the keys and values of a display, without those of `**mapping`.
    Dict(Vec<(Value, Value)>),
    /// Items that are `None` stand for absent parts.
    Slice([Option<Value>; 3]),
    /// An f-string: texts and formatted values.
    FString(Vec<FPart>),

    GetAttr(Value, Name),
    SetAttr(Value, Name, Value),
    GetItem(Value, Value),
    SetItem(Value, Value, Value),
    DelItem(Value, Value),
    /// `callee(args, **keywords)`; a keyword without a name is `**value`.
    Call {
        callee: Value,
        args: Vec<Arg>,
        keywords: Vec<(Option<Name>, Value)>,
    },

    /// `iter(x)`: the first state of an iterator. Iterators are values; `IterNext` makes the next state.
    Iter(Value),
    /// Is there an item? (the only one of the three that has effects, for generators)
    IterMore(Value),
    IterItem(Value),
    IterNext(Value),
    /// What an iterator without items left has returned: what a generator returns, else None.
    IterResult(Value),
    /// Hands an item to whoever drives the generator; gives what was sent.
    Yield(Value),
    /// The indices along a dimension of what has several (`np.ndindex`), and the item at an index for each:
    /// see `unroll::nest`.
    WalkRange(Value, u32),
    WalkItem(Value, Vec<Value>),

    /// Checks that `x` can be unpacked into `before` items, (with `star`) a list, and `after` items,
    /// and gives the sequence that `UnpackItem` takes items of.
    Unpack {
        value: Value,
        before: u32,
        star: bool,
        after: u32,
    },
    /// Item `index` of the result of `Unpack` (the star's list is the item after `before`).
    UnpackItem(Value, u32),

    /// An inner function with its captured values and the values of its defaults.
    Closure {
        function: FuncId,
        captures: Vec<Value>,
        defaults: Vec<Value>,
    },
    /// A mutable variable shared with inner functions, empty at first.
    NewCell(Name),
    /// Whether something was assigned to it.
    CellBound(Value),
    /// Its content, which is there.
    CellGet(Value, Name),
    CellSet(Value, Value),

    /// An assignment to a local whose type the option `locals` fixes.
    Coerce(Value, Name),
    /// `except Class`: does the exception (the handler's first parameter) match the class or tuple?
    ExceptMatch(Value, Value),
    /// Appends to the list that a comprehension builds; likewise for sets and dicts, and their displays.
    Append(Value, Value),
    SetAdd(Value, Value),
    DictSet(Value, Value, Value),
}

/// A piece of an f-string.
#[derive(Clone, Debug, PartialEq)]
pub enum FPart {
    Text(Arc<str>),
    /// Value, conversion (`s`, `r`, `a`, or none), format specification (itself an f-string's value).
    Value(Value, Option<char>, Option<Value>),
}

impl Function {
    pub fn block(&self, id: BlockId) -> &Block {
        &self.blocks[id.index()]
    }
    /// The blocks that control may go to from the end of `id` (handler excluded).
    pub fn successors(&self, id: BlockId) -> impl Iterator<Item = &Target> {
        self.block(id).term.targets()
    }
    /// Blocks in reverse postorder, handlers included: what follows a condition stays close to it, loops
    /// come before what follows them, handlers last.
    pub fn reverse_postorder(&self) -> Vec<BlockId> {
        let mut order = vec![];
        let mut seen = vec![false; self.blocks.len()];
        // Explicit stack: a block is pushed once to be opened and once to be closed.
        let mut stack = vec![(BlockId(0), false)];
        while let Some((block, close)) = stack.pop() {
            if close {
                order.push(block);
                continue;
            }
            if std::mem::replace(&mut seen[block.index()], true) {
                continue;
            }
            stack.push((block, true));
            stack.extend(self.block(block).edges().map(|t| (t.block, false)));
        }
        order.reverse();
        order
    }
    /// Whether a generator looks at what is sent to it.
    pub fn receives(&self) -> bool {
        let mut sent = vec![false; self.values.len()];
        for inst in self.blocks.iter().flat_map(|b| &b.insts) {
            sent[inst.result.index()] = matches!(inst.op, Op::Yield(_));
        }
        let mut receives = false;
        for block in &self.blocks {
            for inst in &block.insts {
                inst.op.for_each_operand(|v| receives |= sent[v.index()]);
            }
            let args = block.edges().flat_map(|t| &t.args);
            let all = block.term.operand().into_iter().chain(args.copied());
            receives |= all.into_iter().any(|v| sent[v.index()]);
        }
        receives
    }
    /// Position of a parameter that takes `*args`.
    pub fn star_param(&self) -> Option<usize> {
        self.params.iter().position(|p| p.kind == ParamKind::Star)
    }
}

impl Block {
    /// Every edge that leaves the block; the handler's comes last.
    pub fn edges(&self) -> impl Iterator<Item = &Target> {
        self.term.targets().chain(&self.handler)
    }
    pub fn edges_mut(&mut self) -> impl Iterator<Item = &mut Target> {
        self.term.targets_mut().chain(&mut self.handler)
    }
    /// Whether something in the block may raise an exception, for some types.
    pub fn may_raise(&self) -> bool {
        let raises = matches!(self.term, Terminator::Raise(_) | Terminator::Reraise(_));
        raises || self.insts.iter().any(|inst| inst.op.may_raise())
    }
}

impl Terminator {
    /// Where control may go.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        let (a, b) = match self {
            Terminator::Jump(t) => (Some(t), None),
            Terminator::Branch { then, other, .. } => (Some(then), Some(other)),
            _ => (None, None),
        };
        a.into_iter().chain(b)
    }
    pub fn targets_mut(&mut self) -> impl Iterator<Item = &mut Target> {
        let (a, b) = match self {
            Terminator::Jump(t) => (Some(t), None),
            Terminator::Branch { then, other, .. } => (Some(then), Some(other)),
            _ => (None, None),
        };
        a.into_iter().chain(b)
    }
    /// The value that the block's end depends on; arguments are the edges'.
    pub fn operand(&self) -> Option<Value> {
        match *self {
            Terminator::Branch { cond: v, .. }
            | Terminator::Return(v)
            | Terminator::Raise(v)
            | Terminator::Reraise(v) => Some(v),
            Terminator::Missing | Terminator::Jump(_) | Terminator::Unreachable => None,
        }
    }
    pub fn operand_mut(&mut self) -> Option<&mut Value> {
        match self {
            Terminator::Branch { cond: v, .. }
            | Terminator::Return(v)
            | Terminator::Raise(v)
            | Terminator::Reraise(v) => Some(v),
            Terminator::Missing | Terminator::Jump(_) | Terminator::Unreachable => None,
        }
    }
}

impl Op {
    /// Whether the instruction may raise an exception for some types.
    pub fn may_raise(&self) -> bool {
        if let Op::Tuple(items) = self {
            // `(*x,)` iterates.
            return items.iter().any(|item| matches!(item, Arg::Star(_)));
        }
        !matches!(
            self,
            Op::Literal(_)
                | Op::Unbound(_)
                | Op::IsBound(_)
                | Op::Global(_)
                | Op::Free(_)
                | Op::Truth(_)
                | Op::Slice(_)
                | Op::IterResult(_)
                | Op::WalkRange(..)
                | Op::WalkItem(..)
                | Op::Closure { .. }
                | Op::NewCell(_)
                | Op::CellBound(_)
                | Op::CellSet(..)
                | Op::ExceptMatch(..)
        )
    }

    /// Calls `f` with each operand.
    pub fn for_each_operand(&self, mut f: impl FnMut(Value)) {
        let mut arg = |a: &Arg| match *a {
            Arg::Plain(v) | Arg::Star(v) => f(v),
        };
        match self {
            Op::Literal(_)
            | Op::Unbound(_)
            | Op::Global(_)
            | Op::Free(_)
            | Op::NewCell(_)
            | Op::Set => {}
            Op::Unary(_, a)
            | Op::Truth(a)
            | Op::CheckBound(a, _)
            | Op::CheckFree(a, _)
            | Op::CellBound(a)
            | Op::IsBound(a)
            | Op::GetAttr(a, _)
            | Op::Iter(a)
            | Op::IterMore(a)
            | Op::IterItem(a)
            | Op::IterNext(a)
            | Op::IterResult(a)
            | Op::Yield(a)
            | Op::WalkRange(a, _)
            | Op::UnpackItem(a, _)
            | Op::CellGet(a, _)
            | Op::Coerce(a, _)
            | Op::Unpack { value: a, .. } => f(*a),
            Op::Binary(_, a, b)
            | Op::InPlace(_, a, b)
            | Op::Compare(_, a, b)
            | Op::SetAttr(a, _, b)
            | Op::GetItem(a, b)
            | Op::DelItem(a, b)
            | Op::CellSet(a, b)
            | Op::ExceptMatch(a, b)
            | Op::Append(a, b)
            | Op::SetAdd(a, b) => {
                f(*a);
                f(*b);
            }
            Op::SetItem(a, b, c) | Op::DictSet(a, b, c) => {
                f(*a);
                f(*b);
                f(*c);
            }
            Op::Tuple(items) | Op::List(items) => items.iter().for_each(arg),
            Op::Dict(items) => items.iter().for_each(|(key, value)| {
                f(*key);
                f(*value);
            }),
            Op::WalkItem(over, indices) => {
                f(*over);
                indices.iter().for_each(|v| f(*v));
            }
            Op::Slice(parts) => parts.iter().flatten().for_each(|v| f(*v)),
            Op::FString(parts) => parts.iter().for_each(|p| {
                if let FPart::Value(v, _, spec) = p {
                    f(*v);
                    if let Some(s) = spec {
                        f(*s);
                    }
                }
            }),
            Op::Call {
                callee,
                args,
                keywords,
            } => {
                arg(&Arg::Plain(*callee));
                args.iter().for_each(&mut arg);
                keywords.iter().for_each(|(_, v)| f(*v));
            }
            Op::Closure {
                captures, defaults, ..
            } => captures.iter().chain(defaults).for_each(|v| f(*v)),
        }
    }

    /// Calls `f` with each operand, to change it.
    pub fn for_each_operand_mut(&mut self, mut f: impl FnMut(&mut Value)) {
        match self {
            Op::Literal(_)
            | Op::Unbound(_)
            | Op::Global(_)
            | Op::Free(_)
            | Op::NewCell(_)
            | Op::Set => {}
            Op::Unary(_, a)
            | Op::Truth(a)
            | Op::CheckBound(a, _)
            | Op::CheckFree(a, _)
            | Op::CellBound(a)
            | Op::IsBound(a)
            | Op::GetAttr(a, _)
            | Op::Iter(a)
            | Op::IterMore(a)
            | Op::IterItem(a)
            | Op::IterNext(a)
            | Op::IterResult(a)
            | Op::Yield(a)
            | Op::WalkRange(a, _)
            | Op::UnpackItem(a, _)
            | Op::CellGet(a, _)
            | Op::Coerce(a, _)
            | Op::Unpack { value: a, .. } => f(a),
            Op::Binary(_, a, b)
            | Op::InPlace(_, a, b)
            | Op::Compare(_, a, b)
            | Op::SetAttr(a, _, b)
            | Op::GetItem(a, b)
            | Op::DelItem(a, b)
            | Op::CellSet(a, b)
            | Op::ExceptMatch(a, b)
            | Op::Append(a, b)
            | Op::SetAdd(a, b) => {
                f(a);
                f(b);
            }
            Op::SetItem(a, b, c) | Op::DictSet(a, b, c) => {
                f(a);
                f(b);
                f(c);
            }
            Op::Tuple(items) | Op::List(items) => {
                items.iter_mut().for_each(|item| f(item.value_mut()));
            }
            Op::Dict(items) => items.iter_mut().for_each(|(key, value)| {
                f(key);
                f(value);
            }),
            Op::WalkItem(over, indices) => {
                f(over);
                indices.iter_mut().for_each(f);
            }
            Op::Slice(parts) => parts.iter_mut().flatten().for_each(f),
            Op::FString(parts) => parts.iter_mut().for_each(|part| {
                if let FPart::Value(value, _, spec) = part {
                    f(value);
                    if let Some(spec) = spec {
                        f(spec);
                    }
                }
            }),
            Op::Call {
                callee,
                args,
                keywords,
            } => {
                f(callee);
                args.iter_mut().for_each(|arg| f(arg.value_mut()));
                keywords.iter_mut().for_each(|(_, value)| f(value));
            }
            Op::Closure {
                captures, defaults, ..
            } => {
                captures.iter_mut().chain(defaults).for_each(f);
            }
        }
    }
}

impl Arg {
    pub fn value(self) -> Value {
        match self {
            Arg::Plain(v) | Arg::Star(v) => v,
        }
    }
    pub fn value_mut(&mut self) -> &mut Value {
        match self {
            Arg::Plain(v) | Arg::Star(v) => v,
        }
    }
}
