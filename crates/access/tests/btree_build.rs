//! Indexes built on rows that are there already.

mod index;
mod support;

use access::btree::{BuildPhase, BuildProgress, Direction, Key, KeyRange};
use index::{Noise, add, check, entries, index, int, place, text, tree};
use support::World;
use types::{Datum, Diagnostic, Fork, RelFileNumber, SqlState, TupleId};

fn file(world: &World) -> RelFileNumber {
    world.write(|tx| access::storage::create(&world.access, tx).expect("a file"))
}

fn temp_files(world: &World) -> usize {
    match std::fs::read_dir(world.data_dir().join("base/pgsql_tmp")) {
        Ok(entries) => entries.count(),
        Err(_) => 0,
    }
}

fn quiet(_: BuildProgress) -> Result<(), access::Error> {
    Ok(())
}

/// Builds on the rows and compares what is there with what should be.
fn built(world: &World, rows: &[(Key, TupleId)], memory: u64) -> RelFileNumber {
    let rel = file(world);
    let mut source = rows.iter().cloned();
    let count = tree(world, rel)
        .build(|| Ok(source.next()), false, memory, &mut quiet)
        .expect("built")
        .expect("not unique");
    assert_eq!(count, rows.len() as u64);
    let mut expected: Vec<_> = rows.iter().map(|(k, p)| (k.as_bytes().to_vec(), *p)).collect();
    expected.sort_unstable();
    let tree = tree(world, rel);
    assert_eq!(entries(&tree, KeyRange::all(), Direction::Forward), expected);
    expected.reverse();
    assert_eq!(entries(&tree, KeyRange::all(), Direction::Backward), expected);
    assert_eq!(check(&tree).entries, count);
    assert_eq!(temp_files(world), 0);
    rel
}

#[test]
fn what_is_built_is_in_order_whether_it_fits_into_memory_or_not() {
    let world = World::new(256);
    let mut noise = Noise(3);
    for (count, longest) in [(0, 5), (1, 5), (2, 2500), (300, 2500), (20_000, 12), (3000, 400)] {
        let rows: Vec<_> = (0..count).map(|n| (text(&noise.text(longest)), place(n))).collect();
        let in_memory = built(&world, &rows, 1 << 30);
        let spilled = built(&world, &rows, 0);
        let blocks = |rel| world.pool.nblocks(rel, Fork::Main).expect("blocks");
        assert_eq!(blocks(in_memory), blocks(spilled));
    }
}

/// 64 kB of memory and 5 MB of entries: more runs than are merged at once.
#[test]
fn many_runs_are_merged_in_several_passes() {
    let world = World::new(256);
    let rows: Vec<_> = (0..150_000u32)
        .map(|n| (int((n.wrapping_mul(2654435761) >> 8) as i32), place(n)))
        .collect();
    built(&world, &rows, 0);
}

#[test]
fn what_is_built_is_packed_and_can_be_added_to() {
    let world = World::new(256);
    let rows: Vec<_> = (0..50_000).map(|n| (int(n), place(n as u32))).collect();
    let rel = built(&world, &rows, 1 << 30);
    let blocks = world.pool.nblocks(rel, Fork::Main).expect("blocks");
    assert!((105..120).contains(&blocks), "{blocks} blocks");
    let tree = tree(&world, rel);
    for n in 0..5000 {
        add(&tree, &int(n * 10), place(60_000 + n as u32));
    }
    assert_eq!(check(&tree).entries, 55_000);
}

#[test]
fn an_index_without_rows_can_be_added_to() {
    let world = World::new(64);
    let rel = built(&world, &[], 0);
    for n in 0..2000 {
        add(&tree(&world, rel), &int(-n), place(n as u32));
    }
    assert_eq!(check(&tree(&world, rel)).entries, 2000);
    let created = index(&world);
    assert_eq!(check(&tree(&world, created)).levels, 1);
}

#[test]
fn of_two_living_rows_of_a_key_both_are_named() {
    let world = World::new(64);
    let rel = file(&world);
    let build = |rows: &[(i32, u32, bool)], memory| {
        let mut build = tree(&world, rel).begin_build(memory);
        for &(number, at, alive) in rows {
            let key = match number {
                0 => Key::encode(&index::INT, &[Datum::Null]).expect("a key"),
                number => int(number),
            };
            build.push(&key, place(at), alive).expect("pushed");
        }
        build.finish(true, &mut quiet).expect("built")
    };
    assert_eq!(build(&[(0, 1, true), (0, 2, true), (1, 3, true), (1, 4, false)], 0), Ok(4));
    let rows = [(5, 1, true), (7, 9, true), (5, 2, false), (7, 3, true), (5, 3, false)];
    let duplicate = build(&rows, 0).expect_err("two rows");
    assert_eq!(duplicate.key.as_bytes(), int(7).as_bytes());
    assert_eq!(duplicate.places, [place(3), place(9)]);
}

#[test]
fn a_build_reports_and_can_be_ended() {
    let world = World::new(64);
    let mut phases = Vec::new();
    let mut build = |stop_at: Option<BuildPhase>| {
        let rel = file(&world);
        let mut next = 0;
        let source = || {
            next += 1;
            Ok((next <= 10_000).then(|| (int(next), place(next as u32))))
        };
        tree(&world, rel).build(source, false, 0, &mut |progress| {
            phases.push(progress.phase);
            match stop_at {
                Some(phase) if phase == progress.phase => Err(access::Error::Invisible(place(1))),
                _ => Ok(()),
            }
        })
    };
    build(None).expect("built").expect("not unique");
    for phase in [BuildPhase::Scanning, BuildPhase::Sorting, BuildPhase::Loading] {
        build(Some(phase)).expect_err("ended");
        assert_eq!(temp_files(&world), 0, "{phase:?}");
    }
    phases.dedup();
    assert_eq!(phases[..3], [BuildPhase::Scanning, BuildPhase::Sorting, BuildPhase::Loading]);
}

#[test]
fn a_key_that_is_too_long_ends_the_build() {
    let world = World::new(64);
    let mut build = tree(&world, file(&world)).begin_build(1 << 20);
    build.push(&text(&"x".repeat(2696)), place(1), true).expect("fits");
    let error = build.push(&text(&"x".repeat(2697)), place(1), true).expect_err("too long");
    assert_eq!(error.sqlstate(), SqlState::PROGRAM_LIMIT_EXCEEDED);
}

#[test]
fn what_a_crash_left_is_removed() {
    let world = World::new(64);
    access::temp::remove_leftovers(&world.pool).expect("nothing there");
    let folder = world.data_dir().join("base/pgsql_tmp");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("pgsql_tmp77.0"), b"left").expect("a file");
    access::temp::remove_leftovers(&world.pool).expect("removed");
    assert_eq!(temp_files(&world), 0);
}
