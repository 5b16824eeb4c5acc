//! Keeping folders small: what nobody will ask for again, and the oldest if there is too much.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustc_hash::FxHashMap;

use super::{CODE, INDEX, Key, Store, TEMPORARY};

/// Age from which a temporary file is of a process that died.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// A file of ours.
struct Found {
    path: PathBuf,
    /// The name up to the key: what is used together and goes together.
    group: String,
    size: u64,
    modified: SystemTime,
}

/// Bytes in each folder that this process has written to: counted once, then added up.
static SIZES: Mutex<Option<FxHashMap<PathBuf, u64>>> = Mutex::new(None);

/// Makes room after `written` bytes were added. Failures are ignored: other processes do the same.
pub(super) fn after_writing(store: &Store, folder: &Path, key: Key, written: u64) {
    remove_older_texts(store, folder, key);
    let mut sizes = SIZES.lock().unwrap_or_else(PoisonError::into_inner);
    let sizes = sizes.get_or_insert_default();
    let known = sizes.get(folder).map(|size| size + written);
    let size = match known {
        Some(size) if size <= store.limit => size,
        _ => shrink(folder, store.limit, &store.name(key)),
    };
    sizes.insert(folder.to_owned(), size);
}

/// Removes what belongs to the function as it was before its file was edited.
fn remove_older_texts(store: &Store, folder: &Path, key: Key) {
    let Some(edited) = store.source.as_deref().and_then(modified) else {
        return;
    };
    let prefix = format!("{}.", store.stem);
    let code = format!("{:016x}", key.code as u64);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let Some((other, _)) = name
            .strip_prefix(&prefix)
            .and_then(|rest| rest.split_once('.'))
        else {
            continue;
        };
        // Another function of this name in the same file has another text, too, and loses its code
        // with it if that was not used since the edit.
        let is_text = other.len() == 16 && other.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_text && other != code && modified(&entry.path()).is_some_and(|time| time < edited) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|data| data.modified()).ok()
}

/// Removes the files that were not used for the longest time if a folder holds more than `limit`
/// bytes, down to three quarters of it. `keep` is a group that stays. Gives the bytes that are left.
fn shrink(folder: &Path, limit: u64, keep: &str) -> u64 {
    let files = list(folder);
    let mut left: u64 = files.iter().map(|file| file.size).sum();
    if left <= limit {
        return left;
    }
    let mut groups: FxHashMap<&str, Vec<&Found>> = FxHashMap::default();
    for file in &files {
        groups.entry(&file.group).or_default().push(file);
    }
    groups.remove(keep);
    let mut groups: Vec<Vec<&Found>> = groups.into_values().collect();
    groups.sort_by_key(|group| group.iter().map(|file| file.modified).max());
    for file in groups.into_iter().flatten() {
        if left <= limit / 4 * 3 {
            break;
        }
        if fs::remove_file(&file.path).is_ok() {
            left -= file.size;
        }
    }
    left
}

/// Our files in a folder; temporary ones that were left behind are removed.
fn list(folder: &Path) -> Vec<Found> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let (Some(stem), Some(extension)) = (path.file_stem(), path.extension()) else {
            continue;
        };
        let (Some(stem), Some(extension)) = (stem.to_str(), extension.to_str()) else {
            continue;
        };
        let group = match extension {
            INDEX => stem,
            CODE => stem.rsplit_once('.').map_or(stem, |(group, _)| group),
            TEMPORARY => "",
            _ => continue,
        };
        let Ok(data) = entry.metadata() else { continue };
        let modified = data.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        if extension == TEMPORARY && modified.elapsed().is_ok_and(|age| age > ABANDONED) {
            let _ = fs::remove_file(&path);
        } else if extension != TEMPORARY {
            let group = group.to_owned();
            files.push(Found {
                path,
                group,
                size: data.len(),
                modified,
            });
        }
    }
    files
}
