//! The page, the transactions, and what they do to it.

use std::cell::{Cell, RefCell};

use buffer::{PageAccess, PageBytes};
use txn::RowLockMode;
use types::{TupleId, Xid};

use super::super::super::page::{self, End};
use super::super::super::visibility::{Changeable, Ending, Transactions, is_changeable};
use crate::error::Error;
use crate::tuple::{HEADER_SIZE, Header, infomask};

/// How a transaction, or a part of one, has ended: when, if it committed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    Running,
    Aborted,
    Committed(u64),
}

#[derive(Clone, Debug)]
pub struct Tx {
    pub xid: u64,
    /// The transaction that it is a part of.
    pub top: Option<u64>,
    pub fate: Cell<Fate>,
}

/// A version that somebody has made, and all who have ended it.
#[derive(Clone, Debug)]
pub struct Version {
    pub id: u64,
    pub row: u64,
    pub made: u64,
    pub ended: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
pub struct Snapshot {
    pub moment: u64,
    pub xmin: u64,
}

/// An end that comes before a look.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub look: u32,
    pub xid: u64,
    pub commits: bool,
}

#[derive(Clone)]
pub struct World {
    pub page: PageBytes,
    pub txs: Vec<Tx>,
    pub versions: Vec<Version>,
    /// Index entries: row and root.
    pub entries: Vec<(u64, u16)>,
    pub snapshots: Vec<Snapshot>,
    pub next_xid: u64,
    pub now: Cell<u64>,
    pub looks: Cell<u32>,
    pub events: RefCell<Vec<Event>>,
    /// Who acts.
    pub own: u64,
}

impl Transactions for World {
    fn is_own(&self, xid: Xid) -> bool {
        self.own != 0 && (xid.0 == self.own || self.tx(xid.0).is_some_and(|tx| self.is_part(tx)))
    }

    fn command(&self) -> u32 {
        1
    }

    fn ending(&self, xid: Xid) -> Result<Ending, Error> {
        self.pass_look();
        let fate = self.tx(xid.0).expect("a transaction that began").fate.get();
        Ok(match fate {
            Fate::Running => Ending::InProgress,
            Fate::Aborted => Ending::Aborted,
            Fate::Committed(_) => Ending::Committed { durable: true },
        })
    }
}

impl World {
    pub fn new() -> World {
        World {
            page: PageBytes::default(),
            txs: Vec::new(),
            versions: Vec::new(),
            entries: Vec::new(),
            snapshots: Vec::new(),
            next_xid: 3,
            now: Cell::new(0),
            looks: Cell::new(0),
            events: RefCell::default(),
            own: 0,
        }
    }

    pub fn tx(&self, xid: u64) -> Option<&Tx> {
        self.txs.iter().find(|tx| tx.xid == xid)
    }

    pub fn is_part(&self, tx: &Tx) -> bool {
        tx.top == Some(self.own) && tx.fate.get() == Fate::Running
    }

    pub fn open(&self) -> Vec<u64> {
        let open = |tx: &&Tx| tx.top.is_none() && tx.fate.get() == Fate::Running;
        self.txs.iter().filter(open).map(|tx| tx.xid).collect()
    }

    /// Ends a transaction with all its parts, or a part alone, which rolls back.
    pub fn end(&self, xid: u64, commits: bool) {
        self.now.set(self.now.get() + 1);
        let fate = if commits { Fate::Committed(self.now.get()) } else { Fate::Aborted };
        for tx in self.txs.iter().filter(|tx| tx.xid == xid || tx.top == Some(xid)) {
            if tx.fate.get() == Fate::Running {
                tx.fate.set(fate);
            }
        }
    }

    /// What is due before this look happens.
    pub fn pass_look(&self) {
        let look = self.looks.get();
        self.looks.set(look + 1);
        for event in self.events.borrow().iter().filter(|event| event.look == look) {
            self.end(event.xid, event.commits);
        }
    }

    pub fn horizon(&self) -> u64 {
        let running = self.txs.iter().filter(|tx| tx.fate.get() == Fate::Running).map(|tx| tx.xid);
        let held = self.snapshots.iter().map(|snapshot| snapshot.xmin);
        running.chain(held).min().unwrap_or(self.next_xid)
    }

    pub fn take_snapshot(&mut self) {
        let snapshot = self.snapshot_now();
        self.snapshots.push(snapshot);
    }

    pub fn snapshot_now(&self) -> Snapshot {
        let running = self.txs.iter().filter(|tx| tx.fate.get() == Fate::Running).map(|tx| tx.xid);
        Snapshot { moment: self.now.get(), xmin: running.min().unwrap_or(self.next_xid) }
    }

