//! A server that runs under another program, which is what the test talks to.

use nix::sys::signal::Signal;

use crate::clock::wait_for;
use crate::processes;
use crate::server::{Running, STOP_LIMIT, Server};

impl Server {
    /// Whether the program that the postmaster runs under has ended by itself.
    pub fn wrapper_has_ended(&mut self) -> bool {
        let ended = |running: &mut Running| running.child.try_wait().expect("it is our child");
        self.running.as_mut().is_none_or(|running| ended(running).is_some())
    }

    /// Signals the program that the postmaster runs under, if it still runs, and waits until it has
    /// ended; the postmaster goes with it.
    ///
    /// # Errors
    /// It does not end, or not well.
    pub fn end_wrapper(&mut self, signal: Signal) -> Result<(), String> {
        let mut running = self.running.take().expect("the server runs");
        if running.child.try_wait().map_err(|e| e.to_string())?.is_none() {
            processes::signal(running.child.id() as i32, signal);
        }
        let ended = wait_for(STOP_LIMIT, || running.child.try_wait().ok().flatten());
        match ended {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("{status}\n{}", self.log.tail(30))),
            None => {
                let _ = running.child.kill();
                let _ = running.child.wait();
                Err(format!("it does not end\n{}", self.log.tail(30)))
            }
        }
    }
}
