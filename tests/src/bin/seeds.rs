//! Cuts the seeds of the fuzz targets from the files of a real server: `just fuzz-seeds`.
//!
//! Each begins with the byte that chooses whether checksums are made right (see `fuzz/src/lib.rs`).

use std::path::Path;

use tests::binary::workspace;
use tests::server::Stop;
use tests::setup::Setup;

const PAGE: usize = 8192;
/// How many bytes of the log a seed holds; the seeds have many kinds of records and not many bytes.
const LOG: usize = 2 * PAGE;

fn main() {
    let mut server = Setup::new().set("wal_compression", "lz4").start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (a int, b text DEFAULT 'none', c float8, d timestamp, e boolean)");
    client.ok(
        "INSERT INTO t VALUES (1, 'one', 1.5, '2026-11-20', true), (2, NULL, NULL, NULL, false)",
    );
    client.ok("UPDATE t SET b = 'two' WHERE a = 2; DELETE FROM t WHERE a = 1; SELECT * FROM t");
    client.copy_in("COPY t (a, b) FROM STDIN", ["3\tthree", "4\tfour"]).expect("copied");
    for number in 0..40 {
        let text = "long ".repeat(number * 3);
        client.ok(&format!("INSERT INTO t (a, b) VALUES ({number}, '{text}')"));
    }
    client.ok("BEGIN; CREATE TABLE u (a int); INSERT INTO u VALUES (1); ROLLBACK; CHECKPOINT");
    client.ok("UPDATE t SET a = a + 1; TRUNCATE t; INSERT INTO t (a) VALUES (9); SELECT * FROM t");
    let table = client.value("SELECT relfilenode FROM pg_class WHERE relname = 't'");
    drop(client);
    server.stop(Stop::Fast);
    let corpus = workspace().join("fuzz/corpus");
    let data = server.data();
    let log = read(&data.join("pg_wal/000000010000000000000001"));
    // The target wants a place to begin before the bytes of the log.
    let with_place = |bytes: &[u8]| [&[0; 8][..], bytes].concat();
    let used = log.chunks(PAGE).take_while(|page| page.iter().any(|byte| *byte != 0)).count();
    for (number, from) in (0..used * PAGE).step_by(LOG).take(3).enumerate() {
        // Only the first page of a segment tells the system: so each seed begins with it.
        let piece = &log[from..(from + LOG).min(used * PAGE)];
        let bytes = if from == 0 { piece.to_vec() } else { [&log[..PAGE], piece].concat() };
        write(&corpus, "wal", &format!("pages-{number}"), &with_place(&bytes));
    }
    for name in ["1", "4", "5", &table, &format!("{table}_fsm")] {
        let path = data.join("base").join(name);
        let bytes = if path.exists() { read(&path) } else { Vec::new() };
        if let Some(page) = bytes.chunks_exact(PAGE).next() {
            let kind = if name == table { "table" } else { name };
            write(&corpus, "page", &format!("file-{kind}"), page);
        }
    }
    write(&corpus, "control_file", "both", &read(&data.join("global/pg_control")));
    let lines = "SELECT 1; SELECT 'a\\tb'\nCOPY t FROM STDIN\r\n1\t\\N\n\\.\n\nBEGIN; COMMIT;\n\
                 \\x41\\101 мамонт\n\\q\nGET / HTTP/1.1\r\n";
    write(&corpus, "line_protocol", "session", lines.as_bytes());
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn write(corpus: &Path, target: &str, name: &str, bytes: &[u8]) {
    let dir = corpus.join(target);
    std::fs::create_dir_all(&dir).expect("the workspace can be written");
    std::fs::write(dir.join(name), [&[0], bytes].concat()).expect("the workspace can be written");
}
