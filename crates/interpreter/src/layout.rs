//! Where CPython keeps what: one table a minor version.
//!
//! The offsets are those of ordinary builds for 64-bit machines; `scripts/cpython-layout.c` prints them.
//! They have not changed within a minor version so far. That a Python at hand keeps to them is tested
//! before they are used (the agent reads a frame whose contents it knows).

use crate::attributes::Storage;
use crate::memory::Memory;

/// How a thread's innermost frame is found, and where one run of the evaluation loop ends and the next, further
/// out, begins: each has something on the C stack that frames lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chain {
    /// 3.10: the thread has its innermost frame, and a list of structures on the C stack, one a frame.
    Each { frame: u64, cframe: u64, outer: u64 },
    /// 3.11: the thread has a list of structures on the C stack; the outermost frame of each says so.
    Entry {
        cframe: u64,
        current: u64,
        outer: u64,
        is_entry: u64,
    },
    /// 3.12: the same list, but only to find the innermost frame; a frame of the C stack's own ends each run.
    Shim { cframe: u64, current: u64 },
    /// From 3.13 on: the thread has its innermost frame; runs end as in 3.12.
    Direct { frame: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// From 3.14 on this and the locals have tags, see [`Memory::reference`].
    pub code: u64,
    pub previous: u64,
    /// An address in the code; in 3.10 the number of the instruction.
    pub instruction: u64,
    pub locals: u64,
    pub owner: u64,
    /// What `owner` says of a frame that only ends a run.
    pub shim: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    pub name: u64,
    pub file: u64,
    pub lines: u64,
    pub first_line: u64,
    /// A tuple of names, those of parameters first.
    pub locals: u64,
    pub argcount: u64,
    pub kwonlyargcount: u64,
    pub flags: u64,
    /// The instructions: the code object itself, or (3.10) bytes that it points to.
    pub instructions: u64,
    pub are_inside: bool,
}

/// Where the structure of the interpreter's lock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gil {
    /// In the runtime, at an offset.
    Runtime(u64),
    /// Where an interpreter has its address.
    Interpreter(u64),
}

/// The size of that structure.
pub const GIL_SIZE: u64 = 208;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// As in `PY_VERSION_HEX >> 16`.
    pub version: u32,
    pub chain: Chain,
    pub frame: Frame,
    pub code: Code,
    /// In a thread's state: `pthread_self()` of it, the system's number of it (from 3.11 on), its interpreter,
    /// the next thread.
    pub thread_id: u64,
    pub thread_native_id: Option<u64>,
    pub thread_interpreter: u64,
    /// Whether profile and trace functions are suspended, as within audit hooks: a counter of 4 bytes.
    pub thread_tracing: u64,
    pub thread_next: u64,
    /// In an interpreter: its first thread, the next interpreter.
    pub interpreter_threads: u64,
    pub interpreter_next: u64,
    /// In the runtime: its first interpreter.
    pub runtime_interpreters: u64,
    pub gil: Gil,
    pub attributes: Storage,
    /// In a class: the keys that its instances share.
    pub cached_keys: u64,
    /// The characters of a string: in an ASCII one, in any other one.
    pub ascii: u64,
    pub characters: u64,
    pub tuple_items: u64,
}

const CODE: Code = Code {
    name: 128,
    file: 112,
    lines: 136,
    first_line: 68,
    locals: 96,
    argcount: 52,
    kwonlyargcount: 60,
    flags: 48,
    instructions: 192,
    are_inside: true,
};

const FRAME: Frame = Frame {
    code: 0,
    previous: 8,
    instruction: 56,
    locals: 72,
    owner: 70,
    shim: 3,
};

/// 3.13, on which later versions are based.
const V3_13: Layout = Layout {
    version: 0x030d,
    chain: Chain::Direct { frame: 72 },
    frame: FRAME,
    code: Code {
        instructions: 200,
        ..CODE
    },
    thread_id: 152,
    thread_native_id: Some(160),
    thread_interpreter: 16,
    thread_tracing: 60,
    thread_next: 8,
    interpreter_threads: 7344,
    interpreter_next: 7264,
    runtime_interpreters: 632,
    gil: Gil::Interpreter(16),
    attributes: Storage::Within,
    cached_keys: 880,
    ascii: 40,
    characters: 56,
    tuple_items: 24,
};

