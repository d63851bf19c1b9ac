//! From the text of a request to statements.
//!
//! ```text
//!  text ──► tokens ──► guard: depth ──► cut at `;` ──┬──► utility   BEGIN, SET, SHOW, COPY, …
//!                                                    └──► sqlparser SELECT, INSERT, CREATE TABLE, …
//! ```
//!
//! As in PostgreSQL the whole request is parsed before any of it runs: a syntax error anywhere
//! means that nothing was done. A statement of a kind that is not supported is no syntax error; it
//! fails with `0A000` when its turn comes.
//!
//! Statements that `sqlparser` does not know, or takes with a looser grammar than PostgreSQL's,
//! are read here by hand.

mod alter;
mod copy;
mod cursor;
mod define;
mod escape;
mod failure;
mod guard;
mod identity;
mod lock;
mod sequence;
mod set_columns;
mod source;
mod utility;
mod vacuum;
mod view;

use std::rc::Rc;

use sqlparser::ast;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Tokenizer};
use types::{Severity, SqlState};

use crate::bind::TableName;
use crate::error::{Error, Result};
use crate::session::SavepointStatement;
pub(crate) use copy::{CopyOption, CopyStatement, CopySubject, Endpoint, OptionValue};
use cursor::Cursor;
pub(crate) use define::{AlterTable, Alteration, Definition, Drop, DropKind, Rename};
pub(crate) use failure::too_complex;
use failure::{from_parser_error, lower_first};
pub(crate) use identity::{IdentityChange, Overriding, mark_of};
pub(crate) use lock::LockStatement;
pub(crate) use sequence::{AlterSequence, CreateSequence, SequenceChange, SequenceOptions};
pub(crate) use set_columns::SET_COLUMNS;
pub(crate) use source::Source;
pub(crate) use utility::{Access, TransactionModes};
pub(crate) use vacuum::{Maintenance, Target};
pub(crate) use view::{CreateView, read_query, stored_tokens};

/// How deep sqlparser may go; each level costs it kilobytes of stack.
const PARSER_DEPTH: usize = 100;

static DIALECT: PostgreSqlDialect = PostgreSqlDialect {};

/// A statement of a request.
#[derive(Debug)]
pub(crate) enum Statement {
    /// What sqlparser read.
    Sql(Box<ast::Statement>),
    /// BEGIN, START TRANSACTION; `start` says which, for the tag.
    Begin { modes: TransactionModes, start: bool },
    /// COMMIT, END
    Commit,
    /// ROLLBACK, ABORT
    Rollback,
    /// SAVEPOINT, RELEASE, ROLLBACK TO
    Savepoint(SavepointStatement),
    /// SET TRANSACTION
    SetTransaction(TransactionModes),
    /// SET SESSION CHARACTERISTICS AS TRANSACTION
    SetCharacteristics(TransactionModes),
    /// CHECKPOINT
    Checkpoint,
    /// REINDEX of an index, or of all of a table.
    Reindex { name: TableName, table: bool },
    /// SHOW name
    Show(String),
    /// SHOW ALL
    ShowAll,
    /// SET \[LOCAL\] name = value; no value is DEFAULT.
    Set { name: String, value: Option<String>, local: bool },
    /// RESET name
    Reset(String),
    /// RESET ALL
    ResetAll,
    /// A definition that is read by hand.
    Define(Box<Definition>),
    /// VACUUM, ANALYZE
    Maintain(Box<Maintenance>),
    /// LOCK TABLE
    Lock(LockStatement),
    /// COPY
    Copy(Box<CopyStatement>),
    /// Something else that PostgreSQL has.
    Unsupported(String),
}

/// A statement of a request.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// The statement.
    pub statement: Statement,
}

/// What a request holds.
#[derive(Debug)]
pub(crate) struct Request {
    /// The statements in order.
    pub statements: Vec<Parsed>,
    /// Finds places in the text.
    pub source: Rc<Source>,
}

impl Request {
    /// The COPY … FROM STDIN that the request ends with.
    pub(crate) fn copy_from_stdin(&self) -> Option<&CopyStatement> {
        self.statements.last().and_then(|parsed| parsed.statement.copy_from_stdin())
    }
}

