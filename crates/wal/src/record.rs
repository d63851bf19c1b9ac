//! The record: what an inserter hands in, and its bytes.
//!
//! ```text
//! record header, 32 bytes (little-endian)
//!   0  length     u32   of the whole record, unaligned
//!   4  crc        u32   CRC-32 of the system identifier, bytes 32.., then bytes 0..4 and 8..32
//!   8  lsn        u64   where this record starts: a stale record elsewhere never matches
//!  16  xid        u64   the transaction, or 0
//!  24  rmgr       u8    resource manager
//!  25  kind       u8    what it did; the resource manager's own number
//!  26  blocks     u8    how many block headers follow
//!  27  (zero)     u8
//!  28  data       u32   length of the main data at the end
//! block header, 16 bytes, for each block
//!   0  relation   u64
//!   8  block      u32
//!  12  fork       u8
//!  13  flags      u8    1: image follows  2: page is made anew  4: image is compressed (lz4)
//!  14  data       u16   length of this block's data
//! image header, 8 bytes, behind a block header whose flag says so
//!   0  hole start u16   0 with hole length 0: no hole
//!   2  hole len   u16
//!   4  stored     u16   bytes of the image in this record
//!   6  (zero)     u16
//! then for each block its image and its data, then the main data
//! ```
//!
//! The list of block references can be read without knowing the resource manager. An image is the
//! page *after* the change: redo of a block with an image restores it and is done.

use smallvec::SmallVec;
use types::{BufferTag, Lsn, PAGE_SIZE, SystemId, Xid};

use crate::error::Error;

/// Bytes of a record's header.
pub const RECORD_HEADER: usize = 32;
/// The longest record; a length above it is damage.
pub const MAX_RECORD: u64 = 4 << 20;
/// The most blocks one record refers to.
pub const MAX_BLOCKS: usize = 32;

pub(crate) const BLOCK_HEADER: usize = 16;
pub(crate) const IMAGE_HEADER: usize = 8;
pub(crate) const HAS_IMAGE: u8 = 1;
pub(crate) const WILL_INIT: u8 = 2;
pub(crate) const COMPRESSED: u8 = 4;

/// Whose record it is, and who redoes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Rmgr {
    /// The log itself: checkpoints, images for hints.
    Xlog = 0,
    /// Transactions and their status pages.
    Xact = 1,
    /// Relation files: create, drop, truncate.
    Storage = 2,
    /// Tables and their free space.
    Heap = 3,
    /// Indexes.
    Btree = 4,
    /// Sequences.
    Sequence = 5,
}

impl Rmgr {
    /// Every resource manager, in the order of its number.
    pub const ALL: [Rmgr; 6] =
        [Rmgr::Xlog, Rmgr::Xact, Rmgr::Storage, Rmgr::Heap, Rmgr::Btree, Rmgr::Sequence];

    /// The resource manager of that number, if there is one.
    pub fn from_number(number: u8) -> Option<Rmgr> {
        Rmgr::ALL.get(usize::from(number)).copied()
    }

    /// Its name in `waldump`.
    pub fn name(self) -> &'static str {
        ["XLOG", "Transaction", "Storage", "Heap", "Btree", "Sequence"][self as usize]
    }
}

/// How a block takes part in a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BlockFlags {
    /// Redo makes the page anew from this record alone, so no image is ever needed.
    pub will_init: bool,
    /// An image is logged whatever the page's LSN.
    pub force_image: bool,
    /// The change's data stays in the record even beside an image (`wal_level = logical`).
    pub keep_data: bool,
}

/// One page that a record changes, as it is after the change.
pub struct BlockRef<'a> {
    /// Which page.
    pub tag: BufferTag,
    /// The page's bytes; its LSN in the first eight is that of the change before.
    pub page: &'a [u8; PAGE_SIZE],
    /// The unused middle of the page, left out of an image: start and length.
    pub hole: (u16, u16),
    /// How it takes part.
    pub flags: BlockFlags,
    /// What redo needs besides the page itself.
    pub data: &'a [&'a [u8]],
}

impl BlockRef<'_> {
    fn page_lsn(&self) -> Lsn {
        Lsn(u64::from_le_bytes(self.page[..8].try_into().expect("8 bytes")))
    }

    fn needs_image(&self, redo: Option<Lsn>) -> bool {
        let first_change = redo.is_some_and(|redo| self.page_lsn() <= redo);
        self.flags.force_image || (first_change && !self.flags.will_init)
    }
}

/// What an inserter hands in.
pub struct Record<'a> {
    /// Whose record it is.
    pub rmgr: Rmgr,
    /// What was done, in the resource manager's own numbers.
    pub kind: u8,
    /// The transaction, or [`Xid::INVALID`].
    pub xid: Xid,
    /// The pages changed; redo of each needs that page and this record alone.
    pub blocks: &'a [BlockRef<'a>],
    /// What belongs to no page.
    pub data: &'a [&'a [u8]],
}

impl Record<'_> {
    /// Fails if the record could exceed [`MAX_RECORD`] even with all its images; to be asked
    /// before the critical section.
    pub fn check_size(&self) -> Result<(), Error> {
        let blocks: usize = self.blocks.iter().map(|b| PAGE_SIZE + 24 + length(b.data)).sum();
        let most = (RECORD_HEADER + blocks + length(self.data)) as u64;
        let block_fits = |b: &BlockRef<'_>| length(b.data) <= usize::from(u16::MAX);
        if most > MAX_RECORD
            || self.blocks.len() > MAX_BLOCKS
            || !self.blocks.iter().all(block_fits)
        {
            return Err(Error::RecordTooLarge(most));
        }
        Ok(())
    }
}

