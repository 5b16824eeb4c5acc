//! Types: interned structures, compared by pointer.
//!
//! A [`Ty`] is a `Copy` handle to a [`Kind`] that lives for the whole process; equal kinds are the
//! same handle. Numbers carry their *origin* (`weak`): literals, `range`, `len` and arguments of the
//! exact builtin classes are weak, array elements, NumPy scalars and explicit signatures are strong.
//! The origin matters for promotion against arrays only ([`promote`]) and is not printed.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Mutex;

use rustc_hash::FxHashSet;

pub mod join;
pub mod promote;
pub mod record;
pub mod time;

pub use record::{Field, Record};
pub use time::Unit;

/// A type.
#[derive(Clone, Copy)]
pub struct Ty(&'static Kind);

/// A Python object that a type or constant refers to, by the host's handle. Handles are unique per
/// object for as long as the process lives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct PyRef(pub u64);

/// Memory order of an array.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Layout {
    C,
    F,
    /// Any strides.
    A,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ArrayTy {
    pub dtype: Ty,
    pub ndim: u8,
    pub layout: Layout,
    pub readonly: bool,
    pub aligned: bool,
}

/// Which class of Python shows memory. Values of all of them are the arrays that NumPy would make of
/// them; they differ in what their operators mean and in what Python gets back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Exporter {
    Bytes,
    ByteArray,
    MemoryView,
    /// `array.array`
    PyArray,
    MemoryMap,
}

impl Exporter {
    /// All of them, by the names that their types are printed with.
    pub const NAMES: [(Exporter, &str); 5] = [
        (Exporter::Bytes, "bytes"),
        (Exporter::ByteArray, "bytearray"),
        (Exporter::MemoryView, "memoryview"),
        (Exporter::PyArray, "array.array"),
        (Exporter::MemoryMap, "mmap"),
    ];

    pub fn name(self) -> &'static str {
        Exporter::NAMES[self as usize].1
    }

    pub fn by_name(name: &str) -> Option<Exporter> {
        Exporter::NAMES
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(exporter, _)| *exporter)
    }
}

/// A named tuple's class.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct NamedTuple {
    pub class: PyRef,
    pub name: Box<str>,
    pub fields: Box<[Box<str>]>,
}

/// See [`Kind::Facet`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Facet {
    Flat,
    /// `np.ndenumerate(a)`
    Enumerated,
    Flags,
    Ctypes,
}

/// What a dict shows of its items: `d.keys()`, `d.values()`, `d.items()`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum View {
    Keys,
    Values,
    Items,
}

impl View {
    /// The method that gives it.
    pub fn name(self) -> &'static str {
        match self {
            View::Keys => "keys",
            View::Values => "values",
            View::Items => "items",
        }
    }

    pub fn by_name(name: &str) -> Option<View> {
        [View::Keys, View::Values, View::Items]
            .into_iter()
            .find(|view| view.name() == name)
    }
}

