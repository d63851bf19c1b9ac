//! Making, sharing, losing and finding again.

use std::os::unix::fs::PermissionsExt;

use sys::process::{Ended, Signal, kill, wait_for};

use super::*;
use crate::testing::{eventually, spawn};
use crate::{LwLock, SharedPage};

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

fn file_of(name: &str) -> std::path::PathBuf {
    Path::new(SHM_DIRECTORY).join(name)
}

fn small_layout() -> (Layout, RegionId<AtomicU64>) {
    let mut layout = Layout::new();
    let region = layout.region::<AtomicU64>("numbers", 3);
    (layout, region)
}

#[test]
fn regions_are_zero_aligned_apart_and_in_the_table() {
    let directory = directory();
    let mut layout = Layout::new();
    let bytes = layout.region::<std::sync::atomic::AtomicU8>("bytes", 5);
    let pages = layout.region::<SharedPage>("pages", 3);
    let locks = layout.region::<LwLock>("locks", 7);
    let none = layout.region::<AtomicU64>("none", 0);
    let one = layout.region::<AtomicU64>("one", 1);
    let segment = Segment::create(layout, directory.path()).expect("room");
    assert!(segment.slice(none).is_empty());
    assert_eq!(segment.one(one).load(Ordering::Relaxed), 0);
    assert_eq!(segment.slice(pages)[1].as_ptr().addr() % 8192, 0);
    assert_eq!(std::ptr::from_ref(&segment.slice(locks)[0]).addr() % 128, 0);
    // Fill each with a different pattern; none may touch another.
    segment.slice(bytes).iter().for_each(|byte| byte.store(1, Ordering::Relaxed));
    segment.slice(pages).iter().for_each(|page| page.copy_in(&[2; 8192]));
    segment.one(one).store(3, Ordering::Relaxed);
    assert!(segment.slice(locks).iter().all(|lock| !lock.is_held()));
    assert!(segment.slice(bytes).iter().all(|byte| byte.load(Ordering::Relaxed) == 1));
    let infos: Vec<RegionInfo> = segment.regions().collect();
    let names: Vec<&str> = infos.iter().map(|info| info.name).collect();
    assert_eq!(names, ["bytes", "pages", "locks", "none", "one"]);
    assert!(infos.windows(2).all(|two| two[0].offset + two[0].size <= two[1].offset));
    let header = segment.header();
    for (info, entry) in infos.iter().zip(&header.regions) {
        assert_eq!(entry.name.get(), info.name);
        assert_eq!(entry.offset.load(Ordering::Relaxed), info.offset as u64);
        assert_eq!(entry.size.load(Ordering::Relaxed), info.size as u64);
    }
    assert_eq!(header.region_count.load(Ordering::Relaxed), 5);
    let last = infos.last().expect("five");
    assert!(last.offset + last.size <= segment.size());
    let address = std::ptr::from_ref(segment.one(one)).addr();
    assert_eq!(offset_of(address), last.offset as u64);
    segment.reset();
    assert_eq!(segment.one(one).load(Ordering::Relaxed), 0);
    assert!(segment.slice(bytes).iter().all(|byte| byte.load(Ordering::Relaxed) == 0));
    assert_eq!(header.magic.load(Ordering::Relaxed), MAGIC, "the header stays");
}

#[test]
fn children_share_it_and_do_not_remove_it() {
    let directory = directory();
    let (layout, numbers) = small_layout();
    let segment = Segment::create(layout, directory.path()).expect("room");
    let file = file_of(segment.name());
    assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
    let numbers = segment.slice(numbers);
    let name = segment.name().to_owned();
    let mut segment = Some(segment);
    let careless = spawn(|| {
        numbers[2].store(7, Ordering::Relaxed);
        drop(segment.take());
        numbers[1].store(6, Ordering::Relaxed);
        0
    });
    assert_eq!(wait_for(careless), Some(Ended::Exited(0)));
    assert_eq!(numbers[2].load(Ordering::Relaxed), 7);
    assert_eq!(numbers[1].load(Ordering::Relaxed), 6, "mapped even after the drop");
    assert!(file_of(&name).exists());
    drop(segment);
    assert!(!file_of(&name).exists());
    numbers[0].store(1, Ordering::Relaxed);
}

#[test]
fn whoever_gives_up_ownership_does_not_remove_it() {
    let directory = directory();
    let segment = Segment::create(small_layout().0, directory.path()).expect("room");
    let name = segment.name().to_owned();
    segment.forget_in_child();
    drop(segment);
    assert!(file_of(&name).exists());
    shm::unlink(&name).expect("there");
}

