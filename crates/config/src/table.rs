//! The table of settings: the one place where each is declared.
//!
//! A declaration reads: description, field, type, default; `as` gives the name where it differs
//! from the field's; then context and kind. What stands under `(nowhere)` is in no file.

use std::time::Duration;

use crate::kind::Context::*;
use crate::kind::MemoryUnit::*;
use crate::kind::TimeUnit::{self, *};
use crate::value::Field;
use crate::{
    ByteaOutput, IsolationLevel, Kind, MemoryUnit, MessageLevel, Provenance, Setting,
    SynchronousCommit, WalCompression, WalLevel,
};

const KB: u64 = 1 << 10;
const MB: u64 = 1 << 20;
const GB: u64 = 1 << 30;
const TB: u64 = 1 << 40;
const MILLISECOND: i64 = 1_000;
const SECOND: i64 = 1_000 * MILLISECOND;
const DAY: i64 = 24 * 3600 * SECOND;
/// The longest time in milliseconds that PostgreSQL's settings can hold.
const LONG: i64 = i32::MAX as i64 * MILLISECOND;
const PAGE: u64 = types::PAGE_SIZE as u64;

const BOOL: Kind = Kind::Bool;
/// Spellings of `on` and `off` that an enumeration with these two words takes too.
const ON_OFF: &[(&str, &str)] =
    &[("true", "on"), ("yes", "on"), ("1", "on"), ("false", "off"), ("no", "off"), ("0", "off")];
const DATE_STYLES: &[(&str, &str)] =
    &[("ISO", "ISO, MDY"), ("ISO,MDY", "ISO, MDY"), ("DEFAULT", "ISO, MDY")];
const TIME_ZONES: &[(&str, &str)] = &[("Etc/UTC", "UTC"), ("GMT", "UTC"), ("Zulu", "UTC")];

const fn integer(min: i64, max: i64) -> Kind {
    Kind::Integer { min, max }
}
const fn real(min: f64, max: f64) -> Kind {
    Kind::Real { min, max }
}
const fn memory(unit: MemoryUnit, min: u64, max: u64) -> Kind {
    Kind::Memory { unit, min: min as i64, max: max as i64, auto: false }
}
const fn memory_or_auto(unit: MemoryUnit, min: u64, max: u64) -> Kind {
    Kind::Memory { unit, min: min as i64, max: max as i64, auto: true }
}
const fn time(unit: TimeUnit, min: i64, max: i64) -> Kind {
    Kind::Time { unit, min, max }
}
const fn text(max_len: usize) -> Kind {
    Kind::Text { max_len }
}
const fn words(words: &'static [&'static str]) -> Kind {
    Kind::Enum { words, aliases: &[] }
}
const fn words_or(
    words: &'static [&'static str],
    aliases: &'static [(&'static str, &'static str)],
) -> Kind {
    Kind::Enum { words, aliases }
}

macro_rules! name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $name:literal) => {
        $name
    };
}

