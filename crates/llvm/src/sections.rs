//! A section for each function and variable, as `-ffunction-sections -fdata-sections` give them, by the names that these
//! give. The C API has no such option, so the module says it itself.

use crate::ffi::{Global, Module};

/// Gives sections to all definitions that may choose theirs. Variables of more than `large` bytes are to be far away: LLVM
/// has sections for these, and takes others for near.
pub(crate) fn give(module: &Module<'_>, triple: &str, large: Option<u64>) {
    // COFF's linkers sort by what follows the dollar, and drop it.
    let separator = match Format::of(triple) {
        Format::Elf => '.',
        Format::Coff => '$',
        Format::Other => return,
    };
    for function in module.functions().filter(may_choose) {
        set(&function, ".text", separator);
    }
    let is_near = |variable: &Global<'_>| large.is_none_or(|large| variable.size() <= large);
    for variable in module.variables().filter(may_choose).filter(is_near) {
        match (variable.is_thread_local(), variable.is_constant(), variable.is_zero()) {
            // Their sections have flags that LLVM knows, and constants may be merged with equal ones.
            (true, ..) => {}
            (_, true, _) if separator == '$' => set(&variable, ".rdata", separator),
            (_, true, _) => set(&variable, ".rodata", separator),
            (_, _, true) => set(&variable, ".bss", separator),
            _ => set(&variable, ".data", separator),
        }
    }
}

fn set(global: &Global<'_>, section: &str, separator: char) {
    let mut name = section.as_bytes().to_vec();
    name.push(separator as u8);
    name.extend(global.name());
    global.set_section(&name);
}

/// Says that a global is defined here, is in no COMDAT group, and has no section that somebody has chosen.
fn may_choose(global: &Global<'_>) -> bool {
    global.is_emitted() && !global.has_comdat() && !global.has_section() && is_plain(global.name())
}

/// Names that a section's name can take in. Those of the intrinsic arrays (`llvm.global_ctors`) are LLVM's own.
fn is_plain(name: &[u8]) -> bool {
    !name.is_empty() && !name.starts_with(b"llvm.") && !name.iter().any(|byte| *byte == 0 || *byte == 1)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    Elf,
    Coff,
    /// Mach-O's linkers divide sections at symbols.
    Other,
}

impl Format {
    pub(crate) fn of(triple: &str) -> Self {
        let any =
            |parts: &[&str]| triple.split('-').skip(1).any(|part| parts.iter().any(|start| part.starts_with(start)));
        match () {
            () if triple.ends_with("elf") => Self::Elf,
            () if triple.ends_with("macho") || any(&["apple", "darwin", "macos", "ios"]) => Self::Other,
            () if any(&["windows", "win32", "mingw", "cygwin", "uefi"]) => Self::Coff,
            () if ["wasm", "nvptx", "spir", "dxil"].iter().any(|arch| triple.starts_with(arch)) => Self::Other,
            () if any(&["aix"]) => Self::Other,
            () => Self::Elf,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Format;

    #[test]
    fn triples_tell_the_format() {
        for (triple, format) in [
            ("x86_64-pc-linux-gnu", Format::Elf),
            ("riscv64-unknown-elf", Format::Elf),
            ("x86_64-pc-windows-msvc19.33.0", Format::Coff),
            ("x86_64-w64-windows-gnu", Format::Coff),
            ("x86_64-w64-mingw32", Format::Coff),
            ("x86_64-pc-win32-elf", Format::Elf),
            ("arm64-apple-macosx14.0", Format::Other),
            ("wasm32-wasi", Format::Other),
        ] {
            assert_eq!(Format::of(triple), format, "{triple}");
        }
    }
}
