//! The command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use linkjit::Language;

use crate::repl::{self, ReplOptions};
use crate::report::Reporter;
use crate::sources::STDIN;
use crate::{command_line, inputs, lli};

const EXAMPLES: &str = "\
Examples:
  linkjit run hello.c                       compile a C file with the system's compiler and run it
  linkjit run main.o util.o -l z -- a b     run two objects that use zlib, with arguments a and b
  linkjit run main.o libfoo.a ./libbar.so   static and shared libraries, too
  linkjit graph main.o                      what an object holds
  linkjit graph libfoo.a                    the members of an archive and what they define

See 'linkjit run --help' for more.";

const RUN_HELP: &str = "\
Inputs and options may come in any order; among inputs, -l, --jd and --whole-archive the order matters.

linkjit looks at the content of an input, not at its name. It may be an object, a static library (whose
members are linked when they are needed), a shared library or a GNU ld script. Sources are compiled
first: C, C++, Objective-C, assembly, Fortran, Rust, D, Zig and Swift by the compiler that is installed, or
that $CC, $CXX, $FC, $RUSTC or $DC names; LLVM IR and bitcode by the LLVM library that $LINKJIT_LLVM names,
or the newest installed one, or clang. Extensions of names say which language it is, or -x. C++ needs no
-l stdc++.

Compilers get -D -I -U -O -g -std= -W -f -m -include -isystem and their kin, as cc takes them, wherever they
stand, after what $CPPFLAGS, $CFLAGS, $CXXFLAGS and $FFLAGS say, and ARG of -Xcompiler ARG, whatever it is.
Without -O, sources are compiled with -O2, and LLVM IR as it is. Objects are kept in a cache (~/.cache/linkjit, at most 1 GiB), and
are used again while neither the source, nor a file that it includes, nor the compiler has changed. $LINKJIT_CACHE
names another directory, or is \"off\".

-l searches the directories of -L, then the system's, then the compiler's; in each, linkjit prefers
libLIB.so to libLIB.a.

A source whose first line begins with #! is a script: what follows it on the command line are the program's
arguments, and the same goes for - (a source on standard input). After -e CODE, they begin with the first
word that is no option. In all other cases they follow --. Statements of -e become the body of a main with
the usual headers before it, unless they define main themselves. A script may begin with the line
  #!/usr/bin/env -S linkjit run -O1 -lz

