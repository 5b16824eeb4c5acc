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
    if crate::team::keep_output(&text) {
        return ptr::null_mut();
    }
    let error = write(&text);
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
    error
}

/// Writes text, with the hook.
pub(crate) fn write(text: &str) -> *mut Error {
    let written = catch_unwind(AssertUnwindSafe(|| match HOOK.get() {
        Some(hook) => hook(text),
        None => match write_out(text) {
            Ok(()) => ptr::null_mut(),
            Err(error) => Error::raised(Kind::OSError, &error.to_string()),
        },
    }));
    written.unwrap_or_else(|_| Error::raised(Kind::SystemError, "the print hook panicked"))
}

fn write_out(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// What the hook got.
    static WRITTEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

    fn print(text: &str) {
        let text = StrRef::from(text);
        // SAFETY: the string is alive.
        unsafe { print_str(text.as_ptr()) };
    }

    fn hook(text: &str) -> *mut Error {
        assert!(text != "panic\n", "asked to");
        if text == "nested\n" {
            print("inner\n");
            assert!(print_end().is_null());
        }
        WRITTEN.lock().unwrap().push(text.to_string());
        if text == "fail\n" {
            Error::raised(Kind::OSError, "no space")
        } else {
            ptr::null_mut()
        }
    }

    // One test, because the hook is set once for the process.
    #[test]
    fn text_is_collected_and_written_at_the_end() {
        assert!(set_print_hook(hook));
        assert!(!set_print_hook(hook));
        let written = || core::mem::take(&mut *WRITTEN.lock().unwrap());

        for piece in ["a", " ", "é日😀", "\n"] {
            print(piece);
            assert!(WRITTEN.lock().unwrap().is_empty());
        }
        assert!(print_end().is_null());
        assert_eq!(written(), ["a é日😀\n"]);

        assert!(print_end().is_null());
        assert_eq!(written(), [""]);

        print("nested\n");
        assert!(print_end().is_null());
        assert_eq!(written(), ["inner\n", "nested\n"]);

        print("fail\n");
        // SAFETY: the error is ours.
        let error = unsafe { crate::error::take(print_end()) };
        assert_eq!(error.message().as_deref(), Some("no space"));
        written();

        print("panic\n");
        // SAFETY: the error is ours.
        let error = unsafe { crate::error::take(print_end()) };
        assert_eq!(error.kind, Kind::SystemError);
        print("after\n");
        assert!(print_end().is_null());
        assert_eq!(written(), ["after\n"]);

        let lone = [0xd800_u32];
        // SAFETY: one unit of four bytes.
        let lone =
            unsafe { StrRef::from_raw(crate::string::str_from_ucs(4, lone.as_ptr().cast(), 1)) };
        // SAFETY: the string is alive.
        unsafe { print_str(lone.as_ptr()) };
        assert!(print_end().is_null());
        assert_eq!(written(), ["\u{fffd}"]);
    }
}
