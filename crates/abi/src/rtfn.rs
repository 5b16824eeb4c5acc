//! Every runtime function that compiled code may call: name, signature, effects. Nothing else may be
//! called from compiled code (invariant I7).
//!
//! One row a function: `name(parameter types) -> result types, effects;`. The row yields the [`RtFn`]
//! variant, the declaration that emission uses, and (through [`for_each_rtfn`]) the address table that
//! the runtime fills. The symbol is `fd_<name>`, except for rows marked `libm`, whose symbol is the
//! C library's own (so that LLVM knows what it means).
//!
//! Effects:
//! * `pure`: reads and writes no memory, does not raise; may be removed, repeated, moved.
//! * `read`: may read memory that its arguments lead to; otherwise as `pure`.
//! * `effect`: may do anything except raise.
//! * `raises`: may do anything; returns, after its results, an error pointer (`Err`, null for none).
//!
//! A function with several results (or with a result and an error) is `extern "C"` with trailing
//! out-pointers: results are written through them and the error, if the row has `raises`, is the C
//! return value; a function without `raises` and with exactly one result returns it directly.
//! `out` parameters come after all ordinary parameters, in the order of the results.

/// Machine types in the signatures of runtime functions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum RtTy {
    /// 0 or 1; an `i1` in the IRs, passed as `u8` in C.
    I1,
    I32,
    I64,
    F32,
    F64,
    /// An address that the reference counter does not manage.
    Ptr,
    /// A managed runtime object ([`crate::layout::Object`]): results are owned, arguments borrowed. In the
    /// table it is a string; `List`, `Dict` and `Any` are the same to compiled code.
    Obj,
    /// An owner word ([`crate::layout::Buffer`] or tagged), managed like `Obj`.
    Owner,
    /// An error object, or null.
    Err,
}

#[allow(
    non_upper_case_globals,
    reason = "names in the table, beside the variants"
)]
impl RtTy {
    /// A list ([`crate::layout::List`]).
    pub const List: RtTy = RtTy::Obj;
    /// A dict or a set ([`crate::layout::Dict`]).
    pub const Dict: RtTy = RtTy::Obj;
    /// Any runtime object.
    pub const Any: RtTy = RtTy::Obj;
}

/// What a runtime function may do besides computing its result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    Pure,
    Read,
    Effect,
    Raises,
}

/// A row of the table.
#[derive(Debug)]
pub struct RtFnInfo {
    pub func: RtFn,
    pub name: &'static str,
    /// The linker symbol.
    pub symbol: &'static str,
    pub params: &'static [RtTy],
    pub results: &'static [RtTy],
    pub effect: Effect,
    /// A function of the C library.
    pub libm: bool,
}

