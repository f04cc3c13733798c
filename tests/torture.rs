//! Every message of RFC 4475 and RFC 5118 gets the verdict it deserves, here from the message layer and in `torture/verdicts.rs` from a
//! whole switch; none is skipped, and no mutation of one makes it panic.
#![expect(clippy::disallowed_methods, reason = "the messages are files")]

#[path = "torture/door.rs"]
mod door;
#[path = "torture/reading.rs"]
mod reading;
#[path = "torture/table.rs"]
mod table;
#[path = "torture/verdicts.rs"]
mod verdicts;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tonspur::wire::sip::framing::{Frame, Framer};
use tonspur::wire::sip::headers::{Contacts, Name};
use tonspur::wire::sip::message::{Malformed, Message, Status};
use tonspur::wire::sip::outgoing::Outgoing;
use tonspur::wire::sip::uri::Scheme;

/// What the message layer says. Whether a request can be served is for others to say.
#[derive(Clone, Copy, Debug)]
enum Verdict {
    /// A request, read.
    Request,
    /// A response, read; that nobody waits for it is not to be seen here.
    Response,
    /// A request, refused with this status.
    Refused(u16),
    /// A request that may be refused or read, as long as it is one of them: with what we do.
    Either(Option<u16>),
    /// Not read and not to be answered.
    Dropped,
    /// Not read; nobody to answer, as it has no Via.
    Unanswerable(u16),
}

use Verdict::{Dropped, Either, Refused, Request, Response, Unanswerable};

const VERDICTS: &[(&str, Verdict)] = &[
    ("rfc4475/wsinv", Request),
    ("rfc4475/intmeth", Request),
    ("rfc4475/esc01", Request),
    ("rfc4475/escnull", Request),
    ("rfc4475/esc02", Request),
    ("rfc4475/lwsdisp", Request),
    ("rfc4475/longreq", Request),
    ("rfc4475/dblreq", Request),
    ("rfc4475/semiuri", Request),
    ("rfc4475/transports", Request),
    ("rfc4475/mpart01", Request),
    ("rfc4475/unreason", Response),
    ("rfc4475/noreason", Response),
    ("rfc4475/badinv01", Refused(400)),
    ("rfc4475/clerr", Refused(400)),
    ("rfc4475/ncl", Refused(400)),
    ("rfc4475/scalar02", Refused(400)),
    ("rfc4475/scalarlg", Dropped),
    ("rfc4475/quotbal", Either(Some(400))),
    ("rfc4475/ltgtruri", Either(Some(400))),
    ("rfc4475/lwsruri", Either(Some(400))),
    ("rfc4475/lwsstart", Either(Some(400))),
    ("rfc4475/trws", Either(Some(400))),
    ("rfc4475/escruri", Either(None)),
    ("rfc4475/baddate", Either(None)),
    ("rfc4475/regbadct", Either(None)),
    ("rfc4475/badaspec", Either(Some(400))),
    ("rfc4475/baddn", Either(Some(400))),
    ("rfc4475/badvers", Refused(505)),
    ("rfc4475/mismatch01", Refused(400)),
    ("rfc4475/mismatch02", Refused(501)),
    ("rfc4475/bigcode", Dropped),
    ("rfc4475/badbranch", Either(None)),
    ("rfc4475/insuf", Refused(400)),
    ("rfc4475/unkscm", Request),
    ("rfc4475/novelsc", Request),
    ("rfc4475/unksm2", Request),
    ("rfc4475/bext01", Request),
    ("rfc4475/invut", Request),
    ("rfc4475/regaut01", Request),
    ("rfc4475/multi01", Refused(400)),
    ("rfc4475/mcl01", Refused(400)),
    ("rfc4475/bcast", Response),
    ("rfc4475/zeromf", Request),
    ("rfc4475/cparam01", Request),
    ("rfc4475/cparam02", Request),
    ("rfc4475/regescrt", Request),
    ("rfc4475/sdp01", Request),
    ("rfc4475/inv2543", Either(None)),
    ("rfc4475/test", Unanswerable(400)),
    ("rfc5118/ipv6-good", Request),
    ("rfc5118/ipv6-bad", Refused(400)),
    ("rfc5118/port-ambiguous", Request),
    ("rfc5118/port-unambiguous", Request),
    ("rfc5118/via-received-param-with-delim", Request),
    ("rfc5118/via-received-param-no-delim", Request),
    ("rfc5118/ipv6-in-sdp", Request),
    ("rfc5118/mult-ip-in-header", Request),
    ("rfc5118/mult-ip-in-sdp", Request),
    ("rfc5118/ipv4-mapped-ipv6", Request),
    ("rfc5118/ipv6-bug-abnf-3-colons", Either(Some(400))),
    ("rfc5118/ipv6-correct-abnf-2-colons", Request),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture")
}

