//! Unwind records: one block each, which lives as long as the function it describes.
//!
//! Linux Standard Base, Core, "Exception Frames": a section is a list of records, each with its length in front. A
//! common record (CIE) has 0 where a record of a function (FDE) has the distance back to its CIE. Only the lengths and
//! these distances are looked at: what follows is meaningless before it is fixed up, except that the address of the
//! function comes first, so that the edge there says which function it is.

use std::ops::Range;

use crate::error::{LinkError, Result};
use crate::graph::{BlockId, Edge, Lifetime, LinkGraph, Symbol, SymbolId};

/// Says that a length of 8 bytes follows.
const EXTENDED_LENGTH: u32 = 0xffff_ffff;
/// Size of a length, and of the field that tells common records from those of functions.
const WORD: u32 = 4;

/// A record of the section.
struct Record {
    start: u32,
    /// What follows the length. A CIE's begins with zero, an FDE's with the distance from there back to its CIE.
    body: u32,
    kind: RecordKind,
}

enum RecordKind {
    /// A zero length: the end of the list for readers that have nothing else to tell it.
    Terminator,
    /// A common record, and the symbol that was made for it.
    Common(SymbolId),
    /// A function's record.
    Function { cie: u32, function: Option<BlockId> },
}

/// What is wrong, and at which offset of the section.
struct Malformed(u32, &'static str);

/// Splits a block of unwind records into one block per record. A record becomes a dependent of the block with its
/// function, and gets an edge to its common record, which it keeps alive. Records of functions that are not in the
/// graph, and terminators, are put where they never get into the process.
///
/// # Errors
/// If the content is no list of records.
pub fn split(graph: &mut LinkGraph, block: BlockId) -> Result<()> {
    let mut records = match parse(graph.content(block).unwrap_or_default()) {
        Ok(records) => records,
        Err(error) => return Err(malformed(graph, block, &error)),
    };
    find_functions(graph, block, &mut records)?;
    link_common_records(graph, block, &mut records)?;
    let starts: Vec<u64> = records.iter().skip(1).map(|record| u64::from(record.start)).collect();
    let parts = graph.split_block(block, &starts)?;
    let mut discarded = None;
    for (record, part) in records.iter().zip(parts) {
        let of = graph.block_mut(part);
        of.align_log2 = 0;
        of.alignment_offset = 0;
        match record.kind {
            RecordKind::Common(_) => {}
            RecordKind::Function { function: Some(function), .. } => graph.add_dependent(function, part),
            RecordKind::Function { function: None, .. } | RecordKind::Terminator => {
                let section = match discarded {
                    Some(section) => section,
                    None => {
                        let of = graph.section(graph.block(part).section).clone();
                        *discarded.insert(graph.add_section(&of.name, of.protection, Lifetime::NoAlloc)?)
                    }
                };
                graph.transfer_block(part, section);
            }
        }
    }
    Ok(())
}

/// Finds the records by their lengths.
fn parse(content: &[u8]) -> Result<Vec<Record>, Malformed> {
    let mut records = Vec::new();
    let mut start = 0u32;
    let size = u32::try_from(content.len()).map_err(|_| Malformed(0, "it is too large"))?;
    while start < size {
        let body = body(content, start).ok_or(Malformed(start, "it is truncated"))?;
        let end = body.end;
        let kind = if body.is_empty() {
            RecordKind::Terminator
        } else {
            let distance = word(content, body.start).filter(|_| end - body.start >= WORD);
            match distance.ok_or(Malformed(start, "it is too short"))? {
                // The symbol is made later.
                0 => RecordKind::Common(SymbolId(0)),
                distance => RecordKind::Function {
                    cie: body.start.checked_sub(distance).ok_or(Malformed(start, "its common record is not there"))?,
                    function: None,
                },
            }
        };
        records.push(Record { start, body: body.start, kind });
        start = end;
    }
    Ok(records)
}

/// The part of the record at `start` that follows the length.
fn body(content: &[u8], start: u32) -> Option<Range<u32>> {
    let after = start.checked_add(WORD)?;
    let (begin, length) = match word(content, start)? {
        EXTENDED_LENGTH => {
            let low = word(content, after)?;
            let high = word(content, after.checked_add(WORD)?)?;
            (after.checked_add(2 * WORD)?, Some(low).filter(|_| high == 0)?)
        }
        length => (after, length),
    };
    let end = begin.checked_add(length)?;
    (end as usize <= content.len()).then_some(begin..end)
}

fn word(content: &[u8], at: u32) -> Option<u32> {
    content.get(at as usize..)?.first_chunk().copied().map(u32::from_le_bytes)
}

/// Looks for the function of each record: what the edge of its first address refers to.
fn find_functions(graph: &LinkGraph, block: BlockId, records: &mut [Record]) -> Result<()> {
    for edge in graph.edges(block) {
        let after = records.partition_point(|record| record.start <= edge.offset);
        let Some(record) = after.checked_sub(1).and_then(|at| records.get_mut(at)) else { continue };
        let after_header = record.body.saturating_add(WORD);
        if edge.offset < after_header {
            return Err(malformed(graph, block, &Malformed(edge.offset, "its length or common record is relocated")));
        }
        if let RecordKind::Function { function, .. } = &mut record.kind
            && edge.offset == after_header
        {
            *function = graph.symbol(edge.target).block();
        }
    }
    Ok(())
}

/// Makes a symbol for every common record, and the edges to it.
fn link_common_records(graph: &mut LinkGraph, block: BlockId, records: &mut [Record]) -> Result<()> {
    let mut common = Vec::new();
    for record in records.iter_mut() {
        if let RecordKind::Common(symbol) = &mut record.kind {
            *symbol = graph.add_symbol(Symbol::anonymous(block, u64::from(record.start), 0))?;
            common.push((record.start, *symbol));
        }
    }
    let kind = graph.arch().cie_pointer();
    for record in records.iter() {
        if let RecordKind::Function { cie, .. } = record.kind {
            let found = common.binary_search_by_key(&cie, |&(start, _)| start).ok().and_then(|at| common.get(at));
            let Some(&(_, target)) = found else {
                return Err(malformed(graph, block, &Malformed(record.start, "its common record is not there")));
            };
            graph.add_edge(block, Edge { offset: record.body, kind, target, addend: 0 })?;
        }
    }
    Ok(())
}

#[cold]
fn malformed(graph: &LinkGraph, block: BlockId, &Malformed(offset, what): &Malformed) -> LinkError {
    let site = graph.site(block, u64::from(offset));
    LinkError::Malformed { site, what: format!("unwind record: {what}") }
}
