//! ALTER TABLE and ALTER VIEW: finds and locks the table, and has the catalog change what it says of it.
//!
//! Several actions of one command are done in PostgreSQL's order: what is dropped goes first, then
//! columns are added and changed, constraints come last: keys, CHECKs, foreign keys.

mod columns;
mod identity;
mod keys;
mod rows;

use std::rc::Rc;

use catalog::{TableDef, TableKind};
use txn::LockMode;
use types::SqlState;

use super::super::Execution;
use super::super::define::{check_table, not_for_sequences, undefined_table};
use super::super::sequences;
use super::drop::tell_cascaded;
use super::notice;
use crate::bind::{BindContext, bind_new_check, changed_options, renamed_checks};
use crate::error::{Error, Result};
use crate::output::Output;
use crate::parse::{AlterTable, Alteration, IdentityChange, Rename};
use sqlparser::ast::TableConstraint;
use sqlparser::tokenizer::Token;

/// What an action works with.
struct Alter<'a, 'e> {
    execution: &'a Execution<'e>,
    context: &'a BindContext<'a>,
    /// The table as it is now.
    table: Rc<TableDef>,
}

/// ALTER TABLE
pub(super) fn alter_table(
    execution: &Execution<'_>,
    context: &BindContext<'_>,
    alter: &AlterTable,
    out: &mut dyn Output,
) -> Result<()> {
    let AlterTable { view, name, if_exists, actions } = alter;
    let storage = &execution.session.storage;
    let mode = actions.iter().map(lock_mode).max().unwrap_or(LockMode::AccessExclusive);
    let Some(table) = storage.open(name, mode)? else {
        if *if_exists {
            let message = format!("relation \"{}\" does not exist, skipping", name.name);
            return notice(execution, out, SqlState::SUCCESSFUL_COMPLETION, message);
        }
        return Err(undefined_table(name).without_position());
    };
    if matches!(table.kind, TableKind::Sequence(_)) && !*view {
        return actions.iter().try_for_each(|action| alter_sequence(execution, &table, action));
    }
    check_kind(&table, *view, actions)?;
    let mut alter = Alter { execution, context, table };
    let mut ordered: Vec<&Alteration> = actions.iter().collect();
    ordered.sort_by_key(|action| pass(action));
    for action in ordered {
        alter.apply(action, out)?;
    }
    Ok(())
}

/// Refuses what is no table, and what a view has not.
fn check_kind(table: &TableDef, view: bool, actions: &[Alteration]) -> Result<()> {
    let wrong = |message: String| Error::new(SqlState::WRONG_OBJECT_TYPE, message);
    if table.kind != TableKind::View {
        return match view {
            true => Err(wrong(format!("\"{}\" is not a view", table.name))),
            false => check_table(table, "alter"),
        };
    }
    for action in actions {
        let what = match action {
            Alteration::SetSchema(_) | Alteration::Rename(_) => continue,
            Alteration::SetDefault { .. } => {
                return Err(Error::unsupported("a default of a view's column"));
            }
            Alteration::SetOptions(_) => return Err(Error::unsupported("options of a view")),
            Alteration::AddColumn { .. } => "ADD COLUMN",
            Alteration::DropColumn { .. } => "DROP COLUMN",
            Alteration::AddConstraint(_) => "ADD CONSTRAINT",
            Alteration::DropConstraint { .. } => "DROP CONSTRAINT",
            Alteration::SetNotNull { not_null: true, .. } => "ALTER COLUMN ... SET NOT NULL",
            Alteration::SetNotNull { .. } => "ALTER COLUMN ... DROP NOT NULL",
            Alteration::Identity { .. } => "ALTER COLUMN ... ADD IDENTITY",
        };
        let name = &table.name;
        let message = format!("ALTER action {what} cannot be performed on relation \"{name}\"");
        return Err(wrong(message).detail("This operation is not supported for views."));
    }
    Ok(())
}

