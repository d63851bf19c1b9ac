//! Tables: created, emptied, dropped.

use std::collections::HashSet;
use std::rc::Rc;

use access::{storage, tuple};
use txn::{LockMode, LockTag, Transaction};
use types::{Datum, Oid, RelFileNumber, Xid};

use super::depend::{DependKind, Object};
use crate::catalog::Catalog;
use crate::changes::is;
use crate::definition::{ColumnDef, Counted, TableDef, TableKind};
use crate::error::Error;
use crate::rows::{attnum, class, number, rows_of};
use crate::system::{PG_ATTRDEF, PG_CLASS};
use crate::{COLUMNS_MAX, NAME_LENGTH_MAX};

impl Catalog {
    /// Creates a table; without a schema in the first of the search path.
    ///
    /// Of two transactions that create the same name the later waits for the earlier, and gets
    /// `42P07` if that commits.
    pub fn create_table(
        &self,
        tx: &mut Transaction,
        schema: Option<&str>,
        name: &str,
        columns: Vec<ColumnDef>,
    ) -> Result<Rc<TableDef>, Error> {
        let (namespace, schema) = self.schema_for_creation(tx, schema, name)?;
        check_name(name)?;
        check_columns(&columns)?;
        self.claim_name(tx, &schema, name)?;
        let relfile = storage::create(&self.access, tx)?;
        let table = TableDef {
            oid: self.txn().new_oid()?,
            namespace,
            relfile,
            ..TableDef::new(&schema, name, TableKind::Table, columns)
        };
        self.add_relation(tx, &table)
    }

    /// Locks a name that a relation is to get, and sees that it is free.
    pub(super) fn claim_name(
        &self,
        tx: &Transaction,
        schema: &str,
        name: &str,
    ) -> Result<(), Error> {
        self.txn().locks().acquire(LockTag::name(schema, name), LockMode::AccessExclusive)?;
        match self.lookup(tx, Some(schema), name)? {
            Some(_) => Err(Error::DuplicateTable(name.to_owned())),
            None => Ok(()),
        }
    }

    /// Puts a new relation into the system tables, with its columns and their defaults.
    pub(super) fn add_relation(
        &self,
        tx: &mut Transaction,
        table: &TableDef,
    ) -> Result<Rc<TableDef>, Error> {
        let oid = table.oid;
        self.txn().locks().acquire(LockTag::Relation(oid), LockMode::AccessExclusive)?;
        let frozen = self.txn().assign_xid(tx)?;
        for (into, row) in rows_of(table, frozen) {
            self.insert_row(tx, into, &row)?;
        }
        let (relation, schema) = (Object::relation(oid), Object::schema(table.namespace));
        self.record_dependency(tx, relation, schema, DependKind::Normal)?;
        for (index, column) in table.columns.iter().enumerate() {
            if let Some(text) = &column.default {
                self.add_default(tx, oid, index, text)?;
            }
        }
        self.changed(tx, oid);
        let missing = || Error::Damaged { relation: oid, why: "it is gone as soon as made" };
        self.find_by_oid(tx, oid)?.ok_or_else(missing)
    }

    /// Gives a column without a default one; answers its oid.
    pub(super) fn add_default(
        &self,
        tx: &mut Transaction,
        relation: Oid,
        index: usize,
        text: &str,
    ) -> Result<Object, Error> {
        let default = Object::default(self.txn().new_oid()?);
        let row = [
            Datum::Oid(default.oid.0),
            Datum::Oid(relation.0),
            Datum::Int2(attnum(index)),
            Datum::Text(text.to_owned()),
        ];
        self.insert_row(tx, &PG_ATTRDEF, &row)?;
        let column = Object::column(relation, index);
        self.record_dependency(tx, default, column, DependKind::Auto)?;
        Ok(default)
    }

    /// Drops a table that the transaction has locked `AccessExclusive`, unless something depends on
    /// it. Its file goes when the transaction commits.
    pub fn drop_table(&self, tx: &mut Transaction, table: &TableDef) -> Result<(), Error> {
        check_user_table(table)?;
        self.drop_objects(tx, &[Object::relation(table.oid)], false)?;
        Ok(())
    }

