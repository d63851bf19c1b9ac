//! Why the server does not start.

use std::io;
use std::path::{Path, PathBuf};

use types::{Diagnostic, Severity, SqlState};

/// An error that ends the postmaster, as a rule before it serves anybody.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be used.
    #[error("{0}")]
    Configuration(#[from] config::Error),
    /// The data directory cannot be used.
    #[error("{message}")]
    DataDirectory {
        /// What is wrong with it.
        message: String,
        /// What could be done.
        hint: &'static str,
    },
    /// Another server has the data directory.
    #[error("{error}")]
    Lock {
        /// What the lock says.
        error: sys::lock::Error,
        /// The pid in the pid file.
        pid: Option<i32>,
    },
    /// The rooms could not be set up.
    #[error("{0}")]
    Server(#[from] processes::Error),
    /// A socket could not be opened.
    #[error("could not listen on {place}: {reason}")]
    Listen {
        /// The address or the socket's path.
        place: String,
        /// What the system said.
        reason: io::Error,
    },
    /// A limit of the operating system is too low.
    #[error("{message}")]
    Limit {
        /// Which.
        message: String,
        /// What could be done.
        hint: &'static str,
    },
    /// A file or directory could not be worked with.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The first contents of the data directory could not be made.
    #[error("could not initialise data directory \"{}\"", .0.display())]
    Initialise(PathBuf),
}

impl Error {
    /// An error of the data directory.
    pub(crate) fn data_directory(dir: &Path, what: &str, hint: &'static str) -> Error {
        let message = format!("data directory \"{}\" {what}", dir.display());
        Error::DataDirectory { message, hint }
    }
}

impl Diagnostic for Error {
    fn severity(&self) -> Severity {
        Severity::Fatal
    }

    fn sqlstate(&self) -> SqlState {
        match self {
            Error::Configuration(error) => error.sqlstate(),
            Error::Server(error) => error.sqlstate(),
            Error::Lock { .. } => SqlState::OBJECT_IN_USE,
            Error::Limit { .. } => SqlState::CONFIGURATION_LIMIT_EXCEEDED,
            _ => SqlState::IO_ERROR,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Error::Server(error) => error.detail(),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::DataDirectory { hint, .. } | Error::Limit { hint, .. } => {
                Some((*hint).to_owned())
            }
            Error::Configuration(error) => error.hint(),
            Error::Server(error) => error.hint(),
            Error::Lock { pid: Some(pid), .. } => {
                Some(format!("Is another server running there, with pid {pid}?"))
            }
            Error::Listen { reason, .. } if reason.kind() == io::ErrorKind::AddrInUse => {
                Some("Is another server running there? If not, wait a moment and try again.".into())
            }
            Error::Initialise(_) => Some("The messages above say why. Start again.".to_owned()),
            _ => None,
        }
    }
}
