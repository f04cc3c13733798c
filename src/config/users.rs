//! `users/`: the phones' owners. Of a password only its hashes are kept.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::file::{self, Document, Section, quoted};
use super::findings::Findings;
use super::folder::{Folder, Kind};
use super::node::Node;
use super::{dialing, forwarding, name};
use crate::redacted::Redacted;
use crate::switch::number::Numbering;
use crate::switch::settings::{Redirects, User, Watch};
use crate::wire::flow::Transport;
use crate::wire::sip::auth::Ha1;

/// Reads the users, by extension. One without `ha1` can be called, but no phone can register.
pub(super) fn read(
    folder: &Folder<'_>,
    node: &Node,
    findings: &Findings,
) -> BTreeMap<String, User> {
    let domain = node.domain.as_str();
    let read = |(extension, document): (&str, Document<'_>)| {
        let mut section = document.section(findings);
        let shown = section.parsed("name", shown_name);
        let caller_id = section.parsed("caller_id", name::number);
        let words = Transport::ALL.map(|transport| (transport.word(), transport));
        let transport = section.word("transport", &words).map(|at| at.value);
        let pickup_group =
            section.parsed("pickup_group", |group| name::check(group).map(|()| group.to_owned()));
        let words =
            [("nothing", Watch::Nothing), ("state", Watch::State), ("callers", Watch::Callers)];
        let watch = section.word("watch", &words);
        let realm = section.text("realm");
        let ha1 = hashes(&mut section);
        let dialing = dialing::read(&mut section, folder, &node.dialing);
        let forward = forwarding::forwards(&mut section);
        let redirects = forwarding::redirects(&mut section, Redirects::Follow);
        match (&realm, &ha1) {
            (Some(realm), Some(_)) if realm.value != domain && !domain.is_empty() => {
                let what = format!("the password was set for `{}`", realm.value.escape_debug());
                let remedy = format!("`tonspur user add {extension} --replace`");
                let what =
                    format!("{what}, but `domain` is `{domain}`: set it again with {remedy}");
                section.wrong(realm.line, what);
            }
            (None, Some(_)) => {
                section.missing("realm", "the `domain` that the password was set for");
            }
            (Some(_), Some(_)) | (_, None) => {}
        }
        section.end();
        let user = User {
            extension: extension.to_owned(),
            name: Redacted::new(shown.map_or_else(|| extension.to_owned(), |at| at.value)),
            ha1: ha1.unwrap_or(Ha1 { sha256: None, md5: None }),
            transport,
            caller_id: caller_id.map(|at| Numbering::of(node.country).read(&at.value)),
            dialing,
            pickup_group: pickup_group.map(|at| at.value),
            forward,
            redirects,
            watch: watch.map_or(Watch::State, |at| at.value),
        };
        (extension.to_owned(), user)
    };
    folder.objects(Kind::Users, findings).map(read).collect()
}

/// What a user's file says beside what [`write()`] writes, to be kept when the password changes.
pub fn more(text: &str) -> String {
    file::without(text, &["name", "caller_id", "realm", "ha1"])
}

/// The file of a user. `realm` is the domain that `ha1` was made for, `more` what else it says.
pub fn write(
    name: Option<&str>,
    caller_id: Option<&str>,
    realm: &str,
    ha1: &Ha1,
    more: &str,
) -> Result<String, String> {
    let mut text = String::new();
    let mut line = |key: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{key} = {value}");
    };
    if let Some(shown) = name {
        line("name", quoted(&shown_name(shown).map_err(|why| format!("the name {why}"))?));
    }
    if let Some(number) = caller_id {
        let number = name::number(number).map_err(|why| format!("the caller id {why}"))?;
        line("caller_id", quoted(&number));
    }
    line("realm", quoted(realm));
    let hash = |key: &str, hex: &Option<Box<str>>| {
        hex.as_ref().map(|hex| format!("{key} = {}", quoted(hex)))
    };
    let both: Vec<String> =
        [hash("sha256", &ha1.sha256), hash("md5", &ha1.md5)].into_iter().flatten().collect();
    line("ha1", format!("{{ {} }}", both.join(", ")));
    text.push_str(more);
    Ok(text)
}

/// `Err` says why the password is too weak to be set.
pub fn check_password(extension: &str, password: &str) -> Result<(), String> {
    let count = password.chars().count();
    let bytes = password.as_bytes();
    let step = |by: u8| bytes.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(by));
    if password.is_empty() {
        Err("the password is empty".to_owned())
    } else if password.eq_ignore_ascii_case(extension) {
        Err("the password is the extension".to_owned())
    } else if count < 8 {
        Err("the password has fewer than 8 characters".to_owned())
    } else if password.len() > 128 || password.contains(char::is_control) {
        Err("the password is longer than 128 bytes, or has control characters".to_owned())
    } else if password.replace(extension, "").is_empty() || step(0) || step(1) || step(u8::MAX) {
        Err("the password is one that would be tried first".to_owned())
    } else {
        Ok(())
    }
}

fn shown_name(text: &str) -> Result<String, String> {
    match text.chars().count() {
        1..=64 if !text.contains(char::is_control) => Ok(text.to_owned()),
        _ => Err("is 1 to 64 characters on one line".to_owned()),
    }
}

fn hashes(section: &mut Section<'_>) -> Option<Ha1> {
    let mut table = section.section("ha1")?;
    let sha256 = table.parsed("sha256", |text| hex(text, 64)).map(|at| at.value);
    let md5 = table.parsed("md5", |text| hex(text, 32)).map(|at| at.value);
    if table.keys() == 0 {
        table.missing("sha256", "H(user:realm:password), as `tonspur user add` writes it");
    }
    table.end();
    Some(Ha1 { sha256, md5 })
}

/// The value is not repeated in the error: it is as good as a password.
fn hex(text: &str, digits: usize) -> Result<Box<str>, String> {
    if text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase().into())
    } else {
        Err(format!("is {digits} hexadecimal digits, as `tonspur user add` writes them"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_that_would_be_tried_first_are_refused() {
        for weak in
            ["", "1001", "seven77", "10011001", "11111111", "12345678", "87654321", "abcdefgh"]
        {
            assert!(check_password("1001", weak).is_err(), "{weak}");
        }
        assert!(check_password("longname-1", "LongName-1").is_err());
        assert!(check_password("1001", "tab\tin the way").is_err());
        assert!(check_password("1001", &"x1".repeat(65)).is_err());
        assert_eq!(check_password("1001", "staple horse"), Ok(()));
    }

    #[test]
    fn a_written_user_cannot_break_out_of_its_quotes() {
        let ha1 = Ha1 { sha256: Some("ab".into()), md5: None };
        let text = write(Some("A\"\nrealm = \"x"), None, "pbx", &ha1, "");
        assert!(text.is_err(), "a name is one line");
        let text = write(Some("A\" # \\"), None, "pbx", &ha1, "").expect("a name with quotes");
        assert_eq!(text.lines().count(), 3);
        assert!(write(Some(""), None, "pbx", &ha1, "").is_err());
        assert!(write(None, Some("+49 30"), "pbx", &ha1, "").is_err());
    }
}
