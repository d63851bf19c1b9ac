//! `mamont check` and its like in SQL find damage in tables, in their visibility maps and in indexes,
//! though every checksum is right: each kind by itself stands beside the code, in
//! `crates/access/tests/btree_check.rs`, `crates/sql/tests/check.rs` and `check_heap.rs`.

use std::path::{Path, PathBuf};

use tests::server::{Server, Stop};

use super::support::{PAGE, bytes_at, change, crc32, fill, mamont, relfile, setup, text};

/// A stopped server with a table that everybody sees all of but for one page, and an index.
struct Patient {
    server: Server,
    table: PathBuf,
    map: PathBuf,
    index: PathBuf,
    /// The page of the table that not everybody sees all of.
    unseen: u64,
}

impl Patient {
    fn new() -> Patient {
        let mut server = setup().set("autovacuum", "false").start();
        let mut client = server.connect();
        client.ok("CREATE TABLE bad (a int, b text)");
        fill(&mut client, "bad", 2000);
        client.ok("CREATE UNIQUE INDEX bad_a ON bad (a); UPDATE bad SET a = -a WHERE a = 500");
        client.ok("VACUUM bad");
        client.ok("DELETE FROM bad WHERE a = 70");
        let base = server.data().join("base");
        let (table, index) = (relfile(&mut client, "bad"), relfile(&mut client, "bad_a"));
        let map = base.join(format!("{table}_vm"));
        let (table, index) = (base.join(table), base.join(index));
        drop(client);
        server.stop(Stop::Fast);
        let is_unseen = |block: &u64| bytes_at(&table, block * PAGE + 12, 1)[0] & 4 == 0;
        let unseen = (0..8).find(is_unseen).expect("the page of the deleted row");
        Patient { server, table, map, index, unseen }
    }

    /// What the tool says, and whether it finds nothing.
    fn check(&self) -> (bool, String) {
        let done = mamont(&["check", text(self.server.data())]);
        (done.status.success(), done.stdout)
    }

    /// Damages a page. The tool must blame that page of a relation, and say why. Then all is mended.
    #[track_caller]
    fn is_found(
        &self,
        (path, block): (&Path, u64),
        (blamed, place): (&Path, u64),
        complaint: &str,
        how: impl FnOnce(&mut [u8]),
    ) {
        let whole = std::fs::read(path).expect("read");
        damage(path, block, how);
        let (good, said) = self.check();
        let name = blamed.file_name().and_then(|name| name.to_str()).expect("a name");
        let start = format!("base/{name}: block {place}");
        let named = said.lines().any(|line| line.starts_with(&start) && line.contains(complaint));
        assert!(!good && named, "{complaint} of {start}: {said}");
        std::fs::write(path, &whole).expect("mended");
        assert!(self.check().0, "mended after: {complaint}");
    }
}

/// Changes a page, and gives it the checksum that the server would have.
fn damage(path: &Path, block: u64, how: impl FnOnce(&mut [u8])) {
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
    let (number, fork) = name.split_once('_').map_or((name, 0), |(number, _)| (number, 2));
    let mut seed = [0; 16];
    seed[..8].copy_from_slice(&number.parse::<u64>().expect("a number").to_le_bytes());
    seed[8..12].copy_from_slice(&(block as u32).to_le_bytes());
    seed[12] = fork;
    let sum = |page: &[u8]| crc32(crc32(crc32(0, &seed), &page[..8]), &page[12..]).to_le_bytes();
    let before = bytes_at(path, block * PAGE, PAGE as usize);
    assert_eq!(before[8..12], sum(&before), "checksums are made like this");
    change(path, block * PAGE, PAGE as usize, |page| {
        how(page);
        let sum = sum(page);
        page[8..12].copy_from_slice(&sum);
    });
}

fn word(page: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(page[at..at + 4].try_into().expect("four bytes"))
}

fn put(at: usize, word: u32, page: &mut [u8]) {
    page[at..at + 4].copy_from_slice(&word.to_le_bytes());
}

/// Where the row of a line pointer begins.
fn row(page: &[u8], number: usize) -> usize {
    (word(page, 32 + 4 * (number - 1)) & 0x7FFF) as usize
}

#[test]
fn the_tool_finds_damage_that_no_checksum_shows() {
    let patient = Patient::new();
    let (good, said) = patient.check();
    assert!(good && said.contains(" 0 problems"), "{said}");
    let at = (patient.table.as_path(), 3);
    patient
        .is_found(at, at, "line pointer leads outside", |page| put(40, word(page, 40) + 1, page));
    patient.is_found(at, at, "is not before the next", |page| put(row(page, 3) + 4, 1, page));
    patient.is_found(at, at, "header length", |page| {
        let at = row(page, 3);
        page[at + 30] = 99;
    });
    patient.is_found(at, at, "not seen by all", |page| put(row(page, 3) + 8, 5, page));
    let index = |block| (patient.index.as_path(), block);
    patient.is_found(index(1), index(1), "row is not greater than the one before", |page| {
        let one = word(page, 40);
        put(40, word(page, 44), page);
        put(44, one, page);
    });
    patient.is_found(index(2), index(2), "left link leads to 77", |page| put(8192 - 24, 77, page));
    patient.is_found(index(1), index(1), "page is no page of level 0", |page| page.fill(0));
}

#[test]
fn the_tool_finds_a_visibility_map_that_does_not_agree() {
    let patient = Patient::new();
    let (at, map) = ((patient.table.as_path(), 3), (patient.map.as_path(), 0));
    let unseen = patient.unseen;
    let differ = "says that everybody sees all of it";
    patient.is_found(at, at, differ, |page| page[12] &= !4);
    patient.is_found(map, at, differ, |page| page[32] &= !8);
    patient.is_found(map, (at.0, unseen), differ, |page| page[32] |= 1 << unseen);
}

#[test]
fn the_functions_find_it_too() {
    let mut patient = Patient::new();
    // A page with a row that has an end is called all-visible.
    let unseen = patient.unseen;
    damage(&patient.table, unseen, |page| page[12] |= 4);
    damage(&patient.map, 0, |page| page[32] |= 1 << unseen);
    patient.server.start_again();
    let mut client = patient.server.connect();
    client.ok("SELECT bt_index_check('bad_a')");
    let error = client.fail("SELECT verify_heapam('bad')");
    let place = format!("block {unseen}");
    assert!(error.sqlstate == "XX001" && error.message.contains(&place), "{error}");
    assert!(error.message.contains("not seen by all"), "{error}");
    // What the check is for: a row that is gone is shown.
    client.ok("SET enable_seqscan = off");
    assert_eq!(client.number("SELECT count(*) FROM bad WHERE a = 70"), 1, "the damage is real");
}
