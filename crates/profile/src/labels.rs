//! What things of a recording are called where people read them.

use crate::model::{Function, Kind, ProcessId, Recording, State, ThreadId};

/// What stands for a stack that could not be read.
pub const NO_STACK: &str = "(no stack)";

/// The name of a function alone.
pub fn name<'r>(recording: &'r Recording, function: &Function) -> &'r str {
    match recording.texts.get(function.name) {
        "" => "?",
        name => name,
    }
}

/// `function (file:line)` for Python and compiled code, `symbol (module)` for native code.
pub fn function(recording: &Recording, function: &Function) -> String {
    with_place(recording, function, recording.texts.get(function.file))
}

/// As [`function`], with the last part of the file's path only; native code with its line, where that is known.
pub fn short_function(recording: &Recording, function: &Function) -> String {
    let file = base(recording.texts.get(function.file));
    match function.kind {
        Kind::Native if !file.is_empty() && function.line > 0 => {
            format!("{} ({file}:{})", name(recording, function), function.line)
        }
        _ => with_place(recording, function, file),
    }
}

fn with_place(recording: &Recording, function: &Function, file: &str) -> String {
    let name = name(recording, function);
    let module = recording.texts.get(function.module);
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

/// What kind a function is, in a word.
pub fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Python => "Python",
        Kind::Native => "Native",
        Kind::Compiled => "Compiled",
        Kind::Kernel => "Kernel",
        Kind::Marker => "Other",
    }
}

/// What kind a function is, where programs read it.
pub fn kind_key(kind: Kind) -> &'static str {
    match kind {
        Kind::Python => "python",
        Kind::Native => "native",
        Kind::Compiled => "compiled",
        Kind::Kernel => "kernel",
        Kind::Marker => "unknown",
    }
}

/// What a thread does, in a few words.
pub fn state(state: State) -> &'static str {
    match state {
        State::Running => "running",
        State::RunningWithGil => "running with GIL",
        State::Waiting => "waiting",
        State::WaitingForGil => "waiting for GIL",
        State::Queued => "queued",
    }
}

/// The last part of a path.
pub fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a terminal may take a character as a command, or as one to write from right to left.
pub fn is_command(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
