//! Names: free variables, captures, cells, comprehensions.

use insta::assert_snapshot;

use super::hir;

#[test]
fn a_final_value_is_captured_by_value() {
    assert_snapshot!(hir("
        def f(n):
            k = n * 2
            def g(x, y=k, *rest, z=1):
                return x + k
            return g(1)
    "), @"
    function f0 f(n) captures()
    b0(%0 n):
      %1 = literal 2
      %2 k = binary mul %0, %1
      %3 = literal 1
      %4 g = closure f1 captures(%2) defaults(%2, %3)
      %5 = literal 1
      %6 = call %4(%5)
      return %6

    function f1 f.<locals>.g(x, y=..., *rest, z=...) captures(k)
    b0(%0 x, %1 y, %2 rest, %3 z, %4 k):
      %5 = binary add %0, %4
      return %5
    ");
}

#[test]
fn a_value_that_changes_later_is_a_cell() {
    assert_snapshot!(hir("
        def f(n):
            def g():
                return n + k
            k = 1
            n += k
            return g()
    "), @"
    function f0 f(n) captures()
    b0(%0 n):
      %1 = newcell n
      %2 = newcell k
      %3 = cellset %1, %0
      %4 g = closure f1 captures(%1, %2) defaults()
      %5 k = literal 1
      %6 = cellset %2, %5
      %7 n = cellget %1 n
      %8 k = cellget %2 k
      %9 n = inplace add %7, %8
      %10 = cellset %1, %9
      %11 = call %4()
      return %11

    function f1 f.<locals>.g() captures(cell n, cell k)
    b0(%0 n, %1 k):
      %2 = cellbound %0
      %3 = checkfree %2 n
      %4 n = cellget %0 n
      %5 = cellbound %1
      %6 = checkfree %5 k
      %7 k = cellget %1 k
      %8 = binary add %4, %7
      return %8
    ");
}

#[test]
fn a_value_that_changes_in_the_next_iteration_is_a_cell() {
    assert_snapshot!(hir("
        def f(n):
            c = n
            for i in range(n):
                c += (lambda: i + n)()
            return c
    "), @"
    function f0 f(n) captures()
    b0(%0 n):
      %1 = newcell i
      %2 = global range
      %3 = call %2(%0)
      %4 = iter %3
      jump b1(%4, %0)
    b1(%5, %6 c):
      %7 = itermore %5
      branch %7 -> b2 else b3
    b2:
      %8 i = iteritem %5
      %9 = iternext %5
      %10 = cellset %1, %8
      %11 = closure f1 captures(%1, %0) defaults()
      %12 = call %11()
      %13 c = inplace add %6, %12
      jump b1(%9, %13)
    b3:
      return %6

    function f1 f.<locals>.<lambda>() captures(cell i, n)
    b0(%0 i, %1 n):
      %2 = cellbound %0
      %3 = checkfree %2 i
      %4 i = cellget %0 i
      %5 = binary add %4, %1
      return %5
    ");
}

#[test]
fn nonlocal_assigns_the_cell() {
    assert_snapshot!(hir("
        def f():
            count = 0
            def step(by):
                nonlocal count
                count += by
                return count
            step(2)
            return count
    "), @"
    function f0 f() captures()
    b0:
      %0 = newcell count
      %1 count = literal 0
      %2 = cellset %0, %1
      %3 step = closure f1 captures(%0) defaults()
      %4 = literal 2
      %5 = call %3(%4)
      %6 count = cellget %0 count
      return %6

    function f1 f.<locals>.step(by) captures(cell count)
    b0(%0 by, %1 count):
      %2 = cellbound %1
      %3 = checkfree %2 count
      %4 count = cellget %1 count
      %5 count = inplace add %4, %0
      %6 = cellset %1, %5
      %7 count = cellget %1 count
      return %7
    ");
}

#[test]
fn a_recursive_inner_function_finds_itself_in_a_cell() {
    assert_snapshot!(hir("
        def f(n):
            def fact(k):
                return 1 if k == 0 else k * fact(k - 1)
            return fact(n)
    "), @"
    function f0 f(n) captures()
    b0(%0 n):
      %1 = newcell fact
      %2 fact = closure f1 captures(%1) defaults()
      %3 = cellset %1, %2
      %4 fact = cellget %1 fact
      %5 = call %4(%0)
      return %5

    function f1 f.<locals>.fact(k) captures(cell fact)
    b0(%0 k, %1 fact):
      %2 = literal 0
      %3 = compare eq %0, %2
      %4 = truth %3
      branch %4 -> b1 else b2
    b1:
      %5 = literal 1
      jump b3(%5)
    b2:
      %6 = cellbound %1
      %7 = checkfree %6 fact
      %8 fact = cellget %1 fact
      %9 = literal 1
      %10 = binary sub %0, %9
      %11 = call %8(%10)
      %12 = binary mul %0, %11
      jump b3(%12)
    b3(%13):
      return %13
    ");
}

#[test]
fn captures_pass_through_functions_between() {
    assert_snapshot!(hir("
        def f(x):
            def g():
                def h():
                    return x
                return h
            return g()()
    "), @"
    function f0 f(x) captures()
    b0(%0 x):
      %1 g = closure f1 captures(%0) defaults()
      %2 = call %1()
      %3 = call %2()
      return %3

    function f1 f.<locals>.g() captures(x)
    b0(%0 x):
      %1 h = closure f2 captures(%0) defaults()
      return %1

    function f2 f.<locals>.g.<locals>.h() captures(x)
    b0(%0 x):
      return %0
    ");
}

#[test]
fn inner_functions_of_inner_scopes_see_globals() {
    assert_snapshot!(hir("
        def f(x):
            def g():
                global x
                return x + len
            return g()
    "), @"
    function f0 f(x) captures()
    b0(%0 x):
      %1 g = closure f1 captures() defaults()
      %2 = call %1()
      return %2

    function f1 f.<locals>.g() captures()
    b0:
      %0 = global x
      %1 = global len
      %2 = binary add %0, %1
      return %2
    ");
}

#[test]
fn decorators_of_inner_functions_are_called() {
    assert_snapshot!(hir("
        def f(d):
            @d(1)
            @e
            def g():
                pass
            return g
    "), @"
    function f0 f(d) captures()
    b0(%0 d):
      %1 = literal 1
      %2 = call %0(%1)
      %3 = global e
      %4 = closure f1 captures() defaults()
      %5 = call %3(%4)
      %6 g = call %2(%5)
      return %6

    function f1 f.<locals>.g() captures()
    b0:
      %0 = literal None
      return %0
    ");
}

#[test]
fn list_comprehension_with_its_own_scope() {
    assert_snapshot!(hir("
        def f(x, n):
            y = [x * i for x in range(n) if x if x != i for i in g(x)]
            return x, y
    "), @"
    function f0 f(x, n) captures()
    b0(%0 x, %1 n):
      %2 = literal False
      %3 = literal True
      %4 i = unbound i
      %5 = global range
      %6 = call %5(%1)
      %7 = iter %6
      %8 y = list()
      jump b1(%7, %4, %2)
    b1(%9, %10 i, %11):
      %12 = itermore %9
      branch %12 -> b2 else b9
    b2:
      %13 x = iteritem %9
      %14 = iternext %9
      %15 = truth %13
      branch %15 -> b3 else b8(%10, %11)
    b3:
      %16 = checkbound %11 i
      %17 = compare ne %13, %10
      %18 = truth %17
      branch %18 -> b4 else b8(%10, %11)
    b4:
      %19 = global g
      %20 = call %19(%13)
      %21 = iter %20
      jump b5(%21, %10, %11)
    b5(%22, %23 i, %24):
      %25 = itermore %22
      branch %25 -> b6 else b7
    b6:
      %26 i = iteritem %22
      %27 = iternext %22
      %28 = binary mul %13, %26
      %29 = append %8, %28
      jump b5(%27, %26, %3)
    b7:
      jump b8(%23, %24)
    b8(%30 i, %31):
      jump b1(%14, %30, %31)
    b9:
      %32 = tuple(%0, %8)
      return %32
    ");
}

#[test]
fn set_and_dict_comprehensions() {
    assert_snapshot!(hir("
        def f(a):
            return {x for x in a}, {k: v for k, v in a}
    "), @"
    function f0 f(a) captures()
    b0(%0 a):
      %1 = iter %0
      %2 = set()
      jump b1(%1)
    b1(%3):
      %4 = itermore %3
      branch %4 -> b2 else b3
    b2:
      %5 x = iteritem %3
      %6 = iternext %3
      %7 = setadd %2, %5
      jump b1(%6)
    b3:
      %8 = iter %0
      %9 = dict()
      jump b4(%8)
    b4(%10):
      %11 = itermore %10
      branch %11 -> b5 else b6
    b5:
      %12 = iteritem %10
      %13 = iternext %10
      %14 = unpack %12 into 2
      %15 k = unpackitem %14, 0
      %16 v = unpackitem %14, 1
      %17 = dictset %9[%15], %16
      jump b4(%13)
    b6:
      %18 = tuple(%2, %9)
      return %18
    ");
}

#[test]
fn walrus_leaves_the_comprehension() {
    assert_snapshot!(hir("
        def f(a):
            b = [y := x for x in a]
            return y
    "), @"
    function f0 f(a) captures()
    b0(%0 a):
      %1 = literal False
      %2 = literal True
      %3 y = unbound y
      %4 = iter %0
      %5 b = list()
      jump b1(%4, %3, %1)
    b1(%6, %7 y, %8):
      %9 = itermore %6
      branch %9 -> b2 else b3
    b2:
      %10 x = iteritem %6
      %11 = iternext %6
      %12 = append %5, %10
      jump b1(%11, %10, %2)
    b3:
      %13 = checkbound %8 y
      return %7
    ");
}

#[test]
fn each_run_of_a_comprehension_has_its_own_cell() {
    assert_snapshot!(hir("
        def f(n):
            return [lambda: i for i in range(n)]
    "), @"
    function f0 f(n) captures()
    b0(%0 n):
      %1 = global range
      %2 = call %1(%0)
      %3 = iter %2
      %4 = list()
      %5 = newcell i
      jump b1(%3)
    b1(%6):
      %7 = itermore %6
      branch %7 -> b2 else b3
    b2:
      %8 i = iteritem %6
      %9 = iternext %6
      %10 = cellset %5, %8
      %11 = closure f1 captures(%5) defaults()
      %12 = append %4, %11
      jump b1(%9)
    b3:
      return %4

    function f1 f.<locals>.<lambda>() captures(cell i)
    b0(%0 i):
      %1 = cellbound %0
      %2 = checkfree %1 i
      %3 i = cellget %0 i
      return %3
    ");
}

#[test]
fn a_captured_value_that_may_not_be_there() {
    assert_snapshot!(hir("
        def f(c):
            if c:
                x = 1
            return lambda: x
    "), @"
    function f0 f(c) captures()
    b0(%0 c):
      %1 = literal False
      %2 = literal True
      %3 x = unbound x
      %4 = truth %0
      branch %4 -> b1 else b2
    b1:
      %5 x = literal 1
      jump b3(%5, %2)
    b2:
      jump b3(%3, %1)
    b3(%6 x, %7):
      %8 = truth %7
      %9 = closure f1 captures(%6, %8) defaults()
      return %9

    function f1 f.<locals>.<lambda>() captures(x, bound x)
    b0(%0 x, %1):
      %2 = checkfree %1 x
      return %0
    ");
}
