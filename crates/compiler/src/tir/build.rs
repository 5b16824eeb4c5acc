//! The builder that lowering writes TIR with: appends to a current block, folds constants on the way.

use std::sync::Arc;

use ferdelance_abi::rtfn::{Effect, RtFn, RtTy};
use ferdelance_abi::settings::Options;
use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};

use super::nest::{Item, Subview};
use super::{
    Bin, Block, BlockId, CSignature, Cast, Cmp, FuncId, Function, Hint, Inst, Loc, LocId, Mem, Op,
    Part, PoolId, Rounds, Table, Target, Term, Type, Un, Value,
};
use crate::types::Layout;

/// The machine type of a runtime function's parameter or result.
pub fn rt_type(t: RtTy) -> Type {
    match t {
        RtTy::I1 => Type::I1,
        RtTy::I32 => Type::I32,
        RtTy::I64 => Type::I64,
        RtTy::F32 => Type::F32,
        RtTy::F64 => Type::F64,
        RtTy::Ptr => Type::Ptr,
        RtTy::Obj => Type::Obj,
        RtTy::Owner => Type::Owner,
        RtTy::Err => Type::Err,
    }
}

/// Writes one function.
#[derive(Debug)]
pub struct Builder {
    pub func: Function,
    /// Where instructions are appended.
    block: BlockId,
    loc: LocId,
    /// What each value is, if it is an integer constant (for folding).
    ints: Vec<Option<i64>>,
    /// For integers converted from floats that were integral already: those floats.
    integral: FxHashMap<Value, Value>,
}

impl Builder {
    /// An empty function with its entry block, whose parameters are the function's.
    pub fn new(
        symbol: Arc<str>,
        name: Arc<str>,
        params: &[Type],
        results: &[Type],
        options: Options,
    ) -> Builder {
        let func = Function {
            symbol,
            name,
            params: params.to_vec(),
            results: results.to_vec(),
            may_raise: false,
            recursive: false,
            options,
            generator: None,
            blocks: vec![],
            values: vec![],
            locs: vec![],
        };
        let mut b = Builder {
            func,
            block: BlockId(0),
            loc: LocId(0),
            ints: vec![],
            integral: FxHashMap::default(),
        };
        let entry = b.new_block();
        for &ty in params {
            b.add_param(entry, ty);
        }
        b
    }

    /// Goes on with a function that is there already.
    pub fn resume(func: Function) -> Builder {
        let mut ints = vec![None; func.values.len()];
        for inst in func.blocks.iter().flat_map(|b| &b.insts) {
            if let Op::Int(value) = inst.op {
                ints[inst.results[0].index()] = Some(value);
            }
        }
        Builder {
            func,
            block: BlockId(0),
            loc: LocId(0),
            ints,
            integral: FxHashMap::default(),
        }
    }

    // ---- blocks and locations ----

    pub fn new_block(&mut self) -> BlockId {
        self.func.blocks.push(Block::default());
        BlockId(self.func.blocks.len() as u32 - 1)
    }

    pub fn add_param(&mut self, block: BlockId, ty: Type) -> Value {
        let v = self.value(ty);
        self.func.blocks[block.index()].params.push(v);
        v
    }

    /// Makes a value that is not defined yet a parameter of a block.
    pub fn adopt_param(&mut self, block: BlockId, v: Value) {
        self.func.blocks[block.index()].params.push(v);
    }

    pub fn switch_to(&mut self, block: BlockId) {
        self.block = block;
    }

    /// Takes the instructions out of a block.
    pub fn take_insts(&mut self, block: BlockId) -> Vec<Inst> {
        std::mem::take(&mut self.func.blocks[block.index()].insts)
    }

    pub fn current(&self) -> BlockId {
        self.block
    }

    /// Whether the current block has its terminator.
    pub fn is_closed(&self) -> bool {
        !matches!(self.func.blocks[self.block.index()].term, Term::Missing)
    }

