//! Branches, loops, switches, calls, errors, recursion.

use std::ffi::c_void;
use std::sync::atomic::Ordering;

use crate::common::*;
use ferdelance_abi::rtfn::RtFn;
use ferdelance_compiler::tir::*;
use ferdelance_compiler::types::PyRef;

#[test]
fn branch_with_arguments_to_one_block() {
    // Both edges go to the same block, with different arguments.
    let mut b = Build::new("both", &[Type::I64], &[Type::I64]);
    let (zero, x) = (b.i64(0), b.arg(0));
    let negative = b.cmp(Cmp::SLt, x, zero);
    let minus = b.un(Un::Neg, x);
    let end = b.block(&[Type::I64]);
    b.branch(negative, target(end, &[minus]), target(end, &[x]));
    b.at(end);
    let result = b.param(end, 0);
    b.ret(&[result]);
    let code = loaded(&b.program());
    assert_eq!(call(&code.entries[0], &[-5_i64 as u64], 1).unwrap(), [5]);
    assert_eq!(call(&code.entries[0], &[6], 1).unwrap(), [6]);
}

#[test]
fn blocks_in_any_order() {
    // b1 uses what b2, later in the list, defines.
    let mut b = Build::new("order", &[Type::I64], &[Type::I64]);
    let (last, first) = (b.block(&[]), b.block(&[]));
    b.jump(first, &[]);
    b.at(first);
    let (x, one) = (b.arg(0), b.i64(1));
    let y = b.bin(Bin::Add, x, one);
    b.jump(last, &[]);
    b.at(last);
    b.ret(&[y]);
    assert_eq!(run(&b.program(), &[41], 1), [42]);
}

#[test]
fn loop_back_to_the_entry_block() {
    let mut b = Build::new("again", &[Type::I64, Type::I64], &[Type::I64]);
    let (n, sum, one, zero) = (b.arg(0), b.arg(1), b.i64(1), b.i64(0));
    let done = b.cmp(Cmp::Eq, n, zero);
    let end = b.block(&[]);
    let (less, more) = (b.bin(Bin::Sub, n, one), b.bin(Bin::Add, sum, n));
    b.branch(done, target(end, &[]), target(BlockId(0), &[less, more]));
    b.at(end);
    b.ret(&[sum]);
    assert_eq!(run(&b.program(), &[10, 0], 1), [55]);
}

#[test]
fn switch() {
    let mut b = Build::new("switch", &[Type::I64], &[Type::I64]);
    let end = b.block(&[Type::I64]);
    let other = b.block(&[]);
    let (x, ten, twenty) = (b.arg(0), b.i64(10), b.i64(20));
    b.term(Term::Switch {
        value: x,
        cases: vec![
            (1, target(end, &[ten])),
            (2, target(end, &[twenty])),
            (-3, target(end, &[ten])),
            (7, target(other, &[])),
        ],
        default: target(end, &[x]),
    });
    b.at(other);
    let thirty = b.i64(30);
    b.jump(end, &[thirty]);
    b.at(end);
    let result = b.param(end, 0);
    b.ret(&[result]);
    let code = loaded(&b.program());
    for (x, want) in [(1, 10), (2, 20), (-3, 10), (7, 30), (99, 99)] {
        assert_eq!(
            call(&code.entries[0], &[x as u64], 1).unwrap(),
            [want as u64]
        );
    }
}

