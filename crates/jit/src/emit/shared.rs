//! What the functions of one module share: types, declarations, attributes, metadata.

use std::cell::OnceCell;

use ferdelance_abi::rtfn::{RtFn, TABLE};
use ferdelance_compiler::tir::{FuncId, Mem, PoolEntry, Program, Rounds, Type};
use inkwell::context::Context;
use inkwell::module::Module;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::debug::DebugInfo;
use super::raw::{self, Attr, Builder, Meta, MetaVal, Nodes, Place, Ty, Types, Val};
use super::runtime::{Allocator, Declared};
use crate::locations::LocationTable;

/// How a function takes its arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// As exploded scalars; called by compiled code.
    Plain,
    /// As slots; called by Python only, so it is its own trampoline.
    Entry,
}

/// A declared function of the program.
#[derive(Clone, Copy)]
pub(super) struct Callable<'c> {
    pub value: Val<'c>,
    pub ty: Ty<'c>,
    pub form: Form,
}

/// Metadata that memory accesses and branches carry.
pub(super) struct Metadata<'c> {
    pub tbaa: u32,
    pub elements: MetaVal<'c>,
    pub header: MetaVal<'c>,
    pub items: MetaVal<'c>,
    pub stack: MetaVal<'c>,
    pub any: MetaVal<'c>,
    pub invariant: u32,
    pub nonnull: u32,
    pub noundef: u32,
    pub range: u32,
    pub empty: MetaVal<'c>,
    /// What a dimension of an array can be.
    pub not_negative: MetaVal<'c>,
    pub prof: u32,
    pub likely: MetaVal<'c>,
    pub unlikely: MetaVal<'c>,
}

