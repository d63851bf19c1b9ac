//! Damage made by hand: the checker names it, and whoever uses the index gets an error or what is
//! left, and neither panics nor goes round in circles.

mod index;
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};

use access::btree::check::check;
use access::btree::{BTree, Direction, Key, KeyRange};
use buffer::{PageAccess, PageBytes};
use index::{add, text, tree};
use support::World;
use types::{BufferTag, Fork, PAGE_SIZE, RelFileNumber, TupleId};

const SPECIAL: usize = PAGE_SIZE - 24;
const LEFT: usize = SPECIAL;
const RIGHT: usize = SPECIAL + 4;
const LEVEL: usize = SPECIAL + 8;

fn read(world: &World, rel: RelFileNumber, block: u32) -> PageBytes {
    let pin = world.pool.read(BufferTag::main(rel, block)).expect("page");
    let mut page = PageBytes([0; PAGE_SIZE]);
    pin.shared().copy_to(&mut page);
    page
}

/// Puts other bytes in the place of a page.
fn write(world: &World, rel: RelFileNumber, block: u32, bytes: &PageBytes) {
    let pin = world.pool.read(BufferTag::main(rel, block)).expect("page");
    let mut page = pin.exclusive();
    world.pool.set_hints_with_image(&mut page, |page| page.0 = bytes.0).expect("written");
}

/// Changes a page by hand.
type Damage<'d> = &'d dyn Fn(&mut PageBytes);

/// An index of three levels with a page for every damage.
struct Patient {
    world: World,
    rel: RelFileNumber,
    /// A leaf in the middle, its siblings, and a page above that is not the root.
    leaf: u32,
    left: u32,
    right: u32,
    above: u32,
}

impl Patient {
    fn new() -> Patient {
        let world = World::new(256);
        let rel = index::index(&world);
        for n in 0..400u32 {
            let key = text(&format!("{}{n:04}", "y".repeat(500)));
            add(&tree(&world, rel), &key, TupleId { block: n, offset: 1 });
        }
        let blocks = world.pool.nblocks(rel, Fork::Main).expect("blocks");
        let pages: Vec<_> = (0..blocks).map(|block| read(&world, rel, block)).collect();
        let sibling = |block: usize, at| pages[block].u32_at(at);
        let middle = |level: u16| {
            let fits = |block: &usize| {
                let page = &pages[*block];
                !page.is_new()
                    && page.flags() == 0
                    && page.u16_at(LEVEL) == level
                    && sibling(*block, LEFT) != 0
                    && sibling(*block, RIGHT) != 0
                    && page.item_count() > 4
            };
            (1..pages.len()).find(fits).expect("a page in the middle")
        };
        let leaf = middle(0);
        let (left, right) = (sibling(leaf, LEFT), sibling(leaf, RIGHT));
        Patient { rel, leaf: leaf as u32, left, right, above: middle(1) as u32, world }
    }

    fn tree(&self) -> BTree<'_> {
        tree(&self.world, self.rel)
    }

    /// The page that has the downlink to a leaf.
    fn above_of(&self, leaf: u32) -> u32 {
        let blocks = self.world.pool.nblocks(self.rel, Fork::Main).expect("blocks");
        let leads_there = |block: &u32| {
            let page = read(&self.world, self.rel, *block);
            !page.is_new()
                && page.u16_at(LEVEL) == 1
                && (2..=page.item_count()).any(|n| page.u32_at(item(&page, n).start) == leaf)
        };
        (1..blocks).find(leads_there).expect("a page above")
    }

    fn problems(&self) -> Vec<String> {
        let checked = check(&self.tree(), &mut |_, _, _| None).expect("checked");
        checked.problems.iter().map(ToString::to_string).collect()
    }

    /// Damages a page; the checker must say `complaint` of `blamed`. Then the page is as before.
    fn damaged(&self, block: u32, damage: Damage<'_>, blamed: u32, complaint: &str) {
        let before = read(&self.world, self.rel, block);
        let mut page = before.clone();
        damage(&mut page);
        assert!(page.0 != before.0, "{complaint}: nothing was changed");
        write(&self.world, self.rel, block, &page);
        let problems = self.problems();
        let named = |p: &String| p.starts_with(&format!("block {blamed}")) && p.contains(complaint);
        assert!(problems.iter().any(named), "{complaint} of {blamed}: {problems:#?}");
        let used = catch_unwind(AssertUnwindSafe(|| self.use_it()));
        assert!(used.is_ok(), "{complaint}: using the index panicked");
        write(&self.world, self.rel, block, &before);
        assert_eq!(self.problems(), [""; 0], "restored after: {complaint}");
    }

    /// Reads both ways and looks for some keys; errors are welcome, panics and circles are not.
    fn use_it(&self) {
        let tree = self.tree();
        for direction in [Direction::Forward, Direction::Backward] {
            let mut cursor = tree.scan(KeyRange::all(), direction);
            let mut count = 0;
            while let Ok(Some(_)) = cursor.next() {
                count += 1;
                assert!(count < 10_000, "round and round");
            }
        }
        for n in (0..400u32).step_by(7) {
            let key = text(&format!("{}{n:04}", "y".repeat(500)));
            let _ = tree.contains(&key, TupleId { block: n, offset: 1 });
        }
    }
}

