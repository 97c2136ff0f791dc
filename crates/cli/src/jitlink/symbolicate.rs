//! Writing symbol tables of programs that ran, and naming the addresses in their backtraces.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;

use super::failure::{Failure, Result};
use super::linked::LinkedProgram;
use super::read;

/// An address that is further from the symbol before it is not taken to be in it.
const LARGEST_SYMBOL: u64 = 1 << 31;

/// `-write-symtab`: each file's name in quotes, then a line per symbol, of its address and name.
pub(super) fn write_table(program: &LinkedProgram<'_>, path: &Path) -> Result<()> {
    let mut text = String::new();
    for file in &program.files {
        text += &format!("\"{}\"\n", file.name);
        for (address, name) in file.symbols(program.names) {
            text += &format!("{address:#x} {name}\n");
        }
    }
    let unwritable = |error| Failure::usage(format!("'{}': {error}", path.display()));
    std::fs::write(path, text).map_err(unwritable)
}

/// `-symbolicate-with`: prints backtraces with names behind the addresses at the ends of their lines.
pub(super) fn symbolicate<'a>(table: &Path, backtraces: impl Iterator<Item = &'a Path>) -> Result<i32> {
    let table = read(table)?;
    let table = String::from_utf8_lossy(table.bytes());
    let symbols = symbols(&table);
    let mut out = std::io::stdout().lock();
    for path in backtraces {
        let backtrace = if path == Path::new("-") {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes).map_err(|error| Failure::usage(format!("'-': {error}")))?;
            bytes
        } else {
            read(path)?.bytes().to_vec()
        };
        for line in String::from_utf8_lossy(&backtrace).lines() {
            writeln!(out, "{}", name_line(line, &symbols))?;
        }
    }
    Ok(0)
}

/// Symbols with their files, by address. Other lines are passed over.
fn symbols(table: &str) -> BTreeMap<u64, (&str, &str)> {
    let mut symbols = BTreeMap::new();
    let mut file = "<unidentified>";
    for line in table.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            file = name;
        } else if let Some((address, name)) = line.split_once(' ')
            && let Some(address) = hexadecimal(address)
        {
            symbols.insert(address, (name, file));
        }
    }
    symbols
}

fn name_line(line: &str, symbols: &BTreeMap<u64, (&str, &str)>) -> String {
    let named = || {
        let row = line.trim_end();
        let address = hexadecimal(row.rsplit_once(' ')?.1)?;
        let (start, (symbol, file)) = symbols.range(..=address).next_back()?;
        match address - start {
            0 => Some(format!("{row} {symbol} ({file})")),
            offset if offset < LARGEST_SYMBOL => Some(format!("{row} {symbol} + {offset} ({file})")),
            _ => None,
        }
    };
    named().unwrap_or_else(|| line.into())
}

/// With or without `0x`.
fn hexadecimal(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    // Signs are none.
    let is_number = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(digits, 16).ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_at_ends_of_lines_get_names() {
        let table = "\"a.o\"\n0x1000 f\n1040 g h\n\"b.o\"\nnonsense\nxyz q\n0xffffffff00000000 far\n";
        let symbols = symbols(table);
        for (line, named) in [
            (" #0 0x1000", " #0 0x1000 f (a.o)"),
            (" #1 0x0000000000001050  ", " #1 0x0000000000001050 g h + 16 (a.o)"),
            ("at 103f", "at 103f f + 63 (a.o)"),
            (" #2 0xfff", " #2 0xfff"),
            (" #3 0x1000 (somewhere)", " #3 0x1000 (somewhere)"),
            ("0x1000", "0x1000"),
            ("far 0x80001040", "far 0x80001040"),
            ("b 0xffffffff00000001", "b 0xffffffff00000001 far + 1 (b.o)"),
            ("sign +1000", "sign +1000"),
            ("", ""),
        ] {
            assert_eq!(name_line(line, &symbols), named);
        }
    }
}
