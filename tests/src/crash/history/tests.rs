//! The tests of a history by itself.

use super::*;

fn attempt(seq: i64, parent: i64, outcome: Outcome) -> Attempt {
    let steps = vec![Step::Insert("c0_a".into(), vec![(seq as i32, seq, None)])];
    Attempt { seq, parent, steps, seen: vec![0], sent_ns: 0, outcome }
}

fn history(synchronous: bool) -> History {
    let mut history = History::new(0, 1, synchronous);
    let done = Outcome::Acknowledged { at_ns: 1000 };
    history.attempts = vec![
        attempt(1, 0, done),
        attempt(2, 1, Outcome::RolledBack),
        attempt(3, 1, done),
        attempt(4, 3, Outcome::InDoubt),
    ];
    history.head = 3;
    history
}

#[test]
fn an_attempt_in_doubt_may_be_there_or_not() {
    for (seq, rows) in [(3, 2), (4, 3)] {
        let mut history = history(true);
        history.found(seq, 2000, |_| false).expect("both are right");
        assert_eq!(history.tables["c0_a"].len(), rows);
        assert!(history.attempts.iter().all(|a| a.outcome != Outcome::InDoubt));
    }
}

#[test]
fn an_acknowledged_attempt_may_not_be_gone() {
    assert!(history(true).found(1, 2000, |_| true).is_err());
    assert!(history(false).found(1, 2000, |_| false).is_err());
    assert!(history(false).found(1, 2000, |_| true).is_ok());
}

#[test]
fn what_was_rolled_back_or_never_sent_may_not_be_there() {
    assert!(history(true).found(2, 2000, |_| true).is_err());
    assert!(history(true).found(9, 2000, |_| true).is_err());
}

#[test]
fn settling_keeps_the_state_and_forgets_the_way() {
    let mut history = history(true);
    history.found(4, 2000, |_| false).expect("it was in doubt");
    let tables = history.tables.clone();
    history.settle();
    assert_eq!((history.base_seq, &history.base_tables), (4, &tables));
    assert_eq!(history.base_log.keys().copied().collect::<Vec<_>>(), [1, 3, 4]);
    assert!(history.chain(4).is_some_and(|c| c.is_empty()));
}