/// What ALTER TABLE does to a sequence.
fn alter_sequence(execution: &Execution<'_>, table: &TableDef, action: &Alteration) -> Result<()> {
    let storage = &execution.session.storage;
    let refused = match action {
        Alteration::Rename(Rename::Table { to }) => {
            return storage.define(|catalog, tx| catalog.rename_table(tx, table, to)).map(|_| ());
        }
        Alteration::SetSchema(schema) => return sequences::set_schema(execution, table, schema),
        Alteration::Rename(Rename::Column { .. }) => "cannot rename columns of",
        Alteration::Rename(Rename::Constraint { .. }) => "cannot rename constraints of",
        Alteration::AddColumn { .. } => "ALTER action ADD COLUMN cannot be performed on",
        Alteration::DropColumn { .. } => "ALTER action DROP COLUMN cannot be performed on",
        Alteration::AddConstraint(_) => "ALTER action ADD CONSTRAINT cannot be performed on",
        Alteration::DropConstraint { .. } => "ALTER action DROP CONSTRAINT cannot be performed on",
        Alteration::SetOptions(_) => "ALTER action SET cannot be performed on",
        _ => "ALTER action ALTER COLUMN cannot be performed on",
    };
    Err(not_for_sequences(format!("{refused} relation \"{}\"", table.name)))
}

/// The lock that an action needs.
fn lock_mode(action: &Alteration) -> LockMode {
    match action {
        Alteration::SetOptions(_) => LockMode::ShareUpdateExclusive,
        Alteration::AddConstraint(constraint)
            if matches!(**constraint, TableConstraint::ForeignKey(_)) =>
        {
            LockMode::ShareRowExclusive
        }
        _ => LockMode::AccessExclusive,
    }
}

/// When an action's turn comes.
fn pass(action: &Alteration) -> u8 {
    match action {
        Alteration::DropColumn { .. } | Alteration::DropConstraint { .. } => 0,
        Alteration::SetNotNull { not_null: false, .. }
        | Alteration::SetDefault { default: None, .. } => 0,
        Alteration::Identity { change, .. } if matches!(**change, IdentityChange::Drop { .. }) => 0,
        Alteration::AddColumn { .. } => 1,
        Alteration::SetNotNull { .. } => 2,
        Alteration::AddConstraint(constraint) => match **constraint {
            TableConstraint::ForeignKey(_) => 5,
            TableConstraint::Check(_) => 4,
            _ => 3,
        },
        Alteration::SetDefault { .. } | Alteration::Identity { .. } => 4,
        Alteration::SetOptions(_) | Alteration::SetSchema(_) | Alteration::Rename(_) => 6,
    }
}

impl Alter<'_, '_> {
    fn apply(&mut self, action: &Alteration, out: &mut dyn Output) -> Result<()> {
        let storage = &self.execution.session.storage;
        let table = Rc::clone(&self.table);
        match action {
            Alteration::SetSchema(schema) => {
                storage.define(|catalog, tx| catalog.set_schema(tx, &table, schema))?;
            }
            Alteration::Rename(rename) => self.rename(rename)?,
            Alteration::AddColumn { column, if_not_exists } => {
                self.add_column(column, *if_not_exists, out)?;
            }
            Alteration::DropColumn { name, if_exists, cascade } => {
                self.drop_column(name, *if_exists, *cascade, out)?;
            }
            Alteration::AddConstraint(constraint) => self.add_constraint(constraint, out)?,
            Alteration::DropConstraint { name, if_exists, cascade } => {
                self.drop_constraint(name, *if_exists, *cascade, out)?;
            }
            Alteration::SetDefault { column, default } => {
                self.set_default(column, default.as_deref())?;
            }
            Alteration::SetNotNull { column, not_null } => self.set_not_null(column, *not_null)?,
            Alteration::Identity { column, change } => {
                self.change_identity(column, change, out)?;
            }
            Alteration::SetOptions(given) => {
                let options = changed_options(&table.options, given)?;
                self.table =
                    storage.define(|catalog, tx| catalog.set_options(tx, table.oid, &options))?;
            }
        }
        Ok(())
    }

