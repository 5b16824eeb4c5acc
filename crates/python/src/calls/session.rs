//! What a profiler knows and counts: functions, their signatures, the calls that are under way.
//!
//! Hooks come here with the GIL held. What they do at each call is short and runs no Python; what is done at
//! first sight may run some (NumPy's own names of dtypes, readers, a user's clock) and so let other threads in.
//! Therefore the functions here take a pointer and borrow from it only between such places; what a borrow ends
//! before stays where it is, as functions and signatures are added but never removed.

use std::sync::atomic::Ordering;

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

use super::addresses::{Addresses, Map};
pub use super::arguments::Passed;
use super::arguments::{self, Arguments, Detail, HAS_KINDS, Parameter};
use super::clock::Clock;
use super::code::{CO_SUSPENDS, Name, Read, read_code};
use super::describe::Described;
use super::frames::Frames;
use super::native::{Native, native_name};
use super::readers;
use super::stack::Room;
use super::table::{NONE, Stack, Table};

/// Signatures of a function that are told apart exactly, then by size; and keys that lead to them.
const MOST_EXACT: usize = 64;
const MOST_COARSE: usize = 64;
const MOST_KEYS: usize = 256;
/// Words that make the keys of one kind differ from those of another.
const COARSE: u64 = 0x5bd1_e995_7b93_1f6d;

/// A function that was called.
pub struct Known {
    last_key: u64,
    last_entry: u32,
    pub suspends: bool,
    parameters: Box<[Parameter]>,
    /// Entries by key.
    keys: Addresses,
    keys_count: usize,
    exact: usize,
    coarse: usize,
    /// The entry of all calls beyond.
    other: u32,
    pub name: Name,
    /// Their names in the order of `parameters`.
    names: Box<[String]>,
}

/// What a signature is: parameters and what they are. None where there is none to be told.
pub type Signature = Option<Vec<(String, String)>>;

/// A thread that has made calls.
#[derive(Default)]
pub struct Thread {
    pub stack: Stack,
    /// Hooks are at work, whose own calls do not count.
    pub is_busy: bool,
    pub room: Room,
}

/// A user's clock.
pub struct Timer {
    pub function: Py<PyAny>,
    /// What an integer of it is, in seconds; without it, it returns seconds.
    pub unit: Option<f64>,
}

pub struct Options {
    pub signatures: bool,
    pub callers: bool,
    pub builtins: bool,
    pub timer: Option<Timer>,
}

pub struct Session {
    pub options: Options,
    pub frames: Option<Frames>,
    pub clock: Clock,
    pub table: Table,
    codes: Addresses,
    pub known: Vec<Known>,
    /// By entry.
    pub signatures: Vec<Signature>,
    arguments: Arguments,
    threads: Map<Box<Thread>>,
    last: (usize, *mut Thread),
    /// Entries of generators that are suspended, by frame.
    suspended: Map<u32>,
    /// What must not be freed while keys are made of its address.
    held: Vec<*mut PyObject>,
    modules: ffi::Py_ssize_t,
    /// Calls could not be counted because the stack was short.
    pub was_deep: bool,
}

impl Session {
    pub fn new(py: Python<'_>, options: Options) -> PyResult<Session> {
        readers::load(py)?;
        let frames = Frames::find(py);
        let has_kinds = frames.is_some() && py.version_info() >= (3, 11);
        HAS_KINDS.store(has_kinds, Ordering::Relaxed);
        let frames = frames.filter(|_| arguments::are_readable(py));
        let callers = options.callers;
        Ok(Session {
            options,
            frames,
            clock: Clock::new(),
            table: Table::new(callers),
            codes: Addresses::default(),
            known: vec![],
            signatures: vec![],
            arguments: Arguments::new(frames.map_or(0, |f| f.locals)),
            threads: Map::default(),
            last: (0, std::ptr::null_mut()),
            suspended: Map::default(),
            held: vec![],
            modules: -1,
            was_deep: false,
        })
    }

    /// The thread with a state.
    ///
    /// # Safety
    /// A session; the GIL is held.
    #[inline(always)]
    pub unsafe fn thread(this: *mut Session, state: *mut ffi::PyThreadState) -> *mut Thread {
        // SAFETY: as promised.
        let session = unsafe { &mut *this };
        if session.last.0 == state.addr() {
            return session.last.1;
        }
        session.other_thread(state.addr())
    }

