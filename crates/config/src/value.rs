//! Values of settings: the general form that text is parsed into, and the typed fields.

use std::time::Duration;

/// A value in general form.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// A switch.
    Bool(bool),
    /// A number, a size in bytes, or a time in microseconds.
    Integer(i64),
    /// A number with a fraction.
    Real(f64),
    /// A text, or the word of an enumeration.
    Text(String),
}

/// A type that a field of the settings can have.
pub(crate) trait Field: Sized {
    fn to_value(&self) -> Value;
    fn from_value(value: &Value) -> Option<Self>;
}

impl Field for bool {
    fn to_value(&self) -> Value {
        Value::Bool(*self)
    }
    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Bool(on) = value { Some(*on) } else { None }
    }
}

macro_rules! integer_field {
    ($($type:ty)*) => {$(
        impl Field for $type {
            fn to_value(&self) -> Value {
                Value::Integer(i64::try_from(*self).unwrap_or(i64::MAX))
            }
            fn from_value(value: &Value) -> Option<Self> {
                if let Value::Integer(n) = value { (*n).try_into().ok() } else { None }
            }
        }
    )*};
}

integer_field!(u16 u32 i32 u64);

/// A size that the server may choose itself: `None`, written -1.
impl Field for Option<u64> {
    fn to_value(&self) -> Value {
        self.map_or(Value::Integer(-1), |bytes| bytes.to_value())
    }
    fn from_value(value: &Value) -> Option<Self> {
        if *value == Value::Integer(-1) { Some(None) } else { u64::from_value(value).map(Some) }
    }
}

impl Field for f64 {
    fn to_value(&self) -> Value {
        Value::Real(*self)
    }
    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Real(number) = value { Some(*number) } else { None }
    }
}

impl Field for Duration {
    fn to_value(&self) -> Value {
        Value::Integer(i64::try_from(self.as_micros()).unwrap_or(i64::MAX))
    }
    fn from_value(value: &Value) -> Option<Self> {
        u64::from_value(value).map(Duration::from_micros)
    }
}

/// A time that may be none: `None`, written -1.
impl Field for Option<Duration> {
    fn to_value(&self) -> Value {
        self.map_or(Value::Integer(-1), |time| time.to_value())
    }
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Integer(-1) => Some(None),
            _ => Duration::from_value(value).map(Some),
        }
    }
}

impl Field for String {
    fn to_value(&self) -> Value {
        Value::Text(self.clone())
    }
    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Text(text) = value { Some(text.clone()) } else { None }
    }
}

macro_rules! enumeration {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum $name { $($(#[$word_doc])* $variant,)* }

        impl $name {
            /// The words, in the order of the values.
            pub const WORDS: &'static [&'static str] = &[$($word),*];

            /// The word.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }
        }

        impl Field for $name {
            fn to_value(&self) -> Value {
                Value::Text(self.name().to_owned())
            }
            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    $(Value::Text(word) if word == $word => Some($name::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

enumeration! {
    /// How much the log must tell.
    WalLevel {
        /// Enough for recovery, archiving and standbys.
        Replica = "replica",
        /// Also the old row values of UPDATE and DELETE.
        Logical = "logical",
    }
}

enumeration! {
    /// How full-page images in the log are compressed.
    WalCompression {
        /// Not at all.
        Off = "off",
        /// With LZ4.
        Lz4 = "lz4",
    }
}

enumeration! {
    /// What a commit waits for before it is reported.
    SynchronousCommit {
        /// Nothing: a crash may lose the last commits, never their order.
        Off = "off",
        /// The log is durable up to the commit.
        On = "on",
    }
}

enumeration! {
    /// The weight of a message, in the order in which the server's log weighs them.
    MessageLevel {
        /// The finest detail.
        Debug5 = "debug5",
        /// Finer detail.
        Debug4 = "debug4",
        /// Fine detail.
        Debug3 = "debug3",
        /// Detail.
        Debug2 = "debug2",
        /// The coarsest detail.
        Debug1 = "debug1",
        /// What a user asked to be told.
        Info = "info",
        /// What may help a user.
        Notice = "notice",
        /// A likely mistake.
        Warning = "warning",
        /// What aborted a statement.
        Error = "error",
        /// What an administrator wants to know, such as a checkpoint.
        Log = "log",
        /// What ended a session.
        Fatal = "fatal",
        /// What ended all sessions.
        Panic = "panic",
    }
}

enumeration! {
    /// The text form of `bytea`.
    ByteaOutput {
        /// `\x` and two hexadecimal digits for each byte.
        Hex = "hex",
        /// ASCII as it is, other bytes as three octal digits after a backslash.
        Escape = "escape",
    }
}

enumeration! {
    /// What a transaction sees of others.
    IsolationLevel {
        /// As read committed: nobody ever sees what is not committed.
        ReadUncommitted = "read uncommitted",
        /// Each statement sees what was committed before it began.
        ReadCommitted = "read committed",
        /// All statements see what was committed before the first of them began.
        RepeatableRead = "repeatable read",
    }
}

/// Where a value came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Origin {
    /// The default.
    #[default]
    Default,
    /// The server itself.
    Server,
    /// A line of the file, from 1.
    File(u32),
    /// `--set`.
    CommandLine,
    /// `SET`.
    Session,
}

impl Origin {
    /// The name in `pg_settings`.
    pub fn name(self) -> &'static str {
        match self {
            Origin::Default => "default",
            Origin::Server => "override",
            Origin::File(_) => "configuration file",
            Origin::CommandLine => "command line",
            Origin::Session => "session",
        }
    }
}

/// Where each value of a [`crate::Settings`] came from, and which wait for a restart.
#[derive(Clone, PartialEq, Debug)]
pub struct Provenance {
    pub(crate) origins: Vec<Origin>,
    pub(crate) pending_restart: Vec<bool>,
}

impl Default for Provenance {
    fn default() -> Self {
        let count = crate::settings().len();
        Provenance { origins: vec![Origin::Default; count], pending_restart: vec![false; count] }
    }
}
