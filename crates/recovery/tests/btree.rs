//! Indexes after a crash at every position of the log: what the log has is there, the rest is not,
//! splits that were cut in two are whole to the reader and are finished by the next writer.

mod past;
#[path = "../../access/tests/support/mod.rs"]
mod support;

use access::btree::{BTree, Direction, Key, KeyColumn, KeyRange};
use buffer::{PageAccess, PageBytes};
use past::Past;
use recovery::Recovery;
use support::World;
use types::{BufferTag, ColumnType, Datum, Fork, Lsn, PAGE_SIZE, RelFileNumber, TupleId, Xid};
use wal::{DecodedRecord, Rmgr, WalOptions, WalReader};

const TEXT: [KeyColumn; 1] =
    [KeyColumn { ty: ColumnType::Text, descending: false, nulls_first: false }];

fn recover(world: &World) {
    let context = Recovery {
        data_dir: world.data_dir(),
        wal: &world.wal,
        pool: &world.pool,
        txn: &world.txn,
    };
    recovery::run(&context, &mut |_| ()).expect("recovery");
}

fn tree(world: &World, rel: RelFileNumber) -> BTree<'_> {
    BTree::new(&world.access, rel, "test_idx")
}

fn index(world: &World) -> RelFileNumber {
    world.write(|tx| {
        let rel = access::storage::create(&world.access, tx).expect("a file");
        let xid = world.txn.assign_xid(tx).expect("an id");
        tree(world, rel).create(xid).expect("an index");
        rel
    })
}

/// Long keys that differ in the middle, so that pivots are long, too, and a few of them make a tree
/// of several levels.
fn key(number: u32) -> Key {
    let text = format!("{}{:03}{}", "k".repeat(1500), number, "k".repeat(300));
    Key::encode(&TEXT, &[Datum::Text(text)]).expect("a key")
}

fn add(world: &World, rel: RelFileNumber, number: u32) {
    let place = TupleId { block: number, offset: 1 };
    tree(world, rel).insert(Xid(9), &key(number), place, None).expect("insert").expect("fits");
}

fn numbers(world: &World, rel: RelFileNumber, direction: Direction) -> Vec<u32> {
    let tree = tree(world, rel);
    let mut cursor = tree.scan(KeyRange::all(), direction);
    let mut found = Vec::new();
    while let Some((place, key_found)) = cursor.next().expect("next entry") {
        assert_eq!(key_found.as_bytes(), key(place.block).as_bytes());
        found.push(place.block);
    }
    found
}

fn check(world: &World, rel: RelFileNumber) {
    let tree = tree(world, rel);
    let checked = access::btree::check::check(&tree, &mut |_, _, _| None).expect("checked");
    assert_eq!(checked.problems, []);
}

/// Where the records from `start` on end, and the kinds of those of indexes.
fn records(world: &World, start: Lsn) -> Vec<(Lsn, Option<u8>)> {
    let wal = &world.wal;
    let mut reader = WalReader::new(wal.dir(), wal.timeline(), support::SYSTEM, start);
    let mut record = DecodedRecord::default();
    let mut found = Vec::new();
    while reader.read(&mut record).expect("the log reads") {
        let own = record.rmgr().expect("known") == Rmgr::Btree;
        found.push((record.end(), own.then(|| record.kind())));
    }
    found
}

fn crash_at_every_position(full_page_writes: bool) {
    const COUNT: u32 = 30;
    let mut world =
        World::with_options(128, WalOptions { full_page_writes, ..WalOptions::default() });
    world.checkpoint();
    let past = Past::take(&world);
    let start = world.wal.insert_lsn();
    let rel = index(&world);
    let mut spans = Vec::new();
    for n in 0..COUNT {
        let number = (n * 37) % COUNT;
        let before = world.wal.insert_lsn();
        add(&world, rel, number);
        spans.push((number, before, world.wal.insert_lsn()));
    }
    world.wal.flush(world.wal.insert_lsn()).expect("flush");
    let log = Past::take(&world);
    let records = records(&world, start);
    for kind in 0..=4 {
        assert!(records.iter().any(|(_, k)| *k == Some(kind)), "a record of kind {kind}");
    }
    let created = records.iter().find(|(_, kind)| *kind == Some(0)).expect("CREATE").0;
    for (end, _) in records.iter().filter(|(end, _)| *end >= created) {
        past.restore(&world, &log, *end);
        world.crash();
        recover(&world);
        check(&world, rel);
        let found = numbers(&world, rel, Direction::Forward);
        assert!(found.is_sorted_by(|a, b| a < b));
        for (number, before, after) in &spans {
            let there = found.contains(number);
            assert!(there || after > end, "{number} is lost at {end}");
            assert!(!there || before < end, "{number} is too early at {end}");
        }
        // Whoever comes next finishes what was cut in two.
        for number in (0..COUNT).filter(|number| !found.contains(number)) {
            add(&world, rel, number);
        }
        for number in COUNT..COUNT + 20 {
            add(&world, rel, number);
        }
        let all: Vec<u32> = (0..COUNT + 20).collect();
        assert_eq!(numbers(&world, rel, Direction::Forward), all, "at {end}");
        let backward: Vec<u32> = all.into_iter().rev().collect();
        assert_eq!(numbers(&world, rel, Direction::Backward), backward, "at {end}");
        check(&world, rel);
    }
}

