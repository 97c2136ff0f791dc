//! Static libraries: `ar` archives, ordinary and thin, with the symbol index of any of their dialects.
//!
//! An archive is a magic number and members, each a 60-byte text header and its bytes, padded to even offsets. The
//! common core is POSIX `ar`; the dialects differ in where long names are and how the index is laid out:
//!
//! | dialect      | long names                   | index                                                       |
//! |--------------|------------------------------|-------------------------------------------------------------|
//! | GNU, System V| `/123`: offset in member `//`| member `/`, or `/SYM64/` with 64-bit offsets                |
//! | BSD          | `#1/20`: bytes of the content| member `__.SYMDEF`, or `__.SYMDEF SORTED`                   |
//! | Darwin       | as BSD                       | as BSD, or `__.SYMDEF_64` with 64-bit offsets               |
//! | COFF         | as GNU, ended by NUL         | two members `/`: as GNU's, then sorted and little-endian    |
//!
//! A GNU *thin* archive (`!<thin>`) has headers only. Its members are files beside it, which the caller opens, because
//! this crate knows no file system.
//!
//! Documents: "PE Format", section "Archive (Library) File Format" (Microsoft); `ar(5)` (FreeBSD); `ranlib.h` of
//! Darwin; `binutils/ar` "Thin archives" (GNU).

mod header;
mod index;
mod name_hash;
mod symbols;

pub use index::{ArchiveId, ArchiveIndex, MemberRef};
pub use symbols::{Symbol, Symbols};

use std::ops::Range;

use self::header::{Header, Kind, MAGIC_SIZE};
use self::symbols::{Layout, SymbolTable};
use crate::error::{LinkError, Result, Site};
use crate::source::Source;

/// The member with the libraries that an archive needs.
const DEPENDENCIES: &[u8] = b"__.LIBDEP";

/// An archive: where its parts are. A clone shares the bytes.
#[derive(Clone, Debug)]
pub struct Archive {
    source: Source,
    thin: bool,
    /// The content of `//`; empty if there is none.
    long_names: Range<usize>,
    symbols: Option<SymbolTable>,
    /// The offset of the first ordinary member, or the end of the file.
    first_member: usize,
}

/// One member of an archive.
#[derive(Clone, Debug)]
pub struct Member<'a> {
    /// The offset of its header in the archive, by which the symbol index refers to it.
    pub offset: u64,
    /// Its name as recorded; bytes, in no particular encoding. Names may repeat within an archive.
    pub name: &'a [u8],
    /// Its content.
    pub content: MemberContent<'a>,
}

/// The content of a member, or where it is.
#[derive(Clone, Debug)]
pub enum MemberContent<'a> {
    /// The bytes, under the name `libfoo.a(bar.o)`.
    Inline(Source),
    /// A file that the caller has to open: the member of a thin archive.
    External {
        /// Relative to the directory of the archive, or absolute.
        path: &'a [u8],
        /// If the file is an archive itself: the offset of the member that is meant, for its [`Archive::member_at`].
        nested: Option<u64>,
    },
}

impl Archive {
    /// Returns whether `bytes` begin like an archive that [`Archive::parse`] reads.
    #[must_use]
    pub fn is_archive(bytes: &[u8]) -> bool {
        bytes.starts_with(header::MAGIC) || bytes.starts_with(header::THIN_MAGIC)
    }

    /// Finds the index and the name table. Costs nothing per member and nothing per symbol.
    pub fn parse(source: Source) -> Result<Self> {
        let bytes = source.bytes();
        let thin = bytes.starts_with(header::THIN_MAGIC);
        if bytes.starts_with(header::AIX_MAGIC) {
            return Err(LinkError::Unsupported {
                site: Site::file(source.name().clone()),
                what: "AIX big archive".into(),
            });
        }
        if !thin && !bytes.starts_with(header::MAGIC) {
            return Err(header::malformed(&source, 0, "archive: no `!<arch>` or `!<thin>` at its start"));
        }
        // The members with a meaning of their own come first.
        let (mut long_names, mut symbols, mut first_member) = (0..0, None::<SymbolTable>, MAGIC_SIZE);
        while let Some(header) = Header::read(&source, first_member, thin)? {
            let layout = match header.kind {
                Kind::Ordinary => break,
                Kind::LongNames => {
                    long_names = header.content.clone();
                    None
                }
                // The second linker member of COFF has the name of the first and replaces it, as it does for every
                // linker of Microsoft's.
                Kind::Index32 => match symbols.as_ref().map(SymbolTable::layout) {
                    None => Some(Layout::Gnu32),
                    Some(Layout::Gnu32) => Some(Layout::Coff),
                    Some(_) => {
                        return Err(header::malformed(
                            &source,
                            header.offset,
                            "archive: it has more than two symbol tables (members named `/`)",
                        ));
                    }
                },
                Kind::Index64 => Some(Layout::Gnu64),
                Kind::Bsd32 => Some(Layout::Bsd32),
                Kind::Bsd64 => Some(Layout::Bsd64),
                Kind::Ignored => None,
            };
            if let Some(layout) = layout {
                let content = header.content_of(&source, source.name().clone())?;
                symbols = Some(SymbolTable::parse(layout, content, header.offset, &source)?);
            }
            first_member = header.next;
        }
        Ok(Self { long_names, symbols, first_member, thin, source })
    }

