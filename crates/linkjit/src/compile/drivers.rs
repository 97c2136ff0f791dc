//! The compilers of each language, and their command lines.

use std::env::consts::ARCH;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use linkjit_executor::ObjectFormat;

use super::command::{find, find_clang, words_of};
use super::language::Language;
use super::module::SourceModule;

/// A compiler for one language and target.
#[derive(Debug)]
pub(super) struct Driver {
    /// The program and its first arguments.
    pub(super) command: Vec<OsString>,
    pub(super) language: Language,
    style: Style,
    /// The flags of the user's environment.
    flags: Vec<OsString>,
    /// The environment names the program.
    pub(super) is_chosen: bool,
}

/// The kinds of command lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Style {
    /// That of `cc`; GCC's drivers for all languages have it, and so does Clang.
    Cc,
    Nasm,
    Yasm,
    Rustc,
    Ldc,
    Zig,
    Swift,
}

/// The files of one compilation.
#[derive(Debug)]
pub(super) struct Files<'a> {
    /// The code; `None` if it comes from standard input.
    pub(super) input: Option<&'a Path>,
    /// The directory of files that the code includes, if it isn't that of the input.
    pub(super) includes: Option<&'a Path>,
    pub(super) object: &'a Path,
    pub(super) dependencies: &'a Path,
}

/// The Debian packages of compilers, by what their programs are called.
const PACKAGES: &[(&str, &str)] = &[
    ("cc1objplus", "gobjc++"),
    ("cc1obj", "gobjc"),
    ("cc1plus", "g++"),
    ("c++", "g++"),
    ("f951", "gfortran"),
    ("gfortran", "gfortran"),
    ("cc", "gcc"),
    ("clang", "clang"),
    ("nasm", "nasm"),
    ("ldc2", "ldc"),
    ("rustc", "rustc"),
    ("swiftc", "swiftlang"),
    ("w64-mingw32-gcc", "gcc-mingw-w64"),
    ("w64-mingw32-g++", "g++-mingw-w64"),
];

/// The Debian package that a program is in.
pub(super) fn package(program: &str) -> Option<&'static str> {
    let is_it = |name: &str| program == name || program.ends_with(name) && name.starts_with("w64-");
    PACKAGES.iter().find(|(name, _)| is_it(name)).map(|(_, package)| *package)
}

/// Returns the program that GCC's driver has looked for in vain, if that is what it says.
pub(super) fn missing_part(messages: &str) -> Option<&'static str> {
    let is_missing = messages.contains("cannot execute") || messages.contains("error trying to exec");
    let mut parts = PACKAGES.iter().map(|(name, _)| *name).filter(|name| name.starts_with("cc1") || *name == "f951");
    is_missing.then(|| {
        parts.find(|part| messages.contains(&format!("{part}\u{2019}")) || messages.contains(&format!("{part}'")))
    })?
}

impl Driver {
    /// The compiler for a language and a target.
    pub(super) fn new(language: Language, format: ObjectFormat, triple: Option<&str>) -> Self {
        let is_for_host = format == ObjectFormat::HOST && triple.is_none();
        let (variable, flags, style, names): (_, &[&str], _, &[&str]) = match language {
            Language::C | Language::ObjectiveC => ("CC", &["CPPFLAGS", "CFLAGS"], Style::Cc, &["cc", "gcc"]),
            Language::Cxx | Language::ObjectiveCxx => ("CXX", &["CPPFLAGS", "CXXFLAGS"], Style::Cc, &["c++", "g++"]),
            Language::PreprocessedAssembly => ("CC", &["CPPFLAGS"], Style::Cc, &["cc", "gcc"]),
            Language::Assembly => ("CC", &[], Style::Cc, &["cc", "gcc"]),
            Language::LlvmIr => ("", &[], Style::Cc, &["clang"]),
            Language::Fortran | Language::FixedFortran => ("FC", &["FFLAGS"], Style::Cc, &["gfortran", "flang"]),
            Language::Nasm => ("", &[], Style::Nasm, &["nasm", "yasm"]),
            Language::Rust => ("RUSTC", &[], Style::Rustc, &["rustc"]),
            Language::Zig => ("", &[], Style::Zig, &["zig"]),
            Language::Swift => ("", &[], Style::Swift, &["swiftc"]),
            Language::D => ("DC", &[], Style::Ldc, &["ldc2", "gdc"]),
        };
        let takes_format = !matches!(style, Style::Cc);
        let chosen = if is_for_host || takes_format { words_of(variable) } else { Vec::new() };
        let is_chosen = !chosen.is_empty();
        let command = match chosen.is_empty() {
            false => chosen,
            true if is_for_host || takes_format => installed(names, matches!(language, Language::C | Language::LlvmIr)),
            true => cross(language, format, triple),
        };
        let style = match program_name(&command).as_str() {
            name if name.contains("gdc") => Style::Cc,
            "yasm" => Style::Yasm,
            _ => style,
        };
        let flags =
            if is_for_host { flags.iter().flat_map(|variable| words_of(variable)).collect() } else { Vec::new() };
        Self { command, language, style, flags, is_chosen }
    }

