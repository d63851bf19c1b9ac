//! Changes of the system tables: CREATE, DROP and TRUNCATE TABLE.
//!
//! Each changes rows of the system tables with the transaction's current command, so the next
//! command sees the change; the process itself remembers what it made of the name meanwhile.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::rc::Rc;

use access::{Heap, Outcome, storage, tuple};
use txn::{LockMode, LockTag, Transaction};
use types::{Datum, Oid, TupleId, Xid};

use crate::catalog::Catalog;
use crate::definition::{ColumnDef, Counted, TableDef, TableKind};
use crate::error::Error;
use crate::rows::rows_of;
use crate::system::{
    PG_ATTRDEF, PG_ATTRIBUTE, PG_CATALOG, PG_CLASS, PG_CONSTRAINT, PUBLIC, SystemTable,
};
use crate::{COLUMNS_MAX, NAME_LENGTH_MAX};

impl Catalog {
    /// Creates a table; without a schema in `public`.
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
        let schema = schema.unwrap_or(PUBLIC.1);
        check_schema(schema, name)?;
        check_columns(name, &columns)?;
        let locks = Rc::clone(self.txn().locks());
        locks.acquire(LockTag::name(schema, name), LockMode::AccessExclusive)?;
        if self.lookup(tx, Some(schema), name)?.is_some() {
            return Err(Error::DuplicateTable(name.to_owned()));
        }
        let relfile = storage::create(&self.access, tx)?;
        let oid = self.txn().new_oid()?;
        locks.acquire(LockTag::Relation(oid), LockMode::AccessExclusive)?;
        let table = Rc::new(TableDef {
            oid,
            schema: schema.to_owned(),
            name: name.to_owned(),
            relfile,
            kind: TableKind::Table,
            types: columns.iter().map(|column| column.ty).collect(),
            columns,
            indexes: Vec::new(),
            constraints: Vec::new(),
            counted: Counted::NEVER,
        });
        self.insert_rows(tx, rows_of(&table, PUBLIC.0, tx.xid().unwrap_or(Xid::INVALID)))?;
        self.changed(tx, &table, Some(Rc::clone(&table)));
        Ok(table)
    }

    /// Drops a table that the transaction has locked `AccessExclusive`, with its indexes and
    /// constraints. The files go when the transaction commits.
    pub fn drop_table(&self, tx: &mut Transaction, table: &TableDef) -> Result<(), Error> {
        check_user_table(table)?;
        for index in &table.indexes {
            self.delete_index(tx, table, index)?;
        }
        for constraint in &table.constraints {
            self.delete_rows_of(tx, &PG_CONSTRAINT, constraint.oid)?;
        }
        for from in [&PG_CLASS, &PG_ATTRIBUTE, &PG_ATTRDEF] {
            self.delete_rows_of(tx, from, table.oid)?;
        }
        storage::drop_at_commit(&self.access, tx, table.relfile);
        self.changed(tx, table, None);
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
        let relfile = storage::create(&self.access, tx)?;
        self.set_relfile(tx, table.oid, relfile)?;
        storage::drop_at_commit(&self.access, tx, table.relfile);
        self.txn().statistics().moved(table.relfile, relfile);
        let mut emptied = TableDef { relfile, counted: Counted::NEVER, ..table.clone() };
        for index in &mut emptied.indexes {
            *index = Rc::new(self.with_new_file(tx, table, index)?);
        }
        let emptied = Rc::new(emptied);
        self.changed(tx, table, Some(Rc::clone(&emptied)));
        Ok(emptied)
    }

    /// Notes for others, and for the rest of this transaction, what has become of a table.
    pub(crate) fn changed(
        &self,
        tx: &mut Transaction,
        table: &TableDef,
        now: Option<Rc<TableDef>>,
    ) {
        tx.invalidate(table.oid);
        self.cache.borrow_mut().set_own(tx.xid(), &table.schema, &table.name, now);
    }

    /// Changes a relation's row of `pg_class`. Somebody else who has changed it is waited for, and
    /// the newest version is changed then.
    pub(crate) fn update_class(
        &self,
        tx: &mut Transaction,
        oid: Oid,
        change: &mut dyn FnMut(&mut Vec<Datum>),
    ) -> Result<(), Error> {
        let [(mut place, mut row)] =
            self.find_rows_of(tx, &PG_CLASS, oid)?.try_into().map_err(|_| Error::Damaged {
                relation: oid,
                why: "pg_class does not have one row for it",
            })?;
        let types = PG_CLASS.types();
        let heap = Heap::new(&self.access, PG_CLASS.relfile, &types);
        loop {
            change(&mut row);
            match heap.update(tx, place, &row)? {
                Outcome::Done(_) => return Ok(()),
                Outcome::Gone => return Err(Error::ConcurrentUpdate),
                Outcome::Changed(newest) => {
                    place = newest.place;
                    heap.decode(place, &newest.tuple, None, &mut row)?;
                }
            }
        }
    }

    pub(crate) fn delete_rows_of(
        &self,
        tx: &mut Transaction,
        from: &SystemTable,
        oid: Oid,
    ) -> Result<(), Error> {
        let types = from.types();
        let heap = Heap::new(&self.access, from.relfile, &types);
        for (place, _) in self.find_rows_of(tx, from, oid)? {
            done(heap.delete(tx, place)?)?;
        }
        Ok(self.access.end_statement()?)
    }

    /// The rows of a system table whose first column is that oid.
    fn find_rows_of(
        &self,
        tx: &Transaction,
        table: &SystemTable,
        oid: Oid,
    ) -> Result<Vec<(TupleId, Vec<Datum>)>, Error> {
        let mut rows = Vec::new();
        let snapshot = self.txn().snapshot(tx);
        self.scan(table, &snapshot, &mut |place, row| {
            if row.first() == Some(&Datum::Oid(oid.0)) {
                rows.push((place, row.to_vec()));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(rows)
    }
}

fn done(outcome: Outcome) -> Result<(), Error> {
    match outcome {
        Outcome::Done(_) => Ok(()),
        Outcome::Gone | Outcome::Changed(_) => Err(Error::ConcurrentUpdate),
    }
}

pub(crate) fn check_user_table(table: &TableDef) -> Result<(), Error> {
    match table.kind {
        TableKind::Table => Ok(()),
        TableKind::System | TableKind::View => Err(Error::SystemTable(table.name.clone())),
        TableKind::Index(_) => Err(Error::NotATable(table.name.clone())),
    }
}

fn check_schema(schema: &str, name: &str) -> Result<(), Error> {
    if schema == PG_CATALOG.1 {
        return Err(Error::SystemSchema { schema: schema.to_owned(), name: name.to_owned() });
    }
    if schema != PUBLIC.1 {
        return Err(Error::UndefinedSchema(schema.to_owned()));
    }
    Ok(())
}

fn check_columns(table: &str, columns: &[ColumnDef]) -> Result<(), Error> {
    check_name(table)?;
    if columns.len() > COLUMNS_MAX {
        return Err(Error::TooManyColumns);
    }
    let mut names = HashSet::new();
    for ColumnDef { name, ty, .. } in columns {
        check_name(name)?;
        if !names.insert(name) {
            return Err(Error::DuplicateColumn(name.clone()));
        }
        if !tuple::is_storable(*ty) {
            return Err(Error::NotStorable(name.clone()));
        }
    }
    Ok(())
}

pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    if name.len() > NAME_LENGTH_MAX { Err(Error::NameTooLong(name.to_owned())) } else { Ok(()) }
}
