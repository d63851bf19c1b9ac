//! CREATE INDEX: the seconds that it takes over rows in no order.

use std::io::Write;
use std::time::Instant;

use clap::Args;
use serde_json::Value;

use super::{Common, per_second, report, seconds};
use crate::client::Connection;
use crate::error::Error;

const TABLE: &str = "bench_index";
/// A prime: multiples of it, modulo the number of rows and a bit, come in no order.
const STEP: u64 = 1_000_003;

/// What `bench index` is told.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    common: Common,

    /// How many rows
    #[arg(long, default_value_t = 2_000_000)]
    rows: u64,
}

/// Loads the rows, builds the index once, and tells how long that took.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> Result<(), Error> {
    let common = &arguments.common;
    let mut connection = Connection::open(&common.connect)?;
    connection.run(&format!("DROP TABLE IF EXISTS {TABLE}"))?;
    connection.run(&format!("CREATE TABLE {TABLE} (k bigint NOT NULL, n bigint NOT NULL)"))?;
    let rows = arguments.rows;
    connection.run(&format!(
        "INSERT INTO {TABLE} SELECT i::bigint * {STEP} % 2147483647, i FROM generate_series(1, {rows}) i"
    ))?;
    connection.run("CHECKPOINT")?;
    let start = Instant::now();
    connection.run(&format!("CREATE INDEX ON {TABLE} (k)"))?;
    let elapsed = start.elapsed();
    if !common.keep {
        connection.run(&format!("DROP TABLE {TABLE}"))?;
    }
    let values = [
        ("workload", Value::from("index")),
        ("rows", Value::from(rows)),
        ("seconds", seconds(elapsed)),
        ("rows_per_second", per_second(rows, elapsed)),
    ];
    report(common.json, &values, out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::obliging_server;

    #[test]
    fn the_build_is_told() {
        let (_directory, connect) = obliging_server();
        let common = Common { connect, keep: false, json: true };
        let mut out = Vec::new();
        run(&Arguments { common, rows: 3 }, &mut out).expect("the server obliges");
        let text = String::from_utf8(out).expect("text");
        assert!(text.contains("\"rows\":3,") && text.contains("\"seconds\":"), "{text}");
    }
}