/// A vacuum that empties whole branches, cut off at every record: what stays is there, the next
/// vacuum ends what this one began, and the pages are used again.
#[test]
fn a_crash_at_any_record_of_a_vacuum_leaves_a_tree_that_is_whole() {
    const COUNT: u32 = 60;
    let stays = |number: u32| !(8..52).contains(&number) || number == 30;
    let mut world = World::new(128);
    let rel = index(&world);
    (0..COUNT).for_each(|number| add(&world, rel, number));
    world.checkpoint();
    let past = Past::take(&world);
    let start = world.wal.insert_lsn();
    let vacuum = |world: &World| {
        let mut dead = |place: TupleId| !stays(place.block);
        tree(world, rel).bulk_delete(&mut dead).expect("vacuum")
    };
    assert_eq!(vacuum(&world).removed, 43);
    world.wal.flush(world.wal.insert_lsn()).expect("flush");
    let log = Past::take(&world);
    let records = records(&world, start);
    for kind in 5..=7 {
        assert!(records.iter().any(|(_, k)| *k == Some(kind)), "a record of kind {kind}");
    }
    for (end, _) in &records {
        past.restore(&world, &log, *end);
        world.crash();
        recover(&world);
        check(&world, rel);
        let found = numbers(&world, rel, Direction::Forward);
        assert!((0..COUNT).filter(|n| stays(*n)).all(|n| found.contains(&n)), "at {end}");
        let done = vacuum(&world);
        assert_eq!(u64::from(found.len() as u32), done.removed + done.remaining);
        check(&world, rel);
        (0..COUNT).filter(|n| !stays(*n)).for_each(|n| add(&world, rel, n));
        let all: Vec<u32> = (0..COUNT).collect();
        assert_eq!(numbers(&world, rel, Direction::Forward), all, "at {end}");
        check(&world, rel);
    }
}

#[test]
fn what_was_built_survives_a_crash() {
    let mut world = World::new(128);
    let rel = world.write(|tx| {
        let rel = access::storage::create(&world.access, tx).expect("a file");
        let mut build = tree(&world, rel).begin_build(0);
        for n in 0..200 {
            let place = TupleId { block: n * 7 % 200, offset: 1 };
            build.push(&key(n * 7 % 200), place, true).expect("pushed");
        }
        let built = build.finish(true, &mut |_| Ok::<(), access::Error>(())).expect("built");
        assert_eq!(built, Ok(200));
        rel
    });
    world.crash();
    recover(&world);
    check(&world, rel);
    assert_eq!(numbers(&world, rel, Direction::Forward), (0..200).collect::<Vec<_>>());
}

#[test]
fn a_crash_at_any_record_leaves_a_tree_that_is_whole() {
    crash_at_every_position(true);
}

#[test]
fn a_crash_at_any_record_without_images_leaves_a_tree_that_is_whole() {
    crash_at_every_position(false);
}

/// A page without its checksum.
fn page(world: &World, rel: RelFileNumber, block: u32) -> Vec<u8> {
    let pin = world.pool.read(BufferTag::main(rel, block)).expect("page");
    let mut page = PageBytes([0; PAGE_SIZE]);
    pin.shared().copy_to(&mut page);
    page.0[8..12].fill(0);
    assert!(page.is_sane());
    page.0.to_vec()
}

#[test]
fn redo_from_the_first_record_makes_the_same_index() {
    let options = WalOptions { full_page_writes: false, ..WalOptions::default() };
    let mut world = World::with_options(512, options);
    world.checkpoint();
    let past = Past::take(&world);
    let rel = index(&world);
    for n in 0..300 {
        add(&world, rel, (n * 7919) % 300);
    }
    world.wal.flush(world.wal.insert_lsn()).expect("flush");
    let blocks = world.pool.nblocks(rel, Fork::Main).expect("blocks");
    let used: Vec<u32> = (0..blocks).filter(|b| !is_new(&world, rel, *b)).collect();
    let before: Vec<Vec<u8>> = used.iter().map(|block| page(&world, rel, *block)).collect();
    let log = Past::take(&world);
    past.restore(&world, &log, Lsn(world.wal.insert_lsn().0));
    world.crash();
    recover(&world);
    for (block, before) in used.iter().zip(before) {
        let after = page(&world, rel, *block);
        let differs = before.iter().zip(&after).position(|(a, b)| a != b);
        assert_eq!(differs, None, "block {block}");
    }
}

fn is_new(world: &World, rel: RelFileNumber, block: u32) -> bool {
    let pin = world.pool.read(BufferTag::main(rel, block)).expect("page");
    pin.shared().is_new()
}
