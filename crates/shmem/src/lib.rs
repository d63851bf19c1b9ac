//! What the server's processes share: one segment of memory and the things that live in it.
//!
//! | module | what it is |
//! |---|---|
//! | `layout`, `segment` | the segment, its header and its table of regions |
//! | `page` | 8 KB of bytes that several processes may touch |
//! | `lwlock` | locks for short times, and their total order ([`Rank`]) |
//! | `latch` | waking another process |
//! | `event` | waiting, without a lock, for what others bring about |
//! | `slot`, `procarray`, [`proc`] | what each process holds, for all to see |
//! | `counter` | statistics |
//!
//! Invariants:
//! - The segment is made by the postmaster before it forks; children inherit the mapping at the
//!   same address, so `&'static` references into it are good in all of them, for life.
//! - Everything in it is `#[repr(C)]`, consists of atomics (or of [`SharedPage`], behind whose
//!   methods other rooms keep their locks) and is valid when all its bytes are zero.
//! - What a process holds stands in its [`ProcSlot`], with the intent written before the step that
//!   makes it true: see `docs/locking.md`.
//! - When a process dies abnormally, nothing here is repaired: the postmaster ends all others and
//!   calls [`Segment::reset`].

mod counter;
mod critical;
mod error;
mod event;
mod kind;
mod latch;
mod layout;
mod lwlock;
mod page;
pub mod proc;
mod procarray;
mod segment;
mod slot;
mod text;
mod wait_event;

pub use counter::Counter;
pub use critical::{CriticalSection, enter_critical, leave_critical};
pub use error::Error;
pub use event::Event;
pub use kind::{ProcKind, SessionState};
pub use latch::{Latch, Woken};
pub use layout::{Layout, RegionId};
pub use lwlock::{ExclusiveGuard, LwLock, Mode, Rank, SharedGuard};
pub use page::SharedPage;
pub use procarray::ProcArray;
pub use segment::{RegionInfo, Segment};
pub use slot::{
    CREATED_FILE_SLOTS, HEAVY_LOCK_SLOTS, HeavyLock, HeldLock, LWLOCK_SLOTS, PIN_SLOTS, ProcSlot,
    WaitGuard,
};
pub use text::SharedText;
pub use wait_event::WaitEvent;

#[cfg(test)]
mod testing;
