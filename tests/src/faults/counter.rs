//! The counter file that the processes of the server share with the test; see `sys::fs::plan`.
//!
//! The server has it mapped and the test reads and writes it: on Linux both see the same bytes.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// As in `sys::fs::plan`.
const SIZE: usize = 40 + 1024;

/// The file, of one run.
pub struct Counter {
    path: PathBuf,
    file: File,
}

impl Counter {
    /// A new one, which has counted nothing.
    pub fn create(path: &Path) -> Counter {
        let open = File::options().create(true).truncate(true).read(true).write(true).open(path);
        let file = open.expect("the scratch directory is ours");
        file.write_all_at(&[0; SIZE], 0).expect("the scratch directory has room");
        Counter { path: path.to_owned(), file }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn word(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, at).expect("it has its size");
        u64::from_ne_bytes(bytes)
    }

    /// How many operations of the kind there were.
    pub fn seen(&self) -> u64 {
        self.word(0)
    }

    /// How many faults were made.
    pub fn made(&self) -> u64 {
        self.word(8)
    }

    /// Has the next operation of the kind be the one of that number.
    pub fn next_is(&self, number: u64) {
        self.file.write_all_at(&(number - 1).to_ne_bytes(), 0).expect("it is open");
    }

    /// Has the server make no more faults.
    pub fn end(&self) {
        self.file.write_all_at(&1u64.to_ne_bytes(), 16).expect("it is open");
    }

    /// What the first fault hit: the operation, the file, the process.
    pub fn hit(&self) -> String {
        let mut bytes = vec![0; (self.word(32) as usize).min(SIZE - 40)];
        self.file.read_exact_at(&mut bytes, 40).expect("it has its size");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
