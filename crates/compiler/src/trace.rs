//! What a compile asked its host, and whether a host of another process would answer the same.
//!
//! The compiler is pure: what it makes depends on the request and on the host's answers, on nothing
//! else. So the list of questions and answers is a complete manifest of what code depends on: globals,
//! closure variables, attributes of modules, defaults, called functions and all that those read. A
//! [`Recorder`] is a host that writes it down; [`Replay`] asks another host the same questions, which
//! takes no inference, and stops at the first answer that differs.
//!
//! Objects have no names of their own across processes. A [`Trace`] numbers them in order of appearance
//! ([`Node`]); a replay learns which objects the nodes are now from the answers. So whatever the code
//! refers to is found again, without being importable or picklable.

use std::cell::RefCell;
use std::hash::Hash;
use std::sync::Arc;

use ferdelance_abi::settings::Options;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::diag::Result as Checked;
use crate::encode::{Decoder, Encoder, Local};
use crate::host::{Callee, Described, Host};
use crate::types::{PyRef, Ty};

/// An object of a trace, by order of appearance.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Node(pub u32);

impl Node {
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// A question; `R` is how it refers to objects: a [`Node`] in a trace, a [`PyRef`] when it is asked.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Query<R> {
    Global { function: R, name: Arc<str> },
    Free { function: R, name: Arc<str> },
    Attribute { object: R, name: Arc<str> },
    Describe { object: R },
    Callee { dispatcher: R },
    Default { function: R, index: u32 },
    Exception { name: Arc<str> },
    Module { name: Arc<str> },
}

impl<R: Copy> Query<R> {
    /// The same question, with other references.
    fn map<S>(&self, to: impl FnOnce(R) -> Option<S>) -> Option<Query<S>> {
        Some(match self {
            Query::Global { function, name } => Query::Global {
                function: to(*function)?,
                name: name.clone(),
            },
            Query::Free { function, name } => Query::Free {
                function: to(*function)?,
                name: name.clone(),
            },
            Query::Attribute { object, name } => Query::Attribute {
                object: to(*object)?,
                name: name.clone(),
            },
            Query::Describe { object } => Query::Describe {
                object: to(*object)?,
            },
            Query::Callee { dispatcher } => Query::Callee {
                dispatcher: to(*dispatcher)?,
            },
            Query::Default { function, index } => Query::Default {
                function: to(*function)?,
                index: *index,
            },
            Query::Exception { name } => Query::Exception { name: name.clone() },
            Query::Module { name } => Query::Module { name: name.clone() },
        })
    }

    /// The object that the question is about.
    fn subject(&self) -> Option<R> {
        match self {
            Query::Global { function: r, .. }
            | Query::Free { function: r, .. }
            | Query::Attribute { object: r, .. }
            | Query::Describe { object: r }
            | Query::Callee { dispatcher: r }
            | Query::Default { function: r, .. } => Some(*r),
            Query::Exception { .. } | Query::Module { .. } => None,
        }
    }
}

/// An answer: bytes that mean the same in every process, and the objects that it mentions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Answer<R> {
    bytes: Box<[u8]>,
    objects: Box<[R]>,
}

impl From<Encoder> for Answer<PyRef> {
    fn from(encoder: Encoder) -> Self {
        Answer {
            bytes: encoder.bytes.into(),
            objects: encoder.handles.into(),
        }
    }
}

/// Where a function's text begins. It may move without changing what the function is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    pub file: Arc<str>,
    /// The code object's first line (that of the first decorator).
    pub line: u32,
}

/// A jitted function as far as it determines the code of its callers; cheaper to have than [`Callee`],
/// which is parsed.
#[derive(Clone, Debug)]
pub struct Identity {
    pub function: PyRef,
    /// Stands for the function's text.
    pub code: u128,
    pub options: Options,
    pub locals: Arc<[(Arc<str>, Ty)]>,
    pub signatures: Option<Vec<(Vec<Ty>, Option<Ty>)>>,
    pub place: Place,
}

