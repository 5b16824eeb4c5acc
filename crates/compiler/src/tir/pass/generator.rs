//! Generators: state machines of generator functions, and where their state lives.
//!
//! * [`split`] makes a state machine of a generator function: what is live at a yield goes into the
//!   state, and comes back from it when the generator is run on.
//! * [`keep_in_values`] takes a generator apart that its maker alone runs: its state is a few values, and
//!   running it on is a call, which is inlined like any other.
//! * [`keep_in_objects`] makes objects of all others.
//!
//! All is done while inlining, callees first: so a generator that is used up in another one is part of
//! the state of that one.

use ferdelance_abi::layout::{GENERATOR_AT, GENERATOR_RESUME, GENERATOR_SLOTS, array_slots};
use ferdelance_abi::rtfn::RtFn;
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::{SmallVec, smallvec};

use super::simplify::Renaming;
use super::thread::rewrite_uses;
use super::variables::Variables;
use crate::diag::{Code, Diagnostic, Result};
use crate::tir::build::Builder;
use crate::tir::{
    Block, BlockId, Cmp, FuncId, Function, Generator, Hint, Inst, LocId, Mem, Op, PoolEntry,
    Program, Target, Term, Type, Value,
};

/// Where a generator object stands while it runs.
const RUNNING: i64 = -2;

/// A set of values.
type Set = FxHashSet<Value>;

// ---- state machines ------------------------------------------------------------------------------

/// A place where a generator function stops.
struct Stop {
    /// The block that ends with the yield, and the one where it goes on.
    from: usize,
    after: usize,
    /// What goes through the state, in the order of the parameters of `after`, and its places there.
    saved: Vec<Value>,
    places: Vec<usize>,
    /// What is computed anew, each after what it needs.
    again: Vec<Value>,
    /// What they are after the stop.
    restored: FxHashMap<Value, Value>,
}

/// Makes a state machine of a generator function.
pub(super) fn split(f: &mut Function) -> Result<()> {
    let Some(mut generator) = f.generator.clone().filter(|g| g.state.is_none()) else {
        return Ok(());
    };
    let arguments: Vec<Value> = f.blocks[0].params.clone();
    let first = begin_elsewhere(f);
    let mut stops = cut(f);
    let live = liveness(f);
    let insts = definitions(f);
    let mut layout = Layout::default();
    for stop in &mut stops {
        let mut needed: Vec<Value> = live[stop.after].iter().copied().collect();
        needed.sort_unstable();
        choose(f, &insts, needed, stop);
        check(f, stop, &arguments)?;
        stop.places = layout.add(f, &stop.saved);
    }
    generator.arguments = layout.add(f, &arguments);
    let (state, order) = layout.order();
    for place in stops
        .iter_mut()
        .flat_map(|stop| &mut stop.places)
        .chain(&mut generator.arguments)
    {
        *place = order[*place];
    }
    if slots(&state).any(|(slot, ty)| ty.is_managed() && slot >= 64) {
        let message = format!(
            "the generator `{}` has too many variables that are arrays, lists or strings",
            f.name
        );
        return Err(refuse(
            f,
            LocId(0),
            message,
            "split it into several generators",
        ));
    }
    let (closing, sent) = enter(f, &generator, &state, first, &stops);
    for stop in &mut stops {
        stop.restore(f, &insts);
    }
    let saved = make_ssa(f, &stops);
    leave(f, &generator, &state, &stops, &saved);
    receive(f, closing, &sent);
    generator.state = Some(state);
    f.generator = Some(generator);
    Ok(())
}

/// Ends blocks after their yields.
fn cut(f: &mut Function) -> Vec<Stop> {
    let mut stops = vec![];
    let mut b = 0;
    while b < f.blocks.len() {
        let yields = |inst: &Inst| matches!(inst.op, Op::Yield { .. });
        if let Some(at) = f.blocks[b].insts.iter().position(yields) {
            let after = f.blocks.len();
            let block = &mut f.blocks[b];
            let rest = block.insts.split_off(at + 1);
            let loc = block.insts[at].loc;
            let next = Block {
                insts: rest,
                term: std::mem::take(&mut block.term),
                term_loc: std::mem::replace(&mut block.term_loc, loc),
                rounds: std::mem::take(&mut block.rounds),
                ..Block::default()
            };
            block.term = jump(after, SmallVec::new());
            f.blocks.push(next);
            stops.push(Stop {
                from: b,
                after,
                saved: vec![],
                places: vec![],
                again: vec![],
                restored: FxHashMap::default(),
            });
        }
        b += 1;
    }
    stops
}

