//! The power-cut tool on a real mount: shell programs run on its file system, and what they had
//! synced must be in every image. `tests/powercut/src/model/tests.rs` has the model's promises one
//! by one; this is the way through the kernel and back.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tests::binary::powercut;
use tests::draw::Draw;
use tests::scratch::Scratch;
use tests::setup::{Finished, run_to_end};
use tests::skip::{is_root, skip, works};

/// A directory with the tool's three: initial content, mount, images.
struct Place {
    scratch: Scratch,
}

impl Place {
    /// None, and the reason written down, where nothing can be mounted.
    fn new(test: &str) -> Option<Place> {
        let device = File::options().read(true).write(true).open("/dev/fuse");
        if let Err(error) = device {
            skip(test, &format!("/dev/fuse: {error}"));
            return None;
        }
        if !is_root() || !works(Command::new("unshare").args(["--mount", "true"])) {
            skip(test, "only root may mount");
            return None;
        }
        let scratch = Scratch::new();
        for name in ["src", "mnt"] {
            std::fs::create_dir(scratch.join(name)).expect("a new directory");
        }
        Some(Place { scratch })
    }

    fn path(&self) -> &Path {
        self.scratch.path()
    }

    /// Runs a shell program in this place; returns what the tool says.
    fn run(&self, options: &[&str], program: &str) -> serde_json::Value {
        let mut tool = Command::new(powercut());
        tool.current_dir(self.path()).args(["run", "--src", "src", "--mnt", "mnt"]);
        tool.args(["--journal", "journal"]).args(options).args(["--", "sh", "-euc", program]);
        json(&run_to_end(&mut tool, Duration::from_secs(60)))
    }

    /// Builds an image at `out`, in place of an older one.
    fn image(&self, out: &str, options: &[&str]) -> serde_json::Value {
        let _ = std::fs::remove_dir_all(self.scratch.join(out));
        let mut tool = Command::new(powercut());
        tool.current_dir(self.path()).args(["image", "--journal", "journal", "--out", out]);
        json(&run_to_end(tool.args(options), Duration::from_secs(60)))
    }

    fn content(&self, path: &str) -> Option<Vec<u8>> {
        std::fs::read(self.scratch.join(path)).ok()
    }
}

