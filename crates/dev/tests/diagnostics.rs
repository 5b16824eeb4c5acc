//! Snapshots of diagnostics: every function of `tests/diagnostics/*.py` is refused for the types in
//! the comment above it, `# error: f8[:], i8`.

mod common;

use ferdelance_abi::codes::Code;
use ferdelance_dev::dump::dump;
use ferdelance_dev::signature;

#[test]
fn refusals() {
    common::each_file("diagnostics", |file, shown| {
        for (index, function) in file.functions.iter().enumerate() {
            for (_, types) in function.directives.iter().filter(|(key, _)| key == "error") {
                let args = signature::parse(types).unwrap();
                let result = dump(file, index, &args, "lower", false, &mut vec![]);
                let Err(diagnostic) = result else {
                    panic!("`{}` was accepted", function.name)
                };
                assert_ne!(
                    diagnostic.code,
                    Code::Internal,
                    "{}: {}",
                    function.name,
                    diagnostic.render()
                );
                shown.push(diagnostic.render());
            }
        }
    });
}
