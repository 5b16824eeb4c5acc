//! The compiler and the code generator behind one interface: HIR and types in, code that runs out.
//!
//! The only module that knows `compiler::pipeline`, `compiler::syntax` and `jit` (of which
//! [`cache`](crate::cache) knows the files).

use std::cell::OnceCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ferdelance_abi::layout::{Location, OWNER_STATIC, Trampoline, array_slots};
use ferdelance_abi::rtfn;
use ferdelance_abi::settings::Options;
use ferdelance_compiler::diag::{self, Diagnostic};
use ferdelance_compiler::hir;
use ferdelance_compiler::host::Host;
use ferdelance_compiler::pipeline;
use ferdelance_compiler::syntax::{self, Locator};
use ferdelance_compiler::tir::{PoolEntry, Program, Type};
use ferdelance_compiler::types::{PyRef, Ty};
use ferdelance_jit as jit;
use pyo3::prelude::*;

use crate::capture::{At, Place};
use crate::num::slots;
use crate::numpy::{self, numpy};
use crate::options::DispatcherOptions;
use crate::{errors, functions, handles, inspect, lock};

/// Code for one signature.
pub struct Unit {
    pub trampoline: Trampoline,
    /// The address as a value of a function type, if it was asked for.
    pub pointer: Option<usize>,
    /// The function for C, if one was asked for, and its symbol.
    pub c_function: Option<(usize, Arc<str>)>,
    pub result: Ty,
    /// Gone only while this is dropped.
    loaded: Option<jit::Loaded>,
    asked: Asked,
    /// What texts are made from; of code from the cache only once somebody has asked.
    examined: OnceCell<Examined>,
    options: Options,
    settings: jit::Settings,
    timings: Timings,
    /// What the code's constant pool points to.
    _pool: Pool,
}

/// What is wanted of the code of a signature.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// The result type, where an explicit signature says it.
    pub result: Option<Ty>,
    /// Its address is used as a value.
    pub as_value: bool,
    /// C calls it, too.
    pub for_c: bool,
}

/// What the compiler found out on the way.
struct Examined {
    program: Program,
    report: pipeline::Report,
    module: Arc<hir::Module>,
}

#[derive(Clone, Copy, Default)]
struct Timings {
    front: Duration,
    llvm: jit::Timings,
    link: Duration,
    total: Duration,
}

impl Drop for Unit {
    fn drop(&mut self) {
        if let Some(loaded) = self.loaded.take() {
            // SAFETY: a unit belongs to a dispatcher, which is alive while somebody is in its code; what
            // leaves the code (errors, arrays, strings) does not point into it.
            unsafe { loaded.unload() };
        }
    }
}

/// Why there is no code.
pub enum Failure {
    /// The user's program.
    Diagnostic(Box<Diagnostic>),
    /// A bug of ours.
    Internal(String),
    /// Python code raised.
    Raised(PyErr),
}

impl Failure {
    pub fn into_exception(self, py: Python<'_>) -> PyErr {
        match self {
            Failure::Diagnostic(diagnostic) => errors::diagnostic(py, &diagnostic),
            Failure::Internal(message) => errors::internal(py, &message),
            Failure::Raised(error) => error,
        }
    }
}

/// The HIR of a function.
pub fn parse(
    place: &Place,
    function: PyRef,
    coerced: &[Arc<str>],
) -> diag::Result<Arc<hir::Module>> {
    let at = match &place.at {
        At::Def { line, name } => Locator::Def {
            line: *line,
            name: Arc::from(name.as_str()),
        },
        At::Lambda { line, column } => Locator::Lambda {
            line: *line,
            col: *column,
        },
    };
    let scope = hir::Scope::Python(function);
    syntax::parse(
        place.source.clone(),
        &at,
        scope,
        &place.qualname,
        &place.free,
        coerced,
    )
    .map(Arc::new)
}

