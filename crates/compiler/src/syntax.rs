//! Source text → AST, and the definition that is asked for in it.
//!
//! The only module that names ruff's crates; the rest of the front end sees their AST as
//! [`ast`]. Usually only the lines of the one function are parsed, not the whole file.

use std::sync::Arc;

pub(crate) use ruff_python_ast as ast;
use ruff_python_parser::{ParseError, parse_unchecked_source};
pub(crate) use ruff_text_size::{Ranged, TextRange};
use rustc_hash::FxHashMap;

use self::ast::visitor::{self, Visitor};
use self::ast::{Expr, PySourceType, Stmt};
use crate::diag::{Code, Diagnostic, Result};
use crate::hir::build::{self, Definition, Origin};
use crate::hir::{FuncId, Module, Name, Scope};
use crate::source::{Source, Span};

/// Which definition in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locator {
    /// A `def`: the line in the file of its keyword (or of a decorator), and its name.
    Def { line: u32, name: Name },
    /// A lambda: its line in the file, and its column as Python's `ast` gives it: bytes of UTF-8 in
    /// the original line, from 0.
    Lambda { line: u32, col: u32 },
}

/// The HIR of one function. `free_vars` are the names of its closure cells, `coerced_locals` the
/// locals whose types an option fixes.
pub fn parse(
    source: Arc<Source>,
    at: &Locator,
    scope: Scope,
    qualname: &str,
    free_vars: &[Name],
    coerced_locals: &[Name],
) -> Result<Module> {
    let text = &*source.text;
    let mut origin = Origin {
        source: &source,
        base: 0,
        scope,
        free_vars,
        coerced_locals,
    };
    if let Locator::Def { line, name } = at
        && let Some(range) = lines_of_def(&source, *line)
    {
        let parsed = parse_unchecked_source(&text[range.clone()], PySourceType::Python);
        if let ([Stmt::FunctionDef(def)], true) =
            (&*parsed.syntax().body, parsed.has_valid_syntax())
            && def.name.as_str() == &**name
        {
            origin.base = range.start as u32;
            return build::module(&origin, &[(Definition::Def(def), qualname)]);
        }
    }
    let parsed = parse_unchecked_source(text, PySourceType::Python);
    let mut find = Find {
        source: &source,
        at,
        found: None,
        is_exact: false,
    };
    find.visit_body(&parsed.syntax().body);
    let found = find.found;
    // Errors elsewhere are none of our business: a text may be a part of a file.
    let inside =
        |e: &&ParseError| found.is_none_or(|found| found.range().intersect(e.location).is_some());
    if let Some(error) = parsed.errors().iter().find(inside) {
        return Err(syntax_error(&source, error));
    }
    match found {
        Some(definition) => build::module(&origin, &[(definition, qualname)]),
        None => Err(not_found(&source, at)),
    }
}

/// A file of the prelude: all its functions, and which is which. Imports are for the reader (and
/// for Python tools); names of modules are known anyway.
pub fn parse_prelude(source: Arc<Source>) -> Result<(Module, FxHashMap<Name, FuncId>)> {
    let parsed = parse_unchecked_source(&source.text, PySourceType::Python);
    if let Some(error) = parsed.errors().first() {
        return Err(syntax_error(&source, error));
    }
    let mut top = Vec::new();
    for stmt in &parsed.syntax().body {
        match stmt {
            Stmt::FunctionDef(def) => top.push((Definition::Def(def), def.name.as_str())),
            Stmt::Import(_) | Stmt::ImportFrom(_) => {}
            Stmt::Expr(node) if node.value.is_string_literal_expr() => {}
            _ => {
                let message = "the prelude consists of functions and imports only";
                return Err(Diagnostic::new(Code::UnsupportedSyntax, message).label(
                    &source,
                    span(stmt.range()),
                    "",
                ));
            }
        }
    }
    let origin = Origin {
        source: &source,
        base: 0,
        scope: Scope::Prelude,
        free_vars: &[],
        coerced_locals: &[],
    };
    let module = build::module(&origin, &top)?;
    let names = module
        .functions
        .iter()
        .take(top.len())
        .map(|f| f.name.clone());
    let names = names.zip((0..).map(FuncId)).collect();
    Ok((module, names))
}

