//! The end of a transaction.
//!
//! COMMIT, step by step, and what a crash between two steps leaves behind:
//!
//! | step | a crash after it |
//! |---|---|
//! | pin and lock the status pages of it and of its subtransactions, make room in the log | aborted |
//! | in one critical section: set the status of all, insert the record; inside the insertion store the ring entry of the transaction and `commit_lsn` | committed if the record reached the disk |
//! | unlock the pages | the same |
//! | flush the log, or publish an asynchronous commit: **now it is visible** | committed (if flushed) |
//! | take the xid out of the slot, wake those who wait for it | committed |
//! | raise the version counters | |
//! | remove dropped files | those left are found at the next start: no table owns them |
//! | release the heavyweight locks | |
//!
//! A transaction that drops files is never committed asynchronously: the files must not go before
//! the commit is durable.
//!
//! Before a COMMIT the files that the transaction made are synced, and the directory with them.
//!
//! ABORT needs nothing durable, unless the transaction made files: they go once the record that
//! names them is flushed. Otherwise the record is for readers of the log; if the log has no room
//! for it, not even in its reserve, it is left out, and files it would name stay until the next start. What the transaction
//! wrote stays, invisible, until it is pruned.
//!
//! Once the COMMIT record is in the log there is no way back: a failure to flush it ends the
//! process, as the law on flushes has it.

use std::sync::atomic::Ordering;

use buffer::{BlockFlags, Change, SegmentId, Touched};
use shmem::proc;
use smallvec::SmallVec;
use sys::mutant::{self, Mutant};
use types::{Fork, Lsn, RelFileNumber, Xid};
use wal::segments::RoomFor;
use wal::{Record, Rmgr};

use crate::error::Result;
use crate::record::{Ending, kind};
use crate::sequence::Fate;
use crate::status::{self, OnPage, Place};
use crate::transaction::Transaction;
use crate::txn::Txn;

impl Txn {
    /// Commits. When it returns, every new snapshot sees the transaction, its locks are gone, and
    /// it is durable (if `synchronous`) or will soon be. Returns the end of its COMMIT record;
    /// [`Lsn::INVALID`] if it wrote nothing.
    ///
    /// Errors: the log or the status page can't take it. Nothing has changed then; the caller
    /// aborts.
    pub fn commit(&self, transaction: &mut Transaction, synchronous: bool) -> Result<Lsn> {
        let mut lsn = Lsn::INVALID;
        if let Some(xid) = transaction.xid() {
            let synchronous = synchronous || !transaction.dropped.is_empty();
            self.sync_created(&transaction.created);
            let asynchronous = !synchronous || mutant::on(Mutant::CommitSeenBeforeFlush);
            lsn = self.log_commit(transaction, xid, asynchronous)?;
            self.make_durable(lsn, synchronous);
            if mutant::on(Mutant::CommitBeforeStatus) {
                self.set_status_late(xid)?;
            }
            self.end(xid);
            self.raise_versions(&transaction.invalidations);
            self.remove_files(&transaction.dropped);
        } else if transaction.relies_on > self.wal.flush_lsn() {
            self.make_durable(transaction.relies_on, synchronous);
        }
        self.statistics().end(true, &transaction.dropped);
        self.locks().release_all();
        transaction.finish();
        Ok(lsn)
    }

    /// Rolls back. Cannot fail.
    pub fn abort(&self, transaction: &mut Transaction) {
        let mut logged = None;
        if let Some(xid) = transaction.xid() {
            logged = self.log_abort(xid, &ending(transaction, self.wal.flush_lsn()));
            self.sequence().close(xid, Fate::Aborted);
            self.end(xid);
        }
        self.remove_created(&transaction.created, logged);
        self.statistics().end(false, &transaction.created);
        self.locks().release_all();
        transaction.finish();
    }

