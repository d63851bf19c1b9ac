//! The text in which the query of a view is kept.
//!
//! ```text
//!  as it was given   SELECT *, a + 1 FROM t x WHERE a > 1 ORDER BY 2
//!  as it is kept     SELECT x."#16385.1" AS a, x."#16385.1" + 1 AS n
//!                    FROM "#16385" x WHERE x."#16385.1" > 1 ORDER BY 2
//! ```
//!
//! It names nothing that can be renamed: tables and views stand by their oid, their columns by oid
//! and number, every column of a result has a name of its own, and where GROUP BY or ORDER BY name one
//! of those, its number stands. So a rename changes no text, and ADD COLUMN no meaning. What cannot
//! change keeps its name: tables of the server, columns that got one behind an alias.
//!
//! The binder finds out what each name means anyway; while a view is made it notes that for each
//! place of the text ([`Notes`]). The tokens there are replaced, and what comes out must bind to the same
//! query as what was given, or the view is not made. The text that `pg_get_viewdef` shows is made of the
//! kept one by putting names of today in the place of the numbers; that needs no binding.
//!
//! A user's name that looks like a number here is refused in a view.
//!
//! | file | |
//! |---|---|
//! | `notes` | what each name in a text means |
//! | `make` | the text of a new view |
//! | `same` | whether two queries do the same |
//! | `targets` | names of the columns of each SELECT |
//! | `definition` | the text with the names of today |

mod definition;
mod make;
mod notes;
mod same;
mod targets;

use sqlparser::tokenizer::Token;
use types::Oid;

use super::{BindContext, Parameters, Unknowns, bind_query};
use crate::error::Result;
use crate::parse::{Source, read_query, stored_tokens};
use crate::planned::Query;
pub(crate) use definition::definition;
pub(crate) use make::{StoredQuery, store_query};
pub(crate) use notes::Notes;

/// How tables and columns stand in a text.
#[derive(Clone, Copy)]
pub(crate) enum Names<'a> {
    /// By their names.
    Plain,
    /// By their names; what they mean is noted.
    Noted(&'a Notes),
    /// By numbers, where their names could change.
    Stored,
}

/// How a relation stands in a kept text.
fn relation_mark(relation: Oid) -> String {
    format!("#{}", relation.0)
}

/// How a column stands in a kept text.
pub(super) fn column_mark(relation: Oid, index: usize) -> String {
    format!("#{}.{}", relation.0, index + 1)
}

/// The relation, and perhaps the place of its column, that a word of a kept text means.
fn meaning(word: &str) -> Option<(Oid, Option<usize>)> {
    let mark = word.strip_prefix('#')?;
    let (relation, column) = match mark.split_once('.') {
        Some((relation, number)) => (relation, Some(number.parse::<usize>().ok()?.checked_sub(1)?)),
        None => (mark, None),
    };
    Some((Oid(relation.parse().ok()?), column))
}

/// The relation that a table's name in a kept text means.
pub(super) fn stored_relation(parts: &[String]) -> Option<Oid> {
    match parts {
        [name] => meaning(name).filter(|(_, column)| column.is_none()).map(|(oid, _)| oid),
        _ => None,
    }
}

fn word(name: &str) -> Token {
    Token::make_word(name, Some('"'))
}

/// Names with points between them.
fn dotted(names: &[&str]) -> Vec<Token> {
    let mut tokens = Vec::new();
    for name in names {
        if !tokens.is_empty() {
            tokens.push(Token::Period);
        }
        tokens.push(word(name));
    }
    tokens
}

/// Binds the text of a view's query.
pub(super) fn bind_stored(context: &BindContext<'_>, text: &str) -> Result<Query> {
    let source = Source::without_places(text);
    let query = read_query(&stored_tokens(text)?, &source)?;
    let params = Parameters::default();
    let inner = BindContext { source: &source, params: &params, names: Names::Stored, ..*context };
    bind_query(&inner, &query, Unknowns::Text)
}

/// The relations that a kept text names.
pub(crate) fn named_relations(text: &str) -> Result<Vec<Oid>> {
    let tokens = stored_tokens(text)?;
    let named = tokens.iter().filter_map(|token| match &token.token {
        Token::Word(word) => meaning(&word.value).filter(|(_, column)| column.is_none()),
        _ => None,
    });
    Ok(named.map(|(oid, _)| oid).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_mean_what_they_were_made_of() {
        assert_eq!(meaning(&relation_mark(Oid(16385))), Some((Oid(16385), None)));
        assert_eq!(meaning(&column_mark(Oid(7), 2)), Some((Oid(7), Some(2))));
        for other in ["t", "#", "#x", "#1.0", "#1.", "#-1", "#1.2.3", "#99999999999"] {
            assert_eq!(meaning(other), None, "{other}");
        }
    }
}