#[test]
fn big_switch_has_a_jump_table() {
    let mut b = Build::new("table", &[Type::I64], &[Type::I64]);
    let x = b.arg(0);
    let blocks: Vec<BlockId> = (0..32).map(|_| b.block(&[])).collect();
    let cases = blocks
        .iter()
        .enumerate()
        .map(|(i, &to)| (i as i64, target(to, &[])))
        .collect();
    b.term(Term::Switch {
        value: x,
        cases,
        default: target(blocks[0], &[]),
    });
    for (i, &block) in blocks.iter().enumerate() {
        b.at(block);
        let k = b.i64(i as i64 * 7);
        let r = match i % 3 {
            0 => b.bin(Bin::Add, x, k),
            1 => b.bin(Bin::Mul, x, k),
            _ => b.bin(Bin::Xor, x, k),
        };
        b.ret(&[r]);
    }
    let code = loaded(&b.program());
    for x in 0..32_u64 {
        let k = x * 7;
        let want = [x + k, x * k, x ^ k][x as usize % 3];
        assert_eq!(call(&code.entries[0], &[x], 1).unwrap(), [want]);
    }
}

/// `f(x)`: raises class 77 with location 10005 if x is negative, else gives x + 1 and x as a double.
pub fn may_raise() -> Function {
    let mut b = Build::new("callee", &[Type::I64], &[Type::I64, Type::F64]).raises();
    b.line("file.py", "callee", 5, None);
    let (x, zero, one) = (b.arg(0), b.i64(0), b.i64(1));
    let negative = b.cmp(Cmp::SLt, x, zero);
    let (bad, good) = (b.block(&[]), b.block(&[]));
    b.branch(negative, target(bad, &[]), target(good, &[]));
    b.at(bad);
    let class = b.op(Op::Pool(PoolId(0)), Type::Ptr);
    let location = b.op(Op::Pool(PoolId(1)), Type::Ptr);
    let error = b.rt(RtFn::error_new, &[class, location])[0];
    b.term(Term::Throw(error));
    b.at(good);
    let next = b.bin(Bin::Add, x, one);
    let float = b.op(Op::Cast(Cast::SIToFP, x), Type::F64);
    b.ret(&[next, float]);
    b.f
}

pub fn pool() -> Vec<PoolEntry> {
    vec![
        PoolEntry::Object(PyRef(77)),
        PoolEntry::Location {
            file: "file.py".into(),
            function: "callee".into(),
            line: 5,
            column: 1,
        },
    ]
}

/// The class and the location in a stub error.
pub fn error_parts(error: *mut c_void) -> [usize; 2] {
    // SAFETY: an error of the stub runtime.
    *unsafe { Box::from_raw(error.cast::<[usize; 2]>()) }
}

#[test]
fn errors_pass_through_callers() {
    let mut b = Build::new("caller", &[Type::I64], &[Type::F64]).raises();
    let x = b.arg(0);
    let results = b.call(1, &[x], &[Type::I64, Type::F64, Type::Err]);
    b.check(results[2]);
    let again = b.call(1, &[results[0]], &[Type::I64, Type::F64, Type::Err]);
    b.check(again[2]);
    let sum = b.bin(Bin::FAdd, results[1], again[1]);
    b.ret(&[sum]);
    let program = Program {
        pool: pool(),
        ..program(vec![b.f, may_raise()])
    };
    let code = loaded(&program);
    assert_eq!(call(&code.entries[0], &[4], 1).unwrap(), [9f64.to_bits()]);
    let error = call(&code.entries[0], &[-4_i64 as u64], 1).unwrap_err();
    assert_eq!(error_parts(error), [77, 10_005]);
}

#[test]
fn several_entries_one_of_which_is_called() {
    let mut b = Build::new("caller", &[Type::I64], &[Type::I64]).raises();
    let results = b.call(1, &[b.arg(0)], &[Type::I64, Type::F64, Type::Err]);
    b.check(results[2]);
    b.ret(&[results[0]]);
    let functions = vec![b.f, may_raise()];
    let program = Program {
        functions,
        pool: pool(),
        entries: vec![FuncId(1), FuncId(0)],
        ..Program::default()
    };
    let code = loaded(&program);
    assert_eq!(call(&code.entries[1], &[4], 1).unwrap(), [5]);
    assert_eq!(
        call(&code.entries[0], &[4], 2).unwrap(),
        [5, 4f64.to_bits()]
    );
    for entry in &code.entries {
        assert_eq!(
            error_parts(call(entry, &[u64::MAX], 2).unwrap_err()),
            [77, 10_005]
        );
    }
}

