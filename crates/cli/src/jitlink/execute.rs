//! Running the program, in a session.

use std::collections::HashMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use linkjit::link::graph::{LinkGraph, Scope};
use linkjit::link::object;
use linkjit::link::object::archive::Archive;
use linkjit::{
    ExecAddr, FunctionGenerator, Jit, JitDylib, LinkPolicy, MatchScope, PassLists, Stage, SymbolLookupSet, Wanted,
};

use super::archives::{self, Archives, Taken, Way};
use super::failure::{Failure, Result};
use super::harness::Harness;
use super::options::{Form, Item, Options};
use super::record::Recorder;
use super::references::add_self_relocations;
use super::report::Reports;
use super::{absolutes, find_library, interfaces, is_archive, read, section_graph, show, ways};
use crate::inputs;

/// What the program wants its result to be, if it says so.
static RESULT: Mutex<Option<i64>> = Mutex::new(None);
/// Its entry point has returned: the process does not end because the program calls `exit`.
static RETURNED: AtomicBool = AtomicBool::new(false);

/// For programs whose `main` says nothing.
pub(super) const RESULT_OVERRIDE: &str = "llvm_jitlink_setTestResultOverride";

/// Where it is.
pub(super) fn result_override() -> ExecAddr {
    ExecAddr(set_test_result_override as extern "C" fn(i64) as *const () as u64)
}

extern "C" fn set_test_result_override(result: i64) {
    *RESULT.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
}

/// The exit code that the program has asked for, also in what runs at exit.
fn wanted_result() -> Option<i32> {
    let wanted = *RESULT.lock().unwrap_or_else(PoisonError::into_inner);
    // As LLVM does, and the system after it, the lowest bits are taken.
    wanted.filter(|_| RETURNED.load(Ordering::Relaxed)).map(|wanted| wanted as i32)
}

/// Runs the program and returns its exit code. As after any program's `main`, what it registered for exit comes later.
pub(super) fn execute(options: &Options) -> Result<i32> {
    linkjit::executor::exit_code::decide_at_exit(wanted_result);
    let start = Instant::now();
    let reports = Reports::new(options)?;
    // As LLVM does, an object is linked as a whole. What -slab-allocate asks for is always so: a JITDylib's memory is in
    // one window, or in a further one if that is full.
    let jit = Jit::builder().policy(LinkPolicy::Whole).build().map_err(Failure::from)?;
    // Other threads may still run when main has returned.
    let jit = std::mem::ManuallyDrop::new(jit);
    for path in &options.preload {
        jit.session().executor().open_library(path.as_os_str().as_encoded_bytes(), true)?;
    }
    if options.add_self_relocations {
        let add = |_: &LinkGraph, passes: &mut PassLists| {
            passes.add(Stage::PrePrune, |graph, _| Ok(add_self_relocations(graph)?));
        };
        jit.session().add_plugin(Arc::new(add));
    }
    let process =
        if options.no_process_syms { jit.session().create_dylib("<TestResultJD>")? } else { jit.process().clone() };
    process.define_absolute(RESULT_OVERRIDE, result_override())?;
    let entry = options.entry.as_deref().unwrap_or("main");
    let archives = load(&jit, options, &process)?;
    find_entry(&jit, entry, &process)?;
    if options.phony_externals {
        let entry = entry.to_string();
        let phony = move |dylib: &JitDylib, wanted: &[Wanted<'_>]| {
            // To call what is nowhere would help nobody.
            let names = wanted.iter().map(|wanted| wanted.name).filter(|name| *name != entry.as_bytes());
            names.into_iter().try_for_each(|name| define_null(dylib, name))
        };
        jit.main().add_generator(Arc::new(FunctionGenerator::new("phony externals", phony)))?;
    }
    let loaded = Instant::now();
    link(&jit, entry, options, &reports, &archives)?;
    if options.show_times {
        show::times([start, loaded, Instant::now()], &mut std::io::stdout())?;
    }
    let program = options.items.iter().find_map(|item| match item {
        Item::Input(path) => Some(path.to_string_lossy().into_owned()),
        _ => None,
    });
    let arguments: Vec<_> = program.into_iter().chain(options.arguments.iter().cloned()).collect();
    linkjit::executor::crash::print_backtraces();
    // SAFETY: the user asks for this program to be run, and vouches for it as for any other.
    let result = unsafe { jit.run_main(entry, &arguments) }?;
    RETURNED.store(true, Ordering::Relaxed);
    Ok(wanted_result().unwrap_or(result))
}

