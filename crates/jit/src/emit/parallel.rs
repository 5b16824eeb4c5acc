//! Loops that run in chunks: the call of the runtime with the address of the region and its arguments.

use ferdelance_abi::rtfn::RtFn;
use ferdelance_compiler::tir::{FuncId, Type, Value};
use smallvec::SmallVec;

use super::function::{Emitter, Slots, store_slots};
use super::raw::Val;
use super::scalar_count;

impl<'c> Emitter<'_, '_, 'c> {
    /// [`Op::Parallel`](ferdelance_compiler::tir::Op::Parallel): results of the chunks, their number, the
    /// error.
    pub fn parallel(
        &mut self,
        func: FuncId,
        rounds: Value,
        work: Value,
        args: &[Value],
    ) -> SmallVec<[Val<'c>; 4]> {
        let i64_ = self.shared.types.i64;
        let types: SmallVec<[Type; 8]> = args.iter().map(|&v| self.function.ty(v)).collect();
        let scalars: SmallVec<[Val<'c>; 16]> = args.iter().flat_map(|&v| self.get_all(v)).collect();
        let results = &self.shared.program.functions[func.index()].results;
        let results: usize = results.iter().map(|&ty| scalar_count(ty)).sum();
        // First and last round, what is captured, the results of one chunk.
        let size = 2 + scalars.len() as u64 + results as u64;
        self.stack_bytes += 8 * size;
        let frame = self.entry.alloca(self.shared.types.array(i64_, size), 8);
        let slots = Slots {
            base: frame,
            next: 2,
        };
        store_slots(self.shared, &self.builder, &types, slots, &scalars);
        let region = self.shared.region(func);
        let numbers = [scalars.len(), results].map(|n| i64_.int(n as i64));
        let (rounds, work) = (self.get(rounds), self.get(work));
        let args = [region, frame, numbers[0], numbers[1], rounds, work];
        self.call_runtime(RtFn::parallel_for, &args)
    }
}
