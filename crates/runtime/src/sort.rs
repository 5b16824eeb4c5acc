//! Sorting and searching: rows of elements of an array, in NumPy's order.
//!
//! A row is given by its first address, its length and the distance in bytes between its elements.
//! Each function is one algorithm of the standard library, compiled for every type of elements; what is
//! left to here is the order (NaN and NaT come last) and rows that are not contiguous, which are copied.
//! Positions are found by sorting pairs of an element and its position.

use core::cmp::Ordering;
use core::ffi::c_void;
use core::mem::{align_of, size_of};
use core::{ptr, slice};

use ferdelance_abi::layout::Order;

/// A row of elements.
#[derive(Clone, Copy)]
struct Row {
    data: *mut u8,
    len: usize,
    stride: isize,
}

/// What rows are made of.
trait Element: Copy {
    /// Whether it comes after all others, as NaN does.
    fn is_last(self) -> bool {
        false
    }

    /// The order of those that do not.
    fn less(self, other: Self) -> bool;
}

/// The order of elements none of which is a last one: sorting is three times as fast when it does not have
/// to ask.
fn order<T: Element>(a: T, b: T) -> Ordering {
    if a.less(b) {
        Ordering::Less
    } else if b.less(a) {
        Ordering::Greater
    } else {
        Ordering::Equal
    }
}

/// Moves last elements to the end, in the order in which they are; how many others there are.
fn last_ones_behind<T: Copy>(items: &mut [T], is_last: impl Fn(&T) -> bool) -> usize {
    let Some(first) = items.iter().position(&is_last) else {
        return items.len();
    };
    let (mut end, mut last) = (first, vec![]);
    for i in first..items.len() {
        let item = items[i];
        if is_last(&item) {
            last.push(item);
        } else {
            items[end] = item;
            end += 1;
        }
    }
    items[end..].copy_from_slice(&last);
    end
}

macro_rules! integers {
    ($($t:ty)*) => {
        $(impl Element for $t {
            fn less(self, other: Self) -> bool {
                self < other
            }
        })*
    };
}
integers!(u8 u16 u32 u64 i8 i16 i32 i64);

macro_rules! floats {
    ($($t:ty)*) => {
        $(impl Element for $t {
            fn is_last(self) -> bool {
                self.is_nan()
            }
            fn less(self, other: Self) -> bool {
                self < other
            }
        })*
    };
}
floats!(f32 f64);

/// A float of 16 bits.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Half(u16);

impl Half {
    /// Integers in the order of the floats; both zeros are 0.
    fn rank(self) -> i32 {
        let magnitude = i32::from(self.0 & 0x7fff);
        if self.0 & 0x8000 == 0 {
            magnitude
        } else {
            -magnitude
        }
    }
}

impl Element for Half {
    fn is_last(self) -> bool {
        self.0 & 0x7fff > 0x7c00
    }
    fn less(self, other: Self) -> bool {
        self.rank() < other.rank()
    }
}

/// By real parts, then by imaginary ones; the more of it is NaN, the later, first of all by the real part.
#[derive(Clone, Copy)]
#[repr(C)]
struct Complex<T> {
    re: T,
    im: T,
}

impl<T: Element> Element for Complex<T> {
    fn less(self, other: Self) -> bool {
        let (im, other_im) = (self.im.is_last(), other.im.is_last());
        match (self.re.is_last(), other.re.is_last()) {
            (false, true) => true,
            (true, false) => false,
            (false, _) if self.re.less(other.re) => !im || other_im,
            (false, _) if other.re.less(self.re) => !im && other_im,
            _ => comes_before(self.im, other.im),
        }
    }
}

/// A date or a duration; NaT is the smallest integer.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Time(i64);

impl Element for Time {
    fn less(self, other: Self) -> bool {
        // One less, the smallest integer is the largest.
        self.0.wrapping_sub(1) < other.0.wrapping_sub(1)
    }
}

/// A text of fixed size, of characters of one or four bytes.
#[derive(Clone, Copy)]
struct Text<C> {
    data: *const u8,
    len: usize,
    of: core::marker::PhantomData<C>,
}

impl<C: Copy + Ord> Text<C> {
    fn characters(self) -> impl Iterator<Item = C> {
        // SAFETY: a text is made of an element of a row, which has so many characters.
        (0..self.len).map(move |i| unsafe { self.data.cast::<C>().add(i).read_unaligned() })
    }
}

impl<C: Copy + Ord> Element for Text<C> {
    fn less(self, other: Self) -> bool {
        self.characters().lt(other.characters())
    }
}

impl Row {
    /// # Safety
    /// There are `len` elements of `size` bytes at these places, which nobody else uses meanwhile.
    unsafe fn new(data: *mut c_void, len: i64, stride: i64) -> Row {
        Row {
            data: data.cast(),
            len: len.max(0) as usize,
            stride: stride as isize,
        }
    }

