//! A client on a socket pair, with what its other end sees.

use super::*;
use sql::{CopyLine, Output};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

fn pair() -> (Client, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("pair");
    (Client::new(ours.into(), 1024), theirs)
}

fn request(client: &mut Client) -> String {
    client.next_request().expect("connected").expect("a good line")
}

#[test]
fn pipelined_requests_are_answered_together_and_the_end_of_file_ends_the_session() {
    let (mut client, mut theirs) = pair();
    theirs.write_all(b"one\ntwo\r\nhalf").expect("send");
    assert_eq!(client.first_byte(), Ok(b'o'));
    for line in ["one", "two"] {
        assert_eq!(request(&mut client), line);
        client.ok(line);
        client.ready(Status::Idle);
    }
    let mut theirs_lines = BufReader::new(theirs.try_clone().expect("clone"));
    theirs.set_nonblocking(true).expect("set");
    let mut line = String::new();
    assert!(theirs_lines.read_line(&mut line).is_err(), "nothing is sent while lines are there");
    theirs.shutdown(std::net::Shutdown::Write).expect("shutdown");
    assert_eq!(client.next_request(), Err(Gone::Disconnected), "half a line is no request");
    for expected in ["OK one\n", "READY idle\n", "OK two\n", "READY idle\n"] {
        line.clear();
        theirs_lines.read_line(&mut line).expect("sent before waiting");
        assert_eq!(line, expected);
    }
}

#[test]
fn nothing_follows_a_fatal_and_it_arrives_though_bytes_lie_unread() {
    let (mut client, mut theirs) = pair();
    theirs.write_all(b"GET / HTTP/1.1\nHost: x\n").expect("send");
    request(&mut client);
    client.fatal(SqlState::PROTOCOL_VIOLATION, &Message::text("no"));
    client.fatal(SqlState::ADMIN_SHUTDOWN, &Message::text("never"));
    assert!(client.is_ended());
    // The client goes once it has read the line, so that the lingering ends.
    let reader = std::thread::spawn(move || {
        let mut line = String::new();
        BufReader::new(theirs).read_line(&mut line).expect("a line");
        line
    });
    client.close();
    assert_eq!(reader.join().expect("read"), "FATAL 08P01 no\n");
}

#[test]
fn copy_data_is_never_taken_for_requests() {
    let (mut client, mut theirs) = pair();
    theirs.write_all(b"COPY\n1\tQUIT\nQUIT\n\xff\n\\.\nnext\n").expect("send");
    request(&mut client);
    client.copy_in(CopyFormat::Text, 2).expect("connected");
    for expected in ["1\tQUIT", "QUIT"] {
        let line = client.read_copy_line().expect("connected");
        assert!(matches!(line, CopyLine::Line(text) if text == expected), "{line:?}");
    }
    assert!(matches!(client.read_copy_line(), Ok(CopyLine::Bad(_))));
    assert!(matches!(client.read_copy_line(), Ok(CopyLine::End)));
    assert_eq!(request(&mut client), "next");
}

#[test]
fn a_client_that_is_idle_for_too_long_is_given_up() {
    let (mut client, mut theirs) = pair();
    for (status, gone) in
        [(Status::Idle, Gone::Idle), (Status::Transaction, Gone::IdleInTransaction)]
    {
        client.ready(status);
        client.set_idle_limit(Some(Duration::from_millis(40)));
        let begin = Instant::now();
        assert_eq!(client.next_request(), Err(gone));
        assert!(begin.elapsed() >= Duration::from_millis(39), "{:?}", begin.elapsed());
    }
    theirs.write_all(b"COPY\n").expect("send");
    request(&mut client);
    let late = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        theirs.write_all(b"\\.\n").expect("send");
        theirs
    });
    assert!(matches!(client.read_copy_line(), Ok(CopyLine::End)), "inside of a request it may");
    drop(late.join().expect("sent"));
}