/// Compiles a function for argument types, and loads the code. With `symbol`, equal requests give equal
/// objects in every process.
pub fn compile(
    py: Python<'_>,
    host: &dyn Host,
    module: Arc<hir::Module>,
    args: &[Ty],
    asked: Asked,
    options: &DispatcherOptions,
    symbol: Option<u64>,
) -> Result<(Unit, jit::Object), Failure> {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    let start = Instant::now();
    let symbol = match symbol {
        Some(symbol) => format!("{symbol:016x}"),
        None => SERIAL.fetch_add(1, Relaxed).to_string(),
    };
    let settings = settings(py);
    let target = settings.cpu.target();
    let (examined, result) = examine(host, module, args, asked, options, target, &symbol)?;
    let program = &examined.program;
    check_slots(program, args, result).map_err(Failure::Internal)?;
    let front = start.elapsed();
    // LLVM needs nothing of Python, and takes the longest.
    let object = py.detach(|| lock::native(|| jit::compile(program, &settings)));
    let object = object.map_err(|error| Failure::Internal(error.to_string()))?;
    let debugger = options.compiler.debug;
    let mut unit = load(py, &object, result, asked, options.compiler, debugger)?;
    if options.compiler.parallel.any() {
        crate::parallel::warn(py, program, &examined.module).map_err(Failure::Raised)?;
    }
    unit.examined = OnceCell::from(examined);
    unit.timings = Timings {
        front,
        llvm: object.timings,
        total: start.elapsed(),
        ..unit.timings
    };
    TOTALS.count.fetch_add(1, Relaxed);
    TOTALS
        .nanoseconds
        .fetch_add(unit.timings.total.as_nanos() as u64, Relaxed);
    TOTALS
        .llvm_nanoseconds
        .fetch_add(unit.timings.llvm.total().as_nanos() as u64, Relaxed);
    Ok((unit, object))
}

/// All of a compile that comes before code is generated; `symbol` is unique in the process.
fn examine(
    host: &dyn Host,
    module: Arc<hir::Module>,
    args: &[Ty],
    asked: Asked,
    options: &DispatcherOptions,
    target: pipeline::Target,
    symbol: &str,
) -> Result<(Examined, Ty), Failure> {
    let name = module
        .functions
        .first()
        .map_or("f", |function| &*function.name);
    let request = pipeline::Request {
        symbol: format!("ferdelance.{}.{symbol}", symbol_name(name)).into(),
        module: module.clone(),
        args: args.to_vec(),
        result: asked.result,
        options: options.compiler,
        target,
        locals: options.locals.to_vec(),
        as_value: asked.as_value,
        for_c: asked.for_c,
    };
    let compiled = pipeline::compile(host, &request).map_err(Failure::Diagnostic)?;
    let examined = Examined {
        program: compiled.program,
        report: compiled.report,
        module,
    };
    Ok((examined, compiled.result))
}

/// Loads code, made now or by another process; `debugger`: debuggers are told.
pub fn load(
    py: Python<'_>,
    object: &jit::Object,
    result: Ty,
    asked: Asked,
    options: Options,
    debugger: bool,
) -> Result<Unit, Failure> {
    let mut pool = Pool::default();
    let mut resolver = Resolver {
        py,
        pool: &mut pool,
        failure: None,
    };
    let load_options = jit::LoadOptions {
        gdb: debugger,
        ..Default::default()
    };
    let loaded = jit::load(object, &Runtime, &mut resolver, &load_options);
    let loaded = match (loaded, resolver.failure) {
        (Ok(loaded), _) => loaded,
        (Err(_), Some(failure)) => return Err(Failure::Raised(failure)),
        (Err(error), None) => return Err(Failure::Internal(error.to_string())),
    };
    // The trampoline, then what else was asked for.
    let mut entries = loaded.entries.iter();
    let trampoline = entries.next();
    let pointer = if asked.as_value { entries.next() } else { None };
    let c_function = if asked.for_c { entries.next() } else { None };
    let Some(entry) = trampoline else {
        return Err(Failure::Internal("the code has no entry".to_owned()));
    };
    TOTALS
        .code_bytes
        .fetch_add(loaded.code_size as u64, Relaxed);
    Ok(Unit {
        trampoline: entry.trampoline(),
        pointer: pointer.map(|entry| entry.address),
        c_function: c_function.map(|entry| (entry.address, entry.symbol.clone())),
        result,
        timings: Timings {
            link: loaded.time,
            ..Timings::default()
        },
        loaded: Some(loaded),
        asked,
        examined: OnceCell::new(),
        options,
        settings: settings(py),
        _pool: pool,
    })
}

