//! How buffers are written, evicted, forgotten and filled, and in which order pages are changed:
//! the steps, apart from what they run on, so that they can be model-checked.
//!
//! # Writing
//! Own the buffer's I/O, copy the page under its *exclusive* lock, let go of the lock, flush the
//! log up to the copy's LSN, write, ask for the file's sync, and only then call the buffer clean,
//! unless it was changed meanwhile ("just dirtied").
//!
//! Why exclusive for a mere copy: setters of hints hold the lock shared, and between their look at
//! the redo position and their store no copy may be taken. The lock is held for the copy only, not
//! for the flush or the write, so nobody waits for the disk.
//!
//! # Changing
//! The pages are dirty before the record is in: a checkpoint that takes its redo position behind
//! the record then sees them dirty. The log holds the record before any page with its LSN can be
//! written, because writing flushes the log up to there.
//!
//! # Hints
//! All under the shared content lock: look at the redo position, mark dirty, look again, store the
//! hint. A checkpoint that moves the redo position after the second look finds the page dirty and
//! writes it; no copy for writing is taken in between, since that takes the exclusive lock. If the
//! second look fails, the page stays dirty though its bytes have not changed: harmless.

use sys::mutant::{self, Mutant};
use types::Lsn;

use crate::state::{CHECKPOINT, DIRTY, IO, State, TAG_VALID, VALID, Word};

/// A pinned buffer and what its writer needs. The tests put a model in its place.
pub(crate) trait Buffer {
    type Word: Word;
    /// The page under its exclusive content lock.
    type Locked<'a>
    where
        Self: 'a;
    /// The lock of the part of the table in which the buffer stands.
    type Table<'a>
    where
        Self: 'a;
    /// A private copy of the page.
    type Copy;
    type Error;

    fn state(&self) -> &State<Self::Word>;

    /// Notes, for all to see, whether this process owns the buffer's I/O or is about to.
    fn note_io(&self, owned: bool);
    /// Asks `over` until it answers: at once, and after each end of the buffer's I/O.
    fn await_io_end(&self, over: impl FnMut() -> Option<()>);
    /// Makes those who wait for the end of the I/O look again.
    fn io_has_ended(&self);

