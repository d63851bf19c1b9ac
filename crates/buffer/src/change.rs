//! The one recipe that changes pages.
//!
//! 1. Reserve what may fail: the caller has its pins and locks; the record's size is checked and
//!    room for it is made on disk. Up to here an error changes nothing.
//! 2. Enter the critical section: whatever fails from here on ends the process.
//! 3. Change the pages, mark them dirty, insert the record, set the pages' LSN.
//! 4. Leave the critical section; the caller unlocks.
//!
//! Why the third step has this order is told in `protocol`, which does it.

use smallvec::SmallVec;
use sys::mutant::{self, Mutant};
use types::{Lsn, Xid};
use wal::{BlockFlags, BlockRef, Record, Rmgr};

use crate::error::Error;
use crate::frame::PageWrite;
use crate::page::{PageAccess, PageBytes};
use crate::pool::BufferPool;
use crate::protocol::{self, Changing};

/// What is done, apart from the pages.
pub struct Change<'a> {
    /// Whose record it is.
    pub rmgr: Rmgr,
    /// What is done, in the resource manager's own numbers.
    pub kind: u8,
    /// The transaction, or [`Xid::INVALID`].
    pub xid: Xid,
    /// The record's main data.
    pub data: &'a [&'a [u8]],
}

/// A page that takes part in a change: locked, and in the record's order.
pub struct Touched<'a, 'p> {
    /// The page.
    pub page: &'a mut PageWrite<'p>,
    /// How it takes part.
    pub flags: BlockFlags,
    /// What redo of it needs besides the page itself.
    pub data: &'a [&'a [u8]],
}

/// The pages of a change while it is made.
pub struct Pages<'a, 'b, 'p>(&'a mut [Touched<'b, 'p>]);

impl Pages<'_, '_, '_> {
    /// The page of that number in the record, to be changed.
    pub fn page(&mut self, number: usize) -> &mut PageBytes {
        self.0[number].page.page_mut()
    }
}

impl Changing for Touched<'_, '_> {
    fn mark_dirty(&self) {
        self.page.pin().mark_dirty();
    }

    fn set_lsn(&mut self, lsn: Lsn) {
        self.page.page_mut().set_lsn(lsn);
    }
}

/// Pages of two kinds that take part in one change, the first before the second in its record.
struct Both<'t, 'a, 'p, 'b, 'q>(&'t mut [Touched<'a, 'p>], &'t mut [Touched<'b, 'q>]);

impl Changing for Both<'_, '_, '_, '_, '_> {
    fn mark_dirty(&self) {
        self.0.mark_dirty();
        self.1.mark_dirty();
    }

    fn set_lsn(&mut self, lsn: Lsn) {
        self.0.set_lsn(lsn);
        self.1.set_lsn(lsn);
    }
}

impl BufferPool {
    /// Changes pages by the recipe. `apply` can't fail; it sees the pages in the order given.
    /// Returns the new LSN of the pages. An error: nothing has changed.
    pub fn change(
        &self,
        change: &Change<'_>,
        touched: &mut [Touched<'_, '_>],
        apply: impl FnOnce(&mut Pages<'_, '_, '_>),
    ) -> Result<Lsn, Error> {
        self.change_and(change, touched, apply, |_| ())
    }

    /// As [`BufferPool::change`]; `before_flush` runs with the record's end before any flush of
    /// the log can pass it.
    pub fn change_and(
        &self,
        change: &Change<'_>,
        touched: &mut [Touched<'_, '_>],
        apply: impl FnOnce(&mut Pages<'_, '_, '_>),
        before_flush: impl FnOnce(Lsn),
    ) -> Result<Lsn, Error> {
        record(change, &blocks(touched)).check_size()?;
        self.wal.ensure_room()?;
        let _critical = shmem::enter_critical();
        let log = |touched: &[Touched<'_, '_>]| {
            self.wal.insert_and(&record(change, &blocks(touched)), before_flush)
        };
        Ok(protocol::change(touched, |touched| apply(&mut Pages(touched)), log))
    }

    /// As [`BufferPool::change`], with further pages behind the others, which were locked by
    /// somebody else: the visibility map's, beside the heap's. Their numbers in the record go on
    /// from the others'; for `apply` they count from 0 by themselves.
    pub fn change_beside(
        &self,
        change: &Change<'_>,
        touched: &mut [Touched<'_, '_>],
        beside: &mut [Touched<'_, '_>],
        apply: impl FnOnce(&mut Pages<'_, '_, '_>, &mut Pages<'_, '_, '_>),
    ) -> Result<Lsn, Error> {
        record(change, &blocks_of(touched, beside)).check_size()?;
        self.wal.ensure_room()?;
        let _critical = shmem::enter_critical();
        let apply = |both: &mut Both<'_, '_, '_, '_, '_>| {
            apply(&mut Pages(&mut *both.0), &mut Pages(&mut *both.1));
        };
        let log = |both: &Both<'_, '_, '_, '_, '_>| {
            self.wal.insert(&record(change, &blocks_of(both.0, both.1)))
        };
        Ok(protocol::change(&mut Both(touched, beside), apply, log))
    }

    /// Changes a page of the free space map: a hint, which never reaches the log.
    pub fn change_unlogged(&self, page: &mut PageWrite<'_>, apply: impl FnOnce(&mut PageBytes)) {
        let unlogged =
            page.tag().fork == types::Fork::Fsm || mutant::on(Mutant::CommitBeforeStatus);
        debug_assert!(unlogged, "everything else is logged");
        page.pin().mark_dirty();
        apply(page.page_mut());
    }
}

fn blocks_of<'a>(
    touched: &'a [Touched<'_, '_>],
    beside: &'a [Touched<'_, '_>],
) -> SmallVec<[BlockRef<'a>; 4]> {
    let mut all = blocks(touched);
    all.extend(blocks(beside));
    all
}

fn blocks<'a>(touched: &'a [Touched<'_, '_>]) -> SmallVec<[BlockRef<'a>; 4]> {
    let block = |touched: &'a Touched<'_, '_>| {
        let page = touched.page.page();
        BlockRef {
            tag: touched.page.tag(),
            page: &page.0,
            hole: page.hole_range(),
            flags: touched.flags,
            data: touched.data,
        }
    };
    touched.iter().map(block).collect()
}

fn record<'a>(change: &'a Change<'a>, blocks: &'a [BlockRef<'a>]) -> Record<'a> {
    Record { rmgr: change.rmgr, kind: change.kind, xid: change.xid, blocks, data: change.data }
}
