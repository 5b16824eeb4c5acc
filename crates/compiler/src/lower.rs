//! Lowering: HIR and its types → TIR.
//!
//! A HIR value becomes a run of machine values ([`value::machine`] says which for a type). Known
//! constants are not computed but written where they are used; branches on constants become jumps.
//! Errors are explicit: whatever may raise is followed by a branch to a cold block that goes to the
//! handler or leaves the function.
//!
//! * [`value`]: types as machine values, conversions. * [`scalar`], [`compare`]: operators.
//! * [`array`]: basic indexing and creation, [`index`]: indexing by arrays, [`views`]: other views, arrays of
//!   sequences. * [`elementwise`], [`reduce`]: whole arrays, [`ufunc`]: what is computed for elements,
//!   [`vector_math`]: elementary functions of elements. * [`linalg`], [`einsum`]: products of arrays.
//! * [`iter`]: iteration, [`generator`]: generators. * [`call`]: calls and intrinsics. * [`list`]: lists,
//!   [`dict`]: dicts and sets. * [`raise`]: errors. * [`text`]: str, repr, print, hash.

use std::sync::Arc;

use ferdelance_abi::settings::Parallel;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::diag::{Code, Diagnostic, Result};
use crate::hir::{self, Inst, Op, Terminator};
use crate::host::Const;
use crate::infer::record::named_field;
use crate::infer::unroll::definition;
use crate::infer::{InstanceId, ModuleInfo, Session, Typing};
use crate::tir::{self, FuncId, Hint, Loc, Program, Term, build::Builder};
use crate::types::{Generator, Kind, Ty};

mod array;
mod buffer;
mod call;
mod compare;
mod dict;
mod einsum;
mod elementwise;
mod generator;
mod index;
mod iter;
mod joining;
mod keyed;
mod linalg;
mod list;
mod raise;
mod record;
mod reduce;
mod rows;
mod scalar;
mod text;
mod time;
mod ufunc;
pub mod value;
mod vector_math;
mod views;
mod walk;

pub use dict::entry as dict_entry;
use iter::Fetched;
pub use list::Form as ListForm;
pub use value::{Vals, machine};

/// A value with its type, as operators take it.
#[derive(Clone, Debug)]
pub struct Typed {
    pub ty: Ty,
    pub vals: Vals,
    pub constant: Option<Const>,
}

impl Typed {
    pub fn new(ty: Ty, vals: impl Into<Vals>) -> Typed {
        Typed {
            ty,
            vals: vals.into(),
            constant: None,
        }
    }
    pub fn one(ty: Ty, v: tir::Value) -> Typed {
        Typed {
            ty,
            vals: smallvec::smallvec![v],
            constant: None,
        }
    }
    fn as_int(&self) -> Option<i64> {
        match self.constant {
            Some(Const::Int(i)) => i64::try_from(i).ok(),
            Some(Const::Bool(b)) => Some(i64::from(b)),
            _ => None,
        }
    }
}

/// Lowers an instance and everything it calls into one program, whose entry is the instance.
pub fn lower(session: &Session<'_>, root: InstanceId, result: Ty, symbol: &str) -> Result<Program> {
    let mut cx = Lowering {
        session,
        program: Program::default(),
        functions: FxHashMap::default(),
        symbol,
    };
    let entry = if session.hir(root).is_generator {
        cx.generator_entry(root)?
    } else {
        cx.function(root, Some(result))?
    };
    cx.program.entries.push(entry);
    Ok(cx.program)
}

/// The program being lowered.
struct Lowering<'s, 'h> {
    session: &'s Session<'h>,
    program: Program,
    functions: FxHashMap<InstanceId, FuncId>,
    /// Prefix of linker symbols.
    symbol: &'s str,
}