/// Links what the program needs, initializers included, and reports about it.
fn link(jit: &Jit, entry: &str, options: &Options, reports: &Reports<'_>, archives: &[PathBuf]) -> Result<()> {
    let before = if options.show_init_es || options.show_entry_es { Some(super::load(options)?) } else { None };
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut before = before.map(|mut tables| tables.session(false)).unwrap_or_default();
    if options.show_init_es {
        show::session(&before, &mut out)?;
    }
    if !reports.is_needed() && !options.show_entry_es {
        out.flush()?;
        return Ok(());
    }
    let recorder = Arc::new(Recorder::default());
    let plugin = jit.session().add_plugin(recorder.clone());
    let found = jit.main().lookup_with_initializers(&[entry])?;
    let members = member_names(archives)?;
    if options.items.contains(&Item::Lazy) {
        recorder.show_what_follows(reports.of_files(), members.clone());
    } else {
        jit.session().remove_plugin(plugin)?;
    }
    let names = jit.session().name_pool().lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(main) = before.iter_mut().find(|dylib| dylib.name == "main")
        && let Some(symbol) = main.symbols.get_mut(entry)
    {
        symbol.address = found.first().copied();
    }
    let after = if options.show_entry_es { recorder.session(&names, before) } else { Vec::new() };
    recorder.with_program(&names, absolutes(options), &members, |program| {
        reports.files(program, &mut out)?;
        show::session(&after, &mut out)?;
        reports.addresses(program, &mut out)?;
        Ok(out.flush()?)
    })
}

/// Puts everything into its JITDylib, in the order of the command line. All of them search the `process` at last.
/// Returns the archives.
fn load(jit: &Jit, options: &Options, process: &JitDylib) -> Result<Vec<PathBuf>> {
    let mut archives = Vec::new();
    let order = [(process.clone(), MatchScope::Exported)];
    jit.main().set_link_order(&order)?;
    let mut dylibs = vec![jit.main().clone()];
    for item in &options.items {
        if let Item::Dylib(name) = item
            && find(&dylibs, name).is_none()
        {
            let dylib = jit.session().create_dylib(name)?;
            dylib.set_link_order(&order)?;
            dylibs.push(dylib);
        }
    }
    let mut target = jit.main().clone();
    let mut directories = Vec::new();
    let mut harness = Harness::new(&options.harness)?;
    for path in &options.harness {
        jit.main().add_object(&read(path)?)?;
    }
    for (item, way) in options.items.iter().zip(ways(options)) {
        if let Item::Input(path) = item
            && is_archive(path)
        {
            archives.push(path.clone());
        }
        match item {
            Item::Dylib(name) => target = find(&dylibs, name).unwrap_or(target),
            Item::Directory(path) => directories.push(path.clone()),
            Item::Input(path) if is_archive(path) && way == Way::Lazy => {
                add_archive_as(&target, path, way, options.all_load)?;
            }
            Item::Input(path) if is_archive(path) && options.all_load => add_members(&target, path)?,
            Item::Input(path) if is_archive(path) => target.add_archive(path)?,
            Item::Input(path) if way == Way::Lazy => target.add_lazy_object(&read(path)?)?,
            Item::Input(path) => {
                let graph = {
                    let mut names = jit.session().name_pool().lock().unwrap_or_else(PoisonError::into_inner);
                    let mut graph = object::read(&read(path)?, &mut names)?;
                    harness.apply(&mut graph, &mut names);
                    graph
                };
                target.add_graph(graph)?;
            }
            Item::Lazy => {}
            Item::Absolute { name, address } => target.define_absolute(name, ExecAddr(*address))?,
            Item::Alias { alias, target: of } => {
                let place = |name: &Option<String>| match name {
                    None => Ok(target.clone()),
                    Some(name) => find(&dylibs, name)
                        .ok_or_else(|| Failure::usage(format!("-alias: there is no JITDylib '{name}'"))),
                };
                place(&alias.dylib)?.reexport(&alias.name, &place(&of.dylib)?, &of.name)?;
            }
            Item::Section { name, file, symbols } => {
                let intern = |name: &str| {
                    jit.session().name_pool().lock().unwrap_or_else(PoisonError::into_inner).intern(name.as_bytes())
                };
                target.add_graph(section_graph(name, file, symbols, intern)?)?;
            }
            Item::LoadHidden(path) => add_archive_as(&target, path, Way::Hidden, options.all_load)?,
            Item::WeakLibrary(path) => add_weak(&target, path)?,
            Item::Library { name, form } => match find(&dylibs, name) {
                Some(other) => add_to_link_order(&target, &other, MatchScope::Exported, process)?,
                None => {
                    let path = find_library(name, *form, directories.iter(), &target.name(), options.search_sys_lib)?;
                    if is_archive(&path) {
                        archives.push(path.clone());
                    }
                    match form {
                        Form::Weak => add_weak(&target, &path)?,
                        Form::Hidden => add_archive_as(&target, &path, Way::Hidden, options.all_load)?,
                        Form::Usual if is_archive(&path) && options.all_load => add_members(&target, &path)?,
                        Form::Usual if is_archive(&path) => target.add_archive(path)?,
                        Form::Usual => target.add_library(inputs::for_loader(&path))?,
                    }
                }
            },
        }
    }
    Ok(archives)
}

