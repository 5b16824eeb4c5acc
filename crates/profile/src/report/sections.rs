//! The parts of a report.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::amounts::{Amounts, counts, pythons, waits};
use super::lines::{Line, Sources, is_path};
use super::page::{Color, Page, WIDTH, bar, count, cut, error, share, time};
use super::usage::{Usage, elapsed};
use super::view::{Hot, Row, View, label, owners};
use super::{Selection, clean};
use crate::labels;
use crate::model::*;
use crate::tree::Weight;

/// What of a row's own time is broken down further: parts of at least this share, and not more.
pub(super) const PART: f64 = 0.05;
pub(super) const PARTS: usize = 5;
/// From fewer samples nothing is broken down.
pub(super) const FEW: u64 = 16;
/// Rows of a smaller share are left out, one of so many.
pub(super) const SMALL: u64 = 300;

pub fn summary(page: &mut Page, recording: &Recording, selection: &Selection, amounts: &Amounts) {
    let r = recording;
    let meta = &r.meta;
    let command = clean(&meta.command.join(" ")).into_owned();
    page.heading(&cut(
        if command.is_empty() {
            "A recording"
        } else {
            &command
        },
        WIDTH,
    ));
    let mut row = |name: &str, text: &str| {
        if !text.is_empty() {
            page.paragraph(&format!("  {name:<12}"), &clean(text));
        }
    };
    let elapsed = elapsed(r);
    let exit = match meta.exit_status {
        None | Some(0) => String::new(),
        Some(status) => format!(", exit status {status}"),
    };
    row("Elapsed", &format!("{}{exit}", time(elapsed / 1000)));
    let (user, kernel) = (amounts.user, amounts.kernel);
    let plural = |n: usize, what: &str, many: &str| {
        format!("{} {}", count(n as u64), if n == 1 { what } else { many })
    };
    row(
        "CPU time",
        &format!(
            "{}: user {}, kernel {}; {}, {}",
            time(user + kernel),
            time(user),
            time(kernel),
            plural(r.processes.len(), "process", "processes"),
            plural(r.threads.len(), "thread", "threads"),
        ),
    );
    if !selection.is_all() {
        let of = share(amounts.shown, amounts.cpu());
        row(
            "Shown",
            &format!("{} of it, {of}: what was asked for", time(amounts.shown)),
        );
    }
    let held = amounts.held;
    if held > 0 {
        let of = match r.processes.len() {
            1 => format!(" ({} of the time)", share(held, elapsed / 1000)),
            _ => String::new(),
        };
        let waited = match amounts.waited_for_gil {
            0 => String::new(),
            waited => format!("; threads waited {} for it", time(waited)),
        };
        row(
            "GIL",
            &format!("held by running code {}{of}{waited}", time(held)),
        );
    }
    let queued = amounts.queued;
    if queued * 100 > amounts.cpu() {
        let text = format!(
            "threads were ready to run but had no CPU for {}",
            time(queued)
        );
        row("Queued", &text);
    }
    let machine = [&meta.host, &meta.cpu, &meta.system];
    let machine: Vec<&str> = machine
        .into_iter()
        .map(|t| &**t)
        .filter(|t| !t.is_empty())
        .collect();
    row("Machine", &machine.join(", "));
    row("Python", &pythons(r).join(", "));
}

