//! The cache of precompiled headers: headers that sessions include first are parsed once, and not in each session.
//!
//! The front end makes files of them in the background (`--precompile`), for later sessions. A file is named by all that decides about
//! its content except for the headers' own text: it is used while no header has changed since it was made.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use linkjit::{CacheKey, ObjectCache};

/// The environment's cache: a directory, or "off".
const VARIABLE: &str = "LINKJIT_CACHE";
/// The files in the directory are no more. Each takes 5 to 50 MB.
const MOST: usize = 16;
/// Headers that are parsed faster are not worth a file.
const WORTH: Duration = Duration::from_millis(100);

/// The directory of the user's cache, if there is one and it is not switched off.
#[must_use]
pub fn cache_directory() -> Option<PathBuf> {
    match std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        Some(value) if value == "off" => None,
        Some(directory) => Some(directory.into()),
        None => ObjectCache::default_directory(),
    }
}

/// The headers that a session has included before anything else.
#[derive(Clone, Debug, Default)]
pub(crate) struct Headers {
    /// `None` if nothing is kept.
    directory: Option<PathBuf>,
    /// Has objects of what depends on no headers; `None` if options name some.
    objects: Option<ObjectCache>,
    /// All that decides about the files but the headers.
    compiler: Vec<Vec<u8>>,
    /// The directives so far.
    directives: String,
    /// There was nothing else.
    is_open: bool,
}

impl Headers {
    /// Headers for a front end that is started so, kept in the directory of a cache.
    pub(crate) fn new(cache: Option<PathBuf>, program: &Path, arguments: &[OsString]) -> Self {
        let has = |part: &str| arguments.iter().any(|argument| argument.to_string_lossy().contains(part));
        let objects = cache.as_ref().filter(|_| !["-include", "-imacros", "@"].into_iter().any(has));
        let objects = objects.and_then(|cache| ObjectCache::in_directory(cache, ObjectCache::DEFAULT_LIMIT).ok());
        let directory = cache.map(|cache| cache.join("headers")).filter(|path| !has("-pch") && make(path));
        // Another version of the program may be another compiler.
        let stamp = fs::metadata(program).map(|metadata| format!("{:?} {}", metadata.modified().ok(), metadata.len()));
        let mut compiler =
            vec![program.as_os_str().as_encoded_bytes().to_vec(), stamp.unwrap_or_default().into_bytes()];
        let arguments = arguments.iter().filter(|argument| *argument != "--color");
        compiler.extend(arguments.map(|argument| argument.as_encoded_bytes().to_vec()));
        // Folders that clang takes from the environment.
        let variables = ["CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "INCLUDE"];
        let values = variables.map(|name| std::env::var_os(name).unwrap_or_default().into_encoded_bytes());
        compiler.extend(values);
        // Relative folders.
        compiler.push(std::env::current_dir().unwrap_or_default().into_os_string().into_encoded_bytes());
        let is_open = directory.is_some();
        Self { directory, objects, compiler, directives: String::new(), is_open }
    }

    /// Takes the headers of an input that is to come; returns whether there are any that matter.
    pub(crate) fn take(&mut self, text: &str) -> bool {
        if !self.is_open {
            return false;
        }
        let before = self.directives.len();
        for line in beginning(text).map(str::trim).filter(|line| is_directive(line)) {
            self.directives += line;
            self.directives += "\n";
        }
        self.is_open = beginning(text).count() == text.lines().count();
        self.directives.len() > before
    }

    /// No file is used from now on.
    pub(crate) fn close(&mut self) {
        self.is_open = false;
    }

    /// Headers are taken from the beginning again.
    pub(crate) fn reopen(&mut self) {
        self.directives.clear();
        self.is_open = self.directory.is_some();
    }

    /// The file for the headers so far, if it is there and holds good.
    pub(crate) fn find(&self) -> Option<PathBuf> {
        let path = self.path()?;
        let made = fs::metadata(&path).ok()?.modified().ok()?;
        let files = fs::read_to_string(list_of(&path)).ok()?;
        if files.lines().any(|file| fs::metadata(file).map_or(true, |metadata| has_changed(&metadata, made))) {
            return None;
        }
        // The file that was used last stays longest.
        let _without = fs::File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(path)
    }

    /// The front end does not take the file.
    pub(crate) fn discard(path: &Path) {
        let _gone = fs::remove_file(path);
        let _gone = fs::remove_file(list_of(path));
    }

    /// Has the file made in the background, if that is worth it: the headers took so long to parse.
    pub(crate) fn make(&self, program: &Path, arguments: &[OsString], took: Duration) {
        let Some(path) = self.path().filter(|_| took >= WORTH) else { return };
        self.make_room();
        let mut command = Command::new(program);
        command.arg("--precompile").arg(path).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // It goes on when the session ends, and the keys that interrupt the session are not for it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let directives = self.directives.clone();
        std::thread::spawn(move || {
            let Ok(mut child) = command.spawn() else { return };
            let _read = child.stdin.take().map(|mut input| input.write_all(directives.as_bytes()));
            let _status = child.wait();
        });
    }

    /// The object of an earlier session for a text that includes nothing.
    pub(crate) fn kept_object(&self, text: &str) -> Option<Vec<u8>> {
        self.objects.as_ref()?.get(&self.key(text)).map(|object| object.to_vec())
    }

    pub(crate) fn keep_object(&self, text: &str, object: &[u8]) {
        if let Some(objects) = &self.objects {
            objects.insert(&self.key(text), object);
        }
    }

    fn key(&self, text: &str) -> CacheKey {
        CacheKey::of(self.compiler.iter().map(Vec::as_slice).chain([text.as_bytes()]))
    }

    fn path(&self) -> Option<PathBuf> {
        Some(self.directory.as_ref()?.join(format!("{}.pch", self.key(&self.directives))))
    }

    /// Removes the files that were not used for the longest time.
    fn make_room(&self) {
        let Some(entries) = self.directory.as_ref().and_then(|directory| fs::read_dir(directory).ok()) else { return };
        let is_made = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "pch");
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_made);
        let mut made: Vec<_> =
            paths.filter_map(|path| Some((fs::metadata(&path).ok()?.modified().ok()?, path))).collect();
        made.sort_unstable();
        let surplus = (made.len() + 1).saturating_sub(MOST);
        made.iter().take(surplus).for_each(|(_, path)| Self::discard(path));
    }
}

