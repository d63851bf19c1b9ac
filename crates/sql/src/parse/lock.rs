//! `LOCK [TABLE] [ONLY] name [*] [, …] [IN mode MODE] [NOWAIT]`.

use sqlparser::tokenizer::Token;
use txn::LockMode;

use super::cursor::Cursor;
use crate::bind::TableName;
use crate::error::Result;

/// LOCK TABLE
#[derive(Debug)]
pub(crate) struct LockStatement {
    /// The tables, in the order in which they are locked.
    pub tables: Vec<TableName>,
    /// How.
    pub mode: LockMode,
    /// Whether to fail instead of waiting.
    pub nowait: bool,
}

const MODES: [(&[&str], LockMode); 8] = [
    (&["ACCESS", "SHARE"], LockMode::AccessShare),
    (&["ROW", "SHARE"], LockMode::RowShare),
    (&["ROW", "EXCLUSIVE"], LockMode::RowExclusive),
    (&["SHARE", "UPDATE", "EXCLUSIVE"], LockMode::ShareUpdateExclusive),
    (&["SHARE", "ROW", "EXCLUSIVE"], LockMode::ShareRowExclusive),
    (&["SHARE"], LockMode::Share),
    (&["EXCLUSIVE"], LockMode::Exclusive),
    (&["ACCESS", "EXCLUSIVE"], LockMode::AccessExclusive),
];

/// Reads what follows LOCK.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<LockStatement> {
    let _ = cursor.word("TABLE");
    let mut tables = vec![table(cursor)?];
    while cursor.token(&Token::Comma) {
        tables.push(table(cursor)?);
    }
    let mode = if cursor.word("IN") { mode(cursor)? } else { LockMode::AccessExclusive };
    let nowait = cursor.word("NOWAIT");
    Ok(LockStatement { tables, mode, nowait })
}

/// A table's name; ONLY and `*` mean nothing where no table inherits from another.
fn table(cursor: &mut Cursor<'_>) -> Result<TableName> {
    let only = cursor.word("ONLY");
    let parenthesis = only && cursor.token(&Token::LParen);
    let mut parts = vec![cursor.identifier()?];
    while cursor.token(&Token::Period) {
        parts.push(cursor.identifier()?);
    }
    if parenthesis {
        cursor.expect(&Token::RParen)?;
    } else if !only {
        let _ = cursor.token(&Token::Mul);
    }
    TableName::from_parts(parts, 0)
}

fn mode(cursor: &mut Cursor<'_>) -> Result<LockMode> {
    let found = MODES.iter().find(|(words, _)| cursor.words(words));
    match found {
        Some((_, mode)) if cursor.word("MODE") => Ok(*mode),
        _ => Err(cursor.unexpected()),
    }
}
