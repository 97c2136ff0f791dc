//! Cuts IR text into files: `rest.ll`, and `0.ll`, `1.ll` and so on with functions. Prints what is in each.
//!
//! ```sh
//! cargo run -p linkjit-ir --example cut -- module.ll directory
//! ```

use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

use linkjit_ir::Module;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(input), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("usage: cut MODULE.ll DIRECTORY".into());
    };
    let text = fs::read_to_string(&input)?;
    let module = Module::read(text).map_err(|error| format!("{}: {error}", input.display()))?;
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("rest.ll"), module.rest())?;
    let mut done = HashSet::new();
    let mut number = 0;
    for function in module.functions() {
        if let Some(reason) = function.stays {
            println!("rest.ll: {}: {reason}", function.name);
        } else if !done.contains(&function.id) {
            let together: Vec<_> = module.together_with(function.id).collect();
            done.extend(together.iter().map(|one| one.id));
            let names: Vec<_> = together.into_iter().map(|one| one.symbol).collect();
            println!("{number}.ll: {}", names.join(", "));
            fs::write(folder.join(format!("{number}.ll")), module.slice(&[function.id])?)?;
            number += 1;
        }
    }
    Ok(())
}
