//! The daemon's program.

fn main() -> std::process::ExitCode {
    postmaster::main()
}
