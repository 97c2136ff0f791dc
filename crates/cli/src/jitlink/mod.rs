//! `linkjit jitlink`: llvm-jitlink's command line, so that tests that were written for it run unmodified.
//!
//! With `-noexec` everything that the entry point reaches is linked at fixed addresses into memory that nobody runs
//! (`tables`, `link`, `slab`), and check rules are evaluated over it (`registry`). Without, the program is run as
//! `linkjit run` does it (`execute`).

mod archives;
mod execute;
mod failure;
mod harness;
mod interfaces;
mod link;
mod linked;
mod options;
mod record;
mod references;
mod registry;
mod report;
mod show;
mod sizes;
mod slab;
mod symbolicate;
mod tables;

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use linkjit::ExecAddr;
use linkjit::link::graph::{Content, Definition, Lifetime, LinkGraph, Linkage, Name, Protection, Scope, Symbol};
use linkjit::link::names::NameId;
use linkjit::link::object;
use linkjit::link::source::Source;

use crate::report::bounded;
use crate::search::Search;
use archives::Way;
use failure::{Failure, Result};
use harness::Harness;
use linked::LinkedProgram;
use options::{Form, Item, Options};
use report::Reports;
use slab::Slab;
use tables::{By, Tables};

const USAGE: &str = "\
Usage: linkjit jitlink [options] object-or-archive...

Links as llvm-jitlink does and takes its options, with one dash or two, and its check rules; see
'llvm-jitlink --help'. What linkjit does not have is refused. Unlike there, argv[0] is the first input.";

/// Does what the arguments after `jitlink` ask for; returns the exit code.
pub(crate) fn main(arguments: Vec<String>) -> i32 {
    // What follows these is not for us.
    let mut own = arguments.iter().map(String::as_str).take_while(|word| !options::TAKES_REST.contains(word));
    if own.any(|word| matches!(word, "-help" | "--help" | "-h")) {
        // Nobody is left to tell if that fails.
        let _closed = writeln!(std::io::stdout(), "{USAGE}");
        return 0;
    }
    Options::parse(arguments).and_then(|options| run(&options)).unwrap_or_else(|failure| {
        if !matches!(failure, Failure::Reported) {
            let _closed = writeln!(std::io::stderr(), "{}", bounded(&failure.to_string()));
        }
        1
    })
}

fn run(options: &Options) -> Result<i32> {
    for warning in options.warnings() {
        writeln!(std::io::stderr(), "Warning: {warning}")?;
    }
    if let Some(path) = options.orc_runtime.as_deref().filter(|path| !path.is_file()) {
        return Err(Failure::usage(format!("'{}': No such file or directory", path.display())));
    }
    match &options.symbolicate_with {
        Some(table) => {
            let inputs = options.items.iter().filter_map(|item| match item {
                Item::Input(path) => Some(path.as_path()),
                _ => None,
            });
            symbolicate::symbolicate(table, inputs)
        }
        None if options.no_exec => link_only(options),
        None => execute::execute(options),
    }
}

/// Links without running, and checks.
fn link_only(options: &Options) -> Result<i32> {
    let start = Instant::now();
    let mut out = BufWriter::new(std::io::stdout().lock());
    let reports = Reports::new(options)?;
    let mut tables = load(options)?;
    let loaded = Instant::now();
    if options.show_init_es {
        show::session(&tables.session(false), &mut out)?;
    }
    let entry = tables.intern(options.entry.as_deref().unwrap_or("main"));
    let mut slab = Slab::new(options.slab.address, options.slab.page_size);
    let linked = link::link(&mut tables, entry, &mut slab)?;
    let done = Instant::now();
    let session = if options.show_entry_es { tables.session(true) } else { Vec::new() };
    if reports.is_needed() {
        let names = tables.names();
        let program = LinkedProgram {
            names: &names,
            files: linked.iter().map(|linked| linked.file(&tables, &names)).collect(),
            absolutes: absolutes(options),
            memory: linked.iter().map(|linked| (linked.region.start, (&*linked.region.bytes).into())).collect(),
        };
        reports.files(&program, &mut out)?;
        show::session(&session, &mut out)?;
        reports.addresses(&program, &mut out)?;
    } else {
        show::session(&session, &mut out)?;
    }
    if options.show_times {
        show::times([start, loaded, done], &mut out)?;
    }
    out.flush()?;
    Ok(0)
}

