//! The files of a function.
//!
//! `<stem>.<code>.<key>.fdi` is the index of a key, `<stem>.<code>.<key>.<variant>.fdo` a variant's
//! code; `stem` is for people, the rest are hashes. Files are written under another name and renamed,
//! so that readers see whole files, without locks. Who adds to an index locks the folder meanwhile
//! ([`lock`]); where that is not possible, one process may lose another's variant, which costs a compile
//! and is never wrong.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use ferdelance_compiler::encode::{Decoder, Encoder};
use ferdelance_compiler::trace::{Match, Node, Recorded, Trace};
use ferdelance_compiler::types::{PyRef, Ty};

use super::frame::{self, Kind};
use super::{Stored, digest};
use crate::compile::Object;

mod sweep;

const INDEX: &str = "fdi";
const CODE: &str = "fdo";
const TEMPORARY: &str = "fdtmp";

/// Variants that an index has room for; the oldest go first.
const MOST_VARIANTS: usize = 64;
/// How exact the time of the last use is.
const RECENT: Duration = Duration::from_secs(24 * 60 * 60);

/// What is known of a function before anything is looked up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    /// Hash of the function's text.
    pub code: u128,
    /// Hash of everything: the text, types, options, versions.
    pub all: u128,
}

/// Where a function's code is kept.
#[derive(Clone, Debug)]
pub struct Store {
    /// Folders to look into, in order; the first that can be written to gets new files.
    pub folders: Vec<PathBuf>,
    /// Start of the files' names: letters, digits and the like.
    pub stem: String,
    /// The file that the function is in: what is older belongs to an older text.
    pub source: Option<PathBuf>,
    /// Bytes that the files of a folder may take.
    pub limit: u64,
}

/// An entry of an index.
#[derive(Clone, Debug)]
pub struct Variant {
    pub trace: Trace,
    id: u128,
}

/// An index, as read.
struct Index {
    path: PathBuf,
    variants: Vec<Variant>,
}

impl Store {
    /// The first variant that `matches`, and its code.
    pub fn find(
        &self,
        key: Key,
        mut matches: impl FnMut(&Trace) -> Option<Match>,
    ) -> Option<(Match, Stored)> {
        for folder in &self.folders {
            let Some(index) = self.index(folder, key) else {
                continue;
            };
            for variant in &index.variants {
                if let Some(found) = matches(&variant.trace)
                    && let Some(stored) = self.code(folder, key, variant.id, &found.objects)
                {
                    // Only to tell what is in use when room is needed.
                    let _ = refresh(&index.path);
                    return Some((found, stored));
                }
            }
        }
        None
    }

