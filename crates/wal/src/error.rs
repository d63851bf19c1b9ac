//! What can go wrong with the log, short of what ends the process.

use std::io;

use types::{Diagnostic, Lsn, SqlState};

/// An error of the log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the log or the control file could not be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// No room for the next segment: the statement fails before it changes anything.
    #[error("could not make room in the write-ahead log: {0}")]
    NoRoom(io::Error),
    /// Someone asked for a flush of a position that was never written: a damaged page LSN.
    #[error("log flush request {asked} is past the end of the log at {end}")]
    FlushPastEnd {
        /// The position asked for.
        asked: Lsn,
        /// The end of what has been inserted.
        end: Lsn,
    },
    /// A record would be larger than the log's format allows.
    #[error("log record of {0} bytes exceeds the maximum of {max} bytes", max = crate::record::MAX_RECORD)]
    RecordTooLarge(u64),
    /// The bytes of a record contradict its own lengths although its checksum is right.
    #[error("invalid log record at {lsn}: {why}")]
    InvalidRecord {
        /// Where the record starts.
        lsn: Lsn,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The log ends although something proves that it had been durable further on.
    #[error(
        "the write-ahead log ends at {end} ({why}, in pg_wal/{segment}), but had been durable up to {proven}: the log is damaged"
    )]
    DurableGap {
        /// Where the last valid record ends.
        end: Lsn,
        /// What was found there.
        why: String,
        /// The segment in which it was found.
        segment: String,
        /// Up to where the log is known to have been durable.
        proven: Lsn,
    },
    /// The log ends in a way that no crash explains.
    #[error("the write-ahead log ends at {end} ({why}: pg_wal/{segment}): the log is damaged")]
    DamagedLog {
        /// Where the last valid record ends.
        end: Lsn,
        /// What was found there.
        why: String,
        /// The segment in which it was found.
        segment: String,
    },
    /// A file of the log holds another segment than its name says.
    #[error("pg_wal/{segment} holds the log of segment {holds}: the log is damaged")]
    SwappedSegment {
        /// The file's name.
        segment: String,
        /// The name that would be right.
        holds: String,
    },
    /// The control file holds no valid copy.
    #[error("{path}: {why}")]
    ControlFile {
        /// The control file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Diagnostic for Error {
    fn sqlstate(&self) -> SqlState {
        match self {
            Error::Io(error) | Error::NoRoom(error) => io_state(error),
            Error::RecordTooLarge(_) => SqlState::PROGRAM_LIMIT_EXCEEDED,
            Error::FlushPastEnd { .. }
            | Error::InvalidRecord { .. }
            | Error::DurableGap { .. }
            | Error::DamagedLog { .. }
            | Error::SwappedSegment { .. }
            | Error::ControlFile { .. } => SqlState::DATA_CORRUPTED,
        }
    }
}

fn io_state(error: &io::Error) -> SqlState {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => SqlState::DISK_FULL,
        io::ErrorKind::NotFound => SqlState::UNDEFINED_FILE,
        _ => SqlState::IO_ERROR,
    }
}

/// Ends the process because the log can't be trusted any more: the postmaster then resets shared
/// memory and recovers from what is truly on disk. A failed write or sync is never retried.
pub fn panic_exit(what: &str, error: &dyn std::fmt::Display) -> ! {
    tracing::error!(severity = "PANIC", "{what}: {error}");
    std::process::abort()
}
