//! What ALTER TABLE does to columns.

use std::rc::Rc;

use catalog::{ColumnDef, Object, Owner};
use sqlparser::ast;
use sqlparser::tokenizer::Token;
use types::{Datum, Oid, SqlState};

use super::super::notice;
use super::{Alter, is};
use crate::bind::{
    Behind, bind_column, bind_default, default_of_sequence, default_text, renamed_checks,
};
use crate::error::{Error, Result};
use crate::exec::sequences::{make, note_defaults};
use crate::output::Output;

impl Alter<'_, '_> {
    /// The position of a column; `42703` if there is none.
    pub(super) fn column(&self, name: &str) -> Result<usize> {
        self.table.column_index(name).ok_or_else(|| {
            let message =
                format!("column \"{name}\" of relation \"{}\" does not exist", self.table.name);
            Error::new(SqlState::UNDEFINED_COLUMN, message)
        })
    }

    fn duplicate(&self, name: &str) -> String {
        format!("column \"{name}\" of relation \"{}\" already exists", self.table.name)
    }

    /// ADD COLUMN. A default that is the same for all rows is computed once and kept in the system
    /// tables; one that is not has every row written anew.
    pub(super) fn add_column(
        &mut self,
        column: &ast::ColumnDef,
        if_not_exists: bool,
        out: &mut dyn Output,
    ) -> Result<()> {
        let mut behind = Behind::of(&self.table.name);
        let number = self.table.columns.len();
        let mut new = bind_column(self.context, column, number, &mut behind)?;
        new.not_null |= behind.keys.is_primary(number);
        if self.table.column_index(&new.name).is_some() {
            let message = self.duplicate(&new.name);
            if if_not_exists {
                let message = format!("{message}, skipping");
                return notice(self.execution, out, SqlState::DUPLICATE_COLUMN, message);
            }
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message));
        }
        let sequence = self.sequence_of_new(&mut new, &mut behind)?;
        let identity = new.identity.is_some();
        self.give_column(new, sequence)?;
        if let Some(owned) = sequence {
            let table = self.table.oid;
            let owner = Owner { table, column: number, identity };
            let storage = &self.execution.session.storage;
            storage.define(|catalog, tx| catalog.set_owner(tx, owned, Some(owner)))?;
        }
        note_defaults(self.execution, &self.table, number..number + 1)?;
        self.again()?;
        let checks = behind.checks(self.context, &self.table)?;
        self.add_keys(std::mem::take(&mut behind.keys))?;
        checks.iter().try_for_each(|check| self.add_check(check))?;
        behind.foreign_keys.iter().try_for_each(|key| self.add_foreign_key(key))
    }

    /// Gives the table a new column, and its rows the numbers of the sequence or the default.
    fn give_column(&mut self, mut new: ColumnDef, sequence: Option<Oid>) -> Result<()> {
        let default_text = match sequence {
            Some(owned) => Some(default_of_sequence(owned)),
            None => new.default.clone(),
        };
        let default = match &default_text {
            Some(text) => Some(bind_default(self.context, text, &new.name, new.ty)?),
            None => None,
        };
        let storage = &self.execution.session.storage;
        let before = Rc::clone(&self.table);
        match default {
            Some(default) if default.is_volatile() => {
                self.table = storage.define(|catalog, tx| {
                    let table = catalog.add_column(tx, &before, &new)?;
                    catalog.begin_rewrite(tx, &table)
                })?;
                for index in self.table.indexes.clone() {
                    self.table = storage.reindex(&self.table, &index)?;
                }
                self.rewrite(&before, &default)
            }
            default => {
                if let Some(default) = default {
                    new.missing = self.execution.evaluator().value(&default, &[])?;
                }
                self.check_missing(&new)?;
                self.table = storage.define(|catalog, tx| catalog.add_column(tx, &before, &new))?;
                Ok(())
            }
        }
    }

    /// The table as it is now, with what was changed beside it.
    fn again(&mut self) -> Result<()> {
        let oid = self.table.oid;
        let storage = &self.execution.session.storage;
        let table = storage.define(|catalog, tx| catalog.find_by_oid(tx, oid))?;
        self.table = table.ok_or_else(|| Error::internal("table is gone while it is locked"))?;
        Ok(())
    }

    /// Makes the sequence of a new column, if it is to have one.
    fn sequence_of_new(&self, new: &mut ColumnDef, behind: &mut Behind<'_>) -> Result<Option<Oid>> {
        let Some(wanted) = behind.take_sequences().pop() else { return Ok(None) };
        let of = (new.name.as_str(), new.ty);
        let sequence = make(self.execution, &self.table, of, &wanted.options)?.oid;
        if new.identity.is_none() {
            new.default = Some(default_of_sequence(sequence));
        }
        Ok(Some(sequence))
    }

    /// `23502` if the rows that are there cannot have the value of a new column.
    fn check_missing(&self, column: &ColumnDef) -> Result<()> {
        if column.not_null && column.missing == Datum::Null && self.has_rows()? {
            return Err(self.contains_nulls(&column.name));
        }
        Ok(())
    }

    pub(super) fn contains_nulls(&self, column: &str) -> Error {
        let table = &self.table.name;
        let message = format!("column \"{column}\" of relation \"{table}\" contains null values");
        Error::new(SqlState::NOT_NULL_VIOLATION, message)
    }

    /// DROP COLUMN
    pub(super) fn drop_column(
        &mut self,
        name: &str,
        if_exists: bool,
        cascade: bool,
        out: &mut dyn Output,
    ) -> Result<()> {
        match self.column(name) {
            Ok(index) => self.drop_object(Object::column(self.table.oid, index), cascade, out),
            Err(error) => self.skip_missing(error, if_exists, out),
        }
    }

    /// RENAME COLUMN
    pub(super) fn rename_column(&mut self, from: &str, to: &str) -> Result<()> {
        let table = Rc::clone(&self.table);
        let index = table.column_index(from).ok_or_else(|| {
            let message = format!("column \"{from}\" does not exist");
            Error::new(SqlState::UNDEFINED_COLUMN, message)
        })?;
        if table.column_index(to).is_some() {
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, self.duplicate(to)));
        }
        let mut renamed = (*table).clone();
        renamed.columns[index].name = to.to_owned();
        // A function may have the column's name.
        let replace = |token: &Token, next: Option<&Token>| match token {
            Token::Word(word) if is(word, from) && next != Some(&Token::LParen) => {
                Some(catalog::quote_identifier(to))
            }
            _ => None,
        };
        let checks = renamed_checks(self.context, &table, &renamed, &replace)?;
        self.table = self.execution.session.storage.define(|catalog, tx| {
            catalog.rewrite_checks(tx, table.oid, &checks)?;
            catalog.rename_column(tx, &table, index, to)
        })?;
        Ok(())
    }

    /// SET DEFAULT and DROP DEFAULT
    pub(super) fn set_default(&mut self, name: &str, default: Option<&ast::Expr>) -> Result<()> {
        let index = self.column(name)?;
        self.refuse_identity(index, default.is_none())?;
        let ty = self.table.columns[index].ty;
        let text = match default {
            Some(default) => Some(default_text(self.context, default, name, ty)?),
            None => None,
        };
        let table = Rc::clone(&self.table);
        self.table = self
            .execution
            .session
            .storage
            .define(|catalog, tx| catalog.set_default(tx, &table, index, text.as_deref()))?;
        note_defaults(self.execution, &self.table, index..index + 1)
    }

    /// SET NOT NULL and DROP NOT NULL
    pub(super) fn set_not_null(&mut self, name: &str, not_null: bool) -> Result<()> {
        let index = self.column(name)?;
        if self.table.columns[index].not_null == not_null {
            return Ok(());
        }
        if !not_null {
            self.refuse_identity(index, false)?;
        }
        if not_null {
            self.check_no_nulls(index)?;
        } else if self.is_in_primary_key(index) {
            let message = format!("column \"{name}\" is in a primary key");
            return Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message));
        }
        let table = Rc::clone(&self.table);
        self.table = self
            .execution
            .session
            .storage
            .define(|catalog, tx| catalog.set_not_null(tx, &table, index, not_null))?;
        Ok(())
    }

    fn is_in_primary_key(&self, column: usize) -> bool {
        let primary = self.table.indexes.iter().find(|index| index.primary);
        primary.is_some_and(|index| index.columns.iter().any(|key| key.column == column))
    }
}
