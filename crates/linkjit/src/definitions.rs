//! Adding definitions to a JITDylib: objects, units, libraries and generators, addresses and other names.

use std::path::Path;
use std::sync::Arc;

use linkjit_executor::{ExecAddr, ExecutorError};
use linkjit_link::graph::LinkGraph;
use linkjit_link::names::{NameId, NamePool};
use linkjit_link::object;
use linkjit_link::object::archive::Archive;
use linkjit_link::object::elf::dynamic_names;
use linkjit_link::object::import::Import;
use linkjit_link::source::Source;

use crate::compile::{Compiler, SourceModule, SystemCompiler};
use crate::error::{Error, Result};
use crate::generators::{ArchiveGenerator, LibraryGenerator, archive_objects, with_index};
use crate::jitdylib::JitDylib;
use crate::materialization::{AbsoluteSymbols, MaterializationUnit, SymbolAliases};
use crate::session::{
    Address, DefinedBy, DefinitionGenerator, ObjectId, State, SymbolFlags, bytes_of, is_same, read_file,
};
use crate::source::IntoSource;

impl JitDylib {
    /// Adds a relocatable object, which may be in memory or in a file. Nothing is linked before a lookup needs it.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// # use linkjit::SourceModule;
    /// # let one = std::env::temp_dir().join(format!("linkjit-doc-object-{}.o", std::process::id()));
    /// # std::fs::write(&one, SourceModule::text("one.c", "int one(void) { return 1; }").compile()?.bytes()).unwrap();
    /// # let bytes = SourceModule::text("two.c", "int two(void) { return 2; }").compile()?.bytes().to_vec();
    /// use linkjit::Source;
    ///
    /// let jit = linkjit::Jit::host()?;
    /// // `one` is the path of a file, `bytes` is a `Vec<u8>`.
    /// jit.add_object(&one)?;
    /// jit.add_object(Source::new("made by my compiler", bytes))?;
    /// # std::fs::remove_file(one).unwrap();
    /// jit.link(&["one", "two"])?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If it can't be read, or defines what is defined already; then nothing of it was added.
    pub fn add_object(&self, object: impl IntoSource) -> Result<()> {
        self.add_object_source(object.into_source()?)
    }

    fn add_object_source(&self, source: Source) -> Result<()> {
        let name = source.name().clone();
        self.add_object_again(&name, move |dylib| dylib.read_object(&source))
    }

    fn read_object(&self, source: &Source) -> Result<()> {
        let _names = self.session().use_names();
        let graph = object::read(source, &mut self.session().names())?;
        self.add_graph_that_was_read(graph)
    }

    /// Compiles a source file by the [`SystemCompiler`] and adds the object, with the libraries that its language needs.
    ///
    /// # Errors
    /// If there is no compiler, or it does not like the file; else as [`JitDylib::add_object`].
    pub fn add_source_file(&self, path: impl AsRef<Path>) -> Result<()> {
        self.add_source_module(&SourceModule::file(path.as_ref()).format(self.session().target().format))
    }

    /// Compiles a module by the [`SystemCompiler`] and adds the object, with the libraries that its language needs.
    ///
    /// # Errors
    /// As [`JitDylib::add_source_file`].
    pub fn add_source_module(&self, module: &SourceModule) -> Result<()> {
        let compiled = SystemCompiler.compile(module)?;
        self.add_object_source(compiled.object)?;
        compiled.libraries.iter().try_for_each(|library| self.add_library(library))
    }

    /// Compiles a module of LLVM IR, text or bitcode, with the session's [`IrCompiler`](crate::IrCompiler), and adds the
    /// object. See [`JitDylib::add_lazy_ir`] for compiling functions when they are called.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// # if linkjit::IrCompiler::open().is_err() { return Ok(()) }
    /// use linkjit::Source;
    ///
    /// let jit = linkjit::Jit::host()?;
    /// jit.add_ir(Source::new("answer.ll", b"define i32 @answer() { ret i32 42 }".as_slice()))?;
    /// // SAFETY: its type.
    /// let answer = unsafe { jit.lookup_fn::<unsafe extern "C" fn() -> i32>("answer")? };
    /// // SAFETY: as above.
    /// assert_eq!(unsafe { answer() }, 42);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If there is no LLVM, or it finds an error in the module; else as [`JitDylib::add_object`].
    pub fn add_ir(&self, module: impl IntoSource) -> Result<()> {
        let source = module.into_source()?;
        let compiled = self.session().ir_compiler()?.compile_for(&source, self.session().target())?;
        self.session().warn_of(&compiled);
        self.add_object_source(compiled.object)
    }

