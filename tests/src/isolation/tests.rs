//! Histories made by hand: each anomaly is found, told by its name, and what is legal passes.

use super::check::{Kind, check};
use super::history::{History, Key, Level, Lists, Outcome, Statement, Transaction, Value, Work};
use Level::{ReadCommitted, RepeatableRead};

fn append(key: Key, value: Value) -> Work {
    Work::Append(vec![(key, value)])
}

fn read(key: Key, list: &[Value]) -> Work {
    Work::Read(vec![(key, list.to_vec())])
}

fn read_both(x: &[Value], y: &[Value]) -> Work {
    Work::Read(vec![(1, x.to_vec()), (2, y.to_vec())])
}

/// A transaction that committed, nobody knows when.
fn committed<const N: usize>(level: Level, works: [Work; N]) -> Transaction {
    let statements = works.map(|work| Statement { sent_ns: 0, work }).to_vec();
    let outcome = Outcome::Committed { at_ns: u64::MAX };
    Transaction { client: 0, level, statements, outcome }
}

fn rolled_back<const N: usize>(level: Level, works: [Work; N]) -> Transaction {
    Transaction { outcome: Outcome::RolledBack, ..committed(level, works) }
}

fn unknown<const N: usize>(level: Level, works: [Work; N]) -> Transaction {
    Transaction { outcome: Outcome::Unknown, ..committed(level, works) }
}

/// What is found wrong, when lists 1 and 2 hold this at the end.
fn found<const N: usize>(transactions: [Transaction; N], x: &[Value], y: &[Value]) -> Vec<Kind> {
    let history = History { transactions: transactions.to_vec() };
    let end = Lists::from([(1, x.to_vec()), (2, y.to_vec())]);
    let anomalies = check(&history, &end);
    anomalies.iter().for_each(|anomaly| println!("{anomaly}"));
    anomalies.iter().map(|anomaly| anomaly.kind).collect()
}

#[test]
fn transactions_one_after_the_other_pass() {
    for level in [ReadCommitted, RepeatableRead] {
        let history = [
            committed(level, [read(1, &[]), append(1, 1), read(1, &[1]), append(2, 2)]),
            committed(level, [read_both(&[1], &[2]), append(1, 3), append(1, 4)]),
            rolled_back(level, [append(1, 5), read(1, &[1, 3, 4, 5])]),
            committed(level, [read_both(&[1, 3, 4], &[2])]),
        ];
        assert_eq!(found(history, &[1, 3, 4], &[2]), []);
    }
}

#[test]
fn writes_that_interleave_are_g0() {
    for level in [ReadCommitted, RepeatableRead] {
        let first = committed(level, [append(1, 1), append(2, 2)]);
        let second = committed(level, [append(1, 3), append(2, 4)]);
        assert_eq!(found([first, second], &[1, 3], &[4, 2]), [Kind::G0]);
        let torn = committed(level, [append(1, 1), append(1, 2)]);
        assert_eq!(found([torn, committed(level, [append(1, 3)])], &[1, 3, 2], &[]), [Kind::G0]);
    }
}

#[test]
fn what_was_rolled_back_and_seen_is_g1a() {
    for level in [ReadCommitted, RepeatableRead] {
        let gone = rolled_back(level, [append(1, 1)]);
        assert_eq!(found([gone.clone(), committed(level, [read(1, &[1])])], &[], &[]), [Kind::G1a]);
        assert_eq!(found([gone], &[1], &[]), [Kind::G1a], "it is there at the end");
        let undone = [Work::Savepoint, append(1, 1), Work::RollBackTo, append(1, 2)];
        let reader = rolled_back(level, [read(1, &[1])]);
        assert_eq!(found([committed(level, undone), reader], &[2], &[]), [Kind::G1a]);
    }
}

#[test]
fn a_state_in_the_middle_of_a_transaction_is_g1b() {
    for level in [ReadCommitted, RepeatableRead] {
        let twice = committed(level, [append(1, 1), append(1, 2)]);
        let reader = committed(level, [read(1, &[1])]);
        assert_eq!(found([twice, reader], &[1, 2], &[]), [Kind::G1b]);
    }
}

