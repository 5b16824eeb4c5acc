//! `match`.

use insta::assert_snapshot;

use super::hir;

#[test]
fn literals_or_patterns_guards_and_captures() {
    assert_snapshot!(hir(r#"
        def f(x):
            match x:
                case 0:
                    return "zero"
                case 1 | -2:
                    return "few"
                case None:
                    return "none"
                case n if n > 10:
                    return n
                case _:
                    return "many"
    "#), @r#"
    function f0 f(x) captures()
    b0(%0 x):
      %1 = literal 0
      %2 = compare eq %0, %1
      %3 = truth %2
      branch %3 -> b1 else b2
    b1:
      %4 = literal "zero"
      return %4
    b2:
      %5 = literal 1
      %6 = compare eq %0, %5
      %7 = truth %6
      branch %7 -> b3 else b4
    b3:
      jump b6
    b4:
      %8 = literal -2
      %9 = compare eq %0, %8
      %10 = truth %9
      branch %10 -> b5 else b7
    b5:
      jump b6
    b6:
      %11 = literal "few"
      return %11
    b7:
      %12 = literal None
      %13 = compare is %0, %12
      %14 = truth %13
      branch %14 -> b8 else b9
    b8:
      %15 = literal "none"
      return %15
    b9:
      %16 = literal 10
      %17 = compare gt %0, %16
      %18 = truth %17
      branch %18 -> b10 else b11
    b10:
      return %0
    b11:
      %19 = literal "many"
      return %19
    "#);
}

#[test]
fn sequences() {
    assert_snapshot!(hir("
        def f(t):
            match t:
                case (0, x):
                    return x
                case [a, *rest, 9]:
                    return rest
                case (_, _, _):
                    return 3
    "), @"
    function f0 f(t) captures()
    b0(%0 t):
      %1 = global len
      %2 = call %1(%0)
      %3 = literal 2
      %4 = compare eq %2, %3
      %5 = truth %4
      branch %5 -> b1 else b3
    b1:
      %6 = unpack %0 into 2
      %7 = unpackitem %6, 0
      %8 = literal 0
      %9 = compare eq %7, %8
      %10 = truth %9
      branch %10 -> b2 else b3
    b2:
      %11 x = unpackitem %6, 1
      return %11
    b3:
      %12 = global len
      %13 = call %12(%0)
      %14 = literal 2
      %15 = compare ge %13, %14
      %16 = truth %15
      branch %16 -> b4 else b6
    b4:
      %17 = unpack %0 into 1, *, 1
      %18 a = unpackitem %17, 0
      %19 rest = unpackitem %17, 1
      %20 = unpackitem %17, 2
      %21 = literal 9
      %22 = compare eq %20, %21
      %23 = truth %22
      branch %23 -> b5 else b6
    b5:
      return %19
    b6:
      %24 = global len
      %25 = call %24(%0)
      %26 = literal 3
      %27 = compare eq %25, %26
      %28 = truth %27
      branch %28 -> b7 else b8
    b7:
      %29 = literal 3
      return %29
    b8:
      %30 = literal None
      return %30
    ");
}

#[test]
fn a_subject_written_as_a_tuple_is_matched_by_item() {
    assert_snapshot!(hir("
        def f(x, y):
            match x, y:
                case 0, _:
                    return 1
                case (_, 0) | (1, _):
                    return 2
                case a, b:
                    return a + b
    "), @"
    function f0 f(x, y) captures()
    b0(%0 x, %1 y):
      %2 = literal 0
      %3 = compare eq %0, %2
      %4 = truth %3
      branch %4 -> b1 else b2
    b1:
      %5 = literal 1
      return %5
    b2:
      %6 = literal 0
      %7 = compare eq %1, %6
      %8 = truth %7
      branch %8 -> b3 else b4
    b3:
      jump b6
    b4:
      %9 = literal 1
      %10 = compare eq %0, %9
      %11 = truth %10
      branch %11 -> b5 else b7
    b5:
      jump b6
    b6:
      %12 = literal 2
      return %12
    b7:
      %13 = binary add %0, %1
      return %13
    ");
}

#[test]
fn alternatives_bind_the_same_names() {
    assert_snapshot!(hir("
        def f(t):
            match t:
                case (1, x) | (x, 1):
                    return x
            return x
    "), @"
    function f0 f(t) captures()
    b0(%0 t):
      %1 x = unbound x
      %2 = global len
      %3 = call %2(%0)
      %4 = literal 2
      %5 = compare eq %3, %4
      %6 = truth %5
      branch %6 -> b1 else b3
    b1:
      %7 = unpack %0 into 2
      %8 = unpackitem %7, 0
      %9 = literal 1
      %10 = compare eq %8, %9
      %11 = truth %10
      branch %11 -> b2 else b3
    b2:
      %12 = unpackitem %7, 1
      jump b6(%12)
    b3:
      %13 = global len
      %14 = call %13(%0)
      %15 = literal 2
      %16 = compare eq %14, %15
      %17 = truth %16
      branch %17 -> b4 else b7
    b4:
      %18 = unpack %0 into 2
      %19 = unpackitem %18, 0
      %20 = unpackitem %18, 1
      %21 = literal 1
      %22 = compare eq %20, %21
      %23 = truth %22
      branch %23 -> b5 else b7
    b5:
      jump b6(%19)
    b6(%24 x):
      return %24
    b7:
      %25 = checkbound %1 x
      return %1
    ");
}

#[test]
fn classes_are_isinstance() {
    assert_snapshot!(hir("
        def f(x):
            match x:
                case int(n):
                    return n
                case np.ndarray() as a:
                    return a
    "), @"
    function f0 f(x) captures()
    b0(%0 x):
      %1 = global isinstance
      %2 = global int
      %3 = call %1(%0, %2)
      %4 = truth %3
      branch %4 -> b1 else b2
    b1:
      return %0
    b2:
      %5 = global isinstance
      %6 = global np
      %7 = getattr %6.ndarray
      %8 = call %5(%0, %7)
      %9 = truth %8
      branch %9 -> b3 else b4
    b3:
      return %0
    b4:
      %10 = literal None
      return %10
    ");
}