fn json(ended: &Finished) -> serde_json::Value {
    assert!(ended.status.success(), "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).expect("it prints a line of JSON")
}

/// A shell program of random changes, with what it leaves synced under which name.
fn random_program(draw: &mut Draw) -> (String, BTreeMap<String, Vec<u8>>) {
    let (mut program, mut facts) = (String::new(), BTreeMap::new());
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for step in 0..40 {
        let name = format!("f{}", draw.below(4));
        let content = files.entry(name.clone()).or_default();
        let line = match draw.below(6) {
            0..3 => {
                facts.remove(&name);
                write_some(draw, &name, content)
            }
            3 => {
                facts.remove(&name);
                let size = draw.below(20_000);
                content.resize(size as usize, 0);
                format!("truncate -s {size} mnt/{name}")
            }
            4 => {
                let (how, content) = (["", "-d"][draw.below(2) as usize], content.clone());
                facts.insert(name.clone(), content);
                format!(">> mnt/{name}; sync {how} mnt/{name}; sync mnt")
            }
            _ => {
                let (new, content) = (format!("g{step}"), files.remove(&name).unwrap_or_default());
                facts.remove(&name);
                facts.insert(new.clone(), content);
                format!(">> mnt/{name}; mv mnt/{name} mnt/{new}; sync mnt/{new}; sync mnt")
            }
        };
        writeln!(program, "{line}").expect("a string takes everything");
    }
    (program, facts)
}

/// A write of one character, many times, somewhere.
fn write_some(draw: &mut Draw, name: &str, content: &mut Vec<u8>) -> String {
    let (byte, length) = (b'a' + draw.below(26) as u8, 1 + draw.below(9_000) as usize);
    let offset = draw.below(20_000) as usize;
    content.resize(content.len().max(offset + length), 0);
    content[offset..offset + length].fill(byte);
    let character = char::from(byte);
    format!(
        "head -c {length} /dev/zero | tr '\\0' {character} | dd of=mnt/{name} bs={length} \
         iflag=fullblock oflag=seek_bytes seek={offset} conv=notrunc status=none"
    )
}

#[test]
fn what_was_synced_is_in_every_image() {
    let Some(place) = Place::new("what_was_synced_is_in_every_image") else { return };
    for seed in 0..3 {
        let (program, facts) = random_program(&mut Draw::new(seed));
        assert!(!facts.is_empty(), "seed {seed} syncs nothing");
        let run = place.run(&[], &program);
        assert_eq!(run["cut"], false);
        for names in ["posix", "inode", "journal"] {
            for draw in ["1", "2", "3"] {
                place.image("image", &["--names", names, "--seed", draw]);
                for (name, content) in &facts {
                    let found = place.content(&format!("image/{name}"));
                    let whole = found.as_ref() == Some(content);
                    assert!(whole, "program {seed}, {names}, --seed {draw}: {name} is lost");
                }
            }
        }
    }
}

#[test]
fn what_was_not_synced_can_be_lost_and_a_kill_loses_nothing() {
    let test = "what_was_not_synced_can_be_lost_and_a_kill_loses_nothing";
    let Some(place) = Place::new(test) else { return };
    std::fs::create_dir(place.scratch.join("src/d")).expect("a new directory");
    std::fs::write(place.scratch.join("src/d/old"), "durable").expect("a new file");
    std::os::unix::fs::symlink("d/old", place.scratch.join("src/link")).expect("a new link");
    place.run(&[], "cat mnt/link > mnt/copy; echo x >> mnt/d/old; ln -s d mnt/new");
    place.image("lost", &["--policy", "lose"]);
    assert_eq!(place.content("lost/link"), Some(b"durable".to_vec()));
    assert_eq!(place.content("lost/copy"), None);
    place.image("kept", &["--policy", "keep"]);
    assert_eq!(place.content("kept/new/old"), Some(b"durablex\n".to_vec()));
    assert_eq!(place.content("kept/copy"), Some(b"durable".to_vec()));
}

/// A symbolic link was journalled before its target: a cut between the two left a link that cannot
/// be written, and no image.
#[test]
fn every_record_is_a_place_for_a_cut() {
    let Some(place) = Place::new("every_record_is_a_place_for_a_cut") else { return };
    let run = place.run(&[], "mkdir mnt/d; ln -s d mnt/link; echo x > mnt/link/f; mv mnt/d mnt/e");
    let records = run["records"].as_u64().expect("a number");
    for record in 1..records {
        let at = format!("rec:{record}");
        let image = place.image("image", &["--policy", "keep", "--at", &at]);
        assert!(image["record"].as_u64() <= Some(record), "{image}");
    }
    assert_eq!(place.content("image/e/f"), Some(b"x\n".to_vec()));
}

#[test]
fn a_seed_names_one_image() {
    let Some(place) = Place::new("a_seed_names_one_image") else { return };
    let (program, _) = random_program(&mut Draw::new(9));
    place.run(&[], &program);
    for at in ["end", "rec:rand", "sync:rand"] {
        let options = ["--at", at, "--seed", "9"];
        assert_eq!(place.image("a", &options), place.image("b", &options), "{at}");
        let same = works(Command::new("diff").current_dir(place.path()).args(["-r", "a", "b"]));
        assert!(same, "{at}: the trees differ");
    }
}

#[test]
fn the_power_goes_while_an_fsync_is_under_way() {
    let Some(place) = Place::new("the_power_goes_while_an_fsync_is_under_way") else { return };
    let program = "for i in 1 2 3 4 5; do echo $i >> mnt/f; sync mnt/f; echo $i >> answered; done";
    let run = place.run(&["--cut-sync", "3", "--sync-us", "500"], program);
    assert_eq!((&run["cut"], &run["syncs"]), (&true.into(), &3.into()));
    assert!(run["killed"].as_u64() >= Some(1), "{run}");
    assert_eq!(place.content("answered"), Some(b"1\n2\n".to_vec()), "the third had no answer");
    place.image("image", &["--policy", "lose"]);
    assert_eq!(place.content("image/f"), Some(b"1\n2\n".to_vec()));
    place.image("earlier", &["--policy", "lose", "--at", "sync:2"]);
    assert_eq!(place.content("earlier/f"), Some(b"1\n".to_vec()));
}

#[test]
fn the_power_goes_after_a_time_and_takes_orphans_with_it() {
    let test = "the_power_goes_after_a_time_and_takes_orphans_with_it";
    let Some(place) = Place::new(test) else { return };
    let run = place.run(&["--cut-after", "0.3"], "(setsid sleep 600 &); cd mnt; exec sleep 600");
    assert_eq!((&run["cut"], run["killed"].as_u64() >= Some(2)), (&true.into(), true), "{run}");
    let mounts = std::fs::read_to_string("/proc/mounts").expect("proc is there");
    assert!(!mounts.contains(place.path().to_str().expect("plain text")), "it stays mounted");
}

#[test]
fn a_fault_strikes_where_it_was_ordered() {
    let Some(place) = Place::new("a_fault_strikes_where_it_was_ordered") else { return };
    let faults = ["--fail", "fsync:EIO:/f:1:1", "--fail", "write:ENOSPC:/g:0:1"];
    let program = "echo 1 > mnt/f; sync mnt/f; echo 2 > mnt/g || true; sync mnt/g
        if sync mnt/f; then exit 1; fi; sync mnt/f; echo 3 > mnt/g; touch done";
    place.run(&faults, program);
    assert!(place.content("done").is_some(), "a step went otherwise");
    place.image("image", &["--policy", "keep"]);
    assert_eq!(place.content("image/g"), Some(b"3\n".to_vec()));
}

#[test]
fn a_signal_cuts_the_power_and_a_command_that_is_not_there_leaves_no_mount() {
    let test = "a_signal_cuts_the_power_and_a_command_that_is_not_there_leaves_no_mount";
    let Some(place) = Place::new(test) else { return };
    let run = place.run(&[], "kill -USR1 $PPID; sleep 600");
    assert_eq!(run["cut"], true);
    let mut tool = Command::new(powercut());
    tool.current_dir(place.path()).args(["run", "--src", "src", "--mnt", "mnt"]);
    tool.args(["--journal", "journal", "--", "./nothing-here"]);
    let ended = run_to_end(&mut tool, Duration::from_secs(60));
    assert_eq!(ended.status.code(), Some(2), "{}", ended.stderr);
    let mounts = std::fs::read_to_string("/proc/mounts").expect("proc is there");
    assert!(!mounts.contains(place.path().to_str().expect("plain text")), "it stays mounted");
}