    /// Sets the location of what follows; a new entry unless it equals the latest one.
    pub fn set_loc(&mut self, loc: Loc) {
        if self.func.locs.last() != Some(&loc) {
            self.func.locs.push(loc);
        }
        self.loc = LocId(self.func.locs.len() as u32 - 1);
    }

    /// Sets the location of what follows to one that the function has.
    pub fn set_loc_id(&mut self, loc: LocId) {
        self.loc = loc;
    }

    pub fn loc_id(&self) -> LocId {
        self.loc
    }

    pub fn loc(&self) -> &Loc {
        &self.func.locs[self.loc.index()]
    }

    /// A new value, to be defined in a nest.
    pub fn value(&mut self, ty: Type) -> Value {
        self.ints.push(None);
        self.func.new_value(ty)
    }

    /// Appends an instruction that defines a value that is there already.
    pub fn define(&mut self, value: Value, op: Op) {
        let inst = Inst {
            op,
            results: smallvec::smallvec![value],
            loc: self.loc,
        };
        self.func.blocks[self.block.index()].insts.push(inst);
    }

    pub fn ty(&self, v: Value) -> Type {
        self.func.ty(v)
    }

    /// The value's integer constant, if it is one.
    pub fn as_int(&self, v: Value) -> Option<i64> {
        self.ints[v.index()]
    }

    /// Appends an instruction with these result types.
    pub fn push(&mut self, op: Op, results: &[Type]) -> SmallVec<[Value; 2]> {
        debug_assert!(
            !self.is_closed(),
            "instruction after the end of {}",
            self.block
        );
        let results: SmallVec<[Value; 2]> = results.iter().map(|&t| self.value(t)).collect();
        let inst = Inst {
            op,
            results: results.clone(),
            loc: self.loc,
        };
        self.func.blocks[self.block.index()].insts.push(inst);
        results
    }

    fn one(&mut self, op: Op, ty: Type) -> Value {
        self.push(op, &[ty])[0]
    }

    // ---- terminators ----

    pub fn terminate(&mut self, term: Term) {
        debug_assert!(!self.is_closed(), "second end of {}", self.block);
        let loc = self.loc;
        let block = &mut self.func.blocks[self.block.index()];
        block.term = term;
        block.term_loc = loc;
    }

    /// Says what is known of the loop that the current block closes.
    pub fn set_rounds(&mut self, rounds: Rounds) {
        self.func.blocks[self.block.index()].rounds = rounds;
    }

    pub fn jump(&mut self, block: BlockId, args: &[Value]) {
        self.terminate(Term::Jump(Target {
            block,
            args: args.into(),
        }));
    }

    /// Branches to two blocks without parameters.
    pub fn branch(&mut self, cond: Value, then: BlockId, other: BlockId, hint: Hint) {
        if let Some(c) = self.as_int(cond) {
            return self.jump(if c & 1 == 1 { then } else { other }, &[]);
        }
        let target = |block| Target {
            block,
            args: smallvec![],
        };
        self.terminate(Term::Branch {
            cond,
            then: target(then),
            other: target(other),
            hint,
        });
    }

    /// Branches to two blocks, each with the arguments for its parameters.
    pub fn branch_with(
        &mut self,
        cond: Value,
        then: (BlockId, &[Value]),
        other: (BlockId, &[Value]),
    ) {
        let target = |(block, args): (BlockId, &[Value])| Target {
            block,
            args: args.into(),
        };
        self.terminate(Term::Branch {
            cond,
            then: target(then),
            other: target(other),
            hint: Hint::None,
        });
    }

    /// Goes on in a new block if `cond` is false and to the returned cold block if it is true.
    /// `None` when the condition is known to be false: there is no cold path.
    pub fn cold_if(&mut self, cond: Value) -> Option<(BlockId, BlockId)> {
        if self.as_int(cond) == Some(0) {
            return None;
        }
        let cold = self.new_block();
        let next = self.new_block();
        self.branch(cond, cold, next, Hint::Unlikely);
        Some((cold, next))
    }

    // ---- constants ----

