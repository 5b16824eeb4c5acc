//! Links what LLVM needs of the system's libraries statically.
//!
//! `llvm-sys` asks for `-lstdc++ -lz -lzstd` and inkwell for `-lffi`, all as shared libraries.
//! A folder that holds only their static archives, searched before the system's folders, turns
//! these very requests into static ones, so the extension loads on machines that have none of
//! them, or other versions.
//!
//! And says which build this is: code in the cache is used by the build that made it only.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What the linker is asked for, and which archives may serve, best first.
/// (Debian's `libffi.a` is not position-independent, `libffi_pic.a` is.)
const ARCHIVES: [(&str, &[&str]); 4] = [
    ("libstdc++.a", &["libstdc++.a"]),
    ("libz.a", &["libz.a"]),
    ("libzstd.a", &["libzstd.a"]),
    ("libffi.a", &["libffi_pic.a", "libffi.a"]),
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=CC");
    println!("cargo:rustc-env=FERDELANCE_BUILD={:016x}", build());
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        return;
    }
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("static");
    fs::create_dir_all(&folder).expect("OUT_DIR is writable");
    for (name, candidates) in ARCHIVES {
        match candidates.iter().find_map(|file| find(file)) {
            Some(archive) => link(&archive, &folder.join(name)),
            None => println!(
                "cargo:warning={name} not found: the extension will need the shared library"
            ),
        }
    }
    println!("cargo:rustc-link-search=native={}", folder.display());
}

/// What decides about generated code, relative to this package.
const SOURCES: [&str; 7] = [
    "../abi/src",
    "../compiler/src",
    "../jit/src",
    "../runtime/src",
    "src",
    "../../python/ferdelance/prelude",
    "../../Cargo.lock",
];

/// A hash of the sources: the version number alone would be the same for all builds of a developer.
fn build() -> u64 {
    let mut hasher = DefaultHasher::new();
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
        hash(Path::new(source), &mut hasher);
    }
    hasher.finish()
}

fn hash(path: &Path, hasher: &mut DefaultHasher) {
    if let Ok(entries) = fs::read_dir(path) {
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        paths.iter().for_each(|path| hash(path, hasher));
    } else if path.extension().is_some_and(|extension| extension != "pyc") {
        path.hash(hasher);
        fs::read(path).unwrap_or_default().hash(hasher);
    }
}

/// Where the C compiler finds `file`, if it does.
fn find(file: &str) -> Option<PathBuf> {
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let output = Command::new(compiler)
        .arg(format!("-print-file-name={file}"))
        .output()
        .ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    path.is_absolute().then_some(path)
}

fn link(archive: &Path, name: &Path) {
    if fs::read_link(name).is_ok_and(|old| old == archive) {
        return;
    }
    fs::remove_file(name).ok();
    std::os::unix::fs::symlink(archive, name).expect("OUT_DIR takes links");
}
