//! What became of a function, line by line, made when somebody asks.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ferdelance_abi::settings::{Options, Parallel};
use ferdelance_compiler::hir;
use ferdelance_compiler::pipeline::Report;
use ferdelance_compiler::source::Source;
use ferdelance_compiler::tir::Program;
use ferdelance_jit::Vectorised;

/// A line with remarks.
struct Line {
    function: String,
    source: String,
    /// Topics and texts.
    remarks: Vec<(&'static str, String)>,
}

/// Remarks by file and line, as a JSON array of objects; `python/ferdelance/_explain.py` shows
/// them.
pub fn explain(
    report: &Report,
    vectorised: &[Vectorised],
    module: &hir::Module,
    program: &Program,
    options: Options,
) -> String {
    let mut lines: BTreeMap<(String, u32), Line> = BTreeMap::new();
    let mut add = |source: &Source, function: &str, line: u32, topic, text| {
        let at = (source.file.to_string(), line);
        let line = lines.entry(at).or_insert_with(|| Line {
            function: function.to_owned(),
            source: source.line(line).unwrap_or("").trim().to_owned(),
            remarks: vec![],
        });
        line.remarks.push((topic, text));
    };
    for r in report.remarks() {
        add(&r.source, &r.function, r.line, r.topic.name(), r.text);
    }
    for function in &module.functions {
        for vectors in vectorised.iter().filter(|v| *v.function == *function.name) {
            let text = format!("{} {} at a time", vectors.items, numpy_name(&vectors.item));
            add(&module.source, &function.name, vectors.line, "vector", text);
        }
        if !options.parallel.has(Parallel::PRANGE) {
            for line in parallel_loops(function, module) {
                let text = "the loop runs on the calling thread: parallel=True was not given";
                add(
                    &module.source,
                    &function.name,
                    line,
                    "parallel",
                    text.to_owned(),
                );
            }
        }
    }
    let mut said: Vec<(&str, u32, String)> = vec![];
    for l in &program.parallel {
        let text = match (&l.refused, l.asked) {
            (None, true) => "the rounds of the loop run in parallel".to_owned(),
            (None, false) => "in parallel, if there is enough to do".to_owned(),
            (Some(why), true) => format!("the loop runs in order, on one thread: {why}"),
            (Some(why), false) => format!("on one thread: {why}"),
        };
        // Versions of one loop.
        let remark = (&*l.loc.source.file, l.loc.line, text);
        if !said.contains(&remark) {
            let text = remark.2.clone();
            add(&l.loc.source, &l.loc.function, l.loc.line, "parallel", text);
            said.push(remark);
        }
    }
    let mut out = String::from("[");
    for (i, ((file, number), line)) in lines.iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        let remarks: Vec<String> = line
            .remarks
            .iter()
            .map(|(topic, text)| {
                format!("{{\"topic\": {}, \"text\": {}}}", json(topic), json(text))
            })
            .collect();
        let _ = write!(
            out,
            "{comma}{{\"file\": {}, \"function\": {}, \"line\": {number}, \"source\": {}, \"remarks\": [{}]}}",
            json(file),
            json(&line.function),
            json(&line.source),
            remarks.join(", ")
        );
    }
    out.push(']');
    out
}

/// LLVM's type of an item as NumPy calls it.
fn numpy_name(llvm: &str) -> String {
    match llvm {
        "double" => "float64".to_owned(),
        "float" => "float32".to_owned(),
        integer => integer.replacen('i', "int", 1),
    }
}

fn json(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        let _ = match c {
            '"' | '\\' => write!(out, "\\{c}"),
            c if u32::from(c) < 0x20 => write!(out, "\\u{:04x}", u32::from(c)),
            c => write!(out, "{c}"),
        };
    }
    out.push('"');
    out
}

/// The lines where a function mentions `prange`.
fn parallel_loops(function: &hir::Function, module: &hir::Module) -> Vec<u32> {
    let insts = function.blocks.iter().flat_map(|block| &block.insts);
    let named = insts.filter(|inst| {
        matches!(
            &inst.op,
            hir::Op::Global(name) | hir::Op::Free(name) | hir::Op::GetAttr(_, name) if &**name == "prange"
        )
    });
    named
        .map(|inst| module.source.position(inst.span.start).0)
        .collect()
}
