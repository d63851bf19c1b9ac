//! Signals of a server process: what each means, and how it reaches whoever sleeps.
//!
//! | signal | the handler | who acts on it |
//! |---|---|---|
//! | TERM | sets [`Pending::term`], shuts the client's socket down | the main loop: end |
//! | INT | sets [`Pending::int`] | the statement: cancel |
//! | HUP | sets [`Pending::hup`] | the main loop: read the configuration again |
//! | USR1 | sets [`Pending::usr1`] | the main loop: look at shared memory |
//! | QUIT | ends the process at once with code 2 | |
//!
//! Handlers run at any moment, in the middle of anything, so they touch only atomics and make only
//! system calls (futex wake, `shutdown`, `_exit`): nothing that locks, allocates or sets `errno`.
//!
//! No wake-up is lost between a check of a flag and the call that blocks:
//! - who sleeps on its latch is woken through the latch's word ([`set_wake_word`]): the handler
//!   sets the word before it wakes, so a sleeper that checked too early finds the word changed;
//! - who reads from its client finds the socket shut down and reads an end of file;
//! - who writes to it ([`crate::net::send_all`]) announces that first and checks afterwards;
//! - whoever polls descriptors does it with [`crate::net::wait_readable`], in which alone the
//!   signals are let in.

use std::os::fd::{BorrowedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, Ordering};

use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal};

use crate::futex;

static TERM: AtomicBool = AtomicBool::new(false);
static INT: AtomicBool = AtomicBool::new(false);
static HUP: AtomicBool = AtomicBool::new(false);
static USR1: AtomicBool = AtomicBool::new(false);
static WAKE_WORD: AtomicPtr<AtomicU32> = AtomicPtr::new(std::ptr::null_mut());
/// The client's socket, or -1.
static CLIENT: AtomicI32 = AtomicI32::new(-1);
/// Whether the process is inside [`crate::net::send_all`] on it.
static IN_SEND: AtomicBool = AtomicBool::new(false);

/// The bit of the wake word that says "set"; other bits belong to the word's owner.
pub const WAKE_BIT: u32 = 1;

/// Which signals have come and have not been dealt with.
#[derive(Clone, Copy, Debug)]
pub struct Pending;

impl Pending {
    /// The process is to end. Stays set.
    pub fn term() -> bool {
        TERM.load(Ordering::SeqCst)
    }
    /// The running statement is to be cancelled.
    pub fn int() -> bool {
        INT.load(Ordering::SeqCst)
    }
    /// The configuration is to be read again.
    pub fn hup() -> bool {
        HUP.load(Ordering::SeqCst)
    }
    /// Something in shared memory wants attention.
    pub fn usr1() -> bool {
        USR1.load(Ordering::SeqCst)
    }
    /// [`Pending::int`], and forgets it.
    pub fn take_int() -> bool {
        INT.swap(false, Ordering::SeqCst)
    }
    /// [`Pending::hup`], and forgets it.
    pub fn take_hup() -> bool {
        HUP.swap(false, Ordering::SeqCst)
    }
    /// [`Pending::usr1`], and forgets it.
    pub fn take_usr1() -> bool {
        USR1.swap(false, Ordering::SeqCst)
    }
    /// Forgets everything: for a child that was forked after a signal had come to its parent.
    pub fn clear() {
        for flag in [&TERM, &INT, &HUP, &USR1] {
            flag.store(false, Ordering::SeqCst);
        }
    }
}

/// What a signal does to this process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Handler {
    /// What the system does by default.
    Default,
    /// Nothing.
    Ignore,
    /// Sets its flag in [`Pending`] and wakes the process. TERM, INT, HUP and USR1 have one; any
    /// other signal only wakes.
    Flag,
    /// Ends the process at once with code 2.
    ExitNow,
}

/// A set of blocked signals, to be given back to [`restore`].
#[derive(Clone, Copy, Debug)]
pub struct Mask(SigSet);

impl Mask {
    /// Nothing blocked.
    pub fn empty() -> Mask {
        Mask(SigSet::empty())
    }

    pub(crate) fn set(&self) -> &SigSet {
        &self.0
    }
}

/// Blocks every signal of this thread that can be blocked; returns what was blocked before.
pub fn block_all() -> Mask {
    let mut before = SigSet::empty();
    nix::sys::signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut before))
        .expect("the arguments are valid");
    Mask(before)
}

/// Blocks exactly the signals of `mask`. Those that came meanwhile are delivered now.
pub fn restore(mask: Mask) {
    nix::sys::signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&mask.0), None)
        .expect("the arguments are valid");
}

