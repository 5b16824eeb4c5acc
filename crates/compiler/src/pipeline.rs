//! The pipeline, top to bottom: HIR and argument types in, a program for emission out.

use std::fmt::Write as _;
use std::sync::Arc;

use ferdelance_abi::settings::Options;
use rustc_hash::FxHashMap;

use crate::diag::{Code, Diagnostic, Result};
use crate::hir;
use crate::host::Host;
use crate::infer::{InstanceId, ModuleInfo, Session, Typing};
use crate::lower::{
    lower,
    value::{c_signature, machine},
};
use crate::nest::{expand, explain, fuse, tile};
use crate::tir::build::Builder;
use crate::tir::pass::{
    count::count, inline::inline, number::number, parallel::parallel, simplify::simplify,
    speculate::speculate,
};
use crate::tir::{CEntry, FuncId, PoolEntry, Program, Term, Type};
use crate::types::{PyRef, Signature, Ty, promote};

/// What the machine is good at, where that decides how things are computed.
#[derive(Clone, Copy, Default, Debug)]
pub struct Target {
    /// Looking up numbers in short tables ([`Op::Lookup`](crate::tir::Op::Lookup)).
    pub tables: bool,
    /// Vectors are as long as the lines of its caches.
    pub wide: bool,
}

/// What to compile.
#[derive(Debug)]
pub struct Request {
    pub module: Arc<hir::Module>,
    /// One type for each parameter of the function.
    pub args: Vec<Ty>,
    /// The return type that an explicit signature asks for.
    pub result: Option<Ty>,
    pub options: Options,
    pub target: Target,
    /// Types of locals that the option `locals` fixes.
    pub locals: Vec<(Arc<str>, Ty)>,
    /// Prefix of linker symbols, unique in the process.
    pub symbol: Arc<str>,
    /// The function's address is used as a value.
    pub as_value: bool,
    /// Make a function for C, too.
    pub for_c: bool,
}

/// What comes out.
#[derive(Debug)]
pub struct Compiled {
    pub program: Program,
    /// The type of the result.
    pub result: Ty,
    pub report: Report,
}

/// What was found out on the way; texts are made when asked for.
#[derive(Debug)]
pub struct Report {
    module: Arc<hir::Module>,
    /// The function as it was typed: with loops over tuples unrolled.
    body: Option<Arc<hir::Function>>,
    typing: Arc<Typing>,
    args: Vec<Ty>,
    result: Ty,
    arrays: explain::Stages,
}

/// A rewrite of a whole program.
pub struct Pass {
    pub name: &'static str,
    pub doc: &'static str,
    run: fn(&mut Program) -> Result<()>,
}

/// A pass that works on one function at a time.
fn each(program: &mut Program, pass: fn(&mut crate::tir::Function)) -> Result<()> {
    program.functions.iter_mut().for_each(pass);
    Ok(())
}

fn whole(program: &mut Program, pass: fn(&mut Program)) -> Result<()> {
    pass(program);
    Ok(())
}

/// The passes between lowering and emission, in order.
pub const PASSES: &[Pass] = &[
    Pass {
        name: "simplify",
        doc: "removes what lowering left over",
        run: |p| each(p, simplify),
    },
    Pass {
        name: "inline",
        doc: "puts small callees in place of their calls, makes state machines of generators",
        run: inline,
    },
    Pass {
        name: "number",
        doc: "computes each thing once",
        run: |p| each(p, number),
    },
    Pass {
        name: "fuse",
        doc: "merges operations on whole arrays",
        run: |p| whole(p, fuse),
    },
    Pass {
        name: "tile",
        doc: "has operations on whole arrays go through the cache piece by piece",
        run: |p| whole(p, tile),
    },
    Pass {
        name: "expand",
        doc: "makes loops of operations on whole arrays",
        run: |p| whole(p, expand),
    },
    Pass {
        name: "parallel",
        doc: "makes functions of loops that run on several threads",
        run: |p| whole(p, parallel),
    },
    Pass {
        name: "speculate",
        doc: "runs loops ahead of their checks",
        run: |p| whole(p, speculate),
    },
    Pass {
        name: "count",
        doc: "places retains and releases",
        run: |p| each(p, count),
    },
];

