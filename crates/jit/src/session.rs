//! LLVM's state: the target machines of a thread, and the context of one compilation.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::OnceLock;

use ferdelance_compiler::pipeline;
use inkwell::OptimizationLevel;
use inkwell::context::Context;
use inkwell::data_layout::DataLayout;
use inkwell::targets::{
    CodeModel, InitializationConfig, RelocMode, Target, TargetMachine, TargetTriple,
};

use crate::emit::raw::Diagnostics;
use crate::error::Error;
use crate::optimise;

/// The processor that code is made for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Cpu {
    /// LLVM's name: `znver5`, `x86-64-v3`.
    pub name: String,
    /// LLVM's feature string: `+avx2,-avx512f`; empty for what the name implies.
    pub features: String,
}

impl Cpu {
    /// The machine that runs this, found once.
    pub fn host() -> &'static Cpu {
        static HOST: OnceLock<Cpu> = OnceLock::new();
        HOST.get_or_init(|| Cpu {
            name: TargetMachine::get_host_cpu_name()
                .to_string_lossy()
                .into_owned(),
            features: TargetMachine::get_host_cpu_features()
                .to_string_lossy()
                .into_owned(),
        })
    }

    /// What the compiler has to know of it.
    pub fn target(&self) -> pipeline::Target {
        pipeline::Target {
            tables: self.has_avx512(),
            wide: self.has_avx512(),
        }
    }

    /// Whether it has AVX-512 for vectors of all sizes, by its name if the features do not say.
    fn has_avx512(&self) -> bool {
        const NAMES: &[&str] = &[
            "skylake-avx512",
            "cascadelake",
            "cooperlake",
            "cannonlake",
            "icelake-client",
            "icelake-server",
            "tigerlake",
            "rocketlake",
            "sapphirerapids",
            "emeraldrapids",
            "graniterapids",
            "graniterapids-d",
            "diamondrapids",
            "znver4",
            "znver5",
            "x86-64-v4",
        ];
        ["avx512f", "avx512dq", "avx512vl"]
            .into_iter()
            .all(|feature| {
                let mut said = self
                    .features
                    .split(',')
                    .rev()
                    .filter_map(|f| f.split_at_checked(1));
                match said.find(|(_, name)| *name == feature) {
                    Some((sign, _)) => sign == "+",
                    None => NAMES.contains(&self.name.as_str()),
                }
            })
    }
}

/// How much the code generator tries.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Effort {
    /// The quick path, LLVM's level 0.
    Quick,
    Default,
}

/// A target machine with what modules for it have to say.
pub(crate) struct Machine {
    pub machine: TargetMachine,
    pub triple: TargetTriple,
    pub layout: DataLayout,
    pub avx512: bool,
}

impl Machine {
    fn new(cpu: &Cpu, effort: Effort) -> Result<Machine, Error> {
        static READY: OnceLock<()> = OnceLock::new();
        READY.get_or_init(|| {
            optimise::set_options();
            Target::initialize_x86(&InitializationConfig::default());
        });
        let triple = TargetMachine::get_default_triple();
        let target = Target::from_triple(&triple).map_err(Error::llvm)?;
        let level = match effort {
            Effort::Quick => OptimizationLevel::None,
            Effort::Default => OptimizationLevel::Default,
        };
        let machine = target.create_target_machine(
            &triple,
            &cpu.name,
            &cpu.features,
            level,
            RelocMode::PIC,
            CodeModel::Small,
        );
        let machine = machine.ok_or_else(|| Error::llvm(format!("no code for {}", cpu.name)))?;
        let layout = machine.get_target_data().get_data_layout();
        Ok(Machine {
            machine,
            triple,
            layout,
            avx512: cpu.has_avx512(),
        })
    }

    /// This thread's machine of that kind; making one takes long (features are parsed as text).
    pub fn get(cpu: &Cpu, effort: Effort) -> Result<Rc<Machine>, Error> {
        type Known = Vec<(Cpu, Effort, Rc<Machine>)>;
        thread_local! {
            static MACHINES: RefCell<Known> = const { RefCell::new(Vec::new()) };
        }
        MACHINES.with(|machines| {
            let mut machines = machines.borrow_mut();
            let known = machines.iter().find(|(c, e, _)| c == cpu && *e == effort);
            if let Some((.., machine)) = known {
                return Ok(Rc::clone(machine));
            }
            let machine = Rc::new(Machine::new(cpu, effort)?);
            machines.push((cpu.clone(), effort, Rc::clone(&machine)));
            Ok(machine)
        })
    }
}

/// A context and the errors that LLVM reports in it.
pub(crate) struct Session {
    // Declared before `diagnostics`, so dropped before it: LLVM holds its address.
    pub context: Context,
    diagnostics: Box<Diagnostics>,
}

impl Session {
    pub fn new() -> Session {
        let context = Context::create();
        let diagnostics = Box::<Diagnostics>::default();
        diagnostics.install(&context);
        Session {
            context,
            diagnostics,
        }
    }

    /// The first error that LLVM reported, if any.
    pub fn check(&self) -> Result<(), Error> {
        self.diagnostics
            .take()
            .map_or(Ok(()), |message| Err(Error::llvm(message)))
    }
}
