//! What tests of indexes share.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(missing_docs, reason = "names say it; this is no interface")]

use access::btree::check::Checked;
use access::btree::{BTree, Direction, Key, KeyColumn, KeyRange};
use types::{ColumnType, Datum, RelFileNumber, TupleId, Xid};

use crate::support::World;

pub const TEXT: [KeyColumn; 1] =
    [KeyColumn { ty: ColumnType::Text, descending: false, nulls_first: false }];
pub const INT: [KeyColumn; 1] =
    [KeyColumn { ty: ColumnType::Int4, descending: false, nulls_first: false }];

pub fn text(text: &str) -> Key {
    Key::encode(&TEXT, &[Datum::Text(text.to_owned())]).expect("a key")
}

pub fn int(number: i32) -> Key {
    Key::encode(&INT, &[Datum::Int4(number)]).expect("a key")
}

pub fn place(number: u32) -> TupleId {
    TupleId { block: number / 100, offset: (number % 100) as u16 + 1 }
}

pub fn index(world: &World) -> RelFileNumber {
    world.write(|tx| {
        let rel = access::storage::create(&world.access, tx).expect("a file");
        let xid = world.txn.assign_xid(tx).expect("an id");
        BTree::new(&world.access, rel, "test_idx").create(xid).expect("an index");
        rel
    })
}

pub fn tree(world: &World, rel: RelFileNumber) -> BTree<'_> {
    BTree::new(&world.access, rel, "test_idx")
}

pub fn add(tree: &BTree<'_>, key: &Key, place: TupleId) {
    tree.insert(Xid(9), key, place, None).expect("insert").expect("not unique");
}

/// The entries of a range as bytes of key and place, in the order of the cursor.
pub fn entries(tree: &BTree<'_>, range: KeyRange, direction: Direction) -> Vec<(Vec<u8>, TupleId)> {
    let mut cursor = tree.scan(range, direction);
    let mut found = Vec::new();
    while let Some((place, key)) = cursor.next().expect("next entry") {
        found.push((key.as_bytes().to_vec(), place));
    }
    found
}

pub struct Noise(pub u64);

impl Noise {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % limit
    }

    pub fn text(&mut self, longest: usize) -> String {
        let length = self.below(longest) + 1;
        let letter = |_| char::from(b'a' + self.below(3) as u8);
        let head: String = (0..6).map(letter).collect();
        head.repeat(length.div_ceil(6))
    }
}

/// What the checker finds; it must be nothing.
pub fn check(tree: &BTree<'_>) -> Checked {
    let checked = access::btree::check::check(tree, &mut |_, _, _| None).expect("checked");
    assert_eq!(checked.problems, []);
    checked
}
