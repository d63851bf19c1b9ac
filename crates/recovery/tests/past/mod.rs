//! A data directory as it was, to go back to with more or less of the log.
#![allow(missing_docs, reason = "names say it; this is no interface")]

use types::Lsn;
use wal::position;

use crate::support::World;

/// The directory as it was at a checkpoint, to go back to.
pub struct Past {
    files: Vec<(std::path::PathBuf, Vec<u8>)>,
}

impl Past {
    pub fn take(world: &World) -> Past {
        let mut files = Vec::new();
        for folder in ["base", "global", "pg_wal"] {
            let entries = std::fs::read_dir(world.data_dir().join(folder)).expect("a folder");
            for path in entries.map(|entry| entry.expect("an entry").path()) {
                files.push((path.clone(), std::fs::read(&path).expect("a file")));
            }
        }
        Past { files }
    }

    /// Goes back, but for the log, which is that of `log` up to `end`.
    pub fn restore(&self, world: &World, log: &Past, end: Lsn) {
        let files = world.pool.files();
        files.list().expect("files").iter().for_each(|id| files.close(id.rel));
        for entry in std::fs::read_dir(world.data_dir().join("base")).expect("a folder") {
            std::fs::remove_file(entry.expect("an entry").path()).expect("removed");
        }
        let first = position::segment_name(world.wal.timeline(), position::segment_of(end));
        for (path, bytes) in self.files.iter().filter(|(path, _)| !is_log(path)) {
            std::fs::write(path, bytes).expect("written");
        }
        for (path, bytes) in log.files.iter().filter(|(path, _)| is_log(path)) {
            let mut bytes = bytes.clone();
            if path.ends_with(&first) {
                bytes[(end.0 % position::SEGMENT_SIZE) as usize..].fill(0);
            }
            std::fs::write(path, bytes).expect("written");
        }
    }
}

fn is_log(path: &std::path::Path) -> bool {
    path.parent().is_some_and(|parent| parent.ends_with("pg_wal"))
}
