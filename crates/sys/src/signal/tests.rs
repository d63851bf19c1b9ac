//! What each signal does to a real child.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::*;
use crate::net::{self, Ready};
use crate::process::{Ended, kill, wait_for};
use crate::testing::{hear, pair, spawn, tell};

/// Runs `work` in a child that has the handlers of a server process, sends it `signals` once it
/// has told that it is ready, and says how it ends.
fn signalled(signals: &[Signal], work: impl FnOnce(&UnixStream) -> i32) -> Ended {
    let (here, there) = pair();
    let child = spawn(|| {
        block_all();
        install_server_handlers();
        unblock_all();
        work(&there)
    });
    assert!(hear(&here));
    for &signal in signals {
        // A moment, so that the child is really inside of the call that it blocks in.
        std::thread::sleep(Duration::from_millis(20));
        kill(child, signal).expect("it lives");
    }
    wait_for(child).expect("a child")
}

static WORD: AtomicU32 = AtomicU32::new(0);

fn sleep_until(flag: fn() -> bool) {
    while !flag() {
        futex::wait(&WORD, 0, None);
        WORD.store(0, Ordering::SeqCst);
    }
}

#[test]
fn each_signal_sets_its_flag_and_wakes_the_sleeper() {
    use Signal::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
    let ended = signalled(&[SIGHUP, SIGUSR1, SIGINT, SIGTERM], |ready| {
        set_wake_word(&WORD);
        tell(ready);
        sleep_until(Pending::hup);
        assert!(Pending::take_hup() && !Pending::hup() && !Pending::usr1());
        sleep_until(Pending::usr1);
        assert!(Pending::take_usr1() && !Pending::usr1() && !Pending::int());
        sleep_until(Pending::int);
        assert!(Pending::take_int() && !Pending::int() && !Pending::term());
        sleep_until(Pending::term);
        assert!(Pending::term());
        Pending::clear();
        i32::from(Pending::term())
    });
    assert_eq!(ended, Ended::Exited(0));
}

#[test]
fn the_handler_sets_the_word_even_when_nobody_sleeps() {
    let ended = signalled(&[], |ready| {
        set_wake_word(&WORD);
        WORD.store(2, Ordering::SeqCst);
        kill(crate::process::pid(), Signal::SIGUSR1).expect("myself");
        tell(ready);
        i32::from(WORD.load(Ordering::SeqCst) != 2 | WAKE_BIT)
    });
    assert_eq!(ended, Ended::Exited(0));
}

#[test]
fn quit_ends_the_process_at_once() {
    let ended = signalled(&[Signal::SIGQUIT], |ready| {
        tell(ready);
        std::thread::park();
        0
    });
    assert_eq!(ended, Ended::Exited(2));
}

#[test]
fn the_handler_leaves_errno_alone() {
    let ended = signalled(&[], |ready| {
        set_wake_word(&WORD);
        set_client_socket(999);
        nix::errno::Errno::EXDEV.set();
        kill(crate::process::pid(), Signal::SIGTERM).expect("myself");
        let errno = nix::errno::Errno::last();
        tell(ready);
        i32::from(errno != nix::errno::Errno::EXDEV)
    });
    assert_eq!(ended, Ended::Exited(0));
}

#[test]
fn term_ends_a_read_from_the_client() {
    let (client, server) = pair();
    let ended = signalled(&[Signal::SIGTERM], |ready| {
        set_client_socket(server.as_raw_fd());
        tell(ready);
        let mut byte = [0];
        while !Pending::term() {
            let read = net::recv(server.as_raw_fd(), &mut byte);
            assert!(!matches!(read, Ok(1)), "the client says nothing");
        }
        // Last words still reach the client.
        net::send_all(server.as_raw_fd(), b"!").expect("there is room");
        i32::from(net::recv(server.as_raw_fd(), &mut byte).ok() != Some(0))
    });
    assert_eq!(ended, Ended::Exited(0));
    assert!(hear(&client));
}

#[test]
fn term_before_the_socket_is_known_ends_the_read_too() {
    let (_client, server) = pair();
    let ended = signalled(&[], |ready| {
        kill(crate::process::pid(), Signal::SIGTERM).expect("myself");
        set_client_socket(server.as_raw_fd());
        tell(ready);
        i32::from(net::recv(server.as_raw_fd(), &mut [0]).ok() != Some(0))
    });
    assert_eq!(ended, Ended::Exited(0));
}

