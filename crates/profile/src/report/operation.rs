//! What native code does, in words: `DOUBLE_add_X86_V3` is NumPy's addition of float64.
//!
//! Under a Python function there are often ten native frames, of which one tells what is going on. Each
//! native function is given an [`Operation`] with a rank; of those on a stack the one of the highest rank
//! speaks for it, and of equal ones the outermost.

use std::borrow::Cow;

use super::clean;
use crate::model::{Function, Kind, Recording};

/// How well an operation tells what is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// The C library: anything may be called there.
    Low,
    /// A function of some library.
    Library,
    /// An operation that users know: a loop of NumPy, garbage collection.
    Operation,
    /// Linear algebra, also when NumPy calls it from a loop of its own.
    Algebra,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    pub rank: Rank,
    pub text: Cow<'static, str>,
}

/// In the files with these beginnings (any, if there is none), the functions with these names have one
/// operation. A star at the end stands for any rest.
struct Rule {
    modules: &'static [&'static str],
    names: &'static str,
    rank: Rank,
    text: &'static str,
}

const INTERPRETER: &[&str] = &["libpython3", "python"];
const NUMPY: &[&str] = &["_multiarray_umath", "multiarray"];
const LIBC: &[&str] = &["libc.", "libc-", "ld-linux", "libpthread", "libm.", "libm-"];
const OPENMP: &[&str] = &["libgomp", "libomp", "libiomp"];
const ALGEBRA: &[&str] = &[
    "libscipy_openblas",
    "libopenblas",
    "libblas",
    "libcblas",
    "liblapack",
    "libblis",
    "libflame",
    "libmkl",
    "libatlas",
];

