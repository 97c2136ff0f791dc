//! Names that linkers define, unless an object does: the beginnings and ends of sections and of the parts of a program
//! or shared object, the GOT, thread-local storage ("Using LD", sections "PROVIDE" and "Builtin Functions"; `ld
//! --verbose` shows the script).

use std::borrow::Cow;

use linkjit_target::{ExecAddr, ExecRange};

/// The start of an image of Windows, which offsets in it are relative to.
pub const IMAGE_BASE: &str = "__ImageBase";

/// The address that offsets from the GOT are relative to.
pub const GOT_BASE: &str = "_GLOBAL_OFFSET_TABLE_";

/// A name of the linker's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LinkerName<'a> {
    /// [`GOT_BASE`]
    GotBase,
    /// The start of the thread-local storage: what local-dynamic code with descriptors asks for.
    TlsBase,
    /// The start of the sections of a name, or their end.
    Section(Bound, Cow<'a, str>),
    /// The start or the end of a part of the program.
    Image(ImageName),
}

impl<'a> LinkerName<'a> {
    /// Returns the meaning of a name that no object defines.
    #[must_use]
    pub fn parse(name: &'a [u8]) -> Option<Self> {
        match name {
            b"_GLOBAL_OFFSET_TABLE_" => Some(Self::GotBase),
            b"_TLS_MODULE_BASE_" => Some(Self::TlsBase),
            _ => {
                let section = |bound: Bound| {
                    let section = name.strip_prefix(bound.prefix().as_bytes())?;
                    Some(Self::Section(bound, String::from_utf8_lossy(section)))
                };
                let section = section(Bound::Start).or_else(|| section(Bound::End));
                section.or_else(|| ImageName::parse(name).map(Self::Image))
            }
        }
    }
}

/// One end of something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// The start.
    Start,
    /// The end.
    End,
}

impl Bound {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Start => "__start_",
            Self::End => "__stop_",
        }
    }

    /// Returns the name of this end of the sections of a name.
    #[must_use]
    pub fn name(self, section: &str) -> String {
        [self.prefix(), section].concat()
    }

    /// This end of a range.
    #[must_use]
    pub const fn address_in(self, range: ExecRange) -> ExecAddr {
        match self {
            Self::Start => range.start,
            Self::End => range.end,
        }
    }
}

/// A part of a program or shared object, by the names that GNU's and LLVM's linkers have for its ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ImageName {
    /// The start of all, where its header is.
    Header,
    /// The end of code.
    CodeEnd,
    /// The start of writable data.
    DataStart,
    /// The end of writable data that is not all zeros, where the zeros begin.
    DataEnd,
    /// The end of all.
    End,
    /// The start of the pointers to initializers or terminators of a kind, or their end.
    Array(Array, Bound),
    /// The start and the end of relocations for indirect functions: there are none.
    NoRelocations,
    /// The records of the unwind table.
    UnwindRecords,
}

/// An array of pointers to functions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Array {
    /// `.preinit_array`
    Preinit,
    /// `.init_array`
    Init,
    /// `.fini_array`
    Fini,
}

impl Array {
    /// Returns the name of its sections in objects, and the one that they get where code walks through them.
    #[must_use]
    pub const fn sections(self) -> (&'static str, &'static str) {
        match self {
            Self::Preinit => (".preinit_array", "__preinit_array"),
            Self::Init => (".init_array", "__init_array"),
            Self::Fini => (".fini_array", "__fini_array"),
        }
    }
}

impl ImageName {
    /// Returns the meaning of a name that no object defines.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        // Most names begin otherwise.
        if !matches!(name.first(), Some(b'_' | b'e' | b'd')) {
            return None;
        }
        Some(match name {
            b"__executable_start" | b"__ehdr_start" => Self::Header,
            b"etext" | b"_etext" | b"__etext" => Self::CodeEnd,
            b"data_start" | b"__data_start" => Self::DataStart,
            b"edata" | b"_edata" | b"__bss_start" => Self::DataEnd,
            b"end" | b"_end" => Self::End,
            b"__preinit_array_start" => Self::Array(Array::Preinit, Bound::Start),
            b"__preinit_array_end" => Self::Array(Array::Preinit, Bound::End),
            b"__init_array_start" => Self::Array(Array::Init, Bound::Start),
            b"__init_array_end" => Self::Array(Array::Init, Bound::End),
            b"__fini_array_start" => Self::Array(Array::Fini, Bound::Start),
            b"__fini_array_end" => Self::Array(Array::Fini, Bound::End),
            b"__rela_iplt_start" | b"__rela_iplt_end" => Self::NoRelocations,
            UNWIND_RECORDS => Self::UnwindRecords,
            _ => return None,
        })
    }
}

/// The name that crtbegin.o has for the records of the unwind table.
pub const UNWIND_RECORDS: &[u8] = b"__EH_FRAME_BEGIN__";

/// The section of the unwind table's header.
pub const UNWIND_HEADER_SECTION: &str = ".eh_frame_hdr";

/// The offset in that header of zeros, which end a table that has no records.
pub const NO_UNWIND_RECORDS: u64 = 8;

/// Returns whether a name is that of each program's or shared object's own: what a library has of that name is the
/// library's, and nobody else's.
#[must_use]
pub fn is_of_image(name: &[u8]) -> bool {
    ImageName::parse(name).is_some()
        || matches!(name, b"_DYNAMIC" | b"_GLOBAL_OFFSET_TABLE_" | b"__GNU_EH_FRAME_HDR" | b"__dso_handle")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_places() {
        let section = |bound, name: &'static str| Some(LinkerName::Section(bound, name.into()));
        for (name, expected) in [
            (GOT_BASE, Some(LinkerName::GotBase)),
            ("_TLS_MODULE_BASE_", Some(LinkerName::TlsBase)),
            ("__start_x", section(Bound::Start, "x")),
            ("__stop_x", section(Bound::End, "x")),
            ("__stop", None),
            ("_end", Some(LinkerName::Image(ImageName::End))),
            ("ending", None),
            (IMAGE_BASE, None),
        ] {
            assert_eq!(LinkerName::parse(name.as_bytes()), expected, "{name}");
        }
        assert_eq!([Bound::Start, Bound::End].map(|bound| bound.name("x")), ["__start_x", "__stop_x"]);
    }
}