/// A host whose answers can be recorded and compared.
pub trait Identify: Host {
    /// What [`Host::callee`] is made from; the reason, if that cannot be told.
    fn identify(&self, dispatcher: PyRef) -> Result<Identity, String>;
}

impl Identity {
    fn encode(&self) -> Result<Answer<PyRef>, Local> {
        let mut out = Encoder::default();
        out.handle(self.function);
        out.u128(self.code);
        // The text has all fields, also those that are added later.
        out.str(&format!("{:?}", self.options));
        out.length(self.locals.len());
        for (name, ty) in self.locals.iter() {
            out.str(name);
            out.ty(*ty)?;
        }
        out.bool(self.signatures.is_some());
        for (params, result) in self.signatures.iter().flatten() {
            out.types(params)?;
            out.bool(result.is_some());
            result.map_or(Ok(()), |result| out.ty(result))?;
        }
        Ok(out.into())
    }
}

fn object_answer(object: Option<PyRef>) -> Answer<PyRef> {
    let mut out = Encoder::default();
    out.option(object, Encoder::handle);
    out.into()
}

fn description(described: &Result<Described, String>) -> Result<Answer<PyRef>, Local> {
    let mut out = Encoder::default();
    out.described(described)?;
    Ok(out.into())
}

// ---- recording -----------------------------------------------------------------------------------

/// What was asked in a compile, and the answers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Trace {
    /// The first nodes: objects that the request mentions.
    roots: u32,
    /// Number of nodes.
    nodes: u32,
    steps: Vec<(Query<Node>, Answer<Node>)>,
    /// Where the functions were, in order of appearance; that of the request first.
    places: Vec<Place>,
}

/// A trace, and the objects that its nodes were.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub trace: Trace,
    nodes: FxHashMap<PyRef, Node>,
}

impl Recorded {
    pub fn node(&self, object: PyRef) -> Option<Node> {
        self.nodes.get(&object).copied()
    }
}

/// A host that writes down what it is asked.
pub struct Recorder<'h> {
    host: &'h dyn Identify,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    nodes: FxHashMap<PyRef, Node>,
    trace: Trace,
    /// Steps by question.
    known: FxHashMap<Query<Node>, usize>,
    /// Why the trace does not tell everything.
    flaw: Option<String>,
}

impl State {
    fn node(&mut self, object: PyRef) -> Node {
        let next = Node(self.nodes.len() as u32);
        *self.nodes.entry(object).or_insert(next)
    }
    fn fail(&mut self, flaw: impl Into<String>) {
        self.flaw.get_or_insert_with(|| flaw.into());
    }
}

