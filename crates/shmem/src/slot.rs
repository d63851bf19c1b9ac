//! The slot of a process: all that it holds and awaits, in shared memory, for all to see.
//!
//! Protected by nothing: each field is an atomic that its owner alone writes, unless it says
//! otherwise. Readers (the views, deadlock detection, horizons) take what they find.
//!
//! - What is about to be taken is noted before the atomic step that takes it (an intent), what has
//!   been taken after it, and only then is the intent cleared. So when the process dies at any
//!   point, whatever it may hold is in its slot, once or twice but never not at all.
//! - The arrays are bounded; what does not fit is counted all the same, so a count beyond the
//!   entries there are says that the slot does not tell everything.

use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};

use zerocopy::FromZeros;

use crate::lwlock::{Mode, Rank};
use crate::{Latch, ProcKind, SessionState, SharedText, WaitEvent};

/// LWLocks that a slot can note as held.
pub const LWLOCK_SLOTS: usize = 32;
/// Pins of buffers that a slot can note.
pub const PIN_SLOTS: usize = 32;
/// Heavyweight locks that a slot can note as held.
pub const HEAVY_LOCK_SLOTS: usize = 64;
/// Words in which a process tells how far a long command is.
pub const PROGRESS_WORDS: usize = 16;
/// Files that a slot can note as created.
pub const CREATED_FILE_SLOTS: usize = 64;

/// A heavyweight lock that the process holds.
#[derive(FromZeros, Debug)]
#[repr(C)]
pub struct HeavyLock {
    /// The first half of the lock's tag; the lock manager says what is in it.
    pub tag_high: AtomicU64,
    /// The second half.
    pub tag_low: AtomicU64,
    /// One bit for each mode held; 0 means that the entry is free.
    pub modes: AtomicU64,
}

/// An LWLock that a slot says is held or about to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeldLock {
    /// Where in the segment (or the address, when it is not in it).
    pub offset: u64,
    /// How.
    pub mode: Mode,
    /// Its place in the total order.
    pub rank: Rank,
}

/// What a process holds and awaits.
#[derive(FromZeros)]
#[repr(C, align(128))]
pub struct ProcSlot {
    /// Its pid; 0 while it is not known. Also written by the postmaster.
    pub pid: AtomicI32,
    /// [`ProcKind`]. Written by the postmaster.
    pub kind: AtomicU8,
    /// [`SessionState`].
    pub state: AtomicU8,
    pad: [AtomicU8; 2],
    /// To wake it by.
    pub latch: Latch,
    /// Non-zero when the postmaster has found it dead and nobody has cleaned up yet.
    pub dead: AtomicU32,
    /// [`WaitEvent`] that it waits for.
    pub wait_event: AtomicU32,
    /// How many critical sections it is inside of.
    pub critical: AtomicU32,
    /// When the wait began, by the monotonic clock, in nanoseconds.
    pub wait_since: AtomicU64,

    /// When the process began, in microseconds since 2000.
    pub backend_start: AtomicI64,
    /// When its transaction began; 0 when there is none.
    pub xact_start: AtomicI64,
    /// When its last statement began.
    pub query_start: AtomicI64,
    /// When `state` changed last.
    pub state_change: AtomicI64,

    /// The id of its transaction; 0 when there is none.
    pub xid: AtomicU64,
    /// How many transactions the processes of this slot have begun: with the slot's number it names
    /// a transaction that has no id. Not cleared between two processes.
    pub local_xid: AtomicU64,
    /// Where its COMMIT record ends, from when that is in the log until the commit is complete.
    pub commit_lsn: AtomicU64,
    /// No snapshot of its needs rows that died before this xid; 0 when it has no snapshot.
    pub snapshot_xmin: AtomicU64,
    /// Its oldest snapshot, or one before that, sees the synchronous commits up to this position.
    pub snapshot_flush: AtomicU64,
    /// The same snapshot sees the asynchronous commits up to this position.
    pub snapshot_async: AtomicU64,
    /// The transaction whose end it waits for.
    pub waiting_xid: AtomicU64,
    /// The heavyweight lock that it waits for: tag (two words) and mode.
    pub waiting_lock: [AtomicU64; 3],

    /// LWLocks held, 0 for a free entry: see [`ProcSlot::held_lwlocks`].
    pub lwlocks: [AtomicU64; LWLOCK_SLOTS],
    /// How many LWLocks it holds.
    pub lwlock_count: AtomicU32,
    /// The buffer that it reads or writes just now, + 1.
    pub io_buffer: AtomicU32,
    /// The LWLock about to be taken or released; 0 for none.
    pub lwlock_intent: AtomicU64,

