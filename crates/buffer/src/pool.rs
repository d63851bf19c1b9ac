//! The buffer pool: pages of relation files in shared memory.
//!
//! ```text
//! read(tag) ── hash table ──hit──> pin ──────────────────────────────> Pin
//!                  │miss
//!                  └─> victim (clock) ─> write if dirty ─> old tag out, new tag in ─> read ─> Pin
//! ```
//!
//! Invariants:
//! - A buffer with a pin keeps its tag; one that is dirty is written before it loses it.
//! - A buffer is in the hash table exactly while "tag valid" is set.
//! - At most one process does I/O on a buffer; who needs the result waits for its end.
//! - WAL before data: only `write.rs` writes pages.
//!
//! What if the process dies: pins and the I/O show in its slot; shared memory is reset.

use std::cell::Cell;
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use shmem::{Layout, LwLock, Rank, RegionId, Segment, SharedPage, WaitEvent};
use types::{BlockNo, BufferTag, Fork, PAGE_SIZE, RelFileNumber};
use wal::Wal;
use zerocopy::FromZeros;

use crate::checksum;
use crate::clock::{ClockSweep, Ring};
use crate::descriptor::{BufferDescriptor, BufferInfo};
use crate::error::Error;
use crate::files::RelationFiles;
use crate::frame::{self, PageRead, PageWrite};
use crate::mapping::{Mapping, MappingRegions};
use crate::page::{PageAccess, PageBytes};
use crate::protocol::{self, Buffer};
use crate::state::{IO, PINS, TAG_VALID, USAGE, USAGE_ONE};
use crate::stats::BufferStats;
use crate::sync_queue::{SyncQueue, SyncQueueRegions};

/// Locks under which relations grow, chosen by hash.
const EXTENSION_LOCKS: usize = 64;

#[derive(FromZeros)]
#[repr(C)]
pub(crate) struct ExtensionLock {
    lock: LwLock,
}

/// Where the pool's regions lie in the segment.
#[derive(Clone, Copy)]
pub struct BufferRegions {
    descriptors: RegionId<BufferDescriptor>,
    frames: RegionId<SharedPage>,
    mapping: MappingRegions,
    clock: RegionId<ClockSweep>,
    stats: RegionId<BufferStats>,
    extension: RegionId<ExtensionLock>,
    sync_queue: SyncQueueRegions,
}

impl BufferRegions {
    /// Reserves room for a pool of `buffers` pages (16 or more).
    pub fn reserve(layout: &mut Layout, buffers: usize) -> Self {
        BufferRegions {
            descriptors: layout.region("Buffer Descriptors", buffers),
            frames: layout.pages("Buffer Blocks", buffers),
            mapping: MappingRegions::reserve(layout, buffers),
            clock: layout.region("Buffer Strategy Status", 1),
            stats: layout.region("Buffer Statistics", 1),
            extension: layout.region("Relation Extension Locks", EXTENSION_LOCKS),
            sync_queue: SyncQueueRegions::reserve(layout),
        }
    }
}

/// The pool, as one process works with it.
pub struct BufferPool {
    pub(crate) descriptors: &'static [BufferDescriptor],
    pub(crate) frames: &'static [SharedPage],
    pub(crate) mapping: Mapping,
    pub(crate) clock: &'static ClockSweep,
    pub(crate) stats: &'static BufferStats,
    extension: &'static [ExtensionLock],
    pub(crate) sync_queue: SyncQueue,
    pub(crate) files: RelationFiles,
    pub(crate) wal: Rc<Wal>,
    /// Pages that this process found in the pool, and that it brought in.
    own: Cell<(u64, u64)>,
    /// Pages that this process has made differ from disk.
    own_dirtied: Cell<u64>,
}

/// A page that stays where it is until this is dropped.
pub struct Pin<'a> {
    pub(crate) pool: &'a BufferPool,
    pub(crate) id: usize,
    entry: usize,
}

/// How a page comes into its buffer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fill {
    /// From disk; a damaged page or the end of the file is an error.
    Read,
    /// Zeros: whoever asks makes the page anew.
    Zero,
}

/// Marks a pin entry whose pin is being taken or given up. The entry is stored with `Release`, and
/// the step on the buffer's state between two such stores is one that orders them: whoever sees the
/// pin sees the entry.
const PIN_INTENT: u64 = 1 << 32;

