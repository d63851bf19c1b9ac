//! `mamont waldump`: the records of the log, one a line, or how many of each there are.
//!
//! It reads segments beside a running server, which only ever appends to what is valid. Where the
//! log ends, and why nothing follows, is said at last: that is how the end is found after a crash
//! too.

mod stats;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use types::Lsn;
use wal::{ControlFile, DecodedRecord, Rmgr, WalReader, position};

use crate::error::Error;
use crate::records;
use stats::Stats;

/// What `waldump` is told.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The data directory
    #[arg(short = 'p', long = "path", visible_short_alias = 'D', default_value = "./data")]
    path: PathBuf,

    /// Where to begin: a position (0/1000028) or the name of a segment; by default where recovery
    /// would begin
    #[arg(value_parser = parse_place)]
    start: Option<Lsn>,

    /// Where to stop: a position, or the name of the first segment not to read
    #[arg(value_parser = parse_place)]
    end: Option<Lsn>,

    /// Only records of this resource manager; may be given several times
    #[arg(long, value_name = "NAME", value_parser = parse_rmgr)]
    rmgr: Vec<u8>,

    /// Only records of this transaction
    #[arg(long)]
    xid: Option<u64>,

    /// Only records that change this relation file
    #[arg(long, value_name = "NUMBER")]
    relation: Option<u64>,

    /// Stops after so many records
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<u64>,

    /// Prints how many records there are of each kind, instead of the records
    #[arg(long)]
    stats: bool,
}

fn parse_place(text: &str) -> Result<Lsn, String> {
    match position::parse_segment_name(text) {
        Some((_, segment)) => Ok(position::segment_start(segment)),
        None => text.parse().map_err(|error: types::ParseLsnError| error.to_string()),
    }
}

fn parse_rmgr(text: &str) -> Result<u8, String> {
    let known = Rmgr::ALL.iter().find(|rmgr| rmgr.name().eq_ignore_ascii_case(text));
    known.map(|rmgr| *rmgr as u8).ok_or_else(|| {
        let names: Vec<&str> = Rmgr::ALL.iter().map(|rmgr| rmgr.name()).collect();
        format!("expected one of {}", names.join(", "))
    })
}

/// Prints the records.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> Result<ExitCode, Error> {
    let control = ControlFile::read(&arguments.path)?;
    let mut reader = open(arguments, &control)?;
    let from = reader.position();
    let mut record = DecodedRecord::default();
    let mut stats = Stats::default();
    let mut shown = 0;
    while arguments.limit.is_none_or(|limit| shown < limit) && reader.read(&mut record)? {
        if arguments.end.is_some_and(|end| record.lsn() >= end) {
            break;
        }
        if !arguments.wants(&record) {
            continue;
        }
        shown += 1;
        if arguments.stats {
            stats.add(&record);
        } else {
            writeln!(out, "{}", records::line(&record))?;
        }
    }
    if arguments.stats {
        out.write_all(stats.render().as_bytes())?;
    }
    if let Some(end) = reader.end() {
        let bytes = end.lsn.0.saturating_sub(from.0);
        writeln!(out, "end of log at {} ({bytes} bytes from {from}): {}", end.lsn, end.why)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A reader that stands before the first record at or behind the wanted place.
fn open(arguments: &Arguments, control: &ControlFile) -> Result<WalReader, Error> {
    let directory = arguments.path.join("pg_wal");
    let timeline = control.checkpoint.timeline;
    let new = |start| WalReader::new(&directory, timeline, control.system, start);
    let Some(wanted) = arguments.start else { return Ok(new(control.checkpoint.redo)) };
    let first = new(wanted).first_record_from(wanted)?.ok_or_else(|| {
        let name = position::segment_name(timeline, position::segment_of(wanted));
        Error::Usage(format!("there is no valid page of the log at {wanted} (in {name})"))
    })?;
    // The first record of the page may lie before the wanted place: pass those by.
    let mut reader = new(first);
    let mut record = DecodedRecord::default();
    let mut start = first;
    while start < wanted && reader.read(&mut record)? {
        start = position::record_start_at(record.end());
    }
    Ok(new(start))
}

impl Arguments {
    fn wants(&self, record: &DecodedRecord) -> bool {
        let rmgr = self.rmgr.is_empty() || self.rmgr.contains(&record.rmgr_number());
        let xid = self.xid.is_none_or(|xid| record.xid().0 == xid);
        let touches = |number| record.blocks().iter().any(|block| block.tag.rel.0 == number);
        rmgr && xid && self.relation.is_none_or(touches)
    }
}

#[cfg(test)]
mod tests;
