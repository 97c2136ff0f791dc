//! Many names of one object, or many objects, in as few or as many lookups as asked for: what `cargo xtask bench batches`
//! measures. The objects define `f0`, `f1`, ...; the first of the arguments says what is done with them.

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use linkjit::link::source::Source;
use linkjit::{Jit, ResourceTracker};

const USAGE: &str = "usage: many_lookups one-by-one|tracked|at-once|trackers COUNT OBJECT...

  one-by-one  looks up f0 to f(COUNT - 1), each by itself
  tracked     the same, of objects that a tracker has
  at-once     looks all of them up at once
  trackers    looks all of them up at once, when each object has a tracker of its own, and removes these one by one";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, count, objects @ ..] = arguments.as_slice() else { return Err(USAGE.into()) };
    let names: Vec<String> = (0..count.parse::<usize>()?).map(|number| format!("f{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let jit = Jit::host()?;
    let mut trackers: Vec<ResourceTracker> = Vec::new();
    for object in objects {
        if mode == "trackers" || mode == "tracked" && trackers.is_empty() {
            trackers.push(jit.create_tracker()?);
        }
        match trackers.last() {
            Some(tracker) => {
                jit.main().add_object_to(tracker, &Source::new(object.as_str(), std::fs::read(object)?))?
            }
            None => jit.add_object_file(object)?,
        }
    }
    let added = Instant::now();
    match mode.as_str() {
        "one-by-one" | "tracked" => names.iter().try_for_each(|name| jit.lookup(name).map(drop))?,
        "at-once" | "trackers" => drop(jit.main().lookup(&names)?),
        _ => return Err(USAGE.into()),
    }
    let looked_up = Instant::now();
    for tracker in trackers {
        // SAFETY: nothing of it was ever called.
        unsafe { tracker.remove()? };
    }
    println!(
        "{mode} {count}: looked up in {:?}, removed in {:?}, in {} batches",
        looked_up - added,
        looked_up.elapsed(),
        jit.statistics().batches
    );
    Ok(())
}