/// A beginning of names that no other test has, so that none cleans up for another.
fn family() -> String {
    format!("mamont-test-{}.", sys::process::pid())
}

/// Forks a server that makes a segment for `directory`, and returns its pid and the segment's name.
fn server(family: &str, directory: &Path) -> (i32, String) {
    let key = directory_key(directory).expect("there");
    let pid = spawn(|| {
        let segment = Segment::create_among(family, small_layout().0, directory).expect("room");
        std::thread::park();
        drop(segment);
        0
    });
    let name = format!("{family}{key}.{pid}");
    let complete = || {
        let bytes = fs::read(file_of(&name)).unwrap_or_default();
        bytes.starts_with(&MAGIC.to_ne_bytes())
    };
    assert!(eventually(complete));
    (pid, name)
}

#[test]
fn a_dead_servers_segment_is_removed_and_a_live_ones_is_not() {
    let family = family();
    let (one, two, third) = (directory(), directory(), directory());
    let (dead, dead_name) = server(&family, one.path());
    let (live, live_name) = server(&family, two.path());
    kill(dead, Signal::SIGKILL).expect("it lives");
    wait_for(dead);
    assert!(file_of(&dead_name).exists(), "it could not clean up");
    // Any server that starts cleans up, whatever its data directory.
    drop(Segment::create_among(&family, small_layout().0, third.path()).expect("room"));
    assert!(!file_of(&dead_name).exists());
    assert!(file_of(&live_name).exists());
    kill(live, Signal::SIGKILL).expect("it lives");
    wait_for(live);
    drop(Segment::create_among(&family, small_layout().0, two.path()).expect("room"));
    assert!(!file_of(&live_name).exists());
}

#[test]
fn an_unfinished_segment_is_removed_by_its_own_directory_only() {
    let family = family();
    let (one, two) = (directory(), directory());
    let name = format!("{family}{}.999999999", directory_key(one.path()).expect("there"));
    fs::write(file_of(&name), [0; 4096]).expect("writable");
    drop(Segment::create_among(&family, small_layout().0, two.path()).expect("room"));
    assert!(file_of(&name).exists(), "somebody may just be making it");
    drop(Segment::create_among(&family, small_layout().0, one.path()).expect("room"));
    assert!(!file_of(&name).exists());
}

#[test]
fn what_does_not_fit_is_refused_with_its_size_and_leaves_nothing() {
    let directory = directory();
    // More than the file system has in all: what is free changes while others test.
    let stat = rustix::fs::statvfs(SHM_DIRECTORY).expect("a file system");
    let mut layout = Layout::new();
    layout.region::<SharedPage>("buffers", (stat.f_blocks * stat.f_frsize / 8192 + 1) as usize);
    let size = layout.size();
    let error = Segment::create(layout, directory.path()).expect_err("too large");
    let Error::NoRoom { size: told, .. } = error else { panic!("{error}") };
    assert_eq!(told, size);
    let text = format!("could not reserve {} MB of shared memory in /dev/shm", size >> 20);
    assert_eq!(error.to_string(), text);
    let key = directory_key(directory.path()).expect("there");
    let after = sys::fs::read_dir_names(Path::new(SHM_DIRECTORY)).expect("readable");
    assert!(!after.iter().any(|name| name.contains(&key)), "{after:?}");
}

#[test]
fn sizes_beyond_all_bounds_are_refused() {
    let directory = directory();
    let mut layout = Layout::new();
    layout.region::<SharedPage>("buffers", usize::MAX / 100);
    layout.region::<SharedPage>("more", usize::MAX / 100);
    let result = Segment::create(layout, directory.path());
    assert!(matches!(result, Err(Error::TooLarge)));
    let missing = Segment::create(Layout::new(), &directory.path().join("missing"));
    assert!(matches!(missing, Err(Error::DataDirectory { .. })));
}

#[test]
fn every_page_is_really_reserved() {
    use std::os::linux::fs::MetadataExt;
    let directory = directory();
    let mut layout = Layout::new();
    layout.region::<SharedPage>("buffers", 100);
    let segment = Segment::create(layout, directory.path()).expect("room");
    let blocks = fs::metadata(file_of(segment.name())).expect("there").st_blocks();
    assert!(blocks * 512 >= segment.size() as u64);
}
