//! A cache of objects, and a compiler behind one.
//!
//! [`ObjectCache`] knows nothing of compilers: it has bytes by keys, in memory (`memory`), in a directory (`directory`), or
//! both. [`CachedCompiler`] (`compiler`) finds the key of a module, as ccache does without running the preprocessor.

mod compiler;
mod directory;
mod key;
mod memory;

pub use compiler::CachedCompiler;
pub use key::CacheKey;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use directory::Directory;
use memory::Memory;

use crate::error::{Error, Result};

/// A cache of objects, in memory, in a directory, or both. A clone is the same cache. Threads may use it at once, and
/// processes may use the same directory at once.
///
/// ```
/// use linkjit::{CacheKey, ObjectCache};
///
/// let cache = ObjectCache::in_memory(64 << 20);
/// let key = CacheKey::new("my compiler 1.2 -O2", b"the program");
/// let compile = || Ok::<_, std::convert::Infallible>(b"the object".to_vec());
/// assert_eq!(*cache.get_or_insert_with(&key, compile).unwrap(), *b"the object");
/// // It isn't compiled again.
/// assert_eq!(*cache.get_or_insert_with(&key, compile).unwrap(), *b"the object");
/// assert_eq!((cache.hits(), cache.misses()), (1, 1));
/// ```
#[derive(Clone, Debug)]
pub struct ObjectCache {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    memory: Mutex<Memory>,
    directory: Option<Directory>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl ObjectCache {
    /// The size that a directory has at most by default.
    pub const DEFAULT_LIMIT: u64 = 1 << 30;

    /// A cache in memory, of at most `limit` bytes. When it is full, what was not used for the longest time goes.
    #[must_use]
    pub fn in_memory(limit: u64) -> Self {
        Self::new(limit, None)
    }

    /// A cache in a directory, of at most `limit` bytes; nothing of it stays in memory. The directory is made if it isn't
    /// there. It has sixteen folders of the same limit each, so an object of more than a sixteenth of `limit` isn't kept.
    ///
    /// # Errors
    /// [`Error::File`] if it can't be made, or if other users may write into it.
    pub fn in_directory(path: impl AsRef<Path>, limit: u64) -> Result<Self> {
        let path = path.as_ref();
        Ok(Self::new(0, Some(Directory::open(path, limit).map_err(|error| Error::file(path, &error))?)))
    }

    /// A cache in a directory, which keeps up to `memory` bytes of what it was asked for in memory, too.
    ///
    /// # Errors
    /// As [`ObjectCache::in_directory`].
    pub fn in_directory_and_memory(path: impl AsRef<Path>, limit: u64, memory: u64) -> Result<Self> {
        let path = path.as_ref();
        Ok(Self::new(memory, Some(Directory::open(path, limit).map_err(|error| Error::file(path, &error))?)))
    }

    fn new(memory: u64, directory: Option<Directory>) -> Self {
        let memory = Mutex::new(Memory::new(memory));
        let inner = Inner { memory, directory, hits: AtomicU64::new(0), misses: AtomicU64::new(0) };
        Self { inner: Arc::new(inner) }
    }

    /// The directory of the user's cache: `$XDG_CACHE_HOME/linkjit` or `~/.cache/linkjit`, on Windows
    /// `%LOCALAPPDATA%\linkjit`. `None` if the environment names no such place.
    #[must_use]
    pub fn default_directory() -> Option<PathBuf> {
        let directory = |variable| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        let parent = match cfg!(windows) {
            true => directory("LOCALAPPDATA"),
            false => directory("XDG_CACHE_HOME").or_else(|| Some(directory("HOME")?.join(".cache"))),
        };
        Some(parent?.join("linkjit"))
    }

    /// Returns what has that key.
    #[must_use]
    pub fn get(&self, key: &CacheKey) -> Option<Arc<[u8]>> {
        let found = self.find(key);
        self.count(found.is_some());
        found
    }

    fn count(&self, is_hit: bool) {
        let count = if is_hit { &self.inner.hits } else { &self.inner.misses };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn find(&self, key: &CacheKey) -> Option<Arc<[u8]>> {
        // Nothing that is done under this lock can panic.
        let memory = || self.inner.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let known = memory().get(key);
        known.or_else(|| {
            let bytes: Arc<[u8]> = self.inner.directory.as_ref()?.get(key)?.into();
            memory().insert(*key, bytes.clone());
            Some(bytes)
        })
    }

    /// Keeps something under a key, in the place of what is there. If it can't be kept, because the disk is full, say, the
    /// next one who wants it makes it again.
    pub fn insert(&self, key: &CacheKey, bytes: impl Into<Arc<[u8]>>) {
        let bytes = bytes.into();
        if let Some(directory) = &self.inner.directory {
            let _not_kept = directory.insert(key, &bytes);
        }
        self.inner.memory.lock().unwrap_or_else(PoisonError::into_inner).insert(*key, bytes);
    }

    /// Returns what has that key, or else makes it and keeps it. Two threads that want the same thing at the same time may
    /// both make it.
    ///
    /// # Errors
    /// Those of `make`; nothing is kept then.
    pub fn get_or_insert_with<E>(
        &self,
        key: &CacheKey,
        make: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Arc<[u8]>, E> {
        if let Some(known) = self.get(key) {
            return Ok(known);
        }
        let made: Arc<[u8]> = make()?.into();
        self.insert(key, made.clone());
        Ok(made)
    }

    /// Returns how often something was found.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.inner.hits.load(Ordering::Relaxed)
    }

    /// Returns how often something was not found.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.inner.misses.load(Ordering::Relaxed)
    }
}
