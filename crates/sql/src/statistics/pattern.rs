//! A LIKE pattern, taken apart for an estimate: what every match begins with, and how much the rest
//! lets through.

/// How likely a character that is given matches.
const GIVEN: f64 = 0.2;
/// How likely `_` matches.
const ANY: f64 = 0.9;
/// How much more `%` lets through.
const WILD: f64 = 5.0;

/// A pattern taken apart.
#[derive(PartialEq, Debug)]
pub(super) struct Pattern {
    /// What every match begins with.
    pub prefix: String,
    /// Whether the prefix is all there is.
    pub exact: bool,
    /// Which share of the values with that prefix matches.
    pub rest: f64,
}

/// Takes a pattern apart.
pub(super) fn split(pattern: &str) -> Pattern {
    let mut prefix = String::new();
    let mut rest = 1.0;
    let mut fixed = true;
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' => rest *= if fixed { 1.0 } else { WILD },
            '_' => rest *= ANY,
            c => {
                let given = if c == '\\' { chars.next().unwrap_or(c) } else { c };
                if fixed {
                    prefix.push(given);
                    continue;
                }
                rest *= GIVEN;
            }
        }
        fixed = false;
    }
    Pattern { prefix, exact: fixed, rest: f64::min(rest, 1.0) }
}

/// The least text that is greater than all that begin with the prefix; `None`: there is none.
pub(super) fn after(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // The next code point, over the gap that is no character.
        let next =
            char::from_u32(last as u32 + 1).or_else(|| (last < '\u{E000}').then_some('\u{E000}'));
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
    fn patterns_come_apart() {
        let exact = split("a\\%b");
        assert_eq!((exact.prefix.as_str(), exact.exact, exact.rest), ("a%b", true, 1.0));
        let begins = split("abc%");
        assert_eq!((begins.prefix.as_str(), begins.exact, begins.rest), ("abc", false, 1.0));
        let middle = split("%abc%");
        assert_eq!(middle.prefix, "");
        assert!((middle.rest - 0.2 * 0.2 * 0.2 * 5.0).abs() < 1e-12);
        assert_eq!(split("a_").rest, 0.9);
        assert!(split("").exact);
    }

    #[test]
    fn what_comes_after_a_prefix() {
        assert_eq!(after("ab").as_deref(), Some("ac"));
        assert_eq!(after("a\u{10FFFF}").as_deref(), Some("b"));
        assert_eq!(after("\u{D7FF}").as_deref(), Some("\u{E000}"));
        assert_eq!(after(""), None);
    }
}
