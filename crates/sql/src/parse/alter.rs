//! ALTER TABLE, read by hand but for the definitions of columns and constraints.

use sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::define::{AlterTable, Alteration, Rename, table_name};
use super::identity;
use super::parse_part;
use crate::error::Result;

/// Something that was read, or the name of what is not supported.
type Supported<T> = std::result::Result<T, &'static str>;

/// Reads what stands behind ALTER TABLE, or ALTER VIEW.
pub(super) fn parse(cursor: &mut Cursor<'_>, view: bool) -> Result<Supported<AlterTable>> {
    let if_exists = cursor.words(&["IF", "EXISTS"]);
    let _ = !view && cursor.word("ONLY");
    let name = table_name(cursor)?;
    let _ = !view && cursor.token(&Token::Mul);
    let mut actions = Vec::new();
    if cursor.word("RENAME") {
        actions.push(Alteration::Rename(rename(cursor)?));
    } else if cursor.words(&["SET", "SCHEMA"]) {
        actions.push(Alteration::SetSchema(cursor.name()?));
    } else if view {
        return Ok(Err("this form of ALTER VIEW"));
    } else {
        loop {
            match action(cursor)? {
                Ok(action) => actions.push(action),
                Err(what) => return Ok(Err(what)),
            }
            if !cursor.token(&Token::Comma) {
                break;
            }
        }
    }
    Ok(Ok(AlterTable { view, name, if_exists, actions }))
}

fn rename(cursor: &mut Cursor<'_>) -> Result<Rename> {
    if cursor.word("TO") {
        return Ok(Rename::Table { to: cursor.name()? });
    }
    let constraint = cursor.word("CONSTRAINT");
    let _ = !constraint && cursor.word("COLUMN");
    let from = cursor.name()?;
    if !cursor.word("TO") {
        return Err(cursor.unexpected());
    }
    let to = cursor.name()?;
    Ok(if constraint { Rename::Constraint { from, to } } else { Rename::Column { from, to } })
}

fn action(cursor: &mut Cursor<'_>) -> Result<Supported<Alteration>> {
    if cursor.word("ADD") {
        return add(cursor);
    }
    if cursor.word("DROP") {
        return drop(cursor).map(Ok);
    }
    if cursor.word("ALTER") {
        return alter_column(cursor);
    }
    let set = cursor.word("SET");
    if (set || cursor.word("RESET")) && cursor.token(&Token::LParen) {
        return options(cursor, set).map(|options| Ok(Alteration::SetOptions(options)));
    }
    Ok(Err("this form of ALTER TABLE"))
}

fn add(cursor: &mut Cursor<'_>) -> Result<Supported<Alteration>> {
    let column = cursor.word("COLUMN");
    let constraint = ["CONSTRAINT", "CHECK", "PRIMARY", "UNIQUE", "FOREIGN", "EXCLUDE"];
    if !column && constraint.iter().any(|word| cursor.at_word(word)) {
        if cursor.at_word("EXCLUDE") {
            return Ok(Err("EXCLUDE"));
        }
        let constraint = parse_part(cursor, |parser| parser.parse_optional_table_constraint())?;
        let Some(constraint) = constraint else { return Err(cursor.unexpected()) };
        if cursor.words(&["NOT", "VALID"]) {
            return Ok(Err("NOT VALID"));
        }
        return Ok(Ok(Alteration::AddConstraint(Box::new(constraint))));
    }
    let if_not_exists = cursor.words(&["IF", "NOT", "EXISTS"]);
    let column = Box::new(parse_part(cursor, |parser| parser.parse_column_def())?);
    Ok(Ok(Alteration::AddColumn { column, if_not_exists }))
}

fn drop(cursor: &mut Cursor<'_>) -> Result<Alteration> {
    let constraint = cursor.word("CONSTRAINT");
    let _ = !constraint && cursor.word("COLUMN");
    let if_exists = cursor.words(&["IF", "EXISTS"]);
    let name = cursor.name()?;
    let cascade = cursor.word("CASCADE");
    let _ = !cascade && cursor.word("RESTRICT");
    Ok(if constraint {
        Alteration::DropConstraint { name, if_exists, cascade }
    } else {
        Alteration::DropColumn { name, if_exists, cascade }
    })
}

