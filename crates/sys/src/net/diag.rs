//! Whose socket is at the other end of a loopback connection, as the kernel's socket diagnostics
//! (netlink `sock_diag`) tell.
//!
//! The question has 72 bytes; the answer has 88, and attributes behind them that do not matter:
//!
//! ```text
//!  0 netlink header: length u32, type u16, flags u16, sequence u32, port u32
//! 16 family u8, protocol u8, extensions u8, pad u8, states u32      (question)
//!    family u8, state u8, timer u8, retransmits u8                  (answer)
//! 24 / 20  socket id: source port, destination port (big-endian u16),
//!          source, destination (16 bytes each), interface u32, cookie u64
//!    68    expires u32, receive queue u32, send queue u32, uid u32, inode u32   (answer)
//! ```
//!
//! A socket without an inode has no process any more (time-wait, orphaned), or not yet; the kernel
//! reports uid 0 for it, which must not be mistaken for root.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

const NETLINK_HEADER: usize = 16;
const QUESTION_LEN: usize = 72;
const ANSWER_LEN: usize = 88;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const IPPROTO_TCP: u8 = 6;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const UID_AT: usize = 80;
const INODE_AT: usize = 84;
const ENOENT: i32 = 2;

/// The user who owns the socket whose own address is `peer` and which is connected to `local`, if
/// there is one on this machine and a process has it open.
pub fn tcp_peer_uid(local: SocketAddr, peer: SocketAddr) -> io::Result<Option<u32>> {
    let (local, peer) = (unmapped(local), unmapped(peer));
    if local.is_ipv4() != peer.is_ipv4() {
        return Ok(None);
    }
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    let question = question(peer, local);
    rustix::io::retry_on_intr(|| rustix::net::send(&socket, &question, SendFlags::empty()))?;
    answer(&socket)
}

/// `::ffff:127.0.0.1` is `127.0.0.1`: the client's socket may be of either family.
fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn question(source: SocketAddr, destination: SocketAddr) -> [u8; QUESTION_LEN] {
    let mut bytes = [0u8; QUESTION_LEN];
    bytes[0..4].copy_from_slice(&(QUESTION_LEN as u32).to_ne_bytes());
    bytes[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes[6..8].copy_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    bytes[16] = if source.is_ipv4() { AF_INET } else { AF_INET6 };
    bytes[17] = IPPROTO_TCP;
    bytes[20..24].copy_from_slice(&u32::MAX.to_ne_bytes());
    bytes[24..26].copy_from_slice(&source.port().to_be_bytes());
    bytes[26..28].copy_from_slice(&destination.port().to_be_bytes());
    put_ip(&mut bytes[28..44], source.ip());
    put_ip(&mut bytes[44..60], destination.ip());
    // No cookie: any socket of these addresses.
    bytes[64..72].copy_from_slice(&u64::MAX.to_ne_bytes());
    bytes
}

fn put_ip(bytes: &mut [u8], ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => bytes[..4].copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => bytes[..16].copy_from_slice(&ip.octets()),
    }
}

fn answer(socket: &OwnedFd) -> io::Result<Option<u32>> {
    let mut bytes = [0u8; 1024];
    let (n, _) = rustix::io::retry_on_intr(|| {
        rustix::net::recv(socket, &mut bytes[..], RecvFlags::empty())
    })?;
    parse_answer(&bytes[..n])
}

