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
      %2 n = cellget %0 n
      %3 k = cellget %1 k
      %4 = binary add %2, %3
      return %4
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
      %2 i = cellget %0 i
      %3 = binary add %2, %1
      return %3
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
      %2 count = cellget %1 count
      %3 count = inplace add %2, %0
      %4 = cellset %1, %3
      %5 count = cellget %1 count
      return %5
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
      %6 fact = cellget %1 fact
      %7 = literal 1
      %8 = binary sub %0, %7
      %9 = call %6(%8)
      %10 = binary mul %0, %9
      jump b3(%10)
    b3(%11):
      return %11
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
      %2 i = unbound i
      %3 = global range
      %4 = call %3(%1)
      %5 = iter %4
      %6 y = list()
      jump b1(%5, %2)
    b1(%7, %8 i):
      %9 = itermore %7
      branch %9 -> b2 else b9
    b2:
      %10 x = iteritem %7
      %11 = iternext %7
      %12 = truth %10
      branch %12 -> b3 else b8(%8)
    b3:
      %13 = compare ne %10, %8
      %14 = truth %13
      branch %14 -> b4 else b8(%8)
    b4:
      %15 = global g
      %16 = call %15(%10)
      %17 = iter %16
      jump b5(%17, %8)
    b5(%18, %19 i):
      %20 = itermore %18
      branch %20 -> b6 else b7
    b6:
      %21 i = iteritem %18
      %22 = iternext %18
      %23 = binary mul %10, %21
      %24 = append %6, %23
      jump b5(%22, %21)
    b7:
      jump b8(%19)
    b8(%25 i):
      jump b1(%11, %25)
    b9:
      %26 = tuple(%0, %6)
      return %26
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
      %1 y = unbound y
      %2 = iter %0
      %3 b = list()
      jump b1(%2, %1)
    b1(%4, %5 y):
      %6 = itermore %4
      branch %6 -> b2 else b3
    b2:
      %7 x = iteritem %4
      %8 = iternext %4
      %9 = append %3, %7
      jump b1(%8, %7)
    b3:
      return %5
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
      %1 i = cellget %0 i
      return %1
    ");
}
