//! Object file to code that runs.
//!
//! * [`image`]: sections, symbols, relocations. * [`memory`]: pages. * [`unwind`]: unwind tables.
//!   * [`library`]: what LLVM calls on its own.

mod image;
mod library;
mod lines;
mod lock;
mod memory;
mod unwind;

use std::ptr;
use std::time::{Duration, Instant};

use ferdelance_abi::codemap::{self, CODE_MAP};
use ferdelance_abi::layout::Trampoline;
use ferdelance_compiler::tir::PoolEntry;

use crate::compile::Object;
use crate::error::Error;

/// Finds functions that compiled code calls, by linker symbol.
pub trait Symbols {
    /// The address of `fd_*` and of functions of the C library that the runtime table names.
    fn address(&self, name: &str) -> Option<usize>;
}

/// Fills the constant pool.
pub trait PoolResolver {
    /// The word for an entry. What it points to lives as long as the code.
    fn resolve(&mut self, entry: &PoolEntry) -> Result<u64, String>;
}

/// What to do besides mapping the code.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadOptions {
    /// Tell an attached debugger about the code.
    pub gdb: bool,
}

/// A trampoline of a loaded object.
#[derive(Clone, Debug)]
pub struct Entry {
    pub symbol: std::sync::Arc<str>,
    pub address: usize,
    /// Bytes of machine code of the function that it belongs to.
    pub size: usize,
}

impl Entry {
    /// The entry as a function. Its two areas must not overlap: code may read arguments late and
    /// write results early.
    pub fn trampoline(&self) -> Trampoline {
        // SAFETY: emission gave the symbol this signature, and the code is mapped for good unless
        // `Loaded::unload` was called, whose caller promises not to use it again.
        unsafe {
            std::mem::transmute::<*const (), Trampoline>(ptr::with_exposed_provenance(self.address))
        }
    }
}

/// Code in memory. It stays there when this is dropped: a thread may be in it, and its address may
/// be anywhere. See [`Loaded::unload`].
#[derive(Debug)]
pub struct Loaded {
    pub entries: Vec<Entry>,
    /// Bytes of machine code.
    pub code_size: usize,
    /// How long loading took.
    pub time: Duration,
    chunk: memory::Chunk,
    unwind: Option<unwind::Registered>,
    published: Vec<&'static codemap::Entry>,
}

/// Loads an object.
pub fn load(
    object: &Object,
    symbols: &dyn Symbols,
    pool: &mut dyn PoolResolver,
    options: &LoadOptions,
) -> Result<Loaded, Error> {
    let start = Instant::now();
    let _ = options;
    let pool = object.pool.iter().map(|entry| pool.resolve(entry));
    let pool = pool
        .collect::<Result<Vec<u64>, String>>()
        .map_err(Error::link)?;
    let mut image = image::load(&object.bytes, &pool, symbols)?;
    image.chunk.seal()?;

    let mut entries = Vec::with_capacity(object.entries.len());
    for symbol in &object.entries {
        let function = image.functions.iter().find(|f| *f.symbol == **symbol);
        let function = function.ok_or_else(|| Error::link(format!("no symbol {symbol}")))?;
        entries.push(Entry {
            symbol: symbol.clone(),
            address: function.start,
            size: function.size,
        });
    }
    // SAFETY: the table is relocated and terminated, and its memory stays until `unload`.
    let unwind = image
        .eh_frame
        .map(|at| unsafe { unwind::Registered::new(at) });
    let mut published = Vec::new();
    let rows = lines::read(&image::parse(&object.bytes)?, &image.sections)?;
    for f in &image.functions {
        let (lines, scopes) = lines::of_function(f, &rows, &object.locations);
        let entry = codemap::Entry::new(f.start, f.size, &f.symbol, lines, scopes);
        published.push(CODE_MAP.publish(entry));
    }
    Ok(Loaded {
        entries,
        code_size: image.functions.iter().map(|f| f.size).sum(),
        time: start.elapsed(),
        chunk: image.chunk,
        unwind,
        published,
    })
}

impl Loaded {
    /// Takes the code out of memory; its pages are used for other code.
    ///
    /// # Safety
    /// No thread is in this code or enters it later, also not by returning into it.
    pub unsafe fn unload(self) {
        for entry in self.published {
            entry.retire();
        }
        if let Some(table) = self.unwind {
            table.remove();
        }
        // SAFETY: as promised; nothing refers to the unwind table any more.
        unsafe { self.chunk.free() };
    }
}
