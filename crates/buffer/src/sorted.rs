//! Pages whose rows stand in an order: what B-trees need of line pointers.
//!
//! The number of a row is its place in the order, so it changes when others come or go before it.
//! Rows lie unaligned, as their bytes come; there are no gaps between them, since a removal moves
//! the rest together.
//!
//! A row may be marked dead: a hint. From "normal" to "dead" one bit of its line pointer changes,
//! so the mark is set by one atomic operation under the shared lock. It goes away with the row.

use std::sync::atomic::Ordering;

use crate::frame::PageRead;
use crate::page::{ITEM_SIZE, Item, ItemState, LOWER_AT, MAX_ITEMS, UPPER_AT, item_at};
use crate::page::{PageAccess, PageBytes};

/// In the upper half of a line pointer: what makes "normal" "dead".
const DEAD_BIT: u16 = 1;

const _: () = assert!(ItemState::Normal as u8 | (DEAD_BIT as u8) << 1 == ItemState::Dead as u8);

impl PageBytes {
    /// Puts a row at `number`, before those that have that number or a higher one. `false`: it does
    /// not fit, or there is no such place; nothing is changed.
    #[must_use]
    pub fn insert_row(&mut self, number: u16, row: &[u8]) -> bool {
        let count = self.item_count();
        let place = number >= 1 && number <= count + 1 && number <= MAX_ITEMS;
        if !self.is_sane() || !place || row.len() + ITEM_SIZE > self.hole() {
            return false;
        }
        let offset = self.upper() - row.len() as u16;
        self.0[usize::from(offset)..usize::from(offset) + row.len()].copy_from_slice(row);
        self.0.copy_within(item_at(number)..item_at(count + 1), item_at(number + 1));
        self.put_u16(UPPER_AT, offset);
        self.put_u16(LOWER_AT, self.lower() + ITEM_SIZE as u16);
        self.set_item(number, Item { offset, length: row.len() as u16, state: ItemState::Normal });
        true
    }

    /// Removes the rows of these numbers, which rise, and moves the others together; marks on those
    /// that stay are kept. `false`: there are no such rows, or the page is damaged; nothing is
    /// changed.
    #[must_use]
    pub fn remove_rows(&mut self, numbers: impl Iterator<Item = u16>) -> bool {
        let old = self.clone();
        let count = old.item_count();
        let (mut lower, mut upper) = (item_at(1), usize::from(old.special()));
        if !old.is_sane() {
            return false;
        }
        let mut gone = numbers.peekable();
        for number in 1..=count {
            if gone.next_if_eq(&number).is_some() {
                continue;
            }
            let Some(item) = old.item(number) else { continue };
            let Some(from) = item.extent().filter(|from| upper.saturating_sub(from.len()) >= lower)
            else {
                *self = old;
                return false;
            };
            upper -= from.len();
            self.0[upper..upper + from.len()].copy_from_slice(&old.0[from]);
            lower += ITEM_SIZE;
            let kept = ((lower - item_at(1)) / ITEM_SIZE) as u16;
            self.set_item(kept, Item { offset: upper as u16, ..item });
        }
        if gone.next().is_some() || lower > upper {
            *self = old;
            return false;
        }
        self.put_u16(LOWER_AT, lower as u16);
        self.put_u16(UPPER_AT, upper as u16);
        self.0[lower..upper].fill(0);
        true
    }

    /// Marks a row dead; under the exclusive lock, by the law on hints.
    pub fn mark_dead(&mut self, number: u16) {
        if let Some(item) = self.item(number).filter(|item| item.state == ItemState::Normal) {
            self.set_item(number, Item { state: ItemState::Dead, ..item });
        }
    }
}

impl PageRead<'_> {
    /// Marks a row dead, if hints are allowed now (`BufferPool::allow_hints`).
    pub fn mark_dead(&self, number: u16) {
        if self.item(number).is_some_and(|item| item.state == ItemState::Normal) {
            self.hint_word(item_at(number) + 2).fetch_or(DEAD_BIT, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::page::PAGE_HEADER_SIZE;

    fn rows(page: &PageBytes) -> Vec<(Vec<u8>, bool)> {
        let row = |number| {
            let item = page.item(number).expect("a row");
            let bytes = page.0[item.extent().expect("inside")].to_vec();
            (bytes, item.state == ItemState::Dead)
        };
        (1..=page.item_count()).map(row).collect()
    }

    #[test]
    fn a_page_is_filled_to_the_last_byte() {
        let mut page = PageBytes::default();
        page.init(16);
        let room = page.hole() - ITEM_SIZE;
        assert!(!page.insert_row(1, &vec![1; room + 1]));
        assert!(!page.insert_row(2, b"no row before it") && !page.insert_row(0, b"counted from 1"));
        assert!(page.insert_row(1, &vec![1; room]));
        assert_eq!((page.hole(), page.item_count()), (0, 1));
        assert!(!page.insert_row(1, b""));
    }

    #[test]
    fn a_dead_mark_is_one_bit_of_the_upper_half() {
        let mut page = PageBytes::default();
        page.init(0);
        assert!(page.insert_row(1, b"row"));
        let before = page.u32_at(PAGE_HEADER_SIZE);
        page.mark_dead(1);
        assert_eq!(page.u32_at(PAGE_HEADER_SIZE) ^ before, u32::from(DEAD_BIT) << 16);
    }

    proptest! {
        #[test]
        fn rows_stay_in_their_order(
            steps in proptest::collection::vec((any::<u16>(), 0usize..300, 0u8..5), 1..150)
        ) {
            let mut page = PageBytes::default();
            page.init(16);
            let mut model: Vec<(Vec<u8>, bool)> = Vec::new();
            for (number, length, what) in steps {
                let at = usize::from(number) % (model.len() + 1);
                let number = at as u16 + 1;
                match what {
                    0 if at < model.len() => {
                        let last = model.len() as u16;
                        let gone = if number < last { vec![number, last] } else { vec![number] };
                        prop_assert!(page.remove_rows(gone.iter().copied()));
                        gone.iter().rev().for_each(|number| drop(model.remove(usize::from(*number) - 1)));
                    }
                    1 if at < model.len() => {
                        page.mark_dead(number);
                        model[at].1 = true;
                    }
                    _ => {
                        let row = vec![length as u8; length];
                        if page.insert_row(number, &row) {
                            model.insert(at, (row, false));
                        }
                    }
                }
                prop_assert_eq!(&rows(&page), &model);
            }
            prop_assert!(!page.remove_rows([model.len() as u16 + 1].into_iter()));
            prop_assert_eq!(&rows(&page), &model);
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 64)) {
            let mut page = PageBytes::default();
            page.0[..64].copy_from_slice(&bytes);
            page.mark_dead(1);
            let _ = page.insert_row(1, b"row");
            let _ = page.remove_rows([1, 3].into_iter());
        }
    }
}
