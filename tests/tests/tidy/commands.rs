//! The front page, the recipes and CI call the same commands.

use super::none;
use super::source::read;

/// The commands in the fenced blocks of the README's first screen, in order.
fn readme_commands() -> Vec<String> {
    let text = read("README.md");
    let mut commands = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside && !line.is_empty() {
            commands.push(line.to_owned());
        }
    }
    commands
}

#[test]
fn the_readme_has_one_command_to_run_and_one_to_test() {
    let commands = readme_commands();
    assert!(commands[0].starts_with("cargo run "), "{commands:?}");
    assert!(commands[1].starts_with("nc 127.0.0.1 7432"), "{commands:?}");
    assert_eq!(commands[2], "scripts/test.sh");
}

#[test]
fn the_first_screen_is_short() {
    let text = read("README.md");
    let end = text.find("scripts/test.sh").expect("the test command is there");
    let lines = text[..end].lines().count();
    assert!(lines <= 45, "the second command stands in line {lines}");
}

#[test]
fn ci_runs_the_readmes_test_command_and_then_the_checks() {
    let script = read(".ci/run");
    let lines: Vec<&str> =
        script.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
    let at = |command: &str| lines.iter().position(|line| *line == command);
    let test = at(&readme_commands()[2]).expect(".ci/run calls the README's second command");
    let check = at("scripts/check.sh").expect(".ci/run calls the checks");
    assert!(test < check, "first the tests, then the checks");
}

#[test]
fn the_recipes_are_one_line_each_and_call_the_same() {
    let text = read("justfile");
    let mut recipes: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines().filter(|l| !l.is_empty() && !l.starts_with(['#', '['])) {
        if let Some(body) = line.strip_prefix("    ") {
            recipes.last_mut().expect("a body follows its name").1.push(body.to_owned());
        } else if line.contains(':') && !line.contains(":=") && !line.starts_with("set ") {
            let name = line.split([' ', ':']).next().unwrap_or_default();
            recipes.push((name.to_owned(), Vec::new()));
        }
    }
    let of = |name: &str| {
        let recipe = recipes.iter().find(|(n, _)| n == name);
        recipe.unwrap_or_else(|| panic!("no recipe {name}")).1.join("\n")
    };
    for name in ["run", "test", "check", "crash", "bench", "dump-wal"] {
        assert_eq!(of(name).lines().count(), 1, "{name}");
    }
    let readme = readme_commands();
    let mut complaints = Vec::new();
    for (name, command) in [("run", &readme[0]), ("test", &readme[2])] {
        if !of(name).starts_with(command.as_str()) {
            complaints.push(format!("just {name} runs {}, the README {command}", of(name)));
        }
    }
    none(complaints);
}
