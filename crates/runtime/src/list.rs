//! Lists: growing sequences of items of one type.
//!
//! Compiled code reads and writes items itself; here is what takes more than that: room for more items,
//! copies, and moving items about. What an item is made of is not known here, only its size and which of
//! its slots hold references (see [`List`]), which is what copying and dropping items takes.
//!
//! Lists are not locked: threads that change one list at the same time have a race, as in C.

use core::cmp::Ordering;
use core::mem::size_of;
use core::ptr::{self, NonNull};
use core::slice;
use core::sync::atomic::AtomicUsize;

use ferdelance_abi::layout::{Buffer, List, Object, Order, Str, TAG_DICT, TAG_LIST};

use crate::error::{Error, Kind};
use crate::memory::{Event, count, owner_release, owner_retain};
use crate::object::{obj_release, obj_retain};
use crate::string::str_cmp;

/// Items that a list has room for when the first is put in, if they are small.
const FIRST: usize = 4;

/// Bytes that items of a list take.
pub(crate) fn bytes(list: &List, items: usize) -> usize {
    items * list.item_size as usize
}

/// Item `i` of a list that has room for it.
///
/// # Safety
/// `list` is live, `i` is not larger than its capacity.
pub(crate) unsafe fn item(list: *const List, i: usize) -> *mut u8 {
    // SAFETY: as promised. A list without room has no items, and zero may be added to null.
    unsafe { (*list).data.add(bytes(&*list, i)) }
}

/// Calls `object` and `owner` for each reference in `n` items from item `from` on.
///
/// # Safety
/// `list` is live and has these items.
unsafe fn each_reference(
    list: *const List,
    from: usize,
    n: usize,
    object: unsafe extern "C" fn(*mut Object),
    owner: unsafe extern "C" fn(*mut Buffer),
) {
    // SAFETY: the list is live.
    let (objects, owners) = unsafe { ((*list).objects, (*list).owners) };
    if objects | owners == 0 {
        return;
    }
    for i in from..from + n {
        // SAFETY: the item is in the list, and its slots hold what the sets say.
        unsafe {
            let slots = item(list, i);
            let mut rest = objects;
            while rest != 0 {
                object(
                    *slots
                        .cast::<*mut Object>()
                        .add(rest.trailing_zeros() as usize),
                );
                rest &= rest - 1;
            }
            let mut rest = owners;
            while rest != 0 {
                owner(
                    *slots
                        .cast::<*mut Buffer>()
                        .add(rest.trailing_zeros() as usize),
                );
                rest &= rest - 1;
            }
        }
    }
}

/// The items' references once more: for copies.
///
/// # Safety
/// As [`each_reference`].
pub(crate) unsafe fn retain_items(list: *const List, from: usize, n: usize) {
    // SAFETY: passed on.
    unsafe { each_reference(list, from, n, obj_retain, owner_retain) }
}

/// Gives up the items' references.
///
/// # Safety
/// As [`each_reference`]; nobody uses the items afterwards.
pub(crate) unsafe fn release_items(list: *const List, from: usize, n: usize) {
    // SAFETY: passed on.
    unsafe { each_reference(list, from, n, obj_release, owner_release) }
}

#[cold]
fn no_memory() -> *mut Error {
    Error::raised(Kind::MemoryError, "out of memory for a list")
}

/// The header of a list without room for items, with count 1.
pub(crate) fn empty(tag: u32, item_size: u32, objects: u64, owners: u64) -> List {
    List {
        count: AtomicUsize::new(1),
        len: 0,
        tag,
        item_size,
        data: ptr::null_mut(),
        capacity: 0,
        objects,
        owners,
    }
}

/// An empty list with count 1; `None` if there is no memory.
pub fn new(item_size: u32, objects: u64, owners: u64, capacity: usize) -> Option<NonNull<List>> {
    // SAFETY: the size is not zero.
    let list = NonNull::new(unsafe { libc::malloc(size_of::<List>()) })?.cast::<List>();
    // SAFETY: new memory that is large enough and aligned for everything.
    unsafe {
        list.as_ptr()
            .write(empty(TAG_LIST, item_size, objects, owners))
    };
    count(Event::ObjectMade(0));
    // SAFETY: just made.
    if !unsafe { reserve(list.as_ptr(), capacity, true) } {
        // SAFETY: the only reference.
        unsafe { free(list.as_ptr()) };
        return None;
    }
    Some(list)
}

