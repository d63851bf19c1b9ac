//! Checking a table: is each of its pages one?
//!
//! A page is looked at by itself, in a copy; and against what is known of transactions and what the
//! visibility map says of it.
//!
//! | of | is looked at |
//! |---|---|
//! | a page | its header; it keeps nothing in a special area |
//! | line pointers | they lead to rows inside the page, at their alignment, and no two rows overlap; a redirection leads to a heap-only version, and no other does |
//! | a version | its header and values make sense; `xmin` is there; neither it nor `xmax` is yet to come; hints do not contradict each other |
//! | chains | a version that was replaced on its page leads to the one that replaced it; each heap-only version is in a chain |
//! | visibility map | its bit and the page's flag agree; where they are set, everybody sees every version, none has an end, and no line pointer is dead |
//!
//! Chains that a roll-back has left are as it left them: see `chain`.
//!
//! Nobody may add, end or remove versions meanwhile (SHARE on the table, or a server that is down).
//! Readers may prune, and lock rows: so a page and its bit are copied under one lock.

mod running;

use buffer::{ItemState, PageAccess, PageBytes};
use types::{BlockNo, ColumnType, PAGE_SIZE, Xid};

use super::chain;
use super::page::{ALL_VISIBLE, LINES_MAX};
use crate::error::Error;
use crate::problem::Problem;
use crate::tuple::{self, HEADER_SIZE, Header, infomask};

/// Beyond so many problems no more are gathered.
const PROBLEMS_MAX: usize = 1000;

/// What is known of transactions.
pub trait Transactions {
    /// The first id that was not handed out.
    fn next_xid(&self) -> Xid;
    /// Below it all have ended, and every snapshot sees those that committed.
    fn horizon(&self) -> Xid;
    /// Whether one that lies before the next id has committed; `None`: it runs.
    fn committed(&self, xid: Xid) -> Result<Option<bool>, Error>;
}

/// A check of a table in progress.
pub struct Checker<'c> {
    transactions: &'c dyn Transactions,
    /// The types of the columns, if they are known.
    columns: Option<&'c [ColumnType]>,
    problems: Vec<Problem>,
}

/// A page that is looked at.
struct Look<'p> {
    block: BlockNo,
    page: &'p PageBytes,
    /// By line pointer: the version behind it, if it makes sense.
    versions: Vec<Option<Header>>,
    /// By line pointer: something leads there within the page.
    led_to: Vec<bool>,
}

impl<'c> Checker<'c> {
    /// A checker that has seen no page.
    pub fn new(transactions: &'c dyn Transactions, columns: Option<&'c [ColumnType]>) -> Self {
        Checker { transactions, columns, problems: Vec::new() }
    }

    /// What was found.
    pub fn finish(self) -> Vec<Problem> {
        self.problems
    }

