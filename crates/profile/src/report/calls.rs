//! Who calls whom: from the outermost functions inwards, and from the hot ones outwards.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::page::{Color, Page, WIDTH, cut, error, share, time};
use super::sections::{FEW, INDENT, PART, PARTS, SMALL};
use super::view::{Hot, Row, View};
use crate::model::*;
use crate::tree::{Children, Key, NodeId, Weight};

/// What next to all is, of which no branches are shown.
const NEARLY_ALL: f64 = 0.97;
/// Callers of callers that are shown in a row.
const OUTWARDS: usize = 6;

/// From where the time of a function comes: callers, from its own outwards, and how much of it they stand for.
#[derive(Clone, Debug, PartialEq)]
pub struct Callers {
    pub chain: Vec<Key>,
    pub weight: Weight,
}

/// Of each row's own time, by who called, most first.
pub fn callers_of(view: &View, keys: &[Key]) -> HashMap<Key, Vec<Callers>> {
    let nodes = &view.tree.nodes;
    let mut is_wanted = vec![false; view.rows.len()];
    for key in keys {
        is_wanted[key.index()] = true;
    }
    let is_operation = |key: Key| matches!(view.rows[key.index()], Row::Operation(_));
    let mut chains: HashMap<Key, HashMap<Vec<Key>, Weight>> = HashMap::new();
    for node in nodes.iter().filter(|n| n.own.cpu > 0) {
        // What native code did is the time of the function that called it.
        let owner = match node.parent {
            Some(parent) if is_operation(node.key) && !view.is_native() => &nodes[parent.index()],
            _ => node,
        };
        if !is_wanted[owner.key.index()] {
            continue;
        }
        let mut chain = vec![];
        let mut next = owner.parent;
        while let Some(caller) = next.filter(|_| chain.len() < OUTWARDS) {
            let caller = &nodes[caller.index()];
            chain.push(caller.key);
            next = caller.parent;
        }
        *chains
            .entry(owner.key)
            .or_default()
            .entry(chain)
            .or_default() += node.own;
    }
    let by_caller = |chains: HashMap<Vec<Key>, Weight>| {
        let mut groups: HashMap<Option<Key>, Vec<(Vec<Key>, Weight)>> = HashMap::new();
        for (chain, weight) in chains {
            let group = groups.entry(chain.first().copied()).or_default();
            group.push((chain, weight));
        }
        let mut callers: Vec<Callers> = groups.into_values().map(together).collect();
        callers.sort_by(|a, b| (b.weight.cpu, &a.chain).cmp(&(a.weight.cpu, &b.chain)));
        callers
    };
    chains
        .into_iter()
        .map(|(key, chains)| (key, by_caller(chains)))
        .collect()
}

/// Chains with the same caller as one: as far as nearly all of the time goes the same way.
fn together(chains: Vec<(Vec<Key>, Weight)>) -> Callers {
    let mut weight = Weight::default();
    for (_, of_chain) in &chains {
        weight += *of_chain;
    }
    let mut chain: Vec<Key> = vec![];
    loop {
        let mut next: HashMap<Key, u64> = HashMap::new();
        let fits = chains.iter().filter(|(c, _)| c.starts_with(&chain));
        for (longer, weight) in fits {
            if let Some(&key) = longer.get(chain.len()) {
                *next.entry(key).or_default() += weight.cpu;
            }
        }
        match next
            .into_iter()
            .max_by_key(|&(key, cpu)| (cpu, Reverse(key)))
        {
            Some((key, cpu)) if cpu as f64 >= NEARLY_ALL * weight.cpu as f64 => chain.push(key),
            _ => return Callers { chain, weight },
        }
    }
}

/// The hot functions with who called them.
pub fn callers(page: &mut Page, recording: &Recording, view: &View, top: usize) {
    let all = view.tree.total;
    let keys: HashMap<Row, Key> = (0..)
        .map(Key)
        .zip(&view.rows)
        .map(|(k, r)| (*r, k))
        .collect();
    let hot: Vec<Hot> = view.hot();
    let shown = hot
        .iter()
        .take(top)
        .take_while(|h| h.own.cpu * SMALL >= all.cpu && h.own.samples >= FEW);
    let shown: Vec<(Key, &Hot)> = shown.map(|h| (keys[&h.row], h)).collect();
    let wanted: Vec<Key> = shown.iter().map(|(key, _)| *key).collect();
    let callers = callers_of(view, &wanted);
    let has_caller = |key| {
        callers
            .get(key)
            .is_some_and(|c| c.iter().any(|c| !c.chain.is_empty()))
    };
    if !wanted.iter().any(has_caller) {
        return;
    }
    page.heading("Callers: CPU time of the hot functions (self), by who called them");
    for (key, hot) in shown.iter().filter(|(key, _)| has_caller(key)) {
        let plain = format!(
            "{:>8} {:>6} {:>5}  ",
            time(hot.own.cpu),
            share(hot.own.cpu, all.cpu),
            error(hot.own, all)
        );
        page.two(&plain, Color::Bold, &view.label(recording, hot.row));
        let parts = callers[key].iter().take(PARTS);
        for part in parts.take_while(|p| p.weight.cpu as f64 >= PART * hot.own.cpu as f64) {
            let plain = format!("{:24}{:>6}  ", "", share(part.weight.cpu, hot.own.cpu));
            let mut text = match part.chain.first() {
                Some(_) => String::new(),
                None => "outside of functions".to_owned(),
            };
            for key in &part.chain {
                let label = view.label(recording, view.rows[key.index()]);
                let longer = format!("{text}‹ {label} ");
                // As many of them as there is room for, from the innermost.
                if !text.is_empty() && longer.chars().count() + INDENT / 2 > WIDTH - 10 {
                    text.push_str("‹ …");
                    break;
                }
                text = longer;
            }
            page.two(&plain, Color::Dim, text.trim_end());
        }
    }
}