    /// Takes back the objects of that name, of which nothing was linked yet, as if they had never been added: one that can't
    /// be linked, say, and has an initializer, so that no lookup succeeds that would run it ([`UndefinedSymbol::root`]).
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// # use linkjit::SourceModule;
    /// # let compile = |text: &str| SourceModule::text("doc.c", text).compile();
    /// let jit = linkjit::Jit::host()?;
    /// let broken = compile("void missing(void); __attribute__((constructor)) static void begin(void) { missing(); }")?;
    /// jit.add_object(&broken)?;
    /// assert!(jit.lookup("abs").is_err());
    /// jit.discard_object(broken.name())?;
    /// jit.lookup("abs")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::NotDiscarded`] if there is none, or if something of one is linked.
    ///
    /// [`UndefinedSymbol::root`]: crate::UndefinedSymbol::root
    pub fn discard_object(&self, name: &str) -> Result<()> {
        // No batch has it.
        let _linking = self.session().begin_linking()?;
        self.session().state().discard_object(self.id(), name)?;
        self.note_discarded(name);
        Ok(())
    }

    /// Adds a link graph that was made by hand; names that other graphs are to see are of
    /// [`ExecutionSession::name_pool`](crate::ExecutionSession::name_pool).
    ///
    /// # Errors
    /// As [`JitDylib::add_object`].
    pub fn add_graph(&self, mut graph: LinkGraph) -> Result<()> {
        graph.forget_live();
        if !self.session().is_replaceable() {
            return self.add_graph_that_was_read(graph);
        }
        let name = graph.source().name().clone();
        self.add_object_again(&name, move |dylib| dylib.add_graph_that_was_read(graph.clone()))
    }

    pub(crate) fn add_graph_that_was_read(&self, graph: LinkGraph) -> Result<()> {
        let owner = self.owner()?;
        self.session().define_graph_with(self.id(), graph, |state, names, graph| {
            state.define_object(self.id(), owner, graph, names)?;
            Ok(())
        })
    }

    /// Adds a unit: what it promises is defined from now on, and made when a lookup needs it.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// use linkjit::{FunctionUnit, SourceModule, SymbolFlags, UnitInterface};
    ///
    /// let jit = linkjit::Jit::host()?;
    /// let interface = UnitInterface::new([("answer", SymbolFlags::FUNCTION)]);
    /// let module = SourceModule::text("answer.c", "int answer(void) { return 42; }");
    /// jit.define(FunctionUnit::new("answer.c", interface, move |responsibility| {
    ///     responsibility.add_object(&module.compile()?)
    /// }))?;
    /// // It is compiled now.
    /// // SAFETY: its type.
    /// let answer = unsafe { jit.lookup_fn::<unsafe extern "C" fn() -> i32>("answer")? };
    /// // SAFETY: as above.
    /// assert_eq!(unsafe { answer() }, 42);
    /// # Ok(()) }
    /// ```
    ///
    /// Definitions that are there already win over weak ones that the unit promises.
    ///
    /// # Errors
    /// If it promises what something else defines; then nothing of it was added.
    pub fn define(&self, unit: impl MaterializationUnit + 'static) -> Result<()> {
        self.session().define(self.id(), self.owner()?, Box::new(unit), true)
    }

