//! COPY: rows a second, from the first byte sent to the commit.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde_json::Value;

use super::{Common, per_second, report, seconds};
use crate::client::Connection;
use crate::error::Error;

const TABLE: &str = "bench_copy";
const COLUMNS: &str =
    "id bigint NOT NULL, account integer, name text, balance double precision, created timestamp";
/// Bytes sent at once.
const CHUNK: usize = 256 << 10;

/// What `bench copy` is told.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    common: Common,

    /// How many rows
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,

    /// Loads this file (of `mamont bench data`) instead of rows made on the way
    #[arg(long, value_name = "FILE", conflicts_with = "rows")]
    file: Option<PathBuf>,
}

/// Loads the rows once and tells how fast it went.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> Result<(), Error> {
    let common = &arguments.common;
    let mut connection = Connection::open(&common.connect)?;
    connection.run(&format!("DROP TABLE IF EXISTS {TABLE}"))?;
    connection.run(&format!("CREATE TABLE {TABLE} ({COLUMNS})"))?;
    let mut sender = Sender { connection: &mut connection, bytes: 0, rows: 0 };
    let start = Instant::now();
    sender.connection.send_line(&format!("COPY {TABLE} FROM STDIN"))?;
    match &arguments.file {
        Some(path) => send_file(&mut File::open(path)?, &mut sender)?,
        None => send_rows(arguments.rows, &mut sender)?,
    }
    let (bytes, rows) = (sender.bytes, sender.rows);
    connection.send(b"\\.\n")?;
    connection.finish()?;
    let elapsed = start.elapsed();
    if !common.keep {
        connection.run(&format!("DROP TABLE {TABLE}"))?;
    }
    let values = [
        ("workload", Value::from("copy")),
        ("rows", Value::from(rows)),
        ("seconds", seconds(elapsed)),
        ("rows_per_second", per_second(rows, elapsed)),
        ("bytes_per_second", per_second(bytes, elapsed)),
    ];
    report(common.json, &values, out)
}

/// Writes rows in COPY's text format; the same ones for the same number, always.
pub fn write_rows(rows: u64, out: &mut impl Write) -> Result<(), Error> {
    for id in 0..rows {
        // Scatters the bits of the number, as a multiplicative hash does.
        let hash = id.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        writeln!(
            out,
            "{id}\t{}\tname-{hash:016x}\t{}.5\t2026-01-{:02} {:02}:{:02}:{:02}",
            hash >> 44,
            hash >> 50,
            id / 86_400 % 28 + 1,
            id / 3600 % 24,
            id / 60 % 60,
            id % 60
        )?;
    }
    Ok(())
}

/// Counts what goes to the server.
struct Sender<'a> {
    connection: &'a mut Connection,
    bytes: u64,
    rows: u64,
}

impl Sender<'_> {
    fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.bytes += bytes.len() as u64;
        self.rows += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.connection.send(bytes)
    }
}

fn send_rows(rows: u64, sender: &mut Sender<'_>) -> Result<(), Error> {
    let mut chunks = Chunks { sender, buffer: Vec::with_capacity(CHUNK), failed: None };
    let written = write_rows(rows, &mut chunks).and_then(|()| Ok(chunks.flush()?));
    match chunks.failed.take() {
        Some(error) => Err(error),
        None => written,
    }
}

/// Gathers lines into chunks. What the server said when it hung up is kept in `failed`.
struct Chunks<'a, 'b> {
    sender: &'a mut Sender<'b>,
    buffer: Vec<u8>,
    failed: Option<Error>,
}

impl Write for Chunks<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > CHUNK {
            self.flush()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let sent = self.sender.send(&self.buffer);
        self.buffer.clear();
        sent.map_err(|error| {
            self.failed = Some(error);
            io::Error::other("the server hung up")
        })
    }
}

fn send_file(file: &mut File, sender: &mut Sender<'_>) -> Result<(), Error> {
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(()),
            count => sender.send(&chunk[..count])?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Address;
    use crate::client::tests::{obliging_server, server};

    #[test]
    fn rows_are_the_same_every_time_and_have_five_columns() {
        let mut first = Vec::new();
        write_rows(100, &mut first).expect("a Vec takes everything");
        let text = String::from_utf8(first).expect("text");
        assert!(text.starts_with("0\t0\tname-0000000000000000\t0.5\t2026-01-01 00:00:00\n"));
        assert_eq!(text.lines().count(), 100);
        assert!(text.lines().all(|line| line.split('\t').count() == 5));
    }

    #[test]
    fn rows_go_out_whole_and_are_counted() {
        let (directory, server) = server(&[(10_000, "")]);
        let address = Address::Unix(directory.path().to_owned());
        let mut connection = Connection::open(&address).expect("the server listens");
        let mut sender = Sender { connection: &mut connection, bytes: 0, rows: 0 };
        send_rows(10_000, &mut sender).expect("the server reads");
        assert_eq!(sender.rows, 10_000);
        let bytes = sender.bytes;
        let got = server.join().expect("the server ends");
        assert_eq!(got.len() as u64, bytes);
        let mut expected = Vec::new();
        write_rows(10_000, &mut expected).expect("a Vec takes everything");
        assert!(got.into_bytes() == expected);
    }

    #[test]
    fn a_run_counts_the_rows_of_a_file_or_of_its_own() {
        let (directory, connect) = obliging_server();
        let path = directory.path().join("rows");
        let mut rows = Vec::new();
        write_rows(20_000, &mut rows).expect("a Vec takes everything");
        std::fs::write(&path, rows).expect("a file for the test");
        for (rows, file) in [(7, None), (1, Some(path))] {
            let expected = if file.is_some() { "\"rows\":20000," } else { "\"rows\":7," };
            let common = Common { connect: connect.clone(), keep: false, json: true };
            let mut out = Vec::new();
            run(&Arguments { common, rows, file }, &mut out).expect("the server obliges");
            let text = String::from_utf8(out).expect("text");
            assert!(text.contains(expected), "{text}");
        }
    }
}
