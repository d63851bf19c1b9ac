//! Foreign keys in the system tables: told by both tables, in the way of drops, gone with their columns.

#[path = "../../access/tests/support/mod.rs"]
mod support;

use std::rc::Rc;

use catalog::{
    Catalog, ColumnDef, ConstraintKind, IndexColumn, NewForeignKey, NewIndex, Object,
    ReferentialAction, TableDef,
};
use support::World;
use txn::{LockMode, Transaction};
use types::{ColumnType, Diagnostic, SqlState};

fn new_catalog(world: &World) -> Catalog {
    catalog::bootstrap::bootstrap(&world.access).expect("system tables");
    world.checkpoint();
    Catalog::new(Rc::clone(&world.access))
}

fn table(catalog: &Catalog, tx: &mut Transaction, name: &str) -> Rc<TableDef> {
    let columns = ["a", "b"].map(|name| ColumnDef::new(name, ColumnType::Int4));
    catalog.create_table(tx, None, name, columns.to_vec()).expect("created")
}

fn unique(catalog: &Catalog, tx: &mut Transaction, of: &TableDef) -> Rc<TableDef> {
    let ty = ColumnType::Int4;
    let column = |column| IndexColumn { column, ty, descending: false, nulls_first: false };
    let columns = vec![column(0), column(1)];
    let new = NewIndex { name: None, unique: true, constraint: None, columns };
    catalog.create_index(tx, of, new).expect("made").0
}

fn open(catalog: &Catalog, tx: &Transaction, name: &str) -> Option<Rc<TableDef>> {
    catalog.open(tx, None, name, LockMode::AccessShare).expect("opened")
}

/// Tables `p` and `c`, both columns of which refer to those of `p`, the other way round.
fn define(catalog: &Catalog, tx: &mut Transaction) -> (Rc<TableDef>, Rc<TableDef>) {
    let (parent, child) = (table(catalog, tx, "p"), table(catalog, tx, "c"));
    let parent = unique(catalog, tx, &parent);
    let new = NewForeignKey {
        name: None,
        columns: vec![1, 0],
        foreign_columns: vec![0, 1],
        index: Rc::clone(&parent.indexes[0]),
        on_update: ReferentialAction::Cascade,
        on_delete: ReferentialAction::SetNull,
        match_full: true,
        delete_columns: vec![1],
    };
    let (child, _) = catalog.add_foreign_key(tx, &child, &parent, new).expect("made");
    (open(catalog, tx, "p").expect("there"), child)
}

#[test]
fn both_tables_tell_of_a_foreign_key() {
    let world = World::new(64);
    let catalog = new_catalog(&world);
    let mut tx = world.txn.begin();
    let (parent, child) = define(&catalog, &mut tx);
    let [key] = child.constraints.as_slice() else { panic!("one: {:?}", child.constraints) };
    assert_eq!((key.name.as_str(), key.kind), ("c_b_a_fkey", ConstraintKind::ForeignKey));
    assert_eq!((key.table, key.foreign_table), (child.oid, parent.oid));
    assert_eq!((&key.columns, &key.foreign_columns), (&vec![1, 0], &vec![0, 1]));
    assert_eq!((key.on_update.letter(), key.on_delete.letter()), ('c', 'n'));
    assert_eq!((key.match_full, &key.delete_columns), (true, &vec![1]));
    assert_eq!(parent.referenced_by, child.constraints);
    assert_eq!(parent.keys, [0, 1]);
    assert!(parent.constraints.is_empty() && child.referenced_by.is_empty());
}

#[test]
fn others_see_it_at_both_tables_once_it_is_committed() {
    let world = World::new(64);
    let catalog = new_catalog(&world);
    let mut tx = world.txn.begin();
    let (parent, _) = define(&catalog, &mut tx);
    world.txn.commit(&mut tx, true).expect("committed");
    let other = Catalog::new(Rc::clone(&world.access));
    let mut tx = world.txn.begin();
    assert_eq!(open(&other, &tx, "p").expect("there").referenced_by.len(), 1);
    let key = &parent.referenced_by[0];
    let child = open(&catalog, &tx, "c").expect("there");
    catalog.rename_constraint(&mut tx, &child, key, "renamed").expect("renamed");
    assert_eq!(open(&catalog, &tx, "p").expect("there").referenced_by[0].name, "renamed");
    world.txn.commit(&mut tx, true).expect("committed");
    let mut tx = world.txn.begin();
    assert_eq!(open(&other, &tx, "p").expect("there").referenced_by[0].name, "renamed");
    catalog.drop_objects(&mut tx, &[Object::constraint(key.oid)], false).expect("dropped");
    world.txn.commit(&mut tx, true).expect("committed");
    let tx = world.txn.begin();
    assert!(open(&other, &tx, "p").expect("there").referenced_by.is_empty());
}

#[test]
fn what_it_refers_to_stays_and_it_goes_with_its_own_columns() {
    let world = World::new(64);
    let catalog = new_catalog(&world);
    let mut tx = world.txn.begin();
    let (parent, child) = define(&catalog, &mut tx);
    let index = Object::relation(parent.indexes[0].oid);
    for target in [Object::relation(parent.oid), Object::column(parent.oid, 1), index] {
        let error = catalog.drop_objects(&mut tx, &[target], false).expect_err("depended on");
        assert_eq!(error.sqlstate(), SqlState::DEPENDENT_OBJECTS_STILL_EXIST, "{target:?}");
        let detail = error.detail().expect("what depends");
        assert!(detail.starts_with("constraint c_b_a_fkey on table c depends on "), "{detail}");
    }
    let column = Object::column(child.oid, 0);
    let taken = catalog.drop_objects(&mut tx, &[column], false).expect("dropped");
    assert!(taken.is_empty(), "{taken:?}");
    assert!(open(&catalog, &tx, "p").expect("there").referenced_by.is_empty());
    catalog.drop_objects(&mut tx, &[Object::relation(parent.oid)], false).expect("free now");
}

#[test]
fn a_key_is_made_of_an_index_and_takes_it_along() {
    let world = World::new(64);
    let catalog = new_catalog(&world);
    let mut tx = world.txn.begin();
    let made = table(&catalog, &mut tx, "t");
    let made = unique(&catalog, &mut tx, &made);
    let index = Rc::clone(&made.indexes[0]);
    let kind = ConstraintKind::PrimaryKey;
    let made = catalog.adopt_index(&mut tx, &made, &index, kind, "t_key").expect("made");
    let (index, key) = (&made.indexes[0], &made.constraints[0]);
    assert!(index.primary && index.name == "t_key" && key.index == index.oid);
    let alone = catalog.drop_objects(&mut tx, &[Object::relation(index.oid)], true);
    assert_eq!(
        alone.expect_err("a part of the key").to_string(),
        "cannot drop index t_key because constraint t_key on table t requires it"
    );
    catalog.drop_objects(&mut tx, &[Object::column(made.oid, 0)], false).expect("dropped");
    let left = open(&catalog, &tx, "t").expect("there");
    assert!(left.indexes.is_empty() && left.constraints.is_empty());
}