/// Compiles and loads what calls the C function at an address, for good.
pub fn load_adapter(py: Python<'_>, program: &Program, function: usize) -> Result<usize, Failure> {
    /// There is one entry, the function.
    struct Only(usize);
    impl jit::PoolResolver for Only {
        fn resolve(&mut self, _entry: &PoolEntry) -> Result<u64, String> {
            Ok(self.0 as u64)
        }
    }
    let settings = settings(py);
    let object = py.detach(|| lock::native(|| jit::compile(program, &settings)));
    let loaded = object.and_then(|object| {
        let options = jit::LoadOptions::default();
        jit::load(&object, &Runtime, &mut Only(function), &options)
    });
    let loaded = loaded.map_err(|error| Failure::Internal(error.to_string()))?;
    let entry = loaded.entries.get(program.entries.len());
    entry
        .map(|entry| entry.address)
        .ok_or_else(|| Failure::Internal("the code has no entry".to_owned()))
}

/// What code is generated for, as text.
pub fn target(py: Python<'_>) -> String {
    format!("{:?}", settings(py))
}

/// The machine to compile for: this one, unless the configuration says otherwise.
fn settings(py: Python<'_>) -> jit::Settings {
    let mut settings = jit::Settings::default();
    let Ok(config) = py.import("ferdelance.config") else {
        return settings;
    };
    let text = |name: &str| {
        config
            .getattr(name)
            .ok()?
            .extract::<Option<String>>()
            .ok()?
    };
    let level = config.getattr("OPT").and_then(|level| level.extract());
    settings.optimise = level.is_ok_and(|level: i64| level > 0);
    if let Some(name) = text("CPU_NAME") {
        // What another machine has beyond its name is not known.
        settings.cpu = jit::Cpu {
            name,
            features: String::new(),
        };
    }
    if let Some(features) = text("CPU_FEATURES") {
        settings.cpu.features = features;
    }
    settings
}

/// Both sides of the boundary must agree on the slots of every value; a disagreement would corrupt memory.
fn check_slots(program: &Program, args: &[Ty], result: Ty) -> Result<(), String> {
    let entry = program
        .entries
        .first()
        .and_then(|id| program.functions.get(id.index()));
    let entry = entry.ok_or("the program has no entry")?;
    let count = |types: &[Type]| -> usize {
        let slots = |ty: &Type| match ty {
            Type::Array(ndim) => array_slots(usize::from(*ndim)),
            _ => 1,
        };
        types.iter().map(slots).sum()
    };
    let expected: usize = args.iter().map(|&arg| slots(arg)).sum();
    if count(&entry.params) == expected && count(&entry.results) == slots(result) {
        return Ok(());
    }
    Err(format!(
        "{args:?} -> {result} is not what the code takes and gives"
    ))
}

/// A name as symbols may have it.
fn symbol_name(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' {
                c
            } else {
                '_'
            }
        })
        .collect()
}

// ---- counters ------------------------------------------------------------------------------------

struct Counters {
    count: AtomicU64,
    nanoseconds: AtomicU64,
    llvm_nanoseconds: AtomicU64,
    code_bytes: AtomicU64,
}

static TOTALS: Counters = Counters {
    count: AtomicU64::new(0),
    nanoseconds: AtomicU64::new(0),
    llvm_nanoseconds: AtomicU64::new(0),
    code_bytes: AtomicU64::new(0),
};

