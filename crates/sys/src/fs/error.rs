//! Errors of file operations: what could not be done, to which file, and why.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::seam::Op;

/// What stands inside the `io::Error` of a failed operation.
#[derive(Debug, thiserror::Error)]
#[error("could not {} \"{}\": {}", op.verb(), path.display(), text(*errno))]
struct FileError {
    op: Op,
    path: PathBuf,
    errno: i32,
}

/// The system's words for an error number, without the number that the standard library adds.
fn text(errno: i32) -> String {
    let mut text = io::Error::from_raw_os_error(errno).to_string();
    if let Some(end) = text.rfind(" (os error ") {
        text.truncate(end);
    }
    text
}

/// The error of `op` on `path`.
pub(super) fn with_path(op: Op, path: &Path, errno: Errno) -> io::Error {
    let errno = errno.raw_os_error();
    let kind = io::Error::from_raw_os_error(errno).kind();
    io::Error::new(kind, FileError { op, path: path.to_owned(), errno })
}

/// The same for an error of the standard library.
pub(super) fn with_path_std(op: Op, path: &Path, error: io::Error) -> io::Error {
    match Errno::from_io_error(&error) {
        Some(errno) => with_path(op, path, errno),
        None => error,
    }
}

/// The operating system's error number behind an error of this module (`ENOSPC` and so on).
pub fn os_error(error: &io::Error) -> Option<i32> {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<FileError>());
    inner.map(|inner| inner.errno).or_else(|| error.raw_os_error())
}
