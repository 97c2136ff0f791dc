//! Applying edges: the only place where bytes of the program are computed. This file applies the kinds that all
//! architectures have, and holds what they share; each architecture has an `apply` for its own kinds.

use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

use linkjit_target::{ExecAddr, ExecRange, TlsAddress};

use super::generic::Kind;
use super::kinds::Role;
use super::{Arch, aarch64, x86_64};
use crate::arch::ArchTables;
use crate::endian::Endian;
use crate::error::{LinkError, Result};
use crate::graph::{BlockId, Edge, LinkGraph, SymbolId};
use crate::names::NamePool;

/// The surroundings of a fixup, beside its edge.
#[derive(Clone, Copy, Debug)]
pub struct FixupContext<'a> {
    /// Names, for errors.
    pub names: &'a Mutex<NamePool>,
    /// The address that offsets from the GOT are relative to.
    pub got_base: ExecAddr,
    /// The image that the code believes to be part of.
    pub image: Image<'a>,
    /// Resolvers for TLS descriptors: at a fixed offset from the thread pointer, and other.
    pub tls_resolvers: [ExecAddr; 2],
}

/// An image, as its header describes it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Image<'a> {
    /// The address at which it begins.
    pub base: ExecAddr,
    /// Its sections, numbered from 1.
    pub sections: &'a [ExecRange],
    /// The number of the thread-local storage that its code takes all thread-local variables for parts of, if there is
    /// one.
    pub tls_module: Option<u64>,
}

impl Image<'_> {
    /// Returns whether it is so large that displacements of 32 bits do not reach all of it from everywhere.
    fn is_beyond_small_model(&self) -> bool {
        let end = self.sections.iter().map(|section| section.end.0).max();
        end.is_some_and(|end| end.saturating_sub(self.base.0) >= (1 << 31) - (1 << 20))
    }

    /// The number of the section that an address lies in, and its offset there.
    fn locate(&self, address: ExecAddr) -> Option<(u16, u64)> {
        let sections = || (1..).zip(self.sections).filter(|(_, section)| section.size() != 0);
        let inside = sections().find(|(_, section)| section.contains(address));
        // A symbol may stand for the end of a section.
        let (number, section) = inside.or_else(|| sections().find(|(_, section)| section.end == address))?;
        Some((number, address.distance_from(section.start).cast_unsigned()))
    }

    /// The number of an address's section; what is absolute has that behind the last, as in images of link.exe.
    fn section_number(&self, address: ExecAddr) -> u16 {
        let beyond = u16::try_from(self.sections.len()).unwrap_or(u16::MAX).saturating_add(1);
        self.locate(address).map_or(beyond, |(number, _)| number)
    }
}

/// Why code that takes a thread-local variable for another one can't be linked.
const NO_ADDRESS: &str = "the target is a thread-local variable, but this code uses it as an ordinary one";

/// Why an edge is not applied whose field is not all there.
const BEYOND: Refusal = Refusal::Why("the relocated field reaches beyond the end of its section");

/// The remedy where all that is linked together is too large for code of the small model.
const SMALL_MODEL: &str = ": relocation truncated to fit: the small code model needs all code and data within 2 GiB, but \
                           there are more than that: compile with -mcmodel=medium or -mcmodel=large";

/// A value that its field can't hold.
pub(super) struct Overflow {
    value: i128,
    field: &'static str,
}

/// Why an edge was not applied.
pub(super) enum Refusal {
    Overflow(Overflow),
    Why(&'static str),
}

/// Applies all edges of a block to `bytes`, its content in the memory where it will be. Inline: blocks have few edges,
/// and a call for each block would cost a tenth more.
///
/// # Errors
/// If a value does not fit its field, or an edge asks for what its target is not.
#[inline(always)]
pub fn fix_block(graph: &LinkGraph, block: BlockId, bytes: &mut [u8], context: &FixupContext<'_>) -> Result<()> {
    match graph.arch() {
        Arch::X86_64 => fix(graph, block, bytes, context, x86_64::apply),
        Arch::AArch64 => fix(graph, block, bytes, context, aarch64::apply),
    }
}

#[inline(always)]
fn fix<E: Endian>(
    graph: &LinkGraph,
    block: BlockId,
    bytes: &mut [u8],
    context: &FixupContext<'_>,
    apply: impl Fn(&mut Fixup<'_, E>) -> Result<(), Refusal>,
) -> Result<()> {
    let address = graph.block(block).address.0;
    for edge in graph.edges(block) {
        let mut fixup = Fixup { graph, edge, bytes: &mut *bytes, address, context, endian: PhantomData };
        if let Err(refusal) = apply(&mut fixup) {
            return Err(refused(graph, block, edge, &refusal, context));
        }
    }
    Ok(())
}

/// An edge that is being applied.
pub(super) struct Fixup<'a, E> {
    pub(super) graph: &'a LinkGraph,
    pub(super) edge: &'a Edge,
    /// Those of the block.
    pub(super) bytes: &'a mut [u8],
    /// The address of the block.
    pub(super) address: u64,
    pub(super) context: &'a FixupContext<'a>,
    endian: PhantomData<E>,
}

impl<E: Endian> Fixup<'_, E> {
    /// Returns the address of the field.
    #[inline]
    pub(super) fn place(&self) -> u64 {
        self.address.wrapping_add(u64::from(self.edge.offset))
    }

