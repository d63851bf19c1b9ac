//! One run: mounts the recording file system, starts the command on it, and cuts the power.
//!
//! The order of the cut: first the disk gives no more answers, then every process gets its SIGKILL,
//! then the requests that hang are aborted with the mount. So no process runs on with the errors
//! that the last step brings.
//!
//! When this process dies, the mount stays without a server: `umount` takes it away.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::SignalFd;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::fault::Fault;
use crate::fuse::{Server, Volume};
use crate::processes;

const DEVICE: &str = "/dev/fuse";
/// How often it is looked whether the command has ended, in milliseconds.
const TICK_MS: u8 = 2;

/// What to run, and when to cut.
#[derive(Clone, Debug)]
pub struct Order {
    /// The initial content; it counts as durable.
    pub source: PathBuf,
    /// Where the command finds it.
    pub mount: PathBuf,
    /// The recording to make.
    pub journal: PathBuf,
    /// Cut so long after the start.
    pub cut_after: Option<Duration>,
    /// Cut while this fsync is under way.
    pub cut_sync: Option<u64>,
    /// How long an fsync takes.
    pub sync_time: Duration,
    /// What fails.
    pub faults: Vec<Fault>,
    /// The program and its arguments.
    pub command: Vec<OsString>,
}

/// How it went, as `powercut run` prints it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Whether the power was cut before the command had ended.
    pub cut: bool,
    /// The moment of the cut, or of the end, on CLOCK_MONOTONIC in nanoseconds.
    pub t_ns: u64,
    /// The records of the journal, those of the initial content with them.
    pub records: u64,
    /// The fsyncs that began.
    pub syncs: u64,
    /// The processes that lived at the cut.
    pub killed: usize,
}

/// Takes the mount away, whatever happens.
struct Mount<'a>(&'a Path);

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        if let Err(error) = umount2(self.0, MntFlags::MNT_FORCE | MntFlags::MNT_DETACH) {
            eprintln!("powercut: {} stays mounted: {error}", self.0.display());
        }
    }
}

/// Runs the command until the cut, or until it and all that it started has ended.
pub fn run(order: &Order) -> Result<Run, Error> {
    let journal = File::create(&order.journal).map_err(Error::file(&order.journal))?;
    let mut volume = Volume::new(journal, order.faults.clone());
    volume.load(&order.source)?;
    let device = File::options().read(true).write(true).open(DEVICE);
    let device = device.map_err(Error::file(Path::new(DEVICE)))?;
    let signals = block_signals().map_err(Error::system("block signals"))?;
    let mount = mount_at(&order.mount, &device)?;
    let server = Server::new(volume, device, order.sync_time, order.cut_sync);
    server.start();
    start(&order.command)?;
    wait(order, &server, &signals);
    let (cut, killed) = (server.is_cut(), processes::kill_all());
    let mut volume = server.volume();
    server.cut(&mut volume);
    let whole = volume.finish();
    drop(mount);
    while processes::any_left() {
        sleep(Duration::from_millis(TICK_MS.into()));
    }
    whole.map_err(Error::file(&order.journal))?;
    let (records, syncs) = (volume.records, volume.syncs);
    Ok(Run { cut, t_ns: volume.cut_ns.unwrap_or_default(), records, syncs, killed })
}

/// The signals that cut the power come through a descriptor. Called before there are threads, which
/// inherit what is blocked.
fn block_signals() -> nix::Result<SignalFd> {
    let set: SigSet = [Signal::SIGUSR1, Signal::SIGINT, Signal::SIGTERM].into_iter().collect();
    set.thread_block()?;
    SignalFd::new(&set)
}

fn mount_at<'a>(path: &'a Path, device: &File) -> Result<Mount<'a>, Error> {
    let device = device.as_raw_fd();
    let options = "rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions";
    let options = format!("fd={device},{options}");
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("powercut"), path, Some("fuse.powercut"), flags, Some(options.as_str()))
        .map_err(|errno| Error::file(path)(errno.into()))?;
    Ok(Mount(path))
}

fn start(command: &[OsString]) -> Result<(), Error> {
    set_child_subreaper(true).map_err(Error::system("become the subreaper"))?;
    let text = |word: &OsString| CString::new(word.as_bytes());
    let words = command.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    let variable = |(name, value): (OsString, OsString)| {
        CString::new([name.into_vec(), value.into_vec()].join(&b'='))
    };
    let environment = std::env::vars_os().map(variable).collect::<Result<Vec<_>, _>>()?;
    processes::start(&words, &environment).map_err(Error::system("start the command"))
}

/// Waits for a reason to cut, and cuts; or for the end of the command.
fn wait(order: &Order, server: &Arc<Server>, signals: &SignalFd) {
    let started = Instant::now();
    while !server.is_cut() && processes::any_left() {
        let signalled = poll(&mut [PollFd::new(signals.as_fd(), PollFlags::POLLIN)], TICK_MS);
        let late = order.cut_after.is_some_and(|after| started.elapsed() >= after);
        let mut volume = server.volume();
        if late || signalled.is_ok_and(|ready| ready > 0) || volume.has_failed() {
            server.cut(&mut volume);
        }
    }
}
