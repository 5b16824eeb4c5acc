//! Arrays, stack slots, the constant pool.

use crate::common::*;
use ferdelance_abi::rtfn::RtFn;
use ferdelance_compiler::tir::*;
use ferdelance_compiler::types::PyRef;

/// `out[i] = a[i] * 3.0`
pub fn scale() -> Program {
    let mut b = Build::new("scale", &[Type::Array(1), Type::Array(1)], &[]);
    let (out, a) = (b.arg(0), b.arg(1));
    let n = b.part(out, Part::Shape(0));
    let (to, from) = (b.part(out, Part::Data), b.part(a, Part::Data));
    let three = b.f64(3.0);
    b.count_to(n, &[], |b, i, _| {
        let p = b.element(from, i, 8);
        let x = b.load(p, Type::F64);
        let y = b.bin(Bin::FMul, x, three);
        let q = b.element(to, i, 8);
        b.store(q, y);
        vec![]
    });
    b.ret(&[]);
    b.program()
}

/// The sum of an array of doubles.
pub fn sum() -> Program {
    let mut b = Build::new("sum", &[Type::Array(1)], &[Type::F64]);
    let a = b.arg(0);
    let n = b.part(a, Part::Shape(0));
    let data = b.part(a, Part::Data);
    let zero = b.f64(0.0);
    let total = b.count_to(n, &[zero], |b, i, state| {
        let p = b.element(data, i, 8);
        let x = b.load(p, Type::F64);
        vec![b.bin(Bin::FAdd, state[0], x)]
    });
    b.ret(&total);
    b.program()
}

#[test]
fn scales_an_array() {
    let mut a: Vec<f64> = (0..1001).map(f64::from).collect();
    let mut out = vec![0.0; 1001];
    let args = [array_slots(&mut out), array_slots(&mut a)].concat();
    run(&scale(), &args, 0);
    assert!(out.iter().zip(&a).all(|(o, a)| *o == a * 3.0));
}

#[test]
fn sums_an_array_in_order() {
    let mut a: Vec<f64> = (0..1001).map(|i| 1.0 / f64::from(i + 1)).collect();
    let total: f64 = a.iter().fold(0.0, |s, x| s + x);
    assert_eq!(run(&sum(), &array_slots(&mut a), 1), [total.to_bits()]);
}

#[test]
fn every_type_in_memory() {
    let types = [
        Type::I1,
        Type::I8,
        Type::I16,
        Type::I32,
        Type::I64,
        Type::F32,
        Type::F64,
        Type::Ptr,
    ];
    for ty in types {
        // out[1] = in[0]
        let mut b = Build::new("copy", &[Type::Ptr, Type::Ptr], &[]);
        let (from, to, one) = (b.arg(0), b.arg(1), b.i64(1));
        let x = b.load(from, ty);
        let at = b.element(to, one, ty.bytes());
        b.store(at, x);
        b.ret(&[]);
        let mut input = [0x0102_0304_0506_0708_u64];
        let mut output = [u64::MAX; 2];
        let address = |p: *mut u64| p.expose_provenance() as u64;
        run(
            &b.program(),
            &[address(input.as_mut_ptr()), address(output.as_mut_ptr())],
            0,
        );
        let size = ty.bytes() as usize;
        let mut want = [0xff_u8; 16];
        want[size..2 * size].copy_from_slice(&input[0].to_le_bytes()[..size]);
        if ty == Type::I1 {
            want[1] = 1;
        }
        assert_eq!(output.map(u64::to_le_bytes).concat(), want, "{ty}");
    }
}

#[test]
fn an_array_in_memory() {
    let mut b = Build::new("slot", &[Type::Array(2)], &[Type::Array(2)]);
    let slot = b.op(Op::StackSlot { size: 48, align: 8 }, Type::Ptr);
    let value = b.arg(0);
    b.ops(
        Op::Store {
            ptr: slot,
            value,
            align: 8,
            mem: Mem::Stack,
        },
        &[],
    );
    let again = b.op(
        Op::Load {
            ptr: slot,
            align: 8,
            mem: Mem::Stack,
        },
        Type::Array(2),
    );
    b.ret(&[again]);
    assert_eq!(
        run(&b.program(), &[1, 2, 3, 4, 5, 6], 6),
        [1, 2, 3, 4, 5, 6]
    );
}