impl Lowering<'_, '_> {
    /// The function of an instance, lowered if it has not been.
    fn function(&mut self, id: InstanceId, result: Option<Ty>) -> Result<FuncId> {
        if let Some(&func) = self.functions.get(&id) {
            return Ok(func);
        }
        let instance = self.session.get(id);
        let info = self.session.info(instance.key.module);
        let f = instance.hir(&info.module);
        let generator = if f.is_generator {
            instance.typing.result.and_then(Ty::as_generator)
        } else {
            None
        };
        let result = match generator {
            Some(generator) => generator.result,
            None => result.or(instance.typing.result).unwrap_or_else(Ty::none),
        };
        let params: Vec<tir::Type> = instance.key.args.iter().flat_map(|t| machine(*t)).collect();
        let symbol: Arc<str> =
            format!("{}.{}.{}", self.symbol, self.functions.len(), f.name).into();
        let mut builder = Builder::new(
            symbol,
            f.name.clone(),
            &params,
            &machine(result),
            info.options,
        );
        builder.func.recursive = instance.recursive;
        builder.func.may_raise = instance.recursive || generator.is_some();
        builder.func.generator = generator.map(|generator| tir::Generator {
            yields: machine(generator.item).to_vec(),
            sent: machine(generator.sent).to_vec(),
            ..tir::Generator::default()
        });
        // Reserved first: a recursive call finds it.
        let func = FuncId(self.program.functions.len() as u32);
        self.functions.insert(id, func);
        self.program.functions.push(builder.func.clone());
        let typing = instance.typing.clone();
        let body = Body {
            info,
            f,
            typing,
            b: builder,
            values: vec![None; f.values.len()],
            blocks: vec![None; f.blocks.len()],
            numpy_errors: info.options.numpy_errors,
            in_nest: false,
            halves: vec![],
            handler: None,
            generator,
            fetched: FxHashMap::default(),
            result,
            cx: self,
        };
        let lowered = body.lower(id)?;
        self.program.functions[func.index()] = lowered;
        Ok(func)
    }
}

/// A function being lowered.
struct Body<'c, 's, 'h> {
    cx: &'c mut Lowering<'s, 'h>,
    info: &'s ModuleInfo,
    f: &'s hir::Function,
    typing: Arc<Typing>,
    b: Builder,
    /// The machine values of each HIR value that has been computed.
    values: Vec<Option<Vals>>,
    /// The TIR block of each reachable HIR block.
    blocks: Vec<Option<tir::BlockId>>,
    /// Division by zero gives inf, nan or 0 instead of raising.
    numpy_errors: bool,
    /// What is written is the body of a nest.
    in_nest: bool,
    /// Elements of the next nest as they lie in memory, and the values that they are.
    halves: Vec<(tir::Value, tir::Value)>,
    /// Where exceptions of the current block go.
    handler: Option<hir::Target>,
    /// What is being lowered is a generator function.
    generator: Option<Generator>,
    /// What iterators have given so far, by the iterator that was asked for more.
    fetched: FxHashMap<hir::Value, Fetched>,
    /// The type that is returned.
    result: Ty,
}

