//! The C runtime of Windows: where it comes from, and what its default libraries mean when objects ask for them.
//!
//! Objects of Microsoft's compiler say whether they are for the runtime's DLLs (`/MD`: `/defaultlib:msvcrt`) or for a
//! static runtime (`/MT`: `/defaultlib:libcmt`). The built-in runtime serves both. Installed libraries do not: with
//! both, a program would have two heaps and two sets of streams.

use std::env::consts::ARCH;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use linkjit_executor::ObjectFormat;

use crate::compile::SystemCompiler;
use crate::error::{Error, Result};

/// The names of the libraries of Microsoft's runtime, those for debugging without their `d`.
const RUNTIME_LIBRARIES: [&str; 9] =
    ["libcmt", "msvcrt", "libcpmt", "msvcprt", "libvcruntime", "vcruntime", "libucrt", "ucrt", "oldnames"];

/// The libraries that GNU's compilers link every program with, in the order of the search; `stdc++` only if it is C++, which makes no
/// difference to a search on demand.
const MINGW_LIBRARIES: [&str; 12] = [
    "stdc++.lib",
    "mingw32.lib",
    "gcc.lib",
    "gcc_eh.lib",
    "moldname.lib",
    "mingwex.lib",
    "msvcrt.lib",
    "pthread.lib",
    "advapi32.lib",
    "shell32.lib",
    "user32.lib",
    "kernel32.lib",
];

/// The key of `/failifmismatch` under which objects say which runtime they are for.
pub(crate) const RUNTIME_KEY: &str = "RuntimeLibrary";

/// Directory names for the architecture: of xwin, and of Microsoft.
const ARCHITECTURES: [&str; 2] = [ARCH, "x64"];

/// The source of the C runtime that objects for Windows are linked with.
///
/// The built-in one (the default) needs nothing installed: whatever runtime objects ask for, they get the runtime's
/// DLLs, and linkjit itself has what is in none of them. The others link the libraries that objects ask for
/// (`/defaultlib`), static ones or import libraries, out of an installation, and call the runtime's own start-up. What
/// an installation lacks is the built-in runtime's.
///
/// ```no_run
/// # use linkjit::{CrtProvider, Jit};
/// let jit = Jit::builder().crt(CrtProvider::xwin("/opt/xwin")?).build()?;
/// # Ok::<(), linkjit::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct CrtProvider {
    kind: Kind,
    directories: Vec<PathBuf>,
    headers: Vec<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Kind {
    #[default]
    BuiltIn,
    Microsoft,
    MinGw,
}

impl CrtProvider {
    /// linkjit's own.
    #[must_use]
    pub fn built_in() -> Self {
        Self::default()
    }

    /// That of the Visual Studio and the Windows SDK of a developer's command prompt, or else of the newest ones that
    /// are installed.
    ///
    /// # Errors
    /// If there is none: always, if linkjit does not run on Windows.
    pub fn visual_studio() -> Result<Self> {
        let directories = visual_studio_directories();
        if directories.is_empty() {
            return Err(Error::unsupported("Visual Studio's C runtime is not installed on this system"));
        }
        Ok(Self { kind: Kind::Microsoft, directories, headers: Vec::new() })
    }

    /// That of a directory that `xwin splat` has made: `crt/lib/x86_64`, `sdk/lib/um/x86_64` and `sdk/lib/ucrt/x86_64`,
    /// also with Microsoft's names (`x64`, capitals, versions).
    ///
    /// # Errors
    /// If one of these is missing.
    pub fn xwin(directory: impl AsRef<Path>) -> Result<Self> {
        let root = directory.as_ref();
        let find = |path: [&str; 2], part: Option<&str>| {
            let libraries = path.iter().try_fold(root.to_path_buf(), |directory, name| child(&directory, name));
            let found = libraries.and_then(|libraries| {
                let versions = versions(&libraries);
                let mut candidates = std::iter::once(libraries).chain(versions);
                candidates.find_map(|directory| {
                    let directory = part.map_or(Some(directory.clone()), |part| child(&directory, part))?;
                    ARCHITECTURES.iter().find_map(|name| child(&directory, name))
                })
            });
            found.ok_or_else(|| {
                let wanted = path.into_iter().chain(part).chain([ARCH]).collect::<Vec<_>>().join("/");
                missing(root, &format!("there is no directory {wanted}, which `xwin splat` would make"))
            })
        };
        let directories =
            vec![find(["crt", "lib"], None)?, find(["sdk", "lib"], Some("um"))?, find(["sdk", "lib"], Some("ucrt"))?];
        Ok(Self { kind: Kind::Microsoft, directories, headers: xwin_headers(root) })
    }

