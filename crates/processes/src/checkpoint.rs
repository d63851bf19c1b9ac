//! The checkpoint itself: after it, recovery needs nothing from before its redo position.
//!
//! ```text
//!  redo position moves ── buffers dirty then: written, sorted ── their files synced ── record
//!          │                                                                             │
//!          v                                                                             v
//!  ────────redo──────────────────────── log goes on ─────────────────────────────────CHECKPOINT──►
//!                                                              flushed, then the control file,
//!                                                              then old segments recycled
//! ```
//!
//! Why this order:
//! - A page is marked dirty before its record is inserted. So a change whose record lies before the
//!   redo position shows as a dirty buffer once the position has moved, and is written here.
//! - The ids that the record carries are read *after* the position has moved: whatever was handed
//!   out before it is below them, whatever is handed out later is in the log behind it.
//! - The control file points to the record only when that is durable, and the log before the redo
//!   position is recycled only when the control file is.
//!
//! A failed write of a page fails the checkpoint: the page stays dirty, the control file stays as it
//! was, and the next checkpoint tries again. A failed sync ends the process. Whatever happens, the
//! last completed checkpoint stays good: a process that dies here leaves a longer recovery, no more.
//!
//! Only one process makes checkpoints at a time: startup, then the checkpointer.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use sys::mutant::{self, Mutant};
use types::{Lsn, Xid};
use wal::segments::RoomFor;
use wal::{Checkpoint, ControlFile, Record, Rmgr, ServerState, checkpoint::kind, position};

use crate::error::Error;
use crate::progress::Phase;
use crate::requests::Flags;
use crate::server::Server;

/// What a completed checkpoint did.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Outcome {
    /// Where recovery would begin now.
    pub redo: Lsn,
    /// Where its record ends.
    pub end: Lsn,
    /// Buffers that were dirty.
    pub dirty: u64,
    /// Buffers written here; others were written by somebody else meanwhile.
    pub written: u64,
    /// Files synced.
    pub files: u64,
    /// Old segments made into future ones.
    pub recycled: u64,
    /// Old segments removed.
    pub removed: u64,
    /// Time spent writing, pauses included.
    pub write: Duration,
    /// Time spent syncing.
    pub sync: Duration,
    /// Time in all.
    pub total: Duration,
}

/// How the maker of a checkpoint is told of its progress, and slows it down.
pub trait Pacing {
    /// So many of the dirty buffers have been gone through; the log's redo position is `redo`.
    fn wrote(&mut self, done: u64, total: u64, redo: Lsn);
}

/// As fast as possible.
pub struct Hurry;

impl Pacing for Hurry {
    fn wrote(&mut self, _done: u64, _total: u64, _redo: Lsn) {}
}

/// Whether anything has been logged since the last checkpoint, or somebody insists on a new one.
pub fn is_needed(server: &Server, flags: Flags) -> bool {
    let last_end = server.progress().last_end.load(Relaxed);
    flags.is_forced() || server.wal().insert_lsn().0 != last_end
}

/// Makes a checkpoint. `None`: nothing has been logged since the last one, and nobody insists.
/// `spare_segments` old segments are kept for later use.
pub fn create(
    server: &Server,
    flags: Flags,
    spare_segments: u64,
    pacing: &mut dyn Pacing,
) -> Result<Option<Outcome>, Error> {
    if !is_needed(server, flags) {
        return Ok(None);
    }
    let progress = server.progress();
    progress.started.store(sys::clock::wall_micros_since_2000(), Relaxed);
    let made = make(server, flags, spare_segments, pacing, &mut |checkpoint, start| {
        update_control_file(server, flags, checkpoint, start)
    });
    progress.set_phase(Phase::Idle);
    if made.is_err() { &progress.failed } else { &progress.done }.add(1);
    made.map(Some)
}

/// After a clean shutdown the checkpoint at `end`, the end of the log, still holds: all that is to
/// do is to note that the server runs.
pub fn skip_after_clean_shutdown(server: &Server, end: Lsn) -> Result<(), Error> {
    let mut control = ControlFile::read(server.data_dir())?;
    control.state = ServerState::InProduction;
    server.note_maxima(&mut control);
    control.update(server.data_dir())?;
    server.progress().last_end.store(end.0, Relaxed);
    Ok(())
}

/// Makes the first checkpoint of a database, and then its control file.
pub fn create_first(server: &Server, mut control: ControlFile) -> Result<Outcome, Error> {
    make(server, Flags::SHUTDOWN, 0, &mut Hurry, &mut |checkpoint, start| {
        fill_in(server, &mut control, Flags::SHUTDOWN, checkpoint, start);
        Ok(control.create(server.data_dir())?)
    })
}

/// How the checkpoint and the start of its record become what recovery finds.
type Publish<'a> = dyn FnMut(&Checkpoint, Lsn) -> Result<(), Error> + 'a;

