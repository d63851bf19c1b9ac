//! What can go wrong here, each named with the file that it concerns.

use std::io;
use std::path::{Path, PathBuf};

/// A run or an image that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A call of the system that concerns no file.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: nix::Error,
    },
    /// The image would be mixed with something else.
    #[error("--out {}: it must be a new or an empty directory", .0.display())]
    OutNotEmpty(PathBuf),
    /// The command has a zero byte in it.
    #[error("the command cannot be passed on: {0}")]
    Command(#[from] std::ffi::NulError),
}

impl Error {
    /// Names the file for an error of the system.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
        let path = path.to_path_buf();
        |source| Error::File { path, source }
    }

    /// Names the call for an error of the system.
    pub(crate) fn system(what: &'static str) -> impl FnOnce(nix::Error) -> Error {
        move |source| Error::System { what, source }
    }
}
