//! An index-only scan shows what a scan of the table shows, in every snapshot, while writers and
//! vacuum are at work: the visibility map never promises too much.

use std::time::{Duration, Instant};

use tests::client::Client;
use tests::draw::Draw;
use tests::server::Server;
use tests::setup::Setup;

const SEED: u64 = 41;
const ROWS: i64 = 1500;
const TIME: Duration = Duration::from_secs(6);

/// A server with a table of some pages that everybody sees all of.
fn server() -> Server {
    let server = Setup::new().set("autovacuum", "false").start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (id int PRIMARY KEY, n int, pad text)");
    client.ok(&format!(
        "INSERT INTO t SELECT i, i % 50, repeat('x', 100) FROM generate_series(1, {ROWS}) i"
    ));
    client.ok("CREATE INDEX t_n ON t (n, id)");
    client.ok("VACUUM ANALYZE t");
    server
}

/// One change: rows go and come, so that line pointers are freed and used again; keys change; rows
/// change beside their keys, in place of their page.
fn write(client: &mut Client, draw: &mut Draw) {
    let id = draw.between(1, ROWS);
    let change = match draw.below(10) {
        0..4 => format!("DELETE FROM t WHERE id = {id}"),
        4..7 => format!("INSERT INTO t VALUES ({id}, {}, 'new') ON CONFLICT DO NOTHING", id % 7),
        7..9 => format!("UPDATE t SET n = {} WHERE id = {id}", draw.below(50)),
        _ => format!("UPDATE t SET pad = 'u' WHERE id = {id}"),
    };
    let end = if draw.percent(20) { "ROLLBACK" } else { "COMMIT" };
    client.ok(&format!("BEGIN; {change}; {end}"));
}

/// Everything that two indexes and the table say, by index-only scans and by a scan of the table.
struct Ways<'c>(&'c mut Client);

impl Ways<'_> {
    fn by_index(&mut self, query: &str) -> Vec<Vec<Option<String>>> {
        self.0.ok("SET enable_seqscan = off; SET enable_indexonlyscan = on");
        let plan = self.0.rows(&format!("EXPLAIN (COSTS off) {query}"));
        let shown = plan.iter().flatten().flatten().any(|line| line.contains("Index Only Scan"));
        assert!(shown, "{query}: {plan:?}");
        self.0.rows(query)
    }

    fn by_table(&mut self, query: &str) -> Vec<Vec<Option<String>>> {
        self.0.ok("SET enable_seqscan = on; SET enable_indexscan = off");
        let plan = self.0.rows(&format!("EXPLAIN (COSTS off) {query}"));
        let shown = plan.iter().flatten().flatten().any(|line| line.contains("Seq Scan"));
        assert!(shown, "{query}: {plan:?}");
        let rows = self.0.rows(query);
        self.0.ok("SET enable_indexscan = on");
        rows
    }
}

/// Compares in one snapshot; answers how many snapshots it had.
fn compare(client: &mut Client, draw: &mut Draw, until: Instant) -> u32 {
    let queries = [
        "SELECT id FROM t WHERE id > 0 ORDER BY id",
        "SELECT n, id FROM t WHERE n >= 0 ORDER BY n DESC, id DESC",
        "SELECT count(*), count(n), sum(n), sum(id), min(id), max(n) FROM t WHERE n >= 0",
    ];
    let mut snapshots = 0;
    while Instant::now() < until {
        client.ok("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t WHERE id < 0");
        let mut ways = Ways(client);
        // A snapshot that is older than what stands in the map by now.
        std::thread::sleep(Duration::from_millis(draw.below(60)));
        for query in queries {
            let found = ways.by_index(query);
            let there = ways.by_table(query);
            let again = ways.by_index(query);
            assert!(
                found == there && again == there,
                "seed {SEED}, {query}:\n{found:?}\n{there:?}"
            );
        }
        client.ok("COMMIT");
        snapshots += 1;
    }
    snapshots
}

#[test]
fn both_plans_agree_in_every_snapshot_while_rows_come_and_go() {
    let server = server();
    let until = Instant::now() + TIME;
    let draw = |part| Draw::part(SEED, part);
    std::thread::scope(|scope| {
        for part in 0..2 {
            let (mut client, mut draw) = (server.connect(), draw(part));
            scope.spawn(move || {
                while Instant::now() < until {
                    write(&mut client, &mut draw);
                }
            });
        }
        let mut vacuuming = server.connect();
        scope.spawn(move || {
            while Instant::now() < until {
                vacuuming.ok("VACUUM t");
            }
        });
        let readers: Vec<_> = (2..4)
            .map(|part| {
                let (mut client, mut draw) = (server.connect(), draw(part));
                scope.spawn(move || compare(&mut client, &mut draw, until))
            })
            .collect();
        for reader in readers {
            let snapshots = reader.join().expect("the plans agree");
            assert!(snapshots > 3, "{snapshots} snapshots");
        }
    });
    let mut client = server.connect();
    for check in ["verify_heapam('t')", "bt_index_check('t_pkey')", "bt_index_check('t_n')"] {
        client.ok(&format!("SELECT {check}"));
    }
    // The map was at work, too: with nobody about, no row is looked for.
    client.ok("VACUUM t");
    client.ok("SET enable_seqscan = off");
    let plan = client.rows("EXPLAIN (ANALYZE) SELECT id FROM t WHERE id > 0");
    let lines: Vec<&String> = plan.iter().flatten().flatten().collect();
    assert!(lines.iter().any(|line| line.contains("Heap Fetches: 0")), "{lines:?}");
}
