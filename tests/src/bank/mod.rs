//! The bank test: money moves between accounts, processes are killed, the house is kept, and the sum
//! never changes, in no snapshot that anybody takes.
//!
//! ```text
//!   tellers      move money, in every form in which a transaction can be written         (teller)
//!   auditors     add it all up: in one statement; in many of one repeatable read          (auditor)
//!   housekeeper  CHECKPOINT, VACUUM, CREATE INDEX, DROP INDEX, REINDEX, ANALYZE, …        (housekeeper)
//!   rounds       kill one of the server's processes, or all, or the one that recovers     (run)
//! ```
//!
//! # What must hold
//! - Each statement of read committed sees a snapshot, and so do all statements of a repeatable read
//!   transaction together: each audit finds the same sum over the same number of accounts, whether it
//!   reads the whole table, ranges of it, groups, or one account after the other, by whatever plan.
//! - No update is lost: tellers that read balances under repeatable read and write back what they have
//!   computed would change the sum.
//! - After a crash each account is there once, the sum is what it was, the same accounts are found by
//!   every index as in the table, and the ledger has of each teller no older transfer than the last
//!   that was answered, and no younger than the last that was sent: a transfer and its line in the
//!   ledger are one transaction.
//!
//! What the server does not know yet is left out of the housekeeping: whether it knows a statement is
//! asked at the beginning of a run, and the summary tells how often each was done.

mod agreement;
pub mod auditor;
pub mod housekeeper;
pub mod order;
pub mod run;
pub mod teller;

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use crate::talk::Connect;

/// How many accounts there are.
pub const ACCOUNTS: i64 = 40;
/// What each holds in the beginning.
pub const OPENING_BALANCE: i64 = 1000;
/// What all of them hold together, always.
pub const TOTAL: i64 = ACCOUNTS * OPENING_BALANCE;

/// What the people at work in a round share.
pub struct Office {
    /// Makes a session.
    pub connect: Connect,
    /// Set when the round is over.
    pub stop: AtomicBool,
    /// What somebody saw that may not be.
    pub violations: Mutex<Vec<String>>,
    /// Whether there are savepoints.
    pub savepoints: bool,
}

impl Office {
    /// Notes what may not be.
    pub(crate) fn violation(&self, who: &str, what: &str) {
        let mut violations = self.violations.lock().expect("nobody panics with it");
        violations.push(format!("{who}: {what}"));
    }

    /// Whether the round is over, or something is wrong.
    pub(crate) fn is_closed(&self) -> bool {
        let wrong = !self.violations.lock().expect("nobody panics with it").is_empty();
        wrong || self.stop.load(std::sync::atomic::Ordering::Relaxed)
    }
}
