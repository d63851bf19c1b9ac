//! Tests of reading the configuration, and of the default file.

use std::fmt::Write as _;
use std::time::Duration;

use super::*;
use crate::Context;

fn problems(text: &str, overrides: &[&str]) -> Vec<Problem> {
    let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
    match parse(text, "mamont.toml", &overrides) {
        Err(Error::Configuration(problems)) => problems,
        other => panic!("expected problems, not {other:?}"),
    }
}

/// The only problem of a file, as it is printed.
fn problem(text: &str) -> String {
    let problems = problems(text, &[]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].to_string()
}

#[test]
fn values_come_from_the_file_and_overrides_win() {
    let text = "[wal]\nfsync = false\nwal_level = \"logical\"\nwal_buffers = -1\n\
                synchronous_commit = false\n\
                [memory]\nshared_buffers = 16_384\nwork_mem = \"8MB\"\n\
                [checkpoint]\ncheckpoint_timeout = \"30s\"\ncheckpoint_completion_target = 1\n\
                [connections]\nport = 0x1f90\nlisten_addresses = \"\"\n";
    let overrides = ["work_mem = 16MB".to_owned(), "TIMEZONE=GMT".to_owned()];
    let settings = parse(text, "mamont.toml", &overrides).expect("a good file");
    assert!(!settings.fsync);
    assert_eq!(settings.wal_level, crate::WalLevel::Logical);
    assert_eq!(settings.synchronous_commit, crate::SynchronousCommit::Off);
    assert_eq!(settings.shared_buffers, 128 << 20);
    assert_eq!(settings.work_mem, 16 << 20);
    assert_eq!(settings.checkpoint_timeout, Duration::from_secs(30));
    assert_eq!(settings.checkpoint_completion_target, 1.0);
    assert_eq!(settings.port, 8080);
    assert_eq!(settings.time_zone, "UTC");
    let origin = |name: &str| settings.origin(find(name).expect(name));
    assert_eq!(origin("fsync"), Origin::File(2));
    assert_eq!(origin("work_mem"), Origin::CommandLine);
    assert_eq!(origin("max_wal_size"), Origin::Default);
}

#[test]
fn each_problem_says_where_it_is_and_what_would_be_right() {
    let cases = [
        ("[memory]\n  shared_bufers = 1", ":2:3: unrecognized", "meant \"shared_buffers\""),
        ("[memory]\nshared_buffers = \"128mb\"", ":2:18: invalid value", "units B, kB, MB"),
        (
            "[memory]\nshared_buffers = 1.5",
            ":2:18: \"shared_buffers\" cannot be a TOML float",
            "size",
        ),
        ("[memory]\nwork_mem = []", ":2:12: \"work_mem\" cannot be a TOML array", "size"),
        ("[wal]\nfsync = \"maybe\"", ":2:9: \"fsync\" cannot be a TOML string", "true or false"),
        ("[wal]\nwal_level = \"minimal\"", ":2:13: invalid value", "\"replica\" or \"logical\""),
        ("[connections]\nport = 70000", ":2:8: 70000 is outside", "0 to 65535"),
        ("[connections]\nport = 99999999999999999999", ":2:8:", "0 to 65535"),
        (
            "[connections]\nport = \"7432\"",
            ":2:8: \"port\" cannot be a TOML string",
            "whole number",
        ),
        ("[wal]\nport = 7432", ":2:1: \"port\" stands in the table [wal]", "[connections]"),
        ("port = 7432", ":1:1: \"port\" stands outside", "[connections]"),
        ("[conections]\nport = 7432", ":1:2: unknown table", "[connections]"),
        ("[x]\nport = 7432", ":1:2: unknown table", "[connections], [memory], [planner], [wal]"),
        ("[wal]\nblock_size = 8192", ":2:1: parameter \"block_size\" cannot be changed", ""),
        (
            "[client]\nTimeZone = \"UTC\"\ntimezone = \"UTC\"",
            ":3:1: \"TimeZone\" is set twice",
            "line 2",
        ),
        ("[checkpoint]\nmin_wal_size = \"2GB\"", ":2:1: min_wal_size (2048MB) is greater", "Lower"),
        ("[checkpoint]\nmax_wal_size = \"16MB\"", ":2:16: 16 MB is outside", "32MB"),
        ("[connections]\nlisten_addresses = \"*\"", ":2:1: cannot listen on \"*\"", "loopback"),
        ("[bgwriter]\nbgwriter_lru_multiplier = nan", ":2:27: NaN is outside", "0 to 10"),
        ("# ü\n[wal]\nfsync = tru # ü", ":3:9:", ""),
        ("[wal]\nfsync = true\nfsync = true", ":3:1:", ""),
    ];
    for (text, message, hint) in cases {
        let shown = problem(text);
        assert!(shown.contains(message), "{text}\n-> {shown}\nlacks {message}");
        assert!(shown.contains(hint), "{text}\n-> {shown}\nlacks {hint}");
        assert!(shown.starts_with("mamont.toml:"), "{shown}");
    }
}