/// A list like `list`, without items.
///
/// # Safety
/// `list` is live.
unsafe fn new_like(list: *const List, capacity: usize) -> Option<NonNull<List>> {
    // SAFETY: as promised.
    unsafe { new((*list).item_size, (*list).objects, (*list).owners, capacity) }
}

/// Makes room for `extra` items more, exactly or with some to spare; false if there is no memory.
///
/// # Safety
/// `list` is live.
pub(crate) unsafe fn reserve(list: *mut List, extra: usize, exactly: bool) -> bool {
    // SAFETY: as promised.
    let header = unsafe { &mut *list };
    let Some(needed) = header.len.checked_add(extra) else {
        return false;
    };
    if needed <= header.capacity {
        return true;
    }
    let capacity = if exactly {
        needed
    } else {
        needed.max(header.capacity + header.capacity / 2).max(FIRST)
    };
    let size = header.item_size as usize;
    // The language allows no larger object, whatever the allocator says.
    let Some(total) = capacity
        .checked_mul(size)
        .filter(|&total| isize::try_from(total).is_ok())
    else {
        return false;
    };
    // SAFETY: null or what `realloc` gave before.
    let data = unsafe { libc::realloc(header.data.cast(), total.max(1)) };
    if data.is_null() {
        return false;
    }
    count(Event::ObjectGrown((capacity - header.capacity) * size));
    header.data = data.cast();
    if size > 8 {
        // Values narrower than their slots leave bytes of it as they are.
        let room = (capacity - header.capacity) * size;
        // SAFETY: the memory behind what there was room for before.
        unsafe { header.data.add(header.capacity * size).write_bytes(0, room) };
    }
    header.capacity = capacity;
    true
}

/// Copies `n` items of `from`, from item `start` on, behind the items of `to`, which has room for them.
///
/// # Safety
/// Both lists are live and have items of one form; they may be the same.
pub(crate) unsafe fn append(to: *mut List, from: *const List, start: usize, n: usize) {
    // SAFETY: as promised. The new items lie behind those that are copied.
    unsafe {
        let at = (*to).len;
        ptr::copy_nonoverlapping(item(from, start), item(to, at), bytes(&*to, n));
        (*to).len += n;
        retain_items(to, at, n);
    }
}

/// Frees a list and what its items refer to.
///
/// # Safety
/// `list` has no references left.
pub(crate) unsafe fn free(list: *mut List) {
    // SAFETY: as promised.
    unsafe {
        release_items(list, 0, (*list).len);
        count(Event::ObjectFreed(bytes(&*list, (*list).capacity)));
        libc::free((*list).data.cast());
        libc::free(list.cast());
    }
}

/// Writes a new list, or gives an error.
///
/// # Safety
/// `out` is writable.
unsafe fn give(out: *mut *mut List, made: Option<NonNull<List>>) -> *mut Error {
    // SAFETY: as promised.
    unsafe { *out = made.map_or(ptr::null_mut(), NonNull::as_ptr) };
    if made.is_some() {
        ptr::null_mut()
    } else {
        no_memory()
    }
}

fn check(done: bool) -> *mut Error {
    if done { ptr::null_mut() } else { no_memory() }
}

// Indices and counts of compiled code are checked there: they are inside the list.
#[expect(
    clippy::cast_sign_loss,
    reason = "not negative, as all callers promise"
)]
fn index(i: i64) -> usize {
    i as usize
}

// ---- for the boundary ----------------------------------------------------------------------------

/// Number of items.
///
/// # Safety
/// `list` is live.
pub unsafe fn len(list: *const List) -> usize {
    // SAFETY: as promised.
    unsafe { (*list).len }
}

/// Says how many items were written.
///
/// # Safety
/// `list` is live and has room for them.
pub unsafe fn set_len(list: *mut List, len: usize) {
    // SAFETY: as promised.
    unsafe { (*list).len = len };
}

