//! Tests of lists.

use super::*;
use crate::memory::stats;
use crate::string::{StrRef, release};

/// A list of integers, dropped at the end of the test.
struct Ints(*mut List);

impl Ints {
    fn new(values: &[i64]) -> Ints {
        let list = new(8, 0, 0, values.len()).unwrap().as_ptr();
        // SAFETY: room was made.
        unsafe {
            ptr::copy_nonoverlapping(values.as_ptr(), (*list).data.cast(), values.len());
            (*list).len = values.len();
        }
        Ints(list)
    }

    fn get(&self) -> &[i64] {
        // SAFETY: not changed meanwhile.
        unsafe { items(self.0) }
    }

    fn made(f: impl FnOnce(*mut *mut List) -> *mut Error) -> Ints {
        let mut out = ptr::null_mut();
        assert!(f(&mut out).is_null());
        Ints(out)
    }
}

impl Drop for Ints {
    fn drop(&mut self) {
        // SAFETY: the only reference.
        unsafe { obj_release(self.0.cast()) }
    }
}

#[test]
fn items_are_copied_moved_and_removed() {
    let a = Ints::new(&[0, 1, 2, 3, 4, 5]);
    // SAFETY: all indices are inside the lists.
    unsafe {
        assert_eq!(
            Ints::made(|out| list_slice(a.0, 1, 3, 1, out)).get(),
            [1, 2, 3]
        );
        assert_eq!(
            Ints::made(|out| list_slice(a.0, 5, 3, -2, out)).get(),
            [5, 3, 1]
        );
        assert_eq!(Ints::made(|out| list_concat(a.0, a.0, out)).get().len(), 12);
        let b = Ints::new(&[7, 8]);
        assert_eq!(
            Ints::made(|out| list_repeat(b.0, 2, out)).get(),
            [7, 8, 7, 8]
        );
        assert_eq!(Ints::made(|out| list_repeat(b.0, -1, out)).get(), []);
        assert!(list_extend(b.0, b.0).is_null());
        assert_eq!(b.get(), [7, 8, 7, 8]);
        assert!(list_open(b.0, 1).is_null());
        assert_eq!(b.get(), [7, 0, 8, 7, 8]);
        list_close(b.0, 0);
        assert_eq!(b.get(), [0, 8, 7, 8]);
        list_delete(a.0, 4, 2, -3);
        assert_eq!(a.get(), [0, 2, 3, 5]);
        assert!(list_replace(a.0, 1, 2, b.0).is_null());
        assert_eq!(a.get(), [0, 0, 8, 7, 8, 5]);
        assert!(list_replace(a.0, 0, 6, a.0).is_null());
        assert_eq!(a.get(), [0, 0, 8, 7, 8, 5]);
        list_reverse(a.0);
        assert_eq!(a.get(), [5, 8, 7, 8, 0, 0]);
        list_sort(a.0, Order::Signed as i64, 0);
        assert_eq!(a.get(), [0, 0, 5, 7, 8, 8]);
        list_sort(a.0, Order::Signed as i64, 1);
        assert_eq!(a.get(), [8, 8, 7, 5, 0, 0]);
        assert!(list_repeat_in_place(b.0, 0).is_null());
        assert_eq!(b.get(), []);
    }
}

#[test]
fn references_of_items_are_counted() {
    let before = stats();
    let list = new(8, 1, 0, 0).unwrap().as_ptr();
    // SAFETY: items are put where room was made, and given up once.
    unsafe {
        for text in ["one", "two", "three"] {
            assert!(list_reserve(list, 1).is_null());
            *item(list, (*list).len).cast::<*mut Str>() = StrRef::from(text).into_raw();
            (*list).len += 1;
        }
        let mut copy = ptr::null_mut();
        assert!(list_repeat(list, 3, &mut copy).is_null());
        list_delete(list, 0, 2, 1);
        assert!(list_replace(copy, 1, 2, list).is_null());
        list_sort(copy, Order::Str as i64, 0);
        let first = *item(copy, 0).cast::<*mut Str>();
        assert_eq!(StrRef::borrowed(first).to_string(), "one");
        obj_release(list.cast());
        obj_release(copy.cast());
        release(ptr::null_mut());
    }
    // Other tests of this process may be at work: only what is exact per thread could be compared.
    assert!(stats().object_free >= before.object_free + 5);
}

#[test]
fn sorting_takes_nans_and_sizes() {
    let list = new(8, 0, 0, 4).unwrap().as_ptr();
    // SAFETY: room was made for four doubles.
    unsafe {
        let values = [f64::NAN, 2.0, f64::NEG_INFINITY, 1.0];
        ptr::copy_nonoverlapping(values.as_ptr(), (*list).data.cast(), 4);
        (*list).len = 4;
        list_sort(list, Order::Float as i64, 0);
        assert_eq!(items::<f64>(list)[..3], [f64::NEG_INFINITY, 1.0, 2.0]);
        obj_release(list.cast());
    }
}

#[test]
fn impossible_sizes_are_errors() {
    let mut out = ptr::null_mut();
    // SAFETY: `out` is writable, the error is ours.
    let error = unsafe { crate::error::take(list_new(8, 0, 0, i64::MAX, &mut out)) };
    assert_eq!(error.kind, Kind::MemoryError);
    assert!(out.is_null());
}
