//! Layout: gives every live block a place in one of three segments, and an address when these have memory.
//!
//! There is a segment for each protection, so that a batch of any number of graphs costs three runs of pages. Inside a
//! segment blocks keep link order (graph by graph, in the order of their creation): initializer tables, boundary
//! symbols and people who read dumps rely on it. Blocks of several graphs that must be contiguous follow the others:
//!
//! ```text
//! read         ordinary blocks | contiguous sections | TLS image | unwind records, terminator | records of functions
//! read, exec   ordinary blocks | contiguous sections
//! read, write  ordinary blocks | contiguous sections | zeros
//! ```
//!
//! Each segment that has content begins with some padding, because some code reads the bytes before a function or an
//! object (checks of function types read a word there). In a program, too, those bytes can be read.

use linkjit_target::{ExecAddr, ExecRange};

use crate::arch::ArchTables;
use crate::error::{LinkError, Result, Site};
use crate::graph::{Lifetime, LinkGraph, Protection};
use crate::input::{BlockRef, Input};

/// The protections of the segments, in the order in which everything here indexes them.
pub const SEGMENTS: [Protection; 3] = [Protection::Read, Protection::ReadExec, Protection::ReadWrite];

const READ: usize = 0;
const READ_WRITE: usize = 2;

/// The size of the padding that each segment begins with: as much as code is known to read before a function or an
/// object.
const PADDING: u64 = 16;

/// An unwind table ends with a record of length zero.
const UNWIND_TERMINATOR: u64 = 4;

/// Alignment of a record of a function (PE/COFF, "The .pdata Section").
const FUNCTION_RECORD_ALIGN: u64 = 4;

/// Size and alignment of a segment.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Bytes.
    pub size: u64,
    /// Alignment in bytes, a power of two.
    pub align: u64,
}

impl Default for Extent {
    fn default() -> Self {
        Self { size: 0, align: 1 }
    }
}

impl Extent {
    /// Makes room for `size` bytes at `alignment_offset` modulo `align`, and returns where they begin. `None` if the
    /// segment would outgrow the address space.
    fn push(&mut self, size: u64, align: u64, alignment_offset: u64) -> Option<u64> {
        let misfit = alignment_offset.wrapping_sub(self.size) & (align - 1);
        let start = self.size.checked_add(misfit)?;
        // Half the address space is more than there is, and keeps sums of sizes from overflowing.
        self.size = start.checked_add(size).filter(|&end| end < 1 << 62)?;
        self.align = self.align.max(align);
        Some(start)
    }
}

/// The places of the blocks of some graphs, relative to segments whose addresses are not known yet.
#[must_use = "its blocks have no addresses yet"]
#[derive(Debug, Default)]
pub struct Layout {
    segments: [Extent; 3],
    /// Size and alignment of the thread-local storage that the graphs define together.
    tls: Extent,
    /// The initial image of the thread-local storage: where it begins in the read segment, and how long it is.
    tls_image: (u64, u64),
    /// The unwind records with their terminator, in the read segment.
    unwind: (u64, u64),
    /// The records of functions, in the read segment: in link order until the functions have addresses.
    functions: (u64, u64),
    function_records: Vec<BlockRef>,
    function_record_size: u64,
    /// Contiguous sections, for their boundary symbols: name, segment, where they begin and end there.
    contiguous: Vec<(String, usize, (u64, u64))>,
    /// The offset of the zeros in the writable segment.
    data_end: u64,
    /// The blocks with content, by segment, with their offsets there.
    blocks: [Vec<(BlockRef, u64)>; 3],
    /// Blocks of zeros: nothing is written for them.
    zeros: Vec<(BlockRef, u64)>,
    thread_local: Vec<(BlockRef, u64)>,
}

/// The place where the blocks of a section are put aside until their turn comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shelf {
    /// Next in this segment; zeros of the writable one at its end.
    Segment(usize),
    Contiguous,
    Tls,
    Unwind,
    Functions,
    Nowhere,
}

