//! Transports: streams of bytes between two processes.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
#[cfg(unix)]
use std::sync::Mutex;

use socket2::Socket;

#[cfg(unix)]
use crate::connection::lock;

/// A stream of bytes in both directions.
pub struct Transport {
    pub(crate) reader: Box<dyn Read + Send>,
    pub(crate) writer: Box<dyn Write + Send>,
    /// Makes reads and writes end, on whatever thread they are.
    pub(crate) hang_up: Box<dyn Fn() + Send + Sync>,
}

impl Transport {
    /// A socket of TCP.
    ///
    /// # Errors
    /// If the system has no more handles.
    pub fn tcp(stream: TcpStream) -> io::Result<Self> {
        // Small frames are waited for.
        stream.set_nodelay(true)?;
        Self::socket(stream.into())
    }

    /// A Unix socket, for one of a pair.
    ///
    /// # Errors
    /// If the system has no more handles.
    #[cfg(unix)]
    pub fn unix(stream: UnixStream) -> io::Result<Self> {
        Self::socket(stream.into())
    }

    /// Two sockets, each for one direction.
    ///
    /// # Errors
    /// If the system has no more handles.
    #[cfg(unix)]
    pub(crate) fn unix_pair(reader: UnixStream, writer: UnixStream) -> io::Result<Self> {
        Self::sockets(reader.into(), writer.into())
    }

    fn socket(socket: Socket) -> io::Result<Self> {
        Self::sockets(socket.try_clone()?, socket)
    }

    fn sockets(reader: Socket, writer: Socket) -> io::Result<Self> {
        let both = [reader.try_clone()?, writer.try_clone()?];
        // Those that the peer has closed say so.
        let hang_up = move || both.iter().for_each(|socket| _ = socket.shutdown(Shutdown::Both));
        Ok(Self { reader: Box::new(reader), writer: Box::new(Writer(writer)), hang_up: Box::new(hang_up) })
    }

    /// A Unix socket that this process was started with: a [`Child`](crate::Child) has it under the number that its
    /// command line says. It can be taken once.
    ///
    /// # Errors
    /// If this process was started with no such socket.
    #[cfg(unix)]
    pub fn inherited(fd: i32) -> io::Result<Self> {
        use std::os::fd::FromRawFd;

        static TAKING: Mutex<()> = Mutex::new(());
        let _taking = lock(&TAKING);
        if fd <= 2 || !is_inherited_socket(fd) {
            let what = format!("this process was started with no socket with the number {fd}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        // SAFETY: this process was started with it, and nobody has taken it yet.
        let socket = Socket::from(unsafe { UnixStream::from_raw_fd(fd) });
        // Programs that linked code starts are not to have it: the session would wait for their ends, too.
        socket.set_cloexec(true)?;
        Self::socket(socket)
    }
}

/// Returns whether a number is that of a socket that this process was started with. What a process opens itself is not for
/// the programs that it starts, and neither is what was taken.
#[cfg(unix)]
fn is_inherited_socket(fd: i32) -> bool {
    let mut status = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: asks only; there is room for the answer.
    if unsafe { libc::fstat(fd, status.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: the call has written it.
    let is_socket = unsafe { status.assume_init() }.st_mode & libc::S_IFMT == libc::S_IFSOCK;
    // SAFETY: asks only.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    is_socket && flags & libc::FD_CLOEXEC == 0
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

/// Writes to a socket. A peer that is gone is an error; a signal would end the process.
struct Writer(Socket);

#[cfg(unix)]
const FLAGS: i32 = libc::MSG_NOSIGNAL;
#[cfg(not(unix))]
const FLAGS: i32 = 0;

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send_with_flags(bytes, FLAGS)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.send_vectored_with_flags(parts, FLAGS)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
