//! `ON DELETE SET NULL (a, b)`: sqlparser reads it without the columns only.
//!
//! They are put behind the name of the table referred to, where the binder finds them:
//! `REFERENCES p."<mark>"."a"."b" (id) ON DELETE SET NULL`. No table has such a name.

use sqlparser::tokenizer::{Token, TokenWithSpan};
use types::SqlState;

use super::Source;
use crate::error::{Error, Result};

/// What stands between the name of the table and the columns.
pub(crate) const SET_COLUMNS: &str = "\0set";

/// Moves lists of columns behind SET NULL and SET DEFAULT to where the binder looks for them.
pub(super) fn mark(tokens: &mut Vec<TokenWithSpan>, source: &Source) -> Result<()> {
    let mut place = 0;
    while place < tokens.len() {
        if let Some((action, update)) = action_before(tokens, place) {
            if update {
                let message =
                    format!("a column list with {action} is only supported for ON DELETE actions");
                let at = source.position(tokens[place].span.start);
                return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message).at(at));
            }
            move_list(tokens, place);
        }
        place += 1;
    }
    Ok(())
}

fn is(token: Option<&TokenWithSpan>, word: &str) -> bool {
    matches!(
        token.map(|token| &token.token),
        Some(Token::Word(w)) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word)
    )
}

/// The action that a parenthesis stands behind, and whether that is one of ON UPDATE.
fn action_before(tokens: &[TokenWithSpan], place: usize) -> Option<(&'static str, bool)> {
    let before = |back: usize| place.checked_sub(back).and_then(|at| tokens.get(at));
    if tokens[place].token != Token::LParen || !is(before(2), "SET") || !is(before(4), "ON") {
        return None;
    }
    let action = ["NULL", "DEFAULT"].into_iter().find(|word| is(before(1), word))?;
    let name = if action == "NULL" { "SET NULL" } else { "SET DEFAULT" };
    (is(before(3), "DELETE") || is(before(3), "UPDATE")).then(|| (name, is(before(3), "UPDATE")))
}

/// Moves the list of names at a parenthesis behind the name of the table; leaves anything else as
/// it is, for the parser to refuse.
fn move_list(tokens: &mut Vec<TokenWithSpan>, place: usize) {
    let length = tokens[place..].iter().position(|token| token.token == Token::RParen);
    let table = tokens[..place].iter().rposition(|token| is(Some(token), "REFERENCES"));
    let (Some(length), Some(table)) = (length, table) else { return };
    let span = tokens[place].span;
    let token = |token| TokenWithSpan { token, span };
    let mut moved = vec![token(Token::Period), token(Token::make_word(SET_COLUMNS, Some('"')))];
    for (number, name) in tokens[place + 1..place + length].iter().enumerate() {
        match (&name.token, number % 2) {
            (Token::Word(_), 0) => moved.extend([token(Token::Period), name.clone()]),
            (Token::Comma, 1) => {}
            _ => return,
        }
    }
    // Whole lists only: one name more than there are commas.
    if length.is_multiple_of(2) {
        let mut end = table + 2;
        while tokens.get(end).is_some_and(|token| token.token == Token::Period) {
            end += 2;
        }
        tokens.drain(place..=place + length);
        tokens.splice(end..end, moved);
    }
}
