//! What is to go wrong in a run, and how it is written: `sync:wal:EIO:17:once`.

use std::fmt;
use std::str::FromStr;

/// Operations, the files they are done to, and the faults they can have.
pub const SWEEPS: &[(&str, &[&str], &[&str])] = &[
    ("read", &["wal", "data", "control", "config"], &["EIO"]),
    ("write", &["wal", "data", "control", "config"], &["EIO", "ENOSPC", "short", "short-ENOSPC"]),
    ("extend", &["wal", "data"], &["EIO", "ENOSPC", "short", "short-ENOSPC"]),
    ("sync", &["wal", "data", "control", "config"], &["EIO", "ENOSPC"]),
    ("syncdir", &["wal", "data", "control", "config"], &["EIO"]),
    ("rename", &["wal", "control", "config"], &["EIO", "ENOSPC"]),
    ("open", &["wal", "data", "control", "config"], &["EIO", "ENOSPC"]),
    ("truncate", &["data"], &["EIO"]),
    ("remove", &["wal", "data", "config"], &["EIO"]),
    ("stat", &["wal", "data", "control", "config"], &["EIO"]),
    ("list", &["wal", "data"], &["EIO"]),
    ("mkdir", &["wal", "data", "control"], &["ENOSPC"]),
    ("space", &["any"], &["ENOSPC"]),
];

/// Whether only the n-th operation fails, or each from then on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Times {
    /// Only the n-th.
    Once,
    /// Each from the n-th on, until the test ends it.
    Forever,
}

/// What the server does meanwhile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scene {
    /// Recovery and the script, with `synchronous_commit = on`.
    Synchronous,
    /// The same with `synchronous_commit = off`.
    Asynchronous,
    /// The initialisation of a directory.
    Initialisation,
}

impl Scene {
    /// All of them.
    pub const ALL: [Scene; 3] = [Scene::Synchronous, Scene::Asynchronous, Scene::Initialisation];

    fn name(self) -> &'static str {
        match self {
            Scene::Synchronous => "on",
            Scene::Asynchronous => "off",
            Scene::Initialisation => "init",
        }
    }
}

/// One run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Case {
    /// The operation.
    pub op: String,
    /// What kind of file.
    pub class: String,
    /// What happens to it.
    pub fault: String,
    /// The first operation that it happens to.
    pub nth: u64,
    /// How often.
    pub times: Times,
    /// What the server does meanwhile.
    pub scene: Scene,
}

impl Case {
    /// The value of `MAMONT_FAULT`, but for the counter.
    pub fn plan(&self) -> String {
        let Case { op, class, fault, nth, times, .. } = self;
        let times = if *times == Times::Once { "once" } else { "forever" };
        format!("op={op},class={class},fault={fault},nth={nth},times={times}")
    }

    /// The error codes that a client may see.
    pub fn codes(&self) -> Vec<String> {
        let codes: &[&str] = match self.fault.trim_start_matches("short-") {
            "EIO" => &["58030"],
            "ENOSPC" => &["53100"],
            _ => &[],
        };
        codes.iter().map(|code| (*code).to_owned()).collect()
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case { op, class, fault, nth, times, scene } = self;
        let times = if *times == Times::Once { "once" } else { "forever" };
        write!(f, "{op}:{class}:{fault}:{nth}:{times}:{}", scene.name())
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Case, String> {
        let wrong = || format!("{text:?} is not of the form sync:wal:EIO:17:once[:on|off|init]");
        let parts: Vec<&str> = text.split(':').collect();
        let (&[op, class, fault, nth, times], scene) =
            parts.split_first_chunk::<5>().ok_or_else(wrong)?;
        let known = SWEEPS.iter().any(|(name, classes, faults)| {
            *name == op && classes.contains(&class) && faults.contains(&fault)
        });
        let times = match times {
            "once" => Times::Once,
            "forever" => Times::Forever,
            _ => return Err(wrong()),
        };
        let scene = match scene {
            [] | ["on"] => Scene::Synchronous,
            ["off"] => Scene::Asynchronous,
            ["init"] => Scene::Initialisation,
            _ => return Err(wrong()),
        };
        if !known {
            return Err(format!("{text}: no such fault is made"));
        }
        let nth = nth.parse().map_err(|_| wrong())?;
        let [op, class, fault] = [op, class, fault].map(str::to_owned);
        Ok(Case { op, class, fault, nth, times, scene })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_given_back() {
        let case: Case = "write:data:short-ENOSPC:3:forever:off".parse().expect("right");
        assert_eq!(case.to_string().parse(), Ok(case));
        let short: Case = "sync:wal:EIO:17:once".parse().expect("right");
        assert_eq!(short.to_string(), "sync:wal:EIO:17:once:on");
        for bad in ["", "sync:wal:EIO:x:once", "sync:sea:EIO:1:once", "sync:wal:EIO:1:twice"] {
            assert!(bad.parse::<Case>().is_err(), "{bad}");
        }
    }
}
