//! Loop kernels beside clang: `cargo run --release --example run_time [name]`.
//!
//! Both run in turns in this process; the figure is the ratio of the fastest runs (above 1: slower
//! than C).

#[path = "../tests/it/common.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod common;
#[path = "support/kernels.rs"]
mod kernels;

use std::ffi::{CString, c_void};
use std::time::{Duration, Instant};

use common::{Pool, Stubs};
use ferdelance_compiler::tir::Program;
use ferdelance_jit::{Entry, LoadOptions, Settings, compile, load};

/// The C kernels, compiled for this machine.
struct Library(*mut c_void);

impl Library {
    fn build() -> Library {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/support/kernels.c");
        let output = std::env::temp_dir().join(format!("kernels-{}.so", std::process::id()));
        let flags = [
            "-O3",
            "-march=native",
            "-ffp-contract=off",
            "-shared",
            "-fPIC",
            "-fno-math-errno",
        ];
        let status = std::process::Command::new("clang-22")
            .args(flags)
            .args([source, "-lm", "-o"])
            .arg(&output)
            .status();
        assert!(status.expect("clang-22").success());
        let path = CString::new(output.as_os_str().as_encoded_bytes()).unwrap();
        // SAFETY: a library without initialisers.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
        assert!(!handle.is_null());
        std::fs::remove_file(output).unwrap();
        Library(handle)
    }
    fn get(&self, name: &str) -> *mut c_void {
        let name = CString::new(name).unwrap();
        // SAFETY: an open library.
        let address = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        assert!(!address.is_null(), "{name:?}");
        address
    }
}

/// Calls a C function through the type that is written down.
macro_rules! c {
    ($library:expr, $name:literal ($($arg:expr => $ty:ty),*) -> $result:ty) => {{
        type F = unsafe extern "C" fn($($ty),*) -> $result;
        // SAFETY: the type is the one in kernels.c.
        let f = unsafe { std::mem::transmute::<*mut c_void, F>($library.get($name)) };
        // SAFETY: the arguments are those that the kernel reads and writes.
        Box::new(move || unsafe { std::hint::black_box(f($($arg),*)); }) as Box<dyn FnMut()>
    }};
}

/// Processor time of this thread, which other processes disturb less than the clock.
fn cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is writable.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The entry, and the times of the passes, of code generation and of both together (processor time).
fn compiled(program: &Program) -> (Entry, [Duration; 3]) {
    let settings = Settings::default();
    // The first compilation warms LLVM up.
    let mut best = [Duration::MAX; 3];
    for _ in 0..9 {
        let start = cpu_time();
        let t = compile(program, &settings).unwrap().timings;
        let all = [t.optimise, t.codegen, cpu_time() - start];
        best = std::array::from_fn(|i| best[i].min(all[i]));
    }
    let object = compile(program, &settings).unwrap();
    let code = load(&object, &Stubs, &mut Pool, &LoadOptions::default()).unwrap();
    (code.entries[0].clone(), best)
}

fn jit(entry: Entry, args: Vec<u64>) -> Box<dyn FnMut()> {
    let mut results = [0_u64; 8];
    Box::new(move || {
        // SAFETY: the slots are those of the kernel's parameters.
        let error = unsafe { entry.trampoline()(args.as_ptr(), results.as_mut_ptr()) };
        assert!(error.is_null());
    })
}

/// Slots of a borrowed C-ordered array.
fn slots(data: *mut f64, shape: &[usize]) -> Vec<u64> {
    let mut all = vec![0x1001, data.expose_provenance() as u64];
    all.extend(shape.iter().map(|&n| n as u64));
    let stride = |axis: usize| shape[axis + 1..].iter().product::<usize>() as u64 * 8;
    all.extend((0..shape.len()).map(stride));
    all
}

