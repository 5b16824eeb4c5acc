//! A call graph for Graphviz: functions as boxes, calls as arrows, what is hot in red.

use std::io::{self, Write};

use super::{Options, Unit, counted};
use crate::labels;
use crate::model::Recording;
use crate::tree::{Keys, Totals, Tree, Weight};

/// What has less of the total is left out.
const LEAST_OF_NODE: f64 = 0.005;
const LEAST_OF_EDGE: f64 = 0.001;
/// Characters of a line of a box.
const WIDTH: usize = 60;

pub fn write(recording: &Recording, options: &Options, out: &mut impl Write) -> io::Result<()> {
    let unknown = labels::NO_STACK.to_owned();
    let keys = Keys::of_functions(recording, unknown, |f| labels::function(recording, f));
    let tree = Tree::new(recording, &keys, counted(recording));
    let totals = Totals::by_key(&tree, &keys);
    let all = options.unit.of(tree.total).max(1) as f64;
    let share = |weight: Weight| options.unit.of(weight) as f64 / all;
    let amount = |weight: Weight| match options.unit {
        Unit::Us if weight.cpu < 1_000_000 => format!("{:.1} ms", weight.cpu as f64 / 1e3),
        Unit::Us => format!("{:.2} s", weight.cpu as f64 / 1e6),
        Unit::Samples => format!("{} samples", weight.samples),
    };

    writeln!(
        out,
        "digraph \"{}\" {{",
        quoted(&recording.meta.command.join(" "))
    )?;
    writeln!(
        out,
        "\tgraph [fontname=Arial, nodesep=0.125, ranksep=0.25];"
    )?;
    writeln!(
        out,
        "\tnode [fontcolor=white, fontname=Arial, height=0, shape=box, style=filled, width=0];"
    )?;
    writeln!(out, "\tedge [fontname=Arial, fontsize=10];")?;
    let is_shown = |group: usize| share(totals.groups[group].total) >= LEAST_OF_NODE;
    for (number, (label, sums)) in keys.all.iter().zip(&totals.groups).enumerate() {
        if !is_shown(number) {
            continue;
        }
        let (total, own) = (share(sums.total), share(sums.own));
        let (name, place) = split(label);
        let color = heat(total);
        writeln!(
            out,
            "\t{number} [color=\"{color}\", fontsize=\"{:.2}\", label=\"{}\\n{}{:.2}%\\n({:.2}%)\\n{}\", tooltip=\"{}\"];",
            (total.sqrt() * 10.0).max(10.0),
            quoted(&short(name)),
            place.map_or_else(String::new, |place| format!("{}\\n", quoted(&short(place)))),
            total * 100.0,
            own * 100.0,
            amount(sums.total),
            quoted(label),
        )?;
    }
    for edge in &totals.edges {
        let (caller, callee) = (edge.caller.index(), edge.callee as usize);
        let total = share(edge.sums.total);
        if total < LEAST_OF_EDGE || !is_shown(caller) || !is_shown(callee) {
            continue;
        }
        let color = heat(total);
        writeln!(
            out,
            "\t{caller} -> {callee} [arrowsize=\"{:.2}\", color=\"{color}\", fontcolor=\"{color}\", label=\"{:.2}%\\n{}\", penwidth=\"{:.2}\"];",
            (total.sqrt()).max(0.35),
            total * 100.0,
            amount(edge.sums.total),
            (total * 4.0).max(0.5),
        )?;
    }
    writeln!(out, "}}")
}

/// From dark blue over green to red.
fn heat(share: f64) -> String {
    let share = share.clamp(0.0, 1.0);
    let at = |cold: f64, hot: f64| cold + (hot - cold) * share.sqrt();
    // Hue, saturation and brightness.
    format!(
        "{:.3} {:.3} {:.3}",
        at(2.0 / 3.0, 0.0),
        at(0.8, 1.0),
        at(0.5, 0.85)
    )
}

/// The name of a function, and where it is: what the last parentheses hold.
fn split(label: &str) -> (&str, Option<&str>) {
    match label.strip_suffix(')').and_then(|l| l.rsplit_once(" (")) {
        Some((name, place)) => (name, Some(place)),
        None => (label, None),
    }
}

/// A name that is too long loses its end, and a path its beginning.
fn short(text: &str) -> String {
    let length = text.chars().count();
    if length <= WIDTH {
        return text.to_owned();
    }
    if text.starts_with('/') {
        let end: String = text.chars().skip(length - WIDTH + 1).collect();
        return format!("…{end}");
    }
    let start: String = text.chars().take(WIDTH - 1).collect();
    format!("{start}…")
}

/// Text for between quotes.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
