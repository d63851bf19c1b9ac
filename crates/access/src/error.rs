//! What can go wrong in tables and their files.

use types::{BufferTag, ColumnType, Diagnostic, Severity, SqlState, TupleId};

use crate::tuple::{MAX_TUPLE_SIZE, Malformed};

/// An error of this room.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A page could not be had or changed.
    #[error(transparent)]
    Buffer(#[from] buffer::Error),
    /// The log could not be read or written.
    #[error(transparent)]
    Wal(#[from] wal::Error),
    /// A transaction could not begin, wait or go on.
    #[error(transparent)]
    Txn(#[from] txn::Error),
    /// The row cannot fit into a page.
    #[error("row is too big: size {size}, maximum size {MAX_TUPLE_SIZE}")]
    RowTooLarge {
        /// Bytes the row would take.
        size: usize,
    },
    /// The executor handed in a row of another shape than the table's.
    #[error("row has {values} values for {columns} columns")]
    Shape {
        /// Values handed in.
        values: usize,
        /// Columns of the table.
        columns: usize,
    },
    /// The executor handed in a value that the column cannot hold.
    #[error("value cannot be stored in a column of type {}", .0.internal_name())]
    NotStorable(ColumnType),
    /// A row version's bytes make no sense.
    #[error("invalid row version at line pointer {offset} of {tag}: {what}")]
    BadTuple {
        /// The page.
        tag: BufferTag,
        /// The line pointer, from 1.
        offset: u16,
        /// What is wrong.
        what: Malformed,
    },
    /// Under repeatable read: another transaction has changed the row since the snapshot was taken.
    #[error("could not serialize access due to concurrent update")]
    ConcurrentUpdate,
    /// Under repeatable read: another transaction has deleted the row since the snapshot was taken.
    #[error("could not serialize access due to concurrent delete")]
    ConcurrentDelete,
    /// A statement wants to change a row version that it cannot have seen.
    #[error("attempted to change invisible row version {0}")]
    Invisible(TupleId),
}

impl Diagnostic for Error {
    fn severity(&self) -> Severity {
        match self {
            Error::Buffer(error) => error.severity(),
            Error::Wal(error) => error.severity(),
            Error::Txn(error) => error.severity(),
            _ => Severity::Error,
        }
    }

    fn sqlstate(&self) -> SqlState {
        match self {
            Error::Buffer(error) => error.sqlstate(),
            Error::Wal(error) => error.sqlstate(),
            Error::Txn(error) => error.sqlstate(),
            Error::RowTooLarge { .. } => SqlState::PROGRAM_LIMIT_EXCEEDED,
            Error::NotStorable(_) => SqlState::FEATURE_NOT_SUPPORTED,
            Error::BadTuple { .. } => SqlState::DATA_CORRUPTED,
            Error::ConcurrentUpdate | Error::ConcurrentDelete => SqlState::SERIALIZATION_FAILURE,
            Error::Shape { .. } | Error::Invisible(_) => SqlState::INTERNAL_ERROR,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Error::Buffer(error) => error.detail(),
            Error::Wal(error) => error.detail(),
            Error::Txn(error) => error.detail(),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Buffer(error) => error.hint(),
            Error::Wal(error) => error.hint(),
            Error::Txn(error) => error.hint(),
            _ => None,
        }
    }
}
