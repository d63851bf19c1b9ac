//! Commits: transactions of one INSERT.

use std::io::Write;

use clap::Args;

use super::clients::{self, Clients, Work};
use super::{Common, report};
use crate::client::Connection;
use crate::error::Error;

const TABLE: &str = "bench_commit";
const COLUMNS: &str = "client integer NOT NULL, n bigint NOT NULL, payload text";
const PAYLOAD: &str = "0123456789012345678901234567890123456789";

/// What `bench commit` is told.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    clients: Clients,

    /// Executes a prepared statement instead of sending the INSERT itself
    #[arg(long)]
    prepared: bool,
}

struct Inserts {
    prepared: bool,
}

impl Work for Inserts {
    fn prepare(&self) -> Option<String> {
        self.prepared.then(|| {
            format!(
                "PREPARE bench (integer, bigint, text) AS INSERT INTO {TABLE} VALUES ($1, $2, $3)"
            )
        })
    }

    fn statement(&self, client: u32, n: u64) -> String {
        if self.prepared {
            format!("EXECUTE bench ({client}, {n}, '{PAYLOAD}')")
        } else {
            format!("INSERT INTO {TABLE} VALUES ({client}, {n}, '{PAYLOAD}')")
        }
    }
}

/// Runs the clients and tells what they did together.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> Result<(), Error> {
    let common = &arguments.common;
    let mut connection = Connection::open(&common.connect)?;
    connection.run(&format!("DROP TABLE IF EXISTS {TABLE}"))?;
    connection.run(&format!("CREATE TABLE {TABLE} ({COLUMNS})"))?;
    let work = Inserts { prepared: arguments.prepared };
    let done = clients::run(&common.connect, arguments.clients, &work)?;
    if !common.keep {
        connection.run(&format!("DROP TABLE {TABLE}"))?;
    }
    report(common.json, &done.values("commit", "commits"), out)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::client::tests::obliging_server;

    #[test]
    fn commits_are_counted() {
        let (_directory, connect) = obliging_server();
        let common = Common { connect, keep: false, json: true };
        let clients = Clients { clients: 2, seconds: 1 };
        let mut out = Vec::new();
        run(&Arguments { common, clients, prepared: true }, &mut out).expect("the server obliges");
        let text = String::from_utf8(out).expect("text");
        let result: Value = serde_json::from_str(&text).expect("JSON");
        assert!(result["commits_per_second"].as_f64() > Some(2.0), "{text}");
    }
}