/// What a type is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    None,
    Bool,
    Int {
        bits: u8,
        signed: bool,
        weak: bool,
    },
    Float {
        bits: u8,
        weak: bool,
    },
    /// `bits` of both parts together: 64 or 128.
    Complex {
        bits: u8,
        weak: bool,
    },
    /// A date, or (`delta`) a duration: an integer number of units.
    Time {
        delta: bool,
        unit: Unit,
    },
    /// An item of a structured array: a reference to it.
    Record(Box<Record>),
    /// An item of an array of texts or bytes of at most so many characters: a reference to it.
    Chars {
        unicode: bool,
        count: u32,
    },
    Str,
    Tuple(Box<[Ty]>),
    NamedTuple(NamedTuple, Box<[Ty]>),
    Array(ArrayTy),
    /// `bytes` and the other classes that show memory.
    Buffer(Exporter, ArrayTy),
    /// A list of items of this type.
    List(Ty),
    /// A dict of items of this type: tuples of a key and a value.
    Dict {
        item: Ty,
        /// A `typed.Dict`: Python has the dict itself. Of any other, it gets and gives copies.
        typed: bool,
    },
    /// A dict whose keys are these texts, for good, and whose values have these types, each its own: a
    /// display like `{"name": "x", "count": 1}`.
    Keyed(Box<[Box<str>]>, Box<[Ty]>),
    /// A set of items of this type; a `frozenset` if it is frozen.
    Set {
        item: Ty,
        frozen: bool,
    },
    /// What a dict, which is the value, shows of its items.
    View(View, Ty),
    /// The type of the items of a container that nothing was put into yet; in the end there is none.
    Unknown,
    Optional(Ty),
    /// `range` over integers of this type; a value has start, stop and, unless the step is known and
    /// part of the type, step.
    Range(Ty, Option<i64>),
    /// The state of an iterator over a value of this type.
    Iter(Ty),
    /// `enumerate(x)`, `zip(x, ..)`, `reversed(x)` and the like, made of the iterables' types.
    Enumerate(Ty),
    Zip(Box<[Ty]>),
    Reversed(Ty),
    /// `np.ndindex(...)` over so many dimensions; a value has their lengths.
    NdIndex(u8),
    /// `np.nditer(...)` over arrays that have been brought to one shape, in the order they are visited.
    NdIter(Box<[Ty]>),
    /// A generator object. Which function it runs is known at run time only.
    Generator(Generator),
    /// A slice of integers; each part may be absent (None) by type.
    Slice([bool; 3]),
    /// A slice of numbers that are not all integers, as `np.mgrid` takes it; absent parts are None.
    Grid([Ty; 3]),
    Ellipsis,
    /// A default argument that was not passed: the default is the callee's constant.
    Omitted(PyRef),

    // Values that are known by their type alone (no slots).
    /// A module, by its name.
    Module(Box<str>),
    /// A function or class of Python, NumPy or ours that the compiler knows, by its canonical
    /// qualified name: `math.sin`, `builtins.len`, `numpy.zeros`, `ferdelance.prange`.
    Builtin(Box<str>),
    /// A bound method of a builtin type: receiver and name. The value is the receiver.
    Method(Ty, Box<str>),
    /// What an array shows under a name: `a.flat`, `a.flags`, `a.ctypes`. The value is the array.
    Facet(Facet, Ty),
    /// A class that makes values of a type: `int`, `np.float32`, `types.int64`.
    Class(Ty),
    /// A NumPy dtype, or a class used as one.
    Dtype(Ty),
    NamedTupleClass(NamedTuple),
    /// A jitted function, and its explicit signatures (function types); none if it is compiled for
    /// the types that it is called with.
    Dispatcher(PyRef, Box<[Ty]>),
    /// A C function that a Python object stands for (a `ctypes` function), and its function type.
    Foreign(PyRef, Ty),
    /// Any function of this signature, known at run time only. Parameter types and result are strong.
    Function(Box<Signature>),
    /// A function or lambda defined inside a compiled one: its HIR (an index into the enclosing
    /// module) and the types of what it captures, which are its value.
    Closure(Closure),
    /// An exception class; an instance of it made of arguments of these types.
    ExcClass(PyRef, Box<str>),
    Exception(PyRef, Box<str>, Box<[Ty]>),
    /// The exception that a handler caught: good only for matching and raising again.
    Caught,
    /// A variable that an inner function assigns (`nonlocal`): a mutable cell, by allocation site.
    Cell(CellSite),
    /// Any other object, good only for identity: carried by type, named by its class.
    Opaque(PyRef, Box<str>),
}

/// An inner function: which HIR and what it captures.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Closure {
    /// The module (one per jitted function or prelude file), then the function in it.
    pub module: u32,
    pub function: u32,
    pub captures: Box<[Ty]>,
    /// Types of the default values, which follow the captures in the value.
    pub defaults: Box<[Ty]>,
}

/// What goes into a generator and comes out of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Generator {
    /// What it yields.
    pub item: Ty,
    /// What `yield` gives inside: None, if nothing can be sent.
    pub sent: Ty,
    /// What it returns when it is finished.
    pub result: Ty,
}

/// What a function takes and gives.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Signature {
    pub result: Ty,
    pub args: Box<[Ty]>,
}

/// Where a cell was made: an instruction of an instance.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CellSite {
    pub instance: u32,
    pub inst: u32,
}