    fn rename(&mut self, rename: &Rename) -> Result<()> {
        let storage = &self.execution.session.storage;
        let table = Rc::clone(&self.table);
        match rename {
            Rename::Table { to } => {
                let renamed = TableDef { name: to.clone(), ..(*table).clone() };
                // Names of columns may stand behind that of their table.
                let replace = |token: &Token, next: Option<&Token>| match (token, next) {
                    (Token::Word(word), Some(Token::Period)) if is(word, &table.name) => {
                        Some(catalog::quote_identifier(to))
                    }
                    _ => None,
                };
                let checks = renamed_checks(self.context, &table, &renamed, &replace)?;
                self.table = storage.define(|catalog, tx| {
                    catalog.rewrite_checks(tx, table.oid, &checks)?;
                    catalog.rename_table(tx, &table, to)
                })?;
            }
            Rename::Column { from, to } => self.rename_column(from, to)?,
            Rename::Constraint { from, to } => {
                let constraint = self.constraint(from)?.ok_or_else(|| {
                    let message = format!(
                        "constraint \"{from}\" for table \"{}\" does not exist",
                        table.name
                    );
                    Error::new(SqlState::UNDEFINED_OBJECT, message)
                })?;
                storage
                    .define(|catalog, tx| catalog.rename_constraint(tx, &table, &constraint, to))?;
            }
        }
        Ok(())
    }

    fn add_constraint(&mut self, constraint: &TableConstraint, out: &mut dyn Output) -> Result<()> {
        let TableConstraint::Check(check) = constraint else {
            return self.add_key(constraint, out);
        };
        let check = bind_new_check(self.context, check, None, &self.table, None)?;
        self.add_check(&check)
    }

    fn constraint(&self, name: &str) -> Result<Option<catalog::ConstraintDef>> {
        Ok(self.table.constraints.iter().find(|constraint| constraint.name == name).cloned())
    }

    fn no_constraint(&self, name: &str) -> Error {
        let message =
            format!("constraint \"{name}\" of relation \"{}\" does not exist", self.table.name);
        Error::new(SqlState::UNDEFINED_OBJECT, message)
    }

    fn drop_constraint(
        &mut self,
        name: &str,
        if_exists: bool,
        cascade: bool,
        out: &mut dyn Output,
    ) -> Result<()> {
        let Some(constraint) = self.constraint(name)? else {
            let error = self.no_constraint(name);
            return self.skip_missing(error, if_exists, out);
        };
        self.drop_object(catalog::Object::constraint(constraint.oid), cascade, out)
    }

    /// Tells that something that was to go is not there, or refuses.
    fn skip_missing(&self, error: Error, if_exists: bool, out: &mut dyn Output) -> Result<()> {
        match error {
            Error::Report(report) if if_exists => {
                let message = format!("{}, skipping", report.message);
                notice(self.execution, out, SqlState::SUCCESSFUL_COMPLETION, message)
            }
            error => Err(error),
        }
    }

    /// Drops a part of the table.
    fn drop_object(
        &mut self,
        object: catalog::Object,
        cascade: bool,
        out: &mut dyn Output,
    ) -> Result<()> {
        let storage = &self.execution.session.storage;
        let oid = self.table.oid;
        let (taken, table) = storage.define(|catalog, tx| {
            let taken = catalog.drop_objects(tx, &[object], cascade)?;
            Ok((taken, catalog.find_by_oid(tx, oid)?))
        })?;
        self.table = table.ok_or_else(|| Error::internal("table went with a part of it"))?;
        tell_cascaded(self.execution, &taken, out)
    }
}

/// Whether a word of a text is that name.
fn is(word: &sqlparser::tokenizer::Word, name: &str) -> bool {
    match word.quote_style {
        Some(_) => word.value == name,
        None => word.value.to_ascii_lowercase() == name,
    }
}
