//! `user add|remove`: phones' owners. The files are written; a running switch reads them at its next start. `user forward|dnd`: what
//! becomes of their calls, at once.

use std::io::Read;

use clap::Subcommand;

use super::output::{self, Format};
use super::{Context, Exit, Failure, live};
use crate::io::profiles::{self, NewUser, Present, Refused};
use crate::redacted::Redacted;
use crate::switch::control::{ForwardingRow, Reply, Request};
use crate::switch::forwarding::Occasion;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Gives a user a password: a new user, or one whose file has none yet
    Add {
        /// The extension: what others dial, and the phone's user name
        extension: String,
        /// The name shown to whom they call
        #[arg(long)]
        name: Option<String>,
        /// The number shown to carriers
        #[arg(long, value_name = "NUMBER")]
        caller_id: Option<String>,
        /// Read the password from standard input, instead of making one and printing it
        #[arg(long)]
        password_stdin: bool,
        /// Overwrite a password that is set already
        #[arg(long)]
        replace: bool,
    },
    /// Forwards a user's calls: to a number, or `off`; says where they go if nothing is to be changed
    Forward {
        /// The extension
        extension: String,
        /// Whenever somebody calls
        #[arg(long, value_name = "NUMBER")]
        always: Option<String>,
        /// While the phones are busy, or the user does not want to be disturbed
        #[arg(long, value_name = "NUMBER")]
        busy: Option<String>,
        /// When nobody has answered
        #[arg(long, value_name = "NUMBER")]
        no_answer: Option<String>,
        /// With `--no-answer`: after so many seconds
        #[arg(long, value_name = "SECONDS", requires = "no_answer", value_parser = clap::value_parser!(u64).range(5..=600))]
        after: Option<u64>,
        /// While no phone is registered
        #[arg(long, value_name = "NUMBER")]
        unregistered: Option<String>,
        /// Ends all forwarding
        #[arg(long, conflicts_with_all = ["always", "busy", "no_answer", "unregistered"])]
        off: bool,
    },
    /// Keeps a user's phones silent, or lets them ring again
    Dnd {
        /// The extension
        extension: String,
        /// Silent or not
        state: State,
    },
    /// Deletes a user's file
    Remove {
        /// The extension
        extension: String,
        /// Only says which file would go, or why it may not
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum State {
    /// No phone of theirs rings
    On,
    /// Their phones ring
    Off,
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Add { extension, name, caller_id, password_stdin, replace } => {
            let (password, made) = if password_stdin { (typed()?, false) } else { (made()?, true) };
            let user = NewUser {
                extension: extension.clone(),
                name: name.map(Redacted::new),
                caller_id: caller_id.map(Redacted::new),
                password: password.clone(),
                present: if replace { Present::Replace } else { Present::Keep },
            };
            let path = profiles::add_user(&context.profiles, &user).map_err(refused)?;
            let shown = made.then(|| password.reveal().clone());
            output::print(&match context.format {
                Format::Json => output::value(
                    &serde_json::json!({ "extension": extension, "file": path, "password": shown }),
                )?,
                Format::Table => {
                    let secret = shown
                        .map(|password| format!("password   {password}   (shown this once)\n"))
                        .unwrap_or_default();
                    format!(
                        "{secret}written to {}; takes effect at the next start of the switch",
                        path.display()
                    )
                }
            })?;
        }
        Verb::Forward { extension, always, busy, no_answer, after, unregistered, off } => {
            let said = [
                (Occasion::Always, always),
                (Occasion::Busy, busy),
                (Occasion::NoAnswer, no_answer),
                (Occasion::Unregistered, unregistered),
            ];
            let change = |(occasion, number): (Occasion, Option<String>)| {
                let to = match number {
                    Some(number) if number == "off" => None,
                    None if off => None,
                    number => Some(number?),
                };
                Some((occasion.as_str().to_owned(), to))
            };
            let to: Vec<_> = said.into_iter().filter_map(change).collect();
            if !to.is_empty() {
                let user = extension.clone();
                live::ask(context, &Request::ForwardingSet { user, to, after })?;
            }
            show(context, extension)?;
        }
        Verb::Dnd { extension, state } => {
            let on = matches!(state, State::On);
            live::ask(context, &Request::DoNotDisturb { user: extension.clone(), on })?;
            show(context, extension)?;
        }
        Verb::Remove { extension, dry_run } => {
            let remove = if dry_run { profiles::removable_user } else { profiles::remove_user };
            let path = remove(&context.profiles, &extension).map_err(refused)?;
            output::print(&match context.format {
                Format::Json => output::value(
                    &serde_json::json!({ "extension": extension, "file": path, "dry_run": dry_run }),
                )?,
                Format::Table if dry_run => format!("{} would be deleted", path.display()),
                Format::Table => format!(
                    "{} is deleted; takes effect at the next start of the switch",
                    path.display()
                ),
            })?;
        }
    }
    Ok(())
}

/// What becomes of the user's calls now.
fn show(context: &Context, user: String) -> Result<(), Failure> {
    live::show(context, &Request::ForwardingShow { user }, |reply| match reply {
        Reply::Forwarding { forwarding } => Some(said(forwarding)),
        _ => None,
    })
}

fn said(row: &ForwardingRow) -> String {
    let mut after = String::from("no answer");
    if let Some(seconds) = row.after {
        after = format!("no answer after {seconds} s");
    }
    let ways = [
        ("always", &row.always),
        ("busy", &row.busy),
        (after.as_str(), &row.no_answer),
        ("not registered", &row.unregistered),
    ];
    let ways = ways.into_iter().filter_map(|(when, to)| Some([when.to_owned(), to.clone()?]));
    let silent = row.do_not_disturb.then(|| ["do not disturb".to_owned(), "on".to_owned()]);
    let nothing = format!("calls to {} ring their phones", row.user);
    output::table(["CALLS", "GO TO"], ways.chain(silent), &nothing)
}

fn made() -> Result<Redacted<String>, Failure> {
    profiles::make_password()
        .map_err(|error| Failure::storage(format!("no password could be made: {error}")))
}

fn typed() -> Result<Redacted<String>, Failure> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(1024).read_to_string(&mut text);
    read.map_err(|error| Failure::storage(format!("the password could not be read: {error}")))?;
    Ok(Redacted::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn refused(refused: Refused) -> Failure {
    let exit = match &refused {
        Refused::Unknown(_) => Exit::NotFound,
        Refused::Because(_) | Refused::Needed(..) => Exit::Failed,
        Refused::Files(_) => Exit::Configuration,
        Refused::Write(..) => Exit::Storage,
    };
    Failure::new(exit, refused.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_calls_go_is_said_in_a_table() {
        let mut row = ForwardingRow {
            user: "1001".into(),
            always: None,
            busy: None,
            no_answer: None,
            after: None,
            unregistered: None,
            do_not_disturb: false,
        };
        insta::assert_snapshot!(said(&row), @"calls to 1001 ring their phones");
        (row.no_answer, row.after) = (Some("1002".into()), Some(20));
        (row.unregistered, row.do_not_disturb) = (Some("+4930555010".into()), true);
        insta::assert_snapshot!(said(&row), @r"
        CALLS                 GO TO
        no answer after 20 s  1002
        not registered        +4930555010
        do not disturb        on
        ");
    }
}
