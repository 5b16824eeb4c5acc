//! What changed between two recordings of the same work.
//!
//! CPU times of two runs are never equal. What samples say of a part is uncertain by about the root of
//! their number, so a change counts as one only if it is clearly more than that; the rest is a number.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::Hash;

use crate::labels;
use crate::model::*;
use crate::report::counted;
use crate::report::lines::{Sources, lines};
use crate::report::usage::elapsed;
use crate::report::view::{Row, View};
use crate::report::{Color, Page, Selection, clean, count, time};
use crate::tree::Weight;

/// What to compare.
#[derive(Clone, Debug)]
pub struct Options {
    /// Rows of each table.
    pub top: usize,
    /// Lines, not functions.
    pub lines: bool,
    pub color: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            top: 15,
            lines: false,
            color: false,
        }
    }
}

/// Something that is in one of two recordings, or in both.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub label: String,
    /// Of its own; before, after.
    pub own: [Weight; 2],
    /// With all that it calls.
    pub total: [Weight; 2],
}

impl Change {
    /// How much more CPU time it took, in microseconds.
    pub fn difference(&self) -> i64 {
        self.own[1].cpu as i64 - self.own[0].cpu as i64
    }

    /// What the difference may be off, as 95 % of such measurements are less; in microseconds. `sample` is
    /// what a sample stands for, in case there are none.
    pub fn error(&self, sample: f64) -> f64 {
        let square = |weight: Weight| {
            let samples = weight.samples.max(1) as f64;
            (weight.cpu as f64).max(sample).powi(2) / samples
        };
        1.96 * (square(self.own[0]) + square(self.own[1])).sqrt()
    }

    /// Whether it is more than chance. Of hundreds of rows some would exceed the error by chance, so more is
    /// asked for than that.
    pub fn is_certain(&self, sample: f64) -> bool {
        self.difference().unsigned_abs() as f64 > 1.5 * self.error(sample)
    }
}

/// What is compared, by a key that is the same in both recordings.
struct Changes<K> {
    all: Vec<Change>,
    index: HashMap<K, usize>,
}

impl<K: Eq + Hash> Changes<K> {
    fn add(&mut self, side: usize, key: K, label: String, own: Weight, total: Weight) {
        let next = self.all.len();
        let at = *self.index.entry(key).or_insert(next);
        if at == next {
            self.all.push(Change {
                label: String::new(),
                own: [Weight::default(); 2],
                total: [Weight::default(); 2],
            });
        }
        let change = &mut self.all[at];
        change.label = label;
        change.own[side] += own;
        change.total[side] += total;
    }

    fn sorted(mut self) -> Vec<Change> {
        self.all
            .sort_by_key(|c| Reverse(c.difference().unsigned_abs()));
        self.all
    }
}

fn changes<K>() -> Changes<K> {
    Changes {
        all: vec![],
        index: HashMap::new(),
    }
}

/// Functions by module and name, as lines move; the greatest change first.
pub fn functions(recordings: [&Recording; 2]) -> Vec<Change> {
    let mut changes = changes();
    for (side, r) in recordings.into_iter().enumerate() {
        let view = View::new(r, &Selection::all(r), false);
        for hot in view.hot() {
            let key = match hot.row {
                Row::Function(id) => {
                    let function = &r.functions[id.index()];
                    let texts = [function.module, function.name];
                    texts.map(|t| r.texts.get(t).to_owned())
                }
                Row::Operation(operation) => [String::new(), view.operations[operation].clone()],
            };
            let label = view.label(r, hot.row);
            changes.add(side, key, label, hot.own, hot.total);
        }
    }
    changes.sorted()
}

/// What native code does, by its name.
pub fn operations(recordings: [&Recording; 2]) -> Vec<Change> {
    let mut changes = changes();
    for (side, r) in recordings.into_iter().enumerate() {
        let view = View::new(r, &Selection::all(r), false);
        for (operation, weight) in view.hot_operations() {
            let text = view.operations[operation].clone();
            changes.add(side, text.clone(), text, weight, weight);
        }
    }
    changes.sorted()
}

/// Lines by their text and the function that they are in; by their number in it where there is no text.
pub fn changed_lines(recordings: [&Recording; 2]) -> Vec<Change> {
    let mut changes = changes();
    for (side, r) in recordings.into_iter().enumerate() {
        let sources = Sources::new(r);
        for line in lines(r, &Selection::all(r), false) {
            let function = &r.functions[line.function.index()];
            let texts = [function.module, function.name].map(|t| r.texts.get(t).to_owned());
            let text = sources.line(line.file, line.line).map(str::trim);
            let place = line.line.wrapping_sub(function.line);
            let key = (texts, text.map_or(Err(place), |t| Ok(t.to_owned())));
            let file = labels::base(r.texts.get(line.file));
            let text = text.unwrap_or_else(|| labels::name(r, function));
            let label = format!("{file}:{}  {text}", line.line);
            changes.add(side, key, clean(&label).into_owned(), line.own, line.total);
        }
    }
    changes.sorted()
}

