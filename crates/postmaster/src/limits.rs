//! Limits of the operating system that would bite later, looked at before the start.

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

use crate::error::Error;

/// Descriptors that a process of the server may need: relation files, log, sockets.
const DESCRIPTORS_MIN: u64 = 320;
/// Descriptors that the soft limit is raised to where the hard limit allows it.
const DESCRIPTORS_WANTED: u64 = 4096;
/// The largest file that the server writes: a segment of a relation.
const FILE_SIZE_MIN: u64 = types::BLOCKS_PER_SEGMENT as u64 * types::PAGE_SIZE as u64;

/// Raises what can be raised, refuses what cannot work, warns of what may not.
pub fn check(max_connections: u32) -> Result<(), Error> {
    let descriptors = raise_descriptors()?;
    if descriptors < DESCRIPTORS_MIN {
        return Err(Error::Limit {
            message: format!(
                "only {descriptors} descriptors per process are allowed, {DESCRIPTORS_MIN} are \
                 needed"
            ),
            hint: "Raise the limit: ulimit -n, or LimitNOFILE= of the unit.",
        });
    }
    let (file_size, _) = limit(Resource::RLIMIT_FSIZE)?;
    if file_size < FILE_SIZE_MIN {
        return Err(Error::Limit {
            message: format!("files may have {file_size} bytes only, {FILE_SIZE_MIN} are needed"),
            hint: "Raise the limit: ulimit -f unlimited, or LimitFSIZE= of the unit.",
        });
    }
    let (processes, _) = limit(Resource::RLIMIT_NPROC)?;
    let wanted = u64::from(max_connections) + 8;
    if processes < wanted && sys::process::effective_uid() != 0 {
        tracing::warn!(
            "only {processes} processes are allowed for this user; max_connections = \
             {max_connections} needs {wanted}"
        );
    }
    Ok(())
}

fn raise_descriptors() -> Result<u64, Error> {
    let (soft, hard) = limit(Resource::RLIMIT_NOFILE)?;
    let wanted = hard.min(DESCRIPTORS_WANTED);
    if soft >= wanted {
        return Ok(soft);
    }
    let raised = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard);
    Ok(if raised.is_ok() { wanted } else { soft })
}

fn limit(resource: Resource) -> Result<(u64, u64), Error> {
    const _: () = assert!(RLIM_INFINITY == u64::MAX, "no limit is the largest limit");
    Ok(getrlimit(resource).map_err(std::io::Error::from)?)
}
