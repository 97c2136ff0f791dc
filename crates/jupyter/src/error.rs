//! Errors that end a kernel, or keep it from being installed.

use std::io;
use std::path::PathBuf;

/// The results of this crate.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Reasons why there is no kernel.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file or a directory can't be used.
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    /// The file of a connection does not say what it should.
    #[error("{}: this is no connection file of Jupyter: {why}", path.display())]
    Connection { path: PathBuf, why: String },
    /// A socket can't be made.
    #[error("{address}: {error}")]
    Socket { address: String, error: zeromq::ZmqError },
    /// The system does not give what a kernel needs.
    #[error("{0}")]
    System(#[from] io::Error),
    /// There is no place to install a kernel in.
    #[error("{0}")]
    NoPlace(&'static str),
}
