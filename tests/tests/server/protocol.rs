//! The line protocol is what its page says, to the byte.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use tests::binary;
use tests::reply::Status;
use tests::server::Server;
use tests::setup::{Setup, run_to_end};
use tests::skip::{have, skip};

/// The example of the protocol page.
const EXAMPLE: &str = "\
> CREATE TABLE account (id int NOT NULL, owner text NOT NULL, balance bigint)
< OK CREATE TABLE
< READY idle
> INSERT INTO account VALUES (1, 'ann', 100), (2, 'bob', 250)
< OK INSERT 0 2
< READY idle
> UPDATE account SET balance = balance - 30 WHERE id = 2; UPDATE account SET balance = balance + 30 WHERE id = 1
< OK UPDATE 1
< OK UPDATE 1
< READY idle
> SELECT * FROM account ORDER BY id
< COLUMNS id int4\towner text\tbalance int8
< ROW 1\tann\t130
< ROW 2\tbob\t220
< OK SELECT 2
< READY idle
> SELECT nope FROM account
< ERROR 42703 column \"nope\" does not exist\tposition=8
< READY idle
> BEGIN
< OK BEGIN
< READY transaction
> CHECKPOINT
< OK CHECKPOINT
< READY transaction
";

fn lines_with(mark: &str) -> String {
    let lines = EXAMPLE.lines().filter_map(|line| line.strip_prefix(mark));
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn the_example_is_that_of_the_protocol_page() {
    let page = std::fs::read_to_string(binary::workspace().join("docs/line-protocol.md"));
    let page = page.expect("the protocol page is part of the book");
    assert!(page.contains(EXAMPLE.trim_end()), "the page shows another example");
}

#[test]
fn the_example_session_runs_byte_for_byte() {
    let server = Server::start();
    let mut client = server.connect();
    for line in EXAMPLE.lines() {
        match line.split_at(2) {
            ("> ", request) => client.send(request).expect("sent"),
            (_, expected) => {
                let got = client.read_line().expect("read");
                assert_eq!(got.as_deref(), Some(expected));
            }
        }
    }
}

#[test]
fn the_example_session_sent_at_once_is_answered_the_same() {
    let server = Server::start();
    let mut client = server.connect_unix();
    client.send_raw(lines_with("> ").as_bytes()).expect("sent");
    for expected in lines_with("< ").lines() {
        assert_eq!(client.read_line().expect("read").as_deref(), Some(expected));
    }
}

/// Feeds the example to a program that connects standard input and output to the server.
fn example_through(mut program: Command) -> String {
    let mut child = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{program:?}: {e}"));
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = lines_with("> ") + "QUIT\n";
    stdin.write_all(input.as_bytes()).expect("written");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends when the server closes");
    String::from_utf8(output.stdout).expect("it is text")
}

#[test]
fn the_example_session_runs_over_nc() {
    let (nc, why) = ("nc", "nc is not installed; the same went through our own copy loop");
    let server = Server::start();
    let port = server.port().to_string();
    let mut program = if have(nc) {
        let mut limited = Command::new("timeout");
        limited.args(["30", nc, "127.0.0.1", &port]);
        limited
    } else {
        skip("the_example_session_runs_over_nc", why);
        Command::new(binary::line())
    };
    if !have(nc) {
        program.arg(&port);
    }
    let got = example_through(program);
    let rest = got.strip_prefix(&lines_with("< "));
    assert!(rest.is_some_and(str::is_empty), "{got}");
}

#[test]
fn a_carriage_return_before_the_line_feed_is_dropped() {
    let server = Server::start();
    let mut client = server.connect();
    client.send_raw(b"SELECT 'a' AS x\r\n").expect("sent");
    let reply = client.read_reply().expect("answered");
    assert_eq!(reply.lines, ["COLUMNS x text", "ROW a", "OK SELECT 1", "READY idle"]);
}

#[test]
fn an_empty_line_is_a_ping() {
    let server = Server::start();
    let mut client = server.connect();
    for line in ["", ";", " ; ; ", "-- nothing", "/* nothing */ ;"] {
        assert_eq!(client.ok(line).lines, ["READY idle"], "{line:?}");
    }
}

#[test]
fn a_line_that_is_too_long_is_discarded_and_the_session_goes_on() {
    let server = Setup::new().set("max_line_size", "4kB").start();
    let mut client = server.connect();
    let fits = format!("SELECT length('{}') AS n", "x".repeat(4000));
    assert_eq!(client.value(&fits), "4000");
    let long = format!("SELECT '{}'", "x".repeat(100_000));
    assert_eq!(client.fail(&long).sqlstate, "54000");
    assert_eq!(client.value("SELECT 1 AS one"), "1");
    client.ok("BEGIN");
    assert_eq!(client.fail(&long).sqlstate, "54000");
    assert_eq!(client.ok("ROLLBACK").status(), Some(Status::Idle));
}

#[test]
fn a_line_of_the_default_limit_is_taken() {
    let server = Server::start();
    let mut client = server.connect();
    let fits = format!("SELECT length('{}') AS n", "x".repeat(1_000_000));
    assert_eq!(client.value(&fits), "1000000");
    let long = format!("SELECT length('{}') AS n", "x".repeat(1 << 20));
    assert_eq!(client.fail(&long).sqlstate, "54000");
    assert_eq!(client.value("SELECT 1 AS one"), "1");
}

#[test]
fn what_is_not_utf8_or_holds_a_nul_is_refused() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok("");
    for bytes in
        [&b"SELECT '\xff'\n"[..], b"SELECT '\xc3'\n", b"SELECT '\xed\xa0\x80'\n", b"SELECT \0 1\n"]
    {
        client.send_raw(bytes).expect("sent");
        let reply = client.read_reply().expect("answered");
        assert_eq!(reply.error.map(|e| e.sqlstate).as_deref(), Some("22021"), "{bytes:?}");
    }
    assert_eq!(client.value("SELECT 'ä' AS x"), "ä");
}

