//! Identity columns: what ALTER COLUMN does to them, and what sqlparser does not read of them.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::cursor::Cursor;
use super::sequence::SequenceOptions;
use crate::error::{Error, Result};

/// What ALTER COLUMN does to an identity column.
#[derive(Debug)]
pub(crate) enum IdentityChange {
    /// ADD GENERATED … AS IDENTITY
    Add { always: bool, options: SequenceOptions },
    /// SET GENERATED, SET of options, RESTART
    Set { always: Option<bool>, options: SequenceOptions },
    /// DROP IDENTITY
    Drop { if_exists: bool },
}

/// What OVERRIDING says of the values that an INSERT has for identity columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Overriding {
    /// SYSTEM VALUE: they are taken, even where they are GENERATED ALWAYS.
    System,
    /// USER VALUE: they are passed over.
    User,
}

/// What stands for OVERRIDING among the columns of an INSERT. No column can be called so.
const MARKS: [(&str, &str, Overriding); 2] =
    [("SYSTEM", "\0system", Overriding::System), ("USER", "\0user", Overriding::User)];

/// What the name of a column stands for, if it is a mark.
pub(crate) fn mark_of(name: &str) -> Option<Overriding> {
    MARKS.iter().find(|(_, mark, _)| *mark == name).map(|(.., overriding)| *overriding)
}

/// ALWAYS or BY DEFAULT, behind GENERATED.
fn always(cursor: &mut Cursor<'_>) -> Result<bool> {
    if cursor.word("ALWAYS") {
        Ok(true)
    } else if cursor.words(&["BY", "DEFAULT"]) {
        Ok(false)
    } else {
        Err(cursor.unexpected())
    }
}

/// Reads a change of an identity column; `None`: it is something else, that is not supported.
pub(super) fn change(cursor: &mut Cursor<'_>) -> Result<Option<IdentityChange>> {
    if cursor.words(&["DROP", "IDENTITY"]) {
        return Ok(Some(IdentityChange::Drop { if_exists: cursor.words(&["IF", "EXISTS"]) }));
    }
    if cursor.words(&["ADD", "GENERATED"]) {
        let always = always(cursor)?;
        if !cursor.words(&["AS", "IDENTITY"]) {
            return Err(cursor.unexpected());
        }
        let mut options = SequenceOptions::default();
        if cursor.token(&Token::LParen) {
            while options.take(cursor)? {}
            cursor.expect(&Token::RParen)?;
        }
        return Ok(Some(IdentityChange::Add { always, options }));
    }
    let (mut generated, mut options, mut any) = (None, SequenceOptions::default(), false);
    loop {
        if cursor.at_word("RESTART") {
            options.take(cursor)?;
        } else if cursor.words(&["SET", "GENERATED"]) {
            if generated.replace(always(cursor)?).is_some() {
                return Err(Error::syntax("conflicting or redundant options"));
            }
        } else if cursor.at_word("SET") {
            cursor.skip(1);
            if !options.take(cursor)? {
                return if any { Err(cursor.unexpected()) } else { Ok(None) };
            }
        } else {
            break;
        }
        any = true;
    }
    Ok(any.then_some(IdentityChange::Set { always: generated, options }))
}

fn is(token: Option<&TokenWithSpan>, words: &[&str]) -> bool {
    matches!(
        token.map(|token| &token.token),
        Some(Token::Word(word))
            if word.quote_style.is_none()
                && words.iter().any(|wanted| word.value.eq_ignore_ascii_case(wanted))
    )
}

/// Puts what sqlparser does not read into a form that it reads: OVERRIDING becomes a last column
/// of the INSERT; the options of identity columns come into its order.
pub(super) fn prepare(tokens: &mut Vec<TokenWithSpan>) -> Result<()> {
    let mut place = 0;
    while place < tokens.len() {
        if is(tokens.get(place), &["OVERRIDING"]) && is(tokens.get(place + 2), &["VALUE"]) {
            mark_overriding(tokens, place);
        } else if is(tokens.get(place), &["AS"]) && is(tokens.get(place + 1), &["IDENTITY"]) {
            // That of ALTER COLUMN is read by hand.
            let behind = |back: usize| place.checked_sub(back).and_then(|at| tokens.get(at));
            let added = [2, 3]
                .into_iter()
                .any(|back| is(behind(back), &["GENERATED"]) && is(behind(back + 1), &["ADD"]));
            if !added {
                order_options(tokens, place + 2)?;
            }
        }
        place += 1;
    }
    Ok(())
}

