//! The text form of a graph, for people.

use std::fmt::{self, Display, Write as _};

use crate::arch::ArchTables;
use crate::graph::{BlockId, Definition, LinkGraph, Linkage, Scope, Symbol, SymbolId};
use crate::names::NamePool;

/// Prints a whole graph; see [`LinkGraph::dump`].
struct Dump<'a> {
    graph: &'a LinkGraph,
    names: &'a NamePool,
    live_only: bool,
}

impl LinkGraph {
    /// The graph as text: sections in order, their blocks with symbols and edges, then absolute and external symbols.
    /// With `live_only`, what pruning removed is left out.
    pub fn dump<'a>(&'a self, names: &'a NamePool, live_only: bool) -> impl Display + 'a {
        Dump { graph: self, names, live_only }
    }
}

impl Display for Dump<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let graph = self.graph;
        writeln!(f, "LinkGraph \"{}\" ({})", graph.name(), graph.arch())?;
        let mut symbols_of = vec![Vec::new(); graph.blocks().len()];
        for id in graph.symbol_ids() {
            if let Definition::Defined { block, offset } = graph.symbol(id).definition {
                symbols_of[block.index()].push((offset, id));
            }
        }
        let mut blocks: Vec<_> = graph.block_ids().collect();
        blocks.sort_by_key(|&block| graph.block(block).section);
        let mut blocks = blocks.into_iter().peekable();
        for id in graph.section_ids() {
            let section = graph.section(id);
            writeln!(f, "section {} ({}, {:?}):", section.name, section.protection, section.lifetime)?;
            while let Some(block) = blocks.next_if(|&block| graph.block(block).section == id) {
                let symbols = &mut symbols_of[block.index()];
                symbols.sort_unstable();
                self.block(f, block, symbols)?;
            }
        }
        self.others(f, "absolute", |symbol| matches!(symbol.definition, Definition::Absolute(_)))?;
        self.others(f, "external", Symbol::is_external)
    }
}

impl Dump<'_> {
    fn block(&self, f: &mut fmt::Formatter<'_>, id: BlockId, symbols: &[(u64, SymbolId)]) -> fmt::Result {
        let block = self.graph.block(id);
        if self.live_only && !block.live {
            return Ok(());
        }
        write!(f, "  block {:#x} size = {:#x}, align = {}", block.address, block.size, block.alignment())?;
        if block.alignment_offset != 0 {
            write!(f, ", alignment-offset = {}", block.alignment_offset)?;
        }
        f.write_str(if block.is_zeros() { ", zero-fill" } else { "" })?;
        writeln!(f, "{}", if block.live { ", live" } else { "" })?;
        for &(offset, id) in symbols {
            write!(f, "    +{offset:#x} ")?;
            self.symbol(f, id)?;
        }
        for edge in self.graph.edges(id) {
            let kind = self.graph.arch().edge_kind_name(edge.kind);
            let target = self.graph.describe_symbol(self.names, edge.target);
            let sign = if edge.addend < 0 { '-' } else { '+' };
            writeln!(f, "    @{:#x} {kind} {target} {sign} {:#x}", edge.offset, edge.addend.unsigned_abs())?;
        }
        Ok(())
    }

    fn symbol(&self, f: &mut fmt::Formatter<'_>, id: SymbolId) -> fmt::Result {
        let symbol = self.graph.symbol(id);
        let name = self.graph.symbol_name(self.names, id);
        let name = if name.is_empty() { "<anonymous>".into() } else { String::from_utf8_lossy(name) };
        let mut marks = String::new();
        for (mark, set) in [
            ("callable", symbol.callable),
            ("thread-local", symbol.thread_local),
            ("indirect", symbol.indirect),
            ("live", symbol.live),
        ] {
            if set {
                write!(marks, ", {mark}")?;
            }
        }
        let linkage = match symbol.linkage {
            Linkage::Strong => "strong",
            Linkage::Weak => "weak",
            Linkage::Common => "common",
            Linkage::Fallback => "fallback",
        };
        let scope = match symbol.scope {
            Scope::Default => "default",
            Scope::Hidden => "hidden",
            Scope::Local => "local",
        };
        writeln!(f, "{name}: size {:#x}, {linkage}, {scope}{marks}", symbol.size)
    }

    fn others(&self, f: &mut fmt::Formatter<'_>, what: &str, is: impl Fn(&Symbol) -> bool) -> fmt::Result {
        writeln!(f, "{what} symbols:")?;
        let mut none = true;
        for id in self.graph.symbol_ids() {
            let symbol = self.graph.symbol(id);
            if is(symbol) && (symbol.live || !self.live_only) {
                none = false;
                write!(f, "  {:#x} ", self.graph.address(id))?;
                self.symbol(f, id)?;
            }
        }
        if none { f.write_str("  none\n") } else { Ok(()) }
    }
}