static INTERNER: Mutex<Option<FxHashSet<&'static Kind>>> = Mutex::new(None);

impl Ty {
    /// The type with this structure.
    pub fn new(kind: Kind) -> Ty {
        // A poisoned lock still holds a consistent set: insertion is the last step.
        let mut guard = INTERNER
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let set = guard.get_or_insert_with(FxHashSet::default);
        if let Some(found) = set.get(&kind) {
            return Ty(found);
        }
        let leaked: &'static Kind = Box::leak(Box::new(kind));
        set.insert(leaked);
        Ty(leaked)
    }

    pub fn kind(self) -> &'static Kind {
        self.0
    }

    pub fn none() -> Ty {
        Ty::new(Kind::None)
    }
    pub fn bool() -> Ty {
        Ty::new(Kind::Bool)
    }
    /// A strong integer type.
    pub fn int(bits: u8, signed: bool) -> Ty {
        Ty::new(Kind::Int {
            bits,
            signed,
            weak: false,
        })
    }
    /// A strong float type.
    pub fn float(bits: u8) -> Ty {
        Ty::new(Kind::Float { bits, weak: false })
    }
    /// A strong complex type; `bits` of both parts together.
    pub fn complex(bits: u8) -> Ty {
        Ty::new(Kind::Complex { bits, weak: false })
    }
    /// Python's int: weak int64.
    pub fn py_int() -> Ty {
        Ty::new(Kind::Int {
            bits: 64,
            signed: true,
            weak: true,
        })
    }
    pub fn py_float() -> Ty {
        Ty::new(Kind::Float {
            bits: 64,
            weak: true,
        })
    }
    pub fn py_complex() -> Ty {
        Ty::new(Kind::Complex {
            bits: 128,
            weak: true,
        })
    }
    pub fn time(delta: bool, unit: Unit) -> Ty {
        Ty::new(Kind::Time { delta, unit })
    }
    pub fn str() -> Ty {
        Ty::new(Kind::Str)
    }
    pub fn bytes() -> Ty {
        Ty::new(Kind::Buffer(
            Exporter::Bytes,
            ArrayTy {
                dtype: Ty::int(8, false),
                ndim: 1,
                layout: Layout::C,
                readonly: true,
                aligned: true,
            },
        ))
    }
    pub fn tuple(items: &[Ty]) -> Ty {
        Ty::new(Kind::Tuple(items.into()))
    }
    /// `Optional(T)`; T itself if it is optional or None already.
    pub fn optional(inner: Ty) -> Ty {
        match inner.kind() {
            Kind::Optional(_) | Kind::None => inner,
            _ => Ty::new(Kind::Optional(inner)),
        }
    }
    pub fn array(dtype: Ty, ndim: u8, layout: Layout) -> Ty {
        Ty::new(Kind::Array(ArrayTy {
            dtype: dtype.strong(),
            ndim,
            layout,
            readonly: false,
            aligned: true,
        }))
    }
    /// The type of functions of a signature.
    pub fn function(result: Ty, args: &[Ty]) -> Ty {
        let args = args.iter().map(|t| t.strong()).collect();
        Ty::new(Kind::Function(Box::new(Signature {
            result: result.strong(),
            args,
        })))
    }
    pub fn list(item: Ty) -> Ty {
        Ty::new(Kind::List(item))
    }
    /// A dict of items of this type, tuples of a key and a value.
    pub fn dict(item: Ty) -> Ty {
        Ty::new(Kind::Dict { item, typed: false })
    }
    /// A `typed.Dict` of items of this type.
    pub fn typed_dict(item: Ty) -> Ty {
        Ty::new(Kind::Dict { item, typed: true })
    }
    pub fn set(item: Ty) -> Ty {
        Ty::new(Kind::Set {
            item,
            frozen: false,
        })
    }
    /// A generator that nothing is sent to and that returns nothing.
    pub fn generator(item: Ty) -> Ty {
        Ty::new(Kind::Generator(Generator {
            item,
            sent: Ty::none(),
            result: Ty::none(),
        }))
    }
    pub fn builtin(name: &str) -> Ty {
        Ty::new(Kind::Builtin(name.into()))
    }

    /// The same type without its weak origin, in depth.
    pub fn strong(self) -> Ty {
        self.with_origin(false)
    }
    /// The same number type with a weak origin (items of tuples as well).
    pub fn weak(self) -> Ty {
        self.with_origin(true)
    }

    fn with_origin(self, weak: bool) -> Ty {
        match *self.kind() {
            Kind::Int {
                bits,
                signed,
                weak: w,
            } if w != weak => Ty::new(Kind::Int { bits, signed, weak }),
            Kind::Float { bits, weak: w } if w != weak => Ty::new(Kind::Float { bits, weak }),
            Kind::Complex { bits, weak: w } if w != weak => Ty::new(Kind::Complex { bits, weak }),
            Kind::Optional(inner) => Ty::optional(inner.with_origin(weak)),
            Kind::List(item) => Ty::list(item.with_origin(weak)),
            Kind::Dict { item, .. } => self.with_contents(item.with_origin(weak)),
            Kind::Keyed(ref keys, ref values) => Ty::new(Kind::Keyed(
                keys.clone(),
                values.iter().map(|t| t.with_origin(weak)).collect(),
            )),
            Kind::Set { item, .. } => self.with_contents(item.with_origin(weak)),
            Kind::View(view, dict) => Ty::new(Kind::View(view, dict.with_origin(weak))),
            Kind::Generator(g) => Ty::new(Kind::Generator(Generator {
                item: g.item.with_origin(weak),
                sent: g.sent.with_origin(weak),
                result: g.result.with_origin(weak),
            })),
            Kind::Tuple(ref items) => Ty::tuple(
                &items
                    .iter()
                    .map(|t| t.with_origin(weak))
                    .collect::<Vec<_>>(),
            ),
            Kind::NamedTuple(ref class, ref items) => Ty::new(Kind::NamedTuple(
                class.clone(),
                items.iter().map(|t| t.with_origin(weak)).collect(),
            )),
            _ => self,
        }
    }

    pub fn is_weak(self) -> bool {
        matches!(
            self.kind(),
            Kind::Int { weak: true, .. }
                | Kind::Float { weak: true, .. }
                | Kind::Complex { weak: true, .. }
        )
    }
    pub fn is_none(self) -> bool {
        matches!(self.kind(), Kind::None)
    }
    pub fn is_bool(self) -> bool {
        matches!(self.kind(), Kind::Bool)
    }
    pub fn is_int(self) -> bool {
        matches!(self.kind(), Kind::Int { .. })
    }
    pub fn is_float(self) -> bool {
        matches!(self.kind(), Kind::Float { .. })
    }
    /// A float16: a float32 that is rounded to half the size after each operation.
    pub fn is_half(self) -> bool {
        matches!(self.kind(), Kind::Float { bits: 16, .. })
    }
    pub fn is_complex(self) -> bool {
        matches!(self.kind(), Kind::Complex { .. })
    }
    pub fn is_str(self) -> bool {
        matches!(self.kind(), Kind::Str)
    }
    /// bool, int, float or complex.
    pub fn is_scalar(self) -> bool {
        self.is_bool() || self.is_number()
    }
    pub fn is_number(self) -> bool {
        matches!(
            self.kind(),
            Kind::Int { .. } | Kind::Float { .. } | Kind::Complex { .. }
        )
    }
    /// bool or int.
    pub fn is_integral(self) -> bool {
        self.is_bool() || self.is_int()
    }
    /// A date or a duration.
    pub fn is_time(self) -> bool {
        matches!(self.kind(), Kind::Time { .. })
    }
    /// Whether it is a duration, and its unit.
    pub fn as_time(self) -> Option<(bool, Unit)> {
        match *self.kind() {
            Kind::Time { delta, unit } => Some((delta, unit)),
            _ => None,
        }
    }
    pub fn as_record(self) -> Option<&'static Record> {
        match self.0 {
            Kind::Record(record) => Some(record),
            _ => None,
        }
    }
    /// What arrays can have as items.
    pub fn is_item(self) -> bool {
        self.is_scalar() || self.is_time() || self.is_reference()
    }
    /// Items of arrays that as values stay where they are.
    pub fn is_reference(self) -> bool {
        matches!(self.kind(), Kind::Record(_) | Kind::Chars { .. })
    }
    pub fn is_signed(self) -> bool {
        matches!(self.kind(), Kind::Int { signed: true, .. })
    }
    /// Bits of a number (a bool has 8: its size in arrays).
    pub fn bits(self) -> u32 {
        match *self.kind() {
            Kind::Bool => 8,
            Kind::Time { .. } => 64,
            Kind::Int { bits, .. } | Kind::Float { bits, .. } | Kind::Complex { bits, .. } => {
                u32::from(bits)
            }
            _ => 0,
        }
    }
    /// Bytes of an array element of this type.
    pub fn itemsize(self) -> u32 {
        match self.0 {
            Kind::Record(record) => record.size,
            Kind::Chars { unicode, count } => {
                if *unicode {
                    4 * count
                } else {
                    *count
                }
            }
            _ => self.bits() / 8,
        }
    }
    pub fn as_array(self) -> Option<ArrayTy> {
        match *self.kind() {
            Kind::Array(a) => Some(a),
            _ => None,
        }
    }
    /// The class and the memory of an object that shows memory.
    pub fn as_buffer(self) -> Option<(Exporter, ArrayTy)> {
        match *self.kind() {
            Kind::Buffer(exporter, a) => Some((exporter, a)),
            _ => None,
        }
    }
    pub fn is_bytes(self) -> bool {
        matches!(self.kind(), Kind::Buffer(Exporter::Bytes, _))
    }
    /// The array whose values the values of this type are: of an array, or of an object that shows memory.
    pub fn memory(self) -> Option<ArrayTy> {
        self.as_array().or_else(|| self.as_buffer().map(|(_, a)| a))
    }
    /// The function types that a function can be used as without being compiled for them: its explicit
    /// signatures.
    pub fn function_types(self) -> &'static [Ty] {
        match self.0 {
            Kind::Dispatcher(_, signatures) => signatures,
            Kind::Foreign(_, ty) => std::slice::from_ref(ty),
            _ => &[],
        }
    }
    /// The one signature of a function type or C function.
    pub fn signature(self) -> Option<&'static Signature> {
        match self.0 {
            Kind::Function(signature) => Some(signature),
            Kind::Foreign(_, ty) => ty.signature(),
            _ => None,
        }
    }
    /// The type of the items of a list.
    pub fn list_item(self) -> Option<Ty> {
        match *self.kind() {
            Kind::List(item) => Some(item),
            _ => None,
        }
    }
    /// The type of the items of a list, a dict or a set: what can be put into it.
    pub fn contents(self) -> Option<Ty> {
        match *self.kind() {
            Kind::List(item) | Kind::Dict { item, .. } | Kind::Set { item, .. } => Some(item),
            _ => None,
        }
    }
    /// The same container of other contents.
    pub fn with_contents(self, item: Ty) -> Ty {
        match *self.kind() {
            Kind::List(_) => Ty::list(item),
            Kind::Dict { typed, .. } => Ty::new(Kind::Dict { item, typed }),
            Kind::Set { frozen, .. } => Ty::new(Kind::Set { item, frozen }),
            _ => self,
        }
    }
    /// The types of the keys and the values of a dict; unknown ones if nothing was put in yet.
    pub fn dict_item(self) -> Option<(Ty, Ty)> {
        match *self.kind() {
            Kind::Dict { item, .. } => Some(match item.tuple_items() {
                Some(&[key, value]) => (key, value),
                _ => (item, item),
            }),
            _ => None,
        }
    }
    /// The type of what is hashed: the keys of a dict, the items of a set.
    pub fn key(self) -> Option<Ty> {
        match *self.kind() {
            Kind::Set { item, .. } => Some(item),
            _ => self.dict_item().map(|(key, _)| key),
        }
    }
    pub fn as_generator(self) -> Option<Generator> {
        match *self.kind() {
            Kind::Generator(generator) => Some(generator),
            _ => None,
        }
    }
    /// Whether no part of it is [`Kind::Unknown`].
    pub fn is_known(self) -> bool {
        match self.kind() {
            Kind::Unknown => false,
            Kind::List(t)
            | Kind::Dict { item: t, .. }
            | Kind::Set { item: t, .. }
            | Kind::View(_, t)
            | Kind::Optional(t)
            | Kind::Iter(t)
            | Kind::Enumerate(t)
            | Kind::Reversed(t)
            | Kind::Method(t, _) => t.is_known(),
            Kind::Tuple(items)
            | Kind::NamedTuple(_, items)
            | Kind::Keyed(_, items)
            | Kind::Zip(items)
            | Kind::NdIter(items)
            | Kind::Exception(_, _, items) => items.iter().all(|t| t.is_known()),
            Kind::Closure(c) => c.captures.iter().chain(&c.defaults).all(|t| t.is_known()),
            Kind::Generator(g) => [g.item, g.sent, g.result].iter().all(|t| t.is_known()),
            _ => true,
        }
    }
    /// Item types of a tuple, named or not.
    pub fn tuple_items(self) -> Option<&'static [Ty]> {
        match self.kind() {
            Kind::Tuple(items) | Kind::NamedTuple(_, items) => Some(items),
            _ => None,
        }
    }
    /// How many types a type is made of, counted up to `most`: tuples in tuples grow exponentially.
    pub fn size(self, most: usize) -> usize {
        let mut size = 1;
        for item in self.tuple_items().unwrap_or_default() {
            if size >= most {
                break;
            }
            size += item.size(most - size);
        }
        size
    }
    /// The float type of a complex type's parts.
    pub fn part(self) -> Ty {
        match *self.kind() {
            Kind::Complex { bits, weak } => Ty::new(Kind::Float {
                bits: bits / 2,
                weak,
            }),
            _ => self,
        }
    }
}

