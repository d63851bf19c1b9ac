//! Relation files of a server that is down.

use std::path::Path;

use access::btree::check::Pages;
use buffer::{PageBytes, SegmentId, checksum};
use sys::fs::{File, OpenHow};
use types::{BLOCKS_PER_SEGMENT, BlockNo, BufferTag, Fork, PAGE_SIZE, RelFileNumber};

use crate::error::Error;

/// A fork of a relation, as it lies on disk.
pub(super) struct RelationPages {
    pub rel: RelFileNumber,
    fork: Fork,
    segments: Vec<File>,
    pub blocks: BlockNo,
}

impl RelationPages {
    /// Opens its files; none: it has no pages.
    pub fn open(base: &Path, rel: RelFileNumber, fork: Fork) -> Result<RelationPages, Error> {
        let (mut segments, mut blocks) = (Vec::new(), 0);
        loop {
            let segment = segments.len() as u32;
            let path = base.join(SegmentId { rel, fork, segment }.file_name());
            if !path.exists() {
                return Ok(RelationPages { rel, fork, segments, blocks });
            }
            let file = File::open(&path, OpenHow::READ)?;
            blocks += (file.len()? / PAGE_SIZE as u64) as BlockNo;
            segments.push(file);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.blocks == 0
    }

    /// The bytes of a page that is there.
    pub fn read(&self, block: BlockNo) -> Result<PageBytes, std::io::Error> {
        let file = &self.segments[(block / BLOCKS_PER_SEGMENT) as usize];
        let mut page = PageBytes([0; PAGE_SIZE]);
        let offset = u64::from(block % BLOCKS_PER_SEGMENT) * PAGE_SIZE as u64;
        file.read_exact_at(&mut page.0, offset)?;
        Ok(page)
    }

    /// A page that is there, or what is wrong with it as a page.
    pub fn verified(&self, block: BlockNo) -> Result<Result<PageBytes, String>, std::io::Error> {
        let page = self.read(block)?;
        let tag = BufferTag { rel: self.rel, fork: self.fork, block };
        let good = checksum::verify(tag, &page);
        Ok(if good { Ok(page) } else { Err("its checksum is wrong".to_owned()) })
    }
}

impl Pages for RelationPages {
    fn blocks(&mut self) -> Result<BlockNo, access::Error> {
        Ok(self.blocks)
    }

    fn page(&mut self, block: BlockNo) -> Result<Result<PageBytes, String>, access::Error> {
        Ok(self.verified(block).map_err(buffer::Error::from)?)
    }
}
