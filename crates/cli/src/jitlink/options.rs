//! llvm-jitlink's command line.
//!
//! Options have one dash or two, and values follow as `-opt value` or `-opt=value`; `-L`, `-l`, `-hidden-l` and
//! `-weak-l` also take the value joined. The order matters: inputs go into the JITDylib that the last `-jd` before them
//! names.

use std::path::{Path, PathBuf};

use linkjit_link::arch::Arch;

use super::failure::{Failure, Result};

/// Something that goes into JITDylibs, in the order of the command line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// An object or archive.
    Input(PathBuf),
    /// `-lazy`: the input that follows is linked function by function, when they are called.
    Lazy,
    /// `-jd`: the next ones go there.
    Dylib(String),
    /// `-L`.
    Directory(PathBuf),
    /// `-l`, `-hidden-l` and `-weak-l`.
    Library { name: String, form: Form },
    /// `-load_hidden`.
    LoadHidden(PathBuf),
    /// `-weak_library`.
    WeakLibrary(PathBuf),
    /// `-abs`.
    Absolute { name: String, address: u64 },
    /// `-alias`; each side may name a JITDylib.
    Alias { alias: Place, target: Place },
    /// `-sectcreate`.
    Section { name: String, file: PathBuf, symbols: Vec<(String, u64)> },
}

/// The effect on the symbols of a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// They are what they are.
    Usual,
    /// Only their own JITDylib sees them.
    Hidden,
    /// They are null, as if the library were missing when the program runs.
    Weak,
}

