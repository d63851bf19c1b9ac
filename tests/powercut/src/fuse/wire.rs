//! The bytes of the FUSE protocol, version 7.31: `linux/fuse.h` in the kernel's headers.
//!
//! ```text
//!   request:  length u32, opcode u32, unique u64, inode u64, uid u32, gid u32, pid u32, 0 u32, body
//!   answer:   length u32, -errno i32, unique u64, body
//! ```

use nix::errno::Errno;

/// A result for the process that made the request.
pub(super) type Answer<T> = Result<T, Errno>;

/// The bytes of a write at most; longer ones come in parts.
pub(crate) const WRITE_BYTES_MAX: usize = 1 << 20;
/// A request at most: a write with its header.
pub(super) const REQUEST_BYTES_MAX: usize = WRITE_BYTES_MAX + 4096;
/// For how many seconds the kernel may trust an answer: nothing changes behind its back.
pub(super) const VALID_SECONDS: u64 = 3600;
/// The header of a request.
const REQUEST_HEADER_BYTES: usize = 40;
/// The header of an answer.
const ANSWER_HEADER_BYTES: usize = 16;

/// What is asked for.
pub(super) mod opcode {
    pub const LOOKUP: u32 = 1;
    pub const FORGET: u32 = 2;
    pub const GETATTR: u32 = 3;
    pub const SETATTR: u32 = 4;
    pub const READLINK: u32 = 5;
    pub const SYMLINK: u32 = 6;
    pub const MKDIR: u32 = 9;
    pub const UNLINK: u32 = 10;
    pub const RMDIR: u32 = 11;
    pub const RENAME: u32 = 12;
    pub const LINK: u32 = 13;
    pub const OPEN: u32 = 14;
    pub const READ: u32 = 15;
    pub const WRITE: u32 = 16;
    pub const STATFS: u32 = 17;
    pub const RELEASE: u32 = 18;
    pub const FSYNC: u32 = 20;
    pub const INIT: u32 = 26;
    pub const OPENDIR: u32 = 27;
    pub const READDIR: u32 = 28;
    pub const RELEASEDIR: u32 = 29;
    pub const FSYNCDIR: u32 = 30;
    pub const CREATE: u32 = 35;
    pub const INTERRUPT: u32 = 36;
    pub const BATCH_FORGET: u32 = 42;
    pub const FALLOCATE: u32 = 43;
}

/// A request. Its body has integers, names and data at known places.
pub(super) struct Request<'a> {
    pub opcode: u32,
    pub unique: u64,
    pub inode: u64,
    /// The user's id, shifted left by 32 bits, and the group's.
    pub owner: u64,
    body: &'a [u8],
}

impl<'a> Request<'a> {
    /// Takes a request apart; none if it is too short to be one.
    pub fn parse(bytes: &'a [u8]) -> Option<Request<'a>> {
        let (body, bytes) = (bytes.get(REQUEST_HEADER_BYTES..)?, bytes);
        let header = Request { opcode: 0, unique: 0, inode: 0, owner: 0, body: bytes };
        let (user, group) = (header.u32(24).ok()?, header.u32(28).ok()?);
        Some(Request {
            opcode: header.u32(4).ok()?,
            unique: header.u64(8).ok()?,
            inode: header.u64(16).ok()?,
            owner: u64::from(user) << 32 | u64::from(group),
            body,
        })
    }

    /// The integer at that place of the body.
    pub fn u32(&self, at: usize) -> Answer<u32> {
        let bytes = self.body.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map(|bytes| u32::from_le_bytes(*bytes)).ok_or(Errno::EIO)
    }

    /// The same, of 64 bits.
    pub fn u64(&self, at: usize) -> Answer<u64> {
        let bytes = self.body.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map(|bytes| u64::from_le_bytes(*bytes)).ok_or(Errno::EIO)
    }

    /// The name at that place, and the one behind it, if there is one.
    pub fn names(&self, at: usize) -> Answer<(&'a [u8], &'a [u8])> {
        let rest = self.body.get(at..).ok_or(Errno::EIO)?;
        let mut names = rest.split(|byte| *byte == 0);
        Ok((names.next().unwrap_or_default(), names.next().unwrap_or_default()))
    }

    /// So many bytes from that place.
    pub fn data(&self, at: usize, length: usize) -> Answer<&'a [u8]> {
        self.body.get(at..).and_then(|rest| rest.get(..length)).ok_or(Errno::EIO)
    }
}

/// An answer in the making, in a buffer that is used again.
pub(super) struct Reply {
    bytes: Vec<u8>,
}

impl Reply {
    /// An empty one.
    pub fn new() -> Reply {
        Reply { bytes: vec![0; ANSWER_HEADER_BYTES] }
    }

    /// Empties it for the next request.
    pub fn clear(&mut self) {
        self.bytes.truncate(ANSWER_HEADER_BYTES);
    }

    /// How many bytes the body has.
    pub fn length(&self) -> usize {
        self.bytes.len() - ANSWER_HEADER_BYTES
    }

    /// Appends integers.
    pub fn u32s(&mut self, numbers: &[u32]) {
        numbers.iter().for_each(|number| self.bytes.extend(number.to_le_bytes()));
    }

    /// Appends integers of 64 bits.
    pub fn u64s(&mut self, numbers: &[u64]) {
        numbers.iter().for_each(|number| self.bytes.extend(number.to_le_bytes()));
    }

    /// Appends data.
    pub fn data(&mut self, data: &[u8]) {
        self.bytes.extend_from_slice(data);
    }

    /// Appends zeros up to a multiple of eight bytes.
    pub fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
    }

    /// The whole answer to that request; of a failure only the error.
    pub fn finish(&mut self, unique: u64, result: Answer<()>) -> &[u8] {
        let errno = result.err().map_or(0, |errno| -(errno as i32));
        if errno != 0 {
            self.clear();
        }
        let length = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&length.to_le_bytes());
        self.bytes[4..8].copy_from_slice(&errno.to_le_bytes());
        self.bytes[8..16].copy_from_slice(&unique.to_le_bytes());
        &self.bytes
    }
}
