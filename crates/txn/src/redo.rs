//! Redo of what transactions left in the log.
//!
//! The startup process is alone. It gives the checkpoint's numbers to [`Txn::init_shared`], then
//! each record's xid to [`Txn::saw_xid`], and the records of this room to [`Txn::redo`]. After the
//! last record every id met has ended, and who has no COMMIT is absent on the status pages, which
//! means aborted: nothing more is to be done.

use buffer::Redone;
use sys::mutant::{self, Mutant};
use types::BufferTag;
use wal::DecodedRecord;

use crate::error::{Error, Result};
use crate::record::{self, Ending, kind};
use crate::status;
use crate::txn::Txn;

impl Txn {
    /// Redoes a record of [`wal::Rmgr::Xact`]; repeating it does no harm. Answers the status pages
    /// that it names and that are not there: legal only if a later record says so.
    ///
    /// Errors: a status page can't be read; the record is damaged.
    pub fn redo(&self, record: &DecodedRecord) -> Result<Vec<BufferTag>> {
        let mut missing = Vec::new();
        match record.kind() {
            kind::COMMIT => self.redo_commit(record, &mut missing)?,
            kind::ABORT => {
                let created = decode_ending(record)?.created;
                if !mutant::on(Mutant::AbortedFilesKept) {
                    self.remove_files(&created);
                }
            }
            kind::STATUS_PAGE => self.redo_page(record, 0, &mut missing, |page| {
                page.init_raw();
                Ok(())
            })?,
            kind::STATUS_BEGINS => {
                let begins = record::status_begins(record).ok_or_else(|| damaged(record))?;
                self.redo_page(record, 0, &mut missing, |page| {
                    page.set_prune_xid(begins);
                    Ok(())
                })?;
                self.redo_status_begins(record)?;
            }
            kind::COUNTERS => {
                let numbers = record::decode_counters(record.data());
                let (oid, relfile) = numbers.ok_or_else(|| damaged(record))?;
                self.saw_counters(oid, relfile);
            }
            _ => return Err(record.invalid("unknown kind of transaction record").into()),
        }
        Ok(missing)
    }

    fn redo_commit(&self, record: &DecodedRecord, missing: &mut Vec<BufferTag>) -> Result<()> {
        let ending = decode_ending(record)?;
        for (number, block) in record.blocks().iter().enumerate() {
            let places = record::places(record, number);
            self.redo_page(record, number, missing, |page| {
                let done = status::set_committed(page, u64::from(block.tag.block), &places);
                if done { Ok(()) } else { Err(damaged(record)) }
            })?;
        }
        ending.subxids.iter().for_each(|&xid| self.saw_xid(xid));
        if !mutant::on(Mutant::DroppedFilesBack) {
            self.remove_files(&ending.dropped);
        }
        Ok(())
    }

    fn redo_page(
        &self,
        record: &DecodedRecord,
        number: usize,
        missing: &mut Vec<BufferTag>,
        apply: impl FnOnce(&mut buffer::PageBytes) -> Result<()>,
    ) -> Result<()> {
        if self.pool.redo_block(record, number, apply)? == Redone::Missing {
            missing.push(record.block(number)?.tag);
        }
        Ok(())
    }
}

fn decode_ending(record: &DecodedRecord) -> Result<Ending> {
    Ending::decode(record.data()).ok_or_else(|| damaged(record))
}

fn damaged(record: &DecodedRecord) -> Error {
    record.invalid("transaction record is damaged").into()
}