impl Statement {
    fn copy_from_stdin(&self) -> Option<&CopyStatement> {
        match self {
            Statement::Copy(copy) if copy.from && copy.endpoint == Endpoint::Stdio => Some(copy),
            _ => None,
        }
    }
}

/// Parses a request.
///
/// The error is FATAL if the text may have been a COPY whose data follows: the data must not be
/// taken for statements.
pub(crate) fn parse(text: &str) -> Result<Request> {
    parse_request(text).map_err(|error| match error {
        Error::Report(mut report) if holds_word(text, "copy") && holds_word(text, "stdin") => {
            report.severity = Severity::Fatal;
            report.sqlstate = SqlState::SYNTAX_ERROR;
            Error::Report(report)
        }
        other => other,
    })
}

/// Whether the word stands in the text, in any case, with no letter or digit beside it.
fn holds_word(text: &str, word: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let part = |c: char| c.is_alphanumeric() || c == '_';
    lower.match_indices(word).any(|(start, _)| {
        !lower[..start].ends_with(part) && !lower[start + word.len()..].starts_with(part)
    })
}

fn parse_request(text: &str) -> Result<Request> {
    let source = Rc::new(Source::new(text));
    let tokens = tokenize(text, &source)?;
    let mut statements = Vec::new();
    for part in tokens.split(|token| token.token == Token::SemiColon) {
        if part.is_empty() {
            continue;
        }
        guard::check(part)?;
        let statement = parse_statement(part, &source)?;
        statements.push(Parsed { statement });
    }
    let all_but_last = statements.len().saturating_sub(1);
    if statements[..all_but_last].iter().any(|parsed| parsed.statement.copy_from_stdin().is_some())
    {
        let message = "COPY FROM STDIN must be the last statement of its line";
        return Err(Error::syntax(message));
    }
    Ok(Request { statements, source })
}

fn tokenize(text: &str, source: &Source) -> Result<Vec<TokenWithSpan>> {
    let mut tokens = Vec::with_capacity(text.len() / 4 + 1);
    Tokenizer::new(&DIALECT, text).tokenize_with_location_into_buf(&mut tokens).map_err(
        |error| {
            let place = source.position(error.location);
            Error::syntax(lower_first(&error.message)).at(place)
        },
    )?;
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    for token in &mut tokens {
        if let Token::EscapedStringLiteral(text) = &mut token.token
            && let Some(decoded) = escape::decode(source.slice(token.span.start, token.span.end))?
        {
            *text = decoded;
        }
        // A clause of other systems; in PostgreSQL a name like any other.
        if let Token::Word(word) = &mut token.token
            && word.keyword == Keyword::TOP
        {
            word.keyword = Keyword::NoKeyword;
        }
    }
    drop_from_of_trim(&mut tokens);
    mark_weak_locks(&mut tokens);
    set_columns::mark(&mut tokens, source)?;
    identity::prepare(&mut tokens)?;
    Ok(tokens)
}

/// What stands before the name of the table in `FOR NO KEY UPDATE` and `FOR KEY SHARE`. No table can
/// be called so.
pub(crate) const WEAK_LOCK: &str = "\0key";

/// sqlparser reads `FOR [NO KEY] UPDATE` and `FOR [KEY] SHARE` without the middle only: the weaker
/// ones become `FOR UPDATE OF <mark>` and `FOR SHARE OF <mark>`, and the mark goes before a table
/// that is named.
fn mark_weak_locks(tokens: &mut Vec<TokenWithSpan>) {
    let is = |token: Option<&TokenWithSpan>, text: &str| {
        matches!(
            token.map(|token| &token.token),
            Some(Token::Word(word))
                if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(text)
        )
    };
    let mut place = 0;
    while place < tokens.len() {
        let next = |ahead: usize| tokens.get(place + ahead);
        let dropped = match is(next(0), "FOR") {
            true if is(next(1), "KEY") && is(next(2), "SHARE") => 1,
            true if is(next(1), "NO") && is(next(2), "KEY") && is(next(3), "UPDATE") => 2,
            _ => 0,
        };
        if dropped > 0 {
            tokens.drain(place + 1..=place + dropped);
            let span = tokens[place + 1].span;
            let mark = TokenWithSpan { token: Token::make_word(WEAK_LOCK, Some('"')), span };
            let of = TokenWithSpan { token: Token::make_keyword("OF"), span };
            let point = TokenWithSpan { token: Token::Period, span };
            match is(tokens.get(place + 2), "OF") {
                true => drop(tokens.splice(place + 3..place + 3, [mark, point])),
                false => drop(tokens.splice(place + 2..place + 2, [of, mark])),
            }
        }
        place += 1;
    }
}

