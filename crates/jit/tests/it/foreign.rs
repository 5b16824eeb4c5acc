//! Calls by address; functions for C, and of C.

use ferdelance_compiler::tir::*;
use ferdelance_compiler::types::PyRef;

use crate::common::*;
use crate::control::{error_parts, may_raise, pool, recursive};

const I8: CType = CType::Int {
    bits: 8,
    signed: true,
};
const I64: CType = CType::Int {
    bits: 64,
    signed: true,
};

/// A function that calls what is at an address, with one int64.
fn call_address(address: usize, results: &[Type]) -> Program {
    let mut b = Build::new("by_address", &[Type::I64], results).raises();
    let pointer = b.op(Op::Pool(PoolId(0)), Type::Ptr);
    let args = vec![b.arg(0)].into();
    let mut types = results.to_vec();
    types.push(Type::Err);
    let mut values = b.ops(Op::CallIndirect { pointer, args }, &types);
    let error = values.pop().expect("the error");
    b.check(error);
    b.ret(&values);
    Program {
        pool: vec![PoolEntry::Object(PyRef(address as u64))],
        ..b.program()
    }
}

#[test]
fn calls_by_address_give_results_and_errors() {
    let callee = loaded(&Program {
        pool: pool(),
        pointers: vec![FuncId(0)],
        ..program(vec![may_raise()])
    });
    let [trampoline, pointer] = &callee.entries[..] else {
        panic!("two ways in");
    };
    assert_ne!(trampoline.address, pointer.address);
    let code = loaded(&call_address(pointer.address, &[Type::I64, Type::F64]));
    let entry = &code.entries[0];
    assert_eq!(call(entry, &[4], 2).unwrap(), [5, 4f64.to_bits()]);
    let error = call(entry, &[u64::MAX], 2).unwrap_err();
    assert_eq!(error_parts(error), [77, 10_005]);
    // Python enters the same function.
    assert_eq!(call(trampoline, &[4], 2).unwrap(), [5, 4f64.to_bits()]);
}

#[test]
fn recursion_is_checked_behind_an_address() {
    let callee = loaded(&Program {
        pointers: vec![FuncId(0)],
        ..recursive()
    });
    let code = loaded(&call_address(callee.entries[1].address, &[Type::I64]));
    let here = 0_u8;
    STACK_LIMIT.set((&raw const here).addr() - 100_000);
    assert_eq!(call(&code.entries[0], &[100], 1).unwrap(), [100]);
    let error = call(&code.entries[0], &[100_000_000], 1).unwrap_err();
    assert_eq!(error_parts(error)[0], RECURSION.addr());
}

#[test]
fn many_scalars_pass_by_address() {
    // More than fit into registers, there and back.
    let types = [
        Type::I64,
        Type::F64,
        Type::I8,
        Type::F32,
        Type::I1,
        Type::Array(2),
    ];
    let mut b = Build::new("all", &types, &types).raises();
    let args: Vec<Value> = (0..types.len()).map(|i| b.arg(i)).collect();
    b.ret(&args);
    let callee = loaded(&Program {
        pointers: vec![FuncId(0)],
        ..b.program()
    });
    let mut b = Build::new("caller", &types, &types).raises();
    let pointer = b.op(Op::Pool(PoolId(0)), Type::Ptr);
    let args: Vec<Value> = (0..types.len()).map(|i| b.arg(i)).collect();
    let op = Op::CallIndirect {
        pointer,
        args: args.into_iter().collect(),
    };
    let mut results = b.ops(op, &[&types[..], &[Type::Err]].concat());
    let error = results.pop().expect("the error");
    b.check(error);
    b.ret(&results);
    let code = loaded(&Program {
        pool: vec![PoolEntry::Object(PyRef(callee.entries[1].address as u64))],
        ..b.program()
    });
    let float = u64::from(2.5_f32.to_bits());
    let slots = [1, 2.0_f64.to_bits(), 3, float, 1, 0, 6, 7, 8, 9, 10];
    assert_eq!(call(&code.entries[0], &slots, slots.len()).unwrap(), slots);
}