    fn at(self, i: usize) -> *mut u8 {
        self.data.wrapping_offset(self.stride * i as isize)
    }

    /// # Safety
    /// The elements of the row are of type `T`.
    unsafe fn get<T: Copy>(self, i: usize) -> T {
        // SAFETY: as promised.
        unsafe { self.at(i).cast::<T>().read_unaligned() }
    }

    /// # Safety
    /// The elements of the row are of type `T`.
    unsafe fn to_vec<T: Copy>(self) -> Vec<T> {
        // SAFETY: as promised.
        (0..self.len).map(|i| unsafe { self.get(i) }).collect()
    }

    /// Has `change` work on the elements one after the other in memory.
    ///
    /// # Safety
    /// The elements of the row are of type `T`, and nobody else uses them meanwhile.
    unsafe fn change<T: Copy>(self, change: impl FnOnce(&mut [T])) {
        if self.len < 2 {
            return;
        }
        let fits = self.data.addr().is_multiple_of(align_of::<T>());
        if fits && self.stride == size_of::<T>() as isize {
            // SAFETY: contiguous, aligned, and ours.
            return change(unsafe { slice::from_raw_parts_mut(self.data.cast(), self.len) });
        }
        // SAFETY: as promised.
        let mut copy: Vec<T> = unsafe { self.to_vec() };
        change(&mut copy);
        for (i, x) in copy.into_iter().enumerate() {
            // SAFETY: as promised.
            unsafe { self.at(i).cast::<T>().write_unaligned(x) };
        }
    }
}

/// Puts the elements that belong to these positions there, what is smaller before, the rest behind.
fn select<T>(items: &mut [T], positions: &[usize], compare: impl Fn(&T, &T) -> Ordering) {
    let mut from = 0;
    for &position in positions {
        if (from..items.len()).contains(&position) {
            items[from..].select_nth_unstable_by(position - from, &compare);
            from = position + 1;
        }
    }
}

/// The order of all elements.
fn comes_before<T: Element>(a: T, b: T) -> bool {
    match (a.is_last(), b.is_last()) {
        (false, false) => a.less(b),
        (a, b) => b && !a,
    }
}

