//! What happens to the bytes of a heap page: the same functions when it happens and when it is
//! redone.
//!
//! A page has versions behind line pointers, and nothing in its special area. Its flags tell what
//! its line pointers need not be searched for; `prune_xid` is the oldest transaction whose end may
//! leave a dead version.
//!
//! The functions return `false`, with the page as it was, where the page is not as they need it.
//! Under the page's lock, after looking, that cannot be; in redo it means damage.

use buffer::page::MAX_ITEMS;
use buffer::{ItemState, PageAccess, PageBytes};
use txn::RowLockMode;
use types::{TupleId, Xid};

use super::plan::Plan;
use crate::tuple::{HEADER_SIZE, Header, infomask};

/// Flag of the page: a line pointer before the last may be unused.
pub(crate) const HAS_FREE_LINES: u16 = 1;

/// Flag of the page: a line pointer may be dead.
pub(crate) const HAS_DEAD_LINES: u16 = 2;

/// Flag of the page: everybody sees every version on it, and the visibility map says so.
pub(crate) const ALL_VISIBLE: u16 = 4;

const LINE_POINTER: usize = 4;
/// The most line pointers of a heap page: so many versions without values would fill it. More
/// could only be dead ones, and would take the room of versions until vacuum comes.
pub(crate) const LINES_MAX: u16 =
    ((types::PAGE_SIZE - buffer::page::PAGE_HEADER_SIZE) / (HEADER_SIZE + LINE_POINTER)) as u16;
const _: () = assert!(LINES_MAX <= MAX_ITEMS);

/// The line pointer that the next version gets.
pub(crate) fn next_offset(page: &impl PageAccess) -> u16 {
    let count = page.item_count();
    if page.flags() & HAS_FREE_LINES != 0 {
        let unused =
            |number: &u16| page.item(*number).is_some_and(|item| item.state == ItemState::Unused);
        if let Some(number) = (1..=count).find(unused) {
            return number;
        }
    }
    count + 1
}

/// The length of the longest version that fits, without pruning. A new page is an empty one.
pub(crate) fn room(page: &impl PageAccess) -> usize {
    if page.is_new() {
        return crate::tuple::MAX_TUPLE_SIZE;
    }
    if !page.is_sane() {
        return 0;
    }
    let offset = next_offset(page);
    let pointer = if offset > page.item_count() { LINE_POINTER } else { 0 };
    if offset > LINES_MAX { 0 } else { page.hole().saturating_sub(pointer) & !7 }
}

/// Adds a version at a free line pointer; its `ctid` must name that place already.
#[must_use]
pub(crate) fn add(page: &mut PageBytes, offset: u16, tuple: &[u8]) -> bool {
    if page.is_new() {
        page.init(0);
    }
    let appended = offset > page.item_count();
    let fits = page.put_row(offset, tuple);
    if fits {
        let outdated = if appended { HAS_FREE_LINES | ALL_VISIBLE } else { ALL_VISIBLE };
        page.set_flags(page.flags() & !outdated);
    }
    fits
}

/// How a version ends.
#[derive(Clone, Copy)]
pub(crate) struct End {
    /// Who deleted or replaced it.
    pub xmax: Xid,
    /// The command that did.
    pub cid: u32,
    /// Where the version that replaces it stands; if it is deleted, its own place.
    pub next: TupleId,
    /// The one that replaces it is heap-only.
    pub hot: bool,
    /// How strongly that holds the row.
    pub strength: RowLockMode,
    /// Others may hold locks of it besides.
    pub more_lockers: bool,
}

/// Marks a version as deleted or replaced.
#[must_use]
pub(crate) fn end(page: &mut PageBytes, offset: u16, end: End) -> bool {
    let Some(row) = page.row_mut(offset) else { return false };
    let Some(fixed) = row.first_chunk_mut::<HEADER_SIZE>() else { return false };
    let Ok(mut header) = Header::read(&fixed[..]) else { return false };
    header.xmax = end.xmax;
    header.cid = end.cid;
    header.ctid = end.next;
    header.infomask &= !OF_THE_END;
    header.infomask |= if end.hot { infomask::HOT_UPDATED } else { 0 };
    header.infomask |= (end.strength as u16) << infomask::STRENGTH_SHIFT;
    header.infomask |= if end.more_lockers { infomask::MORE_LOCKERS } else { 0 };
    header.write(fixed);
    page.set_flags(page.flags() & !ALL_VISIBLE);
    note_prunable(page, end.xmax);
    true
}

/// What `infomask` says of `xmax`.
const OF_THE_END: u16 = infomask::XMAX_HINTS
    | infomask::LOCK_ONLY
    | infomask::HOT_UPDATED
    | infomask::STRENGTH
    | infomask::MORE_LOCKERS;

