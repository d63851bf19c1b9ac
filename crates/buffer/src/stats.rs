//! Counters of the pool, since the server started.

use shmem::Counter;
use zerocopy::FromZeros;

/// What the pool counts, for `pg_stat_bgwriter`, `pg_stat_checkpointer` and `EXPLAIN`.
#[derive(FromZeros)]
#[repr(C, align(128))]
pub struct BufferStats {
    /// Pages found in the pool.
    pub hits: Counter,
    /// Pages that had to be brought in.
    pub reads: Counter,
    /// Buffers given a new page.
    pub allocated: Counter,
    /// Written by the checkpointer.
    pub buffers_checkpoint: Counter,
    /// Written by the bgwriter.
    pub buffers_clean: Counter,
    /// Written by a backend that needed the buffer: the undesirable case.
    pub buffers_backend: Counter,
    /// How often such a backend had to flush the log first.
    pub backend_wal_waits: Counter,
    /// How often a writer had to sync a file itself because the queue was full.
    pub buffers_backend_fsync: Counter,
    /// Rounds of the bgwriter that ended at `bgwriter_lru_maxpages`.
    pub maxwritten_clean: Counter,
    /// Pages whose checksum was wrong.
    pub checksum_failures: Counter,
    /// Files synced by checkpoints.
    pub files_synced: Counter,
}
