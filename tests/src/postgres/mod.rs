//! A PostgreSQL to compare with: initialised in a private directory, reached by a socket in it,
//! ended when it is dropped. It makes no difference to anything else on the machine.
//!
//! PostgreSQL refuses to run as root: started by root, it runs as the user `postgres`.

mod wire;

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{fs, io};

use nix::sys::signal::Signal;
use nix::unistd::User;

use crate::clock::wait_for;
use crate::processes;
use crate::scratch::Scratch;
use crate::setup::run_to_end;
use crate::skip::is_root;
pub use wire::{Told, Wire};

/// How long it may take to be initialised, and to come up.
const LIMIT: Duration = Duration::from_secs(60);
/// Where Debian puts it; `PG_BIN` names another place.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

/// A PostgreSQL.
pub struct Postgres {
    child: Child,
    scratch: Scratch,
}

impl Postgres {
    /// Initialises one and starts it. `Err` says what is missing on this machine.
    pub fn start() -> Result<Postgres, String> {
        let programs = std::env::var_os("PG_BIN").map_or_else(|| PROGRAMS.into(), PathBuf::from);
        let initdb = programs.join("initdb");
        if !initdb.is_file() {
            return Err(format!("no PostgreSQL in {}", programs.display()));
        }
        let scratch = Scratch::new();
        let user = match is_root() {
            true => Some(User::from_name("postgres").ok().flatten().ok_or("no user postgres")?),
            false => None,
        };
        if let Some(user) = &user {
            let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
            std::os::unix::fs::chown(scratch.path(), Some(uid), Some(gid))
                .map_err(|e| format!("giving the directory away: {e}"))?;
        }
        let data = scratch.join("d");
        let mut command = as_user(&initdb, user.as_ref());
        command.arg("-D").arg(&data).args(["-A", "trust", "-U", "postgres", "-N"]);
        command.args(["--no-locale", "-E", "UTF8"]);
        let finished = run_to_end(&mut command, LIMIT);
        assert!(finished.status.success(), "initdb: {}", finished.stderr);
        let mut command = as_user(&programs.join("postgres"), user.as_ref());
        configure(&mut command, &data, scratch.path());
        let log = fs::File::create(scratch.join("log")).map_err(|e| e.to_string())?;
        let child = command.stdout(Stdio::null()).stderr(log).spawn().map_err(|e| e.to_string())?;
        let server = Postgres { child, scratch };
        if wait_for(LIMIT, || server.connect("postgres").ok()).is_none() {
            let log = fs::read_to_string(server.scratch.join("log")).unwrap_or_default();
            panic!("PostgreSQL does not come up:\n{log}");
        }
        Ok(server)
    }

    /// A new session.
    pub fn connect(&self, database: &str) -> io::Result<Wire> {
        Wire::connect(&self.scratch.join(".s.PGSQL.5432"), "postgres", database)
    }
}

fn as_user(program: &Path, user: Option<&User>) -> Command {
    let mut command = Command::new(program);
    if let Some(user) = user {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw()).current_dir("/");
    }
    command.stdin(Stdio::null());
    command
}

/// Small, quick to start, and alone: nothing is made durable, nothing works by itself.
fn configure(command: &mut Command, data: &Path, socket: &Path) {
    command.arg("-D").arg(data).arg("-k").arg(socket).args(["-p", "5432"]);
    for setting in [
        "listen_addresses=",
        "fsync=off",
        "autovacuum=off",
        "shared_buffers=16MB",
        "max_connections=200",
    ] {
        command.arg("-c").arg(setting);
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let pid = self.child.id() as i32;
        // An immediate shutdown takes its children and its shared memory along.
        processes::signal(pid, Signal::SIGQUIT);
        if wait_for(Duration::from_secs(10), || self.child.try_wait().ok().flatten()).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