/// Swaps what two line pointers lead to.
fn swap(page: &mut PageBytes, one: usize, other: usize) {
    let at = |number: usize| 32 + 4 * (number - 1);
    let (a, b) = (page.u32_at(at(one)), page.u32_at(at(other)));
    page.put_u32(at(one), b);
    page.put_u32(at(other), a);
}

fn item(page: &PageBytes, number: u16) -> std::ops::Range<usize> {
    page.item(number).and_then(buffer::Item::extent).expect("a row")
}

#[test]
fn a_sound_index_has_no_problems() {
    assert_eq!(Patient::new().problems(), [""; 0]);
}

#[test]
fn damage_in_a_leaf_is_found() {
    let patient = Patient::new();
    let leaf = patient.leaf;
    let at_leaf = |damage: Damage<'_>, complaint| patient.damaged(leaf, damage, leaf, complaint);
    at_leaf(&|page| swap(page, 3, 4), "offset 4: row is not greater than the one before");
    at_leaf(&|page| page.put_u32(36, page.u32_at(40)), "row is not greater than the one before");
    at_leaf(
        &|page| {
            let row = item(page, 2);
            page.0[row.start + 3] = b'a';
        },
        "offset 2: row is less than the low key",
    );
    at_leaf(
        &|page| {
            let row = item(page, page.item_count());
            page.0[row.start + 3] = b'z';
        },
        "row is not less than the high key",
    );
    at_leaf(&|page| page.put_u32(40, 0), "offset 3: line pointer leads outside of the rows");
    at_leaf(&|page| page.put_u32(40, page.u32_at(44) + 1), "row overlaps another");
    at_leaf(&|page| page.put_u32(40, page.u32_at(40) & 0x1FFFF | 3 << 17), "entry makes no sense");
    at_leaf(&|page| page.put_u32(32, 0), "offset 1: line pointer leads nowhere");
    at_leaf(
        &|page| {
            let high = item(page, 1);
            page.0[high.start + 3] = b'a';
        },
        "offset 1: high key is not greater than the low key",
    );
    at_leaf(&|page| page.put_u16(LEVEL, 1), "page is no page of level 0");
    at_leaf(&|page| page.set_flags(4), "page is no page of level 0");
    at_leaf(&|page| page.put_u16(16, 9000), "page is no page of level 0");
    at_leaf(&|page| *page = PageBytes::default(), "page is no page of level 0");
}

#[test]
fn damage_between_pages_is_found() {
    let patient = Patient::new();
    let (leaf, left, right) = (patient.leaf, patient.left, patient.right);
    let at_leaf = |damage: Damage<'_>, blamed, complaint| {
        patient.damaged(leaf, damage, blamed, complaint);
    };
    at_leaf(&|page| page.put_u32(LEFT, right), leaf, "left link leads to");
    let behind = read(&patient.world, patient.rel, right).u32_at(RIGHT);
    at_leaf(&|page| page.put_u32(RIGHT, behind), behind, "left link leads to");
    at_leaf(&|page| page.put_u32(RIGHT, left), left, "page is in the tree twice");
    at_leaf(&|page| page.put_u32(RIGHT, leaf), leaf, "page is in the tree twice");
    at_leaf(&|page| page.put_u32(RIGHT, 99_999), 99_999, "behind the end of the file");
    at_leaf(&|page| page.put_u32(RIGHT, 0), leaf, "only the last page of a level");
    at_leaf(
        &|page| {
            let high = item(page, 1);
            page.0[high.end - 1] += 1;
        },
        patient.above_of(right),
        "key of the downlink is not the high key of the page before",
    );
}

