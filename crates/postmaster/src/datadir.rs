//! The data directory before anything in it is used: what it is, and its first skeleton.
//!
//! ```text
//!  absent, empty ──► marker ──► base/ global/ pg_wal/ mamont.toml ──► bootstrap ──► no marker
//!                                                              (control file last)
//! ```
//!
//! `initialising` stands in the directory from before the first other file until after the last.
//! So a directory with the marker and no control file is one whose initialisation was interrupted:
//! nobody has ever been served from it, and it is done again from the start. A directory with a
//! control file is whole, marker or not. Anything else that is not empty is somebody's own, and
//! is left alone.
//!
//! Everything but [`inspect`] runs under the lock of the directory.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::AccessFlags;
use sys::fs;

use crate::error::Error;

/// The configuration file in the data directory.
pub const CONFIG_FILE: &str = "mamont.toml";
const MARKER: &str = "initialising";
const SUBDIRECTORIES: [&str; 3] = ["base", "global", "pg_wal"];
/// Bits that group and others must not have, but for reading by the group.
const FORBIDDEN_MODE: u32 = 0o027;

/// What a data directory looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// It does not exist.
    Absent,
    /// It exists and holds nothing.
    Empty,
    /// Its initialisation was begun and not finished.
    HalfInitialised,
    /// A database.
    Database,
}

/// Looks at the directory, changing nothing.
pub fn inspect(dir: &Path) -> Result<Found, Error> {
    match std::fs::metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Absent),
        Err(error) => return Err(unreadable(dir, &error)),
        Ok(metadata) if !metadata.is_dir() => {
            let hint = "Name a directory with -D.";
            return Err(Error::data_directory(dir, "is not a directory", hint));
        }
        Ok(_) => {}
    }
    check_access(dir)?;
    let names = fs::read_dir_names(dir)?;
    if names.is_empty() {
        return Ok(Found::Empty);
    }
    if wal::control_file::exists(dir)? {
        return Ok(Found::Database);
    }
    // Killed while it made the marker: the directory was empty before.
    let only_begun = names == [format!("{MARKER}.tmp")];
    if only_begun || names.iter().any(|name| name == MARKER) {
        return Ok(Found::HalfInitialised);
    }
    Err(Error::data_directory(
        dir,
        "is not empty and is not a data directory of this server",
        "Name another directory with -D, or an absent or empty one to start a new database.",
    ))
}

fn check_access(dir: &Path) -> Result<(), Error> {
    let wanted = AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK;
    nix::unistd::eaccess(dir, wanted).map_err(|errno| unreadable(dir, &errno.into()))
}

fn unreadable(dir: &Path, error: &io::Error) -> Error {
    let hint = "The user who runs the server must own it and be able to read and write it.";
    Error::data_directory(dir, &format!("cannot be used: {error}"), hint)
}

/// Makes an absent directory, for its owner alone. Answers its absolute path without links.
pub fn create(dir: &Path, found: Found) -> Result<PathBuf, Error> {
    if found == Found::Absent {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|error| {
            let hint = "Name another directory with -D, or make this one for the server's user.";
            Error::data_directory(dir, &format!("could not be created: {error}"), hint)
        })?;
    }
    Ok(dir.canonicalize()?)
}

/// A database is the server's user's own, and others cannot write to it.
pub fn check_ownership(dir: &Path) -> Result<(), Error> {
    let metadata = std::fs::metadata(dir)?;
    if metadata.uid() != sys::process::effective_uid() {
        let hint = "The server must run as the user who owns the data directory.";
        return Err(Error::data_directory(dir, "belongs to another user", hint));
    }
    if metadata.mode() & FORBIDDEN_MODE != 0 {
        let what = format!("has mode {:04o}, open to others", metadata.mode() & 0o7777);
        return Err(Error::data_directory(dir, &what, "Its mode should be 0700 or 0750."));
    }
    Ok(())
}

/// The database was made by a server of this version.
pub fn check_version(dir: &Path) -> Result<(), Error> {
    let hint = "Use the server that made it, or name another directory with -D.";
    let control = wal::ControlFile::read(dir)
        .map_err(|error| Error::data_directory(dir, &format!("cannot be used: {error}"), hint))?;
    if control.catalog_version != catalog::CATALOG_VERSION {
        let what = format!(
            "has system tables of version {}, this server needs version {}",
            control.catalog_version,
            catalog::CATALOG_VERSION
        );
        return Err(Error::data_directory(dir, &what, hint));
    }
    Ok(())
}

