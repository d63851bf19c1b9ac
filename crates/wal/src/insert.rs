//! Insertion: reserve with one atomic step, copy in parallel, show when done.
//!
//! The naive algorithm reads the redo position, decides which pages need images, then adds its
//! length to the insert position. Two races break it. A checkpoint may move the redo position
//! between decision and reservation: the record then lies behind the new redo position without
//! the image that redo from there needs. And a flusher may read the insert position before the
//! inserter has shown that it is still copying, and flush rubbish.
//!
//! The cure for the first: the insert word carries the *generation* of the redo position next to
//! the insert position, and the reservation is a compare-and-swap of both. A checkpoint moves the
//! redo position by raising the generation, with the same kind of swap; every decision made for
//! the generation before fails to reserve and is made again. Until the checkpointer has published
//! the position that belongs to a new generation (two stores later), inserters log images of all
//! pages: never wrong, and rare.
//!
//! The cure for the second: an inserter stores a lower bound of its reservation in its slot
//! *before* the swap, and clears it when it has copied. A flusher reads the insert word first and
//! the slots second (all sequentially consistent): whoever had swapped by then had shown itself.
//!
//! When the ring is full, whoever needs room writes it out itself; it first raises the bound in
//! its slot to what it has copied, so that nobody waits for it in a circle.

use std::sync::atomic::Ordering;

use shmem::WaitEvent;
use sys::mutant::{self, Mutant};
use types::{Lsn, SystemId};

use crate::control::Wal;
use crate::page::PageHeader;
use crate::position::{self, ALIGN, PAGE};
use crate::record::{Assembly, Record, images_needed};

const POSITION_BITS: u32 = 52;
const POSITION_MASK: u64 = (1 << POSITION_BITS) - 1;

/// The insert word taken apart.
#[derive(Clone, Copy, PartialEq, Eq)]
struct InsertWord(u64);

impl InsertWord {
    fn generation(self) -> u64 {
        self.0 >> POSITION_BITS
    }

    fn usable(self) -> u64 {
        (self.0 & POSITION_MASK) * ALIGN
    }

    fn advanced(self, length: u64) -> InsertWord {
        InsertWord(self.0 + length / ALIGN)
    }

    fn next_generation(self) -> InsertWord {
        InsertWord((self.0 & POSITION_MASK) | (self.generation() + 1) << POSITION_BITS)
    }
}

impl Wal {
    fn insert_word(&self) -> InsertWord {
        InsertWord(self.ctl.insert.0.load(Ordering::SeqCst))
    }

    fn swap_insert_word(&self, from: InsertWord, to: InsertWord) -> bool {
        let swap =
            self.ctl.insert.0.compare_exchange(from.0, to.0, Ordering::SeqCst, Ordering::SeqCst);
        swap.is_ok()
    }

    pub(crate) fn reserved_end(&self) -> Lsn {
        position::end_lsn(self.insert_word().usable())
    }

    /// Moves the redo position to the insert position and returns it. Every record at or behind
    /// it was decided on with this position in view. For the checkpointer alone.
    pub fn move_redo(&self) -> Lsn {
        loop {
            let word = self.insert_word();
            let next = word.next_generation();
            if self.swap_insert_word(word, next) {
                let redo = position::start_lsn(word.usable());
                self.ctl.redo.store(redo.0, Ordering::SeqCst);
                self.ctl.redo_generation.store(next.generation(), Ordering::SeqCst);
                return redo;
            }
        }
    }

    /// Pages with an LSN up to the result need an image now; `None`: images are switched off.
    fn image_limit(&self, word: InsertWord) -> Option<Lsn> {
        if !self.options.get().full_page_writes || mutant::on(Mutant::FullPageImagesOff) {
            return None;
        }
        let published = self.ctl.redo_generation.load(Ordering::SeqCst) == word.generation();
        Some(if published { self.redo_lsn() } else { Lsn(u64::MAX) })
    }

    /// Inserts a record and returns its end: the LSN of the pages it changed. Inside a critical
    /// section, with the pages locked and already marked dirty, after [`Wal::ensure_room`].
    pub fn insert(&self, record: &Record<'_>) -> Lsn {
        self.insert_and(record, |_| ())
    }

    /// As [`Wal::insert`]; `before_flush` runs with the record's end before any flush can pass it.
    pub fn insert_and(&self, record: &Record<'_>, before_flush: impl FnOnce(Lsn)) -> Lsn {
        let slot = shmem::proc::me();
        let system = self.system();
        let mut word = self.insert_word();
        let mut assembly = self.assemble(record, word, system);
        loop {
            let length = position::aligned(assembly.length);
            let bound = position::end_lsn(word.usable());
            slot.wal_inserting.store(bound.0, Ordering::SeqCst);
            if self.swap_insert_word(word, word.advanced(length)) {
                break;
            }
            let now = self.insert_word();
            if images_needed(record, self.image_limit(now)) != assembly.images {
                assembly = self.assemble(record, now, system);
            }
            word = now;
        }
        let end = self.copy_in(&mut assembly, word.usable());
        before_flush(end);
        self.finish_insertion();
        self.count(&assembly);
        end
    }