/// What `-abs` defines.
fn absolutes(options: &Options) -> Vec<(String, ExecAddr)> {
    let absolutes = options.items.iter().filter_map(|item| match item {
        Item::Absolute { name, address } => Some((name.clone(), ExecAddr(*address))),
        _ => None,
    });
    absolutes.collect()
}

/// Puts everything into its JITDylib: names that the command line defines first, then objects, then libraries.
fn load(options: &Options) -> Result<Tables> {
    let mut dylibs: Vec<String> = Vec::new();
    for item in &options.items {
        if let Item::Dylib(name) = item
            && name != "main"
            && !dylibs.contains(name)
        {
            dylibs.push(name.clone());
        }
    }
    let mut tables = Tables::new(&dylibs, options);
    let mut at = vec![0; options.items.len()];
    let mut current = 0;
    for (item, at) in options.items.iter().zip(&mut at) {
        if let Item::Dylib(name) = item {
            current = tables.dylib(name).unwrap_or(0);
        }
        *at = current;
    }
    let items = || options.items.iter().zip(&at);
    for path in &options.preload {
        tables.preload(path)?;
    }
    let mut harness = Harness::new(&options.harness)?;
    for path in &options.harness {
        tables.add_object(0, &read(path)?, Way::Usual)?;
    }
    for (item, &dylib) in items() {
        define(&mut tables, dylib, item)?;
    }
    for ((item, &dylib), way) in items().zip(ways(options)) {
        if let Item::Input(path) = item
            && !is_archive(path)
        {
            if way == Way::Lazy {
                tables.add_object(dylib, &read(path)?, way)?;
                continue;
            }
            let graph = {
                let mut names = tables.names();
                let mut graph = object::read(&read(path)?, &mut names)?;
                harness.apply(&mut graph, &mut names);
                graph
            };
            tables.add_graph(dylib, graph, false)?;
        }
    }
    for ((item, &dylib), way) in items().zip(ways(options)) {
        let directories = items().filter(|(_, other)| **other == dylib).filter_map(|(item, _)| match item {
            Item::Directory(path) => Some(path),
            _ => None,
        });
        match item {
            Item::Input(path) if is_archive(path) => add_archive(&mut tables, dylib, path, way, options.all_load)?,
            Item::LoadHidden(path) => add_archive(&mut tables, dylib, path, Way::Hidden, options.all_load)?,
            Item::WeakLibrary(path) => tables.dylibs[dylib].nulls.extend(interfaces::names(path)?),
            Item::Library { name, form } => match tables.dylib(name) {
                Some(other) => tables.dylibs[dylib].order.push(other),
                None => {
                    let place = &tables.dylibs[dylib].name;
                    let path = find_library(name, *form, directories, place, options.search_sys_lib)?;
                    if *form == Form::Weak {
                        tables.dylibs[dylib].nulls.extend(interfaces::names(&path)?);
                    } else if is_archive(&path) {
                        let way = if *form == Form::Hidden { Way::Hidden } else { Way::Usual };
                        add_archive(&mut tables, dylib, &path, way, options.all_load)?;
                    } else {
                        tables.add_library(dylib, &path)?;
                    }
                }
            },
            Item::Directory(path) if !path.is_dir() => {
                let (place, path) = (&tables.dylibs[dylib].name, path.display());
                return Err(Failure::usage(format!("While linking {place}, -L{path} does not point to a directory")));
            }
            _ => {}
        }
    }
    Ok(tables)
}