#[test]
fn quit_and_end_of_file_end_the_session_and_roll_back() {
    let server = Server::start();
    let mut witness = server.connect();
    witness.ok("CREATE TABLE t (a int)");
    for how in ["QUIT", "quit", "end of file"] {
        let mut client = server.connect();
        client.ok("BEGIN; INSERT INTO t VALUES (1)");
        match how {
            "end of file" => client.finish_sending().expect("closed"),
            word => client.send(word).expect("sent"),
        }
        assert!(client.at_end(), "{how}: the server closes the connection");
        assert_eq!(witness.value("SELECT count(*) FROM t"), "0", "{how}");
    }
    // No lock is left behind either.
    witness.ok("DROP TABLE t");
}

#[test]
fn a_web_page_cannot_speak_sql() {
    let server = Server::start();
    for line in [
        "GET / HTTP/1.1",
        "POST /x HTTP/1.1",
        "PUT /x HTTP/1.1",
        "HEAD / HTTP/1.1",
        "DELETE /x HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "PATCH /x HTTP/1.1",
        "CONNECT x:1 HTTP/1.1",
        "TRACE / HTTP/1.1",
        "Host: localhost",
    ] {
        let mut client = server.connect();
        assert_eq!(client.fatal(line).sqlstate, "08P01", "{line}");
        let mut client = server.connect();
        client.ok("SELECT 1");
        assert_eq!(client.fatal(line).sqlstate, "08P01", "{line}, later");
    }
    // The statement that begins with the same word is not meant.
    let mut client = server.connect();
    client.ok("CREATE TABLE t (a int)");
    client.ok("DELETE FROM t");
}

