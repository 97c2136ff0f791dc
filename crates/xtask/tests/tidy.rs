//! Holds the architecture and the house rules: see ARCHITECTURE.md.
//!
//! The tests look at every file that git tracks, or would if it were added. A failure lists the places that break a
//! rule and says what to do about them.

mod code;
mod folders;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use code::{Keep, calls_of_macro, code_of, conditions, standard_modules, words};

/// Files that may be long because they are tables: none yet.
const TABLES: &[&str] = &[];

/// The crates of our own that each crate may depend on; a crate that isn't named here is a satellite of `linkjit`.
const ARROWS: &[(&str, &[&str])] = &[
    ("target", &[]),
    ("host", &[]),
    ("link", &["linkjit-target"]),
    ("ir", &[]),
    ("executor", &["linkjit-target", "linkjit-host"]),
    ("remote", &["linkjit-executor", "linkjit-host"]),
    ("llvm", &[]),
    ("linkjit", &["linkjit-target", "linkjit-host", "linkjit-link", "linkjit-executor", "linkjit-ir", "linkjit-llvm"]),
    ("repl", &["linkjit", "linkjit-host", "linkjit-remote"]),
    ("cli", &["linkjit", "linkjit-host", "linkjit-link", "linkjit-remote", "linkjit-repl"]),
    ("jupyter", &["linkjit-remote", "linkjit-repl"]),
    ("xtask", &[]),
    ("fuzz", &["linkjit", "linkjit-host", "linkjit-ir", "linkjit-link", "linkjit-remote", "linkjit-repl"]),
];
const SATELLITE: &[&str] = &["linkjit"];

#[test]
fn link_is_without_unsafe_code() {
    let root_of_link = text("crates/link/src/lib.rs");
    let squeezed: String = code_of(&root_of_link, Keep::CodeOnly).split_whitespace().collect();
    assert!(squeezed.contains("#![forbid(unsafe_code)]"), "crates/link/src/lib.rs must say #![forbid(unsafe_code)]");
}

#[test]
fn link_names_no_operating_system() {
    let mut found = Vec::new();
    for (path, code) in code_under("crates/link/src/", Keep::CodeOnly) {
        let modules = standard_modules(&code);
        for module in ["os", "fs", "process", "net"] {
            if modules.contains(module) {
                found.push(format!("{path}: std::{module}"));
            }
        }
        if words(&code).any(|word| word == "libc") {
            found.push(format!("{path}: libc"));
        }
        for condition in conditions(&code) {
            let names = ["unix", "windows", "target_os", "target_family", "target_env", "target_vendor"];
            found.extend(words(condition).filter(|w| names.contains(w)).map(|w| format!("{path}: cfg({w})")));
        }
    }
    report(
        &found,
        "crates/link must work on bytes alone: files, processes and all else of the operating system belong into \
         crates/executor or crates/linkjit, tests that need them into crates/link/tests",
    );
}

#[test]
fn graph_and_arch_name_no_object_format() {
    let mut found = Vec::new();
    for folder in ["crates/link/src/graph/", "crates/link/src/arch/"] {
        // Messages count as code: a graph that speaks of a format knows it.
        for (path, code) in code_under(folder, Keep::CodeAndStrings) {
            for word in words(&code) {
                let parts = code::parts(word);
                let is_mach_o = parts.windows(2).any(|pair| pair[0] == "mach" && pair[1] == "o");
                if is_mach_o || parts.iter().any(|part| ["elf", "coff", "macho"].contains(&part.as_str())) {
                    found.push(format!("{path}: {word}"));
                }
            }
            if code.to_lowercase().contains("mach-o") {
                found.push(format!("{path}: mach-o"));
            }
        }
    }
    report(&found, "graph/ and arch/ serve every object format: let the reader in object/ translate what is its own");
}

/// Files that may name an architecture though they are none's: the lists of all, and what only names files of this
/// system.
const LISTS_OF_ARCHITECTURES: &[&str] = &[
    "crates/link/src/object/elf/machine.rs",
    "crates/link/src/object/coff/machine.rs",
    "crates/link/src/check/decode.rs",
    "crates/cli/src/jitlink/interfaces.rs",
];