    /// That of MinGW-w64: a directory with `lib/libmingw32.a`, such as `/usr/x86_64-w64-mingw32`, and GCC's libraries
    /// in or beside it. Objects of GNU's compilers ask for no libraries, so all get those that the compiler's driver
    /// would link.
    ///
    /// # Errors
    /// If it is not there.
    pub fn mingw(directory: impl AsRef<Path>) -> Result<Self> {
        let target = format!("{ARCH}-w64-mingw32");
        let root = directory.as_ref();
        let candidates = [root.join("lib"), root.join(&target).join("lib"), root.into()];
        let system = candidates.into_iter().find(|directory| directory.join("libmingw32.a").is_file());
        let system = system.ok_or_else(|| missing(root, "there is no lib/libmingw32.a, which MinGW-w64 has"))?;
        let beside = root.parent().into_iter().flat_map(|parent| [parent.join("lib/gcc"), parent.join("gcc")]);
        let gcc = [root.join("lib/gcc"), system.join("gcc")].into_iter().chain(beside);
        let gcc = gcc.flat_map(|directory| versions(&directory.join(&target)));
        let gcc = gcc.into_iter().find(|directory| directory.join("libgcc.a").is_file());
        Ok(Self { kind: Kind::MinGw, directories: gcc.into_iter().chain([system]).collect(), headers: Vec::new() })
    }

    /// That of the MinGW-w64 whose compiler is installed; linkjit's own if none is.
    ///
    /// # Errors
    /// If the compiler has a C runtime that is not whole.
    pub fn of_mingw_compiler() -> Result<Self> {
        let library = SystemCompiler::file(ObjectFormat::Coff, "-print-file-name=libmingw32.a");
        let library = library.and_then(|path| path.canonicalize().ok());
        let directory = library.as_deref().and_then(|path| path.parent()?.parent());
        directory.map_or_else(|| Ok(Self::built_in()), Self::mingw)
    }

    /// Says whether all that the runtime needs is Microsoft's: its static pieces, and its start-up.
    pub(crate) fn is_from_microsoft(&self) -> bool {
        self.kind == Kind::Microsoft
    }

    /// The libraries that each program is linked with, though its objects do not say so.
    pub(crate) fn implied_libraries(&self) -> &'static [&'static str] {
        if self.kind == Kind::MinGw { &MINGW_LIBRARIES } else { &[] }
    }

    /// Says whether a default library is the one that has the runtime's start-up.
    pub(crate) fn has_startup(&self, library: &str) -> bool {
        match self.kind {
            Kind::BuiltIn => false,
            Kind::Microsoft => matches!(library, "libcmt.lib" | "libcmtd.lib" | "msvcrt.lib" | "msvcrtd.lib"),
            Kind::MinGw => library == "mingw32.lib",
        }
    }

    /// Says whether objects must agree on what they say of a key. To a runtime that serves all it does not matter which one
    /// they are for.
    pub(crate) fn must_agree(&self, key: &str) -> bool {
        key != RUNTIME_KEY || self.is_from_microsoft()
    }

    fn implies(&self, library: &str) -> bool {
        self.implied_libraries().contains(&library)
    }

    /// Says what a default library is to it.
    pub(crate) fn meaning(&self, library: &str) -> Meaning {
        match (self.kind, is_runtime(library)) {
            (Kind::BuiltIn, true) => Meaning::Nothing,
            (Kind::Microsoft, true) => Meaning::Runtime,
            // It has no static runtime, nor what is called `oldnames` in Microsoft's; and not all of its versions have all
            // that it implies.
            (Kind::MinGw, is_runtime) if is_runtime || self.implies(library) => match self.find(library) {
                Some(_) => Meaning::Library,
                None => Meaning::Nothing,
            },
            _ => Meaning::Library,
        }
    }

    /// The file of a library, given with its extension (`kernel32.lib`).
    pub(crate) fn find(&self, library: &str) -> Option<PathBuf> {
        let stem = library.strip_suffix(".lib").unwrap_or(library);
        let names = match self.kind {
            Kind::BuiltIn => return None,
            Kind::Microsoft => vec![library.to_owned()],
            Kind::MinGw => vec![library.to_owned(), format!("lib{stem}.a"), format!("lib{stem}.dll.a")],
        };
        let in_directory = |directory: &PathBuf| names.iter().find_map(|name| child(directory, name));
        self.directories.iter().find_map(in_directory).filter(|path| path.is_file())
    }

    /// The directories of its libraries.
    #[must_use]
    pub fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// The directories of its headers, in the order of the search, if it is a directory of xwin's: Microsoft's C++ library, C's,
    /// and those of Windows. A compiler for Microsoft's ABI searches them after its own.
    #[must_use]
    pub fn header_directories(&self) -> &[PathBuf] {
        &self.headers
    }

    /// The directories of its DLLs: MinGW has them beside the libraries, or as programs.
    pub(crate) fn dll_directories(&self) -> Vec<PathBuf> {
        let beside = self.directories.iter().filter_map(|directory| Some(directory.parent()?.join("bin")));
        if self.kind == Kind::MinGw { self.directories.iter().cloned().chain(beside).collect() } else { Vec::new() }
    }
}

