//! Point reads and point updates: one random row of a table, found by its primary key.

use std::io::Write;

use clap::{Args, ValueEnum};

use super::clients::{self, Clients, Work};
use super::{Common, report, scatter};
use crate::client::Connection;
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

    /// Executes a prepared statement instead of sending the statement itself
    #[arg(long)]
    prepared: bool,
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
    prepared: bool,
}

impl Points {
    fn text(&self, id: &str, value: &str) -> String {
        match self.kind {
            Kind::Read => format!("SELECT balance FROM {TABLE} WHERE id = {id}"),
            Kind::Update => {
                format!("UPDATE {TABLE} SET balance = {value}, branch = {value} WHERE id = {id}")
            }
        }
    }
}

impl Work for Points {
    fn prepare(&self) -> Option<String> {
        let types = match self.kind {
            Kind::Read => "bigint",
            Kind::Update => "bigint, bigint",
        };
        self.prepared.then(|| format!("PREPARE bench ({types}) AS {}", self.text("$1", "$2")))
    }

    fn statement(&self, client: u32, n: u64) -> String {
        let hash = scatter((u64::from(client) << 40) ^ n);
        let (id, value) = (1 + hash % self.rows, hash >> 40);
        match (self.prepared, self.kind) {
            (false, _) => self.text(&id.to_string(), &value.to_string()),
            (true, Kind::Read) => format!("EXECUTE bench ({id})"),
            (true, Kind::Update) => format!("EXECUTE bench ({id}, {value})"),
        }
    }
}

/// Makes the table, runs the clients, and tells what they did together.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> Result<(), Error> {
    let common = &arguments.common;
    let mut connection = Connection::open(&common.connect)?;
    if !arguments.reuse {
        setup(arguments).iter().try_for_each(|statement| connection.run(statement))?;
    }
    let Arguments { kind, rows, prepared, .. } = *arguments;
    let done = clients::run(&common.connect, arguments.clients, &Points { kind, rows, prepared })?;
    if !common.keep {
        connection.run(&format!("DROP TABLE {TABLE}"))?;
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
        let points = Points { kind: Kind::Read, rows: 10, prepared: true };
        let drawn: std::collections::BTreeSet<_> =
            (0..200).map(|n| points.statement(1, n)).collect();
        assert_eq!(drawn.len(), 10);
        assert!(drawn.contains("EXECUTE bench (1)") && drawn.contains("EXECUTE bench (10)"));
    }

    #[test]
    fn reads_and_updates_are_told_by_their_names() {
        for (kind, name) in [(Kind::Read, "reads"), (Kind::Update, "updates")] {
            let (_directory, connect) = obliging_server();
            let arguments = Arguments {
                common: Common { connect, keep: false, json: true },
                clients: Clients { clients: 1, seconds: 1 },
                kind,
                rows: 5,
                indexes: 2,
                reuse: false,
                prepared: false,
            };
            let mut out = Vec::new();
            run(&arguments, &mut out).expect("the server obliges");
            let text = String::from_utf8(out).expect("text");
            assert!(text.contains(&format!("\"{name}_per_second\":")), "{text}");
        }
    }
}