    pub fn int(&mut self, ty: Type, value: i64) -> Value {
        let value = wrap(value, ty);
        let v = self.one(Op::Int(value), ty);
        self.ints[v.index()] = Some(value);
        v
    }
    pub fn i64(&mut self, value: i64) -> Value {
        self.int(Type::I64, value)
    }
    pub fn bool(&mut self, value: bool) -> Value {
        self.int(Type::I1, i64::from(value))
    }
    pub fn float(&mut self, ty: Type, value: f64) -> Value {
        let value = if ty == Type::F32 {
            f64::from(value as f32)
        } else {
            value
        };
        self.one(Op::Float(value.to_bits()), ty)
    }
    pub fn null(&mut self, ty: Type) -> Value {
        self.one(Op::Null, ty)
    }
    pub fn undef(&mut self, ty: Type) -> Value {
        self.one(Op::Undef, ty)
    }
    pub fn pool(&mut self, id: PoolId, ty: Type) -> Value {
        self.one(Op::Pool(id), ty)
    }

    // ---- arithmetic ----

    pub fn binary(&mut self, op: Bin, a: Value, b: Value) -> Value {
        self.binary_flags(op, a, b, false)
    }

    /// Signed overflow does not happen: index arithmetic.
    pub fn binary_nsw(&mut self, op: Bin, a: Value, b: Value) -> Value {
        self.binary_flags(op, a, b, true)
    }

    fn binary_flags(&mut self, op: Bin, a: Value, b: Value, nsw: bool) -> Value {
        let ty = self.ty(a);
        debug_assert_eq!(ty, self.ty(b), "operands of {op:?}");
        match (self.as_int(a), self.as_int(b)) {
            (Some(x), Some(y)) => {
                if let Some(r) = fold(op, x, y) {
                    return self.int(ty, r);
                }
            }
            (Some(0), None) if matches!(op, Bin::Add | Bin::Or | Bin::Xor) => return b,
            (None, Some(0))
                if matches!(
                    op,
                    Bin::Add | Bin::Sub | Bin::Or | Bin::Xor | Bin::Shl | Bin::AShr | Bin::LShr
                ) =>
            {
                return a;
            }
            (Some(1), None) if matches!(op, Bin::Mul | Bin::Fit) => return b,
            (None, Some(1)) if matches!(op, Bin::Mul | Bin::Fit) => return a,
            _ => {}
        }
        self.one(Op::Binary { op, a, b, nsw }, ty)
    }

    pub fn unary(&mut self, op: Un, a: Value) -> Value {
        let ty = self.ty(a);
        if let Some(x) = self.as_int(a) {
            match op {
                Un::Neg => return self.int(ty, x.wrapping_neg()),
                Un::Not => return self.int(ty, !x),
                _ => {}
            }
        }
        self.one(Op::Unary(op, a), ty)
    }

    pub fn not(&mut self, a: Value) -> Value {
        self.unary(Un::Not, a)
    }

    pub fn cmp(&mut self, op: Cmp, a: Value, b: Value) -> Value {
        debug_assert_eq!(self.ty(a), self.ty(b), "operands of {op:?}");
        if let (Some(x), Some(y)) = (self.as_int(a), self.as_int(b)) {
            let r = match op {
                Cmp::Eq => x == y,
                Cmp::Ne => x != y,
                Cmp::SLt => x < y,
                Cmp::SLe => x <= y,
                Cmp::SGt => x > y,
                Cmp::SGe => x >= y,
                Cmp::ULt => (x as u64) < y as u64,
                Cmp::ULe => x as u64 <= y as u64,
                Cmp::UGt => x as u64 > y as u64,
                Cmp::UGe => x as u64 >= y as u64,
                Cmp::Unfit => x != y && x != 1 && y != 1,
                _ => return self.one(Op::Compare(op, a, b), Type::I1),
            };
            return self.bool(r);
        }
        if op == Cmp::Unfit && [a, b].iter().any(|&n| self.as_int(n) == Some(1)) {
            return self.bool(false);
        }
        self.one(Op::Compare(op, a, b), Type::I1)
    }

