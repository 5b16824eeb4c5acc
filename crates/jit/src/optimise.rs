//! LLVM's passes: which ones, and how hard the code generator tries.
//!
//! The pipelines are hand-picked. `default<O3>` takes three to five times as long for code that
//! measures the same (`examples/run_time.rs` compares with clang): TIR is in SSA form, inlined and
//! simplified when it gets here, so most of what O3 begins with finds nothing to do.
//!
//! LLVM's inliner is not among them: TIR's has done that work, and the table of locations (see
//! `emit::debug`) knows the inlining that TIR did.

use std::ffi::CString;
use std::sync::Once;

use ferdelance_abi::settings::FastMath;
use ferdelance_compiler::tir::{Function, Op, Program};
use inkwell::llvm_sys::support::LLVMParseCommandLineOptions;
use inkwell::module::Module;
use inkwell::passes::PassBuilderOptions;

use crate::emit::floats;
use crate::error::Error;
use crate::session::{Effort, Machine};

/// Up to this many instructions, code without loops is generated the quick way.
const SMALL: usize = 400;

/// How a program is compiled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Plan {
    /// As written, for debuggers, and where time to compile is all that matters.
    Debug,
    /// No loops, and small: the code generator's quick path (no instruction selection on graphs, no
    /// global register allocation) makes code that runs as fast in a third of the time.
    Small,
    /// No loops, but a lot of code.
    Straight,
    Loops,
}

impl Plan {
    pub fn of(program: &Program, optimise: bool) -> Plan {
        let functions = &program.functions;
        if !optimise || functions.iter().any(|f| f.options.debug) {
            Plan::Debug
        } else if functions.iter().any(|f| f.recursive || loops(f) > 0) {
            Plan::Loops
        } else if functions.iter().map(Function::size).sum::<usize>() > SMALL
            // The quick path fuses no multiplications and additions.
            || functions.iter().any(|f| f.options.fastmath.0 & FastMath::CONTRACT != 0)
        {
            Plan::Straight
        } else {
            Plan::Small
        }
    }

    pub fn effort(self) -> Effort {
        match self {
            Plan::Debug | Plan::Small => Effort::Quick,
            Plan::Straight | Plan::Loops => Effort::Default,
        }
    }
}

/// How many blocks begin a loop: can be reached from themselves, on the way of a depth-first search.
fn loops(f: &Function) -> usize {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    let mut states = vec![State::New; f.blocks.len()];
    let mut heads = vec![false; f.blocks.len()];
    let mut stack = vec![(0, f.blocks[0].term.targets(), 0)];
    states[0] = State::Open;
    while let Some((block, targets, next)) = stack.last_mut() {
        let Some(target) = targets.get(*next) else {
            states[*block] = State::Done;
            stack.pop();
            continue;
        };
        *next += 1;
        let to = target.block.index();
        match states[to] {
            State::Open => heads[to] = true,
            State::New => {
                states[to] = State::Open;
                stack.push((to, f.blocks[to].term.targets(), 0));
            }
            State::Done => {}
        }
    }
    heads.into_iter().filter(|head| *head).count()
}

/// Cleaning up, in code without loops.
const STRAIGHT: &str = "early-cse,instcombine<max-iterations=1;no-verify-fixpoint>,simplifycfg";

/// Loops: cleaned up, brought into shape, vectorised, and unrolled where they are small.
const LOOPS: &[&str] = &[
    "early-cse",
    "simplifycfg",
    "instcombine<max-iterations=1;no-verify-fixpoint>",
    "loop-mssa(loop-rotate<header-duplication>,licm,simple-loop-unswitch<nontrivial>)",
    "simplifycfg",
    // Knows the range of induction variables: that `i` is not negative, and so needs no wrapping.
    "loop(loop-idiom,indvars,loop-deletion,loop-unroll-full)",
    "gvn",
    "loop-vectorize",
];

/// After that, loops are cleaned up.
const VECTORISED: &[&str] = &[
    "early-cse",
    "loop-mssa(licm)",
    "simplifycfg<switch-to-lookup;no-keep-loops>",
];

/// Where sums of floats may be reordered, they become what fused multiplications and additions fit: at
/// first, because a loop's value is computed in the order that the first passes leave.
const REORDER: &str = "early-cse,reassociate,";

/// Unrolling, for small loops: it saves them up to a fifth of their time. What it adds to the
/// time of compilation is a quarter, so functions with many loops go without.
const UNROLL: &str = ",loop-unroll<O2>";
const UNROLLED_LOOPS: usize = 8;

