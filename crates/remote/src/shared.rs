//! Memory that both processes map, if they are on one machine: large contents need not go through the stream.
//!
//! The session makes a file in memory, and the executor opens it by the session's process and number. Whoever may do that
//! may do anything to the session's process, so sharing it gives nothing away. The file has no name: it is gone when both
//! processes are.

use std::fs::File;
use std::io::Read;

use memmap2::{Mmap, MmapMut};

/// As much as several batches have. Pages exist when they are written.
#[cfg(unix)]
const SIZE: u64 = 1 << 30;

/// Smaller contents are sent: that takes less time than mapping pages.
pub(crate) const LEAST: usize = 64 << 10;

/// At the beginning of the file, by which the executor knows that it has opened the right one.
pub(crate) type Mark = [u8; 16];

/// A part of the file, mapped by the session until it is dropped.
#[derive(Debug)]
pub(crate) struct Lent {
    pub(crate) offset: u64,
    pub(crate) bytes: MmapMut,
    /// The executor may still read it, though nobody waits for that: it is not lent again.
    pub(crate) is_lost: bool,
    #[cfg(unix)]
    staging: std::sync::Arc<Staging>,
}

#[cfg(unix)]
pub(crate) use session::Staging;

#[cfg(unix)]
mod session {
    use std::fs::File;
    use std::io::{self, Write};
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::sync::{Arc, Mutex};

    use memmap2::MmapOptions;
    use nix::fcntl::{FallocateFlags, FcntlArg, SealFlag, fallocate, fcntl};
    use nix::sys::memfd::{MFdFlags, memfd_create};

    use super::{Lent, Mark, SIZE};
    use crate::connection::lock;

    /// Parts begin at multiples of this: no system has larger pages.
    const GRAIN: u64 = 64 << 10;

    /// The session's end: the file, and which of it is lent.
    #[derive(Debug)]
    pub(crate) struct Staging {
        file: File,
        mark: Mark,
        taken: Mutex<Taken>,
    }

    #[derive(Debug)]
    struct Taken {
        /// From here on nothing is lent.
        end: u64,
        parts: usize,
    }

    impl Staging {
        /// Makes the file.
        pub(crate) fn new() -> io::Result<Self> {
            let file: OwnedFd = memfd_create(c"linkjit", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
            let mut file = File::from(file);
            let mut mark = Mark::default();
            getrandom::fill(&mut mark).map_err(|error| io::Error::other(error.to_string()))?;
            file.write_all(&mark)?;
            file.set_len(SIZE)?;
            // Nobody can take away what others have mapped.
            fcntl(
                &file,
                FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL),
            )?;
            Ok(Self { file, mark, taken: Mutex::new(Taken { end: GRAIN, parts: 0 }) })
        }

        pub(crate) fn path(&self) -> String {
            format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
        }

        pub(crate) fn mark(&self) -> Mark {
            self.mark
        }

        /// Lends a part whose bytes are zeros, if there is so much.
        pub(crate) fn lend(self: &Arc<Self>, size: usize) -> Option<Lent> {
            let offset = {
                let mut taken = lock(&self.taken);
                let offset = taken.end;
                let end = offset.checked_add(size as u64)?.checked_next_multiple_of(GRAIN)?;
                if end > SIZE {
                    return None;
                }
                (taken.end, taken.parts) = (end, taken.parts + 1);
                offset
            };
            // SAFETY: nobody but this session writes to this part, which is lent once; the file can't shrink.
            let bytes = unsafe { MmapOptions::new().offset(offset).len(size).map_mut(&self.file) };
            match bytes {
                Ok(bytes) => Some(Lent { offset, bytes, is_lost: false, staging: self.clone() }),
                Err(_) => {
                    self.give_back(offset, size);
                    None
                }
            }
        }

        fn give_back(&self, offset: u64, size: usize) {
            let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
            let (start, size) = (offset.cast_signed(), (size as u64).cast_signed());
            // What does not become zeros is not lent again.
            if fallocate(&self.file, flags, start, size).is_ok() {
                let mut taken = lock(&self.taken);
                taken.parts -= 1;
                if taken.parts == 0 {
                    taken.end = GRAIN;
                }
            }
        }
    }

    impl Drop for Lent {
        fn drop(&mut self) {
            if !self.is_lost {
                self.staging.give_back(self.offset, self.bytes.len());
            }
        }
    }
}

/// The executor's end.
#[derive(Debug)]
pub(crate) struct Shared(Mmap);

impl Shared {
    /// Opens the session's file; none if there is no such file here.
    pub(crate) fn open(path: &str, mark: Mark) -> Option<Self> {
        // Wine has the system's files there.
        let path = if cfg!(windows) { format!("Z:{path}") } else { path.into() };
        // On another machine this may be anything; opening a pipe would wait.
        std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file)?;
        let mut file = File::open(path).ok()?;
        let mut begin = Mark::default();
        file.read_exact(&mut begin).ok().filter(|()| begin == mark)?;
        // SAFETY: the session does not write to a part while it has this process read it, and the file can't shrink.
        unsafe { Mmap::map(&file) }.ok().map(Self)
    }

    pub(crate) fn get(&self, offset: u64, size: u64) -> Option<&[u8]> {
        let start = usize::try_from(offset).ok()?;
        self.0.get(start..start.checked_add(usize::try_from(size).ok()?)?)
    }
}