#[test]
fn two_that_saw_each_other_are_g1c() {
    for level in [ReadCommitted, RepeatableRead] {
        let first = committed(level, [append(1, 1), read(2, &[2])]);
        let second = committed(level, [append(2, 2), read(1, &[1])]);
        assert_eq!(found([first, second], &[1], &[2]), [Kind::G1c]);
    }
}

#[test]
fn one_that_saw_half_of_another_is_g_single_at_repeatable_read_only() {
    let writer = committed(ReadCommitted, [append(1, 1), append(2, 2)]);
    let reads = [read(1, &[]), read(2, &[2])];
    let reader = committed(RepeatableRead, reads.clone());
    assert_eq!(found([writer.clone(), reader], &[1], &[2]), [Kind::GSingle]);
    let reader = rolled_back(RepeatableRead, reads.clone());
    assert_eq!(found([writer.clone(), reader], &[1], &[2]), [Kind::GSingle], "rolled back or not");
    assert_eq!(found([writer, committed(ReadCommitted, reads)], &[1], &[2]), []);
}

#[test]
fn a_statement_that_saw_half_of_another_is_g_single_at_any_level() {
    for level in [ReadCommitted, RepeatableRead] {
        let writer = committed(level, [append(1, 1), append(2, 2)]);
        let reader = committed(level, [read_both(&[], &[2])]);
        assert_eq!(found([writer, reader], &[1], &[2]), [Kind::GSingle]);
    }
}

#[test]
fn a_lost_update_is_found_at_repeatable_read_only() {
    let update = |level, value| committed(level, [read(1, &[]), append(1, value)]);
    let both = |level| [update(level, 1), update(level, 2)];
    assert_eq!(found(both(RepeatableRead), &[1, 2], &[]), [Kind::LostUpdate]);
    assert_eq!(found(both(ReadCommitted), &[1, 2], &[]), []);
    let mixed = [update(ReadCommitted, 1), update(RepeatableRead, 2)];
    assert_eq!(found(mixed, &[1, 2], &[]), [Kind::LostUpdate]);
    let mixed = [update(RepeatableRead, 1), update(ReadCommitted, 2)];
    assert_eq!(found(mixed, &[1, 2], &[]), []);
}

#[test]
fn write_skew_is_allowed() {
    let first = committed(RepeatableRead, [read_both(&[], &[]), append(1, 1)]);
    let second = committed(RepeatableRead, [read_both(&[], &[]), append(2, 2)]);
    assert_eq!(found([first, second], &[1], &[2]), []);
}

#[test]
fn two_readers_that_disagree_on_the_order_are_g_nonadjacent() {
    let history = [
        committed(RepeatableRead, [append(1, 1)]),
        committed(RepeatableRead, [append(2, 2)]),
        committed(RepeatableRead, [read_both(&[1], &[])]),
        committed(RepeatableRead, [read_both(&[], &[2])]),
    ];
    assert_eq!(found(history, &[1], &[2]), [Kind::GNonadjacent]);
}

#[test]
fn a_long_cycle_is_found_and_told() {
    let history = History {
        transactions: vec![
            committed(RepeatableRead, [append(1, 1), append(2, 2)]),
            committed(RepeatableRead, [read(2, &[2]), append(2, 3)]),
            committed(RepeatableRead, [read(1, &[]), read(2, &[2, 3])]),
        ],
    };
    let anomalies = check(&history, &Lists::from([(1, vec![1]), (2, vec![2, 3])]));
    let told: Vec<String> = anomalies.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["GSingle: T2 (client 0, repeatable read) read list 1 without 1, which T0 (client 0, \
          repeatable read) appended next (rw); T0 (client 0, repeatable read) appended to list 2, \
          and next T1 (client 0, repeatable read) its 3 (ww); T2 (client 0, repeatable read) saw 3 \
          in list 2, which T1 (client 0, repeatable read) appended (wr); a cycle"]
    );
}

#[test]
fn a_transaction_sees_its_own_appends() {
    for level in [ReadCommitted, RepeatableRead] {
        let forgetful = committed(level, [append(1, 1), read(1, &[])]);
        assert_eq!(found([forgetful], &[1], &[]), [Kind::Internal]);
        let early = committed(level, [read(1, &[1]), append(1, 1)]);
        assert_eq!(found([early], &[1], &[]), [Kind::Internal]);
        let back = [append(1, 1), Work::Savepoint, append(1, 2), Work::RollBackTo, read(1, &[1])];
        assert_eq!(found([committed(level, back)], &[1], &[]), []);
    }
}

