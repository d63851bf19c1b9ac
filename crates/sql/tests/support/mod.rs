//! A client for tests of sessions: it writes replies down as the line protocol shows them, and has
//! COPY's data ready.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(missing_docs, reason = "names say it; this is no interface")]

#[path = "../../../access/tests/support/mod.rs"]
pub mod world;

use std::collections::VecDeque;
use std::rc::Rc;

use config::Settings;
use sql::{
    Checkpoints, CopyFormat, CopyLine, ErrorReport, Host, Output, OutputColumn, Rooms, Session,
    Stop, TextRow, TxStatus,
};
use types::{Diagnostic, Severity};
use world::World;

struct NoHost;

impl Host for NoHost {
    fn checkpoint(&self) -> Result<(), Box<dyn Diagnostic>> {
        Ok(())
    }

    fn set_log_level(&self, _: config::MessageLevel) {}

    fn checkpoints(&self) -> Checkpoints {
        Checkpoints { done: 7, ..Checkpoints::default() }
    }
}

/// A session over the rooms of a world that has system tables.
pub fn session(world: &World) -> Session {
    let rooms = Rooms {
        wal: Rc::clone(&world.wal),
        pool: Rc::clone(&world.pool),
        txn: Rc::clone(&world.txn),
        access: Rc::clone(&world.access),
        catalog: Rc::new(catalog::Catalog::new(Rc::clone(&world.access))),
        procs: world.procs,
        regions: world.segment.regions().collect(),
        host: Rc::new(NoHost),
    };
    Session::new(rooms, &Settings::default())
}

/// A world with system tables.
pub fn new_world(buffers: usize) -> World {
    let world = World::new(buffers);
    catalog::bootstrap::bootstrap(&world.access).expect("system tables");
    world.checkpoint();
    world
}

/// Writes replies down.
#[derive(Default)]
pub struct Client {
    pub reply: Vec<String>,
    /// Lines of COPY's data that the client will send.
    pub data: VecDeque<String>,
    line: String,
    csv: bool,
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c => out.push(c),
        }
    }
    out
}

fn message(report: &ErrorReport) -> String {
    let mut out = format!("{} {}", report.sqlstate, escaped(&report.message));
    for (name, field) in [("detail", &report.detail), ("hint", &report.hint)] {
        if let Some(field) = field {
            out.push_str(&format!("\t{name}={}", escaped(field)));
        }
    }
    if let Some(position) = report.position {
        out.push_str(&format!("\tposition={position}"));
    }
    out
}

impl Output for Client {
    fn columns(&mut self, columns: &[OutputColumn]) -> Result<(), Stop> {
        let columns: Vec<String> = columns
            .iter()
            .map(|column| format!("{} {}", escaped(&column.name), column.ty.internal_name()))
            .collect();
        self.reply.push(format!("COLUMNS {}", columns.join("\t")));
        Ok(())
    }

    fn row(&mut self, row: &TextRow) -> Result<(), Stop> {
        let values: Vec<String> =
            row.values().map(|value| value.map_or_else(|| "\\N".to_owned(), escaped)).collect();
        self.reply.push(format!("ROW {}", values.join("\t")));
        Ok(())
    }

    fn done(&mut self, tag: &str) -> Result<(), Stop> {
        self.reply.push(format!("OK {tag}"));
        Ok(())
    }

    fn error(&mut self, report: &ErrorReport) -> Result<(), Stop> {
        let word = if report.severity == Severity::Error { "ERROR" } else { "FATAL" };
        self.reply.push(format!("{word} {}", message(report)));
        Ok(())
    }

    fn notice(&mut self, report: &ErrorReport) -> Result<(), Stop> {
        self.reply.push(format!("NOTICE {}", message(report)));
        Ok(())
    }

    fn copy_out(&mut self, format: CopyFormat, _: usize) -> Result<(), Stop> {
        self.csv = format == CopyFormat::Csv;
        Ok(())
    }

    fn copy_row(&mut self, line: &str) -> Result<(), Stop> {
        let line = if self.csv { escaped(line) } else { line.to_owned() };
        self.reply.push(format!("ROW {line}"));
        Ok(())
    }

    fn copy_in(&mut self, _: CopyFormat, _: usize) -> Result<(), Stop> {
        self.reply.push("COPYIN".to_owned());
        Ok(())
    }

    fn read_copy_line(&mut self) -> Result<CopyLine<'_>, Stop> {
        match self.data.pop_front() {
            None => Err(Stop::Disconnected),
            Some(line) if line == "\\." => Ok(CopyLine::End),
            Some(line) => {
                self.line = line;
                Ok(CopyLine::Line(&self.line))
            }
        }
    }
}

impl Client {
    /// Sends a line and answers the reply, `READY` included.
    pub fn send(&mut self, session: &mut Session, line: &str) -> Vec<String> {
        match session.execute_line(line, self) {
            Ok(()) => self.reply.push(
                match session.status() {
                    TxStatus::Idle => "READY idle",
                    TxStatus::Transaction => "READY transaction",
                    TxStatus::Failed => "READY failed",
                }
                .to_owned(),
            ),
            Err(stop) => self.reply.push(format!("({stop})")),
        }
        std::mem::take(&mut self.reply)
    }
}
