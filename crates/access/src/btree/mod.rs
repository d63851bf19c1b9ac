//! B-trees: indexes in the order of their keys.
//!
//! ```text
//!                    meta page
//!                        |
//!                [ -inf | g | p ]                      level 1 (the root here)
//!                /       |      \
//!     [a c e|g] --> [g k m|p] --> [p s w|inf]          level 0: leaves, linked both ways
//! ```
//!
//! After Lehman and Yao, "Efficient Locking for Concurrent Operations on B-Trees" (1981), and for
//! the removal of pages Lanin and Shasha (1986). Every page has a high key and a right link. A
//! process that comes to a page which was split in the meantime sees its target behind the high key
//! and goes right; so the way down holds no lock but that of the page it reads.
//!
//! - `key`, `encode`, `decode`: keys as bytes. A leaf's entries and the pivots above compare as bytes.
//! - `page` draws a page; `apply` what happens to it; `record` what is logged; [`redo()`] repeats.
//! - `descend` finds a page; `insert`, `unique`, `split`, `finish` change the tree; `space` finds pages.
//! - `scan` reads. `build` makes a tree of rows that are there: `sort`, then `load`.
//! - `vacuum` removes what is dead, `delete` empty pages. [`check`] looks whether all is well.
//!
//! # Invariants
//! 1. A page holds what is not less than its low key and less than its high key; its right sibling
//!    begins at its high key. Pivots are the shortest bytes that tell two pages apart.
//! 2. A split is two steps, each a record: the page becomes two, the left flagged INCOMPLETE; the
//!    level above gets the pivot and the flag goes. Between them everything can be found by the right
//!    link. Whoever needs to change a flagged page finishes the split first; so does a writer that
//!    goes right across it.
//! 3. Entries never move left; the key space of a page that is removed goes to its right sibling.
//! 4. No entry is twice in a tree: its place makes it unique.
//!
//! # Locks
//! Content locks: from a level to the one above, on a level from left to right, the meta page last;
//! a page that is being made anew is only tried. Pages are added to the file with no lock held. The
//! rows of a unique key are looked at with the leaf locked, so heap pages come after index pages.
//!
//! # What if the process dies
//! Between two records the tree is whole. A page that was taken from the free space map, or added to
//! the file, and not used is found again by vacuum.

mod apply;
mod build;
pub mod check;
mod clean;
mod decode;
mod delete;
mod descend;
mod encode;
mod finish;
mod insert;
mod key;
mod load;
mod page;
mod record;
mod redo;
mod scan;
mod sort;
mod space;
mod split;
mod unique;
mod vacuum;

pub use build::{Build, BuildPhase, BuildProgress, Duplicate};
pub use key::{ENTRY_SIZE_MAX, Key, KeyColumn, KeyRange};
pub use record::kind;
pub use redo::redo;
pub use scan::{Cursor, Direction};
pub use unique::{Conflict, RowFate, Rows};
pub use vacuum::Vacuumed;

use buffer::{BlockFlags, Change, Pages, Pin, Touched};
use types::{BlockNo, BufferTag, Fork, Lsn, RelFileNumber, Xid};
use wal::Rmgr;

use self::page::{META, Node, Root};
use crate::Access;
use crate::error::Error;
use crate::tuple::Malformed;

/// An index, as long as one statement uses it.
#[derive(Clone, Copy)]
pub struct BTree<'a> {
    access: &'a Access,
    rel: RelFileNumber,
    name: &'a str,
}

/// Flags of a page that its record makes anew.
const MADE_ANEW: BlockFlags = BlockFlags { will_init: true, force_image: false, keep_data: false };

/// Flags of a page that is changed.
const CHANGED: BlockFlags = BlockFlags { will_init: false, force_image: false, keep_data: false };

impl<'a> BTree<'a> {
    /// The index in that file. The name is for messages.
    pub fn new(access: &'a Access, rel: RelFileNumber, name: &'a str) -> Self {
        BTree { access, rel, name }
    }

    /// Makes the empty index, in a file that the transaction has made and nobody else knows.
    pub fn create(&self, xid: Xid) -> Result<(), Error> {
        let pool = &self.access.pool;
        let first = pool.extend_by(self.rel, Fork::Main, 2)?;
        let second = self.pin(first.tag().block + 1)?;
        let (mut meta, mut root) = (first.exclusive(), second.exclusive());
        let at = Root { block: root.tag().block, level: 0 };
        let touched = &mut [
            Touched { page: &mut meta, flags: MADE_ANEW, data: &[] },
            Touched { page: &mut root, flags: MADE_ANEW, data: &[] },
        ];
        self.log(record::kind::CREATE, xid, &[], touched, |pages| {
            apply::set_root(pages.page(0), at) && apply::first_root(pages.page(1))
        })?;
        Ok(())
    }

    /// Pages of the index.
    pub fn nblocks(&self) -> Result<BlockNo, Error> {
        Ok(self.access.pool.nblocks(self.rel, Fork::Main)?)
    }

    /// Changes pages by the recipe. `apply` has been seen to be possible.
    fn log(
        &self,
        kind: u8,
        xid: Xid,
        data: &[&[u8]],
        touched: &mut [Touched<'_, '_>],
        apply: impl FnOnce(&mut Pages<'_, '_, '_>) -> bool,
    ) -> Result<Lsn, Error> {
        let change = Change { rmgr: Rmgr::Btree, kind, xid, data };
        Ok(self.access.pool.change(&change, touched, |pages| {
            assert!(apply(pages), "the pages were looked at under their locks");
        })?)
    }

    fn tag(&self, block: BlockNo) -> BufferTag {
        BufferTag::main(self.rel, block)
    }

    fn pin(&self, block: BlockNo) -> Result<Pin<'a>, Error> {
        let access: &'a Access = self.access;
        Ok(access.pool.read(self.tag(block))?)
    }

    fn root(&self) -> Result<Root, Error> {
        let pin = self.pin(META)?;
        let page = pin.shared();
        self.on(META, page::read_meta(&page))
    }

    /// Fails where the page is not one of that level.
    fn check_level(&self, block: BlockNo, page: &impl Node, level: u16) -> Result<(), Error> {
        if page.is_on(level) {
            return Ok(());
        }
        Err(self.bad(block, Malformed("page is not of the level that leads to it")))
    }

    fn bad(&self, block: BlockNo, what: Malformed) -> Error {
        Error::BadIndex { index: self.name.to_owned(), tag: self.tag(block), what }
    }

    /// Names the page in an error about its bytes.
    fn on<T>(&self, block: BlockNo, result: Result<T, Malformed>) -> Result<T, Error> {
        result.map_err(|what| self.bad(block, what))
    }
}