JITDylibs are to linked code what shared libraries are to a process. Inputs go into the JITDylib
'main', or into the one that the last --jd before them names. 'main' searches itself, then the named
JITDylibs in the order in which they first appear, then the process. A named JITDylib searches itself,
then the process, then 'main'. All are initialized before 'main'. But if the program can open libraries
(some input names dlopen or LoadLibrary), it can open them by their names, as dlopen(\"plugin\", RTLD_NOW),
and those that 'main' does not refer to are initialized then.

With --lazy, each function of an object or source is linked when it is first called; the object that
defines the entry is linked at once. The initializers of an object run when a part of it is first
linked. Functions of LLVM IR are also compiled then, but for variables and initializers, which are compiled
at once. If the program calls a function that can't be compiled or linked, it ends with exit code 1.

If the first object or archive is for Windows, or with --executor wine, the program runs under Wine, and
linkjit links it from here. This needs the Windows build of linkjit, which lies beside this one, where
Cargo builds it, or where $LINKJIT_WINDOWS says; and wine, or the command that $LINKJIT_WINE names.
Sources are compiled by MinGW-w64's compilers, or else by clang.

The exit code is the program's own; 1 if it could not be linked, 2 if the command line is wrong.
--time and --stats report after main has returned, so not for a program that calls exit() itself.

Examples:
  linkjit run hello.c
  linkjit run -O3 -DNDEBUG -Iinclude -std=c++20 main.cpp util.c
  linkjit run -e 'printf(\"%s has %d bytes\\n\", argv[1], (int)strlen(argv[1]))' word
  linkjit run main.o -L build -l foo -l z -- first second
  linkjit run main.o --jd plugin plugin.o -l foo
  linkjit run hello.obj -l user32
  linkjit run --entry selftest --time --stats libfoo.a app.o";

/// Runs native code without linking a file first: objects, libraries, C and C++ sources.
#[derive(Debug, Parser)]
#[command(name = "linkjit", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Invocation {
    /// Print errors, times and statistics as JSON, one object per line, to standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Link objects, libraries and sources into this process and run the program
    #[command(after_help = RUN_HELP, arg_required_else_help = true)]
    Run(Box<RunOptions>),
    /// Show what is in an object or archive: sections, blocks, symbols, edges
    #[command(arg_required_else_help = true)]
    Graph(GraphOptions),
    /// Run C++ or C interactively
    #[command(after_help = repl::HELP)]
    Repl(Box<ReplOptions>),
    /// Run the code that a session in another process links
    #[command(arg_required_else_help = true)]
    Executor(ExecutorOptions),
    /// Link as llvm-jitlink does, with its options; evaluate check rules without running
    #[command(disable_help_flag = true, arg_required_else_help = true)]
    Jitlink {
        /// Options and inputs of llvm-jitlink
        #[arg(value_name = "OPTIONS AND INPUTS", trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run LLVM IR as lli does, with its options
    #[command(disable_help_flag = true, arg_required_else_help = true)]
    Lli {
        /// Options of lli, the program, and its arguments
        #[arg(value_name = "OPTIONS AND PROGRAM", trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// The function that is called if the command line names none.
pub(crate) const MAIN: &str = "main";

/// The inputs and options of a run.
#[derive(Debug, Args)]
pub(crate) struct RunOptions {
    /// Objects, static and shared libraries, linker scripts, sources; - is a source on standard input
    #[arg(value_name = "INPUT", required_unless_present = "code")]
    inputs: Vec<PathBuf>,
    /// Run these statements, C unless -x says otherwise or they look like another language; several lines if repeated
    #[arg(short = 'e', value_name = "CODE", allow_hyphen_values = true)]
    code: Vec<String>,
    /// The language of the sources that follow, as cc names it (c, c++, assembler, f95, ...), or rust, nasm, d, zig, swift,
    /// ir; none: their names and contents say it
    #[arg(short = 'x', value_name = "LANGUAGE", value_parser = parse_language)]
    languages: Vec<Option<Language>>,
    /// A flag for compilers, in cc's language. `command_line` makes these of -D, -I and so on.
    #[arg(long = "compiler-flag", hide = true, allow_hyphen_values = true)]
    pub(crate) flags: Vec<OsString>,
    /// -Xcompiler.
    #[arg(long = "own-compiler-flag", hide = true, allow_hyphen_values = true)]
    pub(crate) own_flags: Vec<OsString>,
    /// Call this function as the program's main; objects for Windows may name another one (/entry, WinMain)
    #[arg(long, value_name = "NAME", default_value = MAIN)]
    pub(crate) entry: String,
    /// Search libraries in this directory before the system's
    #[arg(short = 'L', value_name = "DIR")]
    pub(crate) directories: Vec<PathBuf>,
    /// Link the library libLIB.so or libLIB.a; if LIB begins with a colon (:libfoo.a), the file with exactly that name
    #[arg(short = 'l', value_name = "LIB")]
    libraries: Vec<String>,
    /// Put the inputs and libraries that follow into the JITDylib NAME
    #[arg(long = "jd", value_name = "NAME")]
    dylibs: Vec<String>,
    /// Link all members of the archives that follow (-l included), even if nothing refers to them, as plugins that
    /// register themselves need it
    #[arg(long, num_args = 0, default_missing_value = "true", action = clap::ArgAction::Append)]
    whole_archive: Vec<bool>,
    /// Link members of the archives that follow only when they are needed (the default)
    #[arg(long, num_args = 0, default_missing_value = "true", action = clap::ArgAction::Append)]
    no_whole_archive: Vec<bool>,
    /// The inputs, libraries and options whose order matters, in the order of the command line.
    #[arg(skip)]
    pub(crate) items: Vec<Item>,
    /// Link each function of the objects and sources when it is first called
    #[arg(long)]
    pub(crate) lazy: bool,
    /// With --lazy: compile functions of LLVM IR before they are called, too, in threads that run beside the program
    #[arg(long, requires = "lazy")]
    pub(crate) ahead: bool,
    /// Reserve windows of SIZE bytes of address space for code and data that reach each other directly; K, M and G count
    /// in units of 1024. A program that needs more gets more, except on Windows
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) window_size: Option<u64>,
    /// The C runtime for objects for Windows: built-in (the default), visual-studio, xwin=DIR, mingw=DIR (the default for
    /// sources that are compiled for Windows on another system)
    #[arg(long, value_name = "CRT", value_parser = Crt::parse)]
    pub(crate) crt: Option<Crt>,
    /// The place where the program runs: in-process (the default), child (a process of its own), unix:PATH or tcp:ADDRESS (a
    /// 'linkjit executor' that listens there), exec:COMMAND (a command of the shell that serves over its standard input and
    /// output, as exec:'ssh HOST linkjit executor --stdio' does), wine (the Windows build of linkjit; the default for objects
    /// for Windows)
    #[arg(long, value_name = "EXECUTOR", value_parser = ExecutorKind::parse)]
    pub(crate) executor: Option<ExecutorKind>,
    /// Run the program in a process of its own that can write no files but temporary ones, open no sockets, do nothing to
    /// other processes, and take only so much memory; it can still read what you can (Linux)
    #[arg(long, conflicts_with = "executor")]
    pub(crate) sandbox: bool,
    /// Compile all sources anew, and keep nothing of it
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Print where the time went, after the program's main has returned
    #[arg(long)]
    pub(crate) time: bool,
    /// Print what was linked, after the program's main has returned
    #[arg(long)]
    pub(crate) stats: bool,
    /// The program's name for itself. lli has an option for that.
    #[arg(long, hide = true)]
    program_name: Option<OsString>,
    /// Arguments for the program
    // Once all is read, this is `argv`: the first input comes before them.
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) arguments: Vec<OsString>,
}

/// The place where the program runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ExecutorKind {
    /// In this process.
    InProcess,
    /// In a process that this one starts.
    Child,
    /// In a process of another program, which serves as `linkjit executor` does.
    Program(PathBuf),
    /// In the process of an executor that listens somewhere.
    At(Place),
    /// In the process of an executor that a command of the shell connects to.
    Command(String),
    /// In the Windows build of linkjit, under Wine.
    Wine,
}

