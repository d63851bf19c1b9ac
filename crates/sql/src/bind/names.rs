//! Identifiers: unquoted ones are folded to lower case.

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use crate::error::{Error, Result};

/// The name that an identifier means.
pub(crate) fn fold(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_ascii_lowercase(),
    }
}

/// PostgreSQL's reserved words, which name a column or table only in quotes. sqlparser lets many
/// of them pass.
const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "constraint",
    "create",
    "current_catalog",
    "current_date",
    "current_role",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "from",
    "grant",
    "group",
    "having",
    "in",
    "initially",
    "intersect",
    "into",
    "lateral",
    "leading",
    "limit",
    "localtime",
    "localtimestamp",
    "not",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "placing",
    "primary",
    "references",
    "returning",
    "select",
    "session_user",
    "some",
    "symmetric",
    "table",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "when",
    "where",
    "window",
    "with",
];

/// Whether a word, in whatever case, names something only in quotes.
pub(crate) fn is_reserved(word: &str) -> bool {
    RESERVED.binary_search(&word.to_ascii_lowercase().as_str()).is_ok()
}

/// The name that an identifier of a column or table means: no reserved word.
pub(crate) fn name_of(ident: &Ident) -> Result<String> {
    if ident.quote_style.is_none() && is_reserved(&ident.value) {
        return Err(Error::syntax(format!("syntax error at or near \"{}\"", ident.value)));
    }
    Ok(fold(ident))
}

/// The parts of a table's or column's name.
pub(crate) fn relation_name(name: &ObjectName) -> Result<Vec<String>> {
    let ObjectName(parts) = name;
    parts
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => name_of(ident),
            ObjectNamePart::Function(_) => Err(Error::unsupported("a computed name")),
        })
        .collect()
}

/// The parts of a name.
pub(crate) fn object_name(name: &ObjectName) -> Result<Vec<String>> {
    let ObjectName(parts) = name;
    parts
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => Ok(fold(ident)),
            ObjectNamePart::Function(_) => Err(Error::unsupported("a computed name")),
        })
        .collect()
}

/// The names in a list of identifiers, between commas; `None` if the list makes no sense.
pub(crate) fn split_identifiers(text: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = text.trim();
    if rest.is_empty() {
        return Some(names);
    }
    loop {
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => take_quoted(quoted)?,
            None => {
                let end = rest.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                let plain = !word.is_empty() && !word.contains('"');
                plain.then(|| (word.to_ascii_lowercase(), after))?
            }
        };
        names.push(name);
        match after.trim_start().strip_prefix(',') {
            Some(next) => rest = next.trim_start(),
            None => return after.trim_start().is_empty().then_some(names),
        }
    }
}

/// A name up to its closing quote, and what follows.
fn take_quoted(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"')?;
        name.push_str(part);
        match after.strip_prefix('"') {
            Some(after) => {
                name.push('"');
                rest = after;
            }
            None => return Some((name, after)),
        }
    }
}

/// A table's name: its schema, if one is given, and its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TableName {
    /// The schema.
    pub schema: Option<String>,
    /// The name in it.
    pub name: String,
    /// Where it stands; 0 is unknown.
    pub at: u32,
}

impl TableName {
    /// A table's name from its parts.
    pub(crate) fn from_parts(parts: Vec<String>, at: u32) -> Result<TableName> {
        let mut parts = parts;
        let Some(name) = parts.pop() else {
            return Err(Error::syntax("a table needs a name"));
        };
        let schema = parts.pop();
        match parts.pop() {
            None => Ok(TableName { schema, name, at }),
            Some(catalog) if parts.is_empty() && catalog == crate::functions::DATABASE => {
                Ok(TableName { schema, name, at })
            }
            Some(_) => Err(Error::unsupported("a reference to another database")),
        }
    }

    /// The name as messages show it.
    pub(crate) fn shown(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{}", self.name),
            None => self.name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_words_are_sorted_and_need_quotes() {
        assert!(RESERVED.is_sorted());
        assert!(name_of(&Ident::new("From")).is_err());
        assert_eq!(name_of(&Ident::with_quote('"', "From")).expect("quoted"), "From");
        assert_eq!(name_of(&Ident::new("Name")).expect("free"), "name");
    }

    #[test]
    fn lists_of_names() {
        let split = |text: &str| split_identifiers(text);
        let some = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(
            split("\"$user\", Public ,pg_catalog"),
            some(&["$user", "public", "pg_catalog"])
        );
        assert_eq!(split("\"a\"\"b, c\""), some(&["a\"b, c"]));
        assert_eq!(split(" "), some(&[]));
        for bad in ["a b", "a,", ",a", "\"a", "a\"b", "\"a\"b"] {
            assert_eq!(split(bad), None, "{bad}");
        }
    }
}
