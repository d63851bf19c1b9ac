//! The text of a new view.

use catalog::Object;
use sqlparser::ast::{self, Ident, SetExpr};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::same::same;
use super::targets::name_targets;
use super::{Names, Notes, bind_stored, meaning};
use crate::bind::{BindContext, Unknowns, bind_query};
use crate::error::{Error, Result};
use crate::output::OutputColumn;
use crate::parse::{Source, read_query};
use crate::planned::Query;

/// What the text of a view's query is made of.
pub(crate) struct StoredQuery {
    /// The text.
    pub text: String,
    /// The columns of its result.
    pub columns: Vec<OutputColumn>,
    /// What it uses: columns, and relations of which it uses no column.
    pub uses: Vec<Object>,
}

/// Makes the text in which a query is kept as that of a view; `names` are those of its first columns.
pub(crate) fn store_query(
    context: &BindContext<'_>,
    query: &ast::Query,
    tokens: &[TokenWithSpan],
    names: &[String],
) -> Result<StoredQuery> {
    refuse_marks(tokens)?;
    let notes = Notes::default();
    let bound = bind_query(
        &BindContext { names: Names::Noted(&notes), ..*context },
        query,
        Unknowns::Text,
    )?;
    if bound.any_locking().is_some() {
        return Err(Error::unsupported("locking of rows in a view"));
    }
    let mut columns = bound.columns.clone();
    if names.len() > columns.len() {
        return Err(Error::syntax("CREATE VIEW specifies more column names than columns"));
    }
    for (column, name) in columns.iter_mut().zip(names) {
        column.name.clone_from(name);
    }
    let unnamed = Source::without_places("");
    let replaced = notes.apply(context.source, tokens);
    let mut stored = *read_query(&replaced, &unnamed)?;
    let mut targets = notes.targets.take();
    let shown: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    if targets.iter().flatten().chain(&shown).any(|name| meaning(name).is_some()) {
        return Err(mark());
    }
    let from_values = is_values(&stored);
    if !from_values && let Some(top) = targets.last_mut() {
        top.clone_from(&shown);
    }
    name_targets(&mut stored, &mut targets.into_iter());
    let mut text = stored.to_string();
    check_same(context, &text, &bound)?;
    if from_values {
        text = over_values(&text, &shown);
    }
    Ok(StoredQuery { text, columns, uses: notes.take_uses() })
}

/// Refuses a text with a name that would be taken for a number.
fn refuse_marks(tokens: &[TokenWithSpan]) -> Result<()> {
    let is_mark = |token: &TokenWithSpan| match &token.token {
        Token::Word(word) => meaning(&word.value).is_some(),
        _ => false,
    };
    match tokens.iter().any(is_mark) {
        true => Err(mark()),
        false => Ok(()),
    }
}

fn mark() -> Error {
    Error::unsupported("a name of # and a number in a view")
}

/// Whether the rows of a query are those of a VALUES.
fn is_values(query: &ast::Query) -> bool {
    match query.body.as_ref() {
        SetExpr::Values(_) => true,
        SetExpr::Query(inner) => is_values(inner),
        _ => false,
    }
}

/// A VALUES whose columns have these names.
fn over_values(values: &str, names: &[String]) -> String {
    let columns = names.iter().enumerate().map(|(place, name)| {
        format!("\"*VALUES*\".column{} AS {}", place + 1, Ident::with_quote('"', name))
    });
    let columns: Vec<String> = columns.collect();
    format!("SELECT {} FROM ({values}) AS \"*VALUES*\"", columns.join(", "))
}

/// Refuses a text that does not mean the same as the query that it was made of.
fn check_same(context: &BindContext<'_>, text: &str, bound: &Query) -> Result<()> {
    let again = bind_stored(context, text);
    match again {
        Ok(again) if same(&again, bound) => Ok(()),
        _ => Err(Error::unsupported("this query in a view")),
    }
}