const RULES: &[Rule] = &[
    // The interpreter.
    rule(
        INTERPRETER,
        "take_gil drop_gil",
        Rank::Operation,
        "waiting for the GIL",
    ),
    rule(
        INTERPRETER,
        "gc_collect_main gc_collect_* _PyGC_Collect* PyGC_Collect* gc_collect",
        Rank::Operation,
        "garbage collection",
    ),
    rule(
        INTERPRETER,
        "_PyPegen_* _PyParser_* _PyAST_* _PyCompile_* PyAST_*",
        Rank::Operation,
        "compiling Python code",
    ),
    rule(
        INTERPRETER,
        "PyImport_* _PyImport_* PyMarshal_* import_* builtin___import__",
        Rank::Library,
        "import",
    ),
    rule(
        INTERPRETER,
        "list_sort list_sort_impl* builtin_sorted",
        Rank::Library,
        "sorting a list",
    ),
    rule(
        INTERPRETER,
        "sre_* _sre_* pattern_*",
        Rank::Library,
        "regular expressions",
    ),
    rule(
        INTERPRETER,
        "save save_* load load_* _pickle_*",
        Rank::Library,
        "pickle",
    ),
    rule(
        INTERPRETER,
        "_io_* bufferedio_* fileio_* textio*",
        Rank::Library,
        "input and output",
    ),
    // NumPy. What is not here are functions of the API, and the machinery of calls.
    rule(
        NUMPY,
        "PyArray_Sort PyArray_ArgSort PyArray_LexSort PyArray_Partition PyArray_ArgPartition \
         _new_sortlike _new_argsortlike",
        Rank::Operation,
        "NumPy sort",
    ),
    rule(
        NUMPY,
        "PyArray_EinsteinSum *_sum_of_products_*",
        Rank::Operation,
        "NumPy einsum",
    ),
    rule(
        NUMPY,
        "array_boolean_subscript array_assign_boolean_subscript PyArray_Nonzero PyArray_CountNonzero",
        Rank::Operation,
        "NumPy selection by a mask",
    ),
    rule(
        NUMPY,
        "mapiter_* PyArray_MapIter* PyArray_TakeFrom PyArray_PutTo npy_fasttake*",
        Rank::Operation,
        "NumPy indexing by arrays",
    ),
    rule(NUMPY, "PyArray_Where", Rank::Operation, "NumPy where"),
    rule(
        NUMPY,
        "PyArray_SearchSorted",
        Rank::Operation,
        "NumPy searchsorted",
    ),
    rule(
        NUMPY,
        "PyArray_Concatenate* ",
        Rank::Operation,
        "NumPy concatenate",
    ),
    rule(
        NUMPY,
        "PyArray_Repeat npy_fastrepeat*",
        Rank::Operation,
        "NumPy repeat",
    ),
    rule(
        NUMPY,
        "PyArray_Correlate* _pyarray_correlate",
        Rank::Operation,
        "NumPy correlate",
    ),
    rule(NUMPY, "arr_bincount", Rank::Operation, "NumPy bincount"),
    rule(
        NUMPY,
        "arr_interp arr_interp_complex",
        Rank::Operation,
        "NumPy interp",
    ),
    rule(
        NUMPY,
        "PyArray_DiscoverDTypeAndShape PyArray_AssignFromCache* PyArray_FromAny_int",
        Rank::Library,
        "NumPy arrays from Python objects",
    ),
    rule(
        NUMPY,
        "array_tolist recursive_tolist",
        Rank::Library,
        "NumPy tolist",
    ),
    rule(
        NUMPY,
        "_aligned_contig_to_contig* _contig_to_contig*",
        Rank::Operation,
        "NumPy copy",
    ),
    rule(
        NUMPY,
        "_aligned_strided_to_* _aligned_contig_to_strided* _strided_to_* _contig_to_strided*",
        Rank::Operation,
        "NumPy copy (strided)",
    ),
    rule(
        NUMPY,
        "PyArray_NewCopy PyArray_AssignArray raw_array_assign_array PyArray_CopyObject",
        Rank::Library,
        "NumPy copy",
    ),
    rule(
        NUMPY,
        "npy_alloc_cache* npy_free_cache* PyDataMem_* default_malloc default_free default_calloc",
        Rank::Library,
        "NumPy memory of arrays",
    ),
    rule(
        NUMPY,
        "array_* ufunc_* PyUFunc_* PyArray_* _array_* dispatcher_* prepare_index* get_view_* \
         npyiter_* NpyIter_* gentype_* scalar_*",
        Rank::Library,
        "NumPy calls",
    ),
    rule(&["_pocketfft_umath"], "*", Rank::Operation, "NumPy FFT"),
    rule(&["pypocketfft"], "*", Rank::Operation, "SciPy FFT"),
    // OpenMP, in libraries of that name.
    rule(
        OPENMP,
        "gomp_barrier* gomp_team_barrier* gomp_*wait* do_spin do_wait __kmp_*wait* __kmp_*barrier* \
         __kmp_*suspend* __kmp_*sleep* kmp_flag*",
        Rank::Operation,
        "OpenMP: waiting for other threads",
    ),
    rule(OPENMP, "*", Rank::Library, "OpenMP"),
    // The C library. Its own memory functions often have no names.
    rule(
        LIBC,
        "malloc calloc realloc free cfree _int_* malloc_consolidate sysmalloc systrim unlink_chunk* \
         tcache_* aligned_alloc posix_memalign memalign mi_* je_*",
        Rank::Low,
        "memory allocation",
    ),
    rule(
        LIBC,
        "memcpy* memmove* __memmove_* __memcpy_* __mempcpy*",
        Rank::Low,
        "memory copy",
    ),
    rule(LIBC, "memset* __memset_*", Rank::Low, "memory fill"),
    rule(
        LIBC,
        "__libc_start_* _start start_thread clone* __clone*",
        Rank::Low,
        "",
    ),
    rule(
        &["libm.", "libm-"],
        "*",
        Rank::Library,
        "C library: mathematics",
    ),
    rule(LIBC, "*", Rank::Low, "C library"),
    rule(
        &["linux-vdso", "[vdso]"],
        "*",
        Rank::Library,
        "reading clocks",
    ),
    rule(
        &["libjemalloc", "libtcmalloc", "libmimalloc"],
        "*",
        Rank::Low,
        "memory allocation",
    ),
];

