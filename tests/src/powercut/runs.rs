//! Lives, images and judgements, one after the other, in some lanes side by side.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use crate::clock::ns;
use crate::crash::found::Found;
use crate::crash::oracle::{self, Judgement};
use crate::crash::order::Commits;
use crate::draw::Draw;
use crate::powercut::base::Base;
use crate::powercut::beginning::cut_at_the_beginning;
use crate::powercut::case::Case;
use crate::powercut::check::check;
use crate::powercut::kind::{Cut, Kind};
use crate::powercut::life::{Life, WINDOW};
use crate::powercut::order::{Order, Summary};
use crate::powercut::second::cut_again;
use crate::powercut::tool;
use crate::scratch::Scratch;

/// After so many cuts a data directory is given up for a new one: its tables have grown.
const CUTS_MAX: u32 = 8;

/// A run that has shown a fault.
#[derive(Debug)]
pub struct Failure {
    /// What is wrong, where it is kept, and the commands that show it again.
    pub what: String,
    /// Images judged up to this one, with it.
    pub images: u32,
}

/// Runs them all.
///
/// # Errors
/// The first fault ends the run.
pub fn run(order: &Order) -> Result<Summary, Box<Failure>> {
    let run = Run {
        order,
        next: AtomicU32::new(0),
        lives: order.images.max(order.doubles * 9).div_ceil(order.images_a_life),
        over: AtomicBool::new(false),
        summary: Mutex::new(Summary::default()),
        failure: Mutex::new(None),
    };
    std::thread::scope(|scope| {
        for _ in 0..order.jobs {
            scope.spawn(|| run.lane());
        }
    });
    let summary = run.summary.into_inner().expect("no lane panics with it");
    match run.failure.into_inner().expect("no lane panics with it") {
        None => Ok(summary),
        Some(what) => {
            let images = summary.images() + 1;
            let what = format!("{what}\nin image {images} of `{order}`\n{summary}");
            Err(Box::new(Failure { what, images }))
        }
    }
}

struct Run<'a> {
    order: &'a Order,
    /// The number of the next life.
    next: AtomicU32,
    lives: u32,
    over: AtomicBool,
    summary: Mutex<Summary>,
    failure: Mutex<Option<String>>,
}

/// An image to be judged.
struct Drawn {
    kind: Kind,
    seed: u64,
    judgement: Judgement,
    area: Scratch,
}

