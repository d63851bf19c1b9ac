//! SHOW, SET, RESET and the rows of `pg_settings`.

use crate::error::{self, Error};
use crate::kind::{Context, Kind, Setting};
use crate::value::{Origin, Value};
use crate::{Settings, find, settings, units};

/// A row of `pg_settings`, with PostgreSQL's columns.
#[derive(Clone, PartialEq, Debug)]
pub struct SettingRow {
    /// `name`
    pub name: &'static str,
    /// `setting`: the value, a plain number of `unit`.
    pub setting: String,
    /// `unit`
    pub unit: Option<&'static str>,
    /// `category`: the table in the TOML file.
    pub category: &'static str,
    /// `short_desc`
    pub short_desc: &'static str,
    /// `context`
    pub context: &'static str,
    /// `vartype`
    pub vartype: &'static str,
    /// `source`
    pub source: &'static str,
    /// `min_val`
    pub min_val: Option<String>,
    /// `max_val`
    pub max_val: Option<String>,
    /// `enumvals`, in the text form of an array.
    pub enumvals: Option<String>,
    /// `boot_val`: the default.
    pub boot_val: String,
    /// `reset_val`: what RESET brings back.
    pub reset_val: String,
    /// `sourcefile`
    pub source_file: Option<String>,
    /// `sourceline`
    pub source_line: Option<u32>,
    /// `pending_restart`
    pub pending_restart: bool,
}

impl Settings {
    /// What `SHOW name` prints.
    pub fn get_text(&self, name: &str) -> Result<String, Error> {
        let setting = find(name).ok_or_else(|| Error::unknown(name))?;
        Ok(self.text(setting))
    }

    /// The value of a setting as SHOW prints it.
    pub fn text(&self, setting: &Setting) -> String {
        units::format(&setting.kind, &self.shown(setting))
    }

    /// `SET name = value`: changes this copy, or nothing if there is an error.
    ///
    /// Errors: 42704 for a name that there is not, 55P02 for what a session cannot change, 22023
    /// for a value that is not allowed.
    pub fn set_text(&mut self, name: &str, value: &str) -> Result<&'static Setting, Error> {
        let setting = settable(name)?;
        let value = units::parse(setting, value)?;
        self.put(setting, &value, Origin::Session)?;
        Ok(setting)
    }

    /// `RESET name`, or `SET name TO DEFAULT`: takes the value from `base`, the settings that the
    /// session began with.
    pub fn reset(&mut self, name: &str, base: &Settings) -> Result<&'static Setting, Error> {
        let setting = settable(name)?;
        self.take(setting, base);
        Ok(setting)
    }

    /// `RESET ALL`. What stands in no file are modes of the current transaction, and remain.
    pub fn reset_all(&mut self, base: &Settings) {
        let resets = |setting: &&Setting| setting.context.session_may_set() && setting.in_file();
        for setting in settings().iter().filter(resets) {
            self.take(setting, base);
        }
    }

    /// Where the value came from.
    pub fn origin(&self, setting: &Setting) -> Origin {
        self.provenance.origins[setting.index]
    }

    /// The rows of `pg_settings`, in the order of their names; `base` is what RESET brings back.
    pub fn rows(&self, base: &Settings) -> Vec<SettingRow> {
        let defaults = Settings::default();
        let mut rows: Vec<SettingRow> =
            settings().iter().map(|setting| self.row(setting, base, &defaults)).collect();
        rows.sort_by_key(|row| row.name.to_ascii_lowercase());
        rows
    }

    fn row(&self, setting: &Setting, base: &Settings, defaults: &Settings) -> SettingRow {
        let kind = &setting.kind;
        let plain = |value: Value| units::format_plain(kind, &value);
        let (min, max) = error::range(kind);
        let ranged = matches!(kind.vartype(), "integer" | "real");
        let line = match self.origin(setting) {
            Origin::File(line) => Some(line),
            _ => None,
        };
        SettingRow {
            name: setting.name,
            setting: plain(self.shown(setting)),
            unit: kind.unit().map(|(name, _)| name),
            category: if setting.in_file() { setting.section } else { "preset" },
            short_desc: setting.summary(),
            context: setting.context.name(),
            vartype: kind.vartype(),
            source: self.origin(setting).name(),
            min_val: ranged.then(|| plain(min)),
            max_val: ranged.then(|| plain(max)),
            enumvals: enumvals(kind),
            boot_val: plain((setting.get)(defaults)),
            reset_val: plain(base.shown(setting)),
            source_file: line.map(|_| self.config_file.clone()),
            source_line: line,
            pending_restart: self.provenance.pending_restart[setting.index],
        }
    }

    /// The value to show: where -1 lets the server choose, what it chose.
    fn shown(&self, setting: &Setting) -> Value {
        match (setting.get)(self) {
            Value::Integer(-1) if setting.name == "wal_buffers" => {
                Value::Integer(self.wal_buffers_bytes() as i64)
            }
            value => value,
        }
    }

    pub(crate) fn put(
        &mut self,
        setting: &Setting,
        value: &Value,
        origin: Origin,
    ) -> Result<(), Error> {
        if !(setting.put)(self, value) {
            let text = units::format(&setting.kind, value);
            return Err(Error::invalid_value(setting.name, &text, None));
        }
        self.provenance.origins[setting.index] = origin;
        Ok(())
    }

    /// Takes the value, and where it came from, from `other`.
    pub(crate) fn take(&mut self, setting: &Setting, other: &Settings) {
        let taken = (setting.put)(self, &(setting.get)(other));
        debug_assert!(taken, "a field takes its own value");
        self.provenance.origins[setting.index] = other.origin(setting);
    }
}

