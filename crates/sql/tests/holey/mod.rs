//! A table with much waste, and what tests of VACUUM ask of it.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(missing_docs, reason = "names say it; this is no interface")]

use sql::Session;

use crate::support::Client;

/// Sends a line and answers the reply without `COLUMNS` and `READY`.
pub fn answers(session: &mut Session, line: &str) -> Vec<String> {
    let mut reply = Client::default().send(session, line);
    reply.retain(|line| !line.starts_with("COLUMNS") && !line.starts_with("READY"));
    reply
}

/// The number that a query answers.
pub fn number(session: &mut Session, query: &str) -> i64 {
    let reply = answers(session, query);
    let value = reply.first().and_then(|line| line.strip_prefix("ROW "));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{query}: {reply:?}"))
}

pub fn pages(session: &mut Session, relation: &str) -> i64 {
    number(session, &format!("SELECT pg_relation_size('{relation}') / 8192"))
}

/// A table with two indexes, of which nine rows in ten are gone.
pub const HOLEY: &str = "CREATE TABLE t (id int PRIMARY KEY, n int, s text); \
     CREATE INDEX t_n ON t (n); \
     INSERT INTO t SELECT i, i % 7, repeat('x', 200) FROM generate_series(1, 1000) i; \
     DELETE FROM t WHERE id % 10 <> 0";

pub fn all_done(reply: &[String]) {
    assert!(reply.iter().all(|line| line.starts_with("OK")), "{reply:?}");
}
