//! Clients side by side: each on a connection and a thread of its own, sending the next statement
//! only when the last is answered.

use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;

use super::latency::Latencies;
use super::{per_second, postgres, seconds};
use crate::client::{Address, Connection};
use crate::error::Error;

/// How many clients, for how long, of which server.
#[derive(Args, Debug, Clone)]
pub struct Clients {
    /// How many clients
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub clients: u32,

    /// For how long
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,

    /// Executes a prepared statement instead of sending the statement itself
    #[arg(long)]
    pub prepared: bool,

    /// Measures a PostgreSQL server, as this user, whom it trusts
    #[arg(long, value_name = "USER")]
    pub postgres: Option<String>,
}

/// What a client does: one statement over and over, with other numbers in it each time.
pub trait Work {
    /// The types of the numbers.
    fn types(&self) -> &'static [&'static str];
    /// The statement, with these texts in the places of its numbers.
    fn statement(&self, values: &[String]) -> String;
    /// The numbers that client `client` sends in its `n`-th.
    fn values(&self, client: u32, n: u64) -> Vec<u64>;
}

/// A session on either server.
pub enum Session {
    Mamont(Connection),
    Postgres(postgres::Session),
}

impl Session {
    /// Connects to PostgreSQL if a user is given, else to Mamont.
    pub fn open(address: &Address, postgres: Option<&str>) -> Result<Session, Error> {
        Ok(match postgres {
            None => Session::Mamont(Connection::open(address)?),
            Some(user) => Session::Postgres(postgres::Session::open(address, user)?),
        })
    }

    /// Sends a request and reads its reply; the first error is the error.
    pub fn run(&mut self, statement: &str) -> Result<(), Error> {
        match self {
            Session::Mamont(connection) => connection.run(statement),
            Session::Postgres(session) => session.run(statement),
        }
    }

    fn prepare(&mut self, work: &impl Work) -> Result<(), Error> {
        let types = work.types();
        let places: Vec<String> = (1..=types.len()).map(|place| format!("${place}")).collect();
        let statement = work.statement(&places);
        match self {
            Session::Mamont(connection) => {
                connection.run(&format!("PREPARE bench ({}) AS {statement}", types.join(", ")))
            }
            Session::Postgres(session) => session.prepare(&statement),
        }
    }

    fn execute(&mut self, values: &[u64]) -> Result<(), Error> {
        match self {
            Session::Mamont(connection) => {
                connection.run(&format!("EXECUTE bench ({})", texts(values).join(", ")))
            }
            Session::Postgres(session) => session.execute(values),
        }
    }
}

fn texts(values: &[u64]) -> Vec<String> {
    values.iter().map(u64::to_string).collect()
}

/// The processor time that this process has used.
fn cpu_time() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
}

/// What all clients did together.
pub struct Done {
    clients: u32,
    elapsed: Duration,
    /// What this process has spent on it.
    cpu: Duration,
    latencies: Latencies,
}

impl Done {
    /// As names and numbers; `what` is done so many times a second.
    pub fn values(&self, workload: &str, what: &str) -> Vec<(String, Value)> {
        let ms = |value: f64| Value::from((value * 1000.0).round() / 1000.0);
        let latencies = &self.latencies;
        let cpu_us = self.cpu.as_secs_f64() * 1e6 / latencies.count().max(1) as f64;
        let values = [
            ("workload", Value::from(workload)),
            ("clients", Value::from(self.clients)),
            (what, Value::from(latencies.count())),
            ("seconds", seconds(self.elapsed)),
            (&format!("{what}_per_second"), per_second(latencies.count(), self.elapsed)),
            ("latency_ms_average", ms(latencies.average_ms())),
            ("latency_ms_median", ms(latencies.quantile_ms(0.5))),
            ("latency_ms_p99", ms(latencies.quantile_ms(0.99))),
            ("latency_ms_max", ms(latencies.max_ms())),
            ("client_cpu_us", Value::from((cpu_us * 10.0).round() / 10.0)),
        ];
        values.map(|(name, value)| (name.to_owned(), value)).into()
    }
}

