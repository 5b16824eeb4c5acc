//! A `.py` file as a host for the compiler: what a Python process would answer about it, without one.
//!
//! The top level of the file is read line by line: imports, `NAME = literal`, and functions with their
//! decorators. A function under `@njit` is a jitted callee, with the options that the decorator names.
//! Every other name is a builtin, or unknown. Attributes of a module exist as far as they have a
//! plausible name.

use std::cell::RefCell;
use std::sync::Arc;

use ferdelance_abi::settings::{FastMath, Options, Parallel, Rewrites};
use ferdelance_compiler::diag::{Code, Diagnostic, Result};
use ferdelance_compiler::hir;
use ferdelance_compiler::host::{Callee, Const, Described, Host};
use ferdelance_compiler::source::Source;
use ferdelance_compiler::syntax::{self, Locator};
use ferdelance_compiler::types::{Kind, PyRef, Ty};

use crate::signature;
use crate::tokens::{Reader, Token, literal_type};

/// What a handle means.
#[derive(Clone, Debug, PartialEq)]
enum Object {
    /// A function of the file, and whether the name is bound to its dispatcher.
    Function {
        index: usize,
        jitted: bool,
    },
    Module(String),
    /// A function that is known by its canonical name.
    Named(String),
    Class(Ty),
    Exception(String),
    Constant(Const),
}

/// A function at the top level.
#[derive(Debug)]
pub struct Def {
    pub name: String,
    /// Of the `def`, from 1.
    pub line: u32,
    pub jitted: bool,
    pub options: Options,
    /// The text after `# dump:` or the like in the comments above it, each with its key.
    pub directives: Vec<(String, String)>,
    defaults: Vec<Option<Const>>,
}

/// A file and the objects that were met in it.
#[derive(Debug)]
pub struct File {
    source: Arc<Source>,
    pub functions: Vec<Def>,
    names: Vec<(String, Object)>,
    objects: RefCell<Vec<Object>>,
    modules: RefCell<Vec<Option<Arc<hir::Module>>>>,
}

impl File {
    /// Reads a text; `name` is the file in messages.
    pub fn new(name: &str, text: &str) -> std::result::Result<File, String> {
        let mut file = File {
            source: Arc::new(Source::new(name, text, 1, 0)),
            functions: vec![],
            names: vec![],
            objects: RefCell::default(),
            modules: RefCell::default(),
        };
        let mut pending = Pending::default();
        for (line, text) in (1..).zip(text.lines()) {
            file.line(line, text, &mut pending)
                .map_err(|e| format!("{name}:{line}: {e}"))?;
        }
        file.modules = RefCell::new(vec![None; file.functions.len()]);
        Ok(file)
    }

