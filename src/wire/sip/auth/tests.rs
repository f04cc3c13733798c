//! Both sides of digest authentication against each other, and against those who cheat.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use super::*;
use crate::wire::sip::headers::Name;
use crate::wire::sip::ids::Ids;
use crate::wire::sip::message::{Message, Method, Status};

const PHONE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
const URI: &str = "sip:switch.example";
const LIFE: Duration = Duration::from_secs(300);

fn guard() -> Guard {
    Guard::new("switch.example", LIFE, 100, Ids::new([5; 32]))
}

fn parse(start: &str, headers: &str) -> Message {
    let text = format!(
        "{start}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nFrom: <sip:bob@switch.example>;tag=b\r\n\
         To: <sip:bob@switch.example>\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n{headers}Content-Length: 0\r\n\r\n"
    );
    Message::parse(text.as_bytes()).map_err(|(malformed, _)| malformed).expect("a message")
}

fn register(authorization: &str) -> Message {
    parse(&format!("REGISTER {URI} SIP/2.0"), &format!("Authorization: {authorization}\r\n"))
}

/// SHA-256 first, then MD5.
fn both(guard: &mut Guard, now: Instant, source: IpAddr, stale: bool) -> [String; 2] {
    let challenges = guard.challenges(now, source, stale, &[Algorithm::Sha256, Algorithm::Md5]);
    challenges.try_into().expect("one each")
}

fn challenge(code: u16, lines: &[impl AsRef<str>]) -> Message {
    let name = if code == 401 { "WWW-Authenticate" } else { "Proxy-Authenticate" };
    let headers: String =
        lines.iter().map(|line| format!("{name}: {}\r\n", line.as_ref())).collect();
    parse(&format!("SIP/2.0 {code} x"), &headers)
}

/// What a phone of bob's answers to the challenge.
fn answered(challenge: &Message, password: &str) -> (Name, String) {
    let mut ids = Ids::new([6; 32]);
    answer(challenge, &Method::Register, URI, "bob", password, None, &mut ids)
        .expect("a challenge that can be answered")
}

fn bobs() -> Ha1 {
    Ha1::of("bob", "switch.example", "secret")
}

/// Credentials of a count of one's choice, as a phone makes them that keeps its nonce.
fn counted(challenge: &str, count: &str, uri: &str) -> String {
    let fields = fields::Fields::read(challenge.as_bytes()).expect("ours").expect("Digest");
    let nonce = fields.raw("nonce").expect("a nonce");
    let ha1 = digest::hash(Algorithm::Sha256, &[b"bob", b"switch.example", b"secret"]);
    let response = digest::response(
        Algorithm::Sha256,
        &ha1,
        nonce,
        count.as_bytes(),
        b"c",
        "REGISTER",
        uri.as_bytes(),
    );
    let nonce = std::str::from_utf8(nonce).expect("hex");
    format!(
        "Digest username=\"bob\", realm=\"switch.example\", nonce=\"{nonce}\", uri=\"{uri}\", \
         response=\"{response}\", algorithm=SHA-256, cnonce=\"c\", qop=auth, nc={count}"
    )
}

#[test]
fn a_phone_that_knows_the_password_comes_in_with_either_algorithm() {
    let now = Instant::now();
    let mut guard = guard();
    for first in 0..2 {
        let challenges = both(&mut guard, now, PHONE, false);
        let (name, value) = answered(&challenge(401, &challenges[first..]), "secret");
        assert_eq!(name, Name::Authorization);
        assert!(value.contains(["algorithm=SHA-256", "algorithm=MD5"][first]), "{value}");
        let request = register(&value);
        assert_eq!(guard.claimed(&request).as_deref(), Ok("bob"));
        assert_eq!(guard.check(now, PHONE, &request, Some(&bobs())), Ok(()));
    }
}

