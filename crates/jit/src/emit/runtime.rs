//! Declarations of runtime functions and calls of them.
//!
//! The convention (see `abi::rtfn`): results and errors come back directly if there is exactly one
//! value to return, and otherwise through trailing out-pointers, with the error as the C result.

use ferdelance_abi::rtfn::{Effect, RtFn, RtFnInfo, RtTy};
use inkwell::llvm_sys::LLVMIntPredicate::LLVMIntNE;
use smallvec::SmallVec;

use super::function::Emitter;
use super::raw::{Builder, LLVMOpcode, Place, Ty, Val};
use super::shared::Shared;

/// A declared runtime function.
#[derive(Clone, Copy)]
pub(super) struct Declared<'c> {
    value: Val<'c>,
    ty: Ty<'c>,
    info: &'static RtFnInfo,
    /// The only result comes back directly.
    direct: bool,
}

/// `memory(..)` attributes: two bits (1 read, 2 write) for each kind of location, arguments lowest,
/// then memory that no IR can reach, `errno`, anything else, and two kinds of target state.
mod memory {
    pub const NONE: u64 = 0;
    pub const READ: u64 = 0b01_01_01_01_01_01;
    pub const WRITE_ARGUMENTS: u64 = 0b10;
    pub const ARGUMENTS: u64 = 0b11;
    /// An allocator: its own state, and what it is told to write.
    pub const ALLOCATOR: u64 = 0b11_11;
}

/// Functions on the way to an exception: what leads to them is laid out out of line.
fn is_cold(name: &str) -> bool {
    name.starts_with("error_") || matches!(name, "recursion_error" | "generator_running")
}

impl<'c> Declared<'c> {
    pub fn new(shared: &Shared<'_, 'c>, func: RtFn) -> Self {
        let info = func.info();
        let raises = info.effect == Effect::Raises;
        let direct = !raises && info.results.len() == 1;
        let outs = if direct { 0 } else { info.results.len() };

        let types = &shared.types;
        let mut params: SmallVec<[Ty<'c>; 8]> =
            info.params.iter().map(|&ty| c_type(shared, ty)).collect();
        params.extend(std::iter::repeat_n(types.ptr, outs));
        let result = match info.results {
            _ if raises => types.ptr,
            [one] => c_type(shared, *one),
            _ => types.void,
        };
        let ty = types.function(result, &params);
        let value = super::raw::add_function(&shared.module, info.symbol, ty, false);

        let nodes = &shared.nodes;
        let add = |place, name: &str, value_| value.add_attribute(place, nodes.attr(name, value_));
        add(Place::Function, "nounwind", 0);
        // Calls go through the linker's table directly, without a stub in between.
        add(Place::Function, "nonlazybind", 0);
        if is_cold(info.name) {
            add(Place::Function, "cold", 0);
        }
        let memory = match info.effect {
            Effect::Pure if direct => Some(memory::NONE),
            Effect::Pure => Some(memory::WRITE_ARGUMENTS),
            Effect::Read => Some(memory::READ),
            _ => match func {
                RtFn::owner_retain | RtFn::obj_retain => Some(memory::ARGUMENTS),
                RtFn::buffer_alloc | RtFn::buffer_zeroed => Some(memory::ALLOCATOR),
                RtFn::stack_limit => Some(memory::NONE),
                _ => None,
            },
        };
        if let Some(memory) = memory {
            add(Place::Function, "memory", memory);
            add(Place::Function, "willreturn", 0);
        }
        if matches!(info.effect, Effect::Pure) {
            add(Place::Function, "nocallback", 0);
            add(Place::Function, "nosync", 0);
            add(Place::Function, "nofree", 0);
        }
        if info.effect == Effect::Pure && direct {
            add(Place::Function, "speculatable", 0);
        }
        for (i, ty) in info.params.iter().enumerate() {
            if *ty == RtTy::I1 {
                add(Place::Param(i as u32), "zeroext", 0);
            }
        }
        if direct && info.results == [RtTy::I1] {
            add(Place::Return, "zeroext", 0);
        }
        for i in 0..outs {
            let place = Place::Param((info.params.len() + i) as u32);
            // Only written, and not kept.
            add(place, "writeonly", 0);
            add(place, "captures", 0);
            add(place, "noalias", 0);
        }
        Declared {
            value,
            ty,
            info,
            direct,
        }
    }

    /// Calls it with arguments as C has them; gives what C returns.
    pub fn call(self, builder: &Builder<'c>, args: &[Val<'c>]) -> Val<'c> {
        builder.call(self.ty, self.value, args)
    }
}

/// A runtime function that gives fresh memory: `(size) -> (owner, data), raises`.
///
/// Only a returned pointer can be said to alias nothing (`noalias`), and the row returns the error. So
/// a module that allocates has a function of its own around it, which returns the data. LLVM then keeps
/// `out[i] += x` in a register, since nothing else can be where `out` is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Allocator {
    Plain,
    Zeroed,
}

impl Allocator {
    fn of(func: RtFn) -> Option<Allocator> {
        match func {
            RtFn::buffer_alloc => Some(Allocator::Plain),
            RtFn::buffer_zeroed => Some(Allocator::Zeroed),
            _ => None,
        }
    }
}

