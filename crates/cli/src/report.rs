//! Messages to users: errors, times and statistics, as text for people or as JSON for programs.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use linkjit::executor::ExecutorError;
use linkjit::{BatchTimes, Error, Statistics, UndefinedSymbol};
use linkjit_link::error::Shown;
use linkjit_link::{LinkError, Site};
use serde::Serialize;

/// More errors than this are counted, not shown.
const SHOWN: usize = 20;
/// Symbols of an error, for programs: further ones are counted.
const SHOWN_SYMBOLS: usize = 100;
/// Bytes of a line of an error, and lines: names in files may have megabytes.
const LONGEST_LINE: usize = 8192;
const MOST_LINES: usize = 400;

/// Why there is no result. The first line of its text stands by itself; the others are details.
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
    /// A source among what is for the Windows build, which knows no compiler.
    #[error("{}: with Wine, inputs must be objects or libraries: compile this source for Windows first", file.display())]
    SourceForWine { file: PathBuf },
    /// The Windows build of this command is not there.
    #[error(
        "the Windows build of linkjit is missing: make it with `cargo build -p linkjit-cli --target {target}`, or set {variable} to its path\nsearched {}",
        paths(searched)
    )]
    NoWindowsBuild { target: &'static str, variable: &'static str, searched: Vec<PathBuf> },
    /// Wine can't be started.
    #[error("{command}: {message}")]
    NoWine { command: String, message: String },
    /// There is no session to serve.
    #[error("executor: {0}")]
    Serving(String),
    /// A linker script that linkjit can't follow.
    #[error("{}:{line}: linker script: {what}", file.display())]
    Script { file: PathBuf, line: usize, what: String },
    /// `graph --root` asks for what isn't there.
    #[error("{file}: no definition of '{name}'")]
    NoSymbol { file: String, name: String },
    /// `graph` asks for a member that isn't there.
    #[error("{file}: no member '{member}'")]
    NoMember { file: String, member: String },
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
    pub(crate) fn of_entry(error: Error, entry: &str) -> Self {
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
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Where the time went.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Times {
    #[serde(serialize_with = "seconds")]
    pub(crate) compile: Duration,
    #[serde(serialize_with = "seconds")]
    pub(crate) read: Duration,
    #[serde(serialize_with = "seconds")]
    find: Duration,
    #[serde(serialize_with = "seconds")]
    place: Duration,
    #[serde(serialize_with = "seconds")]
    fix: Duration,
    #[serde(serialize_with = "seconds")]
    finalize: Duration,
    #[serde(serialize_with = "seconds")]
    run: Duration,
    #[serde(serialize_with = "seconds")]
    total: Duration,
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

impl Times {
    /// Adds what is known in the end; what `linked` does not account for of the time that linking and running took was
    /// the program's.
    pub(crate) fn finish(&mut self, total: Duration, linked_and_run: Duration, linked: &BatchTimes) {
        let BatchTimes { find, place, fix, finalize } = *linked;
        let run = linked_and_run.saturating_sub(find + place + fix + finalize);
        *self = Self { find, place, fix, finalize, run, total, ..*self };
    }
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
    #[serde(skip_serializing_if = "is_zero")]
    more_symbols: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    searched: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[derive(Debug, Serialize)]
struct SymbolLine<'a> {
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    demangled: Option<Cow<'a, str>>,
    wanted_by: Vec<Place<'a>>,
    more_places: usize,
    /// What needs it without having been asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    needed_by: Option<String>,
    similar: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    elsewhere: Vec<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
}

impl<'a> SymbolLine<'a> {
    /// Of which no more is known.
    fn new(name: &'a str) -> Self {
        Self {
            name: shown(name),
            demangled: None,
            wanted_by: vec![],
            more_places: 0,
            needed_by: None,
            similar: &[],
            elsewhere: vec![],
            hint: None,
        }
    }
}

#[derive(Debug, Serialize)]
struct Place<'a> {
    file: Cow<'a, str>,
    section: Option<Cow<'a, str>>,
    offset: Option<u64>,
}

#[derive(Debug, Serialize)]
struct StatisticsLine {
    kind: &'static str,
    batches: u64,
    objects: u64,
    blocks: u64,
    edges: u64,
    code_bytes: u64,
    read_only_bytes: u64,
    writable_bytes: u64,
    windows: u64,
}

#[derive(Debug, Serialize)]
struct TimesLine<'a> {
    kind: &'static str,
    #[serde(flatten)]
    times: &'a Times,
}

