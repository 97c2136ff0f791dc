//! The options.

/// Choices for compiling a module. By default code is optimized as by `clang -O2`, position-independent, and for any
/// processor of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// The target. `None`: the module's own, or else the one that LLVM was built for.
    pub triple: Option<String>,
    /// The processor as LLVM names it; `native` is this machine's, with all that it has. `None`: any that the target has.
    pub cpu: Option<String>,
    /// Features that the processor has besides, or has not: `+avx2,-sse4a`.
    pub features: String,
    /// The level of optimization.
    pub optimization: OptLevel,
    /// A pipeline as `opt -passes=` takes it, instead of the level's own. Code is still made at the level.
    pub passes: Option<String>,
    /// The way in which code refers to what is elsewhere.
    pub relocation: RelocModel,
    /// The distance at which that may be.
    pub code_model: CodeModel,
    /// Gives each function and variable a section of its own, as `-ffunction-sections -fdata-sections`: what nobody
    /// refers to isn't linked then.
    pub sections: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            triple: None,
            cpu: None,
            features: String::new(),
            optimization: OptLevel::O2,
            passes: None,
            relocation: RelocModel::Pic,
            code_model: CodeModel::Default,
            sections: true,
        }
    }
}

/// Levels of optimization, as compilers name them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OptLevel {
    /// None.
    O0,
    /// A little.
    O1,
    /// The usual.
    #[default]
    O2,
    /// More than that, at the price of size.
    O3,
    /// As `O2`, but nothing that makes code larger.
    Os,
    /// The smallest code.
    Oz,
}

impl OptLevel {
    /// The level that follows `-O` in a command: `0` to `3`, `s`, `z`. As for compilers, nothing and `g` are close to `O1`,
    /// `4` and `fast` to `O3`.
    #[must_use]
    pub fn parse(level: &str) -> Option<Self> {
        Some(match level {
            "0" => Self::O0,
            "" | "1" | "g" => Self::O1,
            "2" => Self::O2,
            "3" | "4" | "fast" => Self::O3,
            "s" => Self::Os,
            "z" => Self::Oz,
            _ => return None,
        })
    }

    /// The character that follows `-O` in a command.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::O0 => '0',
            Self::O1 => '1',
            Self::O2 => '2',
            Self::O3 => '3',
            Self::Os => 's',
            Self::Oz => 'z',
        }
    }

    pub(crate) fn pipeline(self) -> &'static str {
        match self {
            Self::O0 => "default<O0>",
            Self::O1 => "default<O1>",
            Self::O2 => "default<O2>",
            Self::O3 => "default<O3>",
            Self::Os => "default<Os>",
            Self::Oz => "default<Oz>",
        }
    }
}

/// Ways of referring to what is elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RelocModel {
    /// The target's usual one.
    Default,
    /// By addresses, as code of an executable at a fixed address may.
    Static,
    /// Position-independent (`-fPIC`), also if the module says that its code is a program's (`-fPIE`).
    #[default]
    Pic,
}

/// Distances that code can bridge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CodeModel {
    /// The module's own, or else the target's usual one.
    #[default]
    Default,
    /// Some kilobytes or megabytes.
    Tiny,
    /// Two gigabytes.
    Small,
    /// Two gigabytes for code, any for large data.
    Medium,
    /// Any.
    Large,
}
