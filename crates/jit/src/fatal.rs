//! What is said when LLVM ends the process.
//!
//! Where LLVM finds itself in a state that it has no error for (a processor that cannot run the code, an
//! instruction it cannot select), it calls a handler and exits as soon as that returns. Unwinding out
//! of it is not possible, going on neither; so the handler says what was being compiled, and by whom.

use std::cell::RefCell;
use std::ffi::{CStr, c_char};
use std::io::Write as _;
use std::sync::{Arc, Once};

use ferdelance_compiler::tir::Program;
use inkwell::llvm_sys::error_handling::LLVMInstallFatalErrorHandler;

thread_local! {
    /// The function that this thread has given to LLVM.
    static COMPILING: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
}

/// For as long as it lives, this thread compiles a program.
pub(crate) struct Compiling(());

impl Compiling {
    pub fn new(program: &Program) -> Compiling {
        static INSTALL: Once = Once::new();
        // SAFETY: the handler is a function of this library, which is never unloaded.
        INSTALL.call_once(|| unsafe { LLVMInstallFatalErrorHandler(Some(last_words)) });
        let entry = program.entries.first();
        let name = entry.map(|id| Arc::clone(&program.functions[id.index()].name));
        COMPILING.set(name);
        Compiling(())
    }
}

impl Drop for Compiling {
    fn drop(&mut self) {
        COMPILING.set(None);
    }
}

extern "C" fn last_words(reason: *const c_char) {
    // SAFETY: LLVM passes a C string.
    let reason = unsafe { CStr::from_ptr(reason) }.to_string_lossy();
    let name = COMPILING.try_with(RefCell::take).ok().flatten();
    // There is nobody to tell if that fails.
    let _ = std::io::stderr().write_all(message(&reason, name.as_deref()).as_bytes());
}

fn message(reason: &str, name: Option<&str>) -> String {
    let what = name.map_or_else(String::new, |name| format!(" compiling `{name}`"));
    format!(
        "ferdelance: LLVM ended the process{what}: {reason}\n\
        This is a bug in ferdelance, unless the configuration names another processor; \
        please report it, with the function. [internal]\n"
    )
}
