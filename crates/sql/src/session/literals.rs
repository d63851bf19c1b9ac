//! Taking the literals out of a line, so that lines that differ in nothing else share a plan.
//!
//! `UPDATE t SET n = 5 WHERE name = 'ann'` becomes the key `UPDATE t SET n = ␁i WHERE name = ␁s` and
//! the literals `5` and `'ann'`. A plan made for the key has parameters in their places.
//!
//! This reads only what it surely reads as the parser does: numbers and plain strings between
//! words, signs and quoted names. At anything else (comments, `$`, strings with a prefix, control
//! characters, a second statement) it gives up, and the line goes the long way. The key tells
//! integers of 32 bits, of 64 bits and other numbers apart, since operators depend on it.

use std::borrow::Cow;

use smallvec::SmallVec;
use types::{ColumnType, Datum};

/// Stands in a key where a literal stood; a line that holds it itself has no key.
const MARK: char = '\u{1}';
/// Statements whose plans are kept, by their first word.
const FIRST_WORDS: [&str; 6] = ["select", "insert", "update", "delete", "execute", "values"];
/// The longest line that has a key, in bytes.
const LINE_MAX: usize = 2048;

/// A literal.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal<'a> {
    /// A whole number of 32 bits.
    Int4(i32),
    /// A whole number of 64 bits.
    Int8(i64),
    /// Another number.
    Numeric(&'a str),
    /// A string.
    Text(Cow<'a, str>),
}

/// The literals of a line, in order.
pub(super) type Literals<'a> = SmallVec<[Literal<'a>; 8]>;

impl Literal<'_> {
    /// The type, but for a string, whose type depends on where it stands.
    pub(super) fn ty(&self) -> Option<ColumnType> {
        match self {
            Literal::Int4(_) => Some(ColumnType::Int4),
            Literal::Int8(_) => Some(ColumnType::Int8),
            Literal::Numeric(_) => Some(ColumnType::Numeric),
            Literal::Text(_) => None,
        }
    }

    /// The value, as far as planning asks for it: a count of rows.
    pub(super) fn hint(&self) -> Datum {
        match self {
            Literal::Int4(value) => Datum::Int4(*value),
            Literal::Int8(value) => Datum::Int8(*value),
            Literal::Numeric(_) | Literal::Text(_) => Datum::Null,
        }
    }
}

/// Writes the key of a line and answers its literals; `None` if the line has no key.
pub(super) fn take<'a>(line: &'a str, key: &mut String) -> Option<Literals<'a>> {
    key.clear();
    let line = line.trim_end_matches([' ', ';']);
    let first = line.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or("");
    if line.len() > LINE_MAX || !FIRST_WORDS.iter().any(|word| first.eq_ignore_ascii_case(word)) {
        return None;
    }
    let mut literals = Literals::new();
    let bytes = line.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let end = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => word_end(bytes, at)?,
            b'0'..=b'9' => {
                let end = number_end(bytes, at)?;
                let literal = number(&line[at..end])?;
                mark(key, &literal);
                literals.push(literal);
                at = end;
                continue;
            }
            b'\'' => {
                let (text, end) = string(line, at)?;
                let literal = Literal::Text(text);
                mark(key, &literal);
                literals.push(literal);
                at = end;
                continue;
            }
            b'"' => at + 1 + line[at + 1..].find('"')? + 1,
            b'-' if bytes.get(at + 1) == Some(&b'-') => return None,
            b'/' if bytes.get(at + 1) == Some(&b'*') => return None,
            b'&' if matches!(bytes.get(at + 1), Some(b'\'' | b'"')) => return None,
            b'.' if bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => return None,
            b' ' | b'(' | b')' | b',' | b'.' | b'=' | b'<' | b'>' | b'+' | b'-' | b'*' | b'/'
            | b'%' | b'|' | b':' | b'&' | b'!' | b'~' => at + 1,
            _ => return None,
        };
        key.push_str(&line[at..end]);
        at = end;
    }
    Some(literals)
}

fn mark(key: &mut String, literal: &Literal<'_>) {
    key.push(MARK);
    key.push(match literal {
        Literal::Int4(_) => 'i',
        Literal::Int8(_) => 'b',
        Literal::Numeric(_) => 'n',
        Literal::Text(_) => 's',
    });
}

/// Where a word ends; none if a string follows at once, for that is no plain one.
fn word_end(bytes: &[u8], start: usize) -> Option<usize> {
    let part = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80;
    let end = start + bytes[start..].iter().take_while(|b| part(b)).count();
    match bytes.get(end) {
        Some(b'\'' | b'$') => None,
        _ => Some(end),
    }
}

/// Where a number ends: digits, perhaps a point and digits.
fn number_end(bytes: &[u8], start: usize) -> Option<usize> {
    let digits = |at: usize| bytes[at..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut end = start + digits(start);
    if bytes.get(end) == Some(&b'.') {
        let decimals = digits(end + 1);
        if decimals == 0 {
            return None;
        }
        end += 1 + decimals;
    }
    match bytes.get(end) {
        Some(b) if b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'\'' | b'$') => None,
        Some(0x80..) => None,
        _ => Some(end),
    }
}

