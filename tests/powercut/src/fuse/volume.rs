//! The state of the file system, and which request goes where.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;
use nix::time::{ClockId, clock_gettime};

use crate::Error;
use crate::fault::{Fault, Operation};
use crate::journal::{Change, FILE_BYTES_MAX, Record};
use crate::tree::{Node, ROOT, Tree, is_zero};

use super::wire::{Answer, Reply, Request, VALID_SECONDS, WRITE_BYTES_MAX, opcode};

/// What an open directory held when it was opened: inode, mode and name.
pub(super) type Listing = Vec<(u64, u32, Vec<u8>)>;

/// The files, and the journal of what happens to them. Protected by the lock of [`super::Server`].
pub(crate) struct Volume {
    pub(super) tree: Tree,
    journal: BufWriter<File>,
    /// The rules of `--fail`.
    pub(super) faults: Vec<Fault>,
    /// Open directories by their handle.
    pub(super) listings: HashMap<u64, Listing>,
    /// The last inode or handle that was given out.
    pub(super) last_number: u64,
    /// How many records the journal has.
    pub(crate) records: u64,
    /// How many fsyncs have begun.
    pub(crate) syncs: u64,
    /// When the power went, on CLOCK_MONOTONIC.
    pub(crate) cut_ns: Option<u64>,
    /// Why the journal is not whole.
    journal_error: Option<io::Error>,
}

/// The time of the journal.
pub(super) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("Linux has that clock");
    now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
}

impl Volume {
    /// An empty volume with an empty journal.
    pub(crate) fn new(journal: File, faults: Vec<Fault>) -> Volume {
        Volume {
            tree: Tree::default(),
            journal: BufWriter::with_capacity(1 << 18, journal),
            faults,
            listings: HashMap::new(),
            last_number: 0,
            records: 0,
            syncs: 0,
            cut_ns: None,
            journal_error: None,
        }
    }

    /// Copies the initial content in.
    pub(crate) fn load(&mut self, source: &Path) -> Result<(), Error> {
        self.load_node(0, b"", source)?;
        self.put(Change::Start);
        Ok(())
    }

    fn load_node(&mut self, directory: u64, name: &[u8], path: &Path) -> Result<(), Error> {
        let at = || Error::file(path);
        let metadata = fs::symlink_metadata(path).map_err(at())?;
        let owner = u64::from(metadata.uid()) << 32 | u64::from(metadata.gid());
        let inode = self.make(directory, name, metadata.mode(), owner);
        if metadata.is_dir() {
            for entry in fs::read_dir(path).map_err(at())? {
                let entry = entry.map_err(at())?;
                self.load_node(inode, entry.file_name().as_bytes(), &entry.path())?;
            }
        } else if metadata.is_symlink() {
            let target = fs::read_link(path).map_err(at())?;
            self.load_data(inode, target.as_os_str().as_bytes());
        } else {
            self.load_data(inode, &fs::read(path).map_err(at())?);
        }
        Ok(())
    }

    /// Zeros are left out.
    fn load_data(&mut self, inode: u64, data: &[u8]) {
        self.put(Change::Truncate { inode, size: data.len() as u64 });
        for (part, offset) in data.chunks(WRITE_BYTES_MAX).zip((0..).step_by(WRITE_BYTES_MAX)) {
            if !is_zero(part) {
                self.put(Change::Write { inode, offset, data: part.into() });
            }
        }
    }

    /// Applies one change and journals it.
    pub(super) fn put(&mut self, change: Change<'_>) {
        let record = Record { time_ns: now_ns(), change };
        self.tree.apply(&record.change);
        if let Err(error) = record.write_to(&mut self.journal) {
            self.journal_error.get_or_insert(error);
        }
        self.records += 1;
    }

    /// Makes an inode without a name.
    pub(super) fn make_inode(&mut self, mode: u32, owner: u64) -> u64 {
        self.last_number += 1;
        let inode = self.last_number;
        self.put(Change::New { inode, mode, owner });
        inode
    }

    /// Makes an inode, and its first name unless it is the root.
    pub(super) fn make(&mut self, directory: u64, name: &[u8], mode: u32, owner: u64) -> u64 {
        let inode = self.make_inode(mode, owner);
        if inode != ROOT {
            self.put(Change::Add { directory, name: name.into(), inode, created: true });
        }
        inode
    }

    /// Whether the journal could not be written.
    pub(crate) fn has_failed(&self) -> bool {
        self.journal_error.is_some()
    }

