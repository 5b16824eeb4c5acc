//! What native functions do, in words: the loops of NumPy, the routines of BLAS, the interpreter.

use crate::model::{Function, Kind, Recording};

/// Types as NumPy's loops are named by them.
const TYPES: [(&str, &str); 21] = [
    ("LONGDOUBLE", "longdouble"),
    ("CLONGDOUBLE", "clongdouble"),
    ("ULONGLONG", "uint64"),
    ("LONGLONG", "int64"),
    ("CDOUBLE", "complex128"),
    ("CFLOAT", "complex64"),
    ("DATETIME", "datetime64"),
    ("TIMEDELTA", "timedelta64"),
    ("DOUBLE", "float64"),
    ("USHORT", "uint16"),
    ("OBJECT", "object"),
    ("FLOAT", "float32"),
    ("SHORT", "int16"),
    ("UBYTE", "uint8"),
    ("ULONG", "uint64"),
    ("BOOL", "bool"),
    ("BYTE", "int8"),
    ("HALF", "float16"),
    ("LONG", "int64"),
    ("UINT", "uint32"),
    ("INT", "int32"),
];
/// Names of instruction sets at the ends of names.
const SETS: [&str; 12] = [
    "_X86_V4",
    "_X86_V3",
    "_X86_V2",
    "_AVX512_SKX",
    "_AVX512F",
    "_avx512_skx",
    "_AVX2",
    "_avx2",
    "_FMA3",
    "_SSE41",
    "_ASIMD",
    "_indexed",
];
/// Routines of BLAS and LAPACK, without the letter of their type.
const ROUTINES: [&str; 24] = [
    "gemm", "gemv", "trsm", "trmm", "trsv", "syrk", "symm", "symv", "syr", "dot", "axpy", "scal",
    "nrm2", "ger", "getrf", "getrs", "potrf", "gesdd", "gesvd", "syevd", "geev", "geqrf", "laswp",
    "copy",
];

/// What a native function does, if it is one that is known.
pub fn operation(recording: &Recording, function: &Function) -> Option<String> {
    let name = recording.texts.get(function.name);
    let module = recording.texts.get(function.module);
    match function.kind {
        Kind::Kernel => return Some("kernel".to_owned()),
        // Made by another compiler, while the program ran.
        Kind::Marker => return Some("compiled code".to_owned()),
        Kind::Native => {}
        _ => return None,
    }
    if name.starts_with("take_gil") {
        return Some("taking the GIL".to_owned());
    }
    if name.contains("gc_collect") || name.starts_with("_PyGC_") {
        return Some("garbage collection".to_owned());
    }
    if module.contains("multiarray") || module.contains("_umath") {
        return numpy(name);
    }
    if ["openblas", "mkl", "blis", "blas", "lapack"]
        .iter()
        .any(|m| module.contains(m))
    {
        return Some(blas(name));
    }
    if module.starts_with("libc.") || module.starts_with("libc-") {
        let kinds = [
            ("memmove", "memory copy"),
            ("memcpy", "memory copy"),
            ("memset", "memory fill"),
            ("malloc", "malloc"),
            ("free", "malloc"),
            ("calloc", "malloc"),
            ("realloc", "malloc"),
        ];
        let kind = kinds.iter().find(|(part, _)| name.contains(part));
        return kind.map(|(_, text)| (*text).to_owned());
    }
    None
}

/// Whether a function is part of CPython.
pub fn is_interpreter(recording: &Recording, function: &Function) -> bool {
    let module = recording.texts.get(function.module);
    function.kind == Kind::Native
        && (module.starts_with("libpython") || module.starts_with("python3"))
}

fn numpy(name: &str) -> Option<String> {
    if let Some((_, rest)) = name.split_once("_cast_") {
        let (from, to) = rest.split_once("_to_")?;
        return Some(format!("cast {}→{}", c_type(from), c_type(to)));
    }
    let lower = name.to_lowercase();
    if ["sort", "heapify"].iter().any(|part| lower.contains(part)) {
        let ty = ["double", "float", "int", "long"]
            .iter()
            .find(|t| lower.contains(*t));
        return Some(match ty {
            Some(ty) => format!("sort {}", c_type(ty)),
            None => "sort".to_owned(),
        });
    }
    let (ty, rest) = TYPES
        .iter()
        .find_map(|(prefix, ty)| Some((*ty, name.strip_prefix(prefix)?.strip_prefix('_')?)))?;
    let mut rest = rest;
    while let Some(shorter) = SETS.iter().find_map(|set| rest.strip_suffix(set)) {
        rest = shorter;
    }
    let rest = rest.split('.').next().unwrap_or(rest);
    Some(format!("{rest} {ty}"))
}

/// NumPy's name of a type of C.
fn c_type(name: &str) -> &str {
    match name {
        "double" => "float64",
        "float" => "float32",
        "half" => "float16",
        "long" | "longlong" => "int64",
        "ulong" | "ulonglong" => "uint64",
        "int" => "int32",
        "uint" => "uint32",
        "short" => "int16",
        "ushort" => "uint16",
        "byte" => "int8",
        "ubyte" => "uint8",
        "cdouble" => "complex128",
        "cfloat" => "complex64",
        other => other,
    }
}

fn blas(name: &str) -> String {
    for letter in ['d', 's', 'z', 'c'] {
        for routine in ROUTINES {
            let full = format!("{letter}{routine}");
            let is_word = |at: usize| at == 0 || !name.as_bytes()[at - 1].is_ascii_alphanumeric();
            if name.match_indices(&full).any(|(at, _)| is_word(at)) {
                return format!("BLAS {full}");
            }
        }
    }
    "BLAS".to_owned()
}

#[cfg(test)]
mod tests {
    use super::{blas, numpy};

    #[test]
    fn loops_are_named_by_operation_and_type() {
        let cases = [
            ("DOUBLE_add_AVX512F", Some("add float64")),
            ("DOUBLE_exp_X86_V4", Some("exp float64")),
            ("FLOAT_multiply", Some("multiply float32")),
            (
                "DOUBLE_matmul_matrixmatrix.isra.0",
                Some("matmul_matrixmatrix float64"),
            ),
            (
                "_aligned_contig_cast_double_to_float",
                Some("cast float64→float32"),
            ),
            ("quicksort_double", Some("sort float64")),
            ("PyArray_NewFromDescr", None),
        ];
        for (name, wanted) in cases {
            assert_eq!(numpy(name).as_deref(), wanted, "{name}");
        }
        assert_eq!(blas("dgemm_kernel_SKYLAKEX"), "BLAS dgemm");
        assert_eq!(blas("scipy_cblas_dgemv64_"), "BLAS dgemv");
        assert_eq!(blas("blas_thread_server"), "BLAS");
    }
}