fn length(parts: &[&[u8]]) -> usize {
    parts.iter().map(|part| part.len()).sum()
}

/// A record laid out for one position of the redo point: which blocks carry images.
pub(crate) struct Assembly<'a> {
    head: SmallVec<[u8; 192]>,
    /// The body behind the block headers. Compressed images stand in `compressed`.
    parts: SmallVec<[Part<'a>; 12]>,
    compressed: Vec<Vec<u8>>,
    body_crc: crc32fast::Hasher,
    /// Bit per block: carries an image.
    pub images: u32,
    /// Unaligned length of the record.
    pub length: u64,
}

enum Part<'a> {
    Borrowed(&'a [u8]),
    Compressed(usize),
}

/// Which blocks need an image when the redo point stands at `redo` (`None`: no images at all).
pub(crate) fn images_needed(record: &Record<'_>, redo: Option<Lsn>) -> u32 {
    let needed = record.blocks.iter().enumerate().filter(|(_, block)| block.needs_image(redo));
    needed.fold(0, |bits, (index, _)| bits | 1 << index)
}

impl<'a> Assembly<'a> {
    pub fn new(record: &Record<'a>, images: u32, compress: bool, system: SystemId) -> Self {
        let mut assembly = Assembly {
            head: SmallVec::from_slice(&[0; RECORD_HEADER]),
            parts: SmallVec::new(),
            compressed: Vec::new(),
            body_crc: crc32fast::Hasher::new(),
            images,
            length: 0,
        };
        for (index, block) in record.blocks.iter().enumerate() {
            assembly.add_block(block, images & 1 << index != 0, compress);
        }
        for data in record.data {
            assembly.parts.push(Part::Borrowed(data));
        }
        assembly.fill_header(record, system);
        assembly
    }

    fn add_block(&mut self, block: &BlockRef<'a>, image: bool, compress: bool) {
        let data: &[&[u8]] = if image && !block.flags.keep_data { &[] } else { block.data };
        let mut header = [0; BLOCK_HEADER];
        header[0..8].copy_from_slice(&block.tag.rel.0.to_le_bytes());
        header[8..12].copy_from_slice(&block.tag.block.to_le_bytes());
        header[12] = block.tag.fork as u8;
        header[13] = if block.flags.will_init { WILL_INIT } else { 0 };
        header[14..16].copy_from_slice(&(length(data) as u16).to_le_bytes());
        let at = self.head.len();
        self.head.extend_from_slice(&header);
        if image {
            self.head[at + 13] |= HAS_IMAGE;
            self.add_image(block, at, compress);
        }
        self.parts.extend(data.iter().map(|part| Part::Borrowed(part)));
    }

    fn add_image(&mut self, block: &BlockRef<'a>, header_at: usize, compress: bool) {
        let (hole_start, hole_length) = block.hole;
        let front = &block.page[..usize::from(hole_start)];
        let back = &block.page[usize::from(hole_start) + usize::from(hole_length)..];
        let mut stored = front.len() + back.len();
        let squeezed = compress.then(|| lz4_flex::block::compress(&[front, back].concat()));
        match squeezed {
            Some(bytes) if bytes.len() < stored => {
                stored = bytes.len();
                self.head[header_at + 13] |= COMPRESSED;
                self.parts.push(Part::Compressed(self.compressed.len()));
                self.compressed.push(bytes);
            }
            _ => self.parts.extend([Part::Borrowed(front), Part::Borrowed(back)]),
        }
        self.head.extend_from_slice(&hole_start.to_le_bytes());
        self.head.extend_from_slice(&hole_length.to_le_bytes());
        self.head.extend_from_slice(&(stored as u16).to_le_bytes());
        self.head.extend_from_slice(&[0; 2]);
    }

    fn fill_header(&mut self, record: &Record<'a>, system: SystemId) {
        let body: usize = self.parts().map(<[u8]>::len).sum();
        self.length = (self.head.len() + body) as u64;
        let head = &mut self.head;
        head[0..4].copy_from_slice(&(self.length as u32).to_le_bytes());
        head[16..24].copy_from_slice(&record.xid.0.to_le_bytes());
        head[24] = record.rmgr as u8;
        head[25] = record.kind;
        head[26] = record.blocks.len() as u8;
        head[28..32].copy_from_slice(&(length(record.data) as u32).to_le_bytes());
        let mut crc = body_crc(system);
        crc.update(&self.head[RECORD_HEADER..]);
        self.parts().for_each(|part| crc.update(part));
        self.body_crc = crc;
    }

    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.iter().map(|part| match part {
            Part::Borrowed(bytes) => *bytes,
            Part::Compressed(index) => self.compressed[*index].as_slice(),
        })
    }

    /// Completes the header for the position that was reserved.
    pub fn place(&mut self, lsn: Lsn) {
        self.head[8..16].copy_from_slice(&lsn.0.to_le_bytes());
        let header: &[u8; RECORD_HEADER] =
            self.head[..RECORD_HEADER].try_into().expect("the head begins with a header");
        let crc = finish_crc(self.body_crc.clone(), header);
        self.head[4..8].copy_from_slice(&crc.to_le_bytes());
    }

    /// The record's bytes in order, in pieces.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.head.as_slice()).chain(self.parts())
    }
}

/// The checksum before any byte of the record: seeded with the system identifier.
pub(crate) fn body_crc(system: SystemId) -> crc32fast::Hasher {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&system.0.to_le_bytes());
    hasher
}

/// Adds the header, all but its checksum, to the checksum of the body.
pub(crate) fn finish_crc(mut body: crc32fast::Hasher, header: &[u8; RECORD_HEADER]) -> u32 {
    body.update(&header[0..4]);
    body.update(&header[8..RECORD_HEADER]);
    body.finalize()
}
