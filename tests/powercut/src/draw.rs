//! The draw: which of the states that are legal after a cut is built. Everything random comes from
//! one generator with one seed, in one order, so that a seed names an image for ever.

use clap::ValueEnum;

/// What happens to writes and changes of names that no fsync covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Policy {
    /// Each file draws one of the others.
    Mix,
    /// All are lost.
    Lose,
    /// All are kept: a kill of the server, not a cut of the power.
    Keep,
    /// The first of them are kept, and the one after these is torn.
    Prefix,
    /// Any of them are kept, and some of these are torn.
    Random,
}

/// One draw, and what it came to.
#[derive(Debug)]
pub struct Draw {
    /// What happens to what is pending.
    pub policy: Policy,
    /// The bytes that reach the disk whole or not at all. Not zero.
    pub sector: usize,
    /// Where chance comes from.
    pub random: Random,
    /// Whether to say on standard error what was kept and lost.
    pub verbose: bool,
    /// What was drawn.
    pub tally: Tally,
}

impl Draw {
    /// A quiet draw with the sector of most disks.
    pub fn new(policy: Policy, seed: u64) -> Draw {
        let (random, tally) = (Random(seed), Tally::default());
        Draw { policy, sector: 512, random, verbose: false, tally }
    }
}

/// How much was pending at the cut, and what became of it.
#[derive(Clone, Copy, Default, Debug)]
pub struct Tally {
    /// Files with pending changes.
    pub files: u64,
    /// Pending writes.
    pub writes: u64,
    /// Those that left nothing.
    pub writes_lost: u64,
    /// Those that left a part.
    pub writes_torn: u64,
    /// Pending changes of a file's length that were lost.
    pub truncates_lost: u64,
    /// Pending changes of names.
    pub names: u64,
    /// Those that were lost.
    pub names_lost: u64,
}

/// A generator of random numbers: splitmix64 (Steele, Lea, Flood 2014), seeded with its state.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// A number below `limit`, or zero if that is zero.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit.max(1)
    }

    /// A place in a list of that length, or zero if it is empty.
    pub fn place(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// True so many times of a hundred.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}