fn jump(block: usize, args: SmallVec<[Value; 4]>) -> Term {
    Term::Jump(Target {
        block: BlockId(block as u32),
        args,
    })
}

/// The values that are live at the start of each block.
fn liveness(f: &Function) -> Vec<Set> {
    let mut live: Vec<Set> = vec![Set::default(); f.blocks.len()];
    loop {
        let mut changed = false;
        for b in (0..f.blocks.len()).rev() {
            let block = &f.blocks[b];
            let mut now = Set::default();
            for target in block.term.targets() {
                now.extend(&live[target.block.index()]);
                now.extend(&target.args);
            }
            block.term.for_each_operand(|v| now.extend([v]));
            for inst in block.insts.iter().rev() {
                for result in &inst.results {
                    now.remove(result);
                }
                inst.op.for_each_operand(|v| now.extend([v]));
            }
            for param in &block.params {
                now.remove(param);
            }
            if now.len() != live[b].len() {
                live[b] = now;
                changed = true;
            }
        }
        if !changed {
            return live;
        }
    }
}

fn definitions(f: &Function) -> FxHashMap<Value, Inst> {
    let insts = f.blocks.iter().flat_map(|b| &b.insts);
    insts
        .filter(|inst| inst.results.len() == 1)
        .map(|inst| (inst.results[0], inst.clone()))
        .collect()
}

/// Cheap, and the same at any time: constants, parts of arrays, addresses.
fn can_be_repeated(op: &Op) -> bool {
    let address = matches!(
        op,
        Op::ArrayPart(..) | Op::Offset { .. } | Op::Element { .. }
    );
    op.is_constant() || address
}

/// Which of the values that are needed after a stop are saved, and which computed anew.
fn choose(f: &Function, insts: &FxHashMap<Value, Inst>, mut needed: Vec<Value>, stop: &mut Stop) {
    let mut seen = Set::default();
    let mut again = vec![];
    while let Some(v) = needed.pop() {
        if !seen.insert(v) {
            continue;
        }
        match insts.get(&v) {
            Some(inst) if can_be_repeated(&inst.op) => {
                inst.op.for_each_operand(|operand| needed.push(operand));
                again.push(v);
            }
            _ => stop.saved.push(v),
        }
    }
    stop.saved
        .sort_unstable_by_key(|&v| (!f.ty(v).is_managed(), v));
    // Operands first: none is defined in terms of itself.
    let mut placed: Set = stop.saved.iter().copied().collect();
    again.sort_unstable();
    while !again.is_empty() {
        again.retain(|v| {
            let mut ready = true;
            insts[v]
                .op
                .for_each_operand(|o| ready &= placed.contains(&o));
            if ready {
                placed.insert(*v);
                stop.again.push(*v);
            }
            !ready
        });
    }
}