/// Settings of LLVM that have no other interface, for the whole process (our copy of LLVM is our own).
const OPTIONS: &[&str] = &[
    // Strength reduction of addresses takes half of all compile time, and x86's addressing modes
    // leave it little to win: nothing in the kernels that are measured.
    "-disable-lsr",
    // Vector loops are interleaved as far as reductions need it, not to saturate load ports: the code is
    // half the size, as fast, and pays off for shorter arrays.
    "-small-loop-cost=10",
    "-enable-loadstore-runtime-interleave=false",
    // What eight lanes leave is done by four at a time: up to seven items one by one take as long as most
    // of a short row.
    "-epilogue-vectorization-minimum-VF=8",
    // Where calls have variants on vectors, the vectoriser otherwise tries vectors of as many items as fit of
    // the smallest type, which takes longer than all other passes.
    "-vectorizer-maximize-bandwidth=false",
    // Unrolling pays for small loops only: up to a few array elements and what is done with them.
    "-unroll-max-count=4",
    "-unroll-partial-threshold=60",
    // A minimum stays a conditional move. The converter makes a branch of it where that shortens a
    // loop's longest chain; but what data decides is mispredicted, and then costs three times as much.
    "-x86-cmov-converter=false",
];

/// Sets what is set for the whole process.
pub(crate) fn set_options() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let all = ["ferdelance"].iter().chain(OPTIONS);
        let all: Vec<CString> = all.filter_map(|text| CString::new(*text).ok()).collect();
        let pointers: Vec<_> = all.iter().map(|text| text.as_ptr()).collect();
        // SAFETY: as many pointers to C strings as it says; LLVM keeps none of them. No other thread
        // is in LLVM yet: all of its use begins with making a machine, which comes here first.
        unsafe {
            let count = pointers.len() as std::ffi::c_int;
            LLVMParseCommandLineOptions(count, pointers.as_ptr(), std::ptr::null());
        }
    });
}

/// Runs the passes that a program's plan asks for.
pub(crate) fn run(
    module: &Module<'_>,
    machine: &Machine,
    program: &Program,
    plan: Plan,
) -> Result<(), Error> {
    let mut stages: Vec<String> = match plan {
        Plan::Debug => vec![],
        Plan::Small | Plan::Straight => vec![STRAIGHT.to_owned()],
        Plan::Loops => {
            let count: usize = program.functions.iter().map(loops).sum();
            let unroll = if count <= UNROLLED_LOOPS { UNROLL } else { "" };
            let mut functions = program.functions.iter();
            let reorder = functions.any(|f| f.options.fastmath.0 & FastMath::REASSOC != 0);
            let reorder = if reorder { REORDER } else { "" };
            vec![
                format!("{reorder}{}", LOOPS.join(",")),
                format!("{}{unroll}", VECTORISED.join(",")),
            ]
        }
    };
    let insts = program
        .functions
        .iter()
        .flat_map(|f| &f.blocks)
        .flat_map(|b| &b.insts);
    let slots = insts
        .into_iter()
        .any(|inst| matches!(inst.op, Op::StackSlot { .. }));
    if let Some(first) = stages.first_mut().filter(|_| slots) {
        first.insert_str(0, "sroa,");
    }
    let mut passes: Vec<String> = stages.iter().map(|s| format!("function({s})")).collect();
    if floats::used(program) {
        // Their variants are for the vectoriser, where there are any.
        let at = if machine.avx512 {
            passes.len().min(1)
        } else {
            0
        };
        passes.insert(at, "always-inline".to_owned());
    }
    if passes.is_empty() {
        return Ok(());
    }
    let passes = passes.join(",");
    let options = PassBuilderOptions::create();
    module
        .run_passes(&passes, &machine.machine, options)
        .map_err(Error::llvm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferdelance_compiler::tir::{Block, BlockId, Target, Term, Type, Value};

    fn function(edges: &[&[u32]]) -> Function {
        let target = |&to: &u32| Target {
            block: BlockId(to),
            args: Default::default(),
        };
        let block = |targets: &&[u32]| Block {
            term: match targets {
                [] => Term::Return(Default::default()),
                [to] => Term::Jump(target(to)),
                [first, rest @ ..] => Term::Switch {
                    value: Value(0),
                    cases: rest
                        .iter()
                        .enumerate()
                        .map(|(i, to)| (i as i64, target(to)))
                        .collect(),
                    default: target(first),
                },
            },
            ..Block::default()
        };
        Function {
            symbol: "f".into(),
            name: "f".into(),
            params: vec![],
            results: vec![],
            may_raise: false,
            recursive: false,
            generator: None,
            options: Default::default(),
            blocks: edges.iter().map(block).collect(),
            values: vec![Type::I64],
            locs: vec![],
        }
    }

    #[test]
    fn loops_are_found() {
        assert_eq!(loops(&function(&[&[]])), 0);
        assert_eq!(loops(&function(&[&[1, 2], &[3], &[3, 1], &[]])), 0);
        assert_eq!(loops(&function(&[&[0, 1], &[]])), 1);
        assert_eq!(loops(&function(&[&[1, 3], &[2], &[1, 2], &[]])), 2);
        assert_eq!(loops(&function(&[&[1], &[], &[2]])), 0, "cannot be reached");
    }
}
