//! Scripts with several sessions, played against a running server, with their answers beside them.
//!
//! ```text
//! Two transactions, the second of which waits.        anything else is a comment
//! setup: CREATE TABLE t (a int)                        NAME: statement; a name is a session
//! < CREATE TABLE                                       what it answered
//! t1: BEGIN; DELETE FROM t
//! < BEGIN
//! < DELETE 0
//! t2: TRUNCATE t
//! < waits                                              it has not answered: it waits for a lock
//! t1: COMMIT
//! < COMMIT
//! < t2: TRUNCATE TABLE                                 what another session answered, now released
//! t1 to its end: UPDATE …                              waited for though it waits: a timeout, or a
//!                                                      deadlock, ends it
//! t3 ends t2: SELECT pg_cancel_backend(…)              ends a wait, though not at once: the step is
//!                                                      over when both have answered
//! t1 leaves                                            closes its connection
//! ```
//!
//! An answer is the rows (values with `|` between them, `NULL`), the tags, notices with their
//! SQLSTATE, and an error with SQLSTATE and message. No names of columns, no details, hints or
//! positions: those are pinned elsewhere, and here the answers of two servers are compared.
//!
//! Each script is played against this server, and what it answered is written beside it
//! (`MAMONT_GOLDEN=write`). Where PostgreSQL is installed it plays the same scripts and must give
//! the same answers to the letter. A script that PostgreSQL could not play, or plays otherwise, says
//! so in a line `only here: why`. One that is ahead of this server says what is missing in a line
//! `not yet here: what`: its answers are PostgreSQL's, and playing it here is skipped with that word.
//!
//! A statement is judged to wait when the server says that its process waits for a lock that
//! somebody holds, never because some time has passed: so a slow machine changes nothing. Of several
//! sessions that a step releases, the one that began to wait first is told first.

mod player;
mod postgresql;
mod script;
mod session;
mod this_server;

pub use player::play;
pub use postgresql::PostgresHost;
pub use script::{Line, not_yet_here, only_here, read};
pub use session::{Host, Speaker};
pub use this_server::MamontHost;
