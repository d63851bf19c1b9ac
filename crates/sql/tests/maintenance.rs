//! VACUUM beside other sessions, and across crashes: tables written anew, empty ends cut off, the
//! status of old transactions given back.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use recovery::Recovery;
use shmem::proc;
use sql::Session;
use support::world::World;
use support::{Client, new_world, session};
use types::{Fork, Lsn};
use wal::{ControlFile, DecodedRecord, WalReader, position};

/// Sends a line and answers the reply without `COLUMNS` and `READY`.
fn answers(session: &mut Session, line: &str) -> Vec<String> {
    let mut reply = Client::default().send(session, line);
    reply.retain(|line| !line.starts_with("COLUMNS") && !line.starts_with("READY"));
    reply
}

/// The number that a query answers.
fn number(session: &mut Session, query: &str) -> i64 {
    let reply = answers(session, query);
    let value = reply.first().and_then(|line| line.strip_prefix("ROW "));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{query}: {reply:?}"))
}

fn pages(session: &mut Session, relation: &str) -> i64 {
    number(session, &format!("SELECT pg_relation_size('{relation}') / 8192"))
}

/// A table with two indexes, of which nine rows in ten are gone.
const HOLEY: &str = "CREATE TABLE t (id int PRIMARY KEY, n int, s text); \
     CREATE INDEX t_n ON t (n); \
     INSERT INTO t SELECT i, i % 7, repeat('x', 200) FROM generate_series(1, 1000) i; \
     DELETE FROM t WHERE id % 10 <> 0";

fn all_done(reply: &[String]) {
    assert!(reply.iter().all(|line| line.starts_with("OK")), "{reply:?}");
}

