//! The settings of a session, and what a rollback takes back of them.
//!
//! SET lasts for the session, but is undone if its transaction rolls back; SET LOCAL lasts for the
//! transaction. So there are up to three versions: what RESET brings back (`base`), what the session
//! will have after the transaction (`kept`), and what counts now (`current`).
//!
//! The modes of the current transaction (`transaction_isolation`, `transaction_read_only`,
//! `transaction_deferrable`) stand in `current` too, where SHOW and `pg_settings` find them. Each
//! transaction begins with those that the `default_` settings name (`transaction` changes them).

use config::{IsolationLevel, Settings};
use types::SqlState;

use crate::bind::names::split_identifiers;
use crate::error::{Error, Result};
use crate::parse::{Access, TransactionModes};

/// The settings of a session.
pub(crate) struct SessionSettings {
    /// The settings that the session began with.
    pub(crate) base: Settings,
    /// What counts now.
    pub(crate) current: Settings,
    /// What the session had when the transaction began, once a statement has changed something.
    before: Option<Settings>,
    /// What the session will have if the transaction commits, once SET LOCAL was used.
    kept: Option<Settings>,
    /// For each savepoint what there was when it was set, once something has changed since. `None`
    /// also if that came after a later savepoint was set: then it stands there.
    savepoints: Vec<Option<Box<AtSavepoint>>>,
}

/// What a savepoint brings back.
struct AtSavepoint {
    current: Settings,
    before: Option<Settings>,
    kept: Option<Settings>,
}

/// Where a change of a setting goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change<'a> {
    Set(&'a str),
    Reset,
}

fn report(error: &config::Error) -> Error {
    Error::from_diagnostic(error)
}

impl SessionSettings {
    pub(super) fn new(base: Settings) -> SessionSettings {
        SessionSettings {
            current: base.clone(),
            base,
            before: None,
            kept: None,
            savepoints: Vec::new(),
        }
    }

    /// A transaction begins.
    pub(super) fn begin(&mut self) {
        self.before = None;
        self.kept = None;
        self.savepoints.clear();
        let current = &mut self.current;
        current.transaction_isolation = current.default_transaction_isolation;
        current.transaction_read_only = current.default_transaction_read_only;
        current.transaction_deferrable = current.default_transaction_deferrable;
    }

    /// Whether the transaction may not write.
    pub(super) fn is_read_only(&self) -> bool {
        self.current.transaction_read_only
    }

    /// Whether the transaction has one snapshot for all of its statements.
    pub(super) fn is_repeatable_read(&self) -> bool {
        self.current.transaction_isolation == IsolationLevel::RepeatableRead
    }

    /// The modes that a transaction would have after SET or RESET of one of them; `None` if the
    /// setting is another.
    pub(super) fn modes(&self, name: &str, change: Change<'_>) -> Result<Option<TransactionModes>> {
        let Some(setting) = config::find(name).filter(|s| s.name.starts_with("transaction_"))
        else {
            return Ok(None);
        };
        let mut changed = self.current.clone();
        self.apply(&mut changed, name, change)?;
        let access =
            if changed.transaction_read_only { Access::ReadOnly } else { Access::ReadWrite };
        let mut modes = TransactionModes::default();
        match setting.name {
            "transaction_isolation" => modes.isolation = Some(changed.transaction_isolation.name()),
            "transaction_read_only" => modes.access = Some(access),
            _ => modes.deferrable = Some(changed.transaction_deferrable),
        }
        Ok(Some(modes))
    }

    fn apply(&self, settings: &mut Settings, name: &str, change: Change<'_>) -> Result<()> {
        let applied = match change {
            Change::Set(value) => {
                check_isolation(name, value)?;
                settings.set_text(name, value)
            }
            Change::Reset => settings.reset(name, &self.base),
        };
        applied.map(|_| ()).map_err(|error| report(&error))
    }

    /// The transaction commits; says whether what counts has changed by that.
    pub(super) fn commit(&mut self) -> bool {
        self.savepoints.clear();
        self.before = None;
        match self.kept.take() {
            Some(kept) => {
                self.current = kept;
                true
            }
            None => false,
        }
    }

    /// The transaction rolls back; says whether what counts has changed by that.
    pub(super) fn abort(&mut self) -> bool {
        self.savepoints.clear();
        self.kept = None;
        match self.before.take() {
            Some(before) => {
                self.current = before;
                true
            }
            None => false,
        }
    }

    /// SAVEPOINT
    pub(super) fn set_savepoint(&mut self) {
        self.savepoints.push(None);
    }

    /// RELEASE of the savepoint at `depth`, and with it of those after it.
    pub(super) fn release_savepoint(&mut self, depth: usize) {
        // Nothing had changed between the savepoint before them and the first that knows something.
        let first = self.savepoints.drain(depth..).flatten().next();
        if let Some(last) = self.savepoints.last_mut()
            && last.is_none()
        {
            *last = first;
        }
    }

    /// ROLLBACK TO the savepoint at `depth`; says whether what counts has changed by that.
    pub(super) fn rollback_to_savepoint(&mut self, depth: usize) -> bool {
        let first = self.savepoints.drain(depth..).flatten().next();
        self.savepoints.push(None);
        let Some(saved) = first else { return false };
        let AtSavepoint { current, before, kept } = *saved;
        (self.current, self.before, self.kept) = (current, before, kept);
        true
    }

    /// Something is about to change: the innermost savepoint remembers what there was.
    pub(super) fn keep_for_savepoint(&mut self) {
        let Some(saved @ None) = self.savepoints.last_mut() else { return };
        *saved = Some(Box::new(AtSavepoint {
            current: self.current.clone(),
            before: self.before.clone(),
            kept: self.kept.clone(),
        }));
    }