/// Compiles a function for argument types.
pub fn compile(host: &dyn Host, request: &Request) -> Result<Compiled> {
    compile_watched(host, request, &mut |_, _| {})
}

/// The same; `watch` sees the program after lowering (`"lower"`) and after each pass.
pub fn compile_watched(
    host: &dyn Host,
    request: &Request,
    watch: &mut dyn FnMut(&str, &Program),
) -> Result<Compiled> {
    let info = ModuleInfo {
        module: request.module.clone(),
        options: request.options,
        locals: request.locals.as_slice().into(),
    };
    let mut session = Session::new(host, info, request.target);
    let root = session.infer_root(&request.args)?;
    let result = result_type(&session, root, request)?;
    let mut program = lower(&session, root, result, &request.symbol)?;
    program.wide = request.target.wide;
    if request.as_value {
        add_pointer(&mut program);
    }
    if request.for_c {
        add_c_entry(&mut program, request, result)?;
    }
    check(&program, "lower")?;
    watch("lower", &program);
    let mut arrays = explain::Stages::default();
    for pass in PASSES {
        let fuses = pass.name == "fuse";
        if fuses {
            arrays = explain::Stages::before(&program);
        }
        (pass.run)(&mut program)?;
        if fuses {
            arrays.after(&program);
        }
        check(&program, pass.name)?;
        watch(pass.name, &program);
    }
    let report = Report {
        module: request.module.clone(),
        body: session.get(root).body.clone(),
        typing: session.get(root).typing.clone(),
        args: request.args.clone(),
        result,
        arrays,
    };
    Ok(Compiled {
        program,
        result,
        report,
    })
}

/// Makes the entry one that can be called by its address.
fn add_pointer(program: &mut Program) {
    program.pointers.clone_from(&program.entries);
    for &id in &program.entries {
        // Nothing calls an entry but itself, and what calls itself may raise in any case.
        program.functions[id.index()].may_raise = true;
    }
}

/// Makes the entry one of C, too.
fn add_c_entry(program: &mut Program, request: &Request, result: Ty) -> Result<()> {
    let signature = Signature {
        result,
        args: request.args.as_slice().into(),
    };
    let f = &request.module.functions[0];
    let Some(signature) = c_signature(&signature) else {
        let wrong = request
            .args
            .iter()
            .chain([&result])
            .find(|t| !t.is_scalar() && !t.is_none());
        let message = format!(
            "`{}` cannot be called from C: {} has no counterpart there",
            f.name,
            wrong.map_or_else(|| "a type of its signature".to_owned(), ToString::to_string)
        );
        return Err(
            crate::infer::error_at(&request.module, f.span, Code::CannotConvert, message)
                .help("pass numbers, and the data of arrays by address"),
        );
    };
    let hir::Scope::Python(function) = request.module.scope else {
        return Err(Diagnostic::new(
            Code::Internal,
            "a function for C that is not one of Python",
        ));
    };
    let blame = program.pool_id(PoolEntry::Object(function));
    program
        .c_entries
        .extend(program.entries.iter().map(|&func| CEntry {
            func,
            signature: signature.clone(),
            blame,
        }));
    Ok(())
}

/// A C function as a value: a program whose entry calls the function that `object` stands for.
/// `None` if the signature has no counterpart in C.
pub fn c_adapter(object: PyRef, signature: &Signature, symbol: Arc<str>) -> Option<Program> {
    let c = c_signature(signature)?;
    let mut b = Builder::new(
        symbol,
        "C function".into(),
        &c.params(),
        &c.result.machine(),
        Options::default(),
    );
    let mut program = Program::default();
    let id = program.pool_id(PoolEntry::Foreign(object));
    let pointer = b.pool(id, Type::Ptr);
    let args = b.func.blocks[0].params.clone();
    let results = b.call_c(pointer, &args, c);
    b.terminate(Term::Return(results.iter().copied().collect()));
    program.functions.push(b.func);
    program.entries.push(FuncId(0));
    add_pointer(&mut program);
    Some(program)
}

