//! `print`: text is collected for the thread and written at the end of the statement, so that lines
//! of different threads do not mix and the GIL is taken once.

use core::cell::RefCell;
use core::ptr;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use ferdelance_abi::layout::Str;

use crate::error::{Error, Kind};
use crate::string::StrRef;

/// Writes a piece of text; gives an error (see [`Error::from_instance`]) or null.
pub type PrintHook = fn(&str) -> *mut Error;

static HOOK: OnceLock<PrintHook> = OnceLock::new();

/// Says where the text goes (without a hook: to the process's standard output). The first call
/// counts; false for later ones.
pub fn set_print_hook(hook: PrintHook) -> bool {
    HOOK.set(hook).is_ok()
}

/// Collected text that is longer than this gives its memory back.
const KEEP: usize = 64 * 1024;

thread_local! {
    static TEXT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Adds to this thread's text. Lone surrogates become U+FFFD.
///
/// # Safety
/// `text` is a live string.
pub unsafe extern "C" fn print_str(text: *mut Str) {
    // SAFETY: as promised.
    let text = unsafe { StrRef::borrowed(text) };
    // Fails only while the thread ends, when nobody is left to end the statement.
    let _ = TEXT.try_with(|collected| {
        if let Ok(mut collected) = collected.try_borrow_mut() {
            text.push_to(&mut collected);
        }
    });
}

/// Writes this thread's text, as it is: the newline is part of it.
pub extern "C" fn print_end() -> *mut Error {
    // Taken out, because the hook may run Python code that prints.
    let Ok(mut text) = TEXT.try_with(|text| {
        text.try_borrow_mut()
            .map(|mut text| core::mem::take(&mut *text))
            .unwrap_or_default()
    }) else {
        return ptr::null_mut();
    };
    let written = catch_unwind(AssertUnwindSafe(|| match HOOK.get() {
        Some(hook) => hook(&text),
        None => match std::io::stdout().write_all(text.as_bytes()) {
            Ok(()) => ptr::null_mut(),
            Err(error) => Error::raised(Kind::OSError, &error.to_string()),
        },
    }));
    if text.capacity() <= KEEP {
        text.clear();
        let _ = TEXT.try_with(|kept| {
            if let Ok(mut kept) = kept.try_borrow_mut()
                && kept.capacity() == 0
            {
                *kept = text;
            }
        });
    }
    written.unwrap_or_else(|_| Error::raised(Kind::SystemError, "the print hook panicked"))
}
