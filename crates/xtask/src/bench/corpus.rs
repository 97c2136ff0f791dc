//! The programs that are measured, built once into target/bench-corpus.
//!
//! A part of the corpus is kept while its stamp names the recipe and the compiler that made it. Each program is also
//! linked natively, and every tool must make it print the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{many_functions, many_objects};
use crate::Result;
use crate::tools::{cargo, make_folder, output_of, read_text, write};

/// Changes when a recipe below does, and has the corpus built anew.
const RECIPE: &str = "1";
const CLANG: &str = "clang-22";
/// The crate whose source package holds the sqlite3 amalgamation.
const SQLITE_CRATE: &str = "libsqlite3-sys = { version = \"=0.30.1\", default-features = false }";
const LLVM_19: &str = "/usr/lib/llvm-19";
const SQLITE_FLAGS: [&str; 4] =
    ["-ffunction-sections", "-fdata-sections", "-DSQLITE_THREADSAFE=0", "-DSQLITE_OMIT_LOAD_EXTENSION"];

/// A program to link and run.
#[derive(Debug)]
pub(crate) struct Program {
    /// The folder in which the commands run, and which has the objects.
    pub(crate) folder: PathBuf,
    /// Objects and archives.
    pub(crate) inputs: Vec<String>,
    /// `-l` and `-L` flags.
    pub(crate) libraries: Vec<String>,
    /// Objects that only the peers need.
    pub(crate) peer_inputs: Vec<String>,
    /// The natively linked program.
    pub(crate) native: PathBuf,
    /// The text that it prints.
    pub(crate) expected: String,
}

/// The corpus's folder, with the two small programs that the measurements need.
#[derive(Debug)]
pub(crate) struct Corpus {
    root: PathBuf,
    compiler: String,
}

impl Corpus {
    /// Opens the corpus in `root`, building what every section needs.
    pub(crate) fn new(root: PathBuf) -> Result<Self> {
        let version = output_of(Command::new(CLANG).arg("--version"))?;
        let compiler = version.lines().next().unwrap_or_default().to_string();
        let corpus = Self { root, compiler };
        corpus.part("tools", |folder| {
            for (name, source) in
                [("launch", include_str!("../../bench/launch.c")), ("dlopen", include_str!("../../bench/dlopen.c"))]
            {
                write(&folder.join(format!("{name}.c")), source)?;
                output_of(cc(folder).args(["-O2", &format!("{name}.c"), "-o", name, "-ldl"]))?;
            }
            Ok(())
        })?;
        Ok(corpus)
    }

    /// Returns a file beside the small programs: `launch` and `dlopen`, which loads a shared library and calls its main,
    /// are such programs.
    pub(crate) fn tool(&self, name: &str) -> PathBuf {
        self.root.join("tools").join(name)
    }

    /// Returns the file that lld writes: in memory if there is such a place, so that it doesn't pay for a disk.
    pub(crate) fn scratch_library(&self) -> PathBuf {
        let memory = Path::new("/dev/shm");
        let name = format!("linkjit-bench-{}.so", std::process::id());
        if memory.is_dir() { memory.join(name) } else { self.tool(&name) }
    }

    /// A program that only says that it runs.
    pub(crate) fn startup(&self) -> Result<Program> {
        let folder = self.part("startup", |folder| {
            write(&folder.join("main.c"), include_str!("../../bench/startup.c"))?;
            output_of(clang(folder).args(["-O2", "-c", "main.c"]))?;
            output_of(cc(folder).args(["main.o", "-o", "native"]))?;
            record_expected(folder, "native")
        })?;
        program(&folder, "native", vec!["main.o".into()])
    }

    /// The same as LLVM IR.
    pub(crate) fn startup_ir(&self) -> Result<Program> {
        let folder = self.part("startup-ir", |folder| {
            write(&folder.join("main.c"), include_str!("../../bench/startup.c"))?;
            output_of(clang(folder).args(["-O2", "-S", "-emit-llvm", "main.c", "-o", "main.ll"]))?;
            output_of(clang(folder).args(["main.ll", "-o", "native"]))?;
            record_expected(folder, "native")
        })?;
        program(&folder, "native", vec!["main.ll".into()])
    }

