//! A small builder of TIR, a stub runtime, and shorthand to run programs.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ferdelance_abi::rtfn::{Effect, RtFn, RtTy};
use ferdelance_compiler::source::Source;
use ferdelance_compiler::tir::*;
use ferdelance_jit::{
    Entry, LoadOptions, Loaded, Object, PoolResolver, Settings, Symbols, compile, load,
};

/// Builds one function, instruction by instruction.
pub struct Build {
    pub f: Function,
    at: usize,
    loc: LocId,
}

impl Build {
    pub fn new(symbol: &str, params: &[Type], results: &[Type]) -> Build {
        let mut f = Function {
            symbol: symbol.into(),
            name: symbol.into(),
            params: params.to_vec(),
            results: results.to_vec(),
            may_raise: false,
            recursive: false,
            generator: None,
            options: Default::default(),
            blocks: vec![Block::default()],
            values: vec![],
            locs: vec![],
        };
        let values = params.iter().map(|&ty| f.new_value(ty)).collect();
        f.blocks[0].params = values;
        Build {
            f,
            at: 0,
            loc: LocId(0),
        }
    }
    pub fn raises(mut self) -> Build {
        self.f.may_raise = true;
        self
    }
    pub fn arg(&self, i: usize) -> Value {
        self.f.blocks[0].params[i]
    }
    pub fn block(&mut self, params: &[Type]) -> BlockId {
        let params = params.iter().map(|&ty| self.f.new_value(ty)).collect();
        self.f.blocks.push(Block {
            params,
            ..Block::default()
        });
        BlockId(self.f.blocks.len() as u32 - 1)
    }
    pub fn param(&self, block: BlockId, i: usize) -> Value {
        self.f.blocks[block.index()].params[i]
    }
    pub fn at(&mut self, block: BlockId) {
        self.at = block.index();
    }
    /// Adds a location and uses it from here on.
    pub fn line(
        &mut self,
        file: &str,
        function: &str,
        line: u32,
        inlined_at: Option<LocId>,
    ) -> LocId {
        let source = Arc::new(Source::new(file, "", 1, 0));
        let function_line = line / 10 * 10;
        let function = function.into();
        self.f.locs.push(Loc {
            source,
            function,
            function_line,
            line,
            column: 5,
            inlined_at,
        });
        self.loc = LocId(self.f.locs.len() as u32 - 1);
        self.loc
    }
    pub fn ops(&mut self, op: Op, types: &[Type]) -> Vec<Value> {
        let results: Vec<Value> = types.iter().map(|&ty| self.f.new_value(ty)).collect();
        let inst = Inst {
            op,
            results: results.iter().copied().collect(),
            loc: self.loc,
        };
        self.f.blocks[self.at].insts.push(inst);
        results
    }
    pub fn op(&mut self, op: Op, ty: Type) -> Value {
        self.ops(op, &[ty])[0]
    }
    pub fn int(&mut self, ty: Type, value: i64) -> Value {
        self.op(Op::Int(value), ty)
    }
    pub fn i64(&mut self, value: i64) -> Value {
        self.int(Type::I64, value)
    }
    pub fn f64(&mut self, value: f64) -> Value {
        self.op(Op::Float(value.to_bits()), Type::F64)
    }
    pub fn bin(&mut self, op: Bin, a: Value, b: Value) -> Value {
        self.op(
            Op::Binary {
                op,
                a,
                b,
                nsw: false,
            },
            self.f.ty(a),
        )
    }
    pub fn nsw(&mut self, op: Bin, a: Value, b: Value) -> Value {
        self.op(
            Op::Binary {
                op,
                a,
                b,
                nsw: true,
            },
            self.f.ty(a),
        )
    }
    pub fn un(&mut self, op: Un, a: Value) -> Value {
        self.op(Op::Unary(op, a), self.f.ty(a))
    }
    pub fn cmp(&mut self, op: Cmp, a: Value, b: Value) -> Value {
        self.op(Op::Compare(op, a, b), Type::I1)
    }
    pub fn part(&mut self, array: Value, part: Part) -> Value {
        let ty = match part {
            Part::Owner => Type::Owner,
            Part::Data => Type::Ptr,
            _ => Type::I64,
        };
        self.op(Op::ArrayPart(array, part), ty)
    }
    pub fn element(&mut self, base: Value, index: Value, size: u32) -> Value {
        self.op(Op::Element { base, index, size }, Type::Ptr)
    }
    pub fn load(&mut self, ptr: Value, ty: Type) -> Value {
        self.op(
            Op::Load {
                ptr,
                align: ty.bytes() as u8,
                mem: Mem::Elements,
            },
            ty,
        )
    }
    pub fn store(&mut self, ptr: Value, value: Value) {
        let align = self.f.ty(value).bytes() as u8;
        self.ops(
            Op::Store {
                ptr,
                value,
                align,
                mem: Mem::Elements,
            },
            &[],
        );
    }
    pub fn rt(&mut self, func: RtFn, args: &[Value]) -> Vec<Value> {
        let row = func.info();
        let mut types: Vec<Type> = row.results.iter().map(|ty| rt_type(*ty)).collect();
        types.extend((row.effect == Effect::Raises).then_some(Type::Err));
        self.ops(
            Op::Rt {
                func,
                args: args.iter().copied().collect(),
            },
            &types,
        )
    }
    pub fn call(&mut self, func: u32, args: &[Value], results: &[Type]) -> Vec<Value> {
        self.ops(
            Op::Call {
                func: FuncId(func),
                args: args.iter().copied().collect(),
            },
            results,
        )
    }
    pub fn term(&mut self, term: Term) {
        self.f.blocks[self.at].term = term;
        self.f.blocks[self.at].term_loc = self.loc;
    }
    pub fn jump(&mut self, to: BlockId, args: &[Value]) {
        self.term(Term::Jump(target(to, args)));
    }
    pub fn branch(&mut self, cond: Value, then: Target, other: Target) {
        self.term(Term::Branch {
            cond,
            then,
            other,
            hint: Hint::None,
        });
    }
    pub fn ret(&mut self, values: &[Value]) {
        self.term(Term::Return(values.iter().copied().collect()));
    }
    /// Throws if `error` is set; goes on in a new block.
    pub fn check(&mut self, error: Value) {
        let null = self.op(Op::Null, Type::Err);
        let raised = self.cmp(Cmp::Ne, error, null);
        let (bad, good) = (self.block(&[]), self.block(&[]));
        self.term(Term::Branch {
            cond: raised,
            then: target(bad, &[]),
            other: target(good, &[]),
            hint: Hint::Unlikely,
        });
        self.at(bad);
        self.term(Term::Throw(error));
        self.at(good);
    }
    /// `for i in range(n): body`, with values carried around; gives them after the loop.
    pub fn count_to(
        &mut self,
        n: Value,
        carried: &[Value],
        body: impl FnOnce(&mut Build, Value, &[Value]) -> Vec<Value>,
    ) -> Vec<Value> {
        let mut types = vec![Type::I64];
        types.extend(carried.iter().map(|&v| self.f.ty(v)));
        let (head, inside, after) = (self.block(&types), self.block(&[]), self.block(&[]));
        let zero = self.i64(0);
        let args: Vec<Value> = [zero].iter().chain(carried).copied().collect();
        self.jump(head, &args);
        self.at(head);
        let i = self.param(head, 0);
        let state: Vec<Value> = (1..types.len()).map(|k| self.param(head, k)).collect();
        let more = self.cmp(Cmp::SLt, i, n);
        self.branch(more, target(inside, &[]), target(after, &[]));
        self.at(inside);
        let mut next = body(self, i, &state);
        let one = self.i64(1);
        next.insert(0, self.nsw(Bin::Add, i, one));
        self.jump(head, &next);
        self.at(after);
        state
    }
    /// The program that consists of this function.
    pub fn program(self) -> Program {
        program(vec![self.f])
    }
}

