//! Pages that records name and the disk lacks.
//!
//! That is legal in one case: the page's file was removed or cut off later in the log, and that had
//! reached the disk before the crash. So whatever is missing is noted, and struck out when its file
//! is dropped or loses it; what is left at the end of the log is damage. As in PostgreSQL's `xlogutils.c`.

use std::collections::BTreeMap;
use std::ops::Range;

use types::{BufferTag, Fork, Lsn, RelFileNumber};

use crate::error::Error;

/// The pages missed so far, and where the first record that names each starts.
#[derive(Default)]
pub struct MissingPages(BTreeMap<(RelFileNumber, u8, u32), Lsn>);

impl MissingPages {
    /// Notes a page that a record names and that is not there.
    pub fn note(&mut self, tag: BufferTag, lsn: Lsn) {
        self.0.entry((tag.rel, tag.fork as u8, tag.block)).or_insert(lsn);
    }

    /// The relation's files are dropped here.
    pub fn dropped(&mut self, rel: RelFileNumber) {
        if !self.0.is_empty() {
            self.0.retain(|(missing, ..), _| *missing != rel);
        }
    }

    /// The relation's main fork is cut off here, behind so many blocks.
    pub fn truncated(&mut self, rel: RelFileNumber, blocks: u32) {
        let main = Fork::Main as u8;
        self.0.retain(|(of, fork, block), _| (*of, *fork) != (rel, main) || *block < blocks);
    }

    /// Blocks of the relation's main fork are given back here.
    pub fn punched(&mut self, rel: RelFileNumber, blocks: Range<u32>) {
        let main = Fork::Main as u8;
        self.0
            .retain(|(of, fork, block), _| (*of, *fork) != (rel, main) || !blocks.contains(block));
    }

    /// Fails if pages are still missing at the end of the log.
    pub fn check(&self) -> Result<(), Error> {
        let Some((&(rel, fork, block), &lsn)) = self.0.iter().min_by_key(|(_, lsn)| **lsn) else {
            return Ok(());
        };
        let fork = Fork::from_number(fork).unwrap_or(Fork::Main);
        let first = BufferTag { rel, fork, block };
        Err(Error::MissingPages { count: self.0.len(), first, lsn })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_later_is_not_missed() {
        let mut missing = MissingPages::default();
        missing.note(BufferTag::main(RelFileNumber(20), 7), Lsn(800));
        missing.note(BufferTag::main(RelFileNumber(20), 7), Lsn(900));
        missing.note(BufferTag::main(RelFileNumber(21), 0), Lsn(850));
        missing.dropped(RelFileNumber(21));
        match missing.check() {
            Err(Error::MissingPages { count: 1, first, lsn: Lsn(800) }) => {
                assert_eq!(first, BufferTag::main(RelFileNumber(20), 7));
            }
            other => panic!("{other:?}"),
        }
        missing.truncated(RelFileNumber(20), 8);
        missing.truncated(RelFileNumber(22), 0);
        assert!(missing.check().is_err(), "it lies before the cut");
        missing.truncated(RelFileNumber(20), 7);
        assert!(missing.check().is_ok());
        missing.note(BufferTag::main(RelFileNumber(20), 7), Lsn(900));
        missing.punched(RelFileNumber(21), 0..9);
        missing.punched(RelFileNumber(20), 1..7);
        assert!(missing.check().is_err(), "it lies behind the hole");
        missing.punched(RelFileNumber(20), 1..8);
        assert!(missing.check().is_ok());
        missing.note(BufferTag::main(RelFileNumber(20), 7), Lsn(900));
        missing.dropped(RelFileNumber(20));
        assert!(missing.check().is_ok());
    }
}
