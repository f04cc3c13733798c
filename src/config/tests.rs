//! The words of every complaint, and what files come to mean. Each test lays a few files over a sound office.

mod groups;
mod people;
mod routes;
mod storage;
mod tls;
mod trunks;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::switch::dialing::Right;
use crate::switch::number::Country;
use crate::switch::settings::{
    Caller, ConsentMode, Destination, EarlyMedia, NumberPattern, Profile, Subscriptions, Watch,
};
use crate::wire::flow::Transport;
use crate::wire::rtp::g711::Codec;
use crate::wire::sip::dialog::Reach;
use crate::wire::sip::message::Status;

const OFFICE: &[(&str, &str)] = &[
    ("switch.toml", "domain = \"pbx.example\"\ncountry = \"DE\""),
    ("internal.toml", "bind = \"10.0.0.1\""),
    ("external.toml", "bind = \"192.0.2.1\""),
    ("trunks/north.toml", "from = [\"192.0.2.9\"]\n[gateway]\naddress = \"192.0.2.9\""),
    ("users/201.toml", "name = \"Bob\""),
    ("agents/bob.toml", "user = \"201\"\nagrees_to_recording = true"),
    ("queues/support.toml", "agents = [\"bob\"]"),
    ("policies/standard.toml", "keep = \"30d\""),
    (
        "routes/10-support.toml",
        "caller = { trunk = \"north\" }\nnumber = \"+4930555010\"\nto = { queue = \"support\" }\nretention = \"standard\"",
    ),
    (
        "routes/80-out.toml",
        "caller = \"users\"\nnumber = \"0*\"\nto = { trunk = \"north\" }\nstrip = 1\nprepend = \"+49\"",
    ),
];

/// The office, some files of it written anew; `-path` leaves a file out.
fn office_with(files: &[(&str, &str)]) -> Vec<Source> {
    let kept = OFFICE.iter().filter(|(path, _)| {
        files.iter().all(|(other, _)| other.strip_prefix('-').unwrap_or(other) != *path)
    });
    let new = files.iter().filter(|(path, _)| !path.starts_with('-'));
    kept.chain(new).map(|(path, text)| Source::new(*path, *text)).collect()
}

fn loaded(files: &[(&str, &str)]) -> Loaded {
    load(&office_with(files)).expect("no mistakes")
}

fn errors(files: &[(&str, &str)]) -> Vec<String> {
    let errors = load(&office_with(files)).expect_err("mistakes");
    errors.iter().map(ToString::to_string).collect()
}