pub fn rt_type(ty: RtTy) -> Type {
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

pub fn target(block: BlockId, args: &[Value]) -> Target {
    Target {
        block,
        args: args.iter().copied().collect(),
    }
}

/// A program whose first function is its entry.
pub fn program(functions: Vec<Function>) -> Program {
    Program {
        functions,
        entries: vec![FuncId(0)],
        ..Program::default()
    }
}

pub fn verified(program: &Program) {
    program
        .verify()
        .unwrap_or_else(|e| panic!("{e}\n{program}"));
}

/// Net retains and releases, of owners and of objects.
pub static OWNERS: AtomicI64 = AtomicI64::new(0);
pub static OBJECTS: AtomicI64 = AtomicI64::new(0);

mod stub {
    use super::*;

    pub extern "C" fn owner_retain(_: *mut c_void) {
        OWNERS.fetch_add(1, Ordering::Relaxed);
    }
    pub extern "C" fn owner_release(_: *mut c_void) {
        OWNERS.fetch_sub(1, Ordering::Relaxed);
    }
    pub extern "C" fn obj_retain(_: *mut c_void) {
        OBJECTS.fetch_add(1, Ordering::Relaxed);
    }
    pub extern "C" fn obj_release(_: *mut c_void) {
        OBJECTS.fetch_sub(1, Ordering::Relaxed);
    }
    /// An "error" is the class pointer with its location.
    pub extern "C" fn error_new(class: *mut c_void, location: *mut c_void) -> *mut c_void {
        Box::into_raw(Box::new([class, location])).cast()
    }
    pub extern "C" fn error_unraisable(error: *mut c_void, object: *mut c_void) {
        assert_eq!(object.addr(), 77);
        REPORTED.with(|reported| reported.set(Some(error)));
    }
    pub extern "C" fn recursion_error(location: *mut c_void) -> *mut c_void {
        Box::into_raw(Box::new([RECURSION, location])).cast()
    }
    pub extern "C" fn stack_limit() -> *mut c_void {
        STACK_LIMIT.with(|limit| std::ptr::without_provenance_mut(limit.get()))
    }
    pub unsafe extern "C" fn buffer_alloc(
        size: i64,
        owner: *mut *mut c_void,
        data: *mut *mut u8,
    ) -> *mut c_void {
        if size < 0 {
            return error_new(std::ptr::without_provenance_mut(1), std::ptr::null_mut());
        }
        let layout = std::alloc::Layout::from_size_align(size.max(1) as usize, 64).unwrap();
        // SAFETY: not of size zero.
        let memory = unsafe { std::alloc::alloc(layout) };
        // SAFETY: out-parameters of the convention.
        unsafe {
            owner.write(memory.cast());
            data.write(memory);
        }
        std::ptr::null_mut()
    }
    pub extern "C" fn str_eq(a: *mut c_void, b: *mut c_void) -> u8 {
        u8::from(a == b)
    }
    pub extern "C" fn error_arg_bool(error: *mut c_void, value: u8) {
        assert!(value <= 1);
        // SAFETY: an error of `error_new`.
        unsafe { (*error.cast::<[usize; 2]>())[1] = 100 + usize::from(value) };
    }
    pub extern "C" fn frexp(x: f64, mantissa: *mut f64, exponent: *mut i64) {
        let e = (x.abs().log2().floor() as i64) + 1;
        // SAFETY: out-parameters of the convention.
        unsafe {
            mantissa.write(x / 2f64.powi(e as i32));
            exponent.write(e);
        }
    }
    pub extern "C" fn ipow(a: i64, b: i64) -> i64 {
        a.wrapping_pow(b as u32)
    }
    pub extern "C" fn print_str(_: *mut c_void) {
        fd_test_print_str();
        let hook = PRINT_HOOK.with(|hook| hook.take());
        if let Some(hook) = hook {
            hook();
        }
    }
}

/// Where the debugger stops.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn fd_test_print_str() {
    std::hint::black_box(());
}