impl<'h> Recorder<'h> {
    /// `roots`: objects that the request mentions; `place`: that of the function it is about.
    pub fn new(host: &'h dyn Identify, roots: &[PyRef], place: Place) -> Recorder<'h> {
        let mut state = State::default();
        for &root in roots {
            state.node(root);
        }
        state.trace.roots = state.nodes.len() as u32;
        state.trace.places.push(place);
        Recorder {
            host,
            state: RefCell::new(state),
        }
    }

    /// The trace; or why what was asked cannot be asked in another process.
    pub fn finish(self) -> Result<Recorded, String> {
        let State {
            nodes,
            mut trace,
            flaw,
            ..
        } = self.state.into_inner();
        trace.nodes = nodes.len() as u32;
        match flaw {
            Some(flaw) => Err(flaw),
            None => Ok(Recorded { trace, nodes }),
        }
    }

    /// Writes down an answer. True if the question is new.
    fn note(&self, query: &Query<PyRef>, answer: Result<Answer<PyRef>, impl ToString>) -> bool {
        let state = &mut *self.state.borrow_mut();
        let answer = match answer {
            Ok(answer) => answer,
            Err(why) => {
                state.fail(why.to_string());
                return false;
            }
        };
        let Some(query) = query.map(|object| state.nodes.get(&object).copied()) else {
            state.fail("it refers to an object of unknown origin");
            return false;
        };
        let objects = answer
            .objects
            .iter()
            .map(|&object| state.node(object))
            .collect();
        let answer = Answer {
            bytes: answer.bytes,
            objects,
        };
        if let Some(&step) = state.known.get(&query) {
            if state.trace.steps[step].1 != answer {
                state.fail("a value that it uses changed while it was compiled");
            }
            return false;
        }
        state.known.insert(query.clone(), state.trace.steps.len());
        state.trace.steps.push((query, answer));
        true
    }

    fn object(&self, query: &Query<PyRef>, answer: Option<PyRef>) -> Option<PyRef> {
        self.note(query, Ok::<_, String>(object_answer(answer)));
        answer
    }
}

// Nothing is borrowed while the host answers: it may come back to the compiler.
impl Host for Recorder<'_> {
    fn global(&self, function: PyRef, name: &str) -> Option<PyRef> {
        self.object(
            &Query::Global {
                function,
                name: name.into(),
            },
            self.host.global(function, name),
        )
    }
    fn free(&self, function: PyRef, name: &str) -> Option<PyRef> {
        self.object(
            &Query::Free {
                function,
                name: name.into(),
            },
            self.host.free(function, name),
        )
    }
    fn attribute(&self, object: PyRef, name: &str) -> Option<PyRef> {
        self.object(
            &Query::Attribute {
                object,
                name: name.into(),
            },
            self.host.attribute(object, name),
        )
    }
    fn describe(&self, object: PyRef) -> Result<Described, String> {
        let described = self.host.describe(object);
        self.note(&Query::Describe { object }, description(&described));
        described
    }
    fn callee(&self, dispatcher: PyRef) -> Checked<Callee> {
        let callee = self.host.callee(dispatcher)?;
        let identity = self.host.identify(dispatcher);
        let place = identity
            .as_ref()
            .ok()
            .map(|identity| identity.place.clone());
        let answer =
            identity.and_then(|identity| identity.encode().map_err(|local| local.to_string()));
        let new = self.note(&Query::Callee { dispatcher }, answer);
        if let (true, Some(place)) = (new, place) {
            self.state.borrow_mut().trace.places.push(place);
        }
        Ok(callee)
    }
    fn default(&self, function: PyRef, index: usize) -> Option<PyRef> {
        self.object(
            &Query::Default {
                function,
                index: index as u32,
            },
            self.host.default(function, index),
        )
    }
    fn repr(&self, object: PyRef) -> String {
        // Only for messages of errors, after which there is nothing to store.
        self.host.repr(object)
    }
    fn exception(&self, name: &str) -> Option<PyRef> {
        self.object(
            &Query::Exception { name: name.into() },
            self.host.exception(name),
        )
    }
    fn module(&self, name: &str) -> Option<PyRef> {
        self.object(&Query::Module { name: name.into() }, self.host.module(name))
    }
}

// ---- replaying -----------------------------------------------------------------------------------

/// Traces that are compared with what a host answers now. A question is asked once, however many
/// traces have it.
pub struct Replay<'h> {
    host: &'h dyn Identify,
    answers: FxHashMap<Query<PyRef>, Arc<Asked>>,
}

struct Asked {
    answer: Answer<PyRef>,
    place: Option<Place>,
}

/// A trace that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The objects that the nodes are.
    pub objects: Vec<PyRef>,
    /// Where the functions were when the trace was recorded, and where they are.
    pub places: Vec<(Place, Place)>,
}

