//! Changes of the system tables: CREATE, DROP and TRUNCATE TABLE.
//!
//! Each changes rows of the system tables with the transaction's current command, so the next
//! command sees the change; the process itself remembers what it made of the name meanwhile.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::rc::Rc;

use access::{Heap, Outcome, storage, tuple};
use txn::{LockMode, LockTag, Transaction};
use types::{Datum, Oid, RelFileNumber, TupleId, Xid};

use crate::catalog::Catalog;
use crate::definition::{ColumnDef, TableDef, TableKind};
use crate::error::Error;
use crate::system::{PG_ATTRDEF, PG_ATTRIBUTE, PG_CATALOG, PG_CLASS, PUBLIC, SystemTable};
use crate::{COLUMNS_MAX, NAME_LENGTH_MAX, kinds};

/// Where `relfilenode` stands in a row of `pg_class`.
const RELFILENODE: usize = 3;

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
        });
        for (into, row) in rows_of(&table, PUBLIC.0, tx.xid().unwrap_or(Xid::INVALID)) {
            Heap::new(&self.access, into.relfile, &into.types()).insert(tx, &row)?;
        }
        self.changed(tx, &table, Some(Rc::clone(&table)));
        Ok(table)
    }

    /// Drops a table that the transaction has locked `AccessExclusive`. Its file goes when the
    /// transaction commits.
    pub fn drop_table(&self, tx: &mut Transaction, table: &TableDef) -> Result<(), Error> {
        check_user_table(table)?;
        for from in [&PG_CLASS, &PG_ATTRIBUTE, &PG_ATTRDEF] {
            self.delete_rows_of(tx, from, table.oid)?;
        }
        storage::drop_at_commit(&self.access, tx, table.relfile);
        self.changed(tx, table, None);
        Ok(())
    }

    /// Empties a table that the transaction has locked `AccessExclusive`, by giving it a new file.
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
        let emptied = Rc::new(TableDef { relfile, ..table.clone() });
        self.changed(tx, table, Some(Rc::clone(&emptied)));
        Ok(emptied)
    }

    /// Notes for others, and for the rest of this transaction, what has become of a table.
    fn changed(&self, tx: &mut Transaction, table: &TableDef, now: Option<Rc<TableDef>>) {
        tx.invalidate(table.oid);
        self.cache.borrow_mut().set_own(tx.xid(), &table.schema, &table.name, now);
    }

    fn set_relfile(
        &self,
        tx: &mut Transaction,
        oid: Oid,
        relfile: RelFileNumber,
    ) -> Result<(), Error> {
        let [(place, mut row)] =
            self.find_rows_of(tx, &PG_CLASS, oid)?.try_into().map_err(|_| Error::Damaged {
                relation: oid,
                why: "pg_class does not have one row for it",
            })?;
        row[RELFILENODE] = Datum::Int8(number(relfile));
        let heap_types = PG_CLASS.types();
        let heap = Heap::new(&self.access, PG_CLASS.relfile, &heap_types);
        done(heap.update(tx, place, &row)?)
    }

    fn delete_rows_of(
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

fn check_user_table(table: &TableDef) -> Result<(), Error> {
    match table.kind {
        TableKind::Table => Ok(()),
        TableKind::System | TableKind::View => Err(Error::SystemTable(table.name.clone())),
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

fn check_name(name: &str) -> Result<(), Error> {
    if name.len() > NAME_LENGTH_MAX { Err(Error::NameTooLong(name.to_owned())) } else { Ok(()) }
}

fn number(relfile: RelFileNumber) -> i64 {
    i64::try_from(relfile.0).expect("numbers are handed out one by one")
}

/// The rows that describe a table, each with the system table it belongs into.
pub(crate) fn rows_of(
    table: &TableDef,
    namespace: Oid,
    frozen: Xid,
) -> Vec<(&'static SystemTable, Vec<Datum>)> {
    let TableDef { oid: Oid(oid), columns, .. } = table;
    let mut rows = vec![(
        &PG_CLASS,
        vec![
            Datum::Oid(*oid),
            Datum::Text(table.name.clone()),
            Datum::Oid(namespace.0),
            Datum::Int8(number(table.relfile)),
            Datum::Text("r".to_owned()),
            Datum::Int2(columns.len() as i16),
            Datum::Int8(i64::try_from(frozen.0).unwrap_or(i64::MAX)),
        ],
    )];
    for (number, column) in (1..).zip(columns) {
        let row = vec![
            Datum::Oid(*oid),
            Datum::Text(column.name.clone()),
            Datum::Oid(kinds::type_oid(column.ty).0),
            Datum::Int4(kinds::type_modifier(column.ty)),
            Datum::Int2(number),
            Datum::Bool(column.not_null),
            Datum::Bool(column.default.is_some()),
        ];
        rows.push((&PG_ATTRIBUTE, row));
        if let Some(text) = &column.default {
            let row = vec![Datum::Oid(*oid), Datum::Int2(number), Datum::Text(text.clone())];
            rows.push((&PG_ATTRDEF, row));
        }
    }
    rows
}
