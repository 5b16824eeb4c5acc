//! The loops of a nest, and copies of its body.

use super::*;

/// Rounds of a loop that are jammed: of a sum of rows, so many are added at a time.
pub(super) const JAM: i64 = 4;

impl Expander {
    pub(super) fn start(&mut self, loops: &Loops<'_>, init: Vals) -> Vals {
        let pointers = loops
            .walks
            .iter()
            .map(|w| w.as_ref().map(|w| w.data))
            .collect::<Vec<_>>();
        let mut lane = [Lane {
            pointers,
            map: FxHashMap::default(),
        }];
        self.level(loops, 0, &mut lane, init)
    }

    /// The loops from one on, for each lane; takes and gives what is carried.
    pub(super) fn level(
        &mut self,
        loops: &Loops<'_>,
        k: usize,
        lanes: &mut [Lane],
        carried_in: Vals,
    ) -> Vals {
        if loops.restart == Some(k) && carried_in.is_empty() {
            let init: Vals = carried(loops.nest, false)
                .flat_map(|r| r.init.iter().copied())
                .collect();
            let sums = self.level(loops, k, lanes, init);
            let outputs = &lanes[0].pointers[loops.nest.inputs.len()..];
            let mut at = 0;
            for (o, output) in loops.nest.outputs.iter().enumerate() {
                if let (OutputKind::Reduce(r), Some(ptr)) = (&output.kind, outputs[o]) {
                    let n = output.values.len();
                    if let Some(item) = r.item {
                        self.store(ptr, item, &sums[at..at + n], Mem::Elements);
                    }
                    at += n;
                }
            }
            return smallvec![];
        }
        if k == loops.levels.len() {
            return self.bodies(loops, lanes, carried_in);
        }
        if loops.hoists(k) {
            return self.hoisted(loops, k, lanes, carried_in);
        }
        self.loop_at(loops, k, lanes, carried_in)
    }

    /// What stays the same in a loop, and then the loop.
    fn hoisted(
        &mut self,
        loops: &Loops<'_>,
        k: usize,
        lanes: &mut [Lane],
        carried_in: Vals,
    ) -> Vals {
        // What is stretched has no items where there are no indices.
        let inputs = loops.nest.inputs.iter().zip(&loops.depths.inputs);
        let mut stretched: SmallVec<[usize; 4]> = inputs
            .filter(|(_, depth)| **depth == k)
            .flat_map(|(input, _)| &input.access.dims)
            .filter(|along| along.stretch == Stretch::One)
            .map(|along| usize::from(along.dim))
            .collect();
        stretched.sort_unstable();
        stretched.dedup();
        let zero = self.b.i64(0);
        let mut any: Option<Value> = None;
        for dim in stretched {
            let some = self.b.cmp(Cmp::SGt, loops.nest.extents[dim], zero);
            any = Some(match any {
                Some(before) => self.b.binary(Bin::And, before, some),
                None => some,
            });
        }
        let Some(any) = any else {
            self.copies(loops, k, lanes, Mem::Elements);
            return self.loop_at(loops, k, lanes, carried_in);
        };
        let (inside, done) = (self.b.new_block(), self.b.new_block());
        let results: Vals = carried_in
            .iter()
            .map(|&v| self.b.add_param(done, self.b.ty(v)))
            .collect();
        let target = |block, args: &Vals| Target {
            block,
            args: args.clone(),
        };
        self.b.terminate(Term::Branch {
            cond: any,
            then: target(inside, &Vals::new()),
            other: target(done, &carried_in),
            hint: Hint::Likely,
        });
        self.b.switch_to(inside);
        self.copies(loops, k, lanes, Mem::Elements);
        let sums = self.loop_at(loops, k, lanes, carried_in);
        self.b.jump(done, &sums);
        self.b.switch_to(done);
        results
    }