/// Makes the directory, unless it is there; false if others may write into it, for what is in it is compiled and run.
fn make(directory: &Path) -> bool {
    fs::create_dir_all(directory).is_ok() && linkjit_host::file::is_own(directory).unwrap_or(false)
}

/// The list of headers that a file was made of.
fn list_of(path: &Path) -> PathBuf {
    path.with_extension("pch.files")
}

/// The lines in front of the first that is more than a header or a comment.
fn beginning(text: &str) -> impl Iterator<Item = &str> {
    let is_comment = |line: &str| line.starts_with("//") && !line.ends_with('\\');
    text.lines().take_while(move |line| {
        let line = line.trim();
        line.is_empty() || is_comment(line) || is_directive(line)
    })
}

/// The text of an input without the headers that it begins with, which are there already. Its lines keep their numbers.
pub(crate) fn without_headers(text: &str) -> String {
    let beginning = beginning(text).count();
    let lines = text.split_inclusive('\n').enumerate();
    lines.map(|(at, line)| if at < beginning && is_directive(line.trim()) { "\n" } else { line }).collect()
}

/// Headers in quotes are looked for beside the file that includes them, and an input is none.
fn is_directive(line: &str) -> bool {
    let rest = line.strip_prefix('#').map(str::trim_start).and_then(|rest| rest.strip_prefix("include"));
    rest.is_some_and(|rest| rest.trim_start().starts_with('<') && rest.ends_with('>'))
}

/// Package managers give new files the times of their packages, but the system notes when they came.
fn has_changed(header: &Metadata, since: SystemTime) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let since = since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        if u64::try_from(header.ctime()).unwrap_or(0) > since {
            return true;
        }
    }
    header.modified().map_or(true, |modified| modified > since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_taken_until_something_else_comes() {
        let mut headers = Headers { is_open: true, ..Headers::default() };
        assert!(headers.take("// first\n#include <vector>\n\n#  include  <map>\n"));
        assert!(headers.take("#include <set>\nint x;\n#include <list>"));
        assert_eq!(headers.directives, "#include <vector>\n#  include  <map>\n#include <set>\n");
        assert!(!headers.take("#include <list>"));
        headers.reopen();
        assert!(!headers.take("#include <list>"));
    }

    #[test]
    fn headers_that_are_there_are_not_in_the_input() {
        let text = "// one\r\n#include <vector>\n\nint x;\n#include <list>";
        assert_eq!(without_headers(text), "// one\r\n\n\nint x;\n#include <list>");
        assert_eq!(without_headers("#include <list>"), "\n");
        let spliced = "// one \\\n#include <vector>";
        assert_eq!(without_headers(spliced), spliced);
    }
}