impl<'h> Replay<'h> {
    pub fn new(host: &'h dyn Identify) -> Replay<'h> {
        Replay {
            host,
            answers: FxHashMap::default(),
        }
    }

    /// Whether all of a trace's questions have the same answers.
    pub fn run(&mut self, trace: &Trace, roots: &[PyRef], place: &Place) -> Option<Match> {
        let values = trace.values();
        let mut bound = Bindings {
            objects: vec![None; trace.nodes as usize],
            nodes: FxHashMap::default(),
        };
        let mut places = vec![place.clone()];
        let mut given: Vec<PyRef> = vec![];
        roots.iter().for_each(|root| {
            if !given.contains(root) {
                given.push(*root);
            }
        });
        if given.len() != trace.roots as usize {
            return None;
        }
        for (i, root) in given.into_iter().enumerate() {
            bound.objects[i] = Some(root);
            bound.nodes.insert(root, Node(i as u32));
        }
        for (query, answer) in &trace.steps {
            let asked = query.map(|node| *bound.objects.get(node.index())?)?;
            let now = self.ask(asked)?;
            if now.answer.bytes != answer.bytes || now.answer.objects.len() != answer.objects.len()
            {
                return None;
            }
            for (&node, &object) in answer.objects.iter().zip(&now.answer.objects) {
                if !bound.bind(node, object, &values)? && !self.is_equal(trace, node, object) {
                    return None;
                }
            }
            places.extend(now.place.clone());
        }
        let objects = bound.objects.into_iter().collect::<Option<Vec<PyRef>>>()?;
        let places: Vec<_> = trace.places.iter().cloned().zip(places).collect();
        Some(Match { objects, places })
    }

    fn ask(&mut self, query: Query<PyRef>) -> Option<Arc<Asked>> {
        if let Some(known) = self.answers.get(&query) {
            return Some(known.clone());
        }
        let host = self.host;
        let mut place = None;
        let answer = match &query {
            Query::Global { function, name } => object_answer(host.global(*function, name)),
            Query::Free { function, name } => object_answer(host.free(*function, name)),
            Query::Attribute { object, name } => object_answer(host.attribute(*object, name)),
            Query::Describe { object } => description(&host.describe(*object)).ok()?,
            Query::Callee { dispatcher } => {
                let identity = host.identify(*dispatcher).ok()?;
                place = Some(identity.place.clone());
                identity.encode().ok()?
            }
            Query::Default { function, index } => {
                object_answer(host.default(*function, *index as usize))
            }
            Query::Exception { name } => object_answer(host.exception(name)),
            Query::Module { name } => object_answer(host.module(name)),
        };
        let asked = Arc::new(Asked { answer, place });
        self.answers.insert(query, asked.clone());
        Some(asked)
    }

    /// Whether an object is described as the node was.
    fn is_equal(&mut self, trace: &Trace, node: Node, object: PyRef) -> bool {
        let recorded = trace
            .steps
            .iter()
            .find(|(query, _)| *query == Query::Describe { object: node });
        let now = self.ask(Query::Describe { object });
        match (recorded, now) {
            (Some((_, recorded)), Some(now)) => {
                recorded.bytes == now.answer.bytes && now.answer.objects.is_empty()
            }
            _ => false,
        }
    }
}

/// Which objects the nodes of a trace are, and back.
struct Bindings {
    objects: Vec<Option<PyRef>>,
    nodes: FxHashMap<PyRef, Node>,
}

impl Bindings {
    /// Says that a node is an object. False if it was another one, but a value: then it must be equal.
    /// None if nodes and objects do not correspond.
    fn bind(&mut self, node: Node, object: PyRef, values: &FxHashSet<Node>) -> Option<bool> {
        let slot = self.objects.get_mut(node.index())?;
        match *slot {
            Some(known) if known == object => return Some(true),
            Some(_) => return values.contains(&node).then_some(false),
            None => *slot = Some(object),
        }
        // One object as two nodes: harmless for values only, code may compare the others.
        let other = *self.nodes.entry(object).or_insert(node);
        (other == node || (values.contains(&other) && values.contains(&node))).then_some(true)
    }
}

impl Trace {
    /// Nodes of which nothing matters but their description: numbers, strings. Whether two such are one
    /// object is an accident of how they were made.
    fn values(&self) -> FxHashSet<Node> {
        let mut values = FxHashSet::default();
        let mut others: FxHashSet<Node> = (0..self.roots).map(Node).collect();
        for (query, answer) in &self.steps {
            match query {
                Query::Describe { object } if answer.objects.is_empty() => values.extend([*object]),
                Query::Describe { .. } | Query::Callee { .. } => {
                    others.extend(answer.objects.iter().copied().chain(query.subject()));
                }
                _ => others.extend(query.subject()),
            }
        }
        values.retain(|node| !others.contains(node));
        values
    }