    /// One line of the top level.
    fn line(
        &mut self,
        line: u32,
        text: &str,
        pending: &mut Pending,
    ) -> std::result::Result<(), String> {
        if pending.in_text {
            pending.in_text = !text.contains(r#"""""#);
        } else if text.starts_with(r#"""""#) {
            pending.in_text = text.matches(r#"""""#).count() == 1;
        } else if let Some(comment) = text.strip_prefix("# ") {
            if let Some((key, value)) = comment.split_once(':') {
                pending
                    .directives
                    .push((key.trim().to_owned(), value.trim().to_owned()));
            }
        } else if let Some(decorator) = text.strip_prefix('@') {
            pending.decorators.push(decorator.to_owned());
        } else if text.starts_with("def ") {
            let def = definition(line, text, std::mem::take(pending))?;
            let object = Object::Function {
                index: self.functions.len(),
                jitted: def.jitted,
            };
            self.names.push((def.name.clone(), object));
            self.functions.push(def);
        } else if !text.is_empty() && !text.starts_with([' ', '\t', '#', ')', ']', '}']) {
            pending.directives.clear();
            self.statement(text);
        }
        Ok(())
    }

    /// `import a as b`, `from a import b as c, d`, `NAME = literal`; others are none of our business.
    fn statement(&mut self, text: &str) {
        if let Some(rest) = text.strip_prefix("import ") {
            for (name, alias) in imports(rest) {
                self.names.push((alias, Object::Module(name)));
            }
        } else if let Some((module, rest)) = text
            .strip_prefix("from ")
            .and_then(|t| t.split_once(" import "))
        {
            for (name, alias) in imports(rest) {
                if let Some(object) = attribute(module, &name) {
                    self.names.push((alias, object));
                }
            }
        } else if let Some((name, value)) = text.split_once(" = ")
            && let Ok(value) = Reader::new(value).and_then(|mut reader| reader.literal())
        {
            self.names.push((name.to_owned(), Object::Constant(value)));
        }
    }

    pub fn function(&self, name: &str) -> Option<usize> {
        self.functions.iter().rposition(|f| f.name == name)
    }

    /// The HIR of a function.
    pub fn module(&self, index: usize) -> Result<Arc<hir::Module>> {
        if let Some(module) = &self.modules.borrow()[index] {
            return Ok(module.clone());
        }
        let def = &self.functions[index];
        let at = Locator::Def {
            line: def.line,
            name: Arc::from(&*def.name),
        };
        let scope = hir::Scope::Python(self.handle(Object::Function {
            index,
            jitted: false,
        }));
        let module = Arc::new(syntax::parse(
            self.source.clone(),
            &at,
            scope,
            &def.name,
            &[],
            &[],
        )?);
        self.modules.borrow_mut()[index] = Some(module.clone());
        Ok(module)
    }

    /// The handle of an object: one for each.
    fn handle(&self, object: Object) -> PyRef {
        let mut objects = self.objects.borrow_mut();
        let at = objects
            .iter()
            .position(|known| *known == object)
            .unwrap_or_else(|| {
                objects.push(object);
                objects.len() - 1
            });
        PyRef(at as u64 + 1)
    }

    fn object(&self, handle: PyRef) -> Object {
        self.objects.borrow()[handle.0 as usize - 1].clone()
    }
}

/// What stands before a definition.
#[derive(Default)]
struct Pending {
    decorators: Vec<String>,
    directives: Vec<(String, String)>,
    /// In a text of several lines.
    in_text: bool,
}

/// `a as b, c` as pairs of name and alias.
fn imports(text: &str) -> impl Iterator<Item = (String, String)> {
    text.split(',').map(|part| {
        let part = part.trim();
        let (name, alias) = part.split_once(" as ").unwrap_or((part, part));
        (name.to_owned(), alias.to_owned())
    })
}

fn definition(line: u32, text: &str, above: Pending) -> std::result::Result<Def, String> {
    let (name, rest) = text["def ".len()..]
        .split_once('(')
        .ok_or("`(` expected after the name")?;
    let mut jitted = false;
    let mut options = Options::default();
    for decorator in &above.decorators {
        let (called, arguments) = decorator.split_once('(').unwrap_or((decorator, ")"));
        if matches!(called.rsplit('.').next(), Some("njit" | "jit")) {
            jitted = true;
            options = read_options(arguments)?;
        }
    }
    let defaults = Reader::new(rest)?
        .list(Some(')'), parameter)
        .unwrap_or_default();
    Ok(Def {
        name: name.to_owned(),
        line,
        jitted,
        options,
        directives: above.directives,
        defaults: defaults.into_iter().flatten().collect(),
    })
}

/// A parameter's default, if it has one; nothing for the markers `/` and `*`.
fn parameter(reader: &mut Reader) -> std::result::Result<Option<Option<Const>>, String> {
    if reader.take('/') {
        return Ok(None);
    }
    while reader.take('*') {}
    match reader.peek() {
        Some(Token::Name(_)) => reader.next(),
        _ => return Ok(None),
    };
    if reader.take('=') {
        Ok(Some(Some(reader.literal()?)))
    } else {
        Ok(Some(None))
    }
}

fn read_options(arguments: &str) -> std::result::Result<Options, String> {
    let mut options = Options::default();
    let mut reader = Reader::new(arguments)?;
    reader.list(Some(')'), |reader| {
        let Some(Token::Name(name)) = reader.next() else {
            return Err("an option expected".to_owned());
        };
        reader.expect('=')?;
        let value = reader.literal()?;
        let yes = value == Const::Bool(true);
        let is = |text: &str| matches!(&value, Const::Str(found) if &**found == text);
        match &*name {
            "boundscheck" => options.boundscheck = yes,
            "error_model" => options.numpy_errors = is("numpy"),
            "fastmath" => options.fastmath = FastMath(if yes { FastMath::FAST } else { 0 }),
            "inline" => (options.always_inline, options.never_inline) = (is("always"), is("never")),
            "debug" => options.debug = yes,
            "nogil" => options.nogil = yes,
            "no_rewrites" => {
                options.without.0 |= match &value {
                    Const::Str(name) => {
                        Rewrites::named(name).ok_or_else(|| format!("no rewrite `{name}`"))?
                    }
                    _ if yes => Rewrites::ALL,
                    _ => 0,
                }
            }
            "parallel" => options.parallel = Parallel(if yes { Parallel::ALL } else { 0 }),
            _ => return Err(format!("no option `{name}` here")),
        }
        Ok(())
    })?;
    Ok(options)
}

const BUILTINS: &[&str] = &[
    "abs",
    "all",
    "any",
    "bytearray",
    "bytes",
    "chr",
    "dict",
    "divmod",
    "enumerate",
    "filter",
    "frozenset",
    "getattr",
    "hasattr",
    "hash",
    "input",
    "isinstance",
    "iter",
    "len",
    "list",
    "map",
    "max",
    "min",
    "next",
    "object",
    "ord",
    "pow",
    "print",
    "range",
    "repr",
    "reversed",
    "round",
    "set",
    "slice",
    "sorted",
    "str",
    "sum",
    "super",
    "tuple",
    "type",
    "zip",
];

const EXCEPTIONS: &[&str] = &[
    "ArithmeticError",
    "AssertionError",
    "AttributeError",
    "AxisError",
    "BaseException",
    "EOFError",
    "Exception",
    "FloatingPointError",
    "GeneratorExit",
    "ImportError",
    "IndexError",
    "KeyError",
    "KeyboardInterrupt",
    "LookupError",
    "MemoryError",
    "NameError",
    "NotImplementedError",
    "OSError",
    "OverflowError",
    "RecursionError",
    "RuntimeError",
    "StopIteration",
    "SystemError",
    "SystemExit",
    "TypeError",
    "UnboundLocalError",
    "UnicodeError",
    "ValueError",
    "ZeroDivisionError",
];

fn builtin(name: &str) -> Option<Object> {
    Some(match name {
        "int" => Object::Class(Ty::py_int()),
        "float" => Object::Class(Ty::py_float()),
        "complex" => Object::Class(Ty::py_complex()),
        "bool" => Object::Class(Ty::bool()),
        _ if EXCEPTIONS.contains(&name) => Object::Exception(name.to_owned()),
        _ if BUILTINS.contains(&name) => Object::Named(format!("builtins.{name}")),
        _ => return None,
    })
}

/// An attribute of a module.
fn attribute(module: &str, name: &str) -> Option<Object> {
    use std::f64::consts::{E, PI, TAU};
    let number = |value| Some(Object::Constant(Const::Float(value)));
    match (module, name) {
        ("math" | "numpy", "pi") => number(PI),
        ("math" | "numpy", "e") => number(E),
        ("math", "tau") => number(TAU),
        ("math" | "numpy", "inf") => number(f64::INFINITY),
        ("math" | "numpy", "nan") => number(f64::NAN),
        ("numpy", "newaxis") => Some(Object::Constant(Const::None)),
        ("numpy", "bool") => Some(Object::Class(Ty::bool())),
        ("numpy", _) if name.ends_with(|c: char| c.is_ascii_digit() || c == '_') => {
            let ty = signature::parse(name).ok()?;
            Some(Object::Class(*ty.first()?))
        }
        _ => Some(Object::Named(format!("{module}.{name}"))),
    }
}

impl Host for File {
    fn global(&self, _: PyRef, name: &str) -> Option<PyRef> {
        let own = self
            .names
            .iter()
            .rfind(|(known, _)| known == name)
            .map(|(_, object)| object.clone());
        own.or_else(|| builtin(name))
            .map(|object| self.handle(object))
    }

    fn free(&self, _: PyRef, _: &str) -> Option<PyRef> {
        None
    }

    fn attribute(&self, object: PyRef, name: &str) -> Option<PyRef> {
        let Object::Module(module) = self.object(object) else {
            return None;
        };
        attribute(&module, name).map(|object| self.handle(object))
    }

    fn describe(&self, object: PyRef) -> std::result::Result<Described, String> {
        let known = |kind| {
            Ok(Described {
                ty: Ty::new(kind),
                constant: Some(Const::Object(object)),
            })
        };
        match self.object(object) {
            Object::Function { jitted: true, .. } => known(Kind::Dispatcher(object, [].into())),
            Object::Function { .. } => known(Kind::Opaque(object, "function".into())),
            Object::Module(name) => known(Kind::Module(name.into())),
            Object::Named(name) => known(Kind::Builtin(name.into())),
            Object::Class(ty) => known(Kind::Class(ty)),
            Object::Exception(name) => known(Kind::ExcClass(object, name.into())),
            Object::Constant(value) => Ok(Described {
                ty: literal_type(&value),
                constant: Some(value),
            }),
        }
    }

    fn callee(&self, dispatcher: PyRef) -> Result<Callee> {
        let Object::Function { index, .. } = self.object(dispatcher) else {
            return Err(Diagnostic::new(
                Code::Internal,
                "a dispatcher that is no function",
            ));
        };
        let options = self.functions[index].options;
        Ok(Callee {
            module: self.module(index)?,
            options,
            locals: Arc::from([]),
            signatures: None,
        })
    }

    fn default(&self, function: PyRef, index: usize) -> Option<PyRef> {
        let Object::Function {
            index: function, ..
        } = self.object(function)
        else {
            return None;
        };
        let value = self.functions[function].defaults.get(index)?.clone()?;
        Some(self.handle(Object::Constant(value)))
    }

    fn repr(&self, object: PyRef) -> String {
        match self.object(object) {
            Object::Function { index, .. } => self.functions[index].name.clone(),
            Object::Module(name) | Object::Named(name) | Object::Exception(name) => name,
            Object::Class(ty) => ty.to_string(),
            Object::Constant(value) => format!("{value:?}"),
        }
    }

    fn exception(&self, name: &str) -> Option<PyRef> {
        EXCEPTIONS
            .contains(&name)
            .then(|| self.handle(Object::Exception(name.to_owned())))
    }

    fn module(&self, name: &str) -> Option<PyRef> {
        Some(self.handle(Object::Module(name.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_top_level() {
        let text = "\"\"\"About\nX = 1\n\"\"\"\nimport math as m\nfrom numpy import zeros, float32 as f4\n\nN = -3  # three\n\n# dump: i8\n@njit(boundscheck=True, inline='never')\ndef f(a, /, b=2, *, c=\"x\"):\n    N = 4\n\ndef g():\n    pass\n";
        let file = File::new("a.py", text).unwrap();
        let [f, g] = &file.functions[..] else {
            panic!("two functions")
        };
        assert_eq!(
            (&*f.name, f.line, f.jitted, &*f.directives),
            ("f", 11, true, &[("dump".to_owned(), "i8".to_owned())][..])
        );
        assert!(
            f.options.boundscheck && f.options.never_inline && !g.jitted && g.directives.is_empty()
        );
        assert_eq!(
            f.defaults,
            [None, Some(Const::Int(2)), Some(Const::Str("x".into()))]
        );
        let names: Vec<&str> = file.names.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["m", "zeros", "f4", "N", "f", "g"]);
        let n = file.global(PyRef(0), "N").unwrap();
        assert_eq!(file.describe(n).unwrap().constant, Some(Const::Int(-3)));
        assert_eq!(file.global(PyRef(0), "X"), None);
    }
}