#[test]
fn term_ends_a_write_to_a_client_that_never_reads() {
    let (_client, server) = pair();
    let ended = signalled(&[Signal::SIGTERM], |ready| {
        set_client_socket(server.as_raw_fd());
        tell(ready);
        let sent = net::send_all(server.as_raw_fd(), &vec![0; 64 << 20]);
        i32::from(sent.is_ok() || !Pending::term())
    });
    assert_eq!(ended, Ended::Exited(0));
}

#[test]
fn after_term_nothing_is_waited_for() {
    let (_client, server) = pair();
    let ended = signalled(&[], |ready| {
        kill(crate::process::pid(), Signal::SIGTERM).expect("myself");
        tell(ready);
        let sent = net::send_all(server.as_raw_fd(), &vec![0; 64 << 20]);
        let kind = sent.err().map(|error| error.kind());
        i32::from(kind != Some(std::io::ErrorKind::WouldBlock))
    });
    assert_eq!(ended, Ended::Exited(0));
}

#[test]
fn a_signal_between_the_check_and_the_wait_is_not_lost() {
    let (mut client, server) = pair();
    let ended = signalled(&[], |ready| {
        let mask = block_all();
        let fd = server.as_raw_fd();
        kill(crate::process::pid(), Signal::SIGHUP).expect("myself");
        let wait = || net::wait_readable(fd, Some(Duration::from_millis(20)), &mask);
        assert!(!Pending::hup(), "blocked: this is the check that came too early");
        assert_eq!(wait().expect("valid"), Ready::Interrupted);
        assert!(Pending::hup());
        assert_eq!(wait().expect("valid"), Ready::TimedOut);
        client.write_all(b"x").expect("room");
        assert_eq!(wait().expect("valid"), Ready::Readable);
        tell(ready);
        0
    });
    assert_eq!(ended, Ended::Exited(0));
}

#[test]
fn a_reset_gives_every_signal_back_to_the_system() {
    let ended = signalled(&[Signal::SIGTERM], |ready| {
        install(Signal::SIGTERM, Handler::Ignore);
        kill(crate::process::pid(), Signal::SIGTERM).expect("myself");
        reset_all_handlers();
        tell(ready);
        std::thread::park();
        0
    });
    assert_eq!(ended, Ended::Signaled(libc::SIGTERM));
}

#[test]
fn term_shuts_the_socket_for_writing_too_only_when_the_process_is_sending() {
    for sending in [false, true] {
        let (_client, server) = pair();
        let ended = signalled(&[], |ready| {
            set_client_socket(server.as_raw_fd());
            // As if the signal came after the last look at the flag and before the call.
            set_in_send(sending);
            kill(crate::process::pid(), Signal::SIGTERM).expect("myself");
            tell(ready);
            let sent = rustix::net::send(&server, b"x", rustix::net::SendFlags::NOSIGNAL);
            i32::from(sent.is_err() != sending)
        });
        assert_eq!(ended, Ended::Exited(0), "sending: {sending}");
    }
}

#[test]
fn sending_is_announced() {
    let (_client, server) = pair();
    let ended = signalled(&[], |ready| {
        let bytes = vec![0; 64 << 20];
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| net::send_all(server.as_raw_fd(), &bytes));
            let announced = crate::testing::eventually(|| IN_SEND.load(Ordering::SeqCst));
            net::shutdown(server.as_raw_fd()).expect("connected");
            let failed = sender.join().expect("no panic").is_err();
            tell(ready);
            i32::from(!announced || !failed || IN_SEND.load(Ordering::SeqCst))
        })
    });
    assert_eq!(ended, Ended::Exited(0));
}

#[test]
fn the_handler_wakes_whoever_sleeps_on_the_word() {
    let ended = signalled(&[], |ready| {
        set_wake_word(&WORD);
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| {
                let mask = block_all();
                while WORD.load(Ordering::SeqCst) == 0 {
                    futex::wait(&WORD, 0, None);
                }
                restore(mask);
            });
            std::thread::sleep(Duration::from_millis(20));
            nix::sys::signal::raise(Signal::SIGUSR1).expect("myself");
            sleeper.join().expect("no panic");
        });
        tell(ready);
        0
    });
    assert_eq!(ended, Ended::Exited(0));
}
