//! Inference: a type, and a constant where there is one, for every value of a HIR function, given the
//! types of its arguments.
//!
//! An *instance* is a HIR function with argument types. [`Session::solve`] runs optimistic sparse
//! conditional propagation over it: values start at bottom and only rise; branches on constants are
//! followed on one side only; block parameters join what flows in. Calls are solved on demand;
//! recursion is a fixpoint over the strongly connected component, results starting at bottom, so it
//! needs no annotation. Errors count only if they are still there when nothing changes any more.
//!
//! * [`absval`]: the lattice. * [`solve`]: the fixpoint. * [`op`]: typing rules of HIR instructions.
//! * [`call`]: binding of arguments, what a call resolves to. * [`intrinsic`], [`builtins`],
//!   [`numpy`], [`creation`], [`views`], [`ufunc`], [`limits`], [`dtypes`], [`attribute`], [`index`], [`list`], [`dict`], [`keyed`]: what the compiler itself knows. * [`unroll`]: loops
//!   over tuples, item by item. * [`sites`]: where containers are made, and what is put into them. * [`generator`]: generators, iterators.

use std::sync::Arc;

use ferdelance_abi::settings::Options;
use rustc_hash::FxHashMap;

use crate::diag::{Code, Diagnostic, Result};
use crate::hir;
use crate::host::{Callee, Const, Host};
use crate::pipeline::Target;
use crate::source::Span;
use crate::types::{CellSite, PyRef, Ty};

pub mod absval;
pub mod attribute;
pub mod buffer;
mod builtins;
mod call;
pub mod creation;
pub mod dict;
mod display;
mod dtypes;
pub mod einsum;
mod elementwise;
mod generator;
mod grid;
pub mod index;
pub mod intrinsic;
pub mod joining;
pub mod keyed;
mod limits;
pub(crate) mod linalg;
pub mod list;
mod numpy;
mod op;
pub mod record;
pub mod reduce;
mod rows;
mod sites;
mod solve;
mod time;
mod ufunc;
pub(crate) mod unroll;
mod views;
pub mod walk;

pub use absval::AbsVal;
pub use call::{ArgRef, Bound, Resolution};
pub use intrinsic::Intrinsic;

/// An instance of a session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct InstanceId(pub u32);

/// A module of a session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct ModuleId(pub u32);

/// What an instance is: equal keys, same code.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    pub module: ModuleId,
    pub function: hir::FuncId,
    /// One type for each parameter of the entry block.
    pub args: Box<[Ty]>,
    pub constants: Constants,
}

/// The constants that parameters are known to be: those of functions of the prelude that ask for it.
/// Empty where there are none.
#[derive(Clone, Debug, Default)]
pub struct Constants(Box<[Option<Const>]>);

impl Constants {
    fn new(all: Vec<Option<Const>>) -> Constants {
        Constants(if all.iter().all(Option::is_none) {
            [].into()
        } else {
            all.into()
        })
    }
    fn get(&self, param: usize) -> Option<&Const> {
        self.0.get(param)?.as_ref()
    }
}

impl PartialEq for Constants {
    fn eq(&self, other: &Constants) -> bool {
        let same = |(a, b): (&Option<Const>, &Option<Const>)| match (a, b) {
            (Some(a), Some(b)) => a.same(b),
            _ => a.is_none() && b.is_none(),
        };
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(same)
    }
}

impl Eq for Constants {}

impl std::hash::Hash for Constants {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.len().hash(state);
    }
}

/// The types of an instance.
#[derive(Debug, Default)]
pub struct Typing {
    /// For each HIR value.
    pub values: Vec<AbsVal>,
    /// For each HIR block: can it be reached?
    pub reachable: Vec<bool>,
    /// What each call (by its result value) and each operator that is a call resolves to.
    pub calls: FxHashMap<hir::Value, Resolution>,
    /// The join of what is yielded.
    yields: Option<Ty>,
    /// The join of what is returned. Of a generator function, in the end, the type of its objects.
    pub result: Option<Ty>,
    /// What was put into the containers among the parameters that came without a type of their contents.
    put_into_params: Vec<Option<Ty>>,
    /// A container whose contents have no type.
    unknown_site: Option<Span>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    New,
    /// Being solved at this depth of the stack.
    Active(u32),
    /// Solved under assumptions about an active instance; to be solved again.
    Provisional,
    Done,
}

