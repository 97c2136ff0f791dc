//! Graphs of stubs, each with its slot and maybe its trampoline.
//!
//! Each of the three is a block of its own, so that demand linking places only those that are called. A stub and its
//! slot are placed in the same batch, because a later one may be in another window, out of reach.

use linkjit_executor::{ExecAddr, ReentryId};
use linkjit_link::arch::ArchTables;
use linkjit_link::graph::{
    BlockId, Content, Edge, EdgeKind, Group, Lifetime, LinkGraph, Linkage, Name, Protection, Scope, SectionId, Symbol,
    SymbolId,
};
use linkjit_link::names::{NameId, NamePool};

use crate::error::Result;

/// The prefix of the names of slots: slots have names so that they are found when they are linked.
const SLOT: &str = "$__SLOT.";

/// A graph of stubs in the making.
#[derive(Debug)]
pub(super) struct Stubs {
    graph: LinkGraph,
    code: SectionId,
    slots: SectionId,
    trampolines: SectionId,
}

/// The name of a stub, and who sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StubName {
    pub(crate) name: NameId,
    pub(super) linkage: Linkage,
    pub(super) scope: Scope,
    /// It is an inline function's, of which others may have copies: one serves for all (`session/vague.rs`).
    pub(super) is_vague: bool,
}

impl StubName {
    /// A definition that everybody can see.
    pub(super) fn exported(name: NameId) -> Self {
        Self { name, linkage: Linkage::Strong, scope: Scope::Default, is_vague: false }
    }
}

/// The way by which trampolines enter the session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entrance {
    pub(super) routine: ExecAddr,
    pub(super) reentry: ReentryId,
}

impl Stubs {
    /// Makes them in an empty graph.
    pub(super) fn new(mut graph: LinkGraph) -> Result<Self> {
        let code = graph.add_section(".text.stubs", Protection::ReadExec, Lifetime::Standard)?;
        let slots = graph.add_section(".data.slots", Protection::ReadWrite, Lifetime::Standard)?;
        let trampolines = graph.add_section(".text.trampolines", Protection::ReadExec, Lifetime::Standard)?;
        Ok(Self { graph, code, slots, trampolines })
    }

    /// The graph.
    pub(super) fn finish(self) -> LinkGraph {
        self.graph
    }

    /// Adds a stub that jumps to an address; returns the name of its slot.
    pub(super) fn add(&mut self, names: &mut NamePool, stub: StubName, target: ExecAddr) -> Result<NameId> {
        let (_, slot) = self.add_with_slot(names, stub, target)?;
        Ok(slot)
    }

    /// Adds a stub that jumps to trampoline `number`; returns the name of its slot.
    pub(super) fn add_lazy(
        &mut self,
        names: &mut NamePool,
        stub: StubName,
        entrance: Entrance,
        number: u32,
    ) -> Result<NameId> {
        let (slot, slot_name) = self.add_with_slot(names, stub, ExecAddr::NULL)?;
        let code = self.graph.arch().code();
        let routine = self.graph.add_symbol(Symbol::absolute(entrance.routine))?;
        let (block, trampoline) = self.graph.add_code(self.trampolines, &code.trampoline, &[routine])?;
        if let Content::Owned(bytes) = &mut self.graph.block_mut(block).content {
            (code.set_numbers)(bytes, number, entrance.reentry.0);
        }
        self.graph.add_edge(slot, Edge { offset: 0, kind: EdgeKind::POINTER, target: trampoline, addend: 0 })?;
        Ok(slot_name)
    }

    fn add_with_slot(
        &mut self,
        names: &mut NamePool,
        stub_name: StubName,
        target: ExecAddr,
    ) -> Result<(BlockId, NameId)> {
        let (arch, template) = (self.graph.arch(), &self.graph.arch().code().stub);
        // The stub's symbol is the first: if the name is taken, the error is about it, not about its slot.
        let (stub_block, stub) = self.graph.add_code(self.code, template, &[])?;
        self.name(stub, stub_name);
        self.graph.symbol_mut(stub).callable = true;
        if stub_name.is_vague {
            // As an object has it. The slot is no part of it: nobody else has one.
            self.graph.groups.push(Group::any(stub_name.name, vec![stub_block]));
        }
        let slot_name = intern_prefixed(names, SLOT, stub_name.name);
        let (slot_block, slot) = self.graph.add_data(self.slots, arch.word(target.0), arch.pointer_align_log2())?;
        self.name(slot, StubName { name: slot_name, scope: Scope::Hidden, ..stub_name });
        self.graph.add_edges(stub_block, template.edges(0, &[slot]))?;
        self.graph.add_dependent(slot_block, stub_block);
        Ok((slot_block, slot_name))
    }

    fn name(&mut self, symbol: SymbolId, name: StubName) {
        self.graph.symbol_mut(symbol).name = Name::Interned(name.name);
        self.graph.set_visibility(symbol, name.linkage, name.scope);
    }
}

/// The name of a prefix and a name, which may be any bytes.
pub(super) fn intern_prefixed(names: &mut NamePool, prefix: &str, name: NameId) -> NameId {
    let whole = [prefix.as_bytes(), names.bytes(name)].concat();
    names.intern(&whole)
}
