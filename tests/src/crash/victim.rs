//! Whom SIGKILL hits.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::clock::wait_for;
use crate::draw::Draw;
use crate::processes::{Process, children, is_alive, of_kind, signal, wait_gone};
use crate::server::Server;

/// A process, or more than one, to be killed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Victim {
    /// The postmaster; its children follow it.
    Postmaster,
    /// The checkpointer.
    Checkpointer,
    /// The background writer.
    Bgwriter,
    /// The WAL writer.
    Walwriter,
    /// The autovacuum launcher, or one of its workers.
    Autovacuum,
    /// One of the backends.
    Backend,
    /// A backend, and then the startup process while it recovers from that.
    Startup,
    /// The postmaster, and then it again while the new one's startup process recovers.
    Recovery,
    /// All processes, in any order.
    Everything,
}

impl Victim {
    /// All of them.
    pub const ALL: [Victim; 9] = [
        Victim::Postmaster,
        Victim::Checkpointer,
        Victim::Bgwriter,
        Victim::Walwriter,
        Victim::Autovacuum,
        Victim::Backend,
        Victim::Startup,
        Victim::Recovery,
        Victim::Everything,
    ];

    /// The kind of process that this victim begins with, if it is not the postmaster.
    fn kind(self) -> Option<&'static str> {
        match self {
            Victim::Postmaster | Victim::Recovery | Victim::Everything => None,
            Victim::Checkpointer => Some("checkpointer"),
            Victim::Bgwriter => Some("bgwriter"),
            Victim::Walwriter => Some("walwriter"),
            Victim::Autovacuum => Some("autovacuum"),
            Victim::Backend | Victim::Startup => Some("backend"),
        }
    }
}

/// How long the postmaster may take to end the other processes after one has died.
const RESET_LIMIT: Duration = Duration::from_secs(15);

/// Kills, and sees to it that a server recovers; `note` is called just before each kill. Gives back
/// how many recoveries were interrupted.
///
/// # Errors
/// What the server did not do that it must.
pub fn strike(
    server: &mut Server,
    victim: Victim,
    draw: &mut Draw,
    note: &dyn Fn(),
) -> Result<u32, String> {
    match victim.kind() {
        Some(kind) => strike_child(server, kind, victim == Victim::Startup, draw, note),
        None => {
            strike_postmaster(server, victim == Victim::Everything, note);
            let times = if victim == Victim::Recovery { 1 + draw.below(2) } else { 0 };
            let mut interrupted = 0;
            for _ in 0..times {
                server.launch();
                std::thread::sleep(Duration::from_micros(draw.below(60_000)));
                interrupted += u32::from(!of_kind(server.pid(), "startup").is_empty());
                note();
                server.kill();
            }
            server.try_start()?;
            Ok(interrupted)
        }
    }
}

fn strike_postmaster(server: &mut Server, everything: bool, note: &dyn Fn()) {
    let others = if everything { server.processes() } else { Vec::new() };
    note();
    for other in others.iter().take(others.len() / 2) {
        signal(other.pid, Signal::SIGKILL);
    }
    signal(server.pid(), Signal::SIGKILL);
    for other in &others {
        signal(other.pid, Signal::SIGKILL);
    }
    server.kill();
}

fn strike_child(
    server: &mut Server,
    kind: &str,
    startup_too: bool,
    draw: &mut Draw,
    note: &dyn Fn(),
) -> Result<u32, String> {
    // One that has just been forked has no title yet.
    let running = || {
        let all = server.processes();
        all.iter().any(|process| process.kind() == kind).then_some(all)
    };
    let before = wait_for(RESET_LIMIT, running)
        .ok_or_else(|| format!("no {kind} runs: {:?}", server.processes()))?;
    let chosen: Vec<&Process> = before.iter().filter(|p| p.kind() == kind).collect();
    let target = draw.pick(&chosen).pid;
    note();
    signal(target, Signal::SIGKILL);
    let pids: Vec<i32> = before.iter().map(|p| p.pid).collect();
    let left = wait_gone(&pids, RESET_LIMIT);
    if !left.is_empty() {
        return Err(format!("{kind} {target} was killed, and {left:?} live on"));
    }
    let interrupted = if startup_too { strike_startup(server, draw, note) } else { 0 };
    match server.has_ended() {
        None => Ok(interrupted),
        Some(status) => Err(format!("the postmaster ended with {status} after a {kind} died")),
    }
}

/// Kills startup processes while they recover; if recovery is too quick for that, so be it.
fn strike_startup(server: &Server, draw: &mut Draw, note: &dyn Fn()) -> u32 {
    let mut interrupted = 0;
    for _ in 0..1 + draw.below(3) {
        let postmaster = server.pid();
        let found = wait_for(Duration::from_secs(2), || {
            let startup = of_kind(postmaster, "startup").pop();
            let recovered = || of_kind(postmaster, "checkpointer").pop().map(|_| None);
            startup.map(Some).or_else(recovered).or((!is_alive(postmaster)).then_some(None))
        });
        let Some(Some(startup)) = found else { break };
        std::thread::sleep(Duration::from_micros(draw.below(20_000)));
        note();
        // It may have finished: then its id is gone, and nobody else can have it so soon.
        if children(postmaster).iter().any(|process| process.pid == startup.pid) {
            interrupted += u32::from(signal(startup.pid, Signal::SIGKILL));
        }
        wait_gone(&[startup.pid], Duration::from_secs(5));
    }
    interrupted
}
