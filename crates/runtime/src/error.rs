//! Errors on their way out of compiled code.
//!
//! Compiled code returns a pointer to an [`Error`] where Python raises an exception. The error is
//! plain data: the class, the constructor's arguments and the places it passed. The Python boundary
//! makes the exception from it ([`take`]), holding the GIL; compiled code that catches drops it
//! without ever making one.

use core::ffi::c_void;
use core::ptr;
use std::sync::OnceLock;

use ferdelance_abi::layout::{Location, Str};

use crate::memory::{Event, count, queue_object};
use crate::string::StrRef;

/// The class of an error that the runtime raised by itself, without knowing the class's address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Kind {
    /// [`Error::class`] is the class.
    Class,
    /// [`Error::instance`] is the exception itself: it was raised by Python code.
    Instance,
    ValueError,
    MemoryError,
    RecursionError,
    ZeroDivisionError,
    OverflowError,
    IndexError,
    KeyError,
    TypeError,
    RuntimeError,
    OSError,
    /// Something that cannot happen: a bug in the compiler or the runtime.
    SystemError,
}

impl Kind {
    /// The name of the builtin class; "" for the two kinds that carry their class.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Class | Kind::Instance => "",
            Kind::ValueError => "ValueError",
            Kind::MemoryError => "MemoryError",
            Kind::RecursionError => "RecursionError",
            Kind::ZeroDivisionError => "ZeroDivisionError",
            Kind::OverflowError => "OverflowError",
            Kind::IndexError => "IndexError",
            Kind::KeyError => "KeyError",
            Kind::TypeError => "TypeError",
            Kind::RuntimeError => "RuntimeError",
            Kind::OSError => "OSError",
            Kind::SystemError => "SystemError",
        }
    }
}

/// An argument of an exception's constructor.
#[derive(Debug, Clone, PartialEq)]
pub enum Arg {
    None,
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    Complex(f64, f64),
    Str(StrRef),
    Tuple(Vec<Arg>),
}

/// An exception that compiled code raised.
#[derive(Debug)]
pub struct Error {
    pub kind: Kind,
    /// The exception class, a borrowed `PyObject*`, if `kind` is [`Kind::Class`]; else null.
    pub class: *mut c_void,
    /// The exception, a `PyObject*` with one reference of its own, if `kind` is [`Kind::Instance`];
    /// else null. Who takes the reference leaves null behind.
    pub instance: *mut c_void,
    /// Where it was raised; null if that is not known.
    pub location: *const Location,
    pub args: Vec<Arg>,
    /// The places that it passed on the way out, innermost first.
    pub trace: Vec<*const Location>,
    /// Tuples among the arguments that are not complete, outermost first.
    open: Vec<Vec<Arg>>,
}

impl Error {
    fn with(kind: Kind, class: *mut c_void, location: *const Location) -> Box<Error> {
        count(Event::ErrorMade);
        Box::new(Error {
            kind,
            class,
            instance: ptr::null_mut(),
            location,
            args: Vec::new(),
            trace: Vec::new(),
            open: Vec::new(),
        })
    }

    /// A builtin exception with a message, as compiled code gets it.
    #[cold]
    pub fn raised(kind: Kind, message: &str) -> *mut Error {
        let mut error = Error::with(kind, ptr::null_mut(), ptr::null());
        error.args.push(Arg::Str(StrRef::from(message)));
        Box::into_raw(error)
    }

    /// An exception that Python code raised; takes over the reference.
    #[cold]
    pub fn from_instance(instance: *mut c_void) -> *mut Error {
        let mut error = Error::with(Kind::Instance, ptr::null_mut(), ptr::null());
        error.instance = instance;
        Box::into_raw(error)
    }

    fn push(&mut self, arg: Arg) {
        self.open.last_mut().unwrap_or(&mut self.args).push(arg);
    }

    /// Closes the innermost open tuple; false if there is none.
    fn close(&mut self) -> bool {
        match self.open.pop() {
            Some(items) => {
                self.push(Arg::Tuple(items));
                true
            }
            None => false,
        }
    }

    /// The message, if that is the only argument.
    pub fn message(&self) -> Option<String> {
        match self.args.as_slice() {
            [Arg::Str(text)] => Some(text.to_string()),
            _ => None,
        }
    }
}

impl Drop for Error {
    fn drop(&mut self) {
        count(Event::ErrorFreed);
        // The thread may not hold the GIL.
        queue_object(self.instance);
    }
}

