//! Hostile statements end in an error, soon, and without taking the process along.
//!
//! Each runs in a thread with a stack of 2 MB, a quarter of what a server process has.

mod support;

use std::time::{Duration, Instant};

use support::{Client, new_world, session};

/// Sends lines and answers the last line before `READY` of each reply, cut short.
fn last_words(lines: Vec<String>) -> Vec<String> {
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
        let world = new_world(64);
        let mut session = session(&world);
        let mut client = Client::default();
        let answers = lines.iter().map(|line| {
            let reply = client.send(&mut session, line);
            let last = &reply[reply.len() - 2];
            last.chars().take(60).collect::<String>()
        });
        answers.collect()
    });
    thread.expect("a thread").join().expect("no stack overflow, no panic")
}

#[test]
fn what_the_parser_takes_can_be_bound_evaluated_and_freed() {
    let answers = last_words(vec![
        "CREATE TABLE t (a int, b bool); INSERT INTO t VALUES (1, true)".to_owned(),
        format!("SELECT a{} FROM t", "+a".repeat(900)),
        format!("SELECT a FROM t WHERE b{}", " OR b".repeat(900)),
        format!("SELECT a FROM t WHERE {}b", "NOT ".repeat(80)),
        format!("SELECT {}a{} FROM t", "abs(".repeat(30), ")".repeat(30)),
        format!("SELECT {}a{} FROM t", "(".repeat(30), ")".repeat(30)),
        format!("SELECT a{} FROM t", "::int8::int4".repeat(400)),
        format!("SELECT {}a{} FROM t", "CASE WHEN b THEN ".repeat(20), " END".repeat(20)),
        format!("EXPLAIN SELECT a{} FROM t", "+a".repeat(900)),
        format!("SELECT count(*) FROM t GROUP BY a{0} HAVING sum(a{0}) > 0", "+a".repeat(450)),
        format!("SELECT a FROM t WHERE a IN ({}1)", "7,".repeat(20_000)),
    ]);
    let ends = ["OK SELECT 1", "OK INSERT 0 1", "OK EXPLAIN"];
    assert!(answers.iter().all(|answer| ends.contains(&answer.as_str())), "{answers:?}");
}

#[test]
fn what_is_too_deep_is_refused() {
    let answers = last_words(vec![
        format!("SELECT 1{}", "+1".repeat(100_000)),
        format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("SELECT {}true", "NOT ".repeat(100_000)),
        format!("COPY (SELECT {}1{}) TO STDOUT", "(".repeat(10_000), ")".repeat(10_000)),
    ]);
    assert!(answers.iter().all(|answer| answer.starts_with("ERROR 54001 ")), "{answers:?}");
}

#[test]
fn a_tower_of_views_ends_before_the_stack_does() {
    let view = |n: usize| format!("CREATE VIEW v{n} AS SELECT a FROM v{}", n - 1);
    let first = "CREATE TABLE t (a int); CREATE VIEW v0 AS SELECT a FROM t".to_owned();
    let mut lines = vec![first];
    lines.extend((1..200).map(view));
    lines.push("SELECT a FROM v63".to_owned());
    let answers = last_words(lines);
    let made = answers.iter().take_while(|answer| *answer == "OK CREATE VIEW").count();
    assert_eq!(made, 65);
    assert!(answers[made].starts_with("ERROR 54001 "), "{}", answers[made]);
    assert_eq!(answers.last().expect("of the query"), "OK SELECT 0");
}

#[test]
fn rows_held_in_memory_are_bounded() {
    let rows = "FROM generate_series(1, 1000000) g";
    let answers = last_words(vec![
        "SET work_mem = '64kB'".to_owned(),
        format!("SELECT g {rows} ORDER BY g DESC"),
        format!("SELECT DISTINCT g {rows}"),
        format!("SELECT g, count(*) {rows} GROUP BY g"),
        format!("SELECT count(DISTINCT g) {rows}"),
        format!("SELECT g {rows} ORDER BY g DESC LIMIT 3"),
        format!("SELECT g % 10, count(*) {rows} GROUP BY 1"),
    ]);
    let refused = answers[1..5].iter().all(|answer| answer.starts_with("ERROR 53200 "));
    assert!(refused, "{answers:?}");
    assert_eq!(answers[5..], ["OK SELECT 3", "OK SELECT 10"]);
}

