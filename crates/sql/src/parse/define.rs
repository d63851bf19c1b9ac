//! Definitions that are read by hand: CREATE SCHEMA, ALTER TABLE, sequences, and DROP of everything.

use sqlparser::ast;
use sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::identity::IdentityChange;
use super::sequence::{self, AlterSequence, CreateSequence};
use super::{CreateView, Statement, alter, view};
use crate::bind::TableName;
use crate::error::Result;

/// A definition.
#[derive(Debug)]
pub(crate) enum Definition {
    /// CREATE SCHEMA
    CreateSchema { name: String, if_not_exists: bool },
    /// DROP
    Drop(Drop),
    /// ALTER TABLE, ALTER VIEW
    AlterTable(AlterTable),
    /// CREATE VIEW
    CreateView(CreateView),
    /// CREATE SEQUENCE
    CreateSequence(CreateSequence),
    /// ALTER SEQUENCE
    AlterSequence(AlterSequence),
}

/// DROP of things of one kind.
#[derive(Debug)]
pub(crate) struct Drop {
    /// What kind they are of.
    pub kind: DropKind,
    /// Their names.
    pub names: Vec<TableName>,
    /// Whether missing ones are no error.
    pub if_exists: bool,
    /// Whether what depends on them goes too.
    pub cascade: bool,
}

/// What can be dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DropKind {
    Table,
    Index,
    Schema,
    View,
    Sequence,
}

impl DropKind {
    const ALL: [DropKind; 5] =
        [DropKind::Table, DropKind::Index, DropKind::Schema, DropKind::View, DropKind::Sequence];

    /// As the command has it.
    fn word(self) -> &'static str {
        match self {
            DropKind::Table => "TABLE",
            DropKind::Index => "INDEX",
            DropKind::Schema => "SCHEMA",
            DropKind::View => "VIEW",
            DropKind::Sequence => "SEQUENCE",
        }
    }

    /// As messages have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            DropKind::Table => "table",
            DropKind::Index => "index",
            DropKind::Schema => "schema",
            DropKind::View => "view",
            DropKind::Sequence => "sequence",
        }
    }
}

/// ALTER TABLE, ALTER VIEW
#[derive(Debug)]
pub(crate) struct AlterTable {
    /// Whether the command says VIEW.
    pub view: bool,
    /// The table.
    pub name: TableName,
    /// Whether it is no error if there is none.
    pub if_exists: bool,
    /// What is to be done to it.
    pub actions: Vec<Alteration>,
}

/// What ALTER TABLE does.
#[derive(Debug)]
pub(crate) enum Alteration {
    /// SET SCHEMA
    SetSchema(String),
    /// RENAME
    Rename(Rename),
    /// ADD COLUMN
    AddColumn { column: Box<ast::ColumnDef>, if_not_exists: bool },
    /// DROP COLUMN
    DropColumn { name: String, if_exists: bool, cascade: bool },
    /// ADD CONSTRAINT
    AddConstraint(Box<ast::TableConstraint>),
    /// DROP CONSTRAINT
    DropConstraint { name: String, if_exists: bool, cascade: bool },
    /// ALTER COLUMN … SET DEFAULT, DROP DEFAULT
    SetDefault { column: String, default: Option<Box<ast::Expr>> },
    /// ALTER COLUMN … SET NOT NULL, DROP NOT NULL
    SetNotNull { column: String, not_null: bool },
    /// ALTER COLUMN … ADD GENERATED, SET GENERATED, RESTART, DROP IDENTITY
    Identity { column: String, change: Box<IdentityChange> },
    /// SET (…), RESET (…): storage parameters
    SetOptions(Vec<(String, Option<String>)>),
}

/// What is renamed, and how it is called then.
#[derive(Debug)]
pub(crate) enum Rename {
    Table { to: String },
    Column { from: String, to: String },
    Constraint { from: String, to: String },
}

impl Definition {
    /// The command, as its tag has it.
    pub(crate) fn tag(&self) -> String {
        match self {
            Definition::CreateSchema { .. } => "CREATE SCHEMA".to_owned(),
            Definition::Drop(drop) => format!("DROP {}", drop.kind.word()),
            Definition::AlterTable(alter) => {
                (if alter.view { "ALTER VIEW" } else { "ALTER TABLE" }).to_owned()
            }
            Definition::CreateView(_) => "CREATE VIEW".to_owned(),
            Definition::CreateSequence(_) => "CREATE SEQUENCE".to_owned(),
            Definition::AlterSequence(_) => "ALTER SEQUENCE".to_owned(),
        }
    }
}