#[test]
fn only_files_of_an_architecture_name_it() {
    const NAMES: [&str; 5] = ["x86_64", "x86-64", "amd64", "aarch64", "arm64"];
    let mut found = Vec::new();
    for folder in ["crates/link/src/", "crates/linkjit/src/", "crates/cli/src/"] {
        for (path, code) in code_under(folder, Keep::CodeAndStrings) {
            let is_of_one = path.starts_with("crates/link/src/arch/") || NAMES.iter().any(|name| path.contains(name));
            if is_of_one || LISTS_OF_ARCHITECTURES.contains(&path.as_str()) {
                continue;
            }
            let code = code.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            for line in code.lines().map(str::to_lowercase) {
                let is_module = line.starts_with("mod ") && line.ends_with(';');
                if !is_module && NAMES.iter().any(|name| line.contains(name)) {
                    found.push(format!("{path}: {}", line.trim()));
                }
            }
        }
    }
    let gone = LISTS_OF_ARCHITECTURES.iter().filter(|file| !path(file).exists());
    found.extend(gone.map(|file| format!("{file} is not there any more")));
    report(
        &found,
        "ask the tables of crates/link/src/arch (what an edge is for, how far code reaches, what code to make), or put what \
         differs into a file of the architecture",
    );
}

#[test]
fn only_the_rules_compare_selections_of_groups() {
    // The last one says which groups others have copies of, which is no comparison of two.
    let may = ["crates/link/src/rules.rs", "crates/link/src/object/", "crates/link/src/graph/mod.rs"];
    let mut found = Vec::new();
    for folder in ["crates/link/src/", "crates/linkjit/src/", "crates/cli/src/"] {
        for (path, code) in code_under(folder, Keep::CodeOnly) {
            let squeezed: String = code.split_whitespace().collect();
            let compares = ["Selection::", "selection==", "selection!=", "matchselection", ".selection{"];
            if !may.iter().any(|at| path.starts_with(at)) && compares.iter().any(|what| squeezed.contains(what)) {
                found.push(path);
            }
        }
    }
    report(&found, "ask crates/link/src/rules.rs which COMDAT group is kept: there is one rule book for all who link");
}

#[test]
fn unsafe_code_is_only_in_executor_and_linkjit() {
    let mut found = Vec::new();
    for (path, code) in code_under("", Keep::CodeOnly) {
        // The command calls the program that its user vouches for, and is the process's `main` itself.
        let may = [
            "crates/executor/",
            "crates/host/",
            "crates/linkjit/",
            // It calls the executor for a session that vouches, and takes a socket that the process was started with.
            "crates/remote/",
            // It calls LLVM's C API.
            "crates/llvm/src/ffi",
            // They call what was compiled.
            "crates/llvm/tests/",
            // It stands in for the executor, and ends what it has begun: nothing is run.
            "crates/fuzz/",
            // It calls what users type.
            "crates/repl/src/runner.rs",
            "crates/cli/src/main.rs",
            "crates/cli/src/run.rs",
            "crates/cli/src/jitlink/execute.rs",
        ];
        let may = may.iter().any(|at| path.starts_with(at));
        if !may && words(&code).any(|word| word == "unsafe") {
            found.push(path);
        }
    }
    report(&found, "unsafe code belongs into crates/executor, behind a safe interface");
}

#[test]
fn files_are_of_one_purpose() {
    let long = rust_files().filter(|path| !TABLES.contains(&path.as_str())).filter_map(|path| {
        let lines = text(&path).lines().count();
        (lines > 800).then(|| format!("{path}: {lines} lines"))
    });
    report(
        &long.collect::<Vec<_>>(),
        "split the file by purpose (at most 800 lines), or name it in TABLES if it is one",
    );
}

