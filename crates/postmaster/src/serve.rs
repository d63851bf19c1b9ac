//! The life of a running server: wait for something, let the machine decide, do what it says.
//!
//! ```text
//!   loop { fork what is missing; wait for one event; tell the machine; carry out its actions }
//! ```
//!
//! The postmaster touches shared memory only through single atomic words (slots that it claims and
//! releases, pids, the flag for the last checkpoint); it takes no lock in it, so no child, dead or
//! alive, can ever block it. It never waits for a client either.

use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use processes::Server;
use shmem::ProcKind;
use sys::process::{self, Ended, Signal};
use types::SqlState;

use crate::events::{Event, Events};
use crate::launch;
use crate::listen::Connection;
use crate::logging::LevelHandle;
use crate::notify;
use crate::pidfile::{PidFile, Status};
use crate::refuse::Refusals;
use crate::states::{Action, Admission, KILL_AFTER, Machine, Shutdown};

/// A fork that failed is tried again after this time.
const FORK_RETRY: Duration = Duration::from_secs(1);
/// After an accept that failed (no descriptors, say) none is tried for this time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often refused connections are looked after while there are some.
const SWEEP: Duration = Duration::from_millis(50);

/// A running server.
pub struct Postmaster {
    /// The rooms, for the children.
    pub server: Rc<Server>,
    /// The event loop.
    pub events: Events,
    /// What to tell tools.
    pub pid_file: PidFile,
    /// Descriptors that every child keeps open: the lock of the data directory.
    pub keep: Vec<RawFd>,
    /// What is logged.
    pub level: LevelHandle,
    /// What the server is.
    pub(crate) machine: Machine,
    refusals: Refusals,
    kill_at: Option<Instant>,
    fork_at: Option<Instant>,
    accept_at: Option<Instant>,
}

impl Postmaster {
    /// A server that is about to start.
    pub fn new(
        server: Rc<Server>,
        events: Events,
        pid_file: PidFile,
        keep: Vec<RawFd>,
        level: LevelHandle,
    ) -> Postmaster {
        let settings = server.settings();
        let connections = settings.max_connections as usize;
        let mut machine = Machine::new(connections, settings.restart_after_crash);
        machine.set_autovacuum(settings.autovacuum);
        drop(settings);
        Postmaster {
            server,
            events,
            pid_file,
            keep,
            level,
            machine,
            refusals: Refusals::default(),
            kill_at: None,
            fork_at: None,
            accept_at: None,
        }
    }

    /// Serves until the server ends; answers its exit code.
    pub fn run(&mut self) -> i32 {
        loop {
            self.start_missing();
            if let Some(code) = self.machine.exit_code() {
                return code;
            }
            let event = self.events.next(self.accept_at.is_none(), self.next_deadline());
            self.handle(event);
            self.reap();
            self.on_time(Instant::now());
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let sweep = (!self.refusals.is_empty()).then(|| Instant::now() + SWEEP);
        [self.kill_at, self.fork_at, self.accept_at, sweep].into_iter().flatten().min()
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Child | Event::Time => {}
            Event::Reload => self.reload(),
            Event::Smart => self.shut_down(Shutdown::Smart),
            Event::Fast => self.shut_down(Shutdown::Fast),
            Event::Immediate => self.shut_down(Shutdown::Immediate),
            Event::Worker => self.start_worker(),
            Event::Connection(Ok(connection)) => self.admit(connection),
            Event::Connection(Err(error)) => self.accept_failed(&error),
        }
    }

    fn on_time(&mut self, now: Instant) {
        self.refusals.sweep(now);
        let due = |at: &mut Option<Instant>| at.take_if(|at| *at <= now).is_some();
        due(&mut self.fork_at);
        due(&mut self.accept_at);
        if due(&mut self.kill_at) {
            tracing::warn!("some processes did not end in {KILL_AFTER:?}; killing them");
            let actions = self.machine.kill_timer();
            self.perform(actions);
        }
    }

    fn start_missing(&mut self) {
        if self.fork_at.is_some() {
            return;
        }
        for kind in self.machine.missing() {
            if let Err(error) = self.start(kind) {
                tracing::error!("could not start the {}: {error}", kind.name());
                self.fork_at = Some(Instant::now() + FORK_RETRY);
            }
        }
    }

    /// Starts an autovacuum worker, if one was asked for and sessions are served. If that fails, the
    /// launcher asks again after its next nap.
    fn start_worker(&mut self) {
        if self.server.autovacuum().take_request()
            && self.machine.is_running()
            && let Err(error) = self.start(ProcKind::AutovacuumWorker)
        {
            tracing::warn!("could not start an autovacuum worker: {error}");
        }
    }

    fn start(&mut self, kind: ProcKind) -> io::Result<()> {
        let slot = self.claim(kind)?;
        match launch::background(&self.server, kind, slot, &self.keep) {
            Ok(pid) => {
                let actions = self.machine.started(pid, kind, slot);
                self.perform(actions);
                Ok(())
            }
            Err(error) => {
                self.server.procs().release(slot);
                Err(error)
            }
        }
    }

