//! The COFF reader against objects that clang and MinGW's compilers make, and broken ones.
//!
//! Fixtures are sources, compiled when the tests run.

mod comdat;
mod malformed;
mod symbols;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use linkjit_link::arch::ArchTables;
use linkjit_link::graph::{BlockId, Definition, LinkGraph, Symbol, SymbolId};
use linkjit_link::names::NamePool;
use linkjit_link::object;
use linkjit_link::source::Source;

const MSVC: &[&str] = &["clang-19", "--target=x86_64-pc-windows-msvc"];
const MINGW: &[&str] = &["x86_64-w64-mingw32-gcc-posix"];

/// A graph with its names.
struct Object {
    graph: LinkGraph,
    names: NamePool,
}

impl Object {
    fn read(bytes: Vec<u8>) -> Self {
        let mut names = NamePool::new();
        let graph = object::read(&Source::new("fixture.obj", bytes), &mut names);
        Self { graph: graph.unwrap_or_else(|error| panic!("{error}")), names }
    }

    /// An object from assembly.
    fn assembled(source: &str) -> Self {
        Self::read(compile(MSVC, "s", source, &[]))
    }

    /// The first symbol of that name that is no section's.
    fn id(&self, name: &str) -> SymbolId {
        let named = |&id: &SymbolId| self.graph.symbol_name(&self.names, id) == name.as_bytes();
        self.graph.symbol_ids().find(named).unwrap_or_else(|| panic!("no symbol {name}"))
    }

    fn symbol(&self, name: &str) -> &Symbol {
        self.graph.symbol(self.id(name))
    }

    /// The blocks of all sections of that name.
    fn blocks(&self, section: &str) -> Vec<BlockId> {
        let in_section = |&id: &BlockId| self.graph.section(self.graph.block(id).section).name == section;
        self.graph.block_ids().filter(in_section).collect()
    }

    /// `offset kind target addend` of every edge of a block.
    fn edges(&self, block: BlockId) -> Vec<String> {
        let edges = self.graph.edges(block).iter().map(|edge| {
            let kind = self.graph.arch().edge_kind_name(edge.kind);
            let target = self.graph.describe_symbol(&self.names, edge.target);
            format!("{:#x} {kind} {target} {}", edge.offset, edge.addend)
        });
        edges.collect()
    }

    /// Where a symbol is: its section and the offset in its block.
    fn place(&self, name: &str) -> Option<(String, u64)> {
        let Definition::Defined { block, offset } = self.symbol(name).definition else { return None };
        Some((self.graph.section(self.graph.block(block).section).name.to_string(), offset))
    }

    fn text(&self, name: linkjit_link::names::NameId) -> String {
        self.names.text(name).into_owned()
    }
}

/// Compiles a source; `language` is its extension.
fn compile(compiler: &[&str], language: &str, source: &str, flags: &[&str]) -> Vec<u8> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("coff_{}_{number}.obj", std::process::id()));
    let language = if language == "s" { "assembler" } else { language };
    let mut command = Command::new(compiler[0]);
    command.args(&compiler[1..]).args(flags).args(["-x", language, "-", "-c", "-o"]).arg(&output);
    let mut process = command.stdin(Stdio::piped()).spawn().expect("the compiler is installed");
    process.stdin.take().expect("a pipe").write_all(source.as_bytes()).expect("the compiler reads");
    assert!(process.wait().expect("it ends").success(), "{command:?}: {source}");
    let bytes = std::fs::read(&output).expect("an object");
    std::fs::remove_file(&output).expect("the object is ours");
    bytes
}

/// What the reader says about bytes that it refuses.
fn error(bytes: Vec<u8>) -> String {
    let read = object::read(&Source::new("fixture.obj", bytes), &mut NamePool::new());
    read.expect_err("it is no good object").to_string()
}
