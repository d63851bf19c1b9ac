//! What a connection, and then a line, is.

/// The line that ends COPY's data.
pub const COPY_END: &str = "\\.";

/// How HTTP requests begin, and the header that a browser cannot leave out.
const HTTP: [&str; 9] =
    ["GET ", "POST ", "PUT ", "HEAD ", "DELETE /", "OPTIONS ", "PATCH ", "CONNECT ", "TRACE "];
const HTTP_HEADER: &str = "Host:";

/// What the first byte of a connection opens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opening {
    /// PostgreSQL's own protocol, version 3.
    Postgres,
    /// A TLS handshake, after which the same decision is made again.
    Tls,
    /// The line protocol.
    Line,
}

impl Opening {
    /// The decision.
    pub fn of(first_byte: u8) -> Opening {
        match first_byte {
            0x00 => Opening::Postgres,
            0x16 => Opening::Tls,
            _ => Opening::Line,
        }
    }
}

/// A line that asks for something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request<'a> {
    /// `HELP`
    Help,
    /// `QUIT`
    Quit,
    /// `AUTH user [password]`; the password is the rest of the line. The user is empty if none is
    /// named.
    Auth {
        /// The user's name.
        user: &'a str,
        /// The password, if there is one.
        password: Option<&'a str>,
    },
    /// A line of an HTTP request: a web page is made to speak here, and must not.
    Http,
    /// Statements; perhaps none.
    Sql(&'a str),
}

impl<'a> Request<'a> {
    /// Tells what the line is. Words count in any case; a semicolon after HELP and QUIT is taken.
    pub fn parse(line: &'a str) -> Request<'a> {
        if is_http(line) {
            return Request::Http;
        }
        let trimmed = line.trim();
        let alone = trimmed.strip_suffix(';').unwrap_or(trimmed).trim_end();
        if alone.eq_ignore_ascii_case("help") {
            return Request::Help;
        }
        if alone.eq_ignore_ascii_case("quit") {
            return Request::Quit;
        }
        match trimmed.split_at_checked(4) {
            Some((word, rest)) if word.eq_ignore_ascii_case("auth") => {
                auth(rest).unwrap_or(Request::Sql(line))
            }
            _ => Request::Sql(line),
        }
    }
}

fn auth(rest: &str) -> Option<Request<'_>> {
    if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
        return None;
    }
    let rest = rest.trim_start();
    Some(match rest.split_once(char::is_whitespace) {
        Some((user, password)) => Request::Auth { user, password: Some(password) },
        None => Request::Auth { user: rest, password: None },
    })
}

fn is_http(line: &str) -> bool {
    // A header's name is the same in any case; a method is not.
    let header = line.get(..HTTP_HEADER.len());
    header.is_some_and(|start| start.eq_ignore_ascii_case(HTTP_HEADER))
        || HTTP.iter().any(|method| line.starts_with(method))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_decides() {
        assert_eq!(Opening::of(0x00), Opening::Postgres);
        assert_eq!(Opening::of(0x16), Opening::Tls);
        for byte in [b'S', b'\n', b' ', 0xff, 0x01] {
            assert_eq!(Opening::of(byte), Opening::Line);
        }
    }

    #[test]
    fn three_words_are_not_sql() {
        let user = |user, password| Request::Auth { user, password };
        assert_eq!(Request::parse(" help ; "), Request::Help);
        assert_eq!(Request::parse("QUIT"), Request::Quit);
        assert_eq!(Request::parse("AUTH ann"), user("ann", None));
        assert_eq!(Request::parse("auth  ann two words"), user("ann", Some("two words")));
        assert_eq!(Request::parse("AUTH"), user("", None));
        for sql in ["", "HELPER", "QUIT 1", "AUTHOR x", "SELECT 1", "äöü", "é"] {
            assert_eq!(Request::parse(sql), Request::Sql(sql));
        }
    }

    #[test]
    fn http_is_told_from_sql() {
        for line in [
            "GET / HTTP/1.1",
            "POST /x HTTP/1.1",
            "PUT /",
            "HEAD /",
            "DELETE / HTTP/1.1",
            "OPTIONS *",
            "PATCH /",
            "CONNECT host:1",
            "TRACE /",
            "Host: 127.0.0.1:7432",
            "host: x",
        ] {
            assert_eq!(Request::parse(line), Request::Http, "{line}");
        }
        for line in ["DELETE FROM t", "get / ", " GET /", "GETTER", "Hosts: x", "Hos"] {
            assert_eq!(Request::parse(line), Request::Sql(line), "{line}");
        }
    }
}
