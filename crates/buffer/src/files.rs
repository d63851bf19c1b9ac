//! Relation files: segments of 1 GB under `base/`, opened when first needed.
//!
//! ```text
//! base/16384        blocks 0 .. 131071 of the main fork of relation file 16384
//! base/16384.1      the next 131072
//! base/16384_fsm    its free space map
//! ```
//!
//! A file's length decides how many blocks it has; it grows by blocks of zeros that are written, so
//! that a full disk shows when a file grows and not when a page is written (unless the file system
//! compresses or copies on write). Each process
//! has descriptors of its own; numbers are never reused, so a descriptor can be stale but never
//! wrong.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use sys::fs::{self, File, OpenHow};
use sys::mutant::{self, Mutant};
use types::{BLOCKS_PER_SEGMENT, BlockNo, BufferTag, Fork, PAGE_SIZE, RelFileNumber};

use crate::page::PageBytes;

/// Descriptors a process keeps open; beyond that it closes them all and begins anew.
const OPEN_MAX: usize = 256;

/// On some file systems (FUSE, network) a file's length, told by the server, may be ahead of what
/// the kernel lets others read, while the process that extends the file has not run on. A page that
/// is there by the length is waited for so long.
const SETTLING_MAX: Duration = Duration::from_secs(1);

/// A segment of a fork of a relation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct SegmentId {
    /// The relation's file number.
    pub rel: RelFileNumber,
    /// The fork.
    pub fork: Fork,
    /// The segment, from 0.
    pub segment: u32,
}

impl SegmentId {
    /// The segment that holds a page.
    pub fn of(tag: BufferTag) -> Self {
        SegmentId { rel: tag.rel, fork: tag.fork, segment: tag.block / BLOCKS_PER_SEGMENT }
    }

    /// Its file name in `base/`.
    pub fn file_name(self) -> String {
        let (rel, fork) = (self.rel, self.fork.suffix());
        match self.segment {
            0 => format!("{rel}{fork}"),
            segment => format!("{rel}{fork}.{segment}"),
        }
    }

    /// The segment that a file name in `base/` tells, or `None` for any other name.
    pub fn parse(name: &str) -> Option<SegmentId> {
        let (stem, segment) = match name.split_once('.') {
            Some((stem, number)) => (stem, number.parse().ok()?),
            None => (name, 0),
        };
        let (number, fork) = match stem.split_once('_') {
            Some((number, "fsm")) => (number, Fork::Fsm),
            Some((number, "vm")) => (number, Fork::Vm),
            Some(_) => return None,
            None => (stem, Fork::Main),
        };
        let id = SegmentId { rel: RelFileNumber(number.parse().ok()?), fork, segment };
        (id.file_name() == name).then_some(id)
    }
}

/// The relation files, as one process sees them.
pub struct RelationFiles {
    base: PathBuf,
    open: RefCell<HashMap<SegmentId, Rc<File>>>,
}

impl RelationFiles {
    /// The files under `base/` of the data directory.
    pub fn new(data_dir: &Path) -> Self {
        RelationFiles { base: data_dir.join("base"), open: RefCell::default() }
    }

    /// The folder that holds them.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// A segment's path.
    pub fn path(&self, id: SegmentId) -> PathBuf {
        self.base.join(id.file_name())
    }

    pub(crate) fn file(&self, id: SegmentId, create: bool) -> io::Result<Rc<File>> {
        if let Some(file) = self.open.borrow().get(&id) {
            return Ok(Rc::clone(file));
        }
        let how = if create { OpenHow::CREATE } else { OpenHow::READ_WRITE };
        let file = Rc::new(File::open(&self.path(id), how)?);
        let mut open = self.open.borrow_mut();
        if open.len() >= OPEN_MAX {
            open.clear();
        }
        open.insert(id, Rc::clone(&file));
        Ok(file)
    }

    /// Makes the first segment of a fork. Its directory entry is durable after
    /// [`RelationFiles::sync_directory`].
    pub fn create(&self, rel: RelFileNumber, fork: Fork) -> io::Result<()> {
        self.file(SegmentId { rel, fork, segment: 0 }, true).map(drop)
    }

    /// Whether the fork has a file.
    pub fn exists(&self, rel: RelFileNumber, fork: Fork) -> io::Result<bool> {
        match self.file(SegmentId { rel, fork, segment: 0 }, false) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Blocks of the fork; a part of a block at the end does not count. No file: none.
    pub fn blocks(&self, rel: RelFileNumber, fork: Fork) -> io::Result<BlockNo> {
        let mut total: u64 = 0;
        for segment in 0.. {
            let file = match self.file(SegmentId { rel, fork, segment }, false) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            };
            let blocks = file.len()? / PAGE_SIZE as u64;
            total += blocks.min(u64::from(BLOCKS_PER_SEGMENT));
            if blocks < u64::from(BLOCKS_PER_SEGMENT) {
                break;
            }
        }
        Ok(u32::try_from(total).unwrap_or(u32::MAX))
    }

