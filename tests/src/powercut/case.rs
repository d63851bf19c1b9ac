//! An image that failed, kept so that it can be looked at again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::crash::history::History;
use crate::crash::oracle::Judgement;
use crate::powercut::check::check;
use crate::powercut::kind::Kind;
use crate::powercut::tool;
use crate::scratch::Scratch;
use crate::setup::Setup;

/// The file beside the journal.
const FILE: &str = "case.json";
/// The journal's name in the directory of a case.
const JOURNAL: &str = "journal";

/// All that is needed to make an image again and to judge it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Case {
    /// Which kind of image.
    pub kind: Kind,
    /// The image's own seed.
    pub seed: u64,
    /// What it is judged by.
    pub judgement: Judgement,
    /// What the clients know.
    pub histories: Vec<History>,
    /// What `account` held at the histories' base.
    pub accounts: BTreeMap<i64, i64>,
    /// Settings of the server.
    pub settings: Vec<(String, String)>,
    /// The bug that it had.
    pub mutant: Option<String>,
}

impl Case {
    /// Keeps the case and its journal in a new directory, and tells where.
    pub fn keep(&self, journal: &Path) -> Result<PathBuf, String> {
        let told = |e: std::io::Error| format!("keeping the case: {e}");
        let area = Scratch::new();
        std::fs::copy(journal, area.join(JOURNAL)).map_err(told)?;
        let text = serde_json::to_string(self).map_err(|e| e.to_string())?;
        std::fs::write(area.join(FILE), text).map_err(told)?;
        Ok(area.keep())
    }

    /// Makes the image of a kept case again, bit by bit, and judges it.
    ///
    /// # Errors
    /// What is wrong with it: the same as when it was kept, if that was no matter of time.
    pub fn replay(directory: &Path, setup: impl Fn(&Case) -> Setup) -> Result<String, String> {
        let text = std::fs::read_to_string(directory.join(FILE));
        let text = text.map_err(|e| format!("{}: {e}", directory.display()))?;
        let case: Case = serde_json::from_str(&text).map_err(|e| format!("{FILE}: {e}"))?;
        let area = Scratch::new();
        let out = area.join("d");
        let made = tool::image(&directory.join(JOURNAL), case.kind, case.seed, &out)?;
        let told = format!("{} seed {}, record {}", case.kind, case.seed, made.record);
        let done = check(&setup(&case), &out, &case.histories, &case.accounts, &case.judgement);
        done.map(|_| format!("{told}: clean")).map_err(|why| format!("{told}: {why}"))
    }
}
