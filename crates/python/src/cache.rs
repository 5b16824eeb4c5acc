//! Code of earlier processes: `cache=True`.
//!
//! A function with a cache is looked for before it is parsed ([`Request::find`]): its key is made of
//! what is at hand ([`code`], types, options, versions), and the manifest of each variant is compared
//! with what the names mean now. What had to be compiled is written ([`Request::save`]). The files are
//! [`ferdelance_jit::cache`]'s, the folders `python/ferdelance/_cache.py`'s business.

use std::cell::{Cell, OnceCell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;

use ferdelance_compiler::encode::Encoder;
use ferdelance_compiler::trace::{Place, Recorded, Replay};
use ferdelance_compiler::types::{PyRef, Ty};
use ferdelance_jit as jit;
use jit::cache::{Key, Moves, Store, digest};
use pyo3::prelude::*;

use crate::dispatch::State;
use crate::engine::{self, Asked, Unit};
use crate::host::PyHost;
use crate::lock;

mod code;

pub use code::Code;

/// Tells builds of the compiler apart: what one makes, another does not use. See `build.rs`.
const BUILD: &str = concat!(env!("CARGO_PKG_VERSION"), "-", env!("FERDELANCE_BUILD"));

/// Whether a function's code is kept in files.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    #[default]
    Off,
    On,
    /// Written, but not looked for.
    Renew,
}

/// A function's text, or why it cannot be compared with that of another process.
type CodeOrWhy = Rc<Result<Code, String>>;

/// A dispatcher's cache.
#[derive(Default)]
pub struct Cache {
    mode: Cell<Mode>,
    store: OnceCell<Store>,
    /// The function's text, and the code object that says it.
    code: RefCell<Option<(Py<PyAny>, CodeOrWhy)>>,
    warned: Cell<bool>,
}

impl Cache {
    pub fn new(on: bool) -> Cache {
        let cache = Cache::default();
        cache.set_mode(if on { Mode::On } else { Mode::Off });
        cache
    }

    pub fn set_mode(&self, mode: Mode) {
        self.mode.set(mode);
    }

    /// The function's text: the one that was parsed, if any was. (The code object of a function can be
    /// replaced.)
    pub fn code(&self, py: Python<'_>, state: &State) -> PyResult<CodeOrWhy> {
        let function = state.function.bind(py);
        let object = function.getattr("__code__")?;
        if let Some((known, code)) = &*self.code.borrow()
            && (known.is(&object) || state.is_parsed())
        {
            return Ok(code.clone());
        }
        let code = Rc::new(code::of(
            function,
            &object,
            state.options.source.as_deref(),
        )?);
        *self.code.borrow_mut() = Some((object.unbind(), code.clone()));
        Ok(code)
    }

    fn store(&self, py: Python<'_>, state: &State) -> PyResult<&Store> {
        if let Some(store) = self.store.get() {
            return Ok(store);
        }
        let module = py.import("ferdelance._cache")?;
        let found = module.call_method1("locate", (state.function.bind(py),))?;
        let (folders, stem, source, limit): (Vec<PathBuf>, String, Option<PathBuf>, u64) =
            found.extract()?;
        let store = Store {
            folders,
            stem,
            source,
            limit,
        };
        Ok(self.store.get_or_init(|| store))
    }

    /// What to ask the cache for; None if the function has none.
    pub fn request<'a>(
        &'a self,
        py: Python<'_>,
        state: &'a State,
        params: &[Ty],
        asked: Asked,
    ) -> PyResult<Option<Request<'a>>> {
        if self.mode.get() == Mode::Off {
            return Ok(None);
        }
        let code = match &*self.code(py, state)? {
            Ok(code) => code.clone(),
            Err(why) => {
                self.warn(py, state, why)?;
                return Ok(None);
            }
        };
        let mut out = Encoder::default();
        // The first root of the trace is the function itself.
        out.handle(state.function.handle());
        for part in [BUILD, &jit::cache::llvm_version(), &engine::target(py)] {
            out.str(part);
        }
        out.u128(code.digest);
        // The text has all fields, also those that are added later.
        out.str(&format!("{:?}", state.options.compiler));
        let encoded = encode_types(&mut out, state, params, asked);
        if let Err(why) = encoded {
            self.warn(py, state, &why.to_string())?;
            return Ok(None);
        }
        Ok(Some(Request {
            cache: self,
            state,
            store: self.store(py, state)?,
            key: Key {
                code: code.digest,
                all: digest(&out.bytes),
            },
            roots: out.handles,
            place: code.place,
            asked,
        }))
    }

    /// Says once why a function's code is not kept.
    fn warn(&self, py: Python<'_>, state: &State, why: &str) -> PyResult<()> {
        if self.warned.replace(true) {
            return Ok(());
        }
        let module = py.import("ferdelance._cache")?;
        module.call_method1("warn", (state.function.bind(py), why))?;
        Ok(())
    }
}

fn encode_types(
    out: &mut Encoder,
    state: &State,
    params: &[Ty],
    asked: Asked,
) -> Result<(), ferdelance_compiler::encode::Local> {
    out.length(state.options.locals.len());
    for (name, ty) in state.options.locals.iter() {
        out.str(name);
        out.ty(*ty)?;
    }
    out.bool(asked.as_value);
    out.bool(asked.for_c);
    out.types(params)?;
    out.types(asked.result.as_slice())
}

/// A signature that is looked for in the cache, and kept there if it is not found.
pub struct Request<'a> {
    cache: &'a Cache,
    state: &'a State,
    store: &'a Store,
    key: Key,
    /// Objects that the request mentions.
    pub roots: Vec<PyRef>,
    pub place: Place,
    asked: Asked,
}

impl Request<'_> {
    /// Loads the code that an earlier process made, if everything it depends on is as it was.
    pub fn find(&self, py: Python<'_>, host: &PyHost<'_>) -> Option<Unit> {
        if self.cache.mode.get() == Mode::Renew {
            return None;
        }
        let mut replay = Replay::new(host);
        let mut moves = Moves::default();
        let (_, mut stored) = self.store.find(self.key, |trace| {
            let found = replay.run(trace, &self.roots, &self.place)?;
            moves = Moves::new(&found.places)?;
            Some(found)
        })?;
        moves.apply(&mut stored.object);
        // Debuggers read the object itself, in which lines are as they were.
        let debug = self.state.options.compiler.debug && moves.is_empty();
        let options = self.state.options.compiler;
        engine::load(
            py,
            &stored.object,
            stored.result,
            self.asked,
            options,
            debug,
        )
        .ok()
    }

    /// The name of the code: the same whenever it is compiled, so that the code is.
    pub fn symbol(&self) -> u64 {
        self.key.all as u64
    }

    /// Keeps code. If it cannot be kept, the user is told why.
    pub fn save(
        &self,
        py: Python<'_>,
        recorded: Result<Recorded, String>,
        object: &jit::Object,
        result: Ty,
    ) -> PyResult<()> {
        let (store, key) = (self.store, self.key);
        let saved = recorded.and_then(|recorded| {
            let save = || store.save(key, &recorded, object, result).map(drop);
            py.detach(|| lock::native(save))
        });
        match saved {
            Ok(()) => Ok(()),
            Err(why) => self.cache.warn(py, self.state, &why),
        }
    }
}
