//! Reports of recordings that were made by hand: what they say is known.

mod common;

use common::{Builder, Random, random};
use ferdelance_profile::diff::{self, diff};
use ferdelance_profile::focus::{Focus, focus, leave_out};
use ferdelance_profile::model::*;
use ferdelance_profile::report::calls::callers_of;
use ferdelance_profile::report::lines::{Sources, lines};
use ferdelance_profile::report::usage::usage;
use ferdelance_profile::report::view::{Row, View};
use ferdelance_profile::report::{Asked, Options, Selection, WIDTH, report};
use ferdelance_profile::tree::Key;

const NUMPY: &str = "_multiarray_umath.cpython-312-x86_64-linux-gnu.so";
const PYTHON: &str = "libpython3.12.so.1.0";

fn some_stack(b: &mut Builder) -> StackId {
    let function = b.function(Kind::Python, "work", "/home/ada/model.py", 1);
    let frame = b.frame(function, 2, (0, 0, 0));
    b.stack(&[frame])
}

/// Phases, in milliseconds: until when, and how many threads are busy.
fn phases(phases: &[(u64, usize)], share: f64) -> Recording {
    let mut b = Builder::default();
    let mut random = Random::new(7);
    let stack = some_stack(&mut b);
    let end = phases.last().unwrap().0;
    let processes = [
        b.process(1, "python"),
        b.process(2, "python"),
        b.process(3, "python"),
    ];
    let threads: Vec<ThreadId> = (0..8)
        .map(|i| b.thread(processes[i % 3], &format!("worker {i}"), 0, end))
        .collect();
    let mut start = 0;
    for &(until, busy) in phases {
        for &thread in &threads[..busy] {
            b.busy(&mut random, thread, stack, start, until, share);
        }
        start = until;
    }
    b.recording.meta.elapsed = end * 1_000_000;
    b.recording.meta.target_cpus = 8.0;
    b.recording.samples.sort_by_key(|s| s.time);
    b.recording
}

#[test]
fn phases_of_busy_threads_are_in_the_histogram_within_a_percent() {
    let r = phases(
        &[
            (1000, 0),
            (3000, 1),
            (4000, 2),
            (4500, 0),
            (6000, 8),
            (6300, 1),
        ],
        1.0,
    );
    let usage = usage(&r, &Selection::all(&r));
    let expected = [1.5, 2.3, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.5];
    assert_eq!(usage.by_cpus.len(), expected.len());
    for (cpus, (got, expected)) in usage.by_cpus.iter().zip(expected).enumerate() {
        assert!(
            (got - expected).abs() <= 0.01 * usage.elapsed,
            "{cpus}: {got} for {expected}"
        );
    }
    assert!((usage.by_cpus.iter().sum::<f64>() - 6.3).abs() < 1e-9);
    assert!((usage.average - (2.3 + 2.0 + 12.0) / 6.3).abs() < 0.01);
}

#[test]
fn threads_that_share_cpus_use_no_more_than_there_are() {
    // Eight threads, each on a CPU for a quarter of the time.
    let r = phases(&[(500, 0), (8500, 8)], 0.25);
    let usage = usage(&r, &Selection::all(&r));
    let two = usage.by_cpus[2];
    assert!((two - 8.0).abs() < 0.085, "{:?}", usage.by_cpus);
}

#[test]
fn what_no_sample_stands_for_is_in_the_histogram() {
    let mut b = Builder::default();
    let process = b.process(1, "python");
    let thread = b.thread(process, "main", 1000, 2000);
    // It blocks signals, and runs all the time.
    b.recording.threads[thread.index()].user = 1_000_000;
    b.recording.processes[0].user = 1_000_000;
    // And a process that could not be recorded.
    let other = b.process(2, "a.out");
    let p = &mut b.recording.processes[other.index()];
    (p.start, p.end, p.user) = (0, 3_000_000_000, 3_000_000);
    b.recording.meta.elapsed = 4_000_000_000;
    let usage = usage(&b.recording, &Selection::all(&b.recording));
    assert_eq!(usage.by_cpus, [1.0, 2.0, 1.0]);
}

