//! A map from addresses to numbers that is looked at in each call.

use std::hash::{BuildHasherDefault, Hasher};

/// Open addressing in a table of a power of two; the key 0 is a free place.
#[derive(Debug, Default)]
pub struct Addresses {
    slots: Vec<(usize, u32)>,
    len: usize,
}

impl Addresses {
    #[inline(always)]
    pub fn get(&self, key: usize) -> Option<u32> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = spread(key) & mask;
        loop {
            match self.slots.get(at) {
                Some(&(found, value)) if found == key => return Some(value),
                Some(&(0, _)) | None => return None,
                Some(_) => at = (at + 1) & mask,
            }
        }
    }

    /// Inserts a key that is not there; it is not 0.
    pub fn insert(&mut self, key: usize, value: u32) {
        if (self.len + 1) * 2 > self.slots.len() {
            let size = (self.slots.len() * 2).max(16);
            let old = std::mem::replace(&mut self.slots, vec![(0, 0); size]);
            for (key, value) in old.into_iter().filter(|slot| slot.0 != 0) {
                self.place(key, value);
            }
        }
        self.place(key, value);
        self.len += 1;
    }

    /// Sets the value of a key that may be there.
    pub fn set(&mut self, key: usize, value: u32) {
        if self.get(key).is_none() {
            return self.insert(key, value);
        }
        let mask = self.slots.len() - 1;
        let mut at = spread(key) & mask;
        while self.slots[at].0 != key {
            at = (at + 1) & mask;
        }
        self.slots[at].1 = value;
    }

    fn place(&mut self, key: usize, value: u32) {
        let mask = self.slots.len() - 1;
        let mut at = spread(key) & mask;
        while self.slots[at].0 != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = (key, value);
    }
}

#[inline(always)]
fn spread(key: usize) -> usize {
    (key as u64)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(24) as usize
}

/// For maps of addresses in the standard library's form.
#[derive(Default)]
pub struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_usize(self.0 as usize ^ usize::from(byte));
        }
    }

    fn write_usize(&mut self, key: usize) {
        self.0 = spread(key) as u64;
    }
}

/// A map by address from which keys can be removed.
pub type Map<T> = std::collections::HashMap<usize, T, BuildHasherDefault<Spread>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found() {
        let mut map = Addresses::default();
        assert_eq!(map.get(5), None);
        for key in 1..1000 {
            map.insert(key * 64, key as u32);
        }
        assert!((1..1000).all(|key| map.get(key * 64) == Some(key as u32)));
        assert_eq!(map.get(63), None);
    }
}