#[test]
fn what_stands_behind_an_http_line_is_not_executed() {
    let server = Server::start();
    let mut client = server.connect();
    client.send_raw(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nCREATE TABLE t (a int)\n").expect("sent");
    let reply = client.read_reply().expect("answered");
    assert_eq!(reply.problem().map(|p| p.sqlstate.as_str()), Some("08P01"));
    assert!(client.at_end());
    assert_eq!(server.connect().fail("SELECT * FROM t").sqlstate, "42P01");
}

#[test]
fn one_line_is_one_transaction() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (a int)");
    let error = client.fail("INSERT INTO t VALUES (1); INSERT INTO t VALUES (1 / 0); SELECT 3");
    assert_eq!(error.sqlstate, "22012");
    assert_eq!(client.value("SELECT count(*) FROM t"), "0");
    let reply = client.ask("INSERT INTO t VALUES (1); SELECT 1 / 0; SELECT 3").expect("answered");
    assert_eq!(reply.tags, ["INSERT 0 1"], "after an error the rest is skipped");
    assert_eq!(client.value("SELECT count(*) FROM t"), "0");
    client.ok("INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)");
    assert_eq!(client.value("SELECT count(*) FROM t"), "2");
}

#[test]
fn begin_and_commit_inside_a_line_are_those_of_simple_queries() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (a int)");
    // A COMMIT ends what came before it; the rest is a transaction of its own.
    let reply =
        client.ask("INSERT INTO t VALUES (1); COMMIT; INSERT INTO t VALUES (2); SELECT 1/0");
    assert_eq!(reply.expect("answered").status(), Some(Status::Idle));
    assert_eq!(client.rows("SELECT a FROM t"), [[Some("1".to_owned())]]);
    // A BEGIN takes in what came before it in the line, and lasts beyond the line.
    let reply = client.ok("INSERT INTO t VALUES (3); BEGIN; INSERT INTO t VALUES (4)");
    assert_eq!(reply.status(), Some(Status::Transaction));
    client.ok("ROLLBACK");
    assert_eq!(client.rows("SELECT a FROM t"), [[Some("1".to_owned())]]);
    // An error inside BEGIN leaves a failed transaction.
    let reply = client.ask("BEGIN; INSERT INTO t VALUES (5); SELECT 1/0; COMMIT");
    assert_eq!(reply.expect("answered").status(), Some(Status::Failed));
    assert_eq!(client.fail("SELECT 1").sqlstate, "25P02");
    assert_eq!(client.ok("COMMIT").tags, ["ROLLBACK"]);
}

#[test]
fn transaction_commands_at_the_wrong_time_are_pointed_out() {
    let server = Server::start();
    let mut client = server.connect();
    for (line, sqlstate) in [("COMMIT", "25P01"), ("ROLLBACK", "25P01")] {
        let reply = client.ok(line);
        assert_eq!(reply.notices.len(), 1, "{line}: {:?}", reply.lines);
        assert_eq!(reply.notices[0].sqlstate, sqlstate, "{line}");
    }
    client.ok("BEGIN");
    let reply = client.ok("BEGIN");
    assert_eq!(reply.notices.first().map(|n| n.sqlstate.as_str()), Some("25001"));
}

#[test]
fn requests_may_be_pipelined_and_are_answered_in_order() {
    let server = Server::start();
    let mut client = server.connect();
    let lines: String = (0..5000).map(|i| format!("SELECT {i} AS i\n")).collect();
    client.send_raw(lines.as_bytes()).expect("sent");
    for i in 0..5000 {
        let reply = client.read_reply().expect("answered");
        assert_eq!(reply.lines[1], format!("ROW {i}"));
    }
}