    /// Adds a static archive, or an import library of a DLL, which may be in memory or in a file: its members are added
    /// when something that they define is wanted.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// # use linkjit::SourceModule;
    /// # let directory = std::env::temp_dir().join(format!("linkjit-doc-archive-{}", std::process::id()));
    /// # std::fs::create_dir_all(&directory).unwrap();
    /// # let archive = directory.join("libanswers.a");
    /// # for (name, text) in [("f", "int g(void); int f(void) { return g() + 1; }"), ("g", "int g(void) { return 41; }"),
    /// #     ("h", "int there_is_no_such_function(void); int h(void) { return there_is_no_such_function(); }")]
    /// # {
    /// #     let object = directory.join(format!("{name}.o"));
    /// #     std::fs::write(&object, SourceModule::text(format!("{name}.c"), text).compile()?.bytes()).unwrap();
    /// #     assert!(std::process::Command::new("ar").arg("rcs").args([&archive, &object]).status().unwrap().success());
    /// # }
    /// let jit = linkjit::Jit::host()?;
    /// jit.add_archive(&archive)?;
    /// // f.o needs g.o; nobody needs h.o, which could not be linked.
    /// // SAFETY: its type.
    /// let f = unsafe { jit.lookup_fn::<unsafe extern "C" fn() -> i32>("f")? };
    /// # std::fs::remove_dir_all(&directory).unwrap();
    /// // SAFETY: as above.
    /// assert_eq!(unsafe { f() }, 42);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If it can't be read.
    pub fn add_archive(&self, archive: impl IntoSource) -> Result<()> {
        let source = archive.into_source()?;
        self.add_again(move |dylib| dylib.add_archive_source(source.clone()))
    }

    /// As [`JitDylib::add_archive`] for one that somebody asks for that is added.
    pub(crate) fn add_archive_source(&self, source: Source) -> Result<()> {
        let has_imports = self.session().platform().has_import_libraries();
        let archive = with_index(Archive::parse(source)?)?;
        let archives = {
            let mut state = self.session().state();
            if !has_imports {
                state.dylib_mut(self.id())?.read_dependencies_later(archive.clone());
            }
            state.archives(self, || Arc::new(ArchiveGenerator::new(has_imports)))?
        };
        archives.add(archive)
    }

    /// Adds all members of a static archive, as if each were added by itself: also those that nobody refers to, which may
    /// have initializers that make them known.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// # use linkjit::SourceModule;
    /// # let directory = std::env::temp_dir().join(format!("linkjit-doc-whole-{}", std::process::id()));
    /// # std::fs::create_dir_all(&directory).unwrap();
    /// # let archive = directory.join("libplugins.a");
    /// # let text = "extern int plugins; __attribute__((constructor)) static void begin(void) { plugins++; }";
    /// # for name in ["a", "b"] {
    /// #     let object = directory.join(format!("{name}.o"));
    /// #     std::fs::write(&object, SourceModule::text(format!("{name}.c"), text).compile()?.bytes()).unwrap();
    /// #     assert!(std::process::Command::new("ar").arg("rcs").args([&archive, &object]).status().unwrap().success());
    /// # }
    /// static mut PLUGINS: i32 = 0;
    /// let jit = linkjit::Jit::host()?;
    /// jit.define_ptr("plugins", &raw const PLUGINS)?;
    /// // Two members that only count themselves.
    /// jit.add_whole_archive(&archive)?;
    /// # std::fs::remove_dir_all(&directory).unwrap();
    /// jit.initialize()?;
    /// // SAFETY: nobody writes it any more.
    /// assert_eq!(unsafe { PLUGINS }, 2);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If it can't be read, or a member defines what is defined already; those before it are added then.
    pub fn add_whole_archive(&self, archive: impl IntoSource) -> Result<()> {
        let source = archive.into_source()?;
        let archive = Archive::parse(source.clone())?;
        let may_import = self.session().platform().has_import_libraries();
        let mut has_imports = false;
        for object in archive_objects(&archive)? {
            if may_import && Import::parse(&object)?.is_some() {
                has_imports = true;
            } else {
                self.add_object_source(object)?;
            }
        }
        // What a DLL has is not linked, but found when it is wanted.
        if has_imports {
            return self.add_archive(source);
        }
        self.add_again(move |dylib| {
            dylib.session().state().dylib_mut(dylib.id())?.read_dependencies_later(archive.clone());
            Ok(())
        })
    }

    /// Opens a shared library: names that nothing before it defines are searched in it.
    ///
    /// Open libraries before objects are linked that share inline variables, template statics or type information with
    /// them: what is linked already keeps its own.
    ///
    /// ```
    /// # #[cfg(target_os = "linux")]
    /// # fn main() -> linkjit::Result<()> {
    /// let jit = linkjit::Jit::host()?;
    /// jit.add_library("libm.so.6")?;
    /// // SAFETY: its type.
    /// let cosine = unsafe { jit.lookup_fn::<extern "C" fn(f64) -> f64>("cos")? };
    /// assert_eq!(cosine(0.0), 1.0);
    /// # Ok(()) }
    /// # #[cfg(not(target_os = "linux"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// What the system's loader says.
    pub fn add_library(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref().to_owned();
        self.add_again(move |dylib| dylib.open_library(&path))
    }

