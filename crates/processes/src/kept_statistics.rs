//! The statistics of relations over a shutdown.
//!
//! ```text
//! global/pgstat.stat (little-endian)
//!   0  u32  CRC-32 of all that follows
//!   4  u32  format version
//!   8  u64  system identifier
//!  16       for each relation: file number u64, then its counts, i64 each
//! ```
//!
//! The checkpointer writes the file when the last checkpoint of a shutdown is made. Startup reads it
//! if the shutdown was clean, and removes it in any case: after a crash the counts begin anew, since
//! nobody knows which of them are out of date. A file that makes no sense is left out with a
//! warning; nothing depends on it. If the process dies here, the file is whole or not there.

use std::io;
use std::path::PathBuf;

use txn::statistics::Counts;
use types::RelFileNumber;

use crate::server::Server;

const FILE: &str = "global/pgstat.stat";
const VERSION: u32 = 1;
const HEAD: usize = 16;
/// No server counts so many relations that their counts take more.
const SIZE_MAX: usize = 16 << 20;

fn path(server: &Server) -> PathBuf {
    server.data_dir().join(FILE)
}

/// Writes the file: nobody counts any more.
pub(crate) fn keep(server: &Server) {
    let bytes = encode(server.wal().system().0, &server.txn().statistics().all());
    if let Err(error) = sys::fs::write_durable(&path(server), &bytes) {
        tracing::warn!("the statistics of tables are lost: {error}");
    }
}

/// Reads what the last run has kept, if it ended well, and removes it.
pub(crate) fn take_back(server: &Server, was_clean: bool) {
    let path = path(server);
    if was_clean {
        match sys::fs::read_limited(&path, SIZE_MAX) {
            Ok(bytes) => match decode(server.wal().system().0, &bytes) {
                Some(kept) => server.txn().statistics().restore(&kept),
                None => tracing::warn!("{}: not the statistics of this database", path.display()),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!("could not read the statistics of tables: {error}"),
        }
    }
    match sys::fs::remove(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!("could not remove the old statistics of tables: {error}");
        }
        _ => {}
    }
}

fn encode(system: u64, kept: &[(RelFileNumber, Counts)]) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&system.to_le_bytes());
    for (rel, counts) in kept {
        bytes.extend_from_slice(&rel.0.to_le_bytes());
        counts.words().iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
    }
    let crc = crc32fast::hash(&bytes[4..]);
    bytes[..4].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode(system: u64, bytes: &[u8]) -> Option<Vec<(RelFileNumber, Counts)>> {
    let (crc, rest) = bytes.split_first_chunk()?;
    let head = bytes.get(4..HEAD)?;
    let whole = crc32fast::hash(rest) == u32::from_le_bytes(*crc);
    let ours = head[..4] == VERSION.to_le_bytes() && head[4..] == system.to_le_bytes();
    let line = (1 + Counts::default().words().len()) * 8;
    if !whole || !ours || !(bytes.len() - HEAD).is_multiple_of(line) {
        return None;
    }
    let lines = bytes[HEAD..].chunks_exact(line).map(|line| {
        let words = line
            .chunks_exact(8)
            .map(|word| i64::from_le_bytes(*word.first_chunk().expect("a chunk of eight")));
        let words: Vec<i64> = words.collect();
        let (rel, counts) = words.split_first()?;
        Some((RelFileNumber(rel.cast_unsigned()), Counts::from_words(counts)?))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Vec<(RelFileNumber, Counts)> {
        let words: Vec<i64> = (0..Counts::default().words().len() as i64).collect();
        let counts = Counts::from_words(&words).expect("as many");
        vec![(RelFileNumber(16), counts), (RelFileNumber(u64::MAX >> 1), Counts::default())]
    }

    #[test]
    fn counts_come_back_to_their_own_database_only() {
        let bytes = encode(7, &kept());
        assert_eq!(decode(7, &bytes), Some(kept()));
        assert_eq!(decode(8, &bytes), None);
        assert_eq!(decode(7, &encode(7, &[])), Some(vec![]));
    }

    #[test]
    fn damage_is_seen() {
        let bytes = encode(7, &kept());
        for length in 0..bytes.len() {
            assert_eq!(decode(7, &bytes[..length]), None);
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(decode(7, &damaged), None);
        }
    }
}
