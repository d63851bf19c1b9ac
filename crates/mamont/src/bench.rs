//! `mamont bench`: what a server does in a second, seen by its clients.
//!
//! - `copy`: rows loaded by one COPY.
//! - `commit`: transactions of one INSERT each, by so many clients, each waiting for its answer.
//! - `point`: reads or updates of single random rows by primary key, by so many clients.
//! - `index`: one CREATE INDEX.
//! - `storm`: random updates beside autovacuum, and how large they leave table and indexes.
//! - `connections`: what idle connections cost, in memory and to those that work.
//! - `data`: the rows that `copy` loads, for loading them elsewhere.
//!
//! `commit` and `point` can be had of PostgreSQL, too: the same statements, sent by the same load
//! generator in PostgreSQL's protocol. `scripts/bench.sh` measures both servers side by side.

mod clients;
mod commit;
mod connections;
mod copy;
mod index;
mod latency;
mod point;
mod postgres;
mod storm;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::client::{Address, DEFAULT_ADDRESS};
use crate::error::Error;

/// What `bench` is told.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(subcommand)]
    workload: Workload,
}

#[derive(Subcommand, Debug)]
enum Workload {
    /// Rows a second of one COPY
    Copy(copy::Arguments),
    /// Single-row commits a second
    Commit(commit::Arguments),
    /// Reads or updates of single rows a second
    Point(point::Arguments),
    /// Seconds that CREATE INDEX takes
    Index(index::Arguments),
    /// Random updates of a table with three indexes, and how large they leave it
    Storm(storm::Arguments),
    /// Memory of idle connections, and what they cost others
    Connections(connections::Arguments),
    /// Prints the rows that `copy` loads
    Data {
        /// How many
        #[arg(long, default_value_t = 1_000_000)]
        rows: u64,
    },
}

/// Which server, and how to tell the result.
#[derive(Args, Debug)]
struct Common {
    /// HOST:PORT, or the path of a Unix socket or of its directory (with a / in it)
    #[arg(long, default_value = DEFAULT_ADDRESS)]
    connect: Address,

    /// Leaves the table behind
    #[arg(long)]
    keep: bool,

    /// Prints the result as one line of JSON
    #[arg(long)]
    json: bool,
}

/// Runs a workload and prints its result.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> Result<ExitCode, Error> {
    match &arguments.workload {
        Workload::Copy(arguments) => copy::run(arguments, out)?,
        Workload::Commit(arguments) => commit::run(arguments, out)?,
        Workload::Point(arguments) => point::run(arguments, out)?,
        Workload::Index(arguments) => index::run(arguments, out)?,
        Workload::Storm(arguments) => storm::run(arguments, out)?,
        Workload::Connections(arguments) => connections::run(arguments, out)?,
        Workload::Data { rows } => copy::write_rows(*rows, out)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints names and numbers, one a line or all as JSON.
fn report(
    json: bool,
    values: &[(impl AsRef<str>, Value)],
    out: &mut impl Write,
) -> Result<(), Error> {
    let values = values.iter().map(|(name, value)| (name.as_ref(), value));
    if json {
        let object: serde_json::Map<String, Value> =
            values.map(|(name, value)| (name.to_owned(), value.clone())).collect();
        writeln!(out, "{}", Value::Object(object))?;
        return Ok(());
    }
    for (name, value) in values {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        writeln!(out, "{:<24}{value}", name.replace('_', " "))?;
    }
    Ok(())
}

/// So many in that time: how many a second.
fn per_second(count: u64, elapsed: Duration) -> Value {
    let rate = count as f64 / elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
    Value::from((rate * 10.0).round() / 10.0)
}

/// Scatters the bits of a number, so that numbers in order become numbers in none (the finalizer of
/// SplitMix64, by Steele, Lea and Flood).
fn scatter(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

fn seconds(elapsed: Duration) -> Value {
    Value::from((elapsed.as_secs_f64() * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_told_as_lines_or_as_json() {
        let elapsed = Duration::from_millis(2500);
        let values =
            [("rows_per_second", per_second(1000, elapsed)), ("seconds", seconds(elapsed))];
        let told = |json| {
            let mut out = Vec::new();
            report(json, &values, &mut out).expect("a Vec takes everything");
            String::from_utf8(out).expect("text")
        };
        assert_eq!(told(false), "rows per second         400.0\nseconds                 2.5\n");
        assert_eq!(told(true), "{\"rows_per_second\":400.0,\"seconds\":2.5}\n");
    }
}
