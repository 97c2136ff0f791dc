//! The compilers of the system.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::SystemTime;

use linkjit_executor::ObjectFormat;
use linkjit_host::temporary::PrivateDirectory;
use linkjit_link::source::Source;

use super::command::{find, not_an_option};
use super::drivers::{Driver, Files, missing_part, package};
use super::fields::Writer;
use super::language::Language;
use super::module::{Code, SourceModule};
use super::{CompiledModule, Compiler, dependencies};
use crate::error::{Error, Result};

/// Runs the compiler that is installed for a module's language: `cc` for C and assembly, `c++` for C++, `gfortran`,
/// `rustc` and others. For Windows on another system it runs MinGW-w64's compilers, or else any `clang`.
///
/// The environment's `CC`, `CXX`, `FC`, `DC` and `RUSTC` name other compilers, and may hold arguments, too. The flags of
/// `CPPFLAGS`, `CFLAGS`, `CXXFLAGS` and `FFLAGS` come before the module's. All these are for modules of this system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemCompiler;

impl SystemCompiler {
    /// Returns what the driver of the C compiler for a format prints when it is asked with an option
    /// (`-print-search-dirs`). This takes a process.
    #[must_use]
    pub fn ask(format: ObjectFormat, option: &str) -> Option<String> {
        Driver::new(Language::C, format, None).ask([OsStr::new(option)])
    }

    /// Returns a file of that compiler's own, such as libgcc.a, for which it is asked with an option
    /// (`-print-file-name=libgcc.a`). This takes a process.
    #[must_use]
    pub fn file(format: ObjectFormat, option: &str) -> Option<PathBuf> {
        Driver::new(Language::C, format, None).file(option)
    }

    /// Returns the error about a missing compiler, unless it is there or the environment names another.
    fn check(module: &SourceModule, driver: &Driver) -> Result<()> {
        if driver.is_chosen || find(driver.program()).is_some() {
            return Ok(());
        }
        let compiler = driver.program().to_string_lossy().into_owned();
        Err(missing(module, driver.language, compiler))
    }
}

impl Compiler for SystemCompiler {
    fn compile(&self, module: &SourceModule) -> Result<CompiledModule> {
        let name = module.name();
        let unknown =
            || Error::unsupported(format!("{}: linkjit knows no compiler for this kind of file", name.display()));
        let language = module.known_language().ok_or_else(unknown)?;
        if let Code::File(path) = module.code() {
            // The compiler says it, too, in many words.
            fs::metadata(path).map_err(|error| Error::file(path, &error))?;
        }
        let driver = Driver::new(language, module.object_format(), module.target_triple());
        Self::check(module, &driver)?;
        let directory = PrivateDirectory::new().map_err(|error| Error::file(&std::env::temp_dir(), &error))?;
        let run = Run::new(module, &driver, &directory)?;
        let messages = run.compile(module, &driver)?;
        let bytes = fs::read(&run.object).map_err(|error| Error::file(&run.object, &error))?;
        Ok(CompiledModule {
            object: Source::new(name.to_string_lossy(), bytes),
            warnings: messages,
            libraries: driver.libraries(module),
            dependencies: run.dependencies(&driver),
        })
    }

    fn identity(&self, module: &SourceModule) -> Option<Vec<u8>> {
        let driver = Driver::new(module.known_language()?, module.object_format(), module.target_triple());
        identity(module, &driver)
    }
}

/// The variables that compilers heed, beside those that name compilers and flags.
const VARIABLES: &[&str] = &[
    "CPATH",
    "C_INCLUDE_PATH",
    "CPLUS_INCLUDE_PATH",
    "OBJC_INCLUDE_PATH",
    "GCC_EXEC_PREFIX",
    "COMPILER_PATH",
    "SOURCE_DATE_EPOCH",
    "SDKROOT",
    "GCC_COLORS",
    "LANG",
    "LC_ALL",
    "LC_MESSAGES",
    "CCC_OVERRIDE_OPTIONS",
    "NASMENV",
    "RUSTC_BOOTSTRAP",
    "RUSTUP_TOOLCHAIN",
];

