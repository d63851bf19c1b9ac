//! `postmaster.pid`: what tools need to know about a running server, one value a line.
//!
//! ```text
//! pid / data directory / start time (Unix seconds) / port / socket directory /
//! first address / name of the shared memory segment / starting, ready or stopping
//! ```
//!
//! The file decides nothing: the lock on the directory does. A file that a killed server left
//! behind is read for the pid (to say who is in the way, and how long to wait for its children),
//! then written anew: on a full disk in place, so that no recovery is kept from starting. Only the postmaster touches it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use sys::fs::{self, File, OpenHow};

use crate::error::Error;

const NAME: &str = "postmaster.pid";
const SIZE_MAX: usize = 16 << 10;

/// What the file says, by line.
#[derive(Clone, Debug)]
pub struct PidFile {
    path: PathBuf,
    data_dir: PathBuf,
    start_time: u64,
    /// The port that is listened on, by TCP or in the Unix socket's name.
    pub port: u16,
    /// The folder of the Unix socket.
    pub socket_dir: PathBuf,
    /// The first address listened on.
    pub address: String,
    /// The name of the shared memory segment.
    pub segment: String,
}

/// How far the server is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// It does not serve yet.
    Starting,
    /// It serves.
    Ready,
    /// It is shutting down.
    Stopping,
}

impl PidFile {
    /// The file of the data directory, not written yet.
    pub fn new(data_dir: &Path, socket_dir: &Path, port: u16) -> PidFile {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        PidFile {
            path: data_dir.join(NAME),
            data_dir: data_dir.to_owned(),
            start_time: now.map_or(0, |since| since.as_secs()),
            port,
            socket_dir: socket_dir.to_owned(),
            address: String::new(),
            segment: String::new(),
        }
    }

    /// The pid in the file of a server that runs, or that was killed.
    pub fn recorded_pid(data_dir: &Path) -> Option<i32> {
        let bytes = fs::read_limited(&data_dir.join(NAME), SIZE_MAX).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        text.lines().next()?.trim().parse().ok().filter(|pid| *pid > 0)
    }

    /// Whether the server that wrote the file still runs. One that is dead and not yet reaped by
    /// its parent does not.
    pub fn is_server_running(data_dir: &Path) -> bool {
        let Some(pid) = PidFile::recorded_pid(data_dir) else { return false };
        let stat = fs::read_limited(Path::new(&format!("/proc/{pid}/stat")), SIZE_MAX);
        let stat = stat.unwrap_or_default();
        // The state follows the name, which stands in parentheses and may contain anything.
        let state = stat.iter().rposition(|byte| *byte == b')').and_then(|at| stat.get(at + 2));
        sys::process::is_alive(pid) && state != Some(&b'Z')
    }

    /// Writes the file.
    pub fn write(&self, status: Status) -> Result<(), Error> {
        let status = match status {
            Status::Starting => "starting",
            Status::Ready => "ready",
            Status::Stopping => "stopping",
        };
        let text = format!(
            "{}\n{}\n{}\n{}\n{}\n{}\n{}\n{status}\n",
            sys::process::pid(),
            self.data_dir.display(),
            self.start_time,
            self.port,
            self.socket_dir.display(),
            self.address,
            self.segment,
        );
        // A reader sees the old file or the new one; it need not survive a power cut.
        let temporary = self.path.with_extension("pid.new");
        let made = File::open(&temporary, OpenHow { truncate: true, ..OpenHow::CREATE })
            .and_then(|file| file.write_all_at(text.as_bytes(), 0))
            .and_then(|()| fs::rename(&temporary, &self.path));
        match made {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                // Nobody should see it half-written.
                fs::remove(&temporary).unwrap_or(());
                self.write_in_place(&text, error)
            }
            made => Ok(made?),
        }
    }

    /// On a full disk, over the file that is there, which has its room. A reader may then see a
    /// part; where there is none, `error` stands.
    fn write_in_place(&self, text: &str, error: io::Error) -> Result<(), Error> {
        let Ok(file) = File::open(&self.path, OpenHow::READ_WRITE) else {
            return Err(error.into());
        };
        file.write_all_at(text.as_bytes(), 0)?;
        Ok(file.truncate(text.len() as u64)?)
    }

    /// Removes the file at the end of the server.
    pub fn remove(&self) {
        if let Err(error) = fs::remove(&self.path) {
            tracing::warn!("{error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pid_comes_back_and_nonsense_is_no_pid() {
        let dir = std::env::temp_dir().join(format!("mamont-pidfile-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("create");
        assert_eq!(PidFile::recorded_pid(&dir), None);
        let file = PidFile::new(&dir, &dir, 7432);
        file.write(Status::Starting).expect("write");
        assert_eq!(PidFile::recorded_pid(&dir), Some(sys::process::pid()));
        assert!(PidFile::is_server_running(&dir));
        file.write(Status::Ready).expect("write again");
        let text = std::fs::read_to_string(dir.join(NAME)).expect("read");
        assert_eq!(text.lines().nth(3), Some("7432"));
        assert_eq!(text.lines().nth(7), Some("ready"));
        std::fs::write(dir.join(NAME), "-4\n").expect("write");
        assert_eq!(PidFile::recorded_pid(&dir), None);
        assert!(!PidFile::is_server_running(&dir));
        file.remove();
        std::fs::remove_dir_all(&dir).expect("remove");
    }
}