impl BufferPool {
    /// The pool in this segment, over the files of the data directory.
    pub fn new(segment: &Segment, regions: BufferRegions, data_dir: &Path, wal: Rc<Wal>) -> Self {
        let descriptors = segment.slice(regions.descriptors);
        BufferPool {
            descriptors,
            frames: segment.slice(regions.frames),
            mapping: Mapping::new(segment, regions.mapping, descriptors),
            clock: segment.one(regions.clock),
            stats: segment.one(regions.stats),
            extension: segment.slice(regions.extension),
            sync_queue: SyncQueue::new(segment, regions.sync_queue),
            files: RelationFiles::new(data_dir),
            wal,
            own: Cell::default(),
            own_dirtied: Cell::default(),
        }
    }

    /// How many pages this process has found in the pool, and how many it has brought in.
    pub fn own_hits_and_reads(&self) -> (u64, u64) {
        self.own.get()
    }

    /// How many clean pages this process has dirtied.
    pub fn own_dirtied(&self) -> u64 {
        self.own_dirtied.get()
    }

    /// The log that guards the pages.
    pub fn wal(&self) -> &Rc<Wal> {
        &self.wal
    }

    /// The relation files beneath.
    pub fn files(&self) -> &RelationFiles {
        &self.files
    }

    /// How many buffers there are.
    pub fn buffers(&self) -> usize {
        self.descriptors.len()
    }

