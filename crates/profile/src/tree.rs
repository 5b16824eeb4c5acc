//! Samples added up: as a tree of calls, and by what stands on the stacks.
//!
//! ```text
//! Recording ──Keys──▶ Tree ──▶ Totals
//! ```
//!
//! [`Keys`] say what counts as the same: the same function, the same line, what a user calls the same. A
//! [`Tree`] has one node for each way from a root through keys; [`Totals`] has sums by key, and by who calls
//! whom, in which recursion counts once. All of it takes time in proportion to the tables and the samples,
//! and nothing here calls itself, as stacks may be as deep as they like.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::ops::AddAssign;

use crate::model::{Frame, Function, Recording, Sample, ThreadId};

/// What some samples stand for together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    pub samples: u64,
    /// CPU time, in microseconds.
    pub cpu: u64,
    /// Time that was waited, in microseconds.
    pub wait: u64,
}

impl Weight {
    pub fn of(sample: &Sample) -> Weight {
        Weight {
            samples: 1,
            cpu: sample.cpu(),
            wait: u64::from(sample.wait),
        }
    }
}

impl AddAssign for Weight {
    fn add_assign(&mut self, other: Weight) {
        self.samples += other.samples;
        self.cpu += other.cpu;
        self.wait += other.wait;
    }
}

/// Of [`Keys::all`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u32);

impl Key {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What counts as the same, of the things on stacks.
#[derive(Debug)]
pub struct Keys<T> {
    /// What each key means; all differ.
    pub all: Vec<T>,
    index: HashMap<T, Key>,
    frames: Vec<Key>,
    /// By thread: what stands above its stacks.
    above: Vec<Vec<Key>>,
    /// For samples without a stack.
    unknown: Key,
}

impl<T: Clone + Eq + Hash> Keys<T> {
    /// Frames of equal functions are the same; `unknown` stands for stacks that could not be read.
    pub fn of_functions(
        recording: &Recording,
        unknown: T,
        meaning: impl FnMut(&Function) -> T,
    ) -> Keys<T> {
        let mut keys = Keys::empty(unknown);
        let functions: Vec<T> = recording.functions.iter().map(meaning).collect();
        let functions: Vec<Key> = functions.into_iter().map(|f| keys.add(f)).collect();
        let frames = recording.frames.iter();
        keys.frames = frames.map(|f| functions[f.function.index()]).collect();
        keys
    }

    /// Equal frames are the same.
    pub fn of_frames(
        recording: &Recording,
        unknown: T,
        mut meaning: impl FnMut(&Frame) -> T,
    ) -> Keys<T> {
        let mut keys = Keys::empty(unknown);
        keys.frames = Vec::with_capacity(recording.frames.len());
        for frame in &recording.frames {
            let key = keys.add(meaning(frame));
            keys.frames.push(key);
        }
        keys
    }

    /// Puts something above the stacks of each thread, outermost first.
    pub fn above<const N: usize>(
        mut self,
        recording: &Recording,
        above: impl Fn(ThreadId) -> [T; N],
    ) -> Keys<T> {
        for thread in 0..recording.threads.len() {
            let keys = above(ThreadId(thread as u32)).map(|t| self.add(t));
            self.above.push(keys.to_vec());
        }
        self
    }

    fn empty(unknown: T) -> Keys<T> {
        Keys {
            all: vec![unknown.clone()],
            index: HashMap::from([(unknown, Key(0))]),
            frames: vec![],
            above: vec![],
            unknown: Key(0),
        }
    }

    fn add(&mut self, meaning: T) -> Key {
        match self.index.entry(meaning) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let key = Key(self.all.len() as u32);
                self.all.push(new.key().clone());
                *new.insert(key)
            }
        }
    }
}

/// Of [`Paths::all`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathId(pub u32);

impl PathId {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The stacks of a recording by keys: what differs only in what keys do not tell is one.
#[derive(Debug)]
pub struct Paths {
    /// What calls it, and its key. Callers come before what they call.
    pub all: Vec<(Option<PathId>, Key)>,
    of_stack: Vec<PathId>,
}

impl Paths {
    pub fn new<T>(recording: &Recording, keys: &Keys<T>) -> Paths {
        let mut all = vec![(None, keys.unknown)];
        let mut index = HashMap::new();
        let mut of_stack: Vec<PathId> = Vec::with_capacity(recording.stacks.len());
        for stack in &recording.stacks {
            let parent = stack.parent.map(|p| of_stack[p.index()]);
            let path = (parent, keys.frames[stack.frame.index()]);
            of_stack.push(*index.entry(path).or_insert_with(|| {
                all.push(path);
                PathId(all.len() as u32 - 1)
            }));
        }
        Paths { all, of_stack }
    }

    /// The path of a sample.
    pub fn of(&self, sample: &Sample) -> PathId {
        sample.stack.map_or(PathId(0), |s| self.of_stack[s.index()])
    }

