//! A replacement for the DLL that Rust's standard library asks for random bytes, for versions of Wine that lack it. It
//! has nothing but an export, which forwards to an equivalent function of another DLL ("PE Format", "Export Address
//! Table").

use std::io;
use std::path::Path;

/// The DLL, its function, and what stands for that.
const DLL: &str = "bcryptprimitives.dll";
const FUNCTION: &str = "ProcessPrng";
const FORWARDED: &str = "advapi32.SystemFunction036";

/// Writes the DLL into a directory. Where the system has one of its own, nobody looks for this.
pub(super) fn write(directory: &Path) -> io::Result<()> {
    std::fs::write(directory.join(DLL), image())
}

/// The whole file: headers, and a section with the export directory.
fn image() -> Vec<u8> {
    const NT_HEADERS: usize = 0x40;
    const OPTIONAL_HEADER: usize = NT_HEADERS + 24;
    const DIRECTORIES: usize = OPTIONAL_HEADER + 112;
    const SECTIONS: usize = DIRECTORIES + 16 * 8;
    /// In the file, and in memory.
    const CONTENT: usize = 0x200;
    const ADDRESS: usize = 0x1000;
    const END: usize = 0x2000;
    /// The export directory and its tables of one entry each.
    const TABLES: usize = 40;
    const TEXTS: usize = TABLES + 4 + 4 + 2;

    let mut texts = Vec::new();
    let [dll, function, forwarded] = [DLL, FUNCTION, FORWARDED].map(|text| {
        let at = ADDRESS + TEXTS + texts.len();
        texts.extend(text.bytes().chain([0]));
        at
    });
    let size = TEXTS + texts.len();
    let mut image = vec![0; CONTENT * 2];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    let word = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();

    put(0, b"MZ");
    put(0x3c, &word(NT_HEADERS));
    put(NT_HEADERS, b"PE\0\0\x64\x86\x01\0");
    put(NT_HEADERS + 20, &240u16.to_le_bytes());
    // Executable, for more than 2 GiB of addresses, a DLL.
    put(NT_HEADERS + 22, &0x2022u16.to_le_bytes());
    put(OPTIONAL_HEADER, &0x20bu16.to_le_bytes());
    put(OPTIONAL_HEADER + 24, &0x6_f000_0000u64.to_le_bytes());
    put(OPTIONAL_HEADER + 32, &word(ADDRESS));
    put(OPTIONAL_HEADER + 36, &word(CONTENT));
    // Version 6 of the system and of the subsystem, which is the console's.
    put(OPTIONAL_HEADER + 40, &6u16.to_le_bytes());
    put(OPTIONAL_HEADER + 48, &6u16.to_le_bytes());
    put(OPTIONAL_HEADER + 56, &word(END));
    put(OPTIONAL_HEADER + 60, &word(CONTENT));
    put(OPTIONAL_HEADER + 68, &3u16.to_le_bytes());
    // It may be anywhere, and has no code that could be executed as data.
    put(OPTIONAL_HEADER + 70, &0x140u16.to_le_bytes());
    put(OPTIONAL_HEADER + 108, &word(16));
    put(DIRECTORIES, &[word(ADDRESS), word(size)].concat());
    put(SECTIONS, b".edata\0\0");
    put(SECTIONS + 8, &[word(size), word(ADDRESS), word(CONTENT), word(CONTENT)].concat());
    // Initialized data that is read.
    put(SECTIONS + 36, &0x4000_0040u32.to_le_bytes());

    put(CONTENT + 12, &[word(dll), word(1), word(1), word(1)].concat());
    let tables = [0, 4, 8].map(|at| word(ADDRESS + TABLES + at));
    put(CONTENT + 28, &tables.concat());
    put(CONTENT + TABLES, &[word(forwarded), word(function)].concat());
    put(CONTENT + TEXTS, &texts);
    image
}
