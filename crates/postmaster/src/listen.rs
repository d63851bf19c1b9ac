//! The sockets that the server listens on.
//!
//! All are non-blocking, so that a client that is gone before it is accepted stops nobody. A Unix
//! socket that a killed server left behind is told from a live one by connecting to it.

use std::fs::Permissions;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::sys::socket::Backlog;

use crate::error::Error;

/// Connections that may wait to be accepted: a burst of clients should not be turned away by the
/// kernel while the postmaster forks.
const BACKLOG: i32 = 1024;
/// The longest path of a Unix socket.
const SOCKET_PATH_MAX: usize = 107;

/// One socket that is listened on.
#[derive(Debug)]
pub enum Listener {
    /// A TCP socket of a loopback address.
    Tcp(TcpListener),
    /// The Unix socket.
    Unix(UnixListener),
}

/// A connection that has just been accepted, blocking.
#[derive(Debug)]
pub enum Connection {
    /// By TCP.
    Tcp(TcpStream),
    /// By the Unix socket.
    Unix(UnixStream),
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Connection::Tcp(stream) => stream.as_fd(),
            Connection::Unix(stream) => stream.as_fd(),
        }
    }
}

/// All sockets of the server.
#[derive(Debug)]
pub struct Listeners {
    /// The sockets.
    pub sockets: Vec<Listener>,
    /// Where they are, for the log.
    pub places: Vec<String>,
    /// The port: the one asked for, or the one that the system chose.
    pub port: u16,
    /// The path of the Unix socket, to be removed at the end.
    pub unix_path: PathBuf,
}

/// Opens the sockets. With port 0 the system chooses one, the same for all addresses.
pub fn open(addresses: &[IpAddr], port: u16, socket_dir: &Path) -> Result<Listeners, Error> {
    let mut port = port;
    let (mut sockets, mut places) = (Vec::new(), Vec::new());
    for ip in addresses {
        let address = SocketAddr::new(*ip, port);
        let fail = |reason| Error::Listen { place: address.to_string(), reason };
        let listener = TcpListener::bind(address).map_err(fail)?;
        let bound = listener.local_addr().map_err(fail)?;
        port = bound.port();
        places.push(bound.to_string());
        listener.set_nonblocking(true).map_err(fail)?;
        lengthen_queue(&listener).map_err(fail)?;
        sockets.push(Listener::Tcp(listener));
    }
    let unix_path = socket_dir.join(format!(".s.PGSQL.{port}"));
    let fail = |reason| Error::Listen { place: unix_path.display().to_string(), reason };
    let unix = open_unix(&unix_path).map_err(fail)?;
    unix.set_nonblocking(true).map_err(fail)?;
    lengthen_queue(&unix).map_err(fail)?;
    sockets.push(Listener::Unix(unix));
    places.push(unix_path.display().to_string());
    Ok(Listeners { sockets, places, port, unix_path })
}

fn open_unix(path: &Path) -> io::Result<UnixListener> {
    let length = path.as_os_str().len();
    if length > SOCKET_PATH_MAX {
        let why = format!(
            "the path has {length} bytes, at most {SOCKET_PATH_MAX} are possible; set \
             unix_socket_directory to a shorter one"
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    remove_stale(path)?;
    let listener = UnixListener::bind(path)?;
    // Who may come in is decided by the peer's identity, not by the mode of the socket.
    std::fs::set_permissions(path, Permissions::from_mode(0o777))?;
    Ok(listener)
}

fn remove_stale(path: &Path) -> io::Result<()> {
    match UnixStream::connect(path) {
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn lengthen_queue(socket: &impl AsFd) -> io::Result<()> {
    let backlog = Backlog::new(BACKLOG).map_err(io::Error::from)?;
    Ok(nix::sys::socket::listen(socket, backlog)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn a_chosen_port_names_the_unix_socket_and_a_stale_socket_is_replaced() {
        let dir = std::env::temp_dir().join(format!("mamont-listen-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("create");
        let local = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
        let first = open(&local, 0, &dir).expect("open");
        assert_ne!(first.port, 0);
        assert_eq!(first.unix_path, dir.join(format!(".s.PGSQL.{}", first.port)));
        let port = first.port;
        let taken = open(&[], port, &dir).expect_err("a live server has it");
        assert!(
            matches!(&taken, Error::Listen { reason, .. }
            if reason.kind() == io::ErrorKind::AddrInUse),
            "{taken}"
        );
        drop(first);
        open(&local, port, &dir).expect("the socket file was stale");
        let long = dir.join("x".repeat(100));
        assert!(open(&[], port, &long).expect_err("too long").to_string().contains("107"));
        std::fs::remove_dir_all(&dir).expect("remove");
    }
}
