use std::sync::Arc;

use ferdelance_compiler::trace::Place;

use super::*;
use crate::compile::Timings;
use crate::locations::LocationTable;

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("fd-store-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Folder(path)
    }
    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> = fs::read_dir(&self.0)
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.path())
            .collect();
        files.sort();
        files
    }
    fn size(&self) -> u64 {
        self.files()
            .iter()
            .map(|path| fs::metadata(path).map_or(0, |data| data.len()))
            .sum()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn store(folders: &[&Folder]) -> Store {
    let folders = folders.iter().map(|folder| folder.0.clone()).collect();
    Store {
        folders,
        stem: "module.f".to_owned(),
        source: None,
        limit: 1 << 20,
    }
}

fn key(all: u128) -> Key {
    Key { code: 7, all }
}

fn object(bytes: &[u8]) -> Object {
    let (pool, entries) = (vec![], vec![Arc::from("f.entry")]);
    Object {
        bytes: bytes.to_vec(),
        pool,
        entries,
        locations: LocationTable::default(),
        timings: Timings::default(),
    }
}

/// A host that knows nothing.
struct Nobody;

mod nobody {
    use ferdelance_compiler::diag;
    use ferdelance_compiler::host::{Callee, Described, Host};
    use ferdelance_compiler::trace::{Identify, Identity};
    use ferdelance_compiler::types::PyRef;

    impl Host for super::Nobody {
        fn global(&self, _: PyRef, _: &str) -> Option<PyRef> {
            None
        }
        fn free(&self, _: PyRef, _: &str) -> Option<PyRef> {
            None
        }
        fn attribute(&self, _: PyRef, _: &str) -> Option<PyRef> {
            None
        }
        fn describe(&self, _: PyRef) -> Result<Described, String> {
            Err("nothing".to_owned())
        }
        fn callee(&self, _: PyRef) -> diag::Result<Callee> {
            Err(diag::Diagnostic::new(diag::Code::Internal, "nothing"))
        }
        fn default(&self, _: PyRef, _: usize) -> Option<PyRef> {
            None
        }
        fn repr(&self, _: PyRef) -> String {
            String::new()
        }
        fn exception(&self, _: &str) -> Option<PyRef> {
            None
        }
        fn module(&self, _: &str) -> Option<PyRef> {
            None
        }
    }
    impl Identify for super::Nobody {
        fn identify(&self, _: PyRef) -> Result<Identity, String> {
            Err("nothing".to_owned())
        }
    }
}

/// A trace with as many roots: a variant of its own.
fn recorded(roots: u64) -> Recorded {
    use ferdelance_compiler::trace::Recorder;
    let roots: Vec<PyRef> = (1..=roots).map(PyRef).collect();
    let place = Place {
        file: "a.py".into(),
        line: 1,
    };
    Recorder::new(&Nobody, &roots, place)
        .finish()
        .expect("nothing was asked")
}

fn any(_: &Trace) -> Option<Match> {
    Some(Match {
        objects: (1..9).map(PyRef).collect(),
        places: vec![],
    })
}

fn bytes(store: &Store, key: Key) -> Option<Vec<u8>> {
    store.find(key, any).map(|(_, stored)| stored.object.bytes)
}

#[test]
fn what_is_saved_is_found() {
    let folder = Folder::new("found");
    let store = store(&[&folder]);
    assert_eq!(bytes(&store, key(1)), None);
    store
        .save(key(1), &recorded(1), &object(b"one"), Ty::py_int())
        .expect("it is saved");
    assert_eq!(bytes(&store, key(1)), Some(b"one".to_vec()));
    assert_eq!(bytes(&store, key(2)), None);
    // The same half in the name, another key.
    assert_eq!(bytes(&store, key(1 + (1 << 100))), None);
    assert_eq!(folder.files().len(), 2);
}

#[test]
fn writers_at_once_keep_all_variants() {
    let folder = Folder::new("at-once");
    let start = std::sync::Barrier::new(4);
    // Locks belong to open files: threads exclude each other as processes do.
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (store, start) = (store(&[&folder]), &start);
            scope.spawn(move || {
                start.wait();
                for roots in (0..60).filter(|roots| roots % 4 == writer) {
                    store
                        .save(key(1), &recorded(roots), &object(b"x"), Ty::none())
                        .expect("it is saved");
                }
            });
        }
    });
    let index = store(&[&folder]).index(&folder.0, key(1));
    assert_eq!(index.map(|index| index.variants.len()), Some(60));
    assert_eq!(folder.files().len(), 61);
}

#[test]
fn a_lock_that_is_not_given_back_is_not_waited_for_long() {
    let folder = Folder::new("stopped");
    fs::create_dir_all(&folder.0).expect("a new folder");
    let held = lock(&folder.0).expect("nobody else has it");
    let store = store(&[&folder]);
    store
        .save(key(1), &recorded(1), &object(b"one"), Ty::none())
        .expect("it is saved");
    drop(held);
    assert_eq!(bytes(&store, key(1)), Some(b"one".to_vec()));
}

