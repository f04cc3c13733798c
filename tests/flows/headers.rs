//! Headers of the far sides' own: which reach the other side, and which nobody gets to see (RFC 7433, X- headers).

use tonspur::phone::Received;
use tonspur::switch::dialing::Dialing;
use tonspur::switch::headers::{HeaderName, HeaderRules};
use tonspur::switch::settings::{Destination, Settings};

use crate::lab::{Lab, secs};

const SUPPORT: &str = "+4930555010";
const BOB_DIRECTLY: &str = "+4930555012";
const ABROAD: &str = "+4930555019";
const OUT: &str = "0301234567";
/// What a caller says beside what is needed.
const SAID: &str = "X-Order: 4711\r\nUser-to-User: 00a1;encoding=hex\r\nX-Secret: 1\r\n";

fn names(names: &[&str]) -> Vec<HeaderName> {
    names.iter().map(|name| HeaderName::parse(name).expect("a name")).collect()
}

fn ruled(settings: &mut Settings) {
    let north = settings.trunks.get_mut("north").expect("north");
    north.headers = HeaderRules {
        inward: names(&["X-Order", "User-to-User"]),
        outward: names(&["X-Order", "X-Tenant"]),
        set: vec![HeaderName::parse_line("X-Tenant: support").expect("a line")],
    };
}

/// Which lines of [`SAID`] and of the rules an INVITE has.
fn lines(invite: &Received) -> Vec<&str> {
    let names = ["x-order", "user-to-user", "x-secret", "x-tenant"];
    let is_one = |line: &&str| {
        line.split_once(':').is_some_and(|(name, _)| names.contains(&&*name.to_lowercase()))
    };
    invite.text().lines().filter(is_one).collect()
}

#[test]
fn no_header_of_its_own_reaches_the_other_side_unless_a_rule_says_so() {
    let lab = Lab::new();
    let (north, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    north.adds(SAID).invites(BOB_DIRECTLY);
    assert!(lines(&bob.receives("INVITE")).is_empty());
    bob.replies(486, "Busy Here");
    north.expects("486");
    bob.adds(SAID).adds(SAID).invites(OUT);
    assert!(lines(&north.receives("INVITE")).is_empty());
}

#[test]
fn a_carriers_headers_reach_the_phones_that_ring_for_its_calls() {
    let lab = Lab::with(ruled);
    let (north, bob, alice) = (lab.carrier("north"), lab.agent("bob"), lab.agent("alice"));
    let shown = ["X-Order: 4711", "User-to-User: 00a1;encoding=hex"];
    north.adds(SAID).invites(SUPPORT).expects("200 OK").acks();
    north.hears_prompt("en/consent").presses('2');
    assert_eq!(lines(&bob.receives_within("INVITE", secs(3))), shown);
    bob.replies(486, "Busy Here");
    assert_eq!(lines(&alice.receives_within("INVITE", secs(3))), shown, "and the next one's");
    alice.replies(486, "Busy Here");
    north.hangs_up();
}

#[test]
fn a_carrier_is_told_what_its_rules_let_pass_and_what_they_set() {
    let lab = Lab::with(ruled);
    let (north, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    let said = format!("{SAID}X-Tenant: eve\r\n");
    bob.adds(&said).adds(&said).invites(OUT);
    let told = ["X-Order: 4711", "X-Tenant: support"];
    assert_eq!(lines(&north.receives("INVITE")), told);
    let challenge = "WWW-Authenticate: Digest realm=\"north\", nonce=\"n1\", qop=\"auth\"\r\n";
    north.replies_with(401, "Unauthorized", challenge, None);
    assert_eq!(lines(&north.receives("INVITE")), told, "and with the answer to a challenge");
    north.replies(486, "Busy Here");
    bob.expects("486");
    let alice = lab.phone("alice").registers();
    bob.adds(&said).adds(&said).invites("202");
    assert!(lines(&alice.receives("INVITE")).is_empty(), "phones say nothing to phones");
}

#[test]
fn from_carrier_to_carrier_goes_what_both_let_pass() {
    let lab = Lab::with(|settings| {
        ruled(settings);
        let north = settings.trunks.get_mut("north").expect("north");
        north.dialing = Some(Dialing::default());
        let south = settings.trunks.get_mut("south").expect("south");
        south.headers.outward = names(&["X-Secret", "User-to-User"]);
        for route in settings.routes.iter_mut().filter(|route| route.name == "19-refused") {
            route.to = Destination::Trunks(vec!["south".into()]);
        }
    });
    let (north, south) = (lab.carrier("north"), lab.carrier("south").speaks_only(&[8]));
    north.adds(SAID).invites(ABROAD);
    assert_eq!(lines(&south.receives("INVITE")), ["User-to-User: 00a1;encoding=hex"]);
}
