//! The tree of files: what results when changes are applied in order. The recorder holds one as the
//! processes see it, the model one as the disk holds it.
//!
//! Applying is defined for any choice of changes, also where earlier ones of other names are
//! missing: that is what a disk after a power cut may hold.

use std::collections::{BTreeMap, btree_map};
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, chown, symlink};
use std::path::Path;

use nix::sys::stat::SFlag;

use crate::journal::Change;

/// The inode of the root directory.
pub const ROOT: u64 = 1;
/// Names nest no deeper than a path can be long.
const DEPTH_MAX: usize = 2048;
/// Blocks of zeros of this size stay holes.
const BLOCK_BYTES: usize = 1 << 16;

/// A file, directory or symbolic link.
#[derive(Default, Debug)]
pub struct Node {
    /// Its kind and its permissions.
    pub mode: u32,
    /// Its user's id, shifted left by 32 bits, and its group's.
    pub owner: u64,
    /// Its content; of a symbolic link: its target.
    pub data: Vec<u8>,
    /// Of a directory: what it holds.
    pub entries: BTreeMap<Vec<u8>, u64>,
    /// How many names it has.
    pub links: u32,
    /// How many open files there are of it.
    pub opens: u32,
    /// Its last directory and name, for messages.
    pub home: (u64, Vec<u8>),
}

/// Which kind of file a mode says.
pub fn kind(mode: u32) -> SFlag {
    SFlag::from_bits_truncate(mode) & SFlag::S_IFMT
}

/// All nodes by their inode.
#[derive(Default, Debug)]
pub struct Tree {
    nodes: BTreeMap<u64, Node>,
}

impl Tree {
    /// The node of an inode.
    pub fn node(&self, inode: u64) -> Option<&Node> {
        self.nodes.get(&inode)
    }

    /// The same, to change.
    pub fn node_mut(&mut self, inode: u64) -> Option<&mut Node> {
        self.nodes.get_mut(&inode)
    }

    /// What has that name.
    pub fn child(&self, directory: u64, name: &[u8]) -> Option<u64> {
        self.node(directory)?.entries.get(name).copied()
    }

    /// Forgets an inode that has no name and is not open.
    pub fn reap(&mut self, inode: u64) {
        if let btree_map::Entry::Occupied(entry) = self.nodes.entry(inode)
            && entry.get().links == 0
            && entry.get().opens == 0
        {
            entry.remove();
        }
    }

    /// Applies one change.
    pub fn apply(&mut self, change: &Change<'_>) {
        match change {
            Change::New { inode, mode, owner } | Change::Attributes { inode, mode, owner } => {
                let node = self.nodes.entry(*inode).or_default();
                (node.mode, node.owner) = (*mode, *owner);
            }
            Change::Write { inode, .. } | Change::Truncate { inode, .. } => {
                apply_data(&mut self.nodes.entry(*inode).or_default().data, change);
            }
            Change::Add { directory, name, inode, .. } => self.link(*directory, name, *inode),
            Change::Delete { directory, name, inode } => self.unlink(*directory, name, *inode),
            Change::Move { from, to, inode, old_name, new_name } => {
                if let Some(replaced) = self.child(*to, new_name) {
                    self.unlink(*to, new_name, replaced);
                }
                self.link(*to, new_name, *inode);
                self.unlink(*from, old_name, *inode);
            }
            Change::SyncBegin { .. }
            | Change::SyncEnd { .. }
            | Change::SyncFail { .. }
            | Change::Start => {}
        }
    }

    fn link(&mut self, directory: u64, name: &[u8], inode: u64) {
        self.nodes.entry(directory).or_default().entries.insert(name.to_vec(), inode);
        let node = self.nodes.entry(inode).or_default();
        (node.links, node.home) = (node.links + 1, (directory, name.to_vec()));
    }

    /// Takes the name away if it still means that inode.
    fn unlink(&mut self, directory: u64, name: &[u8], inode: u64) {
        let Some(holder) = self.nodes.get_mut(&directory) else { return };
        if holder.entries.get(name) == Some(&inode) {
            holder.entries.remove(name);
            let node = self.nodes.entry(inode).or_default();
            node.links = node.links.saturating_sub(1);
        }
    }

    /// Writes the tree as the directory `out`.
    pub fn write_out(&self, out: &Path) -> Result<()> {
        self.write_node(ROOT, out, 0)
    }

    fn write_node(&self, inode: u64, path: &Path, depth: usize) -> Result<()> {
        let wrong = |what: &str| Error::new(ErrorKind::InvalidData, what.to_owned());
        let node =
            self.node(inode).ok_or_else(|| wrong("the journal names a file unknown to it"))?;
        match kind(node.mode) {
            SFlag::S_IFLNK => return symlink(OsStr::from_bytes(&node.data), path),
            SFlag::S_IFDIR if depth > DEPTH_MAX => return Err(wrong("directories without end")),
            SFlag::S_IFDIR => {
                fs::create_dir_all(path)?;
                for (name, child) in &node.entries {
                    self.write_node(*child, &path.join(OsStr::from_bytes(name)), depth + 1)?;
                }
            }
            _ => write_sparse(&File::create(path)?, &node.data)?,
        }
        fs::set_permissions(path, Permissions::from_mode(node.mode & 0o7777))?;
        chown(path, Some((node.owner >> 32) as u32), Some(node.owner as u32))
    }
}

fn write_sparse(file: &File, data: &[u8]) -> Result<()> {
    for (block, at) in data.chunks(BLOCK_BYTES).zip((0..).step_by(BLOCK_BYTES)) {
        if !is_zero(block) {
            file.write_all_at(block, at)?;
        }
    }
    file.set_len(data.len() as u64)
}

/// Whether a block of at most [`BLOCK_BYTES`] holds zeros only.
pub(crate) fn is_zero(block: &[u8]) -> bool {
    static ZEROS: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];
    block.chunks(BLOCK_BYTES).all(|part| *part == ZEROS[..part.len()])
}

/// Applies a write or a change of the length to the content of a file.
pub(crate) fn apply_data(content: &mut Vec<u8>, change: &Change<'_>) {
    match change {
        Change::Truncate { size, .. } => content.resize(*size as usize, 0),
        Change::Write { offset, data, .. } => {
            let (low, high) = (*offset as usize, *offset as usize + data.len());
            if high > content.len() {
                content.resize(high, 0);
            }
            content[low..high].copy_from_slice(data);
        }
        _ => {}
    }
}