    /// The name of the program.
    pub(super) fn program(&self) -> &OsStr {
        self.command.first().map_or(OsStr::new(""), |program| program)
    }

    /// Returns whether it writes a list of the files that it reads.
    pub(super) fn lists_dependencies(&self) -> bool {
        match self.style {
            Style::Cc => self.language.is_preprocessed(),
            Style::Nasm | Style::Rustc => true,
            Style::Yasm | Style::Ldc | Style::Zig | Style::Swift => false,
        }
    }

    /// The flags that are not our own.
    pub(super) fn flags_of_user<'a>(&'a self, module: &'a SourceModule) -> impl Iterator<Item = &'a OsString> {
        self.command.iter().skip(1).chain(&self.flags).chain(module.cc_flags()).chain(module.own_flags())
    }

    /// The arguments that follow the [command](Self::command).
    pub(super) fn arguments(&self, module: &SourceModule, code: &[u8], files: &Files<'_>) -> Vec<OsString> {
        let mut line = Line::default();
        match self.style {
            Style::Cc => self.cc(&mut line, module, files),
            Style::Nasm | Style::Yasm => self.nasm(&mut line, module, files),
            Style::Rustc => rustc(&mut line, module, code, files),
            Style::Ldc => ldc(&mut line, module, files),
            Style::Zig => zig(&mut line, module, files),
            Style::Swift => swift(&mut line, module, files),
        }
        line.0
    }

    fn cc(&self, line: &mut Line, module: &SourceModule, files: &Files<'_>) {
        line.add("-c").add(format!("-O{}", module.optimization().letter()));
        if module.object_format() == ObjectFormat::Elf {
            // Position-independent: then a variable of a shared library is reached wherever it is.
            line.add("-fPIC");
        }
        if module.has_sections() {
            line.add("-ffunction-sections").add("-fdata-sections");
        }
        if module.has_colors() {
            line.add("-fdiagnostics-color=always");
        }
        if self.lists_dependencies() {
            line.add("-MD").add("-MF").add(files.dependencies);
        }
        line.0.extend(self.flags.iter().chain(module.cc_flags()).filter(|flag| is_for(flag, self.language)).cloned());
        line.0.extend(module.own_flags().iter().cloned());
        if let Some(directory) = files.includes {
            line.add(if self.language.is_preprocessed() { "-iquote" } else { "-I" }).add(directory);
        }
        let is_fortran = matches!(self.language, Language::Fortran | Language::FixedFortran);
        if is_fortran && !self.flags_of_user(module).any(|flag| flag.to_string_lossy().starts_with("-J")) {
            // Otherwise it would write files for its modules to where the user happens to be.
            line.add("-J").add(files.object.parent().unwrap_or(Path::new(".")));
        }
        // The extension of a Fortran file says more: with or without a preprocessor.
        if !is_fortran || files.input.and_then(Language::from_extension) != Some(self.language) {
            line.add("-x").add(self.language.name());
        }
        line.add(files.input.unwrap_or(Path::new("-"))).add("-o").add(files.object);
    }