    /// sqlite3 and a small program that uses it.
    pub(crate) fn e1(&self) -> Result<Program> {
        let folder = self.part("e1", |folder| {
            let source = sqlite_source(folder)?;
            write(&folder.join("main.c"), include_str!("../../bench/e1.c"))?;
            let include = format!("-I{}", source.display());
            output_of(clang(folder).args(["-O2", "-c", "main.c", &include]))?;
            output_of(clang(folder).args(["-O2", "-c"]).args(SQLITE_FLAGS).arg(source.join("sqlite3.c")))?;
            output_of(cc(folder).args(["main.o", "sqlite3.o", "-lm", "-o", "native"]))?;
            record_expected(folder, "native")
        })?;
        let program = program(&folder, "native", vec!["main.o".into(), "sqlite3.o".into()])?;
        if program.expected != "sum=507393\n" {
            return Err(format!("sqlite3, natively linked, printed {:?}", program.expected));
        }
        Ok(program)
    }

    /// A program on LLVM's static archives.
    pub(crate) fn e2(&self) -> Result<Program> {
        let folder = self.part("e2", |folder| {
            write(&folder.join("main.c"), include_str!("../../bench/e2.c"))?;
            write(&folder.join("dso_handle.c"), include_str!("../../bench/dso_handle.c"))?;
            output_of(cc(folder).args(["-O2", "-fPIC", "-c", "main.c", &format!("-I{LLVM_19}/include")]))?;
            output_of(cc(folder).args(["-O2", "-fPIC", "-c", "dso_handle.c"]))?;
            let mut link = clang(folder);
            link.args(["-fuse-ld=lld", "main.o", "-o", "native"]).args(llvm_archives()?).args(llvm_libraries()?);
            output_of(&mut link)?;
            record_expected(folder, "native")
        })?;
        let mut inputs = vec!["main.o".to_string()];
        inputs.extend(llvm_archives()?);
        let program = program(&folder, "native", inputs)?;
        let gcc = output_of(cc(&folder).arg("-print-file-name=libstdc++.so"))?;
        let gcc = Path::new(gcc.trim()).parent().ok_or("gcc names no folder of libstdc++.so")?;
        let system = output_of(cc(&folder).arg("-print-multiarch"))?;
        let mut libraries = vec![format!("-L{}", gcc.display()), format!("-L/usr/lib/{}", system.trim())];
        libraries.extend(llvm_libraries()?);
        Ok(Program { libraries, peer_inputs: vec!["dso_handle.o".into()], ..program })
    }

    /// One program for each of [`many_objects::COUNTS`].
    pub(crate) fn e3(&self) -> Result<Vec<Program>> {
        let folder = self.part("e3", |folder| {
            let mut names: Vec<String> = (0..many_objects::MAXIMUM).map(object_name).collect();
            for (i, name) in names.iter().enumerate() {
                write(&folder.join(format!("{name}.c")), many_objects::object(i))?;
            }
            for count in many_objects::COUNTS {
                write(&folder.join(format!("main{count}.c")), many_objects::main(count))?;
                names.push(format!("main{count}"));
            }
            compile_all(folder, &names)?;
            for count in many_objects::COUNTS {
                let native = format!("native{count}");
                let inputs = many_inputs(count);
                output_of(clang(folder).arg("-fuse-ld=lld").args(inputs).args(["-o", &native]))?;
                record_expected(folder, &native)?;
            }
            Ok(())
        })?;
        many_objects::COUNTS
            .map(|count| program(&folder, &format!("native{count}"), many_inputs(count)))
            .into_iter()
            .collect()
    }