/// Beginnings of flags that name files which no list of dependencies has, or have compilers write further files.
const UNCACHED: &[&str] = &[
    "@",
    "-B",
    "-M",
    "-Wp,",
    "-fplugin",
    "-fpass-plugin",
    "-specs",
    "--specs",
    "--config",
    "-fprofile",
    "-fauto-profile",
    "-fmodule",
    "-ftest-coverage",
    "--coverage",
    "-save-temps",
    "--save-temps",
    "-fdump",
    "-gsplit-dwarf",
    "-Cprofile",
    "-Clink",
    "-Zprofile",
    "--extern",
    "-L",
];

/// See [`Compiler::identity`].
fn identity(module: &SourceModule, driver: &Driver) -> Option<Vec<u8>> {
    let [input, object, dependencies] = ["input", "object", "dependencies"].map(Path::new);
    let files = Files { input: Some(input), includes: None, object, dependencies };
    let arguments = driver.arguments(module, &[], &files);
    let is_uncached = |word: &OsString| UNCACHED.iter().any(|beginning| word.to_string_lossy().starts_with(beginning));
    if !driver.lists_dependencies() || driver.flags_of_user(module).any(is_uncached) {
        return None;
    }
    let mut writer = Writer::default();
    writer.bytes(env!("CARGO_PKG_VERSION").as_bytes());
    for word in driver.command.iter().chain(&arguments) {
        writer.bytes(word.as_encoded_bytes());
    }
    // The first is the compiler, or a command that runs the compiler of a further word.
    find(driver.program())?;
    for program in driver.command.iter().filter_map(|word| find(word)) {
        let metadata = fs::metadata(&program).ok()?;
        writer.path(&fs::canonicalize(&program).unwrap_or(program));
        let time = metadata.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        writer.bytes(&metadata.len().to_le_bytes());
        writer.bytes(&time.as_nanos().to_le_bytes());
    }
    if driver.language == Language::Rust {
        // `rustc` may be rustup's, which runs the one of some toolchain.
        writer.bytes(driver.ask([OsStr::new("-vV")])?.as_bytes());
    }
    if driver.flags_of_user(module).any(|word| word.to_string_lossy().ends_with("native")) {
        // Other machines may use the same directory.
        writer.bytes(&processor()?);
    }
    for variable in VARIABLES {
        let value = std::env::var_os(variable);
        writer.bytes(value.as_deref().unwrap_or_default().as_encoded_bytes());
        writer.number(usize::from(value.is_some()));
    }
    Some(writer.finish())
}

/// The processor that `-march=native` stands for. `None` if the system doesn't say it in a file.
fn processor() -> Option<Vec<u8>> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let names = ["vendor_id", "cpu family", "model", "stepping", "flags"];
    let of_interest = |line: &&str| names.iter().any(|name| line.starts_with(name));
    // The lines of the first processor.
    let lines: Vec<_> = text.lines().take_while(|line| !line.is_empty()).filter(of_interest).collect();
    (!lines.is_empty()).then(|| lines.join("\n").into_bytes())
}

fn missing(module: &SourceModule, language: Language, compiler: String) -> Error {
    let package = package(&compiler);
    Error::NoCompiler { file: module.name().into(), language, compiler, package }
}

/// The files of one run of a compiler.
struct Run<'a> {
    code: Cow<'a, [u8]>,
    /// The file that it reads.
    input: PathBuf,
    /// The input is a copy of the module's text.
    is_copy: bool,
    /// The input is its standard input: then messages don't name the copy.
    is_piped: bool,
    /// The directory that the module's name leads to, for a copy.
    includes: Option<&'a Path>,
    object: PathBuf,
    dependencies: PathBuf,
}

