//! `cargo dev`: looks into the compiler. `cargo dev --help` says what there is.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::process::ExitCode;

use ferdelance_abi::codes::Code;
use ferdelance_compiler::pipeline::PASSES;
use ferdelance_dev::dump::{Times, dump, stages, table};
use ferdelance_dev::file::File;
use ferdelance_dev::signature;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["dump", ref rest @ ..] => Dump::parse(rest).and_then(|request| request.run()),
        ["passes"] => {
            PASSES.iter().for_each(|pass| println!("{:10} {}", pass.name, pass.doc));
            Ok(())
        }
        ["codes"] => {
            for code in Code::ALL {
                println!("{:22} {:16} {}", code.name(), code.class().name(), code.summary());
            }
            Ok(())
        }
        _ => {
            println!("{}", usage());
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> String {
    format!(
        "\
cargo dev dump FILE.py::FUNCTION [--sig TYPES] [--stage STAGE] [--positions] [-T]
    prints a function after a stage of the compiler, without Python
    --sig TYPES     types of the arguments: \"f8[:], i8\"
    --stage STAGE   {}
                    (default: {})
    --positions     with the line that each instruction of TIR comes from
    -T              prints the time of each pass; these builds verify after each
cargo dev passes    lists the passes over TIR
cargo dev codes     lists the diagnostics",
        stages().join(", "),
        default_stage()
    )
}

fn default_stage() -> &'static str {
    PASSES.last().map_or("lower", |pass| pass.name)
}

/// The arguments of `cargo dev dump`.
struct Dump<'a> {
    path: &'a str,
    function: &'a str,
    signature: &'a str,
    stage: &'a str,
    positions: bool,
    times: bool,
}

impl<'a> Dump<'a> {
    fn parse(args: &[&'a str]) -> Result<Dump<'a>, String> {
        let mut out = Dump { path: "", function: "", signature: "", stage: default_stage(), positions: false, times: false };
        let mut args = args.iter().copied();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match arg {
                "--sig" => out.signature = value()?,
                "--stage" => out.stage = value()?,
                "--positions" => out.positions = true,
                "-T" => out.times = true,
                _ => (out.path, out.function) = arg.split_once("::").ok_or(format!("FILE.py::FUNCTION expected, not `{arg}`"))?,
            }
        }
        if out.path.is_empty() {
            return Err(usage());
        }
        Ok(out)
    }

    fn run(&self) -> Result<(), String> {
        let text = std::fs::read_to_string(self.path).map_err(|e| format!("{}: {e}", self.path))?;
        let file = File::new(self.path, &text)?;
        let function = file.function(self.function).ok_or_else(|| {
            let known: Vec<&str> = file.functions.iter().map(|f| &*f.name).collect();
            format!("no function `{}` at the top level of {}; there are {}", self.function, self.path, known.join(", "))
        })?;
        let mut times = Times::new();
        let text = dump(&file, function, &signature::parse(self.signature)?, self.stage, self.positions, &mut times);
        println!("{}", text.map_err(|diagnostic| diagnostic.render())?.trim_end());
        if self.times {
            println!("\n{}", table(&times).trim_end());
        }
        Ok(())
    }
}