/// The meaning of a default library that an object asks for to a [`CrtProvider`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Meaning {
    /// It is there in any case.
    Nothing,
    /// It is searched like others, and not missed unless names are.
    Library,
    /// A part of the runtime, which has to be there.
    Runtime,
}

/// Says whether a default library is the runtime's, maybe that for debugging (`libcmtd.lib`).
fn is_runtime(library: &str) -> bool {
    let name = library.strip_suffix(".lib").unwrap_or(library);
    RUNTIME_LIBRARIES.iter().any(|known| name == *known || name.strip_suffix('d') == Some(*known)) || name == "uuid"
}

/// The option of Microsoft's compiler that makes objects ask for a library, if it is one that says which runtime they
/// use. That there are more, say the import library of `ucrtbase.dll` for a static runtime, is a choice of its own.
pub(crate) fn flavour(library: &str) -> Option<&'static str> {
    Some(match library.strip_suffix(".lib").unwrap_or(library) {
        "libcmt" | "libcpmt" => "/MT",
        "libcmtd" | "libcpmtd" => "/MTd",
        "msvcrt" | "msvcprt" => "/MD",
        "msvcrtd" | "msvcprtd" => "/MDd",
        _ => return None,
    })
}

/// See [`CrtProvider::header_directories`].
fn xwin_headers(root: &Path) -> Vec<PathBuf> {
    let include = |part: &str| child(&child(root, part)?, "include");
    let of_sdk = |part: &str| {
        let include = include("sdk")?;
        child(&include, part).or_else(|| versions(&include).iter().find_map(|version| child(version, part)))
    };
    include("crt").into_iter().chain(["ucrt", "um", "shared", "winrt"].into_iter().filter_map(of_sdk)).collect()
}

fn missing(path: &Path, message: &str) -> Error {
    Error::File { path: path.into(), message: message.into() }
}

/// Finds what a directory has of that name, in whatever letters: Windows makes no difference between them.
fn child(directory: &Path, name: &str) -> Option<PathBuf> {
    let exact = directory.join(name);
    if exact.exists() {
        return Some(exact);
    }
    let mut entries = std::fs::read_dir(directory).ok()?.filter_map(|entry| Some(entry.ok()?.file_name()));
    entries.find(|entry| entry.eq_ignore_ascii_case(name)).map(|entry| directory.join(entry))
}

/// Returns the directories in which the tools of Microsoft look for libraries: a developer's command prompt names them.
#[must_use]
pub fn developers_directories(format: ObjectFormat) -> Vec<PathBuf> {
    let directories = std::env::var_os("LIB").filter(|_| format == ObjectFormat::Coff).unwrap_or_default();
    std::env::split_paths(&directories).filter(|directory| !directory.as_os_str().is_empty()).collect()
}

/// The directories in a directory whose names begin with a number, such as `10.0.22621.0` and `12-posix`; the newest
/// first, and those for POSIX's threads, which C++'s are made of, before others of their version.
fn versions(directory: &Path) -> Vec<PathBuf> {
    let numbers = |name: &OsStr| {
        let name = name.to_str()?;
        let version: Vec<u64> = name.split(['.', '-']).map_while(|part| part.parse().ok()).collect();
        (!version.is_empty()).then(|| (version, !name.ends_with("-win32")))
    };
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| Some((numbers(&entry.file_name())?, entry.path())))
        .filter(|(_, path)| path.is_dir())
        .collect();
    found.sort_unstable();
    found.into_iter().rev().map(|(_, path)| path).collect()
}

#[cfg(windows)]
fn visual_studio_directories() -> Vec<PathBuf> {
    let tool = find_msvc_tools::find_tool(&format!("{ARCH}-pc-windows-msvc"), "link.exe");
    let tools = tool.iter().flat_map(find_msvc_tools::Tool::env).find(|(name, _)| name == "LIB");
    // In a developer's command prompt the environment says it all.
    let directories =
        tools.map(|(_, value)| value.clone()).or_else(|| std::env::var_os("LIB").filter(|_| tool.is_some()));
    directories.iter().flat_map(std::env::split_paths).collect()
}

#[cfg(not(windows))]
fn visual_studio_directories() -> Vec<PathBuf> {
    Vec::new()
}