    /// Locks the page exclusively; without patience only if that needs no waiting.
    fn lock(&self, patient: bool) -> Option<Self::Locked<'_>>;
    /// Copies the page and lets go of the lock.
    fn copy(&self, locked: Self::Locked<'_>) -> Self::Copy;
    /// Makes the log durable up to the copy's LSN.
    fn flush_log(&self, copy: &Self::Copy) -> Result<(), Self::Error>;
    /// Writes the copy to the page's file.
    fn store(&self, copy: &mut Self::Copy) -> Result<(), Self::Error>;
    /// Asks for the sync of the page's file.
    fn request_sync(&self) -> Result<(), Self::Error>;

    /// Locks the table where the buffer's tag belongs.
    fn lock_table(&self) -> Self::Table<'_>;
    /// Takes the buffer out of the table.
    fn remove(&self, table: Self::Table<'_>);
}

/// Becomes the one who does I/O on a buffer; or waits for the end of another's and returns `false`.
pub(crate) fn begin_io(buffer: &impl Buffer) -> bool {
    buffer.note_io(true);
    if buffer.state().own_io() {
        return true;
    }
    buffer.note_io(false);
    buffer.await_io_end(|| (!buffer.state().has(IO)).then_some(()));
    false
}

/// Ends this process's I/O on a buffer; `outcome` is VALID if it brought the page in.
pub(crate) fn end_io(buffer: &impl Buffer, outcome: u32) {
    buffer.state().end_io(outcome);
    buffer.note_io(false);
    buffer.io_has_ended();
}

/// Brings the page into the buffer by `fill`, or waits for whoever is doing so.
pub(crate) fn make_valid<B: Buffer>(
    buffer: &B,
    mut fill: impl FnMut() -> Result<(), B::Error>,
) -> Result<(), B::Error> {
    while !buffer.state().has(VALID) {
        if !begin_io(buffer) {
            continue;
        }
        let filled = if buffer.state().has(VALID) { Ok(()) } else { fill() };
        end_io(buffer, if filled.is_ok() { VALID } else { 0 });
        filled?;
    }
    Ok(())
}

/// Writes the page if it is dirty: `Some(true)`. `Some(false)`: it was clean. `None`: someone else
/// is at it; with `patient`, only because another's I/O has just ended.
pub(crate) fn write<B: Buffer>(buffer: &B, patient: bool) -> Result<Option<bool>, B::Error> {
    if !begin_io(buffer) {
        return Ok(None);
    }
    let written = write_owned(buffer, patient);
    end_io(buffer, 0);
    written
}

fn write_owned<B: Buffer>(buffer: &B, patient: bool) -> Result<Option<bool>, B::Error> {
    let Some(locked) = buffer.lock(patient) else { return Ok(None) };
    if !buffer.state().begin_copy() {
        return Ok(Some(false));
    }
    let mut copy = buffer.copy(locked);
    if !mutant::on(Mutant::PageBeforeItsWal) {
        buffer.flush_log(&copy)?;
    }
    buffer.store(&mut copy)?;
    buffer.request_sync()?;
    buffer.state().end_copy();
    Ok(Some(true))
}

/// Writes a page that is due for the checkpoint, unless somebody has written it since; `pin` pins
/// its buffer if the state is the wanted one. Returns whether it was written here.
pub(crate) fn write_due<B: Buffer>(
    pin: impl Fn(fn(u32) -> bool) -> Result<Option<B>, B::Error>,
) -> Result<bool, B::Error> {
    let due = |state: u32| state & CHECKPOINT != 0 && state & TAG_VALID != 0;
    while let Some(buffer) = pin(due)? {
        if let Some(written) = write(&buffer, true)? {
            return Ok(written);
        }
    }
    Ok(false)
}

/// Makes a buffer give up its page. `false`: someone else wants it.
pub(crate) fn evict<B: Buffer>(buffer: &B) -> Result<bool, B::Error> {
    let state = buffer.state();
    if state.has(DIRTY) && write(buffer, false)?.is_none() {
        return Ok(false);
    }
    if !state.has(TAG_VALID) {
        return Ok(state.give_up_page());
    }
    let table = buffer.lock_table();
    let gone = state.give_up_page();
    if gone {
        buffer.remove(table);
    }
    Ok(gone)
}

/// Makes a buffer give up its page, dirty or not. `false`: someone else is at it. For pages that
/// nobody needs any more; a checkpointer or bgwriter may be writing it.
pub(crate) fn discard<B: Buffer>(buffer: &B) -> Result<bool, B::Error> {
    if !begin_io(buffer) {
        return Ok(false);
    }
    buffer.state().forget_changes();
    end_io(buffer, 0);
    evict(buffer)
}

/// Pages of a change, each under its exclusive content lock.
pub(crate) trait Changing {
    fn mark_dirty(&self);
    fn set_lsn(&mut self, lsn: Lsn);
}

impl<P: Changing> Changing for [P] {
    fn mark_dirty(&self) {
        self.iter().for_each(P::mark_dirty);
    }

    fn set_lsn(&mut self, lsn: Lsn) {
        self.iter_mut().for_each(|page| page.set_lsn(lsn));
    }
}

/// The heart of the recipe of changes: what is done to the pages, and its record.
pub(crate) fn change<P: Changing + ?Sized>(
    pages: &mut P,
    apply: impl FnOnce(&mut P),
    log: impl FnOnce(&P) -> Lsn,
) -> Lsn {
    apply(pages);
    pages.mark_dirty();
    let lsn = log(pages);
    pages.set_lsn(lsn);
    lsn
}

/// Whether hints may be stored; the page is dirty then. `covered` says whether the log holds an
/// image of the page behind the redo position. Under the shared content lock.
pub(crate) fn allow_hints(state: &State<impl Word>, covered: impl Fn() -> bool) -> bool {
    let covered = || covered() || mutant::on(Mutant::HintWithoutImage);
    if !covered() {
        return false;
    }
    state.mark_dirty();
    covered()
}

#[cfg(test)]
mod model;