    /// Reads a page as it stands on disk. `false`: the file ends before it.
    pub fn read(&self, tag: BufferTag, into: &mut PageBytes) -> io::Result<bool> {
        let file = match self.file(SegmentId::of(tag), false) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let (from, deadline) = (offset(tag.block), Instant::now() + SETTLING_MAX);
        while file.read_at(&mut into.0, from)? < PAGE_SIZE {
            let there = file.len()? >= from + PAGE_SIZE as u64;
            if !there || Instant::now() > deadline {
                return Ok(false);
            }
            std::thread::yield_now();
        }
        Ok(true)
    }

    /// Writes a page. For `BufferPool::store` alone: it has flushed the log before.
    pub(crate) fn write(&self, tag: BufferTag, page: &PageBytes) -> io::Result<()> {
        self.file(SegmentId::of(tag), false)?.write_all_at(&page.0, offset(tag.block))
    }

    /// Adds `count` blocks of zeros from block `first` on, which is the fork's end. A new segment
    /// has its directory entry synced here: nobody else knows of it.
    pub(crate) fn extend(
        &self,
        rel: RelFileNumber,
        fork: Fork,
        first: BlockNo,
        count: u32,
    ) -> io::Result<()> {
        let mut at = first;
        while at < first + count {
            let tag = BufferTag { rel, fork, block: at };
            let in_segment = (BLOCKS_PER_SEGMENT - at % BLOCKS_PER_SEGMENT).min(first + count - at);
            let fresh = at.is_multiple_of(BLOCKS_PER_SEGMENT);
            let file = self.file(SegmentId::of(tag), fresh || fork != Fork::Main)?;
            file.extend(offset(at), u64::from(in_segment) * PAGE_SIZE as u64)?;
            if fresh
                && at > 0
                && let Err(error) = self.sync_directory()
            {
                wal::panic_exit("could not sync the directory of relation files", &error);
            }
            at += in_segment;
        }
        Ok(())
    }

    /// Makes what was written to a segment durable. A segment that is gone needs no sync.
    pub fn sync(&self, id: SegmentId) -> io::Result<()> {
        match self.file(id, false) {
            Ok(_) if mutant::on(Mutant::DataNeverSynced) => Ok(()),
            Ok(file) => file.sync_data(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Makes the names of files made and removed durable.
    pub fn sync_directory(&self) -> io::Result<()> {
        fs::sync_dir(&self.base)
    }

    /// Removes all segments of all forks of a relation; those that are gone already do not matter.
    pub fn remove(&self, rel: RelFileNumber) -> io::Result<()> {
        for fork in Fork::ALL {
            for segment in 0.. {
                let id = SegmentId { rel, fork, segment };
                match self.file(id, false) {
                    // Other processes may hold it open: the space goes back all the same.
                    Ok(file) => file.truncate(0)?,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                    Err(error) => return Err(error),
                }
                self.open.borrow_mut().remove(&id);
                match fs::remove(&self.path(id)) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Cuts a fork off behind `blocks` blocks.
    pub fn truncate(&self, rel: RelFileNumber, fork: Fork, blocks: BlockNo) -> io::Result<()> {
        for segment in 0.. {
            let id = SegmentId { rel, fork, segment };
            let file = match self.file(id, false) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            };
            let keep = blocks.saturating_sub(segment * BLOCKS_PER_SEGMENT).min(BLOCKS_PER_SEGMENT);
            let length = u64::from(keep) * PAGE_SIZE as u64;
            if file.len()? > length {
                file.truncate(length)?;
                if let Err(error) = file.sync_data() {
                    wal::panic_exit("could not sync a relation file", &error);
                }
            }
        }
        Ok(())
    }

    /// Gives the space of these blocks back to the file system, if it can do that: they read as zeros
    /// then. The fork keeps its length, and ends where it ends.
    pub fn punch(&self, rel: RelFileNumber, fork: Fork, blocks: Range<BlockNo>) -> io::Result<()> {
        let end = blocks.end.min(self.blocks(rel, fork)?);
        let mut at = blocks.start;
        while at < end {
            let in_segment = (BLOCKS_PER_SEGMENT - at % BLOCKS_PER_SEGMENT).min(end - at);
            let file = self.file(SegmentId::of(BufferTag { rel, fork, block: at }), false)?;
            file.punch_hole(offset(at), u64::from(in_segment) * PAGE_SIZE as u64)?;
            at += in_segment;
        }
        Ok(())
    }

    /// Forgets descriptors of a relation that is gone.
    pub fn close(&self, rel: RelFileNumber) {
        self.open.borrow_mut().retain(|id, _| id.rel != rel);
    }

    /// Every relation file that there is.
    pub fn list(&self) -> io::Result<Vec<SegmentId>> {
        Ok(fs::read_dir_names(&self.base)?
            .iter()
            .filter_map(|name| SegmentId::parse(name))
            .collect())
    }
}

fn offset(block: BlockNo) -> u64 {
    u64::from(block % BLOCKS_PER_SEGMENT) * PAGE_SIZE as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_round_trip() {
        for name in ["1", "16384", "16384.1", "16384_fsm", "16384_fsm.12", "9_vm"] {
            assert_eq!(SegmentId::parse(name).map(SegmentId::file_name).as_deref(), Some(name));
        }
        for name in
            ["", "x", "1.0", "01", "1_foo", "1.1.1", "-1", "+1", "1_", "99999999999999999999"]
        {
            assert_eq!(SegmentId::parse(name), None, "{name}");
        }
    }
}
