//! Indexes and constraints in the system tables: made, read back, emptied, dropped, undone.

#[path = "../../access/tests/support/mod.rs"]
mod support;

use std::rc::Rc;

use catalog::{
    Catalog, ColumnDef, ConstraintKind, Counted, IndexColumn, NewIndex, RelationSize, TableDef,
    TableKind,
};
use support::World;
use txn::{LockMode, Transaction};
use types::{ColumnType, Diagnostic, SqlState};

fn new_catalog(world: &World) -> Catalog {
    catalog::bootstrap::bootstrap(&world.access).expect("system tables");
    world.checkpoint();
    Catalog::new(Rc::clone(&world.access))
}

fn create(catalog: &Catalog, tx: &mut Transaction) -> Rc<TableDef> {
    let columns = vec![
        ColumnDef::new("a", ColumnType::Int4),
        ColumnDef::new("b", ColumnType::Varchar(Some(9))),
    ];
    let table = catalog.create_table(tx, None, "t", columns).expect("created");
    tx.next_command().expect("few");
    table
}

fn on(columns: &[usize], constraint: Option<ConstraintKind>) -> NewIndex {
    let types = [ColumnType::Int4, ColumnType::Varchar(Some(9))];
    let column = |&column: &usize| IndexColumn {
        column,
        ty: types[column],
        descending: column == 1,
        nulls_first: column == 1,
    };
    let columns = columns.iter().map(column).collect();
    NewIndex { name: None, unique: constraint.is_some(), constraint, columns }
}

fn add(catalog: &Catalog, tx: &mut Transaction, table: &TableDef, new: NewIndex) -> Rc<TableDef> {
    let (table, _) = catalog.create_index(tx, table, new).expect("created");
    tx.next_command().expect("few");
    table
}

/// A table with a primary key, a unique constraint and two plain indexes.
fn with_indexes(catalog: &Catalog, tx: &mut Transaction) -> Rc<TableDef> {
    let table = create(catalog, tx);
    let table = add(catalog, tx, &table, on(&[0], Some(ConstraintKind::PrimaryKey)));
    let table = add(catalog, tx, &table, on(&[1, 0], Some(ConstraintKind::Unique)));
    let table = add(catalog, tx, &table, on(&[1], None));
    add(catalog, tx, &table, on(&[1], None))
}

fn open(catalog: &Catalog, tx: &Transaction, name: &str) -> Option<Rc<TableDef>> {
    catalog.open(tx, None, name, LockMode::AccessExclusive).expect("opened")
}

fn relation_files(world: &World) -> usize {
    let files = world.pool.files().list().expect("listed");
    files.iter().filter(|id| id.rel >= support::FIRST_RELFILE).count()
}

#[test]
fn indexes_and_constraints_come_back_as_they_were_made() {
    let world = World::new(64);
    let catalog = new_catalog(&world);
    let made = world.write(|tx| with_indexes(&catalog, tx));
    let names: Vec<&str> = made.indexes.iter().map(|index| index.name.as_str()).collect();
    assert_eq!(names, ["t_pkey", "t_b_a_key", "t_b_idx", "t_b_idx1"]);
    let fresh = Catalog::new(Rc::clone(&world.access));
    let found = world.write(|tx| fresh.lookup(tx, None, "t").expect("looked up"));
    assert_eq!(found, Some(Rc::clone(&made)));
    let index = world.write(|tx| fresh.lookup(tx, None, "t_b_a_key").expect("looked up"));
    let index = index.expect("an index is a relation");
    assert_eq!(index.kind, TableKind::Index(made.oid));
    let columns: Vec<&str> = index.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(columns, ["b", "a"]);
    assert_eq!(world.write(|tx| fresh.find_by_oid(tx, index.oid).expect("read")), Some(index));
    let unique = made.constraint_of(made.indexes[1].oid).expect("it has one");
    assert_eq!((unique.kind, unique.columns.as_slice()), (ConstraintKind::Unique, &[1, 0][..]));
}