    /// As [`JitDylib::add_library`] for one that somebody asks for that is added.
    pub(crate) fn open_library(&self, path: &Path) -> Result<()> {
        let library = self
            .session()
            .executor()
            .open_library(bytes_of(path), true)
            .map_err(|error| self.library_error(path, error))?;
        self.add_own_generator(Arc::new(LibraryGenerator::new(library, path.display().to_string())))
    }

    /// Why a library can't be opened, if that is because the loader does not see linked code.
    fn library_error(&self, path: &Path, error: ExecutorError) -> Error {
        const UNDEFINED: &str = "undefined symbol: ";
        let missing = match &error {
            ExecutorError::Library { message, .. } => message.split_once(UNDEFINED).map(|(_, rest)| rest),
            _ => None,
        };
        let is_end = |c: char| c.is_whitespace() || c == ',';
        let Some(missing) = missing.map(|rest| rest.split(is_end).next().unwrap_or(rest).to_owned()) else {
            return error.into();
        };
        // The loader names the first only.
        let source = read_file(path).ok();
        let needed = source.and_then(|source| dynamic_names(source.bytes())).unwrap_or_default();
        let needed = needed.into_iter().filter(|needed| !needed.weak && !needed.defined);
        let needed: Vec<_> = needed.map(|needed| needed.name).collect();
        let (mut symbols, mut definers) = (vec![missing.clone()], Vec::new());
        let names = self.session().names();
        let state = self.session().state();
        for (_, dylib) in state.dylibs() {
            let is_linked = |name: &&String| {
                let entry = names.find(name.as_bytes()).and_then(|id| dylib.entry(id));
                entry.is_some_and(|entry| !matches!(entry.by, DefinedBy::Outside | DefinedBy::Found))
            };
            let defined: Vec<_> = needed.iter().chain([&missing]).filter(is_linked).cloned().collect();
            if !defined.is_empty() {
                definers.push(dylib.name().into());
                symbols.extend(defined);
            }
        }
        symbols.sort_unstable();
        symbols.dedup();
        Error::LibraryNeedsProgram { library: path.into(), symbols, definers }
    }

    /// Adds a generator behind the others.
    ///
    /// # Errors
    /// If the JITDylib is closed.
    #[expect(clippy::needless_pass_by_value, reason = "the session keeps it")]
    pub fn add_generator(&self, generator: Arc<dyn DefinitionGenerator>) -> Result<()> {
        self.session().keep_names();
        // The last handle is here: what the user drops with it if this fails is dropped with nothing locked.
        self.session().state().add_generator(self, generator.clone(), true)?;
        self.note_generator(&generator);
        Ok(())
    }

    /// Removes a generator that was added: lookups that begin from now on do not ask it. What it has defined stays.
    ///
    /// # Errors
    /// If the JITDylib is closed.
    pub fn remove_generator(&self, generator: &Arc<dyn DefinitionGenerator>) -> Result<()> {
        self.note_removed_generator(generator);
        // What the user drops with it is dropped with nothing locked.
        let _removed: Vec<_> = {
            let mut state = self.session().state();
            state.dylib_mut(self.id())?.remove_generators(|known| is_same(&known.definitions, generator))
        };
        Ok(())
    }

    /// As [`JitDylib::add_generator`] for one of ours, which batches ask themselves.
    pub(crate) fn add_own_generator(&self, generator: Arc<dyn DefinitionGenerator>) -> Result<()> {
        self.session().state().add_generator(self, generator, false)
    }

    /// Defines a name as an address, which is one of the process that runs linked code.
    ///
    /// # Errors
    /// If something else defines it.
    pub fn define_absolute(&self, name: impl AsRef<[u8]>, address: ExecAddr) -> Result<()> {
        let name = name.as_ref();
        if self.tracker().is_some() {
            let unit = AbsoluteSymbols::new([(name, address, SymbolFlags::DATA)]);
            return self.session().define(self.id(), self.owner()?, Box::new(unit), false);
        }
        self.define_name(name, |state, names, id| {
            state.define_address(self.id(), id, address, SymbolFlags::DATA, names)
        })
    }

