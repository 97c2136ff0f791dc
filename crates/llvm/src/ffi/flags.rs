//! Flags of modules: numbers with names, in metadata.

use std::marker::PhantomData;
use std::ptr::NonNull;

use super::functions::LlvmValue;
use super::{Library, Module};

/// A flag of a module whose value is a number.
pub(crate) struct Flag<'m> {
    library: &'static Library,
    /// The metadata of three operands, of which the number is the last.
    node: NonNull<LlvmValue>,
    number: NonNull<LlvmValue>,
    module: PhantomData<&'m LlvmValue>,
}

impl Module<'_> {
    /// The flag with a name.
    pub(crate) fn flag(&self, wanted: &[u8]) -> Option<Flag<'_>> {
        let functions = &self.library().functions;
        let flags = c"llvm.module.flags";
        // SAFETY: the module is there.
        let count = unsafe { (functions.named_metadata_count)(self.raw, flags.as_ptr()) };
        let mut nodes = vec![None; count as usize];
        // SAFETY: it writes one operand for each that was counted.
        unsafe { (functions.named_metadata)(self.raw, flags.as_ptr(), nodes.as_mut_ptr()) };
        nodes.into_iter().flatten().find_map(|node| {
            // SAFETY: operands of named metadata are nodes.
            let count = unsafe { (functions.node_count)(node) };
            let mut operands = vec![None; count as usize];
            // SAFETY: as above.
            unsafe { (functions.node_operands)(node, operands.as_mut_ptr()) };
            // The first says what is done when modules are linked.
            let [_, Some(name), Some(value)] = operands[..] else { return None };
            let mut length = 0;
            // SAFETY: it takes any value, and writes the length.
            let text = unsafe { (functions.metadata_string)(name, &raw mut length) };
            // SAFETY: LLVM says that the bytes are there.
            if text.is_null() || unsafe { std::slice::from_raw_parts(text, length as usize) } != wanted {
                return None;
            }
            // SAFETY: it takes any value.
            let number = unsafe { (functions.is_const_int)(value) }?;
            Some(Flag { library: self.library(), node, number, module: PhantomData })
        })
    }
}

impl Flag<'_> {
    /// Its value.
    pub(crate) fn get(&self) -> u64 {
        // SAFETY: it is a number.
        unsafe { (self.library.functions.const_int_value)(self.number) }
    }

    /// Makes its value zero.
    pub(crate) fn clear(self) {
        let functions = &self.library.functions;
        // SAFETY: the value is the module's.
        let number = unsafe { (functions.type_of)(self.number) };
        // SAFETY: the type of a number has a zero.
        let zero = unsafe { (functions.const_null)(number) };
        // SAFETY: it is a constant, which can be metadata.
        let zero = unsafe { (functions.value_as_metadata)(zero) };
        // SAFETY: the node has that operand, and the new one is of the same context.
        unsafe { (functions.node_replace)(self.node, 2, zero) };
    }
}
