//! Critical sections: between the first change to a shared page and the end of its log record.
//!
//! A process that fails in there has left shared memory in a state that only recovery can put
//! right. So a panic inside one aborts the process, before any destructor could release a lock;
//! the postmaster sees the abnormal death and starts over.

use std::sync::Once;
use std::sync::atomic::Ordering;

use crate::proc;

/// Ends the critical section when dropped.
#[derive(Debug)]
#[must_use = "the section ends when this is dropped"]
pub struct CriticalSection(());

/// Begins a critical section. They nest.
pub fn enter_critical() -> CriticalSection {
    abort_on_panic();
    let depth = &proc::me().critical;
    // Only the process itself writes its depth.
    depth.store(depth.load(Ordering::Relaxed) + 1, Ordering::Release);
    CriticalSection(())
}

/// Ends a critical section; the same as dropping it.
pub fn leave_critical(section: CriticalSection) {
    drop(section);
}

impl Drop for CriticalSection {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
        let depth = &proc::me().critical;
        depth.store(depth.load(Ordering::Relaxed) - 1, Ordering::Release);
    }
}

/// Sees to it that a panic inside a critical section aborts after its message has been printed.
pub(crate) fn abort_on_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            print(info);
            if proc::me().critical.load(Ordering::Relaxed) > 0 {
                std::process::abort();
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use sys::process::{Ended, wait_for};

    use super::*;
    use crate::testing::Shared;
    use crate::{Layout, LwLock, Rank};

    #[test]
    fn sections_nest() {
        let depth = || proc::me().critical.load(Ordering::Relaxed);
        let outer = enter_critical();
        let inner = enter_critical();
        assert_eq!(depth(), 2);
        drop(inner);
        assert_eq!(depth(), 1);
        leave_critical(outer);
        assert_eq!(depth(), 0);
    }

    #[test]
    fn a_panic_inside_aborts_before_a_lock_is_let_go() {
        let mut layout = Layout::new();
        let (lock, reached) =
            (layout.region::<LwLock>("lock", 1), layout.region::<AtomicU64>("n", 1));
        let shared = Shared::new(layout);
        let (lock, reached) = (shared.segment.one(lock), shared.segment.one(reached));
        let child = shared.spawn(|| {
            let _section = enter_critical();
            let _guard = lock.exclusive(Rank::Misc);
            reached.store(1, Ordering::Relaxed);
            panic!("this is meant to be seen on stderr");
        });
        assert_eq!(wait_for(child), Some(Ended::Signaled(nix::libc::SIGABRT)));
        assert_eq!(reached.load(Ordering::Relaxed), 1);
        assert!(lock.is_held_exclusively(), "no destructor ran");
        let (_, slot) = shared.procs.used().next().expect("the child's");
        assert_eq!(slot.critical.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_panic_outside_only_unwinds() {
        let mut layout = Layout::new();
        let lock = layout.region::<LwLock>("lock", 1);
        let shared = Shared::new(layout);
        let lock = shared.segment.one(lock);
        let child = shared.spawn(|| {
            leave_critical(enter_critical());
            let _guard = lock.exclusive(Rank::Misc);
            panic!("this is meant to be seen on stderr");
        });
        assert_eq!(wait_for(child), Some(Ended::Exited(101)));
        assert!(!lock.is_held());
    }
}
