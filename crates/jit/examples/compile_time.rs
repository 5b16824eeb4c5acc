//! How long compilation takes, by stage: `cargo run --release --example compile_time [repetitions [name]]`.

#[path = "../tests/it/common.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod common;
#[path = "support/kernels.rs"]
#[allow(dead_code, reason = "the other example uses more of it")]
mod kernels;

use std::time::Duration;

use common::{Pool, Stubs};
use ferdelance_compiler::tir::Program;
use ferdelance_jit::{LoadOptions, Settings, compile, load};

fn fastest(times: &[Duration]) -> f64 {
    times
        .iter()
        .min()
        .map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

#[allow(clippy::print_stdout, reason = "a report")]
fn main() {
    let repetitions: usize = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(200);
    let programs: [(&str, Program); 12] = [
        ("x + 1", kernels::increment()),
        ("scale", kernels::scale()),
        ("dot", kernels::dot(false)),
        ("dot, fast", kernels::dot(true)),
        ("matmul", kernels::matmul()),
        ("jacobi", kernels::jacobi()),
        ("mandelbrot", kernels::mandelbrot()),
        ("nbody", kernels::nbody()),
        ("insertion sort", kernels::insertion_sort()),
        ("bilinear", kernels::bilinear()),
        ("elementary", kernels::elementary()),
        ("50 lines", kernels::long_function()),
    ];
    println!("microseconds, fastest of {repetitions}");
    println!(
        "{:16} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "", "emit", "passes", "codegen", "link", "total", "bytes"
    );
    let only = std::env::args().nth(2);
    for debug_info in [true, false] {
        println!("debug info: {debug_info}");
        let settings = Settings {
            debug_info,
            ..Settings::default()
        };
        for (name, program) in &programs {
            if only
                .as_ref()
                .is_some_and(|only| !name.contains(only.as_str()))
            {
                continue;
            }
            let mut stages: [Vec<Duration>; 5] = Default::default();
            let mut size = 0;
            for _ in 0..repetitions {
                let object = compile(program, &settings).unwrap();
                let code = load(&object, &Stubs, &mut Pool, &LoadOptions::default()).unwrap();
                size = code.code_size;
                let t = object.timings;
                let all = [
                    t.emit,
                    t.optimise,
                    t.codegen,
                    code.time,
                    t.total() + code.time,
                ];
                stages
                    .iter_mut()
                    .zip(all)
                    .for_each(|(stage, time)| stage.push(time));
            }
            let us = stages.map(|times| fastest(&times));
            println!(
                "{name:16} {:8.0} {:8.0} {:8.0} {:8.0} {:8.0} {size:8}",
                us[0], us[1], us[2], us[3], us[4]
            );
        }
    }
}