#[test]
fn crates_open_with_what_they_are_for() {
    let mut found = Vec::new();
    for name in crates() {
        let roots = ["lib.rs", "main.rs"].map(|root| format!("crates/{name}/src/{root}"));
        let roots: Vec<_> = roots.iter().filter(|root| path(root).exists()).collect();
        if roots.is_empty() {
            found.push(format!("crates/{name}: no src/lib.rs, no src/main.rs"));
        }
        found.extend(roots.into_iter().filter(|root| !text(root).starts_with("//!")).cloned());
    }
    report(&found, "begin the file with a `//!` comment that says what the crate is for");
}

#[test]
fn every_crate_is_built_and_tested() {
    let manifest = text("Cargo.toml");
    let missing = crates().into_iter().filter(|name| !manifest.contains(&format!("\"crates/{name}\"")));
    report(&missing.collect::<Vec<_>>(), "name the crate among the members of the workspace in Cargo.toml");
}

#[test]
fn dependencies_point_one_way() {
    let mut found = Vec::new();
    for name in crates() {
        let allowed = ARROWS.iter().find(|(from, _)| *from == name).map_or(SATELLITE, |(_, to)| to);
        let manifest = text(&format!("crates/{name}/Cargo.toml"));
        let wrong = own_dependencies(&manifest).into_iter().filter(|to| !allowed.contains(&to.as_str()));
        found.extend(wrong.map(|to| format!("crates/{name} depends on {to}")));
    }
    report(
        &found,
        "the arrows are cli -> linkjit -> {link, executor} -> {target, host}, linkjit -> {ir, llvm}, cli -> {link, remote, repl}, repl -> {linkjit, host, remote}, remote -> executor; link and \
         executor do not know each other, and a satellite knows linkjit only",
    );
}

#[test]
fn nothing_is_put_off() {
    let mut found = Vec::new();
    for (path, code) in code_under("", Keep::CodeOnly) {
        let macros = ["todo", "unimplemented", "dbg"].into_iter().filter(|name| calls_of_macro(&code, name));
        found.extend(macros.map(|name| format!("{path}: {name}!")));
        let squeezed: String = code.split_whitespace().collect();
        if squeezed.contains("#[ignore]") || squeezed.contains("#[ignore=") {
            found.push(format!("{path}: #[ignore]"));
        }
    }
    report(
        &found,
        "finish the code, or return a typed error for what isn't supported; a test that can't run is no test",
    );
}

#[test]
fn no_binaries_are_tracked() {
    let binary = files().into_iter().filter(|file| fs::read(path(file)).is_ok_and(|bytes| bytes.contains(&0)));
    report(&binary.collect::<Vec<_>>(), "keep the source and compile it when the test runs");
}

#[test]
fn the_architecture_document_is_complete_and_short() {
    let document = text("ARCHITECTURE.md");
    let mut found = Vec::new();
    let lines = document.lines().count();
    if lines > 250 {
        found.push(format!("ARCHITECTURE.md has {lines} lines: keep it to 250"));
    }
    let mut wanted = crates();
    for source in ["crates/link/src/", "crates/linkjit/src/"] {
        let below = rust_files().filter_map(|file| Some(file.strip_prefix(source)?.split_once('/')?.0.to_string()));
        wanted.extend(below);
    }
    for folder in wanted {
        let named = format!("{folder}/");
        let is_named = document.match_indices(&named).any(|(at, _)| {
            let before = document[..at].chars().next_back();
            !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-')
        });
        if !is_named {
            found.push(format!("ARCHITECTURE.md does not name {named}"));
        }
    }
    report(&found, "say in ARCHITECTURE.md what each crate and each top folder of link and linkjit is for");
}

#[test]
fn a_newcomer_finds_the_way() {
    let missing = ["README.md", "ARCHITECTURE.md", "LICENSE-MIT", "LICENSE-APACHE", "Cargo.lock", "test", ".ci/run"]
        .into_iter()
        .filter(|file| !path(file).exists())
        .map(str::to_string);
    report(&missing.collect::<Vec<_>>(), "write these files and commit them");
}