    #[inline]
    pub(super) fn addend(&self) -> u64 {
        self.edge.addend.cast_unsigned()
    }

    /// The address of the target and the addend.
    #[inline]
    pub(super) fn target(&self) -> u64 {
        self.graph.address(self.edge.target).0.wrapping_add(self.addend())
    }

    /// The same, as the distance from an address.
    #[inline]
    pub(super) fn distance(&self, base: u64) -> u64 {
        self.target().wrapping_sub(base)
    }

    /// Applies an edge of a generic kind: a call for each edge would cost a quarter more instructions.
    #[inline(always)]
    pub(super) fn apply(&mut self) -> Result<(), Refusal> {
        let Some(kind) = Kind::from_edge(self.edge.kind) else {
            return Err(Refusal::Why("the architecture has no edges of this kind"));
        };
        match kind {
            // Any number fits, so that a thread-local variable has to be told by what it is. Those of the graph itself are
            // found by their sections, and a debugger wants to know their offsets.
            Kind::Pointer64 if is_found_thread_local(self.graph, self.edge.target) => Err(Refusal::Why(NO_ADDRESS)),
            Kind::Pointer64 | Kind::ImportPointer64 => self.write::<8>(self.target()),
            Kind::Pointer32 => self.write_unsigned::<4>(self.target()),
            Kind::Pointer16 => self.write_either::<2>(self.target()),
            Kind::Pointer8 => self.write_either::<1>(self.target()),
            Kind::Delta64 => self.write::<8>(self.distance(self.place())),
            Kind::Delta32 => self.write_signed::<4>(self.distance(self.place())),
            Kind::Delta16 => self.write_signed::<2>(self.distance(self.place())),
            Kind::Delta8 => self.write_signed::<1>(self.distance(self.place())),
            Kind::NegDelta32 => {
                let from = self.place().wrapping_add(self.addend());
                self.write_signed::<4>(from.wrapping_sub(self.graph.address(self.edge.target).0))
            }
            // Tables of images have zeros for what is not there: weak externals that nobody defines.
            Kind::ImageOffset32 if self.target() == 0 => self.write::<4>(0),
            Kind::ImageOffset32 => self.write_unsigned::<4>(self.distance(self.context.image.base.0)),
            Kind::SectionOffset32 => self.write_unsigned::<4>(self.section_offset()?),
            Kind::SectionNumber16 => {
                let number = self.context.image.section_number(self.graph.address(self.edge.target));
                self.write::<2>(number.into())
            }
            Kind::TlsModule64 => self.write::<8>(self.thread_local()?.module),
            Kind::TlsOffset64 => self.write::<8>(self.thread_local()?.offset.wrapping_add(self.addend())),
            Kind::ThreadOffset64 | Kind::TlsDescriptorOffset64 => self.write::<8>(self.thread_offset()?),
            Kind::TlsDescriptorResolver64 => {
                let [fixed, dynamic] = self.context.tls_resolvers;
                let is_fixed = self.thread_local()?.thread_offset.is_some();
                self.write::<8>((if is_fixed { fixed } else { dynamic }).0)
            }
        }
    }

    /// The offset of the target in its section, with the addend. What that is to a thread-local variable is its offset
    /// in the storage of its module.
    pub(super) fn section_offset(&self) -> Result<u64, Refusal> {
        let image = &self.context.image;
        let offset = match self.graph.thread_local_address(self.edge.target) {
            Some(address) if image.tls_module.is_some_and(|module| module != address.module) => {
                return Err(Refusal::Why(
                    "the target is a thread-local variable of another image: call a function there that returns its address",
                ));
            }
            Some(address) => address.offset,
            None => {
                let place = image.locate(self.graph.address(self.edge.target));
                place.ok_or(Refusal::Why("the target is in no section of this image"))?.1
            }
        };
        Ok(offset.wrapping_add(self.addend()))
    }

    /// The size of the target. Only definitions that are linked at the same time have told theirs.
    pub(super) fn size(&self) -> Result<u64, Refusal> {
        let symbol = self.graph.symbol(self.edge.target);
        if symbol.is_external() && symbol.size == 0 {
            return Err(Refusal::Why("the size of the target is not known"));
        }
        Ok(symbol.size.wrapping_add(self.addend()))
    }

    pub(super) fn thread_local(&self) -> Result<TlsAddress, Refusal> {
        self.graph
            .thread_local_address(self.edge.target)
            .ok_or(Refusal::Why("the target is not a thread-local variable"))
    }

    /// The offset of the target from the thread pointer, with the addend.
    pub(super) fn thread_offset(&self) -> Result<u64, Refusal> {
        let offset = self.thread_local()?.thread_offset.ok_or(Refusal::Why(
            "the variable has no fixed offset from the thread pointer, which the initial- and local-exec models need: \
             compile with -fPIC, or link this code in the same lookup as the variable",
        ))?;
        Ok(offset.cast_unsigned().wrapping_add(self.addend()))
    }

