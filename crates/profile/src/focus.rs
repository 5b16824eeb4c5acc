//! A part of a program by itself: a notebook's cell without the notebook around it.

use std::collections::{HashMap, HashSet};

use crate::intern::module_of;
use crate::model::*;

/// Python's name of the code of a file, or cell, outside of functions.
const BODY: &str = "<module>";

/// What is meant, and what it is called.
#[derive(Clone, Debug, Default)]
pub struct Focus {
    /// What stands for the command.
    pub title: String,
    /// Files in whose body stacks begin; samples without it on their stack are left out.
    pub files: Vec<String>,
    /// Threads, by the system's numbers, whose samples are kept although they have another beginning.
    pub threads: Vec<u32>,
    /// Files that get another name, and those.
    pub names: Vec<(String, String)>,
    /// Texts of files, by their new names.
    pub sources: Vec<(String, String)>,
}

/// Makes a recording one of a part of the program.
pub fn focus(recording: &mut Recording, focus: &Focus) {
    recording.meta.command = vec![focus.title.clone()];
    let is_root = roots(recording, &focus.files);
    let mut is_inside: Vec<bool> = Vec::with_capacity(recording.stacks.len());
    for stack in &mut recording.stacks {
        let function = recording.frames[stack.frame.index()].function;
        let parent = stack.parent.is_some_and(|p| is_inside[p.index()]);
        let root = is_root[function.index()];
        if root && !parent {
            stack.parent = None;
        }
        is_inside.push(parent || root);
    }
    let kept: HashSet<u32> = focus.threads.iter().copied().collect();
    let threads = &recording.threads;
    let has_process_of_its_own = |s: &Sample| threads[s.thread.index()].process != ProcessId(0);
    recording.samples.retain(|s| {
        s.stack.is_some_and(|stack| is_inside[stack.index()])
            || has_process_of_its_own(s)
            || kept.contains(&threads[s.thread.index()].tid)
    });
    only_what_is_left(recording);
    rename(recording, &focus.names);
    for (file, text) in &focus.sources {
        let (file, text) = (recording.texts.add(file), recording.texts.add(text));
        recording.sources.retain(|s| s.file != file);
        recording.sources.push(Source { file, text });
    }
}

/// Leaves out what ran below functions of some files, by the ends of their names: what was done for the sake of
/// the recording alone.
pub fn leave_out(recording: &mut Recording, files: &[String]) {
    let texts = &recording.texts;
    let is_left_out = |f: &Function| {
        let file = texts.get(f.file);
        f.kind == Kind::Python && files.iter().any(|end| file.ends_with(end))
    };
    let functions: Vec<bool> = recording.functions.iter().map(is_left_out).collect();
    let mut stacks: Vec<bool> = Vec::with_capacity(recording.stacks.len());
    for stack in &recording.stacks {
        let function = recording.frames[stack.frame.index()].function;
        let is_below = stack.parent.is_some_and(|p| stacks[p.index()]);
        stacks.push(is_below || functions[function.index()]);
    }
    recording
        .samples
        .retain(|s| s.stack.is_none_or(|stack| !stacks[stack.index()]));
    only_what_is_left(recording);
}

fn roots(recording: &Recording, files: &[String]) -> Vec<bool> {
    let texts = &recording.texts;
    let is_root = |f: &Function| {
        f.kind == Kind::Python
            && texts.get(f.name) == BODY
            && files.iter().any(|file| file == texts.get(f.file))
    };
    recording.functions.iter().map(is_root).collect()
}

/// CPU time is that of the samples that are left.
fn only_what_is_left(recording: &mut Recording) {
    let mut times = vec![(0, 0); recording.threads.len()];
    for sample in &recording.samples {
        let (user, kernel) = &mut times[sample.thread.index()];
        *user += u64::from(sample.user);
        *kernel += u64::from(sample.kernel);
    }
    let mut processes = vec![(0, 0); recording.processes.len()];
    for (thread, (user, kernel)) in recording.threads.iter_mut().zip(times) {
        (thread.user, thread.kernel) = (user, kernel);
        let process = &mut processes[thread.process.index()];
        *process = (process.0 + user, process.1 + kernel);
    }
    for (process, (user, kernel)) in recording.processes.iter_mut().zip(processes) {
        (process.user, process.kernel) = (user, kernel);
    }
}

fn rename(recording: &mut Recording, names: &[(String, String)]) {
    let texts = &mut recording.texts;
    let new: HashMap<TextId, (TextId, TextId)> = names
        .iter()
        .map(|(old, new)| {
            let module = texts.add(&module_of(new));
            (texts.add(old), (texts.add(new), module))
        })
        .collect();
    for function in &mut recording.functions {
        if let Some(&(file, module)) = new.get(&function.file) {
            (function.file, function.module) = (file, module);
        }
    }
    for source in &mut recording.sources {
        if let Some(&(file, _)) = new.get(&source.file) {
            source.file = file;
        }
    }
}
