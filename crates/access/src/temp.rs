//! Temporary files: what a process spills when it has no more memory for it.
//!
//! They lie in `base/pgsql_tmp/`, named for the process: `pgsql_tmp<pid>.<number>`. A file is removed
//! when it is dropped; what a crash leaves, startup removes before anybody else comes in. Nothing in
//! them needs to survive anything, so nothing is synced.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use buffer::BufferPool;
use sys::fs::{self, File, OpenHow};

use crate::error::Error;

const FOLDER: &str = "pgsql_tmp";
/// Bytes gathered before they are written, and read at once.
const CHUNK: usize = 256 << 10;

/// The number of this process's next file.
static NEXT: AtomicU32 = AtomicU32::new(0);

fn folder(base: &Path) -> PathBuf {
    base.join(FOLDER)
}

fn io(error: std::io::Error) -> Error {
    buffer::Error::from(error).into()
}

/// Removes what processes of an earlier life have left. Before any process may make such files.
pub fn remove_leftovers(pool: &BufferPool) -> Result<(), Error> {
    let folder = folder(pool.files().base());
    if !fs::exists(&folder).map_err(io)? {
        return Ok(());
    }
    for name in fs::read_dir_names(&folder).map_err(io)? {
        fs::remove(&folder.join(name)).map_err(io)?;
    }
    Ok(())
}

/// A file that is written once, from the beginning, and then read. Removed when dropped.
pub(crate) struct TempFile {
    path: PathBuf,
    file: Option<File>,
    chunk: Vec<u8>,
    written: u64,
}

impl TempFile {
    /// A new file.
    pub fn create(pool: &BufferPool) -> Result<TempFile, Error> {
        let folder = folder(pool.files().base());
        if !fs::exists(&folder).map_err(io)? {
            match fs::create_dir(&folder) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(io(error));
                }
                _ => {}
            }
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{FOLDER}{}.{number}", sys::process::pid()));
        let file = File::open(&path, OpenHow { truncate: true, ..OpenHow::CREATE }).map_err(io)?;
        Ok(TempFile { path, file: Some(file), chunk: Vec::with_capacity(CHUNK), written: 0 })
    }

    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.chunk.len() + bytes.len() > CHUNK {
            self.flush()?;
        }
        self.chunk.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes what is gathered; the file takes no descriptor then until it is read.
    pub fn finish(&mut self) -> Result<(), Error> {
        self.flush()?;
        self.chunk = Vec::new();
        self.file = None;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        if let Some(file) = &self.file {
            file.write_all_at(&self.chunk, self.written).map_err(io)?;
        }
        self.written += self.chunk.len() as u64;
        self.chunk.clear();
        Ok(())
    }

    /// Reads a finished file from its beginning.
    pub fn read(self) -> Result<TempReader, Error> {
        let file = File::open(&self.path, OpenHow::READ).map_err(io)?;
        Ok(TempReader {
            file,
            left: self.written,
            position: 0,
            chunk: Vec::new(),
            at: 0,
            _of: self,
        })
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove(&self.path) {
            tracing::warn!("could not remove a temporary file: {error}");
        }
    }
}

/// A temporary file that is being read.
pub(crate) struct TempReader {
    file: File,
    position: u64,
    left: u64,
    chunk: Vec<u8>,
    at: usize,
    /// Removed together with the reader.
    _of: TempFile,
}

impl TempReader {
    /// Replaces `out` by the next `length` bytes. `false`: the file ends before them.
    pub fn read(&mut self, length: usize, out: &mut Vec<u8>) -> Result<bool, Error> {
        out.clear();
        while out.len() < length {
            if self.at == self.chunk.len() {
                let next = self.left.min(CHUNK as u64);
                if next == 0 {
                    return Ok(false);
                }
                self.chunk.resize(next as usize, 0);
                self.file.read_exact_at(&mut self.chunk, self.position).map_err(io)?;
                (self.position, self.left, self.at) = (self.position + next, self.left - next, 0);
            }
            let take = (length - out.len()).min(self.chunk.len() - self.at);
            out.extend_from_slice(&self.chunk[self.at..self.at + take]);
            self.at += take;
        }
        Ok(true)
    }
}
