//! The walk over the command line's inputs, as LLVM does it: names that the command line defines, then objects, then
//! libraries, each in its JITDylib.

use std::path::{Path, PathBuf};
use std::sync::MutexGuard;

use linkjit::ExecAddr;
use linkjit_link::arch::Arch;
use linkjit_link::graph::{Content, Definition, Lifetime, LinkGraph, Linkage, Name, Protection, Scope, Symbol};
use linkjit_link::names::NamePool;
use linkjit_link::object;
use linkjit_link::object::archive::Archive;
use linkjit_link::source::Source;

use super::archives::objects;
use super::failure::{Failure, Result};
use super::harness::Harness;
use super::options::{Form, Item, Options, Place};
use super::read;
use crate::search::Search;

/// The ways to add an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// As usual.
    Usual,
    /// Its definitions are for its own JITDylib only.
    Hidden,
    /// Its functions are linked when they are called.
    Lazy,
}

/// The JITDylibs that inputs are added to, by number: those of a session, or tables to link from without executing.
/// Number 0 is `main`, which is there from the beginning.
pub(super) trait Dylibs {
    /// Makes the next one.
    fn create(&mut self, name: &str) -> Result<()>;

    /// Gives a number to the one that all others search last: the next number, if it has none.
    fn process(&mut self) -> usize;

    /// The names that graphs share.
    fn names(&self) -> MutexGuard<'_, NamePool>;

    /// Adds a graph.
    fn add_graph(&mut self, dylib: usize, graph: LinkGraph) -> Result<()>;

    /// Adds an object whose functions are linked when they are called.
    fn add_lazy_object(&mut self, dylib: usize, source: &Source) -> Result<()>;

    /// Adds an archive, whose members are added when they are wanted.
    fn add_archive(&mut self, dylib: usize, archive: Archive, way: Way) -> Result<()>;

    /// Adds a shared library.
    fn add_library(&mut self, dylib: usize, path: &Path) -> Result<()>;

    /// Makes null what a shared library defines and nobody else does.
    fn add_weak_library(&mut self, dylib: usize, path: &Path) -> Result<()>;

    /// Defines a name by address.
    fn define_absolute(&mut self, dylib: usize, name: &str, address: ExecAddr) -> Result<()>;

    /// Defines a name as another one, of a JITDylib.
    fn define_alias(&mut self, dylib: usize, name: &str, target: (usize, &str)) -> Result<()>;

    /// Has one searched after another, for what it exports.
    fn search(&mut self, dylib: usize, other: usize) -> Result<()>;
}

/// Adds an object.
pub(super) fn add_object(dylibs: &mut impl Dylibs, dylib: usize, source: &Source, way: Way) -> Result<()> {
    if way == Way::Lazy {
        return dylibs.add_lazy_object(dylib, source);
    }
    let graph = read_object(&mut dylibs.names(), source, way)?;
    dylibs.add_graph(dylib, graph)
}

/// Reads an object that is not linked lazily.
pub(super) fn read_object(names: &mut NamePool, source: &Source, way: Way) -> Result<LinkGraph> {
    let mut graph = object::read(source, names)?;
    for id in graph.symbol_ids().filter(|_| way == Way::Hidden) {
        let symbol = graph.symbol(id);
        if !symbol.is_external() {
            graph.set_visibility(id, symbol.linkage, symbol.scope.max(Scope::Hidden));
        }
    }
    Ok(graph)
}

