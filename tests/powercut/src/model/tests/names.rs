//! What each of the three models promises of names.

use super::*;

#[test]
fn posix_loses_a_creation_whose_directory_was_not_synced() {
    let mut journal = Journal::new();
    let file = journal.make(ROOT, "f", FILE);
    journal.sync(file);
    assert_eq!(journal.seen(Names::Posix, names), set(["", "f"]));
    assert_eq!(journal.seen(Names::Inode, names), set(["f"]));
    assert_eq!(journal.seen(Names::Journal, names), set(["f"]));
    journal.sync(ROOT);
    assert_eq!(journal.seen(Names::Posix, names), set(["f"]));
}

#[test]
fn inode_brings_the_directories_above_a_synced_file() {
    let mut journal = Journal::new();
    let directory = journal.make(ROOT, "d", DIRECTORY);
    let file = journal.make(directory, "f", FILE);
    journal.sync(file);
    assert_eq!(journal.seen(Names::Inode, names), set(["d"]));
    assert_eq!(journal.seen(Names::Posix, names), set(["", "d"]));
}

#[test]
fn fdatasync_makes_a_creation_durable_and_no_rename() {
    let mut journal = Journal::new();
    let file = journal.make(ROOT, "old", FILE);
    journal.rename(file, "old", "new");
    let number = journal.begin_sync(file, true);
    journal.changes.push(Change::SyncEnd { inode: file, number });
    assert_eq!(journal.seen(Names::Inode, names), set(["new", "old"]));
    journal.sync(file);
    assert_eq!(journal.seen(Names::Inode, names), set(["new"]));
}

#[test]
fn journal_keeps_a_prefix_and_the_others_any_part() {
    let mut journal = Journal::new();
    for name in ["a", "b", "c"] {
        journal.make(ROOT, name, FILE);
    }
    assert_eq!(journal.seen(Names::Journal, names), set(["", "a", "a b", "a b c"]));
    let any = set(["", "a", "b", "c", "a b", "a c", "b c", "a b c"]);
    assert_eq!(journal.seen(Names::Posix, names), any);
    assert_eq!(journal.seen(Names::Inode, names), any);
    journal.sync(3); // the second file
    assert_eq!(journal.seen(Names::Journal, names), set(["a b", "a b c"]));
}

#[test]
fn a_rename_is_atomic() {
    let mut journal = Journal::new();
    let old = journal.make(ROOT, "f", FILE);
    journal.sync_all();
    let new = journal.make(ROOT, "t", FILE);
    journal.sync(new);
    journal.sync(ROOT);
    journal.rename(new, "t", "f");
    for how in ALL_NAMES {
        let see = |disk: &Tree| (names(disk), disk.child(ROOT, b"f"));
        let before = ("f t".to_owned(), Some(old));
        let after = ("f".to_owned(), Some(new));
        assert_eq!(journal.seen(how, see), BTreeSet::from([before, after]), "{how:?}");
    }
}

#[test]
fn the_changes_of_one_name_stay_in_order() {
    let mut journal = Journal::new();
    let first = journal.make(ROOT, "f", FILE);
    journal.sync_all();
    journal.delete(first, "f");
    let second = journal.make(ROOT, "f", FILE);
    for how in ALL_NAMES {
        let seen = journal.seen(how, |disk| disk.child(ROOT, b"f"));
        assert_eq!(seen, BTreeSet::from([Some(first), None, Some(second)]), "{how:?}");
    }
}

#[test]
fn a_later_rename_brings_the_earlier_one() {
    let mut journal = Journal::new();
    let file = journal.make(ROOT, "f", FILE);
    journal.sync_all();
    journal.rename(file, "f", "g");
    journal.rename(file, "g", "h");
    for how in ALL_NAMES {
        assert_eq!(journal.seen(how, names), set(["f", "g", "h"]), "{how:?}");
    }
}
