//! Contexts, modules, and what modules define.

use std::cell::RefCell;
use std::ffi::{CStr, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::rc::Rc;

use super::functions::{LlvmContext, LlvmDiagnosticInfo, LlvmError, LlvmModule, LlvmValue, Parse, Ref};
use super::{Library, MemoryBuffer, TargetMachine, c_string, text_at};

/// The kinds of messages that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Error,
    Warning,
}

/// The parts that modules share: types, constants, and the place for messages.
pub(crate) struct Context {
    library: &'static Library,
    raw: NonNull<LlvmContext>,
    /// LLVM has a pointer to it as long as the context lives.
    diagnostics: Rc<Diagnostics>,
}

struct Diagnostics {
    library: &'static Library,
    messages: RefCell<Vec<(Severity, String)>>,
}

/// LLVM calls it for each message of a context. Without it, LLVM ends the process at the first error.
extern "C" fn on_diagnostic(info: Ref<LlvmDiagnosticInfo>, diagnostics: *const c_void) {
    let Some(info) = info else { return };
    // SAFETY: the pointer is the one that `Context::new` gave, whose context lives, for it is at work.
    let diagnostics = unsafe { &*diagnostics.cast::<Diagnostics>() };
    let functions = &diagnostics.library.functions;
    // SAFETY: LLVM lends the information for the time of this call.
    let severity = match unsafe { (functions.get_diagnostic_severity)(info) } {
        0 => Severity::Error,
        1 => Severity::Warning,
        // Remarks and notes.
        _ => return,
    };
    // SAFETY: as above.
    let message = diagnostics.library.take_message(unsafe { (functions.get_diagnostic_description)(info) });
    diagnostics.messages.borrow_mut().push((severity, message));
}

impl Context {
    pub(crate) fn new(library: &'static Library) -> Self {
        let diagnostics = Rc::new(Diagnostics { library, messages: RefCell::default() });
        // SAFETY: it takes nothing.
        let raw = unsafe { (library.functions.context_create)() };
        let place = Rc::as_ptr(&diagnostics).cast();
        // SAFETY: the place lives longer than the context, which `Drop` disposes of first.
        unsafe { (library.functions.context_set_diagnostic_handler)(raw, on_diagnostic, place) };
        Self { library, raw, diagnostics }
    }

    /// Reads a module from text or bitcode. It is not verified.
    pub(crate) fn parse(&self, mut buffer: MemoryBuffer) -> Result<Module<'_>, String> {
        let Some(bytes) = buffer.raw else { return Err(String::new()) };
        let (mut module, mut message) = (None, None);
        match self.library.parse {
            Parse::Consuming(parse) => {
                buffer.raw = None;
                // SAFETY: context and buffer are there, and the buffer is LLVM's from now on.
                unsafe { parse(self.raw, bytes, &raw mut module, &raw mut message) }
            }
            // SAFETY: context and buffer are there.
            Parse::Borrowing(parse) => unsafe { parse(self.raw, bytes, &raw mut module, &raw mut message) },
        };
        let message = self.library.take_message(message);
        match module {
            Some(raw) => Ok(Module { context: self, raw }),
            // Some of bitcode's errors come as messages of the context.
            None => {
                let errors = self.messages().into_iter().map(|(_, message)| message);
                let all: Vec<_> =
                    Some(message).filter(|message| !message.is_empty()).into_iter().chain(errors).collect();
                Err(all.join("\n"))
            }
        }
    }

    /// Takes the messages that have come.
    pub(crate) fn messages(&self) -> Vec<(Severity, String)> {
        self.diagnostics.messages.take()
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the context is there, and modules, which borrow it, are not.
        unsafe { (self.library.functions.context_dispose)(self.raw) };
    }
}

/// A module of a context.
pub(crate) struct Module<'c> {
    context: &'c Context,
    pub(super) raw: NonNull<LlvmModule>,
}