/// Where item `i` lies.
///
/// # Safety
/// `list` is live and has room for it.
pub unsafe fn item_address(list: *const List, i: usize) -> *mut u8 {
    // SAFETY: passed on.
    unsafe { item(list, i) }
}

/// One reference more to everything that item `i` holds.
///
/// # Safety
/// `list` is live and has the item.
pub unsafe fn retain_item(list: *const List, i: usize) {
    // SAFETY: passed on.
    unsafe { retain_items(list, i, 1) };
}

/// Calls `f` with each owner word in a list or dict, and in the lists and dicts in it.
///
/// # Safety
/// `object` is live.
pub unsafe fn each_owner(object: *mut Object, f: &mut impl FnMut(*mut usize)) {
    // SAFETY: as promised; the tag says what an object is, and a dict begins with the list of its entries.
    unsafe {
        if object.is_null() || !matches!((*object).tag, TAG_LIST | TAG_DICT) {
            return;
        }
        let list = object.cast::<List>();
        for i in 0..(*list).len {
            let mut rest = (*list).owners;
            while rest != 0 {
                f(item(list, i)
                    .cast::<usize>()
                    .add(rest.trailing_zeros() as usize));
                rest &= rest - 1;
            }
            let mut rest = (*list).objects;
            while rest != 0 {
                let inner = item(list, i).cast::<*mut Object>();
                each_owner(*inner.add(rest.trailing_zeros() as usize), f);
                rest &= rest - 1;
            }
        }
    }
}

/// The items as bytes.
///
/// # Safety
/// `list` is live, and nobody changes it as long as `'a`.
pub unsafe fn contents<'a>(list: *const List) -> &'a [u8] {
    // SAFETY: as promised. All bytes of items are written when they are put in.
    unsafe {
        match bytes(&*list, (*list).len) {
            0 => &[],
            n => slice::from_raw_parts((*list).data, n),
        }
    }
}

// ---- for compiled code ---------------------------------------------------------------------------

/// An empty list.
///
/// # Safety
/// `out` is writable.
pub unsafe extern "C" fn list_new(
    item_size: i64,
    objects: i64,
    owners: i64,
    capacity: i64,
    out: *mut *mut List,
) -> *mut Error {
    let size = u32::try_from(item_size).unwrap_or(u32::MAX);
    let made = new(
        size,
        objects.cast_unsigned(),
        owners.cast_unsigned(),
        index(capacity),
    );
    // SAFETY: passed on.
    unsafe { give(out, made) }
}

/// Makes room for `extra` items more.
///
/// # Safety
/// `list` is live.
pub unsafe extern "C" fn list_reserve(list: *mut List, extra: i64) -> *mut Error {
    // SAFETY: passed on.
    check(unsafe { reserve(list, index(extra), false) })
}

/// `list[start::step]`, as far as `count` items.
///
/// # Safety
/// `list` is live, the items are inside it, `out` is writable.
pub unsafe extern "C" fn list_slice(
    list: *mut List,
    start: i64,
    count: i64,
    step: i64,
    out: *mut *mut List,
) -> *mut Error {
    // SAFETY: as promised; the new list has room for all items.
    unsafe {
        let made = new_like(list, index(count));
        if let Some(new) = made {
            if step == 1 {
                append(new.as_ptr(), list, index(start), index(count));
            } else {
                for i in 0..count {
                    append(new.as_ptr(), list, index(start + i * step), 1);
                }
            }
        }
        give(out, made)
    }
}

/// `a + b`
///
/// # Safety
/// `a` and `b` are live lists with items of one form, `out` is writable.
pub unsafe extern "C" fn list_concat(
    a: *mut List,
    b: *mut List,
    out: *mut *mut List,
) -> *mut Error {
    // SAFETY: as promised; the new list has room for all items.
    unsafe {
        let made = (*a).len.checked_add((*b).len).and_then(|n| new_like(a, n));
        if let Some(new) = made {
            append(new.as_ptr(), a, 0, (*a).len);
            append(new.as_ptr(), b, 0, (*b).len);
        }
        give(out, made)
    }
}

