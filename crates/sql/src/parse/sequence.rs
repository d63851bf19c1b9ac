//! CREATE SEQUENCE, ALTER SEQUENCE, and the options of a sequence wherever they stand.

use sqlparser::ast;
use sqlparser::tokenizer::Token;
use types::SqlState;

use super::cursor::Cursor;
use super::define::table_name;
use super::parse_part;
use crate::bind::TableName;
use crate::error::{Error, Result};

/// CREATE SEQUENCE
#[derive(Debug)]
pub(crate) struct CreateSequence {
    /// Its name.
    pub name: TableName,
    /// Whether it is no error if there is a relation of that name.
    pub if_not_exists: bool,
    /// What was said of it.
    pub options: SequenceOptions,
}

/// ALTER SEQUENCE
#[derive(Debug)]
pub(crate) struct AlterSequence {
    /// Its name.
    pub name: TableName,
    /// Whether it is no error if there is none.
    pub if_exists: bool,
    /// What is to be done to it.
    pub change: SequenceChange,
}

/// What ALTER SEQUENCE does.
#[derive(Debug)]
pub(crate) enum SequenceChange {
    /// Changes how it counts, where it is, what it belongs to.
    Options(Box<SequenceOptions>),
    /// RENAME TO
    Rename(String),
    /// SET SCHEMA
    SetSchema(String),
}

/// What was said of a sequence; within an option that can be negated, `None` is NO or NONE.
#[derive(Debug, Default)]
pub(crate) struct SequenceOptions {
    /// AS
    pub ty: Option<ast::DataType>,
    /// INCREMENT BY
    pub increment: Option<i64>,
    /// MINVALUE, NO MINVALUE
    pub min: Option<Option<i64>>,
    /// MAXVALUE, NO MAXVALUE
    pub max: Option<Option<i64>>,
    /// START WITH
    pub start: Option<i64>,
    /// RESTART, which may say where
    pub restart: Option<Option<i64>>,
    /// CACHE
    pub cache: Option<i64>,
    /// CYCLE, NO CYCLE
    pub cycle: Option<bool>,
    /// OWNED BY
    pub owned_by: Option<Option<Vec<String>>>,
    /// SEQUENCE NAME, of an identity column
    pub name: Option<TableName>,
}

impl SequenceOptions {
    /// Those of an identity column, as sqlparser has read them.
    pub(crate) fn of_column(given: &[ast::SequenceOptions]) -> Result<SequenceOptions> {
        let mut options = SequenceOptions::default();
        let number = |expr: &ast::Expr| number_of(&expr.to_string().replace(' ', ""));
        let optional = |expr: &Option<ast::Expr>| expr.as_ref().map(number).transpose();
        for option in given {
            match option {
                ast::SequenceOptions::IncrementBy(by, _) => options.increment = Some(number(by)?),
                ast::SequenceOptions::MinValue(min) => options.min = Some(optional(min)?),
                ast::SequenceOptions::MaxValue(max) => options.max = Some(optional(max)?),
                ast::SequenceOptions::StartWith(start, _) => options.start = Some(number(start)?),
                ast::SequenceOptions::Cache(cache) => options.cache = Some(number(cache)?),
                ast::SequenceOptions::Cycle(no) => options.cycle = Some(!no),
            }
        }
        Ok(options)
    }

    /// Takes the next option, if it is one.
    pub(super) fn take(&mut self, cursor: &mut Cursor<'_>) -> Result<bool> {
        let at = cursor.position();
        if cursor.word("AS") {
            set(&mut self.ty, parse_part(cursor, |parser| parser.parse_data_type())?, at)?;
        } else if cursor.word("INCREMENT") {
            let _ = cursor.word("BY");
            set(&mut self.increment, number(cursor)?, at)?;
        } else if cursor.words(&["NO", "MINVALUE"]) {
            set(&mut self.min, None, at)?;
        } else if cursor.words(&["NO", "MAXVALUE"]) {
            set(&mut self.max, None, at)?;
        } else if cursor.words(&["NO", "CYCLE"]) {
            set(&mut self.cycle, false, at)?;
        } else if cursor.word("MINVALUE") {
            set(&mut self.min, Some(number(cursor)?), at)?;
        } else if cursor.word("MAXVALUE") {
            set(&mut self.max, Some(number(cursor)?), at)?;
        } else if cursor.word("CYCLE") {
            set(&mut self.cycle, true, at)?;
        } else if cursor.word("CACHE") {
            set(&mut self.cache, number(cursor)?, at)?;
        } else if cursor.word("START") {
            let _ = cursor.word("WITH");
            set(&mut self.start, number(cursor)?, at)?;
        } else if cursor.word("RESTART") {
            let with = cursor.word("WITH");
            let to = if with || at_number(cursor) { Some(number(cursor)?) } else { None };
            set(&mut self.restart, to, at)?;
        } else if cursor.words(&["OWNED", "BY"]) {
            set(&mut self.owned_by, owner(cursor)?, at)?;
        } else if cursor.words(&["SEQUENCE", "NAME"]) {
            set(&mut self.name, table_name(cursor)?, at)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Takes all options that come.
    fn take_all(cursor: &mut Cursor<'_>) -> Result<SequenceOptions> {
        let mut options = SequenceOptions::default();
        while cursor.peek().is_some() {
            if !options.take(cursor)? {
                return Err(cursor.unexpected());
            }
        }
        // Only columns name their sequences.
        match options.name {
            Some(_) => Err(Error::syntax("syntax error at or near \"SEQUENCE\"")),
            None => Ok(options),
        }
    }
}

fn set<T>(option: &mut Option<T>, value: T, at: Option<usize>) -> Result<()> {
    match option.replace(value) {
        Some(_) => Err(Error::syntax("conflicting or redundant options").at(at)),
        None => Ok(()),
    }
}

fn at_number(cursor: &Cursor<'_>) -> bool {
    let next = cursor.peek().map(|token| &token.token);
    matches!(next, Some(Token::Number(..) | Token::Minus | Token::Plus))
}

/// A number with its sign.
fn number(cursor: &mut Cursor<'_>) -> Result<i64> {
    let minus = cursor.token(&Token::Minus);
    let _ = !minus && cursor.token(&Token::Plus);
    let Some(Token::Number(digits, false)) = cursor.peek().map(|token| &token.token) else {
        return Err(cursor.unexpected());
    };
    cursor.skip(1);
    number_of(&format!("{}{digits}", if minus { "-" } else { "" }))
}

fn number_of(text: &str) -> Result<i64> {
    let plain = text.trim_start_matches('+').replace('_', "");
    plain.parse().map_err(|_| {
        let whole = plain.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit());
        if whole {
            let message = format!("value \"{plain}\" is out of range for type bigint");
            return Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, message);
        }
        let message = format!("invalid input syntax for type bigint: \"{plain}\"");
        Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message)
    })
}