    #[inline(never)]
    fn other_thread(&mut self, state: usize) -> *mut Thread {
        let thread = self.threads.entry(state).or_default();
        self.last = (state, &raw mut **thread);
        self.last.1
    }

    /// The time, as a user's clock tells it; 0 if there is none.
    ///
    /// # Safety
    /// A session; the GIL is held.
    #[inline(always)]
    unsafe fn given_time(this: *mut Session) -> u64 {
        // SAFETY: as promised.
        match unsafe { &(*this).options.timer } {
            None => 0,
            Some(timer) => timer.ticks(),
        }
    }

    /// The time that counts, given what the user's clock said.
    #[inline(always)]
    fn time(&self, given: u64) -> u64 {
        if self.options.timer.is_some() {
            given
        } else {
            self.clock.now()
        }
    }

    /// A function begins.
    ///
    /// # Safety
    /// A session, a thread of it, its innermost frame (or 0) and its code; the GIL is held.
    #[inline(always)]
    pub unsafe fn start(
        this: *mut Session,
        thread: *mut Thread,
        frame: usize,
        code: *mut PyObject,
    ) {
        // SAFETY: as promised.
        unsafe {
            let given = Session::given_time(this);
            let index = Session::index(this, code);
            Session::begin(this, thread, frame, index, given);
        }
    }

    /// A function begins or goes on: what suspends itself begins if `is_first` says so.
    ///
    /// # Safety
    /// As for [`Session::start`].
    #[inline(always)]
    pub unsafe fn start_or_resume(
        this: *mut Session,
        thread: *mut Thread,
        frame: usize,
        code: *mut PyObject,
        is_first: impl FnOnce() -> Option<bool>,
    ) -> bool {
        // SAFETY: as promised.
        unsafe {
            let given = Session::given_time(this);
            let index = Session::index(this, code);
            if (&(*this).known)[index as usize].suspends {
                match is_first() {
                    Some(true) => drop((*this).suspended.remove(&frame)),
                    Some(false) => {
                        Session::resume(this, thread, frame, code);
                        return true;
                    }
                    None => return false,
                }
            }
            Session::begin(this, thread, frame, index, given);
            true
        }
    }

    /// A call of a function begins, given its number.
    #[inline(always)]
    unsafe fn begin(this: *mut Session, thread: *mut Thread, frame: usize, index: u32, given: u64) {
        // SAFETY: as for `start`.
        unsafe {
            let entry = Session::entry_of(this, index, frame);
            Session::enter(this, thread, frame, entry, given);
        }
    }

    #[inline(always)]
    unsafe fn enter(this: *mut Session, thread: *mut Thread, mark: usize, entry: u32, given: u64) {
        // SAFETY: as for `start`; nothing runs Python here.
        unsafe {
            let session = &mut *this;
            let (table, clock) = (&mut session.table, &session.clock);
            let is_given = session.options.timer.is_some();
            table.enter(&mut (*thread).stack, entry, mark, || {
                if is_given { given } else { clock.now() }
            });
        }
    }

    /// The number of a Python function.
    #[inline(always)]
    unsafe fn index(this: *mut Session, code: *mut PyObject) -> u32 {
        // SAFETY: as for `start`.
        unsafe {
            match (*this).codes.get(code.addr()) {
                Some(index) => index,
                None => Session::skipping(this, || Session::add_code(this, code)),
            }
        }
    }

    #[inline(always)]
    unsafe fn entry_of(this: *mut Session, index: u32, frame: usize) -> u32 {
        // SAFETY: as for `start`.
        unsafe {
            let known: *const Known = (*this).known.as_ptr().add(index as usize);
            if !(*this).options.signatures || frame == 0 {
                return match (*known).last_entry {
                    NONE => (*this).add_unread(index),
                    entry => entry,
                };
            }
            let key = (*this)
                .arguments
                .key(frame, &(*known).parameters, Detail::Exact)
                | 1;
            let known = &(&(*this).known)[index as usize];
            if key == known.last_key {
                return known.last_entry;
            }
            Session::other_key(this, index, frame, key)
        }
    }