/// The error behind a pointer that compiled code returned, with all its tuples closed.
///
/// # Safety
/// `error` is not null, comes from this crate and is not used again.
pub unsafe fn take(error: *mut Error) -> Box<Error> {
    // SAFETY: made by `Box::into_raw`, as promised.
    let mut error = unsafe { Box::from_raw(error) };
    while error.close() {}
    error
}

/// A new error of a class (null: SystemError), raised at a location (may be null).
///
/// # Safety
/// The class and the location outlive the error.
pub unsafe extern "C" fn error_new(class: *mut c_void, location: *mut c_void) -> *mut Error {
    let kind = if class.is_null() {
        Kind::SystemError
    } else {
        Kind::Class
    };
    Box::into_raw(Error::with(kind, class, location.cast()))
}

/// A new error whose only argument is a message, a [`Str`].
///
/// # Safety
/// As [`error_new`]; `message` is a live `Str`, or null for no argument.
pub unsafe extern "C" fn error_message(
    class: *mut c_void,
    location: *mut c_void,
    message: *mut c_void,
) -> *mut Error {
    // SAFETY: passed on.
    unsafe {
        let error = error_new(class, location);
        if !message.is_null() {
            error_arg_str(error, message.cast());
        }
        error
    }
}

/// A new error whose only argument is a message with numbers in it.
///
/// # Safety
/// As [`error_new`]; `template` is a live `Str`, and `numbers` leads to an integer for each `{}` in it.
#[cold]
pub unsafe extern "C" fn error_numbers(
    class: *mut c_void,
    location: *mut c_void,
    template: *mut c_void,
    numbers: *mut c_void,
) -> *mut Error {
    // SAFETY: passed on.
    unsafe {
        let error = error_new(class, location);
        let text = StrRef::borrowed(template.cast()).to_string();
        let mut parts = text.split("{}");
        let mut message = String::from(parts.next().unwrap_or_default());
        for (i, part) in parts.enumerate() {
            message.push_str(&numbers.cast::<i64>().add(i).read().to_string());
            message.push_str(part);
        }
        (*error).push(Arg::Str(StrRef::from(message.as_str())));
        error
    }
}

/// The error of a recursive function that ran out of stack.
///
/// # Safety
/// The location (or null) outlives the error.
#[cold]
pub unsafe extern "C" fn recursion_error(location: *mut c_void) -> *mut Error {
    let mut error = Error::with(Kind::RecursionError, ptr::null_mut(), location.cast());
    error
        .args
        .push(Arg::Str(StrRef::from("maximum recursion depth exceeded")));
    Box::into_raw(error)
}

/// The error of a generator that is run on by itself.
///
/// # Safety
/// The location (or null) outlives the error.
#[cold]
pub unsafe extern "C" fn generator_running(location: *mut c_void) -> *mut Error {
    let mut error = Error::with(Kind::ValueError, ptr::null_mut(), location.cast());
    error
        .args
        .push(Arg::Str(StrRef::from("generator already executing")));
    Box::into_raw(error)
}

/// # Safety
/// `error` is null or a live error that nobody else uses.
unsafe fn push(error: *mut Error, arg: Arg) {
    // SAFETY: as promised.
    if let Some(error) = unsafe { error.as_mut() } {
        error.push(arg);
    }
}

/// # Safety
/// `error` is null or a live error that nobody else uses.
pub unsafe extern "C" fn error_arg_none(error: *mut Error) {
    // SAFETY: passed on.
    unsafe { push(error, Arg::None) }
}

/// # Safety
/// `error` is null or a live error that nobody else uses.
pub unsafe extern "C" fn error_arg_bool(error: *mut Error, value: u8) {
    // SAFETY: passed on.
    unsafe { push(error, Arg::Bool(value != 0)) }
}

/// # Safety
/// `error` is null or a live error that nobody else uses.
pub unsafe extern "C" fn error_arg_i64(error: *mut Error, value: i64) {
    // SAFETY: passed on.
    unsafe { push(error, Arg::I64(value)) }
}

/// # Safety
/// `error` is null or a live error that nobody else uses.
pub unsafe extern "C" fn error_arg_u64(error: *mut Error, value: i64) {
    // SAFETY: passed on.
    unsafe { push(error, Arg::U64(value.cast_unsigned())) }
}