#[test]
fn a_challenge_names_the_stronger_algorithm_first_and_says_stale_when_it_is() {
    let now = Instant::now();
    let mut guard = Guard::new("a \"b\"", LIFE, 100, Ids::new([5; 32]));
    let [sha, md5] = both(&mut guard, now, PHONE, false);
    assert!(sha.starts_with("Digest realm=\"a \\\"b\\\"\", nonce=\""), "{sha}");
    assert!(sha.ends_with("\", algorithm=SHA-256, qop=\"auth\""), "{sha}");
    assert!(md5.ends_with("\", algorithm=MD5, qop=\"auth\""), "{md5}");
    let [sha, _] = both(&mut guard, now, PHONE, true);
    assert!(sha.ends_with(", stale=true"), "{sha}");
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_refused_alike() {
    let now = Instant::now();
    let mut guard = guard();
    let challenges = both(&mut guard, now, PHONE, false);
    let request = register(&answered(&challenge(401, &challenges), "guess").1);
    assert_eq!(guard.check(now, PHONE, &request, Some(&bobs())), Err(Refusal::Wrong));
    assert_eq!(guard.check(now, PHONE, &request, None), Err(Refusal::Wrong));
    let only_md5 = Ha1 { sha256: None, ..bobs() };
    let right = register(&answered(&challenge(401, &challenges), "secret").1);
    assert_eq!(guard.check(now, PHONE, &right, Some(&only_md5)), Err(Refusal::Wrong));
    assert_eq!(guard.check(now, PHONE, &right, Some(&bobs())), Ok(()), "no count was spent");
}

#[test]
fn credentials_behind_many_of_others_are_not_looked_for() {
    let now = Instant::now();
    let mut guard = guard();
    let own = answered(&challenge(401, &both(&mut guard, now, PHONE, false)), "secret").1;
    for (others, claimed) in [(7, Ok("bob".to_owned())), (8, Err(Refusal::Missing))] {
        let others = "Authorization: Digest realm=\"another\"\r\n".repeat(others);
        let headers = format!("{others}Authorization: {own}\r\n");
        let request = parse(&format!("REGISTER {URI} SIP/2.0"), &headers);
        assert_eq!(guard.claimed(&request), claimed);
    }
}

#[test]
fn credentials_cannot_be_used_twice() {
    let now = Instant::now();
    let mut guard = guard();
    let [sha, _] = both(&mut guard, now, PHONE, false);
    let first = register(&counted(&sha, "00000001", URI));
    assert_eq!(guard.check(now, PHONE, &first, Some(&bobs())), Ok(()));
    assert_eq!(guard.check(now, PHONE, &first, Some(&bobs())), Err(Refusal::Replayed));
    let third = register(&counted(&sha, "0000000a", URI));
    assert_eq!(guard.check(now, PHONE, &third, Some(&bobs())), Ok(()), "nc is hexadecimal");
    let second = register(&counted(&sha, "00000002", URI));
    assert_eq!(guard.check(now, PHONE, &second, Some(&bobs())), Ok(()), "they may overtake");
    assert_eq!(guard.check(now, PHONE, &third, Some(&bobs())), Err(Refusal::Replayed));
    let beyond = register(&counted(&sha, "00000065", URI));
    assert_eq!(guard.check(now, PHONE, &beyond, Some(&bobs())), Err(Refusal::Stale), "101 of 100");
}

#[test]
fn the_uri_must_be_the_request_uri() {
    let now = Instant::now();
    let mut guard = guard();
    let [sha, _] = both(&mut guard, now, PHONE, false);
    let other = register(&counted(&sha, "00000001", "sip:other.example"));
    assert_eq!(guard.check(now, PHONE, &other, Some(&bobs())), Err(Refusal::Wrong));
    let alike = register(&counted(&sha, "00000001", "sip:SWITCH.example"));
    assert_eq!(guard.check(now, PHONE, &alike, Some(&bobs())), Ok(()));
}

#[test]
fn the_method_is_part_of_the_proof() {
    let now = Instant::now();
    let mut guard = guard();
    let [sha, _] = both(&mut guard, now, PHONE, false);
    let credentials = counted(&sha, "00000001", URI);
    let text = format!(
        "INVITE {URI} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=b\r\n\
         To: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nAuthorization: {credentials}\r\n\r\n"
    );
    let invite =
        Message::parse(text.as_bytes()).map_err(|(malformed, _)| malformed).expect("a message");
    assert_eq!(guard.check(now, PHONE, &invite, Some(&bobs())), Err(Refusal::Wrong));
}

#[test]
fn a_nonce_of_yesterday_of_elsewhere_or_of_another_run_is_stale_for_who_knows_the_password() {
    let now = Instant::now();
    let mut ours = guard();
    let [sha, _] = both(&mut ours, now, PHONE, false);
    let request = register(&counted(&sha, "00000001", URI));
    let late = now + LIFE + Duration::from_millis(1);
    assert_eq!(ours.check(late, PHONE, &request, Some(&bobs())), Err(Refusal::Stale));
    assert_eq!(ours.check(now, ELSEWHERE, &request, Some(&bobs())), Err(Refusal::Stale));
    assert_eq!(ours.check(now, ELSEWHERE, &request, None), Err(Refusal::Wrong));
    let mut restarted = Guard::new("switch.example", LIFE, 100, Ids::new([9; 32]));
    assert_eq!(restarted.check(now, PHONE, &request, Some(&bobs())), Err(Refusal::Stale));
    both(&mut restarted, now, PHONE, false);
    assert_eq!(restarted.check(now, PHONE, &request, Some(&bobs())), Err(Refusal::Stale));
    assert_eq!(ours.check(now, PHONE, &request, Some(&bobs())), Ok(()));
}

#[test]
fn what_is_not_for_us_is_challenged() {
    let now = Instant::now();
    let mut guard = guard();
    let [sha, _] = both(&mut guard, now, PHONE, false);
    let good = counted(&sha, "00000001", URI);
    for other in [
        "NoOneKnowsThisScheme opaque-data=here".to_owned(),
        "Basic Ym9iOnNlY3JldA==".to_owned(),
        good.replace("realm=\"switch.example\"", "realm=\"else\""),
        good.replace("SHA-256", "SHA-512-256"),
    ] {
        let request = register(&other);
        assert_eq!(guard.claimed(&request), Err(Refusal::Missing), "{other}");
        assert_eq!(guard.check(now, PHONE, &request, Some(&bobs())), Err(Refusal::Missing));
    }
    let both = format!("Digest realm=\"else\"\r\nAuthorization: {good}");
    assert_eq!(guard.check(now, PHONE, &register(&both), Some(&bobs())), Ok(()));
    let none = parse(&format!("REGISTER {URI} SIP/2.0"), "");
    assert_eq!(guard.claimed(&none), Err(Refusal::Missing));
}

#[test]
fn credentials_without_what_they_need_are_refused() {
    let now = Instant::now();
    let mut guard = guard();
    let [sha, _] = both(&mut guard, now, PHONE, false);
    let good = counted(&sha, "00000001", URI);
    for (what, instead) in [
        ("nc=00000001", "nc=1"),
        ("nc=00000001", "nc=0000000g"),
        ("nc=00000001", "nc=+0000001"),
        ("cnonce=\"c\", ", ""),
        ("username=\"bob\", ", ""),
        ("uri=\"sip:switch.example\", ", ""),
        ("qop=auth", "nonce=\"twice\""),
        ("qop=auth", "qop"),
    ] {
        let bad = good.replace(what, instead);
        assert_ne!(bad, good);
        let refusal = guard.check(now, PHONE, &register(&bad), Some(&bobs()));
        assert!(
            matches!(refusal, Err(Refusal::Malformed(malformed)) if malformed.status == Status::of(400)),
            "{bad}: {refusal:?}"
        );
    }
    let without = register(&good.replace(", qop=auth", ""));
    assert_eq!(guard.check(now, PHONE, &without, Some(&bobs())), Err(Refusal::Wrong));
}

#[test]
fn a_proxys_challenge_is_answered_in_its_own_header() {
    let now = Instant::now();
    let mut guard = guard();
    let challenges = both(&mut guard, now, PHONE, false);
    let (name, value) = answered(&challenge(407, &challenges), "secret");
    assert_eq!(name, Name::ProxyAuthorization);
    let request =
        parse(&format!("REGISTER {URI} SIP/2.0"), &format!("Proxy-Authorization: {value}\r\n"));
    assert_eq!(guard.check(now, PHONE, &request, Some(&bobs())), Ok(()));
}

#[test]
fn a_challenge_is_answered_for_its_realm_alone() {
    let mut ids = Ids::new([6; 32]);
    let mut try_at = |challenge: &Message, realm| {
        answer(challenge, &Method::Register, URI, "bob", "secret", realm, &mut ids)
    };
    let asked = challenge(401, &["Digest realm=\"carrier\", nonce=\"n\", qop=\"auth\""]);
    assert!(try_at(&asked, Some("carrier")).is_some());
    assert!(try_at(&asked, None).is_some());
    assert!(try_at(&asked, Some("other")).is_none());
    for unanswerable in [
        "Basic realm=\"carrier\"",
        "Digest realm=\"carrier\", nonce=\"n\", algorithm=SHA-512-256",
        "Digest realm=\"carrier\", nonce=\"n\", qop=\"auth-int\"",
        "Digest realm=\"carrier\"",
        "Digest realm=\"carrier",
    ] {
        assert!(try_at(&challenge(401, &[unanswerable]), None).is_none(), "{unanswerable}");
    }
    assert!(try_at(&parse("SIP/2.0 403 x", ""), None).is_none());
}

#[test]
fn an_old_carrier_without_qop_is_answered_as_rfc_2069_has_it() {
    let asked = challenge(
        401,
        &["Digest realm=\"carrier\", nonce=\"abc\", opaque=\"o\\\"p\", algorithm=MD5"],
    );
    let (_, value) = answered(&asked, "secret");
    let ha1 = digest::hash(Algorithm::Md5, &[b"bob", b"carrier", b"secret"]);
    let response =
        digest::legacy_response(Algorithm::Md5, &ha1, b"abc", "REGISTER", URI.as_bytes());
    assert_eq!(
        value,
        format!(
            "Digest username=\"bob\", realm=\"carrier\", nonce=\"abc\", uri=\"{URI}\", \
             response=\"{response}\", algorithm=MD5, opaque=\"o\\\"p\""
        )
    );
}

#[test]
fn a_user_with_a_quote_in_his_name_can_come_in() {
    let now = Instant::now();
    let mut guard = guard();
    let challenges = both(&mut guard, now, PHONE, false);
    let mut ids = Ids::new([6; 32]);
    let asked = challenge(401, &challenges);
    let (_, value) =
        answer(&asked, &Method::Register, URI, "b\"o\\b", "secret", None, &mut ids).expect("so");
    let request = register(&value);
    assert_eq!(guard.claimed(&request).as_deref(), Ok("b\"o\\b"));
    let ha1 = Ha1::of("b\"o\\b", "switch.example", "secret");
    assert_eq!(guard.check(now, PHONE, &request, Some(&ha1)), Ok(()));
}

#[test]
fn no_formatter_shows_an_ha1() {
    assert_eq!(format!("{:?}", bobs()), "Ha1(***)");
    assert!(!format!("{:?}", guard()).contains("switch.example:"));
}
