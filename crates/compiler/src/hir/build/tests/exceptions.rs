//! `try`, `raise`, `assert`.

use insta::assert_snapshot;

use super::hir;

#[test]
fn each_raising_instruction_ends_its_block() {
    assert_snapshot!(hir("
        def f(x):
            y = 1
            try:
                y = g(x)
                y = h(y)
            except ValueError:
                pass
            return y
    "), @"
    function f0 f(x) captures()
    b0(%0 x) handler b3(%1):
      %1 y = literal 1
      %2 = global g
      %3 y = call %2(%0)
      jump b1
    b1 handler b3(%3):
      %4 = global h
      %5 y = call %4(%3)
      jump b2
    b2:
      jump b5(%5)
    b3(%6, %7 y):
      %8 = global ValueError
      %9 = exceptmatch %6, %8
      %10 = truth %9
      branch %10 -> b4 else b6
    b4:
      jump b5(%7)
    b5(%11 y):
      return %11
    b6:
      reraise %6
    ");
}

#[test]
fn handlers_are_tried_in_order() {
    assert_snapshot!(hir("
        def f(x):
            try:
                g(x)
            except (KeyError, IndexError) as e:
                return e
            except ValueError:
                raise
            except:
                return 1
            else:
                return 2
    "), @"
    function f0 f(x) captures()
    b0(%0 x) handler b2:
      %1 = global g
      %2 = call %1(%0)
      jump b1
    b1:
      %3 = literal 2
      return %3
    b2(%4 e):
      %5 = global KeyError
      %6 = global IndexError
      %7 = tuple(%5, %6)
      %8 = exceptmatch %4, %7
      %9 = truth %8
      branch %9 -> b3 else b4
    b3:
      return %4
    b4:
      %10 = global ValueError
      %11 = exceptmatch %4, %10
      %12 = truth %11
      branch %12 -> b5 else b6
    b5:
      reraise %4
    b6:
      %13 = literal 1
      return %13
    ");
}

#[test]
fn finally_on_every_way_out() {
    assert_snapshot!(hir("
        def f(x):
            for i in x:
                try:
                    if i == 1:
                        continue
                    if i == 2:
                        break
                    if i == 3:
                        return i
                    g(i)
                finally:
                    h()
            return 0
    "), @"
    function f0 f(x) captures()
    b0(%0 x):
      %1 = iter %0
      jump b1(%1)
    b1(%2):
      %3 = itermore %2
      branch %3 -> b2 else b15
    b2:
      %4 i = iteritem %2
      %5 = iternext %2
      jump b3
    b3 handler b14:
      %6 = literal 1
      %7 = compare eq %4, %6
      jump b4
    b4:
      %8 = truth %7
      branch %8 -> b5 else b6
    b5:
      %9 = global h
      %10 = call %9()
      jump b1(%5)
    b6 handler b14:
      %11 = literal 2
      %12 = compare eq %4, %11
      jump b7
    b7:
      %13 = truth %12
      branch %13 -> b8 else b9
    b8:
      %14 = global h
      %15 = call %14()
      jump b16
    b9 handler b14:
      %16 = literal 3
      %17 = compare eq %4, %16
      jump b10
    b10:
      %18 = truth %17
      branch %18 -> b11 else b12
    b11:
      %19 = global h
      %20 = call %19()
      return %4
    b12 handler b14:
      %21 = global g
      %22 = call %21(%4)
      jump b13
    b13:
      %23 = global h
      %24 = call %23()
      jump b1(%5)
    b14(%25):
      %26 = global h
      %27 = call %26()
      reraise %25
    b15:
      jump b16
    b16:
      %28 = literal 0
      return %28
    ");
}

#[test]
fn return_in_finally_swallows_the_exception() {
    assert_snapshot!(hir("
        def f(x):
            try:
                return g(x)
            finally:
                return 1
    "), @"
    function f0 f(x) captures()
    b0(%0 x) handler b2:
      %1 = global g
      %2 = call %1(%0)
      jump b1
    b1:
      %3 = literal 1
      return %3
    b2(%4):
      %5 = literal 1
      return %5
    ");
}

#[test]
fn try_except_finally_nests() {
    assert_snapshot!(hir("
        def f(x):
            try:
                g(x)
            except E:
                h(x)
            finally:
                k(x)
    "), @"
    function f0 f(x) captures()
    b0(%0 x) handler b2:
      %1 = global g
      %2 = call %1(%0)
      jump b1
    b1:
      jump b5
    b2(%3):
      %4 = global E
      %5 = exceptmatch %3, %4
      %6 = truth %5
      branch %6 -> b3 else b6
    b3 handler b7:
      %7 = global h
      %8 = call %7(%0)
      jump b4
    b4:
      jump b5
    b5:
      %9 = global k
      %10 = call %9(%0)
      %11 = literal None
      return %11
    b6 handler b7:
      reraise %3
    b7(%12):
      %13 = global k
      %14 = call %13(%0)
      reraise %12
    ");
}

#[test]
fn an_exception_in_a_loop_sees_the_loops_variables() {
    assert_snapshot!(hir("
        def f(n):
            i = -1
            try:
                for i in range(n):
                    g(i)
            except E:
                return i
            return n
    "), @"
    function f0 f(n) captures()
    b0(%0 n) handler b10(%1):
      %1 i = literal -1
      %2 = global range
      %3 = call %2(%0)
      jump b1
    b1 handler b10(%1):
      %4 = iter %3
      jump b2
    b2:
      jump b3(%4, %1)
    b3(%5, %6 i) handler b10(%6):
      %7 = itermore %5
      jump b4
    b4:
      branch %7 -> b5 else b9
    b5 handler b10(%6):
      %8 i = iteritem %5
      jump b6
    b6 handler b10(%6):
      %9 = iternext %5
      jump b7
    b7 handler b10(%8):
      %10 = global g
      %11 = call %10(%8)
      jump b8
    b8:
      jump b3(%9, %8)
    b9:
      return %0
    b10(%12, %13 i):
      %14 = global E
      %15 = exceptmatch %12, %14
      %16 = truth %15
      branch %16 -> b11 else b12
    b11:
      return %13
    b12:
      reraise %12
    ");
}

#[test]
fn the_name_of_an_exception_ends_with_its_clause() {
    assert_snapshot!(hir("
        def f(e):
            try:
                g()
            except E as e:
                pass
            return e
    "), @"
    function f0 f(e) captures()
    b0(%0 e) handler b2:
      %1 = literal False
      %2 = literal True
      %3 = global g
      %4 = call %3()
      jump b1
    b1:
      jump b4(%0, %2)
    b2(%5 e):
      %6 = global E
      %7 = exceptmatch %5, %6
      %8 = truth %7
      branch %8 -> b3 else b5
    b3:
      %9 e = unbound e
      jump b4(%9, %1)
    b4(%10 e, %11):
      %12 = checkbound %11 e
      return %10
    b5:
      reraise %5
    ");
}

#[test]
fn raise_and_assert() {
    assert_snapshot!(hir(r#"
        def f(x):
            assert x > 0, "negative"
            assert x != 5
            raise ValueError(x) from None
    "#), @r#"
    function f0 f(x) captures()
    b0(%0 x):
      %1 = literal 0
      %2 = compare gt %0, %1
      %3 = truth %2
      branch %3 -> b1 else b4
    b1:
      %4 = literal 5
      %5 = compare ne %0, %4
      %6 = truth %5
      branch %6 -> b2 else b3
    b2:
      %7 = global ValueError
      %8 = call %7(%0)
      raise %8
    b3:
      %9 = global AssertionError
      %10 = call %9()
      raise %10
    b4:
      %11 = global AssertionError
      %12 = literal "negative"
      %13 = call %11(%12)
      raise %13
    "#);
}

#[test]
fn raise_in_try_goes_to_the_handler() {
    assert_snapshot!(hir("
        def f(x):
            try:
                raise E
            except E:
                return x
    "), @"
    function f0 f(x) captures()
    b0(%0 x) handler b1:
      %1 = global E
      raise %1
    b1(%2):
      %3 = global E
      %4 = exceptmatch %2, %3
      %5 = truth %4
      branch %5 -> b2 else b3
    b2:
      return %0
    b3:
      reraise %2
    ");
}

#[test]
fn a_check_is_the_last_instruction_before_its_handler() {
    assert_snapshot!(hir("
        def f(c):
            if c:
                x = 1
            try:
                y = x
            except NameError:
                return 0
            return y
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
    b3(%6 x, %7) handler b5:
      %8 = checkbound %7 x
      jump b4
    b4:
      return %6
    b5(%9):
      %10 = global NameError
      %11 = exceptmatch %9, %10
      %12 = truth %11
      branch %12 -> b6 else b7
    b6:
      %13 = literal 0
      return %13
    b7:
      reraise %9
    ");
}