#[test]
fn reads_repeat_at_repeatable_read_and_where_the_row_is_held() {
    let other = committed(ReadCommitted, [append(1, 1)]);
    let reads = [read(1, &[]), read(1, &[1])];
    let at = |level| [other.clone(), committed(level, reads.clone())];
    assert_eq!(found(at(ReadCommitted), &[1], &[]), []);
    assert_eq!(found(at(RepeatableRead), &[1], &[]), [Kind::Internal]);
    let held = [append(1, 2), read(1, &[2]), read(1, &[1, 2])];
    let history = [other.clone(), rolled_back(ReadCommitted, held.clone())];
    assert_eq!(found(history, &[1], &[]), [Kind::Internal]);
    let history = [other, committed(ReadCommitted, held)];
    assert_eq!(found(history, &[1, 2], &[]), [Kind::IncompatibleOrder]);
}

#[test]
fn a_list_that_is_locked_stays_as_it_is_until_the_end_or_the_savepoint() {
    let other = committed(ReadCommitted, [append(1, 1)]);
    let locked = Work::Lock(vec![(1, vec![])]);
    let reader = |works| [other.clone(), committed(ReadCommitted, works)];
    let history = reader([Work::Savepoint, locked.clone(), read(1, &[1])]);
    assert_eq!(found(history, &[1], &[]), [Kind::Internal]);
    let [other, reader] = reader([read(1, &[]), Work::Lock(vec![(1, vec![1])]), read(1, &[1])]);
    assert_eq!(found([other.clone(), reader], &[1], &[]), []);
    let undone = [Work::Savepoint, locked, Work::RollBackTo, read(1, &[1])];
    assert_eq!(found([other, committed(ReadCommitted, undone)], &[1], &[]), []);
}

#[test]
fn a_list_that_was_seen_is_a_beginning_of_what_it_becomes() {
    let writers = || [1, 2].map(|value| committed(ReadCommitted, [append(1, value)]));
    let [first, second] = writers();
    let reader = committed(ReadCommitted, [read(1, &[2])]);
    assert_eq!(found([first, second, reader], &[1, 2], &[]), [Kind::IncompatibleOrder]);
}

#[test]
fn what_was_answered_as_committed_is_seen_by_later_snapshots() {
    let at = |at_ns| Transaction {
        outcome: Outcome::Committed { at_ns },
        ..committed(ReadCommitted, [append(1, 1)])
    };
    let late = |level, sent: [u64; 2]| {
        let mut reader = committed(level, [read(2, &[]), read(1, &[])]);
        for (statement, sent_ns) in reader.statements.iter_mut().zip(sent) {
            statement.sent_ns = sent_ns;
        }
        reader
    };
    assert_eq!(found([at(10), late(ReadCommitted, [5, 20])], &[1], &[]), [Kind::Stale]);
    assert_eq!(found([at(10), late(RepeatableRead, [5, 20])], &[1], &[]), []);
    assert_eq!(found([at(10), late(RepeatableRead, [15, 20])], &[1], &[]), [Kind::Stale]);
    assert_eq!(found([at(10), late(ReadCommitted, [5, 9])], &[1], &[]), []);
}

#[test]
fn the_end_tells_what_became_of_commits() {
    let two = [append(1, 1), append(2, 2)];
    let ended = |x: &[Value], y: &[Value]| found([unknown(ReadCommitted, two.clone())], x, y);
    assert_eq!(ended(&[1], &[2]), []);
    assert_eq!(ended(&[], &[]), []);
    assert_eq!(ended(&[1], &[]), [Kind::InPart]);
    let ended = |x: &[Value], y: &[Value]| found([committed(ReadCommitted, two.clone())], x, y);
    assert_eq!(ended(&[], &[]), [Kind::Lost]);
    assert_eq!(ended(&[1], &[]), [Kind::InPart]);
    assert_eq!(ended(&[1, 9], &[2]), [Kind::Garbage]);
    assert_eq!(ended(&[1, 1], &[2]), [Kind::Duplicate]);
    let seen = [unknown(ReadCommitted, [append(1, 1)]), committed(ReadCommitted, [read(1, &[1])])];
    assert_eq!(found(seen, &[], &[]), [Kind::G1a], "it was seen, and is gone");
}
