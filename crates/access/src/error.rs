//! What can go wrong in tables and their files.

use types::{BufferTag, ColumnType, Diagnostic, Severity, SqlState, TupleId};

use crate::btree::ENTRY_SIZE_MAX;
use crate::tuple::{MAX_TUPLE_SIZE, Malformed};

const TOO_LARGE_HINT: &str = "Values larger than 1/3 of a buffer page cannot be indexed.";

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
    /// The key cannot fit into a page often enough.
    #[error(
        "index row size {size} exceeds btree version 1 maximum {ENTRY_SIZE_MAX} for index \"{index}\""
    )]
    EntryTooLarge {
        /// Bytes of the entry.
        size: usize,
        /// The index.
        index: String,
    },
    /// A page of an index makes no sense.
    #[error("index \"{index}\" is damaged at {tag}: {what}")]
    BadIndex {
        /// The index.
        index: String,
        /// The page.
        tag: BufferTag,
        /// What is wrong.
        what: Malformed,
    },
    /// The page of a sequence makes no sense.
    #[error("invalid page of a sequence at {0}")]
    BadSequence(BufferTag),
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
            Error::RowTooLarge { .. } | Error::EntryTooLarge { .. } => {
                SqlState::PROGRAM_LIMIT_EXCEEDED
            }
            Error::BadIndex { .. } => SqlState::INDEX_CORRUPTED,
            Error::NotStorable(_) => SqlState::FEATURE_NOT_SUPPORTED,
            Error::BadTuple { .. } | Error::BadSequence(_) => SqlState::DATA_CORRUPTED,
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
            Error::EntryTooLarge { .. } => Some(TOO_LARGE_HINT.to_owned()),
            Error::BadIndex { .. } => Some("Please REINDEX it.".to_owned()),
            _ => None,
        }
    }
}
