//! `verify_heapam`: silent about good tables, and it finds each kind of damage made by hand.

mod support;

use std::rc::Rc;

use access::tuple::{HEADER_SIZE, infomask};
use buffer::{Item, ItemState, PageAccess, PageBytes};
use catalog::Catalog;
use support::world::World;
use support::{Client, new_world, session};
use types::{BufferTag, Fork, PAGE_SIZE, RelFileNumber};

// Where fields stand in the header of a version.
const XMAX: usize = 8;
const CTID_OFFSET: usize = 24;
const INFOMASK: usize = 26;
const NATTS: usize = 28;
const HOFF: usize = 30;
/// The flag of a page that everybody sees all of.
const ALL_VISIBLE: u16 = 4;

fn ask(world: &World, line: &str) -> Vec<String> {
    Client::default().send(&mut session(world), line)
}

/// Two tables of one page: `t` with redirections and HOT chains, `seen` that everybody sees all of.
struct Patient {
    world: World,
}

impl Patient {
    fn new() -> Patient {
        let world = new_world(64);
        for line in [
            "CREATE TABLE t (id int PRIMARY KEY, a int, b text); \
             INSERT INTO t SELECT i, NULL, 'b' || i FROM generate_series(1, 20) i; \
             UPDATE t SET b = 'x' WHERE id <= 5",
            "VACUUM t",
            "UPDATE t SET b = 'y' WHERE id BETWEEN 6 AND 8; DELETE FROM t WHERE id = 9",
            "CREATE TABLE seen (id int PRIMARY KEY); INSERT INTO seen SELECT i FROM generate_series(1, 9) i",
            "VACUUM seen",
        ] {
            let reply = ask(&world, line);
            assert!(reply.iter().all(|line| !line.starts_with("ERROR")), "{reply:?}");
        }
        Patient { world }
    }

    /// What the check says.
    fn check(&self, table: &str) -> String {
        let reply = ask(&self.world, &format!("SELECT verify_heapam('{table}')"));
        reply.into_iter().find(|line| line.starts_with("ERROR")).unwrap_or_default()
    }

    fn relfile(&self, table: &str) -> RelFileNumber {
        let catalog = Catalog::new(Rc::clone(&self.world.access));
        self.world
            .write(|tx| catalog.lookup(tx, None, table).expect("looked up").expect("there").relfile)
    }

    /// Replaces a page; returns it as it was.
    fn change(&self, tag: BufferTag, damage: impl FnOnce(&mut PageBytes)) -> PageBytes {
        let pin = self.world.pool.read(tag).expect("page");
        let mut page = pin.exclusive();
        let before = page.page().clone();
        self.world.pool.set_hints_with_image(&mut page, damage).expect("written");
        assert!(
            page.page().0[32..] != before.0[32..]
                || page.page().flags() != before.flags()
                || page.page().0[12..24] != before.0[12..24],
            "nothing was changed"
        );
        before
    }

    /// Damages the page of a table; the check must say `complaint`. Then the page is as before.
    #[track_caller]
    fn damaged(&self, table: &str, complaint: &str, damage: impl FnOnce(&mut PageBytes)) {
        self.damaged_at(table, BufferTag::main(self.relfile(table), 0), complaint, damage);
    }

    #[track_caller]
    fn damaged_at(
        &self,
        table: &str,
        tag: BufferTag,
        complaint: &str,
        damage: impl FnOnce(&mut PageBytes),
    ) {
        let before = self.change(tag, damage);
        let said = self.check(table);
        let named = said.starts_with("ERROR XX001") && said.contains(complaint);
        assert!(named, "{complaint}: {said}");
        self.change(tag, |page| page.0 = before.0);
        assert_eq!(self.check(table), "", "restored after: {complaint}");
    }
}

fn items(page: &PageBytes, fits: impl Fn(&PageBytes, u16) -> bool) -> Vec<u16> {
    (1..=page.item_count()).filter(|offset| fits(page, *offset)).collect()
}

fn start(page: &PageBytes, offset: u16) -> usize {
    page.item(offset).and_then(Item::extent).expect("a row").start
}

fn is_normal(page: &PageBytes, offset: u16) -> bool {
    page.item(offset).is_some_and(|item| item.state == ItemState::Normal)
}

fn has(page: &PageBytes, offset: u16, mask: u16) -> bool {
    is_normal(page, offset) && page.u16_at(start(page, offset) + INFOMASK) & mask == mask
}

/// The first version that was replaced on its page.
fn replaced(page: &PageBytes) -> usize {
    start(page, items(page, |page, at| has(page, at, infomask::HOT_UPDATED))[0])
}

/// Where a line pointer stands.
fn line(offset: u16) -> usize {
    32 + 4 * (usize::from(offset) - 1)
}

/// A version that nothing has happened to.
const PLAIN: u16 = 12;

#[test]
fn sound_tables_have_no_problems() {
    let patient = Patient::new();
    let locked = ask(&patient.world, "SELECT id FROM seen WHERE id < 3 FOR UPDATE");
    assert!(locked.contains(&"OK SELECT 2".to_owned()), "{locked:?}");
    for table in ["t", "seen", "pg_class", "pg_catalog.pg_attribute"] {
        assert_eq!(patient.check(table), "", "{table}");
    }
    let pin = patient.world.pool.read(BufferTag::main(patient.relfile("t"), 0)).expect("page");
    let mut page = PageBytes([0; PAGE_SIZE]);
    pin.shared().copy_to(&mut page);
    let redirected = |page: &PageBytes, at| page.item(at).and_then(Item::target).is_some();
    assert!(!items(&page, redirected).is_empty(), "the table has what is to be damaged");
    assert!(patient.check("t_pkey").starts_with("ERROR 42809"));
    assert!(patient.check("nothing").starts_with("ERROR 42P01"));
}

