//! CPython's hashes of numbers and tuples, so that a value hashes alike on both sides.
//!
//! A number's hash is its value modulo the prime 2**61 - 1 (rationals included: an infinite order of
//! factors two has an inverse), with the number's sign; -1 is taken, so it becomes -2. Tuples are
//! mixed as in xxHash.

/// The modulus of numeric hashes.
const MODULUS: u64 = (1 << 61) - 1;
/// The hash of infinity.
const INFINITY: i64 = 314_159;
/// The factor of the imaginary part.
const IMAGINARY: i64 = 1_000_003;

const PRIME_1: u64 = 11_400_714_785_074_694_791;
const PRIME_2: u64 = 14_029_467_366_897_019_727;
const PRIME_5: u64 = 2_870_177_450_012_600_261;

/// Where the mixing of a tuple starts: the first `acc` of [`hash_tuple_step`].
pub const TUPLE_HASH_START: i64 = PRIME_5.cast_signed();

/// -1 means an error in CPython and is never a hash.
pub(crate) const fn not_minus_one(hash: i64) -> i64 {
    if hash == -1 { -2 } else { hash }
}

const fn signed(residue: u64, negative: bool) -> i64 {
    // A residue is below 2**61.
    let hash = residue.cast_signed();
    not_minus_one(if negative { -hash } else { hash })
}

/// `hash(x)` of an int (and of a bool).
pub extern "C" fn hash_i64(x: i64) -> i64 {
    signed(x.unsigned_abs() % MODULUS, x < 0)
}

/// `hash(x)` of an unsigned integer (the bits of `x`).
pub extern "C" fn hash_u64(x: i64) -> i64 {
    signed(x.cast_unsigned() % MODULUS, false)
}

/// `hash(x)` of a float; 0 for nan, whose hash in CPython is that of the object's identity.
pub extern "C" fn hash_f64(x: f64) -> i64 {
    if x.is_nan() {
        return 0;
    }
    if x.is_infinite() {
        return if x < 0.0 { -INFINITY } else { INFINITY };
    }
    // x = mantissa * 2**exponent, both integers.
    let bits = x.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    let biased = (bits >> 52 & 0x7ff) as i32;
    let (mantissa, exponent) = if biased == 0 {
        (fraction, -1074)
    } else {
        (fraction | 1 << 52, biased - 1075)
    };
    // Modulo 2**61 - 1 a factor of two is a rotation of 61 bits. The mantissa has 53, so no reduction
    // is needed, and a rotation of it is never the modulus itself (all ones).
    let shift = exponent.rem_euclid(61) as u32;
    let rotated = (mantissa << shift & MODULUS) | mantissa.checked_shr(61 - shift).unwrap_or(0);
    signed(rotated, x < 0.0)
}

/// `hash(x)` of a complex number.
pub extern "C" fn hash_complex(re: f64, im: f64) -> i64 {
    not_minus_one(hash_f64(re).wrapping_add(hash_f64(im).wrapping_mul(IMAGINARY)))
}

/// Mixes the hash of a tuple's next item into the state, which begins as [`TUPLE_HASH_START`].
pub extern "C" fn hash_tuple_step(state: i64, item: i64) -> i64 {
    let state = state
        .cast_unsigned()
        .wrapping_add(item.cast_unsigned().wrapping_mul(PRIME_2));
    state.rotate_left(31).wrapping_mul(PRIME_1).cast_signed()
}

/// The hash of a tuple of `len` items from the state after all of them.
pub extern "C" fn hash_tuple_end(state: i64, len: i64) -> i64 {
    let hash = state
        .cast_unsigned()
        .wrapping_add(len.cast_unsigned() ^ (PRIME_5 ^ 3_527_539))
        .cast_signed();
    if hash == -1 { 1_546_275_796 } else { hash }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_hash_alike() {
        for n in [0, 1, -1, -2, 42, 1 << 52, -(1 << 52), (1 << 53) - 1] {
            assert_eq!(hash_i64(n), hash_f64(n as f64));
            assert_eq!(hash_i64(n), hash_complex(n as f64, 0.0));
            if n >= 0 {
                assert_eq!(hash_i64(n), hash_u64(n));
            }
        }
        assert_eq!(hash_f64(0.0), hash_f64(-0.0));
    }

    #[test]
    fn what_is_not_a_rational() {
        assert_eq!(hash_f64(f64::INFINITY), 314_159);
        assert_eq!(hash_f64(f64::NEG_INFINITY), -314_159);
        assert_eq!(hash_f64(f64::NAN), 0);
    }

    #[test]
    fn minus_one_is_no_hash() {
        assert_eq!(hash_i64(-1), -2);
        assert_eq!(hash_f64(-1.0), -2);
        // The state that would give -1.
        let state = (-1_i64).wrapping_sub((PRIME_5 ^ 3_527_539).cast_signed());
        assert_eq!(hash_tuple_end(state, 0), 1_546_275_796);
    }
}
