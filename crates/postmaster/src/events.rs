//! What the postmaster waits for: signals, connections, time. The only use of the event loop.
//!
//! [`Events::next`] runs the loop until one thing has happened, and returns it; everything is done
//! outside of it. So a fork is always between two runs. An accepted socket is taken out of the loop
//! again before it is returned: a child inherits it as a plain, blocking socket.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::listen::{Connection, Listener};

/// What has happened.
#[derive(Debug)]
pub enum Event {
    /// CHLD: a child has ended.
    Child,
    /// HUP: read the configuration again.
    Reload,
    /// TERM: smart shutdown.
    Smart,
    /// INT: fast shutdown.
    Fast,
    /// QUIT: immediate shutdown.
    Immediate,
    /// USR1: the autovacuum launcher wants a worker.
    Worker,
    /// A client has connected, or accepting one has failed.
    Connection(io::Result<Connection>),
    /// The time has come that [`Events::next`] was given.
    Time,
}

/// The event loop.
pub struct Events {
    runtime: Runtime,
    sources: Sources,
}

struct Sources {
    listeners: Vec<Registered>,
    child: Signal,
    hup: Signal,
    term: Signal,
    int: Signal,
    quit: Signal,
    usr1: Signal,
}

impl Events {
    /// Begins to listen for signals and connections.
    pub fn new(listeners: Vec<Listener>) -> io::Result<Events> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let entered = runtime.enter();
        let sources = Sources {
            listeners: listeners.into_iter().map(register).collect::<io::Result<_>>()?,
            child: signal(SignalKind::child())?,
            hup: signal(SignalKind::hangup())?,
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            usr1: signal(SignalKind::user_defined1())?,
        };
        drop(entered);
        Ok(Events { runtime, sources })
    }

    /// Waits for the next event. Connections are left waiting unless `accept`.
    pub fn next(&mut self, accept: bool, until: Option<Instant>) -> Event {
        let Sources { listeners, child, hup, term, int, quit, usr1 } = &mut self.sources;
        self.runtime.block_on(async {
            tokio::select! {
                _ = child.recv() => Event::Child,
                _ = hup.recv() => Event::Reload,
                _ = term.recv() => Event::Smart,
                _ = int.recv() => Event::Fast,
                _ = quit.recv() => Event::Immediate,
                _ = usr1.recv() => Event::Worker,
                () = sleep(until) => Event::Time,
                connection = poll_fn(|context| accept_any(listeners, context)), if accept => {
                    Event::Connection(connection)
                }
            }
        })
    }
}

/// A listener in the event loop.
enum Registered {
    Tcp(TcpListener),
    Unix(UnixListener),
}

fn register(listener: Listener) -> io::Result<Registered> {
    Ok(match listener {
        Listener::Tcp(listener) => Registered::Tcp(TcpListener::from_std(listener)?),
        Listener::Unix(listener) => Registered::Unix(UnixListener::from_std(listener)?),
    })
}

async fn sleep(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until.into()).await,
        None => std::future::pending().await,
    }
}

fn accept_any(listeners: &[Registered], context: &mut Context<'_>) -> Poll<io::Result<Connection>> {
    for listener in listeners {
        let accepted = match listener {
            Registered::Tcp(listener) => listener
                .poll_accept(context)
                .map(|accepted| accepted.and_then(|(stream, _)| plain_tcp(stream))),
            Registered::Unix(listener) => listener
                .poll_accept(context)
                .map(|accepted| accepted.and_then(|(stream, _)| plain_unix(stream))),
        };
        if accepted.is_ready() {
            return accepted;
        }
    }
    Poll::Pending
}

fn plain_tcp(stream: tokio::net::TcpStream) -> io::Result<Connection> {
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    Ok(Connection::Tcp(stream))
}

fn plain_unix(stream: tokio::net::UnixStream) -> io::Result<Connection> {
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    Ok(Connection::Unix(stream))
}