/// Adds all that the command line names.
pub(super) fn load(options: &Options, dylibs: &mut impl Dylibs) -> Result<()> {
    let mut names = vec!["main"];
    let (mut dylib, mut way) = (0, Way::Usual);
    let mut inputs = Vec::with_capacity(options.items.len());
    for item in &options.items {
        match item {
            Item::Dylib(name) => {
                dylib = names.iter().position(|known| known == name).unwrap_or(names.len());
                if dylib == names.len() {
                    dylibs.create(name)?;
                    names.push(name);
                }
            }
            // It is about the next object or archive.
            Item::Lazy => way = Way::Lazy,
            Item::Input(_) => inputs.push((item, dylib, std::mem::replace(&mut way, Way::Usual))),
            _ => inputs.push((item, dylib, Way::Usual)),
        }
    }
    let mut loader = Loader { options, dylibs, names, inputs: &inputs };
    inputs.iter().try_for_each(|&(item, dylib, _)| loader.define(dylib, item))?;
    loader.add_objects()?;
    inputs.iter().try_for_each(|&(item, dylib, way)| loader.add_libraries(dylib, item, way))
}

struct Loader<'a, D> {
    options: &'a Options,
    dylibs: &'a mut D,
    /// The names of the JITDylibs.
    names: Vec<&'a str>,
    /// The items of the command line, each with its JITDylib, and how an object or archive among them is added.
    inputs: &'a [(&'a Item, usize, Way)],
}

