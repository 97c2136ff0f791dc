//! `linkjit run`: adds inputs to JITDylibs, then runs the program.

use std::cell::Cell;
use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use linkjit::executor::{Executor, InProcess, ObjectFormat};
use linkjit::{CompiledModule, ExecAddr, Jit, JitDylib, MatchScope, SymbolLookupSet, developers_directories};
use linkjit_host::temporary::{self, PrivateDirectory};
use linkjit_link::names::NamePool;
use linkjit_link::object;
use linkjit_link::source::Source;

use crate::args::{Item, MAIN, RunOptions};
use crate::crt;
use crate::executor;
use crate::inputs::{self, Kind};
use crate::progress::{Progress, Watch};
use crate::report::{Failure, Reporter, Times};
use crate::script::{self, Definition, ScriptInput, Value};
use crate::search::Search;
use crate::sources::SourceCompiler;

/// Scripts that name scripts go no deeper: one that names itself ends here.
const SCRIPT_DEPTH: usize = 8;

/// Runs the program and returns its exit code, or all that is wrong with the inputs.
///
/// The session is left as it is, and with it the program's memory: as after any program's `main`, other threads may
/// still run and what was registered with `atexit` is yet to come. Both end when this process exits.
pub(crate) fn run(options: &RunOptions, reporter: &Reporter) -> Result<i32, Vec<Failure>> {
    let start = Instant::now();
    let one = |error: linkjit::Error| vec![Failure::from(error)];
    // It stays as long as the program may write there.
    let scratch = options.sandbox.then(PrivateDirectory::new).transpose();
    let scratch = scratch.map_err(|error| vec![Failure::Scratch(error.to_string())])?;
    let remote =
        executor::start(options, scratch.as_ref().map(PrivateDirectory::path)).map_err(|failure| vec![failure])?;
    let executor: Arc<dyn Executor> = match &remote {
        Some(remote) => remote.clone(),
        None => Arc::new(InProcess::new().map_err(|error| one(error.into()))?),
    };
    let format = executor.target().format;
    let directories = options.directories.iter().cloned().chain(developers_directories(format));
    let jit = directories.fold(Jit::builder().executor(executor), linkjit::JitBuilder::library_path);
    let jit = options.window_size.into_iter().fold(jit, linkjit::JitBuilder::window_size);
    let crt = crt::provider(options.crt.as_ref(), need_mingw(options, format)).map_err(one)?;
    let crt_directories = crt.directories().to_vec();
    let mut progress = Progress::new(!reporter.is_json());
    let mut times = Times::default();

    let compiling = Instant::now();
    let compiler = SourceCompiler::for_run(options, format, reporter.is_json()).map_err(one)?;
    let sources = {
        // As a compiler removes its own files; the program that is run later handles signals itself.
        let _private = temporary::remove_at_signals();
        compiler.compile_all(&options.items, &mut progress)
    };
    if !reporter.is_json() {
        sources.iter().flatten().for_each(|compiled| progress.say(&compiled.warnings));
    }
    if !sources.is_empty() {
        times.compile = compiling.elapsed();
    }

    // It compiles lazy functions in the same way.
    let jit = compiler.used_for_ir().cloned().into_iter().fold(jit, linkjit::JitBuilder::ir_compiler);
    let jit = std::mem::ManuallyDrop::new(jit.crt(crt).build().map_err(one)?);
    let reading = Instant::now();
    if options.lazy {
        let (reporter, remote) = (*reporter, remote.clone());
        // Nothing could be done in the place of what can't be linked.
        let scratch = scratch.as_ref().map(|scratch| scratch.path().to_owned());
        jit.session().set_lazy_failure_handler(Arc::new(move |failure| {
            reporter.failures(&[Failure::Jit(failure.error.clone())]);
            executor::fail(remote.as_deref(), scratch.as_deref())
        }));
    }
    let mut loader = Loader {
        jit: &jit,
        search: Search::new(&[&options.directories[..], &crt_directories].concat(), format),
        eager: options.lazy.then_some(&options.entry),
        target: jit.main().clone(),
        named: vec![],
        looks_for_openers: options.items.iter().any(|item| matches!(item, Item::Dylib(_))),
        opens_libraries: Cell::new(false),
        whole: false,
        unopened: vec![],
        wanted: vec![],
        definitions: vec![],
        entry: None,
        scripts: HashSet::new(),
    };
    loader.add_all(options, sources, &mut progress)?;
    if options.ahead {
        loader.named.iter().chain([jit.main()]).for_each(JitDylib::materialize_ahead);
    }
    times.read = reading.elapsed();
    drop(progress);

    let running = Instant::now();
    // An object knows better than the default.
    let default = if options.entry == MAIN { jit.main().entry().map_err(one)? } else { None };
    let script_entry = loader.entry.take().filter(|_| options.entry == MAIN);
    let entry = default.or(script_entry).unwrap_or_else(|| options.entry.clone());
    let _passed_on = remote.as_deref().and_then(executor::pass_signals_on);
    // A program may end its process instead of returning.
    let gone = |error: linkjit::Error| match remote.as_deref().and_then(|remote| executor::ended(remote, &error)) {
        Some(executor::Ended::AsWanted(code)) => Ok(code),
        Some(executor::Ended::Crashed(code)) => {
            reporter.failures(&[Failure::from(error)]);
            Ok(code)
        }
        None => Err(vec![Failure::for_entry(error, &entry)]),
    };
    let linking = Watch::new("linking", !reporter.is_json());
    let linked = jit.main().link_with_initializers(&[entry.as_str()]);
    drop(linking);
    reporter.warnings(&jit.session().take_warnings());
    if let Err(error) = linked {
        return gone(error);
    }
    // SAFETY: the user asks for this program to be run, and vouches for it as for any other.
    let result = unsafe { jit.run_main(&entry, &options.arguments) };
    let running = running.elapsed();
    let code = match result {
        Ok(code) => code,
        Err(error) => return gone(error),
    };
    let statistics = jit.session().statistics();
    if options.time {
        (times.link_and_run, times.total) = (running, start.elapsed());
        reporter.times(&times, &statistics.times);
    }
    if options.stats {
        reporter.statistics(&statistics);
    }
    match remote {
        Some(remote) => executor::finish(&remote, code).map_err(one),
        None => Ok(code),
    }
}