pub fn usage(page: &mut Page, usage: &Usage) {
    if usage.elapsed <= 0.0 {
        return;
    }
    page.heading("CPU use: time by number of CPUs that were busy");
    let target = usage.target.round() as usize;
    let last = usage.by_cpus.len().saturating_sub(1).max(target);
    // No more than so many rows: several numbers in one where there are many CPUs.
    let step = last.div_ceil(16).max(1);
    let mut rows = vec![(0, 0, usage.by_cpus.first().copied().unwrap_or(0.0))];
    for first in (1..=last).step_by(step) {
        let end = (first + step - 1).min(last);
        let times = usage.by_cpus.iter().skip(first).take(end + 1 - first);
        rows.push((first, end, times.sum()));
    }
    let most = rows.iter().map(|row| row.2).fold(0.0, f64::max);
    for (first, end, seconds) in rows {
        let name = match first == end {
            true => first.to_string(),
            false => format!("{first}-{end}"),
        };
        let part = seconds / usage.elapsed;
        let micros = (seconds * 1e6).round() as u64;
        let plain = format!(
            "{name:>7}  {:>8}  {:>6}  ",
            time(micros),
            share(micros, (usage.elapsed * 1e6) as u64)
        );
        let of_target = (first + end) as f64 / 2.0 / usage.target.max(1.0);
        let (color, word) = match () {
            () if first == 0 => (Color::Dim, "idle"),
            () if target > 0 && first > target => (Color::Blue, "more than there are"),
            () if of_target > 0.85 => (Color::Green, "ideal"),
            () if of_target > 0.5 => (Color::Yellow, "ok"),
            () => (Color::Red, "poor"),
        };
        let word = if part >= 0.01 && usage.target > 0.0 {
            word
        } else {
            ""
        };
        let mark = match target > 0 && (first..=end).contains(&target) {
            true if word.is_empty() => "◀ target",
            true => ", ◀ target",
            false => "",
        };
        let bar = bar(seconds / most.max(1e-9), 40);
        page.two(&plain, color, format!("{bar} {word}{mark}").trim_end());
    }
    let target = match usage.target > 0.0 {
        true => format!(" of {} CPUs ({})", number(usage.target), {
            share((usage.average * 1e6) as u64, (usage.target * 1e6) as u64)
        }),
        false => String::new(),
    };
    page.line(&format!("  average: {:.2}{target}", usage.average));
}

fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// The start of a row: own and total time.
fn two_times(own: Weight, total: Weight, all: Weight) -> String {
    let (own_share, total_share) = (share(own.cpu, all.cpu), share(total.cpu, all.cpu));
    format!(
        "{:>8} {own_share:>6} {:>5}  {:>8} {total_share:>6}  ",
        time(own.cpu),
        error(own, all),
        time(total.cpu),
    )
}

const TWO_TIMES: &str = "    self                    total";

/// Where the breakdown of a row begins.
pub(super) const INDENT: usize = 42;

fn part(page: &mut Page, weight: Weight, of: Weight, text: &str) {
    let plain = format!("{:INDENT$}{:>6}  ", "", share(weight.cpu, of.cpu));
    page.two(&plain, Color::Dim, text);
}

pub fn functions(
    page: &mut Page,
    recording: &Recording,
    selection: &Selection,
    view: &View,
    top: usize,
) {
    let all = view.tree.total;
    page.heading(
        "Hot functions: CPU time in them and the native code they call, and with all they call",
    );
    page.line(TWO_TIMES);
    let hot = view.hot();
    let is_small = |h: &Hot| h.own.cpu * SMALL < all.cpu;
    let shown = hot.iter().take(top).take_while(|h| !is_small(h)).count();
    let signatures = signatures(recording, selection, &hot[..shown]);
    for hot in &hot[..shown] {
        let plain = two_times(hot.own, hot.total, all);
        page.two(&plain, Color::Bold, &view.label(recording, hot.row));
        operations_of(page, recording, view, hot);
        if let Row::Function(id) = hot.row
            && let Some((signature, weight, of)) = signatures.get(&id)
        {
            let text = arguments(recording, *signature);
            let part = match weight.cpu < of.cpu {
                true => format!(" ({} of the time)", share(weight.cpu, of.cpu)),
                false => String::new(),
            };
            let room = WIDTH - 15 - part.chars().count();
            page.two(
                &format!("{:>15}", "with "),
                Color::Dim,
                &format!("{}{part}", cut(&text, room)),
            );
        }
    }
    let left = hot[shown..].iter().map(|h| h.own.cpu).sum::<u64>();
    if left > 0 {
        let functions = count((hot.len() - shown) as u64);
        let plain = format!("{:>8} {:>6}", time(left), share(left, all.cpu));
        page.line(&format!("{plain}  {:25}in {functions} other functions", ""));
    }
}

/// What of a function's own time native code did.
fn operations_of(page: &mut Page, recording: &Recording, view: &View, hot: &Hot) {
    let in_native: u64 = hot.operations.iter().map(|(_, w)| w.cpu).sum();
    let python = Weight {
        cpu: hot.own.cpu.saturating_sub(in_native),
        ..Weight::default()
    };
    let mut rows: Vec<(Weight, &str)> = hot
        .operations
        .iter()
        .map(|&(operation, weight)| (weight, &*view.operations[operation]))
        .collect();
    if rows.is_empty() || hot.own.samples < FEW {
        return;
    }
    let is_compiled = matches!(hot.row, Row::Function(id)
        if recording.functions[id.index()].kind == Kind::Compiled);
    rows.push(match is_compiled {
        true => (python, "compiled code itself"),
        false => (python, "Python itself"),
    });
    rows.sort_by_key(|(weight, _)| Reverse(weight.cpu));
    let is_part = |weight: Weight| weight.cpu as f64 >= PART * hot.own.cpu as f64;
    for (weight, text) in rows.into_iter().filter(|r| is_part(r.0)).take(PARTS) {
        part(page, weight, hot.own, text);
    }
}