impl Body<'_, '_, '_> {
    fn lower(mut self, id: InstanceId) -> Result<tir::Function> {
        self.locate(self.f.span);
        let order = self.f.reverse_postorder();
        self.blocks[0] = Some(tir::BlockId(0));
        let mut entry = self.b.func.blocks[0].params.clone().into_iter();
        let args = self.cx.session.get(id).key.args.clone();
        for (&param, &ty) in self.f.blocks[0].params.iter().zip(args.iter()) {
            self.values[param.index()] = Some(entry.by_ref().take(machine(ty).len()).collect());
        }
        for &block in &order {
            if self.typing.reachable[block.index()] && block.0 != 0 {
                let new = self.b.new_block();
                self.blocks[block.index()] = Some(new);
                for &param in &self.f.block(block).params {
                    let vals = machine(self.ty(param))
                        .into_iter()
                        .map(|t| self.b.add_param(new, t))
                        .collect();
                    self.values[param.index()] = Some(vals);
                }
            }
        }
        for &block in &order {
            if let Some(target) = self.blocks[block.index()] {
                self.b.switch_to(target);
                if let (0, Some(generator)) = (block.0, self.generator) {
                    self.begin_generator(generator)?;
                }
                self.block(block)?;
            }
        }
        if self.info.options.parallel.has(Parallel::PRANGE) {
            self.mark_parallel_loops();
        }
        Ok(self.b.func)
    }

    /// Marks the loops over `prange` and `pndindex`.
    fn mark_parallel_loops(&mut self) {
        let named = |callee: hir::Value, name: &str| match self.ty(callee).kind() {
            Kind::Builtin(known) => **known == *name,
            _ => false,
        };
        let is_parallel = |over: hir::Value| match definition(self.f, over) {
            Some(Op::Call { callee, .. }) => named(*callee, "ferdelance.prange"),
            Some(Op::WalkRange(over, 0)) => match definition(self.f, *over) {
                Some(Op::Call { callee, .. }) => named(*callee, "ferdelance.pndindex"),
                _ => false,
            },
            _ => false,
        };
        let mut heads = vec![];
        for block in &self.f.blocks {
            let iterators = block.insts.iter().filter_map(|inst| match inst.op {
                Op::Iter(over) if is_parallel(over) => Some(inst.result),
                _ => None,
            });
            for iterator in iterators {
                let mut targets = block.term.targets();
                let head = targets.find(|t| t.args.contains(&iterator));
                heads.extend(head.and_then(|t| self.blocks[t.block.index()]));
            }
        }
        for head in heads {
            self.b.func.blocks[head.index()].spread = tir::Spread::Asked;
        }
    }

    fn block(&mut self, id: hir::BlockId) -> Result<()> {
        let f = self.f;
        let block = f.block(id);
        self.handler.clone_from(&block.handler);
        for inst in &block.insts {
            self.locate(inst.span);
            if self.typing.values[inst.result.index()].is_bottom()
                && !matches!(inst.op, Op::Unbound(_))
            {
                // Nothing gets past this instruction: the call never returns. Where an operand has no
                // value on any path, nothing even gets here.
                let mut reached = true;
                inst.op
                    .for_each_operand(|v| reached &= !self.typing.values[v.index()].is_bottom());
                if reached {
                    self.inst(inst)?;
                }
                if !self.b.is_closed() {
                    self.b.terminate(Term::Unreachable);
                }
                return Ok(());
            }
            if let Some(vals) = self.inst(inst)? {
                self.values[inst.result.index()] = Some(vals);
            }
        }
        self.locate(block.term_span);
        self.terminator(&block.term)
    }

    fn terminator(&mut self, term: &Terminator) -> Result<()> {
        match term {
            Terminator::Jump(target) => self.jump(target),
            Terminator::Branch { cond, then, other } => {
                if let Some(known) = self.typing.values[cond.index()].as_bool() {
                    return self.jump(if known { then } else { other });
                }
                let cond = self.get(*cond).vals[0];
                let (a, b) = (self.edge(then)?, self.edge(other)?);
                self.b.terminate(Term::Branch {
                    cond,
                    then: a,
                    other: b,
                    hint: Hint::None,
                });
                Ok(())
            }
            Terminator::Return(value) => {
                let value = self.get(*value);
                let vals = self.cast(&value, self.result)?;
                self.b.terminate(Term::Return(vals.as_slice().into()));
                Ok(())
            }
            Terminator::Raise(value) => {
                let value = self.get(*value);
                self.raise_value(&value)
            }
            Terminator::Reraise(value) => {
                let err = self.get(*value).vals[0];
                self.throw(err)
            }
            Terminator::Unreachable => {
                self.b.terminate(Term::Unreachable);
                Ok(())
            }
            Terminator::Missing => Err(self.bug("a block without an end")),
        }
    }

    fn jump(&mut self, target: &hir::Target) -> Result<()> {
        let target = self.edge(target)?;
        self.b.terminate(Term::Jump(target));
        Ok(())
    }

    /// A target with its arguments converted to the parameters' types. The conversions are written in
    /// the current block, where they are harmless for the other side of a branch: taking the value out
    /// of an optional, which can raise, is never needed here because parameters join what flows in.
    fn edge(&mut self, target: &hir::Target) -> Result<tir::Target> {
        let Some(block) = self.blocks[target.block.index()] else {
            return Err(self.bug("a jump to a block that was not reached"));
        };
        let params = self.f.block(target.block).params.clone();
        let mut args = SmallVec::new();
        // A handler's first parameter is the exception; `throw` adds it.
        for (&param, &arg) in params[params.len() - target.args.len()..]
            .iter()
            .zip(&target.args)
        {
            let to = self.ty(param);
            if self.typing.values[arg.index()].is_bottom() {
                // Unbound on this path.
                args.extend(machine(to).into_iter().map(|t| self.b.undef(t)));
                continue;
            }
            let value = self.get(arg);
            args.extend(self.cast(&value, to)?);
        }
        Ok(tir::Target { block, args })
    }

    /// The type of a HIR value; None's for values that never get one.
    fn ty(&self, v: hir::Value) -> Ty {
        self.typing.values[v.index()].ty.unwrap_or_else(Ty::none)
    }

    /// A HIR value; a constant is written here and now.
    fn get(&mut self, v: hir::Value) -> Typed {
        let abs = self.typing.values[v.index()].clone();
        let ty = abs.ty.unwrap_or_else(Ty::none);
        let vals = match (&abs.constant, &self.values[v.index()]) {
            (Some(constant), _) if self.is_materialisable(ty, constant) => {
                self.constant(ty, constant)
            }
            (_, Some(vals)) => vals.clone(),
            // Functions, modules, None: nothing at run time.
            (_, None) => machine(ty).into_iter().map(|t| self.b.undef(t)).collect(),
        };
        Typed {
            ty,
            vals,
            constant: abs.constant,
        }
    }

    fn locate(&mut self, span: crate::source::Span) {
        let source = &self.info.module.source;
        let (line, column) = source.position(span.start);
        let (function_line, _) = source.position(self.f.span.start);
        let function = self.f.qualname.clone();
        self.b.set_loc(Loc {
            source: source.clone(),
            function,
            function_line,
            line,
            column,
            inlined_at: None,
        });
    }

    /// A mistake of ours, at the current place.
    fn bug(&self, what: impl AsRef<str>) -> Box<Diagnostic> {
        let loc = self.b.loc();
        Diagnostic::new(
            Code::Internal,
            format!(
                "{}:{}: internal error: {}",
                loc.source.file,
                loc.line,
                what.as_ref()
            ),
        )
    }

    /// `(a, *b)`
    fn tuple_display(&mut self, args: &[hir::Arg]) -> Vals {
        args.iter()
            .flat_map(|a| match *a {
                hir::Arg::Plain(v) | hir::Arg::Star(v) => self.get(v).vals,
            })
            .collect()
    }

    /// Lowers an instruction to its values; `None` when its value is a constant or has no run-time part.
    fn inst(&mut self, inst: &Inst) -> Result<Option<Vals>> {
        let ty = self.ty(inst.result);
        if let Some(vals) = self.keyed_inst(inst, ty)? {
            return Ok(Some(vals));
        }
        if let Some(vals) = self.dict_inst(inst, ty)? {
            return Ok(Some(vals));
        }
        if let Some(vals) = self.list_inst(inst, ty)? {
            return Ok(Some(vals));
        }
        let constant = self.typing.values[inst.result.index()].constant.clone();
        let known = constant.is_some_and(|c| self.is_materialisable(ty, &c));
        let vals: Vals = match &inst.op {
            Op::Literal(_) | Op::Unbound(_) | Op::Global(_) | Op::Free(_) => return Ok(None),
            Op::Unary(op, a) => {
                let a = self.get(*a);
                self.unary(*op, &a, ty)?
            }
            Op::CheckBound(bound, name) => {
                let bound = self.get(*bound);
                let message = format!(
                    "cannot access local variable '{name}' where it is not associated with a value"
                );
                self.check_bound(&bound, "UnboundLocalError", &message)?;
                Vals::new()
            }
            Op::CheckFree(bound, name) => {
                let bound = self.get(*bound);
                let message = format!(
                    "cannot access free variable '{name}' where it is not associated with a value in enclosing scope"
                );
                self.check_bound(&bound, "NameError", &message)?;
                Vals::new()
            }
            _ if known && is_foldable(&inst.op) => return Ok(None),
            Op::InPlace(op, a, b) if self.ty(*a).as_array().is_some() => {
                let (a, b) = (self.get(*a), self.get(*b));
                self.in_place(*op, &a, &b)?
            }
            Op::Binary(op, a, b) | Op::InPlace(op, a, b) => {
                let (a, b) = (self.get(*a), self.get(*b));
                self.binary(*op, &a, &b, ty)?
            }
            Op::Compare(op, a, b) => {
                let (a, b) = (self.get(*a), self.get(*b));
                self.comparison(*op, &a, &b, ty)?
            }
            Op::Truth(a) => {
                let a = self.get(*a);
                smallvec::smallvec![self.truth(&a)?]
            }
            Op::Tuple(args) => self.tuple_display(args),
            Op::Slice(parts) => {
                let parts: Vec<Typed> = parts.iter().flatten().map(|p| self.get(*p)).collect();
                self.slice(&parts, ty)?
            }
            Op::GetAttr(a, name) => {
                let a = self.get(*a);
                self.attribute(&a, name, ty)?
            }
            Op::GetItem(a, i) => {
                let (a, i) = (self.get(*a), self.get(*i));
                self.get_item(&a, &i, ty)?
            }
            Op::SetItem(a, i, v) => {
                let (a, i, v) = (self.get(*a), self.get(*i), self.get(*v));
                self.set_item(&a, &i, &v)?;
                Vals::new()
            }
            Op::SetAttr(a, name, v) => {
                let (a, v) = (self.get(*a), self.get(*v));
                let Some(field) = named_field(a.ty, name) else {
                    return Err(self.bug(format!("no field {name}")));
                };
                self.set_field(&a, field, &v)?;
                Vals::new()
            }
            Op::Call { callee, .. } => {
                let callee = self.get(*callee);
                self.call(inst.result, &callee, ty)?
            }
            Op::Iter(a) => {
                let a = self.get(*a);
                self.iter(&a)?
            }
            Op::IterMore(it) => {
                let iterator = self.get(*it);
                let (more, fetched) = self.iter_more(&iterator)?;
                self.fetched.insert(*it, fetched);
                smallvec::smallvec![more]
            }
            Op::IterItem(it) => {
                let fetched = self.fetched.get(it).cloned().unwrap_or_default();
                let iterator = self.get(*it);
                self.iter_item(&iterator, &fetched)?.vals
            }
            Op::IterResult(it) => self.fetched.get(it).cloned().unwrap_or_default().result,
            Op::Yield(value) => {
                let value = self.get(*value);
                self.yield_value(&value)?
            }
            Op::WalkRange(over, dim) => {
                let over = self.get(*over);
                self.walk_range(&over, *dim as usize)?
            }
            Op::WalkItem(over, indices) => {
                let over = self.get(*over);
                let indices: Vals = indices.iter().map(|i| self.get(*i).vals[0]).collect();
                self.walk_item(&over, &indices)?.vals
            }
            Op::IterNext(it) => {
                let it = self.get(*it);
                self.iter_next(&it)?
            }
            Op::Unpack {
                value,
                before,
                after,
                ..
            } => {
                let value = self.get(*value);
                self.unpack(&value, before + after)?
            }
            Op::UnpackItem(sequence, index) => {
                let sequence = self.get(*sequence);
                let at = self.b.i64(i64::from(*index));
                let index = Typed {
                    ty: Ty::py_int(),
                    vals: smallvec::smallvec![at],
                    constant: Some(Const::Int(i128::from(*index))),
                };
                self.get_item(&sequence, &index, ty)?
            }
            Op::Closure {
                captures, defaults, ..
            } => captures
                .iter()
                .chain(defaults)
                .flat_map(|v| self.get(*v).vals)
                .collect(),
            Op::NewCell(_) => smallvec::smallvec![self.new_cell(ty)],
            Op::CellBound(cell) => {
                let cell = self.get(*cell);
                let bound = self.cell_bound(&cell);
                smallvec::smallvec![self.b.load(tir::Type::I1, bound, 1, tir::Mem::Stack)]
            }
            Op::CellGet(cell, _) => {
                let cell = self.get(*cell);
                self.cell_get(&cell)?
            }
            Op::CellSet(cell, value) => {
                let (cell, value) = (self.get(*cell), self.get(*value));
                self.cell_set(&cell, &value)?;
                Vals::new()
            }
            Op::ExceptMatch(exception, class) => {
                let (exception, class) = (self.get(*exception), self.get(*class));
                smallvec::smallvec![self.except_match(exception.vals[0], class.ty)?]
            }
            Op::Coerce(value, _) => {
                let value = self.get(*value);
                self.cast(&value, ty)?
            }
            other => return Err(self.bug(format!("{other:?} was let through by inference"))),
        };
        Ok(Some(vals))
    }

    /// The content type of a cell.
    fn cell_type(&self, cell: Ty) -> Ty {
        match *cell.kind() {
            Kind::Cell(site) => self.cx.session.cell(site).unwrap_or_else(Ty::none),
            _ => Ty::none(),
        }
    }

    /// A variable shared with inner functions lives in a stack slot, one word a machine value and one that
    /// says whether it has a value: inner functions do not outlive the call.
    fn new_cell(&mut self, ty: Ty) -> tir::Value {
        let types = machine(self.cell_type(ty));
        let cell = self.b.stack_slot((types.len() * 8 + 8) as u32, 8);
        let (bound, no) = (self.cell_bound(&Typed::one(ty, cell)), self.b.bool(false));
        self.b.store(bound, no, 1, tir::Mem::Stack);
        cell
    }

    /// The address of the word behind a cell's content.
    fn cell_bound(&mut self, cell: &Typed) -> tir::Value {
        let words = machine(self.cell_type(cell.ty)).len();
        let offset = self.b.i64(words as i64 * 8);
        self.b.offset(cell.vals[0], offset)
    }

    fn cell_get(&mut self, cell: &Typed) -> Result<Vals> {
        let types = machine(self.cell_type(cell.ty));
        self.check_cell(&types)?;
        let mut vals = Vals::new();
        for (i, t) in types.into_iter().enumerate() {
            let offset = self.b.i64(i as i64 * 8);
            let ptr = self.b.offset(cell.vals[0], offset);
            vals.push(self.b.load(t, ptr, 8, tir::Mem::Stack));
        }
        Ok(vals)
    }

    fn cell_set(&mut self, cell: &Typed, value: &Typed) -> Result<()> {
        let ty = self.cell_type(cell.ty);
        self.check_cell(&machine(ty))?;
        let vals = self.cast(value, ty)?;
        for (i, v) in vals.into_iter().enumerate() {
            let offset = self.b.i64(i as i64 * 8);
            let ptr = self.b.offset(cell.vals[0], offset);
            self.b.store(ptr, v, 8, tir::Mem::Stack);
        }
        let (bound, yes) = (self.cell_bound(cell), self.b.bool(true));
        self.b.store(bound, yes, 1, tir::Mem::Stack);
        Ok(())
    }

    fn check_cell(&self, types: &[tir::Type]) -> Result<()> {
        if types.iter().any(|t| t.is_managed()) {
            let loc = self.b.loc();
            return Err(Diagnostic::new(
                Code::UnsupportedSyntax,
                format!(
                    "{}:{}: a variable that an inner function assigns can only hold numbers",
                    loc.source.file, loc.line
                ),
            )
            .help("return the new value from the inner function instead of assigning it there"));
        }
        Ok(())
    }
}

/// Operators without effects whose constant result needs no code.
fn is_foldable(op: &Op) -> bool {
    matches!(
        op,
        Op::Binary(..)
            | Op::Compare(..)
            | Op::Truth(_)
            | Op::Tuple(_)
            | Op::GetAttr(..)
            | Op::GetItem(..)
            | Op::UnpackItem(..)
    )
}
