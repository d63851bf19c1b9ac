//! Copies a reserved stretch into the ring, page by page.
//!
//! Whoever comes to a page first, having reserved its first byte, writes its header too. No page
//! is touched before its place in the ring is free (`protocol::make_room`).

use types::Lsn;

use crate::ground::Log;
use crate::position::{self, ALIGN, PAGE};
use crate::protocol;

/// Where the next byte goes.
pub(crate) struct Cursor<'a, L> {
    log: &'a L,
    at: u64,
    /// Bytes of the whole stretch.
    length: u64,
    /// Bytes still to come, for the "remaining" of page headers.
    left: u64,
}

impl<'a, L: Log> Cursor<'a, L> {
    /// Before the first of `length` bytes; `start` lies behind a page's header.
    pub fn new(log: &'a L, start: Lsn, length: u64) -> Self {
        let mut cursor = Cursor { log, at: start.0, length, left: length };
        let page_start = position::page_start(start);
        cursor.enter_page(start.0 == page_start + position::header_size(page_start));
        cursor
    }

    /// Copies the next bytes in.
    pub fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.at.is_multiple_of(PAGE) {
                self.at += position::header_size(self.at);
                self.enter_page(true);
            }
            let room = (PAGE - self.at % PAGE) as usize;
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.log.put(self.at, now);
            self.at += now.len() as u64;
            self.left -= now.len() as u64;
            bytes = later;
        }
    }

    /// Ends the stretch with the zeros that align the next one.
    pub fn fill_up(&mut self) {
        debug_assert!(self.left < ALIGN, "an entry is as long as it said");
        self.write(&[0; ALIGN as usize][..self.left as usize]);
    }

    /// Makes sure that the page's old content is written; its first inserter adds the header.
    fn enter_page(&mut self, first: bool) {
        let page_start = self.at - self.at % PAGE;
        protocol::make_room(self.log, page_start);
        if first {
            let remaining = if self.left < self.length { self.left as u32 } else { 0 };
            self.log.put_header(page_start, remaining);
        }
    }
}
