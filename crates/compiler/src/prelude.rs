//! The prelude: library functions written in the compiled subset of Python. Its files are part of the
//! package (so that tracebacks and debuggers show them) and embedded here.
//!
//! A function `builtins_sum` there is what the builtin `sum` compiles to, `math_factorial` what
//! `math.factorial`, `array_sum` what the method `sum` of arrays; other names are private to their
//! file. Functions see those of their own file, and the supported functions by their public names.

use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;

use crate::diag::Result;
use crate::hir;
use crate::source::Source;

macro_rules! files {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../../python/ferdelance/", $name)))),*]
    };
}

/// Names and texts of the files.
const FILES: &[(&str, &str)] = files![
    "prelude/arrays.py" "prelude/buffers.py" "prelude/core.py" "prelude/elementwise.py" "prelude/grids.py" "prelude/joining.py" "prelude/linalg.py"
    "prelude/dicts.py" "prelude/lists.py" "prelude/math.py" "prelude/matrices.py" "prelude/picking.py"
    "prelude/polynomials.py" "prelude/quantiles.py" "prelude/reductions.py" "prelude/shapes.py" "prelude/signals.py"
    "prelude/sorting.py" "prelude/ufuncs.py"
];

/// A file: its functions, and which names they have.
#[derive(Clone, Debug)]
pub struct File {
    pub module: Arc<hir::Module>,
    pub names: Arc<FxHashMap<Arc<str>, hir::FuncId>>,
}

/// Where a function of this name is: the number of its file, and its number there. The file is parsed if
/// it has not been.
pub fn find(name: &str) -> Result<Option<(usize, &'static File, hir::FuncId)>> {
    static DEFINED: OnceLock<FxHashMap<&str, usize>> = OnceLock::new();
    let defined = DEFINED.get_or_init(|| {
        let names = |(i, (_, text)): (usize, &(&str, &'static str))| {
            text.lines().filter_map(move |line| {
                let (name, _) = line.strip_prefix("def ")?.split_once('(')?;
                Some((name, i))
            })
        };
        FILES.iter().enumerate().flat_map(names).collect()
    });
    let Some(&number) = defined.get(name) else {
        return Ok(None);
    };
    let file = load(number)?;
    Ok(file.names.get(name).map(|&f| (number, file, f)))
}

/// A file by number; parsed at first use.
fn load(number: usize) -> Result<&'static File> {
    static LOADED: [OnceLock<Result<File>>; FILES.len()] = [const { OnceLock::new() }; FILES.len()];
    let (name, text) = FILES[number];
    LOADED[number]
        .get_or_init(|| parse(name, text))
        .as_ref()
        .map_err(Clone::clone)
}

fn parse(name: &str, text: &str) -> Result<File> {
    let (module, names) = crate::syntax::parse_prelude(Arc::new(Source::new(name, text, 1, 0)))?;
    Ok(File {
        module: Arc::new(module),
        names: Arc::new(names.into_iter().collect()),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use crate::hir::Op;

    #[test]
    fn public_names_are_defined_once() {
        let mut defined: HashMap<String, usize> = HashMap::new();
        for number in 0..super::FILES.len() {
            let file = super::load(number).expect("the prelude is well-formed");
            for name in file.names.keys().filter(|name| !name.starts_with('_')) {
                let before = defined.insert(name.to_string(), number);
                assert_eq!(before, None, "{name} is defined twice");
            }
        }
    }

    #[test]
    fn no_variable_has_to_be_checked_for_a_value() {
        for number in 0..super::FILES.len() {
            let file = super::load(number).expect("the prelude is well-formed");
            for f in &file.module.functions {
                let checks = f
                    .blocks
                    .iter()
                    .flat_map(|b| &b.insts)
                    .find(|i| matches!(i.op, Op::CheckBound(..)));
                assert!(checks.is_none(), "in {}:\n{f}", f.qualname);
            }
        }
    }
}
