//! What `pstats.Stats` opens: a marshalled dictionary of functions.
//!
//! ```python
//! {(file, line, name): (primitive calls, calls, own time, total time,
//!                       {caller: (calls, primitive calls, own time, total time)})}
//! ```
//!
//! Samples stand for calls: the number of samples with the function on their stacks, and the number of its
//! frames on them, which is larger for recursive functions. `<recording>` calls all roots, as some readers
//! show only what has one root.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use super::counted;
use crate::calls;
use crate::labels;
use crate::model::{Call, Counted, Function, Kind, Recording};
use crate::tree::{Edge, Keys, Sums, Totals, Tree};

/// What functions are for `pstats`.
type Name = (String, u32, String);

pub fn write(recording: &Recording, out: &mut impl Write) -> io::Result<()> {
    let unknown = outside(labels::NO_STACK.to_owned());
    let keys = Keys::of_functions(recording, unknown, |f| name(recording, f));
    let root = outside("recording".to_owned());
    let root_of = root.clone();
    let keys = keys.above(recording, |_| [root_of.clone()]);
    let tree = Tree::new(recording, &keys, counted(recording));
    let totals = Totals::by_key(&tree, &keys);
    // By what is called.
    let mut edges: Vec<&Edge> = totals.edges.iter().collect();
    edges.sort_by_key(|edge| (edge.callee, edge.caller));
    let mut edges = &edges[..];

    let mut marshal = Marshal::new(out, keys.all.len());
    marshal.code(b'{')?;
    for (key, (name, sums)) in (0..).zip(keys.all.iter().zip(&totals.groups)) {
        if sums.frames == 0 {
            continue;
        }
        let (of_this, rest) = edges.split_at(edges.partition_point(|edge| edge.callee <= key));
        edges = rest;
        marshal.name(key as usize, name)?;
        marshal.tuple(5)?;
        marshal.int(sums.total.samples)?;
        marshal.int(sums.frames)?;
        marshal.times(sums)?;
        marshal.code(b'{')?;
        for edge in of_this {
            let caller = edge.caller.index();
            marshal.name(caller, &keys.all[caller])?;
            marshal.tuple(4)?;
            marshal.int(edge.sums.frames)?;
            marshal.int(edge.sums.total.samples)?;
            marshal.times(&edge.sums)?;
        }
        marshal.code(b'0')?;
    }
    marshal.code(b'0')
}

/// Calls that were counted one by one: as `cProfile` writes them, with signatures in the names.
pub fn write_calls(recording: &Recording, out: &mut impl Write) -> io::Result<()> {
    let r = recording;
    let name = |call: &Call| {
        let function = &r.functions[call.function.index()];
        let called = calls::name(r, call);
        match function.kind {
            Kind::Native => ("~".to_owned(), 0, called),
            _ => (r.texts.get(function.file).to_owned(), function.line, called),
        }
    };
    // Functions of one name, such as lambdas in one line, are one to `pstats`.
    let mut keys: Vec<Name> = vec![];
    let mut known: HashMap<Name, usize> = HashMap::new();
    let mut sums: Vec<Counted> = vec![];
    let mut key_of = Vec::with_capacity(r.calls.len());
    for call in &r.calls {
        let name = name(call);
        let key = *known.entry(name.clone()).or_insert_with(|| {
            keys.push(name);
            sums.push(Counted::default());
            keys.len() - 1
        });
        sums[key].add(call.counted);
        key_of.push(key);
    }
    let mut callers: BTreeMap<(usize, usize), Counted> = BTreeMap::new();
    for caller in &r.callers {
        let pair = (key_of[caller.callee.index()], key_of[caller.caller.index()]);
        callers.entry(pair).or_default().add(caller.counted);
    }
    let mut marshal = Marshal::new(out, keys.len());
    marshal.code(b'{')?;
    for (key, (name, counted)) in keys.iter().zip(&sums).enumerate() {
        marshal.name(key, name)?;
        marshal.tuple(5)?;
        marshal.int(counted.primitive)?;
        marshal.int(counted.calls)?;
        marshal.nanoseconds(counted)?;
        marshal.code(b'{')?;
        for ((_, caller), counted) in callers.range((key, 0)..=(key, usize::MAX)) {
            marshal.name(*caller, &keys[*caller])?;
            marshal.tuple(4)?;
            marshal.int(counted.calls)?;
            marshal.int(counted.primitive)?;
            marshal.nanoseconds(counted)?;
        }
        marshal.code(b'0')?;
    }
    marshal.code(b'0')
}

