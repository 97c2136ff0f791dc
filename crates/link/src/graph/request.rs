//! What objects ask of who links them, beside what their symbols say.

use super::symbol::SymbolId;

/// A request (COFF `.drectve`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Search this library, too, after all that was named before.
    DefaultLibrary(String),
    /// Don't search this library on account of [`Request::DefaultLibrary`]; `None`: none at all.
    NoDefaultLibrary(Option<String>),
    /// It is an error if this library would be searched.
    DisallowedLibrary(String),
    /// Link what this symbol stands for.
    Include(SymbolId),
    /// Make a definition visible to others.
    Export(Export),
    /// All objects that have an opinion on `key` must have the same.
    MustMatch {
        /// What it is about.
        key: String,
        /// The opinion.
        value: String,
    },
    /// Put the sections `from` into the section `to` of the image.
    Merge {
        /// The sections.
        from: String,
        /// Where to.
        to: String,
    },
    /// Something that nobody knows, to be warned of.
    Unknown(String),
}

/// A definition that is to be visible to others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Export {
    /// The name that others see.
    pub name: String,
    /// The name of the definition, if it is another one. With a dot in it, that of another library: `library.name`.
    pub target: Option<String>,
    /// Its number among the exports.
    pub ordinal: Option<u16>,
    /// It is a variable.
    pub data: bool,
}
