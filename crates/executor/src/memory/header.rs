//! The header of an image, which is the first page of its window: of Windows ("PE Format"), or of ELF (gABI, "ELF Header").

use crate::{ExecAddr, ExecRange};

/// Where the parts of the header are.
const NT_HEADER: u32 = 0x80;
const FILE_HEADER: u32 = NT_HEADER + 4;
const OPTIONAL_HEADER: u32 = FILE_HEADER + 20;
const DATA_DIRECTORIES: u32 = OPTIONAL_HEADER + 112;
const SECTION_TABLE: u32 = DATA_DIRECTORIES + 16 * 8;
const TLS_DIRECTORY: u32 = 0x200;
const END: u32 = TLS_DIRECTORY + TLS_DIRECTORY_SIZE;
const TLS_DIRECTORY_SIZE: u32 = 40;

/// Numbers of data directories.
const RESOURCES: u32 = 2;
const EXCEPTION: u32 = 3;
const TLS: u32 = 9;

// The section table ends before the TLS directory begins.
const _: () = assert!(SECTION_TABLE + 3 * 40 <= TLS_DIRECTORY);

/// Names and characteristics of the sections, by protection.
const SECTIONS: [(&[u8; 8], u32); 3] =
    [(b".rdata\0\0", 0x4000_0040), (b".text\0\0\0", 0x6000_0020), (b".data\0\0\0", 0xc000_0040)];

/// An image as its header describes it.
pub(super) struct Image {
    pub(super) range: ExecRange,
    pub(super) page: u32,
    pub(super) sections: [ExecRange; 3],
    /// The records of its functions.
    pub(super) functions: Option<ExecRange>,
    /// Its thread-local storage: where its initial content begins and ends, where its number and its callbacks are.
    pub(super) thread_local: Option<[u64; 4]>,
    /// The directory of its resources.
    pub(super) resources: Option<ExecRange>,
}

impl Image {
    /// A DOS header, the file header, the optional header and the section table. There are neither imports nor exports
    /// in it, because these come and go by name, nor relocations, because it never moves.
    pub(super) fn header(&self) -> Vec<u8> {
        // A window has at most 4 GiB.
        let rva = |address: ExecAddr| u32::try_from(address.distance_from(self.range.start)).unwrap_or(u32::MAX);
        let size = |range: ExecRange| u32::try_from(range.size()).unwrap_or(u32::MAX);
        let mut bytes = vec![0; END as usize];
        let mut put = |at: u32, field: &[u8]| bytes[at as usize..][..field.len()].copy_from_slice(field);
        put(0, b"MZ");
        put(0x3c, &NT_HEADER.to_le_bytes());
        put(NT_HEADER, b"PE\0\0");
        put(FILE_HEADER, &0x8664u16.to_le_bytes());
        put(FILE_HEADER + 2, &3u16.to_le_bytes());
        put(FILE_HEADER + 16, &(SECTION_TABLE - OPTIONAL_HEADER).to_le_bytes()[..2]);
        // Executable, more than 2 GiB of addresses, a DLL.
        put(FILE_HEADER + 18, &0x2022u16.to_le_bytes());
        put(OPTIONAL_HEADER, &0x20bu16.to_le_bytes());
        put(OPTIONAL_HEADER + 24, &self.range.start.0.to_le_bytes());
        put(OPTIONAL_HEADER + 32, &self.page.to_le_bytes());
        put(OPTIONAL_HEADER + 36, &self.page.to_le_bytes());
        // Version 6.0 of the system and of the subsystem, which is the console's.
        put(OPTIONAL_HEADER + 40, &6u16.to_le_bytes());
        put(OPTIONAL_HEADER + 48, &6u16.to_le_bytes());
        put(OPTIONAL_HEADER + 56, &rva(self.range.end).to_le_bytes());
        put(OPTIONAL_HEADER + 60, &self.page.to_le_bytes());
        put(OPTIONAL_HEADER + 68, &3u16.to_le_bytes());
        // No randomization, but no executable data.
        put(OPTIONAL_HEADER + 70, &0x0100u16.to_le_bytes());
        put(OPTIONAL_HEADER + 108, &16u32.to_le_bytes());
        for (number, table) in [(RESOURCES, self.resources), (EXCEPTION, self.functions)] {
            if let Some(table) = table {
                put(DATA_DIRECTORIES + number * 8, &rva(table.start).to_le_bytes());
                put(DATA_DIRECTORIES + number * 8 + 4, &size(table).to_le_bytes());
            }
        }
        if let Some(words) = self.thread_local {
            put(DATA_DIRECTORIES + TLS * 8, &TLS_DIRECTORY.to_le_bytes());
            put(DATA_DIRECTORIES + TLS * 8 + 4, &TLS_DIRECTORY_SIZE.to_le_bytes());
            for (at, word) in (TLS_DIRECTORY..).step_by(8).zip(words) {
                put(at, &word.to_le_bytes());
            }
        }
        let sections = (SECTION_TABLE..).step_by(40).zip(SECTIONS).zip(self.sections);
        for ((at, (name, characteristics)), range) in sections {
            put(at, name);
            put(at + 8, &size(range).to_le_bytes());
            put(at + 12, &rva(range.start).to_le_bytes());
            put(at + 16, &size(range).to_le_bytes());
            put(at + 36, &characteristics.to_le_bytes());
        }
        bytes
    }
}

/// Sizes of the header of an ELF file and of the headers of its segments.
const ELF_HEADER: u16 = 64;
const PROGRAM_HEADER: u16 = 56;

/// The header of a shared object at `range` and those of its segments, which are what is in use of `sections`: what reads, what
/// executes, what is written to. There is no dynamic section, because names come and go.
pub(super) fn elf_header(range: ExecRange, page: u64, sections: [ExecRange; 3]) -> Vec<u8> {
    const FLAGS: [u32; 3] = [4, 4 | 1, 4 | 2];
    // The header itself is read, too.
    let header = ExecRange::new(range.start, page);
    let loaded = [header].into_iter().chain(sections).zip([4].into_iter().chain(FLAGS));
    let loaded: Vec<_> = loaded.filter(|(section, _)| section.size() > 0).collect();
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    // ET_DYN for EM_X86_64, version 1; no entry; the segments' headers follow, sections' there are none.
    for field in [3u16, 62, 1, 0] {
        bytes.extend(field.to_le_bytes());
    }
    for field in [0, u64::from(ELF_HEADER), 0] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend(0u32.to_le_bytes());
    let count = u16::try_from(loaded.len()).unwrap_or(u16::MAX);
    for field in [ELF_HEADER, PROGRAM_HEADER, count, 0, 0, 0] {
        bytes.extend(field.to_le_bytes());
    }
    for (section, flags) in loaded {
        // PT_LOAD. The file is what is in memory.
        bytes.extend(1u32.to_le_bytes());
        bytes.extend(flags.to_le_bytes());
        let offset = section.start.0 - range.start.0;
        for field in [offset, offset, offset, section.size(), section.size(), page] {
            bytes.extend(field.to_le_bytes());
        }
    }
    bytes
}
