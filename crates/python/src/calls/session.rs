//! What a profiler knows and counts: functions, their signatures, the calls that are under way.
//!
//! Hooks come here with the GIL held. What they do at each call is short and runs no Python; what is done at
//! first sight may run some (NumPy's own names of dtypes, readers, a user's clock) and so let other threads in.
//! Therefore the functions here take a pointer and borrow from it only between such places; what a borrow ends
//! before stays where it is, as functions and signatures are added but never removed.

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::addresses::{Addresses, Map};
use super::arguments::{Arguments, Detail, Kind, Parameter};
use super::clock::Clock;
use super::describe::Described;
use super::frames::Frames;
use super::readers;
use super::table::{NONE, Stack, Table};
use crate::layouts::{class, field};

/// Signatures of a function that are told apart exactly, then by size; and keys that lead to them.
const MOST_EXACT: usize = 64;
const MOST_COARSE: usize = 64;
const MOST_KEYS: usize = 256;
/// Words that make the keys of one kind differ from those of another.
const COARSE: u64 = 0x5bd1_e995_7b93_1f6d;

const CO_VARARGS: u32 = 4;
const CO_VARKEYWORDS: u32 = 8;
/// Generators, coroutines, and asynchronous generators.
pub const CO_SUSPENDS: u32 = 0x20 | 0x80 | 0x200;

/// A function that was called.
pub struct Known {
    /// Its number in the table.
    function: u32,
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

/// What a function is called, and where it is defined.
#[derive(Clone, Debug, Default)]
pub struct Name {
    /// Qualified, if the Python knows it.
    pub name: String,
    /// As the code object has it.
    pub short: String,
    pub file: String,
    pub line: u32,
    pub is_native: bool,
}

/// What a signature is: parameters and what they are. None where there is none to be told.
pub type Signature = Option<Vec<(String, String)>>;

/// A thread that has made calls.
#[derive(Default)]
pub struct Thread {
    pub stack: Stack,
    /// Hooks are at work, whose own calls do not count.
    pub is_busy: bool,
    /// From this address on the stack is too short for hooks that nest.
    pub lowest: usize,
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
        let thread = self.threads.entry(state).or_insert_with(|| {
            Box::new(Thread {
                lowest: super::stack::lowest(),
                ..Thread::default()
            })
        });
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
        // SAFETY: as promised. No borrow lives where Python might run.
        unsafe {
            let given = Session::given_time(this);
            let entry = Session::entry(this, frame, code);
            let session = &mut *this;
            let (table, clock, options) = (&mut session.table, &session.clock, &session.options);
            table.enter(&mut (*thread).stack, entry, frame, || {
                if options.timer.is_some() {
                    given
                } else {
                    clock.now()
                }
            });
        }
    }

    /// The entry of a call.
    ///
    /// # Safety
    /// As for [`Session::start`].
    #[inline(always)]
    unsafe fn entry(this: *mut Session, frame: usize, code: *mut PyObject) -> u32 {
        // SAFETY: as promised; parameters stay where they are.
        unsafe {
            let Some(index) = (*this).codes.get(code.addr()) else {
                let index = Session::add_code(this, code);
                return Session::entry_of(this, index, frame);
            };
            Session::entry_of(this, index, frame)
        }
    }

    #[inline(always)]
    unsafe fn entry_of(this: *mut Session, index: u32, frame: usize) -> u32 {
        // SAFETY: as for `entry`.
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
        // SAFETY: as for `entry`.
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
        // SAFETY: as for `entry`; what may run Python borrows only what stays.
        unsafe {
            let known = &mut (&mut (*this).known)[index as usize];
            if let Some(entry) = known.keys.get(key as usize) {
                (known.last_key, known.last_entry) = (key, entry);
                return entry;
            }
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
                let entry = session.add_entry(index, Some(vec![(String::new(), "…".to_owned())]));
                session.known[index as usize].other = entry;
            }
            session.known[index as usize].other
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
        let entry = self.table.add_entry(self.known[index as usize].function);
        self.signatures.push(signature);
        entry
    }

