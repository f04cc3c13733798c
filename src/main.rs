//! Parse, run, exit code.

fn main() -> std::process::ExitCode {
    tonspur::cli::run()
}
