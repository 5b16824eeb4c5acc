//! The texts of code that was not compiled from a file.
//!
//! `exec`, `eval` and `compile` of strings leave no trace of the text that a function came from. An
//! audit hook sees every compile and keeps the recent texts of pseudo-files: file names such as
//! `<string>`, and names of files that do not exist. The hook must be cheap for all other events, and it
//! must never raise: that would make the audited action fail.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::sync::atomic::{AtomicBool, Ordering};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyOSError;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

/// Bounds of the store, oldest texts leave first.
const MOST_TEXTS: usize = 256;
const MOST_BYTES: usize = 16 << 20;

unsafe extern "C" {
    // Exported by all versions since 3.8, but not part of the stable ABI.
    fn PySys_AddAuditHook(
        hook: unsafe extern "C" fn(*const c_char, *mut PyObject, *mut c_void) -> c_int,
        data: *mut c_void,
    ) -> c_int;
}

struct Store {
    /// File name and text, oldest first.
    texts: VecDeque<(String, String)>,
    bytes: usize,
}

static STORE: Mutex<Store> = Mutex::new(Store {
    texts: VecDeque::new(),
    bytes: 0,
});

impl Store {
    fn add(&mut self, file: String, text: String) {
        if text.len() > MOST_BYTES / 4 {
            return;
        }
        if let Some(at) = self
            .texts
            .iter()
            .position(|(known, other)| *known == file && *other == text)
        {
            // The same text again, as in a loop of exec: most recent now.
            if let Some(entry) = self.texts.remove(at) {
                self.texts.push_back(entry);
            }
            return;
        }
        self.bytes += file.len() + text.len();
        self.texts.push_back((file, text));
        while self.texts.len() > MOST_TEXTS || self.bytes > MOST_BYTES {
            match self.texts.pop_front() {
                Some((file, text)) => self.bytes -= file.len() + text.len(),
                None => break,
            }
        }
    }
}

unsafe extern "C" fn hook(event: *const c_char, args: *mut PyObject, _data: *mut c_void) -> c_int {
    // SAFETY: the event is a terminated string; reading stops at the first difference.
    unsafe {
        for (i, &expected) in b"compile\0".iter().enumerate() {
            if *event.add(i) as u8 != expected {
                return 0;
            }
        }
        // A panic must not leave; nothing in there is expected to panic.
        let _ = std::panic::catch_unwind(|| remember(args));
    }
    0
}

/// Keeps the text of a compile event.
///
/// # Safety
/// The GIL is held; `args` is the tuple of the event.
unsafe fn remember(args: *mut PyObject) {
    // SAFETY: as promised. An exception that is pending stays as it was.
    unsafe {
        if ffi::PyTuple_Check(args) == 0 || ffi::PyTuple_Size(args) < 2 {
            return;
        }
        let source = ffi::PyTuple_GetItem(args, 0);
        let file = ffi::PyTuple_GetItem(args, 1);
        let is_text = ffi::PyUnicode_Check(source) != 0 || ffi::PyBytes_Check(source) != 0;
        if !is_text || (ffi::PyUnicode_Check(file) == 0 && ffi::PyBytes_Check(file) == 0) {
            return;
        }
        let mut pending = [core::ptr::null_mut(); 3];
        let [kind, value, trace] = &mut pending;
        ffi::PyErr_Fetch(kind, value, trace);
        if let Some(file) = text_of(file)
            && is_pseudo_file(&file)
            && let Some(source) = text_of(source)
        {
            STORE
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .add(file, source);
        }
        ffi::PyErr_Clear();
        ffi::PyErr_Restore(pending[0], pending[1], pending[2]);
    }
}

/// The text of a `str`, or of `bytes` in UTF-8.
unsafe fn text_of(object: *mut PyObject) -> Option<String> {
    // SAFETY: one of the two.
    unsafe {
        let mut len: ffi::Py_ssize_t = 0;
        let data = if ffi::PyUnicode_Check(object) != 0 {
            ffi::PyUnicode_AsUTF8AndSize(object, &mut len)
        } else {
            let mut data = core::ptr::null_mut();
            if ffi::PyBytes_AsStringAndSize(object, &mut data, &mut len) != 0 {
                return None;
            }
            data.cast_const()
        };
        if data.is_null() {
            return None;
        }
        let bytes = core::slice::from_raw_parts(data.cast::<u8>(), len as usize);
        String::from_utf8(bytes.to_vec()).ok()
    }
}

fn is_pseudo_file(file: &str) -> bool {
    if file.starts_with('<') {
        return true;
    }
    // A regular file has its text itself. (The import system compiles files with their real names.)
    let Ok(path) = std::ffi::CString::new(file) else {
        return true;
    };
    is_no_file(&path)
}

fn is_no_file(path: &CStr) -> bool {
    let mut info = core::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: a terminated path; the result is read only after success.
    unsafe {
        libc::stat(path.as_ptr(), info.as_mut_ptr()) != 0
            || info.assume_init().st_mode & libc::S_IFMT != libc::S_IFREG
    }
}

/// Starts keeping texts; once in a process, further calls do nothing.
#[pyfunction]
pub fn _install_audit_hook() -> PyResult<()> {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    if INSTALLED.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    // SAFETY: the hook lives as long as the process.
    if unsafe { PySys_AddAuditHook(hook, core::ptr::null_mut()) } != 0 {
        INSTALLED.store(false, Ordering::Release);
        return Err(PyOSError::new_err("the audit hook could not be installed"));
    }
    Ok(())
}

/// The texts that were compiled under a file name, most recent first.
#[pyfunction]
pub fn _recent_sources(filename: &str) -> Vec<String> {
    let store = STORE.lock().unwrap_or_else(PoisonError::into_inner);
    store
        .texts
        .iter()
        .rev()
        .filter(|(file, _)| file == filename)
        .map(|(_, text)| text.clone())
        .collect()
}
