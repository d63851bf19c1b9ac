//! Startup: brings the database to a state in which sessions can begin, then exits.
//!
//! 1. The log is replayed from the last checkpoint (`recovery`).
//! 2. A checkpoint, so that the next recovery need not do that again. After a clean shutdown there
//!    is nothing to write, and it only says in the control file that the server runs.
//! 3. Relation files that no table owns are removed: their creators did not commit, or the removal
//!    was interrupted. Not before the checkpoint: until then, the next redo could miss them.
//!    First a look at the system tables: a page of them that is lost would make the files of its
//!    tables look like nobody's. Temporary files of processes that died go, too.
//!
//! | signal | what it means here |
//! |---|---|
//! | QUIT | end at once; the next startup begins again |
//! | TERM, INT, HUP | nothing; the postmaster sends QUIT to interrupt it |
//!
//! It may die at any point: the next one begins again. If it exits with an error, the database
//! cannot be started, and the postmaster ends with it.

use std::time::{Duration, Instant};

use buffer::{BufferPool, PageAccess};
use catalog::system::{PG_ATTRIBUTE, PG_CLASS, PG_NAMESPACE, PG_TYPE};
use recovery::{Recovered, Recovery};
use types::{BufferTag, Diagnostic, Fork, Lsn};

use crate::checkpoint::{self, Hurry};
use crate::error::Error;
use crate::kept_statistics;
use crate::requests::Flags;
use crate::server::Server;

/// How often the log tells how far redo is.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Recovers; answers the exit code.
pub fn main(server: &Server) -> i32 {
    match start(server) {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!("could not start the database: {error}");
            if let Some(hint) = error.hint() {
                tracing::error!("hint: {hint}");
            }
            1
        }
    }
}

fn start(server: &Server) -> Result<(), Error> {
    let recovered = recover(server)?;
    if recovered.was_crash {
        sys::process::set_title("mamont: startup writing a checkpoint");
        checkpoint_after(server)?;
    } else {
        checkpoint::skip_after_clean_shutdown(server, recovered.end)?;
    }
    kept_statistics::take_back(server, !recovered.was_crash);
    sys::process::set_title("mamont: startup removing orphaned files");
    if let Err(error) = access::temp::remove_leftovers(server.pool()) {
        tracing::warn!("could not remove temporary files of the server before: {error}");
    }
    remove_orphans(server, &recovered)
}

fn checkpoint_after(server: &Server) -> Result<(), Error> {
    let made = checkpoint::create(server, Flags::END_OF_RECOVERY, 0, &mut Hurry)?;
    if let Some(outcome) = made {
        tracing::info!(
            "checkpoint at the end of recovery: wrote {} buffers in {:.3} s",
            outcome.written,
            outcome.total.as_secs_f64()
        );
    }
    Ok(())
}

fn recover(server: &Server) -> Result<Recovered, Error> {
    let context = Recovery {
        data_dir: server.data_dir(),
        wal: server.wal(),
        pool: server.pool(),
        txn: server.txn(),
    };
    let begun = Instant::now();
    let mut reported = begun;
    let recovered = recovery::run(&context, &mut |lsn: Lsn| {
        sys::process::set_title(&format!("mamont: startup recovering {lsn}"));
        if reported.elapsed() >= REPORT_EVERY {
            reported = Instant::now();
            tracing::info!("redo in progress at {lsn}, {:.0} s", begun.elapsed().as_secs_f64());
        }
    })?;
    Ok(recovered)
}

fn remove_orphans(server: &Server, recovered: &Recovered) -> Result<(), Error> {
    let mut owned = server.catalog().all_relfiles()?;
    if let Some(tag) = zero_page(server.pool())? {
        // Perhaps the server died when it had made the page and not used it yet; perhaps the page
        // is lost. Only what the log has told of since the last checkpoint is surely nobody's.
        tracing::warn!("{tag} is all zeros: files of tables made before the last checkpoint stay");
        let files = server.pool().files().list()?;
        owned.extend(files.iter().map(|id| id.rel).filter(|rel| *rel < recovered.next_relfile));
    }
    access::storage::remove_orphans(server.pool(), &owned)?;
    Ok(())
}

/// A page of zeros in `pg_class`. One at the start of a system table that is never empty is an
/// error.
fn zero_page(pool: &BufferPool) -> Result<Option<BufferTag>, Error> {
    let never_empty = [&PG_NAMESPACE, &PG_TYPE, &PG_CLASS, &PG_ATTRIBUTE];
    for first in never_empty.map(|table| BufferTag::main(table.relfile, 0)) {
        if pool.read(first)?.shared().is_new() {
            return Err(buffer::Error::ZeroPage(first).into());
        }
    }
    for block in 1..pool.nblocks(PG_CLASS.relfile, Fork::Main)? {
        let tag = BufferTag::main(PG_CLASS.relfile, block);
        if pool.read(tag)?.shared().is_new() {
            return Ok(Some(tag));
        }
    }
    Ok(None)
}
