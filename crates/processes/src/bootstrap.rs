//! Making the first contents of a data directory: the first segment of the log, the system tables,
//! and, last of all, the control file that makes it a database.
//!
//! Runs once, in a process of its own, forked by the postmaster before the first regular start. The
//! rooms work as ever, alone in shared memory. If it dies on the way there is no control file, and
//! the next start begins again (see the postmaster's `datadir`).

use catalog::{CATALOG_VERSION, FIRST_NORMAL_OID, FIRST_NORMAL_RELFILE};
use types::{Lsn, SystemId, TimelineId, Xid};
use wal::{Checkpoint, ControlFile, ServerState, WalStart, position, segments};

use crate::checkpoint;
use crate::error::Error;
use crate::server::Server;

const FIRST_TIMELINE: TimelineId = TimelineId(1);
/// Makes the contents; answers the exit code.
pub fn main(server: &Server) -> i32 {
    sys::process::set_title("mamont: bootstrap");
    match make(server) {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!("could not make the first contents: {error}");
            1
        }
    }
}

fn make(server: &Server) -> Result<(), Error> {
    let system = new_system_id()?;
    let wal = server.wal();
    segments::create_segment(wal.dir(), FIRST_TIMELINE, position::FIRST_SEGMENT)?;
    let first = position::start_lsn(position::first_usable());
    wal.start_at(WalStart {
        system,
        timeline: FIRST_TIMELINE,
        end: first,
        redo: first,
        prepared: position::FIRST_SEGMENT,
    });
    server.txn().init_shared(Xid::FIRST_NORMAL, FIRST_NORMAL_OID, FIRST_NORMAL_RELFILE);
    catalog::bootstrap::bootstrap(server.access())?;
    checkpoint::create_first(server, control_file(server, system))?;
    Ok(())
}

/// Different for every database ever made, so that no log or page of one passes for another's.
fn new_system_id() -> Result<SystemId, Error> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(SystemId(u64::from_le_bytes(bytes)))
}

fn control_file(server: &Server, system: SystemId) -> ControlFile {
    ControlFile {
        sequence: 0,
        system,
        catalog_version: CATALOG_VERSION,
        state: ServerState::ShutDown,
        wal_level: 0,
        max_connections: 0,
        max_locks_per_transaction: 0,
        checksums: server.settings().data_checksums,
        checkpoint_lsn: Lsn::INVALID,
        minimum_recovery_point: Lsn::INVALID,
        backup_start: Lsn::INVALID,
        checkpoint: Checkpoint {
            redo: Lsn::INVALID,
            timeline: FIRST_TIMELINE,
            next_xid: Xid::FIRST_NORMAL,
            oldest_running_xid: Xid::FIRST_NORMAL,
            next_oid: FIRST_NORMAL_OID,
            next_relfile: FIRST_NORMAL_RELFILE,
            time: 0,
            buffers_written: 0,
            buffers_total: 0,
        },
    }
}
