//! Applying edges: the only place where bytes of the program are computed.

use std::sync::{Mutex, PoisonError};

use linkjit_target::{ExecAddr, ExecRange, TlsAddress};

use super::Kind;
use super::relax::{load_address, relax};
use crate::error::{LinkError, Result};
use crate::graph::{BlockId, Edge, LinkGraph, SymbolId};
use crate::names::NamePool;

/// What a fixup needs beside its edge.
#[derive(Clone, Copy, Debug)]
pub struct FixupContext<'a> {
    /// Names, for errors.
    pub names: &'a Mutex<NamePool>,
    /// What offsets from the GOT are relative to.
    pub got_base: ExecAddr,
    /// The image that the code believes to be part of.
    pub image: Image<'a>,
    /// Resolvers for TLS descriptors: at a fixed offset from the thread pointer, and other.
    pub tls_resolvers: [ExecAddr; 2],
}

/// An image, as its header describes it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Image<'a> {
    /// Where it begins.
    pub base: ExecAddr,
    /// Its sections, numbered from 1.
    pub sections: &'a [ExecRange],
    /// The number of the thread-local storage that its code takes all thread-local variables for parts of, if there is one.
    pub tls_module: Option<u64>,
}

impl Image<'_> {
    /// Whether it is so large that displacements of 32 bits do not reach all of it from everywhere.
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
const NO_ADDRESS: &str = "a thread-local variable, which this code was compiled to find at an address";

/// What helps where all that is linked together is too large for code of the small model.
const SMALL_MODEL: &str = ": relocation truncated to fit: code and data of the small code model have to lie within 2 GiB, \
                           and there is more of them: compile with -mcmodel=medium or -mcmodel=large";

/// A value that its field can't hold.
struct Overflow {
    value: i128,
    field: &'static str,
}

