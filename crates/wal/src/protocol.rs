//! The protocol of insertion and flush, apart from what it runs on, so that it can be
//! model-checked.
//!
//! # Reserving
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
//!
//! # Flushing
//!
//! Whoever needs the log durable up to a position takes the write lock, or waits for the holder
//! and finds, as a rule, that the holder's flush covered it: a group commit with a leader and
//! followers. The leader takes along all that is complete when it begins, so that under load one
//! sync serves many commits.
//!
//! Nobody waits for insertions while holding the write lock: an inserter that needs room in the
//! ring takes that lock itself. So wait first, then lock; what was complete once stays complete.
//! The lowest unfinished inserter thus waits for nobody but the holder, who waits for the disk
//! only.
//!
//! Only bytes between `write` and what is complete are written; a byte once written is never
//! written again, so a torn sector can't damage what was durable before.
//!
//! What if the process dies holding the lock: what it wrote is written, and `write` and `flush`
//! were advanced only after the fact, so whoever repeats the work does no harm.

use sys::mutant::{self, Mutant};
use types::Lsn;

use crate::cursor::Cursor;
use crate::ground::{Log, Word};
use crate::position::{self, ALIGN, PAGE, SEGMENT_SIZE};

/// The most bytes handed to one write.
const WRITE_MAX: u64 = 1 << 20;

const POSITION_BITS: u32 = 52;
const POSITION_MASK: u64 = (1 << POSITION_BITS) - 1;