    /// Returns the number that the field has so far, with what is beside it in an instruction.
    pub(super) fn read<const N: usize>(&self) -> Result<u64, Refusal> {
        let field = self.bytes.get(self.edge.offset as usize..).and_then(|rest| rest.first_chunk::<N>());
        Ok(E::get(*field.ok_or(BEYOND)?))
    }

    /// Writes the low bytes of a value to the field.
    #[inline]
    pub(super) fn write<const N: usize>(&mut self, value: u64) -> Result<(), Refusal> {
        let field = self.bytes.get_mut(self.edge.offset as usize..).and_then(|rest| rest.first_chunk_mut());
        *field.ok_or(BEYOND)? = E::put::<N>(value);
        Ok(())
    }

    /// Writes a value that has to fit a field of so many bytes with its sign.
    #[inline]
    pub(super) fn write_signed<const N: usize>(&mut self, value: u64) -> Result<(), Refusal> {
        let fields = ["no bits", "8 signed bits", "16 signed bits", "24 signed bits", "32 signed bits"];
        self.write::<N>(signed(value, 8 * N as u32, fields[N])?)
    }

    /// Writes a value that has to fit a field of so many bytes, and has no sign.
    #[inline]
    pub(super) fn write_unsigned<const N: usize>(&mut self, value: u64) -> Result<(), Refusal> {
        let fields = ["no bits", "8 unsigned bits", "16 unsigned bits", "24 unsigned bits", "32 unsigned bits"];
        self.write::<N>(unsigned(value, 8 * N as u32, fields[N])?)
    }

    /// The same with or without a sign: real-mode code writes both `-1` and `0xffff` (psABI: the field only has to hold
    /// the value).
    pub(super) fn write_either<const N: usize>(&mut self, value: u64) -> Result<(), Refusal> {
        let fields = ["no bits", "8 bits", "16 bits", "24 bits", "32 bits"];
        let fits = value >> (8 * N) == 0 || signed(value, 8 * N as u32, fields[N]).is_ok();
        if fits { self.write::<N>(value) } else { Err(overflow(value, fields[N])) }
    }
}

/// A value that has to fit a number of bits with its sign; the text says how many these are.
#[inline]
pub(super) fn signed(value: u64, bits: u32, field: &'static str) -> Result<u64, Refusal> {
    let spare = 64 - bits;
    let number = value.cast_signed();
    if number << spare >> spare == number { Ok(value) } else { Err(overflow(value, field)) }
}

/// The same for a value without a sign.
#[inline]
pub(super) fn unsigned(value: u64, bits: u32, field: &'static str) -> Result<u64, Refusal> {
    if value >> bits == 0 {
        return Ok(value);
    }
    Err(Refusal::Overflow(Overflow { value: i128::from(value), field }))
}

/// The refusal of a value with a sign.
#[cold]
pub(super) fn overflow(value: u64, field: &'static str) -> Refusal {
    Refusal::Overflow(Overflow { value: i128::from(value.cast_signed()), field })
}

/// Returns whether an external symbol was found to be a thread-local variable.
fn is_found_thread_local(graph: &LinkGraph, symbol: SymbolId) -> bool {
    graph.symbol(symbol).is_external() && graph.thread_local_address(symbol).is_some()
}

#[cold]
fn refused(graph: &LinkGraph, block: BlockId, edge: &Edge, refusal: &Refusal, context: &FixupContext<'_>) -> LinkError {
    let names = context.names;
    let site = graph.site(block, u64::from(edge.offset));
    let kind = graph.arch().kinds().info(edge.kind);
    let relocation = kind.name;
    // Whether it is about the address of its target, or of an entry that holds that.
    let is_address = matches!(kind.role, Role::NearDistance | Role::Branch | Role::LowAddress | Role::GotLoad);
    let named = graph.entry_target(edge.target).unwrap_or(edge.target);
    let target = graph.describe_symbol(&names.lock().unwrap_or_else(PoisonError::into_inner), named);
    match *refusal {
        // A variable's offset in its block was taken for an address. Both are numbers, but they rarely fit.
        Refusal::Overflow(_) if is_address && graph.thread_local_address(named).is_some() => {
            LinkError::BadRelocation { site, relocation, target, why: NO_ADDRESS.into() }
        }
        Refusal::Overflow(Overflow { value, field }) => {
            let remedy = match kind.role {
                _ if is_address && context.image.is_beyond_small_model() => SMALL_MODEL,
                _ if kind.is_direct() && graph.symbol(named).is_external() => {
                    ": compile with -fPIC, or for Windows declare the target as __declspec(dllimport), so that its \
                     address is loaded from a table"
                }
                Role::LowAddress => graph.arch().remedy_of_low_addresses(),
                _ => "",
            };
            LinkError::OutOfRange { site, relocation, target, value, field, remedy }
        }
        Refusal::Why(why) => LinkError::BadRelocation { site, relocation, target, why: why.into() },
    }
}
