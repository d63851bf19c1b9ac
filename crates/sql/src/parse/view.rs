//! CREATE VIEW, and the queries of views.

use sqlparser::ast;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::cursor::Cursor;
use super::define::table_name;
use super::{Source, Statement, guard, parse_sql, select_all, tokenize};
use crate::bind::TableName;
use crate::error::{Error, Result};

/// CREATE VIEW
#[derive(Debug)]
pub(crate) struct CreateView {
    /// Its name.
    pub name: TableName,
    /// Whether it may take the place of one that is there.
    pub or_replace: bool,
    /// The names of its first columns.
    pub columns: Vec<String>,
    /// Its query.
    pub query: Box<ast::Query>,
    /// The tokens of that.
    pub tokens: Vec<TokenWithSpan>,
}

/// Views of kinds that there are not.
const REFUSED: [(&[&str], &str); 3] = [
    (&["CREATE", "MATERIALIZED", "VIEW"], "CREATE MATERIALIZED VIEW"),
    (&["CREATE", "RECURSIVE", "VIEW"], "CREATE RECURSIVE VIEW"),
    (&["CREATE", "OR", "REPLACE", "RECURSIVE", "VIEW"], "CREATE RECURSIVE VIEW"),
];

/// Reads CREATE VIEW; `None`, with nothing taken, if it is another statement. An inner error names
/// what is not supported.
pub(super) fn parse(
    cursor: &mut Cursor<'_>,
) -> Result<Option<std::result::Result<CreateView, &'static str>>> {
    for (words, what) in REFUSED {
        if cursor.words(words) {
            return Ok(Some(Err(what)));
        }
    }
    let or_replace = cursor.words(&["CREATE", "OR", "REPLACE", "VIEW"]);
    if !or_replace && !cursor.words(&["CREATE", "VIEW"]) {
        return Ok(None);
    }
    let name = table_name(cursor)?;
    let mut columns = Vec::new();
    if cursor.token(&Token::LParen) {
        columns.push(cursor.name()?);
        while cursor.token(&Token::Comma) {
            columns.push(cursor.name()?);
        }
        cursor.expect(&Token::RParen)?;
    }
    if cursor.at_word("WITH") {
        return Ok(Some(Err("options of a view")));
    }
    if !cursor.word("AS") {
        return Err(cursor.unexpected());
    }
    let rest = cursor.rest();
    if has_check_option(rest) {
        return Ok(Some(Err("WITH CHECK OPTION")));
    }
    let tokens = match rest.first().map(|token| &token.token) {
        Some(Token::Word(word)) if word.keyword == Keyword::TABLE => select_all(rest),
        Some(Token::Word(word)) if may_begin_query(word.keyword) => rest.to_vec(),
        Some(Token::LParen) => rest.to_vec(),
        _ => return Err(cursor.unexpected()),
    };
    let query = read_query(&tokens, cursor.source)?;
    cursor.skip(rest.len());
    Ok(Some(Ok(CreateView { name, or_replace, columns, query, tokens })))
}

fn may_begin_query(keyword: Keyword) -> bool {
    matches!(keyword, Keyword::SELECT | Keyword::VALUES | Keyword::WITH)
}

/// Whether a statement ends with `WITH [CASCADED | LOCAL] CHECK OPTION`.
fn has_check_option(tokens: &[TokenWithSpan]) -> bool {
    let keyword = |token: &TokenWithSpan| match &token.token {
        Token::Word(word) => word.keyword,
        _ => Keyword::NoKeyword,
    };
    matches!(tokens, [.., check, option]
        if (keyword(check), keyword(option)) == (Keyword::CHECK, Keyword::OPTION))
}

/// Reads the tokens of a query.
pub(crate) fn read_query(tokens: &[TokenWithSpan], source: &Source) -> Result<Box<ast::Query>> {
    guard::check(tokens)?;
    match parse_sql(tokens, source)? {
        Statement::Sql(statement) => match *statement {
            ast::Statement::Query(query) => Ok(query),
            _ => Err(source.unexpected(tokens.first())),
        },
        _ => Err(Error::internal("query was not read as one")),
    }
}

/// The tokens of the query of a view, as it is kept.
pub(crate) fn stored_tokens(text: &str) -> Result<Vec<TokenWithSpan>> {
    tokenize(text, &Source::without_places(text))
}