#[allow(clippy::print_stdout, reason = "a report")]
fn main() {
    let only = std::env::args().nth(1);
    let library = Library::build();
    let n = 1000_usize;
    let random = |len: usize, scale: f64| -> *mut f64 {
        let mut state = 12345_u64;
        let next = move |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 11) as f64 / (1_u64 << 53) as f64 * scale
        };
        Box::leak((0..len).map(next).collect::<Box<[f64]>>()).as_mut_ptr()
    };
    let (a, b) = (random(n * n, 10.0), random(n * n, 10.0));
    let small = 200_usize;
    let m = [
        random(small * small, 1.0),
        random(small * small, 1.0),
        random(small * small, 1.0),
    ];
    let bodies: Vec<*mut f64> = (0..7).map(|_| random(1000, 1.0)).collect();
    let bodies: &'static [*mut f64] = Box::leak(bodies.into());
    let bytes = random(100_000 / 8, 1.0);
    let ints = random(100_000, 1.0).cast::<i64>();
    let bins = random(256, 0.0);
    let sorted = random(2000, 1.0);
    let image = random(300 * 300, 1.0);
    let (ys, xs, out) = (
        random(100_000, 298.0),
        random(100_000, 298.0),
        random(100_000, 1.0),
    );
    let (rows, columns) = (random(300, 1.0), random(300, 1.0));
    let (u, v) = (random(90_000, 1.0), random(90_000, 1.0));
    let (cells, next_cells) = (random(90_000, 0.0), random(90_000, 0.0));
    let len = 4096_usize;

    type Case<'a> = (&'a str, Program, Vec<u64>, Box<dyn FnMut()>);
    let cases: Vec<Case<'_>> = vec![
        (
            "scale",
            kernels::scale(),
            [slots(b, &[len]), slots(a, &[len])].concat(),
            c!(library, "scale"(b => *mut f64, a => *mut f64, len => usize) -> ()),
        ),
        (
            "dot",
            kernels::dot(false),
            [slots(a, &[len]), slots(b, &[len])].concat(),
            c!(library, "dot"(a => *mut f64, b => *mut f64, len => usize) -> f64),
        ),
        (
            "dot fast",
            kernels::dot(true),
            [slots(a, &[len]), slots(b, &[len])].concat(),
            c!(library, "dot_fast"(a => *mut f64, b => *mut f64, len => usize) -> f64),
        ),
        (
            "matmul",
            kernels::matmul(),
            m.iter().flat_map(|&p| slots(p, &[small, small])).collect(),
            c!(library, "matmul"(m[0] => *mut f64, m[1] => *mut f64, m[2] => *mut f64, small => usize) -> ()),
        ),
        (
            "jacobi",
            kernels::jacobi(),
            [slots(u, &[300, 300]), slots(v, &[300, 300]), vec![2]].concat(),
            c!(library, "jacobi"(u => *mut f64, v => *mut f64, 300 => usize, 2 => i64) -> ()),
        ),
        (
            "floyd",
            kernels::floyd(),
            slots(m[0], &[small, small]),
            c!(library, "floyd"(m[0] => *mut f64, small => usize) -> ()),
        ),
        (
            "mandelbrot",
            kernels::mandelbrot(),
            vec![100, 100],
            c!(library, "mandelbrot"(100 => i64, 100 => i64) -> i64),
        ),
        (
            "sieve",
            kernels::sieve(),
            slots(bytes, &[100_000]),
            c!(library, "sieve"(bytes => *mut f64, 100_000 => usize) -> i64),
        ),
        (
            "nbody",
            kernels::nbody(),
            bodies.iter().flat_map(|&p| slots(p, &[1000])).collect(),
            c!(library, "nbody"(bodies.as_ptr() => *const *mut f64, 1000 => usize) -> ()),
        ),
        (
            "elementary",
            kernels::elementary(),
            [slots(b, &[len]), slots(a, &[len])].concat(),
            c!(library, "elementary"(b => *mut f64, a => *mut f64, len => usize) -> ()),
        ),
        (
            "columns",
            kernels::columns(),
            [
                slots(u, &[300, 300]),
                slots(v, &[300, 300]),
                slots(rows, &[300]),
            ]
            .concat(),
            c!(library, "columns"(u => *mut f64, 300 => i64, 300 => i64, 2400 => i64, 8 => i64, v => *mut f64, 2400 => i64, 8 => i64, rows => *mut f64, 8 => i64) -> ()),
        ),
        (
            "histogram",
            kernels::histogram(),
            [slots(bins, &[256]), slots(ints.cast(), &[100_000])].concat(),
            c!(library, "histogram"(bins => *mut f64, ints => *mut i64, 100_000 => usize) -> ()),
        ),
        (
            "insertion sort",
            kernels::insertion_sort(),
            slots(sorted, &[2000]),
            c!(library, "insertion_sort"(sorted => *mut f64, 2000 => usize) -> ()),
        ),
        (
            "bilinear",
            kernels::bilinear(),
            [
                slots(image, &[300, 300]),
                slots(ys, &[100_000]),
                slots(xs, &[100_000]),
                slots(out, &[100_000]),
            ]
            .concat(),
            c!(library, "bilinear"(image => *mut f64, 300 => usize, ys => *mut f64, xs => *mut f64, out => *mut f64, 100_000 => usize) -> ()),
        ),
        (
            "bytes",
            kernels::bytes(),
            [a, b, out]
                .iter()
                .flat_map(|&p| slots(p, &[16_384]))
                .collect(),
            c!(library, "bytes"(a => *mut f64, b => *mut f64, out => *mut f64, 16_384 => usize) -> ()),
        ),
        (
            "complex",
            kernels::complex(),
            [out, xs, ys]
                .iter()
                .flat_map(|&p| slots(p, &[1000]))
                .collect(),
            c!(library, "complex_"(out => *mut f64, xs => *mut f64, ys => *mut f64, 1000 => usize) -> ()),
        ),
        (
            "distances",
            kernels::distances(),
            [slots(m[0], &[200, 200]), slots(rows, &[100, 3])].concat(),
            c!(library, "distances"(m[0] => *mut f64, rows => *mut f64, 100 => usize, 3 => usize) -> ()),
        ),
        (
            "scan",
            kernels::scan(),
            [slots(out, &[len]), slots(xs, &[len])].concat(),
            c!(library, "scan"(out => *mut f64, xs => *mut f64, len => usize) -> i64),
        ),
        (
            "taps",
            kernels::taps(),
            [slots(out, &[len]), slots(xs, &[len]), slots(ys, &[7])].concat(),
            c!(library, "taps"(out => *mut f64, xs => *mut f64, ys => *mut f64, len => usize) -> ()),
        ),
        (
            "life",
            kernels::life(),
            [slots(cells, &[300, 300]), slots(next_cells, &[300, 300])].concat(),
            c!(library, "life"(cells => *mut f64, next_cells => *mut f64, 300 => usize) -> ()),
        ),
        (
            "50 lines",
            kernels::long_function(),
            [
                slots(u, &[300, 300]),
                slots(v, &[300, 300]),
                slots(rows, &[300]),
                slots(columns, &[300]),
            ]
            .concat(),
            c!(library, "long_function"(u => *mut f64, v => *mut f64, rows => *mut f64, columns => *mut f64, 300 => usize, 300 => usize) -> f64),
        ),
    ];
    println!(
        "{:16} {:>8} {:>8} {:>8} {:>10} {:>10} {:>7}",
        "", "passes", "codegen", "all CPU", "jit µs", "C µs", "ratio"
    );
    let (mut logs, mut count, mut compile_time) = (0.0, 0, 0.0);
    for (name, program, args, mut c) in cases {
        if only
            .as_ref()
            .is_some_and(|only| !name.contains(only.as_str()))
        {
            continue;
        }
        let (entry, times) = compiled(&program);
        let [passes, codegen, all] = times.map(|time| time.as_secs_f64() * 1e6);
        let mut jit = jit(entry, args);
        let (mut best_jit, mut best_c) = (f64::MAX, f64::MAX);
        let start = Instant::now();
        // A sorted array is sorted quickly: there both sides see the same input.
        let time = |f: &mut dyn FnMut()| {
            if name == "insertion sort" {
                (0..2000).for_each(|i| {
                    // SAFETY: inside the array.
                    unsafe { *sorted.add(i) = ((i * 7919) % 2003) as f64 };
                });
            }
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64() * 1e6
        };
        while start.elapsed() < Duration::from_millis(400) {
            best_jit = best_jit.min(time(&mut jit));
            best_c = best_c.min(time(&mut c));
        }
        let ratio = best_jit / best_c;
        println!(
            "{name:16} {passes:8.0} {codegen:8.0} {all:8.0} {best_jit:10.2} {best_c:10.2} {ratio:7.3}"
        );
        logs += ratio.ln();
        count += 1;
        compile_time += all / 1e3;
    }
    for (name, program, args) in [
        ("x + 1", kernels::increment(), vec![5]),
        ("polynomial", kernels::polynomial(), vec![1.5_f64.to_bits()]),
        (
            "option price",
            kernels::option_price(),
            [100.0, 95.0, 0.5, 0.03, 0.2_f64].map(f64::to_bits).to_vec(),
        ),
        ("branches", kernels::branches(), vec![3, 5]),
    ] {
        if only
            .as_ref()
            .is_some_and(|only| !name.contains(only.as_str()))
        {
            continue;
        }
        let (entry, times) = compiled(&program);
        let mut jit = jit(entry, args);
        let mut best = f64::MAX;
        for _ in 0..2000 {
            let start = Instant::now();
            (0..100).for_each(|_| jit());
            best = best.min(start.elapsed().as_secs_f64() * 1e7);
        }
        println!(
            "{name:16} {:8.0} us to compile, {best:.2} ns a call",
            times[2].as_secs_f64() * 1e6
        );
    }
    println!(
        "geometric mean {:.3}, compilation {compile_time:.1} ms of processor time",
        (logs / f64::from(count)).exp()
    );
}
