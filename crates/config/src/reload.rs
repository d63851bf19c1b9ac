//! Taking over a configuration that was read again.

use crate::value::Origin;
use crate::{Context, Settings, settings};

/// What reading the file again changed, by name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    /// Settings that have a new value now.
    pub changed: Vec<&'static str>,
    /// Settings whose new value takes effect at the next start.
    pub needs_restart: Vec<&'static str>,
}

impl Settings {
    /// Takes over what may change while the server runs from `fresh`, the file's new content.
    ///
    /// What the session has set itself stays as it is, and what is in no file; what needs a restart
    /// stays too, and shows as pending in `pg_settings`.
    pub fn reload(&mut self, fresh: &Settings) -> Changes {
        let mut changes = Changes::default();
        for setting in settings() {
            let differs = (setting.get)(self) != (setting.get)(fresh);
            if setting.context == Context::Postmaster {
                self.provenance.pending_restart[setting.index] = differs;
                if differs {
                    changes.needs_restart.push(setting.name);
                }
            } else if setting.context.reload_may_set()
                && setting.in_file()
                && self.origin(setting) != Origin::Session
            {
                self.take(setting, fresh);
                if differs {
                    changes.changed.push(setting.name);
                }
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn from_file(text: &str) -> Settings {
        parse(text, "mamont.toml", &[]).expect("a good file")
    }

    #[test]
    fn a_reload_changes_what_it_may_and_names_what_waits() {
        let mut server = Settings::default();
        let fresh = from_file(
            "[connections]\nport = 7433\n[wal]\nwal_writer_delay = \"10ms\"\n\
             [memory]\nwork_mem = \"8MB\"",
        );
        let changes = server.reload(&fresh);
        assert_eq!(changes.changed, ["work_mem", "wal_writer_delay"]);
        assert_eq!(changes.needs_restart, ["port"]);
        assert_eq!((server.port, server.work_mem), (7432, 8 << 20));
        let row = |name: &str| {
            let rows = server.rows(&server);
            rows.into_iter().find(|row| row.name == name).expect(name)
        };
        assert!(row("port").pending_restart);
        assert_eq!(row("work_mem").source_line, Some(6));
        assert!(server.reload(&Settings::default()).needs_restart.is_empty());
        assert_eq!(server.work_mem, 4 << 20, "a line taken out brings the default back");
    }

    #[test]
    fn what_a_session_has_set_survives_a_reload() {
        let mut session = Settings::default();
        session.set_text("work_mem", "1MB").expect("a session may");
        let changes = session.reload(&from_file("[memory]\nwork_mem = \"8MB\""));
        assert!(changes.changed.is_empty());
        assert_eq!(session.work_mem, 1 << 20);
    }
}
