//! Unwind records: each is a block that lives as long as the function that it describes.
//!
//! Linux Standard Base, Core, "Exception Frames": a section is a list of records, each with its length in front. A
//! common record (CIE) has 0 where a record of a function (FDE) has the distance back to its CIE. The reader looks only
//! at the lengths and these distances, because the rest is meaningless before it is fixed up. The address of the
//! function comes first in the rest, so the edge there says which function it is.

use std::ops::Range;

use crate::arch::{Arch, ArchTables};
use crate::error::{LinkError, Result};
use crate::graph::{BlockId, Edge, EdgeKind, Lifetime, LinkGraph, SectionId, Symbol, SymbolId};

/// Says that a length of 8 bytes follows: the unwinders of processes read no such records, so nobody may write them.
const EXTENDED_LENGTH: u32 = 0xffff_ffff;
/// Size of a length, and of the field that tells common records from those of functions.
const WORD: u32 = 4;

/// A record of a section.
struct Record {
    /// The block of the whole section.
    block: BlockId,
    start: u32,
    /// The offset of the part behind the length. An FDE's begins with the distance from there back to its CIE.
    body: u32,
    kind: RecordKind,
}

enum RecordKind {
    /// A zero length: the end of the list for readers that have nothing else to tell it.
    Terminator,
    /// A common record, and the symbol that is made for it.
    Common(SymbolId),
    /// A function's record, and the symbol of its common record.
    Function { distance: u32, common: SymbolId },
}

