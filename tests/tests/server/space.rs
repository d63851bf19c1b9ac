//! Room that rows have left is used again, and a server with 16 buffers can do what one with many
//! can.

use tests::client::Client;
use tests::server::Server;
use tests::setup::Setup;

fn pages(server: &Server, client: &mut Client, table: &str) -> u64 {
    let query = format!("SELECT relfilenode FROM pg_class WHERE relname = '{table}'");
    let path = server.data().join("base").join(client.value(&query));
    path.metadata().expect("there").len() / 8192
}

#[test]
fn a_table_whose_rows_come_and_go_does_not_grow() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (a int, b text)");
    let rows: Vec<String> = (0..2000).map(|i| format!("{i}\t{}", "x".repeat(200))).collect();
    let mut sizes = Vec::new();
    for _ in 0..20 {
        client.copy_in("COPY t FROM STDIN", rows.iter().map(String::as_str)).expect("copied");
        client.ok("DELETE FROM t");
        sizes.push(pages(&server, &mut client, "t"));
    }
    assert!(sizes[19] <= sizes[0] * 3, "pages after each turn: {sizes:?}");
}

#[test]
fn a_table_whose_rows_change_in_place_does_not_grow() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (a int, n int)");
    let rows: Vec<String> = (0..100).map(|i| format!("{i}\t0")).collect();
    client.copy_in("COPY t FROM STDIN", rows.iter().map(String::as_str)).expect("copied");
    for _ in 0..300 {
        client.ok("UPDATE t SET n = n + 1");
    }
    assert_eq!(client.value("SELECT sum(n) FROM t"), "30000");
    let pages = pages(&server, &mut client, "t");
    assert!(pages <= 64, "30,000 updates of 100 rows took {pages} pages");
}

#[test]
fn single_inserts_fill_what_was_deleted() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (a int, b text)");
    let text = "x".repeat(400);
    let fill = |client: &mut Client| {
        for i in 0..500 {
            client.ok(&format!("INSERT INTO t VALUES ({i}, '{text}')"));
        }
    };
    fill(&mut client);
    let before = pages(&server, &mut client, "t");
    for _ in 0..4 {
        client.ok("DELETE FROM t WHERE a >= 250");
        client.ok("DELETE FROM t WHERE a < 250");
        fill(&mut client);
    }
    let after = pages(&server, &mut client, "t");
    assert!(after <= before * 2, "{before} pages became {after}");
}

#[test]
fn sixteen_buffers_are_enough_for_many_sessions() {
    let server =
        Setup::new().set("shared_buffers", "128kB").set("checkpoint_timeout", "1s").start();
    server.connect().ok("CREATE TABLE t (worker int, a int, b text)");
    let workers = 12;
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let server = &server;
            scope.spawn(move || {
                let mut client = server.connect();
                for i in 0..100 {
                    let text = "x".repeat(i * 10 % 700);
                    client.ok(&format!("INSERT INTO t VALUES ({worker}, {i}, '{text}')"));
                    if i % 10 == 9 {
                        let line = format!(
                            "UPDATE t SET a = a + 1000 WHERE worker = {worker} AND a < 1000"
                        );
                        assert_eq!(client.ok(&line).tags, ["UPDATE 10"]);
                    }
                }
            });
        }
    });
    let mut client = server.connect();
    assert_eq!(client.number("SELECT count(*) FROM t WHERE a >= 1000"), workers * 100);
    let written = client.rows("SELECT * FROM pg_stat_bgwriter");
    assert_eq!(written.len(), 1);
}