impl Module<'_> {
    /// The triple that the module itself names; empty if it names none.
    pub(crate) fn triple(&self) -> String {
        // SAFETY: the module is there.
        let triple = unsafe { (self.library().functions.get_triple)(self.raw) };
        // SAFETY: it is a string of the module.
        unsafe { text_at(triple) }
    }

    /// Makes the module one for the machine: its triple and data layout.
    pub(crate) fn set_target(&self, machine: &TargetMachine) {
        let functions = &self.library().functions;
        let triple = c_string(&machine.options().triple);
        // SAFETY: the module is there, and the string is copied.
        unsafe { (functions.set_triple)(self.raw, triple.as_ptr()) };
        // SAFETY: the machine is there.
        let layout = unsafe { (functions.create_data_layout)(machine.raw) };
        // SAFETY: both are there, and the layout is copied.
        unsafe { (functions.set_data_layout)(self.raw, layout) };
        // SAFETY: the layout is ours.
        unsafe { (functions.dispose_data_layout)(layout) };
    }

    pub(crate) fn verify(&self) -> Result<(), String> {
        const RETURN_STATUS: c_int = 2;
        let mut message = None;
        // SAFETY: the module is there, and the message is written.
        let is_broken = unsafe { (self.library().functions.verify_module)(self.raw, RETURN_STATUS, &raw mut message) };
        let message = self.library().take_message(message);
        if is_broken == 0 { Ok(()) } else { Err(message) }
    }

    /// Runs a pipeline of passes on a verified module.
    pub(crate) fn run_passes(&self, passes: &CStr, machine: &TargetMachine, vectorize: bool) -> Result<(), String> {
        let functions = &self.library().functions;
        // SAFETY: it takes nothing.
        let options = unsafe { (functions.create_pass_options)() };
        let vectorize = c_int::from(vectorize);
        // SAFETY: the options are there.
        unsafe { (functions.set_loop_vectorization)(options, vectorize) };
        // SAFETY: as above.
        unsafe { (functions.set_slp_vectorization)(options, vectorize) };
        // SAFETY: module, machine and options are there, and the string lives through the call.
        let error = unsafe { (functions.run_passes)(self.raw, passes.as_ptr(), machine.raw, options) };
        // SAFETY: the options are ours.
        unsafe { (functions.dispose_pass_options)(options) };
        error.map_or(Ok(()), |error| Err(self.message_of(error)))
    }

    /// Makes an object of a verified module, and changes the module on the way. Messages come to the context.
    pub(crate) fn emit(&self, machine: &TargetMachine) -> Result<Vec<u8>, String> {
        const OBJECT_FILE: c_int = 1;
        let (mut raw, mut message) = (None, None);
        // SAFETY: machine and module are there, and a buffer or a message is written.
        unsafe { (self.library().functions.emit)(machine.raw, self.raw, OBJECT_FILE, &raw mut message, &raw mut raw) };
        let message = self.library().take_message(message);
        let object = MemoryBuffer { library: self.library(), raw };
        if object.raw.is_some() { Ok(object.to_vec()) } else { Err(message) }
    }

    pub(crate) fn text(&self) -> String {
        // SAFETY: the module is there.
        let text = unsafe { (self.library().functions.print_module)(self.raw) };
        let mut text = self.library().take_message(text);
        text.push('\n');
        text
    }

    pub(crate) fn functions(&self) -> impl Iterator<Item = Global<'_>> {
        let functions = &self.library().functions;
        // SAFETY: the module is there.
        let first = unsafe { (functions.get_first_function)(self.raw) };
        // SAFETY: the function is one of the module.
        self.globals(first, move |value| unsafe { (functions.get_next_function)(value) })
    }

    pub(crate) fn variables(&self) -> impl Iterator<Item = Global<'_>> {
        let functions = &self.library().functions;
        // SAFETY: the module is there.
        let first = unsafe { (functions.get_first_global)(self.raw) };
        // SAFETY: the variable is one of the module.
        self.globals(first, move |value| unsafe { (functions.get_next_global)(value) })
    }

    fn globals(
        &self,
        first: Ref<LlvmValue>,
        next: impl Fn(NonNull<LlvmValue>) -> Ref<LlvmValue>,
    ) -> impl Iterator<Item = Global<'_>> {
        let values = std::iter::successors(first, move |value| next(*value));
        values.map(|raw| Global { library: self.library(), raw, module: PhantomData })
    }

    fn message_of(&self, error: NonNull<LlvmError>) -> String {
        let functions = &self.library().functions;
        // SAFETY: the error is ours; it is consumed.
        let Some(message) = (unsafe { (functions.get_error_message)(error) }) else { return String::new() };
        // SAFETY: the string is LLVM's.
        let text = unsafe { text_at(message.as_ptr()) };
        // SAFETY: as above; it is ours.
        unsafe { (functions.dispose_error_message)(message) };
        text
    }

    pub(super) fn library(&self) -> &'static Library {
        self.context.library
    }
}

