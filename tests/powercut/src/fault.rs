//! Faults of the disk, as `--fail OP:ERRNO:PATH:SKIP:COUNT` asks for them.

use std::str::FromStr;

use nix::errno::Errno;

/// What fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// A write, a change of the length, an allocation.
    Write,
    /// An fsync or fdatasync, also of a directory.
    Sync,
}

impl Operation {
    /// As it is written in the rule.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Write => "write",
            Operation::Sync => "fsync",
        }
    }
}

/// One rule: `count` operations on paths that contain `path` fail, after `skip` good ones.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What fails.
    pub operation: Operation,
    /// How it fails.
    pub errno: Errno,
    /// A part of the path, which begins with a slash at the root of the mount.
    pub path: String,
    /// So many good operations come first.
    pub skip: u64,
    /// So many then fail.
    pub count: u64,
}

impl Fault {
    /// Whether the rule still applies to that operation on that path.
    pub fn concerns(&self, operation: Operation, path: &str) -> bool {
        self.operation == operation && self.count > 0 && path.contains(&self.path)
    }

    /// Counts one operation that the rule applies to, and tells whether it fails.
    pub fn strikes(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.count = self.count.saturating_sub(1);
        true
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Fault, String> {
        let [operation, errno, path, skip, count] = text.split(':').collect::<Vec<_>>()[..] else {
            return Err("it is OP:ERRNO:PATH:SKIP:COUNT".to_owned());
        };
        let operation = match operation {
            "write" => Operation::Write,
            "fsync" => Operation::Sync,
            other => return Err(format!("{other} cannot fail, write and fsync can")),
        };
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text} is no number"));
        let (errno, path) = (errno_of(errno)?, path.to_owned());
        Ok(Fault { operation, errno, path, skip: number(skip)?, count: number(count)? })
    }
}

fn errno_of(text: &str) -> Result<Errno, String> {
    let errno = match text {
        "EIO" => Errno::EIO,
        "ENOSPC" => Errno::ENOSPC,
        number => Errno::from_raw(number.parse().unwrap_or_default()),
    };
    match errno {
        Errno::UnknownErrno => Err(format!("{text} is no error: EIO, ENOSPC or a number")),
        errno => Ok(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_counts_good_operations_then_bad_ones() {
        let mut fault: Fault = "fsync:EIO:/base/:2:1".parse().expect("it is a rule");
        assert!(fault.concerns(Operation::Sync, "/base/16391"));
        assert!(!fault.concerns(Operation::Write, "/base/16391"));
        assert!(!fault.concerns(Operation::Sync, "/wal/1"));
        assert_eq!([fault.strikes(), fault.strikes(), fault.strikes()], [false, false, true]);
        assert!(!fault.concerns(Operation::Sync, "/base/16391"), "it has failed once");
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for text in ["", "fsync:EIO:/:1", "read:EIO:/:0:1", "write:E:/:0:1", "write:EIO:/:x:1"] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
        assert_eq!("write:28:/:0:1".parse::<Fault>().expect("a rule").errno, Errno::ENOSPC);
    }
}
