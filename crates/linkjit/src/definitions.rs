//! Adding definitions to a JITDylib: objects, units, libraries and generators, addresses and other names.

use std::path::Path;
use std::sync::Arc;

use linkjit_executor::{ExecAddr, ObjectFormat};
use linkjit_link::graph::{LinkGraph, Linkage, Scope};
use linkjit_link::names::NameId;
use linkjit_link::object;
use linkjit_link::object::archive::Archive;
use linkjit_link::source::Source;

use crate::error::{Error, Result};
use crate::generators::{ArchiveGenerator, DefinitionGenerator, LibraryGenerator, archive_with_index};
use crate::jitdylib::JitDylib;
use crate::materialization::MaterializationUnit;
use crate::session::{Address, Generator, ResourceTracker, UnitId, defined_names, read_file};

impl JitDylib {
    /// Adds a relocatable object. Nothing is linked before a lookup needs it.
    ///
    /// # Errors
    /// If it can't be read, or defines what is defined already; then nothing of it was added.
    pub fn add_object(&self, source: &Source) -> Result<()> {
        self.add_object_to(&self.default_tracker()?, source)
    }

    /// Adds a relocatable object that `tracker` owns.
    ///
    /// # Errors
    /// As [`JitDylib::add_object`], or if the tracker was removed or is another JITDylib's.
    pub fn add_object_to(&self, tracker: &ResourceTracker, source: &Source) -> Result<()> {
        let _names = self.session().use_names();
        let graph = object::read(source, &mut self.session().names())?;
        self.add_graph_to(tracker, graph)
    }

    /// Adds a relocatable object from a file.
    ///
    /// # Errors
    /// As [`JitDylib::add_object`], or if the file can't be read.
    pub fn add_object_file(&self, path: impl AsRef<Path>) -> Result<()> {
        self.add_object(&read_file(path.as_ref())?)
    }

    /// Adds a link graph that was made by hand; names that other graphs are to see are of
    /// [`ExecutionSession::name_pool`](crate::ExecutionSession::name_pool).
    ///
    /// # Errors
    /// As [`JitDylib::add_object`].
    pub fn add_graph(&self, graph: LinkGraph) -> Result<()> {
        self.add_graph_to(&self.default_tracker()?, graph)
    }

    /// Adds a link graph that was made by hand and that `tracker` owns.
    ///
    /// # Errors
    /// As [`JitDylib::add_object_to`].
    pub fn add_graph_to(&self, tracker: &ResourceTracker, graph: LinkGraph) -> Result<()> {
        self.check_tracker(tracker)?;
        let any = |graph: &LinkGraph, is_lent: &dyn Fn(NameId) -> bool| defined_names(graph).any(is_lent);
        self.session().define_with(self.id(), graph, any, |state, names, graph| {
            state.define_unit(self.id(), tracker.id(), graph, names)?;
            Ok(())
        })
    }

