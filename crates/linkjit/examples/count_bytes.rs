//! Links a function, and counts by section how many bytes its objects have and how many of them it needed.
//!
//! ```sh
//! cargo run -p linkjit --example count_bytes -- examples/hello.cpp main
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use linkjit::graph::{BlockId, LinkGraph, NamePool};
use linkjit::{Jit, LinkedAllocation, PassLists, Plugin, Result, Stage};

/// Bytes by section: of what the objects have, and what was linked.
#[derive(Default)]
struct Count(Arc<Mutex<BTreeMap<String, (u64, u64)>>>);

fn size(graph: &LinkGraph, block: BlockId) -> (String, u64) {
    let of = graph.block(block);
    (graph.section(of.section).name.to_string(), of.size)
}

impl Plugin for Count {
    fn add_passes(&self, _: &LinkGraph, passes: &mut PassLists) {
        let count = self.0.clone();
        passes.add(Stage::PrePrune, move |graph, _| {
            let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
            for block in graph.block_ids() {
                let (section, size) = size(graph, block);
                count.entry(section).or_default().0 += size;
            }
            Ok(())
        });
    }

    fn linked(&self, allocations: &[LinkedAllocation<'_>], _: &Mutex<NamePool>) -> Result<()> {
        let mut count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (graph, block) in allocations.iter().flat_map(|allocation| &allocation.blocks) {
            let (section, size) = size(graph, *block);
            count.entry(section).or_default().1 += size;
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(source), Some(function)) = (args.next(), args.next()) else {
        return Err("usage: count_bytes SOURCE FUNCTION".into());
    };
    let jit = Jit::host()?;
    let count = Count::default();
    let counted = count.0.clone();
    jit.session().add_plugin(Arc::new(count));
    jit.add_source_file(source)?;
    jit.lookup(&function)?;
    println!("{:>8} {:>8} section", "all", "linked");
    for (section, (all, linked)) in counted.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        println!("{all:8} {linked:8} {section}");
    }
    Ok(())
}
