use super::*;
use crate::model::{Counted, Kind, Meta, State};
use crate::testing::{Build, native, python};

/// Two processes; Python, native, compiled and kernel frames; recursion, an inlined function, a sample
/// without a stack, and one of a thread that waits.
fn example() -> Recording {
    let mut build = Build::new();
    let first = build.process(100, "python main.py");
    let second = build.process(200, "python worker.py");
    let main = build.thread(first, 100, "MainThread");
    let pool = build.thread(first, 101, "pool;\n1");
    let nameless = build.thread(second, 200, "");

    let module = python("<module>", 1, 30);
    let fib = [
        python("fib", 3, 4),
        python("fib", 3, 5),
        python("fib", 3, 6),
    ];
    let multiply = native("dgemm_kernel", "libopenblas.so");
    let kernel = (Kind::Kernel, "kernel", "kernel", 0, 0);
    build.sample(main, &[module, fib[0]], 1000);
    build.sample(main, &[module, fib[1], fib[0]], 2000);
    build.sample(main, &[module, fib[1], fib[2], fib[0]], 4000);
    build.sample(main, &[python("<module>", 1, 31), multiply], 8000);
    let in_kernel = build.sample(main, &[python("<module>", 1, 31), multiply, kernel], 0);
    in_kernel.kernel = 500;
    in_kernel.time += 500_000;
    build.sample(main, &[], 70);
    let waits = build.sample(main, &[module, native("poll", "libc.so.6")], 0);
    (waits.state, waits.wait) = (State::Waiting, 9000);
    waits.time += 9_000_000;
    let types = build.signature(&[("x", "ndarray(float64, (1000, 3), C)"), ("", "int")]);
    build
        .sample(
            pool,
            &[python("Pool.run", 9, 10), python("<lambda>", 12, 12)],
            300,
        )
        .signature = Some(types);
    build.sample(
        pool,
        &[python("Pool.run", 9, 10), python("<lambda>", 14, 14)],
        600,
    );
    let compiled = [
        python("<module>", 1, 32),
        (Kind::Compiled, "kernel", "/app/fast.py", 20, 22),
        (Kind::Compiled, "square", "/app/fast.py", 10, 11),
    ];
    build.sample(nameless, &compiled, 5000);
    build.recording.samples.last_mut().unwrap().stack = build.stack(&compiled, 1);
    build.recording
}

/// Names that mean something to one format or another.
fn hostile() -> Recording {
    let mut build = Build::new();
    build.recording.meta.command = vec![
        "</title><script>alert(1)</script>".into(),
        "]]>\"\\\n".into(),
    ];
    let process = build.process(1, "\"},{\\\u{1}");
    let thread = build.thread(process, 1, "</text><script>alert(2)</script>");
    let names = [
        "\"onload=\"alert(3)",
        "a;b\nc\r d\u{0}\u{7f}",
        "(1) x",
        "\\N\\\"];",
        "]]></script>",
        "näme→\u{ffff}",
        "",
    ];
    for name in names {
        let file = (Kind::Python, name, "fn=(1)\n<b>;'.py", 1, 1);
        build.sample(thread, &[file, native(name, name)], 1000);
    }
    build.recording
}

fn text(recording: &Recording, name: &str, unit: Unit) -> String {
    let format = Format::of_name(name).unwrap();
    let mut out = vec![];
    export(recording, format, &Options { unit }, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn snapshot(name: &str, text: &str) {
    insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!(name, text);
    });
}

/// Formats of what every recording has.
fn of_samples() -> impl Iterator<Item = &'static Row> {
    FORMATS.iter().filter(|row| row.format != Format::Lprof)
}

#[test]
fn names_of_formats_are_in_order_and_found() {
    assert!(FORMATS.is_sorted_by_key(|row| row.name));
    for row in &FORMATS {
        assert_eq!(Format::of_name(row.name), Some(row.format));
    }
    assert_eq!(Unit::of_name("samples"), Some(Unit::Samples));
    assert_eq!(Format::of_name("perf"), None);
}

#[test]
fn text_formats() {
    let recording = example();
    for name in [
        "callgrind",
        "chrome",
        "collapsed",
        "dot",
        "firefox",
        "speedscope",
    ] {
        snapshot(name, &text(&recording, name, Unit::Us));
    }
    let svg = text(&recording, "svg", Unit::Us);
    let (picture, _) = svg.split_once("<script>").unwrap();
    snapshot("svg", picture);
}