    /// Pinned buffers: number + 1 in the low half; what is in the high half (such as the mark of a
    /// buffer about to be pinned) is for the buffers' room to say. 0 is free.
    pub pins: [AtomicU64; PIN_SLOTS],
    /// 0, or a lower bound of the position in the log that it has reserved and not yet filled.
    pub wal_inserting: AtomicU64,

    /// Heavyweight locks held.
    pub heavy_locks: [HeavyLock; HEAVY_LOCK_SLOTS],
    /// How many heavyweight locks it holds.
    pub heavy_lock_count: AtomicU32,
    /// How many files its transaction has created.
    pub created_file_count: AtomicU32,
    /// The files that its transaction has created (relation file numbers).
    pub created_files: [AtomicU64; CREATED_FILE_SLOTS],

    /// How far its long command is: the first word says which kind it is, 0 none; the room that
    /// runs it says what is in the others.
    pub progress: [AtomicU64; PROGRESS_WORDS],

    query: SharedText<32>,
    client: SharedText<8>,
    user: SharedText<8>,
    application: SharedText<8>,
}

const _: () = assert!(align_of::<ProcSlot>() == 128);
const _: () = assert!(size_of::<ProcSlot>().is_multiple_of(128) && size_of::<ProcSlot>() <= 4096);

impl std::fmt::Debug for ProcSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProcSlot")
            .field("pid", &self.pid)
            .field("kind", &self.kind())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl ProcSlot {
    /// What kind of process has the slot.
    pub fn kind(&self) -> ProcKind {
        ProcKind::from_number(self.kind.load(Ordering::Acquire))
    }

    /// Says whose slot it is. For the postmaster.
    pub fn set_kind(&self, kind: ProcKind) {
        self.kind.store(kind as u8, Ordering::Release);
    }

    /// What the session is doing.
    pub fn state(&self) -> SessionState {
        SessionState::from_number(self.state.load(Ordering::Relaxed))
    }

    /// Notes what the session does from now on.
    pub fn set_state(&self, state: SessionState) {
        self.state.store(state as u8, Ordering::Relaxed);
        self.state_change.store(sys::clock::wall_micros_since_2000(), Ordering::Relaxed);
    }

    /// What it waits for.
    pub fn wait_event(&self) -> WaitEvent {
        WaitEvent::from_number(self.wait_event.load(Ordering::Relaxed))
    }

    /// Notes that it waits for `event` until the guard is dropped.
    pub fn waiting(&'static self, event: WaitEvent) -> WaitGuard {
        let before = self.wait_event.swap(event as u32, Ordering::Relaxed);
        self.wait_since.store(sys::clock::monotonic_ns(), Ordering::Relaxed);
        WaitGuard { slot: self, before }
    }

    /// Notes the statement.
    pub fn set_query(&self, text: &str) {
        self.query.set(text);
    }

    /// The statement that it executes, or executed last (its first 256 bytes).
    pub fn query(&self) -> String {
        self.query.get()
    }

    /// Notes where the client is.
    pub fn set_client(&self, address: &str) {
        self.client.set(address);
    }

    /// Where the client is; empty for background processes.
    pub fn client(&self) -> String {
        self.client.get()
    }

    /// Notes who the client is.
    pub fn set_user(&self, user: &str) {
        self.user.set(user);
    }

    /// Who the client is; empty for background processes.
    pub fn user(&self) -> String {
        self.user.get()
    }

    /// Notes what the client calls itself.
    pub fn set_application(&self, name: &str) {
        self.application.set(name);
    }

    /// What the client calls itself (`application_name`).
    pub fn application(&self) -> String {
        self.application.get()
    }

    /// The LWLocks that it holds, as far as they are noted, in no order.
    pub fn held_lwlocks(&self) -> impl Iterator<Item = HeldLock> + '_ {
        self.lwlocks.iter().filter_map(|entry| decode(entry.load(Ordering::Acquire)))
    }

    /// The LWLock that it is about to take or to release.
    pub fn intended_lwlock(&self) -> Option<HeldLock> {
        decode(self.lwlock_intent.load(Ordering::Acquire))
    }

    /// Whether it holds nothing that others could wait for: so a process may end.
    pub fn holds_nothing(&self) -> bool {
        self.lwlock_count.load(Ordering::Acquire) == 0
            && self.lwlock_intent.load(Ordering::Relaxed) == 0
            && self.io_buffer.load(Ordering::Relaxed) == 0
            && self.wal_inserting.load(Ordering::Relaxed) == 0
            && self.critical.load(Ordering::Relaxed) == 0
            && self.xid.load(Ordering::Relaxed) == 0
            && self.heavy_lock_count.load(Ordering::Relaxed) == 0
            && self.pins.iter().all(|pin| pin.load(Ordering::Relaxed) == 0)
    }

    /// Makes everything but `kind` zero. For the postmaster, when nobody has the slot.
    pub(crate) fn clear(&self) {
        for word in [&self.dead, &self.wait_event, &self.critical, &self.lwlock_count] {
            word.store(0, Ordering::Relaxed);
        }
        for word in [&self.io_buffer, &self.heavy_lock_count] {
            word.store(0, Ordering::Relaxed);
        }
        self.created_file_count.store(0, Ordering::Relaxed);
        self.pid.store(0, Ordering::Relaxed);
        self.state.store(0, Ordering::Relaxed);
        self.latch.word().store(0, Ordering::Relaxed);
        for time in [&self.backend_start, &self.xact_start, &self.query_start, &self.state_change] {
            time.store(0, Ordering::Relaxed);
        }
        let heavy = self.heavy_locks.iter().flat_map(|l| [&l.tag_high, &l.tag_low, &l.modes]);
        let single = [
            &self.wait_since,
            &self.xid,
            &self.commit_lsn,
            &self.snapshot_xmin,
            &self.snapshot_flush,
            &self.snapshot_async,
            &self.waiting_xid,
            &self.lwlock_intent,
            &self.wal_inserting,
        ];
        let arrays = self.waiting_lock.iter().chain(&self.lwlocks).chain(&self.pins);
        let arrays = arrays.chain(&self.progress);
        for word in arrays.chain(&self.created_files).chain(heavy).chain(single) {
            word.store(0, Ordering::Relaxed);
        }
        self.query.set("");
        self.client.set("");
        self.user.set("");
        self.application.set("");
    }
}

