//! Reading what the system tables say of a table's indexes and constraints.

use std::ops::ControlFlow;
use std::rc::Rc;

use txn::Snapshot;
use types::{ColumnType, Datum, Oid, RelFileNumber, Xid};

use crate::catalog::Catalog;
use crate::changes::is;
use crate::definition::{
    ConstraintDef, ConstraintKind, IndexColumn, IndexDef, ReferentialAction, TableDef,
};
use crate::error::Error;
use crate::read::class_row;
use crate::rows::{constraint, orders, positions};
use crate::system::{PG_CLASS, PG_CONSTRAINT, PG_INDEX};

impl Catalog {
    /// The table that an index belongs to.
    pub(crate) fn read_owner(&self, snapshot: &Snapshot, index: Oid) -> Result<Oid, Error> {
        let mut owner = None;
        self.scan(&PG_INDEX, snapshot, &mut |_, row| {
            if let [Datum::Oid(oid), Datum::Oid(table), ..] = row
                && *oid == index.0
            {
                owner = Some(Oid(*table));
                return Ok(ControlFlow::Break(()));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        owner.ok_or(Error::Damaged { relation: index, why: "pg_index has no row for it" })
    }

    pub(crate) fn read_indexes(
        &self,
        snapshot: &Snapshot,
        table: &TableDef,
    ) -> Result<Vec<Rc<IndexDef>>, Error> {
        let mut indexes = Vec::new();
        self.scan(&PG_INDEX, snapshot, &mut |_, row| {
            if row.get(1) == Some(&Datum::Oid(table.oid.0)) {
                let why = "row of pg_index makes no sense";
                let damaged = Error::Damaged { relation: table.oid, why };
                indexes.push(index_row(row, &table.types).ok_or(damaged)?);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        if indexes.is_empty() {
            return Ok(Vec::new());
        }
        indexes.sort_by_key(|index| index.oid);
        self.scan(&PG_CLASS, snapshot, &mut |_, row| {
            let class = class_row(row)?;
            if let Some(index) = indexes.iter_mut().find(|index| index.oid == class.oid) {
                (index.name, index.relfile) = (class.name, class.relfile);
                index.made_by = class.made_by;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        match indexes.iter().find(|index| index.relfile == RelFileNumber(0)) {
            Some(index) => {
                Err(Error::Damaged { relation: index.oid, why: "pg_class has no row for it" })
            }
            None => Ok(indexes.into_iter().map(Rc::new).collect()),
        }
    }

    /// Reads the constraints of a table, and the foreign keys that refer to it.
    pub(crate) fn read_constraints(
        &self,
        snapshot: &Snapshot,
        table: &mut TableDef,
    ) -> Result<(), Error> {
        let why = "row of pg_constraint makes no sense";
        let damaged = Error::Damaged { relation: table.oid, why };
        let mut all = Vec::new();
        self.scan(&PG_CONSTRAINT, snapshot, &mut |_, row| {
            let of_table = |column| is(row, column, table.oid);
            if of_table(constraint::RELATION) || of_table(constraint::FOREIGN_RELATION) {
                all.push(constraint_row(row));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let mut all = all.into_iter().collect::<Option<Vec<ConstraintDef>>>().ok_or(damaged)?;
        all.sort_by_key(|constraint| constraint.oid);
        let refers = |constraint: &&ConstraintDef| constraint.foreign_table == table.oid;
        table.referenced_by = all.iter().filter(refers).cloned().collect();
        all.retain(|constraint| constraint.table == table.oid);
        table.constraints = all;
        Ok(())
    }
}

/// An index from its row of `pg_index`; `pg_class` has its name and file.
fn index_row(row: &[Datum], types: &[ColumnType]) -> Option<IndexDef> {
    let [Datum::Oid(oid), _, _, Datum::Bool(unique), Datum::Bool(primary), keys, order] = row
    else {
        return None;
    };
    let (Datum::Text(keys), Datum::Text(order)) = (keys, order) else { return None };
    let (keys, order) = (positions(keys)?, orders(order)?);
    if keys.len() != order.len() {
        return None;
    }
    let column = |(column, (descending, nulls_first)): (usize, (bool, bool))| {
        let ty = *types.get(column)?;
        Some(IndexColumn { column, ty, descending, nulls_first })
    };
    Some(IndexDef {
        made_by: Xid::INVALID,
        oid: Oid(*oid),
        name: String::new(),
        relfile: RelFileNumber(0),
        unique: *unique,
        primary: *primary,
        columns: keys.into_iter().zip(order).map(column).collect::<Option<_>>()?,
    })
}

fn constraint_row(row: &[Datum]) -> Option<ConstraintDef> {
    let [
        Datum::Oid(oid),
        Datum::Text(name),
        _,
        Datum::Text(kind),
        Datum::Oid(table),
        Datum::Oid(index),
        Datum::Oid(foreign_table),
        Datum::Text(on_update),
        Datum::Text(on_delete),
        Datum::Text(matches),
        Datum::Text(columns),
        Datum::Text(foreign_columns),
        Datum::Text(delete_columns),
        Datum::Text(expression),
    ] = row
    else {
        return None;
    };
    let kind = ConstraintKind::of_letter(kind.chars().next()?)?;
    let is_foreign = kind == ConstraintKind::ForeignKey;
    let action = |letter: &str| match letter.chars().next() {
        Some(letter) if is_foreign => ReferentialAction::of_letter(letter),
        _ => Some(ReferentialAction::NoAction),
    };
    Some(ConstraintDef {
        oid: Oid(*oid),
        name: name.clone(),
        table: Oid(*table),
        kind,
        index: Oid(*index),
        columns: positions(columns)?,
        foreign_table: Oid(*foreign_table),
        foreign_columns: positions(foreign_columns)?,
        on_update: action(on_update)?,
        on_delete: action(on_delete)?,
        match_full: matches == "f",
        delete_columns: positions(delete_columns)?,
        expression: expression.clone(),
    })
}