    pub fn cast(&mut self, cast: Cast, a: Value, to: Type) -> Value {
        if let Some(x) = self.as_int(a) {
            match cast {
                Cast::Trunc | Cast::SExt => return self.int(to, x),
                Cast::ZExt => {
                    let bits = self.ty(a).bits();
                    let mask = if bits == 64 { -1 } else { (1i64 << bits) - 1 };
                    return self.int(to, x & mask);
                }
                Cast::SIToFP => return self.float(to, x as f64),
                Cast::UIToFP if self.ty(a) == Type::I64 => return self.float(to, x as u64 as f64),
                Cast::UIToFP if x >= 0 => return self.float(to, x as f64),
                _ => {}
            }
        }
        // Back from where it came: exact, and for values that no integer holds it is what Python has.
        if let (Cast::SIToFP, Some(&float)) = (cast, self.integral.get(&a))
            && self.ty(float) == to
        {
            return float;
        }
        self.one(Op::Cast(cast, a), to)
    }

    /// A float that is integral (or NaN, or infinite) as an integer.
    pub fn integral_to_int(&mut self, float: Value) -> Value {
        let int = self.cast(Cast::FPToSI, float, Type::I64);
        self.integral.insert(int, float);
        int
    }

    pub fn select(&mut self, cond: Value, then: Value, other: Value) -> Value {
        if then == other {
            return then;
        }
        if let Some(c) = self.as_int(cond) {
            return if c & 1 == 1 { then } else { other };
        }
        let ty = self.ty(then);
        self.one(Op::Select { cond, then, other }, ty)
    }

    /// `a * b + c`, rounded once.
    pub fn fma(&mut self, a: Value, b: Value, c: Value) -> Value {
        let ty = self.ty(a);
        self.one(Op::Fma { a, b, c }, ty)
    }

    pub fn lookup(&mut self, ty: Type, table: &'static Table, index: Value) -> Value {
        self.one(Op::Lookup { table, index }, ty)
    }

    /// `cond ? func(args) : fast`, rarely.
    pub fn rare(&mut self, cond: Value, fast: Value, func: RtFn, args: &[Value]) -> Value {
        let ty = self.ty(fast);
        self.one(
            Op::Rare {
                cond,
                fast,
                func,
                args: args.into(),
            },
            ty,
        )
    }

    // ---- memory and arrays ----

