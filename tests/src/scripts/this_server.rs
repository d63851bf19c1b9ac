//! Scripts on this server.

use std::io;

use super::session::{Host, Speaker};
use crate::client::Client;
use crate::reply::{End, Reply, Value};
use crate::server::try_connect;

/// This server, at a port.
pub struct MamontHost {
    port: u16,
    watcher: Client,
}

impl MamontHost {
    /// The server that listens at that port.
    pub fn at(port: u16) -> io::Result<MamontHost> {
        Ok(MamontHost { port, watcher: try_connect(port)? })
    }
}

impl Host for MamontHost {
    fn connect(&mut self) -> io::Result<Box<dyn Speaker>> {
        Ok(Box::new(try_connect(self.port)?))
    }

    fn is_blocked(&mut self, pid: i32) -> io::Result<bool> {
        let locks = self.watcher.ask("SELECT pid, granted, transactionid FROM pg_locks")?.rows();
        let mine = Some(pid.to_string());
        let (granted, refused) = (Some("t".to_owned()), Some("f".to_owned()));
        let holds = |xid: &Value| {
            locks.iter().any(|lock| lock[0] != mine && lock[1] == granted && lock[2] == *xid)
        };
        // A wait for a transaction is over when that has ended, though the waiter may sleep still.
        let blocks = |lock: &[Value]| lock[2].is_none() || holds(&lock[2]);
        Ok(locks.iter().any(|lock| lock[0] == mine && lock[1] == refused && blocks(lock)))
    }
}

impl Speaker for Client {
    fn ask(&mut self, statement: &str) -> io::Result<Vec<String>> {
        Ok(lines(&Client::ask(self, statement)?))
    }
}

/// A reply in the form of the scripts.
fn lines(reply: &Reply) -> Vec<String> {
    let mut told = Vec::new();
    let mut sets = reply.sets.iter();
    for line in &reply.lines {
        let (word, payload) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "COLUMNS" => {
                let rows = sets.next().map(|set| set.rows()).unwrap_or_default();
                let value = |value: &Value| value.clone().unwrap_or_else(|| "NULL".to_owned());
                told.extend(
                    rows.iter().map(|row| row.iter().map(value).collect::<Vec<_>>().join("|")),
                );
            }
            "OK" => told.push(payload.to_owned()),
            "NOTICE" | "ERROR" => {
                let head = payload.split('\t').next().unwrap_or_default();
                told.push(format!("{word} {head}"));
            }
            _ => {}
        }
    }
    if let End::Fatal(problem) = &reply.end {
        told.push(format!("FATAL {} {}", problem.sqlstate, problem.message));
    }
    told
}
