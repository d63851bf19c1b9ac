//! The daemon as the tests want it: faults of the disk and bugs can be switched on from outside
//! (`sys::fs::plan`, `sys::mutant`). Built with `--features faults` only.

fn main() -> std::process::ExitCode {
    postmaster::main()
}