impl Layout {
    /// Lays out the live, not yet placed blocks of the inputs that `members` names, in that order.
    ///
    /// # Errors
    /// If they do not fit into an address space.
    pub(crate) fn new(inputs: &[Input], members: &[u32]) -> Result<Self> {
        let mut layout = Self { segments: [Extent { size: PADDING, align: 1 }; 3], ..Self::default() };
        let (mut zeros, mut contiguous, mut unwind) = (Vec::new(), Vec::new(), Vec::new());
        let (mut tls_image, mut tls_zeros) = (Vec::new(), Vec::new());
        for &member in members {
            let input = &inputs[member as usize];
            for id in input.unplaced() {
                let block = input.graph.block(id);
                let place = (member, id);
                match shelf(&input.graph, block.section) {
                    Shelf::Segment(READ_WRITE) if block.is_zeros() => zeros.push(place),
                    Shelf::Segment(segment) => layout.push(inputs, segment, place)?,
                    Shelf::Contiguous => contiguous.push(place),
                    Shelf::Tls if block.is_zeros() => tls_zeros.push(place),
                    Shelf::Tls => tls_image.push(place),
                    Shelf::Unwind => unwind.push(place),
                    Shelf::Functions => layout.function_records.push(place),
                    Shelf::Nowhere => {}
                }
            }
        }
        layout.push_contiguous(inputs, contiguous, &mut zeros)?;
        layout.push_tls(inputs, &mut tls_image, &mut tls_zeros)?;
        layout.push_unwind(inputs, &unwind)?;
        layout.make_room_for_functions(inputs)?;
        layout.data_end = layout.segments[READ_WRITE].size;
        for place in zeros {
            let offset = layout.room(inputs, READ_WRITE, place)?;
            layout.zeros.push((place, offset));
        }
        layout.forget_empty_segments();
        Ok(layout)
    }

    /// Takes the padding away from segments that have nothing else: they need no memory.
    fn forget_empty_segments(&mut self) {
        for segment in &mut self.segments {
            if segment.size == PADDING {
                segment.size = 0;
            }
        }
    }

    /// A layout of the user's own: all `blocks` are in the first segment, in ascending order of their offsets there, and the
    /// segment has `size` bytes. If records of functions lie side by side, they are put in the order of the functions.
    ///
    /// # Errors
    /// If the thread-local variables among them do not fit into an address space.
    pub fn arranged(inputs: &[Input], mut blocks: Vec<(BlockRef, u64)>, size: u64) -> Result<Self> {
        let (mut layout, mut image, mut zeros, mut records) = (Self::default(), Vec::new(), Vec::new(), Vec::new());
        let shelf = |(member, block): BlockRef| {
            let graph = &inputs[member as usize].graph;
            shelf(graph, graph.block(block).section)
        };
        for &(place, offset) in &blocks {
            match shelf(place) {
                Shelf::Tls if inputs[place.0 as usize].graph.block(place.1).is_zeros() => zeros.push(place),
                Shelf::Tls => image.push(place),
                Shelf::Functions => records.push((place, offset)),
                _ => {}
            }
        }
        image.sort_unstable();
        zeros.sort_unstable();
        layout.push_tls(inputs, &mut image, &mut zeros)?;
        if let Some(&((first, _), start)) = records.first() {
            let size = inputs[first as usize].graph.arch().function_record_size();
            let packed = (start..).step_by(size.max(1) as usize).take(records.len());
            if records.iter().map(|&(_, offset)| offset).eq(packed) {
                (layout.functions.0, layout.function_record_size) = (start, size);
                layout.function_records = records.into_iter().map(|(place, _)| place).collect();
                blocks.retain(|&(place, _)| shelf(place) != Shelf::Functions);
            }
        }
        layout.segments[0] = Extent { size, align: 1 };
        layout.blocks = [blocks, Vec::new(), Vec::new()];
        Ok(layout)
    }

    /// Size and alignment of the thread-local storage that `members` define in live, not yet placed blocks; `None` if there
    /// are no such blocks.
    ///
    /// # Errors
    /// If it does not fit into an address space.
    pub fn thread_local_extent(inputs: &[Input], members: &[u32]) -> Result<Option<Extent>> {
        let mut layout = Self::default();
        let (mut image, mut zeros) = (Vec::new(), Vec::new());
        for &member in members.iter().filter(|&&member| inputs[member as usize].graph.has_thread_local_sections()) {
            let input = &inputs[member as usize];
            for id in input.unplaced() {
                let block = input.graph.block(id);
                if input.graph.section(block.section).lifetime == Lifetime::ThreadLocal {
                    (if block.is_zeros() { &mut zeros } else { &mut image }).push((member, id));
                }
            }
        }
        layout.push_tls(inputs, &mut image, &mut zeros)?;
        Ok((!layout.thread_local.is_empty()).then_some(layout.tls))
    }

