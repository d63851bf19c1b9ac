//! Strings with escapes, `E'…'`, whose bytes are given by number.
//!
//! The tokenizer takes `\xc3` for the character of that number. It is a byte: several may make up a
//! character, and what they make up must be UTF-8.

use types::SqlState;

use crate::error::{Error, Result};

/// The text that a literal stands for, from `E` to the closing quote; `None` if there is no byte in
/// it that is given by number, or something that the tokenizer has taken care of.
pub(super) fn decode(raw: &str) -> Result<Option<String>> {
    let Some(inside) = raw.get(2..raw.len().saturating_sub(1)) else { return Ok(None) };
    let mut bytes = Vec::with_capacity(inside.len());
    let mut rest = inside.as_bytes();
    let mut by_number = false;
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        if first == b'\'' {
            // The quotes of a string come in pairs.
            rest = rest.strip_prefix(b"'").unwrap_or(rest);
        }
        if first != b'\\' {
            bytes.push(first);
            continue;
        }
        let Some((&kind, behind)) = rest.split_first() else { return Ok(None) };
        let digits = |from: &[u8], base: u32, most: usize| {
            from.iter().take(most).take_while(|b| char::from(**b).is_digit(base)).count()
        };
        let number = |digits: &[u8], base: u32| {
            let digit = |b: &u8| char::from(*b).to_digit(base).unwrap_or(0);
            digits.iter().fold(0u32, |number, b| number * base + digit(b)) as u8
        };
        let (hex, octal) = (digits(behind, 16, 2), digits(rest, 8, 3));
        (rest, by_number) = match kind {
            b'x' if hex > 0 => {
                bytes.push(number(&behind[..hex], 16));
                (&behind[hex..], true)
            }
            _ if octal > 0 => {
                bytes.push(number(&rest[..octal], 8));
                (&rest[octal..], true)
            }
            b'u' | b'U' => return Ok(None),
            _ => {
                let escapes = [(b'b', 8), (b'f', 12), (b'n', b'\n'), (b'r', b'\r'), (b't', b'\t')];
                let meant = escapes.iter().find(|(letter, _)| *letter == kind);
                bytes.push(meant.map_or(kind, |(_, meant)| *meant));
                (behind, by_number)
            }
        };
    }
    if !by_number {
        return Ok(None);
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(invalid(&bytes[at..=at]));
    }
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let from = error.utf8_error().valid_up_to();
        let bytes = &error.as_bytes()[from..];
        let length = match bytes.first() {
            Some(0xc0..=0xdf) => 2,
            Some(0xe0..=0xef) => 3,
            Some(0xf0..=0xf7) => 4,
            _ => 1,
        };
        invalid(&bytes[..bytes.len().min(length)])
    })
}

/// `22021`
fn invalid(bytes: &[u8]) -> Error {
    let shown: Vec<String> = bytes.iter().map(|byte| format!("0x{byte:02x}")).collect();
    let message = format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" "));
    Error::new(SqlState::CHARACTER_NOT_IN_REPERTOIRE, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_given_by_number_make_up_characters() {
        let text = |raw: &str| decode(raw).expect(raw);
        assert_eq!(text(r"E'\xc3\xa9\303\251'").as_deref(), Some("éé"));
        assert_eq!(text(r"e'a\x41g\'\n\\''\101z'").as_deref(), Some("aAg'\n\\'Az"));
        assert_eq!(text(r"E'\x4'").as_deref(), Some("\u{4}"));
        assert_eq!(text(r"E'a\nb'"), None, "the tokenizer's is right");
        assert_eq!(text(r"E'\u00e9'"), None);
        assert_eq!(text("E"), None);
    }

    #[test]
    fn what_is_no_utf_8_is_refused_as_postgresql_refuses_it() {
        for (raw, shown) in [
            (r"E'\xff'", "0xff"),
            (r"E'ab\xc3('", "0xc3 0x28"),
            (r"E'\xe2\x82'", "0xe2 0x82"),
            (r"E'\0'", "0x00"),
            (r"E'a\x00'", "0x00"),
        ] {
            let error = decode(raw).expect_err(raw);
            assert_eq!(error.sqlstate(), Some(SqlState::CHARACTER_NOT_IN_REPERTOIRE), "{raw}");
            assert!(error.to_string().ends_with(&format!("\"UTF8\": {shown}")), "{error}");
        }
    }
}