impl<D: Dylibs> Loader<'_, D> {
    fn dylib(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| *known == name)
    }

    /// The number of a JITDylib. In LLVM, the process's symbols are in two, of which one has those of the ORC runtime.
    fn dylib_or_process(&mut self, name: &str) -> Option<usize> {
        let is_process = !self.options.no_process_syms && matches!(name, "Platform" | "Process");
        self.dylib(name).or_else(|| is_process.then(|| self.dylibs.process()))
    }

    /// The architecture of the first object; without one, this process's.
    fn arch(&self) -> Result<Arch> {
        let objects = self.options.inputs().filter(|path| !is_archive(path));
        match self.options.harness.iter().map(PathBuf::as_path).chain(objects).next() {
            Some(path) => Ok(object::read(&read(path)?, &mut NamePool::new())?.arch()),
            None => Ok(Arch::HOST.unwrap_or(Arch::ALL[0])),
        }
    }

    /// Defines what the command line does.
    fn define(&mut self, dylib: usize, item: &Item) -> Result<()> {
        match item {
            Item::Absolute { name, address } => self.dylibs.define_absolute(dylib, name, ExecAddr(*address)),
            Item::Alias { alias, target } => {
                let no_dylib = |name: &str| {
                    Failure::usage(format!("In alias definition \"{alias}={target}\" no dylib named {name}"))
                };
                let mut place = |place: &Place, default: usize| match &place.dylib {
                    None => Ok(default),
                    Some(name) => self.dylib_or_process(name).ok_or_else(|| no_dylib(name)),
                };
                let to = place(alias, dylib)?;
                let from = place(target, to)?;
                self.dylibs.define_alias(to, &alias.name, (from, &target.name))
            }
            Item::Section { name, file, symbols } => {
                let arch = self.arch()?;
                let graph = section_graph(name, file, symbols, arch, &mut self.dylibs.names())?;
                self.dylibs.add_graph(dylib, graph)
            }
            _ => Ok(()),
        }
    }

    /// Adds the harness and the objects that it takes apart.
    fn add_objects(&mut self) -> Result<()> {
        let mut harness = Harness::default();
        for path in &self.options.harness {
            self.add_object(0, path, |graph, names| harness.add(graph, names))?;
        }
        for &(item, dylib, way) in self.inputs {
            match item {
                Item::Input(path) if is_archive(path) => {}
                Item::Input(path) if way == Way::Lazy => self.dylibs.add_lazy_object(dylib, &read(path)?)?,
                Item::Input(path) => self.add_object(dylib, path, |graph, names| harness.apply(graph, names))?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Adds an object after something is done with its graph.
    fn add_object(&mut self, dylib: usize, path: &Path, act: impl FnOnce(&mut LinkGraph, &mut NamePool)) -> Result<()> {
        let source = read(path)?;
        let mut names = self.dylibs.names();
        let mut graph = object::read(&source, &mut names)?;
        act(&mut graph, &mut names);
        drop(names);
        self.dylibs.add_graph(dylib, graph)
    }

    /// Adds what is searched for names that objects have not.
    fn add_libraries(&mut self, dylib: usize, item: &Item, way: Way) -> Result<()> {
        match item {
            Item::Input(path) if is_archive(path) => self.add_archive(dylib, path, way),
            Item::LoadHidden(path) => self.add_archive(dylib, path, Way::Hidden),
            Item::WeakLibrary(path) => self.dylibs.add_weak_library(dylib, path),
            Item::Library { name, .. } if let Some(other) = self.dylib(name) => self.dylibs.search(dylib, other),
            Item::Library { name, form } => {
                let path = self.find_library(dylib, name, *form)?;
                match form {
                    Form::Weak => self.dylibs.add_weak_library(dylib, &path),
                    Form::Hidden if is_archive(&path) => self.add_archive(dylib, &path, Way::Hidden),
                    Form::Usual if is_archive(&path) => self.add_archive(dylib, &path, Way::Usual),
                    Form::Hidden | Form::Usual => self.dylibs.add_library(dylib, &path),
                }
            }
            Item::Directory(path) if !path.is_dir() => {
                let (place, path) = (self.names[dylib], path.display());
                Err(Failure::usage(format!("While linking {place}, -L{path} does not point to a directory")))
            }
            _ => Ok(()),
        }
    }

    fn add_archive(&mut self, dylib: usize, path: &Path, way: Way) -> Result<()> {
        let archive = Archive::parse(read(path)?)?;
        if !self.options.all_load {
            return self.dylibs.add_archive(dylib, archive, way);
        }
        objects(&archive)?.iter().try_for_each(|member| add_object(self.dylibs, dylib, member, way))
    }

    /// The file of `-l` and its relatives, in the directories of the JITDylib, then maybe in the system's.
    fn find_library(&self, dylib: usize, name: &str, form: Form) -> Result<PathBuf> {
        let in_system = || if self.options.search_sys_lib { Search::for_host().library(name).ok() } else { None };
        let forms: &[&str] = match form {
            Form::Usual => &["lib{}.so", "lib{}.a", "{}.lib"],
            Form::Hidden => &["lib{}.a", "{}.lib"],
            Form::Weak => &["lib{}.so", "lib{}.tbd"],
        };
        let directories = self.inputs.iter().filter_map(|(item, owner, _)| match item {
            Item::Directory(path) if *owner == dylib => Some(path),
            _ => None,
        });
        let mut files = directories.flat_map(|path| forms.iter().map(|form| path.join(form.replace("{}", name))));
        files.find(|file| file.is_file()).or_else(in_system).ok_or_else(|| {
            Failure::usage(format!("While linking {}, could not find library for -l{name}", self.names[dylib]))
        })
    }
}

fn is_archive(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "a" || extension == "lib")
}

/// A section with the content of a file, and symbols in it.
fn section_graph(
    name: &str,
    file: &Path,
    symbols: &[(String, u64)],
    arch: Arch,
    names: &mut NamePool,
) -> Result<LinkGraph> {
    let content = read(file)?;
    let size = content.bytes().len() as u64;
    let source = Source::new(format!("orc_sectcreate_{name}"), []);
    let mut graph = LinkGraph::new(source, arch);
    let section = graph.add_section(name, Protection::Read, Lifetime::Standard)?;
    let block = graph.add_block(section, Content::Owned(content.bytes().into()), 0, 4)?;
    for (symbol, offset) in symbols {
        if *offset > size {
            let file = file.display();
            return Err(Failure::usage(format!("-sectcreate: '{symbol}' lies beyond the end of {file}")));
        }
        graph.add_symbol(Symbol {
            name: Name::Interned(names.intern(symbol.as_bytes())),
            definition: Definition::Defined { block, offset: *offset },
            linkage: Linkage::Strong,
            scope: Scope::Default,
            ..Symbol::anonymous(block, *offset, 0)
        })?;
    }
    Ok(graph)
}
