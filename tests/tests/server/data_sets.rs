//! Real data go in by COPY and come back identical, with plenty of shared buffers and with fewer
//! than the table has pages.

use tests::client::Client;
use tests::dataset::{UNICODE, UNICODE_COLUMNS, WORDS, lines};
use tests::server::Stop;
use tests::setup::Setup;
use tests::skip::skip;

/// Loads and compares as multisets: a table has no order.
fn round_trip(client: &mut Client, table: &str, options: &str, data: &[String]) {
    let reply = client
        .copy_in(&format!("COPY {table} FROM STDIN{options}"), data.iter().map(String::as_str))
        .expect("answered");
    assert_eq!(reply.tags, [format!("COPY {}", data.len())], "{:?}", reply.error);
    compare(client, table, options, data);
}

fn compare(client: &mut Client, table: &str, options: &str, data: &[String]) {
    let mut out = client.copy_out(&format!("COPY {table} TO STDOUT{options}"));
    let mut expected = data.to_vec();
    out.sort_unstable();
    expected.sort_unstable();
    assert_eq!(out.len(), expected.len(), "{table}");
    let differ = out.iter().zip(&expected).find(|(a, b)| a != b);
    assert_eq!(differ, None, "{table}");
}

fn real_data(test: &str, shared_buffers: &str) {
    let Some(unicode) = lines(UNICODE) else {
        return skip(test, "the package unicode-data is not installed (scripts/test-data.sh)");
    };
    let Some(words) = WORDS.iter().map(|path| lines(path)).collect::<Option<Vec<_>>>() else {
        return skip(test, "wamerican or wbritish is not installed (scripts/test-data.sh)");
    };
    let rows = unicode.len() + words.iter().map(Vec::len).sum::<usize>();
    assert!(rows >= 100_000, "only {rows} rows");
    let mut server = Setup::new().set("shared_buffers", shared_buffers).start();
    let mut client = server.connect();
    client.ok(&format!("CREATE TABLE character ({UNICODE_COLUMNS})"));
    round_trip(&mut client, "character", " WITH (FORMAT csv, DELIMITER ';')", &unicode);
    client.ok("CREATE TABLE word (word text NOT NULL)");
    round_trip(&mut client, "word", "", &words[0]);
    let second = client.copy_in("COPY word FROM STDIN", words[1].iter().map(String::as_str));
    assert_eq!(second.expect("answered").tags, [format!("COPY {}", words[1].len())]);
    let all_words: Vec<String> = words.concat();
    compare(&mut client, "word", "", &all_words);
    let letters = client.number("SELECT count(*) FROM character WHERE general_category = 'Lu'");
    let expected = unicode.iter().filter(|line| line.split(';').nth(2) == Some("Lu")).count();
    assert_eq!(letters, expected as i64);
    // And it is still there after a restart.
    drop(client);
    server.stop(Stop::Fast);
    server.start_again();
    let mut client = server.connect();
    compare(&mut client, "character", " WITH (FORMAT csv, DELIMITER ';')", &unicode);
    compare(&mut client, "word", "", &all_words);
}

#[test]
fn real_data_come_back_identical() {
    real_data("real_data_come_back_identical", "128MB");
}

#[test]
fn real_data_come_back_identical_from_a_table_larger_than_the_buffers() {
    real_data("real_data_come_back_identical_from_a_table_larger_than_the_buffers", "128kB");
}

#[test]
fn many_made_up_rows_come_back_identical_through_16_buffers() {
    // Needs nothing installed: rows of every length, with every escape.
    let server = Setup::new().set("shared_buffers", "128kB").start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (id int NOT NULL, a text, b bytea, c double precision, d date)");
    let row = |i: u32| {
        let text = "wörd\\t\\\\ ".repeat((i % 97) as usize);
        let day = 1 + i % 28;
        format!("{i}\t{text}\t\\\\x{i:08x}\t{}\t20{:02}-02-{day:02}", f64::from(i) / 8.0, i % 100)
    };
    let data: Vec<String> = (0..40_000).map(row).collect();
    round_trip(&mut client, "t", "", &data);
    assert_eq!(client.value("SELECT count(*) FROM t WHERE b IS NULL OR c < 0"), "0");
}