#[test]
fn errors_that_are_caught() {
    let mut b = Build::new("catcher", &[Type::I64], &[Type::I64]);
    let results = b.call(1, &[b.arg(0)], &[Type::I64, Type::F64, Type::Err]);
    let null = b.op(Op::Null, Type::Err);
    let raised = b.cmp(Cmp::Ne, results[2], null);
    let (bad, good) = (b.block(&[]), b.block(&[]));
    b.branch(raised, target(bad, &[]), target(good, &[]));
    b.at(bad);
    let flag = b.int(Type::I1, 1);
    b.rt(RtFn::error_arg_bool, &[results[2], flag]);
    let minus = b.i64(-1);
    b.ret(&[minus]);
    b.at(good);
    b.ret(&[results[0]]);
    let program = Program {
        pool: pool(),
        ..program(vec![b.f, may_raise()])
    };
    let code = loaded(&program);
    assert_eq!(call(&code.entries[0], &[4], 1).unwrap(), [5]);
    assert_eq!(call(&code.entries[0], &[u64::MAX], 1).unwrap(), [u64::MAX]);
}

/// `depth(n)`: 0 for n = 0, else depth(n - 1) + 1.
pub fn recursive() -> Program {
    let mut b = Build::new("depth", &[Type::I64], &[Type::I64]).raises();
    b.f.recursive = true;
    b.line("deep.py", "depth", 31, None);
    let (n, zero, one) = (b.arg(0), b.i64(0), b.i64(1));
    let done = b.cmp(Cmp::Eq, n, zero);
    let (end, more) = (b.block(&[]), b.block(&[]));
    b.branch(done, target(end, &[]), target(more, &[]));
    b.at(end);
    b.ret(&[zero]);
    b.at(more);
    let less = b.bin(Bin::Sub, n, one);
    let results = b.call(0, &[less], &[Type::I64, Type::Err]);
    b.check(results[1]);
    let sum = b.bin(Bin::Add, results[0], one);
    b.ret(&[sum]);
    b.program()
}

#[test]
fn recursion_ends_in_an_error() {
    let code = loaded(&recursive());
    let entry = code.entries[0].clone();
    let run = move || {
        let here = 0_u8;
        STACK_LIMIT.set((&raw const here).addr() - 1_000_000);
        let fine = call(&entry, &[1000], 1).unwrap();
        let error = call(&entry, &[100_000_000], 1).unwrap_err();
        (fine, error_parts(error))
    };
    let thread = std::thread::Builder::new()
        .stack_size(1_500_000)
        .spawn(run)
        .unwrap();
    let (fine, error) = thread.join().unwrap();
    assert_eq!(fine, [1000]);
    assert_eq!(error, [RECURSION.addr(), 10_030]);
}

#[test]
fn recursion_with_big_frames_ends_in_an_error() {
    let mut program = recursive();
    let f = &mut program.functions[0];
    let slot = f.new_value(Type::Ptr);
    let size = 50_000;
    let inst = Inst {
        op: Op::StackSlot { size, align: 8 },
        results: [slot].into_iter().collect(),
        loc: LocId(0),
    };
    let store = Op::Store {
        ptr: slot,
        value: f.blocks[0].params[0],
        align: 8,
        mem: Mem::Stack,
    };
    let store = Inst {
        op: store,
        results: Default::default(),
        loc: LocId(0),
    };
    f.blocks[0].insts.splice(0..0, [inst, store]);
    let code = loaded(&program);
    let entry = code.entries[0].clone();
    let run = move || {
        let here = 0_u8;
        STACK_LIMIT.set((&raw const here).addr() - 1_000_000);
        let fine = call(&entry, &[5], 1).unwrap();
        (
            fine,
            error_parts(call(&entry, &[1_000_000], 1).unwrap_err())[0],
        )
    };
    // Less than a frame of room below the limit.
    let thread = std::thread::Builder::new()
        .stack_size(1_040_000)
        .spawn(run)
        .unwrap();
    assert_eq!(thread.join().unwrap(), (vec![5], RECURSION.addr()));
}