    /// A signature that is not the one of the call before.
    #[inline(never)]
    unsafe fn other_key(this: *mut Session, index: u32, frame: usize, key: u64) -> u32 {
        // SAFETY: as for `start`.
        unsafe {
            let describe = |known: *const Known, all: &Arguments, detail: Detail| {
                let mut described = Described::default();
                described.add_frame(all, frame, &(*known).parameters, &(*known).names, detail);
                described
            };
            let coarse = |known: *const Known, all: &Arguments| {
                all.key(frame, &(*known).parameters, Detail::Coarse)
            };
            Session::find(this, index, key, describe, coarse)
        }
    }

    /// The entry of a key, which is made if there is room.
    unsafe fn find(
        this: *mut Session,
        index: u32,
        key: u64,
        describe: impl Fn(*const Known, &Arguments, Detail) -> Described,
        coarse: impl Fn(*const Known, &Arguments) -> u64,
    ) -> u32 {
        // SAFETY: as for `start`; what may run Python borrows only what stays.
        unsafe {
            let known = &mut (&mut (*this).known)[index as usize];
            if let Some(entry) = known.keys.get(key as usize) {
                (known.last_key, known.last_entry) = (key, entry);
                return entry;
            }
            Session::skipping(this, || {
                let known = &(&(*this).known)[index as usize];
                if known.exact < MOST_EXACT && known.keys_count < MOST_KEYS {
                    Session::find_classes(this);
                    let described =
                        describe(Session::at(this, index), &(*this).arguments, Detail::Exact);
                    let session = &mut *this;
                    let entry = session.add_signature(index, key, described, Detail::Exact);
                    let known = &mut session.known[index as usize];
                    (known.last_key, known.last_entry) = (key, entry);
                    return entry;
                }
                let key = (coarse(Session::at(this, index), &(*this).arguments) ^ COARSE) | 1;
                let known = &(&(*this).known)[index as usize];
                if let Some(entry) = known.keys.get(key as usize) {
                    return entry;
                }
                if known.coarse < MOST_COARSE {
                    let described =
                        describe(Session::at(this, index), &(*this).arguments, Detail::Coarse);
                    return (*this).add_signature(index, key, described, Detail::Coarse);
                }
                let session = &mut *this;
                if session.known[index as usize].other == NONE {
                    let entry =
                        session.add_entry(index, Some(vec![(String::new(), "…".to_owned())]));
                    session.known[index as usize].other = entry;
                }
                session.known[index as usize].other
            })
        }
    }

    /// Does what is the profiler's own work, which takes time of its clock's: nobody is to have it.
    ///
    /// # Safety
    /// A session, of which nothing is borrowed; the GIL is held.
    #[inline(never)]
    pub unsafe fn skipping<T>(this: *mut Session, work: impl FnOnce() -> T) -> T {
        // SAFETY: as promised.
        unsafe {
            let start = (*this).clock.raw();
            let made = work();
            (*this).clock.skip_since(start);
            made
        }
    }

    /// A compiled function begins.
    ///
    /// # Safety
    /// A session, a thread of it, the code of the function that it was compiled of, and its arguments; the GIL
    /// is held.
    pub unsafe fn start_compiled(
        this: *mut Session,
        thread: *mut Thread,
        mark: usize,
        code: *mut PyObject,
        passed: Passed,
    ) {
        // SAFETY: as promised.
        unsafe {
            let given = Session::given_time(this);
            let index = Session::index(this, code);
            let entry = if (*this).options.signatures {
                let key = (*this).arguments.key_of_call(passed, Detail::Exact) | 1;
                let known = &(&(*this).known)[index as usize];
                if key == known.last_key {
                    known.last_entry
                } else {
                    let describe = |known: *const Known, all: &Arguments, detail: Detail| {
                        let mut described = Described::default();
                        described.add_call(all, passed, &(*known).names, detail);
                        described
                    };
                    let coarse =
                        |_: *const Known, all: &Arguments| all.key_of_call(passed, Detail::Coarse);
                    Session::find(this, index, key, describe, coarse)
                }
            } else {
                Session::entry_of(this, index, 0)
            };
            Session::enter(this, thread, mark, entry, given);
        }
    }

