//! Initializers and terminators of ELF modules. LLVM's C API has them made into `.ctors` and `.dtors`, which compilers have
//! given up and linkers run in another order. So they become variables in `.init_array` and `.fini_array`.

use std::ffi::{CStr, c_int};
use std::ptr::NonNull;

use super::functions::LlvmValue;
use super::{Module, c_string};

/// The lists of a module, and the sections that take their place.
const LISTS: [(&CStr, &str); 2] = [(c"llvm.global_ctors", ".init_array"), (c"llvm.global_dtors", ".fini_array")];

/// The priority of those that have none of their own.
const USUAL: u64 = 65535;
const INTERNAL: c_int = 8;

/// A function of a list.
struct Structor {
    priority: u64,
    function: NonNull<LlvmValue>,
    /// What it initializes: it is in the same COMDAT group, if that has one.
    of: Option<NonNull<LlvmValue>>,
}

impl Module<'_> {
    /// Makes arrays of the lists, in a module that has been optimized.
    pub(crate) fn make_arrays(&self) {
        let functions = &self.library().functions;
        for (name, section) in LISTS {
            // SAFETY: module and name are there.
            let list = unsafe { (functions.get_named_global)(self.raw, name.as_ptr()) };
            let Some((list, mut structors)) = list.and_then(|list| Some((list, self.structors(list)?))) else {
                continue;
            };
            structors.sort_by_key(|structor| structor.priority);
            structors.iter().for_each(|structor| self.add_pointer(section, structor));
            // SAFETY: nothing can refer to the list.
            unsafe { (functions.delete_global)(list) };
        }
    }

    /// The functions of a list; nothing if it is not as lists are.
    fn structors(&self, list: NonNull<LlvmValue>) -> Option<Vec<Structor>> {
        let functions = &self.library().functions;
        // SAFETY: the list is a variable of the module.
        let entries = unsafe { (functions.get_initializer)(list) }?;
        // SAFETY: it is a constant.
        let count = unsafe { (functions.num_operands)(entries) };
        let all = (0..count.cast_unsigned()).map(|at| {
            // SAFETY: it has so many operands.
            let entry = unsafe { (functions.operand)(entries, at) }?;
            // SAFETY: it is a constant.
            if unsafe { (functions.num_operands)(entry) } != 3 {
                return None;
            }
            // SAFETY: it has three operands.
            let [priority, function, of] = [0, 1, 2].map(|at| unsafe { (functions.operand)(entry, at) });
            // SAFETY: it takes any value.
            let priority = unsafe { (functions.is_const_int)(priority?) }?;
            // SAFETY: it is a number.
            let priority = unsafe { (functions.const_int_value)(priority) };
            // SAFETY: it takes any value, and returns it if it is one that has a name for linkers.
            let of = unsafe { (functions.is_global)(of?) };
            Some(Structor { priority, function: function?, of })
        });
        all.collect()
    }

    /// Adds a variable that points to the function, unless what it initializes is defined elsewhere.
    fn add_pointer(&self, section: &str, structor: &Structor) {
        let functions = &self.library().functions;
        // SAFETY: the value is one that has a linkage.
        if structor.of.is_some_and(|of| unsafe { (functions.is_declaration)(of) } != 0) {
            return;
        }
        // SAFETY: the function is one of the module.
        let pointer = unsafe { (functions.type_of)(structor.function) };
        // SAFETY: the module is there, and the type is one of its context.
        let variable = unsafe { (functions.add_global)(self.raw, pointer, c"".as_ptr()) };
        // SAFETY: the variable is there, and the number is an enumerator of LLVMLinkage.
        unsafe { (functions.set_linkage)(variable, INTERNAL) };
        // SAFETY: the initializer has the type of the variable.
        unsafe { (functions.set_initializer)(variable, structor.function) };
        let section = match structor.priority {
            USUAL => section.to_owned(),
            priority => format!("{section}.{priority}"),
        };
        // SAFETY: the variable is there, and the string is copied.
        unsafe { (functions.set_section)(variable, c_string(section).as_ptr()) };
        // SAFETY: the value is one that may have a group.
        if let Some(group) = structor.of.and_then(|of| unsafe { (functions.get_comdat)(of) }) {
            // SAFETY: the variable is there, and the group is one of the module.
            unsafe { (functions.set_comdat)(variable, group) };
        }
    }
}
