//! Requests that an object makes of the linker, apart from its symbols.

use super::block::BlockId;
use super::symbol::SymbolId;
use crate::names::NameId;
use linkjit_target::Protection;

/// A request (COFF `.drectve`, ELF `.deplibs` and `.note.GNU-stack`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Search this library, too, after all that was named before.
    DefaultLibrary(String),
    /// The same for a library that is known by its name, as behind `-l`, or by its file (ELF).
    DependentLibrary(String),
    /// Don't search this library on account of [`Request::DefaultLibrary`]; `None`: none at all.
    NoDefaultLibrary(Option<String>),
    /// It is an error if this library would be searched.
    DisallowedLibrary(String),
    /// Link what this symbol stands for.
    Include(SymbolId),
    /// Others find what `target` is under this name, or this number (`#7`).
    Export {
        /// The name that others ask for.
        name: NameId,
        /// A definition. With a dot in it, that of another library: `library.name`, `library.#7`.
        target: NameId,
    },
    /// All objects that have an opinion on `key` must have the same.
    MustMatch {
        /// The subject.
        key: String,
        /// The opinion.
        value: String,
    },
    /// Put the sections `from` into the section `to` of the image, whose protection they get.
    Merge {
        /// The sections.
        from: String,
        /// The section that they become a part of.
        to: String,
    },
    /// Give a section of the image this protection, whatever objects say.
    Protect {
        /// The section.
        section: String,
        /// The protection.
        protection: Protection,
    },
    /// The program begins here.
    Entry(NameId),
    /// A section is to be shared with other processes that have the same image.
    Share(String),
    /// This block is the directory of the image's resources.
    Resources(BlockId),
    /// Make stacks executable: its code calls what it has written there.
    ExecutableStack,
    /// Something that nobody knows, to be warned of.
    Unknown(String),
}
