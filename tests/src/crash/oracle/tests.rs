//! The oracle can tell right from wrong: each kind of damage, done to a state that was right, is
//! found.

use super::*;
use crate::crash::step::{Step, Table, Tables, Values};

fn attempt(seq: i64, parent: i64, seen: Vec<i64>, steps: Vec<Step>, outcome: Outcome) -> Attempt {
    Attempt { seq, parent, steps, seen, sent_ns: seq as u64 * 100, outcome }
}

fn insert(table: &str, id: i32) -> Step {
    Step::Insert(table.to_owned(), vec![(id, 10, Some("x".to_owned()))])
}

/// Two clients. The first has done 1 and 2, and is in doubt about 3; the second has seen the
/// first's 2, and has moved money.
fn histories(synchronous: bool) -> Vec<History> {
    let done = |ns| Outcome::Acknowledged { at_ns: ns };
    let mut first = History::new(0, 2, synchronous);
    first.attempts = vec![
        attempt(1, 0, vec![0, 0], vec![insert("c0_a", 1)], done(150)),
        attempt(2, 1, vec![0, 0], vec![insert("c0_a", 2)], done(250)),
        attempt(3, 2, vec![0, 0], vec![Step::Create("c0_d1".into())], Outcome::InDoubt),
    ];
    let mut second = History::new(1, 2, synchronous);
    second.attempts = vec![attempt(1, 0, vec![2, 0], vec![Step::Move(0, 1, 5)], done(300))];
    second.saw(0, 2, 5);
    vec![first, second]
}

fn opening() -> BTreeMap<i64, i64> {
    BTreeMap::from([(0, 100), (1, 100)])
}

fn judgement() -> Judgement {
    Judgement { cuts_ns: vec![350], window_ns: 0, horizon_ns: u64::MAX }
}

/// What a right server holds, with or without the attempt in doubt.
fn right(with_doubt: bool) -> Found {
    let row = Values { val: 10, txn: 1, note: Some("x".to_owned()) };
    let second = Values { txn: 2, ..row.clone() };
    let mut found = Found {
        progress: BTreeMap::from([(0, 2), (1, 1)]),
        tables: Tables::from([
            ("c0_a".to_owned(), Table::from([(1, row), (2, second)])),
            ("c0_t".to_owned(), Table::new()),
            ("c1_a".to_owned(), Table::new()),
            ("c1_t".to_owned(), Table::new()),
        ]),
        log: BTreeMap::from([
            ((0, 1), ("0,0".to_owned(), String::new())),
            ((0, 2), ("0,0".to_owned(), String::new())),
            ((1, 1), ("2,0".to_owned(), "0>1:5".to_owned())),
        ]),
        accounts: BTreeMap::from([(0, 95), (1, 105)]),
        oddities: Vec::new(),
    };
    if with_doubt {
        found.progress.insert(0, 3);
        found.tables.insert("c0_d1".to_owned(), Table::new());
        found.log.insert((0, 3), ("0,0".to_owned(), String::new()));
    }
    found
}

fn verdict(found: &Found) -> Vec<String> {
    judge(&histories(true), &opening(), found, &judgement())
}

#[test]
fn what_is_right_passes_with_and_without_the_attempt_in_doubt() {
    assert_eq!(verdict(&right(false)), [""; 0]);
    assert_eq!(verdict(&right(true)), [""; 0]);
}

#[test]
fn damage_of_every_kind_is_found() {
    type Harm = fn(&mut Found);
    let damage: Vec<(&str, Harm)> = vec![
        ("a lost transaction", |f| _ = f.progress.insert(1, 0)),
        ("a number never sent", |f| _ = f.progress.insert(0, 9)),
        ("a client without progress", |f| _ = f.progress.remove(&0)),
        ("a lost row", |f| _ = f.tables.get_mut("c0_a").and_then(|t| t.remove(&2))),
        ("a changed row", |f| {
            f.tables.get_mut("c0_a").and_then(|t| t.get_mut(&1)).expect("it is there").val = 11;
        }),
        ("a row that nobody sent", |f| {
            let row = Values { val: 0, txn: 0, note: None };
            f.tables.get_mut("c1_a").and_then(|t| t.insert(7, row));
        }),
        ("half of a transaction in doubt", |f| _ = f.tables.insert("c0_d1".into(), Table::new())),
        ("a lost table", |f| _ = f.tables.remove("c1_t")),
        ("a lost row of log", |f| _ = f.log.remove(&(0, 2))),
        ("a row too many in log", |f| _ = f.log.insert((1, 2), Default::default())),
        ("a move half done", |f| _ = f.accounts.insert(0, 100)),
        ("a row that stands twice", |f| f.oddities.push("twice".to_owned())),
    ];
    for (what, harm) in damage {
        let mut found = right(false);
        harm(&mut found);
        assert_ne!(verdict(&found), [""; 0], "{what}");
    }
}

/// The first client's 2 is lost, cleanly.
fn without_two() -> Found {
    let mut found = right(false);
    found.progress.insert(0, 1);
    found.log.remove(&(0, 2));
    found.tables.get_mut("c0_a").and_then(|t| t.remove(&2));
    found
}

/// And so is the second client's 1, which had seen it.
fn without_two_and_its_witness() -> Found {
    let mut found = without_two();
    found.progress.insert(1, 0);
    found.log.remove(&(1, 1));
    found.accounts = opening();
    found
}

#[test]
fn an_asynchronous_commit_may_be_lost_just_before_a_crash_with_all_that_saw_it() {
    let recent = Judgement { window_ns: 150, ..judgement() };
    let verdict = |found: &Found, j: &Judgement| judge(&histories(false), &opening(), found, j);
    assert_eq!(verdict(&without_two_and_its_witness(), &recent), [""; 0]);
    // Longer ago than the window.
    let old = Judgement { window_ns: 60, ..judgement() };
    assert_ne!(verdict(&without_two_and_its_witness(), &old), [""; 0]);
    // The witness has survived what it saw.
    let wrong = verdict(&without_two(), &recent);
    assert!(wrong.iter().any(|w| w.contains("no suffix")), "{wrong:?}");
}

#[test]
fn what_was_read_of_a_synchronous_client_must_be_there() {
    let mut histories = histories(true);
    histories[0].attempts[1].outcome = Outcome::InDoubt;
    histories[0].attempts.pop();
    histories[1].attempts.clear();
    let wrong = judge(&histories, &opening(), &without_two_and_its_witness(), &judgement());
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].contains("had read 2"), "{wrong:?}");
}

#[test]
fn nothing_is_promised_from_the_horizon_on() {
    let early = Judgement { horizon_ns: 250, ..judgement() };
    let mut histories = histories(true);
    histories[1].read = vec![Vec::new(); 2];
    let verdict = judge(&histories, &opening(), &without_two_and_its_witness(), &early);
    assert_eq!(verdict, [""; 0]);
    // But what was sent only then cannot be there.
    let wrong = judge(&histories, &opening(), &right(true), &early);
    assert!(wrong.iter().any(|w| w.contains("3 is there")), "{wrong:?}");
}
