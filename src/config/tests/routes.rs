//! Routes: who, whom, when and where to.

use super::*;

#[test]
fn two_routes_for_one_call_are_seen() {
    let route = |number: &str| {
        format!("caller = {{ trunk = \"north\" }}\nnumber = \"{number}\"\nto = {{ refuse = 603 }}")
    };
    assert_eq!(
        errors(&[("routes/20.toml", &route("+4930555010"))]),
        ["routes/20.toml:2: route `10-support` is for the same number and caller"]
    );
    assert_eq!(
        warnings(&[("routes/20.toml", &route("+4940*")), ("routes/30.toml", &route("+49401"))]),
        ["routes/30.toml:2: route `20` comes first and takes every call of this one"]
    );
    let settings = loaded(&[("routes/05.toml", &route("+493055501*"))]);
    assert_eq!(settings.settings.routes[0].to, Destination::Refuse(Status::of(603)));
    assert_eq!(settings.settings.routes[0].caller, Caller::Trunk("north".into()));
}

#[test]
fn a_route_that_others_hide_is_seen_through_patterns_callers_and_times() {
    let route = |more: &str| format!("caller = \"users\"\nto = {{ refuse = 603 }}\n{more}");
    let hours = ("hours/day.toml", "zone = \"Europe/Berlin\"\nopen = \"mon-fri 09:00-17:00\"");
    let found = |one: &str, other: &str| {
        warnings(&[hours, ("routes/20.toml", &route(one)), ("routes/30.toml", &route(other))])
    };
    let hidden = ["routes/30.toml:3: route `20` comes first and takes every call of this one"];
    for (one, other) in [
        ("number = [\"7?\", \"8*\"]", "number = [\"7[1-3]\", \"81\"]"),
        ("number = \"7*\"", "number = \"7*\"\nfrom = \"201\""),
        ("number = \"7*\"", "number = \"71\"\nduring = \"day\""),
        ("number = \"7*\"\nduring = \"day\"", "number = \"71\"\nduring = \"day\""),
    ] {
        assert_eq!(found(one, other), hidden, "{one} {other}");
    }
    for (one, other) in [
        ("number = \"7*\"\nduring = \"day\"", "number = \"7*\"\noutside = \"day\""),
        ("number = \"7*\"\nfrom = \"20?\"", "number = \"7*\""),
        ("number = \"7*\"", "number = [\"71\", \"81\"]"),
        // An emergency comes first whatever it is called.
        ("number = \"1*\"", "emergency = true"),
    ] {
        assert_eq!(found(one, other), [""; 0], "{one} {other}");
    }
}

#[test]
fn a_route_out_needs_somebody_who_may_dial_out() {
    let transit = "caller = { trunk = \"north\" }\nnumber = \"+4940*\"\nto = { trunks = [\"south\", \"north\"] }";
    let south = |more: &str| {
        format!("from = [\"192.0.2.10\"]\n{more}\n[gateway]\naddress = \"192.0.2.10\"")
    };
    let north = "from = [\"192.0.2.9\"]\n";
    assert_eq!(
        errors(&[
            ("routes/20.toml", transit),
            ("trunks/south.toml", &south("")),
            ("switch.toml", "domain = \"pbx.example\"")
        ]),
        [
            "routes/20.toml:3: calls of trunk `north` may not dial out: say `may_dial_out = true` in trunks/north.toml",
            "routes/20.toml:3: calls out need `country` in switch.toml: who may call where is decided by it",
            "routes/80-out.toml:3: calls out need `country` in switch.toml: who may call where is decided by it",
        ]
    );
    let open = format!("{north}may_dial_out = true");
    assert_eq!(
        warnings(&[("trunks/north.toml", &open)]),
        [
            "trunks/north.toml:2: calls of this carrier may dial out with the caps of one user: say `dial`"
        ]
    );
    assert_eq!(
        errors(&[("trunks/north.toml", &format!("{north}dial = {{}}"))]),
        ["trunks/north.toml:2: `dial` is for a trunk with `may_dial_out = true`"]
    );
    let twice = transit.replace("\"north\"] }", "\"south\", \"west\"] }");
    assert_eq!(
        errors(&[
            ("routes/20.toml", &twice),
            ("trunks/south.toml", &south("")),
            ("trunks/north.toml", &format!("{open}\ndial = {{}}"))
        ]),
        [
            "routes/20.toml:3: `to.trunks` names a trunk twice",
            "routes/20.toml:3: no trunk `west` (trunks/west.toml); known: `north`, `south`",
        ]
    );
    let loaded = loaded(&[]);
    assert!(
        loaded.notes.iter().any(|note| note.starts_with("users cannot dial 110, 112: no route"))
    );
}

