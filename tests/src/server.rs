//! A server under test: started in a directory of its own, on a port of the kernel's choice, with
//! its log in a file; stopped, killed and started again as the test likes; never left behind.
//!
//! The postmaster's pid file tells when it is up and where it listens: its first line is the
//! process id, its fourth the port, its fifth the directory of the Unix socket, as in PostgreSQL.
//! A server counts as started when a session has had its first `READY`.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::client::Client;
use crate::clock::wait_for;
use crate::log::Log;
use crate::processes::{self, Process, signal, wait_gone};
use crate::reply::End;
use crate::scratch::Scratch;
use crate::setup::{Finished, Setup};

mod wrapper;

/// How long a server may take to come up, recovery included.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long a server may take to shut down, its checkpoint included.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// A shutdown, as PostgreSQL knows three.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// Waits for the sessions to end by themselves (TERM).
    Smart,
    /// Ends the sessions, then shuts down in order (INT).
    Fast,
    /// Ends everything at once; the next start recovers (QUIT).
    Immediate,
}

impl Stop {
    /// The signal that asks for it.
    pub fn signal(self) -> Signal {
        match self {
            Stop::Smart => Signal::SIGTERM,
            Stop::Fast => Signal::SIGINT,
            Stop::Immediate => Signal::SIGQUIT,
        }
    }
}

#[derive(Debug)]
struct Running {
    child: Child,
    /// The postmaster: the child itself, or the child's child when it runs under another program.
    pid: i32,
    port: u16,
    socket_dir: PathBuf,
}

/// A server that a test owns. Dropped, it is stopped, and its log is checked.
#[derive(Debug)]
pub struct Server {
    setup: Setup,
    data: PathBuf,
    log: Log,
    running: Option<Running>,
    scratch: Scratch,
}

impl Server {
    /// A server that has not been started yet.
    pub fn new(setup: Setup, scratch: Scratch, data: PathBuf) -> Server {
        let log = Log::at(&scratch.join("log"));
        Server { setup, data, log, running: None, scratch }
    }

    /// A server with default settings, in a new directory.
    #[track_caller]
    pub fn start() -> Server {
        Setup::new().start()
    }

    /// Starts the server, which is not running, on the directory it had.
    #[track_caller]
    pub fn start_again(&mut self) {
        if let Err(why) = self.try_start() {
            panic!("the server does not start: {why}\n{}", self.log.tail(40));
        }
    }

