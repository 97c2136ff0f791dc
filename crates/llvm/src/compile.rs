//! From a module to an object, step by step. All of this happens in a thread of [`crate::workers`].

use crate::Compiled;
use crate::error::Error;
use crate::ffi::{self, Context, Flag, Library, MachineOptions, MemoryBuffer, Module, Severity, TargetMachine};
use crate::options::{CodeModel, OptLevel, Options, RelocModel};
use crate::sections::{self, Format};

/// A program compiles for one or two targets; tests and servers may ask for more.
const MACHINES: usize = 8;

/// Larger variables are far away in the medium model, unless the module says otherwise ("System V ABI, AMD64 Architecture
/// Processor Supplement", Architectural Constraints).
const LARGE_DATA: u64 = 65535;

/// The target machines of a thread, the oldest first.
pub(crate) struct Machines {
    library: &'static Library,
    machines: Vec<TargetMachine>,
}

impl Machines {
    pub(crate) fn new(library: &'static Library) -> Self {
        Self { library, machines: Vec::new() }
    }

    fn get(&mut self, options: MachineOptions) -> Result<&TargetMachine, Error> {
        let at = self.machines.iter().position(|machine| *machine.options() == options);
        let at = match at {
            Some(at) => at,
            None => {
                let triple = options.triple.clone();
                let machine = TargetMachine::new(self.library, options);
                let machine = machine.map_err(|message| Error::Target { triple, message })?;
                if self.machines.len() == MACHINES {
                    self.machines.remove(0);
                }
                self.machines.push(machine);
                self.machines.len() - 1
            }
        };
        Ok(&self.machines[at])
    }
}

/// Makes the object.
pub(crate) fn object(
    library: &'static Library,
    machines: &mut Machines,
    name: &str,
    buffer: MemoryBuffer,
    options: &Options,
) -> Result<Compiled, Error> {
    let context = Context::new(library);
    let module = context.parse(buffer).map_err(|message| Error::Parse { message })?;
    let triple = target(library, &module, options);
    let mut machine_options = machine_options(library, triple, options);
    if options.code_model == CodeModel::Default {
        machine_options.code_model = code_model(&module);
    }
    let machine = machines.get(machine_options)?;
    module.set_target(machine);
    module.verify().map_err(|message| Error::Invalid { name: name.to_owned(), message })?;
    if options.relocation == RelocModel::Pic {
        // Code for programs refers to thread-local variables at offsets that those of libraries may not have.
        module.flag(b"PIE Level").into_iter().for_each(Flag::clear);
    }
    let backend = |messages| Error::Backend { name: name.to_owned(), messages };

    let level = options.optimization;
    let passes = options.passes.as_deref().unwrap_or(level.pipeline());
    let vectorize = matches!(level, OptLevel::O2 | OptLevel::O3 | OptLevel::Os);
    let optimized = module.run_passes(&ffi::c_string(passes), machine, vectorize);
    optimized.map_err(|message| Error::Passes { passes: passes.to_owned(), message })?;
    if Format::of(&machine.options().triple) == Format::Elf {
        module.make_arrays();
    }
    if options.sections {
        // Passes treat what has a section with more care, so it gets one when they are done.
        let machine = machine.options();
        let is_far = [CodeModel::Medium, CodeModel::Large].contains(&machine.code_model);
        let large = is_far.then(|| module.flag(b"Large Data Threshold").map_or(LARGE_DATA, |size| size.get()));
        sections::give(&module, &machine.triple, large);
    }
    let object = module.emit(machine).map_err(|message| backend(vec![message]))?;

    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    for (severity, message) in context.messages() {
        match severity {
            Severity::Error => errors.push(message),
            Severity::Warning => warnings.push(message),
        }
    }
    if errors.is_empty() { Ok(Compiled { object, warnings }) } else { Err(backend(errors)) }
}

/// Prints the module.
pub(crate) fn text(library: &'static Library, buffer: MemoryBuffer) -> Result<String, Error> {
    let context = Context::new(library);
    let module = context.parse(buffer).map_err(|message| Error::Parse { message })?;
    Ok(module.text())
}

/// The code model that a module asks for. Its flag has a number of LLVM's `CodeModel::Model`.
fn code_model(module: &Module<'_>) -> CodeModel {
    match module.flag(b"Code Model").map(|flag| flag.get()) {
        Some(0) => CodeModel::Tiny,
        Some(1) => CodeModel::Small,
        Some(3) => CodeModel::Medium,
        Some(4) => CodeModel::Large,
        // The kernel's is not for processes.
        _ => CodeModel::Default,
    }
}

/// The triple that a module is compiled for.
fn target(library: &'static Library, module: &Module<'_>, options: &Options) -> String {
    let own = || Some(module.triple()).filter(|triple| !triple.is_empty());
    options.triple.clone().or_else(own).unwrap_or_else(|| library.default_triple())
}

fn machine_options(library: &'static Library, triple: String, options: &Options) -> MachineOptions {
    let is_native = options.cpu.as_deref() == Some("native");
    let (cpu, mut features) = match &options.cpu {
        Some(_) if is_native => (library.host_cpu(), library.host_features()),
        Some(cpu) => (cpu.clone(), String::new()),
        None => ("generic".to_owned(), String::new()),
    };
    // Of features that contradict each other, LLVM takes the last.
    if !features.is_empty() && !options.features.is_empty() {
        features.push(',');
    }
    features.push_str(&options.features);
    MachineOptions {
        triple,
        cpu,
        features,
        optimization: options.optimization,
        relocation: options.relocation,
        code_model: options.code_model,
    }
}