/// The comparison as text.
pub fn diff(before: &Recording, after: &Recording, options: &Options) -> String {
    let both = [before, after];
    let mut page = Page::new(options.color);
    page.heading("Two recordings");
    for (name, r) in ["before", "after"].into_iter().zip(both) {
        let command = clean(&r.meta.command.join(" ")).into_owned();
        page.paragraph(&format!("  {name:<8}"), &command);
    }
    page.heading("  before    after    change");
    total(&mut page, "elapsed time", both.map(|r| elapsed(r) / 1000));
    let sum = |f: fn(&Process) -> u64| both.map(|r| r.processes.iter().map(f).sum::<u64>());
    total(&mut page, "CPU time", sum(|p| p.user + p.kernel));
    total(&mut page, "  user", sum(|p| p.user));
    total(&mut page, "  kernel", sum(|p| p.kernel));
    counted::changes(&mut page, both, options.lines, options.top);
    if both.iter().all(|r| r.samples.is_empty()) && both.iter().any(|r| has_counts(r)) {
        return page.text();
    }
    if options.lines {
        table(
            &mut page,
            both,
            "Lines",
            "lines",
            &changed_lines(both),
            options.top,
        );
    } else {
        table(
            &mut page,
            both,
            "Functions",
            "functions",
            &functions(both),
            options.top,
        );
        let operations = operations(both);
        table(
            &mut page,
            both,
            "Native code",
            "operations",
            &operations,
            options.top,
        );
    }
    page.text()
}

fn has_counts(r: &Recording) -> bool {
    !r.calls.is_empty() || !r.lines.is_empty()
}

fn total(page: &mut Page, name: &str, [before, after]: [u64; 2]) {
    let difference = after as i64 - before as i64;
    let text = format!(
        "{:>8} {:>8} {:>9} {:>8} {:>6}  {name}",
        time(before),
        time(after),
        signed(difference),
        "",
        relative(before, after),
    );
    page.line(&text);
}

fn table(
    page: &mut Page,
    both: [&Recording; 2],
    heading: &str,
    what: &str,
    changes: &[Change],
    top: usize,
) {
    let samples: u64 = both.iter().map(|r| running(r).count() as u64).sum();
    let cpu: u64 = both
        .iter()
        .map(|r| running(r).map(Sample::cpu).sum::<u64>())
        .sum();
    let sample = cpu as f64 / samples.max(1) as f64;
    let has_totals = what == "functions";
    let (certain, rest): (Vec<&Change>, Vec<&Change>) =
        changes.iter().partition(|c| c.is_certain(sample));
    page.heading(&format!(
        "{heading} whose own CPU time changed by more than chance"
    ));
    if certain.is_empty() {
        page.line("  none");
    } else {
        let total = if has_totals { "with all calls" } else { "" };
        page.line(&format!(
            "  before    after    change                 {total}"
        ));
    }
    for change in certain.iter().take(top) {
        let difference = change.difference();
        let total = change.total[1].cpu as i64 - change.total[0].cpu as i64;
        let mut plain = format!(
            "{:>8} {:>8} {:>9} {:<8} {:>6}  ",
            time(change.own[0].cpu),
            time(change.own[1].cpu),
            signed(difference),
            format!("±{}", time(change.error(sample) as u64)),
            relative(change.own[0].cpu, change.own[1].cpu),
        );
        if has_totals {
            plain += &format!("{:>9}  ", signed(total));
        }
        let color = if difference > 0 {
            Color::Red
        } else {
            Color::Green
        };
        page.two(&plain, color, &change.label);
    }
    let more = certain.len().saturating_sub(top);
    if more > 0 {
        page.line(&format!("  and {} more", count(more as u64)));
    }
    let same = rest
        .iter()
        .filter(|c| c.own.iter().any(|w| w.cpu > 0))
        .count();
    if same > 0 {
        let number = count(same as u64);
        page.line(&format!(
            "  {number} other {what}: no change that is more than chance"
        ));
    }
}

fn running(recording: &Recording) -> impl Iterator<Item = &Sample> {
    recording.samples.iter().filter(|s| s.state.is_running())
}

fn signed(micros: i64) -> String {
    match micros {
        0 => "0".to_owned(),
        1.. => format!("+{}", time(micros.unsigned_abs())),
        _ => format!("-{}", time(micros.unsigned_abs())),
    }
}

fn relative(before: u64, after: u64) -> String {
    match (before, after) {
        (0, 0) => String::new(),
        (0, _) => "new".to_owned(),
        (_, 0) => "gone".to_owned(),
        (before, after) => match after as f64 / before as f64 {
            ratio if ratio < 2.0 => format!("{:+.0} %", (ratio - 1.0) * 100.0),
            ratio => format!("x{ratio:.1}"),
        },
    }
}
