//! Code as bytes.

use std::sync::Arc;

use ferdelance_compiler::encode::{Decoder, Encoder, Local};
use ferdelance_compiler::tir::PoolEntry;
use ferdelance_compiler::types::Ty;

use crate::compile::{Object, Timings};
use crate::locations::{Location, LocationTable};

/// An object with the type of its function's result.
#[derive(Clone, Debug)]
pub struct Stored {
    pub object: Object,
    pub result: Ty,
}

impl Stored {
    /// Handles are collected in order; [`Stored::decode`] wants those of its process.
    pub fn encode(object: &Object, result: Ty, out: &mut Encoder) -> Result<(), Local> {
        // Complete by construction: a new field has to be dealt with here.
        let Object {
            bytes,
            pool,
            entries,
            locations,
            timings: _,
        } = object;
        out.ty(result)?;
        out.raw(bytes);
        out.length(pool.len());
        for entry in pool {
            match entry {
                PoolEntry::Location {
                    file,
                    function,
                    line,
                    column,
                } => {
                    out.u8(0);
                    out.str(file);
                    out.str(function);
                    out.u32(*line);
                    out.u32(*column);
                }
                PoolEntry::Str(text) => {
                    out.u8(1);
                    out.str(text);
                }
                PoolEntry::Bytes(content) => {
                    out.u8(6);
                    out.raw(content);
                }
                PoolEntry::Object(handle) => {
                    out.u8(2);
                    out.handle(*handle);
                }
                PoolEntry::Array(handle) => {
                    out.u8(3);
                    out.handle(*handle);
                }
                PoolEntry::Function { function, ty } => {
                    out.u8(4);
                    out.handle(*function);
                    out.ty(*ty)?;
                }
                PoolEntry::Foreign(handle) => {
                    out.u8(5);
                    out.handle(*handle);
                }
            }
        }
        out.length(entries.len());
        entries.iter().for_each(|symbol| out.str(symbol));
        out.length(locations.rows.len());
        for row in &locations.rows {
            let Location {
                file,
                function,
                function_line,
                line,
                column,
                inlined_at,
            } = row;
            out.str(file);
            out.str(function);
            out.u32(*function_line);
            out.u32(*line);
            out.u32(*column);
            out.option(*inlined_at, Encoder::u32);
        }
        Ok(())
    }

    pub fn decode(from: &mut Decoder<'_>) -> Option<Stored> {
        let result = from.ty()?;
        let bytes = from.raw()?.to_vec();
        let text = |from: &mut Decoder<'_>| from.str().map(Arc::<str>::from);
        let pool = (0..from.length()?)
            .map(|_| pool_entry(from))
            .collect::<Option<_>>()?;
        let entries = (0..from.length()?)
            .map(|_| text(from))
            .collect::<Option<_>>()?;
        let rows = (0..from.length()?)
            .map(|_| location(from))
            .collect::<Option<_>>()?;
        let locations = LocationTable { rows };
        let object = Object {
            bytes,
            pool,
            entries,
            locations,
            timings: Timings::default(),
        };
        from.is_at_end().then_some(Stored { object, result })
    }
}

fn pool_entry(from: &mut Decoder<'_>) -> Option<PoolEntry> {
    Some(match from.u8()? {
        0 => PoolEntry::Location {
            file: from.str()?.into(),
            function: from.str()?.into(),
            line: from.u32()?,
            column: from.u32()?,
        },
        1 => PoolEntry::Str(from.str()?.into()),
        2 => PoolEntry::Object(from.handle()?),
        3 => PoolEntry::Array(from.handle()?),
        4 => PoolEntry::Function {
            function: from.handle()?,
            ty: from.ty()?,
        },
        5 => PoolEntry::Foreign(from.handle()?),
        6 => PoolEntry::Bytes(from.raw()?.into()),
        _ => return None,
    })
}

fn location(from: &mut Decoder<'_>) -> Option<Location> {
    Some(Location {
        file: from.str()?.into(),
        function: from.str()?.into(),
        function_line: from.u32()?,
        line: from.u32()?,
        column: from.u32()?,
        inlined_at: from.option(Decoder::u32)?,
    })
}

#[cfg(test)]
mod tests {
    use ferdelance_compiler::types::PyRef;

    use super::*;

    #[test]
    fn objects_come_back() {
        let row = Location {
            file: "a.py".into(),
            function: "f".into(),
            function_line: 3,
            line: 4,
            column: 0,
            inlined_at: Some(1),
        };
        let object = Object {
            bytes: vec![1, 2, 3],
            pool: vec![
                PoolEntry::Location {
                    file: "a.py".into(),
                    function: "f".into(),
                    line: 4,
                    column: 2,
                },
                PoolEntry::Object(PyRef(5)),
                PoolEntry::Str("text".into()),
                PoolEntry::Array(PyRef(6)),
                PoolEntry::Function {
                    function: PyRef(7),
                    ty: Ty::function(Ty::none(), &[Ty::float(64)]),
                },
            ],
            entries: vec!["f.entry".into()],
            locations: LocationTable { rows: vec![row] },
            timings: Timings::default(),
        };
        let mut out = Encoder::default();
        Stored::encode(&object, Ty::py_float(), &mut out).expect("it is portable");
        let handles = [PyRef(50), PyRef(60), PyRef(70)];
        let back = Stored::decode(&mut Decoder::new(&out.bytes, &handles)).expect("it comes back");
        assert_eq!(back.result, Ty::py_float());
        assert_eq!(back.object.bytes, object.bytes);
        assert_eq!(back.object.pool[0], object.pool[0]);
        assert_eq!(back.object.pool[1], PoolEntry::Object(PyRef(50)));
        assert_eq!(back.object.pool[3], PoolEntry::Array(PyRef(60)));
        assert_eq!(back.object.entries, object.entries);
        assert_eq!(back.object.locations, object.locations);
        for len in 0..out.bytes.len() {
            let cut = Stored::decode(&mut Decoder::new(&out.bytes[..len], &handles));
            assert!(cut.is_none());
        }
    }
}
