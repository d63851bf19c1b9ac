//! Many connections: what an idle one costs in memory, and what all of them cost those that work.
//!
//! ```text
//!  round:  clients work alone --> so many connections open, each reads and writes three tables,
//!          then is idle      --> clients work beside them  --> all are closed
//! ```
//!
//! The work is an INSERT and a SELECT of a hundred rows in turn, each waited for. Memory is read in
//! `/proc`, so the server must be on this machine and belong to this user.

use std::io::Write;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use protocol::Reply;
use serde_json::Value;

use super::{Common, report};
use crate::client::{Address, Connection};
use crate::error::Error;

/// What `bench connections` is told.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    common: Common,

    /// How many idle connections
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    connections: u32,

    /// How many clients work
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    clients: u32,

    /// For how long they work, each time
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,

    /// How often all of it is done; the middle round counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,

    /// How long the connections are idle before their memory is looked at, in seconds
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(0..=3600))]
    settle: u64,
}

const TABLES: [&str; 3] = ["bench_idle_1", "bench_idle_2", "bench_idle_3"];

/// What one round found.
struct Round {
    alone: f64,
    beside: f64,
    private_kb: f64,
    private_kb_max: f64,
    page_tables_kb: f64,
}

/// Runs the rounds and tells the middle of each number.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> Result<(), Error> {
    let mut connection = Connection::open(&arguments.common.connect)?;
    let tables = TABLES.iter().chain(&["bench_work", "bench_small"]);
    for table in tables.clone() {
        connection.run(&format!("DROP TABLE IF EXISTS {table}"))?;
        connection.run(&format!("CREATE TABLE {table} (id bigint NOT NULL, payload text)"))?;
    }
    let rows: Vec<String> = (0..100).map(|id| format!("({id}, 'row {id}')")).collect();
    connection.run(&format!("INSERT INTO bench_small VALUES {}", rows.join(", ")))?;
    let rounds: Result<Vec<Round>, Error> =
        (0..arguments.rounds).map(|_| round(arguments)).collect();
    let rounds = rounds?;
    if !arguments.common.keep {
        for table in tables {
            connection.run(&format!("DROP TABLE {table}"))?;
        }
    }
    let told = |number: fn(&Round) -> f64| {
        let middle = median(rounds.iter().map(number).collect());
        Value::from((middle * 10.0).round() / 10.0)
    };
    let values = [
        ("workload", Value::from("connections")),
        ("connections", Value::from(arguments.connections)),
        ("clients", Value::from(arguments.clients)),
        ("requests_per_second_alone", told(|round| round.alone)),
        ("requests_per_second_beside", told(|round| round.beside)),
        ("percent_of_speed", told(|round| 100.0 * round.beside / round.alone)),
        ("private_kb_average", told(|round| round.private_kb)),
        ("private_kb_max", told(|round| round.private_kb_max)),
        ("page_tables_kb_average", told(|round| round.page_tables_kb)),
    ];
    report(arguments.common.json, &values, out)
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(0.0)
}

fn round(arguments: &Arguments) -> Result<Round, Error> {
    let alone = work(arguments)?;
    let mut idle = Vec::new();
    for number in 0..arguments.connections {
        idle.push(idle_connection(&arguments.common.connect, number)?);
    }
    thread::sleep(Duration::from_secs(arguments.settle));
    let mut private = Vec::new();
    let mut page_tables = Vec::new();
    for (_, pid) in &idle {
        private.push(kilobytes(*pid, "smaps_rollup", &["Private_Clean:", "Private_Dirty:"])?);
        page_tables.push(kilobytes(*pid, "status", &["VmPTE:"])?);
    }
    let beside = work(arguments)?;
    for (connection, _) in &mut idle {
        connection.send_line("QUIT")?;
    }
    drop(idle);
    // The next round shall not begin beside sessions that are still leaving.
    thread::sleep(Duration::from_secs(1));
    let average = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
    Ok(Round {
        alone,
        beside,
        private_kb: average(&private),
        private_kb_max: private.iter().copied().fold(0.0, f64::max),
        page_tables_kb: average(&page_tables),
    })
}

/// A connection that has read and written all three tables, and its process.
fn idle_connection(address: &Address, number: u32) -> Result<(Connection, i32), Error> {
    let mut connection = Connection::open(address)?;
    connection.run("BEGIN")?;
    for table in TABLES {
        connection.run(&format!("INSERT INTO {table} VALUES ({number}, 'idle {number}')"))?;
        connection.run(&format!("SELECT id, payload FROM {table} WHERE id = {number} LIMIT 1"))?;
    }
    connection.run("COMMIT")?;
    connection.send_line("SELECT pg_backend_pid()")?;
    let mut pid = None;
    loop {
        let line = connection.line()?.to_owned();
        if let Some(row) = line.strip_prefix("ROW ") {
            pid = row.parse().ok();
        }
        if matches!(Reply::parse(&line), Ok(Reply::Ready(_))) {
            break;
        }
    }
    let pid = pid.ok_or_else(|| Error::Protocol("no process id was told".to_owned()))?;
    Ok((connection, pid))
}

/// The sum of some lines of a file of the process's in `/proc`.
fn kilobytes(pid: i32, file: &str, names: &[&str]) -> Result<f64, Error> {
    let path = PathBuf::from(format!("/proc/{pid}/{file}"));
    let text = String::from_utf8_lossy(&sys::fs::read_limited(&path, 64 << 10)?).into_owned();
    let lines = text.lines().filter(|line| names.iter().any(|name| line.starts_with(name)));
    Ok(lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok()).sum())
}

/// The requests a second that all clients had answered.
fn work(arguments: &Arguments) -> Result<f64, Error> {
    let start = Instant::now();
    let end = start + Duration::from_secs(arguments.seconds);
    let address = &arguments.common.connect;
    let counts: Result<Vec<u64>, Error> = thread::scope(|scope| {
        let clients: Vec<_> = (0..arguments.clients)
            .map(|number| scope.spawn(move || client(address, number, end)))
            .collect();
        clients.into_iter().map(|client| client.join().expect("it does not panic")).collect()
    });
    Ok(counts?.iter().sum::<u64>() as f64 / start.elapsed().as_secs_f64())
}

fn client(address: &Address, number: u32, end: Instant) -> Result<u64, Error> {
    let mut connection = Connection::open(address)?;
    let mut count = 0;
    while Instant::now() < end {
        connection.run(&format!("INSERT INTO bench_work VALUES ({number}, 'work {count}')"))?;
        connection.run("SELECT count(*), max(payload) FROM bench_small")?;
        count += 2;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_proc() {
        let pid = sys::process::pid();
        let private = kilobytes(pid, "smaps_rollup", &["Private_Clean:", "Private_Dirty:"]);
        assert!(private.expect("this process is here") > 100.0);
        assert!(kilobytes(pid, "status", &["VmPTE:"]).expect("it has some") > 4.0);
        assert!(kilobytes(i32::MAX, "status", &["VmPTE:"]).is_err());
    }

    #[test]
    fn the_middle_counts() {
        assert_eq!(median(vec![9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median(Vec::new()), 0.0);
    }
}
