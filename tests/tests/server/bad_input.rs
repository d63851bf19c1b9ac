//! Bad input gets a clear error, costs no other session anything, and loses nothing.

use std::time::{Duration, Instant};

use tests::client::Client;
use tests::clock::wait_until;
use tests::server::{Server, Stop};
use tests::setup::Setup;

/// A server, a witness session with a row that must survive, and a session to misbehave in.
fn start() -> (Server, Client, Client) {
    let server = Server::start();
    let mut witness = server.connect();
    witness.ok("CREATE TABLE kept (a int); INSERT INTO kept VALUES (1)");
    let client = server.connect();
    (server, witness, client)
}

/// The witness's session is the same, and sees what it saw.
fn unharmed(server: &Server, witness: &mut Client) {
    assert_eq!(witness.value("SELECT count(*) FROM kept"), "1");
    server.check_log();
}

#[test]
fn values_that_do_not_fit_their_types() {
    let (server, mut witness, mut client) = start();
    client.ok(
        "CREATE TABLE t (a varchar(3), b char(3), c smallint, d int, e bigint, f boolean, g real)",
    );
    for (line, sqlstate) in [
        ("INSERT INTO t (a) VALUES ('abcd')", "22001"),
        ("INSERT INTO t (b) VALUES ('abcd')", "22001"),
        ("INSERT INTO t (c) VALUES (32768)", "22003"),
        ("INSERT INTO t (d) VALUES (2147483648)", "22003"),
        ("INSERT INTO t (e) VALUES (9223372036854775808)", "22003"),
        ("INSERT INTO t (g) VALUES (1e300)", "22003"),
        ("INSERT INTO t (d) VALUES ('abc')", "22P02"),
        ("INSERT INTO t (d) VALUES ('')", "22P02"),
        ("INSERT INTO t (f) VALUES ('maybe')", "22P02"),
        ("SELECT 2147483647 + 1", "22003"),
        ("SELECT 9223372036854775807 + 1", "22003"),
        ("SELECT (-2147483647 - 1) / -1", "22003"),
        ("SELECT 'x'::int", "22P02"),
        ("SELECT '2021-02-29'::date", "22008"),
        ("SELECT 'never'::timestamp", "22007"),
        ("SELECT '\\xzz'::bytea", "22023"),
        ("INSERT INTO t (f) VALUES (1.5)", "42804"),
    ] {
        assert_eq!(client.fail(line).sqlstate, sqlstate, "{line}");
    }
    // Blanks at the end are cut, as the standard says.
    client.ok("INSERT INTO t (a, b) VALUES ('abc   ', 'abc   ')");
    assert_eq!(client.value("SELECT count(*) FROM t"), "1");
    unharmed(&server, &mut witness);
}

#[test]
fn a_row_too_large_for_a_page() {
    let (server, mut witness, mut client) = start();
    client.ok("CREATE TABLE t (a text, b text)");
    let big = "x".repeat(9000);
    assert_eq!(client.fail(&format!("INSERT INTO t VALUES ('{big}')")).sqlstate, "54000");
    let half = "y".repeat(5000);
    let both = format!("INSERT INTO t VALUES ('{half}', '{half}')");
    assert_eq!(client.fail(&both).sqlstate, "54000");
    client.ok(&format!("INSERT INTO t VALUES ('{half}')"));
    let grown = format!("UPDATE t SET b = '{half}'");
    assert_eq!(client.fail(&grown).sqlstate, "54000");
    let reply =
        client.copy_in("COPY t FROM STDIN", [format!("{big}\tx").as_str()]).expect("answered");
    assert_eq!(reply.error.map(|e| e.sqlstate).as_deref(), Some("54000"));
    assert_eq!(client.rows("SELECT length(a), b FROM t"), [[Some("5000".to_owned()), None]]);
    unharmed(&server, &mut witness);
}

