//! The errors of a session. One value carries the whole chain of causes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::compile::Language;
use crate::names::hint;
use linkjit_executor::ExecutorError;
use linkjit_link::error::Shown;
use linkjit_link::{LinkError, Site};

/// Of a long list, so many are shown, and how many more there are.
const SHOWN: usize = 20;

/// A symbol that nobody defines.
#[derive(Clone, Debug)]
pub struct UndefinedSymbol {
    /// Its name.
    pub name: String,
    /// Its name in source form, if that is another.
    pub demangled: Option<String>,
    /// The first places that refer to it; none if the user asked for it.
    pub wanted_by: Vec<Site>,
    /// The number of further places.
    pub more_places: usize,
    /// The thing that needs it, if that is nothing that the lookup has asked for: an initializer of some object, say.
    pub root: Option<Root>,
    /// Defined names that look much like it. Of many symbols, only the first ones have such.
    pub similar: Vec<String>,
    /// The places where it was searched, in this order: JITDylibs, then their generators.
    pub searched: Vec<String>,
    /// The JITDylibs that define it, but hide it, or was not searched; which DLL was to have it, and has not.
    pub elsewhere: Vec<String>,
}

impl UndefinedSymbol {
    /// Says which library has such names, or what else they want, if compilers make them: `_gfortran_*`, `GOMP_*`, ...
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        hint(&self.name)
    }
}

impl fmt::Display for UndefinedSymbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "undefined symbol: {}", Shown(self.demangled.as_ref().unwrap_or(&self.name)))?;
        if self.demangled.is_some() {
            write!(f, " ({})", Shown(&self.name))?;
        }
        for site in &self.wanted_by {
            write!(f, "\n    referenced by {site}")?;
        }
        if self.more_places > 0 {
            write!(f, "\n    and {} more", self.more_places)?;
        }
        if let Some(root) = &self.root {
            write!(f, "\n    needed by {root}, not by what was looked up")?;
        }
        if !self.similar.is_empty() {
            write!(f, "\n    did you mean {}?", self.similar.join(", "))?;
        }
        for definer in self.elsewhere.iter().take(SHOWN) {
            write!(f, "\n    {}", Shown(definer))?;
        }
        Ok(())
    }
}

/// A part of an object that is linked without being asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Root {
    /// File or member.
    pub object: String,
    /// The section.
    pub section: String,
    /// The kind of what is in the section.
    pub kind: RootKind,
}

/// Why something is linked without being asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RootKind {
    /// An initializer, as constructors of C++ are.
    Initializer,
    /// A terminator.
    Terminator,
    /// The compiler was told to retain it.
    Retained,
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, section, kind } = self;
        match kind {
            RootKind::Initializer => write!(f, "an initializer of {object} ({section})"),
            RootKind::Terminator => write!(f, "a terminator of {object} ({section})"),
            RootKind::Retained => write!(f, "section {section} of {object}, which the compiler was told to retain"),
        }
    }
}

/// An object whose linked code is bound to what was to be removed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub struct Dependent {
    /// File or member.
    pub object: String,
    /// Its JITDylib; empty if it is being removed, too, and waits for threads to leave it.
    pub dylib: String,
}

/// A variable that an update was to keep and can't.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct NotKept {
    /// Its name.
    pub name: String,
    /// Why not.
    pub why: String,
}

