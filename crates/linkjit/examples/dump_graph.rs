//! Prints the graphs of what is linked for a function, as they are when it is known what of them is needed.
//!
//! ```sh
//! cargo run -p linkjit --example dump_graph -- examples/hello.c main
//! ```

use std::sync::{Arc, PoisonError};

use linkjit::LinkGraph;
use linkjit::{Jit, PassLists, Stage};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(source), Some(function)) = (args.next(), args.next()) else {
        return Err("usage: dump_graph SOURCE FUNCTION".into());
    };
    let jit = Jit::host()?;
    // A function that adds passes is a plugin.
    jit.session().add_plugin(Arc::new(|_: &LinkGraph, passes: &mut PassLists| {
        passes.add(Stage::PostPrune, |graph, names| {
            let names = names.lock().unwrap_or_else(PoisonError::into_inner);
            println!("{}", graph.dump(&names, true));
            Ok(())
        });
    }));
    jit.add_source_file(source)?;
    println!("{function} is at {}", jit.lookup(&function)?);
    Ok(())
}
