//! `mamont check`: the tables and indexes of a server that has been shut down, each by itself.
//!
//! Every relation file that begins with the meta page of an index is walked through: order within and
//! across pages, high keys, links both ways, levels, downlinks, checksums. Every other one is a table:
//! line pointers, headers, chains, transactions, and what the visibility map promises. What only the
//! system tables know is not looked at here, so neither the types of values nor whether an index
//! agrees with its table: a running server does that (`bt_index_check`, `verify_heapam`).
//!
//! The server must have been shut down: beside a running one, or after a crash, the files are not yet
//! what the log says.

mod files;
mod table;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use access::btree::check::{Checked, check_pages, is_index};
use access::heap::check::Checker;
use buffer::SegmentId;
use clap::Args;
use types::{Fork, RelFileNumber};
use wal::{ControlFile, ServerState};

use crate::error::Error;
use files::RelationPages;
use table::Ended;

/// What `check` is told.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The data directory
    #[arg(default_value = "./data")]
    directory: PathBuf,
}

/// Checks everything; the status is a failure if something has a problem.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> Result<ExitCode, Error> {
    let directory = &arguments.directory;
    let control = ControlFile::read(directory)?;
    let state = control.state;
    if state != ServerState::ShutDown {
        let shown = directory.display();
        let state = state.name();
        let what = format!("the server in \"{shown}\" has not been shut down ({state})");
        return Err(Error::Usage(what));
    }
    let base = directory.join("base");
    let mut relations = Vec::new();
    for entry in std::fs::read_dir(&base)? {
        let name = entry?.file_name();
        let id = name.to_str().and_then(SegmentId::parse);
        relations.extend(id.filter(|id| id.fork == Fork::Main && id.segment == 0).map(|id| id.rel));
    }
    relations.sort_unstable();
    let transactions = Ended::of(&base, control.checkpoint.next_xid)?;
    let (mut indexes, mut tables, mut problems) = (0, 0, 0);
    for rel in relations {
        let mut pages = RelationPages::open(&base, rel, Fork::Main)?;
        if rel == txn::STATUS_RELATION || pages.is_empty() {
            continue;
        }
        problems += if is_index(&pages.read(0)?) {
            indexes += 1;
            let checked = check_pages(&mut pages, &mut |_, _, _| None)?;
            tell(rel, &checked, out)?
        } else {
            tables += 1;
            let mut checker = Checker::new(&transactions, None);
            table::check(&base, &pages, &mut checker)?;
            let found = checker.finish();
            for problem in &found {
                writeln!(out, "base/{rel}: {problem}")?;
            }
            found.len()
        };
    }
    writeln!(out, "{tables} tables, {indexes} indexes, {problems} problems")?;
    Ok(if problems == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Tells of an index; the number of its problems.
fn tell(rel: RelFileNumber, checked: &Checked, out: &mut impl Write) -> Result<usize, Error> {
    let Checked { entries, levels, problems } = checked;
    for problem in problems {
        writeln!(out, "base/{rel}: {problem}")?;
    }
    let count = problems.len();
    writeln!(out, "base/{rel}: {entries} entries, {levels} levels, {count} problems")?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use buffer::{PageBytes, checksum};
    use types::{BufferTag, Lsn, Oid, PAGE_SIZE, SystemId, TimelineId, Xid};
    use wal::Checkpoint;

    use super::*;

    const REL: RelFileNumber = RelFileNumber(77);

    /// An index of a meta page and a leaf with the rows, in a data directory.
    fn directory(state: ServerState, rows: &[&[u8]]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a directory for the test");
        for folder in ["base", "global"] {
            std::fs::create_dir(directory.path().join(folder)).expect("a folder");
        }
        control(state).create(directory.path()).expect("a control file");
        let (mut meta, mut leaf) = (PageBytes::default(), PageBytes::default());
        meta.init(24);
        meta.set_flags(8);
        for (at, word) in [0x4D42_5452, 1, 1, 0].into_iter().enumerate() {
            meta.put_u32(PAGE_SIZE - 24 + 4 * at, word);
        }
        leaf.init(24);
        assert!(leaf.insert_row(1, b""));
        for (number, row) in (2..).zip(rows) {
            assert!(leaf.insert_row(number, row));
        }
        let mut bytes = Vec::new();
        for (block, page) in (0..).zip([&mut meta, &mut leaf]) {
            checksum::set_checksum(BufferTag::main(REL, block), page);
            bytes.extend_from_slice(&page.0);
        }
        std::fs::write(directory.path().join("base/77"), bytes).expect("an index");
        std::fs::write(directory.path().join("base/78"), [0; PAGE_SIZE]).expect("a table");
        directory
    }

    fn control(state: ServerState) -> ControlFile {
        ControlFile {
            sequence: 0,
            system: SystemId(1),
            catalog_version: 1,
            state,
            wal_level: 0,
            max_connections: 100,
            max_locks_per_transaction: 64,
            checksums: true,
            checkpoint_lsn: Lsn(1),
            minimum_recovery_point: Lsn::INVALID,
            backup_start: Lsn::INVALID,
            checkpoint: Checkpoint {
                redo: Lsn(1),
                timeline: TimelineId(1),
                next_xid: Xid::FIRST_NORMAL,
                oldest_running_xid: Xid::FIRST_NORMAL,
                next_oid: Oid(16384),
                next_relfile: RelFileNumber(16384),
                time: 0,
                buffers_written: 0,
                buffers_total: 0,
            },
        }
    }

    fn checked(directory: &Path) -> (String, bool) {
        let mut out = Vec::new();
        let arguments = Arguments { directory: directory.to_owned() };
        let code = run(&arguments, &mut out).expect("the files can be read");
        (String::from_utf8(out).expect("text"), code == ExitCode::SUCCESS)
    }

    #[test]
    fn a_sound_index_and_a_damaged_one() {
        let rows: [&[u8]; 2] = [b"a\0\0\0\0\0\x01", b"b\0\0\0\0\0\x01"];
        let sound = directory(ServerState::ShutDown, &rows);
        let text = "base/77: 2 entries, 1 levels, 0 problems\n1 tables, 1 indexes, 0 problems\n";
        assert_eq!(checked(sound.path()), (text.to_owned(), true));
        let disordered = directory(ServerState::ShutDown, &[rows[1], rows[0]]);
        let (text, good) = checked(disordered.path());
        let first = "base/77: block 1, offset 3: row is not greater than the one before\n";
        assert!(text.starts_with(first) && !good, "{text}");
    }

    #[test]
    fn a_wrong_checksum_is_named() {
        let torn = directory(ServerState::ShutDown, &[]);
        let path = torn.path().join("base/77");
        let mut bytes = std::fs::read(&path).expect("an index");
        bytes[PAGE_SIZE + 5000] ^= 1;
        std::fs::write(&path, &bytes).expect("an index");
        let (text, good) = checked(torn.path());
        assert!(text.starts_with("base/77: block 1: its checksum is wrong\n") && !good, "{text}");
        bytes[100] ^= 1;
        std::fs::write(&path, &bytes).expect("an index");
        let (text, good) = checked(torn.path());
        assert!(text.starts_with("base/77: block 0: its checksum is wrong\n") && !good, "{text}");
    }

    #[test]
    fn a_server_that_was_not_shut_down_is_left_alone() {
        let running = directory(ServerState::InProduction, &[]);
        let arguments = Arguments { directory: running.path().to_owned() };
        let error = run(&arguments, &mut Vec::new()).expect_err("refused");
        assert!(error.to_string().contains("has not been shut down"), "{error}");
    }
}
