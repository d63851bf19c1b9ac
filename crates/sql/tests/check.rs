//! `bt_index_check`: silent about good indexes, and it finds each kind of damage made by hand.

mod support;

use std::rc::Rc;

use access::BTree;
use access::btree::{Key, KeyColumn, Rows};
use catalog::{Catalog, IndexDef, TableDef};
use support::world::World;
use support::{Client, new_world, session};
use types::{Datum, TupleId};

/// A world with a table of some rows, HOT chains, dead rows and three indexes.
fn world() -> World {
    let world = new_world(64);
    let made = ask(
        &world,
        "CREATE TABLE t (id int PRIMARY KEY, a int, b text); CREATE INDEX t_a ON t (a DESC); \
         CREATE INDEX t_b ON t (b, id); \
         INSERT INTO t SELECT i, i % 10, 'b' || i FROM generate_series(1, 600) i; \
         UPDATE t SET b = b WHERE id < 50; UPDATE t SET a = NULL WHERE id > 500; \
         DELETE FROM t WHERE id > 590",
    );
    assert!(made.iter().all(|line| !line.starts_with("ERROR")), "{made:?}");
    world
}

fn ask(world: &World, line: &str) -> Vec<String> {
    Client::default().send(&mut session(world), line)
}

/// What the check of an index says.
fn check(world: &World, index: &str) -> String {
    let reply = ask(world, &format!("SELECT bt_index_check('{index}')"));
    reply.into_iter().find(|line| line.starts_with("ERROR")).unwrap_or_default()
}

/// Does something to the index of that name, in a transaction that commits.
fn damage(
    world: &World,
    index: &str,
    work: impl FnOnce(&TableDef, &IndexDef, &BTree<'_>, types::Xid),
) {
    let catalog = Catalog::new(Rc::clone(&world.access));
    world.write(|tx| {
        let table = catalog.lookup(tx, None, "t").expect("looked up").expect("there");
        let found = table.indexes.iter().find(|known| known.name == index).expect("there");
        let xid = world.txn.assign_xid(tx).expect("an xid");
        work(&table, found, &BTree::new(&world.access, found.relfile, index), xid);
    });
}

fn key(index: &IndexDef, values: &[Datum]) -> Key {
    let columns: Vec<KeyColumn> = index
        .columns
        .iter()
        .map(|column| KeyColumn {
            ty: column.ty,
            descending: column.descending,
            nulls_first: column.nulls_first,
        })
        .collect();
    Key::encode(&columns, values).expect("a key")
}

fn insert(world: &World, index: &str, values: &[Datum], place: TupleId) {
    damage(world, index, |_, found, tree, xid| {
        let none: Option<&mut dyn Rows> = None;
        let done = tree.insert(xid, &key(found, values), place, none).expect("inserted");
        assert!(done.is_ok());
    });
}

#[test]
fn good_indexes_pass_whatever_has_happened_to_the_rows() {
    let world = world();
    for index in ["t_pkey", "public.t_a", "t_b"] {
        assert_eq!(check(&world, index), "", "{index}");
    }
    ask(
        &world,
        "BEGIN; INSERT INTO t VALUES (1000, 1, 'x'); UPDATE t SET id = id + 2000; ROLLBACK",
    );
    ask(&world, "DELETE FROM t WHERE id < 300; REINDEX INDEX t_a");
    for index in ["t_pkey", "t_a", "t_b"] {
        assert_eq!(check(&world, index), "", "{index}");
    }
    assert!(check(&world, "nothing").starts_with("ERROR 42P01"));
    assert!(check(&world, "t").starts_with("ERROR 42809"));
}

#[test]
fn a_row_without_an_entry_is_found() {
    let world = world();
    // A row that only the heap knows of.
    let catalog = Catalog::new(Rc::clone(&world.access));
    world.write(|tx| {
        let table = catalog.lookup(tx, None, "t").expect("looked up").expect("there");
        let heap = access::Heap::new(&world.access, table.relfile, &table.types);
        let row = [Datum::Int4(7000), Datum::Int4(1), Datum::Text("x".to_owned())];
        heap.insert(tx, &row).expect("inserted");
    });
    for index in ["t_pkey", "t_a", "t_b"] {
        let said = check(&world, index);
        assert!(said.starts_with("ERROR XX002") && said.contains("has no entry"), "{said}");
    }
}

#[test]
fn an_entry_without_a_row_is_found() {
    let world = world();
    for place in [TupleId { block: 0, offset: 900 }, TupleId { block: 77, offset: 1 }] {
        insert(&world, "t_a", &[Datum::Int4(3)], place);
        let said = check(&world, "t_a");
        assert!(said.starts_with("ERROR XX002") && said.contains("entry leads to"), "{said}");
    }
    assert_eq!(check(&world, "t_pkey"), "");
}

#[test]
fn an_entry_of_other_values_than_its_row_has_is_found() {
    let world = world();
    insert(&world, "t_pkey", &[Datum::Int4(9999)], TupleId { block: 0, offset: 60 });
    let said = check(&world, "t_pkey");
    assert!(said.contains("has other values"), "{said}");
}

#[test]
fn a_key_that_two_rows_have_is_found() {
    let world = world();
    let catalog = Catalog::new(Rc::clone(&world.access));
    let place = world.write(|tx| {
        let table = catalog.lookup(tx, None, "t").expect("looked up").expect("there");
        let heap = access::Heap::new(&world.access, table.relfile, &table.types);
        let row = [Datum::Int4(60), Datum::Int4(1), Datum::Text("x".to_owned())];
        heap.insert(tx, &row).expect("inserted")
    });
    insert(&world, "t_pkey", &[Datum::Int4(60)], place);
    let said = check(&world, "t_pkey");
    assert!(said.contains("has the key of another row"), "{said}");
}
