//! The table of layouts against the headers of the interpreters at hand.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use ferdelance_interpreter::Layout;
use ferdelance_interpreter::layout::{Chain, GIL_SIZE, Gil};

/// The interpreters of the repository's virtual environments.
fn interpreters(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).unwrap().flatten();
    let venvs = entries.filter(|e| e.file_name().to_string_lossy().starts_with(".venv"));
    venvs
        .map(|e| e.path().join("bin/python"))
        .filter(|p| p.exists())
        .collect()
}

/// What the program that prints offsets says with an interpreter's headers; none if there are no headers.
fn offsets(root: &Path, python: &Path) -> Option<HashMap<String, u64>> {
    let script = "import sysconfig; print(sysconfig.get_path('include'))";
    let output = Command::new(python).args(["-c", script]).output().ok()?;
    let include = String::from_utf8(output.stdout).ok()?;
    let include = include.trim();
    if !Path::new(include).join("internal/pycore_gil.h").exists() {
        return None;
    }
    let program = std::env::temp_dir().join(format!("fdl-layout-{}", std::process::id()));
    let status = Command::new("cc")
        .args(["-w", "-I", include, "-o"])
        .arg(&program)
        .arg(root.join("scripts/cpython-layout.c"))
        .status()
        .ok()?;
    assert!(status.success(), "{}", python.display());
    let output = Command::new(&program).output().unwrap();
    std::fs::remove_file(&program).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let pair = |line: &str| {
        let (name, value) = line.split_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    Some(text.lines().map(pair).collect())
}

#[test]
fn layouts_are_those_of_the_headers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for python in interpreters(&root) {
        let Some(is) = offsets(&root, &python) else {
            continue;
        };
        let version = is["version"] as u32;
        let layout = Layout::of(version << 16).unwrap();
        let (frame, code) = (layout.frame, layout.code);
        let mut said = vec![
            ("thread_id", layout.thread_id),
            ("thread_interpreter", layout.thread_interpreter),
            ("thread_tracing", layout.thread_tracing),
            ("thread_next", layout.thread_next),
            ("interpreter_threads", layout.interpreter_threads),
            ("interpreter_next", layout.interpreter_next),
            ("runtime_interpreters", layout.runtime_interpreters),
            ("gil_size", GIL_SIZE),
            ("gil.holder", 8),
            ("gil.locked", 16),
            ("frame.code", frame.code),
            ("frame.previous", frame.previous),
            ("frame.instruction", frame.instruction),
            ("frame.locals", frame.locals),
            ("code.name", code.name),
            ("code.file", code.file),
            ("code.lines", code.lines),
            ("code.first_line", code.first_line),
            ("code.locals", code.locals),
            ("code.argcount", code.argcount),
            ("code.kwonlyargcount", code.kwonlyargcount),
            ("code.flags", code.flags),
            ("code.instructions", code.instructions),
            ("type.cached_keys", layout.cached_keys),
            ("type.basicsize", 32),
            ("type.flags", 168),
            ("type.dictoffset", 288),
            ("dict.keys", 32),
            ("dict.values", 40),
            ("ascii", layout.ascii),
            ("characters", layout.characters),
            ("tuple.items", layout.tuple_items),
        ];
        said.extend(layout.thread_native_id.map(|at| ("thread_native_id", at)));
        said.push(match layout.gil {
            Gil::Runtime(at) | Gil::Interpreter(at) => ("gil", at),
        });
        if frame.shim != u8::MAX {
            said.push(("frame.owner", frame.owner));
        }
        match layout.chain {
            Chain::Each {
                frame,
                cframe,
                outer,
            } => said.extend([
                ("chain.frame", frame),
                ("chain.cframe", cframe),
                ("chain.outer", outer),
            ]),
            Chain::Entry {
                cframe,
                current,
                outer,
                is_entry,
            } => said.extend([
                ("chain.cframe", cframe),
                ("chain.current", current),
                ("chain.outer", outer),
                ("chain.is_entry", is_entry),
            ]),
            Chain::Shim { cframe, current } => {
                said.extend([("chain.cframe", cframe), ("chain.current", current)]);
            }
            Chain::Direct { frame } => said.push(("chain.frame", frame)),
        }
        for (name, offset) in said {
            // What differs within a minor version is read from the runtime, from 3.13 on.
            let varies = version >= 0x030d && name.starts_with("interpreter_");
            assert!(
                varies || is[name] == offset,
                "{name} of {}: {offset}, but it is {}",
                python.display(),
                is[name]
            );
        }
    }
}