#[test]
fn mistakes_in_statements() {
    let (server, mut witness, mut client) = start();
    client.ok("CREATE TABLE t (a int NOT NULL, b text)");
    for (line, sqlstate) in [
        ("SELECT 1 / 0", "22012"),
        ("SELECT 1.0 / 0", "22012"),
        ("SELECT 1 % 0", "22012"),
        ("SELECT * FROM nowhere", "42P01"),
        ("INSERT INTO nowhere VALUES (1)", "42P01"),
        ("UPDATE nowhere SET a = 1", "42P01"),
        ("DELETE FROM nowhere", "42P01"),
        ("DROP TABLE nowhere", "42P01"),
        ("TRUNCATE nowhere", "42P01"),
        ("COPY nowhere TO STDOUT", "42P01"),
        ("SELECT nope FROM t", "42703"),
        ("INSERT INTO t (nope) VALUES (1)", "42703"),
        ("UPDATE t SET nope = 1", "42703"),
        ("CREATE TABLE t (a int)", "42P07"),
        ("CREATE TABLE u (a int, a int)", "42701"),
        ("CREATE TABLE u (a nonsense)", "42704"),
        ("INSERT INTO t VALUES (1, 'x', 3)", "42601"),
        ("INSERT INTO t (a, b) VALUES (1)", "42601"),
        ("INSERT INTO t VALUES (NULL, 'x')", "23502"),
        ("INSERT INTO t (b) VALUES ('x')", "23502"),
        ("UPDATE t SET a = 'x' || b", "42804"),
        ("SELECT a + b FROM t", "42883"),
        ("SELECT nofunction(1)", "42883"),
        ("SELECT a, count(*) FROM t", "42803"),
        ("SELECT a FROM t WHERE count(*) > 1", "42803"),
        ("SELECT a FROM t WHERE b", "42804"),
        ("SELECT a FROM t LIMIT -1", "2201W"),
        ("SELECT a FROM t OFFSET -1", "2201X"),
        ("SELEC 1", "42601"),
        ("SELECT 'unfinished", "42601"),
        ("SELECT (1", "42601"),
        ("SET nonsense = 1", "42704"),
        ("SET shared_buffers = '1GB'", "55P02"),
        ("SET synchronous_commit = maybe", "22023"),
        ("SHOW nonsense", "42704"),
        ("EXECUTE nothing", "26000"),
        ("DROP TABLE pg_class", "42501"),
    ] {
        assert_eq!(client.fail(line).sqlstate, sqlstate, "{line}");
    }
    // An error that knows where it is says so, in characters.
    assert_eq!(client.fail("SELECT 'ä', nope FROM t").position, Some(13));
    unharmed(&server, &mut witness);
}

