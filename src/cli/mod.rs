//! The command line: noun, verb, and an exit code that a script can rely on.
//!
//! | code | means |
//! | --- | --- |
//! | 0 | done |
//! | 1 | refused, or failed for a reason of its own |
//! | 2 | not a command: see `--help` |
//! | 3 | no such call, agent, recording, queue or user |
//! | 4 | no switch is running |
//! | 5 | the configuration is wrong |
//! | 6 | another switch is running on the same state |
//! | 7 | an address cannot be bound |
//! | 8 | the recordings folder, the state or a file cannot be read or written |
//! | 101 | a fault of ours: please report it |

mod agent;
mod block;
mod call;
mod certificate;
mod config;
mod demo;
mod failure;
mod live;
mod output;
mod place;
mod queue;
mod recording;
mod registration;
mod retention;
mod route;
mod serve;
mod subscription;
mod trunk;
mod user;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use failure::{Exit, Failure};
use output::Format;

/// A SIP softswitch for call centres: queues, consent, recording to WAV, retention that can be proven.
#[derive(Debug, Parser)]
#[command(
    name = "tonspur",
    version,
    about,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Cli {
    /// The folder with switch.toml, internal.toml and external.toml
    #[arg(long, global = true, value_name = "DIR", default_value = "sip-profiles")]
    profiles: PathBuf,
    /// Print JSON instead of tables
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the switch until SIGTERM or Ctrl-C
    Serve(serve::Arguments),
    /// Proves it: a recorded call from a carrier to an agent, and its deletion when its time has come
    Demo(demo::Arguments),
    /// The profiles
    #[command(subcommand)]
    Config(config::Verb),
    /// Calls: those that are up, and those of the past
    #[command(subcommand)]
    Call(call::Verb),
    /// Phones that are registered
    #[command(subcommand)]
    Registration(registration::Verb),
    /// Sources that are not answered, since they guessed passwords or flooded
    #[command(subcommand)]
    Block(block::Verb),
    /// What phones have subscribed to: lamps, messages
    #[command(subcommand)]
    Subscription(subscription::Verb),
    /// Carriers
    #[command(subcommand)]
    Trunk(trunk::Verb),
    /// Certificates of TLS
    #[command(subcommand)]
    Certificate(certificate::Verb),
    /// From numbers to destinations, as the files say
    #[command(subcommand)]
    Route(route::Verb),
    /// Callers who wait, and agents who take them
    #[command(subcommand)]
    Queue(queue::Verb),
    /// People who take calls from queues
    #[command(subcommand)]
    Agent(agent::Verb),
    /// Recordings
    #[command(subcommand)]
    Recording(recording::Verb),
    /// How long recordings are kept
    #[command(subcommand)]
    Retention(retention::Verb),
    /// Phones' owners and their passwords
    #[command(subcommand)]
    User(user::Verb),
}

/// What every verb is told.
#[derive(Debug)]
struct Context {
    profiles: PathBuf,
    format: Format,
}

/// Parses the arguments, runs, and says how it went.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let format = if cli.json { Format::Json } else { Format::Table };
    let context = Context { profiles: cli.profiles, format };
    match dispatch(&context, cli.command) {
        Ok(()) => ExitCode::from(Exit::Done.code()),
        Err(failure) => {
            // The exit code says it too, should nobody be able to read this.
            let _ = writeln!(std::io::stderr(), "{}", failure.text(format));
            ExitCode::from(failure.exit().code())
        }
    }
}

fn dispatch(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Call(verb) => call::run(context, verb),
        Command::Registration(verb) => registration::run(context, verb),
        Command::Subscription(verb) => subscription::run(context, verb),
        Command::Trunk(verb) => trunk::run(context, verb),
        Command::Certificate(verb) => certificate::run(context, verb),
        Command::Block(verb) => block::run(context, verb),
        Command::Route(verb) => route::run(context, verb),
        Command::Queue(verb) => queue::run(context, verb),
        Command::Agent(verb) => agent::run(context, verb),
        Command::Serve(arguments) => serve::run(context, &arguments),
        Command::Demo(arguments) => demo::run(context, &arguments),
        Command::Config(verb) => config::run(context, verb),
        Command::Recording(verb) => recording::run(context, verb),
        Command::Retention(verb) => retention::run(context, verb),
        Command::User(verb) => user::run(context, verb),
    }
}