/// Calls `$callback! { rows }` with every row of the table.
#[macro_export]
macro_rules! for_each_rtfn {
    ($callback:ident) => {
        $callback! {
            // ---- memory -------------------------------------------------------------------------
            /// A new buffer of `size` bytes (uninitialised) with count 1: its owner word and its data.
            /// Raises MemoryError; a negative size is ValueError("negative dimensions are not allowed").
            fd buffer_alloc(I64) -> (Owner, Ptr) raises;
            /// The same, zeroed.
            fd buffer_zeroed(I64) -> (Owner, Ptr) raises;
            /// One reference more; nothing for static and borrowed owners.
            fd owner_retain(Owner) -> () effect;
            /// One reference less; frees at zero; nothing for static and borrowed owners.
            fd owner_release(Owner) -> () effect;
            /// One reference to a runtime object more.
            fd obj_retain(Any) -> () effect;
            /// One reference to a runtime object less.
            fd obj_release(Any) -> () effect;

            // ---- errors -------------------------------------------------------------------------
            /// A new error: exception class (`PyObject*`) and location. Arguments follow with `error_arg_*`.
            fd error_new(Ptr, Ptr) -> (Err) effect;
            /// A new error whose arguments are one message, a `Str` literal.
            fd error_message(Ptr, Ptr, Ptr) -> (Err) effect;
            /// The same; the address leads to the integers that stand for each `{}` in the message.
            fd error_numbers(Ptr, Ptr, Ptr, Ptr) -> (Err) effect;
            /// RecursionError("maximum recursion depth exceeded") at a location: a recursive function
            /// found its stack below [`RtFn::stack_limit`].
            fd recursion_error(Ptr) -> (Err) effect;
            /// ValueError("generator already executing") at a location.
            fd generator_running(Ptr) -> (Err) effect;
            /// Makes a StopIteration (this class) that leaves a generator a RuntimeError.
            fd error_in_generator(Err, Ptr) -> () effect;
            fd error_arg_none(Err) -> () effect;
            fd error_arg_bool(Err, I1) -> () effect;
            /// A signed integer.
            fd error_arg_i64(Err, I64) -> () effect;
            fd error_arg_u64(Err, I64) -> () effect;
            fd error_arg_f64(Err, F64) -> () effect;
            fd error_arg_complex(Err, F64, F64) -> () effect;
            /// A `Str`; the error takes a reference of its own.
            fd error_arg_str(Err, Obj) -> () effect;
            /// Opens a tuple: the arguments up to the matching `error_arg_end` are its items.
            fd error_arg_tuple(Err) -> () effect;
            fd error_arg_end(Err) -> () effect;
            /// Adds a traceback entry (a `Location`), innermost first, and gives the error back.
            fd error_trace(Err, Ptr) -> () effect;
            /// Whether `except class` (a `PyObject*`) catches the error.
            fd error_matches(Err, Ptr) -> (I1) effect;
            /// Reports an error that nobody can catch, to `sys.unraisablehook`, and drops it; the object
            /// (a `PyObject*`) says where it came from.
            fd error_unraisable(Err, Ptr) -> () effect;
            /// Drops an error that was caught.
            fd error_drop(Err) -> () effect;
            /// Lowest stack address that compiled code may use on this thread (for the recursion check).
            fd stack_limit() -> (Ptr) effect;

            // ---- integers -----------------------------------------------------------------------
            /// `a ** b` modulo 2**64, by squaring; for negative `b` what the peer gives (1/a truncated).
            fd ipow(I64, I64) -> (I64) pure;
            fd upow(I64, I64) -> (I64) pure;
            /// Greatest common divisor of magnitudes.
            fd gcd(I64, I64) -> (I64) pure;
            /// The same of unsigned numbers.
            fd ugcd(I64, I64) -> (I64) pure;

            // ---- floats -------------------------------------------------------------------------
            /// Python's `a ** b` on floats, special cases included.
            fd fpow(F64, F64) -> (F64) pure;
            fd fpowf(F32, F32) -> (F32) pure;
            /// `x ** n` for an integer n known only at run time.
            fd fpowi(F64, I64) -> (F64) pure;
            /// Python's float floor-division and modulo (the divisor is not zero).
            fd ffloordiv(F64, F64) -> (F64) pure;
            fd fmod_py(F64, F64) -> (F64) pure;
            /// `round(x, ndigits)`, correctly rounded as CPython does.
            fd round_digits(F64, I64) -> (F64) pure;
            /// `math.gamma`, `math.lgamma` as CPython computes them, with nan/inf instead of errors.
            fd gamma(F64) -> (F64) pure;
            fd lgamma(F64) -> (F64) pure;
            /// The modified Bessel function of the first kind, order 0, as NumPy computes it.
            fd i0(F64) -> (F64) pure;
            fd frexp(F64) -> (F64, I64) pure;
            fd ldexp(F64, I64) -> (F64) pure;

            // ---- complex (double) ---------------------------------------------------------------
            /// Quotient scaled against overflow and underflow (Smith's method, as CPython); divisor not zero.
            fd cdiv(F64, F64, F64, F64) -> (F64, F64) pure;
            fd cpow(F64, F64, F64, F64) -> (F64, F64) pure;
            /// `a ** b` as NumPy has it: 0 to a power with a positive real part is 0.
            fd cpow_numpy(F64, F64, F64, F64) -> (F64, F64) pure;
            fd cexp(F64, F64) -> (F64, F64) pure;
            /// The parts of it.
            fd cexp_real(F64, F64) -> (F64) pure;
            fd cexp_imag(F64, F64) -> (F64) pure;
            fd clog(F64, F64) -> (F64, F64) pure;
            fd clog10(F64, F64) -> (F64, F64) pure;
            fd cexp2(F64, F64) -> (F64, F64) pure;
            fd cexpm1(F64, F64) -> (F64, F64) pure;
            fd clog2(F64, F64) -> (F64, F64) pure;
            fd clog1p(F64, F64) -> (F64, F64) pure;
            fd csqrt(F64, F64) -> (F64, F64) pure;
            fd csin(F64, F64) -> (F64, F64) pure;
            fd ccos(F64, F64) -> (F64, F64) pure;
            fd ctan(F64, F64) -> (F64, F64) pure;
            fd csinh(F64, F64) -> (F64, F64) pure;
            fd ccosh(F64, F64) -> (F64, F64) pure;
            fd ctanh(F64, F64) -> (F64, F64) pure;
            fd casin(F64, F64) -> (F64, F64) pure;
            fd cacos(F64, F64) -> (F64, F64) pure;
            fd catan(F64, F64) -> (F64, F64) pure;
            fd casinh(F64, F64) -> (F64, F64) pure;
            fd cacosh(F64, F64) -> (F64, F64) pure;
            fd catanh(F64, F64) -> (F64, F64) pure;
            /// `cmath.rect(r, phi)`.
            fd crect(F64, F64) -> (F64, F64) pure;

            /// `np.nextafter(x, y)` and `np.spacing(x)` of numbers of half the size of a single.
            fd half_nextafter(F32, F32) -> (F32) pure;
            fd half_spacing(F32) -> (F32) pure;

            // ---- strings ------------------------------------------------------------------------
            fd str_concat(Obj, Obj) -> (Obj) raises;
            /// `s * n`; a negative n gives "".
            fd str_repeat(Obj, I64) -> (Obj) raises;
            fd str_eq(Obj, Obj) -> (I1) read;
            /// -1, 0 or 1 by code points.
            fd str_cmp(Obj, Obj) -> (I64) read;
            fd str_len(Obj) -> (I64) read;
            fd str_contains(Obj, Obj) -> (I1) read;
            /// The character at `i` (0 <= i < len) as a string.
            fd str_char(Obj, I64) -> (Obj) effect;
            /// `count` characters from `start` in steps of `step`, all inside the string.
            fd str_slice(Obj, I64, I64, I64) -> (Obj) effect;
            /// The text of an item of an array: at most so many characters of 1 or 4 bytes, up to the last
            /// that is not NUL; its length, and the same as a string.
            fd chars_len(Ptr, I64, I64) -> (I64) read;
            fd str_from_chars(Ptr, I64, I64) -> (Obj) effect;
            /// Writes a string into such an item, cut or filled up with NUL.
            fd chars_from_str(Ptr, I64, I64, Obj) -> () effect;
            /// The same of bytes: their address and their number.
            fd chars_from_bytes(Ptr, I64, Ptr, I64) -> () effect;
            fd str_hash(Obj) -> (I64) effect;
            fd bytes_hash(Ptr, I64) -> (I64) read;
            /// `str(x)` as CPython prints it.
            fd str_from_i64(I64) -> (Obj) effect;
            fd str_from_u64(I64) -> (Obj) effect;
            fd str_from_f64(F64) -> (Obj) effect;
            fd str_from_f32(F32) -> (Obj) effect;
            fd str_from_bool(I1) -> (Obj) effect;
            fd str_from_complex(F64, F64) -> (Obj) effect;
            /// `repr(s)`.
            fd str_repr(Obj) -> (Obj) effect;

            // ---- lists --------------------------------------------------------------------------
            /// An empty list: bytes of an item, its slots that are objects and that are owner words (as
            /// sets of bits), and how many items to make room for.
            /// A generator object: slots of its state, which of them are objects and owner words (sets of
            /// bits), the function that runs it on, and that function's trampoline.
            fd generator_new(I64, I64, I64, Ptr, Ptr) -> (Any) raises;
            fd list_new(I64, I64, I64, I64) -> (List) raises;
            /// Makes room for so many items more.
            fd list_reserve(List, I64) -> () raises;
            /// `count` items from `start` in steps of `step`, all inside the list, as a new list.
            fd list_slice(List, I64, I64, I64) -> (List) raises;
            fd list_concat(List, List) -> (List) raises;
            /// `items * n`; a negative n gives an empty list.
            fd list_repeat(List, I64) -> (List) raises;
            /// `items *= n`
            fd list_repeat_in_place(List, I64) -> () raises;
            fd list_extend(List, List) -> () raises;
            /// Moves the items from `i` on (0 <= i <= len) up by one; item `i` is zero then.
            fd list_open(List, I64) -> () raises;
            /// Moves the items behind `i` down by one; item `i` was taken out before.
            fd list_close(List, I64) -> () effect;
            /// Removes `count` items from `start` in steps of `step`, all inside the list.
            fd list_delete(List, I64, I64, I64) -> () effect;
            /// Replaces `count` items from `start` by copies of another list's.
            fd list_replace(List, I64, I64, List) -> () raises;
            fd list_reverse(List) -> () effect;
            /// Sorts in place, stable; how to compare is an `Order`, the flag says whether downwards.
            fd list_sort(List, I64, I1) -> () effect;

            // ---- dicts and sets -----------------------------------------------------------------
            /// An empty dict: bytes of an entry, its slots that are objects and that are owner words (as
            /// sets of bits), and how many entries to make room for.
            fd dict_new(I64, I64, I64, I64) -> (Dict) raises;
            /// Adds an entry with this hash, all zero behind it; where it is among the entries.
            fd dict_insert(Dict, I64) -> (I64) raises;
            /// Removes the entry at a position, which is there.
            fd dict_remove(Dict, I64) -> () effect;
            fd dict_clear(Dict) -> () effect;
            fd dict_copy(Dict) -> (Dict) raises;

            // ---- arrays -------------------------------------------------------------------------
            /// The order in which `np.nditer` visits the elements of so many dimensions of so many operands:
            /// the address leads to the shape, then for each operand its strides and a zero. Dimensions are
            /// sorted and turned around as memory has them; the zeros become offsets of the first elements.
            fd memory_order(I64, I64, Ptr) -> () effect;

            // Of rows of arrays: first element, number of elements, distance in bytes. The number in front
            // says the type of the elements: a `layout::Order`, and 256 times their size.
            /// Sorts a row in place.
            fd row_sort(I64, Ptr, I64, I64) -> () effect;
            /// Writes the positions of the elements in their order into a row of int64.
            fd row_sort_positions(I64, Ptr, I64, I64, Ptr, I64, I64) -> () effect;
            /// Brings the elements that belong to the positions in the second row (int64) there.
            fd row_select(I64, Ptr, I64, I64, Ptr, I64, I64) -> () effect;
            /// Writes positions instead, into the third row.
            fd row_select_positions(I64, Ptr, I64, I64, Ptr, I64, I64, Ptr, I64, I64) -> () effect;
            /// Writes into the third row where in the first one the elements of the second belong: before
            /// equal ones, or behind them if the last argument is not 0.
            fd row_search(I64, Ptr, I64, I64, Ptr, I64, I64, Ptr, I64, I64, I64) -> () effect;

            // ---- linear algebra ----------------------------------------------------------------
            /// Products of matrices, or of stacks of them, into the third array: the loop of
            /// [`crate::gufunc::LOOPS`] by number, three arrays, and the words that say where their items
            /// are (see the runtime's `linalg`).
            fd matmul(I64, Ptr, Ptr, Ptr, Ptr) -> () effect;
            /// The same into an array that may share memory with the others; MemoryError if it does, and
            /// there is none to keep the results aside.
            fd matmul_into(I64, Ptr, Ptr, Ptr, Ptr) -> () raises;
            /// Any other loop: its number, the words, the arrays (null for those that it has not). Whether
            /// it failed.
            fd gufunc(I64, Ptr, Ptr, Ptr, Ptr, Ptr, Ptr, Ptr, Ptr) -> (I1) effect;

            // ---- threads ------------------------------------------------------------------------
            /// Runs a loop in chunks on the team of threads: the trampoline of a region, its frame (room for
            /// the first round and that behind the last, the arguments in slots, room for results), slots
            /// of arguments and of results, rounds of the loop, and what it costs. The results of the
            /// chunks, and how many there are.
            fd parallel_for(Ptr, Ptr, I64, I64, I64, I64) -> (Ptr, I64) raises;
            /// Frees those results of so many chunks.
            fd parallel_free(Ptr, I64) -> () effect;
            fd num_threads() -> (I64) effect;
            fd set_num_threads(I64) -> () raises;
            fd thread_id() -> (I64) effect;
            fd chunk_size() -> (I64) effect;
            /// The chunk size before.
            fd set_chunk_size(I64) -> (I64) raises;

            // ---- hashing ------------------------------------------------------------------------
            /// CPython's hash of an int, a float; tuples are mixed with `hash_tuple_step`/`_end`.
            fd hash_i64(I64) -> (I64) pure;
            fd hash_u64(I64) -> (I64) pure;
            fd hash_f64(F64) -> (I64) pure;
            fd hash_complex(F64, F64) -> (I64) pure;
            fd hash_tuple_step(I64, I64) -> (I64) pure;
            fd hash_tuple_end(I64, I64) -> (I64) pure;

            // ---- printing (to Python's sys.stdout; the text is collected, then written at the end) ---
            fd print_str(Obj) -> () effect;
            /// Ends a `print`: writes the line. Takes the GIL if the thread does not hold it.
            fd print_end() -> () raises;

            // ---- the C library ------------------------------------------------------------------
            libm sin(F64) -> (F64) pure;      libm sinf(F32) -> (F32) pure;
            libm cos(F64) -> (F64) pure;      libm cosf(F32) -> (F32) pure;
            libm tan(F64) -> (F64) pure;      libm tanf(F32) -> (F32) pure;
            libm asin(F64) -> (F64) pure;     libm asinf(F32) -> (F32) pure;
            libm acos(F64) -> (F64) pure;     libm acosf(F32) -> (F32) pure;
            libm atan(F64) -> (F64) pure;     libm atanf(F32) -> (F32) pure;
            libm atan2(F64, F64) -> (F64) pure; libm atan2f(F32, F32) -> (F32) pure;
            libm sinh(F64) -> (F64) pure;     libm sinhf(F32) -> (F32) pure;
            libm cosh(F64) -> (F64) pure;     libm coshf(F32) -> (F32) pure;
            libm tanh(F64) -> (F64) pure;     libm tanhf(F32) -> (F32) pure;
            libm asinh(F64) -> (F64) pure;    libm asinhf(F32) -> (F32) pure;
            libm acosh(F64) -> (F64) pure;    libm acoshf(F32) -> (F32) pure;
            libm atanh(F64) -> (F64) pure;    libm atanhf(F32) -> (F32) pure;
            libm exp(F64) -> (F64) pure;      libm expf(F32) -> (F32) pure;
            libm exp2(F64) -> (F64) pure;     libm exp2f(F32) -> (F32) pure;
            libm expm1(F64) -> (F64) pure;    libm expm1f(F32) -> (F32) pure;
            libm log(F64) -> (F64) pure;      libm logf(F32) -> (F32) pure;
            libm log2(F64) -> (F64) pure;     libm log2f(F32) -> (F32) pure;
            libm log10(F64) -> (F64) pure;    libm log10f(F32) -> (F32) pure;
            libm log1p(F64) -> (F64) pure;    libm log1pf(F32) -> (F32) pure;
            libm cbrt(F64) -> (F64) pure;     libm cbrtf(F32) -> (F32) pure;
            libm hypot(F64, F64) -> (F64) pure; libm hypotf(F32, F32) -> (F32) pure;
            libm pow(F64, F64) -> (F64) pure; libm powf(F32, F32) -> (F32) pure;
            libm fmod(F64, F64) -> (F64) pure; libm fmodf(F32, F32) -> (F32) pure;
            libm erf(F64) -> (F64) pure;      libm erff(F32) -> (F32) pure;
            libm erfc(F64) -> (F64) pure;     libm erfcf(F32) -> (F32) pure;
            libm nextafter(F64, F64) -> (F64) pure; libm nextafterf(F32, F32) -> (F32) pure;
        }
    };
}