    /// One of the loops, with those inside of it.
    fn loop_at(
        &mut self,
        loops: &Loops<'_>,
        k: usize,
        lanes: &mut [Lane],
        carried_in: Vals,
    ) -> Vals {
        // The outermost loop begins with the next block.
        let head = self.b.func.blocks.len();
        let sums = self.loop_inside(loops, k, lanes, carried_in);
        if k == 0 {
            self.b.func.blocks[head].spread = loops.spread;
        }
        sums
    }

    fn loop_inside(
        &mut self,
        loops: &Loops<'_>,
        k: usize,
        lanes: &mut [Lane],
        carried_in: Vals,
    ) -> Vals {
        let (n, dim) = loops.levels[k];
        let zero = self.b.i64(0);
        let inner = k + 1 == loops.levels.len();
        if let (true, Some(dim)) = (loops.jammed == Some(k), dim) {
            return self.jammed(loops, k, dim, lanes, carried_in);
        }
        let mut round = |e: &mut Self, i: Value, carried: Vals| {
            let mut next: SmallVec<[Lane; 1]> = SmallVec::new();
            for lane in lanes.iter() {
                next.push(e.next_lane(loops, dim, lane, i));
            }
            e.level(loops, k + 1, &mut next, carried)
        };
        let sums: Vec<bool> = carried(loops.nest, false)
            .flat_map(|r| r.init.iter().map(|_| r.pairwise))
            .collect();
        if inner
            && !carried_in.is_empty()
            && sums.contains(&true)
            && self.b.as_int(n).is_none_or(|n| n > GROUP)
        {
            if k > 0 || loops.spread != Spread::Offered {
                return self.in_groups(loops, (zero, n), &sums, carried_in, &mut round);
            }
            // What threads share out are longer pieces, each a sum of its own.
            return self.counted(
                zero,
                n,
                PIECE,
                Rounds::Unknown,
                carried_in,
                |e, i, before| {
                    let size = e.b.i64(PIECE);
                    let end = e.b.binary_nsw(Bin::Add, i, size);
                    let end = e.b.binary(Bin::SMin, end, n);
                    let fresh = e.begun_anew(&before, &sums);
                    let part = e.in_groups(loops, (i, end), &sums, fresh, &mut round);
                    let mut next = Vals::new();
                    for ((&a, &b), &sum) in before.iter().zip(&part).zip(&sums) {
                        next.push(if sum { e.b.binary(Bin::FAdd, a, b) } else { b });
                    }
                    next
                },
            );
        }
        if let (true, [lane], Some(dim), false) = (inner, &*lanes, dim, loops.windows.is_empty()) {
            self.windowed(loops, (n, dim), lane, &mut |e, i| {
                round(e, i, Vals::new());
            });
            return carried_in;
        }
        if inner {
            return self.innermost(loops, (zero, n), carried_in, &mut round);
        }
        self.counted(zero, n, 1, Rounds::Unknown, carried_in, round)
    }

