//! A function of a file, stage by stage.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use ferdelance_compiler::diag::{Code, Diagnostic, Result};
use ferdelance_compiler::pipeline::{self, PASSES, Request};
use ferdelance_compiler::types::Ty;

use crate::file::File;

/// What can be shown, in the order of the pipeline.
pub fn stages() -> Vec<&'static str> {
    let passes = PASSES.iter().map(|pass| pass.name);
    ["hir", "types", "lower"].into_iter().chain(passes).collect()
}

/// How long each step took, in order.
pub type Times = Vec<(String, Duration)>;

/// The text of a stage. `positions` adds to TIR where each instruction comes from.
pub fn dump(file: &File, function: usize, args: &[Ty], stage: &str, positions: bool, times: &mut Times) -> Result<String> {
    let mut clock = Clock { last: Instant::now(), times };
    let def = &file.functions[function];
    let module = file.module(function)?;
    clock.lap("parse, resolve");
    if stage == "hir" {
        return Ok(module.to_string());
    }
    let params = module.functions[0].params.len();
    if params != args.len() {
        let message = format!("`{}` takes {params} arguments; the signature has {}", def.name, args.len());
        return Err(Diagnostic::new(Code::ArgumentCount, message));
    }
    let request = Request {
        module,
        args: args.to_vec(),
        result: None,
        options: def.options,
        locals: vec![],
        symbol: def.name.as_str().into(),
        as_value: false,
        for_c: false,
    };
    let mut text = None;
    let compiled = pipeline::compile_watched(file, &request, &mut |pass, program| {
        clock.lap(if pass == "lower" { "infer, lower" } else { pass });
        if pass == stage {
            text = Some(if positions { format!("{program:#}") } else { program.to_string() });
        }
        clock.last = Instant::now();
    })?;
    if stage == "types" {
        return Ok(compiled.report.types());
    }
    text.ok_or_else(|| {
        let known = stages().join(", ");
        Diagnostic::new(Code::Internal, format!("no stage `{stage}`; there are {known}"))
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