    pub fn load(&mut self, ty: Type, ptr: Value, align: u8, mem: Mem) -> Value {
        self.one(Op::Load { ptr, align, mem }, ty)
    }
    pub fn store(&mut self, ptr: Value, value: Value, align: u8, mem: Mem) {
        self.push(
            Op::Store {
                ptr,
                value,
                align,
                mem,
            },
            &[],
        );
    }
    /// The parts of an item, one after the other in memory.
    pub fn load_parts(
        &mut self,
        ptr: Value,
        types: &[Type],
        align: u8,
        mem: Mem,
    ) -> SmallVec<[Value; 4]> {
        let mut offset = 0;
        types
            .iter()
            .map(|&ty| {
                let at = self.i64(offset);
                let ptr = self.offset(ptr, at);
                offset += i64::from(ty.bytes());
                self.load(ty, ptr, align, mem)
            })
            .collect()
    }
    pub fn store_parts(&mut self, ptr: Value, values: &[Value], align: u8, mem: Mem) {
        let mut offset = 0;
        for &v in values {
            let at = self.i64(offset);
            let ptr = self.offset(ptr, at);
            offset += i64::from(self.ty(v).bytes());
            self.store(ptr, v, align, mem);
        }
    }
    /// The strides of a contiguous array of this shape, whose items are `size` bytes large.
    pub fn contiguous_strides(
        &mut self,
        size: Value,
        layout: Layout,
        shape: &[Value],
    ) -> SmallVec<[Value; 4]> {
        let rank = shape.len();
        let mut strides: SmallVec<[Value; 4]> = smallvec![size; rank];
        let mut stride = size;
        for k in 0..rank {
            let dim = if layout == Layout::F { k } else { rank - 1 - k };
            strides[dim] = stride;
            if k + 1 < rank {
                stride = self.binary_nsw(Bin::Mul, stride, shape[dim]);
            }
        }
        strides
    }
    /// Writes a managed value to an item of a list; the one that was there.
    pub fn exchange(&mut self, ptr: Value, value: Value) -> Value {
        let ty = self.ty(value);
        self.one(
            Op::Exchange {
                ptr,
                value,
                mem: Mem::Items,
            },
            ty,
        )
    }
    pub fn offset(&mut self, base: Value, offset: Value) -> Value {
        if self.as_int(offset) == Some(0) {
            return base;
        }
        self.one(Op::Offset { base, offset }, Type::Ptr)
    }
    pub fn element(&mut self, base: Value, index: Value, size: u32) -> Value {
        self.one(Op::Element { base, index, size }, Type::Ptr)
    }
    pub fn stack_slot(&mut self, size: u32, align: u8) -> Value {
        self.one(Op::StackSlot { size, align }, Type::Ptr)
    }
    pub fn make_array(
        &mut self,
        owner: Value,
        data: Value,
        shape: &[Value],
        strides: &[Value],
    ) -> Value {
        let op = Op::MakeArray {
            owner,
            data,
            shape: shape.into(),
            strides: strides.into(),
        };
        self.one(op, Type::Array(shape.len() as u8))
    }
    pub fn view(&mut self, base: Value, data: Value, shape: &[Value], strides: &[Value]) -> Value {
        let op = Op::View {
            base,
            data,
            shape: shape.into(),
            strides: strides.into(),
        };
        self.one(op, Type::Array(shape.len() as u8))
    }
    /// A view by indices; whole arrays are themselves.
    pub fn subview(&mut self, view: Subview) -> Value {
        let rank = view.axes.len() as u8;
        self.one(Op::Subview(Box::new(view)), Type::Array(rank))
    }
    pub fn part(&mut self, array: Value, part: Part) -> Value {
        let ty = match part {
            Part::Owner => Type::Owner,
            Part::Data => Type::Ptr,
            Part::Shape(_) | Part::Stride(_) => Type::I64,
        };
        self.one(Op::ArrayPart(array, part), ty)
    }

    /// Whether the stretches of memory that two arrays lie in have bytes in common.
    pub fn touch(&mut self, a: (Value, Item), b: (Value, Item)) -> Value {
        let ((low_a, high_a), (low_b, high_b)) = (self.bounds(a), self.bounds(b));
        let before = self.cmp(Cmp::ULt, low_a, high_b);
        let after = self.cmp(Cmp::ULt, low_b, high_a);
        self.binary(Bin::And, before, after)
    }

    /// The addresses between which an array's items lie, at least.
    fn bounds(&mut self, (array, item): (Value, Item)) -> (Value, Value) {
        let Type::Array(rank) = self.ty(array) else {
            return (array, array);
        };
        let data = self.part(array, Part::Data);
        let mut low = self.cast(Cast::PtrToInt, data, Type::I64);
        let size = self.i64(i64::from(item.size));
        let mut high = self.binary(Bin::Add, low, size);
        let (zero, one) = (self.i64(0), self.i64(1));
        for dim in 0..rank {
            let (n, stride) = (
                self.part(array, Part::Shape(dim)),
                self.part(array, Part::Stride(dim)),
            );
            let last = self.binary(Bin::Sub, n, one);
            let span = self.binary(Bin::Mul, last, stride);
            let (down, up) = (
                self.binary(Bin::SMin, span, zero),
                self.binary(Bin::SMax, span, zero),
            );
            low = self.binary(Bin::Add, low, down);
            high = self.binary(Bin::Add, high, up);
        }
        (low, high)
    }

    // ---- calls ----

    /// A runtime function that cannot raise.
    pub fn rt(&mut self, func: RtFn, args: &[Value]) -> SmallVec<[Value; 2]> {
        let info = func.info();
        debug_assert_eq!(info.params.len(), args.len(), "arguments of {}", info.name);
        let mut results: SmallVec<[Type; 3]> = info.results.iter().map(|&t| rt_type(t)).collect();
        if info.effect == Effect::Raises {
            results.push(Type::Err);
        }
        self.push(
            Op::Rt {
                func,
                args: args.into(),
            },
            &results,
        )
    }

