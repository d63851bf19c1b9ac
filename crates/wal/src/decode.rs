//! The record as the reader hands it out: checked, then taken apart without copying.

use std::ops::Range;

use smallvec::SmallVec;
use types::{BufferTag, Fork, Lsn, PAGE_SIZE, RelFileNumber, Xid};

use crate::error::Error;
use crate::record::{
    BLOCK_HEADER, COMPRESSED, HAS_IMAGE, IMAGE_HEADER, MAX_BLOCKS, RECORD_HEADER, Rmgr, WILL_INIT,
};

/// A block reference of a decoded record.
#[derive(Debug, Clone)]
pub struct DecodedBlock {
    /// Which page.
    pub tag: BufferTag,
    /// Redo makes the page anew.
    pub will_init: bool,
    image: Option<DecodedImage>,
    data: Range<usize>,
}

#[derive(Debug, Clone)]
struct DecodedImage {
    hole_start: usize,
    hole_length: usize,
    compressed: bool,
    bytes: Range<usize>,
}

impl DecodedBlock {
    /// Whether the record holds the page's image.
    pub fn has_image(&self) -> bool {
        self.image.is_some()
    }

    /// Bytes that the image takes in the record.
    pub fn image_length(&self) -> usize {
        self.image.as_ref().map_or(0, |image| image.bytes.len())
    }
}

/// A valid record, owned; the reader fills the same one again and again.
#[derive(Debug, Default, Clone)]
pub struct DecodedRecord {
    pub(crate) bytes: Vec<u8>,
    pub(crate) start: Lsn,
    pub(crate) end: Lsn,
    blocks: SmallVec<[DecodedBlock; 4]>,
    data: Range<usize>,
}

impl DecodedRecord {
    /// Where the record starts.
    pub fn lsn(&self) -> Lsn {
        self.start
    }

    /// Where it ends: the LSN of the pages it changed.
    pub fn end(&self) -> Lsn {
        self.end
    }

    /// The transaction, or [`Xid::INVALID`].
    pub fn xid(&self) -> Xid {
        Xid(u64_at(&self.bytes, 16))
    }

    /// Whose record it is; a resource manager that this server does not know is an error.
    pub fn rmgr(&self) -> Result<Rmgr, Error> {
        Rmgr::from_number(self.rmgr_number())
            .ok_or_else(|| self.invalid("unknown resource manager"))
    }

    /// The resource manager's number as it stands in the record.
    pub fn rmgr_number(&self) -> u8 {
        self.bytes[24]
    }

    /// What was done, in the resource manager's own numbers.
    pub fn kind(&self) -> u8 {
        self.bytes[25]
    }

    /// Length in bytes, unaligned.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// The pages it changed.
    pub fn blocks(&self) -> &[DecodedBlock] {
        &self.blocks
    }

    /// The block reference of that number; a record that lacks it is an error.
    pub fn block(&self, index: usize) -> Result<&DecodedBlock, Error> {
        self.blocks.get(index).ok_or_else(|| self.invalid("block reference is missing"))
    }

    /// What redo of that block needs besides the page.
    pub fn block_data(&self, index: usize) -> &[u8] {
        self.blocks.get(index).map_or(&[], |block| &self.bytes[block.data.clone()])
    }

    /// What belongs to no page.
    pub fn data(&self) -> &[u8] {
        &self.bytes[self.data.clone()]
    }

    /// Writes the block's image, hole filled with zeros, into `page`. `false`: it has none.
    pub fn restore_image(&self, index: usize, page: &mut [u8; PAGE_SIZE]) -> Result<bool, Error> {
        let Some(image) = self.blocks.get(index).and_then(|block| block.image.as_ref()) else {
            return Ok(false);
        };
        let stored = &self.bytes[image.bytes.clone()];
        let full = PAGE_SIZE - image.hole_length;
        let mut plain = [0; PAGE_SIZE];
        let bytes = if image.compressed {
            let got = lz4_flex::block::decompress_into(stored, &mut plain[..full]);
            if !matches!(got, Ok(length) if length == full) {
                return Err(self.invalid("compressed page image does not decompress"));
            }
            &plain[..full]
        } else {
            stored
        };
        page[..image.hole_start].copy_from_slice(&bytes[..image.hole_start]);
        page[image.hole_start..image.hole_start + image.hole_length].fill(0);
        page[image.hole_start + image.hole_length..].copy_from_slice(&bytes[image.hole_start..]);
        Ok(true)
    }

    /// An [`Error::InvalidRecord`] about this record.
    pub fn invalid(&self, why: &'static str) -> Error {
        Error::InvalidRecord { lsn: self.start, why }
    }

    /// Takes `self.bytes`, whose checksum is right, apart. Every length is checked all the same.
    pub(crate) fn parse(&mut self) -> Result<(), Error> {
        self.blocks.clear();
        let count = usize::from(self.bytes[26]);
        if count > MAX_BLOCKS {
            return Err(self.invalid("too many block references"));
        }
        let mut at = RECORD_HEADER;
        let mut lengths = SmallVec::<[(usize, usize); 4]>::new();
        for _ in 0..count {
            let (block, image_length, data_length) = self.parse_block(&mut at)?;
            lengths.push((image_length, data_length));
            self.blocks.push(block);
        }
        for (block, (image_length, data_length)) in self.blocks.iter_mut().zip(lengths) {
            if let Some(image) = &mut block.image {
                image.bytes = at..at + image_length;
                at += image_length;
            }
            block.data = at..at + data_length;
            at += data_length;
        }
        let data_length = u32_at(&self.bytes, 28) as usize;
        if at + data_length != self.bytes.len() {
            return Err(self.invalid("lengths do not add up"));
        }
        self.data = at..at + data_length;
        Ok(())
    }

    fn parse_block(&self, at: &mut usize) -> Result<(DecodedBlock, usize, usize), Error> {
        let header = self.take(at, BLOCK_HEADER)?;
        let flags = header[13];
        let fork =
            Fork::from_number(header[12]).ok_or_else(|| self.invalid("unknown fork number"))?;
        let tag =
            BufferTag { rel: RelFileNumber(u64_at(header, 0)), fork, block: u32_at(header, 8) };
        let data_length = usize::from(u16_at(header, 14));
        let (mut image, mut image_length) = (None, 0);
        if flags & HAS_IMAGE != 0 {
            let header = self.take(at, IMAGE_HEADER)?;
            let (hole_start, hole_length) =
                (usize::from(u16_at(header, 0)), usize::from(u16_at(header, 2)));
            image_length = usize::from(u16_at(header, 4));
            let compressed = flags & COMPRESSED != 0;
            let full = PAGE_SIZE.checked_sub(hole_length);
            let fits = hole_start + hole_length <= PAGE_SIZE
                && full.is_some_and(|full| {
                    image_length == full || (compressed && image_length < full)
                });
            if !fits {
                return Err(self.invalid("page image has an impossible hole"));
            }
            image = Some(DecodedImage { hole_start, hole_length, compressed, bytes: 0..0 });
        }
        let will_init = flags & WILL_INIT != 0;
        Ok((DecodedBlock { tag, will_init, image, data: 0..0 }, image_length, data_length))
    }

    fn take(&self, at: &mut usize, length: usize) -> Result<&[u8], Error> {
        let bytes = self.bytes.get(*at..*at + length);
        *at += length;
        bytes.ok_or_else(|| self.invalid("block headers do not fit"))
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("2 bytes"))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}
