//! COPY's two formats, as pure encoders and decoders, and the options that govern them.
//!
//! | file | |
//! |---|---|
//! | `options` | the options, checked as PostgreSQL checks them |
//! | `text` | values between delimiters, with backslash escapes |
//! | `csv` | comma-separated values |
//!
//! The formats are PostgreSQL's, which differ from what general CSV libraries do: an unquoted
//! empty value is NULL, a quote may begin in the middle of a value.

pub(crate) mod csv;
pub(crate) mod options;
pub(crate) mod text;

use types::SqlState;

use crate::error::{Error, Result};

/// The values of one line, in buffers that are used again.
#[derive(Default, Debug)]
pub(crate) struct Fields {
    /// The values, decoded, one behind the other.
    bytes: Vec<u8>,
    /// Or the line as it came, where nothing is to be decoded: the values with a byte between two.
    plain: String,
    is_plain: bool,
    /// Where each value ends, and whether it is NULL.
    ends: Vec<(usize, bool)>,
}

impl Fields {
    fn clear(&mut self) {
        self.bytes.clear();
        self.plain.clear();
        self.ends.clear();
        self.is_plain = false;
    }

    /// Takes a line without escapes whole.
    fn take_plain(&mut self, line: &str, delimiter: u8, null: &str) {
        self.clear();
        self.is_plain = true;
        self.plain.push_str(line);
        let mut start = 0;
        for value in line.as_bytes().split(|byte| *byte == delimiter) {
            self.ends.push((start + value.len(), value == null.as_bytes()));
            start += value.len() + 1;
        }
    }

    fn end(&mut self, null: bool) {
        self.ends.push((self.bytes.len(), null));
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The value at a place; NULL is `None`. `22021` if escapes made it invalid UTF-8.
    pub(crate) fn get(&self, place: usize) -> Result<Option<&str>> {
        let Some((end, null)) = self.ends.get(place).copied() else { return Ok(None) };
        if null {
            return Ok(None);
        }
        let before = place.checked_sub(1).map(|before| self.ends[before].0);
        if self.is_plain {
            return Ok(Some(&self.plain[before.map_or(0, |before| before + 1)..end]));
        }
        match std::str::from_utf8(&self.bytes[before.unwrap_or(0)..end]) {
            Ok(text) if text.contains('\0') => Err(invalid_bytes()),
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(invalid_bytes()),
        }
    }
}

fn invalid_bytes() -> Error {
    let message = "invalid byte sequence for encoding \"UTF8\"";
    Error::new(SqlState::CHARACTER_NOT_IN_REPERTOIRE, message)
}

/// `22P04`
pub(crate) fn bad_format(message: impl Into<String>) -> Error {
    Error::new(SqlState::BAD_COPY_FILE_FORMAT, message)
}