    /// Adds a unit: what it promises is defined from now on, and made when a lookup needs it.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// use linkjit::{Compiler, FunctionUnit, SymbolFlags, SystemCompiler, UnitInterface};
    ///
    /// # let path = std::env::temp_dir().join(format!("linkjit-doc-define-{}.c", std::process::id()));
    /// # std::fs::write(&path, "int answer(void) { return 42; }").unwrap();
    /// let jit = linkjit::Jit::host()?;
    /// let interface = UnitInterface::new([("answer", SymbolFlags::FUNCTION)]);
    /// # let source = path.clone();
    /// jit.main().define(FunctionUnit::new("answer.c", interface, move |responsibility| {
    ///     responsibility.add_object(&SystemCompiler.compile(&source)?)
    /// }))?;
    /// // It is compiled now.
    /// // SAFETY: its type.
    /// let answer = unsafe { jit.lookup_fn::<unsafe extern "C" fn() -> i32>("answer")? };
    /// # std::fs::remove_file(&path).unwrap();
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
        self.define_to(&self.default_tracker()?, unit)
    }

    /// Adds a unit that `tracker` owns, and with it what is made of it.
    ///
    /// # Errors
    /// As [`JitDylib::define`], or if the tracker was removed or is another JITDylib's.
    pub fn define_to(&self, tracker: &ResourceTracker, unit: impl MaterializationUnit + 'static) -> Result<()> {
        self.check_tracker(tracker)?;
        self.session().define(self.id(), tracker.id(), Box::new(unit))
    }

    fn check_tracker(&self, tracker: &ResourceTracker) -> Result<()> {
        self.check_session(tracker.dylib())?;
        if tracker.dylib().id() == self.id() {
            Ok(())
        } else {
            Err(Error::Foreign { what: "the resource tracker is another JITDylib's" })
        }
    }

    /// Adds a static archive: its members are added when something that they define is wanted.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// # use linkjit::{Compiler, SystemCompiler};
    /// # let directory = std::env::temp_dir().join(format!("linkjit-doc-archive-{}", std::process::id()));
    /// # std::fs::create_dir_all(&directory).unwrap();
    /// # let archive = directory.join("libanswers.a");
    /// # for (name, text) in [("f", "int g(void); int f(void) { return g() + 1; }"), ("g", "int g(void) { return 41; }"),
    /// #     ("h", "int there_is_no_such_function(void); int h(void) { return there_is_no_such_function(); }")]
    /// # {
    /// #     let (source, object) = (directory.join(format!("{name}.c")), directory.join(format!("{name}.o")));
    /// #     std::fs::write(&source, text).unwrap();
    /// #     std::fs::write(&object, SystemCompiler.compile(&source)?.bytes()).unwrap();
    /// #     assert!(std::process::Command::new("ar").arg("rcs").args([&archive, &object]).status().unwrap().success());
    /// # }
    /// let jit = linkjit::Jit::host()?;
    /// jit.main().add_archive(&archive)?;
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
    pub fn add_archive(&self, path: impl AsRef<Path>) -> Result<()> {
        let has_imports = self.session().executor().object_format() == ObjectFormat::Coff;
        let archive = archive_with_index(Archive::parse(read_file(path.as_ref())?)?, self)?;
        let archives = {
            let mut state = self.session().state();
            let dylib = state.dylib_mut(self.id())?;
            match &dylib.archives {
                Some(archives) => archives.clone(),
                None => {
                    let archives = Arc::new(ArchiveGenerator::new(has_imports));
                    dylib.archives = Some(archives.clone());
                    state.add_generator(self.id(), archives.clone(), false)?;
                    archives
                }
            }
        };
        archives.add(archive)
    }

    /// Opens a shared library: names that nothing before it defines are searched in it.
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
        let path = path.as_ref();
        let library = self.session().executor().open_library(path, true)?;
        self.add_own_generator(Arc::new(LibraryGenerator::new(library, path.display().to_string())))
    }

    /// Adds a generator behind the others.
    ///
    /// # Errors
    /// If the JITDylib is closed.
    pub fn add_generator(&self, generator: Arc<dyn DefinitionGenerator>) -> Result<()> {
        self.session().keep_names();
        let mut state = self.session().state();
        state.dylib_mut(self.id())?.archives = None;
        state.add_generator(self.id(), generator, true)
    }

    /// Removes a generator that was added: lookups that begin from now on do not ask it. What it has defined stays.
    ///
    /// # Errors
    /// If the JITDylib is closed.
    pub fn remove_generator(&self, generator: &Arc<dyn DefinitionGenerator>) -> Result<()> {
        let is_it = |of: &mut Generator| std::ptr::addr_eq(Arc::as_ptr(&of.definitions), Arc::as_ptr(generator));
        // What the user drops with it is dropped with nothing locked.
        let _removed: Vec<_> = {
            let mut state = self.session().state();
            state.dylib_mut(self.id())?.generators.extract_if(.., is_it).collect()
        };
        Ok(())
    }

    /// As [`JitDylib::add_generator`] for one of ours, which batches ask themselves.
    pub(crate) fn add_own_generator(&self, generator: Arc<dyn DefinitionGenerator>) -> Result<()> {
        let mut state = self.session().state();
        state.dylib_mut(self.id())?.archives = None;
        state.add_generator(self.id(), generator, false)
    }

    /// Defines a name as an address.
    ///
    /// # Errors
    /// If something else defines it.
    pub fn define_absolute(&self, name: &str, address: ExecAddr) -> Result<()> {
        let _names = self.session().use_names();
        let id = self.session().names().intern(name.as_bytes());
        let any = |id: &NameId, is_lent: &dyn Fn(NameId) -> bool| is_lent(*id);
        self.session().define_with(self.id(), id, any, |state, names, id| {
            state.define_address(self.id(), id, Address::At(address), Linkage::Strong, names)
        })
    }

    /// Defines a name as an address that only this JITDylib knows, and that anything else that defines it replaces.
    pub(crate) fn define_hidden(&self, name: &str, address: ExecAddr) -> Result<()> {
        let _names = self.session().use_names();
        let id = self.session().names().intern(name.as_bytes());
        let any = |id: &NameId, is_lent: &dyn Fn(NameId) -> bool| is_lent(*id);
        self.session().define_with(self.id(), id, any, |state, names, id| {
            state.define_address(self.id(), id, Address::At(address), Linkage::Weak, names)?;
            if let Some(entry) = state.dylib_mut(self.id())?.symbols.get_mut(&id) {
                entry.scope = Scope::Hidden;
            }
            Ok(())
        })
    }

    /// Defines a name as another name for `target`, which is searched in this JITDylib.
    ///
    /// # Errors
    /// If something else defines it, or it is its own target.
    pub fn define_alias(&self, name: &str, target: &str) -> Result<()> {
        self.reexport(name, self, target)
    }

    /// Defines a name as another name for `target` of another JITDylib.
    ///
    /// # Errors
    /// As [`JitDylib::define_alias`], or if the other JITDylib is another session's.
    pub fn reexport(&self, name: &str, from: &Self, target: &str) -> Result<()> {
        self.check_session(from)?;
        let _names = self.session().use_names();
        let (name, target) = {
            let mut names = self.session().names();
            (names.intern(name.as_bytes()), names.intern(target.as_bytes()))
        };
        let any = |name: &NameId, is_lent: &dyn Fn(NameId) -> bool| is_lent(*name);
        self.session().define_with(self.id(), name, any, |state, names, name| {
            state.define_alias(self.id(), name, (from.id(), target), names)
        })
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
            dylib.missing_imports.insert(id, why.into());
        }
    }

    /// Adds an archive member for the batch that is being linked.
    pub(crate) fn define_pulled(&self, graph: LinkGraph) -> Result<UnitId> {
        let tracker = self.default_tracker()?;
        let names = self.session().names();
        let mut state = self.session().state();
        let (unit, replaced) = state.define_unit(self.id(), tracker.id(), graph, &names)?;
        state.pulled.push(unit);
        state.replaced.extend(replaced);
        Ok(unit)
    }

    pub(crate) fn has_unit(&self, unit: UnitId) -> bool {
        self.session().state().units.contains_key(&unit)
    }
}