/// Sums over all compilations of this process.
pub struct Totals {
    pub count: u64,
    pub seconds: f64,
    pub llvm_seconds: f64,
    pub code_bytes: u64,
}

pub fn totals() -> Totals {
    Totals {
        count: TOTALS.count.load(Relaxed),
        seconds: TOTALS.nanoseconds.load(Relaxed) as f64 / 1e9,
        llvm_seconds: TOTALS.llvm_nanoseconds.load(Relaxed) as f64 / 1e9,
        code_bytes: TOTALS.code_bytes.load(Relaxed),
    }
}

// ---- the constant pool ---------------------------------------------------------------------------

/// What the words of a constant pool point to.
#[derive(Default)]
struct Pool {
    // Used by address.
    #[expect(
        clippy::vec_box,
        reason = "the addresses must not change when the list grows"
    )]
    locations: Vec<Box<Location>>,
    texts: Vec<Arc<str>>,
    contents: Vec<Arc<[u8]>>,
    slots: Vec<Box<[u64]>>,
}

impl Pool {
    /// Keeps the slots of an array; their address.
    fn keep(&mut self, slots: Box<[u64]>) -> u64 {
        let address = slots.as_ptr().expose_provenance() as u64;
        self.slots.push(slots);
        address
    }
}

struct Resolver<'a, 'py> {
    py: Python<'py>,
    pool: &'a mut Pool,
    /// What was raised while a function that the code refers to was compiled.
    failure: Option<PyErr>,
}

impl Resolver<'_, '_> {
    fn raised<T>(&mut self, result: PyResult<T>) -> Result<T, String> {
        result.map_err(|error| {
            let text = error.to_string();
            self.failure = Some(error);
            text
        })
    }
}

impl jit::PoolResolver for Resolver<'_, '_> {
    fn resolve(&mut self, entry: &PoolEntry) -> Result<u64, String> {
        let object = |handle: PyRef| {
            handles::lookup(self.py, handle).ok_or("an object that the code refers to is gone")
        };
        Ok(match entry {
            PoolEntry::Location {
                file,
                function,
                line,
                column,
            } => {
                let location = Box::new(Location {
                    file: file.as_ptr(),
                    file_len: file.len(),
                    function: function.as_ptr(),
                    function_len: function.len(),
                    line: *line,
                    column: *column,
                });
                self.pool.texts.extend([file.clone(), function.clone()]);
                let address = (&raw const *location).expose_provenance();
                self.pool.locations.push(location);
                address as u64
            }
            // Literals live forever: results may share them.
            PoolEntry::Str(text) => {
                ferdelance_runtime::string::str_immortal(text).expose_provenance() as u64
            }
            PoolEntry::Bytes(content) => {
                let (data, len) = (content.as_ptr().expose_provenance(), content.len());
                self.pool.contents.push(content.clone());
                self.pool
                    .keep(Box::new([OWNER_STATIC as u64, data as u64, len as u64, 1]))
            }
            PoolEntry::Object(handle) => object(*handle)?.as_ptr().expose_provenance() as u64,
            PoolEntry::Function { function, ty } => {
                let found = functions::constant_address(&object(*function)?, *ty);
                self.raised(found)? as u64
            }
            PoolEntry::Foreign(handle) => {
                let found = functions::foreign(&object(*handle)?);
                self.raised(found)? as u64
            }
            PoolEntry::Array(handle) => {
                let array = object(*handle)?;
                // SAFETY: checked to be an array, whose structure is known. The overload pins it.
                unsafe {
                    if !numpy().is_array(array.as_ptr()) {
                        return Err("a frozen array is none".to_owned());
                    }
                    let array = &*array.as_ptr().cast::<numpy::Array>();
                    self.pool.keep(frozen_slots(array))
                }
            }
        })
    }
}

