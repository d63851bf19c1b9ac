//! Which changes of names are on disk: create, unlink, rename, link, mkdir, rmdir.
//!
//! ```text
//!   model     an fsync makes durable                               a cut keeps
//!   posix     of a directory: its changes                          any others
//!   inode     as posix; of a file also its own names               any others; with each, the
//!             (fdatasync: its creation only), as ext4, xfs, btrfs  creation of its directory
//!   journal   everything up to the last change that concerns       a prefix of one log, as ext4
//!             the file or directory                                and xfs have it
//! ```
//!
//! In all of them a change on disk implies the earlier ones of the same name.

use clap::ValueEnum;

use crate::draw::{Draw, Policy};
use crate::journal::Change;

use super::Numbered;

/// The models of the table at the head.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Names {
    /// Names are durable with their directory or by the fsync of their file.
    Inode,
    /// Names are durable with their directory only.
    Posix,
    /// Changes of names are one log.
    Journal,
}

/// The names that a change touches, with their directories.
fn touched<'a>(change: &'a Change<'_>) -> [Option<(u64, &'a [u8])>; 2] {
    match change {
        Change::Add { directory, name, .. } | Change::Delete { directory, name, .. } => {
            [Some((*directory, name)), None]
        }
        Change::Move { from, to, old_name, new_name, .. } => {
            [Some((*from, old_name)), Some((*to, new_name))]
        }
        _ => [None, None],
    }
}

/// The inode whose name changes.
fn subject(change: &Change<'_>) -> Option<u64> {
    match change {
        Change::Add { inode, .. } | Change::Delete { inode, .. } | Change::Move { inode, .. } => {
            Some(*inode)
        }
        _ => None,
    }
}

fn is_in(directory: u64, change: &Change<'_>) -> bool {
    touched(change).iter().flatten().any(|(holder, _)| *holder == directory)
}

fn share_a_name(one: &Change<'_>, other: &Change<'_>) -> bool {
    touched(one).iter().flatten().any(|name| touched(other).contains(&Some(*name)))
}

/// Which of the pending changes an fsync of `inode` makes durable that began with the record
/// `begin`; nothing if there are none.
pub(super) fn covered(
    how: Names,
    pending: &[Numbered],
    inode: u64,
    begin: u64,
    data_only: bool,
) -> Option<Vec<bool>> {
    let concerned = |(number, change): &Numbered| {
        let creation = matches!(change, Change::Add { created: true, .. });
        let own = how != Names::Posix && subject(change) == Some(inode) && (!data_only || creation);
        *number < begin && (own || is_in(inode, change))
    };
    let last = pending.iter().rposition(concerned)?;
    let mut kept: Vec<bool> = pending.iter().map(concerned).collect();
    match how {
        Names::Journal => kept[..last].fill(true),
        Names::Posix | Names::Inode => close(how, pending, &mut kept),
    }
    Some(kept)
}

/// Adds what the kept changes imply: the earlier ones of the same name, and in the `inode` model
/// how the directory that they are in came to be.
fn close(how: Names, pending: &[Numbered], kept: &mut [bool]) {
    let mut to_do: Vec<usize> = (0..kept.len()).filter(|at| kept[*at]).collect();
    while let Some(at) = to_do.pop() {
        let change = &pending[at].1;
        for earlier in 0..at {
            if !kept[earlier] && implies(how, change, &pending[earlier].1) {
                kept[earlier] = true;
                to_do.push(earlier);
            }
        }
    }
}

fn implies(how: Names, change: &Change<'_>, earlier: &Change<'_>) -> bool {
    let parent = || {
        how == Names::Inode
            && !matches!(earlier, Change::Delete { .. })
            && subject(earlier).is_some_and(|directory| is_in(directory, change))
    };
    share_a_name(change, earlier) || parent()
}

/// Draws which of the pending changes a cut keeps.
pub(super) fn drawn(how: Names, pending: &[Numbered], draw: &mut Draw) -> Vec<bool> {
    let percent = [10, 50, 90][draw.random.place(3)];
    let prefix = draw.random.place(pending.len() + 1);
    let mut one = |at| match (draw.policy, how) {
        (Policy::Lose, _) => false,
        (Policy::Keep, _) => true,
        (_, Names::Journal) => at < prefix,
        _ => draw.random.percent(percent),
    };
    let mut kept: Vec<bool> = (0..pending.len()).map(&mut one).collect();
    if how != Names::Journal {
        close(how, pending, &mut kept);
    }
    kept
}

/// Says on standard error what was kept.
pub(super) fn tell(pending: &[Numbered], kept: &[bool]) {
    for ((_, change), kept) in pending.iter().zip(kept) {
        let word = match change {
            Change::Add { .. } => "add",
            Change::Delete { .. } => "delete",
            _ => "move",
        };
        let names: Vec<_> = touched(change)
            .iter()
            .flatten()
            .map(|(_, name)| String::from_utf8_lossy(name).into_owned())
            .collect();
        let (names, inode) = (names.join(" to "), subject(change).unwrap_or_default());
        eprintln!("{word} {names} (inode {inode}): {}", if *kept { "kept" } else { "LOST" });
    }
}
