//! Clients side by side: each on a connection and a thread of its own, sending the next statement
//! only when the last is answered.

use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;

use super::latency::Latencies;
use super::{per_second, seconds};
use crate::client::{Address, Connection};
use crate::error::Error;

/// How many clients, and for how long.
#[derive(Args, Debug, Clone, Copy)]
pub struct Clients {
    /// How many clients
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub clients: u32,

    /// For how long
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
}

/// What a client does.
pub trait Work {
    /// A statement to run once, after connecting.
    fn prepare(&self) -> Option<String>;
    /// The statement that client `client` sends as its `n`-th.
    fn statement(&self, client: u32, n: u64) -> String;
}

/// What all clients did together.
pub struct Done {
    clients: u32,
    elapsed: Duration,
    latencies: Latencies,
}

impl Done {
    /// As names and numbers; `what` is done so many times a second.
    pub fn values(&self, workload: &str, what: &str) -> Vec<(String, Value)> {
        let ms = |value: f64| Value::from((value * 1000.0).round() / 1000.0);
        let latencies = &self.latencies;
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
        ];
        values.map(|(name, value)| (name.to_owned(), value)).into()
    }
}

/// Runs the clients until the time is over.
pub fn run(address: &Address, clients: Clients, work: &(impl Work + Sync)) -> Result<Done, Error> {
    let start = Instant::now();
    let end = start + Duration::from_secs(clients.seconds);
    let latencies = thread::scope(|scope| {
        let start = |number| scope.spawn(move || client(address, number, work, end));
        let running: Vec<_> = (0..clients.clients).map(start).collect();
        let mut all = Latencies::default();
        for client in running {
            all.merge(&client.join().expect("a client does not panic")?);
        }
        Ok::<_, Error>(all)
    })?;
    Ok(Done { clients: clients.clients, elapsed: start.elapsed(), latencies })
}

fn client(
    address: &Address,
    number: u32,
    work: &impl Work,
    end: Instant,
) -> Result<Latencies, Error> {
    let mut connection = Connection::open(address)?;
    if let Some(statement) = work.prepare() {
        connection.run(&statement)?;
    }
    let mut latencies = Latencies::default();
    for n in 0_u64.. {
        let start = Instant::now();
        if start >= end {
            break;
        }
        connection.run(&work.statement(number, n))?;
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
        fn prepare(&self) -> Option<String> {
            None
        }

        fn statement(&self, client: u32, n: u64) -> String {
            format!("SELECT {client}, {n}")
        }
    }

    #[test]
    fn every_client_works_until_the_time_is_over() {
        let (_directory, connect) = obliging_server();
        let start = Instant::now();
        let clients = Clients { clients: 3, seconds: 1 };
        let done = run(&connect, clients, &Selects).expect("the server obliges");
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
        let error = client(&address, 0, &Selects, end).err().expect("the server refuses");
        assert_eq!(error.to_string(), "53100: no space");
    }
}
