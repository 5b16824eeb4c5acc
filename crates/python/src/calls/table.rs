//! Calls by function, by signature and by caller: what is counted, and how.
//!
//! The rules are cProfile's. A call counts when it ends. Its own time is its time less that of the calls in it;
//! its total time counts only if no outer call of the same kind is under way, so that recursion is not counted
//! twice. "The same kind" is the same *entry* (function and signature), or the same pair of caller and callee,
//! for the table concerned.
//!
//! Nothing here knows Python: times are ticks of some clock, functions are numbers.

use super::addresses::Addresses;

/// No entry.
pub const NONE: u32 = u32::MAX;

/// What is counted of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub calls: u64,
    /// Of these, calls within a call of the same kind.
    pub recursive: u64,
    pub own: u64,
    pub total: u64,
}

/// A function with one signature.
#[derive(Debug)]
pub struct Entry {
    pub function: u32,
    /// How many calls are under way.
    level: u32,
    pub counts: Counts,
    /// Calls that were made within, at any depth: what the hooks' cost is a multiple of.
    pub below: u64,
    last_caller: u32,
    last_edge: u32,
}

/// An entry that calls another one.
#[derive(Debug)]
pub struct Edge {
    pub caller: u32,
    pub callee: u32,
    level: u32,
    pub counts: Counts,
}

/// A call that is under way.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Which one it is, for who ends it: an address of its frame.
    pub mark: usize,
    pub entry: u32,
    edge: u32,
    start: u64,
    /// Time of calls in it.
    inner: u64,
    below: u64,
}

/// The calls of a thread that are under way, innermost last.
pub type Stack = Vec<Call>;

#[derive(Debug)]
pub struct Table {
    pub entries: Vec<Entry>,
    pub edges: Vec<Edge>,
    by_pair: Addresses,
    with_edges: bool,
}

impl Table {
    pub fn new(with_edges: bool) -> Table {
        Table {
            entries: vec![],
            edges: vec![],
            by_pair: Addresses::default(),
            with_edges,
        }
    }

    /// Whether calls are counted by caller, too.
    pub fn set_callers(&mut self, with_edges: bool) {
        self.with_edges = with_edges;
    }

    pub fn add_entry(&mut self, function: u32) -> u32 {
        self.entries.push(Entry {
            function,
            level: 0,
            counts: Counts::default(),
            below: 0,
            last_caller: NONE,
            last_edge: NONE,
        });
        self.entries.len() as u32 - 1
    }

    /// Begins a call. The clock is read last, so that what is done here is not the callee's.
    #[inline(always)]
    pub fn enter(
        &mut self,
        stack: &mut Stack,
        entry: u32,
        mark: usize,
        clock: impl FnOnce() -> u64,
    ) {
        let mut edge = NONE;
        if self.with_edges
            && let Some(top) = stack.last()
        {
            edge = self.edge(top.entry, entry);
            self.edges[edge as usize].level += 1;
        }
        self.entries[entry as usize].level += 1;
        stack.push(Call {
            mark,
            entry,
            edge,
            start: 0,
            inner: 0,
            below: 0,
        });
        if let Some(top) = stack.last_mut() {
            top.start = clock();
        }
    }

    #[inline(always)]
    fn edge(&mut self, caller: u32, callee: u32) -> u32 {
        let entry = &self.entries[callee as usize];
        if entry.last_caller == caller {
            return entry.last_edge;
        }
        self.find_edge(caller, callee)
    }

    #[inline(never)]
    fn find_edge(&mut self, caller: u32, callee: u32) -> u32 {
        let pair = (caller as usize) << 32 | callee as usize | 1 << 63;
        let edge = match self.by_pair.get(pair) {
            Some(edge) => edge,
            None => {
                let edge = self.edges.len() as u32;
                self.edges.push(Edge {
                    caller,
                    callee,
                    level: 0,
                    counts: Counts::default(),
                });
                self.by_pair.insert(pair, edge);
                edge
            }
        };
        let entry = &mut self.entries[callee as usize];
        (entry.last_caller, entry.last_edge) = (caller, edge);
        edge
    }

