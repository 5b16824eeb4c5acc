//! `cargo dev`: looks into the compiler. `cargo dev --help` says what there is.

#![allow(clippy::print_stderr, reason = "a command-line program")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use ferdelance_abi::codes::Code;
use ferdelance_compiler::pipeline::PASSES;
use ferdelance_compiler::types::Ty;
use ferdelance_dev::dump::{Times, compile, dump, stages, table};
use ferdelance_dev::file::File;
use ferdelance_dev::signature;
use ferdelance_jit::{Settings, asm, llvm_ir};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let text = match args[..] {
        ["dump", ref rest @ ..] => Dump::parse(rest).and_then(|request| request.text()),
        ["passes"] => Ok(passes()),
        ["codes"] => Ok(codes()),
        _ => Ok(usage()),
    };
    match text {
        Ok(text) => {
            // Whoever reads may stop at any time: `cargo dev ... | head`.
            let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn passes() -> String {
    let mut out = String::new();
    for pass in PASSES {
        let _ = writeln!(out, "{:10} {}", pass.name, pass.doc);
    }
    out
}

fn codes() -> String {
    let mut out = String::new();
    for code in Code::ALL {
        let _ = writeln!(
            out,
            "{:22} {:16} {}",
            code.name(),
            code.class().name(),
            code.summary()
        );
    }
    out
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
        all_stages().join(", "),
        default_stage()
    )
}

/// What the back end can show: LLVM IR as emitted and after LLVM's passes, assembly.
const MACHINE_STAGES: &[&str] = &["llvm", "llvm-opt", "asm"];

fn all_stages() -> Vec<&'static str> {
    [stages(), MACHINE_STAGES.to_vec()].concat()
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
        let mut out = Dump {
            path: "",
            function: "",
            signature: "",
            stage: default_stage(),
            positions: false,
            times: false,
        };
        let mut args = args.iter().copied();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match arg {
                "--sig" => out.signature = value()?,
                "--stage" => out.stage = value()?,
                "--positions" => out.positions = true,
                "-T" => out.times = true,
                _ => {
                    (out.path, out.function) = arg
                        .split_once("::")
                        .ok_or(format!("FILE.py::FUNCTION expected, not `{arg}`"))?
                }
            }
        }
        if out.path.is_empty() {
            return Err(usage());
        }
        if !all_stages().contains(&out.stage) {
            return Err(format!(
                "no stage `{}`; there are {}",
                out.stage,
                all_stages().join(", ")
            ));
        }
        Ok(out)
    }

    fn text(&self) -> Result<String, String> {
        let text = std::fs::read_to_string(self.path).map_err(|e| format!("{}: {e}", self.path))?;
        let file = File::new(self.path, &text)?;
        let function = file.function(self.function).ok_or_else(|| {
            let known: Vec<&str> = file.functions.iter().map(|f| &*f.name).collect();
            format!(
                "no function `{}` at the top level of {}; there are {}",
                self.function,
                self.path,
                known.join(", ")
            )
        })?;
        let args = signature::parse(self.signature)?;
        let mut times = Times::new();
        let text = if MACHINE_STAGES.contains(&self.stage) {
            self.machine_text(&file, function, &args, &mut times)?
        } else {
            dump(
                &file,
                function,
                &args,
                self.stage,
                self.positions,
                &mut times,
            )
            .map_err(|diagnostic| diagnostic.render())?
        };
        Ok(if self.times {
            format!("{}\n\n{}", text.trim_end(), table(&times))
        } else {
            text
        })
    }

    fn machine_text(
        &self,
        file: &File,
        function: usize,
        args: &[Ty],
        times: &mut Times,
    ) -> Result<String, String> {
        let compiled = compile(file, function, args, times, &mut |_, _| {})
            .map_err(|diagnostic| diagnostic.render())?;
        let start = Instant::now();
        let settings = Settings::default();
        let text = match self.stage {
            "asm" => asm(&compiled.program, &settings),
            stage => llvm_ir(&compiled.program, &settings, stage == "llvm-opt"),
        };
        times.push((self.stage.to_owned(), start.elapsed()));
        text.map_err(|error| error.to_string())
    }
}
