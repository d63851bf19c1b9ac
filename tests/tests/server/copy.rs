//! A line with `COPY … FROM STDIN` is always followed by data, whatever happens, and no data line is
//! ever taken for a statement.

use tests::client::Client;
use tests::reply::{Reply, Status};
use tests::server::Server;
use tests::setup::Setup;

fn start() -> (Server, Client) {
    let server = Server::start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (a int, b text)");
    (server, client)
}

fn copy(client: &mut Client, line: &str, data: &[&str]) -> Reply {
    client.copy_in(line, data.iter().copied()).expect("answered")
}

fn sqlstate(reply: &Reply) -> &str {
    reply.error.as_ref().map_or("none", |e| e.sqlstate.as_str())
}

#[test]
fn data_go_in_and_come_out() {
    let (_server, mut client) = start();
    let data = ["1\tone", "2\t\\N", "3\ttab\\tin it", "4\t"];
    let reply = copy(&mut client, "COPY t FROM STDIN", &data);
    assert_eq!(reply.lines, ["COPYIN", "OK COPY 4", "READY idle"]);
    let reply = client.ok("COPY t TO STDOUT");
    let rows: Vec<String> = data.iter().map(|line| format!("ROW {line}")).collect();
    assert_eq!(reply.lines[..4], rows);
    assert_eq!(reply.lines[4..], ["OK COPY 4", "READY idle"]);
}

#[test]
fn the_columns_can_be_named() {
    let (_server, mut client) = start();
    assert_eq!(copy(&mut client, "COPY t (b) FROM STDIN", &["x"]).tags, ["COPY 1"]);
    assert_eq!(copy(&mut client, "COPY t (b, a) FROM STDIN", &["y\t2"]).tags, ["COPY 1"]);
    assert_eq!(client.copy_out("COPY t (b, a) TO STDOUT"), ["x\t\\N", "y\t2"]);
    assert_eq!(sqlstate(&copy(&mut client, "COPY t (c) FROM STDIN", &["x"])), "42703");
}

#[test]
fn csv_with_its_usual_options() {
    let (_server, mut client) = start();
    let data = ["a,b", "1,\"with, comma\"", "2,", "3,\"\"", "4,\"say \"\"hi\"\"\""];
    let line = "COPY t FROM STDIN WITH (FORMAT csv, HEADER true)";
    assert_eq!(copy(&mut client, line, &data).tags, ["COPY 4"]);
    let nulls = client.value("SELECT count(*) FROM t WHERE b IS NULL");
    assert_eq!(nulls, "1", "an empty field is NULL, a quoted empty one is not");
    let out = client.copy_out("COPY t TO STDOUT WITH (FORMAT csv)");
    assert_eq!(out, data[1..]);
    let out = client.copy_out("COPY t TO STDOUT WITH (FORMAT csv, DELIMITER ';', NULL 'nil')");
    assert_eq!(out, ["1;with, comma", "2;nil", "3;", "4;\"say \"\"hi\"\"\""]);
}

#[test]
fn data_are_read_though_the_table_is_not_there() {
    let (_server, mut client) = start();
    let reply = copy(&mut client, "COPY nowhere FROM STDIN", &["DROP TABLE t", "SELECT 1"]);
    assert_eq!(reply.lines[0], "COPYIN");
    assert_eq!(sqlstate(&reply), "42P01");
    assert_eq!(client.value("SELECT count(*) FROM t"), "0");
}

#[test]
fn data_are_read_though_an_earlier_statement_failed() {
    let (_server, mut client) = start();
    let reply = copy(&mut client, "SELECT 1 / 0; COPY t FROM STDIN", &["1\tx"]);
    assert_eq!((reply.copy_in, sqlstate(&reply)), (1, "22012"));
    assert_eq!(client.value("SELECT count(*) FROM t"), "0");
    // The other way round: a COPY that fails takes the rest of its line with it.
    let reply = copy(&mut client, "INSERT INTO t VALUES (1, 'x'); COPY t FROM STDIN", &["y\tx"]);
    assert_eq!(sqlstate(&reply), "22P02");
    assert_eq!(client.value("SELECT count(*) FROM t"), "0");
}

#[test]
fn data_are_read_though_the_transaction_is_aborted() {
    let (_server, mut client) = start();
    client.ok("BEGIN");
    client.fail("SELECT 1 / 0");
    let reply = copy(&mut client, "COPY t FROM STDIN", &["1\tx"]);
    assert_eq!((reply.copy_in, sqlstate(&reply)), (1, "25P02"));
    assert_eq!(reply.status(), Some(Status::Failed));
    client.ok("ROLLBACK");
}

#[test]
fn a_copy_that_is_not_the_last_statement_is_refused_and_its_data_are_not_executed() {
    let (server, mut witness) = start();
    for line in [
        "COPY t FROM STDIN; SELECT 1",
        "COPY t FROM STDIN; COPY t FROM STDIN",
        "COPY t FROM STDIN; INSERT INTO t VALUES (7, 'x')",
    ] {
        let mut client = server.connect();
        client.send_raw(format!("{line}\n1\tx\nDROP TABLE t\n\\.\n").as_bytes()).expect("sent");
        let reply = client.read_reply().expect("answered");
        assert!(reply.problem().is_some(), "{line}: {:?}", reply.lines);
        assert!(reply.status().is_none() || reply.copy_in == 1, "{line}: {:?}", reply.lines);
        assert_eq!(witness.value("SELECT count(*) FROM t"), "0", "{line}");
    }
}