    /// Ends the innermost call.
    #[inline(always)]
    pub fn leave(&mut self, stack: &mut Stack, now: u64) {
        let Some(call) = stack.pop() else {
            return;
        };
        let elapsed = now.wrapping_sub(call.start);
        let own = elapsed.wrapping_sub(call.inner);
        let below = call.below;
        if let Some(caller) = stack.last_mut() {
            caller.inner = caller.inner.wrapping_add(elapsed);
            caller.below += below + 1;
        }
        let entry = &mut self.entries[call.entry as usize];
        entry.level -= 1;
        entry.counts.add(entry.level == 0, elapsed, own);
        if entry.level == 0 {
            entry.below += below;
        }
        if call.edge != NONE {
            let edge = &mut self.edges[call.edge as usize];
            edge.level -= 1;
            edge.counts.add(edge.level == 0, elapsed, own);
        }
    }

    /// Ends the call with a mark, if it is the innermost one or lies below calls whose end was not seen.
    #[inline(always)]
    pub fn leave_marked(
        &mut self,
        stack: &mut Stack,
        mark: usize,
        entry: impl Fn(u32) -> bool,
        now: u64,
    ) {
        match stack.last() {
            Some(top) if top.mark == mark => self.leave(stack, now),
            _ => self.leave_lost(stack, mark, entry, now),
        }
    }

    #[cold]
    fn leave_lost(
        &mut self,
        stack: &mut Stack,
        mark: usize,
        entry: impl Fn(u32) -> bool,
        now: u64,
    ) {
        let found = stack
            .iter()
            .rposition(|call| call.mark == mark && entry(call.entry));
        if let Some(at) = found {
            while stack.len() > at {
                self.leave(stack, now);
            }
        }
    }

    /// Forgets what was counted, but not what is under way, which counts from now on.
    pub fn reset(&mut self, stacks: &mut [&mut Stack], now: u64) {
        for entry in &mut self.entries {
            (entry.counts, entry.below) = (Counts::default(), 0);
        }
        for edge in &mut self.edges {
            edge.counts = Counts::default();
        }
        for call in stacks.iter_mut().flat_map(|stack| stack.iter_mut()) {
            (call.start, call.inner, call.below) = (now, 0, 0);
        }
    }
}

impl Counts {
    #[inline(always)]
    fn add(&mut self, is_outermost: bool, elapsed: u64, own: u64) {
        self.calls += 1;
        self.own = self.own.wrapping_add(own);
        if is_outermost {
            self.total = self.total.wrapping_add(elapsed);
        } else {
            self.recursive += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recursion_counts_its_time_once() {
        let mut table = Table::new(true);
        let (f, g) = (table.add_entry(0), table.add_entry(0));
        let mut stack = vec![];
        table.enter(&mut stack, f, 1, || 0);
        table.enter(&mut stack, g, 2, || 10);
        table.enter(&mut stack, f, 3, || 20);
        table.leave(&mut stack, 30);
        table.leave(&mut stack, 40);
        table.leave(&mut stack, 100);
        let counts = table.entries[f as usize].counts;
        assert_eq!((counts.calls, counts.recursive), (2, 1));
        assert_eq!((counts.own, counts.total), (80, 100));
        assert_eq!(table.entries[f as usize].below, 2);
        assert_eq!(table.entries[g as usize].counts.total, 30);
        let edges: Vec<_> = table
            .edges
            .iter()
            .map(|e| (e.caller, e.callee, e.counts.total))
            .collect();
        assert_eq!(edges, [(f, g, 30), (g, f, 10)]);
    }

    #[test]
    fn a_lost_end_does_not_move_other_calls() {
        let mut table = Table::new(false);
        let entry = table.add_entry(0);
        let mut stack = vec![];
        for mark in 1..=3 {
            table.enter(&mut stack, entry, mark, || 0);
        }
        table.leave_marked(&mut stack, 2, |_| true, 5);
        assert_eq!(stack.iter().map(|c| c.mark).collect::<Vec<_>>(), [1]);
        table.leave_marked(&mut stack, 9, |_| true, 6);
        assert_eq!(stack.len(), 1);
    }
}
