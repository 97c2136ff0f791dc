//! Private temporary directories, which go away whatever becomes of the process.
//!
//! A directory has a name that nobody can guess, and only the user can access it. It holds a file that is locked as
//! long as the directory is in use. The system releases the lock when the process ends, even by `SIGKILL`, so a later
//! process knows which directories it may remove. [`remove_at_signals`] removes them at once when another signal ends
//! the process.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Once;

#[cfg(unix)]
use crate::signals::{Handler, Handlers};

/// The names of the directories begin with this.
const PREFIX: &str = "linkjit-private-";
/// The file that is locked.
const LOCK: &str = "lock";

/// A private directory. It goes away with its owner, and all that is in it.
#[derive(Debug)]
pub struct PrivateDirectory {
    path: PathBuf,
    /// `None` when the directory is about to be removed: Windows removes no file that is open.
    lock: Option<File>,
    #[cfg(unix)]
    at_signals: Option<table::Slot>,
}

impl PrivateDirectory {
    /// A new directory among the system's temporary files. The first one that a process makes removes those that
    /// processes which are no more have left.
    ///
    /// # Errors
    /// The error says what the operating system says.
    pub fn new() -> io::Result<Self> {
        static CLEANED: Once = Once::new();
        let parent = std::path::absolute(std::env::temp_dir())?;
        // Who cleans up may meet a directory that is not locked yet, and takes it for one that was left.
        for _ in 0..100 {
            match Self::create(&parent) {
                Ok(directory) => {
                    CLEANED.call_once(|| remove_left(&parent, &directory.path));
                    return Ok(directory);
                }
                Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound) => {
                    if !parent.is_dir() {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("new directories are removed as soon as they are made"))
    }

    fn create(parent: &Path) -> io::Result<Self> {
        // Nobody can guess it: the keys of hash tables come from the operating system.
        let number = RandomState::new().build_hasher().finish();
        let path = parent.join(format!("{PREFIX}{number:016x}"));
        #[cfg_attr(not(unix), allow(unused_mut, reason = "only Unix has modes"))]
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path)?;
        // The mask of the process may have taken the owner's rights away, too.
        #[cfg(unix)]
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        let lock = OpenOptions::new().write(true).create_new(true).open(path.join(LOCK))?;
        lock.lock()?;
        // Who was faster has removed it.
        fs::metadata(path.join(LOCK))?;
        #[cfg(unix)]
        let at_signals = table::Slot::take(&path);
        Ok(Self {
            path,
            lock: Some(lock),
            #[cfg(unix)]
            at_signals,
        })
    }

    /// Returns where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in it that a program is to write, and that signals remove, too.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.path.join(FILE)
    }

    /// The path of another such file.
    #[must_use]
    pub fn second_file(&self) -> PathBuf {
        self.path.join(SECOND_FILE)
    }
}

/// See [`PrivateDirectory::file`].
const FILE: &str = "object.o";
/// See [`PrivateDirectory::second_file`].
const SECOND_FILE: &str = "dependencies";

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        #[cfg(windows)]
        drop(self.lock.take());
        // Somebody who cleans up the system's directory may have been faster.
        let _gone = fs::remove_dir_all(&self.path);
        #[cfg(unix)]
        drop(self.at_signals.take());
        drop(self.lock.take());
    }
}

/// Removes the directories that nobody uses, of the user who owns `ours`. What can't be done now is left for the next.
fn remove_left(parent: &Path, ours: &Path) {
    let (Ok(entries), Ok(own)) = (fs::read_dir(parent), fs::symlink_metadata(ours)) else { return };
    for entry in entries.flatten() {
        let is_one = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        // Not a link's target. What others have made may be anything, a pipe for a lock say.
        let is_own = || entry.metadata().is_ok_and(|metadata| metadata.is_dir() && owner(&metadata) == owner(&own));
        if !is_one || entry.path() == ours || !is_own() {
            continue;
        }
        let directory = entry.path();
        match File::open(directory.join(LOCK)) {
            // Held while the directory is removed: its owner may be about to lock it.
            Ok(lock) if lock.try_lock().is_ok() => {
                #[cfg(windows)]
                drop(lock);
                let _ = fs::remove_dir_all(&directory);
            }
            Ok(_) => {}
            // Its owner ended right after making it, or makes another one.
            Err(_) => _ = fs::remove_dir(&directory),
        }
    }
}