/// The layouts that are known.
pub const LAYOUTS: [Layout; 5] = [
    Layout {
        version: 0x030a,
        chain: Chain::Each {
            frame: 24,
            cframe: 48,
            outer: 8,
        },
        frame: Frame {
            code: 32,
            previous: 24,
            instruction: 96,
            locals: 352,
            owner: 0,
            shim: u8::MAX,
        },
        code: Code {
            name: 112,
            file: 104,
            lines: 120,
            first_line: 40,
            locals: 72,
            argcount: 16,
            kwonlyargcount: 24,
            flags: 36,
            instructions: 48,
            are_inside: false,
        },
        thread_id: 176,
        thread_native_id: None,
        thread_interpreter: 16,
        thread_tracing: 44,
        thread_next: 8,
        interpreter_threads: 8,
        interpreter_next: 0,
        runtime_interpreters: 32,
        gil: Gil::Runtime(352),
        attributes: Storage::Dict,
        cached_keys: 872,
        ascii: 48,
        characters: 72,
        tuple_items: 24,
    },
    Layout {
        version: 0x030b,
        chain: Chain::Entry {
            cframe: 56,
            current: 8,
            outer: 16,
            is_entry: 68,
        },
        frame: Frame {
            code: 32,
            previous: 48,
            instruction: 56,
            locals: 72,
            owner: 69,
            shim: u8::MAX,
        },
        code: Code {
            first_line: 72,
            argcount: 56,
            kwonlyargcount: 64,
            instructions: 184,
            ..CODE
        },
        thread_id: 152,
        thread_native_id: Some(160),
        thread_interpreter: 16,
        thread_tracing: 44,
        thread_next: 8,
        interpreter_threads: 16,
        interpreter_next: 0,
        runtime_interpreters: 40,
        gil: Gil::Runtime(360),
        attributes: Storage::TwoBefore,
        cached_keys: 872,
        ascii: 48,
        characters: 72,
        tuple_items: 24,
    },
    Layout {
        version: 0x030c,
        chain: Chain::Shim {
            cframe: 56,
            current: 0,
        },
        frame: FRAME,
        code: CODE,
        thread_id: 136,
        thread_native_id: Some(144),
        thread_interpreter: 16,
        thread_tracing: 44,
        thread_next: 8,
        interpreter_threads: 72,
        interpreter_next: 0,
        runtime_interpreters: 40,
        gil: Gil::Interpreter(384),
        attributes: Storage::OneBefore,
        cached_keys: 880,
        ascii: 40,
        characters: 56,
        tuple_items: 24,
    },
    V3_13,
    Layout {
        version: 0x030e,
        frame: Frame {
            locals: 80,
            owner: 74,
            ..FRAME
        },
        code: Code {
            instructions: 208,
            ..CODE
        },
        interpreter_next: 7272,
        runtime_interpreters: 808,
        tuple_items: 32,
        ..V3_13
    },
];

impl Layout {
    /// Of a Python, by its `PY_VERSION_HEX`.
    pub fn of(version: u32) -> Option<&'static Layout> {
        LAYOUTS.iter().find(|l| l.version == version >> 16)
    }

    /// Where on a thread's C stack the structure of its innermost frame is, where there is one for each.
    pub fn frames_at(&self, thread: u64, memory: &mut impl Memory) -> Option<u64> {
        match self.chain {
            Chain::Each { cframe, .. }
            | Chain::Entry { cframe, .. }
            | Chain::Shim { cframe, .. } => memory.pointer(thread + cframe),
            Chain::Direct { .. } => None,
        }
    }

    /// The layout, corrected by what a Python says of itself: from 3.13 on the runtime begins with offsets,
    /// among them those that have changed within a minor version (`_Py_DebugOffsets`).
    pub fn corrected(&self, runtime: u64, memory: &mut impl Memory) -> Layout {
        const COOKIE: u64 = u64::from_le_bytes(*b"xdebugpy");
        let mut layout = *self;
        if self.version >= 0x030d && memory.word(runtime) == Some(COOKIE) {
            // Cookie, version, free-threaded; of the runtime: size, finalizing, interpreters; of interpreters:
            // size, id, next, threads.
            for (field, at) in [
                (&mut layout.runtime_interpreters, 40),
                (&mut layout.interpreter_next, 64),
                (&mut layout.interpreter_threads, 72),
            ] {
                if let Some(offset) = memory.word(runtime + at).filter(|&o| o < 1 << 20) {
                    *field = offset;
                }
            }
        }
        layout
    }
}