    /// The innermost loop. Where there are rare cases and it is to be vectorised, it runs in chunks, at first
    /// as if they did not occur, and again with the calls if one did.
    pub(super) fn innermost(
        &mut self,
        loops: &Loops<'_>,
        (from, to): (Value, Value),
        start: Vals,
        round: &mut dyn FnMut(&mut Self, Value, Vals) -> Vals,
    ) -> Vals {
        let nest = loops.nest;
        let rare = nest.insts.iter().any(|i| matches!(i.op, Op::Rare { .. }));
        let long = operations(nest) >= if rare { LONG_WITH_RARE } else { LONG };
        let rounds = if long && loops.rounds == Rounds::Independent {
            Rounds::Chained
        } else {
            loops.rounds
        };
        if rounds == Rounds::Rare || !rare {
            return self.counted(from, to, 1, rounds, start, round);
        }
        self.counted(from, to, CHUNK, Rounds::Unknown, start, |e, i, before| {
            let size = e.b.i64(CHUNK);
            let end = e.b.binary_nsw(Bin::Add, i, size);
            let end = e.b.binary(Bin::SMin, end, to);
            let none = e.b.bool(false);
            let mut with_flag: Vals = smallvec![none];
            with_flag.extend(before.iter().copied());
            // What is stored may take the place of what is read, or be added to what is there: then the cases are looked for first.
            let look_first = nest.stores() || loops.in_memory;
            let looked = if look_first {
                smallvec![none]
            } else {
                with_flag
            };
            let found = e.counted(i, end, 1, rounds, looked, |e, i, carried| {
                e.rare = Rare::Flagged(carried[0]);
                let mut next = Vals::new();
                if look_first {
                    e.looking = true;
                    round(e, i, before.clone());
                    e.looking = false;
                } else {
                    next = round(e, i, carried[1..].into());
                }
                if let Rare::Flagged(flag) = e.rare {
                    next.insert(0, flag);
                }
                e.rare = Rare::Called;
                next
            });
            let (calls, fast, done) = (e.b.new_block(), e.b.new_block(), e.b.new_block());
            e.b.branch(found[0], calls, fast, Hint::Unlikely);
            e.b.switch_to(calls);
            let sums = e.counted(i, end, 1, Rounds::Rare, before.clone(), &mut *round);
            e.b.jump(done, &sums);
            e.b.switch_to(fast);
            let sums = if look_first {
                e.rare = Rare::Fast;
                let sums = e.counted(i, end, 1, rounds, before.clone(), &mut *round);
                e.rare = Rare::Called;
                sums
            } else {
                found[1..].into()
            };
            e.b.jump(done, &sums);
            e.b.switch_to(done);
            before
                .iter()
                .map(|&v| e.b.add_param(done, e.b.ty(v)))
                .collect()
        })
    }

    /// [`Op::Rare`] with its call on a way of its own: what follows is in another block.
    pub(super) fn branched(
        &mut self,
        cond: Value,
        fast: Value,
        func: RtFn,
        args: &[Value],
    ) -> Value {
        let (slow, next) = (self.b.new_block(), self.b.new_block());
        let result = self.b.add_param(next, self.b.ty(fast));
        let then = Target {
            block: slow,
            args: smallvec![],
        };
        let other = Target {
            block: next,
            args: smallvec![fast],
        };
        self.b.terminate(Term::Branch {
            cond,
            then,
            other,
            hint: Hint::Unlikely,
        });
        self.b.switch_to(slow);
        let value = self.b.rt1(func, args);
        self.b.jump(next, &[value]);
        self.b.switch_to(next);
        result
    }

    /// [`Op::Rare`] with its call.
    pub(super) fn called(&mut self, cond: Value, fast: Value, func: RtFn, args: &[Value]) -> Value {
        let slow = self.b.rt1(func, args);
        self.b.select(cond, slow, fast)
    }

