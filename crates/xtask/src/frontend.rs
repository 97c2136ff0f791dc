//! `cargo xtask frontend`: builds linkjit-clang-22, the front end of the REPL.
//!
//! Clang's headers take most of the time, and each file needs them; so all files are compiled as one.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::tools::{list, make_folder, output_of, read, read_text, run, workspace, write};

/// What to do about a machine that lacks something.
const INSTALL: &str =
    "linkjit-clang-22 is built with clang 22 as a library: apt install libclang-22-dev llvm-22-dev g++";

/// The folder in Cargo's target directory, in which this program is, too.
fn beside_cargos() -> Result<PathBuf> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    Ok(this.ancestors().nth(2).ok_or("no target directory")?.join("frontend"))
}

/// Builds target/frontend/linkjit-clang-22, unless its sources and LLVM are the ones it was built of.
pub(crate) fn frontend() -> Result<()> {
    let llvm = Llvm::find()?;
    let target = beside_cargos()?;
    make_folder(&target)?;
    let program = target.join("linkjit-clang-22");
    let folder = workspace().join("frontend");
    let is_file = |path: &PathBuf| path.is_file();
    let sources: Vec<_> = list(&folder)?.into_iter().filter(is_file).collect();
    let headers = list(&folder.join("microsoft"))?;
    let command = compile(&llvm, &target, &program)?;
    let (all, stamp) = (target.join("all.cpp"), target.join("stamp"));
    let state = state_of(&[sources.as_slice(), headers.as_slice()].concat(), &command)?;
    if program.exists() && read_text(&stamp).is_ok_and(|built| built == state) {
        return Ok(());
    }
    write(&all, includes_of(&sources) + &definition_of(&headers)?)?;
    eprintln!("building {}", program.display());
    let mut command = command;
    run(&mut command)?;
    write(&stamp, state)
}

/// The LLVM to link with.
struct Llvm {
    flags: Vec<String>,
    libraries: PathBuf,
    /// The name of libclang-cpp, whose development package has no link without a version.
    clang: String,
}

impl Llvm {
    fn find() -> Result<Self> {
        let ask = |what| output_of(Command::new("llvm-config-22").arg(what)).map_err(|_| INSTALL.to_string());
        let flags = ask("--cxxflags")?.split_whitespace().map(str::to_string).collect();
        let libraries = PathBuf::from(ask("--libdir")?.trim());
        let has_headers =
            Path::new(ask("--includedir")?.trim()).join("clang/Interpreter/IncrementalExecutor.h").exists();
        let names = list(&libraries)?.into_iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_string()));
        let clang = names.into_iter().find(|name| name.starts_with("libclang-cpp.so"));
        match clang {
            Some(clang) if has_headers => Ok(Self { flags, libraries, clang }),
            _ => Err(INSTALL.to_string()),
        }
    }
}

/// The command that compiles and links.
fn compile(llvm: &Llvm, target: &Path, program: &Path) -> Result<Command> {
    let is_there = |name: &&str| output_of(Command::new(name).arg("--version")).is_ok();
    let compiler = ["clang++-22", "g++"].into_iter().find(is_there).ok_or(INSTALL)?;
    let libraries = llvm.libraries.display();
    let mut command = Command::new(compiler);
    command.args(&llvm.flags).args(["-std=c++17", "-fno-rtti", "-O1", "-Wall", "-Wextra"]);
    // These come from LLVM's own headers.
    command.args(["-Wno-unused-parameter", "-Wno-deprecated-declarations", "-Wno-comment"]);
    command.arg(format!("-DLINKJIT_LLVM_LIBDIR=\"{libraries}\"")).arg("-I").arg(workspace().join("frontend"));
    command.arg(target.join("all.cpp")).arg("-o").arg(program);
    command.args([format!("-L{libraries}"), format!("-l:{}", llvm.clang), "-lLLVM-22".to_string()]);
    Ok(command)
}

/// One file that includes all others.
fn includes_of(sources: &[PathBuf]) -> String {
    let mut all = String::new();
    for source in sources.iter().filter(|source| source.extension().is_some_and(|extension| extension == "cpp")) {
        let _ = writeln!(all, "#include \"{}\"", source.file_name().unwrap_or_default().to_string_lossy());
    }
    all
}

/// The texts of the headers that are part of the program.
fn definition_of(headers: &[PathBuf]) -> Result<String> {
    let mut text = String::from("static const linkjit::OwnHeader HeaderFiles[] = {\n");
    for header in headers {
        let name = header.file_name().unwrap_or_default().to_string_lossy();
        let _ = writeln!(text, "{{\"{name}\", R\"header({})header\"}},", read_text(header)?);
    }
    text += "};\nconst llvm::ArrayRef<linkjit::OwnHeader> linkjit::OwnHeaders(HeaderFiles);\n";
    Ok(text)
}

/// A text that differs if what the program is built of differs.
fn state_of(sources: &[PathBuf], command: &Command) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for source in sources {
        source.hash(&mut hasher);
        read(source)?.hash(&mut hasher);
    }
    format!("{command:?}").hash(&mut hasher);
    output_of(Command::new("llvm-config-22").arg("--version"))?.hash(&mut hasher);
    Ok(format!("{:016x}\n", hasher.finish()))
}
