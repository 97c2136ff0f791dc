//! The order of the folders within each crate. A folder imports what is below it; imports of what is above it are
//! listed here, one for each file and folder, and the list may only get shorter.
//!
//! Imports are `use crate::FOLDER` and `crate::FOLDER::`. Files that are in no folder are not checked, unless the order
//! names them: they concern the whole crate.

use std::collections::BTreeSet;

use super::code::{Keep, modules_of};
use super::{code_under, report, rust_files};

/// The folders of each crate, and files beside them that have a place among them, the lowest first.
const ORDER: &[(&str, &[&str])] = &[
    ("link", &["graph", "arch", "input", "layout", "passes", "object", "link", "check"]),
    (
        "executor",
        &[
            "crash",
            "fork",
            "os",
            "unwind",
            "loader",
            "loaded",
            "nearby",
            "listed",
            "opening",
            "tls",
            "runtime",
            "allocator",
            "symbols",
            "reentry",
            "host_call",
            "outermost",
            "memory",
        ],
    ),
    (
        "linkjit",
        &["compile", "session", "materialization", "generators", "batch", "lookup", "lazy", "update", "platform"],
    ),
    ("cli", &["jitlink", "wine", "repl"]),
    ("xtask", &["bench", "fuzz"]),
];

/// Imports of what is above, which are yet to be turned around: file, and the folder that it imports.
const BACK: &[(&str, &str)] = &[
    ("crates/executor/src/opening/mod.rs", "allocator"),
    ("crates/executor/src/os/linux.rs", "opening"),
    ("crates/executor/src/tls/elf/modules.rs", "allocator"),
];

#[test]
fn folders_import_what_is_below_them() {
    let mut found = Vec::new();
    let mut left: BTreeSet<_> = BACK.iter().copied().collect();
    let mut counts = Vec::new();
    for &(name, order) in ORDER {
        let source = format!("crates/{name}/src/");
        let imports = imports(&source, order);
        let is_ordered = |folder: &String| order.contains(&folder.as_str());
        let folders: BTreeSet<_> = rust_files().filter_map(|file| folder_of(&source, order, &file)).collect();
        let unknown = folders.iter().filter(|folder| !is_ordered(folder));
        found.extend(unknown.map(|folder| format!("{source}{folder} has no place in ORDER")));
        let place = |folder: &str| order.iter().position(|known| *known == folder);
        let back: Vec<_> = imports.iter().filter(|(from, _, to)| place(to) > place(from)).collect();
        counts.push(format!("{name}: {} of {}", back.len(), imports.len()));
        for (_, file, to) in back {
            let known = left.iter().find(|known| **known == (file.as_str(), to.as_str())).copied();
            if !known.is_some_and(|known| left.remove(&known)) {
                found.push(format!("(\"{file}\", \"{to}\"),"));
            }
        }
    }
    found.extend(left.into_iter().map(|(file, to)| format!("{file} does not import {to}/ any more")));
    let counts = counts.join(", ");
    report(
        &found,
        &format!(
            "move what is imported below the folder that needs it, or hand it over (a trait, a parameter); take entries \
             that are not needed any more off BACK in crates/xtask/tests/folders/mod.rs. Imports of what is above, of all \
             between folders: {counts}"
        ),
    );
}

/// Returns what the folders below `source` import of each other: folder, file, and the folder that is imported.
fn imports(source: &str, order: &[&str]) -> BTreeSet<(String, String, String)> {
    let files: Vec<_> = code_under(source, Keep::CodeOnly).collect();
    let folders: BTreeSet<_> = files.iter().filter_map(|(file, _)| folder_of(source, order, file)).collect();
    let mut found = BTreeSet::new();
    for (file, code) in &files {
        let Some(from) = folder_of(source, order, file) else { continue };
        let others = modules_of("crate::", code).into_iter().filter(|to| *to != from && folders.contains(to));
        found.extend(others.map(|to| (from.clone(), file.clone(), to)));
    }
    found
}

/// The folder directly below `source` that has a file, or the file's own name if that has a place in the order.
fn folder_of(source: &str, order: &[&str], file: &str) -> Option<String> {
    let rest = file.strip_prefix(source)?;
    let own = || rest.strip_suffix(".rs").filter(|name| order.contains(name));
    rest.split_once('/').map(|(folder, _)| folder).or_else(own).map(str::to_owned)
}