    /// Counters of the pool.
    pub fn stats(&self) -> &'static BufferStats {
        self.stats
    }

    /// Every buffer, for `pg_buffercache`.
    pub fn infos(&self) -> impl Iterator<Item = BufferInfo> + '_ {
        self.descriptors.iter().enumerate().map(|(id, descriptor)| descriptor.info(id))
    }

    /// Blocks of the fork; no file: none.
    pub fn nblocks(&self, rel: RelFileNumber, fork: Fork) -> Result<BlockNo, Error> {
        Ok(self.files.blocks(rel, fork)?)
    }

    /// Pins a page, reading it if need be. A page of the free space map that is damaged comes as
    /// zeros: it holds hints only.
    pub fn read(&self, tag: BufferTag) -> Result<Pin<'_>, Error> {
        self.read_with(tag, None)
    }

    /// As [`BufferPool::read`], for a page that is not what the process works on: it does not count
    /// among [its own](BufferPool::own_hits_and_reads).
    pub fn read_aside(&self, tag: BufferTag) -> Result<Pin<'_>, Error> {
        let own = self.own.get();
        let pin = self.read(tag);
        self.own.set(own);
        pin
    }

    /// As [`BufferPool::read`], if the page is in memory.
    pub fn read_cached(&self, tag: BufferTag) -> Result<Option<Pin<'_>>, Error> {
        let Some(pin) = self.pin_existing(tag, false)? else { return Ok(None) };
        protocol::make_valid(&pin, || self.fill_frame(&pin, Fill::Read))?;
        Ok(Some(pin))
    }

    /// As [`BufferPool::read`]; on a miss the buffer is taken from the ring, so that a scan of a
    /// large table doesn't drive everything else out.
    pub fn read_with(&self, tag: BufferTag, ring: Option<&Ring>) -> Result<Pin<'_>, Error> {
        let pin = self.pin(tag, ring)?;
        protocol::make_valid(&pin, || self.fill_frame(&pin, Fill::Read))?;
        Ok(pin)
    }

    /// Pins a page that the caller makes anew, whatever stands on disk: redo of a record with an
    /// image. The file is extended to hold it.
    pub fn read_zeroed(&self, tag: BufferTag) -> Result<Pin<'_>, Error> {
        self.extend_to(tag)?;
        let pin = self.pin(tag, None)?;
        protocol::make_valid(&pin, || self.fill_frame(&pin, Fill::Zero))?;
        Ok(pin)
    }

    /// Pins a page, extending the file with zeros if it ends before it.
    pub fn read_or_create(&self, tag: BufferTag) -> Result<Pin<'_>, Error> {
        self.extend_to(tag)?;
        self.read(tag)
    }

    /// Adds a page of zeros at the end of the fork and pins it.
    pub fn extend(&self, rel: RelFileNumber, fork: Fork) -> Result<Pin<'_>, Error> {
        self.extend_by(rel, fork, 1)
    }

    /// Adds `count` pages of zeros at the end of the fork and pins the first. The others are
    /// there for anyone to find.
    pub fn extend_by(&self, rel: RelFileNumber, fork: Fork, count: u32) -> Result<Pin<'_>, Error> {
        let first = {
            let _guard = self.extension_lock(rel, fork).exclusive(Rank::RelationExtend);
            let first = self.nblocks(rel, fork)?;
            first.checked_add(count).ok_or(Error::TooLarge(rel))?;
            self.files.extend(rel, fork, first, count)?;
            first
        };
        self.read(BufferTag { rel, fork, block: first })
    }

    fn extend_to(&self, tag: BufferTag) -> Result<(), Error> {
        if tag.block < self.nblocks(tag.rel, tag.fork)? {
            return Ok(());
        }
        let _guard = self.extension_lock(tag.rel, tag.fork).exclusive(Rank::RelationExtend);
        let blocks = self.nblocks(tag.rel, tag.fork)?;
        if tag.block >= blocks {
            if blocks == 0 {
                self.files.create(tag.rel, tag.fork)?;
            }
            self.files.extend(tag.rel, tag.fork, blocks, tag.block - blocks + 1)?;
        }
        Ok(())
    }

    fn extension_lock(&self, rel: RelFileNumber, fork: Fork) -> &'static LwLock {
        &self.extension[(rel.0 as usize * 3 + fork as usize) % EXTENSION_LOCKS].lock
    }

    /// Pins the buffer of a page, giving it one if it has none. The page may not be valid yet.
    fn pin(&self, tag: BufferTag, ring: Option<&Ring>) -> Result<Pin<'_>, Error> {
        let chain = self.mapping.chain(tag);
        if let Some(pin) = self.pin_existing(tag, ring.is_none())? {
            self.stats.hits.add(1);
            let (hits, reads) = self.own.get();
            self.own.set((hits + 1, reads));
            return Ok(pin);
        }
        let victim = self.victim(ring)?;
        let descriptor = &self.descriptors[victim.id];
        descriptor.set_tag(tag);
        let lock = self.mapping.lock(chain).exclusive(Rank::BufferMapping);
        if self.mapping.find(chain, tag).is_some() {
            // Somebody was faster. The victim is free again, found by the next who looks.
            drop(lock);
            drop(victim);
            return self.pin(tag, ring);
        }
        descriptor.state.take_page();
        self.mapping.insert(chain, victim.id);
        drop(lock);
        self.stats.reads.add(1);
        let (hits, reads) = self.own.get();
        self.own.set((hits, reads + 1));
        Ok(victim)
    }

    fn pin_existing(&self, tag: BufferTag, use_it: bool) -> Result<Option<Pin<'_>>, Error> {
        let chain = self.mapping.chain(tag);
        let _lock = self.mapping.lock(chain).shared(Rank::BufferMapping);
        let Some(id) = self.mapping.find(chain, tag) else { return Ok(None) };
        self.pin_id(id, use_it, |_| true)
    }

    /// Pins a buffer by its number if its state is `wanted`, whatever page it holds.
    pub(crate) fn pin_id(
        &self,
        id: usize,
        use_it: bool,
        wanted: impl Fn(u32) -> bool,
    ) -> Result<Option<Pin<'_>>, Error> {
        let slot = shmem::proc::me();
        let free = |pin: &std::sync::atomic::AtomicU64| pin.load(Ordering::Relaxed) == 0;
        let entry = slot.pins.iter().position(free).ok_or(Error::TooManyPins)?;
        slot.pins[entry].store(PIN_INTENT | (id as u64 + 1), Ordering::Release);
        if !self.descriptors[id].state.pin(use_it, wanted) {
            slot.pins[entry].store(0, Ordering::Release);
            return Ok(None);
        }
        slot.pins[entry].store(id as u64 + 1, Ordering::Release);
        Ok(Some(Pin { pool: self, id, entry }))
    }

    /// A pinned buffer without a page, taken from the clock or the ring.
    fn victim(&self, ring: Option<&Ring>) -> Result<Pin<'_>, Error> {
        let mut patience = self.clock.patience(self.buffers());
        loop {
            let from_ring = ring.and_then(Ring::next);
            let id = match from_ring {
                Some(id) => id,
                None => self.clock.next_victim(self.descriptors, &mut patience)?,
            };
            let idle = |state: u32| {
                state & (PINS | IO) == 0 && (from_ring.is_none() || state & USAGE <= USAGE_ONE)
            };
            let Some(pin) = self.pin_id(id, false, idle)? else {
                ring.into_iter().for_each(Ring::give_up);
                continue;
            };
            if protocol::evict(&pin)? {
                self.stats.allocated.add(1);
                ring.into_iter().for_each(|ring| ring.took(id));
                return Ok(pin);
            }
            ring.into_iter().for_each(Ring::give_up);
        }
    }

    fn fill_frame(&self, pin: &Pin<'_>, fill: Fill) -> Result<(), Error> {
        let tag = pin.tag();
        let mut page = PageBytes([0; PAGE_SIZE]);
        if fill == Fill::Read {
            let _wait = shmem::proc::me().waiting(WaitEvent::DataFileRead);
            let hints_only = tag.fork == Fork::Fsm;
            if !self.files.read(tag, &mut page)? {
                if !hints_only {
                    return Err(Error::PastEnd(tag));
                }
                page = PageBytes::default();
            }
            if !checksum::verify(tag, &page) {
                self.stats.checksum_failures.add(1);
                if !hints_only {
                    return Err(Error::BadPage(tag));
                }
                page = PageBytes::default();
            }
            // WAL before data: nothing on disk is further than the log. While recovery replays, it
            // looks at such pages itself, once it knows where the log ends.
            let (lsn, end) = (page.lsn(), self.wal.insert_lsn());
            if lsn > end && !hints_only && !self.wal.is_replaying() {
                return Err(Error::PageAhead { tag, lsn, end });
            }
        }
        frame::fill(&self.frames[pin.id], &page);
        Ok(())
    }

    /// Forgets all pages of a relation that is gone, dirty or not. Nobody uses it any more.
    pub fn drop_buffers(&self, rel: RelFileNumber) -> Result<(), Error> {
        self.forget(|tag| tag.rel == rel)?;
        self.sync_queue.forget(rel);
        self.files.close(rel);
        Ok(())
    }

    /// Cuts a fork off behind `blocks` blocks: buffers first, then the file.
    pub fn truncate(&self, rel: RelFileNumber, fork: Fork, blocks: BlockNo) -> Result<(), Error> {
        self.forget(|tag| tag.rel == rel && tag.fork == fork && tag.block >= blocks)?;
        Ok(self.files.truncate(rel, fork, blocks)?)
    }

    /// Gives the space of these blocks back: their buffers are forgotten, dirty or not, and they read
    /// as zeros from then on. Nobody needs them any more; who still reads one may see it as it was at
    /// any time.
    pub fn punch(
        &self,
        rel: RelFileNumber,
        fork: Fork,
        blocks: Range<BlockNo>,
    ) -> Result<(), Error> {
        if blocks.is_empty() {
            return Ok(());
        }
        self.forget(|tag| tag.rel == rel && tag.fork == fork && blocks.contains(&tag.block))?;
        Ok(self.files.punch(rel, fork, blocks)?)
    }

    fn forget(&self, which: impl Fn(BufferTag) -> bool) -> Result<(), Error> {
        for (id, descriptor) in self.descriptors.iter().enumerate() {
            let held = |state: u32| state & TAG_VALID != 0;
            while held(descriptor.state.get()) && which(descriptor.tag()) {
                let Some(pin) = self.pin_id(id, false, held)? else { break };
                if !which(pin.tag()) {
                    break;
                }
                if !protocol::discard(&pin)? {
                    drop(pin);
                    std::thread::yield_now();
                }
            }
        }
        Ok(())
    }
}

