//! What holds for the repository as a whole: who may depend on whom, what is documented, what may not
//! be written anywhere. ARCHITECTURE.md is read, not repeated, where it says so.

use std::fs;
use std::path::{Path, PathBuf};

use ferdelance_abi::codes::Code;
use ferdelance_compiler::pipeline::PASSES;

/// Longer files are two things.
const MOST_LINES: usize = 1200;

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the repository is there")
}

/// Files below a folder of the repository with one of these endings, in order. What is built or copied
/// from elsewhere is left out.
fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    fn walk(folder: &Path, endings: &[&str], out: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let foreign = ["conformance", "dist", "out", "_build", "__pycache__"].contains(&&*name);
            if path.is_dir() && !foreign && !name.starts_with('.') && !name.starts_with("target") {
                walk(&path, endings, out);
            } else if path.is_file() && endings.iter().any(|e| name.ends_with(e)) {
                out.push(path);
            }
        }
    }
    let mut out = vec![];
    walk(&root().join(folder), endings, &mut out);
    out.sort();
    assert!(!out.is_empty(), "{folder} has no {endings:?}");
    out
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The path as seen from the repository.
fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

fn assert_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

/// Lines with any of these words, outside of some folders.
fn lines_with(paths: &[PathBuf], words: &[&str], allowed: &[&str]) -> Vec<String> {
    let mut found = vec![];
    for path in paths
        .iter()
        .filter(|path| !allowed.iter().any(|a| shown(path).starts_with(a)))
    {
        for (number, line) in (1..).zip(read(path).lines()) {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{number}: {}", shown(path), line.trim()));
            }
        }
    }
    found
}

fn crates() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// `a → b, c` in ARCHITECTURE.md: which of our crates a crate may depend on.
fn allowed_dependencies(name: &str) -> Vec<String> {
    let text = read("ARCHITECTURE.md");
    let (_, block) = text
        .split_once("Allowed dependencies")
        .expect("it says what is allowed");
    let block = block.split("```").nth(1).expect("as a block of code");
    // Entries are apart by two spaces or more.
    let entries = block
        .lines()
        .flat_map(|line| line.split("  "))
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    let rules: Vec<(&str, &str)> = entries
        .filter_map(|entry| entry.split_once(" → "))
        .collect();
    assert!(rules.len() >= 5, "{rules:?}");
    let rule = rules.iter().find(|(from, _)| *from == name);
    rule.map(|(_, to)| to.split(", ").map(str::to_owned).collect())
        .unwrap_or_default()
}

#[test]
fn crates_depend_on_what_the_architecture_allows() {
    let mut found = vec![];
    for name in crates() {
        let allowed = allowed_dependencies(&name);
        let manifest = read(format!("crates/{name}/Cargo.toml"));
        for line in manifest
            .lines()
            .filter_map(|line| line.strip_prefix("ferdelance-"))
        {
            let used = line.split(['.', ' ', '=']).next().unwrap_or(line);
            if !allowed.iter().any(|a| a == used) {
                found.push(format!("{name} → {used}"));
            }
        }
    }
    assert_none("not allowed by ARCHITECTURE.md", &found);
}

#[test]
fn foreign_crates_are_named_in_one_place() {
    let code = files("crates", &[".rs", ".toml"]);
    let here = "crates/dev/tests/tidy.rs";
    let places: [(&[&str], &[&str]); 4] = [
        (
            &["ruff_python", "ruff_text"],
            &[
                "crates/compiler/src/syntax",
                "crates/compiler/Cargo.toml",
                here,
            ],
        ),
        // The build script of the extension module links what LLVM needs.
        (
            &["inkwell", "llvm_sys", "llvm-sys"],
            &["crates/jit/", "crates/python/build.rs", here],
        ),
        (&["pyo3"], &["crates/python/", here]),
        (
            &["gimli", "use object::"],
            &[
                "crates/jit/",
                "crates/agent/src/cfi.rs",
                "crates/agent/Cargo.toml",
                "crates/profile/src/",
                "crates/profile/Cargo.toml",
                here,
            ],
        ),
    ];
    for (words, allowed) in places {
        assert_none(
            "named outside of its place",
            &lines_with(&code, words, allowed),
        );
    }
}

