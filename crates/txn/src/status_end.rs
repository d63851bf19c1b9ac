//! Where the commit status begins: what no table asks for any more is given back.
//!
//! ```text
//!   block    0          1 .. k-1            k ..
//!          [begins at x | holes, no pages | x and what follows: two bits each]
//! ```
//!
//! Each table has its vacuum horizon: everything that transactions below it have left there is
//! committed, and ended by none of them. So a transaction below the least of these horizons that is
//! asked for has committed, without a look at its page, and the pages below are punched out of the
//! file. The first page stays: its header's `prune_xid` says where the status begins. That is one
//! durable place, changed as any page is, and redo of it needs nothing else.
//!
//! Holes, not shorter files: the file is addressed by block, and one of its segments of 1 GB holds four
//! billion transactions, so that removing whole segments would never happen. Where the file system
//! cannot punch holes the space stays taken, and nobody looks there.
//!
//! | step | a crash after it |
//! |---|---|
//! | record inserted and flushed, the first page changed | redo changes the page again, and punches |
//! | the shared word is raised: nobody needs the pages from here on | the same |
//! | the pages' buffers are forgotten, dirty or not; holes are punched | the same; some of the space is back |
//!
//! # Who may still come
//! - A reader that found the word still low reads a page while it goes: whatever he finds there, he
//!   looks at the word again, which was raised first ([`Txn::read_status`]).
//! - A reader with a copy of a page from before the vacuum, on which stands what an aborted
//!   transaction left: he must not be told that it committed. So the horizons, once read, are kept
//!   until every snapshot that was held then is gone ([`Txn::trim_status`]). Who has no snapshot looks
//!   at pages under their locks, where the vacuum has been or will be.
//!
//! Subtransactions have places of their own on these pages, and go with them; the commit sequence is
//! memory, and lies behind every horizon.
//!
//! Protected by `StatusExtend`: the first page's word, and what is wanted next.

use std::sync::atomic::Ordering;

use buffer::{BlockFlags, Change, PageAccess, Touched};
use shmem::Rank;
use types::{BlockNo, BufferTag, Fork, Lsn, Xid};
use wal::{DecodedRecord, Rmgr};

use crate::error::Result;
use crate::record::{self, kind};
use crate::sequence::Word;
use crate::status::{Place, STATUS_RELATION, zeros};
use crate::txn::Txn;

/// The page that tells where the status begins.
const FIRST_PAGE: BufferTag = BufferTag { rel: STATUS_RELATION, fork: Fork::Main, block: 0 };

/// From which transaction on the status pages are to be asked, by the first of them: who began before
/// it has committed, or nobody asks for it any more.
pub fn begins_on(first: &impl PageAccess) -> Xid {
    first.prune_xid().max(Xid::FIRST_NORMAL)
}

impl Txn {
    /// Every transaction below it that is asked for has committed.
    pub fn status_begins(&self) -> Result<Xid> {
        let known = Xid(self.shared.status_begins.get());
        if known.is_valid() {
            return Ok(known);
        }
        let pin = match self.pool.read(FIRST_PAGE) {
            Err(buffer::Error::PastEnd(_)) => return Ok(Xid::FIRST_NORMAL),
            pin => pin?,
        };
        let page = pin.shared();
        if page.is_new() {
            // Not made yet; or lost, and then who asks for one of its transactions is told.
            return Ok(Xid::FIRST_NORMAL);
        }
        let begins = begins_on(&page);
        drop(page);
        self.shared.status_begins.fetch_max(begins.0, Ordering::SeqCst);
        Ok(Xid(self.shared.status_begins.get()))
    }

    /// No table has anything of a transaction below `needed` that has not committed, by what the
    /// system tables say: the status below it goes, at once or, if others hold snapshots that are
    /// older than that knowledge, when this is called again later. Says where the status begins.
    ///
    /// Errors: the log has no room; a status page can't be read.
    pub fn trim_status(&self, needed: Xid) -> Result<Xid> {
        let needed = needed.min(self.horizon());
        // The first page stays: only behind the second there is one to give back.
        if Place::of(needed).block <= Place::of(self.status_begins()?).block.max(1) {
            return self.status_begins();
        }
        let known_at = self.wal.insert_lsn();
        self.wal.flush(known_at)?;
        let cut = {
            let _lock = self.shared.status_extend.exclusive(Rank::StatusExtend);
            if self.shared.status_wanted.get() == 0 {
                self.shared.status_wanted_at.set(known_at.0);
                self.shared.status_wanted.set(needed.0);
            }
            let at = Lsn(self.shared.status_wanted_at.get());
            if !self.held_snapshots_see(at) {
                return self.status_begins();
            }
            let wanted = Xid(self.shared.status_wanted.get());
            self.shared.status_wanted.set(0);
            // Another has come further since this one looked, perhaps behind pages that are punched.
            if Place::of(wanted).block <= Place::of(self.status_begins()?).block {
                return self.status_begins();
            }
            self.note_status_begins(wanted)?;
            Place::of(wanted).tag()?.block
        };
        self.pool.punch(STATUS_RELATION, Fork::Main, 1..cut)?;
        self.status_begins()
    }

    /// Says durably, and then to everybody, where the status begins.
    fn note_status_begins(&self, begins: Xid) -> Result<()> {
        let pin = self.pool.read(FIRST_PAGE)?;
        let data = begins.0.to_le_bytes();
        let change = Change {
            rmgr: Rmgr::Xact,
            kind: kind::STATUS_BEGINS,
            xid: Xid::INVALID,
            data: &[&data],
        };
        let lsn = {
            let mut page = pin.exclusive();
            if page.page().is_new() {
                return Err(zeros(FIRST_PAGE));
            }
            let flags = BlockFlags::default();
            let touched = &mut [Touched { page: &mut page, flags, data: &[] }];
            self.pool.change(&change, touched, |pages| pages.page(0).set_prune_xid(begins))?
        };
        self.wal.flush(lsn)?;
        self.shared.status_begins.fetch_max(begins.0, Ordering::SeqCst);
        Ok(())
    }

    /// Redoes the file's part of a record that says where the status begins.
    pub(crate) fn redo_status_begins(&self, record: &DecodedRecord) -> Result<()> {
        let Some(blocks) = record::status_cut(record) else { return Ok(()) };
        Ok(self.pool.punch(STATUS_RELATION, Fork::Main, 1..blocks)?)
    }

    /// Pages of the status that are in use.
    pub fn status_pages(&self) -> Result<BlockNo> {
        let all = self.pool.nblocks(STATUS_RELATION, Fork::Main)?;
        let cut = Place::of(self.status_begins()?).block.saturating_sub(1);
        Ok(all.saturating_sub(BlockNo::try_from(cut).unwrap_or(BlockNo::MAX)))
    }
}
