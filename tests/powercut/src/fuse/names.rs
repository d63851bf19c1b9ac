//! Names: look up, create, remove, rename, link. The kernel has checked kinds and permissions, and
//! has applied the umask.

use nix::errno::Errno;
use nix::sys::stat::SFlag;

use crate::journal::Change;

use super::volume::Volume;
use super::wire::{Answer, Reply, Request};

impl Volume {
    /// LOOKUP
    pub(super) fn look_up(&self, request: &Request<'_>, reply: &mut Reply) -> Answer<()> {
        let (name, _) = request.names(0)?;
        self.entry(self.child(request.inode, name)?, reply)
    }

    /// READLINK
    pub(super) fn read_link(&self, request: &Request<'_>, reply: &mut Reply) -> Answer<()> {
        reply.data(&self.node(request.inode)?.data);
        Ok(())
    }

    /// What has that name, made if nothing has.
    fn found_or_made(&mut self, request: &Request<'_>, name: &[u8], mode: u32) -> u64 {
        match self.tree.child(request.inode, name) {
            Some(inode) => inode,
            None => self.make(request.inode, name, mode, request.owner),
        }
    }

    /// SYMLINK. The target comes before the name: no cut leaves a link without one.
    pub(super) fn make_link(&mut self, request: &Request<'_>, reply: &mut Reply) -> Answer<()> {
        let (directory, (name, target)) = (request.inode, request.names(0)?);
        let inode = self.make_inode(SFlag::S_IFLNK.bits() | 0o777, request.owner);
        self.put(Change::Write { inode, offset: 0, data: target.into() });
        self.put(Change::Add { directory, name: name.into(), inode, created: true });
        self.entry(inode, reply)
    }

    /// MKDIR
    pub(super) fn make_directory(
        &mut self,
        request: &Request<'_>,
        reply: &mut Reply,
    ) -> Answer<()> {
        let (mode, (name, _)) = (request.u32(0)? & 0o7777, request.names(8)?);
        let inode = self.found_or_made(request, name, SFlag::S_IFDIR.bits() | mode);
        self.entry(inode, reply)
    }

    /// CREATE, which also opens
    pub(super) fn create(&mut self, request: &Request<'_>, reply: &mut Reply) -> Answer<()> {
        let (mode, (name, _)) = (request.u32(4)?, request.names(16)?);
        let inode = self.found_or_made(request, name, mode);
        self.entry(inode, reply)?;
        self.open(inode, reply)
    }

    /// UNLINK, RMDIR
    pub(super) fn remove(&mut self, request: &Request<'_>) -> Answer<()> {
        let (name, _) = request.names(0)?;
        let inode = self.child(request.inode, name)?;
        if !self.node(inode)?.entries.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        self.put(Change::Delete { directory: request.inode, name: name.into(), inode });
        self.tree.reap(inode);
        Ok(())
    }

    /// RENAME. As there is no RENAME2, the kernel refuses RENAME_NOREPLACE and RENAME_EXCHANGE.
    pub(super) fn rename(&mut self, request: &Request<'_>) -> Answer<()> {
        let (from, to) = (request.inode, request.u64(0)?);
        let (old_name, new_name) = request.names(8)?;
        let inode = self.child(from, old_name)?;
        let replaced = self.tree.child(to, new_name);
        if replaced == Some(inode) {
            return Ok(());
        }
        if let Some(replaced) = replaced
            && !self.node(replaced)?.entries.is_empty()
        {
            return Err(Errno::ENOTEMPTY);
        }
        let (old_name, new_name) = (old_name.into(), new_name.into());
        self.put(Change::Move { from, to, inode, old_name, new_name });
        replaced.into_iter().for_each(|inode| self.tree.reap(inode));
        Ok(())
    }

    /// LINK
    pub(super) fn link(&mut self, request: &Request<'_>, reply: &mut Reply) -> Answer<()> {
        let (inode, (name, _)) = (request.u64(0)?, request.names(8)?);
        self.node(inode)?;
        let (directory, name) = (request.inode, name.into());
        self.put(Change::Add { directory, name, inode, created: false });
        self.entry(inode, reply)
    }
}