impl ExecutorKind {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "in-process" => Ok(Self::InProcess),
            "child" => Ok(Self::Child),
            "wine" => Ok(Self::Wine),
            _ => match text.split_once(':') {
                Some(("unix", path)) if !path.is_empty() => Ok(Self::At(Place::Unix(path.into()))),
                Some(("tcp", address)) if !address.is_empty() => Ok(Self::At(Place::Tcp(address.into()))),
                Some(("exec", command)) if !command.is_empty() => Ok(Self::Command(command.into())),
                _ => Err("it must be in-process, child, unix:PATH, tcp:ADDRESS, exec:COMMAND or wine".into()),
            },
        }
    }
}

/// A place where an executor listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// A socket in the file system.
    Unix(PathBuf),
    /// A host and a port.
    Tcp(String),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp:{address}"),
        }
    }
}

/// The way in which `linkjit executor` comes by its session.
#[derive(Debug, Args)]
pub(crate) struct ExecutorOptions {
    #[command(flatten)]
    pub(crate) stream: Stream,
    /// Have only sessions that have the token in this file; without it, the token is in $LINKJIT_TOKEN
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// First confine this process, as 'linkjit run --sandbox' does: it can write files in this directory alone
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) sandbox: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Stream {
    /// Serve over the socket that this process was started with under this number
    #[arg(long, value_name = "N")]
    pub(crate) fd: Option<i32>,
    /// Serve over standard input and output. The program can read nothing there, and what it prints goes to standard error
    #[arg(long)]
    pub(crate) stdio: bool,
    /// Connect to the session that listens at this address, and has put a token into $LINKJIT_TOKEN
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) connect: Option<String>,
    /// Make this Unix socket and serve the session that connects to it
    #[arg(long, value_name = "PATH")]
    pub(crate) unix: Option<PathBuf>,
    /// Listen at this address (HOST:PORT) and serve the session that connects to it; only this machine's can, unless HOST
    /// is an address of a network
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) tcp: Option<String>,
}

/// The source of the C runtime of Windows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Crt {
    BuiltIn,
    VisualStudio,
    Xwin(PathBuf),
    MinGw(PathBuf),
}

