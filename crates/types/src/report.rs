//! How an error is reported: its severity, its SQLSTATE, and what helps the one who reads it.

use crate::SqlState;

/// What must happen because of an error, not how bad it feels.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// The transaction aborts; the session goes on.
    Error,
    /// The session ends.
    Fatal,
    /// The process ends, shared memory is reset and recovery runs.
    Panic,
}

/// What every room's error can tell; only the backend renders it for a client.
pub trait Diagnostic: std::error::Error {
    /// What must happen.
    fn severity(&self) -> Severity {
        Severity::Error
    }
    /// The five-character code of the condition.
    fn sqlstate(&self) -> SqlState;
    /// A second sentence with the particulars.
    fn detail(&self) -> Option<String> {
        None
    }
    /// What the reader could do.
    fn hint(&self) -> Option<String> {
        None
    }
    /// Where in the statement, in characters from 1.
    fn position(&self) -> Option<usize> {
        None
    }
}
