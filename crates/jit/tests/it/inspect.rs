//! Programs as text.

use crate::common::*;
use crate::memory::{scale, sum};
use ferdelance_abi::rtfn::RtFn;
use ferdelance_abi::settings::FastMath;
use ferdelance_compiler::tir::*;
use ferdelance_jit::{Settings, asm, cfg, llvm_ir};

fn ir(program: &Program, optimised: bool) -> String {
    llvm_ir(program, &Settings::default(), optimised).unwrap()
}

#[test]
fn fast_math_flags_are_on_instructions() {
    let with = |flags| {
        let mut b = Build::new("f", &[Type::F64, Type::F64], &[Type::F64]);
        b.f.options.fastmath = FastMath(flags);
        let sum = b.bin(Bin::FAdd, b.arg(0), b.arg(1));
        let root = b.un(Un::Sqrt, sum);
        b.ret(&[root]);
        ir(&b.program(), false)
    };
    assert!(with(FastMath::FAST).contains("fadd fast double"));
    assert!(with(FastMath::FAST).contains("call fast double @llvm.sqrt.f64"));
    assert!(with(FastMath::REASSOC | FastMath::NSZ).contains("fadd reassoc nsz double"));
    assert!(with(FastMath::CONTRACT | FastMath::NNAN).contains("fadd nnan contract double"));
    assert!(with(0).contains("fadd double"));
}

#[test]
fn loops_over_arrays_are_vectorised() {
    let text = ir(&scale(), true);
    assert!(text.contains(" x double>"), "{text}");
    let in_order = ir(&sum(), true);
    assert!(
        !in_order.contains("fadd <"),
        "additions keep their order\n{in_order}"
    );
    let mut fast = sum();
    fast.functions[0].options.fastmath = FastMath(FastMath::FAST);
    let text = ir(&fast, true);
    assert!(text.contains("fadd fast <"), "{text}");
}

#[test]
fn stores_to_elements_leave_constants_and_stack_slots_alone() {
    // A length that is read from constant memory in each iteration is read once.
    for mem in [Mem::Constant, Mem::Stack] {
        let mut b = Build::new("f", &[Type::Ptr, Type::Ptr, Type::I64], &[]);
        let (to, from, n) = (b.arg(0), b.arg(1), b.arg(2));
        let slot = match mem {
            Mem::Stack => {
                let slot = b.op(Op::StackSlot { size: 8, align: 8 }, Type::Ptr);
                b.ops(
                    Op::Store {
                        ptr: slot,
                        value: n,
                        align: 8,
                        mem,
                    },
                    &[],
                );
                // Somebody else knows the address, so it stays in memory.
                b.ops(
                    Op::Store {
                        ptr: from,
                        value: slot,
                        align: 8,
                        mem: Mem::Any,
                    },
                    &[],
                );
                slot
            }
            _ => from,
        };
        b.count_to(n, &[], |b, i, _| {
            let x = b.op(
                Op::Load {
                    ptr: slot,
                    align: 8,
                    mem,
                },
                Type::I64,
            );
            let p = b.element(to, i, 8);
            b.store(p, x);
            vec![]
        });
        b.ret(&[]);
        let text = ir(&b.program(), true);
        assert!(text.contains("store <"), "{text}");
    }
}

#[test]
fn fresh_memory_aliases_nothing() {
    // out[0] += a[i] into a new buffer: the sum stays in a register.
    let mut b = Build::new("f", &[Type::Ptr, Type::I64], &[Type::Owner]).raises();
    let (a, n) = (b.arg(0), b.arg(1));
    let size = b.i64(8);
    let fresh = b.rt(RtFn::buffer_zeroed, &[size]);
    b.check(fresh[2]);
    let out = fresh[1];
    b.count_to(n, &[], |b, i, _| {
        let p = b.element(a, i, 8);
        let x = b.load(p, Type::F64);
        let sum = b.load(out, Type::F64);
        let sum = b.bin(Bin::FAdd, sum, x);
        b.store(out, sum);
        vec![]
    });
    b.ret(&[fresh[0]]);
    let text = ir(&b.program(), true);
    assert!(text.contains("phi double"), "{text}");
}

