//! LLVM's passes.

use ferdelance_compiler::tir::Program;
use inkwell::module::Module;
use inkwell::passes::PassBuilderOptions;

use crate::error::Error;
use crate::session::Machine;

pub(crate) fn run(module: &Module<'_>, machine: &Machine, _: &Program) -> Result<(), Error> {
    let options = PassBuilderOptions::create();
    module
        .run_passes("default<O3>", &machine.machine, options)
        .map_err(Error::llvm)
}