    /// The innermost loop, with sums that are made of partial sums: of [`GROUP`] terms, and of [`GROUPS`] such
    /// groups. A sum that has one group only is what the innermost loop gives.
    fn in_groups(
        &mut self,
        loops: &Loops<'_>,
        (from, to): (Value, Value),
        sums: &[bool],
        start: Vals,
        round: &mut dyn FnMut(&mut Self, Value, Vals) -> Vals,
    ) -> Vals {
        let types: SmallVec<[Type; 4]> = start.iter().map(|&v| self.b.ty(v)).collect();
        let summed = |values: &[Value]| -> Vals {
            let both = values.iter().zip(sums);
            both.filter_map(|(&v, &sum)| sum.then_some(v)).collect()
        };
        let (group, more, last) = (self.b.new_block(), self.b.new_block(), self.b.new_block());
        let (several, done) = (self.b.new_block(), self.b.new_block());
        let i = self.b.add_param(group, Type::I64);
        let params = |e: &mut Self, block, of: &[Type]| -> Vals {
            of.iter().map(|&t| e.b.add_param(block, t)).collect()
        };
        let sum_types: SmallVec<[Type; 4]> = {
            let both = types.iter().zip(sums);
            both.filter_map(|(&t, &sum)| sum.then_some(t)).collect()
        };
        let current = params(self, group, &types);
        // The sum of the groups since the last bunch was full, and that of full bunches.
        let bunch = params(self, group, &sum_types);
        let total = params(self, group, &sum_types);
        let none: Vals = sum_types.iter().map(|&t| self.b.float(t, -0.0)).collect();
        let mut args: Vals = smallvec![from];
        args.extend(start.iter().chain(&none).chain(&none).copied());
        self.b.jump(group, &args);

        self.b.switch_to(group);
        let size = self.b.i64(GROUP);
        let end = self.b.binary_nsw(Bin::Add, i, size);
        let end = self.b.binary(Bin::SMin, end, to);
        let part = self.innermost(loops, (i, end), current, round);
        let is_last = self.b.cmp(Cmp::SGe, end, to);
        self.b.branch(is_last, last, more, Hint::Likely);

        self.b.switch_to(more);
        let begun = self.b.binary_nsw(Bin::Sub, end, from);
        let within = self.b.i64(GROUP * GROUPS - 1);
        let within = self.b.binary(Bin::And, begun, within);
        let zero = self.b.i64(0);
        let is_full = self.b.cmp(Cmp::Eq, within, zero);
        let mut args: Vals = smallvec![end];
        args.extend(self.begun_anew(&part, sums));
        let mut totals = Vals::new();
        for ((&part, &bunch), &total) in summed(&part).iter().zip(&bunch).zip(&total) {
            let bunch = self.b.binary(Bin::FAdd, bunch, part);
            let none = self.b.float(self.b.ty(part), -0.0);
            let with = self.b.binary(Bin::FAdd, total, bunch);
            args.push(self.b.select(is_full, none, bunch));
            totals.push(self.b.select(is_full, with, total));
        }
        args.extend(totals);
        self.b.jump(group, &args);

        self.b.switch_to(last);
        let is_first = self.b.cmp(Cmp::Eq, i, from);
        let results = params(self, done, &types);
        self.b.terminate(Term::Branch {
            cond: is_first,
            then: Target {
                block: done,
                args: part.clone(),
            },
            other: Target {
                block: several,
                args: smallvec![],
            },
            hint: Hint::Likely,
        });
        self.b.switch_to(several);
        let mut whole = Vals::new();
        let mut before = bunch.iter().zip(&total);
        for (&part, &sum) in part.iter().zip(sums) {
            let before = if sum { before.next() } else { None };
            whole.push(before.map_or(part, |(&bunch, &total)| {
                let bunch = self.b.binary(Bin::FAdd, bunch, part);
                self.b.binary(Bin::FAdd, total, bunch)
            }));
        }
        self.b.jump(done, &whole);
        self.b.switch_to(done);
        results
    }

    /// What is carried, with sums that begin with nothing.
    fn begun_anew(&mut self, carried: &[Value], sums: &[bool]) -> Vals {
        let mut values = Vals::new();
        for (&v, &sum) in carried.iter().zip(sums) {
            values.push(if sum {
                self.b.float(self.b.ty(v), -0.0)
            } else {
                v
            });
        }
        values
    }

    /// `for i in range(from, to, step)`, carrying values from round to round.
    pub(super) fn counted(
        &mut self,
        from: Value,
        to: Value,
        step: i64,
        rounds: Rounds,
        start: Vals,
        round: impl FnOnce(&mut Self, Value, Vals) -> Vals,
    ) -> Vals {
        let (header, inside, after) = (self.b.new_block(), self.b.new_block(), self.b.new_block());
        let i = self.b.add_param(header, Type::I64);
        let carried: Vals = start
            .iter()
            .map(|&v| self.b.add_param(header, self.b.ty(v)))
            .collect();
        let mut args: Vals = smallvec![from];
        args.extend(start);
        self.b.jump(header, &args);
        self.b.switch_to(header);
        let more = self.b.cmp(Cmp::SLt, i, to);
        self.b.branch(more, inside, after, Hint::None);
        self.b.switch_to(inside);
        let next = round(self, i, carried.clone());
        let step = self.b.i64(step);
        let mut args: Vals = smallvec![self.b.binary_nsw(Bin::Add, i, step)];
        args.extend(next);
        self.b.jump(header, &args);
        self.b.set_rounds(rounds);
        self.b.switch_to(after);
        carried
    }

