//! What a recording tells, as text for a terminal.

pub mod busy;
mod native;
pub mod sums;

use std::collections::HashMap;
use std::fmt::Write;

use crate::labels;
use crate::model::{FunctionId, Recording, State};
use sums::{Filter, OfFunction, Span, Sums};

const WIDTH: usize = 98;

#[derive(Clone, Debug)]
pub struct Options {
    pub filter: Filter,
    /// Rows of each table.
    pub top: usize,
    pub lines: bool,
    pub tree: bool,
    /// All frames as functions of their own.
    pub native: bool,
    pub color: bool,
}

/// A report: all of it, or only lines, or only the tree.
pub fn report(r: &Recording, options: &Options) -> String {
    let sums = Sums::new(r, &options.filter, options.native);
    let mut text = Text {
        r,
        sums: &sums,
        options,
        out: String::new(),
    };
    if options.lines || options.tree {
        if options.lines {
            text.lines();
        }
        if options.tree {
            text.tree();
        }
        return text.out;
    }
    text.summary();
    text.histogram();
    text.functions();
    text.lines();
    text.waits();
    text.log();
    text.out
}

struct Text<'r> {
    r: &'r Recording,
    sums: &'r Sums,
    options: &'r Options,
    out: String,
}

/// A share as it is shown.
fn percent(part: f64, all: f64) -> String {
    format!("{:.1} %", 100.0 * part / all.max(1e-12))
}

fn bar(share: f64, width: usize) -> String {
    "█".repeat((share.clamp(0.0, 1.0) * width as f64).round() as usize)
}

/// The start of a text, as far as there is room.
fn cut(text: &str, width: usize) -> String {
    match text.char_indices().nth(width.saturating_sub(1)) {
        Some((at, _)) if text.chars().count() > width => format!("{}…", &text[..at]),
        _ => text.to_owned(),
    }
}