    fn room(&mut self, inputs: &[Input], segment: usize, (member, id): BlockRef) -> Result<u64> {
        let graph = &inputs[member as usize].graph;
        let block = graph.block(id);
        self.segments[segment]
            .push(block.size, block.alignment(), block.alignment_offset)
            .ok_or_else(|| too_large(graph, "the image"))
    }

    fn push(&mut self, inputs: &[Input], segment: usize, place: BlockRef) -> Result<()> {
        let offset = self.room(inputs, segment, place)?;
        self.blocks[segment].push((place, offset));
        Ok(())
    }

    /// Sections of zeros alone, which are in order and have no boundary symbols, need no content: they go to the zeros.
    fn push_contiguous(
        &mut self,
        inputs: &[Input],
        mut places: Vec<BlockRef>,
        zeros: &mut Vec<BlockRef>,
    ) -> Result<()> {
        let section = |&(member, block): &BlockRef| {
            let graph = &inputs[member as usize].graph;
            graph.section(graph.block(block).section)
        };
        let output = |place: &BlockRef| (section(place).protection as usize, section(place).output_name());
        // With one output name, the whole names are in the order of the suffixes.
        places.sort_by_cached_key(|place| (output(place), section(place).name.as_str()));
        for run in places.chunk_by(|a, b| output(a) == output(b)) {
            let (segment, name) = output(&run[0]);
            let is_zeros = |&(member, block): &BlockRef| inputs[member as usize].graph.block(block).is_zeros();
            if segment == READ_WRITE && section(&run[0]).grouped && run.iter().all(is_zeros) {
                zeros.extend_from_slice(run);
                continue;
            }
            let first = self.blocks[segment].len();
            for &place in run {
                self.push(inputs, segment, place)?;
            }
            let (_, start) = self.blocks[segment][first];
            self.contiguous.push((name.into(), segment, (start, self.segments[segment].size)));
        }
        Ok(())
    }

    /// The image first, then zeros: the zeros take no memory but each thread's.
    fn push_tls(&mut self, inputs: &[Input], image: &mut [BlockRef], zeros: &mut [BlockRef]) -> Result<()> {
        let suffix = |&(member, block): &BlockRef| {
            let graph = &inputs[member as usize].graph;
            let section = graph.section(graph.block(block).section);
            if section.grouped { section.name.as_str() } else { "" }
        };
        image.sort_by_key(suffix);
        zeros.sort_by_key(suffix);
        let (image, zeros) = (&*image, &*zeros);
        for (index, &place) in image.iter().chain(zeros).enumerate() {
            let graph = &inputs[place.0 as usize].graph;
            let block = graph.block(place.1);
            let offset = self
                .tls
                .push(block.size, block.alignment(), block.alignment_offset)
                .ok_or_else(|| too_large(graph, "thread-local storage"))?;
            self.thread_local.push((place, offset));
            if index < image.len() {
                self.tls_image.1 = self.tls.size;
            }
        }
        let align = self.tls.align;
        let (_, size) = self.tls_image;
        let start = if size > 0 { self.segments[READ].push(size, align, 0) } else { Some(0) };
        self.tls_image.0 = start.ok_or_else(|| LinkError::TooLarge {
            site: Site::default(),
            what: "the image of the thread-local storage".into(),
        })?;
        for (index, &place) in image.iter().enumerate() {
            let offset = self.thread_local[index].1;
            self.blocks[READ].push((place, self.tls_image.0 + offset));
        }
        Ok(())
    }

