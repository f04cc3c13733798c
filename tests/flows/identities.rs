//! Who calls: what a carrier may say of it, what it is told, and who withholds it.

use tonspur::switch::dialing::Dialing;
use tonspur::switch::settings::{Destination, Identity, Settings};

use crate::lab::{Lab, Party, assert_ladder, secs};

const BOB_DIRECTLY: &str = "+4930555012";
const ABROAD: &str = "+4930555019";
const NOBODY: &str = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
const ASSERTED: &str =
    "P-Asserted-Identity: \"Ada\" <sip:+4989123456@north.example>, <tel:+4989123456>\r\n";

fn trusted(settings: &mut Settings) {
    let north = settings.trunks.get_mut("north").expect("north");
    (north.trusted, north.identity) = (true, Identity::Both);
}

/// Calls with this From, its tag aside, and these header lines more.
pub(crate) fn calls(caller: &Party, from: &str, headers: &str, number: &str) {
    let (from, headers) = (from.to_owned(), headers.to_owned());
    caller.changes("INVITE", move |text| {
        let (before, rest) = text.split_once("\r\nFrom: ").expect("From");
        let (_, rest) = rest.split_once(";tag=").expect("a tag");
        let text = format!("{before}\r\nFrom: {from};tag={rest}");
        text.replacen("\r\nContent-Length:", &format!("\r\n{headers}Content-Length:"), 1)
    });
    caller.invites(number);
}

fn north_and_bob(lab: &Lab) -> [Party; 2] {
    [lab.carrier("north"), lab.phone("bob").registers()]
}

/// What bob sees and what the record keeps of a call by north.
fn seen(lab: &Lab, [caller, bob]: &[Party; 2], from: &str, headers: &str) -> (String, String) {
    calls(caller, from, headers, BOB_DIRECTLY);
    let invite = bob.receives("INVITE");
    for name in ["P-Asserted-Identity", "Privacy"] {
        assert!(!invite.text().contains(name), "{}", invite.text());
    }
    let shown = invite.header("From").split(";tag=").next().unwrap_or_default().to_owned();
    bob.replies(486, "Busy Here");
    caller.expects("486");
    let kept = lab.cdrs().pop().expect("a row").from.reveal().clone();
    (shown, kept)
}

/// What the carrier is told of a call of bob's that says these lines too: From, and P-Asserted-Identity and Privacy if they are there.
fn told(
    [carrier, bob]: &[Party; 2],
    headers: &str,
    number: &str,
) -> (String, Option<String>, Option<String>) {
    bob.adds(headers).adds(headers).invites(number);
    let told = heard(carrier);
    carrier.replies(486, "Busy Here");
    bob.expects("486");
    told
}

fn heard(carrier: &Party) -> (String, Option<String>, Option<String>) {
    let invite = carrier.receives("INVITE");
    let line = |name: &str| {
        let lines = invite.text().lines().map(str::to_owned);
        let mut values =
            lines.filter_map(|line| Some(line.split_once(&format!("{name}: "))?.1.to_owned()));
        let value = values.next();
        assert!(values.next().is_none(), "one {name}: {}", invite.text());
        value
    };
    let from = line("From").expect("From");
    let from = from.split(";tag=").next().unwrap_or_default().to_owned();
    (from, line("P-Asserted-Identity"), line("Privacy"))
}

fn text(
    from: &str,
    asserted: Option<&str>,
    privacy: Option<&str>,
) -> (String, Option<String>, Option<String>) {
    (from.to_owned(), asserted.map(str::to_owned), privacy.map(str::to_owned))
}

#[test]
fn what_a_trunk_asserts_is_believed_only_if_it_is_trusted() {
    let from = "\"Bert\" <sip:+4989999999@north.example>";
    let lab = Lab::with(trusted);
    let (shown, kept) = seen(&lab, &north_and_bob(&lab), from, ASSERTED);
    assert_eq!(shown, "\"Ada\" <sip:+4989123456@office.example>");
    assert_eq!(kept, "+4989123456");
    let lab = Lab::new();
    let (shown, kept) = seen(&lab, &north_and_bob(&lab), from, ASSERTED);
    assert_eq!(shown, "\"Bert\" <sip:+4989999999@office.example>");
    assert_eq!(kept, "+4989999999");
}

