//! What all runtime objects have in common: they are counted, and freed by what they are.

use core::sync::atomic::Ordering::Relaxed;

use ferdelance_abi::layout::{IMMORTAL, Object, TAG_DICT, TAG_GENERATOR, TAG_LIST};

use crate::memory::last_reference;
use crate::{dict, generator, list, string};

/// Whether an object is never freed. Counts of such objects are not touched.
///
/// # Safety
/// `object` is live.
pub(crate) unsafe fn is_immortal(object: *const Object) -> bool {
    // Far from both ends: references that compiled code counts by itself change nothing.
    // SAFETY: as promised.
    unsafe { (*object).count.load(Relaxed) >= IMMORTAL / 2 }
}

/// One reference to a runtime object more. Null is allowed.
///
/// # Safety
/// `object` is null or live.
pub unsafe extern "C" fn obj_retain(object: *mut Object) {
    // SAFETY: as promised.
    unsafe {
        if !object.is_null() && !is_immortal(object) {
            (*object).count.fetch_add(1, Relaxed);
        }
    }
}

/// One reference to a runtime object less. Null is allowed.
///
/// # Safety
/// `object` is null or live, and the caller gives up a reference to it.
pub unsafe extern "C" fn obj_release(object: *mut Object) {
    // SAFETY: as promised; after the last reference nobody uses the object, and the tag says what it is.
    unsafe {
        if object.is_null() || is_immortal(object) || !last_reference(&(*object).count) {
            return;
        }
        match (*object).tag {
            TAG_LIST => list::free(object.cast()),
            TAG_DICT => dict::free(object.cast()),
            TAG_GENERATOR => generator::free(object.cast()),
            _ => string::free(object.cast()),
        }
    }
}
