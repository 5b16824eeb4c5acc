//! Unrolling, on the HIR of small functions. In each, the first loop is unrolled.

use std::sync::Arc;

use insta::assert_snapshot;

use super::{Items, MOST_ITEMS, unroll};
use crate::hir::verify::verify;
use crate::hir::{Arg, Function, Name, Op, Scope, Value};
use crate::source::Source;
use crate::syntax::{Locator, parse};
use crate::types::PyRef;

fn function(text: &str) -> Function {
    let name: Name = "f".into();
    let source = Arc::new(Source::new("demo.py", text, 1, 0));
    let at = Locator::Def {
        line: 1,
        name: name.clone(),
    };
    let module = parse(source, &at, Scope::Python(PyRef(1)), &name, &[], &[]);
    module
        .unwrap_or_else(|d| panic!("{}", d.render()))
        .functions
        .swap_remove(0)
}

/// The iterators of a function, and what they go over.
fn loops(f: &Function) -> impl Iterator<Item = (Value, Value)> {
    f.blocks
        .iter()
        .flat_map(|b| &b.insts)
        .filter_map(|i| match i.op {
            Op::Iter(over) => Some((i.result, over)),
            _ => None,
        })
}

fn first_loop(f: &Function) -> (Value, Value) {
    loops(f).next().expect("there is a loop")
}

fn unrolled(text: &str, count: usize) -> Option<Function> {
    let f = function(text);
    let (iter, tuple) = first_loop(&f);
    let new = unroll(&f, iter, &Items::Tuple { tuple, len: count })?;
    assert_eq!(verify(&new), Ok(()), "{new}");
    Some(new)
}

fn shown(text: &str, count: usize) -> String {
    unrolled(text, count)
        .expect("the loop can be unrolled")
        .to_string()
}

fn instructions(f: &Function, test: impl Fn(&Op) -> bool) -> usize {
    f.blocks
        .iter()
        .flat_map(|b| &b.insts)
        .filter(|i| test(&i.op))
        .count()
}

