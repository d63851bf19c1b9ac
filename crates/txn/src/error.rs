//! What can go wrong with a transaction, a snapshot or a lock.

use sys::interrupt::Interrupt;
use types::{Diagnostic, Severity, SqlState, Xid};

use crate::lock::{LockMode, LockTag};

/// The result of this room's calls.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of the `txn` room.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log refused: no room on disk, or a record too large. Nothing was changed.
    #[error(transparent)]
    Wal(#[from] wal::Error),
    /// A status page could not be had.
    #[error(transparent)]
    Buffer(#[from] buffer::Error),
    /// A row names a transaction that was never begun.
    #[error("transaction {xid} has not begun yet: the next one is {next}")]
    UnknownXid {
        /// The transaction named.
        xid: Xid,
        /// The next id to be handed out.
        next: Xid,
    },
    /// A status page that the log or a row refers to contradicts itself.
    #[error("transaction status page {block} (block {block} of base/1) is damaged: {why}")]
    StatusPage {
        /// The page.
        block: u32,
        /// What is wrong with it.
        why: &'static str,
    },
    /// So many transactions began since the oldest that is still needed that the commit sequence
    /// has no place for another.
    #[error("cannot begin another writing transaction while transaction {oldest} is still needed")]
    SequenceFull {
        /// The oldest transaction that something open still needs.
        oldest: Xid,
        /// The process that holds on to it, if one was found.
        pid: Option<i32>,
    },
    /// A transaction has counted its commands to the end.
    #[error("cannot have more than 2^32-1 commands in a transaction")]
    TooManyCommands,
    /// A transaction has as many subtransactions as the record of its end can list.
    #[error(
        "cannot have more than {} subtransactions that have written in a transaction",
        crate::subtransaction::PARTS_MAX
    )]
    TooManySubtransactions,
    /// Subtransactions wrote so long after one another that the record of their end cannot name
    /// the status page of each.
    #[error("cannot begin another writing subtransaction so long after the first one")]
    SubtransactionsTooFarApart,
    /// No object identifier is left.
    #[error("out of object identifiers")]
    OutOfOids,
    /// The shared lock table is full.
    #[error("out of shared memory")]
    LockTableFull,
    /// Too many rows are locked by several transactions at once.
    #[error("out of shared memory")]
    RowLockTableFull,
    /// This process was chosen to give way in a deadlock.
    #[error("deadlock detected")]
    Deadlock {
        /// The cycle: one line for each process, in PostgreSQL's words.
        cycle: String,
    },
    /// Waiting for what one holds oneself, which no release can end.
    #[error("process waits for {tag} in mode {mode} behind itself")]
    WaitForSelf {
        /// What it waits for.
        tag: LockTag,
        /// In which mode.
        mode: LockMode,
    },
    /// The process was told to end while it waited.
    #[error("terminating connection due to administrator command")]
    Terminated,
    /// The statement was cancelled while it waited.
    #[error("canceling statement due to user request")]
    Canceled,
    /// The statement has taken longer than `statement_timeout`.
    #[error("canceling statement due to statement timeout")]
    StatementTimeout,
    /// A lock was waited for longer than `lock_timeout`.
    #[error("canceling statement due to lock timeout")]
    LockTimeout,
    /// The client is gone.
    #[error("connection to client lost")]
    ClientLost,
}

/// An error if there is a reason to stop: the process or the statement is to end, the statement has
/// taken too long, the client is gone.
pub fn check_interrupts() -> Result<()> {
    match sys::interrupt::pending() {
        None => Ok(()),
        Some(Interrupt::Terminate) => Err(Error::Terminated),
        Some(Interrupt::Cancel) => Err(Error::Canceled),
        Some(Interrupt::StatementTimeout) => Err(Error::StatementTimeout),
        Some(Interrupt::ClientLost) => Err(Error::ClientLost),
    }
}

impl Diagnostic for Error {
    fn severity(&self) -> Severity {
        match self {
            Error::Wal(error) => error.severity(),
            Error::Buffer(error) => error.severity(),
            Error::Terminated | Error::ClientLost => Severity::Fatal,
            _ => Severity::Error,
        }
    }

    fn sqlstate(&self) -> SqlState {
        match self {
            Error::Wal(error) => error.sqlstate(),
            Error::Buffer(error) => error.sqlstate(),
            Error::UnknownXid { .. } | Error::StatusPage { .. } => SqlState::DATA_CORRUPTED,
            Error::SequenceFull { .. } => SqlState::INSUFFICIENT_RESOURCES,
            Error::TooManyCommands | Error::OutOfOids | Error::TooManySubtransactions => {
                SqlState::PROGRAM_LIMIT_EXCEEDED
            }
            Error::SubtransactionsTooFarApart => SqlState::INSUFFICIENT_RESOURCES,
            Error::LockTableFull | Error::RowLockTableFull => SqlState::OUT_OF_MEMORY,
            Error::Deadlock { .. } => SqlState::DEADLOCK_DETECTED,
            Error::WaitForSelf { .. } => SqlState::INTERNAL_ERROR,
            Error::Terminated => SqlState::ADMIN_SHUTDOWN,
            Error::Canceled | Error::StatementTimeout => SqlState::QUERY_CANCELED,
            Error::LockTimeout => SqlState::LOCK_NOT_AVAILABLE,
            Error::ClientLost => SqlState::CONNECTION_FAILURE,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Error::Wal(error) => error.detail(),
            Error::Buffer(error) => error.detail(),
            Error::Deadlock { cycle } => Some(cycle.clone()),
            Error::SequenceFull { pid: Some(pid), .. } => {
                Some(format!("Process {pid} has an open transaction or snapshot that needs it."))
            }
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Wal(error) => error.hint(),
            Error::Buffer(error) => error.hint(),
            Error::SequenceFull { .. } => {
                Some("Commit or roll back the oldest open transaction.".to_owned())
            }
            Error::SubtransactionsTooFarApart => {
                Some("Commit the transaction, and go on in a new one.".to_owned())
            }
            Error::LockTableFull | Error::RowLockTableFull => {
                Some("You might need to increase max_locks_per_transaction.".to_owned())
            }
            Error::Deadlock { .. } => {
                Some("The transaction can be run again from its beginning.".to_owned())
            }
            _ => None,
        }
    }
}