fn name(recording: &Recording, function: &Function) -> Name {
    let texts = &recording.texts;
    match function.kind {
        Kind::Python | Kind::Compiled => (
            texts.get(function.file).to_owned(),
            function.line,
            labels::name(recording, function).to_owned(),
        ),
        _ => outside(labels::function(recording, function)),
    }
}

/// What is no Python, as `cProfile` names built-in functions.
fn outside(name: String) -> Name {
    ("~".to_owned(), 0, format!("<{name}>"))
}

/// Writes what Python's `marshal` reads.
struct Marshal<W> {
    out: W,
    /// By key: the number under which its name was written before.
    written: Vec<Option<u32>>,
    next: u32,
}

/// The object gets a number, so that it can be referred to.
const WITH_NUMBER: u8 = 0x80;

impl<W: Write> Marshal<W> {
    fn new(out: W, keys: usize) -> Marshal<W> {
        Marshal {
            out,
            written: vec![None; keys],
            next: 0,
        }
    }

    fn code(&mut self, code: u8) -> io::Result<()> {
        self.out.write_all(&[code])
    }

    fn tuple(&mut self, length: u8) -> io::Result<()> {
        self.out.write_all(&[b')', length])
    }

    fn name(&mut self, key: usize, (file, line, name): &Name) -> io::Result<()> {
        if let Some(number) = self.written[key] {
            self.code(b'r')?;
            return self.out.write_all(&number.to_le_bytes());
        }
        self.written[key] = Some(self.next);
        self.next += 1;
        self.out.write_all(&[b')' | WITH_NUMBER, 3])?;
        self.text(file)?;
        self.int(u64::from(*line))?;
        self.text(name)
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        // Lengths are signed; longer texts cannot be said.
        let length = text.floor_char_boundary(i32::MAX as usize);
        self.code(b'u')?;
        self.out.write_all(&(length as u32).to_le_bytes())?;
        self.out.write_all(&text.as_bytes()[..length])
    }

    fn int(&mut self, number: u64) -> io::Result<()> {
        if let Ok(number) = i32::try_from(number) {
            self.code(b'i')?;
            return self.out.write_all(&number.to_le_bytes());
        }
        // Digits of 15 bits, the least first.
        let digits: Vec<u16> = (0..5)
            .map(|i| (number >> (15 * i) & 0x7fff) as u16)
            .collect();
        let count = digits.iter().rposition(|&d| d != 0).map_or(0, |i| i + 1);
        self.code(b'l')?;
        self.out.write_all(&(count as u32).to_le_bytes())?;
        digits[..count]
            .iter()
            .try_for_each(|d| self.out.write_all(&d.to_le_bytes()))
    }

    /// Own and total time, in seconds.
    fn nanoseconds(&mut self, counted: &Counted) -> io::Result<()> {
        for nanoseconds in [counted.own, counted.total] {
            self.code(b'g')?;
            self.out
                .write_all(&(nanoseconds as f64 / 1e9).to_le_bytes())?;
        }
        Ok(())
    }

    /// Own and total CPU time, in seconds.
    fn times(&mut self, sums: &Sums) -> io::Result<()> {
        for micros in [sums.own.cpu, sums.total.cpu] {
            self.code(b'g')?;
            self.out.write_all(&(micros as f64 / 1e6).to_le_bytes())?;
        }
        Ok(())
    }
}
