//! The total order of LWLocks.

use crate::WaitEvent;

macro_rules! ranks {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $event:ident, many: $many:literal;)*) => {
        /// The place of a lock in the total order: a process takes locks in rising rank only. The
        /// numbers leave room for more. `docs/locking.md` tells what each guards.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum Rank {
            $($(#[$doc])* $variant = $number,)*
        }

        impl Rank {
            /// Every rank, lowest first.
            pub const ALL: &'static [Rank] = &[$(Rank::$variant,)*];

            /// What a process that waits for such a lock waits for.
            pub fn wait_event(self) -> WaitEvent {
                match self {
                    $(Rank::$variant => WaitEvent::$event,)*
                }
            }

            /// Whether a process may hold several of this rank; in which order, is the caller's
            /// rule.
            pub fn allows_many(self) -> bool {
                match self {
                    $(Rank::$variant => $many,)*
                }
            }

            /// The rank of that number.
            pub fn from_number(number: u8) -> Option<Rank> {
                match number {
                    $($number => Some(Rank::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

ranks! {
    /// The making of pages for the status of transactions to come.
    StatusExtend = 5, LwXidGen, many: false;
    /// The extension of one relation.
    RelationExtend = 10, LwRelationExtend, many: false;
    /// The content of a buffer. Several: in the order that their room states (the block number).
    BufferContent = 20, LwBufferContent, many: true;
    /// The search for a deadlock.
    Deadlock = 25, LwLockManager, many: false;
    /// A partition of the lock table. Several: in the order of their number.
    LockPartition = 30, LwLockManager, many: true;
    /// The handing out of transaction ids.
    XidGen = 40, LwXidGen, many: false;
    /// A partition of the table from tags to buffers. Several: in the order of their number.
    BufferMapping = 50, LwBufferMapping, many: true;
    /// The making and recycling of log segments.
    WalSegments = 60, LwWalSegments, many: false;
    /// The writing of the log.
    WalWrite = 70, LwWalWrite, many: false;
    /// The queue of fsync requests.
    FsyncQueue = 80, LwFsyncQueue, many: false;
    /// The process array.
    ProcArray = 90, LwProcArray, many: false;
    /// What is taken last and guards little.
    Misc = 100, LwMisc, many: false;
}
