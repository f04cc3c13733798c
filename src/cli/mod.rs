//! The command line: noun, verb.

/// Parses the arguments, runs, and says how it went.
pub fn run() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
