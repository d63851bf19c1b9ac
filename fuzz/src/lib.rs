//! Fuzz targets: whatever bytes lie on disk or come over the wire, nothing may panic, loop, or
//! believe them without a look.
//!
//! ```text
//!   fuzz/corpus/<target>/       seeds, cut from the files of a real server (`just fuzz-seeds`)
//!   fuzz/regressions/<target>/  inputs that once failed, kept for good
//!          |
//!          v
//!   tests/short.rs: replays both, then mutates for some seconds; on stable, with all other tests
//!   src/bin/<target>.rs: the same function under libFuzzer (`just fuzz <target>`), on nightly
//! ```
//!
//! Checksums stop a fuzzer at the door. So the first byte of an input chooses: an even one leaves
//! the bytes as they are, an odd one has their checksums, positions and lengths of pages made right
//! first, as a flaw of the server or somebody with ill will could.

mod control;
mod line;
mod log;
mod pages;

pub use control::control_file;
pub use line::line_protocol;
pub use log::wal;
pub use pages::page;

/// What a target does with an input; it panics if something is wrong.
pub type Target = fn(&[u8]);

/// Every target with its name.
pub const TARGETS: &[(&str, Target)] = &[
    ("wal", wal),
    ("page", page),
    ("control_file", control_file),
    ("line_protocol", line_protocol),
];

/// Whether the input wants its checksums made right, and the rest of it.
fn mode(data: &[u8]) -> Option<(bool, &[u8])> {
    let (first, rest) = data.split_first()?;
    Some((first & 1 == 1, rest))
}

/// A directory for files of this process, made once.
fn scratch() -> &'static std::path::Path {
    use std::sync::OnceLock;
    static DIR: OnceLock<tempfile::TempDir> = OnceLock::new();
    DIR.get_or_init(|| {
        let memory = std::path::Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        tempfile::tempdir_in(place).expect("a directory for the fuzzer")
    })
    .path()
}

/// A file of its own for each thread.
fn own_directory(name: &str) -> std::path::PathBuf {
    let thread = format!("{:?}", std::thread::current().id());
    let number: String = thread.chars().filter(char::is_ascii_digit).collect();
    let dir = scratch().join(format!("{name}-{number}"));
    std::fs::create_dir_all(&dir).expect("a directory for the fuzzer");
    dir
}
