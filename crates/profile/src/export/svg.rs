//! A flame graph as one SVG file, with a script that zooms and searches.
//!
//! Roots are at the top. The script is a constant, and gets names as text, never as markup.

use std::fmt;
use std::io::{self, Write};

use super::{Options, Unit, counted};
use crate::labels;
use crate::model::{Kind, Recording};
use crate::tree::{Keys, NodeId, Step, Tree};

const SCRIPT: &str = include_str!("svg.js");
const STYLE: &str = "text{font:12px monospace;fill:#000;pointer-events:none}\
    .f{cursor:pointer}.f:hover rect{stroke:#000}.found rect{fill:#e600e6}\
    .b{pointer-events:auto;cursor:pointer;text-decoration:underline}";

/// In pixels.
const WIDTH: f64 = 1200.0;
const MARGIN: f64 = 10.0;
const ROW: usize = 17;
const TOP: usize = 60;
const CHARACTER: f64 = 7.25;
/// Narrower frames are left out.
const LEAST: f64 = 0.1;

/// A frame in the picture.
struct Shown {
    /// None is all there is.
    node: Option<NodeId>,
    depth: usize,
    from: u64,
    width: u64,
}

pub fn write(recording: &Recording, options: &Options, out: &mut impl Write) -> io::Result<()> {
    let unknown = (labels::NO_STACK.to_owned(), Kind::Marker);
    let keys = Keys::of_functions(recording, unknown, |f| {
        (labels::function(recording, f), f.kind)
    });
    let keys = keys.above(recording, |thread| {
        let process = recording.threads[thread.index()].process;
        let name = labels::thread(recording, thread);
        [
            labels::process(recording, process),
            format!("thread {name}"),
        ]
        .map(|l| (l, Kind::Marker))
    });
    let tree = Tree::new(recording, &keys, counted(recording));
    let all = options.unit.of(tree.total);
    let shown = layout(&tree, options.unit, |node| {
        &keys.all[tree.nodes[node.index()].key.index()].0
    });
    let depth = shown.iter().map(|s| s.depth).max().unwrap_or(0);

    let (width, height) = (WIDTH + 2.0 * MARGIN, TOP + (depth + 2) * ROW);
    let command = recording.meta.command.join(" ");
    writeln!(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         data-width=\"{WIDTH}\" data-margin=\"{MARGIN}\">\n<style>{STYLE}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{MARGIN}\" y=\"20\">{}</text>\n\
         <text class=\"b reset\" x=\"{MARGIN}\" y=\"40\" style=\"display:none\">Reset zoom</text>\n\
         <text class=\"b search\" x=\"{}\" y=\"20\" text-anchor=\"end\">Search</text>\n\
         <text class=\"matched\" x=\"{}\" y=\"40\" text-anchor=\"end\"/>\n\
         <text class=\"details\" x=\"110\" y=\"40\"/>",
        Escaped(&truncated(&command, WIDTH - 100.0)),
        width - MARGIN,
        width - MARGIN,
    )?;
    for frame in &shown {
        let (label, kind) = match frame.node {
            None => ("all", Kind::Marker),
            Some(node) => {
                let (label, kind) = &keys.all[tree.nodes[node.index()].key.index()];
                (&**label, *kind)
            }
        };
        frame.write(label, kind, all, options.unit, out)?;
    }
    // No name is in here, and the script has no end of a CDATA section.
    writeln!(out, "<script><![CDATA[\n{SCRIPT}]]></script>\n</svg>")
}

/// Where the frames are, each before what it calls, and neighbours in the order of their names.
fn layout<'l>(tree: &Tree, unit: Unit, label: impl Fn(NodeId) -> &'l str) -> Vec<Shown> {
    let all = unit.of(tree.total);
    let least = (all as f64 * LEAST / WIDTH).ceil() as u64;
    let mut shown = vec![Shown {
        node: None,
        depth: 0,
        from: 0,
        width: all,
    }];
    let mut children = tree.children();
    children.sort_by_key(label);
    // Where what comes next in each frame on the way begins.
    let mut next = vec![0];
    for step in children.walk() {
        let (Step::Enter(id) | Step::Leave(id)) = step;
        let width = unit.of(tree.nodes[id.index()].total);
        if let Step::Leave(_) = step {
            next.pop();
            if let Some(next) = next.last_mut() {
                *next += width;
            }
            continue;
        }
        let from = next.last().copied().unwrap_or(0);
        if width >= least.max(1) {
            shown.push(Shown {
                node: Some(id),
                depth: next.len(),
                from,
                width,
            });
        }
        next.push(from);
    }
    shown
}

impl Shown {
    fn write(
        &self,
        label: &str,
        kind: Kind,
        all: u64,
        unit: Unit,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let scale = WIDTH / all.max(1) as f64;
        let (x, width) = (MARGIN + self.from as f64 * scale, self.width as f64 * scale);
        let y = TOP + self.depth * ROW;
        let amount = match unit {
            Unit::Us => format!("{:.3} ms", self.width as f64 / 1e3),
            Unit::Samples => format!("{} samples", self.width),
        };
        writeln!(
            out,
            "<g class=\"f\" data-x=\"{}\" data-w=\"{}\" data-d=\"{}\"><title>{}\n{amount}, {:.2} %</title>\
             <rect x=\"{x:.2}\" y=\"{y}\" width=\"{width:.2}\" height=\"{}\" fill=\"{}\"/>\
             <text x=\"{:.2}\" y=\"{}\">{}</text></g>",
            self.from,
            self.width,
            self.depth,
            Escaped(label),
            100.0 * self.width as f64 / all.max(1) as f64,
            ROW - 1,
            color(kind, label),
            x + 3.0,
            y + 12,
            Escaped(&truncated(label, width)),
        )
    }
}

/// As much of a text as fits.
fn truncated(text: &str, width: f64) -> String {
    let fits = ((width - 6.0) / CHARACTER).max(0.0) as usize;
    if fits < 3 {
        String::new()
    } else if text.chars().count() <= fits {
        text.to_owned()
    } else {
        text.chars().take(fits - 1).chain(['…']).collect()
    }
}

/// A colour for the kind, a shade for the name.
fn color(kind: Kind, label: &str) -> String {
    let hue = match kind {
        Kind::Python => 48,
        Kind::Native => 210,
        Kind::Compiled => 120,
        Kind::Kernel => 20,
        Kind::Marker => return "#ccc".to_owned(),
    };
    let hash = label
        .bytes()
        .fold(7u32, |h, b| h.wrapping_mul(31).wrapping_add(b.into()));
    format!(
        "hsl({},{}%,{}%)",
        hue + hash % 12,
        70 + hash / 12 % 20,
        62 + hash / 240 % 14
    )
}

/// Text as XML has it: what has a meaning there is written as entities, what may not be there at all as the
/// character that stands for such.
struct Escaped<'t>(&'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\n' | '\t' => f.write_str(" ")?,
                c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                    f.write_str("\u{fffd}")?;
                }
                c => write!(f, "{c}")?,
            }
        }
        Ok(())
    }
}