/// `TRIM (LEADING FROM x)` and `TRIM (FROM x)` mean the same without FROM, and sqlparser reads
/// them only so.
fn drop_from_of_trim(tokens: &mut Vec<TokenWithSpan>) {
    let is = |token: Option<&TokenWithSpan>, keywords: &[Keyword]| {
        matches!(
            token.map(|token| &token.token),
            Some(Token::Word(word)) if keywords.contains(&word.keyword)
        )
    };
    let mut place = 0;
    while place < tokens.len() {
        if is(tokens.get(place), &[Keyword::TRIM])
            && tokens.get(place + 1).is_some_and(|token| token.token == Token::LParen)
        {
            let sides = [Keyword::BOTH, Keyword::LEADING, Keyword::TRAILING];
            let from = place + 2 + usize::from(is(tokens.get(place + 2), &sides));
            if is(tokens.get(from), &[Keyword::FROM]) {
                tokens.remove(from);
            }
        }
        place += 1;
    }
}

fn parse_statement(tokens: &[TokenWithSpan], source: &Source) -> Result<Statement> {
    let mut cursor = Cursor::new(tokens, source);
    if let Some(statement) = utility::parse(&mut cursor)? {
        cursor.expect_end()?;
        return Ok(statement);
    }
    if let Some(statement) = define::parse(&mut cursor)? {
        cursor.expect_end()?;
        return Ok(statement);
    }
    if let Some(statement) = utility::unsupported(&mut cursor) {
        return Ok(statement);
    }
    let Some(Token::Word(first)) = tokens.first().map(|token| &token.token) else {
        if matches!(tokens.first().map(|token| &token.token), Some(Token::LParen)) {
            return parse_sql(tokens, source);
        }
        return Err(cursor.unexpected());
    };
    match first.keyword {
        Keyword::SELECT
        | Keyword::WITH
        | Keyword::VALUES
        | Keyword::INSERT
        | Keyword::UPDATE
        | Keyword::DELETE
        | Keyword::TRUNCATE
        | Keyword::EXPLAIN
        | Keyword::PREPARE
        | Keyword::EXECUTE
        | Keyword::DEALLOCATE => parse_sql(tokens, source),
        Keyword::TABLE => parse_sql(&select_all(tokens), source),
        Keyword::CREATE | Keyword::DROP => parse_definition(tokens, source),
        _ => Err(cursor.unexpected()),
    }
}

/// `TABLE t` as `SELECT * FROM t`.
fn select_all(tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    let words = [Token::make_keyword("SELECT"), Token::Mul, Token::make_keyword("FROM")];
    let span = tokens.first().map_or_else(Span::empty, |token| token.span);
    let words = words.into_iter().map(|token| TokenWithSpan { token, span });
    words.chain(tokens.iter().skip(1).cloned()).collect()
}

