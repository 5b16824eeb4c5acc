//! Names of native functions, from the symbol tables of the files that they are in.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use object::{Object, ObjectSymbol, ReadCache, SymbolKind};

use crate::debug::separate;

#[derive(Default)]
pub struct Symbols {
    files: HashMap<String, Vec<Symbol>>,
}

pub struct Symbol {
    pub start: u64,
    size: u64,
    pub name: Box<str>,
}

impl Symbols {
    /// The function of a file that an address in it belongs to.
    pub fn find(&mut self, path: &str, address: u64) -> Option<&Symbol> {
        if !self.files.contains_key(path) {
            self.files.insert(path.to_owned(), read(path));
        }
        let symbols = self.files.get(path)?;
        let after = symbols.partition_point(|s| s.start <= address);
        let symbol = symbols.get(after.checked_sub(1)?)?;
        // Those without a size, of assembly, go up to the next one.
        (symbol.size == 0 || address - symbol.start < symbol.size).then_some(symbol)
    }
}

fn read(path: &str) -> Vec<Symbol> {
    let Ok(file) = File::open(path) else {
        return vec![];
    };
    let cache = ReadCache::new(file);
    let Ok(object) = object::File::parse(&cache) else {
        return vec![];
    };
    let mut all = of_object(&object);
    // What was stripped may be kept elsewhere.
    if object.symbol_table().is_none()
        && let Some(file) = separate(&object, Path::new(path)).and_then(|p| File::open(p).ok())
        && let cache = ReadCache::new(file)
        && let Ok(object) = object::File::parse(&cache)
    {
        all.extend(of_object(&object));
    }
    // Of several names for one function the one with a size, and then the shortest.
    all.sort_by(|a, b| {
        let key = |s: &Symbol| (s.start, s.size == 0, s.name.len());
        key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
    });
    all.dedup_by_key(|s| s.start);
    all
}

fn of_object<'d>(object: &object::File<'d, &'d ReadCache<File>>) -> Vec<Symbol> {
    let symbols = object.symbols().chain(object.dynamic_symbols());
    symbols
        .filter(|s| s.is_definition() && matches!(s.kind(), SymbolKind::Text | SymbolKind::Unknown))
        .filter(|s| s.address() != 0)
        .filter_map(|s| {
            Some(Symbol {
                start: s.address(),
                size: s.size(),
                name: s.name().ok().filter(|n| !n.is_empty())?.into(),
            })
        })
        .collect()
}

/// Where a variable of a file is.
pub fn variable(path: &str, name: &str) -> Option<u64> {
    let cache = ReadCache::new(File::open(path).ok()?);
    let object = object::File::parse(&cache).ok()?;
    let mut symbols = object.symbols().chain(object.dynamic_symbols());
    let is_it = |s: &object::Symbol<'_, '_, _>| s.is_definition() && s.name() == Ok(name);
    symbols.find(is_it).map(|s| s.address())
}

/// A name as it was written: of C++ and Rust.
pub fn demangled(name: &str) -> String {
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        return format!("{rust:#}");
    }
    let is_cpp = name.starts_with("_Z");
    let options = cpp_demangle::DemangleOptions::new().no_params();
    is_cpp
        .then(|| {
            cpp_demangle::Symbol::new(name)
                .ok()?
                .demangle_with_options(&options)
                .ok()
        })
        .flatten()
        .unwrap_or_else(|| name.split('@').next().unwrap_or(name).to_owned())
}
