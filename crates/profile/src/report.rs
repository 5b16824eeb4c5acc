//! What a recording tells, as text for a terminal, or as JSON.
//!
//! ```text
//! Recording ──Selection──▶ amounts, usage ────▶ page (text)
//!                          view ──▶ functions, calls  json
//!                          lines
//! ```
//!
//! [`amounts`], [`usage`], [`view`] and [`lines`] are data, which [`page`] and [`json`] only write down. All weights are CPU time, never
//! numbers of samples. What a recording says is shown as it is but for control characters: a file from a
//! stranger is not to command the terminal.

mod amounts;
pub mod calls;
pub mod counted;
mod json;
pub mod lines;
pub mod operation;
mod page;
mod sections;
pub mod usage;
pub mod view;

use std::borrow::Cow;

use crate::labels::{self, is_command};
use crate::model::*;
use amounts::Amounts;
pub use json::write as write_json;
pub use page::{Color, Page, WIDTH, count, time};
pub use sections::types;

/// What to show.
#[derive(Clone, Debug)]
pub struct Options {
    /// Rows of each table.
    pub top: usize,
    pub parts: Parts,
    pub selection: Asked,
    /// All frames, not those of Python functions only.
    pub native: bool,
    pub color: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            top: 15,
            parts: Parts::ALL,
            selection: Asked::default(),
            native: false,
            color: false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    pub summary: bool,
    pub functions: bool,
    pub lines: bool,
    pub callers: bool,
    pub tree: bool,
}

impl Parts {
    pub const ALL: Parts = Parts {
        summary: true,
        functions: true,
        lines: true,
        callers: true,
        tree: true,
    };
}

/// Which samples are asked for: all that fit.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub pid: Option<u32>,
    pub thread: Option<String>,
    /// One of these is on the stack.
    pub functions: Option<Vec<FunctionId>>,
}

/// Which samples are meant.
pub struct Selection {
    pub threads: Vec<bool>,
    stacks: Option<Vec<bool>>,
    is_all: bool,
}

impl Selection {
    pub fn new(recording: &Recording, asked: &Asked) -> Selection {
        let r = recording;
        let threads = (0..r.threads.len() as u32).map(|i| {
            let thread = &r.threads[i as usize];
            let pid = r.processes[thread.process.index()].pid;
            let named = |name: &String| labels::thread(r, ThreadId(i)) == *name;
            asked.pid.is_none_or(|asked| asked == pid) && asked.thread.as_ref().is_none_or(named)
        });
        let stacks = asked.functions.as_ref().map(|functions| {
            let mut is_meant = vec![false; r.functions.len()];
            for function in functions {
                if let Some(is_meant) = is_meant.get_mut(function.index()) {
                    *is_meant = true;
                }
            }
            let mut stacks: Vec<bool> = Vec::with_capacity(r.stacks.len());
            for stack in &r.stacks {
                let frame = &r.frames[stack.frame.index()];
                let is_below = stack.parent.is_some_and(|p| stacks[p.index()]);
                stacks.push(is_below || is_meant[frame.function.index()]);
            }
            stacks
        });
        Selection {
            threads: threads.collect(),
            is_all: asked.pid.is_none() && asked.thread.is_none() && stacks.is_none(),
            stacks,
        }
    }

    pub fn all(recording: &Recording) -> Selection {
        Selection::new(recording, &Asked::default())
    }

    pub fn is_all(&self) -> bool {
        self.is_all
    }

    /// Whether it is about functions.
    pub fn is_of_stacks(&self) -> bool {
        self.stacks.is_some()
    }

    pub fn has(&self, sample: &Sample) -> bool {
        let has_stack = |stacks: &Vec<bool>| sample.stack.is_some_and(|s| stacks[s.index()]);
        self.threads[sample.thread.index()] && self.stacks.as_ref().is_none_or(has_stack)
    }

    /// The samples that were taken on a CPU.
    pub fn running<'r>(&self, recording: &'r Recording) -> impl Iterator<Item = &'r Sample> {
        let running = recording.samples.iter().filter(|s| s.state.is_running());
        running.filter(|s| self.has(s))
    }
}

/// A text without what a terminal would take as a command.
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.contains(is_command) {
        Cow::Owned(text.replace(is_command, "?"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The report of a recording.
pub fn report(recording: &Recording, options: &Options) -> String {
    let mut page = Page::new(options.color);
    let selection = Selection::new(recording, &options.selection);
    let parts = options.parts;
    let amounts = Amounts::new(recording, &selection);
    let cpu = amounts.shown;
    if parts.summary {
        sections::summary(&mut page, recording, &selection, &amounts);
        if !selection.is_of_stacks() && !recording.samples.is_empty() {
            sections::usage(&mut page, &usage::usage(recording, &selection));
        }
        if selection.is_all() {
            sections::processes(&mut page, recording, options.top);
        }
        if !selection.is_of_stacks() {
            sections::threads(&mut page, recording, &selection, options.top);
        }
    }
    let has_counts = !recording.calls.is_empty() || !recording.lines.is_empty();
    if parts.functions {
        counted::calls(
            &mut page,
            recording,
            options.selection.functions.as_deref(),
            options.top,
        );
    }
    if parts.lines {
        counted::lines(&mut page, recording, options.selection.functions.as_deref());
    }
    if cpu == 0 && has_counts {
        if parts.tree && !parts.functions {
            counted::no_tree(&mut page);
        }
    } else if cpu == 0 {
        page.heading("No samples of running code");
        page.line("Nothing was sampled on a CPU that fits what is asked for.");
    } else {
        let view = view::View::new(recording, &selection, options.native);
        if parts.functions {
            sections::functions(&mut page, recording, &selection, &view, options.top);
            if !options.native {
                sections::operations(&mut page, &view, options.top);
            }
        }
        if parts.lines {
            let lines = lines::lines(recording, &selection, options.native);
            sections::lines(&mut page, recording, &lines, cpu, options.top);
        }
        if parts.callers {
            calls::callers(&mut page, recording, &view, options.top);
        }
        if parts.tree {
            calls::tree(&mut page, recording, &view, options.top);
        }
    }
    if parts.summary {
        sections::waiting(&mut page, recording, &selection);
        if recording.samples.is_empty() && has_counts {
            sections::log(&mut page, recording);
        } else {
            sections::collection(&mut page, recording, &selection, &amounts);
        }
    }
    page.text()
}