    fn index(&self, folder: &Path, key: Key) -> Option<Index> {
        let path = self.index_path(folder, key);
        let file = fs::read(&path).ok()?;
        let contents = frame::unwrap(Kind::Index, &file)?;
        let mut from = Decoder::new(contents, &[]);
        if from.u128()? != key.all {
            return None;
        }
        let variant = |from: &mut Decoder<'_>| {
            Some(Variant {
                id: from.u128()?,
                trace: Trace::decode(from)?,
            })
        };
        let variants = (0..from.length()?)
            .map(|_| variant(&mut from))
            .collect::<Option<_>>()?;
        from.is_at_end().then_some(Index { path, variants })
    }

    fn code(&self, folder: &Path, key: Key, id: u128, objects: &[PyRef]) -> Option<Stored> {
        let file = fs::read(self.code_path(folder, key, id)).ok()?;
        let mut from = Decoder::new(frame::unwrap(Kind::Code, &file)?, &[]);
        if (from.u128()?, from.u128()?) != (key.all, id) {
            return None;
        }
        let node = |from: &mut Decoder<'_>| objects.get(from.u32()? as usize).copied();
        let handles = (0..from.length()?)
            .map(|_| node(&mut from))
            .collect::<Option<Vec<PyRef>>>()?;
        let bytes = from.raw()?;
        if !from.is_at_end() {
            return None;
        }
        Stored::decode(&mut Decoder::new(bytes, &handles))
    }

    /// Keeps a function's code. Gives the folder; fails with the reason if it cannot be kept.
    pub fn save(
        &self,
        key: Key,
        recorded: &Recorded,
        object: &Object,
        result: Ty,
    ) -> Result<&Path, String> {
        let mut manifest = Encoder::default();
        recorded.trace.encode_manifest(&mut manifest);
        let id = digest(&manifest.bytes);
        let contents = code_contents(key, id, recorded, object, result)?;
        let code = frame::wrap(Kind::Code, &contents);
        if code.len() as u64 > self.limit {
            return Err(format!(
                "its code takes {} bytes, the cache has room for {}",
                code.len(),
                self.limit
            ));
        }
        let variant = Variant {
            trace: recorded.trace.clone(),
            id,
        };
        let mut failure = "there is no place for it".to_owned();
        for folder in &self.folders {
            match self.write(folder, key, &variant, &code) {
                Ok(()) => return Ok(folder),
                Err(error) => failure = format!("{}: {error}", folder.display()),
            }
        }
        Err(failure)
    }

    fn write(&self, folder: &Path, key: Key, variant: &Variant, code: &[u8]) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        // The code first: an index never names what is not there.
        write_whole(&self.code_path(folder, key, variant.id), code)?;
        let locked = lock(folder);
        let mut variants = self
            .index(folder, key)
            .map_or_else(Vec::new, |index| index.variants);
        variants.retain(|known| known.id != variant.id);
        let surplus = (variants.len() + 1).saturating_sub(MOST_VARIANTS);
        for old in variants.drain(..surplus) {
            let _ = fs::remove_file(self.code_path(folder, key, old.id));
        }
        variants.push(variant.clone());
        let index = frame::wrap(Kind::Index, &index_contents(key, &variants));
        write_whole(&self.index_path(folder, key), &index)?;
        drop(locked);
        sweep::after_writing(self, folder, key, (code.len() + index.len()) as u64);
        Ok(())
    }

    /// Start of the names of a key's files.
    fn name(&self, key: Key) -> String {
        // Half of each hash: a name that is shared by accident is seen from the contents.
        format!(
            "{}.{:016x}.{:016x}",
            self.stem, key.code as u64, key.all as u64
        )
    }
    fn index_path(&self, folder: &Path, key: Key) -> PathBuf {
        folder.join(format!("{}.{INDEX}", self.name(key)))
    }
    fn code_path(&self, folder: &Path, key: Key, id: u128) -> PathBuf {
        folder.join(format!("{}.{:016x}.{CODE}", self.name(key), id as u64))
    }
}

fn index_contents(key: Key, variants: &[Variant]) -> Vec<u8> {
    let mut out = Encoder::default();
    out.u128(key.all);
    out.length(variants.len());
    for variant in variants {
        out.u128(variant.id);
        variant.trace.encode(&mut out);
    }
    out.bytes
}

fn code_contents(
    key: Key,
    id: u128,
    recorded: &Recorded,
    object: &Object,
    result: Ty,
) -> Result<Vec<u8>, String> {
    let mut stored = Encoder::default();
    Stored::encode(object, result, &mut stored).map_err(|local| local.to_string())?;
    let nodes = stored.handles.iter().map(|&handle| recorded.node(handle));
    let nodes: Vec<Node> = nodes
        .collect::<Option<_>>()
        .ok_or("its code refers to an object of unknown origin")?;
    let mut out = Encoder::default();
    out.u128(key.all);
    out.u128(id);
    out.length(nodes.len());
    nodes.iter().for_each(|node| out.u32(node.0));
    out.raw(&stored.bytes);
    Ok(out.bytes)
}

/// Keeps others that ask for it, in this process or not, from writing an index in this folder. `None` if
/// the file system has no locks, or a process does not give its lock back (it was stopped, say).
fn lock(folder: &Path) -> Option<File> {
    const PAUSE: Duration = Duration::from_millis(1);
    const ATTEMPTS: u32 = 1000;
    let file = File::open(folder).ok()?;
    for _ in 0..ATTEMPTS {
        match file.try_lock() {
            Ok(()) => return Some(file),
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            Err(TryLockError::Error(_)) => return None,
        }
    }
    None
}

/// Writes a file so that others see all of it or nothing.
fn write_whole(path: &Path, contents: &[u8]) -> io::Result<()> {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    let serial = SERIAL.fetch_add(1, Relaxed);
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}-{serial}.{TEMPORARY}", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(contents))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Notes that a file is in use, if the last note is old.
fn refresh(path: &Path) -> io::Result<()> {
    let modified = fs::metadata(path)?.modified()?;
    if modified.elapsed().unwrap_or_default() > RECENT {
        File::options()
            .append(true)
            .open(path)?
            .set_modified(SystemTime::now())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
