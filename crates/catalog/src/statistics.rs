//! What VACUUM and ANALYZE note in the system tables: the size of a relation in its row of
//! `pg_class`, the statistics of its columns in `pg_statistic`.
//!
//! Both are rows like any others, written by the transaction of the command as new versions: a crash
//! or a rollback leaves the old ones. Whoever writes them holds `ShareUpdateExclusive` on the relation
//! at least, which keeps out other VACUUMs and ANALYZEs, and all DDL that changes the relation's row.
//!
//! What the bytes of a column's statistics mean is the business of whoever makes them.

use std::collections::BTreeMap;

use txn::Transaction;
use types::{Datum, Oid, Xid};

use crate::catalog::Catalog;
use crate::changes::{is, number, oid};
use crate::error::Error;
use crate::rows::class;
use crate::system::{PG_CLASS, PG_STATISTIC};

/// Bytes of statistics in one row of `pg_statistic`: with the rest of the row they fit in a page.
const PART: usize = 7000;

/// The size of a relation as the last VACUUM or ANALYZE found it.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct RelationSize {
    /// Its pages.
    pub pages: u32,
    /// Its rows; `None`: nobody has looked yet.
    pub rows: Option<f32>,
    /// How many of its pages everybody sees all of.
    pub all_visible: u32,
}

impl Catalog {
    /// The size that `pg_class` tells of a relation.
    pub fn relation_size(&self, tx: &Transaction, relation: Oid) -> Result<RelationSize, Error> {
        let row = self.row(tx, &PG_CLASS, &|row| is(row, 0, relation))?.unwrap_or_default();
        let pages = |column| u32::try_from(number(&row, column)).unwrap_or(0);
        let rows = match row.get(class::RELTUPLES) {
            Some(Datum::Float4(rows)) => Some(*rows).filter(|rows| *rows >= 0.0),
            _ => None,
        };
        let (pages, all_visible) = (pages(class::RELPAGES), pages(class::RELALLVISIBLE));
        Ok(RelationSize { pages, rows, all_visible })
    }

    /// Notes the size of a relation, and below which transaction nothing of it was made, if that is
    /// known.
    pub fn set_relation_size(
        &self,
        tx: &mut Transaction,
        relation: Oid,
        size: RelationSize,
        frozen: Option<Xid>,
    ) -> Result<(), Error> {
        let pages = |pages: u32| Datum::Int4(i32::try_from(pages).unwrap_or(i32::MAX));
        self.update_rows(tx, &PG_CLASS, &|row| is(row, 0, relation), &mut |row| {
            row[class::RELPAGES] = pages(size.pages);
            row[class::RELTUPLES] = Datum::Float4(size.rows.unwrap_or(-1.0));
            row[class::RELALLVISIBLE] = pages(size.all_visible);
            if let Some(frozen) = frozen {
                let frozen = i64::try_from(frozen.0).unwrap_or(i64::MAX);
                let old = number(row, class::RELFROZENXID);
                row[class::RELFROZENXID] = Datum::Int8(frozen.max(old));
            }
        })?;
        self.changed(tx, relation);
        Ok(())
    }

    /// The bytes of the statistics of a relation's columns, by the columns' places.
    pub fn column_statistics(
        &self,
        tx: &Transaction,
        relation: Oid,
    ) -> Result<BTreeMap<usize, Vec<u8>>, Error> {
        let mut all = self.all_column_statistics(tx, Some(relation))?;
        Ok(all.remove(&relation).unwrap_or_default())
    }

    /// The same of all relations, or of one.
    pub fn all_column_statistics(
        &self,
        tx: &Transaction,
        only: Option<Oid>,
    ) -> Result<BTreeMap<Oid, BTreeMap<usize, Vec<u8>>>, Error> {
        let wanted = |row: &[Datum]| only.is_none_or(|only| is(row, 0, only));
        let mut parts = BTreeMap::new();
        for row in self.rows(tx, &PG_STATISTIC, &wanted)? {
            let column = usize::try_from(number(&row, 1)).ok().and_then(|c| c.checked_sub(1));
            if let (Some(column), Some(Datum::Bytea(data))) = (column, row.get(3)) {
                parts.insert((oid(&row, 0), column, number(&row, 2)), data.clone());
            }
        }
        let mut all: BTreeMap<Oid, BTreeMap<usize, Vec<u8>>> = BTreeMap::new();
        for ((of, column, _), data) in parts {
            all.entry(of).or_default().entry(column).or_default().extend_from_slice(&data);
        }
        Ok(all)
    }

    /// Replaces the statistics of these columns, by their places.
    pub fn set_column_statistics(
        &self,
        tx: &mut Transaction,
        relation: Oid,
        columns: &[(usize, Vec<u8>)],
    ) -> Result<(), Error> {
        let attnum = |place: usize| Datum::Int2(i16::try_from(place + 1).unwrap_or(i16::MAX));
        let replaced = |row: &[Datum]| {
            let listed = |(column, _): &(usize, _)| row.get(1) == Some(&attnum(*column));
            is(row, 0, relation) && columns.iter().any(listed)
        };
        self.delete_rows(tx, &PG_STATISTIC, &replaced)?;
        for (column, data) in columns {
            for (part, data) in (0..).zip(data.chunks(PART)) {
                let data = Datum::Bytea(data.to_vec());
                let row = [Datum::Oid(relation.0), attnum(*column), Datum::Int2(part), data];
                self.insert_row(tx, &PG_STATISTIC, &row)?;
            }
        }
        self.changed(tx, relation);
        Ok(())
    }
}