fn warnings(files: &[(&str, &str)]) -> Vec<String> {
    loaded(files).warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn what_nobody_wrote_has_its_default() {
    let loaded = loaded(&[]);
    assert_eq!(loaded.warnings, []);
    let settings = loaded.settings;
    let listeners: Vec<_> = settings
        .listeners
        .iter()
        .map(|at| (at.profile, at.transport, at.bind.to_string(), at.reach))
        .collect();
    let (inner, outer) = ("10.0.0.1:5060".to_owned(), "192.0.2.1:5080".to_owned());
    assert_eq!(
        listeners,
        [
            (Profile::Internal, Transport::Udp, inner.clone(), Reach::Source),
            (Profile::Internal, Transport::Tcp, inner, Reach::Source),
            (Profile::External, Transport::Udp, outer.clone(), Reach::Contact),
            (Profile::External, Transport::Tcp, outer, Reach::Contact),
        ]
    );
    assert_eq!(settings.rtp.bind.map(|ip| ip.to_string()), ["10.0.0.1", "192.0.2.1"]);
    assert_eq!(settings.rtp.advertise, settings.rtp.bind);
    assert_eq!(settings.rtp.ports, (16_384, 32_767));
    assert_eq!(settings.rtp.codecs, [Codec::Pcmu, Codec::Pcma]);
    assert_eq!(settings.consent_wait, Duration::from_secs(5));
    assert_eq!(settings.queues["support"].ring, Duration::from_secs(20));
    assert_eq!(settings.retention["standard"].keep, Duration::from_secs(30 * 86_400));
    assert_eq!(loaded.recordings, PathBuf::from("../recordings"));
    assert_eq!(loaded.state, PathBuf::from("../recordings/.state"));
    assert_eq!(loaded.workers, None);
    let routes = &settings.routes;
    assert_eq!(routes[0].consent, ConsentMode::ExpressAll, "callers from outside are asked");
    assert_eq!(routes[1].consent, ConsentMode::Never);
    assert_eq!((routes[1].strip, routes[1].prepend.as_str()), (1, "+49"));
}

#[test]
fn every_key_of_the_node_is_heard() {
    let text = "domain = \"PBX.example\"\nlanguage = \"de\"\nrecordings = \"/srv/r\"\nstate = \"/var/s\"\nworkers = 3\n\
                rtp = { ports = \"20000-20999\", codecs = [\"PCMA\"], silence = \"1m\" }\nconsent = { wait = \"7s\" }\n\
                retention = { every = \"10m\" }\nlimits = { calls = 100, ring = \"30s\" }\nearly_media = \"tone\"\n\
                session_timers = { expires = \"10m\", min = \"2m\" }\n\
                registrar = { shortest = \"2m\", longest = \"10m\", contacts = 2, nonce_life = \"30s\" }\n\
                country = \"AT\"\nemergency = [\"112\", \"9112\"]\ndial = { rights = [\"internal\"], calls_per_hour = 7 }\n\
                subscriptions = { shortest = \"2m\", longest = \"1h30m\", per_user = 20, in_all = 90 }";
    let loaded = loaded(&[("switch.toml", text)]);
    let settings = loaded.settings;
    assert_eq!((settings.domain.as_str(), settings.language.as_str()), ("pbx.example", "de"));
    assert_eq!((loaded.recordings, loaded.state), ("/srv/r".into(), "/var/s".into()));
    assert_eq!(loaded.workers, NonZeroUsize::new(3));
    assert_eq!((settings.rtp.ports, settings.rtp.codecs), ((20_000, 20_999), vec![Codec::Pcma]));
    let seconds =
        [settings.silence, settings.consent_wait, settings.retention_every, settings.ring];
    assert_eq!(seconds.map(|time| time.as_secs()), [60, 7, 600, 30]);
    assert_eq!((settings.calls, settings.registrar.contacts), (100, 2));
    assert_eq!(settings.registrar.longest, Duration::from_secs(600));
    let Subscriptions { shortest, longest, per_user, in_all } = settings.subscriptions;
    assert_eq!((shortest.as_secs(), longest.as_secs(), per_user, in_all), (120, 5_400, 20, 90));
    assert_eq!(settings.early_media, EarlyMedia::Tone);
    assert_eq!(
        (settings.country, settings.emergency),
        (Country::parse("AT"), vec!["112".into(), "9112".into()])
    );
    let dialing = &settings.users["201"].dialing;
    assert_eq!(
        (dialing.rights.as_slice(), dialing.calls_per_hour),
        ([Right::Internal].as_slice(), 7)
    );
    let timers = settings.session_timers.map(|limits| (limits.expires, limits.shortest));
    assert_eq!(timers, Some((Duration::from_secs(600), Duration::from_secs(120))));
}

#[test]
fn session_timers_are_on_by_default_and_may_be_off_but_never_too_short() {
    let timers = |text: &str| {
        let file = format!("domain = \"x.example\"\ncountry = \"DE\"\n{text}");
        loaded(&[("switch.toml", &file)]).settings.session_timers
    };
    assert_eq!(timers("").map(|limits| limits.expires.as_secs()), Some(1_800));
    assert_eq!(timers("session_timers = \"off\""), None);
    for (text, wrong) in [
        ("session_timers = \"on\"", "`session_timers` is `off` or a table"),
        ("session_timers = { min = \"89s\" }", "`session_timers.min` is at least 1m30s"),
        ("session_timers = { expires = \"2m\", min = \"3m\" }", "is shorter than"),
        ("session_timers = { expire = \"2m\" }", "did you mean `expires`?"),
        ("early_media = \"no\"", "`early_media` is one of `pass`, `ring`, `tone`, not `no`"),
    ] {
        let file = format!("domain = \"x.example\"\ncountry = \"DE\"\n{text}");
        let found = errors(&[("switch.toml", &file)]);
        assert!(found.len() == 1 && found[0].contains(wrong), "{found:?}");
    }
}

#[test]
fn mistakes_of_all_files_are_named_at_once_by_file_and_line() {
    let found = errors(&[
        ("switch.toml", "domian = \"pbx.example\"\ncountry = \"DE\""),
        ("queues/support.toml", "agents = [\n  \"bob\",\n  \"alice\",\n]\nrign = \"20s\""),
        ("agents/bob.toml", "user = \"202\""),
        ("policies/standard.toml", "keep = 30"),
        (
            "routes/10-support.toml",
            "caller = { trunk = \"nroth\" }\nnumber = \"+4930555010\"\nto = { queu = \"support\" }",
        ),
    ]);
    assert_eq!(
        found,
        [
            "agents/bob.toml:1: no user `202` (users/202.toml); did you mean `201`?",
            "policies/standard.toml:1: `keep` is a text in quotes, not a number",
            "queues/support.toml:3: no agent `alice` (agents/alice.toml); known: `bob`",
            "queues/support.toml:5: unknown key `rign`; did you mean `ring`?",
            "routes/10-support.toml:1: no trunk `nroth` (trunks/nroth.toml); did you mean `north`?",
            "routes/10-support.toml:3: unknown key `to.queu`; did you mean `queue`?",
            "switch.toml: `domain` is missing: the realm of passwords and the host of every address",
            "switch.toml:1: unknown key `domian`; did you mean `domain`?",
        ]
    );
}

#[test]
fn a_file_that_cannot_be_parsed_is_still_there_for_others() {
    let found = errors(&[("queues/support.toml", "agents = = 1")]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("queues/support.toml:1: "));
}

#[test]
fn a_file_in_no_place_is_named() {
    assert_eq!(
        errors(&[
            ("swich.toml", ""),
            ("queue/a.toml", ""),
            ("queues/A.toml", ""),
            ("users/+49.toml", "")
        ]),
        [
            "queue/a.toml: no folder of that name is read; did you mean `queues`?",
            "queues/A.toml: `A` is no name: 1 to 64 of the letters a-z, digits, `-` and `_`",
            "swich.toml: no such file is read; did you mean `switch.toml`?",
            "users/+49.toml: `+49` is no extension: up to 32 digits (or the letters a-z, `-` and `_` after the first)",
        ]
    );
}

#[test]
fn a_node_needs_a_domain_and_an_address() {
    assert_eq!(
        errors(&[
            ("-routes/80-out.toml", ""),
            ("-switch.toml", ""),
            ("-internal.toml", ""),
            ("-external.toml", "")
        ]),
        [
            "internal.toml: the file is missing, and external.toml too: nothing would listen",
            "switch.toml: the file is missing: it names at least the `domain`",
        ]
    );
    assert_eq!(
        errors(&[("internal.toml", "")]),
        ["internal.toml: `bind` is missing: the address to listen on, such as \"192.0.2.1:5060\""]
    );
    assert_eq!(domain(&office_with(&[("queues/a.toml", "broken")])), Ok("pbx.example".to_owned()));
    assert!(domain(&[]).is_err());
}

#[test]
fn a_profile_that_is_missing_is_told() {
    let missing = |file: &str| {
        let office = office_with(&[(file, "")]);
        let warnings = load(&office).expect("one is enough").warnings;
        warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        missing("-external.toml"),
        ["external.toml: the file is missing: no carrier can reach the switch"]
    );
    assert_eq!(
        missing("-internal.toml"),
        ["internal.toml: the file is missing: no phone can register"]
    );
}

#[test]
fn listeners_that_cannot_stand_side_by_side_are_refused() {
    assert_eq!(
        errors(&[("external.toml", "transports = [\"udp\"]\nbind = \"10.0.0.1:5060\"")]),
        ["external.toml:2: `bind` overlaps with `bind` of internal.toml: give one another port"]
    );
    assert_eq!(
        errors(&[("external.toml", "bind = \"0.0.0.0:5060\"\nadvertise = \"192.0.2.1\"")]),
        ["external.toml:1: `bind` overlaps with `bind` of internal.toml: give one another port"]
    );
    assert_eq!(
        errors(&[("internal.toml", "bind = \"10.0.0.1:20000\"")]),
        ["internal.toml:1: `bind` lies within `rtp.ports`, 16384-32767"]
    );
    let split = loaded(&[
        ("internal.toml", "bind = \"10.0.0.1:5060\"\ntransports = [\"udp\"]"),
        ("external.toml", "bind = \"10.0.0.1:5060\"\ntransports = [\"tcp\"]"),
        ("trunks/north.toml", "from = [\"192.0.2.9\"]"),
        ("-routes/80-out.toml", ""),
    ]);
    assert_eq!(split.settings.listeners.len(), 2);
}

#[test]
fn an_address_behind_nat_is_advertised() {
    let external = "bind = \"0.0.0.0:5080\"\nadvertise = \"203.0.113.7\"\nreach = \"source\"";
    let settings = loaded(&[("external.toml", external)]).settings;
    assert_eq!(settings.listeners[2].advertise.to_string(), "203.0.113.7:5080");
    assert_eq!(settings.listeners[2].reach, Reach::Source);
    assert_eq!(settings.rtp.bind[1].to_string(), "0.0.0.0");
    assert_eq!(settings.rtp.advertise[1].to_string(), "203.0.113.7");
    let own = "bind = \"192.0.2.1\"\nrtp = { bind = \"192.0.2.2\" }";
    let settings = loaded(&[("external.toml", own)]).settings;
    assert_eq!(settings.rtp.advertise[1].to_string(), "192.0.2.2");
    assert_eq!(
        errors(&[("external.toml", "bind = \"0.0.0.0\"")]),
        [
            "external.toml:1: `bind` is every address, so `advertise` has to say which one others reach"
        ]
    );
    assert_eq!(
        errors(&[
            ("internal.toml", "bind = \"pbx.example:5060\""),
            (
                "external.toml",
                "bind = \"192.0.2.1\"\nadvertise = \"2001:db8::1\"\ntransports = [\"tls\"]"
            ),
        ]),
        [
            "external.toml:2: `advertise` and `bind` are of one family, IPv4 or IPv6",
            "external.toml:3: `transports` does not name `tls`: `[tls]` with `certificate` and `key` adds it",
            "external.toml:3: `transports` names at least one of `udp` and `tcp` where there is no `[tls]`",
            "internal.toml:1: `bind` is an address in numbers here, not the name `pbx.example`",
        ]
    );
}

#[test]
fn numbers_of_the_node_out_of_their_bounds_are_refused() {
    let text = "domain = \"a b\"\nlanguage = \"German\"\nworkers = 0\n[rtp]\nports = \"16384-16384\"\ncodecs = [\"PCMA\", \"G729\"]\n\
                silence = \"1s\"\n[registrar]\nshortest = \"10m\"\nlongest = \"5m\"\n[limits]\ncalls = 1000000\n[dial]\nrights = [\"all\"]\ncountries = [\"DE\", \"Germany\"]\noff_hours = []\n\
                [subscriptions]\nshortest = \"1h\"\nlongest = \"1m\"\nper_user = 0";
    assert_eq!(
        errors(&[("-routes/80-out.toml", ""), ("switch.toml", text)]),
        [
            "switch.toml:1: `domain` is a host name or an address, such as `pbx.example.com`, not `a b`",
            "switch.toml:2: `language` is a language such as `de` or `en`, not `German`",
            "switch.toml:3: `workers` is from 1 to 256",
            "switch.toml:5: `rtp.ports` has fewer than 2 ports: `16384-16384`",
            "switch.toml:6: `rtp.codecs` has `PCMU` and `PCMA`, not `G729`",
            "switch.toml:7: `rtp.silence` is at least 5s and at most 1d, not 1s",
            "switch.toml:10: `registrar.longest` is shorter than `registrar.shortest`",
            "switch.toml:12: `limits.calls` is from 1 to 20000",
            "switch.toml:14: `dial.rights` has `internal`, `national`, `international`, `premium`, not `all`",
            "switch.toml:15: `dial.countries` is a country by its two letters such as `DE`, not `Germany`",
            "switch.toml:16: `dial.off_hours` needs `dial.hours`, the hours of business",
            "switch.toml:19: `subscriptions.longest` is shorter than `subscriptions.shortest`",
            "switch.toml:20: `subscriptions.per_user` is from 1 to 10000",
        ]
    );
    assert_eq!(
        warnings(&[(
            "switch.toml",
            "domain = \"pbx.example\"\nrtp = { ports = \"20000-20019\" }\nlimits = { calls = 6 }\ncountry = \"DE\""
        )]),
        ["switch.toml:3: 6 calls need two pairs of ports each, `rtp.ports` has 10 pairs"]
    );
}

#[test]
fn a_password_stands_in_a_file_of_its_own() {
    let trunk = "[gateway]\naddress = \"192.0.2.9\"\nuser = \"me\"\npassword = { file = \"secrets/north\" }\nrealm = \"c\"";
    let settings =
        loaded(&[("trunks/north.toml", trunk), ("secrets/north", "wind and rain\n")]).settings;
    let gateway = settings.trunks["north"].gateways.first().expect("a gateway");
    let credentials = gateway.credentials.as_ref().expect("credentials");
    assert_eq!(
        (credentials.user.as_str(), credentials.password.reveal().as_str()),
        ("me", "wind and rain")
    );
    let with = |password: &str| {
        let trunk =
            format!("[gateway]\naddress = \"192.0.2.9\"\nuser = \"me\"\npassword = {password}");
        errors(&[("trunks/north.toml", &trunk), ("secrets/north", "a\nb"), ("secrets/empty", "\n")])
    };
    assert_eq!(
        with("\"wind\""),
        [
            "trunks/north.toml:4: `gateway.password` does not stand here but in a file of its own, mode 0600: { file = \"secrets/north\" }"
        ]
    );
    assert_eq!(
        with("{ file = \"secrets/nort\" }"),
        [
            "trunks/north.toml:4: `gateway.password.file` names a file that is not there; did you mean `secrets/north`?"
        ]
    );
    for elsewhere in ["/etc/passwd", "switch.toml", "secrets/", "../secrets/north"] {
        assert_eq!(
            with(&format!("{{ file = \"{elsewhere}\" }}")),
            [
                "trunks/north.toml:4: `gateway.password.file` names a file in `secrets/`, such as `secrets/north`"
            ]
        );
    }
    for unfit in ["north", "empty"] {
        assert_eq!(
            with(&format!("{{ file = \"secrets/{unfit}\" }}")),
            [
                "trunks/north.toml:4: `gateway.password.file` names a file that does not hold one line of text"
            ]
        );
    }
    assert_eq!(
        errors(&[("trunks/north.toml", "[gateway]\naddress = \"192.0.2.9\"\nuser = \"me\"")]),
        ["trunks/north.toml:3: `gateway.user` has no `gateway.password`"]
    );
}

#[test]
fn a_route_takes_its_queues_word_unless_it_has_its_own() {
    let queue = (
        "queues/support.toml",
        "agents = [\"bob\"]\nconsent = \"notice_all\"\nretention = \"standard\"",
    );
    let route = |more: &str| {
        let text = format!(
            "caller = {{ trunk = \"north\" }}\nnumber = \"1*\"\nto = {{ queue = \"support\" }}\n{more}"
        );
        let route = &loaded(&[queue, ("routes/10-support.toml", &text)]).settings.routes[0];
        assert_eq!(route.numbers, [NumberPattern::parse("1*").expect("a pattern")]);
        (route.consent, route.retention.clone())
    };
    assert_eq!(route(""), (ConsentMode::NoticeAll, Some("standard".into())));
    assert_eq!(
        route("consent = \"express_all\""),
        (ConsentMode::ExpressAll, Some("standard".into()))
    );
    assert_eq!(route("consent = \"never\""), (ConsentMode::Never, None));
}

#[test]
fn nothing_is_recorded_without_an_end() {
    let route = "caller = { trunk = \"north\" }\nnumber = \"1\"\nto = { queue = \"support\" }";
    assert_eq!(
        errors(&[("routes/10-support.toml", route)]),
        [
            "routes/10-support.toml:3: calls of route `10-support` are recorded (express_all), and nothing says how long recordings \
          are kept: say `retention = \"...\"`, or `consent = \"never\"`"
        ]
    );
    assert_eq!(
        errors(&[(
            "routes/10-support.toml",
            &format!("{route}\nretention = \"standart\"\nconsent = \"express-all\"")
        )]),
        [
            "routes/10-support.toml:4: no retention policy `standart` (policies/standart.toml); did you mean `standard`?",
            "routes/10-support.toml:5: `consent` is one of `never`, `notice_all`, `express_all`, not `express-all`",
        ]
    );
    assert_eq!(
        errors(&[
            ("policies/a.toml", ""),
            ("policies/b.toml", "keep = \"10y\""),
            ("policies/c.toml", "keep = \"0s\"")
        ]),
        [
            "policies/a.toml: `keep` is missing: how long recordings are kept, such as \"30d\"",
            "policies/b.toml:1: `keep` has no unit for months and years: say days, as in `365d`",
            "policies/c.toml:1: `keep` is at least 1s and at most 5217w6d, not 0s",
        ]
    );
}

#[test]
fn calls_that_stay_unrecorded_are_said_to() {
    let out =
        "caller = \"users\"\nnumber = \"0*\"\nto = { trunk = \"north\" }\nconsent = \"notice_all\"";
    let out = loaded(&[("routes/80-out.toml", out)]);
    assert_eq!(out.settings.routes[1].consent, ConsentMode::Never);
    assert_eq!(
        out.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "routes/80-out.toml:4: outbound and internal calls are not recorded in this release: route `80-out` says `notice_all`"
        ]
    );
    assert_eq!(
        warnings(&[
            ("users/202.toml", ""),
            (
                "routes/11.toml",
                "caller = { trunk = \"north\" }\nnumber = \"2\"\nto = { user = \"202\" }\nretention = \"standard\""
            ),
        ]),
        [
            "routes/11.toml:3: calls of route `11` will not be recorded: user `202` is no agent who agrees to recording"
        ]
    );
    let notes = loaded(&[("agents/bob.toml", "user = \"201\"")]).notes;
    assert_eq!(
        notes,
        [
            "no phone can register as 201 yet: set a password with `tonspur user add 201`",
            "outbound and internal calls are not recorded in this release: 80-out",
            "calls taken by agents who do not agree to recording are not recorded: bob",
            "users cannot dial 110, 112: no route leads there, say one with `emergency = true`",
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_text_makes_reading_panic(file in 0..OFFICE.len(), text in "\\PC{0,80}") {
        let mut sources = office_with(&[]);
        sources[file].text = text;
        let _ = load(&sources);
    }

    #[test]
    fn no_slip_of_the_pen_makes_reading_panic(file in 0..OFFICE.len(), at in 0usize..200, put in "[a-z0-9=\\[\\]{}\"'.,*+\n-]{0,3}", cut in 0usize..4) {
        let mut sources = office_with(&[]);
        let text = &mut sources[file].text;
        let at = at % (text.len() + 1);
        let end = (at + cut).min(text.len());
        text.replace_range(at..end, &put);
        let _ = load(&sources);
    }
}

#[test]
fn calls_are_parked_where_no_user_is() {
    assert_eq!(loaded(&[]).settings.park, None);
    let node = |park: &str| format!("domain = \"pbx.example\"\ncountry = \"DE\"\npark = {park}\n");
    let park = loaded(&[("switch.toml", &node("{}"))]).settings.park.expect("a park");
    assert_eq!((&*park.extension, park.slots), ("700", 701..=720));
    assert_eq!(park.timeout, Duration::from_secs(120));
    let user = ("users/703.toml", "");
    assert_eq!(
        errors(&[("switch.toml", &node("{}")), user]),
        ["switch.toml:3: `park` has the number of user 703"]
    );
    for wrong in [
        "{ extension = \"711\", slots = \"711-720\" }",
        "{ slots = \"720-711\" }",
        "{ slots = \"99-101\" }",
        "{ slots = \"0711-0720\" }",
        "{ slots = \"10000-19999\" }",
        "{ extension = \"+700\", slots = \"711-720\" }",
        "{ slots = \"711-720\", timeout = \"1s\" }",
    ] {
        assert_eq!(errors(&[("switch.toml", &node(wrong))]).len(), 1, "{wrong}");
    }
}
