//! Standard input and output as a stream, for commands that connect those of other machines or of containers.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, TryLockError};

use crate::Transport;
use crate::connection::lock;

/// A pipe that is closed while others still have the writer.
struct Closing(Arc<Mutex<Option<File>>>);

impl Write for Closing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).as_mut().map_or(Err(io::ErrorKind::BrokenPipe.into()), |file| file.write(bytes))
    }

    fn write_vectored(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        lock(&self.0).as_mut().map_or(Err(io::ErrorKind::BrokenPipe.into()), |file| file.write_vectored(parts))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport {
    /// Standard input and output of this process, which are lost for all else in it: from now on nothing can be read there,
    /// and what is written goes to standard error. C runtimes that are loaded later know no others.
    ///
    /// # Errors
    /// If one of them is closed.
    pub fn stdio() -> io::Result<Self> {
        let (reader, writer) = system::take()?;
        Ok(Self::pipes(reader, writer))
    }

    /// Two pipes, or a socket twice. A read of a pipe ends when the peer closes its end, which it does when it finds ours
    /// closed.
    pub(crate) fn pipes(reader: File, writer: File) -> Self {
        #[cfg(unix)]
        let socket = reader.try_clone();
        let writer = Arc::new(Mutex::new(Some(writer)));
        let closing = writer.clone();
        let hang_up = move || {
            // A handle that is no socket says so.
            #[cfg(unix)]
            let _no_socket =
                socket.as_ref().map(|file| socket2::SockRef::from(file).shutdown(std::net::Shutdown::Both));
            // A thread that is writing waits for a peer that does not read: whoever has started that must end it.
            match closing.try_lock() {
                Ok(mut writer) => *writer = None,
                Err(TryLockError::Poisoned(poisoned)) => *poisoned.into_inner() = None,
                Err(TryLockError::WouldBlock) => {}
            }
        };
        Self { reader: Box::new(reader), writer: Box::new(Closing(writer)), hang_up: Box::new(hang_up) }
    }
}

#[cfg(unix)]
mod system {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsFd;

    use nix::unistd::{dup2_stdin, dup2_stdout};

    pub(super) fn take() -> io::Result<(File, File)> {
        let reader = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let writer = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        dup2_stdin(File::open("/dev/null")?)?;
        dup2_stdout(io::stderr())?;
        Ok((reader, writer))
    }
}

#[cfg(windows)]
mod system {
    use std::ffi::{CStr, c_int};
    use std::fs::File;
    use std::io;
    use std::os::windows::io::{AsHandle, IntoRawHandle, OwnedHandle};

    use windows_sys::Win32::Foundation::{CloseHandle, HANDLE_FLAG_PROTECT_FROM_CLOSE, SetHandleInformation};
    use windows_sys::Win32::System::Console::{
        GetStdHandle, STD_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, SetStdHandle,
    };
    use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleA, GetProcAddress};

    /// C runtimes that this program may have loaded. Each has read the standard handles when it began.
    const RUNTIMES: [&CStr; 2] = [c"ucrtbase.dll", c"msvcrt.dll"];

    /// `_O_TEXT`: lines end as is usual there.
    const TEXT: c_int = 0x4000;

    pub(super) fn take() -> io::Result<(File, File)> {
        let reader = File::from(io::stdin().as_handle().try_clone_to_owned()?);
        let writer = File::from(io::stdout().as_handle().try_clone_to_owned()?);
        replace(0, STD_INPUT_HANDLE, File::open("NUL")?.into())?;
        replace(1, STD_OUTPUT_HANDLE, io::stderr().as_handle().try_clone_to_owned()?)?;
        Ok((reader, writer))
    }

    /// Replaces a standard handle, which C runtimes know by a number.
    fn replace(number: c_int, name: STD_HANDLE, handle: OwnedHandle) -> io::Result<()> {
        // SAFETY: asks only.
        let old = unsafe { GetStdHandle(name) };
        // Each runtime would close it, the second one perhaps what has got its number.
        // SAFETY: nothing else happens to it.
        unsafe { SetHandleInformation(old, HANDLE_FLAG_PROTECT_FROM_CLOSE, HANDLE_FLAG_PROTECT_FROM_CLOSE) };
        let replaced = RUNTIMES.iter().try_for_each(|runtime| replace_in(runtime, number, handle.try_clone()?));
        // SAFETY: as above.
        unsafe { SetHandleInformation(old, HANDLE_FLAG_PROTECT_FROM_CLOSE, 0) };
        // SAFETY: the runtimes and the system have others for it.
        unsafe { CloseHandle(old) };
        // SAFETY: it stays open.
        unsafe { SetStdHandle(name, handle.into_raw_handle()) };
        replaced
    }

    fn replace_in(runtime: &CStr, number: c_int, handle: OwnedHandle) -> io::Result<()> {
        // SAFETY: a name that ends with a zero.
        let module = unsafe { GetModuleHandleA(runtime.as_ptr().cast()) };
        if module.is_null() {
            return Ok(());
        }
        let find = |name: &CStr| {
            // SAFETY: the module stays loaded, and the name ends with a zero.
            let found = unsafe { GetProcAddress(module, name.as_ptr().cast()) };
            found.ok_or_else(|| io::Error::other("a C runtime without files"))
        };
        let (open, dup2, close) = (find(c"_open_osfhandle")?, find(c"_dup2")?, find(c"_close")?);
        // SAFETY: the runtime has a function of this type under this name.
        let open: unsafe extern "C" fn(isize, c_int) -> c_int = unsafe { std::mem::transmute(open) };
        // SAFETY: as above.
        let dup2: unsafe extern "C" fn(c_int, c_int) -> c_int = unsafe { std::mem::transmute(dup2) };
        // SAFETY: as above.
        let close: unsafe extern "C" fn(c_int) -> c_int = unsafe { std::mem::transmute(close) };
        // SAFETY: the handle is the runtime's from now on.
        let fd = unsafe { open(handle.into_raw_handle() as isize, TEXT) };
        // SAFETY: the runtime checks numbers.
        let replaced = unsafe { dup2(fd, number) };
        // SAFETY: nobody else knows this number.
        unsafe { close(fd) };
        if replaced < 0 { Err(io::Error::other("a C runtime has no more files")) } else { Ok(()) }
    }
}