#[test]
fn damage_above_the_leaves_is_found() {
    let patient = Patient::new();
    let above = patient.above;
    let damaged = |damage: Damage<'_>, complaint| patient.damaged(above, damage, above, complaint);
    damaged(
        &|page| {
            let row = item(page, 3);
            page.0[row.end - 1] -= 1;
        },
        "offset 3: key of the downlink is not the high key of the page before",
    );
    damaged(&|page| swap(page, 3, 4), "row is not greater than the one before");
    damaged(
        &|page| {
            let (one, other) = (item(page, 3).start, item(page, 4).start);
            let child = page.u32_at(one);
            page.put_u32(one, page.u32_at(other));
            page.put_u32(other, child);
        },
        "which does not come next",
    );
    damaged(&|page| page.put_u32(item(page, 3).start, 0), "pivot leads to no page");
    damaged(&|page| page.put_u32(36, page.u32_at(40)), "pivot of the first child has a key");
    let short = |page: &mut PageBytes| page.put_u32(40, page.u32_at(40) & 0x1FFFF | 2 << 17);
    damaged(&short, "offset 3: pivot is too short");
    let childless = |page: &mut PageBytes| assert!(page.remove_rows(2..=page.item_count()));
    damaged(&childless, "page has no children");
    let page = read(&patient.world, patient.rel, above);
    let child = page.u32_at(item(&page, 3).start);
    let forget = |page: &mut PageBytes| assert!(page.remove_rows([3].into_iter()));
    patient.damaged(above, &forget, child, "no downlink leads to the page where it should");
}

#[test]
fn a_damaged_meta_page_is_found() {
    let patient = Patient::new();
    let magic = |page: &mut PageBytes| page.put_u32(SPECIAL, 7);
    patient.damaged(0, &magic, 0, "page is no meta page of a B-tree");
    let root = |page: &mut PageBytes| page.put_u32(SPECIAL + 8, patient.leaf);
    patient.damaged(0, &root, patient.leaf, "page is no page of level 2");
}

#[test]
fn a_page_that_nothing_leads_to_is_found() {
    let patient = Patient::new();
    let rel = patient.rel;
    let blocks = patient.world.pool.nblocks(rel, Fork::Main).expect("blocks");
    drop(patient.world.pool.extend(rel, Fork::Main).expect("a page"));
    assert_eq!(patient.problems(), [""; 0], "a new page is no problem");
    let lost = read(&patient.world, rel, patient.leaf);
    write(&patient.world, rel, blocks, &lost);
    assert_eq!(patient.problems(), [format!("block {blocks}: page is not in the tree")]);
}

#[test]
fn a_page_whose_checksum_is_wrong_is_found() {
    let patient = Patient::new();
    patient.world.checkpoint();
    let path = patient.world.data_dir().join("base").join(patient.rel.to_string());
    let mut bytes = std::fs::read(&path).expect("the file");
    bytes[patient.leaf as usize * PAGE_SIZE + 5000] ^= 1;
    std::fs::write(&path, bytes).expect("the file");
    patient.world.pool.drop_buffers(patient.rel).expect("forgotten");
    let problems = patient.problems();
    assert!(problems[0].starts_with(&format!("block {}: ", patient.leaf)), "{problems:?}");
    patient.use_it();
}

#[test]
fn what_the_caller_says_of_an_entry_is_a_problem_of_it() {
    let patient = Patient::new();
    let mut seventh = |_: &Key, place: TupleId, dead: bool| {
        (place.block == 7 && !dead).then(|| "row is not there".to_owned())
    };
    let checked = check(&patient.tree(), &mut seventh).expect("checked");
    assert_eq!((checked.entries, checked.levels, checked.problems.len()), (400, 3, 1));
    assert!(checked.problems[0].to_string().ends_with("row is not there"));
}
