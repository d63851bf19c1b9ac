//! The server as every process of it has it: all rooms, over one segment.
//!
//! The postmaster builds it once, before it forks anything, and never works with the rooms itself.
//! A child inherits it by fork: the same addresses of shared memory, and its own copy of whatever
//! is private (open files, caches, the settings it has read).
//!
//! Invariants:
//! - The layout follows from the settings at start alone; a reload changes no size.
//! - [`Server::reset`] runs only while no child lives.

use std::cell::{OnceCell, Ref, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use access::Access;
use buffer::{BufferPool, BufferRegions};
use catalog::Catalog;
use config::{Changes, MessageLevel, Settings};
use shmem::{Layout, ProcArray, Segment};
use txn::{Txn, TxnRegions};
use wal::{ControlFile, Wal, WalOptions, WalRegions};

use crate::autovacuum::{Autovacuum, AutovacuumRegions};
use crate::error::Error;
use crate::progress::CheckpointProgress;
use crate::requests::CheckpointRequests;

/// Process slots besides those of sessions and of autovacuum's workers: the background processes, and
/// some to spare for one that ends while its successor starts.
const OTHER_SLOTS: usize = 8;

/// Where the settings came from, to read them again.
#[derive(Clone, Debug)]
pub struct ConfigSource {
    /// The file.
    pub file: PathBuf,
    /// The command line's `NAME=VALUE`.
    pub overrides: Vec<String>,
}

impl ConfigSource {
    /// Reads the settings.
    pub fn load(&self, data_dir: &Path) -> Result<Settings, config::Error> {
        let mut settings = config::load_by(sys::fs::read_limited, &self.file, &self.overrides)?;
        settings.data_directory = data_dir.display().to_string();
        Ok(settings)
    }
}

/// The rooms of a running server.
pub struct Server {
    settings: RefCell<Settings>,
    source: ConfigSource,
    data_dir: PathBuf,
    segment: Segment,
    procs: ProcArray,
    requests: &'static CheckpointRequests,
    progress: &'static CheckpointProgress,
    autovacuum: Autovacuum,
    wal: Rc<Wal>,
    pool: Rc<BufferPool>,
    txn: Rc<Txn>,
    access: Rc<Access>,
    catalog: Rc<Catalog>,
    is_oom_protected: bool,
    log_level: OnceCell<SetLogLevel>,
}

/// Changes from which weight on messages of this process are logged.
type SetLogLevel = Box<dyn Fn(MessageLevel)>;

impl Server {
    /// Makes the segment and the rooms over it. The caller holds the directory's lock.
    pub fn create(
        settings: Settings,
        source: ConfigSource,
        data_dir: &Path,
    ) -> Result<Server, Error> {
        let mut layout = Layout::new();
        let workers = settings.autovacuum_max_workers as usize;
        let slots = settings.max_connections as usize + workers + OTHER_SLOTS;
        let procs = ProcArray::reserve(&mut layout, slots);
        let requests = layout.region("Checkpointer Data", 1);
        let progress = layout.region("Checkpointer Progress", 1);
        let autovacuum = AutovacuumRegions::reserve(&mut layout, slots);
        let ring = settings.wal_buffers_bytes() as usize / types::PAGE_SIZE;
        let wal = WalRegions::reserve(&mut layout, ring);
        let pool = BufferRegions::reserve(&mut layout, settings.shared_buffer_count() as usize);
        let txn = TxnRegions::reserve(&mut layout, &settings, slots);
        let segment = Segment::create(layout, data_dir)?;
        let procs = ProcArray::new(&segment, procs);
        let options = wal_options(&settings);
        let wal = Rc::new(Wal::new(&segment, wal, procs.slots(), data_dir, options));
        let pool = Rc::new(BufferPool::new(&segment, pool, data_dir, Rc::clone(&wal)));
        let (log, buffers) = (Rc::clone(&wal), Rc::clone(&pool));
        let txn = Rc::new(Txn::new(&segment, txn, procs.slots(), log, buffers, &settings));
        let access = Rc::new(Access::new(Rc::clone(&wal), Rc::clone(&pool), Rc::clone(&txn)));
        let catalog = Rc::new(Catalog::new(Rc::clone(&access)));
        Ok(Server {
            requests: segment.one(requests),
            progress: segment.one(progress),
            autovacuum: Autovacuum::new(&segment, autovacuum),
            settings: RefCell::new(settings),
            source,
            data_dir: data_dir.to_owned(),
            segment,
            procs,
            wal,
            pool,
            txn,
            access,
            catalog,
            is_oom_protected: is_oom_protected(),
            log_level: OnceCell::new(),
        })
    }

    /// Makes shared memory as new after a crash. Only while no child lives.
    pub fn reset(&self) {
        self.segment.reset();
    }

    /// The settings in force in this process.
    pub fn settings(&self) -> Ref<'_, Settings> {
        self.settings.borrow()
    }

    /// Reads the configuration again and takes over what can be changed while the server runs.
    pub fn reload(&self) -> Result<Changes, Error> {
        let mut fresh = self.source.load(&self.data_dir)?;
        if fresh.port == 0 {
            // The system has chosen one, which still stands.
            fresh.port = self.settings().port;
        }
        let changes = self.settings.borrow_mut().reload(&fresh);
        self.apply(&self.settings());
        Ok(changes)
    }

    /// Says how what is logged is changed. For the postmaster, which has made the log; once.
    pub fn on_log_level(&self, set: impl Fn(MessageLevel) + 'static) {
        let first = self.log_level.set(Box::new(set)).is_ok();
        debug_assert!(first, "there is one log");
    }

    /// Changes from which weight on messages of this process are logged.
    pub fn set_log_level(&self, least: MessageLevel) {
        if let Some(set) = self.log_level.get() {
            set(least);
        }
    }

    /// Has the rooms of this process work with these settings: the server's, or a session's own.
    pub fn apply(&self, settings: &Settings) {
        self.wal.set_options(wal_options(settings));
        self.set_log_level(settings.log_min_messages);
        self.txn.locks().set_deadlock_timeout(settings.deadlock_timeout);
    }

    /// Reads the configuration again in a child. The postmaster has found it good before it passed
    /// the signal on, so an error here means that it has changed again: the next signal is near.
    pub fn reload_in_child(&self) {
        if let Err(error) = self.reload() {
            tracing::warn!("could not read the configuration again: {error}");
        }
    }

    /// The data directory, absolute.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The segment.
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    /// The process slots.
    pub fn procs(&self) -> ProcArray {
        self.procs
    }

    /// How checkpoints are asked for.
    pub fn requests(&self) -> &'static CheckpointRequests {
        self.requests
    }

    /// What checkpoints do.
    pub fn progress(&self) -> &'static CheckpointProgress {
        self.progress
    }

    /// What autovacuum's processes tell each other.
    pub fn autovacuum(&self) -> &Autovacuum {
        &self.autovacuum
    }

    /// The log.
    pub fn wal(&self) -> &Rc<Wal> {
        &self.wal
    }

    /// The buffers.
    pub fn pool(&self) -> &Rc<BufferPool> {
        &self.pool
    }

    /// The transactions.
    pub fn txn(&self) -> &Rc<Txn> {
        &self.txn
    }

    /// The tables.
    pub fn access(&self) -> &Rc<Access> {
        &self.access
    }

    /// The system tables.
    pub fn catalog(&self) -> &Rc<Catalog> {
        &self.catalog
    }

    /// Whether the postmaster is protected from being killed when memory runs out.
    pub fn is_oom_protected(&self) -> bool {
        self.is_oom_protected
    }

    /// The maxima that a standby must match.
    pub fn note_maxima(&self, control: &mut ControlFile) {
        let settings = self.settings();
        control.wal_level = u32::from(settings.wal_level == config::WalLevel::Logical);
        control.max_connections = settings.max_connections;
        control.max_locks_per_transaction = settings.max_locks_per_transaction;
    }
}

fn is_oom_protected() -> bool {
    let score = sys::fs::read_limited(Path::new("/proc/self/oom_score_adj"), 64);
    score.is_ok_and(|score| score.starts_with(b"-"))
}

fn wal_options(settings: &Settings) -> WalOptions {
    WalOptions {
        logical: settings.wal_level == config::WalLevel::Logical,
        full_page_writes: settings.full_page_writes,
        compress: settings.wal_compression != config::WalCompression::Off,
        fsync: settings.fsync,
        writer_flush_after: settings.wal_writer_flush_after,
        commit_siblings: settings.commit_siblings,
        commit_delay_us: u64::try_from(settings.commit_delay.as_micros()).unwrap_or(u64::MAX),
    }
}