    fn nasm(&self, line: &mut Line, module: &SourceModule, files: &Files<'_>) {
        line.add("-f").add(if module.object_format() == ObjectFormat::Elf { "elf64" } else { "win64" });
        match self.style {
            Style::Yasm if module.has_flag("-g") => _ = line.add("-g").add("dwarf2"),
            Style::Yasm => {}
            _ => {
                line.0.extend(module.has_flag("-g").then(|| "-g".into()));
                line.add("-MD").add(files.dependencies);
            }
        }
        let directories = files.includes.map(Path::as_os_str);
        let flags = preprocessor_flags(module.cc_flags()).map(|(letter, value)| (letter, value.to_owned()));
        for (letter, mut value) in flags.chain(directories.map(|path| ('I', path.to_owned()))) {
            if letter == 'I' {
                // Old ones take it for the beginning of names.
                value.push("/");
            }
            line.joined(&format!("-{letter}"), &value);
        }
        line.0.extend(module.own_flags().iter().cloned());
        line.add("-o").add(files.object).add(files.input.unwrap_or(Path::new("-")));
    }

    /// The shared libraries that all code of the language needs. This may take a process.
    pub(super) fn libraries(&self, module: &SourceModule) -> Vec<PathBuf> {
        if self.language == Language::Rust {
            return self.rust_std(module).into_iter().collect();
        }
        if module.object_format() != ObjectFormat::HOST {
            return Vec::new();
        }
        let shared = |names: &[&str]| {
            let found = names.iter().filter_map(|name| self.file(&format!("-print-file-name={name}")));
            found.collect::<Vec<_>>()
        };
        match (self.language, self.style) {
            (Language::Fortran | Language::FixedFortran, _) => shared(&["libgfortran.so"]),
            (Language::ObjectiveC | Language::ObjectiveCxx, _) => shared(&["libobjc.so"]),
            (Language::D, Style::Cc) => shared(&["libgphobos.so", "libgdruntime.so"]),
            (Language::D, _) => {
                let cc = Self::new(Language::C, ObjectFormat::HOST, None);
                let names = ["libphobos2-ldc-shared.so", "libdruntime-ldc-shared.so"];
                names.iter().filter_map(|name| cc.file(&format!("-print-file-name={name}"))).collect()
            }
            (Language::Swift, _) => swift_libraries(self.program()),
            _ => Vec::new(),
        }
    }

    /// The shared library of Rust's `std`.
    fn rust_std(&self, module: &SourceModule) -> Option<PathBuf> {
        let flags = module.own_flags();
        // A flag for the target is one word or two.
        let place = flags.iter().position(|flag| flag.to_string_lossy().starts_with("--target"));
        let count =
            place.map_or(0, |place| if flags.get(place).is_some_and(|flag| flag == "--target") { 2 } else { 1 });
        let own = flags.iter().skip(place.unwrap_or(0)).take(count).cloned();
        let question = ["--print", "target-libdir"].map(OsString::from);
        let question: Vec<_> = question.into_iter().chain(own).chain(rust_target(module)).collect();
        let directory = self.ask(question.iter().map(|word| &**word))?;
        let entries = std::fs::read_dir(directory.trim_end()).ok()?;
        let is_std = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.starts_with("libstd-") && name.ends_with(".so") || name.starts_with("std-") && name.ends_with(".dll")
        };
        entries.filter_map(|entry| Some(entry.ok()?.path())).find(is_std)
    }

    /// Returns what it prints when it is asked. This takes a process.
    pub(super) fn ask<'a>(&self, options: impl IntoIterator<Item = &'a OsStr>) -> Option<String> {
        let (program, arguments) = self.command.split_first()?;
        let mut command = std::process::Command::new(program);
        // A library that is to serve the program, a sanitizer perhaps, is not for the compiler.
        command.env_remove("LD_PRELOAD");
        let output = command.args(arguments).args(options).stdin(std::process::Stdio::null()).output().ok()?;
        String::from_utf8(output.stdout).ok()
    }

    /// Returns a file of its own for which it is asked. This takes a process.
    pub(super) fn file(&self, option: &str) -> Option<PathBuf> {
        let path = PathBuf::from(self.ask([OsStr::new(option)])?.trim_end());
        // It prints a name that it does not know as it is.
        (path.is_absolute() && path.is_file()).then_some(path)
    }
}