    /// The trace as bytes, for [`Trace::decode`].
    pub fn encode(&self, out: &mut Encoder) {
        self.encode_manifest(out);
        out.length(self.places.len());
        for place in &self.places {
            out.str(&place.file);
            out.u32(place.line);
        }
    }

    /// What must hold, as bytes; equal ones for equal dependencies, wherever the functions are.
    pub fn encode_manifest(&self, out: &mut Encoder) {
        out.u32(self.roots);
        out.u32(self.nodes);
        out.length(self.steps.len());
        for (query, answer) in &self.steps {
            query.encode(out);
            out.raw(&answer.bytes);
            out.length(answer.objects.len());
            answer.objects.iter().for_each(|node| out.u32(node.0));
        }
    }

    /// None if the bytes are not a trace's.
    pub fn decode(from: &mut Decoder<'_>) -> Option<Trace> {
        let (roots, nodes) = (from.u32()?, from.u32()?);
        let mut steps = Vec::with_capacity(from.clone().length()?);
        for _ in 0..from.length()? {
            let query = Query::decode(from)?;
            let bytes = from.raw()?.into();
            let objects = (0..from.length()?)
                .map(|_| from.u32().map(Node))
                .collect::<Option<_>>()?;
            steps.push((query, Answer { bytes, objects }));
        }
        let place = |from: &mut Decoder<'_>| {
            Some(Place {
                file: from.str()?.into(),
                line: from.u32()?,
            })
        };
        let places = (0..from.length()?)
            .map(|_| place(from))
            .collect::<Option<Vec<Place>>>()?;
        // Each node but the roots is some answer's; a longer list would only waste memory.
        let most = roots as usize
            + steps
                .iter()
                .map(|(_, answer)| answer.objects.len())
                .sum::<usize>();
        (roots <= nodes && nodes as usize <= most).then_some(Trace {
            roots,
            nodes,
            steps,
            places,
        })
    }
}

impl Query<Node> {
    fn encode(&self, out: &mut Encoder) {
        let (tag, name) = match self {
            Query::Global { name, .. } => (0, Some(name)),
            Query::Free { name, .. } => (1, Some(name)),
            Query::Attribute { name, .. } => (2, Some(name)),
            Query::Describe { .. } => (3, None),
            Query::Callee { .. } => (4, None),
            Query::Default { .. } => (5, None),
            Query::Exception { name } => (6, Some(name)),
            Query::Module { name } => (7, Some(name)),
        };
        out.u8(tag);
        if let Some(node) = self.subject() {
            out.u32(node.0);
        }
        if let Some(name) = name {
            out.str(name);
        }
        if let Query::Default { index, .. } = self {
            out.u32(*index);
        }
    }

    fn decode(from: &mut Decoder<'_>) -> Option<Query<Node>> {
        let tag = from.u8()?;
        let subject = if tag < 6 { Node(from.u32()?) } else { Node(0) };
        let mut name = || from.str().map(Arc::from);
        Some(match tag {
            0 => Query::Global {
                function: subject,
                name: name()?,
            },
            1 => Query::Free {
                function: subject,
                name: name()?,
            },
            2 => Query::Attribute {
                object: subject,
                name: name()?,
            },
            3 => Query::Describe { object: subject },
            4 => Query::Callee {
                dispatcher: subject,
            },
            5 => Query::Default {
                function: subject,
                index: from.u32()?,
            },
            6 => Query::Exception { name: name()? },
            7 => Query::Module { name: name()? },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests;
