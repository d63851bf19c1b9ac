//! VACUUM and ANALYZE, read by hand.

use sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use crate::bind::TableName;
use crate::error::{Error, Result};

/// VACUUM or ANALYZE.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Maintenance {
    /// Whether to vacuum.
    pub vacuum: bool,
    /// Whether to analyze.
    pub analyze: bool,
    /// VACUUM FULL
    pub full: bool,
    /// Whether to tell what was done.
    pub verbose: bool,
    /// Whether empty pages at the end of a table are given back; `None`: yes.
    pub truncate: Option<bool>,
    /// The tables; none: all.
    pub targets: Vec<Target>,
}

/// A table, and which of its columns; none: all.
#[derive(Debug, PartialEq)]
pub(crate) struct Target {
    /// The table.
    pub name: TableName,
    /// Columns to be analyzed.
    pub columns: Vec<String>,
}

/// Options of PostgreSQL that are not supported.
const UNSUPPORTED: [&str; 8] = [
    "freeze",
    "disable_page_skipping",
    "skip_locked",
    "index_cleanup",
    "process_toast",
    "parallel",
    "buffer_usage_limit",
    "skip_database_stats",
];

/// Reads what follows the word VACUUM.
pub(super) fn vacuum(cursor: &mut Cursor<'_>) -> Result<Maintenance> {
    let mut work = Maintenance { vacuum: true, ..Maintenance::default() };
    if cursor.token(&Token::LParen) {
        options(cursor, &mut work)?;
    } else {
        work.full = cursor.word("FULL");
        if cursor.word("FREEZE") {
            return Err(Error::unsupported("VACUUM FREEZE"));
        }
        work.verbose = cursor.word("VERBOSE");
        work.analyze = cursor.word("ANALYZE") || cursor.word("ANALYSE");
    }
    work.targets = targets(cursor)?;
    if !work.analyze && work.targets.iter().any(|target| !target.columns.is_empty()) {
        let message = "ANALYZE option must be specified when a column list is provided";
        return Err(Error::new(types::SqlState::FEATURE_NOT_SUPPORTED, message));
    }
    Ok(work)
}

/// Reads what follows the word ANALYZE.
pub(super) fn analyze(cursor: &mut Cursor<'_>) -> Result<Maintenance> {
    let mut work = Maintenance { analyze: true, ..Maintenance::default() };
    if cursor.token(&Token::LParen) {
        options(cursor, &mut work)?;
    } else {
        work.verbose = cursor.word("VERBOSE");
    }
    work.targets = targets(cursor)?;
    Ok(work)
}

/// `(FULL, VERBOSE off, …)`, behind the parenthesis.
fn options(cursor: &mut Cursor<'_>, work: &mut Maintenance) -> Result<()> {
    let command = if work.vacuum { "VACUUM" } else { "ANALYZE" };
    loop {
        let at = cursor.position();
        let name = cursor.identifier()?;
        let value = switch(cursor, &name)?;
        match name.as_str() {
            "verbose" => work.verbose = value,
            "full" if work.vacuum => work.full = value,
            "analyze" | "analyse" if work.vacuum => work.analyze = value,
            "truncate" if work.vacuum => work.truncate = Some(value),
            name if UNSUPPORTED.contains(&name) => {
                return Err(Error::unsupported(format!("{command} option \"{name}\"")));
            }
            name => {
                let message = format!("unrecognized {command} option \"{name}\"");
                return Err(Error::syntax(message).at(at));
            }
        }
        if !cursor.token(&Token::Comma) {
            break;
        }
    }
    cursor.expect(&Token::RParen)
}

/// The value of an option, if it has one; alone it means yes.
fn switch(cursor: &mut Cursor<'_>, name: &str) -> Result<bool> {
    let word = match cursor.peek().map(|token| &token.token) {
        Some(Token::Comma | Token::RParen) | None => return Ok(true),
        Some(Token::Number(digits, false)) => {
            let digits = digits.clone();
            cursor.skip(1);
            digits
        }
        Some(Token::SingleQuotedString(_)) => cursor.string().unwrap_or_default(),
        Some(_) => cursor.identifier()?,
    };
    match word.to_ascii_lowercase().as_str() {
        "true" | "on" | "1" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        // What is not supported is named whatever its value.
        _ if UNSUPPORTED.contains(&name) => Ok(true),
        _ => Err(Error::syntax(format!("{name} requires a Boolean value"))),
    }
}

fn targets(cursor: &mut Cursor<'_>) -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    if cursor.peek().is_none() {
        return Ok(targets);
    }
    loop {
        let at = cursor.position().and_then(|at| u32::try_from(at).ok()).unwrap_or(0);
        let mut parts = vec![cursor.identifier()?];
        while cursor.token(&Token::Period) {
            parts.push(cursor.identifier()?);
        }
        let name = TableName::from_parts(parts, at)?;
        let mut columns = Vec::new();
        if cursor.token(&Token::LParen) {
            columns.push(cursor.identifier()?);
            while cursor.token(&Token::Comma) {
                columns.push(cursor.identifier()?);
            }
            cursor.expect(&Token::RParen)?;
        }
        targets.push(Target { name, columns });
        if !cursor.token(&Token::Comma) {
            return Ok(targets);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Statement, parse};
    use super::*;

    fn read(text: &str) -> Maintenance {
        let mut request = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        match request.statements.pop().expect("one statement").statement {
            Statement::Maintain(work) => *work,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn refused(text: &str) -> (String, String) {
        match parse(text) {
            Err(Error::Report(report)) => (report.sqlstate.to_string(), report.message),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn both_spellings_of_the_options() {
        let old = read("VACUUM FULL VERBOSE ANALYZE public.t, u (a, \"B\")");
        assert!(old.vacuum && old.full && old.verbose && old.analyze);
        assert_eq!(old.targets[0].name.schema.as_deref(), Some("public"));
        assert_eq!(old.targets[1].columns, ["a", "B"]);
        let new = read("vacuum (full on, verbose off, analyze 1, truncate false) t");
        assert!(new.full && !new.verbose && new.analyze && new.truncate == Some(false));
        assert_eq!(read("VACUUM"), Maintenance { vacuum: true, ..Maintenance::default() });
        let analyze = read("ANALYSE (VERBOSE) t");
        assert!(!analyze.vacuum && analyze.analyze && analyze.verbose);
        assert!(read("ANALYZE VERBOSE").targets.is_empty());
    }

    #[test]
    fn what_is_not_there_is_refused_by_name() {
        let unsupported = refused("VACUUM (PARALLEL 2) t");
        assert_eq!(unsupported.0, "0A000");
        assert_eq!(unsupported.1, "VACUUM option \"parallel\" is not supported");
        assert_eq!(refused("VACUUM FREEZE t").0, "0A000");
        assert_eq!(refused("VACUUM t (a)").0, "0A000");
        assert_eq!(refused("VACUUM (SPEED) t").1, "unrecognized VACUUM option \"speed\"");
        assert_eq!(refused("ANALYZE (FULL) t").1, "unrecognized ANALYZE option \"full\"");
        assert_eq!(refused("VACUUM (VERBOSE maybe)").0, "42601");
        assert_eq!(refused("VACUUM t,").0, "42601");
        assert_eq!(refused("VACUUM t u").0, "42601");
    }
}
