//! What ends a server process, or a checkpoint.

use types::{Diagnostic, Severity, SqlState};

/// An error of the rooms below, as the processes see it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Of the segment.
    #[error(transparent)]
    Memory(#[from] shmem::Error),
    /// Of the log.
    #[error(transparent)]
    Wal(#[from] wal::Error),
    /// Of the buffers.
    #[error(transparent)]
    Buffer(#[from] buffer::Error),
    /// Of a transaction.
    #[error(transparent)]
    Txn(#[from] txn::Error),
    /// Of a table.
    #[error(transparent)]
    Access(#[from] access::Error),
    /// Of the system tables.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    /// Of recovery.
    #[error(transparent)]
    Recovery(#[from] recovery::Error),
    /// Of the configuration.
    #[error(transparent)]
    Configuration(#[from] config::Error),
    /// Of a file.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A checkpoint that was waited for has failed.
    #[error("checkpoint request failed")]
    CheckpointFailed,
    /// The server is ending the process that waits.
    #[error("terminating connection due to administrator command")]
    Terminated,
    /// The wait was cancelled.
    #[error("canceling statement due to user request")]
    Cancelled,
}

impl Error {
    fn inner(&self) -> Option<&dyn Diagnostic> {
        match self {
            Error::Memory(error) => Some(error),
            Error::Wal(error) => Some(error),
            Error::Buffer(error) => Some(error),
            Error::Txn(error) => Some(error),
            Error::Access(error) => Some(error),
            Error::Catalog(error) => Some(error),
            Error::Recovery(error) => Some(error),
            Error::Configuration(error) => Some(error),
            _ => None,
        }
    }
}

impl Diagnostic for Error {
    fn severity(&self) -> Severity {
        match self {
            Error::Terminated => Severity::Fatal,
            _ => self.inner().map_or(Severity::Error, |error| error.severity()),
        }
    }

    fn sqlstate(&self) -> SqlState {
        match self {
            Error::Io(_) => SqlState::IO_ERROR,
            Error::Terminated => SqlState::ADMIN_SHUTDOWN,
            Error::Cancelled => SqlState::QUERY_CANCELED,
            _ => self.inner().map_or(SqlState::INTERNAL_ERROR, |error| error.sqlstate()),
        }
    }

    fn detail(&self) -> Option<String> {
        self.inner()?.detail()
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::CheckpointFailed => {
                Some("Consult recent messages in the server log for details.".to_owned())
            }
            _ => self.inner()?.hint(),
        }
    }
}
