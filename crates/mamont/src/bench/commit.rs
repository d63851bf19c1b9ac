//! Commits: transactions of one INSERT.

use std::io::Write;

use clap::Args;

use super::clients::{self, Clients, Session, Work};
use super::{Common, report};
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
}

struct Inserts;

impl Work for Inserts {
    fn types(&self) -> &'static [&'static str] {
        &["integer", "bigint"]
    }

    fn statement(&self, values: &[String]) -> String {
        format!("INSERT INTO {TABLE} VALUES ({}, '{PAYLOAD}')", values.join(", "))
    }

    fn values(&self, client: u32, n: u64) -> Vec<u64> {
        vec![client.into(), n]
    }
}

/// Runs the clients and tells what they did together.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> Result<(), Error> {
    let Arguments { common, clients } = arguments;
    let mut session = Session::open(&common.connect, clients.postgres.as_deref())?;
    session.run(&format!("DROP TABLE IF EXISTS {TABLE}"))?;
    session.run(&format!("CREATE TABLE {TABLE} ({COLUMNS})"))?;
    let done = clients::run(&common.connect, clients, &Inserts)?;
    if !common.keep {
        session.run(&format!("DROP TABLE {TABLE}"))?;
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
        let clients = Clients { clients: 2, seconds: 1, prepared: true, postgres: None };
        let mut out = Vec::new();
        run(&Arguments { common, clients }, &mut out).expect("the server obliges");
        let text = String::from_utf8(out).expect("text");
        let result: Value = serde_json::from_str(&text).expect("JSON");
        assert!(result["commits_per_second"].as_f64() > Some(2.0), "{text}");
    }
}