/// Begins the initialisation, or begins it again: afterwards only the database itself is missing.
pub fn begin_initialisation(dir: &Path, found: Found) -> Result<(), Error> {
    std::fs::set_permissions(dir, Permissions::from_mode(0o700))?;
    fs::write_durable(&dir.join(MARKER), b"This database is being initialised.\n")?;
    if found == Found::HalfInitialised {
        SUBDIRECTORIES.iter().try_for_each(|name| remove_all(&dir.join(name)))?;
    }
    for name in SUBDIRECTORIES {
        fs::create_dir(&dir.join(name))?;
    }
    let file = dir.join(CONFIG_FILE);
    if !fs::exists(&file)? {
        fs::write_durable(&file, config::DEFAULT_FILE.as_bytes())?;
    }
    fs::sync_dir(dir)?;
    sync_ancestors(dir)
}

/// Makes the name of the data directory itself durable, and of the directories above that were
/// made with it. Those that only others may read have been there before.
fn sync_ancestors(dir: &Path) -> Result<(), Error> {
    for ancestor in dir.ancestors().skip(1) {
        match fs::sync_dir(ancestor) {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => break,
            done => done?,
        }
    }
    Ok(())
}

/// Ends the initialisation; also where a crash came just before this.
pub fn end_initialisation(dir: &Path) -> Result<(), Error> {
    let marker = dir.join(MARKER);
    if fs::exists(&marker)? {
        fs::remove_durable(&marker)?;
    }
    Ok(())
}

fn remove_all(dir: &Path) -> Result<(), Error> {
    if !fs::exists(dir)? {
        return Ok(());
    }
    for name in fs::read_dir_names(dir)? {
        fs::remove(&dir.join(name))?;
    }
    Ok(fs::remove_dir(dir)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let dir =
            std::env::temp_dir().join(format!("mamont-datadir-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        dir
    }

    #[test]
    fn an_absent_directory_becomes_a_private_one_with_the_default_file() {
        let dir = scratch("absent");
        assert_eq!(inspect(&dir).expect("inspect"), Found::Absent);
        let dir = create(&dir, Found::Absent).expect("create");
        assert_eq!(inspect(&dir).expect("inspect"), Found::Empty);
        begin_initialisation(&dir, Found::Empty).expect("begin");
        check_ownership(&dir).expect("mode 0700");
        assert_eq!(inspect(&dir).expect("inspect"), Found::HalfInitialised);
        assert!(dir.join(CONFIG_FILE).exists());
        std::fs::remove_dir_all(&dir).expect("remove");
    }

    #[test]
    fn an_interrupted_initialisation_begins_again_from_nothing() {
        let dir = scratch("interrupted");
        create(&dir, Found::Absent).expect("create");
        std::fs::write(dir.join("initialising.tmp"), "").expect("write");
        assert_eq!(inspect(&dir).expect("inspect"), Found::HalfInitialised);
        begin_initialisation(&dir, Found::Empty).expect("begin");
        std::fs::write(dir.join("base/17"), "half").expect("write");
        begin_initialisation(&dir, Found::HalfInitialised).expect("begin again");
        assert!(!dir.join("base/17").exists());
        std::fs::write(dir.join("global/pg_control"), "whole").expect("write");
        assert_eq!(inspect(&dir).expect("inspect"), Found::Database);
        end_initialisation(&dir).expect("end");
        end_initialisation(&dir).expect("end again");
        assert_eq!(inspect(&dir).expect("inspect"), Found::Database);
        std::fs::remove_dir_all(&dir).expect("remove");
    }

    #[test]
    fn somebody_elses_directory_is_refused() {
        let dir = scratch("other");
        create(&dir, Found::Absent).expect("create");
        std::fs::write(dir.join("letter.txt"), "dear").expect("write");
        let error = inspect(&dir).expect_err("not ours");
        assert!(error.to_string().contains("not empty"), "{error}");
        assert!(inspect(&dir.join("letter.txt")).is_err());
        std::fs::set_permissions(&dir, Permissions::from_mode(0o755)).expect("chmod");
        let error = check_ownership(&dir).expect_err("open to all");
        assert!(error.to_string().contains("0755"), "{error}");
        std::fs::remove_dir_all(&dir).expect("remove");
    }
}
