//! `mamont controldata`: what the control file says. Works beside a running server.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use wal::{ControlFile, OtherSlot};

use crate::clock;
use crate::error::Error;

/// What `controldata` is told.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The data directory
    #[arg(default_value = "./data")]
    directory: PathBuf,
}

/// Prints the control file.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> Result<ExitCode, Error> {
    let (control, other) = ControlFile::read_both(&arguments.directory)?;
    let other = match other {
        OtherSlot::Good => "good".to_owned(),
        OtherSlot::Unused => "not written yet".to_owned(),
        OtherSlot::Damaged(why) => format!("damaged: {why}"),
    };
    for (label, value) in lines(&control).into_iter().chain([("The other copy", other)]) {
        writeln!(out, "{:<38}{value}", format!("{label}:"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn lines(control: &ControlFile) -> Vec<(&'static str, String)> {
    let checkpoint = &control.checkpoint;
    let wal_level = if control.wal_level == 0 { "replica" } else { "logical" };
    vec![
        ("Format version", wal::control_file::FORMAT_VERSION.to_string()),
        ("Catalog version", control.catalog_version.to_string()),
        ("Database system identifier", control.system.0.to_string()),
        ("Database cluster state", control.state.name().to_owned()),
        ("Control file updates", control.sequence.to_string()),
        ("Latest checkpoint location", control.checkpoint_lsn.to_string()),
        ("Latest checkpoint's REDO location", checkpoint.redo.to_string()),
        (
            "Latest checkpoint's REDO WAL file",
            wal::position::segment_name(
                checkpoint.timeline,
                wal::position::segment_of(checkpoint.redo),
            ),
        ),
        ("Latest checkpoint's TimeLineID", checkpoint.timeline.0.to_string()),
        ("Latest checkpoint's NextXID", checkpoint.next_xid.to_string()),
        ("Latest checkpoint's oldestRunningXID", checkpoint.oldest_running_xid.to_string()),
        ("Latest checkpoint's NextOID", checkpoint.next_oid.0.to_string()),
        ("Latest checkpoint's next file number", checkpoint.next_relfile.to_string()),
        ("Time of latest checkpoint", clock::timestamp(checkpoint.time)),
        (
            "Buffers written by it",
            format!("{} of {}", checkpoint.buffers_written, checkpoint.buffers_total),
        ),
        ("Minimum recovery ending location", control.minimum_recovery_point.to_string()),
        ("Backup start location", control.backup_start.to_string()),
        ("wal_level setting", wal_level.to_owned()),
        ("max_connections setting", control.max_connections.to_string()),
        ("max_locks_per_xact setting", control.max_locks_per_transaction.to_string()),
        ("Page size", types::PAGE_SIZE.to_string()),
        ("Bytes per WAL segment", wal::position::SEGMENT_SIZE.to_string()),
        ("Page checksums", if control.checksums { "on" } else { "off" }.to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::{Lsn, Oid, RelFileNumber, SystemId, TimelineId, Xid};
    use wal::{Checkpoint, ServerState};

    #[test]
    fn every_line_of_a_control_file_is_printed() {
        let directory = tempfile::tempdir().expect("a directory for the test");
        std::fs::create_dir(directory.path().join("global")).expect("a directory for the test");
        let control = ControlFile {
            sequence: 7,
            system: SystemId(42),
            catalog_version: 1,
            state: ServerState::InProduction,
            wal_level: 1,
            max_connections: 100,
            max_locks_per_transaction: 64,
            checksums: true,
            checkpoint_lsn: Lsn(0x100_0100),
            minimum_recovery_point: Lsn(0),
            backup_start: Lsn(0),
            checkpoint: Checkpoint {
                redo: Lsn(0x100_0028),
                timeline: TimelineId(1),
                next_xid: Xid(9),
                oldest_running_xid: Xid(8),
                next_oid: Oid(16384),
                next_relfile: RelFileNumber(16385),
                time: 0,
                buffers_written: 3,
                buffers_total: 16,
            },
        };
        control.create(directory.path()).expect("a control file for the test");
        let mut out = Vec::new();
        let arguments = Arguments { directory: directory.path().to_owned() };
        run(&arguments, &mut out).expect("a good control file");
        let text = String::from_utf8(out).expect("text");
        for line in [
            "Latest checkpoint's REDO location:    0/1000028",
            "Latest checkpoint's REDO WAL file:    000000010000000000000001",
            "Database cluster state:               in production",
            "Time of latest checkpoint:            2000-01-01 00:00:00.000000 UTC",
            "Buffers written by it:                3 of 16",
            "wal_level setting:                    logical",
        ] {
            assert!(text.lines().any(|printed| printed == line), "{line}\nnot in\n{text}");
        }
        let missing = Arguments { directory: directory.path().join("none") };
        assert!(run(&missing, &mut Vec::new()).is_err());
    }
}
