//! The run from the control file to a log that can be written again.

use std::path::Path;

use buffer::BufferPool;
use txn::Txn;
use txn::record::{Ending, kind as xact};
use types::{Lsn, RelFileNumber};
use wal::end::Later;
use wal::{
    Checkpoint, ControlFile, DecodedRecord, EndOfLog, OtherSlot, Rmgr, ServerState, Wal, WalReader,
    WalStart, position,
};

use crate::error::Error;
use crate::redo::Redo;

/// Records between two calls of the progress callback.
const RECORDS_PER_REPORT: u64 = 1024;

/// What recovery works on. Nobody else uses any of it meanwhile.
pub struct Recovery<'a> {
    /// The data directory.
    pub data_dir: &'a Path,
    /// The log.
    pub wal: &'a Wal,
    /// The buffers, empty.
    pub pool: &'a BufferPool,
    /// The transactions.
    pub txn: &'a Txn,
}

/// What recovery found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The server had not been shut down cleanly.
    pub was_crash: bool,
    /// Where redo began.
    pub redo: Lsn,
    /// The end of the log: the next record starts here.
    pub end: Lsn,
    /// Records replayed.
    pub records: u64,
    /// Why nothing valid follows.
    pub why: String,
    /// Relation files of this number or a higher one were made after redo began.
    pub next_relfile: RelFileNumber,
}

/// Replays the log. `progress` is told now and then up to where. Afterwards the log can be written
/// and transactions can begin; the caller then makes a checkpoint and removes orphaned files.
pub fn run(context: &Recovery<'_>, progress: &mut dyn FnMut(Lsn)) -> Result<Recovered, Error> {
    let (mut control, other) = ControlFile::read_both(context.data_dir)?;
    if let OtherSlot::Damaged(why) = other {
        let path = wal::control_file::CONTROL_FILE;
        tracing::warn!("one of the two copies in {path} is damaged ({why}): the other is used");
    }
    let Checkpoint { redo: start, next_xid, next_oid, next_relfile, .. } = control.checkpoint;
    let was_crash = control.state != ServerState::ShutDown;
    if was_crash {
        tracing::info!(
            "database system was not shut down properly ({}); redo starts at {start}",
            control.state.name()
        );
        control.state = ServerState::InCrashRecovery;
        control.update(context.data_dir)?;
        make_durable(context, &control)?;
    }
    context.txn.init_shared(next_xid, next_oid, next_relfile);
    let mut redo = Redo::new(context.pool, context.txn);
    let began = std::time::Instant::now();
    let (end, records) = replay(context, &control, &mut redo, progress)?;
    let elapsed = began.elapsed().as_secs_f64();
    let timeline = control.checkpoint.timeline;
    wal::end::check_end(context.wal.dir(), timeline, control.system, start, &end)?;
    if was_crash {
        let (dir, system) = (context.wal.dir(), control.system);
        wal::end::check_records_behind(dir, timeline, system, &end, &durable_by)?;
    }
    check(&control, &end, &redo)?;
    let later = match was_crash {
        true => Later::Wipe(context.wal.segments_ahead()),
        false => Later::Keep,
    };
    let prepared = wal::end::wipe_after(context.wal.dir(), timeline, end.lsn, later)?;
    context.wal.start_at(log_at(&control, end.lsn, prepared));
    if was_crash {
        tracing::info!(
            "redo done at {}: {records} records, elapsed: {elapsed:.3} s; {}",
            end.lsn,
            end.why
        );
    }
    Ok(Recovered { was_crash, redo: start, end: end.lsn, records, why: end.why, next_relfile })
}

/// Asks the disk for all that the server before has handed to the kernel. Of the relation files
/// that is not the whole truth after a failed sync; but redo writes every page again that was
/// changed since the redo position.
fn make_durable(context: &Recovery<'_>, control: &ControlFile) -> Result<(), Error> {
    let Checkpoint { redo, timeline, .. } = control.checkpoint;
    wal::end::make_durable(context.wal.dir(), timeline, control.system, redo)?;
    Ok(context.pool.files().make_durable().map_err(buffer::Error::from)?)
}

fn replay(
    context: &Recovery<'_>,
    control: &ControlFile,
    redo: &mut Redo<'_>,
    progress: &mut dyn FnMut(Lsn),
) -> Result<(EndOfLog, u64), Error> {
    let Checkpoint { redo: start, timeline, .. } = control.checkpoint;
    let mut reader = WalReader::new(context.wal.dir(), timeline, control.system, start);
    let mut record = DecodedRecord::default();
    let mut records = 0;
    context.wal.start_at(log_at(control, start, 0));
    while reader.read(&mut record)? {
        // The log up to here is durable, so that pages with this record's change may be written.
        context.wal.replayed_to(record.end());
        redo.record(&record)?;
        if records % RECORDS_PER_REPORT == 0 {
            progress(record.end());
        }
        records += 1;
    }
    progress(reader.position());
    Ok((reader.end().cloned().expect("nothing more was read, so the end was reached"), records))
}

fn log_at(control: &ControlFile, end: Lsn, prepared: u64) -> WalStart {
    let Checkpoint { redo, timeline, .. } = control.checkpoint;
    WalStart { system: control.system, timeline, end, redo, prepared }
}

/// Up to where the log had been durable by the account of a record.
fn durable_by(record: &DecodedRecord) -> Option<Lsn> {
    let ends = matches!(record.kind(), xact::COMMIT | xact::ABORT);
    (record.rmgr().ok()? == Rmgr::Xact && ends).then_some(())?;
    Some(Ending::decode(record.data())?.flushed)
}

/// Refuses to go on where something proves that the log is not whole.
fn check(control: &ControlFile, end: &EndOfLog, redo: &Redo<'_>) -> Result<(), Error> {
    let (lsn, why) = (end.lsn, end.why.clone());
    if redo.last_checkpoint.is_none_or(|last| last < control.checkpoint_lsn) {
        return Err(Error::NoCheckpoint { checkpoint: control.checkpoint_lsn, end: lsn, why });
    }
    if lsn < control.minimum_recovery_point {
        let segment = position::segment_name(control.checkpoint.timeline, end.segment);
        let proven = control.minimum_recovery_point;
        return Err(wal::Error::DurableGap { end: lsn, why, segment, proven }.into());
    }
    if let Some((tag, page_lsn)) = redo.furthest_page
        && page_lsn > lsn
    {
        return Err(Error::PageAhead { end: lsn, why, tag, lsn: page_lsn });
    }
    redo.missing.check()
}