#[test]
fn what_is_not_there_yet_is_named_and_never_ignored() {
    let (server, mut witness, mut client) = start();
    client.ok("CREATE TABLE t (a int, b text); CREATE TABLE u (a int)");
    let mut wrong = Vec::new();
    for (line, word) in [
        ("SELECT * FROM t JOIN u ON t.a = u.a", "join"),
        ("SELECT * FROM t, u", ""),
        ("SELECT (SELECT 1)", ""),
        ("WITH x AS (SELECT 1) SELECT * FROM x", "with"),
        ("SELECT 1 UNION SELECT 2", "union"),
        ("CREATE TEMPORARY TABLE v (a int)", "temp"),
        ("CREATE TABLE v (a numeric)", "numeric"),
        ("CREATE TABLE v (a int[])", ""),
        ("CREATE MATERIALIZED VIEW v AS SELECT 1", "materialized view"),
        ("UPDATE t SET a = 1 FROM u", "from"),
        ("DELETE FROM t USING u", "using"),
        ("SELECT a, sum(a) OVER () FROM t", ""),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE", "serializable"),
        ("GRANT SELECT ON t TO ann", "grant"),
        ("LISTEN x", "listen"),
        ("DECLARE c CURSOR FOR SELECT 1", ""),
    ] {
        let reply = client.ask(line).expect("answered");
        match &reply.error {
            None => wrong.push(format!("{line}: {:?}", reply.lines)),
            Some(error) if error.sqlstate != "0A000" => wrong.push(format!("{line}: {error}")),
            Some(error) if !error.message.to_lowercase().contains(word) => {
                wrong.push(format!("{line}: {error} does not name {word:?}"));
            }
            Some(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    unharmed(&server, &mut witness);
}

#[test]
fn expressions_of_any_size_and_depth_cost_only_their_own_session() {
    let (server, mut witness, mut client) = start();
    client.ok("CREATE TABLE t (a int)");
    let many = |one: &str, count: usize| one.repeat(count);
    for line in [
        format!("SELECT {}1{}", many("(", 100_000), many(")", 100_000)),
        format!("SELECT {}", many("(", 400_000)),
        format!("SELECT 1{}", many(" + 1", 200_000)),
        format!("SELECT a FROM t WHERE a = 1{}", many(" OR a = 1", 90_000)),
        format!("SELECT {} true", many("NOT ", 200_000)),
        format!("SELECT {}1", many("- ", 400_000)),
        format!("SELECT 'x'{}", many(" || 'x'", 100_000)),
        format!("SELECT 1 IN (1{})", many(", 1", 300_000)),
        format!("SELECT {}1{}", many("abs(", 100_000), many(")", 100_000)),
        format!("SELECT 1{}", many("::int", 150_000)),
        format!("SELECT {}1{}", many("CASE WHEN true THEN ", 20_000), many(" END", 20_000)),
        format!("SELECT 1{}", many(";SELECT 1", 50_000)),
        format!("SELECT {}1{}", many("(SELECT ", 50_000), many(")", 50_000)),
        format!("SELECT {}", many("1,", 300_000)),
        format!("INSERT INTO t VALUES (1){}", many(",(1)", 100_000)),
        format!(
            "CREATE TABLE wide (a int{})",
            (0..60_000).fold(String::new(), |s, i| s + &format!(",c{i} int"))
        ),
        many("/*", 400_000),
        format!("SELECT $1{}", "0".repeat(100_000)),
    ] {
        let head: String = line.chars().take(40).collect();
        let began = Instant::now();
        let reply = client.ask(&line).unwrap_or_else(|e| panic!("{head}: {e}"));
        assert!(reply.status().is_some(), "{head}: {:?}", reply.problem());
        assert!(began.elapsed() < Duration::from_secs(30), "{head}: {:?}", began.elapsed());
    }
    unharmed(&server, &mut witness);
}

#[test]
fn clients_that_go_away_at_a_bad_moment() {
    let (server, mut witness, _) = start();
    for last in
        ["SELECT 1", "INSERT INTO kept VALUES (2)", "BEGIN; INSERT INTO kept VALUES (2)\nSELEC"]
    {
        let mut client = server.connect();
        client.send_raw(last.as_bytes()).expect("sent");
        drop(client);
    }
    // In mid-transaction, with a lock.
    let mut client = server.connect();
    client.ok("BEGIN; UPDATE kept SET a = 2");
    drop(client);
    witness.ok("UPDATE kept SET a = 1");
    // While its statement runs, with nobody left to read the result.
    let mut client = server.connect();
    client.ok("CREATE TABLE big (a int, b text)");
    let row = format!("1\t{}", "x".repeat(500));
    let rows = std::iter::repeat_n(row.as_str(), 20_000);
    client.copy_in("COPY big FROM STDIN", rows).expect("copied");
    for _ in 0..20 {
        let mut client = server.connect();
        client.send("SELECT * FROM big; INSERT INTO kept VALUES (2)").expect("sent");
    }
    wait_until("their backends end", Duration::from_secs(20), || {
        tests::processes::of_kind(server.pid(), "backend").len() <= 3
    });
    unharmed(&server, &mut witness);
}

#[test]
fn a_client_that_never_reads_its_replies() {
    let (mut server, mut witness, mut client) = start();
    client.ok("CREATE TABLE big (a int, b text)");
    let row = format!("1\t{}", "x".repeat(1000));
    let rows = std::iter::repeat_n(row.as_str(), 10_000);
    client.copy_in("COPY big FROM STDIN", rows).expect("copied");
    let mut deaf: Vec<Client> = (0..3).map(|_| server.connect()).collect();
    for client in &mut deaf {
        client.set_patience(Duration::from_millis(300)).expect("set");
        // Requests until nothing more goes in: both directions are full.
        while client.send("SELECT * FROM big").is_ok() {}
    }
    assert_eq!(witness.value("SELECT count(*) FROM big"), "10000");
    witness.ok("INSERT INTO big VALUES (1, 'x')");
    unharmed(&server, &mut witness);
    // They cannot keep the server from stopping.
    let began = Instant::now();
    assert!(server.stop(Stop::Fast).success());
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[test]
fn as_many_statements_as_a_line_can_hold_and_as_many_sessions_as_are_allowed() {
    let server = Setup::new().set("max_connections", "20").start();
    let mut clients: Vec<Client> = (0..20).map(|_| server.connect_patiently()).collect();
    for client in &mut clients {
        assert_eq!(client.value("SELECT 1 AS one"), "1");
    }
    let mut late = server.connect();
    let reply = late.ask("").expect("answered, not left hanging");
    assert_eq!(reply.problem().map(|p| p.sqlstate.as_str()), Some("53300"));
    assert!(late.at_end());
    clients.pop();
    wait_until("there is room again", Duration::from_secs(10), || server.try_connect().is_ok());
    for client in &mut clients {
        assert_eq!(client.value("SELECT 1 AS one"), "1");
    }
}