    fn log_commit(&self, transaction: &Transaction, xid: Xid, asynchronous: bool) -> Result<Lsn> {
        let ending = ending(transaction, self.wal.flush_lsn());
        let data = ending.encode();
        let places = status::places_of(xid, &ending.subxids);
        let mut pins = SmallVec::<[buffer::Pin<'_>; 2]>::new();
        for places in &places {
            pins.push(self.pool.read(places.tag()?)?);
        }
        // Rising blocks: the transaction's own page is the first.
        let mut pages: SmallVec<[buffer::PageWrite<'_>; 2]> =
            pins.iter().map(|pin| pin.exclusive()).collect();
        let bytes: SmallVec<[Vec<u8>; 2]> = places.iter().map(OnPage::encode).collect();
        let data_of: SmallVec<[[&[u8]; 1]; 2]> = bytes.iter().map(|bytes| [&bytes[..]]).collect();
        let flags = BlockFlags::default();
        let touched = pages.iter_mut().zip(&data_of);
        let mut touched: SmallVec<[Touched<'_, '_>; 2]> =
            touched.map(|(page, data)| Touched { page, flags, data }).collect();
        let change = Change { rmgr: Rmgr::Xact, kind: kind::COMMIT, xid, data: &[&data] };
        let lsn = self.pool.change_and(
            &change,
            &mut touched,
            |pages| {
                for (number, OnPage { block, indexes }) in places.iter().enumerate() {
                    let done = mutant::on(Mutant::CommitBeforeStatus)
                        || status::set_committed(pages.page(number), *block, indexes);
                    assert!(done, "the index of an id lies in the page");
                }
            },
            |lsn| {
                self.sequence().close(xid, Fate::Committed { lsn, asynchronous });
                proc::me().commit_lsn.store(lsn.0, Ordering::SeqCst);
            },
        )?;
        Ok(lsn)
    }

    /// What [`Mutant::CommitBeforeStatus`] does: a checkpoint may begin before the status is set.
    fn set_status_late(&self, xid: Xid) -> Result<()> {
        mutant::pause();
        let place = Place::of(xid);
        let pin = self.pool.read(place.tag()?)?;
        self.pool.change_unlogged(&mut pin.exclusive(), |page| {
            let done = status::set_committed(page, place.block, &[place.index]);
            assert!(done, "the index of an id lies in the page");
        });
        Ok(())
    }

    /// Has the log flushed up to there, now or soon. A commit is visible from then on.
    fn make_durable(&self, lsn: Lsn, synchronous: bool) {
        if mutant::on(Mutant::CommitSeenBeforeFlush) {
            self.wal.publish_async(lsn);
        }
        if !synchronous {
            self.wal.publish_async(lsn);
            self.wal.request_flush(lsn);
        } else if let Err(error) = self.wal.flush(lsn) {
            wal::panic_exit("could not flush a commit", &error);
        }
    }

    /// The end of the ABORT record; `None`: the log has no room for it.
    fn log_abort(&self, xid: Xid, ending: &Ending) -> Option<Lsn> {
        let data = ending.encode();
        let record =
            Record { rmgr: Rmgr::Xact, kind: kind::ABORT, xid, blocks: &[], data: &[&data] };
        if record.check_size().is_err() || self.wal.ensure_room_for(RoomFor::Abort).is_err() {
            return None;
        }
        let _critical = shmem::enter_critical();
        Some(self.wal.insert(&record))
    }

    /// As [`Txn::log_abort`], of subtransactions that roll back by themselves. `None` also: they
    /// have no id, and so have done nothing.
    pub(crate) fn log_abort_of_parts(
        &self,
        xids: &[Xid],
        created: &[RelFileNumber],
    ) -> Option<Lsn> {
        let (first, others) = xids.split_first()?;
        let ending = Ending {
            created: created.to_vec(),
            subxids: others.to_vec(),
            ..empty_ending(self.wal.flush_lsn())
        };
        self.log_abort(*first, &ending)
    }

    /// Removes files of what has rolled back, once its ABORT record is flushed: redo would miss a
    /// file that is gone without a record that says so.
    pub(crate) fn remove_created(&self, created: &[RelFileNumber], logged: Option<Lsn>) {
        let keep = mutant::on(Mutant::AbortedFilesKept) || created.is_empty();
        if !keep && logged.is_some_and(|lsn| self.wal.flush(lsn).is_ok()) {
            self.remove_files(created);
        }
    }

    /// Makes the files of new relations durable under their names. Their pages are in the log. A
    /// failed sync ends the process: a second one would lie, about other transactions' files too.
    fn sync_created(&self, created: &[RelFileNumber]) {
        if created.is_empty() {
            return;
        }
        let files = self.pool.files();
        let segment = |&rel| SegmentId { rel, fork: Fork::Main, segment: 0 };
        let mut synced = created.iter().map(segment).map(|segment| files.sync(segment));
        let done = synced.try_for_each(|done| done).and_then(|()| files.sync_directory());
        if let Err(error) = done {
            wal::panic_exit("could not sync the files of new relations", &error);
        }
    }

    /// The transaction's fate is final and visible: nobody needs to wait for it any longer.
    fn end(&self, xid: Xid) {
        let slot = proc::me();
        slot.xid.store(0, Ordering::SeqCst);
        slot.commit_lsn.store(0, Ordering::SeqCst);
        self.locks().wake_xid_waiters(xid);
        self.advance_oldest();
    }

    /// Removes relation files that nobody can reach any more. What fails is only a file that no
    /// table owns: the next start removes it.
    pub(crate) fn remove_files(&self, files: &[RelFileNumber]) {
        for &file in files {
            let removed = self
                .pool
                .drop_buffers(file)
                .and_then(|()| self.pool.files().remove(file).map_err(buffer::Error::from));
            if let Err(error) = removed {
                tracing::warn!("could not remove relation file {file}: {error}");
            }
        }
    }
}

fn ending(transaction: &Transaction, flushed: Lsn) -> Ending {
    Ending {
        dropped: transaction.dropped.clone(),
        created: transaction.created.clone(),
        subxids: transaction.own.parts_from(0),
        invalidations: transaction.invalidations.clone(),
        ..empty_ending(flushed)
    }
}

/// What an ending says that has nothing to tell.
fn empty_ending(flushed: Lsn) -> Ending {
    Ending { time: sys::clock::wall_micros_since_2000(), flushed, ..Ending::default() }
}
