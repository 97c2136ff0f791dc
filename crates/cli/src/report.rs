//! Messages to users: errors, times and statistics, as text for people or as JSON for programs.

use std::borrow::Cow;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use linkjit::executor::ExecutorError;
use linkjit::{BatchTimes, Error, Statistics, UndefinedSymbol};
use linkjit_link::error::Shown;
use linkjit_link::{LinkError, Site};
use linkjit_remote::WineError;
use serde::Serialize;
use serde_json::{Map, Value};

/// More errors than this are counted, not shown.
const SHOWN: usize = 20;
/// Symbols of an error, for programs: further ones are counted.
const SHOWN_SYMBOLS: usize = 100;
/// Bytes of a line of an error, and lines: names in files may have megabytes.
const LONGEST_LINE: usize = 8192;
const MOST_LINES: usize = 400;

/// A reason why there is no result. The first line of its text stands by itself; the others are details.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The library's error.
    #[error("{}", headline(.0))]
    Jit(#[from] Error),
    /// Nothing defines the program's main.
    #[error("no entry point: '{entry}' is not defined{}\nsearched {}", hint(similar, entry), searched.join(", "))]
    NoEntry { entry: String, similar: Vec<String>, searched: Vec<String> },
    /// No file for `-l`.
    #[error("library '{name}' not found (-l {name})\nsearched {}", paths(searched))]
    NoLibrary { name: String, searched: Vec<PathBuf> },
    /// Nothing runs programs for Windows.
    #[error(transparent)]
    Wine(#[from] WineError),
    /// Nobody listens where an executor should.
    #[error("there is no executor at {place}: {why}")]
    NoExecutor { place: String, why: String },
    /// There is no session to serve.
    #[error("executor: {0}")]
    Serving(String),
    /// A sandbox has no directory to write in.
    #[error("the sandbox gets no temporary directory: {0}")]
    Scratch(String),
    /// A linker script that linkjit can't follow.
    #[error("{}:{line}: linker script: {what}", file.display())]
    Script { file: PathBuf, line: usize, what: String },
    /// `graph --root` asks for what isn't there.
    #[error("{file}: no definition of '{name}'")]
    NoSymbol { file: String, name: String },
    /// `graph` asks for a member that isn't there.
    #[error("{file}: no member '{member}'")]
    NoMember { file: String, member: String },
    /// The REPL can't go on.
    #[error(transparent)]
    Repl(#[from] linkjit_repl::Error),
    /// Standard input can't be read.
    #[error("standard input: {0}")]
    Input(String),
    /// Standard output can't be written.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Self {
        Self::Jit(error.into())
    }
}

impl Failure {
    /// A failed run of `entry`: that it is missing is worth words of its own, unless more is.
    pub(crate) fn for_entry(error: Error, entry: &str) -> Self {
        match error {
            Error::Undefined { symbols, searched } => match symbols.as_slice() {
                [symbol] if symbol.name == entry && symbol.wanted_by.is_empty() => {
                    Self::NoEntry { entry: entry.into(), similar: symbol.similar.clone(), searched }
                }
                _ => Self::Jit(Error::Undefined { symbols, searched }),
            },
            other => Self::Jit(other),
        }
    }
}

/// The library's text; several symbols get a line that says how many, for the first line has to stand by itself.
fn headline(error: &Error) -> String {
    match error {
        Error::Undefined { symbols, .. } => {
            let mut text = error.to_string();
            let mut objects: Vec<_> =
                symbols.iter().filter_map(|symbol| Some(symbol.root.as_ref()?.object.as_str())).collect();
            objects.dedup();
            // The library's advice is for programs.
            if let Some(advice) = text.rfind("\nto go on, ").filter(|_| !objects.is_empty()) {
                text.truncate(advice);
                text += &format!("\nto go on, define what is missing, or leave {} out", objects.join(", "));
            }
            if symbols.len() > 1 { format!("{} undefined symbols\n{text}", symbols.len()) } else { text }
        }
        _ => error.to_string(),
    }
}

fn hint(similar: &[String], entry: &str) -> String {
    match similar {
        [] if entry == "main" => "; choose another function with --entry NAME".into(),
        [] => String::new(),
        _ => format!("; did you mean {}?", similar.join(", ")),
    }
}

fn paths(paths: &[PathBuf]) -> String {
    if paths.is_empty() {
        return "no directories (add one with -L)".into();
    }
    displayed(paths).join(", ")
}

fn displayed(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.display().to_string()).collect()
}

/// The times that the steps of a run have taken.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    pub(crate) compile: Duration,
    pub(crate) read: Duration,
    pub(crate) link_and_run: Duration,
    pub(crate) total: Duration,
}

/// A line of JSON. Which fields there are depends on `kind`.
#[derive(Debug, Default, Serialize)]
struct Line<'a> {
    kind: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    section: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    symbols: Vec<SymbolLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    more_symbols: Option<NonZeroUsize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    searched: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
