//! The kinds of processes, and the states of a session.

/// The kinds of processes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum ProcKind {
    /// The slot is free.
    None = 0,
    /// Recovers at start, then exits.
    Startup,
    /// Makes checkpoints.
    Checkpointer,
    /// Writes dirty buffers ahead of need.
    Bgwriter,
    /// Writes the log ahead of need.
    Walwriter,
    /// Serves one connection.
    Backend,
    /// Keeps segments of the log.
    Archiver,
    /// Has autovacuum workers started.
    AutovacuumLauncher,
    /// Streams the log to a standby.
    Walsender,
    /// Receives the log from a primary.
    Walreceiver,
    /// Ends what a dead process left behind.
    Reaper,
    /// Vacuums and analyzes the tables that need it.
    AutovacuumWorker,
}

impl ProcKind {
    /// Every kind, in the order of its number.
    pub const ALL: [ProcKind; 12] = [
        ProcKind::None,
        ProcKind::Startup,
        ProcKind::Checkpointer,
        ProcKind::Bgwriter,
        ProcKind::Walwriter,
        ProcKind::Backend,
        ProcKind::Archiver,
        ProcKind::AutovacuumLauncher,
        ProcKind::Walsender,
        ProcKind::Walreceiver,
        ProcKind::Reaper,
        ProcKind::AutovacuumWorker,
    ];

    /// As it stands in the title of the process.
    pub fn name(self) -> &'static str {
        match self {
            ProcKind::None => "",
            ProcKind::Startup => "startup",
            ProcKind::Checkpointer => "checkpointer",
            ProcKind::Bgwriter => "bgwriter",
            ProcKind::Walwriter => "walwriter",
            ProcKind::Backend => "backend",
            ProcKind::Archiver => "archiver",
            ProcKind::AutovacuumLauncher => "autovacuum launcher",
            ProcKind::Walsender => "walsender",
            ProcKind::Walreceiver => "walreceiver",
            ProcKind::Reaper => "reaper",
            ProcKind::AutovacuumWorker => "autovacuum worker",
        }
    }

    /// The kind of that number; an unknown one is `None`.
    pub fn from_number(number: u8) -> ProcKind {
        ProcKind::ALL.get(usize::from(number)).copied().unwrap_or(ProcKind::None)
    }
}

/// What a session is doing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum SessionState {
    /// Not yet a session, or none (background processes).
    Starting = 0,
    /// Waits for a line, outside a transaction.
    Idle,
    /// Executes a line.
    Active,
    /// Waits for a line, inside a transaction.
    IdleInTransaction,
    /// The same, after an error: only the end of the transaction is accepted.
    IdleInTransactionAborted,
}

impl SessionState {
    /// Every state, in the order of its number.
    pub const ALL: [SessionState; 5] = [
        SessionState::Starting,
        SessionState::Idle,
        SessionState::Active,
        SessionState::IdleInTransaction,
        SessionState::IdleInTransactionAborted,
    ];

    /// As it stands in `pg_stat_activity.state`.
    pub fn name(self) -> &'static str {
        match self {
            SessionState::Starting => "starting",
            SessionState::Idle => "idle",
            SessionState::Active => "active",
            SessionState::IdleInTransaction => "idle in transaction",
            SessionState::IdleInTransactionAborted => "idle in transaction (aborted)",
        }
    }

    /// The state of that number; an unknown one is `Starting`.
    pub fn from_number(number: u8) -> SessionState {
        SessionState::ALL.get(usize::from(number)).copied().unwrap_or(SessionState::Starting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_back_to_kinds_and_states() {
        for kind in ProcKind::ALL {
            assert_eq!(ProcKind::from_number(kind as u8), kind);
        }
        for state in SessionState::ALL {
            assert_eq!(SessionState::from_number(state as u8), state);
        }
        assert_eq!(ProcKind::from_number(200), ProcKind::None);
    }
}
