//! The files of the log: made ahead, recycled, removed.
//!
//! A segment is written with zeros, synced, renamed to its name and its directory synced before
//! anyone writes to it: a sync of a written file then needs no metadata. An old segment that no
//! recovery needs any more becomes a future one by a rename; its old records say their own
//! position, so nothing in it can be taken for new.
//!
//! `prepared`, the last segment that exists, is changed under `segment_lock`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use shmem::Rank;
use sys::fs::{self, File, OpenHow};
use types::{Lsn, TimelineId};

use crate::control::Wal;
use crate::error::Error;
use crate::position::{self, SEGMENT_SIZE};

/// Segments that stand ready ahead of need.
const AHEAD: u64 = 1;
/// What each process may insert between asking for room and asking again.
///
/// A record with images of all its blocks is at most 32 pages and their data; the largest that is
/// inserted today has 2 blocks.
const ROOM_PER_PROCESS: u64 = 128 << 10;
/// What a segment is called until it is complete.
const TEMP_PREFIX: &str = "xlogtemp.";

impl Wal {
    /// The path of a segment of the current timeline.
    pub fn segment_path(&self, segment: u64) -> PathBuf {
        self.dir.join(position::segment_name(self.timeline(), segment))
    }

    /// The last segment that may be touched before anyone asks for room again.
    fn needed_segment(&self) -> u64 {
        let room = SEGMENT_SIZE + self.procs.len() as u64 * ROOM_PER_PROCESS;
        position::segment_of(Lsn(self.insert_lsn().0 + room))
    }

    /// To be called before every critical section that inserts: afterwards more than a segment
    /// of room lies ahead. A full disk is an error here, before anything is changed.
    pub fn ensure_room(&self) -> Result<(), Error> {
        let needed = self.needed_segment();
        let prepared = self.ctl.prepared.load(Ordering::SeqCst);
        if prepared >= needed {
            if prepared == needed {
                self.wake_walwriter();
            }
            return Ok(());
        }
        self.prepare_upto(needed).map_err(Error::NoRoom)
    }

    /// Makes segments ahead of need; the walwriter's duty.
    pub(crate) fn prepare_ahead(&self) -> Result<(), Error> {
        match self.prepare_upto(self.needed_segment() + AHEAD) {
            // A full disk is the inserters' error, each in its own statement.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                ) =>
            {
                tracing::warn!("could not make a log segment ahead: {error}");
                Ok(())
            }
            other => Ok(other?),
        }
    }

    fn prepare_upto(&self, segment: u64) -> io::Result<()> {
        while self.ctl.prepared.load(Ordering::SeqCst) < segment {
            let _guard = self.ctl.segment_lock.exclusive(Rank::WalSegments);
            let next = self.ctl.prepared.load(Ordering::SeqCst) + 1;
            if next <= segment {
                create_segment(&self.dir, self.timeline(), next)?;
                self.ctl.stats.segments_created.add(1);
                self.ctl.prepared.store(next, Ordering::SeqCst);
            }
        }
        Ok(())
    }

    /// After a checkpoint: segments before the one that holds `redo` are no longer needed. Some
    /// become future segments, up to `spare` ahead of the insert position; the rest goes.
    /// Returns how many were recycled and removed.
    pub fn recycle_before(&self, redo: Lsn, spare: u64) -> Result<(u64, u64), Error> {
        let keep_from = position::segment_of(redo);
        let limit = self.needed_segment() + spare.max(AHEAD);
        let (mut recycled, mut removed) = (0, 0);
        for (timeline, segment) in list_segments(&self.dir)? {
            if segment >= keep_from {
                continue;
            }
            let path = self.dir.join(position::segment_name(timeline, segment));
            let _guard = self.ctl.segment_lock.exclusive(Rank::WalSegments);
            let next = self.ctl.prepared.load(Ordering::SeqCst) + 1;
            let whole = || File::open(&path, OpenHow::READ).and_then(|file| file.len());
            if next <= limit && whole()? == SEGMENT_SIZE {
                fs::rename(&path, &self.segment_path(next))?;
                fs::sync_dir(&self.dir)?;
                self.ctl.prepared.store(next, Ordering::SeqCst);
                recycled += 1;
            } else {
                fs::remove(&path)?;
                removed += 1;
            }
        }
        if removed > 0 {
            fs::sync_dir(&self.dir)?;
        }
        self.ctl.stats.segments_recycled.add(recycled);
        Ok((recycled, removed))
    }
}

/// All segments in the folder, in the order of the log.
pub fn list_segments(dir: &Path) -> io::Result<Vec<(TimelineId, u64)>> {
    let names = fs::read_dir_names(dir)?;
    let mut segments: Vec<_> =
        names.iter().filter_map(|name| position::parse_segment_name(name)).collect();
    segments.sort_by_key(|&(timeline, segment)| (segment, timeline));
    Ok(segments)
}

/// Makes an empty segment, durable under its name. A crash in between leaves a temporary file.
pub fn create_segment(dir: &Path, timeline: TimelineId, segment: u64) -> io::Result<()> {
    let temp = dir.join(format!("{TEMP_PREFIX}{}", sys::process::pid()));
    let made = write_zeros(&temp).and_then(|()| {
        fs::rename_durable(&temp, &dir.join(position::segment_name(timeline, segment)))
    });
    if made.is_err() {
        // The first error is the one to report; a leftover is removed at the next start.
        let _ = fs::remove(&temp);
    }
    made
}

fn write_zeros(path: &Path) -> io::Result<()> {
    let file = File::open(path, OpenHow { truncate: true, ..OpenHow::CREATE })?;
    let zeros = vec![0; 1 << 20];
    for offset in (0..SEGMENT_SIZE).step_by(zeros.len()) {
        file.write_all_at(&zeros, offset)?;
    }
    file.sync_all()
}

/// Removes half-made segments of a life before.
pub fn remove_temporary(dir: &Path) -> io::Result<()> {
    for name in fs::read_dir_names(dir)? {
        if name.starts_with(TEMP_PREFIX) {
            fs::remove(&dir.join(name))?;
        }
    }
    Ok(())
}
