//! The tool `powercut`, called as a user calls it.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::binary;
use crate::log::Log;
use crate::powercut::kind::Kind;
use crate::scratch::Scratch;
use crate::setup::Setup;

/// How the disk of a life behaves.
#[derive(Clone, Default, Debug)]
pub struct Disk {
    /// What an fsync takes, in microseconds.
    pub sync_us: u64,
    /// The power goes while this fsync is under way.
    pub cut_sync: Option<u64>,
    /// Operations that fail, in the tool's notation.
    pub fail: Vec<String>,
}

/// What runs before the postmaster's own command: the tool with its recording, and a place for
/// shared memory that goes away with the processes.
pub fn wrapper(source: &Path, mount: &Path, journal: &Path, disk: &Disk) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec![binary::find("powercut").into(), "run".into()];
    let mut option = |name: &str, value: OsString| words.extend([name.into(), value]);
    option("--src", source.into());
    option("--mnt", mount.into());
    option("--journal", journal.into());
    option("--sync-us", disk.sync_us.to_string().into());
    if let Some(number) = disk.cut_sync {
        option("--cut-sync", number.to_string().into());
    }
    for rule in &disk.fail {
        option("--fail", rule.into());
    }
    let own_memory = "mount -t tmpfs tmpfs /dev/shm && exec \"$0\" \"$@\"";
    words.extend(["--", "unshare", "--mount", "sh", "-c", own_memory].map(OsString::from));
    words
}

/// A server that is to run under the tool. The recording file system knows no sockets: the server's
/// lies in `area`.
pub fn recording(setup: &Setup, words: Vec<OsString>, area: &Scratch) -> Setup {
    setup.clone().under(words).set("unix_socket_directory", &area.path().to_string_lossy())
}

/// What the tool says when the power has gone.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Recorded {
    /// When, on the monotonic clock.
    pub t_ns: u64,
    /// Fsyncs begun until then.
    pub syncs: u64,
}

/// The tool's last word in the log of the server that ran under it.
pub fn recorded(log: &Log) -> Result<Recorded, String> {
    let text = log.text();
    let line = text.lines().rev().find(|line| line.starts_with("{\"cut\""));
    let line = line.ok_or_else(|| format!("no word of powercut in the log:\n{}", log.tail(20)))?;
    serde_json::from_str(line).map_err(|e| format!("{line}: {e}"))
}

/// What the tool says of an image that it has made.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Image {
    /// The moment of the image, on the monotonic clock.
    pub t_ns: u64,
    /// The number of the change before the cut.
    pub record: u64,
}

/// Draws an image of that kind into a new directory.
pub fn image(journal: &Path, kind: Kind, seed: u64, out: &Path) -> Result<Image, String> {
    let mut command = Command::new(binary::find("powercut"));
    command.arg("image").arg("--journal").arg(journal).arg("--out").arg(out);
    command.args(["--at", kind.at(), "--names", kind.names(), "--seed", &seed.to_string()]);
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{command:?}: {}: {why}", output.status));
    }
    serde_json::from_str(text.trim()).map_err(|e| format!("{text}: {e}"))
}
