//! What things of a recording are called where people read them.

use crate::model::{Function, Kind, ProcessId, Recording, ThreadId};

/// What stands for a stack that could not be read.
pub const NO_STACK: &str = "(no stack)";

/// `function (file:line)` for Python and compiled code, `symbol (module)` for native code.
pub fn function(recording: &Recording, function: &Function) -> String {
    let texts = &recording.texts;
    place_of(
        function,
        texts.get(function.name),
        texts.get(function.file),
        texts.get(function.module),
    )
}

/// As [`function`], with the last part of the file's path only.
pub fn short_function(recording: &Recording, function: &Function) -> String {
    let texts = &recording.texts;
    let file = base(texts.get(function.file));
    place_of(
        function,
        texts.get(function.name),
        file,
        texts.get(function.module),
    )
}

fn place_of(function: &Function, name: &str, file: &str, module: &str) -> String {
    match function.kind {
        Kind::Python | Kind::Compiled if file.is_empty() => name.to_owned(),
        Kind::Python | Kind::Compiled if function.line == 0 => format!("{name} ({file})"),
        Kind::Python | Kind::Compiled => format!("{name} ({file}:{})", function.line),
        // The kernel is its own module.
        _ if module.is_empty() || module == name => name.to_owned(),
        _ => format!("{name} ({module})"),
    }
}

pub fn process(recording: &Recording, process: ProcessId) -> String {
    format!("process {}", recording.processes[process.index()].pid)
}

/// Its name, or its number if it has none.
pub fn thread(recording: &Recording, thread: ThreadId) -> String {
    let thread = &recording.threads[thread.index()];
    match recording.texts.get(thread.name) {
        "" => thread.tid.to_string(),
        name => name.to_owned(),
    }
}

pub fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Python => "Python",
        Kind::Native => "Native",
        Kind::Compiled => "Compiled",
        Kind::Kernel => "Kernel",
        Kind::Marker => "Other",
    }
}

/// The last part of a path.
pub fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