fn mark_overriding(tokens: &mut Vec<TokenWithSpan>, place: usize) {
    let mark = MARKS.iter().find(|(word, ..)| is(tokens.get(place + 1), &[*word]));
    let (Some((_, mark, _)), true) = (mark, place > 0) else { return };
    let span = tokens[place].span;
    let token = |token| TokenWithSpan { token, span };
    let mark = token(Token::make_word(mark, Some('"')));
    let named = tokens[place - 1].token == Token::RParen;
    tokens.drain(place..place + 3);
    match named {
        true => drop(tokens.splice(place - 1..place - 1, [token(Token::Comma), mark])),
        false => {
            drop(tokens.splice(place..place, [token(Token::LParen), mark, token(Token::RParen)]));
        }
    }
}

/// The words that options begin with, in sqlparser's order.
const ORDER: [&str; 6] = ["INCREMENT", "MINVALUE", "MAXVALUE", "START", "CACHE", "CYCLE"];

/// The rank of the option that begins at a place.
fn rank(tokens: &[TokenWithSpan], place: usize) -> Option<usize> {
    let negated = is(tokens.get(place), &["NO"]);
    let after_no = place > 0 && is(tokens.get(place - 1), &["NO"]);
    let word = tokens.get(place + usize::from(negated));
    ORDER.iter().position(|first| is(word, &[*first])).filter(|_| !after_no)
}

fn order_options(tokens: &mut [TokenWithSpan], open: usize) -> Result<()> {
    if tokens.get(open).is_none_or(|token| token.token != Token::LParen) {
        return Ok(());
    }
    let inner = &mut tokens[open + 1..];
    let Some(length) = inner.iter().position(|token| token.token == Token::RParen) else {
        return Ok(());
    };
    let inner = &mut inner[..length];
    if (0..length).any(|at| is(inner.get(at), &["SEQUENCE"]) && is(inner.get(at + 1), &["NAME"])) {
        return Err(Error::unsupported("SEQUENCE NAME of a new column"));
    }
    let mut ranked = Vec::with_capacity(length);
    let mut current = ORDER.len();
    for place in 0..length {
        current = rank(inner, place).unwrap_or(current);
        ranked.push((current, inner[place].clone()));
    }
    // Stable: what is not known, and what comes twice, is left for sqlparser to refuse.
    ranked.sort_by_key(|(rank, _)| *rank);
    for (place, (_, token)) in ranked.into_iter().enumerate() {
        inner[place] = token;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Alteration, Definition, Statement, parse};
    use super::*;

    fn statement(text: &str) -> Statement {
        let mut request = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        request.statements.pop().expect("one statement").statement
    }

    fn shown(text: &str) -> String {
        match statement(text) {
            Statement::Sql(sql) => sql.to_string(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn overriding_becomes_a_column_and_options_are_ordered() {
        let system = shown("INSERT INTO t (a) OVERRIDING SYSTEM VALUE VALUES (1)");
        assert!(system.contains("(a, \"\0system\")"), "{system}");
        let user = shown("INSERT INTO t OVERRIDING USER VALUE SELECT 1");
        assert!(user.contains("t (\"\0user\")"), "{user}");
        let create = "CREATE TABLE t (a INT GENERATED ALWAYS AS IDENTITY ";
        let shown = shown(&format!("{create}(START WITH 5 NO CYCLE NO MAXVALUE INCREMENT BY -2))"));
        assert!(shown.contains("INCREMENT BY -2 NO MAXVALUE START WITH 5 NO CYCLE"), "{shown}");
        assert!(parse(&format!("{create}(START 5 START 6))")).is_err());
        assert!(parse(&format!("{create}(RESTART))")).is_err());
        let named = parse(&format!("{create}(SEQUENCE NAME s))")).expect_err("refused");
        assert_eq!(named.sqlstate().expect("a report").as_str(), "0A000");
    }

    #[test]
    fn changes_of_identity_columns_are_read() {
        let change = |text: &str| match statement(&format!("ALTER TABLE t ALTER a {text}")) {
            Statement::Define(definition) => match *definition {
                Definition::AlterTable(alter) => match alter.actions.into_iter().next() {
                    Some(Alteration::Identity { change, .. }) => *change,
                    other => panic!("{text}: {other:?}"),
                },
                other => panic!("{text}: {other:?}"),
            },
            other => panic!("{text}: {other:?}"),
        };
        let IdentityChange::Add { always: true, options } =
            change("ADD GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME s.q START 7)")
        else {
            panic!("not ADD");
        };
        assert_eq!((options.start, options.name.expect("a name").name.as_str()), (Some(7), "q"));
        let IdentityChange::Set { always: Some(false), options } =
            change("SET GENERATED BY DEFAULT SET INCREMENT 3 RESTART WITH 9")
        else {
            panic!("not SET");
        };
        assert_eq!((options.increment, options.restart), (Some(3), Some(Some(9))));
        assert!(matches!(
            change("DROP IDENTITY IF EXISTS"),
            IdentityChange::Drop { if_exists: true }
        ));
        assert!(parse("ALTER TABLE t ALTER a RESTART RESTART").is_err());
    }
}