/// In debug builds, verifies every function after a pass.
fn check(program: &Program, pass: &str) -> Result<()> {
    if cfg!(debug_assertions) {
        for f in &program.functions {
            if let Err(what) = f.verify(program) {
                return Err(Diagnostic::new(
                    Code::Internal,
                    format!("after {pass}: {what}\n{f}"),
                ));
            }
        }
    }
    Ok(())
}

fn result_type(session: &Session<'_>, root: InstanceId, request: &Request) -> Result<Ty> {
    let found = session.get(root).typing.result.unwrap_or_else(Ty::none);
    let Some(asked) = request.result else {
        return Ok(found);
    };
    if asked.is_none() || promote::fit(found, asked).is_some() {
        return Ok(asked);
    }
    let f = &request.module.functions[0];
    Err(crate::infer::error_at(
        &request.module,
        f.span,
        Code::CannotConvert,
        format!(
            "`{}` returns {found}, which cannot be converted to {asked}, the type in its signature",
            f.name
        ),
    ))
}

impl Report {
    /// The source with the types of variables, line by line.
    pub fn types(&self) -> String {
        let f = self.body.as_deref().unwrap_or(&self.module.functions[0]);
        let source = &self.module.source;
        let (first, _) = source.position(f.span.start);
        let (last, _) = source.position(f.span.end.saturating_sub(1));
        let args: Vec<String> = self.args.iter().map(ToString::to_string).collect();
        let mut out = format!("{} ({}) -> {}\n", f.name, args.join(", "), self.result);
        let _ = writeln!(out, "{}", "-".repeat(80));
        for (p, ty) in f.params.iter().zip(&self.args) {
            let _ = writeln!(out, "# {}: {ty}", p.name);
        }
        for line in first..=last {
            let Some(text) = source.line(line) else {
                continue;
            };
            let mut notes: Vec<String> = vec![];
            for inst in f.blocks.iter().flat_map(|b| &b.insts) {
                let here = source.position(inst.span.start).0 == line;
                let name = f.values[inst.result.index()].name.as_deref();
                if let (true, Some(name), Some(ty)) =
                    (here, name, self.typing.values[inst.result.index()].ty)
                {
                    let note = format!("{name}: {ty}");
                    if !notes.contains(&note) {
                        notes.push(note);
                    }
                }
            }
            let _ = writeln!(out, "{line:>5} | {text}");
            for note in notes {
                let _ = writeln!(out, "      #   {note}");
            }
        }
        out
    }

    /// What became of operations on arrays, in the order of lines.
    pub fn remarks(&self) -> Vec<explain::Remark> {
        let source = &self.module.source;
        let entry = self.body.as_deref().unwrap_or(&self.module.functions[0]);
        let mut params = vec![];
        for (param, &ty) in entry.params.iter().zip(&self.args) {
            match machine(ty).len() {
                1 => params.push(Some(param.name.clone())),
                parts => params.extend((0..parts).map(|_| None)),
            }
        }
        let mut variables = FxHashMap::default();
        for f in self.module.functions.iter().chain(self.body.as_deref()) {
            for inst in f.blocks.iter().flat_map(|b| &b.insts) {
                if let Some(name) = &f.values[inst.result.index()].name {
                    variables.insert(source.position(inst.span.start), name.clone());
                }
            }
        }
        self.arrays.remarks(&explain::Names {
            source: source.clone(),
            params,
            variables,
        })
    }

    /// The HIR of the function and everything defined in it.
    pub fn hir(&self) -> String {
        self.module.to_string()
    }
}