/// Runs the clients until the time is over.
pub fn run(address: &Address, clients: &Clients, work: &(impl Work + Sync)) -> Result<Done, Error> {
    let cpu = cpu_time();
    let start = Instant::now();
    let end = start + Duration::from_secs(clients.seconds);
    let latencies = thread::scope(|scope| {
        let start = |number| scope.spawn(move || client(address, clients, number, work, end));
        let running: Vec<_> = (0..clients.clients).map(start).collect();
        let mut all = Latencies::default();
        for client in running {
            all.merge(&client.join().expect("a client does not panic")?);
        }
        Ok::<_, Error>(all)
    })?;
    let elapsed = start.elapsed();
    let cpu = cpu_time().saturating_sub(cpu);
    Ok(Done { clients: clients.clients, elapsed, cpu, latencies })
}

fn client(
    address: &Address,
    clients: &Clients,
    number: u32,
    work: &impl Work,
    end: Instant,
) -> Result<Latencies, Error> {
    let mut session = Session::open(address, clients.postgres.as_deref())?;
    if clients.prepared {
        session.prepare(work)?;
    }
    let mut latencies = Latencies::default();
    for n in 0_u64.. {
        let start = Instant::now();
        if start >= end {
            break;
        }
        let values = work.values(number, n);
        if clients.prepared {
            session.execute(&values)?;
        } else {
            session.run(&work.statement(&texts(&values)))?;
        }
        latencies.add(start.elapsed());
    }
    Ok(latencies)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{obliging_server, server};

    struct Selects;

    impl Work for Selects {
        fn types(&self) -> &'static [&'static str] {
            &["bigint", "bigint"]
        }

        fn statement(&self, values: &[String]) -> String {
            format!("SELECT {}", values.join(", "))
        }

        fn values(&self, client: u32, n: u64) -> Vec<u64> {
            vec![client.into(), n]
        }
    }

    #[test]
    fn every_client_works_until_the_time_is_over() {
        let (_directory, connect) = obliging_server();
        let start = Instant::now();
        let clients = Clients { clients: 3, seconds: 1, prepared: false, postgres: None };
        let done = run(&connect, &clients, &Selects).expect("the server obliges");
        assert!(start.elapsed() < Duration::from_secs(10));
        let values = done.values("selects", "reads");
        let value = |name: &str| &values.iter().find(|(of, _)| of == name).expect("is told").1;
        assert_eq!(value("clients"), 3);
        assert!(value("reads").as_u64() > Some(3));
        assert!(value("latency_ms_median").as_f64() <= value("latency_ms_max").as_f64());
    }

    #[test]
    fn a_failed_statement_ends_the_run() {
        let (directory, _server) = server(&[(1, "ERROR 53100 no space\nREADY idle\n")]);
        let address = Address::Unix(directory.path().to_owned());
        let end = Instant::now() + Duration::from_secs(20);
        let clients = Clients { clients: 1, seconds: 20, prepared: false, postgres: None };
        let error = client(&address, &clients, 0, &Selects, end).err().expect("the server refuses");
        assert_eq!(error.to_string(), "53100: no space");
    }

    #[test]
    fn a_prepared_statement_has_places_for_its_numbers() {
        let (directory, server) = server(&[(1, "OK\nREADY idle\n"), (1, "OK\nREADY idle\n")]);
        let address = Address::Unix(directory.path().to_owned());
        let mut session = Session::open(&address, None).expect("the server listens");
        session.prepare(&Selects).expect("the server obliges");
        session.execute(&[3, 4]).expect("the server obliges");
        let sent = "PREPARE bench (bigint, bigint) AS SELECT $1, $2\nEXECUTE bench (3, 4)\n";
        assert_eq!(server.join().expect("the server ends"), sent);
    }
}