    /// A call ends that has no frame.
    ///
    /// # Safety
    /// A session and a thread of it; the GIL is held.
    pub unsafe fn end_marked(this: *mut Session, thread: *mut Thread, mark: usize) {
        // SAFETY: as promised.
        unsafe {
            let given = Session::given_time(this);
            let session = &mut *this;
            let now = session.time(given);
            session
                .table
                .leave_marked(&mut (*thread).stack, mark, |_| true, now);
        }
    }

    /// Where a function is by now.
    unsafe fn at(this: *mut Session, index: u32) -> *const Known {
        // SAFETY: a session that has the function.
        unsafe { (*this).known.as_ptr().add(index as usize) }
    }

    /// The entry of calls whose arguments cannot be read.
    #[cold]
    fn add_unread(&mut self, index: u32) -> u32 {
        let entry = self.add_entry(index, None);
        self.known[index as usize].last_entry = entry;
        entry
    }

    fn add_entry(&mut self, index: u32, signature: Signature) -> u32 {
        let entry = self.table.add_entry(index);
        self.signatures.push(signature);
        entry
    }

    /// Adds a key, and a signature unless one reads the same.
    fn add_signature(&mut self, index: u32, key: u64, described: Described, detail: Detail) -> u32 {
        if let Some(entry) = self.known[index as usize].keys.get(key as usize) {
            return entry;
        }
        let signature = Some(described.arguments);
        let entries = self.table.entries.iter().zip(&self.signatures);
        let same = entries
            .enumerate()
            .find(|(_, (entry, known))| entry.function == index && **known == signature);
        let entry = match same.map(|(i, _)| i as u32) {
            Some(entry) => entry,
            None => {
                let known = &mut self.known[index as usize];
                match detail {
                    Detail::Exact => known.exact += 1,
                    Detail::Coarse => known.coarse += 1,
                }
                self.add_entry(index, signature)
            }
        };
        for &object in &described.held {
            self.hold(object);
        }
        let known = &mut self.known[index as usize];
        known.keys.insert(key as usize, entry);
        known.keys_count += 1;
        entry
    }

    fn hold(&mut self, object: *mut PyObject) {
        // SAFETY: an object that is alive; the GIL is held.
        unsafe { ffi::Py_IncRef(object) };
        self.held.push(object);
    }

    /// Looks for classes of libraries that were imported meanwhile.
    unsafe fn find_classes(this: *mut Session) {
        Python::attach(|py| {
            // SAFETY: a session, which is not borrowed while Python runs.
            unsafe {
                let modules = ffi::PyImport_GetModuleDict();
                let count = if modules.is_null() {
                    0
                } else {
                    ffi::PyDict_Size(modules)
                };
                if count == (*this).modules {
                    return;
                }
                let pending = PyErr::take(py);
                let found = readers::found(py);
                let _ = super::jitted::watch_numba(py);
                if let Some(pending) = pending {
                    pending.restore(py);
                }
                let session = &mut *this;
                session.modules = count;
                for (class, reader) in found {
                    if session.arguments.readers.get(class.addr()).is_none() {
                        session.arguments.readers.insert(class.addr(), reader);
                        session.held.push(class.cast());
                    } else {
                        ffi::Py_DecRef(class.cast());
                    }
                }
            }
        });
    }

    /// Adds a Python function at first sight.
    #[inline(never)]
    unsafe fn add_code(this: *mut Session, code: *mut PyObject) -> u32 {
        let read = Python::attach(|py| {
            let pending = PyErr::take(py);
            // SAFETY: a code object, which is alive.
            let code = unsafe { Bound::from_borrowed_ptr(py, code) };
            let read = read_code(&code).unwrap_or_default();
            if let Some(pending) = pending {
                pending.restore(py);
            }
            read
        });
        // SAFETY: a session, of which nothing is borrowed.
        let session = unsafe { &mut *this };
        if let Some(index) = session.codes.get(code.addr()) {
            return index;
        }
        session.hold(code);
        session.add_known(code.addr(), read)
    }

