//! Diagnostics are data: a code, a message that stands alone, labelled spans, notes.
//! [`render`](Diagnostic::render) prints them as rustc does.

use std::fmt::Write as _;
use std::sync::Arc;

pub use ferdelance_abi::codes::Code;

use crate::source::{Source, SourceSpan, Span};

/// A marked piece of source; the first label of a diagnostic is the primary one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub at: SourceSpan,
    /// May be empty: then the place is marked without a text.
    pub text: String,
}

/// One error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub code: Code,
    /// One line that can be understood without the rest.
    pub message: String,
    pub labels: Vec<Label>,
    /// `note: ...` and `help: ...` lines.
    pub notes: Vec<String>,
}

/// The result of a stage.
pub type Result<T> = std::result::Result<T, Box<Diagnostic>>;

impl Diagnostic {
    /// An error without a place (yet).
    pub fn new(code: Code, message: impl Into<String>) -> Box<Diagnostic> {
        Box::new(Diagnostic {
            code,
            message: message.into(),
            labels: vec![],
            notes: vec![],
        })
    }

    /// Adds a label; the first one is the primary place.
    #[must_use]
    pub fn label(
        mut self: Box<Self>,
        source: &Arc<Source>,
        span: Span,
        text: impl Into<String>,
    ) -> Box<Diagnostic> {
        self.labels.push(Label {
            at: SourceSpan {
                source: source.clone(),
                span,
            },
            text: text.into(),
        });
        self
    }

    /// Adds a `note:` line.
    #[must_use]
    pub fn note(mut self: Box<Self>, text: impl AsRef<str>) -> Box<Diagnostic> {
        self.notes.push(format!("note: {}", text.as_ref()));
        self
    }

    /// Adds a `help:` line: what to do about it.
    #[must_use]
    pub fn help(mut self: Box<Self>, text: impl AsRef<str>) -> Box<Diagnostic> {
        self.notes.push(format!("help: {}", text.as_ref()));
        self
    }

    /// The full text, in the manner of rustc:
    ///
    /// ```text
    /// no operator `+` for int64 and unicode_type [no-operator]
    ///   --> demo.py:3:12
    ///    |
    ///  3 |     return x + "text"
    ///    |            ^^^^^^^^^^ int64 + unicode_type
    ///    |
    ///    = help: convert the number with str(x)
    /// ```
    pub fn render(&self) -> String {
        let mut out = format!("{} [{}]\n", self.message, self.code.name());
        let width = self
            .labels
            .iter()
            .map(|l| l.at.source.position(l.at.span.start).0.to_string().len())
            .max()
            .unwrap_or(1);
        let bar = format!("{:width$} |", "");
        for (i, label) in self.labels.iter().enumerate() {
            let source = &label.at.source;
            let (line, column) = source.position(label.at.span.start);
            let same_file = i > 0 && self.labels[i - 1].at.source.file == source.file;
            if !same_file {
                let arrow = if i == 0 { "-->" } else { ":::" };
                let _ = writeln!(out, "{:width$}{arrow} {}:{line}:{column}", "", source.file);
                let _ = writeln!(out, "{bar}");
            }
            let Some(text) = source.line(line) else {
                continue;
            };
            let _ = writeln!(out, "{line:>width$} | {text}");
            let before = (column - 1 - source.indent) as usize;
            let (end_line, end_column) = source.position(label.at.span.end);
            let length = if end_line == line {
                (end_column - column) as usize
            } else {
                text.chars().count() - before.min(text.chars().count())
            };
            let mark = if i == 0 { "^" } else { "-" };
            let _ = writeln!(
                out,
                "{bar} {:before$}{} {}",
                "",
                mark.repeat(length.max(1)),
                label.text
            );
        }
        if !self.notes.is_empty() && !self.labels.is_empty() {
            let _ = writeln!(out, "{bar}");
        }
        for note in &self.notes {
            let _ = writeln!(out, "{:width$} = {note}", "");
        }
        out.lines()
            .map(str::trim_end)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_source_caret_and_help() {
        let source = Arc::new(Source::new(
            "demo.py",
            "def f(x):\n    return x + \"text\"\n",
            2,
            0,
        ));
        let d = Diagnostic::new(
            Code::NoOperator,
            "no operator `+` for int64 and unicode_type",
        )
        .label(&source, Span { start: 21, end: 31 }, "int64 + unicode_type")
        .help("convert the number with str(x)");
        assert_eq!(
            d.render(),
            "no operator `+` for int64 and unicode_type [no-operator]\n --> demo.py:3:12\n  |\n3 |     return x + \"text\"\n  |            ^^^^^^^^^^ int64 + unicode_type\n  |\n  = help: convert the number with str(x)"
        );
    }
}