const fn rule(
    modules: &'static [&'static str],
    names: &'static str,
    rank: Rank,
    text: &'static str,
) -> Rule {
    Rule {
        modules,
        names,
        rank,
        text,
    }
}

/// Whether a file is Python itself.
pub fn is_interpreter(module: &str) -> bool {
    begins(module, INTERPRETER)
}

/// Whether a Python function is the machinery of imports.
pub fn is_import(file: &str) -> bool {
    file.starts_with("<frozen importlib") || file.starts_with("<frozen zipimport")
}

/// What a function that is no Python function does; nothing if it is the interpreter at its usual work.
pub fn operation(recording: &Recording, function: &Function) -> Option<Operation> {
    let name = recording.texts.get(function.name);
    let module = recording.texts.get(function.module);
    match function.kind {
        Kind::Python | Kind::Compiled => {
            is_import(recording.texts.get(function.file)).then(|| of(Rank::Library, "import"))
        }
        Kind::Kernel => None,
        Kind::Marker => Some(Operation {
            rank: Rank::Low,
            text: clean(name).into_owned().into(),
        }),
        Kind::Native => native(module, name),
    }
}

fn native(module: &str, symbol: &str) -> Option<Operation> {
    let name = bare(symbol);
    if begins(module, NUMPY)
        && let Some(text) = numpy(name)
    {
        return Some(of(Rank::Operation, text));
    }
    if begins(module, ALGEBRA) || is_algebra(module, name) {
        return Some(
            algebra(name).map_or(of(Rank::Library, "BLAS"), |text| of(Rank::Algebra, text)),
        );
    }
    let rule = RULES
        .iter()
        .find(|rule| begins(module, rule.modules) && rule.names.split(' ').any(|n| fits(n, name)));
    if let Some(rule) = rule {
        return (!rule.text.is_empty()).then(|| of(rule.rank, rule.text));
    }
    if is_interpreter(module) || matches!(name, "_start" | "main" | "_init" | "_fini") {
        return None;
    }
    let short = clean(module.split('.').next().unwrap_or(module));
    Some(if is_nameless(symbol) {
        of(Rank::Library, format!("{short} (no symbols)"))
    } else if let Some(what) = random(module, name) {
        let text = format!("NumPy random {what}");
        of(Rank::Operation, text.trim_end().to_owned())
    } else {
        of(Rank::Library, format!("{} ({short})", clean(name)))
    })
}

fn of(rank: Rank, text: impl Into<Cow<'static, str>>) -> Operation {
    Operation {
        rank,
        text: text.into(),
    }
}

/// Whether a symbol is an address, as where a file has no symbols.
pub fn is_nameless(symbol: &str) -> bool {
    symbol.starts_with("0x")
}

fn begins(module: &str, with: &[&str]) -> bool {
    with.iter().any(|start| module.starts_with(start))
}

fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut is_open = false;
    for part in parts {
        is_open = part.is_empty();
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    is_open || rest.is_empty()
}

/// A symbol without what compilers and libraries hang on it: `void f<double>` is `f`,
/// `DOUBLE_add_X86_V3.part.0` is `DOUBLE_add`.
fn bare(symbol: &str) -> &str {
    let name = symbol.split('<').next().unwrap_or(symbol);
    let name = name.rsplit(' ').next().unwrap_or(name);
    let name = name.split('.').next().unwrap_or(name);
    let targets = [
        "_X86_V", "_AVX", "__AVX", "_SSE", "_FMA3", "_NEON", "_ASIMD", "_SVE", "_VSX", "_LSX",
        "_RVV",
    ];
    let end = targets.iter().filter_map(|t| name.find(t)).min();
    match end.map_or(name, |end| &name[..end]) {
        "" => symbol,
        name => name,
    }
}

