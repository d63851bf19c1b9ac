//! From the command line to a server that waits for events.
//!
//! The order: settings before anything is touched; the lock of the data directory before anything
//! in it is changed; sockets before the first contents are made, so that a port that is taken costs
//! nothing; the first contents before the first regular start.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use config::Settings;
use processes::{ConfigSource, Server};
use sys::lock::DirLock;

use crate::cli::Arguments;
use crate::datadir::{self, CONFIG_FILE, Found};
use crate::error::Error;
use crate::events::Events;
use crate::launch;
use crate::limits;
use crate::listen::{self, Listeners};
use crate::logging::LevelHandle;
use crate::pidfile::{PidFile, Status};
use crate::reload::set_level;
use crate::serve::Postmaster;

/// How long to wait for the children of a killed server to be gone.
const ORPHANS_WAIT: Duration = Duration::from_secs(10);
const ORPHANS_POLL: Duration = Duration::from_millis(10);

/// Does what the command line says; answers the exit code.
pub fn run(arguments: Arguments, level: LevelHandle) -> Result<i32, Error> {
    let found = datadir::inspect(&arguments.data_directory)?;
    let source = source(&arguments, found)?;
    let settings = settings(&source, &arguments.data_directory, found)?;
    if arguments.check {
        println!("the configuration is valid");
        return Ok(0);
    }
    set_level(&level, settings.log_min_messages);
    if sys::process::effective_uid() == 0 {
        tracing::warn!("running as root: a flaw in the server would be a flaw of the machine");
    }
    limits::check(settings.max_connections)?;
    let dir = datadir::create(&arguments.data_directory, found)?;
    let lock = lock(&dir)?;
    // Looked at again: another server may have finished with it before the lock was had.
    let found = datadir::inspect(&dir)?;
    start(settings, source, &dir, found, &lock, level)
}

fn start(
    settings: Settings,
    mut source: ConfigSource,
    dir: &Path,
    found: Found,
    lock: &DirLock,
    level: LevelHandle,
) -> Result<i32, Error> {
    let mut settings = settings;
    if found == Found::Database {
        datadir::check_ownership(dir)?;
        datadir::check_version(dir)?;
        datadir::end_initialisation(dir)?;
    } else {
        announce(dir, found);
        datadir::begin_initialisation(dir, found)?;
    }
    source.file = std::path::absolute(&source.file)?;
    settings.data_directory = dir.display().to_string();
    settings.config_file = source.file.display().to_string();
    let socket_dir = match settings.unix_socket_directory.as_str() {
        "" => dir.to_owned(),
        relative_or_absolute => dir.join(relative_or_absolute),
    };
    let addresses = settings.listen_ips().unwrap_or_default();
    let listeners = listen::open(&addresses, settings.port, &socket_dir)?;
    settings.port = listeners.port;
    let mut pid_file = PidFile::new(dir, &socket_dir, listeners.port);
    pid_file.address = listeners.places.first().cloned().unwrap_or_default();
    let server = Rc::new(Server::create(settings, source, dir)?);
    let log_level = level.clone();
    server.on_log_level(move |least| set_level(&log_level, least));
    pid_file.segment = server.segment().name().to_owned();
    pid_file.write(Status::Starting)?;
    let keep = vec![lock.fd()];
    let unix_path = listeners.unix_path.clone();
    let code = initialise(&server, dir, found, &keep)
        .and_then(|()| serve(server, listeners, pid_file.clone(), keep, level));
    // The sockets' names go first: who reads the pid file must not find them without a server.
    let _ = std::fs::remove_file(unix_path);
    pid_file.remove();
    code
}

fn announce(dir: &Path, found: Found) {
    let dir = dir.display();
    if found == Found::HalfInitialised {
        tracing::info!("data directory \"{dir}\" was initialised half-way; beginning again");
    } else {
        tracing::info!("initialising data directory \"{dir}\"");
    }
}

/// Makes the first contents, if there are none.
fn initialise(server: &Rc<Server>, dir: &Path, found: Found, keep: &[i32]) -> Result<(), Error> {
    if found == Found::Database {
        return Ok(());
    }
    if !launch::bootstrap(server, keep)? {
        return Err(Error::Initialise(dir.to_owned()));
    }
    server.reset();
    datadir::end_initialisation(dir)
}

fn serve(
    server: Rc<Server>,
    listeners: Listeners,
    pid_file: PidFile,
    keep: Vec<i32>,
    level: LevelHandle,
) -> Result<i32, Error> {
    for place in &listeners.places {
        tracing::info!("listening on {place}");
    }
    let events = Events::new(listeners.sockets)?;
    Ok(Postmaster::new(server, events, pid_file, keep, level).run())
}

/// Where the settings are: the file named on the command line, or the one in the data directory.
fn source(arguments: &Arguments, found: Found) -> Result<ConfigSource, Error> {
    let default = || arguments.data_directory.join(CONFIG_FILE);
    let file = match (&arguments.config_file, found) {
        (Some(file), _) => std::path::absolute(file)?,
        (None, _) => default(),
    };
    Ok(ConfigSource { file, overrides: arguments.overrides.clone() })
}

/// The settings; a directory that has no file yet will get the default one.
fn settings(source: &ConfigSource, dir: &Path, found: Found) -> Result<Settings, Error> {
    let named = source.file.parent() != Some(dir);
    if found == Found::Database || named || source.file.exists() {
        return Ok(source.load(dir)?);
    }
    let place: PathBuf = source.file.clone();
    Ok(config::parse(config::DEFAULT_FILE, &place.display().to_string(), &source.overrides)?)
}

/// Takes the lock of the directory. The children of a server that was killed are dying, but may
/// hold it a moment longer.
fn lock(dir: &Path) -> Result<DirLock, Error> {
    let until = Instant::now() + ORPHANS_WAIT;
    loop {
        let error = match DirLock::acquire(dir) {
            Ok(lock) => return Ok(lock),
            Err(error) => error,
        };
        let held = matches!(error, sys::lock::Error::Held(_));
        if !held || PidFile::is_server_running(dir) || Instant::now() >= until {
            return Err(Error::Lock { error, pid: PidFile::recorded_pid(dir) });
        }
        std::thread::sleep(ORPHANS_POLL);
    }
}