/// How a version is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lock {
    /// Who is to stand in the version as holding it, and how; `None`: who stands there stays.
    pub holder: Option<(Xid, RowLockMode)>,
    /// Others may hold locks of it besides. The mark stays if it is there.
    pub more_lockers: bool,
}

/// Locks the version at a place. Who stood in it has ended, or is the same.
#[must_use]
pub(crate) fn lock(page: &mut PageBytes, place: TupleId, lock: Lock) -> bool {
    let Some(row) = page.row_mut(place.offset) else { return false };
    let Some(fixed) = row.first_chunk_mut::<HEADER_SIZE>() else { return false };
    let Ok(mut header) = Header::read(&fixed[..]) else { return false };
    if let Some((xid, mode)) = lock.holder {
        header.xmax = xid;
        header.ctid = place;
        header.infomask &= !OF_THE_END | infomask::MORE_LOCKERS;
        header.infomask |= infomask::LOCK_ONLY | (mode as u16) << infomask::STRENGTH_SHIFT;
    }
    header.infomask |= if lock.more_lockers { infomask::MORE_LOCKERS } else { 0 };
    header.write(fixed);
    true
}

/// Notes that the end of `xid` may leave a dead version here.
fn note_prunable(page: &mut PageBytes, xid: Xid) {
    let noted = page.prune_xid();
    if !noted.is_valid() || xid < noted {
        page.set_prune_xid(xid);
    }
}

/// Does what pruning has decided, and moves what is left together. `false`: the plan names what is
/// not there.
#[must_use]
pub(crate) fn prune(page: &mut PageBytes, plan: &Plan) -> bool {
    let count = page.item_count();
    let redirected = plan.redirects.iter().flat_map(|&(root, target)| [root, target]);
    let mut all = redirected.chain(plan.dead.iter().chain(&plan.unused).copied());
    if !all.all(|offset| (1..=count).contains(&offset)) {
        return false;
    }
    if !plan.settled.iter().all(|&offset| settle(page, offset)) {
        return false;
    }
    for &(root, target) in &plan.redirects {
        page.set_redirect(root, target);
    }
    plan.dead.iter().for_each(|&offset| page.set_dead(offset));
    plan.unused.iter().for_each(|&offset| page.set_unused(offset));
    page.compact();
    page.set_prune_xid(plan.prune_xid);
    note_lines(page);
    let visible = if plan.visible.is_valid() { ALL_VISIBLE } else { 0 };
    page.set_flags(page.flags() & !ALL_VISIBLE | visible);
    true
}

/// Takes away an `xmax` that means nothing: it aborted, or only locked the row and has ended.
fn settle(page: &mut PageBytes, offset: u16) -> bool {
    let Some(row) = page.row_mut(offset) else { return false };
    let Some(fixed) = row.first_chunk_mut::<HEADER_SIZE>() else { return false };
    let Ok(mut header) = Header::read(&fixed[..]) else { return false };
    header.xmax = Xid::INVALID;
    // Others than the one taken away may hold locks still.
    header.infomask &= !OF_THE_END | infomask::MORE_LOCKERS;
    header.write(fixed);
    true
}

