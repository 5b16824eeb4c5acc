//! What a well-formed program is: checked after each pass in debug builds, and always before emission.
//!
//! Emission relies on this check: with operands of the wrong type, LLVM's builder has undefined
//! behaviour.

use ferdelance_abi::rtfn::{Effect, RtTy};

use super::data::*;
use super::dominators::Dominators;
use super::nest::{Access, Axis, Nest, OutputKind, Subview};

/// `Err` with a formatted message unless the condition holds.
macro_rules! ensure {
    ($cond:expr, $($message:tt)*) => {
        if !$cond {
            return Err(format!($($message)*));
        }
    };
}

impl Program {
    /// Checks that the program can be emitted: every function is well formed, has no operation on whole
    /// arrays left, and the program's tables refer to what exists.
    pub fn verify(&self) -> Result<(), String> {
        if let Some(entry) = self
            .entries
            .iter()
            .find(|e| e.index() >= self.functions.len())
        {
            return Err(format!("entry {entry} does not exist"));
        }
        for id in &self.pointers {
            let function = self.functions.get(id.index());
            let function = function.ok_or_else(|| format!("function {id} does not exist"))?;
            ensure!(
                function.may_raise,
                "{} is called by address, so it may raise",
                function.symbol
            );
        }
        for entry in &self.c_entries {
            let function = self.functions.get(entry.func.index());
            let function =
                function.ok_or_else(|| format!("entry {} does not exist", entry.func))?;
            let fits = function.params == entry.signature.params()
                && function.results.as_slice() == entry.signature.result.machine().as_slice();
            ensure!(fits, "{} has another C signature", function.symbol);
            let blamed = self.pool.get(entry.blame.index());
            ensure!(
                matches!(blamed, Some(PoolEntry::Object(_))),
                "{} is no object",
                entry.blame
            );
        }
        let mut symbols: Vec<&str> = self.functions.iter().map(|f| &*f.symbol).collect();
        symbols.sort_unstable();
        if let Some(twice) = symbols.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("symbol {} is used twice", twice[0]));
        }
        for inst in self
            .functions
            .iter()
            .flat_map(|f| &f.blocks)
            .flat_map(|b| &b.insts)
        {
            ensure!(
                !matches!(inst.op, Op::Nest(_) | Op::Subview(_)),
                "`{}` was not expanded",
                inst.op
            );
            let of_generators = matches!(
                inst.op,
                Op::NewGenerator { .. } | Op::Resume { .. } | Op::Yield { .. } | Op::Received
            );
            ensure!(!of_generators, "`{}` was left", inst.op);
            if let Op::Parallel { func, .. } = inst.op {
                ensure!(self.regions.contains(&func), "{func} is no region");
            }
            if let Op::FunctionAddress { func, .. } = inst.op {
                let known = self.generators.contains(&func);
                ensure!(known, "{func} is not called by address");
            }
        }
        self.functions.iter().try_for_each(|f| f.verify(self))
    }
}

impl Function {
    /// Checks one function of `program`.
    pub fn verify(&self, program: &Program) -> Result<(), String> {
        let mut check = Check::new(self, program);
        check.run().map_err(|what| {
            let at = match check.at {
                At::Function => String::new(),
                At::Inst(block, i) => {
                    let inst = &self.blocks[block].insts[i];
                    format!(" at b{block}, `{}`", inst.op)
                }
                At::Term(block) => format!(" at b{block}, `{}`", self.blocks[block].term),
            };
            format!("{}: {what}{at}", self.symbol)
        })
    }
}

/// What is being checked, for messages.
#[derive(Clone, Copy)]
enum At {
    Function,
    Inst(usize, usize),
    Term(usize),
}

/// Where a value is defined: its block and the number of instructions before the definition's end.
#[derive(Clone, Copy)]
struct Def {
    block: u32,
    /// 0 for parameters of the block, otherwise 1 + the instruction's index.
    position: u32,
}

/// The block of values that are defined inside of a nest.
const LOCAL: u32 = u32::MAX;

