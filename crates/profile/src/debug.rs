//! Lines of native code, from the debug information of the files that it is in.
//!
//! It is read when a recording is put together, on the machine on which the program ran, and only for files and
//! places that samples were taken in. All of it is a bonus: what is missing, damaged, or larger than is worth the
//! time and memory costs nothing but lines.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use addr2line::Context;
use gimli::{AttributeValue, Dwarf, EndianRcSlice, LittleEndian, UnitOffset, UnitRef};
use object::{CompressionFormat, Object, ObjectSection, ReadCache};

use crate::symbols::demangled;

/// Where systems keep what they strip from their files.
const SEPARATE: &str = "/usr/lib/debug";
/// What reading it may take, for all files together: bytes of sections, and time.
const MEMORY: u64 = 512 << 20;
const TIME: Duration = Duration::from_secs(5);
/// Functions within each other that are told apart, and references from one entry to the next that are followed.
const DEEPEST: usize = 32;

type Reader = EndianRcSlice<LittleEndian>;
type ElfFile<'d> = object::File<'d, &'d ReadCache<File>>;

/// The debug information of files, as it is asked for.
pub struct DebugInfo {
    files: HashMap<String, Option<Context<Reader>>>,
    memory: u64,
    time: Duration,
}

/// A place in a function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The function's name.
    pub name: Option<String>,
    /// Where it is: empty and 0 if that is not known.
    pub file: String,
    pub line: u32,
    /// Where the function begins.
    pub defined_in: String,
    pub defined: u32,
}

impl Default for DebugInfo {
    fn default() -> Self {
        DebugInfo {
            files: HashMap::new(),
            memory: MEMORY,
            time: TIME,
        }
    }
}

impl DebugInfo {
    /// The functions that an instruction is of: one, and those that were put into it, each within the one before.
    /// `start` is where the first one begins, if that is known.
    pub fn find(&mut self, path: &str, address: u64, start: Option<u64>) -> Vec<Part> {
        if self.is_exhausted() {
            return vec![];
        }
        let began = Instant::now();
        // The readers are not supposed to panic; if damage leads to it, the file has no lines.
        let found = catch_unwind(AssertUnwindSafe(|| {
            if !self.files.contains_key(path) {
                let context = read(Path::new(path), &mut self.memory);
                self.files.insert(path.to_owned(), context);
            }
            let context = self.files.get(path)?.as_ref()?;
            Some(places(context, address, start))
        }));
        self.time = self.time.saturating_sub(began.elapsed());
        match found {
            Ok(found) => found.unwrap_or_default(),
            Err(_) => {
                self.files.insert(path.to_owned(), None);
                vec![]
            }
        }
    }

    /// Whether it took as long as it may: no more lines are found.
    pub fn is_exhausted(&self) -> bool {
        self.time.is_zero()
    }
}

fn places(context: &Context<Reader>, address: u64, start: Option<u64>) -> Vec<Part> {
    let mut places = vec![];
    let Ok(mut frames) = context.find_frames(address).skip_all_loads() else {
        return places;
    };
    let unit = context.find_dwarf_and_unit(address).skip_all_loads();
    while let Ok(Some(frame)) = frames.next() {
        if places.len() == DEEPEST {
            return vec![];
        }
        let mut place = Part::default();
        if let Some(location) = &frame.location {
            place.file = location.file.unwrap_or_default().to_owned();
            place.line = location.line.unwrap_or(0);
        }
        let name = frame.function.as_ref().and_then(|f| f.raw_name().ok());
        place.name = name.map(|name| demangled(&name));
        let declared = frame.dw_die_offset.zip(unit);
        if let Some(line) = declared.and_then(|(offset, unit)| declared_at(unit, offset)) {
            place.defined = line;
        }
        place.defined_in.clone_from(&place.file);
        places.push(place);
    }
    places.reverse();
    // Where a function's code begins is in its own file; places in it may be another's, by `#include` or macros.
    if let Some(outer) = places.first_mut()
        && let Some(Ok(Some(location))) = start.map(|start| context.find_location(start))
        && let (Some(file), Some(line)) = (location.file, location.line)
    {
        if file != outer.defined_in || outer.defined == 0 {
            outer.defined = line;
        }
        file.clone_into(&mut outer.defined_in);
    }
    places
}

/// The line in which a function is declared.
fn declared_at(unit: UnitRef<'_, Reader>, mut offset: UnitOffset) -> Option<u32> {
    for _ in 0..DEEPEST {
        let entry = unit.entry(offset).ok()?;
        if let Ok(Some(line)) = entry.attr_value(gimli::DW_AT_decl_line) {
            return line.udata_value().and_then(|line| line.try_into().ok());
        }
        let reference = |name| entry.attr_value(name).ok().flatten();
        let next = reference(gimli::DW_AT_abstract_origin)
            .or_else(|| reference(gimli::DW_AT_specification))?;
        match next {
            AttributeValue::UnitRef(to) => offset = to,
            // Of another unit: it is not worth looking for that.
            _ => return None,
        }
    }
    None
}