impl<'a> Run<'a> {
    fn new(module: &'a SourceModule, driver: &Driver, directory: &PrivateDirectory) -> Result<Self> {
        let code = module.read()?;
        let is_copy = match module.code() {
            Code::Text { .. } => true,
            // Rust knows such lines. A pipe was read, and has nothing for the compiler any more.
            Code::File(path) => !path.is_file() || driver.language != Language::Rust && module.is_script(),
        };
        let is_piped = is_copy && (driver.language.is_preprocessed() || driver.language == Language::Assembly);
        let name = module.name();
        let input = match is_copy {
            true => copy(name, driver.language, &code, directory)?,
            false => not_an_option(name),
        };
        let includes = name.parent().filter(|parent| is_copy && !parent.as_os_str().is_empty());
        let (object, dependencies) = (directory.file(), directory.second_file());
        Ok(Self { code, input, is_copy, is_piped, includes, object, dependencies })
    }

    /// Runs the compiler; returns what it says.
    fn compile(&self, module: &SourceModule, driver: &Driver) -> Result<String> {
        let input = (!self.is_piped).then_some(&*self.input);
        let here = (self.is_copy && !self.is_piped && self.includes.is_none()).then_some(Path::new("."));
        let files =
            Files { input, includes: self.includes.or(here), object: &self.object, dependencies: &self.dependencies };
        let mut command = Command::new(driver.program());
        // A library that is to serve the program, a sanitizer perhaps, is not for the compiler.
        command.env_remove("LD_PRELOAD");
        command.args(driver.command.iter().skip(1)).args(driver.arguments(module, &self.code, &files));
        if self.is_piped {
            let input = fs::File::open(&self.input).map_err(|error| Error::file(&self.input, &error))?;
            command.stdin(Stdio::from(input));
        }
        let failure = |output: String| Error::Compile {
            file: module.name().into(),
            command: driver.program().to_string_lossy().into_owned(),
            output,
        };
        let Output { status, stdout, stderr } =
            command.output().map_err(|error| failure(format!("can't be started: {error}")))?;
        let mut messages = String::from_utf8_lossy(&stderr).into_owned();
        messages.push_str(&String::from_utf8_lossy(&stdout));
        if self.is_copy {
            messages = messages.replace(&*self.input.to_string_lossy(), &module.name().to_string_lossy());
        }
        match missing_part(&messages) {
            _ if status.success() => Ok(messages),
            Some(part) => Err(missing(module, driver.language, part.to_owned())),
            None => Err(failure(messages)),
        }
    }

    /// The files that the compiler has read, if it has said so.
    fn dependencies(&self, driver: &Driver) -> Option<Vec<PathBuf>> {
        if !driver.lists_dependencies() {
            return None;
        }
        let list = fs::read(&self.dependencies).ok()?;
        let mut files = dependencies::parse(&String::from_utf8_lossy(&list))?;
        files.retain(|file| *file != self.input && file != Path::new("-"));
        Some(files)
    }
}

/// Puts code into a file of its own, for compilers that read no other.
fn copy(name: &Path, language: Language, code: &[u8], directory: &PrivateDirectory) -> Result<PathBuf> {
    let folder = directory.path().join("source");
    let file = name.file_name().unwrap_or(OsStr::new("module"));
    let mut path = folder.join(file);
    if Language::from_extension(&path) != Some(language) {
        path.add_extension(language.extension());
    }
    let quoted = name.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"");
    let first = match language {
        _ if language.is_preprocessed() => format!("#line 1 \"{quoted}\"\n"),
        Language::Assembly => format!("# 1 \"{quoted}\"\n"),
        _ => String::new(),
    };
    let written = fs::create_dir(&folder).and_then(|()| fs::write(&path, [first.as_bytes(), code].concat()));
    written.map_err(|error| Error::file(&path, &error))?;
    Ok(path)
}
