//! Assignments, branches, loops.

use insta::assert_snapshot;

use super::hir;

#[test]
fn recursion_is_a_call_of_a_global() {
    assert_snapshot!(hir("
        def fib(n):
            if n < 2:
                return n
            return fib(n - 1) + fib(n - 2)
    "), @"
    function f0 fib(n) captures()
    b0(%0 n):
      %1 = literal 2
      %2 = compare lt %0, %1
      %3 = truth %2
      branch %3 -> b1 else b2
    b1:
      return %0
    b2:
      %4 = global fib
      %5 = literal 1
      %6 = binary sub %0, %5
      %7 = call %4(%6)
      %8 = global fib
      %9 = literal 2
      %10 = binary sub %0, %9
      %11 = call %8(%10)
      %12 = binary add %7, %11
      return %12
    ");
}

#[test]
fn without_return_the_result_is_none() {
    assert_snapshot!(hir(r#"
        def f(x):
            "A docstring."
            g(x)
    "#), @"
    function f0 f(x) captures()
    b0(%0 x):
      %1 = global g
      %2 = call %1(%0)
      %3 = literal None
      return %3
    ");
}

#[test]
fn a_join_has_a_parameter_for_what_differs_only() {
    assert_snapshot!(hir("
        def f(a, b):
            x = a
            y = b
            if a < b:
                x = b
            return x + y
    "), @"
    function f0 f(a, b) captures()
    b0(%0 a, %1 b):
      %2 = compare lt %0, %1
      %3 = truth %2
      branch %3 -> b1 else b2
    b1:
      jump b3(%1)
    b2:
      jump b3(%0)
    b3(%4 x):
      %5 = binary add %4, %1
      return %5
    ");
}

#[test]
fn elif_and_else() {
    assert_snapshot!(hir("
        def f(x):
            if x == 0:
                r = 1
            elif x == 1:
                r = 2
            else:
                r = 3
            return r
    "), @"
    function f0 f(x) captures()
    b0(%0 x):
      %1 = literal 0
      %2 = compare eq %0, %1
      %3 = truth %2
      branch %3 -> b1 else b2
    b1:
      %4 r = literal 1
      jump b5(%4)
    b2:
      %5 = literal 1
      %6 = compare eq %0, %5
      %7 = truth %6
      branch %7 -> b3 else b4
    b3:
      %8 r = literal 2
      jump b5(%8)
    b4:
      %9 r = literal 3
      jump b5(%9)
    b5(%10 r):
      return %10
    ");
}

#[test]
fn code_after_return_is_dropped() {
    assert_snapshot!(hir("
        def f(x):
            return x
            while x:
                x = with_import(x)
    "), @"
    function f0 f(x) captures()
    b0(%0 x):
      return %0
    ");
}

#[test]
fn while_with_else_and_break() {
    assert_snapshot!(hir("
        def f(n):
            i = 0
            while i < n:
                if i == 7:
                    break
                i += 1
            else:
                i = -1
            return i
    "), @"
    function f0 f(n) captures()
    b0(%0 n):
      %1 i = literal 0
      jump b1(%1)
    b1(%2 i):
      %3 = compare lt %2, %0
      %4 = truth %3
      branch %4 -> b2 else b5
    b2:
      %5 = literal 7
      %6 = compare eq %2, %5
      %7 = truth %6
      branch %7 -> b3 else b4
    b3:
      jump b6(%2)
    b4:
      %8 = literal 1
      %9 i = inplace add %2, %8
      jump b1(%9)
    b5:
      %10 i = literal -1
      jump b6(%10)
    b6(%11 i):
      return %11
    ");
}

#[test]
fn an_endless_loop_has_no_condition() {
    assert_snapshot!(hir("
        def f(x):
            while True:
                x = g(x)
                if x:
                    return x
    "), @"
    function f0 f(x) captures()
    b0(%0 x):
      jump b1(%0)
    b1(%1 x):
      %2 = global g
      %3 x = call %2(%1)
      %4 = truth %3
      branch %4 -> b2 else b3
    b2:
      return %3
    b3:
      jump b1(%3)
    ");
}

#[test]
fn for_threads_the_iterator_through_the_loop() {
    assert_snapshot!(hir("
        def f(n):
            s = 0
            for i in range(n):
                if i == 3:
                    continue
                s += i
            return s
    "), @"
    function f0 f(n) captures()
    b0(%0 n):
      %1 s = literal 0
      %2 = global range
      %3 = call %2(%0)
      %4 = iter %3
      jump b1(%4, %1)
    b1(%5, %6 s):
      %7 = itermore %5
      branch %7 -> b2 else b5
    b2:
      %8 i = iteritem %5
      %9 = iternext %5
      %10 = literal 3
      %11 = compare eq %8, %10
      %12 = truth %11
      branch %12 -> b3 else b4
    b3:
      jump b1(%9, %6)
    b4:
      %13 s = inplace add %6, %8
      jump b1(%9, %13)
    b5:
      return %6
    ");
}

#[test]
fn nested_loops_pass_only_what_they_change() {
    assert_snapshot!(hir("
        def f(a, n, m):
            s = 0.0
            k = n
            for i in range(n):
                for j in range(m):
                    s += a[i, j] * k
            return s
    "), @"
    function f0 f(a, n, m) captures()
    b0(%0 a, %1 n, %2 m):
      %3 s = literal 0.0
      %4 = global range
      %5 = call %4(%1)
      %6 = iter %5
      jump b1(%6, %3)
    b1(%7, %8 s):
      %9 = itermore %7
      branch %9 -> b2 else b6
    b2:
      %10 i = iteritem %7
      %11 = iternext %7
      %12 = global range
      %13 = call %12(%2)
      %14 = iter %13
      jump b3(%14, %8)
    b3(%15, %16 s):
      %17 = itermore %15
      branch %17 -> b4 else b5
    b4:
      %18 j = iteritem %15
      %19 = iternext %15
      %20 = tuple(%10, %18)
      %21 = getitem %0[%20]
      %22 = binary mul %21, %1
      %23 s = inplace add %16, %22
      jump b3(%19, %23)
    b5:
      jump b1(%11, %16)
    b6:
      return %8
    ");
}

#[test]
fn for_with_else_and_tuple_target() {
    assert_snapshot!(hir("
        def f(x):
            for i, v in enumerate(x):
                if v:
                    break
            else:
                i = -1
            return i
    "), @"
    function f0 f(x) captures()
    b0(%0 x):
      %1 = global enumerate
      %2 = call %1(%0)
      %3 = iter %2
      jump b1(%3)
    b1(%4):
      %5 = itermore %4
      branch %5 -> b2 else b5
    b2:
      %6 = iteritem %4
      %7 = iternext %4
      %8 = unpack %6 into 2
      %9 i = unpackitem %8, 0
      %10 v = unpackitem %8, 1
      %11 = truth %10
      branch %11 -> b3 else b4
    b3:
      jump b6(%9)
    b4:
      jump b1(%7)
    b5:
      %12 i = literal -1
      jump b6(%12)
    b6(%13 i):
      return %13
    ");
}

#[test]
fn a_variable_that_may_be_unbound() {
    assert_snapshot!(hir("
        def f(c):
            if c:
                x = 1
            return x
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
      %8 = checkbound %7 x
      return %6
    ");
}

#[test]
fn a_variable_of_a_loop_is_checked_once() {
    assert_snapshot!(hir("
        def f(n):
            for i in range(n):
                x = i
            return x + x
    "), @"
    function f0 f(n) captures()
    b0(%0 n):
      %1 = literal False
      %2 = literal True
      %3 x = unbound x
      %4 = global range
      %5 = call %4(%0)
      %6 = iter %5
      jump b1(%6, %3, %1)
    b1(%7, %8 x, %9):
      %10 = itermore %7
      branch %10 -> b2 else b3
    b2:
      %11 i = iteritem %7
      %12 = iternext %7
      jump b1(%12, %11, %2)
    b3:
      %13 = checkbound %9 x
      %14 = binary add %8, %8
      return %14
    ");
}

#[test]
fn what_a_loop_assigns_before_it_reads_is_not_checked() {
    assert_snapshot!(hir("
        def f(n):
            x = 0
            while n:
                if n > 1:
                    x = g(x)
                n = x
            return x
    "), @"
    function f0 f(n) captures()
    b0(%0 n):
      %1 x = literal 0
      jump b1(%0, %1)
    b1(%2 n, %3 x):
      %4 = truth %2
      branch %4 -> b2 else b6
    b2:
      %5 = literal 1
      %6 = compare gt %2, %5
      %7 = truth %6
      branch %7 -> b3 else b4
    b3:
      %8 = global g
      %9 x = call %8(%3)
      jump b5(%9)
    b4:
      jump b5(%3)
    b5(%10 x):
      jump b1(%10, %10)
    b6:
      return %3
    ");
}

#[test]
fn a_variable_that_a_loop_deletes() {
    assert_snapshot!(hir("
        def f(n):
            x = 0
            while n:
                n = x
                del x
                if n:
                    x = 1
    "), @"
    function f0 f(n) captures()
    b0(%0 n):
      %1 = literal False
      %2 = literal True
      %3 x = literal 0
      jump b1(%0, %3, %2)
    b1(%4 n, %5 x, %6):
      %7 = truth %4
      branch %7 -> b2 else b6
    b2:
      %8 = checkbound %6 x
      %9 x = unbound x
      %10 = truth %5
      branch %10 -> b3 else b4
    b3:
      %11 x = literal 1
      jump b5(%11, %2)
    b4:
      jump b5(%9, %1)
    b5(%12 x, %13):
      jump b1(%5, %12, %13)
    b6:
      %14 = literal None
      return %14
    ");
}

#[test]
fn a_deleted_variable_that_always_has_a_value() {
    assert_snapshot!(hir("
        def f(n):
            x = 0
            while n:
                n = x
                del x
                x = 1
    "), @"
    function f0 f(n) captures()
    b0(%0 n):
      %1 = literal True
      %2 x = literal 0
      jump b1(%0, %2)
    b1(%3 n, %4 x):
      %5 = truth %3
      branch %5 -> b2 else b3
    b2:
      %6 = checkbound %1 x
      %7 x = literal 1
      jump b1(%4, %7)
    b3:
      %8 = literal None
      return %8
    ");
}

#[test]
fn deleted_and_read() {
    assert_snapshot!(hir("
        def f(x):
            y = x
            del y
            return y
    "), @"
    function f0 f(x) captures()
    b0(%0 x):
      %1 y = unbound y
      %2 = checkbound %1 y
      return %1
    ");
}

#[test]
fn targets_after_the_value_from_left_to_right() {
    assert_snapshot!(hir("
        def f(a, b):
            a[g()] = b.x = c = h()
            return c
    "), @"
    function f0 f(a, b) captures()
    b0(%0 a, %1 b):
      %2 = global h
      %3 c = call %2()
      %4 = global g
      %5 = call %4()
      %6 = setitem %0[%5], %3
      %7 = setattr %1.x, %3
      return %3
    ");
}

#[test]
fn swap_makes_no_tuple() {
    assert_snapshot!(hir("
        def f(a, i, j):
            a[i], a[j] = a[j], a[i]
    "), @"
    function f0 f(a, i, j) captures()
    b0(%0 a, %1 i, %2 j):
      %3 = getitem %0[%2]
      %4 = getitem %0[%1]
      %5 = setitem %0[%1], %3
      %6 = setitem %0[%2], %4
      %7 = literal None
      return %7
    ");
}

#[test]
fn unpacking_nested_and_starred() {
    assert_snapshot!(hir("
        def f(t):
            (a, b), *c, [d] = t
            return a, b, c, d
    "), @"
    function f0 f(t) captures()
    b0(%0 t):
      %1 = unpack %0 into 1, *, 1
      %2 = unpackitem %1, 0
      %3 c = unpackitem %1, 1
      %4 = unpackitem %1, 2
      %5 = unpack %2 into 2
      %6 a = unpackitem %5, 0
      %7 b = unpackitem %5, 1
      %8 = unpack %4 into 1
      %9 d = unpackitem %8, 0
      %10 = tuple(%6, %7, %3, %9)
      return %10
    ");
}

#[test]
fn augmented_assignment_evaluates_the_target_once() {
    assert_snapshot!(hir("
        def f(a, o):
            a[i()] += 1
            o.x -= a
            o @= a
            return o
    "), @"
    function f0 f(a, o) captures()
    b0(%0 a, %1 o):
      %2 = global i
      %3 = call %2()
      %4 = getitem %0[%3]
      %5 = literal 1
      %6 = inplace add %4, %5
      %7 = setitem %0[%3], %6
      %8 = getattr %1.x
      %9 = inplace sub %8, %0
      %10 = setattr %1.x, %9
      %11 o = inplace matmul %1, %0
      return %11
    ");
}

#[test]
fn annotations_mean_nothing() {
    assert_snapshot!(hir(r#"
        def f(x: int) -> "anything":
            y: float
            z: int = x
            return z
    "#), @"
    function f0 f(x) captures()
    b0(%0 x):
      return %0
    ");
}

#[test]
fn items_are_deleted() {
    assert_snapshot!(hir("
        def f(d, k):
            del d[k], d[0]
    "), @"
    function f0 f(d, k) captures()
    b0(%0 d, %1 k):
      %2 = delitem %0[%1]
      %3 = literal 0
      %4 = delitem %0[%3]
      %5 = literal None
      return %5
    ");
}
