//! What is said to others than us: it is ignored or passed on, and refused only where it must be understood.

use crate::lab::{Lab, ms};

const BOB_DIRECTLY: &str = "+4930555012";

/// Priorities (RFC 4412), places (RFC 6442), signed identities (RFC 8224): From and To are our own towards the phone, so that a
/// signature over theirs would be false.
#[test]
fn what_a_carrier_says_to_others_keeps_no_call_away() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    caller.adds(
        "Resource-Priority: esnet.1\r\nGeolocation: <cid:here@carrier.example>\r\nGeolocation-Routing: no\r\n\
         Identity: c2lnbmVk;info=<https://carrier.example/cert>;alg=ES256;ppt=shaken\r\n",
    );
    caller.invites(BOB_DIRECTLY);
    let invite = bob.receives("INVITE");
    assert_eq!(invite.header("Identity"), "", "{}", invite.text());
    bob.answers();
    caller.expects("200 OK").acks().hangs_up();
    bob.is_hung_up();
}

#[test]
fn what_has_to_be_understood_and_is_not_is_refused_by_name() {
    // RFC 3911, RFC 4412.
    for (tag, header) in [
        ("join", "Join: 1;to-tag=2;from-tag=3\r\n"),
        ("resource-priority", "Resource-Priority: esnet.1\r\n"),
    ] {
        let lab = Lab::new();
        let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
        caller.adds(&format!("Require: {tag}\r\n{header}")).invites(BOB_DIRECTLY);
        assert_eq!(caller.receives("420 Bad Extension").header("Unsupported"), tag);
        bob.gets_no("INVITE", ms(100));
    }
}

/// RFC 6086 §4.2.2.
#[test]
fn information_of_a_package_that_nobody_asked_for_is_refused_and_an_empty_one_is_not() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100)).answers();
    caller.expects("200 OK").acks();
    bob.asks("INFO", "Info-Package: trunkstatus\r\n", None);
    let refusal = bob.receives("469 Bad Info Package");
    assert!(refusal.text().contains("\r\nRecv-Info:"), "{}", refusal.text());
    bob.asks("INFO", "", None).expects("200 OK");
    caller.hangs_up();
    bob.is_hung_up();
}

/// RFC 8197, RFC 8688.
#[test]
fn that_a_call_is_unwanted_reaches_the_carrier() {
    for (status, phrase) in [(607, "Unwanted"), (608, "Rejected")] {
        let lab = Lab::new();
        let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
        caller.invites(BOB_DIRECTLY);
        bob.rings(ms(100)).replies(status, phrase);
        caller.expects(&format!("{status} {phrase}"));
    }
}

/// RFC 8599: who sends no push notifications keeps what they are asked for out of the way.
#[test]
fn a_phone_that_could_be_woken_by_push_is_called_as_it_registered() {
    const PUSH: &str = "pn-provider=acme;pn-param=acme-param;pn-prid=ZTY4ZDJlMzODE1NmUgKi0K";
    let lab = Lab::new();
    let bob = lab.phone("bob");
    for _ in 0..2 {
        bob.changes("REGISTER", |text| {
            text.replacen(">\r\nExpires", &format!(";{PUSH}>\r\nExpires"), 1)
        });
    }
    let bob = bob.registers();
    assert!(bob.said("REGISTER").contains(PUSH), "{}", bob.said("REGISTER"));
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY);
    let invite = bob.receives("INVITE");
    assert!(
        invite.text().lines().next().is_some_and(|line| line.contains(PUSH)),
        "{}",
        invite.text()
    );
    bob.replies(486, "Busy Here");
    caller.expects("486");
}