#[test]
fn variants_are_told_apart() {
    let folder = Folder::new("variants");
    let store = store(&[&folder]);
    for roots in 1..4 {
        store
            .save(
                key(1),
                &recorded(roots),
                &object(&[roots as u8]),
                Ty::none(),
            )
            .expect("it is saved");
    }
    let third = recorded(3).trace;
    let found = store.find(
        key(1),
        |trace| if *trace == third { any(trace) } else { None },
    );
    assert_eq!(found.map(|(_, stored)| stored.object.bytes), Some(vec![3]));
    assert_eq!(folder.files().len(), 4);
    // Again: it takes the old one's place.
    store
        .save(key(1), &recorded(3), &object(&[33]), Ty::none())
        .expect("it is saved");
    assert_eq!(folder.files().len(), 4);
    assert_eq!(bytes(&store, key(1)), Some(vec![1]));
}

#[test]
fn the_number_of_variants_is_bounded() {
    let folder = Folder::new("bounded");
    let store = store(&[&folder]);
    for roots in 0..70 {
        store
            .save(key(1), &recorded(roots), &object(b"x"), Ty::none())
            .expect("it is saved");
    }
    assert_eq!(folder.files().len(), 1 + MOST_VARIANTS);
    assert_eq!(
        store
            .find(key(1), |trace| (*trace == recorded(5).trace)
                .then(|| any(trace))?)
            .map(drop),
        None
    );
}

#[test]
fn damaged_files_are_absent_and_replaced() {
    let folder = Folder::new("damaged");
    let store = store(&[&folder]);
    let save = || {
        store
            .save(key(1), &recorded(1), &object(b"one"), Ty::none())
            .map(drop)
    };
    save().expect("it is saved");
    for path in folder.files() {
        let whole = fs::read(&path).expect("it is there");
        for damaged in [&whole[..0], &whole[..whole.len() / 2], &[1; 50][..]] {
            fs::write(&path, damaged).expect("it can be written");
            assert_eq!(bytes(&store, key(1)), None);
            save().expect("it is saved");
            assert_eq!(bytes(&store, key(1)), Some(b"one".to_vec()));
        }
        fs::remove_file(&path).expect("it can be removed");
        assert_eq!(bytes(&store, key(1)), None);
        save().expect("it is saved");
    }
}

#[test]
fn a_folder_that_cannot_be_written_to_is_passed_over() {
    let (first, second) = (Folder::new("first"), Folder::new("second"));
    // A file is in the place of the folder.
    fs::write(&first.0, b"").expect("it can be written");
    let store = store(&[&first, &second]);
    let saved = store.save(key(1), &recorded(1), &object(b"one"), Ty::none());
    assert_eq!(saved, Ok(&*second.0));
    assert_eq!(bytes(&store, key(1)), Some(b"one".to_vec()));
    fs::remove_file(&first.0).expect("it can be removed");
}

#[test]
fn too_much_drives_out_the_oldest() {
    let folder = Folder::new("limit");
    let store = Store {
        limit: 40_000,
        ..store(&[&folder])
    };
    let old = SystemTime::now() - Duration::from_secs(1000);
    for i in 0..20 {
        store
            .save(key(i), &recorded(1), &object(&[i as u8; 4000]), Ty::none())
            .expect("it is saved");
        for path in folder.files() {
            // Distinct times; file systems may have coarse ones.
            if fs::metadata(&path)
                .and_then(|data| data.modified())
                .is_ok_and(|time| time > old + Duration::from_secs(500))
            {
                let file = File::options()
                    .append(true)
                    .open(&path)
                    .expect("it is there");
                file.set_modified(old + Duration::from_secs(i as u64))
                    .expect("times can be set");
            }
        }
        assert!(folder.size() <= 40_000);
        assert!(bytes(&store, key(i)).is_some());
    }
    assert!(bytes(&store, key(0)).is_none());
    assert!(bytes(&store, key(18)).is_some());
    let large = store.save(key(99), &recorded(1), &object(&[0; 50_000]), Ty::none());
    assert!(large.is_err());
}

#[test]
fn code_of_older_texts_goes() {
    let folder = Folder::new("texts");
    let source = Folder::new("texts-source");
    fs::write(&source.0, b"def f(): pass").expect("it can be written");
    let store = Store {
        source: Some(source.0.clone()),
        ..store(&[&folder])
    };
    let save = |code| {
        let key = Key { code, all: code };
        store
            .save(key, &recorded(1), &object(b"one"), Ty::none())
            .expect("it is saved");
    };
    save(1);
    save(2);
    assert_eq!(folder.files().len(), 4, "both are younger than the source");
    let file = File::options()
        .append(true)
        .open(&source.0)
        .expect("it is there");
    file.set_modified(SystemTime::now() + Duration::from_secs(10))
        .expect("times can be set");
    save(3);
    assert_eq!(folder.files().len(), 2);
    fs::remove_file(&source.0).expect("it can be removed");
}

#[test]
fn writers_at_once_leave_whole_files() {
    let folder = Folder::new("writers");
    let store = store(&[&folder]);
    std::thread::scope(|scope| {
        for i in 0..8_u8 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..20_u64 {
                    let contents = object(&vec![i; 2000]);
                    store
                        .save(key(1), &recorded(round % 3), &contents, Ty::none())
                        .expect("it is saved");
                    let found = bytes(store, key(1)).expect("files are never half there");
                    assert_eq!(found.len(), 2000);
                }
            });
        }
    });
    assert!(
        folder
            .files()
            .iter()
            .all(|path| path.extension().is_some_and(|e| e != TEMPORARY))
    );
}
