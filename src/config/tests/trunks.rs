//! Trunks as written: whose calls they are, where calls out go, and what is told on the way.

use super::*;
use crate::switch::headers::HeaderName;
use crate::switch::settings::Identity;

#[test]
fn gateways_are_one_or_several_addresses_or_names_and_a_rate_is_calls_in_a_time() {
    let trunk = "rate = \"10/s\"\n[[gateway]]\naddress = \"sip.carrier.example\"\nweight = 2\n\
                 account = \"4930\"\nregister = true\nhealth = \"30s\"\n\
                 [[gateway]]\naddress = \"192.0.2.9\"\nweight = 1";
    let settings = loaded(&[("trunks/north.toml", trunk)]).settings;
    let north = &settings.trunks["north"];
    let places: Vec<String> = north.gateways.iter().map(|at| at.place.to_string()).collect();
    assert_eq!(places, ["sip.carrier.example", "192.0.2.9:5060"]);
    assert_eq!(north.rate.map(|rate| (rate.calls, rate.span.as_secs())), Some((10, 1)));
    assert_eq!(north.gateways[0].register.as_ref().map(|it| it.expires.as_secs()), Some(600));
    let wrong = |trunk: &str| errors(&[("trunks/north.toml", trunk)]);
    let gateway = "[[gateway]]\naddress = \"192.0.2.9\"";
    assert_eq!(
        wrong(&format!(
            "rate = \"0/s\"\n{gateway}\nregister = true\n{gateway}\nweight = 1\nexpires = \"1h\""
        )),
        [
            "trunks/north.toml:1: `rate` is a number of calls such as `10/s`, `100/m` or `500/h`, not `0/s`",
            "trunks/north.toml:1: either every `gateway` of a trunk has a `weight`, or none has",
            "trunks/north.toml:4: `gateway.register` needs `user` and `password`, or at least `account`",
            "trunks/north.toml:8: `gateway.expires` needs `register = true`",
        ]
    );
    assert_eq!(
        wrong("[gateway]\naddress = \"sip carrier\""),
        [
            "trunks/north.toml:2: `gateway.address` is an address such as `192.0.2.1` or `192.0.2.1:5060`, not `sip carrier`"
        ]
    );
}

#[test]
fn a_carrier_is_told_who_calls_by_from_and_by_what_is_asserted_if_it_is_trusted() {
    let identity = |keys: &str| {
        let trunk = format!("{keys}\n[gateway]\naddress = \"192.0.2.9\"");
        let settings = loaded(&[("trunks/north.toml", &trunk)]).settings;
        (settings.trunks["north"].trusted, settings.trunks["north"].identity)
    };
    assert_eq!(identity(""), (false, Identity::From));
    assert_eq!(identity("trusted = true"), (true, Identity::Both));
    assert_eq!(identity("trusted = true\nidentity = \"from\""), (true, Identity::From));
    assert_eq!(identity("identity = \"both\""), (false, Identity::Both));
    let wrong = |identity: &str| {
        let gateway = "[gateway]\naddress = \"192.0.2.9\"";
        errors(&[("trunks/north.toml", &format!("identity = \"{identity}\"\n{gateway}"))])
    };
    assert_eq!(
        wrong("asserted"),
        [
            "trunks/north.toml:1: `identity` is \"asserted\", and a gateway has neither `user` nor `account` for From"
        ]
    );
    assert_eq!(
        wrong("pai"),
        ["trunks/north.toml:1: `identity` is one of `from`, `asserted`, `both`, not `pai`"]
    );
}