/// The offset in the section of something malformed, and a description.
struct Malformed(u32, &'static str);

/// Splits blocks of unwind records into one block per record. A record becomes a dependent of the block with its
/// function, and gets an edge to its common record, which it keeps alive. Records of functions that are not in the
/// graph, and terminators, are put where they never get into the process.
///
/// # Errors
/// If the content of one is no list of records.
pub(super) fn split(graph: &mut LinkGraph, blocks: impl IntoIterator<Item = BlockId>) -> Result<()> {
    let mut records = Vec::new();
    for block in blocks {
        read(graph, block, &mut records)?;
    }
    let is_cut = |record: &&Record| record.start > 0;
    let cuts: Vec<_> = records.iter().filter(is_cut).map(|record| (record.block, u64::from(record.start))).collect();
    let mut parts = graph.split_blocks(&cuts)?;
    let mut discarded = None;
    for record in &records {
        let part = if is_cut(&record) { parts.next() } else { Some(record.block) };
        part.map_or(Ok(()), |part| keep_with_function(graph, record, part, &mut discarded))?;
    }
    Ok(())
}

/// Adds the records of a block to others, after giving them their common records.
fn read(graph: &mut LinkGraph, block: BlockId, records: &mut Vec<Record>) -> Result<()> {
    let first = records.len();
    let parsed = parse(graph, block, records);
    parsed.map_err(|error| malformed(graph, block, &error))?;
    let records = &mut records[first..];
    find_common_records(graph, block, records)?;
    let kind = EdgeKind::NEG_DELTA32;
    let edges = records.iter().filter_map(|record| match record.kind {
        RecordKind::Function { common, .. } => Some(Edge { offset: record.body, kind, target: common, addend: 0 }),
        _ => None,
    });
    graph.add_edges(block, edges)
}

/// Ties a record, now a block of its own, to its function.
fn keep_with_function(
    graph: &mut LinkGraph,
    record: &Record,
    part: BlockId,
    discarded: &mut Option<SectionId>,
) -> Result<()> {
    let block = graph.block_mut(part);
    block.align_log2 = 0;
    block.alignment_offset = 0;
    let function = function(graph, part, record)?;
    match (&record.kind, function) {
        (RecordKind::Common(_), _) => {}
        (_, Some(function)) => graph.add_dependent(function, part),
        (_, None) => discard(graph, part, discarded)?,
    }
    Ok(())
}

/// Finds the records by their lengths.
fn parse(graph: &LinkGraph, block: BlockId, records: &mut Vec<Record>) -> Result<(), Malformed> {
    let (arch, content) = (graph.arch(), graph.content(block).unwrap_or_default());
    let size = u32::try_from(content.len()).map_err(|_| Malformed(0, "it is too large"))?;
    // Records take 24 bytes at least in practice.
    records.reserve(content.len() / 24);
    let mut start = 0;
    while start < size {
        if word(arch, content, start) == Some(EXTENDED_LENGTH) {
            return Err(Malformed(start, "its length has 64 bits, which unwinders can't read"));
        }
        let body = body(arch, content, start).ok_or(Malformed(start, "it is truncated"))?;
        let kind = if body.is_empty() {
            RecordKind::Terminator
        } else {
            let distance = word(arch, content, body.start).filter(|_| body.len() >= WORD as usize);
            // The symbols are made later.
            match distance.ok_or(Malformed(start, "it is too short"))? {
                0 => RecordKind::Common(SymbolId(0)),
                distance => RecordKind::Function { distance, common: SymbolId(0) },
            }
        };
        records.push(Record { block, start, body: body.start, kind });
        start = body.end;
    }
    Ok(())
}

/// The part of the record at `start` that follows the length.
fn body(arch: Arch, content: &[u8], start: u32) -> Option<Range<u32>> {
    let begin = start.checked_add(WORD)?;
    let end = begin.checked_add(word(arch, content, start)?)?;
    (end as usize <= content.len()).then_some(begin..end)
}

fn word(arch: Arch, content: &[u8], at: u32) -> Option<u32> {
    content.get(at as usize..)?.first_chunk().map(|&bytes| arch.read_u32(bytes))
}

/// Makes a symbol for every common record, and finds that of every function.
fn find_common_records(graph: &mut LinkGraph, block: BlockId, records: &mut [Record]) -> Result<()> {
    // Common records come before those that refer to them, and most refer to the last one.
    let mut last = 0;
    for at in 0..records.len() {
        match records[at].kind {
            RecordKind::Terminator => {}
            RecordKind::Common(_) => {
                let symbol = Symbol::anonymous(block, u64::from(records[at].start), 0);
                records[at].kind = RecordKind::Common(graph.add_symbol(symbol)?);
                last = at;
            }
            RecordKind::Function { distance, .. } => {
                let start = records[at].body.checked_sub(distance);
                if start != Some(records[last].start) {
                    last = records[..at].partition_point(|other| Some(other.start) < start);
                }
                let common = match records[last] {
                    Record { start: found, kind: RecordKind::Common(common), .. } if Some(found) == start => common,
                    _ => {
                        let what = Malformed(records[at].start, "its CIE does not exist");
                        return Err(malformed(graph, block, &what));
                    }
                };
                records[at].kind = RecordKind::Function { distance, common };
            }
        }
    }
    Ok(())
}

/// The block with the function of a record, which lies in `part`: what the edge of its first address refers to.
fn function(graph: &LinkGraph, part: BlockId, record: &Record) -> Result<Option<BlockId>> {
    // Splitting has sorted the edges.
    let edges = graph.edges(part);
    let header_end = (record.body - record.start).saturating_add(WORD);
    let in_header = edges.partition_point(|edge| edge.offset < header_end);
    if in_header > usize::from(matches!(record.kind, RecordKind::Function { .. })) {
        return Err(malformed(graph, part, &Malformed(0, "a relocation changes its length or its CIE pointer")));
    }
    let first = edges.get(in_header).filter(|edge| edge.offset == header_end);
    Ok(first.and_then(|edge| graph.symbol(edge.target).block()))
}

/// Moves a part into a section that never gets into the process; makes that if there is none yet.
fn discard(graph: &mut LinkGraph, part: BlockId, section: &mut Option<SectionId>) -> Result<()> {
    let into = match *section {
        Some(into) => into,
        None => {
            let from = graph.section(graph.block(part).section);
            let (name, protection) = (from.name.clone(), from.protection);
            *section.insert(graph.add_section(&name, protection, Lifetime::NoAlloc)?)
        }
    };
    graph.block_mut(part).section = into;
    Ok(())
}

#[cold]
fn malformed(graph: &LinkGraph, block: BlockId, &Malformed(offset, what): &Malformed) -> LinkError {
    let site = graph.site(block, u64::from(offset));
    LinkError::Malformed { site, what: format!("unwind record: {what}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Content, Protection};
    use crate::source::Source;

    /// A graph of a block with functions and one with these words as records.
    fn graph(words: &[u32]) -> (LinkGraph, BlockId, BlockId) {
        let mut graph = LinkGraph::new(Source::new("made.o", Vec::new()), Arch::X86_64);
        let code = graph.add_section("code", Protection::ReadExec, Lifetime::Standard).unwrap();
        let function = graph.add_block(code, Content::Zeros, 16, 4).unwrap();
        let bytes = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let section = graph.add_section("unwind", Protection::Read, Lifetime::Standard).unwrap();
        let block = graph.add_block(section, Content::Owned(bytes), 0, 3).unwrap();
        (graph, function, block)
    }

    #[test]
    fn records_find_function_and_common_record_in_any_format() {
        let (mut graph, function, block) = graph(&[4, 0, 8, 12, 7, 0, 4, 0, 8, 12, 9]);
        let symbol = graph.add_symbol(Symbol::anonymous(function, 8, 4)).unwrap();
        let kind = EdgeKind::DELTA32;
        graph.add_edge(block, Edge { offset: 40, kind, target: symbol, addend: 0 }).unwrap();
        graph.add_edge(block, Edge { offset: 16, kind, target: symbol, addend: 0 }).unwrap();
        split(&mut graph, [block]).unwrap();
        let sizes: Vec<u64> = graph.blocks().iter().map(|block| block.size).collect();
        assert_eq!(sizes, [16, 8, 12, 4, 8, 12]);
        let dependents: Vec<u32> = graph.dependents(function).map(|block| block.0).collect();
        assert_eq!(dependents, [5, 2]);
        for (record, common) in [(2, 1), (5, 4)] {
            let [pointer, first] = *graph.edges(BlockId(record)) else { panic!("edges of {record}") };
            assert_eq!((pointer.offset, pointer.kind), (4, EdgeKind::NEG_DELTA32));
            assert_eq!(graph.symbol(pointer.target).block(), Some(BlockId(common)));
            assert_eq!((first.offset, first.target), (8, symbol));
        }
        let terminator = graph.block(BlockId(3)).section;
        assert_eq!(graph.section(terminator).lifetime, Lifetime::NoAlloc);
    }

    #[test]
    fn an_empty_block_stays() {
        let (mut graph, _, block) = graph(&[]);
        split(&mut graph, [block]).unwrap();
        assert_eq!((graph.blocks().len(), graph.block(block).align_log2), (2, 3));
    }

    #[test]
    fn nonsense_is_malformed() {
        for words in [&[5, 0][..], &[8, 4, 0], &[4, 0, 8, 13, 0], &[u32::MAX, 4, 1, 0], &[2]] {
            let (mut graph, _, block) = graph(words);
            let error = split(&mut graph, [block]).unwrap_err().to_string();
            assert!(error.starts_with("made.o:unwind+0x"), "{error}");
        }
    }
}
