//! The headers of a shared object for x86-64, in words (gABI, "ELF Header" and "Program Header").

/// Sizes in bytes of the header, and of that of a segment.
pub(crate) const HEADER_SIZE: u64 = 64;
pub(crate) const SEGMENT_HEADER_SIZE: u64 = 56;

/// The header. Those of the segments follow.
pub(crate) fn header(segments: u64) -> [u64; 8] {
    [
        u64::from_le_bytes(*b"\x7fELF\x02\x01\x01\0"),
        0,
        // ET_DYN, EM_X86_64, EV_CURRENT; entry, e_phoff, e_shoff; e_flags, e_ehsize, e_phentsize; e_phnum.
        3 | 62 << 16 | 1 << 32,
        0,
        HEADER_SIZE,
        0,
        HEADER_SIZE << 32 | SEGMENT_HEADER_SIZE << 48,
        segments,
    ]
}

/// The header of a segment, which is in memory what it is in the file.
pub(crate) fn segment(kind: u32, flags: u32, offset: u64, size: u64, align: u64) -> [u64; 7] {
    // p_type and p_flags, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align.
    [u64::from(kind) | u64::from(flags) << 32, offset, offset, offset, size, size, align]
}
