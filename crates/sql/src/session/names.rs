//! Names of relations in texts that functions are given.

use crate::bind::TableName;
use crate::error::{Error, Result};

/// A relation's name in a text: parts between points, quoted ones as they stand.
pub(crate) fn parse_name(text: &str) -> Result<TableName> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut quoted = false;
    let mut blank = false;
    for c in text.trim().chars() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(std::mem::take(&mut part)),
            c if quoted => part.push(c),
            c if c.is_whitespace() => blank = true,
            c => part.push(c.to_ascii_lowercase()),
        }
    }
    parts.push(part);
    if quoted || blank || parts.iter().any(String::is_empty) {
        let code = types::SqlState::INVALID_NAME;
        return Err(Error::new(code, "invalid name syntax"));
    }
    TableName::from_parts(parts, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_texts() {
        let name = parse_name(" Public.\"My.T\" ").expect("good");
        assert_eq!((name.schema.as_deref(), name.name.as_str()), (Some("public"), "My.T"));
        assert!(parse_name("a..b").is_err());
        assert!(parse_name("a b").is_err());
        assert!(parse_name("\"a").is_err());
    }
}
