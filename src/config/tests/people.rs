//! Users and agents as written.

use super::*;

#[test]
fn a_user_is_what_the_file_says_and_the_hash_is_for_our_domain() {
    let hash = "ab".repeat(16);
    let user = |realm: &str, md5: &str| {
        format!(
            "name = \"Bob\"\ncaller_id = \"+4930555013\"\nrealm = \"{realm}\"\nha1 = {{ md5 = \"{md5}\" }}"
        )
    };
    let bob = &loaded(&[("users/201.toml", &user("pbx.example", &hash))]).settings.users["201"];
    assert_eq!((bob.extension.as_str(), bob.name.reveal().as_str()), ("201", "Bob"));
    assert_eq!((bob.ha1.md5.as_deref(), bob.ha1.sha256.as_deref()), (Some(hash.as_str()), None));
    assert_eq!(
        errors(&[("users/201.toml", &user("old.example", &hash))]),
        [
            "users/201.toml:3: the password was set for `old.example`, but `domain` is `pbx.example`: set it again with `tonspur user add 201 --replace`"
        ]
    );
    assert_eq!(
        errors(&[("users/201.toml", &user("pbx.example", "secret"))]),
        ["users/201.toml:4: `ha1.md5` is 32 hexadecimal digits, as `tonspur user add` writes them"]
    );
    assert_eq!(
        errors(&[(
            "users/201.toml",
            &format!("ha1 = {{ md5 = \"{hash}\" }}\ncaller_id = \"0 30\"\npassword = \"x\"")
        )]),
        [
            "users/201.toml: `realm` is missing: the `domain` that the password was set for",
            "users/201.toml:2: `caller_id` is a number of 3 to 15 digits, such as `+4930555010`",
            "users/201.toml:3: unknown key `password`; known: `caller_id`, `dial`, `do_not_disturb`, `forward`, `ha1`, `name`, `pickup_group`, `realm`, `redirects`, `transport`, `watch`",
        ]
    );
    let watch = |word: &str| format!("watch = \"{word}\"");
    let bob = |text: &str| loaded(&[("users/201.toml", text)]).settings.users["201"].watch;
    assert_eq!((bob("name = \"Bob\""), bob(&watch("callers"))), (Watch::State, Watch::Callers));
    assert_eq!(
        errors(&[("users/201.toml", &watch("all"))]),
        ["users/201.toml:1: `watch` is one of `nothing`, `state`, `callers`, not `all`"]
    );
}

#[test]
fn an_agent_is_one_user_and_says_yes_or_is_not_recorded() {
    let settings = loaded(&[("agents/bob.toml", "user = \"201\"")]).settings;
    assert!(!settings.agents["bob"].agrees_to_recording);
    assert_eq!(
        errors(&[
            ("agents/rob.toml", "user = \"201\""),
            ("agents/eve.toml", "agrees_to_recording = \"yes\"")
        ]),
        [
            "agents/eve.toml: `user` is missing: the extension whose phones ring",
            "agents/eve.toml:1: `agrees_to_recording` is `true` or `false`, not a text",
            "agents/rob.toml:1: user `201` is agent `bob` already",
        ]
    );
}

#[test]
fn a_user_whose_hash_is_of_no_use_is_named() {
    let user = |hash: &str| format!("realm = \"pbx.example\"\nha1 = {{ {hash} }}\n");
    let sha256 = format!("sha256 = \"{}\"", "ab".repeat(32));
    let md5 = format!("md5 = \"{}\"", "ab".repeat(16));
    let with = |hash: &str, digests: &str| {
        let sources = [
            Source::new("switch.toml", format!("domain = \"pbx.example\"\n{digests}")),
            Source::new("internal.toml", "bind = \"127.0.0.1:5060\"\n"),
            Source::new("users/1001.toml", user(hash)),
        ];
        let loaded = load(&sources).expect("no mistake");
        loaded.notes.iter().any(|note| note.starts_with("user 1001 cannot register"))
    };
    let both = "registrar = { digests = [\"sha-256\", \"md5\"] }\n";
    assert!(with(&sha256, ""));
    assert!(!with(&md5, ""));
    assert!(!with(&sha256, both) && !with(&md5, both));
}