    /// Adds a key, and a signature unless one reads the same.
    fn add_signature(&mut self, index: u32, key: u64, described: Described, detail: Detail) -> u32 {
        let function = self.known[index as usize].function;
        if let Some(entry) = self.known[index as usize].keys.get(key as usize) {
            return entry;
        }
        let signature = Some(described.arguments);
        let entries = self.table.entries.iter().zip(&self.signatures);
        let same = entries
            .enumerate()
            .find(|(_, (entry, known))| entry.function == function && **known == signature);
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
            function: self.table.add_function(),
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
                None => Session::entry(this, frame, code),
            };
            let session = &mut *this;
            let (table, clock, options) = (&mut session.table, &session.clock, &session.options);
            table.enter(&mut (*thread).stack, entry, frame, || {
                if options.timer.is_some() {
                    given
                } else {
                    clock.now()
                }
            });
        }
    }

    fn is_entry_of(&self, entry: u32, code: *mut PyObject) -> bool {
        let function = self.table.entries[entry as usize].function;
        self.codes
            .get(code.addr())
            .is_some_and(|i| self.known[i as usize].function == function)
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

    /// Whether code is that of a generator or coroutine.
    ///
    /// # Safety
    /// As for [`Session::start`].
    #[inline(always)]
    pub unsafe fn suspends(this: *mut Session, code: *mut PyObject) -> bool {
        // SAFETY: as promised.
        unsafe {
            let index = match (*this).codes.get(code.addr()) {
                Some(index) => index,
                None => Session::add_code(this, code),
            };
            (&(*this).known)[index as usize].suspends
        }
    }

    /// Forgets that a frame was suspended: another one is there.
    ///
    /// # Safety
    /// A session; the GIL is held.
    pub unsafe fn forget(this: *mut Session, frame: usize) {
        // SAFETY: as promised.
        unsafe { (*this).suspended.remove(&frame) };
    }

    /// A function of C begins.
    ///
    /// # Safety
    /// A session, a thread of it, a function as [`c_function`] finds it; the GIL is held.
    #[inline(always)]
    pub unsafe fn start_native(this: *mut Session, thread: *mut Thread, function: Native) {
        // SAFETY: as promised.
        unsafe {
            let given = Session::given_time(this);
            let index = match (*this).codes.get(function.definition) {
                Some(index) => index,
                None => Session::add_native(this, function),
            };
            let session = &mut *this;
            let entry = session.known[index as usize].last_entry;
            let (table, clock, options) = (&mut session.table, &session.clock, &session.options);
            table.enter(&mut (*thread).stack, entry, function.definition, || {
                if options.timer.is_some() {
                    given
                } else {
                    clock.now()
                }
            });
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

    /// Forgets what was counted; calls that are under way count from now on. In the child of a fork, the other
    /// threads are gone.
    pub fn clear(&mut self, is_child: bool) {
        let now = self.time(self.options.timer.as_ref().map_or(0, Timer::ticks));
        if is_child {
            // SAFETY: the GIL is held.
            let own = unsafe { ffi::PyThreadState_Get() }.addr();
            for (_, thread) in self.threads.iter_mut().filter(|(state, _)| **state != own) {
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

    pub fn function_of(&self, entry: u32) -> u32 {
        self.table.entries[entry as usize].function
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

/// What a code object says.
#[derive(Default)]
struct Read {
    name: Name,
    flags: u32,
    parameters: Vec<Parameter>,
    names: Vec<String>,
}

/// Reads a code object: attributes of an exact class of CPython's.
fn read_code(code: &Bound<'_, PyAny>) -> PyResult<Read> {
    let py = code.py();
    let number = |name: &str| code.getattr(name)?.extract::<u32>();
    let text = |name: &str| -> PyResult<String> {
        let text = code.getattr(name)?;
        Ok(text.str()?.to_string_lossy().into_owned())
    };
    let short = text("co_name")?;
    let name = Name {
        name: text("co_qualname").unwrap_or_else(|_| short.clone()),
        short,
        file: text("co_filename")?,
        line: number("co_firstlineno")?,
        is_native: false,
    };
    let flags = number("co_flags")?;
    let (positional, keyword_only) = (number("co_argcount")?, number("co_kwonlyargcount")?);
    let names: Vec<String> = code.getattr("co_varnames")?.extract()?;
    let cells: Vec<String> = code
        .getattr("co_cellvars")?
        .cast_into::<PyTuple>()?
        .extract()?;
    let variables = code.getattr("co_nlocals")?.extract::<usize>()?;
    // Up to 3.10 a parameter that is in a cell has left its place for one behind the variables.
    let moves = py.version_info() < (3, 11);
    let mut read = Read {
        name,
        flags,
        ..Read::default()
    };
    let mut add = |slot: u32, kind: Kind| {
        let name = names.get(slot as usize).cloned().unwrap_or_default();
        let cell = cells.iter().position(|cell| *cell == name);
        let kind = match (kind, cell) {
            (Kind::Plain, Some(_)) => Kind::Cell,
            (kind, _) => kind,
        };
        let slot = match cell {
            Some(cell) if moves => variables + cell,
            _ => slot as usize,
        };
        read.parameters.push(Parameter {
            slot: u16::try_from(slot).unwrap_or(u16::MAX),
            kind,
        });
        read.names.push(name);
    };
    let variadic = positional + keyword_only;
    let has_args = flags & CO_VARARGS != 0;
    (0..positional).for_each(|slot| add(slot, Kind::Plain));
    if has_args {
        add(variadic, Kind::Args);
    }
    (positional..variadic).for_each(|slot| add(slot, Kind::Plain));
    if flags & CO_VARKEYWORDS != 0 {
        add(variadic + u32::from(has_args), Kind::Keywords);
    }
    Ok(read)
}

/// A function of C that is called.
#[derive(Clone, Copy)]
pub struct Native {
    /// Where its definition is: what makes it the same function.
    definition: usize,
    /// The function, or a descriptor of a method.
    object: *mut PyObject,
}

const FUNCTION_DEFINITION: usize = 16;
const FUNCTION_SELF: usize = 24;
const FUNCTION_MODULE: usize = 32;
const DESCRIPTOR_DEFINITION: usize = 40;

/// The function of C that an object is, as cProfile takes it; `has_self`: whether it was called with arguments.
///
/// # Safety
/// An object that is alive.
#[inline(always)]
pub unsafe fn c_function(object: *mut PyObject, has_self: bool) -> Option<Native> {
    // SAFETY: alive; functions and descriptors have their definitions there in all versions.
    unsafe {
        let ty = class(object);
        let definition = if ty == &raw mut ffi::PyCFunction_Type || ty == classes().method {
            field(object, FUNCTION_DEFINITION)
        } else if ty == classes().descriptor && has_self {
            field(object, DESCRIPTOR_DEFINITION)
        } else {
            return None;
        };
        Some(Native { definition, object })
    }
}

struct Classes {
    /// Of builtin methods that know their class.
    method: *mut ffi::PyTypeObject,
    descriptor: *mut ffi::PyTypeObject,
}

// SAFETY: addresses of classes that live for good.
unsafe impl Send for Classes {}
// SAFETY: as above.
unsafe impl Sync for Classes {}

fn classes() -> &'static Classes {
    static CLASSES: std::sync::OnceLock<Classes> = std::sync::OnceLock::new();
    CLASSES.get_or_init(|| {
        // SAFETY: variables of CPython, looked up by name.
        let find = |name: &core::ffi::CStr| unsafe {
            libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()).cast()
        };
        Classes {
            method: find(c"PyCMethod_Type"),
            descriptor: find(c"PyMethodDescr_Type"),
        }
    })
}

/// What cProfile calls a function of C.
fn native_name(object: *mut PyObject) -> String {
    Python::attach(|py| {
        let pending = PyErr::take(py);
        // SAFETY: alive, and checked to be one of these.
        let name = unsafe { Bound::from_borrowed_ptr(py, object) };
        let name = described(&name);
        if let Some(pending) = pending {
            pending.restore(py);
        }
        name
    })
}

fn described(object: &Bound<'_, PyAny>) -> String {
    let py = object.py();
    let text = |object: &Bound<'_, PyAny>| {
        object
            .repr()
            .map_or_else(|_| "<?>".to_owned(), |t| t.to_string())
    };
    // SAFETY: functions of C have these fields, descriptors are printed by CPython's own code.
    unsafe {
        if class(object.as_ptr()) == classes().descriptor {
            return text(object);
        }
        let definition: *const ffi::PyMethodDef = field(object.as_ptr(), FUNCTION_DEFINITION);
        let name = core::ffi::CStr::from_ptr((*definition).ml_name).to_string_lossy();
        let this: *mut PyObject = field(object.as_ptr(), FUNCTION_SELF);
        let module: *mut PyObject = field(object.as_ptr(), FUNCTION_MODULE);
        let module = Bound::from_borrowed_ptr_or_opt(py, module);
        let module = module.and_then(|m| {
            m.cast_exact::<pyo3::types::PyString>()
                .ok()
                .map(|m| m.to_string())
        });
        if this.is_null() {
            return match module.as_deref() {
                Some("builtins") | None => format!("<{name}>"),
                Some(module) => format!("<{module}.{name}>"),
            };
        }
        let found = lookup(class(this), &name);
        let is_plain = |ty: *mut ffi::PyTypeObject| {
            ty == classes().descriptor
                || ty == &raw mut ffi::PyCFunction_Type
                || ty == &raw mut ffi::PyClassMethodDescr_Type
                || ty == &raw mut ffi::PyWrapperDescr_Type
        };
        if let Some(found) = found
            && is_plain(class(found))
        {
            return text(&Bound::from_borrowed_ptr(py, found));
        }
        match module {
            Some(module) => format!("<built-in method {module}.{name}>"),
            None => format!("<built-in method {name}>"),
        }
    }
}

/// What a class or one of its ancestors has under a name, borrowed.
///
/// # Safety
/// A class; the GIL is held.
unsafe fn lookup(ty: *mut ffi::PyTypeObject, name: &str) -> Option<*mut PyObject> {
    unsafe extern "C" {
        // Exported by all versions, but not part of the stable ABI.
        fn _PyType_Lookup(ty: *mut ffi::PyTypeObject, name: *mut PyObject) -> *mut PyObject;
    }
    // SAFETY: as promised.
    unsafe {
        let name =
            ffi::PyUnicode_FromStringAndSize(name.as_ptr().cast(), name.len() as ffi::Py_ssize_t);
        if name.is_null() {
            ffi::PyErr_Clear();
            return None;
        }
        let found = _PyType_Lookup(ty, name);
        ffi::Py_DecRef(name);
        (!found.is_null()).then_some(found)
    }
}
