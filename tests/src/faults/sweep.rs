//! Runs for every operation, every kind of file, every fault, and every n until it is not reached.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::draw::Draw;
use crate::faults::case::{Case, SWEEPS, Scene, Times};
use crate::faults::run::{Ending, Failure, run};
use crate::faults::template::Template;

/// What is asked of a sweep.
#[derive(Clone, Debug)]
pub struct Order {
    /// In which scenes.
    pub scenes: Vec<Scene>,
    /// Only cases whose name begins like this.
    pub prefix: String,
    /// Every how manieth n: 1 is all of them.
    pub stride: u64,
    /// Which of them: the first n is `seed % stride + 1`, and another for each kind of case.
    pub seed: u64,
    /// How many runs at a time.
    pub parallel: usize,
    /// No new run is begun after this time.
    pub limit: Duration,
    /// Whether to go on after a failure.
    pub keep_going: bool,
    /// Whether to tell of each kind of case.
    pub verbose: bool,
}

/// What a sweep has shown.
#[derive(Default)]
pub struct Summary {
    /// For each kind of case, how many runs ended how.
    pub endings: BTreeMap<String, BTreeMap<Ending, u32>>,
    /// What was wrong.
    pub failures: Vec<Failure>,
    /// Whether the time ran out.
    pub cut_short: bool,
}

impl Summary {
    /// How many runs reached their fault.
    pub fn runs(&self) -> u32 {
        let reached = |ends: &BTreeMap<Ending, u32>| -> u32 {
            ends.iter().filter(|(e, _)| **e != Ending::NotReached).map(|(_, n)| n).sum()
        };
        self.endings.values().map(reached).sum()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = [Ending::Unseen, Ending::Errors, Ending::Panic, Ending::Down];
        writeln!(f, "{:36}{:>8}{:>8}{:>8}{:>8}", "", "unseen", "errors", "panic", "down")?;
        for (kind, ends) in &self.endings {
            write!(f, "{kind:36}")?;
            for column in columns {
                write!(f, "{:>8}", ends.get(&column).unwrap_or(&0))?;
            }
            writeln!(f)?;
        }
        let short = if self.cut_short { ", cut short by the time" } else { "" };
        write!(f, "{} runs, {} failures{short}", self.runs(), self.failures.len())
    }
}

/// All kinds of cases; `nth` is still to be filled in.
fn kinds(order: &Order) -> Vec<Case> {
    let mut kinds = Vec::new();
    for &scene in &order.scenes {
        for (op, classes, faults) in SWEEPS {
            for (class, fault) in classes.iter().flat_map(|c| faults.iter().map(move |f| (c, f))) {
                for times in [Times::Once, Times::Forever] {
                    let [op, class, fault] = [*op, *class, *fault].map(str::to_owned);
                    kinds.push(Case { op, class, fault, nth: 0, times, scene });
                }
            }
        }
    }
    kinds.retain(|case| case.to_string().starts_with(&order.prefix));
    if order.stride > 1 {
        // A sample may be cut short by its time; it is not always the same that is left out.
        let mut draw = Draw::new(order.seed);
        kinds.sort_by_cached_key(|_| draw.next());
    }
    kinds
}

fn kind_name(case: &Case) -> String {
    case.to_string().replace(&format!(":{}:", case.nth), ":")
}

/// Runs them.
///
/// # Errors
/// The templates could not be made.
pub fn sweep(order: &Order) -> Result<Summary, String> {
    let templates = [Template::make(true)?, Template::make(false)?];
    let kinds = kinds(order);
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let summary = Mutex::new(Summary::default());
    let deadline = Instant::now() + order.limit;
    let work = || {
        while let Some(kind) = kinds.get(next.fetch_add(1, Ordering::Relaxed)) {
            let template = &templates[usize::from(kind.scene == Scene::Asynchronous)];
            sweep_kind(order, kind, template, deadline, &stop, &summary);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..order.parallel.max(1) {
            scope.spawn(work);
        }
    });
    Ok(summary.into_inner().expect("no run panics with it"))
}

fn sweep_kind(
    order: &Order,
    kind: &Case,
    template: &Template,
    deadline: Instant,
    stop: &AtomicBool,
    summary: &Mutex<Summary>,
) {
    let stride = order.stride.max(1);
    let name = kind_name(kind);
    let spread = name.bytes().fold(order.seed, |sum, b| sum.wrapping_mul(31) + u64::from(b));
    let mut nth = spread % stride + 1;
    loop {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        if Instant::now() > deadline {
            summary.lock().expect("no run panics with it").cut_short = true;
            return;
        }
        let case = Case { nth, ..kind.clone() };
        let outcome = run(&case, template);
        let mut summary = summary.lock().expect("no run panics with it");
        match outcome {
            Ok((ending, _)) => {
                *summary.endings.entry(name.clone()).or_default().entry(ending).or_default() += 1;
                if ending == Ending::NotReached {
                    if order.verbose {
                        eprintln!("{name}: to {nth}");
                    }
                    return;
                }
            }
            Err(failure) => {
                eprintln!("{}\nits directory: {}\n", failure.what, failure.directory.display());
                summary.failures.push(*failure);
                if !order.keep_going {
                    stop.store(true, Ordering::Relaxed);
                }
                if summary.failures.len() > 200 || nth > 3000 {
                    return;
                }
            }
        }
        drop(summary);
        nth += stride;
    }
}
