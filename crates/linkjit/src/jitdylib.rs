//! JITDylibs: sets of definitions that are searched and linked like a shared library.

use std::fmt;
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
use crate::lookup::{LookupFuture, SymbolLookupSet, find_flags, look_up, look_up_set};
use crate::materialization::job::Job;
use crate::materialization::{MaterializationUnit, SymbolFlags};
use crate::platform::program;
use crate::session::{
    Address, DylibId, ExecutionSession, Generator, ResourceTracker, UnitId, defined_names, read_file,
};

/// Which symbols of a JITDylib a search may find.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MatchScope {
    /// Those that other JITDylibs may see.
    Exported,
    /// Hidden ones, too.
    All,
}

/// A JITDylib of a session. A clone is another handle to the same one.
///
/// ```
/// # fn main() -> linkjit::Result<()> {
/// use linkjit::{ExecAddr, MatchScope};
///
/// let jit = linkjit::Jit::host()?;
/// let (plugin, base) = (jit.create_dylib("plugin")?, jit.create_dylib("base")?);
/// base.define_absolute("size", ExecAddr(42))?;
/// assert!(plugin.lookup(&["size"]).is_err());
/// // It searches itself, then the process, then `base`: what that exports, with `All` what it hides, too.
/// plugin.add_to_link_order(&base, MatchScope::Exported)?;
/// assert_eq!(plugin.lookup(&["size"])?, [ExecAddr(42)]);
/// plugin.define_absolute("size", ExecAddr(43))?;
/// assert_eq!(plugin.lookup(&["size"])?, [ExecAddr(43)]);
/// // SAFETY: nobody is in its code.
/// unsafe { plugin.close()? };
/// assert!(jit.session().dylib("plugin").is_none());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct JitDylib {
    session: ExecutionSession,
    id: DylibId,
}

impl JitDylib {
    pub(crate) fn new(session: ExecutionSession, id: DylibId) -> Self {
        Self { session, id }
    }

    pub(crate) fn id(&self) -> DylibId {
        self.id
    }

    /// The session it belongs to.
    #[must_use]
    pub fn session(&self) -> &ExecutionSession {
        &self.session
    }