    fn add_known(&mut self, key: usize, read: Read) -> u32 {
        let index = self.known.len() as u32;
        let has_signature = self.options.signatures && !read.name.is_native;
        let is_empty = read.parameters.is_empty();
        self.known.push(Known {
            // Keys are odd.
            last_key: 0,
            last_entry: NONE,
            suspends: read.flags & CO_SUSPENDS != 0,
            parameters: read.parameters.into(),
            keys: Addresses::default(),
            keys_count: 0,
            exact: 0,
            coarse: 0,
            other: NONE,
            name: read.name,
            names: read.names.into(),
        });
        // A function without parameters has one signature. One with some may still be called where its
        // arguments cannot be read.
        let signature = (has_signature && is_empty).then(Vec::new);
        if !has_signature || is_empty {
            let entry = self.add_entry(index, signature);
            let known = &mut self.known[index as usize];
            known.last_entry = entry;
            if has_signature {
                // SAFETY: no parameter is looked at.
                known.last_key = unsafe { self.arguments.key(0, &[], Detail::Exact) } | 1;
            }
        }
        self.codes.insert(key, index);
        index
    }

    /// A function goes on that was suspended.
    ///
    /// # Safety
    /// As for [`Session::start`].
    pub unsafe fn resume(
        this: *mut Session,
        thread: *mut Thread,
        frame: usize,
        code: *mut PyObject,
    ) {
        // SAFETY: as promised.
        unsafe {
            let given = Session::given_time(this);
            let left = (*this).suspended.remove(&frame);
            let is_same = left.filter(|&entry| (*this).is_entry_of(entry, code));
            let entry = match is_same {
                Some(entry) => entry,
                None => Session::entry_of(this, Session::index(this, code), frame),
            };
            Session::enter(this, thread, frame, entry, given);
        }
    }

    fn is_entry_of(&self, entry: u32, code: *mut PyObject) -> bool {
        self.codes.get(code.addr()) == Some(self.table.entries[entry as usize].function)
    }

    /// A function ends, or is suspended.
    ///
    /// # Safety
    /// As for [`Session::start`].
    #[inline(always)]
    pub unsafe fn end(this: *mut Session, thread: *mut Thread, frame: usize, code: *mut PyObject) {
        // SAFETY: as promised.
        unsafe {
            let given = Session::given_time(this);
            let session = &mut *this;
            let now = session.time(given);
            let stack = &mut (*thread).stack;
            match stack.last() {
                Some(top) if top.mark == frame => session.table.leave(stack, now),
                Some(_) => session.end_lost(stack, frame, code, now),
                None => {}
            }
        }
    }

    #[cold]
    fn end_lost(&mut self, stack: &mut Stack, frame: usize, code: *mut PyObject, now: u64) {
        let found = stack
            .iter()
            .rposition(|call| call.mark == frame && self.is_entry_of(call.entry, code));
        if let Some(at) = found {
            while stack.len() > at {
                self.table.leave(stack, now);
            }
        }
    }

    /// A function is suspended.
    ///
    /// # Safety
    /// As for [`Session::start`].
    pub unsafe fn suspend(
        this: *mut Session,
        thread: *mut Thread,
        frame: usize,
        code: *mut PyObject,
    ) {
        // SAFETY: as promised.
        unsafe {
            if let Some(top) = (*thread).stack.last()
                && top.mark == frame
            {
                (*this).suspended.insert(frame, top.entry);
            }
            Session::end(this, thread, frame, code);
        }
    }

    /// A function ends or is suspended, whichever its frame's is.
    ///
    /// # Safety
    /// As for [`Session::start`].
    #[inline(always)]
    pub unsafe fn end_frame(this: *mut Session, thread: *mut Thread, frame: usize, is_kept: bool) {
        // SAFETY: as promised.
        unsafe {
            let given = Session::given_time(this);
            let session = &mut *this;
            let now = session.time(given);
            let stack = &mut (*thread).stack;
            let Some(&top) = stack.last() else {
                return;
            };
            if top.mark != frame {
                session.table.leave_marked(stack, frame, |_| true, now);
                return;
            }
            session.table.leave(stack, now);
            // That it has ended is not known here; then nothing resumes it, and the next one begins.
            let function = session.table.entries[top.entry as usize].function;
            if is_kept && session.known[function as usize].suspends {
                session.suspended.insert(frame, top.entry);
            }
        }
    }

