//! Where the binaries under test are: beside the test's own executable, in the same target
//! directory and profile.
//!
//! Cargo builds the binaries of a package for that package's tests only, and the server is another
//! package: so `scripts/test.sh` builds the workspace first, and a test that finds no binary says
//! how to get it. A binary older than the sources is used, with a warning.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

/// The daemon.
pub fn postmaster() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| find("postmaster"))
}

/// The daemon with faults of the disk on order.
pub fn postmaster_faults() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| find("postmaster-faults"))
}

/// The command-line tool.
pub fn mamont() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| find("mamont"))
}

/// The power-cut tool, another package of this workspace.
pub fn powercut() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| find("powercut"))
}

/// This crate's copy loop between standard input and a socket, for machines without `nc` and for
/// connections by another user.
pub fn line() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| find("line"))
}

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace")
}

/// The binary of that name: beside this executable (or above it, if that is in `deps/`).
pub fn find(name: &str) -> PathBuf {
    let exe = std::env::current_exe().expect("the kernel knows the path of a running program");
    let mut dir = exe.parent().expect("a program lies in a directory");
    if dir.ends_with("deps") {
        dir = dir.parent().expect("deps/ lies in the profile's directory");
    }
    let path = dir.join(name);
    assert!(
        path.exists(),
        "{} is not there; scripts/test.sh builds it, or `cargo build --workspace --bins` (with \
         `--features postmaster/faults` for the one with faults)",
        path.display()
    );
    warn_if_stale(&path);
    path
}

fn warn_if_stale(binary: &Path) {
    let built = modified(binary);
    if let Some(newer) = newest_source(&workspace().join("crates"), built) {
        eprintln!("warning: {} is older than {}", binary.display(), newer.display());
    }
}

fn modified(path: &Path) -> SystemTime {
    path.metadata().and_then(|m| m.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn newest_source(dir: &Path, built: SystemTime) -> Option<PathBuf> {
    let entries = std::fs::read_dir(dir).ok()?;
    for path in entries.flatten().map(|e| e.path()) {
        if path.is_dir() {
            if let Some(found) = newest_source(&path, built) {
                return Some(found);
            }
        } else if path.extension().is_some_and(|e| e == "rs") && modified(&path) > built {
            return Some(path);
        }
    }
    None
}
