//! `text`, `varchar(n)` and `char(n)`. Lengths count characters.

use types::{ColumnType, SqlState};

use super::type_name;
use crate::error::{Error, Result};

fn too_long(ty: ColumnType) -> Error {
    Error::new(
        SqlState::STRING_DATA_RIGHT_TRUNCATION,
        format!("value too long for type {}", type_name(ty)),
    )
}

/// The byte at which character number `count` begins, if there are more than `count` characters.
pub(crate) fn end_of(text: &str, count: usize) -> Option<usize> {
    if text.len() <= count {
        return None;
    }
    text.char_indices().nth(count).map(|(byte, _)| byte)
}

/// A value of `varchar(limit)`: blanks too many are dropped, anything else too long is an error,
/// unless the cast was explicit; then it is cut.
pub(crate) fn varchar(text: &str, limit: Option<u32>, explicit: bool) -> Result<String> {
    let end = limit.and_then(|limit| end_of(text, limit as usize));
    match end {
        None => Ok(text.to_owned()),
        Some(end) if explicit || text[end..].bytes().all(|b| b == b' ') => {
            Ok(text[..end].to_owned())
        }
        Some(_) => Err(too_long(ColumnType::Varchar(limit))),
    }
}

/// A value of `char(length)`: padded with blanks; too long as in [`varchar`]. Length 0 is one of
/// no given length: nothing is padded.
pub(crate) fn bpchar(text: &str, length: u32, explicit: bool) -> Result<String> {
    if length == 0 {
        return Ok(text.to_owned());
    }
    if let Some(end) = end_of(text, length as usize) {
        if !explicit && !text[end..].bytes().all(|b| b == b' ') {
            return Err(too_long(ColumnType::Bpchar(length)));
        }
        return Ok(text[..end].to_owned());
    }
    let missing = length as usize - text.chars().count();
    let mut padded = String::with_capacity(text.len() + missing);
    padded.push_str(text);
    padded.extend(std::iter::repeat_n(' ', missing));
    Ok(padded)
}

/// What a `char(n)` means: blanks at its end do not count.
pub(crate) fn trim_blanks(text: &str) -> &str {
    text.trim_end_matches(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_characters_not_bytes() {
        assert_eq!(varchar("äöü", Some(3), false).expect("three"), "äöü");
        assert_eq!(bpchar("ä", 3, false).expect("padded"), "ä  ");
        assert!(varchar("äöüx", Some(3), false).is_err());
    }

    #[test]
    fn only_blanks_are_dropped_unless_asked() {
        assert_eq!(varchar("ab  ", Some(2), false).expect("blanks"), "ab");
        assert_eq!(varchar("abcd", Some(2), true).expect("explicit"), "ab");
        assert_eq!(bpchar("abcd", 2, true).expect("explicit"), "ab");
        assert!(bpchar("abcd", 2, false).is_err());
    }
}