impl Text<'_> {
    fn line(&mut self, text: impl AsRef<str>) {
        self.out.push_str(text.as_ref().trim_end());
        self.out.push('\n');
    }

    fn heading(&mut self, text: &str) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        match self.options.color {
            true => self.line(format!("\x1b[1m{text}\x1b[0m")),
            false => self.line(text),
        }
    }

    fn summary(&mut self) {
        let r = self.r;
        let recorded = || {
            r.processes
                .iter()
                .filter(|p| r.texts.get(p.reason).is_empty())
        };
        let mut pythons: Vec<&str> = recorded()
            .map(|p| r.texts.get(p.python))
            .filter(|v| !v.is_empty())
            .collect();
        pythons.sort_unstable();
        pythons.dedup();
        let user = r.processes.iter().map(|p| p.user).sum::<u64>() as f64 / 1e6;
        let kernel = r.processes.iter().map(|p| p.kernel).sum::<u64>() as f64 / 1e6;
        let cpu = user + kernel;
        let elapsed = r.meta.elapsed as f64 / 1e9;
        self.heading(&cut(&r.meta.command.join(" "), WIDTH));
        let version = match &pythons[..] {
            [] => String::new(),
            all => format!("Python {}, ", all.join(" and ")),
        };
        self.line(format!(
            "{version}{} process{}, {} threads, on {} ({})",
            recorded().count(),
            if recorded().count() == 1 { "" } else { "es" },
            r.threads.len(),
            r.meta.host,
            cut(&r.meta.cpu, 40),
        ));
        self.line("");
        self.line(format!("elapsed        {elapsed:10.2} s"));
        self.line(format!(
            "CPU time       {cpu:10.2} s   user {user:.2} s, kernel {kernel:.2} s; {:.2} CPUs busy on average",
            busy::average(r)
        ));
        let with_gil = r
            .samples
            .iter()
            .filter(|s| s.state == State::RunningWithGil);
        let with_gil = with_gil.map(|s| s.cpu()).sum::<u64>() as f64 / 1e6;
        self.line(format!(
            "with the GIL   {with_gil:10.2} s   {} of the CPU time",
            percent(with_gil, cpu)
        ));
        for (state, name) in [
            (State::WaitingForGil, "waiting for the GIL"),
            (State::Queued, "waiting for a CPU"),
        ] {
            let seconds = busy::waited(r, state);
            if seconds > 0.005 {
                self.line(format!("{name:<19}{seconds:6.2} s   all threads together"));
            }
        }
        let samples = r.samples.iter().filter(|s| s.state.is_running()).count();
        let sampled: u64 = r.samples.iter().map(|s| s.cpu()).sum();
        let rest = cpu - sampled as f64 / 1e6;
        let mut said = format!(
            "samples        {samples:10}     {:.0} for each second of CPU time",
            samples as f64 / cpu.max(1e-9)
        );
        if rest > 0.01 * cpu && rest > 0.01 {
            let _ = write!(said, "; {rest:.2} s without a sample");
        }
        self.line(said);
        let sum = |f: fn(&crate::model::Counts) -> u64| -> u64 {
            r.processes.iter().map(|p| f(&p.counts)).sum()
        };
        let odd: Vec<String> = [
            (sum(|c| c.lost), "lost, as there was no room"),
            (sum(|c| c.abandoned), "given up"),
            (sum(|c| c.unplaced), "with Python frames out of place"),
            (sum(|c| c.cut), "without their root"),
        ]
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} {what}"))
        .collect();
        if !odd.is_empty() {
            self.line(format!("               {}", odd.join(", ")));
        }
        let cost = sum(|c| c.cost) as f64 / 1e9;
        self.line(format!(
            "taking them    {cost:10.2} s   {} of the CPU time, without what the system needs",
            percent(cost, cpu)
        ));
        for process in &r.processes {
            let reason = r.texts.get(process.reason);
            if !reason.is_empty() {
                let command = cut(r.texts.get(process.command), 40);
                self.line(format!("not recorded: {} {command}: {reason}", process.pid));
            }
        }
    }

    fn histogram(&mut self) {
        let r = self.r;
        let seconds = busy::histogram(r);
        let all: f64 = seconds.iter().sum();
        let target = r.meta.target_cpus;
        self.heading("CPUs busy at a time");
        for (busy, time) in seconds.iter().enumerate() {
            if *time < 0.0005 * all && busy > 0 {
                continue;
            }
            let share = busy as f64 / target.max(1e-9);
            let band = match busy {
                0 => "idle",
                _ if share > 1.0 + 1e-9 => "over",
                _ if share >= 0.85 => "ideal",
                _ if share > 0.5 => "ok",
                _ => "poor",
            };
            let bar = bar(time / all.max(1e-12), 50);
            self.line(format!(
                "{busy:4}  {band:<6}{time:9.2} s {:>7}  {bar}",
                percent(*time, all)
            ));
        }
        self.line(format!(
            "average {:.2}, of {target:.0} that the program may use",
            busy::average(r)
        ));
    }

    fn functions(&mut self) {
        let all = self.sums.all.seconds;
        let mut rows: Vec<(&FunctionId, &OfFunction)> = self.sums.functions.iter().collect();
        rows.sort_by(|a, b| {
            let key = |x: &(&FunctionId, &OfFunction)| (x.1.own.seconds, x.1.total.seconds);
            key(b)
                .partial_cmp(&key(a))
                .unwrap_or(std::cmp::Ordering::Equal)
                .then(a.0.cmp(b.0))
        });
        self.heading("functions: CPU time in them alone, and with what they called");
        self.line("      self              total");
        for (id, times) in rows.into_iter().take(self.options.top) {
            if times.own.seconds < 0.0005 * all {
                break;
            }
            let function = &self.r.functions[id.index()];
            let label = labels::short_function(self.r, function);
            self.line(format!(
                "{:>7} ±{:<4.1}{:8.2} s {:>7}  {}",
                percent(times.own.seconds, all),
                100.0 * times.own.error() / all.max(1e-12),
                times.own.seconds,
                percent(times.total.seconds, all),
                cut(&label, WIDTH - 36),
            ));
            self.operations(times);
            self.signature(times);
        }
    }

    /// What a function's own time was spent on.
    fn operations(&mut self, times: &OfFunction) {
        let own = times.own.seconds;
        let mut parts: Vec<(&String, &f64)> = times.operations.iter().collect();
        parts.sort_by(|a, b| b.1.total_cmp(a.1).then(a.0.cmp(b.0)));
        let shown: Vec<String> = parts
            .iter()
            .filter(|(name, time)| !name.is_empty() && **time >= 0.02 * own)
            .take(5)
            .map(|(name, time)| format!("{name} {}", percent(**time, own)))
            .collect();
        if shown.len() > 1 || shown.iter().any(|s| !s.starts_with("interpreter")) {
            let text = cut(&shown.join(", "), WIDTH - 36);
            self.line(format!("{:35}{text}", ""));
        }
    }

    fn signature(&mut self, times: &OfFunction) {
        let most = times
            .signatures
            .iter()
            .max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(a.0)));
        let Some((id, seconds)) = most else {
            return;
        };
        let arguments = &self.r.signatures[id.index()].arguments;
        let list: Vec<String> = arguments
            .iter()
            .map(|(name, ty)| match self.r.texts.get(*name) {
                "" => self.r.texts.get(*ty).to_owned(),
                name => format!("{name}: {}", self.r.texts.get(*ty)),
            })
            .collect();
        if *seconds >= 0.05 * times.own.seconds && !list.is_empty() {
            let text = cut(&format!("({})", list.join(", ")), WIDTH - 36);
            self.line(format!("{:35}{text}", ""));
        }
    }

    fn lines(&mut self) {
        let all = self.sums.all.seconds;
        let mut rows: Vec<_> = self.sums.lines.iter().collect();
        rows.sort_by(|a, b| b.1.0.total_cmp(&a.1.0).then(a.0.cmp(b.0)));
        self.heading("lines: CPU time in them alone");
        for (&(id, line), (seconds, spans)) in rows.into_iter().take(self.options.top) {
            if *seconds < 0.005 * all {
                break;
            }
            let function = &self.r.functions[id.index()];
            let file = self.r.texts.get(function.file);
            let source = sums::source(self.r, function.file);
            let code = source
                .and_then(|s| s.lines().nth(line as usize - 1))
                .map(str::trim);
            let place = format!("{}:{line}", labels::base(file));
            self.line(format!(
                "{:>7} {seconds:8.2} s  {place:<24}  {}",
                percent(*seconds, all),
                cut(code.unwrap_or(labels::name(self.r, function)), WIDTH - 46),
            ));
            self.spans(source, *seconds, spans);
        }
    }

    /// The expressions of a line, where there are several.
    fn spans(&mut self, source: Option<&str>, seconds: f64, spans: &HashMap<Span, f64>) {
        let Some(source) = source else {
            return;
        };
        let mut rows: Vec<(&Span, &f64)> = spans.iter().collect();
        rows.sort_by(|a, b| b.1.total_cmp(a.1).then(a.0.cmp(b.0)));
        rows.retain(|(_, time)| **time >= 0.03 * seconds);
        if rows.len() < 2 {
            return;
        }
        for (span, time) in rows.into_iter().take(6) {
            if let Some(text) = expression(source, *span) {
                let text = cut(&text, WIDTH - 54);
                self.line(format!("{:>48}  {text}", percent(*time, seconds)));
            }
        }
    }

    fn tree(&mut self) {
        let tree = &self.sums.tree;
        let all = self.sums.all.seconds;
        self.heading("calls, from the outermost: CPU time with what was called");
        let mut children: Vec<Vec<usize>> = vec![vec![]; tree.len()];
        let mut walk: Vec<(usize, usize)> = vec![];
        for (i, node) in tree
            .iter()
            .enumerate()
            .filter(|(_, n)| n.total >= 0.02 * all)
        {
            match node.parent {
                Some(parent) => children[parent].push(i),
                None => walk.push((i, 0)),
            }
        }
        let by_time = |a: &usize, b: &usize| tree[*a].total.total_cmp(&tree[*b].total);
        walk.sort_by(|a, b| by_time(&a.0, &b.0));
        while let Some((i, depth)) = walk.pop() {
            let node = tree[i];
            let label = labels::short_function(self.r, &self.r.functions[node.function.index()]);
            // Deeper levels are shown at the same place.
            let indent = "  ".repeat(depth.min(24));
            self.line(format!(
                "{:>7} {:>7}  {}",
                percent(node.total, all),
                percent(node.own, all),
                cut(&format!("{indent}{label}"), WIDTH - 18),
            ));
            let mut below = std::mem::take(&mut children[i]);
            below.sort_by(by_time);
            // A chain of calls stays at its level.
            let next = if below.len() > 1 { depth + 1 } else { depth };
            walk.extend(below.into_iter().map(|c| (c, next)));
        }
    }

    fn waits(&mut self) {
        let mut rows: Vec<_> = self.sums.waits.iter().collect();
        rows.retain(|(_, seconds)| **seconds >= 0.01);
        if rows.is_empty() {
            return;
        }
        rows.sort_by(|a, b| b.1.total_cmp(a.1).then(a.0.cmp(b.0)));
        self.heading("waiting, all threads together");
        for ((owner, what), seconds) in rows.into_iter().take(self.options.top) {
            let owner = owner.map(|f| labels::short_function(self.r, &self.r.functions[f.index()]));
            let owner = owner.unwrap_or_else(|| "(no Python function)".to_owned());
            let text = cut(&format!("{owner}: {what}"), WIDTH - 12);
            self.line(format!("{seconds:8.2} s  {text}"));
        }
    }

    fn log(&mut self) {
        let r = self.r;
        let mut seen: Vec<(&str, usize)> = vec![];
        for line in &r.log {
            let text = r.texts.get(line.text);
            match seen.iter().position(|(t, _)| *t == text) {
                Some(i) => seen[i].1 += 1,
                None if seen.len() < 8 => seen.push((text, 1)),
                None => {}
            }
        }
        if seen.is_empty() {
            return;
        }
        self.heading("log");
        for (text, count) in seen {
            let times = if count > 1 {
                format!(" (×{count})")
            } else {
                String::new()
            };
            self.line(cut(&format!("  {text}{times}"), WIDTH));
        }
    }
}

