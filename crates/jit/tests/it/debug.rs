//! Where compiled code comes from: code map, unwinding, debuggers, perf.

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::rc::Rc;

use crate::common::*;
use ferdelance_abi::codemap::{CODE_MAP, Entry};
use ferdelance_abi::rtfn::RtFn;
use ferdelance_compiler::tir::*;
use ferdelance_jit::{LoadOptions, Perf, load};

unsafe extern "C" {
    fn _Unwind_Backtrace(
        f: extern "C" fn(*mut c_void, *mut c_void) -> c_int,
        data: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
}

/// Return addresses from here outwards.
fn backtrace() -> Vec<usize> {
    extern "C" fn step(context: *mut c_void, data: *mut c_void) -> c_int {
        // SAFETY: `data` is the vector below, `context` the unwinder's.
        unsafe { (*data.cast::<Vec<usize>>()).push(_Unwind_GetIP(context)) };
        0
    }
    let mut addresses: Vec<usize> = Vec::new();
    // SAFETY: the callback's contract.
    unsafe { _Unwind_Backtrace(step, (&raw mut addresses).cast()) };
    addresses
}

/// `name(x)`: prints something on line 23, and then returns x.
fn printer(name: &str) -> Build {
    let mut b = Build::new(name, &[Type::I64], &[Type::I64]);
    b.line("dir/print.py", name, 21, None);
    let x = b.arg(0);
    let twice = b.bin(Bin::Add, x, x);
    b.line("dir/print.py", name, 23, None);
    let null = b.op(Op::Null, Type::Obj);
    b.rt(RtFn::print_str, &[null]);
    b.line("dir/print.py", name, 24, None);
    b.ret(&[twice]);
    b
}

/// The compiled function and line of each frame that is compiled code.
fn compiled_frames(addresses: &[usize]) -> Vec<(&'static Entry, u32)> {
    let find = |&address: &usize| {
        // A return address belongs to the call before it.
        let entry = CODE_MAP.find(address.checked_sub(1)?)?;
        Some((entry, entry.row(address - 1).map_or(0, |row| row.line)))
    };
    addresses.iter().filter_map(find).collect()
}

#[test]
fn unwinding_passes_through_compiled_frames() {
    let mut outer = Build::new("unwound_outer", &[Type::I64], &[Type::I64]);
    outer.f.options.never_inline = true;
    outer.line("dir/print.py", "unwound_outer", 12, None);
    let results = outer.call(1, &[outer.arg(0)], &[Type::I64]);
    outer.line("dir/print.py", "unwound_outer", 13, None);
    let results = outer.call(1, &[results[0]], &[Type::I64]);
    outer.ret(&results);
    let mut inner = printer("unwound_inner");
    inner.f.options.never_inline = true;
    let code = loaded(&program(vec![outer.f, inner.f]));

    let seen: Rc<RefCell<Vec<usize>>> = Rc::default();
    let hook_seen = seen.clone();
    PRINT_HOOK.set(Some(Box::new(move || {
        *hook_seen.borrow_mut() = backtrace()
    })));
    assert_eq!(call(&code.entries[0], &[5], 1).unwrap(), [20]);
    let addresses = seen.take();

    let frames = compiled_frames(&addresses);
    let described: Vec<(&str, u32)> = frames
        .iter()
        .map(|(entry, line)| (&*entry.scopes[0].name, *line))
        .collect();
    assert_eq!(described, [("unwound_inner", 23), ("unwound_outer", 12)]);
    let last_compiled = addresses
        .iter()
        .rposition(|&a| a > 0 && CODE_MAP.find(a - 1).is_some())
        .unwrap();
    assert!(
        addresses.len() > last_compiled + 3,
        "frames of the callers: {addresses:x?}"
    );
}

#[test]
fn code_map_knows_inlined_functions() {
    // outer (line 10) calls middle (line 20) at line 12, which calls inner (line 30) at line 22;
    // all of it is inlined, and inner prints at line 33.
    let mut b = Build::new("mapped", &[Type::I64], &[Type::I64]);
    let call_middle = b.line("a.py", "mapped", 12, None);
    let x = b.arg(0);
    let y = b.bin(Bin::Mul, x, x);
    let call_inner = b.line("b.py", "middle", 22, Some(call_middle));
    let z = b.bin(Bin::Xor, y, x);
    b.line("c.py", "inner", 33, Some(call_inner));
    let null = b.op(Op::Null, Type::Obj);
    b.rt(RtFn::print_str, &[null]);
    b.line("a.py", "mapped", 14, None);
    let w = b.bin(Bin::Add, z, y);
    b.ret(&[w]);
    let code = loaded(&b.program());

    let seen: Rc<RefCell<Vec<usize>>> = Rc::default();
    let hook_seen = seen.clone();
    PRINT_HOOK.set(Some(Box::new(move || {
        *hook_seen.borrow_mut() = backtrace()
    })));
    call(&code.entries[0], &[5], 1).unwrap();
    let address = seen
        .take()
        .into_iter()
        .find(|&a| a > 0 && CODE_MAP.find(a - 1).is_some())
        .unwrap();

    let entry = CODE_MAP.find(address - 1).unwrap();
    assert_eq!(
        (entry.start, entry.size),
        (code.entries[0].address, code.entries[0].size)
    );
    let row = entry.row(address - 1).unwrap();
    let mut chain = vec![];
    let (mut scope, mut line) = (row.scope, row.line);
    loop {
        let s = &entry.scopes[scope as usize];
        chain.push((&*s.name, &*s.file, s.line, line));
        let Some(at) = s.inlined_at else { break };
        (scope, line) = at;
    }
    let want = [
        ("inner", "c.py", 30, 33),
        ("middle", "b.py", 20, 22),
        ("mapped", "a.py", 10, 12),
    ];
    assert_eq!(chain, want);
    let (first, last) = (&entry.lines[0], entry.lines.last().unwrap());
    assert_eq!((first.offset, first.scope), (0, 0));
    assert_eq!((last.line, last.scope), (14, 0));
}

#[test]
fn one_function_inlined_twice_is_two_scopes() {
    let mut b = Build::new("twice", &[Type::I64], &[Type::I64]);
    let null = b.op(Op::Null, Type::Obj);
    for line in [12, 13] {
        let at = b.line("a.py", "twice", line, None);
        b.line("b.py", "helper", 21, Some(at));
        b.rt(RtFn::print_str, &[null]);
    }
    b.line("a.py", "twice", 14, None);
    b.ret(&[b.arg(0)]);
    let code = loaded(&b.program());
    let entry = CODE_MAP.find(code.entries[0].address).unwrap();
    let mut places: Vec<_> = entry
        .scopes
        .iter()
        .map(|s| (&*s.name, s.inlined_at))
        .collect();
    places.sort_unstable();
    let want = [
        ("helper", Some((0, 12))),
        ("helper", Some((0, 13))),
        ("twice", None),
    ];
    assert_eq!(places, want);
}

#[test]
fn perf_map() {
    let directory = std::env::temp_dir().join(format!("ferdelance-perf-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let object = compiled(&printer("mapped_for_perf").program());
    for perf in [
        Perf::Map(directory.clone()),
        Perf::JitDump(directory.clone()),
    ] {
        let options = LoadOptions {
            perf,
            ..LoadOptions::default()
        };
        let code = load(&object, &Stubs, &mut Pool, &options).unwrap();
        let entry = &code.entries[0];
        let process = std::process::id();
        if matches!(options.perf, Perf::Map(_)) {
            let text =
                std::fs::read_to_string(directory.join(format!("perf-{process}.map"))).unwrap();
            let line = format!(
                "{:x} {:x} mapped_for_perf (dir/print.py:20)\n",
                entry.address, entry.size
            );
            assert_eq!(text, line);
        } else {
            let dump = std::fs::read(directory.join(format!("jit-{process}.dump"))).unwrap();
            assert_eq!(dump[..4], 0x4a69_5444_u32.to_le_bytes());
            let word = |at: usize| u32::from_le_bytes(dump[at..at + 4].try_into().unwrap());
            // Lines, then code; both records end where they say.
            let (lines, size) = (word(40), word(44) as usize);
            let (load, rest) = (word(40 + size), word(44 + size) as usize);
            assert_eq!((lines, load), (2, 0));
            assert_eq!(dump.len(), 40 + size + rest);
            let name = b"mapped_for_perf (dir/print.py:20)\0";
            assert!(dump.windows(name.len()).any(|window| window == name));
        }
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

/// What runs under the debugger; by itself it shows that registration does no harm.
#[test]
fn debugged() {
    let mut outer = Build::new("debugged_outer", &[Type::I64], &[Type::I64]);
    let at = outer.line("dir/print.py", "debugged_outer", 12, None);
    let x = outer.arg(0);
    outer.line("dir/print.py", "debugged_inlined", 42, Some(at));
    let results = outer.call(1, &[x], &[Type::I64]);
    outer.ret(&results);
    let mut inner = printer("debugged_inner");
    inner.f.options.never_inline = true;
    let object = compiled(&program(vec![outer.f, inner.f]));
    let options = LoadOptions {
        gdb: true,
        ..LoadOptions::default()
    };
    let code = load(&object, &Stubs, &mut Pool, &options).unwrap();
    let other = load(&object, &Stubs, &mut Pool, &options).unwrap();
    // SAFETY: nobody runs it.
    unsafe { other.unload() };
    assert_eq!(call(&code.entries[0], &[5], 1).unwrap(), [10]);
}

#[test]
fn gdb_shows_functions_and_lines() {
    let test = std::env::current_exe().unwrap();
    let output = std::process::Command::new("gdb")
        .args([
            "--batch",
            "--nx",
            "-ex",
            "set debuginfod enabled off",
            "-ex",
            "set breakpoint pending on",
        ])
        .args([
            "-ex",
            "break fd_test_print_str",
            "-ex",
            "run",
            "-ex",
            "backtrace 8",
            "--args",
        ])
        .arg(test)
        .args(["--exact", "debug::debugged", "--test-threads", "1"])
        .output();
    // Where there is no debugger, or it may not debug, there is nothing to see.
    let Ok(output) = output else { return };
    let text = String::from_utf8_lossy(&output.stdout);
    if !text.contains("Breakpoint 1, ") {
        println!(
            "gdb does not work here: {text}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        return;
    }
    for frame in [
        "debugged_inner",
        "print.py:23",
        "debugged_inlined",
        "print.py:42",
        "debugged_outer",
        "print.py:12",
    ] {
        assert!(text.contains(frame), "{frame}: {text}");
    }
}
