//! `bytea` as text: `\x0aff`, or the older form with backslash escapes.

use types::{ColumnType, SqlState};

use super::scalar::is_space;
use super::type_name;
use crate::error::{Error, Result};

/// Reads either form.
pub(crate) fn parse(text: &str) -> Result<Vec<u8>> {
    match text.strip_prefix("\\x") {
        Some(hex) => parse_hex(hex),
        None => parse_escaped(text),
    }
}

fn hex_error(message: String) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

fn digit(c: char) -> Result<u8> {
    match c.to_digit(16) {
        Some(value) => Ok(value as u8),
        None => Err(hex_error(format!("invalid hexadecimal digit: \"{c}\""))),
    }
}

/// Pairs of digits; spaces may stand between pairs.
pub(crate) fn parse_hex(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if is_space(c) {
            continue;
        }
        let high = digit(c)?;
        let Some(low) = chars.next() else {
            return Err(hex_error("invalid hexadecimal data: odd number of digits".to_owned()));
        };
        bytes.push(high << 4 | digit(low)?);
    }
    Ok(bytes)
}

/// `\\` is a backslash, `\ooo` a byte in octal, everything else stands for itself.
pub(crate) fn parse_escaped(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first != b'\\' {
            bytes.push(first);
            rest = after;
            continue;
        }
        match after {
            [b'\\', tail @ ..] => {
                bytes.push(b'\\');
                rest = tail;
            }
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = tail;
            }
            _ => {
                return Err(Error::new(
                    SqlState::INVALID_TEXT_REPRESENTATION,
                    format!("invalid input syntax for type {}", type_name(ColumnType::Bytea)),
                ));
            }
        }
    }
    Ok(bytes)
}

/// Appends a value in the form that is asked for.
pub(crate) fn push(out: &mut String, bytes: &[u8], hex: bool) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    if hex {
        out.push_str("\\x");
        for byte in bytes {
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        return;
    }
    for &byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            0x20..=0x7e => out.push(char::from(byte)),
            _ => {
                out.push('\\');
                for shift in [6, 3, 0] {
                    out.push(char::from(b'0' + (byte >> shift & 7)));
                }
            }
        }
    }
}

/// Appends what `encode(…, 'escape')` answers: only zero bytes, high bytes and backslashes are
/// escaped.
pub(crate) fn push_escape(out: &mut String, bytes: &[u8]) {
    for &byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            1..=0x7f => out.push(char::from(byte)),
            _ => push(out, &[byte], false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_read_back() {
        let all: Vec<u8> = (0..=255).collect();
        for hex in [true, false] {
            let mut text = String::new();
            push(&mut text, &all, hex);
            assert_eq!(parse(&text).expect("own output"), all);
        }
        assert_eq!(parse("\\x 0a FF ").expect("spaces between pairs"), [10, 255]);
    }

    #[test]
    fn bad_text_is_told_apart() {
        let code = |text| parse(text).expect_err("must fail").sqlstate().expect("report");
        assert_eq!(code("\\xabc").as_str(), "22023");
        assert_eq!(code("\\xag").as_str(), "22023");
        assert_eq!(code("a\\9").as_str(), "22P02");
        assert_eq!(code("\\").as_str(), "22P02");
    }
}
