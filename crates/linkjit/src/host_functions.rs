//! Functions of the host that linked code calls.

use linkjit_executor::{HostCallback, HostFunction};
use linkjit_link::arch::ArchTables;
use linkjit_link::graph::{Lifetime, LinkGraph, Name, Protection, Scope, Symbol};
use linkjit_link::names::NameId;

use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;

impl JitDylib {
    /// Defines a name as a function or closure of this program, with whatever it has captured. Its arguments and its result
    /// are of types that C passes in one register: integers, `bool`, `f32` and `f64`, pointers, [`ExecAddr`]; whether the code
    /// that calls it declares it so, those who add that code vouch for.
    ///
    /// The closure is dropped when its JITDylib, or the tracker that it was defined through, gives its memory back: code of
    /// others that stays when the tracker is removed or retired may call it until it goes, too.
    /// A handle of the session in it would keep both for ever: there are [weak ones](crate::WeakJitDylib). If it panics, the
    /// process is aborted, since C code can't be unwound.
    ///
    /// A call costs some tens of instructions more than one of a C function. Functions that are `extern "C"`, which may have
    /// arguments of all types, are defined by [`JitDylib::define_ptr`], and cost nothing.
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("linkjit-doc-define-fn-{}.c", std::process::id()));
    /// # let text = "double twice(double); void log_line(const char *, int); void f(void) { log_line(\"f\", twice(10.5)); }";
    /// # std::fs::write(&path, text).unwrap();
    /// use std::ffi::{CStr, c_char};
    /// use std::sync::{Arc, Mutex};
    ///
    /// let jit = linkjit::Jit::host()?;
    /// jit.define_fn("twice", |x: f64| 2.0 * x)?;
    /// let log = Arc::new(Mutex::new(Vec::new()));
    /// let lines = log.clone();
    /// jit.define_fn("log_line", move |text: *const c_char, value: i32| {
    ///     // SAFETY: the object passes strings.
    ///     let text = unsafe { CStr::from_ptr(text) };
    ///     lines.lock().unwrap().push(format!("{}: {value}", text.to_string_lossy()));
    /// })?;
    /// // `double twice(double); void log_line(const char *, int); void f(void) { log_line("f", twice(10.5)); }`
    /// jit.add_source_file(&path)?;
    /// # std::fs::remove_file(&path).unwrap();
    /// // SAFETY: its type.
    /// let f = unsafe { jit.lookup_fn::<unsafe extern "C" fn()>("f")? };
    /// // SAFETY: as above; it declares the two as they are.
    /// unsafe { f() };
    /// assert_eq!(*log.lock().unwrap(), ["f: 21"]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If something else defines the name; [`Error::Elsewhere`] if linked code runs in another process;
    /// [`Error::Unsupported`] on processors for which linkjit has no routine for that.
    ///
    /// [`ExecAddr`]: crate::ExecAddr
    pub fn define_fn<S>(&self, name: impl AsRef<[u8]>, function: impl HostFunction<S>) -> Result<()> {
        self.check_here(name.as_ref())?;
        let unsupported = || Error::unsupported("host functions are not supported on this processor");
        self.define_callback(name.as_ref(), HostCallback::new(function).ok_or_else(unsupported)?)
    }

    fn define_callback(&self, name: &[u8], callback: HostCallback) -> Result<()> {
        let _names = self.session().use_names();
        let owner = self.owner()?;
        let id = self.session().names().intern(name);
        let graph = thunk(self.session().new_graph("a host function"), id, &callback)?;
        self.session().define_graph_with(self.id(), graph, |state, names, graph| {
            state.define_object(self.id(), owner, graph, names)?;
            state.keep_function(owner, callback);
            Ok(())
        })
    }
}

/// The code that passes the data of a host function to its routine.
fn thunk(mut graph: LinkGraph, name: NameId, callback: &HostCallback) -> Result<LinkGraph> {
    let code = graph.add_section(".text.host", Protection::ReadExec, Lifetime::Standard)?;
    let constants = graph.add_section(".rodata.host", Protection::Read, Lifetime::Standard)?;
    let template = &graph.arch().code().host_call;
    let routine = graph.add_symbol(Symbol::absolute(callback.routine()))?;
    let arch = graph.arch();
    let data: Vec<u8> = callback.data().iter().flat_map(|address| arch.word(address.0)).collect();
    let (_, data) = graph.add_data(constants, data, arch.pointer_align_log2())?;
    let (_, thunk) = graph.add_code(code, template, &[data, routine])?;
    let symbol = graph.symbol_mut(thunk);
    (symbol.name, symbol.scope, symbol.callable) = (Name::Interned(name), Scope::Default, true);
    Ok(graph)
}
