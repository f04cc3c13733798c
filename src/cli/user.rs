//! `user add|remove`: phones' owners. The files are written; a running switch reads them at its next start.

use std::io::Read;

use clap::Subcommand;

use super::output::{self, Format};
use super::{Context, Exit, Failure};
use crate::io::profiles::{self, NewUser, Present, Refused};
use crate::redacted::Redacted;

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
    /// Deletes a user's file
    Remove {
        /// The extension
        extension: String,
        /// Only says which file would go, or why it may not
        #[arg(long)]
        dry_run: bool,
    },
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