fn bytes(name: &str) -> Vec<u8> {
    let path = folder().join(format!("{name}.dat"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn message(name: &str) -> Message {
    Message::parse(&bytes(name)).unwrap_or_else(|(malformed, _)| panic!("{name}: {malformed}"))
}

fn refusal(
    malformed: Malformed,
    lexed: Option<&tonspur::wire::sip::message::Lexed>,
) -> Option<Vec<u8>> {
    let outgoing = Outgoing::refusal(malformed.status, lexed?, malformed.what, "t1")?;
    let mut out = Vec::new();
    outgoing.write(None, &mut out);
    Some(out)
}

#[test]
fn no_message_of_the_two_rfcs_is_left_out() {
    let mut files = BTreeSet::new();
    for rfc in ["rfc4475", "rfc5118"] {
        for entry in std::fs::read_dir(folder().join(rfc)).expect("the folder is there") {
            let name = entry.expect("readable").file_name().into_string().expect("ASCII");
            files.insert(format!("{rfc}/{}", name.strip_suffix(".dat").expect("a message")));
        }
    }
    let table: BTreeSet<_> = VERDICTS.iter().map(|(name, _)| String::from(*name)).collect();
    assert_eq!(table.len(), 62);
    assert_eq!(table, files);
}

#[test]
fn every_message_gets_its_verdict() {
    for &(name, verdict) in VERDICTS {
        let read = Message::parse(&bytes(name));
        let answer = match &read {
            Ok(_) => None,
            Err((malformed, lexed)) => refusal(*malformed, lexed.as_ref()),
        };
        let status = read.as_ref().err().map(|(malformed, _)| malformed.status.code());
        let fits = match verdict {
            Request => read.as_ref().is_ok_and(|message| message.method().is_some()),
            Response => read.as_ref().is_ok_and(|message| message.status().is_some()),
            Refused(code) => status == Some(code) && answer.is_some(),
            Either(code) => status == code && answer.is_some() == code.is_some(),
            Dropped => status.is_some() && answer.is_none(),
            Unanswerable(code) => status == Some(code) && answer.is_none(),
        };
        assert!(
            fits,
            "{name}: {verdict:?} is wanted, {read:?} is what came, {answer:?} is answered"
        );
        if let Some(answer) = answer {
            let answer = Message::parse(&answer);
            // What lacks Call-ID, From and To cannot be answered in full.
            assert!(
                answer.is_ok()
                    || matches!(
                        name,
                        "rfc4475/insuf"
                            | "rfc4475/badvers"
                            | "rfc4475/badinv01"
                            | "rfc4475/quotbal"
                            | "rfc4475/scalar02"
                            | "rfc4475/badaspec"
                            | "rfc4475/baddn"
                            | "rfc5118/ipv6-bug-abnf-3-colons"
                    ),
                "{name}: the answer cannot be read: {answer:?}"
            );
        }
    }
}

#[test]
fn a_tortuous_invite_is_read_like_a_plain_one() {
    let invite = message("rfc4475/wsinv");
    assert_eq!(invite.to().tag(), Some("1918181833n"));
    assert_eq!(invite.from().display.as_deref(), Some("J Rosenberg \\\""));
    assert_eq!(invite.from().tag(), Some("98asjd8"));
    assert_eq!(invite.max_forwards(), Some(68));
    assert_eq!(invite.cseq().number, 9);
    assert_eq!(invite.via().branch(), Some("390skdjuw"));
    assert_eq!(invite.via_count(), 3);
    assert_eq!(invite.body().len(), 150);
    assert_eq!(invite.body_of("application/sdp"), Some(invite.body()));
    assert_eq!(invite.lines(Name::Subject).collect::<Vec<_>>(), [b""]);
    let routes = invite.routes().expect("readable");
    assert_eq!(routes.len(), 1);
    assert_eq!(routes[0].uri.param("unknown-no-value"), Some(""));
    let Ok(Some(Contacts::List(contacts))) = invite.contacts() else { panic!("one Contact") };
    assert_eq!(contacts[0].display.as_deref(), Some("Quoted string \"\""));
    assert_eq!(contacts[0].params.get("q"), Some("0.33"));
    assert_eq!(contacts[0].params.get("newparam"), Some("newvalue"));
}

#[test]
fn every_token_character_is_kept() {
    let request = message("rfc4475/intmeth");
    let method = request.method().expect("a request").as_str();
    assert_eq!(method, "!interesting-Method0123456789_*+`.%indeed'~");
    assert_eq!(request.call_id(), "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{");
    assert_eq!(request.to().display.as_deref(), Some("BEL:\u{7} NUL:\u{0} DEL:\u{7f}"));
    assert_eq!(request.from().tag(), Some("_token~1'+`*%!-."));
    let uri = request.uri().expect("a request");
    assert_eq!(uri.user(), Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
}

#[test]
fn escapes_are_undone_once() {
    let invite = message("rfc4475/esc01");
    assert_eq!(invite.uri().and_then(|uri| uri.user()), Some("sips:user@example.com"));
    assert_eq!(invite.to().uri.user(), Some("user"));
    assert_eq!(invite.from().uri.user(), Some("I have spaces"));
    let Ok(Some(Contacts::List(contacts))) = invite.contacts() else { panic!("one Contact") };
    assert_eq!(contacts[0].uri.user(), Some("caller"));
    assert_eq!(contacts[0].uri.param("lr"), Some(""));
    assert_eq!(contacts[0].uri.param("name"), Some("value%41"));
}

#[test]
fn an_escaped_nul_does_not_end_a_name() {
    let register = message("rfc4475/escnull");
    assert_eq!(register.to().uri.user(), Some("null-\0-null"));
    let Ok(Some(Contacts::List(contacts))) = register.contacts() else { panic!("two Contacts") };
    let users: Vec<_> = contacts.iter().map(|contact| contact.uri.user()).collect();
    assert_eq!(users, [Some("\0"), Some("\0\0")]);
    assert!(!contacts[0].uri.matches(&contacts[1].uri));
}

#[test]
fn what_is_no_escape_is_not_undone() {
    let request = message("rfc4475/esc02");
    assert_eq!(request.method().map(|method| method.as_str()), Some("RE%47IST%45R"));
    let Ok(Some(Contacts::List(contacts))) = request.contacts() else { panic!("two Contacts") };
    assert_eq!(contacts.len(), 2);
    assert_eq!(request.lines_of("C%6Fntact").count(), 1);
}

#[test]
fn all_vias_of_a_long_request_come_back_in_order() {
    let request = message("rfc4475/longreq");
    assert_eq!(request.via_count(), 34);
    let mut out = Vec::new();
    Outgoing::response(Status::of(404), &request, Some("t1")).write(None, &mut out);
    let response = Message::parse(&out).expect("our own");
    assert!(response.lines(Name::Via).eq(request.lines(Name::Via)));
    assert_eq!(response.call_id(), request.call_id());
}

#[test]
fn what_follows_the_body_is_ignored_in_a_datagram_and_a_message_in_a_stream() {
    let two = bytes("rfc4475/dblreq");
    let first = message("rfc4475/dblreq");
    assert!(first.bytes().len() < two.len());
    assert!(first.body().is_empty());
    let mut framer = Framer::default();
    framer.push(&two);
    let mut methods = Vec::new();
    let mut rest = None;
    while let Some(frame) = framer.next() {
        match frame {
            Frame::Message(bytes) => {
                let message = Message::parse(&bytes).expect("both are whole");
                methods.push(message.method().expect("a request").clone().to_string());
            }
            other => rest = Some(other),
        }
    }
    assert_eq!(methods, ["REGISTER", "INVITE"]);
    // The RFC's INVITE is five bytes longer than it says, and those begin no message.
    assert_eq!(rest, Some(Frame::Broken(b"C\r\n\r\n".to_vec())));
}

#[test]
fn a_semicolon_in_the_user_part_begins_no_parameter() {
    let options = message("rfc4475/semiuri");
    let uri = options.uri().expect("a request");
    assert_eq!(uri.user(), Some("user;par=u@example.net"));
    assert_eq!(uri.param("par"), None);
    assert_eq!(options.tokens(Name::Accept).count(), 6);
}

#[test]
fn unknown_schemes_are_kept() {
    for (name, scheme) in
        [("rfc4475/unkscm", "nobodyknowsthisscheme"), ("rfc4475/novelsc", "soap.beep")]
    {
        let request = message(name);
        assert_eq!(request.uri().map(|uri| uri.scheme()), Some(&Scheme::Other(scheme.into())));
    }
    assert_eq!(*message("rfc4475/unksm2").to().uri.scheme(), Scheme::Other("isbn".into()));
}

#[test]
fn escaped_headers_of_a_uri_stay_in_it() {
    let invite = message("rfc4475/escruri");
    assert!(invite.routes().expect("readable").is_empty());
    assert_eq!(
        invite.uri().map(|uri| uri.for_request().to_string()).as_deref(),
        Some("sip:user@example.com")
    );
    let bad =
        message("rfc4475/regbadct").contacts().map(|_| ()).expect_err("headers outside of <>");
    assert_eq!(bad.status, Status::of(400));
    let Ok(Some(Contacts::List(contacts))) = message("rfc4475/regescrt").contacts() else {
        panic!()
    };
    let headers: Vec<_> = contacts[0].uri.headers().collect();
    assert_eq!(headers, [("Route".into(), "<sip:sip.example.com>".into())]);
}

#[test]
fn addresses_of_both_families_are_told_apart() {
    let port =
        |name: &str| message(name).uri().and_then(|uri| uri.socket_addr()).map(|at| at.to_string());
    assert_eq!(port("rfc5118/port-ambiguous").as_deref(), Some("[2001:db8::10:5070]:5060"));
    assert_eq!(port("rfc5118/port-unambiguous").as_deref(), Some("[2001:db8::10]:5070"));
    assert_eq!(
        port("rfc5118/ipv6-correct-abnf-2-colons").as_deref(),
        Some("[2001:db8::c000:201]:5060")
    );
    let Ok(Some(Contacts::List(contacts))) = message("rfc5118/ipv4-mapped-ipv6").contacts() else {
        panic!()
    };
    assert_eq!(
        contacts[0].uri.socket_addr().map(|at| at.to_string()).as_deref(),
        Some("192.0.2.2:5060")
    );
    let received = |name: &str| message(name).via().params.get("received").map(String::from);
    assert_eq!(
        received("rfc5118/via-received-param-with-delim").as_deref(),
        Some("[2001:db8::9:255]")
    );
    assert_eq!(received("rfc5118/via-received-param-no-delim").as_deref(), Some("2001:db8::9:255"));
}

#[test]
fn a_stream_is_broken_where_the_end_of_a_message_cannot_be_known() {
    for name in ["rfc4475/ncl", "rfc4475/mcl01", "rfc4475/inv2543"] {
        let mut framer = Framer::default();
        framer.push(&bytes(name));
        let frame = framer.next();
        assert!(matches!(frame, Some(Frame::Broken(_))), "{name}: {frame:?}");
        framer.push(&bytes("rfc4475/zeromf"));
        assert_eq!(framer.next(), None, "{name}");
    }
    let mut framer = Framer::default();
    framer.push(&bytes("rfc4475/clerr"));
    assert_eq!(framer.next(), None);
    assert!(framer.is_midway());
}

#[test]
fn no_mutation_makes_it_panic_and_a_stream_and_a_datagram_agree() {
    let originals: Vec<_> = VERDICTS.iter().map(|(name, _)| bytes(name)).collect();
    let mut dice = Dice(0x7095_0127);
    for _ in 0..20_000 {
        let mut bytes = originals[dice.below(originals.len())].clone();
        for _ in 0..=dice.below(6) {
            dice.mutate(&mut bytes, &originals);
        }
        read_everything(&bytes);
        let mut framer = Framer::default();
        framer.push(&bytes);
        while let Some(frame) = framer.next() {
            if let Frame::Message(whole) = frame
                && let Err((malformed, _)) = Message::parse(&whole)
            {
                assert_ne!(malformed.what, "body shorter than Content-Length");
            }
        }
    }
}

/// Calls every view there is.
fn read_everything(bytes: &[u8]) {
    match Message::parse(bytes) {
        Ok(message) => {
            _ = message.contacts();
            _ = message.expires();
            for name in [Name::Route, Name::RecordRoute, Name::PAssertedIdentity, Name::To] {
                for address in message.addresses(name).into_iter().flatten() {
                    _ = (address.expires(), address.uri.for_request(), address.uri.socket_addr());
                    _ = address.uri.with_param("x", "y z").matches(&message.from().uri);
                    _ = address.tagged("t").to_string();
                }
            }
            _ = message.tokens(Name::Supported).count() + message.body().len();
            _ = (message.body_of("application/sdp"), message.text(Name::UserAgent));
            let mut out = Vec::new();
            if message.method().is_some() {
                let response = Outgoing::response(Status::of(200), &message, Some("t1"));
                response.received(([192, 0, 2, 7], 5070).into()).write(None, &mut out);
                let again = Message::parse(&out);
                assert!(again.is_ok(), "{again:?} of {}", String::from_utf8_lossy(&out));
            }
        }
        Err((malformed, lexed)) => {
            assert!(malformed.at <= bytes.len(), "{malformed:?} of {} bytes", bytes.len());
            _ = refusal(malformed, lexed.as_ref());
        }
    }
}

/// A small generator (xorshift), so that a run can be repeated.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>, originals: &[Vec<u8>]) {
        const SPICE: &[&[u8]] = &[
            b"\0",
            b"\r\n",
            b"\n",
            b"\r",
            b"\r\n\r\n",
            b"\r\n ",
            b"%00",
            b"%",
            b"\"",
            b"\\",
            b"<",
            b">",
            b";",
            b",",
            b":",
            b"@",
            b"=",
            b"?",
            b"[",
            b"]",
            b" ",
            b"\t",
            b"\xff",
            b"\xc3",
            b"-1",
            b"4294967296",
            b"l: 5\r\n",
            b"SIP/2.0",
            b"sip:",
            b"[::1]",
            b"tel:+1",
            b"*",
        ];
        let at = self.below(bytes.len());
        match self.below(6) {
            0 if !bytes.is_empty() => bytes[at] = self.next() as u8,
            1 => {
                let spice = SPICE[self.below(SPICE.len())];
                bytes.splice(at..at, spice.iter().copied());
            }
            2 => bytes.truncate(at),
            3 => {
                let end = (at + self.below(20)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let end = (at + self.below(60)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = self.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            _ => {
                let other = &originals[self.below(originals.len())];
                let from = self.below(other.len());
                let end = (from + self.below(200)).min(other.len());
                bytes.splice(at..at, other[from..end].iter().copied());
            }
        }
    }
}
