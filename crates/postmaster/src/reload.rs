//! HUP: the configuration is read again.
//!
//! The postmaster reads it first; only a good one is passed on to the children, who read it
//! themselves. What cannot change while the server runs is named, and waits for the next start.

use config::MessageLevel;
use sys::process::Signal;
use tracing::level_filters::LevelFilter;

use crate::logging::LevelHandle;
use crate::notify;
use crate::serve::{Postmaster, send};

impl Postmaster {
    /// Reads the configuration again and has the children do so.
    pub(crate) fn reload(&mut self) {
        tracing::info!("received HUP, reading the configuration again");
        notify::reloading();
        match self.server.reload() {
            Err(error) => {
                tracing::error!("the configuration is not changed: {error}");
            }
            Ok(changes) => {
                for name in &changes.changed {
                    tracing::info!("\"{name}\" is changed to {}", self.shown(name));
                }
                for name in &changes.needs_restart {
                    tracing::warn!("\"{name}\" cannot be changed without a restart");
                }
                let settings = self.server.settings();
                self.machine.set_restart_after_crash(settings.restart_after_crash);
                self.machine.set_autovacuum(settings.autovacuum);
                set_level(&self.level, settings.log_min_messages);
                drop(settings);
                self.machine.children().for_each(|(pid, _)| send(pid, Signal::SIGHUP));
            }
        }
        if self.machine.is_running() {
            notify::ready();
        }
    }

    fn shown(&self, name: &str) -> String {
        let value = self.server.settings().get_text(name);
        value.map_or_else(|error| error.to_string(), |value| format!("\"{value}\""))
    }
}

/// Logs what the setting asks for. `INFO` is PostgreSQL's `LOG`, which ranks above `error`.
pub fn set_level(handle: &LevelHandle, least: MessageLevel) {
    let level = match least.name() {
        "debug5" | "debug4" | "debug3" => LevelFilter::TRACE,
        "debug2" | "debug1" => LevelFilter::DEBUG,
        "fatal" | "panic" => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    };
    if let Err(error) = handle.modify(|filter| *filter = level) {
        tracing::warn!("could not change the log level: {error}");
    }
}
