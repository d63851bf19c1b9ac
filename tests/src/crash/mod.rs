//! The crash test: clients write, something kills the server, and what comes back is judged.
//!
//! # The load
//! N clients, each a thread with a session ([`load`]), run transactions one after another. Client 3
//! owns tables that only it writes, and shares three with all the others:
//!
//! | table | what a transaction does to it |
//! |---|---|
//! | `c3_a`, `c3_t`, `c3_d17`… | INSERT, COPY, UPDATE, DELETE, TRUNCATE, CREATE, DROP ([`planner`], [`step`]) |
//! | `account` | moves an amount from one row to another, as all clients do: conflicts, deadlocks |
//! | `progress` | sets its own row to the transaction's number |
//! | `log` | inserts a row: the number, the moves, and the highest numbers of the others that it has seen |
//!
//! Because a client is alone on its tables and goes one transaction at a time, what they must hold
//! after its transaction `n` can be computed ([`history`]). Because every transaction leaves its
//! number in `progress` and a row in `log`, the server's tables say which transactions are there.
//!
//! # The judgement
//! Each attempt at a transaction ends in one of four ways: *acknowledged* (its commit was answered),
//! *rolled back* (it was told so, or never said COMMIT), *in doubt* (the commit was sent, the
//! connection died), or, under `synchronous_commit = off` only, *lost*: acknowledged, and gone
//! after a crash that came at most three `wal_writer_delay`s later. Each attempt knows the attempt
//! whose state it was built upon, its parent. What is found is right ([`oracle`]) when
//! - the number in `progress` is an attempt's, and on its chain of parents stands every attempt that
//!   must be there, and none that was rolled back;
//! - the client's tables, to the row, are what that chain leaves, and there is no other table;
//! - `log` holds one row for each attempt on the chain, with what it wrote, and no other row;
//! - `account` holds the opening balances and the moves of exactly those rows;
//! - a number that a row of `log` has seen of another client is there as well: so what is lost is
//!   a suffix of the order of commits across clients, not only of each;
//! - what any client has ever read as committed by a synchronous client is there;
//! - every file under `base/` belongs to a row of `pg_class`, and every such row has its file.
//!
//! # How the crash is made
//! [`rounds`] kills processes with SIGKILL. Nothing in the load, the histories or the oracle knows
//! that: a power cut can use them as they are, with [`oracle::Judgement::horizon_ns`] as the moment
//! from which acknowledgements promise nothing, because the image is of an earlier time.

pub mod attempt;
pub mod conversation;
pub mod found;
pub mod history;
pub mod load;
pub mod oracle;
pub mod order;
pub mod planner;
pub mod rounds;
pub mod step;
pub mod victim;
mod worker;
