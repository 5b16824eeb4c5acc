//! Two hosts stand for two processes: the same names, other handles.

use std::collections::BTreeMap;

use super::*;
use crate::diag::{Code, Diagnostic};
use crate::host::Const;
use crate::types::{Kind, Layout};

/// Objects of a pretended process; handles count from `base`.
#[derive(Clone, Default)]
struct World {
    base: u64,
    objects: Vec<Object>,
    globals: BTreeMap<&'static str, usize>,
}

#[derive(Clone)]
enum Object {
    Function,
    Int(i128),
    Array,
    Module(BTreeMap<&'static str, usize>),
    /// A jitted function: the index of its function, and its text's hash.
    Jitted(usize, u128),
}

impl World {
    fn new(base: u64) -> World {
        World {
            base,
            objects: vec![Object::Function],
            globals: BTreeMap::new(),
        }
    }
    fn add(&mut self, object: Object) -> usize {
        self.objects.push(object);
        self.objects.len() - 1
    }
    fn with(mut self, name: &'static str, object: Object) -> World {
        let index = self.add(object);
        self.globals.insert(name, index);
        self
    }
    fn alias(mut self, name: &'static str, of: &'static str) -> World {
        self.globals.insert(name, self.globals[of]);
        self
    }
    fn handle(&self, index: usize) -> PyRef {
        PyRef(self.base + index as u64)
    }
    fn object(&self, handle: PyRef) -> &Object {
        &self.objects[(handle.0 - self.base) as usize]
    }
}

impl Host for World {
    fn global(&self, _: PyRef, name: &str) -> Option<PyRef> {
        self.globals.get(name).map(|&index| self.handle(index))
    }
    fn free(&self, _: PyRef, _: &str) -> Option<PyRef> {
        None
    }
    fn attribute(&self, object: PyRef, name: &str) -> Option<PyRef> {
        let Object::Module(names) = self.object(object) else {
            return None;
        };
        names.get(name).map(|&index| self.handle(index))
    }
    fn describe(&self, object: PyRef) -> Result<Described, String> {
        let (ty, constant) = match self.object(object) {
            Object::Int(value) => (Ty::py_int(), Some(Const::Int(*value))),
            Object::Array => (
                Ty::array(Ty::float(64), 1, Layout::C),
                Some(Const::Array(object)),
            ),
            Object::Module(_) => (Ty::new(Kind::Module("m".into())), None),
            Object::Jitted(..) => (Ty::new(Kind::Dispatcher(object, [].into())), None),
            Object::Function => return Err("function".to_owned()),
        };
        Ok(Described { ty, constant })
    }
    fn callee(&self, _: PyRef) -> Checked<Callee> {
        Err(Diagnostic::new(Code::Internal, "not used"))
    }
    fn default(&self, _: PyRef, _: usize) -> Option<PyRef> {
        None
    }
    fn repr(&self, _: PyRef) -> String {
        String::new()
    }
    fn exception(&self, _: &str) -> Option<PyRef> {
        None
    }
    fn module(&self, _: &str) -> Option<PyRef> {
        None
    }
}

impl Identify for World {
    fn identify(&self, dispatcher: PyRef) -> Result<Identity, String> {
        let Object::Jitted(function, code) = *self.object(dispatcher) else {
            return Err("no".into());
        };
        let function = self.handle(function);
        let place = place("lib.py", function.0 as u32);
        let options = Options::default();
        Ok(Identity {
            function,
            code,
            options,
            locals: [].into(),
            signatures: None,
            place,
        })
    }
}

fn place(file: &str, line: u32) -> Place {
    Place {
        file: file.into(),
        line,
    }
}

/// What a compile might ask: the names, what they are, and one attribute of modules.
fn record(world: &World, names: &[&str]) -> Recorded {
    let recorder = Recorder::new(world, &[world.handle(0)], place("a.py", 1));
    for name in names {
        let Some(object) = recorder.global(world.handle(0), name) else {
            continue;
        };
        let _ = recorder.describe(object);
        match world.object(object) {
            Object::Module(_) => {
                let value = recorder.attribute(object, "x").expect("modules have x");
                let _ = recorder.describe(value);
            }
            Object::Jitted(..) => {
                // `callee` needs a module; what it would write down is this.
                let identity = world.identify(object).expect("it is jitted");
                recorder.note(&Query::Callee { dispatcher: object }, identity.encode());
                recorder
                    .state
                    .borrow_mut()
                    .trace
                    .places
                    .push(identity.place);
            }
            _ => {}
        }
    }
    recorder.finish().expect("all of it can be asked again")
}

/// Whether what `names` mean is the same in both worlds.
fn holds(before: &World, after: &World, names: &[&str]) -> bool {
    let recorded = record(before, names);
    let mut out = Encoder::default();
    recorded.trace.encode(&mut out);
    let trace = Trace::decode(&mut Decoder::new(&out.bytes, &[])).expect("it comes back");
    assert_eq!(trace, recorded.trace);
    Replay::new(after)
        .run(&trace, &[after.handle(0)], &place("b.py", 5))
        .is_some()
}

#[test]
fn equal_worlds_match_whatever_the_handles_are() {
    let world = |base| {
        World::new(base)
            .with("K", Object::Int(2))
            .with("A", Object::Array)
    };
    assert!(holds(&world(10), &world(500), &["K", "A", "absent"]));
    let other = World::new(500)
        .with("A", Object::Array)
        .with("K", Object::Int(2));
    assert!(holds(&world(10), &other, &["K", "A"]));
}

#[test]
fn changed_values_do_not() {
    let world = |value| World::new(1).with("K", Object::Int(value));
    assert!(!holds(&world(2), &world(3), &["K"]));
    assert!(!holds(&world(2), &World::new(1), &["K"]));
    assert!(!holds(&World::new(1), &world(2), &["K"]));
    assert!(!holds(
        &world(2),
        &World::new(1).with("K", Object::Array),
        &["K"]
    ));
}

#[test]
fn attributes_of_modules_are_followed() {
    let world = |value| {
        let mut world = World::new(1);
        let x = world.add(Object::Int(value));
        world.with("m", Object::Module([("x", x)].into()))
    };
    assert!(holds(&world(2), &world(2), &["m"]));
    assert!(!holds(&world(2), &world(3), &["m"]));
}

#[test]
fn called_functions_are_their_text() {
    let world = |base, code| {
        let mut world = World::new(base);
        let function = world.add(Object::Function);
        world.with("g", Object::Jitted(function, code))
    };
    assert!(holds(&world(1, 7), &world(100, 7), &["g"]));
    assert!(!holds(&world(1, 7), &world(1, 8), &["g"]));
}

#[test]
fn places_are_told_and_not_compared() {
    let mut world = World::new(40);
    let function = world.add(Object::Function);
    let world = world.with("g", Object::Jitted(function, 1));
    let trace = record(&world, &["g"]).trace;
    let mut other = world.clone();
    other.base = 90;
    let found = Replay::new(&other)
        .run(&trace, &[other.handle(0)], &place("b.py", 5))
        .expect("equal");
    assert_eq!(found.places[0], (place("a.py", 1), place("b.py", 5)));
    assert_eq!(found.places[1], (place("lib.py", 41), place("lib.py", 91)));
    assert_eq!(
        found.objects,
        [other.handle(0), other.handle(2), other.handle(1)]
    );
}

#[test]
fn equal_numbers_may_be_one_object_or_two() {
    let one = World::new(1).with("A", Object::Int(1000)).alias("B", "A");
    let two = World::new(1)
        .with("A", Object::Int(1000))
        .with("B", Object::Int(1000));
    let different = World::new(1)
        .with("A", Object::Int(1000))
        .with("B", Object::Int(1001));
    assert!(holds(&one, &two, &["A", "B"]));
    assert!(holds(&two, &one, &["A", "B"]));
    assert!(!holds(&one, &different, &["A", "B"]));
}

#[test]
fn other_objects_are_the_same_or_not() {
    let one = World::new(1).with("A", Object::Array).alias("B", "A");
    let two = World::new(1)
        .with("A", Object::Array)
        .with("B", Object::Array);
    assert!(!holds(&one, &two, &["A", "B"]));
    assert!(!holds(&two, &one, &["A", "B"]));
}

#[test]
fn what_changes_while_it_is_asked_is_not_recorded() {
    let world = World::new(1)
        .with("A", Object::Int(1))
        .with("B", Object::Int(2));
    let recorder = Recorder::new(&world, &[world.handle(0)], place("a.py", 1));
    recorder.global(world.handle(0), "A");
    recorder.object(
        &Query::Global {
            function: world.handle(0),
            name: "A".into(),
        },
        world.global(world.handle(0), "B"),
    );
    assert!(recorder.finish().is_err());
}

#[test]
fn unknown_objects_are_not_recorded() {
    let world = World::new(1).with("A", Object::Int(1));
    let recorder = Recorder::new(&world, &[world.handle(0)], place("a.py", 1));
    let _ = recorder.describe(world.handle(1));
    assert!(recorder.finish().is_err());
}

#[test]
fn damaged_bytes_are_no_trace() {
    let world = World::new(1)
        .with("K", Object::Int(2))
        .with("A", Object::Array);
    let mut out = Encoder::default();
    record(&world, &["K", "A"]).trace.encode(&mut out);
    for len in 0..out.bytes.len() {
        assert_eq!(
            Trace::decode(&mut Decoder::new(&out.bytes[..len], &[])),
            None
        );
    }
}
