//! Shared libraries as files: their exported definitions, at made-up addresses. The loader would run the constructors
//! of a library that it opens, and `-noexec` must run nothing.
//!
//! All libraries lie in one region, below the default place of graphs. So code may refer to their variables directly,
//! as in a process. The region is out of reach of graphs with an address from the command line.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use linkjit::ExecAddr;
use linkjit::executor::TlsAddress;
use linkjit::executor::{Executor, InProcess, LibraryId, SymbolKey, SymbolRequest};
use linkjit_link::input::Binding;
use object::Endianness;
use object::elf::{DT_NEEDED, DT_RPATH, DT_RUNPATH, FileHeader64, SHN_UNDEF, SHT_DYNSYM, STB_LOCAL, STT_TLS};
use object::read::elf::{Dyn, FileHeader, Sym};
use object::read::pe::PeFile64;

use super::failure::{Failure, Result};
use super::read;
use crate::inputs::Kind;

/// The libraries' region: its size, and where it is at first.
pub(super) const REGION_SIZE: u64 = 128 << 20;
pub(super) const REGION_END: u64 = 0x1000_0000_0000;

/// Names may share bytes. All together are at most so many times longer than the file, or the rest is not read: such a
/// file is made to take memory.
const NAMES_PER_FILE: usize = 16;
/// A program with more libraries is refused.
const MOST_LIBRARIES: usize = 1000;
/// From one definition to the next.
const STEP: u64 = 16;
/// Modules of libraries have higher numbers than those of linked graphs.
const FIRST_MODULE: u64 = 1 << 20;
/// Thread-local variables of libraries lie below those of linked graphs.
const THREAD_LOCAL: i64 = -(1 << 28);

/// The libraries that a program's process has without being told.
const OF_PROCESS: [&str; 5] = ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2", "libstdc++.so.6"];

/// Names that drivers link into every program and library.
const OF_EACH: [&[u8]; 3] = [b"__dso_handle", b"atexit", b"at_quick_exit"];

/// The content of a library's file that others need.
#[derive(Debug, Default)]
struct Interface {
    /// Names, where they are by the file, and whether they are thread-local variables.
    symbols: HashMap<Vec<u8>, (u64, bool)>,
    /// The libraries that it needs, by name, and the directories that it has searched for them.
    needed: Vec<PathBuf>,
    directories: Vec<PathBuf>,
}

/// A library that was read.
#[derive(Debug)]
struct Library {
    symbols: HashMap<Vec<u8>, Binding>,
    /// The files that it needs and that were not read yet, and the libraries of those that were.
    unread: Vec<PathBuf>,
    needed: Vec<usize>,
    /// The libraries that are searched for what it has: it, what it needs, what that needs. Empty for those that were
    /// read for others only.
    order: Vec<usize>,
}

/// All libraries of a link.
#[derive(Debug, Default)]
pub(super) struct Libraries {
    all: Vec<Library>,
    by_path: HashMap<PathBuf, usize>,
    /// Those of the process: of the command line, then the usual ones, as far as they were needed.
    process: Vec<usize>,
    usual_read: usize,
    /// The definitions that the process has by other ways.
    others: HashMap<Vec<u8>, ExecAddr>,
    executor: Option<InProcess>,
    /// Bytes of the region that are taken.
    used: u64,
}

/// The names that a shared library defines for others.
pub(super) fn names(path: &Path) -> Result<HashSet<Vec<u8>>> {
    Ok(interface(path)?.symbols.into_keys().collect())
}

impl Libraries {
    /// Reads a library and those that it needs; returns its number.
    pub(super) fn open(&mut self, path: &Path) -> Result<usize> {
        let first = self.read(path)?;
        if !self.all[first].order.is_empty() {
            return Ok(first);
        }
        let (mut order, mut seen) = (vec![first], HashSet::from([first]));
        let mut next = 0;
        while let Some(&library) = order.get(next) {
            next += 1;
            for file in std::mem::take(&mut self.all[library].unread) {
                // The loader would say which one is missing. Here, only what is wanted of it is.
                let Ok(needed) = self.read(&file) else { continue };
                self.all[library].needed.push(needed);
            }
            order.extend(self.all[library].needed.iter().copied().filter(|&needed| seen.insert(needed)));
        }
        self.all[first].order = order;
        Ok(first)
    }

