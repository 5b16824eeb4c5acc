use super::*;
use std::sync::atomic::AtomicI64;

/// Adds the rounds of a chunk, and gives how many there were; raises at the round in the second slot.
extern "C" fn sum(frame: *const u64, results: *mut u64) -> *mut c_void {
    // SAFETY: a frame of four slots and room for a result, see `run_sum`.
    unsafe {
        let [begin, end] = [*frame, *frame.add(1)].map(u64::cast_signed);
        let total = &*(*frame.add(2) as *const AtomicI64);
        let bad = (*frame.add(3)).cast_signed();
        for i in begin..end {
            if i >= bad {
                return Error::raised(Kind::ValueError, &format!("round {i}")).cast();
            }
            total.fetch_add(i, Ordering::Relaxed);
        }
        results.write((end - begin).cast_unsigned());
    }
    core::ptr::null_mut()
}

/// Runs `sum`: the total, the parts, and whether there was an error.
fn run_sum(rounds: i64, bad: i64) -> (i64, Vec<i64>, Option<String>) {
    let total = AtomicI64::new(0);
    let mut frame = [
        0,
        0,
        (&raw const total).addr() as u64,
        bad.cast_unsigned(),
        0,
    ];
    let (mut partials, mut count) = (core::ptr::null_mut(), 0);
    // SAFETY: `sum` takes two slots and gives one.
    let error = unsafe {
        parallel_for(
            sum as *mut c_void,
            frame.as_mut_ptr().cast(),
            2,
            1,
            rounds,
            i64::MAX,
            &raw mut partials,
            &raw mut count,
        )
    };
    let total = total.into_inner();
    if !error.is_null() {
        // SAFETY: an error of ours.
        let text = format!("{:?}", unsafe { crate::take(error) });
        return (total, vec![], Some(text));
    }
    // SAFETY: so many results.
    let parts = unsafe { slice(partials.cast_const().cast(), count as usize) };
    let parts = parts.iter().map(|p| p.cast_signed()).collect();
    // SAFETY: not used any more.
    unsafe { parallel_free(partials, count) };
    (total, parts, None)
}

fn with_threads(n: u32) {
    // Tests run at once: the most is the same in all of them.
    set_most_threads(4);
    assert!(set_num_threads(i64::from(n)).is_null());
}

#[test]
fn every_round_runs_once() {
    for threads in 1..=4 {
        with_threads(threads);
        for rounds in [0, 1, 2, 3, 5, 100, 12_345] {
            let (total, parts, error) = run_sum(rounds, i64::MAX);
            assert_eq!(total, rounds * (rounds - 1) / 2, "{threads} {rounds}");
            assert_eq!(parts.iter().sum::<i64>(), rounds);
            assert_eq!(parts.len() as i64, rounds.min(i64::from(threads)));
            assert!(error.is_none());
        }
    }
}

#[test]
fn chunks_have_the_size_that_was_set() {
    with_threads(3);
    let mut before = -1;
    // SAFETY: writable.
    assert!(unsafe { set_chunk_size(7, &raw mut before) }.is_null());
    assert_eq!(before, 0);
    let (total, parts, _) = run_sum(100, i64::MAX);
    assert_eq!((total, parts.len()), (4950, 15));
    assert!(parts.iter().all(|&n| (6..=7).contains(&n)));
}

#[test]
fn the_lowest_error_is_raised() {
    with_threads(4);
    for _ in 0..200 {
        let (_, _, error) = run_sum(1000, 300);
        let error = error.expect("an error");
        assert!(error.contains("round 300"), "{error}");
    }
}

#[test]
fn many_callers_at_once() {
    let callers: Vec<_> = (0..8)
        .map(|_| {
            thread::spawn(|| {
                with_threads(3);
                for _ in 0..500 {
                    let (total, parts, _) = run_sum(99, i64::MAX);
                    assert_eq!((total, &parts[..]), (4851, &[33, 33, 33][..]));
                }
            })
        })
        .collect();
    for caller in callers {
        caller.join().expect("no panic");
    }
}

#[test]
fn threads_sleep_and_wake() {
    with_threads(4);
    for _ in 0..20 {
        assert_eq!(run_sum(100, i64::MAX).0, 4950);
        thread::sleep(SPIN * 3);
    }
}

#[test]
fn small_work_stays_here() {
    with_threads(4);
    let worth = WORTH.load(Ordering::Relaxed);
    assert_eq!(split(1000, worth - 1), (1, 1));
    assert_eq!(split(1000, worth), (2, 2));
    assert_eq!(split(1000, i64::MAX), (4, 4));
    assert_eq!(split(3, i64::MAX), (3, 3));
    assert_eq!(split(0, i64::MAX), (1, 0));
}

#[test]
#[cfg_attr(miri, ignore = "has no fork")]
fn a_forked_child_has_a_team_of_its_own() {
    with_threads(4);
    assert_eq!(run_sum(1000, i64::MAX).0, 499_500);
    for _ in 0..5 {
        // SAFETY: the child runs the region and ends without unwinding or cleaning up.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let fine = run_sum(1000, i64::MAX).0 == 499_500;
            // SAFETY: ends the child.
            unsafe { libc::_exit(i32::from(!fine)) };
        }
        let mut status = -1;
        // SAFETY: the child from above.
        unsafe { libc::waitpid(child, &mut status, 0) };
        assert_eq!(status, 0);
    }
    assert_eq!(run_sum(1000, i64::MAX).0, 499_500);
}