    /// The address of an array's item one level further in.
    pub(super) fn advance(
        &mut self,
        walk: &Walk,
        ptr: Value,
        dim: usize,
        i: Value,
    ) -> Option<Value> {
        let Some(stride) = walk.strides[dim] else {
            return Some(ptr);
        };
        if self.b.as_int(stride) == Some(i64::from(walk.item.size)) {
            return Some(self.b.element(ptr, i, walk.item.size));
        }
        let offset = self.b.binary_nsw(Bin::Mul, i, stride);
        Some(self.b.offset(ptr, offset))
    }

    /// A lane one level further in.
    fn next_lane(&mut self, loops: &Loops<'_>, dim: Option<usize>, lane: &Lane, i: Value) -> Lane {
        let walks = loops.walks.iter().zip(&lane.pointers);
        let mut next = Lane {
            pointers: walks
                .map(|(w, p)| self.advance(w.as_ref()?, (*p)?, dim.unwrap_or(0), i))
                .collect(),
            map: lane.map.clone(),
        };
        if let Some(&index) = dim.and_then(|dim| loops.nest.indices.get(dim)) {
            next.map.insert(index, i);
        }
        next
    }

    /// A loop of which a few rounds at a time run inside of the loops that it contains, and the rest one by one.
    fn jammed(
        &mut self,
        loops: &Loops<'_>,
        k: usize,
        dim: usize,
        lanes: &[Lane],
        carried_in: Vals,
    ) -> Vals {
        let (n, _) = loops.levels[k];
        let zero = self.b.i64(0);
        let mask = self.b.i64(-JAM);
        let most = self.b.binary(Bin::And, n, mask);
        let several = self.counted(
            zero,
            most,
            JAM,
            Rounds::Unknown,
            carried_in,
            |e, i, before| {
                let mut together = vec![];
                for lane in lanes {
                    for ahead in 0..JAM {
                        let ahead = e.b.i64(ahead);
                        let i = e.b.binary_nsw(Bin::Add, i, ahead);
                        together.push(e.next_lane(loops, Some(dim), lane, i));
                    }
                }
                e.level(loops, k + 1, &mut together, before)
            },
        );
        self.counted(most, n, 1, Rounds::Unknown, several, |e, i, before| {
            let mut rest = vec![];
            for lane in lanes {
                rest.push(e.next_lane(loops, Some(dim), lane, i));
            }
            e.level(loops, k + 1, &mut rest, before)
        })
    }

    /// A copy of the body for each lane, one after the other: what is carried before and after.
    fn bodies(&mut self, loops: &Loops<'_>, lanes: &mut [Lane], carried_in: Vals) -> Vals {
        let nest = loops.nest;
        let first = nest.inputs.len();
        // What is carried in memory is read once, and written once.
        let in_memory = |o: usize| match &nest.outputs[o].kind {
            OutputKind::Reduce(r) if loops.in_memory => r.item.map(|item| (r, item)),
            _ => None,
        };
        let mut held: Vec<Vals> = vec![Vals::new(); nest.outputs.len()];
        for (o, held) in held.iter_mut().enumerate() {
            if let (Some((r, item)), Some(ptr)) = (in_memory(o), lanes[0].pointers[first + o]) {
                let types: SmallVec<[Type; 2]> = r.init.iter().map(|&v| self.b.ty(v)).collect();
                *held = self.load(ptr, item, &types, loops.mem());
            }
        }
        let mut carried = carried_in;
        for lane in lanes.iter_mut() {
            carried = self.body(loops, lane, &carried, &mut held);
        }
        for (o, held) in held.iter().enumerate() {
            if let (Some((_, item)), Some(ptr)) = (in_memory(o), lanes[0].pointers[first + o])
                && !self.looking
            {
                self.store(ptr, item, held, loops.mem());
            }
        }
        carried
    }