#[test]
fn of_several_asserted_identities_the_first_with_an_international_number_counts() {
    let from = "\"Bert\" <sip:+4989999999@north.example>";
    let lab = Lab::with(trusted);
    let parties = north_and_bob(&lab);
    for (asserted, number) in [
        (
            "P-Asserted-Identity: <sip:ada@north.example>\r\nP-Asserted-Identity: <tel:+49-89-1>\r\n",
            "+49891",
        ),
        (
            "P-Asserted-Identity: tel:+49891\r\nP-Asserted-Identity: <sips:+49892@a.example>, <sip:+49893@a.example>\r\n",
            "+49892",
        ),
        ("P-Asserted-Identity: <tel:+49891>, <tel:+49892>\r\n", "+49891"),
        ("P-Asserted-Identity: <sip:ada@north.example>\r\n", "ada"),
        // Neither what cannot be read nor what names nobody.
        ("P-Asserted-Identity: <sip:+49891@a.example\r\n", "+4989999999"),
        ("P-Asserted-Identity: <sip:anonymous@a.example>\r\n", "+4989999999"),
    ] {
        let (shown, kept) = seen(&lab, &parties, from, asserted);
        assert_eq!(kept, number, "{asserted}");
        let named = shown.starts_with("\"Bert\"");
        assert_eq!(named, number == "+4989999999", "{shown}: a name goes with its number");
    }
}

#[test]
fn who_withholds_the_number_is_nobody_to_a_phone_and_known_to_us_by_a_trusted_trunk_alone() {
    let plain = "\"Ada\" <sip:+4989123456@north.example>";
    let (open, closed) = (Lab::new(), Lab::with(trusted));
    let (by_open, by_closed) = (north_and_bob(&open), north_and_bob(&closed));
    for (from, privacy) in [
        (plain, "Privacy: id\r\n"),
        (plain, "Privacy: critical; ID\r\n"),
        (plain, "Privacy: user\r\n"),
        (plain, "Privacy: header\r\n"),
        (NOBODY, ""),
        (NOBODY, "Privacy: none\r\n"),
        ("<sip:+4989123456@anonymous.invalid>", ""),
        ("<sip:Anonymous@north.example>", ""),
    ] {
        let headers = format!("{ASSERTED}{privacy}");
        let told = seen(&open, &by_open, from, &headers);
        assert_eq!(told, (NOBODY.to_owned(), "anonymous".to_owned()), "{from} {privacy}");
        let told = seen(&closed, &by_closed, from, &headers);
        assert_eq!(told, (NOBODY.to_owned(), "+4989123456".to_owned()), "{from} {privacy}");
    }
    let (shown, _) = seen(&open, &by_open, plain, "Privacy: none\r\n");
    assert_eq!(shown, "\"Ada\" <sip:+4989123456@office.example>");
    let (shown, kept) = seen(&closed, &by_closed, NOBODY, "");
    assert_eq!((shown.as_str(), kept.as_str()), (NOBODY, "anonymous"), "nobody has said it");
}

#[test]
fn a_carrier_is_told_who_calls_where_it_wants_to_be() {
    let bob = "<sip:+49305550201@192.0.2.9:5060>";
    let told_by = |trusted, identity| {
        let lab = Lab::with(|settings| {
            let north = settings.trunks.get_mut("north").expect("north");
            (north.trusted, north.identity) = (trusted, identity);
        });
        // What the phone says of itself counts for nothing.
        told(
            &north_and_bob(&lab),
            "P-Asserted-Identity: <sip:boss@office.example>\r\n",
            "0301234567",
        )
    };
    let account = "<sip:office@192.0.2.9:5060>";
    for trusted in [true, false] {
        assert_eq!(told_by(trusted, Identity::From), text(bob, None, None));
        assert_eq!(told_by(trusted, Identity::Both), text(bob, Some(bob), None));
        assert_eq!(told_by(trusted, Identity::Asserted), text(account, Some(bob), None));
    }
}