#[cfg(unix)]
fn owner(file: &Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::uid(file)
}

/// The system's temporary directory is the user's own.
#[cfg(not(unix))]
fn owner(_file: &Metadata) -> u32 {
    0
}

/// As long as this lives, signals that end the process (`SIGINT`, `SIGTERM`, `SIGHUP`) remove its private directories
/// before they do. What the process handles or ignores itself stays so. On Windows nothing changes.
#[derive(Debug)]
#[must_use]
pub struct SignalGuard {
    #[cfg(unix)]
    _handlers: Handlers,
}

/// For processes that make directories in the foreground: see [`SignalGuard`].
pub fn remove_at_signals() -> SignalGuard {
    SignalGuard {
        #[cfg(unix)]
        _handlers: Handlers::install(&[libc::SIGINT, libc::SIGTERM, libc::SIGHUP], Handler::Once(table::remove_all)),
    }
}

/// The directories that exist, for the handler of signals.
#[cfg(unix)]
mod table {
    use std::ffi::{CString, c_char, c_int};
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;
    use std::ptr::null_mut;
    use std::sync::atomic::{AtomicPtr, Ordering};

    /// The directories that exist: the paths of the three files in each, and its own. Whoever takes an entry out owns it.
    /// Of more directories at a time than these, signals leave some to the next process.
    static PATHS: [AtomicPtr<[*mut c_char; 4]>; 64] = [const { AtomicPtr::new(null_mut()) }; 64];

    /// A directory's place in the table.
    #[derive(Debug)]
    pub(super) struct Slot(usize);

    impl Slot {
        /// Enters a directory.
        pub(super) fn take(path: &Path) -> Option<Self> {
            let [object, second, lock] = [super::FILE, super::SECOND_FILE, super::LOCK].map(|file| path.join(file));
            let paths = [object, second, lock, path.to_owned()];
            let paths = paths.map(|path| CString::new(path.as_os_str().as_bytes()).unwrap_or_default().into_raw());
            let paths = Box::into_raw(Box::new(paths));
            let entered = PATHS
                .iter()
                .position(|slot| slot.compare_exchange(null_mut(), paths, Ordering::AcqRel, Ordering::Relaxed).is_ok());
            if entered.is_none() {
                free(paths);
            }
            entered.map(Self)
        }
    }

    impl Drop for Slot {
        fn drop(&mut self) {
            free(PATHS[self.0].swap(null_mut(), Ordering::AcqRel));
        }
    }

    /// Gives the memory of an entry back, which is in the table no more. The handler reads only what it has taken out
    /// itself.
    fn free(paths: *mut [*mut c_char; 4]) {
        if paths.is_null() {
            return;
        }
        // SAFETY: made by `Box::into_raw`, and whoever takes it out of the table, by an exchange, owns it.
        let paths = unsafe { Box::from_raw(paths) };
        for path in *paths {
            // SAFETY: made by `CString::into_raw`, and freed here only.
            drop(unsafe { CString::from_raw(path) });
        }
    }

    /// Removes all directories and ends the process by the signal.
    pub(super) extern "C" fn remove_all(signal: c_int) {
        for slot in &PATHS {
            let paths = slot.swap(null_mut(), Ordering::AcqRel);
            if paths.is_null() {
                continue;
            }
            // SAFETY: whoever takes an entry out of the table owns it. It is not given back: the process ends.
            let [object, second, lock, directory] = unsafe { *paths };
            for file in [object, second, lock] {
                // SAFETY: a path that ends with a zero; handlers may call this.
                unsafe { libc::unlink(file) };
            }
            // SAFETY: as above.
            if unsafe { libc::rmdir(directory) } != 0 {
                // A compiler has other files in it, or folders. The next process sees by the lock that nobody has it.
                // SAFETY: as above.
                unsafe { libc::open(lock, libc::O_CREAT | libc::O_WRONLY | libc::O_CLOEXEC, 0o600) };
            }
        }
        // SAFETY: handlers may call this; the signal does what it does by default now.
        unsafe { libc::raise(signal) };
    }
}