#[test]
fn damaged_line_pointers_are_found() {
    let patient = Patient::new();
    patient.damaged("t", "offset 12: line pointer leads outside of the rows", |page| {
        page.put_u32(line(PLAIN), page.u32_at(line(PLAIN)) + 1);
    });
    patient.damaged("t", "line pointer leads outside of the rows", |page| {
        page.put_u32(line(PLAIN), 8 | 1 << 15 | 40 << 17);
    });
    patient.damaged("t", "row overlaps another", |page| {
        page.put_u32(line(PLAIN), page.u32_at(line(PLAIN + 1)));
    });
    let redirected = |page: &PageBytes, at| page.item(at).and_then(Item::target).is_some();
    patient.damaged("t", "is redirected to 12, no heap-only version", |page| {
        let at = line(items(page, redirected)[0]);
        page.put_u32(at, u32::from(PLAIN) | 2 << 15);
    });
    patient.damaged("t", "another line pointer leads to", |page| {
        let all = items(page, redirected);
        page.put_u32(line(all[0]), page.u32_at(line(all[1])));
    });
}

#[test]
fn damaged_headers_are_found() {
    let patient = Patient::new();
    patient.damaged("t", "block 0: page header makes no sense", |page| page.put_u16(16, 9000));
    patient.damaged("t", "block 0: page header makes no sense", |page| page.put_u16(20, 8000));
    patient.damaged("t", "offset 12: row version has an impossible header length", |page| {
        let at = start(page, PLAIN);
        page.0[at + HOFF] += 8;
    });
    patient.damaged("t", "offset 12: row version has more columns than its table", |page| {
        let at = start(page, PLAIN);
        page.put_u16(at + NATTS, 4);
    });
    patient.damaged("t", "offset 12: value is stored in a way", |page| {
        // The length of the text behind the null bitmap and the first column.
        let at = start(page, PLAIN) + HEADER_SIZE + 1 + 4;
        page.put_u16(at, 0xC001);
    });
    patient.damaged("t", "offset 12: hints contradict each other", |page| {
        let at = start(page, PLAIN) + INFOMASK;
        page.put_u16(at, page.u16_at(at) | 3);
    });
    patient.damaged("t", "offset 12: ctid leads to no line pointer", |page| {
        let at = start(page, PLAIN) + CTID_OFFSET;
        page.put_u16(at, 0);
    });
}

#[test]
fn transactions_that_cannot_be_are_found() {
    let patient = Patient::new();
    patient.damaged("t", "offset 12: xmin 1000000 is not before the next", |page| {
        let at = start(page, PLAIN);
        page.put_u64(at, 1_000_000);
    });
    patient.damaged("t", "offset 12: xmax 1000000 is not before the next", |page| {
        let at = start(page, PLAIN) + XMAX;
        page.put_u64(at, 1_000_000);
    });
    patient.damaged("t", "offset 12: version has no xmin", |page| {
        let at = start(page, PLAIN);
        page.put_u64(at, 0);
    });
}

#[test]
fn broken_chains_are_found() {
    let patient = Patient::new();
    patient.damaged("t", "chain is broken: (0,12) is not what replaced it", |page| {
        let at = replaced(page) + CTID_OFFSET;
        page.put_u16(at, PLAIN);
    });
    patient.damaged("t", "heap-only version is in no chain", |page| {
        let at = replaced(page) + INFOMASK;
        page.put_u16(at, page.u16_at(at) & !infomask::HOT_UPDATED);
    });
    patient.damaged("t", "chain is broken", |page| {
        let next = page.u16_at(replaced(page) + CTID_OFFSET);
        page.put_u32(line(next), 0);
    });
}

#[test]
fn a_visibility_map_that_promises_too_much_is_found() {
    let patient = Patient::new();
    let map = |table| BufferTag { fork: Fork::Vm, ..BufferTag::main(patient.relfile(table), 0) };
    let set = |page: &mut PageBytes| page.0[32] ^= 1;
    patient.damaged_at("t", map("t"), "map says that everybody sees all of it, page does not", set);
    patient.damaged_at("seen", map("seen"), "page says that everybody sees all", set);
    patient.damaged("seen", "map says that everybody sees all of it, page does not", |page| {
        page.set_flags(page.flags() & !ALL_VISIBLE);
    });
    let unseen = "offset 3: version of an all-visible page is not seen by all";
    patient.damaged("seen", unseen, |page| {
        let at = start(page, 3) + XMAX;
        page.put_u64(at, 3);
    });
    patient.damaged("seen", unseen, |page| {
        let at = start(page, 3) + INFOMASK;
        page.put_u16(at, page.u16_at(at) & !infomask::XMIN_COMMITTED | infomask::XMIN_ABORTED);
    });
    patient.damaged("seen", "offset 3: line pointer of an all-visible page is dead", |page| {
        page.put_u32(line(3), 3 << 15);
    });
    patient.damaged("seen", "visibility map tells of a page that is new", |page| {
        *page = PageBytes::default();
    });
}

#[test]
fn a_page_whose_checksum_is_wrong_is_found() {
    let patient = Patient::new();
    let rel = patient.relfile("t");
    patient.world.checkpoint();
    let path = patient.world.data_dir().join("base").join(rel.to_string());
    let mut bytes = std::fs::read(&path).expect("the file");
    bytes[PAGE_SIZE - 100] ^= 1;
    std::fs::write(&path, bytes).expect("the file");
    patient.world.pool.drop_buffers(rel).expect("forgotten");
    let said = patient.check("t");
    assert!(said.starts_with("ERROR XX001") && said.contains("checksum does not match"), "{said}");
}