/// A program with NumPy: `model` calls `step` twice on the stack, which adds and multiplies arrays.
fn program() -> Recording {
    let mut b = Builder::default();
    let process = b.process(100, "python model.py");
    let thread = b.thread(process, "MainThread", 0, 10_000);
    let start = b.function(Kind::Native, "Py_BytesMain", PYTHON, 0);
    let module = b.function(Kind::Python, "<module>", "/home/ada/model.py", 1);
    let step = b.function(Kind::Python, "step", "/home/ada/model.py", 3);
    let eval = b.function(Kind::Native, "_PyEval_Vector", PYTHON, 0);
    let ufunc = b.function(Kind::Native, "ufunc_generic_fastcall", NUMPY, 0);
    let add = b.function(Kind::Native, "DOUBLE_add_X86_V3", NUMPY, 0);
    let exp = b.function(Kind::Native, "DOUBLE_exp_X86_V4", NUMPY, 0);
    let kernel = b.function(Kind::Kernel, "kernel", "kernel", 0);
    let sorted = b.function(
        Kind::Python,
        "sort",
        "/usr/lib/python3.12/site-packages/numpy/fromnumeric.py",
        9,
    );
    let sort = b.function(Kind::Native, "PyArray_Sort", NUMPY, 0);
    let gemm = b.function(
        Kind::Native,
        "dgemm_kernel_HASWELL",
        "libscipy_openblas64_.so",
        0,
    );
    let frame = |b: &mut Builder, f| b.frame(f, 0, (0, 0, 0));
    let (start, eval, ufunc) = (
        frame(&mut b, start),
        frame(&mut b, eval),
        frame(&mut b, ufunc),
    );
    let (add, exp, kernel) = (
        frame(&mut b, add),
        frame(&mut b, exp),
        frame(&mut b, kernel),
    );
    let (sort, gemm) = (frame(&mut b, sort), frame(&mut b, gemm));
    let sorted = b.frame(sorted, 11, (5, 11, 20));
    let module = b.frame(module, 9, (1, 9, 8));
    //     return np.exp(-x**2)*w + step(x)
    let whole = b.frame(step, 4, (12, 4, 37));
    let call_exp = b.frame(step, 4, (12, 4, 25));
    let power = b.frame(step, 4, (20, 4, 24));
    let recursive = b.frame(step, 4, (30, 4, 37));
    let call_sort = b.frame(step, 5, (5, 5, 15));
    let outer = [start, module, eval, recursive, eval];
    let mut time = 0;
    let mut add_samples = |b: &mut Builder, frames: &[FrameId], samples: u64, in_kernel: bool| {
        let all: Vec<FrameId> = outer.iter().chain(frames).copied().collect();
        let stack = b.stack(&all);
        for _ in 0..samples {
            time += 10_000;
            let (user, kernel) = if in_kernel { (0, 10_000) } else { (10_000, 0) };
            b.sample(thread, time, stack, user, kernel);
        }
    };
    add_samples(&mut b, &[call_exp, ufunc, exp], 400, false);
    add_samples(&mut b, &[power, ufunc, exp], 100, false);
    add_samples(&mut b, &[whole, ufunc, add], 150, false);
    add_samples(&mut b, &[whole, ufunc, add, kernel], 50, true);
    add_samples(&mut b, &[whole], 100, false);
    add_samples(&mut b, &[call_sort, eval, sorted, sort], 190, false);
    let blas = b.stack(&[gemm]);
    for i in 0..10 {
        b.sample(thread, 9_900_000 + i * 10_000, blas, 10_000, 0);
    }
    let (file, text) = (
        b.text("/home/ada/model.py"),
        b.text("import numpy as np\n\ndef step(x, w=2):\n    return np.exp(-x**2)*w + step(x)\n    np.sort(x)\n\n\n\nstep(3)\n"),
    );
    b.recording.sources.push(Source { file, text });
    let argument = (b.text("x"), b.text("ndarray(float64, (1000,), C)"));
    b.recording.signatures.push(Signature {
        arguments: vec![argument],
    });
    for sample in &mut b.recording.samples[..100] {
        sample.signature = Some(SignatureId(0));
    }
    let line = LogLine {
        time: 0,
        process: None,
        text: b.text("clocks: perf for user code, timers for the kernel"),
    };
    b.recording.log.push(line);
    b.recording.meta = Meta {
        command: vec!["python".into(), "model.py".into()],
        elapsed: 10_000_000_000,
        rate: 99.0,
        target_cpus: 4.0,
        host: "computer".into(),
        cpu: "a fast one".into(),
        system: "Linux 6.1 x86_64".into(),
        exit_status: Some(0),
        ..Meta::default()
    };
    b.recording
}

