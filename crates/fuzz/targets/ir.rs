//! LLVM IR as text, which is cut. Slices can be read as the module could: they refer to nothing that is not in them.

#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use linkjit_ir::Module;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let Ok(module) = Module::read(text.as_ref()) else { return };
    // More of them say nothing new.
    let functions: Vec<_> = module.functions().map(|function| function.id).take(30).collect();
    let mut slices = vec![module.rest()];
    slices.extend(module.slice(&functions));
    for &function in &functions {
        slices.extend(module.slice(&[function]));
        let together: Vec<_> = module.together_with(function).map(|one| one.id).collect();
        assert!(together.contains(&function), "a function is cut without itself");
        assert!(module.slice(&together).is_ok() == module.slice(&[function]).is_ok(), "its companions can't be cut");
    }
    for slice in &slices {
        let read = match Module::read(slice.as_str()) {
            Ok(read) => read,
            Err(error) => panic!("a slice is wrong: {error}:\n{slice}"),
        };
        let mut names = HashSet::new();
        assert!(read.definitions().all(|one| names.insert(one.symbol)), "a name is defined twice:\n{slice}");
    }
});