#[test]
fn collapsed_values_add_up_to_the_sampled_cpu_time() {
    for recording in [example(), hostile()] {
        let sum = |unit| -> u64 {
            let text = text(&recording, "collapsed", unit);
            let values = text.lines().map(|line| line.rsplit_once(' ').unwrap().1);
            values.map(|value| value.parse::<u64>().unwrap()).sum()
        };
        let cpu: u64 = recording.samples.iter().map(Sample::cpu).sum();
        assert_eq!(sum(Unit::Us), cpu);
        let running = recording.samples.iter().filter(|s| s.state.is_running());
        assert_eq!(sum(Unit::Samples), running.count() as u64);
    }
}

#[test]
fn hostile_names_stay_text() {
    let recording = hostile();
    let svg = text(&recording, "svg", Unit::Us);
    assert_eq!(svg.matches("<script").count(), 1);
    assert_eq!(svg.matches("]]>").count(), 1);
    for line in svg.lines().filter(|line| line.starts_with("<g")) {
        assert!(!line.contains("\"onload"), "{line}");
    }
    for name in ["collapsed", "callgrind", "dot", "speedscope"] {
        snapshot(
            &format!("hostile_{name}"),
            &text(&recording, name, Unit::Samples),
        );
    }
}

#[test]
fn nothing_can_be_exported() {
    let mut build = Build::new();
    build.process(1, "");
    for recording in [Recording::default(), build.recording] {
        for row in of_samples() {
            let mut out = vec![];
            export(&recording, row.format, &Options::default(), &mut out).unwrap();
            assert!(!out.is_empty() || row.name == "collapsed", "{}", row.name);
        }
    }
}

/// A call chain of many frames, and samples all along it.
#[test]
fn deep_recursion_can_be_exported() {
    const DEPTH: u32 = 20_000;
    let mut build = Build::new();
    let process = build.process(1, "");
    let thread = build.thread(process, 1, "");
    build.sample(thread, &[python("f", 1, 2)], 1000);
    let frame = build.recording.stacks[0].frame;
    for i in 0..DEPTH {
        let parent = Some(crate::model::StackId(i));
        build
            .recording
            .stacks
            .push(crate::model::Stack { parent, frame });
    }
    for i in (0..DEPTH).step_by(1000) {
        build.sample(thread, &[], 1000).stack = Some(crate::model::StackId(i));
    }
    build.recording.frames[frame.index()].inlined = true;
    for row in of_samples() {
        let mut out = io::sink();
        export(&build.recording, row.format, &Options::default(), &mut out).unwrap();
    }
}

#[test]
fn an_error_of_the_output_is_an_error() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for row in of_samples() {
        let result = export(&example(), row.format, &Options::default(), &mut Full);
        assert_eq!(
            result.unwrap_err().kind(),
            io::ErrorKind::StorageFull,
            "{}",
            row.name
        );
    }
}

#[test]
fn counted_calls_and_lines_are_exported() {
    let mut merge = calls::Merge::new(Meta::default());
    let function = merge.function(&calls::Named {
        name: "Solver.step",
        file: "/app/main.py",
        line: 3,
        is_native: false,
    });
    let arguments = [("self", "Solver"), ("n", "int")];
    let signature = merge.signature(arguments.into_iter());
    let counted = Counted {
        calls: 3,
        primitive: 2,
        own: 1_000_000,
        total: 2_000_000,
    };
    let call = merge.call(function, Some(signature), counted);
    merge.caller(call, call, counted);
    merge.line(function, 4, 1 << 40, 5);
    let recording = merge.finish(false);
    let export = |format| {
        let mut out = vec![];
        export(&recording, format, &Options::default(), &mut out).map(|()| out)
    };
    let contains = |format, text: &[u8]| {
        let out = export(format).expect("written to memory");
        out.windows(text.len()).any(|part| part == text)
    };
    assert!(contains(Format::Pstats, b"Solver.step(n:int)"));
    assert!(contains(Format::Svg, b"Solver.step(n:int)"));
    assert!(contains(
        Format::Lprof,
        b"cline_profiler.line_profiler\nLineStats\n"
    ));
    assert!(contains(Format::Lprof, &(1u64 << 40).to_le_bytes()));
}

#[test]
fn without_counted_lines_there_is_nothing_for_line_profiler() {
    let empty = Recording::default();
    let done = export(&empty, Format::Lprof, &Options::default(), &mut vec![]);
    assert!(done.is_err_and(|e| e.to_string().contains("no lines that were counted")));
}
