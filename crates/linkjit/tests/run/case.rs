//! Test cases: source files and their directives.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// A test case.
#[derive(Debug, Default)]
pub(crate) struct Case {
    /// File name of the first file.
    pub(crate) name: String,
    /// The first file and its companions, in link order.
    pub(crate) files: Vec<SourceFile>,
}

/// A source file.
#[derive(Debug)]
pub(crate) struct SourceFile {
    pub(crate) path: PathBuf,
    /// Directives by key, in the order of the file.
    directives: Vec<(String, String)>,
}

/// A way to compile a case.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    pub(crate) compiler: String,
    pub(crate) flags: String,
    /// Objects are made of LLVM IR, which stays beside them.
    pub(crate) ir: bool,
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.compiler, self.flags, if self.ir { " by IR" } else { "" })
    }
}

/// Every key that means something.
const KEYS: &[&str] = &[
    "flags",
    "compilers",
    "run-args",
    "libs",
    "archives",
    "shared",
    "shared-flags",
    "archive",
    "policy",
    "link-flags",
    "expect",
    "exit",
    "native",
    "error",
    "crate",
    "wheel",
    "dlls",
    "options",
];

impl SourceFile {
    fn read(path: PathBuf) -> Self {
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let directive = |line: &str| {
            let line = ["// ", "# ", "! "].iter().find_map(|comment| line.strip_prefix(comment))?;
            let (key, value) = line.split_once(':')?;
            let known = KEYS.contains(&key.split('[').next().unwrap_or(key));
            known.then(|| (key.to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned()))
        };
        let directives = text.lines().filter_map(directive).collect();
        Self { path, directives }
    }

    /// The file's name without directories.
    pub(crate) fn file_name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// What follows the last dot.
    pub(crate) fn extension(&self) -> &str {
        self.path.extension().and_then(|extension| extension.to_str()).unwrap_or_default()
    }

    /// The values of a key.
    pub(crate) fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.directives.iter().filter(move |(of, _)| of == key).map(|(_, value)| value.as_str())
    }
}

impl Case {
    /// All cases of a directory.
    pub(crate) fn all(directory: &Path) -> Vec<Self> {
        let entries = std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        // Headers are included by others.
        paths.retain(|path| path.extension().is_none_or(|extension| extension != "h"));
        paths.sort();
        let mut cases: BTreeMap<String, Self> = BTreeMap::new();
        // Companions, which have a number, come behind the file they belong to.
        paths.sort_by_key(|path| path.file_name().is_some_and(|name| name.to_string_lossy().matches('.').count() > 1));
        for path in paths {
            let file = SourceFile::read(path);
            let stem = file.file_name().split('.').next().unwrap_or_default().to_owned();
            let case = cases.entry(stem).or_default();
            if case.files.is_empty() {
                case.name = file.file_name().to_owned();
            }
            case.files.push(file);
        }
        cases.into_values().collect()
    }

    /// The values of a directive of the first file.
    pub(crate) fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.files.first().into_iter().flat_map(move |file| file.values(key))
    }

    /// The words of a directive of the first file.
    pub(crate) fn words<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.values(key).flat_map(str::split_whitespace)
    }

    /// Every compiler with every line of flags.
    pub(crate) fn variants(&self) -> Vec<Variant> {
        let mut compilers: Vec<&str> = self.words("compilers").collect();
        if compilers.is_empty() {
            let rust = self.files.first().is_some_and(|file| file.extension() == "rs");
            compilers = if rust { vec!["rustc"] } else { vec!["gcc", "clang-19"] };
        }
        let mut variants = Vec::new();
        for compiler in compilers {
            let own = format!("flags[{compiler}]");
            let mut flags: Vec<&str> = self.values("flags").chain(self.values(&own)).collect();
            if flags.is_empty() {
                flags.push(if compiler == "rustc" { "-O" } else { "-O2" });
            }
            variants.extend(flags.into_iter().map(|flags| Variant {
                compiler: compiler.into(),
                flags: flags.into(),
                ir: false,
            }));
        }
        variants
    }
}