/// CREATE of tables and indexes; of other things they are named as not supported.
fn parse_definition(tokens: &[TokenWithSpan], source: &Source) -> Result<Statement> {
    let mut cursor = Cursor::new(tokens, source);
    if cursor.words(&["CREATE", "INDEX"]) || cursor.words(&["CREATE", "UNIQUE", "INDEX"]) {
        return parse_sql(tokens, source);
    }
    let words = tokens.iter().map_while(|token| match &token.token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_ascii_uppercase()),
        _ => None,
    });
    let mut name = Vec::new();
    for word in words.take(8) {
        let kind = !matches!(
            word.as_str(),
            "CREATE"
                | "DROP"
                | "OR"
                | "REPLACE"
                | "GLOBAL"
                | "LOCAL"
                | "TEMP"
                | "TEMPORARY"
                | "UNLOGGED"
        );
        let is_table = word == "TABLE";
        if !matches!(word.as_str(), "OR" | "REPLACE") {
            name.push(word);
        }
        if is_table && name.get(1).is_none_or(|w| w != "FOREIGN") {
            return parse_sql(tokens, source);
        }
        if kind {
            break;
        }
    }
    if name.len() < 2 {
        return parse_sql(tokens, source);
    }
    Ok(Statement::Unsupported(name.join(" ")))
}

/// Has sqlparser read a part of a statement that is read by hand; what it has not taken is left.
fn parse_part<T>(
    cursor: &mut Cursor<'_>,
    read: impl FnOnce(&mut Parser<'_>) -> std::result::Result<T, ParserError>,
) -> Result<T> {
    let tokens = cursor.rest();
    let mut parser = Parser::new(&DIALECT)
        .with_recursion_limit(PARSER_DEPTH)
        .with_tokens_with_locations(tokens.to_vec());
    let part =
        read(&mut parser).map_err(|error| from_parser_error(error, tokens, cursor.source))?;
    cursor.skip(parser.index());
    Ok(part)
}

fn parse_sql(tokens: &[TokenWithSpan], source: &Source) -> Result<Statement> {
    let mut parser = Parser::new(&DIALECT)
        .with_recursion_limit(PARSER_DEPTH)
        .with_tokens_with_locations(tokens.to_vec());
    let statement =
        parser.parse_statement().map_err(|error| from_parser_error(error, tokens, source))?;
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        return Err(source.unexpected(Some(&rest)));
    }
    Ok(Statement::Sql(Box::new(statement)))
}

/// A query that is part of a statement read by hand.
fn parse_query(tokens: &[TokenWithSpan], source: &Source) -> Result<Box<ast::Query>> {
    match parse_sql(tokens, source)? {
        Statement::Sql(statement) => match *statement {
            ast::Statement::Query(query) => Ok(query),
            _ => Err(Error::unsupported("COPY of a statement that is not a query")),
        },
        _ => Err(Error::internal("query was not read as one")),
    }
}

/// Parses the one statement of a text, with parameters in the places of its literals; `None` if
/// there are not that many.
pub(crate) fn parse_with_parameters(
    text: &str,
    literals: usize,
) -> Result<Option<(ast::Statement, Source)>> {
    let source = Source::new(text);
    let mut tokens = tokenize(text, &source)?;
    while tokens.last().is_some_and(|token| token.token == Token::SemiColon) {
        tokens.pop();
    }
    guard::check(&tokens)?;
    let mut count = 0;
    for token in &mut tokens {
        if matches!(token.token, Token::Number(..) | Token::SingleQuotedString(_)) {
            count += 1;
            token.token = Token::Placeholder(format!("${count}"));
        }
    }
    if count != literals {
        return Ok(None);
    }
    match parse_sql(&tokens, &source)? {
        Statement::Sql(statement) => Ok(Some((*statement, source))),
        _ => Ok(None),
    }
}

/// An expression that stands alone: a column's default.
pub(crate) fn parse_expression(text: &str) -> Result<ast::Expr> {
    let source = Source::new(text);
    let tokens = tokenize(text, &source)?;
    guard::check(&tokens)?;
    let mut parser = Parser::new(&DIALECT)
        .with_recursion_limit(PARSER_DEPTH)
        .with_tokens_with_locations(tokens.clone());
    let expr = parser.parse_expr().map_err(|error| from_parser_error(error, &tokens, &source))?;
    match parser.peek_token() {
        rest if rest.token == Token::EOF => Ok(expr),
        rest => Err(source.unexpected(Some(&rest))),
    }
}

