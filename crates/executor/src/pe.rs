//! The headers of an image of Windows ("PE Format"): a DLL for x86-64 without an entry point.

const NT_HEADER: u32 = 0x80;
const FILE_HEADER: u32 = NT_HEADER + 4;
const OPTIONAL_HEADER: u32 = FILE_HEADER + 20;
const DATA_DIRECTORIES: u32 = OPTIONAL_HEADER + 112;
const SECTION_TABLE: u32 = DATA_DIRECTORIES + 16 * 8;
const SECTION_HEADER: u32 = 40;

/// Numbers of data directories.
pub(crate) const RESOURCES: u32 = 2;
pub(crate) const EXCEPTION: u32 = 3;
#[cfg(windows_x86_64)]
pub(crate) const BASE_RELOCATIONS: u32 = 5;
pub(crate) const TLS: u32 = 9;

/// Of the DLL's characteristics: there is no executable data.
pub(crate) const NX_COMPATIBLE: u16 = 0x100;

/// Size of a TLS directory in bytes.
pub(crate) const TLS_DIRECTORY_SIZE: u32 = 40;

/// The headers say this. Addresses are relative to the base.
pub(crate) struct Headers<'a> {
    pub(crate) base: u64,
    /// Alignment of sections in memory, and in the file.
    pub(crate) alignments: [u32; 2],
    pub(crate) image_size: u32,
    pub(crate) headers_size: u32,
    pub(crate) characteristics: u16,
    /// Number, address and size.
    pub(crate) directories: &'a [(u32, u32, u32)],
    pub(crate) sections: &'a [Section],
}

/// A section: its name; its size and address, its size in the file and where it is there; its characteristics.
pub(crate) type Section = ([u8; 8], [u32; 4], u32);

/// Size in bytes of the headers of an image with so many sections.
pub(crate) const fn headers_size(sections: u32) -> u32 {
    SECTION_TABLE + sections * SECTION_HEADER
}

/// Replaces bytes.
pub(crate) fn put(bytes: &mut [u8], at: u32, field: &[u8]) {
    bytes[at as usize..][..field.len()].copy_from_slice(field);
}

impl Headers<'_> {
    /// A DOS header, the file header, the optional header and the section table.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let count = self.sections.len() as u32;
        let mut bytes = vec![0; headers_size(count) as usize];
        let mut put = |at: u32, field: &[u8]| put(&mut bytes, at, field);
        put(0, b"MZ");
        put(0x3c, &NT_HEADER.to_le_bytes());
        put(NT_HEADER, b"PE\0\0");
        put(FILE_HEADER, &0x8664u16.to_le_bytes());
        put(FILE_HEADER + 2, &count.to_le_bytes()[..2]);
        put(FILE_HEADER + 16, &(SECTION_TABLE - OPTIONAL_HEADER).to_le_bytes()[..2]);
        // Executable, more than 2 GiB of addresses, a DLL.
        put(FILE_HEADER + 18, &0x2022u16.to_le_bytes());
        put(OPTIONAL_HEADER, &0x20bu16.to_le_bytes());
        put(OPTIONAL_HEADER + 24, &self.base.to_le_bytes());
        put(OPTIONAL_HEADER + 32, self.alignments.map(u32::to_le_bytes).as_flattened());
        // Version 6.0 of the system and of the subsystem, which is the console's.
        put(OPTIONAL_HEADER + 40, &6u16.to_le_bytes());
        put(OPTIONAL_HEADER + 48, &6u16.to_le_bytes());
        put(OPTIONAL_HEADER + 56, &self.image_size.to_le_bytes());
        put(OPTIONAL_HEADER + 60, &self.headers_size.to_le_bytes());
        put(OPTIONAL_HEADER + 68, &3u16.to_le_bytes());
        put(OPTIONAL_HEADER + 70, &self.characteristics.to_le_bytes());
        // Of stack and heap what is reserved, and what is committed.
        put(OPTIONAL_HEADER + 72, [0x10_0000u64, 0x1000, 0x10_0000, 0x1000].map(u64::to_le_bytes).as_flattened());
        put(OPTIONAL_HEADER + 108, &16u32.to_le_bytes());
        for &(number, address, size) in self.directories {
            put(DATA_DIRECTORIES + number * 8, [address, size].map(u32::to_le_bytes).as_flattened());
        }
        for (at, (name, places, characteristics)) in
            (SECTION_TABLE..).step_by(SECTION_HEADER as usize).zip(self.sections)
        {
            put(at, name);
            put(at + 8, places.map(u32::to_le_bytes).as_flattened());
            put(at + 36, &characteristics.to_le_bytes());
        }
        bytes
    }
}
