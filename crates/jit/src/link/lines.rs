//! From the object's line table to the rows and scopes of the code map.

use ferdelance_abi::codemap::{LineRow, Scope};
use gimli::{DebugLine, DebugLineOffset, EndianSlice, LittleEndian};
use object::{Object as _, ObjectSection, RelocationTarget, SymbolSection, elf};
use rustc_hash::FxHashMap;

use super::image::{File, Function, kind};
use crate::error::Error;
use crate::locations::{Location, LocationTable};

/// A row of the line table: from `address` on, code comes from `location` (a number of the table).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub address: usize,
    pub line: u32,
    pub location: u32,
    /// Nothing of this table follows.
    pub end: bool,
}

/// Reads the line table of a loaded object: `sections` has the address of each section by index.
pub(super) fn read(file: &File<'_>, sections: &FxHashMap<usize, usize>) -> Result<Vec<Row>, Error> {
    let Some(section) = file.section_by_name(".debug_line") else {
        return Ok(Vec::new());
    };
    let mut bytes = section.data().map_err(Error::link)?.to_vec();
    for (offset, relocation) in section.relocations() {
        let RelocationTarget::Symbol(symbol) = relocation.target() else {
            continue;
        };
        let symbol = file.symbol_by_index(symbol).map_err(Error::link)?;
        let SymbolSection::Section(target) = object::ObjectSymbol::section(&symbol) else {
            continue;
        };
        let base = sections.get(&target.0).copied().unwrap_or(0);
        let address = object::ObjectSymbol::address(&symbol) as usize;
        let value = base
            .wrapping_add(address)
            .wrapping_add(relocation.addend() as usize) as u64;
        let field = match kind(relocation.flags())? {
            elf::R_X86_64_64 => &value.to_le_bytes()[..],
            elf::R_X86_64_32 => &value.to_le_bytes()[..4],
            other => return Err(Error::link(format!("relocation {other} in a line table"))),
        };
        let at = offset as usize;
        let slice = bytes.get_mut(at..at + field.len());
        slice
            .ok_or_else(|| Error::link("out of the line table's bounds"))?
            .copy_from_slice(field);
    }

    let table = DebugLine::new(&bytes, LittleEndian);
    let mut rows = Vec::new();
    let mut offset = 0;
    while offset < bytes.len() {
        let empty = EndianSlice::new(&[], LittleEndian);
        let program = table
            .program(DebugLineOffset(offset), 8, Some(empty), Some(empty))
            .map_err(Error::link)?;
        offset += program.header().unit_length() + 4;
        let mut program = program.rows();
        while let Some((_, row)) = program.next_row().map_err(Error::link)? {
            rows.push(Row {
                address: row.address() as usize,
                line: row.line().map_or(0, |line| line.get() as u32),
                location: match row.column() {
                    gimli::ColumnType::LeftEdge => 0,
                    gimli::ColumnType::Column(column) => column.get() as u32,
                },
                end: row.end_sequence(),
            });
        }
    }
    // Sequences come in any order; rows of one address must stay in theirs.
    rows.sort_by_key(|row| (row.address, !row.end));
    Ok(rows)
}

/// The code map's rows and scopes of one function.
pub(super) fn of_function(
    function: &Function,
    rows: &[Row],
    table: &LocationTable,
) -> (Vec<LineRow>, Vec<Scope>) {
    let start = rows.partition_point(|row| row.address < function.start);
    let count = rows[start..].partition_point(|row| row.address < function.start + function.size);
    let rows = &rows[start..start + count];
    let mut builder = Scopes {
        table,
        scopes: Vec::new(),
        known: FxHashMap::default(),
    };
    let mut lines: Vec<LineRow> = Vec::new();
    let Some(first) = rows.iter().find_map(|row| table.get(row.location)) else {
        return (lines, builder.scopes);
    };
    builder.start(first);
    // Code that was merged from several places has line 0: it counts to what is before it.
    for row in rows.iter().filter(|row| !row.end && row.line != 0) {
        let (line, scope) = match table.get(row.location) {
            Some(location) => (location.line, builder.scope(location)),
            // The function's prologue.
            None => (row.line, 0),
        };
        let offset = if lines.is_empty() {
            0
        } else {
            (row.address - function.start) as u32
        };
        let new = LineRow {
            offset,
            line,
            scope,
        };
        match lines.last_mut() {
            Some(last) if last.offset == offset => *last = new,
            Some(last) if (last.line, last.scope) == (line, scope) => {}
            _ => lines.push(new),
        }
    }
    (lines, builder.scopes)
}

/// Collects the scopes of a function.
struct Scopes<'a> {
    table: &'a LocationTable,
    scopes: Vec<Scope>,
    /// Scopes of inlined functions: by where (a row) and what (file, line, name).
    known: FxHashMap<(u32, &'a str, u32, &'a str), u32>,
}

impl<'a> Scopes<'a> {
    /// Makes the outermost function around a location the first scope.
    fn start(&mut self, location: &'a Location) {
        let mut outermost = location;
        while let Some(outer) = outermost.inlined_at.and_then(|row| self.table.get(row)) {
            outermost = outer;
        }
        self.scopes.push(scope(outermost, None));
    }

    fn scope(&mut self, location: &'a Location) -> u32 {
        let Some(row) = location.inlined_at else {
            let own = &self.scopes[0];
            if own.file == location.file {
                return 0;
            }
            // Code of the function itself that comes from another file.
            let line = own.line;
            return self.add(0, location, (0, line));
        };
        let Some(outer) = self.table.get(row) else {
            return 0;
        };
        let parent = self.scope(outer);
        self.add(row, location, (parent, outer.line))
    }

    fn add(&mut self, row: u32, location: &'a Location, inlined_at: (u32, u32)) -> u32 {
        let key = (
            row,
            &*location.file,
            location.function_line,
            &*location.function,
        );
        let new = self.scopes.len() as u32;
        let id = *self.known.entry(key).or_insert(new);
        if id == new {
            self.scopes.push(scope(location, Some(inlined_at)));
        }
        id
    }
}

fn scope(location: &Location, inlined_at: Option<(u32, u32)>) -> Scope {
    Scope {
        name: (&*location.function).into(),
        file: location.file.clone(),
        line: location.function_line,
        inlined_at,
    }
}
