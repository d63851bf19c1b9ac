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

/// The values of one line, decoded, in one buffer that is used again.
#[derive(Default, Debug)]
pub(crate) struct Fields {
    bytes: Vec<u8>,
    ends: Vec<(usize, bool)>,
}

impl Fields {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
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
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before].0);
        match std::str::from_utf8(&self.bytes[start..end]) {
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
