//! COPY's CSV format.
//!
//! A value without quotes that is the representation of NULL (by default nothing) is NULL; with
//! quotes it is a text. A value in quotes may go on over line ends.

use super::options::CopyOptions;
use super::{Fields, bad_format};
use crate::error::Result;

/// Whether a line, begun inside of quotes or not, ends inside of quotes.
pub(crate) fn ends_in_quotes(line: &str, options: &CopyOptions, begun_inside: bool) -> bool {
    let mut inside = begun_inside;
    let mut bytes = line.bytes().peekable();
    while let Some(byte) = bytes.next() {
        let escapes = inside && byte == options.escape && options.escape != options.quote;
        if escapes
            && bytes.peek().is_some_and(|next| *next == options.quote || *next == options.escape)
        {
            bytes.next();
        } else if byte == options.quote {
            // A doubled quote turns twice, which changes nothing.
            inside = !inside;
        }
    }
    inside
}

/// Decodes a record, which may hold line ends inside of quotes. `force_not_null` and `force_null`
/// are asked by the place of a value.
pub(crate) fn decode(
    record: &str,
    options: &CopyOptions,
    force_not_null: &dyn Fn(usize) -> bool,
    force_null: &dyn Fn(usize) -> bool,
    fields: &mut Fields,
) -> Result<()> {
    fields.clear();
    let bytes = record.as_bytes();
    let mut at = 0;
    loop {
        let place = fields.len();
        let start = fields.bytes.len();
        let (next, quoted) = decode_field(bytes, at, options, fields)?;
        let is_null_text = &fields.bytes[start..] == options.null.as_bytes();
        let null = is_null_text && if quoted { force_null(place) } else { !force_not_null(place) };
        if null {
            fields.bytes.truncate(start);
        }
        fields.end(null);
        match next {
            Some(next) => at = next,
            None => return Ok(()),
        }
    }
}

/// Decodes the value that begins at `at`; answers where the next begins, and whether there were
/// quotes.
fn decode_field(
    bytes: &[u8],
    mut at: usize,
    options: &CopyOptions,
    fields: &mut Fields,
) -> Result<(Option<usize>, bool)> {
    let (mut inside, mut quoted) = (false, false);
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        if inside {
            let escaped = next.filter(|next| *next == options.quote || *next == options.escape);
            match escaped {
                Some(escaped) if byte == options.escape => {
                    fields.bytes.push(escaped);
                    at += 1;
                }
                _ if byte == options.quote => inside = false,
                _ => fields.bytes.push(byte),
            }
        } else if byte == options.delimiter {
            return Ok((Some(at + 1), quoted));
        } else if byte == options.quote {
            inside = true;
            quoted = true;
        } else {
            fields.bytes.push(byte);
        }
        at += 1;
    }
    if inside {
        return Err(bad_format("unterminated CSV quoted field"));
    }
    Ok((None, quoted))
}

/// Appends a value to a line, in quotes if it must be or is to be; `alone` says that the line has
/// one value only, which must not look like the end of the data.
pub(crate) fn encode(
    value: &str,
    options: &CopyOptions,
    force: bool,
    alone: bool,
    line: &mut String,
) {
    let special = |b: u8| b == options.delimiter || b == options.quote || b == b'\n' || b == b'\r';
    let must =
        force || value == options.null || (alone && value == "\\.") || value.bytes().any(special);
    if !must {
        line.push_str(value);
        return;
    }
    let quote = char::from(options.quote);
    line.push(quote);
    for c in value.chars() {
        if c == quote || c == char::from(options.escape) {
            line.push(char::from(options.escape));
        }
        line.push(c);
    }
    line.push(quote);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv() -> CopyOptions {
        CopyOptions::csv()
    }

    fn decoded(record: &str) -> Vec<Option<String>> {
        let mut fields = Fields::default();
        decode(record, &csv(), &|_| false, &|_| false, &mut fields).expect(record);
        (0..fields.len())
            .map(|place| fields.get(place).expect("valid").map(str::to_owned))
            .collect()
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn quotes_and_nulls() {
        assert_eq!(decoded("a,,\"\""), [some("a"), None, some("")]);
        assert_eq!(decoded("\"a,b\",\"say \"\"x\"\"\""), [some("a,b"), some("say \"x\"")]);
        assert_eq!(decoded("a\"b,c\"d"), [some("ab,cd")]);
        assert_eq!(decoded("\"two\nlines\""), [some("two\nlines")]);
        assert_eq!(decoded(""), [None]);
        let mut fields = Fields::default();
        let open = decode("\"a", &csv(), &|_| false, &|_| false, &mut fields);
        assert_eq!(open.expect_err("open").sqlstate().expect("report").as_str(), "22P04");
    }

    #[test]
    fn forced_nulls_and_texts() {
        let mut fields = Fields::default();
        decode(",\"\"", &csv(), &|place| place == 0, &|place| place == 1, &mut fields)
            .expect("good");
        assert_eq!(fields.get(0).expect("valid"), Some(""));
        assert_eq!(fields.get(1).expect("valid"), None);
    }

    #[test]
    fn lines_are_joined_while_a_quote_is_open() {
        assert!(ends_in_quotes("a,\"b", &csv(), false));
        assert!(!ends_in_quotes("c\",d", &csv(), true));
        assert!(!ends_in_quotes("\"a\"\"b\"", &csv(), false));
        let backslash = CopyOptions { escape: b'\\', ..csv() };
        assert!(ends_in_quotes("\"a\\\"", &backslash, false));
    }

    #[test]
    fn what_is_written_reads_back() {
        for value in ["plain", "a,b", "q\"q", "l1\nl2", "", "\\.", " x "] {
            let mut line = String::new();
            encode(value, &csv(), false, true, &mut line);
            assert_eq!(decoded(&line), [some(value)], "{line}");
        }
    }
}
