//! Entries of an array of fixed size: taken and given back by any process, without a lock.
//!
//! Entries never used yet are handed out by a counter, others from a stack that is linked through
//! the entries themselves. The stack's head carries a version, so that a head that went and came
//! back (the ABA problem) is not mistaken for one that stayed. Zero is: all entries unused.
//!
//! If the process dies between taking an entry and using it, the entry is lost until shared memory
//! is reset; nothing else is.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use zerocopy::FromZeros;

/// A stack of free entries and a counter of those never used.
#[derive(FromZeros)]
#[repr(C)]
pub(crate) struct Pool {
    /// Version (32 bits), index + 1 (32 bits).
    free: AtomicU64,
    fresh: AtomicU32,
    pad: AtomicU32,
}

impl Pool {
    /// An entry of an array of `length`, whose links are `next`.
    pub fn take(&self, length: usize, next: impl Fn(u32) -> u32) -> Option<u32> {
        let mut head = self.free.load(Ordering::Acquire);
        while head as u32 != 0 {
            let index = head as u32 - 1;
            let rest = (head >> 32).wrapping_add(1) << 32 | u64::from(next(index));
            match self.free.compare_exchange(head, rest, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(index),
                Err(now) => head = now,
            }
        }
        let fresh = self.fresh.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |fresh| {
            ((fresh as usize) < length).then_some(fresh + 1)
        });
        fresh.ok()
    }

    pub fn give_back(&self, index: u32, next: &AtomicU32) {
        let mut head = self.free.load(Ordering::Relaxed);
        loop {
            next.store(head as u32, Ordering::Relaxed);
            let new = (head >> 32).wrapping_add(1) << 32 | u64::from(index + 1);
            match self.free.compare_exchange(head, new, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }
}
