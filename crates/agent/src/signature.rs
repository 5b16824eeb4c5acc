//! The types of the arguments of a Python function that is running.
//!
//! They are read from its frame's variables, which begin as its arguments: a parameter that was assigned to
//! has the type that it has now. No code of any object runs.
//!
//! In words: one an argument, [`Argument`] below, and one a dimension of an array.

use ferdelance_interpreter::{Memory, objects};

use crate::agent::Agent;
use crate::memory::Own;

/// The most arguments, dimensions and words.
const ARGUMENTS: u32 = 12;
const DIMENSIONS: u32 = 6;
const WORDS: usize = 64;

/// An argument in a word: class | rank << 32 | dtype << 40 | order << 48 | what it is << 56.
struct Argument {
    class: u32,
    kind: Kind,
    rank: u32,
    dtype: u32,
    order: u8,
}

/// What is known of an argument.
#[derive(Clone, Copy)]
enum Kind {
    /// There is no value any more.
    Gone = 1,
    Object = 2,
    /// With a shape.
    Array = 3,
}

impl Argument {
    fn to_word(&self) -> u64 {
        u64::from(self.class)
            | u64::from(self.rank & 0xff) << 32
            | u64::from(self.dtype & 0xff) << 40
            | u64::from(self.order) << 48
            | (self.kind as u64) << 56
    }
}

/// Of the function whose frame is at an address; none if it has no parameters.
pub fn read(agent: &Agent, frame: u64, code_at: u64) -> Option<u32> {
    let python = agent.python()?;
    let spool = agent.spool();
    let code = objects::Code::read(python.layout, code_at, &mut Own)?;
    if code.parameters == 0 {
        return None;
    }
    let mut words = [0u64; WORDS];
    let mut used = 0;
    let mut push = |word| {
        if let Some(room) = words.get_mut(used) {
            *room = word;
            used += 1;
        }
    };
    for i in 0..code.parameters.min(ARGUMENTS) {
        let local = frame + python.layout.frame.locals + u64::from(i) * 8;
        let mut argument = Own.reference(local).filter(|o| o & 7 == 0);
        let mut class = argument.and_then(|o| objects::class(o, &mut Own));
        if class == Some(python.cell_type) {
            argument = argument.and_then(|o| objects::cell_contents(o, &mut Own));
            class = argument.and_then(|o| objects::class(o, &mut Own));
        }
        let known = class.and_then(|c| Some((argument?, agent.interned.class(spool, c)?)));
        let Some((object, class)) = known else {
            let gone = Argument {
                class: 0,
                kind: Kind::Gone,
                rank: 0,
                dtype: 0,
                order: 0,
            };
            push(gone.to_word());
            continue;
        };
        let array = agent
            .is_array(class)
            .then(|| objects::Array::read(object, &mut Own));
        match array.flatten() {
            Some(array) => {
                let said = Argument {
                    class,
                    kind: Kind::Array,
                    rank: array.rank,
                    dtype: array.dtype,
                    // C-contiguous, Fortran-contiguous.
                    order: (array.flags & 3) as u8,
                };
                push(said.to_word());
                for k in 0..array.rank.min(DIMENSIONS) {
                    let size = Own.word(array.shape + u64::from(k) * 8);
                    push(size.unwrap_or(0));
                }
            }
            None => {
                let said = Argument {
                    class,
                    kind: Kind::Object,
                    rank: 0,
                    dtype: 0,
                    order: 0,
                };
                push(said.to_word());
            }
        }
    }
    let code = agent.interned.code(spool, python.layout, code_at)?;
    agent.interned.signature(spool, code, words.get(..used)?)
}
