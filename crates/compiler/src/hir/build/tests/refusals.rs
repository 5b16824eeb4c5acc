//! What is refused, and how it is said.

use insta::assert_snapshot;

use super::refusal;

#[test]
fn keyword_dictionaries_as_parameters() {
    assert_snapshot!(refusal("
        def f(x, **options):
            return x
    "), @"
    `**` parameters are not supported in compiled functions [unsupported-syntax]
     --> demo.py:1:10
      |
    1 | def f(x, **options):
      |          ^^^^^^^^^
      |
      = help: name the keyword arguments
    ");
}

#[test]
fn imports() {
    assert_snapshot!(refusal("
        def f(x):
            import math
            return math.sin(x)
    "), @"
    `import` is not supported in compiled functions [unsupported-syntax]
     --> demo.py:2:5
      |
    2 |     import math
      |     ^^^^^^^^^^^
      |
      = help: import at module level; compiled code sees the module as a global name
    ");
}

#[test]
fn classes() {
    assert_snapshot!(refusal("
        def f(x):
            class C:
                pass
            return C()
    "), @"
    a class cannot be defined in a compiled function [unsupported-syntax]
     --> demo.py:2:11
      |
    2 |     class C:
      |           ^
      |
      = help: define the class at module level
    ");
}

#[test]
fn with_statements() {
    assert_snapshot!(refusal("
        def f(p):
            with open(p) as f:
                return f
    "), @"
    `with` is not supported in compiled functions [unsupported-syntax]
     --> demo.py:2:5
      |
    2 |     with open(p) as f:
      |     ^^^^^^^^^^^^^^^^^
      |
      = help: use try/finally, or enter the context manager around the call
    ");
}

#[test]
fn assigned_globals() {
    assert_snapshot!(refusal("
        def f(x):
            global count
            count += x
    "), @"
    the global variable `count` cannot be assigned [unsupported-syntax]
     --> demo.py:3:5
      |
    3 |     count += x
      |     ^^^^^
      |
      = note: global variables are constants for compiled code
      = help: return the value, or store it in an array that is passed as an argument
    ");
}

#[test]
fn nonlocal_free_variables() {
    assert_snapshot!(refusal("
        def f(x):
            def g():
                nonlocal total
                total = x
            return g
    "), @"
    the free variable `total` cannot be assigned [unsupported-syntax]
     --> demo.py:4:9
      |
    4 |         total = x
      |         ^^^^^
      |
      = note: what a compiled function takes from the function around it is constant
      = help: pass the value as an argument and return the new one
    ");
}

#[test]
fn integers_beyond_64_bits() {
    assert_snapshot!(refusal("
        def f():
            return 1 + 18446744073709551616
    "), @"
    this integer does not fit 64 bits [unsupported-syntax]
     --> demo.py:2:16
      |
    2 |     return 1 + 18446744073709551616
      |                ^^^^^^^^^^^^^^^^^^^^
      |
      = note: compiled integers range from -2**63 to 2**64 - 1
      = help: use a float, or compute with arrays of smaller numbers
    ");
}

#[test]
fn negative_integers_beyond_64_bits() {
    assert_snapshot!(refusal("
        def f():
            return -9223372036854775809
    "), @"
    this integer does not fit 64 bits [unsupported-syntax]
     --> demo.py:2:12
      |
    2 |     return -9223372036854775809
      |            ^^^^^^^^^^^^^^^^^^^^
      |
      = note: compiled integers range from -2**63 to 2**64 - 1
      = help: use a float, or compute with arrays of smaller numbers
    ");
}

#[test]
fn raise_from_a_cause() {
    assert_snapshot!(refusal("
        def f(x, y):
            raise ValueError from y
    "), @"
    `raise ... from` with a cause is not supported in compiled functions [unsupported-syntax]
     --> demo.py:2:27
      |
    2 |     raise ValueError from y
      |                           ^
      |
      = help: leave out `from`, or use `from None`
    ");
}

#[test]
fn raise_without_an_exception() {
    assert_snapshot!(refusal("
        def f(x):
            raise
    "), @"
    `raise` without an exception is only supported in an `except` block [unsupported-syntax]
     --> demo.py:2:5
      |
    2 |     raise
      |     ^^^^^
      |
      = help: raise an exception of a class
    ");
}

#[test]
fn coroutines() {
    assert_snapshot!(refusal("
        async def f(x):
            return x
    "), @"
    `async` functions are not supported [unsupported-syntax]
     --> demo.py:1:11
      |
    1 | async def f(x):
      |           ^
    ");
}

#[test]
fn mapping_patterns() {
    assert_snapshot!(refusal("
        def f(x):
            match x:
                case {'a': y}:
                    return y
    "), @"
    mapping patterns are not supported in compiled functions [unsupported-syntax]
     --> demo.py:3:14
      |
    3 |         case {'a': y}:
      |              ^^^^^^^^
      |
      = help: test with `in` and look the keys up
    ");
}

#[test]
fn class_patterns_with_attributes() {
    assert_snapshot!(refusal("
        def f(x):
            match x:
                case Point(x=0):
                    return 0
    "), @"
    class patterns with sub-patterns are not supported in compiled functions [unsupported-syntax]
     --> demo.py:3:14
      |
    3 |         case Point(x=0):
      |              ^^^^^^^^^^
      |
      = help: match the class alone (`case Class():`), read attributes in the body
    ");
}

#[test]
fn deletion_of_shared_variables() {
    assert_snapshot!(refusal("
        def f(x):
            g = lambda: x
            del x
            return g
    "), @"
    `x` is shared with an inner function and cannot be deleted [unsupported-syntax]
     --> demo.py:3:9
      |
    3 |     del x
      |         ^
    ");
}

#[test]
fn syntax_errors() {
    assert_snapshot!(refusal("
        def f(x):
            return x +
    "), @"
    the source does not parse: Expected an expression [bad-source]
     --> demo.py:2:15
      |
    2 |     return x +
      |               ^
    ");
}
