//! Reading what the system tables say of sequences, and of the columns that have them.

use std::ops::ControlFlow;

use access::Numbering;
use txn::Snapshot;
use types::{Datum, Oid};

use crate::catalog::Catalog;
use crate::changes;
use crate::definition::{ColumnDef, SequenceDef};
use crate::error::Error;
use crate::kinds;
use crate::system::{PG_CLASS, PG_DEPEND, PG_SEQUENCE};

impl Catalog {
    /// How a sequence counts.
    pub(crate) fn read_sequence(
        &self,
        snapshot: &Snapshot,
        sequence: Oid,
    ) -> Result<SequenceDef, Error> {
        let mut found = None;
        self.scan(&PG_SEQUENCE, snapshot, &mut |_, row| {
            if changes::is(row, 0, sequence) {
                found = sequence_of(row);
                return Ok(ControlFlow::Break(()));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let why = "pg_sequence has no row for it that makes sense";
        found.ok_or(Error::Damaged { relation: sequence, why })
    }

    /// Finds the sequences of identity columns.
    pub(crate) fn read_identities(
        &self,
        snapshot: &Snapshot,
        table: Oid,
        columns: &mut [ColumnDef],
    ) -> Result<(), Error> {
        if columns.iter().all(|column| column.identity.is_none()) {
            return Ok(());
        }
        self.scan(&PG_DEPEND, snapshot, &mut |_, row| {
            let class = PG_CLASS.oid;
            let of_table = changes::is(row, 3, class) && changes::is(row, 4, table);
            if of_table && changes::is(row, 0, class) && changes::text(row, 6) == "i" {
                let index = usize::try_from(changes::number(row, 5) - 1).ok();
                let column = index.and_then(|index| columns.get_mut(index));
                if let Some(identity) = column.and_then(|column| column.identity.as_mut()) {
                    identity.sequence = changes::oid(row, 1);
                }
            }
            Ok(ControlFlow::Continue(()))
        })
    }
}

fn sequence_of(row: &[Datum]) -> Option<SequenceDef> {
    let [
        _,
        Datum::Oid(ty),
        Datum::Int8(start),
        Datum::Int8(increment),
        Datum::Int8(max),
        Datum::Int8(min),
        Datum::Int8(cache),
        Datum::Bool(cycle),
    ] = row
    else {
        return None;
    };
    let (increment, min, max) = (*increment, *min, *max);
    let numbering = Numbering { increment, min, max, cache: *cache, cycle: *cycle };
    Some(SequenceDef { ty: kinds::type_of(Oid(*ty), -1)?, start: *start, numbering })
}
