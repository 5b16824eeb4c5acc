//! Snapshots of small functions, by subject.

mod closures;
mod exceptions;
mod expressions;
mod generators;
mod patterns;
mod refusals;
mod statements;

use std::sync::Arc;

use insta::assert_snapshot;

use crate::diag::Result;
use crate::hir::{Function, Module, Name, Op, Scope};
use crate::source::Source;
use crate::syntax::{Locator, parse};
use crate::types::PyRef;

/// The text without what all lines are indented by.
fn dedent(text: &str) -> String {
    let lines = || text.lines().filter(|line| !line.trim().is_empty());
    let indent = lines()
        .map(|line| line.len() - line.trim_start().len())
        .min()
        .unwrap_or(0);
    lines()
        .map(|line| format!("{}\n", &line[indent..]))
        .collect()
}

/// The module of the function on the first line. It coerces assignments to the local `fixed`; its free
/// variable is `total`.
fn build(text: &str) -> Result<Module> {
    let source = Arc::new(Source::new("demo.py", &dedent(text), 1, 0));
    let head = source.text.split_once("def ").map_or("", |(_, head)| head);
    let name: Name = head.split('(').next().unwrap_or_default().into();
    let at = Locator::Def {
        line: 1,
        name: name.clone(),
    };
    let (free, coerced) = ([Name::from("total")], [Name::from("fixed")]);
    let free = if source.text.contains("total") {
        &free[..]
    } else {
        &[]
    };
    parse(source, &at, Scope::Python(PyRef(1)), &name, free, &coerced)
}

fn hir(text: &str) -> String {
    build(text)
        .unwrap_or_else(|d| panic!("{}", d.render()))
        .to_string()
}

fn refusal(text: &str) -> String {
    build(text).expect_err("it was accepted").render()
}

fn function(text: &str) -> Function {
    build(text)
        .unwrap_or_else(|d| panic!("{}", d.render()))
        .functions
        .swap_remove(0)
}

#[test]
fn free_variables_are_constants_in_inner_functions_too() {
    assert_snapshot!(hir("
        def f(x):
            return x + total + (lambda: total)()
    "), @"
    function f0 f(x) captures(total)
    b0(%0 x):
      %1 = free total
      %2 = binary add %0, %1
      %3 = closure f1 captures() defaults()
      %4 = call %3()
      %5 = binary add %2, %4
      return %5

    function f1 f.<locals>.<lambda>() captures()
    b0:
      %0 = free total
      return %0
    ");
}

#[test]
fn assignments_to_coerced_locals() {
    assert_snapshot!(hir("
        def f(x, fixed):
            fixed += x
            for fixed in x:
                pass
            def g():
                fixed = 1
                return fixed
            return fixed
    "), @"
    function f0 f(x, fixed) captures()
    b0(%0 x, %1 fixed):
      %2 fixed = coerce %1 fixed
      %3 = inplace add %2, %0
      %4 fixed = coerce %3 fixed
      %5 = iter %0
      jump b1(%5, %4)
    b1(%6, %7 fixed):
      %8 = itermore %6
      branch %8 -> b2 else b3
    b2:
      %9 = iteritem %6
      %10 = iternext %6
      %11 fixed = coerce %9 fixed
      jump b1(%10, %11)
    b3:
      return %7

    function f1 f.<locals>.g() captures()
    b0:
      %0 fixed = literal 1
      return %0
    ");
}

#[test]
fn coerced_locals_that_are_cells() {
    assert_snapshot!(hir("
        def f(x):
            fixed = x
            def g():
                nonlocal fixed
                fixed += 1
            g()
            return fixed
    "), @"
    function f0 f(x) captures()
    b0(%0 x):
      %1 = newcell fixed
      %2 fixed = coerce %0 fixed
      %3 = cellset %1, %2
      %4 g = closure f1 captures(%1) defaults()
      %5 = call %4()
      %6 fixed = cellget %1 fixed
      return %6

    function f1 f.<locals>.g() captures(cell fixed)
    b0(%0 fixed):
      %1 = cellbound %0
      %2 = checkfree %1 fixed
      %3 fixed = cellget %0 fixed
      %4 = literal 1
      %5 = inplace add %3, %4
      %6 fixed = coerce %5 fixed
      %7 = cellset %0, %6
      %8 = literal None
      return %8
    ");
}

#[test]
fn instructions_have_the_spans_of_their_expressions() {
    let text = "def f(a, i):\n    return a[i + 1] * g(a)\n";
    let function = function(text);
    let spans: Vec<&str> = function.blocks[0]
        .insts
        .iter()
        .map(|inst| &text[inst.span.start as usize..inst.span.end as usize])
        .collect();
    assert_eq!(
        spans,
        ["1", "i + 1", "a[i + 1]", "g", "g(a)", "a[i + 1] * g(a)"]
    );
    let term = function.blocks[0].term_span;
    assert_eq!(
        &text[term.start as usize..term.end as usize],
        "return a[i + 1] * g(a)"
    );
    assert_eq!(
        &text[function.span.start as usize..function.span.end as usize],
        text.trim_end()
    );
}

#[test]
fn long_sums_and_elif_chains_need_no_stack() {
    let sum = vec!["x"; 5000].join(" + ");
    let tests: String = (0..2000)
        .map(|i| format!("    elif x == {i}:\n        y = {i}\n"))
        .collect();
    let function = function(&format!(
        "def f(x):\n    if {sum}:\n        y = 0\n{tests}    return y\n"
    ));
    let adds = function.blocks[0]
        .insts
        .iter()
        .filter(|i| matches!(i.op, Op::Binary(..)))
        .count();
    assert_eq!(adds, 4999);
}

#[test]
fn too_deep_nesting_is_refused() {
    let text = format!(
        "def f(x):\n    return {}x{}\n",
        "g(".repeat(1000),
        ")".repeat(1000)
    );
    assert!(refusal(&text).starts_with("this is nested too deeply to be compiled"));
}

#[test]
fn the_same_text_gives_the_same_hir() {
    let text = "
        def f(a, b, c):
            def g(x):
                return a + b + c + x
            try:
                for i in range(a):
                    b, c = c, g(b)
            except E:
                pass
            return [g(c) for a in b if a or c]
    ";
    assert_eq!(hir(text), hir(text));
}
