//! The process slots: who claims one, who gives it back.
//!
//! Only the postmaster claims and releases, with plain atomic stores and no lock: a dead child can
//! therefore never block it. `kind` is stored last, both when a slot is claimed and when it is given
//! back: a reader who skips the slots without a kind never sees what an earlier owner left.

use std::sync::atomic::Ordering;

use crate::{Layout, ProcKind, ProcSlot, RegionId, Segment};

/// All slots.
#[derive(Clone, Copy, Debug)]
pub struct ProcArray {
    slots: &'static [ProcSlot],
}

impl ProcArray {
    /// Asks for `count` slots.
    pub fn reserve(layout: &mut Layout, count: usize) -> RegionId<ProcSlot> {
        layout.region("process slots", count)
    }

    /// The slots of the segment.
    pub fn new(segment: &Segment, region: RegionId<ProcSlot>) -> ProcArray {
        ProcArray { slots: segment.slice(region) }
    }

    /// Every slot, taken or free.
    pub fn slots(&self) -> &'static [ProcSlot] {
        self.slots
    }

    /// The slot of that number.
    pub fn slot(&self, index: usize) -> &'static ProcSlot {
        &self.slots[index]
    }

    /// The slots in use, with their numbers.
    pub fn used(&self) -> impl Iterator<Item = (usize, &'static ProcSlot)> + use<> {
        self.slots.iter().enumerate().filter(|(_, slot)| slot.kind() != ProcKind::None)
    }

    /// Takes a free slot, which is clean. For the postmaster alone, who passes pid 0 when it has not
    /// forked yet and stores the pid afterwards.
    pub fn claim(&self, kind: ProcKind, pid: i32) -> Option<usize> {
        let index = self.slots.iter().position(|slot| slot.kind() == ProcKind::None)?;
        let slot = &self.slots[index];
        slot.pid.store(pid, Ordering::Relaxed);
        slot.set_kind(kind);
        Some(index)
    }

    /// Gives back the slot of a process that has ended, and clears it. For the postmaster alone.
    pub fn release(&self, index: usize) {
        let slot = &self.slots[index];
        slot.clear();
        slot.set_kind(ProcKind::None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Shared, end_well, eventually};
    use crate::{LWLOCK_SLOTS, SessionState, WaitEvent, Woken, proc};

    #[test]
    fn slots_are_claimed_until_there_are_none_and_come_back_clean() {
        let procs = Shared::new(Layout::new()).procs;
        let indexes: Vec<usize> =
            std::iter::from_fn(|| procs.claim(ProcKind::Backend, 77)).collect();
        assert_eq!(indexes, (0..16).collect::<Vec<_>>());
        assert_eq!(procs.claim(ProcKind::Walwriter, 1), None);
        let slot = procs.slot(5);
        slot.set_query("SELECT 1");
        slot.set_state(SessionState::Active);
        slot.latch.set();
        slot.xid.store(9, Ordering::Relaxed);
        slot.pins[31].store(1, Ordering::Relaxed);
        slot.lwlocks[LWLOCK_SLOTS - 1].store(1, Ordering::Relaxed);
        slot.heavy_locks[63].modes.store(1, Ordering::Relaxed);
        slot.created_files[63].store(1, Ordering::Relaxed);
        procs.release(5);
        assert_eq!(procs.used().count(), 15);
        assert_eq!(procs.claim(ProcKind::Walwriter, 78), Some(5));
        assert_eq!((slot.kind(), slot.pid.load(Ordering::Relaxed)), (ProcKind::Walwriter, 78));
        assert!(slot.holds_nothing() && !slot.latch.is_set() && slot.query().is_empty());
        assert_eq!(slot.state(), SessionState::Starting);
        assert_eq!(slot.lwlocks[LWLOCK_SLOTS - 1].load(Ordering::Relaxed), 0);
        assert_eq!(slot.heavy_locks[63].modes.load(Ordering::Relaxed), 0);
        assert_eq!(slot.created_files[63].load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_process_shows_itself_in_its_slot_and_is_woken_through_it() {
        let shared = Shared::new(Layout::new());
        let child = shared.spawn(|| {
            let me = proc::me();
            me.set_user("ann");
            me.set_client("127.0.0.1(51422)");
            me.set_application("nc");
            let outer = me.waiting(WaitEvent::ClientRead);
            {
                let _inner = me.waiting(WaitEvent::LwMisc);
                assert_eq!(me.latch.wait(None), Woken::Woken);
            }
            let back = me.wait_event();
            drop(outer);
            i32::from(back != WaitEvent::ClientRead || me.wait_event() != WaitEvent::None)
        });
        let (index, slot) = shared.procs.used().next().expect("the child's");
        assert!(eventually(|| slot.wait_event() == WaitEvent::LwMisc));
        assert_eq!((index, slot.pid.load(Ordering::Relaxed)), (0, child));
        assert!(slot.backend_start.load(Ordering::Relaxed) > 0);
        assert!(slot.wait_since.load(Ordering::Relaxed) <= sys::clock::monotonic_ns());
        assert_eq!((slot.user(), slot.client()), ("ann".into(), "127.0.0.1(51422)".into()));
        assert_eq!(slot.application(), "nc");
        slot.latch.set();
        end_well(&[child]);
    }

    #[test]
    fn a_signal_wakes_the_owner_of_a_latch() {
        let shared = Shared::new(Layout::new());
        let child = shared.spawn(|| {
            sys::signal::install(sys::process::Signal::SIGUSR1, sys::signal::Handler::Flag);
            let me = proc::me();
            me.set_state(SessionState::Idle);
            while !sys::signal::Pending::usr1() {
                me.latch.wait(None);
                me.latch.reset();
            }
            0
        });
        let (_, slot) = shared.procs.used().next().expect("the child's");
        assert!(eventually(|| slot.state() == SessionState::Idle));
        sys::process::kill(child, sys::process::Signal::SIGUSR1).expect("it lives");
        end_well(&[child]);
    }
}
