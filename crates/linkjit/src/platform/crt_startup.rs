//! The start-up of a C runtime that is linked from an installation. It calls what the entry point of a DLL would call,
//! because the runtime takes an image for a DLL. Initializers and terminators themselves are the session's task, as are
//! `atexit` and thread-local storage ([`is_defined_by_image`]).
//!
//! For Microsoft's runtime, the start-up calls what `dll_dllmain.cpp` calls, which is among the runtime's sources in
//! Visual Studio. For MinGW-w64, it does what `crtdll.c` and `crtexe.c` do and no initializer does.

use linkjit_link::arch::ArchTables;
use linkjit_link::graph::{
    Alternate, InitializerOrder, InitializerSection, Lifetime, LinkGraph, Linkage, Protection, SectionId, Suffix,
    Symbol, SymbolId,
};
use linkjit_link::names::NamePool;

use super::default_libraries::has_installed_crt;
use crate::crt::CrtProvider;
use crate::error::Result;
use crate::jitdylib::JitDylib;
use crate::session::ObjectId;

/// Says whether a name is of what each image has one of, or of functions that must know images: it is never taken from
/// libraries, though the C runtime's static ones define it.
pub(super) fn is_defined_by_image(name: &[u8]) -> bool {
    matches!(
        name,
        b"_tls_index"
            | b"_tls_used"
            | b"__tls_guard"
            | b"__tlregdtor"
            | b"__dyn_tls_init"
            | b"__dyn_tls_on_demand_init"
            | b"_Init_thread_epoch"
            | b"_Init_thread_header"
            | b"_Init_thread_footer"
            | b"_Init_thread_abort"
            | b"atexit"
            | b"_onexit"
            | b"_crt_atexit"
            | b"at_quick_exit"
            | b"_crt_at_quick_exit"
            | b"_CxxThrowException"
            | b"?__ExceptionPtrCopyException@@YAXPEAXPEBX1@Z"
            | b"__cxa_atexit"
            | b"__cxa_thread_atexit"
            | b"__mingw_cxa_atexit"
            | b"__mingw_cxa_thread_atexit"
            | b"__dso_handle"
            | b"__main"
            | b"_pei386_runtime_relocator"
    )
}

/// Says whether a name is of a function that ends the process. One that a static library defines would end only what that
/// library knows of.
fn is_exit(name: &[u8]) -> bool {
    matches!(name, b"exit" | b"quick_exit")
}

/// Makes definitions references that a member has of what is the runtime's in any case.
pub(super) fn leave_to_runtime(graph: &mut LinkGraph, is_from_microsoft: bool, names: &NamePool) {
    for id in graph.symbol_ids() {
        let symbol = graph.symbol(id);
        let Some(name) = symbol.global_name().filter(|_| !symbol.is_external()) else { continue };
        let name = names.bytes(name);
        if is_defined_by_image(name) || is_from_microsoft && is_exit(name) {
            graph.make_external(id);
        }
    }
}

/// A function that does nothing, in place of functions that not every version of the runtime has.
const NOTHING: &[u8] = b"_guard_check_icall_nop";

/// The object that starts the runtime that was opened for a JITDylib, if one was: made now, if it was not.
pub(super) fn object(dylib: &JitDylib) -> Result<Option<ObjectId>> {
    let session = dylib.session();
    let made = session.state().crt_startup(dylib.id());
    if made.is_some() || !has_installed_crt(dylib) {
        return Ok(made);
    }
    let empty = session.new_graph("the start-up of the C runtime");
    let graph = fill(empty, &session.options().crt, &mut session.names())?;
    let object = dylib.define_pulled(graph)?;
    session.state().dylib_mut(dylib.id())?.set_crt_startup(object);
    Ok(Some(object))
}

