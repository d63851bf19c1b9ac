//! What this process holds, for the transaction and for the session.
//!
//! ```text
//!  tag -> Held { holder, transaction modes, session counts, place in the slot }
//!  log:  (A, RowExclusive) (B, AccessShare) ...      modes of the transaction, in order
//! ```
//!
//! A mode is held while either owner has it. The session takes a mode as often as it likes and must
//! let it go as often; the transaction takes it once. The log says what a transaction took since
//! some moment ([`LockManager::mark`]), so that a part of it can be undone.
//!
//! The truth is in the table and in the process's slot, both shared; this spares looking there, and
//! counts what nobody else needs to know. It belongs to one process: a forked child that takes on
//! another slot begins with nothing.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::Ordering;

use shmem::{HEAVY_LOCK_SLOTS, proc};

use super::manager::{LockManager, LockOwner};
use super::mode::{LockMode, Modes};
use super::tag::LockTag;

/// Where the slot's word of modes tells which of them the session holds.
pub const SESSION_MODES_SHIFT: u32 = 16;

/// A share in a lock.
#[derive(Clone, Copy)]
pub(super) struct Held {
    pub holder: u32,
    /// What the transaction has.
    transaction: Modes,
    /// How often the session has each mode.
    session: [u32; 8],
    /// Its place in the slot's list; [`HEAVY_LOCK_SLOTS`]: it found no room there.
    in_slot: usize,
}

impl Held {
    fn session_modes(&self) -> Modes {
        let counted = |mode: &LockMode| self.session[mode.index()] > 0;
        LockMode::ALL.into_iter().filter(counted).fold(Modes::default(), Modes::with)
    }

    pub fn modes(&self) -> Modes {
        Modes(self.transaction.0 | self.session_modes().0)
    }
}

/// Takes over the hash that a tag has of itself ([`LockTag::hash`]): every statement looks a few
/// times for the same few tags.
#[derive(Default)]
struct OwnHash(u64);