/// A program whose entry C calls.
fn for_c(function: Function, params: &[CType], result: CType) -> Program {
    Program {
        pool: pool(),
        c_entries: vec![CEntry {
            func: FuncId(0),
            signature: CSignature {
                params: params.to_vec(),
                result,
            },
            blame: PoolId(0),
        }],
        ..program(vec![function])
    }
}

#[test]
fn c_calls_functions() {
    let mut b = Build::new("narrow", &[Type::I8, Type::I1], &[Type::I8]);
    let (x, flag) = (b.arg(0), b.arg(1));
    let minus = b.un(Un::Neg, x);
    let result = b.op(
        Op::Select {
            cond: flag,
            then: minus,
            other: x,
        },
        Type::I8,
    );
    b.ret(&[result]);
    let code = loaded(&for_c(b.f, &[I8, CType::Bool], I8));
    assert!(code.entries[1].symbol.ends_with(".c"));
    // SAFETY: made for this signature.
    let narrow: extern "C" fn(i8, bool) -> i8 = unsafe {
        std::mem::transmute(std::ptr::with_exposed_provenance::<()>(
            code.entries[1].address,
        ))
    };
    assert_eq!(
        (narrow(-5, false), narrow(-5, true), narrow(127, true)),
        (-5, 5, -127)
    );
    assert_eq!(call(&code.entries[0], &[7, 1], 1).unwrap()[0] as i8, -7);
}

/// `double complex`, returned in two registers as this is.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Debug)]
struct Complex(f64, f64);

#[test]
fn complex_numbers_pass_to_and_from_c() {
    extern "C" fn conjugate(z: Complex, n: i64) -> Complex {
        Complex(z.0 * n as f64, -z.1)
    }
    let signature = CSignature {
        params: vec![CType::Complex128, I64],
        result: CType::Complex128,
    };
    let mut b = Build::new("conjugate", &signature.params(), &[Type::F64; 2]);
    let pointer = b.op(Op::Pool(PoolId(2)), Type::Ptr);
    let args = (0..3).map(|i| b.arg(i)).collect();
    let op = Op::CallC {
        pointer,
        args,
        signature: Box::new(signature),
    };
    let results = b.ops(op, &[Type::F64; 2]);
    b.ret(&results);
    let mut program = for_c(b.f, &[CType::Complex128, I64], CType::Complex128);
    let address = conjugate as *const () as usize;
    program.pool.push(PoolEntry::Foreign(PyRef(address as u64)));
    let code = loaded(&program);
    // SAFETY: made for this signature.
    let through: extern "C" fn(Complex, i64) -> Complex = unsafe {
        std::mem::transmute(std::ptr::with_exposed_provenance::<()>(
            code.entries[1].address,
        ))
    };
    assert_eq!(through(Complex(1.5, 2.0), 2), Complex(3.0, -2.0));
}

#[test]
fn what_c_cannot_catch_is_reported() {
    let mut b = Build::new("first", &[Type::I64], &[Type::I64]).raises();
    let results = b.call(1, &[b.arg(0)], &[Type::I64, Type::F64, Type::Err]);
    b.check(results[2]);
    b.ret(&[results[0]]);
    let mut program = for_c(b.f, &[I64], I64);
    program.functions.push(may_raise());
    let code = loaded(&program);
    // SAFETY: made for this signature.
    let first: extern "C" fn(i64) -> i64 = unsafe {
        std::mem::transmute(std::ptr::with_exposed_provenance::<()>(
            code.entries[1].address,
        ))
    };
    assert_eq!((first(4), REPORTED.take()), (5, None));
    assert_eq!(first(-4), 0);
    let error = REPORTED.take().expect("an error");
    assert_eq!(error_parts(error), [77, 10_005]);
}

#[test]
fn bad_programs_are_refused() {
    let without_error = Program {
        pointers: vec![FuncId(0)],
        ..{
            let mut b = Build::new("f", &[], &[]);
            b.ret(&[]);
            b.program()
        }
    };
    assert!(without_error.verify().unwrap_err().contains("may raise"));
    let mut b = Build::new("g", &[Type::I64], &[Type::I64]);
    b.ret(&[b.arg(0)]);
    let other_signature = for_c(b.f, &[CType::F64], I64);
    assert!(
        other_signature
            .verify()
            .unwrap_err()
            .contains("C signature")
    );
}
