//! One function: signature, blocks, phis, terminators, and trampolines.

use ferdelance_abi::rtfn::RtFn;
use ferdelance_compiler::tir::{
    FuncId, Function, Hint, LocId, PoolEntry, Rounds, Target, Term, Type, Value,
};
use inkwell::llvm_sys::LLVMIntPredicate::{LLVMIntNE, LLVMIntULT};
use smallvec::SmallVec;

use super::raw::{self, Block, Builder, LLVMOpcode, Place, Ty, Val};
use super::scalar_count;
use super::shared::{Form, Shared};

/// Stack slots up to this many bytes never skip the guard page.
const UNPROBED_STACK: u64 = 4096;

/// The state of emitting one function.
pub(super) struct Emitter<'s, 'a, 'c> {
    pub shared: &'s mut Shared<'a, 'c>,
    pub function: &'a Function,
    value: Val<'c>,
    form: Form,
    pub builder: Builder<'c>,
    /// Builds the entry block: parameters, stack slots.
    pub entry: Builder<'c>,
    /// Where each value's scalars start in `scalars`.
    first: Vec<u32>,
    scalars: Vec<Option<Val<'c>>>,
    blocks: Vec<BlockState<'c>>,
    out_slots: Vec<(usize, Ty<'c>, Val<'c>)>,
    pub stack_bytes: u64,
    /// Lowest stack address, passed in if the function is recursive.
    stack_limit: Option<Val<'c>>,
    location: Option<LocId>,
}

/// A TIR block in LLVM.
#[derive(Clone, Default)]
struct BlockState<'c> {
    /// None: cannot be reached.
    block: Option<Block<'c>>,
    /// Edges from blocks that can be reached.
    edges: u32,
    /// The phis of its parameters' scalars; none if there is one edge only.
    phis: SmallVec<[Val<'c>; 4]>,
}

/// Emits the body of a declared function.
pub(super) fn emit<'a, 'c>(shared: &mut Shared<'a, 'c>, id: FuncId) {
    let function = &shared.program.functions[id.index()];
    let callable = shared.function(id);
    let mut first = Vec::with_capacity(function.values.len());
    let mut count = 0;
    for &ty in &function.values {
        first.push(count);
        count += scalar_count(ty) as u32;
    }
    let context = shared.context;
    if let Some(debug) = &mut shared.debug {
        debug.enter(function, callable.value);
    }
    let emitter = Emitter {
        function,
        value: callable.value,
        form: callable.form,
        builder: Builder::new(context),
        entry: Builder::new(context),
        first,
        scalars: vec![None; count as usize],
        blocks: vec![BlockState::default(); function.blocks.len()],
        out_slots: Vec::new(),
        stack_bytes: 0,
        stack_limit: None,
        location: None,
        shared,
    };
    emitter.run();
}

impl<'c> Emitter<'_, '_, 'c> {
    fn run(mut self) {
        let context = self.shared.context;
        let entry_block = raw::append_block(context, self.value);
        self.entry.position(entry_block);
        let order = self.reverse_postorder();
        for &b in &order {
            self.blocks[b].block = Some(raw::append_block(context, self.value));
        }
        for &b in &order {
            self.make_phis(b);
        }
        if let Some(debug) = &self.shared.debug {
            self.entry.set_location(debug.definition());
        }
        self.take_parameters();
        for &b in &order {
            if let Some(block) = self.blocks[b].block {
                self.builder.position(block);
            }
            let block = &self.function.blocks[b];
            for inst in &block.insts {
                self.set_location(inst.loc);
                self.inst(inst);
            }
            self.set_location(block.term_loc);
            self.terminator(&block.term, block.rounds);
        }
        self.leave_entry();
        if self.stack_bytes > UNPROBED_STACK {
            let attribute = self.shared.nodes.string_attr("probe-stack", "inline-asm");
            self.value.add_attribute(Place::Function, attribute);
        }
    }

