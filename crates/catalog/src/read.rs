//! Reading the system tables: by scans, until there are indexes.

use std::collections::HashSet;
use std::ops::ControlFlow;

use access::{Heap, tuple};
use txn::{CatalogVersion, Snapshot, Transaction};
use types::{Datum, Oid, RelFileNumber, TupleId, Xid};

use crate::catalog::Catalog;
use crate::definition::{ColumnDef, Counted, Identity, TableDef, TableKind};
use crate::error::Error;
use crate::rows::{attribute, class};
use crate::system::{PG_ATTRDEF, PG_ATTRIBUTE, PG_CLASS, SystemTable};
use crate::{COLUMNS_MAX, changes, kinds};

/// A row of `pg_class`.
pub(crate) struct ClassRow {
    pub oid: Oid,
    pub name: String,
    namespace: Oid,
    pub relfile: RelFileNumber,
    kind: char,
    pub made_by: Xid,
    columns: usize,
    counted: Counted,
    options: String,
}

/// What [`Catalog::scan`] calls for each row.
type Visit<'v> = dyn FnMut(TupleId, &[Datum]) -> Result<ControlFlow<()>, Error> + 'v;

impl Catalog {
    /// Calls `visit` with the rows of a system table that the snapshot sees, until it has enough.
    pub(crate) fn scan(
        &self,
        table: &SystemTable,
        snapshot: &Snapshot,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        let types = table.types();
        let heap = Heap::new(&self.access, table.relfile, &types);
        let mut scan = heap.scan(snapshot)?;
        let mut row = Vec::new();
        while let Some((place, bytes)) = scan.next()? {
            heap.decode(place, bytes, None, &mut row)?;
            if visit(place, &row)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The relation of that name, with a version that it is at least as young as.
    pub(crate) fn read_by_name(
        &self,
        tx: &Transaction,
        namespace: Oid,
        name: &str,
    ) -> Result<Option<(TableDef, CatalogVersion)>, Error> {
        loop {
            let snapshot = self.txn().snapshot(tx);
            let named = |row: &ClassRow| row.namespace == namespace && row.name == name;
            let Some(found) = self.find_class(&snapshot, &named)? else { return Ok(None) };
            drop(snapshot);
            let again = self.read_by_oid(tx, found.oid)?;
            if let Some((table, version)) = again
                && table.namespace == namespace
                && table.name == name
            {
                return Ok(Some((table, version)));
            }
        }
    }

    /// The relation with that oid, with a version that it is at least as young as.
    pub(crate) fn read_by_oid(
        &self,
        tx: &Transaction,
        oid: Oid,
    ) -> Result<Option<(TableDef, CatalogVersion)>, Error> {
        // Version first, snapshot second: what the snapshot misses will raise the version.
        let version = self.txn().relation_version(oid);
        let snapshot = self.txn().snapshot(tx);
        let Some(row) = self.find_class(&snapshot, &|row| row.oid == oid)? else {
            return Ok(None);
        };
        Ok(Some((self.read_definition(tx, &snapshot, row)?, version)))
    }

    fn find_class(
        &self,
        snapshot: &Snapshot,
        wanted: &dyn Fn(&ClassRow) -> bool,
    ) -> Result<Option<ClassRow>, Error> {
        let mut found = None;
        self.scan(&PG_CLASS, snapshot, &mut |_, row| {
            let row = class_row(row)?;
            if wanted(&row) {
                found = Some(row);
                return Ok(ControlFlow::Break(()));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    fn read_definition(
        &self,
        tx: &Transaction,
        snapshot: &Snapshot,
        class: ClassRow,
    ) -> Result<TableDef, Error> {
        let columns = self.read_columns(snapshot, &class)?;
        let missing = || Error::Damaged { relation: class.oid, why: "its schema is not there" };
        let schema = self.schema_name(tx, class.namespace)?.ok_or_else(missing)?;
        let mut table = TableDef {
            oid: class.oid,
            namespace: class.namespace,
            relfile: class.relfile,
            counted: class.counted,
            options: class.options,
            ..TableDef::new(&schema, &class.name, TableKind::Table, columns)
        };
        match class.kind {
            'i' => table.kind = TableKind::Index(self.read_owner(snapshot, class.oid)?),
            'v' => {
                table.kind = TableKind::View;
                table.query = self.read_view(snapshot, class.oid)?;
            }
            'S' => table.kind = TableKind::Sequence(self.read_sequence(snapshot, class.oid)?),
            _ => {
                table.set_indexes(self.read_indexes(snapshot, &table)?);
                self.read_constraints(snapshot, &mut table)?;
            }
        }
        Ok(table)
    }

    fn read_columns(&self, snapshot: &Snapshot, class: &ClassRow) -> Result<Vec<ColumnDef>, Error> {
        let damaged = |why| Error::Damaged { relation: class.oid, why };
        let mut columns: Vec<Option<ColumnDef>> = vec![None; class.columns];
        self.scan(&PG_ATTRIBUTE, snapshot, &mut |_, row| {
            if changes::is(row, 0, class.oid) {
                let slot = usize::try_from(changes::number(row, 4) - 1).ok();
                let slot = slot.and_then(|index| columns.get_mut(index));
                let slot = slot.ok_or_else(|| damaged("column number is out of range"))?;
                *slot = Some(column(row).ok_or_else(|| damaged("column makes no sense"))?);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let columns: Option<Vec<ColumnDef>> = columns.into_iter().collect();
        let mut columns = columns.ok_or_else(|| damaged("column is missing"))?;
        self.read_defaults(snapshot, class.oid, &mut columns)?;
        self.read_identities(snapshot, class.oid, &mut columns)?;
        Ok(columns)
    }

    fn read_defaults(
        &self,
        snapshot: &Snapshot,
        relation: Oid,
        columns: &mut [ColumnDef],
    ) -> Result<(), Error> {
        self.scan(&PG_ATTRDEF, snapshot, &mut |_, row| {
            if changes::is(row, 1, relation) {
                let index = usize::try_from(changes::number(row, 2) - 1).ok();
                let column = index.and_then(|index| columns.get_mut(index));
                let why = "default of a column that is not there";
                column.ok_or(Error::Damaged { relation, why })?.default =
                    Some(changes::text(row, 3).to_owned());
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    pub(crate) fn read_relfiles(&self, tx: &Transaction) -> Result<HashSet<RelFileNumber>, Error> {
        let mut files = HashSet::new();
        let snapshot = self.txn().snapshot(tx);
        self.scan(&PG_CLASS, &snapshot, &mut |_, row| {
            // A view has none.
            files.extend(Some(class_row(row)?.relfile).filter(|file| *file != RelFileNumber(0)));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(files)
    }
}

pub(crate) fn class_row(row: &[Datum]) -> Result<ClassRow, Error> {
    let oid = changes::oid(row, 0);
    let relfile = u64::try_from(changes::number(row, 3));
    let columns = usize::try_from(changes::number(row, 5));
    let pages = u32::try_from(changes::number(row, class::RELPAGES));
    let all_visible = u32::try_from(changes::number(row, class::RELALLVISIBLE)).unwrap_or(0);
    match (relfile, columns, pages, row.get(class::RELTUPLES)) {
        (Ok(relfile), Ok(columns), Ok(pages), Some(Datum::Float4(tuples)))
            if columns <= COLUMNS_MAX =>
        {
            Ok(ClassRow {
                oid,
                name: changes::text(row, 1).to_owned(),
                namespace: changes::oid(row, 2),
                relfile: RelFileNumber(relfile),
                columns,
                kind: changes::text(row, 4).chars().next().unwrap_or(' '),
                made_by: Xid(u64::try_from(changes::number(row, class::RELFROZENXID)).unwrap_or(0)),
                counted: Counted { pages, tuples: *tuples, all_visible },
                options: changes::text(row, class::RELOPTIONS).to_owned(),
            })
        }
        _ => Err(Error::Damaged { relation: oid, why: "row of pg_class makes no sense" }),
    }
}

fn column(row: &[Datum]) -> Option<ColumnDef> {
    let [_, Datum::Text(name), Datum::Oid(ty), Datum::Int4(modifier), _, Datum::Bool(not_null), ..] =
        row
    else {
        return None;
    };
    let ty = kinds::type_of(Oid(*ty), *modifier)?;
    let missing = match row.get(8..10)? {
        [Datum::Bool(true), Datum::Bytea(bytes)] => {
            let mut value = Vec::new();
            tuple::decode_into(bytes, &[ty], None, &mut value).ok()?;
            value.pop()?
        }
        _ => Datum::Null,
    };
    let always = changes::text(row, attribute::IDENTITY).chars().next().map(|letter| letter == 'a');
    Some(ColumnDef {
        identity: always.map(|always| Identity { always, sequence: Oid(0) }),
        not_null: *not_null,
        dropped: row.get(7) == Some(&Datum::Bool(true)),
        missing,
        ..ColumnDef::new(name, ty)
    })
}