#[test]
fn a_line_may_come_in_pieces() {
    let server = Server::start();
    let mut client = server.connect();
    for piece in ["SEL", "ECT 1", " AS x", "\nSELECT 2 AS", " y\nSE"] {
        client.send_raw(piece.as_bytes()).expect("sent");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(client.read_reply().expect("first").lines[0], "COLUMNS x int4");
    assert_eq!(client.read_reply().expect("second").lines[0], "COLUMNS y int4");
    client.send_raw(b"LECT 3 AS z\n").expect("sent");
    assert_eq!(client.read_reply().expect("third").lines[0], "COLUMNS z int4");
}

#[test]
fn help_is_not_sql_and_gets_one_ready_as_anything_else() {
    let server = Server::start();
    let mut client = server.connect();
    let reply = client.ok("HELP");
    assert!(reply.lines.len() > 1, "{:?}", reply.lines);
    assert_eq!(reply.status(), Some(Status::Idle));
    for view in ["pg_stat_activity", "pg_locks", "pg_stat_progress_checkpoint", "pg_settings"] {
        assert!(reply.lines.iter().any(|line| line.contains(view)), "{view}: {:?}", reply.lines);
    }
    assert_eq!(client.value("SELECT 1 AS one"), "1");
}

#[test]
fn values_are_escaped() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (a text, b text)");
    let data = ["tab\\tnewline\\ncr\\rbackslash\\\\\t\\N", "\\\\N\t"];
    assert_eq!(client.copy_in("COPY t FROM STDIN", data).expect("copied").tags, ["COPY 2"]);
    let reply = client.ok("SELECT a, b FROM t");
    let expected = ["ROW tab\\tnewline\\ncr\\rbackslash\\\\\t\\N", "ROW \\\\N\t"];
    assert_eq!(reply.lines[1..3], expected);
    // Names of columns too, and messages.
    let reply = client.ok("SELECT 1 AS \"a\tb\"");
    assert_eq!(reply.lines[0], "COLUMNS a\\tb int4");
    assert_eq!(client.fail("SELECT \"a\tb\" FROM t").sqlstate, "42703");
}

#[test]
fn the_types_of_columns_are_postgresqls_internal_names() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok(
        "CREATE TABLE t (a boolean, b smallint, c integer, d bigint, e real, f double precision, \
         g text, h varchar(3), i char(3), j bytea, k date, l timestamp, m timestamptz)",
    );
    let reply = client.ok("SELECT * FROM t");
    let types: Vec<&str> = reply.sets[0].columns.iter().map(|c| c.ty.as_str()).collect();
    let expected = [
        "bool",
        "int2",
        "int4",
        "int8",
        "float4",
        "float8",
        "text",
        "varchar",
        "bpchar",
        "bytea",
        "date",
        "timestamp",
        "timestamptz",
    ];
    assert_eq!(types, expected);
}

#[test]
fn prepared_statements_are_executed_and_deallocated() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (a int, b text)");
    assert_eq!(
        client.ok("PREPARE put (int, text) AS INSERT INTO t VALUES ($1, $2)").tags,
        ["PREPARE"]
    );
    assert_eq!(client.ok("EXECUTE put (1, 'one')").tags, ["INSERT 0 1"]);
    client.ok("PREPARE get AS SELECT b FROM t WHERE a = $1");
    assert_eq!(client.value("EXECUTE get (1)"), "one");
    assert_eq!(client.fail("PREPARE get AS SELECT 1").sqlstate, "42P05");
    assert_eq!(client.fail("EXECUTE put (1, 2, 3)").sqlstate, "42601");
    assert_eq!(client.ok("DEALLOCATE get").tags, ["DEALLOCATE"]);
    assert_eq!(client.fail("EXECUTE get (1)").sqlstate, "26000");
    // The table may go away under the statement.
    client.ok("DROP TABLE t");
    assert_eq!(client.fail("EXECUTE put (1, 'x')").sqlstate, "42P01");
}

#[test]
fn one_port_tells_the_protocols_apart_by_the_first_byte() {
    let server = Server::start();
    // PostgreSQL's and TLS's first bytes get a refusal in no more than a moment, and cost nobody
    // anything, until those protocols are there.
    for first in [&b"\0\0\0\x08\x04\xd2\x16\x2f"[..], b"\x16\x03\x01\x00\x05hello"] {
        let mut client = server.connect();
        client.set_patience(Duration::from_secs(10)).expect("set");
        client.send_raw(first).expect("sent");
        client.finish_sending().expect("closed");
        let mut limit = 100;
        while limit > 0 && matches!(client.read_line(), Ok(Some(_))) {
            limit -= 1;
        }
        assert!(limit > 0, "it says something, and then closes");
    }
    assert_eq!(server.connect().value("SELECT 1 AS one"), "1");
}

#[test]
fn the_copy_loop_of_the_tests_is_sound() {
    // What stands in for nc must itself be able to fail.
    let nobody = run_to_end(Command::new(binary::line()).arg("/nowhere"), Duration::from_secs(10));
    assert!(!nobody.status.success());
}
