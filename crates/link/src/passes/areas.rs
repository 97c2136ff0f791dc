//! Large sections, which get areas of the address space for themselves; and the sizes of these and of all others.
//!
//! Code of the medium and large models reaches sections that are marked `SHF_X86_64_LARGE` at any distance (psABI,
//! "Code Models"). So they need not use up the addresses that code reaches by 32-bit displacements.

use super::shared::Aside;
use crate::graph::{Block, Lifetime, LinkGraph};
use crate::input::Input;
use crate::layout::SEGMENTS;

/// The number of bytes that the live, not yet placed blocks of some inputs take.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Room {
    /// Bytes by protection, as in [`SEGMENTS`], but for large sections. Alignment is counted in.
    pub usual: [u64; SEGMENTS.len()],
    /// Those of large sections.
    pub large: [u64; SEGMENTS.len()],
}

impl Room {
    /// Counts the blocks of inputs.
    #[must_use]
    pub fn count(inputs: &[Input], members: impl IntoIterator<Item = u32>) -> Self {
        let mut room = Self::default();
        for input in members.into_iter().filter_map(|member| inputs.get(member as usize)) {
            for block in input.unplaced().map(|id| input.graph.block(id)) {
                let section = input.graph.section(block.section);
                let bytes = if section.large { &mut room.large } else { &mut room.usual };
                if section.lifetime != Lifetime::NoAlloc {
                    let bytes = &mut bytes[section.protection as usize];
                    *bytes = bytes.saturating_add(block.room());
                }
            }
        }
        room
    }
}

/// Sets all live, not yet placed blocks of `members` aside that are not large: they are not live until
/// [`super::shared::bring_back`].
pub fn set_aside(inputs: &mut [Input], members: &[u32]) -> Aside {
    let mut aside = Vec::new();
    for &member in members {
        let input = &inputs[member as usize];
        let usual = input.unplaced().filter(|&block| !is_large(&input.graph, input.graph.block(block)));
        aside.extend(usual.map(|block| (member, block)));
    }
    for &(member, block) in &aside {
        inputs[member as usize].graph.block_mut(block).live = false;
    }
    Aside(aside)
}

/// Returns whether an input has something large that is to be placed.
#[must_use]
pub fn has_large(input: &Input) -> bool {
    let graph = &input.graph;
    graph.has_large_sections() && input.unplaced().any(|block| is_large(graph, graph.block(block)))
}

fn is_large(graph: &LinkGraph, block: &Block) -> bool {
    graph.section(block.section).large
}
