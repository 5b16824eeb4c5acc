//! Program to object file.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ferdelance_compiler::tir::{PoolEntry, Program};
use inkwell::targets::FileType;

use crate::error::{Error, Stage};
use crate::locations::LocationTable;
use crate::session::{Cpu, Effort, Machine, Session};
use crate::{emit, optimise};

/// What a compilation depends on besides the program.
#[derive(Clone, Debug)]
pub struct Settings {
    pub cpu: Cpu,
    /// Emit DWARF and with it the line tables of the code map.
    pub debug_info: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            cpu: Cpu::host().clone(),
            debug_info: true,
        }
    }
}

/// Where the time went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    /// TIR to LLVM IR.
    pub emit: Duration,
    /// LLVM's passes.
    pub optimise: Duration,
    /// LLVM IR to the object file.
    pub codegen: Duration,
}

impl Timings {
    pub fn total(&self) -> Duration {
        self.emit + self.optimise + self.codegen
    }
}

/// Compiled code that can be stored, and loaded by any process on the same kind of machine.
#[derive(Clone, Debug)]
pub struct Object {
    /// An ELF relocatable object. It holds no address.
    pub bytes: Vec<u8>,
    /// What the constant pool must hold.
    pub pool: Vec<PoolEntry>,
    /// Symbols of the trampolines, in the order of the program's entries.
    pub entries: Vec<Arc<str>>,
    /// What the line table refers to.
    pub locations: LocationTable,
    pub timings: Timings,
}

/// Compiles a program.
pub fn compile(program: &Program, settings: &Settings) -> Result<Object, Error> {
    let start = Instant::now();
    program
        .verify()
        .map_err(|message| Error::new(Stage::Verify, message))?;
    let machine = Machine::get(&settings.cpu, effort(program))?;
    let session = Session::new();
    let emitted = emit::program(&session.context, &machine, program, settings.debug_info);
    let built = Instant::now();
    if cfg!(debug_assertions) {
        emitted
            .module
            .verify()
            .map_err(|message| Error::new(Stage::Emit, message))?;
    }
    optimise::run(&emitted.module, &machine, program)?;
    session.check()?;
    let optimised = Instant::now();
    let buffer = machine
        .machine
        .write_to_memory_buffer(&emitted.module, FileType::Object)
        .map_err(Error::llvm)?;
    session.check()?;
    let bytes = buffer.as_slice().to_vec();
    let timings = Timings {
        emit: built - start,
        optimise: optimised - built,
        codegen: optimised.elapsed(),
    };
    Ok(Object {
        bytes,
        pool: emitted.pool,
        entries: emitted.entries,
        locations: emitted.locations,
        timings,
    })
}

pub(crate) fn effort(program: &Program) -> Effort {
    if program.functions.iter().any(|f| f.options.debug) {
        Effort::Less
    } else {
        Effort::Default
    }
}