/// # Safety
/// `error` is null or a live error that nobody else uses.
pub unsafe extern "C" fn error_arg_f64(error: *mut Error, value: f64) {
    // SAFETY: passed on.
    unsafe { push(error, Arg::F64(value)) }
}

/// # Safety
/// `error` is null or a live error that nobody else uses.
pub unsafe extern "C" fn error_arg_complex(error: *mut Error, re: f64, im: f64) {
    // SAFETY: passed on.
    unsafe { push(error, Arg::Complex(re, im)) }
}

/// The error takes a reference of its own.
///
/// # Safety
/// `error` is null or a live error that nobody else uses; `value` is a live string.
pub unsafe extern "C" fn error_arg_str(error: *mut Error, value: *mut Str) {
    // SAFETY: passed on.
    unsafe { push(error, Arg::Str(StrRef::borrowed(value))) }
}

/// Opens a tuple: the arguments up to the matching [`error_arg_end`] are its items.
///
/// # Safety
/// `error` is null or a live error that nobody else uses.
pub unsafe extern "C" fn error_arg_tuple(error: *mut Error) {
    // SAFETY: as promised.
    if let Some(error) = unsafe { error.as_mut() } {
        error.open.push(Vec::new());
    }
}

/// Closes the innermost open tuple.
///
/// # Safety
/// `error` is null or a live error that nobody else uses.
pub unsafe extern "C" fn error_arg_end(error: *mut Error) {
    // SAFETY: as promised.
    if let Some(error) = unsafe { error.as_mut() } {
        error.close();
    }
}

/// Adds a traceback entry.
///
/// # Safety
/// `error` is null or a live error that nobody else uses; the location outlives it.
pub unsafe extern "C" fn error_trace(error: *mut Error, location: *mut c_void) {
    // SAFETY: as promised.
    if let Some(error) = unsafe { error.as_mut() } {
        error.trace.push(location.cast());
        if error.trace.len() == MOST_PLACES {
            error
                .trace
                .drain(MOST_PLACES / 4..MOST_PLACES - MOST_PLACES / 4);
        }
    }
}

/// A runaway recursion passes a place hundreds of thousands of times, and every traceback entry is a
/// Python frame: of more places than these, the innermost and the outermost are kept.
const MOST_PLACES: usize = 2048;

/// Drops an error that was caught.
///
/// # Safety
/// `error` is null or comes from this crate, and is not used again.
pub unsafe extern "C" fn error_drop(error: *mut Error) {
    if !error.is_null() {
        // SAFETY: made by `Box::into_raw`, as promised.
        drop(unsafe { Box::from_raw(error) });
    }
}

/// Whether an exception class (a `PyObject*`) catches an error.
pub type MatchHook = fn(&Error, *mut c_void) -> bool;

static MATCH: OnceLock<MatchHook> = OnceLock::new();

/// Says how classes match; without a hook, only the very class of the error does. The first call
/// counts; false for later ones.
pub fn set_match_hook(hook: MatchHook) -> bool {
    MATCH.set(hook).is_ok()
}

/// Whether `except class` catches the error.
///
/// # Safety
/// `error` is null or comes from this crate; `class` is an exception class.
pub unsafe extern "C" fn error_matches(error: *mut Error, class: *mut c_void) -> u8 {
    // SAFETY: as promised.
    let Some(error) = (unsafe { error.as_ref() }) else {
        return 0;
    };
    u8::from(match MATCH.get() {
        Some(hook) => hook(error, class),
        None => error.class == class,
    })
}

/// A StopIteration (the class `stop`) that leaves a generator is a RuntimeError: it would be taken for the
/// generator's end.
///
/// # Safety
/// `error` is null or a live error that nobody else uses.
#[cold]
pub unsafe extern "C" fn error_in_generator(error: *mut Error, stop: *mut c_void) {
    // SAFETY: as promised.
    if let Some(error) = unsafe { error.as_mut() }
        && error.kind == Kind::Class
        && error.class == stop
    {
        error.kind = Kind::RuntimeError;
        error.class = ptr::null_mut();
        error.args = vec![Arg::Str(StrRef::from("generator raised StopIteration"))];
    }
}

/// Reports an error that nobody can catch; the object (a `PyObject*`) says where it came from.
pub type ReportHook = fn(*mut Error, *mut c_void);

static REPORT: OnceLock<ReportHook> = OnceLock::new();

/// Says how errors are reported; without a hook they are dropped. The first call counts; false for
/// later ones.
pub fn set_report_hook(hook: ReportHook) -> bool {
    REPORT.set(hook).is_ok()
}

