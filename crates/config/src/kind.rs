//! What a setting is, apart from its value: kind, unit, range, and who may change it when.

use crate::{Settings, Value};

/// Who may change a setting, and when a change takes effect. The names are PostgreSQL's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Context {
    /// Shown, never set: it describes the server or was fixed when the directory was initialised.
    Internal,
    /// Read from the file only when a data directory is initialised; fixed from then on.
    Init,
    /// Takes effect at the next start.
    Postmaster,
    /// Takes effect when the file is read again (HUP), in every process.
    Sighup,
    /// As `User`, for administrators. Every session is one until there are roles.
    Superuser,
    /// Takes effect at reload in every session that has not changed it itself; `SET` changes it
    /// for one session. Who holds a copy of the value must be told by the session.
    User,
}

impl Context {
    /// The name in `pg_settings`.
    pub fn name(self) -> &'static str {
        match self {
            Context::Internal | Context::Init => "internal",
            Context::Postmaster => "postmaster",
            Context::Sighup => "sighup",
            Context::Superuser => "superuser",
            Context::User => "user",
        }
    }

    /// Whether `SET` may change it.
    pub fn session_may_set(self) -> bool {
        matches!(self, Context::Superuser | Context::User)
    }

    /// Whether reading the file again may change it.
    pub fn reload_may_set(self) -> bool {
        matches!(self, Context::Sighup | Context::Superuser | Context::User)
    }
}

/// The unit that a plain number of a size counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemoryUnit {
    /// Kibibytes, spelled `kB`.
    Kilobyte,
    /// Pages of 8 kB.
    Page,
    /// Mebibytes, spelled `MB`.
    Megabyte,
}

impl MemoryUnit {
    /// Bytes in one.
    pub fn bytes(self) -> i64 {
        match self {
            MemoryUnit::Kilobyte => 1 << 10,
            MemoryUnit::Page => types::PAGE_SIZE as i64,
            MemoryUnit::Megabyte => 1 << 20,
        }
    }

    /// The name in `pg_settings`.
    pub fn name(self) -> &'static str {
        match self {
            MemoryUnit::Kilobyte => "kB",
            MemoryUnit::Page => "8kB",
            MemoryUnit::Megabyte => "MB",
        }
    }
}

/// The unit that a plain number of a time counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeUnit {
    /// Microseconds.
    Microsecond,
    /// Milliseconds.
    Millisecond,
    /// Seconds.
    Second,
}

impl TimeUnit {
    /// Microseconds in one.
    pub fn micros(self) -> i64 {
        match self {
            TimeUnit::Microsecond => 1,
            TimeUnit::Millisecond => 1_000,
            TimeUnit::Second => 1_000_000,
        }
    }

    /// The name in `pg_settings`.
    pub fn name(self) -> &'static str {
        match self {
            TimeUnit::Microsecond => "us",
            TimeUnit::Millisecond => "ms",
            TimeUnit::Second => "s",
        }
    }
}

/// The type of a setting's value, and the values that are allowed.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    /// `on` or `off`; in the file `true` or `false`.
    Bool,
    /// A whole number without a unit.
    Integer {
        /// The least value.
        min: i64,
        /// The greatest value.
        max: i64,
    },
    /// A number.
    Real {
        /// The least value.
        min: f64,
        /// The greatest value.
        max: f64,
    },
    /// A size.
    Memory {
        /// What a plain number counts.
        unit: MemoryUnit,
        /// The least value, in bytes.
        min: i64,
        /// The greatest value, in bytes.
        max: i64,
        /// Whether -1 is allowed and means that the server chooses.
        auto: bool,
    },
    /// A length of time.
    Time {
        /// What a plain number counts.
        unit: TimeUnit,
        /// The least value, in microseconds.
        min: i64,
        /// The greatest value, in microseconds.
        max: i64,
    },
    /// Text without control characters.
    Text {
        /// The most bytes it may have.
        max_len: usize,
    },
    /// One of a few words.
    Enum {
        /// The words.
        words: &'static [&'static str],
        /// Other spellings, each with the word that it stands for.
        aliases: &'static [(&'static str, &'static str)],
    },
}

impl Kind {
    /// The type's name in `pg_settings`.
    pub fn vartype(&self) -> &'static str {
        match self {
            Kind::Bool => "bool",
            Kind::Integer { .. } | Kind::Memory { .. } | Kind::Time { .. } => "integer",
            Kind::Real { .. } => "real",
            Kind::Text { .. } => "string",
            Kind::Enum { .. } => "enum",
        }
    }

    /// The name of the unit that a plain number counts, and how much it is in the value's own
    /// measure (bytes, microseconds).
    pub fn unit(&self) -> Option<(&'static str, i64)> {
        match self {
            Kind::Memory { unit, .. } => Some((unit.name(), unit.bytes())),
            Kind::Time { unit, .. } => Some((unit.name(), unit.micros())),
            _ => None,
        }
    }
}

/// The declaration of one setting.
#[derive(Debug)]
pub struct Setting {
    /// The name: PostgreSQL's where it has the setting.
    pub name: &'static str,
    /// The table of the TOML file that it stands in; empty if it never stands in the file.
    pub section: &'static str,
    /// Who may change it, and when.
    pub context: Context,
    /// The type and the range.
    pub kind: Kind,
    /// What it does: a sentence, perhaps more sentences.
    pub(crate) doc: &'static str,
    /// The place in the table.
    pub(crate) index: usize,
    pub(crate) get: fn(&Settings) -> Value,
    /// False if the value is not of the field's type, which the kind excludes.
    pub(crate) put: fn(&mut Settings, &Value) -> bool,
}

impl Setting {
    /// Whether it may stand in the file and after `--set`.
    pub fn in_file(&self) -> bool {
        !self.section.is_empty()
    }

    /// The first sentence about it.
    pub fn summary(&self) -> &'static str {
        let doc = self.doc.trim();
        doc.find(". ").map_or(doc, |end| &doc[..=end])
    }

    /// All sentences about it.
    pub fn explanation(&self) -> &'static str {
        self.doc.trim()
    }
}
