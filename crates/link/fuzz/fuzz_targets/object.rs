//! Any bytes, read as a relocatable object: a graph that can be walked and printed, or an error.

#![no_main]

use std::fmt::Write as _;

use libfuzzer_sys::fuzz_target;
use linkjit_link::names::NamePool;
use linkjit_link::object;
use linkjit_link::source::Source;

fuzz_target!(|bytes: &[u8]| {
    let mut names = NamePool::new();
    match object::read(&Source::new("fuzz.o", bytes.to_vec()), &mut names) {
        Ok(mut graph) => {
            graph.prune(&[]);
            let mut text = String::new();
            write!(text, "{}", graph.dump(&names, true)).expect("a string takes any text");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
