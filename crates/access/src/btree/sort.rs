//! Sorting entries, in memory as long as they fit, then by runs on disk.
//!
//! ```text
//! push, push, ...  ──memory is full──> sort ──> run 1 (temporary file)     ┐
//! push, push, ...  ──memory is full──> sort ──> run 2                      ├─ merge ──> in order
//! push, push, ...  ──the end────────> sort ──> run 3                       ┘
//! ```
//!
//! An entry is its bytes and a mark of one bit. In memory the bytes lie in one block; what is sorted
//! is an array of eight bytes of each, as a number, and where the rest is: the first eight that
//! follow what all entries begin with. Most comparisons need no more than the numbers.
//!
//! More runs than can be read at once are merged to longer ones first. A run in a file is, for each
//! entry, its length and the mark (u16, the mark is the highest bit) and its bytes.

use crate::Access;
use crate::error::Error;
use crate::temp::{TempFile, TempReader};

/// So many runs are merged at once; each takes a descriptor and 256 kB.
const RUNS_MAX: usize = 64;
/// Positions in memory are 32 bits.
const MEMORY_MAX: usize = 2 << 30;
const MARK: u16 = 1 << 15;

/// An entry in memory.
#[derive(Clone, Copy)]
pub(super) struct Item {
    number: u64,
    start: u32,
    length: u16,
    marked: bool,
}

/// Takes entries in.
pub(super) struct Sorter<'a> {
    access: &'a Access,
    memory: usize,
    bytes: Vec<u8>,
    items: Vec<Item>,
    runs: Vec<TempFile>,
}

/// Gives them out in order.
pub(super) enum Sorted {
    Memory { bytes: Vec<u8>, items: Vec<Item>, next: usize },
    Merge(Merge),
}

impl<'a> Sorter<'a> {
    /// A sorter that spills beyond so many bytes.
    pub fn new(access: &'a Access, memory: u64) -> Self {
        let memory = usize::try_from(memory).unwrap_or(MEMORY_MAX).clamp(64 << 10, MEMORY_MAX);
        Sorter { access, memory, bytes: Vec::new(), items: Vec::new(), runs: Vec::new() }
    }

    /// Takes an entry, whose bytes `write` appends.
    pub fn push(&mut self, marked: bool, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Error> {
        let start = self.bytes.len();
        write(&mut self.bytes);
        let length = (self.bytes.len() - start) as u16;
        self.items.push(Item { number: 0, start: start as u32, length, marked });
        if self.bytes.len() + self.items.len() * size_of::<Item>() < self.memory {
            return Ok(());
        }
        self.spill()
    }

    fn sort(&mut self) {
        let bytes = &self.bytes;
        let of = |item: &Item| &bytes[item.start as usize..][..usize::from(item.length)];
        let Some(first) = self.items.first().map(of) else { return };
        let begin = |common: usize, item: &Item| {
            let same = first[..common].iter().zip(of(item)).take_while(|(a, b)| a == b);
            same.count()
        };
        let common = self.items.iter().fold(first.len(), begin);
        for item in &mut self.items {
            let bytes = &of(item)[common..];
            let mut eight = [0; 8];
            let length = bytes.len().min(8);
            eight[..length].copy_from_slice(&bytes[..length]);
            item.number = u64::from_be_bytes(eight);
        }
        self.items.sort_unstable_by(|a, b| a.number.cmp(&b.number).then_with(|| of(a).cmp(of(b))));
    }

    fn spill(&mut self) -> Result<(), Error> {
        self.sort();
        let mut run = TempFile::create(&self.access.pool)?;
        for item in &self.items {
            let bytes = &self.bytes[item.start as usize..][..usize::from(item.length)];
            write(&mut run, bytes, item.marked)?;
        }
        run.finish()?;
        self.runs.push(run);
        self.bytes.clear();
        self.items.clear();
        Ok(())
    }

    /// Everything that was taken in, in order.
    pub fn finish(mut self) -> Result<Sorted, Error> {
        if self.runs.is_empty() {
            self.sort();
            return Ok(Sorted::Memory { bytes: self.bytes, items: self.items, next: 0 });
        }
        if !self.items.is_empty() {
            self.spill()?;
        }
        (self.bytes, self.items) = (Vec::new(), Vec::new());
        while self.runs.len() > RUNS_MAX {
            let mut merge = Merge::new(self.runs.drain(..RUNS_MAX))?;
            let mut longer = TempFile::create(&self.access.pool)?;
            while let Some((bytes, marked)) = merge.next()? {
                write(&mut longer, bytes, marked)?;
            }
            longer.finish()?;
            self.runs.push(longer);
        }
        Ok(Sorted::Merge(Merge::new(self.runs.drain(..))?))
    }
}

fn write(run: &mut TempFile, bytes: &[u8], marked: bool) -> Result<(), Error> {
    let head = bytes.len() as u16 | if marked { MARK } else { 0 };
    run.write(&head.to_le_bytes())?;
    run.write(bytes)
}

impl Sorted {
    /// The next entry and its mark.
    pub fn next(&mut self) -> Result<Option<(&[u8], bool)>, Error> {
        match self {
            Sorted::Memory { bytes, items, next } => {
                let Some(item) = items.get(*next) else { return Ok(None) };
                *next += 1;
                let bytes = &bytes[item.start as usize..][..usize::from(item.length)];
                Ok(Some((bytes, item.marked)))
            }
            Sorted::Merge(merge) => merge.next(),
        }
    }
}

/// A run with its first entry taken off.
struct Run {
    reader: TempReader,
    bytes: Vec<u8>,
    marked: bool,
}

impl Run {
    /// Takes the next entry off; `false`: there is none.
    fn advance(&mut self) -> Result<bool, Error> {
        if !self.reader.read(2, &mut self.bytes)? {
            return Ok(false);
        }
        let head = u16::from_le_bytes([self.bytes[0], self.bytes[1]]);
        self.marked = head & MARK != 0;
        self.reader.read(usize::from(head & !MARK), &mut self.bytes)
    }
}

/// Runs being merged: a heap, whose first has the least entry.
pub(super) struct Merge {
    heap: Vec<Run>,
    /// Whether the first run's entry was handed out.
    used: bool,
}

impl Merge {
    fn new(files: impl Iterator<Item = TempFile>) -> Result<Merge, Error> {
        let mut heap = Vec::new();
        for file in files {
            let mut run = Run { reader: file.read()?, bytes: Vec::new(), marked: false };
            if run.advance()? {
                heap.push(run);
            }
        }
        let mut merge = Merge { heap, used: false };
        (0..merge.heap.len() / 2).rev().for_each(|at| merge.sift_down(at));
        Ok(merge)
    }

    fn next(&mut self) -> Result<Option<(&[u8], bool)>, Error> {
        if self.used && !self.heap.is_empty() {
            if !self.heap[0].advance()? {
                self.heap.swap_remove(0);
            }
            self.sift_down(0);
        }
        self.used = true;
        Ok(self.heap.first().map(|run| (&run.bytes[..], run.marked)))
    }

    fn sift_down(&mut self, mut at: usize) {
        loop {
            let children = [2 * at + 1, 2 * at + 2].into_iter().filter(|&c| c < self.heap.len());
            let least = children.min_by_key(|&child| &self.heap[child].bytes);
            match least {
                Some(child) if self.heap[child].bytes < self.heap[at].bytes => {
                    self.heap.swap(child, at);
                    at = child;
                }
                _ => return,
            }
        }
    }
}