    /// A function of C begins.
    ///
    /// # Safety
    /// A session, a thread of it, a function as [`super::native::c_function`] finds it; the GIL is held.
    #[inline(always)]
    pub unsafe fn start_native(this: *mut Session, thread: *mut Thread, function: Native) {
        // SAFETY: as promised.
        unsafe {
            let given = Session::given_time(this);
            let index = match (*this).codes.get(function.definition) {
                Some(index) => index,
                None => Session::skipping(this, || Session::add_native(this, function)),
            };
            let entry = (&(*this).known)[index as usize].last_entry;
            Session::enter(this, thread, function.definition, entry, given);
        }
    }

    /// A function of C ends.
    ///
    /// # Safety
    /// As for [`Session::start_native`].
    #[inline(always)]
    pub unsafe fn end_native(this: *mut Session, thread: *mut Thread, function: Native) {
        // SAFETY: as promised.
        unsafe {
            let given = Session::given_time(this);
            let session = &mut *this;
            let now = session.time(given);
            let index = session.codes.get(function.definition);
            let entry = index.map_or(NONE, |i| session.known[i as usize].last_entry);
            let stack = &mut (*thread).stack;
            session
                .table
                .leave_marked(stack, function.definition, |e| e == entry, now);
        }
    }

    #[inline(never)]
    unsafe fn add_native(this: *mut Session, function: Native) -> u32 {
        let name = native_name(function.object);
        // SAFETY: a session, of which nothing is borrowed.
        let session = unsafe { &mut *this };
        let read = Read {
            name: Name {
                short: name.clone(),
                name,
                file: "~".to_owned(),
                line: 0,
                is_native: true,
            },
            ..Read::default()
        };
        session.add_known(function.definition, read)
    }

    /// Ends all calls that are under way.
    pub fn flush(&mut self) {
        let now = self.time(self.options.timer.as_ref().map_or(0, Timer::ticks));
        for thread in self.threads.values_mut() {
            while !thread.stack.is_empty() {
                self.table.leave(&mut thread.stack, now);
            }
        }
        self.suspended.clear();
    }

    /// Forgets what was counted; calls that are under way count from now on. In the child of a fork those are
    /// the parent's.
    pub fn clear(&mut self, is_child: bool) {
        let now = self.time(self.options.timer.as_ref().map_or(0, Timer::ticks));
        if is_child {
            // Their ends are counted by the parent.
            for thread in self.threads.values_mut() {
                while !thread.stack.is_empty() {
                    self.table.leave(&mut thread.stack, now);
                }
            }
        }
        let mut stacks: Vec<&mut Stack> = self.threads.values_mut().map(|t| &mut t.stack).collect();
        self.table.reset(&mut stacks, now);
    }

    /// How many seconds a tick is.
    pub fn tick(&self) -> f64 {
        match &self.options.timer {
            Some(timer) => timer.unit.unwrap_or(1e-9),
            None => self.clock.seconds(),
        }
    }

    /// Names by function.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        // Each function was added together with its name.
        self.known.iter().map(|known| &known.name)
    }

    /// Releases what is held. Nothing may be counted after that.
    pub fn release(&mut self) {
        for object in self.held.drain(..) {
            // SAFETY: a reference of ours; the GIL is held.
            unsafe { ffi::Py_DecRef(object) };
        }
    }
}

impl Timer {
    /// What it says, in its units or in nanoseconds. What goes wrong is told to `sys.unraisablehook`.
    #[cold]
    fn ticks(&self) -> u64 {
        Python::attach(|py| {
            let pending = PyErr::take(py);
            let said = self
                .function
                .bind(py)
                .call0()
                .and_then(|value| match self.unit {
                    Some(_) => value.extract::<i64>(),
                    None => Ok((value.extract::<f64>()? * 1e9) as i64),
                });
            let ticks = said.unwrap_or_else(|error| {
                error.write_unraisable(py, Some(self.function.bind(py)));
                0
            });
            if let Some(pending) = pending {
                pending.restore(py);
            }
            ticks.cast_unsigned()
        })
    }
}
