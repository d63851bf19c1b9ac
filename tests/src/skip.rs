//! Tests that cannot run here say so, where it will be read.
//!
//! The runners of Rust's tests know no "skipped because": a test that returns early has passed, and
//! what it printed is thrown away. So the reason is also appended to a file that
//! `scripts/test.sh` prints at its end.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Where the reasons are gathered: `skipped.txt` in the target directory.
pub fn list() -> PathBuf {
    let exe = std::env::current_exe().expect("the kernel knows the path of a running program");
    let target = exe.ancestors().find(|d| d.join("CACHEDIR.TAG").exists());
    target.unwrap_or(std::path::Path::new("/tmp")).join("skipped.txt")
}

/// Writes down that `test` did not run, or not whole, and why.
pub fn skip(test: &str, why: &str) {
    let line = format!("{test}: {why}\n");
    eprint!("skipped: {line}");
    let file = std::fs::OpenOptions::new().create(true).append(true).open(list());
    if let Ok(mut file) = file {
        // One write, so that tests running in parallel do not mix their lines.
        let _ = file.write_all(line.as_bytes());
    }
}

/// Whether a program of that name is on the path.
pub fn have(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

/// Whether this is root, who alone can act as another user, mount, and so on.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Whether the command runs and succeeds: the test of a facility that may be forbidden here.
pub fn works(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