impl Hasher for OwnHash {
    fn write(&mut self, _: &[u8]) {
        unreachable!("a tag hashes to one number");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What a process holds.
#[derive(Default)]
pub(super) struct HeldLocks {
    /// Whose they are, + 1.
    process: Cell<u32>,
    shares: RefCell<HashMap<LockTag, Held, BuildHasherDefault<OwnHash>>>,
    /// What the transaction took, in order.
    log: RefCell<Vec<(LockTag, LockMode)>>,
    /// Which places of the slot's list are taken, one bit each.
    places: Cell<u64>,
}

const _: () = assert!(HEAVY_LOCK_SLOTS == u64::BITS as usize);

impl HeldLocks {
    /// Forgets what a parent process held before the fork.
    pub fn belong_to(&self, process: u32) {
        if self.process.replace(process + 1) != process + 1 {
            self.shares.borrow_mut().clear();
            self.log.borrow_mut().clear();
            self.places.set(0);
        }
    }

    pub fn modes(&self, tag: LockTag) -> Modes {
        self.shares.borrow().get(&tag).map_or(Modes::default(), Held::modes)
    }

    pub fn session_has(&self, tag: LockTag, mode: LockMode) -> bool {
        self.shares.borrow().get(&tag).is_some_and(|held| held.session[mode.index()] > 0)
    }

    /// Gives an owner a mode that the process holds already; `false`: it does not hold it.
    pub fn take_again(&self, owner: LockOwner, tag: LockTag, mode: LockMode) -> bool {
        let mut shares = self.shares.borrow_mut();
        let Some(held) = shares.get_mut(&tag).filter(|held| held.modes().has(mode)) else {
            return false;
        };
        self.add(held, owner, tag, mode);
        true
    }

    /// Notes that a mode was granted, here and in the slot.
    pub fn note(&self, owner: LockOwner, tag: LockTag, mode: LockMode, holder: u32) {
        let mut shares = self.shares.borrow_mut();
        let held = shares.entry(tag).or_insert_with(|| {
            let in_slot = self.places.get().trailing_ones() as usize;
            self.places.set(self.places.get() | 1u64.checked_shl(in_slot as u32).unwrap_or(0));
            Held { holder, transaction: Modes::default(), session: [0; 8], in_slot }
        });
        self.add(held, owner, tag, mode);
        let count = shares.len() as u32;
        proc::me().heavy_lock_count.store(count, Ordering::Relaxed);
    }

    fn add(&self, held: &mut Held, owner: LockOwner, tag: LockTag, mode: LockMode) {
        match owner {
            LockOwner::Session => held.session[mode.index()] += 1,
            LockOwner::Transaction if held.transaction.has(mode) => return,
            LockOwner::Transaction => {
                held.transaction = held.transaction.with(mode);
                self.log.borrow_mut().push((tag, mode));
            }
        }
        show(tag, held);
    }

    /// How much the transaction has taken so far.
    pub fn mark(&self) -> usize {
        self.log.borrow().len()
    }

    /// Takes from the transaction what it took last, unless that was before `mark`.
    pub fn pop(&self, mark: usize) -> Option<(LockTag, LockMode)> {
        let mut log = self.log.borrow_mut();
        let (tag, mode) = if log.len() > mark { log.pop() } else { None }?;
        if let Some(held) = self.shares.borrow_mut().get_mut(&tag) {
            held.transaction = held.transaction.without(mode);
        }
        Some((tag, mode))
    }

    /// Takes a mode from the session once; `false`: it does not have it.
    pub fn take_from_session(&self, tag: LockTag, mode: LockMode) -> bool {
        let mut shares = self.shares.borrow_mut();
        let Some(held) = shares.get_mut(&tag) else { return false };
        let count = &mut held.session[mode.index()];
        let had = *count > 0;
        *count = count.saturating_sub(1);
        had
    }

    /// Takes everything of a kind from the session: what, in no order.
    pub fn take_all_from_session(&self, which: impl Fn(LockTag) -> bool) -> Vec<LockTag> {
        let mut shares = self.shares.borrow_mut();
        let chosen = shares
            .iter_mut()
            .filter(|(tag, held)| which(**tag) && !held.session_modes().is_empty());
        let chosen = chosen.map(|(tag, held)| {
            held.session = [0; 8];
            *tag
        });
        chosen.collect()
    }

    /// The share, and which modes of it somebody still has.
    pub fn share(&self, tag: LockTag) -> Option<(u32, Modes)> {
        self.shares.borrow().get(&tag).map(|held| (held.holder, held.modes()))
    }

    /// Brings the slot up to date after modes were released, and forgets a share without any.
    pub fn released(&self, tag: LockTag) {
        let mut shares = self.shares.borrow_mut();
        let Some(held) = shares.get(&tag).copied() else { return };
        show(tag, &held);
        if held.modes().is_empty() {
            shares.remove(&tag);
            let place = 1u64.checked_shl(held.in_slot as u32).unwrap_or(0);
            self.places.set(self.places.get() & !place);
            let count = shares.len() as u32;
            proc::me().heavy_lock_count.store(count, Ordering::Relaxed);
        }
    }
}

/// Shows a share in the slot.
fn show(tag: LockTag, held: &Held) {
    let Some(place) = proc::me().heavy_locks.get(held.in_slot) else { return };
    let [kind, number] = tag.words();
    place.tag_high.store(kind, Ordering::Relaxed);
    place.tag_low.store(number, Ordering::Relaxed);
    let session = u64::from(held.session_modes().0) << SESSION_MODES_SHIFT;
    place.modes.store(u64::from(held.modes().0) | session, Ordering::Release);
}

impl LockManager {
    /// A moment of the transaction, for [`LockManager::release_since`].
    pub fn mark(&self) -> usize {
        self.held().mark()
    }

    /// Releases what the transaction has taken since `mark` and did not have before.
    pub fn release_since(&self, mark: usize) {
        let held = self.held();
        while let Some((tag, _)) = held.pop(mark) {
            self.release_what_nobody_has(tag);
        }
    }

    /// Releases everything that the transaction holds. What the session holds stays.
    pub fn release_all(&self) {
        self.release_since(0);
    }

    /// Lets go of a mode that the session has taken, once. `false`: it has not.
    pub fn release_for_session(&self, tag: LockTag, mode: LockMode) -> bool {
        let had = self.held().take_from_session(tag, mode);
        if had {
            self.release_what_nobody_has(tag);
        }
        had
    }

    /// Lets go of all that the session holds of a kind, however often it has taken it.
    pub fn release_session(&self, which: impl Fn(LockTag) -> bool) {
        for tag in self.held().take_all_from_session(which) {
            self.release_what_nobody_has(tag);
        }
    }

    /// Whether the session holds the lock in that mode.
    pub fn session_holds(&self, tag: LockTag, mode: LockMode) -> bool {
        self.held().session_has(tag, mode)
    }
}
