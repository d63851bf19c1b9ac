//! Names: renaming, removing, listing, and making all that durable.

use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::error::with_path_std;
use super::file::{File, OpenHow};
use super::seam::{Op, seam};
use crate::mutant::{self, Mutant};

/// Renames a file; durable only after [`sync_dir`].
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    seam(Op::Rename, from, || rustix::fs::rename(from, to))
}

/// Syncs the file, renames it, syncs the directory (both, if there are two).
pub fn rename_durable(from: &Path, to: &Path) -> io::Result<()> {
    File::open(from, OpenHow::READ)?.sync_all()?;
    rename(from, to)?;
    sync_dir(parent(to))?;
    if parent(from) != parent(to) { sync_dir(parent(from)) } else { Ok(()) }
}

/// Removes a file; durable only after [`sync_dir`].
pub fn remove(path: &Path) -> io::Result<()> {
    seam(Op::Remove, path, || rustix::fs::unlink(path))
}

/// Removes a file and syncs its directory.
pub fn remove_durable(path: &Path) -> io::Result<()> {
    remove(path)?;
    sync_dir(parent(path))
}

/// Makes durable which names are in the directory.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if mutant::on(Mutant::DirectoriesNeverSynced) {
        return Ok(());
    }
    let fd = seam(Op::SyncDir, path, || rustix::fs::open(path, flags, Mode::empty()))?;
    seam(Op::SyncDir, path, || rustix::fs::fsync(&fd))
}

/// Creates a directory that only the server's user may enter; durable only after [`sync_dir`] of
/// its parent.
pub fn create_dir(path: &Path) -> io::Result<()> {
    seam(Op::CreateDir, path, || {
        let made = std::fs::DirBuilder::new().mode(0o700).create(path);
        made.map_err(|error| rustix::io::Errno::from_io_error(&error).unwrap_or(IO))
    })
}

/// Removes an empty directory.
pub fn remove_dir(path: &Path) -> io::Result<()> {
    seam(Op::RemoveDir, path, || rustix::fs::rmdir(path))
}

/// Whether there is something at `path`.
pub fn exists(path: &Path) -> io::Result<bool> {
    seam(Op::Stat, path, || match rustix::fs::lstat(path) {
        Ok(_) => Ok(true),
        Err(rustix::io::Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    })
}

/// The names in a directory, sorted; what is not UTF-8 in them is replaced.
pub fn read_dir_names(path: &Path) -> io::Result<Vec<String>> {
    let told = |error| with_path_std(Op::ReadDir, path, error);
    seam(Op::ReadDir, path, || Ok(()))?;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(told)? {
        names.push(entry.map_err(told)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// The whole file, unless it is longer than `max` bytes: that is `FileTooLarge`.
pub fn read_limited(path: &Path, max: usize) -> io::Result<Vec<u8>> {
    let file = File::open(path, OpenHow::READ)?;
    let told = |error| with_path_std(Op::Read, path, error);
    seam(Op::Read, path, || Ok(()))?;
    let mut bytes = Vec::new();
    let mut reader = std::fs::File::from(rustix::io::dup(&file).map_err(|e| told(e.into()))?);
    reader.by_ref().take(max as u64 + 1).read_to_end(&mut bytes).map_err(told)?;
    if bytes.len() <= max {
        return Ok(bytes);
    }
    let message =
        format!("could not read file \"{}\": it is longer than {max} bytes", path.display());
    Err(io::Error::new(io::ErrorKind::FileTooLarge, message))
}

/// Replaces the file by one with this content: after a crash it is the old one or the new one.
pub fn write_durable(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let temporary = PathBuf::from(name);
    let file = File::open(&temporary, OpenHow { truncate: true, ..OpenHow::CREATE })?;
    file.write_all_at(bytes, 0)?;
    file.sync_all()?;
    rename(&temporary, path)?;
    sync_dir(parent(path))
}

const IO: rustix::io::Errno = rustix::io::Errno::IO;

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::fs::os_error;

    #[test]
    fn a_durable_write_replaces_the_file_and_leaves_nothing_else() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("control");
        write_durable(&path, b"old and longer").expect("writable");
        write_durable(&path, b"new").expect("writable");
        assert_eq!(read_limited(&path, 3).expect("readable"), b"new");
        assert_eq!(read_dir_names(directory.path()).expect("readable"), ["control"]);
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_is_too_long_is_not_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("long");
        write_durable(&path, &[7; 100]).expect("writable");
        assert_eq!(read_limited(&path, 100).expect("readable").len(), 100);
        let error = read_limited(&path, 99).expect_err("too long");
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn names_are_made_moved_and_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let (a, b) = (directory.path().join("a"), directory.path().join("sub/b"));
        create_dir(&directory.path().join("sub")).expect("new");
        let mode = std::fs::metadata(directory.path().join("sub")).expect("there").permissions();
        assert_eq!(mode.mode() & 0o777, 0o700);
        let again = create_dir(&directory.path().join("sub")).expect_err("there already");
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        write_durable(&a, b"x").expect("writable");
        rename_durable(&a, &b).expect("both are there");
        assert!(!exists(&a).expect("asked") && exists(&b).expect("asked"));
        remove_durable(&b).expect("there");
        remove_dir(&directory.path().join("sub")).expect("empty");
        assert!(read_dir_names(directory.path()).expect("readable").is_empty());
    }

    #[test]
    fn an_error_names_the_file_and_keeps_its_number() {
        let path = Path::new("/nonexistent/file");
        for error in [
            remove(path).expect_err("not there"),
            read_limited(path, 1).expect_err("not there"),
            read_dir_names(path).expect_err("not there"),
            create_dir(path).expect_err("no parent"),
        ] {
            let text = error.to_string();
            assert!(text.ends_with("\"/nonexistent/file\": No such file or directory"), "{text}");
            assert_eq!(os_error(&error), Some(nix::libc::ENOENT));
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
        }
        assert_eq!(
            remove(path).expect_err("not there").to_string(),
            "could not remove file \"/nonexistent/file\": No such file or directory"
        );
    }
}