#[test]
fn no_contraction_unless_asked_for() {
    let mut b = Build::new("f", &[Type::F64, Type::F64, Type::F64], &[Type::F64]);
    let product = b.bin(Bin::FMul, b.arg(0), b.arg(1));
    let sum = b.bin(Bin::FAdd, product, b.arg(2));
    b.ret(&[sum]);
    let mut program = b.program();
    let fma = |program: &Program| {
        asm(program, &Settings::default())
            .unwrap()
            .contains("vfmadd")
    };
    assert!(!fma(&program));
    program.functions[0].options.fastmath = FastMath(FastMath::CONTRACT);
    let host = ferdelance_jit::Cpu::host();
    assert_eq!(fma(&program), host.features.contains("+fma"));
}

#[test]
fn assembly_and_graphs() {
    let program = scale();
    let text = asm(&program, &Settings::default()).unwrap();
    assert!(
        text.contains("scale.entry:") && text.contains("ret"),
        "{text}"
    );
    assert!(!text.contains(".loc"), "{text}");
    let graph = cfg(&program.functions[0]);
    assert!(
        graph.starts_with("digraph \"CFG for 'scale' function\""),
        "{graph}"
    );
    assert!(
        graph.contains("b1 -> b2;") && graph.contains("element"),
        "{graph}"
    );
}

#[test]
fn text_of_tir() {
    let text = sum().to_string();
    let first: Vec<&str> = text.lines().take(12).collect();
    let want = [
        "entries fn0",
        "",
        "fn0 = fn \"sum\" sum(array1) -> (f64) {",
        "b0(v0: array1):",
        "  v1: i64 = part v0, shape[0]",
        "  v2: ptr = part v0, data",
        "  v3: f64 = float 0.0",
        "  v6: i64 = int 0",
        "  jump b1(v6, v3)",
        "b1(v4: i64, v5: f64):",
        "  v7: i1 = cmp.slt v4, v1",
        "  branch v7, b2, b3",
    ];
    assert_eq!(first, want);
}

#[test]
fn malformed_programs_are_refused() {
    let refused = |program: &Program, what: &str| {
        let error = ferdelance_jit::compile(program, &Settings::default()).unwrap_err();
        assert_eq!(error.stage, ferdelance_jit::Stage::Verify);
        assert!(error.to_string().contains(what), "{error}");
    };
    let mut b = Build::new("f", &[Type::I64, Type::F64], &[Type::I64]);
    let sum = b.bin(Bin::Add, b.arg(0), b.arg(1));
    b.ret(&[sum]);
    refused(&b.program(), "v1 is f64, must be i64");

    let mut b = Build::new("f", &[Type::I64], &[Type::I64]);
    let x = b.f.new_value(Type::I64);
    b.ret(&[x]);
    refused(&b.program(), "v1 is not defined");

    // Defined on one of two paths.
    let mut b = Build::new("f", &[Type::I1], &[Type::I64]);
    let (one, end) = (b.block(&[]), b.block(&[]));
    b.branch(b.arg(0), target(one, &[]), target(end, &[]));
    b.at(one);
    let x = b.i64(1);
    b.jump(end, &[]);
    b.at(end);
    b.ret(&[x]);
    refused(&b.program(), "does not dominate");

    let mut b = Build::new("f", &[Type::I64], &[]);
    b.jump(BlockId(0), &[]);
    refused(&b.program(), "0 block arguments where 1 are due");

    let mut b = Build::new("f", &[], &[Type::I8]);
    let x = b.int(Type::I8, 200);
    b.ret(&[x]);
    refused(&b.program(), "200 does not fit i8");

    let mut b = Build::new("f", &[Type::Err], &[]);
    b.term(Term::Throw(b.arg(0)));
    refused(&b.program(), "does not raise");

    let b = Build::new("f", &[], &[]);
    refused(&b.program(), "no terminator");

    let mut b = Build::new("f", &[], &[]);
    b.jump(BlockId(7), &[]);
    refused(&b.program(), "b7 does not exist");

    let mut b = Build::new("f", &[], &[]);
    b.f.blocks.clear();
    refused(&b.program(), "no blocks");
}