#[test]
fn a_gateway_that_is_this_switch_would_loop() {
    for address in ["192.0.2.1:5080", "10.0.0.1"] {
        assert_eq!(
            errors(&[("trunks/north.toml", &format!("[gateway]\naddress = \"{address}\""))])[0],
            "trunks/north.toml:2: `gateway.address` is an address of this switch: calls would loop"
        );
    }
    let nat = ("external.toml", "bind = \"0.0.0.0:5080\"\nadvertise = \"203.0.113.7\"");
    for address in ["203.0.113.7:5080", "127.0.0.1:5080"] {
        assert_eq!(
            errors(&[nat, ("trunks/north.toml", &format!("[gateway]\naddress = \"{address}\""))])
                .len(),
            1
        );
    }
    // Another switch on another machine, at the usual port.
    assert_eq!(
        warnings(&[nat, ("trunks/north.toml", "[gateway]\naddress = \"192.0.2.9:5080\"")]),
        [] as [&str; 0]
    );
    assert_eq!(
        errors(&[("trunks/north.toml", "[gateway]\naddress = \"[2001:db8::9]:5060\"")]),
        [
            "trunks/north.toml:2: no address of external.toml has udp over IPv6, so this gateway cannot be reached"
        ]
    );
}

#[test]
fn a_carrier_is_known_by_its_addresses() {
    let settings = loaded(&[
        ("trunks/north.toml", "from = [\"192.0.2.9\", \"198.51.100.0/24\"]\nchannels = 4"),
        ("trunks/south.toml", "from = [\"198.51.100.7\", \"192.0.2.9:5070\"]"),
        ("-routes/80-out.toml", ""),
    ])
    .settings;
    assert_eq!(settings.trunks["north"].from[1].bits, 24);
    assert_eq!(settings.trunks["north"].channels, 4);
    assert_eq!(settings.trunks["south"].from[1].port, Some(5070));
    assert_eq!(
        errors(&[
            (
                "trunks/south.toml",
                "from = [\n\"192.0.2.9\",\n\"0.0.0.0/0\",\n\"198.51.100.7/24\",\n\"carrier.example\"]"
            ),
            ("trunks/west.toml", ""),
        ]),
        [
            "trunks/south.toml:2: `from` names an address that is trunk `north`'s",
            "trunks/south.toml:3: `from` would let anybody in: name the carrier's addresses",
            "trunks/south.toml:4: `from` has bits beyond the /24: `198.51.100.0/24` is meant?",
            "trunks/south.toml:5: `from` is an address in numbers here, not the name `carrier.example`",
            "trunks/west.toml:1: the trunk has neither `from` (calls in) nor `[gateway]` (calls out)",
        ]
    );
    assert_eq!(
        warnings(&[("trunks/south.toml", "from = [\"10.0.0.0/8\"]")]),
        ["trunks/south.toml:1: `from` trusts a network as wide as /8"]
    );
}

#[test]
fn headers_are_named_one_by_one_and_none_of_the_switchs_own() {
    let headers = |keys: &str| format!("[gateway]\naddress = \"192.0.2.9\"\n[headers]\n{keys}");
    let good = headers("in = [\"User-to-User\"]\nout = [\"X-A\", \"X-B\"]\nset = [\"X-C: 1: 2\"]");
    let settings = loaded(&[("trunks/north.toml", &good)]).settings;
    let rules = &settings.trunks["north"].headers;
    let of = |names: &[HeaderName]| names.iter().map(|name| name.as_str().to_owned()).collect();
    let named: [Vec<String>; 2] = [of(&rules.inward), of(&rules.outward)];
    assert_eq!(named, [vec!["User-to-User"], vec!["X-A", "X-B"]]);
    assert_eq!(rules.set.iter().map(|(_, value)| value).collect::<Vec<_>>(), ["1: 2"]);
    let many = (0..17).map(|n| format!("\"X-{n}\"")).collect::<Vec<_>>().join(", ");
    let bad = headers(&format!("in = [\"v\", \"Contact\"]\nout = [{many}]\nset = [\"X-A 1\"]"));
    assert_eq!(
        errors(&[("trunks/north.toml", &bad)]),
        [
            "trunks/north.toml:4: `headers.in` has `Contact`, which is the switch's own to say",
            "trunks/north.toml:4: `headers.in` has names of headers of 2 to 64 letters, digits and dashes, such as \"X-Order\"",
            "trunks/north.toml:5: `headers.out` has 16 headers at most",
            "trunks/north.toml:6: `headers.set` has lines of a name, a colon and a value, such as \"X-Tenant: support\"",
        ]
    );
}