    /// A runtime function with one result that cannot raise.
    pub fn rt1(&mut self, func: RtFn, args: &[Value]) -> Value {
        self.rt(func, args)[0]
    }

    /// A call of a function by its address; the error comes last.
    pub fn call_indirect(
        &mut self,
        pointer: Value,
        args: &[Value],
        results: &[Type],
    ) -> SmallVec<[Value; 2]> {
        let mut types: SmallVec<[Type; 4]> = results.into();
        types.push(Type::Err);
        self.push(
            Op::CallIndirect {
                pointer,
                args: args.into(),
            },
            &types,
        )
    }

    /// The address of a function of `Program::generators`, or of its trampoline.
    pub fn function_address(&mut self, func: FuncId, entry: bool) -> Value {
        self.one(Op::FunctionAddress { func, entry }, Type::Ptr)
    }

    /// A generator, and the error.
    pub fn new_generator(&mut self, func: FuncId, args: &[Value]) -> SmallVec<[Value; 2]> {
        let args = args.into();
        self.push(Op::NewGenerator { func, args }, &[Type::Obj, Type::Err])
    }

    /// Runs a generator on: whether it has yielded, the item, the result, and the error.
    pub fn resume_generator(
        &mut self,
        object: Value,
        closing: Value,
        sent: &[Value],
        item: &[Type],
        result: &[Type],
    ) -> SmallVec<[Value; 2]> {
        let mut types: SmallVec<[Type; 4]> = smallvec![Type::I1];
        types.extend(item.iter().chain(result).copied());
        types.push(Type::Err);
        let args = std::iter::once(closing)
            .chain(sent.iter().copied())
            .collect();
        self.push(Op::Resume { object, args }, &types)
    }

    /// A call of a C function by its address.
    pub fn call_c(
        &mut self,
        pointer: Value,
        args: &[Value],
        signature: CSignature,
    ) -> SmallVec<[Value; 2]> {
        let results = signature.result.machine();
        self.push(
            Op::CallC {
                pointer,
                args: args.into(),
                signature: Box::new(signature),
            },
            &results,
        )
    }

    /// Runs a loop in chunks: the address of their results, their number, and the error.
    pub fn parallel(
        &mut self,
        func: FuncId,
        rounds: Value,
        work: Value,
        args: &[Value],
    ) -> SmallVec<[Value; 2]> {
        let op = Op::Parallel {
            func,
            rounds,
            work,
            args: args.into(),
        };
        self.push(op, &[Type::Ptr, Type::I64, Type::Err])
    }

    /// A call of a function of the program; the error comes last if there is one.
    pub fn call(&mut self, func: FuncId, args: &[Value], results: &[Type]) -> SmallVec<[Value; 2]> {
        self.push(
            Op::Call {
                func,
                args: args.into(),
            },
            results,
        )
    }
}

/// `value` as the signed integer that its low bits are in `ty` (an I1 is 0 or 1).
fn wrap(value: i64, ty: Type) -> i64 {
    match ty {
        Type::I1 => value & 1,
        Type::I8 => i64::from(value as i8),
        Type::I16 => i64::from(value as i16),
        Type::I32 => i64::from(value as i32),
        _ => value,
    }
}

fn fold(op: Bin, x: i64, y: i64) -> Option<i64> {
    Some(match op {
        Bin::Add => x.wrapping_add(y),
        Bin::Sub => x.wrapping_sub(y),
        Bin::Mul => x.wrapping_mul(y),
        Bin::And => x & y,
        Bin::Or => x | y,
        Bin::Xor => x ^ y,
        Bin::SMin => x.min(y),
        Bin::SMax => x.max(y),
        Bin::Fit if x == 1 => y,
        Bin::Fit => x,
        _ => return None,
    })
}
