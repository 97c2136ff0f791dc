//! Symbol tables of libraries, without the libraries: what a session looks at to find what a library needs from a program.

/// `SHT_STRTAB` and `SHT_DYNSYM` (gABI, "Sections").
const STRINGS: u32 = 3;
const DYNAMIC_SYMBOLS: u32 = 11;

const HEADER_SIZE: usize = 64;
const SECTION_SIZE: usize = 64;
const SYMBOL_SIZE: usize = 24;

/// Returns a file that has nothing of the library with these bytes but those of its dynamic symbols that it does not define
/// or that others may replace; `None` if the library is malformed. It may have gigabytes, and sessions may be far away.
pub(super) fn extract(library: &[u8]) -> Option<Vec<u8>> {
    let header = library.get(..HEADER_SIZE).filter(|header| header.starts_with(b"\x7fELF\x02\x01"))?;
    let section = |index: u64| {
        let at = usize::try_from(word(header, 40)?.checked_add(index.checked_mul(SECTION_SIZE as u64)?)?).ok()?;
        library.get(at..)?.get(..SECTION_SIZE)
    };
    let contents = |section: &[u8]| {
        let at = usize::try_from(word(section, 24)?).ok()?;
        library.get(at..)?.get(..usize::try_from(word(section, 32)?).ok()?)
    };
    let mut sections = (0..u64::from(half(header, 60)?)).map_while(section);
    let table = sections.find(|section| number(section, 4) == Some(DYNAMIC_SYMBOLS))?;
    let (symbols, names) = (contents(table)?, contents(section(number(table, 40)?.into())?)?);

    let (mut kept, mut strings) = (vec![0; SYMBOL_SIZE], vec![0]);
    for symbol in symbols.chunks_exact(SYMBOL_SIZE).skip(1) {
        let is_weak = matches!(symbol[4] >> 4, crate::elf::STB_WEAK | crate::elf::STB_GNU_UNIQUE);
        if !is_weak && half(symbol, 6)? != crate::elf::SHN_UNDEF {
            continue;
        }
        let name = names.get(number(symbol, 0)? as usize..)?;
        let name = &name[..name.iter().position(|&byte| byte == 0)?];
        let start = u32::try_from(strings.len()).ok()?;
        kept.extend(start.to_le_bytes());
        kept.extend(&symbol[4..]);
        strings.extend(name);
        strings.push(0);
    }
    Some(file(header, &kept, &strings))
}

/// A file of the same kind that has these two sections.
fn file(header: &[u8], symbols: &[u8], strings: &[u8]) -> Vec<u8> {
    let at = HEADER_SIZE + 3 * SECTION_SIZE;
    let mut file = header.to_vec();
    file[32..40].fill(0);
    file[40..48].copy_from_slice(&(HEADER_SIZE as u64).to_le_bytes());
    // No segments, three sections; their names are to be in the last one.
    file[54..64].copy_from_slice(&[0, 0, 0, 0, SECTION_SIZE as u8, 0, 3, 0, 2, 0]);
    file.extend([0; SECTION_SIZE]);
    file.extend(section(DYNAMIC_SYMBOLS, at, symbols.len(), [2, 1], SYMBOL_SIZE));
    file.extend(section(STRINGS, at + symbols.len(), strings.len(), [0, 0], 0));
    file.extend(symbols);
    file.extend(strings);
    file
}

fn section(kind: u32, at: usize, size: usize, link: [u32; 2], entry: usize) -> [u8; SECTION_SIZE] {
    let mut header = [0; SECTION_SIZE];
    header[4..8].copy_from_slice(&kind.to_le_bytes());
    header[24..32].copy_from_slice(&(at as u64).to_le_bytes());
    header[32..40].copy_from_slice(&(size as u64).to_le_bytes());
    header[40..44].copy_from_slice(&link[0].to_le_bytes());
    header[44..48].copy_from_slice(&link[1].to_le_bytes());
    header[48..56].copy_from_slice(&1u64.to_le_bytes());
    header[56..64].copy_from_slice(&(entry as u64).to_le_bytes());
    header
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..)?.first_chunk().copied()?))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..)?.first_chunk().copied()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..)?.first_chunk().copied()?))
}