#[test]
fn an_older_snapshot_sees_the_same_rows_after_a_vacuum_full() {
    let world = new_world(256);
    proc::attach(world.procs, 0);
    let mut first = session(&world);
    all_done(&answers(&mut first, HOLEY));
    let sum = "SELECT sum(id) FROM t";
    let by_key = "SELECT n FROM t WHERE id = 500";
    let reader = world.spawn(1, || {
        let mut second = session(&world);
        answers(&mut second, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
        world.set_word(0, 1);
        world.await_word(1, 1);
        // It has not had the table yet, so nothing was in the way.
        assert_eq!(answers(&mut second, sum), ["ROW 50500", "OK SELECT 1"]);
        assert_eq!(answers(&mut second, by_key), ["ROW 3", "OK SELECT 1"]);
        answers(&mut second, "COMMIT");
        assert_eq!(answers(&mut second, sum), ["ROW 50000", "OK SELECT 1"]);
        assert_eq!(answers(&mut second, by_key), ["OK SELECT 0"]);
    });
    world.await_word(0, 1);
    assert_eq!(answers(&mut first, "DELETE FROM t WHERE id = 500"), ["OK DELETE 1"]);
    let before = pages(&mut first, "t");
    assert_eq!(answers(&mut first, "VACUUM FULL t"), ["OK VACUUM"]);
    assert!(pages(&mut first, "t") * 5 < before);
    world.set_word(1, 1);
    reader.join();
    assert_eq!(answers(&mut first, by_key), ["OK SELECT 0"]);
}

/// A session that has planned and inserted before does so again, in the new file.
#[test]
fn other_sessions_hear_of_the_new_file() {
    let world = new_world(256);
    proc::attach(world.procs, 0);
    let mut first = session(&world);
    all_done(&answers(&mut first, HOLEY));
    let other = world.spawn(1, || {
        let mut second = session(&world);
        for round in 1..4 {
            let id = 2000 + round;
            let insert = format!("INSERT INTO t VALUES ({id}, 1, 'new')");
            assert_eq!(answers(&mut second, &insert), ["OK INSERT 0 1"]);
            let found = answers(&mut second, &format!("SELECT s FROM t WHERE id = {id}"));
            assert_eq!(found, ["ROW new", "OK SELECT 1"]);
            world.set_word(0, round);
            world.await_word(1, round);
        }
    });
    for round in 1..4 {
        world.await_word(0, round);
        assert_eq!(answers(&mut first, "VACUUM FULL t"), ["OK VACUUM"]);
        world.set_word(1, round);
    }
    other.join();
    assert_eq!(number(&mut first, "SELECT count(*) FROM t"), 103);
}

/// The end of the table is empty, and another session has the table for a while, then for longer.
#[test]
fn an_empty_end_is_given_back_when_nobody_has_the_table() {
    let world = new_world(512);
    proc::attach(world.procs, 0);
    let mut first = session(&world);
    let fill = "CREATE TABLE t (id int PRIMARY KEY, s text); \
                INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series(1, 2000) i";
    all_done(&answers(&mut first, fill));
    let reader = world.spawn(1, || {
        let mut second = session(&world);
        // Where it inserts next is at the end.
        answers(&mut second, "INSERT INTO t VALUES (3000, 'x')");
        answers(&mut second, "BEGIN; SELECT count(*) FROM t");
        world.set_word(0, 1);
        world.await_word(1, 1);
        std::thread::sleep(Duration::from_millis(300));
        answers(&mut second, "COMMIT");
        world.await_word(1, 2);
        assert_eq!(answers(&mut second, "INSERT INTO t VALUES (3001, 'y')"), ["OK INSERT 0 1"]);
        assert_eq!(number(&mut second, "SELECT count(*) FROM t"), 101);
    });
    world.await_word(0, 1);
    assert_eq!(answers(&mut first, "DELETE FROM t WHERE id > 100"), ["OK DELETE 1901"]);
    let before = pages(&mut first, "t");
    world.set_word(1, 1);
    let told = answers(&mut first, "VACUUM VERBOSE t").join("\n");
    let after = pages(&mut first, "t");
    let text = format!("table \"t\": truncated {before} to {after} pages");
    assert!(told.contains(&text) && after * 10 < before, "{told}");
    assert_eq!(number(&mut first, "SELECT relpages FROM pg_class WHERE relname = 't'"), after);
    world.set_word(1, 2);
    reader.join();
    assert!(pages(&mut first, "t") <= after + 1, "the room in front is used");
}

/// The bytes of files by their names.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("listed"));
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().expect("a name of ours");
            (name, std::fs::read(entry.path()).expect("a file"))
        })
        .collect()
}

/// Makes a folder hold these files. They are written in place: processes keep them open.
fn restore(folder: &Path, files: &BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("listed");
        let name = entry.file_name().into_string().expect("a name of ours");
        if !files.contains_key(&name) {
            std::fs::remove_file(entry.path()).expect("a file");
        }
    }
    for (name, bytes) in files {
        std::fs::write(folder.join(name), bytes).expect("a file");
    }
}

/// Where each record ends from there on.
fn record_ends(world: &World, control: &ControlFile) -> Vec<Lsn> {
    let mut reader = WalReader::new(
        world.wal.dir(),
        control.checkpoint.timeline,
        control.system,
        control.checkpoint.redo,
    );
    let mut record = DecodedRecord::default();
    let mut ends = Vec::new();
    while reader.read(&mut record).expect("a readable log") {
        ends.push(record.end());
    }
    ends
}

/// Has the log end there, of which all that counts is in this segment.
fn cut(segment: &Path, log: &[u8], from: Lsn) {
    let mut log = log.to_vec();
    log[(from.0 % position::SEGMENT_SIZE) as usize..].fill(0);
    std::fs::write(segment, log).expect("a segment");
}

