//! Commits: transactions of one INSERT, each client on a connection and a thread of its own,
//! sending the next only when the last is answered.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;

use super::latency::Latencies;
use super::{Common, per_second, report, seconds};
use crate::client::{Address, Connection};
use crate::error::Error;

const TABLE: &str = "bench_commit";
const COLUMNS: &str = "client integer NOT NULL, n bigint NOT NULL, payload text";
const PAYLOAD: &str = "0123456789012345678901234567890123456789";

/// What `bench commit` is told.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    common: Common,

    /// How many clients
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    clients: u32,

    /// For how long
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,

    /// Executes a prepared statement instead of sending the INSERT itself
    #[arg(long)]
    prepared: bool,
}

/// Runs the clients and tells what they did together.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> Result<(), Error> {
    let common = &arguments.common;
    let mut connection = Connection::open(&common.connect)?;
    connection.run(&format!("DROP TABLE IF EXISTS {TABLE}"))?;
    connection.run(&format!("CREATE TABLE {TABLE} ({COLUMNS})"))?;
    let start = Instant::now();
    let latencies = run_clients(arguments, start + Duration::from_secs(arguments.seconds))?;
    let elapsed = start.elapsed();
    if !common.keep {
        connection.run(&format!("DROP TABLE {TABLE}"))?;
    }
    let ms = |value: f64| Value::from((value * 1000.0).round() / 1000.0);
    let values = [
        ("workload", Value::from("commit")),
        ("clients", Value::from(arguments.clients)),
        ("commits", Value::from(latencies.count())),
        ("seconds", seconds(elapsed)),
        ("commits_per_second", per_second(latencies.count(), elapsed)),
        ("latency_ms_average", ms(latencies.average_ms())),
        ("latency_ms_median", ms(latencies.quantile_ms(0.5))),
        ("latency_ms_p99", ms(latencies.quantile_ms(0.99))),
        ("latency_ms_max", ms(latencies.max_ms())),
    ];
    report(common.json, &values, out)
}

fn run_clients(arguments: &Arguments, end: Instant) -> Result<Latencies, Error> {
    let (address, prepared) = (&arguments.common.connect, arguments.prepared);
    thread::scope(|scope| {
        let start = |number| scope.spawn(move || client(address, number, prepared, end));
        let clients: Vec<_> = (0..arguments.clients).map(start).collect();
        let mut all = Latencies::default();
        for client in clients {
            all.merge(&client.join().expect("a client does not panic")?);
        }
        Ok(all)
    })
}

fn client(
    address: &Address,
    number: u32,
    prepared: bool,
    end: Instant,
) -> Result<Latencies, Error> {
    let mut connection = Connection::open(address)?;
    if prepared {
        connection.run(&format!(
            "PREPARE bench (integer, bigint, text) AS INSERT INTO {TABLE} VALUES ($1, $2, $3)"
        ))?;
    }
    let mut latencies = Latencies::default();
    for n in 0_u64.. {
        let start = Instant::now();
        if start >= end {
            break;
        }
        let line = if prepared {
            format!("EXECUTE bench ({number}, {n}, '{PAYLOAD}')")
        } else {
            format!("INSERT INTO {TABLE} VALUES ({number}, {n}, '{PAYLOAD}')")
        };
        connection.run(&line)?;
        latencies.add(start.elapsed());
    }
    Ok(latencies)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{obliging_server, server};

    #[test]
    fn every_client_commits_until_the_time_is_over() {
        let (_directory, connect) = obliging_server();
        let common = Common { connect, keep: false, json: true };
        let arguments = Arguments { common, clients: 3, seconds: 1, prepared: true };
        let mut out = Vec::new();
        let start = Instant::now();
        run(&arguments, &mut out).expect("the server obliges");
        assert!(start.elapsed() < Duration::from_secs(10));
        let text = String::from_utf8(out).expect("text");
        let result: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(result["clients"], 3);
        assert!(result["commits"].as_u64() > Some(3), "{text}");
        assert!(
            result["latency_ms_median"].as_f64() <= result["latency_ms_max"].as_f64(),
            "{text}"
        );
    }

    #[test]
    fn a_failed_insert_ends_the_run() {
        let (directory, _server) = server(&[(1, "ERROR 53100 no space\nREADY idle\n")]);
        let address = Address::Unix(directory.path().to_owned());
        let end = Instant::now() + Duration::from_secs(20);
        let error = client(&address, 0, false, end).err().expect("the server refuses");
        assert_eq!(error.to_string(), "53100: no space");
    }
}
