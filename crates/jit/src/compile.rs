//! Program to object file.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferdelance_compiler::tir::{PoolEntry, Program};
use inkwell::memory_buffer::MemoryBuffer;
use inkwell::targets::FileType;

use crate::emit::{self, Emitted};
use crate::error::{Error, Stage};
use crate::fatal::Compiling;
use crate::locations::LocationTable;
use crate::optimise::{self, Plan};
use crate::session::{Cpu, Machine, Session};

/// What a compilation depends on besides the program.
#[derive(Clone, Debug)]
pub struct Settings {
    pub cpu: Cpu,
    /// Emit DWARF and with it the line tables of the code map.
    pub debug_info: bool,
    /// Run LLVM's passes. Without them code is made in half the time, and runs several times slower.
    pub optimise: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            cpu: Cpu::host().clone(),
            debug_info: true,
            optimise: true,
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
    let stages = Stages::new(program, settings)?;
    let emitted = stages.emit(program, settings)?;
    let built = Instant::now();
    stages.optimise(program, &emitted)?;
    let optimised = Instant::now();
    let bytes = stages
        .generate(&emitted, FileType::Object)?
        .as_slice()
        .to_vec();
    let timings = Timings {
        emit: built - start,
        optimise: optimised - built,
        codegen: optimised.elapsed(),
    };
    let Emitted {
        pool,
        entries,
        locations,
        ..
    } = emitted;
    Ok(Object {
        bytes,
        pool,
        entries,
        locations,
        timings,
    })
}

/// The steps of one compilation, and what LLVM needs for them.
pub(crate) struct Stages {
    plan: Plan,
    machine: Rc<Machine>,
    session: Session,
    _compiling: Compiling,
}

impl Stages {
    /// Checks the program, and readies LLVM for it.
    pub fn new(program: &Program, settings: &Settings) -> Result<Stages, Error> {
        program
            .verify()
            .map_err(|message| Error::new(Stage::Verify, message))?;
        let compiling = Compiling::new(program);
        let plan = Plan::of(program, settings.optimise);
        let machine = Machine::get(&settings.cpu, plan.effort())?;
        Ok(Stages {
            plan,
            machine,
            session: Session::new(),
            _compiling: compiling,
        })
    }

    pub fn emit(&self, program: &Program, settings: &Settings) -> Result<Emitted<'_>, Error> {
        let context = &self.session.context;
        let emitted = emit::program(context, &self.machine, program, settings.debug_info)?;
        if cfg!(debug_assertions) {
            emitted
                .module
                .verify()
                .map_err(|message| Error::new(Stage::Emit, message))?;
        }
        Ok(emitted)
    }

    pub fn optimise(&self, program: &Program, emitted: &Emitted<'_>) -> Result<(), Error> {
        optimise::run(&emitted.module, &self.machine, program, self.plan)?;
        self.session.check()
    }

    pub fn generate(
        &self,
        emitted: &Emitted<'_>,
        kind: FileType,
    ) -> Result<MemoryBuffer<'static>, Error> {
        let machine = &self.machine.machine;
        let buffer = machine
            .write_to_memory_buffer(&emitted.module, kind)
            .map_err(Error::llvm)?;
        self.session.check()?;
        Ok(buffer)
    }
}