    /// Reads a library for the process.
    pub(super) fn preload(&mut self, path: &Path) -> Result<()> {
        // The loader searches for what is a name only.
        let is_bare = path.parent().is_some_and(|parent| parent.as_os_str().is_empty());
        let file = if is_bare { locate(path, &[], None) } else { None };
        let library = self.open(file.as_deref().unwrap_or(path))?;
        self.process.push(library);
        Ok(())
    }

    /// The number of a library, which is read unless it was before.
    fn read(&mut self, path: &Path) -> Result<usize> {
        let file = path.canonicalize().unwrap_or_else(|_| path.into());
        if let Some(&known) = self.by_path.get(&file) {
            return Ok(known);
        }
        if self.all.len() == MOST_LIBRARIES {
            let file = file.display();
            return Err(Failure::usage(format!(
                "'{file}': more than {MOST_LIBRARIES} shared libraries need each other"
            )));
        }
        let Interface { symbols, needed, directories } = interface(&file)?;
        let symbols = self.place(symbols)?;
        // $ORIGIN is where a link to the library is, as for the loader.
        let unread = needed.iter().filter_map(|name| locate(name, &directories, path.parent())).collect();
        let number = self.all.len();
        self.all.push(Library { symbols, unread, needed: Vec::new(), order: Vec::new() });
        self.by_path.insert(file, number);
        Ok(number)
    }

    /// Gives definitions their addresses: the same for those that the file has at one place.
    fn place(&mut self, symbols: HashMap<Vec<u8>, (u64, bool)>) -> Result<HashMap<Vec<u8>, Binding>> {
        let mut places: Vec<_> = symbols.values().copied().collect();
        places.sort_unstable();
        places.dedup();
        let start = self.take(places.len() as u64)?;
        let module = FIRST_MODULE + self.all.len() as u64;
        let place = |(name, value): (Vec<u8>, (u64, bool))| {
            let offset = STEP * places.binary_search(&value).unwrap_or(0) as u64;
            let place = if value.1 {
                let offset = start.wrapping_add(offset);
                let thread_offset = Some(THREAD_LOCAL + offset.cast_signed());
                Binding::LinkedThreadLocal(TlsAddress { module, offset, thread_offset })
            } else {
                Binding::Linked(ExecAddr(REGION_END - REGION_SIZE + start + offset))
            };
            (name, place)
        };
        Ok(symbols.into_iter().map(place).collect())
    }

    /// Takes room for definitions; returns its offset in the region.
    fn take(&mut self, count: u64) -> Result<u64> {
        let start = self.used;
        let end = count.checked_mul(STEP).and_then(|size| start.checked_add(size));
        let too_many = || Failure::link("the shared libraries define too many symbols");
        self.used = end.filter(|&end| end <= REGION_SIZE).ok_or_else(too_many)?;
        Ok(start)
    }

    /// Finds a name in a library or in one that it needs.
    pub(super) fn find(&self, library: usize, name: &[u8], thread_local: bool) -> Option<Binding> {
        let order = self.all.get(library).map_or(&[][..], |library| &library.order);
        order.iter().find_map(|&library| match self.all.get(library)?.symbols.get(name)? {
            found @ Binding::Linked(_) if !thread_local => Some(*found),
            found @ Binding::LinkedThreadLocal(_) if thread_local => Some(*found),
            _ => None,
        })
    }

    /// Finds a name in the process.
    pub(super) fn find_in_process(&mut self, name: &[u8], thread_local: bool) -> Result<Option<Binding>> {
        let mut searched = 0;
        loop {
            while let Some(&library) = self.process.get(searched) {
                if let Some(found) = self.find(library, name, thread_local) {
                    return Ok(Some(found));
                }
                searched += 1;
            }
            let usual = OF_PROCESS.get(self.usual_read).filter(|_| cfg!(target_os = "linux"));
            let Some(usual) = usual else { break };
            self.usual_read += 1;
            let library = locate(Path::new(usual), &[], None).and_then(|file| self.open(&file).ok());
            self.process.extend(library);
        }
        if thread_local {
            return Ok(None);
        }
        if let Some(&address) = self.others.get(name) {
            return Ok(Some(Binding::Linked(address)));
        }
        let executor = match &mut self.executor {
            Some(executor) => executor,
            unopened => unopened.insert(InProcess::new()?),
        };
        // To ask our own process for a name runs nothing.
        let request = SymbolRequest { key: SymbolKey::Name(name), thread_local };
        let found = executor.find_symbols(LibraryId::PROCESS, &[request])?.first().is_some_and(Option::is_some);
        if !found && executor.runtime_symbols(&[name])?.first().is_none_or(Option::is_none) && !OF_EACH.contains(&name)
        {
            return Ok(None);
        }
        let address = ExecAddr(REGION_END - REGION_SIZE + self.take(1)?);
        self.others.insert(name.to_vec(), address);
        Ok(Some(Binding::Linked(address)))
    }
}

