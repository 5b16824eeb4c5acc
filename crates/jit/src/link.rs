//! Object file to code that runs.
//!
//! * [`image`]: sections, symbols, relocations. * [`memory`]: pages. * [`library`]: what LLVM calls on
//!   its own. * [`unwind`]: unwind tables. * [`lines`]: the code map. * [`gdb`], [`perf`]: tools.

mod gdb;
mod image;
mod library;
mod lines;
mod lock;
mod memory;
mod perf;
mod unwind;

use std::ptr;
use std::time::{Duration, Instant};

use ferdelance_abi::codemap::{self, CODE_MAP};
use ferdelance_abi::layout::Trampoline;
use ferdelance_compiler::tir::PoolEntry;

pub use perf::Perf;

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
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Tell debuggers about the code. Keeps a copy of the object in memory.
    pub gdb: bool,
    /// Tell `perf` about the code.
    pub perf: Perf,
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
    gdb: Option<gdb::Registered>,
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
    let pool = object.pool.iter().map(|entry| pool.resolve(entry));
    let pool = pool
        .collect::<Result<Vec<u64>, String>>()
        .map_err(Error::link)?;
    let file = image::parse(&object.bytes)?;
    let mut image = image::load(&file, &pool, symbols)?;
    let described = describe(object, &file, &mut image, options);
    let (entries, map, gdb) = match described {
        Ok(described) => described,
        Err(error) => {
            // SAFETY: nobody was told the addresses.
            unsafe { image.chunk.free() };
            return Err(error);
        }
    };
    // SAFETY: the table is relocated and terminated, and its memory stays until `unload`.
    let unwind = image
        .eh_frame
        .map(|at| unsafe { unwind::Registered::new(at) });
    let published: Vec<_> = map
        .into_iter()
        .map(|entry| CODE_MAP.publish(entry))
        .collect();
    perf::record(&options.perf, &published);
    Ok(Loaded {
        entries,
        code_size: image.functions.iter().map(|f| f.size).sum(),
        time: start.elapsed(),
        chunk: image.chunk,
        unwind,
        gdb,
        published,
    })
}

type Described = (Vec<Entry>, Vec<codemap::Entry>, Option<gdb::Registered>);

/// Makes an image executable; finds its entries and what the code map says of it. What can fail
/// comes before anything is made public.
fn describe(
    object: &Object,
    file: &image::File<'_>,
    image: &mut image::Image,
    options: &LoadOptions,
) -> Result<Described, Error> {
    image.chunk.seal()?;
    let mut entries = Vec::with_capacity(object.entries.len());
    for symbol in &object.entries {
        let function = image.functions.iter().find(|f| *f.symbol == **symbol);
        let function = function.ok_or_else(|| Error::link(format!("no symbol {symbol}")))?;
        let symbol = symbol.clone();
        entries.push(Entry {
            symbol,
            address: function.start,
            size: function.size,
        });
    }
    let rows = lines::read(file, &image.sections)?;
    let map = image.functions.iter().map(|f| {
        let (lines, scopes) = lines::of_function(f, &rows, &object.locations);
        codemap::Entry::new(f.start, f.size, &f.symbol, lines, scopes)
    });
    let map = map.collect();
    let gdb = options
        .gdb
        .then(|| gdb::Registered::new(&object.bytes, image))
        .transpose()?;
    Ok((entries, map, gdb))
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
        if let Some(object) = self.gdb {
            object.remove();
        }
        // SAFETY: as promised; nothing refers to the unwind table any more.
        unsafe { self.chunk.free() };
    }
}
