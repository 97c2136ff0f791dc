//! A running loop picks up new code of an object that is compiled again, and keeps its state.
//!
//! `cargo run -p linkjit --example hot_reload [FILE.c]` calls `int step(void)` of the file every second, and replaces it
//! whenever the file changes. Without a file it shows what happens with one of its own.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use linkjit::Source;
use linkjit::{ExecutionSession, Generation, Jit, SourceModule};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    match std::env::args_os().nth(1) {
        Some(file) => watch(&PathBuf::from(file)),
        None => demonstrate(),
    }
}

/// An object of that name, whatever file it was compiled from.
fn compile(file: &Path) -> Result<Source> {
    Ok(Source::new("step", SourceModule::file(file).with_sections().compile()?.bytes().to_vec()))
}

/// Calls the function in the way of a program's main loop: with a guard, so that no code is freed under it.
fn step(session: &ExecutionSession, step: unsafe extern "C" fn() -> i32) {
    let _guard = session.enter();
    // SAFETY: its type; the function's address is that of a stub, which stays.
    println!("step() = {}", unsafe { step() });
}

fn update(jit: &Jit, object: &Source) -> linkjit::Result<Generation> {
    // SAFETY: whoever calls the code has a guard.
    unsafe { jit.update().replace(object).keep_variables().commit() }
}

fn watch(file: &Path) -> Result<()> {
    let changed = || std::fs::metadata(file).and_then(|of| of.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let jit = Jit::host()?;
    let mut seen = changed();
    jit.add_updatable_object(&compile(file)?)?;
    // SAFETY: the file's author vouches for the type.
    let function = unsafe { jit.lookup_fn("step")? };
    loop {
        step(jit.session(), *function);
        std::thread::sleep(Duration::from_secs(1));
        if changed() != seen {
            seen = changed();
            match compile(file).and_then(|object| Ok(update(&jit, &object)?)) {
                Ok(_generation) => println!("updated"),
                Err(error) => println!("not updated: {error}"),
            }
        }
    }
}

fn demonstrate() -> Result<()> {
    let directory = std::env::temp_dir().join(format!("linkjit-hot-reload-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let file = directory.join("step.c");
    let write = |body: &str| std::fs::write(&file, format!("static int n; int step(void) {{ {body} }}"));
    let jit = Jit::host()?;
    write("return n += 1;")?;
    jit.add_updatable_object(&compile(&file)?)?;
    // SAFETY: that is its type.
    let function = unsafe { jit.lookup_fn("step")? };
    (0..3).for_each(|_| step(jit.session(), *function));

    println!("a new body:");
    write("return n += 100;")?;
    let generation = update(&jit, &compile(&file)?)?;
    (0..3).for_each(|_| step(jit.session(), *function));

    println!("one that can't be linked:");
    write("int missing(void); return missing();")?;
    match update(&jit, &compile(&file)?) {
        Ok(_generation) => println!("linked?"),
        Err(error) => println!("{error}"),
    }
    (0..3).for_each(|_| step(jit.session(), *function));

    println!("and back:");
    // SAFETY: whoever calls the code has a guard.
    unsafe { generation.rollback()? };
    (0..3).for_each(|_| step(jit.session(), *function));
    std::fs::remove_dir_all(directory)?;
    Ok(())
}