#[test]
fn a_line_with_copy_and_stdin_that_is_no_sql_is_fatal() {
    let (server, _client) = start();
    for line in [
        "COPY t FROM STDIN WITH (",
        "copy t form stdin",
        "SELECT 'x; COPY t FROM STDIN",
        "COPY 1 FROM STDIN",
    ] {
        let mut client = server.connect();
        assert_eq!(client.fatal(line).sqlstate, "42601", "{line}");
    }
    // Without both words it is an error as any other.
    let mut client = server.connect();
    assert_eq!(client.fail("COPY t FORM nowhere").sqlstate, "42601");
}

#[test]
fn a_wrong_number_of_columns_is_named_with_its_line() {
    let (_server, mut client) = start();
    for (data, line) in
        [(["1\tx", "2", "3\ty"], "line 2"), (["1\tx", "2\ty", "3\tz\tzz"], "line 3")]
    {
        let reply = copy(&mut client, "COPY t FROM STDIN", &data);
        let error = reply.error.clone().expect("it fails");
        assert_eq!(error.sqlstate, "22P04", "{data:?}");
        assert!(error.to_string().contains(line), "{error}");
        assert_eq!(client.value("SELECT count(*) FROM t"), "0");
    }
}

#[test]
fn a_value_that_does_not_fit_is_named_with_its_line() {
    let (_server, mut client) = start();
    client.ok("CREATE TABLE n (a smallint NOT NULL, b varchar(3), c date)");
    for (data, code) in [
        ("x\ta\t2020-01-01", "22P02"),
        ("40000\ta\t2020-01-01", "22003"),
        ("1\tlonger\t2020-01-01", "22001"),
        ("1\ta\t2020-02-30", "22008"),
        ("1\ta\tnonsense", "22007"),
        ("\\N\ta\t2020-01-01", "23502"),
    ] {
        let reply = copy(&mut client, "COPY n FROM STDIN", &["1\tok\t2020-01-01", data]);
        let error = reply.error.clone().expect("it fails");
        assert_eq!(error.sqlstate, code, "{data}");
        assert!(error.to_string().contains("line 2"), "{data}: {error}");
    }
    assert_eq!(client.value("SELECT count(*) FROM n"), "0");
}

#[test]
fn bytes_that_are_no_text_fail_the_copy_and_not_the_session() {
    let (_server, mut client) = start();
    for bad in [&b"1\t\xff\n"[..], b"1\ta\0b\n"] {
        client.send("COPY t FROM STDIN").expect("sent");
        client.send_raw(b"1\tgood\n").expect("sent");
        client.send_raw(bad).expect("sent");
        client.send_raw(b"DROP TABLE t\n\\.\n").expect("sent");
        let reply = client.read_reply().expect("answered");
        assert_eq!(sqlstate(&reply), "22021", "{bad:?}");
        assert_eq!(client.value("SELECT count(*) FROM t"), "0");
    }
}

#[test]
fn a_data_line_that_is_too_long_fails_the_copy_and_not_the_session() {
    let server = Setup::new().set("max_line_size", "4kB").start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (a int, b text)");
    let long = format!("1\t{}", "x".repeat(20_000));
    let reply = copy(&mut client, "COPY t FROM STDIN", &["1\tx", &long, "2\ty"]);
    assert_eq!(sqlstate(&reply), "54000");
    assert_eq!(client.value("SELECT count(*) FROM t"), "0");
}

#[test]
fn the_data_may_be_sent_with_the_request_and_more_behind_it() {
    let (_server, mut client) = start();
    let text = "COPY t FROM STDIN\n1\tx\n\\.\nSELECT count(*) AS n FROM t\n";
    client.send_raw(text.as_bytes()).expect("sent");
    assert_eq!(client.read_reply().expect("first").tags, ["COPY 1"]);
    assert_eq!(client.read_reply().expect("second").lines[1], "ROW 1");
}

#[test]
fn no_data_is_a_copy_of_nothing() {
    let (_server, mut client) = start();
    assert_eq!(copy(&mut client, "COPY t FROM STDIN", &[]).tags, ["COPY 0"]);
}

#[test]
fn a_client_that_goes_away_in_mid_copy_leaves_nothing() {
    let (server, mut witness) = start();
    for end in [&b"1\tx\n2\ty\n"[..], b"1\tx\n2\ty", b"1\tx\n\\."] {
        let mut client = server.connect();
        client.send("COPY t FROM STDIN").expect("sent");
        client.send_raw(end).expect("sent");
        client.finish_sending().expect("closed");
        while matches!(client.read_line(), Ok(Some(_))) {}
        assert_eq!(witness.value("SELECT count(*) FROM t"), "0", "{end:?}");
    }
    // And no lock.
    witness.ok("DROP TABLE t");
}

#[test]
fn other_endings_of_copy_are_refused_by_name() {
    let (_server, mut client) = start();
    let error = client.fail("COPY t FROM '/etc/passwd'");
    assert_eq!(error.sqlstate, "0A000", "{error}");
    let error = client.fail("COPY t TO '/tmp/x'");
    assert_eq!(error.sqlstate, "0A000", "{error}");
}
