//! What a life begins with: a data directory, and what it is known to hold.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::crash::history::History;
use crate::crash::oracle;
use crate::crash::order::Commits;
use crate::crash::step::{ACCOUNTS, OPENING_BALANCE};
use crate::scratch::Scratch;
use crate::server::Stop;
use crate::setup::Setup;

/// A data directory of a server that was shut down, and what it holds.
pub struct Base {
    /// One history for each client, without attempts.
    pub histories: Vec<History>,
    /// What `account` holds.
    pub accounts: BTreeMap<i64, i64>,
    /// How many cuts the directory has lived through.
    pub cuts: u32,
    data: PathBuf,
    /// Keeps the directory.
    _area: Option<Scratch>,
}

impl Base {
    /// A directory that lies in `area`.
    pub fn new(
        histories: Vec<History>,
        accounts: BTreeMap<i64, i64>,
        data: PathBuf,
        area: Scratch,
        cuts: u32,
    ) -> Base {
        Base { histories, accounts, cuts, data, _area: Some(area) }
    }

    /// A new directory with the tables of the load, empty.
    pub fn empty(clients: usize, commits: Commits) -> Base {
        let area = Scratch::new();
        let mut server = Setup::new().start_in(Scratch::new(), area.join("d"));
        oracle::create_tables(&mut server.connect(), clients);
        server.stop(Stop::Fast);
        let history = |client: usize| History::new(client, clients, commits.is_synchronous(client));
        let accounts = (0..ACCOUNTS).map(|id| (id, OPENING_BALANCE)).collect();
        Base::new((0..clients).map(history).collect(), accounts, area.join("d"), area, 0)
    }

    /// The same directory again, as long as this one is kept.
    pub fn again(&self) -> Base {
        Base {
            histories: self.histories.clone(),
            accounts: self.accounts.clone(),
            cuts: self.cuts,
            data: self.data.clone(),
            _area: None,
        }
    }

    /// The directory.
    pub fn data(&self) -> &Path {
        &self.data
    }
}
