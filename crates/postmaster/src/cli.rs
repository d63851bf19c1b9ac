//! The command line of `postmaster`.

use std::path::PathBuf;

use clap::Parser;

/// The Mamont database server.
#[derive(Parser, Debug)]
#[command(name = "postmaster", version, about, max_term_width = 100)]
pub struct Arguments {
    /// The data directory; an absent or empty one is initialised
    #[arg(short = 'D', long = "data-directory", value_name = "DIR", default_value = "./data")]
    pub data_directory: PathBuf,

    /// The configuration file, instead of mamont.toml in the data directory
    #[arg(short = 'c', long = "config-file", value_name = "FILE")]
    pub config_file: Option<PathBuf>,

    /// Overrides one setting, for example --set port=7433
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parse_override)]
    pub overrides: Vec<String>,

    /// Only checks the configuration
    #[arg(long)]
    pub check: bool,
}

fn parse_override(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((name, _)) if !name.trim().is_empty() => Ok(text.to_owned()),
        _ => Err("must be NAME=VALUE, for example port=7433".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent_and_an_override_has_a_name_and_an_equals_sign() {
        Arguments::command().debug_assert();
        let line = ["postmaster", "-D", "d", "--set", "port=1", "--set", "a = b=c"];
        let arguments = Arguments::try_parse_from(line).expect("a good line");
        assert_eq!(arguments.overrides, ["port=1", "a = b=c"]);
        for bad in ["port", "=1"] {
            assert!(Arguments::try_parse_from(["postmaster", "--set", bad]).is_err(), "{bad}");
        }
    }
}
