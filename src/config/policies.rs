//! `policies/`: how long recordings are kept.

use std::collections::BTreeMap;
use std::time::Duration;

use super::findings::Findings;
use super::folder::{Folder, Kind};
use crate::switch::settings::RetentionPolicy;

/// No rule of the policy reference goes beyond 10 years; a typing mistake does.
const LONGEST: Duration = Duration::from_secs(36_525 * 86_400);

/// Reads the retention policies, by name.
pub(super) fn read(folder: &Folder<'_>, findings: &Findings) -> BTreeMap<String, RetentionPolicy> {
    let mut policies = BTreeMap::new();
    for (name, document) in folder.objects(Kind::Policies, findings) {
        let mut section = document.section(findings);
        if section.line_of("keep").is_none() {
            section.missing("keep", "how long recordings are kept, such as \"30d\"");
        }
        let keep = section.duration("keep", Duration::from_secs(1)..=LONGEST);
        section.end();
        if let Some(keep) = keep {
            let policy = RetentionPolicy { name: name.to_owned(), keep: keep.value };
            policies.insert(name.to_owned(), policy);
        }
    }
    policies
}