/// A symbol, in a JITDylib if one is named.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) dylib: Option<String>,
    pub(super) name: String,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.dylib {
            Some(dylib) => write!(f, "{dylib}:{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// The command line.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) items: Vec<Item>,
    pub(super) no_exec: bool,
    pub(super) check: Option<PathBuf>,
    pub(super) check_name: Option<String>,
    pub(super) entry: Option<String>,
    slab_size: Option<u64>,
    pub(super) slab_address: Option<u64>,
    pub(super) slab_page_size: Option<u64>,
    pub(super) phony_externals: bool,
    pub(super) no_process_syms: bool,
    pub(super) all_load: bool,
    /// `-l` also searches the system's directories.
    pub(super) search_sys_lib: bool,
    /// The program of `-oop-executor`; it is empty if the command line names none.
    executor: Option<PathBuf>,
    /// The address of `-oop-executor-connect`.
    executor_address: Option<String>,
    debugger_support: bool,
    perf_support: bool,
    vtune_support: bool,
    speculate: bool,
    speculate_order: Option<PathBuf>,
    record_lazy: Option<PathBuf>,
    pub(super) orc_runtime: Option<PathBuf>,
    pub(super) show_addrs: bool,
    pub(super) show_entry_es: bool,
    pub(super) show_init_es: bool,
    pub(super) show_linked_files: bool,
    pub(super) show_times: bool,
    pub(super) show_contents: bool,
    pub(super) show_graphs: Option<String>,
    pub(super) pre_prune_size: bool,
    pub(super) post_fixup_size: bool,
    pub(super) add_self_relocations: bool,
    /// Objects that use the inputs' own symbols, and replace some.
    pub(super) harness: Vec<PathBuf>,
    pub(super) write_symtab: Option<PathBuf>,
    /// A file that `-write-symtab` has written. Then the inputs are backtraces.
    pub(super) symbolicate_with: Option<PathBuf>,
    pub(super) preload: Vec<PathBuf>,
    pub(super) arguments: Vec<String>,
}

/// The executor of another process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OutOfProcess<'a> {
    /// This command.
    Ours,
    /// A program that serves as this command does.
    Program(&'a Path),
    /// It listens at an address.
    At(&'a str),
}

/// The beginning of the name of LLVM's executor, which a version may follow.
const LLVMS_EXECUTOR: &str = "llvm-jitlink-executor";

/// Options whose value may follow without `=` or space.
const JOINED: &[&str] = &["hidden-l", "weak-l", "L", "l"];

/// Options that take all that follows.
pub(super) const TAKES_REST: &[&str] = &["-args", "--args", "-harness", "--harness"];

impl Options {
    /// Reads the arguments after the command's name.
    pub(super) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut options = Self::default();
        let mut arguments = arguments.into_iter();
        let mut inputs = 0;
        while let Some(argument) = arguments.next() {
            let option = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-'));
            let Some(option) = option.filter(|option| !option.is_empty()) else {
                options.items.push(Item::Input(argument.into()));
                inputs += 1;
                continue;
            };
            let (name, value) = split(option);
            if name == "harness" {
                options.harness.extend(value.map(PathBuf::from));
                options.harness.extend(arguments.by_ref().map(PathBuf::from));
            } else if name == "args" {
                options.arguments.extend(value.map(str::to_string));
                options.arguments.extend(arguments.by_ref());
            } else if !options.flag(name, value)? {
                let value = || {
                    let next = value.map(str::to_string).or_else(|| arguments.next());
                    let dashes = if name.len() > 1 { "--" } else { "-" };
                    next.ok_or_else(|| Failure::usage(format!("for the {dashes}{name} option: requires a value!")))
                };
                options.option(name, &argument, value)?;
            }
        }
        if inputs == 0 {
            return Err(Failure::usage(
                "Not enough positional command line arguments specified!\n\
                 Must specify at least 1 positional argument: an object file",
            ));
        }
        options.check_together()?;
        Ok(options)
    }

    /// The objects and archives.
    pub(super) fn inputs(&self) -> impl Iterator<Item = &Path> {
        self.items.iter().filter_map(|item| match item {
            Item::Input(path) => Some(path.as_path()),
            _ => None,
        })
    }

    /// The place where the program runs, if that is not this process.
    pub(super) fn executor(&self) -> Option<OutOfProcess<'_>> {
        if let Some(address) = &self.executor_address {
            return Some(OutOfProcess::At(address));
        }
        let program = self.executor.as_deref()?;
        Some(match program.file_name() {
            // LLVM's own speaks another protocol, so ours does its work.
            Some(name) if !name.to_string_lossy().starts_with(LLVMS_EXECUTOR) => OutOfProcess::Program(program),
            _ => OutOfProcess::Ours,
        })
    }

    /// Refuses what can't be, or not with one another.
    fn check_together(&self) -> Result<()> {
        let is_lazy = self.items.contains(&Item::Lazy);
        let is_placed = self.slab_address.is_some() || self.slab_page_size.is_some();
        if is_placed && (self.slab_size.is_none() || !self.no_exec) {
            let which = if self.slab_address.is_some() { "-slab-address" } else { "-slab-page-size" };
            return Err(Failure::usage(format!("{which} requires -slab-allocate and -noexec")));
        }
        let has_executors = (self.executor.is_some(), self.executor_address.is_some());
        if has_executors == (true, true) {
            return Err(Failure::usage("Only one of -oop-executor and -oop-executor-connect can be specified"));
        }
        if self.no_exec && has_executors != (false, false) {
            return Err(Failure::usage("-noexec cannot be used with -oop-executor or -oop-executor-connect"));
        }
        for (is_set, name, why) in [
            (self.debugger_support, "-debugger-support", "linkjit does not tell debuggers about linked code"),
            (self.perf_support, "-perf-support", "linkjit writes no files for perf"),
            (self.vtune_support, "-vtune-support", "linkjit does not tell VTune about linked code"),
            (self.speculate && is_lazy, "-speculate=simple", "linkjit links lazy functions only when they are called"),
        ] {
            if is_set {
                return Err(unsupported(name, why));
            }
        }
        Ok(())
    }

    /// Warnings about options that have no effect.
    pub(super) fn warnings(&self) -> Vec<&'static str> {
        let speculates = self.speculate && self.items.contains(&Item::Lazy);
        let has_arguments = self.no_exec && !self.arguments.is_empty();
        let all = [
            (has_arguments, "--args passed to -noexec run will be ignored."),
            (self.speculate && !speculates, "-speculate ignored as there are no -lazy inputs"),
            (self.speculate_order.is_some() && !speculates, "-speculate-order ignored because speculation is disabled"),
            (self.record_lazy.is_some() && !speculates, "-record-lazy-execs ignored because speculation is disabled"),
        ];
        all.into_iter().filter_map(|(is_said, warning)| is_said.then_some(warning)).collect()
    }

    /// Sets an option that takes no value of its own; false if it is none of these.
    fn flag(&mut self, name: &str, value: Option<&str>) -> Result<bool> {
        let flag = match name {
            "noexec" => &mut self.no_exec,
            "phony-externals" => &mut self.phony_externals,
            "no-process-syms" => &mut self.no_process_syms,
            "all_load" => &mut self.all_load,
            "show-addrs" => &mut self.show_addrs,
            "show-entry-es" => &mut self.show_entry_es,
            "show-init-es" => &mut self.show_init_es,
            "show-linked-files" => &mut self.show_linked_files,
            "show-times" => &mut self.show_times,
            "show-relocated-section-contents" => &mut self.show_contents,
            "pre-prune-total-block-size" => &mut self.pre_prune_size,
            "post-fixup-total-block-size" => &mut self.post_fixup_size,
            "add-self-relocations" => &mut self.add_self_relocations,
            "search-sys-lib" => &mut self.search_sys_lib,
            "debugger-support" => &mut self.debugger_support,
            "perf-support" => &mut self.perf_support,
            "vtune-support" => &mut self.vtune_support,
            // Everything that fails is always shown; and no member of an archive has Objective-C in ELF and COFF.
            "show-err-failed-to-materialize" | "ObjC" => return Ok(true),
            "lazy" => {
                self.items.push(Item::Lazy);
                return Ok(true);
            }
            "oop-executor" => {
                self.executor = Some(value.unwrap_or_default().into());
                return Ok(true);
            }
            _ => return Ok(false),
        };
        *flag = match value {
            None | Some("true" | "TRUE" | "True" | "1" | "") => true,
            Some("false" | "FALSE" | "False" | "0") => false,
            Some(other) => {
                let message = format!("for the --{name} option: '{other}' is invalid value for boolean argument!");
                return Err(Failure::usage(format!("{message} Try 0 or 1")));
            }
        };
        Ok(true)
    }

    fn option(&mut self, name: &str, argument: &str, value: impl FnOnce() -> Result<String>) -> Result<()> {
        match name {
            "check" => self.check = Some(value()?.into()),
            "check-name" => self.check_name = Some(value()?),
            // No name is the usual one.
            "entry" => self.entry = Some(value()?).filter(|name| !name.is_empty()),
            "write-symtab" => self.write_symtab = Some(value()?.into()),
            "symbolicate-with" => self.symbolicate_with = Some(value()?.into()),
            "show-graphs" => self.show_graphs = Some(value()?),
            "preload" => self.preload.push(value()?.into()),
            "slab-allocate" => self.slab_size = Some(size(&value()?)?),
            "slab-address" => self.slab_address = Some(number(name, &value()?)?),
            "slab-page-size" => self.slab_page_size = Some(page_size(&value()?)?),
            // Links are made on the calling thread, which is what 0 asks for and no other number forbids.
            "num-threads" => drop(number(name, &value()?)?),
            "triple" => is_known_triple(&value()?)?,
            "speculate" => match value()?.as_str() {
                "none" => self.speculate = false,
                "simple" => self.speculate = true,
                other => return Err(no_such_choice(name, other)),
            },
            "speculate-order" => self.speculate_order = Some(value()?.into()),
            "record-lazy-execs" => self.record_lazy = Some(value()?.into()),
            // There is one for each kind of executor, which shares memory with it if that can be.
            "use-memmgr" => match value()?.as_str() {
                "default" | "generic" | "simple-remote" | "shared" => {}
                other => return Err(no_such_choice(name, other)),
            },
            // What it is passed for, initializers, thread-local storage, lazy functions, linkjit has built in.
            "orc-runtime" => self.orc_runtime = Some(value()?.into()),
            "jd" => self.items.push(Item::Dylib(value()?)),
            "L" => self.items.push(Item::Directory(value()?.into())),
            "l" => self.items.push(Item::Library { name: value()?, form: Form::Usual }),
            "hidden-l" => self.items.push(Item::Library { name: value()?, form: Form::Hidden }),
            "weak-l" => self.items.push(Item::Library { name: value()?, form: Form::Weak }),
            "load_hidden" => self.items.push(Item::LoadHidden(value()?.into())),
            "weak_library" => self.items.push(Item::WeakLibrary(value()?.into())),
            "abs" => self.items.push(absolute(&value()?)?),
            "alias" => self.items.push(alias(&value()?)?),
            "sectcreate" => self.items.push(section(&value()?)?),
            // To ignore these would change what a run shows.
            "debug-only" => return Err(unsupported(argument, "linkjit has no debug log")),
            "oop-executor-connect" => self.executor_address = Some(value()?),
            _ => {
                let message = format!("Unknown command line argument '{argument}'.");
                return Err(Failure::usage(format!("{message}  Try: 'linkjit jitlink --help'")));
            }
        }
        Ok(())
    }
}

