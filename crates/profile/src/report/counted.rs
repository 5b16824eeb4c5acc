//! Calls and lines that were counted one by one.

use std::collections::BTreeMap;

use super::clean;
use super::lines::Sources;
use super::page::{Color, Page, count, cut};
use crate::calls::name;
use crate::labels;
use crate::model::*;

/// Lines of a function that are shown.
const MOST_LINES: u32 = 500;

/// A time of nanoseconds, with three digits.
pub fn span(nanoseconds: u64) -> String {
    let n = nanoseconds as f64;
    match nanoseconds {
        0..1_000 => format!("{nanoseconds} ns"),
        1_000..10_000 => format!("{:.2} µs", n / 1e3),
        10_000..100_000 => format!("{:.1} µs", n / 1e3),
        100_000..1_000_000 => format!("{:.0} µs", n / 1e3),
        1_000_000..10_000_000 => format!("{:.2} ms", n / 1e6),
        10_000_000..100_000_000 => format!("{:.1} ms", n / 1e6),
        100_000_000..1_000_000_000 => format!("{:.0} ms", n / 1e6),
        1_000_000_000..10_000_000_000 => format!("{:.2} s", n / 1e9),
        _ => format!("{:.1} s", n / 1e9),
    }
}

/// Whether a function is among those that are asked for.
pub(super) fn is_asked(functions: Option<&[FunctionId]>, id: FunctionId) -> bool {
    functions.is_none_or(|functions| functions.contains(&id))
}

/// Calls by function and signature.
pub fn calls(page: &mut Page, r: &Recording, functions: Option<&[FunctionId]>, top: usize) {
    let asked = r.calls.iter().filter(|c| is_asked(functions, c.function));
    let all: Vec<&Call> = asked.filter(|c| c.counted.calls > 0).collect();
    if all.is_empty() {
        return;
    }
    let own: u64 = all
        .iter()
        .map(|c| c.counted.own)
        .fold(0, u64::saturating_add);
    let number = all
        .iter()
        .map(|c| c.counted.calls)
        .fold(0, u64::saturating_add);
    page.heading(&format!(
        "Calls by function and arguments, by own time: {} calls, {}",
        count(number),
        span(own)
    ));
    page.line("        calls        own   each      total   function");
    for call in all.iter().take(top) {
        let c = call.counted;
        let function = &r.functions[call.function.index()];
        let calls = match c.primitive == c.calls {
            true => count(c.calls),
            false => format!("{}/{}", count(c.calls), count(c.primitive)),
        };
        let plain = format!(
            "{calls:>13} {:>10} {:>8} {:>9}   ",
            span(c.own),
            span(c.own / c.calls.max(1)),
            span(c.total),
        );
        let file = labels::base(r.texts.get(function.file));
        let place = match file {
            "" => String::new(),
            file => format!("  {file}:{}", function.line),
        };
        page.paragraph(&plain, &clean(&format!("{}{place}", name(r, call))));
    }
    if all.len() > top {
        page.line(&format!("  and {} more", count((all.len() - top) as u64)));
    }
    unstable(page, r, &all, top);
}

/// Functions that were called with many kinds of arguments.
fn unstable(page: &mut Page, r: &Recording, all: &[&Call], top: usize) {
    /// From so many on.
    const MANY: usize = 4;
    let mut by_function: BTreeMap<FunctionId, (usize, u64)> = BTreeMap::new();
    for call in all.iter().filter(|c| c.signature.is_some()) {
        let (signatures, own) = by_function.entry(call.function).or_default();
        *signatures += 1;
        *own = own.saturating_add(call.counted.own);
    }
    let mut many: Vec<_> = by_function
        .into_iter()
        .filter(|(_, (n, _))| *n >= MANY)
        .collect();
    if many.is_empty() {
        return;
    }
    many.sort_by_key(|&(function, (n, own))| (std::cmp::Reverse(own), n, function));
    page.heading("Functions called with many kinds of arguments");
    page.line("   kinds        own   function");
    for (function, (signatures, own)) in many.into_iter().take(top) {
        let function = &r.functions[function.index()];
        let text = clean(&labels::short_function(r, function)).into_owned();
        page.two(
            &format!("{signatures:>8} {:>10}   ", span(own)),
            Color::Bold,
            &text,
        );
    }
}