impl<'a> Line<'a> {
    fn of(failure: &'a Failure) -> Self {
        let mut line = Self { message: bounded(first_line(&failure.to_string())), ..Self::default() };
        match failure {
            Failure::Jit(error) => line.describe(error),
            Failure::NoEntry { entry, similar, searched } => {
                line.kind = "no-entry";
                line.symbols = vec![SymbolLine { similar, ..SymbolLine::new(entry) }];
                line.searched.clone_from(searched);
            }
            Failure::NoLibrary { searched, .. } => {
                line.kind = "no-library";
                line.searched = searched.iter().map(|path| path.display().to_string()).collect();
            }
            Failure::Script { file, .. } => line.in_file("script", file),
            Failure::NoSymbol { file, .. } => line.in_file("no-symbol", Path::new(file)),
            Failure::NoMember { file, .. } => line.in_file("no-member", Path::new(file)),
            Failure::SourceForWine { file } => line.in_file("source-for-wine", file),
            Failure::NoWindowsBuild { searched, .. } => {
                line.kind = "no-windows-build";
                line.searched = searched.iter().map(|path| path.display().to_string()).collect();
            }
            Failure::NoWine { .. } => line.kind = "no-wine",
            Failure::Serving(_) => line.kind = "serving",
            Failure::Output(_) => line.kind = "output",
        }
        line
    }

    fn in_file(&mut self, kind: &'static str, file: &Path) {
        self.kind = kind;
        self.name_file(file);
    }

    fn name_file(&mut self, file: &Path) {
        self.file = Some(shown(&file.to_string_lossy()).into_owned());
    }

    fn describe(&mut self, error: &'a Error) {
        self.kind = error.kind().as_str();
        match error {
            Error::Link(error) => {
                let Site { file, section, offset } = error.site();
                self.file = Some(shown(file).into_owned());
                (self.section, self.offset) = (section.as_deref().map(shown), *offset);
            }
            Error::Undefined { symbols, searched } => {
                self.symbols = symbols.iter().take(SHOWN_SYMBOLS).map(symbol).collect();
                self.more_symbols = symbols.len() - self.symbols.len();
                self.searched.clone_from(searched);
            }
            Error::Duplicate { name, second, .. } => {
                self.file = Some(shown(second).into_owned());
                self.symbols = vec![SymbolLine::new(name)];
            }
            Error::File { path: file, .. } | Error::LibraryNeedsProgram { library: file, .. } => self.name_file(file),
            Error::Compile { file, output, .. } => {
                self.name_file(file);
                // What the compiler says is all there is to know.
                self.message = format!("{}\n{}", self.message, output.trim_end());
            }
            Error::Executor(ExecutorError::Library { library, .. }) => self.name_file(Path::new(library)),
            _ => {}
        }
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
                _ if self.json => json(&Line::of(failure)),
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

    pub(crate) fn times(&self, times: &Times) {
        if self.json {
            print(&json(&TimesLine { kind: "times", times }));
            return;
        }
        let rows = [
            ("compiling", times.compile),
            ("reading", times.read),
            ("finding", times.find),
            ("placing", times.place),
            ("fixing up", times.fix),
            ("finalizing", times.finalize),
            ("running", times.run),
            ("total", times.total),
        ];
        let row = |(name, time): (&str, Duration)| format!("{name:>14} {:>12.3} ms\n", time.as_secs_f64() * 1e3);
        print(&rows.map(row).concat());
    }

    pub(crate) fn statistics(&self, statistics: &Statistics) {
        if self.json {
            print(&json(&StatisticsLine {
                kind: "statistics",
                batches: statistics.batches,
                objects: statistics.objects,
                blocks: statistics.blocks,
                edges: statistics.edges,
                code_bytes: statistics.code_bytes,
                read_only_bytes: statistics.read_only_bytes,
                writable_bytes: statistics.writable_bytes,
                windows: statistics.windows,
            }));
            return;
        }
        let rows = [
            ("objects", statistics.objects, ""),
            ("blocks", statistics.blocks, ""),
            ("edges", statistics.edges, ""),
            ("code", statistics.code_bytes, " bytes"),
            ("read-only", statistics.read_only_bytes, " bytes"),
            ("writable", statistics.writable_bytes, " bytes"),
            ("windows", statistics.windows, ""),
            ("batches", statistics.batches, ""),
        ];
        print(&rows.map(|(name, count, unit)| format!("{name:>14} {count:>12}{unit}\n")).concat());
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