fn unsupported(option: &str, why: &str) -> Failure {
    Failure::usage(format!("linkjit does not support {option} yet: {why}"))
}

fn no_such_choice(option: &str, value: &str) -> Failure {
    Failure::usage(format!("for the --{option} option: Cannot find option named '{value}'!"))
}

/// The name of an option, and the value that is in the same argument.
fn split(option: &str) -> (&str, Option<&str>) {
    let (name, value) = option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
    let mut joined = JOINED.iter().filter_map(|prefix| Some((*prefix, option.strip_prefix(prefix)?)));
    match joined.next() {
        // What begins like them and is an option of its own.
        Some((prefix, joined)) if name != prefix && !["lazy", "load_hidden"].contains(&name) => (prefix, Some(joined)),
        _ => (name, value),
    }
}

fn number(option: &str, text: &str) -> Result<u64> {
    let invalid = || Failure::usage(format!("for the --{option} option: '{text}' value invalid for ulong argument!"));
    parse_number(text).ok_or_else(invalid)
}

/// A number as in C: decimal, or what its prefix says (`0x`, `0b`, `0o`, `0`). It has no sign.
fn parse_number(text: &str) -> Option<u64> {
    let (radix, digits) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, text.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, text.get(2..)?),
        [b'0', b'o', ..] => (8, text.get(2..)?),
        [b'0', b'0'..=b'9', ..] => (8, text.get(1..)?),
        _ => (10, text),
    };
    u64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+'))
}

