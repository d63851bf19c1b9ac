//! Noting in the slot which locks the process holds, and the assertion of their total order.
//!
//! The slot is written by its owner alone. The stores are `Release`, so whoever reads the slot of a
//! dead process sees them in the order in which they were made.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{LwLock, Mode, Rank};
use crate::proc::me;
use crate::slot::{HeldLock, encode};

/// Notes that the lock is about to be taken, which may mean waiting: its rank must be above all
/// that are held. Returns its entry.
pub(super) fn intend(lock: &'static LwLock, rank: Rank, mode: Mode) -> u64 {
    if cfg!(debug_assertions) {
        assert_order(lock, rank);
    }
    intend_try(lock, rank, mode)
}

/// Notes that the lock is about to be taken without waiting.
pub(super) fn intend_try(lock: &'static LwLock, rank: Rank, mode: Mode) -> u64 {
    let offset = crate::segment::offset_of(std::ptr::from_ref(lock).addr());
    let entry = encode(HeldLock { offset, mode, rank });
    me().lwlock_intent.store(entry, Ordering::Release);
    entry
}

/// Notes that it has been taken.
pub(super) fn taken(entry: u64) {
    let slot = me();
    let count = slot.lwlock_count.load(Ordering::Relaxed);
    if let Some(place) = find(&slot.lwlocks, count as usize, 0) {
        place.store(entry, Ordering::Release);
    }
    slot.lwlock_count.store(count + 1, Ordering::Release);
    slot.lwlock_intent.store(0, Ordering::Release);
}

/// Notes that it has been taken, or that it has not; returns which.
pub(super) fn taken_or_not(entry: u64, done: bool) -> bool {
    if done {
        taken(entry);
    } else {
        me().lwlock_intent.store(0, Ordering::Release);
    }
    done
}

/// Notes that it is about to be let go.
pub(super) fn releasing(entry: u64) {
    me().lwlock_intent.store(entry, Ordering::Release);
}

/// Notes that it has been let go. Locks may be let go in any order.
pub(super) fn released(entry: u64) {
    let slot = me();
    let count = slot.lwlock_count.load(Ordering::Relaxed).saturating_sub(1);
    if let Some(place) = find(&slot.lwlocks, count as usize, entry) {
        place.store(0, Ordering::Release);
    }
    slot.lwlock_count.store(count, Ordering::Release);
    slot.lwlock_intent.store(0, Ordering::Release);
}

/// A place with this content; most often it is the one guessed.
fn find(places: &[AtomicU64], guess: usize, content: u64) -> Option<&AtomicU64> {
    let is = |place: &&AtomicU64| place.load(Ordering::Relaxed) == content;
    places.get(guess).filter(is).or_else(|| places.iter().find(is))
}

fn assert_order(lock: &'static LwLock, rank: Rank) {
    let offset = crate::segment::offset_of(std::ptr::from_ref(lock).addr());
    for held in me().held_lwlocks() {
        assert!(held.offset != offset, "{rank:?} lock taken twice by one process");
        let in_order = held.rank < rank || (held.rank == rank && rank.allows_many());
        assert!(in_order, "{rank:?} lock taken while holding {:?}", held.rank);
    }
}
