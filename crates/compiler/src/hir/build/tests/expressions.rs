//! Values and conditions.

use insta::assert_snapshot;

use super::hir;

#[test]
fn literals() {
    assert_snapshot!(hir(r#"
        def f():
            return (None, True, 12_000, 1.5e3, 2j, -3, -0.0, -1j, "a" 'b\n', b"\x00", ...)
    "#), @r#"
    function f0 f() captures()
    b0:
      %0 = literal None
      %1 = literal True
      %2 = literal 12000
      %3 = literal 1500.0
      %4 = literal 2.0j
      %5 = literal -3
      %6 = literal -0.0
      %7 = literal 1.0j
      %8 = unary neg %7
      %9 = literal "ab\n"
      %10 = literal b"\x00"
      %11 = literal ...
      %12 = tuple(%0, %1, %2, %3, %4, %5, %6, %8, %9, %10, %11)
      return %12
    "#);
}

#[test]
fn integers_of_64_bits() {
    assert_snapshot!(hir("
        def f():
            return -9223372036854775808, 18446744073709551615
    "), @"
    function f0 f() captures()
    b0:
      %0 = literal -9223372036854775808
      %1 = literal 18446744073709551615
      %2 = tuple(%0, %1)
      return %2
    ");
}

#[test]
fn and_or_give_operands() {
    assert_snapshot!(hir("
        def f(a, b, c):
            return a and b or c
    "), @"
    function f0 f(a, b, c) captures()
    b0(%0 a, %1 b, %2 c):
      %3 = truth %0
      branch %3 -> b1 else b2(%0)
    b1:
      jump b2(%1)
    b2(%4):
      %5 = truth %4
      branch %5 -> b4(%4) else b3
    b3:
      jump b4(%2)
    b4(%6):
      return %6
    ");
}

#[test]
fn conditions_branch_without_values() {
    assert_snapshot!(hir("
        def f(a, b, c):
            if a and not (b or c):
                return 1
            return 2
    "), @"
    function f0 f(a, b, c) captures()
    b0(%0 a, %1 b, %2 c):
      %3 = truth %0
      branch %3 -> b1 else b4
    b1:
      %4 = truth %1
      branch %4 -> b4 else b2
    b2:
      %5 = truth %2
      branch %5 -> b4 else b3
    b3:
      %6 = literal 1
      return %6
    b4:
      %7 = literal 2
      return %7
    ");
}

#[test]
fn chained_comparison_as_value() {
    assert_snapshot!(hir("
        def f(a, c):
            return a < g() <= c
    "), @"
    function f0 f(a, c) captures()
    b0(%0 a, %1 c):
      %2 = global g
      %3 = call %2()
      %4 = compare lt %0, %3
      %5 = truth %4
      branch %5 -> b1 else b2(%4)
    b1:
      %6 = compare le %3, %1
      jump b2(%6)
    b2(%7):
      return %7
    ");
}

#[test]
fn chained_comparison_as_condition() {
    assert_snapshot!(hir("
        def f(a, c):
            while a < g() <= c:
                pass
    "), @"
    function f0 f(a, c) captures()
    b0(%0 a, %1 c):
      jump b1
    b1:
      %2 = global g
      %3 = call %2()
      %4 = compare lt %0, %3
      %5 = truth %4
      branch %5 -> b2 else b4
    b2:
      %6 = compare le %3, %1
      %7 = truth %6
      branch %7 -> b3 else b4
    b3:
      jump b1
    b4:
      %8 = literal None
      return %8
    ");
}

#[test]
fn all_comparisons() {
    assert_snapshot!(hir("
        def f(a, b):
            return a == b, a != b, a > b, a >= b, a is b, a is not b, a in b, a not in b
    "), @"
    function f0 f(a, b) captures()
    b0(%0 a, %1 b):
      %2 = compare eq %0, %1
      %3 = compare ne %0, %1
      %4 = compare gt %0, %1
      %5 = compare ge %0, %1
      %6 = compare is %0, %1
      %7 = compare isnot %0, %1
      %8 = compare in %0, %1
      %9 = compare notin %0, %1
      %10 = tuple(%2, %3, %4, %5, %6, %7, %8, %9)
      return %10
    ");
}

#[test]
fn operators() {
    assert_snapshot!(hir("
        def f(a, b):
            return +a - ~b * (not a) / b // a % b ** a << b >> a & b | a ^ b @ a
    "), @"
    function f0 f(a, b) captures()
    b0(%0 a, %1 b):
      %2 = unary pos %0
      %3 = unary invert %1
      %4 = unary not %0
      %5 = binary mul %3, %4
      %6 = binary truediv %5, %1
      %7 = binary floordiv %6, %0
      %8 = binary pow %1, %0
      %9 = binary mod %7, %8
      %10 = binary sub %2, %9
      %11 = binary lshift %10, %1
      %12 = binary rshift %11, %0
      %13 = binary and %12, %1
      %14 = binary matmul %1, %0
      %15 = binary xor %0, %14
      %16 = binary or %13, %15
      return %16
    ");
}

#[test]
fn ternary_and_walrus() {
    assert_snapshot!(hir("
        def f(a):
            return (x := a + 1) if a > 0 else x
    "), @"
    function f0 f(a) captures()
    b0(%0 a):
      %1 x = unbound x
      %2 = literal 0
      %3 = compare gt %0, %2
      %4 = truth %3
      branch %4 -> b1 else b2
    b1:
      %5 = literal 1
      %6 x = binary add %0, %5
      jump b3(%6)
    b2:
      %7 = checkbound %1 x
      jump b3(%1)
    b3(%8):
      return %8
    ");
}

#[test]
fn ternary_as_condition() {
    assert_snapshot!(hir("
        def f(a, b, c):
            if (b if a else c):
                return 1
    "), @"
    function f0 f(a, b, c) captures()
    b0(%0 a, %1 b, %2 c):
      %3 = truth %0
      branch %3 -> b1 else b2
    b1:
      %4 = truth %1
      branch %4 -> b3 else b4
    b2:
      %5 = truth %2
      branch %5 -> b3 else b4
    b3:
      %6 = literal 1
      return %6
    b4:
      %7 = literal None
      return %7
    ");
}

#[test]
fn calls_with_stars_and_keywords() {
    assert_snapshot!(hir("
        def f(a, b):
            return a.g(1, *b, x=2, **b)
    "), @"
    function f0 f(a, b) captures()
    b0(%0 a, %1 b):
      %2 = getattr %0.g
      %3 = literal 1
      %4 = literal 2
      %5 = call %2(%3, *%1, x=%4, **%1)
      return %5
    ");
}

#[test]
fn slices() {
    assert_snapshot!(hir("
        def f(a):
            return a[1:2], a[::-1, ..., None], a[:, 0]
    "), @"
    function f0 f(a) captures()
    b0(%0 a):
      %1 = literal 1
      %2 = literal 2
      %3 = slice(%1, %2, _)
      %4 = getitem %0[%3]
      %5 = literal -1
      %6 = slice(_, _, %5)
      %7 = literal ...
      %8 = literal None
      %9 = tuple(%6, %7, %8)
      %10 = getitem %0[%9]
      %11 = slice(_, _, _)
      %12 = literal 0
      %13 = tuple(%11, %12)
      %14 = getitem %0[%13]
      %15 = tuple(%4, %10, %14)
      return %15
    ");
}

#[test]
fn displays() {
    assert_snapshot!(hir("
        def f(a, b):
            return [a, *b], {a, b}, {a: b, **b}, (), (*a, b)
    "), @"
    function f0 f(a, b) captures()
    b0(%0 a, %1 b):
      %2 = list(%0, *%1)
      %3 = set()
      %4 = setadd %3, %0
      %5 = setadd %3, %1
      %6 = dict(%0: %1)
      %7 = dictset %6[%0], %1
      %8 = getattr %6.update
      %9 = call %8(%1)
      %10 = tuple()
      %11 = tuple(*%0, %1)
      %12 = tuple(%2, %3, %6, %10, %11)
      return %12
    ");
}

#[test]
fn formatted_strings() {
    assert_snapshot!(hir(r#"
        def f(x, w):
            return f"a{x}{{b}}" "c" f"{x!r:>{w}.3}{x=}{w = :d}" f"plain"
    "#), @r#"
    function f0 f(x, w) captures()
    b0(%0 x, %1 w):
      %2 = fstring(">", %1, ".3")
      %3 = literal "d"
      %4 = fstring("a", %0, "{b}c", %0!r:%2, "x=", %0!r, "w = ", %1:%3, "plain")
      return %4
    "#);
}