fn alter_column(cursor: &mut Cursor<'_>) -> Result<Supported<Alteration>> {
    if cursor.word("CONSTRAINT") {
        return Ok(Err("ALTER CONSTRAINT"));
    }
    let _ = cursor.word("COLUMN");
    let column = cursor.name()?;
    Ok(if cursor.words(&["SET", "DEFAULT"]) {
        let default = Some(Box::new(parse_part(cursor, |parser| parser.parse_expr())?));
        Ok(Alteration::SetDefault { column, default })
    } else if cursor.words(&["DROP", "DEFAULT"]) {
        Ok(Alteration::SetDefault { column, default: None })
    } else if cursor.words(&["SET", "NOT", "NULL"]) {
        Ok(Alteration::SetNotNull { column, not_null: true })
    } else if cursor.words(&["DROP", "NOT", "NULL"]) {
        Ok(Alteration::SetNotNull { column, not_null: false })
    } else if cursor.at_word("TYPE") || cursor.words(&["SET", "DATA"]) {
        Err("ALTER COLUMN … TYPE")
    } else if let Some(change) = identity::change(cursor)? {
        Ok(Alteration::Identity { column, change: Box::new(change) })
    } else {
        Err("this form of ALTER COLUMN")
    })
}

/// Storage parameters in parentheses, the first of which is taken.
fn options(cursor: &mut Cursor<'_>, set: bool) -> Result<Vec<(String, Option<String>)>> {
    let mut options = Vec::new();
    loop {
        let name = cursor.identifier()?;
        let mut value = None;
        if set {
            cursor.expect(&Token::Eq)?;
            value = Some(match cursor.peek().map(|token| &token.token) {
                Some(Token::Number(digits, _)) => {
                    let digits = digits.clone();
                    cursor.skip(1);
                    digits
                }
                _ => match cursor.string() {
                    Some(text) => text,
                    None => cursor.identifier()?,
                },
            });
        }
        options.push((name, value));
        if !cursor.token(&Token::Comma) {
            break;
        }
    }
    cursor.expect(&Token::RParen)?;
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::super::{Definition, Statement, parse as parse_text};
    use super::*;

    fn actions(text: &str) -> Vec<Alteration> {
        let mut request = parse_text(text).expect(text);
        match request.statements.pop().expect("one statement").statement {
            Statement::Define(definition) => match *definition {
                Definition::AlterTable(alter) => alter.actions,
                other => panic!("{text}: {other:?}"),
            },
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn several_actions_are_read_one_by_one() {
        let read = actions(
            "ALTER TABLE IF EXISTS ONLY s.t * ADD a int DEFAULT (1 + 2) NOT NULL, DROP b CASCADE, \
             ADD CONSTRAINT c CHECK (a > 0), ALTER a SET DEFAULT 5 + 6, SET (fillfactor = 70)",
        );
        assert!(matches!(
            read.as_slice(),
            [
                Alteration::AddColumn { if_not_exists: false, .. },
                Alteration::DropColumn { cascade: true, .. },
                Alteration::AddConstraint(_),
                Alteration::SetDefault { default: Some(_), .. },
                Alteration::SetOptions(_)
            ]
        ));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [
            "ALTER TABLE t",
            "ALTER TABLE t ADD",
            "ALTER TABLE t RENAME a",
            "ALTER TABLE t DROP a,",
            "ALTER TABLE t SET (fillfactor)",
            "ALTER TABLE t RENAME a TO b, DROP c",
        ] {
            let request = parse_text(bad);
            let named = request.is_ok_and(|request| {
                matches!(request.statements[0].statement, Statement::Unsupported(_))
            });
            assert!(parse_text(bad).is_err() || named, "{bad}");
        }
    }
}