/// Lines with hits and time, beside their source.
pub fn lines(page: &mut Page, r: &Recording, functions: Option<&[FunctionId]>) {
    let sources = Sources::new(r);
    for lines in r.lines.chunk_by(|a, b| a.function == b.function) {
        if !is_asked(functions, lines[0].function) {
            continue;
        }
        let function = &r.functions[lines[0].function.index()];
        let all: u64 = lines.iter().map(|l| l.time).fold(0, u64::saturating_add);
        let label = clean(&labels::short_function(r, function)).into_owned();
        page.heading(&cut(
            &format!("Lines of {label}: {}", span(all)),
            super::WIDTH,
        ));
        page.line("    line         hits       time     each   share");
        let last = lines.iter().map(|l| l.line).max().unwrap_or(0);
        let first = lines.iter().map(|l| l.line).min().unwrap_or(0);
        let first = if function.line == 0 {
            first
        } else {
            first.min(function.line)
        };
        let mut left = lines.iter().peekable();
        for number in first..=last.min(first.saturating_add(MOST_LINES)) {
            let text = sources.line(function.file, number);
            let hit = left.next_if(|l| l.line == number);
            let text = clean(text.unwrap_or("")).into_owned();
            let plain = match hit {
                Some(l) => format!(
                    "{number:>8} {:>12} {:>10} {:>8} {:>5.1} %  ",
                    count(l.hits),
                    span(l.time),
                    span(l.time / l.hits.max(1)),
                    l.time as f64 / all.max(1) as f64 * 100.0,
                ),
                None if text.is_empty() => continue,
                None => format!("{number:>8} {:>41}", ""),
            };
            let is_hot = hit.is_some_and(|l| l.time > all / 5);
            match is_hot {
                true => page.two(&plain, Color::Red, &text),
                false => page.line(&format!("{plain}{text}")),
            }
        }
    }
}

/// What changed from one recording to another, of what both counted: calls or lines.
pub fn changes(page: &mut Page, both: [&Recording; 2], lines: bool, top: usize) {
    // By name: number, time.
    let mut rows: BTreeMap<(String, String), [(u64, u64); 2]> = BTreeMap::new();
    for (side, r) in both.into_iter().enumerate() {
        let mut add = |place: TextId, name: String, number: u64, time: u64| {
            let key = (labels::base(r.texts.get(place)).to_owned(), name);
            let sums = &mut rows.entry(key).or_default()[side];
            sums.0 = sums.0.saturating_add(number);
            sums.1 = sums.1.saturating_add(time);
        };
        if lines {
            let sources = Sources::new(r);
            for l in &r.lines {
                let function = &r.functions[l.function.index()];
                let text = sources.line(function.file, l.line).map(str::trim);
                let place = l.line.saturating_sub(function.line);
                let text = text.map_or_else(|| format!("line {place}"), str::to_owned);
                let name = format!("{}: {text}", labels::name(r, function));
                add(function.file, name, l.hits, l.time);
            }
        } else {
            for call in &r.calls {
                let function = &r.functions[call.function.index()];
                let counted = call.counted;
                add(function.file, name(r, call), counted.calls, counted.own);
            }
        }
    }
    if rows.is_empty() {
        return;
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    let is_same = |row: &[(u64, u64); 2]| row[0].0 == row[1].0;
    rows.sort_by_key(|(_, row)| (is_same(row), std::cmp::Reverse(row[0].1.abs_diff(row[1].1))));
    let (what, time) = match lines {
        true => ("Lines: hits", "time"),
        false => ("Calls: number", "own time"),
    };
    page.heading(&format!(
        "{what} and {time}, before and after; other numbers first"
    ));
    for ((file, name), [(n, t), (m, u)]) in rows.iter().take(top) {
        let plain = format!(
            "{:>11} {:>11} {:>10} {:>10}   ",
            count(*n),
            count(*m),
            span(*t),
            span(*u)
        );
        page.paragraph(&plain, &clean(&format!("{name}  {file}")));
    }
    let rest = rows.len().saturating_sub(top);
    if rest > 0 {
        page.line(&format!("  and {} more", count(rest as u64)));
    }
}

/// Said where a tree is asked for.
pub fn no_tree(page: &mut Page) {
    page.heading("No tree of calls");
    page.line(
        "Calls were counted by caller, which makes no tree; fdl record samples whole stacks.",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        let spans = [7, 1_234, 56_780, 987_600, 1_234_567, 2_000_000_000].map(span);
        assert_eq!(
            spans,
            ["7 ns", "1.23 µs", "56.8 µs", "988 µs", "1.23 ms", "2.00 s"]
        );
    }
}