    fn assemble<'a>(
        &self,
        record: &Record<'a>,
        word: InsertWord,
        system: SystemId,
    ) -> Assembly<'a> {
        let images = images_needed(record, self.image_limit(word));
        Assembly::new(record, images, self.options.get().compress, system)
    }

    fn count(&self, assembly: &Assembly<'_>) {
        let stats = &self.ctl.stats;
        let bytes = position::aligned(assembly.length);
        let images = u64::from(assembly.images.count_ones());
        stats.records.add(1);
        stats.bytes.add(bytes);
        if images != 0 {
            stats.images.add(images);
        }
        let mut own = self.own.get();
        own.records += 1;
        own.images += images;
        own.bytes += bytes;
        self.own.set(own);
    }

    fn copy_in(&self, assembly: &mut Assembly<'_>, usable: u64) -> Lsn {
        let start = position::start_lsn(usable);
        let length = position::aligned(assembly.length);
        assembly.place(start);
        let mut cursor = Cursor { wal: self, at: start.0, length, left: length };
        let page = position::page_start(start);
        cursor.enter_page(start.0 == page + position::header_size(page));
        for piece in assembly.pieces() {
            cursor.write(piece);
        }
        cursor.write(&[0; ALIGN as usize][..(length - assembly.length) as usize]);
        debug_assert_eq!(cursor.left, 0);
        position::end_lsn(usable + length)
    }

    fn finish_insertion(&self) {
        shmem::proc::me().wal_inserting.store(0, Ordering::SeqCst);
        self.wake_insertion_waiters();
    }

    fn wake_insertion_waiters(&self) {
        if self.ctl.insert_waiters.load(Ordering::SeqCst) != 0 {
            self.ctl.insert_event.fetch_add(1, Ordering::SeqCst);
            sys::futex::wake_all(&self.ctl.insert_event);
        }
    }

    /// Up to where every reservation has been copied in.
    pub(crate) fn insertions_done(&self) -> Lsn {
        let mut done = self.reserved_end().0;
        // A process without a slot in the segment (`init`) has a private one.
        for slot in self.procs.iter().chain([shmem::proc::me()]) {
            let bound = slot.wal_inserting.load(Ordering::SeqCst);
            if bound != 0 {
                done = done.min(bound);
            }
        }
        Lsn(done)
    }

    /// Waits until everything before `upto` is copied in; returns how far everything is.
    /// `upto` must not lie past the insert position.
    pub(crate) fn wait_for_insertions(&self, upto: Lsn) -> Lsn {
        let done = self.insertions_done();
        if done >= upto {
            return done;
        }
        let ctl = self.ctl;
        ctl.insert_waiters.fetch_add(1, Ordering::SeqCst);
        let done = loop {
            let event = ctl.insert_event.load(Ordering::SeqCst);
            let done = self.insertions_done();
            if done >= upto {
                break done;
            }
            let _wait = shmem::proc::me().waiting(WaitEvent::WalInsertFinish);
            sys::futex::wait(&ctl.insert_event, event, None);
        };
        ctl.insert_waiters.fetch_sub(1, Ordering::SeqCst);
        done
    }
}

/// Copies a reserved stretch into the ring, page by page.
struct Cursor<'a> {
    wal: &'a Wal,
    at: u64,
    /// Bytes of the whole stretch.
    length: u64,
    /// Bytes still to come, for the "remaining" of page headers.
    left: u64,
}

impl Cursor<'_> {
    fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.at.is_multiple_of(PAGE) {
                self.at += position::header_size(self.at);
                self.enter_page(true);
            }
            let room = (PAGE - self.at % PAGE) as usize;
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.page().store_at((self.at % PAGE) as usize, now);
            self.at += now.len() as u64;
            self.left -= now.len() as u64;
            bytes = later;
        }
    }

    fn page(&self) -> &'static shmem::SharedPage {
        &self.wal.ring[(self.at / PAGE) as usize % self.wal.ring.len()]
    }

    /// Makes sure that the page's old content is written; its first inserter adds the header.
    fn enter_page(&mut self, first: bool) {
        let page_start = self.at - self.at % PAGE;
        self.wait_for_room(page_start);
        if !first {
            return;
        }
        let header = PageHeader {
            timeline: self.wal.timeline(),
            address: page_start,
            flushed: self.wal.flush_lsn(),
            remaining: if self.left < self.length { self.left as u32 } else { 0 },
        };
        let bytes = header.encode(self.wal.system());
        self.page().store_at(0, &bytes[..position::header_size(page_start) as usize]);
    }

    fn wait_for_room(&self, page_start: u64) {
        let wal = self.wal;
        let ring_bytes = wal.ring.len() as u64 * PAGE;
        let Some(needed) = (page_start + PAGE).checked_sub(ring_bytes) else { return };
        if wal.write_lsn().0 >= needed {
            return;
        }
        wal.ctl.stats.buffers_full.add(1);
        shmem::proc::me().wal_inserting.store(page_start, Ordering::SeqCst);
        wal.wake_insertion_waiters();
        wal.write_out(Lsn(needed));
    }
}
