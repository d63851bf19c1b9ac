//! A private directory for one test, with a name short enough for the path of a Unix socket in it
//! (108 bytes with its end), removed when the test has passed.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The directory. It is kept when the test fails and `MAMONT_KEEP` is set.
#[derive(Debug)]
pub struct Scratch {
    dir: Option<tempfile::TempDir>,
}

impl Scratch {
    /// A new, empty directory.
    pub fn new() -> Scratch {
        let root = std::env::temp_dir();
        let root = if root.as_os_str().len() <= 40 { root } else { PathBuf::from("/tmp") };
        let dir = tempfile::Builder::new().prefix("mt").rand_bytes(8).tempdir_in(root);
        Scratch { dir: Some(dir.expect("the temporary directory takes a new one")) }
    }

    /// A new directory in memory, if there is such a place: a sync costs nothing there.
    pub fn in_memory() -> Scratch {
        let dir = tempfile::Builder::new().prefix("mf").rand_bytes(8).tempdir_in("/dev/shm");
        dir.map_or_else(|_| Scratch::new(), |dir| Scratch { dir: Some(dir) })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.dir.as_ref().expect("it is taken out only when dropped").path()
    }

    /// The path of `name` in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Lets other users in, for tests that act as one.
    pub fn open_to_all(&self) {
        let all = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(self.path(), all).expect("the directory is ours");
    }

    /// Copies a file out of it to a place that stays.
    pub fn keep_copy(&self, file: &Path) -> std::io::Result<PathBuf> {
        let kept = Scratch::new();
        let copy = kept.join("journal");
        std::fs::copy(file, &copy)?;
        kept.keep();
        Ok(copy)
    }

    /// Leaves the directory where it is, and tells where that is.
    pub fn keep(mut self) -> PathBuf {
        self.dir.take().expect("it is taken out once").keep()
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch::new()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking()
            && std::env::var_os("MAMONT_KEEP").is_some()
            && let Some(dir) = self.dir.take()
        {
            eprintln!("kept: {}", dir.keep().display());
        }
    }
}
