//! What can go wrong with pages and relation files.

use std::io;

use types::{BufferTag, Diagnostic, Lsn, Severity, SqlState};

/// An error of the buffer manager.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A relation file could not be read, written or extended.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The log refused.
    #[error(transparent)]
    Wal(#[from] wal::Error),
    /// The page's checksum is wrong: torn, flipped or misplaced.
    #[error("invalid page in {0}: checksum does not match")]
    BadPage(BufferTag),
    /// The page says that it was changed by a part of the log that does not exist: log that had
    /// been durable is lost, or the page is of another database.
    #[error("invalid page in {tag}: changed up to {lsn}, but the log ends at {end}")]
    PageAhead {
        /// The page.
        tag: BufferTag,
        /// Its LSN.
        lsn: Lsn,
        /// The end of the log.
        end: Lsn,
    },
    /// A page that has been in use ever since the database was made holds nothing but zeros.
    #[error("invalid page in {0}: it is all zeros")]
    ZeroPage(BufferTag),
    /// A relation has no file.
    #[error("could not open file base/{0}: it is missing")]
    MissingFile(types::RelFileNumber),
    /// The page lies behind the end of its file.
    #[error("could not read {0}: the file ends before it")]
    PastEnd(BufferTag),
    /// Every buffer is pinned.
    #[error("no unpinned buffers available")]
    NoBuffers,
    /// This process holds as many pins as it may.
    #[error("too many buffers pinned by one session")]
    TooManyPins,
    /// A relation can't grow any more.
    #[error("cannot extend file base/{0} beyond {max} blocks", max = u32::MAX)]
    TooLarge(types::RelFileNumber),
}

impl Diagnostic for Error {
    fn severity(&self) -> Severity {
        match self {
            Error::Wal(error) => error.severity(),
            _ => Severity::Error,
        }
    }

    fn sqlstate(&self) -> SqlState {
        match self {
            Error::Wal(error) => error.sqlstate(),
            Error::Io(error) => match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => SqlState::DISK_FULL,
                io::ErrorKind::NotFound => SqlState::UNDEFINED_FILE,
                _ => SqlState::IO_ERROR,
            },
            Error::BadPage(_)
            | Error::PageAhead { .. }
            | Error::ZeroPage(_)
            | Error::PastEnd(_) => SqlState::DATA_CORRUPTED,
            Error::MissingFile(_) => SqlState::UNDEFINED_FILE,
            Error::NoBuffers => SqlState::INSUFFICIENT_RESOURCES,
            Error::TooManyPins | Error::TooLarge(_) => SqlState::PROGRAM_LIMIT_EXCEEDED,
        }
    }
}
