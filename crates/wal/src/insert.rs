//! Insertion: reserve with one atomic step, copy in parallel, show when done.
//!
//! The order of the steps, and why it is that, stands in `protocol`; this is what the protocol
//! inserts: a record, laid out before the reservation, completed and copied after it.

use sys::mutant::{self, Mutant};
use types::Lsn;

use crate::control::Wal;
use crate::cursor::Cursor;
use crate::ground::Log;
use crate::position;
use crate::protocol::{self, Entry};
use crate::record::{Assembly, Record, images_needed};

/// A record on its way into the log.
struct Insertion<'a> {
    wal: &'a Wal,
    record: &'a Record<'a>,
    assembly: Option<Assembly<'a>>,
}

impl Entry for Insertion<'_> {
    fn decide(&mut self, redo: Lsn) -> u64 {
        let options = self.wal.options.get();
        let with_images = options.full_page_writes && !mutant::on(Mutant::FullPageImagesOff);
        let images = images_needed(self.record, with_images.then_some(redo));
        let laid_out = self.assembly.take().filter(|assembly| assembly.images == images);
        let lay_out = || Assembly::new(self.record, images, options.compress, self.wal.system());
        self.assembly.insert(laid_out.unwrap_or_else(lay_out)).length
    }

    fn copy<L: Log>(&mut self, start: Lsn, cursor: &mut Cursor<'_, L>) {
        if let Some(assembly) = &mut self.assembly {
            assembly.place(start);
            assembly.pieces().for_each(|piece| cursor.write(piece));
        }
    }
}

impl Wal {
    /// Moves the redo position to the insert position and returns it. Every record at or behind
    /// it was decided on with this position in view. For the checkpointer alone.
    pub fn move_redo(&self) -> Lsn {
        protocol::move_redo(self)
    }

    /// Inserts a record and returns its end: the LSN of the pages it changed. Inside a critical
    /// section, with the pages locked and already marked dirty, after [`Wal::ensure_room`].
    pub fn insert(&self, record: &Record<'_>) -> Lsn {
        self.insert_and(record, |_| ())
    }

    /// As [`Wal::insert`]; `before_flush` runs with the record's end before any flush can pass it.
    pub fn insert_and(&self, record: &Record<'_>, before_flush: impl FnOnce(Lsn)) -> Lsn {
        let mut insertion = Insertion { wal: self, record, assembly: None };
        let end = protocol::insert(self, &mut insertion, before_flush);
        if let Some(assembly) = &insertion.assembly {
            self.count(assembly);
        }
        end
    }

    fn count(&self, assembly: &Assembly<'_>) {
        let stats = &self.ctl.stats;
        let bytes = position::aligned(assembly.length);
        let images = u64::from(assembly.images.count_ones());
        stats.records.add(1);
        stats.bytes.add(bytes);
        if images != 0 {
            stats.images.add(images);
        }
        let mut own = self.own.get();
        own.records += 1;
        own.images += images;
        own.bytes += bytes;
        self.own.set(own);
    }
}