/// Runs `work` from a checkpoint on; then the server crashes after each record that this has left,
/// with the files as they were at the checkpoint, and `judge` is told whether the log is whole.
fn at_each_record(
    world: &mut World,
    work: impl FnOnce(&World),
    mut judge: impl FnMut(&mut Session, bool),
) {
    world.checkpoint();
    let base = world.data_dir().join("base");
    let global = world.data_dir().join("global");
    let (before, numbers) = (files(&base), files(&global));
    work(world);
    world.wal.flush(world.wal.insert_lsn()).expect("flush");
    let control = ControlFile::read(world.data_dir()).expect("control file");
    let ends = record_ends(world, &control);
    assert!(ends.len() > 5, "{ends:?}");
    let number = position::segment_of(control.checkpoint.redo);
    assert_eq!(position::segment_of(ends[ends.len() - 1]), number, "one segment has it all");
    let name = position::segment_name(control.checkpoint.timeline, number);
    let segment = world.wal.dir().join(name);
    let log = std::fs::read(&segment).expect("a segment");
    for end in &ends {
        for id in world.pool.files().list().expect("a directory") {
            world.pool.files().close(id.rel);
        }
        restore(&base, &before);
        restore(&global, &numbers);
        cut(&segment, &log, *end);
        world.crash();
        let context = Recovery {
            data_dir: world.data_dir(),
            wal: &world.wal,
            pool: &world.pool,
            txn: &world.txn,
        };
        recovery::run(&context, &mut |_| ()).expect("recovery");
        let catalog = catalog::Catalog::new(std::rc::Rc::clone(&world.access));
        let owned = catalog.all_relfiles().expect("system tables");
        access::storage::remove_orphans(&world.pool, &owned).expect("orphans");
        let left = world.pool.files().list().expect("a directory");
        assert!(left.iter().all(|id| owned.contains(&id.rel)), "{left:?}");
        judge(&mut session(world), Some(end) == ends.last());
    }
}

/// What is so of the rows of [`HOLEY`], whether or not the work was done.
fn assert_whole(session: &mut Session) {
    assert_eq!(number(session, "SELECT count(*) FROM t"), 100);
    assert_eq!(number(session, "SELECT sum(id) FROM t WHERE n = 3"), 7350);
    assert_eq!(number(session, "SELECT n FROM t WHERE id = 500"), 3);
    assert_eq!(answers(session, "SELECT id FROM t WHERE id = 501"), ["OK SELECT 0"]);
    for index in ["t_pkey", "t_n"] {
        let checked = answers(session, &format!("SELECT bt_index_check('{index}')"));
        assert!(checked.last().is_some_and(|line| line == "OK SELECT 1"), "{checked:?}");
    }
    assert_eq!(answers(session, "INSERT INTO t VALUES (5, 5, 'new')"), ["OK INSERT 0 1"]);
    assert_eq!(number(session, "SELECT n FROM t WHERE id = 5"), 5);
}

#[test]
fn after_a_crash_anywhere_in_a_vacuum_full_the_table_is_the_old_or_the_new_one() {
    let mut world = new_world(256);
    let mut before = 0;
    {
        let mut session = session(&world);
        all_done(&answers(&mut session, HOLEY));
        before += pages(&mut session, "t");
    }
    let mut sizes = Vec::new();
    let work = |world: &World| {
        assert_eq!(answers(&mut session(world), "VACUUM FULL t"), ["OK VACUUM"]);
    };
    at_each_record(&mut world, work, |session, done| {
        sizes.push((pages(session, "t"), done));
        assert_whole(session);
    });
    let after = sizes.last().expect("some").0;
    assert!(after * 5 < before, "{sizes:?}");
    assert!(sizes.iter().all(|(size, _)| [before, after].contains(size)), "{sizes:?}");
    assert_eq!(sizes[0].0, before);
}

