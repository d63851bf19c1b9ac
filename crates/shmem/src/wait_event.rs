//! What a process waits for, under PostgreSQL's names.

macro_rules! wait_events {
    ($($(#[$doc:meta])* $variant:ident = $class:literal, $name:literal;)*) => {
        /// What a process waits for just now.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u32)]
        pub enum WaitEvent {
            /// Nothing: it runs.
            None,
            $($(#[$doc])* $variant,)*
        }

        impl WaitEvent {
            /// Every event, in the order of its number.
            pub const ALL: &'static [WaitEvent] = &[WaitEvent::None, $(WaitEvent::$variant,)*];

            /// The class, `pg_stat_activity.wait_event_type`; empty for `None`.
            pub fn type_name(self) -> &'static str {
                match self {
                    WaitEvent::None => "",
                    $(WaitEvent::$variant => $class,)*
                }
            }

            /// The name, `pg_stat_activity.wait_event`; empty for `None`.
            pub fn name(self) -> &'static str {
                match self {
                    WaitEvent::None => "",
                    $(WaitEvent::$variant => $name,)*
                }
            }
        }
    };
}

wait_events! {
    /// The main loop of the archiver.
    ArchiverMain = "Activity", "ArchiverMain";
    /// The main loop of the autovacuum launcher.
    AutovacuumMain = "Activity", "AutoVacuumMain";
    /// The main loop of the background writer.
    BgwriterMain = "Activity", "BgWriterMain";
    /// The main loop of the checkpointer.
    CheckpointerMain = "Activity", "CheckpointerMain";
    /// The main loop of the startup process.
    StartupMain = "Activity", "RecoveryWalStream";
    /// The main loop of the walwriter.
    WalwriterMain = "Activity", "WalWriterMain";
    /// A line from the client.
    ClientRead = "Client", "ClientRead";
    /// The client taking its replies.
    ClientWrite = "Client", "ClientWrite";
    /// A read of a relation file.
    DataFileRead = "IO", "DataFileRead";
    /// A write of a relation file.
    DataFileWrite = "IO", "DataFileWrite";
    /// The extension of a relation file.
    DataFileExtend = "IO", "DataFileExtend";
    /// A sync of a relation file.
    DataFileSync = "IO", "DataFileSync";
    /// A write of the control file.
    ControlFileWrite = "IO", "ControlFileWrite";
    /// A read of the log.
    WalRead = "IO", "WALRead";
    /// A write of the log.
    WalWrite = "IO", "WALWrite";
    /// A sync of the log.
    WalSync = "IO", "WALSync";
    /// A new segment of the log being filled with zeros.
    WalInitWrite = "IO", "WALInitWrite";
    /// Another session to end.
    BackendTermination = "IPC", "BackendTermination";
    /// Another process's read or write of a buffer.
    BufferIo = "IPC", "BufferIO";
    /// A checkpoint that was asked for to be done.
    CheckpointDone = "IPC", "CheckpointDone";
    /// A checkpoint that was asked for to begin.
    CheckpointStart = "IPC", "CheckpointStart";
    /// Room in the ring of the log.
    WalInsertRoom = "IPC", "WALInsertRoom";
    /// The log flushed up to a position, by another process.
    WalFlush = "IPC", "WALFlush";
    /// Another process to copy in what it has reserved in the log.
    WalInsertFinish = "IPC", "WALInsertFinish";
    /// Another process to finish with a buffer, so that it can be evicted.
    BufferPin = "BufferPin", "BufferPin";
    /// A heavyweight lock on a relation.
    LockRelation = "Lock", "relation";
    /// A place in the line for a row.
    LockTuple = "Lock", "tuple";
    /// An advisory lock.
    LockAdvisory = "Lock", "advisory";
    /// A heavyweight lock on something else.
    Lock = "Lock", "object";
    /// The end of another transaction.
    TransactionEnd = "Lock", "transactionid";
    /// The extension lock of a relation.
    LwRelationExtend = "LWLock", "RelationExtend";
    /// The content lock of a buffer.
    LwBufferContent = "LWLock", "BufferContent";
    /// A partition of the lock table.
    LwLockManager = "LWLock", "LockManager";
    /// The generation of transaction ids.
    LwXidGen = "LWLock", "XidGen";
    /// A partition of the buffer table.
    LwBufferMapping = "LWLock", "BufferMapping";
    /// The making and recycling of log segments.
    LwWalSegments = "LWLock", "WALSegments";
    /// The writing of the log.
    LwWalWrite = "LWLock", "WALWrite";
    /// The queue of fsync requests.
    LwFsyncQueue = "LWLock", "CheckpointerComm";
    /// The process array.
    LwProcArray = "LWLock", "ProcArray";
    /// Another lock.
    LwMisc = "LWLock", "Misc";
    /// A pause inside a spread checkpoint.
    CheckpointWriteDelay = "Timeout", "CheckpointWriteDelay";
    /// The delay before a group commit (`commit_delay`).
    CommitDelay = "Timeout", "CommitDelay";
    /// A vacuum asks for the lock that it needs to give empty pages back.
    VacuumTruncate = "Timeout", "VacuumTruncate";
    /// A pause of a VACUUM or ANALYZE (`vacuum_cost_delay`).
    VacuumDelay = "Timeout", "VacuumDelay";
    /// `pg_sleep`.
    PgSleep = "Timeout", "PgSleep";
}

impl WaitEvent {
    /// The event of that number; an unknown one is `None`.
    pub fn from_number(number: u32) -> WaitEvent {
        WaitEvent::ALL.get(number as usize).copied().unwrap_or(WaitEvent::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_back_to_their_events() {
        for &event in WaitEvent::ALL {
            assert_eq!(WaitEvent::from_number(event as u32), event);
        }
        assert_eq!(WaitEvent::from_number(u32::MAX), WaitEvent::None);
        assert_eq!(WaitEvent::ClientRead.type_name(), "Client");
        assert_eq!(WaitEvent::TransactionEnd.name(), "transactionid");
    }
}
