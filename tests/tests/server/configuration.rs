//! A configuration is read whole or not at all: what is wrong with it is named with file, line and
//! column, and what would be right.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;

use tests::clock::wait_until;
use tests::processes::signal;
use tests::scratch::Scratch;
use tests::server::{Server, Stop};
use tests::setup::{Finished, Setup};
use tests::skip::is_root;

const SOON: Duration = Duration::from_secs(20);

/// Checks a file of that text.
fn check(scratch: &Scratch, text: &str) -> (Finished, PathBuf) {
    let file = scratch.join("try.toml");
    std::fs::write(&file, text).expect("written");
    let setup = Setup::new().argument("-c").argument(&file).argument("--check");
    (setup.run_to_end(&scratch.join("absent")), file)
}

#[test]
fn the_annotated_default_file_is_good_and_stands_in_a_new_directory() {
    let scratch = Scratch::new();
    let ours = tests::binary::workspace().join("config/mamont.toml");
    let text = std::fs::read_to_string(ours).expect("the default file is in config/");
    let (done, _) = check(&scratch, &text);
    assert!(done.status.success(), "{}", done.stderr);
    assert!(!scratch.join("absent").exists(), "--check makes nothing");
    let server = Server::start();
    let made = std::fs::read_to_string(server.data().join("mamont.toml")).expect("it was made");
    assert_eq!(made, text);
}

#[test]
fn each_mistake_is_named_with_its_place_and_what_would_be_right() {
    let scratch = Scratch::new();
    for (text, place, words) in [
        ("[memory]\nshared_bufers = \"1MB\"\n", "2:1", "shared_buffers"),
        ("[memory]\nshared_buffers = \"1 furlong\"\n", "2:18", "MB"),
        ("[memory]\nshared_buffers = \"1s\"\n", "2:18", "MB"),
        ("[memory]\nshared_buffers = true\n", "2:18", "128"),
        ("[memory]\nshared_buffers = \"1kB\"\n", "2:18", "128kB"),
        ("[connections]\nport = 70000\n", "2:8", "65535"),
        ("[connections]\nport = \"x\"\n", "2:8", "number"),
        ("[checkpoint]\ncheckpoint_timeout = \"5parsec\"\n", "2:22", "min"),
        ("[checkpoint]\ncheckpoint_completion_target = 1.5\n", "2:32", "1"),
        ("[wal]\nwal_level = \"minimal\"\n", "2:13", "replica"),
        ("[wal\nx = 1\n", "1:", ""),
        ("[nonsense]\nx = 1\n", "1:", "nonsense"),
        ("[memory]\nport = 7432\n", "2:1", "connections"),
        ("[connections]\nport = 1\nport = 2\n", "3:1", "duplicate"),
        ("[connections]\nlisten_addresses = \"0.0.0.0\"\n", "2:", "loopback"),
        ("\u{0}\u{1}\u{2}", "1:", ""),
    ] {
        let (done, file) = check(&scratch, text);
        assert!(!done.status.success(), "{text}");
        let place = format!("{}:{place}", file.display());
        assert!(done.stderr.contains(&place), "{text}: no {place} in {}", done.stderr);
        assert!(done.stderr.contains(words), "{text}: no {words} in {}", done.stderr);
    }
    assert!(!scratch.join("absent").exists());
}

#[test]
fn impossible_combinations_are_refused() {
    let scratch = Scratch::new();
    let text = "[checkpoint]\nmin_wal_size = \"2GB\"\nmax_wal_size = \"1GB\"\n";
    let (done, _) = check(&scratch, text);
    assert!(!done.status.success());
    assert!(done.stderr.contains("max_wal_size"), "{}", done.stderr);
}

