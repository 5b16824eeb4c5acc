//! An ELF relocatable object in memory: sections laid out, symbols resolved, relocations applied.

use object::elf;
use object::read::elf::ElfFile64;
use object::{
    Endianness, Object as _, ObjectSection, ObjectSymbol, RelocationFlags, RelocationTarget,
    SectionFlags, SectionIndex, SymbolIndex, SymbolKind, SymbolSection,
};
use rustc_hash::FxHashMap;

use super::memory::Chunk;
use super::{Symbols, library};
use crate::emit::POOL_SYMBOL;
use crate::error::Error;

pub(super) type File<'a> = ElfFile64<'a, Endianness>;

/// Bytes of a stub: `jmp *slot(%rip)`, padded.
const STUB: usize = 8;
/// Zeros that end the unwind table.
const TABLE_END: usize = 8;

/// Where something lies in the chunk.
#[derive(Clone, Copy, Debug)]
enum Place {
    Code(usize),
    Data(usize),
}

/// A function of the object.
#[derive(Debug)]
pub(super) struct Function {
    pub symbol: String,
    pub start: usize,
    pub size: usize,
}

/// An object that was laid out and relocated.
pub(super) struct Image {
    pub chunk: Chunk,
    pub functions: Vec<Function>,
    /// Address of the unwind table, terminated.
    pub eh_frame: Option<usize>,
    /// Address of each section that has one, by index.
    pub sections: FxHashMap<usize, usize>,
}

/// The object before it has an address.
struct Layout<'a> {
    file: &'a File<'a>,
    sections: FxHashMap<SectionIndex, Place>,
    code_size: usize,
    data_size: usize,
    /// Slots with the addresses of symbols, in order.
    slots: Vec<SymbolIndex>,
    slots_at: usize,
    /// Stubs for calls of symbols that are elsewhere: their slots.
    stubs: Vec<usize>,
    stubs_at: usize,
    pool_at: usize,
    eh_frame: Option<usize>,
}