    /// Takes over settings that were read again.
    pub(super) fn reload(&mut self, fresh: &Settings) {
        let versions = [Some(&mut self.base), Some(&mut self.current)];
        let versions = versions.into_iter().chain([self.before.as_mut(), self.kept.as_mut()]);
        let saved = self.savepoints.iter_mut().flatten().flat_map(|saved| {
            [Some(&mut saved.current), saved.before.as_mut(), saved.kept.as_mut()]
        });
        let versions = versions.chain(saved);
        for version in versions.flatten() {
            version.reload(fresh);
        }
    }

    /// SET and RESET of one setting.
    pub(super) fn change(&mut self, name: &str, change: Change<'_>, local: bool) -> Result<()> {
        if let Change::Set(value) = change {
            check_search_path(name, value)?;
        }
        let mut changed = self.current.clone();
        self.apply(&mut changed, name, change)?;
        self.keep_for_savepoint();
        if local {
            self.kept.get_or_insert_with(|| self.current.clone());
        } else if let Some(mut kept) = self.kept.take() {
            let applied = self.apply(&mut kept, name, change);
            self.kept = Some(kept);
            applied?;
        }
        let old = std::mem::replace(&mut self.current, changed);
        self.before.get_or_insert(old);
        Ok(())
    }

    /// RESET ALL.
    pub(super) fn reset_all(&mut self) {
        self.keep_for_savepoint();
        self.before.get_or_insert_with(|| self.current.clone());
        self.current.reset_all(&self.base);
        if let Some(kept) = &mut self.kept {
            kept.reset_all(&self.base);
        }
    }

    /// What SHOW prints.
    pub(crate) fn show(&self, name: &str) -> Result<String> {
        match name.to_ascii_lowercase().as_str() {
            "is_superuser" | "standard_conforming_strings" => Ok("on".to_owned()),
            _ => self.current.get_text(name).map_err(|error| report(&error)),
        }
    }

    /// The name that the result of SHOW has: as the setting is declared.
    pub(super) fn shown_name(&self, name: &str) -> String {
        match config::find(name) {
            Some(setting) => setting.name.to_owned(),
            None => name.to_ascii_lowercase(),
        }
    }
}

/// `0A000` for serializable: it is not served as something weaker.
fn check_isolation(name: &str, value: &str) -> Result<()> {
    let about_isolation = ["transaction_isolation", "default_transaction_isolation"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name));
    if about_isolation && value.eq_ignore_ascii_case("serializable") {
        return Err(Error::unsupported("the isolation level serializable"));
    }
    Ok(())
}

/// `22023` for a search path that is no list of names.
fn check_search_path(name: &str, value: &str) -> Result<()> {
    if name.eq_ignore_ascii_case("search_path") && split_identifiers(value).is_none() {
        let message = format!("invalid value for parameter \"search_path\": \"{value}\"");
        let error = Error::new(SqlState::INVALID_PARAMETER_VALUE, message);
        return Err(error.detail("List syntax is invalid."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work_mem(settings: &SessionSettings) -> String {
        settings.show("work_mem").expect("known")
    }

    #[test]
    fn a_rollback_takes_set_back_and_a_commit_keeps_it() {
        let mut settings = SessionSettings::new(Settings::default());
        settings.begin();
        settings.change("work_mem", Change::Set("1MB"), false).expect("may");
        assert_eq!(work_mem(&settings), "1MB");
        assert!(settings.abort());
        assert_eq!(work_mem(&settings), "4MB");
        settings.begin();
        settings.change("work_mem", Change::Set("2MB"), false).expect("may");
        assert!(!settings.commit());
        assert_eq!(work_mem(&settings), "2MB");
    }

    #[test]
    fn set_local_ends_with_its_transaction() {
        let mut settings = SessionSettings::new(Settings::default());
        settings.begin();
        settings.change("work_mem", Change::Set("1MB"), true).expect("may");
        settings.change("extra_float_digits", Change::Set("0"), false).expect("may");
        assert_eq!(work_mem(&settings), "1MB");
        assert!(settings.commit());
        assert_eq!(work_mem(&settings), "4MB");
        assert_eq!(settings.show("extra_float_digits").expect("known"), "0");
    }

    #[test]
    fn a_savepoint_brings_back_what_there_was() {
        let mut settings = SessionSettings::new(Settings::default());
        let set = |settings: &mut SessionSettings, value| {
            settings.change("work_mem", Change::Set(value), false).expect("may");
        };
        settings.begin();
        set(&mut settings, "1MB");
        settings.set_savepoint();
        settings.set_savepoint();
        set(&mut settings, "2MB");
        settings.set_savepoint();
        set(&mut settings, "3MB");
        assert!(settings.rollback_to_savepoint(2));
        assert_eq!(work_mem(&settings), "2MB");
        assert!(!settings.rollback_to_savepoint(2), "nothing since");
        settings.release_savepoint(1);
        assert_eq!(work_mem(&settings), "2MB");
        assert!(settings.rollback_to_savepoint(0));
        assert_eq!(work_mem(&settings), "1MB");
        set(&mut settings, "5MB");
        settings.commit();
        assert_eq!(work_mem(&settings), "5MB");
    }

    #[test]
    fn a_refused_change_changes_nothing() {
        let mut settings = SessionSettings::new(Settings::default());
        settings.begin();
        assert!(settings.change("work_mem", Change::Set("nonsense"), false).is_err());
        assert!(
            settings.change("transaction_isolation", Change::Set("serializable"), false).is_err()
        );
        assert!(settings.change("nope", Change::Reset, false).is_err());
        assert_eq!(settings.current, Settings::default());
    }
}
