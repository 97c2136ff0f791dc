//! Architectures: properties of all code of an architecture, whoever links it.

use core::fmt;

/// An architecture that linkjit has readers, fixups and code for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Arch {
    /// AMD64, 64-bit addresses, little endian.
    X86_64,
    /// 64-bit Arm, 64-bit addresses, little endian.
    AArch64,
}

impl Arch {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::AArch64];

    /// That of the process that asks; `None` if linkjit has nothing for it.
    pub const HOST: Option<Self> = if cfg!(target_arch = "x86_64") {
        Some(Self::X86_64)
    } else if cfg!(target_arch = "aarch64") {
        Some(Self::AArch64)
    } else {
        None
    };

    /// Size of an address in bytes.
    #[must_use]
    pub const fn pointer_size(self) -> u64 {
        match self {
            Self::X86_64 | Self::AArch64 => 8,
        }
    }

    /// The alignment of an address as a power of two.
    #[must_use]
    pub const fn pointer_align_log2(self) -> u8 {
        self.pointer_size().trailing_zeros() as u8
    }

    /// Returns how far code reaches data that it refers to directly, in both directions.
    #[must_use]
    pub const fn data_reach(self) -> u64 {
        match self {
            Self::X86_64 | Self::AArch64 => 1 << 31,
        }
    }

    /// Returns how far a call or jump reaches, in both directions.
    #[must_use]
    pub const fn branch_reach(self) -> u64 {
        match self {
            Self::X86_64 => 1 << 31,
            Self::AArch64 => 1 << 27,
        }
    }

    /// The size of the largest window all of which code reaches from everywhere there; a quarter of it is for code.
    #[must_use]
    pub const fn largest_window(self) -> u64 {
        let for_branches = 4 * self.branch_reach();
        if for_branches < self.data_reach() { for_branches } else { self.data_reach() }
    }

    /// The beginning of target triples.
    #[must_use]
    pub const fn triple_name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::AArch64 => "aarch64",
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86_64 => "x86-64",
            Self::AArch64 => "AArch64",
        })
    }
}
