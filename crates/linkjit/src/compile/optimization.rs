//! Levels of optimization.

/// A level of optimization, as `cc` names them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Optimization {
    /// No optimization.
    O0,
    /// Optimizations that take little time.
    O1,
    /// The level that most programs are built with.
    #[default]
    O2,
    /// More speed, and larger code.
    O3,
    /// As `O2`, without what makes code larger.
    Os,
    /// The smallest code.
    Oz,
}

impl Optimization {
    /// The level of a flag, such as `-O3`. `-Og` is close to `O1`, and `-Ofast` to `O3`.
    #[must_use]
    pub fn from_flag(flag: &str) -> Option<Self> {
        match flag {
            "-O0" => Some(Self::O0),
            "-O" | "-O1" | "-Og" => Some(Self::O1),
            "-O2" => Some(Self::O2),
            "-O3" | "-O4" | "-Ofast" => Some(Self::O3),
            "-Os" => Some(Self::Os),
            "-Oz" => Some(Self::Oz),
            _ => None,
        }
    }

    /// The character after `-O`.
    pub(super) fn letter(self) -> char {
        match self {
            Self::O0 => '0',
            Self::O1 => '1',
            Self::O2 => '2',
            Self::O3 => '3',
            Self::Os => 's',
            Self::Oz => 'z',
        }
    }
}