/// The debug information of a file, which it has itself or in a separate file.
fn read(path: &Path, room: &mut u64) -> Option<Context<Reader>> {
    let cache = ReadCache::new(File::open(path).ok()?);
    let object = object::File::parse(&cache).ok()?;
    let dwarf = if object.section_by_name(".debug_line").is_some() {
        dwarf(&object, path, room)?
    } else {
        let path = separate(&object, path)?;
        let cache = ReadCache::new(File::open(&path).ok()?);
        let object = object::File::parse(&cache).ok()?;
        dwarf(&object, &path, room)?
    };
    Context::from_dwarf(dwarf).ok()
}

fn dwarf(object: &ElfFile<'_>, path: &Path, room: &mut u64) -> Option<Dwarf<Reader>> {
    let mut dwarf = Dwarf::load(|id| section(object, id.name(), room).ok_or(())).ok()?;
    // What several files have in common may be in one more.
    if let Ok(Some((name, id))) = object.gnu_debugaltlink() {
        let common = path.parent()?.join(OsStr::from_bytes(name));
        let cache = ReadCache::new(File::open(common).ok()?);
        let object = object::File::parse(&cache).ok()?;
        if object.build_id().ok()? != Some(id) {
            return None;
        }
        dwarf
            .load_sup(|id| section(&object, id.name(), room).ok_or(()))
            .ok()?;
    }
    Some(dwarf)
}

/// A section, if there is room for it; an empty one if it is not there.
fn section(object: &ElfFile<'_>, name: &str, room: &mut u64) -> Option<Reader> {
    let Some(section) = object.section_by_name(name) else {
        return Some(Reader::new(Rc::from([]), LittleEndian));
    };
    // Locations of variables are of no use here.
    if name.starts_with(".debug_loc") || name.starts_with(".debug_mac") {
        return Some(Reader::new(Rc::from([]), LittleEndian));
    }
    if section.size() > *room {
        return None;
    }
    let compressed = section.compressed_data().ok()?;
    let size = compressed.uncompressed_size;
    *room = room.checked_sub(size)?;
    let bytes = match compressed.format {
        CompressionFormat::None => Rc::from(compressed.data),
        CompressionFormat::Zlib => {
            let mut bytes = vec![];
            let reader = flate2::read::ZlibDecoder::new(compressed.data);
            reader.take(size).read_to_end(&mut bytes).ok()?;
            Rc::from(bytes)
        }
        _ => return None,
    };
    Some(Reader::new(bytes, LittleEndian))
}

/// The file with what was taken out of another one: found by its build id, or by the name that is left in it.
pub fn separate(object: &ElfFile<'_>, path: &Path) -> Option<PathBuf> {
    let root = Path::new(SEPARATE);
    if let Ok(Some(id @ [first, rest @ ..])) = object.build_id() {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let folder = root.join(".build-id").join(hex(&[*first]));
        let file = folder.join(format!("{}.debug", hex(rest)));
        if has_build_id(&file, id) {
            return Some(file);
        }
    }
    let (name, checksum) = object.gnu_debuglink().ok()??;
    let name = Path::new(OsStr::from_bytes(name)).file_name()?;
    let folder = path.parent()?;
    let below_root = folder.strip_prefix("/").unwrap_or(folder);
    let places = [
        folder.join(name),
        folder.join(".debug").join(name),
        root.join(below_root).join(name),
    ];
    let is_it = |place: &PathBuf| place != path && checksum_of(place) == Some(checksum);
    places.into_iter().find(is_it)
}

fn has_build_id(path: &Path, id: &[u8]) -> bool {
    let Ok(file) = File::open(path) else {
        return false;
    };
    let cache = ReadCache::new(file);
    object::File::parse(&cache).is_ok_and(|object| object.build_id() == Ok(Some(id)))
}

fn checksum_of(path: &Path) -> Option<u32> {
    let mut file = File::open(path).ok()?;
    let size = file.metadata().ok()?.len();
    if size > MEMORY {
        return None;
    }
    let mut checksum = flate2::Crc::new();
    let mut block = vec![0; 1 << 16];
    loop {
        match file.read(&mut block).ok()? {
            0 => return Some(checksum.sum()),
            length => checksum.update(&block[..length]),
        }
    }
}

#[cfg(test)]
mod tests;