    pub fn sees(&self, snapshot: Snapshot, xid: u64) -> bool {
        let fate = self.tx(xid).map(|tx| tx.fate.get());
        matches!(fate, Some(Fate::Committed(at)) if at <= snapshot.moment)
    }

    pub fn header(&self, offset: u16) -> Option<Header> {
        Header::read(self.page.row(offset)?).ok()
    }

    pub fn id_at(&self, offset: u16) -> Option<u64> {
        let bytes = self.page.row(offset)?.get(HEADER_SIZE..)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }
}

/// What transactions do.
impl World {
    pub fn begin(&mut self, top: Option<u64>) -> u64 {
        let xid = self.next_xid;
        self.next_xid += 1;
        self.txs.push(Tx { xid, top, fate: Cell::new(Fate::Running) });
        xid
    }

    pub fn put(&mut self, row: u64, xid: u64, heap_only: bool) -> Option<u16> {
        if page::room(&self.page) < HEADER_SIZE + 8 {
            return None;
        }
        let offset = page::next_offset(&self.page);
        let id = self.versions.len() as u64;
        let header = Header {
            xmin: Xid(xid),
            xmax: Xid::INVALID,
            cid: 0,
            ctid: TupleId { block: 0, offset },
            infomask: if heap_only { infomask::HEAP_ONLY } else { 0 },
            natts: 0,
            hoff: HEADER_SIZE as u8,
        };
        let mut bytes = [0; HEADER_SIZE];
        header.write(&mut bytes);
        let bytes = [&bytes[..], &id.to_le_bytes()].concat();
        assert!(page::add(&mut self.page, offset, &bytes), "there is room");
        self.versions.push(Version { id, row, made: xid, ended: Vec::new() });
        if !heap_only {
            self.entries.push((row, offset));
        }
        Some(offset)
    }

    pub fn insert(&mut self, xid: u64) {
        let row = self.versions.len() as u64;
        let _ = self.put(row, xid, false);
    }

    /// A version that the transaction may change now, as the server judges.
    pub fn free(&mut self, xid: u64, mode: RowLockMode, draw: &mut Draw) -> Option<u16> {
        self.own = self.tx(xid)?.top.unwrap_or(xid);
        let free = |offset: &u16| {
            let Some(header) = self.header(*offset) else { return false };
            let place = TupleId { block: 0, offset: *offset };
            let answer = is_changeable(self, &header, place, mode).expect("no I/O");
            matches!(answer, Changeable::Yes { .. })
        };
        let free: Vec<u16> = (1..=self.page.item_count()).filter(free).collect();
        self.own = 0;
        draw.one_of(&free)
    }

    pub fn update(&mut self, xid: u64, hot: bool, draw: &mut Draw) {
        let mode = if hot { RowLockMode::NoKeyUpdate } else { RowLockMode::Update };
        let Some(old) = self.free(xid, mode, draw) else { return };
        let id = self.id_at(old).expect("a version") as usize;
        let Some(new) = self.put(self.versions[id].row, xid, hot) else { return };
        self.end_version(old, xid, TupleId { block: 0, offset: new }, hot, mode);
    }

    pub fn delete(&mut self, xid: u64, draw: &mut Draw) {
        let Some(old) = self.free(xid, RowLockMode::Update, draw) else { return };
        let place = TupleId { block: 0, offset: old };
        self.end_version(old, xid, place, false, RowLockMode::Update);
    }

    pub fn end_version(&mut self, old: u16, xid: u64, next: TupleId, hot: bool, mode: RowLockMode) {
        let id = self.id_at(old).expect("a version") as usize;
        self.versions[id].ended.push(xid);
        let (strength, more_lockers) = (mode, false);
        let end = End { xmax: Xid(xid), cid: 0, next, hot, strength, more_lockers };
        assert!(page::end(&mut self.page, old, end));
    }

    pub fn lock(&mut self, xid: u64, draw: &mut Draw) {
        let Some(at) = self.free(xid, RowLockMode::Update, draw) else { return };
        let place = TupleId { block: 0, offset: at };
        let holder = Some((Xid(xid), RowLockMode::Update));
        assert!(page::lock(&mut self.page, place, page::Lock { holder, more_lockers: false }));
    }
}

/// Draws by a seed.
pub struct Draw(pub u64);

impl Draw {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % limit
    }

    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        if all.is_empty() { None } else { Some(all[self.below(all.len())]) }
    }
}