    /// Brings the journal to its file, or says why it is not whole.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.journal.flush()?;
        self.journal_error.take().map_or(Ok(()), Err)
    }

    pub(super) fn node(&self, inode: u64) -> Answer<&Node> {
        self.tree.node(inode).ok_or(Errno::ENOENT)
    }

    pub(super) fn child(&self, directory: u64, name: &[u8]) -> Answer<u64> {
        self.tree.child(directory, name).ok_or(Errno::ENOENT)
    }

    /// The error that a `--fail` rule asks for, if any.
    pub(super) fn injected(&mut self, operation: Operation, inode: u64) -> Answer<()> {
        if self.faults.is_empty() {
            return Ok(());
        }
        let path = self.path_of(inode);
        let mut faults = self.faults.iter_mut();
        let Some(fault) = faults.find(|fault| fault.concerns(operation, &path)) else {
            return Ok(());
        };
        if !fault.strikes() {
            return Ok(());
        }
        eprintln!("powercut: {} of {path} fails: {}", operation.name(), fault.errno);
        Err(fault.errno)
    }

    /// Where the inode was last linked, from the root of the mount.
    fn path_of(&self, mut inode: u64) -> String {
        let mut path = String::new();
        while inode != ROOT
            && let Some(node) = self.tree.node(inode)
        {
            path = format!("/{}{path}", String::from_utf8_lossy(&node.home.1));
            inode = node.home.0;
        }
        path
    }

    /// Serves one request.
    pub(super) fn handle(&mut self, request: &Request<'_>, reply: &mut Reply) -> Answer<()> {
        match request.opcode {
            opcode::INIT => initialise(request, reply),
            opcode::LOOKUP => self.look_up(request, reply),
            opcode::GETATTR => self.attributes(request.inode, reply),
            opcode::SETATTR => self.set_attributes(request, reply),
            opcode::READLINK => self.read_link(request, reply),
            opcode::SYMLINK => self.make_link(request, reply),
            opcode::MKDIR => self.make_directory(request, reply),
            opcode::CREATE => self.create(request, reply),
            opcode::UNLINK | opcode::RMDIR => self.remove(request),
            opcode::RENAME => self.rename(request),
            opcode::LINK => self.link(request, reply),
            opcode::OPEN => self.open(request.inode, reply),
            opcode::RELEASE => self.release(request),
            opcode::READ => self.read(request, reply),
            opcode::WRITE => self.write(request, reply),
            opcode::FALLOCATE => self.allocate(request),
            opcode::STATFS => file_system(reply),
            opcode::OPENDIR => self.open_directory(request, reply),
            opcode::READDIR => self.read_directory(request, reply),
            opcode::RELEASEDIR => self.release_directory(request),
            _ => Err(Errno::ENOSYS), // the kernel does without
        }
    }

    /// Appends the attributes, and for how long they are valid.
    pub(super) fn attributes(&self, inode: u64, reply: &mut Reply) -> Answer<()> {
        reply.u64s(&[VALID_SECONDS, 0]);
        self.bare_attributes(inode, reply)
    }

    /// Appends an entry: inode and attributes, and for how long they are valid.
    pub(super) fn entry(&self, inode: u64, reply: &mut Reply) -> Answer<()> {
        reply.u64s(&[inode, 0, VALID_SECONDS, VALID_SECONDS, 0]);
        self.bare_attributes(inode, reply)
    }

    fn bare_attributes(&self, inode: u64, reply: &mut Reply) -> Answer<()> {
        let node = self.node(inode)?;
        let (size, seconds) = (node.data.len() as u64, now_ns() / 1_000_000_000);
        let (user, group) = ((node.owner >> 32) as u32, node.owner as u32);
        reply.u64s(&[inode, size, size.div_ceil(512), seconds, seconds, seconds]);
        reply.u32s(&[0, 0, 0, node.mode, node.links, user, group, 0, 4096, 0]);
        Ok(())
    }
}

/// Agrees on version, readahead, flags and limits with the kernel.
fn initialise(request: &Request<'_>, reply: &mut Reply) -> Answer<()> {
    const ASYNC_READ: u32 = 1;
    const BIG_WRITES: u32 = 1 << 5;
    const MAX_PAGES: u32 = 1 << 22;
    let flags = request.u32(12)? & (ASYNC_READ | BIG_WRITES | MAX_PAGES);
    let background = 12 << 16 | 16; // congested at 12 requests, 16 at most
    let (readahead, pages) = (request.u32(8)?, (WRITE_BYTES_MAX / 4096) as u32);
    reply.u32s(&[7, 31, readahead, flags, background, WRITE_BYTES_MAX as u32, 1, pages]);
    reply.u32s(&[0; 8]);
    Ok(())
}

/// As much room as a file may take.
fn file_system(reply: &mut Reply) -> Answer<()> {
    let blocks = FILE_BYTES_MAX / 4096;
    reply.u64s(&[blocks, blocks, blocks, 1 << 20, 1 << 20]);
    reply.u32s(&[4096, 255, 4096, 0, 0, 0, 0, 0, 0, 0]);
    Ok(())
}
