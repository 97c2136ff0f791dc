//! Running the program, in a session.

use std::ffi::c_long;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use linkjit::link::graph::Scope;
use linkjit::link::object;
use linkjit::link::object::archive::Archive;
use linkjit::link::source::Source;
use linkjit::{ExecAddr, FunctionGenerator, Jit, JitDylib, LinkPolicy, MatchScope, Wanted};

use super::archives::Archives;
use super::failure::{Failure, Result};
use super::options::{Form, Item, Options};
use super::{find_library, is_archive, read, section_graph, weak};
use crate::inputs;

/// What the program wants its result to be, if it says so.
static RESULT: Mutex<Option<c_long>> = Mutex::new(None);

/// For programs whose `main` says nothing.
pub(super) const RESULT_OVERRIDE: &str = "llvm_jitlink_setTestResultOverride";

/// Where it is.
pub(super) fn result_override() -> ExecAddr {
    ExecAddr(set_test_result_override as extern "C" fn(c_long) as *const () as u64)
}

extern "C" fn set_test_result_override(result: c_long) {
    *RESULT.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
}

/// Runs the program and returns its exit code. As after any program's `main`, what it registered for exit comes later.
pub(super) fn execute(options: &Options) -> Result<i32> {
    for (is_set, name) in [
        (options.show_addrs, "-show-addrs"),
        (options.show_entry_es, "-show-entry-es"),
        (options.show_init_es, "-show-init-es"),
        (options.show_linked_files, "-show-linked-files"),
        (options.show_contents, "-show-relocated-section-contents"),
        (options.show_graphs.is_some(), "-show-graphs"),
    ] {
        if is_set {
            return Err(Failure::usage(format!("linkjit supports {name} with -noexec only")));
        }
    }
    // As LLVM does, an object is linked as a whole. What -slab-allocate asks for is always so: a JITDylib's memory is in
    // one window, or in a further one if that is full.
    let jit = Jit::builder().policy(LinkPolicy::Whole).build().map_err(Failure::from)?;
    // Other threads may still run when main has returned.
    let jit = std::mem::ManuallyDrop::new(jit);
    for path in &options.preload {
        jit.session().executor().open_library(path, true)?;
    }
    let process =
        if options.no_process_syms { jit.session().create_dylib("<TestResultJD>")? } else { jit.process().clone() };
    process.define_absolute(RESULT_OVERRIDE, result_override())?;
    let entry = options.entry.as_deref().unwrap_or("main");
    load(&jit, options, &process)?;
    if options.phony_externals {
        let entry = entry.to_string();
        let phony = move |dylib: &JitDylib, wanted: &[Wanted<'_>]| {
            // To call what is nowhere would help nobody.
            let names = wanted.iter().map(|wanted| wanted.name).filter(|name| *name != entry.as_bytes());
            names.into_iter().try_for_each(|name| define_null(dylib, name))
        };
        jit.main().add_generator(Arc::new(FunctionGenerator::new("phony externals", phony)))?;
    }
    let program = options.items.iter().find_map(|item| match item {
        Item::Input(path) => Some(path.to_string_lossy().into_owned()),
        _ => None,
    });
    let arguments: Vec<_> = program.into_iter().chain(options.arguments.iter().cloned()).collect();
    // SAFETY: the user asks for this program to be run, and vouches for it as for any other.
    let result = unsafe { jit.run_main(entry, &arguments) }?;
    let wanted = *RESULT.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(wanted.map_or(result, |wanted| i32::try_from(wanted).unwrap_or(-1)))
}

/// Puts everything into its JITDylib, in the order of the command line. All of them search the `process` at last.
fn load(jit: &Jit, options: &Options, process: &JitDylib) -> Result<()> {
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
    let mut is_lazy = false;
    for item in &options.items {
        match item {
            Item::Dylib(name) => target = find(&dylibs, name).unwrap_or(target),
            Item::Directory(path) => directories.push(path.clone()),
            Item::Input(path) if is_archive(path) && options.all_load => add_members(&target, path)?,
            Item::Input(path) if is_archive(path) => target.add_archive(path)?,
            Item::Input(path) if std::mem::take(&mut is_lazy) => target.add_lazy_object(&read(path)?)?,
            Item::Input(path) => target.add_object(&read(path)?)?,
            Item::Lazy => is_lazy = true,
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
            Item::LoadHidden(path) => add_hidden(&target, path, options.all_load)?,
            Item::WeakLibrary(path) => add_weak(&target, path)?,
            Item::Library { name, form } => match find(&dylibs, name) {
                Some(other) => {
                    // Before the process, in the order of the command line.
                    target.remove_from_link_order(process)?;
                    target.add_to_link_order(&other, MatchScope::Exported)?;
                    target.add_to_link_order(process, MatchScope::Exported)?;
                }
                None => {
                    let path = find_library(name, *form, directories.iter(), &target.name(), options.search_sys_lib)?;
                    match form {
                        Form::Weak => add_weak(&target, &path)?,
                        Form::Hidden => add_hidden(&target, &path, options.all_load)?,
                        Form::Usual if is_archive(&path) && options.all_load => add_members(&target, &path)?,
                        Form::Usual if is_archive(&path) => target.add_archive(path)?,
                        Form::Usual => target.add_library(inputs::for_loader(&path))?,
                    }
                }
            },
        }
    }
    Ok(())
}

/// Adds all members of an archive.
fn add_members(target: &JitDylib, path: &Path) -> Result<()> {
    let archive = Archive::parse(read(path)?)?;
    for member in archive.members() {
        target.add_object(&linkjit::member_source(&archive, member?.offset)?)?;
    }
    Ok(())
}

/// Adds an archive whose definitions only their own JITDylib sees.
fn add_hidden(target: &JitDylib, path: &Path, all: bool) -> Result<()> {
    let mut archives = Archives::default();
    for member in archives.add(path, true, all)? {
        add_hidden_member(target, &member.source)?;
    }
    let archives = Mutex::new(archives);
    let take = move |dylib: &JitDylib, wanted: &[Wanted<'_>]| {
        for wanted in wanted.iter().filter(|wanted| !wanted.weak) {
            let taken = archives.lock().unwrap_or_else(PoisonError::into_inner).take(wanted.name);
            let in_archive = |failure: Failure| linkjit::Error::Unsupported { what: failure.to_string() };
            if let Some(member) = taken.map_err(in_archive)? {
                add_hidden_member(dylib, &member.source)?;
            }
        }
        Ok(())
    };
    let name = path.to_string_lossy();
    Ok(target.add_generator(Arc::new(FunctionGenerator::new(name, take)))?)
}

fn add_hidden_member(target: &JitDylib, source: &Source) -> linkjit::Result<()> {
    let names = target.session().name_pool();
    let mut graph = object::read(source, &mut names.lock().unwrap_or_else(PoisonError::into_inner))?;
    for id in graph.symbol_ids() {
        let symbol = graph.symbol(id);
        if !symbol.is_external() {
            graph.set_visibility(id, symbol.linkage, symbol.scope.max(Scope::Hidden));
        }
    }
    target.add_graph(graph)
}

/// Makes what a shared library defines null.
fn add_weak(target: &JitDylib, path: &Path) -> Result<()> {
    let nulls = weak::interface(path)?;
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