/// Takes back what [`ProcSlot::waiting`] noted.
#[derive(Debug)]
#[must_use = "the wait ends when this is dropped"]
pub struct WaitGuard {
    slot: &'static ProcSlot,
    before: u32,
}

impl Drop for WaitGuard {
    fn drop(&mut self) {
        self.slot.wait_event.store(self.before, Ordering::Relaxed);
    }
}

/// An entry of `lwlocks`: offset in the low 48 bits, then the rank (8 bits), then the mode.
pub(crate) fn encode(lock: HeldLock) -> u64 {
    lock.offset & OFFSET_MASK | (lock.rank as u64) << 48 | (lock.mode as u64) << 56
}

const OFFSET_MASK: u64 = (1 << 48) - 1;

/// What an entry says; `None` for 0 or nonsense.
pub(crate) fn decode(entry: u64) -> Option<HeldLock> {
    let mode = match entry >> 56 {
        1 => Mode::Shared,
        2 => Mode::Exclusive,
        _ => return None,
    };
    let rank = Rank::from_number((entry >> 48) as u8)?;
    Some(HeldLock { offset: entry & OFFSET_MASK, mode, rank })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_locks_lead_back() {
        for mode in [Mode::Shared, Mode::Exclusive] {
            let lock = HeldLock { offset: OFFSET_MASK - 7, mode, rank: Rank::WalWrite };
            assert_eq!(decode(encode(lock)), Some(lock));
        }
        for nonsense in [0, u64::MAX, 1 << 56, 3 << 56 | 10 << 48] {
            assert_eq!(decode(nonsense), None);
        }
    }

    #[test]
    fn whatever_is_held_is_noticed() {
        let slot = ProcSlot::new_zeroed();
        assert!(slot.holds_nothing());
        let words = [&slot.lwlock_count, &slot.io_buffer, &slot.critical];
        for word in words.into_iter().chain([&slot.heavy_lock_count]) {
            word.store(1, Ordering::Relaxed);
            assert!(!slot.holds_nothing());
            word.store(0, Ordering::Relaxed);
        }
        for word in [&slot.lwlock_intent, &slot.wal_inserting, &slot.xid, &slot.pins[31]] {
            word.store(1, Ordering::Relaxed);
            assert!(!slot.holds_nothing());
            word.store(0, Ordering::Relaxed);
        }
        assert!(slot.holds_nothing());
    }
}
