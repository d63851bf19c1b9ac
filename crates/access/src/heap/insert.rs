//! INSERT of one row.

use buffer::{BlockFlags, Change, PageAccess, PageWrite, Touched};
use txn::Transaction;
use types::{Datum, TupleId, Xid};
use wal::Rmgr;

use super::target::{Room, Search};
use super::{Heap, page, record};
use crate::error::Error;
use crate::tuple::{self, HEADER_SIZE, Header, infomask};

/// Who makes a version.
#[derive(Clone, Copy)]
pub(super) struct Maker {
    pub xid: Xid,
    pub cid: u32,
    /// What the version's infomask gets besides its shape.
    pub infomask: u16,
}

impl Maker {
    /// Fills in the header of an encoded version, but for its place.
    pub fn sign(&self, tuple: &mut [u8]) -> Header {
        let fixed = tuple.first_chunk_mut().expect("an encoded version has a header");
        let mut header = Header::read(&fixed[..]).expect("it is long enough");
        header.xmin = self.xid;
        header.cid = self.cid;
        header.infomask |= self.infomask;
        header.write(fixed);
        header
    }
}

/// Writes a version's place into its header.
pub(super) fn set_place(tuple: &mut [u8], header: &mut Header, place: TupleId) {
    header.ctid = place;
    header.write(tuple.first_chunk_mut().expect("an encoded version has a header"));
}

impl Heap<'_> {
    /// Adds a row and returns its place.
    pub fn insert(&self, tx: &mut Transaction, values: &[Datum]) -> Result<TupleId, Error> {
        let xid = self.access.txn.assign_xid(tx)?;
        self.insert_as(Maker { xid, cid: tx.command(), infomask: 0 }, values)
    }

    /// Adds a row of the system tables as `init` makes them: committed before everything.
    pub fn insert_bootstrap(&self, values: &[Datum]) -> Result<TupleId, Error> {
        let infomask = infomask::XMIN_COMMITTED;
        self.insert_as(Maker { xid: Xid::BOOTSTRAP, cid: 0, infomask }, values)
    }

    fn insert_as(&self, maker: Maker, values: &[Datum]) -> Result<TupleId, Error> {
        self.access.with_scratch(|tuple| {
            tuple::encode_into(values, self.columns, tuple)?;
            let mut header = maker.sign(tuple);
            self.place(maker, tuple, &mut header)
        })
    }

    fn place(&self, maker: Maker, tuple: &mut [u8], header: &mut Header) -> Result<TupleId, Error> {
        let mut search = Search::new(tuple.len());
        loop {
            let pin = match self.next_pin(&mut search)? {
                Some(pin) => pin,
                None => self.grow()?,
            };
            let Some(mut page) = search.lock(&pin) else { continue };
            match self.make_room_and_reserve(&mut page, tuple.len())? {
                Room::Enough => {
                    let place = self.add(maker, &mut page, tuple, header)?;
                    self.access.set_target(self.rel, place.block);
                    self.access.txn.statistics().inserted(self.rel, 1);
                    return Ok(place);
                }
                Room::TooLittle => {
                    let (room, prune_xid) = (page::room(page.page()), page.page().prune_xid());
                    drop(page);
                    self.refuse(pin.tag().block, room, prune_xid)?;
                }
            }
        }
    }

    /// Adds a version to a locked page that has room for it.
    fn add(
        &self,
        maker: Maker,
        page: &mut PageWrite<'_>,
        tuple: &mut [u8],
        header: &mut Header,
    ) -> Result<TupleId, Error> {
        let block = page.tag().block;
        let fresh = page.page().item_count() == 0;
        let offset = if fresh { 1 } else { page::next_offset(page.page()) };
        let place = TupleId { block, offset };
        set_place(tuple, header, place);
        let main = record::Insert { offset, cid: maker.cid }.encode();
        let change =
            Change { rmgr: Rmgr::Heap, kind: record::kind::INSERT, xid: maker.xid, data: &[&main] };
        let prefix = record::version_prefix(header);
        let data: &[&[u8]] = &[&prefix, &tuple[HEADER_SIZE..]];
        let touched = &mut [Touched { page, flags: self.flags_for_new(fresh), data }];
        self.change(&change, touched, |pages| {
            let page = pages.page(0);
            if fresh {
                page.init(0);
            }
            assert!(page::add(page, offset, tuple), "room was made for the version");
        })?;
        Ok(place)
    }

    /// How a page that gets new versions takes part in a record.
    pub(super) fn flags_for_new(&self, fresh: bool) -> BlockFlags {
        BlockFlags { will_init: fresh, keep_data: self.access.is_logical(), force_image: false }
    }
}