fn number(digits: &str) -> Option<Literal<'_>> {
    if digits.contains('.') {
        return Some(Literal::Numeric(digits));
    }
    match digits.parse::<i64>() {
        // With a minus before it this would be of the smaller type.
        Ok(2_147_483_648) => None,
        Ok(value) => Some(match i32::try_from(value) {
            Ok(value) => Literal::Int4(value),
            Err(_) => Literal::Int8(value),
        }),
        Err(_) if digits == "9223372036854775808" => None,
        Err(_) => Some(Literal::Numeric(digits)),
    }
}

/// The string that begins at `start`, and where it ends.
fn string(line: &str, start: usize) -> Option<(Cow<'_, str>, usize)> {
    let body = &line[start + 1..];
    let mut end = body.find('\'')?;
    let mut doubled = false;
    while body.as_bytes().get(end + 1) == Some(&b'\'') {
        doubled = true;
        end += 2 + body[end + 2..].find('\'')?;
    }
    let text = &body[..end];
    let behind = start + 1 + end + 1;
    let text = if doubled { Cow::Owned(text.replace("''", "'")) } else { Cow::Borrowed(text) };
    Some((text, behind))
}

/// The name in the key of an EXECUTE whose parameters are all literals.
pub(super) fn executed_name(key: &str) -> Option<&str> {
    let (word, rest) = key.split_at_checked(7)?;
    if !word.eq_ignore_ascii_case("execute") || !rest.starts_with(' ') {
        return None;
    }
    let (name, arguments) = rest.trim().split_once('(')?;
    let name = name.trim_end();
    let plain = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    let arguments = arguments.strip_suffix(')')?;
    let literal = |argument: &str| {
        let mut chars = argument.trim().chars();
        chars.next() == Some(MARK) && chars.next().is_some() && chars.next().is_none()
    };
    (plain && arguments.split(',').all(literal)).then_some(name)
}

/// Whether a line may be its own key: it must not look like one that was made.
pub(super) fn is_own_key(line: &str) -> bool {
    line.len() <= LINE_MAX && !line.contains(MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(line: &str) -> Option<(String, Vec<Literal<'_>>)> {
        let mut key = String::new();
        take(line, &mut key).map(|literals| (key.replace(MARK, "?"), literals.to_vec()))
    }

    #[test]
    fn literals_leave_marks_that_tell_their_kind() {
        let (key, literals) =
            taken("UPDATE t1 SET a=5, b = 'it''s' WHERE c >= 3000000000 AND d<1.50;")
                .expect("a key");
        assert_eq!(key, "UPDATE t1 SET a=?i, b = ?s WHERE c >= ?b AND d<?n");
        assert_eq!(
            literals,
            [
                Literal::Int4(5),
                Literal::Text("it's".into()),
                Literal::Int8(3_000_000_000),
                Literal::Numeric("1.50"),
            ]
        );
        let (key, literals) = taken("select \"a 1\", x2 from t where y = ''").expect("a key");
        assert_eq!(key, "select \"a 1\", x2 from t where y = ?s");
        assert_eq!(literals, [Literal::Text("".into())]);
    }

    #[test]
    fn what_may_be_read_otherwise_has_no_key() {
        for line in [
            "SELECT 1; SELECT 2",
            "SELECT E'a\\n'",
            "SELECT U&'a'",
            "SELECT b'1'",
            "SELECT 1 -- 2",
            "SELECT /* 1 */ 2",
            "SELECT $1",
            "SELECT $$a$$",
            "SELECT 1e5",
            "SELECT 1_000",
            "SELECT 0x1F",
            "SELECT .5",
            "SELECT 1.",
            "SELECT 'open",
            "SELECT \"open",
            "SELECT -2147483648",
            "SELECT -9223372036854775808",
            "SELECT \u{1}i",
            "CREATE TABLE t (a int)",
            "EXPLAIN SELECT 1",
        ] {
            assert_eq!(taken(line), None, "{line}");
        }
    }

    #[test]
    fn an_execute_with_literals_is_known_by_its_key() {
        let name = |line: &str| {
            let mut key = String::new();
            take(line, &mut key)?;
            executed_name(&key).map(str::to_owned)
        };
        assert_eq!(name("EXECUTE ins(1, 'a')").as_deref(), Some("ins"));
        assert_eq!(name("execute  p ( 1 )").as_deref(), Some("p"));
        for line in [
            "EXECUTE p",
            "EXECUTE p(null)",
            "EXECUTE p(-1)",
            "EXECUTE p(1) x",
            "EXECUTE P(1)",
            "EXECUTE p()",
        ] {
            assert_eq!(name(line), None, "{line}");
        }
    }
}
