//! Changes of the system tables that are about indexes and constraints.
//!
//! An index is a relation: a row of `pg_class` with a file of its own, rows of `pg_attribute`, and
//! what only an index has in `pg_index`. PRIMARY KEY and UNIQUE are an index and a row of
//! `pg_constraint`. The file of a new index is empty; whoever asked for the index fills it, in the
//! same transaction.
//!
//! The lock on the table guards its indexes, too: who reads or changes the table has it, so an
//! index is dropped, or gets a new file, under `AccessExclusive` on the table.

use std::rc::Rc;

use access::storage;
use txn::{LockMode, LockTag, Transaction};
use types::{Datum, Oid};

use super::depend::{DependKind, Object};
use super::table::{check_name, check_user_table};
use crate::catalog::Catalog;
use crate::changes::is;
use crate::definition::{
    ColumnDef, ConstraintDef, ConstraintKind, IndexColumn, IndexDef, TableDef, TableKind,
};
use crate::error::Error;
use crate::rows::{class, row_of_constraint, row_of_index, rows_of};
use crate::system::PG_CLASS;

/// The most columns of an index; PostgreSQL's.
const INDEX_COLUMNS_MAX: usize = 32;

/// What an index is to be.
#[derive(Clone, Debug)]
pub struct NewIndex {
    /// Its name; none: one is made of the names of table and columns.
    pub name: Option<String>,
    /// Whether two rows cannot have the same values.
    pub unique: bool,
    /// The constraint that it is made for.
    pub constraint: Option<ConstraintKind>,
    /// Its columns.
    pub columns: Vec<IndexColumn>,
}

/// The index as a relation, for `pg_class` and `pg_attribute`.
fn relation_of(table: &TableDef, index: &IndexDef) -> TableDef {
    let name = |column: usize| table.columns.get(column).map_or("", |column| column.name.as_str());
    let column = |at: &IndexColumn| ColumnDef::new(name(at.column), at.ty);
    let columns = index.columns.iter().map(column).collect();
    TableDef {
        oid: index.oid,
        namespace: table.namespace,
        relfile: index.relfile,
        ..TableDef::new(&table.schema, &index.name, TableKind::Index(table.oid), columns)
    }
}

impl Catalog {
    /// Gives a table an index, which is empty, and the constraint that it is made for. The
    /// transaction holds `Share` on the table, or more. Answers the table as it is now, and the
    /// index.
    pub fn create_index(
        &self,
        tx: &mut Transaction,
        table: &TableDef,
        new: NewIndex,
    ) -> Result<(Rc<TableDef>, Rc<IndexDef>), Error> {
        check_user_table(table)?;
        if new.columns.len() > INDEX_COLUMNS_MAX {
            return Err(Error::TooManyIndexColumns);
        }
        let name = self.name_of_index(tx, table, &new)?;
        let relfile = storage::create(&self.access, tx)?;
        let index = IndexDef {
            made_by: self.txn().assign_xid(tx)?,
            oid: self.txn().new_oid()?,
            name,
            relfile,
            unique: new.unique,
            primary: new.constraint == Some(ConstraintKind::PrimaryKey),
            columns: new.columns,
        };
        let mut rows = rows_of(&relation_of(table, &index), self.txn().assign_xid(tx)?);
        rows.push(row_of_index(table.oid, &index));
        for (into, row) in rows {
            self.insert_row(tx, into, &row)?;
        }
        self.depend_on_columns(tx, table, &index, new.constraint)?;
        if table.indexes.is_empty() {
            self.update_rows(tx, &PG_CLASS, &|row| is(row, 0, table.oid), &mut |row| {
                row[class::RELHASINDEX] = Datum::Bool(true);
            })?;
        }
        self.changed(tx, index.oid);
        self.changed(tx, table.oid);
        self.table_and_index(tx, table.oid, index.oid)
    }