#[test]
fn recursion_through_a_function_without_the_check() {
    let mut b = Build::new("outer", &[Type::I64], &[Type::I64]).raises();
    let results = b.call(1, &[b.arg(0)], &[Type::I64, Type::Err]);
    b.check(results[1]);
    b.ret(&[results[0]]);
    let mut inner = recursive().functions.remove(0);
    for block in &mut inner.blocks {
        for inst in &mut block.insts {
            if let Op::Call { func, .. } = &mut inst.op {
                *func = FuncId(1);
            }
        }
    }
    let code = loaded(&program(vec![b.f, inner]));
    STACK_LIMIT.set(0);
    assert_eq!(call(&code.entries[0], &[100], 1).unwrap(), [100]);
    STACK_LIMIT.set(usize::MAX);
    assert_eq!(
        error_parts(call(&code.entries[0], &[1], 1).unwrap_err())[0],
        RECURSION.addr()
    );
}

#[test]
fn runtime_functions_of_every_convention() {
    let results = [
        Type::F64,
        Type::I64,
        Type::I64,
        Type::I1,
        Type::I1,
        Type::F64,
        Type::F32,
    ];
    let mut b = Build::new("calls", &[Type::F64, Type::I64, Type::Obj], &results);
    let (x, n, s) = (b.arg(0), b.arg(1), b.arg(2));
    let parts = b.rt(RtFn::frexp, &[x]);
    let power = b.rt(RtFn::ipow, &[n, n])[0];
    let same = b.rt(RtFn::str_eq, &[s, s])[0];
    let null = b.op(Op::Null, Type::Obj);
    let differ = b.rt(RtFn::str_eq, &[s, null])[0];
    let sine = b.rt(RtFn::sin, &[x])[0];
    let narrow = b.op(Op::Cast(Cast::FPTrunc, x), Type::F32);
    let cosine = b.rt(RtFn::cosf, &[narrow])[0];
    b.ret(&[parts[0], parts[1], power, same, differ, sine, cosine]);
    let x = 10.0_f64;
    let got = run(&b.program(), &[x.to_bits(), 3, 0x1000], 7);
    let cosine = u64::from(10f32.cos().to_bits());
    assert_eq!(
        got,
        [0.625_f64.to_bits(), 4, 27, 1, 0, x.sin().to_bits(), cosine]
    );
}

#[test]
fn counting() {
    let mut b = Build::new("count", &[Type::Array(1), Type::Obj, Type::Owner], &[]);
    for v in [b.arg(0), b.arg(1), b.arg(2)] {
        b.ops(Op::Retain(v), &[]);
        b.ops(Op::Retain(v), &[]);
        b.ops(Op::Release(v), &[]);
    }
    b.ret(&[]);
    let code = loaded(&b.program());
    let counted = |owner: u64, object: u64| {
        let before = (
            OWNERS.load(Ordering::Relaxed),
            OBJECTS.load(Ordering::Relaxed),
        );
        call(&code.entries[0], &[owner, 0, 0, 0, object, owner], 0).unwrap();
        let after = (
            OWNERS.load(Ordering::Relaxed),
            OBJECTS.load(Ordering::Relaxed),
        );
        (after.0 - before.0, after.1 - before.1)
    };
    assert_eq!(counted(0, 0), (0, 0), "static owner, absent object");
    assert_eq!(counted(0x1001, 0x1000), (0, 1), "borrowed owner");
    assert_eq!(counted(0x1000, 0x1000), (2, 1));
    assert_eq!(counted(u64::MAX - 7, 0), (2, 0), "high addresses");
}