/// An error of a session.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An input can't be linked.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The process that runs the code refuses.
    #[error(transparent)]
    Executor(#[from] ExecutorError),
    /// Names that nobody defines; all of a lookup at once.
    #[error("{}", undefined(symbols, searched))]
    Undefined {
        /// The names.
        symbols: Vec<UndefinedSymbol>,
        /// The places where they were searched: all, though not every name was searched in each.
        searched: Vec<String>,
    },
    /// A name is defined twice.
    #[error(
        "{}: duplicate definition of symbol '{}', which {} defines already",
        Shown(second),
        Shown(name),
        Shown(first)
    )]
    Duplicate {
        /// The name.
        name: String,
        /// The first definer.
        first: String,
        /// The one who wants to define it, too.
        second: String,
    },
    /// Copies of one function or variable in different objects are not what these say they are.
    #[error("{}: its copy of '{}' differs in {what} from the copy in {}", Shown(second), Shown(name), Shown(first))]
    GroupMismatch {
        /// The name.
        name: String,
        /// In what they differ: `size`, `content`, `COMDAT selection`.
        what: &'static str,
        /// The object whose copy came first.
        first: String,
        /// The object whose copy is different.
        second: String,
    },
    /// An object forbids a library that another object asks for (`/disallowlib`).
    #[error("{} forbids library '{}' (/disallowlib), but another object asks for it", Shown(object), Shown(library))]
    Disallowed {
        /// The library.
        library: String,
        /// The object that forbids it.
        object: String,
    },
    /// An object's own allocator, which all libraries of the process would have to use, can't replace the process's.
    #[error("{object}: '{name}': {error}")]
    Allocator {
        /// The object.
        object: String,
        /// A function of an allocator that it defines.
        name: String,
        /// Why not, and what to do.
        error: ExecutorError,
    },
    /// An object that can be replaced defines an allocator, which can't be.
    #[error(
        "{object}: '{name}' belongs to an allocator, which serves all libraries of the process and can't be replaced \
         while they use it: add the object without making it updatable"
    )]
    UpdatableAllocator {
        /// The object.
        object: String,
        /// A function of an allocator that it defines.
        name: String,
    },
    /// The code that is to be removed has the allocator that all libraries of the process use.
    #[error(
        "{object}: the object can't be removed: libraries of this process hold memory from its '{name}', so it stays until \
         the process ends"
    )]
    ServesProcess {
        /// The object.
        object: String,
        /// A function of an allocator that it defines.
        name: String,
    },
    /// Objects were made with different settings that have to be the same (`/failifmismatch`).
    #[error("objects disagree about '{}': {}, {}", Shown(key), Shown(first), Shown(second))]
    Mismatch {
        /// The setting.
        key: String,
        /// The statement of the first object, and which object that is.
        first: String,
        /// The statement of the second.
        second: String,
    },
    /// A library of the C runtime that objects ask for is not where the session's [`CrtProvider`](crate::CrtProvider)
    /// has its libraries.
    #[error("objects ask for {}, a library of the C runtime, which is not in {}", Shown(library), paths(searched))]
    NoRuntime {
        /// The library.
        library: String,
        /// The directories where it was searched.
        searched: Vec<PathBuf>,
    },
    /// An alias whose target is, in the end, itself.
    #[error("alias '{}' is defined by itself", Shown(name))]
    AliasCycle {
        /// The alias.
        name: String,
    },
    /// Two JITDylibs of one name.
    #[error("a JITDylib named '{name}' exists already")]
    DuplicateDylib {
        /// The name.
        name: String,
    },
    /// The JITDylib was closed.
    #[error("the JITDylib is closed")]
    Closed,
    /// The tracker was removed, with all that it owned.
    #[error("the resource tracker was removed")]
    TrackerRemoved,
    /// Linked code of others is bound to what was to be removed: it would call into nothing.
    #[error("linked code of {} uses what this would remove", in_use(dependents))]
    InUse {
        /// The objects whose code that is.
        dependents: Vec<Dependent>,
    },
    /// An update was to keep variables that it can't keep.
    #[error("{object}: the update can't keep variables: {}", not_kept(variables))]
    NotKept {
        /// The new object.
        object: String,
        /// The variables.
        variables: Vec<NotKept>,
    },
    /// The session can't have another executor.
    #[error("the executor can't be replaced: {why}")]
    NotReplaceable {
        /// The reason.
        why: String,
    },
    /// There is no updatable object of a name; or there is one already, when one was to be added.
    #[error("there is {} updatable object '{object}'{}", if *is_there { "an" } else { "no" }, if *is_there { " already" } else { "" })]
    Updatable {
        /// Its name.
        object: String,
        /// Says whether there is one.
        is_there: bool,
    },
    /// There is no object of a name that could be discarded.
    #[error("{}", not_discarded(object, *is_there))]
    NotDiscarded {
        /// Its name.
        object: String,
        /// There is one, but something of it is linked, or it is updatable.
        is_there: bool,
    },
    /// There would be more than the session's limits allow ([`Limits`](crate::Limits)).
    #[error("this would make {wanted} {what}, but at most {limit} are allowed")]
    Limit {
        /// The thing that there would be too much of.
        what: &'static str,
        /// The number that is allowed.
        limit: u64,
        /// The number that there would be.
        wanted: u64,
    },
    /// A generation that is not the newest one of its objects: go back from newer ones before.
    #[error("'{object}' has newer generations: roll them back first")]
    Superseded {
        /// One of its objects.
        object: String,
    },
    /// A function was called that its object had before it was updated, and has not any more.
    #[error("{}", removed_by_update(name, object, *update, *by_rollback))]
    RemovedByUpdate {
        /// The function.
        name: String,
        /// The object.
        object: String,
        /// The number of the update of the object, counted from 1.
        update: u64,
        /// The function was new in that update, and went when it was rolled back.
        by_rollback: bool,
    },
    /// A unit could not be materialized.
    #[error("can't materialize {unit}, which defines {}: {error}", list(symbols))]
    Materialization {
        /// The unit.
        unit: String,
        /// The names that it was to define.
        symbols: Vec<String>,
        /// Why.
        error: Box<Self>,
    },
    /// A unit has not delivered what it had promised.
    #[error("{}", broken_promise(missing, unexpected))]
    Promise {
        /// Names that it promised and did not deliver.
        missing: Vec<String>,
        /// Names that it delivered and had not promised, or that are not what was promised in linkage or visibility.
        unexpected: Vec<String>,
    },
    /// Whoever was to do it gave up without saying why: by a panic, perhaps.
    #[error("the work was abandoned before it was complete, perhaps because of a panic")]
    Abandoned,
    /// A lookup, made to materialize a unit or by a generator, needs in the end what it is made for.
    #[error("{} waits for itself", shown(jobs, ", which waits for "))]
    WaitsForItself {
        /// The units and generators: the first waits for the second, and so on; the last waits for the first.
        jobs: Vec<String>,
    },
    /// A tracker of another JITDylib, or a JITDylib of another session.
    #[error("{what}")]
    Foreign {
        /// The things that do not belong together.
        what: &'static str,
    },
    /// A lookup on the thread that is linking or closing: from within a pass, the resolver of an indirect function or a
    /// terminator.
    #[error(
        "reentrant call: what a lookup, removal or close calls (passes, resolvers, terminators) may not look up, remove or close"
    )]
    Reentrant,
    /// A symbol is not what it is used as.
    #[error("'{}' is a thread-local variable, which has an address in each thread", Shown(name))]
    ThreadLocal {
        /// The name.
        name: String,
    },
    /// An address of this process is asked for, or given, but linked code runs in another.
    #[error(
        "'{}': linked code runs in another process, so its address is not a pointer here: use the executor's functions",
        Shown(name)
    )]
    Elsewhere {
        /// The name.
        name: String,
    },
    /// An error of the user's own, of a unit, a generator or a plugin: see [`Error::other`].
    #[error(transparent)]
    Other(Arc<dyn std::error::Error + Send + Sync>),
    /// A shared library needs what linked code defines, or was to define: the system's loader does not know of that.
    #[error(
        "{}: the system's loader can't open the library: it needs {} from the program{}, but the loader does not see linked \
         code; link the library's objects or its static archive instead, or let the host process export the names",
        library.display(), list(symbols), defined_in(definers)
    )]
    LibraryNeedsProgram {
        /// The library.
        library: PathBuf,
        /// The names that it needs.
        symbols: Vec<String>,
        /// The JITDylibs that define something of that.
        definers: Vec<String>,
    },
    /// A limit of the format or of linkjit.
    #[error("{what}")]
    Unsupported {
        /// The thing that is not supported, and why.
        what: String,
    },
    /// A file can't be read.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's message.
        message: String,
    },
    /// There is no LLVM that compiles IR.
    #[error(transparent)]
    Llvm(#[from] linkjit_llvm::Error),
    /// No compiler for a language is installed.
    #[error(
        "{}: {language} is compiled by {compiler}, which is not installed{}",
        file.display(),
        package.map(|package| format!(" (Debian has it in the package {package})")).unwrap_or_default()
    )]
    NoCompiler {
        /// The file that was to be compiled.
        file: PathBuf,
        /// Its language.
        language: Language,
        /// The compiler that linkjit knows for it.
        compiler: String,
        /// The package of Debian that the compiler is in.
        package: Option<&'static str>,
    },
    /// The compiler did not produce an object.
    #[error("{}: {command} failed{}", file.display(), compiler_output(output))]
    Compile {
        /// The file that was compiled.
        file: PathBuf,
        /// The command.
        command: String,
        /// The compiler's messages.
        output: String,
    },
}