/// `list * n`
///
/// # Safety
/// `list` is live, `out` is writable.
pub unsafe extern "C" fn list_repeat(list: *mut List, n: i64, out: *mut *mut List) -> *mut Error {
    // SAFETY: as promised; the new list has room for all items.
    unsafe {
        let times = usize::try_from(n).unwrap_or(0);
        let made = (*list)
            .len
            .checked_mul(times)
            .and_then(|n| new_like(list, n));
        if let Some(new) = made {
            let (new, total) = (new.as_ptr(), (*list).len * times);
            if total > 0 {
                append(new, list, 0, (*list).len);
            }
            // Twice as many each time.
            let mut there = (*list).len;
            while there < total {
                let n = there.min(total - there);
                append(new, new, 0, n);
                there += n;
            }
        }
        give(out, made)
    }
}

/// `list *= n`
///
/// # Safety
/// `list` is live.
pub unsafe extern "C" fn list_repeat_in_place(list: *mut List, n: i64) -> *mut Error {
    // SAFETY: as promised; room is made before anything is copied.
    unsafe {
        let len = (*list).len;
        let Some(times) = usize::try_from(n).ok().filter(|&n| n > 0 && len > 0) else {
            list_delete(list, 0, len.cast_signed() as i64, 1);
            return ptr::null_mut();
        };
        let Some(extra) = len.checked_mul(times - 1) else {
            return no_memory();
        };
        if !reserve(list, extra, true) {
            return no_memory();
        }
        for _ in 1..times {
            append(list, list, 0, len);
        }
        ptr::null_mut()
    }
}

/// `list.extend(more)`; both may be the same.
///
/// # Safety
/// Both are live lists with items of one form.
pub unsafe extern "C" fn list_extend(list: *mut List, more: *mut List) -> *mut Error {
    // SAFETY: as promised.
    unsafe {
        let n = (*more).len;
        if !reserve(list, n, false) {
            return no_memory();
        }
        append(list, more, 0, n);
        ptr::null_mut()
    }
}

/// Makes item `i` a new one, all zero.
///
/// # Safety
/// `list` is live, `i` is not larger than its length.
pub unsafe extern "C" fn list_open(list: *mut List, i: i64) -> *mut Error {
    // SAFETY: as promised; there is room for one item more.
    unsafe {
        if !reserve(list, 1, false) {
            return no_memory();
        }
        let i = index(i);
        ptr::copy(
            item(list, i),
            item(list, i + 1),
            bytes(&*list, (*list).len - i),
        );
        item(list, i).write_bytes(0, bytes(&*list, 1));
        (*list).len += 1;
        ptr::null_mut()
    }
}

/// Closes the gap that item `i`, which was taken out, has left.
///
/// # Safety
/// `list` is live and has an item `i`.
pub unsafe extern "C" fn list_close(list: *mut List, i: i64) {
    // SAFETY: as promised.
    unsafe {
        let i = index(i);
        ptr::copy(
            item(list, i + 1),
            item(list, i),
            bytes(&*list, (*list).len - i - 1),
        );
        (*list).len -= 1;
    }
}

/// Removes `count` items from `start` in steps of `step`.
///
/// # Safety
/// `list` is live, the items are inside it.
pub unsafe extern "C" fn list_delete(list: *mut List, start: i64, count: i64, step: i64) {
    if count <= 0 {
        return;
    }
    // Downwards is the same from the other end.
    let (start, step) = if step < 0 {
        (start + (count - 1) * step, -step)
    } else {
        (start, step)
    };
    let (start, count, step) = (index(start), index(count), index(step));
    // SAFETY: as promised. Items that stay move down to where removed ones were.
    unsafe {
        let len = (*list).len;
        let mut to = start;
        for k in 0..count {
            let removed = start + k * step;
            release_items(list, removed, 1);
            let next = if k + 1 < count { removed + step } else { len };
            let kept = next - removed - 1;
            ptr::copy(item(list, removed + 1), item(list, to), bytes(&*list, kept));
            to += kept;
        }
        (*list).len = len - count;
    }
}

