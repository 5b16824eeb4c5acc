//! The prelude: library functions written in the compiled subset of Python. Its files are part of the
//! package (so that tracebacks and debuggers show them) and embedded here.
//!
//! A function `builtins_sum` there is what the builtin `sum` compiles to, `math_factorial` what
//! `math.factorial`, `array_sum` what the method `sum` of arrays; other names are private to it.

use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;

use crate::diag::Result;
use crate::hir;
use crate::source::Source;

/// Names and texts of the files, as the package has them.
const FILES: &[(&str, &str)] = &[("prelude/core.py", include_str!("../../../python/ferdelance/prelude/core.py"))];

type Loaded = (Arc<hir::Module>, Arc<FxHashMap<Arc<str>, hir::FuncId>>);

/// The prelude's functions; parsed at first use.
pub fn load() -> Result<Loaded> {
    static LOADED: OnceLock<Result<Loaded>> = OnceLock::new();
    LOADED.get_or_init(parse).clone()
}

fn parse() -> Result<Loaded> {
    // One text, so that functions of all files see each other.
    let [(name, text)] = FILES else { unreachable!("the prelude is one file so far") };
    let (module, names) = crate::syntax::parse_prelude(Arc::new(Source::new(name, text, 1, 0)))?;
    Ok((Arc::new(module), Arc::new(names.into_iter().collect())))
}
