//! The promises of the durability model, each on a journal made by hand, over many seeds.

mod names;

use std::collections::BTreeSet;

use super::*;
use crate::tree::ROOT;

const SEEDS: u64 = 300;
const DIRECTORY: u32 = 0o40755;
const FILE: u32 = 0o100644;
const ALL_NAMES: [Names; 3] = [Names::Inode, Names::Posix, Names::Journal];

/// A journal in the making. Its first file is inode 2.
struct Journal {
    changes: Vec<Change<'static>>,
    inodes: u64,
    syncs: u64,
}

impl Journal {
    /// An empty root directory, durable.
    fn new() -> Journal {
        let changes = vec![Change::New { inode: ROOT, mode: DIRECTORY, owner: 0 }, Change::Start];
        Journal { changes, inodes: ROOT, syncs: 0 }
    }

    fn make(&mut self, directory: u64, name: &'static str, mode: u32) -> u64 {
        self.inodes += 1;
        let (inode, name) = (self.inodes, name.as_bytes().into());
        self.changes.push(Change::New { inode, mode, owner: 0 });
        self.changes.push(Change::Add { directory, name, inode, created: true });
        inode
    }

    fn write(&mut self, inode: u64, offset: u64, byte: u8, length: usize) {
        self.changes.push(Change::Write { inode, offset, data: vec![byte; length].into() });
    }

    fn truncate(&mut self, inode: u64, size: u64) {
        self.changes.push(Change::Truncate { inode, size });
    }

    fn rename(&mut self, inode: u64, old: &'static str, new: &'static str) {
        let (old_name, new_name) = (old.as_bytes().into(), new.as_bytes().into());
        self.changes.push(Change::Move { from: ROOT, to: ROOT, inode, old_name, new_name });
    }

    fn delete(&mut self, inode: u64, name: &'static str) {
        let name = name.as_bytes().into();
        self.changes.push(Change::Delete { directory: ROOT, name, inode });
    }

    fn begin_sync(&mut self, inode: u64, data_only: bool) -> u64 {
        self.syncs += 1;
        self.changes.push(Change::SyncBegin { inode, number: self.syncs, data_only });
        self.syncs
    }

    fn sync(&mut self, inode: u64) {
        let number = self.begin_sync(inode, false);
        self.changes.push(Change::SyncEnd { inode, number });
    }

    /// Makes all so far durable in every model.
    fn sync_all(&mut self) {
        (1..=self.inodes).for_each(|inode| self.sync(inode));
    }

    fn disk(&self, how: Names, policy: Policy, seed: u64) -> Tree {
        self.disk_with(how, &mut Draw::new(policy, seed))
    }

    fn disk_with(&self, how: Names, draw: &mut Draw) -> Tree {
        let mut model = Model::new(how);
        self.changes.iter().for_each(|change| model.feed(change.clone()));
        model.cut(draw)
    }

    /// What `see` sees of the disk over all seeds.
    fn seen<T: Ord>(&self, how: Names, see: impl Fn(&Tree) -> T) -> BTreeSet<T> {
        (0..SEEDS).map(|seed| see(&self.disk(how, Policy::Mix, seed))).collect()
    }
}

fn content(tree: &Tree, inode: u64) -> Vec<u8> {
    tree.node(inode).expect("it was made").data.clone()
}

/// The names in the root directory, in order.
fn names(tree: &Tree) -> String {
    let root = tree.node(ROOT).expect("there is a root");
    let names = root.entries.keys().map(|name| String::from_utf8_lossy(name).into_owned());
    names.collect::<Vec<_>>().join(" ")
}

fn set<const N: usize>(texts: [&str; N]) -> BTreeSet<String> {
    texts.into_iter().map(str::to_owned).collect()
}

#[test]
fn what_is_synced_survives_every_seed_and_what_is_not_may_or_may_not() {
    let mut journal = Journal::new();
    let file = journal.make(ROOT, "f", FILE);
    journal.write(file, 0, b'a', 512);
    journal.sync_all();
    journal.write(file, 512, b'b', 512);
    for how in ALL_NAMES {
        let seen = journal.seen(how, |disk| content(disk, file));
        assert!(seen.iter().all(|data| data.starts_with(&[b'a'; 512])), "{how:?}");
        let ends: BTreeSet<&[u8]> = seen.iter().map(|data| &data[512..]).collect();
        let expected: [&[u8]; 3] = [&[], &[0; 512], &[b'b'; 512]];
        assert_eq!(ends, expected.into_iter().collect(), "{how:?}");
    }
}

