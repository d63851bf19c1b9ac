//! How a server under test is to be started, and programs that end by themselves.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::binary;
use crate::clock::wait_for;
use crate::scratch::Scratch;
use crate::server::Server;

/// How a server is to be started.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    settings: Vec<(String, String)>,
    arguments: Vec<OsString>,
    wrapper: Vec<OsString>,
    program: Option<PathBuf>,
    environment: Vec<(OsString, OsString)>,
    allowed: Vec<String>,
}

/// A program that has ended: how, and what it said.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Setup {
    /// The defaults, but for the port.
    pub fn new() -> Setup {
        Setup::default()
    }

    /// Overrides a setting (`--set name=value`); the last one wins.
    pub fn set(mut self, name: &str, value: &str) -> Setup {
        self.change(name, value);
        self
    }

    /// As [`Setup::set`], in place.
    pub fn change(&mut self, name: &str, value: &str) {
        self.settings.retain(|(n, _)| n != name);
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// The settings that it overrides.
    pub fn settings(&self) -> &[(String, String)] {
        &self.settings
    }

    /// Adds an argument of the postmaster.
    pub fn argument(mut self, argument: impl Into<OsString>) -> Setup {
        self.arguments.push(argument.into());
        self
    }

    /// Runs the postmaster under another program: `strace -f …`.
    pub fn under<S: Into<OsString>>(mut self, wrapper: impl IntoIterator<Item = S>) -> Setup {
        self.wrapper = wrapper.into_iter().map(Into::into).collect();
        self
    }

    /// Runs this copy of the postmaster instead of the one that was built.
    pub fn program(mut self, path: impl Into<PathBuf>) -> Setup {
        self.program = Some(path.into());
        self
    }

    /// Runs the daemon that has bugs on order, with this one switched on (`sys::mutant`).
    pub fn with_mutant(self, name: &str) -> Setup {
        self.program(binary::postmaster_faults()).environment("MAMONT_MUTANT", name)
    }

    /// Sets a variable of its environment.
    pub fn environment(mut self, name: &str, value: impl Into<OsString>) -> Setup {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Announces a warning or error that the log may hold: any line with this text in it.
    pub fn allow(mut self, text: &str) -> Setup {
        self.announce(text);
        self
    }

    /// As [`Setup::allow`], in place.
    pub fn announce(&mut self, text: &str) {
        self.allowed.push(text.to_owned());
    }

    /// What was announced.
    pub fn announced(&self) -> &[String] {
        &self.allowed
    }

    /// Whether the postmaster runs under another program.
    pub fn is_wrapped(&self) -> bool {
        !self.wrapper.is_empty()
    }

    /// Announces what a server says when one of its processes is killed.
    pub fn allow_crashes(self) -> Setup {
        const WORDS: &[&str] = &[
            "signal 9",
            "SIGKILL",
            "terminating",
            "terminated",
            "abnormally",
            "not properly shut down",
            "interrupted",
            "all server processes",
            "recover",
            "stale",
            "shared memory",
        ];
        WORDS.iter().fold(self, |setup, word| setup.allow(word))
    }

    /// The command that runs the postmaster on that data directory.
    pub fn command(&self, data: &Path) -> Command {
        let mut words = self.wrapper.clone();
        let program = self.program.clone();
        words.push(program.unwrap_or_else(|| binary::postmaster().to_owned()).into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg("-D").arg(data);
        if !self.settings.iter().any(|(name, _)| name == "port") {
            command.arg("--set").arg("port=0");
        }
        for (name, value) in &self.settings {
            command.arg("--set").arg(format!("{name}={value}"));
        }
        command.args(&self.arguments).env_remove("NOTIFY_SOCKET").stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(n, v)| (n, v)));
        command
    }

    /// Runs the postmaster on that data directory when it is expected to end by itself.
    pub fn run_to_end(&self, data: &Path) -> Finished {
        run_to_end(&mut self.command(data), Duration::from_secs(30))
    }

    /// Starts a server in a new directory.
    #[track_caller]
    pub fn start(self) -> Server {
        let scratch = Scratch::new();
        let data = scratch.join("d");
        self.start_in(scratch, data)
    }

    /// Starts a server on `data`, which lies in `scratch`.
    #[track_caller]
    pub fn start_in(self, scratch: Scratch, data: PathBuf) -> Server {
        let mut server = Server::new(self, scratch, data);
        server.start_again();
        server
    }
}

/// Runs a command to its end, and kills it when it takes longer than `limit`.
pub fn run_to_end(command: &mut Command, limit: Duration) -> Finished {
    let scratch = Scratch::new();
    let (out, err) = (scratch.join("out"), scratch.join("err"));
    let file = |path: &Path| File::create(path).expect("the scratch directory is ours");
    let mut child = command
        .stdout(file(&out))
        .stderr(file(&err))
        .spawn()
        .unwrap_or_else(|e| panic!("{command:?} does not start: {e}"));
    let status = wait_for(limit, || child.try_wait().expect("it is our child"));
    let status = status.unwrap_or_else(|| {
        let _ = child.kill();
        let _ = child.wait();
        panic!("{command:?} did not end within {limit:?}:\n{}", text(&out) + &text(&err))
    });
    Finished { status, stdout: text(&out), stderr: text(&err) }
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