/// Replaces `count` items from `start` by copies of the items of `new`, which may be the list itself.
///
/// # Safety
/// Both are live lists with items of one form, the items are inside `list`.
pub unsafe extern "C" fn list_replace(
    list: *mut List,
    start: i64,
    count: i64,
    new: *mut List,
) -> *mut Error {
    let (start, count) = (index(start), index(count));
    // SAFETY: as promised. The copy of the new items makes it right for a list that is put into itself.
    unsafe {
        let n = (*new).len;
        let Some(copy) = new_like(new, n) else {
            return no_memory();
        };
        append(copy.as_ptr(), new, 0, n);
        if n > count && !reserve(list, n - count, false) {
            free(copy.as_ptr());
            return no_memory();
        }
        release_items(list, start, count);
        let behind = (*list).len - start - count;
        ptr::copy(
            item(list, start + count),
            item(list, start + n),
            bytes(&*list, behind),
        );
        ptr::copy_nonoverlapping(item(copy.as_ptr(), 0), item(list, start), bytes(&*list, n));
        (*list).len = start + n + behind;
        // Its items' references have moved.
        (*copy.as_ptr()).len = 0;
        free(copy.as_ptr());
        ptr::null_mut()
    }
}

/// `list.reverse()`
///
/// # Safety
/// `list` is live.
pub unsafe extern "C" fn list_reverse(list: *mut List) {
    // SAFETY: as promised; the two items of a step are different ones.
    unsafe {
        let (len, size) = ((*list).len, bytes(&*list, 1));
        for i in 0..len / 2 {
            ptr::swap_nonoverlapping(item(list, i), item(list, len - 1 - i), size);
        }
    }
}

/// The items as a slice.
///
/// # Safety
/// `list` is live, its items have type `T`, and nobody else uses them as long as `'a`.
unsafe fn items<'a, T>(list: *mut List) -> &'a mut [T] {
    // SAFETY: as promised; memory of the C library is aligned for all items of machine types.
    unsafe {
        match (*list).len {
            0 => &mut [],
            len => slice::from_raw_parts_mut((*list).data.cast(), len),
        }
    }
}

/// Sorts, keeping the order of equal items also downwards, as Python does.
fn sort_by<T>(items: &mut [T], downwards: bool, order: impl Fn(&T, &T) -> Ordering) {
    if downwards {
        items.sort_by(|a, b| order(b, a));
    } else {
        items.sort_by(order);
    }
}

/// NaNs compare as the largest: sorting needs some order among all values.
fn compare_floats<T: PartialOrd>(a: &T, b: &T) -> Ordering {
    let is_nan = |x: &T| x.partial_cmp(x).is_none();
    a.partial_cmp(b)
        .unwrap_or_else(|| is_nan(a).cmp(&is_nan(b)))
}

/// `list.sort()` of items that are one machine value.
///
/// # Safety
/// `list` is live; `order` is an [`Order`] that fits its items.
pub unsafe extern "C" fn list_sort(list: *mut List, order: i64, downwards: u8) {
    let down = downwards != 0;
    let is = |wanted: Order| order == wanted as i64;
    // SAFETY: as promised.
    unsafe {
        match (*list).item_size {
            8 if is(Order::Str) => {
                sort_by(items::<*mut Str>(list), down, |a, b| {
                    str_cmp(*a, *b).cmp(&0)
                });
            }
            8 if is(Order::Float) => sort_by(items::<f64>(list), down, compare_floats),
            4 if is(Order::Float) => sort_by(items::<f32>(list), down, compare_floats),
            1 if is(Order::Signed) => sort_by(items::<i8>(list), down, Ord::cmp),
            2 if is(Order::Signed) => sort_by(items::<i16>(list), down, Ord::cmp),
            4 if is(Order::Signed) => sort_by(items::<i32>(list), down, Ord::cmp),
            8 if is(Order::Signed) => sort_by(items::<i64>(list), down, Ord::cmp),
            1 => sort_by(items::<u8>(list), down, Ord::cmp),
            2 => sort_by(items::<u16>(list), down, Ord::cmp),
            4 => sort_by(items::<u32>(list), down, Ord::cmp),
            _ => sort_by(items::<u64>(list), down, Ord::cmp),
        }
    }
}

#[cfg(test)]
mod tests;