#[test]
fn all_problems_are_told_in_the_order_of_the_file() {
    let text = "[wal]\nfsync = 1\nbroken = = 2\nwal_level = \"x\"\n[memory]\nwork_men = 1\n\
                [checkpoint]\nmin_wal_size = \"2GB\"\n";
    let told = problems(text, &["port", "ports=1", "port=x", "block_size=8192", "=1"]);
    let lines: Vec<Option<u32>> = told.iter().map(|p| p.position.map(|(line, _)| line)).collect();
    assert_eq!(lines[..5], [Some(2), Some(3), Some(4), Some(6), Some(8)], "{told:#?}");
    assert_eq!(lines[5..], [None; 5]);
    assert!(told[5..].iter().all(|problem| problem.place.starts_with("--set")));
}

#[test]
fn a_conflict_with_an_override_is_the_command_line_s() {
    let told = problems("[checkpoint]\nmin_wal_size = \"500MB\"", &["max_wal_size=64MB"]);
    assert_eq!((told[0].place.as_str(), told[0].position), ("--set", None));
}

#[test]
fn hostile_files_end_in_errors() {
    let deep = format!("[wal]\nfsync = {}", "[".repeat(100_000));
    let many = format!(
        "[wal]\n{}",
        (0..2000).fold(String::new(), |mut text, n| {
            let _ = writeln!(text, "k{n} = 1");
            text
        })
    );
    for text in [deep.as_str(), "\0", "[[wal]]\nfsync = true", "wal = 1", "\u{feff}[", "[wal"] {
        assert!(parse(text, "mamont.toml", &[]).is_err(), "{:.20}", text);
    }
    let told = problems(&many, &[]);
    assert_eq!(told.len(), MAX_PROBLEMS + 1);
    assert_eq!(told[MAX_PROBLEMS].message, "1950 more problems");
}

