//! A crash at any record of a VACUUM: of one that writes a table anew, one that cuts its end off, one
//! that gives the status of old transactions back.

mod holey;
mod support;

use std::collections::BTreeMap;
use std::path::Path;

use holey::{HOLEY, all_done, answers, number, pages};
use recovery::Recovery;
use sql::Session;
use support::world::World;
use support::{new_world, session};
use types::{Fork, Lsn};
use wal::{ControlFile, DecodedRecord, WalReader, position};

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
    assert_eq!(number(session, "SELECT sum(id) FROM t WHERE n = 3"), 7500);
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
            "INSERT INTO t SELECT i, 0, repeat('y', 200) FROM generate_series(2000, 3000) i; \
             DELETE FROM t WHERE id >= 2000",
        ));
    }
    let mut sizes = Vec::new();
    let work = |world: &World| {
        assert_eq!(answers(&mut session(world), "VACUUM t"), ["OK VACUUM"]);
    };
    at_each_record(&mut world, work, |session, _| {
        sizes.push(pages(session, "t"));
        assert_whole(session);
    });
    // The rows that were to fill new pages took the holes first.
    assert!(*sizes.last().expect("some") < sizes[0], "{sizes:?}");
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
            "BEGIN; INSERT INTO t VALUES (7, 7, 'lost'); \
             DELETE FROM t WHERE id = 500; ROLLBACK",
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
