//! All relations at once, as the views and autovacuum want them.

use std::collections::HashMap;
use std::ops::ControlFlow;

use txn::Transaction;
use types::{Datum, Oid, RelFileNumber, Xid};

use crate::catalog::Catalog;
use crate::error::Error;
use crate::system::{PG_CLASS, PG_NAMESPACE, SystemTable};

/// A row of `pg_class`, with the name of its schema.
#[derive(Clone, Debug)]
pub struct Relation {
    /// Its oid.
    pub oid: Oid,
    /// Its name.
    pub name: String,
    /// The schema it is in.
    pub schema: String,
    /// The file that holds it.
    pub relfile: RelFileNumber,
    /// What it is, as `relkind` has it.
    pub kind: String,
    /// Its rows as they were counted last; below 0: never.
    pub rows: f64,
    /// Of a table: what older transactions have left in it has committed, and was ended by none of
    /// them.
    pub horizon: Xid,
}

impl SystemTable {
    /// The value of a column in a row of this table; NULL if there is none.
    pub fn value<'r>(&self, row: &'r [Datum], name: &str) -> &'r Datum {
        let place = self.columns.iter().position(|column| column.name == name);
        place.and_then(|place| row.get(place)).unwrap_or(&Datum::Null)
    }
}

impl Catalog {
    /// The least horizon of all tables: nobody will ask for the status of an older transaction that
    /// has not committed.
    pub fn least_horizon(&self, tx: &Transaction) -> Result<Xid, Error> {
        let tables = self.relations(tx)?.into_iter().filter(|relation| relation.kind == "r");
        Ok(tables.map(|table| table.horizon).min().unwrap_or(Xid::FIRST_NORMAL))
    }

    /// Every relation that the transaction sees.
    pub fn relations(&self, tx: &Transaction) -> Result<Vec<Relation>, Error> {
        let snapshot = self.txn().snapshot(tx);
        let mut schemas = HashMap::new();
        self.scan(&PG_NAMESPACE, &snapshot, &mut |_, row| {
            if let (Datum::Oid(oid), Datum::Text(name)) =
                (PG_NAMESPACE.value(row, "oid"), PG_NAMESPACE.value(row, "nspname"))
            {
                schemas.insert(*oid, name.clone());
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let mut relations = Vec::new();
        self.scan(&PG_CLASS, &snapshot, &mut |_, row| {
            let why = "row of pg_class makes no sense";
            let damaged = Error::Damaged { relation: Oid::default(), why };
            relations.push(relation(row, &schemas).ok_or(damaged)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(relations)
    }
}

fn relation(row: &[Datum], schemas: &HashMap<u32, String>) -> Option<Relation> {
    let value = |name| PG_CLASS.value(row, name);
    match (
        value("oid"),
        value("relname"),
        value("relnamespace"),
        value("relfilenode"),
        value("relkind"),
    ) {
        (
            Datum::Oid(oid),
            Datum::Text(name),
            Datum::Oid(schema),
            Datum::Int8(file),
            Datum::Text(kind),
        ) => Some(Relation {
            oid: Oid(*oid),
            name: name.clone(),
            schema: schemas.get(schema)?.clone(),
            relfile: RelFileNumber(u64::try_from(*file).ok()?),
            kind: kind.clone(),
            rows: match value("reltuples") {
                Datum::Float4(rows) => f64::from(*rows),
                _ => -1.0,
            },
            horizon: match value("relfrozenxid") {
                Datum::Int8(xid) => Xid(u64::try_from(*xid).ok()?),
                _ => Xid::FIRST_NORMAL,
            },
        }),
        _ => None,
    }
}
