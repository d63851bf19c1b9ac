//! What can go wrong with the segment; everything else here cannot fail.

use std::path::PathBuf;

use types::{Diagnostic, Severity, SqlState};

/// Why there is no segment.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system for shared memory has too little room.
    #[error("could not reserve {} of shared memory in /dev/shm", megabytes(*size))]
    NoRoom {
        /// Bytes wanted.
        size: usize,
        /// Bytes free, if the system tells.
        free: Option<u64>,
    },
    /// A system call failed.
    #[error("could not create shared memory segment \"{name}\": {reason}")]
    Failed {
        /// The name of the segment.
        name: String,
        /// What the system said.
        reason: String,
    },
    /// The data directory could not be looked at.
    #[error("could not stat data directory \"{}\": {reason}", path.display())]
    DataDirectory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The sizes asked for add up to more than an address can count.
    #[error("shared memory of the configured size cannot be addressed")]
    TooLarge,
}

impl Diagnostic for Error {
    fn severity(&self) -> Severity {
        Severity::Fatal
    }

    fn sqlstate(&self) -> SqlState {
        match self {
            Error::NoRoom { .. } => SqlState::OUT_OF_MEMORY,
            Error::TooLarge => SqlState::CONFIGURATION_LIMIT_EXCEEDED,
            Error::Failed { .. } | Error::DataDirectory { .. } => SqlState::IO_ERROR,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Error::NoRoom { free: Some(free), .. } => {
                Some(format!("/dev/shm has {} free.", megabytes(*free as usize)))
            }
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::NoRoom { .. } | Error::TooLarge => Some(
                "Make shared_buffers or max_connections smaller, or /dev/shm larger.".to_owned(),
            ),
            _ => None,
        }
    }
}

fn megabytes(bytes: usize) -> String {
    if bytes < 10 << 20 {
        format!("{} kB", bytes.div_ceil(1024))
    } else {
        format!("{} MB", bytes >> 20)
    }
}
