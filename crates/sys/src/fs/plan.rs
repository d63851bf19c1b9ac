//! The plan of faults of a test build: what the environment variable `MAMONT_FAULT` asks for.
//!
//! ```text
//! op=sync,class=wal,fault=EIO,nth=17,times=once,counter=/tmp/x/counter
//! ```
//!
//! | field | values |
//! |---|---|
//! | `op` | `open`, `stat`, `read`, `write`, `extend`, `sync`, `syncdir`, `truncate`, `rename`, `remove`, `list`, `mkdir`; `space`: whatever needs room on disk |
//! | `class` | `wal`, `data`, `control`, `config`, `any` |
//! | `fault` | `EIO`, `ENOSPC`; `short`: half is written, and what comes next is well; `short-EIO`, `short-ENOSPC`: half is written, and the rest fails |
//! | `nth` | the first operation that goes wrong, from 1 |
//! | `times` | `once`, or `forever`: each from then on |
//!
//! Operations are counted over all processes of the server in one order: the counter is a file
//! that all of them have mapped. It also keeps what the first fault hit, and lets the test end the
//! faults while the server runs.
//!
//! ```text
//!   0 operations seen u64 | 8 faults made u64 | 16 ended u64 | 24 pid u64 | 32 length u64
//!  40 what the first one hit, text
//! ```

use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr::null_mut;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use nix::libc;

use super::seam::{Fault, Op, set_fault_plan};

/// The environment variable.
pub const VARIABLE: &str = "MAMONT_FAULT";
/// Bytes of text in the counter file.
const TEXT: usize = 1024;

#[repr(C)]
struct Counter {
    seen: AtomicU64,
    made: AtomicU64,
    ended: AtomicU64,
    pid: AtomicU64,
    length: AtomicU64,
    text: [AtomicU8; TEXT],
}

/// The bytes of a counter file; the test makes it, of zeros.
pub const COUNTER_SIZE: usize = size_of::<Counter>();

struct Plan {
    op: String,
    class: String,
    errno: Option<i32>,
    short: bool,
    nth: u64,
    forever: bool,
    counter: &'static Counter,
    /// This process has made a write short, and its next write is to fail.
    rest_fails: AtomicBool,
}

static PLAN: OnceLock<Plan> = OnceLock::new();

/// Takes the plan from the environment, if there is one; to be called before the first fork.
///
/// # Errors
/// What is wrong with the plan.
pub fn from_environment() -> Result<(), String> {
    let Ok(text) = std::env::var(VARIABLE) else { return Ok(()) };
    let plan = parse(&text).map_err(|why| format!("{VARIABLE}={text}: {why}"))?;
    if PLAN.set(plan).is_ok() {
        set_fault_plan(decide);
    }
    Ok(())
}

fn parse(text: &str) -> Result<Plan, String> {
    let field = |name: &str| {
        let mut fields = text.split(',').filter_map(|field| field.split_once('='));
        let found = fields.find(|(key, _)| *key == name).map(|(_, value)| value);
        found.ok_or_else(|| format!("{name} is missing"))
    };
    let fault = field("fault")?;
    let errno = match fault.trim_start_matches("short-") {
        "EIO" => Some(libc::EIO),
        "ENOSPC" => Some(libc::ENOSPC),
        "short" => None,
        other => return Err(format!("no fault is called {other}")),
    };
    Ok(Plan {
        op: field("op")?.to_owned(),
        class: field("class")?.to_owned(),
        errno,
        short: fault.starts_with("short"),
        nth: field("nth")?.parse().map_err(|_| "nth is no number".to_owned())?,
        forever: field("times")? == "forever",
        counter: map(Path::new(field("counter")?)).map_err(|error| error.to_string())?,
        rest_fails: AtomicBool::new(false),
    })
}

/// Maps the counter file for the life of the process and of its children.
fn map(path: &Path) -> io::Result<&'static Counter> {
    let file = std::fs::File::options().read(true).write(true).open(path)?;
    if file.metadata()?.len() != COUNTER_SIZE as u64 {
        return Err(io::Error::other(format!("a counter file has {COUNTER_SIZE} bytes")));
    }
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let (size, fd) = (COUNTER_SIZE, file.as_raw_fd());
    // SAFETY: a new mapping at an address of the kernel's choice, as long as the file.
    let at = unsafe { libc::mmap(null_mut(), size, access, libc::MAP_SHARED, fd, 0) };
    if at == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the mapping has the size and (a page's) alignment of `Counter`, whose fields are all
    // atomic and take any bits; it is never unmapped. Nobody makes the file shorter.
    Ok(unsafe { &*at.cast::<Counter>() })
}

