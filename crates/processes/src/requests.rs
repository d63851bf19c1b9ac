//! How a checkpoint is asked for, in shared memory.
//!
//! One word holds the number of checkpoints begun so far and the flags that ask for the next one,
//! so that "which checkpoint answers my request" is decided in one atomic step:
//!
//! ```text
//!  requester: fetch_or(flags)   -> sees `started` = n: the answer is checkpoint n + 1 or a later one
//!  checkpointer: swap(n + 1, no flags) -> takes every flag that was set before
//! ```
//!
//! Naively, with flags and counter in two words, a request could set its flag just after the
//! checkpointer took the flags and before it counted, and would take the checkpoint that is already
//! running, whose redo position is older than the request, for its answer.
//!
//! - Only the checkpointer moves `started`, `done` and `failed`.
//! - `done` is set to the number of the checkpoint that has ended, well or not; `failed` counts
//!   those that ended badly, and is set first.
//! - A requester publishes `CheckpointDone` as its wait event *before* it looks at `done`; the
//!   checkpointer sets `done` *before* it looks for waiters, and sets their latches. One of the two
//!   sees the other (both orders are sequentially consistent).
//! - A requester that dies leaves at most a checkpoint that nobody waits for. If the checkpointer
//!   dies, everybody is ended and the segment made new.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};

/// What a checkpoint is asked for, or what it is: flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flags(u32);

impl Flags {
    /// Because `checkpoint_timeout` has passed.
    pub const TIME: Flags = Flags(1);
    /// Because much log has been written.
    pub const WAL: Flags = Flags(2);
    /// Because someone said `CHECKPOINT`: as fast as possible, even if nothing has changed.
    pub const REQUESTED: Flags = Flags(4);
    /// The last one of a shutdown.
    pub const SHUTDOWN: Flags = Flags(8);
    /// At the end of recovery.
    pub const END_OF_RECOVERY: Flags = Flags(16);

    /// Both.
    pub fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Whether all of `other` are set.
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether nothing is asked for.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the writes are not to be spread.
    pub fn is_immediate(self) -> bool {
        self.0 & (Flags::REQUESTED.0 | Flags::SHUTDOWN.0 | Flags::END_OF_RECOVERY.0) != 0
    }

    /// Whether it is made even if nothing has been logged since the last one.
    pub fn is_forced(self) -> bool {
        self.is_immediate()
    }
}

impl std::fmt::Display for Flags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = [
            (Flags::SHUTDOWN, "shutdown"),
            (Flags::END_OF_RECOVERY, "end-of-recovery"),
            (Flags::REQUESTED, "requested"),
            (Flags::WAL, "wal"),
            (Flags::TIME, "time"),
        ];
        let set = names.iter().filter(|(flag, _)| self.contains(*flag)).map(|(_, name)| *name);
        f.write_str(&set.collect::<Vec<_>>().join(" "))
    }
}

/// The request words, in the segment.
#[repr(C, align(64))]
#[derive(zerocopy::FromZeros, Debug)]
pub struct CheckpointRequests {
    /// High half: checkpoints begun. Low half: flags that ask for the next.
    word: AtomicU64,
    /// The number of the last checkpoint that has ended.
    done: AtomicU32,
    /// How many have failed.
    failed: AtomicU32,
    /// Set by the postmaster when all others are gone: write the last checkpoint and exit.
    shutdown: AtomicU32,
    /// The slot of the checkpointer, plus one; 0 while there is none.
    server: AtomicU32,
}

/// A request that has been posted: what to wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ticket {
    started: u32,
    failed: u32,
}

/// How a request was answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Not yet.
    Pending,
    /// A checkpoint that began after the request has been completed.
    Done,
    /// A checkpoint that may have been the answer has failed.
    Failed,
}