    /// The bytes of the archive, and the name of its file.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Returns whether members are files of their own.
    #[must_use]
    pub fn is_thin(&self) -> bool {
        self.thin
    }

    /// Returns whether there are no members, apart from index and names.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first_member >= self.source.bytes().len()
    }

    /// Returns whether the index can be relied upon to find members.
    ///
    /// It can't if there is none (`ar rcS`), or an empty one although there are members: tools write that when they
    /// don't know the members' format. The caller then reads the members and adds an index of its own
    /// ([`Archive::with_index`]).
    #[must_use]
    pub fn has_index(&self) -> bool {
        self.is_empty() || self.symbols.as_ref().is_some_and(|table| table.count() > 0)
    }

    /// The archive with an index of these symbols, each with the offset of its member, in place of its own: what
    /// `ranlib` would have written.
    pub fn with_index<'a>(mut self, symbols: impl IntoIterator<Item = (&'a [u8], u64)>) -> Result<Self> {
        self.symbols = Some(SymbolTable::build(symbols, &self.source)?);
        Ok(self)
    }

    /// The index, in its own order: for most dialects the order of members. Empty without an index.
    #[must_use]
    pub fn symbols(&self) -> Symbols<'_> {
        self.symbols.as_ref().map_or_else(|| Symbols::empty(&self.source), |table| table.iter(&self.source))
    }

    /// The libraries that the archive wants to be linked with it, as options of a linker's command line (`ar
    /// --record-libdeps` of GNU binutils); `None` if it says nothing. Looks at the header of each member.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn dependencies(&self) -> Result<Option<String>> {
        for member in self.members() {
            let member = member?;
            if member.is_dependencies()
                && let MemberContent::Inline(source) = member.content
            {
                return Ok(Some(String::from_utf8_lossy(source.bytes()).trim_end_matches('\0').to_owned()));
            }
        }
        Ok(None)
    }

    /// The members in file order, without index and names. Ends after the first error.
    #[must_use]
    pub fn members(&self) -> Members<'_> {
        Members { archive: self, offset: self.first_member }
    }

    /// The member whose header is at `offset`, as the index has it.
    pub fn member_at(&self, offset: u64) -> Result<Member<'_>> {
        let header = match usize::try_from(offset) {
            Ok(at) if at >= MAGIC_SIZE => Header::read(&self.source, at, self.thin)?,
            _ => None,
        };
        match header {
            Some(header) if header.kind == Kind::Ordinary => self.member(&header),
            Some(_) => Err(header::malformed(
                &self.source,
                offset,
                "archive index: it refers to a member that holds no object",
            )),
            None => {
                Err(header::malformed(&self.source, offset, "archive index: it refers to a member outside the file"))
            }
        }
    }

    fn member<'a>(&'a self, header: &Header<'a>) -> Result<Member<'a>> {
        let bytes = self.source.bytes();
        let long_names = bytes.get(self.long_names.clone()).unwrap_or_default();
        let (name, nested) = header.name(&self.source, long_names)?;
        let content = if self.thin {
            MemberContent::External { path: name, nested }
        } else {
            let title = format!("{}({})", self.source.name(), String::from_utf8_lossy(name));
            MemberContent::Inline(header.content_of(&self.source, title)?)
        };
        Ok(Member { offset: header.offset, name, content })
    }
}

/// The members of an archive in file order.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    archive: &'a Archive,
    offset: usize,
}

impl Member<'_> {
    /// Returns whether it is no object, but says which libraries the archive needs.
    #[must_use]
    pub fn is_dependencies(&self) -> bool {
        self.name == DEPENDENCIES
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<Member<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let header = match Header::read(&self.archive.source, self.offset, self.archive.thin) {
                Ok(header) => header?,
                Err(error) => {
                    self.offset = usize::MAX;
                    return Some(Err(error));
                }
            };
            self.offset = header.next;
            if header.kind == Kind::Ordinary {
                let member = self.archive.member(&header);
                if member.is_err() {
                    self.offset = usize::MAX;
                }
                return Some(member);
            }
        }
    }
}
