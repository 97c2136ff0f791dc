//! The ELF reader against objects that compilers and assemblers make, objects built by hand, and broken ones.
//!
//! Fixtures are sources, compiled when the tests run. [`Object`] shows a graph in forms that are easy to compare.

mod crafted;
mod malformed;
#[path = "../support/random.rs"]
mod random;
mod relocations;
mod sections;
mod symbols;
mod unwind;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use linkjit_link::arch::ArchTables;
use linkjit_link::graph::{BlockId, Definition, LinkGraph, Symbol, SymbolId};
use linkjit_link::names::NamePool;
use linkjit_link::object;
use linkjit_link::source::Source;

const GCC: &str = "cc";
const CLANG: &str = "clang-19";

/// A graph with its names.
struct Object {
    graph: LinkGraph,
    names: NamePool,
}

impl Object {
    fn read(bytes: Vec<u8>) -> Self {
        try_read(bytes).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The symbol of that name.
    fn id(&self, name: &str) -> SymbolId {
        let mut found = self.graph.symbol_ids().filter(|&id| self.name(id) == name);
        let id = found.next().unwrap_or_else(|| panic!("no symbol {name}"));
        assert!(found.next().is_none(), "{name} is there twice");
        id
    }

    fn symbol(&self, name: &str) -> &Symbol {
        self.graph.symbol(self.id(name))
    }

    fn name(&self, id: SymbolId) -> String {
        String::from_utf8_lossy(self.graph.symbol_name(&self.names, id)).into_owned()
    }

    /// The blocks of all sections of that name.
    fn blocks(&self, section: &str) -> Vec<BlockId> {
        let in_section = |&id: &BlockId| self.graph.section(self.graph.block(id).section).name == section;
        self.graph.block_ids().filter(in_section).collect()
    }

    /// The only block of the only section of that name.
    fn block(&self, section: &str) -> BlockId {
        let blocks = self.blocks(section);
        assert_eq!(blocks.len(), 1, "blocks of {section}");
        blocks[0]
    }

    /// The block that a symbol is in.
    fn block_with(&self, symbol: &str) -> BlockId {
        self.symbol(symbol).block().unwrap_or_else(|| panic!("{symbol} is not defined"))
    }

    /// `offset kind target addend` of every edge of a block.
    fn edges(&self, block: BlockId) -> Vec<String> {
        let edge = |edge: &linkjit_link::graph::Edge| {
            let kind = self.graph.arch().edge_kind_name(edge.kind);
            let target = self.graph.describe_symbol(&self.names, edge.target);
            format!("{:#x} {kind} {target} {}", edge.offset, edge.addend)
        };
        self.graph.edges(block).iter().map(edge).collect()
    }

    /// The section and offset that a symbol is at, or what else it is.
    fn place(&self, symbol: &str) -> String {
        match self.symbol(symbol).definition {
            Definition::Defined { block, offset } => {
                format!("{}+{offset}", self.graph.section(self.graph.block(block).section).name)
            }
            Definition::Absolute(address) => format!("absolute {}", address.0),
            Definition::External => "external".into(),
        }
    }

    fn dependents(&self, block: BlockId) -> Vec<BlockId> {
        self.graph.dependents(block).collect()
    }
}

fn try_read(bytes: Vec<u8>) -> linkjit_link::Result<Object> {
    let mut names = NamePool::new();
    let graph = object::read(&Source::new("fixture.o", bytes), &mut names)?;
    Ok(Object { graph, names })
}

/// The text of the error that reading gives.
fn error(bytes: Vec<u8>) -> String {
    match try_read(bytes) {
        Ok(object) => panic!("it was read:\n{}", object.graph.dump(&object.names, false)),
        Err(error) => error.to_string(),
    }
}

/// Runs a compiler on a source in the language of `extension`. The output is an object unless `flags` ask for another.
fn compile(compiler: &str, extension: &str, source: &str, flags: &[&str]) -> Vec<u8> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let stem = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("elf-{}-{number}", std::process::id()));
    let (input, output) = (stem.with_extension(extension), stem.with_extension("o"));
    std::fs::write(&input, source).expect("write a fixture");
    let mut command = Command::new(compiler);
    if !flags.contains(&"-shared") {
        command.arg("-c");
    }
    let run = command.args(flags).arg(&input).arg("-o").arg(&output).output();
    let run = run.unwrap_or_else(|error| panic!("{compiler} is needed: {error}"));
    assert!(run.status.success(), "{compiler} {flags:?}: {}\n{source}", String::from_utf8_lossy(&run.stderr));
    let bytes = std::fs::read(&output).expect("read what was compiled");
    for file in [input, output] {
        std::fs::remove_file(file).expect("remove a temporary file");
    }
    bytes
}

/// An object assembled by GNU as.
fn assemble(source: &str) -> Object {
    Object::read(compile(GCC, "s", source, &[]))
}

/// Lines of text about blocks of a list of sections, for comparing whole graphs.
fn all_edges(object: &Object) -> String {
    let mut text = String::new();
    for block in object.graph.block_ids() {
        let whole = object.graph.block(block);
        writeln!(text, "{} {:#x}", object.graph.section(whole.section).name, whole.section_offset)
            .expect("write to a string");
        for edge in object.edges(block) {
            writeln!(text, "  {edge}").expect("write to a string");
        }
    }
    text
}