#[test]
fn a_phone_withholds_its_number_for_one_call_and_only_a_trusted_carrier_is_told() {
    let private = "Privacy: id\r\n";
    let bob = "<sip:+49305550201@192.0.2.9:5060>";
    let lab = Lab::with(trusted);
    let parties = north_and_bob(&lab);
    assert_eq!(told(&parties, private, "0301234567"), text(NOBODY, Some(bob), Some("id")));
    assert_eq!(lab.cdrs()[0].from.reveal(), "201", "we know who it was");
    assert_eq!(told(&parties, "", "0301234567"), text(bob, Some(bob), None));
    for identity in [Identity::From, Identity::Asserted, Identity::Both] {
        let lab = Lab::with(|settings| {
            settings.trunks.get_mut("north").expect("north").identity = identity;
        });
        assert_eq!(
            told(&north_and_bob(&lab), private, "0301234567"),
            text(NOBODY, None, Some("id"))
        );
    }
}

#[test]
fn a_phone_that_withholds_its_number_is_nobody_to_another_phone() {
    let lab = Lab::new();
    let (alice, bob) = (lab.phone("alice").registers(), lab.phone("bob").registers());
    bob.adds("Privacy: id\r\n").adds("Privacy: id\r\n").invites("202");
    let invite = alice.receives("INVITE");
    assert!(invite.header("From").starts_with(NOBODY), "{}", invite.text());
    assert!(!invite.text().contains("201"), "{}", invite.text());
    alice.answers();
    bob.expects("200 OK").acks().hangs_up();
    alice.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn an_emergency_call_says_who_calls_whatever_the_phone_withholds() {
    let bob = "<sip:+49305550201@192.0.2.9:5060>";
    for (lab, asserted) in [(Lab::new(), None), (Lab::with(trusted), Some(bob))] {
        let told = told(&north_and_bob(&lab), "Privacy: id\r\n", "112");
        assert_eq!(told, text(bob, asserted, None));
    }
}

#[test]
fn who_is_passed_on_from_carrier_to_carrier_stays_withheld() {
    for trusts in [false, true] {
        let lab = Lab::with(|settings| {
            trusted(settings);
            let north = settings.trunks.get_mut("north").expect("north");
            north.dialing = Some(Dialing::default());
            let south = settings.trunks.get_mut("south").expect("south");
            (south.trusted, south.identity) = (trusts, Identity::Both);
            for route in settings.routes.iter_mut().filter(|route| route.name == "19-refused") {
                route.to = Destination::Trunks(vec!["south".into()]);
            }
        });
        let (north, south) = (lab.carrier("north"), lab.carrier("south").speaks_only(&[8]));
        calls(&north, NOBODY, &format!("{ASSERTED}Privacy: id\r\n"), ABROAD);
        let asserted = trusts.then_some("<sip:+4989123456@192.0.2.10:5060>");
        assert_eq!(heard(&south), text(NOBODY, asserted, Some("id")));
        south.replies(486, "Busy Here");
        north.receives_within("486", secs(1));
    }
}

#[test]
fn an_answer_to_a_challenge_says_the_same_of_the_caller() {
    let lab = Lab::with(trusted);
    let (north, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    bob.adds("Privacy: id\r\n").adds("Privacy: id\r\n").invites("0301234567");
    let first = heard(&north);
    let challenge = "WWW-Authenticate: Digest realm=\"north\", nonce=\"n1\", qop=\"auth\"\r\n";
    north.replies_with(401, "Unauthorized", challenge, None);
    assert_eq!(heard(&north), first);
    north.replies(486, "Busy Here");
    bob.expects("486");
}