impl<'a> Pin<'a> {
    /// Which page it is.
    pub fn tag(&self) -> BufferTag {
        self.pool.descriptors[self.id].tag()
    }

    /// The buffer's number.
    pub fn id(&self) -> usize {
        self.id
    }

    /// The page under its shared lock.
    pub fn shared(&self) -> PageRead<'_> {
        let lock = self.content().shared(Rank::BufferContent);
        PageRead::new(self, &self.pool.frames[self.id], lock)
    }

    /// The page under its exclusive lock.
    pub fn exclusive(&self) -> PageWrite<'_> {
        let lock = self.content().exclusive(Rank::BufferContent);
        PageWrite::new(self, &self.pool.frames[self.id], lock)
    }

    /// The page under its exclusive lock, if that is free.
    pub fn try_exclusive(&self) -> Option<PageWrite<'_>> {
        let lock = self.content().try_exclusive(Rank::BufferContent)?;
        Some(PageWrite::new(self, &self.pool.frames[self.id], lock))
    }

    fn content(&self) -> &'static LwLock {
        &self.pool.descriptors[self.id].content
    }

    /// Notes that the page differs from disk. Under its content lock.
    pub(crate) fn mark_dirty(&self) {
        if self.state().mark_dirty() {
            self.pool.own_dirtied.set(self.pool.own_dirtied.get() + 1);
        }
    }
}

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        let entry = &shmem::proc::me().pins[self.entry];
        entry.store(PIN_INTENT | (self.id as u64 + 1), Ordering::Release);
        self.state().unpin();
        entry.store(0, Ordering::Release);
    }
}
