//! Scripts on PostgreSQL, each in a database of its own.

use std::io;

use super::session::{Host, Speaker};
use crate::postgres::{Postgres, Told, Wire};

/// A database of a PostgreSQL.
pub struct PostgresHost<'s> {
    server: &'s Postgres,
    database: String,
    watcher: Wire,
}

impl<'s> PostgresHost<'s> {
    /// A new database of that name.
    pub fn new(server: &'s Postgres, database: &str) -> io::Result<PostgresHost<'s>> {
        let mut watcher = server.connect("postgres")?;
        let told = watcher.ask(&format!("CREATE DATABASE \"{database}\""))?;
        if !matches!(told.as_slice(), [Told::Tag(_)]) {
            return Err(io::Error::other(format!("creating the database: {told:?}")));
        }
        Ok(PostgresHost { server, database: database.to_owned(), watcher })
    }
}

impl Host for PostgresHost<'_> {
    fn connect(&mut self) -> io::Result<Box<dyn Speaker>> {
        Ok(Box::new(self.server.connect(&self.database)?))
    }

    fn is_blocked(&mut self, pid: i32) -> io::Result<bool> {
        let told = self.watcher.ask(&format!("SELECT cardinality(pg_blocking_pids({pid})) > 0"))?;
        Ok(told.first() == Some(&Told::Row(vec![Some("t".to_owned())])))
    }
}

impl Speaker for Wire {
    fn ask(&mut self, statement: &str) -> io::Result<Vec<String>> {
        Ok(Wire::ask(self, statement)?.iter().map(line).collect())
    }
}

fn line(told: &Told) -> String {
    match told {
        Told::Row(values) => {
            let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "NULL".to_owned());
            values.iter().map(value).collect::<Vec<_>>().join("|")
        }
        Told::Tag(tag) => tag.clone(),
        Told::Problem { severity, sqlstate, message } => {
            // The line protocol has one word for all that is no error.
            let word = match severity.as_str() {
                "ERROR" | "FATAL" | "PANIC" => severity,
                _ => "NOTICE",
            };
            format!("{word} {sqlstate} {message}")
        }
    }
}