/// Reads what a shared library defines for others, and needs.
fn interface(path: &Path) -> Result<Interface> {
    let source = read(path)?;
    let bytes = source.bytes();
    let unsuitable = |what: &str| Failure::usage(format!("Cannot get interface for {}: {what}", path.display()));
    if bytes.starts_with(b"--- !tapi-tbd") {
        return Err(unsuitable("TextAPI files describe Mach-O libraries, which linkjit does not link yet"));
    }
    if Kind::from_content(bytes) != Kind::SharedLibrary {
        return Err(unsuitable("it is not a shared library"));
    }
    let interface = if bytes.starts_with(b"MZ") { dll_interface(bytes) } else { elf_interface(bytes) };
    interface.map_err(|error| unsuitable(&error.to_string()))
}

fn elf_interface(bytes: &[u8]) -> object::read::Result<Interface> {
    let header = FileHeader64::<Endianness>::parse(bytes)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, bytes)?;
    let symbols = sections.symbols(endian, bytes, SHT_DYNSYM)?;
    let mut interface = Interface::default();
    let mut left = bytes.len().saturating_mul(NAMES_PER_FILE);
    for symbol in symbols.iter() {
        if symbol.st_bind() != STB_LOCAL && symbol.st_shndx(endian) != SHN_UNDEF {
            let name = symbol.name(endian, symbols.strings())?;
            let Some(rest) = left.checked_sub(name.len()) else { break };
            left = rest;
            let place = (symbol.st_value(endian), symbol.st_type() == STT_TLS);
            interface.symbols.entry(name.to_vec()).or_insert(place);
        }
    }
    let dynamic = sections.dynamic(endian, bytes)?.map_or(&[][..], |(dynamic, _)| dynamic);
    for entry in dynamic.iter().take(MOST_LIBRARIES) {
        let tag = entry.tag(endian);
        if tag == DT_NEEDED {
            interface.needed.push(path(entry.string(endian, symbols.strings())?));
        } else if tag == DT_RUNPATH || tag == DT_RPATH {
            let directories = entry.string(endian, symbols.strings())?.split(|&byte| byte == b':');
            interface.directories.extend(directories.take(MOST_LIBRARIES).map(path));
        }
    }
    Ok(interface)
}

/// DLLs load what they need by themselves: others do not see it.
fn dll_interface(bytes: &[u8]) -> object::read::Result<Interface> {
    let file = PeFile64::parse(bytes)?;
    let mut interface = Interface::default();
    let Some(table) = file.data_directories().export_table(bytes, &file.section_table())? else { return Ok(interface) };
    let mut left = bytes.len().saturating_mul(NAMES_PER_FILE);
    for (pointer, index) in table.name_iter() {
        let name = table.name_from_pointer(pointer)?;
        let Some(rest) = left.checked_sub(name.len()) else { break };
        left = rest;
        interface.symbols.entry(name.to_vec()).or_insert((table.address_by_index(index)?.into(), false));
    }
    Ok(interface)
}

fn path(bytes: &[u8]) -> PathBuf {
    String::from_utf8_lossy(bytes).into_owned().into()
}

/// The file of a library that the loader is to find by its name.
fn locate(name: &Path, directories: &[PathBuf], origin: Option<&Path>) -> Option<PathBuf> {
    if name.is_absolute() || name.parent().is_some_and(|parent| !parent.as_os_str().is_empty()) {
        return Some(name.to_path_buf()).filter(|file| file.is_file());
    }
    let own = directories.iter().map(|directory| match directory.strip_prefix("$ORIGIN") {
        Ok(rest) => origin.unwrap_or(Path::new("")).join(rest),
        Err(_) => directory.clone(),
    });
    let users = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let users: Vec<_> = std::env::split_paths(&users).filter(|path| !path.as_os_str().is_empty()).collect();
    let all = own.chain(users).chain(crate::search::Search::for_host().directories().to_vec());
    all.map(|directory| directory.join(name)).find(|file| file.is_file())
}