struct SymbolLine<'a> {
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    demangled: Option<Cow<'a, str>>,
    wanted_by: Vec<Place<'a>>,
    more_places: usize,
    /// The thing that needs it without having been asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    needed_by: Option<String>,
    similar: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    elsewhere: Vec<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Place<'a> {
    file: Cow<'a, str>,
    section: Option<Cow<'a, str>>,
    offset: Option<u64>,
}

/// A line of JSON with numbers.
#[derive(Debug, Serialize)]
struct Table {
    kind: &'static str,
    #[serde(flatten)]
    values: Map<String, Value>,
}

/// A row of such a table: what people and programs call it, its value for programs and for people.
type Row = (&'static str, &'static str, Value, String);

impl<'a> Line<'a> {
    fn new(failure: &'a Failure) -> Self {
        let line = Self { message: bounded(first_line(&failure.to_string())), ..Self::default() };
        match failure {
            Failure::Jit(error) => line.describe(error),
            Failure::NoEntry { entry, similar, searched } => {
                let symbol = SymbolLine { name: shown(entry), similar, ..SymbolLine::default() };
                Self { kind: "no-entry", symbols: vec![symbol], searched: searched.clone(), ..line }
            }
            Failure::NoLibrary { searched, .. } => Self { kind: "no-library", searched: displayed(searched), ..line },
            Failure::Script { file, .. } => Self { kind: "script", file: file_name(file), ..line },
            Failure::NoSymbol { file, .. } => Self { kind: "no-symbol", file: file_name(file), ..line },
            Failure::NoMember { file, .. } => Self { kind: "no-member", file: file_name(file), ..line },
            Failure::Wine(WineError::NoWindowsBuild { searched, .. }) => {
                Self { kind: "no-windows-build", searched: displayed(searched), ..line }
            }
            Failure::Wine(_) => Self { kind: "no-wine", ..line },
            Failure::NoExecutor { .. } => Self { kind: "no-executor", ..line },
            Failure::Scratch(_) => Self { kind: "scratch", ..line },
            Failure::Serving(_) => Self { kind: "serving", ..line },
            Failure::Repl(_) => Self { kind: "repl", ..line },
            Failure::Input(_) => Self { kind: "input", ..line },
            Failure::Output(_) => Self { kind: "output", ..line },
        }
    }

    fn describe(mut self, error: &'a Error) -> Self {
        self.kind = error.kind().as_str();
        match error {
            Error::Link(error) => {
                let Site { file, section, offset } = error.site();
                self.file = file_name(&**file);
                (self.section, self.offset) = (section.as_deref().map(shown), *offset);
            }
            Error::Undefined { symbols, searched } => {
                self.symbols = symbols.iter().take(SHOWN_SYMBOLS).map(symbol).collect();
                self.more_symbols = NonZeroUsize::new(symbols.len() - self.symbols.len());
                self.searched.clone_from(searched);
            }
            Error::Duplicate { name, second, .. } => {
                self.file = file_name(second);
                self.symbols = vec![SymbolLine { name: shown(name), ..SymbolLine::default() }];
            }
            Error::File { path: file, .. }
            | Error::NoCompiler { file, .. }
            | Error::LibraryNeedsProgram { library: file, .. } => {
                self.file = file_name(file);
            }
            Error::Compile { file, output, .. } => {
                self.file = file_name(file);
                // What the compiler says is all there is to know.
                self.message = format!("{}\n{}", self.message, output.trim_end());
            }
            Error::Executor(ExecutorError::Library { library, .. }) => self.file = file_name(library),
            _ => {}
        }
        self
    }
}

fn symbol(symbol: &UndefinedSymbol) -> SymbolLine<'_> {
    SymbolLine {
        name: shown(&symbol.name),
        demangled: symbol.demangled.as_deref().map(shown),
        wanted_by: symbol.wanted_by.iter().map(place).collect(),
        more_places: symbol.more_places,
        needed_by: symbol.root.as_ref().map(ToString::to_string),
        similar: &symbol.similar,
        elsewhere: symbol.elsewhere.iter().take(SHOWN).map(|place| shown(place)).collect(),
        hint: symbol.hint(),
    }
}

fn place(site: &Site) -> Place<'_> {
    Place { file: shown(&site.file), section: site.section.as_deref().map(shown), offset: site.offset }
}

fn file_name(file: &(impl AsRef<Path> + ?Sized)) -> Option<String> {
    Some(shown(&file.as_ref().to_string_lossy()).into_owned())
}

/// A name of an input, of which a kilobyte is enough.
fn shown(name: &str) -> Cow<'_, str> {
    let text = Shown(name);
    if text.is_whole() { name.into() } else { text.to_string().into() }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Tells users, on standard error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reporter {
    json: bool,
}

