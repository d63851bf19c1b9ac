//! The backend: one process, one connection, one session.
//!
//! The postmaster forks it when a client connects. It finds out who is there, tells from the first
//! byte which protocol is spoken, then takes requests and answers them until the client leaves.
//!
//! | signal | what it means here |
//! |---|---|
//! | TERM | end: `FATAL 57P01`, the open transaction is rolled back |
//! | INT | cancel the running statement |
//! | HUP | read the configuration again, before the next request |
//! | QUIT | end at once |
//!
//! A client that is idle for too long (`idle_session_timeout`, `idle_in_transaction_session_timeout`)
//! is told so with FATAL, too.
//!
//! However the session ends (QUIT, end of file, a broken connection, TERM, a FATAL), its
//! transaction is rolled back before the process exits with 0 or 1, and the slot is empty by then:
//! the postmaster takes any other end for a crash.

mod client;
mod foreign;
mod output;
mod peer;
mod title;

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::atomic::Ordering;

use protocol::{Message, Opening, Request, Status};
use shmem::proc;
use sql::{Session, Stop, TxStatus};
use sys::signal::Pending;
use types::SqlState;

use crate::host;
use crate::server::Server;
use client::{Client, Gone};

/// A connection, as the postmaster accepted it.
#[derive(Debug)]
pub struct Socket {
    /// The socket, blocking.
    pub fd: OwnedFd,
    /// The two addresses of a TCP connection; `None` for the Unix socket.
    pub tcp: Option<(SocketAddr, SocketAddr)>,
}

/// Serves the connection to its end; answers the exit code.
pub fn main(server: &Rc<Server>, socket: Socket) -> i32 {
    let who = peer::authenticate(&socket);
    let place = socket.tcp.map_or_else(|| "[local]".to_owned(), |(_, at)| peer::shown_address(at));
    let max_line_size = usize::try_from(server.settings().max_line_size).unwrap_or(usize::MAX);
    let mut client = Client::new(socket.fd, max_line_size);
    let code = match who {
        Ok(user) => {
            introduce(&mut client, &user, &place);
            serve(server, &mut client)
        }
        Err(refused) => {
            tracing::info!("{refused} ({place})");
            client.report(&refused);
            1
        }
    };
    client.close();
    code
}

fn introduce(client: &mut Client, user: &str, place: &str) {
    let slot = proc::me();
    slot.set_user(user);
    slot.set_client(place);
    client.set_place(&format!("{user} {place}"));
}

fn serve(server: &Rc<Server>, client: &mut Client) -> i32 {
    match client.first_byte().map(Opening::of) {
        Ok(Opening::Line) => {}
        Ok(Opening::Postgres) => {
            refuse_postgres(client);
            return 0;
        }
        Ok(Opening::Tls) => {
            // Whether the alert arrives is the client's affair: the connection is closed anyway.
            let _ = sys::net::send_all(client.socket().as_raw_fd(), &foreign::TLS_ALERT);
            return 0;
        }
        Err(gone) => return farewell(client, gone),
    }
    let mut backend = Backend::new(server);
    let code = match backend.requests(client) {
        Ok(()) => 0,
        Err(gone) => farewell(client, gone),
    };
    backend.session.rollback_on_disconnect();
    tracing::debug!("disconnection: user={} host={}", proc::me().user(), proc::me().client());
    code
}

/// A session and the server around it.
struct Backend<'a> {
    server: &'a Rc<Server>,
    session: Session,
}

impl<'a> Backend<'a> {
    fn new(server: &'a Rc<Server>) -> Self {
        let session = Session::new(host::rooms(server), &server.settings());
        Backend { server, session }
    }

