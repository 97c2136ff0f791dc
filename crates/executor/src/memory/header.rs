//! The header of an image, which is the first page of its window: of Windows ("PE Format"), or of ELF (gABI, "ELF
//! Header").

use crate::pe::{self, EXCEPTION, Headers, NX_COMPATIBLE, RESOURCES, TLS, TLS_DIRECTORY_SIZE};
use crate::{ExecAddr, ExecRange, elf_header};

/// The TLS directory follows the headers.
const TLS_DIRECTORY: u32 = pe::headers_size(3);

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
    /// The headers of the image, and its TLS directory. There are neither imports nor exports in it, because these come
    /// and go by name, nor relocations, because it never moves.
    pub(super) fn header(&self) -> Vec<u8> {
        // A window has at most 4 GiB.
        let rva = |address: ExecAddr| u32::try_from(address.distance_from(self.range.start)).unwrap_or(u32::MAX);
        let size = |range: ExecRange| u32::try_from(range.size()).unwrap_or(u32::MAX);
        let tables = [(RESOURCES, self.resources), (EXCEPTION, self.functions)].into_iter();
        let tables = tables.filter_map(|(number, table)| Some((number, rva(table?.start), size(table?))));
        let thread_local = self.thread_local.map(|_| (TLS, TLS_DIRECTORY, TLS_DIRECTORY_SIZE));
        let sections = SECTIONS.iter().zip(self.sections).map(|(&(name, characteristics), range)| {
            (*name, [size(range), rva(range.start), size(range), 0], characteristics)
        });
        let headers = Headers {
            base: self.range.start.0,
            alignments: [self.page; 2],
            image_size: rva(self.range.end),
            headers_size: self.page,
            characteristics: NX_COMPATIBLE,
            directories: &tables.chain(thread_local).collect::<Vec<_>>(),
            sections: &sections.collect::<Vec<_>>(),
        };
        let mut bytes = headers.bytes();
        bytes.extend(self.thread_local.unwrap_or_default().iter().flat_map(|word| word.to_le_bytes()));
        bytes.resize((TLS_DIRECTORY + TLS_DIRECTORY_SIZE) as usize, 0);
        bytes
    }
}

/// The header of a shared object at `range` and those of its segments, which are what is in use of `sections`: what
/// reads, what executes, what is written to. There is no dynamic section, because names come and go.
pub(super) fn elf_header(range: ExecRange, page: u64, sections: [ExecRange; 3]) -> Vec<u8> {
    const PT_LOAD: u32 = 1;
    const FLAGS: [u32; 3] = [4, 4 | 1, 4 | 2];
    // The header itself is read, too.
    let header = (ExecRange::new(range.start, page), 4);
    let loaded = [header].into_iter().chain(sections.into_iter().zip(FLAGS));
    let loaded: Vec<_> = loaded.filter(|(section, _)| section.size() > 0).collect();
    let mut words = elf_header::header(loaded.len() as u64).to_vec();
    for (section, flags) in loaded {
        let offset = section.start.0 - range.start.0;
        words.extend(elf_header::segment(PT_LOAD, flags, offset, section.size(), page));
    }
    words.into_iter().flat_map(u64::to_le_bytes).collect()
}
