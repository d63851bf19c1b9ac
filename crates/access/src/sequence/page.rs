//! The one page of a sequence.
//!
//! ```text
//! 32  magic       u32   0x4D425351
//! 36  is_called   u8    whether last_value has been given
//! 37  (zeros)
//! 40  last_value  i64   the number given last, or the first to be given
//! 48  log_cnt     i64   how many further numbers the last record covers
//! ```

use buffer::{PageAccess, PageBytes};

const MAGIC: u32 = 0x4D42_5351;
const MAGIC_AT: usize = buffer::page::PAGE_HEADER_SIZE;
const IS_CALLED_AT: usize = MAGIC_AT + 4;
const LAST_VALUE_AT: usize = MAGIC_AT + 8;
const LOG_CNT_AT: usize = MAGIC_AT + 16;

/// What a sequence says of itself, under PostgreSQL's names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State {
    /// The number given last; if none was, the one that will be given first.
    pub last_value: i64,
    /// How many numbers can be given before the next record.
    pub log_cnt: i64,
    /// Whether `last_value` has been given.
    pub is_called: bool,
}

/// What stands on the page; `None`: it is no page of a sequence.
pub(super) fn read(page: &impl PageAccess) -> Option<State> {
    (page.version() == buffer::page::PAGE_VERSION && page.u32_at(MAGIC_AT) == MAGIC).then(|| {
        State {
            last_value: page.u64_at(LAST_VALUE_AT) as i64,
            log_cnt: page.u64_at(LOG_CNT_AT) as i64,
            is_called: page.u32_at(IS_CALLED_AT) & 0xFF != 0,
        }
    })
}

/// Stores it; what is no page of a sequence becomes one.
pub(super) fn put(page: &mut PageBytes, state: State) {
    if read(page).is_none() {
        page.init_raw();
        page.put_u32(MAGIC_AT, MAGIC);
    }
    page.put_u32(IS_CALLED_AT, u32::from(state.is_called));
    page.put_u64(LAST_VALUE_AT, state.last_value as u64);
    page.put_u64(LOG_CNT_AT, state.log_cnt as u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_read() {
        let mut page = PageBytes::default();
        assert_eq!(read(&page), None);
        let state = State { last_value: -7, log_cnt: 32, is_called: true };
        put(&mut page, state);
        assert!(page.is_sane());
        assert_eq!(read(&page), Some(state));
        page.put_u32(MAGIC_AT, 1);
        assert_eq!(read(&page), None);
    }
}