/// Says whether inputs need MinGW's C runtime.
fn need_mingw(options: &RunOptions, format: ObjectFormat) -> bool {
    let is_cross = ObjectFormat::HOST != format;
    let needs = |item: &Item| is_cross && matches!(item, Item::Source { .. } | Item::Code { .. }) || needs_mingw(item);
    format == ObjectFormat::Coff && options.items.iter().any(needs)
}

fn needs_mingw(item: &Item) -> bool {
    item.file().is_some_and(inputs::needs_mingw)
}

/// Puts inputs where they belong.
struct Loader<'a> {
    jit: &'a Jit,
    search: Search,
    /// With `--lazy`: the entry. The object that defines it is linked at once.
    eager: Option<&'a String>,
    /// The JITDylib that inputs go into.
    target: JitDylib,
    /// Those that `--jd` has created.
    named: Vec<JitDylib>,
    /// There are named JITDylibs, which the program may open.
    looks_for_openers: bool,
    /// Some input can open libraries. Otherwise nobody would initialize what the program does not refer to.
    opens_libraries: Cell<bool>,
    /// All members of archives are linked.
    whole: bool,
    /// Libraries that need names of the program, which may be among the inputs that follow.
    unopened: Vec<(JitDylib, PathBuf)>,
    /// Names that scripts want, and those that they define.
    wanted: Vec<(JitDylib, String)>,
    definitions: Vec<(JitDylib, Definition)>,
    /// The function that a script begins the program with.
    entry: Option<String>,
    /// The linker scripts that were read for a JITDylib, by its name. Scripts that name one another many
    /// times each are read once.
    scripts: HashSet<(String, PathBuf)>,
}