#[test]
fn a_function_has_its_native_code_below_it_and_recursion_counts_once() {
    let r = program();
    let view = View::new(&r, &Selection::all(&r), false);
    let hot = view.hot();
    let named: Vec<(String, u64, u64)> = hot
        .iter()
        .map(|h| {
            (
                view.label(&r, h.row),
                h.own.cpu / 10_000,
                h.total.cpu / 10_000,
            )
        })
        .collect();
    let expected = [
        ("step (model.py:3)", 800, 990),
        ("sort (fromnumeric.py:9)", 190, 190),
        ("BLAS dgemm", 10, 10),
        ("<module> (model.py:1)", 0, 990),
    ];
    assert_eq!(
        named,
        expected.map(|(name, own, total)| (name.to_owned(), own, total))
    );
    let operations = hot[0].operations.iter();
    let operations: Vec<_> = operations
        .map(|&(o, w)| (&*view.operations[o], w.cpu / 10_000))
        .collect();
    let expected = [
        ("NumPy exp float64", 500),
        ("NumPy add float64", 150),
        ("kernel: page faults", 50),
    ];
    assert_eq!(operations, expected);
}

#[test]
fn native_view_shows_all_frames() {
    let r = program();
    let view = View::new(&r, &Selection::all(&r), true);
    let hot = view.hot();
    assert_eq!(
        view.label(&r, hot[0].row),
        format!("DOUBLE_exp_X86_V4 ({NUMPY})")
    );
    assert_eq!(hot[0].own.cpu, 5_000_000);
    let total: u64 = hot.iter().map(|h| h.own.cpu).sum();
    assert_eq!(total, view.tree.total.cpu);
}

#[test]
fn lines_have_their_expressions_and_the_library_code_that_they_call() {
    let r = program();
    let lines = lines(&r, &Selection::all(&r), false);
    let times: Vec<_> = lines
        .iter()
        .map(|l| (l.line, l.own.cpu / 10_000, l.total.cpu / 10_000))
        .collect();
    assert_eq!(times, [(4, 800, 990), (5, 190, 190)]);
    let sources = Sources::new(&r);
    let spans: Vec<_> = lines[0].spans.iter().map(|s| s.0).collect();
    let texts = lines[0].spans.iter();
    let texts: Vec<_> = texts
        .map(|(s, w)| {
            (
                sources.expression(&lines[0], *s, &spans).unwrap(),
                w.cpu / 10_000,
            )
        })
        .collect();
    let expected = [("np.exp(-…)", 400), ("… + step(x)", 300), ("x**2", 100)];
    let expected = expected.map(|(text, cpu)| (text.to_owned(), cpu));
    // `np.exp(…)*w` is not sampled for itself, so the sum has it in it.
    assert_eq!(texts[0], expected[0]);
    assert_eq!(texts[1], ("…*w + step(x)".to_owned(), 300));
    assert_eq!(texts[2], expected[2]);
}

#[test]
fn a_selection_is_of_processes_threads_and_functions() {
    let r = program();
    let cpu = |asked: Asked| -> u64 {
        let selection = Selection::new(&r, &asked);
        selection.running(&r).map(Sample::cpu).sum::<u64>() / 10_000
    };
    let of_function = |name: &str| {
        let at = r
            .functions
            .iter()
            .position(|f| r.texts.get(f.name) == name)
            .unwrap();
        cpu(Asked {
            functions: Some(vec![FunctionId(at as u32)]),
            ..Asked::default()
        })
    };
    assert_eq!(cpu(Asked::default()), 1000);
    assert_eq!((of_function("step"), of_function("sort")), (990, 190));
    let of_pid = |pid| {
        cpu(Asked {
            pid: Some(pid),
            ..Asked::default()
        })
    };
    assert_eq!((of_pid(100), of_pid(101)), (1000, 0));
}

#[test]
fn the_report_as_text() {
    insta::assert_snapshot!(report(&program(), &Options::default()));
}

