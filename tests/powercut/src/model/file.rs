//! The content of one file after a cut.
//!
//! ```text
//!   pending writes, in order      fate of each             the disk
//!   [....AAAAAAAA........]        kept                     [....AAAAAAAA........]
//!   [........BBBBBBBB....]        torn at a sector         [....AAAAAAAABBBB....]
//!   [CCCC................]        lost                     [....AAAAAAAABBBB....]
//! ```
//!
//! A sector that reaches the disk is copied from the page cache, which holds all the writes up to
//! this one: so a kept write may carry a lost one beside it to the disk, as on a real machine.

use crate::draw::{Draw, Policy, Random};
use crate::journal::Change;
use crate::tree::apply_data;

use super::Numbered;

/// What becomes of the pending writes of a file.
struct Fate {
    policy: Policy,
    /// Of a hundred writes, so many are kept where chance decides on each.
    percent: u64,
    /// The write that is torn where the first ones are kept.
    torn: usize,
}

impl Fate {
    /// All is drawn whether it is needed or not, so that seeds keep their meaning.
    fn draw(draw: &mut Draw, pending: usize) -> Fate {
        let random = &mut draw.random;
        let mixed = [Policy::Lose, Policy::Keep, Policy::Prefix, Policy::Random, Policy::Random]
            [random.place(5)];
        let policy = if draw.policy == Policy::Mix { mixed } else { draw.policy };
        let percent = [10, 50, 90][random.place(3)];
        Fate { policy, percent, torn: random.place(pending + 1) }
    }

    /// Whether that write is kept, and whether it is torn then.
    fn of(&self, write: usize, random: &mut Random) -> (bool, bool) {
        match self.policy {
            Policy::Lose => (false, false),
            Policy::Keep => (true, false),
            Policy::Prefix => (write <= self.torn, write == self.torn),
            Policy::Mix | Policy::Random => (random.percent(self.percent), random.percent(40)),
        }
    }
}

/// Draws what `disk`, the durable content, holds of the pending changes after the cut.
pub(super) fn cut(pending: &[Numbered], disk: &mut Vec<u8>, draw: &mut Draw) {
    let fate = Fate::draw(draw, pending.len());
    if pending.is_empty() {
        return;
    }
    draw.tally.files += 1;
    let mut cache = disk.clone();
    for (at, (_, change)) in pending.iter().enumerate() {
        let (kept, torn) = fate.of(at, &mut draw.random);
        let before = cache.len();
        apply_data(&mut cache, change);
        match change {
            Change::Truncate { .. } if kept => apply_data(disk, change),
            Change::Truncate { .. } => {
                draw.tally.truncates_lost += 1;
                if cache.len() < before {
                    return;
                }
            }
            Change::Write { offset, data, .. } => {
                draw.tally.writes += 1;
                draw.tally.writes_lost += u64::from(!kept);
                if kept && !data.is_empty() {
                    write((*offset as usize, data.len()), torn, &cache, disk, draw);
                }
            }
            _ => {}
        }
    }
    // The new length can be on disk without the data; the gap reads as zeros.
    if fate.policy == Policy::Random && disk.len() < cache.len() && draw.random.percent(30) {
        disk.resize(cache.len(), 0);
    }
}

/// Brings a write of that place and length to the disk. Torn, it leaves its first sectors, its last
/// ones, or any of them.
fn write(
    (offset, length): (usize, usize),
    torn: bool,
    cache: &[u8],
    disk: &mut Vec<u8>,
    draw: &mut Draw,
) {
    let (first, last) = (offset / draw.sector, (offset + length - 1) / draw.sector);
    draw.tally.writes_torn += u64::from(torn && last > first);
    let random = &mut draw.random;
    let (shape, at) = (random.below(3), first + random.place(last - first + 1));
    let mut reaches = |sector: usize| match shape {
        _ if !torn => true,
        0 => sector < at,
        1 => sector >= at,
        _ => random.percent(50),
    };
    for sector in first..=last {
        if reaches(sector) {
            let (low, high) = (sector * draw.sector, ((sector + 1) * draw.sector).min(cache.len()));
            disk.resize(disk.len().max(high), 0);
            disk[low..high].copy_from_slice(&cache[low..high]);
        }
    }
}