impl Run<'_> {
    fn lane(&self) {
        let mut empty: Vec<(Commits, Base)> = Vec::new();
        let mut grown: Option<(Commits, Base)> = None;
        while !self.over.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.lives {
                return;
            }
            let mut draw = Draw::part(self.order.seed, 1000 + u64::from(number));
            if let Err(why) = self.beginning(number, &mut draw) {
                return self.fail(why);
            }
            let commits = self.commits(&mut draw);
            let old = grown.take().filter(|(of, base)| *of == commits && base.cuts < CUTS_MAX);
            let base = match old {
                Some((_, base)) if draw.percent(70) => base,
                _ => self.empty_base(&mut empty, commits),
            };
            match self.life(number, &base, &mut draw) {
                Ok(next) => grown = next.map(|base| (commits, base)),
                Err(why) => self.fail(format!("life {number} ({commits:?}): {why}")),
            }
        }
    }

    fn commits(&self, draw: &mut Draw) -> Commits {
        let drawn = match draw.below(10) {
            0..6 => Commits::Synchronous,
            6..8 => Commits::Mixed,
            _ => Commits::Asynchronous,
        };
        self.order.commits.unwrap_or(drawn)
    }

    fn empty_base(&self, known: &mut Vec<(Commits, Base)>, commits: Commits) -> Base {
        if !known.iter().any(|(of, _)| *of == commits) {
            known.push((commits, Base::empty(self.order.clients, commits)));
        }
        let found = known.iter().find(|(of, _)| *of == commits);
        found.map(|(_, base)| base.again()).expect("it has just been made")
    }

    fn fail(&self, why: String) {
        self.over.store(true, Ordering::Relaxed);
        self.failure.lock().expect("no lane panics with it").get_or_insert(why);
    }

    /// A life and all its images; gives back what the next life can begin with.
    fn life(&self, number: u32, base: &Base, draw: &mut Draw) -> Result<Option<Base>, String> {
        let begun = Instant::now();
        let life = Life::live(self.order, base, draw)?;
        let lived = begun.elapsed();
        {
            let mut summary = self.summary.lock().expect("no lane panics with it");
            summary.lives += 1;
            summary.failing += u32::from(life.disk_failed);
            summary.cuts_max = summary.cuts_max.max(base.cuts + 1);
            summary.tally.add(&life.tally);
        }
        let mut next = None;
        let first = number * self.order.images_a_life;
        let last = (first + self.order.images_a_life).min(self.order.images);
        for index in first..last {
            if self.over.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let drawn = self.draw_image(&life, index, draw)?;
            let found = self.judge(&life, base, &life.journal, &drawn)?;
            let clean = &mut self.summary.lock().expect("no lane panics with it").clean;
            *clean.entry(drawn.kind).or_default() += 1;
            if drawn.kind.cut == Cut::End && next.is_none() {
                next = Some(grow(&life, base, drawn, &found)?);
            }
        }
        for _ in 0..self.share(self.order.doubles, number) {
            self.double(&life, base, draw)?;
            self.summary.lock().expect("no lane panics with it").doubles += 1;
        }
        if self.order.verbose {
            let (all, tally) = (begun.elapsed(), life.tally.acknowledged);
            eprintln!("life {number}: {tally} commits in {lived:.1?}; {all:.1?} with its images");
        }
        Ok(next)
    }

    /// The share of a life in a number that is for all.
    fn share(&self, all: u32, number: u32) -> u32 {
        let upto = |life: u32| all * life / self.lives;
        upto(number + 1) - upto(number)
    }

    fn beginning(&self, number: u32, draw: &mut Draw) -> Result<(), String> {
        let images = self.share(self.order.beginnings, number);
        if images > 0 {
            cut_at_the_beginning(self.order, images, draw)?;
            self.summary.lock().expect("no lane panics with it").beginnings += images;
        }
        Ok(())
    }

    /// The image of that number: the nine kinds take turns. Where a failing disk made the server
    /// recover in its life, only what it came to in the end can be judged.
    fn draw_image(&self, life: &Life, index: u32, draw: &mut Draw) -> Result<Drawn, String> {
        let all = Kind::all();
        let mut kind = all[index as usize % all.len()];
        if life.disk_failed {
            kind.cut = Cut::End;
        }
        let (area, seed) = (Scratch::new(), draw.next() >> 1);
        let made = tool::image(&life.journal, kind, seed, &area.join("d"))?;
        let whole = kind.cut == Cut::End;
        let judgement = Judgement {
            cuts_ns: vec![if whole { life.cut_ns } else { made.t_ns }],
            window_ns: ns(WINDOW),
            horizon_ns: if whole { u64::MAX } else { made.t_ns },
        };
        Ok(Drawn { kind, seed, judgement, area })
    }

    fn judge(
        &self,
        life: &Life,
        base: &Base,
        journal: &std::path::Path,
        drawn: &Drawn,
    ) -> Result<Found, String> {
        let image = drawn.area.join("d");
        let (histories, judgement) = (&life.histories, &drawn.judgement);
        check(&life.setup, &image, histories, &base.accounts, judgement).map_err(|why| {
            let case = Case {
                kind: drawn.kind,
                seed: drawn.seed,
                judgement: judgement.clone(),
                histories: histories.clone(),
                accounts: base.accounts.clone(),
                settings: life.setup.settings().to_vec(),
                mutant: self.order.mutant.clone(),
            };
            let kept = match &self.order.mutant {
                Some(_) => "not kept: it is a mutant's".to_owned(),
                None => match case.keep(journal) {
                    Ok(path) => format!("again: just powercut --replay {}", path.display()),
                    Err(why) => why,
                },
            };
            format!("{} with seed {}: {why}\n{kept}", drawn.kind, drawn.seed)
        })
    }

    /// An image, a second cut while the server recovers from it, and an image of that.
    fn double(&self, life: &Life, base: &Base, draw: &mut Draw) -> Result<(), String> {
        let first = self.draw_image(life, draw.below(9) as u32, draw)?;
        let area = Scratch::new();
        let journal = cut_again(&life.setup, &first.area.join("d"), &area, draw)?;
        let (kind, seed) = (*draw.pick(&Kind::all()), draw.next() >> 1);
        tool::image(&journal, kind, seed, &area.join("d"))?;
        let second = Drawn { kind, seed, judgement: first.judgement, area };
        let told = |why| format!("second cut, after {} seed {}: {why}", first.kind, first.seed);
        self.judge(life, base, &journal, &second).map_err(told)?;
        Ok(())
    }
}

/// What was found in an image, as the beginning of another life.
fn grow(life: &Life, base: &Base, drawn: Drawn, found: &Found) -> Result<Base, String> {
    let mut histories = life.histories.clone();
    oracle::settle(&mut histories, found, &drawn.judgement)?;
    let (data, accounts) = (drawn.area.join("d"), found.accounts.clone());
    Ok(Base::new(histories, accounts, data, drawn.area, base.cuts + 1))
}