fn span(range: TextRange) -> Span {
    Span {
        start: range.start().into(),
        end: range.end().into(),
    }
}

fn syntax_error(source: &Arc<Source>, error: &ParseError) -> Box<Diagnostic> {
    let message = format!("the source does not parse: {}", error.error);
    Diagnostic::new(Code::BadSource, message).label(source, span(error.location), "")
}

fn not_found(source: &Source, at: &Locator) -> Box<Diagnostic> {
    let message = match at {
        Locator::Def { line, name } => {
            format!(
                "there is no function `{name}` on line {line} of {}",
                source.file
            )
        }
        Locator::Lambda { line, .. } => {
            format!("there is no such lambda on line {line} of {}", source.file)
        }
    };
    Diagnostic::new(Code::NoSource, message)
        .note("the text that was found is not the one that the function was compiled from")
}

/// The byte offset where a line of the file starts.
fn line_start(source: &Source, line: u32) -> Option<usize> {
    let line = source.line(line)?;
    Some(line.as_ptr() as usize - source.text.as_ptr() as usize)
}

/// The text of a `def` that is the first thing on its line, from the keyword to the end of its
/// block, as far as can be told from indentation. Where that is wrong (a string or a parenthesis
/// with lines further to the left), the piece ends too early, inside of a token or a statement, and
/// does not parse.
fn lines_of_def(source: &Source, line: u32) -> Option<std::ops::Range<usize>> {
    let text = &*source.text;
    let line_start = line_start(source, line)?;
    let start = line_start + indentation(&text[line_start..]);
    if !(text[start..].starts_with("def") || text[start..].starts_with("async")) {
        return None;
    }
    let mut end = line_start;
    for (i, line) in text[line_start..].split_inclusive('\n').enumerate() {
        let indent = indentation(line);
        let first = line.as_bytes().get(indent).copied();
        // Blank lines and comments have no indentation; a closing bracket continues a statement.
        let continues = matches!(
            first,
            None | Some(b'\n' | b'\r' | b'#' | b')' | b']' | b'}')
        );
        if i > 0 && !continues && indent <= start - line_start {
            break;
        }
        end += line.len();
    }
    Some(start..end)
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '\t', '\x0c']).len()
}

/// The search for a definition in a whole text.
struct Find<'s, 'a> {
    source: &'s Source,
    at: &'s Locator,
    found: Option<Definition<'a>>,
    /// The `def` keyword itself is on the line, not only a decorator.
    is_exact: bool,
}