    fn claim(&self, kind: ProcKind) -> io::Result<usize> {
        let none = || io::Error::other("no process slot is free");
        self.server.procs().claim(kind, 0).ok_or_else(none)
    }

    fn admit(&mut self, connection: Connection) {
        let (code, message) = match self.machine.admission() {
            Admission::Welcome => return self.start_backend(connection),
            Admission::StartingUp => {
                (SqlState::CANNOT_CONNECT_NOW, "the database system is starting up")
            }
            Admission::ShuttingDown => {
                (SqlState::CANNOT_CONNECT_NOW, "the database system is shutting down")
            }
            Admission::Recovering => {
                (SqlState::CANNOT_CONNECT_NOW, "the database system is in recovery mode")
            }
            Admission::Full => (SqlState::TOO_MANY_CONNECTIONS, "sorry, too many clients already"),
        };
        self.refuse(connection, code, message);
    }

    fn refuse(&mut self, connection: Connection, code: SqlState, message: &str) {
        let line = format!("FATAL {code} {message}\n");
        self.refusals.refuse(connection, &line, Instant::now());
    }

    fn start_backend(&mut self, connection: Connection) {
        let kind = ProcKind::Backend;
        let Ok(slot) = self.claim(kind) else {
            let message = "sorry, too many clients already";
            return self.refuse(connection, SqlState::TOO_MANY_CONNECTIONS, message);
        };
        match launch::backend(&self.server, &connection, slot, &self.keep) {
            Ok(pid) => {
                let actions = self.machine.started(pid, kind, slot);
                self.perform(actions);
            }
            Err(error) => {
                tracing::error!("could not fork a process for a connection: {error}");
                self.server.procs().release(slot);
                let message = "could not fork new process for connection";
                self.refuse(connection, SqlState::INSUFFICIENT_RESOURCES, message);
            }
        }
    }

    fn accept_failed(&mut self, error: &io::Error) {
        let gone =
            matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted);
        if !gone {
            tracing::error!("could not accept a connection: {error}");
            self.accept_at = Some(Instant::now() + ACCEPT_PAUSE);
        }
    }

    fn reap(&mut self) {
        while let Some((pid, how)) = process::reap() {
            let Some(child) = self.machine.child(pid) else { continue };
            let clean = self.server.procs().slot(child.slot).holds_nothing();
            let running = self.machine.is_running();
            log_end(child.kind, pid, how, clean, running);
            let actions = self.machine.ended(pid, how, clean);
            if running && !self.machine.is_running() {
                tracing::warn!("ending all other processes, then recovering");
                notify::status("recovering from the crash of a process");
            }
            self.perform(actions);
        }
    }

    fn shut_down(&mut self, how: Shutdown) {
        tracing::info!("received a request for {} shutdown", how.name());
        notify::stopping();
        if let Err(error) = self.pid_file.write(Status::Stopping) {
            tracing::warn!("{error}");
        }
        let actions = self.machine.shutdown(how);
        self.perform(actions);
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Signal(pid, signal) => send(pid, signal),
                Action::Release(slot) => self.server.procs().release(slot),
                Action::Ready => self.ready(),
                Action::LastCheckpoint => self.request_last_checkpoint(),
                Action::ArmKillTimer => self.kill_at = Some(Instant::now() + KILL_AFTER),
                Action::ResetSharedMemory => {
                    self.kill_at = None;
                    tracing::info!("all processes have ended; starting again");
                    self.server.reset();
                }
                Action::Exit(0) => tracing::info!("the server is shut down"),
                Action::Exit(_) => tracing::error!("the server ends abnormally"),
            }
        }
    }

    fn ready(&mut self) {
        tracing::info!("the server is ready to accept connections");
        if let Err(error) = self.pid_file.write(Status::Ready) {
            tracing::warn!("{error}");
        }
        notify::ready();
    }

    fn request_last_checkpoint(&self) {
        self.server.requests().request_shutdown();
        for (pid, child) in self.machine.children() {
            if child.kind == ProcKind::Checkpointer {
                self.server.procs().slot(child.slot).latch.set();
                tracing::debug!("asked the checkpointer ({pid}) for the last checkpoint");
            }
        }
    }
}

/// Sends a signal to a child.
pub(crate) fn send(pid: i32, signal: Signal) {
    // A child that has just ended is still a zombie: signals to it are lost, not misdirected.
    if let Err(error) = process::kill(pid, signal) {
        tracing::warn!("could not send {signal} to process {pid}: {error}");
    }
}

fn log_end(kind: ProcKind, pid: i32, how: Ended, clean: bool, running: bool) {
    let name = kind.name();
    match how {
        Ended::Exited(0 | 1) if clean => tracing::debug!("{name} ({pid}) has ended: {how:?}"),
        Ended::Exited(code) if !running => {
            tracing::debug!("{name} ({pid}) has ended with code {code}");
        }
        Ended::Exited(code) => {
            tracing::warn!("{name} ({pid}) ended with code {code} (slot empty: {clean})");
        }
        Ended::Signaled(signal) => {
            let signal = Signal::try_from(signal).map_or("an unknown signal", Signal::as_str);
            tracing::warn!("{name} ({pid}) was terminated by {signal}");
        }
    }
}