#[test]
fn huge_values_end_soon() {
    let start = Instant::now();
    let answers = last_words(vec![
        "SELECT 1e131071 * 1e131071".to_owned(),
        "SELECT power(1.0000001, 1e9)".to_owned(),
        "SELECT power(9.9, 2000000000)".to_owned(),
        "SELECT 1e131071::numeric / 3".to_owned(),
        "SELECT repeat(repeat('x', 1000000), 100000)".to_owned(),
        "SELECT lpad('x', 2147483647, 'y')".to_owned(),
        "SELECT replace(repeat('a', 100000), 'a', repeat('b', 100000))".to_owned(),
        "SELECT repeat('a', 20000) LIKE repeat('%a', 500) || 'b'".to_owned(),
        "SELECT 1e999999999".to_owned(),
        "SELECT to_timestamp(1e300), '99999999-01-01'::date".to_owned(),
    ]);
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    assert!(
        answers.iter().all(|a| a.starts_with("ERROR 2")
            || a.starts_with("ERROR 54000")
            || a.starts_with("OK ")),
        "{answers:?}"
    );
}

#[test]
fn a_chain_of_a_thousand_views_is_an_error() {
    const COUNT: usize = 1000;
    let mut lines: Vec<String> =
        (0..=COUNT).map(|n| format!("CREATE VIEW v{n} AS SELECT 1 AS a")).collect();
    // Each is made to read the next while that reads nothing yet.
    lines.extend(
        (0..COUNT).map(|n| format!("CREATE OR REPLACE VIEW v{n} AS SELECT a FROM v{}", n + 1)),
    );
    lines.extend([
        format!("SELECT a FROM v{}", COUNT - 50),
        "SELECT a FROM v0".to_owned(),
        "CREATE VIEW w AS SELECT a FROM v0".to_owned(),
        "UPDATE v0 SET a = 1".to_owned(),
    ]);
    let mut answers = last_words(lines);
    let ends = answers.split_off(answers.len() - 4);
    let bad = answers.iter().find(|answer| *answer != "OK CREATE VIEW");
    assert_eq!(bad, None);
    assert_eq!(ends[0], "OK SELECT 1");
    assert!(ends[1..].iter().all(|end| end.starts_with("ERROR 54001 ")), "{ends:?}");
}

#[test]
fn views_upon_views_neither_overflow_the_stack_nor_grow_without_bound() {
    let mut lines = vec!["CREATE TABLE t (a bigint); INSERT INTO t VALUES (1), (2)".to_owned()];
    for (name, query) in [
        // Each twice as large as the one below, if it were put into it.
        ("grows", "SELECT a + a AS a FROM"),
        // Each a query of its own.
        ("stays", "SELECT a + 1 AS a FROM"),
    ] {
        let limit = if name == "stays" { " LIMIT 5" } else { "" };
        lines.push(format!("CREATE VIEW {name}1 AS {query} t{limit}"));
        let next = |n: usize| format!("CREATE VIEW {name}{n} AS {query} {name}{}{limit}", n - 1);
        lines.extend((2..=60).map(next));
    }
    let checks = [
        "SELECT 1 FROM grows60 WHERE a = 1152921504606846976 AND a > 0",
        "SELECT sum(a) / (count(*) - 1) FROM stays60 WHERE a = 61 HAVING count(*) > 1",
        "SELECT 1 FROM stays60 WHERE a = 61",
        "EXPLAIN SELECT a FROM stays60 WHERE a > 0",
    ];
    lines.extend(checks.map(str::to_owned));
    let mut answers = last_words(lines);
    let ends = answers.split_off(answers.len() - checks.len());
    assert!(answers.iter().all(|answer| answer.starts_with("OK ")), "{answers:?}");
    assert_eq!(ends, ["OK SELECT 1", "OK SELECT 0", "OK SELECT 1", "OK EXPLAIN"]);
}
