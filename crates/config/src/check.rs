//! Combinations of settings that cannot work, and values that follow from several settings.

use std::net::{IpAddr, Ipv4Addr};

use crate::Settings;

/// How many addresses `listen_addresses` may name.
pub const MAX_LISTEN_ADDRESSES: usize = 16;

/// Bytes that the path of a Unix socket may have: `sun_path` without its closing zero.
const MAX_SOCKET_PATH: usize = 107;
/// What is added to the directory at most: `/.s.PGSQL.65535.lock`, with room to spare.
const SOCKET_NAME: usize = 24;

/// A combination that cannot work.
pub(crate) struct Conflict {
    /// The settings that take part.
    pub names: &'static [&'static str],
    pub message: String,
    pub hint: String,
}

impl Settings {
    /// The addresses of `listen_addresses`; none if there is only the Unix socket.
    ///
    /// The error is the entry that is no loopback address.
    pub fn listen_ips(&self) -> Result<Vec<IpAddr>, String> {
        let entries = self.listen_addresses.split(',').map(str::trim);
        let mut addresses = Vec::new();
        for entry in entries.filter(|entry| !entry.is_empty()) {
            let address = match entry {
                "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
                _ => entry.parse().ok().filter(IpAddr::is_loopback),
            };
            let address = address.ok_or_else(|| entry.to_owned())?;
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Ok(addresses)
    }

    /// The size of the ring of log pages in bytes: `wal_buffers`, or what -1 stands for.
    pub fn wal_buffers_bytes(&self) -> u64 {
        let page = types::PAGE_SIZE as u64;
        let automatic = (self.shared_buffers / 32).clamp(8 * page, self.wal_segment_size);
        self.wal_buffers.unwrap_or(automatic) / page * page
    }

    /// The number of shared buffers.
    pub fn shared_buffer_count(&self) -> u64 {
        self.shared_buffers / types::PAGE_SIZE as u64
    }

    /// Everything about the combination of values that cannot work.
    pub(crate) fn conflicts(&self) -> Vec<Conflict> {
        let checks = [check_wal_sizes, check_addresses, check_address_count, check_socket_path];
        checks.iter().filter_map(|check| check(self)).collect()
    }
}

fn check_wal_sizes(settings: &Settings) -> Option<Conflict> {
    (settings.min_wal_size > settings.max_wal_size).then(|| Conflict {
        names: &["min_wal_size", "max_wal_size"],
        message: format!(
            "min_wal_size ({}MB) is greater than max_wal_size ({}MB)",
            settings.min_wal_size >> 20,
            settings.max_wal_size >> 20
        ),
        hint: "Lower min_wal_size or raise max_wal_size.".to_owned(),
    })
}

fn check_addresses(settings: &Settings) -> Option<Conflict> {
    let entry = settings.listen_ips().err()?;
    Some(Conflict {
        names: &["listen_addresses"],
        message: format!("cannot listen on \"{entry}\": it is no loopback address"),
        hint: "Expected addresses such as \"127.0.0.1\" or \"::1\", separated by commas. Others \
               are refused until there are roles and passwords."
            .to_owned(),
    })
}

fn check_address_count(settings: &Settings) -> Option<Conflict> {
    let count = settings.listen_addresses.split(',').count();
    (count > MAX_LISTEN_ADDRESSES).then(|| Conflict {
        names: &["listen_addresses"],
        message: format!("listen_addresses names {count} addresses"),
        hint: format!("Expected at most {MAX_LISTEN_ADDRESSES}."),
    })
}

fn check_socket_path(settings: &Settings) -> Option<Conflict> {
    let length = settings.unix_socket_directory.len();
    let most = MAX_SOCKET_PATH - SOCKET_NAME;
    (length > most).then(|| Conflict {
        names: &["unix_socket_directory"],
        message: format!("unix_socket_directory has {length} bytes, too many for a socket's path"),
        hint: format!("Expected a path of at most {most} bytes."),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening_on(addresses: &str) -> Result<Vec<IpAddr>, String> {
        Settings { listen_addresses: addresses.to_owned(), ..Settings::default() }.listen_ips()
    }

    #[test]
    fn only_loopback_addresses_are_listened_on() {
        let v4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(listening_on(""), Ok(vec![]));
        assert_eq!(listening_on("127.0.0.1, ::1").map(|all| all.len()), Ok(2));
        assert_eq!(listening_on("localhost,127.0.0.1"), Ok(vec![v4]));
        for bad in ["*", "0.0.0.0", "::", "192.168.0.1", "127.0.0.1,example.org"] {
            assert!(listening_on(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_automatic_ring_is_a_part_of_the_pool_within_bounds() {
        let with = |shared_buffers, wal_buffers| {
            Settings { shared_buffers, wal_buffers, ..Settings::default() }.wal_buffers_bytes()
        };
        assert_eq!(with(128 << 20, None), 4 << 20);
        assert_eq!(with(16 * 8192, None), 64 << 10);
        assert_eq!(with(8 << 30, None), 16 << 20);
        assert_eq!(with(128 << 20, Some(1 << 20)), 1 << 20);
    }

    #[test]
    fn impossible_combinations_are_found() {
        let found = |settings: Settings| {
            settings.conflicts().into_iter().map(|conflict| conflict.names[0]).collect::<Vec<_>>()
        };
        let default = Settings::default();
        assert!(found(default.clone()).is_empty());
        let sizes = Settings { min_wal_size: 2 << 30, ..default.clone() };
        assert_eq!(found(sizes), ["min_wal_size"]);
        let path = Settings { unix_socket_directory: "x".repeat(84), ..default.clone() };
        assert_eq!(found(path), ["unix_socket_directory"]);
        let many = Settings { listen_addresses: "127.0.0.1,".repeat(17), ..default };
        assert_eq!(found(many), ["listen_addresses"]);
    }
}
