//! What functions of sequences do in the session.

use std::rc::Rc;

use catalog::{SequenceDef, TableDef, quote_identifier};
use txn::LockMode;
use types::{Oid, SqlState};

use super::Context;
use super::names::parse_name;
use crate::error::{Error, Result};
use crate::exec::{definition_of, undefined_table};

fn wrong_state(message: String) -> Error {
    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
}

impl Context {
    /// The sequence that a text names, locked for the transaction.
    fn sequence(&self, named: &str) -> Result<(Rc<TableDef>, SequenceDef)> {
        let mode = LockMode::RowExclusive;
        let table = match named.bytes().all(|b| b.is_ascii_digit()) && !named.is_empty() {
            true => self.by_oid(named, mode)?,
            false => self.by_name(named, mode)?,
        };
        let definition = definition_of(&table)?;
        Ok((table, definition))
    }

    fn by_oid(&self, digits: &str, mode: LockMode) -> Result<Rc<TableDef>> {
        let oid = digits.parse().map_err(|_| {
            let message = format!("value \"{digits}\" is out of range for type oid");
            Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, message)
        })?;
        let found = self.storage.define(|catalog, tx| catalog.open_oid(tx, Oid(oid), mode))?;
        found.ok_or_else(|| {
            let message = format!("could not open relation with OID {oid}");
            Error::new(SqlState::UNDEFINED_TABLE, message)
        })
    }

    fn by_name(&self, named: &str, mode: LockMode) -> Result<Rc<TableDef>> {
        let name = parse_name(named)?;
        if let Some(table) = self.storage.open(&name, mode)? {
            return Ok(table);
        }
        if let Some(schema) = &name.schema
            && self.storage.define(|catalog, tx| catalog.schema_oid(tx, schema))?.is_none()
        {
            let message = format!("schema \"{schema}\" does not exist");
            return Err(Error::new(SqlState::INVALID_SCHEMA_NAME, message));
        }
        Err(undefined_table(&name))
    }

    pub(super) fn nextval(&self, named: &str) -> Result<i64> {
        let (table, sequence) = self.sequence(named)?;
        self.refuse_if_read_only("nextval()")?;
        self.storage.next_value(&table, &sequence)?.ok_or_else(|| {
            let numbering = &sequence.numbering;
            let (end, bound) = match numbering.increment > 0 {
                true => ("maximum", numbering.max),
                false => ("minimum", numbering.min),
            };
            let name = &table.name;
            let message = format!("nextval: reached {end} value of sequence \"{name}\" ({bound})");
            Error::new(SqlState::SEQUENCE_GENERATOR_LIMIT_EXCEEDED, message)
        })
    }

    pub(super) fn currval(&self, named: &str) -> Result<i64> {
        let (table, _) = self.sequence(named)?;
        self.storage.current_value(table.oid).ok_or_else(|| {
            let name = &table.name;
            wrong_state(format!(
                "currval of sequence \"{name}\" is not yet defined in this session"
            ))
        })
    }

    pub(super) fn lastval(&self) -> Result<i64> {
        let undefined = || wrong_state("lastval is not yet defined in this session".to_owned());
        let sequence = self.storage.last_used_sequence().ok_or_else(undefined)?;
        let mode = LockMode::RowExclusive;
        self.storage
            .define(|catalog, tx| catalog.open_oid(tx, sequence, mode))?
            .and_then(|table| self.storage.current_value(table.oid))
            .ok_or_else(undefined)
    }

    pub(super) fn setval(&self, named: &str, value: i64, called: bool) -> Result<()> {
        let (table, sequence) = self.sequence(named)?;
        self.refuse_if_read_only("setval()")?;
        let (min, max) = (sequence.numbering.min, sequence.numbering.max);
        if value < min || value > max {
            let name = &table.name;
            let message = format!(
                "setval: value {value} is out of bounds for sequence \"{name}\" ({min}..{max})"
            );
            return Err(Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, message));
        }
        self.storage.set_value(&table, value, called)
    }

    /// The sequence that belongs to a column, as `regclass` shows it. The column's name is as it
    /// stands.
    pub(super) fn sequence_of_column(&self, table: &str, column: &str) -> Result<Option<String>> {
        let table = self.by_name(table, LockMode::AccessShare)?;
        let place = table.column_index(column).ok_or_else(|| {
            let relation = &table.name;
            let message = format!("column \"{column}\" of relation \"{relation}\" does not exist");
            Error::new(SqlState::UNDEFINED_COLUMN, message)
        })?;
        let found = self.storage.define(|catalog, tx| {
            let all = catalog.sequences_of(tx, table.oid)?;
            match all.iter().find(|(_, owner)| owner.column == place) {
                Some((sequence, _)) => catalog.find_by_oid(tx, *sequence),
                None => Ok(None),
            }
        })?;
        Ok(found.map(|sequence| {
            format!("{}.{}", quote_identifier(&sequence.schema), quote_identifier(&sequence.name))
        }))
    }

    /// `25006` for what writes in a transaction that may not.
    pub(super) fn refuse_if_read_only(&self, what: &str) -> Result<()> {
        if !self.settings.borrow().is_read_only() {
            return Ok(());
        }
        Err(Error::new(
            SqlState::READ_ONLY_SQL_TRANSACTION,
            format!("cannot execute {what} in a read-only transaction"),
        ))
    }
}
