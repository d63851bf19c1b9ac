//! Statements that are read by hand: transactions, settings, CHECKPOINT, and the names of what is
//! not supported.

use catalog::quote_identifier;
use config::IsolationLevel;
use sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::{Statement, copy, lock, vacuum};
use crate::bind::TableName;
use crate::error::{Error, Result};
use crate::session::SavepointStatement;

/// What BEGIN and SET TRANSACTION say of a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TransactionModes {
    /// READ ONLY or READ WRITE.
    pub access: Option<Access>,
    /// An isolation level, by its name in SHOW.
    pub isolation: Option<&'static str>,
    /// \[NOT\] DEFERRABLE, which means something for serializable transactions only.
    pub deferrable: Option<bool>,
}

/// Whether a transaction may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    ReadOnly,
    ReadWrite,
}

/// Statements of PostgreSQL that are not supported, by their first word.
const UNSUPPORTED: &[&str] = &[
    "ALTER", "CALL", "CLOSE", "CLUSTER", "COMMENT", "DECLARE", "DISCARD", "DO", "FETCH", "GRANT",
    "IMPORT", "LISTEN", "LOAD", "MERGE", "MOVE", "NOTIFY", "REASSIGN", "REFRESH", "REVOKE",
    "SECURITY", "UNLISTEN",
];

/// Reads a statement of this file; `None`, with nothing taken, if it is another.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Option<Statement>> {
    if cursor.word("BEGIN") {
        let _ = cursor.word("WORK") || cursor.word("TRANSACTION");
        return Ok(Some(Statement::Begin { modes: modes(cursor)?, start: false }));
    }
    if cursor.words(&["START", "TRANSACTION"]) {
        return Ok(Some(Statement::Begin { modes: modes(cursor)?, start: true }));
    }
    if cursor.at_word("COMMIT") || cursor.at_word("END") {
        return end(cursor, true).map(Some);
    }
    if cursor.at_word("ROLLBACK") || cursor.at_word("ABORT") {
        return end(cursor, false).map(Some);
    }
    if cursor.word("SAVEPOINT") {
        let name = cursor.identifier()?;
        return Ok(Some(Statement::Savepoint(SavepointStatement::Set(name))));
    }
    if cursor.word("RELEASE") {
        let name = savepoint_name(cursor)?;
        return Ok(Some(Statement::Savepoint(SavepointStatement::Release(name))));
    }
    if cursor.words(&["PREPARE", "TRANSACTION"]) {
        return Ok(Some(skip(cursor, "PREPARE TRANSACTION")));
    }
    if cursor.word("CHECKPOINT") {
        return Ok(Some(Statement::Checkpoint));
    }
    if cursor.word("VACUUM") {
        return vacuum::vacuum(cursor).map(|work| Some(Statement::Maintain(Box::new(work))));
    }
    if cursor.word("ANALYZE") || cursor.word("ANALYSE") {
        return vacuum::analyze(cursor).map(|work| Some(Statement::Maintain(Box::new(work))));
    }
    if cursor.word("REINDEX") {
        return reindex(cursor).map(Some);
    }
    if cursor.word("COPY") {
        return copy::parse(cursor).map(|copy| Some(Statement::Copy(Box::new(copy))));
    }
    if cursor.word("LOCK") {
        return lock::parse(cursor).map(|lock| Some(Statement::Lock(lock)));
    }
    if cursor.word("SHOW") {
        return show(cursor).map(Some);
    }
    if cursor.word("SET") {
        return set(cursor).map(Some);
    }
    if cursor.word("RESET") {
        return reset(cursor).map(Some);
    }
    Ok(None)
}

/// REINDEX INDEX name, REINDEX TABLE name.
fn reindex(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let table = if cursor.word("TABLE") {
        true
    } else if cursor.word("INDEX") {
        false
    } else {
        return Ok(skip(cursor, "REINDEX of anything but an index or a table"));
    };
    if cursor.at_word("CONCURRENTLY") {
        return Ok(skip(cursor, "REINDEX CONCURRENTLY"));
    }
    let mut parts = vec![cursor.identifier()?];
    while cursor.token(&Token::Period) {
        parts.push(cursor.identifier()?);
    }
    Ok(Statement::Reindex { name: TableName::from_parts(parts, 0)?, table })
}