fn parse_answer(bytes: &[u8]) -> io::Result<Option<u32>> {
    let word = |at: usize| -> Option<u32> {
        Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
    };
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let kind = bytes.get(4..6).and_then(|kind| kind.try_into().ok()).ok_or_else(malformed)?;
    match u16::from_ne_bytes(kind) {
        NLMSG_ERROR => {
            let errno = -(word(NETLINK_HEADER).ok_or_else(malformed)? as i32);
            if errno == ENOENT { Ok(None) } else { Err(io::Error::from_raw_os_error(errno)) }
        }
        SOCK_DIAG_BY_FAMILY if bytes.len() >= ANSWER_LEN => {
            let (uid, inode) = (word(UID_AT), word(INODE_AT));
            Ok(if inode == Some(0) { None } else { uid })
        }
        _ => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::process::{Ended, effective_uid, wait_for};
    use crate::testing::{eventually, hear, pair, spawn, tell};

    fn asked(server: &TcpStream) -> Option<u32> {
        let local = server.local_addr().expect("connected");
        let peer = server.peer_addr().expect("connected");
        tcp_peer_uid(local, peer).expect("the kernel answers")
    }

    fn connected(listen: &str, connect: &str) -> Option<(TcpStream, TcpStream)> {
        let listener = TcpListener::bind(listen).ok()?;
        let port = listener.local_addr().expect("bound").port();
        let client = TcpStream::connect((connect, port)).expect("it listens");
        Some((client, listener.accept().expect("it came").0))
    }

    #[test]
    fn the_owner_of_the_peer_socket_is_told() {
        let me = Some(effective_uid());
        let (_client, server) = connected("127.0.0.1:0", "127.0.0.1").expect("loopback");
        assert_eq!(asked(&server), me);
        // Where the machine has no IPv6, there is nothing to ask.
        for (listen, connect) in [("[::1]:0", "::1"), ("[::]:0", "127.0.0.1")] {
            if let Some((_client, server)) = connected(listen, connect) {
                assert_eq!(asked(&server), me, "{listen} {connect}");
            }
        }
    }

    #[test]
    fn a_peer_that_has_only_stopped_sending_still_has_an_owner() {
        let (client, server) = connected("127.0.0.1:0", "127.0.0.1").expect("loopback");
        client.shutdown(std::net::Shutdown::Write).expect("connected");
        assert!(eventually(|| server.peek(&mut [0]).ok() == Some(0)));
        assert_eq!(asked(&server), Some(effective_uid()));
    }

    #[test]
    fn a_socket_that_nobody_has_open_has_no_owner_and_is_not_roots() {
        let (client, server) = connected("127.0.0.1:0", "127.0.0.1").expect("loopback");
        drop(client);
        assert!(eventually(|| server.peek(&mut [0]).ok() == Some(0)));
        assert_eq!(asked(&server), None);
        let nobody: SocketAddr = "127.0.0.1:1".parse().expect("an address");
        assert_eq!(tcp_peer_uid(server.local_addr().expect("bound"), nobody).ok(), Some(None));
        let v6: SocketAddr = "[::1]:1".parse().expect("an address");
        assert_eq!(tcp_peer_uid(nobody, v6).ok(), Some(None));
    }

    #[test]
    fn another_users_socket_is_told_from_ours() {
        if effective_uid() != 0 {
            // Only root can become somebody else.
            return;
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let address = listener.local_addr().expect("bound");
        let (here, there) = pair();
        let child = spawn(|| {
            nix::unistd::setuid(nix::unistd::Uid::from_raw(65534)).expect("root may");
            let _client = TcpStream::connect(address).expect("it listens");
            i32::from(!hear(&there))
        });
        let (server, _) = listener.accept().expect("it came");
        assert_eq!(asked(&server), Some(65534));
        tell(&here);
        assert_eq!(wait_for(child), Some(Ended::Exited(0)));
    }

    #[test]
    fn an_answer_that_is_cut_short_is_an_error() {
        let mut answer = [0u8; ANSWER_LEN];
        answer[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        answer[UID_AT..UID_AT + 4].copy_from_slice(&1000u32.to_ne_bytes());
        answer[INODE_AT] = 1;
        assert_eq!(parse_answer(&answer).ok(), Some(Some(1000)));
        for len in 0..ANSWER_LEN {
            assert!(parse_answer(&answer[..len]).is_err(), "{len}");
        }
        answer[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        answer[16..20].copy_from_slice(&(-2i32).to_ne_bytes());
        assert_eq!(parse_answer(&answer).ok(), Some(None));
        answer[16..20].copy_from_slice(&(-1i32).to_ne_bytes());
        assert_eq!(parse_answer(&answer).err().and_then(|e| e.raw_os_error()), Some(1));
    }
}
