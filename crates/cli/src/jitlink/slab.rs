//! Placing at fixed addresses, on which tests with literal addresses rely.
//!
//! Graphs follow one another from the slab's start, each in a contiguous range. A range has one segment per protection,
//! in the order read, read-write, read-execute. Each segment begins a whole number of pages after the start of the
//! range, which need not be a multiple of a page itself. Blocks with content come before those of zeros; among each,
//! blocks are ordered by section (sections that the linker makes come last), then by offset, then by size.

use std::collections::HashMap;

use linkjit::ExecAddr;
use linkjit::executor::ExecRange;
use linkjit::executor::TlsAddress;
use linkjit_link::graph::{Block, BlockId, Lifetime, LinkGraph, Protection, Section};
use linkjit_link::input::{BlockRef, Input};
use linkjit_link::layout::{Extent, Layout};

use super::failure::{Failure, Result};
use super::interfaces::{REGION_END, REGION_SIZE};

/// Graphs that nobody has given an address go here: behind the shared libraries, out of reach of all else, as memory
/// of a real process is.
const ANYWHERE: u64 = REGION_END;
/// Graphs with 32-bit addresses go here.
const LOW: u64 = 0x1000_0000;
const _: () = assert!(LOW >= REGION_SIZE);
const PAGE_SIZE: u64 = 4096;
/// All memory of a run; more is taken for a mistake.
const LIMIT: u64 = 4 << 30;
/// An unwind table ends with a record of length zero.
pub(super) const UNWIND_TERMINATOR: u64 = 4;
/// Records are packed; where the first begins is as compilers align the table.
const UNWIND_ALIGNMENT: u64 = 8;

/// The memory that graphs get, one after another.
#[derive(Debug, Default)]
pub(super) struct Slab {
    next: u64,
    page_size: u64,
    used: u64,
    /// Modules with thread-local storage so far.
    modules: u64,
    /// Bytes below the thread pointer that are taken.
    thread_local: u64,
}

impl Slab {
    pub(super) fn new(address: Option<u64>, page_size: Option<u64>) -> Self {
        let (next, page_size) = (address.unwrap_or(ANYWHERE), page_size.unwrap_or(PAGE_SIZE));
        Self { next, page_size, ..Self::default() }
    }

    /// If nobody has given an address: places graphs where 32-bit addresses reach. Returns where.
    pub(super) fn go_low(&mut self) -> Option<u64> {
        (self.next == ANYWHERE).then(|| std::mem::replace(&mut self.next, LOW))?;
        Some(LOW)
    }

    /// Returns the start of an image that nobody gives a place. If code refers to its start, the next graph is there; if
    /// only offsets in the image are wanted, LLVM takes it for null, and tests below 4 GiB know that.
    pub(super) fn image_base(&self, is_named: bool) -> ExecAddr {
        ExecAddr(if is_named { self.next } else { self.next & !u64::from(u32::MAX) })
    }

    /// Returns the range that the next graph will have, with what the linker makes for it: more rather than less.
    pub(super) fn window(&self, graph: &LinkGraph) -> ExecRange {
        let bytes = |block: &Block| block.size.saturating_add(block.alignment());
        let size = graph.blocks().iter().map(bytes).fold(self.page_size.saturating_mul(4), u64::saturating_add);
        ExecRange { start: ExecAddr(self.next), end: ExecAddr(self.next.saturating_add(size)) }
    }

