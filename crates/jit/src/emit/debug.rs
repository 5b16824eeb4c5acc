//! Source locations.
//!
//! Every location in the code becomes an LLVM debug location (for debuggers, through DWARF) and a row
//! of the object's own [`LocationTable`] (for the code map). The line table that LLVM makes joins the
//! two: where DWARF has a column, it has the number of the row. So the code map knows all of a
//! location, with the functions it was inlined into, from the line table alone; debuggers show lines.

use std::sync::Arc;

use ferdelance_compiler::tir::{Function, Loc, LocId, Program};
use inkwell::context::Context;
use inkwell::module::Module;
use rustc_hash::FxHashMap;

use super::raw::{Meta, Val};
use super::raw_debug::DebugBuilder;
use crate::locations::{Location, LocationTable};

/// The function that a location is in.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Scope {
    file: Box<str>,
    function: Arc<str>,
    line: u32,
}

impl Scope {
    fn of(loc: &Loc) -> Scope {
        let file = loc.source.file.clone();
        Scope {
            file,
            function: loc.function.clone(),
            line: loc.function_line,
        }
    }
}

/// Debug information of a module, under construction.
pub(super) struct DebugInfo<'c> {
    builder: DebugBuilder<'c>,
    files: FxHashMap<Box<str>, Meta<'c>>,
    /// Subprograms of inlined functions.
    inlined: FxHashMap<Scope, Meta<'c>>,
    pub table: LocationTable,
    current: Current<'c>,
}

/// The function that is being emitted.
#[derive(Default)]
struct Current<'c> {
    /// Its own scope, if any location says it.
    own: Option<(Scope, Meta<'c>)>,
    definition: Option<Meta<'c>>,
    /// What each location became: the node and the row of the table.
    known: Vec<Option<(Meta<'c>, u32)>>,
}

impl<'c> DebugInfo<'c> {
    /// None if nothing in the program has a location.
    pub fn new(context: &'c Context, module: &Module<'c>, program: &Program) -> Option<Self> {
        let first = program.functions.iter().find_map(|f| f.locs.first())?;
        let full = program.functions.iter().any(|f| f.options.debug);
        let builder = DebugBuilder::new(context, module, &first.source.file, full);
        let (files, inlined) = Default::default();
        let table = LocationTable::default();
        Some(DebugInfo {
            builder,
            files,
            inlined,
            table,
            current: Current::default(),
        })
    }

    /// Starts a function.
    pub fn enter(&mut self, function: &Function, value: Val<'c>) {
        self.current = Current {
            known: vec![None; function.locs.len()],
            ..Current::default()
        };
        let Some(loc) = function.locs.iter().find(|loc| loc.inlined_at.is_none()) else {
            return;
        };
        let scope = Scope::of(loc);
        let file = self.file(&scope.file);
        let subprogram =
            self.builder
                .subprogram(file, &function.name, &function.symbol, scope.line);
        value.set_subprogram(subprogram);
        let row = self.table.push(Location {
            file: scope.file.clone(),
            function: function.name.clone(),
            function_line: scope.line,
            line: scope.line,
            column: 0,
            inlined_at: None,
        });
        self.current.definition = Some(self.builder.location(scope.line, row, subprogram, None));
        self.current.own = Some((scope, subprogram));
    }

    /// The place of the function's definition.
    pub fn definition(&self) -> Option<Meta<'c>> {
        self.current.definition
    }

    /// A location of the function, for instructions.
    pub fn location(&mut self, function: &Function, id: LocId) -> Option<Meta<'c>> {
        self.resolve(function, id)
            .map(|(node, _)| node)
            .or(self.current.definition)
    }

    fn resolve(&mut self, function: &Function, id: LocId) -> Option<(Meta<'c>, u32)> {
        if let Some(known) = *self.current.known.get(id.index())? {
            return Some(known);
        }
        let (own, own_subprogram) = self.current.own.clone()?;
        let loc = function.locs.get(id.index())?;
        let scope = Scope::of(loc);
        let (node_scope, outer) = match loc.inlined_at {
            Some(outer) => (self.subprogram(&scope), self.resolve(function, outer)),
            None if scope.file != own.file => {
                let file = self.file(&scope.file);
                (self.builder.scope_in_file(own_subprogram, file), None)
            }
            None => (own_subprogram, None),
        };
        let row = self.table.push(Location {
            file: scope.file,
            function: scope.function,
            function_line: scope.line,
            line: loc.line,
            column: loc.column,
            inlined_at: outer.map(|(_, row)| row),
        });
        let node = self
            .builder
            .location(loc.line, row, node_scope, outer.map(|(node, _)| node));
        let resolved = Some((node, row));
        self.current.known[id.index()] = resolved;
        resolved
    }

    fn file(&mut self, name: &str) -> Meta<'c> {
        if let Some(known) = self.files.get(name) {
            return *known;
        }
        let file = self.builder.file(name);
        self.files.insert(name.into(), file);
        file
    }

    fn subprogram(&mut self, scope: &Scope) -> Meta<'c> {
        if let Some(known) = self.inlined.get(scope) {
            return *known;
        }
        let file = self.file(&scope.file);
        let made = self
            .builder
            .subprogram(file, &scope.function, "", scope.line);
        self.inlined.insert(scope.clone(), made);
        made
    }

    /// Completes the module's debug information; gives the table of locations.
    pub fn finish(self) -> LocationTable {
        self.builder.finish();
        self.table
    }
}