#[test]
fn a_file_that_is_missing_unreadable_or_nonsense_stops_the_start() {
    let scratch = Scratch::new();
    let start = |file: &Path| {
        let setup = Setup::new().argument("-c").argument(file);
        setup.run_to_end(&scratch.join("d"))
    };
    let missing = start(&scratch.join("missing.toml"));
    assert!(!missing.status.success() && missing.stderr.contains("missing.toml"));
    let directory = start(scratch.path());
    assert!(!directory.status.success(), "{}", directory.stderr);
    let noise = scratch.join("noise.toml");
    let bytes: Vec<u8> =
        (0..4096u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    std::fs::write(&noise, bytes).expect("written");
    let nonsense = start(&noise);
    assert!(!nonsense.status.success() && nonsense.stderr.contains("noise.toml"));
    let huge = scratch.join("huge.toml");
    std::fs::File::create(&huge).and_then(|f| f.set_len(8 << 30)).expect("a sparse file");
    assert!(!start(&huge).status.success());
    assert!(!scratch.join("d").exists(), "nothing was half begun");
}

#[test]
fn an_override_is_checked_as_strictly_as_the_file() {
    let scratch = Scratch::new();
    for bad in ["nonsense=1", "port=x", "shared_buffers=1", "wal_level=minimal", "=1", "port"] {
        let setup = Setup::new().argument("--set").argument(bad).argument("--check");
        let done = setup.run_to_end(&scratch.join("d"));
        assert!(!done.status.success(), "{bad}");
    }
    let good = Setup::new().set("shared_buffers", "1MB").argument("--check");
    assert!(good.run_to_end(&scratch.join("d")).status.success());
}

#[test]
fn hang_up_reloads_what_can_be_reloaded_and_says_what_cannot() {
    let mut server = Server::start();
    server.allow("max_connections");
    let mut client = server.connect();
    assert_eq!(client.value("SHOW checkpoint_timeout"), "5min");
    let file = server.data().join("mamont.toml");
    let text = "[checkpoint]\ncheckpoint_timeout = \"7min\"\n[connections]\nmax_connections = 50\n";
    std::fs::write(&file, text).expect("written");
    let before = server.log().len();
    signal(server.pid(), Signal::SIGHUP);
    wait_until("sessions see the new value", SOON, || {
        client.value("SHOW checkpoint_timeout") == "7min"
    });
    assert_eq!(client.value("SHOW max_connections"), "100");
    wait_until("the log names what needs a restart", SOON, || {
        server.log().text_from(before).contains("max_connections")
    });
    assert_eq!(server.connect().value("SHOW checkpoint_timeout"), "7min");
    server.stop(Stop::Fast);
    server.start_again();
    assert_eq!(server.connect().value("SHOW max_connections"), "50");
}

#[test]
fn a_bad_file_at_reload_changes_nothing_and_is_reported() {
    let mut server = Server::start();
    server.allow("mamont.toml");
    let mut client = server.connect();
    let file = server.data().join("mamont.toml");
    std::fs::write(&file, "[checkpoint]\ncheckpoint_timeout = \"7min\"\nnonsense = 1\n")
        .expect("written");
    let before = server.log().len();
    signal(server.pid(), Signal::SIGHUP);
    wait_until("the log names it", SOON, || server.log().text_from(before).contains("nonsense"));
    assert_eq!(client.value("SHOW checkpoint_timeout"), "5min");
    client.ok("SELECT 1");
}

#[test]
fn settings_of_a_session_are_its_own() {
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    a.ok("SET synchronous_commit = off");
    assert_eq!(a.value("SHOW synchronous_commit"), "off");
    assert_eq!(b.value("SHOW synchronous_commit"), "on");
    a.ok("BEGIN; SET work_mem = '1MB'");
    a.ok("ROLLBACK");
    assert_eq!(a.value("SHOW work_mem"), "4MB", "SET is undone with its transaction");
}

#[test]
fn other_addresses_than_loopback_are_refused() {
    let scratch = Scratch::new();
    for address in ["0.0.0.0", "::", "192.0.2.1", "example.org"] {
        let done = Setup::new().set("listen_addresses", address).run_to_end(&scratch.join("d"));
        assert!(!done.status.success(), "{address}");
        assert!(done.stderr.contains("loopback"), "{address}: {}", done.stderr);
    }
    assert!(!scratch.join("d").exists());
}

#[test]
fn a_directory_that_is_somebody_elses_is_left_alone() {
    let scratch = Scratch::new();
    let data = scratch.join("d");
    std::fs::create_dir(&data).expect("made");
    std::fs::write(data.join("letter.txt"), "dear").expect("written");
    let done = Setup::new().run_to_end(&data);
    assert!(!done.status.success());
    assert!(done.stderr.contains("data directory"), "{}", done.stderr);
    let names: Vec<_> = std::fs::read_dir(&data).expect("readable").flatten().collect();
    assert_eq!(names.len(), 1, "nothing was put there");
    let file = Setup::new().run_to_end(&data.join("letter.txt"));
    assert!(!file.status.success());
}

#[test]
fn an_empty_directory_is_initialised_and_the_log_says_so() {
    let scratch = Scratch::new();
    let data = scratch.join("d");
    std::fs::create_dir(&data).expect("made");
    let server = Setup::new().start_in(scratch, data);
    server.connect().ok("SELECT 1");
    assert!(server.log().text().to_lowercase().contains("initiali"), "{}", server.log().text());
}

#[test]
fn an_initialisation_that_was_killed_is_done_again() {
    for delay_ms in [0, 2, 5, 10, 15, 20, 30, 50] {
        let scratch = Scratch::new();
        let data = scratch.join("d");
        let mut child = Setup::new()
            .command(&data)
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("started");
        std::thread::sleep(Duration::from_millis(delay_ms));
        child.kill().expect("killed");
        child.wait().expect("gone");
        let server = Setup::new().allow_crashes().start_in(scratch, data);
        server.connect().ok("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let name = "a_directory_that_cannot_be_written_is_named";
    if !is_root() {
        let scratch = Scratch::new();
        let data = scratch.join("d");
        std::fs::create_dir(&data).expect("made");
        let mut mode = data.metadata().expect("there").permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o500);
        std::fs::set_permissions(&data, mode).expect("ours");
        let done = Setup::new().run_to_end(&data);
        assert!(!done.status.success() && done.stderr.contains("d\""), "{}", done.stderr);
        return;
    }
    // Root may write anywhere: act as nobody.
    let Some((scratch, setup)) = super::intruders::as_nobody(name) else { return };
    let data = scratch.join("roots");
    std::fs::create_dir(&data).expect("made");
    for path in [data.clone(), data.join("below")] {
        let done = setup.run_to_end(&path);
        assert!(!done.status.success());
        assert!(done.stderr.contains("roots"), "{}", done.stderr);
    }
    assert_eq!(std::fs::read_dir(&data).expect("readable").count(), 0);
}
