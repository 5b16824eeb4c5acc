//! Tests of dicts.

use ferdelance_abi::layout::{Str, dict_hash_end, dict_hash_step};

use super::*;
use crate::memory::stats;
use crate::object::obj_release;
use crate::string::StrRef;

/// A dict of integers, written and searched as compiled code does it.
struct Ints(*mut Dict);

fn hash(key: i64) -> u64 {
    dict_hash_end(dict_hash_step(0, key.cast_unsigned()))
}

impl Ints {
    fn new(capacity: usize) -> Ints {
        Ints(new(24, 0, 0, capacity).unwrap().as_ptr())
    }

    fn slots(&self, at: usize) -> *mut i64 {
        // SAFETY: only positions of entries are asked for.
        unsafe { item(self.0.cast(), at).cast() }
    }

    fn find(&self, key: i64) -> Option<usize> {
        // SAFETY: the index is as large as it says.
        unsafe {
            let dict = &*self.0;
            let mut cell = (hash(key) >> dict.shift) as usize;
            loop {
                let at = match *dict.index.add(cell) {
                    0 => return None,
                    n => n as usize - 1,
                };
                let entry = self.slots(at);
                if *entry == hash(key).cast_signed() && *entry.add(1) == key {
                    return Some(at);
                }
                cell = (cell + 1) & (cells(dict) - 1);
            }
        }
    }

    fn set(&self, key: i64, value: i64) {
        // SAFETY: an entry has three slots.
        unsafe {
            let at = self.find(key).unwrap_or_else(|| {
                let at = insert(self.0, hash(key)).unwrap();
                *self.slots(at).add(1) = key;
                at
            });
            *self.slots(at).add(2) = value;
        }
    }

    fn remove(&self, key: i64) {
        let at = self.find(key).unwrap();
        // SAFETY: the entry is there.
        unsafe { dict_remove(self.0, at as i64) }
    }

    fn items(&self) -> Vec<(i64, i64)> {
        // SAFETY: nobody changes the dict.
        unsafe {
            positions(self.0)
                .map(|at| (*self.slots(at).add(1), *self.slots(at).add(2)))
                .collect()
        }
    }
}

impl Drop for Ints {
    fn drop(&mut self) {
        // SAFETY: the only reference.
        unsafe { obj_release(self.0.cast()) }
    }
}

#[test]
fn entries_are_found_and_stay_in_order() {
    let d = Ints::new(0);
    assert_eq!(d.find(0), None);
    let keys: Vec<i64> = (0..1000).map(|i| i * 7919 % 10007 - 5000).collect();
    for &key in &keys {
        d.set(key, key * 2);
    }
    for (at, &key) in keys.iter().enumerate() {
        assert_eq!(d.find(key), Some(at));
        assert_eq!(d.find(key + 100_000), None);
    }
    let expected: Vec<(i64, i64)> = keys.iter().map(|&k| (k, k * 2)).collect();
    assert_eq!(d.items(), expected);
}

#[test]
fn removed_entries_are_gone_and_their_room_is_used_again() {
    let d = Ints::new(0);
    for i in 0..1000 {
        d.set(i, i);
        if i >= 5 {
            d.remove(i - 5);
            assert_eq!(d.find(i - 5), None);
        }
    }
    assert_eq!(d.items(), (995..1000).map(|i| (i, i)).collect::<Vec<_>>());
    // SAFETY: alive.
    unsafe { assert!((*d.0).entries.capacity <= 16) };
    // What is taken from the end leaves no gap there.
    for i in (995..1000).rev() {
        d.remove(i);
    }
    // SAFETY: alive.
    unsafe { assert_eq!((*d.0).entries.len, 0) };
    for round in 0..100 {
        d.set(round, 0);
        d.remove(round);
    }
    d.set(3, 4);
    assert_eq!(d.items(), [(3, 4)]);
}

#[test]
fn copies_are_independent_and_clear_empties() {
    let d = Ints::new(3);
    for i in 0..20 {
        d.set(i, i);
    }
    d.remove(0);
    d.remove(7);
    let mut out = ptr::null_mut();
    // SAFETY: all are live.
    let copy = unsafe {
        assert!(dict_copy(d.0, &mut out).is_null());
        Ints(out)
    };
    assert_eq!(copy.items(), d.items());
    // SAFETY: alive.
    unsafe { dict_clear(d.0) };
    assert_eq!((d.find(1), copy.find(1)), (None, Some(0)));
    d.set(1, 5);
    assert_eq!((d.items(), copy.items().len()), (vec![(1, 5)], 18));
}

#[test]
fn keys_and_values_are_dropped_once() {
    let before = stats();
    // SAFETY: each entry gets a reference of its own.
    unsafe {
        let dict = new(24, 0b010, 0, 0).unwrap().as_ptr();
        for i in 0..10 {
            let at = insert(dict, dict_hash_end(i)).unwrap();
            let key = item(dict.cast(), at).cast::<*mut Str>().add(1);
            *key = StrRef::from("key").into_raw();
        }
        dict_remove(dict, 4);
        let mut copy = ptr::null_mut();
        assert!(dict_copy(dict, &mut copy).is_null());
        dict_clear(dict);
        let kept = *item(copy.cast(), 8).cast::<*mut Str>().add(1);
        assert_eq!(StrRef::borrowed(kept).to_string(), "key");
        obj_release(dict.cast());
        obj_release(copy.cast());
    }
    // Other tests of this process may be at work: only what is exact per thread could be compared.
    assert!(stats().object_free >= before.object_free + 12);
}

#[test]
fn impossible_sizes_are_errors() {
    let mut out = ptr::null_mut();
    // SAFETY: `out` is writable, the error is ours.
    let error = unsafe { crate::error::take(dict_new(24, 0, 0, i64::MAX, &mut out)) };
    assert_eq!(error.kind, Kind::MemoryError);
    assert!(out.is_null());
}
