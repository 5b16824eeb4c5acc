//! Hashes of keys that come from Python: what compiled code computes of values, of slots.
//!
//! The compiler's `lower::dict` is the other side; which words are mixed, and in which order, has to be
//! the same.

use ferdelance_abi::layout::{Dict, List, Str, dict_hash_end, dict_hash_step};
use ferdelance_compiler::types::{Kind, Ty};
use ferdelance_runtime::{dict, list, string};

use crate::num::slots;

/// The hash of a key.
///
/// # Safety
/// The slots hold a key of this type.
pub unsafe fn of_key(ty: Ty, key: &[u64]) -> u64 {
    // SAFETY: passed on.
    dict_hash_end(unsafe { step(0, ty, key) })
}

/// # Safety
/// As for [`of_key`].
unsafe fn step(hash: u64, ty: Ty, key: &[u64]) -> u64 {
    let float = |hash: u64, bits: u64, size: u32| {
        let number = if size == 64 {
            f64::from_bits(bits)
        } else {
            f64::from(f32::from_bits(bits as u32))
        };
        // -0.0 is equal to 0.0.
        dict_hash_step(hash, (number + 0.0).to_bits())
    };
    // SAFETY: as promised; items of tuples and contents of optionals lie one after the other.
    unsafe {
        match *ty.kind() {
            Kind::None => hash,
            Kind::Str => {
                let text = core::ptr::with_exposed_provenance_mut::<Str>(key[0] as usize);
                dict_hash_step(hash, string::str_hash(text).cast_unsigned())
            }
            Kind::Buffer(..) => {
                let (data, len) = (key[1] as usize, key[2].cast_signed());
                let data = core::ptr::with_exposed_provenance_mut(data);
                dict_hash_step(hash, string::bytes_hash(data, len).cast_unsigned())
            }
            Kind::Tuple(ref items) | Kind::NamedTuple(_, ref items) => {
                let (mut hash, mut at) = (hash, 0);
                for &item in items {
                    hash = step(hash, item, &key[at..]);
                    at += slots(item);
                }
                hash
            }
            Kind::Optional(inner) if key[0] != 0 => step(dict_hash_step(hash, 1), inner, &key[1..]),
            Kind::Optional(_) => hash,
            Kind::Complex { bits, .. } => {
                let size = u32::from(bits) / 2;
                float(float(hash, key[0], size), key[1], size)
            }
            Kind::Float { bits, .. } => float(hash, key[0], u32::from(bits)),
            // A frozenset, whatever the order is in which its items were put in.
            Kind::Set { .. } => {
                let set = core::ptr::with_exposed_provenance_mut::<Dict>(key[0] as usize);
                let hashes = dict::positions(set).map(|at| {
                    let entry = list::item_address(set.cast::<List>(), at);
                    entry.cast::<u64>().read()
                });
                dict_hash_step(hash, hashes.fold(0, u64::wrapping_add))
            }
            // Numbers are extended to their slots by their signs.
            _ => dict_hash_step(hash, key[0]),
        }
    }
}