fn make(
    server: &Server,
    flags: Flags,
    spare_segments: u64,
    pacing: &mut dyn Pacing,
    publish: &mut Publish<'_>,
) -> Result<Outcome, Error> {
    let (wal, progress) = (server.wal(), server.progress());
    let begun = Instant::now();
    // Room for the record, found now, in the reserve if need be: see `wal::segments`.
    wal.ensure_room_for(RoomFor::Checkpoint)?;
    let early = mutant::on(Mutant::RedoAfterScan);
    let early = early.then(|| write_buffers(server, wal.redo_lsn(), pacing)).transpose()?;
    let redo = wal.move_redo();
    let (dirty, written) = match early {
        None => write_buffers(server, redo, pacing)?,
        Some(done) => done,
    };
    let write = begun.elapsed();
    progress.set_phase(Phase::Syncing);
    let files = server.pool().sync_pending()? as u64;
    let sync = begun.elapsed() - write;
    progress.set_phase(Phase::Finishing);
    let checkpoint = describe(server, redo, dirty, written);
    let (start, end) = insert_record(server, flags, &checkpoint)?;
    wal.flush(end)?;
    publish(&checkpoint, start)?;
    progress.last_end.store(end.0, Relaxed);
    let (recycled, removed) = wal.recycle_before(redo, spare_segments)?;
    progress.write_us.add(write.as_micros() as u64);
    progress.sync_us.add(sync.as_micros() as u64);
    let total = begun.elapsed();
    Ok(Outcome { redo, end, dirty, written, files, recycled, removed, write, sync, total })
}

/// Writes what was dirty when the redo position had moved; answers how many were, and how many of
/// them were written here.
fn write_buffers(server: &Server, redo: Lsn, pacing: &mut dyn Pacing) -> Result<(u64, u64), Error> {
    let (pool, progress) = (server.pool(), server.progress());
    let pages = pool.begin_checkpoint();
    let total = pages.len() as u64;
    progress.buffers_done.store(0, Relaxed);
    progress.buffers_total.store(total, Relaxed);
    progress.set_phase(Phase::Writing);
    let mut written = 0;
    for (done, page) in (1..).zip(pages) {
        if pool.write_for_checkpoint(page)? {
            written += 1;
            progress.buffers_written.add(1);
        }
        progress.buffers_done.store(done, Relaxed);
        pacing.wrote(done, total, redo);
    }
    Ok((total, written))
}

/// What the record says. To be called after the redo position has moved.
fn describe(server: &Server, redo: Lsn, dirty: u64, written: u64) -> Checkpoint {
    let txn = server.txn();
    let (next_oid, next_relfile) = txn.next_numbers();
    tracing::debug!("checkpoint at {redo}: {dirty} buffers were dirty");
    Checkpoint {
        redo,
        timeline: server.wal().timeline(),
        next_xid: txn.next_xid(),
        oldest_running_xid: txn.oldest_running(),
        next_oid,
        next_relfile,
        time: sys::clock::wall_micros_since_2000(),
        buffers_written: written,
        buffers_total: server.pool().buffers() as u64,
    }
}

/// Inserts the record; answers where it starts and ends.
fn insert_record(
    server: &Server,
    flags: Flags,
    checkpoint: &Checkpoint,
) -> Result<(Lsn, Lsn), Error> {
    let wal = server.wal();
    let shutdown = flags.contains(Flags::SHUTDOWN);
    let running = if shutdown { Vec::new() } else { server.txn().running().1 };
    let body = checkpoint.encode(&running);
    let kind = if shutdown { kind::CHECKPOINT_SHUTDOWN } else { kind::CHECKPOINT_ONLINE };
    let record = Record { rmgr: Rmgr::Xlog, kind, xid: Xid::INVALID, blocks: &[], data: &[&body] };
    wal.ensure_room_for(RoomFor::Checkpoint)?;
    let critical = shmem::enter_critical();
    let end = wal.insert(&record);
    shmem::leave_critical(critical);
    let length = position::aligned((wal::record::RECORD_HEADER + body.len()) as u64);
    Ok((position::start_lsn(position::usable(end) - length), end))
}

fn update_control_file(
    server: &Server,
    flags: Flags,
    checkpoint: &Checkpoint,
    start: Lsn,
) -> Result<(), Error> {
    let mut control = ControlFile::read(server.data_dir())?;
    fill_in(server, &mut control, flags, checkpoint, start);
    Ok(control.update(server.data_dir())?)
}

fn fill_in(
    server: &Server,
    control: &mut ControlFile,
    flags: Flags,
    checkpoint: &Checkpoint,
    start: Lsn,
) {
    control.state = if flags.contains(Flags::SHUTDOWN) {
        ServerState::ShutDown
    } else {
        ServerState::InProduction
    };
    control.checkpoint = *checkpoint;
    control.checkpoint_lsn = start;
    control.minimum_recovery_point = Lsn::INVALID;
    server.note_maxima(control);
}