/// Takes all that is left of a statement that is not supported.
fn skip(cursor: &mut Cursor<'_>, name: &str) -> Statement {
    cursor.skip(usize::MAX / 2);
    Statement::Unsupported(name.to_owned())
}

/// A statement that PostgreSQL has and this server has not.
pub(super) fn unsupported(cursor: &mut Cursor<'_>) -> Option<Statement> {
    let name = UNSUPPORTED.iter().find(|name| cursor.at_word(name))?;
    cursor.skip(1);
    let full = match cursor.peek().map(|token| &token.token) {
        Some(Token::Word(word)) if *name == "ALTER" => {
            format!("{name} {}", word.value.to_uppercase())
        }
        _ => (*name).to_owned(),
    };
    Some(skip(cursor, &full))
}

/// COMMIT, END, ROLLBACK and ABORT with what may follow.
fn end(cursor: &mut Cursor<'_>, commit: bool) -> Result<Statement> {
    let name = cursor.identifier()?.to_uppercase();
    if cursor.word("PREPARED") {
        return Ok(skip(cursor, &format!("{name} PREPARED")));
    }
    let _ = cursor.word("WORK") || cursor.word("TRANSACTION");
    if name == "ROLLBACK" && cursor.word("TO") {
        let name = savepoint_name(cursor)?;
        return Ok(Statement::Savepoint(SavepointStatement::RollbackTo(name)));
    }
    if cursor.words(&["AND", "CHAIN"]) {
        return Ok(skip(cursor, &format!("{name} AND CHAIN")));
    }
    let _ = cursor.words(&["AND", "NO", "CHAIN"]);
    Ok(if commit { Statement::Commit } else { Statement::Rollback })
}

/// `[SAVEPOINT] name`; a savepoint may be called `savepoint`.
fn savepoint_name(cursor: &mut Cursor<'_>) -> Result<String> {
    if cursor.rest().len() > 1 {
        let _ = cursor.word("SAVEPOINT");
    }
    cursor.identifier()
}

fn modes(cursor: &mut Cursor<'_>) -> Result<TransactionModes> {
    let mut modes = TransactionModes::default();
    while cursor.peek().is_some() {
        if cursor.words(&["ISOLATION", "LEVEL"]) {
            modes.isolation = Some(isolation_level(cursor)?);
        } else if cursor.words(&["READ", "ONLY"]) {
            modes.access = Some(Access::ReadOnly);
        } else if cursor.words(&["READ", "WRITE"]) {
            modes.access = Some(Access::ReadWrite);
        } else if cursor.words(&["NOT", "DEFERRABLE"]) {
            modes.deferrable = Some(false);
        } else if cursor.word("DEFERRABLE") {
            modes.deferrable = Some(true);
        } else {
            return Err(cursor.unexpected());
        }
        let comma = cursor.token(&Token::Comma);
        if comma && cursor.peek().is_none() {
            return Err(cursor.unexpected());
        }
    }
    Ok(modes)
}

/// At least one mode.
fn some_modes(cursor: &mut Cursor<'_>) -> Result<TransactionModes> {
    match modes(cursor)? {
        modes if modes == TransactionModes::default() => Err(cursor.unexpected()),
        modes => Ok(modes),
    }
}

