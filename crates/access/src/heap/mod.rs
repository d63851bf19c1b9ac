//! Tables: row versions in pages, in no order.
//!
//! ```text
//! UPDATE t SET n = 2 WHERE n = 1          by transaction 90
//!
//!   (0,1)  xmin 70  xmax 90  ctid (0,7)  n = 1     who does not see 90 sees this one
//!                       |
//!                       v
//!   (0,7)  xmin 90  xmax  0  ctid (0,7)  n = 2     who sees 90 sees this one
//! ```
//!
//! Nothing is ever changed in place but the end of a version (`xmax`, `cid`, `ctid`) and hints. An
//! UPDATE is a deletion and an insertion that know of each other. Versions that nobody can see any
//! more are pruned: by an insert that needs room, or by a scan that passes.
//!
//! The heap does not know the table's indexes, only which columns they look at ([`Shape`]). An
//! index entry leads to a line pointer, the *root* of a chain of versions on one page (`chain`); to
//! most rows' only version. Whoever has inserted a row, or updated it where [`Stored`] says so,
//! makes the entries.
//!
//! - `visibility` holds the rules; `page` what happens to a page; `record` what is logged.
//! - `conflict`: what if another transaction has the row; `line`: in which order several wait for it.
//! - `insert`, `bulk` (COPY), `delete`, `update`, `prune` change pages; `target` finds room; `plan`
//!   decides what pruning removes.
//! - [`check`] looks whether the pages are what they should be.
//! - [`vacuum`] removes what is dead from the table and, by its caller, from the indexes; `change` is
//!   the recipe of changes for pages that the visibility map knows of.
//! - `scan` reads all, `chain` what an index entry leads to, `build` what a new index needs; [`redo()`] repeats.
//!
//! # Rules
//! 1. A page is read under its shared lock, changed under its exclusive one, by the recipe
//!    (`BufferPool::change`). Whoever needs two takes the lower block first.
//! 2. No lock on a page is held while waiting for a transaction, extending the table or looking
//!    into the free space map. After each of these the version is looked at anew.
//! 3. The place of a *version* that a statement has seen stays what it is while the statement's
//!    snapshot is held: pruning removes only what no snapshot sees, and what a version that it
//!    sees was replaced by is younger than the snapshot.
//! 4. The place that an *index entry* leads to stays a root of that row, or dead, until the entry is
//!    gone: only vacuum frees it, after it has removed the entry. In a table without indexes a
//!    writer may, since he keeps CREATE INDEX out; a reader may not.
//! 5. So a reader who has read an entry and lost it to vacuum may find another row at its place,
//!    but that row was inserted after his snapshot was taken, and he does not see it.
//! 6. Since readers copy what they see out under the lock, pruning needs no more than the
//!    exclusive lock.
//!
//! What if the process dies: between two changes, its transaction is aborted and its versions are
//! dead, to be pruned. Inside one, it was in a critical section, and recovery runs.

mod build;
mod bulk;
mod chain;
mod change;
pub mod check;
mod conflict;
mod delete;
mod insert;
mod line;
mod lock;
mod lock_newer;
mod page;
mod plan;
mod prune;
mod record;
mod redo;
mod sample;
mod scan;
mod shape;
mod target;
mod update;
pub mod vacuum;
mod view;
mod visibility;

pub use build::{BuildRow, BuildScan};
pub use bulk::BulkInsert;
pub use chain::{Duplicate, Fetched};
pub use conflict::{NewVersion, Outcome, Stored};
pub use lock::Locked;
pub use record::kind;
pub use redo::redo;
pub use sample::{Draw, Sample, Sampled};
pub use scan::Scan;
pub use shape::{FILL_FACTOR_MIN, Shape};

use buffer::{PageAccess, PageBytes};
use types::{BlockNo, BufferTag, ColumnType, Datum, Fork, Oid, RelFileNumber, TupleId};

use crate::Access;
use crate::error::Error;
use crate::tuple::{self, Header, Malformed};

/// A table, as long as one statement uses it.
#[derive(Clone, Copy)]
pub struct Heap<'a> {
    access: &'a Access,
    rel: RelFileNumber,
    columns: &'a [ColumnType],
    shape: Shape<'a>,
    missing: &'a [Datum],
    /// The table's oid, under which others stand in line for its rows; none: nobody does.
    relation: Option<Oid>,
}

impl<'a> Heap<'a> {
    /// The table in that file, with columns of these types and no index.
    pub fn new(access: &'a Access, rel: RelFileNumber, columns: &'a [ColumnType]) -> Self {
        let (shape, missing, relation) = (Shape::default(), &[][..], None);
        Heap { access, rel, columns, shape, missing, relation }
    }

    /// The table of that oid: who waits for one of its rows waits in line (`line`).
    #[must_use]
    pub fn of(self, relation: Oid) -> Self {
        Heap { relation: Some(relation), ..self }
    }

    /// The table with what is known of it besides.
    #[must_use]
    pub fn with(self, shape: Shape<'a>) -> Self {
        Heap { shape, ..self }
    }

    /// The table with values for columns that row versions from before they were added do not have;
    /// see [`tuple::fill_missing`].
    #[must_use]
    pub fn with_missing(self, missing: &'a [Datum]) -> Self {
        Heap { missing, ..self }
    }

    /// Pages of the table.
    pub fn nblocks(&self) -> Result<BlockNo, Error> {
        let pool = &self.access.pool;
        let blocks = pool.nblocks(self.rel, Fork::Main)?;
        // A table whose file is gone must not pass for an empty one.
        if blocks == 0 && !pool.files().exists(self.rel, Fork::Main).map_err(buffer::Error::from)? {
            return Err(buffer::Error::MissingFile(self.rel).into());
        }
        Ok(blocks)
    }

    /// Turns a version's bytes into values; see [`tuple::decode_into`].
    pub fn decode(
        &self,
        place: TupleId,
        bytes: &[u8],
        wanted: Option<&[bool]>,
        row: &mut Vec<Datum>,
    ) -> Result<(), Error> {
        tuple::decode_into(bytes, self.columns, wanted, row)
            .and_then(|()| tuple::fill_missing(bytes, self.missing, wanted, row))
            .map_err(|what| self.bad(place, what))
    }

    fn tag(&self, block: BlockNo) -> BufferTag {
        BufferTag::main(self.rel, block)
    }

    fn bad(&self, place: TupleId, what: Malformed) -> Error {
        Error::BadTuple { tag: self.tag(place.block), offset: place.offset, what }
    }

    /// The version at a place. `None`: there is none.
    fn version<'p>(
        &self,
        page: &'p PageBytes,
        place: TupleId,
    ) -> Result<Option<(Header, &'p [u8])>, Error> {
        if page.item(place.offset).is_none_or(|item| item.state != buffer::ItemState::Normal) {
            return Ok(None);
        }
        let outside = Malformed("line pointer leads out of the page");
        let bytes = page.row(place.offset).ok_or_else(|| self.bad(place, outside))?;
        let header = Header::read(bytes).map_err(|what| self.bad(place, what))?;
        Ok(Some((header, bytes)))
    }
}