impl<'a> Visitor<'a> for Find<'_, 'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        let line_of = |offset| self.source.position(u32::from(offset)).0;
        let (Locator::Def { line, .. } | Locator::Lambda { line, .. }) = self.at;
        let (first, last) = (line_of(stmt.start()), line_of(stmt.end()));
        if !(first..=last).contains(line) {
            return;
        }
        if let (Stmt::FunctionDef(def), Locator::Def { line, name }) = (stmt, self.at)
            && def.name.as_str() == &**name
        {
            let keyword = line_of(def.name.start());
            if *line == keyword || !self.is_exact && *line <= keyword {
                self.found = Some(Definition::Def(def));
                self.is_exact = *line == keyword;
            }
        }
        visitor::walk_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        let Locator::Lambda { line, col } = self.at else {
            return;
        };
        if let Expr::Lambda(lambda) = expr {
            let start = line_start(self.source, *line).unwrap_or(usize::MAX);
            let column = col.wrapping_sub(self.source.indent) as usize;
            if Some(usize::from(lambda.start())) == start.checked_add(column) {
                self.found = Some(Definition::Lambda(lambda));
            }
        }
        visitor::walk_expr(self, expr);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::PyRef;

    fn source(text: &str) -> Arc<Source> {
        Arc::new(Source::new("demo.py", text, 1, 0))
    }

    fn find(source: Arc<Source>, at: &Locator) -> Result<Module> {
        parse(source, at, Scope::Python(PyRef(1)), "f", &[], &[])
    }

    fn def(line: u32) -> Locator {
        Locator::Def {
            line,
            name: "f".into(),
        }
    }

    /// The text that the first function's span covers.
    fn covered(module: &Module) -> &str {
        let span = module.functions[0].span;
        &module.source.text[span.start as usize..span.end as usize]
    }

    #[test]
    fn finds_a_def_among_others_of_its_name() {
        let text = "def f(): return 1\nclass C:\n    def f(): return 2\ndef f(): return 3\n";
        for (line, digit) in [(1, "1"), (3, "2"), (4, "3")] {
            let module = find(source(text), &def(line)).unwrap();
            assert_eq!(covered(&module), format!("def f(): return {digit}"));
        }
    }

    #[test]
    fn a_decorators_line_is_good_enough() {
        let text = "x = 1\n@njit(\n    cache=True)\n@other\ndef f(x):\n    return x\n";
        for line in 2..=5 {
            let module = find(source(text), &def(line)).unwrap();
            assert_eq!(covered(&module), "def f(x):\n    return x");
        }
        assert_eq!(
            find(source(text), &def(6)).unwrap_err().code,
            Code::NoSource
        );
    }

    #[test]
    fn lines_further_to_the_left_may_belong_to_the_function() {
        let text = "class C:\n    def f(\n        x,\n):\n        \"\"\"Text\nto the left.\"\"\"\n\n# a comment\n        \
                    y = (x +\n1)\n        return y\n    z = 1\n";
        let module = find(source(text), &def(2)).unwrap();
        let covered = covered(&module);
        assert!(
            covered.starts_with("def f(") && covered.ends_with("return y"),
            "{covered}"
        );
    }

    #[test]
    fn errors_outside_of_the_function_do_not_matter() {
        let module = find(
            source("%timeit f(1)\ndef f(x):\n    return x\n)\n"),
            &def(2),
        )
        .unwrap();
        assert_eq!(covered(&module), "def f(x):\n    return x");
        let error = find(source("def f(x):\n    return x x\n"), &def(1)).unwrap_err();
        assert_eq!(error.code, Code::BadSource);
    }

    #[test]
    fn finds_a_lambda_by_its_column_in_bytes() {
        let text = "é = 1; pair = (lambda x: 1, lambda x: 2)\n";
        for (needle, col) in [("lambda x: 1", 16), ("lambda x: 2", 29)] {
            let module = find(source(text), &Locator::Lambda { line: 1, col }).unwrap();
            assert_eq!(covered(&module), needle);
        }
        let error = find(source(text), &Locator::Lambda { line: 1, col: 15 }).unwrap_err();
        assert_eq!(error.code, Code::NoSource);
    }

    #[test]
    fn finds_a_lambda_in_a_fragment_of_a_statement() {
        let text = Arc::new(Source::new("demo.py", "foo(lambda a:\n    a,\n", 41, 8));
        let module = find(text, &Locator::Lambda { line: 41, col: 12 }).unwrap();
        assert_eq!(covered(&module), "lambda a:\n    a");
    }

    #[test]
    fn lines_count_from_the_first_line_of_the_text() {
        let text = Arc::new(Source::new(
            "demo.py",
            "\ndef f(x):\n    return x +\n",
            10,
            4,
        ));
        let error = find(text, &def(11)).unwrap_err();
        assert!(
            error.render().contains("--> demo.py:12:19"),
            "{}",
            error.render()
        );
    }

    #[test]
    fn a_prelude_file_is_one_module() {
        let text = "\"\"\"Text.\"\"\"\nimport numpy as np\n\ndef one(a):\n    return two(lambda: a)\n\n\
                    def two(g):\n    return np.sum(g())\n";
        let (module, names) = parse_prelude(source(text)).unwrap();
        assert_eq!(names["one"], FuncId(0));
        assert_eq!(names["two"], FuncId(1));
        let all: Vec<&str> = module.functions.iter().map(|f| &*f.qualname).collect();
        assert_eq!(all, ["one", "two", "one.<locals>.<lambda>"]);
        assert_eq!(module.scope, Scope::Prelude);
        assert!(parse_prelude(source("x = 1\n")).is_err());
    }
}