    /// Gives the blocks of a graph and of those that the linker has made for it their places. Returns where these begin, and
    /// the memory.
    pub(super) fn lay_out(&mut self, inputs: &[Input], members: &[u32]) -> Result<(Layout, ExecAddr, Vec<u8>)> {
        let too_large = || Failure::link("the graph does not fit into the address space");
        let start = self.next;
        let mut placed = Vec::new();
        let mut segment = start;
        let mut end = start;
        for protection in [Protection::Read, Protection::ReadWrite, Protection::ReadExec] {
            let blocks = blocks(inputs, members, protection);
            let (mut address, mut size) = (segment, 0u64);
            for (index, &place) in blocks.iter().enumerate() {
                let block = block(inputs, place);
                let is_unwind_at = |index: usize| blocks.get(index).is_some_and(|&place| is_unwind(inputs, place));
                if is_unwind_at(index) && !is_unwind_at(index.wrapping_sub(1)) {
                    address = address.checked_next_multiple_of(UNWIND_ALIGNMENT).ok_or_else(too_large)?;
                    size = size.checked_next_multiple_of(UNWIND_ALIGNMENT).ok_or_else(too_large)?;
                }
                address = align(address, block).ok_or_else(too_large)?;
                placed.push((place, address.wrapping_sub(start)));
                let is_last = is_unwind_at(index) && !is_unwind_at(index + 1);
                let gap = if is_last { UNWIND_TERMINATOR } else { 0 };
                let bytes = block.size.checked_add(gap).ok_or_else(too_large)?;
                address = address.checked_add(bytes).ok_or_else(too_large)?;
                size = align(size, block).and_then(|size| size.checked_add(bytes)).ok_or_else(too_large)?;
            }
            end = end.max(address);
            let size = size.checked_next_multiple_of(self.page_size).ok_or_else(too_large)?;
            // What begins between two multiples of its alignment may end behind the pages that its size takes.
            segment = segment.checked_add(size).ok_or_else(too_large)?;
        }
        let size = end.max(segment).wrapping_sub(start);
        self.used = self.used.saturating_add(size);
        if self.used > LIMIT {
            return Err(too_large());
        }
        let bytes = vec![0; usize::try_from(size).map_err(|_| too_large())?];
        self.next = start.checked_add(size).ok_or_else(too_large)?;
        Ok((Layout::arranged(inputs, placed, size)?, ExecAddr(start), bytes))
    }

    /// Takes storage for the thread-local variables of a graph, which lies below the thread pointer, where a loaded program
    /// has it. Modules are numbered from 1.
    pub(super) fn reserve_tls(&mut self, extent: Extent) -> Result<TlsAddress> {
        let taken = self.thread_local.checked_add(extent.size);
        let taken = taken.and_then(|taken| taken.checked_next_multiple_of(extent.align));
        let start = taken.and_then(|taken| i64::try_from(taken).ok());
        let (Some(taken), Some(start)) = (taken, start) else {
            return Err(Failure::link("the thread-local storage is too large"));
        };
        self.modules += 1;
        self.thread_local = taken;
        Ok(TlsAddress { module: self.modules, offset: 0, thread_offset: Some(-start) })
    }
}

/// The blocks of a segment, in order.
fn blocks(inputs: &[Input], members: &[u32], protection: Protection) -> Vec<BlockRef> {
    let mut found = Vec::new();
    let mut sections: HashMap<&str, usize> = HashMap::new();
    for &member in members {
        let graph = &inputs[member as usize].graph;
        // Sections of one name are one, and in COFF those that differ in what follows a `$`, which orders them.
        let ordinals: Vec<usize> = graph
            .sections()
            .iter()
            .map(|section| {
                let next = sections.len();
                *sections.entry(section.output_name()).or_insert(next)
            })
            .collect();
        for id in graph.block_ids() {
            let block = graph.block(id);
            let section = graph.section(block.section);
            let is_here = protection_of(section) == protection && section.lifetime != Lifetime::NoAlloc;
            if is_here && block.live && !block.placed {
                let ordinal = ordinals.get(block.section.index()).copied();
                let is_ordered = section.name != section.output_name();
                let suffix = if is_ordered { section.name.as_str() } else { "" };
                // Of one section's blocks that begin at the same offset LLVM takes the smallest first.
                let size = if is_ordered { 0 } else { block.size };
                found.push((block.is_zeros(), ordinal, suffix, block.section_offset, size, (member, id)));
            }
        }
    }
    found.sort();
    found.into_iter().map(|(.., place)| place).collect()
}

/// The protection of a section's segment. LLVM knows no data that is read-only after relocation.
fn protection_of(section: &Section) -> Protection {
    let is_written_once = [".data.rel.ro", ".init_array", ".fini_array", ".preinit_array", ".ctors", ".dtors"]
        .iter()
        .any(|name| section.name.starts_with(name));
    if is_written_once { Protection::ReadWrite } else { section.protection }
}

fn block(inputs: &[Input], (member, block): (u32, BlockId)) -> &Block {
    inputs[member as usize].graph.block(block)
}

fn is_unwind(inputs: &[Input], (member, block): (u32, BlockId)) -> bool {
    let graph = &inputs[member as usize].graph;
    graph.section(graph.block(block).section).unwind_records
}

/// The first address from `address` on that suits a block.
fn align(address: u64, block: &Block) -> Option<u64> {
    let misfit = block.alignment_offset.wrapping_sub(address) & (block.alignment() - 1);
    address.checked_add(misfit)
}
