//! What the postmaster does when something happens, as a pure machine: events in, actions out.
//!
//! ```text
//!            startup exits 0                all sessions gone        others gone       exits 0
//! Starting ------------------> Running --TERM--> Draining ---> Stopping --> LastCheckpoint --> Gone
//!    |  ^                       |  |                |             ^
//!    |  | startup killed        |  +------INT-------|-------------+      (INT also from Draining)
//!    |  | by a signal: again    |                   |
//!    |  |                       | a child dies      | a child dies, or QUIT
//!    |  |                       v abnormally        v
//!    |  +---------------- Ending (then restart) · Ending (then exit)
//!    +-- startup exits with an error: the server ends with it
//! ```
//!
//! - The machine owns the roster: which processes live, of which kind, in which slot.
//! - It never performs anything. Whoever drives it forks what [`Machine::missing`] names, reports
//!   the pid by [`Machine::started`], and carries out the actions in their order.
//! - `Ending` is the only way out of trouble: QUIT to everybody, KILL after [`KILL_AFTER`], and
//!   only when nobody is left may shared memory be reset.
//! - A shutdown that was asked for is never forgotten: a crash on the way ends the server.

use std::collections::BTreeMap;
use std::time::Duration;

use shmem::ProcKind;
use sys::process::{Ended, Signal};

mod vocabulary;

pub use vocabulary::{Action, Admission, Child, Shutdown};

/// How long children may take to follow QUIT before KILL.
pub const KILL_AFTER: Duration = Duration::from_secs(5);

/// How often in a row startup may die by a signal other than KILL before the server gives up.
const STARTUP_DEATHS_MAX: u32 = 3;

/// The processes that a running server always has.
const AUXILIARIES: [ProcKind; 3] =
    [ProcKind::Checkpointer, ProcKind::Bgwriter, ProcKind::Walwriter];

/// What happens once nobody is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Then {
    Restart,
    Exit(i32),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Starting,
    Running,
    Draining,
    Stopping,
    LastCheckpoint,
    Ending(Then),
    Gone(i32),
}

/// The state of the server, as the postmaster sees it.
#[derive(Debug)]
pub struct Machine {
    phase: Phase,
    children: BTreeMap<i32, Child>,
    max_connections: usize,
    restart_after_crash: bool,
    autovacuum: bool,
    startup_deaths: u32,
}

impl Machine {
    /// A server that is about to start.
    pub fn new(max_connections: usize, restart_after_crash: bool) -> Machine {
        Machine {
            phase: Phase::Starting,
            children: BTreeMap::new(),
            max_connections,
            restart_after_crash,
            autovacuum: false,
            startup_deaths: 0,
        }
    }

    /// Takes over a reloaded setting.
    pub fn set_restart_after_crash(&mut self, restart: bool) {
        self.restart_after_crash = restart;
    }

    /// Whether there is to be an autovacuum launcher.
    pub fn set_autovacuum(&mut self, on: bool) {
        self.autovacuum = on;
    }