    /// Records what an index depends on, and makes the constraint that it is made for.
    fn depend_on_columns(
        &self,
        tx: &mut Transaction,
        table: &TableDef,
        index: &IndexDef,
        constraint: Option<ConstraintKind>,
    ) -> Result<(), Error> {
        let mut depender = Object::relation(index.oid);
        if let Some(kind) = constraint {
            let constraint = self.constraint_on(kind, table, index)?;
            let (into, row) = row_of_constraint(table.namespace, &constraint);
            self.insert_row(tx, into, &row)?;
            let owner = Object::constraint(constraint.oid);
            self.record_dependency(tx, depender, owner, DependKind::Internal)?;
            depender = owner;
        }
        for column in &index.columns {
            let on = Object::column(table.oid, column.column);
            self.record_dependency(tx, depender, on, DependKind::Auto)?;
        }
        Ok(())
    }

    /// The table as it is now, and an index of it.
    fn table_and_index(
        &self,
        tx: &Transaction,
        table: Oid,
        index: Oid,
    ) -> Result<(Rc<TableDef>, Rc<IndexDef>), Error> {
        let missing = Error::Damaged { relation: index, why: "its table is not there" };
        let table = self.find_by_oid(tx, table)?;
        let found = table.and_then(|table| table.index(index).cloned().map(|index| (table, index)));
        found.ok_or(missing)
    }

    fn name_of_index(
        &self,
        tx: &Transaction,
        table: &TableDef,
        new: &NewIndex,
    ) -> Result<String, Error> {
        let name = match &new.name {
            Some(name) => name.clone(),
            None => {
                let columns: Vec<&str> = new
                    .columns
                    .iter()
                    .filter_map(|column| table.columns.get(column.column))
                    .map(|column| column.name.as_str())
                    .collect();
                match new.constraint {
                    Some(ConstraintKind::PrimaryKey) => self.choose_name(tx, table, &[], "pkey")?,
                    Some(_) => self.choose_name(tx, table, &columns, "key")?,
                    None => self.choose_name(tx, table, &columns, "idx")?,
                }
            }
        };
        check_name(&name)?;
        self.txn()
            .locks()
            .acquire(LockTag::name(&table.schema, &name), LockMode::AccessExclusive)?;
        if self.lookup(tx, Some(&table.schema), &name)?.is_some() {
            return Err(Error::DuplicateTable(name));
        }
        if new.constraint.is_some() && table.constraints.iter().any(|known| known.name == name) {
            return Err(Error::DuplicateConstraint { constraint: name, table: table.name.clone() });
        }
        Ok(name)
    }

    fn constraint_on(
        &self,
        kind: ConstraintKind,
        table: &TableDef,
        index: &IndexDef,
    ) -> Result<ConstraintDef, Error> {
        Ok(ConstraintDef {
            index: index.oid,
            columns: index.columns.iter().map(|column| column.column).collect(),
            ..ConstraintDef::new(self.txn().new_oid()?, kind, &index.name, table.oid)
        })
    }

    /// Drops an index of a table that the transaction has locked `AccessExclusive`, together with
    /// the constraint that stands on it. Answers the table as it is now.
    pub fn drop_index(
        &self,
        tx: &mut Transaction,
        table: &TableDef,
        index: &IndexDef,
    ) -> Result<Rc<TableDef>, Error> {
        check_user_table(table)?;
        let target = match table.constraint_of(index.oid) {
            Some(constraint) => Object::constraint(constraint.oid),
            None => Object::relation(index.oid),
        };
        self.drop_objects(tx, &[target], false)?;
        let missing = Error::Damaged { relation: table.oid, why: "it went with its index" };
        self.find_by_oid(tx, table.oid)?.ok_or(missing)
    }

    /// Gives an index a new file, which is empty, and drops the old one. The transaction has locked
    /// the table `AccessExclusive`. Answers the table as it is now, and the index.
    pub fn renew_index(
        &self,
        tx: &mut Transaction,
        table: &TableDef,
        index: &IndexDef,
    ) -> Result<(Rc<TableDef>, Rc<IndexDef>), Error> {
        check_user_table(table)?;
        self.give_new_file(tx, index.oid, index.relfile)?;
        self.changed(tx, table.oid);
        self.table_and_index(tx, table.oid, index.oid)
    }
}
