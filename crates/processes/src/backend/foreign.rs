//! Clients that speak another protocol: told so in their own language.
//!
//! PostgreSQL's protocol and TLS are recognised by their first byte. Until they are served, a
//! PostgreSQL client gets a proper ErrorResponse (after the `N` that answers its wish for
//! encryption), and a TLS client an alert.
//!
//! ```text
//! StartupMessage, SSLRequest:  length u32 | code u32 | ...          (big-endian)
//! ErrorResponse:               'E' | length u32 | (field, text, 0)* | 0
//! TLS alert:                   21 | version 3.1 | length 2 | fatal, handshake_failure
//! ```

use types::SqlState;

/// The alert that a TLS client gets.
pub const TLS_ALERT: [u8; 7] = [21, 3, 1, 0, 2, 2, 40];
/// How many bytes of a first message are looked at.
pub const HEAD: usize = 8;
/// How many wishes for encryption a client may have before it says what it wants.
pub const WISHES_MAX: usize = 2;

const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;

/// What to do about the beginning of a PostgreSQL message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Less than [`HEAD`] bytes are there.
    More,
    /// It wishes for encryption: answer `N`, and go on behind these bytes.
    NoEncryption,
    /// It wants a session.
    Refuse,
}

/// Looks at the first bytes.
pub fn step(bytes: &[u8]) -> Step {
    let Some(head) = bytes.first_chunk::<HEAD>() else { return Step::More };
    let code = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
    let short = head[..4] == (HEAD as u32).to_be_bytes();
    if short && matches!(code, SSL_REQUEST | GSS_REQUEST) {
        Step::NoEncryption
    } else {
        Step::Refuse
    }
}

/// An ErrorResponse of severity FATAL.
pub fn error_response(code: SqlState, message: &str) -> Vec<u8> {
    let mut fields = Vec::new();
    for (field, text) in [(b'S', "FATAL"), (b'V', "FATAL"), (b'C', code.as_str()), (b'M', message)]
    {
        fields.push(field);
        fields.extend_from_slice(text.as_bytes());
        fields.push(0);
    }
    fields.push(0);
    let mut bytes = vec![b'E'];
    bytes.extend_from_slice(&(fields.len() as u32 + 4).to_be_bytes());
    bytes.extend_from_slice(&fields);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_for_encryption_is_told_from_a_session() {
        let ssl = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
        assert_eq!(step(&ssl[..7]), Step::More);
        assert_eq!(step(&ssl), Step::NoEncryption);
        assert_eq!(step(&[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30]), Step::NoEncryption);
        let startup = [0, 0, 0, 20, 0, 3, 0, 0];
        assert_eq!(step(&startup), Step::Refuse);
        assert_eq!(step(&[0; 8]), Step::Refuse);
    }

    #[test]
    fn the_error_counts_its_own_length() {
        let bytes = error_response(SqlState::FEATURE_NOT_SUPPORTED, "no");
        assert_eq!(bytes[0], b'E');
        let length = u32::from_be_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]);
        assert_eq!(length as usize, bytes.len() - 1);
        assert!(bytes.ends_with(b"C0A000\0Mno\0\0"));
    }
}
