//! Reading directories. A listing is made when the directory is opened, so that deleting while
//! reading skips nothing.

use nix::errno::Errno;

use super::volume::{Listing, Volume};
use super::wire::{Answer, Reply, Request};

/// An entry's bytes before its name.
const ENTRY_HEADER_BYTES: usize = 24;

impl Volume {
    /// OPENDIR
    pub(super) fn open_directory(
        &mut self,
        request: &Request<'_>,
        reply: &mut Reply,
    ) -> Answer<()> {
        let entries = self.node(request.inode)?.entries.iter();
        let listed = |(name, inode): (&Vec<u8>, &u64)| {
            self.tree.node(*inode).map(|node| (*inode, node.mode, name.clone()))
        };
        let listing: Listing = entries.filter_map(listed).collect();
        self.last_number += 1;
        self.listings.insert(self.last_number, listing);
        reply.u64s(&[self.last_number]);
        reply.u32s(&[0, 0]);
        Ok(())
    }

    /// READDIR
    pub(super) fn read_directory(&self, request: &Request<'_>, reply: &mut Reply) -> Answer<()> {
        let (handle, first) = (request.u64(0)?, request.u64(8)? as usize);
        let room = request.u32(16)? as usize;
        let listing = self.listings.get(&handle).ok_or(Errno::EBADF)?;
        for (at, (inode, mode, name)) in listing.iter().enumerate().skip(first) {
            let length = (ENTRY_HEADER_BYTES + name.len()).next_multiple_of(8);
            if reply.length() + length > room {
                break;
            }
            reply.u64s(&[*inode, at as u64 + 1]);
            reply.u32s(&[name.len() as u32, mode >> 12]);
            reply.data(name);
            reply.pad();
        }
        Ok(())
    }

    /// RELEASEDIR
    pub(super) fn release_directory(&mut self, request: &Request<'_>) -> Answer<()> {
        self.listings.remove(&request.u64(0)?);
        Ok(())
    }
}
