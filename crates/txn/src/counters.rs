//! Object identifiers and relation file numbers: handed out in rising order, never twice.
//!
//! They are logged ahead: a COUNTERS record says up to where they may have been handed out, and
//! recovery goes on from there. The record lies in the log before anything that uses such a number,
//! so it is durable whenever that is. A crash skips what was logged and not handed out.
//!
//! Protected by the `counters` lock, which is held while the record is inserted: so a checkpoint
//! that reads the limits after it has fixed its redo position either has them from before the
//! record's insertion, and then redo meets the record, or from after it.

use std::sync::atomic::Ordering;

use shmem::Rank;
use types::{Oid, RelFileNumber, Xid};
use wal::{Record, Rmgr};

use crate::error::{Error, Result};
use crate::record::{encode_counters, kind};
use crate::sequence::Word;
use crate::txn::Txn;

/// How many numbers are logged ahead.
const AHEAD: u64 = 64;

impl Txn {
    pub(crate) fn start_counters(&self, oid: Oid, relfile: RelFileNumber) {
        let shared = self.shared;
        for (word, value) in [
            (&shared.next_oid, u64::from(oid.0)),
            (&shared.oid_limit, u64::from(oid.0)),
            (&shared.next_relfile, relfile.0),
            (&shared.relfile_limit, relfile.0),
        ] {
            word.set(value);
        }
    }

    /// A new object identifier. Errors: the log has no room; all are used up.
    pub fn new_oid(&self) -> Result<Oid> {
        let _lock = self.shared.counters.exclusive(Rank::StatusExtend);
        let oid = self.shared.next_oid.get();
        let number = u32::try_from(oid).map_err(|_| Error::OutOfOids)?;
        if oid >= self.shared.oid_limit.get() {
            self.log_counters(oid + AHEAD, self.shared.relfile_limit.get())?;
        }
        self.shared.next_oid.set(oid + 1);
        Ok(Oid(number))
    }

    /// A new relation file number. Errors: the log has no room.
    pub fn new_relfile(&self) -> Result<RelFileNumber> {
        let _lock = self.shared.counters.exclusive(Rank::StatusExtend);
        let relfile = self.shared.next_relfile.get();
        if relfile >= self.shared.relfile_limit.get() {
            self.log_counters(self.shared.oid_limit.get(), relfile + AHEAD)?;
        }
        self.shared.next_relfile.set(relfile + 1);
        Ok(RelFileNumber(relfile))
    }

    /// Under the `counters` lock.
    fn log_counters(&self, oid: u64, relfile: u64) -> Result<()> {
        self.wal.ensure_room()?;
        let data = encode_counters(oid, relfile);
        let _critical = shmem::enter_critical();
        self.wal.insert(&Record {
            rmgr: Rmgr::Xact,
            kind: kind::COUNTERS,
            xid: Xid::INVALID,
            blocks: &[],
            data: &[&data],
        });
        self.shared.oid_limit.set(oid);
        self.shared.relfile_limit.set(relfile);
        Ok(())
    }

    /// The object identifier and the relation file number from which a recovery would go on. For
    /// checkpoints, which read them after their redo position was fixed.
    pub fn next_numbers(&self) -> (Oid, RelFileNumber) {
        let _lock = self.shared.counters.shared(Rank::StatusExtend);
        let oid = u32::try_from(self.shared.oid_limit.get()).unwrap_or(u32::MAX);
        (Oid(oid), RelFileNumber(self.shared.relfile_limit.get()))
    }

    /// Recovery has met these numbers in a COUNTERS record.
    pub(crate) fn saw_counters(&self, oid: u64, relfile: u64) {
        let shared = self.shared;
        for word in [&shared.next_oid, &shared.oid_limit] {
            word.fetch_max(oid, Ordering::SeqCst);
        }
        for word in [&shared.next_relfile, &shared.relfile_limit] {
            word.fetch_max(relfile, Ordering::SeqCst);
        }
    }
}