    /// Its name; empty once it is closed.
    #[must_use]
    pub fn name(&self) -> String {
        self.session.state().dylib(self.id).map(|dylib| dylib.name.clone()).unwrap_or_default()
    }

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
        let graph = object::read(source, &mut self.session.names())?;
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
    /// [`ExecutionSession::name_pool`].
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
        self.session.define_with(self.id, graph, any, |state, names, graph| {
            state.define_unit(self.id, tracker.id(), graph, names)?;
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
        self.session.define(self.id, tracker.id(), Box::new(unit))
    }

    fn check_tracker(&self, tracker: &ResourceTracker) -> Result<()> {
        self.check_session(tracker.dylib())?;
        if tracker.dylib().id == self.id {
            Ok(())
        } else {
            Err(Error::Foreign { what: "the resource tracker is another JITDylib's" })
        }
    }

    /// Ids mean something in their own session only.
    pub(crate) fn check_session(&self, other: &Self) -> Result<()> {
        if self.session.is(&other.session) {
            Ok(())
        } else {
            Err(Error::Foreign { what: "the JITDylib is another session's" })
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
        let has_imports = self.session.executor().object_format() == ObjectFormat::Coff;
        let archive = archive_with_index(Archive::parse(read_file(path.as_ref())?)?, self)?;
        let archives = {
            let mut state = self.session.state();
            let dylib = state.dylib_mut(self.id)?;
            match &dylib.archives {
                Some(archives) => archives.clone(),
                None => {
                    let archives = Arc::new(ArchiveGenerator::new(has_imports));
                    dylib.archives = Some(archives.clone());
                    state.add_generator(self.id, archives.clone(), false)?;
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
        let library = self.session.executor().open_library(path, true)?;
        self.add_own_generator(Arc::new(LibraryGenerator::new(library, path.display().to_string())))
    }

    /// Adds a generator behind the others.
    ///
    /// # Errors
    /// If the JITDylib is closed.
    pub fn add_generator(&self, generator: Arc<dyn DefinitionGenerator>) -> Result<()> {
        let mut state = self.session.state();
        state.dylib_mut(self.id)?.archives = None;
        state.add_generator(self.id, generator, true)
    }

    /// Removes a generator that was added: lookups that begin from now on do not ask it. What it has defined stays.
    ///
    /// # Errors
    /// If the JITDylib is closed.
    pub fn remove_generator(&self, generator: &Arc<dyn DefinitionGenerator>) -> Result<()> {
        let is_it = |of: &mut Generator| std::ptr::addr_eq(Arc::as_ptr(&of.definitions), Arc::as_ptr(generator));
        // What the user drops with it is dropped with nothing locked.
        let _removed: Vec<_> = {
            let mut state = self.session.state();
            state.dylib_mut(self.id)?.generators.extract_if(.., is_it).collect()
        };
        Ok(())
    }

    /// As [`JitDylib::add_generator`] for one of ours, which batches ask themselves.
    pub(crate) fn add_own_generator(&self, generator: Arc<dyn DefinitionGenerator>) -> Result<()> {
        let mut state = self.session.state();
        state.dylib_mut(self.id)?.archives = None;
        state.add_generator(self.id, generator, false)
    }

    /// Where its objects say that the program begins, for those of Windows: by `/entry` (the first counts), or by
    /// defining `main`, `wmain`, `WinMain`, `wWinMain` or what a C runtime begins with, in this order.
    ///
    /// # Errors
    /// If the JITDylib is closed.
    pub fn entry(&self) -> Result<Option<String>> {
        let names = self.session.names();
        let state = self.session.state();
        let dylib = state.dylib(self.id)?;
        let asked = dylib.image_requests.entry().map(|name| names.text(name).into_owned());
        let has_usual = self.session.executor().object_format() == ObjectFormat::Coff;
        let defines = |name: &str| names.find(name.as_bytes()).is_some_and(|id| dylib.symbols.contains_key(&id));
        Ok(program::entry(asked.as_deref(), has_usual, defines))
    }

    /// Defines a name as an address.
    ///
    /// # Errors
    /// If something else defines it.
    pub fn define_absolute(&self, name: &str, address: ExecAddr) -> Result<()> {
        let id = self.session.names().intern(name.as_bytes());
        let any = |id: &NameId, is_lent: &dyn Fn(NameId) -> bool| is_lent(*id);
        self.session.define_with(self.id, id, any, |state, names, id| {
            state.define_address(self.id, id, Address::At(address), Linkage::Strong, names)
        })
    }

    /// Defines a name as an address that only this JITDylib knows, and that anything else that defines it replaces.
    pub(crate) fn define_hidden(&self, name: &str, address: ExecAddr) -> Result<()> {
        let id = self.session.names().intern(name.as_bytes());
        let any = |id: &NameId, is_lent: &dyn Fn(NameId) -> bool| is_lent(*id);
        self.session.define_with(self.id, id, any, |state, names, id| {
            state.define_address(self.id, id, Address::At(address), Linkage::Weak, names)?;
            if let Some(entry) = state.dylib_mut(self.id)?.symbols.get_mut(&id) {
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
        let (name, target) = {
            let mut names = self.session.names();
            (names.intern(name.as_bytes()), names.intern(target.as_bytes()))
        };
        let any = |name: &NameId, is_lent: &dyn Fn(NameId) -> bool| is_lent(*name);
        self.session.define_with(self.id, name, any, |state, names, name| {
            state.define_alias(self.id, name, (from.id, target), names)
        })
    }

    /// Defines what a generator has found, unless something defines it meanwhile.
    pub(crate) fn define_found(&self, name: &[u8], address: Address) {
        let mut names = self.session.names();
        let id = names.intern(name);
        let mut state = self.session.state();
        // Weak, so that the only error left is a JITDylib that was closed meanwhile: then the name just stays missing.
        let _closed = state.define_address(self.id, id, address, Linkage::Weak, &names);
    }

    /// Notes why an import could not be found, to be told if nothing else defines it.
    pub(crate) fn note_missing_import(&self, name: &[u8], why: &str) {
        let id = self.session.names().intern(name);
        // If the JITDylib is closed, nobody asks.
        if let Ok(dylib) = self.session.state().dylib_mut(self.id) {
            dylib.missing_imports.insert(id, why.into());
        }
    }

    /// Adds an archive member for the batch that is being linked.
    pub(crate) fn define_pulled(&self, graph: LinkGraph) -> Result<UnitId> {
        let tracker = self.default_tracker()?;
        let names = self.session.names();
        let mut state = self.session.state();
        let (unit, replaced) = state.define_unit(self.id, tracker.id(), graph, &names)?;
        state.pulled.push(unit);
        state.replaced.extend(replaced);
        Ok(unit)
    }

    pub(crate) fn has_unit(&self, unit: UnitId) -> bool {
        self.session.state().units.contains_key(&unit)
    }

    /// A tracker for what will be added through it.
    ///
    /// # Errors
    /// If the JITDylib is closed.
    pub fn create_tracker(&self) -> Result<ResourceTracker> {
        let mut state = self.session.state();
        state.dylib_mut(self.id)?.has_trackers = true;
        let id = state.create_tracker(self.id);
        Ok(ResourceTracker::new(self.clone(), id))
    }

    /// The tracker of everything that was added without one.
    ///
    /// # Errors
    /// If the JITDylib is closed.
    pub fn default_tracker(&self) -> Result<ResourceTracker> {
        let mut state = self.session.state();
        let id = match state.dylib(self.id)?.default_tracker {
            Some(id) if state.trackers.contains_key(&id) => id,
            _ => {
                let id = state.create_tracker(self.id);
                state.dylib_mut(self.id)?.default_tracker = Some(id);
                id
            }
        };
        Ok(ResourceTracker::new(self.clone(), id))
    }

    /// The JITDylibs that are searched for names that this one's code refers to, in order. The first is itself.
    ///
    /// # Errors
    /// If one of them is closed.
    pub fn link_order(&self) -> Result<Vec<(Self, MatchScope)>> {
        let order = self.session.state().dylib(self.id)?.link_order.clone();
        Ok(order.into_iter().map(|(id, scope)| (Self::new(self.session.clone(), id), scope)).collect())
    }

    /// Searches another JITDylib's exported symbols, too, after those that are searched already.
    ///
    /// # Errors
    /// If one of them is closed, or another session's.
    pub fn add_to_link_order(&self, other: &Self, scope: MatchScope) -> Result<()> {
        self.check_session(other)?;
        let mut state = self.session.state();
        state.dylib(other.id)?;
        state.dylib_mut(self.id)?.link_order.push((other.id, scope));
        Ok(())
    }

    /// Searches another JITDylib no more; what was found there stays bound to it.
    ///
    /// # Errors
    /// If this JITDylib is closed, or the other one another session's.
    pub fn remove_from_link_order(&self, other: &Self) -> Result<()> {
        self.check_session(other)?;
        self.session.state().dylib_mut(self.id)?.link_order.retain(|&(id, _)| id != other.id);
        Ok(())
    }

    /// Makes this the link order: this JITDylib with all of its symbols, then `others`.
    ///
    /// # Errors
    /// If one of them is closed, or another session's.
    pub fn set_link_order(&self, others: &[(Self, MatchScope)]) -> Result<()> {
        let mut state = self.session.state();
        let mut order = vec![(self.id, MatchScope::All)];
        for (other, scope) in others {
            self.check_session(other)?;
            state.dylib(other.id)?;
            order.push((other.id, *scope));
        }
        state.dylib_mut(self.id)?.link_order = order;
        Ok(())
    }

    /// The addresses of names, in their order, found in this JITDylib's link order; what they need is linked. All that
    /// is missing is reported at once. Initializers are not run: see [`JitDylib::initialize`].
    ///
    /// # Errors
    /// If a name is missing, or what defines it can't be linked; then the session is as it was before.
    pub fn lookup(&self, names: &[&str]) -> Result<Vec<ExecAddr>> {
        self.link(names, false)
    }

    /// As [`JitDylib::lookup`], and links what [`JitDylib::initialize`] will run in the same go: a program that says
    /// that it is linking can stop saying so before code runs that prints.
    ///
    /// # Errors
    /// As [`JitDylib::lookup`].
    pub fn lookup_with_initializers(&self, names: &[&str]) -> Result<Vec<ExecAddr>> {
        self.link(names, true)
    }

    /// The addresses of a set of names, in their order; `None` for those that may be missing and are.
    ///
    /// # Errors
    /// As [`JitDylib::lookup`].
    pub fn lookup_set(&self, set: &SymbolLookupSet) -> Result<Vec<Option<ExecAddr>>> {
        look_up_set(self, set)
    }

    /// Who sees names, and how they compete, in their order; `None` for those that nobody defines. Generators are asked,
    /// but nothing is materialized or linked. Whether something is a function is known only of objects of which a
    /// part is yet to be linked, and of units that are yet to be materialized.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// use linkjit::{FunctionUnit, SymbolFlags, SymbolLookupSet, UnitInterface};
    ///
    /// let jit = linkjit::Jit::host()?;
    /// let interface = UnitInterface::new([("f", SymbolFlags::FUNCTION.weak())]);
    /// jit.main().define(FunctionUnit::new("never materialized", interface, |_| unreachable!()))?;
    /// let flags = jit.main().lookup_flags(&SymbolLookupSet::new(["f", "there_is_no_g"]))?;
    /// assert_eq!(flags, [Some(SymbolFlags::FUNCTION.weak()), None]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If a generator fails.
    pub fn lookup_flags(&self, set: &SymbolLookupSet) -> Result<Vec<Option<SymbolFlags>>> {
        find_flags(self, set)
    }

    /// As [`JitDylib::lookup_set`], done by the session's threads.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// use linkjit::SymbolLookupSet;
    ///
    /// let jit = linkjit::Jit::host()?;
    /// let lookup = jit.main().lookup_future(&SymbolLookupSet::new(["abs"]));
    /// // In an async function: `let found = lookup.await?;`
    /// let found = lookup.wait()?;
    /// assert_eq!(found[0], Some(jit.lookup("abs")?));
    /// # Ok(()) }
    /// ```
    pub fn lookup_future(&self, set: &SymbolLookupSet) -> LookupFuture {
        LookupFuture::new(self, set)
    }

    fn link(&self, names: &[&str], initializers: bool) -> Result<Vec<ExecAddr>> {
        let ids: Vec<NameId> = {
            let mut pool = self.session.names();
            names.iter().map(|name| pool.intern(name.as_bytes())).collect()
        };
        let addresses = look_up(&self.session, self.id, &ids, initializers)?;
        addresses
            .into_iter()
            .zip(names)
            .map(|(address, name)| match address {
                Address::At(address) => Ok(address),
                Address::ThreadLocal(_) => Err(Error::ThreadLocal { name: (*name).into() }),
            })
            .collect()
    }

    /// The address of a name; runs initializers that were not run yet.
    pub(crate) fn lookup_initialized(&self, name: &str) -> Result<ExecAddr> {
        let found = self.link(&[name], true)?;
        self.run_initializers()?;
        found.first().copied().ok_or(Error::Closed)
    }

    /// Links what has initializers here and in the JITDylibs it depends on, and runs those that were not run yet:
    /// dependencies first, then by priority, then in link order. Terminators run in the reverse order, when code is
    /// removed or its JITDylib is closed.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// # use linkjit::{Compiler, MatchScope, SystemCompiler};
    /// # let path = std::env::temp_dir().join(format!("linkjit-doc-initialize-{}.c", std::process::id()));
    /// # let compile = |number: &str| {
    /// #     let text = "extern int events[], count; __attribute__((constructor)) static void begin(void) { events[count++] = N; }
    /// #                 __attribute__((destructor)) static void end(void) { events[count++] = -N; }";
    /// #     std::fs::write(&path, text.replace('N', number)).unwrap();
    /// #     SystemCompiler.compile(&path)
    /// # };
    /// static mut EVENTS: [i32; 4] = [0; 4];
    /// static mut COUNT: i32 = 0;
    /// let jit = linkjit::Jit::host()?;
    /// jit.define_absolute("events", &raw const EVENTS)?;
    /// jit.define_absolute("count", &raw const COUNT)?;
    /// let plugin = jit.create_dylib("plugin")?;
    /// plugin.add_to_link_order(jit.main(), MatchScope::Exported)?;
    /// // Each has a constructor that notes its number and a destructor that notes it with a minus.
    /// plugin.add_object(&compile("2")?)?;
    /// jit.main().add_object(&compile("1")?)?;
    /// plugin.initialize()?;
    /// // SAFETY: nobody is in the code.
    /// unsafe { jit.close()? };
    /// // SAFETY: nobody writes it any more.
    /// assert_eq!(unsafe { EVENTS }, [1, 2, -2, -1]);
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If something can't be linked.
    pub fn initialize(&self) -> Result<()> {
        look_up(&self.session, self.id, &[], true)?;
        self.run_initializers()
    }

    fn run_initializers(&self) -> Result<()> {
        let initializing = self.session.begin_initializing()?;
        self.run_pending_initializers()?;
        drop(initializing);
        self.session.wait_for_initializers(|_| true)
    }

    /// Runs the initializers of what is linked that were not run yet, but for those that other threads are at.
    pub(crate) fn run_pending_initializers(&self) -> Result<()> {
        let _edge = self.session.wait_for_turn(Job::Initializing)?;
        let order = self.session.state().dependency_order([self.id]);
        for id in order {
            let (image, initializers, terminators, _running) = {
                let mut state = self.session.state();
                let Ok(dylib) = state.dylib_mut(id) else { continue };
                if dylib.pending_initializers.is_empty() && dylib.pending_terminators.is_empty() {
                    continue;
                }
                let mut runs = std::mem::take(&mut dylib.pending_initializers);
                // Units are numbered in the order in which they were added, which is link order.
                runs.sort_by_key(|run| (run.order, run.unit));
                let mut ends = std::mem::take(&mut dylib.pending_terminators);
                ends.sort_by_key(|run| (run.order, run.unit));
                dylib.terminators.append(&mut ends);
                let arrays: Vec<_> = runs.iter().map(|run| run.array).collect();
                let (image, terminators) = (dylib.image, state.terminator_arrays(id));
                (image, arrays, terminators, self.session.mark_initializing(&mut state, &runs))
            };
            // SAFETY: who adds an object vouches for its initializers; they are linked and finalized.
            unsafe { self.session.executor().run_initializers(image, &initializers, &terminators)? };
        }
        Ok(())
    }

    /// What it has, as text for people: link order, generators, memory, units and symbols with their states. Empty if it
    /// is closed.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// let jit = linkjit::Jit::host()?;
    /// jit.main().define_alias("magnitude", "abs")?;
    /// assert!(jit.main().dump().contains("magnitude: strong, exported, alias for abs of main"));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn dump(&self) -> String {
        self.session.dump_dylib(self.id)
    }

    /// Runs its terminators, removes it from the session and gives its memory back.
    ///
    /// # Errors
    /// If it is closed already, or linked code of other JITDylibs is bound to that of this one ([`Error::InUse`]): close
    /// those before. [`Error::Reentrant`] if it is called by what is being linked, removed or closed, or by its initializer.
    ///
    /// # Safety
    /// No thread may be in its code, and nobody may use its code or data afterwards.
    pub unsafe fn close(&self) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { self.session.close_dylibs(&[self.id]) }
    }
}

impl fmt::Debug for JitDylib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JitDylib({})", self.name())
    }
}
