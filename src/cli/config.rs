//! `config check`: every mistake of the profiles at once.

use clap::Subcommand;

use super::output::{self, Format};
use super::{Context, Failure, place};
use crate::io::prompts;
use crate::media::prompt::Library;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Reads the profiles as `serve` would, and says what is wrong, odd, or worth knowing
    Check,
}

pub(super) fn run(context: &Context, Verb::Check: Verb) -> Result<(), Failure> {
    let loaded = place::load(context)?;
    let (_, sounds) = prompts::load(&loaded.prompts, &loaded.settings, &mut Library::default());
    let warnings: Vec<String> =
        loaded.warnings.iter().chain(&sounds).map(ToString::to_string).collect();
    output::print(&match context.format {
        Format::Json => {
            output::value(&serde_json::json!({ "warnings": warnings, "notes": loaded.notes }))?
        }
        Format::Table => {
            let warnings = warnings.iter().map(|warning| format!("warning: {warning}"));
            let lines = warnings.chain(loaded.notes.iter().map(|note| format!("note: {note}")));
            let lines: Vec<String> =
                lines.chain(["the configuration is sound".to_owned()]).collect();
            lines.iter().map(|line| output::plain(line)).collect::<Vec<_>>().join("\n")
        }
    })?;
    Ok(())
}
