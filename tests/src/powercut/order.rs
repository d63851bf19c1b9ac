//! What is asked of a run of images, and what it has shown.

use std::collections::BTreeMap;
use std::fmt;

use crate::crash::load::Tally;
use crate::crash::order::Commits;
use crate::powercut::kind::Kind;
use crate::setup::Setup;

/// What is asked of a run.
#[derive(Clone, Debug)]
pub struct Order {
    /// How many images of one cut, over the nine kinds in turn.
    pub images: u32,
    /// How many images of two.
    pub doubles: u32,
    /// How many images of a cut while the data directory is made.
    pub beginnings: u32,
    /// What everything is drawn from.
    pub seed: u64,
    /// How many images are made of one life.
    pub images_a_life: u32,
    /// In how many of a hundred lives an fsync fails.
    pub failing_disks: u64,
    /// How many clients.
    pub clients: usize,
    /// Lives that run side by side.
    pub jobs: usize,
    /// A bug that the server has: then failures are what is wanted.
    pub mutant: Option<String>,
    /// Settings of every server, besides those that are drawn.
    pub settings: Vec<(String, String)>,
    /// How the clients commit; `None`: drawn for each life.
    pub commits: Option<Commits>,
    /// Whether to tell of each life.
    pub verbose: bool,
}

impl Default for Order {
    fn default() -> Order {
        Order {
            images: 270,
            doubles: 27,
            beginnings: 18,
            seed: 1,
            images_a_life: 27,
            failing_disks: 10,
            clients: 4,
            jobs: 2,
            mutant: None,
            settings: Vec::new(),
            commits: None,
            verbose: true,
        }
    }
}

impl Order {
    /// A server of this order, without what is drawn.
    pub fn setup(&self) -> Setup {
        let mut setup = Setup::new();
        for (name, value) in &self.settings {
            setup.change(name, value);
        }
        match &self.mutant {
            None => setup,
            Some(mutant) => setup.with_mutant(mutant),
        }
    }
}

impl fmt::Display for Order {
    /// The command that runs it again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "just powercut --images {} --doubles {} --beginnings {} --seed {} --images-a-life {} --failing-disks {} \
             --clients {}",
            self.images,
            self.doubles,
            self.beginnings,
            self.seed,
            self.images_a_life,
            self.failing_disks,
            self.clients
        )?;
        if let Some(mutant) = &self.mutant {
            write!(f, " --mutant {mutant}")?;
        }
        self.settings.iter().try_for_each(|(name, value)| write!(f, " --set {name}={value}"))
    }
}

/// What a run has shown.
#[derive(Clone, Default, Debug)]
pub struct Summary {
    /// Images that were judged right, by kind.
    pub clean: BTreeMap<Kind, u32>,
    /// Images of two cuts that were judged right.
    pub doubles: u32,
    /// Images of a cut while the data directory was made, on which the server started.
    pub beginnings: u32,
    /// Lives.
    pub lives: u32,
    /// Lives in which an fsync failed.
    pub failing: u32,
    /// The most cuts that one data directory has lived through.
    pub cuts_max: u32,
    /// What the clients did.
    pub tally: Tally,
}

impl Summary {
    /// Images of one cut or two.
    pub fn images(&self) -> u32 {
        self.clean.values().sum::<u32>() + self.doubles
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<String> = self.clean.iter().map(|(k, n)| format!("{k} {n}")).collect();
        writeln!(
            f,
            "{} images clean: {}; {} of two cuts; and {} of a data directory in the making",
            self.images(),
            kinds.join(", "),
            self.doubles,
            self.beginnings
        )?;
        write!(
            f,
            "{} lives ({} with a failing fsync, up to {} cuts of one directory): {} commits \
             acknowledged, {} in doubt",
            self.lives, self.failing, self.cuts_max, self.tally.acknowledged, self.tally.in_doubt
        )
    }
}
