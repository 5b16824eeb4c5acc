//! The loader: unknown symbols, many objects, unloading, threads.

use crate::common::*;
use ferdelance_abi::codemap::CODE_MAP;
use ferdelance_abi::rtfn::RtFn;
use ferdelance_compiler::tir::*;
use ferdelance_jit::{LoadOptions, Object, Symbols, load};

fn add(symbol: &str, k: i64) -> Program {
    let mut b = Build::new(symbol, &[Type::I64], &[Type::I64]);
    let k = b.i64(k);
    let sum = b.bin(Bin::Add, b.arg(0), k);
    b.ret(&[sum]);
    b.program()
}

#[test]
fn unknown_symbols_are_errors() {
    struct Nothing;
    impl Symbols for Nothing {
        fn address(&self, _: &str) -> Option<usize> {
            None
        }
    }
    let mut b = Build::new("f", &[Type::I64], &[Type::I64]);
    let result = b.rt(RtFn::ipow, &[b.arg(0), b.arg(0)]);
    b.ret(&result);
    let object = compiled(&b.program());
    let error = load(&object, &Nothing, &mut Pool, &LoadOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "linking failed: unknown symbol fd_ipow");
}

#[test]
fn damaged_objects_are_errors() {
    let object = compiled(&add("damaged", 1));
    let attempt = |bytes: Vec<u8>| {
        load(
            &Object {
                bytes,
                ..object.clone()
            },
            &Stubs,
            &mut Pool,
            &LoadOptions::default(),
        )
    };
    assert!(attempt(vec![]).is_err());
    assert!(attempt(object.bytes[..100].to_vec()).is_err());
    // Whatever byte of the headers is wrong: an error or code, not a crash.
    for at in 0..64 {
        let mut bytes = object.bytes.clone();
        bytes[at] ^= 0x5a;
        let _ = attempt(bytes);
    }
    let missing = Object {
        entries: vec!["nobody.entry".into()],
        ..object.clone()
    };
    assert!(load(&missing, &Stubs, &mut Pool, &LoadOptions::default()).is_err());
}

#[test]
fn code_can_be_unloaded() {
    let object = compiled(&add("unloaded", 5));
    let code = load(&object, &Stubs, &mut Pool, &LoadOptions::default()).unwrap();
    let address = code.entries[0].address;
    assert!(CODE_MAP.find(address).is_some());
    // SAFETY: nobody runs it.
    unsafe { code.unload() };
    assert!(
        CODE_MAP
            .find(address)
            .is_none_or(|entry| !entry.symbol.starts_with("unloaded"))
    );
    // Its memory is good for more.
    for k in 0..20 {
        let code = loaded(&add("reloaded", k));
        assert_eq!(call(&code.entries[0], &[1], 1).unwrap(), [k as u64 + 1]);
        // SAFETY: nobody runs it.
        unsafe { code.unload() };
    }
}

#[test]
fn code_stays_when_its_handle_is_dropped() {
    let entry = loaded(&add("dropped", 7)).entries[0].clone();
    assert_eq!(call(&entry, &[1], 1).unwrap(), [8]);
}

#[test]
fn threads_compile_and_load_at_once() {
    std::thread::scope(|scope| {
        for t in 0..4_i64 {
            scope.spawn(move || {
                for k in 0..10 {
                    let k = t * 100 + k;
                    let code = loaded(&add(&format!("thread{k}"), k));
                    assert_eq!(call(&code.entries[0], &[1], 1).unwrap(), [k as u64 + 1]);
                }
            });
        }
    });
}

#[test]
fn objects_work_in_a_forked_child() {
    let object = compiled(&add("forked", 7));
    let code = load(&object, &Stubs, &mut Pool, &LoadOptions::default()).unwrap();
    // SAFETY: the child loads, runs and leaves at once.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let again = load(&object, &Stubs, &mut Pool, &LoadOptions::default());
        let fine = again.is_ok_and(|again| {
            call(&again.entries[0], &[1], 1) == Ok(vec![8])
                && call(&code.entries[0], &[2], 1) == Ok(vec![9])
        });
        // SAFETY: ends the child without running the parent's destructors.
        unsafe { libc::_exit(if fine { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: waits for the child made above.
    unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!(status, 0);
}

#[test]
fn memory_is_never_writable_and_executable() {
    let code = loaded(&add("protected", 1));
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    assert!(!maps.lines().any(|line| line.contains("rwx")), "{maps}");
    let address = code.entries[0].address;
    let range = |line: &&str| {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let parse = |text| usize::from_str_radix(text, 16).unwrap();
        (parse(start)..parse(end)).contains(&address)
    };
    let line = maps.lines().find(range).unwrap();
    assert!(line.contains("r-xp"), "{line}");
}