#[test]
fn colours_are_there_when_they_are_wanted() {
    let plain = report(&program(), &Options::default());
    let options = Options {
        color: true,
        ..Options::default()
    };
    let colored = report(&program(), &options);
    assert!(!plain.contains('\x1b') && colored.contains("\x1b["));
    let mut stripped = String::new();
    for part in colored.split('\x1b') {
        stripped.push_str(
            part.split_once('m')
                .filter(|_| part.starts_with('['))
                .map_or(part, |p| p.1),
        );
    }
    assert_eq!(stripped, plain);
}

/// Any recording can be shown, in bounded lines, and cannot command the terminal.
#[test]
fn reports_of_random_recordings() {
    for seed in 0..200 {
        let recording = random(seed);
        let other = random(seed + 1000);
        let mut texts = vec![];
        for native in [false, true] {
            let options = Options {
                native,
                ..Options::default()
            };
            texts.push(report(&recording, &options));
        }
        for lines in [false, true] {
            let options = diff::Options {
                lines,
                ..diff::Options::default()
            };
            texts.push(diff(&recording, &other, &options));
        }
        for text in texts {
            for line in text.lines() {
                assert!(line.chars().count() <= WIDTH, "seed {seed}: {line}");
                assert!(!line.contains(char::is_control), "seed {seed}: {line:?}");
            }
        }
    }
}

#[test]
fn stacks_as_deep_as_a_file_can_have_them_take_linear_time() {
    let mut b = Builder::default();
    let process = b.process(1, "python");
    let thread = b.thread(process, "main", 0, 1000);
    let functions = ["f", "g"].map(|name| b.function(Kind::Python, name, "/deep.py", 1));
    let frames = functions.map(|f| b.frame(f, 2, (0, 0, 0)));
    for i in 0..300_000u32 {
        b.recording.stacks.push(Stack {
            parent: i.checked_sub(1).map(StackId),
            frame: frames[i as usize % 2],
        });
    }
    for i in 0..1000 {
        b.sample(thread, i * 1000, StackId(299_000 + i as u32), 1000, 0);
    }
    b.recording.meta.elapsed = 1_000_000_000;
    let start = std::time::Instant::now();
    let text = report(&b.recording, &Options::default());
    assert!(start.elapsed().as_secs() < 10);
    assert!(text.contains("f (deep.py:1)"));
}

/// `hot`, which is called by `a` three times as long as by `b`, both from `main`; and by nobody.
fn called_from_two_places() -> Recording {
    let mut b = Builder::default();
    let process = b.process(1, "python");
    let thread = b.thread(process, "MainThread", 0, 1000);
    let python = |b: &mut Builder, name: &str, line| {
        let function = b.function(Kind::Python, name, "m.py", line);
        b.frame(function, line + 1, (0, 0, 0))
    };
    let (main, a, c) = (
        python(&mut b, "main", 1),
        python(&mut b, "a", 10),
        python(&mut b, "b", 20),
    );
    let hot = python(&mut b, "hot", 30);
    let sin = b.function(Kind::Native, "DOUBLE_sin", NUMPY, 0);
    let sin = b.frame(sin, 0, (0, 0, 0));
    let stacks = [
        (b.stack(&[main, a, hot]), 20_000),
        (b.stack(&[main, a, hot, sin]), 40_000),
        (b.stack(&[main, c, hot]), 20_000),
        (b.stack(&[hot]), 10_000),
    ];
    for (i, &(stack, user)) in stacks.iter().cycle().take(80).enumerate() {
        b.sample(thread, i as u64 * 1000, stack, user, 0);
    }
    b.recording
}

#[test]
fn the_time_of_a_function_is_divided_among_its_callers() {
    let r = called_from_two_places();
    let view = View::new(&r, &Selection::all(&r), false);
    let name = |key: Key| view.label(&r, view.rows[key.index()]);
    let keys: Vec<Key> = (0..view.rows.len() as u32).map(Key).collect();
    let hot = keys.iter().find(|k| name(**k).starts_with("hot")).unwrap();
    let callers = &callers_of(&view, &keys)[hot];
    let said: Vec<String> = callers
        .iter()
        .map(|c| {
            let chain: Vec<String> = c.chain.iter().map(|k| name(*k)).collect();
            format!("{} {}", c.weight.cpu, chain.join(" < "))
        })
        .collect();
    assert_eq!(
        said,
        [
            "1200000 a (m.py:10) < main (m.py:1)",
            "400000 b (m.py:20) < main (m.py:1)",
            "200000 "
        ]
    );
    let text = report(&r, &Options::default());
    let section = text.split("Callers: ").nth(1).unwrap();
    assert!(
        section.contains("67 %  ‹ a (m.py:10) ‹ main (m.py:1)"),
        "{section}"
    );
    assert!(section.contains("11 %  outside of functions"), "{section}");
}