    fn push_unwind(&mut self, inputs: &[Input], places: &[BlockRef]) -> Result<()> {
        let Some(&first) = places.first() else { return Ok(()) };
        let too_large = || too_large(&inputs[first.0 as usize].graph, "the unwind table");
        self.unwind.0 = self.segments[READ].push(0, 8, 0).ok_or_else(too_large)?;
        for &place in places {
            self.push(inputs, READ, place)?;
        }
        self.segments[READ].push(UNWIND_TERMINATOR, 1, 0).ok_or_else(too_large)?;
        self.unwind.1 = self.segments[READ].size;
        Ok(())
    }

    /// All records have one size and alignment, so each may take the place of another.
    fn make_room_for_functions(&mut self, inputs: &[Input]) -> Result<()> {
        let Some(&(first, _)) = self.function_records.first() else { return Ok(()) };
        let too_large = || too_large(&inputs[first as usize].graph, "the table of functions");
        self.functions.0 = self.segments[READ].push(0, FUNCTION_RECORD_ALIGN, 0).ok_or_else(too_large)?;
        self.function_record_size = inputs[first as usize].graph.arch().function_record_size();
        let size = self.function_record_size.checked_mul(self.function_records.len() as u64).ok_or_else(too_large)?;
        self.segments[READ].push(size, FUNCTION_RECORD_ALIGN, 0).ok_or_else(too_large)?;
        self.functions.1 = self.segments[READ].size;
        Ok(())
    }

    /// Puts the records of functions in the order of the functions' addresses.
    fn place_functions(&mut self, inputs: &[Input]) {
        let mut records = std::mem::take(&mut self.function_records);
        records.sort_by_cached_key(|&(member, block)| {
            let graph = &inputs[member as usize].graph;
            let begin = graph.edges(block).iter().find(|edge| edge.offset == 0);
            begin.map(|edge| graph.address(edge.target).0.wrapping_add(edge.addend.cast_unsigned()))
        });
        let places = (self.functions.0..).step_by(self.function_record_size.max(1) as usize);
        self.blocks[READ].extend(records.into_iter().zip(places));
    }

    /// Sizes of the segments, in the order of [`SEGMENTS`]; the padding before their content is part of them.
    #[must_use]
    pub fn segments(&self) -> [Extent; 3] {
        self.segments
    }

    /// Returns the number of bytes at the beginning of each segment that have contents. The rest is zeros.
    #[must_use]
    pub fn contents(&self) -> [u64; 3] {
        let [read, code, write] = self.segments.map(|extent| extent.size);
        [read, code, write.min(self.data_end)]
    }

    /// Returns the number of bytes of code and data in the segments.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments.iter().fold(0, |sum: u64, segment| sum.saturating_add(segment.size))
    }

    /// Gives all blocks their addresses, the segments beginning at `bases`.
    pub(crate) fn place(mut self, inputs: &mut [Input], bases: [ExecAddr; 3]) -> Placed {
        let zeros = self.zeros.iter().map(|place| (place, bases[READ_WRITE]));
        // Last, for those with an image are in the read segment, too: theirs is the offset in the TLS block.
        let thread_local = self.thread_local.iter().map(|place| (place, ExecAddr::NULL));
        let ordinary = self.blocks.iter().zip(bases).flat_map(|(blocks, base)| blocks.iter().map(move |it| (it, base)));
        for (&(place, offset), base) in ordinary.chain(zeros).chain(thread_local) {
            put(inputs, place, base.offset(offset));
        }
        let ordinary = self.blocks[READ].len();
        self.place_functions(inputs);
        for &((member, block), offset) in &self.blocks[READ][ordinary..] {
            put(inputs, (member, block), bases[READ].offset(offset));
        }
        Placed { layout: self, bases }
    }
}

/// A layout whose segments have memory: its blocks have addresses.
#[derive(Debug)]
pub struct Placed {
    layout: Layout,
    bases: [ExecAddr; 3],
}

impl Placed {
    /// Returns the ranges of the segments, in the order of [`SEGMENTS`].
    #[must_use]
    pub fn segments(&self) -> [ExecRange; 3] {
        std::array::from_fn(|at| ExecRange::new(self.bases[at], self.layout.segments[at].size))
    }

    /// The blocks whose bytes have to be written to a segment, with their offsets there. They are in ascending order, but
    /// for the records of functions.
    #[must_use]
    pub fn written(&self, segment: usize) -> &[(BlockRef, u64)] {
        &self.layout.blocks[segment]
    }