/// Of functions, the types of arguments that took most time, their weight, and that of all.
fn signatures(
    recording: &Recording,
    selection: &Selection,
    hot: &[Hot],
) -> HashMap<FunctionId, (SignatureId, Weight, Weight)> {
    let is_meant = |id| hot.iter().any(|h| h.row == Row::Function(id));
    let mut most: HashMap<FunctionId, (SignatureId, Weight, Weight)> = HashMap::new();
    for ((function, signature), weight) in types(recording, selection) {
        if !is_meant(function) {
            continue;
        }
        let (best, its, all) =
            most.entry(function)
                .or_insert((signature, weight, Weight::default()));
        *all += weight;
        if weight.cpu > its.cpu {
            (*best, *its) = (signature, weight);
        }
    }
    most.retain(|_, (signature, ..)| !recording.signatures[signature.index()].arguments.is_empty());
    most
}

/// The CPU time of functions by the types of their arguments.
pub fn types(
    recording: &Recording,
    selection: &Selection,
) -> BTreeMap<(FunctionId, SignatureId), Weight> {
    let owners = owners(recording);
    let mut weights: BTreeMap<(FunctionId, SignatureId), Weight> = BTreeMap::new();
    for sample in selection.running(recording) {
        if let (Some(stack), Some(signature)) = (sample.stack, sample.signature)
            && let Some(function) = owners[stack.index()]
            // Compiled functions get other values, of which nothing is known here.
            && recording.functions[function.index()].kind == Kind::Python
        {
            *weights.entry((function, signature)).or_default() += Weight::of(sample);
        }
    }
    weights
}

/// The types of arguments in words.
pub(super) fn arguments(recording: &Recording, signature: SignatureId) -> String {
    let arguments = &recording.signatures[signature.index()].arguments;
    let arguments = arguments.iter().map(|&(name, ty)| {
        let (name, ty) = (recording.texts.get(name), recording.texts.get(ty));
        match name {
            "" => ty.to_owned(),
            name => format!("{name}: {ty}"),
        }
    });
    clean(&arguments.collect::<Vec<_>>().join(", ")).into_owned()
}

pub fn operations(page: &mut Page, view: &View, top: usize) {
    let all = view.tree.total;
    let operations = view.hot_operations();
    if operations.is_empty() {
        return;
    }
    page.heading("Native code: CPU time by what it does, wherever it was called");
    let is_small = |&(_, weight): &(usize, Weight)| weight.cpu * SMALL < all.cpu;
    let shown = operations
        .iter()
        .take(top)
        .take_while(|o| !is_small(o))
        .count();
    for &(operation, weight) in &operations[..shown] {
        let plain = format!(
            "{:>8} {:>6} {:>5}  ",
            time(weight.cpu),
            share(weight.cpu, all.cpu),
            error(weight, all)
        );
        page.two(&plain, Color::Bold, &view.operations[operation]);
    }
    let left: u64 = operations[shown..].iter().map(|(_, w)| w.cpu).sum();
    if left > 0 {
        page.line(&format!(
            "{:>8} {:>6}        other",
            time(left),
            share(left, all.cpu)
        ));
    }
}

pub fn lines(page: &mut Page, recording: &Recording, lines: &[Line], cpu: u64, top: usize) {
    let r = recording;
    if lines.is_empty() {
        return;
    }
    let sources = Sources::new(r);
    let all = Weight {
        samples: lines.iter().map(|l| l.own.samples).sum(),
        cpu,
        wait: 0,
    };
    page.heading(
        "Hot lines: CPU time in them and in library code they call, and with all they call",
    );
    page.line(TWO_TIMES);
    let is_small = |l: &Line| l.own.cpu * SMALL < cpu;
    for line in lines.iter().take(top).take_while(|l| !is_small(l)) {
        let function = &r.functions[line.function.index()];
        let file = labels::base(r.texts.get(line.file));
        let name = labels::name(r, function);
        let place = format!("{file}:{}  {name}", line.line);
        page.two(
            &two_times(line.own, line.total, all),
            Color::Bold,
            &clean(&place),
        );
        let text = sources.line(line.file, line.line).map(str::trim);
        if let Some(text) = text.filter(|t| !t.is_empty()) {
            page.line(&format!("{:INDENT$}{}", "", clean(text)));
        }
        expressions(page, &sources, line);
    }
}