fn settable(name: &str) -> Result<&'static Setting, Error> {
    let setting = find(name).ok_or_else(|| Error::unknown(name))?;
    let name = setting.name;
    let message = match setting.context {
        Context::User | Context::Superuser => return Ok(setting),
        Context::Internal | Context::Init => format!("parameter \"{name}\" cannot be changed"),
        Context::Postmaster => {
            format!("parameter \"{name}\" cannot be changed without restarting the server")
        }
        Context::Sighup => format!("parameter \"{name}\" cannot be changed now"),
    };
    Err(Error::CannotChange { message })
}

fn enumvals(kind: &Kind) -> Option<String> {
    let Kind::Enum { words, .. } = kind else { return None };
    let quoted = words.iter().map(|word| {
        if word.contains([' ', ',']) { format!("\"{word}\"") } else { (*word).to_owned() }
    });
    Some(format!("{{{}}}", quoted.collect::<Vec<_>>().join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Diagnostic;

    #[test]
    fn show_prints_what_postgresql_prints() {
        let settings = Settings::default();
        let cases = [
            ("shared_buffers", "128MB"),
            ("wal_buffers", "4MB"),
            ("checkpoint_timeout", "5min"),
            ("wal_writer_delay", "200ms"),
            ("deadlock_timeout", "1s"),
            ("commit_delay", "0"),
            ("fsync", "on"),
            ("timezone", "UTC"),
            ("checkpoint_completion_target", "0.9"),
            ("bgwriter_lru_multiplier", "2"),
            ("transaction_isolation", "read committed"),
            ("wal_segment_size", "16MB"),
            ("autovacuum_vacuum_cost_delay", "2ms"),
            ("log_autovacuum_min_duration", "10min"),
        ];
        for (name, text) in cases {
            assert_eq!(settings.get_text(name).expect(name), text, "{name}");
        }
    }

    #[test]
    fn set_changes_one_session_and_reset_takes_it_back() {
        let base = Settings::default();
        let mut session = base.clone();
        session.set_text("WORK_MEM", "64kB").expect("a session may");
        session.set_text("synchronous_commit", "off").expect("a session may");
        assert_eq!(session.work_mem, 64 << 10);
        assert_eq!(session.get_text("synchronous_commit").expect("known"), "off");
        session.reset("work_mem", &base).expect("a session may");
        assert_eq!(session.work_mem, base.work_mem);
        session.reset_all(&base);
        assert_eq!(session, base);
    }

    #[test]
    fn a_time_may_be_none() {
        let none = Settings { log_autovacuum_min_duration: None, ..Settings::default() };
        assert_eq!(none.get_text("log_autovacuum_min_duration").expect("known"), "-1");
        let read = |text: &str| {
            crate::parse("", "f", &[format!("log_autovacuum_min_duration={text}")])
                .map(|settings| settings.log_autovacuum_min_duration)
        };
        assert_eq!(read("-1").expect("allowed"), None);
        assert_eq!(read("0").expect("allowed"), Some(std::time::Duration::ZERO));
        assert!(read("-2").is_err());
    }

    #[test]
    fn set_refuses_with_postgresql_s_codes() {
        let mut session = Settings::default();
        let cases = [
            ("work_men", "1MB", "42704"),
            ("work_mem", "1XB", "22023"),
            ("work_mem", "1kB", "22023"),
            ("wal_level", "logical", "55P02"),
            ("full_page_writes", "off", "55P02"),
            ("block_size", "8192", "55P02"),
            ("data_checksums", "off", "55P02"),
        ];
        for (name, value, code) in cases {
            let error = session.set_text(name, value).expect_err(name);
            assert_eq!(error.sqlstate().as_str(), code, "{name}: {error}");
        }
        assert_eq!(session, Settings::default());
        let hint = session.set_text("work_men", "1").expect_err("a typo").hint();
        assert_eq!(hint.as_deref(), Some("Perhaps you meant \"work_mem\"."));
        assert_eq!(session.get_text("").expect_err("no name").sqlstate().as_str(), "42704");
    }

    #[test]
    fn pg_settings_counts_in_units() {
        let mut session = Settings::default();
        session.set_text("wal_compression", "on").expect("an alias");
        let rows = session.rows(&Settings::default());
        assert_eq!(rows.len(), settings().len());
        let row = |name: &str| rows.iter().find(|row| row.name == name).expect(name);
        let buffers = row("shared_buffers");
        assert_eq!((buffers.setting.as_str(), buffers.unit), ("16384", Some("8kB")));
        assert_eq!(buffers.min_val.as_deref(), Some("16"));
        assert_eq!(buffers.context, "postmaster");
        let compression = row("wal_compression");
        assert_eq!((compression.setting.as_str(), compression.source), ("lz4", "session"));
        assert_eq!(compression.enumvals.as_deref(), Some("{off,lz4}"));
        assert_eq!(compression.reset_val, "off");
        assert_eq!(row("wal_buffers").boot_val, "-1");
    }
}
