//! `%disasm`: the machine code of functions as it is in the executor's memory.

use std::collections::BTreeMap;
use std::fmt::Write;

use linkjit::{DefinedSymbol, ExecAddr, ExecRange};

use crate::error::Result;
use crate::frontend::Instruction;
use crate::names::{BODY, INPUT, as_written};
use crate::repl::Repl;

/// Memory is linked in pages of at least that size.
const PAGE: u64 = 4096;
/// Functions are hardly longer.
const LONGEST: u64 = 1 << 20;

/// A version of a function.
#[derive(Clone)]
struct Version {
    /// The input that defines it.
    input: usize,
    symbol: String,
}

impl Repl {
    /// The instructions of the functions of a name, which is as people write it, or a symbol; empty if there is none. Of a
    /// function that was defined again, it is the last one.
    pub(crate) fn disassembly(&mut self, name: &str) -> Result<String> {
        let functions = versions(&self.jit()?.main().symbols()?, name);
        let mut text = String::new();
        for (shown, version) in functions {
            let Some(start) = self.jit()?.link(&[version.symbol])?.first().copied() else { continue };
            let symbols = self.jit()?.main().symbols()?;
            let code = self.code(start, &symbols)?;
            let names = addresses(&symbols);
            let mut instructions = self.front_end()?.disassemble(start.0, &code)?;
            while instructions.last().is_some_and(is_padding) {
                instructions.pop();
            }
            let _text_takes_all = write_listing(&mut text, &shown, start, &instructions, &names);
        }
        Ok(text)
    }

    /// The bytes of a function: the tables know only where the next one begins.
    fn code(&mut self, start: ExecAddr, symbols: &[DefinedSymbol]) -> Result<Vec<u8>> {
        let next = symbols.iter().filter_map(|symbol| symbol.address).filter(|&address| address > start).min();
        let next = next.map(|next| next.0).filter(|next| next - start.0 < LONGEST);
        // The last function of an input ends somewhere in its page.
        let page = (start.0 | (PAGE - 1)).wrapping_add(1);
        let executor = self.jit()?.session().executor();
        let read = |end| executor.read(ExecRange { start, end: ExecAddr(end) });
        match next.map(read) {
            Some(Ok(code)) => Ok(code),
            _ => Ok(read(page).map_err(linkjit::Error::from)?),
        }
    }
}

/// Says whether an instruction stands only between functions: those that do nothing, and what zeros are on x86 and ARM.
fn is_padding(instruction: &Instruction) -> bool {
    let text = &*instruction.text;
    let begins = |beginning: &str| text.starts_with(beginning);
    begins("nop")
        || begins("(no instruction: 00")
        || ["int3", "xchgw %ax, %ax", "addb %al, (%rax)", "udf #0x0"].contains(&text)
}

/// The last version of each function that a name may mean, by the name with parameters.
fn versions(symbols: &[DefinedSymbol], name: &str) -> BTreeMap<String, Version> {
    let mut found: BTreeMap<String, Version> = BTreeMap::new();
    for symbol in symbols {
        let text = symbol.name.text();
        let base = text.strip_suffix(BODY).unwrap_or(&text);
        let shown = as_written(&linkjit::demangle(base));
        // Microsoft's begin with the type.
        let is_spelled =
            shown.split_once(&format!("{name}(")).is_some_and(|(before, _)| before.is_empty() || before.ends_with(' '));
        if !is_spelled && ![base, &shown].contains(&name) {
            continue;
        }
        let input = symbol.object.strip_prefix(INPUT).and_then(|number| number.parse().ok()).unwrap_or(0);
        let is_function = base != text || shown.contains('(') || input == 0;
        let version = Version { input, symbol: text.clone().into_owned() };
        // The body has the code of a function that calls go to through a pointer.
        let is_better = |old: &Version| (old.input, old.symbol.ends_with(BODY)) < (input, base != text);
        if is_function && found.get(&shown).is_none_or(is_better) {
            found.insert(shown, version);
        }
    }
    found
}

/// The names of functions and variables, by their addresses.
fn addresses(symbols: &[DefinedSymbol]) -> BTreeMap<u64, String> {
    let named = symbols.iter().filter_map(|symbol| Some((symbol.address?.0, symbol.name.text())));
    named.map(|(address, name)| (address, as_written(&linkjit::demangle(&name)))).collect()
}

fn write_listing(
    out: &mut String,
    name: &str,
    start: ExecAddr,
    instructions: &[Instruction],
    names: &BTreeMap<u64, String>,
) -> std::fmt::Result {
    writeln!(out, "{name}:")?;
    let end = instructions.last().map_or(0, |last| last.offset);
    for Instruction { offset, text, target } in instructions {
        write!(out, "{:#x}  {text}", start.0.wrapping_add(*offset))?;
        let inside = target.wrapping_sub(start.0);
        match names.get(target) {
            _ if *target == 0 => {}
            Some(name) => write!(out, "  # {name}")?,
            None if inside <= end => write!(out, "  # +{inside:#x}")?,
            // Jumps show the address themselves, operands do not.
            None if text.contains(&format!("{target:#x}")) => {}
            None => write!(out, "  # {target:#x}")?,
        }
        out.push('\n');
    }
    Ok(())
}
