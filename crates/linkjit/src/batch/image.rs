//! The names for the beginnings and ends of a program's parts (`end`, `__init_array_start`, ...).
//!
//! A JITDylib grows batch by batch; code that uses these names sees the state of its own batch. The memory between two
//! of these addresses can be read. The batch's code and data lie where a program expects them: `etext` is beyond all
//! code, `edata` and `__bss_start` are between the data and the zeros of the same tracker, `end` is beyond everything.

use linkjit_executor::{ExecAddr, ExecRange, Window};
use linkjit_link::graph::{InitializerOrder, Lifetime, Protection};
use linkjit_link::linker_names::{ImageName, NO_UNWIND_RECORDS, UNWIND_HEADER_SECTION};

use super::Batch;
use super::place::PlacedDomain;
use crate::error::Result;
use crate::session::DylibId;

const EXEC: usize = Protection::ReadExec as usize;
const WRITE: usize = Protection::ReadWrite as usize;

impl Batch<'_> {
    /// Has the pointers placed side by side, in order, of arrays that code walks through.
    pub(super) fn gather_arrays(&mut self) -> Result<()> {
        for (dylib, array) in self.walked_arrays() {
            let (from, to) = array.sections();
            for input in self.inputs.iter_mut().filter(|input| DylibId(input.dylib) == dylib) {
                let graph = &mut input.graph;
                for run in graph.initializers.clone() {
                    let section = graph.section(graph.block(run.block).section);
                    if !section.name.starts_with(from) || graph.block(run.block).placed {
                        continue;
                    }
                    let priority = match run.order {
                        InitializerOrder::Init(priority) | InitializerOrder::Fini(priority) => priority,
                        _ => 0,
                    };
                    let name = format!("{to}${priority:05}");
                    let section = graph.add_section(&name, Protection::Read, Lifetime::Standard)?;
                    graph.section_mut(section).grouped = true;
                    graph.block_mut(run.block).section = section;
                }
            }
        }
        Ok(())
    }

    /// Finds what a name of the image stands for to the code of an input.
    pub(super) fn image_address(
        &self,
        name: ImageName,
        dylib: DylibId,
        input: u32,
        section: impl Fn(&str) -> Result<ExecRange>,
    ) -> Result<ExecAddr> {
        let range = self.inputs[input as usize].window;
        let window = self.session.state().dylib(dylib)?.window_at(range.start);
        let Some(window) = window else { return Ok(ExecAddr::NULL) };
        let placed = || self.placed.domains.iter().filter(|placed| placed.domain.dylib == dylib);
        let ends = |segment: usize| {
            let end = move |placed: &PlacedDomain| placed.layout.segments()[segment].end;
            let is_in_window = move |end: &ExecAddr| window.range.start <= *end && *end <= window.range.end;
            placed().map(end).filter(is_in_window).max().unwrap_or(window.stripes[segment].start)
        };
        Ok(match name {
            ImageName::Header => {
                self.session.executor().make_image_header(window.id, true)?;
                window.range.start
            }
            ImageName::CodeEnd => ends(EXEC),
            ImageName::DataStart | ImageName::NoRelocations => window.stripes[WRITE].start,
            ImageName::DataEnd => {
                let own = placed().filter(|placed| placed.domain.members.contains(&input));
                own.map(|placed| placed.layout.data_end()).max().unwrap_or_else(|| ends(WRITE))
            }
            ImageName::End => ends(WRITE),
            ImageName::Array(array, bound) => {
                let range = section(array.sections().1)?;
                if range == ExecRange::default() { window.stripes[WRITE].start } else { bound.address_in(range) }
            }
            ImageName::UnwindRecords => self.unwind_records(dylib, window, input),
        })
    }

    /// The longest unwind table of the batch in a window; or else zeros, which the header of the table has behind it.
    fn unwind_records(&self, dylib: DylibId, window: Window, input: u32) -> ExecAddr {
        let placed = self.placed.domains.iter().filter(|placed| placed.domain.dylib == dylib);
        let tables = placed.filter_map(|placed| placed.layout.unwind_table());
        let tables = tables.filter(|table| window.range.contains(table.start));
        if let Some(table) = tables.max_by_key(|table| table.size()) {
            return table.start;
        }
        let graph = &self.inputs[input as usize].graph;
        let is_header =
            |block: &&linkjit_link::graph::Block| graph.section(block.section).name == UNWIND_HEADER_SECTION;
        let header = graph.blocks().iter().find(is_header);
        header.map_or(ExecAddr::NULL, |header| header.address.offset(NO_UNWIND_RECORDS))
    }
}