#[test]
fn the_cases_of_coff_are_all_listed_with_tests_that_exist() {
    let document = text("docs/coff-cases.md");
    let all = files();
    let code: String = rust_files().map(|file| text(&file)).collect();
    let mut found: Vec<_> =
        (1..=57).map(|case| format!("| B7.{case} |")).filter(|row| !document.contains(row.as_str())).collect();
    let rows = document.lines().filter(|line| line.starts_with("| B7."));
    for test in rows.filter_map(|row| row.rsplit(" | ").next()).flat_map(|here| here.split('`').skip(1).step_by(2)) {
        let is_there = match test.rsplit_once('.') {
            Some(_) => all.iter().any(|file| file.ends_with(&format!("/{test}")) || file == test),
            None if !test.contains('_') || test.starts_with('_') => true,
            None => code.contains(&match test.strip_suffix('*') {
                Some(start) => format!("fn {start}"),
                None => format!("fn {test}("),
            }),
        };
        found.extend(Some(test.to_owned()).filter(|_| !is_there));
    }
    report(&found, "docs/coff-cases.md must have a row for each case, and name tests that there are");
}

/// Our own packages that a manifest names in a section of dependencies, for development or not.
fn own_dependencies(manifest: &str) -> BTreeSet<String> {
    let mut section = String::new();
    let mut found = BTreeSet::new();
    for line in manifest.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        let is_header = line.starts_with('[');
        if is_header {
            section = line.to_string();
        }
        // A crate's tests may stand on all of the house.
        if section.contains("dependencies") && !section.contains("dev-dependencies") {
            let names = line.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_'));
            found.extend(names.filter(|name| name.starts_with("linkjit")).map(|name| name.replace('_', "-")));
        }
    }
    found
}

#[test]
fn own_dependencies_are_found_in_every_notation() {
    let manifest = "[package]\nname = \"linkjit-x\"\n[dependencies]\nlinkjit-a.workspace = true # linkjit-b\n\
                    [dependencies.linkjit-c]\n[target.'cfg(unix)'.dependencies]\nd = { package = \"linkjit-d\" }\n\
                    [dev-dependencies]\nlinkjit-f.workspace = true\n[lints]\nlinkjit-e = 1\n";
    assert_eq!(own_dependencies(manifest), ["linkjit-a", "linkjit-c", "linkjit-d"].map(String::from).into());
}

fn report(found: &[String], what_to_do: &str) {
    assert!(found.is_empty(), "\n  {}\n\n{what_to_do}\n", found.join("\n  "));
}

/// The code of every Rust file whose path begins with `prefix`.
fn code_under(prefix: &str, keep: Keep) -> impl Iterator<Item = (String, String)> {
    let below = rust_files().filter(move |path| path.starts_with(prefix)).collect::<Vec<_>>();
    assert!(!below.is_empty(), "no Rust file is under {prefix}: has it moved? then move the rule along");
    below.into_iter().map(move |path| {
        let code = code_of(&text(&path), keep);
        (path, code)
    })
}

fn crates() -> BTreeSet<String> {
    let manifests = files().into_iter().filter_map(|file| {
        let (name, rest) = file.strip_prefix("crates/")?.split_once('/')?;
        (rest == "Cargo.toml").then(|| name.to_string())
    });
    manifests.collect()
}

fn rust_files() -> impl Iterator<Item = String> {
    files().into_iter().filter(|path| path.ends_with(".rs"))
}

/// The files that are tracked, or new and not ignored, relative to the root of the repository.
fn files() -> Vec<String> {
    let mut git = Command::new("git");
    let git = git.current_dir(path("")).args([
        "-c",
        "safe.directory=*",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let listed = git.output().expect("git is installed");
    assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let names = listed.stdout.split(|&byte| byte == 0).map(|name| String::from_utf8_lossy(name).into_owned());
    names.filter(|name| path(name).is_file()).collect()
}

fn text(file: &str) -> String {
    fs::read_to_string(path(file)).unwrap_or_else(|e| panic!("{file}: {e}: it has to be there"))
}

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file)
}
