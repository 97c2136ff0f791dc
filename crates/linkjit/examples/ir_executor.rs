//! An executor of LLVM IR: compiles functions when they are first called, and runs the program.
//!
//! ```sh
//! clang -O1 -S -emit-llvm hello.c -o hello.ll
//! cargo run -p linkjit --example ir_executor -- hello.ll an argument
//! ```

use linkjit::Jit;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let program = arguments.first().ok_or("usage: ir_executor PROGRAM ARGUMENT...")?;
    let jit = Jit::host()?;
    jit.add_lazy_ir(program)?;
    // SAFETY: the user vouches for the program.
    std::process::exit(unsafe { jit.run_main("main", &arguments)? });
}
