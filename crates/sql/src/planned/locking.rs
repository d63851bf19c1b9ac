//! The rows that a query locks: how strongly, and what if somebody else has.

use txn::RowLockMode;

/// How the rows of a query are locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Locking {
    /// How strongly.
    pub mode: RowLockMode,
    /// What happens if somebody holds one.
    pub wait: RowWait,
}

/// What happens if somebody holds a row that is to be locked; of several clauses the last counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RowWait {
    /// It is waited for.
    Block,
    /// SKIP LOCKED: the row is left out.
    Skip,
    /// NOWAIT: an error.
    Error,
}
