//! The parts of a module: what it defines and declares, and what these refer to.

use std::ops::Range;

/// The number of an entity of a module, in the order of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntityId(pub(crate) u32);

impl EntityId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// The kinds of entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntityKind {
    /// `define`
    Function,
    /// `@x = global`, also an `appending` one; also without an initializer, if it is declared only.
    Variable,
    /// `@x = alias`
    Alias,
    /// `@x = ifunc`
    Ifunc,
    /// `declare`
    Declaration,
    /// `$x = comdat`
    Comdat,
    /// `%x = type`
    Type,
    /// `attributes #0`
    Attributes,
    /// `!0 =`
    Metadata,
    /// `!llvm.module.flags =`
    NamedMetadata,
    /// `module asm`
    Assembly,
    /// `source_filename`, `target triple`, `target datalayout`
    Head,
    /// `uselistorder`: an order of uses, which changes no meaning. Slices have none.
    UseListOrder,
    /// `^0 =`: an entry of a summary for link-time optimization. Slices have none.
    Summary,
}

impl EntityKind {
    /// Says whether it is a value with a name of the linker's: a function, a variable, an alias, an ifunc.
    pub fn is_symbol(self) -> bool {
        matches!(self, Self::Function | Self::Variable | Self::Alias | Self::Ifunc | Self::Declaration)
    }
}

/// Linkages, in LLVM's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words are LLVM's")]
pub enum Linkage {
    External,
    Private,
    Internal,
    AvailableExternally,
    Linkonce,
    LinkonceOdr,
    Weak,
    WeakOdr,
    Appending,
    Common,
    ExternWeak,
}

impl Linkage {
    /// The linkage that a word of IR means.
    pub(crate) fn of(word: &str) -> Option<Self> {
        Some(match word {
            "external" => Self::External,
            "private" => Self::Private,
            "internal" => Self::Internal,
            "available_externally" => Self::AvailableExternally,
            "linkonce" => Self::Linkonce,
            "linkonce_odr" => Self::LinkonceOdr,
            "weak" => Self::Weak,
            "weak_odr" => Self::WeakOdr,
            "appending" => Self::Appending,
            "common" => Self::Common,
            "extern_weak" => Self::ExternWeak,
            _ => return None,
        })
    }

    /// Says whether the name is local: no other module can refer to it.
    pub fn is_local(self) -> bool {
        matches!(self, Self::Private | Self::Internal)
    }
}

/// Visibilities, in LLVM's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words are LLVM's")]
pub enum Visibility {
    Default,
    Hidden,
    Protected,
}

/// The reasons why a function is compiled with the rest of its module rather than by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stays {
    /// A list such as `llvm.global_ctors` or `llvm.used` names it.
    Listed,
    /// It resolves an ifunc: the loader or linker calls it.
    Ifunc,
    /// Something lies before its code, which others find by its address.
    Prefix,
    /// Assembly may refer to it by its name, or it refers to a name of assembly.
    Assembly,
    /// Its linkage is `available_externally`: another module defines it, and no slice does.
    Elsewhere,
}

impl std::fmt::Display for Stays {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Listed => "a list such as llvm.global_ctors or llvm.used names it",
            Self::Ifunc => "it belongs to an ifunc, which is resolved when it is linked",
            Self::Prefix => "what lies before its code is found by its address",
            Self::Assembly => "assembly and it may know each other by names",
            Self::Elsewhere => "its linkage is available_externally: another module defines it",
        })
    }
}

/// A definition of the module, as users see it.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Its number.
    pub id: EntityId,
    /// Its kind: a function, a variable, an alias, an ifunc.
    pub kind: EntityKind,
    /// Its name in the module. A value without a name has its number.
    pub name: String,
    /// Its name in slices: another one if it was local and others refer to it. It may have a `\1` in front, as in the
    /// module: then it is the linker's name as it is, without what a system puts before names.
    pub symbol: String,
    /// Its linkage in the module.
    pub linkage: Linkage,
    /// Its visibility in the module.
    pub visibility: Visibility,
    /// It is a function, or stands for one.
    pub is_callable: bool,
    /// The reason why it stays in the rest, if it is a function and does.
    pub stays: Option<Stays>,
}

impl Definition {
    /// Says whether other slices can refer to it: it was not local, or it has got a name that is.
    pub fn is_shared(&self) -> bool {
        !self.linkage.is_local() || self.symbol != self.name
    }
}

/// A part of the text. Offsets are of the module's text.
#[derive(Debug, Clone)]
pub(crate) struct Entity {
    pub(crate) kind: EntityKind,
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Its name, with its sigil.
    pub(crate) name: Range<u32>,
    /// A function's body begins here, with its brace; the end of others.
    pub(crate) body: u32,
    /// The end of what slices have of it: orders of uses are cut off a function's body, and its last brace.
    pub(crate) cut: u32,
    /// Its references, in the order of the text.
    pub(crate) references: Range<u32>,
    /// Of symbols.
    pub(crate) symbol: Option<Symbol>,
}

impl Entity {
    /// Says whether slices can define it: a symbol that the module defines, or assembly.
    pub(crate) fn is_definition(&self) -> bool {
        self.kind == EntityKind::Assembly || self.symbol.is_some_and(|symbol| symbol.is_definition)
    }
}

/// The properties of an entity that is a symbol.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Symbol {
    pub(crate) linkage: Linkage,
    pub(crate) visibility: Visibility,
    /// The module defines it for others.
    pub(crate) is_definition: bool,
    /// It is a constant whose address means nothing: each slice may have a copy.
    pub(crate) may_be_copied: bool,
    /// Something lies before its code, and is found by the address of the code.
    pub(crate) has_prefix: bool,
    /// Its COMDAT group.
    pub(crate) comdat: Option<EntityId>,
}

/// A place in the text where an entity is referred to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reference {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) target: EntityId,
}