/// The first position of a sorted row before which `value` may be inserted, or the last.
fn search<T: Element>(len: usize, get: impl Fn(usize) -> T, value: T, right: bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low.midpoint(high);
        let x = get(middle);
        let before = if right {
            !comes_before(value, x)
        } else {
            comes_before(x, value)
        };
        if before {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// What is done with a row.
enum Task<'t> {
    Sort,
    Select(&'t [usize]),
    /// The positions of the elements in order, or only so far as these positions have what belongs there.
    Positions(Row, Option<&'t [usize]>),
    /// Where the elements of a row belong.
    Search {
        values: Row,
        out: Row,
        right: bool,
    },
}

impl Task<'_> {
    /// # Safety
    /// The elements of the rows are of type `T`, positions are 64 bit integers.
    unsafe fn run<T: Element>(&self, row: Row) {
        // SAFETY: as promised.
        unsafe {
            match self {
                Task::Sort => row.change(|items: &mut [T]| {
                    let n = last_ones_behind(items, |x| x.is_last());
                    items[..n].sort_unstable_by(|a, b| order(*a, *b));
                }),
                Task::Select(positions) => row.change(|items: &mut [T]| {
                    let n = last_ones_behind(items, |x| x.is_last());
                    select(&mut items[..n], positions, |a, b| order(*a, *b));
                }),
                _ => self.run_by_value(row.len, |i| row.get::<T>(i), |values, i| values.get(i)),
            }
        }
    }

    /// What only reads elements.
    ///
    /// # Safety
    /// Positions are 64 bit integers.
    unsafe fn run_by_value<T: Element>(
        &self,
        len: usize,
        get: impl Fn(usize) -> T,
        value: impl Fn(Row, usize) -> T,
    ) {
        match *self {
            Task::Positions(out, positions) => {
                let mut pairs: Vec<(T, usize)> = (0..len).map(|i| (get(i), i)).collect();
                let n = last_ones_behind(&mut pairs, |pair| pair.0.is_last());
                let compare = |a: &(T, usize), b: &(T, usize)| order(a.0, b.0);
                match positions {
                    Some(positions) => select(&mut pairs[..n], positions, compare),
                    None => pairs[..n].sort_by(compare),
                }
                for (i, (_, position)) in pairs.into_iter().enumerate() {
                    // SAFETY: there is a place for each position.
                    unsafe { out.at(i).cast::<i64>().write_unaligned(position as i64) };
                }
            }
            Task::Search { values, out, right } => {
                for i in 0..values.len {
                    let position = search(len, &get, value(values, i), right);
                    // SAFETY: there is a place for each value.
                    unsafe { out.at(i).cast::<i64>().write_unaligned(position as i64) };
                }
            }
            Task::Sort | Task::Select(_) => {}
        }
    }

    /// # Safety
    /// The elements of the rows are texts of `len` characters.
    unsafe fn run_on_texts<C: Copy + Ord>(&self, row: Row, len: usize) {
        let text = |row: Row, i: usize| Text::<C> {
            data: row.at(i),
            len,
            of: core::marker::PhantomData,
        };
        if matches!(self, Task::Positions(..) | Task::Search { .. }) {
            // SAFETY: as the caller promises.
            return unsafe { self.run_by_value(row.len, |i| text(row, i), text) };
        }
        let mut sorted: Vec<usize> = (0..row.len).collect();
        sorted.sort_by(|a, b| order(text(row, *a), text(row, *b)));
        let bytes = len * size_of::<C>();
        let mut copy = vec![0_u8; bytes * row.len];
        if bytes == 0 {
            return;
        }
        for (to, from) in copy.chunks_exact_mut(bytes).zip(sorted) {
            // SAFETY: an element has as many bytes.
            unsafe { ptr::copy_nonoverlapping(row.at(from), to.as_mut_ptr(), bytes) };
        }
        for (i, from) in copy.chunks_exact(bytes).enumerate() {
            // SAFETY: likewise.
            unsafe { ptr::copy_nonoverlapping(from.as_ptr(), row.at(i), bytes) };
        }
    }

    /// Runs on elements of the type that a code says: an [`Order`], and 256 times their size.
    ///
    /// # Safety
    /// The elements of the rows are of this type.
    unsafe fn run_by_code(&self, code: i64, row: Row) {
        let (kind, size) = (code & 0xff, (code >> 8) as usize);
        let is = |order: Order| kind == order as i64;
        // SAFETY: as promised.
        unsafe {
            match size {
                8 if is(Order::Float) => self.run::<f64>(row),
                4 if is(Order::Float) => self.run::<f32>(row),
                2 if is(Order::Float) => self.run::<Half>(row),
                16 if is(Order::Complex) => self.run::<Complex<f64>>(row),
                8 if is(Order::Complex) => self.run::<Complex<f32>>(row),
                8 if is(Order::Time) => self.run::<Time>(row),
                8 if is(Order::Signed) => self.run::<i64>(row),
                4 if is(Order::Signed) => self.run::<i32>(row),
                2 if is(Order::Signed) => self.run::<i16>(row),
                1 if is(Order::Signed) => self.run::<i8>(row),
                8 if is(Order::Unsigned) => self.run::<u64>(row),
                4 if is(Order::Unsigned) => self.run::<u32>(row),
                2 if is(Order::Unsigned) => self.run::<u16>(row),
                1 if is(Order::Unsigned) => self.run::<u8>(row),
                _ if is(Order::Bytes) => self.run_on_texts::<u8>(row, size),
                _ if is(Order::Text) => self.run_on_texts::<u32>(row, size / 4),
                _ => {}
            }
        }
    }
}

/// The positions in a row of integers, in order.
///
/// # Safety
/// The row is one of 64 bit integers.
unsafe fn sorted_positions(row: Row) -> Vec<usize> {
    // SAFETY: as promised.
    let mut positions: Vec<usize> = unsafe { row.to_vec::<i64>() }
        .into_iter()
        .filter_map(|p| usize::try_from(p).ok())
        .collect();
    positions.sort_unstable();
    positions
}

/// See the table.
///
/// # Safety
/// The elements of the row are of the type that the code says.
pub unsafe extern "C" fn row_sort(code: i64, data: *mut c_void, len: i64, stride: i64) {
    // SAFETY: as promised.
    unsafe { Task::Sort.run_by_code(code, Row::new(data, len, stride)) }
}

/// See the table.
///
/// # Safety
/// As [`row_sort`]; `out` has as many integers.
pub unsafe extern "C" fn row_sort_positions(
    code: i64,
    data: *mut c_void,
    len: i64,
    stride: i64,
    out: *mut c_void,
    out_len: i64,
    out_stride: i64,
) {
    // SAFETY: as promised.
    unsafe {
        let out = Row::new(out, out_len, out_stride);
        Task::Positions(out, None).run_by_code(code, Row::new(data, len, stride));
    }
}

/// See the table.
///
/// # Safety
/// As [`row_sort`]; `positions` is a row of integers.
pub unsafe extern "C" fn row_select(
    code: i64,
    data: *mut c_void,
    len: i64,
    stride: i64,
    positions: *mut c_void,
    count: i64,
    positions_stride: i64,
) {
    // SAFETY: as promised.
    unsafe {
        let positions = sorted_positions(Row::new(positions, count, positions_stride));
        Task::Select(&positions).run_by_code(code, Row::new(data, len, stride));
    }
}

/// See the table.
///
/// # Safety
/// As [`row_sort_positions`] and [`row_select`].
#[allow(clippy::too_many_arguments, reason = "three rows")]
pub unsafe extern "C" fn row_select_positions(
    code: i64,
    data: *mut c_void,
    len: i64,
    stride: i64,
    positions: *mut c_void,
    count: i64,
    positions_stride: i64,
    out: *mut c_void,
    out_len: i64,
    out_stride: i64,
) {
    // SAFETY: as promised.
    unsafe {
        let positions = sorted_positions(Row::new(positions, count, positions_stride));
        let out = Row::new(out, out_len, out_stride);
        Task::Positions(out, Some(&positions)).run_by_code(code, Row::new(data, len, stride));
    }
}

/// See the table.
///
/// # Safety
/// The elements of the first two rows are of the type that the code says; `out` has an integer for each
/// of the second.
#[allow(clippy::too_many_arguments, reason = "three rows")]
pub unsafe extern "C" fn row_search(
    code: i64,
    data: *mut c_void,
    len: i64,
    stride: i64,
    values: *mut c_void,
    count: i64,
    values_stride: i64,
    out: *mut c_void,
    out_len: i64,
    out_stride: i64,
    right: i64,
) {
    // SAFETY: as promised.
    unsafe {
        let task = Task::Search {
            values: Row::new(values, count, values_stride),
            out: Row::new(out, out_len, out_stride),
            right: right != 0,
        };
        task.run_by_code(code, Row::new(data, len, stride));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code<T>(order: Order) -> i64 {
        order as i64 | (size_of::<T>() as i64) << 8
    }

    fn sorted<T: Copy>(order: Order, items: &[T]) -> Vec<T> {
        let mut items = items.to_vec();
        let n = items.len() as i64;
        // SAFETY: the row is the vector.
        unsafe {
            row_sort(
                code::<T>(order),
                items.as_mut_ptr().cast(),
                n,
                size_of::<T>() as i64,
            );
        }
        items
    }

    #[test]
    fn nan_and_nat_come_last() {
        let x = sorted(
            Order::Float,
            &[f64::NAN, 1.0, -f64::NAN, f64::INFINITY, -2.0],
        );
        assert_eq!(x[..3], [-2.0, 1.0, f64::INFINITY]);
        assert!(x[3].is_nan() && x[4].is_nan());
        assert_eq!(sorted(Order::Time, &[i64::MIN, 5, -3]), [-3, 5, i64::MIN]);
        assert_eq!(
            sorted(Order::Float, &[0x7e00_u16, 0x3c00, 0xbc00, 0x8000]),
            [0xbc00, 0x8000, 0x3c00, 0x7e00]
        );
    }

    #[test]
    fn a_row_that_runs_backwards_is_sorted_where_it_lies() {
        let mut items = [3_i32, 9, 1, 9, 2, 9];
        // SAFETY: every second element, from the last of these on.
        unsafe {
            let first = items.as_mut_ptr().add(4).cast();
            row_sort(code::<i32>(Order::Signed), first, 3, -8);
        }
        assert_eq!(items, [3, 9, 2, 9, 1, 9]);
    }

    #[test]
    fn positions_of_equal_elements_keep_their_order() {
        let (mut items, mut out) = ([2_u8, 1, 2, 1, 0], [0_i64; 5]);
        // SAFETY: rows of five elements.
        unsafe {
            let data = items.as_mut_ptr().cast();
            let out = out.as_mut_ptr().cast();
            row_sort_positions(code::<u8>(Order::Unsigned), data, 5, 1, out, 5, 8);
        }
        assert_eq!(out, [4, 1, 3, 0, 2]);
    }

    #[test]
    fn several_positions_are_selected() {
        let mut items: Vec<i64> = (0..100).map(|i| (i * 37) % 100).collect();
        let mut positions = [70_i64, 3, 3, 99];
        // SAFETY: rows of these lengths.
        unsafe {
            let positions = positions.as_mut_ptr().cast();
            let data = items.as_mut_ptr().cast();
            row_select(code::<i64>(Order::Signed), data, 100, 8, positions, 4, 8);
        }
        assert!([3, 70, 99].iter().all(|&i| items[i] == i as i64));
        assert!(items[..70].iter().all(|x| *x < 70));
    }

    #[test]
    fn texts_are_compared_by_characters() {
        let words = ["bb\0", "b\0\0", "abc"].concat().into_bytes();
        let mut words = words;
        // SAFETY: three texts of three bytes.
        unsafe {
            row_sort(
                Order::Bytes as i64 | 3 << 8,
                words.as_mut_ptr().cast(),
                3,
                3,
            )
        };
        assert_eq!(words, b"abcb\0\0bb\0");
    }
}
