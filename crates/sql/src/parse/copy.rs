//! COPY, in its present form `WITH (…)` and the older ones.

use sqlparser::ast;
use sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use crate::error::Result;

/// A COPY statement; its options are checked when it runs.
#[derive(Debug)]
pub(crate) struct CopyStatement {
    /// What is copied.
    pub subject: CopySubject,
    /// Whether rows come in.
    pub from: bool,
    /// Where they come from, or go.
    pub endpoint: Endpoint,
    /// The options in order.
    pub options: Vec<CopyOption>,
    /// Whether there is a WHERE.
    pub filtered: bool,
}

/// What COPY copies.
#[derive(Debug)]
pub(crate) enum CopySubject {
    /// A table, or some of its columns.
    Table { name: Vec<String>, columns: Vec<(String, Option<usize>)>, at: Option<usize> },
    /// The rows of a query.
    Query(Box<ast::Query>),
}

/// The other end of a COPY.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Endpoint {
    /// The client.
    Stdio,
    /// A file of the server.
    File,
    /// A program on the server.
    Program,
}

/// An option by its name in lower case.
#[derive(Debug)]
pub(crate) struct CopyOption {
    /// The name.
    pub name: String,
    /// The value, if there is one.
    pub value: Option<OptionValue>,
    /// Where it stands.
    pub at: Option<usize>,
}

/// The value of an option.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OptionValue {
    /// A word, string or number.
    Text(String),
    /// `*`
    All,
    /// `(a, b)`
    Columns(Vec<String>),
}

/// Reads what follows the word COPY.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<CopyStatement> {
    let subject = if cursor.peek().is_some_and(|token| token.token == Token::LParen) {
        query(cursor)?
    } else {
        let _ = cursor.word("BINARY");
        table(cursor)?
    };
    let from = cursor.word("FROM");
    let query = matches!(subject, CopySubject::Query(_));
    if (from && query) || (!from && !cursor.word("TO")) {
        return Err(cursor.unexpected());
    }
    let endpoint = endpoint(cursor)?;
    let options = options(cursor)?;
    let filtered = from && cursor.word("WHERE");
    if filtered {
        cursor.skip(usize::MAX / 2);
    }
    cursor.expect_end()?;
    Ok(CopyStatement { subject, from, endpoint, options, filtered })
}

fn query(cursor: &mut Cursor<'_>) -> Result<CopySubject> {
    let rest = cursor.rest();
    let mut depth = 0usize;
    let end = rest.iter().position(|token| {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    });
    let Some(end) = end else { return Err(cursor.source.unexpected(None)) };
    let query = super::parse_query(&rest[1..end], cursor.source)?;
    cursor.skip(end + 1);
    Ok(CopySubject::Query(query))
}

fn table(cursor: &mut Cursor<'_>) -> Result<CopySubject> {
    let at = cursor.position();
    let mut name = vec![cursor.identifier()?];
    while cursor.token(&Token::Period) {
        name.push(cursor.identifier()?);
    }
    let mut columns = Vec::new();
    if cursor.token(&Token::LParen) {
        loop {
            let at = cursor.position();
            columns.push((cursor.identifier()?, at));
            if !cursor.token(&Token::Comma) {
                break;
            }
        }
        cursor.expect(&Token::RParen)?;
    }
    Ok(CopySubject::Table { name, columns, at })
}

fn endpoint(cursor: &mut Cursor<'_>) -> Result<Endpoint> {
    if cursor.word("STDIN") || cursor.word("STDOUT") {
        return Ok(Endpoint::Stdio);
    }
    let program = cursor.word("PROGRAM");
    match cursor.string() {
        Some(_) if program => Ok(Endpoint::Program),
        Some(_) => Ok(Endpoint::File),
        None => Err(cursor.unexpected()),
    }
}

fn options(cursor: &mut Cursor<'_>) -> Result<Vec<CopyOption>> {
    let with = cursor.word("WITH");
    if cursor.token(&Token::LParen) {
        return listed(cursor);
    }
    let mut options = Vec::new();
    while let Some(option) = legacy(cursor)? {
        options.push(option);
    }
    if with && options.is_empty() && cursor.peek().is_some() {
        return Err(cursor.unexpected());
    }
    Ok(options)
}

