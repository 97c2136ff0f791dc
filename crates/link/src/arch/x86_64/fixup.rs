//! Applying edges of x86-64.

use super::Kind;
use super::relax::{load_address, relax};
use crate::arch::fixup::{Fixup, Refusal, overflow, unsigned};
use crate::endian::Little;

pub(in crate::arch) fn apply(fixup: &mut Fixup<'_, Little>) -> Result<(), Refusal> {
    let Some(kind) = Kind::from_edge(fixup.edge.kind) else { return fixup.apply() };
    let got_base = fixup.context.got_base.0;
    match kind {
        // Edges that need an entry were given its symbol as their target when it was made.
        Kind::Branch32
        | Kind::GotDelta32
        | Kind::TlsPairDelta32
        | Kind::TlsModuleDelta32
        | Kind::TlsDescriptorDelta32
        | Kind::ThreadOffsetDelta32 => fixup.write_signed::<4>(fixup.distance(fixup.place())),
        // The addend is in the entry.
        Kind::AddressLoad32 => {
            let end = fixup.place().wrapping_add(4);
            let value = fixup.graph.address(fixup.edge.target).0.wrapping_sub(end);
            if !load_address(fixup.edge, fixup.bytes) {
                return Err(Refusal::Why("the instruction can't be turned into one that loads the address"));
            }
            fixup.write_signed::<4>(value)
        }
        Kind::GotLoad32 | Kind::RexGotLoad32 => {
            let graph = fixup.graph;
            let entry_of = graph.entry_target(fixup.edge.target);
            let target = graph.address(entry_of.unwrap_or(fixup.edge.target)).0;
            if relax(fixup.edge, fixup.bytes, fixup.address, target) {
                return Ok(());
            }
            let distance = fixup.distance(fixup.place());
            if entry_of.is_none() {
                return Err(overflow(distance, "32 signed bits"));
            }
            fixup.write_signed::<4>(distance)
        }
        Kind::Pointer32Signed => fixup.write_signed::<4>(fixup.target()),
        Kind::GotDelta64 => fixup.write::<8>(fixup.distance(fixup.place())),
        Kind::Size32 => fixup.write_unsigned::<4>(fixup.size()?),
        Kind::Size64 => fixup.write::<8>(fixup.size()?),
        Kind::GotOffset32 => fixup.write_signed::<4>(fixup.distance(got_base)),
        Kind::GotOffset64 | Kind::FromGotBase64 | Kind::StubFromGotBase64 => fixup.write::<8>(fixup.distance(got_base)),
        Kind::GotBaseDelta32 => {
            fixup.write_signed::<4>(got_base.wrapping_add(fixup.addend()).wrapping_sub(fixup.place()))
        }
        Kind::GotBaseDelta64 => fixup.write::<8>(got_base.wrapping_add(fixup.addend()).wrapping_sub(fixup.place())),
        Kind::SectionOffset7 => {
            let value = unsigned(fixup.section_offset()?, 7, "7 unsigned bits")?;
            // The high bit is not the field's.
            let old = fixup.read::<1>()? & 0x80;
            fixup.write::<1>(old | value)
        }
        Kind::TlsDescriptorCall => Ok(()),
        Kind::TlsOffset32 => fixup.write_signed::<4>(fixup.thread_local()?.offset.wrapping_add(fixup.addend())),
        Kind::ThreadOffset32 => fixup.write_signed::<4>(fixup.thread_offset()?),
    }
}