/// The expressions in a line, if there are several of weight.
fn expressions(page: &mut Page, sources: &Sources, line: &Line) {
    let known = line
        .spans
        .iter()
        .filter(|(span, _)| span.column > 0 && span.end_column > 0);
    let heavy: Vec<_> = known
        .filter(|(_, weight)| weight.cpu as f64 >= PART / 2.0 * line.own.cpu as f64)
        .take(2 * PARTS)
        .collect();
    if line.spans.len() < 2 || line.own.samples < FEW {
        return;
    }
    let spans: Vec<_> = heavy.iter().map(|(span, _)| *span).collect();
    for (span, weight) in heavy {
        let text = match sources.expression(line, *span, &spans) {
            // To fetch a name takes little, and says little.
            Some(text) if is_path(&text) && weight.cpu * 8 < line.own.cpu => continue,
            Some(text) => clean(&text).into_owned(),
            None => format!("columns {} to {}", span.column, span.end_column),
        };
        part(page, *weight, line.own, &text);
    }
}

/// Where threads waited.
pub fn waiting(page: &mut Page, recording: &Recording, selection: &Selection) {
    let r = recording;
    let mut waits = waits(r, selection);
    let elapsed = elapsed(r) / 1000;
    waits.retain(|w| w.time * 50 >= elapsed);
    if waits.is_empty() {
        return;
    }
    page.heading("Waiting: time of threads that were not on a CPU");
    for wait in waits.into_iter().take(5) {
        let place = match wait.function {
            Some(id) => format!("in {}", label(r, id)),
            None => "outside of Python functions".to_owned(),
        };
        let what = if wait.for_gil { "for the GIL, " } else { "" };
        let thread = labels::thread(r, wait.thread);
        page.line(&clean(&format!(
            "{:>8}  {what}{place}, thread {thread}",
            time(wait.time)
        )));
    }
}

fn before_numbers(text: &str) -> &str {
    text.split(|c: char| c.is_ascii_digit())
        .next()
        .unwrap_or(text)
}

/// The processes that took most CPU time, if there are several.
pub fn processes(page: &mut Page, recording: &Recording, top: usize) {
    let r = recording;
    if r.processes.len() < 2 {
        return;
    }
    let cpu = |p: &Process| p.user + p.kernel;
    let all = r.processes.iter().map(cpu).sum();
    let mut processes: Vec<&Process> = r.processes.iter().collect();
    processes.sort_by_key(|p| (Reverse(cpu(p)), p.start));
    page.heading("Processes");
    page.line("CPU time           start       end      pid");
    for p in processes.iter().take(top) {
        let command = clean(r.texts.get(p.command));
        let text = format!(
            "{:>8} {:>6} {:>9} {:>9} {:>8}  {command}",
            time(cpu(p)),
            share(cpu(p), all),
            time(p.start / 1000),
            time(p.end / 1000),
            p.pid,
        );
        page.line(&text);
    }
    if processes.len() > top {
        let left = &processes[top..];
        let of_them = left.iter().map(|p| cpu(p)).sum();
        let plain = format!("{:>8} {:>6}", time(of_them), share(of_them, all));
        page.line(&format!(
            "{plain}  in {} other processes",
            count(left.len() as u64)
        ));
    }
}

/// The threads that took most CPU time, if there are several.
pub fn threads(page: &mut Page, recording: &Recording, selection: &Selection, top: usize) {
    let r = recording;
    let cpu = |t: &Thread| t.user + t.kernel;
    let meant = (0..r.threads.len() as u32).filter(|&i| selection.threads[i as usize]);
    let mut threads: Vec<(u32, &Thread)> = meant.map(|i| (i, &r.threads[i as usize])).collect();
    if threads.len() < 2 {
        return;
    }
    let all = threads.iter().map(|(_, t)| cpu(t)).sum();
    let has_processes = r.processes.len() > 1;
    threads.sort_by_key(|(_, t)| (Reverse(cpu(t)), t.start));
    threads.retain(|(_, t)| cpu(t) > 0);
    page.heading("Threads");
    page.line("CPU time           start       end     busy");
    for &(i, t) in threads.iter().take(top) {
        let name = labels::thread(r, ThreadId(i));
        let process = match has_processes {
            true => format!(", {}", labels::process(r, t.process)),
            false => String::new(),
        };
        let text = format!(
            "{:>8} {:>6} {:>9} {:>9} {:>8}  {}{process}",
            time(cpu(t)),
            share(cpu(t), all),
            time(t.start / 1000),
            time(t.end / 1000),
            share(cpu(t), t.end.saturating_sub(t.start) / 1000),
            clean(&name),
        );
        page.line(&text);
    }
    if threads.len() > top {
        let of_them = threads[top..].iter().map(|(_, t)| cpu(t)).sum();
        let plain = format!("{:>8} {:>6}", time(of_them), share(of_them, all));
        let left = count((threads.len() - top) as u64);
        page.line(&format!("{plain}  in {left} other threads"));
    }
}

