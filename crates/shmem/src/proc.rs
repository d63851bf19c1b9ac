//! The slot of the current process.
//!
//! A server process attaches to the slot that the postmaster claimed for it. The postmaster
//! itself, the command-line tools and unit tests have none: for them [`me`] is a private slot of
//! the thread, so that everything above works the same in one process alone.

use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use zerocopy::FromZeros;

use crate::ProcSlot;

static MY_SLOT: AtomicPtr<ProcSlot> = AtomicPtr::new(std::ptr::null_mut());
static MY_INDEX: AtomicUsize = AtomicUsize::new(usize::MAX);

thread_local! {
    /// Never freed: references to it are `'static`, as those to real slots are.
    static PRIVATE: &'static ProcSlot =
        Box::leak(Box::new(ProcSlot::new_zeroed()));
}

/// Makes `slots[index]` the slot of this process: notes the pid and the time in it, and has its
/// latch woken by signals.
pub fn attach(slots: &'static [ProcSlot], index: usize) {
    let slot = &slots[index];
    slot.pid.store(sys::process::pid(), Ordering::Relaxed);
    slot.backend_start.store(sys::clock::wall_micros_since_2000(), Ordering::Relaxed);
    sys::signal::set_wake_word(slot.latch.word());
    crate::critical::abort_on_panic();
    MY_INDEX.store(index, Ordering::Relaxed);
    MY_SLOT.store(std::ptr::from_ref(slot).cast_mut(), Ordering::Release);
}

/// The slot of this process.
#[inline]
pub fn me() -> &'static ProcSlot {
    // SAFETY: null, or a `&'static ProcSlot` that `attach` put there.
    match unsafe { MY_SLOT.load(Ordering::Acquire).as_ref() } {
        Some(slot) => slot,
        None => PRIVATE.with(|slot| *slot),
    }
}

/// The number of this process's slot; `usize::MAX` when it has none.
pub fn my_index() -> usize {
    MY_INDEX.load(Ordering::Relaxed)
}

/// Gives the slot up (without clearing it: that is for the postmaster, who claimed it).
pub fn detach() {
    MY_SLOT.store(std::ptr::null_mut(), Ordering::Release);
    MY_INDEX.store(usize::MAX, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_without_a_slot_has_a_private_one_per_thread() {
        let here = me();
        assert!(std::ptr::eq(here, me()));
        assert_eq!(my_index(), usize::MAX);
        let there = std::thread::spawn(|| std::ptr::from_ref(me()).addr()).join();
        assert_ne!(there.expect("no panic"), std::ptr::from_ref(here).addr());
    }
}