impl Reporter {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// All that went wrong.
    pub(crate) fn failures(&self, failures: &[Failure]) {
        let mut text = String::new();
        for failure in failures.iter().take(SHOWN) {
            // Whoever reads our output has seen enough: `linkjit graph x.o | head`.
            if matches!(failure, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe) {
                continue;
            }
            text += &match failure {
                _ if self.json => json(&Line::new(failure)),
                // What the compiler says is all there is to know.
                Failure::Jit(Error::Compile { .. }) => for_people(&failure.to_string()),
                _ => for_people(&bounded(&failure.to_string())),
            };
        }
        if failures.len() > SHOWN && !self.json {
            text += &format!("linkjit: and {} more errors\n", failures.len() - SHOWN);
        }
        print(&text);
    }

    /// Odd things that do no harm.
    pub(crate) fn warnings(&self, warnings: &[String]) {
        for text in warnings.iter().take(SHOWN) {
            self.warning(&bounded(text));
        }
        if let Some(more @ 1..) = warnings.len().checked_sub(SHOWN) {
            self.warning(&format!("and {more} more warnings"));
        }
    }

    fn warning(&self, text: &str) {
        if self.json {
            print(&json(&Line { kind: "warning", message: text.into(), ..Line::default() }));
        } else {
            print(&format!("linkjit: warning: {text}\n"));
        }
    }

    /// A wrong command line, for programs; `clap` prints it for people.
    pub(crate) fn usage(&self, text: &str) {
        // The paragraphs behind the first are about usage in general.
        let words = text.lines().take_while(|line| !line.is_empty()).flat_map(str::split_whitespace);
        let message = words.collect::<Vec<_>>().join(" ").trim_start_matches("error: ").to_string();
        print(&json(&Line { kind: "usage", message, ..Line::default() }));
    }

    /// Prints how long each step took. The program has taken all that linking has not taken of `link_and_run`.
    pub(crate) fn times(&self, times: &Times, linked: &BatchTimes) {
        let BatchTimes { find, place, fix, finalize } = *linked;
        let rows = [
            ("compiling", "compile", times.compile),
            ("reading", "read", times.read),
            ("finding", "find", find),
            ("placing", "place", place),
            ("fixing up", "fix", fix),
            ("finalizing", "finalize", finalize),
            ("running", "run", times.link_and_run.saturating_sub(find + place + fix + finalize)),
            ("total", "total", times.total),
        ];
        self.table(
            "times",
            &rows.map(|(name, key, time)| {
                let seconds = time.as_secs_f64();
                (name, key, seconds.into(), format!("{:>12.3} ms", seconds * 1e3))
            }),
        );
    }

    pub(crate) fn statistics(&self, statistics: &Statistics) {
        let rows = [
            ("objects", "objects", statistics.objects, ""),
            ("units", "units", statistics.units, ""),
            ("blocks", "blocks", statistics.blocks, ""),
            ("edges", "edges", statistics.edges, ""),
            ("code", "code_bytes", statistics.code_bytes, " bytes"),
            ("read-only", "read_only_bytes", statistics.read_only_bytes, " bytes"),
            ("writable", "writable_bytes", statistics.writable_bytes, " bytes"),
            ("windows", "windows", statistics.windows, ""),
            ("batches", "batches", statistics.batches, ""),
        ];
        let row = |(name, key, count, unit): (_, _, u64, _)| (name, key, count.into(), format!("{count:>12}{unit}"));
        self.table("statistics", &rows.map(row));
    }

    fn table(&self, kind: &'static str, rows: &[Row]) {
        if self.json {
            let values = rows.iter().map(|(_, key, value, _)| ((*key).into(), value.clone())).collect();
            print(&json(&Table { kind, values }));
        } else {
            let lines: Vec<_> = rows.iter().map(|(name, .., text)| format!("{name:>14} {text}\n")).collect();
            print(&lines.concat());
        }
    }
}

fn json(line: &impl Serialize) -> String {
    // Strings and numbers only: nothing that JSON can't hold.
    serde_json::to_string(line).unwrap_or_default() + "\n"
}

/// A message of some kilobytes at most.
pub(crate) fn bounded(message: &str) -> String {
    let mut lines = message.lines();
    let mut text = String::new();
    for line in lines.by_ref().take(MOST_LINES) {
        let start = &line[..line.floor_char_boundary(LONGEST_LINE)];
        let end = if start.len() < line.len() { "..." } else { "" };
        text += &format!("{}{start}{end}", if text.is_empty() { "" } else { "\n" });
    }
    match lines.count() {
        0 => text,
        more => text + &format!("\n... and {more} more lines"),
    }
}

/// The first line by itself, the others indented.
fn for_people(message: &str) -> String {
    let mut lines = message.lines();
    let mut text = format!("linkjit: error: {}\n", lines.next().unwrap_or_default());
    for line in lines {
        text += &format!("    {line}\n");
    }
    text
}

/// One write, so that lines of several processes do not mix. If nobody listens there is nobody to tell.
fn print(text: &str) {
    let _closed = io::stderr().lock().write_all(text.as_bytes());
}
