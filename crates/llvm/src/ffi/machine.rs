//! Target machines.

use std::ffi::c_int;
use std::ptr::NonNull;

use super::functions::LlvmTargetMachine;
use super::{Library, c_string};
use crate::options::{CodeModel, OptLevel, RelocModel};

/// The properties of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MachineOptions {
    pub(crate) triple: String,
    pub(crate) cpu: String,
    pub(crate) features: String,
    pub(crate) optimization: OptLevel,
    pub(crate) relocation: RelocModel,
    pub(crate) code_model: CodeModel,
}

/// A code generator for a target.
pub(crate) struct TargetMachine {
    library: &'static Library,
    options: MachineOptions,
    pub(super) raw: NonNull<LlvmTargetMachine>,
}

impl TargetMachine {
    pub(crate) fn new(library: &'static Library, options: MachineOptions) -> Result<Self, String> {
        let functions = &library.functions;
        let triple = c_string(&options.triple);
        let (mut target, mut message) = (None, None);
        // SAFETY: the string lives through the call, which writes a target or a message.
        unsafe { (functions.get_target)(triple.as_ptr(), &raw mut target, &raw mut message) };
        let message = library.take_message(message);
        let target = target.ok_or_else(|| match message.is_empty() {
            true => "this LLVM was built without it".to_owned(),
            false => message,
        })?;
        let (cpu, features) = (c_string(&options.cpu), c_string(&options.features));
        let level: c_int = match options.optimization {
            OptLevel::O0 => 0,
            OptLevel::O1 => 1,
            OptLevel::O2 | OptLevel::Os | OptLevel::Oz => 2,
            OptLevel::O3 => 3,
        };
        let relocation: c_int = match options.relocation {
            RelocModel::Default => 0,
            RelocModel::Static => 1,
            RelocModel::Pic => 2,
        };
        let code_model: c_int = match options.code_model {
            CodeModel::Default => 0,
            CodeModel::Tiny => 2,
            CodeModel::Small => 3,
            CodeModel::Medium => 5,
            CodeModel::Large => 6,
        };
        // SAFETY: the target is LLVM's own, the strings live through the call, and the numbers are enumerators of
        // LLVMCodeGenOptLevel, LLVMRelocMode and LLVMCodeModel.
        let raw = unsafe {
            (functions.create_target_machine)(
                target,
                triple.as_ptr(),
                cpu.as_ptr(),
                features.as_ptr(),
                level,
                relocation,
                code_model,
            )
        };
        let raw = raw.ok_or_else(|| "it has no code generator".to_owned())?;
        Ok(Self { library, options, raw })
    }

    pub(crate) fn options(&self) -> &MachineOptions {
        &self.options
    }
}

impl Drop for TargetMachine {
    fn drop(&mut self) {
        // SAFETY: the machine is there, and nobody has it.
        unsafe { (self.library.functions.dispose_target_machine)(self.raw) };
    }
}