    /// Empties a table that the transaction has locked `AccessExclusive`, by giving it a new file,
    /// and a new one to each index, which is empty.
    pub fn truncate_table(
        &self,
        tx: &mut Transaction,
        table: &TableDef,
    ) -> Result<Rc<TableDef>, Error> {
        check_user_table(table)?;
        let file = self.give_new_file(tx, table.oid, table.relfile)?;
        self.txn().statistics().moved(table.relfile, file);
        for index in &table.indexes {
            self.give_new_file(tx, index.oid, index.relfile)?;
        }
        let missing = Error::Damaged { relation: table.oid, why: "it is gone while it is locked" };
        self.find_by_oid(tx, table.oid)?.ok_or(missing)
    }

    /// Gives a relation a new, empty file for what this transaction will put there; the old one
    /// goes when the transaction commits.
    pub(super) fn give_new_file(
        &self,
        tx: &mut Transaction,
        oid: Oid,
        old: RelFileNumber,
    ) -> Result<RelFileNumber, Error> {
        let maker = self.txn().assign_xid(tx)?;
        self.move_to_new_file(tx, oid, old, Some(maker))
    }

    /// The same; `horizon`: below which transaction nothing in the new file will have been made. If
    /// that is not known yet, what is known of the old file stays.
    pub(super) fn move_to_new_file(
        &self,
        tx: &mut Transaction,
        oid: Oid,
        old: RelFileNumber,
        horizon: Option<Xid>,
    ) -> Result<RelFileNumber, Error> {
        let relfile = storage::create(&self.access, tx)?;
        let count = self.update_rows(tx, &PG_CLASS, &|row| is(row, 0, oid), &mut |row| {
            row[class::RELFILENODE] = Datum::Int8(number(relfile));
            if let Some(horizon) = horizon {
                let horizon = i64::try_from(horizon.0).unwrap_or(i64::MAX);
                row[class::RELFROZENXID] = Datum::Int8(horizon);
            }
            row[class::RELPAGES] = Datum::Int4(0);
            row[class::RELALLVISIBLE] = Datum::Int4(0);
            row[class::RELTUPLES] = Datum::Float4(Counted::NEVER.tuples);
            row[class::RELALLVISIBLE] = Datum::Int4(0);
        })?;
        if count != 1 {
            return Err(Error::Damaged {
                relation: oid,
                why: "pg_class does not have one row for it",
            });
        }
        storage::drop_at_commit(&self.access, tx, old);
        self.changed(tx, oid);
        Ok(relfile)
    }
}

pub(super) fn check_user_table(table: &TableDef) -> Result<(), Error> {
    match table.kind {
        TableKind::Table => Ok(()),
        TableKind::System | TableKind::Virtual => Err(Error::SystemTable(table.name.clone())),
        TableKind::Index(_) | TableKind::View | TableKind::Sequence(_) => {
            Err(Error::NotATable(table.name.clone()))
        }
    }
}

pub(super) fn check_columns(columns: &[ColumnDef]) -> Result<(), Error> {
    check_column_names(columns)?;
    match columns.iter().find(|column| !tuple::is_storable(column.ty)) {
        Some(column) => Err(Error::NotStorable(column.name.clone())),
        None => Ok(()),
    }
}

/// Refuses names that no columns of one relation can have.
pub(super) fn check_column_names(columns: &[ColumnDef]) -> Result<(), Error> {
    if columns.len() > COLUMNS_MAX {
        return Err(Error::TooManyColumns);
    }
    let mut names = HashSet::new();
    for ColumnDef { name, .. } in columns {
        check_name(name)?;
        if !names.insert(name) {
            return Err(Error::DuplicateColumn(name.clone()));
        }
    }
    Ok(())
}

pub(super) fn check_name(name: &str) -> Result<(), Error> {
    if name.len() > NAME_LENGTH_MAX { Err(Error::NameTooLong(name.to_owned())) } else { Ok(()) }
}
