//! Ring groups, and what users want of their calls.

use super::*;
use crate::switch::forwarding::Occasion;
use crate::switch::settings::{Redirects, Strategy};

#[test]
fn a_group_names_users_and_has_a_number_of_its_own() {
    let sales = "members = [\"201\"]\nextension = \"600\"\nstrategy = \"in_turn\"\nring = \"15s\"\nthen = { queue = \"support\" }";
    let route = "caller = { trunk = \"north\" }\nnumber = \"+4930555020\"\nto = { group = \"sales\" }\nconsent = \"never\"";
    let loaded = loaded(&[("groups/sales.toml", sales), ("routes/20.toml", route)]);
    let group = &loaded.settings.groups["sales"];
    assert_eq!((group.strategy, group.ring), (Strategy::InTurn, Duration::from_secs(15)));
    assert_eq!(group.then, Some(Destination::Queue("support".into())));
    assert!(loaded.settings.group_at("600").is_some());
}

#[test]
fn the_mistakes_of_a_group_are_named() {
    let a = "members = [\"201\", \"201\", \"202\"]\nextension = \"201\"\nthen = { group = \"b\" }";
    let b = "members = []\nextension = \"112\"\nthen = { group = \"a\" }";
    let c = "extension = \"600\"\nstrategy = \"random\"\nthen = { trunk = \"north\" }";
    let d = "members = [\"201\"]\nextension = \"600\"\nthen = \"dialled\"";
    assert_eq!(
        errors(&[
            ("groups/a.toml", a),
            ("groups/b.toml", b),
            ("groups/c.toml", c),
            ("groups/d.toml", d)
        ]),
        [
            "groups/a.toml: `then` leads back to group `a`",
            "groups/a.toml:1: no user `202` (users/202.toml); did you mean `201`?",
            "groups/a.toml:1: user `201` is named twice",
            "groups/a.toml:2: `extension` is that of user `201`",
            "groups/b.toml: `then` leads back to group `b`",
            "groups/b.toml:1: `members` names 1 to 50 users",
            "groups/b.toml:2: `extension` is an emergency number",
            "groups/c.toml: `members` is missing: the users whose phones ring, such as [\"1001\", \"1002\"]",
            "groups/c.toml:2: `strategy` is one of `parallel`, `in_turn`, not `random`",
            "groups/c.toml:3: `then` is for users, queues and groups of ours, or refuses: a user who forwards leads outside",
            "groups/d.toml:2: `extension` is that of group `c`",
            "groups/d.toml:3: `then` is for users, queues and groups of ours, or refuses: a user who forwards leads outside",
        ]
    );
}

#[test]
fn a_user_says_where_calls_go() {
    let bob = "do_not_disturb = true\nredirects = \"refuse\"\nforward = { busy = \"202\", no_answer = \"+4930555010\", after = \"30s\" }";
    let loaded = loaded(&[("users/201.toml", bob)]);
    let bob = &loaded.settings.users["201"];
    assert_eq!(bob.forward.to[&Occasion::Busy].reveal(), "202");
    assert_eq!(bob.forward.after, Some(Duration::from_secs(30)));
    assert!(bob.forward.undisturbed && bob.redirects == Redirects::Refuse);
    assert_eq!(loaded.settings.trunks["north"].redirects, Redirects::Refuse);
    let wrong = "forward = { allways = \"202\", busy = \"*72\", after = \"1s\" }";
    assert_eq!(
        errors(&[("users/201.toml", wrong)]),
        [
            "users/201.toml:1: `forward.after` is at least 5s and at most 10m, not 1s",
            "users/201.toml:1: `forward.busy` is an extension or a number of up to 32 digits",
            "users/201.toml:1: unknown key `forward.allways`; did you mean `always`?",
        ]
    );
}

#[test]
fn feature_codes_can_be_others_or_none() {
    let switch = |features: &str| {
        format!("domain = \"pbx.example\"\ncountry = \"DE\"\nfeatures = {features}")
    };
    assert_eq!(loaded(&[]).settings.features.len(), 16);
    let off = loaded(&[("switch.toml", &switch("\"off\""))]);
    assert!(off.settings.features.is_empty());
    let other = loaded(&[("switch.toml", &switch("{ forward = \"*21\" }"))]);
    assert!(other.settings.features.iter().any(|(digits, _)| digits == "*21"));
    // Where a key says one, the usual ones are gone, both.
    let other = loaded(&[("switch.toml", &switch("{ login = \"*55\", echo = \"*22\" }"))]);
    let digits: Vec<&str> = other.settings.features.iter().map(|(digits, _)| &**digits).collect();
    assert_eq!(digits[8..], ["*55", "*46", "*24", "*47", "*65", "*22", "*69"]);
    let wrong = "{ forward = \"72\", busy = \"*7\", bussy = \"*1\" }";
    assert_eq!(
        errors(&[("switch.toml", &switch(wrong))]),
        [
            "switch.toml:3: `features.busy`: `*7` and `*72` begin alike",
            "switch.toml:3: `features.do_not_disturb_off`: `*79` and `*7` begin alike",
            "switch.toml:3: `features.do_not_disturb`: `*78` and `*7` begin alike",
            "switch.toml:3: `features.forward` is `*` and up to 6 digits, not `72`",
            "switch.toml:3: unknown key `features.bussy`; did you mean `busy`?",
        ]
    );
}
