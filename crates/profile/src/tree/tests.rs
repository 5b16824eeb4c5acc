use super::*;
use crate::model::{Kind, State};
use crate::testing::{Build, native, python};

fn by_name(build: &Build) -> (Keys<String>, Tree) {
    let recording = &build.recording;
    let keys = Keys::of_functions(recording, "unknown".to_owned(), |f| {
        recording.texts.get(f.name).to_owned()
    });
    let tree = Tree::new(recording, &keys, &recording.samples);
    (keys, tree)
}

fn sums(keys: &Keys<String>, totals: &Totals, name: &str) -> (u64, u64, u64) {
    let key = keys.all.iter().position(|k| k == name).unwrap();
    let sums = totals.groups[key];
    (sums.own.cpu, sums.total.cpu, sums.frames)
}

#[test]
fn recursion_counts_once() {
    let mut build = Build::new();
    let process = build.process(1, "");
    let thread = build.thread(process, 1, "");
    let (main, f, g) = (python("main", 1, 2), python("f", 5, 6), python("g", 8, 9));
    build.sample(thread, &[main, f], 1);
    build.sample(thread, &[main, f, f], 10);
    build.sample(thread, &[main, f, g, f, g, f], 100);
    let (keys, tree) = by_name(&build);
    assert_eq!(tree.total.cpu, 111);
    let totals = Totals::by_key(&tree, &keys);
    assert_eq!(sums(&keys, &totals, "main"), (0, 111, 3));
    assert_eq!(sums(&keys, &totals, "f"), (111, 111, 6));
    assert_eq!(sums(&keys, &totals, "g"), (0, 100, 2));
    let edges: Vec<_> = totals
        .edges
        .iter()
        .map(|edge| {
            let callee = &keys.all[edge.callee as usize];
            let caller = &keys.all[edge.caller.index()];
            (
                &**caller,
                &**callee,
                edge.sums.own.cpu,
                edge.sums.total.cpu,
                edge.sums.frames,
            )
        })
        .collect();
    let expected = [
        ("main", "f", 1, 111, 3),
        ("f", "f", 10, 10, 1),
        ("f", "g", 0, 100, 2),
        ("g", "f", 100, 100, 2),
    ];
    assert_eq!(edges, expected);
}

#[test]
fn lines_are_keys_where_functions_are_groups() {
    let mut build = Build::new();
    let process = build.process(1, "");
    let thread = build.thread(process, 1, "");
    build.sample(thread, &[python("main", 1, 2), python("f", 5, 6)], 1);
    build.sample(thread, &[python("main", 1, 3), python("f", 5, 7)], 10);
    let recording = &build.recording;
    let keys = Keys::of_frames(recording, (0, 0), |f| (f.function.0 + 1, f.line));
    let tree = Tree::new(recording, &keys, &recording.samples);
    let groups: Vec<u32> = keys.all.iter().map(|k| k.0).collect();
    let totals = Totals::by_group(&tree, &groups);
    assert_eq!(totals.groups[1].total.cpu, 11);
    let edges: Vec<_> = totals
        .edges
        .iter()
        .map(|e| (keys.all[e.caller.index()], e.callee, e.sums.total.cpu))
        .collect();
    assert_eq!(edges, [((1, 2), 2, 1), ((1, 3), 2, 10)]);
}

#[test]
fn threads_stand_above_their_stacks() {
    let mut build = Build::new();
    let process = build.process(1, "");
    let threads = [build.thread(process, 1, "a"), build.thread(process, 2, "b")];
    for thread in [threads[0], threads[1], threads[0]] {
        build.sample(thread, &[python("main", 1, 2)], 1);
    }
    build.sample(threads[1], &[], 5);
    let recording = &build.recording;
    let keys = Keys::of_functions(recording, "unknown", |_| "main");
    let keys = keys.above(recording, |thread| [["a", "b"][thread.index()]]);
    let tree = Tree::new(recording, &keys, &recording.samples);
    let mut children = tree.children();
    let name = |node: NodeId| keys.all[tree.nodes[node.index()].key.index()];
    children.sort_by_key(name);
    let shown: Vec<_> = children
        .walk()
        .filter_map(|step| match step {
            Step::Enter(node) => Some((name(node), tree.nodes[node.index()].total.cpu)),
            Step::Leave(_) => None,
        })
        .collect();
    assert_eq!(
        shown,
        [("a", 2), ("main", 2), ("b", 6), ("main", 1), ("unknown", 5)]
    );
}

#[test]
fn weights_are_cpu_time_and_wait() {
    let mut build = Build::new();
    let process = build.process(1, "");
    let thread = build.thread(process, 1, "");
    let sample = build.sample(thread, &[native("poll", "libc.so.6")], 3);
    (sample.state, sample.wait, sample.kernel) = (State::Waiting, 40, 4);
    let (_, tree) = by_name(&build);
    assert_eq!(
        tree.total,
        Weight {
            samples: 1,
            cpu: 7,
            wait: 40
        }
    );
}

#[test]
fn stacks_may_be_deep() {
    let mut build = Build::new();
    let process = build.process(1, "");
    let thread = build.thread(process, 1, "");
    build.sample(thread, &[(Kind::Python, "f", "f.py", 1, 2)], 1);
    let frame = build.recording.stacks[0].frame;
    for i in 0..200_000 {
        build.recording.stacks.push(crate::model::Stack {
            parent: Some(crate::model::StackId(i)),
            frame,
        });
    }
    build.recording.samples[0].stack = Some(crate::model::StackId(200_000));
    let (keys, tree) = by_name(&build);
    let totals = Totals::by_key(&tree, &keys);
    assert_eq!(sums(&keys, &totals, "f"), (1, 1, 200_001));
}
