//! Views in the system tables: a long query in several rows, replaced, dropped, undone, recovered.

#[path = "../../access/tests/support/mod.rs"]
mod support;

use std::rc::Rc;

use catalog::{Catalog, ColumnDef, Error, NewView, Object, TableDef, TableKind};
use recovery::Recovery;
use support::World;
use txn::{LockMode, Transaction};
use types::{ColumnType, Diagnostic, SqlState};

fn new_catalog(world: &World) -> Catalog {
    catalog::bootstrap::bootstrap(&world.access).expect("system tables");
    world.checkpoint();
    Catalog::new(Rc::clone(&world.access))
}

fn columns(names: &[&str]) -> Vec<ColumnDef> {
    names.iter().map(|name| ColumnDef::new(*name, ColumnType::Numeric)).collect()
}

/// A table with two columns.
fn table(catalog: &Catalog, tx: &mut Transaction) -> Rc<TableDef> {
    let columns = ["a", "b"].map(|name| ColumnDef::new(name, ColumnType::Int4));
    catalog.create_table(tx, None, "t", columns.to_vec()).expect("created")
}

fn create(
    catalog: &Catalog,
    tx: &mut Transaction,
    name: &str,
    query: &str,
    uses: &[Object],
) -> Result<Rc<TableDef>, Error> {
    let view = NewView { columns: columns(&["x"]), query: query.to_owned(), uses: uses.to_vec() };
    catalog.create_view(tx, None, name, &view)
}

fn query_of(world: &World, catalog: &Catalog, name: &str) -> Option<String> {
    let found = world.write(|tx| catalog.lookup(tx, None, name).expect("looked up"));
    found.map(|view| {
        assert_eq!(view.kind, TableKind::View);
        view.query.clone()
    })
}

#[test]
fn a_long_query_comes_back_whole_and_survives_a_crash() {
    let mut world = World::new(64);
    let catalog = new_catalog(&world);
    let long = "SELECT 'ä' ".repeat(4000);
    world.write(|tx| create(&catalog, tx, "v", &long, &[]).expect("created"));
    world.write_and_abort(|tx| {
        create(&catalog, tx, "w", "SELECT 1", &[]).expect("created");
    });
    assert_eq!(query_of(&world, &catalog, "v").as_deref(), Some(long.as_str()));
    drop(catalog);
    world.crash();
    let context = Recovery {
        data_dir: world.data_dir(),
        wal: &world.wal,
        pool: &world.pool,
        txn: &world.txn,
    };
    recovery::run(&context, &mut |_| ()).expect("recovery");
    let fresh = Catalog::new(Rc::clone(&world.access));
    assert_eq!(query_of(&world, &fresh, "v").as_deref(), Some(long.as_str()));
    assert_eq!(query_of(&world, &fresh, "w"), None);
}

#[test]
fn what_replaces_a_view_is_seen_by_others_and_undone_by_an_abort() {
    let world = World::new(64);
    let catalog = new_catalog(&world);
    let table = world.write(|tx| table(&catalog, tx));
    let (a, b) = (Object::column(table.oid, 0), Object::column(table.oid, 1));
    world.write(|tx| create(&catalog, tx, "v", &"old".repeat(5000), &[a, a]).expect("created"));
    let others = Catalog::new(Rc::clone(&world.access));
    assert_eq!(query_of(&world, &others, "v"), Some("old".repeat(5000)));
    let replace = |tx: &mut Transaction, query: &str| {
        let old = catalog.open(tx, None, "v", LockMode::AccessExclusive).expect("opened");
        let view =
            NewView { columns: columns(&["x", "more"]), query: query.to_owned(), uses: vec![b] };
        catalog.replace_view(tx, &old.expect("there"), &view).expect("replaced")
    };
    world.write_and_abort(|tx| {
        assert_eq!(replace(tx, "undone").columns.len(), 2);
    });
    assert_eq!(query_of(&world, &others, "v"), Some("old".repeat(5000)));
    world.write(|tx| replace(tx, "new"));
    assert_eq!(query_of(&world, &others, "v").as_deref(), Some("new"));
    let view = world.write(|tx| others.lookup(tx, None, "v").expect("looked up")).expect("there");
    assert_eq!(view.columns, columns(&["x", "more"]));
    // It depends on what it uses now, and on nothing else.
    world.write(|tx| {
        catalog.open(tx, None, "t", LockMode::AccessExclusive).expect("opened");
        catalog.drop_objects(tx, &[a], false).expect("nothing uses it any more");
        let error = catalog.drop_objects(tx, &[b], false).expect_err("the view uses it");
        assert_eq!(error.sqlstate(), SqlState::DEPENDENT_OBJECTS_STILL_EXIST);
        let taken = catalog.drop_objects(tx, &[Object::relation(table.oid)], true);
        assert_eq!(taken.expect("dropped"), ["view v"]);
    });
    assert_eq!(query_of(&world, &others, "v"), None);
    let left = world.write(|tx| catalog.relations(tx).expect("read"));
    assert!(left.iter().all(|relation| relation.kind != "v"));
}

#[test]
fn names_and_columns_are_checked() {
    let world = World::new(64);
    let catalog = new_catalog(&world);
    world.write(|tx| {
        table(&catalog, tx);
        let error = create(&catalog, tx, "t", "SELECT 1", &[]).expect_err("taken");
        assert_eq!(error.sqlstate(), SqlState::DUPLICATE_TABLE);
        let view = NewView {
            columns: columns(&["x", "x"]),
            query: "SELECT 1, 2".to_owned(),
            uses: Vec::new(),
        };
        let error = catalog.create_view(tx, None, "v", &view).expect_err("twice");
        assert_eq!(error.sqlstate(), SqlState::DUPLICATE_COLUMN);
    });
}
