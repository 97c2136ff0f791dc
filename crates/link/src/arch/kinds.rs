//! A table of what the linker must know about the edge kinds of any architecture, indexed by the kind's number.

use super::generic;
use crate::graph::{Edge, EdgeKind, KindSet};

/// The purpose of an edge. Passes ask for this instead of the architecture's own kinds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Role {
    /// Something that only the fixup has to know.
    Value,
    /// The address of its target, wherever that is.
    Address,
    /// The address of its target in fewer bits than addresses have.
    LowAddress,
    /// The address of its target in so few bits that no program lies there: numbers fit, mostly.
    TinyAddress,
    /// The distance of its target, wherever that is.
    Distance,
    /// The distance of its target, which has to be within reach: how code refers to what is near.
    NearDistance,
    /// A call or jump, which may go through a stub.
    Branch,
    /// The offset of a stub or of its target from where the GOT begins.
    StubOffset,
    /// The offset of its target in the image.
    ImageOffset,
    /// The place of the GOT entry of its target.
    Got,
    /// The same in an instruction that may do without the entry.
    GotLoad,
    /// The place of the entry with the module and offset of its target.
    TlsPair,
    /// The place of the entry with the module of its target.
    TlsModule,
    /// The place of the TLS descriptor of its target.
    TlsDescriptor,
    /// The place of the entry with the offset of its target from the thread pointer.
    ThreadOffsetEntry,
    /// The offset of its target from the thread pointer.
    ThreadOffset,
}

/// The number of roles.
const ROLES: usize = Role::ThreadOffset as usize + 1;

/// The properties of all edges of a kind.
#[derive(Clone, Copy, Debug)]
pub struct KindInfo {
    /// The name, as errors and dumps print it.
    pub name: &'static str,
    /// The purpose of such edges.
    pub role: Role,
    /// Size of the field in bytes.
    pub width: u8,
    /// The number of bits of a distance, its sign included.
    pub reach: u8,
    /// The addend of an edge that stands for its target itself: not 0 where distances are those from the end of an
    /// instruction.
    pub bias: i8,
}

impl KindInfo {
    /// A field of so many bytes.
    pub(super) const fn new(width: u8, role: Role) -> Self {
        Self { name: "?", role, width, reach: width.saturating_mul(8), bias: 0 }
    }

    /// For distances from the end of the field, which ends the instruction.
    pub(super) const fn ending_instruction(self) -> Self {
        Self { bias: -self.width.cast_signed(), ..self }
    }

    /// For distances that have another number of bits than the field.
    pub(super) const fn reaching(self, bits: u8) -> Self {
        Self { reach: bits, ..self }
    }

    pub(super) const fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// Returns whether code with such an edge refers to its target where that is, which must be within reach.
    #[must_use]
    pub const fn is_direct(&self) -> bool {
        matches!(self.role, Role::NearDistance | Role::LowAddress)
    }

    /// Returns whether an edge of this kind stands for the address of its target, not for a place within or a call.
    #[must_use]
    pub fn takes_address(&self, edge: &Edge) -> bool {
        match self.role {
            Role::Address | Role::LowAddress | Role::NearDistance => edge.addend == i64::from(self.bias),
            Role::Got | Role::GotLoad => true,
            _ => false,
        }
    }

    /// Returns whether an edge of this kind calls its target, or jumps there.
    #[must_use]
    pub fn calls(&self, edge: &Edge) -> bool {
        self.role == Role::Branch && edge.addend == i64::from(self.bias)
    }

    /// Returns whether a distance is within reach.
    #[must_use]
    pub const fn reaches(&self, distance: i64) -> bool {
        let spare = 64 - if self.reach > 64 { 64 } else { self.reach as u32 };
        distance << spare >> spare == distance
    }
}

/// The edge kinds of an architecture.
#[derive(Debug)]
pub struct Kinds {
    /// By number; those that are none have the name `?`.
    rows: [KindInfo; 256],
    by_role: [KindSet; ROLES],
}

impl Kinds {
    /// The table of the kinds that every architecture has, and of its own, which are numbered on from there.
    /// `delta32_bias` is that of the generic distance of 32 bits, if instructions have such fields.
    pub(super) const fn new(own: &[KindInfo], delta32_bias: i8) -> Self {
        let mut rows = [KindInfo::new(0, Role::Value); 256];
        let mut by_role = [KindSet::EMPTY; ROLES];
        let mut number = 0;
        while number < generic::Kind::ROWS.len() + own.len() {
            rows[number] = match number.checked_sub(generic::Kind::ROWS.len()) {
                Some(at) => own[at],
                None => generic::Kind::ROWS[number],
            };
            let role = rows[number].role as usize;
            by_role[role] = by_role[role].with(EdgeKind(number as u8));
            number += 1;
        }
        rows[generic::Kind::Delta32 as usize].bias = delta32_bias;
        Self { rows, by_role }
    }

    /// The properties of a kind.
    #[must_use]
    #[inline]
    pub const fn info(&self, kind: EdgeKind) -> &KindInfo {
        &self.rows[kind.0 as usize]
    }

    /// The kinds with a role.
    #[must_use]
    pub const fn with_role(&self, role: Role) -> KindSet {
        self.by_role[role as usize]
    }
}

/// Makes an enumeration of edge kinds, numbered from a number on, from rows of a name and what holds for it.
macro_rules! kinds {
    ($(#[$attribute:meta])* from $first:expr; $($(#[$doc:meta])* $name:ident = $info:expr,)*) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum Kind { $($(#[$doc])* $name,)* }

        impl Kind {
            /// All kinds, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Their properties, in the same order.
            pub(in crate::arch) const ROWS: &[KindInfo] = &[$($info.named(stringify!($name)),)*];

            /// The number of the first.
            const FIRST: u8 = $first;

            /// The kind of an edge; `None` for a number that is none of these.
            #[must_use]
            #[inline]
            pub fn from_edge(kind: EdgeKind) -> Option<Self> {
                Self::ALL.get(usize::from(kind.0.wrapping_sub(Self::FIRST))).copied()
            }

            /// The number that edges carry.
            #[must_use]
            pub const fn edge(self) -> EdgeKind {
                EdgeKind(Self::FIRST + self as u8)
            }
        }
    };
}
pub(super) use kinds;