    /// The living children.
    pub fn children(&self) -> impl Iterator<Item = (i32, Child)> + '_ {
        self.children.iter().map(|(pid, child)| (*pid, *child))
    }

    /// The child of that pid.
    pub fn child(&self, pid: i32) -> Option<Child> {
        self.children.get(&pid).copied()
    }

    /// Whether sessions are being served.
    pub fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    /// The exit code, once there is nothing left to do.
    pub fn exit_code(&self) -> Option<i32> {
        match self.phase {
            Phase::Gone(code) => Some(code),
            _ => None,
        }
    }

    /// Which processes should be there and are not. Asked again after every event, and after a
    /// second where a fork failed.
    pub fn missing(&self) -> Vec<ProcKind> {
        let wanted: &[ProcKind] = match self.phase {
            Phase::Starting => &[ProcKind::Startup],
            Phase::Running | Phase::Draining => &AUXILIARIES,
            Phase::LastCheckpoint => &[ProcKind::Checkpointer],
            Phase::Stopping | Phase::Ending(_) | Phase::Gone(_) => &[],
        };
        let launcher = (self.autovacuum && wanted == AUXILIARIES.as_slice())
            .then_some(ProcKind::AutovacuumLauncher);
        let wanted = wanted.iter().copied().chain(launcher);
        wanted.filter(|kind| self.count(*kind) == 0).collect()
    }

    /// What to tell a connection that has just come.
    pub fn admission(&self) -> Admission {
        match self.phase {
            Phase::Starting => Admission::StartingUp,
            Phase::Running if self.count(ProcKind::Backend) >= self.max_connections => {
                Admission::Full
            }
            Phase::Running => Admission::Welcome,
            Phase::Ending(Then::Restart) => Admission::Recovering,
            _ => Admission::ShuttingDown,
        }
    }

    /// A child has been forked.
    pub fn started(&mut self, pid: i32, kind: ProcKind, slot: usize) -> Vec<Action> {
        self.children.insert(pid, Child { kind, slot });
        match self.phase {
            Phase::LastCheckpoint if kind == ProcKind::Checkpointer => {
                vec![Action::LastCheckpoint]
            }
            _ => Vec::new(),
        }
    }

    /// Someone asks the server to end.
    pub fn shutdown(&mut self, how: Shutdown) -> Vec<Action> {
        match (self.phase, how) {
            (Phase::Gone(_), _) => Vec::new(),
            (Phase::Ending(_), Shutdown::Immediate) => {
                self.phase = Phase::Ending(Then::Exit(0));
                Vec::new()
            }
            (Phase::Ending(Then::Restart), _) => {
                self.phase = Phase::Ending(Then::Exit(1));
                Vec::new()
            }
            (Phase::Ending(Then::Exit(_)), _) => Vec::new(),
            // Recovery is made to be interrupted: it begins again at the next start.
            (_, Shutdown::Immediate) | (Phase::Starting, _) => self.end_all(Then::Exit(0)),
            (Phase::Running, Shutdown::Smart) => {
                self.phase = Phase::Draining;
                self.advance()
            }
            (Phase::Running | Phase::Draining, Shutdown::Fast) => self.stop_sessions(),
            (Phase::Draining | Phase::Stopping | Phase::LastCheckpoint, _) => Vec::new(),
        }
    }

    /// A child has ended. `clean` is false where its slot shows that it still held something.
    pub fn ended(&mut self, pid: i32, how: Ended, clean: bool) -> Vec<Action> {
        let Some(child) = self.children.remove(&pid) else { return Vec::new() };
        let mut actions = vec![Action::Release(child.slot)];
        actions.extend(match self.phase {
            Phase::Ending(_) | Phase::Gone(_) => self.advance(),
            Phase::Starting if child.kind == ProcKind::Startup => self.startup_ended(how),
            _ if self.is_expected(child.kind, how) && clean => self.advance(),
            _ => self.crash(),
        });
        actions
    }

    /// Time is up for those who did not follow QUIT.
    pub fn kill_timer(&mut self) -> Vec<Action> {
        match self.phase {
            Phase::Ending(_) => self.signal_all(Signal::SIGKILL),
            _ => Vec::new(),
        }
    }

    fn startup_ended(&mut self, how: Ended) -> Vec<Action> {
        match how {
            Ended::Exited(0) => {
                self.startup_deaths = 0;
                self.phase = Phase::Running;
                vec![Action::Ready]
            }
            Ended::Exited(_) => self.gone(1),
            Ended::Signaled(signal) => {
                if signal != Signal::SIGKILL as i32 {
                    self.startup_deaths += 1;
                }
                if self.startup_deaths >= STARTUP_DEATHS_MAX {
                    return self.gone(1);
                }
                vec![Action::ResetSharedMemory]
            }
        }
    }

    /// Whether a process of this kind may end like this now.
    fn is_expected(&self, kind: ProcKind, how: Ended) -> bool {
        match (kind, how) {
            (ProcKind::Backend | ProcKind::AutovacuumWorker, Ended::Exited(0 | 1)) => true,
            (
                ProcKind::Bgwriter | ProcKind::Walwriter | ProcKind::AutovacuumLauncher,
                Ended::Exited(0),
            ) => true,
            (ProcKind::Checkpointer, Ended::Exited(0)) => self.phase == Phase::LastCheckpoint,
            _ => false,
        }
    }

    /// A process died in a way that may have left shared memory torn.
    fn crash(&mut self) -> Vec<Action> {
        let asked_to_end = self.phase != Phase::Running;
        let restart = self.restart_after_crash && !asked_to_end;
        self.end_all(if restart { Then::Restart } else { Then::Exit(1) })
    }

    fn end_all(&mut self, then: Then) -> Vec<Action> {
        self.phase = Phase::Ending(then);
        let mut actions = self.signal_all(Signal::SIGQUIT);
        if !actions.is_empty() {
            actions.push(Action::ArmKillTimer);
        }
        actions.extend(self.advance());
        actions
    }

    /// Fast shutdown: everybody but the checkpointer is told to end.
    fn stop_sessions(&mut self) -> Vec<Action> {
        self.phase = Phase::Stopping;
        let told = |child: &Child| child.kind != ProcKind::Checkpointer;
        let told = self.children.iter().filter(|(_, child)| told(child));
        let mut actions: Vec<_> =
            told.map(|(pid, _)| Action::Signal(*pid, Signal::SIGTERM)).collect();
        actions.extend(self.advance());
        actions
    }

    /// Goes on where the last process that a phase waited for is gone.
    fn advance(&mut self) -> Vec<Action> {
        let others = self.children.values().any(|child| child.kind != ProcKind::Checkpointer);
        match self.phase {
            Phase::Draining if self.count(ProcKind::Backend) == 0 => self.stop_sessions(),
            Phase::Stopping if !others => {
                self.phase = Phase::LastCheckpoint;
                // Without one, `missing` asks for it, and `started` passes the order on.
                let there = self.count(ProcKind::Checkpointer) > 0;
                if there { vec![Action::LastCheckpoint] } else { Vec::new() }
            }
            Phase::LastCheckpoint if self.children.is_empty() => self.gone(0),
            Phase::Ending(then) if self.children.is_empty() => match then {
                Then::Exit(code) => self.gone(code),
                Then::Restart => {
                    self.phase = Phase::Starting;
                    vec![Action::ResetSharedMemory]
                }
            },
            _ => Vec::new(),
        }
    }

    fn gone(&mut self, code: i32) -> Vec<Action> {
        self.phase = Phase::Gone(code);
        vec![Action::Exit(code)]
    }

    fn signal_all(&self, signal: Signal) -> Vec<Action> {
        self.children.keys().map(|pid| Action::Signal(*pid, signal)).collect()
    }

    fn count(&self, kind: ProcKind) -> usize {
        self.children.values().filter(|child| child.kind == kind).count()
    }
}

#[cfg(test)]
mod tests;