/// Lets the program begin in any JITDylib; initializers of that one are run, too.
fn find_entry(jit: &Jit, entry: &str, process: &JitDylib) -> Result<()> {
    let wanted = SymbolLookupSet::new([entry]);
    for dylib in std::iter::once(jit.main().clone()).chain(jit.session().dylibs()) {
        if dylib.lookup_flags(&wanted)?.first().is_some_and(Option::is_some) {
            if dylib.name() != jit.main().name() {
                add_to_link_order(jit.main(), &dylib, MatchScope::All, process)?;
            }
            break;
        }
    }
    Ok(())
}

/// Has a JITDylib searched before the process, in the order of the command line.
fn add_to_link_order(of: &JitDylib, other: &JitDylib, scope: MatchScope, process: &JitDylib) -> linkjit::Result<()> {
    of.remove_from_link_order(process)?;
    of.add_to_link_order(other, scope)?;
    of.add_to_link_order(process, MatchScope::Exported)
}

/// What LLVM calls the members of archives, by what sessions call them.
fn member_names(archives: &[PathBuf]) -> Result<HashMap<String, String>> {
    let mut names = HashMap::new();
    for path in archives {
        let archive = Archive::parse(read(path)?)?;
        for (number, member) in archive.members().enumerate() {
            let member = member?;
            let ours = linkjit::member_source(&archive, member.offset)?.name().to_string();
            names.insert(ours, archives::member_name(&archive, number, &member));
        }
    }
    Ok(names)
}

/// Adds all members of an archive.
fn add_members(target: &JitDylib, path: &Path) -> Result<()> {
    let archive = Archive::parse(read(path)?)?;
    for member in archive.members() {
        target.add_object(&linkjit::member_source(&archive, member?.offset)?)?;
    }
    Ok(())
}

/// Adds an archive whose members are hidden or lazy.
fn add_archive_as(target: &JitDylib, path: &Path, way: Way, all: bool) -> Result<()> {
    let mut archives = Archives::default();
    for member in archives.add(path, way, all)? {
        add_member(target, &member)?;
    }
    let archives = Mutex::new(archives);
    let take = move |dylib: &JitDylib, wanted: &[Wanted<'_>]| {
        for wanted in wanted.iter().filter(|wanted| !wanted.weak) {
            let taken = archives.lock().unwrap_or_else(PoisonError::into_inner).take(wanted.name);
            let in_archive = |failure: Failure| linkjit::Error::Unsupported { what: failure.to_string() };
            if let Some(member) = taken.map_err(in_archive)? {
                add_member(dylib, &member)?;
            }
        }
        Ok(())
    };
    let name = path.to_string_lossy();
    Ok(target.add_generator(Arc::new(FunctionGenerator::new(name, take)))?)
}

fn add_member(target: &JitDylib, member: &Taken) -> linkjit::Result<()> {
    if member.way == Way::Lazy {
        return target.add_lazy_object(&member.source);
    }
    let names = target.session().name_pool();
    let mut graph = object::read(&member.source, &mut names.lock().unwrap_or_else(PoisonError::into_inner))?;
    for id in graph.symbol_ids().filter(|_| member.way == Way::Hidden) {
        let symbol = graph.symbol(id);
        if !symbol.is_external() {
            graph.set_visibility(id, symbol.linkage, symbol.scope.max(Scope::Hidden));
        }
    }
    target.add_graph(graph)
}

/// Makes what a shared library defines null.
fn add_weak(target: &JitDylib, path: &Path) -> Result<()> {
    let nulls = interfaces::names(path)?;
    let define = move |dylib: &JitDylib, wanted: &[Wanted<'_>]| {
        let names = wanted.iter().map(|wanted| wanted.name).filter(|name| nulls.contains(*name));
        names.into_iter().try_for_each(|name| define_null(dylib, name))
    };
    Ok(target.add_generator(Arc::new(FunctionGenerator::new(path.to_string_lossy(), define)))?)
}

fn define_null(dylib: &JitDylib, name: &[u8]) -> linkjit::Result<()> {
    dylib.define_absolute(&String::from_utf8_lossy(name), ExecAddr::NULL)
}

fn find(dylibs: &[JitDylib], name: &str) -> Option<JitDylib> {
    dylibs.iter().find(|dylib| dylib.name() == name).cloned()
}
