//! What can go wrong with a command.

use std::io;

/// Why a command failed; printed once, by `main`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Our own input or output failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// There is no server at that address.
    #[error("could not connect to {address}: {error}")]
    Connect {
        /// The address, as it was given.
        address: String,
        /// Why not.
        error: io::Error,
    },
    /// The server closed the connection without a word.
    #[error("the server closed the connection")]
    Closed,
    /// The server refused what we sent.
    #[error("{code}: {message}")]
    Server {
        /// The SQLSTATE.
        code: String,
        /// What it said.
        message: String,
    },
    /// What came is no line of the protocol.
    #[error("{0}")]
    Protocol(String),
    /// The log or the control file cannot be read.
    #[error("{0}")]
    Wal(#[from] wal::Error),
    /// An index cannot be read.
    #[error("{0}")]
    Access(#[from] access::Error),
    /// A wrong argument that the command line alone does not show.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    /// Whether the reader of our output has gone away.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Error::Io(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}