/// Makes the start-up of the runtime that `crt` finds in an empty graph.
fn fill(graph: LinkGraph, crt: &CrtProvider, names: &mut NamePool) -> Result<LinkGraph> {
    let mut startup = Startup::new(graph, names)?;
    if crt.is_from_microsoft() {
        let cookie = startup.external(b"__security_init_cookie")?;
        startup.call(InitializerOrder::Preinit, &[cookie])?;
        let initialize = startup.start_call(b"__scrt_initialize_crt")?;
        startup.call(InitializerOrder::CInit(suffix(b'A')), &[initialize])?;
        let after = startup.start_call(b"__scrt_dllmain_after_initialize_c")?;
        startup.call(InitializerOrder::CInit(suffix(b'Z')), &[after])?;
        let checks = startup.optional(b"_RTC_Initialize")?;
        let types = startup.optional(b"?__scrt_initialize_type_info@@YAXXZ")?;
        let stdio = startup.optional(b"__scrt_initialize_default_local_stdio_options")?;
        startup.call(InitializerOrder::CxxInit(suffix(b'A')), &[checks, types, stdio])?;
        let end = startup.end_call(b"__scrt_uninitialize_crt")?;
        startup.call(InitializerOrder::Term(suffix(b'Z')), &[end])?;
    } else {
        // The precision of `long double`, and the callbacks that call destructors of threads' keys.
        let reset = startup.external(b"_fpreset")?;
        startup.call(InitializerOrder::Preinit, &[reset])?;
        let callbacks = startup.external(b"__mingw_initltsdrot_force")?;
        startup.hold(callbacks)?;
    }
    Ok(startup.graph)
}

fn suffix(letter: u8) -> Suffix {
    let mut suffix = Suffix::default();
    suffix[0] = letter;
    suffix
}

/// The graph in the making.
struct Startup<'a> {
    graph: LinkGraph,
    names: &'a mut NamePool,
    text: SectionId,
    data: SectionId,
    records: SectionId,
}

impl<'a> Startup<'a> {
    fn new(mut graph: LinkGraph, names: &'a mut NamePool) -> Result<Self> {
        let text = graph.add_section(".text", Protection::ReadExec, Lifetime::Standard)?;
        let data = graph.add_section(".rdata", Protection::Read, Lifetime::Standard)?;
        let records = graph.add_section(".pdata", Protection::Read, Lifetime::Standard)?;
        graph.section_mut(records).function_records = true;
        Ok(Self { graph, names, text, data, records })
    }

    fn external(&mut self, name: &[u8]) -> Result<SymbolId> {
        Ok(self.graph.add_symbol(Symbol::external(self.names.intern(name), Linkage::Strong))?)
    }

    /// A function that may be missing.
    fn optional(&mut self, name: &[u8]) -> Result<SymbolId> {
        let (name_id, target) = (self.names.intern(name), self.names.intern(NOTHING));
        self.graph.alternates.push(Alternate { name: name_id, target, after_libraries: true });
        self.external(name)
    }

    /// A function that calls `bool name(0)` and returns zero if that is true.
    fn start_call(&mut self, name: &[u8]) -> Result<SymbolId> {
        let target = self.external(name)?;
        let sections = [self.text, self.data, self.records];
        let code = &self.graph.arch().image_code()?.start_call;
        Ok(self.graph.add_framed_code(sections, code, &[target])?.1)
    }

    /// A function that calls `bool name(true, false)`.
    fn end_call(&mut self, name: &[u8]) -> Result<SymbolId> {
        let target = self.external(name)?;
        let code = &self.graph.arch().image_code()?.terminating_call;
        Ok(self.graph.add_code(self.text, code, &[target])?.1)
    }

    /// Has functions called, in this order.
    fn call(&mut self, order: InitializerOrder, functions: &[SymbolId]) -> Result<()> {
        let (block, _) = self.graph.add_pointers(self.data, functions)?;
        self.graph.add_initializers(InitializerSection { block, order, backwards: false });
        Ok(())
    }

    /// Has the member of a library linked that defines `symbol`.
    fn hold(&mut self, symbol: SymbolId) -> Result<()> {
        let (block, _) = self.graph.add_pointers(self.data, &[symbol])?;
        self.graph.retained.push(block);
        Ok(())
    }
}