#[test]
fn files_that_cannot_be_read_say_why() {
    let directory = std::env::temp_dir().join(format!("mamont-config-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory for the test");
    let load = |name: &str, bytes: &[u8]| {
        let path = directory.join(name);
        std::fs::write(&path, bytes).expect("a file for the test");
        load(&path, &[]).map_err(|error| error.to_string())
    };
    let good = load("good.toml", b"[wal]\nfsync = false\n").expect("a good file");
    assert!(good.config_file.ends_with("good.toml"));
    let bad = load("bad.toml", b"# \xc3\xbc\n[w\xffal]").expect_err("not UTF-8");
    assert!(bad.contains("line 2, column 3"), "{bad}");
    let large = load("large.toml", &vec![b'#'; MAX_FILE_SIZE as usize + 1]);
    assert!(large.expect_err("too large").contains("larger than"));
    let missing = super::load(&directory.join("none.toml"), &[]).expect_err("missing").to_string();
    assert!(missing.contains("none.toml") && missing.contains("No such file"), "{missing}");
    let kind = super::load(&directory, &[]).expect_err("a directory").to_string();
    assert!(kind.contains("not a regular file"), "{kind}");
    std::fs::remove_dir_all(&directory).expect("the test's own directory");
}

/// The default file as it must be. When it differs, the test writes nothing: run it with
/// `MAMONT_WRITE_DEFAULT_FILE=1` to bring the file up to date.
fn annotated() -> String {
    let mut file = String::from(
        "# The settings of a Mamont server. Each stands here with its default: take the # away\n\
         # and change the value. Names and meanings are PostgreSQL's.\n\
         #\n\
         # Sizes take the units B, kB, MB, GB, TB (powers of 1024), times us, ms, s, min, h, d; a\n\
         # plain number counts the unit that is given. `postmaster --check` says whether the file\n\
         # is good, `kill -HUP` of the server reads it again, and `postmaster --set NAME=VALUE`\n\
         # wins over it.\n",
    );
    let mut section = "";
    for setting in settings().iter().filter(|setting| setting.in_file()) {
        if setting.section != section {
            section = setting.section;
            let _ = write!(file, "\n[{section}]\n");
        }
        annotate(setting, &mut file);
    }
    file
}

fn annotate(setting: &Setting, file: &mut String) {
    file.push('\n');
    let when = match setting.context {
        Context::Internal => unreachable!("it is not in the file"),
        Context::Init => "Used when the data directory is initialised.",
        Context::Postmaster => "Changes take effect at the next start.",
        Context::Sighup => "Changes take effect at reload.",
        Context::Superuser | Context::User => {
            "Changes take effect at reload; a session can SET its own."
        }
    };
    let note = error::expectation(setting).replacen("Expected ", "", 1);
    let (first, rest) = note.split_at(note.chars().next().map_or(0, char::len_utf8));
    let note = format!("{}{rest}", first.to_uppercase());
    for paragraph in [setting.explanation(), &format!("{note} {when}")] {
        wrap(paragraph, file);
    }
    let defaults = Settings::default();
    let value = (setting.get)(&defaults);
    let shown = match (&setting.kind, &value) {
        (Kind::Bool, Value::Bool(on)) => on.to_string(),
        (Kind::Integer { .. }, Value::Integer(n)) => n.to_string(),
        (Kind::Memory { .. } | Kind::Time { .. }, Value::Integer(n)) if *n <= 0 => n.to_string(),
        (Kind::Real { .. }, Value::Real(number)) => format!("{number:?}"),
        _ => format!("\"{}\"", units::format(&setting.kind, &value).replace('"', "\\\"")),
    };
    let _ = writeln!(file, "#{} = {shown}", setting.name);
}

/// Adds the words as comment lines of at most 90 characters.
fn wrap(text: &str, file: &mut String) {
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > 90 {
            let _ = writeln!(file, "{line}");
            line = String::from("#");
        }
        let _ = write!(line, " {word}");
    }
    let _ = writeln!(file, "{line}");
}

#[test]
fn the_default_file_tells_exactly_the_truth() {
    let expected = annotated();
    if std::env::var_os("MAMONT_WRITE_DEFAULT_FILE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/mamont.toml");
        std::fs::write(path, &expected).expect("the repository can be written");
    } else {
        assert!(DEFAULT_FILE == expected, "config/mamont.toml is not what the table says");
    }
}

#[test]
fn the_default_file_sets_nothing_and_uncommented_sets_every_default() {
    let defaults = Settings::default();
    assert_eq!(parse(DEFAULT_FILE, "mamont.toml", &[]).expect("good"), defaults);
    let is_setting = |line: &str| {
        let name = line.strip_prefix('#').and_then(|line| line.split_once(" = "));
        name.is_some_and(|(name, _)| find(name).is_some())
    };
    let uncommented: Vec<&str> =
        DEFAULT_FILE.lines().map(|line| if is_setting(line) { &line[1..] } else { line }).collect();
    let set = parse(&uncommented.join("\n"), "mamont.toml", &[]).expect("good");
    for setting in settings() {
        assert_eq!((setting.get)(&set), (setting.get)(&defaults), "{}", setting.name);
        let listed = matches!(set.origin(setting), Origin::File(_));
        assert_eq!(listed, setting.in_file(), "{}", setting.name);
    }
}
