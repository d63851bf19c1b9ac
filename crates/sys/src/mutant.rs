//! Bugs that a test build can switch on, to show that the tests would see them.
//!
//! A mutant is a place where the server does wrong on purpose. There is none in a normal build:
//! without the feature `faults`, [`on`] is a constant and the compiler drops what it guards. With
//! it, the variable `MAMONT_MUTANT` of the environment names the one that is on; it is read once in
//! the life of a process, so that children have what the postmaster had.
//!
//! `just mutants` runs the tests against each of them; `docs/testing.md` says which test catches
//! which.

/// A bug. What is said of each is what goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutant {
    /// A flush of the log writes and does not sync.
    WalNeverSynced,
    /// Relation files are written and not synced.
    DataNeverSynced,
    /// The log holds no full-page images.
    FullPageImagesOff,
    /// An `fsync` that fails is taken for one that did not.
    FailedFsyncIgnored,
    /// A page is written before the log that changed it is flushed.
    PageBeforeItsWal,
    /// A checkpoint looks for dirty buffers first and takes its redo position afterwards.
    RedoAfterScan,
    /// Each checkpoint forgets to sync one file that it was asked to.
    SyncRequestLost,
    /// Whoever finds another at flushing takes that flush for its own.
    FollowerAnsweredEarly,
    /// Names of files are not made durable.
    DirectoriesNeverSynced,
    /// What lies behind the end of the log stays there after recovery.
    EndOfLogNotWiped,
    /// A hint dirties a page though the log holds no image of it.
    HintWithoutImage,
    /// A commit is answered, and seen, before its status is on the status page.
    CommitBeforeStatus,
    /// A synchronous commit is seen by others before it is durable.
    CommitSeenBeforeFlush,
    /// Nobody removes the files of a CREATE that was rolled back.
    AbortedFilesKept,
    /// Redo does not remove the files of a DROP that was committed, nor does anybody else.
    DroppedFilesBack,
    /// A snapshot sees whatever has committed by the moment at which it is asked.
    SnapshotChangesItsMind,
    /// An UPDATE that has waited for another puts what it had computed before in that one's place.
    RowNotLookedAtAgain,
    /// Under repeatable read each statement takes a snapshot of its own.
    OneSnapshotForgotten,
    /// Under repeatable read a row that was changed since the snapshot is changed all the same.
    ConcurrentUpdateIgnored,
    /// SELECT FOR UPDATE and its like wait for others, and then lock nothing.
    RowLockForgotten,
}

impl Mutant {
    /// Every one of them.
    pub const ALL: [Mutant; 20] = [
        Mutant::WalNeverSynced,
        Mutant::DataNeverSynced,
        Mutant::FullPageImagesOff,
        Mutant::FailedFsyncIgnored,
        Mutant::PageBeforeItsWal,
        Mutant::RedoAfterScan,
        Mutant::SyncRequestLost,
        Mutant::FollowerAnsweredEarly,
        Mutant::DirectoriesNeverSynced,
        Mutant::EndOfLogNotWiped,
        Mutant::HintWithoutImage,
        Mutant::CommitBeforeStatus,
        Mutant::CommitSeenBeforeFlush,
        Mutant::AbortedFilesKept,
        Mutant::DroppedFilesBack,
        Mutant::SnapshotChangesItsMind,
        Mutant::RowNotLookedAtAgain,
        Mutant::OneSnapshotForgotten,
        Mutant::ConcurrentUpdateIgnored,
        Mutant::RowLockForgotten,
    ];

    /// Its name in `MAMONT_MUTANT` and on the command line: `wal-never-synced`.
    pub fn name(self) -> String {
        let mut name = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }

    /// The mutant of that name.
    pub fn of_name(name: &str) -> Option<Mutant> {
        Mutant::ALL.into_iter().find(|mutant| mutant.name() == name)
    }
}

/// Whether the server is to have this bug: never, in a normal build.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub const fn on(_mutant: Mutant) -> bool {
    false
}

/// Whether the server is to have this bug.
///
/// # Panics
/// When `MAMONT_MUTANT` names none: a test that meant another would pass without reason.
#[cfg(feature = "faults")]
pub fn on(mutant: Mutant) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<Mutant>> = std::sync::OnceLock::new();
    let choose = || {
        let name = std::env::var("MAMONT_MUTANT").ok()?;
        Some(Mutant::of_name(&name).unwrap_or_else(|| panic!("no mutant is called {name}")))
    };
    *CHOSEN.get_or_init(choose) == Some(mutant)
}

/// Lets others run for some milliseconds, in the middle of a wrong order: a bug that takes hours to
/// strike says nothing about a test of seconds.
pub fn pause() {
    std::thread::sleep(std::time::Duration::from_millis(5));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutant_is_found_by_its_name() {
        assert_eq!(Mutant::WalNeverSynced.name(), "wal-never-synced");
        for mutant in Mutant::ALL {
            assert_eq!(Mutant::of_name(&mutant.name()), Some(mutant));
            assert!(!on(mutant), "none is on when none is asked for");
        }
        assert_eq!(Mutant::of_name("WalNeverSynced"), None);
    }
}
