//! The isolation test: clients append to lists and read them in transactions, processes are killed in
//! between, and the history is checked for what the isolation levels forbid.
//!
//! ```text
//!   client ──► BEGIN ISOLATION LEVEL …; UPDATE list SET v = v || '17 ' WHERE k = 3; SELECT k, v …
//!      │
//!      └──► history: who said what when, what was answered, how it ended      (history)
//!                       │
//!     settle: what became of commits that were never answered                 (settle)
//!                       │
//!     observe: what each read saw is a beginning of the list (G1a, G1b, …)    (observe)
//!                       │
//!     graph: who must have come before whom ──► cycles ──► told in words      (graph, cycles, words)
//! ```
//!
//! # Why lists
//! A list that is only appended to tells its own past: whoever reads `[4, 1, 7]` knows that 4 was
//! appended before 1 and 1 before 7, and that nothing else was there yet. So from what the clients
//! have read follows the order of all versions of all lists, and from that which transaction must
//! have come before which: T1 before T2 if T2 appended next after T1 (*ww*), if T2 saw what T1 had
//! appended (*wr*), or if T1 did not see what T2 appended (*rw*). A history is impossible under a
//! level if these form a cycle of a kind that the level forbids.
//!
//! # What is forbidden
//! | name | what it is | at |
//! |---|---|---|
//! | G0 | a cycle of ww alone: writes interleave | both levels |
//! | G1a | somebody saw what was rolled back | both |
//! | G1b | somebody saw a state in the middle of a transaction | both |
//! | G1c | a cycle of ww and wr: two transactions saw each other | both |
//! | G-single | a cycle with one rw: something is seen, and what it builds on is not; the lost update is one | repeatable read, and each single statement of read committed |
//! | G-nonadjacent | a cycle with several rw, no two of them one after the other | the same |
//! | internal | a transaction does not see its own appends; its reads differ | both; repeatable read |
//! | stale | a commit that was answered before the snapshot is not seen | both |
//! | lost, in part, garbage, … | the lists as they are at the end do not hold what was committed | both |
//!
//! Cycles with two rw in a row (G2: write skew) are legal at repeatable read, as in PostgreSQL.
//! Transactions of both levels run side by side: a cycle counts if those whose rw it uses are of a
//! kind that sees with one snapshot, a repeatable read transaction or one statement.
//!
//! # Sources
//! Atul Adya, "Weak Consistency: A Generalized Theory and Optimistic Implementations for Distributed
//! Transactions" (thesis, MIT 1999), for the names and what they mean; Kyle Kingsbury and Peter
//! Alvaro, "Elle: Inferring Isolation Anomalies from Experimental Observations" (VLDB 2020), for
//! lists, and for finding and explaining the cycles. That what snapshot isolation forbids are the
//! cycles without two rw in a row is from Alan Fekete and others, "Making Snapshot Isolation
//! Serializable" (TODS 2005).
//!
//! # How the history is made
//! Appends are UPDATEs with and without a change of indexed columns, and INSERT … ON CONFLICT DO UPDATE;
//! reads are plain ones and such that lock rows in each of the four modes, by indexes or without them,
//! within savepoints and out of them. A housekeeper vacuums, rebuilds and drops indexes meanwhile.
//!
//! [`run`] starts clients ([`client`]) against a server, kills processes of it meanwhile (the victims
//! of the crash test), and reads all lists when everybody has ended. Commits are synchronous, so that
//! what was answered must be there.

pub mod check;
pub mod client;
pub mod cycles;
pub mod graph;
pub mod history;
mod housekeeper;
mod observe;
pub mod run;
mod settle;
#[cfg(test)]
mod tests;
mod words;
