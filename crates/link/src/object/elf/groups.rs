//! Section groups (`SHT_GROUP`; gABI, "Section Groups").

use object::Endian as _;
use object::elf;
use object::read::elf::FileHeader;

use super::file::File;
use super::sections::Blocks;
use super::symbols::SymbolTable;
use crate::error::Result;
use crate::graph::{Group, LinkGraph, Symbol};
use crate::names::NamePool;

/// Adds the COMDAT groups. Groups of another kind only say that their sections go together, which references do too.
pub(super) fn read<E: FileHeader>(
    file: &File<'_>,
    table: &SymbolTable<'_, E>,
    blocks: &Blocks,
    graph: &mut LinkGraph,
    names: &mut NamePool,
) -> Result<()> {
    let endian = E::Endian::default();
    for section in file.sections.iter().filter(|section| section.kind == elf::SHT_GROUP) {
        let (words, rest) = section.data.as_chunks::<4>();
        let (Some((&flags, members)), true) = (words.split_first(), rest.is_empty()) else {
            return Err(file.malformed_section(section, "section group: its size is wrong"));
        };
        if endian.read_u32(flags) & elf::GRP_COMDAT.0 == 0 {
            continue;
        }
        // Symbol `i` of the graph is symbol `i` of the file, and its name was interned then.
        let symbol = graph.symbols().get(section.info as usize);
        let signature = symbol.and_then(Symbol::global_name).or_else(|| {
            let name = table.name_or_section(file, section.info)?;
            Some(names.intern(name))
        });
        let Some(signature) = signature.filter(|_| section.link == table.section) else {
            return Err(file.malformed_section(section, "section group: it has no signature"));
        };
        let mut group = Group::any(signature, Vec::new());
        for &member in members {
            let member = endian.read_u32(member);
            if member == 0 || file.section(member).is_none() {
                let what = format_args!("section group: its member {member} does not exist");
                return Err(file.malformed_section(section, what));
            }
            // Relocations and the like have no block; they go with their section.
            group.blocks.extend(blocks.block(member));
        }
        graph.groups.push(group);
    }
    Ok(())
}
