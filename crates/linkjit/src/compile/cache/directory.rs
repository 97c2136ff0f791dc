//! The part of a cache that is in a directory, which several processes may use at once.
//!
//! An entry is a file in one of [`FOLDERS`] folders, with a checksum of its content. It is written under another name and
//! renamed when it is complete, so nobody sees a part of it; if the system crashes in between, the checksum tells. Each
//! folder is kept below its part of the limit by whoever writes to it: there is no index that could be wrong.

use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::CacheKey;

/// The number of folders, one for each first digit of a key.
const FOLDERS: u64 = 16;
/// A file takes at least so many bytes.
const BLOCK: u64 = 4096;
/// The beginning of each entry: its kind, and the version of that.
const MAGIC: &[u8; 16] = b"linkjit cache 1\n";
/// Names of files that are being written begin with this.
const UNFINISHED: &str = "new-";
/// A file that is being written for longer is one whose process has crashed.
const PATIENCE: Duration = Duration::from_secs(3600);

#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    limit: u64,
}

impl Directory {
    /// Makes the directory, unless it is there.
    pub(super) fn open(path: &Path, limit: u64) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        make(&path)?;
        // Its objects are run.
        if !linkjit_host::file::is_own(&path)? {
            let why = format!("{}: others may write into this directory", path.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        Ok(Self { path, limit })
    }

    pub(super) fn get(&self, key: &CacheKey) -> Option<Vec<u8>> {
        let path = self.file(key);
        let mut file = File::open(&path).ok()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        let Some(content) = content(key, &bytes) else {
            // Damaged: the next one who needs it makes a new one.
            let _gone = fs::remove_file(&path);
            return None;
        };
        // The entry that was used last stays longest. Windows takes the time from those only who may write.
        let file = if cfg!(windows) { File::options().append(true).open(&path).unwrap_or(file) } else { file };
        let _without = file.set_modified(SystemTime::now());
        let start = bytes.len() - content.len();
        bytes.drain(..start);
        Some(bytes)
    }

    pub(super) fn insert(&self, key: &CacheKey, content: &[u8]) -> io::Result<()> {
        let limit = self.limit / FOLDERS;
        let size = ((MAGIC.len() + blake3::OUT_LEN + content.len()) as u64).next_multiple_of(BLOCK);
        if size > limit {
            return Ok(());
        }
        let path = self.file(key);
        let folder = path.parent().unwrap_or(&self.path);
        make(folder)?;
        // Looking at all files takes longer than compiling a small function.
        if size > limit / 64 || key.as_bytes()[1].is_multiple_of(32) {
            make_room(folder, limit - size);
        }
        let unfinished = folder.join(format!("{UNFINISHED}{:x}-{:x}", std::process::id(), unique()));
        let written = File::create_new(&unfinished).and_then(|mut file| {
            file.write_all(MAGIC)?;
            file.write_all(&checksum(key, content))?;
            file.write_all(content)
        });
        let done = written.and_then(|()| fs::rename(&unfinished, &path));
        if done.is_err() {
            let _gone = fs::remove_file(&unfinished);
        }
        done
    }

    fn file(&self, key: &CacheKey) -> PathBuf {
        let name = key.to_string();
        let (folder, file) = name.split_at(1);
        self.path.join(folder).join(file)
    }
}

/// Makes a directory that is the user's alone, unless it is there.
fn make(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// The content of an entry, if it is whole.
fn content<'a>(key: &CacheKey, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let (sum, content) = bytes.strip_prefix(MAGIC)?.split_at_checked(blake3::OUT_LEN)?;
    (checksum(key, content) == sum).then_some(content)
}

/// The checksum of an entry. The key is in it, for files may be renamed.
fn checksum(key: &CacheKey, content: &[u8]) -> [u8; blake3::OUT_LEN] {
    *blake3::Hasher::new().update(key.as_bytes()).update(content).finalize().as_bytes()
}

/// Removes files that were not used for the longest time until the rest is no larger than `limit`. Others may do the same
/// at the same time: then a file is gone already, or one more than necessary.
fn make_room(folder: &Path, limit: u64) {
    let mut files = Vec::new();
    let mut size = 0;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let is_unfinished = entry.file_name().to_string_lossy().starts_with(UNFINISHED);
        if is_unfinished && used.elapsed().is_ok_and(|time| time > PATIENCE) {
            let _gone = fs::remove_file(entry.path());
        } else if !is_unfinished {
            let length = metadata.len().next_multiple_of(BLOCK);
            size += length;
            files.push((used, length, entry.path()));
        }
    }
    files.sort();
    for (_, length, path) in files {
        if size <= limit {
            return;
        }
        let _gone = fs::remove_file(path);
        size -= length;
    }
}

/// A number that no other file of this process has, nor one of a process with the same number on another machine.
fn unique() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u64(COUNT.fetch_add(1, Ordering::Relaxed));
    hasher.finish()
}
