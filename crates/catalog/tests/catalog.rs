//! The system tables in use: DDL that commits, aborts, crashes, and races with other sessions.

#[path = "../../access/tests/support/mod.rs"]
mod support;

use std::rc::Rc;

use access::Heap;
use catalog::{Catalog, ColumnDef, Error, TableDef, TableKind};
use recovery::Recovery;
use support::{World, row};
use txn::{LockMode, Transaction};
use types::{ColumnType, Datum, Diagnostic, SqlState};

fn new_catalog(world: &World) -> Catalog {
    catalog::bootstrap::bootstrap(&world.access).expect("system tables");
    world.checkpoint();
    Catalog::new(Rc::clone(&world.access))
}

fn columns() -> Vec<ColumnDef> {
    let column = |name: &str, ty, not_null, default: Option<&str>| ColumnDef {
        not_null,
        default: default.map(str::to_owned),
        ..ColumnDef::new(name, ty)
    };
    vec![
        column("id", ColumnType::Int4, true, None),
        column("name", ColumnType::Varchar(Some(20)), false, Some("'nobody'")),
        column("code", ColumnType::Bpchar(3), false, None),
        column("at", ColumnType::Timestamptz, true, Some("now()")),
    ]
}

fn create(catalog: &Catalog, tx: &mut Transaction, name: &str) -> Result<Rc<TableDef>, Error> {
    catalog.create_table(tx, None, name, columns())
}

fn open(catalog: &Catalog, tx: &Transaction, name: &str) -> Option<Rc<TableDef>> {
    catalog.open(tx, None, name, LockMode::AccessExclusive).expect("opened")
}

fn exists(world: &World, catalog: &Catalog, name: &str) -> bool {
    world.write(|tx| catalog.lookup(tx, None, name).expect("looked up").is_some())
}

#[test]
fn the_system_tables_describe_themselves() {
    let world = World::new(64);
    let catalog = new_catalog(&world);
    let mut tx = world.txn.begin();
    let pg_class = catalog.lookup(&tx, None, "pg_class").expect("looked up").expect("is there");
    assert_eq!((pg_class.kind, pg_class.schema.as_str()), (TableKind::System, "pg_catalog"));
    let heap = Heap::new(&world.access, pg_class.relfile, &pg_class.types);
    let snapshot = world.txn.snapshot(&tx);
    let mut scan = heap.scan(&snapshot).expect("scan");
    let (mut names, mut values) = (Vec::new(), Vec::new());
    while let Some((place, bytes)) = scan.next().expect("next") {
        heap.decode(place, bytes, None, &mut values).expect("valid");
        let [_, Datum::Text(name), ..] = values.as_slice() else { panic!("{values:?}") };
        names.push(name.clone());
    }
    let known: Vec<&str> = catalog::system::SYSTEM_TABLES.iter().map(|table| table.name).collect();
    assert_eq!(names, known);
    drop(scan);
    drop(snapshot);
    let dropped = catalog.drop_table(&mut tx, &pg_class).expect_err("a system table");
    assert_eq!(dropped.sqlstate(), SqlState::INSUFFICIENT_PRIVILEGE);
    world.txn.abort(&mut tx);
}

#[test]
fn a_definition_comes_back_as_it_was_given() {
    let world = World::new(64);
    let catalog = new_catalog(&world);
    let made = world.write(|tx| create(&catalog, tx, "people").expect("created"));
    assert_eq!(made.columns, columns());
    let fresh = Catalog::new(Rc::clone(&world.access));
    let found = world.write(|tx| fresh.lookup(tx, Some("public"), "people").expect("looked up"));
    assert_eq!(found, Some(made));
    assert!(!exists(&world, &fresh, "People"), "names are compared byte by byte");
    assert!(!exists(&world, &fresh, "nobody"));
}

#[test]
fn bad_definitions_are_refused_by_name() {
    let world = World::new(64);
    let catalog = new_catalog(&world);
    let mut tx = world.txn.begin();
    create(&catalog, &mut tx, "taken").expect("created");
    let mut twice = columns();
    twice.push(twice[0].clone());
    let mut numeric = columns();
    numeric[0].ty = ColumnType::Numeric;
    let many = (0..1601).map(|n| ColumnDef { name: format!("c{n}"), ..columns()[0].clone() });
    let long = "x".repeat(64);
    for (schema, name, columns, state) in [
        (None, "taken", columns(), SqlState::DUPLICATE_TABLE),
        (None, "t", twice, SqlState::DUPLICATE_COLUMN),
        (None, "t", numeric, SqlState::FEATURE_NOT_SUPPORTED),
        (None, "t", many.collect(), SqlState::TOO_MANY_COLUMNS),
        (None, long.as_str(), columns(), SqlState::NAME_TOO_LONG),
        (Some("nowhere"), "t", columns(), SqlState::INVALID_SCHEMA_NAME),
        (Some("pg_catalog"), "t", columns(), SqlState::INSUFFICIENT_PRIVILEGE),
    ] {
        let error = catalog.create_table(&mut tx, schema, name, columns).expect_err(name);
        assert_eq!(error.sqlstate(), state, "{error}");
    }
    world.txn.abort(&mut tx);
}

