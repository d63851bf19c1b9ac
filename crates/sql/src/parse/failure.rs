//! What the parser says when it fails, in PostgreSQL's words.

use sqlparser::keywords::Keyword;
use sqlparser::parser::ParserError;
use sqlparser::tokenizer::{Token, TokenWithSpan};
use types::SqlState;

use super::Source;
use crate::error::Error;

/// Turns sqlparser's error into PostgreSQL's, with its own words as the detail.
pub(super) fn from_parser_error(
    error: ParserError,
    tokens: &[TokenWithSpan],
    source: &Source,
) -> Error {
    match error {
        ParserError::RecursionLimitExceeded => too_complex(),
        ParserError::TokenizerError(message) => Error::syntax(message),
        ParserError::ParserError(_) if holds_symmetric(tokens) => {
            Error::unsupported("BETWEEN SYMMETRIC")
        }
        ParserError::ParserError(message) => {
            let (what, place) = split_place(&message);
            let token = tokens
                .iter()
                .find(|token| place == Some((token.span.start.line, token.span.start.column)));
            match (place, token) {
                (Some(_), Some(token)) => source.unexpected(Some(token)).detail(what),
                _ if what.ends_with("found: EOF") => source.unexpected(None).detail(what),
                _ => Error::syntax(what),
            }
        }
    }
}

/// Whether there is a construct of PostgreSQL that sqlparser does not read.
fn holds_symmetric(tokens: &[TokenWithSpan]) -> bool {
    tokens.windows(2).any(|pair| match (&pair[0].token, &pair[1].token) {
        (Token::Word(between), Token::Word(symmetric)) => {
            between.keyword == Keyword::BETWEEN && symmetric.value.eq_ignore_ascii_case("symmetric")
        }
        _ => false,
    })
}

/// `54001`
pub(crate) fn too_complex() -> Error {
    Error::new(SqlState::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded")
        .detail("The statement is nested too deeply.")
}

/// Cuts ` at Line: 1, Column: 5` off a message.
fn split_place(message: &str) -> (String, Option<(u64, u64)>) {
    let Some((what, place)) = message.rsplit_once(" at Line: ") else {
        return (message.to_owned(), None);
    };
    let numbers = place
        .split_once(", Column: ")
        .and_then(|(line, column)| Some((line.trim().parse().ok()?, column.trim().parse().ok()?)));
    (what.to_owned(), numbers)
}

pub(super) fn lower_first(message: &str) -> String {
    let mut chars = message.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
