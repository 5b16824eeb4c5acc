//! The Python in this process, if there is one.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use ferdelance_abi::spool::Spool;
use ferdelance_interpreter::Layout;

/// What of CPython is called: functions that only look at a variable of the thread.
type State = unsafe extern "C" fn() -> u64;

pub struct Python {
    /// `PY_VERSION_HEX`.
    pub version: u32,
    pub layout: &'static Layout,
    /// Where its runtime is, and the class of code objects.
    pub runtime: u64,
    pub code_type: u64,
    /// The class of cells, in which variables are that inner functions use.
    pub cell_type: u64,
    own: State,
    current: State,
    /// How far the end of the evaluation loop's C frame is from the structure on the stack that Python
    /// frames lead to; 0 as long as it is not known.
    pub to_frame_end: AtomicU64,
    /// 0: not tested yet. 1: the layout is right. 2: it is not.
    verdict: AtomicU32,
}

fn symbol(name: &std::ffi::CStr) -> Option<usize> {
    // SAFETY: the name is a C string; nothing is called.
    let at = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!at.is_null()).then(|| at.expose_provenance())
}

impl Python {
    /// Finds Python among what is loaded.
    pub fn find(spool: &Spool) -> Option<Python> {
        let version = symbol(c"Py_GetVersion")?;
        // SAFETY: the function of that name takes nothing and returns a C string that stays.
        let text = unsafe {
            let f: extern "C" fn() -> *const libc::c_char = std::mem::transmute(version);
            std::ffi::CStr::from_ptr(f())
        };
        let hex = version_hex(text.to_str().ok()?)?;
        // Said even if nothing can be read of it.
        spool.header.python.store(hex, Ordering::Relaxed);
        // Builds that lay things out in another way.
        let others = [
            c"_Py_DecRefShared",
            c"_PyRefchain_Trace",
            c"_Py_NegativeRefcount",
        ];
        if others.iter().any(|name| symbol(name).is_some()) {
            return None;
        }
        let own = symbol(c"PyGILState_GetThisThreadState")?;
        let current = symbol(c"PyThreadState_GetUnchecked")
            .or_else(|| symbol(c"_PyThreadState_UncheckedGet"))?;
        // SAFETY: the functions of these names take nothing and return a pointer.
        let (own, current) = unsafe {
            (
                std::mem::transmute::<usize, State>(own),
                std::mem::transmute::<usize, State>(current),
            )
        };
        let code_type = symbol(c"PyCode_Type")? as u64;
        let runtime = symbol(c"_PyRuntime")? as u64;
        Some(Python {
            version: hex,
            layout: Layout::of(hex)?,
            runtime,
            code_type,
            cell_type: symbol(c"PyCell_Type").map_or(0, |at| at as u64),
            own,
            current,
            to_frame_end: AtomicU64::new(0),
            verdict: AtomicU32::new(0),
        })
    }

    /// Tells the recorder where to look.
    pub fn write_down(&self, spool: &Spool) {
        let header = &spool.header;
        header.code_type.store(self.code_type, Ordering::Relaxed);
        header.runtime.store(self.runtime, Ordering::Relaxed);
        header.python.store(self.version, Ordering::Relaxed);
    }

    /// The state of the thread that calls this, if it is one of Python's, and whether it holds the
    /// interpreter's lock. A thread that runs in several interpreters has a state in each.
    pub fn thread(&self) -> Option<(u64, bool)> {
        // SAFETY: both functions read a variable of the thread (or of the runtime) and return.
        let (own, current) = unsafe {
            let own = (self.own)();
            if own == 0 {
                return None;
            }
            (own, (self.current)())
        };
        if !self.is_right(own) {
            return None;
        }
        let is_current = current == own || current != 0 && self.is_of_this_thread(current);
        Some((if is_current { current } else { own }, is_current))
    }

    /// Whether a thread's state has the number of the thread that calls this in it.
    fn is_of_this_thread(&self, thread: u64) -> bool {
        use ferdelance_interpreter::Memory;
        let number = crate::memory::Own.word(thread + self.layout.thread_id);
        // SAFETY: takes nothing.
        number == Some(unsafe { libc::pthread_self() })
    }

    /// Whether the layout is the one of this Python: a thread's state has the thread's number in it.
    fn is_right(&self, thread: u64) -> bool {
        match self.verdict.load(Ordering::Relaxed) {
            0 => {
                let is_right = self.is_of_this_thread(thread);
                self.verdict
                    .store(if is_right { 1 } else { 2 }, Ordering::Relaxed);
                is_right
            }
            verdict => verdict == 1,
        }
    }
}

/// `PY_VERSION_HEX` of "3.12.1 (main, ...)", without the level.
fn version_hex(text: &str) -> Option<u32> {
    let number = text.split([' ', '+']).next()?;
    let mut parts = number.split('.').map(|part| {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        part[..digits].parse::<u32>().ok()
    });
    let mut next = || parts.next()?;
    Some(next()? << 24 | next()? << 16 | next().unwrap_or(0) << 8)
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions_are_read() {
        assert_eq!(super::version_hex("3.12.1 (main, Jan)"), Some(0x030c_0100));
        assert_eq!(super::version_hex("3.14.0rc2+ (x)"), Some(0x030e_0000));
        assert_eq!(super::version_hex("x"), None);
    }
}
