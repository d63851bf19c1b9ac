//! LIKE: `%` is any text, `_` any character, an escape takes the next one literally.
//!
//! The match backtracks to the last `%` only, so it takes at most the product of the two lengths.

use types::SqlState;

use crate::error::{Error, Result};
use crate::interrupts;

/// Steps of a match between two looks for interrupts: a long text and pattern take minutes.
const STEPS_PER_CHECK: u32 = 1 << 16;

fn dangling_escape() -> Error {
    Error::new(SqlState::INVALID_ESCAPE_SEQUENCE, "LIKE pattern must not end with escape character")
}

/// One step of a pattern.
#[derive(Clone, Copy, PartialEq)]
enum Step {
    AnyText,
    AnyChar,
    Char(char),
}

/// The step at the beginning of a pattern, and what follows it.
fn step(pattern: &str) -> Result<Option<(Step, &str)>> {
    let mut chars = pattern.chars();
    Ok(match chars.next() {
        None => None,
        Some('%') => Some((Step::AnyText, chars.as_str())),
        Some('_') => Some((Step::AnyChar, chars.as_str())),
        Some('\\') => match chars.next() {
            Some(c) => Some((Step::Char(c), chars.as_str())),
            None => return Err(dangling_escape()),
        },
        Some(c) => Some((Step::Char(c), chars.as_str())),
    })
}

/// Whether a text matches a pattern whose escape is the backslash.
pub(crate) fn matches(text: &str, pattern: &str) -> Result<bool> {
    let (mut text, mut pattern) = (text, pattern);
    // Where to go on if the rest does not match: behind the last `%`, one character later.
    let mut retry: Option<(&str, &str)> = None;
    let mut steps: u32 = 0;
    loop {
        steps = steps.wrapping_add(1);
        if steps.is_multiple_of(STEPS_PER_CHECK) {
            interrupts::check()?;
        }
        let mut chars = text.chars();
        let first = chars.next();
        if first.is_none() {
            return Ok(pattern.bytes().all(|b| b == b'%'));
        }
        let fits = match step(pattern)? {
            Some((Step::AnyText, rest)) => {
                if rest.is_empty() {
                    return Ok(true);
                }
                retry = Some((text, rest));
                pattern = rest;
                continue;
            }
            Some((Step::AnyChar, rest)) => Some(rest),
            Some((Step::Char(c), rest)) if first == Some(c) => Some(rest),
            _ => None,
        };
        match (fits, retry) {
            (Some(rest), _) => {
                text = chars.as_str();
                pattern = rest;
            }
            (None, Some((from, rest))) => {
                let mut later = from.chars();
                later.next();
                retry = Some((later.as_str(), rest));
                text = later.as_str();
                pattern = rest;
            }
            (None, None) => return Ok(false),
        }
    }
}

/// The same pattern with the backslash as its escape; `escape` is one character or empty.
pub(crate) fn with_backslash(pattern: &str, escape: &str) -> Result<String> {
    let mut chars = escape.chars();
    let escape = chars.next();
    if chars.next().is_some() {
        return Err(Error::new(SqlState::INVALID_ESCAPE_SEQUENCE, "invalid escape string")
            .hint("Escape string must be empty or one character."));
    }
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        if Some(c) == escape {
            out.push('\\');
            match rest.next() {
                Some(next) => out.push(next),
                None => return Err(dangling_escape()),
            }
        } else {
            if c == '\\' {
                out.push('\\');
            }
            out.push(c);
        }
    }
    Ok(out)
}

/// The text that everything begins with that matches a pattern, and whether it is all of it. `None`:
/// the pattern is in error.
pub(crate) fn prefix(pattern: &str) -> Option<(String, bool)> {
    let (mut prefix, mut rest) = (String::new(), pattern);
    loop {
        match step(rest).ok()? {
            Some((Step::Char(c), behind)) => {
                prefix.push(c);
                rest = behind;
            }
            Some((Step::AnyText | Step::AnyChar, _)) => return Some((prefix, false)),
            None => return Some((prefix, true)),
        }
    }
}

/// The first text behind all those that begin with `prefix`; `None`: there is none.
pub(crate) fn behind(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // The next character, past the gap that is none.
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'),
            last => char::from_u32(last as u32 + 1),
        };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (text, pattern, expected) in [
            ("abc", "abc", true),
            ("abc", "a%", true),
            ("abc", "_b_", true),
            ("abc", "%b%", true),
            ("abc", "%b", false),
            ("", "%", true),
            ("", "_", false),
            ("aXbXc", "a%X_", true),
            ("a%c", "a\\%c", true),
            ("abc", "a\\%c", false),
            ("häß", "h__", true),
            ("aaaaaaaaab", "%a%a%a%b", true),
        ] {
            assert_eq!(matches(text, pattern).expect(pattern), expected, "{text} LIKE {pattern}");
        }
        assert!(matches("ab", "a\\").is_err());
        // As in PostgreSQL the pattern's end is not looked at once the text is used up.
        assert!(!matches("a", "a\\").expect("not reached"));
    }

    #[test]
    fn a_long_text_with_many_wildcards_ends_soon() {
        let text = "a".repeat(5_000);
        let pattern = "%a".repeat(50) + "b";
        assert!(!matches(&text, &pattern).expect("ends"));
    }

    #[test]
    fn other_escapes_become_backslashes() {
        assert_eq!(with_backslash("a#%b\\", "#").expect("good"), "a\\%b\\\\");
        assert_eq!(with_backslash("a\\b", "").expect("none"), "a\\\\b");
        assert!(with_backslash("a", "ab").is_err());
        assert!(with_backslash("a#", "#").is_err());
    }

    #[test]
    fn patterns_begin_with_a_text() {
        assert_eq!(prefix("abc%"), Some(("abc".to_owned(), false)));
        assert_eq!(prefix("a\\%b_c"), Some(("a%b".to_owned(), false)));
        assert_eq!(prefix("abc"), Some(("abc".to_owned(), true)));
        assert_eq!(prefix("%a"), Some((String::new(), false)));
        assert_eq!(prefix("a\\"), None);
    }

    #[test]
    fn the_text_behind_a_prefix_is_the_least_greater_one() {
        assert_eq!(behind("abc").as_deref(), Some("abd"));
        assert_eq!(behind("a\u{10FFFF}").as_deref(), Some("b"));
        assert_eq!(behind("\u{D7FF}").as_deref(), Some("\u{E000}"));
        assert_eq!(behind("\u{10FFFF}"), None);
    }
}