#[test]
fn descriptors() {
    let results = [
        Type::Array(1),
        Type::Array(2),
        Type::Owner,
        Type::Ptr,
        Type::I64,
        Type::I64,
    ];
    let mut b = Build::new("views", &[Type::Array(2)], &results);
    let a = b.arg(0);
    let owner = b.part(a, Part::Owner);
    let data = b.part(a, Part::Data);
    let (rows, stride) = (b.part(a, Part::Shape(0)), b.part(a, Part::Stride(1)));
    let made = Op::MakeArray {
        owner,
        data,
        shape: [rows].into_iter().collect(),
        strides: [stride].into_iter().collect(),
    };
    let made = b.op(made, Type::Array(1));
    let shift = b.i64(16);
    let moved = b.op(
        Op::Offset {
            base: data,
            offset: shift,
        },
        Type::Ptr,
    );
    let dims = [rows, stride]
        .into_iter()
        .collect::<smallvec::SmallVec<[Value; 4]>>();
    let view = Op::View {
        base: made,
        data: moved,
        shape: dims.clone(),
        strides: dims,
    };
    let view = b.op(view, Type::Array(2));
    b.ret(&[made, view, owner, data, rows, stride]);
    let got = run(&b.program(), &[11, 1000, 3, 4, 32, 8], 14);
    assert_eq!(got, [11, 1000, 3, 8, 11, 1016, 3, 8, 3, 8, 11, 1000, 3, 8]);
}

#[test]
fn allocation() {
    let mut b = Build::new("alloc", &[Type::I64], &[Type::Owner, Type::Ptr]).raises();
    let results = b.rt(RtFn::buffer_alloc, &[b.arg(0)]);
    b.check(results[2]);
    let x = b.f64(1.5);
    b.store(results[1], x);
    b.ret(&[results[0], results[1]]);
    let code = loaded(&b.program());
    let got = call(&code.entries[0], &[64], 2).unwrap();
    assert_eq!(got[0], got[1]);
    let data = std::ptr::with_exposed_provenance::<f64>(got[1] as usize);
    // SAFETY: the stub allocated it.
    assert_eq!(unsafe { *data }, 1.5);
    assert!(call(&code.entries[0], &[u64::MAX], 2).is_err());
}

#[test]
fn pool_entries() {
    let mut b = Build::new("pool", &[], &[Type::Ptr, Type::Obj, Type::Ptr]);
    let values = [
        b.op(Op::Pool(PoolId(0)), Type::Ptr),
        b.op(Op::Pool(PoolId(1)), Type::Obj),
        b.op(Op::Pool(PoolId(2)), Type::Ptr),
    ];
    b.ret(&values);
    let mut program = b.program();
    program.pool = vec![
        PoolEntry::Object(PyRef(42)),
        PoolEntry::Str("hello".into()),
        PoolEntry::Location {
            file: "f".into(),
            function: "g".into(),
            line: 9,
            column: 0,
        },
    ];
    assert_eq!(run(&program, &[], 3), [42, 5, 10_009]);
    let object = compiled(&program);
    program.pool[0] = PoolEntry::Array(PyRef(1));
    let unresolved = ferdelance_jit::Object {
        pool: program.pool,
        ..object
    };
    let result = ferdelance_jit::load(&unresolved, &Stubs, &mut Pool, &Default::default());
    assert!(result.unwrap_err().to_string().contains("no arrays here"));
}

#[test]
fn big_stack_slots() {
    let mut b = Build::new("big", &[Type::I64], &[Type::I64]);
    let slot = b.op(
        Op::StackSlot {
            size: 100_000,
            align: 16,
        },
        Type::Ptr,
    );
    let (i, seven) = (b.arg(0), b.i64(7));
    let at = b.element(slot, i, 8);
    b.ops(
        Op::Store {
            ptr: at,
            value: seven,
            align: 8,
            mem: Mem::Stack,
        },
        &[],
    );
    let got = b.op(
        Op::Load {
            ptr: at,
            align: 8,
            mem: Mem::Stack,
        },
        Type::I64,
    );
    b.ret(&[got]);
    assert_eq!(run(&b.program(), &[1000], 1), [7]);
}