/// NumPy's names of types, in the names of its loops.
const TYPES: &[(&str, &str)] = &[
    ("BOOL", "bool"),
    ("BYTE", "int8"),
    ("UBYTE", "uint8"),
    ("SHORT", "int16"),
    ("USHORT", "uint16"),
    ("INT", "int32"),
    ("UINT", "uint32"),
    ("LONG", "int64"),
    ("ULONG", "uint64"),
    ("LONGLONG", "int64"),
    ("ULONGLONG", "uint64"),
    ("HALF", "float16"),
    ("FLOAT", "float32"),
    ("DOUBLE", "float64"),
    ("LONGDOUBLE", "longdouble"),
    ("CFLOAT", "complex64"),
    ("CDOUBLE", "complex128"),
    ("CLONGDOUBLE", "clongdouble"),
    ("OBJECT", "object"),
    ("DATETIME", "datetime64"),
    ("TIMEDELTA", "timedelta64"),
    ("STRING", "bytes"),
    ("UNICODE", "str"),
    ("VOID", "void"),
];

fn dtype(name: &str) -> Option<&'static str> {
    let found = TYPES
        .iter()
        .find(|(theirs, _)| theirs.eq_ignore_ascii_case(name));
    found.map(|(_, dtype)| *dtype)
}

/// Loops (`DOUBLE_add`), those of scalars (`double_add`), casts (`_aligned_contig_cast_double_to_float`).
fn numpy(name: &str) -> Option<String> {
    if let Some((kind, types)) = name.split_once("cast_")
        && kind.starts_with('_')
        && let Some((from, to)) = types.split_once("_to_")
    {
        let strided = if kind.contains("contig") {
            ""
        } else {
            " (strided)"
        };
        return Some(format!(
            "NumPy cast {} to {}{strided}",
            dtype(from)?,
            dtype(to)?
        ));
    }
    let sorts = ["sort", "select", "partition", "bitonic", "pivot"];
    if sorts.iter().any(|s| name.to_ascii_lowercase().contains(s)) && !name.starts_with("PyArray") {
        return Some("NumPy sort".to_owned());
    }
    if let Some(function) = name.strip_prefix("__svml_") {
        let function = function.trim_end_matches("_ha").trim_end_matches("_la");
        let function = function.trim_end_matches(|c: char| c.is_ascii_digit() || c == 'f');
        return Some(format!("NumPy {function}"));
    }
    let (ty, what) = name.split_once('_')?;
    let dtype = dtype(ty).filter(|_| !what.starts_with("sum_of_products"))?;
    if ty.bytes().all(|b| b.is_ascii_lowercase()) {
        let is_method = matches!(what, "arrtype_new" | "arrtype_repr" | "arrtype_str");
        return (!is_method).then(|| format!("NumPy scalar {what} {dtype}"));
    }
    if let Some(to) = what.strip_prefix("to_") {
        return Some(format!("NumPy cast {dtype} to {}", self::dtype(to)?));
    }
    let what = match what {
        "pairwise_sum" => "sum",
        "fillwithscalar" => "fill",
        "copyswap" | "copyswapn" => "copy",
        "matmul_matrixmatrix" | "matmul_inner_noblas" => "matmul",
        "getitem" => "item to Python object",
        "setitem" => "item from Python object",
        other => other,
    };
    let (what, indexed) = match what.strip_suffix("_indexed") {
        Some(what) => (what, " (ufunc.at)"),
        None => (what, ""),
    };
    Some(format!("NumPy {what} {dtype}{indexed}"))
}

