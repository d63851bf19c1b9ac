//! The text of a view with the names of today.

use std::rc::Rc;

use catalog::TableDef;
use sqlparser::tokenizer::{Token, TokenWithSpan};
use types::Oid;

use super::targets::{name_top, quoted};
use super::{dotted, meaning};
use crate::error::Result;
use crate::parse::{Source, read_query, stored_tokens};

/// The query of a view with the names of today. `find` finds a relation by its oid, and says whether
/// its name is enough to name it.
pub(crate) fn definition(
    view: &TableDef,
    find: &dyn Fn(Oid) -> Result<(Rc<TableDef>, bool)>,
) -> Result<String> {
    let mut out: Vec<TokenWithSpan> = Vec::new();
    for token in stored_tokens(&view.query)? {
        let mark = match &token.token {
            Token::Word(word) => meaning(&word.value),
            _ => None,
        };
        let Some((oid, column)) = mark else {
            out.push(TokenWithSpan::wrap(plain(token.token)));
            continue;
        };
        let (table, visible) = find(oid)?;
        let behind_alias = out.last().is_some_and(|last| last.token == Token::Period);
        let new = match column {
            None if visible => dotted(&[&table.name]),
            None => dotted(&[&table.schema, &table.name]),
            Some(index) => {
                let column = table.columns.get(index).map_or("", |column| column.name.as_str());
                let names = [table.name.as_str(), column];
                dotted(if behind_alias { &names[1..] } else { &names })
            }
        };
        out.extend(new.into_iter().map(plain).map(TokenWithSpan::wrap));
    }
    let mut query = *read_query(&out, &Source::without_places(""))?;
    let names = view.columns.iter().map(|column| column.name.clone()).collect();
    name_top(&mut query, names);
    Ok(format!("{query};"))
}

/// A quoted name without its quotes, if it can be without.
fn plain(token: Token) -> Token {
    match token {
        Token::Word(word) if word.quote_style.is_some() => {
            let ident = quoted(&word.value);
            Token::make_word(&ident.value, ident.quote_style)
        }
        other => other,
    }
}
