//! A life: the server works on the recorded disk until the power goes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::clock::ns;
use crate::crash::history::History;
use crate::crash::load::{Circumstances, Done, Load, Tally};
use crate::draw::Draw;
use crate::powercut::base::Base;
use crate::powercut::check::after_cut;
use crate::powercut::order::Order;
use crate::powercut::tool::{self, Disk, Recorded};
use crate::scratch::Scratch;
use crate::server::{Server, try_connect};
use crate::setup::Setup;

/// How long before the cut an asynchronous commit may have been answered and yet be lost. Three
/// `wal_writer_delay`s of 20 ms are promised to a process that gets the processor when it wants it;
/// here two servers and their clients share a machine with a file system made of messages.
pub const WINDOW: Duration = Duration::from_millis(700);
/// A life that was to end at an fsync ends after this time at the latest.
const LIFE_MAX: Duration = Duration::from_secs(4);

/// What is left of a life.
pub struct Life {
    /// Every change of the file system.
    pub journal: PathBuf,
    /// What the clients know.
    pub histories: Vec<History>,
    /// When the power went.
    pub cut_ns: u64,
    /// What the clients did.
    pub tally: Tally,
    /// Whether the disk reported errors, so that the server has recovered in the midst of it.
    pub disk_failed: bool,
    /// How the server was configured, for those who start it again.
    pub setup: Setup,
    /// Keeps the journal.
    pub area: Scratch,
}

/// How a server of these tests is configured.
fn setup(order: &Order, draw: &mut Draw) -> Setup {
    let mut setup = order.setup();
    let mut set = |name: &str, value: &str| setup.change(name, value);
    set("shared_buffers", if draw.percent(50) { "128kB" } else { "64MB" });
    set("checkpoint_timeout", if draw.percent(50) { "1s" } else { "1h" });
    set("bgwriter_delay", "10ms");
    set("wal_writer_delay", "20ms");
    set("deadlock_timeout", "50ms");
    set("min_wal_size", "32MB");
    setup
}

/// The disk of a life. One that fails crashes the server at a moment that nobody notes; so
/// asynchronous commits, which may be lost shortly before a crash, are not for such lives.
fn disk(order: &Order, base: &Base, draw: &mut Draw) -> Disk {
    let mut disk = Disk {
        sync_us: *draw.pick(&[0, 300, 2000]),
        cut_sync: draw.percent(40).then(|| 20 + draw.below(500)),
        fail: Vec::new(),
    };
    let synchronous = base.histories.iter().all(|history| history.synchronous);
    if draw.percent(order.failing_disks) && synchronous {
        let path = *draw.pick(&["/base/", "/pg_wal/"]);
        // Not the first ones: a server that cannot sync its log at the start refuses to start.
        disk.fail.push(format!("fsync:EIO:{path}:{}:1", 8 + draw.below(60)));
        disk.cut_sync = None;
    }
    disk
}

impl Life {
    /// Lives it. Everything is drawn from `draw`.
    ///
    /// # Errors
    /// What the server did wrong before the power went.
    pub fn live(order: &Order, base: &Base, draw: &mut Draw) -> Result<Life, String> {
        let area = Scratch::new();
        let (mount, journal) = (area.join("m"), area.join("journal"));
        std::fs::create_dir(&mount).map_err(|e| format!("{}: {e}", mount.display()))?;
        let setup = setup(order, draw);
        let disk = disk(order, base, draw);
        let words = tool::wrapper(base.data(), &mount, &journal, &disk);
        let wrapped = tool::recording(&setup, words, &area).allow_crashes();
        let wrapped = if disk.fail.is_empty() { wrapped } else { allow_panic(wrapped) };
        let mut server = Server::new(wrapped, Scratch::new(), mount);
        let ended = work(&mut server, base, &disk, draw);
        let ended = ended.map_err(|why| format!("{why}\n{}", server.log().tail(30)));
        server.forget_log();
        let (recorded, done) = ended?;
        Ok(Life {
            journal,
            histories: done.histories,
            cut_ns: recorded.t_ns,
            tally: done.tally,
            disk_failed: !disk.fail.is_empty(),
            setup: after_cut(setup),
            area,
        })
    }
}

/// The server works until the power goes.
fn work(
    server: &mut Server,
    base: &Base,
    disk: &Disk,
    draw: &mut Draw,
) -> Result<(Recorded, Done), String> {
    server.try_start()?;
    let load = start_load(server, base, draw);
    wait(server, disk, draw);
    load.ask_to_stop();
    let ended = server.end_wrapper(Signal::SIGUSR1);
    let done = load.stop();
    ended?;
    if !done.violations.is_empty() {
        return Err(format!("before the cut: {}", done.violations.join("\n")));
    }
    Ok((tool::recorded(server.log())?, done))
}

fn allow_panic(setup: Setup) -> Setup {
    ["PANIC", "could not sync", "Input/output error"].iter().fold(setup, |s, word| s.allow(word))
}

fn start_load(server: &Server, base: &Base, draw: &mut Draw) -> Load {
    let port = server.port();
    let circumstances = Circumstances {
        connect: Arc::new(move || try_connect(port)),
        cuts_ns: Arc::new(Mutex::new(Vec::new())),
        window_ns: ns(WINDOW),
        checkpoints: draw.percent(70),
        tolerated: vec!["40P01".to_owned()],
    };
    let mut histories = base.histories.clone();
    let rows_only = draw.percent(25);
    histories.iter_mut().for_each(|history| history.planner.set_rows_only(rows_only));
    Load::start(histories, &circumstances, draw.next())
}

/// Until the power has gone, or is to go now.
fn wait(server: &mut Server, disk: &Disk, draw: &mut Draw) {
    let time = match (disk.cut_sync, disk.fail.is_empty()) {
        (Some(_), _) => LIFE_MAX,
        (None, true) => Duration::from_millis(200 + draw.below(1300)),
        (None, false) => Duration::from_millis(1000 + draw.below(1000)),
    };
    let deadline = Instant::now() + time;
    while Instant::now() < deadline && !server.wrapper_has_ended() {
        std::thread::sleep(Duration::from_millis(5));
    }
}