fn decide(op: Op, path: &Path) -> Option<Fault> {
    let plan = PLAN.get()?;
    let errno = plan.errno.map(Fault::Errno);
    if plan.counter.ended.load(Ordering::SeqCst) != 0 || !plan.is_of_class(path) {
        return None;
    }
    let writes = matches!(op, Op::Write | Op::Allocate);
    if writes && plan.rest_fails.swap(false, Ordering::SeqCst) {
        return errno;
    }
    if !plan.is_op(op) {
        return None;
    }
    let number = plan.counter.seen.fetch_add(1, Ordering::SeqCst) + 1;
    if !(number == plan.nth || plan.forever && number > plan.nth) {
        return None;
    }
    plan.note(op, path, number);
    if plan.short {
        plan.rest_fails.store(errno.is_some(), Ordering::SeqCst);
        return Some(Fault::Short);
    }
    errno
}

impl Plan {
    fn is_op(&self, op: Op) -> bool {
        let name = match op {
            Op::Open => "open",
            Op::Stat => "stat",
            Op::Read => "read",
            Op::Write => "write",
            Op::Allocate => "extend",
            Op::SyncData | Op::SyncAll => "sync",
            Op::Truncate => "truncate",
            Op::Rename => "rename",
            Op::Remove => "remove",
            Op::SyncDir => "syncdir",
            Op::CreateDir => "mkdir",
            Op::ReadDir | Op::RemoveDir => "list",
        };
        name == self.op || self.op == "space" && matches!(op, Op::Allocate | Op::CreateDir)
    }

    fn is_of_class(&self, path: &Path) -> bool {
        self.class == "any" && class(path).is_some() || class(path) == Some(&self.class)
    }

    /// Keeps what the first fault hits, for the test to read.
    fn note(&self, op: Op, path: &Path, number: u64) {
        let counter = self.counter;
        if counter.made.fetch_add(1, Ordering::SeqCst) > 0 {
            return;
        }
        let title = std::fs::read("/proc/self/cmdline").unwrap_or_default();
        let title = String::from_utf8_lossy(&title).replace('\0', " ");
        let text = format!("{op:?} {} by {} (number {number})", path.display(), title.trim());
        let bytes = &text.as_bytes()[..text.len().min(TEXT)];
        for (to, from) in counter.text.iter().zip(bytes) {
            to.store(*from, Ordering::Relaxed);
        }
        counter.pid.store(u64::from(std::process::id()), Ordering::Relaxed);
        counter.length.store(bytes.len() as u64, Ordering::SeqCst);
    }
}

/// What a file of a data directory is for; `None` for a file elsewhere.
fn class(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.to_str()?;
    let parent = path.parent()?.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match (parent, name) {
        ("pg_wal", _) | (_, "pg_wal") => Some("wal"),
        ("base", _) | (_, "base") => Some("data"),
        ("global", _) | (_, "global") => Some("control"),
        (_, name)
            if ["mamont.toml", "postmaster.pid", "initialising"]
                .iter()
                .any(|known| name.starts_with(known)) =>
        {
            Some("config")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart() {
        let class = |path: &str| class(Path::new(path));
        assert_eq!(class("/d/pg_wal/000000010000000000000001"), Some("wal"));
        assert_eq!(class("/d/base/16384_fsm"), Some("data"));
        assert_eq!(class("/d/base"), Some("data"));
        assert_eq!(class("/d/global/pg_control"), Some("control"));
        assert_eq!(class("/d/mamont.toml.tmp"), Some("config"));
        assert_eq!(class("/proc/self/stat"), None);
    }

    #[test]
    fn a_plan_is_read_and_a_bad_one_is_told() {
        let directory = tempfile::tempdir().expect("a directory");
        let counter = directory.path().join("counter");
        std::fs::write(&counter, vec![0; COUNTER_SIZE]).expect("written");
        let text = |fault: &str| {
            format!(
                "op=write,class=wal,fault={fault},nth=3,times=once,counter={}",
                counter.display()
            )
        };
        let plan = parse(&text("short-ENOSPC")).expect("right");
        assert_eq!((plan.errno, plan.short, plan.nth), (Some(libc::ENOSPC), true, 3));
        assert!(plan.is_op(Op::Write) && !plan.is_op(Op::Allocate));
        assert!(parse(&text("EPERM")).is_err_and(|why| why.contains("EPERM")));
        assert!(parse("op=write").is_err());
    }
}
