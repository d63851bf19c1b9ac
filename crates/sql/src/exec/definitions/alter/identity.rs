//! What ALTER COLUMN does to identity columns.

use std::rc::Rc;

use catalog::{Identity, Object, Owner};
use txn::LockMode;
use types::SqlState;

use super::Alter;
use crate::error::{Error, Result};
use crate::exec::sequences::{change_of_column, make};
use crate::output::Output;
use crate::parse::{IdentityChange, SequenceOptions};

impl Alter<'_, '_> {
    pub(super) fn change_identity(
        &mut self,
        name: &str,
        change: &IdentityChange,
        out: &mut dyn Output,
    ) -> Result<()> {
        let index = self.column(name)?;
        match (change, self.table.columns[index].identity) {
            (IdentityChange::Add { always, options }, identity) => {
                if identity.is_some() {
                    return Err(self.wrong_state(name, "is already an identity column"));
                }
                self.add_identity(index, *always, options)
            }
            (IdentityChange::Set { always, options }, Some(identity)) => {
                self.set_identity(index, identity, *always, options)
            }
            (IdentityChange::Drop { .. }, Some(identity)) => self.drop_identity(index, identity),
            (IdentityChange::Drop { if_exists }, None) => {
                let error = self.wrong_state(name, "is not an identity column");
                self.skip_missing(error, *if_exists, out)
            }
            (IdentityChange::Set { .. }, None) => {
                Err(self.wrong_state(name, "is not an identity column"))
            }
        }
    }

    /// `55000`
    fn wrong_state(&self, column: &str, what: &str) -> Error {
        let message = format!("column \"{column}\" of relation \"{}\" {what}", self.table.name);
        Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
    }

    /// `42601` for what is not to be done to an identity column.
    pub(super) fn refuse_identity(&self, index: usize, drops_default: bool) -> Result<()> {
        let column = &self.table.columns[index];
        if column.identity.is_none() {
            return Ok(());
        }
        let (column, table) = (&column.name, &self.table.name);
        let message = format!("column \"{column}\" of relation \"{table}\" is an identity column");
        let hint = "Use ALTER TABLE ... ALTER COLUMN ... DROP IDENTITY instead.";
        let error = Error::syntax(message);
        Err(if drops_default { error.hint(hint) } else { error })
    }

    fn add_identity(
        &mut self,
        index: usize,
        always: bool,
        options: &SequenceOptions,
    ) -> Result<()> {
        let table = Rc::clone(&self.table);
        let column = &table.columns[index];
        let sequence =
            make(self.execution, &table, (column.name.as_str(), column.ty), options)?.oid;
        if column.default.is_some() {
            return Err(self.wrong_state(&column.name, "already has a default value"));
        }
        if !column.not_null {
            let what = "must be declared NOT NULL before identity can be added";
            return Err(self.wrong_state(&column.name, what));
        }
        self.table = self.execution.session.storage.define(|catalog, tx| {
            let owner = Owner { table: table.oid, column: index, identity: true };
            catalog.set_owner(tx, sequence, Some(owner))?;
            catalog.set_identity(tx, table.oid, index, Some(always))
        })?;
        Ok(())
    }

    fn set_identity(
        &mut self,
        index: usize,
        identity: Identity,
        always: Option<bool>,
        options: &SequenceOptions,
    ) -> Result<()> {
        let storage = &self.execution.session.storage;
        let (table, sequence) = (self.table.oid, identity.sequence);
        if let Some(always) = always {
            self.table = storage
                .define(|catalog, tx| catalog.set_identity(tx, table, index, Some(always)))?;
        }
        let mode = LockMode::ShareRowExclusive;
        let sequence = storage.define(|catalog, tx| catalog.open_oid(tx, sequence, mode))?;
        let sequence = sequence.ok_or_else(|| Error::internal("column without its sequence"))?;
        change_of_column(self.execution, &sequence, options)
    }

    fn drop_identity(&mut self, index: usize, identity: Identity) -> Result<()> {
        let storage = &self.execution.session.storage;
        let (table, sequence) = (self.table.oid, identity.sequence);
        self.table = storage.define(|catalog, tx| {
            let changed = catalog.set_identity(tx, table, index, None)?;
            catalog.set_owner(tx, sequence, None)?;
            catalog.drop_objects(tx, &[Object::relation(sequence)], false)?;
            Ok(changed)
        })?;
        Ok(())
    }
}