    /// Answers requests until QUIT.
    fn requests(&mut self, client: &mut Client) -> Result<(), Gone> {
        while !client.is_ended() {
            client.set_idle_limit(self.session.idle_limit());
            let line = client.next_request()?;
            if Pending::take_hup() {
                self.server.reload_in_child();
                self.session.reload_settings(&self.server.settings());
            }
            // A request to cancel is for the statement that ran when it came.
            Pending::take_int();
            let line = match line {
                Ok(line) => line,
                Err(error) => {
                    client.report(&error);
                    client.ready(self.status());
                    continue;
                }
            };
            let went = self.request(&line, client);
            client.recycle(line);
            match went {
                Went::On => client.ready(self.status()),
                Went::Over => return Ok(()),
                Went::Lost if Pending::term() => return Err(Gone::Terminated),
                Went::Lost => return Err(Gone::Disconnected),
            }
            if Pending::term() {
                return Err(Gone::Terminated);
            }
        }
        Ok(())
    }

    /// Answers one request, all but READY.
    fn request(&mut self, line: &str, client: &mut Client) -> Went {
        match Request::parse(line) {
            Request::Quit => return Went::Over,
            Request::Help => client.help(),
            Request::Http => {
                let message = Message::text("this is not an HTTP server");
                client.fatal(SqlState::PROTOCOL_VIOLATION, &message);
                return Went::Over;
            }
            // Who the client is is known from the operating system.
            Request::Auth { .. } => client.ok("AUTH"),
            Request::Sql(sql) => {
                note_query(sql);
                return match self.session.execute_line(sql, client) {
                    Ok(()) => Went::On,
                    Err(Stop::Fatal) => Went::Over,
                    Err(Stop::Disconnected) => Went::Lost,
                };
            }
        }
        Went::On
    }

    fn status(&self) -> Status {
        match self.session.status() {
            TxStatus::Idle => Status::Idle,
            TxStatus::Transaction => Status::Transaction,
            TxStatus::Failed => Status::Failed,
        }
    }
}

/// How a request went.
enum Went {
    /// It is answered.
    On,
    /// The session is over: QUIT, or a FATAL has been written.
    Over,
    /// The client cannot be reached any more.
    Lost,
}

fn note_query(sql: &str) {
    let slot = proc::me();
    slot.set_query(sql);
    // The state changed when the request was taken up.
    let now = slot.state_change.load(Ordering::Relaxed);
    slot.query_start.store(now, Ordering::Relaxed);
}

/// The last words to a client that did not say QUIT; answers the exit code.
fn farewell(client: &mut Client, gone: Gone) -> i32 {
    let (code, text) = match gone {
        Gone::Disconnected => return 0,
        Gone::Terminated => {
            (SqlState::ADMIN_SHUTDOWN, "terminating connection due to administrator command")
        }
        Gone::IdleInTransaction => (
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            "terminating connection due to idle-in-transaction timeout",
        ),
        Gone::Idle => {
            (SqlState::IDLE_SESSION_TIMEOUT, "terminating connection due to idle-session timeout")
        }
    };
    client.fatal(code, &Message::text(text));
    1
}

/// Tells a client of PostgreSQL's protocol, in that protocol, that it is not served yet.
fn refuse_postgres(client: &mut Client) {
    let mut bytes = client.unread().to_vec();
    let socket = client.socket().as_raw_fd();
    let mut wishes = 0;
    loop {
        match foreign::step(&bytes) {
            foreign::Step::More => {
                let mut more = [0; 512];
                match sys::net::recv(socket, &mut more) {
                    Ok(count @ 1..) => bytes.extend_from_slice(&more[..count]),
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    _ => return,
                }
            }
            foreign::Step::NoEncryption if wishes < foreign::WISHES_MAX => {
                wishes += 1;
                bytes.drain(..foreign::HEAD);
                if sys::net::send_all(socket, b"N").is_err() {
                    return;
                }
            }
            foreign::Step::NoEncryption | foreign::Step::Refuse => break,
        }
    }
    let message = "PostgreSQL's protocol is not supported yet; use the line protocol";
    let response = foreign::error_response(SqlState::FEATURE_NOT_SUPPORTED, message);
    // Whether it arrives is the client's affair: the connection is closed in any case.
    let _ = sys::net::send_all(socket, &response);
}