/// Reads a definition; `None`, with nothing taken, if it is another statement.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Option<Statement>> {
    let definition = if cursor.words(&["CREATE", "SCHEMA"]) {
        match create_schema(cursor)? {
            Some(definition) => definition,
            None => return Ok(Some(unsupported(cursor, "this form of CREATE SCHEMA"))),
        }
    } else if cursor.words(&["DROP", "INDEX", "CONCURRENTLY"]) {
        return Ok(Some(unsupported(cursor, "DROP INDEX CONCURRENTLY")));
    } else if let Some(kind) = dropped_kind(cursor) {
        Definition::Drop(drop_of(cursor, kind)?)
    } else if let Some(created) = view::parse(cursor)? {
        match created {
            Ok(created) => Definition::CreateView(created),
            Err(what) => return Ok(Some(unsupported(cursor, what))),
        }
    } else if let Some(view) = altered_view(cursor) {
        match alter::parse(cursor, view)? {
            Ok(alter) => Definition::AlterTable(alter),
            Err(what) => return Ok(Some(unsupported(cursor, what))),
        }
    } else if cursor.words(&["CREATE", "SEQUENCE"]) {
        Definition::CreateSequence(sequence::create(cursor)?)
    } else if cursor.words(&["ALTER", "SEQUENCE"]) {
        match sequence::alter(cursor)? {
            Some(alter) => Definition::AlterSequence(alter),
            None => return Ok(Some(unsupported(cursor, "this form of ALTER SEQUENCE"))),
        }
    } else {
        return Ok(None);
    };
    Ok(Some(Statement::Define(Box::new(definition))))
}

fn unsupported(cursor: &mut Cursor<'_>, what: &str) -> Statement {
    cursor.skip(usize::MAX / 2);
    Statement::Unsupported(what.to_owned())
}

fn create_schema(cursor: &mut Cursor<'_>) -> Result<Option<Definition>> {
    let if_not_exists = cursor.words(&["IF", "NOT", "EXISTS"]);
    if cursor.at_word("AUTHORIZATION") {
        return Ok(None);
    }
    let name = cursor.name()?;
    let whole = cursor.peek().is_none();
    Ok(whole.then_some(Definition::CreateSchema { name, if_not_exists }))
}

/// Takes ALTER TABLE or ALTER VIEW; says whether it is the latter.
fn altered_view(cursor: &mut Cursor<'_>) -> Option<bool> {
    let view = cursor.words(&["ALTER", "VIEW"]);
    (view || cursor.words(&["ALTER", "TABLE"])).then_some(view)
}

fn dropped_kind(cursor: &mut Cursor<'_>) -> Option<DropKind> {
    DropKind::ALL.into_iter().find(|kind| cursor.words(&["DROP", kind.word()]))
}

fn drop_of(cursor: &mut Cursor<'_>, kind: DropKind) -> Result<Drop> {
    let if_exists = cursor.words(&["IF", "EXISTS"]);
    let mut names = vec![table_name(cursor)?];
    while cursor.token(&Token::Comma) {
        names.push(table_name(cursor)?);
    }
    let cascade = cursor.word("CASCADE");
    let _ = !cascade && cursor.word("RESTRICT");
    Ok(Drop { kind, names, if_exists, cascade })
}

/// A name with up to two others before it.
pub(super) fn table_name(cursor: &mut Cursor<'_>) -> Result<TableName> {
    let at = cursor.position().unwrap_or(0) as u32;
    let mut parts = vec![cursor.name()?];
    while cursor.token(&Token::Period) {
        parts.push(cursor.name()?);
    }
    TableName::from_parts(parts, at)
}

#[cfg(test)]
mod tests {
    use super::super::parse as parse_text;
    use super::*;

    fn definition(text: &str) -> Definition {
        let mut request = parse_text(text).expect(text);
        match request.statements.pop().expect("one statement").statement {
            Statement::Define(definition) => *definition,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn drops_name_their_things() {
        let Definition::Drop(drop) = definition("drop table if exists a, \"B\".c cascade") else {
            panic!("not a DROP");
        };
        assert_eq!((drop.kind, drop.if_exists, drop.cascade), (DropKind::Table, true, true));
        assert_eq!(drop.names[1].schema.as_deref(), Some("B"));
        for bad in ["DROP TABLE", "DROP TABLE a b", "DROP SCHEMA s RESTRICT CASCADE"] {
            assert!(parse_text(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_supported_form_is_named() {
        for text in ["CREATE SCHEMA AUTHORIZATION ann", "CREATE SCHEMA s CREATE TABLE t (a int)"] {
            let request = parse_text(text).expect(text);
            let statement = &request.statements[0].statement;
            assert!(matches!(statement, Statement::Unsupported(_)), "{text}");
        }
    }
}