impl<'c> Shared<'_, 'c> {
    /// The function around an allocator, made at its first use: size, places for the owner and the
    /// error; gives the data (null if there is an error).
    fn allocator(&mut self, allocator: Allocator) -> (Val<'c>, Ty<'c>) {
        if let Some((_, function, ty)) = self.allocators.iter().find(|(a, ..)| *a == allocator) {
            return (*function, *ty);
        }
        let (func, name) = match allocator {
            Allocator::Plain => (RtFn::buffer_alloc, "fd.buffer_alloc"),
            Allocator::Zeroed => (RtFn::buffer_zeroed, "fd.buffer_zeroed"),
        };
        let callee = self.runtime(func);
        let types = &self.types;
        let ty = types.function(types.ptr, &[types.i64, types.ptr, types.ptr]);
        let function = super::raw::add_function(&self.module, name, ty, true);
        self.add_function_attributes(function);
        let add = |place, name: &str, value| {
            function.add_attribute(place, self.nodes.attr(name, value));
        };
        add(Place::Function, "noinline", 0);
        add(Place::Function, "willreturn", 0);
        add(Place::Function, "memory", memory::ALLOCATOR);
        add(Place::Return, "noalias", 0);
        add(Place::Return, "align", 64);
        for out in [Place::Param(1), Place::Param(2)] {
            add(out, "writeonly", 0);
            add(out, "captures", 0);
            add(out, "noalias", 0);
        }
        let builder = Builder::new(self.context);
        builder.position(super::raw::append_block(self.context, function));
        let slot = builder.alloca(types.ptr, 8);
        let error = callee.call(&builder, &[function.param(0), function.param(1), slot]);
        builder.store(error, function.param(2), 8);
        let data = builder.load(types.ptr, slot, 8);
        builder.ret(Some(data));
        self.allocators.push((allocator, function, ty));
        (function, ty)
    }
}

/// How a machine type is passed in C.
fn c_type<'c>(shared: &Shared<'_, 'c>, ty: RtTy) -> Ty<'c> {
    let types = &shared.types;
    match ty {
        RtTy::I1 => types.i8,
        RtTy::I32 => types.i32,
        RtTy::I64 => types.i64,
        RtTy::F32 => types.f32,
        RtTy::F64 => types.f64,
        RtTy::Ptr | RtTy::Obj | RtTy::Owner | RtTy::Err => types.ptr,
    }
}

impl<'c> Emitter<'_, '_, 'c> {
    /// Calls a runtime function; gives its results and, if it raises, the error.
    pub fn call_runtime(&mut self, func: RtFn, args: &[Val<'c>]) -> SmallVec<[Val<'c>; 4]> {
        if let (Some(allocator), &[size]) = (Allocator::of(func), args) {
            return self.allocate(allocator, size);
        }
        let callee = self.shared.runtime(func);
        let info = callee.info;
        let mut all: SmallVec<[Val<'c>; 8]> = SmallVec::new();
        for (&arg, ty) in args.iter().zip(info.params) {
            all.push(if *ty == RtTy::I1 {
                self.builder
                    .cast(LLVMOpcode::LLVMZExt, arg, self.shared.types.i8)
            } else {
                arg
            });
        }
        let mut outs: SmallVec<[Val<'c>; 4]> = SmallVec::new();
        if !callee.direct {
            for (i, &ty) in info.results.iter().enumerate() {
                outs.push(self.out_slot(i, c_type(self.shared, ty)));
            }
        }
        all.extend_from_slice(&outs);
        let returned = callee.call(&self.builder, &all);
        if info.libm {
            returned.set_fast_math(self.function.options.fastmath);
        }

        let mut results: SmallVec<[Val<'c>; 4]> = SmallVec::new();
        if callee.direct {
            results.push(self.as_scalar(returned, info.results[0]));
        }
        for (slot, &ty) in outs.into_iter().zip(info.results) {
            let align = if ty == RtTy::I1 { 1 } else { 4 };
            let value = self.builder.load(c_type(self.shared, ty), slot, align);
            let meta = &self.shared.meta;
            value.set_metadata(meta.tbaa, meta.stack);
            results.push(self.as_scalar(value, ty));
        }
        if info.effect == Effect::Raises {
            results.push(returned);
        }
        results
    }

    /// Calls an allocator; gives owner, data and error.
    fn allocate(&mut self, allocator: Allocator, size: Val<'c>) -> SmallVec<[Val<'c>; 4]> {
        let (function, ty) = self.shared.allocator(allocator);
        let ptr = self.shared.types.ptr;
        let (owner, error) = (self.out_slot(0, ptr), self.out_slot(1, ptr));
        let data = self.builder.call(ty, function, &[size, owner, error]);
        let load = |slot| {
            let value = self.builder.load(ptr, slot, 8);
            value.set_metadata(self.shared.meta.tbaa, self.shared.meta.stack);
            value
        };
        smallvec::smallvec![load(owner), data, load(error)]
    }

    /// A value as C gave it, as emission has it.
    fn as_scalar(&self, value: Val<'c>, ty: RtTy) -> Val<'c> {
        if ty == RtTy::I1 {
            self.builder
                .int_compare(LLVMIntNE, value, self.shared.types.i8.zero())
        } else {
            value
        }
    }
}
