//! Relation files: made and dropped with the transaction that does so.
//!
//! | step of CREATE | a crash after it |
//! |---|---|
//! | number drawn, noted in the transaction and in the process's slot | the number is never used |
//! | CREATE record inserted **and flushed** | redo makes an empty file, the end of recovery removes it |
//! | file made | the same |
//! | rows written, logged like any others | the same |
//! | before COMMIT: file and directory synced, by `Txn::commit` | the same |
//! | COMMIT flushed | the file is there, with what the log says |
//!
//! A file is dropped by naming it in the COMMIT record (or, for one made by a transaction that
//! aborts, in the ABORT record), and unlinked when that is flushed; redo of the record unlinks it
//! again. TRUNCATE makes a new file and drops the old one.
//!
//! Files that no table owns, left by a crash, are removed once recovery has made its checkpoint and
//! the system tables can be read ([`remove_orphans`]): not before, since redo that begins anew after
//! a crash in between would miss them.
//!
//! Vacuum cuts off empty pages at the end of a table; in which steps is told in
//! `heap/vacuum/truncate.rs`.
//!
//! CREATE, TRUNCATE and the removal of files are barriers: parallel redo must not reorder anything of that
//! file around them.

use std::collections::HashSet;

use buffer::BufferPool;
use sys::mutant::{self, Mutant};
use txn::{STATUS_RELATION, Transaction};
use types::{BlockNo, Fork, RelFileNumber, Xid};
use wal::{DecodedRecord, Record, Rmgr};

use crate::Access;
use crate::codec::Fields;
use crate::error::Error;

/// Kinds of records of `Rmgr::Storage`.
pub mod kind {
    /// A relation file is made. Main data: its number, u64.
    pub const CREATE: u8 = 0;
    /// A table loses its end. Main data: its number, u64, and how many blocks are left, u32.
    pub const TRUNCATE: u8 = 1;

    /// The name of a kind for `waldump`.
    pub fn name(kind: u8) -> &'static str {
        match kind {
            CREATE => "CREATE",
            TRUNCATE => "TRUNCATE",
            _ => "UNKNOWN",
        }
    }
}

/// Makes an empty relation file that belongs to the transaction until it commits.
pub fn create(access: &Access, tx: &mut Transaction) -> Result<RelFileNumber, Error> {
    // Only a transaction with an id leaves a record of its end.
    let xid = access.txn.assign_xid(tx)?;
    let rel = access.txn.new_relfile()?;
    tx.will_create(rel);
    let number = rel.0.to_le_bytes();
    access.wal.ensure_room()?;
    let record =
        Record { rmgr: Rmgr::Storage, kind: kind::CREATE, xid, blocks: &[], data: &[&number] };
    let lsn = {
        let _critical = shmem::enter_critical();
        access.wal.insert(&record)
    };
    access.wal.flush(lsn)?;
    access.pool.files().create(rel, Fork::Main).map_err(buffer::Error::from)?;
    Ok(rel)
}

/// Logs that a table loses its end, and flushes that: the file is to be cut off then. Nobody else
/// uses the table, and on disk its end holds nothing.
pub(crate) fn log_truncate(
    access: &Access,
    rel: RelFileNumber,
    blocks: BlockNo,
) -> Result<(), Error> {
    let (number, blocks) = (rel.0.to_le_bytes(), blocks.to_le_bytes());
    access.wal.ensure_room()?;
    let record = Record {
        rmgr: Rmgr::Storage,
        kind: kind::TRUNCATE,
        xid: Xid::INVALID,
        blocks: &[],
        data: &[&number, &blocks],
    };
    let lsn = {
        let _critical = shmem::enter_critical();
        access.wal.insert(&record)
    };
    if let Err(error) = access.wal.flush(lsn) {
        wal::panic_exit("could not flush that a table loses its end", &error);
    }
    Ok(())
}

/// What a TRUNCATE record of `Rmgr::Storage` cuts off: everything of the table from that block on.
pub fn truncated(record: &DecodedRecord) -> Option<(RelFileNumber, BlockNo)> {
    let mut fields = Fields(record.data());
    let (number, blocks) = (fields.u64().ok()?, fields.u32().ok()?);
    (record.kind() == kind::TRUNCATE).then_some((RelFileNumber(number), blocks))
}

/// Has the file go away when the transaction commits.
pub fn drop_at_commit(access: &Access, tx: &mut Transaction, rel: RelFileNumber) {
    access.forget_relation(rel);
    tx.will_drop(rel);
}

/// Redoes a record of `Rmgr::Storage`. Repeating it does no harm.
pub fn redo(pool: &BufferPool, record: &DecodedRecord) -> Result<(), Error> {
    if let Some((rel, blocks)) = truncated(record) {
        return Ok(pool.truncate(rel, Fork::Main, blocks)?);
    }
    let number = Fields(record.data()).u64();
    match (record.kind(), number) {
        (kind::CREATE, Ok(number)) => {
            let made = pool.files().create(RelFileNumber(number), Fork::Main);
            Ok(made.map_err(buffer::Error::from)?)
        }
        _ => Err(record.invalid("storage record is damaged").into()),
    }
}

/// Removes every relation file that is not in `owned`, and returns how many relations that were.
/// Only at the end of recovery, after its checkpoint and before anybody else comes in.
pub fn remove_orphans(pool: &BufferPool, owned: &HashSet<RelFileNumber>) -> Result<usize, Error> {
    if mutant::on(Mutant::AbortedFilesKept) || mutant::on(Mutant::DroppedFilesBack) {
        return Ok(0);
    }
    let files = pool.files();
    let all = files.list().map_err(buffer::Error::from)?;
    let is_orphan = |rel: &RelFileNumber| *rel != STATUS_RELATION && !owned.contains(rel);
    let orphans: HashSet<_> = all.iter().map(|id| id.rel).filter(is_orphan).collect();
    for &rel in &orphans {
        pool.drop_buffers(rel)?;
    }
    for id in all.iter().filter(|id| orphans.contains(&id.rel)) {
        // By name, not by counting segments: a hole among them must not hide the rest.
        remove(&files.path(*id)).map_err(buffer::Error::from)?;
    }
    if !orphans.is_empty() {
        files.sync_directory().map_err(buffer::Error::from)?;
        tracing::info!("removed {} relation files that no table owns", orphans.len());
    }
    Ok(orphans.len())
}

fn remove(path: &std::path::Path) -> std::io::Result<()> {
    match sys::fs::remove(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