/// Whether what is to be saved can be.
fn check(f: &Function, stop: &Stop, arguments: &[Value]) -> Result<()> {
    let loc = f.blocks[stop.from].term_loc;
    for &v in &stop.saved {
        match f.ty(v) {
            Type::Err => {
                return Err(refuse(
                    f,
                    loc,
                    "a generator cannot yield while an exception waits to be raised again"
                        .to_owned(),
                    "yield after the `except` or `finally` block",
                ));
            }
            Type::Ptr if !arguments.contains(&v) => {
                return Err(refuse(
                    f,
                    loc,
                    format!(
                        "the generator `{}` cannot keep a variable that an inner function reads later over a `yield`",
                        f.name
                    ),
                    "give the inner function the value as an argument",
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

fn refuse(f: &Function, loc: LocId, message: String, help: &str) -> Box<Diagnostic> {
    let diagnostic = Diagnostic::new(Code::UnsupportedSyntax, message);
    let diagnostic = match f.locs.get(loc.index()) {
        Some(loc) => {
            let span = loc.source.from_position(loc.line, loc.column);
            diagnostic.label(&loc.source, span, "")
        }
        None => diagnostic,
    };
    diagnostic.help(help)
}

/// Moves the first block to another place, so that there is one before it.
fn begin_elsewhere(f: &mut Function) -> usize {
    let first = f.blocks.len();
    let block = std::mem::take(&mut f.blocks[0]);
    f.blocks.push(block);
    for target in f.blocks.iter_mut().flat_map(|b| b.term.targets_mut()) {
        if target.block.index() == 0 {
            target.block = BlockId(first as u32);
        }
    }
    first
}

/// Which part of the state a value has, at every stop the same if it can be.
#[derive(Default)]
struct Layout {
    types: Vec<Type>,
    preferred: FxHashMap<Value, usize>,
}

impl Layout {
    /// The parts for values that are there at once.
    fn add(&mut self, f: &Function, values: &[Value]) -> Vec<usize> {
        let mut taken = vec![false; self.types.len()];
        let mut parts = vec![None; values.len()];
        for (part, v) in parts.iter_mut().zip(values) {
            if let Some(&known) = self.preferred.get(v)
                && !std::mem::replace(&mut taken[known], true)
            {
                *part = Some(known);
            }
        }
        for (part, &v) in parts.iter_mut().zip(values) {
            if part.is_some() {
                continue;
            }
            let ty = f.ty(v);
            let free = (0..self.types.len()).find(|&i| !taken[i] && self.types[i] == ty);
            let found = free.unwrap_or_else(|| {
                self.types.push(ty);
                taken.push(false);
                self.types.len() - 1
            });
            taken[found] = true;
            self.preferred.insert(v, found);
            *part = Some(found);
        }
        parts.into_iter().flatten().collect()
    }

    /// The types of the state, what is managed first, and the place of each part in it.
    fn order(&self) -> (Vec<Type>, Vec<usize>) {
        let mut order: Vec<usize> = (0..self.types.len()).collect();
        order.sort_by_key(|&i| !self.types[i].is_managed());
        let mut places = vec![0; order.len()];
        for (place, &i) in order.iter().enumerate() {
            places[i] = place;
        }
        (order.iter().map(|&i| self.types[i]).collect(), places)
    }
}

/// Writes the entry, which goes on where the generator stopped: what says whether it is to be closed, and
/// what was sent.
fn enter(
    f: &mut Function,
    generator: &Generator,
    state: &[Type],
    first: usize,
    stops: &[Stop],
) -> (Value, Vec<Value>) {
    let at = f.new_value(Type::I64);
    let given: Vec<Value> = state.iter().map(|&ty| f.new_value(ty)).collect();
    let closing = f.new_value(Type::I1);
    let sent: Vec<Value> = generator.sent.iter().map(|&ty| f.new_value(ty)).collect();
    let target = |block: usize, places: &[usize]| Target {
        block: BlockId(block as u32),
        args: places.iter().map(|&place| given[place]).collect(),
    };
    let mut cases = vec![(Generator::STARTS, target(first, &generator.arguments))];
    for (number, stop) in (1..).zip(stops) {
        cases.push((number, target(stop.after, &stop.places)));
        f.blocks[stop.from].term = Term::Unreachable;
    }
    let finished = f.blocks.len();
    f.blocks.push(Block {
        term: Term::Return(SmallVec::new()),
        ..Block::default()
    });
    let params = [&[at][..], &given, &[closing], &sent].concat();
    f.params = params.iter().map(|&v| f.ty(v)).collect();
    f.blocks[0] = Block {
        params,
        term: Term::Switch {
            value: at,
            cases,
            default: target(finished, &[]),
        },
        ..Block::default()
    };
    (closing, sent)
}

/// Values that are restored have several definitions. Gives for each stop what is saved.
fn make_ssa(f: &mut Function, stops: &[Stop]) -> Vec<Vec<Value>> {
    let mut variable: FxHashMap<Value, usize> = FxHashMap::default();
    let mut defined: FxHashMap<Value, usize> = FxHashMap::default();
    for (b, block) in f.blocks.iter().enumerate() {
        let results = block.insts.iter().flat_map(|inst| &inst.results);
        for &v in block.params.iter().chain(results) {
            defined.insert(v, b);
        }
    }
    let mut variables = Variables::new(f);
    for stop in stops {
        for &v in stop.saved.iter().chain(&stop.again) {
            let ty = variables.f.ty(v);
            let number = *variable.entry(v).or_insert_with(|| variables.add(ty));
            variables.define(defined[&v], number, v);
            variables.define(stop.after, number, stop.restored[&v]);
        }
    }
    let after: FxHashMap<usize, &Stop> = stops.iter().map(|stop| (stop.after, stop)).collect();
    let current = |variables: &mut Variables<'_>, at: usize, v: Value| -> Option<Value> {
        let number = *variable.get(&v)?;
        if defined[&v] == at {
            return None;
        }
        match after.get(&at).and_then(|stop| stop.restored.get(&v)) {
            Some(&restored) => Some(restored),
            None => Some(variables.at_start(at, number)),
        }
    };
    rewrite_uses(&mut variables, current);
    let saved = stops
        .iter()
        .map(|stop| {
            let find = |&v: &Value| current(&mut variables, stop.from, v).unwrap_or(v);
            stop.saved.iter().map(find).collect()
        })
        .collect();
    variables.finish();
    saved
}

/// Makes returns of the yields, and has all returns say whether the generator is finished.
fn leave(
    f: &mut Function,
    generator: &Generator,
    state: &[Type],
    stops: &[Stop],
    saved: &[Vec<Value>],
) {
    const STATE: usize = 2;
    let yields = STATE + state.len();
    let results = yields + generator.yields.len();
    let own = std::mem::take(&mut f.results);
    let types = [&[Type::I1, Type::I64][..], state, &generator.yields, &own].concat();
    for b in 0..f.blocks.len() {
        let loc = f.blocks[b].term_loc;
        let number = stops.iter().position(|stop| stop.from == b);
        let mut given = vec![None; types.len()];
        let (more, at) = match (number, &f.blocks[b].term) {
            (Some(number), _) => {
                for (&place, &v) in stops[number].places.iter().zip(&saved[number]) {
                    given[STATE + place] = Some(v);
                }
                if let Some(Op::Yield { values }) = f.blocks[b].insts.pop().map(|inst| inst.op) {
                    for (given, v) in given[yields..].iter_mut().zip(values) {
                        *given = Some(v);
                    }
                }
                (1, number as i64 + 1)
            }
            (None, Term::Return(values)) => {
                for (given, &v) in given[results..].iter_mut().zip(values) {
                    *given = Some(v);
                }
                (0, Generator::FINISHED)
            }
            _ => continue,
        };
        given[0] = Some(constant(f, b, Op::Int(more), Type::I1, loc));
        given[1] = Some(constant(f, b, Op::Int(at), Type::I64, loc));
        let returned = given
            .into_iter()
            .zip(&types)
            .map(|(v, &ty)| v.unwrap_or_else(|| constant(f, b, Op::Undef, ty, loc)))
            .collect();
        f.blocks[b].term = Term::Return(returned);
    }
    f.results = types;
}

impl Stop {
    /// Writes what brings back the values at the start of the block after the stop.
    fn restore(&mut self, f: &mut Function, insts: &FxHashMap<Value, Inst>) {
        for &v in &self.saved {
            let new = f.new_value(f.ty(v));
            f.blocks[self.after].params.push(new);
            self.restored.insert(v, new);
        }
        let mut written = vec![];
        for &v in &self.again {
            let new = f.new_value(f.ty(v));
            let mut inst = insts[&v].clone();
            inst.results = smallvec![new];
            inst.op
                .for_each_operand_mut(&mut |operand| *operand = self.restored[operand]);
            written.push(inst);
            self.restored.insert(v, new);
        }
        f.blocks[self.after].insts.splice(0..0, written);
    }
}

/// A constant at the end of a block.
fn constant(f: &mut Function, b: usize, op: Op, ty: Type, loc: LocId) -> Value {
    let value = f.new_value(ty);
    f.blocks[b].insts.push(Inst {
        op,
        results: smallvec![value],
        loc,
    });
    value
}

/// What a generator is resumed with are parameters.
fn receive(f: &mut Function, closing: Value, sent: &[Value]) {
    let mut renaming = Renaming::new(f);
    for block in &mut f.blocks {
        block.insts.retain(|inst| {
            let received = matches!(inst.op, Op::Received);
            if received {
                renaming.set(inst.results[0], closing);
                for (&result, &value) in inst.results[1..].iter().zip(sent) {
                    renaming.set(result, value);
                }
            }
            !received
        });
    }
    renaming.apply(f);
}

// ---- state in values -----------------------------------------------------------------------------

/// Takes one generator of a function apart that nobody else sees; false if there is none. `calls` counts
/// the places where functions are called.
pub(super) fn keep_in_values(f: &mut Function, program: &Program, calls: &mut [u32]) -> bool {
    let found = f.blocks.iter().enumerate().find_map(|(b, block)| {
        block.insts.iter().enumerate().find_map(|(i, inst)| {
            let Op::NewGenerator { func, .. } = inst.op else {
                return None;
            };
            let callee = &program.functions[func.index()];
            let state = callee.generator.as_ref()?.state.as_ref()?;
            if callee.recursive || !matches!(block.term, Term::Branch { .. }) {
                return None;
            }
            let aliases = aliases(f, inst.results[0])?;
            // When the place is reached again, nobody may use the object of the last time.
            let again = aliases.len() > 1 && {
                let live = &liveness(f)[b];
                live.iter()
                    .chain(&block.params)
                    .any(|v| aliases.contains(v))
            };
            (!again).then(|| (b, i, func, state.clone(), aliases))
        })
    });
    let Some((b, i, func, state, aliases)) = found else {
        return false;
    };
    let arguments = program.functions[func.index()]
        .generator
        .as_ref()
        .map_or(&[][..], |g| &g.arguments);
    take_apart(f, (b, i), func, &state, arguments, &aliases, calls);
    true
}

/// A generator that shares a variable with the function that makes it must not outlive that.
pub(super) fn check_lifetimes(f: &Function) -> Result<()> {
    for block in &f.blocks {
        for inst in &block.insts {
            if let Op::NewGenerator { args, .. } = &inst.op
                && args.iter().any(|&v| f.ty(v) == Type::Ptr)
                && aliases(f, inst.results[0]).is_none()
            {
                return Err(refuse(
                    f,
                    inst.loc,
                    format!(
                        "a generator that leaves `{}` reads a variable of it that is assigned later",
                        f.name
                    ),
                    "give the generator the value as an argument",
                ));
            }
        }
    }
    Ok(())
}

/// The values that are the object made at a place; `None` if it goes anywhere but to resumptions.
fn aliases(f: &Function, object: Value) -> Option<Set> {
    let mut aliases: Set = std::iter::once(object).collect();
    let insts = definitions(f);
    let nothing = |v: &Value| matches!(insts.get(v), Some(Inst { op: Op::Undef, .. }));
    loop {
        let before = aliases.len();
        for target in f.blocks.iter().flat_map(|b| b.term.targets()) {
            for (&param, arg) in f.block(target.block).params.iter().zip(&target.args) {
                if aliases.contains(arg) {
                    aliases.insert(param);
                }
            }
        }
        if aliases.len() == before {
            break;
        }
    }
    let mut only = true;
    for block in &f.blocks {
        for inst in &block.insts {
            if let Op::Resume { args, .. } = &inst.op {
                only &= !args.iter().any(|v| aliases.contains(v));
            } else {
                inst.op.for_each_operand(|v| only &= !aliases.contains(&v));
            }
        }
        block
            .term
            .for_each_operand(|v| only &= !aliases.contains(&v));
        for target in block.term.targets() {
            for (param, arg) in f.block(target.block).params.iter().zip(&target.args) {
                only &= !aliases.contains(param) || aliases.contains(arg) || nothing(arg);
            }
        }
    }
    only.then_some(aliases)
}

fn take_apart(
    f: &mut Function,
    (b, i): (usize, usize),
    func: FuncId,
    state: &[Type],
    arguments: &[usize],
    aliases: &Set,
    calls: &mut [u32],
) {
    // The object itself is nothing any more, and making it cannot fail.
    let made = &mut f.blocks[b].insts[i];
    let (results, loc) = (std::mem::take(&mut made.results), made.loc);
    let Op::NewGenerator { args, .. } = std::mem::replace(&mut made.op, Op::Null) else {
        unreachable!("found above")
    };
    made.results = smallvec![results[1]];
    let object = Inst {
        op: Op::Null,
        results: smallvec![results[0]],
        loc,
    };
    f.blocks[b].insts.insert(i, object);
    if let Term::Branch { other, .. } = std::mem::take(&mut f.blocks[b].term) {
        f.blocks[b].term = Term::Jump(other);
    }
    let start = constant(f, b, Op::Int(Generator::STARTS), Type::I64, loc);
    let mut first: Vec<Value> = vec![start];
    for (part, &ty) in state.iter().enumerate() {
        first.push(match arguments.iter().position(|&p| p == part) {
            Some(argument) => args[argument],
            None => constant(f, b, Op::Undef, ty, loc),
        });
    }

    // After an error, a generator is finished.
    let kinds: Vec<Type> = std::iter::once(Type::I64)
        .chain(state.iter().copied())
        .collect();
    let mut resumed = vec![];
    for at in 0..f.blocks.len() {
        let is_resumption =
            |inst: &Inst| matches!(inst.op, Op::Resume { object, .. } if aliases.contains(&object));
        let Some(i) = f.blocks[at].insts.iter().position(is_resumption) else {
            continue;
        };
        let failed = f.blocks.len();
        let loc = f.blocks[at].insts[i].loc;
        let Term::Branch { then, .. } = &mut f.blocks[at].term else {
            unreachable!("a resumption without its error branch")
        };
        let term = Term::Jump(std::mem::replace(
            then,
            Target {
                block: BlockId(failed as u32),
                args: SmallVec::new(),
            },
        ));
        f.blocks.push(Block {
            term,
            term_loc: loc,
            ..Block::default()
        });
        let finished: Vec<Value> = kinds
            .iter()
            .enumerate()
            .map(|(k, &ty)| {
                let op = if k == 0 {
                    Op::Int(Generator::FINISHED)
                } else {
                    Op::Undef
                };
                constant(f, failed, op, ty, loc)
            })
            .collect();
        resumed.push((at, failed, finished));
    }
    calls[func.index()] += resumed.len() as u32;

    let mut variables = Variables::new(f);
    let parts: Vec<usize> = kinds.iter().map(|&ty| variables.add(ty)).collect();
    for (&part, &value) in parts.iter().zip(&first) {
        variables.define(b, part, value);
    }
    let mut after = vec![];
    for (at, failed, finished) in &resumed {
        let new: Vec<Value> = kinds.iter().map(|&ty| variables.f.new_value(ty)).collect();
        for ((&part, &new), &finished) in parts.iter().zip(&new).zip(finished) {
            variables.define(*at, part, new);
            variables.define(*failed, part, finished);
        }
        after.push(new);
    }
    for ((at, ..), new) in resumed.iter().zip(after) {
        let now: Vec<Value> = parts
            .iter()
            .map(|&part| variables.at_start(*at, part))
            .collect();
        let block = &mut variables.f.blocks[*at];
        let resumption = |inst: &&mut Inst| matches!(inst.op, Op::Resume { object, .. } if aliases.contains(&object));
        let Some(inst) = block.insts.iter_mut().find(resumption) else {
            unreachable!("found above")
        };
        let Op::Resume { args: given, .. } = &inst.op else {
            unreachable!("found above")
        };
        let args = now.into_iter().chain(given.iter().copied()).collect();
        inst.op = Op::Call { func, args };
        inst.results.insert_many(1, new);
    }
    variables.finish();
}

// ---- state in objects ----------------------------------------------------------------------------

/// The slots of a state in memory: for each part, the number of its first one.
fn slots(state: &[Type]) -> impl Iterator<Item = (usize, Type)> {
    let mut next = 0;
    state.iter().map(move |&ty| {
        let slot = next;
        next += slot_count(ty);
        (slot, ty)
    })
}

fn slot_count(ty: Type) -> usize {
    match ty {
        Type::Array(rank) => array_slots(usize::from(rank)),
        _ => 1,
    }
}

/// Makes objects of the generators that are left in a program.
pub(super) fn keep_in_objects(program: &mut Program) {
    let mut runners: FxHashMap<FuncId, FuncId> = FxHashMap::default();
    for f in 0..program.functions.len() {
        let made = |inst: &Inst| match inst.op {
            Op::NewGenerator { func, .. } => Some(func),
            _ => None,
        };
        let insts = program.functions[f].blocks.iter().flat_map(|b| &b.insts);
        let made: Vec<FuncId> = insts.filter_map(made).collect();
        for func in made {
            runners.entry(func).or_insert_with(|| runner(program, func));
        }
    }
    let machines: FxHashMap<FuncId, Generator> = runners
        .keys()
        .filter_map(|&func| Some((func, program.functions[func.index()].generator.clone()?)))
        .collect();
    for f in &mut program.functions {
        make_objects(f, &runners, &machines);
    }
}

/// The address of a part of a generator object.
fn part(b: &mut Builder, object: Value, offset: usize) -> Value {
    let offset = b.i64(offset as i64);
    b.offset(object, offset)
}

fn slot(b: &mut Builder, object: Value, slot: usize) -> Value {
    part(b, object, GENERATOR_SLOTS + 8 * slot)
}

fn align(ty: Type) -> u8 {
    ty.bytes().min(8) as u8
}

/// The function that runs a generator object on: its state is taken out of the object while it runs.
fn runner(program: &mut Program, func: FuncId) -> FuncId {
    let machine = &program.functions[func.index()];
    let Some(
        generator @ Generator {
            state: Some(state), ..
        },
    ) = &machine.generator
    else {
        unreachable!("generator functions are state machines by now")
    };
    let (state, generator) = (state.clone(), generator.clone());
    let mut params = vec![Type::Obj, Type::I1];
    params.extend(&generator.sent);
    let given: Vec<Type> = machine.results[2 + state.len()..].to_vec();
    let results: Vec<Type> = std::iter::once(Type::I1).chain(given).collect();
    let symbol = format!("{}.next", machine.symbol).into();
    let mut b = Builder::new(
        symbol,
        machine.name.clone(),
        &params,
        &results,
        machine.options,
    );
    b.func.may_raise = true;
    let loc = machine.locs.first().cloned();
    let location = loc.as_ref().map(|loc| PoolEntry::Location {
        file: loc.source.file.as_ref().into(),
        function: loc.function.clone(),
        line: loc.function_line,
        column: 0,
    });
    if let Some(loc) = loc {
        b.set_loc(loc);
    }
    let mut types = machine.results.clone();
    types.push(Type::Err);
    let location = location.map(|entry| program.pool_id(entry));
    let received = b.func.blocks[0].params.clone();
    let object = received[0];

    let place = part(&mut b, object, GENERATOR_AT);
    let at = b.load(Type::I64, place, 8, Mem::Any);
    let running = b.i64(RUNNING);
    let busy = b.cmp(Cmp::Eq, at, running);
    let (twice, free) = (b.new_block(), b.new_block());
    b.branch(busy, twice, free, Hint::Unlikely);
    b.switch_to(twice);
    let location = match location {
        Some(id) => b.pool(id, Type::Ptr),
        None => b.null(Type::Ptr),
    };
    let err = b.rt1(RtFn::generator_running, &[location]);
    b.terminate(Term::Throw(err));
    b.switch_to(free);
    b.store(place, running, 8, Mem::Any);
    let mut args = vec![at];
    for (n, ty) in slots(&state) {
        let ptr = slot(&mut b, object, n);
        args.push(if ty.is_managed() {
            let nothing = b.undef(ty);
            b.exchange(ptr, nothing)
        } else {
            b.load(ty, ptr, align(ty), Mem::Any)
        });
    }
    args.extend(&received[1..]);
    let mut results = b.call(func, &args, &types);
    let Some(err) = results.pop() else {
        unreachable!("generators may raise")
    };
    let null = b.null(Type::Err);
    let raised = b.cmp(Cmp::Ne, err, null);
    let (failed, fine) = (b.new_block(), b.new_block());
    b.branch(raised, failed, fine, Hint::Unlikely);
    b.switch_to(failed);
    let finished = b.i64(Generator::FINISHED);
    b.store(place, finished, 8, Mem::Any);
    b.terminate(Term::Throw(err));
    b.switch_to(fine);
    for ((n, ty), &value) in slots(&state).zip(&results[2..]) {
        let ptr = slot(&mut b, object, n);
        let mem = if ty.is_managed() {
            Mem::Items
        } else {
            Mem::Any
        };
        b.store(ptr, value, align(ty), mem);
    }
    b.store(place, results[1], 8, Mem::Any);
    let mut returned: SmallVec<[Value; 4]> = smallvec![results[0]];
    returned.extend(results[2 + state.len()..].iter().copied());
    b.terminate(Term::Return(returned));

    let id = FuncId(program.functions.len() as u32);
    program.functions.push(b.func);
    program.generators.push(id);
    id
}

/// Rewrites what makes generators and runs them on.
fn make_objects(
    f: &mut Function,
    runners: &FxHashMap<FuncId, FuncId>,
    machines: &FxHashMap<FuncId, Generator>,
) {
    let works = |inst: &Inst| matches!(inst.op, Op::NewGenerator { .. } | Op::Resume { .. });
    for at in 0..f.blocks.len() {
        let Some(i) = f.blocks[at].insts.iter().position(works) else {
            continue;
        };
        let rest = f.blocks[at].insts.split_off(i + 1);
        let Some(inst) = f.blocks[at].insts.pop() else {
            unreachable!("found above")
        };
        let mut term = std::mem::take(&mut f.blocks[at].term);
        let mut b = Builder::resume(std::mem::replace(f, Function::empty()));
        b.switch_to(BlockId(at as u32));
        b.set_loc_id(inst.loc);
        match inst.op {
            Op::Resume { object, args } => {
                let place = part(&mut b, object, GENERATOR_RESUME);
                let pointer = b.load(Type::Ptr, place, 8, Mem::Any);
                let args = std::iter::once(object).chain(args).collect();
                b.func.blocks[at].insts.push(Inst {
                    op: Op::CallIndirect { pointer, args },
                    ..inst
                });
            }
            Op::NewGenerator { func, args } => {
                let Some(generator) = machines.get(&func) else {
                    unreachable!("each has its runner")
                };
                let state = generator.state.as_deref().unwrap_or_default();
                let (mut objects, mut owners) = (0u64, 0u64);
                for (n, ty) in slots(state).filter(|(_, ty)| ty.is_managed()) {
                    *(if ty == Type::Obj {
                        &mut objects
                    } else {
                        &mut owners
                    }) |= 1 << n;
                }
                let size: usize = state.iter().map(|&ty| slot_count(ty)).sum();
                let runner = runners[&func];
                let given = [
                    b.i64(size as i64),
                    b.i64(objects.cast_signed()),
                    b.i64(owners.cast_signed()),
                    b.function_address(runner, false),
                    b.function_address(runner, true),
                ];
                b.func.blocks[at].insts.push(Inst {
                    op: Op::Rt {
                        func: RtFn::generator_new,
                        args: given.as_slice().into(),
                    },
                    results: inst.results.clone(),
                    loc: inst.loc,
                });
                // On the side without an error.
                let Term::Branch { other, .. } = &mut term else {
                    unreachable!("a generator without its error branch")
                };
                let block = b.new_block();
                let start = Target {
                    block,
                    args: SmallVec::new(),
                };
                let goal = std::mem::replace(other, start);
                b.switch_to(block);
                for (&part, &value) in generator.arguments.iter().zip(&args) {
                    let Some((n, ty)) = slots(state).nth(part) else {
                        unreachable!("arguments are part of the state")
                    };
                    let ptr = slot(&mut b, inst.results[0], n);
                    let mem = if ty.is_managed() {
                        Mem::Items
                    } else {
                        Mem::Any
                    };
                    b.store(ptr, value, align(ty), mem);
                }
                b.terminate(Term::Jump(goal));
            }
            _ => unreachable!("found above"),
        }
        *f = b.func;
        f.blocks[at].insts.extend(rest);
        f.blocks[at].term = term;
    }
}