#[test]
fn a_name_is_taken_once_among_tables_and_indexes() {
    let world = World::new(64);
    let catalog = new_catalog(&world);
    world.write_and_abort(|tx| {
        let table = with_indexes(&catalog, tx);
        for taken in ["t", "t_pkey", "t_b_idx1", "pg_class1"] {
            let new = NewIndex { name: Some(taken.to_owned()), ..on(&[0], None) };
            match catalog.create_index(tx, &table, new) {
                Ok(_) => assert_eq!(taken, "pg_class1"),
                Err(error) => assert_eq!(error.sqlstate(), SqlState::DUPLICATE_TABLE, "{taken}"),
            }
        }
        let pg_class = catalog.lookup(tx, None, "pg_class").expect("looked up").expect("there");
        let error = catalog.create_index(tx, &pg_class, on(&[0], None)).expect_err("refused");
        assert_eq!(error.sqlstate(), SqlState::INSUFFICIENT_PRIVILEGE);
    });
}

#[test]
fn an_index_goes_with_its_constraint_and_a_table_with_its_indexes() {
    let world = World::new(64);
    let catalog = new_catalog(&world);
    let made = world.write(|tx| with_indexes(&catalog, tx));
    world.write_and_abort(|tx| {
        let table = open(&catalog, tx, "t").expect("there");
        catalog.drop_index(tx, &table, &made.indexes[1]).expect("dropped");
    });
    assert_eq!(world.write(|tx| open(&catalog, tx, "t")), Some(made.clone()), "undone");
    let left = world.write(|tx| catalog.drop_index(tx, &made, &made.indexes[0]).expect("dropped"));
    assert_eq!((left.indexes.len(), left.constraints.len()), (3, 1));
    let fresh = Catalog::new(Rc::clone(&world.access));
    assert_eq!(world.write(|tx| open(&fresh, tx, "t")), Some(Rc::clone(&left)));
    assert_eq!(relation_files(&world), 4);
    world.write(|tx| catalog.drop_table(tx, &left).expect("dropped"));
    assert_eq!(relation_files(&world), 0);
    for name in ["t", "t_b_a_key", "t_b_idx"] {
        assert_eq!(world.write(|tx| open(&fresh, tx, name)), None, "{name}");
    }
    world.write(|tx| with_indexes(&catalog, tx));
}

#[test]
fn truncate_and_reindex_give_new_files() {
    let world = World::new(64);
    let catalog = new_catalog(&world);
    let made = world.write(|tx| with_indexes(&catalog, tx));
    let emptied = world.write(|tx| catalog.truncate_table(tx, &made).expect("truncated"));
    assert!(emptied.indexes.iter().zip(&made.indexes).all(|(new, old)| new.relfile != old.relfile));
    let fresh = Catalog::new(Rc::clone(&world.access));
    assert_eq!(world.write(|tx| open(&fresh, tx, "t")), Some(Rc::clone(&emptied)));
    let (renewed, index) = world
        .write(|tx| catalog.renew_index(tx, &emptied, &emptied.indexes[2]).expect("a new file"));
    assert!(index.relfile != emptied.indexes[2].relfile && renewed.indexes[2] == index);
    assert_eq!(world.write(|tx| open(&fresh, tx, "t")), Some(renewed));
    assert_eq!(relation_files(&world), 5);
}

#[test]
fn two_who_change_one_row_of_pg_class_both_succeed() {
    let world = World::new(64);
    let catalog = new_catalog(&world);
    let made = world.write(|tx| create(&catalog, tx));
    let other = world.spawn(0, || {
        world.write(|tx| {
            let size = RelationSize { pages: 7, rows: Some(70.0), all_visible: 5 };
            catalog.set_relation_size(tx, made.oid, size, None).expect("noted");
            world.set_word(0, 1);
            std::thread::sleep(std::time::Duration::from_millis(50));
        });
    });
    world.await_word(0, 1);
    world.write(|tx| add(&catalog, tx, &made, on(&[0], None)));
    other.join();
    let fresh = Catalog::new(Rc::clone(&world.access));
    let found = world.write(|tx| open(&fresh, tx, "t")).expect("there");
    assert_eq!(found.counted, Counted { pages: 7, tuples: 70.0, all_visible: 5 });
    assert_eq!(found.indexes.len(), 1);
}