/// Why an edge was not applied.
enum Refusal {
    Overflow(Overflow),
    Why(&'static str),
}

impl From<Overflow> for Refusal {
    fn from(overflow: Overflow) -> Self {
        Self::Overflow(overflow)
    }
}

/// Applies all edges of a block to `bytes`, its content in the memory where it will be.
///
/// # Errors
/// If a value does not fit its field, or an edge asks for what its target is not.
pub fn fix_block(graph: &LinkGraph, block: BlockId, bytes: &mut [u8], context: &FixupContext<'_>) -> Result<()> {
    let address = graph.block(block).address.0;
    for edge in graph.edges(block) {
        if let Err(refusal) = apply(graph, edge, bytes, address, context) {
            return Err(refused(graph, block, edge, &refusal, context));
        }
    }
    Ok(())
}

fn apply(
    graph: &LinkGraph,
    edge: &Edge,
    bytes: &mut [u8],
    address: u64,
    context: &FixupContext<'_>,
) -> Result<(), Refusal> {
    let Some(kind) = Kind::from_edge(edge.kind) else { return Err(Refusal::Why("not an edge kind of x86-64")) };
    let offset = edge.offset as usize;
    let fixup = address.wrapping_add(u64::from(edge.offset));
    let addend = edge.addend.cast_unsigned();
    let target = || graph.address(edge.target).0.wrapping_add(addend);
    let from = |base: u64| target().wrapping_sub(base);
    match kind {
        // Any number fits, so that a thread-local variable has to be told by what it is. Those of the graph itself are
        // found by their sections, and a debugger wants to know their offsets.
        Kind::Pointer64 if is_found_thread_local(graph, edge.target) => Err(Refusal::Why(NO_ADDRESS)),
        Kind::Pointer64 | Kind::ImportPointer64 => write(bytes, offset, target().to_le_bytes()),
        // Tables of images have zeros for what is not there: weak externals that nobody defines.
        Kind::ImageOffset32 if target() == 0 => write(bytes, offset, [0; 4]),
        Kind::ImageOffset32 => write(bytes, offset, unsigned32(from(context.image.base.0))?.to_le_bytes()),
        Kind::SectionOffset32 => {
            let value = section_offset(graph, edge, &context.image)?.wrapping_add(addend);
            write(bytes, offset, unsigned32(value)?.to_le_bytes())
        }
        Kind::SectionOffset7 => {
            let value = section_offset(graph, edge, &context.image)?.wrapping_add(addend);
            let overflow = || Overflow { value: i128::from(value), field: "7 unsigned bits" };
            let value = u8::try_from(value).ok().filter(|value| *value < 0x80).ok_or_else(overflow)?;
            // The high bit is not the field's.
            let old = bytes.get(offset).map_or(0, |byte| byte & 0x80);
            write(bytes, offset, [old | value])
        }
        Kind::SectionNumber16 => {
            let number = context.image.section_number(graph.address(edge.target));
            write(bytes, offset, number.to_le_bytes())
        }
        // Edges that need an entry were given its symbol as their target when it was made.
        Kind::Delta32
        | Kind::Branch32
        | Kind::GotDelta32
        | Kind::TlsPairDelta32
        | Kind::TlsModuleDelta32
        | Kind::TlsDescriptorDelta32
        | Kind::ThreadOffsetDelta32 => write(bytes, offset, signed32(from(fixup))?.to_le_bytes()),
        // The addend is in the entry.
        Kind::AddressLoad32 => {
            let value = graph.address(edge.target).0.wrapping_sub(fixup.wrapping_add(4));
            if !load_address(edge, bytes) {
                return Err(Refusal::Why("its instruction is not the one that was to become a load"));
            }
            write(bytes, offset, signed32(value)?.to_le_bytes())
        }
        Kind::GotLoad32 | Kind::RexGotLoad32 => {
            let entry_of = graph.entry_target(edge.target);
            if relax(edge, bytes, address, graph.address(entry_of.unwrap_or(edge.target)).0) {
                return Ok(());
            }
            if entry_of.is_none() {
                return Err(Refusal::Overflow(signed(from(fixup), "32 signed bits")));
            }
            write(bytes, offset, signed32(from(fixup))?.to_le_bytes())
        }
        Kind::Pointer32 => write(bytes, offset, unsigned32(target())?.to_le_bytes()),
        Kind::Pointer32Signed => write(bytes, offset, signed32(target())?.to_le_bytes()),
        Kind::Pointer16 => write(bytes, offset, either16(target())?.to_le_bytes()),
        Kind::Pointer8 => write(bytes, offset, either8(target())?.to_le_bytes()),
        Kind::Delta64 | Kind::GotDelta64 => write(bytes, offset, from(fixup).to_le_bytes()),
        Kind::Delta16 => write(bytes, offset, signed16(from(fixup))?.to_le_bytes()),
        Kind::Delta8 => write(bytes, offset, signed8(from(fixup))?.to_le_bytes()),
        Kind::NegDelta32 => {
            let value = fixup.wrapping_add(addend).wrapping_sub(graph.address(edge.target).0);
            write(bytes, offset, signed32(value)?.to_le_bytes())
        }
        Kind::Size32 => write(bytes, offset, unsigned32(size(graph, edge.target)?.wrapping_add(addend))?.to_le_bytes()),
        Kind::Size64 => write(bytes, offset, size(graph, edge.target)?.wrapping_add(addend).to_le_bytes()),
        Kind::GotOffset32 => write(bytes, offset, signed32(from(context.got_base.0))?.to_le_bytes()),
        Kind::GotOffset64 | Kind::FromGotBase64 | Kind::StubFromGotBase64 => {
            write(bytes, offset, from(context.got_base.0).to_le_bytes())
        }
        Kind::GotBaseDelta32 => {
            let value = context.got_base.0.wrapping_add(addend).wrapping_sub(fixup);
            write(bytes, offset, signed32(value)?.to_le_bytes())
        }
        Kind::GotBaseDelta64 => {
            write(bytes, offset, context.got_base.0.wrapping_add(addend).wrapping_sub(fixup).to_le_bytes())
        }
        Kind::TlsDescriptorCall => Ok(()),
        Kind::TlsModule64 => write(bytes, offset, thread_local(graph, edge.target)?.module.to_le_bytes()),
        Kind::TlsOffset32 => {
            let value = thread_local(graph, edge.target)?.offset.wrapping_add(addend);
            write(bytes, offset, signed32(value)?.to_le_bytes())
        }
        Kind::TlsOffset64 => {
            write(bytes, offset, thread_local(graph, edge.target)?.offset.wrapping_add(addend).to_le_bytes())
        }
        Kind::ThreadOffset32 => {
            let value = thread_offset(graph, edge.target)?.wrapping_add(addend);
            write(bytes, offset, signed32(value)?.to_le_bytes())
        }
        Kind::ThreadOffset64 | Kind::TlsDescriptorOffset64 => {
            write(bytes, offset, thread_offset(graph, edge.target)?.wrapping_add(addend).to_le_bytes())
        }
        Kind::TlsDescriptorResolver64 => {
            let [fixed, dynamic] = context.tls_resolvers;
            let is_fixed = thread_local(graph, edge.target)?.thread_offset.is_some();
            write(bytes, offset, (if is_fixed { fixed } else { dynamic }).0.to_le_bytes())
        }
    }
}

/// What an offset in a section is to a thread-local variable is its offset in the storage of its module.
fn section_offset(graph: &LinkGraph, edge: &Edge, image: &Image<'_>) -> Result<u64, Refusal> {
    match graph.thread_local_address(edge.target) {
        Some(address) if image.tls_module.is_some_and(|module| module != address.module) => Err(Refusal::Why(
            "it is a thread-local variable of another image: a function there has to return its address",
        )),
        Some(address) => Ok(address.offset),
        None => {
            let place = image.locate(graph.address(edge.target));
            Ok(place.ok_or(Refusal::Why("it is in no section of this image"))?.1)
        }
    }
}

fn write<const N: usize>(bytes: &mut [u8], offset: usize, value: [u8; N]) -> Result<(), Refusal> {
    let field = bytes.get_mut(offset..).and_then(|rest| rest.first_chunk_mut());
    *field.ok_or(Refusal::Why("the field reaches beyond the end of its section"))? = value;
    Ok(())
}

/// The size of a symbol. Only definitions that are linked at the same time have told theirs.
fn size(graph: &LinkGraph, symbol: SymbolId) -> Result<u64, Refusal> {
    let symbol = graph.symbol(symbol);
    if symbol.is_external() && symbol.size == 0 {
        return Err(Refusal::Why("the size of what is defined there is not known"));
    }
    Ok(symbol.size)
}

fn thread_local(graph: &LinkGraph, symbol: SymbolId) -> Result<TlsAddress, Refusal> {
    graph.thread_local_address(symbol).ok_or(Refusal::Why("not a thread-local variable"))
}

fn thread_offset(graph: &LinkGraph, symbol: SymbolId) -> Result<u64, Refusal> {
    let offset = thread_local(graph, symbol)?.thread_offset.ok_or(Refusal::Why(
        "the variable has no fixed offset from the thread pointer, which the initial- and local-exec models need: \
         compile with -fPIC, or link it in one lookup with the variable",
    ))?;
    Ok(offset.cast_unsigned())
}

fn signed32(value: u64) -> Result<i32, Overflow> {
    i32::try_from(value.cast_signed()).map_err(|_| signed(value, "32 signed bits"))
}

fn unsigned32(value: u64) -> Result<u32, Overflow> {
    u32::try_from(value).map_err(|_| Overflow { value: i128::from(value), field: "32 unsigned bits" })
}

fn signed16(value: u64) -> Result<i16, Overflow> {
    i16::try_from(value.cast_signed()).map_err(|_| signed(value, "16 signed bits"))
}

fn signed8(value: u64) -> Result<i8, Overflow> {
    i8::try_from(value.cast_signed()).map_err(|_| signed(value, "8 signed bits"))
}

/// Real-mode code writes both `-1` and `0xffff` (psABI: the field only has to hold the value).
fn either16(value: u64) -> Result<u16, Overflow> {
    u16::try_from(value).or_else(|_| signed16(value).map(i16::cast_unsigned)).map_err(|_| signed(value, "16 bits"))
}

fn either8(value: u64) -> Result<u8, Overflow> {
    u8::try_from(value).or_else(|_| signed8(value).map(i8::cast_unsigned)).map_err(|_| signed(value, "8 bits"))
}

fn signed(value: u64, field: &'static str) -> Overflow {
    Overflow { value: i128::from(value.cast_signed()), field }
}

/// Whether an edge is about the address of its target, or of an entry that holds that.
fn is_address(edge: &Edge) -> bool {
    matches!(
        Kind::from_edge(edge.kind),
        Some(
            Kind::Delta32
                | Kind::Branch32
                | Kind::Pointer32
                | Kind::Pointer32Signed
                | Kind::GotLoad32
                | Kind::RexGotLoad32
        )
    )
}

/// Whether an external symbol was found to be a thread-local variable.
fn is_found_thread_local(graph: &LinkGraph, symbol: SymbolId) -> bool {
    graph.symbol(symbol).is_external() && graph.thread_local_address(symbol).is_some()
}

#[cold]
fn refused(graph: &LinkGraph, block: BlockId, edge: &Edge, refusal: &Refusal, context: &FixupContext<'_>) -> LinkError {
    let names = context.names;
    let site = graph.site(block, u64::from(edge.offset));
    let relocation = graph.arch().edge_kind_name(edge.kind);
    let named = graph.entry_target(edge.target).unwrap_or(edge.target);
    let target = graph.describe_symbol(&names.lock().unwrap_or_else(PoisonError::into_inner), named);
    match *refusal {
        // A variable's offset in its block was taken for an address. Both are numbers, but they rarely fit.
        Refusal::Overflow(_) if is_address(edge) && graph.thread_local_address(named).is_some() => {
            LinkError::BadRelocation { site, relocation, target, why: NO_ADDRESS.into() }
        }
        Refusal::Overflow(Overflow { value, field }) => {
            let remedy = match Kind::from_edge(edge.kind) {
                Some(_) if is_address(edge) && context.image.is_beyond_small_model() => SMALL_MODEL,
                Some(Kind::Pointer32 | Kind::Pointer32Signed | Kind::Delta32) if graph.symbol(named).is_external() => {
                    ": compile with -fPIC, or for Windows declare it as __declspec(dllimport), so that the address is \
                     loaded from a table"
                }
                Some(Kind::Pointer32 | Kind::Pointer32Signed) => {
                    ": compile with -fPIC or -fPIE; in assembly, address it relative to rip"
                }
                _ => "",
            };
            LinkError::OutOfRange { site, relocation, target, value, field, remedy }
        }
        Refusal::Why(why) => LinkError::BadRelocation { site, relocation, target, why: why.into() },
    }
}