#[test]
fn a_focus_leaves_only_what_ran_below_a_file() {
    let mut r = called_from_two_places();
    let body = r.texts.add("<module>");
    // `a` is the body of a cell.
    let a = r
        .functions
        .iter()
        .position(|f| r.texts.get(f.name) == "a")
        .unwrap();
    r.functions[a].name = body;
    focus(
        &mut r,
        &Focus {
            title: "Cell [1]".into(),
            files: vec!["m.py".into()],
            names: vec![("m.py".into(), "Cell [1]".into())],
            sources: vec![("Cell [1]".into(), "x = 1\n".into())],
            ..Focus::default()
        },
    );
    let cpu: u64 = r.samples.iter().map(Sample::cpu).sum();
    assert_eq!(
        (cpu, r.threads[0].user, r.processes[0].user),
        (1_200_000, 1_200_000, 1_200_000)
    );
    let view = View::new(&r, &Selection::all(&r), false);
    let roots = view.tree.nodes.iter().filter(|n| n.parent.is_none());
    let roots: Vec<_> = roots
        .map(|n| view.label(&r, view.rows[n.key.index()]))
        .collect();
    assert_eq!(roots, ["<module> (Cell [1]:10)"]);
    assert_eq!(r.meta.command, ["Cell [1]"]);
    assert_eq!(r.texts.get(r.sources[0].text), "x = 1\n");
}

#[test]
fn what_ran_for_the_recording_alone_is_left_out() {
    let mut r = called_from_two_places();
    let file = r.texts.add("/x/capture.py");
    let is_b = |f: &Function| r.texts.get(f.name) == "b";
    let b = r.functions.iter().position(is_b).unwrap();
    r.functions[b].file = file;
    leave_out(&mut r, &["/capture.py".to_owned()]);
    let cpu: u64 = r.samples.iter().map(Sample::cpu).sum();
    assert_eq!((cpu, r.processes[0].user), (1_400_000, 1_400_000));
}

#[test]
fn a_diff_tells_change_from_chance() {
    let before = program();
    // A tenth of the samples are of other stacks: exp is as slow, sort is gone.
    let mut after = program();
    let r = &after;
    let view = View::new(r, &Selection::all(r), false);
    let of_sort = |s: &Sample| {
        let mut next = s.stack;
        while let Some(id) = next {
            let stack = r.stacks[id.index()];
            let frame = &r.frames[stack.frame.index()];
            if r.texts.get(r.functions[frame.function.index()].name) == "sort" {
                return true;
            }
            next = stack.parent;
        }
        false
    };
    assert!(view.rows.iter().any(|row| matches!(row, Row::Function(_))));
    let kept: Vec<Sample> = r.samples.iter().filter(|s| !of_sort(s)).copied().collect();
    after.samples = kept;
    after.processes[0].user -= 1_900_000;
    let text = diff(&before, &after, &diff::Options::default());
    insta::assert_snapshot!(text);
    let same = diff(&before, &before, &diff::Options::default());
    assert!(same.contains("  none"), "{same}");
}

/// `cargo test --release -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
#[allow(clippy::print_stdout, reason = "what it is for")]
fn a_million_samples() {
    let mut r = program();
    let threads: Vec<Thread> = (0..8).map(|_| r.threads[0].clone()).collect();
    r.threads = threads;
    let few = r.samples.clone();
    r.samples = (0..1_000_000)
        .map(|i| Sample {
            time: i as u64 * 10_000,
            thread: ThreadId(i as u32 % 8),
            user: 80,
            ..few[(i * 7919) % few.len()]
        })
        .collect();
    let start = std::time::Instant::now();
    report(&r, &Options::default());
    println!("report: {:?}", start.elapsed());
    let start = std::time::Instant::now();
    diff(&r, &r, &diff::Options::default());
    println!("diff: {:?}", start.elapsed());
}