/// What the stub says about recursion errors.
pub const RECURSION: *mut c_void = std::ptr::without_provenance_mut(0x5ec);

thread_local! {
    pub static STACK_LIMIT: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    /// What functions for C could not raise.
    pub static REPORTED: std::cell::Cell<Option<*mut c_void>> = const { std::cell::Cell::new(None) };
    /// Called once by the stub of `print_str`.
    pub static PRINT_HOOK: std::cell::Cell<Option<Box<dyn FnOnce()>>> =
        const { std::cell::Cell::new(None) };
}

/// The stub runtime.
pub struct Stubs;

impl Symbols for Stubs {
    fn address(&self, name: &str) -> Option<usize> {
        Some(match name {
            "fd_owner_retain" => stub::owner_retain as *const () as usize,
            "fd_owner_release" => stub::owner_release as *const () as usize,
            "fd_obj_retain" => stub::obj_retain as *const () as usize,
            "fd_obj_release" => stub::obj_release as *const () as usize,
            "fd_error_new" => stub::error_new as *const () as usize,
            "fd_error_unraisable" => stub::error_unraisable as *const () as usize,
            "fd_recursion_error" => stub::recursion_error as *const () as usize,
            "fd_stack_limit" => stub::stack_limit as *const () as usize,
            "fd_buffer_alloc" => stub::buffer_alloc as *const () as usize,
            "fd_str_eq" => stub::str_eq as *const () as usize,
            "fd_error_arg_bool" => stub::error_arg_bool as *const () as usize,
            "fd_frexp" => stub::frexp as *const () as usize,
            "fd_ipow" => stub::ipow as *const () as usize,
            "fd_print_str" => stub::print_str as *const () as usize,
            _ => return None,
        })
    }
}