    /// A path from its root on, in place of what `way` holds.
    pub fn way(&self, path: PathId, way: &mut Vec<PathId>) {
        way.clear();
        let mut next = Some(path);
        while let Some(path) = next {
            way.push(path);
            next = self.all[path.index()].0;
        }
        way.reverse();
    }
}

/// Of [`Tree::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl NodeId {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A place in a tree of calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Node {
    pub parent: Option<NodeId>,
    pub key: Key,
    /// Of samples that were taken just here.
    pub own: Weight,
    /// Of these, and of all that was called from here.
    pub total: Weight,
}

/// Who called whom, from the roots on, and what that weighs.
#[derive(Debug, Default)]
pub struct Tree {
    /// Callers come before what they call.
    pub nodes: Vec<Node>,
    /// Of all samples.
    pub total: Weight,
}

impl Tree {
    pub fn new<'a, T>(
        recording: &Recording,
        keys: &Keys<T>,
        samples: impl IntoIterator<Item = &'a Sample>,
    ) -> Tree {
        let paths = Paths::new(recording, keys);
        let mut tree = Growing {
            nodes: Nodes::default(),
            known: vec![(0, NodeId(0)); paths.all.len()],
            round: 0,
            missing: vec![],
        };
        let above: Vec<_> = keys.above.iter().map(|way| tree.way(way)).collect();
        let above = |sample: &Sample| above.get(sample.thread.index()).copied().flatten();
        let mut samples: Vec<(Option<NodeId>, PathId, &Sample)> = samples
            .into_iter()
            .map(|sample| (above(sample), paths.of(sample), sample))
            .collect();
        // Those with the same things above them together, so that each path is remembered but once.
        samples.sort_by_key(|&(above, path, _)| (above, path));
        for same in samples.chunk_by(|a, b| a.0 == b.0) {
            tree.round += 1;
            for &(above, path, sample) in same {
                let node = tree.path(&paths, above, path);
                tree.nodes.all[node.index()].own += Weight::of(sample);
            }
        }
        Tree::of_nodes(tree.nodes.all)
    }

    /// Of nodes that have their own weights; callers come before what they call.
    pub fn of_nodes(mut nodes: Vec<Node>) -> Tree {
        let mut total = Weight::default();
        for i in (0..nodes.len()).rev() {
            let own = nodes[i].own;
            nodes[i].total += own;
            let of_node = nodes[i].total;
            match nodes[i].parent {
                Some(parent) => nodes[parent.index()].total += of_node,
                None => total += of_node,
            }
        }
        Tree { nodes, total }
    }

    pub fn children(&self) -> Children {
        let slot = |parent: Option<NodeId>| parent.map_or(0, |p| p.index() + 1);
        let mut starts = vec![0; self.nodes.len() + 2];
        for node in &self.nodes {
            starts[slot(node.parent) + 1] += 1;
        }
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        let mut next = starts.clone();
        let mut items = vec![NodeId(0); self.nodes.len()];
        for (id, node) in (0..).zip(&self.nodes) {
            let at = &mut next[slot(node.parent)];
            items[*at] = NodeId(id);
            *at += 1;
        }
        Children { starts, items }
    }
}

/// The nodes of a tree while some are added.
#[derive(Default)]
pub struct Nodes {
    pub all: Vec<Node>,
    children: HashMap<(Option<NodeId>, Key), NodeId>,
}

impl Nodes {
    /// The node of a key below another one, or at the top.
    pub fn child(&mut self, parent: Option<NodeId>, key: Key) -> NodeId {
        let next = NodeId(self.all.len() as u32);
        *self.children.entry((parent, key)).or_insert_with(|| {
            self.all.push(Node {
                parent,
                key,
                own: Weight::default(),
                total: Weight::default(),
            });
            next
        })
    }
}

/// A tree that grows by the paths of stacks.
struct Growing {
    nodes: Nodes,
    /// By path: its node, and the round in which that was so.
    known: Vec<(u32, NodeId)>,
    round: u32,
    /// Paths on the way to one that is known.
    missing: Vec<PathId>,
}

impl Growing {
    fn way(&mut self, way: &[Key]) -> Option<NodeId> {
        let mut at = None;
        for &key in way {
            at = Some(self.nodes.child(at, key));
        }
        at
    }

    fn path(&mut self, paths: &Paths, above: Option<NodeId>, path: PathId) -> NodeId {
        let mut at = above;
        let mut next = Some(path);
        while let Some(path) = next {
            let (round, node) = self.known[path.index()];
            if round == self.round {
                at = Some(node);
                break;
            }
            self.missing.push(path);
            next = paths.all[path.index()].0;
        }
        while let Some(path) = self.missing.pop() {
            let node = self.nodes.child(at, paths.all[path.index()].1);
            self.known[path.index()] = (self.round, node);
            at = Some(node);
        }
        self.known[path.index()].1
    }
}

