//! Who is at the other end: the only authentication until there are roles.
//!
//! The operating system knows. On the Unix socket it noted the peer's user at `connect`
//! (`SO_PEERCRED`); on loopback TCP the kernel's socket diagnostics tell whose socket is at the
//! other end. The server's own user and root may come in; anybody else, and anybody who cannot be
//! told (the peer's process is gone, the connection comes from another machine), may not.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use types::{Diagnostic, Severity, SqlState};

use super::Socket;

/// Why a client may not come in.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is known who it is, and that it is not allowed.
    #[error("peer authentication failed for user \"{0}\"")]
    Stranger(String),
    /// The system could not tell who it is.
    #[error("peer authentication failed: {0}")]
    Unknown(String),
}

impl Diagnostic for Refused {
    fn severity(&self) -> Severity {
        Severity::Fatal
    }

    fn sqlstate(&self) -> SqlState {
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION
    }
}

/// The name of the user at the other end, if that user may come in.
pub fn authenticate(socket: &Socket) -> Result<String, Refused> {
    let uid = peer_uid(socket)?;
    let name = user_name(uid);
    if uid == 0 || uid == sys::process::effective_uid() {
        Ok(name)
    } else {
        Err(Refused::Stranger(name))
    }
}

fn peer_uid(socket: &Socket) -> Result<u32, Refused> {
    let unknown = |error: std::io::Error| Refused::Unknown(error.to_string());
    match socket.tcp {
        None => sys::net::unix_peer_uid(socket.fd.as_raw_fd()).map_err(unknown),
        Some((local, peer)) => {
            let none = || Refused::Unknown(format!("no process of this machine has {peer} open"));
            sys::net::tcp_peer_uid(local, peer).map_err(unknown)?.ok_or_else(none)
        }
    }
}

/// The user's name, or its number if it has none.
pub fn user_name(uid: u32) -> String {
    match nix::unistd::User::from_uid(uid.into()) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}

/// How a peer's address stands in the title and in `pg_stat_activity`: `127.0.0.1(51422)`.
pub fn shown_address(peer: SocketAddr) -> String {
    format!("{}({})", peer.ip().to_canonical(), peer.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn ones_own_connection_is_ones_own() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("connect");
        let (server, peer) = listener.accept().expect("accept");
        let local = server.local_addr().expect("bound");
        let socket = Socket { fd: server.into(), tcp: Some((local, peer)) };
        let me = user_name(sys::process::effective_uid());
        assert_eq!(authenticate(&socket).expect("allowed"), me);
        assert_eq!(shown_address(peer), format!("127.0.0.1({})", peer.port()));
        drop(client);
        // A socket that no process has open any more is nobody's, least of all root's.
        assert!(matches!(authenticate(&socket), Err(Refused::Unknown(_))));
    }
}