/// Generators of random numbers: `random_standard_normal_fill`.
fn random<'n>(module: &str, name: &'n str) -> Option<&'n str> {
    let modules = [
        "_generator",
        "mtrand",
        "_mt19937",
        "_pcg64",
        "_philox",
        "_sfc64",
        "bit_generator",
    ];
    let what = name.strip_prefix("random_");
    begins(module, &modules).then(|| {
        let what = what.unwrap_or("");
        what.trim_end_matches("_fill").trim_end_matches("_f")
    })
}

/// Functions of the first three levels of BLAS, without the letter of the type.
const BLAS: &[&str] = &[
    "gemm3m", "gemmtr", "gemmt", "gemm", "gemv", "geru", "gerc", "ger", "gbmv", "geadd", "axpby",
    "axpy", "dotu", "dotc", "dsdot", "dot", "scal", "nrm2", "asum", "amax", "amin", "copy", "swap",
    "rotmg", "rotm", "rotg", "rot", "symm", "hemm", "symv", "hemv", "syrk", "herk", "syr2k",
    "her2k", "syr2", "her2", "syr", "her", "sbmv", "hbmv", "spmv", "hpmv", "spr2", "hpr2", "spr",
    "hpr", "trmm", "trsm", "trmv", "trsv", "tbmv", "tbsv", "tpmv", "tpsv", "imatcopy", "omatcopy",
    "sum",
];

/// The kinds of matrices in names of LAPACK.
const MATRICES: &[&str] = &[
    "ge", "gb", "gt", "gg", "po", "pb", "pt", "pp", "ps", "sy", "sp", "sb", "st", "he", "hp", "hb",
    "hs", "hg", "tr", "tp", "tb", "tg", "tz", "or", "op", "un", "up", "la", "bd", "di", "rs", "rf",
];

/// What a function of a library for linear algebra belongs to: `dgemm_kernel_SKYLAKEX`,
/// `scipy_cblas_dgemm64_`, `mkl_blas_avx512_dgemm_kernel_0`.
fn algebra(name: &str) -> Option<String> {
    let is_lapacke = name.contains("LAPACKE_") || name.contains("mkl_lapack_");
    let words = name
        .split('_')
        .filter(|w| !matches!(*w, "" | "scipy" | "cblas" | "LAPACKE" | "mkl"));
    words.take(4).find_map(|word| {
        let word = word.strip_suffix("64").unwrap_or(word);
        let word = word.strip_prefix('x').unwrap_or(word);
        let word = word
            .strip_prefix('i')
            .filter(|w| w.ends_with("amax") || w.ends_with("amin"))
            .unwrap_or(word);
        let (letter, rest) = word.split_at_checked(1)?;
        if !"sdcz".contains(letter)
            || !word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        {
            return None;
        }
        if !is_lapacke && BLAS.contains(&rest) {
            return Some(format!("BLAS {word}"));
        }
        let kind = rest.get(..2)?;
        (rest.len() >= 4 && MATRICES.contains(&kind)).then(|| format!("LAPACK {word}"))
    })
}

