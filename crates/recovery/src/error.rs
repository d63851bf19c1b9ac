//! Why recovery can refuse. Nothing here is repaired silently: the server does not start.

use types::{BufferTag, Diagnostic, Lsn, Severity, SqlState};

/// An error of recovery.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log or the control file.
    #[error(transparent)]
    Wal(#[from] wal::Error),
    /// A page.
    #[error(transparent)]
    Buffer(#[from] buffer::Error),
    /// Redo of a transaction's record.
    #[error(transparent)]
    Txn(#[from] txn::Error),
    /// Redo of a table's record.
    #[error(transparent)]
    Access(#[from] access::Error),
    /// A record's redo failed.
    #[error("could not redo the log record at {lsn}: {source}")]
    Record {
        /// Where the record starts.
        lsn: Lsn,
        /// What went wrong.
        #[source]
        source: Box<Error>,
    },
    /// The log changes pages that do not exist, and never drops their files.
    #[error("the log changes {count} pages that do not exist, first at {lsn}: {first}")]
    MissingPages {
        /// How many pages.
        count: usize,
        /// One of them.
        first: BufferTag,
        /// Where the first record that names it starts.
        lsn: Lsn,
    },
    /// A page has changes that the log does not hold.
    #[error(
        "the write-ahead log ends at {end} ({why}), but {tag} has been changed up to {lsn}: \
         a part of the log that had been durable is lost"
    )]
    PageAhead {
        /// Where the last valid record ends.
        end: Lsn,
        /// What was found there.
        why: String,
        /// The page.
        tag: BufferTag,
        /// Its LSN.
        lsn: Lsn,
    },
    /// The log does not hold the checkpoint that the control file names.
    #[error(
        "the write-ahead log has no checkpoint record at {checkpoint}, where the control file says: \
         it ends at {end} ({why})"
    )]
    NoCheckpoint {
        /// Where the control file says that it starts.
        checkpoint: Lsn,
        /// Where the last valid record ends.
        end: Lsn,
        /// What was found there.
        why: String,
    },
}

impl Diagnostic for Error {
    fn severity(&self) -> Severity {
        Severity::Fatal
    }

    fn sqlstate(&self) -> SqlState {
        match self {
            Error::Wal(error) => error.sqlstate(),
            Error::Buffer(error) => error.sqlstate(),
            Error::Txn(error) => error.sqlstate(),
            Error::Access(error) => error.sqlstate(),
            Error::Record { source, .. } => source.sqlstate(),
            Error::MissingPages { .. } | Error::PageAhead { .. } | Error::NoCheckpoint { .. } => {
                SqlState::DATA_CORRUPTED
            }
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::MissingPages { .. } | Error::PageAhead { .. } | Error::NoCheckpoint { .. } => {
                Some("Restore the data directory from a backup.".to_owned())
            }
            Error::Record { source, .. } => source.hint(),
            _ => None,
        }
    }
}
