//! Point reads and point updates: one random row of a table, found by its primary key.

use std::io::Write;

use clap::{Args, ValueEnum};

use super::clients::{self, Clients, Session, Work};
use super::{Common, report, scatter};
use crate::error::Error;

const TABLE: &str = "bench_point";

/// What `bench point` is told.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    clients: Clients,

    /// What is done to a row
    #[arg(long, value_enum, default_value_t = Kind::Read)]
    kind: Kind,

    /// How many rows the table has
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    rows: u64,

    /// Secondary indexes on columns that an update changes
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    indexes: u8,

    /// Works on the table that an earlier run has kept
    #[arg(long)]
    reuse: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// SELECT
    Read,
    /// UPDATE
    Update,
}

/// Statements on random rows; which ones, is the same in every run.
struct Points {
    kind: Kind,
    rows: u64,
}

impl Work for Points {
    fn types(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Read => &["bigint"],
            Kind::Update => &["bigint", "bigint"],
        }
    }

    fn statement(&self, values: &[String]) -> String {
        match values {
            [id, value] => {
                format!("UPDATE {TABLE} SET balance = {value}, branch = {value} WHERE id = {id}")
            }
            ids => format!("SELECT balance FROM {TABLE} WHERE id = {}", ids.concat()),
        }
    }

    fn values(&self, client: u32, n: u64) -> Vec<u64> {
        let hash = scatter((u64::from(client) << 40) ^ n);
        let (id, value) = (1 + hash % self.rows, hash >> 40);
        match self.kind {
            Kind::Read => vec![id],
            Kind::Update => vec![id, value],
        }
    }
}

/// Makes the table, runs the clients, and tells what they did together.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> Result<(), Error> {
    let Arguments { common, clients, kind, rows, .. } = arguments;
    let mut session = Session::open(&common.connect, clients.postgres.as_deref())?;
    if !arguments.reuse {
        setup(arguments).iter().try_for_each(|statement| session.run(statement))?;
    }
    let done = clients::run(&common.connect, clients, &Points { kind: *kind, rows: *rows })?;
    if !common.keep {
        session.run(&format!("DROP TABLE {TABLE}"))?;
    }
    let (workload, what) = match kind {
        Kind::Read => ("point read", "reads"),
        Kind::Update => ("point update", "updates"),
    };
    report(common.json, &done.values(workload, what), out)
}

fn setup(arguments: &Arguments) -> Vec<String> {
    let rows = arguments.rows;
    let mut statements = vec![
        format!("DROP TABLE IF EXISTS {TABLE}"),
        format!(
            "CREATE TABLE {TABLE} (id bigint PRIMARY KEY, branch bigint NOT NULL, \
             balance bigint NOT NULL, filler text)"
        ),
        format!(
            "INSERT INTO {TABLE} SELECT i, i % 100, 0, 'filler of forty bytes, more or less, here' \
             FROM generate_series(1, {rows}) i"
        ),
    ];
    for column in ["branch", "balance"].iter().take(arguments.indexes.into()) {
        statements.push(format!("CREATE INDEX ON {TABLE} ({column})"));
    }
    statements.push(format!("VACUUM ANALYZE {TABLE}"));
    statements.push("CHECKPOINT".to_owned());
    statements
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::obliging_server;

    #[test]
    fn rows_are_drawn_from_all_of_the_table() {
        let points = Points { kind: Kind::Update, rows: 10 };
        let drawn: std::collections::BTreeSet<_> =
            (0..200).map(|n| points.values(1, n)[0]).collect();
        assert!(drawn.into_iter().eq(1..=10));
        let read = Points { kind: Kind::Read, rows: 10 }.statement(&["7".to_owned()]);
        assert_eq!(read, "SELECT balance FROM bench_point WHERE id = 7");
    }

    #[test]
    fn reads_and_updates_are_told_by_their_names() {
        for (kind, name) in [(Kind::Read, "reads"), (Kind::Update, "updates")] {
            let (_directory, connect) = obliging_server();
            let arguments = Arguments {
                common: Common { connect, keep: false, json: true },
                clients: Clients { clients: 1, seconds: 1, prepared: false, postgres: None },
                kind,
                rows: 5,
                indexes: 2,
                reuse: false,
            };
            let mut out = Vec::new();
            run(&arguments, &mut out).expect("the server obliges");
            let text = String::from_utf8(out).expect("text");
            assert!(text.contains(&format!("\"{name}_per_second\":")), "{text}");
        }
    }
}