impl<'a> Layout<'a> {
    fn new(file: &'a File<'a>, pool_len: usize) -> Result<Layout<'a>, Error> {
        let mut layout = Layout {
            file,
            sections: FxHashMap::default(),
            code_size: 0,
            data_size: 0,
            slots: Vec::new(),
            slots_at: 0,
            stubs: Vec::new(),
            stubs_at: 0,
            pool_at: 0,
            eh_frame: None,
        };
        for section in file.sections() {
            let SectionFlags::Elf { sh_flags } = section.flags() else {
                continue;
            };
            if sh_flags & u64::from(elf::SHF_ALLOC) == 0 || section.size() == 0 {
                continue;
            }
            let (size, align) = (section.size() as usize, section.align().max(1) as usize);
            let name = section.name().unwrap_or_default();
            let writable = sh_flags & u64::from(elf::SHF_WRITE) != 0;
            if writable && !name.starts_with(".data.rel.ro") {
                return Err(Error::link(format!("writable section {name}")));
            }
            let place = if sh_flags & u64::from(elf::SHF_EXECINSTR) != 0 {
                let at = layout.code_size.next_multiple_of(align);
                layout.code_size = at + size;
                Place::Code(at)
            } else {
                let at = layout.data_size.next_multiple_of(align);
                layout.data_size = at + size;
                if name == ".eh_frame" {
                    layout.eh_frame = Some(at);
                    layout.data_size += TABLE_END;
                }
                Place::Data(at)
            };
            layout.sections.insert(section.index(), place);
        }
        layout.count_indirections()?;
        layout.stubs_at = layout.code_size.next_multiple_of(STUB);
        layout.code_size = layout.stubs_at + layout.stubs.len() * STUB;
        layout.slots_at = layout.data_size.next_multiple_of(8);
        layout.pool_at = layout.slots_at + layout.slots.len() * 8;
        layout.data_size = layout.pool_at + pool_len * 8;
        Ok(layout)
    }

    /// Finds which symbols need slots and stubs.
    fn count_indirections(&mut self) -> Result<(), Error> {
        for section in self.file.sections() {
            if !self.sections.contains_key(&section.index()) {
                continue;
            }
            for (_, relocation) in section.relocations() {
                let RelocationTarget::Symbol(symbol) = relocation.target() else {
                    continue;
                };
                match kind(relocation.flags())? {
                    elf::R_X86_64_GOTPCREL
                    | elf::R_X86_64_GOTPCRELX
                    | elf::R_X86_64_REX_GOTPCRELX => {
                        self.slot(symbol);
                    }
                    elf::R_X86_64_PLT32 | elf::R_X86_64_PC32 if self.is_elsewhere(symbol)? => {
                        let slot = self.slot(symbol);
                        if !self.stubs.contains(&slot) {
                            self.stubs.push(slot);
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn slot(&mut self, symbol: SymbolIndex) -> usize {
        let known = self.slots.iter().position(|s| *s == symbol);
        known.unwrap_or_else(|| {
            self.slots.push(symbol);
            self.slots.len() - 1
        })
    }

    /// A symbol that the linker must find outside the object.
    fn is_elsewhere(&self, symbol: SymbolIndex) -> Result<bool, Error> {
        let symbol = self.file.symbol_by_index(symbol).map_err(Error::link)?;
        Ok(symbol.is_undefined() && symbol.name_bytes() != Ok(POOL_SYMBOL.to_bytes()))
    }
}

pub(super) fn kind(flags: RelocationFlags) -> Result<u32, Error> {
    match flags {
        RelocationFlags::Elf { r_type } => Ok(r_type),
        _ => Err(Error::link("not an ELF relocation")),
    }
}

/// Loads an object: everything but sealing the memory.
pub(super) fn load(file: &File<'_>, pool: &[u64], symbols: &dyn Symbols) -> Result<Image, Error> {
    let layout = Layout::new(file, pool.len())?;
    let mut chunk = Chunk::new(layout.code_size, layout.data_size)?;
    let base = Base {
        code: chunk.code().start,
        data: chunk.data().start,
    };
    if let Err(error) = layout.fill(&mut chunk, base, pool, symbols) {
        // SAFETY: nobody was told the addresses.
        unsafe { chunk.free() };
        return Err(error);
    }
    let sections = layout
        .sections
        .iter()
        .map(|(&i, &place)| (i.0, base.at(place)))
        .collect();
    let functions = layout.functions(base);
    let eh_frame = layout.eh_frame.map(|at| base.data + at);
    Ok(Image {
        chunk,
        functions,
        eh_frame,
        sections,
    })
}

pub(super) fn parse(bytes: &[u8]) -> Result<File<'_>, Error> {
    File::parse(bytes).map_err(Error::link)
}

/// Writes bytes, which must fit.
fn put(target: &mut [u8], at: usize, bytes: &[u8]) -> Result<(), Error> {
    let end = at.checked_add(bytes.len());
    let slice = end.and_then(|end| target.get_mut(at..end));
    slice
        .ok_or_else(|| Error::link("out of the section's bounds"))?
        .copy_from_slice(bytes);
    Ok(())
}

/// `target - from` in 32 bits.
fn offset32(target: usize, from: usize) -> Result<[u8; 4], Error> {
    let offset = (target as i64).wrapping_sub(from as i64);
    let offset = i32::try_from(offset).map_err(|_| Error::link("out of reach"))?;
    Ok(offset.to_le_bytes())
}

/// Addresses of the chunk's halves.
#[derive(Clone, Copy)]
struct Base {
    code: usize,
    data: usize,
}

impl Base {
    fn at(self, place: Place) -> usize {
        match place {
            Place::Code(at) => self.code + at,
            Place::Data(at) => self.data + at,
        }
    }
}

/// A relocated field.
enum Field {
    Four([u8; 4]),
    Eight([u8; 8]),
    Nothing,
}

impl Field {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Field::Four(bytes) => bytes,
            Field::Eight(bytes) => bytes,
            Field::Nothing => &[],
        }
    }
}

impl Layout<'_> {
    /// Writes everything into the chunk.
    fn fill(
        &self,
        chunk: &mut Chunk,
        base: Base,
        pool: &[u64],
        symbols: &dyn Symbols,
    ) -> Result<(), Error> {
        let slots = self.slots.iter().map(|&s| self.address(s, base, symbols));
        let slots = slots.collect::<Result<Vec<usize>, Error>>()?;

        let Some((code, data)) = chunk.bytes_mut() else {
            return Err(Error::link("memory is sealed"));
        };
        for section in self.file.sections() {
            let Some(&place) = self.sections.get(&section.index()) else {
                continue;
            };
            let bytes = section.data().map_err(Error::link)?;
            let (target, at) = match place {
                Place::Code(at) => (&mut *code, at),
                Place::Data(at) => (&mut *data, at),
            };
            // Sections without contents (.bss) stay zero.
            put(target, at, bytes)?;
        }
        for (i, &slot) in self.stubs.iter().enumerate() {
            let at = self.stubs_at + i * STUB;
            let next = base.code + at + 6;
            let offset = offset32(base.data + self.slots_at + slot * 8, next)?;
            let mut stub = [0xff, 0x25, 0, 0, 0, 0, 0xcc, 0xcc];
            stub[2..6].copy_from_slice(&offset);
            put(code, at, &stub)?;
        }
        for (i, address) in slots.iter().enumerate() {
            put(
                data,
                self.slots_at + i * 8,
                &(*address as u64).to_le_bytes(),
            )?;
        }
        for (i, value) in pool.iter().enumerate() {
            put(data, self.pool_at + i * 8, &value.to_le_bytes())?;
        }
        for section in self.file.sections() {
            let Some(&place) = self.sections.get(&section.index()) else {
                continue;
            };
            let (target, start, address) = match place {
                Place::Code(at) => (&mut *code, at, base.code + at),
                Place::Data(at) => (&mut *data, at, base.data + at),
            };
            for (offset, relocation) in section.relocations() {
                let at = offset as usize;
                let fix = self.fix(&relocation, address + at, base, symbols)?;
                put(target, start + at, fix.as_bytes())?;
            }
        }
        Ok(())
    }

    /// The address of a symbol.
    fn address(
        &self,
        index: SymbolIndex,
        base: Base,
        symbols: &dyn Symbols,
    ) -> Result<usize, Error> {
        let symbol = self.file.symbol_by_index(index).map_err(Error::link)?;
        if let SymbolSection::Section(section) = symbol.section() {
            let place = self.sections.get(&section);
            let place =
                place.ok_or_else(|| Error::link("a symbol in a section that is not loaded"))?;
            return Ok(base.at(*place).wrapping_add(symbol.address() as usize));
        }
        let name = symbol.name().map_err(Error::link)?;
        if name.as_bytes() == POOL_SYMBOL.to_bytes() {
            return Ok(base.data + self.pool_at);
        }
        let known = symbols.address(name).or_else(|| library::address(name));
        known.ok_or_else(|| Error::link(format!("unknown symbol {name}")))
    }

    /// What a relocation puts at `place`.
    fn fix(
        &self,
        relocation: &object::Relocation,
        place: usize,
        base: Base,
        symbols: &dyn Symbols,
    ) -> Result<Field, Error> {
        let addend = relocation.addend() as usize;
        let RelocationTarget::Symbol(symbol) = relocation.target() else {
            return Err(Error::link("a relocation without a symbol"));
        };
        let relative =
            |target: usize| Ok(Field::Four(offset32(target.wrapping_add(addend), place)?));
        match kind(relocation.flags())? {
            elf::R_X86_64_NONE => Ok(Field::Nothing),
            elf::R_X86_64_64 => {
                let value = self.address(symbol, base, symbols)?.wrapping_add(addend);
                Ok(Field::Eight((value as u64).to_le_bytes()))
            }
            elf::R_X86_64_PC64 => {
                let target = self.address(symbol, base, symbols)?;
                let value = target.wrapping_add(addend).wrapping_sub(place);
                Ok(Field::Eight((value as u64).to_le_bytes()))
            }
            elf::R_X86_64_32 => {
                let value = self.address(symbol, base, symbols)?.wrapping_add(addend);
                let value = u32::try_from(value).map_err(|_| Error::link("out of reach"))?;
                Ok(Field::Four(value.to_le_bytes()))
            }
            elf::R_X86_64_32S => {
                let value = self.address(symbol, base, symbols)?.wrapping_add(addend);
                let value = i32::try_from(value as i64).map_err(|_| Error::link("out of reach"))?;
                Ok(Field::Four(value.to_le_bytes()))
            }
            elf::R_X86_64_PC32 | elf::R_X86_64_PLT32 => {
                if self.is_elsewhere(symbol)? {
                    let slot = self.slots.iter().position(|s| *s == symbol);
                    let stub = slot.and_then(|slot| self.stubs.iter().position(|s| *s == slot));
                    let stub = stub.ok_or_else(|| Error::link("a call without a stub"))?;
                    return relative(base.code + self.stubs_at + stub * STUB);
                }
                relative(self.address(symbol, base, symbols)?)
            }
            elf::R_X86_64_GOTPCREL | elf::R_X86_64_GOTPCRELX | elf::R_X86_64_REX_GOTPCRELX => {
                let slot = self.slots.iter().position(|s| *s == symbol);
                let slot = slot.ok_or_else(|| Error::link("a reference without a slot"))?;
                relative(base.data + self.slots_at + slot * 8)
            }
            other => Err(Error::link(format!("unknown relocation {other}"))),
        }
    }

    fn functions(&self, base: Base) -> Vec<Function> {
        let mut functions = Vec::new();
        for symbol in self.file.symbols().filter(|s| s.kind() == SymbolKind::Text) {
            let SymbolSection::Section(section) = symbol.section() else {
                continue;
            };
            let (Some(&place), Ok(name)) = (self.sections.get(&section), symbol.name()) else {
                continue;
            };
            if symbol.size() > 0 {
                functions.push(Function {
                    symbol: name.to_owned(),
                    start: base.at(place) + symbol.address() as usize,
                    size: symbol.size() as usize,
                });
            }
        }
        functions
    }
}