/// `(format csv, header, null '', force_quote (a, b))`
fn listed(cursor: &mut Cursor<'_>) -> Result<Vec<CopyOption>> {
    let mut options = Vec::new();
    loop {
        let at = cursor.position();
        let name = cursor.identifier()?;
        let value = match cursor.peek().map(|token| &token.token) {
            Some(Token::Comma | Token::RParen) => None,
            Some(Token::Mul) => {
                cursor.skip(1);
                Some(OptionValue::All)
            }
            Some(Token::LParen) => {
                cursor.skip(1);
                let columns = column_list(cursor)?;
                cursor.expect(&Token::RParen)?;
                Some(OptionValue::Columns(columns))
            }
            _ => Some(OptionValue::Text(scalar(cursor)?)),
        };
        options.push(CopyOption { name, value, at });
        if !cursor.token(&Token::Comma) {
            break;
        }
    }
    cursor.expect(&Token::RParen)?;
    Ok(options)
}

fn scalar(cursor: &mut Cursor<'_>) -> Result<String> {
    if let Some(text) = cursor.string() {
        return Ok(text);
    }
    let sign = if cursor.token(&Token::Minus) { "-" } else { "" };
    match cursor.peek().map(|token| &token.token) {
        Some(Token::Number(digits, _)) => {
            let text = format!("{sign}{digits}");
            cursor.skip(1);
            Ok(text)
        }
        Some(Token::Word(_)) if sign.is_empty() => cursor.identifier(),
        _ => Err(cursor.unexpected()),
    }
}

fn column_list(cursor: &mut Cursor<'_>) -> Result<Vec<String>> {
    let mut columns = vec![cursor.identifier()?];
    while cursor.token(&Token::Comma) {
        columns.push(cursor.identifier()?);
    }
    Ok(columns)
}

/// One option in the older form: `CSV`, `DELIMITER AS ','`, `FORCE NOT NULL a, b`.
fn legacy(cursor: &mut Cursor<'_>) -> Result<Option<CopyOption>> {
    let at = cursor.position();
    let option = |name: &str, value| CopyOption { name: name.to_owned(), value, at };
    for format in ["csv", "binary"] {
        if cursor.word(format) {
            return Ok(Some(option("format", Some(OptionValue::Text(format.to_owned())))));
        }
    }
    for name in ["header", "freeze"] {
        if cursor.word(name) {
            return Ok(Some(option(name, None)));
        }
    }
    for name in ["delimiter", "null", "quote", "escape", "encoding"] {
        if cursor.word(name) {
            let _ = cursor.word("AS");
            let Some(text) = cursor.string() else { return Err(cursor.unexpected()) };
            return Ok(Some(option(name, Some(OptionValue::Text(text)))));
        }
    }
    if !cursor.word("FORCE") {
        return Ok(None);
    }
    let name = if cursor.words(&["NOT", "NULL"]) {
        "force_not_null"
    } else if cursor.word("NULL") {
        "force_null"
    } else if cursor.word("QUOTE") {
        "force_quote"
    } else {
        return Err(cursor.unexpected());
    };
    let value = if name == "force_quote" && cursor.token(&Token::Mul) {
        OptionValue::All
    } else {
        OptionValue::Columns(column_list(cursor)?)
    };
    Ok(Some(option(name, Some(value))))
}

#[cfg(test)]
mod tests {
    use super::super::{Statement, parse as parse_text};
    use super::*;

    fn copy(text: &str) -> CopyStatement {
        let mut request = parse_text(text).expect(text);
        match request.statements.pop().expect("one").statement {
            Statement::Copy(copy) => *copy,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn names(copy: &CopyStatement) -> Vec<&str> {
        copy.options.iter().map(|option| option.name.as_str()).collect()
    }

    #[test]
    fn both_forms_of_options() {
        let new = copy("COPY t (a, \"B\") FROM STDIN WITH (FORMAT csv, HEADER, NULL 'x')");
        assert!(new.from && new.endpoint == Endpoint::Stdio);
        assert_eq!(names(&new), ["format", "header", "null"]);
        let CopySubject::Table { name, columns, .. } = &new.subject else { panic!("a table") };
        assert_eq!(name, &["t"]);
        assert_eq!(columns[1].0, "B");
        let old = copy("copy s.t to stdout with csv delimiter as ';' force quote a, b header");
        assert_eq!(names(&old), ["format", "delimiter", "force_quote", "header"]);
        assert!(!old.from);
    }

    #[test]
    fn queries_go_out_only() {
        let out = copy("COPY (SELECT (1), 2) TO STDOUT");
        assert!(matches!(out.subject, CopySubject::Query(_)));
        assert!(parse_text("COPY (SELECT 1) FROM STDIN").is_err());
        assert!(parse_text("COPY (SELECT 1 TO STDOUT").is_err());
        assert_eq!(copy("COPY t TO '/tmp/x'").endpoint, Endpoint::File);
        assert_eq!(copy("COPY t FROM PROGRAM 'x'").endpoint, Endpoint::Program);
    }
}
