//! LWLocks: locks on structures in shared memory, held for a short time.
//!
//! Shared or exclusive, without deadlock detection: what prevents deadlocks is the total order
//! ([`Rank`]), asserted in debug builds. How the lock works is told in `core`.
//!
//! ```text
//!  intent := lock        noted in the slot
//!  take it (perhaps sleep)
//!  held += lock; n += 1; intent := 0
//!    ...
//!  intent := lock
//!  let go of it, wake the sleepers
//!  held -= lock; n -= 1; intent := 0
//! ```
//!
//! A process that dies at any point of this leaves in its slot what it may have held. A guard is
//! dropped by the process that took it; a forked child leaves by `_exit` and drops nothing.

mod core;
mod rank;
mod record;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, Ordering};

use sys::futex;
use zerocopy::FromZeros;

use self::core::Class;
pub use rank::Rank;

/// How a lock is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Mode {
    /// Together with others that hold it shared.
    Shared = 1,
    /// Alone.
    Exclusive = 2,
}

/// A lock in shared memory. Zero is: free.
#[derive(FromZeros, Debug, Default)]
#[repr(C, align(64))]
pub struct LwLock {
    word: AtomicU32,
    pad: [AtomicU32; 15],
}

const _: () = assert!(size_of::<LwLock>() == 64);

/// The real thing under the algorithm: an atomic word and the kernel's futex.
impl core::Word for AtomicU32 {
    fn load(&self) -> u32 {
        AtomicU32::load(self, Ordering::Relaxed)
    }

    fn swap_if(&self, old: u32, new: u32) -> Result<(), u32> {
        self.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed).map(|_| ())
    }

    fn sleep(&self, expected: u32, class: Class) -> bool {
        futex::wait_class(self, expected, futex_class(class)) == futex::Wake::Woken
    }

    fn wake(&self, class: Class, count: u32) -> usize {
        futex::wake_class(self, count, futex_class(class))
    }
}

fn futex_class(class: Class) -> futex::Class {
    let bits = match class {
        Class::Readers => 1,
        Class::Writers => 2,
        Class::Observers => 4,
    };
    futex::Class::new(bits).expect("not zero")
}

impl LwLock {
    /// Takes it shared, waiting if need be.
    pub fn shared(&'static self, rank: Rank) -> SharedGuard {
        let entry = record::intend(self, rank, Mode::Shared);
        if !core::try_shared(&self.word) {
            let _waiting = crate::proc::me().waiting(rank.wait_event());
            core::wait_shared(&self.word);
        }
        record::taken(entry);
        SharedGuard::new(self, entry)
    }

    /// Takes it exclusively, waiting if need be.
    pub fn exclusive(&'static self, rank: Rank) -> ExclusiveGuard {
        let entry = record::intend(self, rank, Mode::Exclusive);
        if !core::try_exclusive(&self.word) {
            let _waiting = crate::proc::me().waiting(rank.wait_event());
            core::wait_exclusive(&self.word);
        }
        record::taken(entry);
        ExclusiveGuard::new(self, entry)
    }

    /// Takes it shared if that needs no waiting; the order of ranks need not be kept.
    pub fn try_shared(&'static self, rank: Rank) -> Option<SharedGuard> {
        let entry = record::intend_try(self, rank, Mode::Shared);
        let done = core::try_shared(&self.word);
        record::taken_or_not(entry, done).then(|| SharedGuard::new(self, entry))
    }

    /// Takes it exclusively if that needs no waiting; the order of ranks need not be kept.
    pub fn try_exclusive(&'static self, rank: Rank) -> Option<ExclusiveGuard> {
        let entry = record::intend_try(self, rank, Mode::Exclusive);
        let done = core::try_exclusive(&self.word);
        record::taken_or_not(entry, done).then(|| ExclusiveGuard::new(self, entry))
    }

    /// Takes it exclusively if it is free. If not, waits until it has been let go once and returns
    /// `None`: the holder may have done what the caller wanted, which it checks before it comes
    /// again.
    pub fn acquire_or_wait(&'static self, rank: Rank) -> Option<ExclusiveGuard> {
        if let Some(guard) = self.try_exclusive(rank) {
            return Some(guard);
        }
        let entry = record::intend(self, rank, Mode::Exclusive);
        let done = {
            let _waiting = crate::proc::me().waiting(rank.wait_event());
            core::acquire_or_wait(&self.word)
        };
        record::taken_or_not(entry, done).then(|| ExclusiveGuard::new(self, entry))
    }

    /// Whether anybody holds it just now.
    pub fn is_held(&self) -> bool {
        self.word.load(Ordering::Relaxed) & (core::EXCLUSIVE | core::COUNT) != 0
    }

    /// Whether anybody holds it exclusively just now.
    pub fn is_held_exclusively(&self) -> bool {
        self.word.load(Ordering::Relaxed) & core::EXCLUSIVE != 0
    }

    /// Wakes everybody who waits for it to look again. For whoever cleans up after a process that
    /// died waiting for this lock.
    pub fn wake_after_death(&self) {
        core::repair(&self.word);
    }
}

/// Holds a lock shared until it is dropped.
#[derive(Debug)]
#[must_use = "the lock is let go when this is dropped"]
pub struct SharedGuard {
    lock: &'static LwLock,
    entry: u64,
    not_send: PhantomData<*const ()>,
}

/// Holds a lock exclusively until it is dropped.
#[derive(Debug)]
#[must_use = "the lock is let go when this is dropped"]
pub struct ExclusiveGuard {
    lock: &'static LwLock,
    entry: u64,
    not_send: PhantomData<*const ()>,
}

impl SharedGuard {
    fn new(lock: &'static LwLock, entry: u64) -> Self {
        SharedGuard { lock, entry, not_send: PhantomData }
    }
}

impl ExclusiveGuard {
    fn new(lock: &'static LwLock, entry: u64) -> Self {
        ExclusiveGuard { lock, entry, not_send: PhantomData }
    }
}

impl Drop for SharedGuard {
    fn drop(&mut self) {
        record::releasing(self.entry);
        core::release_shared(&self.lock.word);
        record::released(self.entry);
    }
}

impl Drop for ExclusiveGuard {
    fn drop(&mut self) {
        record::releasing(self.entry);
        core::release_exclusive(&self.lock.word);
        record::released(self.entry);
    }
}