    /// Every block, with or without content.
    pub fn blocks(&self) -> impl Iterator<Item = BlockRef> + '_ {
        let Layout { blocks, zeros, thread_local, .. } = &self.layout;
        blocks.iter().flatten().chain(zeros).chain(thread_local).map(|&(block, _)| block)
    }

    /// Returns the sections that were to be contiguous, with their ranges.
    pub fn contiguous(&self) -> impl Iterator<Item = (&str, ExecRange)> {
        let contiguous = self.layout.contiguous.iter();
        contiguous.map(|(name, segment, extent)| (name.as_str(), self.range(*segment, *extent)))
    }

    /// Returns the address at which writable data with content ends, and zeros begin.
    #[must_use]
    pub fn data_end(&self) -> ExecAddr {
        self.bases[READ_WRITE].offset(self.layout.data_end)
    }

    /// The unwind table, terminator included; `None` if there are no records.
    #[must_use]
    pub fn unwind_table(&self) -> Option<ExecRange> {
        Some(self.range(READ, self.layout.unwind)).filter(|table| table.size() > 0)
    }

    /// The table of functions, sorted; `None` if there are no records.
    #[must_use]
    pub fn function_table(&self) -> Option<ExecRange> {
        Some(self.range(READ, self.layout.functions)).filter(|table| table.size() > 0)
    }

    /// The initial bytes of the thread-local storage; `None` if there is no such storage.
    #[must_use]
    pub fn tls_image(&self) -> Option<ExecRange> {
        let (start, size) = self.layout.tls_image;
        (!self.layout.thread_local.is_empty()).then(|| self.range(READ, (start, start + size)))
    }

    /// Size and alignment of the thread-local storage that the blocks define together.
    #[must_use]
    pub fn tls(&self) -> Extent {
        self.layout.tls
    }

    fn range(&self, segment: usize, (start, end): (u64, u64)) -> ExecRange {
        ExecRange::new(self.bases[segment].offset(start), end - start)
    }
}

fn put(inputs: &mut [Input], (member, block): BlockRef, address: ExecAddr) {
    inputs[member as usize].graph.place_block(block, address);
}

fn shelf(graph: &LinkGraph, section: crate::graph::SectionId) -> Shelf {
    let section = graph.section(section);
    match section.lifetime {
        Lifetime::NoAlloc => Shelf::Nowhere,
        Lifetime::ThreadLocal => Shelf::Tls,
        Lifetime::Standard if section.unwind_records => Shelf::Unwind,
        Lifetime::Standard if section.function_records => Shelf::Functions,
        Lifetime::Standard if section.contiguous || section.grouped => Shelf::Contiguous,
        Lifetime::Standard => Shelf::Segment(section.protection as usize),
    }
}

#[cold]
fn too_large(graph: &LinkGraph, what: &str) -> LinkError {
    LinkError::TooLarge { site: Site::file(graph.source().name().clone()), what: what.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Arch;
    use crate::graph::Content;
    use crate::source::Source;

    /// Finding the records among the other blocks must not mean going through all of them for each.
    #[test]
    fn many_records_of_functions_are_arranged_in_no_time() -> Result<()> {
        const COUNT: u64 = 100_000;
        let mut graph = LinkGraph::new(Source::new("x.o", []), Arch::ALL[0]);
        let size = graph.arch().function_record_size();
        let text = graph.add_section(".text", Protection::ReadExec, Lifetime::Standard)?;
        let records = graph.add_section(".pdata", Protection::Read, Lifetime::Standard)?;
        graph.section_mut(records).function_records = true;
        let mut blocks = Vec::new();
        for (section, start) in [(records, 0), (text, COUNT * size)] {
            for number in 0..COUNT {
                let block = graph.add_block(section, Content::Zeros, size, 2)?;
                blocks.push(((0, block), start + number * size));
            }
        }
        let inputs = [Input::new(graph, 0, ExecRange::default())];
        let layout = Layout::arranged(&inputs, blocks, 2 * COUNT * size)?;
        assert_eq!((layout.blocks[0].len(), layout.function_records.len()), (COUNT as usize, COUNT as usize));
        Ok(())
    }
}