impl ArrayTy {
    pub fn ty(self) -> Ty {
        Ty::new(Kind::Array(self))
    }
}

impl PartialEq for Ty {
    fn eq(&self, other: &Ty) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}
impl Eq for Ty {}
impl Hash for Ty {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::ptr::from_ref(self.0).hash(state);
    }
}

impl fmt::Debug for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn list(f: &mut fmt::Formatter<'_>, items: &[Ty]) -> fmt::Result {
    for (i, t) in items.iter().enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{t}")?;
    }
    Ok(())
}

fn array(f: &mut fmt::Formatter<'_>, name: &str, a: ArrayTy) -> fmt::Result {
    let layout = match a.layout {
        Layout::C => "C",
        Layout::F => "F",
        Layout::A => "A",
    };
    f.write_str(if a.readonly { "readonly " } else { "" })?;
    f.write_str(if a.aligned { "" } else { "unaligned " })?;
    write!(f, "{name}({}, {}d, {layout})", a.dtype, a.ndim)
}

impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            Kind::None => f.write_str("none"),
            Kind::Bool => f.write_str("bool"),
            Kind::Int { bits, signed, .. } => {
                write!(f, "{}int{bits}", if *signed { "" } else { "u" })
            }
            Kind::Float { bits, .. } => write!(f, "float{bits}"),
            Kind::Complex { bits, .. } => write!(f, "complex{bits}"),
            Kind::Time { delta, unit } => {
                f.write_str(if *delta { "timedelta64" } else { "datetime64" })?;
                if *unit == Unit::Generic {
                    Ok(())
                } else {
                    write!(f, "[{unit}]")
                }
            }
            Kind::Record(record) => {
                f.write_str("Record(")?;
                for (i, field) in record.fields.iter().enumerate() {
                    f.write_str(if i == 0 { "" } else { ", " })?;
                    write!(f, "{}: {}", field.name, field.ty)?;
                    if !field.shape.is_empty() {
                        write!(f, "{:?}", field.shape)?;
                    }
                }
                f.write_str(")")
            }
            Kind::Chars { unicode, count } => write!(
                f,
                "[{} x {count}]",
                if *unicode { "unichr" } else { "char" }
            ),
            Kind::Str => f.write_str("unicode_type"),
            Kind::Tuple(items) => {
                if items.len() > 1 && items.iter().all(|t| *t == items[0]) {
                    return write!(f, "UniTuple({} x {})", items[0], items.len());
                }
                f.write_str("Tuple(")?;
                list(f, items)?;
                f.write_str(")")
            }
            Kind::NamedTuple(class, items) => {
                write!(f, "{}(", class.name)?;
                list(f, items)?;
                f.write_str(")")
            }
            Kind::Array(a) => array(f, "array", *a),
            Kind::Buffer(exporter, a) => array(f, exporter.name(), *a),
            Kind::List(t) => write!(f, "list({t})"),
            Kind::Dict { item, typed } => match (item.tuple_items(), typed) {
                (Some([key, value]), true) => write!(f, "DictType[{key},{value}]"),
                (Some([key, value]), false) => write!(f, "dict({key}, {value})"),
                _ => write!(f, "dict({item})"),
            },
            Kind::Keyed(keys, values) => {
                f.write_str("dict(")?;
                for (i, (key, value)) in keys.iter().zip(values).enumerate() {
                    let comma = if i > 0 { ", " } else { "" };
                    write!(f, "{comma}{key:?}: {value}")?;
                }
                f.write_str(")")
            }
            Kind::Set { item, frozen } => {
                write!(f, "{}set({item})", if *frozen { "frozen" } else { "" })
            }
            Kind::View(view, t) => write!(f, "dict_{}({t})", view.name()),
            Kind::Unknown => f.write_str("undefined"),
            Kind::Optional(t) => write!(f, "OptionalType({t})"),
            Kind::Range(t, _) => write!(f, "range({t})"),
            Kind::Iter(t) => write!(f, "iter({t})"),
            Kind::Enumerate(t) => write!(f, "enumerate({t})"),
            Kind::Zip(items) => {
                f.write_str("zip(")?;
                list(f, items)?;
                f.write_str(")")
            }
            Kind::Reversed(t) => write!(f, "reversed({t})"),
            Kind::Generator(g) => {
                write!(f, "generator({}", g.item)?;
                if !g.sent.is_none() {
                    write!(f, ", sent {}", g.sent)?;
                }
                if !g.result.is_none() {
                    write!(f, ", returns {}", g.result)?;
                }
                f.write_str(")")
            }
            Kind::NdIndex(ndim) => write!(f, "ndindex({ndim}d)"),
            Kind::NdIter(items) => {
                f.write_str("nditer(")?;
                list(f, items)?;
                f.write_str(")")
            }
            Kind::Facet(Facet::Flat, t) => write!(f, "flat({t})"),
            Kind::Facet(Facet::Enumerated, t) => write!(f, "ndenumerate({t})"),
            Kind::Facet(Facet::Flags, t) => write!(f, "flags({t})"),
            Kind::Facet(Facet::Ctypes, t) => write!(f, "ctypes({t})"),
            Kind::Slice(parts) => write!(f, "slice<{}>", if parts[2] { "a:b:c" } else { "a:b" }),
            Kind::Grid(parts) => {
                f.write_str("slice<")?;
                list(f, parts)?;
                f.write_str(">")
            }
            Kind::Ellipsis => f.write_str("ellipsis"),
            Kind::Omitted(_) => f.write_str("omitted"),
            Kind::Module(name) => write!(f, "Module({name})"),
            Kind::Builtin(name) => write!(f, "Function({name})"),
            Kind::Method(receiver, name) => write!(f, "Method({receiver}.{name})"),
            Kind::Class(t) => write!(f, "class({t})"),
            Kind::Dtype(t) => write!(f, "dtype({t})"),
            Kind::NamedTupleClass(class) => write!(f, "class({})", class.name),
            Kind::Dispatcher(..) => f.write_str("Dispatcher"),
            Kind::Foreign(_, ty) => write!(f, "C function({ty})"),
            Kind::Function(signature) => {
                write!(f, "FunctionType[{}(", signature.result)?;
                list(f, &signature.args)?;
                f.write_str(")]")
            }
            Kind::Closure(c) => write!(f, "closure({})", c.function),
            Kind::ExcClass(_, name) => write!(f, "class({name})"),
            Kind::Exception(_, name, args) => {
                write!(f, "{name}(")?;
                list(f, args)?;
                f.write_str(")")
            }
            Kind::Caught => f.write_str("exception"),
            Kind::Cell(_) => f.write_str("cell"),
            Kind::Opaque(_, name) => write!(f, "object({name})"),
        }
    }
}
