//! Index-only scans: rows from the entries of an index, without a look at the table where the
//! visibility map says that everybody sees what stands there.
//!
//! ```text
//!  leaf ──copied under its lock──> entries ──for each, later──> bit of the map: set    ──> the entry's values
//!                                                                               not set ──> the row is looked for
//! ```
//!
//! # Why it is right
//! Three moments follow each other: the snapshot is taken, the entry is read, the bit is read. The
//! page lock is gone when the bit is read, and nobody's lock is held over all three.
//!
//! 1. *The bit is not set too long.* Whoever adds a version or ends one clears the bit in the same
//!    step in which the page changes, under the locks of both. An entry is added after its version,
//!    so who has read the entry reads the map as it was then or later: the leaf's lock, given back by
//!    the writer and taken by the reader, orders their memory. A deletion that the snapshot sees
//!    committed before the snapshot was taken, and had cleared the bit before that. One that it does
//!    not see may come before or after the bit is read: the row is there for the snapshot either way.
//! 2. *The bit is set for the entry's row.* It is set when all versions on the page were made by
//!    transactions that every snapshot sees, those held and those to come, and none has an end. If
//!    the version that the entry led to was removed before that, its line pointer was freed, and
//!    perhaps given to another row. Vacuum does that in an order: entries go, then the line pointer,
//!    then the bit may be set, and this only if every snapshot that is held was taken after the
//!    entries had gone. So a snapshot held at that moment found no such entry; and one taken later
//!    reads its entries later.
//! 3. *The values are those of the row.* On a page that everybody sees all of, an entry's chain has
//!    one version; an entry has its row's values exactly; and an index made over chains whose
//!    versions differ in it is not read by snapshots that are older ([`Storage::sees_index`]).
//!
//! So the map may be asked about entries ahead, too: [`access::vm::Lookup`].
//!
//! What if the process dies: it has changed nothing but marked entries, which are hints.

use access::btree::Direction;
use catalog::{IndexDef, TableDef};
use smallvec::SmallVec;
use types::{Datum, Row};

use super::entries::{INTERRUPT_EVERY, fetch};
use super::{Engine, told};
use crate::error::{Error, Result};
use crate::plan::conditions::key_columns;
use crate::storage::{Flow, IndexScan, Storage, Version};

/// Where in a row the values of an index's columns belong that are wanted.
fn places_of(index: &IndexDef, wanted: &[bool]) -> SmallVec<[Option<usize>; 4]> {
    let place = |column: usize| wanted.get(column).is_some_and(|wanted| *wanted).then_some(column);
    index.columns.iter().map(|column| place(column.column)).collect()
}

impl Engine {
    /// Visits the rows that entries of an index tell; answers how many were looked for in the table.
    pub(super) fn visit_index_only(
        &self,
        table: &TableDef,
        scan: &IndexScan<'_>,
        wanted: &[bool],
        visit: &mut dyn FnMut(Version<'_>) -> Result<Flow>,
    ) -> Result<u64> {
        let heap = self.heap(table);
        let snapshot = self.snapshot()?;
        let (columns, places) = (key_columns(scan.index), places_of(scan.index, wanted));
        let needs_values = places.iter().any(Option::is_some);
        let direction = if scan.backward { Direction::Backward } else { Direction::Forward };
        let (mut bytes, mut fetched, mut map) = (Vec::new(), 0_u64, heap.visibility().lookup());
        let mut row: Row = vec![Datum::Null; table.columns.len()];
        for range in scan.ranges {
            let mut cursor = self.tree(scan.index).scan(range.clone(), direction);
            while let Some((place, _)) = cursor.next().map_err(told)? {
                let ahead = cursor.places_ahead().map(|place| place.block);
                if !map.is_all_visible(place.block, ahead).map_err(told)? {
                    if fetched.is_multiple_of(INTERRUPT_EVERY) {
                        self.check_interrupts()?;
                    }
                    fetched += 1;
                    if fetch(&heap, &snapshot, &mut cursor, place, &mut bytes)?.is_none() {
                        continue;
                    }
                }
                if needs_values {
                    let decoded = cursor.key().decode_into(&columns, &places, &mut row);
                    decoded.map_err(|what| unreadable(scan.index, what))?;
                }
                if visit(Version { place, xmin: 0, xmax: 0, row: &mut row })? == Flow::Stop {
                    return Ok(fetched);
                }
            }
        }
        Ok(fetched)
    }
}

/// `XX002`
fn unreadable(index: &IndexDef, what: access::tuple::Malformed) -> Error {
    let message = format!("index \"{}\" has an entry that makes no sense: {what}", index.name);
    Error::new(types::SqlState::INDEX_CORRUPTED, message)
}