    /// One program of LLVM IR for each of [`many_functions::STEPS`].
    pub(crate) fn ir(&self) -> Result<Vec<Program>> {
        let folder = self.part("ir", |folder| {
            for step in many_functions::STEPS {
                let [source, module, native] =
                    [format!("step{step}.c"), format!("step{step}.ll"), format!("native{step}")];
                write(&folder.join(&source), many_functions::program(step))?;
                output_of(clang(folder).args(["-O1", "-S", "-emit-llvm", &source, "-o", &module]))?;
                output_of(clang(folder).args([&module, "-o", &native]))?;
                record_expected(folder, &native)?;
            }
            Ok(())
        })?;
        let steps = many_functions::STEPS.into_iter();
        steps.map(|step| program(&folder, &format!("native{step}"), vec![format!("step{step}.ll")])).collect()
    }

    /// The folder of a part, made by `make` unless its stamp says that it is there already.
    fn part(&self, name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let folder = self.root.join(name);
        let stamp = folder.join("stamp");
        let wanted = format!("{RECIPE}, {}\n", self.compiler);
        if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
            return Ok(folder);
        }
        eprintln!("building {}", folder.display());
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        }
        make_folder(&folder)?;
        make(&folder)?;
        write(&stamp, &wanted)?;
        Ok(folder)
    }
}

fn program(folder: &Path, native: &str, inputs: Vec<String>) -> Result<Program> {
    Ok(Program {
        folder: folder.to_path_buf(),
        inputs,
        libraries: Vec::new(),
        peer_inputs: Vec::new(),
        native: folder.join(native),
        expected: read_text(&folder.join(format!("{native}.expected")))?,
    })
}

fn object_name(i: usize) -> String {
    format!("o{i:04}")
}

fn many_inputs(count: usize) -> Vec<String> {
    let objects = (0..count).map(|i| format!("{}.o", object_name(i)));
    std::iter::once(format!("main{count}.o")).chain(objects).collect()
}

/// Compiles NAME.c to NAME.o for all names, on all processors.
fn compile_all(folder: &Path, names: &[String]) -> Result<()> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
            output_of(clang(folder).args(["-O1", "-c", &format!("{name}.c")]))?;
        }
        Ok(())
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a compiling thread panicked")?)
    })
}

/// Fetches the sqlite3 amalgamation; returns the folder with sqlite3.c and sqlite3.h.
fn sqlite_source(folder: &Path) -> Result<PathBuf> {
    let package = folder.join("fetch");
    make_folder(&package.join("src"))?;
    write(&package.join("src/lib.rs"), "")?;
    let manifest =
        format!("[package]\nname = \"fetch\"\nedition = \"2024\"\n\n[dependencies]\n{SQLITE_CRATE}\n\n[workspace]\n");
    write(&package.join("Cargo.toml"), &manifest)?;
    output_of(cargo().current_dir(&package).args(["vendor", "--quiet"]))?;
    Ok(package.join("vendor/libsqlite3-sys/sqlite3"))
}

fn llvm_config(question: &str) -> Result<Vec<String>> {
    let mut command = Command::new(format!("{LLVM_19}/bin/llvm-config"));
    let answer = output_of(command.args(["--link-static", question, "x86", "passes", "core"]))?;
    Ok(answer.split_whitespace().map(str::to_string).collect())
}

fn llvm_archives() -> Result<Vec<String>> {
    llvm_config("--libfiles")
}

fn llvm_libraries() -> Result<Vec<String>> {
    let mut libraries = llvm_config("--system-libs")?;
    libraries.push("-lstdc++".to_string());
    Ok(libraries)
}

fn record_expected(folder: &Path, native: &str) -> Result<()> {
    let printed = output_of(&mut Command::new(folder.join(native)))?;
    write(&folder.join(format!("{native}.expected")), &printed)
}

fn clang(folder: &Path) -> Command {
    let mut command = Command::new(CLANG);
    command.current_dir(folder).arg("-fPIC");
    command
}

fn cc(folder: &Path) -> Command {
    let mut command = Command::new("gcc");
    command.current_dir(folder);
    command
}
