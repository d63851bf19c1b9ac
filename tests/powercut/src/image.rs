//! One image: reads the journal up to the cut, and writes out what the disk may hold.
//!
//! The journal is streamed, once; only a cut at a random place needs a pass that counts before,
//! which jumps over what the records carry. In memory is the content of all files, and what no fsync
//! covers at the moment. An image cut short by the death of this process is a directory to delete.

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::draw::{Draw, Policy, Random};
use crate::journal::{Change, Kind, Reader};
use crate::model::{Model, Names};

/// The moment of the cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    /// The end of the journal, where the power went.
    End,
    /// After that change; those of the initial content do not count.
    Change(At),
    /// Just before that fsync completes.
    Sync(At),
}

/// Which one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum At {
    /// This one, counted from one.
    Number(u64),
    /// One that the seed draws.
    Random,
}

impl FromStr for Cut {
    type Err = String;

    fn from_str(text: &str) -> Result<Cut, String> {
        let at = |text: &str| match text {
            "rand" => Ok(At::Random),
            number => number.parse().map(At::Number).map_err(|_| format!("{text} is no number")),
        };
        match text.split_once(':') {
            None if text == "end" => Ok(Cut::End),
            Some(("rec", which)) => at(which).map(Cut::Change),
            Some(("sync", which)) => at(which).map(Cut::Sync),
            _ => Err("it is end, rec:N, rec:rand, sync:N or sync:rand".to_owned()),
        }
    }
}

/// Which image to build.
#[derive(Clone, Debug)]
pub struct Order {
    /// The recording.
    pub journal: PathBuf,
    /// The directory to make.
    pub out: PathBuf,
    /// The moment.
    pub cut: Cut,
    /// The draw.
    pub seed: u64,
    /// How names become durable.
    pub names: Names,
    /// What happens to what is not synced.
    pub policy: Policy,
    /// The bytes that reach the disk whole or not at all. Not zero.
    pub sector: usize,
    /// Whether to say on standard error what was kept and lost.
    pub verbose: bool,
}

/// What was built, as `powercut image` prints it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Image {
    /// The changes before the cut.
    pub record: u64,
    /// The moment of the last of them on CLOCK_MONOTONIC, in nanoseconds.
    pub t_ns: u64,
    /// The fsyncs that completed before the cut.
    pub syncs: u64,
    /// Files with pending changes.
    pub files_pending: u64,
    /// Pending writes.
    pub writes_pending: u64,
    /// Those that left nothing.
    pub writes_lost: u64,
    /// Those that left a part.
    pub writes_torn: u64,
    /// Pending changes of a file's length that were lost.
    pub truncs_lost: u64,
    /// Pending changes of names.
    pub names_pending: u64,
    /// Those that were lost.
    pub names_lost: u64,
}

/// Builds the image.
pub fn build(order: &Order) -> Result<Image, Error> {
    if order.out.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::OutNotEmpty(order.out.clone()));
    }
    let mut model = Model::new(order.names);
    let position = replay(order, &mut model).map_err(Error::file(&order.journal))?;
    let mut draw = Draw::new(order.policy, order.seed);
    (draw.sector, draw.verbose) = (order.sector.max(1), order.verbose);
    model.cut(&mut draw).write_out(&order.out).map_err(Error::file(&order.out))?;
    let (Position { record, time_ns, syncs, .. }, tally) = (position, draw.tally);
    Ok(Image {
        record,
        t_ns: time_ns,
        syncs,
        files_pending: tally.files,
        writes_pending: tally.writes,
        writes_lost: tally.writes_lost,
        writes_torn: tally.writes_torn,
        truncs_lost: tally.truncates_lost,
        names_pending: tally.names,
        names_lost: tally.names_lost,
    })
}

/// How far the journal has been read.
#[derive(Clone, Copy, Default)]
struct Position {
    /// Whether the initial content is complete.
    started: bool,
    record: u64,
    syncs: u64,
    time_ns: u64,
}

/// Feeds the model up to the cut.
fn replay(order: &Order, model: &mut Model) -> io::Result<Position> {
    let cut = fixed(order)?;
    let mut reader = Reader::open(&order.journal)?;
    let mut position = Position::default();
    while let Some(record) = reader.record()? {
        position.started |= record.change == Change::Start;
        let is_sync = matches!(record.change, Change::SyncEnd { .. });
        let reached = match cut {
            Fixed::End => false,
            Fixed::Change(number) => position.record >= number,
            Fixed::Sync(number) => is_sync && position.syncs + 1 >= number,
        };
        if reached {
            break;
        }
        position.record += u64::from(position.started);
        position.syncs += u64::from(is_sync);
        position.time_ns = record.time_ns;
        model.feed(record.change);
    }
    Ok(position)
}

/// A cut without chance.
#[derive(Clone, Copy)]
enum Fixed {
    End,
    Change(u64),
    Sync(u64),
}

/// Draws the place of the cut if it is random.
fn fixed(order: &Order) -> io::Result<Fixed> {
    let draw = |counts: fn(Kind) -> bool| {
        let count = count(&order.journal, counts)?;
        Ok::<u64, io::Error>(1 + Random(order.seed ^ 0x5EED).below(count))
    };
    Ok(match order.cut {
        Cut::End => Fixed::End,
        Cut::Change(At::Number(number)) => Fixed::Change(number),
        Cut::Sync(At::Number(number)) => Fixed::Sync(number),
        Cut::Change(At::Random) => Fixed::Change(draw(|_| true)?),
        Cut::Sync(At::Random) => Fixed::Sync(draw(|kind| kind == Kind::SyncEnd)?),
    })
}

/// Counts records behind the initial content.
fn count(journal: &Path, counts: fn(Kind) -> bool) -> io::Result<u64> {
    let mut reader = Reader::open(journal)?;
    let (mut started, mut count) = (false, 0);
    while let Some(kind) = reader.skip()? {
        started |= kind == Kind::Start;
        count += u64::from(started && counts(kind));
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_read_as_the_command_line_has_it() {
        assert_eq!("end".parse(), Ok(Cut::End));
        assert_eq!("rec:7".parse(), Ok(Cut::Change(At::Number(7))));
        assert_eq!("sync:rand".parse(), Ok(Cut::Sync(At::Random)));
        for text in ["", "rec", "rec:", "sync:x", "time:1"] {
            assert!(text.parse::<Cut>().is_err(), "{text}");
        }
    }
}
