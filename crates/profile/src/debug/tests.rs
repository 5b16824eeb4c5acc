//! Libraries are made by the C compiler that is there; without one, nothing is tested.

use std::fs;
use std::process::Command;

use super::*;
use crate::symbols::variable;

const PROGRAM: &str = "\
static inline __attribute__((always_inline)) long inner(long x) {
    for (int i = 0; i < 100; i++)
        x = x * 3 + i;
    return x;
}

long outer(long x) {
    return inner(x) + 1;
}
";

/// A folder that is removed at the end, with a library made of the program.
struct Library {
    folder: PathBuf,
    path: String,
}

impl Library {
    fn new(name: &str, options: &[&str]) -> Option<Library> {
        let folder = std::env::temp_dir().join(format!("debug-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("lib.so").to_str().unwrap().to_owned();
        let library = Library { folder, path };
        fs::write(library.folder.join("program.c"), PROGRAM).unwrap();
        let words = ["cc", "-O1", "-fPIC", "-shared", "-o", "lib.so", "program.c"];
        let is_made = library.run(&[&words[..], options].concat());
        if !is_made {
            eprintln!("skipped: no C compiler");
        }
        is_made.then_some(library)
    }

    fn run(&self, words: &[&str]) -> bool {
        let mut command = Command::new(words[0]);
        let status = command.args(&words[1..]).current_dir(&self.folder).status();
        status.is_ok_and(|status| status.success())
    }

    fn find(&self, start: u64, offset: u64) -> Vec<Part> {
        DebugInfo::default().find(&self.path, start + offset, Some(start))
    }

    fn check(&self, start: u64) {
        let places: Vec<_> = (0..64).map(|offset| self.find(start, offset)).collect();
        let all: Vec<Vec<(&str, u32, u32)>> = places
            .iter()
            .map(|places| {
                let part = |p: &Part| (p.name.clone().unwrap().leak() as &str, p.line, p.defined);
                places.iter().map(part).collect()
            })
            .collect();
        assert!(
            all[0][0] == ("outer", 7, 7) || all[0][0] == ("outer", 8, 7),
            "{all:?}"
        );
        let loops = [("outer", 8, 7), ("inner", 3, 1)];
        assert!(all.iter().any(|parts| parts[..] == loops), "{all:?}");
        let file = self.folder.join("program.c").to_str().unwrap().to_owned();
        assert!(places[0][0].file == file && places[0][0].defined_in == file);
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn functions_and_lines_are_found_wherever_they_are_kept() {
    for (name, options) in [
        ("dwarf5", &["-g"][..]),
        // With statement frontiers GCC writes a range that is empty, which is the end of a list in DWARF 4.
        ("dwarf4", &["-gdwarf-4", "-gno-statement-frontiers"]),
        ("zlib", &["-g", "-gz=zlib"]),
    ] {
        let Some(library) = Library::new(name, options) else {
            return;
        };
        let start = variable(&library.path, "outer").unwrap();
        library.check(start);
    }
}

#[test]
fn what_was_stripped_is_found_by_its_name_if_it_is_the_same() {
    let Some(library) = Library::new("link", &["-g"]) else {
        return;
    };
    let start = variable(&library.path, "outer").unwrap();
    fs::create_dir(library.folder.join(".debug")).unwrap();
    let split = [
        &["objcopy", "--only-keep-debug", "lib.so", ".debug/lib.debug"][..],
        &["objcopy", "--strip-all", "lib.so"],
        &["objcopy", "--add-gnu-debuglink=.debug/lib.debug", "lib.so"],
    ];
    if !split.iter().all(|words| library.run(words)) {
        eprintln!("skipped: no objcopy");
        return;
    }
    library.check(start);
    let separate = library.folder.join(".debug/lib.debug");
    let mut bytes = fs::read(&separate).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&separate, bytes).unwrap();
    assert_eq!(library.find(start, 0), []);
}

#[test]
fn without_debug_information_there_are_no_lines() {
    let Some(library) = Library::new("none", &["-g0"]) else {
        return;
    };
    let start = variable(&library.path, "outer").unwrap();
    assert_eq!(library.find(start, 0), []);
    let mut debug = DebugInfo::default();
    assert_eq!(debug.find("/no/such/file", 1, None), []);
    assert_eq!(debug.find("/proc/self/maps", 1, None), []);
}

#[test]
fn damage_costs_lines_and_nothing_else() {
    let Some(library) = Library::new("damage", &["-g"]) else {
        return;
    };
    let start = variable(&library.path, "outer").unwrap();
    let whole = fs::read(&library.path).unwrap();
    let sections = {
        let cache = ReadCache::new(File::open(&library.path).unwrap());
        let object = object::File::parse(&cache).unwrap();
        let debug = object.sections();
        let debug = debug.filter(|s| s.name().is_ok_and(|name| name.starts_with(".debug")));
        let ranges: Vec<_> = debug.filter_map(|s| s.file_range()).collect();
        ranges
    };
    let mut state = 1u64;
    let mut random = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    for _ in 0..2000 {
        let mut bytes = whole.clone();
        for _ in 0..=random(8) {
            let (offset, size) = sections[random(sections.len() as u64) as usize];
            bytes[(offset + random(size)) as usize] = random(256) as u8;
        }
        if random(10) == 0 {
            bytes.truncate(random(whole.len() as u64) as usize);
        }
        fs::write(&library.path, &bytes).unwrap();
        let mut debug = DebugInfo::default();
        for offset in [0, 4, 20, 40] {
            debug.find(&library.path, start + offset, Some(start));
        }
        assert!(!debug.is_exhausted());
    }
}
