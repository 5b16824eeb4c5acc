use super::*;

/// Adds up what it is called with, as a loop would see it.
unsafe extern "C" fn spy(
    arrays: *mut *mut c_char,
    extents: *const isize,
    steps: *const isize,
    _: *mut c_void,
) {
    // SAFETY: three arrays, four sizes, nine strides; the third array has room for two numbers.
    unsafe {
        let out = (*arrays.add(2)).cast::<i64>();
        *out += (0..4).map(|i| *extents.add(i) as i64).sum::<i64>();
        *out.add(1) += (0..9).map(|i| *steps.add(i) as i64).sum::<i64>();
    }
}

/// The words of a product of stacks: extents, sizes, and for each operand its outer and core strides.
fn words(
    extents: &[isize],
    sizes: [isize; 3],
    operands: [(&[isize], [isize; 2]); 3],
) -> Vec<isize> {
    let mut words = vec![3, extents.len() as isize, 3];
    words.extend(extents);
    words.extend(sizes);
    for (outer, core) in operands {
        words.push(2);
        words.extend(outer);
        words.extend(core);
    }
    words
}

fn call(number: i64, a: &[f64], b: &[f64], c: &mut [f64], mut words: Vec<isize>) {
    // SAFETY: the words describe these arrays.
    unsafe {
        matmul(
            number,
            a.as_ptr().cast_mut().cast(),
            b.as_ptr().cast_mut().cast(),
            c.as_mut_ptr().cast(),
            words.as_mut_ptr().cast(),
        );
    }
}

#[test]
fn a_stack_of_small_products_needs_no_loop() {
    let (a, b) = (
        [1.0, 2.0, 3.0, 4.0],
        [1.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 3.0],
    );
    let mut c = [0.0; 8];
    let words = words(
        &[2],
        [2, 2, 2],
        [(&[0], [16, 8]), (&[32], [16, 8]), (&[32], [16, 8])],
    );
    call(1, &a, &b, &mut c, words);
    assert_eq!(c, [1.0, 2.0, 3.0, 4.0, 2.0, 6.0, 6.0, 12.0]);
}

#[test]
fn any_strides_and_sizes_of_small_products() {
    // A transposed (3, 2) times each second column of (2, 10).
    let a: Vec<f64> = (0..6).map(f64::from).collect();
    let b: Vec<f64> = (0..20).map(f64::from).collect();
    let mut c = [-1.0; 15];
    let words = words(
        &[],
        [3, 2, 5],
        [(&[], [8, 24]), (&[], [80, 16]), (&[], [40, 8])],
    );
    call(1, &a, &b, &mut c, words);
    for i in 0..3 {
        for j in 0..5 {
            let expected: f64 = (0..2).map(|l| a[l * 3 + i] * b[l * 10 + 2 * j]).sum();
            assert_eq!(c[i * 5 + j], expected);
        }
    }
}

#[test]
fn an_empty_sum_is_zero() {
    let mut c = [-1.0; 4];
    let words = words(
        &[],
        [2, 0, 2],
        [(&[], [0, 8]), (&[], [16, 8]), (&[], [16, 8])],
    );
    call(1, &[], &[], &mut c, words);
    assert_eq!(c, [0.0; 4]);
}

#[test]
fn sizes_and_strides_arrive_and_rows_of_a_stack_are_one_matrix() {
    set_loops(Loops(vec![
        Some((spy as Loop, ptr::null_mut()));
        LOOPS.len()
    ]));
    let numbers = [0.0; 40_000];
    let mut out = [0.0; 2];
    // 2 * (10, 10) @ (10, 10), and what is no such stack because the results lie apart.
    for (apart, sizes, steps) in [(0, 1 + 20 + 10 + 10, 0), (8, 2 + 30, 800 + 808)] {
        out = [0.0; 2];
        let words = words(
            &[2],
            [10, 10, 10],
            [
                (&[800], [80, 8]),
                (&[0], [80, 8]),
                (&[800 + apart], [80, 8]),
            ],
        );
        call(1, &numbers, &numbers, &mut out, words);
        assert_eq!(
            out.map(|x: f64| x.to_bits() as i64),
            [sizes, steps + 3 * 88]
        );
    }
    let _ = out;
}

#[test]
fn a_matrix_that_blas_does_not_take_is_copied() {
    let items: Vec<f64> = (0..12).map(f64::from).collect();
    // Each second column of (3, 4), rows from the last.
    let strides = [-32, 16];
    assert!(!is_blas_matrix(strides, [3, 2], 8));
    // SAFETY: such a matrix.
    let copy = unsafe { packed(items[8..].as_ptr().cast(), strides, [3, 2], 8) }.expect("memory");
    let halves = copy
        .iter()
        .flat_map(|w| [*w as u64, (*w >> 64) as u64].map(f64::from_bits));
    assert!(halves.eq([8.0, 10.0, 4.0, 6.0, 0.0, 2.0]));
}

#[test]
fn results_may_share_memory_with_the_factors() {
    // A stack of two (2, 2) matrices, each squared in place.
    let mut items = [1.0, 2.0, 3.0, 4.0, 0.0, 1.0, 1.0, 0.0];
    let mut words = words(
        &[2],
        [2, 2, 2],
        [(&[32], [16, 8]), (&[32], [16, 8]), (&[32], [8, 16])],
    );
    let data = items.as_mut_ptr().cast();
    // SAFETY: the words describe the array.
    let error = unsafe { matmul_into(1, data, data, data, words.as_mut_ptr().cast()) };
    assert!(error.is_null());
    // The results are written transposed.
    assert_eq!(items, [7.0, 15.0, 10.0, 22.0, 1.0, 0.0, 0.0, 1.0]);
}
