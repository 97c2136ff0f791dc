//! A language of one's own, whose functions are compiled when they are first called.
//!
//! Each line is a function of one number, `x`, in reverse Polish notation: `square = x x *`. A name calls a function with
//! the number before it. The last line is called with 5.
//!
//! ```sh
//! printf 'square = x x *\nnever = x never\nmain = x square 1 +\n' > square.toy
//! cargo run -p linkjit --example toy_language -- square.toy
//! ```

use linkjit::{Compiler, FunctionUnit, IrCompiler, Jit, SourceModule, SymbolFlags, UnitInterface};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The code of a function, as LLVM IR.
fn compile(name: &str, body: &str) -> Option<String> {
    let (mut code, mut stack) = (String::new(), Vec::new());
    for (at, word) in body.split_whitespace().enumerate() {
        let instruction = match word {
            "x" => "add i64 %x, 0".to_owned(),
            "+" | "-" | "*" => {
                let operation = ["add", "sub", "mul"]["+-*".find(word)?];
                let (right, left) = (stack.pop()?, stack.pop()?);
                format!("{operation} i64 %v{left}, %v{right}")
            }
            _ if word.parse::<i64>().is_ok() => format!("add i64 {word}, 0"),
            _ => format!("call i64 @\"{word}\"(i64 %v{})", stack.pop()?),
        };
        code += &format!("  %v{at} = {instruction}\n");
        stack.push(at);
    }
    let words = body.split_whitespace().filter(|word| word.starts_with(char::is_alphabetic) && *word != "x");
    let callees: std::collections::BTreeSet<&str> = words.collect();
    let declared: String = callees.iter().map(|callee| format!("declare i64 @\"{callee}\"(i64)\n")).collect();
    Some(format!("{declared}define i64 @\"{name}.body\"(i64 %x) {{\n{code}  ret i64 %v{}\n}}\n", stack.pop()?))
}

fn main() -> Result<()> {
    let path = std::env::args().nth(1).ok_or("usage: toy_language PROGRAM")?;
    let program = std::fs::read_to_string(path)?;
    let (jit, llvm) = (Jit::host()?, IrCompiler::open()?);
    let mut names = Vec::new();
    for line in program.lines() {
        let (name, body) = line.split_once('=').ok_or("a line has the form NAME = BODY")?;
        let (name, body, llvm) = (name.trim().to_owned(), body.to_owned(), llvm.clone());
        names.push((name.clone(), format!("{name}.body")));
        let interface = UnitInterface::new([(format!("{name}.body"), SymbolFlags::FUNCTION)]);
        jit.define(FunctionUnit::new(name.clone(), interface, move |responsibility| {
            println!("compiling {name}");
            let ir = compile(&name, &body).ok_or_else(|| linkjit::Error::other(format!("{name} lacks a number")))?;
            responsibility.add_object(llvm.compile(&SourceModule::text(format!("{name}.ll"), ir))?.object)
        }))?;
    }
    // Calls go to these, which have the functions compiled.
    jit.lazy_reexports(&jit, &names)?;
    let (main, _) = names.last().ok_or("there is no function")?;
    // SAFETY: all functions of the language have this type.
    let main = unsafe { jit.lookup_fn::<unsafe extern "C" fn(i64) -> i64>(main)? };
    // SAFETY: as above.
    println!("{}", unsafe { main(5) });
    Ok(())
}
