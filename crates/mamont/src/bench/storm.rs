//! An update storm: clients update random rows of one table with three indexes, each update a
//! transaction of its own that changes a column with an index, while autovacuum works.
//!
//! What counts is how large table and indexes are afterwards, beside a table with the same rows and
//! indexes that was made at once.

use std::io::Write;
use std::thread;
use std::time::Instant;

use clap::Args;
use serde_json::Value;

use super::{Common, per_second, report, seconds};
use crate::client::{Address, Connection};
use crate::error::Error;

const TABLE: &str = "bench_storm";
const COMPACT: &str = "bench_storm_compact";
/// A step of the generator of random numbers that has a full period.
const FACTOR: u64 = 6_364_136_223_846_793_005;

/// What `bench storm` is told.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    common: Common,

    /// How many clients
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    clients: u32,

    /// Rows of the table
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    rows: u64,

    /// Updates in all
    #[arg(long, default_value_t = 10_000_000)]
    updates: u64,

    /// Waits for each commit to be durable
    #[arg(long)]
    synchronous: bool,
}

/// Runs the storm and tells how large it has left what.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> Result<(), Error> {
    let Arguments { common, clients, rows, updates, .. } = arguments;
    let mut connection = Connection::open(&common.connect)?;
    for table in [TABLE, COMPACT] {
        connection.run(&format!("DROP TABLE IF EXISTS {table}"))?;
    }
    let source = format!("SELECT i, i, i, 'row ' || i::text FROM generate_series(1, {rows}) i");
    make(&mut connection, TABLE, &source)?;
    let start = Instant::now();
    run_clients(arguments)?;
    let elapsed = start.elapsed();
    let grown = sizes(&mut connection, TABLE)?;
    make(&mut connection, COMPACT, &format!("SELECT id, a, b, s FROM {TABLE} ORDER BY id"))?;
    let compact = sizes(&mut connection, COMPACT)?;
    if !common.keep {
        connection.run(&format!("DROP TABLE {TABLE}; DROP TABLE {COMPACT}"))?;
    }
    let worst = grown.iter().zip(&compact).map(|(grown, compact)| ratio(*grown, *compact));
    let worst = worst.fold(0.0, f64::max);
    let values = [
        ("workload", Value::from("storm")),
        ("clients", Value::from(*clients)),
        ("rows", Value::from(*rows)),
        ("updates", Value::from(*updates)),
        ("seconds", seconds(elapsed)),
        ("updates_per_second", per_second(*updates, elapsed)),
        ("bytes", Value::from(grown.to_vec())),
        ("bytes_compact", Value::from(compact.to_vec())),
        ("worst_ratio", Value::from(worst)),
    ];
    report(common.json, &values, out)
}

fn make(connection: &mut Connection, table: &str, source: &str) -> Result<(), Error> {
    connection.run(&format!(
        "CREATE TABLE {table} (id int PRIMARY KEY, a int NOT NULL, b int NOT NULL, s text)"
    ))?;
    connection.run(&format!("INSERT INTO {table} {source}"))?;
    for column in ["a", "b"] {
        connection.run(&format!("CREATE INDEX {table}_{column} ON {table} ({column})"))?;
    }
    Ok(())
}

/// Bytes of the table and of its indexes.
fn sizes(connection: &mut Connection, table: &str) -> Result<[u64; 4], Error> {
    let mut sizes = [0; 4];
    for (size, suffix) in sizes.iter_mut().zip(["", "_pkey", "_a", "_b"]) {
        *size = number(connection, &format!("SELECT pg_relation_size('{table}{suffix}')"))?;
    }
    Ok(sizes)
}

/// The number that a query answers.
fn number(connection: &mut Connection, query: &str) -> Result<u64, Error> {
    connection.send_line(query)?;
    loop {
        let line = connection.line()?;
        if let Some(value) = line.strip_prefix("ROW ") {
            let number = value.parse();
            connection.finish()?;
            return number.map_err(|_| Error::Protocol("a number was expected".to_owned()));
        }
        if line.starts_with("READY") || line.starts_with("ERROR") || line.starts_with("FATAL") {
            return Err(Error::Protocol(format!("no number but {line}")));
        }
    }
}

fn ratio(grown: u64, compact: u64) -> f64 {
    (grown as f64 / compact.max(1) as f64 * 100.0).round() / 100.0
}

fn run_clients(arguments: &Arguments) -> Result<(), Error> {
    let Arguments { common, clients, rows, updates, synchronous } = arguments;
    let address = &common.connect;
    thread::scope(|scope| {
        let start = |number: u32| {
            let share = updates / u64::from(*clients);
            let rest = u64::from(u64::from(number) < updates % u64::from(*clients));
            let count = share + rest;
            scope.spawn(move || client(address, u64::from(number), *rows, count, *synchronous))
        };
        let clients: Vec<_> = (0..*clients).map(start).collect();
        clients.into_iter().try_for_each(|client| client.join().expect("a client does not panic"))
    })
}

fn client(
    address: &Address,
    seed: u64,
    rows: u64,
    updates: u64,
    synchronous: bool,
) -> Result<(), Error> {
    let mut connection = Connection::open(address)?;
    if !synchronous {
        connection.run("SET synchronous_commit = off")?;
    }
    let mut state = seed.wrapping_mul(FACTOR).wrapping_add(1);
    let mut draw = |end: u64| {
        state = state.wrapping_mul(FACTOR).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % end + 1
    };
    for _ in 0..updates {
        let (id, value) = (draw(rows), draw(rows));
        connection.run(&format!("UPDATE {TABLE} SET a = {value} WHERE id = {id}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::server;

    #[test]
    fn a_number_is_read_and_anything_else_is_an_error() {
        let replies = &[
            (1, "COLUMNS n int8\nROW 8192\nOK SELECT 1\nREADY idle\n"),
            (1, "ERROR 42P01 no such table\nREADY idle\n"),
        ];
        let (directory, _server) = server(replies);
        let address = Address::Unix(directory.path().to_owned());
        let mut connection = Connection::open(&address).expect("a server");
        assert_eq!(number(&mut connection, "SELECT 1").expect("a number"), 8192);
        assert!(number(&mut connection, "SELECT 2").is_err());
        assert_eq!([ratio(15, 10), ratio(1, 0)], [1.5, 1.0]);
    }
}
