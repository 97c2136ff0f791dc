//! Names that GNU's and LLVM's linkers define in each program or shared object, unless an object does: where its parts
//! begin and end ("Using LD", sections "PROVIDE" and "Builtin Functions"; `ld --verbose` shows the script).

/// What such a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ImageName {
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
    /// Where the pointers to initializers or terminators of a kind begin, or end.
    Array(Array, Bound),
    /// Where relocations for indirect functions would begin and end: there are none.
    NoRelocations,
    /// The records of the unwind table.
    UnwindRecords,
}

/// An array of pointers to functions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Array {
    /// `.preinit_array`
    Preinit,
    /// `.init_array`
    Init,
    /// `.fini_array`
    Fini,
}

/// One end of something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bound {
    /// Where it begins.
    Start,
    /// Where it ends.
    End,
}

impl ImageName {
    /// What a name stands for if no object defines it.
    pub(crate) fn of(name: &[u8]) -> Option<Self> {
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

/// What crtbegin.o calls the records of the unwind table.
pub(crate) const UNWIND_RECORDS: &[u8] = b"__EH_FRAME_BEGIN__";

/// The section of the unwind table's header.
pub(crate) const UNWIND_HEADER_SECTION: &str = ".eh_frame_hdr";

/// Where that header has zeros, which end a table that has no records.
pub(crate) const NO_UNWIND_RECORDS: u64 = 8;

/// Whether a name is that of each program's or shared object's own: what a library has of that name is the library's, and
/// nobody else's.
pub(crate) fn is_of_image(name: &[u8]) -> bool {
    ImageName::of(name).is_some()
        || matches!(name, b"_DYNAMIC" | b"_GLOBAL_OFFSET_TABLE_" | b"__GNU_EH_FRAME_HDR" | b"__dso_handle")
}
