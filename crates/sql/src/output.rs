//! The seam to the client: where results go, and where COPY's data comes from.
//!
//! A session knows no protocol. The backend implements [`Output`] over its socket, and what it
//! does with a call is its protocol's matter: `columns` may be a `COLUMNS` line or a row
//! description. The order of calls for one request is
//!
//! ```text
//!  ( notice* ( columns row* | copy_out copy_row* | copy_in read_copy_line* )? ( done | error ) )*
//! ```
//!
//! and the backend ends the reply (`READY`) when `Session::execute_line` has returned.
//!
//! Invariants:
//! - Values arrive as text, without the escapes of any protocol.
//! - A call that returns [`Stop`] is the last one: the session unwinds and writes nothing more.
//! - After `copy_in`, lines are read until [`CopyLine::End`], whatever happens; only then comes
//!   `done` or `error`.

use types::ColumnType;

use crate::error::Report;

/// The client is gone, or must go: nothing can be sent to it any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Stop {
    /// The connection broke, or the server ends this session.
    #[error("the connection is closed")]
    Disconnected,
    /// An error of severity FATAL has been sent.
    #[error("the session is ended")]
    Fatal,
}

/// What an error or a notice says: severity (FATAL closes the connection), code, message, fields.
pub type ErrorReport = Report;

/// A column of a result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutputColumn {
    /// Its name, not unique.
    pub name: String,
    /// Its type; `internal_name` is what the line protocol shows.
    pub ty: ColumnType,
}

/// The form of COPY's data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CopyFormat {
    /// Values between tabs (or another delimiter), with backslash escapes. A line never holds a
    /// raw line end.
    Text,
    /// Comma-separated values. A line may hold raw line ends, tabs and backslashes.
    Csv,
}

/// What reading COPY's data gave.
#[derive(Debug)]
pub enum CopyLine<'a> {
    /// A line, without its end.
    Line(&'a str),
    /// A line that cannot be taken: too long, or not UTF-8. Reading goes on.
    Bad(Box<Report>),
    /// The end of the data has been read.
    End,
}

/// The values of one row as text, in one buffer that is used again for the next row.
#[derive(Default, Debug)]
pub struct TextRow {
    text: String,
    ends: Vec<(usize, bool)>,
}

impl TextRow {
    /// Forgets the values, keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// Adds a value that `write` appends to the text.
    pub fn push_with(&mut self, write: impl FnOnce(&mut String)) {
        write(&mut self.text);
        self.ends.push((self.text.len(), false));
    }

    /// Adds a NULL.
    pub fn push_null(&mut self) {
        self.ends.push((self.text.len(), true));
    }

    /// Bytes of memory that it keeps.
    pub fn memory(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<(usize, bool)>()
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The values in order; `None` is NULL.
    pub fn values(&self) -> impl Iterator<Item = Option<&str>> {
        let mut start = 0;
        self.ends.iter().map(move |&(end, null)| {
            let text = &self.text[start..end];
            start = end;
            (!null).then_some(text)
        })
    }
}

/// Where the results of a request go.
pub trait Output {
    /// Opens a row set.
    fn columns(&mut self, columns: &[OutputColumn]) -> Result<(), Stop>;
    /// One row of it.
    fn row(&mut self, row: &TextRow) -> Result<(), Stop>;
    /// A statement is done; `tag` is PostgreSQL's command tag.
    fn done(&mut self, tag: &str) -> Result<(), Stop>;
    /// A statement failed. With severity FATAL the session ends after it.
    fn error(&mut self, report: &ErrorReport) -> Result<(), Stop>;
    /// Something worth knowing.
    fn notice(&mut self, report: &ErrorReport) -> Result<(), Stop>;
    /// Opens COPY … TO STDOUT of that many columns.
    fn copy_out(&mut self, format: CopyFormat, columns: usize) -> Result<(), Stop>;
    /// One line of it, in COPY's form, without its end.
    fn copy_row(&mut self, line: &str) -> Result<(), Stop>;
    /// Asks the client for the data of COPY … FROM STDIN.
    fn copy_in(&mut self, format: CopyFormat, columns: usize) -> Result<(), Stop>;
    /// Reads one line of it.
    fn read_copy_line(&mut self) -> Result<CopyLine<'_>, Stop>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_row_tells_null_from_empty() {
        let mut row = TextRow::default();
        for _ in 0..2 {
            row.clear();
            row.push_with(|text| text.push('a'));
            row.push_null();
            row.push_with(|_| {});
            let values: Vec<_> = row.values().collect();
            assert_eq!(values, [Some("a"), None, Some("")]);
        }
    }
}