#[test]
fn bodies_come_one_after_the_other() {
    assert_snapshot!(shown("def f(t):\n    s = 0\n    for x in t:\n        s += x\n    return s\n", 2), @"
    function f(t) captures()
    b0(%0 t):
      %1 s = literal 0
      jump b1
    b1:
      %2 = literal 0
      %3 x = getitem %0[%2]
      %4 s = inplace add %1, %3
      jump b2(%4)
    b2(%5 s):
      %6 = literal 1
      %7 x = getitem %0[%6]
      %8 s = inplace add %5, %7
      jump b3(%8)
    b3(%9 s):
      return %9
    ");
}

#[test]
fn no_items_no_body() {
    assert_snapshot!(shown("def f(t):\n    for x in t:\n        print(x)\n    return t\n", 0), @"
    function f(t) captures()
    b0(%0 t):
      return %0
    ");
}

#[test]
fn values_of_the_headers_meet_behind_the_loop() {
    // `s` as it is before an iteration: at each `break`, and at the end.
    assert_snapshot!(shown("def f(t):\n    s = 0\n    for x in t:\n        if x:\n            break\n        s += 1\n    return s\n", 2), @"
    function f(t) captures()
    b0(%0 t):
      %1 s = literal 0
      jump b1
    b1:
      %2 = literal 0
      %3 x = getitem %0[%2]
      %4 = truth %3
      branch %4 -> b2 else b3
    b2:
      jump b8(%1)
    b3:
      %5 = literal 1
      %6 s = inplace add %1, %5
      jump b4(%6)
    b4(%7 s):
      %8 = literal 1
      %9 x = getitem %0[%8]
      %10 = truth %9
      branch %10 -> b5 else b6
    b5:
      jump b8(%7)
    b6:
      %11 = literal 1
      %12 s = inplace add %7, %11
      jump b7(%12)
    b7(%13 s):
      jump b8(%13)
    b8(%14 s):
      return %14
    ");
}

#[test]
fn what_comes_before_a_return_belongs_to_the_item() {
    let f = unrolled("def f(t, c):\n    for x in t:\n        if c:\n            y = x * 2\n            return y\n    else:\n        return 0\n", 3).expect("unrolled");
    assert_eq!(instructions(&f, |op| matches!(op, Op::Binary(..))), 3);
    let items: Vec<u32> = f
        .blocks
        .iter()
        .flat_map(|b| &b.iterations)
        .map(|i| i.index)
        .collect();
    assert_eq!(items, [0, 0, 1, 1, 2, 2]);
}

#[test]
fn a_loop_without_a_second_iteration() {
    assert_snapshot!(shown("def f(t):\n    for x in t:\n        return x\n    return 0\n", 2), @"
    function f(t) captures()
    b0(%0 t):
      %1 = literal 0
      %2 x = getitem %0[%1]
      return %2
    ");
}

#[test]
fn instructions_in_a_try_keep_their_handler() {
    assert_snapshot!(shown("def f(t, n):\n    try:\n        for x in t:\n            n = g(x)\n    except ValueError:\n        return n\n", 1), @"
    function f(t, n) captures()
    b0(%0 t, %1 n) handler b3(%1):
      %2 = literal 0
      %3 x = getitem %0[%2]
      jump b1
    b1 handler b3(%1):
      %4 = global g
      %5 n = call %4(%3)
      jump b2
    b2:
      %6 = literal None
      return %6
    b3(%7, %8 n):
      %9 = global ValueError
      %10 = exceptmatch %7, %9
      %11 = truth %10
      branch %11 -> b4 else b5
    b4:
      return %8
    b5:
      reraise %7
    ");
}

#[test]
fn items_of_zip_in_a_try_take_a_block_each() {
    let f = function(
        "def f(t, u):\n    try:\n        for x in zip(t, u):\n            pass\n    except ValueError:\n        return 1\n",
    );
    let (iter, over) = first_loop(&f);
    let calls = f
        .blocks
        .iter()
        .flat_map(|b| &b.insts)
        .find(|i| i.result == over);
    let Some(Op::Call { args, .. }) = calls.map(|i| &i.op) else {
        panic!("no call")
    };
    let parts = args
        .iter()
        .map(|a| Items::Tuple {
            tuple: a.value(),
            len: 1,
        })
        .collect();
    let items = Items::Enumerate {
        items: Box::new(Items::Zip(parts)),
        start: Some(args[0].value()),
    };
    let new = unroll(&f, iter, &items).expect("the loop can be unrolled");
    assert_eq!(verify(&new), Ok(()), "{new}");
    assert_snapshot!(new, @"
    function f(t, u) captures()
    b0(%0 t, %1 u) handler b6:
      %2 = global zip
      %3 = call %2(%0, %1)
      jump b1
    b1 handler b6:
      %4 = literal 0
      %5 = getitem %0[%4]
      jump b2
    b2 handler b6:
      %6 = literal 0
      %7 = getitem %1[%6]
      jump b3
    b3 handler b6:
      %8 = tuple(%5, %7)
      %9 = literal 0
      %10 = binary add %0, %9
      jump b4
    b4:
      %11 x = tuple(%10, %8)
      jump b5
    b5:
      %12 = literal None
      return %12
    b6(%13):
      %14 = global ValueError
      %15 = exceptmatch %13, %14
      %16 = truth %15
      branch %16 -> b7 else b8
    b7:
      %17 = literal 1
      return %17
    b8:
      reraise %13
    ");
}

#[test]
fn reversed_counts_from_the_end() {
    let f = function("def f(t):\n    for x in t:\n        print(x)\n");
    let (iter, tuple) = first_loop(&f);
    let new = unroll(&f, iter, &Items::Reversed { tuple, len: 3 })
        .expect("the loop can be unrolled")
        .to_string();
    let literals: Vec<&str> = new
        .lines()
        .filter_map(|l| l.split_once("= literal ").map(|(_, v)| v))
        .collect();
    assert_eq!(literals, ["2", "1", "0", "None"]);
}

#[test]
fn loops_in_loops() {
    let text = "def f(t, n):
    s = last = 0
    while n:
        for x in t:
            for i in x:
                if i:
                    continue
                if s:
                    break
                s += i
            else:
                last = s
                continue
            if last:
                break
        while s:
            s -= last
        n -= 1
    return s, last
";
    let f = unrolled(text, 3).expect("unrolled");
    assert_eq!(instructions(&f, |op| matches!(op, Op::Iter(_))), 3);
    // The inner loops of the copies can be unrolled in turn.
    let (iter, tuple) = first_loop(&f);
    let new = unroll(&f, iter, &Items::Tuple { tuple, len: 2 }).expect("unrolled");
    assert_eq!(verify(&new), Ok(()), "{new}");
    assert_eq!(instructions(&new, |op| matches!(op, Op::Iter(_))), 2);
    assert!(
        new.blocks
            .iter()
            .any(|b| b.iterations.iter().map(|i| i.index).eq([0, 1]))
    );
}

#[test]
fn a_loop_in_every_iteration_of_another() {
    let f = function(
        "def f(t):\n    for i in range(9):\n        for x in t:\n            if g(x, i):\n                break\n        else:\n            raise ValueError\n    return i\n",
    );
    let (iter, tuple) = loops(&f).nth(1).expect("there are two loops");
    let new = unroll(&f, iter, &Items::Tuple { tuple, len: 2 }).expect("the loop can be unrolled");
    assert_eq!(verify(&new), Ok(()), "{new}");
    assert_eq!(loops(&new).count(), 1);
}

#[test]
fn other_uses_of_the_iterator() {
    let mut f = function("def f(t):\n    for x in t:\n        print(x)\n");
    let (iter, tuple) = first_loop(&f);
    let print = f
        .blocks
        .iter_mut()
        .flat_map(|b| &mut b.insts)
        .find_map(|i| match &mut i.op {
            Op::Call { args, .. } => Some(args),
            _ => None,
        });
    print.expect("a call").push(Arg::Plain(iter));
    assert_eq!(verify(&f), Ok(()));
    assert!(unroll(&f, iter, &Items::Tuple { tuple, len: 1 }).is_none());
}

#[test]
fn long_tuples_are_left_alone() {
    let text = "def f(t):\n    for x in t:\n        print(x)\n";
    assert!(unrolled(text, MOST_ITEMS).is_some());
    assert!(unrolled(text, MOST_ITEMS + 1).is_none());
}
