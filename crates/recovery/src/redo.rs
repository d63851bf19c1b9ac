//! Redo of one record: who does it, and what is noted on the way.

use buffer::{BufferPool, PageAccess, Redone};
use txn::record::{Ending, kind as xact, status_cut};
use txn::{STATUS_RELATION, Txn};
use types::{BufferTag, Lsn, Xid};
use wal::checkpoint::kind as xlog;
use wal::{Checkpoint, DecodedRecord, Rmgr};

use crate::error::Error;
use crate::missing::MissingPages;

/// What redo has met so far.
pub struct Redo<'a> {
    pool: &'a BufferPool,
    txn: &'a Txn,
    /// Pages that are not there.
    pub missing: MissingPages,
    /// The page that was changed last, of those that had a record's change already.
    pub furthest_page: Option<(BufferTag, Lsn)>,
    /// Where the last checkpoint record starts.
    pub last_checkpoint: Option<Lsn>,
}

impl<'a> Redo<'a> {
    pub fn new(pool: &'a BufferPool, txn: &'a Txn) -> Self {
        Redo {
            pool,
            txn,
            missing: MissingPages::default(),
            furthest_page: None,
            last_checkpoint: None,
        }
    }

    /// Redoes a record.
    pub fn record(&mut self, record: &DecodedRecord) -> Result<(), Error> {
        if record.xid().is_valid() {
            self.txn.saw_xid(record.xid());
        }
        let done = match record.rmgr()? {
            Rmgr::Xlog => self.xlog(record),
            Rmgr::Xact => self.xact(record),
            Rmgr::Storage => self.storage(record),
            Rmgr::Heap => {
                self.blocks(record, |pool, number| Ok(access::heap::redo(pool, record, number)?))
            }
            Rmgr::Btree => {
                self.blocks(record, |pool, number| Ok(access::btree::redo(pool, record, number)?))
            }
            Rmgr::Sequence => self
                .blocks(record, |pool, number| Ok(access::sequence::redo(pool, record, number)?)),
        };
        done.map_err(|error| Error::Record { lsn: record.lsn(), source: Box::new(error) })
    }

    fn xlog(&mut self, record: &DecodedRecord) -> Result<(), Error> {
        match record.kind() {
            xlog::CHECKPOINT_ONLINE | xlog::CHECKPOINT_SHUTDOWN => {
                let (checkpoint, _) = Checkpoint::decode(record)?;
                if checkpoint.next_xid > Xid::FIRST_NORMAL {
                    self.txn.saw_xid(Xid(checkpoint.next_xid.0 - 1));
                }
                self.last_checkpoint = Some(record.lsn());
                Ok(())
            }
            xlog::FULL_PAGE_IMAGE | xlog::IMAGE_FOR_HINT => self.blocks(record, |pool, number| {
                pool.redo_block(record, number, |_| {
                    Err(record.invalid("record lacks the image that it is for").into())
                })
            }),
            _ => Err(record.invalid("unknown kind of log record").into()),
        }
    }

    fn storage(&mut self, record: &DecodedRecord) -> Result<(), Error> {
        access::storage::redo(self.pool, record)?;
        if let Some((rel, blocks)) = access::storage::truncated(record) {
            self.missing.truncated(rel, blocks);
        }
        Ok(())
    }

    fn xact(&mut self, record: &DecodedRecord) -> Result<(), Error> {
        for tag in self.txn.redo(record)? {
            self.missing.note(tag, record.lsn());
        }
        if let Some(cut) = status_cut(record) {
            self.missing.punched(STATUS_RELATION, 1..cut);
        }
        let gone = match (record.kind(), Ending::decode(record.data())) {
            (xact::COMMIT, Some(ending)) => ending.dropped,
            (xact::ABORT, Some(ending)) => ending.created,
            _ => Vec::new(),
        };
        gone.into_iter().for_each(|rel| self.missing.dropped(rel));
        Ok(())
    }

    /// Redoes the blocks of a record in the order that the record states.
    fn blocks(
        &mut self,
        record: &DecodedRecord,
        redo: impl Fn(&BufferPool, usize) -> Result<Redone, Error>,
    ) -> Result<(), Error> {
        for (number, block) in record.blocks().iter().enumerate() {
            match redo(self.pool, number)? {
                Redone::Missing => self.missing.note(block.tag, record.lsn()),
                Redone::AlreadyThere => self.look_at(block.tag)?,
                Redone::Restored | Redone::Applied => {}
            }
        }
        Ok(())
    }

    /// A page that is further than the record: how far?
    fn look_at(&mut self, tag: BufferTag) -> Result<(), Error> {
        let lsn = self.pool.read(tag)?.shared().lsn();
        if self.furthest_page.is_none_or(|(_, furthest)| lsn > furthest) {
            self.furthest_page = Some((tag, lsn));
        }
        Ok(())
    }
}
