//! Generators and generator expressions.

use insta::assert_snapshot;

use super::hir;

#[test]
fn yields_are_instructions_and_yield_from_is_a_loop() {
    assert_snapshot!(hir("
        def f(n):
            x = yield n
            yield from range(x)
            return n
    "), @"
    function f0 f(n) captures() generator
    b0(%0 n):
      %1 x = yield %0
      %2 = global range
      %3 = call %2(%1)
      %4 = iter %3
      jump b1(%4)
    b1(%5):
      %6 = itermore %5
      branch %6 -> b2 else b3
    b2:
      %7 = iteritem %5
      %8 = iternext %5
      %9 = yield %7
      jump b1(%8)
    b3:
      %10 = iterresult %5
      return %0
    ");
}

#[test]
fn a_generator_expression_is_a_function_of_its_first_iterable() {
    assert_snapshot!(hir("
        def f(x, k):
            return sum(i * k for i in x if i)
    "), @"
    function f0 f(x, k) captures()
    b0(%0 x, %1 k):
      %2 = global sum
      %3 = closure f1 captures(%1) defaults()
      %4 = call %3(%0)
      %5 = call %2(%4)
      return %5

    function f1 f.<locals>.<genexpr>(.0/) captures(k) generator
    b0(%0 .0, %1 k):
      %2 = iter %0
      jump b1(%2)
    b1(%3):
      %4 = itermore %3
      branch %4 -> b2 else b5
    b2:
      %5 i = iteritem %3
      %6 = iternext %3
      %7 = truth %5
      branch %7 -> b3 else b4
    b3:
      %8 = binary mul %5, %1
      %9 = yield %8
      jump b4
    b4:
      jump b1(%6)
    b5:
      %10 = literal None
      return %10
    ");
}

#[test]
fn what_changes_before_a_generator_is_consumed_is_a_cell() {
    assert_snapshot!(hir("
        def f(x):
            k = 1
            g = (i * k for i in x)
            k = 2
            return g
    "), @"
    function f0 f(x) captures()
    b0(%0 x):
      %1 = newcell k
      %2 k = literal 1
      %3 = cellset %1, %2
      %4 = closure f1 captures(%1) defaults()
      %5 g = call %4(%0)
      %6 k = literal 2
      %7 = cellset %1, %6
      return %5

    function f1 f.<locals>.<genexpr>(.0/) captures(cell k) generator
    b0(%0 .0, %1 k):
      %2 = iter %0
      jump b1(%2)
    b1(%3):
      %4 = itermore %3
      branch %4 -> b2 else b3
    b2:
      %5 i = iteritem %3
      %6 = iternext %3
      %7 = cellbound %1
      %8 = checkfree %7 k
      %9 k = cellget %1 k
      %10 = binary mul %5, %9
      %11 = yield %10
      jump b1(%6)
    b3:
      %12 = literal None
      return %12
    ");
}