#[test]
fn after_a_crash_anywhere_in_a_vacuum_that_cuts_the_end_off_no_row_is_missed() {
    let mut world = new_world(256);
    {
        let mut session = session(&world);
        all_done(&answers(&mut session, HOLEY));
        all_done(&answers(
            &mut session,
            "INSERT INTO t SELECT i, 0, repeat('y', 200) FROM generate_series(2000, 3000) i",
        ));
        all_done(&answers(&mut session, "DELETE FROM t WHERE id >= 2000"));
    }
    let mut sizes = Vec::new();
    let work = |world: &World| {
        assert_eq!(answers(&mut session(world), "VACUUM t"), ["OK VACUUM"]);
    };
    at_each_record(&mut world, work, |session, _| {
        sizes.push(pages(session, "t"));
        assert_whole(session);
    });
    assert!(sizes.last().expect("some") * 3 < sizes[0] * 2, "{sizes:?}");
}

/// Hands out transaction ids that come to nothing.
fn burn(world: &World, count: u32) {
    for _ in 0..count {
        let mut tx = world.txn.begin();
        world.txn.assign_xid(&mut tx).expect("an id");
        world.txn.abort(&mut tx);
    }
}

#[test]
fn the_status_goes_once_no_table_needs_it_and_no_crash_brings_old_rows_back() {
    let mut world = new_world(256);
    {
        let mut session = session(&world);
        all_done(&answers(&mut session, HOLEY));
        all_done(&answers(
            &mut session,
            "BEGIN; INSERT INTO t VALUES (7, 7, 'lost'); DELETE FROM t WHERE id = 500; ROLLBACK",
        ));
        burn(&world, 70_000);
        // What is left of the table is from long ago.
        all_done(&answers(&mut session, "VACUUM t"));
        assert_eq!(world.txn.status_pages().expect("known"), 3, "other tables still need it");
        burn(&world, 10);
    }
    let mut cut = 0;
    let work = |world: &World| {
        assert_eq!(answers(&mut session(world), "VACUUM"), ["OK VACUUM"]);
        assert_eq!(world.txn.status_pages().expect("known"), 2);
        let blocks = world.pool.nblocks(txn::STATUS_RELATION, Fork::Main).expect("blocks");
        assert_eq!(blocks, 3, "the file keeps its length");
    };
    at_each_record(&mut world, work, |session, done| {
        assert_whole(session);
        cut += usize::from(done);
    });
    assert_eq!(cut, 1);
    assert_eq!(world.txn.status_pages().expect("known"), 2);
}

/// A small storm: random rows are updated, one indexed column of two, with a vacuum now and then.
#[test]
fn updates_and_vacuums_leave_table_and_indexes_within_twice_their_least_size() {
    const ROWS: u64 = 2000;
    let world = new_world(512);
    let mut session = session(&world);
    all_done(&answers(
        &mut session,
        "CREATE TABLE t (id int PRIMARY KEY, a int, b int, s text); \
         INSERT INTO t SELECT i, i, i, 'row ' || i::text FROM generate_series(1, 2000) i; \
         CREATE INDEX t_a ON t (a); CREATE INDEX t_b ON t (b)",
    ));
    let mut state = 1_u64;
    let mut draw = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % ROWS + 1
    };
    for round in 0..10 {
        for _ in 0..ROWS {
            let (id, value) = (draw(), draw());
            let update = format!("UPDATE t SET a = {value} WHERE id = {id}");
            assert_eq!(answers(&mut session, &update), ["OK UPDATE 1"], "{round}");
        }
        assert_eq!(answers(&mut session, "VACUUM t"), ["OK VACUUM"]);
    }
    let relations = ["t", "t_pkey", "t_a", "t_b"];
    let grown = relations.map(|relation| pages(&mut session, relation));
    assert_eq!(answers(&mut session, "VACUUM FULL t"), ["OK VACUUM"]);
    let least = relations.map(|relation| pages(&mut session, relation));
    for ((relation, grown), least) in relations.iter().zip(grown).zip(least) {
        // A page more does not count where there are so few.
        assert!(grown <= 2 * least + 1, "{relation}: {grown} pages, at least {least}");
    }
    let count = "SELECT count(*), sum(id), sum(b) FROM t";
    assert_eq!(answers(&mut session, count), ["ROW 2000\t2001000\t2001000", "OK SELECT 1"]);
}