/// The slots of an array that nobody counts: owner, data, shape, strides.
///
/// # Safety
/// The structure is that of an array.
unsafe fn frozen_slots(array: &numpy::Array) -> Box<[u64]> {
    let mut slots = vec![OWNER_STATIC as u64, array.data.expose_provenance() as u64];
    for table in [array.shape, array.strides] {
        // SAFETY: shape and strides have `nd` items.
        slots.extend((0..array.nd as usize).map(|i| unsafe { *table.add(i) } as u64));
    }
    slots.into()
}

/// The runtime's functions by symbol.
struct Runtime;

impl jit::Symbols for Runtime {
    fn address(&self, name: &str) -> Option<usize> {
        let row = rtfn::TABLE.iter().find(|row| row.symbol == name)?;
        Some(ferdelance_runtime::address(row.func))
    }
}

// ---- inspection ----------------------------------------------------------------------------------

impl Unit {
    /// Whether texts can be made; otherwise [`Unit::examine`] comes first.
    pub fn is_examined(&self) -> bool {
        self.examined.get().is_some()
    }

    /// Finds out about code from the cache what texts are made from.
    pub fn examine(
        &self,
        host: &dyn Host,
        module: Arc<hir::Module>,
        args: &[Ty],
        options: &DispatcherOptions,
    ) -> Result<(), Failure> {
        let target = self.settings.cpu.target();
        let (examined, _) = examine(host, module, args, self.asked, options, target, "cached")?;
        // If somebody was faster, it is the same.
        self.examined.get_or_init(|| examined);
        Ok(())
    }
}

/// A text about a unit.
pub fn text(unit: &Unit, what: &str) -> Result<String, String> {
    if what == "metadata" {
        return Ok(metadata(unit));
    }
    let examined = unit.examined.get();
    let Examined {
        program,
        report,
        module,
    } = examined.ok_or("nothing is known about code from the cache")?;
    Ok(match what {
        "types" => report.types(),
        "hir" => report.hir(),
        "tir" => program.to_string(),
        "cfg" => {
            let entry = program
                .entries
                .first()
                .and_then(|id| program.functions.get(id.index()));
            entry.map(jit::cfg).unwrap_or_default()
        }
        "llvm" => {
            let text = lock::native(|| jit::llvm_ir(program, &unit.settings, true));
            text.map_err(|error| error.to_string())?
        }
        "asm" => {
            let text = lock::native(|| jit::asm(program, &unit.settings));
            text.map_err(|error| error.to_string())?
        }
        "explain" => {
            let vectorised = lock::native(|| jit::vectorised(program, &unit.settings));
            let vectorised = vectorised.map_err(|error| error.to_string())?;
            inspect::explain(report, &vectorised, module, program, unit.options)
        }
        _ => return Err(format!("there is no text {what:?} about compiled code")),
    })
}

/// Facts about a compilation, as JSON.
fn metadata(unit: &Unit) -> String {
    let Timings {
        front,
        llvm,
        link,
        total,
    } = unit.timings;
    let code_bytes = unit.loaded.as_ref().map_or(0, |loaded| loaded.code_size);
    let functions = unit
        .examined
        .get()
        .map(|examined| examined.program.functions.len());
    let fields = [
        format!("\"code_bytes\": {code_bytes}"),
        format!(
            "\"functions\": {}",
            functions.map_or("null".to_owned(), |n| n.to_string())
        ),
        format!("\"compile_seconds\": {:.9}", total.as_secs_f64()),
        format!("\"front_seconds\": {:.9}", front.as_secs_f64()),
        format!("\"llvm_seconds\": {:.9}", llvm.total().as_secs_f64()),
        format!("\"emit_seconds\": {:.9}", llvm.emit.as_secs_f64()),
        format!("\"optimise_seconds\": {:.9}", llvm.optimise.as_secs_f64()),
        format!("\"codegen_seconds\": {:.9}", llvm.codegen.as_secs_f64()),
        format!("\"link_seconds\": {:.9}", link.as_secs_f64()),
    ];
    format!("{{{}}}", fields.join(", "))
}
