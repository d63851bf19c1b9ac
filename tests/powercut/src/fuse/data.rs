//! The content of files: open, read, write, allocate, and the attributes that can be set.

use nix::errno::Errno;
use nix::fcntl::FallocateFlags;
use nix::sys::stat::SFlag;

use crate::fault::Operation;
use crate::journal::{Change, FILE_BYTES_MAX};

use super::volume::Volume;
use super::wire::{Answer, Reply, Request};

/// The kernel keeps the cached pages of a file that is opened again.
const KEEP_CACHE: u32 = 2;

/// The end of a range, if a file may be that long.
fn end_of(offset: u64, length: u64) -> Answer<u64> {
    let end = offset.checked_add(length).filter(|end| *end <= FILE_BYTES_MAX);
    end.ok_or(Errno::EFBIG)
}

impl Volume {
    /// OPEN
    pub(super) fn open(&mut self, inode: u64, reply: &mut Reply) -> Answer<()> {
        self.tree.node_mut(inode).ok_or(Errno::ENOENT)?.opens += 1;
        reply.u64s(&[0]);
        reply.u32s(&[KEEP_CACHE, 0]);
        Ok(())
    }

    /// RELEASE
    pub(super) fn release(&mut self, request: &Request<'_>) -> Answer<()> {
        let node = self.tree.node_mut(request.inode).ok_or(Errno::ENOENT)?;
        node.opens = node.opens.saturating_sub(1);
        self.tree.reap(request.inode);
        Ok(())
    }

    /// READ
    pub(super) fn read(&self, request: &Request<'_>, reply: &mut Reply) -> Answer<()> {
        let (offset, length) = (request.u64(8)?, u64::from(request.u32(16)?));
        let data = &self.node(request.inode)?.data;
        let end = offset.saturating_add(length).min(data.len() as u64);
        reply.data(&data[offset.min(end) as usize..end as usize]);
        Ok(())
    }

    /// WRITE
    pub(super) fn write(&mut self, request: &Request<'_>, reply: &mut Reply) -> Answer<()> {
        let (offset, length) = (request.u64(8)?, request.u32(16)?);
        let data = request.data(40, length as usize)?;
        end_of(offset, u64::from(length))?;
        self.injected(Operation::Write, request.inode)?;
        self.put(Change::Write { inode: request.inode, offset, data: data.into() });
        reply.u32s(&[length, 0]);
        Ok(())
    }

    /// FALLOCATE: growing and reserving only.
    pub(super) fn allocate(&mut self, request: &Request<'_>) -> Answer<()> {
        let (inode, end) = (request.inode, end_of(request.u64(8)?, request.u64(16)?)?);
        let mode = FallocateFlags::from_bits_retain(request.u32(24)? as i32);
        self.injected(Operation::Write, inode)?;
        if !FallocateFlags::FALLOC_FL_KEEP_SIZE.contains(mode) {
            return Err(Errno::EOPNOTSUPP);
        }
        if mode.is_empty() && end > self.node(inode)?.data.len() as u64 {
            self.put(Change::Truncate { inode, size: end });
        }
        Ok(())
    }

    /// SETATTR: mode, user, group and length; times are not kept.
    pub(super) fn set_attributes(
        &mut self,
        request: &Request<'_>,
        reply: &mut Reply,
    ) -> Answer<()> {
        const MODE: u32 = 1;
        const USER: u32 = 2;
        const GROUP: u32 = 4;
        const SIZE: u32 = 8;
        let (inode, valid) = (request.inode, request.u32(0)?);
        let node = self.node(inode)?;
        let pick = |bit, at, old| if valid & bit != 0 { request.u32(at) } else { Ok(old) };
        let permissions = pick(MODE, 68, node.mode)? & 0o7777;
        let user = pick(USER, 76, (node.owner >> 32) as u32)?;
        let group = pick(GROUP, 80, node.owner as u32)?;
        let mode = node.mode & SFlag::S_IFMT.bits() | permissions;
        if valid & (MODE | USER | GROUP) != 0 {
            let owner = u64::from(user) << 32 | u64::from(group);
            self.put(Change::Attributes { inode, mode, owner });
        }
        if valid & SIZE != 0 {
            let size = end_of(0, request.u64(16)?)?;
            self.injected(Operation::Write, inode)?;
            self.put(Change::Truncate { inode, size });
        }
        self.attributes(inode, reply)
    }
}