    /// Blocks that can be reached, each after its dominators; counts edges.
    fn reverse_postorder(&mut self) -> Vec<usize> {
        let blocks = &self.function.blocks;
        let mut postorder = Vec::with_capacity(blocks.len());
        let mut visited = vec![false; blocks.len()];
        visited[0] = true;
        // The edge into the entry block from outside.
        self.blocks[0].edges = 1;
        let mut stack = vec![(0, blocks[0].term.targets(), 0)];
        while let Some((block, targets, next)) = stack.last_mut() {
            if let Some(target) = targets.get(*next) {
                *next += 1;
                let to = target.block.index();
                self.blocks[to].edges += 1;
                if !std::mem::replace(&mut visited[to], true) {
                    stack.push((to, blocks[to].term.targets(), 0));
                }
            } else {
                postorder.push(*block);
                stack.pop();
            }
        }
        postorder.reverse();
        postorder
    }

    /// Phis for the parameters of a block with several incoming edges.
    fn make_phis(&mut self, b: usize) {
        let BlockState {
            block: Some(block),
            edges,
            ..
        } = self.blocks[b]
        else {
            return;
        };
        let params = &self.function.blocks[b].params;
        if edges < 2 || params.is_empty() {
            return;
        }
        self.builder.position(block);
        let mut phis = SmallVec::new();
        for &param in params {
            for (i, ty) in self
                .shared
                .scalars(self.function.ty(param))
                .into_iter()
                .enumerate()
            {
                let phi = self.builder.phi(ty);
                self.scalars[self.first[param.index()] as usize + i] = Some(phi);
                phis.push(phi);
            }
        }
        self.blocks[b].phis = phis;
    }

    /// The function's parameters, in the entry block, to block 0.
    fn take_parameters(&mut self) {
        let mut scalars: SmallVec<[Val<'c>; 16]> = SmallVec::new();
        match self.form {
            Form::Plain => {
                let mut next = 0;
                if self.function.recursive {
                    self.stack_limit = Some(self.value.param(0));
                    next = 1;
                }
                let count: usize = self
                    .function
                    .params
                    .iter()
                    .map(|&ty| scalar_count(ty))
                    .sum();
                scalars.extend((next..next + count).map(|i| self.value.param(i)));
            }
            Form::Entry => {
                let slots = Slots {
                    base: self.value.param(0),
                    next: 0,
                };
                scalars = load_arguments(self.shared, &self.entry, self.function, slots);
            }
        }
        self.pass(0, scalars.into_iter(), self.entry.block());
    }

    /// Gives a block's parameters values on an edge from `from`.
    fn pass(&mut self, to: usize, mut values: impl Iterator<Item = Val<'c>>, from: Block<'c>) {
        if !self.blocks[to].phis.is_empty() {
            for (phi, value) in self.blocks[to].phis.iter().zip(values) {
                phi.add_incoming(value, from);
            }
            return;
        }
        for &param in &self.function.blocks[to].params {
            let start = self.first[param.index()] as usize;
            for i in 0..scalar_count(self.function.ty(param)) {
                self.scalars[start + i] = values.next();
            }
        }
    }

    /// Ends the entry block, with the stack check where it is due.
    fn leave_entry(&mut self) {
        let Some(body) = self.blocks[0].block else {
            return;
        };
        let Some(limit) = self.stack_limit else {
            self.entry.jump(body);
            return;
        };
        let (ptr, i32_) = (self.shared.types.ptr, self.shared.types.i32);
        let (frame_address, ty) = self.shared.intrinsic("llvm.frameaddress", &[ptr]);
        let frame = self.entry.call(ty, frame_address, &[i32_.zero()]);
        // What is left below the frame is for those that do not check: stack slots are no part of it.
        let i64_ = self.shared.types.i64;
        let [frame, limit] =
            [frame, limit].map(|p| self.entry.cast(LLVMOpcode::LLVMPtrToInt, p, i64_));
        let slots = i64_.int(self.stack_bytes as i64);
        let lowest = self.entry.binary(LLVMOpcode::LLVMAdd, limit, slots);
        let below = self.entry.int_compare(LLVMIntULT, frame, lowest);
        let overflow = raw::append_block(self.shared.context, self.value);
        let branch = self.entry.branch(below, overflow, body);
        branch.set_metadata(self.shared.meta.prof, self.shared.meta.unlikely);
        self.builder.position(overflow);
        if let Some(debug) = &mut self.shared.debug {
            self.builder.set_location(debug.definition());
        }
        let location = self.definition();
        let location = self.shared.pool_index(location);
        let location = self.load_pool(location);
        let error = self.call_runtime(RtFn::recursion_error, &[location])[0];
        self.throw(error);
    }

    /// Where the function is defined, as errors say it.
    fn definition(&self) -> PoolEntry {
        let f = self.function;
        let own = f.locs.iter().find(|loc| loc.inlined_at.is_none());
        PoolEntry::Location {
            file: own.map_or_else(|| "<unknown>".into(), |loc| (&*loc.source.file).into()),
            function: f.name.clone(),
            line: own.map_or(0, |loc| loc.function_line),
            column: 0,
        }
    }

    /// The lowest stack address that a recursive callee may use.
    pub fn callee_stack_limit(&mut self) -> Val<'c> {
        match self.stack_limit {
            Some(limit) => limit,
            None => self.call_runtime(RtFn::stack_limit, &[])[0],
        }
    }