/// What stands behind OWNED BY: a column, or NONE.
fn owner(cursor: &mut Cursor<'_>) -> Result<Option<Vec<String>>> {
    let mut parts = vec![cursor.identifier()?];
    while cursor.token(&Token::Period) {
        parts.push(cursor.identifier()?);
    }
    Ok(if parts == ["none"] { None } else { Some(parts) })
}

/// Reads what stands behind CREATE SEQUENCE.
pub(super) fn create(cursor: &mut Cursor<'_>) -> Result<CreateSequence> {
    let if_not_exists = cursor.words(&["IF", "NOT", "EXISTS"]);
    let name = table_name(cursor)?;
    Ok(CreateSequence { name, if_not_exists, options: SequenceOptions::take_all(cursor)? })
}

/// Reads what stands behind ALTER SEQUENCE; `None`: another form of it.
pub(super) fn alter(cursor: &mut Cursor<'_>) -> Result<Option<AlterSequence>> {
    let if_exists = cursor.words(&["IF", "EXISTS"]);
    let name = table_name(cursor)?;
    let change = if cursor.words(&["RENAME", "TO"]) {
        SequenceChange::Rename(cursor.name()?)
    } else if cursor.words(&["SET", "SCHEMA"]) {
        SequenceChange::SetSchema(cursor.name()?)
    } else if cursor.words(&["OWNER", "TO"]) || cursor.at_word("SET") {
        return Ok(None);
    } else if cursor.peek().is_none() {
        return Err(cursor.unexpected());
    } else {
        SequenceChange::Options(Box::new(SequenceOptions::take_all(cursor)?))
    };
    Ok(Some(AlterSequence { name, if_exists, change }))
}

#[cfg(test)]
mod tests {
    use super::super::{Definition, Statement, parse};
    use super::*;

    fn created(text: &str) -> CreateSequence {
        let mut request = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        match request.statements.pop().expect("one statement").statement {
            Statement::Define(definition) => match *definition {
                Definition::CreateSequence(create) => create,
                other => panic!("{text}: {other:?}"),
            },
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn options_come_in_any_order() {
        let read = created(
            "CREATE SEQUENCE IF NOT EXISTS s.q CYCLE START WITH -5 CACHE 3 NO MINVALUE \
             INCREMENT BY +2 MAXVALUE 9 AS smallint OWNED BY s.t.a",
        );
        let options = read.options;
        assert!(read.if_not_exists && read.name.schema.as_deref() == Some("s"));
        assert_eq!((options.start, options.cache, options.increment), (Some(-5), Some(3), Some(2)));
        assert_eq!(
            (options.min, options.max, options.cycle),
            (Some(None), Some(Some(9)), Some(true))
        );
        assert_eq!(options.owned_by.flatten().expect("a column"), ["s", "t", "a"]);
        assert_eq!(created("CREATE SEQUENCE q OWNED BY NONE").options.owned_by, Some(None));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (text, code) in [
            ("CREATE SEQUENCE q INCREMENT 1 INCREMENT 2", "42601"),
            ("CREATE SEQUENCE q CYCLE NO CYCLE", "42601"),
            ("CREATE SEQUENCE q SEQUENCE NAME p", "42601"),
            ("CREATE SEQUENCE q START", "42601"),
            ("CREATE SEQUENCE q nonsense", "42601"),
            ("CREATE SEQUENCE", "42601"),
            ("ALTER SEQUENCE q", "42601"),
            ("CREATE SEQUENCE q START 99999999999999999999", "22003"),
            ("CREATE SEQUENCE q START 1.5", "22P02"),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.sqlstate().expect("a report").as_str(), code, "{text}");
        }
    }
}