#[test]
fn the_compiler_is_pure() {
    let words = [
        "std::fs",
        "std::env",
        "std::thread",
        "std::net",
        "std::process",
        "SystemTime",
        "Instant::now",
        "unsafe {",
        "unsafe fn",
    ];
    assert_none(
        "not pure",
        &lines_with(&files("crates/compiler/src", &[".rs"]), &words, &[]),
    );
}

#[test]
fn every_code_has_a_page() {
    let index = read("docs/errors/index.md");
    let pages = Code::ALL.iter().map(|code| code.name());
    let found: Vec<String> = pages
        .filter(|name| {
            !root().join(format!("docs/errors/{name}.md")).exists()
                || !index.contains(&format!("({name}.md)"))
        })
        .map(str::to_owned)
        .collect();
    assert_none("no page docs/errors/CODE.md, or not in its index", &found);
    let summaries: Vec<String> = Code::ALL
        .iter()
        .filter(|code| !code.summary().ends_with('.'))
        .map(|code| code.name().to_owned())
        .collect();
    assert_none("no sentence about it in abi::codes", &summaries);
}

#[test]
fn the_architecture_mentions_every_part() {
    let text = read("ARCHITECTURE.md");
    let crates = crates().into_iter().map(|name| format!("crates/{name}"));
    let packages = fs::read_dir(root().join("python/ferdelance"))
        .unwrap()
        .map(|e| e.unwrap().path());
    let packages = packages.filter(|path| path.join("__init__.py").exists());
    let packages = packages.map(|path| {
        format!(
            "`{}`",
            path.file_name().unwrap_or_default().to_string_lossy()
        )
    });
    let mut found: Vec<String> = crates
        .chain(packages)
        .filter(|part| !text.contains(part))
        .collect();
    found.sort();
    assert_none("not in ARCHITECTURE.md", &found);
}

#[test]
fn the_architecture_mentions_every_pass() {
    let text = read("ARCHITECTURE.md");
    let rows: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split('|').next())
        .collect();
    let is_word = |row: &str, name: &str| row.split([',', ' ']).any(|word| word == name);
    let unknown = PASSES
        .iter()
        .filter(|pass| !rows.iter().any(|row| is_word(row, pass.name)));
    assert_none(
        "no row in the table of stages",
        &unknown.map(|pass| pass.name.to_owned()).collect::<Vec<_>>(),
    );
    for pass in PASSES {
        assert!(!pass.doc.is_empty(), "`{}` has no description", pass.name);
    }
}

#[test]
fn no_file_is_too_long() {
    let mut code = files("crates", &[".rs"]);
    for folder in ["python", "scripts", "fuzz", "benchmarks", "examples"] {
        code.extend(files(folder, &[".py"]));
    }
    let long: Vec<String> = code
        .iter()
        .map(|path| (path, read(path).lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(path, lines)| format!("{}: {lines} lines", shown(path)))
        .collect();
    assert_none("longer than a file should be", &long);
}

#[test]
fn nothing_is_left_for_later() {
    let mut code = files("crates", &[".rs"]);
    for folder in [
        "python",
        "scripts",
        "fuzz",
        "benchmarks",
        "examples",
        "tests",
    ] {
        code.extend(files(folder, &[".py"]));
    }
    let words = [
        "TODO",
        "FIXME",
        "XXX",
        "dbg!(",
        "todo!(",
        "unimplemented!(",
        "breakpoint()",
    ];
    assert_none(
        "left for later",
        &lines_with(&code, &words, &["crates/dev/tests/tidy.rs"]),
    );
}

#[test]
fn links_of_the_documentation_resolve() {
    let mut found = vec![];
    for path in files("", &[".md"]) {
        let text = read(&path);
        // Inside code, brackets and parentheses are no links.
        let prose: String = text.split("```").step_by(2).collect();
        for rest in prose.split("](").skip(1) {
            let Some((target, _)) = rest.split_once(')') else {
                continue;
            };
            let file = target.split('#').next().unwrap_or(target);
            let elsewhere =
                target.contains("://") || target.starts_with("mailto:") || file.is_empty();
            if !elsewhere
                && !path
                    .parent()
                    .is_some_and(|folder| folder.join(file).exists())
            {
                found.push(format!("{}: {target}", shown(&path)));
            }
        }
    }
    assert_none("links to nothing", &found);
}