/// A row of the tree: nodes of which each does little but call the next.
struct Chain {
    nodes: Vec<NodeId>,
    depth: usize,
}

pub fn tree(page: &mut Page, recording: &Recording, view: &View, top: usize) {
    page.heading("Calls: CPU time of functions with all they call, from the outermost on");
    let tree = &view.tree;
    // The heaviest nodes; whoever calls one of them weighs as much.
    let mut order: Vec<NodeId> = (0..tree.nodes.len() as u32).map(NodeId).collect();
    order.sort_by_key(|n| (Reverse(tree.nodes[n.index()].total.cpu), *n));
    let mut is_shown = vec![false; tree.nodes.len()];
    let rows = order.iter().take_while(|n| {
        let cpu = tree.nodes[n.index()].total.cpu;
        cpu > 0 && cpu * 200 >= tree.total.cpu
    });
    for node in rows.take(top.saturating_mul(4)) {
        is_shown[node.index()] = true;
    }
    let mut children = tree.children();
    children.sort_by_key(|n| Reverse(tree.nodes[n.index()].total.cpu));
    let shown = |parent: Option<NodeId>| {
        let all = children.of(parent).iter().copied();
        all.filter(|n| is_shown[n.index()]).collect::<Vec<_>>()
    };
    let mut left: Vec<Chain> = vec![];
    let enter = |left: &mut Vec<Chain>, nodes: Vec<NodeId>, depth| {
        let chains = nodes.into_iter().rev();
        left.extend(chains.map(|n| Chain {
            nodes: vec![n],
            depth,
        }));
    };
    enter(&mut left, shown(None), 0);
    while let Some(mut chain) = left.pop() {
        let below = loop {
            let last = *chain.nodes.last().expect("a chain begins with a node");
            let below = shown(Some(last));
            match below[..] {
                [only] if passes_on(view, &children, last, only) => chain.nodes.push(only),
                _ => break below,
            }
        };
        call(page, recording, view, &chain);
        enter(&mut left, below, chain.depth + 1);
    }
}

/// Whether a function does next to nothing but call this one.
fn passes_on(view: &View, children: &Children, node: NodeId, only: NodeId) -> bool {
    let of = |n: NodeId| &view.tree.nodes[n.index()];
    let is_function = |n: NodeId| matches!(view.rows[of(n).key.index()], Row::Function(_));
    let (all, passed) = (of(node).total.cpu as f64, of(only).total.cpu as f64);
    is_function(node)
        && is_function(only)
        && passed >= NEARLY_ALL * all
        && !children.of(Some(node)).is_empty()
}

fn call(page: &mut Page, recording: &Recording, view: &View, chain: &Chain) {
    let tree = &view.tree;
    let of = |n: &NodeId| &tree.nodes[n.index()];
    let (first, last) = (&chain.nodes[0], &chain.nodes[chain.nodes.len() - 1]);
    let total = of(first).total;
    let mut plain = format!(
        "{:>8} {:>6} {:>5}  ",
        time(total.cpu),
        share(total.cpu, tree.total.cpu),
        error(total, tree.total)
    );
    // Deep trees go no further to the right at some point, and say how deep they are.
    match chain.depth {
        depth @ ..16 => plain.push_str(&"  ".repeat(depth)),
        depth => plain.push_str(&format!("{:32}[{depth}] ", "")),
    }
    let own: u64 = chain.nodes.iter().map(|n| of(n).own.cpu).sum();
    let own = match own * 100 >= tree.total.cpu && own < total.cpu {
        true => format!("  (self {})", share(own, tree.total.cpu)),
        false => String::new(),
    };
    let room = WIDTH
        .saturating_sub(plain.chars().count())
        .saturating_sub(own.chars().count())
        .max(12);
    let label_of = |n: &NodeId| view.label(recording, view.rows[of(n).key.index()]);
    let mut text = label_of(last);
    if first != last {
        // As many of them as there is room for, from the innermost.
        let mut rest = chain.nodes[..chain.nodes.len() - 1].iter().rev();
        for node in rest.by_ref() {
            let longer = format!("{} › {text}", label_of(node));
            if longer.chars().count() + 4 > room {
                text = format!("… › {text}");
                break;
            }
            text = longer;
        }
    }
    let color = match view.rows[of(last).key.index()] {
        Row::Function(_) => Color::Bold,
        Row::Operation(_) => Color::Dim,
    };
    page.two(&plain, color, &format!("{}{own}", cut(&text, room)));
}
