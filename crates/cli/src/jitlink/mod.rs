//! `linkjit jitlink`: llvm-jitlink's command line, so that tests that were written for it run unmodified.
//!
//! With `-noexec`, the command links everything that the entry point reaches at fixed addresses, into memory that is
//! not run (`tables`, `link`, `slab`), and evaluates check rules over it (`registry`). Without `-noexec`, it runs the
//! program as `linkjit run` does, in this process or another one (`execute`).

mod archives;
mod execute;
mod failure;
mod find;
mod harness;
mod interfaces;
mod link;
mod linked;
mod load;
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
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use linkjit::ExecAddr;
use linkjit_link::source::Source;

use failure::{Failure, Result};
use linked::LinkedProgram;
use options::{Item, Options};
use report::Reports;
use slab::Slab;
use tables::Tables;

const USAGE: &str = "\
Usage: linkjit jitlink [options] object-or-archive...

Links as llvm-jitlink does. Takes its options (with one dash or two) and its check rules: see
'llvm-jitlink --help'. Options that linkjit does not support are errors. argv[0] is the first input.

-noexec             link what the entry point reaches, evaluate the rules of -check, and run nothing
-lazy               link the functions of the next input when they are called; with -noexec, only what is
                    needed without a call. No ORC runtime is needed, nor for -alias Platform:...
-oop-executor       run the program in a child process; under Wine, if the first input is for Windows
-oop-executor=PATH  the child is the program PATH, which is started with the arguments 'executor --fd N' and
                    serves as 'linkjit executor' does; of a program for Windows, under Wine. If its name is
                    that of LLVM's executor (llvm-jitlink-executor), the child is linkjit's own
-oop-executor-connect=HOST:PORT
                    run the program in the process of a 'linkjit executor --tcp HOST:PORT', whose token is in
                    $LINKJIT_TOKEN here, too

The exit code is the program's own, also if it ends its process; 1 if it could not be linked, or a rule does
not hold.";

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
        failure.say();
        crate::FAILURE
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
        Some(table) => symbolicate::symbolicate(table, options.inputs()),
        None if options.no_exec => link_only(options),
        None => execute::execute(options),
    }
}

/// Links without running, and checks.
fn link_only(options: &Options) -> Result<i32> {
    let start = Instant::now();
    let mut out = BufWriter::new(std::io::stdout().lock());
    let reports = Reports::new(options)?;
    let mut tables = Tables::load(options)?;
    let loaded = Instant::now();
    if options.show_init_es {
        show::session(&tables.session(false), &mut out)?;
    }
    let entry = tables.intern(options.entry.as_deref().unwrap_or("main"));
    let mut slab = Slab::new(options.slab_address, options.slab_page_size);
    let linked = link::link(&mut tables, entry, &mut slab)?;
    let done = Instant::now();
    let session = if options.show_entry_es { tables.session(true) } else { Vec::new() };
    // Nobody needs to know files about which nothing is said.
    let shown = if reports.is_needed() { &linked[..] } else { &[] };
    let names = tables.names();
    let program = LinkedProgram {
        names: &names,
        files: shown.iter().map(|linked| linked.file(&tables, &names)).collect(),
        absolutes: absolutes(options),
        memory: shown.iter().map(|linked| (linked.start().0, (&*linked.bytes).into())).collect(),
    };
    reports.files(&program, &mut out)?;
    show::session(&session, &mut out)?;
    reports.addresses(&program, &mut out)?;
    if options.show_times {
        show::times([start, loaded, done], &mut out)?;
    }
    out.flush()?;
    Ok(0)
}

/// The symbols that `-abs` defines.
fn absolutes(options: &Options) -> Vec<(String, ExecAddr)> {
    let absolutes = options.items.iter().filter_map(|item| match item {
        Item::Absolute { name, address } => Some((name.clone(), ExecAddr(*address))),
        _ => None,
    });
    absolutes.collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The bytes of a file.
fn read(path: &Path) -> Result<Source> {
    let name = path.to_string_lossy();
    match linkjit_host::file::read(path) {
        Ok(bytes) => Ok(Source::new(&*name, bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Failure::usage(format!("'{name}': No such file or directory")))
        }
        Err(error) => Err(Failure::usage(format!("'{name}': {error}"))),
    }
}