    /// Notes a problem; of a page that could not be read, too.
    pub fn complain(&mut self, block: BlockNo, offset: u16, what: impl Into<String>) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Problem { block, offset, what: what.into() });
        }
    }

    /// Looks at a page. `visible`: the map's bit of it.
    pub fn page(&mut self, block: BlockNo, page: &PageBytes, visible: bool) -> Result<(), Error> {
        if page.is_new() {
            if visible {
                self.complain(block, 0, "visibility map tells of a page that is new");
            }
            return Ok(());
        }
        let whole = usize::from(page.special()) == PAGE_SIZE;
        if !page.is_sane() || !whole || page.item_count() > LINES_MAX {
            self.complain(block, 0, "page header makes no sense");
            return Ok(());
        }
        let versions = vec![None; usize::from(page.item_count()) + 1];
        let led_to = vec![false; versions.len()];
        let mut look = Look { block, page, versions, led_to };
        self.line_pointers(&look);
        for offset in 1..=page.item_count() {
            look.versions[usize::from(offset)] = self.version(&look, offset)?;
        }
        self.chains(&mut look)?;
        self.visibility(&look, visible)
    }

    /// Line pointers: inside the page, aligned, and no two rows overlap.
    fn line_pointers(&mut self, look: &Look<'_>) {
        let (block, page) = (look.block, look.page);
        let mut extents = Vec::new();
        for offset in 1..=page.item_count() {
            let Some(item) = page.item(offset).filter(|item| item.state == ItemState::Normal)
            else {
                continue;
            };
            match item.range() {
                Some(range)
                    if range.start >= usize::from(page.upper())
                        && range.start.is_multiple_of(align_of::<u64>()) =>
                {
                    extents.push((range.start, range.end, offset));
                }
                _ => self.complain(block, offset, "line pointer leads outside of the rows"),
            }
        }
        extents.sort_unstable();
        for pair in extents.windows(2).filter(|pair| pair[0].1 > pair[1].0) {
            self.complain(block, pair[1].2, "row overlaps another");
        }
    }

    /// The version behind a line pointer, by itself; `None`: there is none, or none that makes sense.
    fn version(&mut self, look: &Look<'_>, offset: u16) -> Result<Option<Header>, Error> {
        let block = look.block;
        let Some(bytes) = look.page.row(offset) else { return Ok(None) };
        let header = match Header::read(bytes).and_then(|header| self.decoded(header, bytes)) {
            Ok(header) => header,
            Err(what) => {
                self.complain(block, offset, what.to_string());
                return Ok(None);
            }
        };
        let next = self.transactions.next_xid();
        for (name, xid) in [("xmin", header.xmin), ("xmax", header.xmax)] {
            if xid >= next {
                self.complain(
                    block,
                    offset,
                    format!("{name} {xid} is not before the next, {next}"),
                );
                return Ok(None);
            }
        }
        if !header.xmin.is_valid() {
            self.complain(block, offset, "version has no xmin");
            return Ok(None);
        }
        let contradiction = |both: u16| header.has(both);
        if contradiction(infomask::XMIN_COMMITTED | infomask::XMIN_ABORTED)
            || contradiction(infomask::XMAX_COMMITTED | infomask::XMAX_ABORTED)
        {
            self.complain(block, offset, "hints contradict each other");
        }
        if header.ctid.offset == 0 {
            self.complain(block, offset, "ctid leads to no line pointer");
        }
        Ok(Some(header))
    }

    /// The header of a version whose values make sense.
    fn decoded(&self, header: Header, bytes: &[u8]) -> Result<Header, tuple::Malformed> {
        match self.columns {
            Some(columns) => tuple::decode_into(bytes, columns, None, &mut Vec::new())?,
            None => {
                let nulls =
                    if header.has(infomask::HAS_NULL) { header.natts.div_ceil(8) } else { 0 };
                let hoff = HEADER_SIZE + usize::from(nulls);
                if usize::from(header.hoff) != hoff || hoff > bytes.len() {
                    return Err(tuple::Malformed("row version has an impossible header length"));
                }
            }
        }
        Ok(header)
    }

    fn chains(&mut self, look: &mut Look<'_>) -> Result<(), Error> {
        for offset in 1..=look.page.item_count() {
            if let Some(target) = look.page.item(offset).and_then(buffer::Item::target) {
                self.redirection(look, offset, target);
            } else if let Some(header) = look.versions[usize::from(offset)] {
                self.step(look, offset, &header)?;
            }
        }
        for offset in 1..=look.page.item_count() {
            let Some(header) = look.versions[usize::from(offset)] else { continue };
            let lost = header.has(infomask::HEAP_ONLY) && !look.led_to[usize::from(offset)];
            if lost && self.maker_committed(&header)? != Some(false) {
                self.complain(look.block, offset, "heap-only version is in no chain");
            }
        }
        Ok(())
    }

    fn redirection(&mut self, look: &mut Look<'_>, offset: u16, target: u16) {
        let version = look.versions.get(usize::from(target)).copied().flatten();
        if !version.is_some_and(|version| version.has(infomask::HEAP_ONLY)) {
            let what = format!("line pointer is redirected to {target}, no heap-only version");
            return self.complain(look.block, offset, what);
        }
        self.lead(look, offset, target);
    }

    /// A version that was replaced on its page leads to the one that replaced it.
    fn step(&mut self, look: &mut Look<'_>, offset: u16, header: &Header) -> Result<(), Error> {
        if !header.has(infomask::HOT_UPDATED) {
            return Ok(());
        }
        let next = chain::next(header, look.block, offset);
        let after = next.and_then(|next| Some((next, (*look.versions.get(usize::from(next))?)?)));
        match after {
            Some((next, after))
                if after.has(infomask::HEAP_ONLY) && chain::follows(header, &after) =>
            {
                self.lead(look, offset, next);
            }
            _ if self.ender_committed(header)? == Some(false) => {}
            _ => {
                let what = format!("chain is broken: {} is not what replaced it", header.ctid);
                self.complain(look.block, offset, what);
            }
        }
        Ok(())
    }

    fn lead(&mut self, look: &mut Look<'_>, from: u16, to: u16) {
        if std::mem::replace(&mut look.led_to[usize::from(to)], true) {
            let what = format!("another line pointer leads to {to}, too");
            self.complain(look.block, from, what);
        }
    }

    fn maker_committed(&self, header: &Header) -> Result<Option<bool>, Error> {
        self.ended(header, infomask::XMIN_COMMITTED, infomask::XMIN_ABORTED, header.xmin)
    }

    fn ender_committed(&self, header: &Header) -> Result<Option<bool>, Error> {
        self.ended(header, infomask::XMAX_COMMITTED, infomask::XMAX_ABORTED, header.xmax)
    }

    /// Hints first, as always.
    fn ended(
        &self,
        header: &Header,
        committed: u16,
        aborted: u16,
        xid: Xid,
    ) -> Result<Option<bool>, Error> {
        match header.infomask & (committed | aborted) {
            0 => self.transactions.committed(xid),
            hint => Ok(Some(hint & committed != 0)),
        }
    }

    /// What the flag and the map promise.
    fn visibility(&mut self, look: &Look<'_>, visible: bool) -> Result<(), Error> {
        let (block, page) = (look.block, look.page);
        let flag = page.flags() & ALL_VISIBLE != 0;
        if flag != visible {
            let (one, other) = if visible { ("map", "page") } else { ("page", "map") };
            let what = format!("{one} says that everybody sees all of it, {other} does not");
            self.complain(block, 0, what);
        }
        if !visible {
            return Ok(());
        }
        for offset in 1..=page.item_count() {
            if page.item(offset).is_some_and(|item| item.state == ItemState::Dead) {
                self.complain(block, offset, "line pointer of an all-visible page is dead");
            }
            let Some(header) = look.versions[usize::from(offset)] else { continue };
            let seen = header.xmin < self.transactions.horizon()
                && self.maker_committed(&header)? == Some(true);
            // Whoever only locks a row leaves the page as everybody sees it.
            let ended = header.xmax.is_valid() && !header.has(infomask::LOCK_ONLY);
            if !seen || ended {
                self.complain(block, offset, "version of an all-visible page is not seen by all");
            }
        }
        Ok(())
    }
}