impl Error {
    /// The error about a file that can't be read or written.
    pub(crate) fn file(path: &Path, error: &std::io::Error) -> Self {
        Self::File { path: path.into(), message: error.to_string() }
    }

    /// The error about something that is not supported.
    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }

    /// An error of the user's own: what units, generators and plugins fail with. It comes back from the lookup that
    /// they failed for.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// use std::sync::Arc;
    /// use linkjit::{Error, FunctionGenerator};
    ///
    /// #[derive(Debug, thiserror::Error)]
    /// #[error("no answer within {0} seconds")]
    /// struct Timeout(u32);
    ///
    /// let jit = linkjit::Jit::host()?;
    /// jit.add_generator(Arc::new(FunctionGenerator::new("the server", |_, _| Err(Error::other(Timeout(3))))))?;
    /// match jit.lookup("answer") {
    ///     Err(Error::Other(error)) => assert_eq!(error.downcast_ref::<Timeout>().unwrap().0, 3),
    ///     found => panic!("{found:?}"),
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Other(error.into().into())
    }
}

fn undefined(symbols: &[UndefinedSymbol], searched: &[String]) -> String {
    let mut text = String::new();
    let alike = symbols.iter().all(|symbol| symbol.searched == searched);
    for symbol in symbols.iter().take(SHOWN) {
        text += &symbol.to_string();
        if !alike && !symbol.searched.is_empty() {
            text += "\n    searched ";
            text += &shown(&symbol.searched, ", ");
        }
        text.push('\n');
    }
    if let Some(more @ 1..) = symbols.len().checked_sub(SHOWN) {
        text += &format!("and {more} more undefined symbols\n");
    }
    // Programs that lack a library lack many names of it.
    let mut hints: Vec<_> = symbols.iter().filter_map(UndefinedSymbol::hint).collect();
    hints.sort_unstable();
    hints.dedup();
    for hint in hints {
        text += "hint: ";
        text += hint;
        text.push('\n');
    }
    if alike && !searched.is_empty() {
        text += "searched ";
        text += &shown(searched, ", ");
    } else {
        text.pop();
    }
    let mut objects: Vec<_> =
        symbols.iter().filter_map(|symbol| symbol.root.as_ref()).map(|root| root.object.as_str()).collect();
    objects.sort_unstable();
    objects.dedup();
    if !objects.is_empty() {
        text += "\nto go on, define what is missing, or remove ";
        text += &objects.join(", ");
        text += " (by its resource tracker, or by JitDylib::discard_object)";
    }
    text
}