impl CheckpointRequests {
    /// Asks for a checkpoint. The caller then wakes the checkpointer.
    pub fn post(&self, flags: Flags) -> Ticket {
        let failed = self.failed.load(SeqCst);
        let before = self.word.fetch_or(u64::from(flags.0), SeqCst);
        Ticket { started: (before >> 32) as u32, failed }
    }

    /// Whether the ticket's checkpoint has ended.
    pub fn answer(&self, ticket: Ticket) -> Answer {
        let ended = self.done.load(SeqCst).wrapping_sub(ticket.started) as i32 > 0;
        match ended {
            false => Answer::Pending,
            true if self.failed.load(SeqCst) != ticket.failed => Answer::Failed,
            true => Answer::Done,
        }
    }

    /// What is asked for at the moment.
    pub fn pending(&self) -> Flags {
        Flags(self.word.load(SeqCst) as u32)
    }

    /// Checkpointer: begins a checkpoint that answers all that has been asked until now.
    pub fn take(&self) -> Flags {
        let next = |word: u64| u64::from(((word >> 32) as u32).wrapping_add(1)) << 32;
        let before = self.word.fetch_update(SeqCst, SeqCst, |word| Some(next(word)));
        let (Ok(before) | Err(before)) = before;
        Flags(before as u32)
    }

    /// Checkpointer: the checkpoint that was begun last has ended.
    pub fn finish(&self, succeeded: bool) {
        if !succeeded {
            self.failed.fetch_add(1, SeqCst);
        }
        self.done.store((self.word.load(SeqCst) >> 32) as u32, SeqCst);
    }

    /// Postmaster: the next checkpoint is the last.
    pub fn request_shutdown(&self) {
        self.shutdown.store(1, SeqCst);
    }

    /// Whether the postmaster wants the last checkpoint.
    pub fn shutdown_requested(&self) -> bool {
        self.shutdown.load(SeqCst) != 0
    }

    /// Checkpointer: this is my slot.
    pub fn serve(&self, slot: usize) {
        self.server.store(slot as u32 + 1, SeqCst);
    }

    /// The checkpointer's slot.
    pub fn server(&self) -> Option<usize> {
        (self.server.load(SeqCst) as usize).checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::FromZeros;

    #[test]
    fn a_request_is_answered_by_a_checkpoint_that_begins_after_it() {
        let requests = CheckpointRequests::new_zeroed();
        assert!(requests.take().is_empty());
        let ticket = requests.post(Flags::REQUESTED);
        requests.finish(true);
        assert_eq!(requests.answer(ticket), Answer::Pending, "that one had begun before");
        assert_eq!(requests.take(), Flags::REQUESTED);
        assert_eq!(requests.answer(ticket), Answer::Pending);
        requests.finish(true);
        assert_eq!(requests.answer(ticket), Answer::Done);
    }

    #[test]
    fn flags_gather_until_they_are_taken() {
        let requests = CheckpointRequests::new_zeroed();
        requests.post(Flags::WAL);
        requests.post(Flags::TIME);
        assert_eq!(requests.pending(), Flags::WAL.with(Flags::TIME));
        assert_eq!(requests.take().to_string(), "wal time");
        assert!(requests.pending().is_empty());
    }

    #[test]
    fn a_failure_is_seen_by_who_asked() {
        let requests = CheckpointRequests::new_zeroed();
        let ticket = requests.post(Flags::REQUESTED);
        requests.take();
        requests.finish(false);
        assert_eq!(requests.answer(ticket), Answer::Failed);
        let ticket = requests.post(Flags::REQUESTED);
        requests.take();
        requests.finish(true);
        assert_eq!(requests.answer(ticket), Answer::Done, "an old failure is not mine");
    }

    #[test]
    fn only_spread_checkpoints_may_rest() {
        assert!(!Flags::TIME.with(Flags::WAL).is_immediate());
        assert!(Flags::TIME.with(Flags::REQUESTED).is_immediate());
        assert!(Flags::SHUTDOWN.is_immediate());
    }
}