impl Drop for Module<'_> {
    fn drop(&mut self) {
        // SAFETY: the module is there, and its globals, which borrow it, are not.
        unsafe { (self.library().functions.dispose_module)(self.raw) };
    }
}

/// A function or variable of a module.
pub(crate) struct Global<'m> {
    library: &'static Library,
    raw: NonNull<LlvmValue>,
    module: PhantomData<&'m LlvmModule>,
}

impl Global<'_> {
    pub(crate) fn name(&self) -> &[u8] {
        let mut length = 0;
        // SAFETY: the value is there, and the length is written.
        let name = unsafe { (self.library.functions.get_value_name)(self.raw, &raw mut length) };
        if name.is_null() {
            return &[];
        }
        // SAFETY: the module has these bytes as long as nobody renames the value, which nobody does.
        unsafe { std::slice::from_raw_parts(name, length) }
    }

    /// Says that it is a strong definition, which the object will have under its name.
    pub(crate) fn is_emitted(&self) -> bool {
        const EXTERNAL: c_int = 0;
        const INTERNAL: c_int = 8;
        // SAFETY: the value is there.
        let is_declaration = unsafe { (self.library.functions.is_declaration)(self.raw) } != 0;
        // SAFETY: as above.
        let linkage = unsafe { (self.library.functions.get_linkage)(self.raw) };
        !is_declaration && [EXTERNAL, INTERNAL].contains(&linkage)
    }

    pub(crate) fn has_comdat(&self) -> bool {
        // SAFETY: the value is there, and one of those that can have a group.
        unsafe { (self.library.functions.get_comdat)(self.raw) }.is_some()
    }

    pub(crate) fn has_section(&self) -> bool {
        // SAFETY: the value is there.
        let section = unsafe { (self.library.functions.get_section)(self.raw) };
        // SAFETY: it is a string of the module.
        !unsafe { text_at(section) }.is_empty()
    }

    pub(crate) fn set_section(&self, section: &[u8]) {
        let section = c_string(section);
        // SAFETY: the value is there, and the string is copied.
        unsafe { (self.library.functions.set_section)(self.raw, section.as_ptr()) };
    }

    /// For variables.
    pub(crate) fn is_thread_local(&self) -> bool {
        // SAFETY: the value is there.
        unsafe { (self.library.functions.is_thread_local)(self.raw) != 0 }
    }

    /// For variables: how many bytes one takes, in a module that has got its target.
    pub(crate) fn size(&self) -> u64 {
        let functions = &self.library.functions;
        // SAFETY: the value is there.
        let module = unsafe { (functions.get_parent)(self.raw) };
        // SAFETY: the module is that of the value.
        let layout = unsafe { (functions.get_data_layout)(module) };
        // SAFETY: as above.
        let ty = unsafe { (functions.get_value_type)(self.raw) };
        // SAFETY: the type of a variable that is defined has a size.
        unsafe { (functions.size_of_type)(layout, ty) }
    }

    /// For variables.
    pub(crate) fn is_constant(&self) -> bool {
        // SAFETY: the value is there.
        unsafe { (self.library.functions.is_global_constant)(self.raw) != 0 }
    }

    /// For variables: says that the first value is all zero.
    pub(crate) fn is_zero(&self) -> bool {
        // SAFETY: the value is there.
        let value = unsafe { (self.library.functions.get_initializer)(self.raw) };
        // SAFETY: the value is the module's.
        value.is_some_and(|value| unsafe { (self.library.functions.is_null)(value) } != 0)
    }
}
