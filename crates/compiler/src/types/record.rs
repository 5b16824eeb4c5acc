//! Items of structured arrays.

use super::Ty;

/// What a structured dtype says. A value is an address in an array, or in memory of its own.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Record {
    pub fields: Box<[Field]>,
    /// Bytes from one record to the next.
    pub size: u32,
    /// The fields lie as a C compiler would place them.
    pub aligned: bool,
    /// The memory is not to be written to. Of a value; never of the items of an array, which knows itself.
    pub readonly: bool,
}

/// A field of a record.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Field {
    pub name: Box<str>,
    /// Another name.
    pub title: Option<Box<str>>,
    pub ty: Ty,
    /// Of an array of values of the type; empty for a single one.
    pub shape: Box<[u32]>,
    /// In bytes.
    pub offset: u32,
}

impl Record {
    /// The field with a name or a title.
    pub fn field(&self, name: &str) -> Option<&Field> {
        let is = |f: &&Field| *f.name == *name || f.title.as_deref() == Some(name);
        self.fields.iter().find(is)
    }

    /// Whether a value can be used as one of `other`, whose fields it has in the same places.
    pub fn has_fields_of(&self, other: &Record) -> bool {
        let has = |f: &Field| {
            self.field(&f.name)
                .is_some_and(|g| (g.ty, &g.shape, g.offset) == (f.ty, &f.shape, f.offset))
        };
        (!self.readonly || other.readonly) && other.fields.iter().all(has)
    }
}
