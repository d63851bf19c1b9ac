//! What recovery does to relation files before it replays the log.
//!
//! A process that dies here has done nothing that the next recovery would not do again.

use std::io;

use types::{BLOCKS_PER_SEGMENT, BufferTag, Fork, PAGE_SIZE};

use crate::checksum;
use crate::files::{RelationFiles, SegmentId};
use crate::page::PageBytes;

impl RelationFiles {
    /// Makes every relation file and the directory durable. Before recovery: pages written but
    /// not synced before a crash look current to redo, and nobody would sync them again.
    ///
    /// A part of a page at the end of a file, left by an extension that the crash cut short, counts
    /// for nothing and goes, so that every byte of a file belongs to a page. A page of a free space
    /// map that was torn becomes empty, as it would when it is next read: there is nothing in the
    /// log to restore it from, and nothing in it that cannot be found out again.
    pub fn make_durable(&self) -> io::Result<()> {
        for id in self.list()? {
            self.cut_unfinished_page(id)?;
            if id.fork == Fork::Fsm {
                self.empty_torn_pages(id)?;
            }
            self.sync(id)?;
        }
        self.sync_directory()
    }

    fn empty_torn_pages(&self, id: SegmentId) -> io::Result<()> {
        let mut page = PageBytes::default();
        let blocks = self.file(id, false)?.len()? / PAGE_SIZE as u64;
        for block in (0..BLOCKS_PER_SEGMENT).take(blocks as usize) {
            let block = id.segment * BLOCKS_PER_SEGMENT + block;
            let tag = BufferTag { rel: id.rel, fork: id.fork, block };
            if self.read(tag, &mut page)? && !checksum::verify(tag, &page) {
                tracing::info!("{}: emptying block {block}, which is torn", id.file_name());
                self.write(tag, &PageBytes::default())?;
            }
        }
        Ok(())
    }

    fn cut_unfinished_page(&self, id: SegmentId) -> io::Result<()> {
        let file = self.file(id, false)?;
        let length = file.len()?;
        let part = length % PAGE_SIZE as u64;
        if part > 0 {
            tracing::info!("{}: cutting off {part} bytes of an unfinished page", id.file_name());
            file.truncate(length - part)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use types::RelFileNumber;

    use super::*;

    /// A power cut in the midst of an extension left a file that ended within a page. Nothing was
    /// wrong with it but that `mamont page verify` called it damaged, and rightly: nobody could tell
    /// it from a file that was cut short.
    #[test]
    fn a_page_that_an_extension_left_unfinished_is_cut_off_before_recovery() {
        let dir = tempfile::tempdir().expect("temporary directory");
        std::fs::create_dir(dir.path().join("base")).expect("directory");
        let lengths = [("7", 3 * PAGE_SIZE), ("7_fsm", 512), ("8", 2 * PAGE_SIZE + 511)];
        for (name, length) in lengths {
            std::fs::write(dir.path().join("base").join(name), vec![1; length]).expect("file");
        }
        RelationFiles::new(dir.path()).make_durable().expect("synced");
        for (name, length) in lengths {
            let found = std::fs::read(dir.path().join("base").join(name)).expect("file");
            assert_eq!(found, vec![1; length - length % PAGE_SIZE], "{name}");
        }
    }

    /// A power cut tore a page of a free space map. The server empties such a page when it reads
    /// it, but nobody might for years, and `mamont page verify` called it damaged.
    #[test]
    fn a_torn_page_of_a_free_space_map_is_emptied_before_recovery() {
        let dir = tempfile::tempdir().expect("temporary directory");
        std::fs::create_dir(dir.path().join("base")).expect("directory");
        let tag = |block| BufferTag { rel: RelFileNumber(7), fork: Fork::Fsm, block };
        let mut pages = [PageBytes([3; PAGE_SIZE]), PageBytes([4; PAGE_SIZE])];
        checksum::set_checksum(tag(0), &mut pages[0]);
        let bytes = [pages[0].0, pages[1].0].concat();
        std::fs::write(dir.path().join("base/7_fsm"), bytes).expect("file");
        let files = RelationFiles::new(dir.path());
        files.make_durable().expect("synced");
        let mut page = PageBytes::default();
        assert!(files.read(tag(0), &mut page).expect("readable") && page.0 == pages[0].0);
        assert!(files.read(tag(1), &mut page).expect("readable") && checksum::is_zero(&page));
    }
}