/// Sets the flags by what the line pointers are.
fn note_lines(page: &mut PageBytes) {
    let has = |state| {
        (1..=page.item_count()).any(|number| page.item(number).is_some_and(|i| i.state == state))
    };
    let free = if has(ItemState::Unused) { HAS_FREE_LINES } else { 0 };
    let dead = if has(ItemState::Dead) { HAS_DEAD_LINES } else { 0 };
    page.set_flags(page.flags() & !(HAS_FREE_LINES | HAS_DEAD_LINES) | free | dead);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds a version where an insert would.
    fn append(page: &mut PageBytes, tuple: &[u8]) -> bool {
        let offset = next_offset(page);
        add(page, offset, tuple)
    }

    fn tuple(length: usize) -> Vec<u8> {
        vec![0; HEADER_SIZE + length]
    }

    const NEXT: TupleId = TupleId { block: 0, offset: 9 };

    fn ended(xmax: u64) -> End {
        let (strength, more_lockers) = (RowLockMode::Update, false);
        End { xmax: Xid(xmax), cid: 0, next: NEXT, hot: false, strength, more_lockers }
    }

    fn removal(offset: u16, prune_xid: u64) -> Plan {
        let unused = [offset].into_iter().collect();
        Plan { unused, prune_xid: Xid(prune_xid), ..Plan::default() }
    }

    #[test]
    fn a_new_page_takes_the_largest_version() {
        let mut page = PageBytes::default();
        let largest = room(&page);
        assert!(append(&mut page, &vec![0; largest]));
        assert_eq!(room(&page), 0);
        assert_eq!(next_offset(&page), 2);
    }

    #[test]
    fn what_room_promises_fits_and_eight_bytes_more_do_not() {
        let mut page = PageBytes::default();
        for length in [1, 100, 333, 2000] {
            assert!(append(&mut page, &tuple(length)));
            let room = room(&page);
            let mut copy = page.clone();
            assert!(append(&mut copy, &vec![0; room]));
            assert!(!append(&mut page.clone(), &vec![0; room + 8]));
        }
    }

    #[test]
    fn removal_gives_back_room_and_line_pointers() {
        let mut page = PageBytes::default();
        for _ in 0..3 {
            assert!(append(&mut page, &tuple(1000)));
        }
        let before = room(&page);
        assert!(end(&mut page, 2, ended(7)) && end(&mut page, 1, ended(9)));
        assert_eq!(page.prune_xid(), Xid(7));
        assert!(prune(&mut page, &removal(2, 9)));
        assert_eq!((next_offset(&page), page.prune_xid()), (2, Xid(9)));
        assert!(room(&page) > before + 1000);
        assert!(add(&mut page, 2, &tuple(8)));
        assert!(prune(&mut page, &removal(3, 0)));
        assert_eq!((page.flags() & HAS_FREE_LINES, next_offset(&page)), (0, 3));
    }

    #[test]
    fn the_end_of_a_version_that_is_not_there_changes_nothing() {
        let mut page = PageBytes::default();
        assert!(!end(&mut page, 1, ended(7)) && !prune(&mut page, &removal(1, 0)));
        page.init(0);
        assert!(page.put_row(1, b"short"));
        let before = page.0;
        assert!(!end(&mut page, 1, ended(7)) && !end(&mut page, 2, ended(7)));
        assert!(page.0 == before);
    }

    #[test]
    fn dead_roots_keep_their_line_pointers_and_their_number_is_bounded() {
        let mut page = PageBytes::default();
        let offsets = 1..=LINES_MAX;
        for offset in offsets.clone() {
            assert!(room(&page) >= HEADER_SIZE, "{offset}");
            assert!(add(&mut page, offset, &tuple(0)));
        }
        assert_eq!(room(&page), 0);
        assert!(prune(&mut page, &Plan { dead: offsets.collect(), ..Plan::default() }));
        assert_eq!((page.flags(), page.item_count()), (HAS_DEAD_LINES, LINES_MAX));
        assert_eq!(room(&page), 0, "whatever the hole");
        assert!(prune(&mut page, &removal(7, 0)));
        assert_eq!((page.flags(), next_offset(&page)), (HAS_DEAD_LINES | HAS_FREE_LINES, 7));
        assert!(room(&page) > 1000);
    }

    #[test]
    fn a_lock_leaves_all_but_the_end_as_it_was() {
        let mut page = PageBytes::default();
        assert!(append(&mut page, &tuple(8)));
        assert!(end(&mut page, 1, End { hot: true, cid: 5, ..ended(7) }));
        let place = TupleId { block: 3, offset: 1 };
        let header = |page: &PageBytes| Header::read(page.row(1).expect("there")).expect("whole");
        let mark = Lock { holder: None, more_lockers: true };
        assert!(lock(&mut page, place, mark));
        let marked = header(&page);
        assert!(marked.has(infomask::MORE_LOCKERS | infomask::HOT_UPDATED));
        assert_eq!((marked.xmax, marked.ctid), (Xid(7), NEXT));
        let holder = Some((Xid(9), RowLockMode::Share));
        assert!(lock(&mut page, place, Lock { holder, more_lockers: false }));
        let locked = header(&page);
        assert_eq!((locked.xmax, locked.cid, locked.ctid), (Xid(9), 5, place));
        assert_eq!(locked.strength(), RowLockMode::Share);
        assert!(locked.has(infomask::MORE_LOCKERS | infomask::LOCK_ONLY));
        assert!(!locked.has(infomask::HOT_UPDATED));
        assert!(!lock(&mut page, TupleId { block: 3, offset: 2 }, mark));
    }

    #[test]
    fn an_end_that_means_nothing_is_taken_away() {
        let mut page = PageBytes::default();
        assert!(append(&mut page, &tuple(8)));
        assert!(end(&mut page, 1, End { hot: true, ..ended(7) }));
        let header = |page: &PageBytes| Header::read(page.row(1).expect("there")).expect("whole");
        assert!(header(&page).has(infomask::HOT_UPDATED));
        let settled = Plan { settled: [1].into_iter().collect(), ..Plan::default() };
        assert!(prune(&mut page, &settled));
        assert_eq!((header(&page).xmax, header(&page).infomask), (Xid::INVALID, 0));
    }
}