macro_rules! declare {
    ($($section:literal {
        $($(#[doc = $doc:literal])+ $field:ident: $type:ty = $default:expr,
            $(as $name:literal,)? $context:expr, $kind:expr;)*
    })*) => {
        /// Every setting, typed. Sizes are in bytes.
        ///
        /// `Settings::default()` is what a server runs with whose file sets nothing.
        #[derive(Clone, PartialEq, Debug)]
        pub struct Settings {
            $($($(#[doc = $doc])+ pub $field: $type,)*)*
            /// Where each value came from.
            pub provenance: Provenance,
        }

        impl Default for Settings {
            fn default() -> Self {
                Settings { $($($field: $default,)*)* provenance: Provenance::default() }
            }
        }

        #[allow(non_camel_case_types, reason = "the variants only number the fields")]
        #[derive(Clone, Copy)]
        enum Index { $($($field,)*)* }

        static TABLE: &[Setting] = &[$($(
            Setting {
                name: name!($field $($name)?),
                section: $section,
                context: $context,
                kind: $kind,
                doc: concat!($($doc),+),
                index: Index::$field as usize,
                get: |settings| settings.$field.to_value(),
                put: |settings, value| match <$type>::from_value(value) {
                    Some(new) => {
                        settings.$field = new;
                        true
                    }
                    None => false,
                },
            },
        )*)*];
    };
}

declare! {
    "" {
        /// The directory that holds the database.
        data_directory: String = String::new(), Internal, text(4096);
        /// The file that the settings were read from.
        config_file: String = String::new(), Internal, text(4096);
        /// The version of the server.
        server_version: String = env!("CARGO_PKG_VERSION").to_owned(), Internal, text(63);
        /// The character set of the database.
        server_encoding: String = "UTF8".to_owned(), Internal, words(&["UTF8"]);
        /// The size of a page, in bytes.
        block_size: u32 = types::PAGE_SIZE as u32, Internal, integer(8192, 8192);
        /// The size of a segment of the write-ahead log.
        wal_segment_size: u64 = 16 * MB, Internal, memory(Megabyte, 16 * MB, 16 * MB);
        /// What the current transaction sees of others.
        transaction_isolation: IsolationLevel = IsolationLevel::ReadCommitted,
            User, words(IsolationLevel::WORDS);
        /// Whether the current transaction may not write.
        transaction_read_only: bool = false, User, BOOL;
        /// Accepted. It means something for serializable transactions only.
        transaction_deferrable: bool = false, User, BOOL;
    }
    "connections" {
        /// The loopback addresses to listen on, separated by commas. "localhost" stands for
        /// 127.0.0.1; an empty text means the Unix socket alone. Others than loopback addresses
        /// are refused until there are roles and passwords.
        listen_addresses: String = "127.0.0.1".to_owned(), Postmaster, text(1024);
        /// The TCP port, also part of the Unix socket's name. 0 lets the system choose one.
        port: u16 = 7432, Postmaster, integer(0, 65535);
        /// The directory of the Unix socket. An empty text means the data directory.
        unix_socket_directory: String = String::new(), Postmaster, text(1024);
        /// How many sessions there can be at a time. One more is answered with FATAL 53300.
        max_connections: u32 = 100, Postmaster, integer(1, 65000);
        /// The longest line that the line protocol takes. A longer one is discarded and answered
        /// with ERROR 54000.
        max_line_size: u64 = MB, Postmaster, memory(Kilobyte, KB, GB);
    }
    "memory" {
        /// The size of the shared buffer pool. Pages of relations are read and changed here only.
        shared_buffers: u64 = 128 * MB, Postmaster, memory(Page, 16 * PAGE, 8 * TB);
        /// How much memory one sort or one set of groups may use.
        work_mem: u64 = 4 * MB, User, memory(Kilobyte, 64 * KB, TB);
        /// How much memory the making of an index may use before it goes to temporary files.
        maintenance_work_mem: u64 = 64 * MB, User, memory(Kilobyte, MB, TB);
        /// How many locks on tables and names there is room for, on average, for each session.
        max_locks_per_transaction: u32 = 64, Postmaster, integer(10, 10_000);
    }
    "planner" {
        /// Whether the planner may read a table from its first page to its last. Turned off, it
        /// does so where there is no other way.
        enable_seqscan: bool = true, User, BOOL;
        /// Whether the planner may find rows by an index.
        enable_indexscan: bool = true, User, BOOL;
        /// Whether the planner may take values from an index without looking at the rows.
        enable_indexonlyscan: bool = true, User, BOOL;
        /// Whether the planner may sort. Turned off, it does so where there is no other way.
        enable_sort: bool = true, User, BOOL;
    }
    "wal" {
        /// How much the write-ahead log tells. With "logical" it holds the old values of updated
        /// and deleted rows too.
        wal_level: WalLevel = WalLevel::Replica, Postmaster, words(WalLevel::WORDS);
        /// Whether writes are forced to disk. Turned off, a crash of the machine can lose or
        /// damage everything.
        fsync: bool = true, Sighup, BOOL;
        /// Whether a commit waits until the log is durable before it is reported. Turned off, a
        /// crash may lose the commits of the last three wal_writer_delays, always the latest ones,
        /// and damages nothing.
        synchronous_commit: SynchronousCommit = SynchronousCommit::On,
            User, words_or(SynchronousCommit::WORDS, ON_OFF);
        /// Whether the first change of a page after a checkpoint logs the whole page. Turned off,
        /// a page that a power cut left half written cannot be restored.
        full_page_writes: bool = true, Sighup, BOOL;
        /// How whole pages in the log are compressed.
        wal_compression: WalCompression = WalCompression::Off,
            Superuser, words_or(WalCompression::WORDS, &[("false", "off"), ("no", "off"),
                ("0", "off"), ("true", "lz4"), ("on", "lz4"), ("yes", "lz4"), ("1", "lz4")]);
        /// The size of the ring in which records wait to be written. -1 means a 32nd of
        /// shared_buffers, at least 64kB and at most 16MB.
        wal_buffers: Option<u64> = None, Postmaster, memory_or_auto(Page, 8 * PAGE, GB);
        /// How often the walwriter wakes up.
        wal_writer_delay: Duration = Duration::from_millis(200),
            Sighup, time(Millisecond, MILLISECOND, 10 * SECOND);
        /// How much log has to gather before the walwriter is woken early. 0 wakes it for every
        /// commit that did not wait.
        wal_writer_flush_after: u64 = MB, Sighup, memory(Page, 0, GB);
        /// How long the leader of a group commit waits for others to join.
        commit_delay: Duration = Duration::ZERO, Superuser, time(Microsecond, 0, SECOND / 10);
        /// How many other transactions must be open for the leader to wait.
        commit_siblings: u32 = 5, User, integer(0, 1000);
    }
    "checkpoint" {
        /// The time between checkpoints.
        checkpoint_timeout: Duration = Duration::from_secs(300),
            Sighup, time(Second, SECOND, DAY);
        /// How much of that time a checkpoint takes to spread its writes.
        checkpoint_completion_target: f64 = 0.9, Sighup, real(0.0, 1.0);
        /// How much a checkpoint writes before it asks the system to start on it. 0 turns it off.
        checkpoint_flush_after: u64 = 256 * KB, Sighup, memory(Page, 0, 2 * MB);
        /// How much log may gather before a checkpoint is due. It may be exceeded for a while.
        max_wal_size: u64 = GB, Sighup, memory(Megabyte, 32 * MB, 1024 * TB);
        /// How much log to keep as recycled segments for later use.
        min_wal_size: u64 = 80 * MB, Sighup, memory(Megabyte, 32 * MB, 1024 * TB);
    }
    "bgwriter" {
        /// How long the background writer sleeps between rounds.
        bgwriter_delay: Duration = Duration::from_millis(200),
            Sighup, time(Millisecond, 10 * MILLISECOND, 10 * SECOND);
        /// How many buffers it writes in a round at most. 0 turns it off.
        bgwriter_lru_maxpages: u32 = 100, Sighup, integer(0, 1_073_741_823);
        /// How many times the buffers that were needed of late it keeps clean ahead of the demand.
        bgwriter_lru_multiplier: f64 = 2.0, Sighup, real(0.0, 10.0);
        /// How much it writes before it asks the system to start on it. 0 turns it off.
        bgwriter_flush_after: u64 = 512 * KB, Sighup, memory(Page, 0, 2 * MB);
    }
    "vacuum" {
        /// How many common values and how many parts of a histogram ANALYZE keeps of a column.
        default_statistics_target: u32 = 100, User, integer(1, 10_000);
        /// How long VACUUM and ANALYZE sleep once their work has cost vacuum_cost_limit. 0: they
        /// never sleep.
        vacuum_cost_delay: Duration = Duration::ZERO,
            User, time(Millisecond, 0, 100 * MILLISECOND);
        /// What a page costs that is found in the buffers.
        vacuum_cost_page_hit: u32 = 1, User, integer(0, 10_000);
        /// What a page costs that must be read from disk.
        vacuum_cost_page_miss: u32 = 2, User, integer(0, 10_000);
        /// What it costs to dirty a page that was clean.
        vacuum_cost_page_dirty: u32 = 20, User, integer(0, 10_000);
        /// How much work there is between two sleeps.
        vacuum_cost_limit: u32 = 200, User, integer(1, 10_000);
    }
    "autovacuum" {
        /// How much memory a worker may use to remember dead rows. -1: maintenance_work_mem.
        autovacuum_work_mem: Option<u64> = None, Sighup, memory_or_auto(Kilobyte, MB, 2 * GB);
        /// Whether tables are vacuumed and analyzed by themselves.
        autovacuum: bool = true, Sighup, BOOL;
        /// How many tables may be worked on at a time.
        autovacuum_max_workers: u32 = 3, Postmaster, integer(1, 1000);
        /// How often it is looked for tables that need work.
        autovacuum_naptime: Duration = Duration::from_secs(60),
            Sighup, time(Second, SECOND, 2_147_483 * SECOND);
        /// How many dead rows there must be at least for a vacuum.
        autovacuum_vacuum_threshold: u32 = 50, Sighup, integer(0, 2_147_483_647);
        /// A table is vacuumed when so many transactions have begun since what older ones have left
        /// in it was settled, though nobody has changed it: until then their status is kept.
        autovacuum_freeze_max_age: u32 = 200_000_000, Postmaster, integer(100_000, 2_000_000_000);
        /// How many inserted rows there must be at least for a vacuum. -1: inserts cause none.
        autovacuum_vacuum_insert_threshold: i32 = 1000, Sighup, integer(-1, 2_147_483_647);
        /// How many changed rows there must be at least for an ANALYZE.
        autovacuum_analyze_threshold: u32 = 50, Sighup, integer(0, 2_147_483_647);
        /// Which part of the table's rows must be dead besides.
        autovacuum_vacuum_scale_factor: f64 = 0.2, Sighup, real(0.0, 100.0);
        /// Which part of the table's rows must have been inserted besides.
        autovacuum_vacuum_insert_scale_factor: f64 = 0.2, Sighup, real(0.0, 100.0);
        /// Which part of the table's rows must have changed besides.
        autovacuum_analyze_scale_factor: f64 = 0.1, Sighup, real(0.0, 100.0);
        /// The vacuum_cost_delay of autovacuum. -1: the same as that.
        autovacuum_vacuum_cost_delay: Option<Duration> = Some(Duration::from_millis(2)),
            Sighup, time(Millisecond, -1, 100 * MILLISECOND);
        /// The vacuum_cost_limit of autovacuum, shared by its workers. -1: the same as that.
        autovacuum_vacuum_cost_limit: i32 = -1, Sighup, integer(-1, 10_000);
        /// How long a work of autovacuum must take to be logged. 0 logs all, -1 none.
        log_autovacuum_min_duration: Option<Duration> = Some(Duration::from_secs(600)),
            Sighup, time(Millisecond, -1, 2_147_483_647 * MILLISECOND);
    }
    "server" {
        /// Whether the server starts again by itself after a process died abnormally.
        restart_after_crash: bool = true, Sighup, BOOL;
        /// Whether pages carry checksums. Read when a data directory is initialised, fixed then.
        data_checksums: bool = true, Init, BOOL;
        /// How long to wait for a lock before looking for a deadlock.
        deadlock_timeout: Duration = Duration::from_secs(1),
            Superuser, time(Millisecond, MILLISECOND, LONG);
    }
    "logging" {
        /// The least weight of messages that go to the server's log.
        log_min_messages: MessageLevel = MessageLevel::Warning,
            Superuser, words_or(MessageLevel::WORDS, &[("debug", "debug2")]);
        /// Whether each checkpoint is logged, with what it wrote and how long it took.
        log_checkpoints: bool = true, Sighup, BOOL;
    }
    "client" {
        /// The least weight of messages that are sent to the client.
        client_min_messages: MessageLevel = MessageLevel::Notice,
            User, words_or(&["debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice",
                "warning", "error"], &[("debug", "debug2")]);
        /// Where names without a schema are looked for, behind pg_catalog: names of schemas between
        /// commas. Things are created in the first that exists; "$user" is the session's user.
        search_path: String = "\"$user\", public".to_owned(), User, text(4096);
        /// The name by which a session shows itself to others.
        application_name: String = String::new(), User, text(63);
        /// How long a statement may take. 0 means as long as it likes.
        statement_timeout: Duration = Duration::ZERO, User, time(Millisecond, 0, LONG);
        /// How long a statement may wait for a lock, each time that it waits. 0 means for ever.
        lock_timeout: Duration = Duration::ZERO, User, time(Millisecond, 0, LONG);
        /// How long a session may be idle inside of a transaction before it is ended. 0 means for
        /// ever.
        idle_in_transaction_session_timeout: Duration = Duration::ZERO,
            User, time(Millisecond, 0, LONG);
        /// How long a session may be idle outside of a transaction before it is ended. 0 means for
        /// ever.
        idle_session_timeout: Duration = Duration::ZERO, User, time(Millisecond, 0, LONG);
        /// How often a running statement looks whether its client is still there. 0 means never.
        client_connection_check_interval: Duration = Duration::ZERO,
            User, time(Millisecond, 0, LONG);
        /// The character set that the client speaks.
        client_encoding: String = "UTF8".to_owned(),
            User, words_or(&["UTF8"], &[("UTF-8", "UTF8"), ("unicode", "UTF8")]);
        /// The time zone of the session.
        time_zone: String = "UTC".to_owned(), as "TimeZone", User, words_or(&["UTC"], TIME_ZONES);
        /// How dates are written and read.
        date_style: String = "ISO, MDY".to_owned(),
            as "DateStyle", User, words_or(&["ISO, MDY"], DATE_STYLES);
        /// How many digits floating-point numbers show. From 1 on, the fewest that read back as
        /// the same number; up to 0, the usual number of digits plus this.
        extra_float_digits: i32 = 1, User, integer(-15, 3);
        /// The text form of bytea.
        bytea_output: ByteaOutput = ByteaOutput::Hex, User, words(ByteaOutput::WORDS);
        /// What a new transaction sees of others.
        default_transaction_isolation: IsolationLevel = IsolationLevel::ReadCommitted,
            User, words(IsolationLevel::WORDS);
        /// Whether a new transaction may not write, unless it says otherwise.
        default_transaction_read_only: bool = false, User, BOOL;
        /// Accepted. It means something for serializable transactions only.
        default_transaction_deferrable: bool = false, User, BOOL;
    }
}

/// Every setting's declaration, in the order of the file.
pub fn settings() -> &'static [Setting] {
    TABLE
}

/// The declaration of the setting of that name, in whatever case.
pub fn find(name: &str) -> Option<&'static Setting> {
    TABLE.iter().find(|setting| setting.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units;

    #[test]
    fn names_are_unique_and_indexes_are_places() {
        for (place, setting) in TABLE.iter().enumerate() {
            assert_eq!(setting.index, place, "{}", setting.name);
            assert!(std::ptr::eq(find(setting.name).expect("its own name"), setting));
            assert!(setting.summary().ends_with('.'), "{}", setting.name);
        }
    }

    #[test]
    fn every_default_is_allowed_and_survives_its_own_text() {
        let defaults = Settings::default();
        for setting in TABLE {
            let text = units::format(&setting.kind, &(setting.get)(&defaults));
            let value = units::parse(setting, &text).expect(setting.name);
            let mut copy = defaults.clone();
            assert!((setting.put)(&mut copy, &value), "{}", setting.name);
            assert_eq!(copy, defaults, "{}", setting.name);
        }
    }
}