fn define(defs: &mut [Option<Def>], v: Value, def: Def) -> Checked {
    let Some(known) = defs.get_mut(v.index()) else {
        return Err(format!("{v} has no type"));
    };
    ensure!(known.is_none(), "{v} is defined twice");
    *known = Some(def);
    Ok(())
}

struct Check<'a> {
    function: &'a Function,
    program: &'a Program,
    defs: Vec<Option<Def>>,
    at: At,
}

type Checked = Result<(), String>;

fn type_of_rt(ty: RtTy) -> Type {
    match ty {
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

impl<'a> Check<'a> {
    fn new(function: &'a Function, program: &'a Program) -> Self {
        Check {
            function,
            program,
            defs: vec![None; function.values.len()],
            at: At::Function,
        }
    }

    fn run(&mut self) -> Checked {
        let f = self.function;
        ensure!(!f.blocks.is_empty(), "no blocks");
        ensure!(!f.recursive || f.may_raise, "recursive, so it may raise");
        self.locations()?;
        self.definitions()?;
        let entry: Vec<Type> = f.blocks[0].params.iter().map(|&v| f.ty(v)).collect();
        ensure!(
            entry == f.params,
            "the entry block's parameters are not the function's"
        );
        for (b, block) in f.blocks.iter().enumerate() {
            for (i, inst) in block.insts.iter().enumerate() {
                self.at = At::Inst(b, i);
                self.known_operands(|visit| inst.op.for_each_operand(visit))?;
                self.location(inst.loc)?;
                self.inst(inst)?;
            }
            self.at = At::Term(b);
            self.known_operands(|visit| {
                block.term.for_each_operand(&mut *visit);
                block
                    .term
                    .targets()
                    .iter()
                    .flat_map(|t| &t.args)
                    .for_each(|&v| visit(v));
            })?;
            self.location(block.term_loc)?;
            self.term(&block.term)?;
        }
        self.dominance()
    }

    fn locations(&self) -> Checked {
        let locs = &self.function.locs;
        for (i, loc) in locs.iter().enumerate() {
            let mut next = loc.inlined_at;
            let mut steps = 0;
            while let Some(id) = next {
                ensure!(
                    id.index() < locs.len(),
                    "location @{i} is inlined at {id}, which does not exist"
                );
                ensure!(steps < locs.len(), "location @{i} is inlined into itself");
                steps += 1;
                next = locs[id.index()].inlined_at;
            }
        }
        Ok(())
    }

    fn location(&self, id: LocId) -> Checked {
        let count = self.function.locs.len();
        // A function without any locations (tests, generated code) gives them all as 0.
        ensure!(
            id.index() < count || (count == 0 && id.index() == 0),
            "location {id} does not exist"
        );
        Ok(())
    }

    /// Each value is defined once, and has a type.
    fn definitions(&mut self) -> Checked {
        for (b, block) in self.function.blocks.iter().enumerate() {
            let params = block.params.iter().map(|&v| (v, 0));
            let insts = block.insts.iter().enumerate();
            let results =
                insts.flat_map(|(i, inst)| inst.results.iter().map(move |&v| (v, i as u32 + 1)));
            for (v, position) in params.chain(results) {
                define(
                    &mut self.defs,
                    v,
                    Def {
                        block: b as u32,
                        position,
                    },
                )?;
            }
            for (i, inst) in block.insts.iter().enumerate() {
                let Op::Nest(nest) = &inst.op else { continue };
                for v in nest.locals() {
                    define(
                        &mut self.defs,
                        v,
                        Def {
                            block: LOCAL,
                            position: i as u32,
                        },
                    )?;
                }
            }
        }
        Ok(())
    }

    fn known_operands(&self, visit: impl FnOnce(&mut dyn FnMut(Value))) -> Checked {
        let mut unknown = None;
        visit(&mut |v| {
            let def = self.defs.get(v.index()).copied().flatten();
            if def.is_none_or(|d| d.block == LOCAL) {
                unknown = unknown.or(Some(v));
            }
        });
        unknown.map_or(Ok(()), |v| Err(format!("{v} is not defined")))
    }

    fn ty(&self, v: Value) -> Type {
        self.function.ty(v)
    }

    /// `v` has type `ty`.
    fn is(&self, v: Value, ty: Type) -> Checked {
        let found = self.ty(v);
        ensure!(found == ty, "{v} is {found}, must be {ty}");
        Ok(())
    }

    /// `v` is something that memory accesses may start from.
    fn is_address(&self, v: Value) -> Checked {
        let found = self.ty(v);
        ensure!(
            matches!(found, Type::Ptr | Type::Obj),
            "{v} is {found}, must be an address"
        );
        Ok(())
    }

    fn are(&self, values: &[Value], types: &[Type], what: &str) -> Checked {
        ensure!(
            values.len() == types.len(),
            "{} {what} where {} are due",
            values.len(),
            types.len()
        );
        values
            .iter()
            .zip(types)
            .try_for_each(|(&v, &ty)| self.is(v, ty))
    }

    fn inst(&self, inst: &Inst) -> Checked {
        let results = &*inst.results;
        let no_result = |what: Checked| {
            ensure!(results.is_empty(), "has no result");
            what
        };
        match &inst.op {
            Op::Store {
                ptr, value, align, ..
            } => {
                ensure!(align.is_power_of_two(), "alignment {align}");
                ensure!(self.ty(*value) != Type::Err, "errors are not stored");
                no_result(self.is_address(*ptr))
            }
            Op::Retain(v) | Op::Release(v) => {
                ensure!(self.ty(*v).is_managed(), "{v} is not managed");
                no_result(Ok(()))
            }
            Op::Assume(v) => no_result(self.is(*v, Type::I1)),
            Op::Nest(nest) => self.nest(nest, results),
            Op::Call { func, args } => {
                let callee = self.program.functions.get(func.index());
                let callee = callee.ok_or_else(|| format!("{func} does not exist"))?;
                self.are(args, &callee.params, "arguments")?;
                let mut types = callee.results.clone();
                types.extend(callee.may_raise.then_some(Type::Err));
                self.are(results, &types, "results")
            }
            Op::Parallel {
                func,
                rounds,
                work,
                args,
            } => {
                self.is(*rounds, Type::I64)?;
                self.is(*work, Type::I64)?;
                let region = self.program.functions.get(func.index());
                let region = region.ok_or_else(|| format!("{func} does not exist"))?;
                let [Type::I64, Type::I64, params @ ..] = &region.params[..] else {
                    return Err(format!("{func} takes no rounds"));
                };
                self.are(args, params, "arguments")?;
                self.are(results, &[Type::Ptr, Type::I64, Type::Err], "results")
            }
            Op::CallIndirect { pointer, args } => {
                self.is(*pointer, Type::Ptr)?;
                let error = args.iter().find(|&&v| self.ty(v) == Type::Err);
                ensure!(error.is_none(), "errors are not passed");
                let Some((&last, values)) = results.split_last() else {
                    return Err("no result for the error".to_owned());
                };
                ensure!(
                    values.iter().all(|&v| self.ty(v) != Type::Err),
                    "more than one error"
                );
                self.is(last, Type::Err)
            }
            Op::NewGenerator { func, .. } => {
                let callee = self.program.functions.get(func.index());
                ensure!(
                    callee.is_some_and(|f| f.generator.is_some()),
                    "{func} is no generator function"
                );
                self.are(results, &[Type::Obj, Type::Err], "results")
            }
            Op::Resume { object, .. } => {
                self.is(*object, Type::Obj)?;
                ensure!(
                    results.last().is_some_and(|&v| self.ty(v) == Type::Err),
                    "no result for the error"
                );
                Ok(())
            }
            Op::Yield { values } => {
                let generator = self.generator()?;
                no_result(self.are(values, &generator.yields, "values"))
            }
            Op::Received => {
                let mut types = vec![Type::I1];
                types.extend(&self.generator()?.sent);
                self.are(results, &types, "results")
            }
            Op::CallC {
                pointer,
                args,
                signature,
            } => {
                self.is(*pointer, Type::Ptr)?;
                self.are(args, &signature.params(), "arguments")?;
                self.are(results, &signature.result.machine(), "results")
            }
            Op::Rt { func, args } => {
                let row = func.info();
                let types: Vec<Type> = row.params.iter().copied().map(type_of_rt).collect();
                self.are(args, &types, "arguments")?;
                let mut types: Vec<Type> = row.results.iter().copied().map(type_of_rt).collect();
                types.extend((row.effect == Effect::Raises).then_some(Type::Err));
                self.are(results, &types, "results")
            }
            op => {
                let &[result] = results else {
                    return Err(format!("{} results, must have one", results.len()));
                };
                self.value(op, self.ty(result))
            }
        }
    }

    /// That of the function, which has not been made a state machine.
    fn generator(&self) -> Result<&Generator, String> {
        let generator = self.function.generator.as_ref();
        generator
            .filter(|generator| generator.state.is_none())
            .ok_or_else(|| "not in a generator function".to_owned())
    }

    /// Instructions with one result, of type `ty`.
    fn value(&self, op: &Op, ty: Type) -> Checked {
        match op {
            Op::Int(value) => {
                ensure!(ty.is_int(), "result is {ty}");
                let unused = 64 - ty.bits();
                let fits = (value << unused) >> unused == *value || (ty == Type::I1 && *value == 1);
                ensure!(fits, "{value} does not fit {ty}");
            }
            Op::Float(bits) => {
                ensure!(ty.is_float(), "result is {ty}");
                let value = f64::from_bits(*bits);
                let exact = value.is_nan() || f64::from(value as f32) == value;
                ensure!(ty == Type::F64 || exact, "{value} is no f32");
            }
            Op::Null => ensure!(ty.is_pointer(), "result is {ty}"),
            Op::Undef => {}
            Op::Pool(id) => {
                let entry = self.program.pool.get(id.index());
                let entry = entry.ok_or_else(|| format!("{id} does not exist"))?;
                let object = matches!(entry, PoolEntry::Str(_)) && ty == Type::Obj;
                ensure!(ty == Type::Ptr || object, "result is {ty}");
            }
            Op::FunctionAddress { func, .. } => {
                ensure!(ty == Type::Ptr, "result is {ty}");
                let exists = func.index() < self.program.functions.len();
                ensure!(exists, "{func} does not exist");
            }
            Op::Binary { op, a, b, nsw } => {
                self.is(*a, ty)?;
                self.is(*b, ty)?;
                let float = *op as u8 >= Bin::FAdd as u8;
                ensure!(if float { ty.is_float() } else { ty.is_int() }, "on {ty}");
                let wraps = matches!(op, Bin::Add | Bin::Sub | Bin::Mul);
                ensure!(!nsw || wraps, "cannot be nsw");
            }
            Op::Unary(op, a) => {
                self.is(*a, ty)?;
                let int = matches!(op, Un::Neg | Un::Not | Un::IAbs | Un::PopCount);
                ensure!(if int { ty.is_int() } else { ty.is_float() }, "on {ty}");
            }
            Op::Compare(op, a, b) => {
                ensure!(ty == Type::I1, "result is {ty}");
                let operand = self.ty(*a);
                self.is(*b, operand)?;
                let fits = match op {
                    Cmp::Eq | Cmp::Ne => operand.is_int() || operand.is_pointer(),
                    _ if *op as u8 >= Cmp::FEq as u8 => operand.is_float(),
                    _ => operand.is_int(),
                };
                ensure!(fits, "on {operand}");
            }
            Op::Cast(op, a) => {
                let from = self.ty(*a);
                ensure!(cast_fits(*op, from, ty), "from {from} to {ty}");
            }
            Op::Select { cond, then, other } => {
                self.is(*cond, Type::I1)?;
                self.is(*then, ty)?;
                self.is(*other, ty)?;
            }
            Op::Fma { a, b, c } => {
                ensure!(ty.is_float(), "on {ty}");
                [a, b, c].into_iter().try_for_each(|&v| self.is(v, ty))?;
            }
            Op::Lookup { index, .. } => {
                ensure!(matches!(ty, Type::F64 | Type::F32), "of {ty}");
                self.is(*index, Type::int(ty.bits()))?;
            }
            Op::Rare {
                cond,
                fast,
                func,
                args,
            } => {
                self.is(*cond, Type::I1)?;
                self.is(*fast, ty)?;
                let row = func.info();
                let types: Vec<Type> = row.params.iter().copied().map(type_of_rt).collect();
                self.are(args, &types, "arguments")?;
                let results: Vec<Type> = row.results.iter().copied().map(type_of_rt).collect();
                ensure!(
                    row.effect == Effect::Pure && results == [ty],
                    "`{}` is no pure function that gives {ty}",
                    row.name
                );
            }
            Op::Offset {
                base,
                offset: index,
            }
            | Op::Element { base, index, .. } => {
                ensure!(ty == Type::Ptr, "result is {ty}");
                self.is_address(*base)?;
                self.is(*index, Type::I64)?;
            }
            Op::Load { ptr, align, .. } => {
                ensure!(align.is_power_of_two(), "alignment {align}");
                ensure!(ty != Type::Err, "errors are not loaded");
                self.is_address(*ptr)?;
            }
            Op::Exchange { ptr, value, .. } => {
                ensure!(ty.is_managed(), "result is {ty}");
                self.is(*value, ty)?;
                self.is_address(*ptr)?;
            }
            Op::StackSlot { align, .. } => {
                ensure!(ty == Type::Ptr, "result is {ty}");
                ensure!(align.is_power_of_two(), "alignment {align}");
            }
            Op::MakeArray {
                owner,
                data,
                shape,
                strides,
            } => {
                self.is(*owner, Type::Owner)?;
                self.descriptor(ty, *data, shape, strides)?;
            }
            Op::View {
                base,
                data,
                shape,
                strides,
            } => {
                ensure!(
                    matches!(self.ty(*base), Type::Array(_)),
                    "{base} is no array"
                );
                self.descriptor(ty, *data, shape, strides)?;
            }
            Op::Subview(view) => self.subview(view, ty)?,
            Op::ArrayPart(array, part) => {
                let Type::Array(rank) = self.ty(*array) else {
                    return Err(format!("{array} is no array"));
                };
                let part_type = match part {
                    Part::Owner => Type::Owner,
                    Part::Data => Type::Ptr,
                    Part::Shape(axis) | Part::Stride(axis) => {
                        ensure!(*axis < rank, "axis {axis} of {rank}");
                        Type::I64
                    }
                };
                ensure!(ty == part_type, "result is {ty}");
            }
            _ => return Err("unexpected instruction".to_owned()),
        }
        Ok(())
    }

    fn subview(&self, view: &Subview, ty: Type) -> Checked {
        let Type::Array(rank) = self.ty(view.base) else {
            return Err(format!("{} is no array", view.base));
        };
        ensure!(ty == Type::Array(view.axes.len() as u8), "result is {ty}");
        let mut seen = vec![false; usize::from(rank)];
        let mut once = |dim: u8| match seen.get_mut(usize::from(dim)) {
            Some(seen) if !*seen => {
                *seen = true;
                Ok(())
            }
            _ => Err(format!("dimension {dim} of {rank}")),
        };
        for &(dim, index) in &view.at {
            once(dim)?;
            self.is(index, Type::I64)?;
        }
        for axis in &view.axes {
            match *axis {
                Axis::New => {}
                Axis::Whole(dim) => once(dim)?,
                Axis::Part {
                    dim,
                    start,
                    count,
                    step,
                } => {
                    once(dim)?;
                    [start, count, step]
                        .into_iter()
                        .try_for_each(|v| self.is(v, Type::I64))?;
                }
            }
        }
        ensure!(seen.iter().all(|s| *s), "a dimension is missing");
        Ok(())
    }

    fn access(&self, access: &Access, nest: &Nest) -> Checked {
        let rank = access.dims.len();
        self.is(access.array, Type::Array(rank as u8))?;
        for (i, along) in access.dims.iter().enumerate() {
            ensure!(
                usize::from(along.dim) < nest.extents.len(),
                "dimension {} of the nest",
                along.dim
            );
            let twice = access.dims[..i].iter().any(|a| a.dim == along.dim);
            ensure!(!twice, "dimension {} of the nest is used twice", along.dim);
        }
        ensure!(
            access.item.align.is_power_of_two(),
            "alignment {}",
            access.item.align
        );
        Ok(())
    }

    fn nest(&self, nest: &Nest, results: &[Value]) -> Checked {
        let rank = nest.extents.len();
        nest.extents
            .iter()
            .try_for_each(|&v| self.is(v, Type::I64))?;
        nest.inputs
            .iter()
            .try_for_each(|input| self.access(&input.access, nest))?;
        ensure!(
            nest.indices.is_empty() || nest.indices.len() == rank,
            "{} indices",
            nest.indices.len()
        );
        nest.indices
            .iter()
            .try_for_each(|&v| self.is(v, Type::I64))?;
        for output in &nest.outputs {
            match &output.kind {
                OutputKind::New(_) => {}
                OutputKind::Store(access) => self.access(access, nest)?,
                OutputKind::Scatter(scatter) => {
                    ensure!(
                        matches!(self.ty(scatter.array), Type::Array(_)),
                        "{} is no array",
                        scatter.array
                    );
                    self.is(scatter.at, Type::I64)?;
                }
                OutputKind::Select(selection) => self.is(selection.when, Type::I1)?,
                OutputKind::Reduce(r) => {
                    let carried: Vec<Type> = output.values.iter().map(|&v| self.ty(v)).collect();
                    self.are(&r.accumulators, &carried, "accumulators")?;
                    self.are(&r.init, &carried, "initial values")?;
                    let mut target = r.target.iter();
                    target.try_for_each(|access| self.access(access, nest))?;
                }
            }
        }
        for inst in &nest.insts {
            ensure!(
                inst.op.is_pure() || matches!(inst.op, Op::Call { .. }),
                "`{}` in a nest has effects",
                inst.op
            );
            self.location(inst.loc)?;
            self.inst(inst)?;
        }
        self.local_order(nest)?;
        self.are(results, &nest.result_types(|v| self.ty(v)), "results")
    }

    /// The body of a nest defines what it uses before, or has it from outside.
    fn local_order(&self, nest: &Nest) -> Checked {
        let locals = nest.locals();
        let own: Vec<Value> = nest
            .insts
            .iter()
            .flat_map(|i| i.results.iter().copied())
            .collect();
        let mut known: Vec<Value> = locals.into_iter().filter(|v| !own.contains(v)).collect();
        let check = |v: Value, known: &[Value]| {
            let local = self
                .defs
                .get(v.index())
                .copied()
                .flatten()
                .is_none_or(|d| d.block == LOCAL);
            ensure!(
                !local || known.contains(&v),
                "{v} is used in a nest before it is defined there"
            );
            Ok(())
        };
        for inst in &nest.insts {
            let mut wrong = Ok(());
            inst.op
                .for_each_operand(|v| wrong = wrong.clone().and(check(v, &known)));
            wrong?;
            known.extend(&inst.results);
        }
        let places = nest.outputs.iter().filter_map(|o| match &o.kind {
            OutputKind::Scatter(scatter) => Some(&scatter.at),
            OutputKind::Select(selection) => Some(&selection.when),
            _ => None,
        });
        nest.outputs
            .iter()
            .flat_map(|o| &o.values)
            .chain(places)
            .try_for_each(|&v| check(v, &known))
    }

    fn descriptor(&self, ty: Type, data: Value, shape: &[Value], strides: &[Value]) -> Checked {
        let rank = shape.len();
        ensure!(ty == Type::Array(rank as u8), "result is {ty}");
        ensure!(
            strides.len() == rank,
            "{} strides where {rank} are due",
            strides.len()
        );
        self.is(data, Type::Ptr)?;
        shape
            .iter()
            .chain(strides)
            .try_for_each(|&v| self.is(v, Type::I64))
    }

    fn term(&self, term: &Term) -> Checked {
        let f = self.function;
        match term {
            Term::Missing => return Err("no terminator".to_owned()),
            Term::Branch { cond, .. } => self.is(*cond, Type::I1)?,
            Term::Switch { value, cases, .. } => {
                let ty = self.ty(*value);
                ensure!(ty.is_int(), "on {ty}");
                let mut seen: Vec<i64> = cases.iter().map(|(case, _)| *case).collect();
                seen.sort_unstable();
                ensure!(
                    seen.windows(2).all(|pair| pair[0] != pair[1]),
                    "a case is there twice"
                );
            }
            Term::Return(values) => self.are(values, &f.results, "results")?,
            Term::Throw(error) => {
                ensure!(f.may_raise, "the function does not raise");
                self.is(*error, Type::Err)?;
            }
            Term::Jump(_) | Term::Unreachable => {}
        }
        for target in term.targets() {
            let block = f.blocks.get(target.block.index());
            let block = block.ok_or_else(|| format!("{} does not exist", target.block))?;
            let types: Vec<Type> = block.params.iter().map(|&v| f.ty(v)).collect();
            self.are(&target.args, &types, "block arguments")?;
        }
        Ok(())
    }

    /// Definitions come before uses on every path (in blocks that can be reached).
    fn dominance(&mut self) -> Checked {
        let f = self.function;
        let tree = Dominators::new(f);
        for (b, block) in f
            .blocks
            .iter()
            .enumerate()
            .filter(|(b, _)| tree.reachable(*b))
        {
            for (i, inst) in block.insts.iter().enumerate() {
                self.at = At::Inst(b, i);
                self.dominated(&tree, b, i as u32, |visit| inst.op.for_each_operand(visit))?;
            }
            self.at = At::Term(b);
            self.dominated(&tree, b, u32::MAX, |visit| {
                block.term.for_each_operand(&mut *visit);
                block
                    .term
                    .targets()
                    .iter()
                    .flat_map(|t| &t.args)
                    .for_each(|&v| visit(v));
            })?;
        }
        Ok(())
    }

    fn dominated(
        &self,
        tree: &Dominators,
        block: usize,
        position: u32,
        visit: impl FnOnce(&mut dyn FnMut(Value)),
    ) -> Checked {
        let mut wrong = None;
        visit(&mut |v| {
            let Some(def) = self.defs[v.index()] else {
                return;
            };
            let before = if def.block as usize == block {
                def.position <= position
            } else {
                tree.dominates(def.block as usize, block)
            };
            if !before {
                wrong = wrong.or(Some(v));
            }
        });
        wrong.map_or(Ok(()), |v| Err(format!("{v} does not dominate this use")))
    }
}

fn cast_fits(op: Cast, from: Type, to: Type) -> bool {
    match op {
        Cast::Trunc => from.is_int() && to.is_int() && to.bits() < from.bits(),
        Cast::ZExt | Cast::SExt => from.is_int() && to.is_int() && to.bits() > from.bits(),
        Cast::SIToFP | Cast::UIToFP => from.is_int() && to.is_float(),
        Cast::FPToSI | Cast::FPToUI => from.is_float() && to.is_int(),
        Cast::FPTrunc => matches!((from, to), (Type::F64, Type::F32) | (Type::F32, Type::F16)),
        Cast::FPExt => matches!((from, to), (Type::F32, Type::F64) | (Type::F16, Type::F32)),
        Cast::Bits => {
            let number = |t: Type| t.is_int() || t.is_float();
            (number(from) && number(to) && from.bits() == to.bits())
                || (from.is_pointer() && to.is_pointer())
        }
        Cast::PtrToInt => from.is_pointer() && to == Type::I64,
        Cast::IntToPtr => from == Type::I64 && to.is_pointer(),
    }
}
