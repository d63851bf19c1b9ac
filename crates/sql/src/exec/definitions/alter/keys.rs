//! ALTER TABLE ADD of keys: PRIMARY KEY, UNIQUE, FOREIGN KEY.

use std::rc::Rc;

use catalog::{ConstraintKind, IndexDef};
use sqlparser::ast::{ConstraintUsingIndex, TableConstraint};
use types::SqlState;

use super::super::super::define_index::new_key;
use super::super::super::foreign;
use super::super::notice;
use super::Alter;
use crate::bind::names::name_of;
use crate::bind::{Keys, bind_foreign_key, constraint_name, refuse_characteristics};
use crate::error::{Error, Result};
use crate::output::Output;
use crate::planned::{ForeignKey, Key};

impl Alter<'_, '_> {
    /// ADD of a constraint that is no CHECK.
    pub(super) fn add_key(
        &mut self,
        constraint: &TableConstraint,
        out: &mut dyn Output,
    ) -> Result<()> {
        match constraint {
            TableConstraint::PrimaryKey(_) | TableConstraint::Unique(_) => {
                let mut keys = Keys::default();
                keys.add_of_table(self.context, constraint, &self.table.columns)?;
                self.add_keys(keys)
            }
            TableConstraint::ForeignKey(key) => {
                let key = bind_foreign_key(self.context, key, None)?;
                self.add_foreign_key(&key)
            }
            TableConstraint::PrimaryKeyUsingIndex(using) => {
                self.use_index(using, ConstraintKind::PrimaryKey, out)
            }
            TableConstraint::UniqueUsingIndex(using) => {
                self.use_index(using, ConstraintKind::Unique, out)
            }
            other => Err(Error::unsupported(format!("ADD {}", constraint_name(other)))),
        }
    }

    pub(super) fn add_foreign_key(&mut self, key: &ForeignKey) -> Result<()> {
        self.table = foreign::add(self.execution, &self.table, key)?;
        Ok(())
    }

    /// Makes the indexes of keys.
    pub(super) fn add_keys(&mut self, keys: Keys) -> Result<()> {
        let keys = keys.finish(&self.table.name, &mut self.table.columns.clone())?;
        for key in keys {
            let Key { primary, columns, .. } = &key;
            if *primary {
                self.check_no_primary_key()?;
            }
            let new = new_key(&self.table, &key);
            self.table = self.execution.session.storage.create_index(&self.table, new)?;
            if *primary {
                self.refuse_nulls(columns)?;
            }
        }
        Ok(())
    }

    /// `42P16` if there is a primary key.
    fn check_no_primary_key(&self) -> Result<()> {
        if self.table.indexes.iter().any(|index| index.primary) {
            let table = &self.table.name;
            let message = format!("multiple primary keys for table \"{table}\" are not allowed");
            return Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message));
        }
        Ok(())
    }

    /// The columns of a primary key have values.
    fn refuse_nulls(&mut self, columns: &[usize]) -> Result<()> {
        for &column in columns {
            let name = self.table.columns[column].name.clone();
            self.set_not_null(&name, true)?;
        }
        Ok(())
    }

    /// ADD … USING INDEX
    fn use_index(
        &mut self,
        using: &ConstraintUsingIndex,
        kind: ConstraintKind,
        out: &mut dyn Output,
    ) -> Result<()> {
        let ConstraintUsingIndex { name, index_name, characteristics } = using;
        refuse_characteristics(characteristics.as_ref())?;
        let index = self.index_for_key(&name_of(index_name)?)?;
        if kind == ConstraintKind::PrimaryKey {
            self.check_no_primary_key()?;
        }
        let name = match name {
            Some(name) => name_of(name)?,
            None => index.name.clone(),
        };
        if name != index.name {
            let message = format!(
                "ALTER TABLE / ADD CONSTRAINT USING INDEX will rename index \"{}\" to \"{name}\"",
                index.name
            );
            notice(self.execution, out, SqlState::SUCCESSFUL_COMPLETION, message)?;
        }
        let before = Rc::clone(&self.table);
        self.table = self
            .execution
            .session
            .storage
            .define(|catalog, tx| catalog.adopt_index(tx, &before, &index, kind, &name))?;
        if kind == ConstraintKind::PrimaryKey {
            let columns: Vec<usize> = index.columns.iter().map(|column| column.column).collect();
            self.refuse_nulls(&columns)?;
        }
        Ok(())
    }

    /// The index of that name, if a key can be made of it.
    fn index_for_key(&self, name: &str) -> Result<Rc<IndexDef>> {
        let Some(index) = self.table.indexes.iter().find(|index| index.name == name) else {
            return Err(self.no_such_index(name)?);
        };
        let table = &self.table;
        if table.constraint_of(index.oid).is_some() {
            let message = format!("index \"{name}\" is already associated with a constraint");
            return Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message));
        }
        let unfit = |message: String| {
            Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message)
                .detail("Cannot create a primary key or unique constraint using such an index."))
        };
        if !index.unique {
            return unfit(format!("\"{name}\" is not a unique index"));
        }
        let unusual = |column: &catalog::IndexColumn| column.descending || column.nulls_first;
        if let Some(place) = index.columns.iter().position(unusual) {
            return unfit(format!(
                "index \"{name}\" column number {} does not have default sorting behavior",
                place + 1
            ));
        }
        Ok(Rc::clone(index))
    }

    fn no_such_index(&self, name: &str) -> Result<Error> {
        let (storage, schema) = (&self.execution.session.storage, self.table.schema.as_str());
        let other = storage.define(|catalog, tx| catalog.lookup(tx, Some(schema), name))?;
        Ok(match other {
            Some(other) if matches!(other.kind, catalog::TableKind::Index(_)) => {
                let table = &self.table.name;
                let message = format!("index \"{name}\" does not belong to table \"{table}\"");
                Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
            }
            Some(_) => {
                let message = format!("\"{name}\" is not an index");
                Error::new(SqlState::WRONG_OBJECT_TYPE, message)
            }
            None => {
                let message = format!("index \"{name}\" does not exist");
                Error::new(SqlState::UNDEFINED_OBJECT, message)
            }
        })
    }
}
