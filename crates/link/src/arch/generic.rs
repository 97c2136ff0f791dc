//! Edge kinds that every architecture has: references from data, and the words that table entries are made of.
//!
//! In the expressions below, *Target* is the address of the edge's symbol, *Fixup* the address of the field.

use super::kinds::{KindInfo, Role, kinds};
use crate::graph::EdgeKind;

kinds! {
    /// The kinds of edges that graphs of all architectures have.
    from 0;

    /// `Fixup <- Target + Addend : uint64`.
    Pointer64 = KindInfo::new(8, Role::Address),
    /// `Fixup <- Target + Addend : uint32`.
    Pointer32 = KindInfo::new(4, Role::LowAddress),
    /// `Fixup <- Target + Addend : 16 bits, either sign`.
    Pointer16 = KindInfo::new(2, Role::TinyAddress),
    /// `Fixup <- Target + Addend : 8 bits, either sign`.
    Pointer8 = KindInfo::new(1, Role::TinyAddress),
    /// `Fixup <- Target - Fixup + Addend : int64`.
    Delta64 = KindInfo::new(8, Role::Distance),
    /// `Fixup <- Target - Fixup + Addend : int32`.
    Delta32 = KindInfo::new(4, Role::NearDistance),
    /// `Fixup <- Target - Fixup + Addend : int16`.
    Delta16 = KindInfo::new(2, Role::Value),
    /// `Fixup <- Target - Fixup + Addend : int8`.
    Delta8 = KindInfo::new(1, Role::Value),
    /// `Fixup <- Fixup - Target + Addend : int32`. The pointer of an unwind record to the common record (CIE) that it
    /// begins with.
    NegDelta32 = KindInfo::new(4, Role::Value),
    /// `Fixup <- Target - image base + Addend : uint32`; zero if Target is null.
    ImageOffset32 = KindInfo::new(4, Role::ImageOffset),
    /// `Fixup <- Target - start of its section of the image + Addend : uint32`; of a thread-local variable, its offset
    /// in the storage of its module.
    SectionOffset32 = KindInfo::new(4, Role::Value),
    /// `Fixup <- number of Target's section of the image : uint16`; one more than there are for what is in none.
    SectionNumber16 = KindInfo::new(2, Role::Value),
    /// As [`Kind::Pointer64`], but never the address of a stub: the slots that code calls imports through.
    ImportPointer64 = KindInfo::new(8, Role::Value),
    /// `Fixup <- module number of Target : uint64`.
    TlsModule64 = KindInfo::new(8, Role::Value),
    /// `Fixup <- offset of Target in its TLS block + Addend : int64`.
    TlsOffset64 = KindInfo::new(8, Role::Value),
    /// `Fixup <- offset of Target from the thread pointer + Addend : int64`.
    ThreadOffset64 = KindInfo::new(8, Role::ThreadOffset),
    /// First word of a TLS descriptor: the resolver that suits Target.
    TlsDescriptorResolver64 = KindInfo::new(8, Role::Value),
    /// Second word of a TLS descriptor whose Target is at a fixed offset: that offset. Otherwise the address of a
    /// TLS pair is wanted and the edge is a [`Kind::Pointer64`].
    TlsDescriptorOffset64 = KindInfo::new(8, Role::Value),
}

/// The number of these kinds: architectures number theirs from here.
pub(super) const COUNT: u8 = Kind::ALL.len() as u8;

impl EdgeKind {
    /// The address of the target, in a word.
    pub const POINTER: Self = Kind::Pointer64.edge();
    /// The same, but never the address of a stub.
    pub const IMPORT_POINTER: Self = Kind::ImportPointer64.edge();
    /// The distance of the target from the field, in 32 bits.
    pub const DELTA32: Self = Kind::Delta32.edge();
    /// The distance of the field from the target, in 32 bits.
    pub const NEG_DELTA32: Self = Kind::NegDelta32.edge();
    /// The offset of the target in the image, in 32 bits.
    pub const IMAGE_OFFSET32: Self = Kind::ImageOffset32.edge();
    /// The number of the target's TLS module, in a word.
    pub const TLS_MODULE: Self = Kind::TlsModule64.edge();
    /// The offset of the target in its TLS block, in a word.
    pub const TLS_OFFSET: Self = Kind::TlsOffset64.edge();
    /// The offset of the target from the thread pointer, in a word.
    pub const THREAD_OFFSET: Self = Kind::ThreadOffset64.edge();
    /// The resolver of a TLS descriptor for the target.
    pub const TLS_DESCRIPTOR_RESOLVER: Self = Kind::TlsDescriptorResolver64.edge();
    /// The argument of that resolver, if the target is at a fixed offset from the thread pointer.
    pub const TLS_DESCRIPTOR_OFFSET: Self = Kind::TlsDescriptorOffset64.edge();
}
