//! Statistics, vacuum and autovacuum of a running server: what an administrator sees of them.

use tests::server::Stop;
use tests::setup::Setup;

const COUNTS: &str = "SELECT n_tup_ins, n_tup_del, n_live_tup, n_dead_tup FROM pg_stat_user_tables";

fn texts(values: &[&str]) -> Vec<Vec<Option<String>>> {
    vec![values.iter().map(|value| Some((*value).to_owned())).collect()]
}

#[test]
fn counts_of_tables_survive_a_shutdown_and_begin_anew_after_a_crash() {
    let mut server = Setup::new().allow_crashes().start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (n int); INSERT INTO t VALUES (1), (2), (3)");
    client.ok("DELETE FROM t WHERE n = 3");
    assert_eq!(client.rows(COUNTS), texts(&["3", "1", "2", "1"]));
    drop(client);
    server.stop(Stop::Fast);
    server.start_again();
    let mut client = server.connect();
    assert_eq!(client.rows(COUNTS), texts(&["3", "1", "2", "1"]));
    client.ok("INSERT INTO t VALUES (4)");
    drop(client);
    server.kill();
    server.start_again();
    assert_eq!(server.connect().rows(COUNTS), texts(&["0", "0", "0", "0"]));
}
