//! The libraries that a shared library needs (gABI, "Dynamic Linking").

use object::read::elf::{FileHeader as _, Sym as _};
use object::{LittleEndian, elf};

/// A name that a shared library binds to a definition of its own or of others.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DynamicName {
    /// The name.
    pub name: String,
    /// It is that of a thread-local variable.
    pub thread_local: bool,
    /// It may stay missing; or its definition yields to another one, as those of inline functions and variables do.
    pub weak: bool,
    /// The library defines it.
    pub defined: bool,
}

/// Libraries of this system are all of one encoding.
type Native = elf::FileHeader64<LittleEndian>;

/// The names that a shared library refers to and does not define, and those that it defines and that others may
/// replace; `None` if its file, which has these bytes, is malformed.
#[must_use]
pub fn dynamic_names(bytes: &[u8]) -> Option<Vec<DynamicName>> {
    let header = Native::parse(bytes).ok()?;
    let sections = header.sections(LittleEndian, bytes).ok()?;
    let symbols = sections.symbols(LittleEndian, bytes, elf::SHT_DYNSYM).ok()?;
    // Names are not longer than the file all in all, but for ends that they share.
    let mut left = bytes.len();
    let mut names = Vec::new();
    for symbol in symbols.iter().skip(1) {
        let weak = matches!(symbol.st_bind(), elf::STB_WEAK | elf::STB_GNU_UNIQUE);
        if (weak || symbol.st_bind() == elf::STB_GLOBAL) && symbol.st_visibility() == elf::STV_DEFAULT {
            let name = symbols.symbol_name(LittleEndian, symbol).ok()?;
            left = left.checked_sub(name.len())?;
            let name = String::from_utf8_lossy(name).into_owned();
            let thread_local = symbol.st_type() == elf::STT_TLS;
            let defined = !symbol.is_undefined(LittleEndian);
            names.push(DynamicName { name, thread_local, weak, defined });
        }
    }
    Some(names)
}
