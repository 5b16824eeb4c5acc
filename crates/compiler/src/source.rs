//! Source text and positions in it.

use std::sync::Arc;

/// A text that functions were compiled from.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The file as Python names it (`co_filename`): a path, `<stdin>`, `<ipython-input-1-...>`.
    pub file: Box<str>,
    /// The text given to the parser. It may be a part of the file (a cell, the lines of one function).
    pub text: Box<str>,
    /// Line number in the file of the text's first line, from 1.
    pub first_line: u32,
    /// Columns that were removed from the start of every line before parsing (dedent).
    pub indent: u32,
    /// Byte offsets of line starts in `text`.
    line_starts: Box<[u32]>,
}

impl Source {
    pub fn new(file: &str, text: &str, first_line: u32, indent: u32) -> Source {
        let starts = std::iter::once(0).chain(
            text.bytes()
                .enumerate()
                .filter(|&(_, b)| b == b'\n')
                .map(|(i, _)| i as u32 + 1),
        );
        Source {
            file: file.into(),
            text: text.into(),
            first_line,
            indent,
            line_starts: starts.collect(),
        }
    }

    /// Line in the file (from 1) and column (from 1, in characters) of a byte offset in the text.
    pub fn position(&self, offset: u32) -> (u32, u32) {
        let line = self.line_starts.partition_point(|&s| s <= offset) - 1;
        let start = self.line_starts[line] as usize;
        let before = self
            .text
            .get(start..(offset as usize).min(self.text.len()))
            .unwrap_or("");
        (
            self.first_line + line as u32,
            before.chars().count() as u32 + 1 + self.indent,
        )
    }

    /// From a position, as [`Source::position`] gives it, to the end of its line.
    pub fn from_position(&self, line: u32, column: u32) -> Span {
        let text = self.line(line).unwrap_or_default();
        let before = column.saturating_sub(1 + self.indent) as usize;
        let skipped: usize = text.chars().take(before).map(char::len_utf8).sum();
        let index = line.saturating_sub(self.first_line) as usize;
        let start = self.line_starts.get(index).copied().unwrap_or(0);
        Span {
            start: start + skipped as u32,
            end: start + text.trim_end().len().max(skipped) as u32,
        }
    }

    /// The text of a line of the file, without its end.
    pub fn line(&self, line: u32) -> Option<&str> {
        let i = line.checked_sub(self.first_line)? as usize;
        let start = *self.line_starts.get(i)? as usize;
        let end = self
            .line_starts
            .get(i + 1)
            .map_or(self.text.len(), |&e| e as usize - 1);
        Some(self.text[start..end].trim_end_matches('\r'))
    }
}

/// A range of bytes in a source text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

/// A span with the text that it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSpan {
    pub source: Arc<Source>,
    pub span: Span,
}