/// The text of an expression, lines in one.
fn expression(source: &str, (line, column, end_line, end_column): Span) -> Option<String> {
    let mut text = String::new();
    for number in line..=end_line.max(line).min(line + 20) {
        let code = source.lines().nth(number as usize - 1)?;
        let start = if number == line {
            column as usize - 1
        } else {
            0
        };
        let end = if number == end_line {
            end_column as usize - 1
        } else {
            code.len()
        };
        let part =
            code.get(start.min(code.len())..end.min(code.len()).max(start.min(code.len())))?;
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(part.trim());
    }
    (!text.is_empty()).then_some(text)
}

/// What became slower or faster between two recordings: functions whose own time differs by more than chance
/// makes likely.
pub fn diff(a: &Recording, b: &Recording, options: &Options) -> String {
    let (before, after) = (
        Sums::new(a, &options.filter, options.native),
        Sums::new(b, &options.filter, options.native),
    );
    let mut rows: HashMap<(String, String), [(f64, f64); 2]> = HashMap::new();
    for (i, (r, sums)) in [(a, &before), (b, &after)].into_iter().enumerate() {
        for (id, times) in &sums.functions {
            let function = &r.functions[id.index()];
            let key = (
                labels::name(r, function).to_owned(),
                labels::base(r.texts.get(function.file)).to_owned(),
            );
            let row = &mut rows.entry(key).or_default()[i];
            row.0 += times.own.seconds;
            row.1 += times.own.squares;
        }
    }
    let mut out = String::new();
    let all = [before.all.seconds, after.all.seconds];
    let change = |x: f64, y: f64| match x > 0.0 {
        true => format!("{:+.1} %", 100.0 * (y - x) / x),
        false => "new".to_owned(),
    };
    let elapsed = [a, b].map(|r| r.meta.elapsed as f64 / 1e9);
    for (name, [x, y]) in [("elapsed", elapsed), ("CPU time", all)] {
        let _ = writeln!(out, "{name:<10}{x:9.2} s →{y:9.2} s  {:>9}", change(x, y));
    }
    let mut changed: Vec<_> = rows
        .into_iter()
        .filter(|(_, [x, y])| {
            let error = 1.96 * (x.1 + y.1).sqrt();
            (y.0 - x.0).abs() > error.max(0.002 * all[0].max(all[1]))
        })
        .collect();
    changed.sort_by(|p, q| {
        let size = |[x, y]: &[(f64, f64); 2]| (y.0 - x.0).abs();
        size(&q.1).total_cmp(&size(&p.1)).then(p.0.cmp(&q.0))
    });
    let _ = writeln!(
        out,
        "\nCPU time in functions alone, where the difference is more than chance"
    );
    if changed.is_empty() {
        let _ = writeln!(out, "  none");
    }
    for ((name, file), [x, y]) in changed.into_iter().take(options.top) {
        let error = 1.96 * (x.1 + y.1).sqrt();
        let label = cut(&format!("{name} ({file})"), WIDTH - 54);
        let _ = writeln!(
            out,
            "{:+9.2} s ±{error:<6.2}{:>9}  {:8.2} s →{:8.2} s  {label}",
            y.0 - x.0,
            change(x.0, y.0),
            x.0,
            y.0,
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_cut_out() {
        let source = "x = (a +\n     b) * c\n";
        assert_eq!(expression(source, (1, 5, 2, 8)).as_deref(), Some("(a + b)"));
        assert_eq!(expression(source, (2, 11, 2, 12)).as_deref(), Some("c"));
        assert_eq!(expression(source, (9, 1, 9, 2)), None);
        assert_eq!(cut("größer", 4), "grö…");
    }
}
