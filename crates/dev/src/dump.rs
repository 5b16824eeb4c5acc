//! A function of a file, stage by stage.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use ferdelance_compiler::diag::{Code, Diagnostic, Result};
use ferdelance_compiler::pipeline::{self, Compiled, PASSES, Request, Target};
use ferdelance_compiler::tir::Program;
use ferdelance_compiler::types::Ty;

use crate::file::File;

/// What [`dump`] can show, in the order of the pipeline.
pub fn stages() -> Vec<&'static str> {
    let passes = PASSES.iter().map(|pass| pass.name);
    ["hir", "types", "lower"]
        .into_iter()
        .chain(passes)
        .collect()
}

/// How long each step took, in order.
pub type Times = Vec<(String, Duration)>;

/// The text of a stage. `positions` adds to TIR where each instruction comes from.
pub fn dump(
    file: &File,
    function: usize,
    args: &[Ty],
    stage: &str,
    positions: bool,
    times: &mut Times,
) -> Result<String> {
    if stage == "hir" {
        return Ok(file.module(function)?.to_string());
    }
    let mut text = None;
    let compiled = compile(file, function, args, times, &mut |pass, program| {
        if pass == stage {
            text = Some(if positions {
                format!("{program:#}")
            } else {
                program.to_string()
            });
        }
    })?;
    if stage == "types" {
        return Ok(compiled.report.types());
    }
    text.ok_or_else(|| {
        let known = stages().join(", ");
        Diagnostic::new(
            Code::Internal,
            format!("no stage `{stage}`; there are {known}"),
        )
    })
}

/// Compiles a function; `watch` sees the program after lowering and after each pass.
pub fn compile(
    file: &File,
    function: usize,
    args: &[Ty],
    times: &mut Times,
    watch: &mut dyn FnMut(&str, &Program),
) -> Result<Compiled> {
    let mut clock = Clock {
        last: Instant::now(),
        times,
    };
    let def = &file.functions[function];
    let module = file.module(function)?;
    clock.lap("parse, resolve");
    let params = module.functions[0].params.len();
    if params != args.len() {
        let message = format!(
            "`{}` takes {params} arguments; the signature has {}",
            def.name,
            args.len()
        );
        return Err(Diagnostic::new(Code::ArgumentCount, message));
    }
    let request = Request {
        module,
        args: args.to_vec(),
        result: None,
        options: def.options,
        target: Target {
            wide: true,
            ..Target::default()
        },
        locals: vec![],
        symbol: def.name.as_str().into(),
        as_value: false,
        for_c: false,
    };
    pipeline::compile_watched(file, &request, &mut |pass, program| {
        clock.lap(if pass == "lower" {
            "infer, lower"
        } else {
            pass
        });
        watch(pass, program);
        clock.last = Instant::now();
    })
}

struct Clock<'a> {
    last: Instant,
    times: &'a mut Times,
}

impl Clock<'_> {
    fn lap(&mut self, name: &str) {
        self.times.push((name.to_owned(), self.last.elapsed()));
        self.last = Instant::now();
    }
}

/// The times as a table.
pub fn table(times: &Times) -> String {
    let mut out = String::new();
    for (name, time) in times {
        let _ = writeln!(out, "{name:16} {:10.1} µs", time.as_secs_f64() * 1e6);
    }
    out
}
