//! Names, extensions and numbers: what may be written, so that nothing in a path, a record or a SIP URI needs care later.

/// Longest name.
const LONGEST: usize = 64;

/// The name of a trunk, agent, queue, route or policy: lower-case letters, digits, `-` and `_`.
pub(super) fn check(name: &str) -> Result<(), String> {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    match name.len() {
        1..=LONGEST if name.bytes().all(fits) => Ok(()),
        _ => Err(format!(
            "`{}` is no name: 1 to {LONGEST} of the letters a-z, digits, `-` and `_`",
            name.escape_debug()
        )),
    }
}

/// What others dial to reach a user: a name that begins with a letter or digit, at most 32 long.
pub fn check_extension(extension: &str) -> Result<(), String> {
    let begins_well = extension.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if begins_well && extension.len() <= 32 && check(extension).is_ok() {
        Ok(())
    } else {
        Err(format!(
            "`{}` is no extension: up to 32 digits (or the letters a-z, `-` and `_` after the first)",
            extension.escape_debug()
        ))
    }
}

/// A telephone number to show: 3 to 15 digits, `+` before if it is an international one (E.164).
pub(super) fn number(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    if (3..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        // The number itself is not repeated: errors reach logs.
        Err("is a number of 3 to 15 digits, such as `+4930555010`".to_owned())
    }
}

/// A BCP 47 primary subtag: `de`, `en`.
pub(super) fn language(text: &str) -> Result<String, String> {
    if (2..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase()) {
        Ok(text.to_owned())
    } else {
        Err(format!("is a language such as `de` or `en`, not `{}`", text.escape_debug()))
    }
}

/// The realm, and the host of every address of ours: a host name or an IP literal.
pub(super) fn domain(text: &str) -> Result<String, String> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let literal = text.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    if literal.is_ok() || (text.len() <= 253 && text.split('.').all(label)) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(format!(
            "is a host name or an address, such as `pbx.example.com`, not `{}`",
            text.escape_debug()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_stand_in_any_path() {
        for good in ["support", "10-support", "a_b", "7"] {
            assert_eq!(check(good), Ok(()));
        }
        for bad in ["", "Support", "a b", "../x", "a.b", "ä", &"x".repeat(65)] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_extension_can_be_dialled() {
        for good in ["1001", "agent7", "0"] {
            assert_eq!(check_extension(good), Ok(()));
        }
        for bad in ["", "+493055", "*97", "-1", "10 01", &"1".repeat(33)] {
            assert!(check_extension(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_languages_and_domains_have_one_form() {
        assert!(number("+4930555010").is_ok() && number("201").is_ok());
        assert!(number("+49 30 555").is_err() && number("12").is_err() && number("+").is_err());
        assert!(language("de").is_ok() && language("DE").is_err() && language("deutsch").is_err());
        assert_eq!(domain("PBX.Example.com"), Ok("pbx.example.com".to_owned()));
        assert!(domain("127.0.0.1").is_ok() && domain("[2001:db8::1]").is_ok());
        assert!(domain("a b").is_err() && domain("").is_err() && domain("x\"y").is_err());
    }
}