    /// Defines a name as a function or variable of this program. Functions whose types are known are better defined by
    /// [`define_fn`](Self::define_fn).
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// use linkjit::ExecAddr;
    ///
    /// static LIMIT: i32 = 10;
    /// let jit = linkjit::Jit::host()?;
    /// jit.define_ptr("limit", &raw const LIMIT)?;
    /// assert_eq!(jit.lookup("limit")?, ExecAddr::from_ptr(&LIMIT));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`JitDylib::define_absolute`]; [`Error::Elsewhere`] if linked code runs in another process.
    pub fn define_ptr<T>(&self, name: impl AsRef<[u8]>, pointer: *const T) -> Result<()> {
        self.check_here(name.as_ref())?;
        self.define_absolute(name, ExecAddr::from_ptr(pointer))
    }

    /// Has the tables changed so that they define a name. Batches are waited for that may use an older definition.
    fn define_name(&self, name: &[u8], define: impl FnOnce(&mut State, &NamePool, NameId) -> Result<()>) -> Result<()> {
        let _names = self.session().use_names();
        let id = self.session().names().intern(name);
        self.session().define_with(self.id(), id, |id| vec![*id], define)
    }

    /// Defines a name as an address that only this JITDylib knows, and that anything else that defines it replaces.
    pub(crate) fn define_hidden(&self, name: &str, address: ExecAddr) -> Result<()> {
        self.define_name(name.as_bytes(), |state, names, id| {
            state.define_address(self.id(), id, address, SymbolFlags::DATA.weak().hidden(), names)
        })
    }

    /// Defines a name as another name for `target`, which is searched in this JITDylib.
    ///
    /// # Errors
    /// If something else defines it, or it is its own target.
    pub fn define_alias(&self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Result<()> {
        self.reexport(name, self, target)
    }

    /// Defines a name as another name for `target` of another JITDylib.
    ///
    /// # Errors
    /// As [`JitDylib::define_alias`], or if the other JITDylib is another session's.
    pub fn reexport(&self, name: impl AsRef<[u8]>, from: &Self, target: impl AsRef<[u8]>) -> Result<()> {
        self.check_session(from)?;
        let (name, target) = (name.as_ref(), target.as_ref());
        if self.tracker().is_some() {
            return self.define(SymbolAliases::new(from, [(name, target, SymbolFlags::DATA)]));
        }
        let (name, from, target) = (name.to_owned(), from.downgrade(), target.to_owned());
        self.add_again(move |dylib| {
            let from = from.upgrade().ok_or(Error::Closed)?;
            dylib.define_other_name(&name, &from, &target)
        })
    }

    fn define_other_name(&self, name: &[u8], from: &Self, target: &[u8]) -> Result<()> {
        let _names = self.session().use_names();
        let target = self.session().names().intern(target);
        self.define_name(name, |state, names, name| state.define_alias(self.id(), name, (from.id(), target), names))
    }

    /// Defines what a generator has found, unless something defines it meanwhile.
    pub(crate) fn define_found(&self, name: &[u8], address: Address) {
        let mut names = self.session().names();
        let id = names.intern(name);
        let mut state = self.session().state();
        // A JITDylib that was closed meanwhile: then the name just stays missing.
        let _closed = state.define_found(self.id(), id, address);
    }

    /// Notes why an import could not be found, to be told if nothing else defines it.
    pub(crate) fn note_missing_import(&self, name: &[u8], why: &str) {
        let _names = self.session().use_names();
        let id = self.session().names().intern(name);
        // If the JITDylib is closed, nobody asks.
        if let Ok(dylib) = self.session().state().dylib_mut(self.id()) {
            dylib.note_missing_import(id, why);
        }
    }

    /// Adds an archive member for the batch that is being linked.
    pub(crate) fn define_pulled(&self, graph: LinkGraph) -> Result<ObjectId> {
        let owner = self.owner()?;
        let names = self.session().names();
        self.session().state().pull(self.id(), owner, graph, &names)
    }

    pub(crate) fn has_object(&self, object: ObjectId) -> bool {
        self.session().state().object(object).is_some()
    }
}