/// A text with some of its words replaced by what `replace` says; it is given each token and the
/// next one.
pub(crate) fn replace_words(
    text: &str,
    replace: &dyn Fn(&Token, Option<&Token>) -> Option<String>,
) -> Result<String> {
    let source = Source::new(text);
    let mut tokens = Vec::new();
    Tokenizer::new(&DIALECT, text)
        .tokenize_with_location_into_buf(&mut tokens)
        .map_err(|error| Error::syntax(lower_first(&error.message)))?;
    let mut out = String::with_capacity(text.len());
    for (place, token) in tokens.iter().enumerate() {
        let next = tokens.get(place + 1).map(|token| &token.token);
        match replace(&token.token, next) {
            Some(word) => out.push_str(&word),
            None => out.push_str(source.slice(token.span.start, token.span.end)),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> Box<crate::error::Report> {
        match parse(text) {
            Err(Error::Report(report)) => report,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_request_is_cut_into_statements() {
        let request = parse("SELECT ';'; ; BEGIN ;COMMIT; -- end;").expect("good");
        let kinds: Vec<_> = request.statements.iter().map(|s| &s.statement).collect();
        assert!(matches!(
            kinds.as_slice(),
            [Statement::Sql(_), Statement::Begin { .. }, Statement::Commit]
        ));
        assert!(parse("  ; /* nothing */ ;").expect("good").statements.is_empty());
    }

    #[test]
    fn syntax_errors_say_where() {
        let report = error("SELECT 1; SELEC 2");
        assert_eq!(report.message, "syntax error at or near \"SELEC\"");
        assert_eq!((report.sqlstate.as_str(), report.position), ("42601", Some(11)));
        assert_eq!(error("SELECT (1").message, "syntax error at end of input");
        assert_eq!(error("INSERT INTO t VALES (1)").sqlstate.as_str(), "42601");
        assert_eq!(error("SELECT 'abc").sqlstate.as_str(), "42601");
    }

    #[test]
    fn a_broken_copy_ends_the_session() {
        assert_eq!(error("COPY t FRM STDIN").severity, Severity::Fatal);
        assert_eq!(error("select 'copy (stdin)").severity, Severity::Fatal);
        assert_eq!(error("COPY t FROM STDIN; SELECT 1").severity, Severity::Fatal);
        assert_eq!(error("COPYIN STDIN").severity, Severity::Error);
    }

    #[test]
    fn hostile_nesting_is_refused() {
        for text in [
            format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000)),
            format!("SELECT 1{}", "+1".repeat(200_000)),
            format!("SELECT {}1", "- ".repeat(100_000)),
            format!("SELECT {}true", "NOT ".repeat(100_000)),
            format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(50_000), " END".repeat(50_000)),
            format!("SELECT {}1{}", "f(".repeat(50_000), ")".repeat(50_000)),
            format!("SELECT 1{}", "::int4".repeat(100_000)),
            format!("{}SELECT 1", "EXPLAIN ".repeat(50_000)),
            format!("SELECT 1{}", " UNION SELECT 1".repeat(50_000)),
        ] {
            assert_eq!(error(&text).sqlstate.as_str(), "54001", "{}", &text[..40]);
        }
    }

    #[test]
    fn long_flat_statements_are_welcome() {
        let values = "(1, 'a', 2 + 3),".repeat(20_000);
        parse(&format!("INSERT INTO t VALUES {}(1,'a',5)", values)).expect("flat");
        let list = "17,".repeat(50_000);
        parse(&format!("SELECT * FROM t WHERE a IN ({list}1)")).expect("flat");
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let named = |text: &str| match &parse(text).expect(text).statements[0].statement {
            Statement::Unsupported(name) => name.clone(),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(named("DROP INDEX CONCURRENTLY i"), "DROP INDEX CONCURRENTLY");
        assert_eq!(named("DROP ROLE r"), "DROP ROLE");
        assert_eq!(named("CREATE TEMP VIEW v AS SELECT 1"), "CREATE TEMP VIEW");
        assert_eq!(named("ALTER INDEX i RENAME TO j"), "ALTER INDEX");
        assert_eq!(named("LISTEN x"), "LISTEN");
    }
}
