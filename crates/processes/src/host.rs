//! The server as a session asks for it: what `sql` cannot do or know by itself.

use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;

use sql::{Checkpoints, Rooms, RunningCheckpoint};
use types::Diagnostic;

use crate::checkpointer;
use crate::progress::Phase;
use crate::server::Server;

/// The server around one session.
struct Host(Rc<Server>);

/// The rooms of the server, for a session of this process.
pub fn rooms(server: &Rc<Server>) -> Rooms {
    Rooms {
        wal: Rc::clone(server.wal()),
        pool: Rc::clone(server.pool()),
        txn: Rc::clone(server.txn()),
        access: Rc::clone(server.access()),
        catalog: Rc::clone(server.catalog()),
        procs: server.procs().slots(),
        regions: server.segment().regions().collect(),
        host: Rc::new(Host(Rc::clone(server))),
    }
}

impl sql::Host for Host {
    fn checkpoint(&self) -> Result<(), Box<dyn Diagnostic>> {
        checkpointer::request_and_wait(&self.0).map_err(|error| Box::new(error) as _)
    }

    fn set_log_level(&self, least: config::MessageLevel) {
        self.0.set_log_level(least);
    }

    fn checkpoints(&self) -> Checkpoints {
        let progress = self.0.progress();
        Checkpoints {
            timed: progress.timed.get(),
            requested: progress.requested.get(),
            done: progress.done.get(),
            failed: progress.failed.get(),
            write_us: progress.write_us.get(),
            sync_us: progress.sync_us.get(),
            buffers_written: progress.buffers_written.get(),
            running: self.running_checkpoint(),
        }
    }
}

impl Host {
    fn running_checkpoint(&self) -> Option<RunningCheckpoint> {
        let progress = self.0.progress();
        let phase = progress.phase();
        let slot = self.0.requests().server()?;
        (phase != Phase::Idle).then(|| RunningCheckpoint {
            pid: self.0.procs().slot(slot).pid.load(Relaxed),
            phase: phase.name(),
            buffers_done: progress.buffers_done.load(Relaxed),
            buffers_total: progress.buffers_total.load(Relaxed),
            started: progress.started.load(Relaxed),
        })
    }
}
