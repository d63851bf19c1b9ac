//! The nine kinds of images.

use std::fmt;

use serde::{Deserialize, Serialize};

/// When the power goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Cut {
    /// Where the recording ends.
    End,
    /// After any change of the file system.
    Change,
    /// Just before any fsync is complete.
    Sync,
}

/// What makes a new, removed or changed name durable.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Names {
    /// The fsync of its directory, or that of the file itself.
    Inode,
    /// Any fsync that comes later in the file system's journal; a cut keeps a prefix.
    Journal,
    /// Only the fsync of its directory.
    Posix,
}

/// A kind of image.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Kind {
    /// When the power goes.
    pub cut: Cut,
    /// What makes names durable.
    pub names: Names,
}

impl Kind {
    /// All nine.
    pub fn all() -> Vec<Kind> {
        let cuts = [Cut::End, Cut::Change, Cut::Sync];
        let names = [Names::Inode, Names::Journal, Names::Posix];
        cuts.iter().flat_map(|&cut| names.map(|names| Kind { cut, names })).collect()
    }

    /// The tool's option `--at`.
    pub fn at(self) -> &'static str {
        match self.cut {
            Cut::End => "end",
            Cut::Change => "rec:rand",
            Cut::Sync => "sync:rand",
        }
    }

    /// The tool's option `--names`.
    pub fn names(self) -> &'static str {
        match self.names {
            Names::Inode => "inode",
            Names::Journal => "journal",
            Names::Posix => "posix",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.at(), self.names())
    }
}
