//! The escapes of values, names and messages: those of COPY's text format.
//!
//! ```text
//!  tab  \t     newline  \n     carriage return  \r     backslash  \\     NULL  \N alone
//! ```
//!
//! Reading back takes what COPY takes besides: `\b \f \v`, one to three octal digits, `\x` and one
//! or two hexadecimal ones; any other character after a backslash stands for itself.

use std::borrow::Cow;

/// Texts shorter than this are searched byte by byte: a call of memchr costs more.
const SHORT: usize = 16;

/// Appends the text with its escapes.
pub fn escape_into(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while let Some(at) = special(rest) {
        let letter = match rest[at] {
            b'\t' => b't',
            b'\n' => b'n',
            b'\r' => b'r',
            _ => b'\\',
        };
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(&[b'\\', letter]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Where the first byte stands that needs an escape.
fn special(bytes: &[u8]) -> Option<usize> {
    let is_special = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | b'\\');
    if bytes.len() < SHORT {
        return bytes.iter().position(is_special);
    }
    let at = memchr::memchr3(b'\t', b'\n', b'\\', bytes);
    memchr::memchr(b'\r', &bytes[..at.unwrap_or(bytes.len())]).or(at)
}

/// Takes the escapes out of a field. `None` is NULL: `\N` alone.
///
/// The result is bytes: octal and hexadecimal escapes can spell what is not UTF-8.
pub fn unescape(field: &str) -> Option<Cow<'_, [u8]>> {
    if field == "\\N" {
        return None;
    }
    let bytes = field.as_bytes();
    let Some(mut at) = memchr::memchr(b'\\', bytes) else { return Some(Cow::Borrowed(bytes)) };
    let mut out = bytes[..at].to_vec();
    while at < bytes.len() {
        if bytes[at] != b'\\' || at + 1 == bytes.len() {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        let (byte, used) = escaped(&bytes[at + 1..]);
        out.push(byte);
        at += 1 + used;
    }
    Some(Cow::Owned(out))
}

/// The byte that is meant by what follows a backslash, and how many bytes spell it.
fn escaped(rest: &[u8]) -> (u8, usize) {
    match rest[0] {
        b't' => (b'\t', 1),
        b'n' => (b'\n', 1),
        b'r' => (b'\r', 1),
        b'b' => (8, 1),
        b'f' => (12, 1),
        b'v' => (11, 1),
        b'0'..=b'7' => digits(rest, 8, 3),
        b'x' if rest.get(1).is_some_and(u8::is_ascii_hexdigit) => {
            let (byte, used) = digits(&rest[1..], 16, 2);
            (byte, used + 1)
        }
        other => (other, 1),
    }
}

/// The number that up to `most` digits spell, cut to a byte as PostgreSQL does.
fn digits(bytes: &[u8], radix: u32, most: usize) -> (u8, usize) {
    let mut number = 0;
    let mut used = 0;
    for digit in bytes.iter().take(most).map_while(|byte| char::from(*byte).to_digit(radix)) {
        number = number * radix + digit;
        used += 1;
    }
    ((number & 0xff) as u8, used)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn escaped_text(text: &str) -> String {
        let mut out = Vec::new();
        escape_into(text, &mut out);
        String::from_utf8(out).expect("escaping keeps UTF-8")
    }

    #[test]
    fn each_special_character_has_its_escape() {
        assert_eq!(escaped_text("a\tb\nc\rd\\e"), "a\\tb\\nc\\rd\\\\e");
        assert_eq!(
            escaped_text("long enough for memchr\r and \\N"),
            "long enough for memchr\\r and \\\\N"
        );
        assert_eq!(escaped_text(""), "");
    }

    #[test]
    fn reading_takes_what_copy_takes() {
        let bytes = |field: &str| unescape(field).map(Cow::into_owned);
        assert_eq!(bytes("\\N"), None);
        assert_eq!(bytes("\\\\N").as_deref(), Some(&b"\\N"[..]));
        assert_eq!(bytes("\\N ").as_deref(), Some(&b"N "[..]));
        assert_eq!(bytes("").as_deref(), Some(&b""[..]));
        assert_eq!(bytes("\\b\\f\\v\\q").as_deref(), Some(&b"\x08\x0c\x0bq"[..]));
        assert_eq!(bytes("\\101\\x41\\x4g\\xg").as_deref(), Some(&b"AA\x04gxg"[..]));
        assert_eq!(bytes("\\1018\\777").as_deref(), Some(&b"A8\xff"[..]));
        assert_eq!(bytes("end\\").as_deref(), Some(&b"end\\"[..]));
    }

    proptest! {
        #[test]
        fn what_is_escaped_reads_back(text in "[\\\\\t\n\rN.x0a é]{0,40}|\\PC{0,200}") {
            let escaped = escaped_text(&text);
            prop_assert!(!escaped.contains(['\t', '\n', '\r']));
            let read = unescape(&escaped).expect("not NULL");
            prop_assert_eq!(read.as_ref(), text.as_bytes());
        }

        #[test]
        fn reading_back_takes_anything(field in "\\PC*|[\\\\x0-9a-f]*") {
            let read = unescape(&field);
            prop_assert!(read.map_or(0, |bytes| bytes.len()) <= field.len());
        }
    }
}