/// The first of the programs that is installed, or else the first one, or a clang.
fn installed(names: &[&str], or_clang: bool) -> Vec<OsString> {
    let found = names.iter().find(|name| find(OsStr::new(name)).is_some()).map(|name| OsString::from(*name));
    let clang = || find_clang().filter(|_| or_clang).map(OsString::from);
    let program = found.or_else(clang).or_else(|| names.first().map(OsString::from));
    program.into_iter().collect()
}

/// A compiler for another system: MinGW-w64's, or else any clang.
fn cross(language: Language, format: ObjectFormat, triple: Option<&str>) -> Vec<OsString> {
    let tool = match language {
        Language::C | Language::Assembly | Language::PreprocessedAssembly | Language::ObjectiveC => "gcc",
        Language::Cxx | Language::ObjectiveCxx => "g++",
        Language::Fortran | Language::FixedFortran => "gfortran",
        _ => "",
    };
    let is_mingw = triple.map_or(format == ObjectFormat::Coff, |triple| triple.ends_with("-windows-gnu"));
    let system = match triple {
        _ if is_mingw => format!("{ARCH}-w64-mingw32"),
        Some(triple) => triple.to_owned(),
        None => format!("{ARCH}-linux-gnu"),
    };
    let gcc = OsString::from(format!("{system}-{tool}"));
    let clang = find_clang();
    let is_gccs = !tool.is_empty() && (find(&gcc).is_some() || is_mingw && clang.is_none() || tool == "gfortran");
    if is_gccs {
        return vec![gcc];
    }
    let triple = if is_mingw { format!("{ARCH}-w64-windows-gnu") } else { system };
    vec![clang.unwrap_or_else(|| "clang".into()).into(), format!("--target={triple}").into()]
}

fn program_name(command: &[OsString]) -> String {
    let name = command.first().and_then(|program| Path::new(program).file_stem());
    name.unwrap_or_default().to_string_lossy().into_owned()
}

/// A command line that is being made.
#[derive(Default)]
struct Line(Vec<OsString>);

impl Line {
    fn add(&mut self, word: impl AsRef<OsStr>) -> &mut Self {
        self.0.push(word.as_ref().to_owned());
        self
    }

    fn joined(&mut self, option: &str, value: impl AsRef<OsStr>) -> &mut Self {
        let mut word = OsString::from(option);
        word.push(value);
        self.0.push(word);
        self
    }
}

/// The flag for another target than this system, unless the user has given one.
fn rust_target(module: &SourceModule) -> Option<OsString> {
    let format = module.object_format();
    let has_target = module.own_flags().iter().any(|flag| flag.to_string_lossy().starts_with("--target"));
    let is_for_host = module.target_triple().is_none() && format == ObjectFormat::HOST;
    let system = if format == ObjectFormat::Elf { "unknown-linux-gnu" } else { "pc-windows-gnu" };
    let triple = module.target_triple().map_or_else(|| format!("{ARCH}-{system}"), str::to_owned);
    (!has_target && !is_for_host).then(|| format!("--target={triple}").into())
}

fn rustc(line: &mut Line, module: &SourceModule, code: &[u8], files: &Files<'_>) {
    let has = |name: &str| module.own_flags().iter().any(|flag| flag.to_string_lossy().starts_with(name));
    if !has("--edition") {
        line.add("--edition=2021");
    }
    if !has("--crate-type") {
        let is_program = code.windows(8).any(|text| text == b"fn main(");
        line.add(if is_program { "--crate-type=bin" } else { "--crate-type=lib" });
    }
    if !has("--crate-name") {
        let stem = module.name().file_stem().unwrap_or_default().to_string_lossy();
        let name: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        line.add(format!("--crate-name=_{name}"));
    }
    line.0.extend(rust_target(module));
    if module.has_flag("-g") {
        line.add("-g");
    }
    if module.has_colors() {
        line.add("--color=always");
    }
    // One object, and std in the shared library, which has all that is made when a program is linked.
    line.add("-Ccodegen-units=1")
        .add("-Cprefer-dynamic")
        .add(format!("-Copt-level={}", module.optimization().letter()));
    line.0.extend(module.own_flags().iter().cloned());
    line.joined("--emit=obj=", files.object).joined("--emit=dep-info=", files.dependencies);
    line.add(files.input.unwrap_or(Path::new("-")));
}