/// An instance and what is known about it.
#[derive(Debug)]
pub struct Instance {
    pub key: Key,
    /// The function with some loops unrolled, if these types ask for it.
    pub body: Option<Arc<hir::Function>>,
    /// What numbers of cells start at: the cells of bodies that were replaced keep theirs.
    cells_from: u32,
    pub typing: Arc<Typing>,
    /// Takes part in a recursion.
    pub recursive: bool,
    state: State,
    /// Its result was used while it was being solved.
    assumed: bool,
}

impl Instance {
    /// What is compiled; `module` is the module of the key.
    pub fn hir<'m>(&'m self, module: &'m hir::Module) -> &'m hir::Function {
        self.body
            .as_deref()
            .unwrap_or(&module.functions[self.key.function.index()])
    }
}

/// A handle on the HIR of an instance.
#[derive(Clone)]
struct Hir {
    module: Arc<hir::Module>,
    function: hir::FuncId,
    body: Option<Arc<hir::Function>>,
}

impl std::ops::Deref for Hir {
    type Target = hir::Function;
    fn deref(&self) -> &hir::Function {
        self.body
            .as_deref()
            .unwrap_or(&self.module.functions[self.function.index()])
    }
}

/// A module in a session: where its code comes from and how it is compiled.
#[derive(Clone, Debug)]
pub struct ModuleInfo {
    pub module: Arc<hir::Module>,
    pub options: Options,
    /// Types of locals that are fixed by the option `locals`.
    pub locals: Arc<[(Arc<str>, Ty)]>,
}

/// One compilation: the modules and instances it meets.
pub struct Session<'h> {
    pub host: &'h dyn Host,
    pub target: Target,
    pub modules: Vec<ModuleInfo>,
    pub instances: Vec<Instance>,
    by_key: FxHashMap<Key, InstanceId>,
    dispatchers: FxHashMap<PyRef, (ModuleId, Callee)>,
    /// The modules of the prelude's files, as far as they were needed.
    prelude: FxHashMap<usize, ModuleId>,
    /// What is stored in each cell; grows until nothing changes.
    cells: FxHashMap<CellSite, AbsVal>,
    cells_changed: bool,
    /// What the call being typed puts into containers of unknown contents, by what is passed.
    learnt: Vec<(Bound, Ty)>,
    /// Lowest depth of the stack whose result was assumed since the current solve began.
    low: u32,
    depth: u32,
}