/// What is inserted.
pub(crate) trait Entry {
    /// Decides which images it carries, with this redo position in view, and says how long that
    /// makes it. Asked again if the redo position moves before the reservation.
    fn decide(&mut self, redo: Lsn) -> u64;
    /// Writes all of it, beginning at `start`, which has come to be its position.
    fn copy<L: Log>(&mut self, start: Lsn, cursor: &mut Cursor<'_, L>);
}

/// The insert word taken apart.
#[derive(Clone, Copy)]
struct InsertWord(u64);

impl InsertWord {
    fn of(log: &impl Log) -> InsertWord {
        InsertWord(log.words().insert.get())
    }

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

/// The end of what has been reserved.
pub(crate) fn reserved_end(log: &impl Log) -> Lsn {
    position::end_lsn(InsertWord::of(log).usable())
}

/// Moves the redo position to the insert position and returns it.
pub(crate) fn move_redo(log: &impl Log) -> Lsn {
    let words = log.words();
    loop {
        let word = InsertWord::of(log);
        let next = word.next_generation();
        if words.insert.exchange(word.0, next.0) {
            let redo = position::start_lsn(word.usable());
            words.redo.set(redo.0);
            words.redo_generation.set(next.generation());
            return redo;
        }
    }
}

/// The redo position that belongs to the insert word; not published yet: later than everything.
fn redo_in_view(log: &impl Log, word: InsertWord) -> Lsn {
    let words = log.words();
    let published = words.redo_generation.get() == word.generation();
    Lsn(if published { words.redo.get() } else { u64::MAX })
}

/// Inserts an entry and returns its end. `before_flush` runs with it before a flush can pass it.
pub(crate) fn insert(
    log: &impl Log,
    entry: &mut impl Entry,
    before_flush: impl FnOnce(Lsn),
) -> Lsn {
    let (usable, length) = reserve(log, entry);
    let start = position::start_lsn(usable);
    let mut cursor = Cursor::new(log, start, length);
    entry.copy(start, &mut cursor);
    cursor.fill_up();
    let end = position::end_lsn(usable + length);
    before_flush(end);
    raise_bound(log, 0);
    end
}

/// Reserves room for the entry: the usable position and the aligned length.
fn reserve(log: &impl Log, entry: &mut impl Entry) -> (u64, u64) {
    loop {
        let word = InsertWord::of(log);
        let length = position::aligned(entry.decide(redo_in_view(log, word)));
        log.own_bound().set(position::end_lsn(word.usable()).0);
        if log.words().insert.exchange(word.0, word.advanced(length).0) {
            return (word.usable(), length);
        }
    }
}

/// Shows that everything before `bound` is copied; 0: everything that was reserved.
fn raise_bound(log: &impl Log, bound: u64) {
    log.own_bound().set(bound);
    log.bound_has_risen();
}

/// Makes sure that the old content of a page's place in the ring is written. For whoever has
/// reserved the page and has copied everything before it.
pub(crate) fn make_room(log: &impl Log, page_start: u64) {
    let Some(needed) = (page_start + PAGE).checked_sub(log.ring_bytes()) else { return };
    if log.words().write.get() < needed {
        log.count_ring_full();
        raise_bound(log, page_start);
        write_out(log, Lsn(needed));
    }
}

/// Up to where every reservation has been copied in.
fn insertions_done(log: &impl Log) -> Lsn {
    let reserved = reserved_end(log).0;
    let bounds = log.bounds().map(Word::get).filter(|&bound| bound != 0);
    Lsn(bounds.fold(reserved, u64::min))
}

/// Waits until everything before `upto` is copied in; returns how far everything is.
/// `upto` must not lie past the insert position.
pub(crate) fn wait_for_insertions(log: &impl Log, upto: Lsn) -> Lsn {
    let done = || Some(insertions_done(log)).filter(|&done| done >= upto);
    done().unwrap_or_else(|| log.await_insertions(done))
}

/// Returns when the log is durable up to `upto`, which must not lie past the insert position.
pub(crate) fn flush(log: &impl Log, upto: Lsn) {
    let flushed = || log.words().flush.get() >= upto.0;
    let done = wait_for_insertions(log, upto);
    loop {
        let lock = log.lock_or_wait();
        if flushed() || mutant::on(Mutant::FollowerAnsweredEarly) && lock.is_none() {
            return;
        }
        if let Some(guard) = lock {
            log.gather(upto);
            write_locked(log, &guard, done.max(insertions_done(log)));
            sync_locked(log, &guard);
            return;
        }
    }
}

/// Hands the log up to at least `upto` to the operating system.
fn write_out(log: &impl Log, upto: Lsn) {
    let done = wait_for_insertions(log, upto);
    let guard = log.lock();
    if log.words().write.get() < upto.0 {
        write_locked(log, &guard, done.max(insertions_done(log)));
    }
}

/// Writes what is complete if nobody else is writing, and syncs if `sync_after` bytes or more are
/// not durable. Returns whether there was anything to write.
pub(crate) fn write_behind(log: &impl Log, sync_after: u64) -> bool {
    let done = insertions_done(log);
    if done.0 <= log.words().write.get() {
        return false;
    }
    if let Some(guard) = log.try_lock() {
        write_locked(log, &guard, done);
        // Somebody may have written and flushed past `done` before the lock was ours.
        if done.0.saturating_sub(log.words().flush.get()) >= sync_after {
            sync_locked(log, &guard);
        }
    }
    true
}

/// Writes everything up to `upto`, all of it copied in. Crossing into the next segment syncs the
/// one before, so that a sync never needs to touch more than one file.
fn write_locked<L: Log>(log: &L, guard: &L::Guard, upto: Lsn) {
    let write = log.words().write;
    let mut at = write.get();
    while at < upto.0 {
        let segment_end = (position::segment_of(Lsn(at)) + 1) * SEGMENT_SIZE;
        let end = upto.0.min(segment_end).min(at + WRITE_MAX);
        log.write(at, end);
        at = end;
        write.set(at);
        if at == segment_end {
            sync_locked(log, guard);
        }
    }
}

/// Makes what is written durable and advances `flush`.
fn sync_locked<L: Log>(log: &L, _guard: &L::Guard) {
    let words = log.words();
    let written = words.write.get();
    if words.flush.get() < written {
        log.sync(written);
        words.flush.set(written);
    }
}

#[cfg(test)]
mod model;
