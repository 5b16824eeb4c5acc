//! Hot lines, and what in them is hot: Python 3.11 and later say which expression an instruction is of.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::view::is_own_code;
use super::{Selection, clean};
use crate::model::*;
use crate::sources::is_library;
use crate::tree::{Keys, Totals, Tree, Weight};

/// An expression that starts in a line: columns in bytes from 1, the end behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    pub column: u32,
    pub end_line: u32,
    pub end_column: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub file: TextId,
    pub line: u32,
    pub function: FunctionId,
    /// While this was the innermost line that is shown: library code that it calls counts as its own.
    pub own: Weight,
    /// While it was on the stack.
    pub total: Weight,
    /// Of its own time, by expression, most first.
    pub spans: Vec<(Span, Weight)>,
}

/// The lines of a recording, hottest first. Lines of libraries are shown only with `libraries`, or where
/// no other line is on the stack, those of native code only with `libraries`.
pub fn lines(recording: &Recording, selection: &Selection, libraries: bool) -> Vec<Line> {
    let r = recording;
    let functions = r.functions.iter();
    // 0: not shown, 1: a library's, 2: the user's.
    let shown: Vec<u8> = functions
        .map(|f| match () {
            () if f.file == TextId::EMPTY => 0,
            () if libraries && f.kind == Kind::Native => 2,
            () if !is_own_code(r, f) => 0,
            () if libraries || !is_library(r.texts.get(f.file)) => 2,
            () => 1,
        })
        .collect();
    let level = |frame: FrameId| {
        let frame = &r.frames[frame.index()];
        if frame.line == 0 {
            0
        } else {
            shown[frame.function.index()]
        }
    };
    let mut owners: Vec<Option<FrameId>> = Vec::with_capacity(r.stacks.len());
    for stack in &r.stacks {
        let parent = stack.parent.and_then(|p| owners[p.index()]);
        let is_better =
            level(stack.frame) > 0 && parent.is_none_or(|p| level(p) <= level(stack.frame));
        owners.push(if is_better { Some(stack.frame) } else { parent });
    }
    let mut of_frames = vec![Weight::default(); r.frames.len()];
    for sample in selection.running(r) {
        if let Some(frame) = sample.stack.and_then(|s| owners[s.index()]) {
            of_frames[frame.index()] += Weight::of(sample);
        }
    }
    let keys = Keys::of_frames(r, None, |frame| {
        let function = &r.functions[frame.function.index()];
        let is_shown = shown[frame.function.index()] > 0 && frame.line > 0;
        is_shown.then_some((function.file, frame.line))
    });
    let totals = Totals::by_key(&Tree::new(r, &keys, selection.running(r)), &keys).groups;
    let places = keys.all.iter().zip(totals);
    let totals: HashMap<_, _> = places
        .filter_map(|(k, sums)| Some(((*k)?, sums.total)))
        .collect();
    let mut lines: HashMap<(TextId, u32), (Line, HashMap<Span, Weight>)> = HashMap::new();
    for (frame, weight) in r.frames.iter().zip(of_frames) {
        if weight.cpu == 0 {
            continue;
        }
        let place = (r.functions[frame.function.index()].file, frame.line);
        let (line, spans) = lines.entry(place).or_insert_with(|| {
            let line = Line {
                file: place.0,
                line: place.1,
                function: frame.function,
                own: Weight::default(),
                total: totals.get(&place).copied().unwrap_or_default(),
                spans: vec![],
            };
            (line, HashMap::new())
        });
        line.own += weight;
        let span = Span {
            column: frame.column,
            end_line: frame.end_line,
            end_column: frame.end_column,
        };
        *spans.entry(span).or_default() += weight;
    }
    let with_spans = lines.into_values().map(|(mut line, spans)| {
        line.spans = spans.into_iter().collect();
        line.spans
            .sort_by_key(|&(span, weight)| (Reverse(weight.cpu), span));
        line
    });
    let mut lines: Vec<Line> = with_spans.collect();
    lines.sort_by_key(|l| (Reverse(l.own.cpu), l.file, l.line));
    lines
}

/// The lines of the sources in a recording.
pub struct Sources<'r> {
    files: HashMap<TextId, Vec<&'r str>>,
}

impl<'r> Sources<'r> {
    pub fn new(recording: &'r Recording) -> Sources<'r> {
        let files = recording.sources.iter();
        let files = files.map(|s| (s.file, recording.texts.get(s.text).lines().collect()));
        Sources {
            files: files.collect(),
        }
    }

    pub fn line(&self, file: TextId, line: u32) -> Option<&'r str> {
        let lines = self.files.get(&file)?;
        lines.get((line as usize).checked_sub(1)?).copied()
    }

    /// The text of an expression, in one line; in it, other expressions that are shown for themselves are
    /// left out: `np.exp(…)*w` is the multiplication.
    pub fn expression(&self, at: &Line, span: Span, others: &[Span]) -> Option<String> {
        // Those that are within others that are within this one do not come up.
        let mut inner: Vec<&Span> = others.iter().filter(|o| contains(span, **o)).collect();
        // Names stay: `math.sin(…)`, not `…(…)`.
        inner.retain(|o| {
            let text = self.part(at.file, at.line, o.column, o.end_line, o.end_column);
            text.is_none_or(|text| !is_path(&text))
        });
        inner.sort_by_key(|s| (s.column, Reverse((s.end_line, s.end_column))));
        let mut out = String::new();
        let (mut line, mut column) = (at.line, span.column);
        for hole in inner {
            // All start in the same line; those that start within one before are a part of it.
            if line == at.line && hole.column >= column {
                out.push_str(&self.part(at.file, line, column, at.line, hole.column)?);
                out.push('…');
                (line, column) = (hole.end_line, hole.end_column);
            }
        }
        out.push_str(&self.part(at.file, line, column, span.end_line, span.end_column)?);
        Some(out)
    }

    fn part(
        &self,
        file: TextId,
        line: u32,
        column: u32,
        to: u32,
        to_column: u32,
    ) -> Option<String> {
        let index = |column: u32| (column as usize).checked_sub(1);
        if line >= to {
            let text = self.line(file, line)?;
            return Some(text.get(index(column)?..index(to_column)?)?.to_owned());
        }
        let mut out = self.line(file, line)?.get(index(column)?..)?.to_owned();
        // Long ones are cut anyhow.
        let until = to.min(line.saturating_add(20));
        for between in line + 1..until {
            out.push(' ');
            out.push_str(self.line(file, between)?.trim());
        }
        if until == to {
            out.push(' ');
            let last = self.line(file, to)?;
            out.push_str(last.get(..index(to_column)?)?.trim_start());
        }
        Some(clean(&out).into_owned())
    }
}

/// Whether an expression is a name, or an attribute of one.
pub fn is_path(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
}

fn contains(outer: Span, inner: Span) -> bool {
    outer != inner
        && outer.column <= inner.column
        && (inner.end_line, inner.end_column) <= (outer.end_line, outer.end_column)
}