    /// A copy of the body: what is carried before and after; what is held of results in memory.
    fn body(
        &mut self,
        loops: &Loops<'_>,
        lane: &mut Lane,
        carried_in: &[Value],
        held: &mut [Vals],
    ) -> Vals {
        let nest = loops.nest;
        let mut incoming = carried_in.iter().copied();
        for (output, held) in nest.outputs.iter().zip(&*held) {
            let OutputKind::Reduce(r) = &output.kind else {
                continue;
            };
            let accumulators = r.accumulators.iter().copied();
            if held.is_empty() {
                lane.map.extend(accumulators.zip(incoming.by_ref()));
            } else {
                lane.map.extend(accumulators.zip(held.iter().copied()));
            }
        }
        self.copy(loops, loops.levels.len(), lane, loops.mem());
        if self.looking {
            return Vals::new();
        }
        let value = |v: &Value| lane.map.get(v).copied().unwrap_or(*v);
        let mut carried_out = Vals::new();
        let pointers = &lane.pointers[nest.inputs.len()..];
        for ((output, &ptr), held) in nest.outputs.iter().zip(pointers).zip(held) {
            let values: Vals = output.values.iter().map(value).collect();
            match (&output.kind, ptr) {
                (OutputKind::Scatter(scatter), Some(ptr)) => {
                    let ptr = self.b.offset(ptr, value(&scatter.at));
                    self.store(ptr, scatter.item, &values, Mem::Elements);
                }
                (OutputKind::New(item) | OutputKind::Store(Access { item, .. }), Some(ptr)) => {
                    self.store(ptr, *item, &values, loops.mem())
                }
                _ if !held.is_empty() => *held = values,
                _ => carried_out.extend(values),
            }
        }
        carried_out
    }

    /// For each lane.
    fn copies(&mut self, loops: &Loops<'_>, depth: usize, lanes: &mut [Lane], mem: Mem) {
        for lane in lanes {
            self.copy(loops, depth, lane, mem);
        }
    }

    /// A copy of the part of the body that belongs inside of so many loops.
    fn copy(&mut self, loops: &Loops<'_>, depth: usize, lane: &mut Lane, mem: Mem) {
        let nest = loops.nest;
        let Lane { pointers, map } = lane;
        for (number, input) in nest.inputs.iter().enumerate() {
            let (Some(ptr), true) = (pointers[number], loops.depths.inputs[number] == depth) else {
                continue;
            };
            if let Some(&item) = self.read.get(&number) {
                map.insert(input.elements[0], item);
                continue;
            }
            let types: SmallVec<[Type; 2]> = input.elements.iter().map(|&v| self.b.ty(v)).collect();
            let values = self.load(ptr, input.access.item, &types, mem);
            map.extend(input.elements.iter().copied().zip(values));
        }
        let outer = self.b.loc_id();
        for (inst, _) in nest
            .insts
            .iter()
            .zip(&loops.depths.insts)
            .filter(|(_, own)| **own == depth)
        {
            self.b.set_loc_id(inst.loc);
            let mut op = inst.op.clone();
            op.for_each_operand_mut(&mut |v| *v = map.get(v).copied().unwrap_or(*v));
            if let Op::Rare {
                cond,
                fast,
                func,
                args,
            } = op
            {
                let value = match self.rare {
                    Rare::Called => self.branched(cond, fast, func, &args),
                    Rare::Fast => fast,
                    Rare::Flagged(before) => {
                        self.rare = Rare::Flagged(self.b.binary(Bin::Or, before, cond));
                        fast
                    }
                };
                map.insert(inst.results[0], value);
                continue;
            }
            let types: SmallVec<[Type; 2]> = inst.results.iter().map(|&v| self.b.ty(v)).collect();
            let results = self.b.push(op, &types);
            map.extend(inst.results.iter().copied().zip(results));
        }
        self.b.set_loc_id(outer);
    }

    pub(super) fn load(&mut self, ptr: Value, item: Item, types: &[Type], mem: Mem) -> Vals {
        self.b.load_parts(ptr, types, item.align, mem)
    }

    pub(super) fn store(&mut self, ptr: Value, item: Item, values: &[Value], mem: Mem) {
        self.b.store_parts(ptr, values, item.align, mem);
    }
}
