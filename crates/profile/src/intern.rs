//! Fills the tables of a recording, each entry once.

use std::collections::HashMap;

use crate::model::{
    Frame, FrameId, Function, FunctionId, Kind, LogLine, Meta, ProcessId, Recording, Signature,
    SignatureId, Source, Stack, StackId, TextId,
};
use crate::{lines, remote, sources};

/// The longest source that is kept, in bytes.
const SOURCE: u64 = 2 << 20;

/// A recording that is being made, and where in its tables what is.
pub struct Interner {
    pub out: Recording,
    functions: HashMap<Function, FunctionId>,
    frames: HashMap<Frame, FrameId>,
    stacks: HashMap<Stack, StackId>,
    signatures: HashMap<Signature, SignatureId>,
}

impl Interner {
    pub fn new(meta: Meta) -> Interner {
        Interner {
            out: Recording {
                meta,
                ..Recording::default()
            },
            functions: HashMap::new(),
            frames: HashMap::new(),
            stacks: HashMap::new(),
            signatures: HashMap::new(),
        }
    }

    /// A Python frame that was read in another process.
    pub fn remote_frame(&mut self, python: &remote::Python, frame: remote::Frame) -> FrameId {
        let code = &python.codes[frame.code as usize];
        let function = self.python_function(&code.name, &code.file, code.first_line);
        self.frame_at(function, python.place(frame))
    }

    pub fn signature(&mut self, signature: Signature) -> SignatureId {
        let next = SignatureId(self.out.signatures.len() as u32);
        *self.signatures.entry(signature.clone()).or_insert_with(|| {
            self.out.signatures.push(signature);
            next
        })
    }

    pub fn marker(&mut self, name: &str) -> FrameId {
        let name = self.out.texts.add(name);
        let function = self.function(Function {
            kind: Kind::Marker,
            name,
            file: TextId::EMPTY,
            line: 0,
            module: TextId::EMPTY,
        });
        self.frame(Frame::of(function))
    }

    pub fn python_function(&mut self, name: &str, file: &str, line: u32) -> FunctionId {
        let function = Function {
            kind: Kind::Python,
            name: self.out.texts.add(name),
            line,
            module: self.out.texts.add(&module_of(file)),
            file: self.out.texts.add(file),
        };
        self.function(function)
    }

    pub fn frame_at(&mut self, function: FunctionId, place: lines::Place) -> FrameId {
        self.frame(Frame {
            line: place.line,
            column: place.column,
            end_line: place.end_line,
            end_column: place.end_column,
            ..Frame::of(function)
        })
    }

    /// What a stack called in the kernel.
    pub fn in_kernel(&mut self, parent: Option<StackId>, name: &str) -> StackId {
        let function = Function {
            kind: Kind::Kernel,
            name: self.out.texts.add(name),
            file: TextId::EMPTY,
            line: 0,
            module: self.out.texts.add("kernel"),
        };
        let function = self.function(function);
        let frame = self.frame(Frame::of(function));
        self.stack(Stack { parent, frame })
    }

    pub fn function(&mut self, function: Function) -> FunctionId {
        let next = FunctionId(self.out.functions.len() as u32);
        *self.functions.entry(function.clone()).or_insert_with(|| {
            self.out.functions.push(function);
            next
        })
    }

    pub fn frame(&mut self, frame: Frame) -> FrameId {
        let next = FrameId(self.out.frames.len() as u32);
        *self.frames.entry(frame.clone()).or_insert_with(|| {
            self.out.frames.push(frame);
            next
        })
    }

    pub fn stack(&mut self, stack: Stack) -> StackId {
        let next = StackId(self.out.stacks.len() as u32);
        *self.stacks.entry(stack).or_insert_with(|| {
            self.out.stacks.push(stack);
            next
        })
    }

    /// Keeps the sources of the Python and compiled functions.
    pub fn sources(&mut self) {
        self.add_sources(&sources::by_weight(&self.out));
    }

    /// Keeps the texts of these files, the first ones first.
    pub fn add_sources(&mut self, files: &[TextId]) {
        let mut room = sources::room(&self.out);
        let mut left_out = 0;
        for &file in files {
            let path = self.out.texts.get(file).to_owned();
            let size = std::fs::metadata(&path)
                .ok()
                .filter(|m| m.is_file())
                .map(|m| m.len());
            let Some(size) = size.filter(|&size| size <= SOURCE) else {
                continue;
            };
            if size > room {
                left_out += 1;
                continue;
            }
            if let Ok(text) = std::fs::read_to_string(&path) {
                room = room.saturating_sub(text.len() as u64);
                let text = self.out.texts.add(&text);
                self.out.sources.push(Source { file, text });
            }
        }
        if left_out > 0 {
            let text = format!("sources of {left_out} files that matter little are left out");
            self.log(self.out.meta.elapsed, None, &text);
        }
    }

    pub fn log(&mut self, time: u64, process: Option<ProcessId>, text: &str) {
        let text = self.out.texts.add(text);
        self.out.log.push(LogLine {
            time,
            process,
            text,
        });
    }
}

impl Frame {
    /// A place that is not known further.
    pub fn of(function: FunctionId) -> Frame {
        Frame {
            function,
            line: 0,
            column: 0,
            end_line: 0,
            end_column: 0,
            address: 0,
            inlined: false,
        }
    }
}

/// The name of the module that a file is, as far as its path tells.
pub fn module_of(file: &str) -> String {
    if file.starts_with('<') {
        return file.trim_matches(['<', '>']).to_owned();
    }
    let stem = file.strip_suffix(".py").unwrap_or(file);
    let roots = ["/site-packages/", "/dist-packages/"];
    let installed = roots.iter().find_map(|root| Some(stem.split_once(root)?.1));
    let standard = || {
        let (_, rest) = stem.split_once("/lib/python3.")?;
        Some(rest.split_once('/')?.1)
    };
    match installed.or_else(standard) {
        Some(path) => path.trim_end_matches("/__init__").replace('/', "."),
        None => stem.rsplit('/').next().unwrap_or(stem).to_owned(),
    }
}