/// Lets every signal in.
pub fn unblock_all() {
    restore(Mask::empty());
}

/// Gives every signal back to the system: for a child, before it installs handlers of its own.
/// Forgets wake word, client socket and pending flags too.
pub fn reset_all_handlers() {
    WAKE_WORD.store(std::ptr::null_mut(), Ordering::SeqCst);
    clear_client_socket();
    IN_SEND.store(false, Ordering::SeqCst);
    // SAFETY: all-zero bytes are a valid sigaction: default handler, empty mask, no flags.
    let default: libc::sigaction = unsafe { std::mem::zeroed() };
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: `default` outlives the call. KILL, STOP and the two that glibc keeps for itself
        // are refused, which is as it should be.
        unsafe { libc::sigaction(signal, &default, std::ptr::null_mut()) };
    }
    Pending::clear();
}

/// Decides what `signal` does to this process.
pub fn install(signal: Signal, handler: Handler) {
    let action = match handler {
        Handler::Default => SigHandler::SigDfl,
        Handler::Ignore => SigHandler::SigIgn,
        Handler::Flag => SigHandler::Handler(on_flag),
        Handler::ExitNow => SigHandler::Handler(on_exit_now),
    };
    // No SA_RESTART: a call that a signal interrupts comes back, so that its caller can look.
    let action = SigAction::new(action, SaFlags::empty(), SigSet::all());
    // SAFETY: both handlers are async-signal-safe, as the head of this module requires.
    unsafe { nix::sys::signal::sigaction(signal, &action) }.expect("the signal can be caught");
}

/// The handlers of a server process: the table at the head of this module; PIPE is ignored, and
/// everything else is the system's. To be called with signals blocked, then [`unblock_all`].
pub fn install_server_handlers() {
    reset_all_handlers();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1] {
        install(signal, Handler::Flag);
    }
    install(Signal::SIGQUIT, Handler::ExitNow);
    install(Signal::SIGPIPE, Handler::Ignore);
}

/// Registers the futex word (of the process's latch) that every signal sets ([`WAKE_BIT`]) and
/// wakes.
pub fn set_wake_word(word: &'static AtomicU32) {
    WAKE_WORD.store(std::ptr::from_ref(word).cast_mut(), Ordering::SeqCst);
}

/// Registers the client's socket, which TERM shuts down: for reading, and if the process is just
/// sending, for writing too.
pub fn set_client_socket(fd: RawFd) {
    CLIENT.store(fd, Ordering::SeqCst);
    if Pending::term() {
        shut_client_down();
    }
}

/// No client any more. To be called before its socket is closed.
pub fn clear_client_socket() {
    CLIENT.store(-1, Ordering::SeqCst);
}

/// The client's socket, if there is a client.
pub(crate) fn client_socket() -> Option<RawFd> {
    let fd = CLIENT.load(Ordering::SeqCst);
    (fd >= 0).then_some(fd)
}

/// Announces that the process is about to block in sending, or has done with it.
pub(crate) fn set_in_send(sending: bool) {
    IN_SEND.store(sending, Ordering::SeqCst);
}

extern "C" fn on_flag(signal: libc::c_int) {
    match signal {
        libc::SIGTERM => {
            TERM.store(true, Ordering::SeqCst);
            shut_client_down();
        }
        libc::SIGINT => INT.store(true, Ordering::SeqCst),
        libc::SIGHUP => HUP.store(true, Ordering::SeqCst),
        libc::SIGUSR1 => USR1.store(true, Ordering::SeqCst),
        _ => {}
    }
    let word = WAKE_WORD.load(Ordering::SeqCst);
    // SAFETY: null, or a `&'static AtomicU32` that `set_wake_word` put there.
    if let Some(word) = unsafe { word.as_ref() } {
        word.fetch_or(WAKE_BIT, Ordering::SeqCst);
        // rustix makes the system call itself and does not touch errno.
        futex::wake_all(word);
    }
}

extern "C" fn on_exit_now(_: libc::c_int) {
    crate::process::exit_now(2);
}

fn shut_client_down() {
    let Some(fd) = client_socket() else { return };
    let sending = IN_SEND.load(Ordering::SeqCst);
    let how = if sending { rustix::net::Shutdown::Both } else { rustix::net::Shutdown::Read };
    // SAFETY: the owner of the descriptor deregisters it before closing it.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    // A client that has gone already needs no more; there is nobody to tell anyway.
    rustix::net::shutdown(fd, how).unwrap_or(());
}

#[cfg(test)]
mod tests;
