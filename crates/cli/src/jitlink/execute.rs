//! Running the program, in a session.

use std::ffi::c_long;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use linkjit::link::object::archive::Archive;
use linkjit::{ExecAddr, Jit, JitDylib, LinkPolicy, MatchScope};

use super::failure::{Failure, Result};
use super::options::{Item, Options};
use super::{find_library, is_archive, read, section_graph};
use crate::inputs;

/// What the program wants its result to be, if it says so.
static RESULT: Mutex<Option<c_long>> = Mutex::new(None);

/// `llvm_jitlink_setTestResultOverride`: for programs whose `main` says nothing.
extern "C" fn set_test_result_override(result: c_long) {
    *RESULT.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
}

/// Runs the program and returns its exit code. As after any program's `main`, what it registered for exit comes later.
pub(super) fn execute(options: &Options) -> Result<i32> {
    for (is_set, name) in [
        (options.phony_externals, "-phony-externals"),
        (options.no_process_syms, "-no-process-syms"),
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
    let set_result = set_test_result_override as extern "C" fn(c_long) as *const ();
    jit.process().define_absolute("llvm_jitlink_setTestResultOverride", ExecAddr(set_result as u64))?;
    load(&jit, options)?;
    let program = options.items.iter().find_map(|item| match item {
        Item::Input(path) => Some(path.to_string_lossy().into_owned()),
        _ => None,
    });
    let arguments: Vec<_> = program.into_iter().chain(options.arguments.iter().cloned()).collect();
    let entry = options.entry.as_deref().unwrap_or("main");
    // SAFETY: the user asks for this program to be run, and vouches for it as for any other.
    let result = unsafe { jit.run_main(entry, &arguments) }?;
    let wanted = *RESULT.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(wanted.map_or(result, |wanted| i32::try_from(wanted).unwrap_or(-1)))
}

/// Puts everything into its JITDylib, in the order of the command line.
fn load(jit: &Jit, options: &Options) -> Result<()> {
    let mut dylibs = vec![jit.main().clone()];
    for item in &options.items {
        if let Item::Dylib(name) = item
            && find(&dylibs, name).is_none()
        {
            dylibs.push(jit.create_dylib(name)?);
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
            Item::Library { hidden: true, .. } | Item::LoadHidden(_) => {
                return Err(Failure::usage("linkjit supports -hidden-l and -load_hidden with -noexec only"));
            }
            Item::Library { name, .. } => match find(&dylibs, name) {
                Some(other) => target.add_to_link_order(&other, MatchScope::Exported)?,
                None => {
                    let path = find_library(name, directories.iter(), &target.name(), options.search_sys_lib)?;
                    if is_archive(&path) {
                        target.add_archive(path)?;
                    } else {
                        target.add_library(inputs::for_loader(&path))?;
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

fn find(dylibs: &[JitDylib], name: &str) -> Option<JitDylib> {
    dylibs.iter().find(|dylib| dylib.name() == name).cloned()
}