impl Crt {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('=').unwrap_or((text, "")) {
            ("built-in", "") => Ok(Self::BuiltIn),
            ("visual-studio", "") => Ok(Self::VisualStudio),
            ("xwin", directory) if !directory.is_empty() => Ok(Self::Xwin(directory.into())),
            ("mingw", directory) if !directory.is_empty() => Ok(Self::MinGw(directory.into())),
            _ => Err("it must be built-in, visual-studio, xwin=DIR or mingw=DIR".into()),
        }
    }
}

/// The language that `-x` names; `None` for `none`.
fn parse_language(text: &str) -> Result<Option<Language>, String> {
    let known = || format!("it must be none or one of {}", Language::names().collect::<Vec<_>>().join(", "));
    if text == "none" { Ok(None) } else { Language::from_name(text).map(Some).ok_or_else(known) }
}

/// The smallest window that has pages for each protection, and the largest within which all reaches all.
const WINDOW_SIZES: std::ops::RangeInclusive<u64> = 64 << 10..=2 << 30;

/// A size with an optional unit, as `512M`.
fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()).map(|at| text.split_at(at)) {
        None => (text, 1),
        Some((number, "K" | "k")) => (number, 1 << 10),
        Some((number, "M" | "m")) => (number, 1 << 20),
        Some((number, "G" | "g")) => (number, 1 << 30),
        Some(_) => return Err("it must be a number, which K, M or G may follow".into()),
    };
    let size = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    size.filter(|size| WINDOW_SIZES.contains(size)).ok_or_else(|| "it must be between 64K and 2G".into())
}

/// The part of a file that `linkjit graph` shows.
#[derive(Debug, Args)]
pub(crate) struct GraphOptions {
    /// An object, archive or source
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// A member of the archive; without one, all members and symbols are listed
    #[arg(value_name = "MEMBER")]
    pub(crate) member: Option<String>,
    /// Show only what the object's global definitions need
    #[arg(long)]
    pub(crate) pruned: bool,
    /// Show only what this symbol and the initializers need; may be repeated
    #[arg(long = "root", value_name = "NAME")]
    pub(crate) roots: Vec<String>,
}

/// Something to link.
#[derive(Debug)]
pub(crate) enum Item {
    /// A file that is no source.
    Input(PathBuf),
    /// A source, and the language that `-x` names.
    Source { path: PathBuf, language: Option<Language> },
    /// The statements of `-e`.
    Code { text: String, language: Option<Language> },
    /// `-l`.
    Library(String),
    /// `--jd`: where the next ones go.
    Dylib(String),
    /// `--whole-archive`, or not any more: how much is linked of the next archives.
    Whole(bool),
}

impl Item {
    /// An input: a source, if its language is given or known.
    fn input(path: PathBuf, language: Option<Language>) -> Self {
        let is_source = language.is_some() || path == Path::new(STDIN) || inputs::is_source(&path);
        if is_source { Self::Source { path, language } } else { Self::Input(path) }
    }

    /// Returns the file, if it is one that is no source.
    pub(crate) fn file(&self) -> Option<&std::path::Path> {
        match self {
            Self::Input(path) => Some(path),
            _ => None,
        }
    }
}

impl Invocation {
    /// The command line of this process. If there is nothing to do, because it is wrong or asks for help, the user was
    /// told and the exit code is returned.
    pub(crate) fn from_process() -> Result<Self, i32> {
        Self::parse(std::env::args_os()).map_err(|error| {
            let json = std::env::args_os().take_while(|arg| arg != "--").any(|arg| arg == "--json");
            let is_help = matches!(
                error.kind(),
                ErrorKind::DisplayHelp
                    | ErrorKind::DisplayVersion
                    | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            );
            if json && !is_help {
                Reporter::new(true).usage(&error.render().to_string());
            } else {
                // Nobody is left to tell if that fails.
                let _closed = error.print();
            }
            error.exit_code()
        })
    }

