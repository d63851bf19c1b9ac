//! The fuzz targets for some seconds, with all other tests: first every seed and every input that
//! once failed, then seeds with bytes changed, cut, moved and joined.
//!
//! `MAMONT_FUZZ_SECONDS` and `MAMONT_FUZZ_SEED` choose for how long and with which draws; by default
//! 3 seconds for each target, and the same draws in every run. An input that fails is written to
//! `fuzz-failures/` in the target directory; `MAMONT_FUZZ_INPUT=<file>` runs it alone. Once the
//! fault is understood it belongs into `fuzz/regressions/<target>/`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// An input may take so long, even on a loaded machine: more means that something loops.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest input that is made.
const LONGEST: usize = 100_000;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

fn number(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}: a number")))
}

/// The files of a folder beside the manifest, in the order of their names.
fn inputs(folder: &str, target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target);
    let Ok(entries) = std::fs::read_dir(&dir) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).expect("it was just listed");
        (path, bytes)
    };
    paths.into_iter().map(read).collect()
}

/// Runs one input; keeps it if it fails.
fn run(name: &str, target: fuzz::Target, input: &[u8]) {
    let begun = Instant::now();
    let done = catch_unwind(AssertUnwindSafe(|| target(input)));
    let slow = begun.elapsed() > PATIENCE;
    if done.is_ok() && !slow {
        return;
    }
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("fuzz-failures");
    std::fs::create_dir_all(&dir).expect("the target directory is ours");
    let path = dir.join(format!("{name}-{:08x}", crc32fast::hash(input)));
    std::fs::write(&path, input).expect("the target directory is ours");
    let what = if slow { "took too long" } else { "failed" };
    panic!("target {name} {what}; the input is in {}", path.display());
}

/// Changes an input in one to four ways.
fn mutate(draw: &mut Draw, seeds: &[(PathBuf, Vec<u8>)], input: &mut Vec<u8>) {
    for _ in 0..=draw.below(4) {
        let at = draw.below(input.len());
        match draw.below(9) {
            0 | 1 if !input.is_empty() => input[at] ^= 1 << draw.below(8),
            2 if !input.is_empty() => input[at] = draw.next() as u8,
            // A number of two or four bytes, at the edge of something or small.
            3 | 4 => {
                let edges = [0, 1, 31, 32, 33, 0x7FFF, 0x8000, 0xFFFF, 8191, 8192, u64::MAX];
                let value = edges[draw.below(edges.len())].wrapping_add(draw.next() % 3);
                let width = [2, 4, 8][draw.below(3)];
                let at = at & !(width - 1);
                let room = input.len().saturating_sub(at).min(width);
                input[at..at + room].copy_from_slice(&value.to_le_bytes()[..room]);
            }
            5 => input.truncate(at),
            6 => {
                let count = draw.below(300).min(input.len() - at.min(input.len()));
                let piece = input[at..at + count].to_vec();
                let to = draw.below(input.len());
                input.splice(to..to, piece);
            }
            7 => {
                let count = draw.below(300).min(input.len() - at.min(input.len()));
                input.drain(at..at + count);
            }
            // The end of another seed.
            _ => {
                let other = &seeds[draw.below(seeds.len())].1;
                let from = draw.below(other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
        input.truncate(LONGEST);
    }
}

fn fuzz(name: &str) {
    let (_, target) = fuzz::TARGETS.iter().find(|(known, _)| *known == name).expect("a target");
    if let Some(path) = std::env::var_os("MAMONT_FUZZ_INPUT") {
        return run(name, *target, &std::fs::read(path).expect("the input"));
    }
    let seeds = inputs("corpus", name);
    assert!(!seeds.is_empty(), "fuzz/corpus/{name} holds no seed: `just fuzz-seeds` makes them");
    let mut count = 0u64;
    for (_, input) in seeds.iter().chain(&inputs("regressions", name)) {
        run(name, *target, input);
        count += 1;
    }
    let mut draw = Draw(number("MAMONT_FUZZ_SEED", 1));
    let end = Instant::now() + Duration::from_secs(number("MAMONT_FUZZ_SECONDS", 3));
    while Instant::now() < end {
        let mut input = seeds[draw.below(seeds.len())].1.clone();
        if let Some(first) = input.first_mut() {
            *first = draw.next() as u8;
        }
        mutate(&mut draw, &seeds, &mut input);
        run(name, *target, &input);
        count += 1;
    }
    println!("{name}: {count} inputs");
}

#[test]
fn whatever_the_log_holds_its_reader_survives() {
    fuzz("wal");
}

#[test]
fn whatever_a_page_holds_its_decoder_survives() {
    fuzz("page");
}

#[test]
fn whatever_the_control_file_holds_it_is_believed_or_refused() {
    fuzz("control_file");
}

#[test]
fn whatever_a_client_sends_is_lines_or_refused() {
    fuzz("line_protocol");
}
