//! How many bytes of rows a query holds, and the limit.

use types::{Datum, SqlState};

use crate::error::{Error, Result};

/// A query may hold so many times `work_mem`: it cannot spill to disk yet.
pub(super) const WORK_MEM_MULTIPLE: u64 = 64;

/// Counts bytes against a limit.
pub(super) struct Memory {
    used: u64,
    limit: u64,
    work_mem: u64,
}

impl Memory {
    pub(super) fn new(work_mem: u64) -> Memory {
        Memory { used: 0, limit: work_mem.saturating_mul(WORK_MEM_MULTIPLE), work_mem }
    }

    /// Takes bytes; `53200` if that are too many.
    pub(super) fn take(&mut self, bytes: usize) -> Result<()> {
        self.used = self.used.saturating_add(bytes as u64);
        if self.used > self.limit {
            return Err(Error::new(SqlState::OUT_OF_MEMORY, "out of memory")
                .detail(format!(
                    "A sort, DISTINCT or GROUP BY holds its rows in memory, at most \
                     {WORK_MEM_MULTIPLE} times work_mem ({} kB).",
                    self.work_mem / 1024
                ))
                .hint("Increase work_mem, or add a LIMIT to the ORDER BY."));
        }
        Ok(())
    }

    /// Gives bytes back.
    pub(super) fn give_back(&mut self, bytes: usize) {
        self.used = self.used.saturating_sub(bytes as u64);
    }
}

/// The bytes that a row takes.
pub(super) fn size_of_row(row: &[Datum]) -> usize {
    size_of::<Vec<Datum>>() + row.iter().map(size_of_value).sum::<usize>()
}

fn size_of_value(value: &Datum) -> usize {
    let outside = match value {
        Datum::Text(text) => text.capacity(),
        Datum::Bytea(bytes) => bytes.capacity(),
        Datum::Numeric(number) => (number.digits() / 2) as usize,
        _ => 0,
    };
    size_of::<Datum>() + outside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_much_is_an_error_and_what_is_given_back_counts() {
        let mut memory = Memory::new(10);
        memory.take(640).expect("just fits");
        let error = memory.take(1).expect_err("one too many");
        assert_eq!(error.sqlstate().expect("report").as_str(), "53200");
        memory.give_back(2);
        memory.take(1).expect("fits again");
    }
}