/// An intrinsic's name and the types that it is overloaded on (their addresses).
type Overload = (&'static str, SmallVec<[usize; 2]>);

pub(super) struct Shared<'a, 'c> {
    pub context: &'c Context,
    pub module: Module<'c>,
    pub program: &'a Program,
    pub types: Types<'c>,
    pub nodes: Nodes<'c>,
    pub meta: Metadata<'c>,
    pub debug: Option<DebugInfo<'c>>,
    pub pool: Vec<PoolEntry>,
    functions: Vec<Callable<'c>>,
    /// Of functions that run generators on: what is called by address, and trampolines.
    pub addresses: Vec<(FuncId, Val<'c>, Val<'c>)>,
    /// Trampolines of regions that are called directly, too.
    pub regions: Vec<(FuncId, Val<'c>)>,
    runtime: Vec<Option<Declared<'c>>>,
    pub allocators: Vec<(Allocator, Val<'c>, Ty<'c>)>,
    intrinsics: FxHashMap<Overload, (Val<'c>, Ty<'c>)>,
    function_attrs: Vec<Attr<'c>>,
    pool_global: Option<Val<'c>>,
    independent: OnceCell<Option<(u32, Meta<'c>)>>,
}

impl<'a, 'c> Shared<'a, 'c> {
    pub fn new(
        context: &'c Context,
        module: Module<'c>,
        program: &'a Program,
        debug_info: bool,
    ) -> Self {
        let types = Types::new(context);
        let nodes = Nodes::new(context);
        let meta = Metadata::new(&nodes, &types);
        let function_attrs = vec![
            nodes.attr("nounwind", 0),
            // Unwind tables that hold at every instruction: profilers stop anywhere.
            nodes.attr("uwtable", 2),
            nodes.string_attr("frame-pointer", "all"),
            nodes.string_attr("no-trapping-math", "true"),
            // A tail call would take the caller out of backtraces.
            nodes.string_attr("disable-tail-calls", "true"),
        ];
        let debug = debug_info
            .then(|| DebugInfo::new(context, &module, program))
            .flatten();
        Shared {
            context,
            module,
            program,
            types,
            nodes,
            meta,
            debug,
            pool: program.pool.clone(),
            functions: Vec::with_capacity(program.functions.len()),
            addresses: Vec::new(),
            regions: Vec::new(),
            runtime: TABLE.iter().map(|_| None).collect(),
            allocators: Vec::new(),
            intrinsics: FxHashMap::default(),
            function_attrs,
            pool_global: None,
            independent: OnceCell::new(),
        }
    }

    /// The LLVM types of a value's scalars.
    pub fn scalars(&self, ty: Type) -> SmallVec<[Ty<'c>; 8]> {
        match ty {
            Type::Array(rank) => {
                let mut all: SmallVec<[Ty<'c>; 8]> = smallvec::smallvec![self.types.ptr; 2];
                all.resize(2 + 2 * rank as usize, self.types.i64);
                all
            }
            _ => smallvec::smallvec![self.scalar(ty)],
        }
    }

    /// The LLVM type of a type with one scalar (of the first, for an array).
    pub fn scalar(&self, ty: Type) -> Ty<'c> {
        match ty {
            Type::I1 => self.types.i1,
            Type::I8 => self.types.i8,
            Type::I16 => self.types.i16,
            Type::I32 => self.types.i32,
            Type::I64 => self.types.i64,
            Type::F16 => self.types.f16,
            Type::F32 => self.types.f32,
            Type::F64 => self.types.f64,
            Type::Ptr | Type::Obj | Type::Owner | Type::Err | Type::Array(_) => self.types.ptr,
        }
    }

    /// All scalars of several values.
    pub fn explode(&self, types: &[Type]) -> SmallVec<[Ty<'c>; 8]> {
        types.iter().flat_map(|&ty| self.scalars(ty)).collect()
    }

    /// The type that a function with these results returns.
    pub fn result_type(&self, results: &[Type], may_raise: bool) -> Ty<'c> {
        let mut scalars = self.explode(results);
        scalars.extend(may_raise.then_some(self.types.ptr));
        match *scalars {
            [] => self.types.void,
            [one] => one,
            _ => self.types.structure(&scalars),
        }
    }

    /// Declares a function of the program, in the order of their numbers.
    pub fn declare(&mut self, id: FuncId, entry: bool) {
        let pointer = self.program.pointers.contains(&id);
        let f = &self.program.functions[id.index()];
        let form = if entry && !f.recursive {
            Form::Entry
        } else {
            Form::Plain
        };
        let callable = match form {
            Form::Entry => self.declare_entry(&super::entry_symbol(f)),
            Form::Plain => {
                let mut params: SmallVec<[Ty<'c>; 8]> = SmallVec::new();
                params.extend(f.recursive.then_some(self.types.ptr));
                params.extend(self.explode(&f.params));
                let ty = self
                    .types
                    .function(self.result_type(&f.results, f.may_raise), &params);
                let value = raw::add_function(&self.module, &f.symbol, ty, !pointer);
                Callable { value, ty, form }
            }
        };
        self.add_function_attributes(callable.value);
        if f.options.debug || f.options.never_inline {
            callable
                .value
                .add_attribute(Place::Function, self.nodes.attr("noinline", 0));
        }
        self.functions.push(callable);
    }

    /// Declares a function with the signature of trampolines.
    pub fn declare_entry(&self, symbol: &str) -> Callable<'c> {
        let ptr = self.types.ptr;
        let ty = self.types.function(ptr, &[ptr, ptr]);
        let value = raw::add_function(&self.module, symbol, ty, false);
        for param in [Place::Param(0), Place::Param(1)] {
            value.add_attribute(param, self.nodes.attr("noalias", 0));
            value.add_attribute(param, self.nodes.attr("noundef", 0));
        }
        value.add_attribute(Place::Param(0), self.nodes.attr("readonly", 0));
        value.add_attribute(Place::Param(1), self.nodes.attr("writeonly", 0));
        Callable {
            value,
            ty,
            form: Form::Entry,
        }
    }

    pub fn add_function_attributes(&self, function: Val<'c>) {
        for &attr in &self.function_attrs {
            function.add_attribute(Place::Function, attr);
        }
    }

    /// What the runtime calls for a region.
    pub fn region(&self, id: FuncId) -> Val<'c> {
        let known = self.regions.iter().find(|(region, _)| *region == id);
        known.map_or_else(|| self.function(id).value, |(_, trampoline)| *trampoline)
    }

    pub fn function(&self, id: FuncId) -> Callable<'c> {
        self.functions[id.index()]
    }

    /// The declaration of a runtime function, made at its first use.
    pub fn runtime(&mut self, func: RtFn) -> Declared<'c> {
        if let Some(known) = self.runtime[func as usize] {
            return known;
        }
        let declared = Declared::new(self, func);
        self.runtime[func as usize] = Some(declared);
        declared
    }

    /// The declaration of an intrinsic for these types.
    pub fn intrinsic(&mut self, name: &'static str, types: &[Ty<'c>]) -> (Val<'c>, Ty<'c>) {
        let key = (name, types.iter().map(|t| t.0.addr()).collect());
        let module = &self.module;
        *self
            .intrinsics
            .entry(key)
            .or_insert_with(|| raw::intrinsic(module, name, types))
    }

    /// The constant pool's global.
    pub fn pool_global(&mut self) -> Val<'c> {
        let (module, types) = (&self.module, &self.types);
        *self.pool_global.get_or_insert_with(|| {
            // The linker knows the size; code only ever uses constant offsets into it.
            raw::add_extern_global(module, super::POOL_SYMBOL, types.array(types.ptr, 0))
        })
    }

    /// An entry of the constant pool.
    pub fn load_pool(&mut self, builder: &Builder<'c>, index: usize) -> Val<'c> {
        let pool = self.pool_global();
        let types = &self.types;
        let slot = builder.element(types.ptr, pool, types.i64.int(index as i64));
        let value = builder.load(types.ptr, slot, 8);
        let meta = &self.meta;
        value.set_metadata(meta.invariant, meta.empty);
        value.set_metadata(meta.noundef, meta.empty);
        // What could be null is no entry.
        value.set_metadata(meta.nonnull, meta.empty);
        value
    }

    /// The pool's index of an entry that emission itself needs.
    pub fn pool_index(&mut self, entry: PoolEntry) -> usize {
        let known = self.pool.iter().position(|e| *e == entry);
        known.unwrap_or_else(|| {
            self.pool.push(entry);
            self.pool.len() - 1
        })
    }

    /// Marks an access to memory of class `mem`.
    pub fn mark_access(&self, access: Val<'c>, mem: Mem) {
        let meta = &self.meta;
        match mem {
            Mem::Elements => access.set_metadata(meta.tbaa, meta.elements),
            Mem::Independent => {
                access.set_metadata(meta.tbaa, meta.elements);
                if let Some((kind, group)) = self.independent() {
                    access.set_metadata(kind, self.nodes.value(group));
                }
            }
            Mem::Header => access.set_metadata(meta.tbaa, meta.header),
            Mem::Items => access.set_metadata(meta.tbaa, meta.items),
            Mem::Stack => access.set_metadata(meta.tbaa, meta.stack),
            Mem::Constant => access.set_metadata(meta.invariant, meta.empty),
            Mem::Any => access.set_metadata(meta.tbaa, meta.any),
        }
    }

    /// The group that accesses of loops with independent rounds are in, and the kind of metadata that
    /// says so.
    fn independent(&self) -> Option<(u32, Meta<'c>)> {
        *self.independent.get_or_init(|| {
            let group = self.nodes.distinct()?;
            Some((self.nodes.kind("llvm.access.group"), group))
        })
    }

    /// Says of a loop, by the jump that closes it, what is known of its rounds.
    pub fn mark_loop(&self, back: Val<'c>, rounds: Rounds) {
        let nodes = &self.nodes;
        let property = match rounds {
            Rounds::Unknown => return,
            Rounds::Independent | Rounds::Chained => {
                let Some((_, group)) = self.independent() else {
                    return;
                };
                [nodes.string("llvm.loop.parallel_accesses"), group]
            }
            Rounds::Rare => {
                let no = nodes.constant(self.types.i1.zero());
                [nodes.string("llvm.loop.vectorize.enable"), no]
            }
        };
        let mut properties = vec![nodes.node(&property)];
        if rounds == Rounds::Chained {
            let two = nodes.constant(self.types.i32.int(2));
            properties.push(nodes.node(&[nodes.string("llvm.loop.interleave.count"), two]));
        }
        let id = nodes.loop_id(&properties);
        back.set_metadata(nodes.kind("llvm.loop"), nodes.value(id));
    }

    /// Completes debug information; gives the table of locations.
    pub fn finish_debug_info(&mut self) -> LocationTable {
        self.debug.take().map(DebugInfo::finish).unwrap_or_default()
    }
}