impl Loader<'_> {
    /// Adds all inputs. What is wrong with one keeps nobody from telling what is wrong with the next.
    fn add_all(
        &mut self,
        options: &RunOptions,
        mut sources: VecDeque<linkjit::Result<CompiledModule>>,
        progress: &mut Progress,
    ) -> Result<(), Vec<Failure>> {
        let mut failures = Vec::new();
        for (done, item) in options.items.iter().enumerate() {
            progress.tick("read", done, options.items.len());
            let added = match item {
                Item::Dylib(name) => self.enter(name),
                Item::Whole(whole) => {
                    self.whole = *whole;
                    Ok(())
                }
                Item::Library(name) => self.add_library(name),
                Item::Source { .. } | Item::Code { .. } => match sources.pop_front() {
                    Some(compiled) => compiled.map_err(Failure::from).and_then(|compiled| self.add_compiled(&compiled)),
                    None => Ok(()),
                },
                Item::Input(path) => self.add_file(path, 0),
            };
            failures.extend(added.err());
        }
        // Again: now it can be said who defines what they need.
        let unopened = std::mem::take(&mut self.unopened);
        failures.extend(unopened.iter().filter_map(|(dylib, path)| dylib.add_library(path).err().map(Failure::from)));
        if !failures.is_empty() {
            return Err(failures);
        }
        self.order().and_then(|()| self.finish_scripts()).map_err(|error| vec![error.into()])
    }

    /// Sees to what scripts want and define, now that all inputs are there.
    fn finish_scripts(&mut self) -> linkjit::Result<()> {
        for (dylib, Definition { name, value, is_provided }) in &self.definitions {
            // A provided name gives way to any other, but no member of an archive is linked for it.
            let known = dylib.lookup_flags(&SymbolLookupSet::new([""; 0]).weak([name.as_str()]))?;
            if *is_provided && known.iter().any(Option::is_some) {
                continue;
            }
            match value {
                Value::Number(number) => dylib.define_absolute(name, ExecAddr(*number))?,
                Value::Symbol(target) => dylib.define_alias(name, target)?,
            }
        }
        for (dylib, name) in &self.wanted {
            // It is linked if something defines it, which may be a member of an archive.
            dylib.lookup_flags(&SymbolLookupSet::new([name.as_str()]))?;
        }
        Ok(())
    }

    /// Goes to the JITDylib of that name; creates it if there is none.
    fn enter(&mut self, name: &str) -> Result<(), Failure> {
        let known = self.named.iter().chain([self.jit.main()]).find(|dylib| dylib.name() == name).cloned();
        self.target = match known {
            Some(dylib) => dylib,
            None => {
                let dylib = self.jit.create_dylib(name)?;
                self.named.push(dylib.clone());
                dylib
            }
        };
        Ok(())
    }

    /// Tells the JITDylibs of each other. Those that the program does not refer to are initialized when it opens them.
    fn order(&self) -> linkjit::Result<()> {
        if self.named.is_empty() {
            return Ok(());
        }
        let (main, process) = (self.jit.main(), self.jit.process());
        let exported = |dylib: &JitDylib| (dylib.clone(), MatchScope::Exported);
        for dylib in &self.named {
            dylib.add_to_link_order(main, MatchScope::Exported)?;
            if self.opens_libraries.get() {
                dylib.initialize_on_demand()?;
            }
        }
        let others: Vec<_> = self.named.iter().chain([process]).map(exported).collect();
        main.set_link_order(&others)
    }

    /// Notes whether an object or archive can open libraries.
    fn note_opener(&self, bytes: &[u8]) {
        const OPENERS: [&[u8]; 2] = [b"dlopen", b"LoadLibrary"];
        let names = |opener: &[u8]| bytes.windows(opener.len()).any(|at| at == opener);
        if self.looks_for_openers && !self.opens_libraries.get() {
            self.opens_libraries.set(OPENERS.into_iter().any(names));
        }
    }

    /// Adds an object, as lazily as is asked for.
    fn add_object(&self, source: &Source) -> Result<(), Failure> {
        self.note_opener(source.bytes());
        match self.eager {
            Some(entry) if !defines(source, entry)? => self.target.add_lazy_object(source)?,
            _ => self.target.add_object(source)?,
        }
        Ok(())
    }

    /// Adds the object of a source, and the libraries of its language.
    fn add_compiled(&self, compiled: &CompiledModule) -> Result<(), Failure> {
        // It is compiled when it is called.
        if self.eager.is_some() && object::format(compiled.object.bytes()).is_none() {
            self.note_opener(compiled.object.bytes());
            return Ok(self.target.add_lazy_ir(&compiled.object)?);
        }
        self.add_object(&compiled.object)?;
        Ok(compiled.libraries.iter().try_for_each(|library| self.target.add_library(library))?)
    }

    /// Adds a file that is no source; `depth` scripts led to it.
    fn add_file(&mut self, path: &Path, depth: usize) -> Result<(), Failure> {
        let source = inputs::read(path)?;
        let kind = Kind::from_content(source.bytes());
        if matches!(kind, Kind::Archive) {
            self.note_opener(source.bytes());
        }
        match kind {
            Kind::Object => self.add_object(&source)?,
            Kind::Archive if self.whole => self.target.add_whole_archive(path)?,
            Kind::Archive => self.target.add_archive(path)?,
            Kind::SharedLibrary => match self.target.add_library(inputs::for_loader(path)) {
                Err(linkjit::Error::LibraryNeedsProgram { library, .. }) => {
                    self.unopened.push((self.target.clone(), library));
                }
                added => added?,
            },
            Kind::Script => return self.add_script(path, &source, depth),
        }
        Ok(())
    }

    /// Adds the library of `-l NAME`.
    fn add_library(&mut self, name: &str) -> Result<(), Failure> {
        match self.search.library(name) {
            Ok(path) => self.add_file(&path, 0),
            // No import library is needed for what Windows has.
            Err(_) if self.search.is_for_windows() && self.target.add_library(format!("{name}.dll")).is_ok() => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    fn add_script(&mut self, path: &Path, source: &Source, depth: usize) -> Result<(), Failure> {
        let failure = |line, what| Failure::Script { file: path.into(), line, what };
        let text = String::from_utf8_lossy(source.bytes());
        let named = match script::parse(&text) {
            Ok(Some(named)) => named,
            // The reader of objects knows best what to say about it.
            Ok(None) => return self.add_object(source),
            Err(error) => return Err(failure(error.line, error.what)),
        };
        if depth == SCRIPT_DEPTH {
            return Err(failure(1, format!("linker scripts are nested {SCRIPT_DEPTH} deep: does one include itself?")));
        }
        let name = std::fs::canonicalize(path).unwrap_or_else(|_| path.into());
        let key = (self.target.name().to_owned(), name);
        if self.scripts.contains(&key) {
            return Ok(());
        }
        let directory = path.parent().unwrap_or(Path::new(""));
        for input in named {
            match input {
                ScriptInput::File(name) => self.add_file(&self.search.script_file(directory, &name)?, depth + 1)?,
                ScriptInput::Library(name) => self.add_file(&self.search.library(&name)?, depth + 1)?,
                ScriptInput::Directory(name) => self.search.add(name.into()),
                ScriptInput::Wanted(name) => self.wanted.push((self.target.clone(), name)),
                ScriptInput::Entry(name) => self.entry = Some(name),
                ScriptInput::Definition(definition) => self.definitions.push((self.target.clone(), definition)),
            }
        }
        // Not before: one that names itself is an error.
        self.scripts.insert(key);
        Ok(())
    }
}

/// Returns whether an object defines a name for others.
fn defines(source: &Source, name: &str) -> Result<bool, Failure> {
    let mut names = NamePool::default();
    let graph = object::read(source, &mut names)?;
    let wanted = names.find(name.as_bytes());
    let mut definitions = graph.symbols().iter().filter(|symbol| !symbol.is_external());
    Ok(wanted.is_some() && definitions.any(|symbol| symbol.global_name() == wanted))
}
