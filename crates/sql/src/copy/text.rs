//! COPY's text format.
//!
//! On the way in `\b \f \n \r \t \v` are the control characters of C, `\ooo` and `\xhh` bytes, and
//! a backslash before anything else stands for that. The representation of NULL is compared before
//! escapes are taken away, so `\N` is NULL and `\\N` is a text.

use super::Fields;
use super::options::CopyOptions;

/// Decodes a line.
pub(crate) fn decode(line: &str, options: &CopyOptions, fields: &mut Fields) {
    let bytes = line.as_bytes();
    if !bytes.contains(&b'\\') && !bytes.contains(&0) && options.delimiter.is_ascii() {
        return fields.take_plain(line, options.delimiter, &options.null);
    }
    fields.clear();
    let mut start = 0;
    loop {
        let end = field_end(bytes, start, options.delimiter);
        let raw = &bytes[start..end];
        if raw == options.null.as_bytes() {
            fields.end(true);
        } else {
            unescape(raw, &mut fields.bytes);
            fields.end(false);
        }
        if end >= bytes.len() {
            return;
        }
        start = end + 1;
    }
}

/// Where the value that begins at `start` ends: at a delimiter that no backslash precedes.
fn field_end(bytes: &[u8], start: usize, delimiter: u8) -> usize {
    let mut at = start;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b if b == delimiter => return at,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some(place) = rest.iter().position(|b| *b == b'\\') {
        out.extend_from_slice(&rest[..place]);
        let (byte, used) = escape(&rest[place + 1..]);
        out.push(byte);
        rest = &rest[place + 1 + used..];
    }
    out.extend_from_slice(rest);
}

/// The byte that what stands behind a backslash means, and how many bytes of it were used.
fn escape(behind: &[u8]) -> (u8, usize) {
    let octal = |b: &&u8| (b'0'..=b'7').contains(*b);
    match behind.first() {
        // A backslash at the end of the line stands for itself.
        None => (b'\\', 0),
        Some(b'b') => (8, 1),
        Some(b'f') => (12, 1),
        Some(b'n') => (b'\n', 1),
        Some(b'r') => (b'\r', 1),
        Some(b't') => (b'\t', 1),
        Some(b'v') => (11, 1),
        Some(b'0'..=b'7') => {
            let digits = behind.iter().take(3).take_while(octal).count();
            let value = behind[..digits]
                .iter()
                .fold(0u32, |value, digit| value * 8 + u32::from(digit - b'0'));
            (value as u8, digits)
        }
        Some(b'x') => {
            let digits = behind[1..].iter().take(2).take_while(|b| b.is_ascii_hexdigit()).count();
            if digits == 0 {
                return (b'x', 1);
            }
            let value = behind[1..=digits].iter().fold(0u32, |value, digit| {
                value * 16 + char::from(*digit).to_digit(16).unwrap_or(0)
            });
            (value as u8, 1 + digits)
        }
        Some(other) => (*other, 1),
    }
}

/// Appends a value to a line.
pub(crate) fn encode(value: &str, options: &CopyOptions, line: &mut String) {
    for c in value.chars() {
        let letter = match c {
            '\u{8}' => 'b',
            '\u{c}' => 'f',
            '\n' => 'n',
            '\r' => 'r',
            '\t' => 't',
            '\u{b}' => 'v',
            '\\' => '\\',
            c if c == char::from(options.delimiter) => c,
            c => {
                line.push(c);
                continue;
            }
        };
        line.push('\\');
        line.push(letter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(line: &str) -> Vec<Option<String>> {
        let mut fields = Fields::default();
        decode(line, &CopyOptions::default(), &mut fields);
        (0..fields.len())
            .map(|place| fields.get(place).expect("valid").map(str::to_owned))
            .collect()
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn escapes_and_nulls() {
        assert_eq!(decoded("a\tb\\tc\t\\N"), [some("a"), some("b\tc"), None]);
        assert_eq!(decoded("\\\\N\t\\x41\\102\t\\q"), [some("\\N"), some("AB"), some("q")]);
        assert_eq!(decoded(""), [some("")]);
        assert_eq!(decoded("\t"), [some(""), some("")]);
        assert_eq!(decoded("a\\\tb"), [some("a\tb")]);
        assert_eq!(decoded("end\\"), [some("end\\")]);
        assert_eq!(decoded("ä\tb\t"), [some("ä"), some("b"), some("")]);
        let mut fields = Fields::default();
        let options =
            CopyOptions { null: String::new(), delimiter: b'|', ..CopyOptions::default() };
        decode("a\\|b", &options, &mut fields);
        decode("|ä|", &options, &mut fields);
        let values: Vec<_> = (0..4).map(|place| fields.get(place).expect("valid")).collect();
        assert_eq!((values, fields.len()), (vec![None, Some("ä"), None, None], 3));
        decode("a\0b", &options, &mut fields);
        assert!(fields.get(0).is_err());
    }

    #[test]
    fn bytes_that_are_no_utf8_are_an_error() {
        let mut fields = Fields::default();
        decode("\\xff\t\\000", &CopyOptions::default(), &mut fields);
        assert!(fields.get(0).is_err());
        assert!(fields.get(1).is_err());
    }

    #[test]
    fn what_is_written_reads_back() {
        let nasty = "tab\t nl\n cr\r bs\\ N \\N \u{8}\u{b}\u{c} ä|";
        let mut line = String::new();
        encode(nasty, &CopyOptions::default(), &mut line);
        assert!(!line.contains(['\n', '\t', '\r']));
        assert_eq!(decoded(&line), [some(nasty)]);
    }
}