fn size(text: &str) -> Result<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..).unwrap_or_default().to_ascii_lowercase().as_str() {
        "kb" | "" => Some(1 << 10),
        "mb" => Some(1 << 20),
        "gb" => Some(1 << 30),
        _ => None,
    };
    let size = unit.and_then(|unit: u64| digits.trim().parse::<u64>().ok()?.checked_mul(unit));
    size.ok_or_else(|| Failure::usage(format!("Invalid numeric format for slab size: '{text}'")))
}

fn page_size(text: &str) -> Result<u64> {
    let size = number("slab-page-size", text)?;
    if size.is_power_of_two() { Ok(size) } else { Err(Failure::usage("-slab-page-size must be a power of two")) }
}

fn is_known_triple(text: &str) -> Result<()> {
    let is_known = Arch::ALL.iter().any(|arch| text.starts_with(arch.triple_name()));
    if is_known && !["apple", "darwin"].iter().any(|os| text.contains(os)) {
        return Ok(());
    }
    let known = Arch::ALL.map(|arch| arch.to_string()).join(" and ");
    Err(Failure::usage(format!("linkjit links ELF and COFF objects for {known} only, not for '{text}'")))
}

fn absolute(text: &str) -> Result<Item> {
    let Some((name, address)) = text.split_once('=') else {
        return Err(Failure::usage(format!("Invalid absolute define \"{text}\". Syntax: <name>=<addr>")));
    };
    match parse_number(address) {
        Some(address) => Ok(Item::Absolute { name: name.into(), address }),
        None => {
            let message = format!("Invalid address expression \"{address}\" in absolute symbol definition \"{text}\"");
            Err(Failure::usage(message))
        }
    }
}

fn alias(text: &str) -> Result<Item> {
    let place = |text: &str| match text.split_once(':') {
        Some((dylib, name)) => Place { dylib: Some(dylib.into()), name: name.into() },
        None => Place { dylib: None, name: text.into() },
    };
    let Some((alias, target)) = text.split_once('=').filter(|(alias, target)| !alias.is_empty() && !target.is_empty())
    else {
        let syntax = "[<dst-jd>:]<alias>=[<src-jd>:]<aliasee>";
        return Err(Failure::usage(format!("Invalid alias definition \"{text}\". Syntax: {syntax}")));
    };
    Ok(Item::Alias { alias: place(alias), target: place(target) })
}

