//! The files of the log: made ahead, recycled, removed.
//!
//! A segment is written with zeros, synced, renamed to its name and its directory synced before
//! anyone writes to it: a sync of a written file then needs no metadata. An old segment that no
//! recovery needs any more becomes a future one by a rename; its old records say their own
//! position, so nothing in it can be taken for new.
//!
//! `prepared`, the last segment that exists, is changed under `segment_lock`.
//!
//! **The reserve.** More than a segment of room lies ahead of the insert position whenever a
//! statement changes something. When the disk is full and no segment can be made, statements fail
//! as soon as less than that is left; what is left is for those that must not fail: the records of
//! rolled-back transactions that made files use half of it, checkpoints nearly all. A checkpoint
//! needs no other space (pages have their blocks, the control file is written in place), and after
//! it old segments become new ones: so a server whose disk is full goes on by itself.
//!
//! A directory sync that fails is a PANIC like any other: nobody knows then which names are on
//! disk, and a second sync would not tell.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use shmem::Rank;
use sys::fs::{self, File, OpenHow};
use types::{Lsn, TimelineId};

use crate::control::Wal;
use crate::error::{Error, panic_exit};
use crate::position::{self, SEGMENT_SIZE};

/// Segments that stand ready ahead of need.
const AHEAD: u64 = 1;
/// What each process may insert between asking for room and asking again.
///
/// A record with images of all its blocks is at most 32 pages and their data; the largest that is
/// inserted today has 2 blocks.
const ROOM_PER_PROCESS: u64 = 128 << 10;
/// What stays of a segment of reserve when those who roll back may take no more.
const KEPT_BY_ABORTS: u64 = SEGMENT_SIZE / 2;
/// What stays when checkpoints may take no more.
const KEPT_BY_CHECKPOINTS: u64 = 1 << 20;
/// What a segment is called until it is complete.
const TEMP_PREFIX: &str = "xlogtemp.";

/// Who asks for room, from the first that is refused when the disk is full to the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RoomFor {
    /// Whatever can fail before it has changed anything.
    Statement,
    /// The record of a rolled-back transaction.
    Abort,
    /// The record of a checkpoint.
    Checkpoint,
}

impl Wal {
    /// The path of a segment of the current timeline.
    pub fn segment_path(&self, segment: u64) -> PathBuf {
        self.dir.join(position::segment_name(self.timeline(), segment))
    }

    /// The segment that lies `room` bytes ahead.
    fn segment_ahead(&self, room: u64) -> u64 {
        position::segment_of(Lsn(self.insert_lsn().0 + room))
    }

    /// The room that a statement must find ahead.
    fn statement_room(&self) -> u64 {
        SEGMENT_SIZE + self.procs.len() as u64 * ROOM_PER_PROCESS
    }

    /// The last segment that may be touched before anyone asks for room again.
    fn needed_segment(&self) -> u64 {
        self.segment_ahead(self.statement_room())
    }

    /// How many segments stand ready behind the one that is written, as a rule.
    pub fn segments_ahead(&self) -> u64 {
        self.statement_room() / SEGMENT_SIZE + AHEAD
    }

    /// To be called before every critical section that inserts: afterwards more than a segment
    /// of room lies ahead. A full disk is an error here, before anything is changed.
    pub fn ensure_room(&self) -> Result<(), Error> {
        self.ensure_room_for(RoomFor::Statement)
    }

    /// As [`Wal::ensure_room`]; those who must not fail may use the reserve.
    pub fn ensure_room_for(&self, whom: RoomFor) -> Result<(), Error> {
        let needed = self.needed_segment();
        let prepared = || self.ctl.prepared.load(Ordering::SeqCst);
        if prepared() >= needed {
            if prepared() == needed {
                self.wake_walwriter();
            }
            return Ok(());
        }
        let reserve = match whom {
            RoomFor::Statement => None,
            RoomFor::Abort => Some(KEPT_BY_ABORTS),
            RoomFor::Checkpoint => Some(KEPT_BY_CHECKPOINTS),
        };
        match self.prepare_upto(needed) {
            Err(_) if reserve.is_some_and(|kept| prepared() >= self.segment_ahead(kept)) => Ok(()),
            made => made.map_err(Error::NoRoom),
        }
    }

    /// Makes segments ahead of need; the walwriter's duty. An error is nothing to despair of: who
    /// needs the room will see it, each in its own statement.
    pub fn prepare_ahead(&self) -> Result<(), Error> {
        self.prepare_upto(self.needed_segment() + AHEAD).map_err(Error::NoRoom)
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
                sync_names(&self.dir);
                self.ctl.prepared.store(next, Ordering::SeqCst);
                recycled += 1;
            } else {
                fs::remove(&path)?;
                removed += 1;
            }
        }
        if removed > 0 {
            sync_names(&self.dir);
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

fn sync_names(dir: &Path) {
    if let Err(error) = fs::sync_dir(dir) {
        panic_exit("could not sync the directory of the log", &error);
    }
}

/// Makes an empty segment, durable under its name. A crash in between leaves a temporary file.
pub fn create_segment(dir: &Path, timeline: TimelineId, segment: u64) -> io::Result<()> {
    let temp = dir.join(format!("{TEMP_PREFIX}{}", sys::process::pid()));
    let named = dir.join(position::segment_name(timeline, segment));
    let made = write_zeros(&temp).and_then(|()| fs::rename(&temp, &named));
    match made {
        Ok(()) => sync_names(dir),
        // The first error is the one to report; a leftover is removed at the next start.
        Err(_) => fs::remove(&temp).unwrap_or(()),
    }
    made
}

fn write_zeros(path: &Path) -> io::Result<()> {
    let file = File::open(path, OpenHow { truncate: true, ..OpenHow::CREATE })?;
    file.extend(0, SEGMENT_SIZE)?;
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
