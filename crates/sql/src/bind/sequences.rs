//! Sequences in expressions, and the sequences of columns.
//!
//! A default names its sequence by oid, `nextval('16384'::regclass)`: it goes on to mean the same one
//! when that is renamed or moved, and `pg_depend` knows what it needs.

use std::cell::{Cell, RefCell};

use catalog::TableKind;
use sqlparser::ast::{DataType, Expr as AstExpr};
use sqlparser::tokenizer::Token;
use txn::LockMode;
use types::{ColumnType, Oid};

use super::{BindContext, Binder};
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::parse::replace_words;
use crate::session::parse_name;

/// The functions whose first argument names a sequence.
const FUNCTIONS: [&str; 3] = ["nextval", "currval", "setval"];

/// The type of a column that is to be `serial`; `None`: it is not.
pub(super) fn serial_type(data_type: &DataType) -> Option<ColumnType> {
    let DataType::Custom(name, modifiers) = data_type else { return None };
    match name.to_string().to_ascii_lowercase().as_str() {
        _ if !modifiers.is_empty() => None,
        "serial" | "serial4" => Some(ColumnType::Int4),
        "bigserial" | "serial8" => Some(ColumnType::Int8),
        "smallserial" | "serial2" => Some(ColumnType::Int2),
        _ => None,
    }
}

/// An argument without its cast to `regclass`: a sequence is named by a text.
fn without_regclass(arg: &AstExpr) -> &AstExpr {
    match arg {
        AstExpr::Cast { expr, data_type, .. } => {
            let name = data_type.to_string().to_ascii_lowercase();
            let regclass = matches!(name.as_str(), "regclass" | "pg_catalog.regclass");
            if regclass { expr } else { arg }
        }
        other => other,
    }
}

impl Binder<'_> {
    /// A call of a function of sequences; `None`: it is another.
    pub(super) fn bind_sequence_call(
        &mut self,
        name: &str,
        args: &[&AstExpr],
        at: u32,
    ) -> Result<Option<Expr>> {
        if !FUNCTIONS.contains(&name) {
            return Ok(None);
        }
        let mut bound = Vec::with_capacity(args.len());
        for (place, arg) in args.iter().enumerate() {
            bound.push(self.bind(if place == 0 { without_regclass(arg) } else { arg })?);
        }
        self.call_named(name, bound, at).map(Some)
    }
}

/// Replaces the names of sequences in the text of an expression.
fn replace_names(text: &str, replace: &dyn Fn(&str) -> Result<Option<String>>) -> Result<String> {
    // How much of `nextval ( 'name'` was read.
    let read = Cell::new(0u8);
    let failed = RefCell::new(None);
    let replaced = replace_words(text, &|token, _| {
        let (before, mut new) = (read.get(), None);
        read.set(match (token, before) {
            (Token::Whitespace(_), before) => before,
            (Token::Word(word), _)
                if FUNCTIONS.contains(&word.value.to_ascii_lowercase().as_str()) =>
            {
                1
            }
            (Token::LParen, 1) => 2,
            (Token::SingleQuotedString(name), 2) => {
                match replace(name) {
                    Ok(replaced) => new = replaced,
                    Err(error) => *failed.borrow_mut() = Some(error),
                }
                0
            }
            _ => 0,
        });
        new
    })?;
    failed.into_inner().map_or(Ok(replaced), Err)
}

/// The text of a default, with the oids of sequences in the places of their names.
pub(super) fn with_oids(context: &BindContext<'_>, text: &str) -> Result<String> {
    replace_names(text, &|name| {
        if name.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(None);
        }
        let table = context.tables.table(&parse_name(name)?, LockMode::AccessShare)?;
        // What is no sequence fails when it is used.
        let sequence = matches!(table.kind, TableKind::Sequence(_));
        Ok(sequence.then(|| format!("'{}'", table.oid.0)))
    })
}

/// The default that takes its values from a sequence.
pub(crate) fn default_of_sequence(sequence: Oid) -> String {
    format!("nextval('{}'::regclass)", sequence.0)
}

/// The sequences that the text of a default needs.
pub(crate) fn sequences_of(text: &str) -> Result<Vec<Oid>> {
    let found = RefCell::new(Vec::new());
    replace_names(text, &|name| {
        if let Ok(oid) = name.parse() {
            found.borrow_mut().push(Oid(oid));
        }
        Ok(None)
    })?;
    let mut found: Vec<Oid> = found.into_inner();
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// `428C9` for a value that a column GENERATED ALWAYS is not to get.
pub(super) fn generated_always(column: &str, message: String) -> Error {
    let detail = format!("Column \"{column}\" is an identity column defined as GENERATED ALWAYS.");
    Error::new(types::SqlState::GENERATED_ALWAYS, message).detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_found_in_defaults() {
        let oids = |text: &str| {
            let found = sequences_of(text).expect(text);
            found.into_iter().map(|oid| oid.0).collect::<Vec<_>>()
        };
        assert_eq!(oids("nextval('16400'::regclass)"), [16400]);
        assert_eq!(oids("setval ( '7', 5) + NEXTVAL('16400') + nextval('7')"), [7, 16400]);
        assert_eq!(oids("'nextval(''16400'')' || upper('7') || nextval(upper('8'))"), []);
    }

    #[test]
    fn names_are_replaced_and_nothing_else() {
        let replaced = |text: &str| {
            replace_names(text, &|name| Ok((name == "s").then(|| "'5'".to_owned()))).expect(text)
        };
        assert_eq!(replaced("nextval('s'::regclass) + 1"), "nextval('5'::regclass) + 1");
        assert_eq!(replaced("'s' || nextval('t')"), "'s' || nextval('t')");
    }
}
