//! Records of functions (`.pdata`; "PE Format", "The .pdata Section"). Each is a block that lives as long as its
//! function.

use super::file::{File, Section};
use super::sections::{Blocks, is_function_table};
use crate::arch::ArchTables;
use crate::error::{LinkError, Result};
use crate::graph::LinkGraph;

/// Splits the tables into records, and ties these to their functions.
pub(super) fn split(file: &File<'_>, blocks: &Blocks, graph: &mut LinkGraph) -> Result<()> {
    let record_size = graph.arch().function_record_size();
    let mut tables = Vec::new();
    let mut cuts = Vec::new();
    for (number, section) in file.numbered().filter(|(_, section)| is_function_table(file, section)) {
        let Some(block) = blocks.block(number) else { continue };
        let records = section.size / record_size;
        // Before memory is taken for them: a section without content may claim gigabytes of records.
        let begins = graph.edges(block).iter().filter(|edge| u64::from(edge.offset).is_multiple_of(record_size));
        if (begins.count() as u64) < records {
            return Err(no_function(file, section));
        }
        cuts.extend((1..records).map(|record| (block, record * record_size)));
        tables.push((section, block, records));
    }
    let mut parts = graph.split_blocks(&cuts)?;
    for (section, block, records) in tables {
        let count = usize::try_from(records.saturating_sub(1)).unwrap_or(usize::MAX);
        for record in std::iter::once(block).chain(parts.by_ref().take(count)) {
            graph.block_mut(record).align_log2 = 2;
            graph.block_mut(record).alignment_offset = 0;
            let begin = graph.edges(record).iter().find(|edge| edge.offset == 0);
            let Some(begin) = begin else {
                if records == 0 {
                    continue;
                }
                return Err(no_function(file, section));
            };
            if let Some(function) = graph.symbol(begin.target).block() {
                graph.add_dependent(function, record);
            }
        }
    }
    Ok(())
}

#[cold]
fn no_function(file: &File<'_>, section: &Section<'_>) -> LinkError {
    file.malformed_section(section, "table of functions: a record names no function")
}