/// The first names of a list that may be long, and how many more there are.
fn shown(names: &[impl AsRef<str>], separator: &str) -> String {
    let mut text = names.iter().take(SHOWN).map(|name| Shown(name.as_ref()).to_string()).collect::<Vec<_>>();
    if let Some(more @ 1..) = names.len().checked_sub(SHOWN) {
        text.push(format!("{more} more"));
    }
    text.join(separator)
}

/// The first few names of a list.
fn list(names: &[String]) -> String {
    const FEW: usize = 3;
    let first = names.iter().take(FEW).map(|name| Shown(name).to_string()).collect::<Vec<_>>().join("', '");
    match names.len().checked_sub(FEW) {
        Some(more @ 1..) => format!("'{first}' and {more} more"),
        _ if names.is_empty() => "nothing".into(),
        _ => format!("'{first}'"),
    }
}

fn defined_in(definers: &[String]) -> String {
    if definers.is_empty() { String::new() } else { format!(" (defined in JITDylib '{}')", definers.join("', '")) }
}

fn paths(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn broken_promise(missing: &[String], unexpected: &[String]) -> String {
    match (missing.is_empty(), unexpected.is_empty()) {
        (false, true) => format!("the unit promised {}, but did not define it", list(missing)),
        (true, _) => format!("{} is not what the unit promised", list(unexpected)),
        (false, false) => format!(
            "the unit promised {}, but did not define it, and {} is not what it promised",
            list(missing),
            list(unexpected)
        ),
    }
}

fn in_use(dependents: &[Dependent]) -> String {
    let objects: Vec<_> = dependents.iter().map(|dependent| dependent.object.as_str()).collect();
    shown(&objects, ", ")
}

fn not_discarded(object: &str, is_there: bool) -> String {
    match is_there {
        true => {
            format!(
                "{object}: part of the object is linked, or the object is updatable: only its resource tracker can remove it"
            )
        }
        false => format!("there is no object named '{object}'"),
    }
}

fn not_kept(variables: &[NotKept]) -> String {
    let reasons: Vec<_> = variables.iter().map(|variable| format!("'{}': {}", variable.name, variable.why)).collect();
    shown(&reasons, "; ")
}

fn removed_by_update(name: &str, object: &str, update: u64, by_rollback: bool) -> String {
    let name = crate::names::demangle(name);
    match by_rollback {
        true => format!(
            "rolling back update {update} of {object} has removed '{name}', which that update had added; update the object \
             again to bring it back"
        ),
        false => format!(
            "update {update} of {object} has removed '{name}'; roll the update back (Generation::rollback), or update the \
             object to one that defines it"
        ),
    }
}

fn compiler_output(output: &str) -> String {
    if output.trim().is_empty() { String::new() } else { format!(":\n{}", output.trim_end()) }
}

/// Result of a session's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;