/// `SECT,FILE[@SYM=OFF,..]`: split at the last `@`, the last comma before it, and the commas behind it.
fn section(text: &str) -> Result<Item> {
    let invalid = |why: &str| Failure::usage(format!("In -sectcreate={text}, {why}"));
    let (place, symbols) = text.rsplit_once('@').unwrap_or((text, ""));
    let (name, file) = place.rsplit_once(',').unwrap_or_default();
    if name.is_empty() || file.is_empty() {
        return Err(invalid("section and filename component cannot be empty: <sect>,<file>[@<sym>=<offset>,...]"));
    }
    let symbol = |text: &str| {
        let (name, offset) = text.split_once('=').unwrap_or((text, ""));
        let offset = parse_number(offset).ok_or_else(|| invalid(&format!("{offset} is not a valid integer")))?;
        Ok((name.to_string(), offset))
    };
    let symbols = symbols.split(',').filter(|text| !text.is_empty()).map(symbol).collect::<Result<_>>()?;
    Ok(Item::Section { name: name.into(), file: file.into(), symbols })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(line.split(' ').map(str::to_string))
    }

    fn items(line: &str) -> Vec<Item> {
        parse(line).expect("a command line").items
    }

    #[test]
    fn values_follow_in_every_way() {
        for line in [
            "a.o -L d -l x -hidden-l h -weak-l w",
            "a.o --L=d -l=x --hidden-l=h --weak-l=w",
            "a.o -Ld -lx -hidden-lh -weak-lw",
        ] {
            let library = |name: &str, form| Item::Library { name: name.into(), form };
            let [x, h, w] =
                [("x", Form::Usual), ("h", Form::Hidden), ("w", Form::Weak)].map(|(n, form)| library(n, form));
            assert_eq!(items(line), [Item::Input("a.o".into()), Item::Directory("d".into()), x, h, w], "{line}");
        }
    }

    #[test]
    fn joined_values_may_have_signs_of_equality() {
        let library = |name: &str| Item::Library { name: name.into(), form: Form::Usual };
        let all = items("a.o -Lx=y -la=b -l=c=d -load_hidden=e");
        let expected = [Item::Directory("x=y".into()), library("a=b"), library("c=d"), Item::LoadHidden("e".into())];
        assert_eq!(all[1..], expected);
    }

    #[test]
    fn numbers_are_as_in_c() {
        let numbers = ["16", "0x10", "0X10", "020", "0b10000", "0o20", "0", "1x", "0x", "0x+1", ""].map(parse_number);
        let some = Some(16);
        assert_eq!(numbers, [some, some, some, some, some, some, Some(0), None, None, None, None]);
    }

    #[test]
    fn flags_may_be_repeated_and_args_take_the_rest() {
        let options = parse("-noexec --noexec -show-addrs=false a.o -args -noexec b.o").expect("a command line");
        assert!(options.no_exec && !options.show_addrs);
        assert_eq!(options.arguments, ["-noexec", "b.o"]);
        assert_eq!(options.items, [Item::Input("a.o".into())]);
        let options = parse("a.o -harness h.o -noexec").expect("a command line");
        assert_eq!(options.harness, [PathBuf::from("h.o"), PathBuf::from("-noexec")]);
    }

    #[test]
    fn definitions_are_taken_apart() {
        let place = |dylib: Option<&str>, name: &str| Place { dylib: dylib.map(Into::into), name: name.into() };
        assert_eq!(items("a.o -load_hidden f")[1], Item::LoadHidden("f".into()));
        assert_eq!(items("a.o -weak_library f")[1], Item::WeakLibrary("f".into()));
        let line = "-abs x=0x10 -abs y=16 -alias a=b -alias j:a=k:b -sectcreate s,t,f@g@p=1,q=0x2 a.o";
        assert_eq!(
            items(line),
            [
                Item::Absolute { name: "x".into(), address: 16 },
                Item::Absolute { name: "y".into(), address: 16 },
                Item::Alias { alias: place(None, "a"), target: place(None, "b") },
                Item::Alias { alias: place(Some("j"), "a"), target: place(Some("k"), "b") },
                Item::Section {
                    name: "s,t".into(),
                    file: "f@g".into(),
                    symbols: vec![("p".into(), 1), ("q".into(), 2)]
                },
                Item::Input("a.o".into()),
            ]
        );
    }

    #[test]
    fn executors_are_ours_or_those_that_are_named() {
        assert_eq!(parse("a.o").expect("a command line").executor(), None);
        for line in ["-oop-executor a.o", "-oop-executor= a.o", "--oop-executor=/usr/bin/llvm-jitlink-executor-22 a.o"]
        {
            assert_eq!(parse(line).expect("a command line").executor(), Some(OutOfProcess::Ours), "{line}");
        }
        let named = parse("-oop-executor=./mine a.o").expect("a command line");
        assert_eq!(named.executor(), Some(OutOfProcess::Program(Path::new("./mine"))));
        let connected = parse("-oop-executor-connect host:7 a.o").expect("a command line");
        assert_eq!(connected.executor(), Some(OutOfProcess::At("host:7")));
    }

    #[test]
    fn what_has_no_effect_is_said() {
        let warnings = |line: &str| parse(line).expect("a command line").warnings().concat();
        assert_eq!(warnings("a.o -ObjC -perf-support=false -speculate=none -use-memmgr=default"), "");
        assert_eq!(warnings("a.o -speculate=simple"), "-speculate ignored as there are no -lazy inputs");
        let all = warnings("a.o -speculate-order=o -record-lazy-execs=r");
        let disabled = "ignored because speculation is disabled";
        assert_eq!(all, format!("-speculate-order {disabled}-record-lazy-execs {disabled}"));
    }

    #[test]
    fn sizes_have_units() {
        let slab = |size| parse(&format!("-noexec -slab-allocate {size} a.o")).map(|options| options.slab_size);
        for (text, bytes) in [("64", 65536), ("64Kb", 65536), ("1Mb", 1 << 20), ("2gb", 2 << 30)] {
            assert_eq!(slab(text).expect("a size"), Some(bytes));
        }
        assert!(slab("10Tb").is_err());
        assert!(slab("99999999999999999999").is_err());
    }

    #[test]
    fn what_is_wrong_or_missing_is_said() {
        let check = |line: &str, message: &str| {
            let failure = parse(line).expect_err("an error").to_string();
            assert!(failure.contains(message), "{line}: {failure}");
        };
        check("-bogus a.o", "Unknown command line argument '-bogus'");
        check("-noexec", "Not enough positional command line arguments");
        check("a.o -entry", "for the --entry option: requires a value");
        check("a.o -l", "for the -l option: requires a value");
        check("-alias a a.o", "Invalid alias definition \"a\". Syntax: [<dst-jd>:]<alias>=[<src-jd>:]<aliasee>");
        check("-sectcreate s a.o", "In -sectcreate=s, section and filename component cannot be empty");
        check("-sectcreate s,f@p=x a.o", "In -sectcreate=s,f@p=x, x is not a valid integer");
        check("-sectcreate s,f@p a.o", "In -sectcreate=s,f@p,  is not a valid integer");
        check("-abs x a.o", "Invalid absolute define \"x\". Syntax: <name>=<addr>");
        check("-abs x=+1 a.o", "Invalid address expression \"+1\"");
        check("-abs x=y a.o", "Invalid address expression \"y\" in absolute symbol definition \"x=y\"");
        check("-slab-address 5 a.o", "-slab-address requires -slab-allocate and -noexec");
        check("-oop-executor -oop-executor-connect=a:1 a.o", "Only one of -oop-executor and -oop-executor-connect");
        check("-noexec -oop-executor a.o", "-noexec cannot be used with -oop-executor or -oop-executor-connect");
        check("-oop-executor-connect=a:1 -noexec a.o", "-noexec cannot be used with");
        check("-perf-support a.o", "linkjit does not support -perf-support yet: linkjit writes no files for perf");
        check("-vtune-support a.o", "linkjit does not support -vtune-support yet");
        check("-debug-only=orc a.o", "linkjit does not support -debug-only=orc yet: linkjit has no debug log");
        check("-speculate=simple -lazy a.o", "linkjit does not support -speculate=simple yet");
        check("-speculate=bogus a.o", "for the --speculate option: Cannot find option named 'bogus'!");
        check("-use-memmgr=bogus a.o", "for the --use-memmgr option: Cannot find option named 'bogus'!");
        check("-debugger-support a.o", "linkjit does not support -debugger-support yet");
        check("-triple arm64-apple-darwin a.o", "not for 'arm64-apple-darwin'");
    }
}