/// How each item is added, if it is an input: `-lazy` is about the next one.
fn ways(options: &Options) -> impl Iterator<Item = Way> {
    let mut way = Way::Usual;
    options.items.iter().map(move |item| match item {
        Item::Lazy => std::mem::replace(&mut way, Way::Lazy),
        Item::Input(_) => std::mem::replace(&mut way, Way::Usual),
        _ => way,
    })
}

/// The bytes of a file.
fn read(path: &Path) -> Result<Source> {
    let name = path.to_string_lossy();
    match linkjit::executor::file::read(path) {
        Ok(bytes) => Ok(Source::new(&*name, bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Failure::usage(format!("'{name}': No such file or directory")))
        }
        Err(error) => Err(Failure::usage(format!("'{name}': {error}"))),
    }
}

fn is_archive(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "a" || extension == "lib")
}

fn define(tables: &mut Tables, dylib: usize, item: &Item) -> Result<()> {
    match item {
        Item::Absolute { name, address } => tables.define(dylib, name, By::Absolute(ExecAddr(*address))),
        Item::Alias { alias, target } => {
            let place = |tables: &Tables, named: &Option<String>| match named {
                None => Ok(dylib),
                Some(name) => tables.dylib(name).ok_or_else(|| {
                    Failure::usage(format!("In alias definition of '{}' no dylib named {name}", alias.name))
                }),
            };
            let (at, from) = (place(tables, &alias.dylib)?, place(tables, &target.dylib)?);
            let target = tables.intern(&target.name);
            tables.define(at, &alias.name, By::Alias(from, target))
        }
        Item::Section { name, file, symbols } => {
            let graph = section_graph(name, file, symbols, |name| tables.intern(name))?;
            tables.add_graph(dylib, graph, false).map(drop)
        }
        _ => Ok(()),
    }
}

/// A section with the content of a file, and symbols in it.
fn section_graph(
    name: &str,
    file: &Path,
    symbols: &[(String, u64)],
    mut intern: impl FnMut(&str) -> NameId,
) -> Result<LinkGraph> {
    let content = read(file)?;
    let size = content.bytes().len() as u64;
    let source = Source::new(format!("orc_sectcreate_{name}"), []);
    let mut graph = LinkGraph::new(source, linkjit::link::arch::Arch::HOST);
    let section = graph.add_section(name, Protection::Read, Lifetime::Standard)?;
    let block = graph.add_block(section, Content::Owned(content.bytes().into()), 0, 4)?;
    for (symbol, offset) in symbols {
        if *offset > size {
            let file = file.display();
            return Err(Failure::usage(format!("-sectcreate: '{symbol}' lies beyond the end of {file}")));
        }
        graph.add_symbol(Symbol {
            name: Name::Interned(intern(symbol)),
            definition: Definition::Defined { block, offset: *offset },
            linkage: Linkage::Strong,
            scope: Scope::Default,
            ..Symbol::anonymous(block, *offset, 0)
        })?;
    }
    Ok(graph)
}

fn add_archive(tables: &mut Tables, dylib: usize, path: &Path, way: Way, all: bool) -> Result<()> {
    for member in tables.dylibs[dylib].archives.add(path, way, all)? {
        tables.add_object(dylib, &member.source, member.way)?;
    }
    Ok(())
}

/// The file of `-l` and its relatives, in the directories of the JITDylib, then maybe in the system's.
fn find_library<'a>(
    name: &str,
    form: Form,
    directories: impl Iterator<Item = &'a PathBuf>,
    place: &str,
    of_system: bool,
) -> Result<PathBuf> {
    let system = || if of_system { Search::new(&[]).library(name).ok() } else { None };
    let forms: &[&str] = match form {
        Form::Usual => &["lib{}.so", "lib{}.a", "{}.lib"],
        Form::Hidden => &["lib{}.a", "{}.lib"],
        Form::Weak => &["lib{}.so", "lib{}.tbd"],
    };
    let mut files = directories.flat_map(|path| forms.iter().map(|form| path.join(form.replace("{}", name))));
    let missing = || Failure::usage(format!("While linking {place}, could not find library for -l{name}"));
    files.find(|file| file.is_file()).or_else(system).ok_or_else(missing)
}