/// Reports an error that nobody can catch, and drops it.
///
/// # Safety
/// `error` is null or comes from this crate, and is not used again.
pub unsafe extern "C" fn error_unraisable(error: *mut Error, object: *mut c_void) {
    match REPORT.get() {
        Some(hook) if !error.is_null() => hook(error, object),
        // SAFETY: as promised.
        _ => unsafe { error_drop(error) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_trace_keeps_both_ends() {
        // SAFETY: no class and no place.
        let error = unsafe { error_new(ptr::null_mut(), ptr::null_mut()) };
        let count = 100_000;
        for place in 1..=count {
            // SAFETY: a live error; places are not looked at.
            unsafe { error_trace(error, ptr::without_provenance_mut(place)) };
        }
        // SAFETY: a live error.
        let places: Vec<usize> =
            unsafe { (*error).trace.iter().map(|place| place.addr()).collect() };
        assert!(places.len() < MOST_PLACES && places.is_sorted());
        assert_eq!(
            (places[0], places[MOST_PLACES / 4 - 1]),
            (1, MOST_PLACES / 4)
        );
        assert_eq!(places.last(), Some(&count));
        // SAFETY: not used again.
        unsafe { error_drop(error) };
    }

    #[test]
    fn arguments_nest_as_they_are_opened() {
        // SAFETY: one error, used by nobody else; class and locations are only compared.
        let error = unsafe {
            let class = ptr::without_provenance_mut(0x40);
            let error = error_new(class, ptr::without_provenance_mut(0x10));
            error_arg_i64(error, -1);
            error_arg_tuple(error);
            error_arg_u64(error, -1);
            error_arg_tuple(error);
            error_arg_end(error);
            error_arg_bool(error, 1);
            error_arg_end(error);
            error_arg_none(error);
            error_arg_f64(error, 0.5);
            error_arg_complex(error, 1.0, -2.0);
            let text = StrRef::from("naïve");
            error_arg_str(error, text.as_ptr());
            // One too many, and one that stays open.
            error_arg_end(error);
            error_arg_tuple(error);
            error_arg_bool(error, 0);
            error_trace(error, ptr::without_provenance_mut(0x20));
            error_trace(error, ptr::without_provenance_mut(0x30));
            take(error)
        };
        assert_eq!(error.kind, Kind::Class);
        assert_eq!(error.class.addr(), 0x40);
        assert_eq!(error.location.addr(), 0x10);
        assert_eq!(
            error
                .trace
                .iter()
                .map(|place| place.addr())
                .collect::<Vec<_>>(),
            [0x20, 0x30]
        );
        assert_eq!(
            error.args,
            [
                Arg::I64(-1),
                Arg::Tuple(vec![
                    Arg::U64(u64::MAX),
                    Arg::Tuple(vec![]),
                    Arg::Bool(true)
                ]),
                Arg::None,
                Arg::F64(0.5),
                Arg::Complex(1.0, -2.0),
                Arg::Str(StrRef::from("naïve")),
                Arg::Tuple(vec![Arg::Bool(false)]),
            ]
        );
    }

    #[test]
    fn a_message_is_the_only_argument() {
        let text = crate::string::str_immortal("division by zero");
        // SAFETY: the string lives forever, the error is ours.
        let error = unsafe {
            take(error_message(
                ptr::dangling_mut(),
                ptr::null_mut(),
                text.cast(),
            ))
        };
        assert_eq!(error.message().as_deref(), Some("division by zero"));
        assert!(error.location.is_null());
    }

    #[test]
    fn no_error_is_no_crash() {
        // SAFETY: null is allowed.
        unsafe {
            error_arg_none(ptr::null_mut());
            error_arg_tuple(ptr::null_mut());
            error_arg_end(ptr::null_mut());
            error_trace(ptr::null_mut(), ptr::null_mut());
            error_drop(ptr::null_mut());
            error_unraisable(ptr::null_mut(), ptr::null_mut());
        }
    }

    #[test]
    fn an_error_without_class_is_a_system_error() {
        // SAFETY: the error is ours.
        let error = unsafe { take(error_new(ptr::null_mut(), ptr::null_mut())) };
        assert_eq!(
            (error.kind, error.kind.name()),
            (Kind::SystemError, "SystemError")
        );
        assert_eq!(error.message(), None);
    }
}
