//! The directory that runs begin with: its server was killed at work, and the log stands shortly
//! before the end of a segment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::binary;
use crate::client::Client;
use crate::crash::history::History;
use crate::crash::oracle;
use crate::crash::step::{ACCOUNTS, OPENING_BALANCE};
use crate::faults::performer::Performer;
use crate::faults::script;
use crate::scratch::Scratch;
use crate::setup::Setup;

/// Bytes of a segment of the log.
const SEGMENT: u64 = 16 << 20;
/// How far from its end the log stands, at most, before the last work of the template.
const NEAR: u64 = 160 << 10;

/// The directory, and what was done in it.
pub struct Template {
    scratch: Scratch,
    /// What the client did: the base of every run.
    pub history: History,
    /// What `account` held at the beginning.
    pub accounts: BTreeMap<i64, i64>,
}

/// How servers of these tests are started.
pub fn setup() -> Setup {
    let mut setup = Setup::new().program(binary::postmaster_faults());
    for (name, value) in [
        ("shared_buffers", "128kB"),
        ("max_connections", "4"),
        ("checkpoint_timeout", "1h"),
        ("wal_writer_delay", "50ms"),
        ("min_wal_size", "32MB"),
        ("unix_socket_directory", ""),
    ] {
        setup.change(name, value);
    }
    // What a server says under faults is judged by the run.
    setup.allow("")
}

impl Template {
    /// Makes one, for clients that commit like that.
    ///
    /// # Errors
    /// What did not work without any fault.
    pub fn make(synchronous: bool) -> Result<Template, String> {
        let scratch = Scratch::in_memory();
        let data = scratch.join("d");
        let mut server = setup().start_in(Scratch::in_memory(), data);
        let mut session = server.connect();
        oracle::create_tables(&mut session, 1);
        approach_end_of_segment(&mut session);
        let mut history = History::new(0, 1, true);
        let mut performer = Performer::new(&mut history, Vec::new(), true);
        for act in script::before() {
            performer.act(&mut session, act).map_err(|why| format!("{why:?}"))?;
        }
        server.kill();
        history.synchronous = synchronous;
        let accounts = (0..ACCOUNTS).map(|id| (id, OPENING_BALANCE)).collect();
        let template = Template { scratch, history, accounts };
        template.remove_segments_ahead();
        Ok(template)
    }

    fn data(&self) -> PathBuf {
        self.scratch.join("d")
    }

    /// A later segment than the first two need not be there, so that runs have to make one.
    fn remove_segments_ahead(&self) {
        let names = std::fs::read_dir(self.data().join("pg_wal")).expect("it is there");
        let mut names: Vec<PathBuf> = names.flatten().map(|entry| entry.path()).collect();
        names.sort();
        for path in names.iter().skip(2) {
            std::fs::remove_file(path).expect("it is ours");
        }
    }

    /// Copies the directory to `to`.
    pub fn copy(&self, to: &Path) {
        copy(&self.data(), to);
    }
}

fn copy(from: &Path, to: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir(to).expect("the scratch directory is ours");
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o700)).expect("it is ours");
    for entry in std::fs::read_dir(from).expect("it is there").flatten() {
        let (kind, target) = (entry.file_type().expect("Linux knows"), to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &target);
        } else if kind.is_file() {
            std::fs::copy(entry.path(), &target).expect("there is room");
        }
    }
}

/// Writes log until little is left of a segment.
fn approach_end_of_segment(session: &mut Client) {
    session.ok("CREATE TABLE filler (t text)");
    let left = |session: &mut Client| {
        let position = session.value("SELECT pg_current_wal_insert_lsn()");
        let (high, low) = position.split_once('/').expect("a position");
        let number = |text| u64::from_str_radix(text, 16).expect("hexadecimal");
        SEGMENT - ((number(high) << 32) + number(low)) % SEGMENT
    };
    let row = "x".repeat(3000);
    loop {
        let left = left(session);
        if left < NEAR {
            break;
        }
        let count = ((left - NEAR / 2) / 3500).clamp(1, 1000);
        let rows = (0..count).map(|_| row.as_str());
        let reply = session.copy_in("COPY filler FROM STDIN", rows).expect("no fault yet");
        assert!(reply.is_ok(), "{:?}", reply.lines);
        session.ok("TRUNCATE filler");
    }
    session.ok("DROP TABLE filler");
    session.ok("CHECKPOINT");
}
