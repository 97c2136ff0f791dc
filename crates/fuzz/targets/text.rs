//! Everything that is read as text: linker scripts, check rules, directives of COFF objects, llvm-jitlink's command line,
//! names that are demangled, names of imports. The first byte says which. LLVM IR has a target of its own.

#![no_main]

use libfuzzer_sys::fuzz_target;
use linkjit::ExecAddr;
use linkjit_link::arch::Arch;
use linkjit_link::check::{Target, decode, evaluate, rules, self_references};
use linkjit_link::graph::SymbolId;
use linkjit_link::names::NamePool;
use linkjit_link::object;
use linkjit_link::object::import::Import;
use linkjit_link::object::import_slots;
use linkjit_link::source::Source;

// The command is no library; these parsers of it need nothing else of it.
#[path = "../../cli/src/script.rs"]
#[allow(dead_code, reason = "the parser alone is of interest")]
mod script;

mod jitlink;

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(bytes);
    match which % 8 {
        0 => _ = script::parse(&text),
        1 => {
            let memory = Memory(bytes);
            for rule in rules(&text, "jitlink-check") {
                if let Err(failure) = evaluate(&rule, &memory) {
                    assert!(!failure.to_string().is_empty());
                }
            }
        }
        2 => directives(bytes),
        3 => jitlink::parse(text.split('\n').map(str::to_owned).collect()),
        4 => {
            let shown = linkjit::demangle(&text);
            assert!(shown.len() <= 4096 || shown == text);
        }
        5 => {
            if let Some(target) = import_slots::target(bytes) {
                _ = import_slots::slot(target, Arch::X86_64, &mut NamePool::new());
            }
        }
        6 => _ = Import::parse(&Source::new("import", bytes.to_vec())),
        _ => {
            for arch in Arch::ALL {
                _ = decode(arch, bytes, 0x1000);
                _ = self_references(arch, bytes, SymbolId(0));
            }
        }
    }
});

/// Bytes from 0x1000 on, with a symbol and a section where they begin.
struct Memory<'a>(&'a [u8]);

const START: u64 = 0x1000;

impl Target for Memory<'_> {
    fn arch(&self) -> Arch {
        Arch::X86_64
    }

    fn symbol(&self, name: &str) -> Option<ExecAddr> {
        (name.len() < 4).then_some(ExecAddr(START + name.len() as u64))
    }

    fn section(&self, _file: &str, section: &str) -> Result<ExecAddr, String> {
        self.symbol(section).ok_or_else(|| "no such section".into())
    }

    fn stub(&self, _file: &str, symbol: &str, _kind: Option<&str>) -> Result<ExecAddr, String> {
        self.symbol(symbol).ok_or_else(|| "no such stub".into())
    }

    fn got_entry(&self, _file: &str, symbol: &str) -> Result<ExecAddr, String> {
        self.symbol(symbol).ok_or_else(|| "no such entry".into())
    }

    fn memory(&self, address: ExecAddr) -> &[u8] {
        let start = address.0.checked_sub(START).and_then(|start| usize::try_from(start).ok());
        start.and_then(|start| self.0.get(start..)).unwrap_or_default()
    }
}

/// An object of nothing but directives.
fn directives(text: &[u8]) {
    let size = u32::try_from(text.len()).unwrap_or(0);
    // The file header: x86-64, one section, no symbols.
    let mut object = vec![0x64, 0x86, 1, 0];
    object.resize(20, 0);
    // Its header: the text is behind it; information for the linker, to be removed.
    object.extend(b".drectve");
    object.extend([0; 8]);
    object.extend(size.to_le_bytes());
    object.extend(60_u32.to_le_bytes());
    object.extend([0; 12]);
    object.extend(0x0010_0a00_u32.to_le_bytes());
    object.extend(text);
    match object::read(&Source::new("directives.obj", object), &mut NamePool::new()) {
        Ok(graph) => assert!(graph.requests.len() <= text.len() + 1),
        Err(error) => assert!(error.to_string().len() < 10_000),
    }
}
