//! LLVM's passes.

use ferdelance_compiler::tir::Program;
use inkwell::module::Module;
use inkwell::passes::PassBuilderOptions;

use crate::error::Error;
use crate::session::Machine;

pub(crate) fn run(module: &Module<'_>, machine: &Machine, _: &Program) -> Result<(), Error> {
    let options = PassBuilderOptions::create();
    let p = std::env::var("FD_PASSES").unwrap_or("default<O3>".into());
    if let Ok(args) = std::env::var("FD_ARGS") {
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(|| {
            let args: Vec<std::ffi::CString> = std::iter::once("x").chain(args.split(' ').filter(|a| !a.is_empty())).map(|a| std::ffi::CString::new(a).unwrap()).collect();
            let ptrs: Vec<_> = args.iter().map(|a| a.as_ptr()).collect();
            unsafe { inkwell::llvm_sys::support::LLVMParseCommandLineOptions(ptrs.len() as i32, ptrs.as_ptr(), std::ptr::null()) };
        });
    }
    if std::env::var("FD_VERBOSE").is_ok() { options.set_debug_logging(true); }
    module.run_passes(&p, &machine.machine, options).map_err(Error::llvm)
}
