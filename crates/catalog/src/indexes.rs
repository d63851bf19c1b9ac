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

use access::{Heap, storage};
use txn::{LockMode, LockTag, Transaction};
use types::{Datum, Oid, RelFileNumber, Xid};

use crate::catalog::Catalog;
use crate::ddl::{check_name, check_user_table};
use crate::definition::{
    ColumnDef, ConstraintDef, ConstraintKind, Counted, IndexColumn, IndexDef, TableDef, TableKind,
};
use crate::error::Error;
use crate::rows::{SystemRow, class, row_of_constraint, row_of_index, rows_of};
use crate::system::{PG_ATTRIBUTE, PG_CLASS, PG_CONSTRAINT, PG_INDEX, PUBLIC};

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
    let column = |at: &IndexColumn| ColumnDef {
        name: table.columns.get(at.column).map_or_else(String::new, |column| column.name.clone()),
        ty: at.ty,
        not_null: false,
        default: None,
    };
    TableDef {
        oid: index.oid,
        schema: table.schema.clone(),
        name: index.name.clone(),
        relfile: index.relfile,
        kind: TableKind::Index(table.oid),
        columns: index.columns.iter().map(column).collect(),
        types: index.columns.iter().map(|column| column.ty).collect(),
        indexes: Vec::new(),
        constraints: Vec::new(),
        counted: Counted::NEVER,
    }
}

impl Catalog {
    /// Gives a table an index, which is empty, and the constraint that it is made for. The
    /// transaction holds `Share` on the table, or more. Answers the table as it is now, and the
    /// index. The next change of the same table needs the next command.
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
        let index = Rc::new(IndexDef {
            oid: self.txn().new_oid()?,
            name,
            relfile,
            unique: new.unique,
            primary: new.constraint == Some(ConstraintKind::PrimaryKey),
            columns: new.columns,
        });
        let relation = Rc::new(relation_of(table, &index));
        let maker = tx.xid().unwrap_or(Xid::INVALID);
        let mut rows = rows_of(&relation, PUBLIC.0, maker);
        rows.push(row_of_index(table.oid, &index));
        let mut now = TableDef { indexes: table.indexes.clone(), ..table.clone() };
        now.indexes.push(Rc::clone(&index));
        if let Some(kind) = new.constraint {
            let constraint = self.constraint_on(kind, &index)?;
            rows.push(row_of_constraint(table.oid, PUBLIC.0, &constraint));
            now.constraints.push(constraint);
        }
        self.insert_rows(tx, rows)?;
        if table.indexes.is_empty() {
            self.update_class(tx, table.oid, &mut |row| {
                row[class::RELHASINDEX] = Datum::Bool(true)
            })?;
        }
        let now = Rc::new(now);
        self.changed(tx, &relation, Some(Rc::clone(&relation)));
        self.changed(tx, table, Some(Rc::clone(&now)));
        Ok((now, index))
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
        index: &IndexDef,
    ) -> Result<ConstraintDef, Error> {
        Ok(ConstraintDef {
            oid: self.txn().new_oid()?,
            name: index.name.clone(),
            kind,
            index: index.oid,
            columns: index.columns.iter().map(|column| column.column).collect(),
            foreign_table: Oid(0),
            foreign_columns: Vec::new(),
            on_update: ' ',
            on_delete: ' ',
            expression: String::new(),
        })
    }

    pub(crate) fn insert_rows(
        &self,
        tx: &mut Transaction,
        rows: Vec<SystemRow>,
    ) -> Result<(), Error> {
        for (into, row) in rows {
            Heap::new(&self.access, into.relfile, &into.types()).insert(tx, &row)?;
        }
        Ok(())
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
        self.delete_index(tx, table, index)?;
        let mut now = table.clone();
        now.indexes.retain(|known| known.oid != index.oid);
        if let Some(constraint) = table.constraint_of(index.oid) {
            self.delete_rows_of(tx, &PG_CONSTRAINT, constraint.oid)?;
            now.constraints.retain(|known| known.oid != constraint.oid);
        }
        let now = Rc::new(now);
        self.changed(tx, table, Some(Rc::clone(&now)));
        Ok(now)
    }

    /// Removes the rows of an index but for its constraint's, and its file when the transaction
    /// commits.
    pub(crate) fn delete_index(
        &self,
        tx: &mut Transaction,
        table: &TableDef,
        index: &IndexDef,
    ) -> Result<(), Error> {
        for from in [&PG_CLASS, &PG_ATTRIBUTE, &PG_INDEX] {
            self.delete_rows_of(tx, from, index.oid)?;
        }
        storage::drop_at_commit(&self.access, tx, index.relfile);
        self.changed(tx, &relation_of(table, index), None);
        Ok(())
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
        let renewed = Rc::new(self.with_new_file(tx, table, index)?);
        let mut now = table.clone();
        for known in &mut now.indexes {
            if known.oid == index.oid {
                *known = Rc::clone(&renewed);
            }
        }
        let now = Rc::new(now);
        self.changed(tx, table, Some(Rc::clone(&now)));
        Ok((now, renewed))
    }

    pub(crate) fn with_new_file(
        &self,
        tx: &mut Transaction,
        table: &TableDef,
        index: &IndexDef,
    ) -> Result<IndexDef, Error> {
        let relfile = storage::create(&self.access, tx)?;
        self.set_relfile(tx, index.oid, relfile)?;
        storage::drop_at_commit(&self.access, tx, index.relfile);
        let renewed = IndexDef { relfile, ..index.clone() };
        let relation = Rc::new(relation_of(table, &renewed));
        self.changed(tx, &relation, Some(Rc::clone(&relation)));
        Ok(renewed)
    }

    /// Notes the pages and rows of a relation in `pg_class`.
    pub fn set_counted(
        &self,
        tx: &mut Transaction,
        relation: Oid,
        counted: Counted,
    ) -> Result<(), Error> {
        self.update_class(tx, relation, &mut |row| {
            row[class::RELPAGES] = Datum::Int4(i32::try_from(counted.pages).unwrap_or(i32::MAX));
            row[class::RELTUPLES] = Datum::Float4(counted.tuples);
        })?;
        tx.invalidate(relation);
        Ok(())
    }

    pub(crate) fn set_relfile(
        &self,
        tx: &mut Transaction,
        oid: Oid,
        relfile: RelFileNumber,
    ) -> Result<(), Error> {
        self.update_class(tx, oid, &mut |row| {
            row[class::RELFILENODE] = Datum::Int8(crate::rows::number(relfile));
            row[class::RELPAGES] = Datum::Int4(0);
            row[class::RELTUPLES] = Datum::Float4(Counted::NEVER.tuples);
        })
    }
}