/// What each node of a tree calls, in the order of nodes or in one of the caller's choice.
#[derive(Debug)]
pub struct Children {
    /// The roots, then the children of each node: where they begin and end in `items`.
    starts: Vec<usize>,
    items: Vec<NodeId>,
}

/// A step on the way through a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Enter(NodeId),
    Leave(NodeId),
}

impl Children {
    /// Of a node, or the roots.
    pub fn of(&self, parent: Option<NodeId>) -> &[NodeId] {
        let slot = parent.map_or(0, |p| p.index() + 1);
        &self.items[self.starts[slot]..self.starts[slot + 1]]
    }

    /// Orders the children of each node.
    pub fn sort_by_key<K: Ord>(&mut self, key: impl Fn(NodeId) -> K) {
        for bounds in self.starts.windows(2) {
            self.items[bounds[0]..bounds[1]].sort_by_key(|&node| key(node));
        }
    }

    /// Through the whole tree: each node, what it calls, and back.
    pub fn walk(&self) -> impl Iterator<Item = Step> {
        let mut left: Vec<Step> = vec![];
        let enter = |left: &mut Vec<Step>, parent| {
            let children = self.of(parent).iter().rev();
            left.extend(children.map(|&child| Step::Enter(child)));
        };
        enter(&mut left, None);
        std::iter::from_fn(move || {
            let step = left.pop()?;
            if let Step::Enter(node) = step {
                left.push(Step::Leave(node));
                enter(&mut left, Some(node));
            }
            Some(step)
        })
    }
}

/// Sums by group of keys. What is on a stack several times counts once in `total`, each time in `frames`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub own: Weight,
    pub total: Weight,
    /// How often it is on the stack of a sample.
    pub frames: u64,
}

/// A group that calls another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// From where.
    pub caller: Key,
    /// The group that is called.
    pub callee: u32,
    /// Of the callee, when called from here.
    pub sums: Sums,
}

/// Sums over a tree. Groups are made of keys: lines are keys where functions are groups, for instance.
#[derive(Debug)]
pub struct Totals {
    pub groups: Vec<Sums>,
    /// In the order in which they are first met.
    pub edges: Vec<Edge>,
}

impl Totals {
    /// Each key is a group.
    pub fn by_key<T>(tree: &Tree, keys: &Keys<T>) -> Totals {
        let groups: Vec<u32> = (0..keys.all.len() as u32).collect();
        Totals::by_group(tree, &groups)
    }

    /// `groups` has the group of each key.
    pub fn by_group(tree: &Tree, groups: &[u32]) -> Totals {
        let count = groups.iter().max().map_or(0, |&most| most as usize + 1);
        let mut totals = Totals {
            groups: vec![Sums::default(); count],
            edges: vec![],
        };
        // How often each group, and each pair of groups, is on the way to the node at hand.
        let mut on_way = vec![0u32; count];
        let mut pairs = Numbers::default();
        let mut pairs_on_way: Vec<u32> = vec![];
        let mut edges = Numbers::default();
        for step in tree.children().walk() {
            let (Step::Enter(id) | Step::Leave(id)) = step;
            let node = tree.nodes[id.index()];
            let group = groups[node.key.index()];
            let caller = node.parent.map(|p| tree.nodes[p.index()].key);
            let pair = caller.map(|c| pairs.number((groups[c.index()], group)));
            if let Step::Leave(_) = step {
                on_way[group as usize] -= 1;
                if let Some(pair) = pair {
                    pairs_on_way[pair] -= 1;
                }
                continue;
            }
            let sums = &mut totals.groups[group as usize];
            sums.add(&node, on_way[group as usize] == 0);
            on_way[group as usize] += 1;
            if let (Some(pair), Some(caller)) = (pair, caller) {
                if pair == pairs_on_way.len() {
                    pairs_on_way.push(0);
                }
                let edge = edges.number((caller.0, group));
                if edge == totals.edges.len() {
                    totals.edges.push(Edge {
                        caller,
                        callee: group,
                        sums: Sums::default(),
                    });
                }
                totals.edges[edge].sums.add(&node, pairs_on_way[pair] == 0);
                pairs_on_way[pair] += 1;
            }
        }
        totals
    }
}

impl Sums {
    fn add(&mut self, node: &Node, is_outermost: bool) {
        self.own += node.own;
        self.frames += node.total.samples;
        if is_outermost {
            self.total += node.total;
        }
    }
}

/// Numbers pairs as they come.
#[derive(Default)]
struct Numbers(HashMap<(u32, u32), usize>);

impl Numbers {
    fn number(&mut self, pair: (u32, u32)) -> usize {
        let next = self.0.len();
        *self.0.entry(pair).or_insert(next)
    }
}

#[cfg(test)]
mod tests;