#[test]
fn a_sync_covers_what_was_written_before_it_began() {
    let mut journal = Journal::new();
    let file = journal.make(ROOT, "f", FILE);
    journal.write(file, 0, b'a', 512);
    let number = journal.begin_sync(file, true);
    journal.write(file, 0, b'b', 512);
    journal.changes.push(Change::SyncEnd { inode: file, number });
    let seen = journal.seen(Names::Inode, |disk| content(disk, file)[0]);
    assert_eq!(seen, BTreeSet::from([b'a', b'b']));
}

#[test]
fn a_sync_that_has_not_completed_promises_nothing() {
    let mut journal = Journal::new();
    let file = journal.make(ROOT, "f", FILE);
    journal.write(file, 0, b'a', 512);
    journal.begin_sync(file, false);
    let disk = journal.disk(Names::Inode, Policy::Lose, 1);
    assert_eq!((content(&disk, file), names(&disk)), (vec![], String::new()));
}

#[test]
fn a_failed_sync_loses_and_a_later_one_does_not_bring_back() {
    let mut journal = Journal::new();
    let file = journal.make(ROOT, "f", FILE);
    for sector in 0..64 {
        journal.write(file, sector * 512, b'a', 512);
    }
    journal.changes.push(Change::SyncFail { inode: file });
    journal.sync_all();
    let kept = content(&journal.disk(Names::Inode, Policy::Keep, 1), file);
    let lost = kept.iter().filter(|byte| **byte != b'a').count() + (64 * 512 - kept.len());
    assert!(lost > 0, "nothing was lost");
}

#[test]
fn the_initial_content_is_durable() {
    let mut journal = Journal::new();
    let start = journal.changes.pop().expect("the journal has started");
    let file = journal.make(ROOT, "f", FILE);
    journal.write(file, 0, b'a', 512);
    journal.changes.push(start);
    for how in ALL_NAMES {
        let disk = journal.disk(how, Policy::Lose, 1);
        assert_eq!((names(&disk), content(&disk, file)), ("f".to_owned(), vec![b'a'; 512]));
    }
}

#[test]
fn a_write_is_torn_at_borders_of_sectors_only() {
    let mut journal = Journal::new();
    let file = journal.make(ROOT, "f", FILE);
    journal.write(file, 0, b'o', 8192);
    journal.sync_all();
    journal.write(file, 0, b'n', 8192);
    for sector in [512, 4096] {
        let mut torn = 0;
        for seed in 0..SEEDS {
            let mut draw = Draw::new(Policy::Random, seed);
            draw.sector = sector;
            let data = content(&journal.disk_with(Names::Inode, &mut draw), file);
            let whole = |part: &[u8]| part.iter().all(|byte| *byte == part[0]);
            assert!(data.chunks(sector).all(whole), "seed {seed}");
            torn += u64::from(!whole(&data));
        }
        assert!(torn > 10, "{torn} writes of {SEEDS} were torn at {sector}");
    }
}

#[test]
fn a_shrinking_truncate_that_is_lost_holds_back_what_follows() {
    let mut journal = Journal::new();
    let file = journal.make(ROOT, "f", FILE);
    journal.write(file, 0, b'o', 1024);
    journal.sync_all();
    journal.truncate(file, 512);
    journal.write(file, 0, b'n', 512);
    let seen = journal.seen(Names::Inode, |disk| {
        let data = content(disk, file);
        (data.len(), data[0])
    });
    assert_eq!(seen, BTreeSet::from([(1024, b'o'), (512, b'o'), (512, b'n')]));
}

#[test]
fn a_kill_keeps_everything_and_the_worst_cut_nothing() {
    let mut journal = Journal::new();
    let file = journal.make(ROOT, "f", FILE);
    journal.write(file, 0, b'a', 700);
    for how in ALL_NAMES {
        let kept = journal.disk(how, Policy::Keep, 3);
        assert_eq!((names(&kept), content(&kept, file)), ("f".to_owned(), vec![b'a'; 700]));
        let lost = journal.disk(how, Policy::Lose, 3);
        assert_eq!((names(&lost), content(&lost, file)), (String::new(), vec![]));
    }
}

#[test]
fn a_seed_names_one_image() {
    let mut journal = Journal::new();
    for name in ["a", "b", "c", "d"] {
        let file = journal.make(ROOT, name, FILE);
        (0..20).for_each(|at| journal.write(file, at * 300, b'0' + at as u8, 900));
    }
    let see = |seed| {
        let disk = journal.disk(Names::Inode, Policy::Mix, seed);
        (names(&disk), (2..6).map(|inode| content(&disk, inode)).collect::<Vec<_>>())
    };
    assert_eq!(see(7), see(7));
    assert_ne!(see(7), see(8));
}