macro_rules! effect {
    (pure) => {
        Effect::Pure
    };
    (read) => {
        Effect::Read
    };
    (effect) => {
        Effect::Effect
    };
    (raises) => {
        Effect::Raises
    };
}

macro_rules! symbol {
    (fd $name:ident) => {
        concat!("fd_", stringify!($name))
    };
    (libm $name:ident) => {
        stringify!($name)
    };
}

macro_rules! is_libm {
    (fd) => {
        false
    };
    (libm) => {
        true
    };
}

macro_rules! define {
    ($($(#[$doc:meta])* $kind:ident $name:ident($($p:ident),*) -> ($($r:ident),*) $effect:ident;)*) => {
        /// A runtime function.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
        #[allow(non_camel_case_types, reason = "named as the functions are")]
        #[repr(u16)]
        pub enum RtFn { $($(#[$doc])* $name,)* }

        /// All rows, in the order of [`RtFn`].
        pub static TABLE: &[RtFnInfo] = &[$(RtFnInfo {
            func: RtFn::$name,
            name: stringify!($name),
            symbol: symbol!($kind $name),
            params: &[$(RtTy::$p),*],
            results: &[$(RtTy::$r),*],
            effect: effect!($effect),
            libm: is_libm!($kind),
        },)*];
    };
}
for_each_rtfn!(define);

impl RtFn {
    /// The function's row.
    pub fn info(self) -> &'static RtFnInfo {
        &TABLE[self as usize]
    }

    /// The function called `name` in the table.
    pub fn by_name(name: &str) -> Option<RtFn> {
        TABLE
            .iter()
            .find(|row| row.name == name)
            .map(|row| row.func)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_order_and_names_are_unique() {
        for (i, row) in TABLE.iter().enumerate() {
            assert_eq!(row.func as usize, i);
            assert_eq!(RtFn::by_name(row.name), Some(row.func));
        }
    }
}