#[test]
fn ddl_is_seen_by_its_transaction_and_undone_by_an_abort() {
    let world = World::new(64);
    let catalog = new_catalog(&world);
    world.write(|tx| create(&catalog, tx, "old").expect("created"));
    world.write_and_abort(|tx| {
        create(&catalog, tx, "new").expect("created");
        tx.next_command().expect("few");
        assert!(open(&catalog, tx, "new").is_some());
        let old = open(&catalog, tx, "old").expect("there");
        catalog.drop_table(tx, &old).expect("dropped");
        tx.next_command().expect("few");
        assert!(open(&catalog, tx, "old").is_none());
        create(&catalog, tx, "old").expect("the name is free for this transaction");
    });
    assert!(exists(&world, &catalog, "old") && !exists(&world, &catalog, "new"));
    let files = catalog.all_relfiles().expect("read");
    let on_disk = world.pool.files().list().expect("listed");
    assert!(on_disk.iter().all(|id| files.contains(&id.rel)), "{on_disk:?} {files:?}");
}

#[test]
fn truncate_gives_a_new_file_and_an_abort_the_old_one() {
    let world = World::new(64);
    let catalog = new_catalog(&world);
    let columns = columns()[..1].to_vec();
    let table = world.write(|tx| catalog.create_table(tx, None, "t", columns).expect("created"));
    let fill = |tx: &mut Transaction, table: &TableDef| {
        let heap = Heap::new(&world.access, table.relfile, &table.types);
        heap.insert(tx, &row(1, "")[..1]).expect("insert");
    };
    world.write(|tx| fill(tx, &table));
    world.write_and_abort(|tx| {
        let table = open(&catalog, tx, "t").expect("there");
        let emptied = catalog.truncate_table(tx, &table).expect("truncated");
        assert_eq!((emptied.oid, emptied.relfile == table.relfile), (table.oid, false));
        fill(tx, &emptied);
    });
    let again = world.write(|tx| open(&catalog, tx, "t").expect("there"));
    assert_eq!(again, table);
    let emptied = world.write(|tx| {
        let table = open(&catalog, tx, "t").expect("there");
        let once = catalog.truncate_table(tx, &table).expect("truncated");
        tx.next_command().expect("few");
        catalog.truncate_table(tx, &once).expect("truncated again")
    });
    assert_eq!(world.write(|tx| open(&catalog, tx, "t").expect("there")), emptied);
    let on_disk = world.pool.files().list().expect("listed");
    assert!(on_disk.iter().all(|id| id.rel < support::FIRST_RELFILE || id.rel == emptied.relfile));
}

#[test]
fn others_see_ddl_at_their_next_statement() {
    let world = World::new(64);
    let catalog = new_catalog(&world);
    world.write(|tx| create(&catalog, tx, "t").expect("created"));
    assert!(exists(&world, &catalog, "t"), "and now it is remembered");
    let other = world.spawn(0, || {
        let catalog = Catalog::new(Rc::clone(&world.access));
        world.write(|tx| {
            let table = open(&catalog, tx, "t").expect("there");
            catalog.drop_table(tx, &table).expect("dropped");
        });
        world.write(|tx| {
            catalog.create_table(tx, None, "t", columns()[..2].to_vec()).expect("created")
        });
    });
    other.join();
    let found = world.write(|tx| catalog.lookup(tx, None, "t").expect("looked up"));
    assert_eq!(found.expect("there").columns, columns()[..2]);
}

#[test]
fn of_two_that_create_a_name_the_later_gets_42p07_or_the_name() {
    for commits in [true, false] {
        let world = World::new(64);
        let catalog = new_catalog(&world);
        let first = world.spawn(0, || {
            let mut tx = world.txn.begin();
            create(&catalog, &mut tx, "t").expect("created");
            world.set_word(0, 1);
            world.await_word(1, 1);
            std::thread::sleep(std::time::Duration::from_millis(30));
            match commits {
                true => drop(world.txn.commit(&mut tx, true).expect("commit")),
                false => world.txn.abort(&mut tx),
            }
        });
        world.await_word(0, 1);
        let second = world.spawn(1, || {
            let mut tx = world.txn.begin();
            world.set_word(1, 1);
            let made = create(&catalog, &mut tx, "t");
            match made {
                Ok(_) => assert!(!commits),
                Err(error) => {
                    assert!(commits);
                    assert_eq!(error.sqlstate(), SqlState::DUPLICATE_TABLE);
                }
            }
            world.txn.abort(&mut tx);
        });
        first.join();
        second.join();
    }
}