impl<'h> Session<'h> {
    /// A session whose module 0 is `module`.
    pub fn new(host: &'h dyn Host, info: ModuleInfo, target: Target) -> Session<'h> {
        Session {
            host,
            target,
            modules: vec![info],
            instances: vec![],
            by_key: FxHashMap::default(),
            dispatchers: FxHashMap::default(),
            prelude: FxHashMap::default(),
            cells: FxHashMap::default(),
            cells_changed: false,
            learnt: vec![],
            low: u32::MAX,
            depth: 0,
        }
    }

    /// Types of function 0 of module 0 for these argument types, and of everything it calls.
    pub fn infer_root(&mut self, args: &[Ty]) -> Result<InstanceId> {
        let key = Key {
            module: ModuleId(0),
            function: hir::FuncId(0),
            args: args.into(),
            constants: Constants::default(),
        };
        loop {
            self.cells_changed = false;
            let id = self.instance(key.clone())?;
            self.solve(id)?;
            if !self.cells_changed {
                return Ok(id);
            }
            for instance in &mut self.instances {
                instance.state = State::New;
            }
        }
    }

    pub fn info(&self, id: ModuleId) -> &ModuleInfo {
        &self.modules[id.0 as usize]
    }

    pub fn get(&self, id: InstanceId) -> &Instance {
        &self.instances[id.0 as usize]
    }

    /// The HIR of an instance.
    pub fn hir(&self, id: InstanceId) -> &hir::Function {
        let instance = self.get(id);
        instance.hir(&self.info(instance.key.module).module)
    }

    /// A handle on it.
    fn code(&self, id: InstanceId) -> Hir {
        let Instance { key, body, .. } = self.get(id);
        Hir {
            module: self.info(key.module).module.clone(),
            function: key.function,
            body: body.clone(),
        }
    }

    /// The type of a cell's content.
    pub fn cell(&self, site: CellSite) -> Option<Ty> {
        self.cells.get(&site).and_then(|v| v.ty)
    }

    /// The instance with this key, made if new.
    fn instance(&mut self, key: Key) -> Result<InstanceId> {
        if let Some(&id) = self.by_key.get(&key) {
            return Ok(id);
        }
        const MOST: usize = 64;
        // Constants make instances, too.
        const MOST_OF_PRELUDE: usize = 1_000;
        // Types in types may grow exponentially: by far not so many fit.
        const LARGEST: usize = 2_000;
        let same = |i: &&Instance| i.key.module == key.module && i.key.function == key.function;
        let count = self.instances.iter().filter(same).count();
        let is_large = key.args.iter().map(|t| t.size(LARGEST)).sum::<usize>() >= LARGEST;
        let most = if self.info(key.module).module.scope == hir::Scope::Prelude {
            MOST_OF_PRELUDE
        } else {
            MOST
        };
        if count >= most || is_large && count > 1 {
            let name = &self.info(key.module).module.functions[key.function.index()].name;
            return Err(Diagnostic::new(
                Code::RecursiveType,
                format!("`{name}` calls itself with ever new argument types"),
            )
            .note(format!(
                "it was instantiated for {count} different signatures"
            ))
            .help("let the recursive call pass arguments of the types it was called with"));
        }
        let id = InstanceId(self.instances.len() as u32);
        self.by_key.insert(key.clone(), id);
        self.instances.push(Instance {
            key,
            body: None,
            cells_from: 0,
            typing: Arc::default(),
            recursive: false,
            state: State::New,
            assumed: false,
        });
        Ok(id)
    }

    /// The module of a jitted function.
    fn dispatcher(&mut self, dispatcher: PyRef) -> Result<(ModuleId, Callee)> {
        if let Some(found) = self.dispatchers.get(&dispatcher) {
            return Ok(found.clone());
        }
        let callee = self.host.callee(dispatcher)?;
        // The function being compiled may call itself by its global name.
        let known = self
            .modules
            .iter()
            .position(|m| Arc::ptr_eq(&m.module, &callee.module));
        let id = ModuleId(known.unwrap_or(self.modules.len()) as u32);
        if known.is_none() {
            let info = ModuleInfo {
                module: callee.module.clone(),
                options: callee.options,
                locals: callee.locals.clone(),
            };
            self.modules.push(info);
        }
        self.dispatchers.insert(dispatcher, (id, callee.clone()));
        Ok((id, callee))
    }

    /// A function of the prelude.
    fn prelude(&mut self, name: &str) -> Result<Option<(ModuleId, hir::FuncId)>> {
        let Some((number, file, function)) = crate::prelude::find(name)? else {
            return Ok(None);
        };
        let id = match self.prelude.get(&number) {
            Some(&id) => id,
            None => {
                let id = ModuleId(self.modules.len() as u32);
                let options = Options {
                    always_inline: true,
                    ..self.modules[0].options
                };
                let module = file.module.clone();
                self.modules.push(ModuleInfo {
                    module,
                    options,
                    locals: Arc::from([]),
                });
                self.prelude.insert(number, id);
                id
            }
        };
        Ok(Some((id, function)))
    }
}

/// An error at a place of a module.
pub(crate) fn error_at(
    module: &hir::Module,
    span: Span,
    code: Code,
    message: impl Into<String>,
) -> Box<Diagnostic> {
    Diagnostic::new(code, message).label(&module.source, span, "")
}