    /// As [`Server::start_again`]; an error says why not.
    pub fn try_start(&mut self) -> Result<(), String> {
        assert!(self.running.is_none(), "it runs already");
        let mut child = self.spawn()?;
        match self.wait_ready(&mut child) {
            Ok((pid, port, socket_dir)) => {
                self.running = Some(Running { child, pid, port, socket_dir });
                Ok(())
            }
            Err(why) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(why)
            }
        }
    }

    /// Starts the server on a directory on which it may or may not come up: if it does, it is
    /// stopped, and there is nothing to tell.
    pub fn try_to_end(&mut self) -> Option<Finished> {
        self.launch();
        let outcome = wait_for(START_LIMIT, || {
            let ended = self.has_ended().map(Some);
            ended.or_else(|| self.look_ready(self.pid()).is_ok().then_some(None))
        });
        match outcome {
            Some(Some(status)) => {
                Some(Finished { status, stdout: String::new(), stderr: self.log.text() })
            }
            Some(None) => {
                self.stop(Stop::Fast);
                None
            }
            None => panic!("it neither serves nor ends\n{}", self.log.tail(40)),
        }
    }

    /// Starts the postmaster without waiting for it, for tests that kill it on its way up. Until
    /// then it has no port that could be connected to.
    pub fn launch(&mut self) {
        assert!(self.running.is_none(), "it runs already");
        let child = self.spawn().unwrap_or_else(|why| panic!("{why}"));
        let pid = child.id() as i32;
        self.running = Some(Running { child, pid, port: 0, socket_dir: PathBuf::new() });
    }

    fn spawn(&self) -> Result<Child, String> {
        let log = File::options().create(true).append(true).open(self.log.path());
        let log = log.map_err(|e| format!("the log: {e}"))?;
        let mut command = self.setup.command(&self.data);
        command.stdout(log.try_clone().map_err(|e| e.to_string())?).stderr(log);
        command.spawn().map_err(|e| format!("{command:?}: {e}"))
    }

    fn wait_ready(&self, child: &mut Child) -> Result<(i32, u16, PathBuf), String> {
        let deadline = Instant::now() + START_LIMIT;
        let mut last = "no pid file".to_owned();
        while Instant::now() < deadline {
            if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
                return Err(format!("it ended with {status}"));
            }
            match self.look_ready(child.id() as i32) {
                Ok(found) => return Ok(found),
                Err(why) => last = why,
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(format!("it is not ready after {START_LIMIT:?}: {last}"))
    }

    fn look_ready(&self, child: i32) -> Result<(i32, u16, PathBuf), String> {
        let (pid, port, socket_dir) = self.read_pid_file()?;
        let ours = pid == child || (self.setup.is_wrapped() && processes::is_alive(pid));
        if !ours {
            return Err(format!("the pid file names {pid}"));
        }
        let mut client = Client::tcp(port).map_err(|e| e.to_string())?;
        let reply = client.ask("").map_err(|e| e.to_string())?;
        match reply.end {
            End::Ready(_) => Ok((pid, port, socket_dir)),
            End::Fatal(problem) => Err(problem.to_string()),
        }
    }

    fn read_pid_file(&self) -> Result<(i32, u16, PathBuf), String> {
        let text = std::fs::read_to_string(self.pid_file()).map_err(|e| e.to_string())?;
        let lines: Vec<&str> = text.lines().collect();
        let [pid, _, _, port, socket_dir, ..] = lines.as_slice() else {
            return Err(format!("the pid file has {} lines", lines.len()));
        };
        let pid = pid.trim().parse().map_err(|_| format!("pid {pid:?}"))?;
        let port = port.trim().parse().map_err(|_| format!("port {port:?}"))?;
        Ok((pid, port, PathBuf::from(socket_dir.trim())))
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("the server runs")
    }

    /// Whether a postmaster was started and not yet seen to end.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The process id of the postmaster.
    pub fn pid(&self) -> i32 {
        self.running().pid
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.running().port
    }

    /// Its Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.running().socket_dir.join(format!(".s.PGSQL.{}", self.port()))
    }

    /// Its data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Its pid file.
    pub fn pid_file(&self) -> PathBuf {
        self.data.join("postmaster.pid")
    }

    /// Its log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The directory that the server's own lies in.
    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// How it will be started the next time.
    pub fn setup_mut(&mut self) -> &mut Setup {
        &mut self.setup
    }

    /// Announces a warning or error of the log, as [`Setup::allow`].
    pub fn allow(&mut self, text: &str) {
        self.setup.announce(text);
    }

    /// A new session, over TCP.
    #[track_caller]
    pub fn connect(&self) -> Client {
        Client::tcp(self.port()).unwrap_or_else(|e| panic!("connecting to {}: {e}", self.port()))
    }

    /// A new session, over the Unix socket.
    #[track_caller]
    pub fn connect_unix(&self) -> Client {
        let path = self.socket();
        Client::unix(&path).unwrap_or_else(|e| panic!("connecting to {}: {e}", path.display()))
    }

    /// A session that works, tried again while the server recovers.
    #[track_caller]
    pub fn connect_patiently(&self) -> Client {
        let session = wait_for(START_LIMIT, || self.try_connect().ok());
        session
            .unwrap_or_else(|| panic!("no session within {START_LIMIT:?}\n{}", self.log.tail(40)))
    }

    /// Kills a process of the server with SIGKILL; a session after the recovery.
    #[track_caller]
    pub fn crash(&self, pid: i32) -> Client {
        let all: Vec<i32> = self.processes().iter().map(|process| process.pid).collect();
        signal(pid, Signal::SIGKILL);
        // Until it has noticed, the server lets clients in that it then ends with the rest.
        assert_eq!(wait_gone(&all, START_LIMIT), Vec::<i32>::new());
        self.connect_patiently()
    }

    /// A session that has had its first `READY`.
    pub fn try_connect(&self) -> io::Result<Client> {
        try_connect(self.port())
    }

    /// The server's processes, without the postmaster.
    pub fn processes(&self) -> Vec<Process> {
        processes::children(self.pid())
    }

    /// The only process of that kind. Others may still be ending: those are waited for.
    #[track_caller]
    pub fn process(&self, kind: &str) -> Process {
        let only = || {
            let mut found = processes::of_kind(self.pid(), kind);
            if found.len() == 1 { found.pop() } else { None }
        };
        wait_for(Duration::from_secs(10), only)
            .unwrap_or_else(|| panic!("not one process of kind {kind}: {:?}", self.processes()))
    }

    /// Waits until a postmaster that was told to end, or should end by itself, has ended.
    #[track_caller]
    pub fn wait_ended(&mut self, limit: Duration) -> ExitStatus {
        let mut running = self.running.take().expect("the server runs");
        let status = wait_for(limit, || running.child.try_wait().expect("it is our child"));
        status.unwrap_or_else(|| {
            let who = format!("{:?}", processes::children(running.pid));
            self.running = Some(running);
            panic!("the postmaster has not ended within {limit:?}; its children: {who}")
        })
    }

    /// Ends it, if it runs, and passes over what is in its log, which goes away with it.
    pub fn forget_log(mut self) {
        self.end_somehow();
        drop(std::mem::take(&mut self.scratch));
    }

    /// Whether the postmaster has ended by itself; if so, how.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        let running = self.running.as_mut()?;
        let status = running.child.try_wait().expect("it is our child")?;
        self.running = None;
        Some(status)
    }

    /// Shuts the server down and waits for it; all its processes are gone afterwards.
    #[track_caller]
    pub fn stop(&mut self, how: Stop) -> ExitStatus {
        let children: Vec<i32> = self.processes().iter().map(|p| p.pid).collect();
        processes::signal(self.pid(), how.signal());
        let status = self.wait_ended(STOP_LIMIT);
        let left = processes::wait_gone(&children, Duration::from_secs(1));
        assert!(left.is_empty(), "{left:?} outlived the postmaster");
        status
    }

    /// Kills the postmaster with SIGKILL; its children are gone within a second.
    #[track_caller]
    pub fn kill(&mut self) {
        let children: Vec<i32> = self.processes().iter().map(|p| p.pid).collect();
        processes::signal(self.pid(), Signal::SIGKILL);
        self.wait_ended(Duration::from_secs(10));
        let left = processes::wait_gone(&children, Duration::from_secs(1));
        assert!(left.is_empty(), "{left:?} lived on for a second without the postmaster");
    }

    /// Stops and starts again, in order.
    #[track_caller]
    pub fn restart(&mut self) {
        self.stop(Stop::Fast);
        self.start_again();
    }

    /// Fails if the log holds a warning or an error that nobody announced.
    #[track_caller]
    pub fn check_log(&self) {
        let lines = self.log.unexpected(self.setup.announced());
        assert!(lines.is_empty(), "unexpected in the log:\n{}", lines.join("\n"));
    }

    /// Takes the directory out, for somebody to look at; the server must not run.
    pub fn keep_directory(mut self) -> PathBuf {
        self.end_somehow();
        std::mem::take(&mut self.scratch).keep()
    }

    /// Ends what still runs, without asking how.
    fn end_somehow(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        let children: Vec<i32> = processes::children(running.pid).iter().map(|p| p.pid).collect();
        // An immediate shutdown removes the segment, which SIGKILL would leave behind.
        for signal in [Signal::SIGQUIT, Signal::SIGKILL] {
            processes::signal(running.pid, signal);
            let ended = || running.child.try_wait().ok().flatten();
            if wait_for(Duration::from_secs(10), ended).is_some() {
                break;
            }
        }
        let _ = running.child.kill();
        let _ = running.child.wait();
        processes::wait_gone(&children, Duration::from_secs(2));
    }
}

/// A session at that port that has had its first `READY`.
pub fn try_connect(port: u16) -> io::Result<Client> {
    let mut client = Client::tcp(port)?;
    match client.ask("")?.end {
        End::Ready(_) => Ok(client),
        End::Fatal(problem) => Err(io::Error::other(problem.to_string())),
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Before it is ended, which is done in haste and not without noise.
        let alarms = match self.scratch_is_ours() {
            true => self.log.unexpected(self.setup.announced()),
            false => Vec::new(),
        };
        self.end_somehow();
        if std::thread::panicking() {
            eprintln!("--- the end of the server's log\n{}\n---", self.log.tail(40));
        } else {
            assert!(alarms.is_empty(), "unexpected in the log:\n{}", alarms.join("\n"));
        }
    }
}

impl Server {
    /// False once [`Server::keep_directory`] has taken the directory, with the log in it.
    fn scratch_is_ours(&self) -> bool {
        self.log.path().starts_with(self.scratch.path())
    }
}
