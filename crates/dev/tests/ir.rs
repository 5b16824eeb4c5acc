//! Snapshots of TIR: each function of `tests/ir/*.py`, after the passes that the comments above it name.
//!
//! `# count: f8[:], i8` means: compiled for these types, show the program after the pass `count`.

mod common;

use ferdelance_dev::dump::{dump, stages};
use ferdelance_dev::signature;

#[test]
fn programs_after_passes() {
    common::each_file("ir", |file, shown| {
        for (index, function) in file.functions.iter().enumerate() {
            for (stage, types) in &function.directives {
                assert!(
                    stages().contains(&&**stage),
                    "no stage `{stage}`, for {}",
                    function.name
                );
                let args = signature::parse(types).unwrap();
                let text = dump(file, index, &args, stage, false, &mut vec![]);
                let text = text.unwrap_or_else(|diagnostic| {
                    panic!("{}: {}", function.name, diagnostic.render())
                });
                // Its callees have snapshots of their own where they matter; regions belong to it.
                let text = match &**stage {
                    "parallel" => &text,
                    _ => text.split("\n\nfn1 = ").next().unwrap_or_default(),
                };
                shown.push(format!(
                    "# {} after {stage}: {types}\n\n{}",
                    function.name,
                    text.trim_end()
                ));
            }
        }
    });
}