    fn set_location(&mut self, loc: LocId) {
        if self.location == Some(loc) {
            return;
        }
        self.location = Some(loc);
        if let Some(debug) = &mut self.shared.debug {
            self.builder
                .set_location(debug.location(self.function, loc));
        }
    }

    /// The scalars of a value.
    pub fn get_all(&self, v: Value) -> SmallVec<[Val<'c>; 8]> {
        let start = self.first[v.index()] as usize;
        let count = scalar_count(self.function.ty(v));
        self.scalars[start..start + count]
            .iter()
            .map(|s| self.defined(*s))
            .collect()
    }

    /// A scalar of a value.
    pub fn get_part(&self, v: Value, index: usize) -> Val<'c> {
        self.defined(self.scalars[self.first[v.index()] as usize + index])
    }

    /// The only scalar of a value.
    pub fn get(&self, v: Value) -> Val<'c> {
        self.get_part(v, 0)
    }

    /// Verified programs define values before they use them.
    fn defined(&self, scalar: Option<Val<'c>>) -> Val<'c> {
        scalar.unwrap_or_else(|| self.shared.types.ptr.poison())
    }

    pub fn set(&mut self, v: Value, scalars: impl IntoIterator<Item = Val<'c>>) {
        let start = self.first[v.index()] as usize;
        for (i, scalar) in scalars.into_iter().enumerate() {
            self.scalars[start + i] = Some(scalar);
        }
    }

    fn arguments(&self, target: &Target) -> SmallVec<[Val<'c>; 8]> {
        target.args.iter().flat_map(|&v| self.get_all(v)).collect()
    }

    fn terminator(&mut self, term: &Term, rounds: Rounds) {
        let mut taken: SmallVec<[&Target; 4]> = SmallVec::new();
        match term {
            Term::Jump(target) => {
                let to = self.edge(target, &mut taken);
                let jump = self.builder.jump(to);
                self.shared.mark_loop(jump, rounds);
            }
            Term::Branch {
                cond,
                then,
                other,
                hint,
            } => {
                let cond = self.get(*cond);
                let then = self.edge(then, &mut taken);
                let other = self.edge(other, &mut taken);
                let branch = self.builder.branch(cond, then, other);
                let meta = &self.shared.meta;
                match hint {
                    Hint::None => {}
                    Hint::Likely => branch.set_metadata(meta.prof, meta.likely),
                    Hint::Unlikely => branch.set_metadata(meta.prof, meta.unlikely),
                }
            }
            Term::Switch {
                value,
                cases,
                default,
            } => {
                let ty = self.shared.scalar(self.function.ty(*value));
                let value = self.get(*value);
                let default = self.edge(default, &mut taken);
                let switch = self.builder.switch(value, default, cases.len());
                for (case, target) in cases {
                    let to = self.edge(target, &mut taken);
                    switch.add_case(ty.int(*case), to);
                }
            }
            Term::Return(values) => {
                let scalars = values.iter().flat_map(|&v| self.get_all(v)).collect();
                self.give_back(scalars);
            }
            Term::Throw(error) => {
                let error = self.get(*error);
                self.throw(error);
            }
            Term::Unreachable | Term::Missing => self.builder.unreachable(),
        }
    }

    /// The block to branch to for an edge out of the current block, with the target's parameters
    /// passed. A second edge to the same block with other arguments gets a block of its own, since
    /// phis tell edges apart by the block that they come from.
    fn edge<'t>(&mut self, target: &'t Target, taken: &mut SmallVec<[&'t Target; 4]>) -> Block<'c> {
        let from = self.builder.block();
        let id = target.block.index();
        let to = self.blocks[id].block.unwrap_or(from);
        let args = self.arguments(target);
        let clash = |t: &&&Target| t.block == target.block && t.args != target.args;
        if taken.iter().any(|t| clash(&t)) {
            let between = raw::append_block(self.shared.context, self.value);
            self.pass(id, args.into_iter(), between);
            self.builder.position(between);
            self.builder.jump(to);
            self.builder.position(from);
            return between;
        }
        taken.push(target);
        self.pass(id, args.into_iter(), from);
        to
    }

    /// Returns results (without an error).
    fn give_back(&mut self, scalars: SmallVec<[Val<'c>; 8]>) {
        let null = self.shared.types.ptr.zero();
        match self.form {
            Form::Plain => {
                let mut all = scalars;
                all.extend(self.function.may_raise.then_some(null));
                self.return_scalars(&all);
            }
            Form::Entry => {
                let slots = Slots {
                    base: self.value.param(1),
                    next: 0,
                };
                let results = &self.function.results;
                store_slots(self.shared, &self.builder, results, slots, &scalars);
                self.builder.ret(Some(null));
            }
        }
    }

    /// Returns an error.
    fn throw(&mut self, error: Val<'c>) {
        match self.form {
            Form::Plain => {
                let types = self.shared.explode(&self.function.results);
                let mut all: SmallVec<[Val<'c>; 8]> = types.iter().map(|ty| ty.poison()).collect();
                all.push(error);
                self.return_scalars(&all);
            }
            Form::Entry => self.builder.ret(Some(error)),
        }
    }

    fn return_scalars(&self, scalars: &[Val<'c>]) {
        match scalars {
            [] => self.builder.ret(None),
            [one] => self.builder.ret(Some(*one)),
            _ => {
                let f = self.function;
                let mut all = self.shared.result_type(&f.results, f.may_raise).poison();
                for (i, &scalar) in scalars.iter().enumerate() {
                    all = self.builder.insert(all, scalar, i);
                }
                self.builder.ret(Some(all));
            }
        }
    }

    /// The stack slot for out-parameter `index` of runtime calls; calls share them.
    pub fn out_slot(&mut self, index: usize, ty: Ty<'c>) -> Val<'c> {
        let known = self
            .out_slots
            .iter()
            .find(|(i, t, _)| *i == index && *t == ty);
        if let Some((.., slot)) = known {
            return *slot;
        }
        let slot = self.entry.alloca(ty, 8);
        self.out_slots.push((index, ty, slot));
        slot
    }

    /// A new block of this function.
    pub fn new_block(&self) -> Block<'c> {
        raw::append_block(self.shared.context, self.value)
    }
}

/// A position in an area of 8-byte slots.
pub(super) struct Slots<'c> {
    pub base: Val<'c>,
    pub next: i64,
}

impl<'c> Slots<'c> {
    /// The address of the next slot.
    fn take(&mut self, shared: &Shared<'_, 'c>, builder: &Builder<'c>) -> Val<'c> {
        let index = shared.types.i64.int(self.next);
        self.next += 1;
        builder.element(shared.types.i64, self.base, index)
    }
}

/// Loads the scalars of a function's parameters from slots.
fn load_arguments<'c>(
    shared: &Shared<'_, 'c>,
    builder: &Builder<'c>,
    function: &Function,
    mut slots: Slots<'c>,
) -> SmallVec<[Val<'c>; 16]> {
    let meta = &shared.meta;
    let mut scalars = SmallVec::new();
    for &param in &function.params {
        let rank = if let Type::Array(rank) = param {
            rank as usize
        } else {
            0
        };
        for (i, ty) in shared.scalars(param).into_iter().enumerate() {
            let slot = slots.take(shared, builder);
            let memory_type = if param == Type::I1 {
                shared.types.i8
            } else {
                ty
            };
            let value = builder.load(memory_type, slot, 8);
            value.set_metadata(meta.noundef, meta.empty);
            value.set_metadata(meta.invariant, meta.empty);
            if (2..2 + rank).contains(&i) {
                value.set_metadata(meta.range, meta.not_negative);
            }
            scalars.push(if param == Type::I1 {
                builder.int_compare(LLVMIntNE, value, memory_type.zero())
            } else {
                value
            });
        }
    }
    scalars
}

/// Stores the scalars of values of these types into slots, whole slots.
pub(super) fn store_slots<'c>(
    shared: &Shared<'_, 'c>,
    builder: &Builder<'c>,
    values: &[Type],
    mut slots: Slots<'c>,
    scalars: &[Val<'c>],
) {
    let types = &shared.types;
    let mut scalars = scalars.iter();
    for &ty in values {
        for &scalar in scalars.by_ref().take(scalar_count(ty)) {
            let whole = match ty {
                Type::I1 => builder.cast(LLVMOpcode::LLVMZExt, scalar, types.i64),
                Type::I8 | Type::I16 | Type::I32 => {
                    builder.cast(LLVMOpcode::LLVMSExt, scalar, types.i64)
                }
                Type::F32 => {
                    let bits = builder.cast(LLVMOpcode::LLVMBitCast, scalar, types.i32);
                    builder.cast(LLVMOpcode::LLVMZExt, bits, types.i64)
                }
                _ => scalar,
            };
            let slot = slots.take(shared, builder);
            builder.store(whole, slot, 8);
        }
    }
}

/// Emits the trampoline of a function that compiled code calls as well: slots in, slots out.
pub(super) fn emit_trampoline<'c>(shared: &mut Shared<'_, 'c>, id: FuncId) -> Val<'c> {
    let function = &shared.program.functions[id.index()];
    let callee = shared.function(id);
    let trampoline = shared.declare_entry(&super::entry_symbol(function)).value;
    shared.add_function_attributes(trampoline);
    let context = shared.context;
    let builder = Builder::new(context);
    builder.position(raw::append_block(context, trampoline));

    let mut args: SmallVec<[Val<'c>; 16]> = SmallVec::new();
    if function.recursive {
        let stack_limit = shared.runtime(RtFn::stack_limit);
        args.push(stack_limit.call(&builder, &[]));
    }
    let slots = Slots {
        base: trampoline.param(0),
        next: 0,
    };
    args.extend(load_arguments(shared, &builder, function, slots));
    let returned = builder.call(callee.ty, callee.value, &args);

    let count: usize = function.results.iter().map(|&ty| scalar_count(ty)).sum();
    let all = split_result(&builder, returned, count + usize::from(function.may_raise));
    let slots = Slots {
        base: trampoline.param(1),
        next: 0,
    };
    if !function.may_raise {
        store_slots(shared, &builder, &function.results, slots, &all);
        builder.ret(Some(shared.types.ptr.zero()));
        return trampoline;
    }
    let error = all[count];
    let raised = builder.int_compare(LLVMIntNE, error, shared.types.ptr.zero());
    let failed = raw::append_block(context, trampoline);
    let fine = raw::append_block(context, trampoline);
    let branch = builder.branch(raised, failed, fine);
    branch.set_metadata(shared.meta.prof, shared.meta.unlikely);
    builder.position(failed);
    builder.ret(Some(error));
    builder.position(fine);
    store_slots(shared, &builder, &function.results, slots, &all[..count]);
    builder.ret(Some(shared.types.ptr.zero()));
    trampoline
}

/// The scalars of what a call returned.
pub(super) fn split_result<'c>(
    builder: &Builder<'c>,
    returned: Val<'c>,
    count: usize,
) -> SmallVec<[Val<'c>; 8]> {
    match count {
        0 => SmallVec::new(),
        1 => smallvec::smallvec![returned],
        _ => (0..count).map(|i| builder.extract(returned, i)).collect(),
    }
}
