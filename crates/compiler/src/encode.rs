//! Types and constants as bytes that mean the same in every process: what caches compare and store.
//!
//! A handle ([`PyRef`]) means something in one process only, so handles are kept apart: an
//! [`Encoder`] collects them in order of appearance, a [`Decoder`] is given those of its own process.
//! Texts and lists carry their lengths, so different contents never give equal bytes.

use std::fmt;

use crate::host::{Const, Described};
use crate::types::{
    ArrayTy, Exporter, Facet, Field, Generator, Kind, Layout, NamedTuple, PyRef, Record, Signature,
    Ty, Unit, View,
};

/// What has no meaning outside of the compilation it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local(pub &'static str);

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has no meaning outside of its compilation", self.0)
    }
}

/// Bytes and the handles that belong to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoder {
    pub bytes: Vec<u8>,
    pub handles: Vec<PyRef>,
}

impl Encoder {
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }
    pub fn bool(&mut self, value: bool) {
        self.bytes.push(u8::from(value));
    }
    pub fn u32(&mut self, value: u32) {
        self.bytes.extend(value.to_le_bytes());
    }
    pub fn u64(&mut self, value: u64) {
        self.bytes.extend(value.to_le_bytes());
    }
    pub fn u128(&mut self, value: u128) {
        self.bytes.extend(value.to_le_bytes());
    }
    /// The length of a list, a text or the like.
    pub fn length(&mut self, value: usize) {
        self.u64(value as u64);
    }
    pub fn raw(&mut self, value: &[u8]) {
        self.length(value.len());
        self.bytes.extend(value);
    }
    pub fn str(&mut self, value: &str) {
        self.raw(value.as_bytes());
    }
    pub fn handle(&mut self, value: PyRef) {
        self.handles.push(value);
    }
    pub fn option<T>(&mut self, value: Option<T>, some: impl FnOnce(&mut Self, T)) {
        self.bool(value.is_some());
        if let Some(value) = value {
            some(self, value);
        }
    }

    pub fn types(&mut self, types: &[Ty]) -> Result<(), Local> {
        self.length(types.len());
        types.iter().try_for_each(|&ty| self.ty(ty))
    }

    pub fn ty(&mut self, ty: Ty) -> Result<(), Local> {
        match ty.kind() {
            Kind::None => self.u8(0),
            Kind::Bool => self.u8(1),
            Kind::Int { bits, signed, weak } => {
                self.bytes
                    .extend([2, *bits, u8::from(*signed), u8::from(*weak)]);
            }
            Kind::Float { bits, weak } => self.bytes.extend([3, *bits, u8::from(*weak)]),
            Kind::Complex { bits, weak } => self.bytes.extend([4, *bits, u8::from(*weak)]),
            Kind::Str => self.u8(5),
            Kind::Tuple(items) => {
                self.u8(6);
                self.types(items)?;
            }
            Kind::NamedTuple(class, items) => {
                self.u8(7);
                self.named_tuple(class);
                self.types(items)?;
            }
            Kind::Array(array) => {
                self.u8(8);
                self.array(*array)?;
            }
            Kind::Optional(inner) => self.around(9, *inner)?,
            Kind::Range(inner, step) => {
                self.around(10, *inner)?;
                self.option(*step, |this, step| this.u64(step.cast_unsigned()));
            }
            Kind::Iter(inner) => self.around(11, *inner)?,
            Kind::Enumerate(inner) => self.around(12, *inner)?,
            Kind::Zip(items) => {
                self.u8(13);
                self.types(items)?;
            }
            Kind::Reversed(inner) => self.around(14, *inner)?,
            Kind::Facet(Facet::Flat, array) => self.around(32, *array)?,
            Kind::Facet(Facet::Enumerated, array) => self.around(35, *array)?,
            Kind::NdIndex(ndim) => self.bytes.extend([36, *ndim]),
            Kind::NdIter(items) => {
                self.u8(37);
                self.types(items)?;
            }
            Kind::Generator(generator) => {
                self.around(43, generator.item)?;
                self.ty(generator.sent)?;
                self.ty(generator.result)?;
            }
            Kind::Facet(Facet::Flags, array) => self.around(33, *array)?,
            Kind::Facet(Facet::Ctypes, array) => self.around(34, *array)?,
            Kind::Slice(given) => {
                self.u8(15);
                given.iter().for_each(|&given| self.bool(given));
            }
            Kind::Grid(parts) => {
                self.u8(46);
                for &part in parts {
                    self.ty(part)?;
                }
            }
            Kind::Ellipsis => self.u8(16),
            Kind::Omitted(default) => self.object(17, *default),
            Kind::Module(name) => self.named(18, name),
            Kind::Builtin(name) => self.named(19, name),
            Kind::Method(receiver, name) => {
                self.named(20, name);
                self.ty(*receiver)?;
            }
            Kind::Class(of) => self.around(21, *of)?,
            Kind::Dtype(of) => self.around(22, *of)?,
            Kind::NamedTupleClass(class) => {
                self.u8(23);
                self.named_tuple(class);
            }
            Kind::Dispatcher(dispatcher, signatures) => {
                self.object(24, *dispatcher);
                self.types(signatures)?;
            }
            Kind::Function(signature) => {
                self.around(31, signature.result)?;
                self.types(&signature.args)?;
            }
            Kind::Foreign(object, ty) => {
                self.object(30, *object);
                self.ty(*ty)?;
            }
            Kind::ExcClass(class, name) => {
                self.object(25, *class);
                self.str(name);
            }
            Kind::Exception(class, name, args) => {
                self.object(26, *class);
                self.str(name);
                self.types(args)?;
            }
            Kind::Opaque(object, class) => {
                self.object(27, *object);
                self.str(class);
            }
            Kind::Caught => self.u8(28),
            Kind::List(item) => self.around(29, *item)?,
            Kind::Dict { item, typed } => self.around(if *typed { 55 } else { 50 }, *item)?,
            Kind::Set { item, frozen } => self.around(if *frozen { 57 } else { 51 }, *item)?,
            Kind::Keyed(keys, values) => {
                self.u8(56);
                self.types(values)?;
                keys.iter().for_each(|key| self.str(key));
            }
            Kind::View(view, dict) => self.around(52 + *view as u8, *dict)?,
            Kind::Time { delta, unit } => self.bytes.extend([40, u8::from(*delta), unit.code()]),
            Kind::Record(record) => {
                self.u8(41);
                self.record(record)?;
            }
            Kind::Chars { unicode, count } => {
                self.u8(42);
                self.bool(*unicode);
                self.u32(*count);
            }
            Kind::Buffer(exporter, array) => {
                self.named(44, exporter.name());
                self.array(*array)?;
            }
            Kind::Unknown => return Err(Local("the type of what is in an empty list")),
            Kind::Closure(_) => return Err(Local("the type of an inner function")),
            Kind::Cell(_) => return Err(Local("the type of a variable of inner functions")),
        }
        Ok(())
    }

    fn around(&mut self, tag: u8, inner: Ty) -> Result<(), Local> {
        self.u8(tag);
        self.ty(inner)
    }
    fn object(&mut self, tag: u8, object: PyRef) {
        self.u8(tag);
        self.handle(object);
    }
    fn named(&mut self, tag: u8, name: &str) {
        self.u8(tag);
        self.str(name);
    }

    fn named_tuple(&mut self, class: &NamedTuple) {
        self.handle(class.class);
        self.str(&class.name);
        self.length(class.fields.len());
        class.fields.iter().for_each(|field| self.str(field));
    }

    fn record(&mut self, record: &Record) -> Result<(), Local> {
        self.u32(record.size);
        self.bool(record.aligned);
        self.bool(record.readonly);
        self.length(record.fields.len());
        for field in &record.fields {
            self.str(&field.name);
            self.option(field.title.as_deref(), Encoder::str);
            self.length(field.shape.len());
            field.shape.iter().for_each(|&n| self.u32(n));
            self.u32(field.offset);
            self.ty(field.ty)?;
        }
        Ok(())
    }

    fn array(&mut self, array: ArrayTy) -> Result<(), Local> {
        let layout = match array.layout {
            Layout::C => 0,
            Layout::F => 1,
            Layout::A => 2,
        };
        let flags = [
            array.ndim,
            layout,
            u8::from(array.readonly),
            u8::from(array.aligned),
        ];
        self.bytes.extend(flags);
        self.ty(array.dtype)
    }

    pub fn constant(&mut self, constant: &Const) {
        match constant {
            Const::None => self.u8(0),
            Const::Bool(value) => self.bytes.extend([1, u8::from(*value)]),
            Const::Int(value) => {
                self.u8(2);
                self.u128(value.cast_unsigned());
            }
            Const::Float(value) => {
                self.u8(3);
                self.u64(value.to_bits());
            }
            Const::Complex(real, imag) => {
                self.u8(4);
                self.u64(real.to_bits());
                self.u64(imag.to_bits());
            }
            Const::Str(text) => self.named(5, text),
            Const::Bytes(content) => {
                self.u8(9);
                self.raw(content);
            }
            Const::Tuple(items) => {
                self.u8(6);
                self.length(items.len());
                items.iter().for_each(|item| self.constant(item));
            }
            Const::Array(array) => self.object(7, *array),
            Const::Object(object) => self.object(8, *object),
        }
    }

    /// What a host says about an object.
    pub fn described(&mut self, described: &Result<Described, String>) -> Result<(), Local> {
        match described {
            Ok(described) => {
                self.u8(1);
                self.ty(described.ty)?;
                self.option(described.constant.as_ref(), Encoder::constant);
            }
            Err(class) => self.named(0, class),
        }
        Ok(())
    }
}

