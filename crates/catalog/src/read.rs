//! Reading the system tables: by scans, until there are indexes.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::rc::Rc;

use access::Heap;
use txn::{CatalogVersion, Snapshot, Transaction};
use types::{Datum, Oid, RelFileNumber, TupleId};

use crate::catalog::Catalog;
use crate::definition::{ColumnDef, Counted, TableDef, TableKind};
use crate::error::Error;
use crate::kinds;
use crate::system::{PG_ATTRDEF, PG_ATTRIBUTE, PG_CLASS, PUBLIC, SystemTable};

/// A row of `pg_class`.
pub(crate) struct ClassRow {
    pub oid: Oid,
    pub name: String,
    namespace: Oid,
    pub relfile: RelFileNumber,
    is_index: bool,
    columns: usize,
    counted: Counted,
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

    /// The table of that name, with a version that it is at least as young as.
    pub(crate) fn read_by_name(
        &self,
        tx: &Transaction,
        namespace: Oid,
        name: &str,
    ) -> Result<Option<(TableDef, CatalogVersion)>, Error> {
        loop {
            let found = self.find_class(&self.txn().snapshot(tx), &mut |row| {
                row.namespace == namespace && row.name == name
            })?;
            let Some(found) = found else { return Ok(None) };
            // Version first, snapshot second: what the snapshot misses will raise the version.
            let version = self.txn().relation_version(found.oid);
            let snapshot = self.txn().snapshot(tx);
            let again = self.find_class(&snapshot, &mut |row| row.oid == found.oid)?;
            if let Some(row) = again.filter(|row| row.namespace == namespace && row.name == name) {
                return Ok(Some((self.read_definition(&snapshot, row)?, version)));
            }
        }
    }

    fn find_class(
        &self,
        snapshot: &Snapshot,
        wanted: &mut dyn FnMut(&ClassRow) -> bool,
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

    fn read_definition(&self, snapshot: &Snapshot, class: ClassRow) -> Result<TableDef, Error> {
        let columns = self.read_columns(snapshot, &class)?;
        let mut table = TableDef {
            oid: class.oid,
            schema: PUBLIC.1.to_owned(),
            name: class.name,
            relfile: class.relfile,
            kind: TableKind::Table,
            types: columns.iter().map(|column| column.ty).collect(),
            columns,
            indexes: Vec::new(),
            constraints: Vec::new(),
            counted: class.counted,
        };
        if class.is_index {
            table.kind = TableKind::Index(self.read_owner(snapshot, class.oid)?);
        } else {
            table.indexes = self.read_indexes(snapshot, &table)?;
            table.constraints = self.read_constraints(snapshot, table.oid)?;
        }
        Ok(table)
    }

    /// The table of that oid, by its name at present.
    pub fn find_by_oid(&self, tx: &Transaction, oid: Oid) -> Result<Option<Rc<TableDef>>, Error> {
        let found = self.find_class(&self.txn().snapshot(tx), &mut |row| row.oid == oid)?;
        let Some(found) = found else { return Ok(None) };
        let table = self.lookup(tx, Some(PUBLIC.1), &found.name)?;
        Ok(table.filter(|table| table.oid == oid))
    }

    fn read_columns(&self, snapshot: &Snapshot, class: &ClassRow) -> Result<Vec<ColumnDef>, Error> {
        let damaged = |why| Error::Damaged { relation: class.oid, why };
        let mut columns: Vec<Option<ColumnDef>> = vec![None; class.columns];
        self.scan(&PG_ATTRIBUTE, snapshot, &mut |_, row| {
            let [relation, name, ty, modifier, number, not_null, _] = row else {
                return Err(damaged("row of pg_attribute has another number of columns"));
            };
            if *relation == Datum::Oid(class.oid.0) {
                let slot = index(number).and_then(|index| columns.get_mut(index));
                let slot = slot.ok_or_else(|| damaged("column number is out of range"))?;
                let column = column(name, ty, modifier, not_null);
                *slot = Some(column.ok_or_else(|| damaged("column makes no sense"))?);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let columns: Option<Vec<ColumnDef>> = columns.into_iter().collect();
        let mut columns = columns.ok_or_else(|| damaged("column is missing"))?;
        self.read_defaults(snapshot, class.oid, &mut columns)?;
        Ok(columns)
    }

    fn read_defaults(
        &self,
        snapshot: &Snapshot,
        relation: Oid,
        columns: &mut [ColumnDef],
    ) -> Result<(), Error> {
        self.scan(&PG_ATTRDEF, snapshot, &mut |_, row| {
            if let [Datum::Oid(of), number, Datum::Text(text)] = row
                && *of == relation.0
            {
                let column = index(number).and_then(|index| columns.get_mut(index));
                let why = "default of a column that is not there";
                column.ok_or(Error::Damaged { relation, why })?.default = Some(text.clone());
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    pub(crate) fn read_relfiles(&self, tx: &Transaction) -> Result<HashSet<RelFileNumber>, Error> {
        let mut files = HashSet::new();
        let snapshot = self.txn().snapshot(tx);
        self.scan(&PG_CLASS, &snapshot, &mut |_, row| {
            files.insert(class_row(row)?.relfile);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(files)
    }
}

pub(crate) fn class_row(row: &[Datum]) -> Result<ClassRow, Error> {
    let (oid, rest) = match row {
        [Datum::Oid(oid), rest @ ..] => (Oid(*oid), rest),
        _ => (Oid::default(), row),
    };
    if let [
        Datum::Text(name),
        Datum::Oid(namespace),
        Datum::Int8(relfile),
        Datum::Text(kind),
        Datum::Int2(columns),
        _,
        _,
        Datum::Int4(pages),
        Datum::Float4(tuples),
    ] = rest
        && let (Ok(relfile), Ok(columns)) = (u64::try_from(*relfile), usize::try_from(*columns))
        && let Ok(pages) = u32::try_from(*pages)
    {
        return Ok(ClassRow {
            oid,
            name: name.clone(),
            namespace: Oid(*namespace),
            relfile: RelFileNumber(relfile),
            is_index: kind == "i",
            columns,
            counted: Counted { pages, tuples: *tuples },
        });
    }
    Err(Error::Damaged { relation: oid, why: "row of pg_class makes no sense" })
}

/// The position of a column from its number, which counts from 1.
fn index(number: &Datum) -> Option<usize> {
    match number {
        Datum::Int2(number) => usize::try_from(*number).ok()?.checked_sub(1),
        _ => None,
    }
}

fn column(name: &Datum, ty: &Datum, modifier: &Datum, not_null: &Datum) -> Option<ColumnDef> {
    match (name, ty, modifier, not_null) {
        (Datum::Text(name), Datum::Oid(ty), Datum::Int4(modifier), Datum::Bool(not_null)) => {
            Some(ColumnDef {
                name: name.clone(),
                ty: kinds::type_of(Oid(*ty), *modifier)?,
                not_null: *not_null,
                default: None,
            })
        }
        _ => None,
    }
}