fn isolation_level(cursor: &mut Cursor<'_>) -> Result<&'static str> {
    for (words, name) in [
        (["READ", "COMMITTED"].as_slice(), "read committed"),
        (&["READ", "UNCOMMITTED"], "read uncommitted"),
        (&["REPEATABLE", "READ"], "repeatable read"),
        (&["SERIALIZABLE"], "serializable"),
    ] {
        if cursor.words(words) {
            return Ok(name);
        }
    }
    Err(cursor.unexpected())
}

/// The name of a setting, which may have two parts.
fn setting_name(cursor: &mut Cursor<'_>) -> Result<String> {
    let mut name = cursor.identifier()?;
    while cursor.token(&Token::Period) {
        name.push('.');
        name.push_str(&cursor.identifier()?);
    }
    Ok(name)
}

/// The names of settings that are spelled in several words.
fn spelled_name(cursor: &mut Cursor<'_>) -> Option<&'static str> {
    if cursor.words(&["TIME", "ZONE"]) {
        Some("timezone")
    } else if cursor.words(&["TRANSACTION", "ISOLATION", "LEVEL"]) {
        Some("transaction_isolation")
    } else {
        None
    }
}

fn show(cursor: &mut Cursor<'_>) -> Result<Statement> {
    if cursor.word("ALL") {
        return Ok(Statement::ShowAll);
    }
    if cursor.words(&["SESSION", "AUTHORIZATION"]) {
        return Ok(skip(cursor, "SHOW SESSION AUTHORIZATION"));
    }
    match spelled_name(cursor) {
        Some(name) => Ok(Statement::Show(name.to_owned())),
        None => setting_name(cursor).map(Statement::Show),
    }
}

fn reset(cursor: &mut Cursor<'_>) -> Result<Statement> {
    if cursor.word("ALL") {
        return Ok(Statement::ResetAll);
    }
    if cursor.words(&["SESSION", "AUTHORIZATION"]) {
        return Ok(skip(cursor, "RESET SESSION AUTHORIZATION"));
    }
    match spelled_name(cursor) {
        Some(name) => Ok(Statement::Reset(name.to_owned())),
        None => setting_name(cursor).map(Statement::Reset),
    }
}

fn set(cursor: &mut Cursor<'_>) -> Result<Statement> {
    if cursor.word("TRANSACTION") {
        if cursor.word("SNAPSHOT") {
            return Ok(skip(cursor, "SET TRANSACTION SNAPSHOT"));
        }
        return Ok(Statement::SetTransaction(some_modes(cursor)?));
    }
    if cursor.word("CONSTRAINTS") {
        return Ok(skip(cursor, "SET CONSTRAINTS"));
    }
    let local = cursor.word("LOCAL");
    if !local && cursor.words(&["SESSION", "CHARACTERISTICS", "AS", "TRANSACTION"]) {
        return Ok(Statement::SetCharacteristics(some_modes(cursor)?));
    }
    let session = !local && cursor.word("SESSION");
    if cursor.word("ROLE") {
        return Ok(skip(cursor, "SET ROLE"));
    }
    if cursor.word("AUTHORIZATION") && session {
        return Ok(skip(cursor, "SET SESSION AUTHORIZATION"));
    }
    if cursor.words(&["TIME", "ZONE"]) {
        let value = if cursor.word("LOCAL") || cursor.word("DEFAULT") {
            None
        } else {
            Some(value(cursor)?)
        };
        return Ok(Statement::Set { name: "timezone".to_owned(), value, local });
    }
    if cursor.word("NAMES") {
        let value = if cursor.word("DEFAULT") { None } else { Some(value(cursor)?) };
        return Ok(Statement::Set { name: "client_encoding".to_owned(), value, local });
    }
    let name = setting_name(cursor)?;
    if !cursor.token(&Token::Eq) && !cursor.word("TO") {
        return Err(cursor.unexpected());
    }
    if cursor.word("DEFAULT") {
        return Ok(Statement::Set { name, value: None, local });
    }
    // As in PostgreSQL each part of a list of names is a name, also where it stands as a string.
    let names = name == "search_path";
    let part = |part: String| if names { quote_identifier(&part) } else { part };
    let mut values = part(value(cursor)?);
    while cursor.token(&Token::Comma) {
        values.push_str(", ");
        values.push_str(&part(value(cursor)?));
    }
    Ok(Statement::Set { name, value: Some(values), local })
}

/// A value: a string, a word, or a number with its sign.
fn value(cursor: &mut Cursor<'_>) -> Result<String> {
    if let Some(text) = cursor.string() {
        return Ok(text);
    }
    let minus = cursor.token(&Token::Minus);
    let plus = !minus && cursor.token(&Token::Plus);
    match cursor.peek().map(|token| &token.token) {
        Some(Token::Number(digits, false)) => {
            let digits = digits.clone();
            cursor.skip(1);
            Ok(if minus { format!("-{digits}") } else { digits })
        }
        Some(Token::Word(_)) if !minus && !plus => cursor.identifier(),
        _ => Err(cursor.unexpected()),
    }
}

impl TransactionModes {
    /// The isolation level. `0A000` for serializable: it is not served as something weaker.
    pub(crate) fn level(&self) -> Result<Option<IsolationLevel>> {
        match self.isolation {
            None => Ok(None),
            Some("read uncommitted") => Ok(Some(IsolationLevel::ReadUncommitted)),
            Some("read committed") => Ok(Some(IsolationLevel::ReadCommitted)),
            Some("repeatable read") => Ok(Some(IsolationLevel::RepeatableRead)),
            Some(other) => Err(Error::unsupported(format!("the isolation level {other}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse as parse_text;
    use super::*;

    fn statement(text: &str) -> Statement {
        let mut request = parse_text(text).expect(text);
        request.statements.pop().expect("one statement").statement
    }

    #[test]
    fn transactions_with_their_modes() {
        let Statement::Begin { modes, start: false } =
            statement("begin work isolation level read committed, read only not deferrable")
        else {
            panic!("not a BEGIN");
        };
        assert_eq!(modes.access, Some(Access::ReadOnly));
        assert_eq!(modes.isolation, Some("read committed"));
        assert_eq!(modes.level().expect("supported"), Some(IsolationLevel::ReadCommitted));
        let Statement::Begin { modes, start: true } =
            statement("START TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        else {
            panic!("not a START");
        };
        assert!(modes.level().is_err());
        let Statement::SetCharacteristics(modes) =
            statement("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE, DEFERRABLE")
        else {
            panic!("not a SET SESSION CHARACTERISTICS");
        };
        assert_eq!((modes.access, modes.deferrable), (Some(Access::ReadWrite), Some(true)));
        assert!(parse_text("SET SESSION CHARACTERISTICS AS TRANSACTION").is_err());
        assert!(matches!(statement("END TRANSACTION"), Statement::Commit));
        assert!(matches!(statement("abort work and no chain"), Statement::Rollback));
        assert!(matches!(statement("COMMIT AND CHAIN"), Statement::Unsupported(_)));
        assert!(parse_text("BEGIN READ").is_err());
        assert!(parse_text("BEGIN READ ONLY,").is_err());
    }

    #[test]
    fn settings_in_their_spellings() {
        let set = |text: &str| match statement(text) {
            Statement::Set { name, value, local } => (name, value, local),
            other => panic!("{text}: {other:?}"),
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(set("SET work_mem = '8MB'"), ("work_mem".to_owned(), some("8MB"), false));
        assert_eq!(set("SET LOCAL Work_Mem TO 64"), ("work_mem".to_owned(), some("64"), true));
        assert_eq!(set("SET x = -1"), ("x".to_owned(), some("-1"), false));
        assert_eq!(set("SET SESSION a.b TO DEFAULT"), ("a.b".to_owned(), None, false));
        assert_eq!(set("SET TIME ZONE 'UTC'").0, "timezone");
        assert_eq!(set("SET datestyle = ISO, MDY").1, some("iso, mdy"));
        assert_eq!(set("SET search_path TO A, 'B', public").1, some("a, \"B\", public"));
        assert!(parse_text("SET x").is_err());
        assert!(parse_text("SET x = ").is_err());
        assert!(matches!(statement("SHOW ALL"), Statement::ShowAll));
        assert!(matches!(statement("SHOW TIME ZONE"), Statement::Show(name) if name == "timezone"));
        assert!(matches!(statement("SET ROLE none"), Statement::Unsupported(_)));
    }
}
