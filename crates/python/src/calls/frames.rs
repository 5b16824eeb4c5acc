//! The running frame, read where CPython keeps it.

use std::ptr;

use ferdelance_interpreter::Layout;
use ferdelance_interpreter::layout::{Chain, Gil};
use ferdelance_interpreter::memory::TAGS;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

/// Where frames are found.
#[derive(Clone, Copy)]
pub struct Frames {
    /// In a thread's state: the innermost frame, or a structure that has it at `then`.
    first: usize,
    then: Option<usize>,
    code: usize,
    tracing: usize,
    holder: *const *mut ffi::PyThreadState,
    pub locals: usize,
    pub instruction: usize,
    pub owner: usize,
}

impl Frames {
    /// Of the Python that runs this; none if its layout is not known.
    pub fn find(py: Python<'_>) -> Option<Frames> {
        let version = py.version_info();
        let hex = u32::from(version.major) << 24 | u32::from(version.minor) << 16;
        let layout = Layout::of(hex)?;
        let (first, then) = match layout.chain {
            Chain::Each { frame, .. } | Chain::Direct { frame } => (frame, None),
            Chain::Entry {
                cframe, current, ..
            }
            | Chain::Shim { cframe, current } => (cframe, Some(current as usize)),
        };
        let frames = Frames {
            first: first as usize,
            then,
            code: layout.frame.code as usize,
            tracing: layout.thread_tracing as usize,
            holder: Frames::find_holder(layout),
            locals: layout.frame.locals as usize,
            instruction: layout.frame.instruction as usize,
            owner: layout.frame.owner as usize,
        };
        frames.is_right(py).then_some(frames)
    }

    /// Whether calls of a thread are not to be counted now, as within audit hooks.
    ///
    /// # Safety
    /// The state of the thread that calls this, which holds the GIL.
    #[inline(always)]
    pub unsafe fn is_suspended(&self, thread: *mut ffi::PyThreadState) -> bool {
        // SAFETY: the layout was tested.
        unsafe { thread.cast::<u8>().add(self.tracing).cast::<u32>().read() != 0 }
    }

    /// Whether the frame that is found is the one that the C API knows.
    fn is_right(&self, py: Python<'_>) -> bool {
        // SAFETY: the GIL is held; the layout is the one of this version, so that what is read is there.
        unsafe {
            let known = ffi::PyEval_GetFrame();
            if known.is_null() {
                return false;
            }
            let code = ffi::PyFrame_GetCode(known);
            let code = Bound::from_owned_ptr(py, code.cast());
            let frame = self.current(ffi::PyThreadState_Get());
            frame != 0 && self.code_of(frame) == code.as_ptr()
        }
    }

    /// Where the interpreter's lock says who holds it, which is the state of the thread that runs; null if that is
    /// not so.
    fn find_holder(layout: &Layout) -> *const *mut ffi::PyThreadState {
        const HOLDER: usize = 8;
        // SAFETY: the layout is the one of this version; what is found is compared with what the C API says.
        unsafe {
            let runtime = libc::dlsym(libc::RTLD_DEFAULT, c"_PyRuntime".as_ptr());
            let lock = match layout.gil {
                Gil::Runtime(_) if runtime.is_null() => return ptr::null(),
                Gil::Runtime(offset) => runtime.addr() + offset as usize,
                Gil::Interpreter(offset) => {
                    *((ffi::PyInterpreterState_Get().addr() + offset as usize) as *const usize)
                }
            };
            let holder = (lock + HOLDER) as *const *mut ffi::PyThreadState;
            if *holder == ffi::PyThreadState_Get() {
                holder
            } else {
                ptr::null()
            }
        }
    }

    /// The state of the thread that runs this, which holds the lock.
    #[inline(always)]
    pub fn thread(&self) -> *mut ffi::PyThreadState {
        // SAFETY: it was found where the lock is, which stays there; a read of a word that only the thread that
        // takes the lock writes.
        unsafe {
            if self.holder.is_null() {
                return ffi::PyThreadState_Get();
            }
            self.holder.read_volatile()
        }
    }

    /// The innermost frame of a thread; 0 if there is none.
    ///
    /// # Safety
    /// The state of the thread that calls this, which holds the GIL.
    #[inline(always)]
    pub unsafe fn current(&self, thread: *mut ffi::PyThreadState) -> usize {
        // SAFETY: the layout was tested.
        unsafe {
            let found = *thread.cast::<u8>().add(self.first).cast::<usize>();
            match self.then {
                Some(_) if found == 0 => 0,
                Some(offset) => *((found + offset) as *const usize),
                None => found,
            }
        }
    }

    /// The code that a frame runs.
    ///
    /// # Safety
    /// A frame.
    #[inline(always)]
    pub unsafe fn code_of(&self, frame: usize) -> *mut PyObject {
        // SAFETY: the layout was tested.
        unsafe { reference((frame + self.code) as *const *mut PyObject) }
    }
}

/// An object that a frame refers to.
///
/// # Safety
/// Where a frame has a reference.
#[inline(always)]
pub unsafe fn reference(at: *const *mut PyObject) -> *mut PyObject {
    // SAFETY: as the caller says.
    unsafe { (*at).map_addr(|a| a & !(TAGS as usize)) }
}