fn ldc(line: &mut Line, module: &SourceModule, files: &Files<'_>) {
    line.add("-c").add(format!("-O{}", module.optimization().letter()));
    if module.object_format() == ObjectFormat::Elf {
        line.add("--relocation-model=pic");
    }
    if module.object_format() != ObjectFormat::HOST {
        let triple = module.target_triple().map_or_else(|| format!("{ARCH}-w64-windows-gnu"), str::to_owned);
        line.add(format!("--mtriple={triple}"));
    }
    if module.has_flag("-g") {
        line.add("-g");
    }
    if module.has_sections() {
        line.add("--function-sections").add("--data-sections");
    }
    let includes = files.includes.map(Path::as_os_str).into_iter();
    for directory in preprocessor_flags(module.cc_flags())
        .filter(|(letter, _)| *letter == 'I')
        .map(|(_, value)| value)
        .chain(includes)
    {
        line.joined("-I", directory);
    }
    line.0.extend(module.own_flags().iter().cloned());
    line.joined("--of=", files.object).add(files.input.unwrap_or(Path::new("-")));
}

fn zig(line: &mut Line, module: &SourceModule, files: &Files<'_>) {
    let level = match module.optimization().letter() {
        '0' => "Debug",
        's' | 'z' => "ReleaseSmall",
        _ => "ReleaseFast",
    };
    line.add("build-obj").add(format!("-O{level}")).add("-fPIC").add("-lc");
    if module.object_format() != ObjectFormat::HOST {
        line.add("-target").add(format!("{ARCH}-windows-gnu"));
    }
    line.0.extend(module.own_flags().iter().cloned());
    line.joined("-femit-bin=", files.object).add(files.input.unwrap_or(Path::new("-")));
}

fn swift(line: &mut Line, module: &SourceModule, files: &Files<'_>) {
    line.add("-emit-object").add("-module-name").add("main");
    line.add(if module.optimization().letter() == '0' { "-Onone" } else { "-O" });
    if module.has_flag("-g") {
        line.add("-g");
    }
    line.0.extend(module.own_flags().iter().cloned());
    line.add(files.input.unwrap_or(Path::new("-"))).add("-o").add(files.object);
}

/// The libraries of Swift, which are beside its compiler.
fn swift_libraries(program: &OsStr) -> Vec<PathBuf> {
    let program = find(program).and_then(|path| path.canonicalize().ok()).unwrap_or_default();
    let directory = program.parent().and_then(Path::parent).unwrap_or(Path::new("")).join("lib/swift/linux");
    let names = ["libswiftCore.so", "libswift_Concurrency.so", "libswift_StringProcessing.so", "libswiftGlibc.so"];
    names.iter().map(|name| directory.join(name)).filter(|path| path.is_file()).collect()
}

/// Returns whether a flag has a meaning for a language: there are standards for each.
fn is_for(flag: &OsStr, language: Language) -> bool {
    let flag = flag.to_string_lossy();
    let Some(standard) = flag.strip_prefix("-std=").or_else(|| flag.strip_prefix("--std=")) else { return true };
    let is_cxx = standard.contains("++");
    match language {
        Language::Cxx | Language::ObjectiveCxx => is_cxx,
        Language::Fortran | Language::FixedFortran => {
            standard.starts_with('f') || ["gnu", "legacy"].contains(&standard)
        }
        _ => !is_cxx && !standard.starts_with('f') && !["gnu", "legacy"].contains(&standard),
    }
}

/// The flags `-D`, `-I` and `-U`, each with its value.
fn preprocessor_flags(flags: &[OsString]) -> impl Iterator<Item = (char, &OsStr)> {
    let mut flags = flags.iter();
    std::iter::from_fn(move || {
        loop {
            let (option, value) = flags.next()?.to_str().unwrap_or_default().split_at_checked(2).unwrap_or_default();
            let letter = option.chars().last().filter(|letter| option.starts_with('-') && "DIU".contains(*letter));
            if let Some(letter) = letter {
                let value = if value.is_empty() { flags.next()?.as_os_str() } else { OsStr::new(value) };
                return Some((letter, value));
            }
        }
    })
}