/// Fills pools with leaked locations, and with object handles as if they were addresses.
pub struct Pool;

impl PoolResolver for Pool {
    fn resolve(&mut self, entry: &PoolEntry) -> Result<u64, String> {
        Ok(match entry {
            PoolEntry::Location { line, .. } => 10_000 + u64::from(*line),
            PoolEntry::Str(text) => text.len() as u64,
            PoolEntry::Object(object) | PoolEntry::Foreign(object) => object.0,
            PoolEntry::Array(_) | PoolEntry::Bytes(_) => return Err("no arrays here".to_owned()),
            PoolEntry::Function { .. } => return Err("no functions here".to_owned()),
        })
    }
}

pub fn compiled(program: &Program) -> Object {
    verified(program);
    compile(program, &Settings::default()).unwrap_or_else(|e| panic!("{e}\n{program}"))
}

pub fn loaded(program: &Program) -> Loaded {
    let object = compiled(program);
    load(&object, &Stubs, &mut Pool, &LoadOptions::default()).unwrap_or_else(|e| panic!("{e}"))
}

/// Calls an entry; the results' slots, or the error.
pub fn call(entry: &Entry, args: &[u64], results: usize) -> Result<Vec<u64>, *mut c_void> {
    let mut out = vec![0xdead_beef_dead_beef; results];
    // SAFETY: tests pass what the function takes.
    let error = unsafe { entry.trampoline()(args.as_ptr(), out.as_mut_ptr()) };
    if error.is_null() { Ok(out) } else { Err(error) }
}

/// Compiles, loads and calls the only entry.
pub fn run(program: &Program, args: &[u64], results: usize) -> Vec<u64> {
    let code = loaded(program);
    call(&code.entries[0], args, results).expect("no error")
}

/// Slots of a contiguous array of rank 1 that is borrowed.
pub fn array_slots<T>(data: &mut [T]) -> [u64; 4] {
    let size = size_of::<T>() as u64;
    [
        0x1001,
        data.as_mut_ptr().expose_provenance() as u64,
        data.len() as u64,
        size,
    ]
}