#[test]
fn numbers_and_hours_are_checked_where_they_are_written() {
    let trunk = "from = [\"192.0.2.9\"]\ncountry = \"XX\"\nformat = \"local\"\nprefix = \"a\"\n[gateway]\naddress = \"192.0.2.9\"";
    let hours = "zone = \"Europe/Bonn\"\nopen = [\"monday 9-5\"]\nclosed = \"24.12.\"";
    let route = "caller = \"users\"\nnumber = \"7\"\nto = \"dialled\"\nduring = \"nigth\"\noutside = \"night\"\nelse = { refuse = 1 }";
    assert_eq!(
        errors(&[
            ("trunks/north.toml", trunk),
            ("hours/night.toml", hours),
            ("routes/20.toml", route)
        ]),
        [
            "hours/night.toml:1: `zone` is a place of the time zone database such as `Europe/Berlin`, not `Europe/Bonn`",
            "hours/night.toml:2: `open` is days and times such as `mon-fri 09:00-17:30`, not `monday 9-5`",
            "hours/night.toml:3: `closed` is a day such as `2030-12-24`, or `12-25` for every year, not `24.12.`",
            "routes/20.toml:4: no opening hours `nigth` (hours/nigth.toml); did you mean `night`?",
            "routes/20.toml:5: a route has `during` or `outside`, not both",
            "routes/20.toml:6: `else.refuse` is from 400 to 699",
            "trunks/north.toml:2: `country` is a country by its two letters such as `DE`, not `XX`",
            "trunks/north.toml:3: `format` is one of `e164`, `national`, `plain`, not `local`",
            "trunks/north.toml:4: `prefix` is up to 16 digits, `*`, `#` or `+`",
        ]
    );
}

#[test]
fn a_route_says_who_and_where_in_one_of_few_ways() {
    let to = "`to` is { queue = \"name\" }, { group = \"name\" }, { user = \"extension\" }, { trunk = \"name\" }, { trunks = [\"name\", \"name\"] }, { refuse = 603 } or \"dialled\"";
    assert_eq!(
        errors(&[("routes/20.toml", ""), ("routes/21.toml", "caller = \"all\"\nnumber = \"+49 30\"\nto = { refuse = 200 }")]),
        [
            "routes/20.toml: `caller` is missing: it is \"users\" or { trunk = \"name\" }".to_owned(),
            "routes/20.toml: `number` is missing: whom it is for, such as \"+4930555010\" or \"0*\"".to_owned(),
            format!("routes/20.toml: `to` is missing: it {}", &to[5..]),
            "routes/21.toml:1: `caller` is \"users\" or { trunk = \"name\" }".to_owned(),
            "routes/21.toml:2: `number` is a number such as `+4930555010`, an extension, or a pattern: `0*` is all that begin so, `?` any digit, `[2-5]` one of some, `{10-49}` a block".to_owned(),
            "routes/21.toml:3: `to.refuse` is from 400 to 699".to_owned(),
        ]
    );
    let two = "caller = \"users\"\nnumber = \"7\"\nto = { queue = \"support\", user = \"201\" }";
    assert_eq!(
        errors(&[("routes/20.toml", two)]),
        [format!("routes/20.toml:3: {to}, one of them")]
    );
    let strip = "caller = \"users\"\nnumber = \"7\"\nto = \"dialled\"\nstrip = 1";
    assert_eq!(
        errors(&[("routes/20.toml", strip)]),
        ["routes/20.toml:4: `strip` is for routes to a trunk"]
    );
    let challenge = "caller = \"users\"\nnumber = \"7\"\nto = { refuse = 407 }";
    assert_eq!(
        errors(&[("routes/20.toml", challenge)]),
        ["routes/20.toml:3: `to.refuse` is a final answer, not a challenge"]
    );
}