#[test]
fn who_waited_for_a_drop_finds_nothing_and_for_a_truncate_the_new_file() {
    for drops in [true, false] {
        let world = World::new(64);
        let catalog = new_catalog(&world);
        let table = world.write(|tx| create(&catalog, tx, "t").expect("created"));
        assert!(exists(&world, &catalog, "t"));
        let first = world.spawn(0, || {
            world.write(|tx| {
                let table = open(&catalog, tx, "t").expect("there");
                match drops {
                    true => catalog.drop_table(tx, &table).expect("dropped"),
                    false => drop(catalog.truncate_table(tx, &table).expect("truncated")),
                }
                world.set_word(0, 1);
                world.await_word(1, 1);
                std::thread::sleep(std::time::Duration::from_millis(30));
            });
        });
        world.await_word(0, 1);
        let second = world.spawn(1, || {
            let mut tx = world.txn.begin();
            world.set_word(1, 1);
            let found = catalog.open(&tx, None, "t", LockMode::AccessShare).expect("opened");
            match found {
                None => assert!(drops),
                Some(found) => assert!(!drops && found.relfile != table.relfile),
            }
            world.txn.commit(&mut tx, false).expect("nothing to write");
        });
        first.join();
        second.join();
    }
}

#[test]
fn tables_survive_a_crash_and_half_made_ones_leave_no_file() {
    let mut world = World::new(32);
    let catalog = new_catalog(&world);
    let kept = world.write(|tx| create(&catalog, tx, "kept").expect("created"));
    world.write(|tx| create(&catalog, tx, "dropped").expect("created"));
    world.write(|tx| {
        let table = open(&catalog, tx, "dropped").expect("there");
        catalog.drop_table(tx, &table).expect("dropped");
    });
    let half = world.spawn(0, || {
        let mut tx = world.txn.begin();
        create(&catalog, &mut tx, "half").expect("created");
        let table = open(&catalog, &tx, "kept").expect("there");
        catalog.drop_table(&mut tx, &table).expect("dropped");
        world.wal.flush(world.wal.insert_lsn()).expect("flush");
        sys::process::exit_now(0);
    });
    half.join();
    world.crash();
    let context = Recovery {
        data_dir: world.data_dir(),
        wal: &world.wal,
        pool: &world.pool,
        txn: &world.txn,
    };
    recovery::run(&context, &mut |_| ()).expect("recovery");
    world.checkpoint();
    let fresh = Catalog::new(Rc::clone(&world.access));
    let owned = fresh.all_relfiles().expect("read");
    let removed = access::storage::remove_orphans(&world.pool, &owned).expect("removed");
    assert_eq!(removed, 1, "that of the half-made table");
    let found = world.write(|tx| fresh.lookup(tx, None, "kept").expect("looked up"));
    assert_eq!(found, Some(kept));
    assert!(!exists(&world, &fresh, "half") && !exists(&world, &fresh, "dropped"));
    let on_disk = world.pool.files().list().expect("listed");
    assert!(on_disk.iter().all(|id| owned.contains(&id.rel)));
}

#[test]
fn who_creates_in_a_schema_waits_for_its_drop_and_the_other_way_round() {
    for commits in [true, false] {
        let world = World::new(64);
        let catalog = new_catalog(&world);
        let schema = world.write(|tx| catalog.create_schema(tx, "s").expect("created"));
        let first = world.spawn(0, || {
            let mut tx = world.txn.begin();
            let schema = catalog.lock_schema(&tx, "s").expect("locked").expect("there");
            catalog.drop_objects(&mut tx, &[schema], false).expect("empty");
            world.set_word(0, 1);
            world.await_word(1, 1);
            std::thread::sleep(std::time::Duration::from_millis(30));
            match commits {
                true => drop(world.txn.commit(&mut tx, true).expect("commit")),
                false => world.txn.abort(&mut tx),
            }
        });
        world.await_word(0, 1);
        let second = world.spawn(1, || {
            let mut tx = world.txn.begin();
            world.set_word(1, 1);
            let made = catalog.create_table(&mut tx, Some("s"), "t", columns());
            match made {
                Ok(table) => assert!(!commits && table.namespace == schema),
                Err(error) => {
                    assert!(commits);
                    assert_eq!(error.sqlstate(), SqlState::INVALID_SCHEMA_NAME);
                }
            }
            world.txn.abort(&mut tx);
        });
        first.join();
        second.join();
    }
}

#[test]
fn a_new_name_in_front_of_the_search_path_is_found_at_the_next_lookup() {
    let world = World::new(64);
    let catalog = new_catalog(&world);
    catalog.set_search_path(vec!["s".to_owned(), "public".to_owned()]);
    let public = world
        .write(|tx| catalog.create_table(tx, Some("public"), "t", columns()).expect("created"));
    let found = |tx: &mut Transaction| catalog.lookup(tx, None, "t").expect("looked up");
    assert_eq!(world.write(found), Some(Rc::clone(&public)));
    world.write(|tx| catalog.create_schema(tx, "s").expect("created"));
    assert_eq!(world.write(found), Some(Rc::clone(&public)));
    world.write_and_abort(|tx| {
        let own = catalog.create_table(tx, Some("s"), "t", columns()).expect("created");
        assert_eq!(found(tx), Some(own));
    });
    assert_eq!(world.write(found), Some(public));
    let other = world.spawn(0, || {
        let catalog = Catalog::new(Rc::clone(&world.access));
        world.write(|tx| catalog.create_table(tx, Some("s"), "t", columns()).expect("created"));
    });
    other.join();
    assert_eq!(world.write(found).expect("there").schema, "s");
}