    pub(crate) fn parse(line: impl Iterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let mut line = command_line::for_clap(line.collect(), command.find_subcommand("run"));
        let subcommand = (1..line.len()).find(|&at| !line[at].as_encoded_bytes().starts_with(b"-"));
        if let Some(at) = subcommand.filter(|&at| line[at] == "repl") {
            let words: Vec<_> = line.drain(at + 1..).collect();
            line.extend(repl::for_clap(words));
        }
        let matches = command.try_get_matches_from_mut(line)?;
        let mut invocation = Self::from_arg_matches(&matches)?;
        if let Command::Lli { arguments } = &mut invocation.command {
            let run = lli::as_run(std::mem::take(arguments))
                .map_err(|message| command.error(ErrorKind::InvalidValue, message))?;
            let json = invocation.json.then(|| "--json".into());
            return Self::parse(["linkjit".into()].into_iter().chain(json).chain(run));
        }
        if let (Command::Run(options), Some((_, matches))) = (&mut invocation.command, matches.subcommand()) {
            options.arrange(matches);
        }
        Ok(invocation)
    }
}

impl RunOptions {
    /// Puts what clap keeps in separate lists into the order of the command line.
    fn arrange(&mut self, matches: &ArgMatches) {
        let script = self.inputs.last().filter(|path| command_line::is_script(path.as_os_str()));
        let name = script.or(self.inputs.first()).map(|path| path.clone().into_os_string());
        let name = if self.code.is_empty() { name } else { Some("-e".into()) };
        self.arguments.splice(0..0, self.program_name.take().or(name));
        let places = |id| matches.indices_of(id).into_iter().flatten();
        let languages: Vec<_> = places("languages").zip(self.languages.drain(..)).collect();
        let language =
            |place| languages.iter().rev().find(|(other, _)| *other < place).and_then(|(_, language)| *language);
        let inputs = places("inputs").zip(self.inputs.drain(..));
        let inputs = inputs.map(|(place, path)| (place, Item::input(path, language(place))));
        let code = places("code").next().map(|place| {
            let text = self.code.join("\n");
            (place, Item::Code { text, language: language(place) })
        });
        let libraries = places("libraries").zip(self.libraries.drain(..).map(Item::Library));
        let dylibs = places("dylibs").zip(self.dylibs.drain(..).map(Item::Dylib));
        let whole = places("whole_archive").map(|place| (place, Item::Whole(true)));
        let not_whole = places("no_whole_archive").map(|place| (place, Item::Whole(false)));
        let mut items: Vec<_> =
            inputs.chain(code).chain(libraries).chain(dylibs).chain(whole).chain(not_whole).collect();
        items.sort_by_key(|(place, _)| *place);
        self.items = items.into_iter().map(|(_, item)| item).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &[&str]) -> RunOptions {
        let line = ["linkjit", "run"].iter().chain(line).map(OsString::from);
        match Invocation::parse(line).map(|invocation| invocation.command) {
            Ok(Command::Run(options)) => *options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Invocation::command().debug_assert();
    }

    #[test]
    fn inputs_and_options_keep_their_order() {
        let options = run(&["a.o", "-lz", "--jd", "p", "-L", "d", "b.o", "-l", ":c.a", "-Le", "c.o", "--", "-x", "y"]);
        assert_eq!(
            format!("{:?}", options.items),
            r#"[Input("a.o"), Library("z"), Dylib("p"), Input("b.o"), Library(":c.a"), Input("c.o")]"#
        );
        assert_eq!(options.directories, [PathBuf::from("d"), PathBuf::from("e")]);
        assert_eq!(options.arguments, ["a.o", "-x", "y"]);
    }

    #[test]
    fn whole_archives_are_those_between_the_options() {
        let line = ["a.o", "--whole-archive", "b.a", "-lc", "--no-whole-archive", "d.a", "--whole-archive", "e.a"];
        assert_eq!(
            format!("{:?}", run(&line).items),
            r#"[Input("a.o"), Whole(true), Input("b.a"), Library("c"), Whole(false), Input("d.a"), Whole(true), Input("e.a")]"#
        );
        let options = run(&["--whole-archive", "a.a", "b.o"]);
        assert_eq!(format!("{:?}", options.items), r#"[Whole(true), Input("a.a"), Input("b.o")]"#);
        assert_eq!(options.arguments, ["a.a"]);
    }

    #[test]
    fn sizes_have_units() {
        let size = |text: &str| run(&["a.o", "--window-size", text]).window_size;
        assert_eq!(["65536", "64K", "3m", "2G"].map(size), [1 << 16, 1 << 16, 3 << 20, 2 << 30].map(Some));
        for wrong in ["", "1", "3G", "5T", "99999999999999999999G", "-1"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