/// How well the recording went.
pub fn collection(
    page: &mut Page,
    recording: &Recording,
    selection: &Selection,
    amounts: &Amounts,
) {
    let r = recording;
    page.heading("How it was recorded");
    let counts = counts(r);
    let (all, taken) = (amounts.cpu(), counts.taken);
    let mut text = format!("{} samples", count(taken));
    if all > 0 {
        let rate = taken as f64 * 1e6 / all as f64;
        text += &format!(", {rate:.0} for each second of CPU time");
    }
    if r.meta.rate > 0.0 {
        text += &format!(" ({:.0} asked for)", r.meta.rate);
    }
    let mut bad = vec![];
    for (number, what) in [
        (counts.lost, "lost as there was no room"),
        (counts.abandoned, "given up as memory changed"),
        (
            counts.unplaced,
            "with Python frames that could not be placed",
        ),
        (counts.cut, "with stacks cut off"),
    ] {
        if number > 0 {
            bad.push(format!(
                "{} {what} ({})",
                count(number),
                share(number, taken)
            ));
        }
    }
    text += &match bad.is_empty() {
        true => "; none lost".to_owned(),
        false => format!("; {}", bad.join(", ")),
    };
    let cost = counts.cost / 1000;
    if all > 0 && cost > 0 {
        text += &format!(
            "; taking them took {} ({} of CPU time)",
            time(cost),
            share(cost, all)
        );
    }
    page.paragraph("  ", &format!("{text}."));
    if let Some(left @ 1..) = amounts.not_sampled(selection) {
        let part = share(left, all);
        let text = format!(
            "Not sampled: {} ({part} of CPU time), which is in no table.",
            time(left)
        );
        page.paragraph("  ", &text);
    }
    for process in r
        .processes
        .iter()
        .filter(|p| p.reason != TextId::EMPTY)
        .take(10)
    {
        let (command, reason) = (r.texts.get(process.command), r.texts.get(process.reason));
        let used = time(process.user + process.kernel);
        let text = format!(
            "Process {} ({command}) was not recorded: {reason}; it used {used}.",
            process.pid
        );
        page.paragraph("  ", &clean(&text));
    }
    said(page, r);
}

/// How counting went: there are no samples.
pub fn log(page: &mut Page, r: &Recording) {
    let missing = r.processes.iter().filter(|p| p.reason != TextId::EMPTY);
    if r.log.is_empty() && missing.clone().next().is_none() {
        return;
    }
    page.heading("How it was counted");
    for process in missing.take(10) {
        let (command, reason) = (r.texts.get(process.command), r.texts.get(process.reason));
        let text = format!("Process {} ({command}) is missing: {reason}.", process.pid);
        page.paragraph("  ", &clean(&text));
    }
    said(page, r);
}

/// What the log says.
fn said(page: &mut Page, r: &Recording) {
    // Many processes say the same, but for numbers in it.
    let mut said: Vec<(&str, u64)> = vec![];
    for line in &r.log {
        let text = r.texts.get(line.text);
        match said
            .iter()
            .position(|(t, _)| before_numbers(t) == before_numbers(text))
        {
            Some(at) => said[at].1 += 1,
            None if said.len() < 100 => said.push((text, 1)),
            None => {}
        }
    }
    for (text, times) in said.iter().take(10) {
        let times = match times {
            1 => String::new(),
            times => format!(" (and {} like it)", times - 1),
        };
        page.paragraph("  ", &clean(&format!("{text}{times}")));
    }
    if said.len() > 10 {
        page.line(&format!("  and {} more lines in the log", said.len() - 10));
    }
}