/// Reads what an [`Encoder`] wrote. Every method gives None where the bytes are something else.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    handles: &'a [PyRef],
}

impl<'a> Decoder<'a> {
    pub fn new(bytes: &'a [u8], handles: &'a [PyRef]) -> Decoder<'a> {
        Decoder { bytes, handles }
    }

    pub fn is_at_end(&self) -> bool {
        self.bytes.is_empty() && self.handles.is_empty()
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(*first)
    }
    pub fn u8(&mut self) -> Option<u8> {
        Some(self.array::<1>()?[0])
    }
    pub fn bool(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
    pub fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }
    /// The length of a list; no item is shorter than a byte, which bounds what a reader may reserve.
    pub fn length(&mut self) -> Option<usize> {
        let len = usize::try_from(self.u64()?).ok()?;
        (len <= self.bytes.len()).then_some(len)
    }
    pub fn raw(&mut self) -> Option<&'a [u8]> {
        let len = self.length()?;
        let (raw, rest) = self.bytes.split_at_checked(len)?;
        self.bytes = rest;
        Some(raw)
    }
    pub fn str(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.raw()?).ok()
    }
    pub fn handle(&mut self) -> Option<PyRef> {
        let (first, rest) = self.handles.split_first()?;
        self.handles = rest;
        Some(*first)
    }
    pub fn option<T>(&mut self, some: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        Some(if self.bool()? {
            Some(some(self)?)
        } else {
            None
        })
    }

    pub fn types(&mut self) -> Option<Box<[Ty]>> {
        // Types without contents are one byte long.
        (0..self.length()?).map(|_| self.ty()).collect()
    }

    pub fn ty(&mut self) -> Option<Ty> {
        Some(Ty::new(match self.u8()? {
            0 => Kind::None,
            1 => Kind::Bool,
            2 => Kind::Int {
                bits: self.u8()?,
                signed: self.bool()?,
                weak: self.bool()?,
            },
            3 => Kind::Float {
                bits: self.u8()?,
                weak: self.bool()?,
            },
            4 => Kind::Complex {
                bits: self.u8()?,
                weak: self.bool()?,
            },
            5 => Kind::Str,
            6 => Kind::Tuple(self.types()?),
            7 => Kind::NamedTuple(self.named_tuple()?, self.types()?),
            8 => Kind::Array(self.array_type()?),
            9 => Kind::Optional(self.ty()?),
            10 => {
                let inner = self.ty()?;
                Kind::Range(inner, self.option(|this| this.u64().map(u64::cast_signed))?)
            }
            11 => Kind::Iter(self.ty()?),
            12 => Kind::Enumerate(self.ty()?),
            13 => Kind::Zip(self.types()?),
            14 => Kind::Reversed(self.ty()?),
            15 => Kind::Slice([self.bool()?, self.bool()?, self.bool()?]),
            46 => Kind::Grid([self.ty()?, self.ty()?, self.ty()?]),
            16 => Kind::Ellipsis,
            17 => Kind::Omitted(self.handle()?),
            18 => Kind::Module(self.str()?.into()),
            19 => Kind::Builtin(self.str()?.into()),
            20 => {
                let name = self.str()?.into();
                Kind::Method(self.ty()?, name)
            }
            21 => Kind::Class(self.ty()?),
            22 => Kind::Dtype(self.ty()?),
            23 => Kind::NamedTupleClass(self.named_tuple()?),
            24 => Kind::Dispatcher(self.handle()?, self.types()?),
            25 => Kind::ExcClass(self.handle()?, self.str()?.into()),
            26 => Kind::Exception(self.handle()?, self.str()?.into(), self.types()?),
            27 => Kind::Opaque(self.handle()?, self.str()?.into()),
            28 => Kind::Caught,
            32 => Kind::Facet(Facet::Flat, self.ty()?),
            33 => Kind::Facet(Facet::Flags, self.ty()?),
            34 => Kind::Facet(Facet::Ctypes, self.ty()?),
            35 => Kind::Facet(Facet::Enumerated, self.ty()?),
            36 => Kind::NdIndex(self.u8()?),
            37 => Kind::NdIter(self.types()?),
            29 => Kind::List(self.ty()?),
            tag @ (50 | 55) => Kind::Dict {
                item: self.ty()?,
                typed: tag == 55,
            },
            tag @ (51 | 57) => Kind::Set {
                item: self.ty()?,
                frozen: tag == 57,
            },
            56 => {
                let values = self.types()?;
                let keys = values.iter().map(|_| self.str().map(Into::into));
                Kind::Keyed(keys.collect::<Option<_>>()?, values)
            }
            52 => Kind::View(View::Keys, self.ty()?),
            53 => Kind::View(View::Values, self.ty()?),
            54 => Kind::View(View::Items, self.ty()?),
            30 => Kind::Foreign(self.handle()?, self.ty()?),
            31 => Kind::Function(Box::new(Signature {
                result: self.ty()?,
                args: self.types()?,
            })),
            40 => Kind::Time {
                delta: self.bool()?,
                unit: Unit::of_code(self.u8()?)?,
            },
            42 => Kind::Chars {
                unicode: self.bool()?,
                count: self.u32()?,
            },
            41 => Kind::Record(Box::new(self.record()?)),
            43 => Kind::Generator(Generator {
                item: self.ty()?,
                sent: self.ty()?,
                result: self.ty()?,
            }),
            44 => Kind::Buffer(Exporter::by_name(self.str()?)?, self.array_type()?),
            _ => return None,
        }))
    }

    fn record(&mut self) -> Option<Record> {
        let size = self.u32()?;
        let (aligned, readonly) = (self.bool()?, self.bool()?);
        let fields = (0..self.length()?)
            .map(|_| {
                let name = self.str()?.into();
                let title = self.option(|this| this.str().map(Into::into))?;
                let shape = (0..self.length()?)
                    .map(|_| self.u32())
                    .collect::<Option<_>>()?;
                let offset = self.u32()?;
                Some(Field {
                    name,
                    title,
                    ty: self.ty()?,
                    shape,
                    offset,
                })
            })
            .collect::<Option<_>>()?;
        Some(Record {
            fields,
            size,
            aligned,
            readonly,
        })
    }

    fn named_tuple(&mut self) -> Option<NamedTuple> {
        let class = self.handle()?;
        let name = self.str()?.into();
        let fields = (0..self.length()?)
            .map(|_| self.str().map(Into::into))
            .collect::<Option<_>>()?;
        Some(NamedTuple {
            class,
            name,
            fields,
        })
    }

    fn array_type(&mut self) -> Option<ArrayTy> {
        let ndim = self.u8()?;
        let layout = match self.u8()? {
            0 => Layout::C,
            1 => Layout::F,
            2 => Layout::A,
            _ => return None,
        };
        let (readonly, aligned) = (self.bool()?, self.bool()?);
        Some(ArrayTy {
            dtype: self.ty()?,
            ndim,
            layout,
            readonly,
            aligned,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(ty: Ty) {
        let mut out = Encoder::default();
        out.ty(ty).expect("it is portable");
        let mut back = Decoder::new(&out.bytes, &out.handles);
        assert_eq!(back.ty(), Some(ty));
        assert!(back.is_at_end());
        for len in 0..out.bytes.len() {
            assert_eq!(
                Decoder::new(&out.bytes[..len], &out.handles).ty(),
                None,
                "{ty} cut to {len}"
            );
        }
    }

    #[test]
    fn types_come_back() {
        let named = NamedTuple {
            class: PyRef(7),
            name: "P".into(),
            fields: ["x".into(), "yy".into()].into(),
        };
        let f4 = Ty::float(32);
        for kind in [
            Kind::None,
            Kind::Int {
                bits: 8,
                signed: false,
                weak: true,
            },
            Kind::Tuple([f4, Ty::py_int(), Ty::str()].into()),
            Kind::NamedTuple(named.clone(), [Ty::bool(), Ty::complex(64)].into()),
            Kind::Array(ArrayTy {
                dtype: f4,
                ndim: 3,
                layout: Layout::A,
                readonly: true,
                aligned: false,
            }),
            Kind::Time {
                delta: true,
                unit: Unit::Nano,
            },
            Kind::Record(Box::new(Record {
                fields: [Field {
                    name: "x".into(),
                    title: Some("y".into()),
                    ty: f4,
                    shape: [2, 3].into(),
                    offset: 8,
                }]
                .into(),
                size: 32,
                aligned: true,
                readonly: false,
            })),
            Kind::Range(Ty::py_int(), Some(-2)),
            Kind::Range(Ty::py_int(), None),
            Kind::Slice([true, false, true]),
            Kind::Grid([f4, Ty::none(), Ty::complex(128)]),
            Kind::Method(Ty::array(f4, 1, Layout::F), "sum".into()),
            Kind::NamedTupleClass(named),
            Kind::Exception(
                PyRef(3),
                "E".into(),
                [Ty::new(Kind::Omitted(PyRef(9)))].into(),
            ),
            Kind::Opaque(PyRef(1), "Thing".into()),
            Kind::Dispatcher(PyRef(2), [Ty::function(f4, &[Ty::int(8, true)])].into()),
            Kind::Foreign(PyRef(2), Ty::function(Ty::none(), &[])),
        ] {
            round(Ty::new(kind));
        }
    }

    #[test]
    fn handles_are_no_part_of_the_bytes() {
        let of = |handle| {
            let mut out = Encoder::default();
            out.ty(Ty::new(Kind::Dispatcher(PyRef(handle), [].into())))
                .expect("it is portable");
            out
        };
        let (a, b) = (of(1), of(2));
        assert_eq!(a.bytes, b.bytes);
        assert_ne!(a.handles, b.handles);
    }

    #[test]
    fn constants_differ_by_bits() {
        let bytes = |constant| {
            let mut out = Encoder::default();
            out.constant(&constant);
            out.bytes
        };
        assert_ne!(bytes(Const::Float(0.0)), bytes(Const::Float(-0.0)));
        assert_ne!(bytes(Const::Int(1)), bytes(Const::Bool(true)));
        assert_eq!(bytes(Const::Float(f64::NAN)), bytes(Const::Float(f64::NAN)));
    }
}