/// NumPy's and SciPy's modules that may have linear algebra compiled in.
fn is_algebra(module: &str, name: &str) -> bool {
    begins(
        module,
        &[
            "_umath_linalg",
            "_flapack",
            "_fblas",
            "lapack_lite",
            "cython_blas",
            "cython_lapack",
        ],
    ) && algebra(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(module: &str, name: &str) -> String {
        native(module, name).map_or("-".to_owned(), |o| o.text.into_owned())
    }

    #[test]
    fn native_functions_are_named_by_what_they_do() {
        const NUMPY: &str = "_multiarray_umath.cpython-311-x86_64-linux-gnu.so";
        const BLAS: &str = "libscipy_openblas64_-32a4b2a6.so";
        const PYTHON: &str = "libpython3.11.so.1.0";
        let mut wrong = vec![];
        for (module, symbol, expected) in [
            (NUMPY, "DOUBLE_add_X86_V3", "NumPy add float64"),
            (
                NUMPY,
                "DOUBLE_add_indexed_AVX512_SKX",
                "NumPy add float64 (ufunc.at)",
            ),
            (
                NUMPY,
                "LONG_floor_divide.part.0",
                "NumPy floor_divide int64",
            ),
            (NUMPY, "DOUBLE_pairwise_sum", "NumPy sum float64"),
            (NUMPY, "BOOL_to_DOUBLE", "NumPy cast bool to float64"),
            (NUMPY, "double_multiply", "NumPy scalar multiply float64"),
            (
                NUMPY,
                "_aligned_contig_cast_double_to_float",
                "NumPy cast float64 to float32",
            ),
            (
                NUMPY,
                "_aligned_cast_int_to_cdouble",
                "NumPy cast int32 to complex128 (strided)",
            ),
            (
                NUMPY,
                "_aligned_strided_to_contig_size8",
                "NumPy copy (strided)",
            ),
            (NUMPY, "_contig_to_contig", "NumPy copy"),
            (NUMPY, "__svml_exp8_ha", "NumPy exp"),
            (
                NUMPY,
                "void sort_n_vec<zmm_vector<double>, Comparator<zmm_vector<double>, false> >",
                "NumPy sort",
            ),
            (
                NUMPY,
                "np::qsort_simd::QSort_AVX512_ICL<long>",
                "NumPy sort",
            ),
            (NUMPY, "_new_sortlike.isra.0", "NumPy sort"),
            (NUMPY, "double_sum_of_products_contig_two", "NumPy einsum"),
            (NUMPY, "ufunc_generic_fastcall", "NumPy calls"),
            (
                NUMPY,
                "generic_wrapped_legacy_loop",
                "generic_wrapped_legacy_loop (_multiarray_umath)",
            ),
            (
                "_generator.abi3.so",
                "random_standard_normal_fill",
                "NumPy random standard_normal",
            ),
            ("_pocketfft_umath.so", "void fft_loop<double>", "NumPy FFT"),
            (BLAS, "dgemm_kernel_SKYLAKEX", "BLAS dgemm"),
            (BLAS, "scipy_cblas_dgemm64_", "BLAS dgemm"),
            (BLAS, "idamax_k_HASWELL", "BLAS damax"),
            (BLAS, "dpotrf_L_single", "LAPACK dpotrf"),
            (BLAS, "scipy_dgesv_64_", "LAPACK dgesv"),
            (BLAS, "blas_thread_server", "BLAS"),
            (
                "libmkl_avx512.so.2",
                "mkl_blas_avx512_dgemm_kernel_0",
                "BLAS dgemm",
            ),
            (PYTHON, "take_gil", "waiting for the GIL"),
            (PYTHON, "gc_collect_main", "garbage collection"),
            (PYTHON, "PyFloat_FromDouble", "-"),
            ("python3.12", "_PyEval_EvalFrameDefault", "-"),
            ("libc.so.6", "malloc", "memory allocation"),
            ("libc.so.6", "__memmove_avx_unaligned_erms", "memory copy"),
            ("libc.so.6", "0x16da04", "C library"),
            ("libc.so.6", "__libc_start_main", "-"),
            ("libm.so.6", "0x702db", "C library: mathematics"),
            ("libmine.so", "0x1234", "libmine (no symbols)"),
            (
                "_json.cpython-311-x86_64-linux-gnu.so",
                "scan_once_unicode",
                "scan_once_unicode (_json)",
            ),
        ] {
            let found = text(module, symbol);
            if found != expected {
                wrong.push(format!("{symbol}: {found}, not {expected}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn patterns_have_stars_anywhere() {
        assert!(fits("gomp_*wait*", "gomp_team_barrier_wait_end"));
        assert!(fits("*_sum_of_products_*", "double_sum_of_products_two"));
        assert!(fits("free", "free") && !fits("free", "freeze") && !fits("a*b", "abc"));
    }
}