impl<'c> Metadata<'c> {
    fn new(nodes: &Nodes<'c>, types: &Types<'c>) -> Self {
        let int = |value| nodes.constant(types.i64.int(value));
        let weight = |value| nodes.constant(types.i32.int(value));
        let node = |items: &[_]| nodes.value(nodes.node(items));
        // Element accesses of any machine type may overlap (views), so they are one class; stack slots,
        // headers and items of lists are others: none of them is ever part of another.
        let root = nodes.node(&[nodes.string("ferdelance")]);
        let class = |name, parent| nodes.node(&[nodes.string(name), parent, int(0)]);
        let any = class("any", root);
        let tag = |class| node(&[class, class, int(0)]);
        let weights =
            |then, other| node(&[nodes.string("branch_weights"), weight(then), weight(other)]);
        Metadata {
            tbaa: nodes.kind("tbaa"),
            elements: tag(class("elements", any)),
            header: tag(class("header", any)),
            items: tag(class("items", any)),
            stack: tag(class("stack", any)),
            any: tag(any),
            invariant: nodes.kind("invariant.load"),
            nonnull: nodes.kind("nonnull"),
            noundef: nodes.kind("noundef"),
            range: nodes.kind("range"),
            empty: node(&[]),
            not_negative: node(&[int(0), int(i64::MIN)]),
            prof: nodes.kind("prof"),
            likely: weights(2000, 1),
            unlikely: weights(1, 2000),
        }
    }
}
